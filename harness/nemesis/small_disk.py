"""Starts a program that sees one folder on a small disk of its own: no root is needed.

``python -S -E -I small_disk.py FOLDER SIZE_BYTES [PROGRAM ARGUMENT…]`` makes a user and a mount
namespace in which the caller stays who it is, mounts a tmpfs of that size on the folder, copies onto it
what the folder held, and becomes the program, with the same process id. Without a program it only shows
that it can. The disk is seen by nobody else, and goes with the last process on it.
"""

from __future__ import annotations

import ctypes
import os
import sys

_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000
_PRIVATE, _RECURSIVE, _NO_SUID, _NO_DEVICES = 1 << 18, 1 << 14, 2, 4
_CANNOT = 125


def prefix(folder: str, size_bytes: int) -> tuple[str, ...]:
    """What to put before a command, so that it is started so."""
    return (sys.executable, "-S", "-E", "-I", __file__, folder, str(size_bytes))


def main(folder: str, size_bytes: int, command: list[str]) -> None:
    """Make the disk, and become the program.

    Raises:
        OSError: the system refuses it, or the folder's content is too large.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    _checked(libc.unshare(_NEW_USER | _NEW_MOUNTS), "a user namespace")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(text)
    flags = _PRIVATE | _RECURSIVE
    _checked(libc.mount(None, b"/", None, ctypes.c_ulong(flags), None), "mounts of its own")
    before = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    mode = os.fstat(before).st_mode & 0o7777
    settings = f"size={size_bytes},mode={mode:o}".encode()
    flags = _NO_SUID | _NO_DEVICES
    made = libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", ctypes.c_ulong(flags), settings)
    _checked(made, f"a small disk on {folder}")
    if os.listdir(before):  # noqa: PTH208
        import shutil  # noqa: PLC0415 (slow, and most folders are empty)

        shutil.copytree(f"/proc/self/fd/{before}", folder, symlinks=True, dirs_exist_ok=True)
    os.close(before)
    os.chdir(os.getcwd())  # noqa: PTH109 (where it stands may lie on the new disk now)
    if command:
        os.execvp(command[0], command)  # noqa: S606


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what} is refused: {os.strerror(number)}")


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
    except OSError as error:
        print(error.strerror or error, file=sys.stderr)
        sys.exit(_CANNOT)
