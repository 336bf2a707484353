/* Preloaded into Python: the n-th operation that writes below one folder fails, or the n-th allocation. From ctypes:
 * faults_below(folder); faults_arm(kind, n, forever, error); faults_seen(kind) tells how many there were since.
 * Kind 0: writes; kind 1: allocations. n = 0: none fails. forever: all later writes fail too, as on a full disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char below[4096];
static long target[2], seen[2];
static int forever, error_number;

void faults_below(const char *folder) { snprintf(below, sizeof below, "%s", folder); }

void faults_arm(int kind, long n, int always, int error)
{
    target[0] = target[1] = 0;
    seen[0] = seen[1] = 0;
    forever = always;
    error_number = error;
    target[kind] = n;
}

long faults_seen(int kind) { return seen[kind]; }

static int fails(int kind)
{
    long n = ++seen[kind];
    return target[kind] && (n == target[kind] || (forever && kind == 0 && n > target[kind]));
}

static int inside(const char *path)
{
    return below[0] && path && strncmp(path, below, strlen(below)) == 0;
}

static int inside_fd(int fd)
{
    char link[64], path[4096];
    if (!below[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return inside(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAULT(where) if (where && fails(0)) { errno = error_number; return -1; }

static int writes(int flags) { return (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0; }

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        va_list more; \
        va_start(more, flags); \
        int mode = va_arg(more, int); \
        va_end(more); \
        FAULT(writes(flags) && inside(path)) \
        return ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name))(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *data, size_t size) { FAULT(inside_fd(fd)) return REAL(write)(fd, data, size); }
int fsync(int fd) { FAULT(inside_fd(fd)) return REAL(fsync)(fd); }
int rename(const char *from, const char *to)
{
    if (inside(to) && fails(0) && !forever) { errno = error_number; return -1; } /* a full disk can rename */
    return REAL(rename)(from, to);
}
int mkdir(const char *path, mode_t mode) { FAULT(inside(path)) return REAL(mkdir)(path, mode); }
int chmod(const char *path, mode_t mode) { FAULT(inside(path) && !forever) return REAL(chmod)(path, mode); }
int fchmodat(int fd, const char *path, mode_t mode, int flags)
{
    FAULT(inside(path) && !forever)
    return REAL(fchmodat)(fd, path, mode, flags);
}
ssize_t sendfile(int to, int from, off_t *offset, size_t count)
{
    FAULT(inside_fd(to))
    return ((ssize_t(*)(int, int, off_t *, size_t))dlsym(RTLD_NEXT, "sendfile"))(to, from, offset, count);
}
ssize_t sendfile64(int to, int from, off_t *offset, size_t count)
{
    FAULT(inside_fd(to))
    return ((ssize_t(*)(int, int, off_t *, size_t))dlsym(RTLD_NEXT, "sendfile64"))(to, from, offset, count);
}

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *malloc(size_t size)
{
    if (target[1] && fails(1)) { errno = ENOMEM; return NULL; }
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size)
{
    if (target[1] && fails(1)) { errno = ENOMEM; return NULL; }
    return __libc_calloc(count, size);
}
void *realloc(void *old, size_t size)
{
    if (target[1] && fails(1)) { errno = ENOMEM; return NULL; }
    return __libc_realloc(old, size);
}
