"""Whose budget a call uses. We compute it from what we sent, never from what the target says."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from harness.history import Call
from harness.promises.rate_limit.words import RateLimit


def key_of(promise: RateLimit, call: Call) -> str | None:
    """The key of ``call``, or None where we cannot be sure: it may be any key's then."""
    if promise.key == "global":
        return "global"
    if promise.key != "ip":
        return None if call.identity is None else str(call.identity)
    peer = address(call.source)
    if peer is None or not promise.trusted_proxies or call.forwarded is None:
        return peer
    return _forwarded(peer, call.forwarded, promise.trusted_proxies)


def _forwarded(peer: str, header: str, trusted_proxies: tuple[str, ...]) -> str | None:
    """Read X-Forwarded-For from the right: the first address that no trusted proxy has."""
    trusted = {address(each) for each in trusted_proxies}
    if peer not in trusted:
        return peer
    hops = [address(hop.strip()) for hop in header.split(",")]
    return next((hop for hop in reversed(hops) if hop not in trusted), hops[0])


@lru_cache(maxsize=1 << 14)
def address(text: str) -> str | None:
    """One spelling for each address, IPv4 for IPv4-mapped; None where it is no address.

    >>> address("::ffff:127.0.0.2"), address("0:0::1"), address("unknown")
    ('127.0.0.2', '::1', None)
    """
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(parsed)
