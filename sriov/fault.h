/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Accesses that an IOMMU stopped: a device was told, by whoever has it, to reach memory that is not
 * its own.  The kernel says so in its log and nowhere else, so that is read (/dev/kmsg), from the
 * moment of opening on.  It says some a second at most, however many there are.
 *
 * Control thread.  Source: Linux Documentation/ABI/testing/dev-kmsg; drivers/iommu/intel/dmar.c,
 * drivers/iommu/amd/iommu.c for the words.
 */
#ifndef SRIOV_FAULT_H
#define SRIOV_FAULT_H

#include "ctl/base/err.h"
#include "sriov/pf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SRIOV_FAULT_RECORD 1024 /* a record of the log is not longer; the end is not read */

struct sriov_fault {
	char device[SRIOV_ADDR_SIZE]; /* "0000:01:10.0" */
	uint64_t addr;		      /* as the device sees memory: a guest's physical address */
	bool write;		      /* else it would have read */
};

/* Is this record of /dev/kmsg the kernel's word of such an access?  What a program wrote there is
 * not. */
bool sriov_fault_parse(const char *record, size_t size, struct sriov_fault *ret);

struct sriov_fault_log;

/* 0; or what opening it says, with 'err': whoever reads it needs CAP_SYSLOG. */
int sriov_fault_open(const char *path, struct sriov_fault_log **ret, struct err *err);
/* The next fault, of at most 'budget' records that are read now; that is how many are left then.
 * False: there is none for now. */
bool sriov_fault_next(struct sriov_fault_log *log, unsigned *budget, struct sriov_fault *ret);
/* Takes NULL. */
void sriov_fault_close(struct sriov_fault_log *log);

#endif
