"""The form that a contract declares for an answer: status, headers, JSON; and what an answer lacks of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

from harness.contract.request import check_header
from harness.contract.words import Words, as_list
from harness.history import Call

_BODY_KEPT_BYTES: Final = 64 * 1024


def _header_name(name: str) -> str:
    check_header(name, "")
    return name


class Form(Words):
    """What an answer looks like.

    Attributes:
        status: HTTP status, or several of which it has one.
        headers: names that must be there.
        body: JSON that must be contained in the answer's JSON (written ``json`` in the contract).
    """

    status: Annotated[
        tuple[Annotated[int, Field(ge=200, le=599)], ...],
        BeforeValidator(as_list),
        Field(min_length=1),
    ]
    headers: tuple[Annotated[str, AfterValidator(_header_name)], ...] = ()
    body: Annotated[Any, Field(alias="json")] = None

    @property
    def statuses(self) -> str:
        """For people: ``502 or 504``."""
        return " or ".join(str(each) for each in self.status)


def lacking(form: Form, call: Call) -> str | None:
    """What an answer lacks of its form, in words; None if nothing can be proved missing."""
    if call.status not in form.status:
        return f"status {form.statuses}"
    for name in form.headers:
        if call.header(name) is None:
            return f"header {name}"
    if form.body is None or not _is_whole(call):
        return None
    try:
        found = json.loads(call.body)
    except (ValueError, RecursionError):
        return "a JSON body"
    return _missing(form.body, found, "JSON")


def _is_whole(call: Call) -> bool:
    """Whether all of the answer's body is in the history."""
    return call.complete and call.error is None and len(call.body) < _BODY_KEPT_BYTES


def _missing(wanted: Any, found: Any, path: str) -> str | None:
    """The first thing of ``wanted`` that ``found`` lacks; objects may hold more, lists may not."""
    if isinstance(wanted, Mapping) and isinstance(found, dict):
        for name, value in wanted.items():
            lack = f"{path}.{name}" if name not in found else None
            lack = lack or _missing(value, found[name], f"{path}.{name}")
            if lack is not None:
                return lack
        return None
    if isinstance(wanted, list | tuple) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        lacks = (_missing(one, other, f"{path}[{place}]") for place, (one, other) in pairs)
        return next((lack for lack in lacks if lack is not None), None)
    same = wanted == found and isinstance(wanted, bool) == isinstance(found, bool)
    return None if same else f"{path} = {json.dumps(wanted, default=str)}"
