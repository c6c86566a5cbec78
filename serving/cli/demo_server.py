"""`stemline serve` for as long as its standard input is open; server_process.py starts it.

The other end is its parent's. However that ends, by SIGKILL too, the system closes it, and the
server stops as it does on SIGTERM.
"""

import os
import signal
import threading

from .app import main


def _stop_with_the_input() -> None:
    while os.read(0, 1024):  # not sys.stdin: its lock must not be held when the interpreter ends
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_stop_with_the_input, daemon=True).start()
    main()
