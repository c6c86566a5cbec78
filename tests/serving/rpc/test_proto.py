"""What is generated is what the proto says, and what is optional is optional."""

import subprocess
import sys
from pathlib import Path

import pytest

import stemline.v1.stemline_pb2

GENERATED = Path(stemline.v1.stemline_pb2.__file__).parent


def test_the_generated_code_is_that_of_the_proto(tmp_path):
    proto, protos = GENERATED / "stemline.proto", GENERATED.parents[1]
    outs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}", *outs, str(proto)],
        check=True,
    )
    names = [path.name for path in (tmp_path / "stemline/v1").iterdir()]
    assert len(names) == 3
    for name in names:
        fresh = (tmp_path / "stemline/v1" / name).read_text()
        assert (GENERATED / name).read_text() == fresh, f"{name} is old: run `make proto`"


def test_generated_code_of_other_languages_has_names_of_its_own():
    options = stemline.v1.stemline_pb2.DESCRIPTOR.GetOptions()
    assert options.go_package == "stemline/v1;stemlinev1"
    assert (options.java_package, options.java_multiple_files) == ("stemline.v1", True)
    # Not `Stemline`, which a message or service of that name would meet.
    assert options.java_outer_classname == "StemlineProto"


@pytest.mark.parametrize(
    ("missing", "module"),
    [
        ("pydantic_settings", "rpc.settings"),
        ("grpc_health", "rpc.server"),
        ("grpc_reflection", "rpc.server"),
        ("grpc_status", "rpc.server"),
    ],
)
def test_without_the_serve_extra_the_error_is_the_command_that_installs_it(missing, module):
    script = f"""
import sys
sys.modules[{missing!r}] = None
import stemline.serving.client.client
from stemline.errors import MissingExtraError
try:
    import stemline.serving.{module}
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "pip install 'stemline[serve]'" in done.stdout, done.stderr
