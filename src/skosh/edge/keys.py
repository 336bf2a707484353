"""A small certificate authority: who may speak on the bus, and who no longer.

A folder holds everything, PEM: ``ca.pem`` and ``ca.key``, ``server.pem`` and ``server.key``, ``<device>.pem`` and
``<device>.key``, and ``revoked.pem``, the signed list of revoked certificates. Brokers need ca.pem, revoked.pem and the
server's two; a device its own two and ca.pem; ca.key stays with its owner. Keys are of P-256, readable by their owner only.
A device's name is its certificate's common name, by which a broker gives it rights.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skosh.base.errors import InputError, Loc
from skosh.base.files import read_bytes, unwritable, write_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateRevocationList

CA_DAYS, DAYS = 3650, 825
"""How long an authority's and other certificates are valid."""
RESERVED = frozenset({"ca", "server", "revoked"})
LOCAL = ("localhost", "127.0.0.1", "::1")
EARLY = timedelta(minutes=5)
"""Certificates are valid from so long ago: clocks differ."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Issued:
    """A device's certificate: its name, its serial number, until when it is valid (UTC), and whether it was revoked."""

    name: str
    serial: int
    until: datetime
    revoked: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "serial": f"{self.serial:x}", "until": self.until.isoformat(), "revoked": self.revoked,
        }  # fmt: skip


def init(folder: Path, hosts: Sequence[str] = LOCAL) -> None:
    """Make an authority in a folder, and a certificate for the server at ``hosts``, names and addresses.

    InputError: there is an authority already, or the folder can't be written.
    """
    if (folder / "ca.pem").exists() or (folder / "ca.key").exists():
        raise InputError("must have no authority yet", loc=Loc(str(folder)), hint="take another folder, or remove this one")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    key = _new_key()
    _write_key(folder / "ca.key", key)
    root = _certificate(key, None, "skosh CA", CA_DAYS)
    write_file(folder / "ca.pem", _pem(root))
    _issue(folder, "server", DAYS, hosts)
    _write_revoked(folder, {})


def device(folder: Path, name: str, days: int = DAYS) -> Issued:
    """Issue a device's certificate and key. InputError: a name that isn't [A-Za-z0-9_-]{1,64} or is taken, no authority."""
    if not _NAME.fullmatch(name) or name.lower() in RESERVED:
        hint = f"for example sensor-7; {', '.join(sorted(RESERVED))} are taken"
        raise InputError(f"a device's name must be 1 to 64 of A-Z a-z 0-9 _ -, not {name!r}", hint=hint)
    if not 1 <= days <= CA_DAYS:
        raise InputError(f"must be valid for 1 to {CA_DAYS} days, not {days}", hint=f"{DAYS} is usual")
    if (folder / f"{name}.pem").exists() and not _of(folder, name).revoked:
        raise InputError(
            f"{name!r} has a certificate that is valid", loc=Loc(str(folder)), hint=f"skosh keys revoke {name} comes first"
        )
    _issue(folder, name, days)
    return _of(folder, name)


def listed(folder: Path) -> tuple[Issued, ...]:
    """The devices' certificates in a folder, by name. InputError: no authority there, or a file that is none of its own."""
    _authority(folder)
    names = sorted(p.stem for p in folder.glob("*.pem") if p.stem not in RESERVED)
    return tuple(_of(folder, name) for name in names)


def revoke(folder: Path, name: str) -> Issued:
    """Put a device's certificate on the signed list. InputError: there is no such device. Revoked twice is revoked."""
    if not _NAME.fullmatch(name) or name in RESERVED or not (folder / f"{name}.pem").exists():
        known = ", ".join(i.name for i in listed(folder)) or "none yet"
        raise InputError(f"there is no device {name!r}", loc=Loc(str(folder)), hint=f"devices: {known}")
    known_revoked = {r.serial_number: r.revocation_date_utc for r in _revoked(folder)}
    known_revoked.setdefault(_of(folder, name).serial, _now())
    _write_revoked(folder, known_revoked)
    return _of(folder, name)


# ------------------------------------------------------------------------------------------------------------ certificates


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _pem(made: Certificate | CertificateRevocationList) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return made.public_bytes(Encoding.PEM)


def _write_key(path: Path, key: EllipticCurvePrivateKey) -> None:
    from cryptography.hazmat.primitives import serialization as form

    try:  # made first, for its owner only: what is written keeps the mode
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise unwritable(path, error) from error
    write_file(path, key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))


def _read(path: Path) -> Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(read_bytes(path))
    except ValueError as error:
        raise InputError("must be a certificate, PEM", loc=Loc(str(path)), hint="skosh keys makes them") from error


def _authority(folder: Path) -> Certificate:
    if not (folder / "ca.pem").exists():
        raise InputError("has no authority (ca.pem)", loc=Loc(str(folder)), hint=f"skosh keys init -o {folder}")
    return _read(folder / "ca.pem")


def _authority_key(folder: Path) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    root, path = _authority(folder), folder / "ca.key"
    try:
        key = load_pem_private_key(read_bytes(path), None)
    except (ValueError, TypeError) as error:
        raise InputError("must be a private key, PEM", loc=Loc(str(path)), hint="bring back the one that init made") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != root.public_key():
        raise InputError("isn't the key of ca.pem", loc=Loc(str(path)), hint="bring back the one that init made")
    return key


def _of(folder: Path, name: str) -> Issued:
    path = folder / f"{name}.pem"
    made = _read(path)
    try:
        made.verify_directly_issued_by(_authority(folder))
    except Exception as error:  # InvalidSignature, ValueError, TypeError: each a certificate of somebody else
        raise InputError("wasn't issued by ca.pem", loc=Loc(str(path)), hint="remove it from the folder") from error
    revoked = any(r.serial_number == made.serial_number for r in _revoked(folder))
    return Issued(name, made.serial_number, made.not_valid_after_utc, revoked)


def _issue(folder: Path, name: str, days: int, hosts: Sequence[str] = ()) -> None:
    signer, root, key = _authority_key(folder), _authority(folder), _new_key()
    made = _certificate(signer, root, name, days, key, hosts)
    _write_key(folder / f"{name}.key", key)
    write_file(folder / f"{name}.pem", _pem(made))


def _certificate(
    signer: EllipticCurvePrivateKey, root: Certificate | None, name: str, days: int,
    key: EllipticCurvePrivateKey | None = None, hosts: Sequence[str] = (),
) -> Certificate:  # fmt: skip
    """root None: the authority's own. With hosts a server's, otherwise a client's."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    public = (key or signer).public_key()
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), _now()
    until = now + timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if root is None else root.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLY)
        .not_valid_after(until if root is None else min(until, root.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(root is None, 0 if root is None else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(root is not None, False, False, False, False, root is None, root is None, False, False), critical=True
        )
    )
    if root is not None:
        use = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        made = made.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    if hosts:
        made = made.add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
    return made.sign(signer, hashes.SHA256())


def _host(host: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as error:
        raise InputError(f"must be a host's name or address, not {host!r}", hint="for example cloud.example.org") from error


# -------------------------------------------------------------------------------------------------------------- revocation


def _revoked(folder: Path) -> CertificateRevocationList:
    from cryptography import x509

    path = folder / "revoked.pem"
    try:
        found = x509.load_pem_x509_crl(read_bytes(path))
    except ValueError as error:
        raise InputError("must be a list of revoked certificates, PEM", loc=Loc(str(path)), hint="bring it back") from error
    if not found.is_signature_valid(_authority_key(folder).public_key()):
        raise InputError("wasn't signed by ca.pem", loc=Loc(str(path)), hint="bring back the one that skosh keys wrote")
    return found


def _write_revoked(folder: Path, serials: dict[int, datetime]) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    signer, root, now = _authority_key(folder), _authority(folder), _now()
    made = x509.CertificateRevocationListBuilder().issuer_name(root.subject).last_update(now - EARLY)
    made = made.next_update(root.not_valid_after_utc)
    for serial, when in sorted(serials.items()):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when).build()
        made = made.add_revoked_certificate(entry)
    write_file(folder / "revoked.pem", _pem(made.sign(signer, hashes.SHA256())))
