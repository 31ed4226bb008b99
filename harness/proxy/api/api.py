"""Which request does what. Waits for nothing and touches no socket: proxies and wires do."""

from __future__ import annotations

import os
import time
from base64 import b32hexencode
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from itertools import count
from typing import Any, Final

from harness.proxy.api.allowed import Allowed, bare
from harness.proxy.api.errors import ApiError
from harness.proxy.api.messages import (
    Follow,
    Request,
    Response,
    error,
    json_response,
    text_response,
)
from harness.proxy.api.metrics import metrics_text
from harness.proxy.api.paths import BadPath, Path, read
from harness.proxy.api.proxies import PopulateError, Proxies
from harness.proxy.api.shapes import proxies_from, proxy_from, toxic_shape
from harness.proxy.wires import Engine

__all__ = ["VERSION", "Api"]

VERSION: Final = "2.12.0"
"""Of the Toxiproxy that we are taken for: clients compare it to decide what they may ask."""
_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
_BROWSER: Final = "Mozilla/"

Handler = Callable[..., Response]


class Api:
    """Answers requests.

    Args:
        engine: whose wires the proxies are.
        proxies: that it shows and changes.
        allowed: by which names it may be called.
        metrics: which are shown on ``/metrics``; the path is unknown where there are none.
        with_toxics: toxics that come in ``POST /proxies`` and ``/populate`` are created too; each request
            can also ask for that with ``?toxics=true``. Toxiproxy passes over them.
    """

    def __init__(
        self,
        engine: Engine,
        proxies: Proxies,
        allowed: Allowed,
        *,
        metrics: frozenset[str] = frozenset(),
        with_toxics: bool = False,
    ) -> None:
        self._engine = engine
        self._proxies = proxies
        self._allowed = allowed
        self._metrics = metrics
        self._with_toxics = with_toxics
        self._ids = count(int.from_bytes(os.urandom(3), "big"))
        self._machine = os.urandom(3) + os.getpid().to_bytes(4, "big")[-2:]
        self._routes = self._table()

    def answer(self, request: Request) -> Response:
        """What a request gets. What ``lookup`` of the proxies raises goes through: nothing has changed."""
        try:
            path = read(request.target)
        except BadPath:
            return Response(
                400, b"400 Bad Request", (("Content-Type", "text/plain; charset=utf-8"),), True
            )
        if path.moved:
            return Response(301, headers=(("Location", path.moved),))
        methods, names = self._match(path.segments)
        if methods is None:
            return text_response(404, "404 page not found")
        handler = methods.get(request.method) or methods.get("*")
        if handler is None:
            return Response(405)
        return self._identified(self._refused(request) or _guarded(handler, request, path, names))

    def _table(self) -> list[tuple[tuple[str | None, ...], Mapping[str, Handler]]]:
        """Segments, None for a name; by method."""
        proxy, toxic = ("proxies", None), ("proxies", None, "toxics")
        show_metrics = {"*": self._show_metrics} if self._metrics else None
        routes: list[tuple[tuple[str | None, ...], Mapping[str, Handler] | None]] = [
            (("version",), {"GET": _version}),
            (("proxies",), {"GET": self._index, "POST": self._create}),
            (proxy, _changing(self._show, self._update, self._delete)),
            (toxic, {"GET": self._toxics, "POST": self._add_toxic}),
            ((*toxic, None), _changing(self._show_toxic, self._update_toxic, self._delete_toxic)),
            (("populate",), {"POST": self._populate}),
            (("reset",), {"POST": self._reset}),
            (("metrics",), show_metrics),
            (("events",), {"GET": self._events}),
            ((*proxy, "counters"), {"GET": self._counters}),
        ]
        return [(segments, methods) for segments, methods in routes if methods is not None]

    def _match(self, segments: tuple[str, ...]) -> tuple[Mapping[str, Handler] | None, list[str]]:
        for pattern, methods in self._routes:
            if len(pattern) == len(segments) and all(
                part if wanted is None else part == wanted
                for wanted, part in zip(pattern, segments, strict=True)
            ):
                pairs = zip(pattern, segments, strict=True)
                return methods, [part for wanted, part in pairs if wanted is None]
        return None, []

    def _refused(self, request: Request) -> Response | None:
        """No browsers, and nothing that a page of theirs could have sent."""
        if request.headers.get("user-agent", "").startswith(_BROWSER):
            return text_response(403, "User agent not allowed")
        host = request.headers.get("host", "")
        if not self._allowed.called(host):
            return text_response(
                403, f"Host not allowed: start the proxy with --allow {bare(host)}"
            )
        origin = request.headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return text_response(403, "Origin not allowed")
        return None

    def _identified(self, response: Response) -> Response:
        """With an id as xid makes them: seconds, machine, process, count."""
        parts = int(time.time()).to_bytes(4, "big"), (next(self._ids) & 0xFFFFFF).to_bytes(3, "big")
        name = b32hexencode(parts[0] + self._machine + parts[1])[:20].decode().lower()
        return replace(response, headers=(*response.headers, ("X-Toxiproxy-Request-Id", name)))

    # proxies

    def _index(self, _request: Request, _path: Path) -> Response:
        proxies = sorted(self._proxies.all.values(), key=lambda one: one.name.encode())
        return json_response(200, {proxy.name: proxy.shape() for proxy in proxies})

    def _create(self, request: Request, path: Path) -> Response:
        given = proxy_from(request.body)
        proxy = self._proxies.create(given, with_toxics=self._takes_toxics(path))
        return json_response(201, proxy.shape())

    def _show(self, _request: Request, _path: Path, name: str) -> Response:
        return json_response(200, self._proxies.get(name).shape())

    def _update(self, request: Request, _path: Path, name: str) -> Response:
        proxy = self._proxies.get(name)
        self._proxies.update(proxy, proxy_from(request.body))
        return json_response(200, proxy.shape())

    def _delete(self, _request: Request, _path: Path, name: str) -> Response:
        self._proxies.delete(self._proxies.get(name))
        return Response(204)

    def _populate(self, request: Request, path: Path) -> Response:
        told: dict[str, Any] = {}
        try:
            given = proxies_from(request.body)
            done = self._proxies.populate(given, with_toxics=self._takes_toxics(path))
        except ApiError as failed:
            told = {"error": failed.text, "status": failed.status}
            done = failed.done if isinstance(failed, PopulateError) else []
        shapes = [proxy.shape() for proxy in done]
        shown = None if told and not shapes else shapes
        return json_response(told.get("status", 201), told | {"proxies": shown})

    def _takes_toxics(self, path: Path) -> bool:
        return self._with_toxics or path.query.get("toxics") in {"1", "true"}

    def _reset(self, _request: Request, _path: Path) -> Response:
        self._proxies.reset()
        return Response(204)

    # toxics

    def _toxics(self, _request: Request, _path: Path, name: str) -> Response:
        return json_response(200, [toxic_shape(one) for one in self._proxies.get(name).toxics])

    def _add_toxic(self, request: Request, _path: Path, name: str) -> Response:
        return json_response(200, toxic_shape(self._proxies.get(name).add_toxic(request.body)))

    def _show_toxic(self, _request: Request, _path: Path, name: str, toxic: str) -> Response:
        return json_response(200, toxic_shape(self._proxies.get(name).entry(toxic)))

    def _update_toxic(self, request: Request, _path: Path, name: str, toxic: str) -> Response:
        changed = self._proxies.get(name).change_toxic(toxic, request.body)
        return json_response(200, toxic_shape(changed))

    def _delete_toxic(self, _request: Request, _path: Path, name: str, toxic: str) -> Response:
        self._proxies.get(name).delete_toxic(toxic)
        return Response(204)

    # what happened

    def _show_metrics(self, _request: Request, _path: Path) -> Response:
        text = metrics_text(self._proxies.all.values(), self._metrics)
        return Response(200, text.encode(), (("Content-Type", _METRICS),))

    def _counters(self, _request: Request, _path: Path, name: str) -> Response:
        """Ours: what a proxy has done, its toxics, and its live links."""
        proxy = self._proxies.get(name)
        wire = proxy.wire
        shape = {
            "counters": asdict(proxy.counters),
            "connections": wire.connections if wire else 0,
            "held_bytes": wire.held_bytes if wire else 0,
            "toxics": {
                toxic: asdict(counted)
                for toxic, counted in (wire.toxic_counters if wire else {}).items()
            },
            "links": [asdict(link) for link in (wire.links() if wire else [])],
        }
        return json_response(200, shape)

    def _events(self, _request: Request, path: Path) -> Response:
        """Ours: a line each from the one after ``?after=N`` on, for ever or (``?follow=false``) to now."""
        after = path.query.get("after", "0")
        if not after.isascii() or not after.isdecimal():
            raise ApiError(400, f"after must be the number of an event, got {after}")
        headers = (("Content-Type", "application/x-ndjson"),)
        until = self._engine.events.newest if path.query.get("follow") in {"0", "false"} else None
        return Response(200, headers=headers, follow=Follow(int(after[:18]), until))


def _changing(show: Handler, update: Handler, delete: Handler) -> Mapping[str, Handler]:
    return {"GET": show, "POST": update, "PATCH": update, "DELETE": delete}


def _guarded(handler: Handler, request: Request, path: Path, names: list[str]) -> Response:
    try:
        return handler(request, path, *names)
    except ApiError as failed:
        return error(failed.status, failed.text)


def _version(_request: Request, _path: Path) -> Response:
    body = f'{{"version": "{VERSION}"}}\n'.encode()
    return Response(200, body, (("Content-Type", "application/json;charset=utf-8"),))
