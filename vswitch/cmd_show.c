/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at switches, ports, VLANs and tenants; see cmd.h.
 */
#include "vswitch/cmd.h"

#include "ctl/conf.h"
#include "dataplane/fdb.h"
#include "vswitch/verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static int not_found(struct err *err, const char *noun, const char *name, const char *const *names)
{
	const char *near = name != NULL ? ctl_did_you_mean(name, names) : NULL;

	err_set(err, -ENOENT, "not-found", "there is no %s '%s'", noun, name != NULL ? name : "");
	if (near != NULL)
		err_fix(err, "did you mean '%s'?", near);
	else
		err_fix(err, "vswitchctl %s list", noun);
	return -ENOENT;
}

int vs_cmd_port(const struct vs_daemon *d, const json_t *params, const char *key, struct err *err)
{
	const char *name = param(params, key);
	uint16_t id = vs_port_id(d->vs, name);
	const char *names[DP_MAX_PORTS + 1];
	unsigned n = 0;

	if (id != DP_NO_PORT)
		return id;
	for (unsigned i = 0; i < d->vs->model->n_ports; i++)
		names[n++] = d->vs->model->ports[i].name;
	names[n] = NULL;
	return not_found(err, "port", name, names);
}

static const struct vs_switch *switch_param(const struct vs_daemon *d, const json_t *params,
					    const char *key, struct err *err)
{
	const struct vs_model *m = d->vs->model;
	const char *name = param(params, key);
	const struct vs_switch *sw = vs_model_switch(m, name);
	const char *names[VS_MAX_SWITCHES + 1] = {NULL};

	for (unsigned i = 0; i < m->n_switches; i++)
		names[i] = m->switches[i].name;
	if (sw == NULL)
		(void)not_found(err, "switch", name, names);
	return sw;
}

uint64_t vs_drops_rx(const struct dp_count *count)
{
	uint64_t n = 0;

	for (int i = 0; i < DP_N_DROPS; i++)
		n += count->drops_rx[i];
	return n;
}

uint64_t vs_drops_tx(const struct dp_count *count)
{
	uint64_t n = 0;

	for (int i = 0; i < DP_N_DROPS; i++)
		n += count->drops_tx[i];
	return n;
}

json_t *vs_count_json(const struct dp_count *c)
{
	uint64_t rx = vs_drops_rx(c), tx = vs_drops_tx(c);

	return json_pack("{sI sI sI sI sI sI sI sI sI sI sI sI sI}", "rx_packets",
			 (json_int_t)c->rx_packets, "rx_bytes", (json_int_t)c->rx_bytes,
			 "rx_multicast", (json_int_t)c->rx_multicast, "copies",
			 (json_int_t)c->copies, "forwarded", (json_int_t)c->forwarded, "flooded",
			 (json_int_t)c->flooded, "offered", (json_int_t)c->offered, "segments",
			 (json_int_t)c->segments, "tx_packets", (json_int_t)c->tx_packets,
			 "tx_bytes", (json_int_t)c->tx_bytes, "drops_rx", (json_int_t)rx,
			 "drops_tx", (json_int_t)tx, "drops", (json_int_t)(rx + tx));
}

void vs_mac_format(const struct rte_ether_addr *mac, char *text, size_t size)
{
	const uint8_t *b = mac->addr_bytes;

	snprintf(text, size, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
}

/* "access 10", "trunk all native 1", "isolated 100,101" */
static char *vlan_text(const struct vs_vlan *v)
{
	char *set = vs_vlans_format(v->mode == VS_TRUNK ? v->allowed : v->secondary), *text = NULL;
	int n;

	if (v->mode == VS_TRUNK && v->native != 0)
		n = asprintf(&text, "trunk %s native %u", set, v->native);
	else if (v->mode == VS_TRUNK)
		n = asprintf(&text, "trunk %s", set);
	else if (v->mode == VS_ACCESS && v->vlan == 0)
		n = asprintf(&text, "untagged");
	else if (v->mode <= VS_TUNNEL)
		n = asprintf(&text, "%s %u", vs_vlan_mode_name(v->mode), v->vlan);
	else
		n = asprintf(&text, "%s %u,%s", vs_vlan_mode_name(v->mode), v->vlan, set);
	free(set);
	return n < 0 ? NULL : text;
}

static const char *state_of(const struct vs_daemon *d, const struct vs_port *p, uint16_t id)
{
	const struct vs_live *live = &d->vs->live[id];

	if (!p->up)
		return "disabled";
	if (live->port == NULL)
		return "waiting";
	if (d->vs->held[id] != 0)
		return "held";
	return atomic_load(&live->port->link_up) ? "up" : "down";
}

/* Everything about a port that fits a row. */
json_t *vs_port_row(const struct vs_daemon *d, const struct vs_port *p)
{
	uint16_t id = vs_port_id(d->vs, p->name);
	const struct vs_live *live = &d->vs->live[id];
	json_t *row = vs_count_json(dp_port_count(d->vs->dp, id));
	char mac[RTE_ETHER_ADDR_FMT_SIZE] = "";
	char *vlan = vlan_text(&p->vlan);

	if (live->port != NULL)
		vs_mac_format(&live->port->mac, mac, sizeof(mac));
	json_object_set_new(row, "id", json_integer(id));
	json_object_set_new(row, "name", json_string(p->name));
	json_object_set_new(row, "switch", json_string(p->sw->name));
	json_object_set_new(row, "kind", json_string(vs_port_kind_name(p->kind)));
	json_object_set_new(row, "tenant", json_string(p->tenant != NULL ? p->tenant->name : ""));
	json_object_set_new(row, "vlan", json_string(vlan != NULL ? vlan : ""));
	json_object_set_new(row, "admin", json_string(p->up ? "up" : "down"));
	json_object_set_new(row, "state", json_string(state_of(d, p, id)));
	json_object_set_new(row, "link",
			    json_string(live->port != NULL && live->port->link_up ? "up" : "down"));
	json_object_set_new(row, "mtu", json_integer(p->mtu));
	json_object_set_new(row, "mac", json_string(mac));
	json_object_set_new(row, "driver",
			    json_string(live->port != NULL ? live->port->driver : ""));
	json_object_set_new(row, "queues",
			    json_integer(live->port != NULL ? live->port->n_rxq : 0));
	json_object_set_new(row, "macs", json_integer(dp_fdb_port_count(dp_fdb(d->vs->dp), id)));
	json_object_set_new(row, "note",
			    json_string(live->port == NULL ? live->reason : live->port->note));
	free(vlan);
	return row;
}

static int port_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	struct vs_daemon *d = ctx;
	const char *tenant = param(params, "tenant");
	const struct vs_switch *only = NULL;
	json_t *rows = json_array();

	if (param(params, "switch") != NULL) {
		only = switch_param(d, params, "switch", err);
		if (only == NULL) {
			json_decref(rows);
			return -ENOENT;
		}
	}
	dp_count_refresh(d->vs->dp);
	for (unsigned i = 0; i < d->vs->model->n_ports; i++) {
		const struct vs_port *p = &d->vs->model->ports[i];

		if ((only == NULL || p->sw == only) &&
		    (param(params, "name") == NULL ||
		     strcmp(param(params, "name"), p->name) == 0) &&
		    (tenant == NULL || (p->tenant != NULL && strcmp(tenant, p->tenant->name) == 0)))
			json_array_append_new(rows, vs_port_row(d, p));
	}
	*ret = json_pack("{so}", "ports", rows);
	return 0;
}

static json_t *drops_json(const struct dp_count *c)
{
	json_t *drops = json_object();

	for (int i = 0; i < DP_N_DROPS; i++)
		if (c->drops_rx[i] + c->drops_tx[i] != 0)
			json_object_set_new(drops, dp_drop_slug((enum dp_drop)i),
					    json_integer(
						    (json_int_t)(c->drops_rx[i] + c->drops_tx[i])));
	return drops;
}

json_t *vs_queues_json(const struct vs_daemon *d, int only)
{
	json_t *queues = json_array();
	struct dp_queue_info *info = calloc(65536, sizeof(*info));
	unsigned n = info != NULL ? dp_queue_info(d->vs->dp, info, 65536) : 0;

	for (unsigned i = 0; i < n; i++) {
		const char *port = vs_port_name(d->vs, info[i].port);

		if (only >= 0 && info[i].port != only)
			continue;
		json_array_append_new(queues,
				      json_pack("{ss si si sf sI sI}", "port",
						port != NULL ? port : "", "queue", info[i].queue,
						"cpu", info[i].cpu, "load", info[i].load, "packets",
						(json_int_t)info[i].packets, "bytes",
						(json_int_t)info[i].bytes));
	}
	free(info);
	return queues;
}

static int port_stats(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	struct vs_daemon *d = ctx;
	int only = -1, rc;

	if (param(params, "name") != NULL) {
		only = vs_cmd_port(d, params, "name", err);
		if (only < 0)
			return only;
	}
	rc = port_list(ctx, call, params, ret, err);
	if (rc == 0 && json_is_true(json_object_get(params, "queues")))
		json_object_set_new(*ret, "queues", vs_queues_json(d, only));
	return rc;
}

static int port_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	struct vs_daemon *d = ctx;
	int id = vs_cmd_port(d, params, "name", err);
	const struct dp_count *count;
	const struct vs_live *live;
	json_t *row, *body;

	if (id < 0)
		return id;
	dp_count_refresh(d->vs->dp);
	count = dp_port_count(d->vs->dp, (uint16_t)id);
	live = &d->vs->live[id];
	row = vs_port_row(d, vs_model_port(d->vs->model, live->name));
	json_object_set_new(row, "drops_by_reason", drops_json(count));
	json_object_set_new(row, "queue_list", vs_queues_json(d, id));
	body = json_deep_copy(conf_object(d->conf, "port", live->name));
	if (body != NULL)
		json_object_set_new(row, "configured", body);
	if (live->port != NULL && live->port->ops->show != NULL)
		json_object_set_new(row, "device", live->port->ops->show(live->port));
	*ret = row;
	return 0;
}

static unsigned ports_of(const struct vs_model *m, const struct vs_switch *sw,
			 const struct vs_tenant *t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_ports; i++)
		n += (sw == NULL || m->ports[i].sw == sw) && (t == NULL || m->ports[i].tenant == t);
	return n;
}

static uint32_t macs_of(const struct vs_daemon *d, const char *sw, const char *tenant)
{
	uint32_t n = 0;

	for (uint16_t i = 0; i < DP_MAX_DOMAINS; i++) {
		const struct vs_domain_live *dom = &d->vs->domains[i];

		if (dom->used && (sw == NULL || strcmp(dom->sw, sw) == 0) &&
		    (tenant == NULL || strcmp(dom->tenant, tenant) == 0))
			n += dp_fdb_domain_count(dp_fdb(d->vs->dp), i);
	}
	return n;
}

/* Names of the ports, or of the tenants, of a switch. */
static json_t *uplinks_of(const struct vs_model *m, const struct vs_switch *sw)
{
	json_t *names = json_array();

	for (unsigned i = 0; i < m->n_ports; i++)
		if (m->ports[i].sw == sw && m->ports[i].kind == VS_PHYS)
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
		if (m->ports[i].sw == sw && m->ports[i].kind == VS_PHYS)
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
		n_up += strcmp(state_of(d, &m->ports[i], vs_port_id(d->vs, m->ports[i].name)),
			       "up") == 0;
	}
	if (sw->type == VS_EXTERNAL && !has_uplink(m, sw))
		snprintf(note, sizeof(note), "no uplink yet");
	row = json_pack("{ss ss si si si sI so ss}", "name", sw->name, "type",
			vs_switch_type_name(sw->type), "n_ports", n_ports, "n_up", n_up,
			"n_tenants", (int)json_array_size(tenants), "n_macs",
			(json_int_t)macs_of(d, sw->name, NULL), "uplinks", uplinks_of(m, sw),
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
	{"ingress", "capture", "copies frames for running captures", ""},
	{"ingress", "admin", "port up, not held by the loop guard", "port-disabled loop"},
	{"ingress", "source", "source address is a station's", "runt bad-source"},
	{"ingress", "reserved", "bridge-local group addresses stay on their link", "reserved-mac"},
	{"ingress", "tenant", "tenant of the port, or of the tag on a shared uplink", ""},
	{"ingress", "vlan", "which VLAN carries the frame",
	 "truncated-tag vlan-not-member untagged"},
	{"switch", "learn", "source address, within the limits of port and tenant", ""},
	{"switch", "normal", "destination address to port", "hairpin no-receiver"},
	{"switch", "flood", "unknown and group addresses to all ports", "flood-limit no-mbuf"},
	{"egress", "tenant", "the port belongs to the frame's tenant", "tenant"},
	{"egress", "vlan", "the port accepts the VLAN (private VLANs included)", "egress-vlan"},
	{"egress", "tag", "pushes, pops or renames the tag", "no-mbuf"},
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
		char text[128], *save, *word;

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
	const struct vs_switch *sw = switch_param(d, params, "name", err);
	json_t *row, *ports = json_array();

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
		sw = switch_param(d, params, "name", err);
		if (sw == NULL)
			return -ENOENT;
	}
	return vs_verify(d->vs, sw, ret, err);
}

static int vlan_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	struct vs_daemon *d = ctx;
	const char *only = param(params, "port");
	json_t *rows = json_array();

	if (only != NULL && vs_cmd_port(d, params, "port", err) < 0) {
		json_decref(rows);
		return -ENOENT;
	}
	for (unsigned i = 0; i < d->vs->model->n_ports; i++) {
		const struct vs_port *p = &d->vs->model->ports[i];
		char *allowed, *secondary;

		if (only != NULL && strcmp(only, p->name) != 0)
			continue;
		allowed = vs_vlans_format(p->vlan.allowed);
		secondary = vs_vlans_format(p->vlan.secondary);
		json_array_append_new(
			rows, json_pack("{ss ss ss si si ss ss ss}", "port", p->name, "switch",
					p->sw->name, "mode", vs_vlan_mode_name(p->vlan.mode),
					"vlan", p->vlan.vlan, "native", p->vlan.native, "allowed",
					p->vlan.mode == VS_TRUNK ? allowed : "", "secondary",
					p->vlan.mode >= VS_ISOLATED ? secondary : "", "tpid",
					p->vlan.tpid == 0x88a8 ? "0x88a8" : "0x8100"));
		free(allowed);
		free(secondary);
	}
	*ret = json_pack("{so}", "vlans", rows);
	return 0;
}

static void add_count(struct dp_count *to, const struct dp_count *from)
{
	uint64_t *t = (uint64_t *)to;
	const uint64_t *f = (const uint64_t *)from;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*t); i++)
		t[i] += f[i];
}

static bool belongs(const struct vs_port *p, const struct vs_tenant *t, const char *sw)
{
	return p->tenant == t && (sw == NULL || strcmp(p->sw->name, sw) == 0);
}

/* A tenant's counters on a switch are those of its ports there. */
static struct dp_count tenant_count(const struct vs_daemon *d, const struct vs_tenant *t,
				    const char *sw)
{
	const struct vs_model *m = d->vs->model;
	struct dp_count sum = {0};

	for (unsigned i = 0; i < m->n_ports; i++)
		if (belongs(&m->ports[i], t, sw))
			add_count(&sum,
				  dp_port_count(d->vs->dp, vs_port_id(d->vs, m->ports[i].name)));
	return sum;
}

static json_t *tenant_row(const struct vs_daemon *d, const struct vs_tenant *t)
{
	const json_t *body = conf_object(d->conf, "tenant", t->name);

	return json_pack("{ss sI sI sI sI sI sI}", "name", t->name, "id", (json_int_t)t->id,
			 "n_ports", (json_int_t)ports_of(d->vs->model, NULL, t), "n_macs",
			 (json_int_t)macs_of(d, NULL, t->name), "mac_limit",
			 (json_int_t)t->mac_limit, "flow_limit",
			 json_integer_value(json_object_get(body, "flow_limit")), "flood_rate",
			 (json_int_t)t->flood_rate_bps);
}

/* One row for each switch the tenant is on. */
static void tenant_stat_rows(const struct vs_daemon *d, const struct vs_tenant *t, json_t *rows)
{
	for (uint16_t i = 0; i < DP_MAX_DOMAINS; i++) {
		const struct vs_domain_live *dom = &d->vs->domains[i];
		const struct dp_domain_count *mine = dp_domain_count(d->vs->dp, i);
		struct dp_count sum;
		json_t *row;

		if (!dom->used || strcmp(dom->tenant, t->name) != 0)
			continue;
		sum = tenant_count(d, t, dom->sw);
		row = vs_count_json(&sum);
		json_object_set_new(row, "name", json_string(t->name));
		json_object_set_new(row, "switch", json_string(dom->sw));
		/* What came for it by an uplink it shares is in the domain's count only. */
		json_object_set_new(row, "rx_packets", json_integer((json_int_t)mine->rx_packets));
		json_object_set_new(row, "rx_bytes", json_integer((json_int_t)mine->rx_bytes));
		json_object_set_new(row, "drops_by_reason", drops_json(&sum));
		json_array_append_new(rows, row);
	}
}

static const struct vs_tenant *tenant_param(const struct vs_daemon *d, const json_t *params,
					    struct err *err)
{
	const struct vs_model *m = d->vs->model;
	const struct vs_tenant *t = vs_model_tenant(m, param(params, "name"));
	const char **names = calloc(m->n_tenants + 1, sizeof(*names));

	for (unsigned i = 0; names != NULL && i < m->n_tenants; i++)
		names[i] = m->tenants[i].name;
	if (t == NULL && names != NULL)
		(void)not_found(err, "tenant", param(params, "name"), names);
	free(names);
	return t;
}

static int tenant_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	struct vs_daemon *d = ctx;
	json_t *rows = json_array();

	for (unsigned i = 0; i < d->vs->model->n_tenants; i++)
		json_array_append_new(rows, tenant_row(d, &d->vs->model->tenants[i]));
	*ret = json_pack("{so}", "tenants", rows);
	return 0;
}

static int tenant_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	struct vs_daemon *d = ctx;
	const struct vs_model *m = d->vs->model;
	const struct vs_tenant *t = tenant_param(d, params, err);
	json_t *ports, *switches;

	if (t == NULL)
		return -ENOENT;
	dp_count_refresh(d->vs->dp);
	ports = json_array();
	for (unsigned i = 0; i < m->n_ports; i++)
		if (m->ports[i].tenant == t)
			json_array_append_new(ports, json_string(m->ports[i].name));
	switches = json_array();
	tenant_stat_rows(d, t, switches);
	*ret = tenant_row(d, t);
	json_object_set_new(*ret, "ports", ports);
	json_object_set_new(*ret, "switches", switches);
	return 0;
}

static int tenant_stats(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			struct err *err)
{
	struct vs_daemon *d = ctx;
	const struct vs_tenant *only = NULL;
	json_t *rows;

	if (param(params, "name") != NULL) {
		only = tenant_param(d, params, err);
		if (only == NULL)
			return -ENOENT;
	}
	dp_count_refresh(d->vs->dp);
	rows = json_array();
	for (unsigned i = 0; i < d->vs->model->n_tenants; i++)
		if (only == NULL || only == &d->vs->model->tenants[i])
			tenant_stat_rows(d, &d->vs->model->tenants[i], rows);
	*ret = json_pack("{so}", "tenants", rows);
	return 0;
}

const struct ctl_binding vs_cmd_show[] = {
	{"switch", "list", switch_list},
	{"switch", "show", switch_show},
	{"switch", "verify", switch_verify},
	{"port", "list", port_list},
	{"port", "show", port_show},
	{"port", "stats", port_stats},
	{"vlan", "show", vlan_show},
	{"tenant", "list", tenant_list},
	{"tenant", "show", tenant_show},
	{"tenant", "stats", tenant_stats},
	{NULL, NULL, NULL},
};
