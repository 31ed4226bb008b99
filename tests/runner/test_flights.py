"""Calls that stay under way, played end to end: a small service, a witness, a held clock, a real one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.contract.load import load
from harness.errors import CouldNotRun
from harness.history import (
    Arrival,
    Call,
    ClockMoved,
    FaultBegan,
    FaultEnded,
    History,
    Resources,
    Rested,
    TargetStarted,
)
from harness.plan import (
    Answering,
    CountResources,
    Fire,
    Jump,
    Kill,
    Leave,
    Mark,
    Played,
    Reaching,
    Release,
    Send,
    Step,
    Trial,
    Wait,
)
from harness.promises import words
from harness.runner.play import Player, play_one
from harness.runner.under_way import stretches
from harness.runner.world import World
from harness.script import HOLD, USUAL, Answer, Rule, always
from harness.seeds import Seed
from harness.supervisor import Supervisor
from harness.units import NS_PER_MS, NS_PER_S

PROGRAM = Path(__file__).parent / "programs" / "asker.py"
CONTRACT = """
contract: 1
service: small
target:
  command: ["{{python}}", "{program}", "{{port}}", "{{dep.url}}"{more}]
  ready: {{tcp: yes, within: 20s}}
dependencies: {{dep: {{kind: witness, answer: {{json: [1]}}}}}}
operations:
  ask: {{call: GET /ask}}
  patient: {{call: GET /patient}}
  again: {{call: GET /again}}
  two: {{call: GET /two}}
  tokenless: {{call: GET /tokenless}}
  long: {{call: GET /long}}
  named: {{call: "GET /patient?id={{call}}", headers: {{X-Request-ID: fixed}}}}
promises: []
"""
HELD = Answering(dependency="dep", script=always(HOLD))
FAILING = Answering(dependency="dep", script=always(Answer(status=503)))

Worlds = Callable[..., AbstractContextManager[World]]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Worlds:
    """Start a world around the small service."""

    @contextmanager
    def start(*more: str, **settings: Any) -> Iterator[World]:
        path = tmp_path_factory.mktemp("asker") / "contract.yaml"
        words_more = "".join(f", {word}" for word in more)
        path.write_text(CONTRACT.format(program=PROGRAM, more=words_more))
        with (
            Supervisor() as supervisor,
            World(load(path, words()), supervisor, Seed(1), **settings) as world,
        ):
            yield world

    return start


@pytest.fixture(scope="module")
def shared(worlds: Worlds) -> Iterator[World]:
    """One world for all tests that leave it as it was, as plans must."""
    with worlds() as world:
        assert world.time.mode == "frozen", world.notes
        yield world


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """Clean before and after."""
    yield shared
    assert shared.flights.indexes == ()
    assert shared.witnesses.held() == []


class Shown:
    """One playing, and what it wrote down."""

    def __init__(self, world: World, played: Played) -> None:
        self.played = played
        self.history: History = world.history()
        first, last = played.at_ns[0], played.at_ns[-1]
        self.arrivals = [a for a in self.history.arrivals if first <= a.at_ns <= last]

    def calls(self, group: str = "a") -> list[Call]:
        return [self.history.calls[index] for index in self.played.groups[group]]

    def of(self, call: Call) -> list[Arrival]:
        return [one for one in self.arrivals if one.token == call.token]

    def events(self, kind: type[Any]) -> list[Any]:
        first, last = self.played.at_ns[0], self.played.at_ns[-1]
        found = (event for event in self.history.events if isinstance(event, kind))
        return [event for event in found if first <= event.at_ns <= last]

    def step_of(self, call: Call) -> int:
        """In which step of the plan a call ended."""
        assert call.ended_ns is not None
        return sum(at_ns <= call.ended_ns for at_ns in self.played.at_ns) - 1


def play(world: World, operation: str, *steps: Step, time_s: float = 60) -> Shown:
    """Play a plan, and clean up after it as a stage does."""
    player = Player(
        world,
        Trial(name="t", purpose="", steps=steps),
        operations=[operation],
        key=None,
        own_address=False,
        proxy=None,
        admitted=lambda call: None,
        deadline_s=time.monotonic() + time_s,
    )
    played = play_one(world, player)
    world.heal_all()
    return Shown(world, played)


def test_held_calls_are_released_one_by_one(world: World) -> None:
    """Each step ends at rest: what is released ends in its step, on the clock where it stands."""
    shown = play(
        world,
        "patient",
        HELD,
        Fire(group="a", times=3),
        Wait(ns=60 * NS_PER_S),
        Release(dependency="dep", answer=Answer(status=500), times=1),
        Release(dependency="dep", order="newest", times=1),
        Mark("end"),
    )
    assert shown.played.ended is None
    assert len(shown.arrivals) == 3
    by_status = {call.status: call for call in shown.calls()}
    assert shown.step_of(by_status[500]) == 3
    last = max(shown.arrivals, key=lambda one: one.number)
    (newest,) = [call for call in shown.calls() if call.token == last.token]
    assert (newest.status, shown.step_of(newest)) == (200, 4)
    for call in shown.calls():
        assert (call.ended_target_ns or 0) - call.sent_target_ns == 60 * NS_PER_S
    ended_early = [call for call in shown.calls() if (call.ended_ns or 0) < shown.played.at_ns[-1]]
    assert len(ended_early) == 2
    (moved,) = shown.events(ClockMoved)
    assert moved.to_target_ns - moved.from_target_ns == 60 * NS_PER_S
    assert len(shown.events(Rested)) == 5
    assert len(shown.played.began_ns) == len(shown.played.at_ns) == 7


def test_timers_of_the_target_fire_exactly(world: World) -> None:
    """Four attempts, 100, 200 and 400 ms apart, for each of three callers; nobody waits longer."""
    shown = play(world, "again", FAILING, Fire(group="a", times=3), Jump(most_ns=60 * NS_PER_S))
    for call in shown.calls():
        order = [one.at_ns for one in shown.of(call)]
        assert call.written_ns < min(order) < max(order) < (call.ended_ns or 0)
        at_ns = [one.target_ns - call.sent_target_ns for one in shown.of(call)]
        assert at_ns == [ms * NS_PER_MS for ms in (0, 100, 300, 700)]
        assert (call.status, call.ended_target_ns) == (503, call.sent_target_ns + 700 * NS_PER_MS)
    assert shown.played.began_ns[-1] - shown.played.began_ns[-2] == 700 * NS_PER_MS


def test_moves_of_the_clock_stand_between_the_facts(world: World) -> None:
    """What happened after a move was at its end, what happened before was at its beginning."""
    shown = play(world, "again", FAILING, Fire(group="a"), Wait(ns=90 * NS_PER_S))
    moves = shown.events(ClockMoved)
    assert len(moves) <= 8
    assert moves[-1].to_target_ns - moves[0].from_target_ns == 90 * NS_PER_S
    for one in shown.arrivals:
        before = [move.to_target_ns for move in moves if move.at_ns < one.at_ns]
        assert one.target_ns == max(before, default=moves[0].from_target_ns)
    seqs = [e.written_seq if isinstance(e, Call) else e.seq for e in shown.history.events]
    assert seqs == sorted(seqs)


def test_stretches_keep_every_fact_in_its_place() -> None:
    """Moves are joined only where nothing lies between them."""
    moves = [(at, at, at + 10) for at in range(0, 100, 10)]
    assert list(stretches(moves, [])) == [(0, 0, 100)]
    assert list(stretches(moves, [35, 36, 41])) == [(0, 0, 40), (40, 40, 50), (50, 50, 100)]
    assert list(stretches([], [1])) == []


def test_a_jump_ends_where_it_must(world: World) -> None:
    """At the last answer, or after its span to the nanosecond if calls are left."""
    shown = play(world, "patient", HELD, Fire(group="a"), Jump(most_ns=7 * NS_PER_S + 13))
    assert shown.played.began_ns[-1] - shown.played.began_ns[-2] == 7 * NS_PER_S + 13
    shown = play(world, "ask", HELD, Fire(group="a"), Jump(most_ns=60 * NS_PER_S))
    (call,) = shown.calls()
    assert (call.status, (call.ended_target_ns or 0) - call.sent_target_ns) == (504, 5 * NS_PER_S)
    assert shown.arrivals[0].state == "gone"


def test_a_walk_ends_when_no_time_is_left(world: World) -> None:
    """A plan of a thousand days does not outlive its budget; what was seen by then is told."""
    day_ns = 86_400 * NS_PER_S
    shown = play(world, "patient", HELD, Fire(group="a"), Wait(ns=1_000 * day_ns), time_s=0.3)
    assert "a longer --budget would settle it" in (shown.played.ended or "")
    (moved,) = shown.events(ClockMoved)
    assert moved.to_target_ns == shown.played.began_ns[-1]
    assert shown.played.began_ns[-1] - shown.played.began_ns[-2] < 1_000 * day_ns
    assert shown.calls()[0].status == 200


def test_calls_one_after_another_until_one_is_rejected(world: World) -> None:
    """Rejected is who was answered though nothing of it reached a witness; the rest is not fired."""
    fire = Fire(group="a", times=9, together=False, until="rejected")
    shown = play(world, "two", HELD, fire, Release(dependency="dep"))
    assert [call.status for call in shown.calls()] == [200, 200, 429]
    assert [len(shown.of(call)) for call in shown.calls()] == [1, 1, 0]
    full = Fire(group="a", times=2)
    fire = Fire(group="b", times=9, together=False, until="admitted")
    shown = play(world, "two", HELD, full, fire, Mark("end"))
    assert [call.status for call in shown.calls("b")] == [429] * 9
    shown = play(world, "two", HELD, Fire(group="b", times=9, together=False, until="admitted"))
    assert len(shown.calls("b")) == 1


def test_clients_leave(world: World) -> None:
    """The oldest first, by number, group, or by whether a witness has their request."""
    shown = play(
        world,
        "patient",
        HELD,
        Fire(group="a", times=3),
        Fire(group="b"),
        Leave(group="a", times=2, waiting=True),
        Leave(group="a", times=2, waiting=False),
        Mark("end"),
    )
    assert shown.played.ended is None
    left = [call.error for call in shown.calls() if (call.ended_ns or 0) < shown.played.at_ns[-1]]
    assert left == ["left", "left"]
    assert [shown.step_of(call) for call in shown.calls()[:2]] == [4, 4]
    assert shown.calls("b")[0].status == 200


def test_groups_are_told_apart_by_their_tokens(world: World) -> None:
    """A release of one group leaves the others held."""
    shown = play(
        world,
        "patient",
        HELD,
        Fire(group="a", times=2),
        Fire(group="b", times=2),
        Release(dependency="dep", group="b", answer=Answer(status=404)),
    )
    assert [call.status for call in shown.calls("b")] == [404, 404]
    assert {call.status for call in shown.calls("a")} == {200}


def test_what_cannot_be_told_apart_is_not_guessed(world: World) -> None:
    """Without tokens a plan that needs them ends and says so; one group alone needs none."""
    steps: list[Step] = [
        HELD,
        Fire(group="a"),
        Fire(group="b"),
        Release(dependency="dep", group="b"),
    ]
    shown = play(world, "tokenless", *steps)
    assert "let it forward X-Request-ID" in (shown.played.ended or "")
    assert len(shown.played.steps) == 3
    shown = play(world, "tokenless", HELD, Fire(group="a"), Release(dependency="dep", group="a"))
    assert shown.played.ended is None
    assert shown.calls()[0].status == 200
    shown = play(world, "tokenless", HELD, Fire(group="a"), Leave(group="a", waiting=True))
    assert "let it forward X-Request-ID" in (shown.played.ended or "")
    shown = play(world, "two", HELD, Fire(group="a"), Release(dependency="dep", group="x"))
    assert "no call of the group 'x' was fired" in (shown.played.ended or "")


def test_a_call_is_named_wherever_its_operation_wants(world: World) -> None:
    """``{call}`` is its token; a header that the operation writes itself stays as it is."""
    shown = play(world, "named", HELD, Fire(group="a", times=2), Release(dependency="dep"))
    tokens = [call.token for call in shown.calls()]
    assert len(set(tokens)) == 2
    assert all(token is not None and token.startswith("sp-") for token in tokens)
    assert {one.header("X-Request-ID") for one in shown.arrivals} == {"fixed"}


def test_plain_calls_have_a_token_only_where_it_is_sent(world: World) -> None:
    """A step of the old kind sends no header, but fills the name."""
    shown = play(world, "patient", Send(caller="a", times=2))
    assert [call.token for call in shown.history.calls[-2:]] == [None, None]
    shown = play(world, "named", Send(caller="a"))
    assert (shown.history.calls[-1].token or "").startswith("sp-")


def test_plain_calls_beside_calls_under_way(world: World) -> None:
    """The clock jumps for a plain call, and what ends meanwhile has ended at its own instant."""
    shown = play(world, "ask", HELD, Fire(group="a"), Wait(ns=NS_PER_S), Send(caller="b"))
    (call,) = shown.calls()
    other = shown.history.calls[shown.played.steps[3][0]]
    assert (call.ended_target_ns or 0) - call.sent_target_ns == 5 * NS_PER_S
    assert (other.answered_target_ns or 0) - other.sent_target_ns == 5 * NS_PER_S


def test_a_dependency_that_cannot_be_reached(world: World) -> None:
    """Refused connects fail at once, a black hole at the time-out; both are counted and healed."""
    shown = play(
        world,
        "ask",
        Reaching("dep", "refuse"),
        Fire(group="a"),
        Reaching("dep", "black_hole"),
        Fire(group="b"),
        Jump(most_ns=60 * NS_PER_S),
        Reaching("dep", "open"),
        Fire(group="c"),
    )
    refused, lost, fine = (shown.calls(group)[0] for group in "abc")
    assert (refused.status, refused.ended_target_ns) == (504, refused.sent_target_ns)
    assert (lost.ended_target_ns or 0) - lost.sent_target_ns == 5 * NS_PER_S
    assert fine.status == 200
    began = shown.events(FaultBegan)
    assert [event.fault for event in began] == ["refused", "black_hole"]
    assert all(event.effect >= 1 for event in began)
    assert len(shown.events(FaultEnded)) == 2


def test_what_hangs_in_a_black_hole_gets_through_before_time_goes_on(world: World) -> None:
    """The kernel tries again by its own clock; the plan waits for that, not for the target's."""
    shown = play(
        world,
        "patient",
        Reaching("dep", "black_hole"),
        Fire(group="a"),
        Reaching("dep", "open"),
        Mark("end"),
    )
    (call,) = shown.calls()
    assert (call.status, shown.step_of(call)) == (200, 2)
    assert call.ended_target_ns == call.sent_target_ns


def test_what_is_left_at_the_end_is_cleared(world: World) -> None:
    """Held requests are answered, waiting ones too, faults are healed, and later plans see none."""
    shown = play(world, "two", HELD, Fire(group="a", times=2), Reaching("dep", "refuse"))
    assert [call.status for call in shown.calls()] == [200, 200]
    assert all((call.ended_ns or 0) > shown.played.at_ns[-1] for call in shown.calls())
    shown = play(world, "two", Fire(group="a", times=2))
    assert [call.status for call in shown.calls()] == [200, 200]
    assert shown.events(FaultBegan) == []


def test_who_is_still_under_way_at_the_end_leaves(world: World) -> None:
    """A request that never became whole is nobody's any more when the next plan begins."""
    shown = play(world, "ask", Fire(group="a", part="half"), Mark("end"))
    (call,) = shown.calls()
    assert (call.error, call.complete) == ("left", False)
    assert (call.ended_ns or 0) > shown.played.at_ns[-1]


def test_a_plan_that_ends_early_is_cleared_too(world: World) -> None:
    """However it ends."""
    shown = play(world, "two", HELD, Fire(group="a", times=2), Kill("a"), Fire(group="b"))
    assert "only one that the target was started as" in (shown.played.ended or "")
    assert list(shown.played.groups) == ["a"]
    assert [call.status for call in shown.calls()] == [200, 200]


def test_half_a_request(world: World) -> None:
    """It stays under way until the service hangs up, by its own time-out."""
    shown = play(world, "ask", Fire(group="a", part="half"), Jump(most_ns=60 * NS_PER_S))
    (call,) = shown.calls()
    assert (call.error, call.status, shown.arrivals) == ("closed", None, [])
    assert (call.ended_target_ns or 0) - call.sent_target_ns == 10 * NS_PER_S


def test_a_slow_reader(world: World) -> None:
    """It takes a byte each second of the target's clock."""
    shown = play(
        world, "ask", Fire(group="a", slow=True), Wait(ns=30 * NS_PER_S), Jump(600 * NS_PER_S)
    )
    (call,) = shown.calls()
    head = 20 + sum(len(name) + len(value) + 4 for name, value in call.headers)
    bytes_in_all = head - 3 + 2 + len(call.body)
    assert call.status == 200
    span_ns = (call.ended_target_ns or 0) - call.sent_target_ns
    assert abs(span_ns - bytes_in_all * NS_PER_S) <= 2 * NS_PER_S


def test_a_slow_reader_of_a_long_answer_leaves(world: World) -> None:
    """A service that is held up by it is at rest all the same."""
    shown = play(
        world, "long", Fire(group="a", slow=True), Wait(ns=20 * NS_PER_S), Leave(group="a")
    )
    assert shown.played.ended is None
    assert shown.calls()[0].error == "left"


def test_resources_are_counted_at_rest(world: World) -> None:
    """Twenty calls that are held have a thread, and a connection at each end."""
    shown = play(
        world,
        "patient",
        HELD,
        CountResources(),
        Fire(group="a", times=20),
        CountResources(),
        Release(dependency="dep"),
        CountResources(),
    )
    before, held, after = shown.events(Resources)
    assert held.threads - before.threads == 20
    assert held.connections - before.connections == 40
    assert held.descriptors - before.descriptors >= 40
    assert (after.threads, after.connections) == (before.threads, before.connections)
    assert before.pids == held.pids == after.pids
    assert len(before.pids) == 1


def test_scripts_count_and_delay_on_the_targets_clock(world: World) -> None:
    """The first two attempts of each call fail, and what comes late is late on that clock."""
    script = (Rule(answers=(Answer(status=503), Answer(status=500)), then=USUAL, per="call"),)
    shown = play(
        world,
        "again",
        Answering(dependency="dep", script=script),
        Fire(group="a", times=2),
        Jump(most_ns=60 * NS_PER_S),
        Answering(dependency="dep", script=always(Answer(delay_ns=3 * NS_PER_S))),
        Fire(group="b"),
        Jump(most_ns=60 * NS_PER_S),
    )
    for call in shown.calls():
        assert [one.status for one in shown.of(call)] == [503, 500, 200]
    (late,) = shown.calls("b")
    assert (late.ended_target_ns or 0) - late.sent_target_ns == 3 * NS_PER_S


def test_callers_that_are_fresh(world: World) -> None:
    """Each call from a client of its own, or all from one."""
    shown = play(world, "two", Fire(group="a", times=3, fresh=True), Fire(group="b", times=2))
    assert len({call.caller for call in shown.calls("a")}) == 3
    assert len({call.caller for call in shown.calls("b")}) == 1
    shown = play(world, "two", *[Fire(group="a", times=1, connection="k")] * 2)
    assert len({call.connection for call in shown.calls()}) == 1


def test_a_world_is_fresh_until_somebody_calls(worlds: Worlds) -> None:
    """A restart keeps the history, and numbers of calls, connections and arrivals stay unique."""
    with worlds() as world:
        assert world.is_fresh
        first = play(world, "patient", HELD, Fire(group="a", times=2))
        assert not world.is_fresh
        assert world.restart()
        assert world.is_fresh
        second = play(
            world, "patient", HELD, Fire(group="a", times=2), Release(dependency="dep", group="a")
        )
        history = world.history()
        assert len(history.arrivals) == 4
        assert len({one.number for one in history.arrivals}) == 4
        assert len({one.connection for one in history.arrivals}) == 4
        assert [one.at_ns for one in history.arrivals] == sorted(a.at_ns for a in history.arrivals)
        assert len({call.token for call in history.calls}) == 4
        assert len([e for e in history.events if isinstance(e, TargetStarted)]) == 2
        assert [call.status for call in second.calls()] == [200, 200]
        assert len(first.arrivals) == len(second.arrivals) == 2


def test_in_real_time(worlds: Worlds) -> None:
    """The same plans wait for news instead of rest, and claim none."""
    with worlds(clock="real") as world:
        shown = play(
            world,
            "again",
            FAILING,
            Fire(group="a", times=2),
            Wait(ns=200 * NS_PER_MS),
            Jump(most_ns=20 * NS_PER_S),
            HELD,
            Fire(group="b"),
            Release(dependency="dep"),
            Leave(group="b"),
        )
        assert shown.played.ended is None
        assert [call.status for call in shown.calls()] == [503, 503]
        for call in shown.calls():
            at_ns = [one.target_ns for one in shown.of(call)]
            assert len(at_ns) == 4
            assert all(
                after - before >= least * NS_PER_MS
                for before, after, least in zip(at_ns, at_ns[1:], (100, 200, 400), strict=False)
            )
        assert shown.calls("b")[0].status == 200
        assert shown.events(Rested) == shown.events(ClockMoved) == []


def test_a_dependency_that_cannot_be_started_is_told(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A witness that does not come up is nobody's fault."""
    monkeypatch.setattr("harness.witness.handle.CONTROL", "nowhere")
    with pytest.raises(CouldNotRun, match="dep"), worlds():
        pass


def test_the_process_that_holds_a_call_is_killed(tmp_path: Path) -> None:
    """One worker of two ends, its master starts another, and its caller sees the connection close."""
    path = tmp_path / "contract.yaml"
    path.write_text(
        "contract: 1\nservice: workers\ntarget:\n"
        f'  command: ["{{python}}", -m, gunicorn, "workers:app", --chdir, {PROGRAM.parent}, -w, "2",\n'
        '    --threads, "4", --log-level, warning, -b, "127.0.0.1:{port}"]\n'
        '  env: {DEPENDENCY: "{dep.url}"}\n'
        "dependencies: {dep: {kind: witness}}\n"
        "operations: {patient: {call: GET /patient}}\npromises: []\n"
    )
    steps: tuple[Step, ...] = (
        Wait(ns=2 * NS_PER_S),  # the second worker comes a moment after the first
        Fire(group="warm", times=8, fresh=True),
        HELD,
        Fire(group="a"),
        CountResources(),
        Kill("a"),
        CountResources(),
        Fire(group="b", times=4),
        Release(dependency="dep"),
        Mark("end"),
    )
    loaded = load(path, words())
    with Supervisor() as supervisor, World(loaded, supervisor, Seed(1)) as world:
        shown = play(world, "patient", *steps)
    assert shown.played.ended is None
    (call,) = shown.calls()
    assert (call.error, call.status, shown.step_of(call)) == ("closed", None, 5)
    assert shown.of(call)[0].state == "gone"
    before, after = shown.events(Resources)
    assert len(before.pids) == len(after.pids) == 3
    assert len(set(before.pids) & set(after.pids)) == 2
    assert [call.status for call in shown.calls("b")] == [200] * 4
