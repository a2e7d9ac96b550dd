/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Filter modules in the model, and what of them runs on a port.
 */
#include "vswitch/model_priv.h"

#include "ctl/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHA256_DIGITS 64
#define ORDER_MAX     65535
#define ORDER_DEFAULT 100

static const char *const roles[FILTER_N_ROLES] = {"capture", "filter", "forward"};
static const char *const sides[DP_N_FILTER_SIDES] = {"ingress", "egress"};

const char *vs_filter_role_name(enum filter_role role)
{
	return roles[role];
}

const char *vs_filter_side_name(enum dp_filter_side side)
{
	return sides[side];
}

const struct vs_filter *vs_model_filter(const struct vs_model *m, const char *name)
{
	for (unsigned i = 0; name != NULL && i < m->n_filters; i++)
		if (strcmp(m->filters[i].name, name) == 0)
			return &m->filters[i];
	return NULL;
}

const char *vs_attachment_scope(const struct vs_attachment *a, const char **ret_name)
{
	*ret_name = a->port != NULL	? a->port->name
		    : a->tenant != NULL ? a->tenant->name
					: a->sw->name;
	return a->port != NULL ? "port" : a->tenant != NULL ? "tenant" : "switch";
}

static bool is_digest(const char *text)
{
	return text != NULL && strlen(text) == SHA256_DIGITS &&
	       strspn(text, "0123456789abcdef") == SHA256_DIGITS;
}

int vs_model_filter_read(struct vs_model *m, const char *name, const json_t *body, struct err *err)
{
	struct vs_filter *f = &m->filters[m->n_filters++];
	const char *policy = vs_body_str(body, "on_budget");

	*f = (struct vs_filter){
		.name = name,
		.body = body,
		.file = vs_body_str(body, "file"),
		.sha256 = vs_body_str(body, "sha256"),
		.program = vs_body_str(body, "program"),
		.budget = (uint32_t)vs_body_number(body, "budget", 0),
		.drops = policy != NULL && strcmp(policy, "drop") == 0,
		.interpret = vs_body_flag(body, "interpret", false),
	};
	if (is_digest(f->sha256))
		return 0;
	err_set(err, -EINVAL, "bad-digest", "filter %s: --sha256 must be 64 digits of 0-9a-f",
		name);
	err_why(err, "it says which object the module is made of");
	err_fix(err, "sha256sum %s", f->file != NULL ? f->file : "FILE");
	return -EINVAL;
}

/* Exactly one of switch, tenant and port. */
static int scope_read(struct vs_model *m, struct vs_attachment *a, const json_t *body,
		      struct err *err)
{
	const char *sw = vs_body_str(body, "switch"), *tenant = vs_body_str(body, "tenant"),
		   *port = vs_body_str(body, "port");

	a->sw = vs_model_switch(m, sw);
	a->tenant = vs_model_tenant(m, tenant);
	a->port = vs_model_port(m, port);
	if ((sw != NULL) + (tenant != NULL) + (port != NULL) != 1) {
		err_set(err, -EINVAL, "usage",
			"filter %s is attached to one of --switch, --tenant or --port",
			vs_body_str(body, "name"));
		err_fix(err, "vswitchctl filter attach --help");
		return -EINVAL;
	}
	if (sw != NULL && a->sw == NULL)
		return conf_refuse_missing(m->state, "switch", sw, "filter attach", err);
	if (tenant != NULL && a->tenant == NULL)
		return conf_refuse_missing(m->state, "tenant", tenant, "filter attach", err);
	if (port != NULL && a->port == NULL)
		return conf_refuse_missing(m->state, "port", port, "filter attach", err);
	return 0;
}

static enum filter_role role_of(const char *word)
{
	for (unsigned i = 0; word != NULL && i < FILTER_N_ROLES; i++)
		if (strcmp(word, roles[i]) == 0)
			return (enum filter_role)i;
	return FILTER_ROLE_FILTER;
}

int vs_model_attachment_read(struct vs_model *m, const char *name, const json_t *body,
			     struct err *err)
{
	struct vs_attachment *a = &m->attachments[m->n_attachments++];
	const char *filter = vs_body_str(body, "name"), *side = vs_body_str(body, "direction"),
		   *missing = vs_body_str(body, "on_missing");
	uint64_t order = vs_body_number(body, "order", ORDER_DEFAULT);

	*a = (struct vs_attachment){
		.name = name,
		.filter = vs_model_filter(m, filter),
		.side = side != NULL && strcmp(side, "egress") == 0 ? DP_FILTER_EGRESS
								    : DP_FILTER_INGRESS,
		.role = role_of(vs_body_str(body, "role")),
		.order = order <= ORDER_MAX ? (uint32_t)order : ORDER_MAX,
		.strip_vlan = vs_body_flag(body, "strip_vlan", false),
		.meta = vs_body_flag(body, "meta", false),
	};
	a->closed = missing != NULL ? strcmp(missing, "drop") == 0 : a->role != FILTER_ROLE_CAPTURE;
	if (a->filter == NULL)
		return conf_refuse_missing(m->state, "filter", filter, "filter attach", err);
	if (a->role == FILTER_ROLE_FORWARD && a->side == DP_FILTER_EGRESS) {
		err_set(err, -EINVAL, "filter-role",
			"filter %s: role forward is for --direction ingress", filter);
		err_why(err, "a frame that leaves by a port has been forwarded already");
		err_fix(err, "attach it with --direction ingress, or with --role filter");
		return -EINVAL;
	}
	return scope_read(m, a, body, err);
}

/* How near it is to the port: 0 for not at all. */
static unsigned nearness(const struct vs_attachment *a, const struct vs_port *p)
{
	if (a->port != NULL)
		return a->port == p ? 3 : 0;
	if (a->tenant != NULL)
		return a->tenant == p->tenant ? 2 : 0;
	return a->sw == p->sw ? 1 : 0;
}

/* 'a' is of the port; does another of the same module say more about it? */
static bool is_overruled(const struct vs_model *m, const struct vs_attachment *a,
			 const struct vs_port *p)
{
	/* Nothing says more than the port's own. */
	for (unsigned i = 0; a->port == NULL && i < m->n_attachments; i++) {
		const struct vs_attachment *b = &m->attachments[i];

		if (b->filter == a->filter && b->side == a->side && nearness(b, p) > nearness(a, p))
			return true;
	}
	return false;
}

/* All of them, however many; the first 'max' are put into 'ret'. */
static unsigned filters_of(const struct vs_model *m, const struct vs_port *p,
			   enum dp_filter_side side, const struct vs_attachment **ret, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_attachments; i++) {
		const struct vs_attachment *a = &m->attachments[i];

		if (a->side != side || nearness(a, p) == 0 || is_overruled(m, a, p))
			continue;
		if (n < max)
			ret[n] = a;
		n++;
	}
	return n;
}

unsigned vs_model_filters_of(const struct vs_model *m, const struct vs_port *p,
			     enum dp_filter_side side,
			     const struct vs_attachment *ret[FILTER_MAX_SLOTS])
{
	unsigned n = filters_of(m, p, side, ret, FILTER_MAX_SLOTS);

	return n < FILTER_MAX_SLOTS ? n : FILTER_MAX_SLOTS;
}

/* Direction, role, order, name: as a frame meets them. */
static int compare(const void *x, const void *y)
{
	const struct vs_attachment *a = x, *b = y;
	int rc;

	if (a->side != b->side)
		return a->side < b->side ? -1 : 1;
	if (a->role != b->role)
		return a->role < b->role ? -1 : 1;
	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	rc = strcmp(a->filter->name, b->filter->name);
	return rc != 0 ? rc : strcmp(a->name, b->name);
}

static int port_check(const struct vs_model *m, const struct vs_port *p, enum dp_filter_side side,
		      struct err *err)
{
	const struct vs_attachment *first = NULL;

	if (filters_of(m, p, side, &first, 1) <= FILTER_MAX_SLOTS)
		return 0;
	err_set(err, -ENOSPC, "limit", "port %s: at most %u filters in a direction", p->name,
		FILTER_MAX_SLOTS);
	err_fix(err, "vswitchctl filter list %s; filter detach NAME ...", p->name);
	err_about(err, "attachment", first->name);
	return -ENOSPC;
}

int vs_model_filters_check(struct vs_model *m, struct err *err)
{
	int rc = 0;

	qsort(m->attachments, m->n_attachments, sizeof(m->attachments[0]), compare);
	/* Fewer than that meet nowhere. */
	if (m->n_attachments <= FILTER_MAX_SLOTS)
		return 0;
	for (unsigned i = 0; rc == 0 && i < m->n_ports; i++)
		for (int side = 0; rc == 0 && side < DP_N_FILTER_SIDES; side++)
			rc = port_check(m, &m->ports[i], (enum dp_filter_side)side, err);
	return rc;
}
