/* Condition variables and timed mutexes.
 *
 * The whole family is replaced, because a waiter inside glibc's own could not be woken by a move of the
 * clock. Ours is a sequence number: a waiter notes it, lets go of the mutex and sleeps while it stands; a
 * signal counts it up and wakes one sleeper. Two things argue that no signal is lost. A waiter that has not
 * slept yet finds the number changed and does not sleep. And a later waiter cannot take an earlier one's
 * wake-up: the kernel wakes in the order of arrival, and whoever arrived before the count was raised is
 * ahead of everybody who arrived after it. Other wake-ups are spurious ones, which POSIX allows.
 */
#include "shim.h"

#define WAKE_OP 1
#define PRIVATE 128
#define GIL_WAIT_NS 5000000LL

struct condition { /* all zero by PTHREAD_COND_INITIALIZER */
    _Atomic uint32_t sequence, waiters;
    int32_t clock;
    int32_t shared;
};
_Static_assert(sizeof(struct condition) <= sizeof(pthread_cond_t), "ours lives inside glibc's");

EXPORT int pthread_cond_init(pthread_cond_t *restrict cond, const pthread_condattr_t *restrict attributes)
{
    struct condition *c = (struct condition *)cond;
    memset(cond, 0, sizeof *cond);
    if (attributes) {
        clockid_t clock;
        pthread_condattr_getclock(attributes, &clock);
        c->clock = clock;
        pthread_condattr_getpshared(attributes, &c->shared);
    }
    return 0;
}

EXPORT int pthread_cond_destroy(pthread_cond_t *cond)
{
    struct condition *c = (struct condition *)cond;
    while (atomic_load(&c->waiters)) /* POSIX: woken waiters may not have left yet */
        sched_yield();
    return 0;
}

static int wake(pthread_cond_t *cond, int count)
{
    struct condition *c = (struct condition *)cond;
    attach();
    if (!atomic_load(&c->waiters))
        return 0;
    int error = errno;
    atomic_fetch_add(&c->sequence, 1);
    real.syscall(SYS_futex, &c->sequence, WAKE_OP | (c->shared ? 0 : PRIVATE), count, NULL, NULL, 0);
    errno = error;
    return 0;
}

EXPORT int pthread_cond_signal(pthread_cond_t *cond) { return wake(cond, 1); }
EXPORT int pthread_cond_broadcast(pthread_cond_t *cond) { return wake(cond, INT_MAX); }

/* CPython asks for its GIL by waiting 5 ms at a condition, then bids the holder to let go. On a frozen clock
 * a thread beside a computing one would never bid. In a Python process waits that short stay real; user
 * code cannot tell, since threading.Condition is built from semaphores. */
static bool is_gil_wait(int64_t deadline)
{
    static int is_python = -1;
    if (is_python < 0)
        is_python = dlsym(RTLD_DEFAULT, "Py_GetVersion") != NULL;
    return is_python && deadline != FOREVER && deadline - now().mono_ns <= GIL_WAIT_NS;
}

/* Until signalled (0) or `until` on the machine's own monotonic clock (ETIMEDOUT). */
static int sleep_really(struct condition *c, uint32_t sequence, int64_t until)
{
    while (atomic_load(&c->sequence) == sequence) {
        int64_t ns = until == FOREVER ? SECOND_NS << 30 : until - real_ns(CLOCK_MONOTONIC);
        if (ns <= 0)
            return ETIMEDOUT;
        struct timespec timeout = to_timespec(ns);
        real.syscall(SYS_futex, &c->sequence, c->shared ? 0 : PRIVATE, sequence, &timeout, NULL, 0);
    }
    return 0;
}

static int sleep_held(struct condition *c, uint32_t sequence, const struct wait *wait)
{
    while (atomic_load(&c->sequence) == sequence) {
        uint32_t moves = moves_now();
        timers_sync(true, NULL);
        int64_t ns = wait_real_ns(wait);
        if (!ns)
            return ETIMEDOUT;
        wait_on(&c->sequence, sequence, !c->shared, moves, ns);
    }
    return 0;
}

/* `deadline` on the page's clock, or on the machine's where there is no page. */
static int wait_at(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline)
{
    struct condition *c = (struct condition *)cond;
    struct wait wait;
    int error = errno, result;
    bool is_gil = page && is_gil_wait(deadline);
    if (page)
        wait_begin(&wait, KIND_CONDITION, deadline);
    if (is_gil && wait.has_slot)
        atomic_store(&self.slot->state, STATE_REAL);
    atomic_fetch_add(&c->waiters, 1);
    uint32_t sequence = atomic_load(&c->sequence);
    result = pthread_mutex_unlock(mutex);
    bool unlocked = result == 0;
    if (unlocked && page && !is_gil)
        result = sleep_held(c, sequence, &wait);
    else if (unlocked)
        result = sleep_really(
            c, sequence, is_gil ? real_ns(CLOCK_MONOTONIC) + deadline - now().mono_ns : deadline);
    atomic_fetch_sub(&c->waiters, 1);
    if (page)
        wait_end(&wait); /* first: until the mutex is free, this thread does not wait for a time */
    int error_of_lock = unlocked ? pthread_mutex_lock(mutex) : 0;
    errno = error;
    return error_of_lock ? error_of_lock : result;
}

static int64_t condition_deadline(clockid_t clock, const struct timespec *at)
{
    if (page)
        return deadline_of(clock, at);
    return to_ns(at) - (is_wall(clock) ? real_ns(CLOCK_REALTIME) - real_ns(CLOCK_MONOTONIC) : 0);
}

EXPORT int pthread_cond_wait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex)
{
    attach();
    return wait_at(cond, mutex, FOREVER);
}

EXPORT int pthread_cond_clockwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                                  clockid_t clock, const struct timespec *restrict at)
{
    attach();
    if (!is_valid(at) || !is_held(clock))
        return EINVAL;
    return wait_at(cond, mutex, condition_deadline(clock, at));
}

EXPORT int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                                  const struct timespec *restrict at)
{
    return pthread_cond_clockwait(cond, mutex, ((struct condition *)cond)->clock, at);
}

/* C11 names: glibc calls its own functions from them, past ours. Its cnd_t and mtx_t are the POSIX types by
 * other names; <threads.h> itself is younger than the oldest glibc that this is built for. */
enum { C11_SUCCESS = 0, C11_ERROR = 2, C11_TIMED_OUT = 4 };

static int to_c11(int error)
{
    return error == 0 ? C11_SUCCESS : error == ETIMEDOUT ? C11_TIMED_OUT : C11_ERROR;
}

EXPORT int cnd_init(pthread_cond_t *cond) { return to_c11(pthread_cond_init(cond, NULL)); }
EXPORT void cnd_destroy(pthread_cond_t *cond) { pthread_cond_destroy(cond); }
EXPORT int cnd_signal(pthread_cond_t *cond) { return to_c11(pthread_cond_signal(cond)); }
EXPORT int cnd_broadcast(pthread_cond_t *cond) { return to_c11(pthread_cond_broadcast(cond)); }
EXPORT int cnd_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    return to_c11(pthread_cond_wait(cond, mutex));
}
EXPORT int cnd_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *at)
{
    return to_c11(pthread_cond_timedwait(cond, mutex, at));
}

/* ---- timed mutexes: their futex word is glibc's business, so slices ---- */

static int lock_until(pthread_mutex_t *mutex, int64_t deadline)
{
    struct wait wait;
    int result = pthread_mutex_trylock(mutex);
    if (result != EBUSY)
        return result;
    int error = errno;
    wait_begin(&wait, KIND_MUTEX, deadline);
    for (;;) {
        timers_sync(true, NULL);
        int64_t ns = wait_real_ns(&wait);
        struct timespec slice = to_timespec(real_ns(CLOCK_REALTIME) + (ns < SLICE_NS ? ns : SLICE_NS));
        result = real.pthread_mutex_timedlock(mutex, &slice);
        if (result != ETIMEDOUT || !ns)
            break;
    }
    wait_end(&wait);
    errno = error;
    return result;
}

EXPORT int pthread_mutex_clocklock(pthread_mutex_t *restrict mutex, clockid_t clock,
                                   const struct timespec *restrict at)
{
    attach();
    if (!page || !is_valid(at) || !is_held(clock))
        return real.pthread_mutex_clocklock ? real.pthread_mutex_clocklock(mutex, clock, at) : EINVAL;
    return lock_until(mutex, deadline_of(clock, at));
}

EXPORT int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict at)
{
    attach();
    if (!page || !is_valid(at))
        return real.pthread_mutex_timedlock(mutex, at);
    return lock_until(mutex, deadline_of(CLOCK_REALTIME, at));
}

EXPORT int mtx_timedlock(pthread_mutex_t *mutex, const struct timespec *at)
{
    return to_c11(pthread_mutex_timedlock(mutex, at));
}
