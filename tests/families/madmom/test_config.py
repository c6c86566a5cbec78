import json
from typing import Any

import pytest

from stemline.errors import ConfigError
from stemline.families.madmom import features as madmom_features
from stemline.families.madmom.config import MadmomConfig, madmom_config_from_json
from stemline.families.madmom.features import RESOLUTIONS, rise_frames


def test_json_gives_back_the_configuration() -> None:
    config = MadmomConfig(units=7, beats_per_bar=(2, 3), frame_samples=(64,), bands_per_octave=(1,))
    assert madmom_config_from_json(json.loads(json.dumps(config.to_json()))) == config


def test_the_defaults_are_what_is_heard_here() -> None:
    config = MadmomConfig()
    assert config.n_features == madmom_features.N_FEATURES
    assert config.inputs == {"features": ("frames", 314)}
    assert config.outputs == {"beat": ("frames",), "downbeat": ("frames",)}
    assert config.frame_rate_hz == 100
    resolutions = zip(config.frame_samples, config.bands_per_octave, RESOLUTIONS, strict=True)
    for frame_samples, bands_per_octave, ours in resolutions:
        assert (frame_samples, bands_per_octave) == (ours.frame_samples, ours.bands_per_octave)
        assert rise_frames(frame_samples, config.rise_ratio) == ours.rise_frames


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"units": 0}, "units: must be 1 to"),
        ({"units": True}, "units: must be"),
        ({"n_networks": 2.0}, "n_networks: must be"),
        ({"threshold": 1.5}, "threshold: must be 0 to 1"),
        ({"frame_samples": ()}, "frame_samples: must be"),
        ({"bands_per_octave": (3, 6)}, "bands_per_octave: must be as many as frame_samples, 3"),
        ({"bands_per_octave": (3, "6", 12)}, "bands_per_octave: must be 1"),
        ({"min_bpm": 215.0}, "min_bpm: must be below max_bpm 215"),
        ({"low_hz": 20000.0}, "low_hz: must be below high_hz"),
        ({"stems": ["drums"]}, "no configuration of this stemline"),
    ],
)
def test_what_cannot_be_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        madmom_config_from_json({**MadmomConfig().to_json(), **change})
