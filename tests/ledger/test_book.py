"""What the lines of a ledger say, whole or cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ledger import Book, Owner, lines_of, unword, word

OWNER = "12:345:50af:4026531836:4026531834:a\\x20host"
HEADER = f"stormproof-ledger 1 r1 {OWNER} -"
ENTRIES = ["directory 7 /tmp/a", "group 1 2", "stopped 1 2"]


def book(*lines: str) -> Book:
    return Book([HEADER, *lines])


@given(st.text())
def test_any_text_is_one_word(text: str) -> None:
    """Blanks, line ends and what is not ASCII survive; surrogates too, as in file names."""
    assert unword(word(text)) == text
    assert " " not in word(text)
    assert word(text).isascii()
    assert word(text).isprintable()


def test_the_first_line_tells_whose_it_is() -> None:
    """Run, owner and controller; a first line of another version tells nothing."""
    found = book()
    assert (found.run_id, found.controller) == ("r1", "-")
    assert found.owner is not None
    assert (found.owner.pid, found.owner.start, found.owner.machine) == (12, 345, "a host")
    assert str(found.owner) == OWNER
    assert Book([HEADER.replace(" 1 r1", " 2 r1")]).owner is None
    assert Owner.parse("12:x:1:2:3:4") is None


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        (ENTRIES, ENTRIES),
        ([*ENTRIES, "forget group 1 2"], [ENTRIES[0], ENTRIES[2]]),
        ([*ENTRIES, "undone stopped 1 2", "undone group 1 2"], ENTRIES[:1]),
        ([*ENTRIES, "failed it\\x20sticks group 1 2"], ENTRIES),
        ([ENTRIES[1], *ENTRIES, "forget group 1 2"], [ENTRIES[1], ENTRIES[0], ENTRIES[2]]),
        (["forget group 9 9", *ENTRIES[:1], ""], ENTRIES[:1]),
    ],
)
def test_what_is_left(lines: list[str], left: list[str]) -> None:
    """What was entered and neither forgotten nor undone, in its order; of two alike the youngest goes."""
    assert book(*lines).entries == left


def test_what_others_did() -> None:
    """Reasons, counts and reapers are read back; what was undone later has not failed."""
    found = book(
        "reaper 5 6",
        "group 1 2",
        "ended 3",
        "failed it\\x20sticks group 1 2",
        "failed no file 1 /x",
        "undone file 1 /x",
        "done",
    )
    assert found.reapers == [(5, 6)]
    assert (found.ended, found.done) == (3, True)
    assert found.failed == {"group 1 2": "it sticks"}
    assert found.undone == ["file 1 /x"]


@pytest.mark.parametrize(
    "cut", range(len(HEADER), len(HEADER) + len("\ngroup 12 34\ngroup 56 78\n"))
)
def test_cut_anywhere(cut: int) -> None:
    """Every whole line counts, and no part of a line does."""
    text = f"{HEADER}\ngroup 12 34\ngroup 56 78\n"
    found = Book(lines_of(text[:cut].encode()))
    assert found.entries == ["group 12 34", "group 56 78"][: max(0, text[:cut].count("\n") - 1)]


def test_a_cut_line_that_was_ended_later() -> None:
    """After a full disk the next line begins anew; the part before it names nobody."""
    assert book("group 1~", "group 56 78").entries == ["group 56 78"]
