"""`waits`, in a sandbox that knows no ``futex_waitv``."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

FUTEX_WAITV = 449
ENOSYS = 38
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


class Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("yes", ctypes.c_uint8),
        ("no", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("first", ctypes.POINTER(Instruction)))


def main() -> None:
    instructions = (Instruction * 4)(
        Instruction(0x20, 0, 0, 0),  # load the number of the system call
        Instruction(0x15, 0, 1, FUTEX_WAITV),
        Instruction(0x06, 0, 0, 0x00050000 | ENOSYS),
        Instruction(0x06, 0, 0, 0x7FFF0000),  # allow
    )
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    program = Program(4, instructions)
    assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0
    waits = Path(__file__).with_name("waits.py")
    os.execv(sys.executable, [sys.executable, str(waits)])


if __name__ == "__main__":
    main()
