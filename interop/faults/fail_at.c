/* Ends, cuts short or fails the n-th change of one file, counted over all threads: preloaded into a program whose storage is
 * on trial.
 *
 *   FAIL_FILE  the file's name, without folders      FAIL_AT   which change, from 1; 0: none
 *   FAIL_HOW   kill: the process ends before it      torn: half of it is written, then the process ends
 *              eio, enospc: it fails                 FAIL_COUNT  a file that gets the number of changes seen
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

static atomic_long seen;

static int is_ours(int fd) {
    const char *name = getenv("FAIL_FILE");
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (name == NULL || length <= 0)
        return 0;
    path[length] = 0;
    const char *slash = strrchr(path, '/');
    return slash != NULL && strcmp(slash + 1, name) == 0;
}

static void tell(long number) {
    const char *file = getenv("FAIL_COUNT");
    if (file == NULL)
        return;
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", number);
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (write(fd, text, (size_t)length) != length)
            abort();
        close(fd);
    }
}

/* What to do with this change: NULL, or how it fails. */
static const char *verdict(int fd) {
    if (!is_ours(fd))
        return NULL;
    long number = atomic_fetch_add(&seen, 1) + 1;
    tell(number);
    const char *at = getenv("FAIL_AT"), *how = getenv("FAIL_HOW");
    if (at == NULL || how == NULL || number != atol(at))
        return NULL;
    if (strcmp(how, "kill") == 0)
        kill(getpid(), SIGKILL);
    return how;
}

static int failed(const char *how) {
    errno = strcmp(how, "enospc") == 0 ? ENOSPC : EIO;
    return -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pwrite64");
    const char *how = verdict(fd);
    if (how == NULL)
        return real(fd, bytes, count, offset);
    if (strcmp(how, "torn") == 0) {
        real(fd, bytes, count / 2, offset);
        kill(getpid(), SIGKILL);
    }
    return failed(how);
}

#define SYNCED(name)                                                                                                           \
    int name(int fd) {                                                                                                         \
        int (*real)(int) = dlsym(RTLD_NEXT, #name);                                                                            \
        const char *how = verdict(fd);                                                                                         \
        if (how == NULL)                                                                                                       \
            return real(fd);                                                                                                   \
        if (strcmp(how, "torn") == 0)                                                                                          \
            kill(getpid(), SIGKILL);                                                                                           \
        return failed(how);                                                                                                    \
    }
SYNCED(fsync)
SYNCED(fdatasync)

int ftruncate64(int fd, off64_t length) {
    int (*real)(int, off64_t) = dlsym(RTLD_NEXT, "ftruncate64");
    const char *how = verdict(fd);
    if (how == NULL)
        return real(fd, length);
    if (strcmp(how, "torn") == 0)
        kill(getpid(), SIGKILL);
    return failed(how);
}
