"""``workers``: two processes must be seen to serve, in a real target of two."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.contract.load import LoadedContract, load
from harness.promises import words
from harness.runner.verify import PromiseResult, Verification
from harness.runner.world import World
from harness.seeds import Seed
from harness.supervisor import Supervisor
from harness.verdict import Status

# One log of calls in a file, which all processes lock and share: a limit that holds for all of them.
TARGET = """
import fcntl, json, os, socket, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

PORT, COUNT, SHARED = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "shared"
W = 2.0

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        with open("log.json" if SHARED else f"log{os.getpid()}.json", "a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            logs, now = json.loads(file.read() or "{}"), time.monotonic()
            log = [at for at in logs.get(self.headers["X-API-Key"], []) if at > now - W]
            admitted = len(log) < 4
            logs[self.headers["X-API-Key"]] = log + [now] * admitted
            file.truncate(0)
            file.write(json.dumps(logs))
        self.send_response(200 if admitted else 429)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass

class Server(HTTPServer):
    request_queue_size = 128
    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

servers = [Server(("127.0.0.1", PORT), Handler) for _ in range(COUNT)]
for number, server in enumerate(servers):
    if number == COUNT - 1 or os.fork() == 0:
        server.serve_forever()
"""

CONTRACT = """
contract: 1
service: processes
target:
  command: ["{{python}}", "{{contract.dir}}/target.py", "{{port}}", "{processes}", "{counts}"]
  cwd: "{{work.dir}}"
  ready: {{tcp: yes, within: 20s}}
identities: {{user: {{header: X-API-Key, value: "key-{{n}}"}}}}
operations: {{get: {{call: GET /}}}}
promises:
  - {{id: p, kind: rate_limit, operation: get, key: user, limit: 4/2s, workers: 2}}
"""


def verified(folder: Path, processes: int, counts: str) -> PromiseResult:
    """Verify the promise against so many processes; ``counts``: ``shared`` or ``own``."""
    (folder / "target.py").write_text(TARGET)
    path = folder / "contract.yaml"
    path.write_text(CONTRACT.format(processes=processes, counts=counts))
    loaded: LoadedContract = load(path, words())
    with Supervisor() as supervisor, World(loaded, supervisor, Seed(1)) as world:
        promise = world.contract.promises[0]
        return Verification(world, promise, 120.0, lambda *_: None, shrink_s=0.0).run()


@pytest.mark.parametrize(
    ("processes", "counts", "status"),
    [(2, "shared", Status.KEPT), (1, "shared", Status.UNKNOWN), (2, "own", Status.BROKEN)],
)
def test_two_processes_must_be_seen(
    tmp_path: Path, processes: int, counts: str, status: Status
) -> None:
    """Kept by two that share their counts; one alone is no evidence, and two that do not share lie."""
    result = verified(tmp_path, processes, counts)
    assert result.verdict.status is status, result.verdict.reason
    if status is Status.UNKNOWN:
        assert result.verdict.reason.startswith("one worker seen: 2 are declared")
