/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes the connection tracker with a conversation of any frames, in a table of a few entries.
 *
 * Input: frames, each after three bytes: what to do with it (COMMIT ...), and its size.  After each
 * the books must balance, and a frame that was sound must be sound when it was translated.
 */
#include "dataplane/ct.h"

#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/key.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/mbufs.h"

#define COMMIT	0x01
#define FORCE	0x02
#define SNAT	0x04
#define DNAT	0x08
#define LATER	0x10 /* some time passes before */
#define OTHER	0x20 /* another tenant's */
#define FTP	0x40 /* what its connection announces is expected */
#define TFTP	0x80
#define ENTRIES 24
#define MAX	2048

static struct rte_mempool *pool;

static struct dp_ct_nat nat_of(uint8_t what)
{
	return (struct dp_ct_nat){.flags = (uint8_t)(DP_CT_NAT_ADDRESS | DP_CT_NAT_PORTS |
						     ((what & SNAT) != 0 ? DP_CT_NAT_SRC : 0)),
				  .port_min = 5000,
				  .port_max = 5003,
				  .ip_min = {10, 9, 9, 1},
				  .ip_max = {10, 9, 9, 2}};
}

static void check(const struct dp_ct *ct_, struct dp_ct *ct, const struct dp_ct_mark *mark)
{
	struct dp_ct_stats s;

	dp_ct_stats(ct, &s);
	if (s.n_entries != dp_ct_domain_count(ct_, 1) + dp_ct_domain_count(ct_, 2) ||
	    s.n_entries > ENTRIES)
		abort();
	if ((mark->state & DP_CT_TRACKED) == 0 ||
	    (mark->state & (DP_CT_NEW | DP_CT_EST)) == (DP_CT_NEW | DP_CT_EST) ||
	    ((mark->state & DP_CT_INV) != 0 && mark->conn != 0))
		abort();
}

static void translate(struct dp_ct *ct, const uint8_t *frame, uint32_t size,
		      struct dp_ct_mark *mark)
{
	struct rte_mbuf *m = mbufs_make(pool, frame, size, NULL, 0);
	struct dp_headers before, after;

	if (m == NULL)
		abort();
	dp_parse_mbuf(m, &before);
	after = before;
	if (m->nb_segs == 1 && dp_ct_translate(ct, m, &after, mark) == 0) {
		dp_parse_mbuf(m, &after);
		if (after.bad != before.bad || after.l4 != before.l4)
			abort();
	}
	rte_pktmbuf_free(m);
}

/* What a connection that is listened to announces. */
static void hear(struct dp_ct *ct, struct dp_ct_local *local, uint8_t what, const uint8_t *frame,
		 uint32_t size, const struct dp_ct_packet *p, const struct dp_ct_mark *mark,
		 uint32_t now)
{
	struct rte_mbuf *m = mbufs_make(pool, frame, size, NULL, 0);
	struct dp_ct_text text = {0};

	if (m == NULL)
		abort();
	if ((what & (FTP | TFTP)) != 0)
		dp_ct_set_alg(ct, mark, (what & FTP) != 0 ? DP_CT_ALG_FTP : DP_CT_ALG_TFTP);
	if (dp_ct_has_alg(ct, mark))
		dp_ct_listen(ct, local, m, p, mark, now,
			     dp_ct_is_translated(ct, mark) ? &text : NULL);
	if (m->nb_segs == 1 && (text.there || dp_ct_is_moved(ct, mark))) {
		struct dp_headers h;

		dp_parse_mbuf(m, &h);
		/* The frame is as its headers say, whatever was put into it. */
		if (dp_ct_retell(ct, m, &h, mark, &text) == 0 && dp_parse_mbuf(m, &h) != 0 &&
		    text.there)
			abort();
	}
	rte_pktmbuf_free(m);
	check(ct, ct, mark);
}

/* Once more, as a lane of one, which leaves alone what it does not settle. */
static void settle(struct dp_ct *ct, struct dp_ct_local *local, uint16_t domain,
		   const uint8_t *frame, uint32_t size, uint32_t now)
{
	struct rte_mbuf *m = mbufs_make(pool, frame, size, NULL, 0);
	uint64_t key[1][4];
	struct dp_ct_lane lane = {.domain = domain,
				  .now = now,
				  .which = 1,
				  .settled = true,
				  .key = (const uint64_t(*)[4])key,
				  .pkts = &m};

	if (m == NULL)
		abort();
	if (m->nb_segs == 1 &&
	    dp_key_plain(rte_pktmbuf_mtod(m, const uint8_t *), m->pkt_len, 0, key[0])) {
		dp_ct_track_lane(ct, local, &lane);
		if (lane.which != 0 &&
		    ((lane.state[0] & ~(DP_CT_REPLY | DP_CT_REL)) != (DP_CT_TRACKED | DP_CT_EST) ||
		     lane.conn[0] == 0))
			abort();
	}
	rte_pktmbuf_free(m);
}

static void see(struct dp_ct *ct, struct dp_ct_local *local, uint8_t what, const uint8_t *frame,
		uint32_t size, uint32_t now)
{
	const struct dp_ct_nat nat = nat_of(what);
	const struct dp_ct_commit commit = {.force = (what & FORCE) != 0,
					    .follow = (what & TFTP) != 0,
					    .nat = (what & (SNAT | DNAT)) != 0 ? &nat : NULL,
					    .mark = what,
					    .mark_mask = 0xff};
	uint16_t domain = (what & OTHER) != 0 ? 2 : 1;
	struct dp_ct_mark mark = {0};
	struct dp_ct_packet p;
	struct dp_headers h;

	dp_parse(frame, size, &h);
	dp_ct_packet(frame, size, &h, &p);
	dp_ct_peek(ct, domain, 0, &p, &mark);
	check(ct, ct, &mark);
	mark = (struct dp_ct_mark){0};
	dp_ct_track(ct, local, domain, 0, &p, now, &mark);
	check(ct, ct, &mark);
	if ((what & COMMIT) != 0)
		dp_ct_commit(ct, local, domain, &p, &commit, now, &mark);
	check(ct, ct, &mark);
	hear(ct, local, what, frame, size, &p, &mark, now);
	settle(ct, local, domain, frame, size, now);
	if (mark.conn != 0 && dp_ct_is_translated(ct, &mark))
		translate(ct, frame, size, &mark);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dp_ct_local local;
	struct dp_ct *ct;
	uint32_t now = 1;

	if (pool == NULL)
		pool = mbufs_pool("ct", 16, MAX);
	if (dp_ct_create(ENTRIES, NULL, &ct) != 0)
		abort();
	dp_ct_local_init(ct, &local);
	while (size >= 3) {
		uint32_t n = (uint32_t)data[1] << 8 | data[2];
		uint8_t what = data[0], *exact;

		data += 3;
		size -= 3;
		n = n < size ? n : (uint32_t)size;
		n = n < MAX ? n : MAX;
		if ((what & LATER) != 0)
			for (unsigned i = 0; i < 320; i++)
				dp_ct_tick(ct, ++now);
		/* Where it ends is where a sanitizer guards. */
		exact = malloc(n + 1);
		if (exact == NULL)
			abort();
		memcpy(exact, data, n);
		see(ct, &local, what, exact, n, now);
		free(exact);
		data += n;
		size -= n;
	}
	dp_ct_local_fini(ct, &local);
	dp_ct_destroy(ct);
	return 0;
}
