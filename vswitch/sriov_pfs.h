/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Adapters with VFs as configured ('sriov vfs PF N'), a part of policy.h: how many VFs each has
 * follows the configuration, all or nothing with the rest of a change; an adapter that is away at
 * start is waited for.
 *
 * 	sriov_pfs.c      the part
 * 	changes_sriov.c  changes
 * 	cmd_sriov.c      looking at them
 *
 * Control thread.
 */
#ifndef VSWITCH_SRIOV_PFS_H
#define VSWITCH_SRIOV_PFS_H

#include "sriov/host.h"

struct vs;
struct vs_model;

/* NULL: this switch has none (struct vs_opts, 'sriov'). */
struct sriov_host *vs_sriov_host(const struct vs *vs);

/* What vs_model.policy[VS_POLICY_PFS] is. */
struct vs_pfs_conf {
	unsigned n;
	struct sriov_want wants[SRIOV_MAX_PFS];
};
/* NULL: none are configured. */
const struct vs_pfs_conf *vs_pfs_conf(const struct vs_model *m);

#endif
