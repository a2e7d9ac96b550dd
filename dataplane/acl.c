/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See acl.h: the stage.  A burst is asked in passes, so that the memory accesses of its frames
 * overlap: keys; connections; places in the cache; answers.  Workers.
 */
#include "dataplane/acl.h"

#include "dataplane/flow_priv.h"
#include "dataplane/frag.h"
#include "dataplane/hash.h"
#include "dataplane/mirror.h"
#include "dataplane/notice.h"
#include "dataplane/region.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <rte_mbuf_dyn.h>

#define ANSWERS	    65536u
#define FIRST_WAYS  4u
#define FIRST_SETS  512u
#define FIRST_TICKS 50u /* for how long a first fragment is remembered */
#define BIT(i)	    (UINT32_C(1) << (i))

/* ---- The cache ---- */

/* What lists said of a plain frame: in one of two places, the first unless another has it. */
struct answer {
	uint64_t key[DP_KEY_SHORT];
	const struct dp_acl_rule *rule; /* NULL: there is no list */
	uint32_t acl;			/* whose; 0: free */
	uint32_t counter;		/* the rule's, so that it need not be looked at */
	bool established, allow, stateful;
} __attribute__((aligned(64)));
static_assert(sizeof(struct answer) == 64, "a cache line");

/* A first fragment, and what became of it. */
struct first {
	struct dp_frag_key key;
	uint16_t port;
	uint8_t side;
	bool passed;
	uint32_t tick; /* plus one; 0: free */
};

struct dp_acl_cache {
	uint64_t secret[DP_KEY_SHORT + 1];
	struct answer answers[ANSWERS];
	struct first firsts[FIRST_SETS][FIRST_WAYS];
};

int dp_acl_cache_create(struct dp_acl_cache **ret_cache)
{
	struct dp_acl_cache *c = dp_region_reserve(sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	dp_region_populate(c, sizeof(*c));
	if (getrandom(c->secret, sizeof(c->secret), 0) != (ssize_t)sizeof(c->secret)) {
		dp_acl_cache_destroy(c);
		return -ENOMEM;
	}
	*ret_cache = c;
	return 0;
}

void dp_acl_cache_destroy(struct dp_acl_cache *cache)
{
	dp_region_free(cache, sizeof(*cache));
}

const struct dp_acl *dp_acl_composed(const struct dp_vport *in)
{
	const struct dp_acl *acl = in->acl[DP_FILTER_INGRESS];

	return acl == NULL || acl->tracks || in->pipeline == NULL ? NULL : acl;
}

/* ---- A burst that is asked ---- */

struct asking {
	struct dp_worker *w;
	const struct dp_vport *vp;
	const struct dp_acl *acl;
	enum dp_filter_side side;
	struct dp_ct *ct; /* NULL: no sessions */
	struct rte_mbuf **pkts;
	uint32_t plain;	      /* bit i: key[i] is its */
	uint32_t established; /* bit i: has ACK or RST, where somebody asks */
	bool began;	      /* a session, with which others behind it may go on */
	uint32_t late;	      /* bit i: a fragment whose first may come behind it */
	bool again;	      /* it is behind all others now */
	uint64_t key[DP_BURST][DP_KEY_SHORT];
	uint32_t hash[DP_BURST];
	uint32_t known;			       /* bit i: answer[i] is what was found */
	uint32_t learned;		       /* bit i: it is made[i], for the cache */
	const struct answer *answer[DP_BURST]; /* good until the burst is through */
	struct answer made[DP_BURST];
	uint32_t counter[DP_BURST]; /* where it counts, if it is of a session */
	struct dp_ct_lane lane;	    /* of plain frames: conn, state */
	/* What the last frames have counted, which mostly count in one place. */
	uint32_t tally_counter;
	uint32_t tally_packets;
	uint64_t tally_bytes;
};

/* A frame that is not plain, or that is looked at for a trace. */
struct one {
	struct dp_headers h;
	struct dp_key key;
	struct dp_ct_packet packet;
};

/* What is known of a frame's session. */
struct session {
	uint32_t conn; /* 0: none */
	uint8_t state;
	bool may_begin;
};

static inline uint16_t port_tenant(const struct dp_vport *vp)
{
	return vp->domain < DP_MAX_DOMAINS ? vp->domain : 0;
}

/* Of a frame: an uplink that tenants share has their tags on its frames. */
static uint16_t tenant_of(const struct dp_vport *vp, const struct rte_mbuf *m)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t domain = DP_NO_DOMAIN;

	if (likely(vp->wire == NULL))
		return port_tenant(vp);
	if (m->data_len >= 18 && dp_edge_is_tpid(dp_edge_eth_type_le(m)))
		domain = vp->wire->domain_of_vlan[dp_edge_load_be16(d + 14) & 0xfff];
	return domain != DP_NO_DOMAIN ? domain : port_tenant(vp);
}

static struct session session_of(uint32_t conn, uint8_t state)
{
	/* Nobody announces connections here: who has one is of it. */
	return (struct session){.conn = conn,
				.state = state,
				.may_begin = conn == 0 && (state & DP_CT_NEW) != 0};
}

static void flush_tally(struct asking *a)
{
	if (a->tally_packets != 0)
		dp_flow_credit(a->w->flow, &a->tally_counter, 1, a->tally_packets, a->tally_bytes);
	a->tally_packets = 0;
	a->tally_bytes = 0;
}

static inline void count(struct asking *a, uint32_t counter, const struct rte_mbuf *m)
{
	if (counter != a->tally_counter)
		flush_tally(a);
	a->tally_counter = counter;
	a->tally_packets++;
	a->tally_bytes += m->pkt_len;
}

/* Where a session's packets count: at the entry that made it. */
static inline uint32_t counter_of(const struct asking *a, uint32_t conn)
{
	struct dp_ct_mark mark = {.conn = conn, .unread = true};

	dp_ct_read(a->ct, &mark);
	return (mark.mark & ~DP_ACL_MADE_OUT) - 1;
}

static void count_session(struct asking *a, uint32_t conn, const struct rte_mbuf *m)
{
	uint32_t counter = counter_of(a, conn);

	/* One that is ending may be another's already. */
	if (counter != UINT32_MAX)
		count(a, counter, m);
}

static void commit(struct asking *a, const struct dp_acl_rule *rule, uint16_t domain,
		   struct dp_ct_packet *packet, uint8_t state)
{
	struct dp_ct_mark mark = {.zone = a->vp->id, .state = state};
	const struct dp_ct_commit what = {.mark = (rule->counter + 1) |
						  (a->side == DP_FILTER_EGRESS ? DP_ACL_MADE_OUT
									       : 0),
					  .mark_mask = UINT32_MAX,
					  .idle_s = rule->idle_s};

	(void)dp_ct_commit(a->ct, &a->w->flow->ct, domain, packet, &what, a->w->flow->tick, &mark);
	a->began = true;
}

bool dp_acl_is_told(const struct dp_acl_rule *rule)
{
	struct dp_acl_rule *r = (struct dp_acl_rule *)(uintptr_t)rule;

	return rule->log != 0 &&
	       atomic_fetch_add_explicit(&r->n_denied, 1, memory_order_relaxed) % rule->log == 0;
}

static void deny(const struct asking *a, const struct dp_acl_rule *rule, struct rte_mbuf *m)
{
	const bool in = a->side == DP_FILTER_INGRESS;
	const enum dp_drop reason = in ? DP_DROP_ACL_IN : DP_DROP_ACL_OUT;

	if (unlikely(rule->log != 0) && a->w->trace == NULL && dp_acl_is_told(rule))
		dp_notice(a->w, a->vp->id, reason, rule->id, m);
	if (in)
		dp_drop(a->w, a->vp->id, m, reason);
	else
		dp_drop_tx(a->w, a->vp->id, m, reason);
}

/* What the lists say, counted.  True: it may pass. */
static inline bool obey(struct asking *a, const struct dp_acl_rule *rule, const struct rte_mbuf *m)
{
	if (rule == NULL)
		return true;
	count(a, rule->counter, m);
	return rule->allow;
}

/* ---- Frames that are asked alone ---- */

static struct first *first_places(const struct asking *a, const struct dp_frag_key *key)
{
	struct dp_acl_cache *c = a->w->flow->acl;
	uint64_t words[DP_KEY_SHORT + 1];

	static_assert(sizeof(words) == sizeof(*key), "hashed as words");
	memcpy(words, key, sizeof(words));
	words[0] ^= (uint64_t)a->vp->id << 32 | a->side;
	return c->firsts[dp_nh_finish(dp_nh(words, DP_KEY_SHORT + 1, c->secret)) % FIRST_SETS];
}

static bool is_remembered(const struct asking *a, const struct first *f,
			  const struct dp_frag_key *key)
{
	return f->tick != 0 && a->w->flow->tick + 1 - f->tick < FIRST_TICKS &&
	       f->port == a->vp->id && f->side == a->side &&
	       memcmp(&f->key, key, sizeof(*key)) == 0;
}

/* False, too, for a trace, which remembers nothing. */
static bool read_fragment(const struct asking *a, const struct one *o, const struct rte_mbuf *m,
			  struct dp_frag_key *ret)
{
	struct dp_frag frag;

	if (a->w->trace != NULL ||
	    !dp_frag_read(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, &o->h, &frag))
		return false;
	frag.key.domain = tenant_of(a->vp, m);
	*ret = frag.key;
	return true;
}

/* Takes the place of what was said of it before, of one that is forgotten, or of the oldest. */
static void remember_first(const struct asking *a, const struct one *o, const struct rte_mbuf *m,
			   bool passed)
{
	struct first *f, *to = NULL;
	struct dp_frag_key key;

	if (!read_fragment(a, o, m, &key))
		return;
	f = first_places(a, &key);
	for (unsigned k = 0; k < FIRST_WAYS; k++)
		if (to == NULL || is_remembered(a, &f[k], &key) ||
		    (!is_remembered(a, to, &key) && f[k].tick < to->tick))
			to = &f[k];
	*to = (struct first){.key = key,
			     .port = a->vp->id,
			     .side = a->side,
			     .passed = passed,
			     .tick = a->w->flow->tick + 1};
}

/* Did the first of its packet pass?  False, too, when it is not known. */
static bool first_passed(const struct asking *a, const struct one *o, const struct rte_mbuf *m)
{
	struct dp_frag_key key;
	const struct first *f;

	if (!read_fragment(a, o, m, &key))
		return false;
	f = first_places(a, &key);
	for (unsigned k = 0; k < FIRST_WAYS; k++)
		if (is_remembered(a, &f[k], &key))
			return f[k].passed;
	return false;
}

static void describe(const struct one *o, const struct rte_mbuf *m, struct dp_ct_packet *ret)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	/* As much of the packet as there is in its first fragment. */
	if (o->h.frag == DP_FRAG_FIRST && o->h.ip_size > o->h.l3_size)
		dp_ct_packet_first(frame, m->data_len, &o->h, o->h.ip_size - o->h.l3_size, ret);
	else
		dp_ct_packet(frame, m->data_len, &o->h, ret);
}

static struct session track_one(const struct asking *a, struct one *o, const struct rte_mbuf *m,
				uint16_t domain)
{
	struct dp_ct_mark mark = {0};

	describe(o, m, &o->packet);
	if (unlikely(a->w->trace != NULL))
		dp_ct_peek(a->ct, domain, a->vp->id, &o->packet, &mark);
	else
		dp_ct_track(a->ct, &a->w->flow->ct, domain, a->vp->id, &o->packet, a->w->flow->tick,
			    &mark);
	return session_of(mark.conn, mark.state);
}

static bool ask_lists(struct asking *a, struct one *o, const struct rte_mbuf *m,
		      const struct session *s, uint16_t domain)
{
	const struct dp_acl_rule *rule = a->acl->find(a->acl, &o->key, NULL);

	if (unlikely(a->w->trace != NULL))
		dp_trace_asked(a->w->trace, a->vp->id, a->side, a->acl, rule, false);
	if (!obey(a, rule, m)) {
		deny(a, rule, (struct rte_mbuf *)(uintptr_t)m);
		return false;
	}
	if (s->may_begin && rule != NULL && rule->stateful && a->w->trace == NULL)
		commit(a, rule, domain, &o->packet, s->state);
	return true;
}

/* Takes the frame when it may not pass, unless it is 'late'. */
static bool ask_one(struct asking *a, unsigned i)
{
	struct rte_mbuf *m = a->pkts[i];
	const uint16_t domain = (uint16_t)(tenant_of(a->vp, m) | DP_CT_POLICY);
	struct session s = {0};
	struct one o;
	bool passed;

	dp_parse_mbuf(m, &o.h);
	dp_key_extract_head(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, m->pkt_len, &o.h, 0,
			    &o.key);
	if (a->ct != NULL && o.h.frag == DP_FRAG_LATER) {
		if (first_passed(a, &o, m))
			return true;
		if (!a->again) {
			a->late |= BIT(i);
			return false;
		}
	}
	if (a->ct != NULL && o.h.frag != DP_FRAG_LATER)
		s = track_one(a, &o, m, domain);
	if (s.conn != 0) {
		if (a->w->trace != NULL)
			dp_trace_asked(a->w->trace, a->vp->id, a->side, a->acl, NULL, true);
		else
			count_session(a, s.conn, m);
		passed = true;
	} else if (unlikely(a->side == DP_FILTER_EGRESS && dp_probe_was_made(a->w->dp, m))) {
		return true;
	} else {
		if (a->ct != NULL && o.h.frag == DP_FRAG_FIRST)
			remember_first(a, &o, m, false);
		passed = ask_lists(a, &o, m, &s, domain);
	}
	/* A frame that was dropped is not there any more. */
	if (passed && a->ct != NULL && o.h.frag == DP_FRAG_FIRST)
		remember_first(a, &o, m, true);
	return passed;
}

/* ---- Plain frames ---- */

/* The frame is TCP with ACK or RST. */
static inline bool is_established(const uint64_t key[DP_KEY_SHORT], const struct rte_mbuf *m)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);

	return (key[2] >> 16 & 0xff) == 6 &&
	       (d[(dp_edge_load_be16(d + 12) == 0x8100 ? 18 : 14) + 20 + 13] & 0x14) != 0;
}

/* Of ingress it is known now, for who carries the frames on, whether they have the same addresses.
 */
static inline void make_keys(struct asking *a, uint16_t n)
{
	uint64_t differ = 0;

	a->plain = a->established = 0;
	a->key[0][0] = a->key[0][1] = 0;
	for (uint16_t i = 0; i < n; i++) {
		const struct rte_mbuf *m = a->pkts[i];
		const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
		uint32_t size =
			m->nb_segs == 1 || m->data_len >= DP_KEY_PLAIN_HEAD ? m->pkt_len : 0;

		if (unlikely(!dp_key_usual(d, size, 0, a->key[i]) &&
			     !dp_key_plain(d, size, 0, a->key[i])))
			continue;
		a->plain |= BIT(i);
		differ |= (a->key[i][0] ^ a->key[0][0]) | (a->key[i][1] ^ a->key[0][1]);
		if (unlikely(a->acl->asks_flags) && is_established(a->key[i], m))
			a->established |= BIT(i);
	}
	if (a->side == DP_FILTER_INGRESS)
		a->w->alike = differ == 0 && a->plain == UINT32_MAX >> (32 - n);
}

static inline uint64_t sum_of(const uint64_t key[DP_KEY_SHORT], const uint64_t *secret)
{
#ifdef __AVX2__
	return dp_nh4(_mm256_loadu_si256((const __m256i_u *)key), secret);
#else
	return dp_nh(key, DP_KEY_SHORT, secret);
#endif
}

/* A pass of its own, for the keys are read wider than they were written. */
static inline void hash_keys(struct asking *a)
{
	const struct dp_acl_cache *c = a->w->flow->acl;
	const uint64_t of[2] = {
		dp_nh_word(a->acl->id, c->secret[DP_KEY_SHORT]),
		dp_nh_word(a->acl->id | UINT64_C(1) << 32, c->secret[DP_KEY_SHORT]),
	};

	for (uint32_t todo = a->plain; todo != 0; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctz(todo);
		uint64_t hash =
			dp_nh_finish(sum_of(a->key[i], c->secret) + of[a->established >> i & 1]);

		a->hash[i] = (uint32_t)(hash >> 32);
		rte_prefetch0(&c->answers[a->hash[i] % ANSWERS]);
	}
}

/* The other place for an answer. */
static inline uint32_t second_place(uint32_t hash)
{
	return (hash ^ (hash >> 16 | 1) * 0x9e3779b1u >> 13) % ANSWERS;
}

static inline bool is_answer(const struct asking *a, unsigned i, const struct answer *e)
{
#ifdef __AVX2__
	const __m256i differ = _mm256_xor_si256(_mm256_load_si256((const __m256i *)e->key),
						_mm256_loadu_si256((const __m256i_u *)a->key[i]));
	const bool same = _mm256_testz_si256(differ, differ);
#else
	const bool same = ((e->key[0] ^ a->key[i][0]) | (e->key[1] ^ a->key[i][1]) |
			   (e->key[2] ^ a->key[i][2]) | (e->key[3] ^ a->key[i][3])) == 0;
#endif

	return same && e->acl == a->acl->id && e->established == ((a->established >> i & 1) != 0);
}

static inline const struct answer *find_answer(const struct asking *a, unsigned i)
{
	const struct answer *answers = a->w->flow->acl->answers;
	const struct answer *e = &answers[a->hash[i] % ANSWERS];

	if (likely(is_answer(a, i, e)))
		return e;
	e = &answers[second_place(a->hash[i])];
	return is_answer(a, i, e) ? e : NULL;
}

/* Nobody changes the cache before the burst is through. */
static inline void look_up_all(struct asking *a, uint32_t which)
{
	a->known = a->learned = 0;
	for (uint32_t todo = which; todo != 0; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctz(todo);
		const struct answer *e = find_answer(a, i);

		if (unlikely(e == NULL))
			continue;
		a->known |= BIT(i);
		a->answer[i] = e;
		if (likely(e->rule != NULL))
			rte_prefetch0_write(dp_flow_counter_of(a->w->flow, e->counter));
	}
}

/* Asks the lists themselves. */
static __rte_noinline void learn(struct asking *a, unsigned i)
{
	struct answer *to = &a->made[i];
	const struct dp_acl_rule *rule;
	struct dp_key key;

	dp_key_plain_whole(rte_pktmbuf_mtod(a->pkts[i], const uint8_t *), a->key[i], &key);
	rule = a->acl->find(a->acl, &key, NULL);
	memcpy(to->key, a->key[i], sizeof(to->key));
	to->rule = rule;
	to->acl = a->acl->id;
	to->counter = rule != NULL ? rule->counter : 0;
	to->established = (a->established >> i & 1) != 0;
	to->allow = rule == NULL || rule->allow;
	to->stateful = rule != NULL && rule->stateful;
	a->answer[i] = to;
	a->learned |= BIT(i);
}

/* What they said is kept. */
static __rte_noinline void keep_answers(struct asking *a)
{
	struct answer *answers = a->w->flow->acl->answers;

	for (uint32_t todo = a->learned; todo != 0; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctz(todo);
		struct answer *to = &answers[a->hash[i] % ANSWERS];

		if (find_answer(a, i) != NULL)
			continue;
		if (to->acl == a->acl->id)
			to = &answers[second_place(a->hash[i])];
		*to = a->made[i];
	}
}

/* Those of 'which' are tracked; sets lane.conn and .state. */
static void track_plain(struct asking *a, uint32_t which)
{
	a->lane.which = which;
	a->lane.settled = false;
	a->lane.domain = (uint16_t)(port_tenant(a->vp) | DP_CT_POLICY);
	a->lane.zone = a->vp->id;
	a->lane.now = a->w->flow->tick;
	a->lane.key = (const uint64_t(*)[4])a->key;
	a->lane.pkts = a->pkts;
	dp_ct_track_lane(a->ct, &a->w->flow->ct, &a->lane);
}

/* The burst was tracked as a whole; since then one of its frames began a session. */
static struct session track_again(const struct asking *a, unsigned i)
{
	struct dp_ct_mark mark = {0};
	struct dp_ct_packet packet;

	dp_ct_packet_plain(a->key[i], rte_pktmbuf_mtod(a->pkts[i], const uint8_t *), &packet);
	dp_ct_track(a->ct, &a->w->flow->ct, a->lane.domain, a->vp->id, &packet, a->w->flow->tick,
		    &mark);
	return session_of(mark.conn, mark.state);
}

static void begin(struct asking *a, const struct dp_acl_rule *rule, unsigned i, uint8_t state)
{
	struct dp_ct_packet packet;

	dp_ct_packet_plain(a->key[i], rte_pktmbuf_mtod(a->pkts[i], const uint8_t *), &packet);
	commit(a, rule, a->lane.domain, &packet, state);
}

/* Those of sessions; the others are looked up. */
static uint32_t look_at_sessions(struct asking *a)
{
	uint32_t others = 0;

	for (uint32_t todo = a->plain; todo != 0; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctz(todo);

		if (unlikely(a->lane.conn[i] == 0)) {
			others |= BIT(i);
			continue;
		}
		a->counter[i] = counter_of(a, a->lane.conn[i]);
		if (likely(a->counter[i] != UINT32_MAX))
			rte_prefetch0_write(dp_flow_counter_of(a->w->flow, a->counter[i]));
	}
	return others;
}

/* A frame of no session. */
static inline bool ask_list(struct asking *a, unsigned i, const struct session *s)
{
	struct rte_mbuf *m = a->pkts[i];
	const struct answer *e;

	if (unlikely((a->known >> i & 1) == 0))
		learn(a, i);
	e = a->answer[i];
	if (likely(e->rule != NULL))
		count(a, e->counter, m);
	if (unlikely(!e->allow)) {
		deny(a, e->rule, m);
		return false;
	}
	if (s->may_begin && e->stateful)
		begin(a, e->rule, i, s->state);
	return true;
}

static inline bool ask_plain(struct asking *a, unsigned i)
{
	struct session s = {0};

	if (a->ct != NULL) {
		s = session_of(a->lane.conn[i], a->lane.state[i]);
		if (likely(s.conn != 0)) {
			if (likely(a->counter[i] != UINT32_MAX))
				count(a, a->counter[i], a->pkts[i]);
			return true;
		}
		if (unlikely(a->began))
			s = track_again(a, i);
		if (s.conn != 0) {
			count_session(a, s.conn, a->pkts[i]);
			return true;
		}
	}
	return ask_list(a, i, &s);
}

/* Those of 'late' are asked when the others are through: the flow engine gives frames that its
 * cache does not know behind those that it does, a first fragment behind the next one. */
static uint32_t ask_late(struct asking *a)
{
	uint32_t passed = 0;

	a->again = true;
	for (uint32_t todo = a->late; todo != 0; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctz(todo);

		passed |= (uint32_t)ask_one(a, i) << i;
	}
	return passed;
}

/* Moves those of 'which' to the front, in their order. */
static uint16_t keep(struct rte_mbuf **pkts, uint32_t which)
{
	uint16_t n = 0;

	for (; which != 0; which &= which - 1)
		pkts[n++] = pkts[__builtin_ctz(which)];
	return n;
}

/* The usual burst, where nobody tracks sessions: of all is known what the lists say. */
static inline uint32_t obey_known(struct asking *a, uint16_t n)
{
	struct dp_flow *flow = a->w->flow;
	uint32_t passed = 0;

	for (uint16_t i = 0; i < n; i++) {
		const struct answer *e = a->answer[i];

		if (likely(e->rule != NULL))
			dp_flow_credit(flow, &e->counter, 1, 1, a->pkts[i]->pkt_len);
		if (likely(e->allow))
			passed |= BIT(i);
		else
			deny(a, e->rule, a->pkts[i]);
	}
	return passed;
}

static uint32_t obey_each(struct asking *a, uint16_t n)
{
	uint32_t passed = 0;

	for (uint16_t i = 0; i < n; i++)
		passed |= (uint32_t)((a->plain >> i & 1) != 0 ? ask_plain(a, i) : ask_one(a, i))
			  << i;
	if (unlikely(a->late != 0))
		passed |= ask_late(a);
	if (unlikely(a->learned != 0))
		keep_answers(a);
	flush_tally(a);
	return passed;
}

static uint16_t ask_some(struct asking *a, uint16_t n)
{
	const uint32_t all = UINT32_MAX >> (32 - n);
	uint32_t passed;

	a->began = a->again = false;
	a->late = 0;
	make_keys(a, n);
	/* Tenants of a shared uplink are told apart by their tags. */
	if (unlikely(a->w->trace != NULL || (a->ct != NULL && a->vp->wire != NULL)))
		a->plain = 0;
	/* Who traces has no cache. */
	if (likely(a->plain != 0))
		hash_keys(a);
	if (a->ct != NULL && a->plain != 0)
		track_plain(a, a->plain);
	look_up_all(a, a->ct != NULL ? look_at_sessions(a) : a->plain);
	passed = likely(a->ct == NULL && a->known == all) ? obey_known(a, n) : obey_each(a, n);
	return likely(passed == all) ? n : keep(a->pkts, passed);
}

static uint16_t ask_all(struct dp_worker *w, const struct dp_vport *vp, enum dp_filter_side side,
			struct rte_mbuf **pkts, uint16_t n)
{
	struct asking a; /* its arrays are filled in as far as they are used */
	uint16_t passed = 0;

	a.w = w;
	a.vp = vp;
	a.side = side;
	a.acl = vp->acl[side];
	a.tally_packets = 0;
	a.tally_bytes = 0;
	a.tally_counter = 0;
	a.ct = a.acl->tracks ? atomic_load_explicit(&w->dp->ct, memory_order_acquire) : NULL;
	dp_flow_upkeep(w, w->burst_tsc);
	for (uint16_t from = 0; from < n; from = (uint16_t)(from + DP_BURST)) {
		uint16_t some = (uint16_t)RTE_MIN((uint16_t)(n - from), (uint16_t)DP_BURST);

		a.pkts = pkts + from;
		some = ask_some(&a, some);
		if (passed != from)
			memmove(pkts + passed, pkts + from, some * sizeof(*pkts));
		passed = (uint16_t)(passed + some);
	}
	return passed;
}

uint16_t dp_acl_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			uint16_t n)
{
	return ask_all(w, in, DP_FILTER_INGRESS, pkts, n);
}

int dp_acl_init(void)
{
	static const struct rte_mbuf_dynflag flag = {.name = "vswitch_acl"};

	return rte_mbuf_dynflag_register_bitnum(&flag, DP_ACL_BIT) == DP_ACL_BIT ? 0 : -EBUSY;
}

#define EXEMPT (DP_ACL_ASKED | DP_MIRROR_COPY)

/* Those that another worker has asked about, and copies of mirrors, which are for who watches: the
 * first 'return value' of 'pkts', in their order. */
static uint16_t asked_before(struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t k = 0;

	while (k < n && (pkts[k]->ol_flags & EXEMPT) != 0)
		pkts[k++]->ol_flags &= ~DP_ACL_ASKED;
	return k;
}

uint16_t dp_acl_egress(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
		       uint16_t n)
{
	uint16_t passed = 0;

	for (uint16_t at = 0; at < n;) {
		uint16_t before = asked_before(pkts + at, (uint16_t)(n - at)), end = at + before;
		uint16_t some;

		memmove(pkts + passed, pkts + at, before * sizeof(*pkts));
		passed = (uint16_t)(passed + before);
		for (at = end; end < n && (pkts[end]->ol_flags & EXEMPT) == 0;)
			end++;
		some = end == at
			       ? 0
			       : ask_all(w, out, DP_FILTER_EGRESS, pkts + at, (uint16_t)(end - at));
		memmove(pkts + passed, pkts + at, some * sizeof(*pkts));
		passed = (uint16_t)(passed + some);
		at = end;
	}
	return passed;
}
