"""ListModels: the models that a server can run, in pages."""

import base64
import binascii

from stemline.errors import RequestError
from stemline.v1 import stemline_pb2 as pb

from ..models import Offer
from .served import ServedModels

_DEFAULT_PAGE, _MAX_PAGE = 100, 1000


def list_models(request: pb.ListModelsRequest, models: ServedModels) -> pb.ListModelsResponse:
    """One page. Raises RequestError."""
    if request.page_size < 0:
        raise RequestError("page_size", f"a page of {request.page_size}; it must be 0 or more")
    page_size = min(request.page_size or _DEFAULT_PAGE, _MAX_PAGE)
    after = _after(request.page_token)
    offers = [offer for offer in models.offers() if offer.name > after]
    page = offers[:page_size]
    return pb.ListModelsResponse(
        models=[_model(offer, models.library.is_open(offer)) for offer in page],
        next_page_token=_token(page[-1].name) if len(offers) > len(page) else "",
    )


def _model(offer: Offer, loaded: bool) -> pb.Model:
    info = offer.info
    model = pb.Model(
        name=info.model,
        artifact=offer.name,
        family=info.family,
        sample_rate_hz=info.sample_rate_hz,
        precision=info.precision,
        trained=info.trained,
        licence=info.licence,
        artifact_sha256=offer.sha256,
        loaded=loaded,
    )
    if info.beats is None:
        model.kind = pb.MODEL_KIND_SEPARATOR
        model.stems.extend(offer.stems)
        model.channels = info.channels
        model.default_overlap = info.default_overlap
    else:
        model.kind = pb.MODEL_KIND_BEATS
        model.heard_stems.extend(info.beats.stems)
        model.labels.extend(info.beats.labels)
        model.separator = info.beats.trained_on_stems_of
        model.sample_rate_hz = info.beats.sample_rate_hz
        model.channels = 1
    return model


def _token(name: str) -> str:
    """The page after the model `name`, opaque to clients."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def _after(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise RequestError(
            "page_token", f"{token!r} is no page token; send the next_page_token of a response"
        ) from error
