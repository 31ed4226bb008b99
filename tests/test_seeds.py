"""Named random streams."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from harness.seeds import Seed

NAMES = st.lists(st.text(max_size=5) | st.integers(0, 99), max_size=3)


@given(st.integers(0, 2**64), NAMES)
def test_equal_names_give_equal_draws(value: int, names: list[str | int]) -> None:
    """A run can be drawn again from its one number."""
    first, again = Seed(value).stream(*names), Seed(value).stream(*names)
    assert [first.random() for _ in range(3)] == [again.random() for _ in range(3)]


def test_other_names_and_seeds_give_other_draws() -> None:
    """Streams are apart by seed, by each name, by their number and by their order."""
    streams = [
        Seed(1).stream(),
        Seed(2).stream(),
        Seed(1).stream("a"),
        Seed(1).stream("b"),
        Seed(1).stream("a", "b"),
        Seed(1).stream("b", "a"),
        Seed(1).stream("ab"),
        Seed(1).stream("a", 1),
        Seed(1).stream("a", 2),
    ]
    draws = [stream.getrandbits(64) for stream in streams]
    assert all(one != other for one, other in combinations(draws, 2))


def test_a_stream_is_not_disturbed_by_another() -> None:
    """What is drawn elsewhere, and when, changes nothing here."""
    alone = Seed(7).stream("plan")
    expected = [alone.random(), alone.random()]
    stream, other = Seed(7).stream("plan"), Seed(7).stream("load")
    drawn = [stream.random()]
    other.random()
    Seed(7).stream("plan").random()
    assert [*drawn, stream.random()] == expected


def test_draws_stay_the_same_from_version_to_version() -> None:
    """A seed that a user wrote down last year still gives the same plan."""
    assert Seed(7).stream("rate_limit", "T10").getrandbits(32) == 1_256_160_570
