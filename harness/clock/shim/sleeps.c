/* Sleeping: until the page's clock has come there. */
#include "shim.h"

EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *length, struct timespec *left)
{
    attach();
    if (!page || !is_held(clock) || !is_valid(length))
        return real.clock_nanosleep(clock, flags, length, left);
    bool is_absolute = flags & TIMER_ABSTIME;
    struct wait wait;
    int error = errno, result = 0;
    wait_begin(&wait, KIND_SLEEP, is_absolute ? deadline_of(clock, length) : deadline_in(to_ns(length)));
    for (;;) {
        uint32_t moves = moves_now();
        bool interrupted = timers_sync(false, NULL);
        int64_t ns = wait_real_ns(&wait);
        if (!ns)
            break;
        if (interrupted || wait_on(NULL, 0, false, moves, ns) < 0) {
            int64_t rest = wait.deadline - now().mono_ns;
            if (left && !is_absolute)
                *left = to_timespec(rest > 0 ? rest : 0);
            result = EINTR;
            break;
        }
    }
    wait_end(&wait);
    errno = error;
    return result;
}

EXPORT int nanosleep(const struct timespec *length, struct timespec *left)
{
    int error = clock_nanosleep(CLOCK_MONOTONIC, 0, length, left);
    if (error)
        errno = error;
    return error ? -1 : 0;
}

EXPORT int usleep(useconds_t length_us)
{
    struct timespec t = to_timespec((int64_t)length_us * 1000);
    return nanosleep(&t, NULL);
}

EXPORT unsigned sleep(unsigned length_s)
{
    struct timespec t = {length_s, 0}, left = {0, 0};
    return nanosleep(&t, &left) ? (unsigned)left.tv_sec + (left.tv_nsec > 0) : 0;
}

EXPORT int thrd_sleep(const struct timespec *length, struct timespec *left)
{
    int error = clock_nanosleep(CLOCK_MONOTONIC, 0, length, left);
    return error == 0 ? 0 : error == EINTR ? -1 : -2;
}

/* No word to wait on: slices. */
EXPORT int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info,
                        const struct timespec *restrict length)
{
    attach();
    if (!page || !length || !is_valid(length) || !to_ns(length))
        return real.sigtimedwait(set, info, length);
    struct wait wait;
    int result;
    wait_begin(&wait, KIND_SIGNAL, deadline_in(to_ns(length)));
    for (;;) {
        if (timers_sync(false, NULL)) {
            result = -1;
            errno = EINTR;
            break;
        }
        int64_t ns = wait_real_ns(&wait);
        struct timespec slice = to_timespec(ns < SLICE_NS ? ns : SLICE_NS);
        result = real.sigtimedwait(set, info, &slice);
        if (result != -1 || errno != EAGAIN || !ns)
            break;
    }
    wait_end(&wait);
    return result;
}
