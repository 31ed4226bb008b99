"""Words for what befell a service or its dependencies: a fault that began, and one that was undone."""

from __future__ import annotations

from harness.render.case import Happening
from harness.render.text import count, shorten

_TARGET = "target"
_NAME, _SAID = 60, 200
"""Bytes that are shown."""


def befallen(event: Happening) -> str:
    """Whom it befell."""
    return "the service" if event.dependency == _TARGET else shorten(event.dependency, _NAME)


def fault_of(event: Happening) -> str:
    """What it was from then on."""
    return shorten(event.fault, _NAME) or "down"


def counted(event: Happening) -> str:
    """What was seen of it; empty where nothing was counted."""
    if event.said:
        return shorten(event.said, _SAID)
    return f"its effect was counted {count(event.effect, 'time')}" if event.effect else ""


def after(event: Happening) -> str:
    """What it does since it was undone."""
    return shorten(event.said, _SAID) or "answers again"


def doubted(event: Happening) -> str:
    """Why it was not in effect all the time; empty where it was."""
    return shorten(event.doubt or "", _SAID)
