/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a packet is to its connection, and what it does to it; see ct.h.  Workers.
 */
#include "dataplane/ct_priv.h"

#include <string.h>

static bool opens(const struct dp_ct *ct, const struct dp_ct_packet *p)
{
	switch ((enum dp_ct_kind)p->kind) {
	case DP_CT_K_TCP:
		return dp_ct_tcp_opens(ct, p);
	case DP_CT_K_UDP:
	case DP_CT_K_ICMP_QUERY:
	case DP_CT_K_OTHER:
		return true;
	case DP_CT_K_INVALID:
	case DP_CT_K_ICMP_REPLY:
	case DP_CT_K_ERROR:
		break;
	}
	return false;
}

/* The main entry of a connection, and whether the packet is an answer. */
static uint32_t main_of(const struct dp_ct *ct, uint32_t i, const struct dp_ct_packet *p,
			bool *ret_reply)
{
	uint32_t state = atomic_load_explicit(&ct->conns[i].state, memory_order_relaxed);

	*ret_reply = p->swapped != ((state & DP_CT_F_SWAPPED) != 0);
	if ((state & DP_CT_F_ALIAS) == 0)
		return i;
	/* The alias is keyed by what answers look like: its "first packet" is one. */
	*ret_reply = !*ret_reply;
	return atomic_load_explicit(&ct->conns[i].other, memory_order_relaxed);
}

static void add_flags(struct dp_ct_conn *c, uint32_t flags)
{
	if ((atomic_load_explicit(&c->state, memory_order_relaxed) & flags) != flags)
		atomic_fetch_or_explicit(&c->state, flags, memory_order_relaxed);
}

/* Not while TCP opens or closes. */
static bool has_idle(enum dp_ct_timeout timeout)
{
	return timeout == DP_CT_T_TCP_EST || timeout >= DP_CT_T_UDP_FIRST;
}

static void renew(struct dp_ct *ct, uint32_t i, enum dp_ct_timeout timeout, uint32_t now)
{
	uint32_t left = atomic_load_explicit(&ct->timeout[timeout], memory_order_relaxed);
	const struct dp_ct_conn *c = &ct->conns[i];

	if (unlikely((atomic_load_explicit(&c->state, memory_order_relaxed) & DP_CT_F_IDLE) != 0) &&
	    has_idle(timeout))
		left = (uint32_t)atomic_load_explicit(&c->label[0], memory_order_relaxed);
	dp_ct_retime(ct, i, now + left);
}

static uint8_t bits(const struct dp_ct_conn *c, bool replied, bool reply)
{
	uint32_t state = atomic_load_explicit(&c->state, memory_order_relaxed);

	return (uint8_t)((replied ? DP_CT_EST : DP_CT_NEW) | (reply ? DP_CT_REPLY : 0) |
			 ((state & DP_CT_F_RELATED) != 0 ? DP_CT_REL : 0));
}

/* Moves a connection on; the bits that the packet gets. */
static uint8_t move_on(struct dp_ct *ct, uint32_t i, const struct dp_ct_packet *p, bool reply,
		       uint32_t now, enum dp_ct_verdict *ret_verdict)
{
	struct dp_ct_conn *c = &ct->conns[i];
	enum dp_ct_timeout timeout;
	bool replied, agreed;

	*ret_verdict = DP_CT_V_OK;
	if (p->kind == DP_CT_K_TCP) {
		*ret_verdict = dp_ct_tcp_move(c, p, reply);
		if (*ret_verdict != DP_CT_V_OK)
			return DP_CT_INV;
	}
	if (reply)
		add_flags(c, DP_CT_F_REPLIED);
	replied = reply ||
		  (atomic_load_explicit(&c->state, memory_order_relaxed) & DP_CT_F_REPLIED) != 0;
	agreed = replied;
	switch ((enum dp_ct_kind)p->kind) {
	case DP_CT_K_TCP:
		timeout = dp_ct_tcp_timeout(c, &agreed);
		break;
	case DP_CT_K_UDP:
		timeout = replied ? DP_CT_T_UDP_BOTH : DP_CT_T_UDP_FIRST;
		break;
	case DP_CT_K_ICMP_QUERY:
	case DP_CT_K_ICMP_REPLY:
		timeout = replied ? DP_CT_T_ICMP_BOTH : DP_CT_T_ICMP_FIRST;
		break;
	case DP_CT_K_OTHER:
	case DP_CT_K_INVALID:
	case DP_CT_K_ERROR:
	default:
		timeout = replied ? DP_CT_T_OTHER_BOTH : DP_CT_T_OTHER_FIRST;
		break;
	}
	if (agreed)
		add_flags(c, DP_CT_F_ASSURED);
	renew(ct, i, timeout, now);
	return bits(c, replied, reply);
}

/* What is noted on a connection goes with its packets. */
static void note(const struct dp_ct *ct, uint32_t i, struct dp_ct_mark *mark)
{
	const struct dp_ct_conn *c = &ct->conns[i];

	mark->conn = i;
	mark->unread = false;
	mark->mark = atomic_load_explicit(&c->mark, memory_order_relaxed);
	mark->label[0] = mark->label[1] = 0;
	if ((atomic_load_explicit(&c->state, memory_order_relaxed) & DP_CT_F_LABEL) == 0)
		return;
	mark->label[0] = atomic_load_explicit(&c->label[0], memory_order_relaxed);
	mark->label[1] = atomic_load_explicit(&c->label[1], memory_order_relaxed);
}

void dp_ct_read(const struct dp_ct *ct, struct dp_ct_mark *mark)
{
	if (!mark->unread)
		return;
	mark->unread = false;
	mark->mark = 0;
	mark->label[0] = mark->label[1] = 0;
	if (mark->conn != 0)
		note(ct, mark->conn, mark);
}

static void invalid(struct dp_ct_local *local, struct dp_ct_mark *mark)
{
	mark->state = DP_CT_TRACKED | DP_CT_INV;
	DP_CT_COUNT(local, INVALID);
}

bool dp_ct_is_translated(const struct dp_ct *ct, const struct dp_ct_mark *mark)
{
	return (atomic_load_explicit(&ct->conns[mark->conn].state, memory_order_relaxed) &
		(DP_CT_F_SRC_NAT | DP_CT_F_DST_NAT)) != 0;
}

/* A translated connection knows its packets as they come: first ones by its main entry, answers by
 * the alias; and what errors quote as that left, by the other one. */
static bool is_misplaced(const struct dp_ct *ct, uint32_t found, uint32_t main, bool reply,
			 bool error)
{
	if (atomic_load_explicit(&ct->conns[main].other, memory_order_relaxed) == 0)
		return false;
	return ((found != main) != reply) != error;
}

static void track_error(struct dp_ct *ct, struct dp_ct_local *local, uint32_t i, bool reply,
			struct dp_ct_mark *mark)
{
	note(ct, i, mark);
	/* It goes against the packet that it quotes. */
	mark->state = (uint8_t)(DP_CT_TRACKED | DP_CT_REL | (reply ? 0 : DP_CT_REPLY));
	DP_CT_COUNT(local, RELATED);
}

/* A first packet, which somebody may have announced. */
static void first(const struct dp_ct *ct, const struct dp_ct_packet *p, struct dp_ct_mark *mark)
{
	uint32_t by = dp_ct_expected(ct, p);

	mark->state = DP_CT_TRACKED | DP_CT_NEW;
	if (likely(by == 0))
		return;
	mark->state |= DP_CT_REL;
	note(ct, by, mark);
}

/* Windows are kept in each sender's own numbers. */
static inline void moved(const struct dp_ct *ct, uint32_t i, bool reply, struct dp_ct_packet *p)
{
	if (unlikely((atomic_load_explicit(&ct->conns[i].state, memory_order_relaxed) &
		      DP_CT_F_MOVED) != 0))
		p->tcp_ack = dp_ct_moved_ack(ct, i, reply, p->tcp_ack);
}

void dp_ct_track(struct dp_ct *ct, struct dp_ct_local *local, uint16_t domain, uint16_t zone,
		 struct dp_ct_packet *p, uint32_t now, struct dp_ct_mark *mark)
{
	enum dp_ct_verdict verdict = DP_CT_V_OK;
	uint32_t i, found;
	bool reply;

	if ((mark->state & DP_CT_TRACKED) != 0 && mark->zone == zone)
		return;
	*mark = (struct dp_ct_mark){.zone = zone};
	if (p->kind == DP_CT_K_INVALID) {
		invalid(local, mark);
		return;
	}
	dp_ct_key_place(p->key, domain, zone);
	i = dp_ct_find(ct, p->key, dp_ct_hash(ct, p->key));
	if (i != 0) {
		found = i;
		i = main_of(ct, found, p, &reply);
		if (is_misplaced(ct, found, i, reply, p->kind == DP_CT_K_ERROR)) {
			invalid(local, mark);
			return;
		}
		if (p->kind == DP_CT_K_ERROR) {
			track_error(ct, local, i, reply, mark);
			return;
		}
		moved(ct, i, reply, p);
		mark->state = DP_CT_TRACKED | move_on(ct, i, p, reply, now, &verdict);
		if (verdict == DP_CT_V_OK) {
			note(ct, i, mark);
			return;
		}
		if (verdict == DP_CT_V_REOPEN)
			dp_ct_kill(ct, local, i, DP_CT_C_REUSED);
		else if (verdict == DP_CT_V_WINDOW)
			DP_CT_COUNT(local, WINDOW);
	}
	if ((i == 0 || verdict == DP_CT_V_REOPEN) && opens(ct, p))
		first(ct, p, mark);
	else
		invalid(local, mark);
}

/* What move_on() would say. */
static uint8_t would_be(const struct dp_ct_conn *c, const struct dp_ct_packet *p, bool reply,
			enum dp_ct_verdict *ret_verdict)
{
	bool replied = reply || (atomic_load_explicit(&c->state, memory_order_relaxed) &
				 DP_CT_F_REPLIED) != 0;
	struct dp_ct_conn copy;

	*ret_verdict = DP_CT_V_OK;
	if (p->kind == DP_CT_K_TCP) {
		memcpy((void *)&copy, (const void *)c, sizeof(copy));
		*ret_verdict = dp_ct_tcp_move(&copy, p, reply);
	}
	return bits(c, replied, reply);
}

void dp_ct_peek(const struct dp_ct *ct, uint16_t domain, uint16_t zone, struct dp_ct_packet *p,
		struct dp_ct_mark *mark)
{
	enum dp_ct_verdict verdict = DP_CT_V_REOPEN;
	uint32_t i = 0;
	bool reply;

	if ((mark->state & DP_CT_TRACKED) != 0 && mark->zone == zone)
		return;
	*mark = (struct dp_ct_mark){.zone = zone, .state = DP_CT_TRACKED};
	dp_ct_key_place(p->key, domain, zone);
	if (p->kind != DP_CT_K_INVALID)
		i = dp_ct_find(ct, p->key, dp_ct_hash(ct, p->key));
	if (i != 0) {
		uint32_t found = i;

		i = main_of(ct, found, p, &reply);
		if (is_misplaced(ct, found, i, reply, p->kind == DP_CT_K_ERROR)) {
			mark->state |= DP_CT_INV;
			return;
		}
		note(ct, i, mark);
		if (p->kind == DP_CT_K_ERROR) {
			mark->state |= (uint8_t)(DP_CT_REL | (reply ? 0 : DP_CT_REPLY));
			return;
		}
		moved(ct, i, reply, p);
		mark->state |= would_be(&ct->conns[i], p, reply, &verdict);
		if (verdict == DP_CT_V_OK)
			return;
	}
	*mark = (struct dp_ct_mark){.zone = zone, .state = DP_CT_TRACKED | DP_CT_INV};
	if (verdict == DP_CT_V_REOPEN && opens(ct, p))
		first(ct, p, mark);
}

/* ---- Commit ---- */

static enum dp_ct_timeout first_timeout(const struct dp_ct_packet *p)
{
	switch ((enum dp_ct_kind)p->kind) {
	case DP_CT_K_TCP:
		return DP_CT_T_TCP_OPENING;
	case DP_CT_K_UDP:
		return DP_CT_T_UDP_FIRST;
	case DP_CT_K_ICMP_QUERY:
		return DP_CT_T_ICMP_FIRST;
	case DP_CT_K_INVALID:
	case DP_CT_K_ICMP_REPLY:
	case DP_CT_K_OTHER:
	case DP_CT_K_ERROR:
		break;
	}
	return DP_CT_T_OTHER_FIRST;
}

/* 'by': who announced it, or 0; what is noted there is noted on it. */
static void fill(struct dp_ct *ct, uint32_t i, const struct dp_ct_packet *p, uint32_t zone,
		 uint32_t now, uint32_t by)
{
	struct dp_ct_mark from = {0};
	uint32_t flags = p->swapped ? DP_CT_F_SWAPPED : 0;
	struct dp_ct_conn *c = &ct->conns[i];
	uint32_t expires =
		now + atomic_load_explicit(&ct->timeout[first_timeout(p)], memory_order_relaxed);

	if (by != 0) {
		note(ct, by, &from);
		flags |= DP_CT_F_RELATED |
			 ((from.label[0] | from.label[1]) != 0 ? DP_CT_F_LABEL : 0);
	}
	for (unsigned k = 0; k < DP_CT_KEY_WORDS; k++)
		c->key[k] = p->key[k];
	c->zone = zone;
	atomic_store_explicit(&c->expires, expires, memory_order_relaxed);
	atomic_store_explicit(&c->mark, from.mark, memory_order_relaxed);
	atomic_store_explicit(&c->other, 0, memory_order_relaxed);
	atomic_store_explicit(&c->expects, 0, memory_order_relaxed);
	atomic_store_explicit(&c->label[0], from.label[0], memory_order_relaxed);
	atomic_store_explicit(&c->label[1], from.label[1], memory_order_relaxed);
	if (p->kind == DP_CT_K_TCP)
		dp_ct_tcp_begin(c, p);
	/* Life last: who finds it sees all of it. */
	atomic_store_explicit(&c->state, DP_CT_TENTATIVE | flags, memory_order_release);
	atomic_store_explicit(&ct->due[i], expires | 1, memory_order_relaxed);
}

void dp_ct_fill_alias(struct dp_ct *ct, uint32_t i, const struct dp_ct_packet *p, uint32_t main)
{
	struct dp_ct_conn *c = &ct->conns[i];

	for (unsigned k = 0; k < DP_CT_KEY_WORDS; k++)
		c->key[k] = p->key[k];
	atomic_store_explicit(&c->other, main, memory_order_relaxed);
	for (unsigned k = 0; k < 2; k++) {
		atomic_store_explicit(&c->dir[k].seq, 0, memory_order_relaxed);
		atomic_store_explicit(&c->dir[k].ctl, 0, memory_order_relaxed);
	}
	/* Time is the main entry's. */
	atomic_store_explicit(&ct->due[i], 0, memory_order_relaxed);
	atomic_store_explicit(&c->state,
			      DP_CT_TENTATIVE | DP_CT_F_ALIAS | (p->swapped ? DP_CT_F_SWAPPED : 0),
			      memory_order_release);
}

/* A new entry for the packet, which 'by' expected (0: nobody), or its twin's.  0; in 'ret' 0 when a
 * limit forbids it; -ENOSPC or -EINVAL when it cannot be translated. */
static int make(struct dp_ct *ct, struct dp_ct_local *local, const struct dp_ct_packet *p,
		const struct dp_ct_nat *nat, uint32_t now, uint32_t by, uint32_t *ret)
{
	uint32_t zone, i, twin, alias;
	int rc = 0;

	*ret = 0;
	if (!dp_ct_admit(ct, local, p->key, &zone))
		return 0;
	i = dp_ct_entry_get(ct, local);
	if (i == 0 && dp_ct_evict(ct, local, DP_CT_NO_ZONE, DP_NO_DOMAIN))
		i = dp_ct_entry_get(ct, local);
	if (i == 0) {
		struct dp_ct_conn none = {.zone = zone};

		none.key[0] = p->key[0];
		none.key[2] = p->key[2];
		dp_ct_discharge(ct, &none);
		DP_CT_COUNT(local, REFUSED_FULL);
		return 0;
	}
	fill(ct, i, p, zone, now, by);
	if (nat != NULL)
		rc = dp_ct_nat_bind(ct, local, i, p, nat);
	if (rc == 0 && dp_ct_insert(ct, i, dp_ct_hash(ct, p->key), &twin)) {
		DP_CT_COUNT(local, CREATED);
		*ret = i;
		return 0;
	}
	if (rc != 0)
		DP_CT_COUNT(local, REFUSED_NAT);
	else if (twin == 0)
		DP_CT_COUNT(local, REFUSED_FULL);
	alias = atomic_load_explicit(&ct->conns[i].other, memory_order_relaxed);
	if (alias != 0)
		dp_ct_withdraw(ct, local, alias);
	dp_ct_discharge(ct, &ct->conns[i]);
	dp_ct_entry_retire(ct, local, i);
	*ret = rc == 0 ? twin : 0;
	return rc;
}

static void set_word(_Atomic uint64_t *word, uint64_t value, uint64_t mask)
{
	uint64_t was = atomic_load_explicit(word, memory_order_relaxed);

	if (((was ^ value) & mask) != 0)
		atomic_store_explicit(word, (was & ~mask) | (value & mask), memory_order_relaxed);
}

static void set_notes(struct dp_ct_conn *c, const struct dp_ct_commit *commit)
{
	uint32_t was = atomic_load_explicit(&c->mark, memory_order_relaxed);

	if (((was ^ commit->mark) & commit->mark_mask) != 0)
		atomic_store_explicit(&c->mark,
				      (was & ~commit->mark_mask) |
					      (commit->mark & commit->mark_mask),
				      memory_order_relaxed);
	if ((commit->label_mask[0] | commit->label_mask[1]) == 0)
		return;
	add_flags(c, DP_CT_F_LABEL);
	set_word(&c->label[0], commit->label[0], commit->label_mask[0]);
	set_word(&c->label[1], commit->label[1], commit->label_mask[1]);
}

/* A time of its own, in ticks, where others have a label. */
static void set_idle(struct dp_ct *ct, uint32_t i, const struct dp_ct_packet *p, uint32_t idle_s,
		     uint32_t now)
{
	const uint32_t ticks = idle_s < UINT32_MAX / 4 / (1000 / DP_CT_TICK_MS)
				       ? idle_s * (1000 / DP_CT_TICK_MS)
				       : UINT32_MAX / 4;

	atomic_store_explicit(&ct->conns[i].label[0], ticks, memory_order_relaxed);
	add_flags(&ct->conns[i], DP_CT_F_IDLE);
	if (has_idle(first_timeout(p)))
		dp_ct_retime(ct, i, now + ticks);
}

/* What was expected is there: another would have to be announced. */
static void came(struct dp_ct *ct, struct dp_ct_local *local, uint32_t by)
{
	if (dp_ct_life(&ct->conns[by]) != DP_CT_LIVE)
		return; /* Another worker saw it too. */
	dp_ct_withdraw(ct, local, by);
	DP_CT_COUNT(local, CAME);
}

int dp_ct_commit(struct dp_ct *ct, struct dp_ct_local *local, uint16_t domain,
		 struct dp_ct_packet *p, const struct dp_ct_commit *commit, uint32_t now,
		 struct dp_ct_mark *mark)
{
	const struct dp_ct_nat *nat = commit->nat;
	uint32_t i = mark->conn, by = 0;
	struct dp_ct_nat follow;
	int rc;

	if ((mark->state & DP_CT_TRACKED) == 0 || (mark->state & DP_CT_INV) != 0)
		return 0;
	if (i != 0 && dp_ct_expects(ct, i)) {
		by = i;
		i = 0;
		if (nat == NULL && commit->follow && dp_ct_follow(ct, by, &follow))
			nat = &follow;
	}
	if (i != 0 && commit->force && (mark->state & DP_CT_REPLY) != 0 && !dp_ct_is_error(mark) &&
	    opens(ct, p)) {
		dp_ct_kill(ct, local, i, DP_CT_C_REUSED);
		i = 0;
		mark->state = DP_CT_TRACKED | DP_CT_NEW;
	}
	if (i == 0) {
		if ((mark->state & DP_CT_NEW) == 0)
			return 0;
		dp_ct_key_place(p->key, domain, mark->zone);
		rc = make(ct, local, p, nat, now, by, &i);
		if (i == 0)
			return rc;
		if (by != 0)
			came(ct, local, by);
		if (commit->idle_s != 0)
			set_idle(ct, i, p, commit->idle_s, now);
	}
	set_notes(&ct->conns[i], commit);
	note(ct, i, mark);
	return 0;
}
