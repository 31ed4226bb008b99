"""The fixture ``witness`` in an engineer's own tests: scripts, held calls, the clock, and no traces."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CONTRACT = """\
contract: 1
service: summaries
target:
  command: ["{{python}}", -m, fixtures.targets.sum, --port, "{{port}}"]
  cwd: {repository}
  env: {{MODEL_URL: "{{model.url}}"}}
  ready: {{get: /api/health, within: 30s}}
dependencies:
  model: {{kind: witness, answer: {{json: {{words: 7}}}}}}
  spare: {{kind: witness}}
operations:
  insight: {{call: GET /api/insight, uses: [model], ok: 200}}
promises:
  - {{id: p, kind: concurrency_limit, operation: insight, limit: 4}}
"""

EXAMPLE = """\
def test_a_failing_model_is_left_alone_for_a_minute(client, clock, witness):
    '''Five failures in a row open the breaker; a minute later a call is tried again.'''
    witness.answer(503)
    told = [client.get("/api/insight?text=x").status_code for _ in range(6)]
    assert told == [502, 502, 502, 502, 502, 503]
    assert len(witness.arrivals()) == 5
    witness.answer(200)
    clock.advance("61s")
    assert client.get("/api/insight?text=x").json() == {"result": {"words": 7}}
"""

OTHERS = """
from concurrent.futures import ThreadPoolExecutor
import httpx
import pytest
from harness.errors import CouldNotRun, UsageError
from harness.script import Answer, Rule, USUAL

CALL = "/api/language?text=x"

def test_timeouts_run_while_a_call_is_held(client, clock, witness):
    witness.hold()
    with ThreadPoolExecutor() as pool:
        call = pool.submit(client.get, CALL)
        assert [one.path for one in witness.await_arrivals(1)] == ["/language?text=x"]
        assert len(witness.held()) == 1
        clock.advance("29s")
        assert len(witness.held()) == 1, "its 30 s are not over"
        clock.advance("2s")
        assert call.result().status_code == 504
    assert [one.state for one in witness.arrivals()] == ["gone"]
    assert witness.truth().gone == 1

def test_the_next_test_begins_anew(client, witness):
    assert witness.arrivals() == ()
    assert witness.truth().arrivals == 0
    assert client.get(CALL).status_code == 200
    witness.hold()

def test_who_is_held_is_released_in_turn(client, clock, witness):
    assert client.get(CALL).status_code == 200, "nothing is left of the test before"
    witness.hold()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(client.get, CALL)
        witness.await_arrivals(2)
        second = pool.submit(client.get, CALL)
        witness.await_arrivals(3)
        witness.release(503, times=1)
        assert first.result().status_code == 502
        assert not second.done()
        witness.release()
        assert second.result().status_code == 200

def test_scripts_count(client, witness):
    witness.script((Rule(answers=(Answer(status=500),), then=USUAL),))
    assert [client.get(CALL).status_code for _ in range(3)] == [502, 200, 200]
    assert [one.status for one in witness.arrivals()] == [500, 200, 200]

def test_connections_are_refused(client, witness):
    witness.reach("refuse")
    assert client.get(CALL).status_code == 502
    assert witness.arrivals() == ()

def test_and_accepted_again(client, witness):
    assert client.get(CALL).status_code == 200

def test_witnesses_have_names(witness):
    assert witness.name == "model"
    assert witness["model"] is witness
    spare = witness["spare"]
    spare.answer(418)
    assert httpx.get(spare.url, trust_env=False).status_code == 418
    assert len(spare.arrivals()) == 1
    assert witness.arrivals() == ()
    with pytest.raises(UsageError, match="there are model, spare"):
        witness["other"]

def test_what_does_not_come_is_told(witness):
    assert httpx.get(witness["spare"].url, trust_env=False).status_code == 200
    with pytest.raises(CouldNotRun, match="0 of 1 requests came"):
        witness.await_arrivals(1, within_s=0.0)
    with pytest.raises(ValueError):
        witness.answer(99)
"""


def run(contract: str, tests: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run tests of one's own in a process of their own."""
    (folder / "contract.yaml").write_text(contract)
    (folder / "test_own.py").write_text(tests)
    words = ("test_own.py", "--contract", "contract.yaml", "--storm-report", "out")
    command = [sys.executable, "-m", "pytest", *words, "-p", "no:cacheprovider", "-W", "error"]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, timeout=240, check=False
    )


def test_an_engineers_own_tests(repository: Path, tmp_path: Path) -> None:
    """Everything that the fixture offers, with the target's clock held."""
    done = run(CONTRACT.format(repository=repository), EXAMPLE + OTHERS, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 passed" in done.stdout


def test_a_contract_without_a_witness(repository: Path, tmp_path: Path) -> None:
    """The test is told what is missing."""
    contract = CONTRACT.format(repository=repository)
    start, end = contract.index("dependencies:"), contract.index("operations:")
    contract = (contract[:start] + contract[end:]).replace("uses: [model], ", "")
    contract = contract.replace('  env: {MODEL_URL: "{model.url}"}\n', "")
    contract = contract.replace("kind: concurrency_limit, operation: insight, limit: 4", "BARE")
    contract = contract.replace(
        "BARE", "kind: rate_limit, operation: insight, key: ip, limit: 3/2s"
    )
    done = run(contract, "def test_it(witness):\n    pass\n", tmp_path)
    assert done.returncode == 1
    assert "the contract has no dependency of `kind: witness`" in done.stdout
