"""Where proxies may lead, and by which names their server may be called. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

from harness.proxy.dial import split

__all__ = ["Allowed", "bare"]

_EVERYTHING: Final = "*"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a user has allowed; loopback always is.

    Attributes:
        hosts: names, addresses, networks as ``10.0.0.0/8``, or ``*`` for everything.
        own: names by which the server itself may be called besides.
    """

    hosts: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    def leads_to(self, upstream: str) -> bool:
        """Whether a proxy may have that upstream. One that names no host leads to this machine.

        >>> Allowed(("10.0.0.0/8",)).leads_to("10.1.2.3:80"), Allowed().leads_to("8.8.8.8:53")
        (True, False)
        """
        try:
            host = split(upstream)[0]
        except OSError:  # nobody can dial it; each connection says so
            return True
        return _is_localhost(host) or self._names(host)

    def called(self, host: str) -> bool:
        """Whether a request may have come for that ``Host``: a page on the web that had its name
        rebound to us sends its own. Addresses, and names that are nobody's on the web, are ours.

        >>> [Allowed().called(host) for host in ("localhost:8474", "toxiproxy:8474", "evil.example")]
        [True, True, False]
        """
        name = (
            host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        ).lower()
        if not name or "." not in name.rstrip(".") or _is_localhost(name):
            return True
        return _address(name) is not None or name in self.own or self._names(name)

    def _names(self, host: str) -> bool:
        return any(_matches(host, one) for one in self.hosts)


def bare(host: str) -> str:
    """The host of a ``Host`` header, without port and brackets.

    >>> bare("[::1]:80"), bare("Here:80")
    ('::1', 'here')
    """
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower()


def _is_localhost(host: str) -> bool:
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _matches(host: str, allowed: str) -> bool:
    if allowed == _EVERYTHING or host.lower() == allowed.lower():
        return True
    address = _address(host)
    try:
        return address is not None and address in ipaddress.ip_network(allowed, strict=False)
    except ValueError:
        return False
