"""What a witness does with the requests that reach it: a script of rules that count. Values only.

A witness is a scripted HTTP dependency. A script is a list of rules; the first rule that matches a
request says how it is answered, and what no rule matches gets the dependency's usual answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final, Literal

from harness.units import NS_PER_S

_DATE: Final = re.compile(r"\{date([+-]\d{1,9})\}", re.ASCII)

Cut = Literal["before", "within", "after"]
"""Where an answer is cut off: before its first byte, in the middle of its body, after its last byte."""
Per = Literal["all", "call", "path"]
"""What a rule counts: all requests that it matches, those of one call (by its token), or of one path."""
Reach = Literal["open", "refuse", "black_hole"]
"""How connects fare: accepted, refused by the kernel, or never completed (the listen queue is full)."""
TOKEN: Final = re.compile(r"sp(?:-|%2[Dd])([0-9a-f]{8})(?:-|%2[Dd])([0-9]{1,18})")
"""What a call and its attempts are known by, anywhere in a request, also URL-quoted."""


def token_in(text: str) -> str | None:
    """The first token in a text, unquoted; None if there is none.

    >>> token_in("/items/sp%2D00c0ffee%2D12?deep=1"), token_in("nothing")
    ('sp-00c0ffee-12', None)
    """
    found = TOKEN.search(text)
    return f"sp-{found[1]}-{found[2]}" if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What becomes of one request. Spans are of the target's clock, in ns.

    Attributes:
        status: of the answer.
        headers: besides Content-Type, Content-Length and Connection, of which one of the same name
            takes the place; in a value ``{date+7}`` is the HTTP date 7 s (a whole number, also below
            0) after the target's wall clock at the answer.
        body: text of the body; None: the dependency's usual one, and with ``status`` 200 its usual
            status and headers too.
        content_type: None: the dependency's usual one.
        delay_ns: from the request's last byte to the answer's first.
        hold: no answer until a ``Release`` gives it one.
        trickle_ns: one byte each so many ns; 0: all at once.
        trickle: what trickles, everything or the body alone.
        cut: where the connection ends before its time; None: the answer is whole.
        cut_by: a reset, or an orderly close.
        length_off: Content-Length says so many bytes more than there are (below 0: fewer, never
            less than 0). Without ``close`` the connection stays open, and a client waits.
        close: the connection is closed after the answer, as ``Connection: close`` announces.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    content_type: str | None = None
    delay_ns: int = 0
    hold: bool = False
    trickle_ns: int = 0
    trickle: Literal["all", "body"] = "body"
    cut: Cut | None = None
    cut_by: Literal["reset", "close"] = "reset"
    length_off: int = 0
    close: bool = False


USUAL = Answer()
"""The dependency's usual answer."""
HOLD = Answer(hold=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What a dependency answers when nothing is wrong with it.

    Attributes:
        path: to requests whose path begins so; of several, the longest that fits decides.
        status, headers, body, content_type: of the answer.
    """

    path: str = ""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: str = "{}"
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How the requests that match are answered, in the order in which they arrive.

    Attributes:
        answers: to the first, second, … request counted; at least one, unless ``then`` says all.
        then: to every later one; None: ``answers`` begin again (so "every third" is a rule of three).
        per: what is counted.
        method: matches this method only; None: any.
        path: matches paths that begin so (without query); None: any.
    """

    answers: tuple[Answer, ...] = ()
    then: Answer | None = None
    per: Per = "all"
    method: str | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        if not self.answers and self.then is None:
            raise ValueError("a rule needs answers, or a `then` for all: it has neither")


def written(value: str, wall_ns: int) -> str:
    """A header's value as it is written at an instant of the target's wall clock.

    >>> written("{date+7}", 3_400_000_000)
    'Thu, 01 Jan 1970 00:00:10 GMT'
    """
    return _DATE.sub(
        lambda found: formatdate(wall_ns // NS_PER_S + int(found[1]), usegmt=True), value
    )


Script = tuple[Rule, ...]
"""Rules; the first that matches decides. An empty one: the usual answer to everybody."""


def always(answer: Answer) -> Script:
    """Everybody is answered so."""
    return (Rule(then=answer),)
