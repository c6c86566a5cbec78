"""Whether an engine has the inputs and outputs that its description says."""

from stemline.engines import EngineSpec
from stemline.errors import ArtifactError
from stemline.families.family import Tensors


def check_engine(name: str, tensors: Tensors, spec: EngineSpec) -> None:
    """Raise ArtifactError for an engine with other inputs or outputs; `name` says whose."""
    for wanted, found in ((tensors.inputs, spec.inputs), (tensors.outputs, spec.outputs)):
        expected = {tensor.name: tensor.shape for tensor in wanted}
        actual = {tensor.name: tensor.shape for tensor in found}
        if actual != expected:
            raise ArtifactError(
                f"{name}: the graph and its description do not belong together: it has "
                f"{actual}, a model of these facts has {expected}; export it again"
            )
