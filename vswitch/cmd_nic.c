/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at the NICs of guests on VMBus: a port's row, and what its driver says of the guest (the
 * JSON of vmq/nic_show.c); see cmd.h.
 */
#include "vswitch/cmd.h"

#include "ctl/conf.h"
#include "vmbus/netvsp.h"
#include "vmbus/nvsp.h"
#include "vswitch/acl.h"
#include "vswitch/mirrors.h"
#include "vswitch/sriov.h"
#include "vswitch/vm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct vs_live *live_of(const struct vs_daemon *d, const struct vs_port *p)
{
	return &d->vs->live[vs_port_id(d->vs, p->name)];
}

/* What the driver says; new reference, an empty object while there is no device. */
static json_t *said(const struct vs_live *live)
{
	json_t *o = NULL;

	if (live->port != NULL && live->port->ops->show != NULL)
		o = live->port->ops->show(live->port);
	return o != NULL ? o : json_object();
}

/* How far the guest is, in a word. */
static const char *guest_state(const struct vs_live *live, const json_t *said)
{
	const json_t *guest = json_object_get(said, "guest");

	if (live->port == NULL)
		return "waiting";
	if (!json_is_true(json_object_get(said, "attached")))
		return "away";
	if (json_is_true(json_object_get(guest, "rndis")))
		return "running";
	return json_integer_value(json_object_get(guest, "nvsp_version")) != 0 ? "starting"
									       : "silent";
}

/* "6.1"; the first two were numbered otherwise. */
static json_t *nvsp_text(const json_t *said)
{
	json_int_t v =
		json_integer_value(json_object_get(json_object_get(said, "guest"), "nvsp_version"));

	if (v == 0)
		return json_string("");
	if (v == NVSP_V1 || v == NVSP_V2)
		return json_string(v == NVSP_V1 ? "1" : "2");
	return json_sprintf("%d.%d", (int)(v >> 16), (int)(v & 0xffff));
}

/* Why nobody is there or nothing comes back, or what the last one did. */
static const char *reason(const struct vs_daemon *d, const json_t *said)
{
	const char *text = json_string_value(json_object_get(said, "reason"));

	if (json_is_true(json_object_get(said, "attached")))
		return dp_n_workers(d->vs->dp) != 0 ? "" : "no worker runs: vswitchctl core add 1";
	return text != NULL && text[0] != '\0' ? text : "nobody has attached to it yet";
}

static json_int_t count_faults(const json_t *faults)
{
	json_int_t n = 0;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)faults, key, value)
		n += json_integer_value(value);
	return n;
}

/* The addresses that a VM's guest says it has; new reference. */
static json_t *ips_of(const struct vs_daemon *d, const struct vs_port *p)
{
	if (p->vm == NULL || d->vs->vms == NULL)
		return json_array();
	return vs_vm_nic_ips(d->vs->vms, p->vm->name, p->nic);
}

/* A port's row and what the driver says of the guest. */
static json_t *row_of(const struct vs_daemon *d, const struct vs_port *p, const json_t *said)
{
	const struct vs_live *live = live_of(d, p);
	json_t *row = vs_port_row(d, p);
	const json_t *worker = json_object_get(said, "worker");

	json_object_set_new(row, "guest", json_string(guest_state(live, said)));
	json_object_set_new(
		row, "channels",
		json_sprintf("%zu of %lld", json_array_size(json_object_get(said, "channels")),
			     (long long)json_integer_value(json_object_get(said, "max_channels"))));
	json_object_set_new(row, "faults",
			    json_integer(count_faults(json_object_get(said, "faults"))));
	json_object_set_new(row, "nvsp", nvsp_text(said));
	json_object_set_new(row, "ips", ips_of(d, p));
	json_object_set(row, "worker", worker != NULL ? (json_t *)(uintptr_t)worker : json_null());
	if (live->port != NULL && reason(d, said)[0] != '\0')
		json_object_set_new(row, "note", json_string(reason(d, said)));
	return row;
}

static int nic_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_model *m = d->vs->model;
	const struct vs_switch *only = NULL;
	json_t *rows;

	if (json_object_get(params, "switch") != NULL) {
		only = vs_cmd_switch(d, params, "switch", err);
		if (only == NULL)
			return -ENOENT;
	}
	rows = json_array();
	dp_count_refresh(d->vs->dp);
	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i];
		json_t *o;

		if (p->kind != VS_VMBUS || (only != NULL && p->sw != only))
			continue;
		o = said(live_of(d, p));
		json_array_append_new(rows, row_of(d, p, o));
		json_decref(o);
	}
	*ret = json_pack("{so}", "nics", rows);
	return 0;
}

static int not_a_nic(const struct vs_port *p, struct err *err)
{
	err_set(err, -EINVAL, "not-a-nic", "port %s is of kind %s, not vmbus", p->name,
		vs_port_kind_name(p->kind));
	err_why(err, "only a port of kind vmbus is the NIC of a guest");
	err_fix(err, "vswitchctl port show %s; vswitchctl nic list shows the NICs", p->name);
	return -EINVAL;
}

/* {"hash": "ipv4, tcp4", "channels": [..]}: the table and key are long, and in 'port show --json'.
 */
static json_t *rss_of(const json_t *said)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} hashes[] = {{NETVSP_HASH_IP4, "ipv4"},
		      {NETVSP_HASH_TCP4, "tcp4"},
		      {NETVSP_HASH_IP6, "ipv6"},
		      {NETVSP_HASH_TCP6, "tcp6"}};
	const json_t *rss = json_object_get(json_object_get(said, "guest"), "rss");
	json_int_t types = json_integer_value(json_object_get(rss, "hash_types"));
	const json_t *table = json_object_get(rss, "table");
	bool used[NETVSP_MAX_CHANNELS] = {false};
	json_t *names = json_array(), *channels = json_array();

	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if ((types & hashes[i].bit) != 0)
			json_array_append_new(names, json_string(hashes[i].name));
	for (size_t i = 0; i < json_array_size(table); i++)
		used[json_integer_value(json_array_get(table, i)) % NETVSP_MAX_CHANNELS] = true;
	for (unsigned i = 0; i < NETVSP_MAX_CHANNELS; i++)
		if (used[i])
			json_array_append_new(channels, json_integer(i));
	return json_pack("{so so si}", "hash", names, "channels", channels, "entries",
			 (int)json_array_size(table));
}

/* By name, in the order in which packets meet them. */
static void put_lists(json_t *row, const struct vs_model *m, const struct vs_port *p,
		      enum dp_filter_side side, const char *key)
{
	const struct vs_acl_binding *of[VS_MAX_PORT_ACLS];
	unsigned n = vs_acls_of(vs_acl_conf(m), p, side, of);
	json_t *names = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(names, json_string(of[i]->acl->name));
	if (n != 0)
		json_object_set(row, key, names);
	json_decref(names);
}

static void put_mirrors(json_t *row, const struct vs_model *m, const struct vs_port *p)
{
	const struct vs_mirrors_conf *conf = vs_mirrors_of(m);
	json_t *names = json_array();

	for (unsigned i = 0; conf != NULL && i < conf->n; i++)
		if (vs_mirror_covers(m, &conf->v[i], p))
			json_array_append_new(names, json_string(conf->v[i].name));
	if (json_array_size(names) != 0)
		json_object_set(row, "mirrors", names);
	json_decref(names);
}

static int nic_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	const struct vs_daemon *d = ctx;
	int id = vs_cmd_port(d, params, "name", err);
	const struct vs_port *p;
	json_t *row, *nic, *sriov;

	if (id < 0)
		return id;
	p = vs_model_port(d->vs->model, d->vs->live[id].name);
	if (p->kind != VS_VMBUS)
		return not_a_nic(p, err);
	dp_count_refresh(d->vs->dp);
	nic = said(&d->vs->live[id]);
	row = row_of(d, p, nic);
	json_object_set(row, "channel_list", json_object_get(nic, "channels"));
	if (json_is_true(json_object_get(json_object_get(json_object_get(nic, "guest"), "rss"),
					 "enabled")))
		json_object_set_new(row, "rss", rss_of(nic));
	/* What nobody has negotiated is not worth a screen of zeros. */
	if (json_string_length(json_object_get(row, "nvsp")) == 0)
		json_object_del(nic, "guest");
	json_object_set_new(row, "nic", nic);
	sriov = vs_sriov_row(d->vs, p->name);
	if (sriov != NULL)
		json_object_set_new(row, "sriov", sriov);
	put_lists(row, d->vs->model, p, DP_FILTER_INGRESS, "acl_ingress");
	put_lists(row, d->vs->model, p, DP_FILTER_EGRESS, "acl_egress");
	put_mirrors(row, d->vs->model, p);
	json_object_set_new(row, "configured",
			    json_deep_copy(conf_object(d->conf, "port", p->name)));
	json_object_set_new(row, "drops_by_reason",
			    vs_drops_json(dp_port_count(d->vs->dp, (uint16_t)id)));
	*ret = row;
	return 0;
}

const struct ctl_binding vs_cmd_nics[] = {
	{"nic", "list", nic_list},
	{"nic", "show", nic_show},
	{NULL, NULL, NULL},
};
