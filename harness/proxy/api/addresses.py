"""Addresses as Go reads them, and its words where one cannot be used. Pure but for the file of services."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from harness.errors import HarnessError

__all__ = ["Address", "BadAddress", "is_same", "resolved", "split", "told_bind"]

_WILDCARDS: Final = {"", "0.0.0.0", "::"}  # noqa: S104 (a name, not an address to bind)
_DIGITS: Final = re.compile(r"[+-]?[0-9]*")
_LOCALHOST: Final = "127.0.0.1"


class BadAddress(HarnessError):
    """A text that names no address, in Go's words."""


@dataclass(frozen=True, slots=True)
class Address:
    """A numeric address.

    Attributes:
        host: IPv4, or IPv6 without brackets; empty where the text named none.
        port: 0 to 65535.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_wildcard(self) -> bool:
        """All addresses of this machine."""
        return self.host in _WILDCARDS


def split(text: str) -> tuple[str, str]:
    """Host and port of ``host:port`` or ``[host]:port``; either may be empty.

    >>> split("[::1]:http"), split(":80")
    (('::1', 'http'), ('', '80'))
    """
    host, colon, port = text.rpartition(":")
    if not colon:
        raise BadAddress(f"address {text}: missing port in address")
    if text.startswith("["):
        inner, bracket, rest = text[1:].partition("]")
        if not bracket:
            raise BadAddress(f"address {text}: missing ']' in address")
        if not rest.startswith(":"):
            raise BadAddress(f"address {text}: missing port in address")
        if rest.count(":") > 1:
            raise BadAddress(f"address {text}: too many colons in address")
        host, others = inner, (inner, rest)
    elif ":" in host:
        raise BadAddress(f"address {text}: too many colons in address")
    else:
        others = (text, text)
    for part, char in zip(others, "[]", strict=True):
        if char in part:
            raise BadAddress(f"address {text}: unexpected {char!r} in address")
    return host, port


def resolved(text: str, lookup: Callable[[str], str]) -> Address:
    """The address that a text means; of several that a name has, the first IPv4.

    Args:
        text: as somebody wrote it; empty is any port of all addresses.
        lookup: the numeric address of a name that is neither numeric nor ``localhost``.
    Raises:
        BadAddress: there is none.

    >>> str(resolved("localhost:http", str)), str(resolved("", str))
    ('127.0.0.1:80', ':0')
    """
    if not text:
        return Address("", 0)
    name, service = split(text)
    port = _port(service)
    if not name or name.lower() == "localhost":
        return Address(name and _LOCALHOST, port)
    return Address(_numeric(name) or lookup(name), port)


def _port(service: str) -> int:
    if _DIGITS.fullmatch(service):
        port = int(service.strip("+-").lstrip("0")[:6] or "0")
        if port > 65_535 or (port and service.startswith("-")):
            raise BadAddress(f"address {service}: invalid port")
        return port
    try:
        return socket.getservbyname(service.lower(), "tcp")
    except (OSError, ValueError):
        raise BadAddress(f"lookup tcp/{service}: unknown port") from None


def _numeric(host: str) -> str:
    """An address as it is written normally; empty for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def is_same(wanted: Address, stored: str) -> bool:
    """Whether a proxy that says it listens on ``stored`` listens where it is wanted.

    All wildcards are one; but port 0 always means another port.

    >>> is_same(Address("0.0.0.0", 80), "[::]:80"), is_same(Address("", 0), "[::]:80")
    (True, False)
    """
    if str(wanted) == stored:
        return True
    if not wanted.is_wildcard or not wanted.port:
        return False
    host, _, port = stored.rpartition(":")
    return host.strip("[]") in _WILDCARDS and port == str(wanted.port)


def told_bind(address: Address, error: OSError) -> str:
    """What Go says where an address cannot be listened on.

    >>> import errno
    >>> told_bind(Address("127.0.0.1", 80), OSError(errno.EACCES, "Permission denied"))
    'listen tcp 127.0.0.1:80: bind: permission denied'
    """
    text = os.strerror(error.errno) if error.errno else str(error)
    if address.host == "::":  # Go then names the other wildcard
        address = Address("0.0.0.0", address.port)  # noqa: S104
    return f"listen tcp {address}: bind: {text[:1].lower()}{text[1:]}"
