"""Run by madmom's own Python: activations in a folder to beats in the same folder.

Usage: madmom_dbn.py FOLDER. FOLDER/cases.json lists cases {"name", "kind", "options"}; each has
its activations in NAME.npy. Written are NAME.beats.npy (absent where madmom finds no path and
fails) and NAME.log_probabilities.npy, one for each bar length.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from madmom.features.beats import DBNBeatTrackingProcessor
from madmom.features.downbeats import DBNDownBeatTrackingProcessor

PROCESSORS = {"bars": DBNDownBeatTrackingProcessor, "plain": DBNBeatTrackingProcessor}


class RecordedHmm:
    """A hidden Markov model that remembers the log probabilities of its paths."""

    def __init__(self, hmm, log_probabilities):
        self._hmm = hmm
        self._log_probabilities = log_probabilities

    def __getattr__(self, name):
        return getattr(self._hmm, name)

    def viterbi(self, observations):
        path, log_probability = self._hmm.viterbi(observations)
        self._log_probabilities.append(log_probability)
        return path, log_probability


def main(folder):
    warnings.simplefilter("ignore")
    made = {}
    for case in json.loads((folder / "cases.json").read_text()):
        key = json.dumps([case["kind"], case["options"]], sort_keys=True)
        if key not in made:
            processor, log_probabilities = PROCESSORS[case["kind"]](**case["options"]), []
            if case["kind"] == "bars":
                processor.hmms = [RecordedHmm(hmm, log_probabilities) for hmm in processor.hmms]
            else:
                processor.hmm = RecordedHmm(processor.hmm, log_probabilities)
            made[key] = processor, log_probabilities
        processor, log_probabilities = made[key]
        log_probabilities.clear()
        name = case["name"]
        try:
            beats = processor(np.load(folder / f"{name}.npy"))
        except IndexError:  # 0.16.1, when no path is possible
            beats = None
        np.save(folder / f"{name}.log_probabilities.npy", np.array(log_probabilities, float))
        if beats is not None:
            np.save(folder / f"{name}.beats.npy", beats)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
