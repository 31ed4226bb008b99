"""TLS to a target: whom we trust, under which name, and what a failed handshake means in plain words."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from harness.errors import CouldNotRun

if TYPE_CHECKING:
    from pathlib import Path

_EXPIRED: Final = 10
_NOT_YET: Final = 9
_NOT_THE_NAME: Final = frozenset({62, 63, 64})
"""Of ``X509_verify_cert_error_string``: wrong host name, e-mail or address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a target's certificate is checked against; nothing is read before it is needed.

    Attributes:
        name: host name that the certificate must hold; it is sent as SNI too.
        file: certificates (PEM) that are trusted in place of the system's, or None.
    """

    name: str
    file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """How we speak TLS: the certificate is always checked, by our own clock, which nobody holds.

        Raises:
            CouldNotRun: the file is not there, or holds no certificate.
        """
        try:
            context = ssl.create_default_context(cafile=self.file)
        except FileNotFoundError:
            raise CouldNotRun(f"target.tls.trust: there is no file {self.file}") from None
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or error
            raise CouldNotRun(
                f"target.tls.trust: {self.file} holds no certificate in PEM form ({said})"
            ) from None
        context.set_alpn_protocols(["http/1.1"])
        return context


@dataclass(frozen=True, slots=True)
class Secured:
    """A context and the name to check, made once for all connections to one target."""

    context: ssl.SSLContext
    name: str

    @classmethod
    def by(cls, trust: Trust | None) -> Secured | None:
        """For a target that speaks TLS; None for one that does not."""
        return None if trust is None else cls(trust.context(), trust.name)

    def wrap(self, sock: socket.socket) -> ssl.SSLSocket:
        """TLS over a connected socket; the handshake is still to be done."""
        return self.context.wrap_socket(
            sock, server_hostname=self.name, do_handshake_on_connect=False
        )

    def check(self, host: str, port: int, timeout_s: float) -> str | None:
        """Connect and shake hands once; None if that worked, else why not yet.

        Raises:
            CouldNotRun: the certificate is not the right one; waiting will not help.
        """
        try:
            with (
                socket.create_connection((host, port), timeout_s) as plain,
                self.wrap(plain) as sock,
            ):
                sock.do_handshake()
        except ssl.SSLCertVerificationError as error:
            raise CouldNotRun(self.distrust(error)) from None
        except OSError as error:
            return f"no TLS at port {port}: {_plain(error)}"
        return None

    def distrust(self, error: ssl.SSLCertVerificationError) -> str:
        """Why the certificate is not trusted, and what to do."""
        code = error.verify_code
        if code in _NOT_THE_NAME:
            return (
                f"the target's certificate is not for {self.name}: say under target.tls.name whom it is "
                "for, or have one made for this name"
            )
        if code == _EXPIRED:
            return "the target's certificate has expired: have it renewed"
        if code == _NOT_YET:
            return "the target's certificate is not valid yet: see the clock of this machine"
        return (
            f"the target's certificate is not trusted ({error.verify_message}): name the certificate "
            "of its authority, a PEM file, under target.tls.trust"
        )


def _plain(error: OSError) -> str:
    """An error without numbers and names of OpenSSL's files."""
    if isinstance(error, ssl.SSLError):
        if error.reason in {
            "WRONG_VERSION_NUMBER",
            "HTTP_REQUEST",
            "PACKET_LENGTH_TOO_LONG",
            "RECORD_LAYER_FAILURE",
        }:
            return "what answers there does not speak TLS"
        return (error.reason or str(error)).lower().replace("_", " ")
    return (error.strerror or str(error) or type(error).__name__).lower()
