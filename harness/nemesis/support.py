"""What this system lets us do to processes, asked once and by doing it, never assumed."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from harness.faults.process import (
    DescriptorsExhausted,
    DiskFull,
    Fault,
    MemoryLimited,
    ProcessKilled,
    ProcessPaused,
)
from harness.living import look
from harness.nemesis.small_disk import prefix

_PATIENCE_S: Final = 20.0
_SIZE_BYTES: Final = 1 << 16


def refusal(fault: Fault) -> str | None:
    """Why this system does not let us inject it, and what would settle it; None if it does."""
    ask = _NEEDS.get(type(fault))
    return None if ask is None else ask()


@cache
def processes() -> str | None:
    """Why it cannot be seen what processes do; None if it can."""
    if look(os.getpid()) is None:
        return "this system has no /proc, so nobody could see the effect; a Linux machine would settle it"
    return None


@cache
def limits() -> str | None:
    """Why limits of other processes cannot be lowered; None if they can."""
    import resource  # noqa: PLC0415 (not everywhere)

    if processes() is not None:
        return processes()
    if not hasattr(resource, "prlimit"):
        return "this system cannot limit another process; a Linux machine would settle it"
    try:
        resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE)
    except OSError as error:
        return f"this sandbox refuses limits of processes ({error}); a machine without it would settle it"
    return None


@cache
def small_disks() -> str | None:
    """Why no process can be given a small disk; None if one can."""
    if processes() is not None:
        return processes()
    with tempfile.TemporaryDirectory(prefix="stormproof-probe-") as folder:
        try:
            tried = subprocess.run(
                prefix(folder, _SIZE_BYTES),
                capture_output=True,
                text=True,
                timeout=_PATIENCE_S,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return f"no process can be given a small disk here: {error}"
    if tried.returncode == 0:
        return None
    return (
        f"no process can be given a small disk here: {tried.stderr.strip()[-200:]}; a system that "
        "allows user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
        "kernel.apparmor_restrict_unprivileged_userns) would settle it"
    )


_NEEDS: Final[Mapping[type[Fault], Callable[[], str | None]]] = MappingProxyType(
    {
        ProcessPaused: processes,
        ProcessKilled: lambda: None,
        DescriptorsExhausted: limits,
        MemoryLimited: limits,
        DiskFull: small_disks,
    }
)
"""What a fault needs of the system; the clock's is asked of the world, as it depends on the target."""
