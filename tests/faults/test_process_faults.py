"""Faults of processes are values with bounds, and say in words what they do and how it is undone."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import HarnessError, InvalidFault
from harness.faults.process import (
    FAULTS,
    ClockStepped,
    DescriptorsExhausted,
    DiskFull,
    Fault,
    MemoryLimited,
    ProcessKilled,
    ProcessPaused,
    fault_to_json,
)
from harness.units import NS_PER_S

EACH: tuple[Fault, ...] = (
    ProcessPaused("redis"),
    ProcessKilled("redis", keep_data=True),
    ProcessKilled("target"),
    DescriptorsExhausted("target", spare=3),
    MemoryLimited("target", headroom_bytes=1 << 25),
    DiskFull("redis"),
    ClockStepped(by_ns=-90 * NS_PER_S),
)


@pytest.mark.parametrize("fault", EACH, ids=lambda fault: type(fault).__name__)
def test_each_says_what_it_does_and_how_it_is_undone(fault: Fault) -> None:
    """Four short texts without a line break; the subject is named in what it touches."""
    for words in (fault.word, fault.after, fault.touches, fault.undone_by):
        assert words == words.strip()
        assert "\n" not in words
        assert 3 < len(words) < 200
    assert ("the service" if fault.subject == "target" else "redis") in fault.touches


def test_settings_show_in_the_words() -> None:
    """With and without data, how many, how much, which way."""
    kept, lost = ProcessKilled("redis", keep_data=True), ProcessKilled("redis")
    assert (kept.after, lost.after) == ("is back with its data", "is back, empty")
    assert kept.undone_by.endswith("with its data")
    assert "3 descriptors more" in DescriptorsExhausted("redis", spare=3).touches
    assert "no descriptor more" in DescriptorsExhausted("redis").touches
    assert "32 MiB more" in MemoryLimited("redis", headroom_bytes=1 << 25).touches
    assert "/data on a disk of 65,536 bytes" in DiskFull("a", 1 << 16, "/data").touches
    assert ClockStepped(by_ns=-90 * NS_PER_S).word == "wall clock set back by 90s"
    assert "forward by 1h" in ClockStepped().touches


def test_each_is_known_by_its_name() -> None:
    """What a plan's file writes is what a plan's file may name, settings included."""
    for fault in EACH:
        written = fault_to_json(fault)
        kind = FAULTS[written.pop("fault")]
        assert kind(**written) == fault
    assert {type(fault) for fault in EACH} == set(FAULTS.values())


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (ProcessPaused, {"subject": ""}, "needs a subject, 'target' or the name"),
        (ProcessPaused, {"subject": "a/b"}, "got 'a/b'"),
        (ProcessKilled, {"subject": None}, "got None"),
        (DescriptorsExhausted, {"subject": "a", "spare": -1}, "needs spare from 0 to 1,000,000"),
        (DescriptorsExhausted, {"subject": "a", "spare": True}, "got True"),
        (DescriptorsExhausted, {"subject": "a", "spare": 1.5}, "got 1.5"),
        (MemoryLimited, {"subject": "a", "headroom_bytes": 1}, "from 1,048,576 to"),
        (DiskFull, {"subject": "a", "size_bytes": (1 << 30) + 1}, "to 1,073,741,824"),
        (DiskFull, {"subject": "a", "folder": "data"}, "an absolute path"),
        (DiskFull, {"subject": "a", "folder": "/a\0b"}, "an absolute path"),
        (ClockStepped, {"by_ns": 0}, "changes nothing"),
        (ClockStepped, {"by_ns": 10**18}, "from -31,622,400,000,000,000"),
        (ClockStepped, {"subject": "redis"}, "one for the service and its dependencies"),
    ],
)
def test_what_cannot_be_is_refused(kind: Any, settings: dict[str, Any], said: str) -> None:
    """At once, with setting, value and bound."""
    with pytest.raises(InvalidFault) as raised:
        kind(**settings)
    assert said in str(raised.value)
    assert isinstance(raised.value, HarnessError)
    assert isinstance(raised.value, ValueError)
