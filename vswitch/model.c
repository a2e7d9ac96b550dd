/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From JSON to typed objects, with every check that needs no device; see model.h.
 */
#include "vswitch/model_priv.h"

#include "ctl/conf.h"
#include "filters/module.h"
#include "vswitch/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TENANT_ID_MAX 0xffffffu
#define VLAN_MAX      4094
#define MTU_MIN	      68
#define MTU_MAX	      65521

static const char *const type_names[] = {"external", "internal", "private"};
static const char *const kind_names[] = {"phys", "host",  "tap",    "vhost", "memif", "mem",
					 "vtep", "vxlan", "geneve", "nvgre", "vmbus", "team"};
static const char *const mode_names[] = {"access",   "trunk",	  "tunnel",
					 "isolated", "community", "promiscuous"};

const char *vs_switch_type_name(enum vs_switch_type type)
{
	return type_names[type];
}

const char *vs_port_kind_name(enum vs_port_kind kind)
{
	return kind_names[kind];
}

const char *vs_vlan_mode_name(enum vs_vlan_mode mode)
{
	return mode_names[mode];
}

static int choice(const char *word, const char *const *names, unsigned n)
{
	for (unsigned i = 0; word != NULL && i < n; i++)
		if (strcmp(word, names[i]) == 0)
			return (int)i;
	return -1;
}

const char *vs_body_str(const json_t *body, const char *key)
{
	return json_string_value(json_object_get(body, key));
}

uint64_t vs_body_number(const json_t *body, const char *key, uint64_t def)
{
	const json_t *v = json_object_get(body, key);

	return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v)
								: def;
}

/* The same for a field of 16 bits: what does not fit is too much, not a small number. */
static uint16_t small(const json_t *body, const char *key, uint16_t def)
{
	uint64_t n = vs_body_number(body, key, def);

	return n < UINT16_MAX ? (uint16_t)n : UINT16_MAX;
}

static uint32_t medium(const json_t *body, const char *key, uint32_t def)
{
	uint64_t n = vs_body_number(body, key, def);

	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

bool vs_body_flag(const json_t *body, const char *key, bool def)
{
	const json_t *v = json_object_get(body, key);

	return json_is_boolean(v) ? json_is_true(v) : def;
}

const struct vs_switch *vs_model_switch(const struct vs_model *m, const char *name)
{
	for (unsigned i = 0; name != NULL && i < m->n_switches; i++)
		if (strcmp(m->switches[i].name, name) == 0)
			return &m->switches[i];
	return NULL;
}

const struct vs_tenant *vs_model_tenant(const struct vs_model *m, const char *name)
{
	for (unsigned i = 0; name != NULL && i < m->n_tenants; i++)
		if (strcmp(m->tenants[i].name, name) == 0)
			return &m->tenants[i];
	return NULL;
}

const struct vs_port *vs_model_port(const struct vs_model *m, const char *name)
{
	for (unsigned i = 0; name != NULL && i < m->n_ports; i++)
		if (strcmp(m->ports[i].name, name) == 0)
			return &m->ports[i];
	return NULL;
}

int vs_model_strays(const struct vs_model *m, const json_t *objects, const char *noun,
		    struct err *err)
{
	const char *name;
	char made_by[32];
	json_t *body;

	snprintf(made_by, sizeof(made_by), "%s set", noun);
	json_object_foreach((json_t *)(uintptr_t)objects, name, body) {
		if (vs_model_port(m, name) != NULL)
			continue;
		(void)conf_refuse_missing(m->state, "port", name, made_by, err);
		err_about(err, noun, name);
		return -ENOENT;
	}
	return 0;
}

static int no_such(const struct vs_model *m, struct err *err, const char *who, const char *name,
		   const char *what, const char *missing)
{
	char text[160];

	snprintf(text, sizeof(text), "%s %s", who, name);
	return conf_refuse_missing(m->state, what, missing, text, err);
}

static int tenant_read(struct vs_model *m, const char *name, const json_t *body, struct err *err)
{
	struct vs_tenant *t = &m->tenants[m->n_tenants];

	*t = (struct vs_tenant){
		.name = name,
		.id = medium(body, "id", 0),
		.mac_limit = medium(body, "mac_limit", 0),
		.flow_limit = medium(body, "flow_limit", 0),
		.flood_rate_bps = vs_body_number(body, "flood_rate", 0),
		.connection_limit = medium(body, "connection_limit", 0),
	};
	if (t->id == 0 || t->id > TENANT_ID_MAX)
		return err_set(err, -EINVAL, "bad-tenant-id", "tenant %s: id must be 1 to %u", name,
			       TENANT_ID_MAX);
	for (unsigned i = 0; i < m->n_tenants; i++) {
		if (m->tenants[i].id != t->id)
			continue;
		err_set(err, -EEXIST, "tenant-id-used", "tenant %s: id %u is tenant %s's", name,
			t->id, m->tenants[i].name);
		err_why(err, "an id is what keeps two tenants apart");
		err_fix(err, "choose another --id");
		err_about(err, "tenant", m->tenants[i].name);
		return -EEXIST;
	}
	m->n_tenants++;
	return 0;
}

static int switch_read(struct vs_model *m, const char *name, const json_t *body, struct err *err)
{
	int type = choice(vs_body_str(body, "type"), type_names, 3);
	const char *fail = vs_body_str(body, "fail_mode"), *id = vs_body_str(body, "datapath_id");
	uint64_t datapath_id = 0;

	if (type < 0)
		return err_set(err, -EINVAL, "bad-type",
			       "switch %s: type must be external, internal or private", name);
	if (id != NULL && vs_datapath_id_parse(id, &datapath_id) != 0) {
		err_set(err, -EINVAL, "bad-datapath-id", "switch %s: '%s' is no datapath id", name,
			id);
		err_fix(err, "write 1 to 16 hexadecimal digits that are not all 0");
		return -EINVAL;
	}
	m->switches[m->n_switches++] = (struct vs_switch){
		.name = name,
		.type = (enum vs_switch_type)type,
		.mac_age_s = (uint32_t)(vs_body_number(body, "mac_age", 0) / 1000),
		.mac_limit = medium(body, "mac_limit", 0),
		.loop_guard = vs_body_flag(body, "loop_guard", true),
		.secure = fail != NULL && strcmp(fail, "secure") == 0,
		.datapath_id = datapath_id,
		.controller_limit = medium(body, "controller_limit", 0),
	};
	return 0;
}

/* A kind of port says what it reaches; a type of switch says what may be reached. */
static int kind_allowed(const struct vs_port *p, struct err *err)
{
	const char *type = vs_switch_type_name(p->sw->type);

	if (vs_is_uplink(p) && p->sw->type != VS_EXTERNAL) {
		err_set(err, -EINVAL, "wrong-switch-type", "cannot add port %s: switch %s is %s",
			p->name, p->sw->name, type);
		err_why(err, "a %s port reaches a wire, and only an external switch may",
			vs_port_kind_name(p->kind));
		err_fix(err, "vswitchctl switch add NAME --type external, and add the port there");
		return -EINVAL;
	}
	if (p->kind == VS_HOST && p->sw->type == VS_PRIVATE) {
		err_set(err, -EINVAL, "wrong-switch-type",
			"cannot add port %s: switch %s is private", p->name, p->sw->name);
		err_why(err, "a private switch never reaches the host");
		err_fix(err, "use an internal switch, or kind tap with --netns");
		return -EINVAL;
	}
	if (p->kind == VS_TAP && p->sw->type == VS_PRIVATE &&
	    vs_body_str(p->body, "netns") == NULL && json_object_get(p->body, "pid") == NULL) {
		err_set(err, -EINVAL, "wrong-switch-type",
			"cannot add port %s: switch %s is private", p->name, p->sw->name);
		err_why(err, "a tap without a network namespace is an interface of the host");
		err_fix(err, "add --netns NAME or --pid N");
		return -EINVAL;
	}
	return 0;
}

static int set_read(const json_t *body, const char *key, uint64_t *ret_set, struct err *err)
{
	const char *text = vs_body_str(body, key);

	return text == NULL ? 0 : vs_vlans_parse(text, ret_set, err);
}

static unsigned set_count(const uint64_t *set)
{
	unsigned n = 0;

	for (unsigned i = 0; i < DP_VLAN_WORDS; i++)
		n += (unsigned)__builtin_popcountll(set[i]);
	return n;
}

static int primary_and_secondary(const struct vs_port *p, struct err *err)
{
	err_set(err, -EINVAL, "bad-pvlan", "port %s: VLAN %u cannot be primary and secondary",
		p->name, p->vlan.vlan);
	err_why(err, "what keeps private ports apart is that they send on another VLAN");
	err_fix(err, "use another secondary VLAN");
	return -EINVAL;
}

/* What the modes of private VLANs ask of their numbers. */
static int pvlan_check(const struct vs_port *p, struct err *err)
{
	unsigned n = set_count(p->vlan.secondary);
	bool one = p->vlan.mode != VS_PROMISCUOUS;

	if (p->vlan.vlan == 0 || n == 0 || (one && n != 1)) {
		err_set(err, -EINVAL, "bad-pvlan", "port %s: %s needs a primary VLAN and %s",
			p->name, vs_vlan_mode_name(p->vlan.mode),
			one ? "one secondary VLAN" : "secondary VLANs");
		err_why(err, "the primary is what promiscuous ports send on, a secondary what the "
			     "others do");
		err_fix(err, "vswitchctl vlan set %s --%s PRIMARY,SECONDARY%s", p->name,
			vs_vlan_mode_name(p->vlan.mode), one ? "" : "...");
		return -EINVAL;
	}
	if (dp_vlan_test(p->vlan.secondary, p->vlan.vlan))
		return primary_and_secondary(p, err);
	return 0;
}

static int vlan_read(struct vs_port *p, struct err *err)
{
	const char *word = vs_body_str(p->body, "vlan_mode");
	int mode = choice(word, mode_names, 6);
	const char *tpid = vs_body_str(p->body, "tpid");
	int rc;

	if (word == NULL)
		mode = vs_is_uplink(p) && json_object_get(p->body, "vlan") == NULL ? VS_TRUNK
										   : VS_ACCESS;
	if (mode < 0)
		return err_set(err, -EINVAL, "bad-vlan-mode", "port %s: no VLAN mode '%s'", p->name,
			       word);
	p->vlan.mode = (enum vs_vlan_mode)mode;
	p->vlan.vlan = small(p->body, "vlan", 0);
	p->vlan.native = small(p->body, "native", 0);
	p->vlan.tpid = tpid != NULL && strcasecmp(tpid, "0x88a8") == 0 ? 0x88a8 : 0x8100;
	if (p->vlan.vlan > VLAN_MAX || p->vlan.native > VLAN_MAX)
		return err_set(err, -EINVAL, "bad-vlan", "port %s: a VLAN is 0 to 4094", p->name);
	rc = vs_vlans_parse("all", p->vlan.allowed, err);
	if (rc == 0)
		rc = set_read(p->body, "allowed", p->vlan.allowed, err);
	if (rc == 0)
		rc = set_read(p->body, "secondary", p->vlan.secondary, err);
	if (rc == 0 && p->vlan.mode >= VS_ISOLATED)
		rc = pvlan_check(p, err);
	return rc;
}

/* Digits alone, 1 to 4094; else 0. */
static unsigned vlan_number(const char *text)
{
	size_t n = strspn(text, "0123456789");
	unsigned long vlan = n != 0 && text[n] == '\0' ? strtoul(text, NULL, 10) : 0;

	return vlan <= VLAN_MAX ? (unsigned)vlan : 0;
}

/* "--tenant-vlan blue=100": the uplink carries blue's frames with tag 100. */
static int shared_read(struct vs_model *m, struct vs_port *p, struct err *err)
{
	const json_t *list = json_object_get(p->body, "tenant_vlan");
	size_t n = json_array_size(list);

	if (n == 0)
		return 0;
	if (!vs_is_uplink(p))
		return err_set(err, -EINVAL, "bad-tenant-vlan",
			       "port %s: only a phys port or a team can be shared by tenants",
			       p->name);
	p->shared = calloc(n, sizeof(*p->shared));
	if (p->shared == NULL)
		return err_set(err, -ENOMEM, "no-memory", "port %s: no memory", p->name);
	for (size_t i = 0; i < n; i++) {
		const char *item = json_string_value(json_array_get(list, i));
		const char *eq = item != NULL ? strchr(item, '=') : NULL;
		char name[64];
		unsigned vlan = eq != NULL ? vlan_number(eq + 1) : 0;

		if (vlan == 0 || (size_t)(eq - item) >= sizeof(name)) {
			err_set(err, -EINVAL, "bad-tenant-vlan", "port %s: '%s' is not TENANT=VLAN",
				p->name, item != NULL ? item : "");
			err_fix(err, "write it like --tenant-vlan blue=100");
			return -EINVAL;
		}
		memcpy(name, item, (size_t)(eq - item));
		name[eq - item] = '\0';
		p->shared[i] = (struct vs_tenant_vlan){vs_model_tenant(m, name), (uint16_t)vlan};
		if (p->shared[i].tenant == NULL)
			return no_such(m, err, "port", p->name, "tenant", name);
		for (size_t k = 0; k < i; k++)
			if (p->shared[k].vlan == vlan || p->shared[k].tenant == p->shared[i].tenant)
				return err_set(err, -EINVAL, "bad-tenant-vlan",
					       "port %s: each tenant and each VLAN of "
					       "--tenant-vlan once only",
					       p->name);
		p->n_shared++;
	}
	return 0;
}

static int mac_parse(const char *text, struct rte_ether_addr *ret)
{
	return text != NULL && rte_ether_unformat_addr(text, ret) == 0 ? 0 : -EINVAL;
}

/* A group address, or none at all, is nobody's. */
static int unicast_check(const char *who, const char *name, const char *text,
			 struct rte_ether_addr *ret_mac, struct err *err)
{
	if (mac_parse(text, ret_mac) != 0)
		return err_set(err, -EINVAL, "bad-mac", "%s %s: '%s' is not a MAC address", who,
			       name, text != NULL ? text : "");
	if (rte_is_zero_ether_addr(ret_mac)) {
		err_set(err, -EINVAL, "bad-mac", "%s %s: %s is no station's address", who, name,
			text);
		err_why(err, "all zeros means that there is none");
		err_fix(err, "give another, such as 02:00:00:00:00:01");
		return -EINVAL;
	}
	if (rte_is_multicast_ether_addr(ret_mac)) {
		const uint8_t *b = ret_mac->addr_bytes;

		err_set(err, -EINVAL, "bad-mac", "%s %s: %s is a group address", who, name, text);
		err_why(err, "the lowest bit of its first byte is set: that is multicast, and "
			     "nobody sends from it");
		err_fix(err, "give a station's address, such as %02x:%02x:%02x:%02x:%02x:%02x",
			(b[0] & 0xfc) | 0x02, b[1] == 0xff ? 0 : b[1], b[2] == 0xff ? 0 : b[2],
			b[3] == 0xff ? 0 : b[3], b[4] == 0xff ? 0 : b[4], b[5] == 0xff ? 1 : b[5]);
		return -EINVAL;
	}
	return 0;
}

/* The key of what a kind of port occupies on the host, which is the port's name where 'named'. */
const char *vs_model_place_key(enum vs_port_kind kind, bool *ret_named)
{
	*ret_named = kind == VS_PHYS || kind == VS_HOST || kind == VS_TAP;
	if (kind == VS_PHYS)
		return "device";
	if (*ret_named)
		return "ifname";
	return kind >= VS_MEM ? NULL : "socket";
}

static const char *place_of(const struct vs_port *p)
{
	bool named;
	const char *key = vs_model_place_key(p->kind, &named);
	const char *place = key != NULL ? vs_body_str(p->body, key) : NULL;

	return place == NULL && named ? p->name : place;
}

static int port_read(struct vs_model *m, const char *name, const json_t *body, struct err *err)
{
	struct vs_port *p = &m->ports[m->n_ports++];
	const char *sw = vs_body_str(body, "switch"), *tenant = vs_body_str(body, "tenant"),
		   *admin = vs_body_str(body, "admin");
	int kind = choice(vs_body_str(body, "kind"), kind_names, VS_N_KINDS), rc;
	struct rte_ether_addr mac;

	*p = (struct vs_port){
		.name = name,
		.body = body,
		.sw = vs_model_switch(m, sw),
		.tenant = vs_model_tenant(m, tenant),
		.up = admin == NULL || strcmp(admin, "up") == 0,
		.flood = vs_body_flag(body, "flood", true),
		.bpdu = vs_body_flag(body, "bpdu", false),
		.mtu = small(body, "mtu", 1500),
		.mac_limit = small(body, "mac_limit", 0),
		.of_port = small(body, "of_port", 0),
	};
	if (p->sw == NULL)
		return no_such(m, err, "port", name, "switch", sw);
	if (tenant != NULL && p->tenant == NULL)
		return no_such(m, err, "port", name, "tenant", tenant);
	if (kind < 0)
		return err_set(
			err, -EINVAL, "bad-kind",
			"port %s: --kind must be phys, team, host, tap, vhost, vmbus, memif, mem, "
			"vtep, vxlan, geneve or nvgre",
			name);
	p->kind = (enum vs_port_kind)kind;
	p->place = place_of(p);
	if (p->mtu < MTU_MIN || p->mtu > MTU_MAX)
		return err_set(err, -EINVAL, "bad-mtu", "port %s: MTU must be %d to %d", name,
			       MTU_MIN, MTU_MAX);
	if (p->of_port > VS_MAX_OF_PORT)
		return err_set(err, -EINVAL, "bad-of-port",
			       "port %s: an OpenFlow number is 1 to %d", name, VS_MAX_OF_PORT);
	rc = kind_allowed(p, err);
	if (rc == 0)
		rc = vs_model_nic_read(m, p, err);
	if (rc == 0 && vs_body_str(body, "mac") != NULL)
		rc = unicast_check("port", name, vs_body_str(body, "mac"), &mac, err);
	if (rc == 0)
		rc = vlan_read(p, err);
	if (rc == 0)
		rc = shared_read(m, p, err);
	if (rc == 0)
		rc = vs_overlay_read(p, err);
	return rc;
}

static int static_mac_read(struct vs_model *m, const char *name, const json_t *body,
			   struct err *err)
{
	struct vs_static_mac *s = &m->macs[m->n_macs++];

	*s = (struct vs_static_mac){
		.name = name,
		.sw = vs_model_switch(m, vs_body_str(body, "switch")),
		.port = vs_model_port(m, vs_body_str(body, "port")),
		.vlan = small(body, "vlan", 0),
	};
	if (s->sw == NULL)
		return no_such(m, err, "static address", vs_body_str(body, "mac"), "switch",
			       vs_body_str(body, "switch"));
	if (s->port == NULL)
		return no_such(m, err, "static address", vs_body_str(body, "mac"), "port",
			       vs_body_str(body, "port"));
	if (json_object_get(body, "vlan") == NULL)
		s->vlan =
			s->port->vlan.mode == VS_TRUNK ? s->port->vlan.native : s->port->vlan.vlan;
	if (s->vlan > VLAN_MAX)
		return err_set(err, -EINVAL, "bad-vlan", "mac %s: a VLAN is 0 to %d", name,
			       VLAN_MAX);
	if (s->port->sw != s->sw) {
		err_set(err, -EINVAL, "wrong-switch", "mac %s: port %s is on switch %s, not %s",
			vs_body_str(body, "mac"), s->port->name, s->port->sw->name, s->sw->name);
		err_why(err, "a static address says by which port of a switch frames to it leave");
		err_fix(err, "vswitchctl mac add %s %s --port %s", s->port->sw->name,
			vs_body_str(body, "mac"), s->port->name);
		return -EINVAL;
	}
	return unicast_check("mac", "add", vs_body_str(body, "mac"), &s->mac, err);
}

typedef int (*read_fn)(struct vs_model *m, const char *name, const json_t *body, struct err *err);

static int read_kind(struct vs_model *m, const char *kind, unsigned max, read_fn fn,
		     struct err *err)
{
	json_t *objects = json_object_get(m->state, kind);
	const char *name;
	json_t *body;

	if (json_object_size(objects) > max)
		return err_set(err, -ENOSPC, "limit", "at most %u of %s can be configured", max,
			       kind);
	json_object_foreach(objects, name, body) {
		int rc = fn(m, name, body, err);

		if (rc != 0) {
			err_about(err, kind, name);
			return rc;
		}
	}
	return 0;
}

static int core_read(struct vs_model *m, const char *name, const json_t *body, struct err *err)
{
	m->cores[m->n_cores++] = (unsigned)vs_body_number(body, "cpu", 0);
	return 0;
}

static size_t n_of(const json_t *state, const char *kind)
{
	return json_object_size(json_object_get(state, kind)) + 1;
}

static int allocate(struct vs_model *m)
{
	m->switches = calloc(n_of(m->state, "switch"), sizeof(*m->switches));
	m->tenants = calloc(n_of(m->state, "tenant"), sizeof(*m->tenants));
	m->ports = calloc(n_of(m->state, "port"), sizeof(*m->ports));
	m->controllers = calloc(n_of(m->state, "controller"), sizeof(*m->controllers));
	/* A VTEP's address is one. */
	m->macs = calloc(n_of(m->state, "mac") + n_of(m->state, "port"), sizeof(*m->macs));
	m->queues = calloc(n_of(m->state, "queue"), sizeof(*m->queues));
	m->zones = calloc(n_of(m->state, "zone"), sizeof(*m->zones));
	m->cores = calloc(n_of(m->state, "core"), sizeof(*m->cores));
	m->vms = calloc(n_of(m->state, "vm"), sizeof(*m->vms));
	m->disks = calloc(n_of(m->state, "disk"), sizeof(*m->disks));
	m->filters = calloc(n_of(m->state, "filter"), sizeof(*m->filters));
	m->attachments = calloc(n_of(m->state, "attachment"), sizeof(*m->attachments));
	return m->switches != NULL && m->tenants != NULL && m->ports != NULL && m->macs != NULL &&
			       m->controllers != NULL && m->queues != NULL && m->zones != NULL &&
			       m->cores != NULL && m->vms != NULL && m->disks != NULL &&
			       m->filters != NULL && m->attachments != NULL
		       ? 0
		       : -ENOMEM;
}

static int read_all(struct vs_model *m, struct err *err)
{
	const json_t *settings = json_object_get(json_object_get(m->state, "settings"), "settings");
	const json_t *cores = json_object_get(json_object_get(m->state, "cores"), "cores");
	int rc = read_kind(m, "core", 64, core_read, err);

	if (rc == 0)
		rc = read_kind(m, "tenant", VS_MAX_TENANTS, tenant_read, err);
	if (rc == 0)
		rc = read_kind(m, "switch", VS_MAX_SWITCHES, switch_read, err);
	if (rc == 0)
		rc = read_kind(m, "zone", VS_MAX_ZONES, vs_model_zone_read, err);
	if (rc == 0)
		rc = vs_model_conntrack_read(m,
					     json_object_get(json_object_get(m->state, "conntrack"),
							     "conntrack"),
					     err);
	if (rc == 0)
		rc = read_kind(m, "vm", VS_MAX_VMS, vs_model_vm_read, err);
	if (rc == 0)
		rc = read_kind(m, "disk", VS_MAX_DISKS, vs_model_disk_read, err);
	if (rc == 0)
		rc = read_kind(m, "port", DP_MAX_PORTS, port_read, err);
	if (rc == 0)
		rc = read_kind(m, "mac", 65536, static_mac_read, err);
	if (rc == 0)
		rc = read_kind(m, "queue", VS_MAX_QUEUES, vs_model_queue_read, err);
	if (rc == 0)
		rc = read_kind(m, "controller", VS_MAX_CONTROLLERS, vs_model_controller_read, err);
	if (rc == 0)
		rc = read_kind(m, "filter", FILTER_MAX_MODULES, vs_model_filter_read, err);
	if (rc == 0)
		rc = read_kind(m, "attachment", VS_MAX_ATTACHMENTS, vs_model_attachment_read, err);
	m->mac_age_s = (uint32_t)(vs_body_number(settings, "mac_age", 0) / 1000);
	m->max_sleep_us = medium(cores, "max_sleep", 500);
	m->rebalance = vs_body_flag(cores, "rebalance", true);
	m->metrics = vs_body_str(settings, "metrics");
	if (m->metrics != NULL && strcmp(m->metrics, "off") == 0)
		m->metrics = NULL;
	if (rc == 0 && m->metrics != NULL)
		rc = vs_metrics_check(m->metrics, false, err);
	if (rc != 0 && m->metrics != NULL)
		err_about(err, "settings", "settings");
	return rc;
}

int vs_model_create(json_t *state, struct vs_model **ret_model, struct err *err)
{
	struct vs_model *m = calloc(1, sizeof(*m));
	int rc;

	if (m == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	m->state = json_incref(state);
	rc = allocate(m);
	if (rc != 0)
		err_set(err, rc, "no-memory", "no memory");
	else
		rc = read_all(m, err);
	if (rc == 0)
		rc = vs_model_devices_check(m, err);
	if (rc == 0)
		rc = vs_model_numbers_check(m, err);
	if (rc == 0)
		rc = vs_model_pvlans_check(m, err);
	if (rc == 0)
		rc = vs_model_overlays_check(m, err);
	if (rc == 0)
		rc = vs_model_macs_check(m, err);
	if (rc == 0)
		rc = vs_model_controllers_check(m, err);
	if (rc == 0)
		rc = vs_model_queues_check(m, err);
	if (rc == 0)
		rc = vs_model_vms_check(m, err);
	if (rc == 0)
		rc = vs_model_filters_check(m, err);
	if (rc == 0)
		rc = vs_policies_read(m, err);
	if (rc != 0) {
		vs_model_destroy(m);
		return rc;
	}
	*ret_model = m;
	return 0;
}

void vs_model_destroy(struct vs_model *m)
{
	if (m == NULL)
		return;
	vs_policies_forget(m);
	for (unsigned i = 0; m->ports != NULL && i < m->n_ports; i++) {
		free(m->ports[i].shared);
		vs_overlay_free(m->ports[i].overlay);
	}
	free(m->switches);
	free(m->tenants);
	free(m->ports);
	free(m->macs);
	free(m->controllers);
	free(m->queues);
	free(m->zones);
	free(m->vms);
	free(m->disks);
	free(m->filters);
	free(m->attachments);
	free(m->cores);
	json_decref(m->state);
	free(m);
}
