/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See flow_names.h.
 */
#include "vswitch/flow_names.h"
#include "vswitch/switch_flows.h"

#include <errno.h>
#include <string.h>

static bool port_number(void *arg, const char *name, size_t size, uint32_t *ret_port)
{
	const struct vs_flow_names *n = arg;
	const struct vs_model *m = n->d->vs->model;

	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i];

		if (p->sw != n->sw || strlen(p->name) != size || memcmp(p->name, name, size) != 0)
			continue;
		*ret_port = n->d->vs->live[vs_port_id(n->d->vs, p->name)].number;
		return true;
	}
	return false;
}

static const char *port_name(void *arg, uint32_t port)
{
	const struct vs_flow_names *n = arg;

	for (unsigned i = 0; i < DP_MAX_PORTS; i++) {
		const struct vs_live *live = &n->d->vs->live[i];

		if (live->name[0] != '\0' && live->number == port &&
		    strcmp(live->sw, n->sw->name) == 0)
			return live->name;
	}
	return NULL;
}

struct of_text_ports vs_flow_text_ports(struct vs_flow_names *names)
{
	return (struct of_text_ports){.number = port_number, .name = port_name, .arg = names};
}

int vs_flow_bad_text(struct err *err, const struct of_text_error *e, const char *file)
{
	if (file != NULL)
		err_set(err, -EINVAL, "flow-syntax", "%s:%u:%u: %s", file, e->line, e->column,
			e->what);
	else
		err_set(err, -EINVAL, "flow-syntax", "column %u: %s", e->column, e->what);
	err_why(err, "flows are written as for ovs-ofctl: match fields, then actions=...");
	err_fix(err, "vswitchctl flow add --help shows examples; docs/flows.md has all fields");
	return -EINVAL;
}
