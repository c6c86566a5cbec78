from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PcmEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PCM_ENCODING_UNSPECIFIED: _ClassVar[PcmEncoding]
    PCM_ENCODING_F32LE: _ClassVar[PcmEncoding]
    PCM_ENCODING_S16LE: _ClassVar[PcmEncoding]
    PCM_ENCODING_S24LE: _ClassVar[PcmEncoding]

class Task(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_UNSPECIFIED: _ClassVar[Task]
    TASK_SEPARATE: _ClassVar[Task]
    TASK_BEATS: _ClassVar[Task]
PCM_ENCODING_UNSPECIFIED: PcmEncoding
PCM_ENCODING_F32LE: PcmEncoding
PCM_ENCODING_S16LE: PcmEncoding
PCM_ENCODING_S24LE: PcmEncoding
TASK_UNSPECIFIED: Task
TASK_SEPARATE: Task
TASK_BEATS: Task

class SeparateRequest(_message.Message):
    __slots__ = ("config", "audio")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    config: SeparateConfig
    audio: bytes
    def __init__(self, config: _Optional[_Union[SeparateConfig, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class SeparateConfig(_message.Message):
    __slots__ = ("model", "stems", "residual", "overlap", "input", "output", "shifts", "seed", "text", "mono")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STEMS_FIELD_NUMBER: _ClassVar[int]
    RESIDUAL_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    SHIFTS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MONO_FIELD_NUMBER: _ClassVar[int]
    model: str
    stems: _containers.RepeatedScalarFieldContainer[str]
    residual: bool
    overlap: float
    input: InputFormat
    output: OutputFormat
    shifts: int
    seed: int
    text: _containers.RepeatedScalarFieldContainer[str]
    mono: bool
    def __init__(self, model: _Optional[str] = ..., stems: _Optional[_Iterable[str]] = ..., residual: bool = ..., overlap: _Optional[float] = ..., input: _Optional[_Union[InputFormat, _Mapping]] = ..., output: _Optional[_Union[OutputFormat, _Mapping]] = ..., shifts: _Optional[int] = ..., seed: _Optional[int] = ..., text: _Optional[_Iterable[str]] = ..., mono: bool = ...) -> None: ...

class InputFormat(_message.Message):
    __slots__ = ("container", "pcm")
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    PCM_FIELD_NUMBER: _ClassVar[int]
    container: ContainerInput
    pcm: PcmInput
    def __init__(self, container: _Optional[_Union[ContainerInput, _Mapping]] = ..., pcm: _Optional[_Union[PcmInput, _Mapping]] = ...) -> None: ...

class ContainerInput(_message.Message):
    __slots__ = ("strict",)
    STRICT_FIELD_NUMBER: _ClassVar[int]
    strict: bool
    def __init__(self, strict: bool = ...) -> None: ...

class PcmInput(_message.Message):
    __slots__ = ("sample_rate_hz", "channels", "encoding")
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    sample_rate_hz: int
    channels: int
    encoding: PcmEncoding
    def __init__(self, sample_rate_hz: _Optional[int] = ..., channels: _Optional[int] = ..., encoding: _Optional[_Union[PcmEncoding, str]] = ...) -> None: ...

class OutputFormat(_message.Message):
    __slots__ = ("pcm", "wav", "flac", "mp3")
    PCM_FIELD_NUMBER: _ClassVar[int]
    WAV_FIELD_NUMBER: _ClassVar[int]
    FLAC_FIELD_NUMBER: _ClassVar[int]
    MP3_FIELD_NUMBER: _ClassVar[int]
    pcm: PcmOutput
    wav: WavOutput
    flac: FlacOutput
    mp3: Mp3Output
    def __init__(self, pcm: _Optional[_Union[PcmOutput, _Mapping]] = ..., wav: _Optional[_Union[WavOutput, _Mapping]] = ..., flac: _Optional[_Union[FlacOutput, _Mapping]] = ..., mp3: _Optional[_Union[Mp3Output, _Mapping]] = ...) -> None: ...

class PcmOutput(_message.Message):
    __slots__ = ("encoding",)
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    encoding: PcmEncoding
    def __init__(self, encoding: _Optional[_Union[PcmEncoding, str]] = ...) -> None: ...

class WavOutput(_message.Message):
    __slots__ = ("bits",)
    BITS_FIELD_NUMBER: _ClassVar[int]
    bits: int
    def __init__(self, bits: _Optional[int] = ...) -> None: ...

class FlacOutput(_message.Message):
    __slots__ = ("bits",)
    BITS_FIELD_NUMBER: _ClassVar[int]
    bits: int
    def __init__(self, bits: _Optional[int] = ...) -> None: ...

class Mp3Output(_message.Message):
    __slots__ = ("bitrate_kbps",)
    BITRATE_KBPS_FIELD_NUMBER: _ClassVar[int]
    bitrate_kbps: int
    def __init__(self, bitrate_kbps: _Optional[int] = ...) -> None: ...

class SeparateResponse(_message.Message):
    __slots__ = ("accepted", "progress", "stem_block", "summary")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    STEM_BLOCK_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    accepted: Accepted
    progress: Progress
    stem_block: StemBlock
    summary: Summary
    def __init__(self, accepted: _Optional[_Union[Accepted, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., stem_block: _Optional[_Union[StemBlock, _Mapping]] = ..., summary: _Optional[_Union[Summary, _Mapping]] = ...) -> None: ...

class Accepted(_message.Message):
    __slots__ = ("request_id", "model", "artifact", "artifact_sha256", "provider", "device", "stems", "sample_rate_hz", "channels", "batch_size", "networks")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_SHA256_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    STEMS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    NETWORKS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model: str
    artifact: str
    artifact_sha256: str
    provider: str
    device: str
    stems: _containers.RepeatedScalarFieldContainer[str]
    sample_rate_hz: int
    channels: int
    batch_size: int
    networks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., model: _Optional[str] = ..., artifact: _Optional[str] = ..., artifact_sha256: _Optional[str] = ..., provider: _Optional[str] = ..., device: _Optional[str] = ..., stems: _Optional[_Iterable[str]] = ..., sample_rate_hz: _Optional[int] = ..., channels: _Optional[int] = ..., batch_size: _Optional[int] = ..., networks: _Optional[_Iterable[str]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("samples_done", "samples_total", "seconds_elapsed", "seconds_left")
    SAMPLES_DONE_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    SECONDS_ELAPSED_FIELD_NUMBER: _ClassVar[int]
    SECONDS_LEFT_FIELD_NUMBER: _ClassVar[int]
    samples_done: int
    samples_total: int
    seconds_elapsed: float
    seconds_left: float
    def __init__(self, samples_done: _Optional[int] = ..., samples_total: _Optional[int] = ..., seconds_elapsed: _Optional[float] = ..., seconds_left: _Optional[float] = ...) -> None: ...

class StemBlock(_message.Message):
    __slots__ = ("stem", "offset", "data")
    STEM_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    stem: str
    offset: int
    data: bytes
    def __init__(self, stem: _Optional[str] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class Summary(_message.Message):
    __slots__ = ("artifact_sha256", "n_samples", "seconds", "realtime_factor", "chunks", "input_faults")
    class SecondsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ARTIFACT_SHA256_FIELD_NUMBER: _ClassVar[int]
    N_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    REALTIME_FACTOR_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    INPUT_FAULTS_FIELD_NUMBER: _ClassVar[int]
    artifact_sha256: str
    n_samples: int
    seconds: _containers.ScalarMap[str, float]
    realtime_factor: float
    chunks: int
    input_faults: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, artifact_sha256: _Optional[str] = ..., n_samples: _Optional[int] = ..., seconds: _Optional[_Mapping[str, float]] = ..., realtime_factor: _Optional[float] = ..., chunks: _Optional[int] = ..., input_faults: _Optional[_Iterable[str]] = ...) -> None: ...

class BeatsRequest(_message.Message):
    __slots__ = ("config", "audio")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    config: BeatsConfig
    audio: bytes
    def __init__(self, config: _Optional[_Union[BeatsConfig, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class BeatsConfig(_message.Message):
    __slots__ = ("model", "separator", "input", "activations")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SEPARATOR_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    ACTIVATIONS_FIELD_NUMBER: _ClassVar[int]
    model: str
    separator: str
    input: InputFormat
    activations: bool
    def __init__(self, model: _Optional[str] = ..., separator: _Optional[str] = ..., input: _Optional[_Union[InputFormat, _Mapping]] = ..., activations: bool = ...) -> None: ...

class BeatsResponse(_message.Message):
    __slots__ = ("accepted", "progress", "activations", "result")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    ACTIVATIONS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    accepted: BeatsAccepted
    progress: Progress
    activations: ActivationBlock
    result: BeatsResult
    def __init__(self, accepted: _Optional[_Union[BeatsAccepted, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., activations: _Optional[_Union[ActivationBlock, _Mapping]] = ..., result: _Optional[_Union[BeatsResult, _Mapping]] = ...) -> None: ...

class BeatsAccepted(_message.Message):
    __slots__ = ("request_id", "model", "artifact", "artifact_sha256", "provider", "device", "separator", "labels")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_SHA256_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    SEPARATOR_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model: str
    artifact: str
    artifact_sha256: str
    provider: str
    device: str
    separator: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., model: _Optional[str] = ..., artifact: _Optional[str] = ..., artifact_sha256: _Optional[str] = ..., provider: _Optional[str] = ..., device: _Optional[str] = ..., separator: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...

class Beat(_message.Message):
    __slots__ = ("time_s", "position")
    TIME_S_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    time_s: float
    position: int
    def __init__(self, time_s: _Optional[float] = ..., position: _Optional[int] = ...) -> None: ...

class Segment(_message.Message):
    __slots__ = ("start_s", "end_s", "label")
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    start_s: float
    end_s: float
    label: str
    def __init__(self, start_s: _Optional[float] = ..., end_s: _Optional[float] = ..., label: _Optional[str] = ...) -> None: ...

class ActivationBlock(_message.Message):
    __slots__ = ("offset_frames", "frame_rate_hz", "beat", "downbeat", "section", "function")
    OFFSET_FRAMES_FIELD_NUMBER: _ClassVar[int]
    FRAME_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    BEAT_FIELD_NUMBER: _ClassVar[int]
    DOWNBEAT_FIELD_NUMBER: _ClassVar[int]
    SECTION_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    offset_frames: int
    frame_rate_hz: float
    beat: _containers.RepeatedScalarFieldContainer[float]
    downbeat: _containers.RepeatedScalarFieldContainer[float]
    section: _containers.RepeatedScalarFieldContainer[float]
    function: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, offset_frames: _Optional[int] = ..., frame_rate_hz: _Optional[float] = ..., beat: _Optional[_Iterable[float]] = ..., downbeat: _Optional[_Iterable[float]] = ..., section: _Optional[_Iterable[float]] = ..., function: _Optional[_Iterable[float]] = ...) -> None: ...

class BeatsResult(_message.Message):
    __slots__ = ("bpm", "beats", "downbeats_s", "segments", "duration_s", "seconds", "realtime_factor", "n_samples", "artifact_sha256", "tempo", "input_faults")
    class SecondsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    BPM_FIELD_NUMBER: _ClassVar[int]
    BEATS_FIELD_NUMBER: _ClassVar[int]
    DOWNBEATS_S_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    REALTIME_FACTOR_FIELD_NUMBER: _ClassVar[int]
    N_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_SHA256_FIELD_NUMBER: _ClassVar[int]
    TEMPO_FIELD_NUMBER: _ClassVar[int]
    INPUT_FAULTS_FIELD_NUMBER: _ClassVar[int]
    bpm: int
    beats: _containers.RepeatedCompositeFieldContainer[Beat]
    downbeats_s: _containers.RepeatedScalarFieldContainer[float]
    segments: _containers.RepeatedCompositeFieldContainer[Segment]
    duration_s: float
    seconds: _containers.ScalarMap[str, float]
    realtime_factor: float
    n_samples: int
    artifact_sha256: str
    tempo: Tempo
    input_faults: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, bpm: _Optional[int] = ..., beats: _Optional[_Iterable[_Union[Beat, _Mapping]]] = ..., downbeats_s: _Optional[_Iterable[float]] = ..., segments: _Optional[_Iterable[_Union[Segment, _Mapping]]] = ..., duration_s: _Optional[float] = ..., seconds: _Optional[_Mapping[str, float]] = ..., realtime_factor: _Optional[float] = ..., n_samples: _Optional[int] = ..., artifact_sha256: _Optional[str] = ..., tempo: _Optional[_Union[Tempo, _Mapping]] = ..., input_faults: _Optional[_Iterable[str]] = ...) -> None: ...

class Tempo(_message.Message):
    __slots__ = ("bpm", "low_bpm", "high_bpm")
    BPM_FIELD_NUMBER: _ClassVar[int]
    LOW_BPM_FIELD_NUMBER: _ClassVar[int]
    HIGH_BPM_FIELD_NUMBER: _ClassVar[int]
    bpm: float
    low_bpm: float
    high_bpm: float
    def __init__(self, bpm: _Optional[float] = ..., low_bpm: _Optional[float] = ..., high_bpm: _Optional[float] = ...) -> None: ...

class AnalyzeRequest(_message.Message):
    __slots__ = ("config", "audio")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    config: AnalyzeConfig
    audio: bytes
    def __init__(self, config: _Optional[_Union[AnalyzeConfig, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class AnalyzeConfig(_message.Message):
    __slots__ = ("separate", "beats_model", "activations")
    SEPARATE_FIELD_NUMBER: _ClassVar[int]
    BEATS_MODEL_FIELD_NUMBER: _ClassVar[int]
    ACTIVATIONS_FIELD_NUMBER: _ClassVar[int]
    separate: SeparateConfig
    beats_model: str
    activations: bool
    def __init__(self, separate: _Optional[_Union[SeparateConfig, _Mapping]] = ..., beats_model: _Optional[str] = ..., activations: bool = ...) -> None: ...

class AnalyzeResponse(_message.Message):
    __slots__ = ("accepted", "beats_accepted", "progress", "stem_block", "activations", "beats", "summary")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    BEATS_ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    STEM_BLOCK_FIELD_NUMBER: _ClassVar[int]
    ACTIVATIONS_FIELD_NUMBER: _ClassVar[int]
    BEATS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    accepted: Accepted
    beats_accepted: BeatsAccepted
    progress: Progress
    stem_block: StemBlock
    activations: ActivationBlock
    beats: BeatsResult
    summary: Summary
    def __init__(self, accepted: _Optional[_Union[Accepted, _Mapping]] = ..., beats_accepted: _Optional[_Union[BeatsAccepted, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., stem_block: _Optional[_Union[StemBlock, _Mapping]] = ..., activations: _Optional[_Union[ActivationBlock, _Mapping]] = ..., beats: _Optional[_Union[BeatsResult, _Mapping]] = ..., summary: _Optional[_Union[Summary, _Mapping]] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "artifact", "family", "stems", "sample_rate_hz", "channels", "precision", "default_overlap", "trained", "licence", "artifact_sha256", "loaded", "task", "input_stems", "labels", "trained_on_stems_of", "takes_text")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    STEMS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_OVERLAP_FIELD_NUMBER: _ClassVar[int]
    TRAINED_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_SHA256_FIELD_NUMBER: _ClassVar[int]
    LOADED_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    INPUT_STEMS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TRAINED_ON_STEMS_OF_FIELD_NUMBER: _ClassVar[int]
    TAKES_TEXT_FIELD_NUMBER: _ClassVar[int]
    name: str
    artifact: str
    family: str
    stems: _containers.RepeatedScalarFieldContainer[str]
    sample_rate_hz: int
    channels: int
    precision: str
    default_overlap: float
    trained: bool
    licence: str
    artifact_sha256: str
    loaded: bool
    task: Task
    input_stems: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.RepeatedScalarFieldContainer[str]
    trained_on_stems_of: str
    takes_text: bool
    def __init__(self, name: _Optional[str] = ..., artifact: _Optional[str] = ..., family: _Optional[str] = ..., stems: _Optional[_Iterable[str]] = ..., sample_rate_hz: _Optional[int] = ..., channels: _Optional[int] = ..., precision: _Optional[str] = ..., default_overlap: _Optional[float] = ..., trained: bool = ..., licence: _Optional[str] = ..., artifact_sha256: _Optional[str] = ..., loaded: bool = ..., task: _Optional[_Union[Task, str]] = ..., input_stems: _Optional[_Iterable[str]] = ..., labels: _Optional[_Iterable[str]] = ..., trained_on_stems_of: _Optional[str] = ..., takes_text: bool = ...) -> None: ...
