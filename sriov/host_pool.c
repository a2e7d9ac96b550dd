/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The host's VFs as a pool (pool.h).
 */
#include "sriov/devlink.h"
#include "sriov/host_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct sriov_vf_conf conf_of(const struct sriov_vf_policy *policy)
{
	struct sriov_vf_conf conf = {
		.known = (1u << SRIOV_N_VF_FIELDS) - 1,
		.vlan = policy->vlan,
		.qos = policy->qos,
		.spoof_check = policy->spoof_check,
		.trust = policy->trust,
		.rate_mbps = policy->max_rate_mbps,
		.link = policy->link_up ? SRIOV_LINK_AUTO : SRIOV_LINK_DOWN,
	};

	memcpy(conf.mac, policy->mac, sizeof(conf.mac));
	return conf;
}

/* An adapter that forwards by itself sends group frames to its VFs; one that is programmed sends
 * nothing that nobody told it to. */
static bool floods(const struct sriov_claim *c)
{
	struct sriov_devlink info;

	return sriov_devlink_read(c->pf.bus, c->pf.addr, &info) != 0 ||
	       info.mode != SRIOV_SWITCHDEV;
}

static void describe(const struct sriov_claim *c, struct sriov_vf *ret)
{
	const struct sriov_device *d = &c->device;

	*ret = (struct sriov_vf){
		.index = c->note.index,
		.vendor = d->vendor,
		.device = d->device,
		.subsystem_vendor = d->subvendor,
		.subsystem_device = d->subdevice,
		.revision = d->revision,
		.class_code = {(uint8_t)d->class, (uint8_t)(d->class >> 8),
			       (uint8_t)(d->class >> 16)},
		.floods = floods(c),
		.priv = (void *)(uintptr_t)c,
	};
	snprintf(ret->pf, sizeof(ret->pf), "%s", c->pf.name);
	snprintf(ret->address, sizeof(ret->address), "%.15s", d->addr);
}

static int pool_take(void *ctx, const char *uplink, const char *who,
		     const struct sriov_vf_policy *policy, struct sriov_vf *ret_vf, struct err *err)
{
	const struct sriov_vf_conf conf = conf_of(policy);
	struct sriov_claim *c = NULL;
	int rc = sriov_claim_take(ctx, uplink, who, &conf, NULL, NULL, &c, NULL, err);

	if (rc == 0)
		describe(c, ret_vf);
	return rc == -ENOSPC ? -EBUSY : rc == -ENOTSUP ? -EOPNOTSUPP : rc;
}

static int pool_set(void *ctx, struct sriov_vf *vf, const struct sriov_vf_policy *policy,
		    struct err *err)
{
	const struct sriov_vf_conf conf = conf_of(policy);

	return sriov_claim_change(vf->priv, &conf, err);
}

static int pool_open(void *ctx, struct sriov_vf *vf, struct sriov_vf_fds *ret_fds, struct err *err)
{
	struct sriov_vfio_fds fds = {-1, -1, -1};
	int rc = sriov_claim_open(vf->priv, &fds, err);

	if (rc == 0)
		*ret_fds = (struct sriov_vf_fds){fds.container, fds.group, fds.device};
	return rc;
}

static void pool_release(void *ctx, struct sriov_vf *vf)
{
	sriov_claim_release(vf->priv);
	vf->priv = NULL;
}

static enum sriov_vf_health pool_health(void *ctx, struct sriov_vf *vf)
{
	return sriov_claim_health(vf->priv);
}

static int pool_stats(void *ctx, struct sriov_vf *vf, struct sriov_vf_stats *ret)
{
	struct sriov_vf_counts counts;
	int rc = sriov_claim_counts(vf->priv, &counts);

	if (rc == 0 && !counts.known)
		rc = -ENODATA;
	if (rc == 0)
		*ret = (struct sriov_vf_stats){
			.rx_packets = counts.rx_packets,
			.rx_bytes = counts.rx_bytes,
			.tx_packets = counts.tx_packets,
			.tx_bytes = counts.tx_bytes,
			.rx_dropped = counts.rx_dropped,
		};
	return rc;
}

const struct sriov_pool_ops sriov_host_pool = {
	.take = pool_take,
	.set = pool_set,
	.open = pool_open,
	.release = pool_release,
	.health = pool_health,
	.stats = pool_stats,
};
