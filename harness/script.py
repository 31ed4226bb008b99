"""What a witness does with the requests that reach it: a script of rules that count. Values only.

A witness is a scripted HTTP dependency. A script is a list of rules; the first rule that matches a
request says how it is answered, and what no rule matches gets the dependency's usual answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Cut = Literal["before", "within", "after"]
"""Where an answer is cut off: before its first byte, in the middle of its body, after its last byte."""
Per = Literal["all", "call", "path"]
"""What a rule counts: all requests that it matches, those of one call (by its token), or of one path."""
Reach = Literal["open", "refuse", "black_hole"]
"""How connects fare: accepted, refused by the kernel, or never completed (the listen queue is full)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What becomes of one request. Spans are of the target's clock, in ns.

    Attributes:
        status: of the answer.
        headers: besides Content-Type, Content-Length and Connection.
        body: text of the body; None: the dependency's usual one.
        content_type: None: the dependency's usual one.
        delay_ns: from the request's last byte to the answer's first.
        hold: no answer until a ``Release`` gives it one.
        trickle_ns: one byte each so many ns; 0: all at once.
        trickle: what trickles, everything or the body alone.
        cut: where the connection ends before its time; None: the answer is whole.
        cut_by: a reset, or an orderly close.
        length_off: Content-Length says so many bytes more than there are (below 0: fewer).
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


Script = tuple[Rule, ...]
"""Rules; the first that matches decides. An empty one: the usual answer to everybody."""


def always(answer: Answer) -> Script:
    """Everybody is answered so."""
    return (Rule(then=answer),)
