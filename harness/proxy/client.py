"""A client of Toxiproxy's HTTP API: of ours, and of the real one from 2.1 on."""

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, Self
from urllib.parse import quote

import httpx

from harness.errors import HarnessError
from harness.proxy.answers import ProxyState, ToxicState

__all__ = [
    "BadRequest",
    "Conflict",
    "NotFound",
    "RemoteProxy",
    "ServerFailed",
    "ToxiproxyClient",
    "ToxiproxyError",
    "Unreachable",
]

URL: Final = "http://127.0.0.1:8474"
_TIMEOUT_S: Final = 5.0
_NO_SUCH_PATH: Final = "404 page not found"


class ToxiproxyError(HarnessError):
    """The server did not do as asked.

    Attributes:
        status: of its answer; None where there was none.
        text: what it said.
    """

    def __init__(self, asked: str, status: int | None, text: str) -> None:
        super().__init__(f"{asked}: {status or 'no answer'}, {text}")
        self.status = status
        self.text = text


class BadRequest(ToxiproxyError):
    """400: it cannot be read, or asks for what cannot be."""


class NotFound(ToxiproxyError):
    """404: there is no such proxy or toxic."""


class Conflict(ToxiproxyError):
    """409: the name is taken."""


class ServerFailed(ToxiproxyError):
    """5xx: most often an address that cannot be listened on."""


class Unreachable(ToxiproxyError):
    """No answer: nobody listens there, or not in time."""


_ERRORS: Final = {400: BadRequest, 404: NotFound, 409: Conflict}


@dataclass(frozen=True, slots=True)
class RemoteProxy:
    """A proxy on a server, by its name; it may be gone or changed by others, so it holds no state.

    Attributes:
        client: of its server.
        name: its name there.
    """

    client: ToxiproxyClient
    name: str

    @property
    def path(self) -> str:
        """Of its URL."""
        return f"/proxies/{quote(self.name, safe='')}"

    def state(self) -> ProxyState:
        """As it is now."""
        return ProxyState.read(self.client.ask("GET", self.path))

    def update(
        self,
        *,
        listen: str | None = None,
        upstream: str | None = None,
        enabled: bool | None = None,
    ) -> ProxyState:
        """Change what is given; another ``listen`` or ``upstream`` ends all connections."""
        given = {"listen": listen, "upstream": upstream, "enabled": enabled}
        body = {key: value for key, value in given.items() if value is not None}
        return ProxyState.read(self.client.change(self.path, body))

    def enable(self) -> ProxyState:
        """Listen again."""
        return self.update(enabled=True)

    def disable(self) -> ProxyState:
        """Refuse and cut all connections; toxics stay."""
        return self.update(enabled=False)

    @contextmanager
    def down(self) -> Iterator[Self]:
        """Disabled in between, and afterwards as it was before."""
        was_enabled = self.state().enabled
        self.disable()
        try:
            yield self
        finally:
            self.update(enabled=was_enabled)

    def delete(self) -> None:
        """Listener and connections end."""
        self.client.ask("DELETE", self.path)

    def toxics(self) -> list[ToxicState]:
        """In the order of the server."""
        return [ToxicState.read(one) for one in self.client.ask("GET", f"{self.path}/toxics")]

    def toxic(self, name: str) -> ToxicState:
        """The one of that name."""
        return ToxicState.read(self.client.ask("GET", self._toxic(name)))

    def add_toxic(
        self,
        kind: str,
        attributes: Mapping[str, float] | None = None,
        *,
        name: str | None = None,
        stream: Literal["upstream", "downstream", "both"] = "downstream",
        toxicity: float = 1.0,
    ) -> ToxicState:
        """Put a toxic in force; without a name it is called ``<kind>_<stream>``."""
        body = {
            "type": kind,
            "stream": stream,
            "toxicity": toxicity,
            "attributes": _whole(attributes or {}),
        }
        if name is not None:
            body["name"] = name
        return ToxicState.read(self.client.ask("POST", f"{self.path}/toxics", body))

    def update_toxic(
        self,
        name: str,
        attributes: Mapping[str, float] | None = None,
        *,
        toxicity: float | None = None,
    ) -> ToxicState:
        """Change what is given."""
        body: dict[str, Any] = {"attributes": _whole(attributes or {})}
        if toxicity is not None:
            body["toxicity"] = toxicity
        return ToxicState.read(self.client.change(self._toxic(name), body))

    def delete_toxic(self, name: str) -> None:
        """In force no more."""
        self.client.ask("DELETE", self._toxic(name))

    def _toxic(self, name: str) -> str:
        return f"{self.path}/toxics/{quote(name, safe='')}"


class ToxiproxyClient:
    """Asks one server; may be shared by threads. Every method may raise :class:`ToxiproxyError`.

    Args:
        url: of its API.
        timeout_s: for each of connecting, sending and receiving, in (0, inf).
    """

    def __init__(self, url: str = URL, *, timeout_s: float = _TIMEOUT_S) -> None:
        self.url: Final = url.rstrip("/")
        trusts = not _is_loopback(httpx.URL(url).host)  # in HTTP_PROXY and its like
        self._http = httpx.Client(base_url=self.url, timeout=timeout_s, trust_env=trusts)
        self._method = "PATCH"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End its connections; the server and its proxies stay."""
        self._http.close()

    def version(self) -> str:
        """Of Toxiproxy; before 2.7 it came as plain text."""
        answer = self._answer("GET", "/version", None)
        with suppress(ValueError, KeyError, TypeError):
            return str(answer.json()["version"])
        return answer.text.strip()

    def is_running(self) -> bool:
        """Whether it answers."""
        try:
            self.version()
        except ToxiproxyError:
            return False
        return True

    def proxies(self) -> dict[str, ProxyState]:
        """All of them as they are now, by name."""
        return {name: ProxyState.read(one) for name, one in self.ask("GET", "/proxies").items()}

    def proxy(self, name: str) -> RemoteProxy:
        """The one of that name, whether it is there or not."""
        return RemoteProxy(self, name)

    def create(
        self, name: str, upstream: str, *, listen: str = "127.0.0.1:0", enabled: bool = True
    ) -> RemoteProxy:
        """A new proxy. Port 0 is any free one: :meth:`RemoteProxy.state` says which."""
        body = {"name": name, "upstream": upstream, "listen": listen, "enabled": enabled}
        self.ask("POST", "/proxies", body)
        return self.proxy(name)

    def populate(self, proxies: Sequence[Mapping[str, Any]]) -> list[ProxyState]:
        """Create what is new and replace what has another ``listen`` or ``upstream``, in one request.

        Args:
            proxies: ``name`` and ``upstream`` each, and maybe ``listen`` and ``enabled``.
        """
        answer = self.ask("POST", "/populate", list(proxies))
        return [ProxyState.read(one) for one in answer["proxies"] or ()]

    def reset(self) -> None:
        """Enable all proxies, remove all toxics."""
        self.ask("POST", "/reset")

    def delete_all(self) -> None:
        """No proxy is left."""
        for name in self.proxies():
            with suppress(NotFound):
                self.proxy(name).delete()

    # what the above are made of

    def change(self, path: str, body: Any) -> Any:
        """``PATCH``, or ``POST`` where a server is too old for that."""
        try:
            return self.ask(self._method, path, body)
        except ToxiproxyError as error:
            is_old = error.status == 405 or error.text == _NO_SUCH_PATH
            if self._method == "POST" or not is_old:
                raise
            self._method = "POST"
            return self.ask("POST", path, body)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer; None where it has none."""
        answer = self._answer(method, path, body)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            text = f"which is no JSON: {answer.text[:200]}"
            raise ToxiproxyError(f"{method} {self.url}{path}", answer.status_code, text) from None

    def _answer(self, method: str, path: str, body: Any) -> httpx.Response:
        asked = f"{method} {self.url}{path}"
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.TransportError as error:
            text = f"{error or type(error).__name__}: is a Toxiproxy running there?"
            raise Unreachable(asked, None, text) from error
        if answer.is_success:
            return answer
        status = answer.status_code
        kind = _ERRORS.get(status, ServerFailed if status >= 500 else ToxiproxyError)
        raise kind(asked, status, _error_text(answer))


def _error_text(answer: httpx.Response) -> str:
    with suppress(ValueError, KeyError, TypeError):
        return str(answer.json()["error"])
    return answer.text.strip() or answer.reason_phrase


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _whole(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Servers refuse ``100.0`` where they want 100."""
    return {name: _number(value) for name, value in attributes.items()}


def _number(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    with suppress(TypeError):
        return operator.index(value)
    return value
