"""A target that runs already: we speak with it, and never stop, restart or warp it."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from harness.client.tls import Secured, Trust
from harness.errors import CouldNotRun, UsageError
from harness.targets.ports import connect_error

if TYPE_CHECKING:
    from collections.abc import Collection

    from harness.targets.process import ProcessTarget


class AttachedTarget:
    """Something at ``http[s]://HOST[:PORT]`` on loopback, or on a host that the user allowed.

    The name is looked up once, so that the traffic cannot move to another machine later.

    Args:
        url: scheme, host and port, nothing more.
        allow: hosts beyond loopback that may be called, as written in the URL or as addresses.
        trust: what the certificate of an ``https`` target is checked against; the system's
            authorities and the URL's host if left out.
    Raises:
        UsageError: the URL is of another form, or the host is neither loopback nor allowed.
        CouldNotRun: the name cannot be resolved.
    """

    pid: Final = None

    def __init__(self, url: str, allow: Collection[str] = (), trust: Trust | None = None) -> None:
        scheme, name, self.port = _parse(url)
        self._trust = (trust or Trust(name=name)) if scheme == "https" else None
        self.secured: Secured | None = None
        addresses = _resolve(name, self.port)
        strange = [a for a in addresses if not ipaddress.ip_address(a.split("%")[0]).is_loopback]
        if strange and not {name, *addresses} & set(allow):
            where = "" if strange == [name] else f" ({', '.join(strange)})"
            raise UsageError(
                f"{url}: {name}{where} is not this machine; to send traffic there, give --allow {name}"
            )
        self._addresses = addresses
        self.host = addresses[0]

    def start(self, *, fresh: bool = True) -> None:
        """Choose the first address that accepts a connection, or raise CouldNotRun."""
        del fresh
        for address in self._addresses:
            error = connect_error(address, self.port)
            if error is None:
                self.host = address
                self._secure()
                return
        raise CouldNotRun(f"nothing answers at {self.host} port {self.port}: {error}")

    def _secure(self) -> None:
        self.secured = Secured.by(self._trust)
        why = None if self.secured is None else self.secured.check(self.host, self.port, 5.0)
        if why is not None:
            raise CouldNotRun(why)

    def stop(self) -> None:
        """Leave it alone."""

    def kill(self) -> None:
        """Leave it alone."""

    def alive(self) -> bool:
        """Whether it accepts a connection."""
        return connect_error(self.host, self.port) is None

    def parts(self) -> tuple[ProcessTarget, ...]:
        """None of its processes is ours."""
        return ()

    def check_alive(self) -> None:
        """Raise CouldNotRun if it accepts no connection any more."""
        if not self.alive():
            raise CouldNotRun("the target ended while it was being tried")

    def output(self) -> str:
        """Nothing: what it prints is not ours to read."""
        return ""


def _parse(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise UsageError(f"{url!r} is no URL: {error}") from error
    rest = (parts.path.strip("/"), parts.query, parts.fragment, parts.username)
    if parts.scheme not in {"http", "https"} or not parts.hostname or any(rest):
        raise UsageError(
            f"{url!r} must be http://HOST or http://HOST:PORT (or https), with nothing behind it"
        )
    return parts.scheme, parts.hostname, port


def _resolve(name: str, port: int) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CouldNotRun(f"the host {name!r} cannot be resolved: {error}") from error
    return tuple(dict.fromkeys(str(row[4][0]) for row in found))
