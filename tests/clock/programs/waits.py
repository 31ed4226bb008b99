"""Does one kind of wait a line: ``KIND SECONDS`` gives ``OUTCOME BEFORE_NS AFTER_NS``, monotonic."""

from __future__ import annotations

import asyncio
import concurrent.futures
import ctypes
import multiprocessing
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)
SECOND_NS = 1_000_000_000
NEVER = threading.Event()


class Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("ns", ctypes.c_long))


class Itimerspec(ctypes.Structure):
    _fields_ = (("interval", Timespec), ("value", Timespec))


class Alarm(Exception):
    pass


def on_alarm(*_: object) -> None:
    raise Alarm


signal.signal(signal.SIGALRM, on_alarm)


def timespec(seconds: float) -> Timespec:
    ns = round(seconds * SECOND_NS)
    return Timespec(ns // SECOND_NS, ns % SECOND_NS)


def after(clock: int, seconds: float) -> Timespec:
    return (
        timespec(0)
        if seconds < 0
        else from_ns(time.clock_gettime_ns(clock) + round(seconds * SECOND_NS))
    )


def from_ns(ns: int) -> Timespec:
    return Timespec(ns // SECOND_NS, ns % SECOND_NS)


def expired(error: BaseException) -> str:
    return type(error).__name__


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def event(seconds: float) -> str:
    return str(NEVER.wait(seconds))


def queue_get(seconds: float) -> str:
    try:
        queue.Queue().get(timeout=seconds)
    except queue.Empty:
        return "empty"
    return "got"


def condition(seconds: float) -> str:
    with (condition_ := threading.Condition()):
        return str(condition_.wait(seconds))


def lock(seconds: float) -> str:
    (held := threading.Lock()).acquire()
    return str(held.acquire(timeout=seconds))


def timer(seconds: float) -> str:
    done = threading.Event()
    threading.Timer(seconds, done.set).start()
    return str(done.wait())


def executor(seconds: float) -> str:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        slow = pool.submit(time.sleep, seconds * 2)
        try:
            slow.result(timeout=seconds)
        except TimeoutError:
            print_now = time.monotonic_ns()
            slow.result()
            return f"timeout@{print_now}"
    return "done"


def select_(seconds: float) -> str:
    return str(select.select([], [], [], seconds))


def select_pipe(seconds: float) -> str:
    reader, writer = os.pipe()
    threading.Timer(seconds, os.write, (writer, b"x")).start()
    return str(len(select.select([reader], [], [])[0]))


def poll(seconds: float) -> str:
    return str(select.poll().poll(seconds * 1000))


def epoll(seconds: float) -> str:
    return str(select.epoll().poll(seconds))


def asyncio_(seconds: float) -> str:
    asyncio.run(asyncio.sleep(seconds))
    return "slept"


def asyncio_timeout(seconds: float) -> str:
    async def main() -> str:
        try:
            async with asyncio.timeout(seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            return "timeout"
        return "set"

    return asyncio.run(main())


def to_thread(seconds: float) -> str:
    async def main() -> None:
        await asyncio.to_thread(time.sleep, seconds)

    asyncio.run(main())
    return "slept"


def uvloop_(seconds: float) -> str:
    import uvloop

    uvloop.run(asyncio.sleep(seconds))
    return "slept"


def alarmed(wait: Callable[[], object]) -> str:
    try:
        wait()
    except Alarm:
        return "alarm"
    return "no alarm"


def itimer(seconds: float) -> str:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    return alarmed(lambda: time.sleep(seconds * 10))


def alarm(seconds: float) -> str:
    signal.alarm(int(seconds))
    return alarmed(lambda: time.sleep(seconds * 10))


def alarm_in_pause(seconds: float) -> str:
    signal.alarm(int(seconds))
    return alarmed(signal.pause)


def alarm_in_lock(seconds: float) -> str:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    (held := threading.Lock()).acquire()
    return alarmed(held.acquire)


def ticks(seconds: float) -> str:
    seen: list[int] = []
    begun = time.monotonic_ns()
    signal.setitimer(signal.ITIMER_REAL, seconds / 5, seconds / 5)
    while len(seen) < 5:
        alarmed(lambda: time.sleep(1000))
        seen.append(time.monotonic_ns())
    left = signal.setitimer(signal.ITIMER_REAL, 0)
    return ",".join(str(at - begun) for at in seen) + f";{left}"


def old_alarm(seconds: float) -> str:
    signal.alarm(int(seconds * 4))
    time.sleep(seconds)
    return str(signal.alarm(0))


def timerfd(seconds: float) -> str:
    fd = libc.timerfd_create(time.CLOCK_MONOTONIC, 0)
    libc.timerfd_settime(fd, 0, ctypes.byref(Itimerspec(timespec(0), timespec(seconds))), None)
    ready, _, _ = select.select([fd], [], [])
    return str(int.from_bytes(os.read(ready[0], 8), "little"))


def posix_timer(seconds: float) -> str:
    created = ctypes.c_void_p()
    assert libc.timer_create(time.CLOCK_MONOTONIC, None, ctypes.byref(created)) == 0
    value = Itimerspec(timespec(0), timespec(seconds))
    assert libc.timer_settime(created, 0, ctypes.byref(value), None) == 0
    outcome = alarmed(lambda: time.sleep(seconds * 10))
    libc.timer_delete(created)
    return outcome


def sigtimedwait(seconds: float) -> str:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    return str(signal.sigtimedwait([signal.SIGUSR1], seconds))


def sem_timedwait(seconds: float) -> str:
    semaphore = ctypes.create_string_buffer(32)
    libc.sem_init(semaphore, 0, 0)
    until = after(time.CLOCK_REALTIME, seconds)
    libc.sem_timedwait(semaphore, ctypes.byref(until))
    return os.strerror(ctypes.get_errno())


def cond_timedwait(seconds: float) -> str:
    mutex, condition_ = ctypes.create_string_buffer(40), ctypes.create_string_buffer(48)
    libc.pthread_mutex_lock(mutex)
    until = after(time.CLOCK_REALTIME, seconds)
    return os.strerror(libc.pthread_cond_timedwait(condition_, mutex, ctypes.byref(until)))


def mutex_after_condition(seconds: float) -> str:
    """The wait is over in a third of the time, but the mutex is not free yet."""
    mutex, condition_ = ctypes.create_string_buffer(40), ctypes.create_string_buffer(48)
    libc.pthread_mutex_lock(mutex)
    until = after(time.CLOCK_REALTIME, seconds / 3)

    def hold() -> None:
        libc.pthread_mutex_lock(mutex)
        time.sleep(seconds)
        libc.pthread_mutex_unlock(mutex)

    (other := threading.Thread(target=hold)).start()
    said = os.strerror(libc.pthread_cond_timedwait(condition_, mutex, ctypes.byref(until)))
    other.join()
    return said


def cnd_timedwait(seconds: float) -> str:
    mutex, condition_ = ctypes.create_string_buffer(40), ctypes.create_string_buffer(48)
    libc.cnd_init(condition_)
    libc.mtx_lock(mutex)
    until = after(time.CLOCK_REALTIME, seconds)
    return str(libc.cnd_timedwait(condition_, mutex, ctypes.byref(until)))


def mutex_timedlock(seconds: float) -> str:
    mutex = ctypes.create_string_buffer(40)
    libc.pthread_mutex_lock(mutex)
    until = after(time.CLOCK_REALTIME, seconds)
    return os.strerror(libc.pthread_mutex_timedlock(mutex, ctypes.byref(until)))


SYS_FUTEX = 202 if os.uname().machine == "x86_64" else 98


def futex(seconds: float) -> str:
    word, wait = ctypes.c_uint32(7), 0
    libc.syscall(SYS_FUTEX, ctypes.byref(word), wait, 7,
                 ctypes.byref(timespec(seconds)), None, 0)  # fmt: skip
    return os.strerror(ctypes.get_errno())


def wake(seconds: float) -> str:
    """Of three arguments; behind them is what the registers held, here no address at all."""
    del seconds
    word, private_wake, nowhere = ctypes.c_uint32(7), 129, ctypes.c_void_p(4096)
    return str(libc.syscall(SYS_FUTEX, ctypes.byref(word), private_wake, 1, nowhere))


def epoll_pwait2(seconds: float) -> str:
    fd, events = libc.epoll_create1(0), ctypes.create_string_buffer(16)
    return str(libc.epoll_pwait2(fd, events, 1, ctypes.byref(timespec(seconds)), None))


def child(seconds: float) -> str:
    done = subprocess.run(["sleep", str(seconds)], check=False)
    return str(done.returncode)


def child_timeout(seconds: float) -> str:
    try:
        subprocess.run(["sleep", "1000000"], timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return "timeout"
    return "ended"


def computing_child(seconds: float) -> str:
    """A child off the clock, whose work must not look like nothing happening."""
    code = "import time\nwhile time.process_time() < 0.1: pass"
    clean = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, env=clean
    ) as process:
        assert process.stdout is not None
        ended, _, _ = select.select([process.stdout], [], [], seconds)
    return "ended" if ended else "timeout"


def fork(seconds: float) -> str:
    pid = os.fork()
    if pid == 0:
        time.sleep(seconds)
        os._exit(7)
    return str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def alarm_over_exec(seconds: float) -> str:
    """An alarm survives exec, and ends a program that does not expect it."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(seconds))
        os.execlp("sleep", "sleep", "1000000")
    return str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def alarm_taken_over(seconds: float) -> str:
    """The program after exec can ask for the alarm of the one before, and call it off."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(int(seconds) * 3)
        time.sleep(seconds)
        code = "import signal; raise SystemExit(signal.alarm(0))"
        os.execl(sys.executable, sys.executable, "-S", "-c", code)
    return str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def fork_files(seconds: float) -> str:
    """Each process has the same few descriptors of the clock's, none of its parent's."""
    select.select([], [], [], seconds - 1e-6)
    files = len(list(Path("/proc/self/fd").iterdir()))
    pid = os.fork()
    if pid == 0:
        select.select([], [], [], 1e-6)
        os._exit(len(list(Path("/proc/self/fd").iterdir())) - files)
    return str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def forked_worker(seconds: float) -> str:
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(seconds,))
    worker.start()
    worker.join()
    return str(worker.exitcode)


def closed(seconds: float) -> str:
    select.select([], [], [], 0.001)
    os.closerange(3, 4096)
    return str(select.select([], [], [], seconds - 0.001))


def many_threads(seconds: float) -> str:
    for _ in range(30):
        threads = [threading.Thread(target=time.sleep, args=(seconds / 1e6,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return "done"


def now(_seconds: float) -> str:
    return f"{time.monotonic_ns()} {time.time_ns()} {time.clock_gettime_ns(time.CLOCK_BOOTTIME)}"


def nothing(_seconds: float) -> str:
    return str(os.read(os.pipe()[0], 1))


def spin(_seconds: float) -> str:
    while True:
        pass


def gil(seconds: float) -> str:
    """One thread computes; another must get its turn now and then, though time stands still."""
    turns, stop = 0, False

    def compute() -> None:
        while not stop:
            sum(range(100))

    (other := threading.Thread(target=compute)).start()
    while turns < seconds:
        os.getppid()
        with Path(os.devnull).open() as file:  # gives the GIL away, and must get it back
            file.read()
        turns += 1
    stop = True
    other.join()
    return str(turns)


KINDS = {
    name.rstrip("_"): function for name, function in list(globals().items()) if callable(function)
}


def main() -> None:
    print("ready", flush=True)
    while line := sys.stdin.readline():
        kind, seconds = line.split()
        before = time.monotonic_ns()
        outcome = KINDS[kind](float(seconds))
        print(f"{before} {time.monotonic_ns()} {outcome}", flush=True)


if __name__ == "__main__":
    main()
