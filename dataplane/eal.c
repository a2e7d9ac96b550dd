/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bringing DPDK's environment up and down.  No device is probed here: the PCI bus is told to allow
 * one that does not exist, so a device is touched only when a port names it.  Huge pages are asked
 * of the kernel; without them the switch runs all the same on ordinary pages, slower, and says so.
 * Main thread, once a process.
 */
#include "dataplane/dp.h"
#include "dataplane/dpdk_log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#define HUGE_DIR	"/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define HUGE_KB		2048u
#define DEFAULT_HUGE_MB 192u  /* 32768 buffers and what DPDK itself takes */
#define NO_HUGE_MB	1024u /* address space; pages are used as they are touched */
#define MAX_ARGS	64

static long read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long n = -1;

	if (f == NULL)
		return -1;
	if (fscanf(f, "%ld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

static bool write_number(const char *path, long n)
{
	FILE *f = fopen(path, "we");
	bool ok;

	if (f == NULL)
		return false;
	ok = fprintf(f, "%ld\n", n) > 0;
	return fclose(f) == 0 && ok;
}

/* Sees to it that 'mb' of huge pages are free: asks the kernel for what is missing.  Returns how
 * many MB are, or would be: when they do not suffice, the kernel has back what it gave. */
static unsigned huge_pages_get(unsigned mb)
{
	long want = ((long)mb * 1024 + HUGE_KB - 1) / HUGE_KB;
	long free_pages = read_number(HUGE_DIR "free_hugepages");
	long reserved = read_number(HUGE_DIR "resv_hugepages");
	long total = read_number(HUGE_DIR "nr_hugepages");

	if (free_pages < 0 || total < 0)
		return 0;
	if (reserved > 0)
		free_pages -= reserved;
	if (free_pages < want) {
		(void)write_number(HUGE_DIR "nr_hugepages", total + want - free_pages);
		free_pages = read_number(HUGE_DIR "free_hugepages") - (reserved > 0 ? reserved : 0);
		if (free_pages < want)
			(void)write_number(HUGE_DIR "nr_hugepages", total);
	}
	return free_pages < 0 ? 0 : (unsigned)(free_pages * HUGE_KB / 1024);
}

/* rte_eal_init() keeps pointers to the words for as long as it runs, and puts its own in the place
 * of some in 'v': 'words' is what is ours to free. */
static struct args {
	char *v[MAX_ARGS + 1];
	char *words[MAX_ARGS];
	int n;
	int rc; /* of the last word that could not be added */
} eal_args;

__attribute__((format(printf, 2, 3))) static void arg_add(struct args *args, const char *fmt, ...)
{
	va_list ap;

	if (args->n == MAX_ARGS) {
		args->rc = -E2BIG;
		return;
	}
	va_start(ap, fmt);
	if (vasprintf(&args->words[args->n], fmt, ap) >= 0) {
		args->v[args->n] = args->words[args->n];
		args->n++;
	} else {
		args->rc = -ENOMEM;
	}
	va_end(ap);
}

static void args_free(struct args *args)
{
	for (int i = 0; i < args->n; i++)
		free(args->words[i]);
	*args = (struct args){0};
}

static bool has_pci(void)
{
	return access("/sys/bus/pci/devices", R_OK) == 0;
}

static void args_build(struct args *args, unsigned cpu, bool no_huge, int argc, char *const argv[])
{
	arg_add(args, "vswitchd");
	arg_add(args, "--lcores=0@%u", cpu);
	arg_add(args, "--no-telemetry");
	arg_add(args, "--log-level=lib.*:warning");
	arg_add(args, "--log-level=pmd.*:warning");
	if (has_pci())
		arg_add(args, "--allow=0000:00:00.0");
	else
		arg_add(args, "--no-pci");
	/* DPDK 22.11 refuses --in-memory together with --no-huge. */
	arg_add(args, no_huge ? "--no-shconf" : "--in-memory");
	if (no_huge) {
		arg_add(args, "--no-huge");
		arg_add(args, "-m");
		arg_add(args, "%u", NO_HUGE_MB);
	}
	for (int i = 0; i < argc; i++)
		arg_add(args, "%s", argv[i]);
}

int dp_eal_init(unsigned control_cpu, bool no_huge, unsigned huge_mb, int argc, char *const argv[],
		char *ret_note, size_t note_size, struct err *err)
{
	struct args *args = &eal_args;
	unsigned want = huge_mb != 0 ? huge_mb : DEFAULT_HUGE_MB;
	unsigned got = no_huge ? 0 : huge_pages_get(want);
	int rc;

	ret_note[0] = '\0';
	if (!no_huge && got < want) {
		no_huge = true;
		snprintf(ret_note, note_size,
			 "no huge pages: %u MB are to be had, %u MB wanted; "
			 "forwarding is "
			 "slower (fix: echo %u > /proc/sys/vm/nr_hugepages, restart vswitchd)",
			 got, want, want * 1024 / HUGE_KB);
	}
	args_build(args, control_cpu, no_huge, argc, argv);
	if (args->rc != 0)
		return err_set(err, args->rc, "eal", "DPDK is not started with %d arguments: %s",
			       argc, strerror(-args->rc));
	if (rte_eal_init(args->n, args->v) >= 0) {
		dpdk_log_take();
		return 0;
	}
	rc = rte_errno != 0 ? -rte_errno : -EIO;
	err_set(err, rc, "eal", "DPDK does not start: %s", rte_strerror(-rc));
	err_why(err, "rte_eal_init() refused its arguments or found no memory; its own message is "
		     "above");
	err_fix(err, "vswitchctl doctor, or vswitchd --no-huge");
	return rc;
}

void dp_eal_fini(void)
{
	rte_eal_cleanup();
	args_free(&eal_args);
}
