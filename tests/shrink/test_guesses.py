"""What a proof does without, told by the playing alone."""

from __future__ import annotations

from dataclasses import replace

from harness.plan import Answering, Fire, Kill, Leave, Release, Step
from harness.script import HOLD, USUAL, Answer, always
from harness.shrink.guesses import guesses
from harness.shrink.unroll import Steps, unrolled
from tests.flight_facts import PLAYED, TRIAL, playing

HELD, FIRE, WAIT, FREED, LEAVE = TRIAL.steps
HISTORY = playing().history
FAIL = Answering(dependency="dep", script=always(Answer(status=503)))
OTHER = Answering(dependency="other", script=always(HOLD))


def guessed(witness: tuple[int, ...], steps: Steps = TRIAL.steps) -> tuple[Steps, ...]:
    return guesses(steps, PLAYED, witness, HISTORY)


def fired(times: int) -> Fire:
    return Fire(group="a", times=times)


def test_what_met_the_proofs_calls_stays() -> None:
    """The call that was answered and one that left: their script, the release and the leaving."""
    assert guessed((0, 1))[0] == (HELD, fired(2), WAIT, FREED, LEAVE)


def test_a_release_of_other_calls_is_left_out() -> None:
    """Neither of the two calls that left was released."""
    assert guessed((1, 2)) == ((HELD, fired(2), WAIT, LEAVE), TRIAL.steps)


def test_what_never_arrives_needs_no_script() -> None:
    """A refused call meets no witness, whatever that was told."""
    assert guessed((3,))[0] == (fired(1), WAIT, LEAVE)


def test_a_script_that_nobody_met_is_left_out_though_all_calls_are_needed() -> None:
    """The next one came before anything arrived; another dependency was never asked."""
    for idle in (FAIL, OTHER):
        steps: Steps = (idle, HELD, *TRIAL.steps[1:])
        played = replace(
            PLAYED,
            steps=((), *PLAYED.steps),
            began_ns=(0, *PLAYED.began_ns),
            at_ns=(5, *PLAYED.at_ns),
        )
        found = guesses(steps, played, (0, 1, 2, 3), HISTORY)
        assert found[0] == TRIAL.steps
        assert found[-1] == unrolled(steps, played)


def test_nobody_leaves_and_nobody_is_killed_for_a_group_without_a_proof() -> None:
    """Steps that name a group go where none of its calls is needed."""
    steps: Steps = (HELD, FIRE, Fire(group="b"), Leave(group="b"), Kill("b"))
    played = replace(
        PLAYED,
        steps=((), (0, 1, 2), (3,), (), ()),
        groups={"a": (0, 1, 2), "b": (3,)},
    )
    assert guesses(steps, played, (0, 1, 2), HISTORY)[0] == (HELD, fired(3))


def test_fewer_are_released_where_fewer_are_needed() -> None:
    """All of those that are left is still all of them."""
    for times, fewer in ((4, 1), (None, None)):
        asked = Release(dependency="dep", answer=USUAL, times=times)
        steps: tuple[Step, ...] = (HELD, FIRE, WAIT, asked, LEAVE)
        assert guessed((0,), steps)[0][3] == replace(asked, times=fewer)
