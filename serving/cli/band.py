"""`stemline band`: songs of the synthetic band, with every stem and every truth."""

from pathlib import Path
from typing import Annotated, Any

import typer

from stemline.errors import RequestError

from .options import Json
from .report import print_json, print_table, say

_SHORTEST_S, _LONGEST_S = 0.5, 600.0  # a minute of all stems takes 200 MB of memory


Seed = Annotated[int, typer.Option(min=0, help="The same seed makes the same song.")]
Count = Annotated[int, typer.Option(min=1, help="Songs: of this seed and those after it.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Each song goes to OUT/<seed>/.")]
DurationS = Annotated[
    float | None, typer.Option(help="Seconds of each; 60 to 200 by the seed if unset.")
]
Layers = Annotated[
    bool, typer.Option("--layers", help="Also the drums' layers: kick, snare, toms, ...")
]


def band(
    seed: Seed = 7,
    count: Count = 1,
    out: Out = Path("songs"),
    duration_s: DurationS = None,
    layers: Layers = False,
    as_json: Json = False,
) -> None:
    """Write songs as WAV files with the truth of each: beats, sections, tempo and key, as JAMS."""
    if duration_s is not None and not _SHORTEST_S <= duration_s <= _LONGEST_S:
        raise RequestError(
            "duration-s",
            f"--duration-s is {_SHORTEST_S:g} to {_LONGEST_S:g} seconds; got {duration_s:g}",
        )
    songs = [
        _write(number, out / str(number), duration_s, layers)
        for number in range(seed, seed + count)
    ]
    if as_json:
        print_json(songs)
    else:
        _print(songs)


def _write(seed: int, folder: Path, duration_s: float | None, layers: bool) -> dict[str, Any]:
    """Write one song; what the JSON has of it. Raises OSError."""
    import soundfile

    from stemline.band import play, write_song

    song = play(seed, duration_s)
    try:
        write_song(song, folder, layers=layers)
    except soundfile.SoundFileError as error:
        raise OSError(f"{folder}: {error}") from error
    say(f"{folder} is written")
    truth = song.truth
    return {
        "seed": seed,
        "folder": str(folder),
        "tempo_bpm": truth.tempo_bpm,
        "beats_per_bar": truth.beats_per_bar,
        "key": truth.key,
        "sections": [section.label for section in truth.sections],
        "duration_s": song.score.duration_s,
    }


def _print(songs: list[dict[str, Any]]) -> None:
    print_table(
        "songs",
        ("seed", "tempo", "meter", "key", "sections", "duration", "folder"),
        [
            (
                str(song["seed"]),
                f"{song['tempo_bpm']:.1f} bpm",
                f"{song['beats_per_bar']}/4",
                song["key"],
                ", ".join(song["sections"]),
                f"{song['duration_s']:.1f} s",
                song["folder"],
            )
            for song in songs
        ],
    )
