/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes the table of fragments that wait.
 *
 * Input: fragments, each after a byte that says what it is and what happens before.  With RAW two
 * bytes of size and a frame follow; else its packet's id, its offset and its size (of 8 bytes, and
 * one of any).  Each comes back exactly once, dropped or in a packet whose parts lie one behind the
 * other; what waits stays within its bounds.
 */
#include "dataplane/frag.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define RAW    0x80
#define MORE   0x01
#define OTHER  0x02 /* another tenant's */
#define LATER  0x04 /* some time passes before */
#define BUFS   0x08 /* it holds some buffers */
#define TAKE   0x10 /* what is whole is taken */
#define PURGE  0x20
#define V6     0x40
#define LIMIT  90u
#define TENANT 70u
#define TICKS  10u
#define MOST   8192u

static struct {
	uint8_t bufs, domain;
	bool waits;
} tokens[MOST + 1];
static uint32_t n_tokens, n_waiting, n_bufs[3];

static struct rte_mbuf *token(uint32_t i)
{
	return (struct rte_mbuf *)(uintptr_t)i;
}

static void gone(const struct dp_frag_piece *piece)
{
	uint32_t i = (uint32_t)(uintptr_t)piece->m;

	if (i == 0 || i > n_tokens || !tokens[i].waits || tokens[i].bufs != piece->n_bufs ||
	    piece->serial != ~i)
		abort();
	tokens[i].waits = false;
	n_waiting--;
	n_bufs[tokens[i].domain] -= tokens[i].bufs;
}

static void dropped(void *arg, const struct dp_frag_piece *piece, const struct dp_frag_key *key,
		    enum dp_drop reason)
{
	if (key->domain != tokens[(uintptr_t)piece->m].domain || reason >= DP_N_DROPS)
		abort();
	gone(piece);
}

static bool is_odd(void *arg, const struct dp_frag_piece *piece)
{
	return (piece->carried & 7) == 1;
}

static void take(struct dp_frags *f)
{
	struct dp_frag_packet p;

	while (dp_frags_take(f, false, &p) || dp_frags_take(f, true, &p)) {
		uint32_t at = 0;

		if (p.n == 0 || p.n > DP_FRAG_MOST)
			abort();
		for (uint16_t i = 0; i < p.n; i++) {
			if (p.pieces[i].offset * 8u != at)
				abort();
			at += p.pieces[i].size;
			gone(&p.pieces[i]);
		}
		if (at != p.size || at > 65535)
			abort();
	}
	if (dp_frags_has_whole(f, false) || dp_frags_has_whole(f, true))
		abort();
}

static void add(struct dp_frags *f, struct dp_frag *frag, uint8_t what, uint32_t now)
{
	const struct dp_frag_bounds bounds = {LIMIT, TENANT, TICKS};
	uint32_t i = ++n_tokens;
	struct dp_frag_piece piece = {.m = token(i), .carried = i, .serial = ~i, .n_bufs = 1};
	struct dp_frags_stats stats;

	frag->key.domain = (what & OTHER) != 0 ? 2 : 1;
	if ((what & BUFS) != 0)
		piece.n_bufs = (uint16_t)(1 + i % 17);
	tokens[i].bufs = (uint8_t)piece.n_bufs;
	tokens[i].domain = (uint8_t)frag->key.domain;
	tokens[i].waits = true;
	n_waiting++;
	n_bufs[frag->key.domain] += piece.n_bufs;
	/* A refused one is still the caller's. */
	if (dp_frags_add(f, frag, &piece, &bounds, now) != DP_N_DROPS)
		gone(&piece);
	dp_frags_stats(f, &stats);
	if (stats.pieces != n_waiting || n_bufs[1] > TENANT || n_bufs[2] > TENANT ||
	    n_bufs[1] + n_bufs[2] > LIMIT || stats.packets > DP_FRAG_PACKETS)
		abort();
}

static bool read_raw(const uint8_t *frame, uint32_t size, struct dp_frag *ret)
{
	struct dp_headers h;
	uint8_t *exact = malloc(size + 1u);
	bool is;

	if (exact == NULL)
		abort();
	/* Where it ends is where a sanitizer guards. */
	memcpy(exact, frame, size);
	dp_parse(exact, size, &h);
	is = dp_frag_read(exact, size, &h, ret);
	if (is && (ret->head > size || (uint32_t)ret->head + ret->size > size))
		abort();
	free(exact);
	return is;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t secret[5] = {1, 2, 3, 4, 5};
	struct dp_frags *f;
	uint32_t now = 1;

	if (dp_frags_create(secret, dropped, NULL, &f) != 0)
		abort();
	n_tokens = n_waiting = n_bufs[1] = n_bufs[2] = 0;
	while (size >= 5 && n_tokens < MOST) {
		struct dp_frag frag = {.more = (data[0] & MORE) != 0};
		uint8_t what = data[0];
		uint32_t n = 5;

		if ((what & LATER) != 0)
			dp_frags_expire(f, now += 4, TICKS);
		if ((what & PURGE) != 0)
			dp_frags_purge(f, is_odd, NULL);
		if ((what & RAW) != 0) {
			n = 3 + ((uint32_t)data[1] << 8 | data[2]);
			n = n < size ? n : (uint32_t)size;
			if (read_raw(data + 3, n - 3, &frag))
				add(f, &frag, what, now);
		} else {
			frag.key.flags = (what & V6) != 0 ? DP_FRAG_V6 : 0;
			frag.key.id = data[1];
			frag.key.flags |= (data[1] & 1) != 0 ? DP_FRAG_OUTER : 0;
			frag.offset = (uint16_t)(data[2] * (data[2] > 250 ? 40u : 1u));
			frag.size = data[3] * 8u + data[4] % 8;
			add(f, &frag, what, now);
		}
		if ((what & TAKE) != 0)
			take(f);
		data += n;
		size -= n;
	}
	dp_frags_expire(f, now + TICKS, TICKS);
	take(f);
	if (!dp_frags_idle(f) || n_waiting != 0)
		abort();
	dp_frags_destroy(f);
	return 0;
}
