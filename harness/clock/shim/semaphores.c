/* POSIX semaphores: CPython's locks are made of them.
 *
 * sem_post stays glibc's, so the waiting half must speak glibc's layout (since 2.21, 64 bit): the count in
 * the low word, which is the futex, the number of waiters in the high one, then "shared between processes".
 * Waits without end are wrapped too: whoever wakes from a move of the clock fires this process's timers.
 */
#include "shim.h"

#define ONE_WAITER (1ULL << 32)

struct glibc_semaphore {
    _Atomic uint64_t count_and_waiters;
    int shared;
};

static bool try_take(_Atomic uint64_t *both, uint64_t waiters_to_leave)
{
    uint64_t seen = atomic_load(both);
    while ((uint32_t)seen)
        if (atomic_compare_exchange_weak(both, &seen, seen - 1 - waiters_to_leave))
            return true;
    return false;
}

static int wait_for(sem_t *semaphore, int64_t deadline)
{
    struct glibc_semaphore *s = (struct glibc_semaphore *)semaphore;
    _Atomic uint64_t *both = &s->count_and_waiters;
    if (try_take(both, 0))
        return 0;
    struct wait wait;
    int error = errno;
    wait_begin(&wait, KIND_SEMAPHORE, deadline);
    atomic_fetch_add(both, ONE_WAITER);
    for (;;) {
        uint32_t moves = moves_now();
        if (try_take(both, ONE_WAITER)) {
            wait_end(&wait);
            errno = error;
            return 0;
        }
        bool interrupted = timers_sync(true, NULL);
        int64_t ns = wait_real_ns(&wait);
        if (!ns) {
            error = ETIMEDOUT;
            break;
        }
        if (interrupted) {
            error = EINTR;
            break;
        }
        if (wait_on((_Atomic uint32_t *)both, 0, !s->shared, moves, ns) < 0 && errno == EINTR) {
            error = EINTR;
            break;
        }
    }
    atomic_fetch_sub(both, ONE_WAITER);
    wait_end(&wait);
    errno = error;
    return -1;
}

EXPORT int sem_wait(sem_t *semaphore)
{
    attach();
    return page ? wait_for(semaphore, FOREVER) : real.sem_wait(semaphore);
}

EXPORT int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict at)
{
    attach();
    if (!page || !is_valid(at))
        return real.sem_timedwait(semaphore, at);
    return wait_for(semaphore, deadline_of(CLOCK_REALTIME, at));
}

EXPORT int sem_clockwait(sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict at)
{
    attach();
    if (!page || !is_valid(at) || !is_held(clock))
        return real.sem_clockwait ? real.sem_clockwait(semaphore, clock, at) : (errno = ENOSYS, -1);
    return wait_for(semaphore, deadline_of(clock, at));
}
