/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Connections for people: lists, and flushes by what they show; see ct.h.  Control thread.
 */
#include "dataplane/ct_priv.h"

#include <string.h>

static uint16_t be16(uint64_t v)
{
	return (uint16_t)((v & 0xff) << 8 | (v >> 8 & 0xff));
}

/* Both ends of a key: of the first, then of the second. */
static void ends(const uint64_t *key, uint8_t addr[2][16], uint16_t port[2])
{
	memset(addr, 0, 32);
	if ((key[0] & DP_CT_KEY_V6) != 0) {
		memcpy(addr[0], &key[2], 16);
		memcpy(addr[1], &key[4], 16);
		port[0] = be16(key[0]);
		port[1] = be16(key[0] >> 16);
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		uint32_t ip = (uint32_t)(key[i] >> 16);

		memcpy(addr[i], &ip, sizeof(ip));
		port[i] = be16(key[i]);
	}
}

/* Sender and receiver of the packets that an entry's direction stands for. */
static void direction(const struct dp_ct_conn *c, uint8_t src[16], uint16_t *sport, uint8_t dst[16],
		      uint16_t *dport)
{
	bool swapped =
		(atomic_load_explicit(&c->state, memory_order_relaxed) & DP_CT_F_SWAPPED) != 0;
	uint8_t addr[2][16];
	uint16_t port[2];

	ends(c->key, addr, port);
	memcpy(src, addr[swapped], 16);
	memcpy(dst, addr[!swapped], 16);
	*sport = port[swapped];
	*dport = port[!swapped];
}

static void describe(const struct dp_ct *ct, const struct dp_ct_conn *c, uint32_t now,
		     struct dp_ct_info *info)
{
	uint32_t state = atomic_load_explicit(&c->state, memory_order_relaxed);
	int32_t left = (int32_t)(atomic_load_explicit(&c->expires, memory_order_relaxed) - now);
	uint32_t other = atomic_load_explicit(&c->other, memory_order_relaxed);

	memset(info, 0, sizeof(*info));
	info->domain = dp_ct_key_tenant(c->key);
	info->policy = (dp_ct_key_domain(c->key) & DP_CT_POLICY) != 0;
	info->zone = dp_ct_key_zone(c->key);
	info->proto = DP_CT_PROTO(c->key);
	info->v6 = (c->key[0] & DP_CT_KEY_V6) != 0;
	info->replied = (state & DP_CT_F_REPLIED) != 0;
	info->assured = (state & DP_CT_F_ASSURED) != 0;
	direction(c, info->src, &info->sport, info->dst, &info->dport);
	if (other != 0)
		direction(&ct->conns[other], info->reply_src, &info->reply_sport, info->reply_dst,
			  &info->reply_dport);
	else
		direction(c, info->reply_dst, &info->reply_dport, info->reply_src,
			  &info->reply_sport);
	info->mark = atomic_load_explicit(&c->mark, memory_order_relaxed);
	if ((state & DP_CT_F_IDLE) == 0)
		info->label[0] = atomic_load_explicit(&c->label[0], memory_order_relaxed);
	info->label[1] = atomic_load_explicit(&c->label[1], memory_order_relaxed);
	info->expires_s = left > 0 ? (uint32_t)left / (1000 / DP_CT_TICK_MS) : 0;
	info->tcp_state = info->proto == 6 ? dp_ct_tcp_state(c) : NULL;
}

static bool is_shown(const struct dp_ct_conn *c)
{
	uint32_t state = atomic_load_explicit(&c->state, memory_order_acquire);

	return (state & DP_CT_LIFE) == DP_CT_LIVE &&
	       (state & (DP_CT_F_ALIAS | DP_CT_F_EXPECT)) == 0;
}

void dp_ct_each(struct dp_ct *ct, uint32_t now,
		bool (*fn)(void *arg, const struct dp_ct_info *info), void *arg)
{
	uint32_t n = atomic_load(&ct->n_fresh);
	struct dp_ct_info info;

	for (uint32_t i = 1; i < n; i++) {
		if (!is_shown(&ct->conns[i]))
			continue;
		describe(ct, &ct->conns[i], now, &info);
		if (!fn(arg, &info))
			return;
	}
}

uint32_t dp_ct_flush(struct dp_ct *ct, uint32_t now,
		     bool (*fn)(void *arg, const struct dp_ct_info *info), void *arg)
{
	uint32_t n = atomic_load(&ct->n_fresh), n_flushed = 0;
	struct dp_ct_info info;

	for (uint32_t i = 1; i < n; i++) {
		if (!is_shown(&ct->conns[i]))
			continue;
		describe(ct, &ct->conns[i], now, &info);
		if (fn(arg, &info))
			n_flushed += dp_ct_kill(ct, &ct->own, i, DP_CT_C_FLUSHED);
	}
	return n_flushed;
}
