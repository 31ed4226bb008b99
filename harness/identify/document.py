"""An OpenAPI document's text to plain values, whoever wrote it: size, depth and aliases are bounded.

JSON is read as it is, YAML from the parser's events: nothing is built from tags, and an alias stands
for the very value it names, so that no document grows in memory beyond its text.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from harness.contract.scalars import plain_scalar
from harness.errors import HarnessError

JSON_MAX_BYTES: Final = 32 << 20
YAML_MAX_BYTES: Final = 4 << 20
DEPTH_MAX: Final = 100
SIZE_MAX: Final = 2_000_000
"""Values in a document, aliases written out: whoever walks through it meets no more."""
_WHOLE_MAX: Final = 2**63


class NoDocument(HarnessError, ValueError):
    """The text is no document that we read; the message says why."""


def read_document(raw: bytes) -> dict[str, Any]:
    """The mapping that a JSON or YAML text holds, fit to be written down again.

    Raises:
        NoDocument: it is neither, or beyond a bound.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NoDocument(f"byte {error.start} is not UTF-8") from None
    if text.lstrip()[:1] == "<":
        raise NoDocument("it is a web page or XML, not JSON or YAML")
    found = _read_json(text) if text.lstrip()[:1] in {"{", "["} else _read_yaml(text, len(raw))
    if not isinstance(found, dict):
        raise NoDocument("it holds no mapping")
    return found


def _read_json(text: str) -> Any:
    if len(text) > JSON_MAX_BYTES:
        raise NoDocument(f"it is larger than {JSON_MAX_BYTES >> 20} MiB")
    try:
        return _tidy(json.loads(text, parse_int=_whole, parse_float=_decimal), 0)
    except RecursionError:
        raise NoDocument("it is nested too deep") from None
    except ValueError as error:
        raise NoDocument(f"it is no JSON: {error}") from None


def _read_yaml(text: str, size_bytes: int) -> Any:
    if size_bytes > YAML_MAX_BYTES:
        raise NoDocument(f"as YAML it is larger than {YAML_MAX_BYTES >> 20} MiB; take JSON")
    builder = _Builder()
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            if isinstance(event, DocumentEndEvent):
                break
            builder.take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1})" if mark else ""
        raise NoDocument(f"it is no YAML: {error.problem}{where}") from None
    except (YAMLError, ValueError, OverflowError, IndexError) as error:
        raise NoDocument(f"it is no YAML: {error}") from None
    return builder.root


class _Builder:
    """Puts values together, event by event; each frame alternates key and value in a mapping."""

    def __init__(self) -> None:
        self.root: Any = None
        self._open: list[tuple[bool, str | None, list[tuple[Any, int, int]]]] = []
        self._anchors: dict[str, tuple[Any, int, int]] = {}
        self._count = 0

    def take(self, event: Event) -> None:
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            if len(self._open) >= DEPTH_MAX:
                raise NoDocument("it is nested too deep")
            self._open.append((isinstance(event, MappingStartEvent), event.anchor, []))
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            is_mapping, anchor, children = self._open.pop()
            size = 1 + sum(size for _, size, _ in children)
            height = 1 + max((height for _, _, height in children), default=0)
            values = [value for value, _, _ in children]
            self._place((_mapping(values) if is_mapping else values, size, height), anchor)
        elif isinstance(event, ScalarEvent):
            self._place((_scalar(event), 1, 0), event.anchor)
        elif isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                raise NoDocument(f"it is no YAML: *{event.anchor} refers to no value before it")
            self._place(self._anchors[event.anchor], None)

    def _place(self, node: tuple[Any, int, int], anchor: str | None) -> None:
        value, size, height = node
        if size > SIZE_MAX:
            raise NoDocument(f"it holds over {SIZE_MAX:,} values, aliases written out")
        if len(self._open) + height > DEPTH_MAX:
            raise NoDocument("it is nested too deep")
        if anchor:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1][2].append(node)
        else:
            self.root = value


def _mapping(children: list[Any]) -> dict[str, Any]:
    """Keys as JSON has them: a status is written 200 as often as "200"."""
    pairs = zip(children[::2], children[1::2], strict=True)
    return {
        str(key): value for key, value in pairs if isinstance(key, str | int | float) or key is None
    }


def _scalar(event: ScalarEvent) -> Any:
    if event.style is not None:
        return clean(event.value)
    try:
        value = plain_scalar(event.value)
    except ValueError:
        return clean(event.value)
    return clean(value) if isinstance(value, str) else value


def _tidy(value: Any, depth: int) -> Any:
    if depth > DEPTH_MAX:
        raise NoDocument("it is nested too deep")
    if isinstance(value, dict):
        return {clean(key): _tidy(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_tidy(item, depth + 1) for item in value]
    return clean(value) if isinstance(value, str) else value


def clean(text: str) -> str:
    """Text without what no contract may hold: NUL, and halves of surrogate pairs."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "")


def _whole(text: str) -> int:
    return int(text) if len(text) < 20 and abs(int(text)) < _WHOLE_MAX else 0


def _decimal(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
