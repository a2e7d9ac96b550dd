/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Steering by flow rules (rte_flow) of a DPDK device: destination address and VLAN to a queue, or
 * to a group of queues with a hash of its own (an RSS context for one VM).
 *
 * What a device takes is asked of it with rules that nobody meets (rte_flow_validate), since no
 * capability says it.  All other frames stay on the shared queues: the redirection table of RSS is
 * narrowed to them.  A device that cannot narrow it steers all the same, and others' frames come by
 * a VM's queue, too; that costs speed and nothing else.
 *
 * A rule for frames without a tag is one that does not look at the tag: few devices can ask for
 * its absence.
 *
 * Rules are taken off before the device stops, by the book: it is up to a driver what becomes of
 * them else.
 *
 * Threads: control thread.
 */
#include "dataplane/eth_priv.h"
#include "dataplane/steer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_flow.h>

#define MAX_RETA 2048u

/* A rule in DPDK's words; points into itself. */
struct words {
	struct rte_flow_attr attr;
	struct rte_flow_item_eth eth, eth_mask;
	struct rte_flow_item_vlan vlan, vlan_mask;
	struct rte_flow_item pattern[3];
	struct rte_flow_action_queue queue;
	struct rte_flow_action_rss rss;
	uint16_t queues[DP_MAX_QUEUES];
	struct rte_flow_action actions[2];
};

static void say_pattern(struct words *w, const struct dp_steer_rule *rule, bool by_vlan)
{
	bool tag = by_vlan && rule->vlan != 0 && rule->vlan != DP_STEER_ANY_VLAN;
	struct rte_flow_item *item = w->pattern;

	w->eth.hdr.dst_addr = rule->mac;
	memset(&w->eth_mask.hdr.dst_addr, 0xff, sizeof(w->eth_mask.hdr.dst_addr));
	*item++ = (struct rte_flow_item){.type = RTE_FLOW_ITEM_TYPE_ETH,
					 .spec = &w->eth,
					 .mask = &w->eth_mask};
	w->vlan.hdr.vlan_tci = rte_cpu_to_be_16(rule->vlan);
	w->vlan_mask.hdr.vlan_tci = RTE_BE16(0x0fff);
	if (tag)
		*item++ = (struct rte_flow_item){.type = RTE_FLOW_ITEM_TYPE_VLAN,
						 .spec = &w->vlan,
						 .mask = &w->vlan_mask};
	item->type = RTE_FLOW_ITEM_TYPE_END;
}

static void say_action(struct words *w, const struct eth_port *ep, const struct dp_steer_rule *rule)
{
	uint16_t n = RTE_MIN(rule->n_queues, (uint16_t)DP_MAX_QUEUES);

	w->queue.index = rule->queue;
	w->actions[0] = (struct rte_flow_action){RTE_FLOW_ACTION_TYPE_QUEUE, &w->queue};
	w->actions[1].type = RTE_FLOW_ACTION_TYPE_END;
	if (n < 2)
		return;
	for (uint16_t i = 0; i < n; i++)
		w->queues[i] = (uint16_t)(rule->queue + i);
	w->rss.types = ep->conf.dev.rx_adv_conf.rss_conf.rss_hf;
	w->rss.queue_num = n;
	w->rss.queue = w->queues;
	w->actions[0] = (struct rte_flow_action){RTE_FLOW_ACTION_TYPE_RSS, &w->rss};
}

static void say(struct words *w, const struct eth_port *ep, const struct dp_steer_rule *rule)
{
	memset(w, 0, sizeof(*w));
	w->attr.ingress = 1;
	say_pattern(w, rule, ep->steer_by_vlan);
	say_action(w, ep, rule);
}

static int refuse(int rc, const struct rte_flow_error *error, struct err *err)
{
	if (rc >= 0)
		rc = -EIO;
	return err_set(err, rc, "flow-refused", "%s",
		       error->message != NULL ? error->message : strerror(-rc));
}

/* Would the device take such a rule? */
static int ask(const struct eth_port *ep, uint16_t vlan, uint16_t queue, uint16_t n,
	       struct err *err)
{
	const struct dp_steer_rule rule = {.mac = {{2, 0, 0, 0, 0, 1}},
					   .vlan = vlan,
					   .queue = queue,
					   .n_queues = n};
	struct rte_flow_error error = {0};
	struct words w;
	int rc;

	say(&w, ep, &rule);
	rc = rte_flow_validate(ep->port_id, &w.attr, w.pattern, w.actions, &error);
	return rc != 0 ? refuse(rc, &error, err) : 0;
}

/* RSS over the first 'n' queues only. */
static int narrow_rss(const struct eth_port *ep, uint16_t n)
{
	struct rte_eth_rss_reta_entry64 reta[MAX_RETA / RTE_ETH_RETA_GROUP_SIZE];
	uint16_t size = ep->info.reta_size;

	if (ep->conf.dev.rxmode.mq_mode != RTE_ETH_MQ_RX_RSS)
		return ep->conf.n_rxq == 1 ? 0 : -ENOTSUP;
	if (size == 0 || size > MAX_RETA)
		return -ENOTSUP;
	memset(reta, 0, sizeof(reta));
	for (uint16_t i = 0; i < size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &reta[i / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= UINT64_C(1) << i % RTE_ETH_RETA_GROUP_SIZE;
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = i % n;
	}
	return rte_eth_dev_rss_reta_update(ep->port_id, reta, size);
}

static void before_stop(struct eth_port *ep)
{
	struct rte_flow_error error = {0};

	(void)rte_flow_flush(ep->port_id, &error);
}

static void after_start(struct eth_port *ep)
{
	(void)narrow_rss(ep, ep->steer_first);
}

static const struct eth_steering steering = {.before_stop = before_stop,
					     .after_start = after_start};

static int flow_open(struct dp_port *port, uint16_t n_shared, struct dp_steer_caps *ret_caps,
		     struct err *err)
{
	struct eth_port *ep = port->priv;
	int rc;

	ep->steer_by_vlan = true;
	ep->steer_first = n_shared;
	rc = ask(ep, DP_STEER_ANY_VLAN, n_shared, 1, err);
	if (rc != 0)
		return rc;
	ep->steer_by_vlan = ask(ep, 2, n_shared, 1, NULL) == 0;
	*ret_caps = (struct dp_steer_caps){.first = n_shared,
					   .n_queues = (uint16_t)(port->n_rxq - n_shared),
					   .max_rules = DP_STEER_MAX_RULES,
					   .max_spread = 1,
					   .by_vlan = ep->steer_by_vlan};
	if (ret_caps->n_queues > 1 && ask(ep, DP_STEER_ANY_VLAN, n_shared, 2, NULL) == 0)
		ret_caps->max_spread = ret_caps->n_queues;
	if (narrow_rss(ep, n_shared) != 0)
		snprintf(ret_caps->why, sizeof(ret_caps->why),
			 "others' frames come by these queues, too: the device's RSS cannot be "
			 "kept off them");
	ep->steering = &steering;
	return 0;
}

static void flow_close(struct dp_port *port)
{
	struct eth_port *ep = port->priv;

	ep->steering = NULL;
	if (!atomic_load(&ep->gone))
		(void)narrow_rss(ep, port->n_rxq);
}

static int flow_add(struct dp_port *port, const struct dp_steer_rule *rule, void **ret_handle,
		    struct err *err)
{
	struct eth_port *ep = port->priv;
	struct rte_flow_error error = {0};
	struct rte_flow *flow;
	struct words w;

	if (!ep->started || atomic_load(&ep->gone))
		return err_set(err, -ENODEV, "device-gone", "the device does not run");
	say(&w, ep, rule);
	rte_errno = 0;
	flow = rte_flow_create(ep->port_id, &w.attr, w.pattern, w.actions, &error);
	if (flow == NULL)
		return refuse(-rte_errno, &error, err);
	*ret_handle = flow;
	return 0;
}

static int flow_del(struct dp_port *port, const struct dp_steer_rule *rule, void *handle,
		    bool forgotten)
{
	struct eth_port *ep = port->priv;
	struct rte_flow_error error = {0};
	int rc;

	if (forgotten || atomic_load(&ep->gone))
		return 0; /* Flushed, or the driver's close frees it. */
	rc = rte_flow_destroy(ep->port_id, handle, &error);
	return rc > 0 ? -EIO : rc;
}

const struct dp_steer_ops eth_steer_flow = {
	.kind = "flow",
	.open = flow_open,
	.close = flow_close,
	.add = flow_add,
	.del = flow_del,
	.count = eth_steer_count,
	.generation = eth_steer_generation,
};
