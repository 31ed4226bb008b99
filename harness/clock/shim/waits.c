/* Waits that end when the clock is moved: by futexes, without polling.
 *
 * The page's move counter is a futex word. A sleeper waits on it alone; whoever waits for a word of his
 * own waits on both with futex_waitv (kernel 5.16). Without that call, slices of one millisecond.
 */
#include "shim.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#define WAIT_OP 0
#define PRIVATE 128
#define SIZE_U32 2

struct futex_word { /* struct futex_waitv, which older headers do not have */
    uint64_t value, address;
    uint32_t flags, reserved;
};

void wait_begin(struct wait *wait, enum kind kind, int64_t deadline)
{
    struct slot *slot = claim_slot();
    wait->deadline = deadline;
    wait->has_slot = slot != NULL;
    if (!slot) {
        atomic_fetch_add(&page->unslotted, 1);
        return;
    }
    wait->old_state = atomic_load(&slot->state);
    wait->old_kind = atomic_load(&slot->kind);
    wait->old_deadline = atomic_load(&slot->deadline);
    atomic_store(&slot->state, STATE_RUNNING); /* never a blocked slot with half its values */
    atomic_store(&slot->deadline, deadline);
    atomic_store(&slot->kind, kind);
    atomic_fetch_add(&slot->waits, 1);
    atomic_store(&slot->state, STATE_BLOCKED);
}

void wait_end(struct wait *wait)
{
    struct slot *slot = self.slot;
    if (!wait->has_slot || !slot)
        return;
    atomic_store(&slot->state, STATE_RUNNING);
    atomic_store(&slot->deadline, wait->old_deadline);
    atomic_store(&slot->kind, wait->old_kind);
    atomic_store(&slot->state, wait->old_state);
}

int64_t wait_real_ns(const struct wait *wait)
{
    struct moment m = now();
    if (wait->deadline <= m.mono_ns)
        return 0;
    if (wait->deadline == FOREVER || m.rate_ppm <= 0)
        return FOREVER;
    __int128 left = (__int128)(wait->deadline - m.mono_ns) * ONE_PPM / m.rate_ppm + 1;
    return left < FOREVER / 4 ? (int64_t)left : FOREVER;
}

static int wait_on_one(_Atomic uint32_t *word, uint32_t value, bool is_private, int64_t ns)
{
    /* A far end instead of none: only a wait with an end returns EINTR after a handler with SA_RESTART,
     * as nanosleep does. */
    struct timespec timeout = to_timespec(ns == FOREVER ? SECOND_NS << 30 : ns);
    return (int)real.syscall(SYS_futex, word, WAIT_OP | (is_private ? PRIVATE : 0), value, &timeout, NULL, 0);
}

int wait_on(_Atomic uint32_t *word, uint32_t value, bool is_private, uint32_t moves, int64_t ns)
{
    int result;
    if (!word) {
        result = wait_on_one(&page->moves, moves, false, ns);
        return result < 0 && errno == EINTR ? -1 : 0;
    }
    if (!has_futex_waitv) {
        result = wait_on_one(word, value, is_private, ns < SLICE_NS ? ns : SLICE_NS);
        return result == 0 ? 1 : errno == EINTR || errno == EAGAIN ? -1 : 0;
    }
    /* The own word last: of two words woken at once the kernel names the last, and the user's wake-up
     * must not get lost behind ours. */
    struct futex_word words[2] = {
        {moves, (uint64_t)&page->moves, SIZE_U32, 0},
        {value, (uint64_t)word, SIZE_U32 | (is_private ? PRIVATE : 0), 0},
    };
    struct timespec until;
    if (ns != FOREVER)
        until = to_timespec(real_ns(CLOCK_MONOTONIC) + ns);
    result = (int)real.syscall(SYS_futex_waitv, words, 2, 0, ns == FOREVER ? NULL : &until, CLOCK_MONOTONIC);
    return result >= 0 ? result == 1 : errno == EINTR || errno == EAGAIN ? -1 : 0;
}
