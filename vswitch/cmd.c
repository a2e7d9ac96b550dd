/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What commands share: finding what a parameter names, and numbers as JSON; see cmd.h.
 */
#include "vswitch/cmd.h"

#include "dataplane/fdb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

int vs_cmd_not_found(struct err *err, const char *noun, const char *name, const char *const *names)
{
	size_t n = 0;

	while (names[n] != NULL)
		n++;
	return ctl_refuse_missing(noun, name, names, n, "", err);
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
	return vs_cmd_not_found(err, "port", name, names);
}

const struct vs_switch *vs_cmd_switch(const struct vs_daemon *d, const json_t *params,
				      const char *key, struct err *err)
{
	const struct vs_model *m = d->vs->model;
	const char *name = param(params, key);
	const struct vs_switch *sw = vs_model_switch(m, name);
	const char *names[VS_MAX_SWITCHES + 1] = {NULL};

	for (unsigned i = 0; i < m->n_switches; i++)
		names[i] = m->switches[i].name;
	if (sw == NULL)
		(void)vs_cmd_not_found(err, "switch", name, names);
	return sw;
}

const struct vs_tenant *vs_cmd_tenant(const struct vs_daemon *d, const json_t *params,
				      const char *key, struct err *err)
{
	const struct vs_model *m = d->vs->model;
	const struct vs_tenant *t = vs_model_tenant(m, param(params, key));
	const char **names = calloc(m->n_tenants + 1, sizeof(*names));

	for (unsigned i = 0; names != NULL && i < m->n_tenants; i++)
		names[i] = m->tenants[i].name;
	if (t == NULL && names != NULL)
		(void)vs_cmd_not_found(err, "tenant", param(params, key), names);
	free(names);
	return t;
}

int vs_cmd_filters(const struct vs_daemon *d, const json_t *params, struct err *err)
{
	if ((param(params, "switch") != NULL && vs_cmd_switch(d, params, "switch", err) == NULL) ||
	    (param(params, "tenant") != NULL && vs_cmd_tenant(d, params, "tenant", err) == NULL) ||
	    (param(params, "port") != NULL && vs_cmd_port(d, params, "port", err) < 0))
		return -ENOENT;
	return 0;
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

	return json_pack("{sI sI sI sI sI sI sI sI sI sI sI sI sI sI sI}", "rx_packets",
			 (json_int_t)c->rx_packets, "rx_bytes", (json_int_t)c->rx_bytes,
			 "rx_multicast", (json_int_t)c->rx_multicast, "copies",
			 (json_int_t)c->copies, "forwarded", (json_int_t)c->forwarded, "flooded",
			 (json_int_t)c->flooded, "punted", (json_int_t)c->punted, "held",
			 (json_int_t)(c->held_rx + c->held_tx), "offered", (json_int_t)c->offered,
			 "segments", (json_int_t)c->segments, "tx_packets",
			 (json_int_t)c->tx_packets, "tx_bytes", (json_int_t)c->tx_bytes, "drops_rx",
			 (json_int_t)rx, "drops_tx", (json_int_t)tx, "drops",
			 (json_int_t)(rx + tx));
}

void vs_mac_format(const struct rte_ether_addr *mac, char *text, size_t size)
{
	const uint8_t *b = mac->addr_bytes;

	snprintf(text, size, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
}

json_t *vs_drops_json(const struct dp_count *c)
{
	json_t *drops = json_object();

	for (int i = 0; i < DP_N_DROPS; i++)
		if (c->drops_rx[i] + c->drops_tx[i] != 0)
			json_object_set_new(drops, dp_drop_slug((enum dp_drop)i),
					    json_integer(
						    (json_int_t)(c->drops_rx[i] + c->drops_tx[i])));
	return drops;
}

uint32_t vs_macs_of(const struct vs_daemon *d, const char *sw, const char *tenant)
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
