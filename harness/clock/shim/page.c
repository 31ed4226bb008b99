/* The page: finding it, this thread's slot in it, and what time it is. */
#include "shim.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct page *page;
char wake_path[4096];
bool attached;
bool has_futex_waitv;
struct real real;
__thread struct thread self;
static pthread_key_t thread_key;

/* ---- what time it is ---- */

int64_t real_ns(clockid_t clock)
{
    struct timespec t;
    attach();
    real.clock_gettime(clock, &t);
    return to_ns(&t);
}

/* The real clock is read once, and *inside* the sequence check. Once: offset and value from two readings
 * let the monotonic clock go back by their distance. Inside: with values of the old rate and a real time
 * of after the change, a reader could see a moment that the page never comes to again for a while. */
struct moment moment_on(struct page *p)
{
    for (unsigned tries = 1;; tries++) {
        uint64_t sequence = atomic_load_explicit(&p->sequence, memory_order_acquire);
        if (!(sequence & 1)) {
            int64_t real0 = atomic_load_explicit(&p->real_ns, memory_order_relaxed);
            int64_t virtual0 = atomic_load_explicit(&p->virtual_ns, memory_order_relaxed);
            int64_t rate = atomic_load_explicit(&p->rate_ppm, memory_order_relaxed);
            int64_t wall = atomic_load_explicit(&p->wall_ns, memory_order_relaxed);
            int64_t elapsed = rate ? real_ns(CLOCK_MONOTONIC) - real0 : 0;
            atomic_thread_fence(memory_order_seq_cst);
            if (sequence == atomic_load_explicit(&p->sequence, memory_order_relaxed))
                return (struct moment){virtual0 + (int64_t)((__int128)elapsed * rate / ONE_PPM), rate, wall};
        }
        if (tries % 1000 == 0) { /* the writer lost its CPU (or its life) between two stores */
            struct timespec nap = to_timespec(50000);
            real.clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
        }
    }
}

int64_t deadline_of(clockid_t clock, const struct timespec *at)
{
    return is_wall(clock) ? to_ns(at) - now().wall_ns : to_ns(at);
}

int64_t deadline_in(int64_t ns) { return ns >= FOREVER / 4 ? FOREVER : now().mono_ns + ns; }

void note_reading(int64_t mono_ns)
{
    struct slot *slot = self.slot;
    if (!slot && (self.refused || !(slot = claim_slot())))
        return;
    atomic_store_explicit(&slot->seen, mono_ns, memory_order_relaxed);
    uint64_t reads = atomic_load_explicit(&slot->reads, memory_order_relaxed);
    atomic_store_explicit(&slot->reads, reads + 1, memory_order_relaxed);
}

/* ---- slots ---- */

#define RECLAIM_FROM 256u /* below that many slots ever used, do not ask the kernel who is alive */

static uint64_t owner_id(uint32_t tid) { return (uint64_t)(uint32_t)getpid() << 32 | tid; }

static bool is_dead(uint64_t owner)
{
    pid_t pid = (pid_t)(owner >> 32), tid = (pid_t)(uint32_t)owner;
    long gone = tid ? real.syscall(SYS_tgkill, pid, tid, 0) : real.syscall(SYS_kill, pid, 0);
    return gone == -1 && errno == ESRCH;
}

static struct slot *take_at(unsigned index, uint64_t expected, uint64_t owner, enum kind kind)
{
    struct slot *slot = &page->slots[index];
    if (!atomic_compare_exchange_strong(&slot->owner, &expected, owner))
        return NULL;
    atomic_store(&slot->state, STATE_RUNNING);
    atomic_store(&slot->kind, kind);
    atomic_store(&slot->deadline, FOREVER);
    atomic_store(&slot->period, 0);
    atomic_store(&slot->signal, 0);
    atomic_store(&slot->armed, 0);
    atomic_store(&slot->seen, 0);
    atomic_store(&slot->reads, 0);
    uint32_t used = atomic_load(&page->used);
    while (used <= index && !atomic_compare_exchange_weak(&page->used, &used, index + 1))
        ;
    return slot;
}

/* A free slot, else one whose owner died without giving it back (SIGKILL, _exit), else a new one. */
static struct slot *take(uint64_t owner, enum kind kind)
{
    struct slot *slot;
    uint32_t used = atomic_load(&page->used);
    for (unsigned i = 0; i < used; i++)
        if (!atomic_load(&page->slots[i].owner) && (slot = take_at(i, 0, owner, kind)))
            return slot;
    for (unsigned i = 0; used >= RECLAIM_FROM && i < used; i++) {
        uint64_t other = atomic_load(&page->slots[i].owner);
        if (other && is_dead(other) && (slot = take_at(i, other, owner, kind)))
            return slot;
    }
    for (unsigned i = used; i < PAGE_SLOTS; i++)
        if ((slot = take_at(i, 0, owner, kind)))
            return slot;
    return NULL;
}

struct slot *claim_slot(void)
{
    if (self.slot)
        return self.slot;
    int error = errno;
    uint32_t tid = (uint32_t)real.syscall(SYS_gettid);
    self.is_main = tid == (uint32_t)getpid();
    self.slot = take(owner_id(tid), KIND_NONE);
    self.refused = !self.slot;
    if (self.slot)
        pthread_setspecific(thread_key, self.slot);
    errno = error;
    return self.slot;
}

struct slot *claim_timer_slot(enum kind kind)
{
    int error = errno;
    struct slot *slot = take(owner_id(0), kind);
    errno = error;
    return slot;
}

void free_slot(struct slot *slot)
{
    atomic_store(&slot->state, STATE_RUNNING);
    atomic_store(&slot->owner, 0);
}

/* ---- beginning and end of threads and processes ---- */

static void thread_ends(void *slot)
{
    if (self.wake_epoll)
        close(self.wake_epoll - 1);
    self = (struct thread){0};
    free_slot(slot);
}

static void after_fork_in_child(void)
{
    if (self.wake_epoll)
        close(self.wake_epoll - 1); /* the parent's: an epoll is shared across fork */
    self = (struct thread){0};
    timers_forget();
    claim_slot();
}

/* After exec the slots of the old program's threads are still there, under our own pid. */
static void drop_slots_of_old_program(void)
{
    uint32_t used = atomic_load(&page->used);
    for (unsigned i = 0; i < used; i++) {
        struct slot *slot = &page->slots[i];
        uint64_t owner = atomic_load(&slot->owner);
        if (owner >> 32 == (uint32_t)getpid() && atomic_load(&slot->kind) != KIND_ITIMER)
            free_slot(slot);
    }
}

static struct page *map_page(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    void *map = MAP_FAILED;
    if (fstat(fd, &status) == 0 && status.st_size >= (off_t)sizeof(struct page))
        map = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return NULL;
    struct page *p = map;
    if (atomic_load(&p->magic) == PAGE_MAGIC && atomic_load(&p->version) == PAGE_VERSION)
        return p;
    munmap(map, sizeof(struct page));
    return NULL;
}

void attach_slowly(void)
{
    if (attached)
        return;
#define FIND(type, name, parameters) real.name = (type(*) parameters)dlsym(RTLD_NEXT, #name);
    REAL_FUNCTIONS(FIND)
#undef FIND
    attached = true;
    const char *path = getenv("STORMPROOF_CLOCK");
    if (!path || strlen(path) + sizeof ".wake" > sizeof wake_path)
        return;
    int error = errno;
    struct page *found = map_page(path);
    if (found && pthread_key_create(&thread_key, thread_ends) == 0) {
        strcat(strcpy(wake_path, path), ".wake");
        page = found;
        /* Asked with nonsense, a kernel that has it says EINVAL; an old one or a sandbox something else. */
        has_futex_waitv = real.syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) == -1 && errno == EINVAL;
        if (!has_futex_waitv)
            atomic_fetch_add(&page->sliced, 1);
        drop_slots_of_old_program();
        timers_adopt();
        claim_slot();
        pthread_atfork(NULL, NULL, after_fork_in_child);
    }
    errno = error;
}

__attribute__((constructor)) static void begin(void) { attach(); }

/* Other threads may still run and write to their slots: those stay, and count as dead owners' later. */
__attribute__((destructor)) static void end(void)
{
    if (!page)
        return;
    timers_release();
    if (self.slot)
        free_slot(self.slot);
    self.slot = NULL;
}
