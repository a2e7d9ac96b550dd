/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at adapters with VFs; see cmd.h.
 */
#include "vswitch/cmd.h"

#include "sriov/devlink.h"
#include "sriov/host.h"
#include "vswitch/sriov_pfs.h"

#include <errno.h>
#include <string.h>

#define RATE_UNIT 1000000 /* bits of a Mb/s */

static const char *state_of(const struct sriov_pf_info *info)
{
	if (info->reason[0] != '\0' || !info->present)
		return "waits";
	if (info->want != 0)
		return "ready";
	return info->pf.n_vfs != 0 ? "theirs" : "off";
}

static json_t *count_or_null(unsigned n)
{
	return n != 0 ? json_integer(n) : json_null();
}

static json_t *pf_row(const struct sriov_pf_info *info, const struct sriov_devlink *devlink)
{
	const struct sriov_pf *pf = &info->pf;

	return json_pack("{ss ss ss ss si so si so ss ss ss}", "pf", pf->name, "address", pf->addr,
			 "bus", pf->bus, "driver", pf->driver, "vfs", (int)pf->n_vfs, "configured",
			 count_or_null(info->want), "in_use", (int)info->in_use, "max",
			 count_or_null(pf->total_vfs), "mode", sriov_eswitch_name(devlink->mode),
			 "state", state_of(info), "note", info->reason);
}

static int no_host(struct err *err)
{
	return err_set(err, -ENOTSUP, "no-sriov", "this switch makes no VFs");
}

static int sriov_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	struct sriov_host *host = vs_sriov_host(((struct vs_daemon *)ctx)->vs);
	struct sriov_pf_info pfs[SRIOV_MAX_PFS];
	json_t *rows;
	unsigned n;

	if (host == NULL)
		return no_host(err);
	rows = json_array();
	n = sriov_host_pfs(host, pfs, SRIOV_MAX_PFS);
	for (unsigned i = 0; i < n; i++) {
		struct sriov_devlink devlink;

		(void)sriov_devlink_read(pfs[i].pf.bus, pfs[i].pf.addr, &devlink);
		json_array_append_new(rows, pf_row(&pfs[i], &devlink));
	}
	*ret = json_pack("{so}", "pfs", rows);
	return 0;
}

/* ---- show ---- */

static bool knows(const struct sriov_vf_info *vf, enum sriov_vf_field field)
{
	return (vf->conf.known & 1u << field) != 0;
}

static json_t *on_off(const struct sriov_vf_info *vf, enum sriov_vf_field field, bool on)
{
	return knows(vf, field) ? json_boolean(on) : json_null();
}

static void put_policy(json_t *row, const struct sriov_vf_info *vf)
{
	const struct sriov_vf_conf *c = &vf->conf;
	char mac[24];

	sriov_vf_field_format(SRIOV_VF_MAC, c, mac, sizeof(mac));
	json_object_set_new(row, "mac", knows(vf, SRIOV_VF_MAC) ? json_string(mac) : json_null());
	json_object_set_new(row, "vlan", count_or_null(c->vlan));
	json_object_set_new(row, "qos", c->vlan != 0 ? json_integer(c->qos) : json_null());
	json_object_set_new(row, "rate",
			    c->rate_mbps != 0 ? json_integer((json_int_t)c->rate_mbps * RATE_UNIT)
					      : json_null());
	json_object_set_new(row, "spoof_check", on_off(vf, SRIOV_VF_SPOOF_CHECK, c->spoof_check));
	json_object_set_new(row, "trust", on_off(vf, SRIOV_VF_TRUST, c->trust));
	json_object_set_new(row, "link",
			    knows(vf, SRIOV_VF_LINK) ? json_string(sriov_vf_link_name(c->link))
						     : json_null());
}

static void put_counts(json_t *row, const struct sriov_vf_counts *c)
{
	const struct {
		const char *key;
		uint64_t n;
	} counts[] = {
		{"rx_packets", c->rx_packets}, {"tx_packets", c->tx_packets},
		{"rx_bytes", c->rx_bytes},     {"tx_bytes", c->tx_bytes},
		{"rx_dropped", c->rx_dropped}, {"tx_dropped", c->tx_dropped},
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new(row, counts[i].key,
				    c->known ? json_integer((json_int_t)counts[i].n) : json_null());
}

/* Why nobody can have it. */
static json_t *note_of(const struct sriov_vf_info *vf)
{
	const struct sriov_device *d = &vf->device;
	struct err err = {0};

	if (d->addr[0] == '\0')
		return json_string("no PCI device: nothing to give to a VM");
	if (vf->state == SRIOV_VF_USED && d->ifname[0] != '\0')
		return json_sprintf("interface %s is up", d->ifname);
	if (vf->state == SRIOV_VF_USED)
		return json_sprintf("bound to %s",
				    d->driver[0] != '\0' ? d->driver : d->driver_override);
	if (vf->state == SRIOV_VF_FREE && sriov_iommu_check("", d, &err) != 0)
		return json_string(err.what);
	return json_string("");
}

static json_t *vf_row(const struct sriov_vf_info *vf, const struct sriov_devlink *devlink)
{
	const struct sriov_device *d = &vf->device;
	json_t *row =
		json_pack("{si ss ss ss so ss ss ss so}", "vf", (int)vf->index, "address", d->addr,
			  "state", sriov_vf_state_name(vf->state), "owner", vf->owner, "group",
			  d->iommu_group >= 0 ? json_integer(d->iommu_group) : json_null(),
			  "driver", d->driver, "interface", d->ifname, "representor",
			  devlink->representors[vf->index], "note", note_of(vf));

	put_policy(row, vf);
	put_counts(row, &vf->counts);
	return row;
}

static const struct sriov_pf_info *find(const struct sriov_pf_info *pfs, unsigned n,
					const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(pfs[i].pf.name, name) == 0 || strcmp(pfs[i].pf.addr, name) == 0)
			return &pfs[i];
	return NULL;
}

static int refuse(const struct sriov_pf_info *pfs, unsigned n, const char *name, struct err *err)
{
	const char *names[SRIOV_MAX_PFS + 1] = {NULL};

	for (unsigned i = 0; i < n; i++)
		names[i] = pfs[i].pf.name;
	(void)vs_cmd_not_found(err, "adapter with VFs", name, names);
	err_fix(err, "vswitchctl sriov list");
	return -ENOENT;
}

static int sriov_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	struct sriov_host *host = vs_sriov_host(((struct vs_daemon *)ctx)->vs);
	const char *name = json_string_value(json_object_get(params, "pf"));
	struct sriov_pf_info pfs[SRIOV_MAX_PFS];
	const struct sriov_pf_info *info;
	struct sriov_devlink devlink;
	json_t *rows, *row;
	unsigned n;

	if (host == NULL)
		return no_host(err);
	n = sriov_host_pfs(host, pfs, SRIOV_MAX_PFS);
	info = find(pfs, n, name);
	if (info == NULL)
		return refuse(pfs, n, name, err);
	(void)sriov_devlink_read(info->pf.bus, info->pf.addr, &devlink);
	rows = json_array();
	for (unsigned i = 0; i < info->pf.n_vfs && i < SRIOV_MAX_VFS; i++) {
		struct sriov_vf_info vf;

		if (sriov_host_vf(host, info->pf.name, i, &vf) == 0)
			json_array_append_new(rows, vf_row(&vf, &devlink));
	}
	row = pf_row(info, &devlink);
	json_object_set_new(row, "functions", rows);
	*ret = row;
	return 0;
}

const struct ctl_binding vs_cmd_sriovs[] = {
	{"sriov", "list", sriov_list},
	{"sriov", "show", sriov_show},
	{NULL, NULL, NULL},
};
