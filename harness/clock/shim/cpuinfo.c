/* Valkey and Redis count time with the CPU's TSC, past every clock call, where /proc/cpuinfo shows the flag
 * constant_tsc. They are shown a copy without it, everything else unchanged, and fall back to clock_gettime. */
#include "shim.h"

#define FLAG "constant_tsc"

static FILE *copy_without_tsc(FILE *original)
{
    char line[8192], *flag;
    int fd = (int)real.syscall(SYS_memfd_create, "cpuinfo", 1u /* MFD_CLOEXEC */);
    FILE *copy = fd < 0 ? NULL : fdopen(fd, "w+");
    if (!copy) {
        if (fd >= 0)
            close(fd);
        return original;
    }
    while (fgets(line, sizeof line, original)) {
        while ((flag = strstr(line, FLAG)))
            memset(flag, 'x', sizeof FLAG - 1);
        fputs(line, copy);
    }
    fclose(original);
    rewind(copy);
    return copy;
}

EXPORT FILE *fopen(const char *restrict path, const char *restrict mode)
{
    attach();
    FILE *file = real.fopen(path, mode);
    return page && file && strcmp(path, "/proc/cpuinfo") == 0 ? copy_without_tsc(file) : file;
}

EXPORT FILE *fopen64(const char *restrict path, const char *restrict mode) { return fopen(path, mode); }
