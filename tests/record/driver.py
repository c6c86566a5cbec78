"""What this interpreter's stemline does: requests as JSON lines come in, replies go out.

It is the one file of the record that imports stemline, so that the record can be made with the
interpreter of any environment:

    python tests/record/driver.py < requests
"""

import base64
import contextlib
import hashlib
import io
import json
import os
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np


def run_command(argv: list[str]) -> dict[str, Any]:
    """The command in this process: exit code, standard output, standard error."""
    (script,) = (p for p in entry_points(group="console_scripts") if p.name == "stemline")
    main = script.load()
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    raised = ""
    before = sys.argv
    sys.argv = ["stemline", *argv]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as end:
                code = end.code
            except Exception as error:  # noqa: BLE001
                code, raised = 1, f"{type(error).__name__}: {error}"
    finally:
        sys.argv = before
    reply = {"code": code or 0, "out": out.getvalue(), "err": err.getvalue()}
    return {**reply, "raised": raised} if raised else reply


def open_separator(name: str, artifacts: str) -> Any:
    """A separator of the Python API, by the name that the package itself gives or the older way."""
    import stemline

    load = getattr(stemline, "load_separator", None)
    if load is not None:
        return load(name, artifacts=artifacts, allow_untrained=True)
    from stemline.serving.library import EngineOptions, Library

    return Library(Path(artifacts), EngineOptions(allow_untrained=True)).separator(name)


def run_separate(model: str, artifacts: str, source: str, target: str) -> dict[str, Any]:
    """Separate a file by the Python API; its stems go to an NPZ."""
    import soundfile

    samples, rate_hz = soundfile.read(source, dtype="float32", always_2d=True)
    stems = open_separator(model, artifacts).separate(samples.T, rate_hz)
    np.savez(target, **{name: np.asarray(stem) for name, stem in stems.items()})
    return {"stems": list(stems)}


def run_call(
    address: str, method: str, messages: list[dict[str, Any]], token: str = ""
) -> dict[str, Any]:
    """A raw call: the responses, bytes in base64, and the status with its details."""
    import grpc
    from google.protobuf import json_format, message_factory

    from stemline.v1 import stemline_pb2 as pb

    service = pb.DESCRIPTOR.services_by_name["StemlineService"]
    found = service.methods_by_name[method]
    request_type = message_factory.GetMessageClass(found.input_type)
    response_type = message_factory.GetMessageClass(found.output_type)
    requests = [json_format.ParseDict(message, request_type()) for message in messages]
    metadata = [("authorization", f"Bearer {token}")] if token else []
    responses: list[dict[str, Any]] = []
    code, details, trailing = "OK", "", {}
    with grpc.insecure_channel(address) as channel:
        is_unary = method == "ListModels"
        kind = channel.unary_unary if is_unary else channel.stream_stream
        call = kind(
            f"/{service.full_name}/{method}",
            request_serializer=request_type.SerializeToString,
            response_deserializer=response_type.FromString,
        )
        given = requests[0] if is_unary else iter(requests)
        try:
            answer = call(given, metadata=metadata, timeout=120)
            for response in [answer] if is_unary else answer:
                responses.append(
                    json_format.MessageToDict(
                        response,
                        preserving_proto_field_name=True,
                        always_print_fields_with_no_presence=True,
                    )
                )
        except grpc.RpcError as error:
            code, details = error.code().name, error.details()
            trailing = {
                key: value
                for key, value in error.trailing_metadata() or ()
                if not isinstance(value, bytes)
            }
            trailing["details"] = _details_of(error)
    return {"responses": responses, "code": code, "details": details, "trailing": trailing}


def _details_of(error: Any) -> list[Any]:
    """The google.rpc details of a status, as JSON."""
    from google.protobuf import json_format
    from google.rpc import error_details_pb2
    from grpc_status import rpc_status

    status = rpc_status.from_call(error)
    found: list[Any] = []
    for detail in () if status is None else status.details:
        kind = getattr(error_details_pb2, detail.type_url.rpartition(".")[2])()
        detail.Unpack(kind)
        found.append({detail.type_url: json_format.MessageToDict(kind)})
    return found


def run_engine(path: str) -> dict[str, Any]:
    """What an ONNX file computes, whatever its nodes are called: a digest of operators and weights.

    Its facts come along.
    """
    import onnx

    model = onnx.load(path)
    digest = hashlib.sha256()
    for node in model.graph.node:
        digest.update(f"{node.op_type} {len(node.input)} {len(node.output)};".encode())
    for tensor in model.graph.initializer:
        digest.update(onnx.numpy_helper.to_array(tensor).tobytes())
    return {
        "operators": len(model.graph.node),
        "digest": digest.hexdigest(),
        "inputs": [value.name for value in model.graph.input],
        "outputs": [value.name for value in model.graph.output],
        "facts": {entry.key: entry.value for entry in model.metadata_props},
    }


DO = {"command": run_command, "separate": run_separate, "call": run_call, "engine": run_engine}


def main() -> None:
    """Answer requests until there are no more."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else prints does not come between
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = DO[request.pop("do")](**request)
        except Exception as error:  # noqa: BLE001
            reply = {"failed": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply, default=_plain) + "\n")
        replies.flush()


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    main()
