/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where VFs come from: what the fail-over of a NIC (failover.h) asks of whoever owns physical
 * functions, a host's adapters or a model in a test.
 *
 * 	take ─► set, set ... ─► open ─► (the VM has it) ─► release
 *
 * A VF that was taken is nobody else's and carries the policy that it was taken with: who takes may
 * rely on the adapter having been asked what it does with it, and on an error when the driver
 * ignores a part of it.  Whatever became of a VF, release() gives it back: reset, unbound, with no
 * address, VLAN or rate left on it.
 *
 * Thread: control.  Nothing here waits for a guest.
 */
#ifndef SRIOV_POOL_H
#define SRIOV_POOL_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define SRIOV_NAME_SIZE	   64
#define SRIOV_ADDRESS_SIZE 16 /* "0000:03:10.0" */

/* What the adapter does with a VF's frames. */
struct sriov_vf_policy {
	uint8_t mac[6];
	uint16_t vlan; /* the adapter adds and takes it; 0: none */
	uint8_t qos;   /* PCP of that tag */
	bool spoof_check;
	bool trust;		/* the guest may change address and be promiscuous */
	uint32_t max_rate_mbps; /* of what the guest sends; 0: no limit */
	bool link_up;		/* false: it neither sends nor receives */
};

/* A VF that was taken. */
struct sriov_vf {
	char pf[SRIOV_NAME_SIZE]; /* name of the physical function: "enp3s0" */
	unsigned index;		  /* of its VFs */
	char address[SRIOV_ADDRESS_SIZE];
	/* As its guest shall see it. */
	uint16_t vendor, device, subsystem_vendor, subsystem_device;
	uint8_t revision, class_code[3]; /* class_code: interface, subclass, class */
	/* The adapter brings it broadcasts and multicasts by itself, and what its neighbours on the
	 * adapter send to it. */
	bool floods;
	void *priv; /* the pool's */
};

/* What the adapter has counted of a VF.  As the VF's guest sees it: rx is what it received. */
struct sriov_vf_stats {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint64_t rx_dropped; /* for it, and lost */
	uint64_t spoofed;    /* of it, and stopped */
};

enum sriov_vf_health {
	SRIOV_VF_WELL,
	SRIOV_VF_LINK_DOWN, /* its adapter has no link */
	SRIOV_VF_CHANGED,   /* somebody else changed it, or the number of VFs */
	SRIOV_VF_GONE,	    /* with its adapter, or out of it */
};

/* Descriptors of a VF, for the process that runs the guest. */
struct sriov_vf_fds {
	int container, group, device; /* -1: none */
};

struct sriov_pool_ops {
	/* A free VF of the adapter behind 'uplink' (a port's device: a PCI address or an
	 * interface), for 'who' ("web1/nic0").  -ENOENT: no such adapter, or it has no VFs; -EBUSY:
	 * all are taken; -EOPNOTSUPP, -EIO: the adapter does not do what 'policy' says.  'err' says
	 * what, why and how to mend it; then nothing has changed. */
	int (*take)(void *ctx, const char *uplink, const char *who,
		    const struct sriov_vf_policy *policy, struct sriov_vf *ret_vf, struct err *err);
	/* Another policy; on failure the old one holds. */
	int (*set)(void *ctx, struct sriov_vf *vf, const struct sriov_vf_policy *policy,
		   struct err *err);
	/* The caller closes them.  -EBUSY: its IOMMU group is shared, and so on. */
	int (*open)(void *ctx, struct sriov_vf *vf, struct sriov_vf_fds *ret_fds, struct err *err);
	/* Its guest has let go, or is gone. */
	void (*release)(void *ctx, struct sriov_vf *vf);
	enum sriov_vf_health (*health)(void *ctx, struct sriov_vf *vf);
	/* 0, or negative: nobody counts. */
	int (*stats)(void *ctx, struct sriov_vf *vf, struct sriov_vf_stats *ret);
};

#endif
