"""``stormproof verify`` as a user meets it: verdicts, words, record, exit codes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jsonschema
import pytest

from tests.cli.conftest import Stormproof

Rewrite = Callable[..., Path]
SUM_MODULE = "fixtures.targets.sum"


def test_a_healthy_service_keeps_its_promise(
    stormproof: Stormproof, contracts: dict[str, Path], repository: Path
) -> None:
    """Exit code 0, a table, and a record that its published schema accepts."""
    ran = stormproof("verify", contracts["sum"])
    assert ran.code == 0, ran.out + ran.err
    assert "sum-rate" in ran.out
    assert "1 kept, 0 broken, 0 unknown" in ran.out
    schema = json.loads((repository / "harness" / "schemas" / "run.schema.json").read_text())
    jsonschema.validate(ran.record, schema)
    assert ran.record["clock"] == "auto"
    assert ran.record["finished"] is not None
    promise = ran.promise("sum-rate")
    assert promise["verdict"] == "kept"
    assert promise["clock"] == "frozen"
    assert promise["counterexample"] is None
    assert {trial["verdict"] for trial in promise["trials"]} == {"kept"}
    assert all(trial["evidence"]["calls"] for trial in promise["trials"])


def test_a_broken_promise_is_told_with_its_counterexample(
    stormproof: Stormproof, rewrite: Rewrite
) -> None:
    """Exit code 1, the sentence with its numbers, and a file that holds the calls."""
    path = rewrite("sum", (SUM_MODULE, "fixtures.mutants.sum_off_by_one"))
    ran = stormproof("verify", path)
    assert ran.code == 1, ran.out + ran.err
    promise = ran.promise("sum-rate")
    assert promise["verdict"] == "broken"
    assert "31 calls of api_key-" in promise["reason"]
    assert "at most 30 are promised" in promise["reason"]
    found = json.loads((ran.report / promise["counterexample"]).read_text())
    assert found["half"] == "upper"
    assert len(found["witness"]) == 31
    assert (found["broken_in"], found["worlds"]) == (3, 3)
    assert {call["status"] for call in found["calls"] if call["index"] in found["witness"]} == {200}


def test_two_workers_say_the_same(stormproof: Stormproof, contracts: dict[str, Path]) -> None:
    """Verdicts do not depend on how the work is spread, and the record is whole."""
    ran = stormproof("verify", contracts["sum"], contracts["amodels"], "-n", "2")
    assert ran.code == 0, ran.out + ran.err
    assert [promise["verdict"] for promise in ran.record["promises"]] == ["kept"] * 5
    assert ran.record["service"] == "sum-platform, amodels-catalog"
    assert not (ran.report / ".parts").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--promise", "sum-speed"], "no contract promises 'sum-speed'; there are sum-rate"),
        (["--budget", "soon"], "'soon' is no duration"),
        (["--clock", "cuckoo"], "'cuckoo' is not one of"),
        (["-n", "0"], "'-n'"),
        (["--report", "/proc/nowhere"], "cannot be used"),
    ],
)
def test_wrong_words_are_refused(
    stormproof: Stormproof, contracts: dict[str, Path], words: list[str], said: str
) -> None:
    """Exit code 4, before anything starts."""
    ran = stormproof("verify", contracts["sum"], *words)
    assert ran.code == 4
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_nothing_starts_if_any_contract_is_bad(
    stormproof: Stormproof, contracts: dict[str, Path], rewrite: Rewrite
) -> None:
    """One good and one bad contract: exit code 4 with file and line, and no record."""
    bad = rewrite("sum", ("limit: 30/min", "limit: 30/fortnight"))
    ran = stormproof("verify", contracts["amodels"], bad)
    assert ran.code == 4
    assert f"{bad}:" in ran.err
    assert "fortnight" in ran.err
    assert not (ran.report / "run.json").exists()


def test_a_target_that_dies_at_its_start_accuses_nobody(
    stormproof: Stormproof, rewrite: Rewrite
) -> None:
    """Exit code 3: could not run, with the last lines that it printed."""
    crash = "import sys; print('no config'); sys.exit(3)"
    path = rewrite("sum", (f'-m, {SUM_MODULE}, --port, "{{port}}"', f'-c, "{crash}", "{{port}}"'))
    ran = stormproof("verify", path)
    assert ran.code == 3, ran.out + ran.err
    promise = ran.promise("sum-rate")
    assert promise["verdict"] == "unknown"
    assert "could not run" in promise["reason"]
    assert "no config" in promise["reason"]
    assert "Traceback" not in ran.out + ran.err


class _Garbage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.wfile.write(b"\x00\x01 this is no HTTP\r\n\r\n")
        self.close_connection = True

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        return


def test_garbage_is_unknown(stormproof: Stormproof, tmp_path: Path) -> None:
    """A server that speaks no HTTP is neither kept nor broken, and no traceback is shown."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Garbage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        ran = stormproof("verify", _attached(tmp_path, f"http://127.0.0.1:{server.server_port}"))
    finally:
        server.shutdown()
        server.server_close()
    assert ran.code in (2, 3), ran.out + ran.err
    assert ran.promise("p")["verdict"] == "unknown"
    assert "Traceback" not in ran.out + ran.err


def test_a_target_that_is_not_there_could_not_run(stormproof: Stormproof, tmp_path: Path) -> None:
    """Nothing listens at target.url: exit code 3."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ran = stormproof("verify", _attached(tmp_path, f"http://127.0.0.1:{port}"))
    assert ran.code == 3, ran.out + ran.err
    assert "nothing answers" in ran.promise("p")["reason"]


def test_another_machine_needs_leave(stormproof: Stormproof, tmp_path: Path) -> None:
    """A host outside loopback is refused without --allow; nothing is sent there."""
    ran = stormproof("verify", _attached(tmp_path, "http://192.0.2.7:80"))
    assert ran.code == 4
    assert "--allow 192.0.2.7" in ran.err


def _attached(folder: Path, url: str) -> Path:
    path = folder / "attached.yaml"
    path.write_text(
        f"contract: 1\nservice: other\ntarget: {{url: '{url}'}}\n"
        "operations: {get: {call: GET /}}\n"
        "promises: [{id: p, kind: rate_limit, operation: get, key: ip, limit: 3/2s}]\n"
    )
    return path


def test_ctrl_c_leaves_what_had_ended(contracts: dict[str, Path], tmp_path: Path) -> None:
    """Exit code 130, a record with what there was, and nothing still runs."""
    command = [sys.executable, "-m", "harness", "verify", str(contracts["sum"])]
    command += [str(contracts["amodels"]), "--report", str(tmp_path / "report")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "kept" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
    assert process.returncode == 130, rest
    assert "interrupted" in rest
    record = json.loads((tmp_path / "report" / "run.json").read_text())
    assert record["promises"]
    assert len(record["promises"]) < 5


def test_the_users_own_pytest_settings_change_nothing(
    stormproof: Stormproof, contracts: dict[str, Path], tmp_path: Path
) -> None:
    """addopts, PYTEST_ADDOPTS, PYTEST_PLUGINS and a broken conftest beside us are not read."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option -W error\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError('not yours')\n")
    env = {"PYTEST_ADDOPTS": "--no-such-option", "PYTEST_PLUGINS": "no_such_plugin"}
    ran = stormproof("verify", contracts["sum"], env=env)
    assert ran.code == 0, ran.out + ran.err


def test_services_of_any_name_are_all_judged_by_workers(
    stormproof: Stormproof, rewrite: Rewrite, tmp_path: Path
) -> None:
    """A name that pytest would write otherwise, and two that look alike, lose no verdict."""
    paths = []
    for number, (service, module) in enumerate(
        [("café sum", "fixtures.mutants.sum_off_by_one"), ("caf_ sum", SUM_MODULE)]
    ):
        text = rewrite("sum", (SUM_MODULE, module), ("sum-platform", service)).read_text()
        paths.append(tmp_path / f"{number}.yaml")
        paths[-1].write_text(text, encoding="utf-8")
    ran = stormproof("verify", *paths, "-n", "2", "--smoke")
    assert ran.code == 1, ran.out + ran.err
    found = {promise["service"]: promise["verdict"] for promise in ran.record["promises"]}
    assert found == {"café sum": "broken", "caf_ sum": "kept"}
