"""The attack: headers and certificates that are almost right."""

import datetime
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import grpc
import pytest
from grpc_helpers import GainLibrary, running_server, settings
from helpers import gain_separator

from stemline.errors import AudioError, SettingsError
from stemline.serving.rpc.server import StemlineServer
from stemline.serving.rpc.status import rpc_status_of

Code = grpc.StatusCode
LIST = "/stemline.v1.StemlineService/ListModels"


@pytest.mark.parametrize(
    ("sent", "is_known"),
    [
        (["Bearer sesame"], True),
        (["bearer sesame"], True),
        (["BEARER  sesame "], True),
        (["Bearer sesame", "Bearer sesame"], False),
        (["Bearer wrong", "Bearer sesame"], False),
        (["Bearer sesame", "Bearer wrong"], False),
        (["Basic sesame"], False),
        (["sesame"], False),
        (["Bearer"], False),
        (["Bearer sesame sesame"], False),
        (["Bearer Sesame"], False),
        ([], False),
    ],
)
def test_one_header_of_the_scheme_in_any_case(
    sent: Sequence[str], is_known: bool, tmp_path: Path
) -> None:
    """With two, a proxy in front and the server might each believe another."""
    (tmp_path / "token").write_text("sesame\n")
    with (
        running_server(gain_separator(), token_file=tmp_path / "token") as (address, _),
        grpc.insecure_channel(address) as channel,
    ):
        call = channel.unary_unary(LIST).with_call
        metadata = [("authorization", value) for value in sent]
        if is_known:
            call(b"", metadata=metadata, timeout=10)
        else:
            with pytest.raises(grpc.RpcError) as raised:
                call(b"", metadata=metadata, timeout=10)
            assert raised.value.code() is Code.UNAUTHENTICATED


CLIENT = """
from stemline.errors import SettingsError
from stemline.serving.client.client import StemlineClient

for given in ({"tls_cert": b"x"}, {"tls_key": b"x"}, {"token": "a\\nb"}, {"token": "é"}):
    try:
        StemlineClient("127.0.0.1:1", **given)
    except SettingsError as error:
        print(error)
"""


def test_a_certificate_without_a_key_does_not_end_the_process() -> None:
    """gRPC's own check aborts it."""
    ended = subprocess.run([sys.executable, "-c", CLIENT], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("belong together") == 2
    assert ended.stdout.count("printable ASCII") == 2


def certificate(folder: Path, days_from: int, days_to: int) -> tuple[Path, Path]:
    """One that signed itself, of a time that may be over."""
    today = datetime.datetime.now(datetime.UTC)
    begin, end = (
        (today + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")
        for days in (days_from, days_to)
    )
    key, request, made = folder / "key.pem", folder / "request.pem", folder / "cert.pem"
    (folder / "index.txt").write_text("")
    (folder / "serial").write_text("01\n")
    (folder / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=us\n[us]\ndir={folder}\ndatabase={folder}/index.txt\n"
        f"serial={folder}/serial\nnew_certs_dir={folder}\ndefault_md=sha256\npolicy=any\n"
        "[any]\ncommonName=supplied\n"
    )
    new = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=test"
    run = {"check": True, "capture_output": True}
    subprocess.run([*new.split(), "-keyout", str(key), "-out", str(request)], **run)
    sign = ["openssl", "ca", "-batch", "-selfsign", "-config", str(folder / "ca.cnf"), "-notext"]
    dates = ["-startdate", begin, "-enddate", end]
    files = ["-keyfile", str(key), "-in", str(request), "-out", str(made)]
    subprocess.run([*sign, *dates, *files], **run)
    return made, key


@pytest.mark.parametrize(
    ("days", "says"),
    [((-10, -1), "has expired"), ((1, 10), "is not valid yet"), ((-1, 10), "")],
)
def test_a_certificate_out_of_its_dates_is_said_at_the_start(
    days: tuple[int, int], says: str, tmp_path: Path
) -> None:
    made, key = certificate(tmp_path, *days)
    server = StemlineServer(GainLibrary(), settings(tls_cert=made, tls_key=key))
    if says:
        with pytest.raises(SettingsError, match=f"--tls-cert: .*{says}"):
            server.listen()
    else:
        server.listen()
    server.stop()


@pytest.mark.parametrize("letter", ["x", "é", "💥", "\ud800"])
def test_a_status_fits_into_headers_whatever_the_message(letter: str) -> None:
    status = rpc_status_of(AudioError(letter * 100_000), "id")
    in_headers = len(status.details.encode()) * 3  # percent-encoded
    in_headers += sum(4 * len(value) / 3 for _, value in status.trailing_metadata)
    assert 500 < in_headers < 7000
