"""What requests say and answers show: proxies and toxics as JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from harness.faults.wire import TYPES, InvalidFault, WireFault, attribute_types, attributes
from harness.proxy.api.errors import (
    BAD_BODY,
    INVALID_STREAM,
    INVALID_TYPE,
    MISSING,
    TOXIC_EXISTS,
    ApiError,
)
from harness.proxy.api.gojson import (
    BadJson,
    Number,
    Object,
    Read,
    boolean,
    float32,
    float32_text,
    float64,
    integer,
    parse,
    read_object,
    read_struct,
    string,
)
from harness.proxy.wires import Mode, Stream, Toxic, When

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

__all__ = [
    "LIMIT_NAME_BYTES",
    "LIMIT_TOXICS",
    "STREAMS",
    "Entry",
    "ProxyInput",
    "changed_toxic",
    "new_toxic",
    "new_toxics",
    "proxies_from",
    "proxy_from",
    "toxic_shape",
]

LIMIT_NAME_BYTES: Final = 1024
LIMIT_TOXICS: Final = 256
_TEXT_MOST_BYTES: Final = 4096
_UNPRINTABLE: Final = {*range(0x20), 0x7F}
STREAMS: Final = ("upstream", "downstream", "both")
"""In the order in which answers list their toxics."""


def _toxics(value: Any, field: str) -> list[Any]:
    if not isinstance(value, list) or isinstance(value, Object):
        raise BadJson(f"json: {field} must be an array of toxics")
    return value


_PROXY: Final[Mapping[str, Read]] = {
    "name": string,
    "listen": string,
    "upstream": string,
    "enabled": boolean,
    "Logger": read_object,
    "mode": string,
    "toxics": _toxics,
}
_TOXIC: Final[Mapping[str, Read]] = {
    "attributes": read_object,
    "name": string,
    "type": string,
    "stream": string,
    "toxicity": float32,
    "when": read_object,
}
_CHANGE: Final[Mapping[str, Read]] = {
    key: _TOXIC[key] for key in ("attributes", "toxicity", "when")
}
_WHEN: Final[Mapping[str, Read]] = {field.name: integer for field in fields(When)}
_NUMBERS: Final[Mapping[type, Read]] = {int: integer, float: float64}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyInput:
    """What a body says of a proxy; None where it says nothing.

    Attributes:
        name, listen, upstream, enabled: as in Toxiproxy.
        mode: ours; what happens to who connects.
        toxics: ours; bodies as of ``POST /proxies/{name}/toxics``, unread yet.
    """

    name: str = ""
    listen: str | None = None
    upstream: str | None = None
    enabled: bool | None = None
    mode: Mode | None = None
    toxics: tuple[Any, ...] = ()


def _body(body: bytes) -> Any:
    try:
        return parse(body)
    except BadJson as error:
        raise ApiError(400, f"{BAD_BODY}: {error}") from None


def _struct(value: Any, name: str, known: Mapping[str, Read], *, kind: str = "") -> dict[str, Any]:
    try:
        return read_struct(value, name, known, kind=kind)
    except BadJson as error:
        raise ApiError(400, f"{BAD_BODY}: {error}") from None


def _checked(what: str, text: str, most_bytes: int) -> None:
    """Refuse what could not be told in a log or a URL."""
    size = len(text.encode())
    if size > most_bytes:
        raise ApiError(400, f"{what} has {size} bytes, at most {most_bytes} are allowed")
    if any(ord(char) in _UNPRINTABLE for char in text):
        raise ApiError(400, f"{what} holds a control character: use none")


def _name(what: str, text: str) -> None:
    _checked(what, text, LIMIT_NAME_BYTES)
    if text in {".", ".."}:
        raise ApiError(400, f"{what} {text} cannot be addressed in a URL: use another")


def _proxy(value: Any) -> ProxyInput:
    found = _struct(value, "Proxy", _PROXY, kind="toxiproxy.Proxy")
    found.pop("Logger", None)
    mode = found.get("mode")
    if mode is not None and mode not in get_args(Mode):
        raise ApiError(400, f"mode {mode} is unknown: use one of {', '.join(get_args(Mode))}")
    given = ProxyInput(**found | {"toxics": tuple(found.get("toxics", ()))})
    _name("proxy name", given.name)
    for what in ("listen", "upstream"):
        _checked(what, getattr(given, what) or "", _TEXT_MOST_BYTES)
    return given


def proxy_from(body: bytes) -> ProxyInput:
    """What the body of a create or update says.

    Raises:
        ApiError: 400, it cannot be read.
    """
    return _proxy(_body(body))


def proxies_from(body: bytes) -> list[ProxyInput]:
    """What the body of a populate says; each has a name and an upstream.

    Raises:
        ApiError: 400, it cannot be read, or one has none.
    """
    value = _body(body)
    if isinstance(value, Object) or not isinstance(value, list | None):
        kind = "object" if isinstance(value, Object) else "value"
        raise ApiError(
            400, f"{BAD_BODY}: json: cannot unmarshal {kind} into Go value of type []Proxy"
        )
    given = [_proxy(item) for item in value or ()]
    for place, one in enumerate(given, 1):
        for field in ("name", "upstream"):
            if not getattr(one, field):
                raise ApiError(400, f"{MISSING}: {field} at proxy {place}")
    return given


@dataclass(frozen=True, slots=True)
class Entry:
    """A toxic, and how its stream was written: answers show that."""

    toxic: Toxic
    said: str


def new_toxic(body: bytes, names: AbstractSet[str]) -> Entry:
    """The toxic of a ``POST`` of toxics.

    Args:
        body: its JSON.
        names: those that are taken.
    Raises:
        ApiError: 400, it cannot be; 409, its name is taken.
    """
    return _new_toxic(_body(body), names)


def new_toxics(values: Sequence[Any]) -> tuple[Entry, ...]:
    """Several, that come with their proxy. Raises ``ApiError``."""
    if len(values) > LIMIT_TOXICS:
        raise ApiError(400, f"a proxy has at most {LIMIT_TOXICS} toxics, got {len(values)}")
    made: dict[str, Entry] = {}
    for value in values:
        entry = _new_toxic(value, made.keys())
        made[entry.toxic.name] = entry
    return tuple(made.values())


def _new_toxic(value: Any, names: AbstractSet[str]) -> Entry:
    """Checks in Toxiproxy's order."""
    found = _struct(value, "ToxicWrapper", _TOXIC, kind="toxics.ToxicWrapper")
    said = found.get("stream", "downstream")
    stream = said.lower()
    if stream not in STREAMS:
        raise ApiError(*INVALID_STREAM)
    kind = TYPES.get(found.get("type", ""))
    if kind is None:
        raise ApiError(*INVALID_TYPE)
    name = found.get("name") or f"{kind.type}_{said}"
    _name("toxic name", name)
    if name in names:
        raise ApiError(*TOXIC_EXISTS)
    toxic = Toxic(
        name=name,
        stream=cast("Stream", stream),
        toxicity=found.get("toxicity", 1.0),
        fault=_fault(kind, _attributes(kind, found)),
        when=_when(When(), found),
    )
    return Entry(toxic, said)


def changed_toxic(entry: Entry, body: bytes) -> Entry:
    """The same with the attributes, toxicity and ``when`` that a body names; all of them, or none.

    Raises:
        ApiError: 400, it cannot be read, or these values cannot be.
    """
    found = _struct(_body(body), "", _CHANGE)
    toxic = entry.toxic
    kind = type(toxic.fault)
    before = {field.name: getattr(toxic.fault, field.name) for field in fields(toxic.fault)}
    after = replace(
        toxic,
        toxicity=found.get("toxicity", toxic.toxicity),
        fault=_fault(kind, before | _attributes(kind, found)),
        when=_when(toxic.when, found),
    )
    return replace(entry, toxic=after)


def _attributes(kind: type[WireFault], found: Mapping[str, Any]) -> dict[str, Any]:
    readers = {name: _NUMBERS[number] for name, number in attribute_types(kind).items()}
    return _struct(found.get("attributes"), f"{kind.__name__}Toxic.attributes", readers)


def _fault(kind: type[WireFault], given: dict[str, Any]) -> WireFault:
    try:
        return kind(**given)
    except InvalidFault as error:
        raise ApiError(400, f"invalid attributes: {error}") from None


def _when(before: When, found: Mapping[str, Any]) -> When:
    given = _struct(found.get("when"), "When", _WHEN)
    when = replace(before, **given)
    if when.first < 1 or when.every < 1 or min(when.last, when.from_ms, when.until_ms) < 0:
        raise ApiError(400, "when needs first and every from 1, last, from_ms and until_ms from 0")
    return when


def toxic_shape(entry: Entry) -> dict[str, Any]:
    """As answers show it; ``when`` only where it says something."""
    toxic = entry.toxic
    shape: dict[str, Any] = {
        "attributes": attributes(toxic.fault),
        "name": toxic.name,
        "type": toxic.fault.type,
        "stream": entry.said,
        "toxicity": Number(float32_text(toxic.toxicity)),
    }
    if toxic.when != When():
        shape["when"] = {name: getattr(toxic.when, name) for name in _WHEN}
    return shape
