"""The words of ``deadline``; their exact meaning stands in "What `deadline` means", section 1."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from harness.contract.words import DurationNs, Promise, Words, YesOrNo
from harness.promises.answer_form import Form
from harness.units import format_duration

Many = Annotated[int, Field(ge=0, le=100_000)]


class Lasting(Words):
    """So many more may stay for good.

    Attributes:
        threads, descriptors, connections: of all processes of the service together.
        processes: likewise.
    """

    threads: Many = 0
    descriptors: Many = 0
    connections: Many = 0
    processes: Many = 0

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not any((self.threads, self.descriptors, self.connections, self.processes)):
            raise ValueError("leaks: name what may stay, as in `{threads: 4}`, or write `none`")
        return self


def _written(value: Any) -> str:
    """Whether a word was written or a mapping: the other of the two then needs no error."""
    return "word" if isinstance(value, str) else "mapping"


Answer = Annotated[
    Annotated[Literal["closed"], Tag("word")] | Annotated[Form, Tag("mapping")],
    Discriminator(_written),
]
Leaks = Annotated[
    Annotated[Literal["none"], Tag("word")] | Annotated[Lasting, Tag("mapping")],
    Discriminator(_written),
]


class Deadline(Promise):
    """The operation answers within ``within``, whatever its dependencies do, and keeps nothing.

    Attributes:
        within: from the last byte of the request to the last byte of the answer.
        answer: its form when a dependency does not deliver; ``closed``: the connection may be closed
            instead; None: any complete HTTP answer.
        stream: the answer is a stream, whose first byte counts.
        call_timeout: an answer of a dependency a moment before is used, one a moment after is not.
        slow_client: a request that was sent half is answered or cut within this.
        leaks: ``none``, or what may stay for good.
        resolution: the service's own timers run in steps this long.
    """

    kind: Literal["deadline"]
    within: DurationNs
    answer: Answer | None = None
    stream: YesOrNo = False
    call_timeout: DurationNs | None = None
    slow_client: DurationNs | None = None
    leaks: Leaks = "none"
    resolution: DurationNs | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        within = format_duration(self.within)
        if self.call_timeout is not None and self.call_timeout > self.within:
            raise ValueError(
                f"call_timeout: {format_duration(self.call_timeout)} is longer than the {within} in "
                "which all must be answered"
            )
        if self.resolution is not None and self.resolution > self.within:
            raise ValueError(
                f"resolution: {format_duration(self.resolution)} is coarser than the {within} promised"
            )
        return self
