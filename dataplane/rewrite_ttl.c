/* SPDX-License-Identifier: BSD-2-Clause
 *
 * TTLs set, decremented and copied between headers; see rewrite.h.  The one place that looks behind
 * an MPLS stack: there the version nibble is all that says which IP it is (RFC 3032 2.2).
 *
 * Source: OpenFlow Switch Specification 1.3.5, 5.12; RFC 3443 for what copying is for.
 */
#include "dataplane/rewrite.h"

#include <errno.h>
#include <stdbool.h>

#include <rte_mbuf.h>

#include "dataplane/key_priv.h"

#define IPV4_SIZE  20u
#define IPV6_SIZE  40u
#define PROTO_IPV4 4
#define PROTO_IPV6 41

/* A header with a TTL: where it starts. */
struct header {
	uint8_t *p;
	enum { IS_MPLS, IS_IPV4, IS_IPV6 } kind;
};

static uint8_t ttl_get(struct header x)
{
	return x.p[x.kind == IS_MPLS ? 3 : x.kind == IS_IPV4 ? 8 : 7];
}

static void ttl_set(struct header x, uint8_t ttl)
{
	uint16_t was, csum;

	if (x.kind != IS_IPV4) {
		x.p[x.kind == IS_MPLS ? 3 : 7] = ttl;
		return;
	}
	was = dp_key_load16(x.p + 8);
	x.p[8] = ttl;
	csum = dp_rw_csum_adjust(dp_key_load16(x.p + 10), was, dp_key_load16(x.p + 8));
	memcpy(x.p + 10, &csum, sizeof(csum));
}

/* An IP header 'off' bytes into the frame. */
static bool find_ip(struct rte_mbuf *m, uint32_t off, struct header *ret)
{
	uint32_t left = off < m->data_len ? m->data_len - off : 0;

	ret->p = rte_pktmbuf_mtod_offset(m, uint8_t *, off);
	if (left >= IPV4_SIZE && ret->p[0] >> 4 == 4 && (ret->p[0] & 15) >= 5)
		ret->kind = IS_IPV4;
	else if (left >= IPV6_SIZE && ret->p[0] >> 4 == 6)
		ret->kind = IS_IPV6;
	else
		return false;
	return true;
}

static bool find_outer(struct rte_mbuf *m, const struct dp_headers *h, struct header *ret)
{
	ret->p = rte_pktmbuf_mtod_offset(m, uint8_t *, h->l2_size);
	if (h->ip_version != 0)
		ret->kind = h->ip_version == 4 ? IS_IPV4 : IS_IPV6;
	else if (dp_has_mpls(h, m->data_len))
		ret->kind = IS_MPLS;
	else
		return false;
	return true;
}

static bool find_inner(struct rte_mbuf *m, const struct dp_headers *h, struct header outer,
		       struct header *ret)
{
	uint32_t off = h->l2_size + DP_MPLS_SIZE;

	if (outer.kind != IS_MPLS)
		return h->bad == DP_BAD_NONE && h->frag != DP_FRAG_LATER &&
		       (h->ip_proto == PROTO_IPV4 || h->ip_proto == PROTO_IPV6) &&
		       find_ip(m, (uint32_t)h->l2_size + h->l3_size, ret) &&
		       (ret->kind == IS_IPV4) == (h->ip_proto == PROTO_IPV4);
	if ((dp_load_be32(outer.p) & DP_MPLS_BOS) != 0)
		return find_ip(m, off, ret);
	*ret = (struct header){outer.p + DP_MPLS_SIZE, IS_MPLS};
	return m->data_len >= off + DP_MPLS_SIZE;
}

int dp_rw_set_nw_ttl(struct rte_mbuf *m, struct dp_headers *h, uint8_t ttl)
{
	struct header ip;

	if (h->ip_version == 0 || !find_outer(m, h, &ip))
		return -EBADMSG;
	ttl_set(ip, ttl);
	h->ip_ttl = ttl;
	return 0;
}

int dp_rw_set_mpls_ttl(struct rte_mbuf *m, const struct dp_headers *h, uint8_t ttl)
{
	return dp_rw_set_mpls(m, h, ttl, 0xff);
}

int dp_rw_dec_mpls_ttl(struct rte_mbuf *m, const struct dp_headers *h)
{
	struct header entry;

	if (!find_outer(m, h, &entry) || entry.kind != IS_MPLS)
		return -EBADMSG;
	if (ttl_get(entry) <= 1)
		return -ERANGE;
	ttl_set(entry, (uint8_t)(ttl_get(entry) - 1));
	return 0;
}

int dp_rw_copy_ttl_out(struct rte_mbuf *m, struct dp_headers *h)
{
	struct header outer, inner;

	if (!find_outer(m, h, &outer) || !find_inner(m, h, outer, &inner))
		return -EBADMSG;
	ttl_set(outer, ttl_get(inner));
	if (outer.kind != IS_MPLS)
		h->ip_ttl = ttl_get(inner);
	return 0;
}

int dp_rw_copy_ttl_in(struct rte_mbuf *m, const struct dp_headers *h)
{
	struct header outer, inner;

	if (!find_outer(m, h, &outer) || !find_inner(m, h, outer, &inner))
		return -EBADMSG;
	ttl_set(inner, ttl_get(outer));
	return 0;
}
