/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Marks of frames: DSCP on the way in, the priority of tags on the way out, and what stays.
 */
#include "dataplane/marks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/dp_priv.h"
#include "tests/support/mbufs.h"
#include "tests/support/packet.h"

static struct rte_mempool *pool;
static struct dp dp;
static struct dp_worker *w;
static struct dp_count *count;
static struct dp_marks marks;
static struct dp_vport vp = {.marks = &marks};
static struct pkt p;

static int setup(void **state)
{
	if (pool == NULL)
		pool = mbufs_pool("marks", 63, 2048);
	dp.pools[0] = (struct dp_pool_entry){.pool = pool, .data_room = 2048};
	dp.n_pools = 1;
	w = aligned_alloc(64, sizeof(*w));
	memset(w, 0, sizeof(*w));
	count = calloc(1, sizeof(*count));
	w->dp = &dp;
	w->count = &w->sets[0];
	w->sets[0].ports[0] = count;
	marks = (struct dp_marks){0};
	return 0;
}

static int teardown(void **state)
{
	free(count);
	free(w);
	return 0;
}

static void frame(int pcp, bool v6, uint8_t tos)
{
	uint32_t ip;

	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:02", "02:00:00:00:00:01");
	if (pcp >= 0)
		pkt_vlan(&p, 0x8100, (uint16_t)(pcp << 13 | 10));
	ip = v6 ? pkt_ipv6(&p, "fd00::1", "fd00::2") : pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	if (v6) {
		p.bytes[ip] = (uint8_t)(0x60 | tos >> 4);
		p.bytes[ip + 1] = (uint8_t)(tos << 4 | (p.bytes[ip + 1] & 0xf));
	} else {
		p.bytes[ip + 1] = tos;
	}
	pkt_udp(&p, 1000, 2000);
	pkt_fill(&p, 40, 1);
	pkt_finish(&p, 0);
}

/* The frame goes through; '*m' is what came out of it, to be freed. */
static uint16_t run(bool ingress, struct rte_mbuf **m)
{
	*m = mbufs_make(pool, p.bytes, p.size, NULL, 0);
	return ingress ? dp_marks_ingress(w, &vp, m, 1) : dp_marks_egress(w, &vp, m, 1);
}

/* What came out is what would have been built with these, checksums and all. */
static void becomes(bool ingress, int pcp, bool v6, uint8_t tos)
{
	uint8_t bytes[2048];
	struct rte_mbuf *m;
	uint32_t size = p.size;

	assert_int_equal(run(ingress, &m), 1);
	mbufs_read(m, bytes, sizeof(bytes));
	assert_int_equal(m->pkt_len, size);
	frame(pcp, v6, tos);
	assert_int_equal(p.size, size);
	assert_memory_equal(bytes, p.bytes, size);
	rte_pktmbuf_free(m);
}

static void dscp_is_set_and_ecn_stays(void **state)
{
	marks = (struct dp_marks){.dscp_by = DP_MARK_VALUE, .dscp = 46};
	for (int v6 = 0; v6 < 2; v6++)
		for (int pcp = -1; pcp < 8; pcp += 4)
			for (unsigned tos = 0; tos < 256; tos += 3) {
				frame(pcp, v6, (uint8_t)tos);
				becomes(true, pcp, v6, (uint8_t)(46 << 2 | (tos & 3)));
			}
}

static void dscp_follows_the_tag(void **state)
{
	marks = (struct dp_marks){.dscp_by = DP_MARK_OTHER};
	for (int v6 = 0; v6 < 2; v6++) {
		for (int pcp = 0; pcp < 8; pcp++) {
			frame(pcp, v6, 0x03);
			becomes(true, pcp, v6, (uint8_t)(pcp << 5 | 3));
		}
		frame(-1, v6, 0x7d);
		becomes(true, -1, v6, 0x7d);
	}
}

static void priority_of_a_tag_is_set(void **state)
{
	marks = (struct dp_marks){.pcp_by = DP_MARK_VALUE, .pcp = 5};
	frame(2, false, 0x45);
	becomes(false, 5, false, 0x45);
	frame(-1, true, 0x45);
	becomes(false, -1, true, 0x45);
	marks = (struct dp_marks){.pcp_by = DP_MARK_OTHER};
	frame(2, true, 0xb8);
	becomes(false, 5, true, 0xb8);
}

static void what_has_no_field_stays_as_it_is(void **state)
{
	struct rte_mbuf *m;
	uint8_t bytes[2048];

	marks = (struct dp_marks){DP_MARK_VALUE, 46, DP_MARK_OTHER, 0};
	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_arp(&p, 1, "10.0.0.1", "10.0.0.2");
	pkt_finish(&p, 0);
	assert_int_equal(run(true, &m), 1);
	assert_int_equal(dp_marks_egress(w, &vp, &m, 1), 1);
	mbufs_read(m, bytes, sizeof(bytes));
	assert_memory_equal(bytes, p.bytes, p.size);
	rte_pktmbuf_free(m);
	/* Cut off anywhere. */
	for (uint32_t size = 14; size < 60; size++) {
		frame(3, false, 0);
		p.size = size;
		assert_int_equal(run(true, &m), 1);
		assert_int_equal(dp_marks_egress(w, &vp, &m, 1), 1);
		assert_int_equal(m->pkt_len, size);
		rte_pktmbuf_free(m);
	}
}

static void shared_bytes_are_copied_or_the_frame_dies_counted(void **state)
{
	struct rte_mbuf *m, *other, *all[64];
	uint8_t bytes[2048];
	unsigned n = 0;

	marks = (struct dp_marks){.dscp_by = DP_MARK_VALUE, .dscp = 1};
	frame(-1, false, 0);
	m = mbufs_make(pool, p.bytes, p.size, NULL, 0);
	other = m;
	rte_mbuf_refcnt_update(m, 1);
	assert_int_equal(dp_marks_ingress(w, &vp, &m, 1), 1);
	assert_ptr_not_equal(m, other);
	mbufs_read(other, bytes, sizeof(bytes));
	assert_memory_equal(bytes, p.bytes, p.size);
	rte_pktmbuf_free(m);
	m = other;
	rte_mbuf_refcnt_update(m, 1);
	while (n < 64 && (all[n] = rte_pktmbuf_alloc(pool)) != NULL)
		n++;
	assert_int_equal(dp_marks_ingress(w, &vp, &m, 1), 0);
	assert_int_equal(count->drops_rx[DP_DROP_NO_MBUF], 1);
	rte_pktmbuf_free_bulk(all, n);
	rte_pktmbuf_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(dscp_is_set_and_ecn_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(dscp_follows_the_tag, setup, teardown),
		cmocka_unit_test_setup_teardown(priority_of_a_tag_is_set, setup, teardown),
		cmocka_unit_test_setup_teardown(what_has_no_field_stays_as_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(shared_bytes_are_copied_or_the_frame_dies_counted,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
