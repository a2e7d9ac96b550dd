/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is shown of PFs and VFs; see host.h.
 */
#include "sriov/host_priv.h"

#include "sriov/sys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void configured(struct sriov_host *host, const struct sriov_adapter *a,
		       struct sriov_pf_info *ret)
{
	*ret = (struct sriov_pf_info){
		.pf = a->pf,
		.want = a->name[0] != '\0' ? a->want : 0,
		.in_use = sriov_claims_of(host, &a->pf),
		.present = a->present,
	};
	if (a->pf.name[0] == '\0')
		snprintf(ret->pf.name, sizeof(ret->pf.name), "%.15s", a->name);
	memcpy(ret->reason, a->reason, sizeof(ret->reason));
}

unsigned sriov_host_pfs(struct sriov_host *host, struct sriov_pf_info *ret_pfs, unsigned max)
{
	struct sriov_pf found[SRIOV_MAX_PFS];
	unsigned n = sriov_pf_list(host->opts.root, found, SRIOV_MAX_PFS), n_ret = 0;

	for (unsigned i = 0; i < host->n_adapters && n_ret < max; i++)
		configured(host, &host->adapters[i], &ret_pfs[n_ret++]);
	for (unsigned i = 0; i < n; i++) {
		const struct sriov_adapter *a = sriov_host_adapter(host, found[i].addr);

		if (a != NULL || n_ret >= max)
			continue;
		ret_pfs[n_ret++] = (struct sriov_pf_info){.pf = found[i], .present = true};
	}
	for (unsigned i = 0; i < n_ret; i++) {
		int has = sriov_pf_count(host->opts.root, &ret_pfs[i].pf);

		ret_pfs[i].pf.n_vfs = has > 0 ? (unsigned)has : 0;
	}
	return n_ret;
}

int sriov_host_vf(struct sriov_host *host, const char *name, unsigned index,
		  struct sriov_vf_info *ret_vf)
{
	const struct sriov_host_opts *o = &host->opts;
	struct sriov_vf_info info = {.index = index};
	const struct sriov_claim *c;
	struct sriov_pf pf;
	int rc = sriov_pf_find(o->root, name, &pf, NULL);

	if (rc != 0 || index >= pf.n_vfs)
		return -ENOENT;
	info.state = SRIOV_VF_USED;
	rc = sriov_device_find(o->root, &pf, index, &info.device, NULL);
	if (rc == 0)
		info.state = sriov_device_state(&info.device);
	else
		info.device = (struct sriov_device){.iommu_group = -1};
	c = sriov_claim_of(host, &pf, index);
	if (c != NULL) {
		info.state = c->state;
		memcpy(info.owner, c->note.owner, sizeof(info.owner));
	}
	(void)o->vf->get(o->vf_ctx, pf.ifindex, index, &info.conf, &info.counts);
	*ret_vf = info;
	return 0;
}

unsigned sriov_host_free(struct sriov_host *host, const char *name)
{
	const struct sriov_adapter *a = sriov_host_adapter(host, name);
	unsigned n = 0;

	if (a == NULL || a->want == 0 || a->reason[0] != '\0')
		return 0;
	for (unsigned i = 0; i < a->pf.n_vfs; i++) {
		struct sriov_device dev;

		n += sriov_claim_of(host, &a->pf, i) == NULL &&
		     sriov_device_find(host->opts.root, &a->pf, i, &dev, NULL) == 0 &&
		     sriov_device_state(&dev) == SRIOV_VF_FREE &&
		     sriov_iommu_check(host->opts.root, &dev, NULL) == 0;
	}
	return n;
}
