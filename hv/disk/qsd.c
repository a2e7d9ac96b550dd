/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See qsd.h.
 *
 * Its sockets are made here and given to it as descriptors, so that there is no moment in which it
 * is not ready, and no name by which somebody else could come first.
 */
#include "hv/disk/qsd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hv/disk/disk_priv.h"
#include "hv/disk/jail.h"

#define PROGRAM	  "qemu-storage-daemon"
#define END_MS	  3000
#define END_TRIES 100
#define MAX_WORDS 512

struct qsd {
	pid_t pid;
	int monitor; /* our end */
	int words;   /* what it writes to its standard error */
	bool ended;
};

/* The descriptors that the daemon gets. */
struct ends {
	int listener, monitor, words;
};

/* ---- The socket ---- */

/* A folder for it: given, or made for the moment. */
static int folder_find(const struct disk_spec *spec, char *path, size_t size, bool *ret_made)
{
	*ret_made = spec->folder == NULL;
	if (spec->folder != NULL)
		return snprintf(path, size, "%s", spec->folder) < (int)size ? 0 : -ENAMETOOLONG;
	snprintf(path, size, "/tmp/vmdisk.XXXXXX");
	return mkdtemp(path) != NULL ? 0 : -errno;
}

/* A listening socket and its only connection; its name is gone again when this returns. */
static int connect_pair(const struct disk_spec *spec, int *ret_listener, int *ret_socket)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char folder[80];
	bool made;
	int listener = -1, fd = -1;
	int rc = folder_find(spec, folder, sizeof(folder), &made);

	if (rc != 0)
		return rc;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/nbd.sock", folder);
	(void)unlink(addr.sun_path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || fd < 0 || bind(listener, (void *)&addr, sizeof(addr)) != 0 ||
	    listen(listener, 1) != 0 || connect(fd, (void *)&addr, sizeof(addr)) != 0)
		rc = -errno;
	(void)unlink(addr.sun_path);
	if (made)
		(void)rmdir(folder);
	if (rc != 0) {
		if (listener >= 0)
			close(listener);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	*ret_listener = listener;
	*ret_socket = fd;
	return 0;
}

/* ---- The process ---- */

/* A value of an option: commas are doubled. */
static void quote(char *to, size_t size, const char *value)
{
	size_t n = 0;

	for (; *value != 0 && n + 2 < size; value++) {
		to[n++] = *value;
		if (*value == ',')
			to[n++] = ',';
	}
	to[n] = 0;
}

static const char *driver(enum disk_format format)
{
	switch (format) {
	case DISK_FORMAT_QCOW2:
		return "qcow2";
	case DISK_FORMAT_VHD:
		return "vpc";
	case DISK_FORMAT_VHDX:
		return "vhdx";
	case DISK_FORMAT_RAW:
	case DISK_FORMAT_ISO:
	case DISK_N_FORMATS:
		break;
	}
	return "raw";
}

struct args {
	char image[PATH_MAX], folder[PATH_MAX]; /* without links on the way */
	char file[9000], format[256], server[64], export[64], chardev[64];
	char *v[16];
};

/* Discards go through to the file; what it holds is written as a whole, so zeros that a guest
 * writes stay zeros. */
static void args_make(struct args *a, const struct disk_spec *spec, const struct ends *ends)
{
	const char *read_only = spec->read_only ? "on" : "off";
	static char program[] = PROGRAM, chardev[] = "--chardev", monitor[] = "--monitor",
		    monitor_id[] = "chardev=monitor", blockdev[] = "--blockdev",
		    server[] = "--nbd-server", export[] = "--export";
	char *const v[] = {program,   chardev, a->chardev, monitor,   monitor_id,
			   blockdev,  a->file, blockdev,   a->format, server,
			   a->server, export,  a->export,  NULL};
	char path[8300];

	quote(path, sizeof(path), a->image);
	snprintf(a->file, sizeof(a->file),
		 "driver=file,node-name=file,filename=%s,locking=on,discard=unmap,"
		 "read-only=%s,cache.direct=%s,cache.no-flush=%s",
		 path, read_only, spec->cache == DISK_CACHE_DIRECT ? "on" : "off",
		 spec->cache == DISK_CACHE_UNSAFE ? "on" : "off");
	snprintf(a->format, sizeof(a->format),
		 "driver=%s,node-name=disk,file=file,discard=unmap,read-only=%s,cache.direct=%s,"
		 "cache.no-flush=%s",
		 driver(spec->format), read_only, spec->cache == DISK_CACHE_DIRECT ? "on" : "off",
		 spec->cache == DISK_CACHE_UNSAFE ? "on" : "off");
	snprintf(a->server, sizeof(a->server), "addr.type=fd,addr.str=%d,max-connections=1",
		 ends->listener);
	snprintf(a->export, sizeof(a->export), "nbd,id=disk,node-name=disk,name=,writable=%s",
		 spec->read_only ? "off" : "on");
	snprintf(a->chardev, sizeof(a->chardev), "socket,id=monitor,fd=%d", ends->monitor);
	memcpy(a->v, v, sizeof(v));
}

static void keep_open(int fd)
{
	(void)fcntl(fd, F_SETFD, 0);
}

static void child_fails(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
	_exit(127);
}

/* In the child, between fork and exec: only calls that are safe there. */
static void child(const struct disk_spec *spec, const struct ends *ends, struct args *args,
		  pid_t parent)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)syscall(SYS_close_range, 3, UINT_MAX, CLOSE_RANGE_CLOEXEC);
	keep_open(ends->listener);
	keep_open(ends->monitor);
	if (dup2(ends->words, STDERR_FILENO) < 0 || dup2(ends->words, STDOUT_FILENO) < 0)
		_exit(127);
	if (disk_jail_enter(spec->uid, spec->gid, args->image, args->folder) != 0)
		child_fails("cannot lock itself in\n");
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(0);
	execvp(PROGRAM, args->v);
	child_fails(errno == ENOENT ? "it is not installed (qemu-system-common)\n"
				    : "it cannot be run\n");
}

/* Where the image is, and its folder. */
static bool place_find(struct args *a, const char *path)
{
	char *slash;

	if (realpath(path, a->image) == NULL)
		return false;
	memcpy(a->folder, a->image, sizeof(a->folder));
	slash = strrchr(a->folder, '/');
	slash[slash == a->folder ? 1 : 0] = 0;
	return true;
}

static int spawn(struct qsd *q, const struct disk_spec *spec, const struct ends *ends)
{
	struct args *args = malloc(sizeof(*args));
	pid_t parent = getpid();

	if (args == NULL)
		return -ENOMEM;
	if (!place_find(args, spec->path)) {
		free(args);
		return -errno;
	}
	args_make(args, spec, ends);
	q->pid = fork();
	if (q->pid == 0)
		child(spec, ends, args, parent);
	free(args);
	return q->pid < 0 ? -errno : 0;
}

static void close_ends(struct ends *ends)
{
	if (ends->listener >= 0)
		close(ends->listener);
	if (ends->monitor >= 0)
		close(ends->monitor);
	if (ends->words >= 0)
		close(ends->words);
}

static int start(struct qsd *q, const struct disk_spec *spec, int *ret_socket)
{
	struct ends ends = {-1, -1, -1};
	int monitor[2], words[2], rc;

	rc = connect_pair(spec, &ends.listener, ret_socket);
	if (rc != 0)
		return rc;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, monitor) != 0) {
		rc = -errno;
	} else {
		q->monitor = monitor[0];
		ends.monitor = monitor[1];
		if (pipe2(words, O_CLOEXEC | O_NONBLOCK) != 0) {
			rc = -errno;
		} else {
			q->words = words[0];
			ends.words = words[1];
			rc = spawn(q, spec, &ends);
		}
	}
	close_ends(&ends);
	if (rc != 0)
		close(*ret_socket);
	return rc;
}

int qsd_start(const struct disk_spec *spec, struct qsd **ret_qsd, int *ret_socket, struct err *err)
{
	static const char hello[] = "{\"execute\":\"qmp_capabilities\"}\n";
	struct qsd *q;
	int rc;

	if (access(spec->path, R_OK) != 0)
		return err_set(err, -errno, DISK_SLUG, "disk '%s': cannot open %s: %s", spec->name,
			       spec->path, strerror(errno));
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return err_set(err, -ENOMEM, DISK_SLUG, "disk '%s': no memory", spec->name);
	q->monitor = q->words = -1;
	rc = start(q, spec, ret_socket);
	if (rc != 0) {
		qsd_end(q);
		return err_set(err, rc, DISK_SLUG, "disk '%s': cannot start " PROGRAM ": %s",
			       spec->name, strerror(-rc));
	}
	(void)!write(q->monitor, hello, sizeof(hello) - 1);
	*ret_qsd = q;
	return 0;
}

/* ---- Its end ---- */

bool qsd_alive(struct qsd *qsd)
{
	int status;

	if (qsd->pid <= 0 || qsd->ended)
		return false;
	if (waitpid(qsd->pid, &status, WNOHANG) == qsd->pid)
		qsd->ended = true;
	return !qsd->ended;
}

void qsd_words(struct qsd *qsd, char *text, unsigned size)
{
	ssize_t n = read(qsd->words, text, size - 1);

	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	for (char *c = text; *c != 0; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

/* Who is locked in may not end processes: it asks, and its own end does the rest. */
void qsd_end(struct qsd *qsd)
{
	static const char quit[] = "{\"execute\":\"quit\"}\n";
	struct pollfd gone;

	if (qsd == NULL)
		return;
	gone = (struct pollfd){.fd = qsd->words, .events = 0};
	if (qsd->pid > 0 && !qsd->ended) {
		(void)send(qsd->monitor, quit, sizeof(quit) - 1, MSG_NOSIGNAL);
		(void)poll(&gone, 1, END_MS); /* its end of the pipe is closed */
		/* Its descriptors go a moment before it does. */
		for (unsigned i = 0; i < END_TRIES && qsd_alive(qsd); i++)
			usleep(2000);
	}
	if (qsd->monitor >= 0)
		close(qsd->monitor);
	if (qsd->words >= 0)
		close(qsd->words);
	free(qsd);
}
