"""What every fault of a process is: whom it hurts, its settings, and words for people."""

from __future__ import annotations

import re
from typing import Final, Protocol

from harness.errors import InvalidFault

TARGET: Final = "target"
"""The subject that is the service itself, all of its processes; any other is a dependency's name."""
_SUBJECT: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


class ProcessFault(Protocol):
    """A value: what is done to whom. How, and whether it had an effect, is the nemesis's part."""

    @property
    def subject(self) -> str:
        """``target``, or the name of a dependency that is a real store."""

    @property
    def word(self) -> str:
        """What the subject is while it lasts, in a history and in reports: ``paused``."""

    @property
    def after(self) -> str:
        """What the subject does once it is undone: ``runs again``."""

    @property
    def touches(self) -> str:
        """What is done to whom, for people, before it is done."""

    @property
    def undone_by(self) -> str:
        """How it is undone, for people."""


def whose(subject: str) -> str:
    """What people call a subject."""
    return "the service" if subject == TARGET else subject


def check_subject(fault: ProcessFault) -> None:
    """Raise InvalidFault unless the subject could be a name."""
    if not isinstance(fault.subject, str) or not _SUBJECT.fullmatch(fault.subject):
        raise InvalidFault(
            f"{type(fault).__name__} needs a subject, {TARGET!r} or the name of a dependency, "
            f"got {fault.subject!r:.80}"
        )


def check_within(fault: ProcessFault, name: str, least: int, most: int, why: str) -> None:
    """Raise InvalidFault unless a whole-number setting is in [least, most]; ``why`` ends the text."""
    value = getattr(fault, name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidFault(
            f"{type(fault).__name__} needs {name} from {least:,} to {most:,}, got {value!r:.80}: {why}"
        )
