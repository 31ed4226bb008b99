"""Bridges from the published clients to ours."""

from __future__ import annotations

from typing import Protocol

from harness.proxy.client import RemoteProxy, ToxiproxyClient

__all__ = ["Named", "from_toxiproxy_python"]


class Named(Protocol):
    """What we need of a proxy of theirs."""

    name: str


def from_toxiproxy_python(proxy: Named, *, timeout_s: float = 5.0) -> RemoteProxy:
    """The same proxy for our client, which has timeouts, typed errors and toxic updates.

    toxiproxy-python keeps its server's address in a class that the whole process shares: what stands
    there now is taken, and later changes of it change nothing here.

    Args:
        proxy: a ``toxiproxy.Proxy``.
        timeout_s: see :class:`ToxiproxyClient`.
    """
    from toxiproxy.api import APIConsumer  # type: ignore[import-untyped]  # noqa: PLC0415

    host = f"[{APIConsumer.host}]" if ":" in APIConsumer.host else APIConsumer.host
    client = ToxiproxyClient(f"http://{host}:{APIConsumer.port}", timeout_s=timeout_s)
    return client.proxy(proxy.name)
