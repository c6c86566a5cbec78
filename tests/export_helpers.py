"""A small network of the official kind and a file server, shared by the tests of export."""

import http.server
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stemline.engines import ModelInfo, TensorSpec
from stemline.export.model_info import model_info
from stemline.families import find_family
from stemline.families.family import Tensors
from stemline.families.mdx23c.config import Mdx23cConfig
from stemline.families.model_spec import ModelSpec, NetworkConfig

if TYPE_CHECKING:
    from torch import nn

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]

TINY_YAML = """
audio: {chunk_size: 7936, dim_f: 256, dim_t: 32, hop_length: 256, n_fft: 512, num_channels: 2,
        sample_rate: 44100}
model:
  act: gelu
  bottleneck_factor: 2
  growth: 8
  norm: InstanceNorm
  num_blocks_per_scale: 1
  num_channels: 8
  num_scales: 1
  num_subbands: 4
  scale: !!python/tuple
  - 2
  - 2
training: {instruments: [Vocals, Instrumental], target_instrument: null, lr: 1.0e-05}
inference: {batch_size: 1, dim_t: 32, num_overlap: 8}
"""


def tiny_config(**changes: object) -> Mdx23cConfig:
    """A network of a few thousand weights; `changes` replace fields."""
    sizes: dict[str, object] = {
        "stems": ("vocals", "instrumental"),
        "n_fft": 512,
        "hop_samples": 256,
        "n_bins": 256,
        "chunk_samples": 7936,
        "num_scales": 1,
        "num_blocks_per_scale": 1,
        "num_channels": 8,
        "growth": 8,
        "bottleneck_factor": 2,
    }
    return Mdx23cConfig(**{**sizes, **changes})  # type: ignore[arg-type]


def spec_of(
    config: Mdx23cConfig, *urls: str, sha256: str | None = None, name: str = "tiny"
) -> ModelSpec:
    """A row of the table for a small network."""
    return ModelSpec(name, "mdx23c", name, config, urls, sha256, None, "MIT")


@dataclass
class FileServer:
    """An HTTP server on this machine that answers as it is told, and counts what it was asked."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def serve(self, name: str, data: bytes, *, claim: int | None = None) -> str:
        """`data` at /name, said to be of `claim` bytes -> its URL."""

        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(claim or len(data)))
            handler.end_headers()
            handler.wfile.write(data)

        self.answers[f"/{name}"] = answer
        return f"{self.url}/{name}"


def info_of(config: NetworkConfig, name: str = "tiny") -> ModelInfo:
    """The description of an artifact of this network, of random weights."""
    spec = ModelSpec(name, config.family, name, config, (), None, None, "MIT")
    return model_info(spec, "fp32", "random:0")


def tensors_of(config: NetworkConfig) -> Tensors:
    """The inputs and outputs of its artifact."""
    return find_family(config.family).tensors(info_of(config))


def input_specs(config: NetworkConfig) -> tuple[TensorSpec, ...]:
    return tensors_of(config).inputs


def output_specs(config: NetworkConfig) -> tuple[TensorSpec, ...]:
    return tensors_of(config).outputs


def build_network(config: NetworkConfig) -> "nn.Module":
    return find_family(config.family).build(config)
