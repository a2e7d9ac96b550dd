/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at switches, and proving what they keep apart; see cmd.h.
 */
#include "vswitch/cmd.h"

#include "ctl/conf.h"
#include "dataplane/punt.h"
#include "vswitch/controllers.h"
#include "vswitch/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

/* Names of the ports, or of the tenants, of a switch. */
static json_t *uplinks_of(const struct vs_model *m, const struct vs_switch *sw)
{
	json_t *names = json_array();

	for (unsigned i = 0; i < m->n_ports; i++)
		if (m->ports[i].sw == sw && vs_is_uplink(&m->ports[i]))
			json_array_append_new(names, json_string(m->ports[i].name));
	return names;
}

static json_t *tenants_of(const struct vs_daemon *d, const struct vs_switch *sw)
{
	json_t *names = json_array();

	for (unsigned i = 0; i < DP_MAX_DOMAINS; i++)
		if (d->vs->domains[i].used && d->vs->domains[i].tenant[0] != '\0' &&
		    strcmp(d->vs->domains[i].sw, sw->name) == 0)
			json_array_append_new(names, json_string(d->vs->domains[i].tenant));
	return names;
}

static bool has_uplink(const struct vs_model *m, const struct vs_switch *sw)
{
	for (unsigned i = 0; i < m->n_ports; i++)
		if (m->ports[i].sw == sw && vs_is_uplink(&m->ports[i]))
			return true;
	return false;
}

static json_t *switch_row(const struct vs_daemon *d, const struct vs_switch *sw)
{
	const struct vs_model *m = d->vs->model;
	json_t *tenants = tenants_of(d, sw);
	int n_ports = 0, n_up = 0;
	char note[80] = "";
	json_t *row;

	for (unsigned i = 0; i < m->n_ports; i++) {
		if (m->ports[i].sw != sw)
			continue;
		n_ports++;
		n_up += strcmp(vs_port_state(d, &m->ports[i], vs_port_id(d->vs, m->ports[i].name)),
			       "up") == 0;
	}
	if (sw->type == VS_EXTERNAL && !has_uplink(m, sw))
		snprintf(note, sizeof(note), "no uplink yet");
	row = json_pack("{ss ss si si si sI so ss}", "name", sw->name, "type",
			vs_switch_type_name(sw->type), "n_ports", n_ports, "n_up", n_up,
			"n_tenants", (int)json_array_size(tenants), "n_macs",
			(json_int_t)vs_macs_of(d, sw->name, NULL), "uplinks", uplinks_of(m, sw),
			"note", note);
	json_decref(tenants);
	return row;
}

static int switch_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	struct vs_daemon *d = ctx;
	json_t *rows = json_array();

	for (unsigned i = 0; i < d->vs->model->n_switches; i++)
		json_array_append_new(rows, switch_row(d, &d->vs->model->switches[i]));
	*ret = json_pack("{so}", "switches", rows);
	return 0;
}

/* The order of decisions, as the code takes them: one table, printed by 'switch show --pipeline'.
 */
static const struct {
	const char *direction, *step, *does, *drops;
} pipeline[] = {
	{"ingress", "queue", "to the worker that has its NIC's own queue (vmq)", "vmq-full"},
	{"ingress", "capture", "copies frames for running captures", ""},
	{"ingress", "admin", "port up, not held by the loop guard",
	 "port-disabled loop loop-probe mirror-only"},
	{"ingress", "mirror", "copies frames for mirrors", ""},
	{"ingress", "flow records", "counts frames for flow records", ""},
	{"ingress", "guards", "what the machine behind the port may claim to be",
	 "guard-bpdu guard-mac guard-broadcast guard-multicast guard-unknown guard-arp "
	 "guard-arp-rate guard-ip guard-dhcp guard-router"},
	{"ingress", "filters", "the port's filter modules, in their order",
	 "filter-drop filter-aborted filter-budget filter-missing filter-refused filter-tenant"},
	{"ingress", "access lists", "the first entry that matches; packets of a session pass",
	 "acl-ingress"},
	{"ingress", "source", "source address is a station's", "runt bad-source"},
	{"ingress", "reserved", "bridge-local group addresses stay on their link, but for rules",
	 "reserved-mac"},
	{"ingress", "tenant", "tenant of the port, or of the tag on a shared uplink", ""},
	{"ingress", "vlan", "which VLAN carries the frame",
	 "truncated-tag vlan-not-member untagged"},
	{"switch", "learn", "source address, within the limits of port and tenant", ""},
	{"switch", "normal", "destination address to port", "hairpin no-receiver"},
	{"switch", "flood", "unknown and group addresses to all ports", "flood-limit no-mbuf"},
	{"egress", "tenant", "the port belongs to the frame's tenant", "tenant"},
	{"egress", "vlan", "the port accepts the VLAN (private VLANs included)", "egress-vlan"},
	{"egress", "protected", "not both ports are protected", "guard-protected"},
	{"egress", "mirror target", "the port is there for more than a mirror's copies",
	 "mirror-only"},
	{"egress", "tag", "pushes, pops or renames the tag", "no-mbuf"},
	{"egress", "access lists", "the first entry that matches; packets of a session pass",
	 "acl-egress"},
	{"egress", "filters", "the port's filter modules, in their order",
	 "filter-drop filter-aborted filter-budget filter-missing filter-refused"},
	{"egress", "shaper", "queues, and sends at the rates that its classes say",
	 "shaper-full shaper-delay"},
	{"egress", "mirror", "copies frames for mirrors", ""},
	{"egress", "capture", "copies frames for running captures", ""},
	{"egress", "size", "fits the MTU, or is cut if it is a super-frame", "tx-too-big"},
	{"egress", "offload", "checksums and segmentation the port cannot do",
	 "tx-offload no-mbuf"},
	{"egress", "send", "to the driver", "tx-full tx-down handoff-full port-removed"},
};

static json_t *pipeline_json(void)
{
	json_t *steps = json_array();

	for (size_t i = 0; i < sizeof(pipeline) / sizeof(pipeline[0]); i++) {
		json_t *drops = json_array();
		char text[256], *save, *word;

		snprintf(text, sizeof(text), "%s", pipeline[i].drops);
		for (word = strtok_r(text, " ", &save); word != NULL;
		     word = strtok_r(NULL, " ", &save))
			json_array_append_new(drops, json_string(word));
		json_array_append_new(steps,
				      json_pack("{ss ss ss so}", "direction", pipeline[i].direction,
						"step", pipeline[i].step, "does", pipeline[i].does,
						"drops", drops));
	}
	return steps;
}

static int switch_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	struct vs_daemon *d = ctx;
	const struct vs_switch *sw = vs_cmd_switch(d, params, "name", err);
	json_t *row, *ports = json_array();
	char id[20];

	if (sw == NULL) {
		json_decref(ports);
		return -ENOENT;
	}
	dp_count_refresh(d->vs->dp);
	row = switch_row(d, sw);
	for (unsigned i = 0; i < d->vs->model->n_ports; i++)
		if (d->vs->model->ports[i].sw == sw)
			json_array_append_new(ports, vs_port_row(d, &d->vs->model->ports[i]));
	json_object_set_new(row, "ports", ports);
	json_object_set_new(row, "tenants", tenants_of(d, sw));
	json_object_set_new(row, "mac_age",
			    json_integer((json_int_t)(sw->mac_age_s != 0 ? sw->mac_age_s : 300) *
					 1000));
	json_object_set_new(row, "mac_limit", json_integer(sw->mac_limit));
	json_object_set_new(row, "loop_guard", json_boolean(sw->loop_guard));
	json_object_set_new(row, "fail_mode", json_string(sw->secure ? "secure" : "standalone"));
	snprintf(id, sizeof(id), "%016" PRIx64, vs_datapath_id(sw));
	json_object_set_new(row, "datapath_id", json_string(id));
	json_object_set_new(row, "controller_limit",
			    json_integer(sw->controller_limit != 0 ? sw->controller_limit
								   : DP_PUNT_RATE));
	if (json_is_true(json_object_get(params, "pipeline")))
		json_object_set_new(row, "pipeline", pipeline_json());
	*ret = row;
	return 0;
}

static int switch_verify(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			 struct err *err)
{
	struct vs_daemon *d = ctx;
	const struct vs_switch *sw = NULL;

	if (param(params, "name") != NULL) {
		sw = vs_cmd_switch(d, params, "name", err);
		if (sw == NULL)
			return -ENOENT;
	}
	return vs_verify(d->vs, sw, ret, err);
}

const struct ctl_binding vs_cmd_switches[] = {
	{"switch", "list", switch_list},
	{"switch", "show", switch_show},
	{"switch", "verify", switch_verify},
	{NULL, NULL, NULL},
};
