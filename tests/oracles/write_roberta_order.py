"""Write golden/roberta_order.npy from fairseq's dict.txt: GPT-2's ids in the order of RoBERTa's.

    python tests/oracles/write_roberta_order.py dict.txt

https://dl.fbaipublicfiles.com/fairseq/gpt2_bpe/dict.txt. What the file calls `madeupword…` is
65535; the vocabulary has the first three. A test holds the digest of the whole vocabulary to the
one that is published.
"""

import sys
from pathlib import Path

import numpy as np

MADE_UP, N_MADE_UP = 65_535, 3
PLACE = Path(__file__).parent / "golden" / "roberta_order.npy"


def order(lines: list[str]) -> list[int]:
    """GPT-2's ids by RoBERTa's, from behind the four special tokens."""
    words = [line.rsplit(" ", 1)[0] for line in lines]
    ids = [MADE_UP if word.startswith("madeupword") else int(word) for word in words]
    made_up = [place for place, one in enumerate(ids) if one == MADE_UP]
    dropped = set(made_up[N_MADE_UP:])
    return [one for place, one in enumerate(ids) if place not in dropped]


if __name__ == "__main__":
    PLACE.parent.mkdir(exist_ok=True)
    found = order(Path(sys.argv[1]).read_text().splitlines())
    np.save(PLACE, np.array(found, np.uint16))
