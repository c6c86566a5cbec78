import numpy as np
import pytest

from stemline.serving.jobs import SeparatedBlock
from stemline.serving.rpc.replies import PcmReplies
from stemline.v1 import stemline_pb2 as pb


@pytest.mark.filterwarnings("error")
def test_integers_over_the_wire_are_clipped_and_no_numbers_are_silence() -> None:
    row = [0.5, 1.0, 1.5, 3e38, np.inf, -1.0, -7.0, -np.inf, np.nan]
    block = SeparatedBlock(0, {"vocals": np.array([row], np.float32)})
    (sent,) = PcmReplies(pb.PCM_ENCODING_S16LE).add(block)
    high, low = 2**15 - 1, -(2**15)
    assert list(np.frombuffer(sent.data, "<i2")) == [
        2**14, high, high, high, high, low, low, low, 0,
    ]  # fmt: skip
