"""Our `config.pbtxt` read by Triton's own message, which refuses what it does not know."""

import pytest
from export_helpers import input_specs, output_specs
from google.protobuf import text_format

from stemline.export.models import MODELS
from stemline.export.triton import config_pbtxt

pytestmark = pytest.mark.oracles


@pytest.mark.parametrize("model", MODELS)
def test_triton_reads_what_we_mean(model: str) -> None:
    from tritonclient.grpc import model_config_pb2

    config = MODELS[model].config
    inputs, outputs = input_specs(config), output_specs(config)
    text = config_pbtxt(f"{model}.fp32", inputs, outputs)
    read = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (read.name, read.platform) == (f"{model}.fp32", "onnxruntime_onnx")
    assert read.max_batch_size > 1
    assert read.HasField("dynamic_batching")
    for tensor, wanted in zip((*read.input, *read.output), (*inputs, *outputs), strict=True):
        dims = tuple(axis if isinstance(axis, int) else -1 for axis in wanted.shape[1:])
        assert (tensor.name, tuple(tensor.dims)) == (wanted.name, dims)
        assert tensor.data_type == model_config_pb2.TYPE_FP32
