/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the tests of rewriting share: the frame that was ('p'), the one that should come out
 * ('want'), the one that is changed ('m', with 'h'), and how they are compared.  Each program has
 * its own.
 */
#ifndef TESTS_UNIT_DATAPLANE_REWRITE_CASE_H
#define TESTS_UNIT_DATAPLANE_REWRITE_CASE_H

#include "dataplane/rewrite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "tests/support/mbufs.h"
#include "tests/support/oracle.h"
#include "tests/support/packet.h"
#include "tests/support/packet_gen.h"

#define MAC_A "02:00:00:00:00:0a"
#define MAC_B "02:00:00:00:00:0b"

static const uint8_t ones[16] = {[0 ... 15] = 0xff};

static struct rte_mempool *pool;
static struct pkt p, want;
static struct rte_mbuf *m;
static struct dp_headers h;
static uint8_t out[PKT_MAX];
static uint64_t seed = 1;

static inline int start_pool(void **state)
{
	pool = mbufs_pool("rewrite", 511, 2048);
	return 0;
}

static inline int stop_pool(void **state)
{
	unsigned in_use = rte_mempool_in_use_count(pool);

	rte_mempool_free(pool);
	return in_use == 0 ? 0 : -1;
}

static inline uint32_t below(uint32_t n)
{
	return (uint32_t)(pkt_rand(&seed) >> 32) % n;
}

static inline void load_as_is(void)
{
	m = mbufs_make(pool, p.bytes, p.size, NULL, 0);
	assert_non_null(m);
	dp_parse_mbuf(m, &h);
}

/* 'p' finished, in 'm', with 'h'. */
static inline void load(void)
{
	pkt_finish(&p, 0);
	load_as_is();
}

static inline void done(void)
{
	rte_pktmbuf_free(m);
	m = NULL;
}

/* 'h' is what a slow and fresh look at the frame says, and the chain is sound. */
static inline void expect_true_headers(void)
{
	struct dp_headers fresh;
	uint32_t size = mbufs_read(m, out, sizeof(out));
	char text[512];

	assert_int_equal(size, m->pkt_len);
	assert_int_equal(rte_mbuf_check(m, 1, &(const char *){NULL}), 0);
	oracle_parse(out, m->data_len, m->pkt_len, &fresh);
	if (oracle_differs(&h, &fresh, text, sizeof(text)) != 0)
		fail_msg("h|oracle: %s", text);
}

static inline void expect_bytes(const uint8_t *bytes, uint32_t size)
{
	expect_true_headers();
	assert_int_equal(m->pkt_len, size);
	for (uint32_t i = 0; i < size; i++)
		if (out[i] != bytes[i])
			fail_msg("byte %u is %02x, not %02x", i, out[i], bytes[i]);
}

/* The frame is 'want' now. */
static inline void expect_want(void)
{
	expect_bytes(want.bytes, want.size);
	done();
}

/* It was refused with 'want_rc', and is as it was. */
static inline void expect_refused(int rc, int want_rc)
{
	assert_int_equal(rc, want_rc);
	expect_bytes(p.bytes, p.size);
}

static inline int set(enum dp_field field, const void *value)
{
	return dp_rw_set_field(m, &h, field, value, ones);
}

static inline int set16(enum dp_field field, uint16_t value)
{
	uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};

	return set(field, bytes);
}

/* Frames. */

static inline void eth(struct pkt *k)
{
	pkt_init(k);
	pkt_eth(k, MAC_B, MAC_A);
}

static inline void plain_tcp(struct pkt *k)
{
	eth(k);
	pkt_ipv4(k, "10.1.2.3", "192.168.255.254");
	pkt_tcp(k, 1000, 80, PKT_ACK);
	pkt_fill(k, 100, 1);
}

/* 'n' bytes at 'at' in 'want', which is 'p' with these bytes more. */
static inline void splice(uint32_t at, const uint8_t *bytes, uint32_t n)
{
	memcpy(want.bytes, p.bytes, at);
	memcpy(want.bytes + at, bytes, n);
	memcpy(want.bytes + at + n, p.bytes + at, p.size - at);
	want.size = p.size + n;
}

/* A random frame of those that pkt_random() makes, malformed now and then. */
static inline void random_frame(bool mutate)
{
	do {
		pkt_random(&p, &seed);
		for (unsigned n = mutate ? below(4) : 0; n > 0; n--)
			pkt_mutate(&p, &seed);
	} while (p.size < 14);
}

#endif
