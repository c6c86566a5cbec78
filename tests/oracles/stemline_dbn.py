"""Run with the environment of the oracle: activations in a folder to our beats beside them.

As madmom_dbn.py; written are NAME.ours.npy and, for every way of the kernel, a row of log
probabilities in NAME.our_log_probabilities.npy.
"""

import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from stemline.postprocessing.dbn import DownbeatTracker, PlainBeatTracker, log_densities, part_above
from stemline.postprocessing.viterbi import BeatViterbi, instruction_sets

TRACKERS: dict[str, Any] = {"bars": DownbeatTracker, "plain": PlainBeatTracker}
THRESHOLDS = {"bars": 0.05, "plain": 0.0}
WAYS = list(product(instruction_sets(), (False, True)))


def main(folder: Path) -> None:
    for case in json.loads((folder / "cases.json").read_text()):
        name, options = case["name"], case["options"]
        tracker = TRACKERS[case["kind"]](**options)
        activations = np.load(folder / f"{name}.npy")
        np.save(folder / f"{name}.ours.npy", tracker(activations))

        found: list[list[float]] = []
        _, part = part_above(activations, options.get("threshold", THRESHOLDS[case["kind"]]))
        if part.any():
            densities = log_densities(part, options.get("observation_lambda", 16))
            states = tracker.states if case["kind"] == "bars" else [tracker.states]
            for instruction_set, exact in WAYS:
                viterbi = BeatViterbi(states, instruction_set=instruction_set, exact=exact)
                found.append([path.log_probability for path in viterbi.best_paths(densities)])
        np.save(folder / f"{name}.our_log_probabilities.npy", np.array(found, float))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
