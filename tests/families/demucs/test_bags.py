import hashlib
from fractions import Fraction
from pathlib import Path

import pytest

from stemline.errors import BagError, CheckpointError, ConfigError
from stemline.families.demucs.bags import BAGS, Bag
from stemline.families.demucs.checkpoint.bag_file import find_member, read_bag


def test_the_names_that_users_of_demucs_type_are_there() -> None:
    assert list(BAGS) == [
        "htdemucs",
        "htdemucs_ft",
        "htdemucs_6s",
        "hdemucs_mmi",
        "mdx_extra",
        "mdx_extra_q",
    ]


def test_the_official_files_have_digests_that_their_names_begin() -> None:
    digests = []
    for row in BAGS.values():
        assert len(row.files) == len(row.bag.members)
        for signature, files in zip(row.bag.members, row.files, strict=True):
            th, safe = files
            assert th.url.startswith("https://dl.fbaipublicfiles.com/demucs/")
            assert th.sha256 is not None and len(th.sha256) == 64
            assert th.name == f"{signature}-{th.sha256[:8]}.th"
            assert safe.name == f"{signature}.safetensors"
            digests.append(th.sha256)
    assert len(set(digests)) == len(digests) == 15


@pytest.mark.parametrize(
    ("stem", "member"), [("drums", 0), ("bass", 1), ("other", 2), ("vocals", 3)]
)
def test_one_stem_of_htdemucs_ft_needs_one_network(stem: str, member: int) -> None:
    row = BAGS["htdemucs_ft"]
    n_stems = len(row.stems)
    assert row.bag.members_for([row.stems.index(stem)], n_stems) == (member,)
    assert row.bag.members_for([0, 3], n_stems) == (0, 3)
    assert row.bag.members_for([], n_stems) == ()


def test_without_weights_every_network_counts_for_every_stem() -> None:
    bag = Bag(("a", "b", "c"))
    assert bag.weights_for(2) == ((1.0, 1.0),) * 3
    assert bag.members_for([1], 2) == (0, 1, 2)


def test_weights_are_for_a_number_of_stems() -> None:
    with pytest.raises(BagError, match="are for 4 stems; got 6"):
        BAGS["htdemucs_ft"].bag.weights_for(6)


def write(folder: Path, text: str) -> Path:
    path = folder / "bag.yaml"
    path.write_text(text)
    return path


def test_a_bag_is_read_from_the_yaml_of_demucs(tmp_path: Path) -> None:
    text = "models: ['0d19c1c6', 'b72baf4e']\nweights: [\n  [1., 0],\n  [0, .5],\n]\nsegment: 7.8\n"
    bag = read_bag(write(tmp_path, text))
    assert bag == Bag(("0d19c1c6", "b72baf4e"), ((1.0, 0.0), (0.0, 0.5)), Fraction(39, 5))
    assert read_bag(write(tmp_path, "models: [abc]")) == Bag(("abc",))
    assert read_bag(write(tmp_path, "models: [abc]\nsegment: 44")).segment_s == 44


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: []", "models: names no network"),
        ("weights: [[1]]", "no bag of Demucs networks: it has no `models`"),
        ("- 1", "no bag"),
        ("", "no bag"),
        ("models: abc", "models: must be a list"),
        ("models: [12345678]", "models: a signature is a word in quotes"),  # a number to YAML
        ("models: ['../../etc']", "models: a signature is a word"),
        ("models: [a, b]\nweights: [[1]]", "weights: 1 rows for 2 models"),
        ("models: [a, b]\nweights: [[1, 1], [1]]", "weights: every row must have one number"),
        ("models: [a]\nweights: [[]]", "weights: every row"),
        ("models: [a]\nweights: [1]", "weights: must be a list of rows"),
        ("models: [a]\nweights: [[x]]", "weights: must be numbers; got a str"),
        ("models: [a]\nweights: [[-1]]", "weights: must be numbers of 0 or more"),
        ("models: [a]\nweights: [[.nan]]", "weights: must be numbers of 0 or more"),
        ("models: [a]\nweights: [[1, 0]]", "weights: no model counts for stem 2"),
        (f"models: [a]\nweights: [[1{'0' * 400}]]", "weights: a number is too large"),
        ("models: [a]\nsegment: 0", "segment: must be more than 0"),
        ("models: [a]\nsegment: .inf", "segment: must be more than 0"),
        ("models: [a]\nsegment: yes", "segment: must be numbers; got a bool"),
        ("models: &a [a]\nweights: *a", "aliases are not read"),
        ("models: !!python/object/apply:os.getcwd []", "is no YAML that is read here"),
        ("models: [a", "is no YAML that is read here"),
        ("#" * 70_000, "is over 65536 bytes"),
    ],
)
def test_a_yaml_that_is_no_bag_is_one_clear_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_bag(write(tmp_path, text))
    assert "bag.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read: No such file"):
        read_bag(tmp_path / "none.yaml")


def test_a_network_is_found_by_its_signature(tmp_path: Path) -> None:
    checksum = hashlib.sha256(b"b").hexdigest()[:8]
    for name, data in (("aaa.th", b"a"), (f"bbb-{checksum}.th", b"b"), ("abc.th", b"c")):
        (tmp_path / name).write_bytes(data)
    assert find_member(tmp_path, "aaa").name == "aaa.th"
    assert find_member(tmp_path, "bbb").name == f"bbb-{checksum}.th"
    (tmp_path / "bbb.safetensors").write_bytes(b"s")
    assert find_member(tmp_path, "bbb").name == "bbb.safetensors"


def test_a_network_that_is_not_there_or_not_itself_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no network aaa; put aaa\.th or aaa\.safetensors"):
        find_member(tmp_path, "aaa")
    (tmp_path / "aaa-00000000.th").write_bytes(b"a")
    with pytest.raises(CheckpointError, match="SHA-256 does not begin with 00000000"):
        find_member(tmp_path, "aaa")
    (tmp_path / "aaa.th").write_bytes(b"a")
    with pytest.raises(CheckpointError, match=r"more than once: aaa-00000000\.th, aaa\.th"):
        find_member(tmp_path, "aaa")
