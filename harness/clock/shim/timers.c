/* Timers of the process: setitimer and alarm, timerfd, timer_settime.
 *
 * A timer's truth is its slot: deadline and period on the page's clock. Only while the clock runs is it also
 * armed in the kernel, so that it fires even where nobody looks. A process finds out about a move when one of
 * its threads wakes from a wrapped wait; timers_sync() then fires what is due and arms or disarms the rest.
 *
 * A timerfd and a timer with a thread of its own fire through the kernel's timer, set to one nanosecond. A
 * signal has to interrupt the wait it comes in, as it would by itself: so it is sent by the main thread to
 * itself from within its wait, which then ends with EINTR (the kernel prefers the main thread, too). Does the
 * main thread sleep in a wait of another kind, the controller sends the signal: harness/clock/idle.py.
 * A move past several periods fires once.
 */
#include "shim.h"

#define TIMERS 256

struct timer {
    enum kind kind; /* KIND_NONE: free */
    int fd;
    timer_t id;
    clockid_t clock;
    int signal; /* what it sends; 0: a timerfd, or a thread gets it */
    union sigval value;
    struct slot *slot;
    int64_t kernel_first_ns; /* real time of the first expiry as armed in the kernel; 0: not armed */
    int64_t kernel_period_ns;
};

static struct timer timers[TIMERS];
static atomic_uint timers_used; /* timers[0, timers_used) have ever been taken */
static atomic_flag busy = ATOMIC_FLAG_INIT; /* one thread at a time; who finds it taken lets the other do it */
static uint32_t synced_moves;

/* Signals stay out while the lock is held: handlers call setitimer and alarm. */
static bool lock(sigset_t *old, bool must)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, old);
    while (atomic_flag_test_and_set(&busy))
        if (!must) {
            pthread_sigmask(SIG_SETMASK, old, NULL);
            return false;
        }
    return true;
}

static void unlock(const sigset_t *old)
{
    atomic_flag_clear(&busy);
    pthread_sigmask(SIG_SETMASK, old, NULL);
}

static struct timer *find(enum kind kind, int fd, timer_t id, bool create)
{
    struct timer *unused = NULL;
    for (unsigned i = 0; i < atomic_load(&timers_used); i++) {
        struct timer *t = &timers[i];
        if (t->kind == kind && t->fd == fd && t->id == id)
            return t;
        if (t->kind == KIND_NONE)
            unused = t;
    }
    if (!create)
        return NULL;
    if (!unused && atomic_load(&timers_used) < TIMERS)
        unused = &timers[atomic_fetch_add(&timers_used, 1)];
    if (unused)
        *unused = (struct timer){.kind = kind, .fd = fd, .id = id, .clock = CLOCK_MONOTONIC};
    if (unused && kind == KIND_ITIMER)
        unused->signal = SIGALRM;
    return unused;
}

static void drop(struct timer *t)
{
    if (t->slot)
        free_slot(t->slot);
    *t = (struct timer){0};
}

/* ---- the kernel's part ---- */

static void kernel_set(struct timer *t, int64_t first_ns, int64_t period_ns)
{
    struct itimerspec spec = {to_timespec(period_ns), to_timespec(first_ns)};
    if (t->kind == KIND_ITIMER) {
        struct itimerval value = {{period_ns / SECOND_NS, period_ns % SECOND_NS / 1000},
                                  {first_ns / SECOND_NS, (first_ns % SECOND_NS + 999) / 1000}};
        real.setitimer(ITIMER_REAL, &value, NULL);
    } else if (t->kind == KIND_TIMERFD && real.timerfd_settime(t->fd, 0, &spec, NULL) < 0) {
        drop(t); /* closed, and the number belongs to something else now */
        return;
    } else if (t->kind == KIND_POSIX_TIMER) {
        real.timer_settime(t->id, 0, &spec, NULL);
    }
    t->kernel_first_ns = first_ns ? real_ns(CLOCK_MONOTONIC) + first_ns : 0;
    t->kernel_period_ns = period_ns;
    if (t->slot)
        atomic_store(&t->slot->armed, first_ns != 0);
}

static int64_t at_rate(int64_t ns, int64_t rate_ppm)
{
    return (int64_t)((__int128)ns * ONE_PPM / rate_ppm) + (ns > 0);
}

/* The kernel may have fired since it was armed: move the deadline on by that. */
static void note_kernel_expiries(struct slot *slot, struct timer *t)
{
    int64_t late = real_ns(CLOCK_MONOTONIC) - t->kernel_first_ns, period = atomic_load(&slot->period);
    if (!t->kernel_first_ns || late < 0)
        return;
    if (!t->kernel_period_ns) {
        atomic_store(&slot->state, STATE_RUNNING);
        atomic_store(&slot->deadline, FOREVER);
        atomic_store(&slot->armed, 0);
        t->kernel_first_ns = 0;
        return;
    }
    int64_t times = late / t->kernel_period_ns + 1;
    atomic_fetch_add(&slot->deadline, times * period);
    t->kernel_first_ns += times * t->kernel_period_ns;
}

static void send_to_self(struct timer *t)
{
    siginfo_t info = {0};
    info.si_signo = t->signal;
    info.si_code = t->kind == KIND_ITIMER ? SI_KERNEL : SI_TIMER;
    info.si_value = t->value;
    kernel_set(t, 0, 0);
    real.syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), t->signal, &info);
}

static void fire_through_kernel(struct timer *t, int64_t period_ns, int64_t rate_ppm)
{
    kernel_set(t, 1, period_ns && rate_ppm > 0 ? at_rate(period_ns, rate_ppm) : 0);
    if (rate_ppm > 0 && period_ns) {
        t->kernel_first_ns += t->kernel_period_ns;
        return;
    }
    t->kernel_first_ns = 0; /* it will expire by itself; disarming it would take the expiry back */
    if (t->slot)
        atomic_store(&t->slot->armed, 0);
}

/* Where a due signal may be sent from here: by the main thread, if its wait lets the signal in. */
static bool may_signal(const struct timer *t, const sigset_t *mask)
{
    return mask && self.is_main && !sigismember(mask, t->signal);
}

/* Returns the signal that this thread has just sent to itself, or 0. */
static int sync_one(struct timer *t, bool rearm, const sigset_t *mask)
{
    struct slot *slot = t->slot;
    if (!slot || atomic_load(&slot->state) != STATE_BLOCKED)
        return 0;
    struct moment m = now();
    int64_t period = atomic_load(&slot->period);
    note_kernel_expiries(slot, t);
    int64_t deadline = atomic_load(&slot->deadline);
    bool is_due = deadline <= m.mono_ns, by_self = t->signal && may_signal(t, mask);
    if (is_due) {
        if (t->signal && !by_self && m.rate_ppm <= 0) {
            if (rearm && t->kernel_first_ns)
                kernel_set(t, 0, 0);
            return 0; /* it stays due, for the main thread or the controller */
        }
        int64_t next = period ? deadline + period * ((m.mono_ns - deadline) / period + 1) : FOREVER;
        atomic_store(&slot->deadline, next);
        if (!period)
            atomic_store(&slot->state, STATE_RUNNING);
        if (!by_self) {
            fire_through_kernel(t, period, m.rate_ppm);
            return 0;
        }
        send_to_self(t);
        deadline = next;
    }
    if (deadline != FOREVER && (rearm || is_due)) {
        if (m.rate_ppm > 0)
            kernel_set(t, at_rate(deadline - m.mono_ns, m.rate_ppm), at_rate(period, m.rate_ppm));
        else if (t->kernel_first_ns)
            kernel_set(t, 0, 0);
    }
    return is_due ? t->signal : 0;
}

/* Whether a wait that `signal` came in ends with EINTR. */
static bool interrupts(int signal, bool restarts)
{
    struct sigaction action;
    if (sigaction(signal, NULL, &action) < 0 || action.sa_handler == SIG_IGN)
        return false;
    return !(restarts && (action.sa_flags & SA_RESTART));
}

bool timers_sync(bool restarts, const sigset_t *mask)
{
    sigset_t old;
    if (!atomic_load_explicit(&timers_used, memory_order_relaxed))
        return false;
    int error = errno;
    if (!lock(&old, false))
        return false;
    bool interrupted = false;
    uint32_t moves = moves_now();
    bool rearm = moves != synced_moves;
    synced_moves = moves;
    for (unsigned i = 0; i < atomic_load(&timers_used); i++) {
        int sent = sync_one(&timers[i], rearm, mask ? mask : &old);
        if (sent && !sigismember(&old, sent) && interrupts(sent, restarts))
            interrupted = true;
    }
    unlock(&old);
    errno = error;
    return interrupted;
}

void timers_forget(void)
{
    atomic_flag_clear(&busy);
    memset(timers, 0, sizeof timers);
    atomic_store(&timers_used, 0);
}

void timers_release(void)
{
    for (unsigned i = 0; i < atomic_load(&timers_used); i++)
        if (timers[i].slot)
            free_slot(timers[i].slot);
}

/* An alarm survives exec: the new program finds the old one's slot. */
void timers_adopt(void)
{
    uint32_t used = atomic_load(&page->used);
    for (unsigned i = 0; i < used; i++) {
        struct slot *slot = &page->slots[i];
        if (atomic_load(&slot->owner) >> 32 != (uint32_t)getpid() || atomic_load(&slot->kind) != KIND_ITIMER)
            continue;
        struct itimerval left;
        struct timer *t = find(KIND_ITIMER, 0, 0, true);
        t->slot = slot;
        real.getitimer(ITIMER_REAL, &left);
        int64_t first = left.it_value.tv_sec * SECOND_NS + left.it_value.tv_usec * 1000;
        t->kernel_first_ns = first ? real_ns(CLOCK_MONOTONIC) + first : 0;
        t->kernel_period_ns = left.it_interval.tv_sec * SECOND_NS + left.it_interval.tv_usec * 1000;
    }
}

/* ---- the program's part ---- */

static struct itimerspec remaining(struct timer *t)
{
    if (!t || !t->slot || atomic_load(&t->slot->state) != STATE_BLOCKED)
        return (struct itimerspec){{0, 0}, {0, 0}};
    note_kernel_expiries(t->slot, t);
    int64_t deadline = atomic_load(&t->slot->deadline);
    int64_t left = deadline == FOREVER ? 0 : deadline - now().mono_ns;
    if (deadline != FOREVER && left < 1000)
        left = 1000; /* armed, so never zero */
    return (struct itimerspec){to_timespec(atomic_load(&t->slot->period)), to_timespec(left)};
}

/* False: no slot or no room, the caller lets the kernel do it, in real time. */
static bool set(struct timer *t, int64_t deadline, int64_t period_ns)
{
    if (t && !t->slot)
        t->slot = claim_timer_slot(t->kind);
    if (!t || !t->slot) {
        atomic_fetch_add(&page->unslotted, 1);
        return false;
    }
    kernel_set(t, 0, 0);
    if (!t->slot)
        return false; /* closed by another thread just now */
    atomic_store(&t->slot->state, STATE_RUNNING);
    atomic_store(&t->slot->deadline, deadline);
    atomic_store(&t->slot->period, period_ns);
    atomic_store(&t->slot->armed, 0);
    if (deadline != FOREVER)
        atomic_store(&t->slot->state, STATE_BLOCKED);
    atomic_store(&t->slot->signal, (uint32_t)t->signal);
    sync_one(t, true, NULL);
    return true;
}

static int64_t timeval_ns(const struct timeval *t) { return t->tv_sec * SECOND_NS + t->tv_usec * 1000; }

static struct itimerval to_itimerval(struct itimerspec spec)
{
    return (struct itimerval){{spec.it_interval.tv_sec, spec.it_interval.tv_nsec / 1000},
                              {spec.it_value.tv_sec, spec.it_value.tv_nsec / 1000}};
}

EXPORT int getitimer(__itimer_which_t which, struct itimerval *out)
{
    sigset_t mask;
    attach();
    if (!page || which != ITIMER_REAL)
        return real.getitimer(which, out);
    lock(&mask, true);
    *out = to_itimerval(remaining(find(KIND_ITIMER, 0, 0, false)));
    unlock(&mask);
    return 0;
}

EXPORT int setitimer(__itimer_which_t which, const struct itimerval *restrict value,
                     struct itimerval *restrict old)
{
    sigset_t mask;
    attach();
    if (!page || which != ITIMER_REAL)
        return real.setitimer(which, value, old);
    lock(&mask, true);
    struct timer *t = find(KIND_ITIMER, 0, 0, value != NULL);
    if (old)
        *old = to_itimerval(remaining(t));
    bool held = true;
    if (value) {
        int64_t first = timeval_ns(&value->it_value);
        held = set(t, first ? deadline_in(first) : FOREVER, timeval_ns(&value->it_interval));
    }
    int result = held ? 0 : real.setitimer(which, value, NULL);
    unlock(&mask);
    return result;
}

EXPORT unsigned alarm(unsigned length_s)
{
    struct itimerval value = {{0, 0}, {length_s, 0}}, old;
    if (setitimer(ITIMER_REAL, &value, &old) < 0)
        return 0;
    return (unsigned)old.it_value.tv_sec + (old.it_value.tv_usec > 0);
}

/* timerfd and POSIX timer alike: `spec` for the timer on its own clock. */
static bool set_spec(struct timer *t, bool is_absolute, const struct itimerspec *spec, struct itimerspec *old)
{
    int64_t first = to_ns(&spec->it_value), deadline = FOREVER;
    if (old)
        *old = remaining(t);
    if (first && t)
        deadline = is_absolute ? deadline_of(t->clock, &spec->it_value) : deadline_in(first);
    return set(t, deadline, to_ns(&spec->it_interval));
}

EXPORT int timerfd_create(clockid_t clock, int flags)
{
    sigset_t mask;
    attach();
    int fd = real.timerfd_create(clock, flags);
    if (!page || fd < 0)
        return fd;
    lock(&mask, true);
    struct timer *t = find(KIND_TIMERFD, fd, 0, true);
    if (t) {
        if (t->slot)
            free_slot(t->slot); /* of a closed one that had this number */
        *t = (struct timer){.kind = KIND_TIMERFD, .fd = fd, .clock = clock};
    }
    unlock(&mask);
    return fd;
}

EXPORT int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
    sigset_t mask;
    attach();
    struct itimerspec now_set;
    if (!page || !is_valid(&value->it_value) || !is_valid(&value->it_interval) ||
        real.timerfd_gettime(fd, &now_set) < 0)
        return real.timerfd_settime(fd, flags, value, old);
    lock(&mask, true);
    bool held = set_spec(find(KIND_TIMERFD, fd, 0, true), flags & TFD_TIMER_ABSTIME, value, old);
    int result = held ? 0 : real.timerfd_settime(fd, flags, value, NULL);
    unlock(&mask);
    return result;
}

EXPORT int timerfd_gettime(int fd, struct itimerspec *out)
{
    sigset_t mask;
    attach();
    if (!page || real.timerfd_gettime(fd, out) < 0)
        return real.timerfd_gettime(fd, out);
    lock(&mask, true);
    *out = remaining(find(KIND_TIMERFD, fd, 0, false));
    unlock(&mask);
    return 0;
}

EXPORT int timer_create(clockid_t clock, struct sigevent *restrict event, timer_t *restrict id)
{
    sigset_t mask;
    attach();
    int result = real.timer_create(clock, event, id);
    if (!page || result < 0 || !is_held(clock))
        return result;
    lock(&mask, true);
    struct timer *t = find(KIND_POSIX_TIMER, 0, *id, true);
    if (t) {
        t->clock = clock;
        t->signal = !event ? SIGALRM : event->sigev_notify == SIGEV_SIGNAL ? event->sigev_signo : 0;
        t->value = event ? event->sigev_value : (union sigval){.sival_ptr = *id};
    }
    unlock(&mask);
    return result;
}

EXPORT int timer_settime(timer_t id, int flags, const struct itimerspec *restrict value,
                         struct itimerspec *restrict old)
{
    sigset_t mask;
    attach();
    if (!page || !is_valid(&value->it_value) || !is_valid(&value->it_interval))
        return real.timer_settime(id, flags, value, old);
    lock(&mask, true);
    struct timer *t = find(KIND_POSIX_TIMER, 0, id, false); /* unknown: a CPU-time clock */
    bool held = t && set_spec(t, flags & TIMER_ABSTIME, value, old);
    int result = held ? 0 : real.timer_settime(id, flags, value, old);
    unlock(&mask);
    return result;
}

EXPORT int timer_gettime(timer_t id, struct itimerspec *out)
{
    sigset_t mask;
    attach();
    if (!page)
        return real.timer_gettime(id, out);
    lock(&mask, true);
    struct timer *t = find(KIND_POSIX_TIMER, 0, id, false);
    int result = 0;
    if (t && t->slot)
        *out = remaining(t);
    else
        result = real.timer_gettime(id, out);
    unlock(&mask);
    return result;
}

EXPORT int timer_delete(timer_t id)
{
    sigset_t mask;
    attach();
    if (page) {
        lock(&mask, true);
        struct timer *t = find(KIND_POSIX_TIMER, 0, id, false);
        if (t)
            drop(t);
        unlock(&mask);
    }
    return real.timer_delete(id);
}
