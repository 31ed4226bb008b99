"""Small histories and what they prove: "What `concurrency_limit` means", section 5, and more."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from harness.promises.concurrency_limit.book import Terms
from harness.promises.concurrency_limit.check import breaks, doubt
from tests.promises.concurrency_limit.notation import book, halves

TERMS = Terms(limit=2, queue=1)
OPEN = Terms(limit=2)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("hhwx; e h;", []),
        ("hhh", ["upper"]),
        ("hx", ["few"]),
        ("hhx", ["early"]),
        ("hhw; e;", ["beside"]),
        ("hh; t; h;", []),
        ("hh g; w; a h;", []),
        ("hh g; h;", []),
        ("hh g; a; w;", ["lost"]),
        ("hhw; l; x;", []),
        ("hhw; l; e; e; x;", ["lost"]),
        ("hhw; l; x; e; h w; x;", []),
        ("hhw; l; x; e; h; x;", ["early"]),
    ],
)
def test_the_histories_of_the_definition(text: str, broken: list[str]) -> None:
    """Two slots, one place to wait: each history has just this verdict."""
    assert halves(text, TERMS) == broken


@pytest.mark.parametrize("order", sorted(set(permutations("hhwx"))))
def test_who_is_who_in_a_burst_is_open(order: tuple[str, ...]) -> None:
    """Four fired together: only the counts are judged, whatever the order of their numbers."""
    one = book("hhwx;", TERMS)
    numbers = dict(zip(sorted(range(4), key=lambda place: order[place]), range(4), strict=True))
    mixed = [replace(visit, call=numbers[visit.call], sent_ns=1) for visit in one.visits]
    assert not breaks(replace(one, visits=mixed))


def test_abandoned_calls_count_where_arrivals_do() -> None:
    """Told "timeout", held at the witness still: one of two only where it says so."""
    assert halves("hh; t; h;", Terms(limit=2, queue=1, arrivals=True)) == ["upper"]
    assert halves("hh; g; h;", Terms(limit=2, queue=1, arrivals=True)) == ["upper"]


def test_a_narrow_service_accuses_nobody() -> None:
    """The control operation shows that it does one at a time: who waits, waits for a worker."""
    narrow = book("h w w;", TERMS, width=1, narrow=True)
    assert not breaks(narrow)
    assert "serves 1 calls at once" in str(doubt(narrow))


def test_a_width_that_nobody_saw_accuses_nobody() -> None:
    """Without a control operation nothing shows that it could do more than one."""
    assert not breaks(book("h w w;", TERMS))
    assert "an operation without this limit" in str(doubt(book("h w w;", TERMS)))
    assert halves("h w w;", TERMS, width=3) == ["few"]


def test_real_time_needs_certain_overlap() -> None:
    """A third comes a moment after an answer was sent: in no reading were they three for sure."""
    assert halves("hh e h", TERMS, rested=False) == []
    assert halves("hhh", TERMS, rested=False) == ["upper"]
    assert halves("hhw e", TERMS, rested=False) == []


def test_what_the_service_does_is_seen_later_than_done() -> None:
    """It told a user, or closed a connection, some time before anybody saw that: no certain overlap."""
    assert halves("hh; h t;", TERMS) == []
    assert halves("hh; g h;", TERMS) == []
    assert halves("hh; g h c;", Terms(limit=2, queue=1, arrivals=True)) == []
    assert halves("hh; g; h c;", Terms(limit=2, queue=1, arrivals=True)) == []


def test_one_who_left_and_runs_late_holds_a_slot() -> None:
    """Its turn came and nothing was seen of it; then it is inside, and the next is rightly refused."""
    assert halves("hhw; l; e; k; x;", OPEN) == []
    assert halves("hhw; l; e; x;", OPEN) == ["lost"]


@pytest.mark.parametrize(
    ("text", "terms", "broken"),
    [
        ("hhww;", TERMS, ["queue"]),
        ("hhww; m r;", TERMS, ["waits"]),
        ("hhw; r;", TERMS, ["waits"]),
        ("hhw; m r;", TERMS, []),
        ("hhw; m; m r;", Terms(limit=2, queue=1, queue_timeout_ns=2_000_000_000), []),
        ("hhw; m r;", Terms(limit=2, queue=1, queue_timeout_ns=2_000_000_000), ["waits"]),
        ("hhw; mmm;", Terms(limit=2, queue=1, queue_timeout_ns=2_000_000_000), ["timeout"]),
        ("hhx;", Terms(limit=2, queue=0), []),
        ("hhwwwwx;", OPEN, []),
        ("hhx; e; h w;", OPEN, []),
        ("hh; w; w; e h;", Terms(limit=2, queue=2, fifo=True), []),
    ],
)
def test_who_waits_and_who_is_refused(text: str, terms: Terms, broken: list[str]) -> None:
    """The queue has its length, the rest is refused at once, and nobody else."""
    assert halves(text, terms, width=9) == broken


def test_the_end_of_a_call_gives_one_slot_back() -> None:
    """Once: not twice, and not never, whichever way it ends."""
    assert halves("hhx; e; hhx;", Terms(limit=2, queue=0)) == ["twice"]
    assert halves("hhx; e; hx;", Terms(limit=2, queue=0)) == []
    assert halves("hhx; e e; hhh;", Terms(limit=2, queue=0)) == ["upper"]
    assert halves("hhx; e; x;", Terms(limit=2, queue=0)) == ["lost"]


def test_keys_are_told_apart() -> None:
    """Each key has slots of its own; one that is kept out while another is full was blocked by it."""
    assert halves("a:hhx; b:hhx;", Terms(limit=2, queue=0)) == []
    assert halves("a:hhx; b:x;", Terms(limit=2, queue=0)) == ["key"]


def test_a_limit_for_each_process() -> None:
    """Two processes: four may be inside, and one of them may be full alone."""
    each = Terms(limit=2, queue=0, each=2)
    assert halves("hhhhx;", each) == []
    assert halves("hhhhh;", each) == ["upper"]
    assert halves("hhx;", each) == []
    assert halves("hx;", each) == ["few"]
