/* The held clock, target side: a library for LD_PRELOAD.
 *
 * A controller owns a page of shared memory that says what time it is: frozen, moved, running at some
 * rate. This library answers every question about the time from that page, and makes every timed wait
 * of libc end when the *page's* time has come. It also publishes, one slot a thread, until when that
 * thread waits; so the controller knows which moment to move to when nothing else can happen.
 *
 *   STORMPROOF_CLOCK   path of the page; `<path>.wake` is a FIFO beside it. Unset, or a page of another
 *                      version: the library does nothing.
 *
 *   page.c        the page, this thread's slot, what time it is      clocks.c      clock_gettime and kin
 *   waits.c       futex waits that a move of the clock ends          sleeps.c      nanosleep and kin
 *   semaphores.c  sem_*wait             conditions.c  pthread_cond_*, cnd_*, timed mutexes
 *   polls.c       poll, select, epoll   timers.c      setitimer, alarm, timerfd, timer_settime
 *   syscalls.c    syscall(SYS_futex …)  cpuinfo.c     keeps programs from reading the TSC
 *   controller.c  the controller's half: writing the page
 *
 * Rules for every file: errno is kept on success, no allocation on common ways, and whatever may be
 * called from a signal handler takes no lock that a handler could find taken.
 */
#ifndef STORMPROOF_SHIM_H
#define STORMPROOF_SHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#undef _FORTIFY_SOURCE /* its inline poll() and friends would clash with our definitions */

/* All of them here: a header included below the pragma would declare libc's functions as hidden ones. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#if !defined(__linux__) || !defined(__LP64__) || !defined(__GLIBC__)
#error "the held clock needs 64-bit Linux with glibc"
#endif
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the semaphore layout below is the little-endian one"
#endif

#define EXPORT __attribute__((visibility("default")))
#pragma GCC visibility push(hidden)

#define SECOND_NS 1000000000LL
#define ONE_PPM 1000000LL    /* rate 1, in parts per million */
#define FOREVER INT64_MAX    /* a deadline that never comes, a wait without end */
#define SLICE_NS 1000000LL   /* where a wait cannot be woken, it looks at the page this often */

/* ---- the page: harness/clock/page.py holds the same layout ---- */

#define PAGE_MAGIC 0x4b435053u /* "SPCK" */
#define PAGE_VERSION 1u
#define PAGE_SLOTS 4096u

enum kind {
    KIND_NONE = 0,
    KIND_SLEEP = 1,
    KIND_SEMAPHORE = 2,
    KIND_CONDITION = 3,
    KIND_FUTEX = 4,
    KIND_POLL = 5,
    KIND_EPOLL = 6,
    KIND_MUTEX = 7,
    KIND_SIGNAL = 8,
    KIND_ITIMER = 10, /* from here on: a timer of the process, not a thread */
    KIND_TIMERFD = 11,
    KIND_POSIX_TIMER = 12,
};

enum state {
    STATE_RUNNING = 0,
    STATE_BLOCKED = 1, /* waits until `deadline` on the page's clock */
    STATE_REAL = 2,    /* waits a few real milliseconds (GIL hand-over), see conditions.c */
};

struct slot {
    _Atomic uint64_t owner; /* pid << 32 | tid; tid 0: a timer; 0: free */
    _Atomic uint32_t state;
    _Atomic uint32_t kind;
    _Atomic int64_t deadline; /* monotonic ns on the page's clock, or FOREVER */
    _Atomic int64_t period;   /* of a timer, ns; 0: once */
    _Atomic uint64_t waits;   /* waits begun: tells two equal waits apart */
    _Atomic int64_t seen;     /* the last monotonic ns handed out to this thread … */
    _Atomic uint64_t reads;   /* … and how often: the proof that it asks us at all */
    _Atomic uint32_t signal;  /* of a timer: what it sends to its process; 0: nothing */
    _Atomic uint32_t armed;   /* of a timer: the kernel has it too, and will fire or has fired it */
};

struct page {
    _Atomic uint32_t magic, version;
    _Atomic uint64_t sequence; /* odd while the five below are being written */
    _Atomic int64_t real_ns, virtual_ns, rate_ppm;
    _Atomic int64_t wall_ns; /* wall clock minus monotonic clock, both virtual */
    _Atomic uint32_t moves;  /* changes with every change of the above; a futex word */
    _Atomic uint32_t used;   /* slots [0, used) have ever been owned */
    _Atomic uint32_t capacity;
    _Atomic uint32_t unslotted; /* waits in threads without a slot: exact, but nothing can be proved */
    _Atomic uint32_t sliced;    /* processes without futex_waitv */
    uint32_t spare[15];
    struct slot slots[PAGE_SLOTS];
};
_Static_assert(sizeof(struct slot) == 64, "a slot is one cache line");
_Static_assert(offsetof(struct page, slots) == 128, "the header is two cache lines");

/* ---- page.c ---- */

struct moment {
    int64_t mono_ns, rate_ppm, wall_ns /* offset */;
};

struct thread {
    struct slot *slot;
    bool is_main;
    bool refused;   /* the table was full when this thread asked */
    int wake_epoll; /* private epoll on the FIFO, plus 1; 0: none yet */
};

extern struct page *page;      /* NULL: the clock is the machine's own */
extern char wake_path[4096];   /* the FIFO */
extern bool has_futex_waitv;
extern __thread struct thread self __attribute__((tls_model("initial-exec")));

void attach_slowly(void);
extern bool attached;
/* First line of every wrapper: constructors of other libraries may call us before our own ran. */
static inline void attach(void)
{
    if (__builtin_expect(!attached, 0))
        attach_slowly();
}

struct moment moment_on(struct page *p);
static inline struct moment now(void) { return moment_on(page); }
int64_t real_ns(clockid_t clock);
struct slot *claim_slot(void);              /* this thread's, or NULL: the table is full */
struct slot *claim_timer_slot(enum kind kind);
void free_slot(struct slot *slot);
void note_reading(int64_t mono_ns);

static inline bool is_wall(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI ||
           clock == CLOCK_REALTIME_ALARM;
}

static inline bool is_monotonic(clockid_t clock)
{
    return clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_MONOTONIC_COARSE ||
           clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM;
}

static inline bool is_held(clockid_t clock) { return is_wall(clock) || is_monotonic(clock); }

/* Saturates: a wait of INT_MAX seconds or more is one without end. */
static inline int64_t to_ns(const struct timespec *t)
{
    return t->tv_sec > FOREVER / SECOND_NS / 4 ? FOREVER / 4 : t->tv_sec * SECOND_NS + t->tv_nsec;
}

static inline struct timespec to_timespec(int64_t ns)
{
    return (struct timespec){ns / SECOND_NS, ns % SECOND_NS};
}

static inline bool is_valid(const struct timespec *t)
{
    return t->tv_sec >= 0 && t->tv_nsec >= 0 && t->tv_nsec < SECOND_NS;
}

/* An absolute time on `clock`, as a deadline on the page's monotonic clock. */
int64_t deadline_of(clockid_t clock, const struct timespec *at);
/* A relative wait, as a deadline. */
int64_t deadline_in(int64_t ns);

/* ---- waits.c ---- */

/* A published wait; what the slot said before is put back at its end, because a signal handler may
 * wait inside a wait. */
struct wait {
    int64_t deadline;
    bool has_slot;
    uint32_t old_state, old_kind;
    int64_t old_deadline;
};

void wait_begin(struct wait *wait, enum kind kind, int64_t deadline);
void wait_end(struct wait *wait); /* keeps errno */
/* Real ns to sleep now: 0 when due, FOREVER when only a move of the clock can end the wait. */
int64_t wait_real_ns(const struct wait *wait);
/* The page's move counter; read it *before* wait_real_ns, hand it to wait_on. */
static inline uint32_t moves_now(void) { return atomic_load(&page->moves); }
/* Sleep until `*word` is not `value` (word may be NULL), the clock is moved, or `ns` have passed.
 * Returns 1 when woken at the word, 0 otherwise, -1 with errno EINTR or EAGAIN. */
int wait_on(_Atomic uint32_t *word, uint32_t value, bool is_private, uint32_t moves, int64_t ns);

/* ---- timers.c ---- */

/* Fire what is due. Every wait loop calls it after each look at the page. True: a signal handler ran, and
 * the wait has to end with EINTR. `restarts`: not if the handler was set with SA_RESTART; `mask`: what the
 * wait itself blocks, NULL: what the thread blocks. */
bool timers_sync(bool restarts, const sigset_t *mask);
void timers_adopt(void);
void timers_forget(void); /* in a child after fork */
void timers_release(void);

/* ---- the real ones ---- */

#define REAL_FUNCTIONS(X)                                                                                  \
    X(int, clock_gettime, (clockid_t, struct timespec *))                                                  \
    X(int, clock_nanosleep, (clockid_t, int, const struct timespec *, struct timespec *))                  \
    X(int, ppoll, (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *))                    \
    X(int, pselect, (int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *))        \
    X(int, epoll_pwait, (int, struct epoll_event *, int, int, const sigset_t *))                           \
    X(long, syscall, (long, ...))                                                                          \
    X(int, getitimer, (int, struct itimerval *))                                                           \
    X(int, setitimer, (int, const struct itimerval *, struct itimerval *))                                 \
    X(int, timerfd_create, (int, int))                                                                     \
    X(int, timerfd_settime, (int, int, const struct itimerspec *, struct itimerspec *))                    \
    X(int, timerfd_gettime, (int, struct itimerspec *))                                                    \
    X(int, timer_create, (clockid_t, struct sigevent *, timer_t *))                                        \
    X(int, timer_settime, (timer_t, int, const struct itimerspec *, struct itimerspec *))                  \
    X(int, timer_gettime, (timer_t, struct itimerspec *))                                                  \
    X(int, timer_delete, (timer_t))                                                                        \
    X(int, sem_wait, (sem_t *))                                                                            \
    X(int, sem_timedwait, (sem_t *, const struct timespec *))                                              \
    X(int, sem_clockwait, (sem_t *, clockid_t, const struct timespec *))                                   \
    X(int, pthread_mutex_timedlock, (pthread_mutex_t *, const struct timespec *))                          \
    X(int, pthread_mutex_clocklock, (pthread_mutex_t *, clockid_t, const struct timespec *))               \
    X(int, sigtimedwait, (const sigset_t *, siginfo_t *, const struct timespec *))                         \
    X(FILE *, fopen, (const char *, const char *))

struct real {
#define DECLARE(type, name, parameters) type(*name) parameters;
    REAL_FUNCTIONS(DECLARE)
#undef DECLARE
};
extern struct real real;

#endif
