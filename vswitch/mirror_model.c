/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mirrors in the model: see mirrors.h.
 */
#include "vswitch/mirrors.h"

#include "ctl/conf.h"
#include "vswitch/model_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TTL 64

const struct vs_mirror *vs_model_mirror(const struct vs_model *m, const char *name)
{
	const struct vs_mirrors_conf *conf = vs_mirrors_of(m);

	for (unsigned i = 0; name != NULL && conf != NULL && i < conf->n; i++)
		if (strcmp(conf->v[i].name, name) == 0)
			return &conf->v[i];
	return NULL;
}

/* ---- Whose frames ---- */

typedef const void *(*find_fn)(const struct vs_model *m, const char *name);

static const void *find_port(const struct vs_model *m, const char *name)
{
	return vs_model_port(m, name);
}

static const void *find_tenant(const struct vs_model *m, const char *name)
{
	return vs_model_tenant(m, name);
}

static const void *find_switch(const struct vs_model *m, const char *name)
{
	return vs_model_switch(m, name);
}

/* The objects of a list, malloc'ed. */
static int read_list(const struct vs_model *m, const struct vs_mirror *mirror, const char *kind,
		     find_fn find, const void ***ret, unsigned *ret_n, struct err *err)
{
	const json_t *list = json_object_get(mirror->body, kind), *value;
	char who[100];
	size_t i;

	*ret_n = 0;
	*ret = calloc(json_array_size(list) + 1, sizeof(**ret));
	if (*ret == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for mirrors");
	json_array_foreach(list, i, value) {
		const void *object = find(m, json_string_value(value));

		snprintf(who, sizeof(who), "mirror %s", mirror->name);
		if (object == NULL)
			return conf_refuse_missing(m->state, kind, json_string_value(value), who,
						   err);
		(*ret)[(*ret_n)++] = object;
	}
	return 0;
}

static int read_sources(const struct vs_model *m, struct vs_mirror *mirror, struct err *err)
{
	const char *side = vs_body_str(mirror->body, "direction"),
		   *vlans = vs_body_str(mirror->body, "vlan");
	int rc = read_list(m, mirror, "port", find_port, (const void ***)&mirror->ports,
			   &mirror->n_ports, err);

	if (rc == 0)
		rc = read_list(m, mirror, "tenant", find_tenant, (const void ***)&mirror->tenants,
			       &mirror->n_tenants, err);
	if (rc == 0)
		rc = read_list(m, mirror, "switch", find_switch, (const void ***)&mirror->switches,
			       &mirror->n_switches, err);
	mirror->sides[DP_FILTER_INGRESS] = side == NULL || strcmp(side, "egress") != 0;
	mirror->sides[DP_FILTER_EGRESS] = side == NULL || strcmp(side, "ingress") != 0;
	mirror->has_vlans = vlans != NULL;
	if (rc == 0 && vlans != NULL)
		rc = vs_vlans_parse(vlans, mirror->vlans, err);
	if (rc != 0 || mirror->n_ports + mirror->n_tenants + mirror->n_switches != 0)
		return rc;
	err_set(err, -EINVAL, "usage", "mirror %s: nothing says whose frames it copies",
		mirror->name);
	err_why(err, "--vlan chooses among the frames of ports, tenants or switches");
	err_fix(err, "add --port, --tenant or --switch");
	return -EINVAL;
}

/* ---- Where to ---- */

static int read_address(struct vs_mirror *mirror, const char *text, struct err *err)
{
	struct dp_ip *ip = &mirror->address;

	mirror->to = vs_body_str(mirror->body, "vtep");
	if (inet_pton(AF_INET, text, ip->b) != 1) {
		ip->v6 = inet_pton(AF_INET6, text, ip->b) == 1;
		if (!ip->v6) {
			err_set(err, -EINVAL, "bad-address",
				"mirror %s: --erspan '%.60s' is no IP address", mirror->name, text);
			err_fix(err, "an address as 192.0.2.9 or 2001:db8::9");
			return -EINVAL;
		}
	}
	mirror->erspan = (struct dp_erspan){
		.session = (uint16_t)vs_body_number(mirror->body, "session", 0),
		.type = (uint8_t)vs_body_number(mirror->body, "erspan_type", 2),
		.ttl = (uint8_t)vs_body_number(mirror->body, "ttl", DEFAULT_TTL),
		.tos = (uint8_t)(vs_body_number(mirror->body, "dscp", 0) << 2),
	};
	if (json_object_get(mirror->body, "session") != NULL && mirror->to != NULL)
		return 0;
	err_set(err, -EINVAL, "usage", "mirror %s: --erspan goes with --session and --vtep",
		mirror->name);
	err_why(err, "the session tells its copies from others', the VTEP is by whom they leave");
	err_fix(err, "vswitchctl port list --kind vtep shows VTEPs");
	return -EINVAL;
}

/* The switch of an RSPAN VLAN: the one that is said, or the only one that is mirrored. */
static const struct vs_switch *only_switch(const struct vs_mirror *mirror)
{
	const struct vs_switch *sw = mirror->n_switches == 1 ? mirror->switches[0] : NULL;

	if (mirror->n_switches > 1 || mirror->n_tenants != 0)
		return NULL;
	for (unsigned i = 0; i < mirror->n_ports; i++) {
		if (sw != NULL && sw != mirror->ports[i]->sw)
			return NULL;
		sw = mirror->ports[i]->sw;
	}
	return sw;
}

static int read_vlan(const struct vs_model *m, struct vs_mirror *mirror, struct err *err)
{
	const char *sw = vs_body_str(mirror->body, "to_switch"),
		   *tenant = vs_body_str(mirror->body, "to_tenant");

	mirror->vlan = (uint16_t)vs_body_number(mirror->body, "to_vlan", 0);
	mirror->sw = sw != NULL ? vs_model_switch(m, sw) : only_switch(mirror);
	mirror->tenant = vs_model_tenant(m, tenant);
	if (sw != NULL && mirror->sw == NULL)
		return conf_refuse_missing(m->state, "switch", sw, "mirror", err);
	if (tenant != NULL && mirror->tenant == NULL)
		return conf_refuse_missing(m->state, "tenant", tenant, "mirror", err);
	if (mirror->sw != NULL)
		return 0;
	err_set(err, -EINVAL, "usage", "mirror %s: which switch's VLAN %u?", mirror->name,
		mirror->vlan);
	err_why(err, "it copies frames of more than one switch");
	err_fix(err, "add --to-switch SWITCH");
	return -EINVAL;
}

static int read_target(const struct vs_model *m, struct vs_mirror *mirror, struct err *err)
{
	const char *port = vs_body_str(mirror->body, "to"),
		   *erspan = vs_body_str(mirror->body, "erspan");
	bool vlan = json_object_get(mirror->body, "to_vlan") != NULL;
	int rc = 0;

	if ((port != NULL) + (erspan != NULL) + vlan != 1) {
		err_set(err, -EINVAL, "usage",
			"mirror %s sends its copies to one of --to, --to-vlan or --erspan",
			mirror->name);
		err_fix(err, "vswitchctl mirror add --help");
		return -EINVAL;
	}
	mirror->kind = vlan		? DP_MIRROR_TO_VLAN
		       : erspan != NULL ? DP_MIRROR_TO_IP
					: DP_MIRROR_TO_PORT;
	mirror->to = port;
	if (vlan)
		rc = read_vlan(m, mirror, err);
	else if (erspan != NULL)
		rc = read_address(mirror, erspan, err);
	mirror->target = vs_model_port(m, mirror->to);
	return rc;
}

static int check_target_kind(const struct vs_mirror *mirror, struct err *err)
{
	const struct vs_port *p = mirror->target;

	if (p == NULL)
		return 0;
	if (mirror->kind == DP_MIRROR_TO_IP && p->kind != VS_VTEP) {
		err_set(err, -EINVAL, "no-vtep", "mirror %s: port %s is no VTEP", mirror->name,
			p->name);
		err_why(err, "it is of kind %s", vs_port_kind_name(p->kind));
		err_fix(err, "vswitchctl port list --kind vtep");
		return -EINVAL;
	}
	if (mirror->kind == DP_MIRROR_TO_PORT && (p->kind == VS_VTEP || vs_is_tunnel(p))) {
		err_set(err, -EINVAL, "no-device", "mirror %s cannot send copies to port %s",
			mirror->name, p->name);
		err_why(err, "it is of kind %s, and has no device", vs_port_kind_name(p->kind));
		err_fix(err, "to another host: --erspan ADDRESS --session N --vtep VTEP");
		return -EINVAL;
	}
	return 0;
}

static int mirror_read(struct vs_model *m, struct vs_mirror *mirror, const char *name,
		       const json_t *body, struct err *err)
{
	int rc;

	*mirror = (struct vs_mirror){
		.name = name,
		.body = body,
		.filter = vs_body_str(body, "filter"),
		.keep = vs_body_flag(body, "keep_traffic", false),
		.across = vs_body_flag(body, "across_tenants", false),
		.twice = vs_body_flag(body, "duplicates", false),
		.snaplen = (uint32_t)vs_body_number(body, "snaplen", 0),
		.sample = (uint32_t)vs_body_number(body, "sample", 1),
		.bps = vs_body_number(body, "limit", 0),
		.pps = vs_body_number(body, "limit_packets", 0),
	};
	rc = read_sources(m, mirror, err);
	if (rc == 0)
		rc = read_target(m, mirror, err);
	return rc == 0 ? check_target_kind(mirror, err) : rc;
}

/* ---- What a mirror covers ---- */

bool vs_mirror_is_target(const struct vs_model *m, const struct vs_port *p, bool *ret_only)
{
	const struct vs_mirrors_conf *conf = vs_mirrors_of(m);
	bool any = false;

	*ret_only = false;
	for (unsigned i = 0; conf != NULL && i < conf->n; i++) {
		const struct vs_mirror *mirror = &conf->v[i];

		if (mirror->kind != DP_MIRROR_TO_PORT || mirror->target != p)
			continue;
		any = true;
		*ret_only |= !mirror->keep;
	}
	return any;
}

static bool serves(const struct vs_port *p, const struct vs_tenant *tenant)
{
	for (unsigned i = 0; i < p->n_shared; i++)
		if (p->shared[i].tenant == tenant)
			return true;
	return p->tenant == tenant;
}

static bool is_named(const struct vs_mirror *mirror, const struct vs_port *p)
{
	for (unsigned i = 0; i < mirror->n_ports; i++)
		if (mirror->ports[i] == p)
			return true;
	return false;
}

bool vs_mirror_covers(const struct vs_model *m, const struct vs_mirror *mirror,
		      const struct vs_port *p)
{
	bool only;

	if (is_named(mirror, p))
		return true;
	/* Whoever means all of a switch does not mean the ones that copies go to. */
	if (vs_mirror_is_target(m, p, &only))
		return false;
	for (unsigned i = 0; i < mirror->n_switches; i++)
		if (mirror->switches[i] == p->sw)
			return true;
	for (unsigned i = 0; i < mirror->n_tenants; i++)
		if (serves(p, mirror->tenants[i]))
			return true;
	return false;
}

bool vs_mirror_carries(const struct vs_mirror *mirror, const struct vs_port *p)
{
	uint16_t v = mirror->vlan;

	if (mirror->kind != DP_MIRROR_TO_VLAN || p->sw != mirror->sw ||
	    !serves(p, mirror->tenant) || p->kind == VS_VTEP || vs_is_tunnel(p))
		return false;
	if (p->vlan.mode == VS_TRUNK)
		return dp_vlan_test(p->vlan.allowed, v) || p->vlan.native == v;
	return p->vlan.mode == VS_ACCESS && p->vlan.vlan == v;
}

const struct vs_tenant *vs_mirror_target_tenant(const struct vs_mirror *mirror)
{
	if (mirror->kind == DP_MIRROR_TO_VLAN)
		return mirror->tenant;
	return mirror->target != NULL ? mirror->target->tenant : NULL;
}

void vs_mirror_target_text(const struct vs_mirror *mirror, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN] = "";

	switch (mirror->kind) {
	case DP_MIRROR_TO_PORT:
		snprintf(text, size, "port %s", mirror->to);
		break;
	case DP_MIRROR_TO_VLAN:
		snprintf(text, size, "vlan %u of switch %s%s%s", mirror->vlan, mirror->sw->name,
			 mirror->tenant != NULL ? ", tenant " : "",
			 mirror->tenant != NULL ? mirror->tenant->name : "");
		break;
	case DP_MIRROR_TO_IP:
		inet_ntop(mirror->address.v6 ? AF_INET6 : AF_INET, mirror->address.b, address,
			  sizeof(address));
		snprintf(text, size, "%s session %u", address, mirror->erspan.session);
		break;
	}
}

/* ---- What mirrors ask of each other, and of tenants ---- */

static int refuse_source(const struct vs_mirror *mirror, const struct vs_mirror *other,
			 struct err *err)
{
	if (other == mirror) {
		err_set(err, -EINVAL, "mirror-loop", "mirror %s would copy port %s to itself",
			mirror->name, mirror->to);
		err_fix(err, "another port with --to, or without it in --port");
	} else {
		err_set(err, -EINVAL, "mirror-loop",
			"mirror %s sends its copies to port %s, which mirror %s copies",
			mirror->name, mirror->to, other->name);
		err_why(err, "a copy is not copied again, and the rest is not sent there");
		err_fix(err,
			"vswitchctl mirror set %s --port ..., without %s; or another port with "
			"--to",
			other->name, mirror->to);
	}
	return -EINVAL;
}

static int check_target(const struct vs_mirrors_conf *conf, const struct vs_mirror *mirror,
			struct err *err)
{
	if (mirror->kind != DP_MIRROR_TO_PORT || mirror->target == NULL)
		return 0;
	for (unsigned i = 0; i < conf->n; i++) {
		const struct vs_mirror *other = &conf->v[i];

		if (is_named(other, mirror->target))
			return refuse_source(mirror, other, err);
		if (other->kind != DP_MIRROR_TO_PORT || other->target != mirror->target ||
		    other->keep == mirror->keep)
			continue;
		err_set(err, -EINVAL, "mirror-conflict",
			"mirrors %s and %s do not agree on port %s", mirror->name, other->name,
			mirror->to);
		err_why(err, "one says --keep-traffic, the other does not");
		err_fix(err,
			"vswitchctl mirror set %s --keep-traffic; or set %s "
			"--no-keep-traffic",
			mirror->keep ? other->name : mirror->name,
			mirror->keep ? mirror->name : other->name);
		return -EINVAL;
	}
	return 0;
}

/* Of a tenant other than that which gets copies?  Then its name; "" for no tenant. */
static const char *stranger_at(const struct vs_mirror *mirror, const struct vs_port *p,
			       const struct vs_tenant *to)
{
	bool named = is_named(mirror, p);

	for (unsigned i = 0; i < mirror->n_switches; i++)
		named |= mirror->switches[i] == p->sw;
	if (!named) {
		for (unsigned i = 0; i < mirror->n_tenants; i++)
			if (mirror->tenants[i] != to && serves(p, mirror->tenants[i]))
				return mirror->tenants[i]->name;
		return NULL;
	}
	for (unsigned i = 0; i < p->n_shared; i++)
		if (p->shared[i].tenant != to)
			return p->shared[i].tenant->name;
	if (p->tenant == to)
		return NULL;
	return p->tenant != NULL ? p->tenant->name : "";
}

static int check_tenants(const struct vs_model *m, const struct vs_mirror *mirror, struct err *err)
{
	const struct vs_tenant *to = vs_mirror_target_tenant(mirror);
	char where[160];

	for (unsigned i = 0; to != NULL && !mirror->across && i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i];
		const char *other =
			vs_mirror_covers(m, mirror, p) ? stranger_at(mirror, p, to) : NULL;

		if (other == NULL)
			continue;
		vs_mirror_target_text(mirror, where, sizeof(where));
		err_set(err, -EINVAL, "mirror-tenant",
			"mirror %s would show tenant %s frames of %s%s", mirror->name, to->name,
			other[0] != '\0' ? "tenant " : "ports without a tenant", other);
		err_why(err, "it copies port %s to %s, and tenants do not see each other", p->name,
			where);
		err_fix(err, "send copies to a port without a tenant; if it is meant, say "
			     "--across-tenants");
		return -EINVAL;
	}
	return 0;
}

void vs_mirrors_forget(void *arg)
{
	struct vs_mirrors_conf *conf = arg;

	for (unsigned i = 0; i < conf->n; i++) {
		free(conf->v[i].ports);
		free(conf->v[i].tenants);
		free(conf->v[i].switches);
	}
	free(conf);
}

static int read_all(struct vs_model *m, struct vs_mirrors_conf *conf, json_t *objects,
		    struct err *err)
{
	json_t *body;
	const char *name;

	json_object_foreach(objects, name, body) {
		int rc = mirror_read(m, &conf->v[conf->n++], name, body, err);

		if (rc != 0) {
			err_about(err, "mirror", name);
			return rc;
		}
	}
	m->policy[VS_POLICY_MIRROR] = conf;
	for (unsigned i = 0; i < conf->n; i++) {
		int rc = check_target(conf, &conf->v[i], err);

		if (rc == 0)
			rc = check_tenants(m, &conf->v[i], err);
		if (rc != 0) {
			err_about(err, "mirror", conf->v[i].name);
			return rc;
		}
	}
	return 0;
}

int vs_mirrors_read(struct vs_model *m, void **ret, struct err *err)
{
	json_t *objects = json_object_get(m->state, "mirror");
	size_t n = json_object_size(objects);
	struct vs_mirrors_conf *conf;

	if (n == 0)
		return 0;
	if (n > DP_MAX_MIRRORS) {
		err_set(err, -ENOSPC, "limit", "at most %u mirrors", DP_MAX_MIRRORS);
		err_fix(err, "vswitchctl mirror remove NAME");
		return -ENOSPC;
	}
	conf = calloc(1, sizeof(*conf) + n * sizeof(conf->v[0]));
	if (conf == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for mirrors");
	*ret = conf; /* The model's to forget, also when this fails. */
	return read_all(m, conf, objects, err);
}
