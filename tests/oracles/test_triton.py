"""Our `config.pbtxt` read by Triton's own message, which refuses what it does not know."""

import pytest
from google.protobuf import text_format

from stemline.engines import TensorSpec
from stemline.export.models import MODELS
from stemline.export.triton import config_pbtxt

pytestmark = pytest.mark.oracles


@pytest.mark.parametrize("model", MODELS)
def test_triton_reads_what_we_mean(model: str) -> None:
    from tritonclient.grpc import model_config_pb2

    config = MODELS[model].config
    text = config_pbtxt(
        f"{model}.fp32",
        [TensorSpec("mixture", "float32", ("batch", *config.input_shape))],
        [TensorSpec("stems", "float32", ("batch", *config.output_shape))],
    )
    read = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (read.name, read.platform) == (f"{model}.fp32", "onnxruntime_onnx")
    assert read.max_batch_size > 1
    assert read.HasField("dynamic_batching")
    for tensor, name, shape in (
        (read.input[0], "mixture", config.input_shape),
        (read.output[0], "stems", config.output_shape),
    ):
        assert (tensor.name, tuple(tensor.dims)) == (name, shape)
        assert tensor.data_type == model_config_pb2.TYPE_FP32
