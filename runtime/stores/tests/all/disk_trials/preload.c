/* Preloaded into a process, it stands between the process and the files below one folder (DISK_TRIAL_ROOT).
 *
 * It writes a tape (DISK_TRIAL_TAPE) of what was written where, and what was synced: the test plays the tape to any
 * point and drops what no sync had covered. And it lets calls fail (DISK_TRIAL_FAIL, "FIRST COUNT ERRNO"): so many
 * calls that change something, from the first one on, do nothing but give that error. While there is a file
 * DISK_TRIAL_FULL, all of them say that there is no space. DISK_TRIAL_COUNT is told how many there were. Or one file's
 * fdatasync does nothing and says that it did (DISK_TRIAL_DEAF, its path): so a process is as one that was built
 * without it.
 *
 * One lock stands around each call and its line on the tape, so that the tape has the order of the effects.
 * A line: op, fd, offset, lengths of two parts, the parts; numbers are little-endian. See tape.rs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 4096
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int tape = -1;
static char root[PATH_MAX];
static const char *deaf;
#define IS_DEAF 2
static size_t root_length;
static unsigned char tracked[FDS];
static unsigned long calls, fail_first, fail_count;
static int fail_with;
static const char *full_while, *count_into;

#define REAL(type, name, ...) static type (*real_##name)(__VA_ARGS__)
REAL(int, open64, const char *, int, ...);
REAL(int, openat64, int, const char *, int, ...);
REAL(int, close, int);
REAL(ssize_t, write, int, const void *, size_t);
REAL(ssize_t, writev, int, const struct iovec *, int);
REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
REAL(int, ftruncate64, int, off64_t);
REAL(int, fsync, int);
REAL(int, fdatasync, int);
REAL(int, rename, const char *, const char *);
REAL(int, unlink, const char *);
REAL(int, unlinkat, int, const char *, int);
REAL(int, rmdir, const char *);
REAL(int, mkdir, const char *, mode_t);

__attribute__((constructor)) static void begin(void) {
#define FIND(name) real_##name = dlsym(RTLD_NEXT, #name)
  FIND(open64); FIND(openat64); FIND(close); FIND(write); FIND(writev); FIND(pwrite64); FIND(ftruncate64);
  FIND(fsync); FIND(fdatasync); FIND(rename); FIND(unlink); FIND(unlinkat); FIND(rmdir); FIND(mkdir);
  const char *folder = getenv("DISK_TRIAL_ROOT"), *path = getenv("DISK_TRIAL_TAPE"), *fail = getenv("DISK_TRIAL_FAIL");
  full_while = getenv("DISK_TRIAL_FULL"), count_into = getenv("DISK_TRIAL_COUNT");
  if (!folder) return;
  deaf = getenv("DISK_TRIAL_DEAF");
  root_length = strlen(folder);
  memcpy(root, folder, root_length + 1);
  if (path) tape = real_open64(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fail && sscanf(fail, "%lu %lu %d", &fail_first, &fail_count, &fail_with) != 3) abort();
}

__attribute__((destructor)) static void end(void) {
  char text[32];
  int fd = count_into ? real_open64(count_into, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
  if (fd >= 0 && real_write(fd, text, (size_t)snprintf(text, sizeof text, "%lu", calls)) < 0) abort();
}

/* Whether the next call fails. Under the lock. */
static int fails(void) {
  unsigned long number = calls++;
  if (full_while && access(full_while, F_OK) == 0) {
    errno = ENOSPC;
    return 1;
  }
  if (number < fail_first || number - fail_first >= fail_count) return 0;
  errno = fail_with;
  return 1;
}

static int below(const char *path) {
  return root_length > 0 && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static int known(int fd) { return fd >= 0 && fd < FDS && tracked[fd]; }

static void put(const void *bytes, size_t length) {
  for (const char *at = bytes; length > 0;) {
    ssize_t n = real_write(tape, at, length);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) abort(); /* a tape with a gap would prove nothing */
    at += n, length -= (size_t)n;
  }
}

static void line(char op, int fd, uint64_t offset, const void *a, size_t a_length, const void *b, size_t b_length) {
  if (tape < 0) return;
  unsigned char head[21];
  uint32_t numbers[3] = {(uint32_t)fd, (uint32_t)a_length, (uint32_t)b_length};
  head[0] = (unsigned char)op;
  memcpy(head + 1, &numbers[0], 4), memcpy(head + 5, &offset, 8);
  memcpy(head + 13, &numbers[1], 4), memcpy(head + 17, &numbers[2], 4);
  int kept = errno;
  put(head, sizeof head), put(a, a_length), put(b, b_length);
  errno = kept;
}

static void text(char op, const char *a, const char *b) { line(op, -1, 0, a, strlen(a), b, b ? strlen(b) : 0); }

/* The absolute path of what is named below an open folder. */
static int absolute(int folder, const char *path, char out[PATH_MAX]) {
  if (path[0] == '/') return snprintf(out, PATH_MAX, "%s", path) < PATH_MAX;
  if (folder == AT_FDCWD) return 0;
  char link[64], base[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
  ssize_t n = readlink(link, base, sizeof base - 1);
  if (n <= 0) return 0;
  base[n] = 0;
  return snprintf(out, PATH_MAX, "%s/%s", base, path) < PATH_MAX;
}

static int opened(int folder, const char *path, int flags, mode_t mode) {
  char full[PATH_MAX];
  if (!absolute(folder, path, full) || !below(full)) return real_openat64(folder, path, flags, mode);
  pthread_mutex_lock(&lock);
  int fresh = (flags & O_CREAT) && access(full, F_OK) != 0;
  int fd = (flags & (O_CREAT | O_TRUNC)) && fails() ? -1 : real_openat64(folder, path, flags, mode);
  if (fd >= FDS) abort();
  if (fd >= 0) {
    tracked[fd] = deaf && strcmp(full, deaf) == 0 ? IS_DEAF : 1;
    line('o', fd, (uint64_t)(fresh | ((flags & O_TRUNC) ? 2 : 0)), full, strlen(full), "", 0);
  }
  pthread_mutex_unlock(&lock);
  return fd;
}

static mode_t mode_of(int flags, va_list rest) {
  return (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return opened(AT_FDCWD, path, flags, mode);
}
int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return opened(AT_FDCWD, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return opened(folder, path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return opened(folder, path, flags, mode);
}

int close(int fd) {
  if (!known(fd)) return real_close(fd);
  pthread_mutex_lock(&lock);
  tracked[fd] = 0;
  int outcome = real_close(fd);
  pthread_mutex_unlock(&lock);
  return outcome;
}

ssize_t write(int fd, const void *bytes, size_t length) {
  if (!known(fd)) return real_write(fd, bytes, length);
  pthread_mutex_lock(&lock);
  ssize_t n = fails() ? -1 : real_write(fd, bytes, length);
  if (n > 0) line('w', fd, (uint64_t)lseek64(fd, 0, SEEK_CUR) - (uint64_t)n, bytes, (size_t)n, "", 0);
  pthread_mutex_unlock(&lock);
  return n;
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (!known(fd)) return real_writev(fd, parts, count);
  return count > 0 ? write(fd, parts[0].iov_base, parts[0].iov_len) : 0;
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  if (!known(fd)) return real_pwrite64(fd, bytes, length, offset);
  pthread_mutex_lock(&lock);
  ssize_t n = fails() ? -1 : real_pwrite64(fd, bytes, length, offset);
  if (n > 0) line('w', fd, (uint64_t)offset, bytes, (size_t)n, "", 0);
  pthread_mutex_unlock(&lock);
  return n;
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }

#define BY_FD(op, call, offset) \
  if (!known(fd)) return call; \
  pthread_mutex_lock(&lock); \
  int outcome = fails() ? -1 : call; \
  if (outcome == 0) line(op, fd, (uint64_t)(offset), "", 0, "", 0); \
  pthread_mutex_unlock(&lock); \
  return outcome;

int ftruncate64(int fd, off64_t length) { BY_FD('t', real_ftruncate64(fd, length), length) }
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }
int fsync(int fd) { BY_FD('s', real_fsync(fd), 0) }
int fdatasync(int fd) {
  if (known(fd) && tracked[fd] == IS_DEAF) return 0;
  BY_FD('d', real_fdatasync(fd), 0)
}

#define BY_PATH(op, path, other, call) \
  if (!below(path)) return call; \
  pthread_mutex_lock(&lock); \
  int outcome = fails() ? -1 : call; \
  if (outcome == 0) text(op, path, other); \
  pthread_mutex_unlock(&lock); \
  return outcome;

int rename(const char *from, const char *to) { BY_PATH('r', from, to, real_rename(from, to)) }
int unlink(const char *path) { BY_PATH('u', path, "", real_unlink(path)) }
int rmdir(const char *path) { BY_PATH('u', path, "", real_rmdir(path)) }
int mkdir(const char *path, mode_t mode) { BY_PATH('m', path, "", real_mkdir(path, mode)) }
int unlinkat(int folder, const char *path, int flags) {
  char full[PATH_MAX];
  if (!absolute(folder, path, full)) return real_unlinkat(folder, path, flags);
  BY_PATH('u', full, "", real_unlinkat(folder, path, flags))
}
