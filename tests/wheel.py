"""Tries a wheel as somebody else would: a fresh environment, another folder, no compiler, hostile settings.

``make wheel`` runs it. Nothing here imports the project: what is tried is what was installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

OWN_TEST = """
def test_target_answers(client, clock):
    assert clock.frozen
    assert client.get("/").status_code < 500
"""
CONTRACT = """
contract: 1
service: own
target: {command: ["{python}", server.py, "{port}"]}
operations: {get: {call: GET /}}
promises: [{id: own-rate, kind: rate_limit, operation: get, key: ip, limit: 5/min}]
"""
SERVER = """
import sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
LOCK, SEEN = threading.Lock(), {}
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        with LOCK:
            now = time.monotonic()
            seen = SEEN[self.client_address[0]] = [
                at for at in SEEN.get(self.client_address[0], []) if now - at < 60
            ]
            admitted = len(seen) < 5
            if admitted:
                seen.append(now)
        self.send_response(200 if admitted else 429)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *words):
        pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
HOSTILE = {"PYTEST_ADDOPTS": "-x --strict-markers", "PYTHONDONTWRITEBYTECODE": "1"}


def main(wheel: Path) -> int:
    """Install and use the wheel; 0 if all of it worked."""
    top = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    check(top == {"harness", *(name for name in top if name.endswith(".dist-info"))}, f"top {top}")
    names = zipfile.ZipFile(wheel).namelist()
    for machine in ("x86_64", "aarch64"):
        check(f"harness/clock/prebuilt/{machine}.so" in names, f"no library for {machine}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        run([python, "-m", "pip", "install", "-q", wheel.resolve()], folder, compilers=True)
        (folder / "own").mkdir()
        try_out(python.parent, folder / "own")
    print(f"{wheel.name}: all of it works outside the repository, without a compiler")
    return 0


def try_out(programs: Path, folder: Path) -> None:
    """The commands of the README, in a project of its own."""
    (folder / "contract.yaml").write_text(CONTRACT)
    (folder / "server.py").write_text(SERVER)
    (folder / "test_own.py").write_text(OWN_TEST)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -W error --strict-config\n")
    stormproof = programs / "stormproof"
    run([stormproof, "demo"], folder)
    run([stormproof, "verify", "contract.yaml", "--clock", "frozen", "--report", "out"], folder)
    record = json.loads((folder / "out" / "run.json").read_text())
    (promise,) = record["promises"]
    check((promise["verdict"], promise["clock"]) == ("kept", "frozen"), str(promise))
    said = run([programs / "pytest", "--contract", "contract.yaml"], folder)
    check("2 passed" in said, said)


def run(command: list[object], folder: Path, *, compilers: bool = False) -> str:
    """Run a command that must end with 0; what it printed."""
    environment = {**os.environ, **HOSTILE, "HOME": str(folder)}
    if not compilers:
        environment["PATH"] = str(Path(str(command[0])).parent)
        environment.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    check(
        done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    )
    return done.stdout


def check(good: bool, said: str) -> None:
    """End with what was wrong."""
    if not good:
        sys.exit(said)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
