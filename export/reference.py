"""The PyTorch engine that an artifact is compared with, rebuilt from its manifest."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from torch import nn

from stemline.engines.artifact import info_from_json, read_manifest
from stemline.engines.pytorch import TorchEngine
from stemline.errors import ArtifactError, WeightsError
from stemline.families import find_family
from stemline.families.common.digest import file_sha256
from stemline.families.family import Tensors
from stemline.families.model_spec import ModelSpec

from .download import cached_checkpoint
from .manifest import stored_config
from .model_info import is_random, model_info
from .models import MODELS
from .weights import Weights, load_network, random_digest


def reference_engine(
    folder: Path,
    weights: Path | None = None,
    *,
    device: str = "cpu",
    threads: int | None = None,
) -> TorchEngine:
    """The network an artifact was exported from, in PyTorch, with the weights it was given.

    `weights` is the checkpoint, needed where it is not in the cache; of a bag's network it may be
    the folder of all of them, of several folds it must be the folder of their files.

    Raises
    ------
    WeightsError
        The weights are not to be had, or `weights` are others than the artifact's.
    ArtifactError, CheckpointError, DeviceError
        The manifest, the checkpoint or the device is not what it should be.
    """
    manifest = read_manifest(folder)
    config = stored_config(manifest, folder)
    info = info_from_json(manifest["model"], str(folder))
    # Only the name and the configuration matter to what is loaded from a file at hand.
    spec = ModelSpec(
        info.model,
        info.family,
        "",
        config,
        (),
        None,
        None,
        "",
        member=info.member,
        encodes_text=info.encodes_text,
    )
    stored = manifest["weights"]
    digests = stored.get("parts", [])
    if digests:
        spec = replace(spec, folds=tuple(replace(spec, fold=fold) for fold in range(len(digests))))
    elif (row := _row_of(spec)) is not None:
        spec = replace(spec, fold=row.fold, folds=row.folds)
    if (row := _row_of(spec)) is not None:
        spec = replace(spec, installed_package=row.installed_package)
    family = find_family(info.family)
    if weights is not None and weights.is_dir() and info.member:
        weights = family.member_file(weights, info.member.signature)
    elif weights is not None and weights.is_dir() and info.text:
        weights = family.part_file(weights, info.encodes_text)
    if digests:
        found = _weights_of_folds(folder, stored["sha256"], digests, spec, weights)
    else:
        found = _weights_of(folder, stored["sha256"], spec, weights)
    loaded = load_network(spec, found)
    own = model_info(replace(spec, config=loaded.config), info.precision, found.sha256)
    tensors = family.tensors(own)
    return torch_engine(loaded.network, tensors, name=folder.name, device=device, threads=threads)


def torch_engine(
    network: nn.Module,
    tensors: Tensors,
    *,
    name: str = "pytorch",
    device: str = "cpu",
    threads: int | None = None,
) -> TorchEngine:
    """A network as an engine with the inputs and outputs of its artifact."""
    return TorchEngine(
        network,
        tensors.inputs,
        tensors.outputs,
        name=name,
        device=device,
        threads=threads,
    )


def _weights_of(folder: Path, sha256: str, spec: ModelSpec, given: Path | None) -> Weights:
    """The weights with this digest: random, given, in the cache, or installed."""
    if spec.installed_package and not is_random(sha256):
        return _installed_weights(folder, sha256, spec, given)
    if given is not None:
        if not given.is_file():
            raise WeightsError(f"--weights {given}: no such file")
        if file_sha256(given) != sha256:
            raise WeightsError(f"{given} is not the checkpoint that {folder.name} was made from")
        return Weights("file", given, sha256)
    if sha256 == random_digest(spec):
        return Weights("random", None, sha256)
    if is_random(sha256):
        raise ArtifactError(f"{folder}: made from another random seed; export it again")
    row = _row_of(spec)
    if row is not None and row.bundled is not None:
        if row.sha256 != sha256:
            raise WeightsError(
                f"{folder.name} was made from other weights than ship with this stemline; export "
                "it again, or give them with --weights PATH"
            )
        return Weights("bundled", row.bundled, sha256)
    found = cached_checkpoint(row) if row is not None and row.files else None
    if found is None or found[1] != sha256:
        raise WeightsError(
            f"the checkpoint {folder.name} was made from is not in the cache; give it with "
            "--weights PATH"
        )
    return Weights("official", *found)


def _installed_weights(folder: Path, sha256: str, spec: ModelSpec, given: Path | None) -> Weights:
    family = find_family(spec.family)
    found = family.find_installed(given)
    if found is None or family.installed_digest(found) != sha256:
        raise WeightsError(
            f"the {spec.installed_package} that {folder.name} was made from is not "
            f"{given or 'installed here'}; give the virtual environment that has it with "
            "--weights PATH"
        )
    return Weights("installed", found, sha256)


def _weights_of_folds(
    folder: Path, sha256: str, digests: list[str], spec: ModelSpec, given: Path | None
) -> Weights:
    """The weights of several folds: given as their files' folder, or in the cache."""
    row = _row_of(spec)
    if given is not None:
        if not given.is_dir():
            raise WeightsError(f"--weights {given}: {folder.name} wants the folder of its folds")
        at_hand = {file_sha256(path): path for path in find_family(spec.family).fold_files(given)}
        kind: Literal["file", "official"] = "file"
    else:
        cached = [cached_checkpoint(fold) for fold in row.folds] if row else []
        at_hand = {digest: path for path, digest in filter(None, cached)}
        kind = "official"
    missing = [digest for digest in digests if digest not in at_hand]
    if missing:
        raise WeightsError(
            f"{len(missing)} of the {len(digests)} checkpoints {folder.name} was made from are not "
            f"in {given or 'the cache'}; give the folder that holds them with --weights"
        )
    parts = tuple(Weights(kind, at_hand[digest], digest) for digest in digests)
    return Weights(kind, None, sha256, parts=parts)


def _row_of(spec: ModelSpec) -> ModelSpec | None:
    """The network of the table that is this one of this model."""
    row = MODELS.get(spec.name)
    networks = row.networks if row else ()
    return next((n for n in networks if n.artifact_stem == spec.artifact_stem), None)
