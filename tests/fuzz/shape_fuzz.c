/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What shapers read and change of a frame: its class, its ECN bits.  Nothing beyond its bytes, and
 * no others than the mark.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/queue.h"
#include "dataplane/scheduler_priv.h"
#include "dataplane/shape_priv.h"
#include "tests/fuzz/fuzz.h"

/* The class and its ECN bits may change, and the two bytes of IPv4's checksum. */
static void check_change(const uint8_t *before, const uint8_t *after, size_t size, bool marked)
{
	unsigned n_changed = 0;

	for (size_t i = 0; i < size; i++)
		n_changed += before[i] != after[i];
	assert(n_changed <= (marked ? 3u : 0u));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct dp_shape_group groups[2] = {{{0, 1, 2, 3, 4, 5, 6, 7}},
							{{8, 9, 10, 11, 12, 13, 14, 15}}};
	static const struct dp_shape_queue queues[2] = {{5, 20, 0}, {70, 21, 0}};
	struct dp_shape_spec spec = {.groups = groups,
				     .n_groups = 2,
				     .queues = queues,
				     .n_queues = 2};
	struct rte_mbuf mbuf = {.nb_segs = 1, .refcnt = 1}, *m = &mbuf;
	uint8_t *bytes;
	uint16_t leaf;

	if (size < 2 || size > 4096)
		return 0;
	spec.trust = data[0] & 3;
	spec.tc = data[0] >> 2 & 7;
	for (unsigned i = 0; i < 64; i++)
		spec.tc_of_dscp[i] = i / 8;
	for (unsigned i = 0; i < 8; i++)
		spec.tc_of_pcp[i] = (uint8_t)i;
	if ((data[0] & 0x20) != 0)
		dp_queue_mark(m, data[1]);
	data += 2;
	size -= 2;
	bytes = malloc(size != 0 ? size : 1);
	if (bytes == NULL)
		return 0;
	memcpy(bytes, data, size);
	mbuf.buf_addr = bytes;
	mbuf.data_len = mbuf.buf_len = (uint16_t)size;
	mbuf.pkt_len = (uint32_t)size;
	leaf = shape_classify(&spec, m, 0);
	assert(leaf < DP_SHAPE_TCS || leaf == 20 || leaf == 21);
	check_change(data, bytes, size, sched_ecn_mark(&m));
	assert(m == &mbuf);
	free(bytes);
	return 0;
}
