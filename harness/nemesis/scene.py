"""What the nemesis needs of the world around it: whom it may hurt, and where that is written down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.clock.held import HeldClock
    from harness.ledger import Ledger
    from harness.living import Seen


class Held(NamedTuple):
    """How much a store holds: entries, and those of them that never expire."""

    entries: int
    lasting: int


class Subject(Protocol):
    """The service, or a store of it: processes that we started."""

    @property
    def said(self) -> str:
        """What people call it."""

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it listens; None where it does not."""

    def alive(self) -> bool:
        """Whether it runs, and no part of it has ended."""

    def roots(self) -> Sequence[Seen]:
        """The living processes that were started; what came from them is left out."""

    def family(self) -> Sequence[Seen]:
        """Its living processes, all that came from it included."""

    def kill(self, *, keep_data: bool) -> int:
        """SIGKILL; how many connects were refused afterwards, at least 1 where it listens."""

    def revive(self, *, keep_data: bool) -> None:
        """Start it on the same port, and see it answer; the rest of it is ended before."""

    def holds(self) -> Held | None:
        """How much it holds; None where that cannot be asked."""

    def output(self) -> str:
        """Its last lines."""

    def place(self, folder: str) -> str:
        """The folder that can be put on a small disk: that one, or its private one if empty.

        Raises:
            Refused: it cannot.
        """

    def small_disk(self, folder: str, size_bytes: int) -> Path:
        """Where its folder is seen from here, on a small disk; it is started again for that if need be."""


class Scene(Protocol):
    """A world that is played in."""

    @property
    def run_id(self) -> str:
        """Names whatever is ours."""

    @property
    def ledger(self) -> Ledger:
        """What is begun and not undone."""

    @property
    def clock(self) -> HeldClock | None:
        """The held clock; None in real time."""

    def subject(self, name: str) -> Subject:
        """``target`` or a store.

        Raises:
            Refused: there is none of that name that is ours to hurt.
        """

    def read_clock(self) -> tuple[int, int]:
        """Wall and monotonic ns, as a process reads them that is given the held clock."""

    def answered(self, since_ns: int) -> int:
        """How many calls were written after that instant (machine's clock), and answered."""

    def unserved(self, since_ns: int) -> int:
        """How many calls were made after that instant, and got no answer, or an error of the service's."""
