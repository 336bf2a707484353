"""``skosh keys``: certificates of devices and of the server, and of the authority that issues them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skosh.cli.options import Json, Output
from skosh.cli.terminal import out, print_json, row, table

EXAMPLE = "skosh keys init -o keys"
FOLDER = Path("keys")

Device = Annotated[str, typer.Argument(metavar="NAME", help="The device's name: A-Z a-z 0-9 _ -, at most 64.")]
Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", metavar="H", help="A name or address of the server; may be given again.  [default: localhost]"),
]
Days = Annotated[int, typer.Option("--days", metavar="N", help="How long the certificate is valid.")]


def init(host: Hosts = None, output: Output = None) -> None:
    """Make an authority and the server's certificate, in the folder keys or -o."""
    from skosh.edge import keys

    folder = output or FOLDER
    keys.init(folder, host or keys.LOCAL)
    out().print(f"{folder}: ca.pem, server.pem, their keys and revoked.pem. ca.key is for you alone.", markup=False)


def device(name: Device, days: Days = 825, output: Output = None) -> None:
    """Issue a device's certificate and key."""
    from skosh.edge import keys

    folder = output or FOLDER
    made = keys.device(folder, name, days)
    out().print(f"{folder / name}.pem and .key, valid until {made.until:%Y-%m-%d}.", markup=False)


def list_(json: Json = False, output: Output = None) -> None:
    """The devices that have certificates, until when, and which are revoked."""
    from skosh.edge import keys

    found = keys.listed(output or FOLDER)
    if json:
        print_json([i.as_json() for i in found])
        return
    shown = table("device", "until", "state")
    for i in found:
        row(shown, i.name, f"{i.until:%Y-%m-%d}", "revoked" if i.revoked else "issued")
    out().print(shown)


def revoke(name: Device, output: Output = None) -> None:
    """Put a device's certificate on the list of the revoked, which brokers read."""
    from skosh.edge import keys

    folder = output or FOLDER
    keys.revoke(folder, name)
    out().print(f"{name} is revoked: give brokers {folder / 'revoked.pem'}.", markup=False)


COMMANDS = {
    "init": (init, EXAMPLE),
    "device": (device, "skosh keys device sensor-7 -o keys"),
    "list": (list_, "skosh keys list -o keys"),
    "revoke": (revoke, "skosh keys revoke sensor-7 -o keys"),
}
