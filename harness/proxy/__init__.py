"""The fault proxy: Toxiproxy's API on one epoll loop, seeded, counted, and never waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.proxy.client import RemoteProxy as RemoteProxy
    from harness.proxy.client import ToxiproxyClient as ToxiproxyClient
    from harness.proxy.client import ToxiproxyError as ToxiproxyError
    from harness.proxy.published import from_toxiproxy_python as from_toxiproxy_python

_HOMES = {
    "RemoteProxy": "client",
    "ToxiproxyClient": "client",
    "ToxiproxyError": "client",
    "from_toxiproxy_python": "published",
}


def __getattr__(name: str) -> object:
    """What users import, loaded when they do: the proxy's own process needs no HTTP client."""
    from importlib import import_module  # noqa: PLC0415

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"harness.proxy.{_HOMES[name]}"), name)
