/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See exec_priv.h: steps that change bytes (rewrite.h).  Workers.
 */
#include "dataplane/exec_priv.h"
#include "dataplane/key_priv.h"
#include "dataplane/rewrite.h"

#include <errno.h>
#include <string.h>

#include <rte_mbuf.h>

static uint32_t data32(const struct dp_step *s)
{
	uint32_t v;

	memcpy(&v, s->data, sizeof(v));
	return v;
}

static int set_field(struct dp_walk *k, const struct dp_step *s)
{
	enum dp_field field = (enum dp_field)s->arg;
	size_t size = (dp_fields[field].bits + 7u) / 8;

	return dp_rw_set_field(k->f.m, &k->h, field, s->data, s->data + size);
}

/* The values of a new entry (1.3.5, 5.12.1): those of the entry that it covers, or the TTL of IP;
 * the first one is the bottom of the stack. */
static uint32_t new_entry(const struct rte_mbuf *m, const struct dp_headers *h)
{
	if (dp_has_mpls(h, m->data_len))
		return dp_load_be32(rte_pktmbuf_mtod_offset(m, const uint8_t *, h->l2_size)) &
		       ~DP_MPLS_BOS;
	return DP_MPLS_BOS | (h->ip_version != 0 ? h->ip_ttl : 0);
}

/* Service id from the I-TAG that it covers, priority from the outermost tag. */
static uint32_t new_itag(const struct rte_mbuf *m, const struct dp_headers *h)
{
	uint32_t itag = 0;

	if (dp_has_pbb(h, m->data_len))
		itag = dp_load_be32(rte_pktmbuf_mtod_offset(m, const uint8_t *, h->l2_size)) &
		       0xffffff;
	return h->n_tags != 0 ? itag | (uint32_t)(h->tci[0] >> 13) << 29 : itag;
}

/* One change of bytes.  What does not apply to this frame leaves it as it is. */
static int change(struct dp_walk *k, const struct dp_step *s)
{
	struct rte_mbuf *m = k->f.m;
	struct dp_headers *h = &k->h;

	switch ((enum dp_step_op)s->op) {
	case DP_STEP_PUSH_VLAN:
		return dp_rw_push_vlan(m, h, (uint16_t)(s->arg >> 16), (uint16_t)s->arg);
	case DP_STEP_POP_VLAN:
		return dp_rw_pop_vlan(m, h);
	case DP_STEP_SET_VLAN:
		return dp_rw_set_vlan(m, h, (uint16_t)s->arg, (uint16_t)(s->arg >> 16));
	case DP_STEP_PUSH_MPLS:
		return dp_rw_push_mpls(m, h, (uint16_t)s->arg, new_entry(m, h));
	case DP_STEP_POP_MPLS:
		return dp_rw_pop_mpls(m, h, (uint16_t)s->arg);
	case DP_STEP_SET_MPLS:
		return dp_rw_set_mpls(m, h, s->arg, data32(s));
	case DP_STEP_PUSH_PBB:
		return dp_rw_push_pbb(m, h, new_itag(m, h));
	case DP_STEP_POP_PBB:
		return dp_rw_pop_pbb(m, h);
	case DP_STEP_SET_PBB:
		return dp_rw_set_pbb(m, h, s->arg, data32(s));
	case DP_STEP_SET_MACS:
		dp_rw_set_macs(m, s->data, s->data + 6);
		return 0;
	case DP_STEP_SET_FIELD:
		return set_field(k, s);
	case DP_STEP_SET_NW_TTL:
		return dp_rw_set_nw_ttl(m, h, (uint8_t)s->arg);
	case DP_STEP_DEC_NW_TTL:
		return dp_rw_dec_nw_ttl(m, h);
	case DP_STEP_SET_MPLS_TTL:
		return dp_rw_set_mpls_ttl(m, h, (uint8_t)s->arg);
	case DP_STEP_DEC_MPLS_TTL:
		return dp_rw_dec_mpls_ttl(m, h);
	case DP_STEP_COPY_TTL_OUT:
		return dp_rw_copy_ttl_out(m, h);
	case DP_STEP_COPY_TTL_IN:
		return dp_rw_copy_ttl_in(m, h);
	case DP_STEP_OUTPUT:
	case DP_STEP_TUNNEL:
	case DP_STEP_IN_PORT:
	case DP_STEP_FLOOD:
	case DP_STEP_ALL:
	case DP_STEP_NORMAL:
	case DP_STEP_CONTROLLER:
	case DP_STEP_TABLE:
	case DP_STEP_DROP:
	case DP_STEP_DENY:
	case DP_STEP_CLONE:
	case DP_STEP_METER:
	case DP_STEP_QUEUE:
	case DP_STEP_CT:
	case DP_STEP_CT_CLEAR:
	case DP_STEP_RESUME:
	case DP_N_STEPS:
		break;
	}
	return 0;
}

void dp_walk_change(struct dp_walk *k, const struct dp_step *s, bool last)
{
	uint32_t size;
	int rc;

	if (!dp_walk_writable(k))
		return;
	size = k->f.m->pkt_len;
	rc = change(k, s);
	if (unlikely(k->f.m->pkt_len < DP_FRAME_LEAST && size >= DP_FRAME_LEAST))
		k->shrunk = true;
	if (s->op == DP_STEP_PUSH_VLAN && rc == 0)
		dp_walk_carried_on(k, true, s->arg & 0xfff);
	else if (s->op != DP_STEP_SET_MACS && s->op != DP_STEP_DEC_NW_TTL)
		k->tag_changed = true;
	k->macs_changed = k->changed = true;
	if (rc == -ERANGE) {
		dp_walk_tell_ttl(k, s);
		dp_walk_end(k, DP_DROP_TTL, s->arg);
	} else if (rc == -ENOMEM) {
		dp_walk_drop(k, DP_DROP_NO_MBUF);
	}
}

bool dp_exec_key(const struct rte_mbuf *frame, struct rte_mempool *pool, const uint8_t *steps,
		 uint16_t size, uint16_t in_port, struct dp_key *ret_key)
{
	struct dp_walk k = {.f.m = rte_pktmbuf_copy(frame, pool, 0, UINT32_MAX)};

	if (k.f.m == NULL)
		return false;
	dp_parse_mbuf(k.f.m, &k.h);
	for (uint16_t at = 0; at < size;) {
		const struct dp_step *s = (const struct dp_step *)(steps + at);

		at = (uint16_t)(at + s->size);
		change(&k, s);
	}
	dp_key_extract_head(rte_pktmbuf_mtod(k.f.m, const uint8_t *), k.f.m->data_len,
			    k.f.m->pkt_len, &k.h, in_port, ret_key);
	rte_pktmbuf_free(k.f.m);
	return true;
}
