/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bandwidth in the model: objects read, and what they ask of each other.
 */
#include "vswitch/qos.h"

#include "vswitch/model_priv.h"

#include "ctl/conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options of a port, and of a tenant on one. */
static const char *const port_keys[] = {"to_min",   "to_weight",     "from_max",     "from_burst",
					"from_min", "from_weight",   "delay",	     "limit",
					"ecn",	    "priority_dscp", "priority_pcp", "priority_max",
					"trust",    "mark_dscp",     "mark_pcp"};
static const char *const tenant_keys[] = {"max", "min", "weight", "burst"};

#define N_KEYS(keys) (sizeof(keys) / sizeof((keys)[0]))

const struct vs_qos_conf *vs_qos_conf(const struct vs_model *m)
{
	return m->policy[VS_POLICY_QOS];
}

/* By port, in the order of the model's, the port's own first, and tenant. */
static int compare(const void *a, const void *b)
{
	const struct vs_qos *x = a, *y = b;

	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return x->tenant < y->tenant ? -1 : x->tenant > y->tenant;
}

static const struct vs_qos *find(const struct vs_qos_conf *conf, const struct vs_port *p,
				 const struct vs_tenant *t)
{
	const struct vs_qos key = {.port = p, .tenant = t};

	return conf != NULL ? bsearch(&key, conf->v, conf->n, sizeof(key), compare) : NULL;
}

const struct vs_qos *vs_qos_of_port(const struct vs_model *m, const struct vs_port *p)
{
	return find(vs_qos_conf(m), p, NULL);
}

const struct vs_qos *vs_qos_of_tenant(const struct vs_model *m, const struct vs_port *uplink,
				      const struct vs_tenant *t)
{
	return t != NULL ? find(vs_qos_conf(m), uplink, t) : NULL;
}

const struct vs_qos *vs_qos_share(const struct vs_model *m, const struct vs_port *p)
{
	const struct vs_qos_conf *conf = vs_qos_conf(m);

	if (conf == NULL || !conf->any_share || p->tenant == NULL || vs_is_uplink(p) ||
	    vs_is_tunnel(p) || p->kind == VS_VTEP)
		return NULL;
	for (unsigned i = 0; i < conf->n; i++)
		if (conf->v[i].tenant == p->tenant && conf->v[i].to_max != 0 &&
		    conf->v[i].port->sw == p->sw)
			return &conf->v[i];
	return NULL;
}

bool vs_qos_meets(const struct vs_model *m, const struct vs_port *p, const struct vs_port *from)
{
	if (from == p || from->kind == VS_VTEP || vs_is_tunnel(from))
		return false;
	if (from->sw == p->sw)
		return true;
	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *t = &m->ports[i];

		if (vs_is_tunnel(t) && t->sw == from->sw && t->overlay != NULL &&
		    t->overlay->vtep != NULL && t->overlay->vtep->sw == p->sw)
			return true;
	}
	return false;
}

/* ---- One object ---- */

static int refuse_option(const struct vs_qos *q, const char *key, struct err *err)
{
	char option[32];

	snprintf(option, sizeof(option), "%s", key);
	for (char *c = option; *c != '\0'; c++)
		*c = (char)(*c == '_' ? '-' : *c);
	if (q->tenant == NULL) {
		err_set(err, -EINVAL, "usage", "qos of port %s: --%s is for --tenant",
			q->port->name, option);
		err_why(err, "it is a tenant's part of an uplink; a port has --to-max, --from-max, "
			     "--from-min, --from-weight");
		err_fix(err, "vswitchctl qos set UPLINK --tenant TENANT --%s ...", option);
	} else {
		err_set(err, -EINVAL, "usage", "qos of tenant %s: --%s is a port's",
			q->tenant->name, option);
		err_why(err, "of a tenant on an uplink there are --max, --min, --weight, --burst, "
			     "--to-max, --to-burst");
		err_fix(err, "vswitchctl qos set PORT --%s ...", option);
	}
	return -EINVAL;
}

static int check_options(const struct vs_qos *q, const json_t *body, struct err *err)
{
	const char *const *others = q->tenant == NULL ? tenant_keys : port_keys;
	size_t n = q->tenant == NULL ? N_KEYS(tenant_keys) : N_KEYS(port_keys);

	for (size_t i = 0; i < n; i++)
		if (json_object_get(body, others[i]) != NULL)
			return refuse_option(q, others[i], err);
	return 0;
}

/* Frames for these become other frames, which leave by another port, and come by it. */
static int check_kind(const struct vs_qos *q, struct err *err)
{
	const struct vs_port *p = q->port;

	if (vs_is_tunnel(p) || p->kind == VS_VTEP) {
		err_set(err, -EINVAL, "no-qos", "port %s is a %s port, which has no bandwidth",
			p->name, vs_port_kind_name(p->kind));
		err_why(err, "its frames leave by a port of the underlay, and come by it");
		err_fix(err, "qos set the machines' ports, or the uplink of the underlay");
		return -EINVAL;
	}
	if (q->tenant == NULL || vs_is_uplink(p))
		return 0;
	err_set(err, -EINVAL, "no-uplink", "port %s is a %s port, not an uplink", p->name,
		vs_port_kind_name(p->kind));
	err_why(err, "what tenants share is the way to the wire: a port of kind phys");
	err_fix(err, "vswitchctl port list; qos set UPLINK --tenant %s", q->tenant->name);
	return -EINVAL;
}

static int refuse_rates(const struct vs_qos *q, const char *low, const char *high, struct err *err)
{
	err_set(err, -EINVAL, "bad-rate", "qos of %s: --%s is above --%s",
		q->tenant != NULL ? q->tenant->name : q->port->name, low, high);
	err_why(err, "it can never have what it is not allowed to have");
	err_fix(err, "lower --%s, or raise --%s", low, high);
	return -EINVAL;
}

static int check_rates(const struct vs_qos *q, struct err *err)
{
	if (q->from_max != 0 && q->from_min > q->from_max)
		return refuse_rates(q, "from-min", "from-max", err);
	if (q->max != 0 && q->min > q->max)
		return refuse_rates(q, "min", "max", err);
	if (q->to_max != 0 && q->to_min > q->to_max)
		return refuse_rates(q, "to-min", "to-max", err);
	if (q->to_max != 0 && q->priority_max > q->to_max)
		return refuse_rates(q, "priority-max", "to-max", err);
	return 0;
}

/* What goes before all others needs an end, and somebody to go before. */
static int check_priority(const struct vs_qos *q, struct err *err)
{
	bool some = q->priority_dscp != 0 || q->priority_pcp != 0;

	if (!some && q->priority_max == 0)
		return 0;
	if (!some || q->priority_max == 0) {
		err_set(err, -EINVAL, "priority", "qos of port %s: %s", q->port->name,
			some ? "what has priority needs --priority-max"
			     : "--priority-max without --priority-dscp or --priority-pcp");
		err_why(err, some ? "without an end, frames marked so would take all of the port"
				  : "nothing says which frames go first");
		err_fix(err, "vswitchctl qos set %s --priority-dscp 46 --priority-max 10M",
			q->port->name);
		return -EINVAL;
	}
	if (q->to_max != 0 || vs_is_uplink(q->port))
		return 0;
	err_set(err, -EINVAL, "priority", "qos of port %s: priority needs --to-max", q->port->name);
	err_why(err, "where nothing waits, nothing can go before it");
	err_fix(err, "vswitchctl qos set %s --to-max RATE", q->port->name);
	return -EINVAL;
}

static int refuse_word(const struct vs_qos *q, const char *option, const char *text,
		       const char *like, struct err *err)
{
	err_set(err, -EINVAL, "usage", "qos of port %s: --%s: '%.64s' is not %s", q->port->name,
		option, text, like);
	err_fix(err, "vswitchctl qos set --help");
	return -EINVAL;
}

static int read_words(struct vs_qos *q, const json_t *body, struct err *err)
{
	const char *dscp = vs_body_str(body, "priority_dscp");
	const char *pcp = vs_body_str(body, "priority_pcp");
	const char *mark_dscp = vs_body_str(body, "mark_dscp");
	const char *mark_pcp = vs_body_str(body, "mark_pcp"), *trust = vs_body_str(body, "trust");
	uint64_t set = 0;

	if (dscp != NULL && vs_qos_list_parse(dscp, 63, &q->priority_dscp) != 0)
		return refuse_word(q, "priority-dscp", dscp, "a list of 0 to 63, as 46 or 40-47,48",
				   err);
	if (pcp != NULL && vs_qos_list_parse(pcp, 7, &set) != 0)
		return refuse_word(q, "priority-pcp", pcp, "a list of 0 to 7, as 5-7", err);
	q->priority_pcp = (uint8_t)set;
	if (vs_qos_mark_parse(mark_dscp, 63, "pcp", &q->mark_dscp) != 0)
		return refuse_word(q, "mark-dscp", mark_dscp, "0 to 63, or pcp", err);
	if (vs_qos_mark_parse(mark_pcp, 7, "dscp", &q->mark_pcp) != 0)
		return refuse_word(q, "mark-pcp", mark_pcp, "0 to 7, or dscp", err);
	for (int i = VS_TRUST_BOTH; trust != NULL && i <= VS_TRUST_NONE; i++)
		if (strcmp(trust, vs_qos_trust_name((enum vs_qos_trust)i)) == 0)
			q->trust = (enum vs_qos_trust)i;
	return 0;
}

static int read_one(struct vs_model *m, struct vs_qos *q, const char *name, const json_t *body,
		    struct err *err)
{
	const char *port = vs_body_str(body, "port"), *tenant = vs_body_str(body, "tenant");
	int rc;

	*q = (struct vs_qos){
		.name = name,
		.port = vs_model_port(m, port),
		.tenant = vs_model_tenant(m, tenant),
		.to_max = vs_body_number(body, "to_max", 0),
		.from_max = vs_body_number(body, "from_max", 0),
		.from_min = vs_body_number(body, "from_min", 0),
		.priority_max = vs_body_number(body, "priority_max", 0),
		.to_burst = (uint32_t)vs_body_number(body, "to_burst", 0),
		.from_burst = (uint32_t)vs_body_number(body, "from_burst", 0),
		.from_weight = (uint32_t)vs_body_number(body, "from_weight", 1),
		.to_min = vs_body_number(body, "to_min", 0),
		.to_weight = (uint32_t)vs_body_number(body, "to_weight", 1),
		.delay_us = (uint32_t)vs_body_number(body, "delay", 5000),
		.limit = (uint32_t)vs_body_number(body, "limit", 1000),
		.ecn = vs_body_flag(body, "ecn", true),
		.max = vs_body_number(body, "max", 0),
		.min = vs_body_number(body, "min", 0),
		.burst = (uint32_t)vs_body_number(body, "burst", 0),
		.weight = (uint32_t)vs_body_number(body, "weight", 1),
	};
	if (q->port == NULL)
		return conf_refuse_missing(m->state, "port", port, "qos", err);
	if (tenant != NULL && q->tenant == NULL)
		return conf_refuse_missing(m->state, "tenant", tenant, "qos", err);
	rc = check_kind(q, err);
	if (rc == 0)
		rc = check_options(q, body, err);
	if (rc == 0)
		rc = read_words(q, body, err);
	if (rc == 0)
		rc = check_rates(q, err);
	return rc == 0 ? check_priority(q, err) : rc;
}

/* ---- What they ask of each other ---- */

/* Guarantees at one uplink, and who has them. */
struct sum {
	uint64_t bps;
	char names[200];
};

static void add(struct sum *s, const char *name, uint64_t bps)
{
	size_t n = strlen(s->names);

	if (bps == 0)
		return;
	s->bps += bps;
	if (n + 8 < sizeof(s->names))
		snprintf(s->names + n, sizeof(s->names) - n, "%s%.60s", n != 0 ? ", " : "", name);
}

/* What the ports of 't' (NULL: of no tenant) that meet at 'p' are guaranteed. */
static struct sum sum_of_ports(const struct vs_model *m, const struct vs_qos_conf *conf,
			       const struct vs_port *p, const struct vs_tenant *t)
{
	struct sum s = {0};

	for (unsigned i = 0; i < conf->n; i++) {
		const struct vs_qos *q = &conf->v[i];

		if (q->tenant == NULL && q->from_min != 0 && q->port->tenant == t &&
		    vs_qos_meets(m, p, q->port))
			add(&s, q->port->name, q->from_min);
	}
	return s;
}

static int refuse_sum(const struct vs_qos_conf *conf, const struct vs_port *p, const char *whose,
		      const struct sum *s, const char *option, uint64_t bps, struct err *err)
{
	err_set(err, -EINVAL, "over-committed",
		"%s on %s: %.200s are guaranteed %.1f Mbit/s together, above its --%s of %.1f",
		whose, p->name, s->names, (double)s->bps / 1e6, option, (double)bps / 1e6);
	err_why(err, "not all of them could have at once what they are guaranteed");
	err_fix(err, "lower --from-min or --min of some, or raise --%s; vswitchctl qos list",
		option);
	for (unsigned i = 0; i < conf->n; i++)
		if (conf->v[i].port == p)
			err_about(err, "qos", conf->v[i].name);
	return -EINVAL;
}

/* Adds to 'all' what 't' is guaranteed at 'p': its own, or its ports' together. */
static int tenant_at(const struct vs_model *m, const struct vs_qos_conf *conf,
		     const struct vs_port *p, const struct vs_tenant *t, struct sum *all,
		     struct err *err)
{
	const struct vs_qos *q = t != NULL ? find(conf, p, t) : NULL;
	struct sum s = sum_of_ports(m, conf, p, t);
	char whose[80];

	if (q != NULL)
		snprintf(whose, sizeof(whose), "tenant %.60s", t->name);
	if (q != NULL && q->max != 0 && s.bps > q->max)
		return refuse_sum(conf, p, whose, &s, "max", q->max, err);
	if (q != NULL && q->min != 0 && s.bps > q->min)
		return refuse_sum(conf, p, whose, &s, "min", q->min, err);
	if (q != NULL && q->min != 0)
		add(all, t->name, q->min);
	else
		add(all, s.names, s.bps);
	return 0;
}

static bool guarantees(const struct vs_qos_conf *conf)
{
	for (unsigned i = 0; i < conf->n; i++)
		if (conf->v[i].from_min != 0 || conf->v[i].min != 0)
			return true;
	return false;
}

/* What goes first is guaranteed, and so is what OpenFlow queues are. */
static void add_own(const struct vs_model *m, const struct vs_port *p, const struct vs_qos *own,
		    struct sum *all)
{
	if (own != NULL)
		add(all, "priority", own->priority_max);
	for (unsigned i = 0; i < m->n_queues; i++) {
		char name[24];

		if (m->queues[i].port != p)
			continue;
		snprintf(name, sizeof(name), "queue %u", m->queues[i].spec.id);
		add(all, name, m->queues[i].spec.min_bps);
	}
}

static int check_port(const struct vs_model *m, const struct vs_qos_conf *conf,
		      const struct vs_port *p, struct err *err)
{
	const struct vs_qos *own = find(conf, p, NULL);
	bool uplink = vs_is_uplink(p) && guarantees(conf);
	struct sum all = {0};
	int rc = uplink ? tenant_at(m, conf, p, NULL, &all, err) : 0;

	for (unsigned i = 0; uplink && rc == 0 && i < m->n_tenants; i++)
		rc = tenant_at(m, conf, p, &m->tenants[i], &all, err);
	add_own(m, p, own, &all);
	if (rc != 0 || own == NULL || own->to_max == 0 || all.bps <= own->to_max)
		return rc;
	return refuse_sum(conf, p, "guarantees", &all, "to-max", own->to_max, err);
}

/* What is guaranteed of what is sent to a tenant's machines on the switch of 'q'. */
static int check_share(const struct vs_model *m, const struct vs_qos_conf *conf,
		       const struct vs_qos *q, struct err *err)
{
	struct sum all = {0};
	char whose[80];

	for (unsigned i = 0; i < conf->n; i++) {
		const struct vs_qos *other = &conf->v[i];

		if (other == q || other->tenant != q->tenant || other->to_max == 0 ||
		    other->port->sw != q->port->sw)
			continue;
		err_set(err, -EINVAL, "twice", "tenant %s has --to-max of %s and of %s",
			q->tenant->name, q->port->name, other->port->name);
		err_why(err,
			"it is about all that is sent to its machines on switch %s, by "
			"whatever way it came",
			q->port->sw->name);
		err_fix(err, "vswitchctl qos set %s --tenant %s --default to-max",
			other->port->name, q->tenant->name);
		return -EINVAL;
	}
	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i];
		const struct vs_qos *own = find(conf, p, NULL);
		struct sum s = {0};

		if (vs_qos_share(m, p) != q)
			continue;
		add_own(m, p, own, &s);
		if (own != NULL && own->to_min > s.bps)
			s.bps = own->to_min;
		add(&all, p->name, s.bps);
	}
	snprintf(whose, sizeof(whose), "what is sent to tenant %.40s", q->tenant->name);
	if (all.bps <= q->to_max)
		return 0;
	err_set(err, -EINVAL, "over-committed",
		"%s: %.200s are guaranteed %.1f Mbit/s together, above its --to-max of %.1f", whose,
		all.names, (double)all.bps / 1e6, (double)q->to_max / 1e6);
	err_why(err, "not all of them could have at once what they are guaranteed");
	err_fix(err, "lower --to-min of some, or raise --to-max; vswitchctl qos list");
	err_about(err, "qos", q->name);
	return -EINVAL;
}

static int check_all(const struct vs_model *m, const struct vs_qos_conf *conf, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < m->n_ports; i++)
		if (vs_is_uplink(&m->ports[i]) || find(conf, &m->ports[i], NULL) != NULL)
			rc = check_port(m, conf, &m->ports[i], err);
	for (unsigned i = 0; rc == 0 && conf->any_share && i < conf->n; i++)
		if (conf->v[i].tenant != NULL && conf->v[i].to_max != 0)
			rc = check_share(m, conf, &conf->v[i], err);
	return rc;
}

int vs_qos_read(struct vs_model *m, void **ret, struct err *err)
{
	json_t *objects = json_object_get(m->state, "qos"), *body;
	size_t n = json_object_size(objects);
	struct vs_qos_conf *conf;
	const char *name;
	int rc = 0;

	if (n == 0)
		return 0;
	if (n > VS_MAX_QOS)
		return err_set(err, -ENOSPC, "limit", "at most %u of qos can be configured",
			       VS_MAX_QOS);
	conf = calloc(1, sizeof(*conf) + n * sizeof(conf->v[0]));
	if (conf == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	*ret = conf; /* The model's from here on. */
	json_object_foreach(objects, name, body) {
		rc = read_one(m, &conf->v[conf->n++], name, body, err);
		if (rc != 0) {
			err_about(err, "qos", name);
			return rc;
		}
	}
	for (unsigned i = 0; i < conf->n; i++)
		conf->any_share |= conf->v[i].tenant != NULL && conf->v[i].to_max != 0;
	qsort(conf->v, conf->n, sizeof(conf->v[0]), compare);
	return check_all(m, conf, err);
}
