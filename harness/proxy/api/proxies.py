"""The proxies that a server has: created, changed, populated, reset. Waits for nothing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from harness.proxy.api.addresses import Address, BadAddress, is_same, resolved, told_bind
from harness.proxy.api.errors import (
    MISSING,
    PROXY_EXISTS,
    PROXY_NOT_FOUND,
    TOXIC_NOT_FOUND,
    ApiError,
)
from harness.proxy.api.shapes import (
    LIMIT_TOXICS,
    STREAMS,
    Entry,
    ProxyInput,
    changed_toxic,
    new_toxic,
    new_toxics,
    toxic_shape,
)
from harness.proxy.dial import split
from harness.proxy.wires import Counters, Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from harness.proxy.api.allowed import Allowed
    from harness.proxy.wires import Engine, Wire

__all__ = ["LIMIT_PROXIES", "PopulateError", "Proxies", "Proxy"]

LIMIT_PROXIES: Final = 4096


class PopulateError(ApiError):
    """Ends a populate in the middle.

    Attributes:
        done: the proxies before, which stay.
    """

    def __init__(self, error: ApiError, done: list[Proxy]) -> None:
        super().__init__(error.status, error.text)
        self.done = done


@dataclass(slots=True)
class Proxy:
    """One proxy, running or not.

    Attributes:
        listen: the address as bound, or as somebody wrote it where it never was.
        toxics: upstream ones first, then downstream ones, then those of both; each in order of addition.
        wire: while it is enabled.
        counters: of all its wires, one after another.
    """

    name: str
    listen: str
    upstream: str
    mode: Mode = "accept"
    toxics: tuple[Entry, ...] = ()
    wire: Wire | None = None
    counters: Counters = field(default_factory=Counters)

    def entry(self, name: str) -> Entry:
        """Its toxic of that name. Raises ``ApiError``: 404, there is none."""
        for one in self.toxics:
            if one.toxic.name == name:
                return one
        raise ApiError(*TOXIC_NOT_FOUND)

    def add_toxic(self, body: bytes) -> Entry:
        """The toxic that a body says, in force from now on. Raises ``ApiError``."""
        entry = new_toxic(body, {one.toxic.name for one in self.toxics})
        if len(self.toxics) >= LIMIT_TOXICS:
            raise ApiError(400, f"a proxy has at most {LIMIT_TOXICS} toxics: delete some")
        self.put_toxics((*self.toxics, entry))
        return entry

    def change_toxic(self, name: str, body: bytes) -> Entry:
        """It, with what a body says; all of that, or nothing. Raises ``ApiError``."""
        before = self.entry(name)
        entry = changed_toxic(before, body)
        self.put_toxics(tuple(entry if one is before else one for one in self.toxics))
        return entry

    def delete_toxic(self, name: str) -> None:
        """Raises ``ApiError``: 404, there is none."""
        gone = self.entry(name)
        self.put_toxics(tuple(one for one in self.toxics if one is not gone))

    def put_toxics(self, toxics: tuple[Entry, ...]) -> None:
        """These and no others are in force."""
        self.toxics = tuple(sorted(toxics, key=lambda one: STREAMS.index(one.toxic.stream)))
        if self.wire is not None:
            self.wire.set_toxics(tuple(one.toxic for one in self.toxics))

    def stop(self) -> None:
        """End listener and connections, if there are any."""
        if self.wire is not None:
            self.wire.close()
            self.wire = None

    def shape(self) -> dict[str, Any]:
        """As answers show it; ``mode`` only where it is none of Toxiproxy's."""
        shape: dict[str, Any] = {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.wire is not None,
            "Logger": {},
            "toxics": [toxic_shape(one) for one in self.toxics],
        }
        return shape if self.mode == "accept" else shape | {"mode": self.mode}


class Proxies:
    """By name.

    Args:
        engine: opens wires.
        allowed: where they may lead.
        lookup: the numeric address of a host name. May raise what it likes, to have the request made
            again once it knows: nothing has been changed by then.
    """

    def __init__(self, engine: Engine, allowed: Allowed, lookup: Callable[[str], str]) -> None:
        self._engine = engine
        self._allowed = allowed
        self._lookup = lookup
        self._proxies: dict[str, Proxy] = {}

    @property
    def all(self) -> Mapping[str, Proxy]:
        """In order of creation."""
        return self._proxies

    def get(self, name: str) -> Proxy:
        """The one of that name. Raises ``ApiError``: 404, there is none."""
        try:
            return self._proxies[name]
        except KeyError:
            raise ApiError(*PROXY_NOT_FOUND) from None

    def create(self, given: ProxyInput, *, with_toxics: bool = False) -> Proxy:
        """A new one, running unless it is to be disabled. Raises ``ApiError``."""
        for what in ("name", "upstream"):
            if not getattr(given, what):
                raise ApiError(400, f"{MISSING}: {what}")
        if given.name in self._proxies:
            raise ApiError(*PROXY_EXISTS)
        proxy = self._new(given, with_toxics=with_toxics)
        self._check_room(1)
        if given.enabled is not False:
            self._start(proxy)
        self._proxies[proxy.name] = proxy
        return proxy

    def populate(self, inputs: list[ProxyInput], *, with_toxics: bool = False) -> list[Proxy]:
        """Create what is new and replace what differs, in order.

        Raises:
            ApiError: nothing was changed.
            PopulateError: one could not be started; those before it were.
        """
        fresh = [self._new(given, with_toxics=with_toxics) for given in inputs]
        self._check_room(len({proxy.name for proxy in fresh} - self._proxies.keys()))
        self._look_up(proxy.listen for proxy in fresh)
        done: list[Proxy] = []
        for proxy, given in zip(fresh, inputs, strict=True):
            try:
                done.append(self._put(proxy, is_enabled=given.enabled is not False))
            except ApiError as error:
                raise PopulateError(error, done) from None
        return done

    def update(self, proxy: Proxy, given: ProxyInput) -> None:
        """Change what is given; another ``listen`` or ``upstream`` ends all connections.

        Raises:
            ApiError: the address is none, and nothing was changed; or it cannot be listened on, and the
                proxy is disabled.
        """
        listen = proxy.listen if given.listen is None else given.listen
        upstream = proxy.upstream if given.upstream is None else given.upstream
        is_enabled = proxy.wire is not None if given.enabled is None else given.enabled
        self._check_upstream(upstream)
        is_moved = not is_same(self._resolve(listen), proxy.listen)
        differs = is_moved or upstream != proxy.upstream
        if is_moved or not is_enabled:
            proxy.stop()
        if differs:
            proxy.upstream = upstream
            if proxy.wire is None:
                proxy.listen = listen
            else:
                proxy.wire.set_upstream(upstream)
        self._set_mode(proxy, given.mode or proxy.mode)
        if is_enabled and proxy.wire is None:
            self._start(proxy)

    def delete(self, proxy: Proxy) -> None:
        """Listener and connections end at once."""
        proxy.stop()
        del self._proxies[proxy.name]

    def reset(self) -> None:
        """Everything runs, nothing is disturbed.

        Raises:
            ApiError: the first that could not start; all others were reset.
        """
        self._look_up(proxy.listen for proxy in self._proxies.values() if proxy.wire is None)
        failed: list[ApiError] = []
        for proxy in self._proxies.values():
            proxy.put_toxics(())
            try:
                self._set_mode(proxy, "accept")
                if proxy.wire is None:
                    self._start(proxy)
            except ApiError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def close(self) -> None:
        """All of them."""
        for proxy in list(self._proxies.values()):
            self.delete(proxy)

    def _new(self, given: ProxyInput, *, with_toxics: bool) -> Proxy:
        self._check_upstream(given.upstream or "")
        proxy = Proxy(given.name, given.listen or "", given.upstream or "", given.mode or "accept")
        if with_toxics:
            proxy.put_toxics(new_toxics(given.toxics))
        return proxy

    def _put(self, proxy: Proxy, *, is_enabled: bool) -> Proxy:
        """It, or the one that stands if it does not differ."""
        before = self._proxies.get(proxy.name)
        if before is not None:
            is_moved = not is_same(self._resolve(proxy.listen), before.listen)
            if not is_moved and before.upstream == proxy.upstream:
                return before
            before.stop()
        if is_enabled:
            self._start(proxy)
        self._proxies[proxy.name] = proxy
        return proxy

    def _start(self, proxy: Proxy) -> None:
        address = self._resolve(proxy.listen, "listen tcp: ")
        try:
            proxy.wire = self._engine.open(
                proxy.name,
                ("" if address.is_wildcard else address.host, address.port),
                proxy.upstream,
                toxics=tuple(one.toxic for one in proxy.toxics),
                mode=proxy.mode,
                counters=proxy.counters,
            )
        except OSError as error:
            raise ApiError(500, told_bind(address, error)) from None
        proxy.listen = str(Address(*proxy.wire.listen))

    def _set_mode(self, proxy: Proxy, mode: Mode) -> None:
        if mode == proxy.mode:
            return
        if proxy.wire is not None:
            try:
                proxy.wire.set_mode(mode)
            except OSError as error:
                raise ApiError(500, told_bind(Address(*proxy.wire.listen), error)) from None
        proxy.mode = mode

    def _resolve(self, listen: str, prefix: str = "") -> Address:
        try:
            return resolved(listen, self._lookup)
        except BadAddress as error:
            raise ApiError(500, f"{prefix}{error}") from None

    def _look_up(self, listens: Iterable[str]) -> None:
        """Have all names looked up before anything is changed; those that are none say so later."""
        for listen in listens:
            with suppress(BadAddress):
                resolved(listen, self._lookup)

    def _check_upstream(self, upstream: str) -> None:
        if not self._allowed.leads_to(upstream):
            host, _ = split(upstream)
            raise ApiError(
                403,
                f"upstream {upstream} is outside this machine: start the proxy with --allow {host}",
            )

    def _check_room(self, more: int) -> None:
        if len(self._proxies) + more > LIMIT_PROXIES:
            raise ApiError(400, f"at most {LIMIT_PROXIES} proxies are allowed: delete some")
