"""ListModels: the models that a server can run."""

from stemline.v1 import stemline_pb2 as pb

from ..models import Model
from ..served_models import ServedModels


def list_models(models: ServedModels) -> pb.ListModelsResponse:
    """All models that may run, by the artifact's name."""
    return pb.ListModelsResponse(
        models=[_message(model, models.library.is_open(model)) for model in models.models()]
    )


def _message(model: Model, loaded: bool) -> pb.Model:
    info = model.info
    message = pb.Model(
        name=info.model,
        artifact=model.name,
        family=info.family,
        sample_rate_hz=info.sample_rate_hz,
        precision=info.precision,
        trained=info.trained,
        licence=info.licence,
        artifact_sha256=model.sha256,
        loaded=loaded,
    )
    if info.beats is None:
        message.task = pb.TASK_SEPARATE
        message.stems.extend(model.stems)
        message.channels = info.channels
        message.default_overlap = info.default_overlap
        message.takes_text = info.text is not None
    else:
        message.task = pb.TASK_BEATS
        message.input_stems.extend(info.beats.stems)
        message.labels.extend(info.beats.labels)
        message.trained_on_stems_of = info.beats.trained_on_stems_of
        message.sample_rate_hz = info.beats.sample_rate_hz
        message.channels = 1
    return message
