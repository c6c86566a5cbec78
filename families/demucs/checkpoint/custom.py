"""Demucs networks that are not in the table: one package, or a bag of them in a folder."""

from dataclasses import replace
from pathlib import Path

from stemline.errors import BagError, ConfigError, WeightsError

from ...model_spec import ModelSpec
from ..bags import Bag
from ..config import DemucsConfig
from ..models import bag_of
from ..msst_file import read_msst
from .bag_file import find_member, read_bag
from .load import package_config
from .package import read_package


def custom_demucs(
    name: str, bag_path: Path | None, weights: str | Path, licence: str
) -> tuple[ModelSpec, Path]:
    """A model made of packages at hand, and where its weights are: a file, or a bag's folder.

    `weights` is one package; with `bag_path`, demucs's YAML of a bag, the folder of its networks;
    where that is MSST's YAML of one network, its checkpoint.

    Raises ConfigError, CheckpointError, or WeightsError where there is no such file or folder.
    """
    path = Path(weights)
    if bag_path is not None and (config := read_msst(bag_path)) is not None:
        if not path.is_file():
            raise WeightsError(
                f"--weights {weights}: no such file; with MSST's YAML it is one checkpoint"
            )
        rows = Bag((path.stem,)).weights_for(len(config.stems))
        return bag_of(name, name, (path.stem,), rows, (config,), ((),), licence), path
    if bag_path is None:
        if not path.is_file():
            raise WeightsError(
                f"--weights {weights}: no such file; a Demucs model of your own is a .th or "
                ".safetensors file, with --config BAG.yaml the folder of a bag's files, with "
                "MSST's YAML its checkpoint"
            )
        bag, paths = Bag((path.stem,)), [path]
    else:
        if not path.is_dir():
            raise WeightsError(f"--weights {weights}: no such folder; it holds a bag's networks")
        bag = read_bag(bag_path)
        paths = [find_member(path, signature) for signature in bag.members]
    configs = tuple(package_config(read_package(each)) for each in paths)
    first = configs[0]
    for config, each in zip(configs, paths, strict=True):
        if (config.stems, config.sample_rate_hz, config.audio_channels) != (
            first.stems,
            first.sample_rate_hz,
            first.audio_channels,
        ):
            raise ConfigError(f"{each}: its stems, rate or channels are not those of {paths[0]}")
    try:
        rows = bag.weights_for(len(first.stems))
    except BagError as error:
        raise ConfigError(f"{bag_path}: {error}") from error
    if len({config.architecture for config in configs}) > 1:
        raise ConfigError(f"{bag_path}: its networks are of both classes, HTDemucs and HDemucs")
    configs = tuple(_with_segment(config, bag, str(bag_path)) for config in configs)
    if len({config.chunk_samples for config in configs}) > 1:
        raise ConfigError(f"{bag_path}: its networks have segments of different lengths")
    spec = bag_of(name, name, bag.members, rows, configs, ((),) * len(configs), licence)
    return spec, paths[0] if len(paths) == 1 else path


def _with_segment(config: DemucsConfig, bag: Bag, source: str) -> DemucsConfig:
    """The configuration with its bag's segment, which only networks of any length can have.

    As in demucs, HTDemucs keeps its own where the bag's is longer.
    """
    if bag.segment_s is None:
        return config
    if config.architecture == "hdemucs":
        return replace(config, segment=bag.segment_s)
    if bag.segment_s < config.segment:
        raise ConfigError(
            f"{source}: a segment of {float(bag.segment_s):g} s is less than the "
            f"{float(config.segment):g} s HTDemucs was trained on; it would cost as much and "
            "separate worse"
        )
    return config
