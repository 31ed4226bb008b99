"""What the control plane is to show: a model of proxies and toxics, for Toxiproxy 2.12.0 and for us.

Where the two are to differ the model asks :meth:`Model.ours` for the difference by its name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.proxy.api.differences import DIFFERENCES

ATTRIBUTES = {
    "noop": {},
    "latency": {"latency": 0, "jitter": 0},
    "timeout": {"timeout": 0},
}
WILDCARDS = {"", "0.0.0.0", "[::]"}
Answer = tuple[int, str]


@dataclass
class Toxic:
    """A toxic as it is shown."""

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: dict[str, Any]

    def shape(self) -> dict[str, Any]:
        """Its JSON."""
        shown = {"attributes": self.attributes, "name": self.name, "type": self.type}
        return shown | {"stream": self.stream, "toxicity": self.toxicity}


@dataclass
class Proxy:
    """A proxy as it is shown."""

    name: str
    listen: str
    upstream: str
    enabled: bool = False
    toxics: list[Toxic] = field(default_factory=list)

    def shape(self) -> dict[str, Any]:
        """Its JSON."""
        ordered = sorted(self.toxics, key=lambda one: one.stream.lower() == "downstream")
        shown = {"name": self.name, "listen": self.listen, "upstream": self.upstream}
        toxics = [toxic.shape() for toxic in ordered]
        return shown | {"enabled": self.enabled, "Logger": {}, "toxics": toxics}


class Refused(Exception):
    """The answer is an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def written(value: Any) -> str:
    """JSON as both servers write it; whole numbers without a point."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace('"toxicity":1.0', '"toxicity":1').replace('"toxicity":0.0', '"toxicity":0')


def check_all(items: list[dict[str, Any]]) -> None:
    """Each has a name and an upstream."""
    for place, item in enumerate(items, 1):
        for key in ("name", "upstream"):
            if not item.get(key):
                raise Refused(400, f"missing required field: {key} at proxy {place}")


class Model:
    """The proxies of one server.

    Attributes:
        shown: the differences that ours made, so far.
    """

    def __init__(self, *, is_real: bool) -> None:
        self.is_real = is_real
        self.proxies: dict[str, Proxy] = {}
        self.shown: set[str] = set()
        self._busy: list[str] = []
        self._random = 0

    def ours(self, difference: str) -> bool:
        """Whether it is we who are asked, and so this difference shows."""
        assert difference in DIFFERENCES
        if not self.is_real:
            self.shown.add(difference)
        return not self.is_real

    def occupy(self, listen: str) -> None:
        """Somebody else listens there."""
        self._busy.append(listen)

    def adopt(self, shown: dict[str, Any]) -> None:
        """Take over how it is."""
        self.proxies = {
            name: Proxy(
                name,
                one["listen"],
                one["upstream"],
                one["enabled"],
                [Toxic(**toxic) for toxic in one["toxics"]],
            )
            for name, one in shown.items()
        }

    def index(self) -> str:
        """``GET /proxies``."""
        return written({name: self.proxies[name].shape() for name in sorted(self.proxies)})

    def answer(self, status: int, body: dict[str, Any]) -> Answer:
        """An answer that is no error."""
        return status, written(body)

    def error(self, refused: Refused) -> Answer:
        """An answer that is one."""
        return refused.status, written({"error": refused.text, "status": refused.status}) + "\n"

    # addresses

    def resolved(self, listen: str) -> str:
        """As Go writes the address that a text means."""
        host, colon, port = listen.rpartition(":")
        if not listen:
            return ":0"
        if not colon:
            raise Refused(500, f"address {listen}: missing port in address")
        return f"{'127.0.0.1' if host == 'localhost' else host}:{port}"

    def is_moved(self, proxy: Proxy, listen: str) -> bool:
        """Whether a proxy listens elsewhere."""
        wanted = self.resolved(listen)
        if wanted == proxy.listen:
            return False
        (host, _, port), (stood, _, was) = wanted.rpartition(":"), proxy.listen.rpartition(":")
        is_same = {host, stood} <= WILDCARDS and port == was != "0"
        return not (is_same and self.ours("wildcards-equal"))

    def start(self, proxy: Proxy) -> None:
        """Bind, or say why not."""
        if proxy.enabled:
            return
        try:
            address = self.resolved(proxy.listen)
        except Refused as refused:
            raise Refused(500, f"listen tcp: {refused.text}") from None
        host, _, port = address.rpartition(":")
        if self.is_taken(host, port):
            told = address.replace("[::]", "0.0.0.0")
            raise Refused(500, f"listen tcp {told}: bind: address already in use")
        if port == "0":
            port = f"{{r{self._random}}}"
            self._random += 1
        proxy.listen = f"{'[::]' if host in WILDCARDS else host}:{port}"
        proxy.enabled = True

    def is_taken(self, host: str, port: str) -> bool:
        """Whether somebody listens there."""
        if port == "0":
            return False
        listening = [one.listen for one in self.proxies.values() if one.enabled] + self._busy
        for listen in listening:
            other, _, taken = listen.rpartition(":")
            if taken == port and (host in {other, *WILDCARDS} or other in WILDCARDS):
                return True
        return False

    # proxies

    def get(self, name: str) -> Proxy:
        """The one of that name."""
        if name not in self.proxies:
            raise Refused(404, "proxy not found")
        return self.proxies[name]

    def create(self, given: dict[str, Any]) -> Answer:
        """``POST /proxies``."""
        for key in ("name", "upstream"):
            if not given.get(key):
                raise Refused(400, f"missing required field: {key}")
        if given["name"] in self.proxies:
            raise Refused(409, "proxy already exists")
        proxy = Proxy(given["name"], given.get("listen") or "", given["upstream"])
        if given.get("enabled") is not False:
            self.start(proxy)
        self.proxies[proxy.name] = proxy
        return self.answer(201, proxy.shape())

    def update(self, name: str, given: dict[str, Any]) -> Answer:
        """``POST`` or ``PATCH /proxies/{name}``."""
        proxy = self.get(name)
        before: dict[str, Any] = {
            "listen": proxy.listen,
            "upstream": proxy.upstream,
            "enabled": proxy.enabled,
        }
        after = before | {key: value for key, value in given.items() if value is not None}
        if self.is_moved(proxy, after["listen"]) or after["upstream"] != proxy.upstream:
            proxy.enabled = False
            proxy.listen, proxy.upstream = after["listen"], after["upstream"]
        if after["enabled"]:
            self.start(proxy)
        proxy.enabled = after["enabled"]
        return self.answer(200, proxy.shape())

    def delete(self, name: str) -> Answer:
        """``DELETE /proxies/{name}``."""
        self.get(name)
        del self.proxies[name]
        return 204, ""

    def populate(self, items: list[dict[str, Any]]) -> Answer:
        """``POST /populate``."""
        told: dict[str, Any] = {}
        done: list[Proxy] = []
        try:
            check_all(items)
            for item in items:
                done.append(self.put(item))  # noqa: PERF401 (those before a failure count)
        except Refused as refused:
            told = {"error": refused.text, "status": refused.status}
        shapes = [proxy.shape() for proxy in done] or None
        if shapes is None and not told and self.ours("populate-empty"):
            shapes = []
        return self.answer(told.get("status", 201), told | {"proxies": shapes})

    def put(self, item: dict[str, Any]) -> Proxy:
        """One of them: the proxy that there is then."""
        proxy = Proxy(item["name"], item.get("listen") or "", item["upstream"])
        before = self.proxies.get(proxy.name)
        if before is not None:
            if not self.is_moved(before, proxy.listen) and before.upstream == proxy.upstream:
                return before
            before.enabled = False
        if item.get("enabled") is not False:
            self.start(proxy)
        self.proxies[proxy.name] = proxy
        return proxy

    def cannot_start(self) -> list[Refused]:
        """What resetting runs into; without it everything is started."""
        failed: list[Refused] = []
        for proxy in self.proxies.values():
            proxy.toxics = []
            try:
                self.start(proxy)
            except Refused as refused:
                failed.append(refused)
        return failed

    def reset(self) -> Answer:
        """``POST /reset``."""
        failed = self.cannot_start()
        if failed:
            raise failed[0]
        return 204, ""

    # toxics

    def toxic(self, proxy: Proxy, name: str) -> Toxic:
        """The one of that name."""
        for toxic in proxy.toxics:
            if toxic.name == name:
                return toxic
        raise Refused(404, "toxic not found")

    def add_toxic(self, name: str, given: dict[str, Any]) -> Answer:
        """``POST /proxies/{name}/toxics``."""
        proxy = self.get(name)
        stream = given.get("stream", "downstream")
        if stream.lower() not in {"upstream", "downstream"}:
            raise Refused(400, "stream was invalid, can be either upstream or downstream")
        kind = given.get("type", "")
        if kind not in ATTRIBUTES:
            raise Refused(400, "invalid toxic type")
        called = given.get("name") or f"{kind}_{stream}"
        if any(toxic.name == called for toxic in proxy.toxics):
            raise Refused(409, "toxic already exists")
        self.check(kind, given.get("attributes") or {})
        values = ATTRIBUTES[kind] | {
            key: value
            for key, value in (given.get("attributes") or {}).items()
            if key in ATTRIBUTES[kind]
        }
        toxic = Toxic(called, kind, stream, given.get("toxicity", 1), values)
        proxy.toxics.append(toxic)
        return self.answer(200, toxic.shape())

    def update_toxic(self, name: str, called: str, given: dict[str, Any]) -> Answer:
        """``POST`` or ``PATCH /proxies/{name}/toxics/{toxic}``."""
        toxic = self.toxic(self.get(name), called)
        attributes = {
            key: value
            for key, value in (given.get("attributes") or {}).items()
            if key in toxic.attributes
        }
        try:
            self.check(toxic.type, attributes)
        except Refused:
            if not self.ours("all-or-nothing"):
                toxic.attributes |= {
                    key: value for key, value in attributes.items() if value != "x"
                }
            raise
        toxic.attributes |= attributes
        toxic.toxicity = given.get("toxicity", toxic.toxicity)
        return self.answer(200, toxic.shape())

    def check(self, kind: str, attributes: dict[str, Any]) -> None:
        """Values are numbers."""
        for key, value in attributes.items():
            if key in ATTRIBUTES[kind] and value == "x":
                where = f"{kind.capitalize()}Toxic.attributes.{key}"
                text = f"json: cannot unmarshal string into Go struct field {where} of type int64"
                raise Refused(400, f"bad request body: {text}")

    def delete_toxic(self, name: str, called: str) -> Answer:
        """``DELETE /proxies/{name}/toxics/{toxic}``."""
        proxy = self.get(name)
        proxy.toxics.remove(self.toxic(proxy, called))
        return 204, ""
