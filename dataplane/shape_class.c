/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which leaf of a shaper takes a frame: see shape.h.  Frames are read as they would leave; one that
 * is cut off says nothing.
 */
#include "dataplane/shape_priv.h"

#include "dataplane/queue.h"

#include <rte_ether.h>

#define MAX_TAGS 2

static uint64_t queue_key(uint16_t out, uint32_t id)
{
	return (uint64_t)out << 32 | id;
}

static uint16_t queue_leaf(const struct dp_shape_spec *spec, uint16_t out, uint32_t id)
{
	uint16_t low = 0, high = spec->n_queues;
	uint64_t want = queue_key(out, id);

	while (low < high) {
		uint16_t mid = (uint16_t)((low + high) / 2);

		const struct dp_shape_queue *q = &spec->queues[mid];
		uint64_t key = queue_key(q->out, q->id);

		if (key == want)
			return q->leaf;
		if (key < want)
			low = (uint16_t)(mid + 1);
		else
			high = mid;
	}
	return DP_SCHED_NO_CLASS;
}

static uint16_t word(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static bool is_tag(uint16_t type)
{
	return type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ;
}

/* The six bits of DSCP behind 'at', where a frame of this type has its IP header; -1: none. */
static int dscp_at(const uint8_t *bytes, uint32_t at, uint32_t size, uint16_t type)
{
	if (size < at + 2)
		return -1;
	if (type == RTE_ETHER_TYPE_IPV4 && bytes[at] >> 4 == 4)
		return bytes[at + 1] >> 2;
	if (type == RTE_ETHER_TYPE_IPV6 && bytes[at] >> 4 == 6)
		return word(bytes + at) >> 6 & 63;
	return -1;
}

static uint8_t traffic_class(const struct dp_shape_marks *marks, const struct rte_mbuf *m)
{
	const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t at = 2 * RTE_ETHER_ADDR_LEN, size = m->data_len;
	int dscp = -1, pcp = -1;
	uint16_t type;

	if (size < at + 2)
		return marks->tc;
	type = word(bytes + at);
	at += 2;
	for (int tags = 0; tags < MAX_TAGS && is_tag(type) && size >= at + 4; tags++) {
		if (tags == 0)
			pcp = bytes[at] >> 5;
		type = word(bytes + at + 2);
		at += 4;
	}
	if ((marks->trust & DP_SHAPE_DSCP) != 0)
		dscp = dscp_at(bytes, at, size, type);
	if (dscp >= 0)
		return marks->tc_of_dscp[dscp];
	return (marks->trust & DP_SHAPE_PCP) != 0 && pcp >= 0 ? marks->tc_of_pcp[pcp] : marks->tc;
}

uint16_t shape_classify(const struct dp_shape_spec *spec, const struct rte_mbuf *m, uint16_t out)
{
	const struct dp_shape_marks *marks = &spec->marks;
	uint16_t group = 0, leaf = DP_SCHED_NO_CLASS, queues_of = 0;

	if (spec->n_outs != 0) {
		uint16_t i = spec->out_of_port[out];

		if (i == 0)
			return DP_SCHED_NO_CLASS;
		marks = &spec->outs[i - 1].marks;
		group = spec->outs[i - 1].first_group;
		queues_of = out;
	}
	if ((m->ol_flags & DP_QUEUE_MARK) != 0)
		leaf = queue_leaf(spec, queues_of, m->hash.sched.queue_id);
	if (leaf != DP_SCHED_NO_CLASS)
		return leaf;
	if (spec->group_of_port != NULL && m->port < DP_MAX_PORTS)
		group = (uint16_t)(group + spec->group_of_port[m->port]);
	return spec->groups[group].leaf[marks->trust != 0 ? traffic_class(marks, m) : marks->tc];
}
