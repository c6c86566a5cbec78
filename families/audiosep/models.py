"""The one model of this family: what separates, and what encodes the texts for it."""

from ..model_spec import CheckpointFile, ModelSpec
from .config import SeparatorConfig, TextEncoderConfig

_CHECKPOINT = CheckpointFile(
    "https://huggingface.co/spaces/Audio-AGI/AudioSep/resolve/main/checkpoint/"
    "audiosep_base_4M_steps.ckpt",
    "f8cda01bfd0ebd141eef45d41db7a3ada23a56568465840d3cff04b8010ce82c",
    1_264_844_076,
)
_CLAP = CheckpointFile(
    "https://huggingface.co/lukewys/laion_clap/resolve/main/"
    "music_speech_audioset_epoch_15_esc_89.98.pt",
    "51c68f12f9d7ea25fdaaccf741ec7f81e93ee594455410f3bca4f47f88d8e006",
    2_352_471_003,
)
_ROBERTA = (
    "https://huggingface.co/FacebookAI/roberta-base/resolve/"
    "e2da8e2f811d1448a5b465c236feacd80ffbac7b/"
)
_VOCABULARY = CheckpointFile(
    _ROBERTA + "vocab.json",
    "9e7f63c2d15d666b52e21d250d2e513b87c9b713cfa6987a82ed89e5e6e50655",
    898_823,
)
_MERGES = CheckpointFile(
    _ROBERTA + "merges.txt",
    "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
    456_318,
)

TEXT_ENCODER = ModelSpec(
    name="audiosep",
    family="audiosep",
    title="AudioSep's encoder of texts: CLAP's",
    config=TextEncoderConfig(),
    urls=(_CHECKPOINT.url,),
    sha256=_CHECKPOINT.sha256,
    size_bytes=_CHECKPOINT.size_bytes,
    licence="CC0 1.0 (LAION-CLAP); vocabulary MIT (RoBERTa)",
    graph_optimization="extended",
    other_files=(_CLAP,),
    encodes_text=True,
    carried_files=(_VOCABULARY, _MERGES),
)

AUDIOSEP = ModelSpec(
    name="audiosep",
    family="audiosep",
    title="AudioSep, which separates what a text describes",
    config=SeparatorConfig(),
    urls=(_CHECKPOINT.url, _CHECKPOINT.url.replace("Audio-AGI", "badayvedat")),
    sha256=_CHECKPOINT.sha256,
    size_bytes=_CHECKPOINT.size_bytes,
    licence="MIT (Audio-AGI's code; its weights state none)",
    graph_optimization="all",
    memory_arena=True,
    text_encoder=TEXT_ENCODER,
)

MODELS = (AUDIOSEP,)
