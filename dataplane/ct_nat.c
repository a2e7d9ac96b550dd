/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Address translation of connections; see ct_priv.h.
 *
 * A translated connection has two entries: the main one is keyed by its first packet, the alias by
 * what answers look like, so its translation is what the two say of each other:
 *
 * 	            here it comes as     it goes on as
 * 	original    main                 alias, turned round
 * 	answer      alias                main, turned round
 *
 * A place (address and port) is taken by putting the alias into the index: nobody else has it then.
 * The address is chosen by a hash of who asks (of whom it asks for too, unless persistent) or by
 * lot, the port is the packet's own if that is in the range and free, else the next free one from
 * there, a hash, or lot.  After MAX_TRIES the connection is refused: a worker cannot look on for
 * ever.
 *
 * An error quotes a packet as that was when it left here, and gets that as it had come.  Workers.
 *
 * Source: RFC 4787, 5382, 5508 (ICMP), 3022.
 */
#include "dataplane/ct_priv.h"

#include <errno.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "dataplane/key.h"
#include "dataplane/rewrite.h"

#define MAX_TRIES   64u
#define PROTO_ICMP  1
#define PROTO_ICMP6 58

void dp_ct_tuple_of(const uint64_t *key, bool swapped, struct dp_ct_tuple *t)
{
	memset(t, 0, sizeof(*t));
	t->proto = DP_CT_PROTO(key);
	t->v6 = (key[0] & DP_CT_KEY_V6) != 0;
	if (t->v6) {
		memcpy(t->ip[swapped], &key[2], 16);
		memcpy(t->ip[!swapped], &key[4], 16);
		t->port[swapped] = (uint16_t)key[0];
		t->port[!swapped] = (uint16_t)(key[0] >> 16);
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		uint32_t ip = (uint32_t)(key[i] >> 16);

		memcpy(t->ip[i != 0 ? !swapped : swapped], &ip, sizeof(ip));
		t->port[i != 0 ? !swapped : swapped] = (uint16_t)key[i];
	}
}

static void turn(struct dp_ct_tuple *t)
{
	struct dp_ct_tuple was = *t;

	memcpy(t->ip[0], was.ip[1], 16);
	memcpy(t->ip[1], was.ip[0], 16);
	t->port[0] = was.port[1];
	t->port[1] = was.port[0];
}

static bool has_ports(uint8_t proto)
{
	return proto == 6 || proto == 17 || proto == 132 || proto == 136;
}

static bool is_icmp(const struct dp_ct_tuple *t)
{
	return t->proto == (t->v6 ? PROTO_ICMP6 : PROTO_ICMP);
}

/* ---- A place ---- */

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return rte_be_to_cpu_32(v);
}

static void store32(uint8_t *p, uint32_t v)
{
	v = rte_cpu_to_be_32(v);
	memcpy(p, &v, sizeof(v));
}

static uint64_t draw(struct dp_ct_local *local)
{
	uint64_t x = local->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return local->random = x;
}

static uint64_t hash_of(const struct dp_ct *ct, const struct dp_ct_tuple *t, bool both)
{
	uint64_t words[5] = {0};

	memcpy(words, t->ip[0], 16);
	if (both) {
		memcpy(words + 2, t->ip[1], 16);
		words[4] = t->port[0] | (uint64_t)t->port[1] << 16 | (uint64_t)t->proto << 32;
	}
	return dp_nh_finish(dp_nh(words, 5, ct->secret));
}

/* The address number 'n' of the range, 32 bits of which vary in IPv6. */
static void address(const struct dp_ct_nat *nat, bool v6, uint64_t n, uint8_t *ip)
{
	unsigned at = v6 ? 12 : 0;
	uint32_t min = load32(nat->ip_min + at), max = load32(nat->ip_max + at);

	/* A range that goes beyond its last word has all of that word. */
	if (v6 && memcmp(nat->ip_min, nat->ip_max, 12) != 0)
		max = UINT32_MAX;
	memcpy(ip, nat->ip_min, v6 ? 16 : 4);
	store32(ip + at, min + (uint32_t)(n % ((uint64_t)max - min + 1)));
}

struct ports {
	uint16_t min, max, at;
	bool fixed; /* it has none to choose */
};

/* Which ports may be taken, and where to begin.  As routers do: privileged ones stay so. */
static struct ports ports_of(const struct dp_ct_nat *nat, const struct dp_ct_tuple *t, uint16_t own,
			     uint64_t lot, uint64_t hash)
{
	struct ports p = {.min = nat->port_min, .max = nat->port_max};
	bool source = (nat->flags & DP_CT_NAT_SRC) != 0;

	p.fixed = !has_ports(t->proto) && !(is_icmp(t) && source);
	if (p.fixed || (nat->flags & DP_CT_NAT_PORTS) == 0) {
		p.fixed = p.fixed || !source;
		p.min = is_icmp(t) ? 0 : own < 512 ? 1 : own < 1024 ? 600 : 1024;
		p.max = is_icmp(t) || own >= 1024 ? UINT16_MAX : own < 512 ? 511 : 1023;
	}
	if ((nat->flags & DP_CT_NAT_RANDOM) != 0)
		p.at = (uint16_t)(p.min + lot % (p.max - p.min + 1u));
	else if ((nat->flags & DP_CT_NAT_HASH) != 0)
		p.at = (uint16_t)(p.min + hash % (p.max - p.min + 1u));
	else
		p.at = own >= p.min && own <= p.max
			       ? own
			       : (uint16_t)(p.min + hash % (p.max - p.min + 1u));
	if (p.fixed)
		p.at = own;
	return p;
}

static void alias_key(const struct dp_ct_tuple *after, uint16_t domain, uint16_t zone,
		      struct dp_ct_packet *p)
{
	struct dp_ct_tuple answer = *after;

	turn(&answer);
	dp_ct_key_of(answer.ip[0], answer.ip[1], answer.port[0], answer.port[1], answer.proto,
		     answer.v6, p);
	dp_ct_key_place(p->key, domain, zone);
}

static uint32_t alias_try(struct dp_ct *ct, struct dp_ct_local *local, const struct dp_ct_packet *p,
			  uint32_t main)
{
	uint64_t hash = dp_ct_hash(ct, p->key);
	uint32_t i, twin;

	if (dp_ct_find(ct, p->key, hash) != 0)
		return 0;
	i = dp_ct_entry_get(ct, local);
	if (i == 0)
		return 0;
	dp_ct_fill_alias(ct, i, p, main);
	if (dp_ct_insert(ct, i, hash, &twin))
		return i;
	dp_ct_entry_retire(ct, local, i);
	return 0;
}

int dp_ct_nat_bind(struct dp_ct *ct, struct dp_ct_local *local, uint32_t main,
		   const struct dp_ct_packet *p, const struct dp_ct_nat *nat)
{
	struct dp_ct_conn *c = &ct->conns[main];
	unsigned end = (nat->flags & DP_CT_NAT_SRC) != 0 ? 0 : 1;
	uint64_t lot = draw(local), hash, who;
	struct dp_ct_packet answer = {.kind = p->kind};
	struct dp_ct_tuple t;
	struct ports ports;

	dp_ct_tuple_of(p->key, p->swapped, &t);
	if (t.v6 != nat->v6 && (nat->flags & DP_CT_NAT_ADDRESS) != 0)
		return -EINVAL;
	hash = hash_of(ct, &t, true);
	who = (nat->flags & DP_CT_NAT_RANDOM) != 0
		      ? lot >> 32
		      : hash_of(ct, &t, (nat->flags & DP_CT_NAT_PERSISTENT) == 0);
	if ((nat->flags & DP_CT_NAT_ADDRESS) != 0)
		address(nat, t.v6, who, t.ip[end]);
	ports = ports_of(nat, &t, rte_be_to_cpu_16(t.port[end]), lot, hash);
	for (unsigned n = 0; n < (ports.fixed ? 1 : MAX_TRIES); n++) {
		uint32_t alias;

		t.port[end] = rte_cpu_to_be_16(ports.at);
		alias_key(&t, dp_ct_key_domain(p->key), dp_ct_key_zone(p->key), &answer);
		/* As it was: nothing to translate. */
		if (dp_ct_key_equal(answer.key, p->key))
			return 0;
		alias = alias_try(ct, local, &answer, main);
		if (alias != 0) {
			atomic_store_explicit(&c->other, alias, memory_order_relaxed);
			atomic_fetch_or_explicit(&c->state,
						 end == 0 ? DP_CT_F_SRC_NAT : DP_CT_F_DST_NAT,
						 memory_order_relaxed);
			return 0;
		}
		ports.at = ports.at == ports.max ? ports.min : (uint16_t)(ports.at + 1);
	}
	return -ENOSPC;
}

/* ---- Translation of frames ---- */

void dp_ct_packet_ports(const struct dp_ct_packet *p, uint16_t ret_ports[2])
{
	struct dp_ct_tuple t;

	dp_ct_tuple_of(p->key, p->swapped, &t);
	memcpy(ret_ports, t.port, sizeof(t.port));
}

void dp_ct_sides(const struct dp_ct *ct, uint32_t i, struct dp_ct_tuple *ret_main,
		 struct dp_ct_tuple *ret_answer)
{
	const struct dp_ct_conn *c = &ct->conns[i];
	uint32_t other = atomic_load_explicit(&c->other, memory_order_relaxed);
	const struct dp_ct_conn *o = &ct->conns[other];

	dp_ct_tuple_of(c->key, (atomic_load(&c->state) & DP_CT_F_SWAPPED) != 0, ret_main);
	if (other != 0) {
		dp_ct_tuple_of(o->key, (atomic_load(&o->state) & DP_CT_F_SWAPPED) != 0, ret_answer);
		return;
	}
	*ret_answer = *ret_main;
	turn(ret_answer);
}

static int set(struct rte_mbuf *m, struct dp_headers *h, enum dp_field field, const void *value,
	       size_t size)
{
	static const uint8_t ones[16] = {255, 255, 255, 255, 255, 255, 255, 255,
					 255, 255, 255, 255, 255, 255, 255, 255};

	/* Not what is so already: each change costs its checksums. */
	(void)size;
	return dp_rw_set_field(m, h, field, value, ones);
}

static int set_ip(struct rte_mbuf *m, struct dp_headers *h, unsigned end, const uint8_t *ip)
{
	bool v6 = h->ip_version == 6;
	uint16_t at = end == 0 ? h->ip_src : h->ip_dst;

	if (memcmp(rte_pktmbuf_mtod_offset(m, const uint8_t *, at), ip, v6 ? 16 : 4) == 0)
		return 0;
	if (v6)
		return set(m, h, end == 0 ? DP_FIELD_IP6_SRC : DP_FIELD_IP6_DST, ip, 16);
	return set(m, h, end == 0 ? DP_FIELD_IP4_SRC : DP_FIELD_IP4_DST, ip, 4);
}

/* A 16-bit word of an ICMP message that its checksum counts. */
static void icmp_word(uint8_t *icmp, uint32_t at, uint16_t value)
{
	uint16_t was = dp_key_load16(icmp + at);
	uint16_t csum = dp_rw_csum_adjust(dp_key_load16(icmp + 2), was, value);

	memcpy(icmp + at, &value, sizeof(value));
	memcpy(icmp + 2, &csum, sizeof(csum));
}

static int set_ports(struct rte_mbuf *m, struct dp_headers *h, const struct dp_ct_tuple *t)
{
	uint8_t *l4 = rte_pktmbuf_mtod_offset(m, uint8_t *, h->l2_size + h->l3_size);
	int rc = 0;

	if (h->frag == DP_FRAG_LATER)
		return 0;
	if (is_icmp(t)) {
		/* The identifier is who asked's. */
		bool asks = h->icmp_type == (t->v6 ? 128 : 8) || h->icmp_type == 13 ||
			    h->icmp_type == 15 || h->icmp_type == 17;
		uint16_t id = t->port[asks ? 0 : 1];

		if (id != dp_key_load16(l4 + 4))
			icmp_word(l4, 4, id);
		return 0;
	}
	if (!has_ports(t->proto))
		return 0;
	if (dp_key_load16(l4) != t->port[0])
		rc = set(m, h, DP_FIELD_TP_SRC, &t->port[0], 2);
	if (rc == 0 && dp_key_load16(l4 + 2) != t->port[1])
		rc = set(m, h, DP_FIELD_TP_DST, &t->port[1], 2);
	return rc;
}

/* ---- What errors quote ---- */

/* Bytes of the message that its checksum counts, at even or odd places of it alike. */
static void icmp_bytes(uint8_t *icmp, uint32_t at, const uint8_t *value, uint32_t size)
{
	for (uint32_t i = 0; i < size; i += 2)
		icmp_word(icmp, at + i, dp_key_load16(value + i));
}

static void quoted_ports(uint8_t *icmp, uint32_t l4, const struct dp_ct_tuple *t)
{
	if (is_icmp(t)) {
		uint8_t type = icmp[l4];
		bool asks = type == (t->v6 ? 128 : 8) || type == 13 || type == 15 || type == 17;

		icmp_word(icmp, l4 + 4, t->port[asks ? 0 : 1]);
	} else if (has_ports(t->proto)) {
		icmp_word(icmp, l4, t->port[0]);
		icmp_word(icmp, l4 + 2, t->port[1]);
	}
}

/* The quoted header's own checksum goes with its addresses. */
static void quoted_ip_csum(uint8_t *icmp, uint32_t ip)
{
	uint32_t sum = 0, n = (icmp[ip] & 0xfu) * 4;

	for (uint32_t i = 0; i < n; i += 2)
		sum += i == 10 ? 0 : dp_key_load16(icmp + ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	icmp_word(icmp, ip + 10, (uint16_t) ~(sum + (sum >> 16)));
}

static int translate_error(struct rte_mbuf *m, struct dp_headers *h, const struct dp_ct_tuple *now,
			   const struct dp_ct_tuple *to)
{
	uint32_t at = (uint32_t)h->l2_size + h->l3_size, end = h->l2_size + h->ip_size;
	uint8_t *icmp = rte_pktmbuf_mtod_offset(m, uint8_t *, at);
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	bool v6 = h->ip_version == 6, from_end;
	struct dp_ct_quote q;
	int rc;

	from_end = memcmp(frame + h->ip_src, now->ip[1], v6 ? 16 : 4) == 0;
	if (h->frag == DP_FRAG_LATER) {
		rc = set_ip(m, h, 1, to->ip[0]);
		return rc == 0 && from_end ? set_ip(m, h, 0, to->ip[1]) : rc;
	}
	if (end > m->data_len)
		end = m->data_len;
	/* What is open is computed over what will be there. */
	if (end < at + 8 || !dp_ct_quoted(icmp + 8, end - at - 8, v6, &q))
		return -EBADMSG;
	icmp_bytes(icmp, 8u + q.src, to->ip[0], v6 ? 16 : 4);
	icmp_bytes(icmp, 8u + q.dst, to->ip[1], v6 ? 16 : 4);
	quoted_ports(icmp, 8u + q.l4, to);
	if (!v6)
		quoted_ip_csum(icmp, 8);
	rc = set_ip(m, h, 1, to->ip[0]);
	return rc == 0 && from_end ? set_ip(m, h, 0, to->ip[1]) : rc;
}

/* What a packet of this connection looks like on the other side. */
static void other_side(const struct dp_ct_tuple *main, const struct dp_ct_tuple *alias, bool reply,
		       struct dp_ct_tuple *to)
{
	*to = reply ? *main : *alias;
	turn(to);
}

void dp_ct_translated_ports(const struct dp_ct *ct, const struct dp_ct_mark *mark,
			    uint16_t ret_ports[2])
{
	struct dp_ct_tuple main, alias, to;

	dp_ct_sides(ct, mark->conn, &main, &alias);
	other_side(&main, &alias, (mark->state & DP_CT_REPLY) != 0, &to);
	memcpy(ret_ports, to.port, sizeof(to.port));
}

int dp_ct_translate(const struct dp_ct *ct, struct rte_mbuf *m, struct dp_headers *h,
		    struct dp_ct_mark *mark)
{
	uint32_t flags, i = mark->conn;
	bool reply = (mark->state & DP_CT_REPLY) != 0, source;
	struct dp_ct_tuple main, alias, to;
	int rc;

	flags = atomic_load_explicit(&ct->conns[i].state, memory_order_relaxed);
	if ((flags & (DP_CT_F_SRC_NAT | DP_CT_F_DST_NAT)) == 0)
		return 0;
	dp_ct_sides(ct, i, &main, &alias);
	if (dp_ct_is_error(mark)) {
		struct dp_ct_tuple now = reply ? alias : main;

		/* It quotes what went the other way, as that left here. */
		turn(&now);
		rc = translate_error(m, h, &now, reply ? &main : &alias);
	} else {
		other_side(&main, &alias, reply, &to);
		rc = set_ip(m, h, 0, to.ip[0]);
		if (rc == 0)
			rc = set_ip(m, h, 1, to.ip[1]);
		if (rc == 0)
			rc = set_ports(m, h, &to);
	}
	source = ((flags & DP_CT_F_SRC_NAT) != 0) != reply;
	mark->state |= source ? DP_CT_SNAT : DP_CT_DNAT;
	return rc;
}
