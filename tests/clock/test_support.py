"""Whether a process follows the clock is proved, never assumed; whoever does not is named with the reason."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.clock.errors import ClockIgnored
from harness.clock.held import HeldClock
from tests.clock.conftest import PROGRAMS, Program, Start

ECHO_C = """
#include <stdio.h>
#include <time.h>
int main(void) {
    char line[100];
    puts("ready"); fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        printf("%ld\\n", READ_TIME);
        fflush(stdout);
    }
}
"""


def poke(program: Program) -> Callable[[], None]:
    """Ask for one line; any answer will do."""

    def ask() -> None:
        program.ask("now 0")

    return ask


def compile_c(folder: Path, *flags: str, reads: bool) -> Path:
    """The echo program in C, which reads the time or does not."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("there is no C compiler here")
    source, program = folder / "echo.c", folder / "echo"
    source.write_text(ECHO_C.replace("READ_TIME", "(long)time(NULL)" if reads else "0L"))
    done = subprocess.run(
        [compiler, *flags, "-o", program, source], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"cc {' '.join(flags)} does not work here")
    return program


def test_python_follows_the_clock(start: Start, clock: HeldClock) -> None:
    """And the clock runs on as it did before the proof."""
    program = start("waits.py")
    assert program.answer() == "ready"
    clock.run(2.0)
    clock.supports(program.pid, poke(program))
    assert not clock.frozen
    clock.freeze()
    clock.supports(program.pid, poke(program))
    assert clock.frozen


def test_a_small_c_program_follows_the_clock(
    start: Start, clock: HeldClock, tmp_path: Path
) -> None:
    """One that does nothing but say the time."""
    program = start(compile_c(tmp_path, reads=True))
    assert program.answer() == "ready"
    clock.supports(program.pid, poke(program))


def test_a_shell_around_the_server_does_no_harm(start: Start, clock: HeldClock) -> None:
    """The parent sleeps in wait(2) all the time and never asks; it is the child that counts."""
    command = f"{sys.executable} {PROGRAMS / 'waits.py'}; exit"
    program = start("/bin/sh", "-c", command)
    assert program.answer() == "ready"
    clock.supports(program.pid, poke(program))


@pytest.mark.parametrize("environment", ["env -i", "env -u LD_PRELOAD"])
def test_a_process_without_the_library_is_named(
    start: Start, clock: HeldClock, environment: str
) -> None:
    """A wrapper that clears the environment: the reason says so."""
    program = start(*environment.split(), sys.executable, str(PROGRAMS / "waits.py"))
    assert program.answer() == "ready"
    with pytest.raises(ClockIgnored, match="without the clock's library") as caught:
        clock.supports(program.pid, poke(program))
    assert caught.value.pid == program.pid
    assert "python" in caught.value.command


def test_a_static_program_is_named(start: Start, clock: HeldClock, tmp_path: Path) -> None:
    """Nothing can be preloaded into it."""
    program = start(compile_c(tmp_path, "-static", reads=True))
    assert program.answer() == "ready"
    with pytest.raises(ClockIgnored, match="statically linked") as caught:
        clock.supports(program.pid, poke(program))
    assert caught.value.command == "echo"


def test_a_program_that_never_asks_is_not_proved(
    start: Start, clock: HeldClock, tmp_path: Path
) -> None:
    """It has the library, works, and takes no time from it: perhaps it has another source."""
    program = start(compile_c(tmp_path, reads=False))
    assert program.answer() == "ready"
    with pytest.raises(ClockIgnored, match="never asked"):
        clock.supports(program.pid, poke(program))
    assert not clock.frozen


def test_a_go_program_is_named(start: Start, clock: HeldClock) -> None:
    """Go brings its own runtime, which asks the kernel past every library."""
    gofmt = shutil.which("gofmt")
    if not gofmt:
        pytest.skip("there is no Go here")
    program = start(gofmt)  # itself a Go program; it waits for its input to end
    with pytest.raises(
        ClockIgnored, match=r"gofmt.*statically linked \(as Go programs mostly are\)"
    ):
        clock.supports(program.pid, lambda: None)


@pytest.mark.parametrize(
    ("flags", "reason"), [(["-static"], "statically linked"), ([], "never asked")]
)
def test_a_bad_child_of_a_good_parent_is_named(
    start: Start, clock: HeldClock, tmp_path: Path, flags: list[str], reason: str
) -> None:
    """Every process of the tree that works must follow, not only the first."""
    echo = compile_c(tmp_path, *flags, reads=False)
    program = start("parent.py", echo)
    assert program.answer() == "ready"
    with pytest.raises(ClockIgnored, match=reason) as caught:
        clock.supports(program.pid, poke(program))
    assert caught.value.command == "echo"
    assert caught.value.pid != program.pid


def test_the_poke_may_fail(start: Start, clock: HeldClock) -> None:
    """What the runner's probe raises comes through, and time runs again."""
    program = start("waits.py")
    assert program.answer() == "ready"

    def fail() -> None:
        raise TimeoutError("no answer to the ready probe")

    with pytest.raises(TimeoutError, match="ready probe"):
        clock.supports(program.pid, fail)
    assert not clock.frozen


def test_the_environment_keeps_what_is_preloaded_already(
    clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours comes first, the others stay."""
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/one.so /usr/lib/two.so")
    preload = clock.environment()["LD_PRELOAD"]
    assert preload == f"{clock.library}:/usr/lib/one.so:/usr/lib/two.so"
