"""Finding and building the library: from package, cache or compiler, by several at once; or a clear no."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.clock import build
from harness.clock.errors import ClockUnavailable

CODE = "from harness.clock.build import find_or_build; print(find_or_build())"


@pytest.fixture(autouse=True)
def needs_this_machine() -> None:
    """All of this is about machines that could hold a clock."""
    try:
        build.check_machine()
    except ClockUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An empty home, and the compilers of the machine."""
    if not any(shutil.which(compiler) for compiler in build.COMPILERS):
        pytest.skip("there is no C compiler here")
    return {"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]}


@pytest.fixture
def quick(tmp_path: Path) -> dict[str, str]:
    """An empty home, and a ``cc`` that hands out the library of this machine, in two halves."""
    try:
        library = build.find_or_build()
    except ClockUnavailable as error:
        pytest.skip(str(error))
    script = f"""
        while [ "$1" != -o ]; do shift; done
        head -c 9000 {library} > "$2"; sleep 0.05; tail -c +9001 {library} >> "$2"
    """
    stand_in(tmp_path / "bin", "cc", script)
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    return {"HOME": str(tmp_path / "home"), "PATH": path}


def stand_in(folder: Path, name: str, script: str) -> None:
    """A compiler of our own."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_it_is_built_once_and_kept(environ: dict[str, str], tmp_path: Path) -> None:
    """The second time no compiler is needed."""
    library = build.find_or_build(environ)
    assert library == tmp_path / "home/.cache/stormproof" / library.name
    assert ctypes.CDLL(str(library)).stormproof_clock_real() != 0
    assert build.find_or_build({**environ, "PATH": ""}) == library


def test_workers_may_build_at_the_same_time(quick: dict[str, str], tmp_path: Path) -> None:
    """Four processes, one library, nothing half-written and nothing left over."""
    workers = [
        subprocess.Popen([sys.executable, "-c", CODE], env=quick, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = {worker.communicate()[0].strip() for worker in workers}
    assert len(said) == 1
    kept = list((tmp_path / "home/.cache/stormproof").iterdir())
    assert [str(path) for path in kept] == list(said)
    ctypes.CDLL(str(kept[0]))


def test_the_cache_may_be_put_elsewhere(environ: dict[str, str], tmp_path: Path) -> None:
    """XDG_CACHE_HOME, if it is absolute."""
    assert build.cache_folder({**environ, "XDG_CACHE_HOME": "/c"}) == Path("/c/stormproof")
    home = tmp_path / "home/.cache/stormproof"
    assert build.cache_folder({**environ, "XDG_CACHE_HOME": "c"}) == home


def test_a_home_that_cannot_be_written_is_no_hindrance(quick: dict[str, str]) -> None:
    """A private folder serves instead, for as long as the process lives."""
    done = subprocess.run(
        [sys.executable, "-c", CODE + "; print(find_or_build())"],
        env={**quick, "HOME": "/proc/nowhere"},
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = (Path(line) for line in done.stdout.split())
    assert first == second
    assert not first.parent.exists()


def test_a_path_that_the_loader_cannot_take_is_copied(
    quick: dict[str, str], tmp_path: Path
) -> None:
    """LD_PRELOAD ends a name at each blank and colon."""
    library = build.find_or_build({**quick, "XDG_CACHE_HOME": str(tmp_path / "a b:c")})
    assert not set(" :") & set(str(library))
    ctypes.CDLL(str(library))


def test_a_prebuilt_library_is_taken_first(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a wheel carries it; no compiler is looked for."""
    prebuilt = tmp_path / "prebuilt"
    prebuilt.mkdir()
    (prebuilt / f"{build.check_machine()}.so").write_bytes(b"x")
    monkeypatch.setattr(build, "PREBUILT", prebuilt)
    assert build.find_or_build({**environ, "PATH": ""}).parent == prebuilt


def test_the_next_compiler_is_tried_when_one_fails(quick: dict[str, str], tmp_path: Path) -> None:
    """A broken ``cc`` before a working ``gcc``."""
    folder = tmp_path / "bin"
    (folder / "cc").rename(folder / "gcc")
    stand_in(folder, "cc", "echo 'cc: no headers here' >&2; exit 1")
    assert build.find_or_build(quick).is_file()


def test_without_any_compiler_it_says_what_to_install(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And that real time is the other way."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    (tmp_path / "bin").mkdir()
    with pytest.raises(
        ClockUnavailable, match=r"no C compiler .*stormproof\[compiler\].* --clock real"
    ):
        build.find_or_build({**environ, "PATH": str(tmp_path / "bin")})


def test_a_compiler_that_fails_is_quoted(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last words are in the reason, and nothing is left in the cache."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    stand_in(tmp_path / "bin", "cc", "echo 'fatal: threads.h not found' >&2; exit 1")
    with pytest.raises(ClockUnavailable, match=r"cc failed: fatal: threads\.h not found"):
        build.find_or_build({**environ, "PATH": str(tmp_path / "bin")})
    assert list((tmp_path / "home/.cache/stormproof").iterdir()) == []


@pytest.mark.parametrize(
    ("system", "libc", "machine", "reason"),
    [
        ("darwin", "glibc 2.36", "x86_64", "needs Linux, this is darwin"),
        ("linux", "", "x86_64", "needs glibc"),
        ("linux", "glibc 2.36", "riscv64", "x86_64 and aarch64 with 64 bit, this is riscv64"),
    ],
)
def test_other_machines_are_refused(
    monkeypatch: pytest.MonkeyPatch, system: str, libc: str, machine: str, reason: str
) -> None:
    """With the reason, and what remains."""
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(os, "confstr", lambda _name: libc)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(ClockUnavailable, match=reason) as caught:
        build.check_machine()
    assert "--clock real" in caught.value.remedy


def test_the_sources_compile_without_a_warning(environ: dict[str, str], tmp_path: Path) -> None:
    """With the warnings that matter turned on."""
    compiler = next(path for name in build.COMPILERS if (path := shutil.which(name)))
    sources = [str(source) for source in build.SOURCES.glob("*.c")]
    command = [compiler, "-Wall", "-Wextra", "-Werror", *build.FLAGS, "-o", str(tmp_path / "x.so")]
    done = subprocess.run([*command, *sources, *build.LIBRARIES], capture_output=True, check=False)
    assert done.stderr.decode() == ""
    assert done.returncode == 0


def test_importing_the_package_builds_nothing() -> None:
    """Nor does it load what only a held clock needs."""
    code = "import sys, harness.clock; print([m for m in sys.modules if 'harness.clock.' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
