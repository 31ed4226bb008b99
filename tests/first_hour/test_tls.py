"""Targets that speak TLS: started or attached, trusted or not."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from harness.contract.load import LoadedContract, load
from harness.errors import CouldNotRun
from harness.promises import words
from harness.runner.world import World
from harness.seeds import Seed
from harness.supervisor import Supervisor
from harness.targets import free_port
from harness.targets.ports import connect_error
from tests.cli.conftest import Ran, Stormproof

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).parent / "programs" / "secure_shop.py"
PROMISE = """
identities:
  customer: {header: X-Customer, value: "customer-{n}"}
operations:
  basket: {call: GET /basket, identity: customer, ok: 200}
promises:
  - {id: rate, kind: rate_limit, operation: basket, key: customer, limit: 10/10s,
     exceeded: {status: 429, headers: [Retry-After]}}
"""


@dataclass(frozen=True, slots=True)
class Paper:
    """Certificates of one authority.

    Attributes:
        trust: the authority's own.
        good, expired, early, other: for localhost; that has ended, has not begun; for another name.
    """

    trust: Path
    good: Path
    expired: Path
    early: Path
    other: Path


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Paper:
    folder = tmp_path_factory.mktemp("paper")
    authority = trustme.CA()
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)

    def write(name: str, issued: trustme.LeafCert) -> Path:
        path = folder / f"{name}.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        return path

    authority.cert_pem.write_to_path(folder / "ca.pem")
    return Paper(
        trust=folder / "ca.pem",
        good=write("good", authority.issue_cert("localhost")),
        expired=write("expired", authority.issue_cert("localhost", not_after=now - day)),
        early=write("early", authority.issue_cert("localhost", not_before=now + day)),
        other=write("other", authority.issue_cert("shop.test")),
    )


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as supervisor:
        yield supervisor


def contract(
    folder: Path, certificate: Path, tls: str, limiter: str = "sliding", program: Path = PROGRAM
) -> LoadedContract:
    """A shop that is started with this certificate and checked like that."""
    path = folder / "contract.yaml"
    path.write_text(f"""\
contract: 1
service: secure
target:
  command: ["{{python}}", "{program}", "{{port}}", "{certificate}", {limiter}]
  env: {{PYTHONPATH: "{ROOT}"}}
  ready: {{get: /health, within: 5s}}
  tls: {tls}
{PROMISE}""")
    return load(path, words())


@pytest.mark.parametrize(("limiter", "code"), [("sliding", 0), ("fixed", 1)])
def test_verified_over_tls(
    stormproof: Stormproof, paper: Paper, tmp_path: Path, limiter: str, code: int
) -> None:
    """On a held clock that moves far ahead: certificates are checked by ours, which does not."""
    loaded = contract(tmp_path, paper.good, f"{{trust: {paper.trust}}}", limiter)
    ran = stormproof("verify", loaded.path, "--clock", "frozen")
    assert ran.code == code, ran.out + ran.err
    assert "frozen" in ran.out


def test_attached_over_tls(stormproof: Stormproof, paper: Paper, tmp_path: Path) -> None:
    """The address says https; its host is the name that is checked."""
    with attached(paper.good) as port:
        loaded = contract(tmp_path, paper.good, f"{{trust: {paper.trust}}}")
        text = loaded.path.read_text()
        start = f"target:\n  url: https://localhost:{port}\n  tls:"
        text = text.replace(text[text.index("target:") : text.index("  tls:") + 6], start)
        loaded.path.write_text(text)
        ran = stormproof("verify", loaded.path)
        assert ran.code in {0, 2}, ran.out + ran.err  # in real time a busy machine may leave doubts
        assert kept_trials(ran)
        loaded.path.write_text(text.replace("//localhost", "//127.0.0.1"))
        ran = stormproof("verify", loaded.path)
        assert ran.code == 3, ran.out + ran.err
        assert "certificate is not for 127.0.0.1" in ran.out
        first = ("init", f"https://localhost:{port}", "--output", tmp_path / "first.yaml")
        ran = stormproof(*first)
        assert ran.code == 4
        assert "name the certificate of its authority" in ran.err
        ran = stormproof(*first, "--trust", paper.trust)
        assert ran.code == 0, ran.err
        assert load(tmp_path / "first.yaml", words()).contract.target.tls is not None


def kept_trials(ran: Ran) -> list[str]:
    """The trials that were conclusive."""
    trials = ran.promise("rate")["trials"]
    return [trial["name"] for trial in trials if trial["verdict"] == "kept"]


class attached:  # noqa: N801 (used like a function)
    """A shop that runs by itself."""

    def __init__(self, certificate: Path) -> None:
        self._port = free_port()
        self._certificate = certificate

    def __enter__(self) -> int:
        command = [sys.executable, str(PROGRAM), str(self._port), str(self._certificate), "sliding"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(command, env=environment)
        while connect_error("127.0.0.1", self._port) is not None:
            assert self._process.poll() is None
        return self._port

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def test_an_own_test_over_tls(paper: Paper, tmp_path: Path, repository: Path) -> None:
    """The fixtures of the plugin trust the same authority, under the same name."""
    loaded = contract(tmp_path, paper.good, f"{{trust: {paper.trust}}}")
    (tmp_path / "test_own.py").write_text(
        "def test_own(client, clock, target):\n"
        "    assert target.url.startswith('https://')\n"
        "    me = {'X-Customer': 'me'}\n"
        "    answers = [client.get('/basket', headers=me).status_code for _ in range(11)]\n"
        "    assert answers == [200] * 10 + [429]\n"
        "    clock.advance('10s')\n"
        "    assert client.get('/basket', headers=me).status_code == 200\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "--contract", str(loaded.path), "test_own.py"]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("which", "tls", "said"),
    [
        ("good", "{}", "is not trusted .*: name the certificate of its authority"),
        ("expired", "{trust: CA}", "has expired: have it renewed"),
        ("early", "{trust: CA}", "is not valid yet"),
        ("other", "{trust: CA}", "is not for localhost: say under target.tls.name"),
        ("good", "{trust: CA, name: shop.test}", "is not for shop.test"),
        ("good", "{trust: nothing.pem}", "there is no file .*nothing.pem"),
        ("good", "{trust: contract.yaml}", "holds no certificate in PEM form"),
    ],
)
def test_a_certificate_that_is_wrong(  # noqa: PLR0917 (fixtures and cases)
    paper: Paper, tmp_path: Path, supervisor: Supervisor, which: str, tls: str, said: str
) -> None:
    """Could not run, at once, with what to do; nobody is accused."""
    loaded = contract(tmp_path, getattr(paper, which), tls.replace("CA", str(paper.trust)))
    with pytest.raises(CouldNotRun, match=said):
        World(loaded, supervisor, Seed(1), clock="real").__enter__()


def test_a_name_of_its_own(paper: Paper, tmp_path: Path, supervisor: Supervisor) -> None:
    """The certificate may be for whom the service will be one day."""
    loaded = contract(tmp_path, paper.other, f"{{trust: {paper.trust}, name: shop.test}}")
    with World(loaded, supervisor, Seed(1), clock="real") as world:
        assert world.target.secured is not None


def test_a_service_without_tls(paper: Paper, tmp_path: Path, supervisor: Supervisor) -> None:
    """It answers a handshake with HTTP: that is said, and not an error of OpenSSL's."""
    plain = tmp_path / "plain.py"
    plain.write_text(
        "import sys\nfrom harness.demo.shop import Shop, SlidingLog\n"
        "Shop(int(sys.argv[1]), SlidingLog()).serve_forever()\n"
    )
    loaded = contract(tmp_path, paper.good, f"{{trust: {paper.trust}}}", program=plain)
    with pytest.raises(CouldNotRun, match="what answers there does not speak TLS"):
        World(loaded, supervisor, Seed(1), clock="real").__enter__()
