/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Boots a kernel in a machine that has no VMBus, and nothing else around it: for whoever works on
 * hv/.  The serial port is standard output; what the machine cost goes to standard error (--stats).
 *
 *	hv-boot --kernel vmlinuz --initrd initrd --cmdline 'console=ttyS0' --memory 256 --vps 2
 *
 * Ends as a worker does (docs/vmworker.md): 0 the guest switched itself off, 1 could not start, 2
 * it crashed, 3 a processor could not go on; and 4, the time given was over.
 */
#include "ctl/base/clock.h"
#include "hv/acpi.h"
#include "hv/board.h"
#include "hv/boot.h"
#include "hv/pm.h"
#include "hv/rtc.h"
#include "hv/serial.h"
#include "hv/vp.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum end { RUNNING = -1, OFF, FAILED, CRASHED, FAULT, LATE };

struct options {
	struct hv_partition_opts partition;
	struct hv_boot_opts boot;
	unsigned seconds, pauses;
	bool stats, reboot;
};

struct machine {
	struct hv_partition *partition;
	struct hv_serial *serial;
	struct hv_rtc *rtc;
	struct hv_pm *pm;
	uint64_t printed;
};

static enum end failed(const struct err *err)
{
	fprintf(stderr, "hv-boot: %s\n", err->what);
	if (err->why[0] != '\0')
		fprintf(stderr, "  why: %s\n", err->why);
	if (err->fix[0] != '\0')
		fprintf(stderr, "  fix: %s\n", err->fix);
	return FAILED;
}

/* ---- the machine ---- */

static int load(struct machine *m, const struct options *o, struct err *err)
{
	const struct hv_memory *memory = hv_partition_memory(m->partition);
	struct hv_start start;
	int rc = hv_boot_load(memory, &o->boot, &start, err);

	if (rc == 0)
		rc = hv_acpi_write(memory, o->partition.n_vps, err);
	if (rc == 0)
		hv_partition_set_start(m->partition, &start);
	return rc;
}

static int make(struct machine *m, const struct options *o, struct err *err)
{
	struct hv_board board;
	int rc = hv_partition_create(&o->partition, &m->partition, err);

	if (rc != 0)
		return rc;
	board = hv_partition_board(m->partition);
	rc = hv_serial_create(&board, &m->serial, err);
	if (rc == 0)
		rc = hv_rtc_create(&board, &m->rtc, err);
	if (rc == 0)
		rc = hv_pm_create(&board, &m->pm, err);
	if (rc == 0)
		rc = load(m, o, err);
	return rc == 0 ? hv_partition_run(m->partition, err) : rc;
}

static enum end reset(struct machine *m, const struct options *o)
{
	struct err err = {0};
	int rc = hv_partition_reset(m->partition, &err);

	hv_serial_reset(m->serial);
	hv_rtc_reset(m->rtc);
	hv_pm_reset(m->pm);
	if (rc == 0)
		rc = load(m, o, &err);
	if (rc == 0)
		rc = hv_partition_run(m->partition, &err);
	return rc == 0 ? RUNNING : failed(&err);
}

static void end(struct machine *m)
{
	if (m->partition != NULL)
		hv_partition_pause(m->partition);
	hv_pm_destroy(m->pm);
	hv_rtc_destroy(m->rtc);
	hv_serial_destroy(m->serial);
	hv_partition_destroy(m->partition);
}

/* ---- what it does ---- */

static void print(struct machine *m)
{
	char bytes[4096];
	size_t n;

	while ((n = hv_serial_read(m->serial, &m->printed, bytes, sizeof(bytes))) > 0)
		if (write(STDOUT_FILENO, bytes, n) < 0)
			return;
}

static enum end crashed(struct machine *m)
{
	struct hv_crash crash;

	hv_partition_crash(m->partition, &crash);
	fprintf(stderr, "hv-boot: the guest crashed: %#" PRIx64 " %#" PRIx64 "\n%s\n",
		crash.parameter[0], crash.parameter[1], crash.text);
	return CRASHED;
}

static enum end take_mail(struct machine *m, const struct options *o)
{
	enum end how = RUNNING;
	struct hv_mail mail;

	while (how == RUNNING && hv_mailbox_take(hv_partition_mailbox(m->partition), &mail)) {
		if (mail.type == HV_MAIL_POWEROFF)
			how = OFF;
		else if (mail.type == HV_MAIL_RESET)
			how = o->reboot ? reset(m, o) : OFF;
		else if (mail.type == HV_MAIL_CRASH)
			how = crashed(m);
		else if (mail.type == HV_MAIL_FAULT)
			how = (fprintf(stderr, "hv-boot: %s\n", mail.text), FAULT);
	}
	return how;
}

/* --pauses: stops all processors and lets them go on, as often as it can. */
static void disturb(struct machine *m, unsigned n)
{
	struct err err = {0};

	for (unsigned i = 0; i < n; i++) {
		hv_partition_pause(m->partition);
		if (hv_partition_run(m->partition, &err) != 0)
			(void)failed(&err);
	}
}

static enum end loop(struct machine *m, const struct options *o)
{
	struct pollfd fds[] = {
		{.fd = hv_mailbox_fd(hv_partition_mailbox(m->partition)), .events = POLLIN},
		{.fd = hv_serial_fd(m->serial), .events = POLLIN},
		{.fd = hv_rtc_fd(m->rtc), .events = POLLIN},
	};
	uint64_t late = clock_mono_ns() + o->seconds * 1000000000ull;
	enum end how = RUNNING;

	while (how == RUNNING) {
		poll(fds, sizeof(fds) / sizeof(fds[0]), o->pauses > 0 ? 50 : 200);
		print(m);
		if (fds[2].revents != 0)
			hv_rtc_expired(m->rtc);
		how = take_mail(m, o);
		disturb(m, o->pauses);
		if (how == RUNNING && clock_mono_ns() > late)
			how = LATE;
	}
	print(m);
	return how;
}

/* ---- what it cost ---- */

static uint64_t status_kb(const char *key)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	uint64_t kb = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			kb = strtoull(line + strlen(key), NULL, 10);
	if (f != NULL)
		fclose(f);
	return kb;
}

static void print_stats(struct machine *m, uint64_t started)
{
	struct hv_partition_stats s;

	hv_partition_stats(m->partition, &s);
	fprintf(stderr,
		"hv-boot: face %s, %u processors, %.2f s, processors' time %.2f s\n"
		"hv-boot: exits %" PRIu64 ": ports %" PRIu64 " memory %" PRIu64 " MSRs %" PRIu64
		" hypercalls %" PRIu64 " signals %" PRIu64 " others %" PRIu64 ", halts %" PRIu64
		", in the kernel %" PRIu64 "\n"
		"hv-boot: own memory %" PRIu64 " kB (anonymous %" PRIu64 ", files %" PRIu64
		"), guest's %" PRIu64 " kB\n",
		hv_partition_face(m->partition), hv_partition_n_vps(m->partition),
		(double)(clock_mono_ns() - started) / 1e9, (double)s.cpu_ns / 1e9, s.exits,
		s.exits_pio, s.exits_mmio, s.exits_msr, s.exits_hypercall, s.exits_signal,
		s.exits_other, s.exits_halt, s.exits_in_kernel,
		status_kb("RssAnon:") + status_kb("RssFile:"), status_kb("RssAnon:"),
		status_kb("RssFile:"),
		hv_memory_resident(hv_partition_memory(m->partition)) / 1024);
}

/* Where a machine that did not end hangs. */
static void print_processors(struct machine *m)
{
	hv_partition_pause(m->partition);
	for (unsigned i = 0; i < hv_partition_n_vps(m->partition); i++) {
		struct hv_vp *vp = &m->partition->vp[i];
		struct kvm_regs r = {0};
		struct kvm_mp_state mp = {0};

		(void)ioctl(vp->fd, KVM_GET_REGS, &r);
		(void)ioctl(vp->fd, KVM_GET_MP_STATE, &mp);
		fprintf(stderr,
			"hv-boot: vp %u: state %u rip %#llx rflags %#llx exits %" PRIu64 "%s\n", i,
			mp.mp_state, r.rip, r.rflags, atomic_load(&vp->exits),
			vp->dead ? " dead" : "");
	}
}

/* ---- options ---- */

static const struct option names[] = {
	{"kernel", required_argument, NULL, 'k'},
	{"initrd", required_argument, NULL, 'i'},
	{"cmdline", required_argument, NULL, 'c'},
	{"memory", required_argument, NULL, 'm'},
	{"vps", required_argument, NULL, 'p'},
	{"face", required_argument, NULL, 'f'},
	{"cpu", required_argument, NULL, 'C'},
	{"nested", no_argument, NULL, 'n'},
	{"seconds", required_argument, NULL, 's'},
	{"stats", no_argument, NULL, 'S'},
	{"reboot", no_argument, NULL, 'r'},
	{"pauses", required_argument, NULL, 'P'},
	{NULL, 0, NULL, 0},
};

static unsigned number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 0);
}

static enum hv_face face(const char *text)
{
	if (strcmp(text, "kvm") == 0)
		return HV_FACE_KVM;
	return strcmp(text, "user") == 0 ? HV_FACE_USER : HV_FACE_AUTO;
}

static bool option(struct options *o, int c)
{
	switch (c) {
	case 'k':
		o->boot.kernel = optarg;
		return (o->boot.kernel_fd = open(optarg, O_RDONLY | O_CLOEXEC)) >= 0;
	case 'i':
		o->boot.initrd = optarg;
		return (o->boot.initrd_fd = open(optarg, O_RDONLY | O_CLOEXEC)) >= 0;
	case 'c':
		o->boot.cmdline = optarg;
		return true;
	case 'm':
		o->partition.memory_size = (uint64_t)number(optarg) << 20;
		return true;
	case 'p':
		o->partition.n_vps = o->boot.n_vps = number(optarg);
		return true;
	case 'f':
		o->partition.face = face(optarg);
		return true;
	case 'C':
		o->partition.cpu = optarg;
		return true;
	case 'n':
		o->partition.nested = true;
		return true;
	case 's':
		o->seconds = number(optarg);
		return true;
	case 'S':
		o->stats = true;
		return true;
	case 'r':
		o->reboot = true;
		return true;
	case 'P':
		o->pauses = number(optarg);
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	struct options o = {
		.partition = {.n_vps = 1, .memory_size = 256ull << 20},
		.boot = {.kernel_fd = -1, .initrd_fd = -1, .cmdline = "", .n_vps = 1},
		.seconds = 600,
	};
	uint64_t started = clock_mono_ns();
	struct machine m = {0};
	struct err err = {0};
	enum end how;
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		if (!option(&o, c)) {
			fprintf(stderr, "hv-boot: %s: %m\n", optarg != NULL ? optarg : "usage");
			return FAILED;
		}
	}
	how = make(&m, &o, &err) == 0 ? loop(&m, &o) : failed(&err);
	if (o.stats && how != FAILED)
		print_stats(&m, started);
	if (how == LATE)
		print_processors(&m);
	end(&m);
	return how;
}
