/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside the NICs with VFs; see sriov.h.
 */
#ifndef VSWITCH_SRIOV_PRIV_H
#define VSWITCH_SRIOV_PRIV_H

#include "ctl/base/log.h"
#include "dataplane/fdb.h"
#include "sriov/failover.h"
#include "sriov/fault.h"
#include "vswitch/sriov.h"
#include "vswitch/vs.h"

#include <sys/queue.h>

struct vs_sriov_nic {
	LIST_ENTRY(vs_sriov_nic) entry;
	struct vs *vs;
	struct vs_sriov *sriov;
	char port[DP_PORT_NAME_SIZE];
	char vm[VS_VM_NAME_SIZE];
	struct sriov_failover f;
	struct sriov_facts facts;
	uint32_t hooked; /* serial of the device that tells us of its guest */
	/* What it would have of a VF, and why it may not. */
	struct vs_sriov_want want;
	char pf[64], against[200];
	uint16_t uplink, domain; /* ids */
	/* Its VF. */
	void *claim; /* NULL: none */
	struct sriov_vf_conf has;
	bool in_pool; /* the pool has called us */
	char lost[160];
	/* Its address, where we put it. */
	struct dp_fdb_entry address;
	int address_error;
	bool pinned;
	uint64_t last_gap_us, worst_gap_us; /* of the way back, our part of it */
	/* What the IOMMU stopped of its VF, and the last of that. */
	uint64_t n_faults;
	struct sriov_fault fault;
	struct log_limit fault_lines;
	struct log_limit lines;
};

/* What vs.policy[VS_POLICY_SRIOV] is. */
struct vs_sriov {
	LIST_HEAD(, vs_sriov_nic) nics;
	const struct sriov_pool_ops *pool; /* NULL: none */
	void *pool_ctx;
	/* The kernel's log: read from when the first VF is taken on. */
	const char *log_path;
	struct sriov_fault_log *log; /* NULL: not yet, or it cannot be read */
	bool log_refused;
};

struct vs_sriov_nic *vs_sriov_find(const struct vs *vs, const char *port);

/* sriov_fault.c: tells of what the IOMMU stopped since the last call. */
void vs_sriov_look_at_faults(struct vs *vs, struct vs_sriov *s);

#endif
