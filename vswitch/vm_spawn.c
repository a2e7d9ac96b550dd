/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Starting a VM's process; see vm_spawn.h.
 */
#include "vswitch/vm_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_FREE 16 /* our ends lie above those that the process is to have */

extern char **environ;

/* What the process gets, before it gets it; -1: not open. */
struct ends {
	int null, out, log, config;
	int out_read;
};

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void ends_close(struct ends *e)
{
	shut(&e->null);
	shut(&e->out);
	shut(&e->log);
	shut(&e->config);
	shut(&e->out_read);
}

/* Out of the way of 0 to 3, which are about to become something else. */
static int move_up(int fd)
{
	int up = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE) : -1, code = errno;

	if (fd >= 0)
		close(fd);
	errno = code;
	return up;
}

static int config_file(const char *text)
{
	int fd = memfd_create("vm-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t size = strlen(text);

	if (fd < 0)
		return -1;
	if (write(fd, text, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int ends_open(const struct vs_vm_spawn *s, struct ends *e, struct err *err)
{
	int out[2] = {-1, -1};

	*e = (struct ends){-1, -1, -1, -1, -1};
	e->log =
		move_up(open(s->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
	if (e->log < 0)
		return err_set(err, -errno, "no-log", "cannot write to %.200s: %s", s->log,
			       strerror(errno));
	e->null = move_up(open("/dev/null", O_RDWR | O_CLOEXEC));
	e->config = move_up(config_file(s->config));
	if (pipe2(out, O_CLOEXEC) == 0) {
		e->out_read = move_up(out[0]);
		e->out = move_up(out[1]);
	}
	if (e->null >= 0 && e->config >= 0 && e->out >= 0 && e->out_read >= 0 &&
	    fcntl(e->out_read, F_SETFL, O_NONBLOCK) == 0)
		return 0;
	return err_set(err, -errno, "no-descriptors", "cannot start a VM's process: %s",
		       strerror(errno));
}

/* Those that are for us alone are left out: our service manager must not hear of the process. */
static char **environment(void)
{
	static const char *const ours[] = {"NOTIFY_SOCKET=", "LISTEN_", "WATCHDOG_", NULL};
	size_t n = 0, kept = 0;
	char **copy;

	while (environ[n] != NULL)
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; copy != NULL && i < n; i++) {
		unsigned k = 0;

		while (ours[k] != NULL && strncmp(environ[i], ours[k], strlen(ours[k])) != 0)
			k++;
		if (ours[k] == NULL)
			copy[kept++] = environ[i];
	}
	return copy;
}

static int set_up(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attr,
		  const struct ends *e)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	if (posix_spawn_file_actions_adddup2(actions, e->null, 0) != 0 ||
	    posix_spawn_file_actions_adddup2(actions, e->out, 1) != 0 ||
	    posix_spawn_file_actions_adddup2(actions, e->log, 2) != 0 ||
	    posix_spawn_file_actions_adddup2(actions, e->config, 3) != 0 ||
	    posix_spawn_file_actions_addclosefrom_np(actions, 4) != 0)
		return -ENOMEM;
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
	return posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF) != 0
		       ? -ENOMEM
		       : 0;
}

static int run(const struct vs_vm_spawn *s, const struct ends *e, pid_t *ret_pid)
{
	char program[4096], option[] = "--config-fd", fd[] = "3";
	char *argv[] = {program, option, fd, NULL}, **env = environment();
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc;

	snprintf(program, sizeof(program), "%s", s->program);
	if (posix_spawn_file_actions_init(&actions) != 0) {
		free(env);
		return -ENOMEM;
	}
	if (posix_spawnattr_init(&attr) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		free(env);
		return -ENOMEM;
	}
	rc = env != NULL ? set_up(&actions, &attr, e) : -ENOMEM;
	if (rc == 0)
		rc = -posix_spawn(ret_pid, program, &actions, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	free(env);
	return rc;
}

static int cannot_run(const struct vs_vm_spawn *s, int rc, struct err *err)
{
	err_set(err, rc, "no-vmworker", "cannot run %.200s: %s", s->program, strerror(-rc));
	err_why(err, "it is the process that a VM runs in");
	err_fix(err, "install it beside vswitchd, or start vswitchd with --vmworker PATH");
	return rc;
}

/* This thread stays on a core of its own; a VM's processors must not all share that one. */
static int run_on(const struct vs_vm_spawn *s, const struct ends *e, pid_t *ret_pid)
{
	cpu_set_t mine;
	bool moved = s->cpus != NULL && sched_getaffinity(0, sizeof(mine), &mine) == 0 &&
		     sched_setaffinity(0, sizeof(*s->cpus), s->cpus) == 0;
	int rc = run(s, e, ret_pid);

	if (moved)
		(void)sched_setaffinity(0, sizeof(mine), &mine);
	return rc;
}

int vs_vm_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd >= 0 ? fd : -errno;
}

int vs_vm_signal(int pidfd, int signal)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0 ? 0 : -errno;
}

int vs_vm_reap(int pidfd, int *ret_status)
{
	siginfo_t info = {0};

	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) != 0)
		return -errno;
	if (info.si_pid == 0)
		return -EAGAIN;
	/* As waitpid() would put it. */
	*ret_status =
		info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f;
	return 0;
}

int vs_vm_spawn(const struct vs_vm_spawn *s, pid_t *ret_pid, int *ret_pidfd, int *ret_out,
		struct err *err)
{
	struct ends e;
	pid_t pid = 0;
	int pidfd, rc = ends_open(s, &e, err);

	if (rc == 0) {
		rc = run_on(s, &e, &pid);
		if (rc != 0)
			cannot_run(s, rc, err);
	}
	pidfd = rc == 0 ? vs_vm_pidfd(pid) : -1;
	if (rc == 0 && pidfd < 0) {
		rc = err_set(err, pidfd, "no-descriptors", "cannot watch a VM's process: %s",
			     strerror(-pidfd));
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	if (rc == 0) {
		*ret_pid = pid;
		*ret_pidfd = pidfd;
		*ret_out = e.out_read;
		e.out_read = -1;
	}
	ends_close(&e);
	return rc;
}
