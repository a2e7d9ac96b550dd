/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The system calls of a locked-in worker (libseccomp).  Three kinds:
 *
 * 	allowed    what its threads do all day, some with certain arguments only
 * 	refused    what a C library tries by itself and can do without: paths.  An errno.
 * 	all else   ends the process, with a line that names the call
 *
 * So there is no way to a path, a new socket, another process or a new program; what a worker has
 * is what it was given: descriptors.
 */
#include "hv/worker/sandbox_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <seccomp.h>

#include "sriov/vfio.h"

#define SLUG	    "sandbox"
#define N(array)    (sizeof(array) / sizeof((array)[0]))
#define CALL(name)  SCMP_SYS(name)
#define LIBC_SIGNAL 32u /* the kernel's first real-time signal */

/* With any arguments: they work on descriptors that the process has, on its own memory, or wait. */
static const int allowed[] = {
	/* bytes */
	CALL(read),
	CALL(write),
	CALL(readv),
	CALL(writev),
	CALL(pread64),
	CALL(pwrite64),
	CALL(preadv),
	CALL(pwritev),
	CALL(preadv2),
	CALL(pwritev2),
	CALL(lseek),
	CALL(fallocate),
	CALL(ftruncate),
	CALL(fsync),
	CALL(fdatasync),
	CALL(sync_file_range),
	CALL(fadvise64),
	CALL(fstat),
	CALL(fstatfs),
	CALL(close),
	CALL(flock),
	/* sockets that are there */
	CALL(recvfrom),
	CALL(recvmsg),
	CALL(recvmmsg),
	CALL(sendto),
	CALL(sendmsg),
	CALL(sendmmsg),
	CALL(accept4),
	CALL(shutdown),
	CALL(getsockopt),
	CALL(getsockname),
	CALL(getpeername),
	/* waiting */
	CALL(poll),
	CALL(ppoll),
	CALL(epoll_ctl),
	CALL(epoll_wait),
	CALL(epoll_pwait),
	CALL(epoll_pwait2),
	CALL(epoll_create1),
	CALL(eventfd2),
	CALL(timerfd_create),
	CALL(timerfd_settime),
	CALL(timerfd_gettime),
	CALL(nanosleep),
	CALL(clock_nanosleep),
	CALL(clock_gettime),
	CALL(clock_getres),
	CALL(gettimeofday),
	CALL(restart_syscall),
	CALL(sched_yield),
	CALL(futex),
	CALL(pipe2),
	CALL(dup),
	CALL(dup3),
	/* rings that were made, and closed to all but reading and writing, before (io_uring
	 * restrictions): no new ones */
	CALL(io_uring_enter),
	/* memory */
	CALL(munmap),
	CALL(mremap),
	CALL(madvise),
	CALL(brk),
	CALL(mincore),
	/* threads and itself */
	CALL(set_robust_list),
	CALL(rseq),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(rt_sigtimedwait),
	CALL(sigaltstack),
	CALL(gettid),
	CALL(getpid),
	CALL(getuid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getegid),
	CALL(getrusage),
	CALL(getrandom),
	CALL(sched_getaffinity),
	CALL(wait4), /* for a storage daemon that was told to end */
	CALL(exit),
	CALL(exit_group),
};

/* Libraries ask by themselves; there is no file to be found anyway. */
static const int refused[] = {
	CALL(open),
	CALL(openat),
	CALL(stat),
	CALL(lstat),
	CALL(statx),
	CALL(access),
	CALL(faccessat),
	CALL(readlink),
	CALL(readlinkat),
	CALL(getcwd),
	CALL(uname),
	CALL(sysinfo),
	CALL(prlimit64),
	CALL(getrlimit),
	CALL(ioprio_set),
	CALL(membarrier),
	CALL(sched_setaffinity),
	CALL(setpriority),
	CALL(mlock),
	CALL(munlock),
};

/* A processor's life, interrupts, the guest's doorbells; memory slots for what is in this process
 * already, and devices that were handed over: machines and processors are made before. */
static const unsigned long ioctls[] = {
	KVM_RUN, KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_SREGS, KVM_GET_SREGS2,
	KVM_SET_SREGS2, KVM_GET_MSRS, KVM_SET_MSRS, KVM_GET_FPU, KVM_SET_FPU, KVM_GET_XSAVE,
	KVM_SET_XSAVE, KVM_GET_XSAVE2, KVM_GET_XCRS, KVM_SET_XCRS, KVM_GET_LAPIC, KVM_SET_LAPIC,
	KVM_GET_MP_STATE, KVM_SET_MP_STATE, KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS,
	KVM_GET_NESTED_STATE, KVM_SET_NESTED_STATE, KVM_GET_DEVICE_ATTR, KVM_SET_DEVICE_ATTR,
	KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, KVM_SET_SIGNAL_MASK, KVM_SET_CPUID2, KVM_ENABLE_CAP,
	KVM_GET_TSC_KHZ, KVM_SET_TSC_KHZ, KVM_NMI, KVM_TRANSLATE, KVM_KVMCLOCK_CTRL, KVM_IRQ_LINE,
	KVM_IRQ_LINE_STATUS, KVM_IRQFD, KVM_IOEVENTFD, KVM_SIGNAL_MSI, KVM_SET_GSI_ROUTING,
	KVM_SET_USER_MEMORY_REGION, KVM_HYPERV_EVENTFD, KVM_GET_IRQCHIP, KVM_SET_IRQCHIP,
	KVM_GET_PIT2, KVM_SET_PIT2, KVM_GET_CLOCK, KVM_SET_CLOCK, KVM_X86_SET_MSR_FILTER,
	KVM_SET_NESTED_STATE, KVM_SET_DEVICE_ATTR, /* of a processor: its TSC's offset */
	KVM_CHECK_EXTENSION,
	/* disks */
	BLKGETSIZE64, BLKDISCARD, BLKZEROOUT, BLKSSZGET, BLKPBSZGET, BLKFLSBUF, FIONREAD, FIONBIO,
#define X(request) request,
	SRIOV_VFIO_IOCTLS(X)
#undef X
};

static const unsigned fcntls[] = {
	F_GETFL,     F_SETFL,	  F_GETFD,     F_SETFD,	    F_DUPFD_CLOEXEC,
	F_GET_SEALS, F_ADD_SEALS, F_OFD_SETLK, F_OFD_GETLK,
};

/* ---- What becomes of the rest ---- */

/* Async-signal-safe: writes "system call N" and ends.  When it cannot run, since somebody has
 * blocked the signal, the kernel ends the process by itself. */
static void on_refused(int signal, siginfo_t *info, void *context)
{
	char text[] = "error: sandbox: the worker tried system call     , which is not its own\n";
	char *digit = strstr(text, "    ,") + 3;

	for (int n = info->si_syscall; n > 0 && *digit == ' '; n /= 10)
		*digit-- = (char)('0' + n % 10);
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(128 + SIGSYS);
}

static int watch(void)
{
	struct sigaction action = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	return sigaction(SIGSYS, &action, NULL);
}

/* ---- The filter ---- */

/* Of all 64 bits, where the kernel looks at 32: more is not on the list. */
static struct scmp_arg_cmp is(unsigned arg, uint64_t value)
{
	return (struct scmp_arg_cmp){.arg = arg, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}

static struct scmp_arg_cmp bits(unsigned arg, uint64_t mask, uint64_t value)
{
	return (struct scmp_arg_cmp){.arg = arg,
				     .op = SCMP_CMP_MASKED_EQ,
				     .datum_a = mask,
				     .datum_b = value};
}

static int add_lists(scmp_filter_ctx filter)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < N(allowed); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; rc == 0 && i < N(refused); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), refused[i], 0);
	for (size_t i = 0; rc == 0 && i < N(ioctls); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(ioctl), 1,
				      is(1, (uint32_t)ioctls[i]));
	for (size_t i = 0; rc == 0 && i < N(fcntls); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(fcntl), 1, is(1, fcntls[i]));
	return rc;
}

/* Memory that may be run is what the program had from the start. */
static int add_memory(scmp_filter_ctx filter)
{
	int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(mmap), 1, bits(2, PROT_EXEC, 0));

	return rc != 0 ? rc
		       : seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(mprotect), 1,
					  bits(2, PROT_EXEC, 0));
}

/* Threads of its own, and signals between them; never a process.  clone3 keeps its flags where a
 * filter does not look: without it the C library takes clone. */
static int add_threads(scmp_filter_ctx filter)
{
	const uint64_t flags = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND;
	int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(clone), 1, bits(0, flags, flags));

	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(tgkill), 1,
				      is(0, (uint64_t)getpid()));
	/* The C library's own two, which it takes with the first thread; and the one that is let
	 * go of at the end. */
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(rt_sigaction), 1,
				      is(0, SIGTERM));
	for (uint32_t n = LIBC_SIGNAL; rc == 0 && n < LIBC_SIGNAL + 2; n++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(rt_sigaction), 1, is(0, n));
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(prctl), 1, is(0, PR_SET_NAME));
	/* fstat() of newer C libraries is one without a path. */
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), CALL(newfstatat), 1,
				      bits(3, AT_EMPTY_PATH, 0));
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(newfstatat), 1,
				      bits(3, AT_EMPTY_PATH, AT_EMPTY_PATH));
	return rc;
}

int sandbox_filter(struct err *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int rc = filter == NULL ? -ENOMEM : 0;

	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = add_lists(filter);
	if (rc == 0)
		rc = add_memory(filter);
	if (rc == 0)
		rc = add_threads(filter);
	if (rc == 0 && watch() != 0)
		rc = -errno;
	if (rc == 0)
		rc = seccomp_load(filter);
	if (filter != NULL)
		seccomp_release(filter);
	if (rc != 0) {
		err_set(err, rc, SLUG, "cannot lock the worker in: a filter of system calls: %s",
			strerror(-rc));
		err_fix(err, "run a kernel with CONFIG_SECCOMP_FILTER");
	}
	return rc;
}
