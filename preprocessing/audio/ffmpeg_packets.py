"""What FFmpeg leaves out without a word, by what its packets say of where they belong."""

from typing import Any, BinaryIO, Final

from .bare_frames import bare_frame_bytes
from .byte_window import ByteWindow
from .tags import tag_bytes

# Frames one after another and nothing else: bytes between two packets are lost ones.
_BARE: Final = {"aac", "ac3", "eac3", "mp3"}
# The same, behind a header with a table.
_BEHIND_A_HEADER: Final = {"tta"}
# Clocks of milliseconds and a packet's first duration are not exact.
_LEAST_GAP_S: Final = 0.005
_LEAST_GAP_PACKETS: Final = 0.75


class PacketCheck:
    """Of the packets of one audio stream, in the order of the file."""

    def __init__(self, file: BinaryIO, start: int, end: int, format_name: str) -> None:
        """`file` is where FFmpeg reads from `start` on; `format_name` is its own."""
        self._has_header = format_name in _BEHIND_A_HEADER
        is_counted = self._has_header or format_name in _BARE
        self._data = ByteWindow(file, end) if is_counted else None
        self._start, self._end = start, end
        self._expected_at = start
        self._expected_pts: int | None = None
        self._n_gaps = self._n_broken = self._n_lost_bytes = self._tags_bytes = 0
        self._gaps_s = 0.0

    def note(self, packet: Any) -> None:
        """The next one."""
        if packet.size == 0:
            return
        self._n_broken += bool(packet.is_corrupt)
        self._note_time(packet)
        if self._data is not None and packet.pos is not None:
            at = self._place_of(self._data, packet)
            if self._has_header:
                self._expected_at = at
            else:
                self._n_broken += packet.size < bare_frame_bytes(self._data.at(at, 8))
            self._n_lost_bytes += self._lost_bytes(self._data, at)
            self._expected_at = max(self._expected_at, at + packet.size)

    def faults(self) -> list[str]:
        """Once there are no more; sentences without their subject."""
        faults = []
        if self._n_broken:
            faults.append(f"has {self._n_broken} packets that are not whole")
        if self._n_gaps:
            faults.append(
                f"has holes: {self._gaps_s:.2f} s are missing in {self._n_gaps} places, "
                "where what follows moves up"
            )
        if self._data is not None:
            self._n_lost_bytes += self._lost_bytes(self._data, self._end)
        if self._n_lost_bytes:
            faults.append(f"has {self._n_lost_bytes} bytes that are no frames, which are left out")
        return faults

    def _note_time(self, packet: Any) -> None:
        if packet.pts is None or packet.time_base is None or not packet.duration:
            self._expected_pts = None
            return
        if self._expected_pts is not None:
            gap_s = float((packet.pts - self._expected_pts) * packet.time_base)
            least_s = _LEAST_GAP_PACKETS * float(packet.duration * packet.time_base)
            if gap_s > max(_LEAST_GAP_S, least_s):
                self._n_gaps += 1
                self._gaps_s += gap_s
        self._expected_pts = packet.pts + packet.duration

    def _place_of(self, data: ByteWindow, packet: Any) -> int:
        """Behind tags between frames, which FFmpeg does not count."""
        at = self._start + self._tags_bytes + int(packet.pos)
        while tag := tag_bytes(data.at(at, 32), self._end - at):
            at += tag
            self._tags_bytes += tag
        return at

    def _lost_bytes(self, data: ByteWindow, end: int) -> int:
        """Between the last packet and `end`, tags and padding left out."""
        at = self._expected_at
        while at < end and (tag := tag_bytes(data.at(at, 32), self._end - at)):
            at += tag
        return max(0, end - at) if data.holds_more_than_blanks(at, end) else 0
