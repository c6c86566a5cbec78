"""The numbers of AudioSep's networks: the official ones, and those that fit none."""

from dataclasses import replace
from typing import Any

import pytest
from audiosep_helpers import ENCODER, SEPARATOR

from stemline.errors import ConfigError
from stemline.families.audiosep.config import (
    SeparatorConfig,
    TextEncoderConfig,
    audiosep_config_from_json,
)


def test_a_window_of_5_s_becomes_501_frames_of_1024_bins() -> None:
    config = SeparatorConfig()
    assert config.inputs == {"magnitude": (501, 1024), "embedding": (512,)}
    assert config.outputs == {"mask": (2, 501, 1024)}
    assert config.n_padded_frames == 512
    assert TextEncoderConfig().most_tokens == 512


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"widths": (4, 4, 8)}, "widths: must be six; got 3"),
        ({"widths": (4, 4, 8, 8, 12, 0)}, "widths: must be 1 to"),
        ({"n_fft": 2000}, "n_fft: must be a multiple of 128; got 2000"),
        ({"hop_samples": 200}, "hop_samples: must be at most half of n_fft 256; got 200"),
        ({"chunk_samples": 8001}, "chunk_samples: must be a multiple of hop_samples 40"),
        ({"default_overlap": 1.5}, "default_overlap: overlap must be"),
        ({"n_embedding": 0}, "n_embedding: must be 1 to"),
    ],
)
def test_numbers_that_fit_no_separator_are_refused_by_name(
    change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(SEPARATOR, **change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_heads": 3}, "n_heads: 3 do not divide n_hidden 16"),
        ({"n_tokens": 260}, "n_tokens: must be 261 or more; got 260"),
        ({"n_positions": 4}, "n_positions: must be over 4; got 4"),
        ({"n_layers": 0}, "n_layers: must be 1 to"),
    ],
)
def test_numbers_that_fit_no_text_encoder_are_refused_by_name(
    change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(ENCODER, **change)


@pytest.mark.parametrize("config", [SEPARATOR, ENCODER], ids=lambda config: config.kind)
def test_a_configuration_is_told_by_its_kind(config: SeparatorConfig | TextEncoderConfig) -> None:
    values = config.to_json()
    assert audiosep_config_from_json(values) == config
    for wrong in ({**values, "kind": "other"}, {**values, "more": 1}, {"kind": config.kind}):
        if wrong != {"kind": "text encoder"}:  # which is the official one
            with pytest.raises(ConfigError, match="no configuration of this stemline"):
                audiosep_config_from_json(wrong)
