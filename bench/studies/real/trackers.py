"""The trained folds as beat trackers: read and written as graphs as an export does, in no folder.

What an export measures besides, parity and beats of the band's songs, takes most of a minute a
fold; here the originals are the measure.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from stemline.engines import open_engine
from stemline.export.model_info import model_info
from stemline.families.allin1.checkpoint.custom import custom_allin1
from stemline.families.allin1.checkpoint.fold import read_fold
from stemline.families.allin1.graph.writer import export_allin1
from stemline.families.allin1.network.all_in_one import AllInOne
from stemline.families.common.digest import file_sha256
from stemline.serving.beat_tracker import BeatTracker

from .beats import MEAN


def fold_models(files: Sequence[Path]) -> dict[str, Sequence[Path]]:
    """The files of each model: of every fold alone, and of the mean of all."""
    return {**{f"fold {fold}": [file] for fold, file in enumerate(files)}, MEAN: files}


def fold_trackers(models: Mapping[str, Sequence[Path]], folder: Path) -> dict[str, BeatTracker]:
    """A tracker for each model, its graph in `folder`; close them.

    Raises CheckpointError for a file that is no fold, OnnxExportError.
    """
    trackers = {}
    for name, files in models.items():
        graph = folder / f"{name}.onnx"
        networks = [read_fold(file).network().network for file in files]
        export_allin1(cast(list[AllInOne], networks), graph)
        weights = files[0] if len(files) == 1 else files[0].parent
        spec, _ = custom_allin1(name, None, weights, "")
        info = model_info(spec, "fp32", file_sha256(files[0])).beats
        assert info is not None
        trackers[name] = BeatTracker(open_engine(graph, "cpu", threads=1), info, name=name)
    return trackers
