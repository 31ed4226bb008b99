"""Builds the preloaded library for every machine that a wheel serves: ``python -m`` this, with a folder.

One box makes both: zig's C compiler knows other machines and old C libraries. It comes with the
extra ``compiler``.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

from harness.clock.build import FLAGS, LIBRARIES, MACHINES, SOURCES

GLIBC = "2.17"


def prebuild(folder: Path) -> list[Path]:
    """Build ``<machine>.so`` for each machine into ``folder``; the files made.

    Raises:
        subprocess.CalledProcessError: the compiler failed; its words went to standard error.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources = [str(source) for source in sorted(SOURCES.glob("*.c"))]
    made = []
    for machine in MACHINES:
        library = folder / f"{machine}.so"
        compiler = [
            sys.executable,
            "-m",
            "ziglang",
            "cc",
            "-target",
            f"{machine}-linux-gnu.{GLIBC}",
        ]
        subprocess.run([*compiler, *FLAGS, "-o", str(library), *sources, *LIBRARIES], check=True)
        made.append(library)
    return made


def main() -> int:
    """Command line of the wheel's build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    if importlib.util.find_spec("ziglang") is None:
        print("the module ziglang is missing: pip install 'stormproof[compiler]'", file=sys.stderr)
        return 1
    for library in prebuild(folder):
        print(f"{library}: {library.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
