from dataclasses import fields

import pytest

from stemline.errors import EncodingError, RequestError
from stemline.postprocessing.formats import FORMATS, OutputFormat
from stemline.serving.messages.output import output_message, output_of, pcm_message
from stemline.v1 import stemline_pb2 as pb

ASKED = [
    (OutputFormat("wav", bits=24), pb.OutputFormat(wav=pb.WavOutput(bits=24))),
    (OutputFormat("wav", bits=32), pb.OutputFormat(wav=pb.WavOutput(bits=32))),
    (OutputFormat("flac", bits=16), pb.OutputFormat(flac=pb.FlacOutput(bits=16))),
    (OutputFormat("mp3", bitrate_kbps=320), pb.OutputFormat(mp3=pb.Mp3Output(bitrate_kbps=320))),
]


@pytest.mark.parametrize(("output", "message"), ASKED)
def test_a_format_is_its_message_and_back(output: OutputFormat, message: pb.OutputFormat) -> None:
    assert output_message(output) == message
    assert output_of(message) == output


def test_what_is_unset_is_the_default() -> None:
    assert output_of(pb.OutputFormat(wav=pb.WavOutput())) == OutputFormat("wav")
    assert output_of(pb.OutputFormat(flac=pb.FlacOutput())) == OutputFormat("flac")
    assert output_of(pb.OutputFormat(mp3=pb.Mp3Output())) == OutputFormat("mp3")


def test_bare_samples_are_no_file() -> None:
    s16 = pb.OutputFormat(pcm=pb.PcmOutput(encoding=pb.PCM_ENCODING_S16LE))
    for message in (pb.OutputFormat(), pcm_message(), s16):
        assert output_of(message) is None


def test_what_no_encoder_writes_is_refused() -> None:
    with pytest.raises(EncodingError, match="16 or 24 bits; got 32"):
        output_of(pb.OutputFormat(flac=pb.FlacOutput(bits=32)))
    s24 = pb.OutputFormat(pcm=pb.PcmOutput(encoding=pb.PCM_ENCODING_S24LE))
    with pytest.raises(RequestError, match="PCM stems are PCM_ENCODING_F32LE or"):
        output_of(s24)


def test_every_format_has_its_field_in_the_proto() -> None:
    kinds = pb.OutputFormat.DESCRIPTOR.oneofs_by_name["format"].fields
    assert {kind.name for kind in kinds} == {"pcm", *FORMATS}
    known = {field.name for field in fields(OutputFormat)} - {"container"}
    for kind in kinds:
        if kind.name != "pcm":
            assert {field.name for field in kind.message_type.fields} <= known
