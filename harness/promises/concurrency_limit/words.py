"""The words of ``concurrency_limit``; their meaning: "What `concurrency_limit` means", section 1."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.contract.words import DurationNs, Name, Promise
from harness.promises.answer_form import Form


class Rejected(Form):
    """What a refusal looks like."""

    @model_validator(mode="after")
    def _recognisable(self) -> Self:
        if min(self.status) < 300 and self.body is None and not self.headers:
            raise ValueError(
                f"status: {min(self.status)} is how a call that got in is answered, too; add `json` or "
                "`headers` that only a refusal has"
            )
        return self


class ConcurrencyLimit(Promise):
    """At most ``limit`` calls at once for each ``key``; the next ``queue`` wait, others are refused.

    Attributes:
        limit: so many are inside at once, and so many get in.
        key: ``global`` (one limit for all callers), ``ip``, or the name of an identity.
        queue: so many wait, the rest are refused at once; None: any length.
        queue_timeout: who has waited so long is refused; None: not declared.
        rejected: form of a refusal; None: any answer that is no success.
        order: in which those who wait get in.
        scope: ``process``: each of the workers has a limit of its own.
        counts: ``arrivals``: those that the service has given up on count while the dependency works.
        workers: so many processes serve; two of them must be seen to.
    """

    kind: Literal["concurrency_limit"]
    limit: Annotated[int, Field(ge=1, le=1_000)]
    key: Name = "global"
    queue: Annotated[int, Field(ge=0, le=1_000)] | None = None
    queue_timeout: DurationNs | None = None
    rejected: Rejected | None = None
    order: Literal["any", "fifo"] = "any"
    scope: Literal["service", "process"] = "service"
    counts: Literal["awaited", "arrivals"] = "awaited"
    workers: Annotated[int, Field(ge=1, le=1_000)] = 1

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for word, written in (("queue_timeout", self.queue_timeout), ("order", self.order)):
            if self.queue == 0 and written not in (None, "any"):
                raise ValueError(
                    f"{word}: nobody waits where the queue is 0; leave one of them out"
                )
        if self.scope == "process" and self.workers == 1:
            raise ValueError(
                "scope: a limit for each process says nothing of one worker; add `workers: 2`, or "
                "as many as serve"
            )
        return self
