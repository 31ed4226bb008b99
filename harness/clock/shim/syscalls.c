/* Programs that go around libc through syscall(): the waits of Rust's std, parking_lot and libstdc++. */
#include "shim.h"

#define WAIT_OP 0
#define WAIT_BITSET_OP 9
#define OP_MASK 127
#define PRIVATE 128
#define REALTIME 256
#define ANY_BIT 0xffffffffu

static long futex_wait_held(_Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *at)
{
    struct wait wait;
    long result;
    clockid_t clock = operation & REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    bool is_relative = (operation & OP_MASK) == WAIT_OP;
    int error = errno;
    wait_begin(&wait, KIND_FUTEX, is_relative ? deadline_in(to_ns(at)) : deadline_of(clock, at));
    for (;;) {
        uint32_t moves = moves_now();
        bool interrupted = timers_sync(true, NULL);
        int64_t ns = wait_real_ns(&wait);
        result = -1;
        if (atomic_load(word) != value) {
            error = EAGAIN;
            break;
        }
        if (!ns) {
            error = ETIMEDOUT;
            break;
        }
        int woken = interrupted ? (errno = EINTR, -1) : wait_on(word, value, operation & PRIVATE, moves, ns);
        if (woken == 1) {
            result = 0;
            break;
        }
        if (woken < 0 && errno == EINTR) {
            error = EINTR;
            break;
        }
    }
    wait_end(&wait);
    errno = error;
    return result;
}

EXPORT long syscall(long number, ...)
{
    va_list list;
    long a[6];
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    attach();
    if (page && number == SYS_clock_gettime)
        return clock_gettime((clockid_t)a[0], (struct timespec *)a[1]);
    if (page && number == SYS_clock_nanosleep) {
        int error = clock_nanosleep((clockid_t)a[0], (int)a[1], (struct timespec *)a[2], (struct timespec *)a[3]);
        return error ? (errno = error, -1) : 0;
    }
    if (page && number == SYS_nanosleep)
        return nanosleep((struct timespec *)a[0], (struct timespec *)a[1]);
    /* The operation first: only a wait has a timeout at all. Behind a wake-up of three arguments, such as
     * libstdc++'s at the end of a static's initialisation, stands whatever the registers held. */
    int operation = (int)a[1] & OP_MASK;
    bool is_wait = page && number == SYS_futex &&
                   (operation == WAIT_OP || (operation == WAIT_BITSET_OP && (uint32_t)a[5] == ANY_BIT));
    if (is_wait && a[3] && is_valid((struct timespec *)a[3]))
        return futex_wait_held((_Atomic uint32_t *)a[0], (int)a[1], (uint32_t)a[2], (struct timespec *)a[3]);
    return real.syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
