"""A band with no sound of ours in it: a General MIDI SoundFont, and a speech synthesiser for voice.

The music on paper is `stemline.band`'s, from seeds that nothing was trained on; every stem is
rendered alone, by FluidSynth or eSpeak NG, so the truth is exact. To listen, or to measure a
checkpoint with it: `python tests/oracles/soundfont_band.py FOLDER`.
"""

import argparse
import io
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import soundfile
import soxr

from stemline.arrays import Array
from stemline.band.compose import compose, excerpt
from stemline.band.dice import Dice
from stemline.band.score import Hit, Note, OtherKind, Piece, Score, Syllable
from stemline.band.song import SAMPLE_RATE_HZ, STEMS
from stemline.band.synth.effects import loudness

SOUNDFONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
"""Where Debian and its children put the package timgm6mb-soundfont."""
INSTALL = "apt-get install fluidsynth timgm6mb-soundfont espeak-ng"

FIRST_SEED = 3_000_000
N_SONGS = 8
SONG_S = 15.0
LEAD_IN_S = 4.0
"""Played before the song and cut off, so that what sounds across its beginning is there."""
TAIL_S = 4.0

LEAST_SOUND_S = 3.0
"""A stem that is in a song is there this long: no ratio is taken to a stray note."""

MEAN_LEVEL_DB = {"drums": 0.0, "bass": -4.0, "other": -4.0, "vocals": 0.0}
SPREAD_DB = 3.0
PEAK = 0.8

TICKS_PER_BEAT = 1000
TEMPO_US = 1_000_000
"""A beat a second: a tick is a millisecond, and the score's own tempo is in its times."""
DRUM_CHANNEL = 9

KITS = (0, 8, 16, 24, 25, 32, 40)
"""Standard, room, power, electronic, TR-808, jazz and brush."""
KEYS: dict[Piece, tuple[int, ...]] = {
    "kick": (35, 36),
    "snare": (38, 40),
    "tom_high": (48, 50),
    "tom_mid": (45, 47),
    "tom_low": (41, 43),
    "hat_closed": (42,),
    "hat_open": (46,),
    "ride": (51, 59),
    "crash": (49, 57),
}
BASS_PROGRAMS = tuple(range(32, 40))
# From 0, as in a MIDI file. Choirs and voices (52 to 54, 85, 91) are left out: which stem would
# they be?
OTHER_PROGRAMS: dict[OtherKind, tuple[int, ...]] = {
    "pad": (16, 17, 18, 19, 21, 48, 49, 50, 51, 61, 62, 63, 88, 89, 90, 92, 93, 94, 95),
    "pluck": (0, 1, 2, 3, 4, 5, 7, 24, 25, 26, 27, 28, 46),
    "arpeggio": (0, 4, 5, 6, 8, 11, 12, 24, 25, 27, 45, 46, 80, 81, 98),
    "lead": (22, 29, 30, 40, 56, 57, 60, 64, 65, 66, 68, 71, 73, 75, 80, 81, 84, 87),
}

ACCENTS = ("en-us", "en-029", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan")
"""Not plain en-gb: eSpeak NG 1.51 gives it one speaker, whichever is asked for."""
SPEAKERS = ("m1", "m2", "m3", "m4", "m5", "m7", "m8", "f1", "f2", "f3", "f4", "f5")
REST_S = 0.25
"""A longer gap than this ends a phrase."""
WORDS = (
    "a again all alone and away before blue broken burning by call city cold come dance dark day "
    "deep down dream early easy ever every eyes fall far fire follow for forever found give go "
    "golden gone hand hear heart hold home i in into know late leave light listen little long "
    "love me moon morning mountain my never night no now of on one only open other over rain "
    "river road run sea see shadow she sing slowly so somebody something song stay still stone "
    "summer sun tell the this through time to tomorrow turn under wait walk water we wild wind "
    "window winter with you young"
).split()


class MissingPackageError(RuntimeError):
    """A program, a SoundFont or a package is not there; the message says what installs it."""


def require_packages(soundfont: Path = SOUNDFONT) -> None:
    """Raise MissingPackageError unless all that makes the sound is installed."""
    missing = [name for name in ("fluidsynth", "espeak-ng") if shutil.which(name) is None]
    if not soundfont.is_file():
        missing.append(str(soundfont))
    if missing:
        raise MissingPackageError(f"{' and '.join(missing)} not found: {INSTALL}")


def songs(
    n_songs: int = N_SONGS, soundfont: Path = SOUNDFONT, first_seed: int = FIRST_SEED
) -> Iterator[dict[str, Array]]:
    """The first songs of a seed and after in whose middle the band is together."""
    require_packages(soundfont)
    seeds = (seed for seed in count(first_seed) if is_full(_window(seed)))
    for seed, _ in zip(seeds, range(n_songs), strict=False):
        yield song(seed, soundfont)


def song(seed: int, soundfont: Path = SOUNDFONT) -> dict[str, Array]:
    """The middle of a seed's song: every stem by its name, (2, n_samples) float32 at 44.1 kHz.

    A stem that rests is there, and zero.
    """
    require_packages(soundfont)
    score = _window(seed)
    dice = Dice(seed, "soundfont band")
    raw = {
        "drums": _drums(score.drums, soundfont, dice.child("drums")),
        "bass": _bass(score.bass, soundfont, dice.child("bass")),
        "other": _other(score, soundfont, dice.child("other")),
        "vocals": _vocals(score.vocals, dice.child("vocals")),
    }
    mix = dice.child("mix")
    stems = {}
    for name in STEMS:
        wanted_db = MEAN_LEVEL_DB[name] + mix.uniform(-SPREAD_DB, SPREAD_DB)
        first = round(LEAD_IN_S * SAMPLE_RATE_HZ)
        stem = raw[name][:, first : first + round(SONG_S * SAMPLE_RATE_HZ)]
        if sounding_s(score)[name] == 0:
            stem = np.zeros_like(stem)  # else a reverb's last breath from before the window
        stems[name] = _levelled(stem, wanted_db)
    gain = np.float32(PEAK / np.abs(mixture(stems)).max())
    return {name: stem * gain for name, stem in stems.items()}


def mixture(stems: dict[str, Array]) -> Array:
    """The float32 sum of the stems in the order of STEMS."""
    total = np.zeros_like(stems[STEMS[0]])
    for name in STEMS:
        total += stems[name]
    return total


def is_full(score: Score) -> bool:
    """Whether three stems sound for long enough in the song, and what does not, rests."""
    lengths = sounding_s(score).values()
    enough = sum(length >= LEAST_SOUND_S for length in lengths)
    return enough >= 3 and all(length == 0 or length >= LEAST_SOUND_S for length in lengths)


def sounding_s(score: Score) -> dict[str, float]:
    """How long each stem plays after the lead-in; a stroke on the drums counts a quarter second."""
    spans: dict[str, Iterable[tuple[float, float]]] = {
        "drums": ((hit.start_s, hit.start_s + 0.25) for hit in score.drums),
        "bass": ((note.start_s, note.start_s + note.duration_s) for note in score.bass),
        "other": (
            (note.start_s, note.start_s + note.duration_s)
            for part in score.other
            for note in part.notes
        ),
        "vocals": phrases(score.vocals),
    }
    lengths = {}
    for name, ranges in spans.items():
        total, reached = 0.0, LEAD_IN_S
        for start, end in sorted(ranges):
            total += max(0.0, end - max(start, reached))
            reached = max(reached, end)
        lengths[name] = total
    return lengths


def phrases(syllables: Sequence[Syllable]) -> list[tuple[float, float]]:
    """Start and end, in seconds, of what is sung between two rests."""
    found: list[tuple[float, float]] = []
    for syllable in syllables:
        end = syllable.start_s + syllable.duration_s
        if found and syllable.start_s - found[-1][1] < REST_S:
            found[-1] = (found[-1][0], end)
        else:
            found.append((syllable.start_s, end))
    return found


def write_songs(folder: Path, soundfont: Path = SOUNDFONT, first_seed: int = FIRST_SEED) -> None:
    """Each song as `<k>.npy`, (4, 2, n_samples) in the order of STEMS, and as `<k>/<stem>.wav`."""
    for k, stems in enumerate(songs(soundfont=soundfont, first_seed=first_seed)):
        (folder / str(k)).mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{k}.npy", np.stack([stems[name] for name in STEMS]))
        for name, samples in {**stems, "mixture": mixture(stems)}.items():
            path = folder / str(k) / f"{name}.wav"
            soundfile.write(path, samples.T, SAMPLE_RATE_HZ, subtype="FLOAT")


def _window(seed: int) -> Score:
    """The lead-in and the middle of the seed's whole song, on paper."""
    whole = compose(seed)
    start_s = (whole.duration_s - SONG_S) / 2 - LEAD_IN_S
    return excerpt(whole, start_s, LEAD_IN_S + SONG_S)


def _drums(hits: Sequence[Hit], soundfont: Path, dice: Dice) -> Array:
    kit = dice.choice(KITS)
    keys = {piece: dice.choice(options) for piece, options in KEYS.items()}
    notes = [Note(hit.start_s, 0.1, keys[hit.piece], hit.velocity) for hit in hits]
    return _fluidsynth([(DRUM_CHANNEL, kit, notes)], soundfont)


def _bass(notes: Sequence[Note], soundfont: Path, dice: Dice) -> Array:
    return _fluidsynth([(0, dice.choice(BASS_PROGRAMS), notes)], soundfont)


def _other(score: Score, soundfont: Path, dice: Dice) -> Array:
    """Every part on a level and at a place of its own."""
    total = np.zeros((2, _n_rendered()), np.float32)
    for k, part in enumerate(score.other):
        own = dice.child(f"part {k}")
        sound = _fluidsynth([(0, own.choice(OTHER_PROGRAMS[part.kind]), part.notes)], soundfont)
        sound = _levelled(sound, own.uniform(-4.0, 2.0))
        place = own.uniform(-0.6, 0.6)
        sound[0] *= np.float32(min(1.0, 1.0 - place))
        sound[1] *= np.float32(min(1.0, 1.0 + place))
        total += sound
    return total


def _vocals(syllables: Sequence[Syllable], dice: Dice) -> Array:
    """A sentence spoken in every phrase, by one speaker in the middle of the stage."""
    voice = f"{dice.choice(ACCENTS)}+{dice.choice(SPEAKERS)}"
    pitch, words_per_min = dice.integer(25, 75), dice.integer(110, 190)
    out = np.zeros(_n_rendered(), np.float32)
    for start_s, end_s in phrases(syllables):
        length_s = end_s - start_s
        n_words = max(1, round(length_s * words_per_min / 60))
        text = " ".join(dice.choice(WORDS) for _ in range(n_words))
        tone = min(99, max(0, pitch + dice.integer(-8, 8)))
        spoken = _espeak(text, voice, tone, words_per_min)
        # Once more, at the speed that fills the phrase.
        fitting = words_per_min * len(spoken) / SAMPLE_RATE_HZ / length_s
        spoken = _espeak(text, voice, tone, min(300, max(80, round(fitting))))
        spoken = spoken[: round(length_s * SAMPLE_RATE_HZ)]
        fade = np.minimum(1, np.arange(len(spoken))[::-1] / (0.02 * SAMPLE_RATE_HZ))
        first = round(start_s * SAMPLE_RATE_HZ)
        out[first : first + len(spoken)] += (spoken * fade).astype(np.float32)
    return np.stack([out, out])


def _n_rendered() -> int:
    return round((LEAD_IN_S + SONG_S) * SAMPLE_RATE_HZ)


def _levelled(sound: Array, level_db: float) -> Array:
    level = loudness(sound)
    return sound * np.float32(10 ** (level_db / 20) / level) if level > 1e-6 else sound


def _fluidsynth(tracks: Sequence[tuple[int, int, Sequence[Note]]], soundfont: Path) -> Array:
    """Channel, program and notes of each track, played with FluidSynth's own reverb and chorus."""
    if not any(notes for *_, notes in tracks):
        return np.zeros((2, _n_rendered()), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder) / "song.mid", Path(folder) / "song.wav"
        _write_midi(tracks, midi)
        _call(
            "fluidsynth", "-n", "-i", "-q", "-r", str(SAMPLE_RATE_HZ), "-g", "0.4",
            "-T", "wav", "-O", "float", "-F", str(wav), str(soundfont), str(midi),
        )  # fmt: skip
        sound, rate_hz = soundfile.read(wav, dtype="float32", always_2d=True)
    assert rate_hz == SAMPLE_RATE_HZ
    sound = sound[: _n_rendered()].T
    return np.pad(sound, ((0, 0), (0, _n_rendered() - sound.shape[1])))


def _write_midi(tracks: Sequence[tuple[int, int, Sequence[Note]]], path: Path) -> None:
    try:
        import mido  # type: ignore[import-untyped]
    except ImportError:
        raise MissingPackageError("mido is not installed; make test-oracles installs it") from None
    file = mido.MidiFile(ticks_per_beat=TICKS_PER_BEAT)
    for channel, program, notes in tracks:
        # A note's end stands before another's beginning of the same time.
        events = [(0, 0, mido.Message("program_change", channel=channel, program=program))]
        for note in notes:
            key, velocity = round(note.pitch), min(127, max(1, round(127 * note.velocity)))
            start, end = (round(1000 * t) for t in (note.start_s, note.start_s + note.duration_s))
            on = mido.Message("note_on", channel=channel, note=key, velocity=velocity)
            off = mido.Message("note_off", channel=channel, note=key)
            events += [(start, 2, on), (max(end, start + 1), 1, off)]
        events.sort(key=lambda event: event[:2])
        track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=TEMPO_US)])
        now = 0
        for time, _, message in events:
            track.append(message.copy(time=time - now))
            now = time
        last = round(1000 * (LEAD_IN_S + SONG_S + TAIL_S))
        track.append(mido.MetaMessage("end_of_track", time=last - now))
        file.tracks.append(track)
    file.save(path)


def _espeak(text: str, voice: str, pitch: int, words_per_min: int) -> Array:
    """Speech at 44.1 kHz without the silence around it, (n_samples,)."""
    answer = _call(
        "espeak-ng", "--stdout", "-v", voice, "-p", str(pitch), "-s", str(words_per_min), text
    )
    sound, rate_hz = soundfile.read(io.BytesIO(answer), dtype="float32")
    sound = np.asarray(soxr.resample(sound, rate_hz, SAMPLE_RATE_HZ), np.float32)
    heard = np.flatnonzero(np.abs(sound) > 1e-3)
    return sound[heard[0] : heard[-1] + 1]


def _call(*command: str) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {said}")
    return done.stdout


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the songs into a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--soundfont", type=Path, default=SOUNDFONT)
    parser.add_argument(
        "--first-seed", type=int, default=FIRST_SEED, help="another for songs not in the test"
    )
    given = parser.parse_args()
    write_songs(given.folder, given.soundfont, given.first_seed)
