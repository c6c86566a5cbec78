"""The colour of a section's label: the same in every picture, of every song."""

import colorsys
import hashlib

# Light, so that beats, waveforms and names are seen on all of them; neighbours in a song far apart.
_KNOWN = {
    "start": "#e2e2e2",
    "end": "#cfd4da",
    "intro": "#fff2a8",
    "verse": "#b5dcf5",
    "chorus": "#ffc6bd",
    "bridge": "#d3c3f0",
    "break": "#f9d5a4",
    "inst": "#bdeccb",
    "solo": "#f8c4e4",
    "outro": "#dbe8a0",
}
_N_HUES, _LIGHTNESS, _SATURATIONS = 36, 0.82, (0.45, 0.8)


def section_colour(label: str) -> str:
    """The colour as `#rrggbb`; of a label that is not known, one that its name alone decides."""
    name = label.strip().lower()
    return _KNOWN.get(name) or _by_digest(name)


def _by_digest(name: str) -> str:
    # Not `hash`, which is another one in every process.
    digest = hashlib.sha256(name.encode()).digest()
    hue = int.from_bytes(digest[:4]) % _N_HUES / _N_HUES
    saturation = _SATURATIONS[digest[4] % len(_SATURATIONS)]
    parts = colorsys.hls_to_rgb(hue, _LIGHTNESS, saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)
