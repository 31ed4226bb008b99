/* Load for the benchmark of the proxy, so that Python is not what is measured.
 *
 *   load echo | sink          serve on a free loopback port, which is printed
 *   load bulk PORT N MIB      MIB in all over N connections to a sink: prints seconds
 *   load ping PORT N COUNT    COUNT times 100 bytes there and back on each of N: prints rate, p50, p99, p99.9 in us
 *   load churn PORT COUNT     connect, one byte there and back, close, COUNT times: prints seconds
 *
 * A sink answers one byte when it has got as many as the first eight bytes said.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1 << 16, BLOCK = 1 << 17, PING = 100, EVENTS = 256, PATIENCE_MS = 30000 };

static char block[BLOCK];

static double now_s(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec * 1e-9;
}

static void check(int is_fine, const char *what) {
    if (!is_fine) {
        perror(what);
        exit(1);
    }
}

static void tune(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static struct sockaddr_in loopback(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int connected(int port) {
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    check(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    tune(fd);
    return fd;
}

static void watch(int epoll, int fd, uint32_t events, uint32_t tag, int how) {
    struct epoll_event event = {.events = events, .data.u32 = tag};
    check(epoll_ctl(epoll, how, fd, &event) == 0, "epoll_ctl");
}

static struct { uint64_t wanted, got; char head[8]; unsigned heads; } sinks[MOST];

static void take(int fd, const char *data, uint64_t size) {
    while (size && sinks[fd].heads < 8) {
        sinks[fd].head[sinks[fd].heads++] = *data++;
        if (sinks[fd].heads == 8) memcpy(&sinks[fd].wanted, sinks[fd].head, 8);
        size--;
    }
    sinks[fd].got += size;
    if (sinks[fd].heads == 8 && sinks[fd].got >= sinks[fd].wanted) {
        memset(&sinks[fd], 0, sizeof sinks[fd]);
        check(write(fd, "k", 1) == 1, "write");
    }
}

static void serve(int is_echo) {
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0);
    check(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 4096) == 0, "listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    watch(epoll, listener, EPOLLIN, listener, EPOLL_CTL_ADD);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.u32, made;
            if (fd == listener) {
                while ((made = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0 && made < MOST) {
                    tune(made);
                    memset(&sinks[made], 0, sizeof sinks[made]);
                    watch(epoll, made, EPOLLIN, made, EPOLL_CTL_ADD);
                }
                continue;
            }
            ssize_t size = read(fd, block, BLOCK);
            if (size < 0 && errno == EAGAIN) continue;
            if (size <= 0) close(fd);
            else if (!is_echo) take(fd, block, size);
            else if (write(fd, block, size) != size) close(fd);
        }
    }
}

static void bulk(int port, int connections, uint64_t mib) {
    int fds[MOST], epoll = epoll_create1(0), left = connections;
    uint64_t each = (mib << 20) / connections, unsent[MOST];
    for (int i = 0; i < connections; i++) fds[i] = connected(port);
    double start_s = now_s();
    for (int i = 0; i < connections; i++) {
        check(write(fds[i], &each, 8) == 8, "write");
        unsent[i] = each;
        watch(epoll, fds[i], EPOLLIN | EPOLLOUT, i, EPOLL_CTL_ADD);
    }
    while (left) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, PATIENCE_MS);
        check(count > 0, "nothing moves");
        for (int n = 0; n < count; n++) {
            int i = events[n].data.u32;
            if (events[n].events & ~EPOLLOUT) {
                check(read(fds[i], block, 1) == 1, "read");
                left--;
            }
            if (events[n].events & EPOLLOUT && unsent[i]) {
                ssize_t sent = send(fds[i], block, unsent[i] < 1 << 16 ? unsent[i] : 1 << 16, MSG_DONTWAIT);
                check(sent > 0 || errno == EAGAIN, "send");
                unsent[i] -= sent > 0 ? sent : 0;
                if (!unsent[i]) watch(epoll, fds[i], EPOLLIN, i, EPOLL_CTL_MOD);
            }
        }
    }
    printf("%.6f\n", now_s() - start_s);
}

static int rising(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void ping(int port, int connections, int count) {
    int fds[MOST], done[MOST] = {0}, got[MOST] = {0}, epoll = epoll_create1(0), left = connections;
    double sent_s[MOST], start_s;
    size_t total = (size_t)connections * count, at = 0;
    float *took_us = malloc(total * sizeof *took_us);
    for (int i = 0; i < connections; i++) {
        fds[i] = connected(port);
        watch(epoll, fds[i], EPOLLIN, i, EPOLL_CTL_ADD);
    }
    start_s = now_s();
    for (int i = 0; i < connections; i++) {
        sent_s[i] = now_s();
        check(write(fds[i], block, PING) == PING, "write");
    }
    while (left) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, PATIENCE_MS);
        check(ready > 0, "nothing moves");
        for (int n = 0; n < ready; n++) {
            int i = events[n].data.u32;
            ssize_t size = read(fds[i], block, PING);
            check(size > 0, "read");
            if ((got[i] += size) < PING) continue;
            got[i] = 0;
            took_us[at++] = (now_s() - sent_s[i]) * 1e6;
            if (++done[i] == count) left--;
            else {
                sent_s[i] = now_s();
                check(write(fds[i], block, PING) == PING, "write");
            }
        }
    }
    double span_s = now_s() - start_s;
    qsort(took_us, total, sizeof *took_us, rising);
    printf("%.1f %.1f %.1f %.1f\n", total / span_s, took_us[total / 2], took_us[total * 99 / 100],
           took_us[total * 999 / 1000]);
}

static void churn(int port, int count) {
    double start_s = now_s();
    for (int i = 0; i < count; i++) {
        int fd = connected(port);
        check(write(fd, "x", 1) == 1 && read(fd, block, 1) == 1, "one byte");
        close(fd);
    }
    printf("%.6f\n", now_s() - start_s);
}

int main(int count, char **words) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (count == 2) serve(words[1][0] == 'e');
    else if (count == 5 && words[1][0] == 'b') bulk(atoi(words[2]), atoi(words[3]), atoll(words[4]));
    else if (count == 5 && words[1][0] == 'p') ping(atoi(words[2]), atoi(words[3]), atoi(words[4]));
    else if (count == 4 && words[1][0] == 'c') churn(atoi(words[2]), atoi(words[3]));
    else return fprintf(stderr, "see the top of load.c\n"), 2;
    return 0;
}
