/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See steer_model.h.
 */
#include "tests/support/steer_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whose port another driver made (steer_model_attach()). */
static struct steer_model *attached;
static const struct dp_port *attached_to;

static struct steer_model *model_of(const struct dp_port *port)
{
	return port == attached_to ? attached : port->priv;
}

static int model_open(struct dp_port *port, uint16_t n_shared, struct dp_steer_caps *ret_caps,
		      struct err *err)
{
	struct steer_model *m = model_of(port);

	if (m->refuse_open != 0)
		return err_set(err, m->refuse_open, "model", "the model refuses");
	*ret_caps = m->caps;
	if (ret_caps->first < n_shared)
		ret_caps->first = n_shared;
	m->opened = true;
	return 0;
}

static void model_close(struct dp_port *port)
{
	struct steer_model *m = model_of(port);

	m->opened = false;
}

static bool same(const struct dp_steer_rule *a, const struct dp_steer_rule *b)
{
	return rte_is_same_ether_addr(&a->mac, &b->mac) && a->vlan == b->vlan;
}

/* Like a NIC: an address that is there already is refused. */
static int model_add(struct dp_port *port, const struct dp_steer_rule *rule, void **ret_handle,
		     struct err *err)
{
	struct steer_model *m = model_of(port);
	unsigned slot = STEER_MODEL_RULES;

	m->n_adds++;
	if (m->gone)
		return err_set(err, -EIO, "model", "no device answers");
	if (m->refuse_adds || (m->refuse_add != 0 && --m->refuse_add == 0))
		return err_set(err, -ENOSPC, "model", "its table is full");
	for (unsigned i = STEER_MODEL_RULES; i-- > 0;) {
		if (m->used[i] && same(&m->rules[i], rule))
			return err_set(err, -EEXIST, "model", "it has that address");
		if (!m->used[i])
			slot = i;
	}
	if (slot == STEER_MODEL_RULES)
		return err_set(err, -ENOSPC, "model", "its table is full");
	m->rules[slot] = *rule;
	m->used[slot] = true;
	m->n_handles++;
	*ret_handle = &m->rules[slot];
	return 0;
}

static int model_del(struct dp_port *port, const struct dp_steer_rule *rule, void *handle,
		     bool forgotten)
{
	struct steer_model *m = model_of(port);
	size_t slot = (size_t)((struct dp_steer_rule *)handle - m->rules);

	m->n_dels++;
	if (m->refuse_del && !forgotten)
		return -EBUSY;
	m->n_handles--;
	if (!forgotten && (!m->used[slot] || !same(rule, &m->rules[slot])))
		abort(); /* Nobody takes off what is not on. */
	if (!forgotten)
		m->used[slot] = false;
	return 0;
}

static int model_count(struct dp_port *port, uint16_t queue, uint64_t *ret_packets)
{
	const struct steer_model *m = model_of(port);

	*ret_packets = m->counts[queue];
	return 0;
}

static uint32_t model_generation(struct dp_port *port, bool *ret_gone)
{
	const struct steer_model *m = model_of(port);

	*ret_gone = m->gone;
	return m->generation;
}

static struct dp_steer_ops model_steer = {
	.kind = "model",
	.open = model_open,
	.close = model_close,
	.add = model_add,
	.del = model_del,
	.count = model_count,
	.generation = model_generation,
};

static const struct dp_steer_ops *const *model_ways(struct dp_port *port)
{
	static const struct dp_steer_ops *const ways[] = {&model_steer, NULL};

	model_steer.restarts = model_of(port)->restarts;
	return ways;
}

static const struct dp_port_ops model_ops = {.kind = "model", .steer = model_ways};

void steer_model_init(struct steer_model *m, uint16_t n_rxq)
{
	memset(m, 0, sizeof(*m));
	m->port = (struct dp_port){.ops = &model_ops,
				   .priv = m,
				   .n_rxq = n_rxq,
				   .rxq = m->rxq,
				   .name = "uplink0",
				   .driver = "model"};
	m->caps = (struct dp_steer_caps){.first = 1,
					 .n_queues = (uint16_t)(n_rxq - 1),
					 .max_rules = STEER_MODEL_RULES,
					 .max_spread = 1,
					 .by_vlan = true};
}

void steer_model_attach(struct steer_model *m, struct dp_port *port)
{
	m->ops = *port->ops;
	m->ops.steer = model_ways;
	port->ops = &m->ops;
	attached = m;
	attached_to = port;
}

void steer_model_reset(struct steer_model *m)
{
	memset(m->used, 0, sizeof(m->used));
	m->generation++;
}

uint16_t steer_model_receive(struct steer_model *m, const struct rte_ether_addr *to, uint16_t vlan)
{
	uint16_t queue = 0;

	for (unsigned i = 0; i < STEER_MODEL_RULES; i++)
		if (m->used[i] && rte_is_same_ether_addr(&m->rules[i].mac, to) &&
		    (m->rules[i].vlan == vlan || m->rules[i].vlan == DP_STEER_ANY_VLAN))
			queue = m->rules[i].queue;
	m->counts[queue]++;
	return queue;
}

unsigned steer_model_n_rules(const struct steer_model *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < STEER_MODEL_RULES; i++)
		n += m->used[i];
	return n;
}
