/* Reading the time. CPU-time clocks stay the kernel's. */
#include "shim.h"

EXPORT int clock_gettime(clockid_t clock, struct timespec *out)
{
    attach();
    if (!page || !is_held(clock))
        return real.clock_gettime(clock, out);
    struct moment m = now();
    note_reading(m.mono_ns);
    *out = to_timespec(is_wall(clock) ? m.mono_ns + m.wall_ns : m.mono_ns);
    return 0;
}

EXPORT int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    *out = (struct timeval){t.tv_sec, t.tv_nsec / 1000};
    if (zone)
        *(struct timezone *)zone = (struct timezone){0, 0};
    return 0;
}

EXPORT time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out)
        *out = t.tv_sec;
    return t.tv_sec;
}

EXPORT int timespec_get(struct timespec *out, int base)
{
    if (base != TIME_UTC)
        return 0;
    clock_gettime(CLOCK_REALTIME, out);
    return base;
}
