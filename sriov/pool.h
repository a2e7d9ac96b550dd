/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where VFs come from, for the fail-over of a NIC (failover.h): the host's adapters (host.h,
 * 'sriov_host_pool'), or a model in a test.  The functions do as those of host.h that are named
 * beside them; a claim is whatever the pool makes of it.
 *
 * Thread: control.
 */
#ifndef SRIOV_POOL_H
#define SRIOV_POOL_H

#include "ctl/base/err.h"

#include <stdbool.h>

struct sriov_device;
struct sriov_vf_conf;
struct sriov_vf_counts;
struct sriov_vfio_fds;

struct sriov_pool_ops {
	/* sriov_claim_take(). */
	int (*take)(void *pool, const char *pf, const char *owner, const struct sriov_vf_conf *conf,
		    void (*lost)(void *ctx, void *claim, const char *why), void *ctx,
		    void **ret_claim, bool *ret_held, struct err *err);
	/* sriov_claim_change(), _open(), _release(). */
	int (*change)(void *claim, const struct sriov_vf_conf *conf, struct err *err);
	int (*open)(void *claim, struct sriov_vfio_fds *ret_fds, struct err *err);
	void (*release)(void *claim);
	/* sriov_claim_pf(), _index(), _device(), _counts(). */
	const char *(*pf)(const void *claim);
	unsigned (*index)(const void *claim);
	const struct sriov_device *(*device)(const void *claim);
	int (*counts)(void *claim, struct sriov_vf_counts *ret);
};

#endif
