"""Rate limits as services tell of them: in headers of their answers, and in the texts of their documents.

Source: "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers, versions 03 to 10),
and what is in use before it: X-RateLimit-Limit with its many relatives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from harness.history import Headers
from harness.units import NS_PER_S, Rate

_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_POLICY: Final = re.compile(r'^\s*(?:"[^"]*"|[A-Za-z*][\w*.-]*|(\d{1,9}))\s*((?:;[^;,]*)*)\s*$')
_LIMIT: Final = re.compile(r"^(?:x-)?rate-?limit-limit(?:-(second|minute|hour|day))?$")
_REQUEST: Final = r"(?:requests?|reqs?|calls?|queries|hits)"
_TEXT: Final = re.compile(
    rf"(?<![\w.,-])(\d{{1,3}}(?:[,_]\d{{3}})+|\d{{1,9}})\s*({_REQUEST}\b)?\s*(?:allowed\s*)?"
    r"(/|\bper\b|\ban?\b|\bevery\b|\beach\b|\bin(?:\s+any|\s+each|\s+a)?\b)\s*(\d{1,6})?\s*"
    r"-?(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)\b",
    re.IGNORECASE,
)
_ABOUT_LIMITS: Final = re.compile(r"rate|limit|thrott|quota", re.IGNORECASE)
_WINDOW_MAX_S: Final = 366 * 86_400


@dataclass(frozen=True, slots=True, order=True)
class Hint:
    """A limit that a service speaks of.

    Attributes:
        count: calls that it admits.
        window_s: in so many seconds; 0 where it does not say.
        source: where that stands, for people.
    """

    count: int
    window_s: int
    source: str

    @property
    def rate(self) -> Rate | None:
        """As a contract writes it; None where the window is not known."""
        return Rate(self.count, self.window_s * NS_PER_S) if self.window_s else None


def hints_in_headers(headers: Headers) -> tuple[Hint, ...]:
    """The limits that the headers of an answer tell of; a policy says more than a bare number.

    >>> hints_in_headers((("ratelimit-policy", "100;w=60"), ("ratelimit-limit", "100")))
    (Hint(count=100, window_s=60, source='RateLimit-Policy: 100;w=60'),)
    """
    found = set(_from_headers(headers))
    known = {hint.count for hint in found if hint.window_s}
    return tuple(sorted(hint for hint in found if hint.window_s or hint.count not in known))


def hints_in_text(text: str, source: str) -> tuple[Hint, ...]:
    """The limits that a text speaks of.

    >>> hints_in_text("Rate limited to 1,000 requests per hour.", "the document")
    (Hint(count=1000, window_s=3600, source='the document: "1,000 requests per hour"'),)
    """
    is_about_limits = _ABOUT_LIMITS.search(text) is not None
    found = set()
    for match in _TEXT.finditer(text[:20_000]):
        count, noun, _, times, unit = match.groups()
        window_s = int(times or 1) * _SECONDS[unit[0].lower()]
        if (noun or is_about_limits) and _is_possible(
            number := int(re.sub("[,_]", "", count)), window_s
        ):
            said = " ".join(match[0].split())
            found.add(Hint(number, window_s, f'{source}: "{said}"'))
    return tuple(sorted(found))


def _from_headers(headers: Headers) -> Iterator[Hint]:
    for name, value in headers:
        lower = name.lower()
        if lower in {"ratelimit-policy", "x-ratelimit-policy"}:
            yield from _policies(value, "RateLimit-Policy")
        elif (match := _LIMIT.match(lower)) is not None:
            yield from _limit(value, "-".join(map(_word, lower.split("-"))), match[1])
        elif lower == "ratelimit" and (old := re.search(r"\blimit=(\d{1,9})", value)):
            yield from _possible(int(old[1]), 0, f"RateLimit: limit={old[1]}")


def _limit(value: str, name: str, unit: str | None) -> Iterator[Hint]:
    number, _, policies = value.partition(",")
    if not (number := number.strip()).isascii() or not number.isdigit() or len(number) > 9:
        return
    window_s = _SECONDS[unit[0]] if unit else 0
    yield from _possible(int(number), window_s, f"{name}: {number}")
    yield from _policies(policies, name)


def _policies(value: str, name: str) -> Iterator[Hint]:
    for part in value.split(","):
        match = _POLICY.match(part)
        if match is None:
            continue
        words = dict(re.findall(r";\s*(\w+)\s*=\s*(\d{1,9})\b", match[2]))
        count, window = words.get("q", match[1]), words.get("w", "0")
        if count is not None:
            yield from _possible(int(count), int(window), f"{name}: {part.strip()}")


def _possible(count: int, window_s: int, source: str) -> Iterable[Hint]:
    return [Hint(count, window_s, source)] if _is_possible(count, window_s) else []


def _is_possible(count: int, window_s: int) -> bool:
    return 0 < count <= 1_000_000_000 and 0 <= window_s <= _WINDOW_MAX_S


def _word(part: str) -> str:
    return {"x": "X", "ratelimit": "RateLimit"}.get(part, part.capitalize())
