"""Whether an engine is the one that its description says it is."""

from stemline.engines import EngineSpec
from stemline.errors import ArtifactError
from stemline.families.family import Tensors


def check_engine(name: str, tensors: Tensors, spec: EngineSpec) -> None:
    """Raise ArtifactError for an engine with other inputs or outputs; `name` says whose."""
    for wanted, found in ((tensors.inputs, spec.inputs), (tensors.outputs, spec.outputs)):
        expected = {tensor.name: tensor.shape for tensor in wanted}
        given = {tensor.name: tensor.shape for tensor in found}
        if given != expected:
            raise ArtifactError(
                f"{name}: the graph and its description do not belong together: it has "
                f"{given}, a model of these facts has {expected}; export it again"
            )
