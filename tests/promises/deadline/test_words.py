"""What a contract may say of a deadline, and what is refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from harness.promises.answer_form import Form
from harness.promises.deadline.words import Lasting
from tests.promises.deadline.test_simulated import promise


def test_little_is_enough() -> None:
    """A time alone: any complete answer, nothing may stay."""
    made = promise(within="5s")
    assert (made.within, made.answer, made.leaks) == (5_000_000_000, None, "none")


def test_forms_and_rests() -> None:
    """An answer's form, or a closed connection; a rest by what it consists of."""
    assert promise(within="5s", answer="closed").answer == "closed"
    form = promise(within="5s", answer={"status": 504, "json": {"code": "late"}}).answer
    assert isinstance(form, Form)
    assert (form.status, form.body) == ((504,), {"code": "late"})
    either = promise(within="5s", answer={"status": [502, 504]}).answer
    assert isinstance(either, Form)
    assert either.statuses == "502 or 504"
    assert promise(within="5s", leaks={"threads": 4}).leaks == Lasting(threads=4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"within": "5"}, "is no duration"),
        ({"answer": "open"}, "answer"),
        ({"answer": {"json": {}}}, "answer"),
        ({"leaks": "some"}, "leaks"),
        ({"leaks": {}}, "name what may stay, as in `{threads: 4}`"),
        ({"leaks": {"sockets": 1}}, "Extra inputs"),
        ({"call_timeout": "6s"}, "6s is longer than the 5s in which all must be answered"),
        ({"resolution": "6s"}, "6s is coarser than the 5s promised"),
        ({"slow_client": "10"}, "is no duration"),
        ({"timeout": "5s"}, "Extra inputs"),
    ],
)
def test_what_says_nothing_is_refused(words: dict[str, Any], said: str) -> None:
    """Each error names the word and what to do."""
    with pytest.raises(ValidationError) as refused:
        promise(**{"within": "5s", **words})
    assert said in str(refused.value)
