/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Connections that others announce; see ct_priv.h, and alg.h for how.
 *
 * What a connection announces is an entry of the table as well, DP_CT_F_EXPECT, under the key of
 * the packet that will come first, with no port of its sender.  It is asked for by first packets
 * that no connection knows, once anything was announced at all.  It ends when its connection is
 * there, when 'expected' is over, with who announced it, and when that announces another: there is
 * one a connection, so the limits of connections hold for these too.
 *
 * What is not followed is counted (NOT_EXPECTED): an address that is not the sender's own, and a
 * port below 1024 (RFC 2577).
 *
 * With NAT an address may stand in the text that the other side does not know: a PASV server's that
 * is translated, that of a PORT or EPRT client.  The text gets the one that it does know, when the
 * packet is translated (ct_text.c), and of a client another port if somebody else behind the same
 * address announced that one.
 *
 * A line counts where it begins behind the end of another, of which the control connection keeps
 * the place: what a peer makes the other say in the middle of a line is no announcement.
 *
 * Workers.  Two that see one control connection both write what it expects last; an entry is taken
 * for that only as long as it says itself whose it is.
 */
#include "dataplane/ct_priv.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "dataplane/alg.h"
#include "dataplane/csum_priv.h"

#define TCP	   6
#define UDP	   17
#define SYN	   0x02
#define FIN	   0x01
#define ACK	   0x10
#define TEXT	   1024u /* bytes of a segment that are read */
#define LEAST_PORT 1024u
#define TRIES	   16u /* ports, where a client's own is announced already */

static uint32_t state_of(const struct dp_ct *ct, uint32_t i)
{
	return atomic_load_explicit(&ct->conns[i].state, memory_order_relaxed);
}

void dp_ct_set_alg(struct dp_ct *ct, const struct dp_ct_mark *mark, unsigned alg)
{
	uint32_t flag = alg == DP_CT_ALG_FTP ? DP_CT_F_FTP : DP_CT_F_TFTP;
	struct dp_ct_conn *c = &ct->conns[mark->conn];

	if (mark->conn == 0 || dp_ct_is_error(mark) || dp_ct_expects(ct, mark->conn) ||
	    DP_CT_PROTO(c->key) != (flag == DP_CT_F_FTP ? TCP : UDP) ||
	    (state_of(ct, mark->conn) & flag) != 0)
		return;
	atomic_fetch_or_explicit(&c->state, flag, memory_order_relaxed);
	if (!atomic_load_explicit(&ct->listens, memory_order_relaxed))
		atomic_store_explicit(&ct->listens, true, memory_order_relaxed);
}

bool dp_ct_has_alg(const struct dp_ct *ct, const struct dp_ct_mark *mark)
{
	return (state_of(ct, mark->conn) & DP_CT_F_ALG) != 0 && !dp_ct_is_error(mark) &&
	       (mark->state & DP_CT_INV) == 0;
}

/* ---- What is expected ---- */

/* Is entry 'i' what connection 'of' announced, still? */
static bool is_of(const struct dp_ct *ct, uint32_t i, uint32_t of)
{
	const uint32_t want = DP_CT_LIVE | DP_CT_F_EXPECT;

	return i != 0 &&
	       (atomic_load(&ct->conns[i].state) & (DP_CT_LIFE | DP_CT_F_EXPECT)) == want &&
	       atomic_load_explicit(&ct->conns[i].other, memory_order_relaxed) == of;
}

void dp_ct_unexpect(struct dp_ct *ct, struct dp_ct_local *local, uint32_t i)
{
	uint32_t e = atomic_load(&ct->conns[i].expects);

	if (is_of(ct, e, i))
		dp_ct_withdraw(ct, local, e);
}

static void key_of(const struct dp_ct_tuple *t, uint16_t domain, uint16_t zone,
		   struct dp_ct_packet *p)
{
	dp_ct_key_of(t->ip[0], t->ip[1], 0, t->port[1], t->proto, t->v6, p);
	p->key[0] |= DP_CT_KEY_EXPECT;
	dp_ct_key_place(p->key, domain, zone);
}

uint32_t dp_ct_expected(const struct dp_ct *ct, const struct dp_ct_packet *p)
{
	struct dp_ct_packet first;
	struct dp_ct_tuple t;

	if (likely(!atomic_load_explicit(&ct->listens, memory_order_relaxed)))
		return 0;
	if (p->kind != DP_CT_K_UDP &&
	    (p->kind != DP_CT_K_TCP || (p->tcp_flags & (SYN | ACK)) != SYN))
		return 0;
	dp_ct_tuple_of(p->key, p->swapped, &t);
	key_of(&t, dp_ct_key_domain(p->key), dp_ct_key_zone(p->key), &first);
	return dp_ct_find(ct, first.key, dp_ct_hash(ct, first.key));
}

static uint32_t ends_at(const struct dp_ct *ct, uint32_t now)
{
	return now + atomic_load_explicit(&ct->timeout[DP_CT_T_EXPECTED], memory_order_relaxed);
}

/* What is announced. */
struct coming {
	struct dp_ct_tuple t; /* the first packet as it will come */
	uint16_t port;	      /* where it goes from here; host order */
	bool back;
};

static uint16_t port_of(const struct dp_ct *ct, uint32_t i)
{
	return (uint16_t)atomic_load_explicit(&ct->conns[i].dir[0].seq, memory_order_relaxed);
}

/* What the packets of connection 'of' have noted is noted on those of what it announced. */
static void fill(struct dp_ct *ct, uint32_t i, const struct dp_ct_packet *p, uint32_t of,
		 const struct coming *coming, uint32_t now)
{
	struct dp_ct_conn *c = &ct->conns[i], *from = &ct->conns[of];
	uint32_t flags = DP_CT_F_EXPECT | (state_of(ct, of) & DP_CT_F_LABEL),
		 ends = ends_at(ct, now);

	for (unsigned k = 0; k < DP_CT_KEY_WORDS; k++)
		c->key[k] = p->key[k];
	atomic_store_explicit(&c->expires, ends, memory_order_relaxed);
	atomic_store_explicit(&c->other, of, memory_order_relaxed);
	atomic_store_explicit(&c->expects, 0, memory_order_relaxed);
	atomic_store_explicit(&c->dir[0].seq, coming->port, memory_order_relaxed);
	atomic_store_explicit(&c->mark, atomic_load_explicit(&from->mark, memory_order_relaxed),
			      memory_order_relaxed);
	for (unsigned k = 0; k < 2; k++)
		atomic_store_explicit(&c->label[k],
				      atomic_load_explicit(&from->label[k], memory_order_relaxed),
				      memory_order_relaxed);
	flags |= (coming->back ? DP_CT_F_BACK : 0) | (p->swapped ? DP_CT_F_SWAPPED : 0);
	atomic_store_explicit(&c->state, DP_CT_TENTATIVE | flags, memory_order_release);
	atomic_store_explicit(&ct->due[i], ends | 1, memory_order_relaxed);
}

/* A new entry; false when there is none, or another connection announced the same. */
static bool make(struct dp_ct *ct, struct dp_ct_local *local, const struct dp_ct_packet *p,
		 uint32_t of, const struct coming *coming, uint32_t now)
{
	uint32_t i = dp_ct_entry_get(ct, local), twin, was;

	if (i == 0)
		return false;
	fill(ct, i, p, of, coming, now);
	if (!dp_ct_insert(ct, i, dp_ct_hash(ct, p->key), &twin)) {
		dp_ct_entry_retire(ct, local, i);
		return is_of(ct, twin, of);
	}
	was = atomic_exchange(&ct->conns[of].expects, i);
	if (is_of(ct, was, of))
		dp_ct_withdraw(ct, local, was);
	/* It may have ended meanwhile, and not have seen this. */
	if (dp_ct_life(&ct->conns[of]) != DP_CT_LIVE)
		dp_ct_withdraw(ct, local, i);
	return true;
}

/* False: somebody else expects such a packet, or there is no room. */
static bool expect(struct dp_ct *ct, struct dp_ct_local *local, uint32_t of,
		   const struct coming *coming, uint32_t now)
{
	const uint64_t *key = ct->conns[of].key;
	struct dp_ct_packet p;
	uint32_t i;

	key_of(&coming->t, dp_ct_key_domain(key), dp_ct_key_zone(key), &p);
	i = dp_ct_find(ct, p.key, dp_ct_hash(ct, p.key));
	if (is_of(ct, i, of) && port_of(ct, i) == coming->port) {
		dp_ct_retime(ct, i, ends_at(ct, now));
		return true;
	}
	if (i != 0 || !make(ct, local, &p, of, coming, now))
		return false;
	DP_CT_COUNT(local, EXPECTED);
	return true;
}

/* ---- Translation ---- */

static bool differ(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, 16) != 0;
}

bool dp_ct_follow(const struct dp_ct *ct, uint32_t i, struct dp_ct_nat *ret)
{
	uint32_t of = atomic_load_explicit(&ct->conns[i].other, memory_order_relaxed);
	bool back = (state_of(ct, i) & DP_CT_F_BACK) != 0, source;
	uint32_t nat = state_of(ct, of) & (DP_CT_F_SRC_NAT | DP_CT_F_DST_NAT);
	struct dp_ct_tuple main, answer;

	if (nat == 0)
		return false;
	dp_ct_sides(ct, of, &main, &answer);
	source = (nat == DP_CT_F_SRC_NAT) != back;
	*ret = (struct dp_ct_nat){.v6 = main.v6,
				  .flags = DP_CT_NAT_ADDRESS | (source ? DP_CT_NAT_SRC : 0)};
	if (back)
		memcpy(ret->ip_min, main.ip[source ? 1 : 0], 16);
	else
		memcpy(ret->ip_min, answer.ip[source ? 1 : 0], 16);
	memcpy(ret->ip_max, ret->ip_min, 16);
	/* TFTP goes on by the port that asked, FTP by the one that was announced. */
	if (!source) {
		ret->flags |= DP_CT_NAT_PORTS;
		ret->port_min = ret->port_max = port_of(ct, i);
	}
	return true;
}

/* ---- What is said ---- */

/* The server waits: the client will come, as it came here, and be told where.  A server that knows
 * what it is to others may say that. */
static bool client_comes(const struct dp_ct_tuple *main, const struct dp_ct_tuple *answer,
			 const struct dp_alg_said *said, struct coming *ret,
			 struct dp_alg_said *tell)
{
	ret->t = *main;
	ret->back = false;
	memcpy(tell->ip, main->ip[1], sizeof(tell->ip));
	if (!said->has_address)
		return true;
	return said->v6 == main->v6 &&
	       (!differ(said->ip, answer->ip[0]) || !differ(said->ip, main->ip[1]));
}

/* The client waits: the server will come, as its answers do. */
static bool server_comes(const struct dp_ct_tuple *main, const struct dp_ct_tuple *answer,
			 const struct dp_alg_said *said, struct coming *ret,
			 struct dp_alg_said *tell)
{
	ret->t = *answer;
	ret->back = true;
	memcpy(tell->ip, answer->ip[1], sizeof(tell->ip));
	return said->v6 == main->v6 && !differ(said->ip, main->ip[0]);
}

/* Finds a port by which it can come.  'tries': the announced one, and how many behind that. */
static bool expect_any(struct dp_ct *ct, struct dp_ct_local *local, uint32_t i,
		       struct coming *coming, unsigned tries, uint32_t now)
{
	for (unsigned n = 0; n < tries; n++) {
		uint32_t port = coming->port + n;

		if (port > UINT16_MAX)
			port -= UINT16_MAX + 1u - LEAST_PORT;
		coming->t.port[1] = rte_cpu_to_be_16((uint16_t)port);
		if (expect(ct, local, i, coming, now))
			return true;
	}
	return false;
}

/* 'text' as in dp_ct_listen(); 'line': where it begins in the payload. */
static void heard(struct dp_ct *ct, struct dp_ct_local *local, uint32_t i, bool server,
		  const struct dp_alg_said *said, uint32_t line, uint32_t now,
		  struct dp_ct_text *text)
{
	struct coming coming = {.port = said->port};
	struct dp_ct_tuple main, answer;
	struct dp_alg_said tell = *said;
	bool ok, changes;

	dp_ct_sides(ct, i, &main, &answer);
	ok = server ? client_comes(&main, &answer, said, &coming, &tell)
		    : server_comes(&main, &answer, said, &coming, &tell);
	changes = said->has_address && differ(said->ip, tell.ip);
	if (!ok || said->port < LEAST_PORT || (changes && (text == NULL || text->there)) ||
	    !expect_any(ct, local, i, &coming, changes && !server ? TRIES : 1, now)) {
		DP_CT_COUNT(local, NOT_EXPECTED);
		return;
	}
	if (!changes)
		return;
	tell.port = rte_be_to_cpu_16(coming.t.port[1]);
	text->there = true;
	text->at = (uint16_t)(line + said->at);
	text->size = said->size;
	text->n = (uint16_t)dp_alg_ftp_words(&tell, text->bytes);
}

static void read_lines(struct dp_ct *ct, struct dp_ct_local *local, uint32_t i, bool server,
		       const char *payload, size_t size, uint32_t now, struct dp_ct_text *text)
{
	const char *at = payload, *end = payload + size;

	while (at != end) {
		const char *line = memchr(at, '\n', (size_t)(end - at));
		struct dp_alg_said said;

		if (line == NULL)
			return;
		if (dp_alg_ftp(at, (size_t)(end - at), server, &said))
			heard(ct, local, i, server, &said, (uint32_t)(at - payload), now, text);
		at = line + 1;
	}
}

/* What was damaged on its way says nothing: its receiver will not believe it either. */
static bool is_whole(const struct rte_mbuf *m, const struct dp_headers *h)
{
	uint32_t at = (uint32_t)h->l2_size + h->l3_size, size = h->ip_size - h->l3_size;
	uint16_t sum;

	if (m->l2_len == h->l2_size &&
	    ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM ||
	     (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0))
		return true;
	if (dp_csum_pseudo_is_elsewhere(h) || rte_raw_cksum_mbuf(m, at, size, &sum) != 0)
		return false;
	return dp_csum_fold((uint32_t)sum + dp_csum_pseudo(rte_pktmbuf_mtod(m, const uint8_t *), h,
							   TCP, size)) == 0xffff;
}

/* The place of the next line moves on with the newest segment only, and what comes again is not
 * read again; but what was said in other words is said in the same again. */
static void listen_ftp(struct dp_ct *ct, struct dp_ct_local *local, const struct rte_mbuf *m,
		       const struct dp_headers *h, const struct dp_ct_packet *p,
		       const struct dp_ct_mark *mark, uint32_t now, struct dp_ct_text *text)
{
	bool server = (mark->state & DP_CT_REPLY) != 0;
	struct dp_ct_conn *c = &ct->conns[mark->conn];
	_Atomic uint16_t *line = &c->line[server];
	uint64_t seq = atomic_load_explicit(&c->dir[server].seq, memory_order_relaxed);
	uint32_t end = p->tcp_seq + p->tcp_size - ((p->tcp_flags & FIN) != 0);
	uint32_t head = (uint32_t)h->l3_size + h->l4_size, at = h->l2_size + head;
	uint32_t size = h->ip_size - head;
	const char *payload, *last;
	char room[TEXT], one;

	if ((p->tcp_flags & SYN) != 0) {
		atomic_store_explicit(line, (uint16_t)(p->tcp_seq + 1), memory_order_relaxed);
		return;
	}
	if (size == 0 || !is_whole(m, h))
		return;
	/* A super-frame's bytes stay where they are. */
	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0)
		text = NULL;
	payload = rte_pktmbuf_read(m, at, size < TEXT ? size : TEXT, room);
	last = rte_pktmbuf_read(m, at + size - 1, 1, &one);
	if (payload == NULL || last == NULL)
		return;
	if (atomic_load_explicit(line, memory_order_relaxed) == (uint16_t)p->tcp_seq ||
	    (text != NULL && dp_ct_was_retold(ct, mark->conn, server, p->tcp_seq)))
		read_lines(ct, local, mark->conn, server, payload, size < TEXT ? size : TEXT, now,
			   text);
	if (*last == '\n' && p->tcp_seq + p->tcp_size == (uint32_t)(seq >> 32))
		atomic_store_explicit(line, (uint16_t)end, memory_order_relaxed);
}

/* The server answers by a port that nobody knows yet, to the one that asked. */
static void listen_tftp(struct dp_ct *ct, struct dp_ct_local *local, const struct rte_mbuf *m,
			uint32_t at, uint32_t size, const struct dp_ct_mark *mark, uint32_t now)
{
	struct coming coming = {.back = true};
	struct dp_ct_tuple main;
	const uint8_t *payload;
	uint8_t room[8];

	if ((mark->state & DP_CT_REPLY) != 0 || size < sizeof(room))
		return;
	payload = rte_pktmbuf_read(m, at, sizeof(room), room);
	if (payload == NULL || !dp_alg_tftp(payload, sizeof(room)))
		return;
	dp_ct_sides(ct, mark->conn, &main, &coming.t);
	coming.port = rte_be_to_cpu_16(main.port[0]);
	if (!expect(ct, local, mark->conn, &coming, now))
		DP_CT_COUNT(local, NOT_EXPECTED);
}

void dp_ct_listen(struct dp_ct *ct, struct dp_ct_local *local, const struct rte_mbuf *m,
		  const struct dp_ct_packet *p, const struct dp_ct_mark *mark, uint32_t now,
		  struct dp_ct_text *text)
{
	struct dp_headers h;
	uint32_t at, head;

	dp_parse_mbuf(m, &h);
	head = (uint32_t)h.l3_size + h.l4_size;
	at = (uint32_t)h.l2_size + head;
	if (h.frag != 0 || h.ip_size < head || h.l2_size + h.ip_size > m->pkt_len)
		return;
	if (p->kind == DP_CT_K_TCP && h.l4 == DP_L4_TCP)
		listen_ftp(ct, local, m, &h, p, mark, now, text);
	else if (p->kind == DP_CT_K_UDP && h.l4 == DP_L4_UDP)
		listen_tftp(ct, local, m, at, h.ip_size - head, mark, now);
}
