// Preloaded into a program, kills it at a chosen call that changes files, or lets calls fail; `docs/operations/crash-testing.md` says how.
//
//   CRASH_UNDER   folders, separated by `:`; only calls on what lies below them count
//   CRASH_SKIP    folders below those, and files, whose calls do not count all the same
//   CRASH_LIST    a file to which every counted call is written: number, kind, path; and `!` with
//                 the number for one that then failed
//   CRASH_BEFORE  kill the process instead of making this call, counted from 1
//   CRASH_AFTER   kill the process once this call has returned
//   CRASH_FAIL    let this call fail without making it
//   CRASH_FAIL_ON if 1, and every later one as well; a full disk still lets go and syncs
//   CRASH_ERRNO   the number of the error of those that fail
//   CRASH_READS   if 1, reads count as well
//   CRASH_DELAY   milliseconds by which every counted call is late
//   CRASH_STOP    stop the process (SIGSTOP) before the first counted call on a path with this in it
//   CRASH_NO_SYNC if 1, fsync and fdatasync below the folders do nothing, say they did, and do not count
//
// Calls of all threads share one count. The shim itself uses only raw system calls, so that it
// neither counts its own nor needs memory from an allocator that may be locked.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static atomic_long counted;
static const char *under, *skip;
static long before, after, fail;
static int list = -1, no_sync, fail_on, fail_errno, reads, delay;
static const char *stop;
static atomic_int stopped;
static long (*real_syscall)(long, ...);

static void *next(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) {
        static const char words[] = "crash shim: a function of the C library is missing\n";
        real_syscall(SYS_write, 2, words, sizeof words - 1);
        _exit(99);
    }
    return found;
}

__attribute__((constructor)) static void begin(void) {
    const char *text;
    real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    under = getenv("CRASH_UNDER");
    skip = getenv("CRASH_SKIP");
    before = (text = getenv("CRASH_BEFORE")) ? atol(text) : 0;
    after = (text = getenv("CRASH_AFTER")) ? atol(text) : 0;
    fail = (text = getenv("CRASH_FAIL")) ? atol(text) : 0;
    fail_on = (text = getenv("CRASH_FAIL_ON")) && strcmp(text, "1") == 0;
    fail_errno = (text = getenv("CRASH_ERRNO")) ? atoi(text) : EIO;
    delay = (text = getenv("CRASH_DELAY")) ? atoi(text) : 0;
    stop = getenv("CRASH_STOP");
    reads = (text = getenv("CRASH_READS")) && strcmp(text, "1") == 0;
    no_sync = (text = getenv("CRASH_NO_SYNC")) && strcmp(text, "1") == 0;
    if ((text = getenv("CRASH_LIST")))
        list = (int)real_syscall(SYS_openat, AT_FDCWD, text,
                                 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

// Says whether a path is one of the folders or lies below one.
static int is_in(const char *path, const char *folder) {
    while (folder && *folder) {
        size_t length = strcspn(folder, ":");
        if (length && !strncmp(path, folder, length) && (path[length] == '/' || !path[length]))
            return 1;
        folder += length + (folder[length] == ':');
    }
    return 0;
}

static int is_under(const char *path) { return is_in(path, under) && !is_in(path, skip); }

// Writes the path of an open file to `path`, and says whether there is one.
static int path_of_fd(int fd, char path[PATH_MAX]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = real_syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return path[0] == '/';
}

// Writes the path that `name` means below `folder` to `path`, and says whether that worked.
static int path_of_name(int folder, const char *name, char path[PATH_MAX]) {
    size_t length = 0;
    if (!name) return 0;
    if (name[0] != '/') {
        int found = folder == AT_FDCWD ? real_syscall(SYS_getcwd, path, PATH_MAX) > 0
                                       : path_of_fd(folder, path);
        if (!found) return 0;
        length = strlen(path);
        if (length + 2 > PATH_MAX) return 0;
        path[length++] = '/';
    }
    if (length + strlen(name) + 1 > PATH_MAX) return 0;
    strcpy(path + length, name);
    return 1;
}

static void die(void) {
    for (;;) real_syscall(SYS_kill, (long)getpid(), (long)SIGKILL);
}

// Counts a call and returns its number; does not return where the process has to die before it.
static long count(const char *kind, const char *path) {
    long number = atomic_fetch_add(&counted, 1) + 1;
    if (list >= 0) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%ld %s %s\n", number, kind, path);
        real_syscall(SYS_write, list, line, (long)length);
    }
    if (number == before) die();
    if (delay) {
        struct timespec pause = {delay / 1000, delay % 1000 * 1000000L};
        real_syscall(SYS_nanosleep, &pause, NULL);
    }
    if (stop && strstr(path, stop) && !atomic_exchange(&stopped, 1))
        // To this thread: one to the process may stop another first, and this one makes its call.
        real_syscall(SYS_tgkill, (long)getpid(), real_syscall(SYS_gettid), (long)SIGSTOP);
    return number;
}

// Says whether a counted call has to fail, and sets the error; a full disk lets go and syncs.
static int fails(long number, const char *kind) {
    if (!number || !fail || (fail_on ? number < fail : number != fail)) return 0;
    if (fail_on && fail_errno == ENOSPC &&
        (strstr(kind, "sync") || strstr(kind, "unlink") || strstr(kind, "rmdir") ||
         strstr(kind, "chmod") || strstr(kind, "read")))
        return 0;
    if (list >= 0) {
        char line[64];
        int length = snprintf(line, sizeof line, "! %ld\n", number);
        real_syscall(SYS_write, list, line, (long)length);
    }
    errno = fail_errno;
    return 1;
}

static long count_fd(const char *kind, int fd) {
    char path[PATH_MAX];
    int saved = errno;
    long number = fd > 2 && path_of_fd(fd, path) && is_under(path) ? count(kind, path) : 0;
    errno = saved;
    return number;
}

static long count_name(const char *kind, int folder, const char *name) {
    char path[PATH_MAX];
    int saved = errno;
    long number = path_of_name(folder, name, path) && is_under(path) ? count(kind, path) : 0;
    errno = saved;
    return number;
}

// Dies where the process has to die after this call, else hands its result on.
static long done(long number, long result) {
    if (number && result < 0 && list >= 0) {
        char line[64];
        int saved = errno, length = snprintf(line, sizeof line, "! %ld\n", number);
        real_syscall(SYS_write, list, line, (long)length);
        errno = saved;
    }
    if (number && number == after) die();
    return result;
}

#define CALL(type, name, parameters, arguments, counting)         \
    EXPORT type name parameters {                                 \
        static type(*real) parameters;                            \
        if (!real) real = (type(*) parameters)next(#name);        \
        long number = counting;                                   \
        if (fails(number, #name)) return (type)-1;                \
        return (type)done(number, (long)real arguments);          \
    }
#define ON_FD(type, name, parameters, arguments) \
    CALL(type, name, parameters, arguments, count_fd(#name, fd))
#define ON_NAME(type, name, parameters, arguments, folder, path) \
    CALL(type, name, parameters, arguments, count_name(#name, folder, path))

ON_FD(ssize_t, write, (int fd, const void *b, size_t n), (fd, b, n))
ON_FD(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
ON_FD(ssize_t, pwrite, (int fd, const void *b, size_t n, off_t o), (fd, b, n, o))
ON_FD(ssize_t, pwrite64, (int fd, const void *b, size_t n, off64_t o), (fd, b, n, o))
ON_FD(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t o), (fd, v, n, o))
ON_FD(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t o), (fd, v, n, o))
ON_FD(int, ftruncate, (int fd, off_t o), (fd, o))
ON_FD(int, ftruncate64, (int fd, off64_t o), (fd, o))
ON_FD(int, fallocate, (int fd, int m, off_t o, off_t n), (fd, m, o, n))
ON_FD(int, fallocate64, (int fd, int m, off64_t o, off64_t n), (fd, m, o, n))
ON_FD(int, fchmod, (int fd, mode_t m), (fd, m))
CALL(ssize_t, copy_file_range,
     (int from, off64_t *a, int fd, off64_t *b, size_t n, unsigned f), (from, a, fd, b, n, f),
     count_fd("copy_file_range", fd))
CALL(ssize_t, sendfile64, (int fd, int from, off64_t *o, size_t n), (fd, from, o, n),
     count_fd("sendfile64", fd))

#define READ(type, name, parameters, arguments) \
    CALL(type, name, parameters, arguments, reads ? count_fd(#name, fd) : 0)
READ(ssize_t, read, (int fd, void *b, size_t n), (fd, b, n))
READ(ssize_t, readv, (int fd, const struct iovec *v, int n), (fd, v, n))
READ(ssize_t, pread, (int fd, void *b, size_t n, off_t o), (fd, b, n, o))
READ(ssize_t, pread64, (int fd, void *b, size_t n, off64_t o), (fd, b, n, o))

ON_NAME(int, rename, (const char *a, const char *b), (a, b), AT_FDCWD, b)
ON_NAME(int, renameat, (int x, const char *a, int y, const char *b), (x, a, y, b), y, b)
ON_NAME(int, renameat2, (int x, const char *a, int y, const char *b, unsigned f),
        (x, a, y, b, f), y, b)
ON_NAME(int, link, (const char *a, const char *b), (a, b), AT_FDCWD, b)
ON_NAME(int, linkat, (int x, const char *a, int y, const char *b, int f), (x, a, y, b, f), y, b)
ON_NAME(int, symlink, (const char *a, const char *b), (a, b), AT_FDCWD, b)
ON_NAME(int, unlink, (const char *a), (a), AT_FDCWD, a)
ON_NAME(int, unlinkat, (int x, const char *a, int f), (x, a, f), x, a)
ON_NAME(int, rmdir, (const char *a), (a), AT_FDCWD, a)
ON_NAME(int, mkdir, (const char *a, mode_t m), (a, m), AT_FDCWD, a)
ON_NAME(int, mkdirat, (int x, const char *a, mode_t m), (x, a, m), x, a)
ON_NAME(int, chmod, (const char *a, mode_t m), (a, m), AT_FDCWD, a)

// The same as CALL, except that the call can be left out.
#define SYNC(name)                                                          \
    EXPORT int name(int fd) {                                               \
        static int (*real)(int);                                            \
        if (!real) real = (int (*)(int))next(#name);                        \
        if (no_sync) {                                                      \
            char path[PATH_MAX];                                            \
            if (path_of_fd(fd, path) && is_in(path, under)) return 0;          \
        }                                                                   \
        long number = count_fd(#name, fd);                                  \
        if (fails(number, #name)) return -1;                                \
        return (int)done(number, real(fd));                                 \
    }
SYNC(fsync)
SYNC(fdatasync)

// Opening counts only where it can make a file.
#define OPEN(name, parameters, arguments, folder)                           \
    EXPORT int name parameters {                                            \
        static int(*real) OPEN_##name;                                      \
        mode_t mode = 0;                                                    \
        if (!real) real = (int(*) OPEN_##name)next(#name);                  \
        if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) {          \
            va_list rest;                                                   \
            va_start(rest, flags);                                          \
            mode = va_arg(rest, mode_t);                                    \
            va_end(rest);                                                   \
        }                                                                   \
        long number = flags & (O_CREAT | O_TRUNC)                           \
                          ? count_name("open", folder, path) : 0;           \
        if (fails(number, "open")) return -1;                               \
        return (int)done(number, real arguments);                           \
    }
#define OPEN_open (const char *, int, ...)
#define OPEN_open64 (const char *, int, ...)
#define OPEN_openat (int, const char *, int, ...)
#define OPEN_openat64 (int, const char *, int, ...)
OPEN(open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode), folder)
OPEN(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode), folder)

// Calls that a program makes by number, past the functions above.
EXPORT long syscall(long call, ...) {
    long a[6], number = 0;
    va_list rest;
    va_start(rest, call);
    for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
    va_end(rest);
    if (!real_syscall) real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    const char *kind = "call";
    switch (call) {
    case SYS_renameat2: number = count_name("renameat2", (int)a[2], (const char *)a[3]); break;
    case SYS_linkat: number = count_name("linkat", (int)a[2], (const char *)a[3]); break;
    case SYS_unlinkat: kind = "unlinkat"; number = count_name("unlinkat", (int)a[0], (const char *)a[1]); break;
    case SYS_mkdirat: number = count_name("mkdirat", (int)a[0], (const char *)a[1]); break;
    case SYS_write: number = count_fd("write", (int)a[0]); break;
    case SYS_pwrite64: number = count_fd("pwrite64", (int)a[0]); break;
    case SYS_fsync: return fsync((int)a[0]);
    case SYS_fdatasync: return fdatasync((int)a[0]);
    case SYS_copy_file_range: number = count_fd("copy_file_range", (int)a[2]); break;
#ifdef SYS_openat2
    case SYS_openat2: number = count_name("openat2", (int)a[0], (const char *)a[1]); break;
#endif
    default: break;
    }
    if (fails(number, kind)) return -1;
    return done(number, real_syscall(call, a[0], a[1], a[2], a[3], a[4], a[5]));
}
