"""Whether a run lives: by who owns it, where and since when."""

from __future__ import annotations

from typing import Any

import pytest

from harness.ledger import Owner
from harness.sweep import Facts, Standing, judge

HERE = "boot1:100:200"
OWNER = Owner(5, 77, HERE, "vm")


def facts(**more: Any) -> Facts:
    return Facts(**{"owner": OWNER, "here": HERE, "machine": "vm", "has_ledger": True, **more})


@pytest.mark.parametrize(
    ("found", "standing"),
    [
        (facts(owner_lives=True, number_taken=True), Standing.LIVES),
        (facts(owner_lives=True, number_taken=True, reaper_lives=True), Standing.LIVES),
        (facts(reaper_lives=True), Standing.CLEANING),
        (facts(), Standing.DEAD),
        (facts(number_taken=True), Standing.DEAD),
        (facts(here="boot2:100:200", number_taken=True), Standing.DEAD),
        (facts(here="boot2:100:200", machine="other"), Standing.ELSEWHERE),
        (facts(machine="renamed"), Standing.DEAD),
        (facts(here="boot1:101:200", number_taken=True), Standing.ELSEWHERE),
        (facts(here="boot1:101:200", namespace_gone=True), Standing.DEAD),
        (facts(here="boot1:100:201", number_taken=True), Standing.ELSEWHERE),
        (facts(here="boot1:100:201"), Standing.DEAD),
        (facts(here="-:-:-"), Standing.ELSEWHERE),
        (facts(owner=Owner(5, 0, "-:-:-", "vm"), here="-:-:-"), Standing.ELSEWHERE),
        (facts(owner=None), Standing.DEAD),
        (facts(owner=None, reaper_lives=True), Standing.CLEANING),
        (facts(owner=None, has_ledger=False), Standing.UNMARKED),
    ],
)
def test_a_run_is_dead_only_if_that_is_certain(found: Facts, standing: Standing) -> None:
    """Another boot, place or start says that it ended; what cannot be compared says nothing."""
    assert judge(found)[0] is standing
    assert judge(found)[1]
