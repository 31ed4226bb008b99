"""JSON as Go's ``encoding/json`` reads and writes it. Pure.

Reading: keys match whatever their case, the last duplicate wins, unknown keys are passed over, ``null``
leaves a field as it was, integers must be written as integers, and only the first value of a text counts.
"""

from __future__ import annotations

import codecs
import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from harness.errors import HarnessError

__all__ = [
    "BadJson",
    "Number",
    "Object",
    "boolean",
    "encode",
    "float32",
    "float32_text",
    "float64",
    "float_text",
    "integer",
    "parse",
    "read_object",
    "read_struct",
    "string",
    "with_exponent",
]

_LIMIT: Final = 1 << 63
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_LONE: Final = re.compile("[\ud800-\udfff]")
_HTML: Final = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
_EXPECTED: Final = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Illegal trailing comma before end of array": "looking for beginning of value",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after a value",
    "Invalid control character at": "in string literal",
}


class BadJson(HarnessError):
    """A text that is no JSON, or a value of the wrong type; says so nearly as Go does."""


class Number(str):
    """The text of a number, as it came."""

    __slots__ = ()


class Object(list[tuple[str, Any]]):
    """The members of an object in their order, duplicates included."""


Read = Callable[[Any, str], Any]
"""Gives the value of a field, or raises :class:`BadJson`; gets the value and the field's name."""


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """Go puts one U+FFFD in place of each byte that is not UTF-8."""
    assert isinstance(error, UnicodeDecodeError)
    return "\ufffd" * (error.end - error.start), error.end


codecs.register_error("stormproof.go", _replaced)


def _not_json(text: str) -> NoReturn:
    raise ValueError(text)


_SPECIAL: Final = re.compile("[<>&\u2028\u2029]")
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False)
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=Object, parse_int=Number, parse_float=Number, parse_constant=_not_json
)


def parse(body: bytes) -> Any:
    """The first value of a text: None, bool, str, :class:`Number`, list or :class:`Object`.

    Raises:
        BadJson: there is none.

    >>> parse(b'{"a": 1.50, "a": null} and more')
    [('a', '1.50'), ('a', None)]
    """
    text = body.decode("utf-8", "stormproof.go")
    space = _SPACE.match(text)
    start = space.end() if space else 0
    if start == len(text):
        raise BadJson("EOF")
    try:
        return _DECODER.raw_decode(text, start)[0]
    except json.JSONDecodeError as error:
        raise BadJson(_told(text, error)) from None
    except RecursionError:
        raise BadJson("exceeded max depth") from None
    except ValueError as error:
        raise BadJson(
            f"invalid character {str(error)[0]!r} looking for beginning of value"
        ) from None


def _told(text: str, error: json.JSONDecodeError) -> str:
    rest = text[error.pos :].lstrip(" \t\n\r")
    if not rest or error.msg == "Unterminated string starting at":
        return "unexpected EOF"
    return f"invalid character {rest[0]!r} {_EXPECTED.get(error.msg, 'in string escape code')}"


def _fold(key: str) -> str:
    return key.lower().replace("\u017f", "s")


def read_struct(
    value: Any, name: str, fields: Mapping[str, Read], *, kind: str = ""
) -> dict[str, Any]:
    """The fields that an object gives: those absent or ``null`` are not in it.

    Args:
        value: what :func:`parse` gave.
        name: of the struct, for messages; ``Proxy`` or ``LatencyToxic.attributes``.
        fields: how each is read.
        kind: Go's name of the type, for messages.

    >>> read_struct(parse(b'{"NAME": "a", "name": null, "other": 1}'), "Proxy", {"name": string})
    {'name': 'a'}
    """
    if value is None:
        return {}
    if not isinstance(value, Object):
        raise BadJson(f"json: cannot unmarshal {_kind(value)} into Go value of type {kind or name}")
    known = {_fold(field): field for field in fields}
    found: dict[str, Any] = {}
    for key, item in value:
        field = known.get(_fold(key))
        if field is None or item is None:
            continue
        read = fields[field](item, f"{name}.{field}")
        if isinstance(read, Object) and field in found:
            read = Object([*found[field], *read])
        found[field] = read
    return found


def _kind(value: Any) -> str:
    if isinstance(value, Number):
        return "number"
    names = {bool: "bool", str: "string", list: "array", Object: "object"}
    return names.get(type(value), "null")


def _wrong(value: Any, field: str, wanted: str, *, shown: str = "") -> BadJson:
    return BadJson(
        f"json: cannot unmarshal {_kind(value)}{shown and ' '}{shown} "
        f"into Go struct field {field} of type {wanted}"
    )


def string(value: Any, field: str) -> str:
    """A text; half of a surrogate pair becomes U+FFFD."""
    if not isinstance(value, str) or isinstance(value, Number):
        raise _wrong(value, field, "string")
    return _LONE.sub("\ufffd", value)


def boolean(value: Any, field: str) -> bool:
    """``true`` or ``false``."""
    if not isinstance(value, bool):
        raise _wrong(value, field, "bool")
    return value


def integer(value: Any, field: str) -> int:
    """Written without point and exponent, of 64 bits."""
    if not isinstance(value, Number):
        raise _wrong(value, field, "int64")
    is_whole = value.lstrip("-").isdecimal() and len(value) <= 20
    if not is_whole or not -_LIMIT <= int(value) < _LIMIT:
        raise _wrong(value, field, "int64", shown=value)
    return int(value)


def float32(value: Any, field: str) -> float:
    """Rounded to 32 bits."""
    if not isinstance(value, Number):
        raise _wrong(value, field, "float32")
    try:
        rounded = _to_32_bits(float(value))
    except OverflowError:
        rounded = math.inf
    if math.isinf(rounded):
        raise _wrong(value, field, "float32", shown=value)
    return rounded


def float64(value: Any, field: str) -> float:
    """A number."""
    if not isinstance(value, Number):
        raise _wrong(value, field, "float64")
    if math.isinf(float(value)):
        raise _wrong(value, field, "float64", shown=value)
    return float(value)


def read_object(value: Any, field: str) -> Object:
    """An object, whatever is in it."""
    if not isinstance(value, Object):
        raise _wrong(value, field, "object")
    return value


def float_text(value: float) -> str:
    """The shortest text that gives the same number.

    >>> [float_text(number) for number in (1.0, 0.1, 1e-7, 2.5e21)]
    ['1', '0.1', '1e-7', '2.5e+21']
    """
    return _go_float(with_exponent(value))


def float32_text(value: float) -> str:
    """The shortest text that gives the same number of 32 bits.

    >>> [float32_text(number) for number in (1.0, 0.1, 1 / 3, 1e-7, 1e21, -0.0)]
    ['1', '0.1', '0.33333334', '1e-7', '1e+21', '-0']
    """
    return _go_float(with_exponent(value, _to_32_bits))


def _to_32_bits(value: float) -> float:
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


def with_exponent(value: float, rounded: Callable[[float], float] = float) -> str:
    """The shortest text with an exponent of at least two digits that ``rounded`` makes the same number of.

    >>> with_exponent(6974990.0)
    '6.97499e+06'
    """
    wanted = rounded(value)
    texts = (f"{wanted:.{digits}e}" for digits in range(17))
    return next(text for text in texts if rounded(float(text)) == wanted)


def _go_float(text: str) -> str:
    """``1.5e+02`` as Go's JSON writes it: without exponent from 1e-6 on and below 1e21."""
    mantissa, _, exponent = text.partition("e")
    size = int(exponent)
    if float(mantissa) and not -6 <= size < 21:
        return f"{mantissa}e{size:+d}"
    sign, digits = "-" * mantissa.startswith("-"), mantissa.strip("-").replace(".", "")
    if size < 0:
        return f"{sign}0.{'0' * (-size - 1)}{digits}"
    whole, rest = digits[: size + 1].ljust(size + 1, "0"), digits[size + 1 :]
    return f"{sign}{whole}{rest and '.'}{rest}"


def encode(value: Any) -> str:
    """Compact, with ``<``, ``>``, ``&`` and the two line separators escaped; keys in their order.

    >>> encode({"name": "<é>", "toxics": [], "toxicity": Number("0.1"), "Logger": {}})
    '{"name":"\\\\u003cé\\\\u003e","toxics":[],"toxicity":0.1,"Logger":{}}'
    """
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        quoted = _ENCODER.encode(value)
        return quoted.translate(_HTML) if _SPECIAL.search(quoted) else quoted
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{encode(key)}:{encode(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(encode, value)) + "]"
    if isinstance(value, float):
        return float_text(value)
    return _ENCODER.encode(value)
