/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A machine with nothing on its VMBus: boots a kernel, shows its serial port, and ends as the guest
 * ends.  For tests of hv alone, and for a look at a guest's log.
 *
 * 	hv-boot [-c PROCESSORS] [-m MB] [-f kvm|user] [-t SECONDS] [-r RESETS] [-b TEXT] KERNEL
 * 	        [INITRD [CMDLINE]]
 *
 * Standard input is typed.  -b: press the power button when the guest has said so.  Exit status: 0
 * powered off, 1 could not start, 2 crashed, 3 a processor could not go on, 4 one reset more than
 * -r says, 124 out of time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/base/clock.h"
#include "hv/boot.h"
#include "hv/partition.h"
#include "hv/pm.h"
#include "hv/rtc.h"
#include "hv/serial.h"

enum { RUNNING = -1, OFF = 0, FAILED = 1, CRASHED = 2, FAULT = 3, RESET = 4, TIMEOUT = 124 };

struct machine {
	struct hv_partition *partition;
	struct hv_serial *serial;
	struct hv_rtc *rtc;
	struct hv_pm *pm;
	struct hv_boot_opts boot;
	uint64_t shown; /* bytes of the serial port */
	unsigned resets;
	bool typing;	    /* standard input is not at its end */
	const char *button; /* press the power button when this was said */
	size_t said;	    /* bytes of it */
};

struct args {
	struct hv_partition_opts partition;
	unsigned time_s;
};

static int say(const struct err *err)
{
	fprintf(stderr, "hv-boot: %s\n", err->what);
	if (err->why[0] != '\0')
		fprintf(stderr, "  why: %s\n", err->why);
	if (err->fix[0] != '\0')
		fprintf(stderr, "  fix: %s\n", err->fix);
	return FAILED;
}

static int create(struct machine *m, const struct args *args, struct err *err)
{
	struct hv_board board;
	int rc = hv_partition_create(&args->partition, &m->partition, err);

	if (rc != 0)
		return rc;
	board = hv_partition_board(m->partition);
	rc = hv_serial_create(&board, &m->serial, err);
	if (rc == 0)
		rc = hv_rtc_create(&board, &m->rtc, err);
	if (rc == 0)
		rc = hv_pm_create(&board, &m->pm, err);
	return rc;
}

static void destroy(struct machine *m)
{
	hv_partition_destroy(m->partition);
	hv_pm_destroy(m->pm);
	hv_rtc_destroy(m->rtc);
	hv_serial_destroy(m->serial);
}

static int start(struct machine *m, struct err *err)
{
	struct hv_start start;
	int rc = hv_boot_load(hv_partition_memory(m->partition), &m->boot, &start, err);

	if (rc != 0)
		return rc;
	hv_partition_set_start(m->partition, &start);
	return hv_partition_run(m->partition, err);
}

static int restart(struct machine *m)
{
	struct err err = {0};

	if (m->resets-- == 0)
		return RESET;
	if (hv_partition_reset(m->partition, &err) != 0)
		return say(&err);
	hv_mailbox_clear(hv_partition_mailbox(m->partition));
	hv_serial_reset(m->serial);
	hv_rtc_reset(m->rtc);
	hv_pm_reset(m->pm);
	return start(m, &err) == 0 ? RUNNING : say(&err);
}

/* Good enough for texts whose beginning does not come twice. */
static void watch(struct machine *m, char c)
{
	if (m->button == NULL)
		return;
	m->said = c == m->button[m->said] ? m->said + 1 : c == m->button[0];
	if (m->button[m->said] != '\0')
		return;
	m->button = NULL;
	hv_pm_button(m->pm);
}

static void show(struct machine *m)
{
	char text[4096];
	size_t n;

	while ((n = hv_serial_read(m->serial, &m->shown, text, sizeof(text))) > 0) {
		if (write(STDOUT_FILENO, text, n) < 0)
			return;
		for (size_t i = 0; i < n; i++)
			watch(m, text[i]);
	}
}

static int crashed(struct machine *m)
{
	static struct hv_crash crash;

	hv_partition_crash(m->partition, &crash);
	fprintf(stderr, "hv-boot: the guest crashed: %llx\n%s\n",
		(unsigned long long)crash.parameter[0], crash.text);
	return CRASHED;
}

static int take_mail(struct machine *m)
{
	struct hv_mail mail;

	if (!hv_mailbox_take(hv_partition_mailbox(m->partition), &mail))
		return RUNNING;
	switch (mail.type) {
	case HV_MAIL_POWEROFF:
		return OFF;
	case HV_MAIL_RESET:
		return restart(m);
	case HV_MAIL_CRASH:
		return crashed(m);
	case HV_MAIL_FAULT:
		fprintf(stderr, "hv-boot: processor %u: %s\n", mail.vp, mail.text);
		return FAULT;
	case HV_MAIL_MESSAGE:
	case HV_MAIL_SLOT_FREE:
	case HV_MAIL_SYNIC:
	case HV_MAIL_N_TYPES:
	default:
		return RUNNING; /* nobody is on this VMBus */
	}
}

static void type(struct machine *m)
{
	char text[256];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text));

	if (n <= 0)
		m->typing = false;
	else
		(void)hv_serial_write(m->serial, text, (size_t)n);
}

static int step(struct machine *m, int wait_ms)
{
	struct pollfd fds[] = {
		{.fd = hv_mailbox_fd(hv_partition_mailbox(m->partition)), .events = POLLIN},
		{.fd = hv_serial_fd(m->serial), .events = POLLIN},
		{.fd = hv_rtc_fd(m->rtc), .events = POLLIN},
		{.fd = m->typing ? STDIN_FILENO : -1, .events = POLLIN},
	};

	if (poll(fds, 4, wait_ms) < 0)
		return errno == EINTR ? RUNNING : FAILED;
	if (fds[1].revents != 0)
		show(m);
	if (fds[2].revents != 0)
		hv_rtc_expired(m->rtc);
	if (fds[3].revents != 0)
		type(m);
	return fds[0].revents != 0 ? take_mail(m) : RUNNING;
}

static int run(struct machine *m, const struct args *args)
{
	uint64_t end = clock_mono_ns() + args->time_s * 1000000000ull;
	int rc = RUNNING;

	while (rc == RUNNING)
		rc = clock_mono_ns() > end ? TIMEOUT : step(m, 200);
	show(m);
	return rc;
}

static void report(const struct machine *m)
{
	struct hv_partition_stats s;

	hv_partition_stats(m->partition, &s);
	fprintf(stderr, "hv-boot: face %s, %llu exits: %llu io, %llu mmio, %llu msr, %llu halt\n",
		hv_partition_face(m->partition), (unsigned long long)s.exits,
		(unsigned long long)s.exits_pio, (unsigned long long)s.exits_mmio,
		(unsigned long long)s.exits_msr, (unsigned long long)s.exits_halt);
}

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "hv-boot: %s: %s\n", path, strerror(errno));
		exit(FAILED);
	}
	return fd;
}

static bool parse(int argc, char **argv, struct args *args, struct machine *m)
{
	int opt;

	while ((opt = getopt(argc, argv, "b:c:f:m:r:t:")) != -1) {
		unsigned value = optarg != NULL ? (unsigned)strtoul(optarg, NULL, 0) : 0;

		if (opt == 'b')
			m->button = optarg;
		else if (opt == 'c')
			args->partition.n_vps = value;
		else if (opt == 'm')
			args->partition.memory_size = (uint64_t)value << 20;
		else if (opt == 'r')
			m->resets = value;
		else if (opt == 't')
			args->time_s = value;
		else if (opt == 'f' && strcmp(optarg, "kvm") == 0)
			args->partition.face = HV_FACE_KVM;
		else if (opt == 'f' && strcmp(optarg, "user") == 0)
			args->partition.face = HV_FACE_USER;
		else
			return false;
	}
	if (optind >= argc || argc - optind > 3)
		return false;
	m->boot.kernel = argv[optind];
	m->boot.initrd = argc - optind > 1 && argv[optind + 1][0] != '\0' ? argv[optind + 1] : NULL;
	m->boot.cmdline = argc - optind > 2 ? argv[optind + 2] : "console=ttyS0";
	m->boot.n_vps = args->partition.n_vps;
	return true;
}

int main(int argc, char **argv)
{
	struct machine m = {.typing = true};
	struct args args = {.partition = {.n_vps = 1, .memory_size = 256u << 20}, .time_s = 60};
	struct err err = {0};
	int rc;

	if (!parse(argc, argv, &args, &m)) {
		fprintf(stderr, "usage: hv-boot [-c PROCESSORS] [-m MB] [-f kvm|user] [-t SECONDS] "
				"[-r RESETS] [-b TEXT] KERNEL [INITRD [CMDLINE]]\n");
		return FAILED;
	}
	m.boot.kernel_fd = open_file(m.boot.kernel);
	m.boot.initrd_fd = m.boot.initrd != NULL ? open_file(m.boot.initrd) : -1;
	rc = create(&m, &args, &err);
	if (rc == 0)
		rc = start(&m, &err);
	if (rc == 0) {
		rc = run(&m, &args);
		hv_partition_pause(m.partition);
		report(&m);
	} else {
		rc = say(&err);
	}
	destroy(&m);
	return rc;
}
