"""What an unquoted word of YAML is: nothing, yes or no, a number, or a text.

The core schema of YAML 1.2 ("YAML Ain't Markup Language, version 1.2.2", section 10.3), less what
YAML 1.1 reads differently: ``010`` is refused; ``yes``, ``on`` and dates are texts.
"""

from __future__ import annotations

import math
import re
from typing import Final

_WHOLE_MAX: Final = 2**63
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE: Final = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_DECIMAL: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def plain_scalar(text: str) -> bool | int | float | str | None:
    """The value of an unquoted scalar.

    Raises:
        ValueError: a number that is none, or that readers of YAML do not agree on.

    >>> plain_scalar("0x1F"), plain_scalar("yes"), plain_scalar("~")
    (31, 'yes', None)
    """
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f'`{text}` is no number that can be used; as a text write "{text}"')
    if _OTHER_BASE.fullmatch(text):
        return _whole(text, 0)
    if _WHOLE.fullmatch(text):
        digits = text.lstrip("+-")
        if len(digits) > 1 and digits[0] == "0":
            raise ValueError(
                f"`{cut(text)}` is octal to some readers and decimal to others: write it without the "
                f'leading 0, or as a text "{cut(text)}"'
            )
        return _whole(text, 10)
    if _DECIMAL.fullmatch(text):
        value = float(text)
        if math.isinf(value):
            raise ValueError(f"the number `{cut(text)}` is too large")
        return value
    return text


def _whole(text: str, base: int) -> int:
    value = int(text, base) if len(text) <= 70 else _WHOLE_MAX
    if abs(value) >= _WHOLE_MAX:
        raise ValueError(f"the number `{cut(text)}` is too large")
    return value


def cut(text: str, length: int = 60) -> str:
    """``text`` on at most ``length`` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"
