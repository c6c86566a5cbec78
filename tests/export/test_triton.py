import re

from stemline.engines import TensorSpec
from stemline.export.triton import config_pbtxt


def test_the_configuration_names_the_folder_and_leaves_the_batch_to_triton() -> None:
    text = config_pbtxt(
        "mdx23c.fp32",
        [TensorSpec("mixture", "float32", ("batch", 4, 4096, 256))],
        [TensorSpec("stems", "float32", ("batch", 1, 4, 4096, 256))],
    )
    assert re.findall(r'^name: "(.*)"$', text, re.M) == ["mdx23c.fp32"]
    assert 'platform: "onnxruntime_onnx"' in text and "max_batch_size: 8" in text
    assert 'input [\n  { name: "mixture" data_type: TYPE_FP32 dims: [ 4, 4096, 256 ] }\n]' in text
    assert 'output [\n  { name: "stems" data_type: TYPE_FP32 dims: [ 1, 4, 4096, 256 ] }\n]' in text


def test_several_tensors_are_parted_by_commas() -> None:
    tensors = [TensorSpec(name, "int64", ("batch", 1)) for name in "ab"]
    assert config_pbtxt("x", tensors, tensors).count("},\n  {") == 2
