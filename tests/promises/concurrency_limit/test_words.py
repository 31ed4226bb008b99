"""What a contract may say of a concurrency limit, and what is refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.promises.concurrency_limit.test_simulated import promise


def test_little_is_enough() -> None:
    """A limit alone: for all callers together, any queue, any refusal."""
    made = promise(limit=4)
    assert (made.key, made.queue, made.rejected, made.order) == ("global", None, None, "any")
    assert made.counts == "awaited"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"limit": 0}, "greater than or equal to 1"),
        ({"queue": -1}, "greater than or equal to 0"),
        ({"queue": 0, "order": "fifo"}, "nobody waits where the queue is 0"),
        ({"queue": 0, "queue_timeout": "10s"}, "nobody waits where the queue is 0"),
        ({"queue_timeout": "10"}, "is no duration"),
        ({"scope": "process"}, "says nothing of one worker"),
        ({"rejected": {"status": 200}}, "is how a call that got in is answered, too"),
        ({"rejected": {"status": 429, "headers": ["Retry After"]}}, "is no header name"),
        ({"counts": "all"}, "'awaited' or 'arrivals'"),
        ({"size": 3}, "Extra inputs"),
    ],
)
def test_what_says_nothing_is_refused(words: dict[str, Any], said: str) -> None:
    """Each error names the word and what to do."""
    with pytest.raises(ValidationError) as refused:
        promise(**{"limit": 4, **words})
    assert said in str(refused.value)
