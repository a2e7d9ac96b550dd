/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at queues of NICs; see cmd.h.
 */
#include "vswitch/cmd.h"
#include "vswitch/vmq.h"

#include "dataplane/vmq.h"

#include <stdio.h>

static json_t *configured(const struct vs_vmq *v)
{
	return v->queues == 0 ? json_string("auto") : json_sprintf("%u", v->queues);
}

static json_t *queue_json(const struct vs_daemon *d, const char *nic, const struct dp_vmq *vmq,
			  uint16_t i)
{
	struct dp_vmq_info info;
	json_t *row;

	dp_vmq_queue_info(d->vs->dp, vmq, i, &info);
	row = json_pack("{ss si sf sb si sI sI sI sI si}", "nic", nic, "queue", (int)i, "load",
			info.load, "ring", !info.at_home && !dp_vmq_spec(vmq)->is_hw, "waits",
			(int)info.waits, "packets", (json_int_t)info.packets, "bytes",
			(json_int_t)info.bytes, "direct", (json_int_t)info.direct, "dropped",
			(json_int_t)info.dropped, "moves", (int)info.moves);
	json_object_set_new(row, "cpu", info.cpu >= 0 ? json_integer(info.cpu) : json_null());
	return row;
}

static const char *why_of(const struct vs_vmq_nic *nic)
{
	if (nic->why[0] != '\0')
		return nic->why;
	return nic->vmq == NULL ? "it was not looked at yet" : "";
}

static json_t *nic_json(const struct vs_daemon *d, const struct vs_port *p, uint16_t id,
			json_t *queues)
{
	const struct vs_vmq *v = vs_vmq_of(d->vs->model, p);
	const struct vs_vmq_nic *nic = vs_vmq_nic(d->vs, id);
	const struct dp_vmq_spec *spec = nic->vmq != NULL ? dp_vmq_spec(nic->vmq) : NULL;
	const char *uplink = spec != NULL ? vs_port_name(d->vs, spec->uplink) : NULL;
	json_t *row = json_pack("{ss ss ss ss si so si ss sf ss}", "nic", p->name, "switch",
				p->sw->name, "uplink", uplink != NULL ? uplink : "", "kind",
				vs_vmq_kind(nic), "queues", spec != NULL ? (int)spec->n_queues : 0,
				"configured", configured(v), "weight", (int)v->weight, "hardware",
				vs_vmq_hw_words[v->hw], "rate", nic->rate, "why", why_of(nic));

	if (spec != NULL)
		json_object_set_new(row, "vlan", json_integer(spec->vid));
	for (uint16_t i = 0; spec != NULL && i < spec->n_queues && !dp_vmq_gone(nic->vmq); i++)
		json_array_append_new(queues, queue_json(d, p->name, nic->vmq, i));
	return row;
}

static int vmq_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_model *m = d->vs->model;
	json_t *nics, *queues;
	int only = -1;

	if (json_object_get(params, "port") != NULL) {
		only = vs_cmd_port(d, params, "port", err);
		if (only < 0)
			return only;
	}
	nics = json_array();
	queues = json_array();
	for (unsigned i = 0; i < m->n_ports; i++) {
		uint16_t id = vs_port_id(d->vs, m->ports[i].name);

		if (id == DP_NO_PORT || !vs_vmq_concerns(&m->ports[i]) || (only >= 0 && id != only))
			continue;
		json_array_append_new(nics, nic_json(d, &m->ports[i], id, queues));
	}
	*ret = json_pack("{so so}", "nics", nics, "queues", queues);
	return 0;
}

const struct ctl_binding vs_cmd_vmqs[] = {
	{"vmq", "show", vmq_show},
	{NULL, NULL, NULL},
};
