/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A process that is locked in tries to get out, each way in a child of its own: what it holds goes
 * on working, all else is refused, or ends it.
 */
#include "hv/worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/kvm.h>

#include <cmocka.h>

#define UID 1879050001

/* How a child ended. */
#define DID	0   /* it could */
#define REFUSED 1   /* an errno */
#define ENDED	159 /* 128 + SIGSYS: the filter's word */
#define BROKEN	3   /* it was not locked in at all */

struct state {
	char dir[64];
	int pipe[2];
};

/* A way out: true when it led out. */
typedef bool attempt_fn(const struct state *s);

static struct sandbox_opts options(const struct state *s)
{
	return (struct sandbox_opts){
		.uid = UID, .gid = UID, .dir = s->dir, .n_files = 64, .n_processes = 16};
}

static int try_inside(const struct state *s, attempt_fn *attempt)
{
	struct sandbox_opts opts = options(s);
	struct err err = {0};

	if (sandbox_prepare(&opts, &err) != 0 || sandbox_enter(&opts, &err) != 0) {
		fprintf(stderr, "%s\n", err.what);
		return BROKEN;
	}
	return attempt(s) ? DID : REFUSED;
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int try_out(const struct state *s, attempt_fn *attempt)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(try_inside(s, attempt));
	return end_of(pid);
}

static int setup(void **state)
{
	static struct state s;

	snprintf(s.dir, sizeof(s.dir), "/tmp/sandbox_test.XXXXXX");
	assert_non_null(mkdtemp(s.dir));
	assert_int_equal(chmod(s.dir, 0755), 0);
	assert_int_equal(pipe2(s.pipe, O_CLOEXEC), 0);
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	close(s->pipe[0]);
	close(s->pipe[1]);
	return rmdir(s->dir);
}

/* ---- Paths ---- */

static bool opens(const char *path)
{
	return open(path, O_RDONLY) >= 0 || syscall(SYS_open, path, O_RDONLY) >= 0;
}

static bool open_files(const struct state *s)
{
	return opens("/etc/passwd") || opens("/proc/self/maps") || opens("/dev/kvm") ||
	       opens(".") || opens("/") || opens("../../../../etc/passwd");
}

static bool make_file(const struct state *s)
{
	return open("/x", O_CREAT | O_RDWR, 0600) >= 0;
}

static bool look(const struct state *s)
{
	struct stat st;
	char text[64];

	return stat("/etc", &st) == 0 || access("/etc", F_OK) == 0 ||
	       readlink("/proc/self/exe", text, sizeof(text)) >= 0;
}

static bool mount_proc(const struct state *s)
{
	return mount("proc", "/", "proc", 0, NULL) == 0;
}

static bool leave_root(const struct state *s)
{
	return chroot("/") == 0;
}

static bool unlink_file(const struct state *s)
{
	return unlink(s->dir) == 0;
}

static void paths_lead_nowhere(void **state)
{
	assert_int_equal(try_out(*state, open_files), REFUSED);
	assert_int_equal(try_out(*state, make_file), REFUSED);
	assert_int_equal(try_out(*state, look), REFUSED);
	assert_int_equal(try_out(*state, mount_proc), ENDED);
	assert_int_equal(try_out(*state, leave_root), ENDED);
	assert_int_equal(try_out(*state, unlink_file), ENDED);
}

/* ---- Sockets ---- */

static bool make_inet(const struct state *s)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static bool make_unix(const struct state *s)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool make_packet(const struct state *s)
{
	return socket(AF_PACKET, SOCK_RAW, 0) >= 0;
}

static bool make_netlink(const struct state *s)
{
	return socket(AF_NETLINK, SOCK_RAW, 0) >= 0;
}

static bool make_ring(const struct state *s)
{
	char params[120] = {0};

	return syscall(SYS_io_uring_setup, 8, params) >= 0;
}

static bool connect_one(const struct state *s)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "/run/dbus/socket"};

	return connect(s->pipe[0], (struct sockaddr *)&addr, sizeof(addr)) == 0;
}

static void no_socket_is_made_or_connected(void **state)
{
	assert_int_equal(try_out(*state, make_inet), ENDED);
	assert_int_equal(try_out(*state, make_unix), ENDED);
	assert_int_equal(try_out(*state, make_packet), ENDED);
	assert_int_equal(try_out(*state, make_netlink), ENDED);
	assert_int_equal(try_out(*state, make_ring), ENDED);
	assert_int_equal(try_out(*state, connect_one), ENDED);
}

/* ---- Processes ---- */

static bool make_process(const struct state *s)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool make_process_by_hand(const struct state *s)
{
	return syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0) >= 0;
}

static bool run_program(const struct state *s)
{
	static char *const argv[] = {NULL};

	execve("/bin/true", argv, argv);
	return false;
}

static bool kill_other(const struct state *s)
{
	return kill(1, SIGCONT) == 0;
}

static bool kill_thread_of_other(const struct state *s)
{
	return syscall(SYS_tgkill, 1, 1, SIGCONT) == 0;
}

static bool trace(const struct state *s)
{
	return ptrace(PTRACE_ATTACH, 1, NULL, NULL) == 0;
}

static bool read_other(const struct state *s)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {&byte, 1};

	return process_vm_readv(1, &here, 1, &there, 1, 0) == 1;
}

static bool become_root(const struct state *s)
{
	return setuid(0) == 0;
}

static bool make_user_space(const struct state *s)
{
	return unshare(CLONE_NEWUSER) == 0;
}

static bool join_space(const struct state *s)
{
	return setns(s->pipe[0], 0) == 0;
}

static void no_other_process_is_reached(void **state)
{
	assert_int_equal(try_out(*state, make_process), ENDED);
	assert_int_equal(try_out(*state, make_process_by_hand), ENDED);
	assert_int_equal(try_out(*state, run_program), ENDED);
	assert_int_equal(try_out(*state, kill_other), ENDED);
	assert_int_equal(try_out(*state, kill_thread_of_other), ENDED);
	assert_int_equal(try_out(*state, trace), ENDED);
	assert_int_equal(try_out(*state, read_other), ENDED);
	assert_int_equal(try_out(*state, become_root), ENDED);
	assert_int_equal(try_out(*state, make_user_space), ENDED);
	assert_int_equal(try_out(*state, join_space), ENDED);
}

/* ---- Code, and the kernel ---- */

static bool map_code(const struct state *s)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED;
}

static bool make_code(const struct state *s)
{
	static _Alignas(4096) char page[4096];

	return mprotect(page, sizeof(page), PROT_READ | PROT_WRITE | PROT_EXEC) == 0;
}

static bool make_machine(const struct state *s)
{
	return ioctl(s->pipe[0], KVM_CREATE_VM, 0) >= 0;
}

static bool push_terminal(const struct state *s)
{
	return ioctl(s->pipe[0], TIOCSTI, "x") == 0;
}

static bool load_module(const struct state *s)
{
	return syscall(SYS_finit_module, s->pipe[0], "", 0) == 0;
}

static bool load_program(const struct state *s)
{
	return syscall(SYS_bpf, 0, NULL, 0) >= 0;
}

static bool watch_faults(const struct state *s)
{
	return syscall(SYS_userfaultfd, 0) >= 0;
}

static bool catch_the_end(const struct state *s)
{
	return signal(SIGSYS, SIG_IGN) != SIG_ERR;
}

/* The kernel looks at the lower half of a signal's number. */
static bool catch_the_end_by_half(const struct state *s)
{
	struct {
		void *handler;
		unsigned long flags, restorer, mask;
	} action = {.handler = (void *)1};

	return syscall(SYS_rt_sigaction, 0x100000000l | SIGSYS, &action, NULL, 8) == 0;
}

static bool trust_other_calls(const struct state *s)
{
	long rc;

	/* The calls of 32-bit programs have other numbers: 5 is open. */
	__asm__ volatile("int $0x80" : "=a"(rc) : "0"(5L), "b"(0L), "c"(0L), "d"(0L) : "memory");
	return rc >= 0;
}

static void no_code_and_no_kernel(void **state)
{
	assert_int_equal(try_out(*state, map_code), ENDED);
	assert_int_equal(try_out(*state, make_code), ENDED);
	assert_int_equal(try_out(*state, make_machine), ENDED);
	assert_int_equal(try_out(*state, push_terminal), ENDED);
	assert_int_equal(try_out(*state, load_module), ENDED);
	assert_int_equal(try_out(*state, load_program), ENDED);
	assert_int_equal(try_out(*state, watch_faults), ENDED);
	assert_int_equal(try_out(*state, catch_the_end), ENDED);
	assert_int_equal(try_out(*state, catch_the_end_by_half), ENDED);
	assert_int_equal(try_out(*state, trust_other_calls), ENDED);
}

/* ---- Threads ---- */

static void *open_in_thread(void *opened)
{
	*(bool *)opened = opens("/etc/passwd");
	(void)!socket(AF_UNIX, SOCK_STREAM, 0);
	*(bool *)opened = true;
	return NULL;
}

static bool try_in_new_thread(const struct state *s)
{
	bool opened = false;
	pthread_t thread;

	if (pthread_create(&thread, NULL, open_in_thread, &opened) != 0)
		return false;
	pthread_join(thread, NULL);
	return opened;
}

struct early {
	int go_fd;
	bool could;
};

static void *wait_then_open(void *arg)
{
	struct early *early = arg;
	eventfd_t n;

	(void)eventfd_read(early->go_fd, &n);
	early->could = opens("/etc/passwd") || getuid() == 0;
	(void)!socket(AF_UNIX, SOCK_STREAM, 0);
	early->could = true;
	return NULL;
}

/* A thread that was there before. */
static int try_in_old_thread(const struct state *s)
{
	struct early early = {.go_fd = eventfd(0, 0)};
	struct sandbox_opts opts = options(s);
	pthread_t thread;

	if (sandbox_prepare(&opts, NULL) != 0 ||
	    pthread_create(&thread, NULL, wait_then_open, &early) != 0 ||
	    sandbox_enter(&opts, NULL) != 0)
		return BROKEN;
	(void)eventfd_write(early.go_fd, 1);
	pthread_join(thread, NULL);
	return early.could ? DID : REFUSED;
}

static void threads_before_and_after_are_locked_in(void **state)
{
	pid_t pid;

	assert_int_equal(try_out(*state, try_in_new_thread), ENDED);
	pid = fork();
	if (pid == 0)
		_exit(try_in_old_thread(*state));
	assert_int_equal(end_of(pid), ENDED);
}

/* ---- What it is, and what goes on ---- */

static bool is_somebody(const struct state *s)
{
	return getuid() == 0 || geteuid() == 0 || getgid() == 0;
}

static bool works(const struct state *s)
{
	char byte = 'x';
	void *memory =
		mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct stat st;

	return write(s->pipe[1], &byte, 1) == 1 && read(s->pipe[0], &byte, 1) == 1 &&
	       memory != MAP_FAILED && munmap(memory, 1 << 20) == 0 && malloc(1 << 22) != NULL &&
	       fstat(s->pipe[0], &st) == 0 && eventfd(0, EFD_CLOEXEC) >= 0 &&
	       fcntl(s->pipe[0], F_SETFL, O_NONBLOCK) == 0;
}

static bool hoard(const struct state *s)
{
	unsigned n = 0;

	while (n < 200 && eventfd(0, 0) >= 0)
		n++;
	return n > 64;
}

static void what_it_holds_goes_on_working(void **state)
{
	assert_int_equal(try_out(*state, is_somebody), REFUSED);
	assert_int_equal(try_out(*state, works), DID);
	assert_int_equal(try_out(*state, hoard), REFUSED);
}

/* Root without the right to raise a limit, as in a container. */
static int try_with_little(const struct state *s)
{
	const struct rlimit little = {.rlim_cur = 65536, .rlim_max = 65536};
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2];
	struct sandbox_opts opts = options(s);

	opts.n_locked = UINT64_C(1) << 40;
	if (setrlimit(RLIMIT_MEMLOCK, &little) != 0 || syscall(SYS_capget, &header, caps) != 0)
		return BROKEN;
	caps[0].effective &= ~(1U << CAP_SYS_RESOURCE);
	caps[0].permitted &= ~(1U << CAP_SYS_RESOURCE);
	if (syscall(SYS_capset, &header, caps) != 0 || sandbox_prepare(&opts, NULL) != 0 ||
	    sandbox_enter(&opts, NULL) != 0)
		return BROKEN;
	return is_somebody(s) || !works(s) ? DID : REFUSED;
}

static void who_may_pin_little_is_locked_in_all_the_same(void **state)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(try_with_little(*state));
	assert_int_equal(end_of(pid), REFUSED);
}

/* What the kernel says of a process that is locked in and waits. */
static void status_of(pid_t pid, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	n = read(fd, text, size - 1);
	assert_true(n > 0);
	text[n] = '\0';
	close(fd);
}

static bool same_space(pid_t pid, const char *name)
{
	char path[64], mine[64] = "", its[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	assert_true(readlink(path, its, sizeof(its) - 1) > 0);
	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	assert_true(readlink(path, mine, sizeof(mine) - 1) > 0);
	return strcmp(mine, its) == 0;
}

static bool wait_for_word(const struct state *s)
{
	char byte = 0;

	return write(s->pipe[1], &byte, 1) == 1 && poll(NULL, 0, -1) == 0;
}

static void the_kernel_sees_it_locked_in(void **state)
{
	static const char *const spaces[] = {"mnt", "net", "ipc", "uts"};
	struct state *s = *state;
	char text[8192], byte;
	pid_t pid = fork();

	if (pid == 0) {
		_exit(try_inside(s, wait_for_word));
	}
	assert_int_equal(read(s->pipe[0], &byte, 1), 1);
	status_of(pid, text, sizeof(text));
	assert_non_null(strstr(text, "CapPrm:\t0000000000000000"));
	assert_non_null(strstr(text, "CapEff:\t0000000000000000"));
	assert_non_null(strstr(text, "NoNewPrivs:\t1"));
	assert_non_null(strstr(text, "Seccomp:\t2"));
	for (unsigned i = 0; i < 4; i++)
		assert_false(same_space(pid, spaces[i]));
	kill(pid, SIGKILL);
	(void)end_of(pid);
}

static void root_is_not_run_as(void **state)
{
	struct sandbox_opts opts = options(*state);
	struct err err = {0};
	pid_t pid = fork();

	if (pid == 0) {
		opts.uid = 0;
		if (geteuid() != 0)
			_exit(0);
		_exit(sandbox_prepare(&opts, &err) == 0 && sandbox_enter(&opts, &err) == -EINVAL &&
				      err.why[0] != '\0'
			      ? 0
			      : 1);
	}
	assert_int_equal(end_of(pid), 0);
}

/* Whoever may not make name spaces cannot be locked in, and runs no machines. */
static bool may_make_spaces(void)
{
	struct sandbox_opts opts = {.uid = UID, .gid = UID, .dir = "/", .n_files = 64};
	pid_t pid = fork();

	if (pid == 0)
		_exit(sandbox_prepare(&opts, NULL) == 0 ? 0 : 1);
	return end_of(pid) == 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(paths_lead_nowhere),
		TEST(no_socket_is_made_or_connected),
		TEST(no_other_process_is_reached),
		TEST(no_code_and_no_kernel),
		TEST(threads_before_and_after_are_locked_in),
		TEST(what_it_holds_goes_on_working),
		TEST(who_may_pin_little_is_locked_in_all_the_same),
		TEST(the_kernel_sees_it_locked_in),
		TEST(root_is_not_run_as),
	};

	if (!may_make_spaces()) {
		puts("skipped: name spaces cannot be made here");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
