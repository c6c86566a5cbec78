"""Formats of stems ↔ the messages that ask for them.

A kind of file has a field of its name in the proto's `OutputFormat`, whose message has those
fields of an OutputFormat that concern it; unset is the default. So nothing here names any.
"""

from stemline.errors import EncodingError, RequestError
from stemline.postprocessing.encode import OutputFormat
from stemline.postprocessing.formats import listed
from stemline.v1 import stemline_pb2 as pb

_PCM = "pcm"
_ONEOF = "format"


def pcm_message() -> pb.OutputFormat:
    """The message that asks for stems as bare floats."""
    return pb.OutputFormat(pcm=pb.PcmOutput(encoding=pb.PCM_ENCODING_F32LE))


def output_message(output: OutputFormat) -> pb.OutputFormat:
    """The message that asks for stems as files. Raises EncodingError where the proto has none."""
    kinds = [field.name for field in pb.OutputFormat.DESCRIPTOR.oneofs_by_name[_ONEOF].fields]
    kinds.remove(_PCM)
    if output.container not in kinds:
        raise EncodingError(f"no server writes {output.container}; it writes {listed(kinds)}")
    message = pb.OutputFormat()
    wanted = getattr(message, output.container)
    wanted.SetInParent()
    for field in wanted.DESCRIPTOR.fields:
        setattr(wanted, field.name, getattr(output, field.name))
    return message


def output_of(wanted: pb.OutputFormat) -> OutputFormat | None:
    """The kind of file asked for, None for PCM. Raises EncodingError or RequestError."""
    kind = wanted.WhichOneof(_ONEOF)
    if kind is not None and kind != _PCM:
        given = {field.name: value for field, value in getattr(wanted, kind).ListFields()}
        return OutputFormat(kind, **given)
    if wanted.pcm.encoding not in (
        pb.PCM_ENCODING_UNSPECIFIED,
        pb.PCM_ENCODING_F32LE,
        pb.PCM_ENCODING_S16LE,
    ):
        raise RequestError(
            "config.output.pcm.encoding", "PCM stems are PCM_ENCODING_F32LE or PCM_ENCODING_S16LE"
        )
    return None
