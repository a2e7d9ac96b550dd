/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A machine of paper with adapters that have VFs: a folder with the files of sysfs, and a kernel
 * that acts when they are written (sriov_write() is wrapped: '-Wl,--wrap=sriov_write'), a driver of
 * the PF that takes policy (sriov_vf_ops), and VFIO (sriov_vfio_ops).
 *
 * 	eth1 ─► 0000:01:00.0   igb; VFs 0000:01:10.0, .2, .4, ...
 *
 * Each VF is in a group of its own: 10, 11, ...
 */
#ifndef TESTS_SUPPORT_FAKE_PF_H
#define TESTS_SUPPORT_FAKE_PF_H

#include "sriov/iommu.h"
#include "sriov/vf_conf.h"

#include <stdbool.h>

#define FAKE_PF_MAX_VFS 8

struct fake_pf_vf {
	struct sriov_vf_conf conf;
	struct sriov_vf_counts counts;
	bool open; /* somebody has its group open */
};

struct fake_pf {
	char root[64];
	struct fake_pf_vf vfs[FAKE_PF_MAX_VFS];
	unsigned ignores; /* bits of fields that the driver takes and forgets */
	unsigned refuses; /* ... and that it does not know */
	bool no_vfio;	  /* the module is not loaded */
	bool vfio_fails;  /* it takes no device */
	int numvfs_fails; /* errno of making VFs; 0: none */
	unsigned n_writes, n_sets;
	unsigned writes_left; /* then the process is gone, before it writes; 0: never */
	bool killed;	      /* it was */
};

/* Makes the folder, with eth1 and no VFs. */
struct fake_pf *fake_pf_create(void);
void fake_pf_destroy(struct fake_pf *fake);
/* Somebody else writes a file of the machine. */
void fake_pf_write(struct fake_pf *fake, const char *path, const char *text);
/* What a file or link says; static memory. */
const char *fake_pf_read(struct fake_pf *fake, const char *path);
/* The adapter is pulled out, or put in. */
void fake_pf_unplug(struct fake_pf *fake);
void fake_pf_plug(struct fake_pf *fake);
/* Another function, of a driver or "", in the group of VF 'index', while there are VFs. */
void fake_pf_share_group(struct fake_pf *fake, unsigned index, const char *driver);
/* The VF's interface comes up, by a driver of the host. */
void fake_pf_use(struct fake_pf *fake, unsigned index);

extern const struct sriov_vf_ops fake_pf_vf_ops;     /* context: the struct fake_pf */
extern const struct sriov_vfio_ops fake_pf_vfio_ops; /* the same */

#endif
