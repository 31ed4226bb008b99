"""A fault proxy as it is started: control plane and wires on one loop, until a signal ends it."""

from __future__ import annotations

import gc
import os
import secrets
import signal
import socket
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.errors import UsageError
from harness.loop import Loop
from harness.proxy.api.addresses import Address
from harness.proxy.api.allowed import Allowed
from harness.proxy.api.api import Api
from harness.proxy.api.errors import ApiError
from harness.proxy.api.metrics import PROXY_METRICS, RUNTIME_METRICS
from harness.proxy.api.names import Names, Unknown, address_of
from harness.proxy.api.proxies import Proxies
from harness.proxy.api.server import ControlPlane
from harness.proxy.api.shapes import proxies_from
from harness.proxy.dial import Resolver
from harness.proxy.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HOST", "PORT", "Ready", "Settings", "chosen_metrics", "serve"]

HOST: Final = "localhost"
PORT: Final = 8474
_BACKLOG: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a fault proxy is started.

    Attributes:
        host: where its API listens; a name means its first IPv4 address.
        port: 0 is any free one.
        config: a JSON file as ``POST /populate`` takes it; its proxies are there from the start.
        seed: of all draws; None draws one.
        metrics: see :class:`harness.proxy.api.api.Api`.
        allow: see :class:`harness.proxy.api.allowed.Allowed`.
        with_toxics: see :class:`harness.proxy.api.api.Api`.
    """

    host: str = HOST
    port: int = PORT
    config: Path | None = None
    seed: int | None = None
    metrics: frozenset[str] = field(default_factory=frozenset)
    allow: tuple[str, ...] = ()
    with_toxics: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """It listens.

    Attributes:
        url: of its API.
        seed: of all draws.
        proxies: how many the config file made.
    """

    url: str
    seed: int
    proxies: int


def chosen_metrics(*, proxy: bool, runtime: bool) -> frozenset[str]:
    """The kinds that two flags ask for."""
    wanted = {PROXY_METRICS: proxy, RUNTIME_METRICS: runtime}
    return frozenset(kind for kind, is_wanted in wanted.items() if is_wanted)


def serve(settings: Settings, told: Callable[[Ready], None]) -> None:
    """Serve until SIGINT or SIGTERM; then all connections are cut.

    Args:
        settings: see :class:`Settings`.
        told: called once, when the API listens and the config's proxies are made.
    Raises:
        UsageError: the address cannot be listened on, or the config cannot be used.
    """
    seed = secrets.randbits(63) if settings.seed is None else settings.seed
    loop = Loop()
    with closing(loop), closing(Engine(loop, seed)) as engine, closing(Resolver(loop)) as resolver:
        names = Names(resolver)
        allowed = Allowed(settings.allow, (settings.host.lower(),))
        proxies = Proxies(engine, allowed, names.lookup)
        api = Api(
            engine, proxies, allowed, metrics=settings.metrics, with_toxics=settings.with_toxics
        )
        if settings.config is not None:
            _populate(proxies, names, settings.config, with_toxics=settings.with_toxics)
        listener = _listener(settings.host, settings.port)
        with closing(ControlPlane(loop, listener, api, names, engine.events)):
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: loop.hand_in(loop.stop))
            host, port = listener.getsockname()[:2]
            told(Ready(f"http://{Address(host, port)}", seed, len(proxies.all)))
            gc.freeze()
            loop.run()


def _listener(host: str, port: int) -> socket.socket:
    address = address_of(host)
    if not address:
        raise UsageError(f"--host {host} has no address: give one of this machine's, or localhost")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {Address(address, port)}: {os.strerror(error.errno or 0)}. "
            f"Give another --port (0 is any free one), or end what listens there."
        ) from error


def _populate(proxies: Proxies, names: Names, config: Path, *, with_toxics: bool) -> None:
    try:
        given = proxies_from(config.read_bytes())
    except OSError as error:
        raise UsageError(f"{config} cannot be read: {error.strerror}") from error
    except ApiError as error:
        raise UsageError(f"{config} cannot be used: {error.text}") from error
    while True:
        try:
            proxies.populate(given, with_toxics=with_toxics)
        except Unknown as unknown:
            names.known[unknown.name] = address_of(unknown.name)
        except ApiError as error:
            raise UsageError(f"a proxy of {config} cannot be started: {error.text}") from error
        else:
            return
