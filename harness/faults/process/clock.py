"""The wall clock is set, as by NTP or by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.errors import InvalidFault
from harness.faults.process.base import TARGET, check_subject, check_within
from harness.units import NS_PER_S, format_duration

_MOST_NS: Final = 366 * 86_400 * NS_PER_S


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The wall clock of the service jumps by ``by_ns``; what counts time since the boot stays as it is.

    It is the held clock that is set, never the machine's, so stores and witnesses see the same.

    Attributes:
        subject: ``target``.
        by_ns: forward, or back where it is below 0; not 0, at most 366 days either way.
    """

    subject: str = TARGET
    by_ns: int = 3_600 * NS_PER_S

    def __post_init__(self) -> None:
        check_subject(self)
        if self.subject != TARGET:
            raise InvalidFault(
                f"ClockStepped needs the subject {TARGET!r}, got {self.subject!r}: the held clock is "
                "one for the service and its dependencies"
            )
        check_within(self, "by_ns", -_MOST_NS, _MOST_NS, "a step of a year shows all that one can.")
        if self.by_ns == 0:
            raise InvalidFault("ClockStepped needs by_ns other than 0: such a step changes nothing")

    @property
    def word(self) -> str:
        """While it lasts."""
        way = "forward" if self.by_ns > 0 else "back"
        return f"wall clock set {way} by {format_duration(abs(self.by_ns))}"

    @property
    def after(self) -> str:
        """Once it is undone."""
        return "has its wall clock again"

    @property
    def touches(self) -> str:
        """What is done to whom."""
        way = "forward" if self.by_ns > 0 else "back"
        by = format_duration(abs(self.by_ns))
        return (
            f"the wall clock that the service is given is set {way} by {by}; the machine's own is not "
            "touched"
        )

    @property
    def undone_by(self) -> str:
        """How it is undone."""
        return "setting it by as much the other way"
