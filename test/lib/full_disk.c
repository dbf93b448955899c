/*
 * test/lib/full_disk.c: a small file system for who may not mount one.
 *
 * Preloaded into a server (LD_PRELOAD), it lets the files below
 * EVENTLOG_DISK grow by as many bytes as the 64-bit number in the file
 * EVENTLOG_DISK_LEFT says; then whatever would make one longer gets ENOSPC.
 * What is made shorter or removed gives its bytes back.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int64_t *left;
static char disk[PATH_MAX];

__attribute__((constructor))
static void
begin(void)
{
	const char *path = getenv("EVENTLOG_DISK_LEFT");
	const char *folder = getenv("EVENTLOG_DISK");
	int			fd = path && folder && realpath(folder, disk) ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	left = mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (left == MAP_FAILED)
		left = NULL;
	close(fd);
}

static int
below_disk(const char *path)
{
	size_t		len = strlen(disk);

	return strncmp(path, disk, len) == 0 && path[len] == '/';
}

static int
is_ours(int fd)
{
	char		link[64];
	char		path[PATH_MAX];
	ssize_t		n;

	if (left == NULL)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return 0;
	path[n] = '\0';
	return below_disk(path);
}

/* 0, or -1 and ENOSPC: the file shall reach to end */
static int
grow(int fd, off_t end)
{
	struct stat st;
	int64_t		more;

	if (!is_ours(fd) || fstat(fd, &st) != 0 || end <= st.st_size)
		return 0;
	more = end - st.st_size;
	if (__atomic_fetch_sub(left, more, __ATOMIC_SEQ_CST) >= more)
		return 0;
	__atomic_fetch_add(left, more, __ATOMIC_SEQ_CST);
	errno = ENOSPC;
	return -1;
}

static void
give_back(off_t bytes)
{
	if (bytes > 0)
		__atomic_fetch_add(left, bytes, __ATOMIC_SEQ_CST);
}

static off_t
size_of_ours(const char *path)
{
	char		real[PATH_MAX];
	struct stat st;

	return left != NULL && realpath(path, real) != NULL && below_disk(real) &&
		stat(real, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 ? st.st_size : 0;
}

static off_t
vector_size(const struct iovec *iov, int n)
{
	off_t		size = 0;

	while (n-- > 0)
		size += (iov++)->iov_len;
	return size;
}

#define REAL(name) \
	static __typeof__(&name) real; \
	if (real == NULL) \
		real = (__typeof__(&name)) dlsym(RTLD_NEXT, #name)

ssize_t
pwrite(int fd, const void *buf, size_t n, off_t at)
{
	REAL(pwrite);
	return grow(fd, at + n) ? -1 : real(fd, buf, n, at);
}

ssize_t
pwrite64(int fd, const void *buf, size_t n, off64_t at)
{
	REAL(pwrite64);
	return grow(fd, at + n) ? -1 : real(fd, buf, n, at);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
	REAL(pwritev);
	return grow(fd, at + vector_size(iov, n)) ? -1 : real(fd, iov, n, at);
}

ssize_t
pwritev64(int fd, const struct iovec *iov, int n, off64_t at)
{
	REAL(pwritev64);
	return grow(fd, at + vector_size(iov, n)) ? -1 : real(fd, iov, n, at);
}

int
posix_fallocate(int fd, off_t at, off_t n)
{
	REAL(posix_fallocate);
	return grow(fd, at + n) ? ENOSPC : real(fd, at, n);
}

int
posix_fallocate64(int fd, off64_t at, off64_t n)
{
	REAL(posix_fallocate64);
	return grow(fd, at + n) ? ENOSPC : real(fd, at, n);
}

static int
shorten(int fd, off_t size, int (*real) (int, off_t))
{
	struct stat st = {0};
	int			rc;

	if (is_ours(fd))
		(void) fstat(fd, &st);
	rc = real(fd, size);
	if (rc == 0)
		give_back(st.st_size - size);
	return rc;
}

int
ftruncate(int fd, off_t size)
{
	REAL(ftruncate);
	return shorten(fd, size, real);
}

int
ftruncate64(int fd, off64_t size)
{
	REAL(ftruncate64);
	return shorten(fd, size, real);
}

static int
shorten_path(const char *path, off_t size, int (*real) (const char *, off_t))
{
	off_t		before = size_of_ours(path);
	int			rc = real(path, size);

	if (rc == 0)
		give_back(before - size);
	return rc;
}

int
truncate(const char *path, off_t size)
{
	REAL(truncate);
	return shorten_path(path, size, real);
}

int
truncate64(const char *path, off64_t size)
{
	REAL(truncate64);
	return shorten_path(path, size, real);
}

int
unlink(const char *path)
{
	off_t		before = size_of_ours(path);
	int			rc;

	REAL(unlink);
	rc = real(path);
	if (rc == 0)
		give_back(before);
	return rc;
}
