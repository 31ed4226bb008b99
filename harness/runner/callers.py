"""Fresh clients: a number, and a loopback address that nobody has called from."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache

_FIRST = int(ipaddress.ip_address("127.64.0.1"))
_LAST = int(ipaddress.ip_address("127.254.255.254"))
_INVENTED = int(ipaddress.ip_address("198.18.0.1"))
_INVENTED_SIZE = 1 << 17


@dataclass(frozen=True, slots=True)
class Caller:
    """A client that exists nowhere else: its number fills ``{n}``, its address is its own."""

    number: int
    address: str


def fresh_callers(start: int, avoid: Collection[str]) -> Iterator[Caller]:
    """Callers with rising numbers from ``start`` (at least 1); addresses end in neither 0 nor 255."""
    number = start
    value = _FIRST + start % (_LAST - _FIRST)
    while True:
        value = _FIRST if value >= _LAST else value + 1
        address = str(ipaddress.ip_address(value))
        if value & 0xFF in (0, 0xFF) or address in avoid:
            continue
        yield Caller(number, address)
        number += 1


def invented_addresses() -> Iterator[str]:
    """Addresses of nobody (the benchmark range of RFC 2544), for headers that lie."""
    count = 0
    while True:
        yield str(ipaddress.ip_address(_INVENTED + count % _INVENTED_SIZE))
        count += 1


@cache
def can_call_from(address: str) -> bool:
    """Whether this system lets us connect from ``address`` without asking for rights."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise
            return False
    return True
