"""What an answer says: admitted, refused, lost or something else; and whether a refusal has its form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from harness.history import Call
from harness.promises.rate_limit.words import FAILURES, Exceeded, RateLimit

_BODY_KEPT_BYTES: Final = 64 * 1024
_PLAIN_REFUSAL: Final = 429


class Letter(StrEnum):
    """How a call ended, for this promise.

    A was admitted, R refused (perhaps in a wrong form), L never got an answer, O is anything else.
    """

    A = "A"
    R = "R"
    L = "L"
    O = "O"  # noqa: E741


@dataclass(frozen=True, slots=True)
class Reading:
    """What one call means for this promise.

    Attributes:
        letter: how it ended.
        key: whose budget it uses, None where that is unsure.
        form: what a refusal lacks of the declared form; None: nothing.
        over: its admission would be (for an admitted call: is) a break.
        entitled: its refusal would be (for a refused call: is) a break. Neither: free.
        whole: its answer was read to the end, so that ``form`` could be judged.
    """

    letter: Letter
    key: str | None
    form: str | None
    over: bool
    entitled: bool
    whole: bool = True


def letter_of(promise: RateLimit, ok: Mapping[str, frozenset[int]], call: Call) -> Letter | None:
    """The letter of ``call``; None for what never became a call."""
    if not call.written or call.error == "refused":
        return None
    if call.status is None:
        return Letter.L
    if call.operation not in promise.operation:
        return Letter.O
    if _is_refusal(promise.exceeded, call):
        return Letter.R
    admitting = ok.get(call.operation)
    admitted = call.status in admitting if admitting else 200 <= call.status < 300
    return Letter.A if admitted else Letter.O


def _is_refusal(exceeded: Exceeded, call: Call) -> bool:
    if call.status == _PLAIN_REFUSAL:
        return True
    if call.status != exceeded.status:
        return False
    if exceeded.status not in FAILURES:
        return True
    return any(call.header(name) is not None for name in exceeded.headers) or (
        exceeded.body is not None and _missing_from_body(exceeded.body, call) is None
    )


def missing_form(exceeded: Exceeded, call: Call) -> str | None:
    """What the answer lacks of the declared form, in words; None if nothing can be proved missing."""
    if call.status != exceeded.status:
        return f"status {exceeded.status}"
    for name in exceeded.headers:
        if call.header(name) is None:
            return f"header {name}"
    if exceeded.body is None or not is_whole(call):
        return None
    return _missing_from_body(exceeded.body, call)


def is_whole(call: Call) -> bool:
    """Whether all of the answer's body is in the history."""
    return call.complete and call.error is None and len(call.body) < _BODY_KEPT_BYTES


def _missing_from_body(wanted: Any, call: Call) -> str | None:
    try:
        found = json.loads(call.body)
    except (ValueError, RecursionError):
        return "a JSON body"
    return _missing(wanted, found, "JSON")


def _missing(wanted: Any, found: Any, path: str) -> str | None:
    """The first thing of ``wanted`` that ``found`` lacks; objects may hold more, lists may not."""
    if isinstance(wanted, Mapping) and isinstance(found, dict):
        for name, value in wanted.items():
            if name not in found:
                return f"{path}.{name}"
            lacking = _missing(value, found[name], f"{path}.{name}")
            if lacking is not None:
                return lacking
        return None
    if isinstance(wanted, list | tuple) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        lacks = (_missing(one, other, f"{path}[{place}]") for place, (one, other) in pairs)
        return next((lack for lack in lacks if lack is not None), None)
    same = wanted == found and isinstance(wanted, bool) == isinstance(found, bool)
    return None if same else f"{path} = {json.dumps(wanted, default=str)}"
