/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See xlate_priv.h: groups (5.6).  Each bucket is an action set that is executed on a copy of the
 * packet as it is here; what follows sees nothing of it.  Which bucket of a select or fast-failover
 * group it is, is decided now: the choice depends on fields that are then looked at, so it is one
 * per flow, and on the state of ports, of which the pipeline is told (vs_flows_port_live()).
 * Workers.
 */
#include "dataplane/hash.h"
#include "vswitch/groups.h"
#include "vswitch/xlate_priv.h"

#include <math.h>

#define LIVE_LOOKS 256u /* groups that watch groups: buckets looked at for one packet */

static bool group_is_live(const struct xlate *x, uint32_t id, unsigned *looks);

static bool has_watch(const struct of_bucket *b)
{
	return b->watch_port != OFPP_ANY || b->watch_group != OF_GROUP_ANY;
}

/* 6.5: one of what it watches lives.  Who watches nothing is taken to live. */
static bool is_live(const struct xlate *x, const struct of_bucket *b, unsigned *looks)
{
	if (!has_watch(b))
		return true;
	if (*looks == 0)
		return false;
	--*looks;
	if (b->watch_port != OFPP_ANY && vs_flows_port_is_live(x->flows, b->watch_port))
		return true;
	return b->watch_group != OF_GROUP_ANY && group_is_live(x, b->watch_group, looks);
}

static bool group_is_live(const struct xlate *x, uint32_t id, unsigned *looks)
{
	const struct vs_group *group = vs_groups_find(vs_flows_groups(x->flows), id, x->version);

	for (size_t i = 0; group != NULL && i < group->of.n_buckets; i++)
		if (is_live(x, &group->of.buckets[i], looks))
			return true;
	return false;
}

/* ---- Select ---- */

/* Both ends of a conversation get the same number, whoever sends. */
static uint64_t ends(struct xlate *x, enum dp_field a, enum dp_field b)
{
	uint8_t one[16] = {0}, other[16] = {0};
	uint64_t secret = vs_flows_secret(x->flows), w[4];

	vs_xlate_look_at(x, a);
	vs_xlate_look_at(x, b);
	dp_key_get_bytes(&x->key, a, one);
	dp_key_get_bytes(&x->key, b, other);
	memcpy(w, one, sizeof(one));
	memcpy(w + 2, other, sizeof(other));
	return dp_nh_finish(dp_nh_word(w[0], secret) + dp_nh_word(w[1], ~secret)) +
	       dp_nh_finish(dp_nh_word(w[2], secret) + dp_nh_word(w[3], ~secret));
}

static bool has_ports(struct xlate *x)
{
	uint64_t proto = vs_xlate_read(x, DP_FIELD_IP_PROTO);

	return proto == 6 || proto == 17 || proto == 132;
}

/* Addresses of Ethernet; of IP or ARP; ports.  Fragments but the first have none, and may go
 * another way than it. */
static uint64_t flow_hash(struct xlate *x)
{
	uint64_t h, type;

	vs_xlate_fresh(x);
	h = ends(x, DP_FIELD_ETH_SRC, DP_FIELD_ETH_DST);
	type = vs_xlate_read(x, DP_FIELD_ETH_TYPE);
	if (type == 0x0800 || type == 0x0806)
		h = dp_nh_finish(h) + ends(x, DP_FIELD_IP4_SRC, DP_FIELD_IP4_DST);
	else if (type == 0x86dd)
		h = dp_nh_finish(h) + ends(x, DP_FIELD_IP6_SRC, DP_FIELD_IP6_DST);
	if ((type == 0x0800 || type == 0x86dd) && has_ports(x))
		h = dp_nh_finish(h) + ends(x, DP_FIELD_TP_SRC, DP_FIELD_TP_DST);
	return dp_nh_finish(h);
}

/* How far a flow is from a bucket: exponential with the weight as its rate, so that the nearest is
 * each in proportion to its weight, and a bucket that goes moves no flow but its own. */
static double distance(uint64_t flow, uint32_t bucket, uint16_t weight)
{
	uint64_t h = dp_nh_finish((flow ^ bucket) * UINT64_C(0xd6e8feb86659fd93));
	double u = ((double)(h >> 11) + 0.5) * 0x1p-53;

	return -log(u) / weight;
}

static size_t nearest(struct xlate *x, const struct vs_group *group)
{
	size_t n = group->of.n_buckets, best = n, n_live = 0;
	unsigned looks = LIVE_LOOKS;
	double least = 0;
	uint64_t flow = 0;

	for (size_t i = 0; i < n; i++) {
		const struct of_bucket *b = &group->of.buckets[i];
		double d;

		if (b->weight == 0 || !is_live(x, b, &looks))
			continue;
		/* A choice of one needs no look at the packet. */
		if (n_live++ == 0) {
			best = i;
			continue;
		}
		if (n_live == 2) {
			flow = flow_hash(x);
			least = distance(flow, group->buckets[best].hash,
					 group->of.buckets[best].weight);
		}
		d = distance(flow, group->buckets[i].hash, b->weight);
		if (d < least) {
			least = d;
			best = i;
		}
	}
	return best;
}

static size_t first_live(const struct xlate *x, const struct vs_group *group)
{
	unsigned looks = LIVE_LOOKS;
	size_t i = 0;

	while (i < group->of.n_buckets && !is_live(x, &group->of.buckets[i], &looks))
		i++;
	return i;
}

/* ---- Buckets ---- */

static void bucket(struct xlate *x, const struct vs_group *group, size_t i)
{
	struct dp_key changed = x->b->changed;
	struct xlate copy = *x;
	uint16_t mark;

	dp_build_rule(x->b, group->buckets[i].counter);
	mark = dp_build_clone_begin(x->b);
	copy.depth++;
	vs_xlate_set(&copy, &group->of.buckets[i].actions);
	dp_build_clone_close(x->b, mark);
	/* No table was searched in there. */
	x->b->changed = changed;
}

void vs_xlate_group(struct xlate *x, uint32_t id)
{
	const struct vs_group *group = vs_groups_find(vs_flows_groups(x->flows), id, x->version);
	size_t i = 0, end;

	vs_xlate_macs(x);
	x->b->tables[VS_FLOW_GROUPS / 64] |= UINT64_C(1) << (VS_FLOW_GROUPS % 64);
	if (group == NULL)
		return;
	if (x->depth == VS_GROUP_DEPTH) {
		x->b->overflow = true;
		return;
	}
	dp_build_rule(x->b, group->counter);
	end = group->of.n_buckets;
	if (group->of.type == OFPGT_SELECT)
		i = nearest(x, group);
	else if (group->of.type == OFPGT_FF)
		i = first_live(x, group);
	if (group->of.type != OFPGT_ALL && i < end)
		end = i + 1;
	for (; i < end && !x->b->overflow; i++)
		bucket(x, group, i);
}
