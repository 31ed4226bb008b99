"""What an OpenAPI document (3.0 and 3.1) says of operations and clients, in the words of a contract."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from harness.contract.request import METHODS, check_header, method_and_path
from harness.contract.scalars import plain_scalar
from harness.identify.clients import Client, client_of, is_header
from harness.identify.document import NoDocument
from harness.identify.examples import Examples
from harness.identify.hints import Hint, hints_in_text

OPERATIONS_MAX: Final = 60
_REF_HOPS_MAX: Final = 20
_BODY_MAX: Final = 800
_AMBIGUOUS: Final = frozenset({"y", "n", "yes", "no", "on", "off"})
_TAKEN: Final = frozenset({"ip", "global", "env", "login"})
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One operation of the document.

    Attributes:
        name: fit for a contract, unique in it.
        call: method and path with query, braces doubled.
        summary: one line of the document; may be empty.
        ok: statuses of success.
        headers: that the document requires.
        json: the body, or ``None`` with ``has_json`` false.
        body: a body that is no JSON.
        identity: name of the client that it wants, if any.
        guesses: what was made up or left out, and has to be looked at; whole sentences.
        refusal_headers: of its 429 answer; None where the document knows no such answer.
        hints: limits that its texts speak of.
    """

    name: str
    call: str
    summary: str = ""
    ok: tuple[int, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    has_json: bool = False
    body: str | None = None
    identity: str | None = None
    guesses: tuple[str, ...] = ()
    refusal_headers: tuple[str, ...] | None = None
    hints: tuple[Hint, ...] = ()

    @property
    def is_harmless(self) -> bool:
        """Whether it may be called without having been asked to: a plain GET, nothing made up."""
        return self.call.startswith("GET ") and not self.guesses and "{" not in self.call


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """All that is taken from a document.

    Attributes:
        title: of the service; may be empty.
        operations: by path and method, at most `OPERATIONS_MAX`.
        left_out: how many more there are.
        clients: by name.
        hints: limits that the document's introduction speaks of.
    """

    title: str
    operations: tuple[Described, ...]
    left_out: int
    clients: Mapping[str, Client]
    hints: tuple[Hint, ...]


def describe(document: Mapping[str, Any]) -> Description:
    """Read a document.

    Raises:
        NoDocument: it is no OpenAPI document of version 3.
    """
    version = document.get("openapi")
    if "swagger" in document:
        raise NoDocument("it is of version 2 (Swagger), and 3.0 or 3.1 is read: convert it first")
    if not str(version).startswith("3.") or not isinstance(document.get("paths"), dict):
        raise NoDocument("it is no OpenAPI document: it needs `openapi: 3.…` and `paths`")
    return _Reader(document).read()


def name_for(text: str, taken: Mapping[str, object]) -> str:
    """A name as contracts want it: letters, digits, _ and -; none of ``taken``.

    >>> name_for("list items", {}), name_for("404", {}), name_for("yes", {})
    ('list_items', 'op_404', 'op_yes')
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_-")[:50] or "op"
    plain = isinstance(plain_scalar(name), str) if re.match("[A-Za-z]", name) else False
    if not plain or name.lower() in _AMBIGUOUS | _TAKEN:
        name = f"op_{name}"
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


class _Reader:
    """Walks through one document; whatever has another form than expected is passed over."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._examples = Examples(self._resolved)
        self._base = _base_path(document)
        self._client_names: dict[str, str] = {}
        self._clients: dict[str, Client] = {}

    def read(self) -> Description:
        info = _mapping(self._document.get("info"))
        for scheme, found in sorted(_mapping(self._at("components", "securitySchemes")).items()):
            client = client_of(_mapping(self._resolved(found)))
            if client is not None:
                name = name_for(scheme, self._clients)
                self._client_names[scheme] = name
                self._clients[name] = client
        operations: dict[str, Described] = {}
        left_out = 0
        for path, method, item, spec in self._paths():
            if len(operations) >= OPERATIONS_MAX:
                left_out += 1
            elif (found := self._operation(path, method, item, spec, operations)) is not None:
                operations[found.name] = found
        return Description(
            title=_line(info.get("title"), 100),
            operations=tuple(operations.values()),
            left_out=left_out,
            clients=self._clients,
            hints=hints_in_text(str(info.get("description") or ""), "its introduction"),
        )

    def _paths(self) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
        for path, found in sorted(_mapping(self._document["paths"]).items()):
            item = _mapping(self._resolved(found))
            for method in METHODS:
                spec = item.get(method.lower())
                if isinstance(spec, dict) and path.startswith("/"):
                    yield path, method, item, spec

    def _operation(
        self,
        path: str,
        method: str,
        item: Mapping[str, Any],
        spec: Mapping[str, Any],
        taken: Mapping[str, object],
    ) -> Described | None:
        guesses: list[str] = []
        parameters = self._parameters(item, spec)
        call = f"{method} {self._base}{self._filled(path, parameters, guesses)}"
        headers = self._headers(parameters, guesses)
        try:
            method_and_path(call)
        except ValueError:
            return None
        identifier = spec.get("operationId")
        named = (
            identifier if isinstance(identifier, str) and identifier else f"{method.lower()}{path}"
        )
        responses = {str(key): value for key, value in _mapping(spec.get("responses")).items()}
        refusal = _mapping(self._resolved(responses["429"])) if "429" in responses else None
        made = Described(
            name=name_for(named, taken),
            call=call,
            summary=_line(spec.get("summary") or spec.get("description"), 90),
            ok=tuple(sorted(int(key) for key in responses if re.fullmatch("2[0-9][0-9]", key))),
            headers=headers,
            identity=self._identity(spec),
            refusal_headers=None if refusal is None else _header_names(refusal),
            hints=tuple(
                dict.fromkeys((*_said(refusal or {}, "its 429 answer"), *_said(spec, "its text")))
            ),
        )
        made = self._with_body(made, spec, method, guesses)
        return replace(made, guesses=tuple(guesses))

    def _parameters(
        self, item: Mapping[str, Any], spec: Mapping[str, Any]
    ) -> list[Mapping[str, Any]]:
        """Those of the path and those of the operation, which replace them."""
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        for source in (item, spec):
            listed = source.get("parameters")
            for each in listed if isinstance(listed, list) else ():
                parameter = _mapping(self._resolved(each))
                name, where = parameter.get("name"), parameter.get("in")
                if isinstance(name, str) and isinstance(where, str):
                    found[where, name] = parameter
        return list(found.values())

    def _filled(self, path: str, parameters: list[Mapping[str, Any]], guesses: list[str]) -> str:
        """The path with a value for each parameter, and the query that is required."""
        values = {}
        query = []
        for parameter in parameters:
            name, where = parameter["name"], parameter["in"]
            if where not in {"path", "query"} or (
                where == "query" and not parameter.get("required")
            ):
                continue
            value, is_known = self._examples.of_parameter(parameter)
            if not is_known:
                guesses.append(f"{name} = {value} is made up")
            if where == "path":
                values[name] = value
            else:
                query.append((name, value))
        parts = re.split(r"\{([^{}]*)\}", path)
        for place in range(1, len(parts), 2):
            if parts[place] not in values:
                guesses.append(f"{parts[place]} = 1 is made up")
            parts[place] = quote(values.get(parts[place], "1"), safe="")
        for place in range(0, len(parts), 2):
            parts[place] = quote(parts[place], safe="/:@!$&'()*+,;=-._~%")
        return "".join(parts) + (f"?{urlencode(query)}" if query else "")

    def _headers(self, parameters: list[Mapping[str, Any]], guesses: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for parameter in parameters:
            name = parameter["name"]
            if parameter["in"] != "header" or not parameter.get("required"):
                continue
            if name.lower() in {"accept", "authorization", "content-type", *map(str.lower, found)}:
                continue
            value, is_known = self._examples.of_parameter(parameter)
            try:
                check_header(name, value)
            except ValueError:
                guesses.append(f"the header {name} is left out")
                continue
            found[name] = doubled(value)
            if not is_known:
                guesses.append(f"{name}: {value} is made up")
        return found

    def _with_body(
        self, made: Described, spec: Mapping[str, Any], method: str, guesses: list[str]
    ) -> Described:
        content = _mapping(_mapping(self._resolved(spec.get("requestBody"))).get("content"))
        if not content or method in {"GET", "HEAD", "OPTIONS"}:
            return made
        kind = min(content, key=lambda each: (_rank(each), each))
        value, is_known = self._examples.of_body(_mapping(content[kind]))
        if len(json.dumps(value)) > _BODY_MAX:
            guesses.append("its body is too long to be copied from the document")
            value = {}
        elif not is_known:
            guesses.append("its body is made up")
        if _rank(kind) == 0:
            return replace(made, json=doubled(value), has_json=True)
        if kind == _FORM and isinstance(value, dict):
            text = urlencode(
                {name: each for name, each in value.items() if not isinstance(each, dict | list)}
            )
            return replace(made, body=text, headers={**made.headers, "Content-Type": _FORM})
        guesses.append(f"its body is left out: {_line(kind, 40)}")
        return made

    def _identity(self, spec: Mapping[str, Any]) -> str | None:
        wanted = spec.get("security", self._document.get("security"))
        for choice in wanted if isinstance(wanted, list) else ():
            for scheme in _mapping(choice):
                if scheme in self._client_names:
                    return self._client_names[scheme]
        return None

    def _at(self, *keys: str) -> Any:
        here: Any = self._document
        for key in keys:
            here = _mapping(self._resolved(here)).get(key)
        return here

    def _resolved(self, value: Any) -> Any:
        """The value that a ``$ref`` inside this document stands for; nothing for any other."""
        for _ in range(_REF_HOPS_MAX):
            reference = value.get("$ref") if isinstance(value, dict) else None
            if not isinstance(reference, str):
                return value
            value = self._document if reference.startswith("#/") else None
            for part in reference.split("/")[1:]:
                name = part.replace("~1", "/").replace("~0", "~")
                value = value.get(name) if isinstance(value, dict) else None
        return None


def doubled(value: Any) -> Any:
    """Braces as a contract writes them where they mean themselves."""
    if isinstance(value, str):
        return value.replace("{", "{{").replace("}", "}}")
    if isinstance(value, list):
        return [doubled(item) for item in value]
    if isinstance(value, dict):
        return {key: doubled(item) for key, item in value.items()}
    return value


def _said(part: Mapping[str, Any], source: str) -> Iterator[Hint]:
    for key in ("description", "summary", "x-ratelimit", "x-rate-limit"):
        if isinstance(part.get(key), str):
            yield from hints_in_text(part[key], source)


def _header_names(response: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(name for name in _mapping(response.get("headers")) if is_header(name)))


def _base_path(document: Mapping[str, Any]) -> str:
    """The path before all others: that of the first server."""
    servers = document.get("servers")
    first = _mapping(servers[0]) if isinstance(servers, list) and servers else {}
    url = first.get("url")
    if not isinstance(url, str) or "{" in url:
        return ""
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    return quote(path.rstrip("/"), safe="/:@-._~%") if path.startswith("/") else ""


def _rank(media_type: str) -> int:
    plain = media_type.partition(";")[0].strip().lower()
    if plain == "application/json" or plain.endswith("+json"):
        return 0
    return 1 if plain == _FORM else 2


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _line(value: Any, length: int) -> str:
    """A text on one line, without what cannot be printed."""
    words = str(value).split() if isinstance(value, str) else []
    printable = ("".join(char for char in word if char.isprintable()) for word in words)
    text = " ".join(word for word in printable if word)
    return text if len(text) <= length else text[: length - 1] + "…"
