"""The fixture ``nemesis`` in an engineer's own tests: what it hurts, what it proves, and no traces."""

from __future__ import annotations

from pathlib import Path

from tests.plugin.test_witness import run

CONTRACT = """\
contract: 1
service: catalogue
target:
  command: ["{{python}}", -m, fixtures.targets.amodels, --port, "{{port}}"]
  cwd: {repository}
  env: {{REDIS_URL: "{{redis.url}}", SEARCH_URL: "{{search.url}}", TRUSTED_PROXIES: 127.0.0.2}}
  ready: {{get: /healthz, within: 30s}}
dependencies:
  redis: {{kind: valkey}}
  search: {{kind: witness, answer: {{json: [de-001]}}}}
operations:
  elements: {{call: GET /catalog/data-elements, ok: 200}}
promises:
  - {{id: p, kind: rate_limit, operation: elements, key: ip, limit: 100/min, burst: 10}}
"""

EXAMPLE = """\
def test_a_silent_store_limits_nobody(client, clock, nemesis):
    '''The eleventh call at once is refused; while the store stands still, a call waits and is served.'''
    elements = "/catalog/data-elements"
    assert [client.get(elements).status_code for _ in range(11)] == [200] * 10 + [429]
    with nemesis.paused("redis"):
        assert clock.run(lambda: client.get(elements)).status_code == 200
    assert 429 in [client.get(elements).status_code for _ in range(20)]
"""

OTHERS = """
import os, signal
import httpx
import pytest
from harness.errors import CouldNotRun, InvalidFault
from harness.faults.process import ProcessKilled
from harness.nemesis import NotInEffect, Refused

ELEMENTS = "/catalog/data-elements"

def test_a_store_that_is_gone(client, nemesis, services):
    with nemesis.killed("redis") as injected:
        assert injected.effect.count >= 1
        assert not services["redis"].probe()
        assert [client.get(ELEMENTS).status_code for _ in range(11)] == [200] * 11
    assert services["redis"].probe()
    assert injected.ended.doubt is None

def test_a_service_that_is_gone(client, nemesis, target):
    url = target.url
    with nemesis.killed("target"):
        with pytest.raises(httpx.ConnectError):
            client.get(ELEMENTS)
    assert target.url == url
    assert client.get(ELEMENTS).status_code == 200

def test_two_at_once(client, nemesis, services):
    with nemesis.paused("target"), nemesis.inject(ProcessKilled("redis", keep_data=True)):
        assert len(nemesis.in_force) == 2
    assert nemesis.in_force == ()
    assert client.get(ELEMENTS).status_code == 200

def test_what_had_no_effect_fails_the_test(nemesis, services):
    with pytest.raises(NotInEffect, match="let go on by somebody else"):
        with nemesis.paused("redis"):
            os.kill(services["redis"].pid, signal.SIGCONT)

def test_what_cannot_be(nemesis):
    with pytest.raises(Refused, match="there are target, redis"):
        nemesis.paused("search").__enter__()
    with pytest.raises(InvalidFault, match="2 bananas"):
        nemesis.clock_stepped("2 bananas")
    with pytest.raises(InvalidFault, match="'much'"):
        nemesis.disk_full("target", size="much")

def test_what_is_left_behind(nemesis):
    nemesis.begin(ProcessKilled("redis"))

def test_is_undone(client, clock, nemesis, services):
    assert nemesis.in_force == ()
    assert services["redis"].probe()
    with pytest.raises(CouldNotRun, match="within 1s of"), nemesis.paused("target"):
        clock.run(lambda: client.get(ELEMENTS), most="1s")
    with pytest.raises(ZeroDivisionError):
        clock.run(lambda: 1 // 0)
"""


def test_an_engineers_own_tests(repository: Path, tmp_path: Path) -> None:
    """Everything that the fixture offers, with the target's clock held."""
    done = run(CONTRACT.format(repository=repository), EXAMPLE + OTHERS, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout
