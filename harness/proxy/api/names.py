"""Host names to listen on, looked up where nobody waits for them."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.proxy.api.addresses import BadAddress

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.proxy.dial import Resolver

__all__ = ["Names", "Unknown", "address_of"]


class Unknown(Exception):
    """A name that has to be looked up before a request can be answered."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Names:
    """What names mean, as far as it is known.

    Args:
        resolver: looks them up.

    Attributes:
        known: addresses by name; empty where it has none. Whoever is told of an :class:`Unknown` name adds
            it and tries again; what one request has learnt is not for the next one.
    """

    def __init__(self, resolver: Resolver) -> None:
        self.known: dict[str, str] = {}
        self._resolver = resolver

    def lookup(self, name: str) -> str:
        """Its numeric address.

        Raises:
            Unknown: it must be looked up first.
            BadAddress: it has none.
        """
        if name not in self.known:
            raise Unknown(name)
        if not self.known[name]:
            raise BadAddress(f"lookup {name}: no such host")
        return self.known[name]

    def find(self, name: str, told: Callable[[str], None]) -> None:
        """``told`` is called with its address, or nothing, in a later turn of the loop."""
        self._resolver.ask(
            name,
            "0",
            lambda found: told(
                "" if isinstance(found, OSError) else _first(one[1][0] for one in found)
            ),
        )


def address_of(name: str) -> str:
    """The numeric address of a name, empty where it has none. Waits: for before the start."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ""
    return _first(str(address[0]) for _, _, _, _, address in found)


def _first(addresses: Iterable[str]) -> str:
    """The first IPv4 one, else the first one."""
    return min(addresses, key=lambda one: ":" in one, default="")
