/* poll, select and epoll: woken by a FIFO beside the page.
 *
 * Each thread has a private epoll that watches the FIFO edge-triggered. The controller keeps one byte in
 * the FIFO and renews it with each move: an edge for every private epoll of every process, and nobody
 * has to drain anything. In a wait the private epoll rides along in one ppoll with the user's own
 * descriptors. It is there before the page is read, so no move falls between reading and sleeping.
 */
#include "shim.h"

#define HIGH_FD 900 /* out of the way: programs like to know their first descriptors */
#define FEW_FDS 256

static _Atomic int fifo = -1;

static int move_high(int fd)
{
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
    if (high < 0)
        return fd; /* RLIMIT_NOFILE is lower than that */
    close(fd);
    return high;
}

static int open_fifo(void)
{
    int fd = atomic_load(&fifo);
    if (fd >= 0 && fcntl(fd, F_GETFD) >= 0)
        return fd;
    int opened = move_high(open(wake_path, O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (atomic_compare_exchange_strong(&fifo, &fd, opened))
        return opened;
    if (opened >= 0)
        close(opened); /* another thread was first */
    return fd;
}

/* This thread's private epoll, or -1: no descriptor to be had, wait in slices. */
static int wake_fd(void)
{
    if (self.wake_epoll)
        return self.wake_epoll - 1;
    int error = errno, watched = open_fifo();
    int fd = watched < 0 ? -1 : move_high(epoll_create1(EPOLL_CLOEXEC));
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    if (fd >= 0 && epoll_ctl(fd, EPOLL_CTL_ADD, watched, &event) < 0) {
        close(fd);
        fd = -1;
    }
    self.wake_epoll = fd + 1;
    errno = error;
    return fd;
}

/* Take the edge. Where that fails the program has closed our descriptors (a daemon does): get new ones. */
static int after_wake(int fd, short events)
{
    struct epoll_event event;
    if (!(events & POLLNVAL) && real.epoll_pwait(fd, &event, 1, 0, NULL) >= 0)
        return fd;
    self.wake_epoll = 0;
    return wake_fd();
}

/* The timeout for a ppoll, in `*at`; NULL: none. */
static const struct timespec *poll_timeout(int64_t ns, bool can_wake, struct timespec *at)
{
    if (!can_wake && ns > SLICE_NS)
        ns = SLICE_NS;
    if (ns == FOREVER)
        return NULL;
    *at = to_timespec(ns);
    return at;
}

static int poll_held(struct pollfd *fds, nfds_t count, int64_t deadline, const sigset_t *mask)
{
    struct pollfd few[FEW_FDS], *all = count < FEW_FDS ? few : malloc((count + 1) * sizeof *all);
    if (!all)
        return errno = ENOMEM, -1;
    struct wait wait;
    int wake = wake_fd(), result;
    memcpy(all, fds, count * sizeof *all);
    wait_begin(&wait, KIND_POLL, deadline);
    for (;;) {
        struct timespec at;
        bool interrupted = timers_sync(false, mask);
        int64_t ns = wait_real_ns(&wait);
        all[count] = (struct pollfd){.fd = wake, .events = POLLIN};
        /* After a handler ran: whatever is ready, else EINTR. */
        result = real.ppoll(all, count + 1, poll_timeout(interrupted ? 0 : ns, wake >= 0, &at), mask);
        if (result > 0 && all[count].revents) {
            wake = after_wake(wake, all[count].revents);
            result--;
        }
        if (result == 0 && interrupted) {
            errno = EINTR;
            result = -1;
        }
        if (result != 0 || !ns)
            break;
    }
    int error = errno;
    for (nfds_t i = 0; result >= 0 && i < count; i++)
        fds[i].revents = all[i].revents;
    if (all != few)
        free(all);
    wait_end(&wait);
    errno = error;
    return result;
}

EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    attach();
    if (!page || (timeout && (!is_valid(timeout) || !to_ns(timeout))))
        return real.ppoll(fds, count, timeout, mask);
    return poll_held(fds, count, timeout ? deadline_in(to_ns(timeout)) : FOREVER, mask);
}

EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    struct timespec timeout = to_timespec((int64_t)timeout_ms * 1000000);
    return ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, NULL);
}

/* What poll and ppoll are called in programs built with _FORTIFY_SOURCE. */
EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t size)
{
    if (size / sizeof *fds < count)
        abort();
    return poll(fds, count, timeout_ms);
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                       const sigset_t *mask, size_t size)
{
    if (size / sizeof *fds < count)
        abort();
    return ppoll(fds, count, timeout, mask);
}

/* ---- epoll ---- */

static int epoll_held(int epoll, struct epoll_event *events, int count, int64_t deadline,
                      const sigset_t *mask)
{
    struct wait wait;
    int wake = wake_fd(), result;
    wait_begin(&wait, KIND_EPOLL, deadline);
    for (;;) {
        struct timespec at;
        bool interrupted = timers_sync(false, mask);
        int64_t ns = wait_real_ns(&wait);
        result = real.epoll_pwait(epoll, events, count, 0, mask);
        if (result == 0 && interrupted) {
            errno = EINTR;
            result = -1;
        }
        if (result != 0 || !ns)
            break;
        struct pollfd both[2] = {{.fd = epoll, .events = POLLIN}, {.fd = wake, .events = POLLIN}};
        result = real.ppoll(both, 2, poll_timeout(ns, wake >= 0, &at), mask);
        if (result < 0)
            break;
        if (both[1].revents)
            wake = after_wake(wake, both[1].revents);
    }
    wait_end(&wait);
    return result;
}

EXPORT int epoll_pwait(int epoll, struct epoll_event *events, int count, int timeout_ms, const sigset_t *mask)
{
    attach();
    if (!page || timeout_ms == 0)
        return real.epoll_pwait(epoll, events, count, timeout_ms, mask);
    int64_t deadline = timeout_ms < 0 ? FOREVER : deadline_in((int64_t)timeout_ms * 1000000);
    return epoll_held(epoll, events, count, deadline, mask);
}

EXPORT int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout_ms)
{
    return epoll_pwait(epoll, events, count, timeout_ms, NULL);
}

EXPORT int epoll_pwait2(int epoll, struct epoll_event *events, int count, const struct timespec *timeout,
                        const sigset_t *mask);
EXPORT int epoll_pwait2(int epoll, struct epoll_event *events, int count, const struct timespec *timeout,
                        const sigset_t *mask)
{
    attach();
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
    if (!page || (timeout && (!is_valid(timeout) || !to_ns(timeout))))
        return (int)real.syscall(SYS_epoll_pwait2, epoll, events, count, timeout, mask, (size_t)(_NSIG / 8));
    return epoll_held(epoll, events, count, timeout ? deadline_in(to_ns(timeout)) : FOREVER, mask);
}

/* ---- select, as poll ---- */

struct sets {
    fd_set *read, *write, *except;
};

static int sets_to_poll(int count, struct sets sets, struct pollfd *fds)
{
    int used = 0;
    for (int fd = 0; fd < count; fd++) {
        short events = 0;
        if (sets.read && FD_ISSET(fd, sets.read))
            events |= POLLIN;
        if (sets.write && FD_ISSET(fd, sets.write))
            events |= POLLOUT;
        if (sets.except && FD_ISSET(fd, sets.except))
            events |= POLLPRI;
        if (events)
            fds[used++] = (struct pollfd){.fd = fd, .events = events};
    }
    return used;
}

static int poll_to_sets(const struct pollfd *fds, int count, struct sets sets)
{
    int ready = 0;
    for (int i = 0; i < count; i++)
        if (fds[i].revents & POLLNVAL)
            return errno = EBADF, -1;
    if (sets.read)
        FD_ZERO(sets.read);
    if (sets.write)
        FD_ZERO(sets.write);
    if (sets.except)
        FD_ZERO(sets.except);
    for (const struct pollfd *p = fds; p < fds + count; p++) {
        if ((p->events & POLLIN) && (p->revents & (POLLIN | POLLHUP | POLLERR)))
            FD_SET(p->fd, sets.read), ready++;
        if ((p->events & POLLOUT) && (p->revents & (POLLOUT | POLLERR)))
            FD_SET(p->fd, sets.write), ready++;
        if ((p->events & POLLPRI) && (p->revents & POLLPRI))
            FD_SET(p->fd, sets.except), ready++;
    }
    return ready;
}

EXPORT int pselect(int count, fd_set *restrict read, fd_set *restrict write, fd_set *restrict except,
                   const struct timespec *restrict timeout, const sigset_t *restrict mask)
{
    attach();
    /* Larger sets than fd_set exist by a well-known misuse; they keep the kernel's own call and time. */
    if (!page || count < 0 || count > FD_SETSIZE || (timeout && !is_valid(timeout)))
        return real.pselect(count, read, write, except, timeout, mask);
    struct pollfd fds[FD_SETSIZE];
    struct sets sets = {read, write, except};
    int used = sets_to_poll(count, sets, fds);
    int result = ppoll(fds, (nfds_t)used, timeout, mask);
    return result < 0 ? result : poll_to_sets(fds, used, sets);
}

EXPORT int select(int count, fd_set *restrict read, fd_set *restrict write, fd_set *restrict except,
                  struct timeval *restrict timeout)
{
    if (!timeout)
        return pselect(count, read, write, except, NULL, NULL);
    struct timespec length = {timeout->tv_sec + timeout->tv_usec / 1000000, timeout->tv_usec % 1000000 * 1000};
    attach();
    int64_t begun = page ? now().mono_ns : real_ns(CLOCK_MONOTONIC);
    int result = pselect(count, read, write, except, &length, NULL), error = errno;
    int64_t left = to_ns(&length) - ((page ? now().mono_ns : real_ns(CLOCK_MONOTONIC)) - begun);
    left = left > 0 ? left : 0;
    *timeout = (struct timeval){left / SECOND_NS, left % SECOND_NS / 1000}; /* as Linux does */
    errno = error;
    return result;
}
