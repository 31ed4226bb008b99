"""Targets that do not want to end, and how far a run can find what came from them."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import ROOT
from tests.kill.ending import PATIENCE_S, signal_group
from tests.kill.observer import Observer
from tests.kill.run import CONTRACTS, Place, Run, Scenario
from tests.kill.shop import IDLE

IDLE_WORDS: Final = " ".join(IDLE)


def rude(folder: Path, *manners: str) -> Scenario:
    """The shop with these manners."""
    words = ", ".join(f"--manner, {manner}" for manner in manners)
    text = (CONTRACTS / "shop.yaml").read_text()
    text = text.replace('"{port}"]', f'"{{port}}", {words}]').replace("../../..", str(ROOT))
    path = folder / "rude.yaml"
    path.write_text(text)
    return Scenario((path,), words=("--smoke",))


def stripped(run: Run) -> list[int]:
    """Companions without environment and descriptors."""
    return [one.pid for one in run.observer.living() if one.command.endswith(IDLE_WORDS)]


def companions(run: Run) -> bool:
    """Whether the one that went away and the stripped one are there."""
    return bool(stripped(run)) and any(run.place.temporary.rglob("fifo-*"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_is_ended_while_its_target_is_deaf(
    place: Place, observer: Observer, number: signal.Signals
) -> None:
    """With companions of its own: one that forked away and listens, one without an environment."""
    run = Run(place, observer, rude(place.home, "deaf", "away", "bare"))
    assert run.wait_for(lambda: companions(run)), run.said
    signal_group(run, number)
    assert observer.clean_within(PATIENCE_S)[1] == []
    run.wait()
    assert "Traceback" not in run.said


def test_a_run_ends_though_its_target_is_deaf(place: Place, observer: Observer) -> None:
    """Its verdict is what it would be otherwise, and nobody is left."""
    run = Run(place, observer, rude(place.home, "deaf", "away"))
    assert run.wait() == 0, run.said
    assert observer.clean_within(PATIENCE_S)[1] == []


def test_the_limit_of_what_is_found(place: Place, observer: Observer) -> None:
    """Who forked twice into a session of its own *and* dropped environment and descriptors is lost.

    Nothing on the machine says where it came from. It alone is left, and holds nothing of the run.
    """
    run = Run(place, observer, rude(place.home, "deaf", "lost"))
    assert run.wait_for(lambda: stripped(run)), run.said
    lost = stripped(run)
    assert run.wait_for(run.targets), run.said
    signal_group(run, signal.SIGKILL)
    run.wait()
    assert len(lost) == 1
    for _ in range(1000):
        left = observer.left()
        if len(left) <= 1:
            break
    assert [word for word in left if f"process {lost[0]} " not in word] == []
