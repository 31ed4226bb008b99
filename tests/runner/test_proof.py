"""From a promise that a service cannot keep to a small plan that shows it again, by way of a file."""

from __future__ import annotations

import json
from pathlib import Path

from harness.contract.load import LoadedContract, load
from harness.counterexample import read, to_json
from harness.plan import Answering, Fire, Trial, Wait
from harness.promises import words
from harness.replay import Outcome, prepared, replay
from harness.runner.stage import Stage
from harness.runner.verify import PromiseResult, Verification
from harness.runner.world import World
from harness.seeds import Seed
from harness.supervisor import Supervisor
from harness.units import NS_PER_S
from harness.verdict import Status

PROGRAM = Path(__file__).parent / "programs" / "asker.py"
CONTRACT = f"""
contract: 1
service: small
target:
  command: ["{{python}}", "{PROGRAM}", "{{port}}", "{{dep.url}}"]
  ready: {{tcp: yes, within: 20s}}
dependencies: {{dep: {{kind: witness}}}}
operations:
  two: {{call: GET /two, uses: [dep]}}
  ask: {{call: GET /ask, uses: [dep]}}
promises:
  - {{id: one, kind: concurrency_limit, operation: two, limit: 1, rejected: {{status: 429}}}}
  - {{id: soon, kind: deadline, operation: ask, within: 4s}}
"""


def loaded(folder: Path) -> LoadedContract:
    path = folder / "contract.yaml"
    path.write_text(CONTRACT)
    return load(path, words())


def verified(world: World, number: int) -> PromiseResult:
    promise = world.contract.promises[number]
    return Verification(world, promise, 100.0, lambda *_: None).run()


def test_what_is_broken_is_shown_small_and_seen_again(tmp_path: Path) -> None:
    """Two calls of many, one wait: the file holds no more, and a replay needs no more."""
    contract = loaded(tmp_path)
    with Supervisor() as supervisor:
        with World(contract, supervisor, Seed(1)) as world:
            results = [verified(world, number) for number in (0, 1)]
        for result in results:
            assert result.verdict.status is Status.BROKEN
            found = result.counterexample
            assert found is not None
            assert found.shrunk_from is not None
            made = to_json(
                contract,
                result.promise,
                found,
                seed=1,
                clock=result.clock,
                repeats=(3, 3),
                versions={},
            )
            path = tmp_path / f"{result.promise.id}.json"
            path.write_text(json.dumps(made))
        one, soon = (read(tmp_path / f"{name}.json", words()) for name in ("one", "soon"))
        assert [type(step) for step in one.trial.steps] == [Answering, Fire]
        assert one.trial.calls == len(one.arrivals) == 2
        assert [type(step) for step in soon.trial.steps] == [Answering, Fire, Wait]
        assert soon.trial.span_ns == 5 * NS_PER_S
        again = replay(
            one,
            prepared(one, contract, tmp_path / "one.json"),
            supervisor,
            clock="auto",
            allow=(),
            progress=lambda *_: None,
        )
    assert again.outcome is Outcome.SEEN
    assert again.said == one.finding.said


def test_a_trial_may_need_a_target_that_was_just_started(tmp_path: Path) -> None:
    """It is started again only if somebody has called it; masters have started their workers then."""
    contract = loaded(tmp_path)
    plain = Trial(name="t", purpose="", steps=(Fire(group="a", operation="ask"),))
    fresh = Trial(name="t", purpose="", steps=plain.steps, fresh="restart")
    with Supervisor() as supervisor, World(contract, supervisor, Seed(1)) as world:
        stage = Stage(world, world.contract.promises[0])
        far_s = float("inf")
        pid = world.target.pid
        before_ns = world.now_ns
        assert stage.make_fresh(fresh, far_s)
        assert world.target.pid == pid
        assert world.now_ns - before_ns == 2 * NS_PER_S
        assert stage.play(plain, far_s).ended is None
        assert stage.make_fresh(plain, far_s)
        assert world.target.pid == pid
        assert stage.make_fresh(fresh, far_s)
        assert world.target.pid != pid
        assert stage.play(fresh, far_s).ended is None
        assert [call.status for call in world.history().calls] == [200, 200]
