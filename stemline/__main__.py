"""`python -m stemline`: the command."""

from stemline.serving.cli import main

main()
