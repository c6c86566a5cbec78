"""What an artifact is made from: every file that matters is found, and no other."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from export_helpers import spec_of, tiny_config

from stemline.export import fingerprint as fingerprints
from stemline.export.fingerprint import fingerprint, sources
from stemline.export.models import MODELS
from stemline.families import FAMILIES
from stemline.families.model_spec import ModelSpec

SPECS = {spec.family: spec for spec in reversed(MODELS.values())}
"""One model of each family."""
SOURCES = {family: sources(family, "fp32", has_quality=True) for family in FAMILIES}


def print_of(spec: ModelSpec, *, has_quality: bool = True) -> str:
    return fingerprint(spec, "fp32", "00ff", has_quality)


class Tree:
    """A copy of the sources that the fingerprints are made of, file by file as it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file_of = fingerprints._file_of

    def file_of(self, module: str) -> Path | None:
        """The copy of a module's file, beside it what an extension is built from."""
        path = self._file_of(module)
        if path is None:
            return None
        copy = self._folder / module / path.name
        if not copy.exists():
            copy.parent.mkdir()
            shutil.copy(path, copy)
            for pattern in fingerprints._EXTENSION_SOURCES if path.suffix != ".py" else ():
                for source in path.parent.glob(pattern):
                    shutil.copy(source, copy.parent)
        return copy

    def files(self, module: str) -> Iterator[Path]:
        """The files of a module one after the other, each with a comment more while it is given."""
        copy = self.file_of(module)
        assert copy is not None
        built_from = [one for one in copy.parent.iterdir() if one != copy]
        for path in built_from or [copy]:
            content = path.read_bytes()
            path.write_bytes(content + b"\n# changed\n")
            yield path
            path.write_bytes(content)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    tree = Tree(tmp_path)
    monkeypatch.setattr(fingerprints, "_file_of", tree.file_of)
    return tree


def test_weights_config_and_facts_shape_the_fingerprint() -> None:
    config = tiny_config()
    spec = spec_of(config)
    prints = [
        fingerprint(spec_, "fp32", digest, has_quality=False)
        for spec_, digest in (
            (spec, "random:0"),
            (spec, "00ff"),
            (replace(spec, config=replace(config, growth=16)), "random:0"),
            (replace(spec, config=replace(config, default_overlap=2.0)), "random:0"),
            (replace(spec, licence="CC0"), "random:0"),
        )
    ]
    assert len(set(prints)) == len(prints)
    assert fingerprint(spec, "fp32", "00ff", has_quality=False) == prints[1]


@pytest.mark.parametrize("package", [*fingerprints._PACKAGES, "onnxruntime"])
def test_another_version_of_a_package_is_another_artifact(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [print_of(SPECS["mdx23c"], has_quality=by_songs) for by_songs in (True, False)]
    version = fingerprints._version
    assert version(package)
    monkeypatch.setattr(
        fingerprints, "_version", lambda name: "0" if name == package else version(name)
    )
    after = [print_of(SPECS["mdx23c"], has_quality=by_songs) for by_songs in (True, False)]
    assert after[0] != before[0]
    assert (after[1] != before[1]) == (package in fingerprints._PACKAGES)


def test_the_runtime_that_figures_are_measured_with_is_among_the_sources() -> None:
    assert "stemline.engines.onnxruntime" in SOURCES["demucs"]


def test_a_copy_of_the_sources_gives_the_same_fingerprint(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_the_copy = {family: print_of(spec) for family, spec in SPECS.items()}
    monkeypatch.undo()
    assert of_the_copy == {family: print_of(spec) for family, spec in SPECS.items()}


# What another byte changes ---------------------------------------------------------------------


def test_a_byte_in_any_file_that_an_export_imports_changes_the_fingerprint(tree: Tree) -> None:
    spec = SPECS["mdx23c"]
    before = print_of(spec)
    n_files = 0
    for module in SOURCES["mdx23c"]:
        for path in tree.files(module):
            assert print_of(spec) != before, path
            n_files += 1
    assert print_of(spec) == before
    assert n_files >= len(SOURCES["mdx23c"]) > 80


@pytest.mark.parametrize("family", FAMILIES)
def test_a_byte_in_a_family_s_file_changes_its_own_fingerprint_and_no_other(
    family: str, tree: Tree
) -> None:
    before = {name: print_of(spec) for name, spec in SPECS.items()}
    own = [name for name in SOURCES[family] if name.startswith(FAMILIES[family])]
    assert len(own) >= 5
    for module in own:
        for path in tree.files(module):
            changed = {name for name, spec in SPECS.items() if print_of(spec) != before[name]}
            assert changed == {family}, path


@pytest.mark.parametrize(
    "module",
    [
        # One line more in a registry or a table makes no other artifact of those that are there.
        "stemline.families",
        "stemline.families.demucs.models",
        "stemline.engines.runtimes",
        "stemline.export.models",
        "stemline.export.precisions",
        "stemline.serving.rpc.server",
        "stemline.serving.client.client",
        "stemline.serving.library",
        "stemline.serving.cli.export",
        "stemline.bench.run",
        "stemline.separators",
    ],
)
def test_a_byte_in_a_table_or_a_door_changes_nothing(module: str, tree: Tree) -> None:
    before = {name: print_of(spec) for name, spec in SPECS.items()}
    for _ in tree.files(module):
        assert {name: print_of(spec) for name, spec in SPECS.items()} == before


def test_the_band_shapes_the_fingerprint_where_the_card_has_quality_and_nowhere_else(
    tree: Tree,
) -> None:
    spec = spec_of(tiny_config())

    def prints() -> list[str]:
        return [print_of(spec, has_quality=has_quality) for has_quality in (True, False)]

    before = prints()
    assert prints() == before and before[0] != before[1]
    band = [module for module in SOURCES["mdx23c"] if module.startswith("stemline.band")]
    assert {"stemline.band.song", "stemline.band.compose", "stemline.band.synth.voice"} <= set(band)
    for module in band:
        for path in tree.files(module):
            changed = prints()
            assert changed[0] != before[0] and changed[1] == before[1], path


# Which files those are -------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("has_quality", [True, False])
def test_sources_are_what_an_export_of_this_family_runs(family: str, has_quality: bool) -> None:
    found = sources(family, "fp32", has_quality)
    assert {
        "stemline.arrays",
        "stemline.evaluation.signal",
        "stemline.evaluation.parity",
        "stemline.export.card",
        "stemline.export.export",
        "stemline.export.fingerprint",
        "stemline.export.precisions.fp32",
        "stemline.export.torch_to_onnx",
        "stemline.export.verify",
        "stemline.families.common.graph",
        "stemline.families.model_spec",
        "stemline.serving.pipeline",
    } <= set(found)
    others = tuple(module for name, module in FAMILIES.items() if name != family)
    assert not [module for module in found if module.startswith(others)]
    doors = ("rpc", "client", "cli", "library", "scheduler")
    assert not [m for m in found if m.startswith(tuple(f"stemline.serving.{d}" for d in doors))]
    assert any(module.startswith("stemline.band") for module in found) == has_quality
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("family", "modules"),
    [
        ("mdx23c", ("network", "processing", "checkpoint", "config_file")),
        ("demucs", ("network.htdemucs", "processing", "stft", "istft", "checkpoint.diffq")),
        ("allin1", ("network.neighbourhood", "graph.writer", "activations", "checkpoint.fold")),
        ("madmom", ("network", "graph", "features", "checkpoint.pickle_reader")),
    ],
)
def test_a_family_s_own_files_are_among_them(family: str, modules: tuple[str, ...]) -> None:
    assert {f"{FAMILIES[family]}.{name}" for name in modules} <= set(SOURCES[family])


def test_what_beats_are_decoded_with_is_among_them_with_what_it_is_built_from(tree: Tree) -> None:
    for family in ("allin1", "madmom"):
        assert "stemline.postprocessing._viterbi" in SOURCES[family]
        assert "stemline.preprocessing._power" in SOURCES[family]
    assert "_viterbi.pyx" in {path.name for path in tree.files("stemline.postprocessing._viterbi")}


def test_a_name_that_only_type_checkers_import_is_no_source() -> None:
    code = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import stemline.band
else:
    import stemline.arrays
def late():
    from stemline import errors
    from .beside import name
"""
    assert set(fingerprints._names(code, "stemline.export")) == {
        "typing",
        "typing.TYPE_CHECKING",
        "stemline.arrays",
        "stemline",
        "stemline.errors",
        "stemline.export.beside",
        "stemline.export.beside.name",
    }
