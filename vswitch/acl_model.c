/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Access lists, sets of addresses, and where lists are attached, from the configuration's objects;
 * see acl.h.
 *
 * 	"ipset"	       {"members": "10.0.0.0/8 .."}
 * 	"acl"	       {"otherwise", "entries": "10 allow ..\n20 .."}
 * 	"acl-binding"  {"name": of the list, "port" or "tenant", "direction", "order"}
 */
#include "vswitch/acl_words.h"

#include "ctl/conf.h"
#include "vswitch/model_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ORDER_MAX     65535
#define ORDER_DEFAULT 100

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "no-memory", "no memory");
}

static int too_many(const char *what, unsigned max, struct err *err)
{
	return err_set(err, -ENOSPC, "limit", "at most %u %s can be configured", max, what);
}

/* ---- Sets ---- */

static int set_compare(const void *a, const void *b)
{
	return strcmp(((const struct vs_acl_set *)a)->name, ((const struct vs_acl_set *)b)->name);
}

int vs_acl_names(const json_t *state, struct vs_acl_conf *ret_conf, struct err *err)
{
	json_t *objects = json_object_get(state, "ipset"), *body;
	struct vs_acl_conf conf = {0};
	const char *name;

	if (json_object_size(objects) > VS_MAX_ACL_SETS)
		return too_many("ipset", VS_MAX_ACL_SETS, err);
	conf.sets = calloc(json_object_size(objects) + 1, sizeof(*conf.sets));
	if (conf.sets == NULL)
		return no_memory(err);
	json_object_foreach(objects, name, body)
		conf.sets[conf.n_sets++].name = name;
	qsort(conf.sets, conf.n_sets, sizeof(*conf.sets), set_compare);
	*ret_conf = conf;
	return 0;
}

static int sets_read(const json_t *state, struct vs_acl_conf *conf, struct err *err)
{
	json_t *objects = json_object_get(state, "ipset");
	uint32_t left = VS_MAX_SET_ADDRESSES;
	int rc = vs_acl_names(state, conf, err);

	for (unsigned i = 0; rc == 0 && i < conf->n_sets; i++) {
		struct vs_acl_set *set = &conf->sets[i];
		const json_t *text =
			json_object_get(json_object_get(objects, set->name), "members");

		if (text == NULL)
			continue;
		rc = vs_acl_set_read(set->name, json_string_value(text), json_string_length(text),
				     left, &set->prefixes, &set->n, err);
		if (rc != 0)
			err_about(err, "ipset", set->name);
		else
			left -= set->n;
	}
	return rc;
}

/* ---- Lists ---- */

const struct vs_acl *vs_acl_find(const struct vs_acl_conf *conf, const char *name)
{
	unsigned low = 0, high = conf != NULL ? conf->n_acls : 0;

	while (name != NULL && low < high) {
		unsigned mid = (low + high) / 2;
		int rc = strcmp(conf->acls[mid].name, name);

		if (rc == 0)
			return &conf->acls[mid];
		if (rc < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static int acl_compare(const void *a, const void *b)
{
	return strcmp(((const struct vs_acl *)a)->name, ((const struct vs_acl *)b)->name);
}

static int list_read(struct vs_acl_conf *conf, const json_t *body, uint32_t left,
		     struct vs_acl *acl, struct err *err)
{
	const char *other = vs_body_str(body, "otherwise");
	const json_t *text = json_object_get(body, "entries");

	acl->other = other != NULL && strcmp(other, "allow") == 0 ? VS_ACL_ALLOW : VS_ACL_DENY;
	if (text == NULL)
		return 0;
	return vs_acl_lines_read(acl->name, json_string_value(text), json_string_length(text), conf,
				 left, &acl->entries, &acl->n, err);
}

static int lists_read(const json_t *state, struct vs_acl_conf *conf, struct err *err)
{
	json_t *objects = json_object_get(state, "acl"), *body;
	uint32_t left = VS_MAX_ACL_ENTRIES;
	const char *name;

	if (json_object_size(objects) > VS_MAX_ACLS)
		return too_many("acl", VS_MAX_ACLS, err);
	conf->acls = calloc(json_object_size(objects) + 1, sizeof(*conf->acls));
	if (conf->acls == NULL)
		return no_memory(err);
	json_object_foreach(objects, name, body) {
		struct vs_acl *acl = &conf->acls[conf->n_acls++];
		int rc;

		acl->name = name;
		rc = list_read(conf, body, left, acl, err);
		if (rc != 0) {
			err_about(err, "acl", name);
			return rc;
		}
		left -= acl->n;
	}
	qsort(conf->acls, conf->n_acls, sizeof(*conf->acls), acl_compare);
	return 0;
}

/* ---- Where they are attached ---- */

static int refuse_place(const char *list, struct err *err)
{
	err_set(err, -EINVAL, "usage", "acl %s is attached to one of --port or --tenant", list);
	err_fix(err, "vswitchctl acl attach --help");
	return -EINVAL;
}

static int binding_read(const struct vs_model *m, const struct vs_acl_conf *conf, const char *name,
			const json_t *body, struct vs_acl_binding *b, struct err *err)
{
	const char *list = vs_body_str(body, "name"), *port = vs_body_str(body, "port"),
		   *tenant = vs_body_str(body, "tenant"), *side = vs_body_str(body, "direction");
	uint64_t order = vs_body_number(body, "order", ORDER_DEFAULT);

	*b = (struct vs_acl_binding){
		.name = name,
		.acl = vs_acl_find(conf, list),
		.port = vs_model_port(m, port),
		.tenant = vs_model_tenant(m, tenant),
		.side = side != NULL && strcmp(side, "egress") == 0 ? DP_FILTER_EGRESS
								    : DP_FILTER_INGRESS,
		.order = order <= ORDER_MAX ? (uint32_t)order : ORDER_MAX,
	};
	if (b->acl == NULL)
		return conf_refuse_missing(m->state, "acl", list, "acl attach", err);
	if ((port != NULL) + (tenant != NULL) != 1)
		return refuse_place(list, err);
	if (port != NULL && b->port == NULL)
		return conf_refuse_missing(m->state, "port", port, "acl attach", err);
	if (tenant != NULL && b->tenant == NULL)
		return conf_refuse_missing(m->state, "tenant", tenant, "acl attach", err);
	return 0;
}

/* Direction, order; a port's own before its tenant's; name: as packets meet them. */
static int binding_compare(const void *x, const void *y)
{
	const struct vs_acl_binding *a = x, *b = y;

	if (a->side != b->side)
		return a->side < b->side ? -1 : 1;
	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	if ((a->port == NULL) != (b->port == NULL))
		return a->port != NULL ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int bindings_read(const struct vs_model *m, struct vs_acl_conf *conf, struct err *err)
{
	json_t *objects = json_object_get(m->state, "acl-binding"), *body;
	const char *name;

	if (json_object_size(objects) > VS_MAX_ACL_BINDINGS)
		return too_many("attached acl", VS_MAX_ACL_BINDINGS, err);
	conf->bindings = calloc(json_object_size(objects) + 1, sizeof(*conf->bindings));
	if (conf->bindings == NULL)
		return no_memory(err);
	json_object_foreach(objects, name, body) {
		int rc = binding_read(m, conf, name, body, &conf->bindings[conf->n_bindings], err);

		if (rc != 0) {
			err_about(err, "acl-binding", name);
			return rc;
		}
		conf->n_bindings++;
	}
	qsort(conf->bindings, conf->n_bindings, sizeof(*conf->bindings), binding_compare);
	return 0;
}

static bool is_of(const struct vs_acl_binding *b, const struct vs_port *p, enum dp_filter_side side)
{
	return b->side == side &&
	       (b->port != NULL ? b->port == p : p->tenant != NULL && b->tenant == p->tenant);
}

static bool has_list(const struct vs_acl_binding *const *of, unsigned n, const struct vs_acl *acl)
{
	for (unsigned i = 0; i < n; i++)
		if (of[i]->acl == acl)
			return true;
	return false;
}

unsigned vs_acls_of(const struct vs_acl_conf *conf, const struct vs_port *p,
		    enum dp_filter_side side, const struct vs_acl_binding *ret[VS_MAX_PORT_ACLS])
{
	unsigned n = 0;

	for (unsigned i = 0; conf != NULL && i < conf->n_bindings && n < VS_MAX_PORT_ACLS; i++) {
		const struct vs_acl_binding *b = &conf->bindings[i];

		if (is_of(b, p, side) && !has_list(ret, n, b->acl))
			ret[n++] = b;
	}
	return n;
}

/* How many meet on each port: those of its tenant, and its own. */
static int places_check(const struct vs_model *m, const struct vs_acl_conf *conf, struct err *err)
{
	uint32_t *counts = calloc(2 * ((size_t)m->n_ports + m->n_tenants) + 1, sizeof(*counts));
	uint32_t *of_tenants = counts + 2 * (size_t)m->n_ports;
	int rc = counts != NULL ? 0 : no_memory(err);

	for (unsigned i = 0; rc == 0 && i < conf->n_bindings; i++) {
		const struct vs_acl_binding *b = &conf->bindings[i];

		if (b->port != NULL)
			counts[2 * (b->port - m->ports) + b->side]++;
		else
			of_tenants[2 * (b->tenant - m->tenants) + b->side]++;
	}
	for (unsigned i = 0; rc == 0 && i < 2 * m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i / 2];

		if (p->tenant != NULL)
			counts[i] += of_tenants[2 * (p->tenant - m->tenants) + i % 2];
		if (counts[i] <= VS_MAX_PORT_ACLS)
			continue;
		rc = err_set(err, -ENOSPC, "limit", "port %s: at most %u lists in a direction",
			     p->name, VS_MAX_PORT_ACLS);
		err_fix(err, "vswitchctl acl list --port %s; acl detach NAME ..", p->name);
		err_about(err, "port", p->name);
	}
	free(counts);
	return rc;
}

/* ---- All of it ---- */

int vs_acl_read(struct vs_model *m, void **ret_conf, struct err *err)
{
	struct vs_acl_conf *conf;
	int rc;

	if (json_object_get(m->state, "acl") == NULL &&
	    json_object_get(m->state, "ipset") == NULL &&
	    json_object_get(m->state, "acl-binding") == NULL)
		return 0;
	conf = calloc(1, sizeof(*conf));
	if (conf == NULL)
		return no_memory(err);
	rc = sets_read(m->state, conf, err);
	if (rc == 0)
		rc = lists_read(m->state, conf, err);
	if (rc == 0)
		rc = bindings_read(m, conf, err);
	if (rc == 0)
		rc = places_check(m, conf, err);
	if (rc != 0)
		vs_acl_forget(conf);
	else
		*ret_conf = conf;
	return rc;
}

void vs_acl_forget(void *arg)
{
	struct vs_acl_conf *conf = arg;

	for (unsigned i = 0; conf->acls != NULL && i < conf->n_acls; i++)
		vs_acl_entries_free(conf->acls[i].entries, conf->acls[i].n);
	for (unsigned i = 0; conf->sets != NULL && i < conf->n_sets; i++)
		free(conf->sets[i].prefixes);
	free(conf->acls);
	free(conf->sets);
	free(conf->bindings);
	free(conf);
}
