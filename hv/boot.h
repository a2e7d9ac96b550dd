/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Puts a kernel into a guest's memory and says where the first processor starts: a Linux bzImage
 * (64-bit entry), or an ELF kernel (vmlinux: PVH's entry if it has the note, else 64-bit Linux), an
 * initrd, a command line, the map of memory, ACPI's tables (acpi.h).
 *
 * Files are people's, and so anything: every number in them is checked before it is used.
 *
 * Thread: the owner's, before processors run.  Source: Linux Documentation/x86/boot.rst, Xen
 * docs/misc/pvh.pandoc, the ELF specification.
 */
#ifndef HV_BOOT_H
#define HV_BOOT_H

#include "ctl/base/err.h"
#include "hv/memory.h"
#include "hv/partition.h"

struct hv_boot_opts {
	int kernel_fd;
	int initrd_fd;	    /* -1: none */
	const char *kernel; /* names, for errors */
	const char *initrd;
	const char *cmdline; /* may be "" */
	unsigned n_vps;
};

/* Reads the files from their starts, so that it can be called again for a reset.  Errors: not a
 * kernel, cut short, one that does not fit into memory: what, why, and how much it would take. */
int hv_boot_load(const struct hv_memory *memory, const struct hv_boot_opts *opts,
		 struct hv_start *ret_start, struct err *err);

#endif
