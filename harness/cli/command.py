"""Commands of ours as a user can paste them into the shell that we were called from."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Collection
from pathlib import Path


def replay_command(file: Path, *, clock: str = "auto", allow: Collection[str] = ()) -> str:
    """The one line that plays a counterexample again, from the folder that we run in.

    >>> replay_command(Path("my out/a.json"), allow=["api.test"]).partition(" replay ")[2]
    "'my out/a.json' --allow api.test"
    """
    name = str(file)
    words = [*program(), "replay", f"./{name}" if name.startswith("-") else name]
    if clock != "auto":
        words += ["--clock", clock]
    for host in allow:
        words += ["--allow", host]
    return shlex.join(words)


def program() -> list[str]:
    """How we were called: by name where PATH finds just us, else by the path that was typed."""
    typed = Path(sys.argv[0])
    if typed.name == "__main__.py":
        return [sys.executable, "-m", "harness"]
    found = shutil.which("stormproof")
    if typed.name != "stormproof" or (found is not None and _is_same(Path(found), typed)):
        return ["stormproof"]
    return [str(typed)]


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
