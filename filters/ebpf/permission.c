/* SPDX-License-Identifier: BSD-2-Clause
 *
 * May programs be loaded here?  Without the kernel's verifier there is no filter module, so who may
 * not ask it is told exactly what is in the way.
 */
#include <bpf/bpf.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "filters/ebpf/object_priv.h"

/* linux/capability.h */
#define NET_ADMIN 12
#define SYS_ADMIN 21
#define PERFMON	  38
#define BPF	  39

static const struct bpf_insn pass[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 2},
	{.code = BPF_JMP | BPF_EXIT},
};

static int try_load(void)
{
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "vswitch_may", "GPL", pass,
			       sizeof(pass) / sizeof(pass[0]), NULL);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static uint64_t capabilities(void)
{
	unsigned long long caps = 0;
	char line[128];
	FILE *file = fopen("/proc/self/status", "re");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return caps;
}

static bool locked_down(void)
{
	char line[128] = "";
	FILE *file = fopen("/sys/kernel/security/lockdown", "re");

	if (file != NULL && fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	if (file != NULL)
		fclose(file);
	return strstr(line, "[confidentiality]") != NULL;
}

static void say_why(int error, struct err *err)
{
	uint64_t caps = capabilities();
	bool all = (caps >> SYS_ADMIN & 1) != 0, bpf = all || (caps >> BPF & 1) != 0;

	if (error == -ENOSYS) {
		err_why(err, "this kernel is built without bpf(2) (CONFIG_BPF_SYSCALL)");
		err_fix(err, "use a distribution's kernel");
	} else if (!bpf || (caps >> NET_ADMIN & 1) == 0) {
		err_why(err, "the daemon has not the capabilities%s%s",
			bpf ? "" : " CAP_BPF (CAP_SYS_ADMIN before Linux 5.8)",
			(caps >> NET_ADMIN & 1) != 0 ? "" : " CAP_NET_ADMIN");
		err_fix(err, "run vswitchd as root, or with AmbientCapabilities=CAP_BPF "
			     "CAP_NET_ADMIN CAP_PERFMON in its unit");
	} else if (locked_down()) {
		err_why(err, "the kernel is locked down for confidentiality");
		err_fix(err, "boot with lockdown=integrity, or without it");
	} else {
		err_why(err,
			"bpf(2): %s, although the daemon has the capabilities: a container's "
			"seccomp filter or a security module forbids it",
			strerror(-error));
		err_fix(err, "let the container use bpf(2), or run vswitchd on the host");
	}
}

int ebpf_permission_check(const char *name, struct err *err)
{
	int rc = try_load();

	if (rc != -EPERM && rc != -ENOSYS && rc != -EACCES)
		return 0;
	err_set(err, -EPERM, "no-bpf",
		"cannot load module %s: the kernel does not let this process load programs", name);
	say_why(rc, err);
	return -EPERM;
}
