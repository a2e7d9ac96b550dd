/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The host's VFs as a pool (pool.h).
 */
#include "sriov/host.h"

static int pool_take(void *pool, const char *pf, const char *owner,
		     const struct sriov_vf_conf *conf, sriov_lost_fn lost, void *ctx,
		     void **ret_claim, bool *ret_held, struct err *err)
{
	struct sriov_claim *claim = NULL;
	int rc = sriov_claim_take(pool, pf, owner, conf, lost, ctx, &claim, ret_held, err);

	if (rc == 0)
		*ret_claim = claim;
	return rc;
}

static int pool_change(void *claim, const struct sriov_vf_conf *conf, struct err *err)
{
	return sriov_claim_change(claim, conf, err);
}

static int pool_open(void *claim, struct sriov_vfio_fds *ret_fds, struct err *err)
{
	return sriov_claim_open(claim, ret_fds, err);
}

static void pool_release(void *claim)
{
	sriov_claim_release(claim);
}

static const char *pool_pf(const void *claim)
{
	return sriov_claim_pf(claim);
}

static unsigned pool_index(const void *claim)
{
	return sriov_claim_index(claim);
}

static const struct sriov_device *pool_device(const void *claim)
{
	return sriov_claim_device(claim);
}

static int pool_counts(void *claim, struct sriov_vf_counts *ret)
{
	return sriov_claim_counts(claim, ret);
}

const struct sriov_pool_ops sriov_host_pool = {
	.take = pool_take,
	.change = pool_change,
	.open = pool_open,
	.release = pool_release,
	.pf = pool_pf,
	.index = pool_index,
	.device = pool_device,
	.counts = pool_counts,
};
