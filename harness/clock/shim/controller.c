/* The controller's half, called through ctypes: the page is written by the same arithmetic, and with the same
 * barriers, as it is read. One controller a page. */
#include "shim.h"

#define WAKE_OP 1

EXPORT int64_t stormproof_clock_now(struct page *p) { return moment_on(p).mono_ns; }

EXPORT int64_t stormproof_clock_wall(struct page *p)
{
    struct moment m = moment_on(p);
    return m.mono_ns + m.wall_ns;
}

/* The machine's own monotonic clock; the way around the page for processes of ours that run under it. */
EXPORT int64_t stormproof_clock_real(void) { return real_ns(CLOCK_MONOTONIC); }

/* Fill a page of zeros: now, at rate 1. The magic comes last, a page without it is ignored. */
EXPORT void stormproof_clock_begin(struct page *p)
{
    int64_t real0 = real_ns(CLOCK_MONOTONIC);
    atomic_store(&p->real_ns, real0);
    atomic_store(&p->virtual_ns, real0);
    atomic_store(&p->rate_ppm, ONE_PPM);
    atomic_store(&p->wall_ns, real_ns(CLOCK_REALTIME) - real0); /* once: NTP slews do not leak in */
    atomic_store(&p->capacity, PAGE_SLOTS);
    atomic_store(&p->version, PAGE_VERSION);
    atomic_store(&p->magic, PAGE_MAGIC);
}

/* Anchor anew: the clock says `to_ns` (or goes on from now, if that is negative), `by_ns` are added, it runs at
 * `rate_ppm` (or as before, if negative), its wall clock is moved by `wall_by_ns`. The real time is read while the sequence is
 * odd: no reader can have a later one together with the old values, so nobody sees time go back. Returns what
 * the clock says now; refuses to go back and returns -1. */
EXPORT int64_t stormproof_clock_move(struct page *p, int64_t to_ns, int64_t by_ns, int64_t rate_ppm,
                                      int64_t wall_by_ns)
{
    uint64_t sequence = atomic_load(&p->sequence);
    int64_t rate = atomic_load(&p->rate_ppm), virtual_ns = atomic_load(&p->virtual_ns);
    atomic_store_explicit(&p->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    int64_t real0 = real_ns(CLOCK_MONOTONIC);
    int64_t elapsed = real0 - atomic_load_explicit(&p->real_ns, memory_order_relaxed);
    virtual_ns += (int64_t)((__int128)elapsed * rate / ONE_PPM);
    bool goes_back = to_ns >= 0 && to_ns < virtual_ns;
    if (!goes_back)
        virtual_ns = (to_ns >= 0 ? to_ns : virtual_ns) + by_ns;
    atomic_store_explicit(&p->real_ns, real0, memory_order_relaxed);
    atomic_store_explicit(&p->virtual_ns, virtual_ns, memory_order_relaxed);
    if (!goes_back) {
        atomic_store_explicit(&p->rate_ppm, rate_ppm < 0 ? rate : rate_ppm, memory_order_relaxed);
        atomic_fetch_add_explicit(&p->wall_ns, wall_by_ns, memory_order_relaxed);
    }
    atomic_store_explicit(&p->sequence, sequence + 2, memory_order_release);
    if (goes_back)
        return -1;
    atomic_fetch_add(&p->moves, 1);
    real.syscall(SYS_futex, &p->moves, WAKE_OP, INT_MAX, NULL, NULL, 0);
    return virtual_ns;
}
