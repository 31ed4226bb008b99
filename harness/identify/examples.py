"""Values to send, from the examples and schemas of an OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

_DEPTH_MAX: Final = 8
_PROPERTIES_MAX: Final = 40
_STEPS_MAX: Final = 1_000
"""Schemas looked at for one value: they can name each other in circles, and fan out."""
_NOTHING: Final[Any] = object()
_TEXTS: Final = {
    "date": "2024-01-01",
    "date-time": "2024-01-01T00:00:00Z",
    "email": "user@example.org",
    "ipv4": "192.0.2.1",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class Examples:
    """Finds or makes up values; each comes with whether the document itself gives it.

    Args:
        resolved: what a value stands for, if it is a reference.
    """

    def __init__(self, resolved: Callable[[Any], Any]) -> None:
        self._resolved = resolved
        self._steps = 0

    def of_parameter(self, parameter: Mapping[str, Any]) -> tuple[str, bool]:
        """The value of a parameter, as text."""
        self._steps = 0
        value, is_known = self._given(parameter)
        if not is_known:
            value, is_known = self.of_schema(parameter.get("schema"))
        if isinstance(value, bool):
            return str(value).lower(), is_known
        if isinstance(value, list):
            return ",".join(str(item) for item in value), is_known
        return (str(value), is_known) if isinstance(value, str | int | float) else ("1", False)

    def of_body(self, content: Mapping[str, Any]) -> tuple[Any, bool]:
        """The value of a body."""
        self._steps = 0
        value, is_known = self._given(content)
        return (value, True) if is_known else self.of_schema(content.get("schema"))

    def of_schema(self, schema: Any, depth: int = 0) -> tuple[Any, bool]:
        """A value that a schema allows; made up where it holds no example."""
        found = self._resolved(schema)
        self._steps += 1
        if not isinstance(found, dict) or depth > _DEPTH_MAX or self._steps > _STEPS_MAX:
            return None, False
        value, is_known = self._given(found)
        if is_known:
            return value, True
        for key in ("default", "const"):
            if key in found:
                return found[key], True
        choices = found.get("enum")
        if isinstance(choices, list) and choices:
            return choices[0], True
        for key in ("allOf", "oneOf", "anyOf"):
            parts = found.get(key)
            if isinstance(parts, list) and parts:
                return self._of_parts(key, parts, depth)
        return self._made(found, depth)

    def _of_parts(self, key: str, parts: list[Any], depth: int) -> tuple[Any, bool]:
        made = [self.of_schema(part, depth + 1) for part in parts[:_PROPERTIES_MAX]]
        if key == "allOf" and all(isinstance(value, dict) for value, _ in made):
            merged = {name: item for value, _ in made for name, item in value.items()}
            return merged, all(is_known for _, is_known in made)
        return made[0]

    def _made(self, schema: Mapping[str, Any], depth: int) -> tuple[Any, bool]:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), None)
        if kind == "object" or "properties" in schema:
            return self._made_object(schema, depth)
        if kind == "array":
            least = schema.get("minItems")
            if not isinstance(least, int) or least < 1:
                return [], True
            item, is_known = self.of_schema(schema.get("items"), depth + 1)
            return [item] * min(least, 10), is_known
        if kind in {"integer", "number"}:
            least = schema.get("minimum")
            return (least if isinstance(least, int) else 1), False
        if kind == "boolean":
            return True, False
        return _TEXTS.get(str(schema.get("format")), "storm"), False

    def _made_object(self, schema: Mapping[str, Any], depth: int) -> tuple[Any, bool]:
        """An object with what is required in it."""
        required = schema.get("required")
        properties = schema.get("properties")
        if not isinstance(required, list) or not isinstance(properties, dict):
            return {}, True
        made = {
            name: self.of_schema(properties.get(name), depth + 1)
            for name in required[:_PROPERTIES_MAX]
            if isinstance(name, str)
        }
        values = {name: value for name, (value, _) in made.items()}
        return values, all(is_known for _, is_known in made.values())

    def _given(self, holder: Mapping[str, Any]) -> tuple[Any, bool]:
        if "example" in holder:
            return holder["example"], True
        examples = holder.get("examples")
        if isinstance(examples, list) and examples:
            return examples[0], True
        if isinstance(examples, dict):
            for name in sorted(examples):
                found = self._resolved(examples[name])
                if isinstance(found, dict) and "value" in found:
                    return found["value"], True
        return _NOTHING, False
