"""Whether a run lives, decided from facts alone: by who owns it, where and since when, never by age."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.ledger import Owner


class Standing(Enum):
    """What may be done to what a run left."""

    LIVES = "lives"
    CLEANING = "its reaper is cleaning up"
    ELSEWHERE = "cannot be judged here"
    UNMARKED = "carries no mark of ours"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a run.

    Attributes:
        owner: whom a mark of it names; None if no mark could be read.
        here: our own place, as :func:`harness.ledger.here` says it.
        machine: our machine's name.
        owner_lives: whether a process of the owner's number and start lives here.
        number_taken: whether any process of that number lives here.
        namespace_gone: whether it is certain that the owner's namespace of process numbers is gone.
        reaper_lives: whether a reaper of the run lives here.
        has_ledger: whether there is a file, be it empty.
    """

    owner: Owner | None
    here: str
    machine: str
    owner_lives: bool = False
    number_taken: bool = False
    namespace_gone: bool = False
    reaper_lives: bool = False
    has_ledger: bool = False


def judge(facts: Facts) -> tuple[Standing, str]:
    """How a run stands, and why, in words for people."""
    owner = facts.owner
    if owner is None:
        return _nameless(facts)
    boot, numbers, _ = owner.place.split(":")
    our_boot, our_numbers, _ = facts.here.split(":")
    if owner.place == facts.here and boot != "-":
        if facts.owner_lives:
            return Standing.LIVES, f"process {owner.pid} lives"
        if facts.reaper_lives:
            return Standing.CLEANING, f"process {owner.pid} has ended; its reaper is cleaning up"
        return Standing.DEAD, f"process {owner.pid} has ended, and its reaper too"
    if owner.machine != facts.machine and boot != our_boot:
        return Standing.ELSEWHERE, f"it ran on the machine {owner.machine}: sweep there"
    if "-" in (boot, our_boot):
        return Standing.ELSEWHERE, "this system does not tell who lives (no /proc)"
    if boot != our_boot:
        return Standing.DEAD, "the machine was started again since"
    if numbers != our_numbers and facts.namespace_gone:
        return Standing.DEAD, "the container or namespace that it ran in has ended"
    if numbers == our_numbers and not facts.number_taken:
        return Standing.DEAD, f"process {owner.pid} has ended"
    return Standing.ELSEWHERE, (
        "it ran in a container or namespace of its own: sweep there; if that is gone, remove by hand "
        "what is listed here"
    )


def _nameless(facts: Facts) -> tuple[Standing, str]:
    """A ledger whose first line was cut holds nothing; a folder without a mark may be anybody's."""
    if facts.reaper_lives:
        return Standing.CLEANING, "its reaper is there"
    if facts.has_ledger:
        return Standing.DEAD, "its ledger is empty, it had begun nothing"
    return Standing.UNMARKED, (
        "its name is like ours, but it carries no mark: remove it by hand if no run uses it"
    )
