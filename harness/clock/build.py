"""Find the preloaded library, or build it: once for each source, machine and set of flags."""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.clock.errors import ClockUnavailable
from harness.ledger import PREFIX, Owner, mark

__all__ = ["FLAGS", "SOURCES", "cache_folder", "find_or_build", "library_name"]

SOURCES = Path(__file__).parent / "shim"
PREBUILT = Path(__file__).parent / "prebuilt"
FLAGS = ("-O2", "-shared", "-fPIC", "-s")
LIBRARIES = ("-ldl", "-lpthread")
COMPILERS = ("cc", "gcc", "clang")
MACHINES = ("x86_64", "aarch64")
BUILD_LIMIT_S = 120.0
REAL_TIME = "Or verify with --clock real."


def find_or_build(environ: Mapping[str, str] = os.environ) -> Path:
    """The library for this machine: prebuilt, else from the cache, else built into the cache.

    Args:
        environ: names the cache (``XDG_CACHE_HOME``, else ``HOME``) and the compilers (``PATH``).
    Returns:
        An absolute path that the dynamic loader accepts in ``LD_PRELOAD``.
    Raises:
        ClockUnavailable: not Linux with glibc, or no compiler, or the compiler failed.
    """
    machine = check_machine()
    prebuilt = PREBUILT / f"{machine}.so"
    if prebuilt.is_file():
        return loadable(prebuilt)
    name = library_name(machine)
    library = cache_folder(environ) / name
    if not library.is_file() and not is_writable(library.parent):
        library = private_folder() / name
    if not library.is_file():
        build(library, environ)
    return loadable(library)


def check_machine() -> str:
    """This machine's name, where the library can work."""
    if sys.platform != "linux":
        raise ClockUnavailable(f"it needs Linux, this is {sys.platform}", REAL_TIME)
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        libc = ""
    if not libc.startswith("glibc"):
        raise ClockUnavailable("it needs glibc, this system has another C library", REAL_TIME)
    machine = platform.machine()
    if machine not in MACHINES or sys.maxsize < 2**32:
        known = " and ".join(MACHINES)
        raise ClockUnavailable(f"it knows {known} with 64 bit, this is {machine}", REAL_TIME)
    return machine


def library_name(machine: str) -> str:
    """A name that changes with the sources, the machine and the flags."""
    digest = hashlib.sha256(" ".join((machine, *FLAGS, *LIBRARIES)).encode())
    for source in sorted(SOURCES.glob("*.[ch]")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return f"clock-{digest.hexdigest()}.so"


def cache_folder(environ: Mapping[str, str]) -> Path:
    """``stormproof`` in the user's cache; a relative XDG_CACHE_HOME is ignored, as XDG says."""
    xdg = environ.get("XDG_CACHE_HOME", "")
    home = environ.get("HOME") or "/nonexistent"
    base = Path(xdg) if Path(xdg).is_absolute() else Path(home) / ".cache"
    return base / "stormproof"


@functools.cache
def private_folder() -> Path:
    """A folder of this process alone, removed at its end; marked, so that a sweep may remove it too."""
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}clock-"))
    mark(str(folder), Owner.me())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def is_writable(folder: Path) -> bool:
    """Whether a file can be made in ``folder``, which is made if it is missing."""
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def loadable(library: Path) -> Path:
    """LD_PRELOAD splits its value at blanks and colons: such a path is copied to a plainer one."""
    if not any(character in str(library) for character in " :\t\n"):
        return library.absolute()
    copy = private_folder() / library.name
    if not copy.exists():
        shutil.copyfile(library, copy)
    if any(character in str(copy) for character in " :\t\n"):
        raise ClockUnavailable(
            f"the loader takes no blanks or colons in a path, this is {copy}",
            f"Set TMPDIR to a plainer folder. {REAL_TIME}",
        )
    return copy


def build(library: Path, environ: Mapping[str, str]) -> None:
    """Compile into ``library``: under a name of its own first, so that others see all or nothing."""
    sources = [str(source) for source in sorted(SOURCES.glob("*.c"))]
    failures = []
    for compiler in compilers(environ):
        handle, temporary = tempfile.mkstemp(dir=library.parent, prefix=".clock-", suffix=".so")
        os.close(handle)
        try:
            command = [*compiler, *FLAGS, "-o", temporary, *sources, *LIBRARIES]
            failure = run_compiler(command, environ)
            if failure is None:
                Path(temporary).chmod(0o755)
                Path(temporary).replace(library)
                return
            failures.append(f"{compiler[0]} failed: {failure}")
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
    raise ClockUnavailable(
        "; ".join(failures) or "no C compiler (cc, gcc, clang) and no ziglang module",
        f"Install one, for example with: pip install 'stormproof[compiler]'. {REAL_TIME}",
    )


def compilers(environ: Mapping[str, str]) -> Iterator[list[str]]:
    """The compilers that are here, the system's own first."""
    for name in COMPILERS:
        if path := shutil.which(name, path=environ.get("PATH", os.defpath)):
            yield [path]
    if importlib.util.find_spec("ziglang"):
        target = f"{platform.machine()}-linux-gnu.2.17"
        yield [sys.executable, "-m", "ziglang", "cc", "-target", target]


def zig_cache(command: list[str]) -> dict[str, str]:
    """Zig keeps intermediate files; in a folder of ours, which goes with this process."""
    if "ziglang" not in command:
        return {}
    folder = str(private_folder() / "zig")
    return {"ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder}


def run_compiler(command: list[str], environ: Mapping[str, str]) -> str | None:
    """Run it; None, or the last lines of what it complained about."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=BUILD_LIMIT_S,
            env={**environ, **zig_cache(command)},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else "\n".join(done.stderr.splitlines()[-5:])
