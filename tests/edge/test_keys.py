"""The authority, asked by OpenSSL through Python's ssl: who gets in, and who doesn't."""

import json
import socket
import ssl
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from skosh.base.errors import InputError
from skosh.cli import application
from skosh.edge import keys


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys.init(tmp_path / "keys")
    return tmp_path / "keys"


def greeted(folder: Path, client: Path, name: str, host: str = "localhost", trust: Path | None = None) -> bool:
    """Whether a server of the folder and a device whose key lies in ``client`` shake hands and say something over TLS."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem", folder / "server.key")
    server.load_verify_locations(folder / "ca.pem")
    server.load_verify_locations(folder / "revoked.pem")
    server.verify_mode, server.verify_flags = ssl.CERT_REQUIRED, ssl.VERIFY_CRL_CHECK_LEAF | ssl.VERIFY_X509_STRICT
    device = ssl.create_default_context(cafile=str((trust or folder) / "ca.pem"))
    device.load_cert_chain(client / f"{name}.pem", client / f"{name}.key")
    here, there = socket.socketpair()
    here.settimeout(10)
    there.settimeout(10)
    heard: list[bytes] = []

    def serve() -> None:
        with suppress(OSError), here, server.wrap_socket(here, server_side=True) as line:
            heard.append(line.recv(5))
            line.sendall(b"there")

    thread = threading.Thread(target=serve)
    thread.start()
    answer = b""
    with suppress(OSError), there, device.wrap_socket(there, server_hostname=host) as line:
        line.sendall(b"hello")
        answer = line.recv(5)
    there.close()
    thread.join(20)
    return heard == [b"hello"] and answer == b"there"


def test_a_device_gets_in_until_it_is_revoked(folder: Path) -> None:
    keys.device(folder, "one")
    keys.device(folder, "two")
    assert greeted(folder, folder, "one") and greeted(folder, folder, "one", host="127.0.0.1")
    assert keys.revoke(folder, "one").revoked
    assert not greeted(folder, folder, "one")
    assert greeted(folder, folder, "two")
    assert [(i.name, i.revoked) for i in keys.listed(folder)] == [("one", True), ("two", False)]
    keys.revoke(folder, "two")
    assert all(i.revoked for i in keys.listed(folder))  # the first stays on the list
    keys.device(folder, "one")
    assert greeted(folder, folder, "one")  # a new key for a device that came back


def test_nobody_gets_in_with_a_foreign_key_and_no_device_believes_a_foreign_server(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    keys.init(other, ["other.example"])
    keys.device(other, "one")
    keys.device(folder, "one")
    assert not greeted(folder, other, "one", trust=folder)
    assert not greeted(other, folder, "one", host="other.example")
    assert not greeted(folder, folder, "one", host="elsewhere.example")
    assert not greeted(folder, folder, "server")  # a server's certificate is no device's


def test_private_keys_are_for_their_owner_alone(folder: Path) -> None:
    keys.device(folder, "one")
    found = sorted(folder.glob("*.key"))
    assert [p.name for p in found] == ["ca.key", "one.key", "server.key"]
    assert {stat.S_IMODE(p.stat().st_mode) for p in found} == {0o600}


@pytest.mark.parametrize("name", ["", "ca", "Server", "a/b", "../x", "a.b", "x" * 65, "*", "a b"])
def test_names_that_could_mean_something_else_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="a device's name must be"):
        keys.device(folder, name)


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    keys.device(folder, "one")
    with pytest.raises(InputError, match="no authority yet"):
        keys.init(folder)
    with pytest.raises(InputError, match="has a certificate that is valid"):
        keys.device(folder, "one")
    with pytest.raises(InputError, match="no device 'nine'"):
        keys.revoke(folder, "nine")
    with pytest.raises(InputError, match="has no authority"):
        keys.listed(tmp_path)
    with pytest.raises(InputError, match="1 to 3650 days"):
        keys.device(folder, "two", days=0)
    other = tmp_path / "other"
    keys.init(other)
    (folder / "revoked.pem").write_bytes((other / "revoked.pem").read_bytes())
    with pytest.raises(InputError, match=r"wasn't signed by ca\.pem"):
        keys.listed(folder)


def test_the_command(tmp_path: Path) -> None:
    there = str(tmp_path / "k")
    for words in (["init"], ["device", "one"], ["device", "two"], ["revoke", "two"]):
        ran = CliRunner().invoke(application(), ["keys", *words, "-o", there])
        assert ran.exit_code == 0, ran.output
    ran = CliRunner().invoke(application(), ["keys", "list", "--json", "-o", there])
    assert {i["name"]: i["revoked"] for i in json.loads(ran.stdout)} == {"one": False, "two": True}
