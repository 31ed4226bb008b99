"""Host names to listen on, looked up by threads: nobody else waits for them."""

from __future__ import annotations

import socket
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Final

from harness.proxy.api.addresses import BadAddress

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.loop import Loop

__all__ = ["Names", "Unknown", "address_of"]

_MOST: Final = 16


class Unknown(Exception):
    """A name that has to be looked up before a request can be answered."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Names:
    """What names mean, as far as it is known.

    Attributes:
        known: addresses by name; empty where it has none. Whoever is told of an :class:`Unknown` name adds
            it and tries again; what one request has learnt is not for the next one.
    """

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self._under_way = 0

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

    def find(self, loop: Loop, name: str, told: Callable[[str], None]) -> None:
        """Look it up in a thread and say what it means; too many at once have no address."""
        if self._under_way >= _MOST:
            loop.soon(partial(told, ""))
            return
        self._under_way += 1
        Thread(target=self._find, args=(loop, name, told), name="lookup", daemon=True).start()

    def _find(self, loop: Loop, name: str, told: Callable[[str], None]) -> None:
        address = address_of(name)
        loop.hand_in(partial(self._found, told, address))

    def _found(self, told: Callable[[str], None], address: str) -> None:
        self._under_way -= 1
        told(address)


def address_of(name: str) -> str:
    """The first IPv4 address of a name, else its first one; empty where it has none."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ""
    addresses = [str(address[0]) for _, _, _, _, address in found]
    return next((one for one in addresses if ":" not in one), addresses[0])
