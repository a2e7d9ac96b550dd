/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flow engine against a switch that is too simple to be wrong: random rules, packets and
 * changes; a real worker on one side, on the other a reading of the specification (OpenFlow 1.3.5,
 * 5.1 to 5.12) that looks at every rule for every packet and works on bytes.  The same bytes must
 * come out of the same ports, and every rule must have counted the same.
 *
 * 	FLOW_SEED=N     repeats a run (the seed is printed)
 * 	FLOW_ROUNDS=N   goes on longer
 *
 * Where the specification leaves the choice to the switch, the rules do not ask: no two of a
 * table have one priority.  A packet whose TTL ends goes on counting (docs/limits.md).
 */
#include "vswitch/flows.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "dataplane/port_mem.h"
#include "dataplane/punt.h"
#include "dataplane/view.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"
#include "vswitch/groups.h"
#include "vswitch/of/text.h"

#define N_PORTS	      4
#define OF_PORT(i)    (11u + (i)) /* not the dataplane's number */
#define CONTROLLER    N_PORTS	  /* frames for it are kept as those of one port more */
#define N_OUTS	      (N_PORTS + 1)
#define N_TABLES      4
#define MAX_RULES     120
#define MAX_ACTS      6
#define MAX_SET	      40 /* a set has one of each type and field */
#define FRAME_MAX     384
#define N_PACKETS     64 /* that come again and again */
#define BATCH	      12
#define MAX_OUT	      1024
#define TEXT_MAX      2048
#define VLAN_IS_THERE 0x1000u

enum kind {
	IN_PORT,
	DST,
	SRC,
	TYPE,
	VID,
	PCP,
	PROTO,
	DSCP,
	IP_SRC,
	IP_DST,
	SPORT,
	DPORT,
	SRC6_HI,
	SRC6_LO,
	DST6_HI,
	DST6_LO,
	LABEL,
	TC,
	BOS,
	ISID,
	META,
	N_KINDS,
};

static const uint8_t bits_of[N_KINDS] = {
	[IN_PORT] = 32, [DST] = 48,	[SRC] = 48,	[TYPE] = 16,	[VID] = 13,   [PCP] = 3,
	[PROTO] = 8,	[DSCP] = 6,	[IP_SRC] = 32,	[IP_DST] = 32,	[SPORT] = 16, [DPORT] = 16,
	[SRC6_HI] = 64, [SRC6_LO] = 64, [DST6_HI] = 64, [DST6_LO] = 64, [META] = 64,  [LABEL] = 20,
	[TC] = 3,	[BOS] = 1,	[ISID] = 24,
};

struct match {
	uint64_t v[N_KINDS], m[N_KINDS];
};

enum act_type {
	OUT,
	OUT_IN_PORT,
	OUT_CONTROLLER,
	OUT_FLOOD,
	SET,
	PUSH,
	POP,
	PUSH_MPLS,
	POP_MPLS,
	PUSH_PBB,
	POP_PBB,
	DEC_TTL,
	SET_TTL,
	DEC_MPLS_TTL,
	SET_MPLS_TTL,
	COPY_OUT,
	COPY_IN,
	MOVE_MAC,
	MOVE_IP,
	GROUP,
};

struct act {
	enum act_type type;
	enum kind kind;
	uint64_t v, m;
	uint64_t eth_type, proto; /* what is known where it stands: a field has several names */
};

struct acts {
	unsigned n;
	struct act v[MAX_SET];
};

#define N_GROUPS  6
#define N_LEAVES  3 /* the first; the others may lead to them */
#define N_BUCKETS 3

struct bucket {
	struct acts acts;
	unsigned weight;
	int watch_port, watch_group; /* -1: none */
	uint64_t packets;
};

struct group {
	bool live;
	enum of_group_type type;
	unsigned n;
	struct bucket v[N_BUCKETS];
	uint64_t packets, bytes;
};

struct rule {
	bool live;
	uint8_t table;
	uint16_t priority;
	uint64_t cookie;
	struct match match;
	struct acts apply, write;
	bool has_write, clear;
	uint64_t meta, meta_mask;
	int go_to; /* -1: ends */
	uint64_t packets, bytes;
};

struct frame {
	uint32_t size;
	uint8_t bytes[FRAME_MAX];
};

static uint64_t seed, rng;
static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct vs_flows *flows;
static uint64_t n_received;
static struct rule rules[MAX_RULES], saved[MAX_RULES];
static struct group groups[N_GROUPS], saved_groups[N_GROUPS];
static bool port_dead[N_PORTS];
static struct frame packets[N_PACKETS];
static struct frame expected[N_OUTS][MAX_OUT], got[N_OUTS][MAX_OUT];
static unsigned n_expected[N_OUTS], n_got[N_OUTS];
static uint64_t last_cookie;

static uint64_t r(uint64_t n)
{
	return (pkt_rand(&rng) >> 16) % n;
}

static uint64_t ones(unsigned bits)
{
	return bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

/* ---- The simple switch: bytes ---- */

static uint64_t get(const uint8_t *b, unsigned n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *b++;
	return v;
}

static void put(uint8_t *b, unsigned n, uint64_t v)
{
	for (unsigned i = 0; i < n; i++)
		b[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

static bool is_tag(uint64_t type)
{
	return type == 0x8100 || type == 0x88a8;
}

static bool is_tagged(const struct frame *f)
{
	return is_tag(get(f->bytes + 12, 2));
}

/* Offset of what follows the EtherType that says what it is: behind two tags at most. */
static unsigned l3(const struct frame *f)
{
	unsigned at = 14;

	while (at < 22 && is_tag(get(f->bytes + at - 2, 2)))
		at += 4;
	return at;
}

static uint16_t type_of(const struct frame *f)
{
	return (uint16_t)get(f->bytes + l3(f) - 2, 2);
}

/* An IP header of that version that is one starts at 'at'. */
static bool is_ip_at(const struct frame *f, unsigned at, unsigned version)
{
	const uint8_t *n = f->bytes + at;
	unsigned room = f->size - at;

	if (version == 4)
		return room >= 20 && n[0] == 0x45 && get(n + 2, 2) >= 20 && get(n + 2, 2) <= room;
	return room >= 40 && n[0] >> 4 == 6 && get(n + 4, 2) + 40 <= room;
}

/* 4, 6 or 0. */
static unsigned ip_of(const struct frame *f)
{
	unsigned version = type_of(f) == 0x0800 ? 4 : type_of(f) == 0x86dd ? 6 : 0;

	return version != 0 && is_ip_at(f, l3(f), version) ? version : 0;
}

static bool is_arp(const struct frame *f)
{
	return type_of(f) == 0x0806 && get(f->bytes + l3(f), 6) == 0x000108000604;
}

static bool is_mpls(const struct frame *f)
{
	return (type_of(f) == 0x8847 || type_of(f) == 0x8848) && f->size >= l3(f) + 4;
}

static bool is_pbb(const struct frame *f)
{
	return type_of(f) == 0x88e7 && f->size >= l3(f) + 4;
}

static void look(const struct frame *f, uint32_t in_port, uint64_t meta, uint64_t *v)
{
	unsigned at = l3(f), ip = ip_of(f);
	const uint8_t *b = f->bytes, *n = b + at;

	memset(v, 0, N_KINDS * sizeof(v[0]));
	v[IN_PORT] = in_port;
	v[META] = meta;
	v[DST] = get(b, 6);
	v[SRC] = get(b + 6, 6);
	v[TYPE] = type_of(f);
	if (is_tagged(f)) {
		v[VID] = (get(b + 14, 2) & 0xfff) | VLAN_IS_THERE;
		v[PCP] = get(b + 14, 2) >> 13;
	}
	if (ip == 4) {
		v[PROTO] = n[9];
		v[DSCP] = n[1] >> 2;
		v[IP_SRC] = get(n + 12, 4);
		v[IP_DST] = get(n + 16, 4);
		v[SPORT] = get(n + 20, 2);
		v[DPORT] = get(n + 22, 2);
	} else if (ip == 6) {
		v[PROTO] = n[6];
		v[DSCP] = (get(n, 2) >> 6) & 0x3f;
		v[SRC6_HI] = get(n + 8, 8);
		v[SRC6_LO] = get(n + 16, 8);
		v[DST6_HI] = get(n + 24, 8);
		v[DST6_LO] = get(n + 32, 8);
		v[SPORT] = get(n + 40, 2);
		v[DPORT] = get(n + 42, 2);
	} else if (is_arp(f)) {
		v[IP_SRC] = get(n + 14, 4);
		v[IP_DST] = get(n + 24, 4);
	} else if (is_mpls(f)) {
		v[LABEL] = get(n, 4) >> 12;
		v[TC] = get(n, 4) >> 9 & 7;
		v[BOS] = get(n, 4) >> 8 & 1;
	} else if (is_pbb(f)) {
		v[ISID] = get(n + 1, 3);
	}
}

static void sum_ipv4(uint8_t *n)
{
	put(n + 10, 2, 0);
	put(n + 10, 2, (uint16_t)~pkt_fold(pkt_sum(n, 20, 0)));
}

/* All checksums anew, as if it was sent with these addresses. */
static void sum_up(struct frame *f)
{
	unsigned at = l3(f), ip = ip_of(f), head, addresses, proto, size;
	uint8_t *n = f->bytes + at, *sum;
	uint64_t s;

	if (ip == 4) {
		sum_ipv4(n);
		head = 20, addresses = 12, proto = n[9];
	} else if (ip == 6) {
		head = 40, addresses = 8, proto = n[6];
	} else {
		return;
	}
	if (proto != 6 && proto != 17)
		return;
	size = f->size - at - head;
	sum = n + head + (proto == 6 ? 16 : 6);
	if (proto == 17 && get(sum, 2) == 0)
		return;
	put(sum, 2, 0);
	s = pkt_sum(n + addresses, head - addresses, 0) + proto + size;
	s = (uint16_t)~pkt_fold(pkt_sum(n + head, size, s));
	put(sum, 2, proto == 17 && s == 0 ? 0xffff : s);
}

/* The frame has the header that the field is in. */
static bool has(const struct frame *f, enum kind kind)
{
	unsigned ip = ip_of(f);

	switch ((int)kind) {
	case VID:
	case PCP:
		return is_tagged(f);
	case DSCP:
	case SPORT:
	case DPORT:
		return ip != 0;
	case IP_SRC:
	case IP_DST:
		return ip == 4 || is_arp(f);
	case DST6_LO:
		return ip == 6;
	case LABEL:
	case TC:
	case BOS:
		return is_mpls(f);
	case ISID:
		return is_pbb(f);
	default:
		return true;
	}
}

static void put_bits(uint8_t *at, unsigned size, unsigned shift, unsigned bits, uint64_t value)
{
	uint64_t mask = ones(bits) << shift;

	put(at, size, (get(at, size) & ~mask) | (value << shift & mask));
}

static void set(struct frame *f, enum kind kind, uint64_t value)
{
	uint8_t *b = f->bytes, *n = b + l3(f);
	bool six = ip_of(f) == 6, arp = is_arp(f);

	if (!has(f, kind))
		return;
	switch ((int)kind) {
	case DST:
		put(b, 6, value);
		break;
	case SRC:
		put(b + 6, 6, value);
		break;
	case TYPE:
		put(n - 2, 2, value);
		break;
	case VID:
		put_bits(b + 14, 2, 0, 12, value);
		break;
	case PCP:
		put_bits(b + 14, 2, 13, 3, value);
		break;
	case DSCP:
		put_bits(n, 2, six ? 6 : 2, 6, value);
		break;
	case IP_SRC:
		put(n + (arp ? 14 : 12), 4, value);
		break;
	case IP_DST:
		put(n + (arp ? 24 : 16), 4, value);
		break;
	case SPORT:
		put(n + (six ? 40 : 20), 2, value);
		break;
	case DPORT:
		put(n + (six ? 42 : 22), 2, value);
		break;
	case DST6_LO:
		put(n + 32, 8, value);
		break;
	case LABEL:
		put_bits(n, 4, 12, 20, value);
		break;
	case TC:
		put_bits(n, 4, 9, 3, value);
		break;
	case BOS:
		put_bits(n, 4, 8, 1, value);
		break;
	case ISID:
		put(n + 1, 3, value);
		break;
	default:
		abort();
	}
	if (kind != TYPE)
		sum_up(f);
}

static void insert(struct frame *f, unsigned at, unsigned n)
{
	assert_true(f->size + n <= FRAME_MAX);
	memmove(f->bytes + at + n, f->bytes + at, f->size - at);
	memset(f->bytes + at, 0, n);
	f->size += n;
}

static void cut(struct frame *f, unsigned at, unsigned n)
{
	memmove(f->bytes + at, f->bytes + at + n, f->size - at - n);
	f->size -= n;
}

static void push(struct frame *f)
{
	uint64_t tci = is_tagged(f) ? get(f->bytes + 14, 2) : 0;

	insert(f, 12, 4);
	put(f->bytes + 12, 2, 0x8100);
	put(f->bytes + 14, 2, tci);
}

static void pop(struct frame *f)
{
	if (is_tagged(f))
		cut(f, 12, 4);
}

static void push_mpls(struct frame *f)
{
	unsigned at = l3(f), ip = ip_of(f);
	uint64_t lse = 0x100;

	if (is_mpls(f))
		lse = get(f->bytes + at, 4) & ~UINT64_C(0x100);
	else if (ip != 0)
		lse |= f->bytes[at + (ip == 4 ? 8 : 7)];
	insert(f, at, 4);
	put(f->bytes + at, 4, lse);
	put(f->bytes + at - 2, 2, 0x8847);
}

static void pop_mpls(struct frame *f, uint64_t type)
{
	if (!is_mpls(f))
		return;
	cut(f, l3(f), 4);
	put(f->bytes + l3(f) - 2, 2, type);
}

static void push_pbb(struct frame *f)
{
	uint64_t isid = is_pbb(f) ? get(f->bytes + l3(f) + 1, 3) : 0;
	uint64_t pcp = is_tagged(f) ? get(f->bytes + 14, 2) >> 13 : 0;

	insert(f, 12, 18);
	put(f->bytes + 12, 2, 0x88e7);
	put(f->bytes + 14, 4, pcp << 29 | isid);
	memcpy(f->bytes + 18, f->bytes, 12);
}

static void pop_pbb(struct frame *f)
{
	unsigned at = l3(f);

	if (!is_pbb(f) || f->size < at + 18)
		return;
	memcpy(f->bytes, f->bytes + at + 4, 12);
	cut(f, at - 2, 18);
}

/* The TTL of the header at 'at': an MPLS entry's, or IP's of that version. */
static uint8_t *ttl_at(struct frame *f, unsigned at, unsigned ip)
{
	return f->bytes + at + (ip == 4 ? 8 : ip == 6 ? 7 : 3);
}

/* MPLS in MPLS and IP in MPLS (no packet has IP in IP). */
static void copy_ttl(struct frame *f, bool out)
{
	unsigned at = l3(f), ip = 0;
	uint8_t *outer = ttl_at(f, at, 0), *inner;

	if (!is_mpls(f))
		return;
	if ((get(f->bytes + at, 4) & 0x100) != 0) {
		ip = is_ip_at(f, at + 4, 4) ? 4 : is_ip_at(f, at + 4, 6) ? 6 : 0;
		if (ip == 0)
			return;
	} else if (f->size < at + 8) {
		return;
	}
	inner = ttl_at(f, at + 4, ip);
	*(out ? outer : inner) = *(out ? inner : outer);
	if (ip == 4)
		sum_ipv4(f->bytes + at + 4);
}

/* ---- The simple switch: rules ---- */

struct walk {
	struct frame f;
	uint32_t size;	       /* as it came */
	unsigned in;	       /* index of the port */
	bool dead;	       /* its TTL ended */
	uint64_t meta, cookie; /* of the rule that the frame came to last */
	struct acts set;
};

static void out(struct walk *k, unsigned to)
{
	if (k->dead)
		return;
	assert_true(n_expected[to] < MAX_OUT);
	expected[to][n_expected[to]++] = k->f;
}

/* What controllers are told beside the frame, as bytes behind it. */
static void add_told(struct frame *f, unsigned in_port, uint64_t cookie)
{
	assert_true(f->size + 10 <= FRAME_MAX);
	put(f->bytes + f->size, 8, cookie);
	put(f->bytes + f->size + 8, 2, in_port);
	f->size += 10;
}

static void out_controller(struct walk *k)
{
	out(k, CONTROLLER);
	if (!k->dead)
		add_told(&expected[CONTROLLER][n_expected[CONTROLLER] - 1], OF_PORT(k->in),
			 k->cookie);
}

static void ttl(struct walk *k, const struct act *a)
{
	bool of_mpls = a->type == DEC_MPLS_TTL || a->type == SET_MPLS_TTL;
	unsigned ip = ip_of(&k->f);
	uint8_t *b = ttl_at(&k->f, l3(&k->f), ip);

	if (of_mpls ? !is_mpls(&k->f) : ip == 0)
		return;
	if (a->type == SET_TTL || a->type == SET_MPLS_TTL)
		*b = (uint8_t)a->v;
	else if (*b <= 1)
		k->dead = true;
	else
		--*b;
	sum_up(&k->f);
}

/* Fields that are one kind here have the names of their protocols. */
static bool is_for(const struct act *a, const uint64_t *v)
{
	if (a->kind == SPORT || a->kind == DPORT)
		return v[PROTO] == a->proto;
	return (a->kind != IP_SRC && a->kind != IP_DST) || v[TYPE] == a->eth_type;
}

static bool same_field(const struct act *a, const struct act *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == SPORT || a->kind == DPORT)
		return a->proto == b->proto;
	return (a->kind != IP_SRC && a->kind != IP_DST) || a->eth_type == b->eth_type;
}

static void to_group(struct walk *k, struct group *g);

static void act(struct walk *k, const struct act *a)
{
	uint64_t v[N_KINDS];

	switch (a->type) {
	case OUT:
		if (a->v != k->in && a->v < N_PORTS)
			out(k, (unsigned)a->v);
		break;
	case OUT_IN_PORT:
		out(k, k->in);
		break;
	case OUT_CONTROLLER:
		out_controller(k);
		break;
	case OUT_FLOOD:
		for (unsigned i = 0; i < N_PORTS; i++)
			if (i != k->in)
				out(k, i);
		break;
	case SET:
		look(&k->f, 0, 0, v);
		if (is_for(a, v))
			set(&k->f, a->kind, (v[a->kind] & ~a->m) | a->v);
		break;
	case PUSH:
		push(&k->f);
		break;
	case POP:
		pop(&k->f);
		break;
	case PUSH_MPLS:
		push_mpls(&k->f);
		break;
	case POP_MPLS:
		pop_mpls(&k->f, a->v);
		break;
	case PUSH_PBB:
		push_pbb(&k->f);
		break;
	case POP_PBB:
		pop_pbb(&k->f);
		break;
	case COPY_OUT:
	case COPY_IN:
		copy_ttl(&k->f, a->type == COPY_OUT);
		break;
	case DEC_TTL:
	case SET_TTL:
	case DEC_MPLS_TTL:
	case SET_MPLS_TTL:
		ttl(k, a);
		break;
	case MOVE_MAC:
		look(&k->f, 0, 0, v);
		set(&k->f, DST, v[SRC]);
		break;
	case MOVE_IP:
		look(&k->f, 0, 0, v);
		set(&k->f, IP_DST, (v[IP_DST] & 0xffff0000) | (v[IP_SRC] & 0xffff));
		break;
	case GROUP:
		to_group(k, &groups[a->v]);
		break;
	}
}

/* 5.10: one of each type, and a set-field of each field; the last one written counts. */
static void write_set(struct walk *k, const struct act *a)
{
	unsigned i;
	bool is_out = a->type <= OUT_FLOOD;

	for (i = 0; i < k->set.n; i++) {
		const struct act *old = &k->set.v[i];

		if (is_out ? old->type <= OUT_FLOOD
			   : old->type == a->type && (a->type != SET || same_field(old, a)))
			break;
	}
	assert_true(i < MAX_SET);
	k->set.v[i] = *a;
	if (i == k->set.n)
		k->set.n++;
}

/* 5.10; where a step has several actions, in the order of their numbers. */
#define LAST_OF_SET 14
static int order(const struct act *a)
{
	static const int orders[] = {[COPY_IN] = 1,
				     [POP_PBB] = 2,
				     [POP_MPLS] = 3,
				     [POP] = 4,
				     [PUSH_MPLS] = 5,
				     [PUSH_PBB] = 6,
				     [PUSH] = 7,
				     [COPY_OUT] = 8,
				     [DEC_MPLS_TTL] = 9,
				     [SET_MPLS_TTL] = 10,
				     [DEC_TTL] = 11,
				     [SET_TTL] = 12,
				     [SET] = 13,
				     [OUT] = LAST_OF_SET,
				     [OUT_IN_PORT] = LAST_OF_SET,
				     [OUT_CONTROLLER] = LAST_OF_SET,
				     [OUT_FLOOD] = LAST_OF_SET,
				     [GROUP] = LAST_OF_SET};

	return orders[a->type];
}

/* A group is instead of an output. */
static void execute_set(struct walk *k)
{
	bool has_group = false;

	for (unsigned i = 0; i < k->set.n; i++)
		has_group = has_group || k->set.v[i].type == GROUP;
	for (int at = 1; at <= LAST_OF_SET; at++)
		for (unsigned i = 0; i < k->set.n; i++)
			if (order(&k->set.v[i]) == at &&
			    !(has_group && k->set.v[i].type <= OUT_FLOOD))
				act(k, &k->set.v[i]);
}

/* 5.6.  Nothing watches what is not there. */
static bool is_live(const struct bucket *b)
{
	if (b->watch_port < 0 && b->watch_group < 0)
		return true;
	if (b->watch_port >= 0 && !port_dead[b->watch_port])
		return true;
	for (unsigned i = 0; b->watch_group >= 0 && i < groups[b->watch_group].n; i++)
		if (groups[b->watch_group].live && is_live(&groups[b->watch_group].v[i]))
			return true;
	return false;
}

/* On a copy of its own. */
static void to_bucket(const struct walk *k, struct bucket *b)
{
	struct walk copy = *k;

	b->packets++;
	copy.set.n = 0;
	for (unsigned i = 0; i < b->acts.n; i++)
		write_set(&copy, &b->acts.v[i]);
	execute_set(&copy);
}

/* Which bucket of a select group it is, is the switch's choice: those of ours do the same. */
static void to_group(struct walk *k, struct group *g)
{
	g->packets++;
	g->bytes += k->size;
	for (unsigned i = 0; i < g->n; i++) {
		struct bucket *b = &g->v[i];

		if (g->type == OFPGT_FF && !is_live(b))
			continue;
		if (g->type == OFPGT_SELECT && (b->weight == 0 || !is_live(b)))
			continue;
		to_bucket(k, b);
		if (g->type != OFPGT_ALL)
			break;
	}
}

static struct rule *best(unsigned table, const uint64_t *v)
{
	struct rule *found = NULL;

	for (unsigned i = 0; i < MAX_RULES; i++) {
		struct rule *x = &rules[i];
		bool fits = x->live && x->table == table;

		for (unsigned k = 0; fits && k < N_KINDS; k++)
			fits = ((v[k] ^ x->match.v[k]) & x->match.m[k]) == 0;
		if (fits && (found == NULL || x->priority > found->priority))
			found = x;
	}
	return found;
}

static void reference(unsigned in, const struct frame *f)
{
	struct walk k = {.f = *f, .size = f->size, .in = in};
	int table = 0;

	while (table >= 0) {
		uint64_t v[N_KINDS];
		struct rule *x;

		look(&k.f, OF_PORT(in), k.meta, v);
		x = best((unsigned)table, v);
		if (x == NULL)
			return; /* 5.4: dropped, and with it the set */
		k.cookie = x->cookie;
		x->packets++;
		x->bytes += f->size;
		for (unsigned i = 0; i < x->apply.n; i++)
			act(&k, &x->apply.v[i]);
		if (x->clear)
			k.set.n = 0;
		for (unsigned i = 0; i < x->write.n; i++)
			write_set(&k, &x->write.v[i]);
		k.meta = (k.meta & ~x->meta_mask) | x->meta;
		table = x->go_to;
	}
	execute_set(&k);
}

/* ---- Chance ---- */

static uint64_t some(enum kind kind)
{
	static const uint64_t ports[] = {80, 81, 1000, 1003};

	switch ((int)kind) {
	case IN_PORT:
		return OF_PORT(r(N_PORTS));
	case DST:
	case SRC:
		return UINT64_C(0x020000000000) + r(4);
	case VID:
		return VLAN_IS_THERE + 5 + r(3);
	case PCP:
		return r(8);
	case DSCP:
		return r(4) * 9;
	case IP_SRC:
	case IP_DST:
		return 0x0a000000 + (r(2) << 8) + r(4);
	case SPORT:
	case DPORT:
		return ports[r(4)];
	case SRC6_HI:
	case DST6_HI:
		return UINT64_C(0xfd00000000000000);
	case SRC6_LO:
	case DST6_LO:
		return 1 + r(3);
	case LABEL:
		return r(4);
	case TC:
		return r(8);
	case BOS:
		return r(2);
	case ISID:
		return r(3);
	case META:
		return r(4);
	default:
		abort();
	}
}

static void want(struct match *m, enum kind kind, uint64_t v, uint64_t mask)
{
	m->v[kind] = v & mask;
	m->m[kind] = mask;
}

/* A mask for one of 'some()': often all of it, else bits among those that differ. */
static uint64_t some_mask(enum kind kind)
{
	uint64_t all = ones(bits_of[kind]);

	if (r(2) == 0 || kind == IN_PORT || kind == PCP || kind == DSCP || kind == SRC6_HI ||
	    kind == TC || kind == BOS || kind == LABEL)
		return all;
	if (r(3) == 0) /* a prefix */
		return all & ~ones((unsigned)r(10));
	return 1 + r(3) + (kind == IP_SRC || kind == IP_DST ? r(2) << 8 : 0);
}

static void maybe(struct match *m, enum kind kind, unsigned one_in)
{
	if (r(one_in) == 0)
		want(m, kind, some(kind), some_mask(kind));
}

static struct match some_match(unsigned table)
{
	struct match m = {0};
	unsigned layer = (unsigned)r(10);

	maybe(&m, IN_PORT, 5);
	maybe(&m, DST, 6);
	maybe(&m, SRC, 8);
	if (table > 0)
		maybe(&m, META, 3);
	switch (r(6)) {
	case 0:
		want(&m, VID, 0, 0x1fff);
		break;
	case 1:
		want(&m, VID, VLAN_IS_THERE, VLAN_IS_THERE);
		maybe(&m, PCP, 3);
		break;
	case 2:
		want(&m, VID, some(VID), 0x1fff);
		maybe(&m, PCP, 3);
		break;
	default:
		break;
	}
	if (layer == 0)
		return m;
	if (layer == 5) {
		want(&m, TYPE, 0x0806, 0xffff);
		maybe(&m, IP_SRC, 2);
		maybe(&m, IP_DST, 2);
		return m;
	}
	if (layer >= 8) {
		want(&m, TYPE, 0x88e7, 0xffff);
		maybe(&m, ISID, 3);
		return m;
	}
	if (layer >= 6) {
		want(&m, TYPE, 0x8847, 0xffff);
		maybe(&m, LABEL, 3);
		maybe(&m, TC, 8);
		maybe(&m, BOS, 3);
		return m;
	}
	want(&m, TYPE, layer == 4 ? 0x86dd : 0x0800, 0xffff);
	maybe(&m, DSCP, 6);
	if (layer == 4) {
		if (r(2) == 0)
			want(&m, SRC6_LO, some(SRC6_LO), some_mask(SRC6_LO));
		maybe(&m, DST6_LO, 2);
	} else {
		maybe(&m, IP_SRC, 2);
		maybe(&m, IP_DST, 2);
	}
	if (r(2) == 0) {
		want(&m, PROTO, r(2) == 0 ? 6 : 17, 0xff);
		maybe(&m, SPORT, 3);
		maybe(&m, DPORT, 2);
	}
	return m;
}

static bool is_ip(const struct match *m)
{
	return m->v[TYPE] == 0x0800 || m->v[TYPE] == 0x86dd;
}

/* A field whose header packets have of which so much is known. */
static enum kind settable(const struct match *m)
{
	enum kind any[12] = {DST, SRC};
	unsigned n = 2;

	if ((m->v[VID] & VLAN_IS_THERE) != 0) {
		any[n++] = VID;
		any[n++] = PCP;
	}
	if (is_ip(m))
		any[n++] = DSCP;
	if (m->v[TYPE] == 0x0800 || m->v[TYPE] == 0x0806) {
		any[n++] = IP_SRC;
		any[n++] = IP_DST;
	}
	if (m->v[TYPE] == 0x86dd)
		any[n++] = DST6_LO;
	if (m->v[TYPE] == 0x8847) {
		any[n++] = LABEL;
		any[n++] = TC;
		any[n++] = BOS;
	}
	if (m->v[TYPE] == 0x88e7)
		any[n++] = ISID;
	if (m->v[PROTO] != 0) {
		any[n++] = SPORT;
		any[n++] = DPORT;
	}
	return any[r(n)];
}

static struct act some_out(void)
{
	unsigned id = (unsigned)r(N_GROUPS);

	if (r(6) == 0 && groups[id].live)
		return (struct act){.type = GROUP, .v = id};
	switch (r(8)) {
	case 0:
		return (struct act){.type = OUT_IN_PORT};
	case 1:
		return (struct act){.type = OUT_FLOOD};
	case 2:
		return (struct act){.type = OUT_CONTROLLER};
	default:
		/* One in some is a port that is not there. */
		return (struct act){.type = OUT, .v = r(N_PORTS * 8 + 1) / 8};
	}
}

static void add_act(struct acts *acts, struct act a)
{
	acts->v[acts->n++] = a;
}

static void new_type(struct match *now, uint64_t type)
{
	now->v[TYPE] = type;
	now->v[PROTO] = 0;
}

static void add_push(struct acts *acts, struct match *now)
{
	add_act(acts, (struct act){.type = PUSH});
	/* Nobody carries VLAN 0: a tag gets its number at once. */
	add_act(acts, (struct act){.type = SET, .kind = VID, .v = some(VID), .m = 0x1fff});
	now->v[VID] = VLAN_IS_THERE;
}

/* Headers come and go; 'now' is what is known of packets then.  In the order of an action set. */
static void some_headers(struct acts *acts, struct match *now, unsigned table, unsigned one_in)
{
	static const uint16_t below[] = {0x0800, 0x0800, 0x0800, 0x86dd, 0x8847, 0x8847, 0x0806};

	if (now->v[TYPE] == 0x88e7 && r(one_in) == 0) {
		add_act(acts, (struct act){.type = POP_PBB});
		new_type(now, 0);
	}
	if (now->v[TYPE] == 0x8847 && r(one_in) == 0) {
		uint64_t type = below[r(7)];

		add_act(acts, (struct act){.type = POP_MPLS, .v = type});
		new_type(now, type);
	}
	if (r(2 * one_in) == 0) {
		add_act(acts, (struct act){.type = POP});
		now->v[VID] = 0;
	}
	if (r(3 * one_in) == 0) {
		add_act(acts, (struct act){.type = PUSH_MPLS});
		new_type(now, 0x8847);
	}
	/* Room before a frame ends somewhere. */
	if (table < 2 && r(4 * one_in) == 0) {
		add_act(acts, (struct act){.type = PUSH_PBB});
		new_type(now, 0x88e7);
		now->v[VID] = 0;
	}
	if (r(2 * one_in) == 0)
		add_push(acts, now);
}

static struct act some_ttl(const struct match *now, bool as_set)
{
	if (now->v[TYPE] == 0x8847 && r(2) == 0)
		return (struct act){.type = r(2) == 0 ? COPY_OUT : COPY_IN};
	if (now->v[TYPE] == 0x8847)
		return r(4) != 0 ? (struct act){.type = DEC_MPLS_TTL}
				 : (struct act){.type = SET_MPLS_TTL, .v = 1 + r(3)};
	if (is_ip(now))
		return r(4) != 0 ? (struct act){.type = DEC_TTL}
				 : (struct act){.type = SET_TTL, .v = 1 + r(3)};
	return some_out();
}

static struct act some_set(struct match *now, bool as_set)
{
	static const uint16_t types[] = {0x0800, 0x86dd, 0x0806, 0x8847, 0x88b5};
	struct act a = {.type = SET, .kind = settable(now)};

	if (!as_set && r(12) == 0) {
		a.kind = TYPE;
		a.v = types[r(5)];
		a.m = 0xffff;
		new_type(now, a.v);
		return a;
	}
	a.m = ones(bits_of[a.kind]);
	if (!as_set && r(3) == 0 && a.kind != VID && a.kind != PCP && a.kind != DSCP &&
	    a.kind != TC && a.kind != BOS && a.kind != LABEL)
		a.m = 1 + r(3);
	a.v = some(a.kind) & a.m;
	return a;
}

/* Lists for packets of 'now', which follows what they do. */
static void some_acts(struct acts *acts, struct match *now, unsigned table, bool as_set)
{
	unsigned n = (unsigned)r(MAX_ACTS);

	if (as_set)
		some_headers(acts, now, table, 3);
	for (unsigned i = 0; i < n && acts->n < MAX_SET - 10; i++) {
		struct match known = *now;
		unsigned first = acts->n;
		uint64_t which = r(10);

		if (which < 3)
			add_act(acts, some_set(now, as_set));
		else if (which == 3 && !as_set)
			some_headers(acts, now, i == 3 ? table : 9, 2);
		else if (which == 4)
			add_act(acts, some_ttl(now, as_set));
		else if (which == 5 && !as_set && now->v[TYPE] == 0x0800)
			add_act(acts, (struct act){.type = MOVE_IP});
		else if (which == 5 && !as_set)
			add_act(acts, (struct act){.type = MOVE_MAC});
		else
			add_act(acts, some_out());
		for (unsigned k = first; k < acts->n; k++) {
			acts->v[k].eth_type = known.v[TYPE];
			acts->v[k].proto = known.v[PROTO];
		}
	}
}

static void some_instrs(struct rule *x)
{
	struct match now = x->match;

	x->apply.n = x->write.n = 0;
	if (r(4) != 0)
		some_acts(&x->apply, &now, x->table, false);
	x->clear = r(8) == 0;
	x->has_write = r(2) == 0;
	if (x->has_write)
		some_acts(&x->write, &now, x->table, true);
	x->meta_mask = r(3) == 0 ? 1 + r(3) : 0;
	x->meta = r(4) & x->meta_mask;
	x->go_to = x->table + 1 < N_TABLES && r(3) != 0
			   ? x->table + 1 + (int)r(N_TABLES - 1u - x->table)
			   : -1;
}

/* ---- As text ---- */

struct text {
	size_t n;
	char s[TEXT_MAX];
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(t->s + t->n, sizeof(t->s) - t->n, format, ap);
	va_end(ap);
	assert_true(n >= 0 && t->n + (size_t)n < sizeof(t->s));
	t->n += (size_t)n;
}

static void say_value(struct text *t, enum kind kind, uint64_t v)
{
	switch ((int)kind) {
	case DST:
	case SRC:
		for (int i = 5; i >= 0; i--)
			say(t, "%02x%s", (unsigned)(v >> (8 * i)) & 0xff, i != 0 ? ":" : "");
		break;
	case IP_SRC:
	case IP_DST:
		say(t, "%u.%u.%u.%u", (unsigned)(v >> 24) & 0xff, (unsigned)(v >> 16) & 0xff,
		    (unsigned)(v >> 8) & 0xff, (unsigned)v & 0xff);
		break;
	case SRC6_LO:
	case DST6_LO:
		say(t, "::%x:%x:%x:%x", (unsigned)(v >> 48) & 0xffff, (unsigned)(v >> 32) & 0xffff,
		    (unsigned)(v >> 16) & 0xffff, (unsigned)v & 0xffff);
		break;
	default:
		say(t, "0x%llx", (unsigned long long)v);
	}
}

static const char *name_of(enum kind kind, const struct match *m)
{
	bool arp = m->v[TYPE] == 0x0806, tcp = m->v[PROTO] == 6;

	switch ((int)kind) {
	case IN_PORT:
		return "in_port";
	case DST:
		return "eth_dst";
	case SRC:
		return "eth_src";
	case VID:
		return "vlan_vid";
	case PCP:
		return "vlan_pcp";
	case DSCP:
		return "ip_dscp";
	case IP_SRC:
		return arp ? "arp_spa" : "nw_src";
	case IP_DST:
		return arp ? "arp_tpa" : "nw_dst";
	case SPORT:
		return tcp ? "tcp_src" : "udp_src";
	case DPORT:
		return tcp ? "tcp_dst" : "udp_dst";
	case SRC6_LO:
		return "ipv6_src";
	case DST6_LO:
		return "ipv6_dst";
	case TYPE:
		return "eth_type";
	case LABEL:
		return "mpls_label";
	case TC:
		return "mpls_tc";
	case BOS:
		return "mpls_bos";
	case ISID:
		return "pbb_isid";
	case META:
		return "metadata";
	default:
		abort();
	}
}

static void say_match(struct text *t, const struct match *m)
{
	if (m->m[TYPE] != 0)
		say(t, "eth_type=0x%x,", (unsigned)m->v[TYPE]);
	if (m->m[PROTO] != 0)
		say(t, "ip_proto=%u,", (unsigned)m->v[PROTO]);
	for (enum kind k = 0; k < N_KINDS; k++) {
		if (m->m[k] == 0 || k == TYPE || k == PROTO)
			continue;
		say(t, "%s=", name_of(k, m));
		if (k == IN_PORT || k == PCP || k == DSCP || k == TC || k == BOS)
			say(t, "%u", (unsigned)m->v[k]);
		else
			say_value(t, k, m->v[k]);
		if (m->m[k] != ones(bits_of[k]) || k == SRC6_LO || k == DST6_LO) {
			say(t, "/");
			say_value(t, k, m->m[k]);
		}
		say(t, ",");
	}
}

static void say_act(struct text *t, const struct act *a)
{
	const struct match m = {.v = {[TYPE] = a->eth_type, [PROTO] = a->proto}};

	switch (a->type) {
	case OUT:
		say(t, "output:%u,", OF_PORT((unsigned)a->v));
		break;
	case OUT_IN_PORT:
		say(t, "IN_PORT,");
		break;
	case OUT_CONTROLLER:
		say(t, "controller:65535,");
		break;
	case OUT_FLOOD:
		say(t, "FLOOD,");
		break;
	case GROUP:
		say(t, "group:%u,", (unsigned)a->v);
		break;
	case SET:
		say(t, "set_field:");
		say_value(t, a->kind, a->v);
		if (a->m != ones(bits_of[a->kind]) || a->kind == DST6_LO) {
			say(t, "/");
			say_value(t, a->kind, a->m);
		}
		say(t, "->%s,", name_of(a->kind, &m));
		break;
	case PUSH:
		say(t, "push_vlan:0x8100,");
		break;
	case POP:
		say(t, "pop_vlan,");
		break;
	case PUSH_MPLS:
		say(t, "push_mpls:0x8847,");
		break;
	case POP_MPLS:
		say(t, "pop_mpls:0x%04x,", (unsigned)a->v);
		break;
	case PUSH_PBB:
		say(t, "push_pbb:0x88e7,");
		break;
	case POP_PBB:
		say(t, "pop_pbb,");
		break;
	case DEC_MPLS_TTL:
		say(t, "dec_mpls_ttl,");
		break;
	case SET_MPLS_TTL:
		say(t, "set_mpls_ttl:%u,", (unsigned)a->v);
		break;
	case COPY_OUT:
		say(t, "copy_ttl_out,");
		break;
	case COPY_IN:
		say(t, "copy_ttl_in,");
		break;
	case DEC_TTL:
		say(t, "dec_ttl,");
		break;
	case SET_TTL:
		say(t, "mod_nw_ttl:%u,", (unsigned)a->v);
		break;
	case MOVE_MAC:
		say(t, "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],");
		break;
	case MOVE_IP:
		say(t, "move:NXM_OF_IP_SRC[0..15]->NXM_OF_IP_DST[0..15],");
		break;
	}
}

static void say_instrs(struct text *t, const struct rule *x)
{
	say(t, "actions=");
	for (unsigned i = 0; i < x->apply.n; i++)
		say_act(t, &x->apply.v[i]);
	if (x->clear)
		say(t, "clear_actions,");
	if (x->has_write && x->write.n != 0) {
		say(t, "write_actions(");
		for (unsigned i = 0; i < x->write.n; i++)
			say_act(t, &x->write.v[i]);
		t->s[t->n - 1] = ')';
		say(t, ",");
	}
	if (x->meta_mask != 0)
		say(t, "write_metadata:0x%llx/0x%llx,", (unsigned long long)x->meta,
		    (unsigned long long)x->meta_mask);
	if (x->go_to >= 0)
		say(t, "goto_table:%d,", x->go_to);
	if (t->s[t->n - 1] == ',')
		t->s[--t->n] = '\0';
	else
		say(t, "drop");
}

/* ---- Changes ---- */

static struct rule *free_place(void)
{
	for (unsigned i = 0; i < MAX_RULES; i++)
		if (!rules[i].live)
			return &rules[i];
	return NULL;
}

static struct rule *some_rule(void)
{
	unsigned from = (unsigned)r(MAX_RULES);

	for (unsigned i = 0; i < MAX_RULES; i++)
		if (rules[(from + i) % MAX_RULES].live)
			return &rules[(from + i) % MAX_RULES];
	return NULL;
}

static void tell(const struct text *t, uint8_t command)
{
	struct of_text_error err = {0};
	struct of_flow_mod mod;
	enum of_error error;

	if (getenv("FLOW_SHOW") != NULL)
		print_message("%u %s\n", command, t->s);
	if (of_text_flow_parse(t->s, 1, command, NULL, &mod, &err) != 0)
		fail_msg("seed %llu: %s: %u: %s", (unsigned long long)seed, t->s, err.column,
			 err.what);
	error = vs_flows_mod(flows, &mod);
	of_flow_mod_fini(&mod);
	if (error != OF_OK)
		fail_msg("seed %llu: %s: %s", (unsigned long long)seed, t->s, of_error_text(error));
}

static bool priority_taken(unsigned table, uint16_t priority)
{
	for (unsigned i = 0; i < MAX_RULES; i++)
		if (rules[i].live && rules[i].table == table && rules[i].priority == priority)
			return true;
	return false;
}

static void add_rule(void)
{
	struct rule *x = free_place(), new = {.live = true};
	struct text t = {0};

	if (x == NULL)
		return;
	new.table = (uint8_t)r(N_TABLES);
	do
		new.priority = (uint16_t)r(1000);
	while (priority_taken(new.table, new.priority));
	new.match = some_match(new.table);
	new.cookie = ++last_cookie;
	some_instrs(&new);
	*x = new;
	say(&t, "table=%u,priority=%u,cookie=%llu,", new.table, new.priority,
	    (unsigned long long)new.cookie);
	say_match(&t, &new.match);
	say_instrs(&t, &new);
	tell(&t, OFPFC_ADD);
}

/* The same match and priority again: other instructions, counters go on or start anew. */
static void replace_rule(void)
{
	struct rule *x = some_rule();
	struct text t = {0};
	bool reset = r(3) == 0;

	if (x == NULL)
		return;
	some_instrs(x);
	x->cookie = ++last_cookie;
	if (reset)
		x->packets = x->bytes = 0;
	say(&t, "table=%u,priority=%u,cookie=%llu,%s", x->table, x->priority,
	    (unsigned long long)x->cookie, reset ? "reset_counts," : "");
	say_match(&t, &x->match);
	say_instrs(&t, x);
	tell(&t, OFPFC_ADD);
}

static void modify_rule(void)
{
	struct rule *x = some_rule();
	struct text t = {0};

	if (x == NULL)
		return;
	some_instrs(x);
	say(&t, "table=%u,priority=%u,", x->table, x->priority);
	say_match(&t, &x->match);
	say_instrs(&t, x);
	tell(&t, OFPFC_MODIFY_STRICT);
}

static void delete_strict(void)
{
	struct rule *x = some_rule();
	struct text t = {0};

	if (x == NULL)
		return;
	say(&t, "table=%u,priority=%u,", x->table, x->priority);
	say_match(&t, &x->match);
	t.s[--t.n] = '\0';
	tell(&t, OFPFC_DELETE_STRICT);
	x->live = false;
}

/* Every rule that is as narrow as one that exists, or narrower. */
static void delete_loose(void)
{
	struct rule *x = some_rule();
	struct text t = {0};
	struct match m;
	unsigned table;

	if (x == NULL)
		return;
	m = x->match;
	table = x->table;
	say(&t, "table=%u,", table);
	say_match(&t, &m);
	t.s[--t.n] = '\0';
	tell(&t, OFPFC_DELETE);
	for (unsigned i = 0; i < MAX_RULES; i++) {
		bool within = rules[i].live && rules[i].table == table;

		for (unsigned k = 0; within && k < N_KINDS; k++)
			within = (m.m[k] & ~rules[i].match.m[k]) == 0 &&
				 ((m.v[k] ^ rules[i].match.v[k]) & m.m[k]) == 0;
		if (within)
			rules[i].live = false;
	}
}

/* ---- Changes of groups ---- */

static bool is_chained(unsigned id)
{
	for (unsigned i = 0; i < N_GROUPS; i++)
		for (unsigned k = 0; groups[i].live && k < groups[i].n; k++)
			for (unsigned n = 0; n < groups[i].v[k].acts.n; n++)
				if (groups[i].v[k].acts.v[n].type == GROUP &&
				    groups[i].v[k].acts.v[n].v == id)
					return true;
	return false;
}

/* What any packet can take. */
static void some_bucket(struct bucket *b, unsigned id)
{
	unsigned leaf = (unsigned)r(N_LEAVES), n = (unsigned)r(4);

	*b = (struct bucket){.weight = (unsigned)r(4), .watch_port = -1, .watch_group = -1};
	if (r(3) != 0)
		b->watch_port = (int)r(N_PORTS);
	if (id >= N_LEAVES && r(4) == 0 && groups[leaf].live)
		b->watch_group = (int)leaf;
	for (unsigned i = 0; i < n; i++) {
		struct act a = {.type = SET, .kind = r(2) == 0 ? DST : SRC};

		a.m = r(2) == 0 ? ones(48) : 3;
		a.v = some(a.kind) & a.m;
		if (r(4) == 0)
			a = (struct act){.type = r(2) == 0 ? DEC_TTL : POP};
		add_act(&b->acts, a);
	}
	if (id >= N_LEAVES && r(3) == 0 && groups[leaf].live)
		add_act(&b->acts, (struct act){.type = GROUP, .v = leaf});
	if (r(6) != 0) {
		struct act a = some_out();

		if (a.type != GROUP)
			add_act(&b->acts, a);
	}
}

static void some_group(struct group *g, unsigned id)
{
	*g = (struct group){.live = true, .type = (enum of_group_type)r(OF_N_GROUP_TYPES)};
	g->n = g->type == OFPGT_INDIRECT ? 1 : 1 + (unsigned)r(N_BUCKETS);
	for (unsigned i = 0; i < g->n; i++) {
		struct bucket *b = &g->v[i];

		some_bucket(b, id);
		if (g->type == OFPGT_FF && b->watch_port < 0 && b->watch_group < 0)
			b->watch_port = (int)r(N_PORTS);
		if (g->type == OFPGT_SELECT)
			b->acts = g->v[0].acts;
	}
}

static void say_group(struct text *t, unsigned id, const struct group *g)
{
	static const char *const types[] = {[OFPGT_ALL] = "all",
					    [OFPGT_SELECT] = "select",
					    [OFPGT_INDIRECT] = "indirect",
					    [OFPGT_FF] = "ff"};

	say(t, "group_id=%u,type=%s", id, types[g->type]);
	for (unsigned i = 0; i < g->n; i++) {
		const struct bucket *b = &g->v[i];

		say(t, ",bucket=");
		if (g->type == OFPGT_SELECT)
			say(t, "weight:%u,", b->weight);
		if (b->watch_port >= 0)
			say(t, "watch_port:%u,", OF_PORT((unsigned)b->watch_port));
		if (b->watch_group >= 0)
			say(t, "watch_group:%u,", (unsigned)b->watch_group);
		say(t, "actions=");
		for (unsigned k = 0; k < b->acts.n; k++)
			say_act(t, &b->acts.v[k]);
		if (b->acts.n == 0)
			say(t, "drop,");
		t->s[--t->n] = '\0';
	}
}

static void tell_group(const struct text *t, uint16_t command)
{
	struct of_text_error err = {0};
	struct of_group_mod mod;
	enum of_error error;

	if (getenv("FLOW_SHOW") != NULL)
		print_message("group %u %s\n", command, t->s);
	if (of_text_group_parse(t->s, 1, command, NULL, &mod, &err) != 0)
		fail_msg("seed %llu: %s: %u: %s", (unsigned long long)seed, t->s, err.column,
			 err.what);
	error = vs_flows_group_mod(flows, &mod);
	of_group_fini(&mod.group);
	if (error != OF_OK)
		fail_msg("seed %llu: %s: %s", (unsigned long long)seed, t->s, of_error_text(error));
}

static bool names_group(const struct acts *acts, unsigned id)
{
	for (unsigned i = 0; i < acts->n; i++)
		if (acts->v[i].type == GROUP && acts->v[i].v == id)
			return true;
	return false;
}

static void delete_group(unsigned id)
{
	struct text t = {0};

	if (is_chained(id))
		return;
	say(&t, "group_id=%u", id);
	tell_group(&t, OFPGC_DELETE);
	groups[id].live = false;
	for (unsigned i = 0; i < MAX_RULES; i++)
		if (names_group(&rules[i].apply, id) ||
		    (rules[i].has_write && names_group(&rules[i].write, id)))
			rules[i].live = false;
}

static void change_group(void)
{
	unsigned id = (unsigned)r(N_GROUPS);
	struct text t = {0};
	bool there = groups[id].live;

	if (there && r(4) == 0) {
		delete_group(id);
		return;
	}
	some_group(&groups[id], id);
	say_group(&t, id, &groups[id]);
	tell_group(&t, there ? OFPGC_MODIFY : OFPGC_ADD);
}

/* A link goes down or comes up: no transaction. */
static void change_link(void)
{
	unsigned i = (unsigned)r(N_PORTS);

	port_dead[i] = !port_dead[i];
	if (getenv("FLOW_SHOW") != NULL)
		print_message("port %u %s\n", OF_PORT(i), port_dead[i] ? "down" : "up");
	vs_flows_port_live(flows, OF_PORT(i), !port_dead[i]);
}

static void change_one(void)
{
	if (r(5) == 0) {
		change_group();
		return;
	}
	switch (r(12)) {
	case 0:
		delete_strict();
		break;
	case 1:
		if (r(3) == 0)
			delete_loose();
		break;
	case 2:
		replace_rule();
		break;
	case 3:
		modify_rule();
		break;
	default:
		add_rule();
	}
}

static void change(unsigned n)
{
	bool give_up = r(6) == 0;

	memcpy(saved, rules, sizeof(rules));
	memcpy(saved_groups, groups, sizeof(groups));
	vs_flows_begin(flows);
	for (unsigned i = 0; i < n; i++)
		change_one();
	if (getenv("FLOW_SHOW") != NULL)
		print_message("%s\n", give_up ? "abort" : "commit");
	if (give_up) {
		vs_flows_abort(flows);
		memcpy(rules, saved, sizeof(rules));
		memcpy(groups, saved_groups, sizeof(groups));
	} else {
		vs_flows_commit(flows);
	}
	if (r(2) == 0)
		vs_flows_reap(flows);
}

/* ---- Traffic ---- */

static const char *some_mac(void)
{
	static const char *const macs[] = {"02:00:00:00:00:00", "02:00:00:00:00:01",
					   "02:00:00:00:00:02", "02:00:00:00:00:03"};

	return macs[r(4)];
}

/* An Ethernet header with tags, seldom three. */
static void some_l2(struct pkt *p)
{
	unsigned n = (unsigned)r(8);

	pkt_eth(p, some_mac(), some_mac());
	n = n < 4 ? 0 : n < 6 ? 1 : n < 7 || r(3) != 0 ? 2 : 3;
	while (n-- > 0)
		pkt_vlan(p, 0x8100, (uint16_t)(r(8) << 13 | (5 + r(3))));
}

/* I-TAGs and MPLS entries in front of what follows, seldom more than the key knows of. */
static void some_wrapping(struct pkt *p)
{
	static const unsigned depths[] = {0, 0, 0, 0, 1, 1, 1, 2, 2, 3};
	unsigned n_pbb = r(4) != 0 ? 0 : r(6) != 0 ? 1 : 2, n_mpls = depths[r(10)];

	while (n_pbb-- > 0) {
		pkt_pbb(p, (uint32_t)(r(8) << 29 | r(3)));
		some_l2(p);
	}
	while (n_mpls-- > 0)
		pkt_mpls(p, 0x8847,
			 (uint32_t)(r(4) << 12 | r(8) << 9 | (n_mpls == 0) << 8 | (1 + r(5))));
}

static void some_packet(struct frame *f)
{
	static struct pkt p;
	unsigned layer = (unsigned)r(6);
	char src[32], dst[32];

	pkt_init(&p);
	some_l2(&p);
	some_wrapping(&p);
	if (layer >= 4) {
		snprintf(src, sizeof(src), "fd00::%u", 1 + (unsigned)r(3));
		snprintf(dst, sizeof(dst), "fd00::%u", 1 + (unsigned)r(3));
		p.bytes[pkt_ipv6(&p, src, dst) + 7] = (uint8_t)(1 + r(5));
	} else {
		snprintf(src, sizeof(src), "10.0.%u.%u", (unsigned)r(2), (unsigned)r(4));
		snprintf(dst, sizeof(dst), "10.0.%u.%u", (unsigned)r(2), (unsigned)r(4));
		if (layer == 0)
			pkt_arp(&p, 1, src, dst);
		else
			p.bytes[pkt_ipv4(&p, src, dst) + 8] = (uint8_t)(1 + r(5));
	}
	if (layer != 0 && r(2) == 0)
		pkt_tcp(&p, (uint16_t)some(SPORT), (uint16_t)some(DPORT), PKT_ACK);
	else if (layer != 0)
		pkt_udp(&p, (uint16_t)some(SPORT), (uint16_t)some(DPORT));
	/* Enough that no row of pops comes to the end. */
	pkt_fill(&p, (layer == 0 ? 20 : 6 + (uint32_t)r(20)) + 60, (uint32_t)r(1000));
	pkt_finish(&p, 0);
	assert_true(p.size + 150 < FRAME_MAX);
	f->size = p.size;
	memcpy(f->bytes, p.bytes, p.size);
}

static void inject(unsigned from, const struct frame *f)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)f->size), f->bytes, f->size);
	assert_int_equal(dp_port_mem_inject(port[from], 0, &m, 1), 1);
	n_received++;
}

static void settle(void)
{
	for (int i = 0; i < 100000; i++) {
		const struct dp_count *t = dp_total_count(dp);
		uint64_t n_dropped = 0;

		dp_count_refresh(dp);
		for (unsigned k = 0; k < DP_N_DROPS; k++)
			n_dropped += t->drops_rx[k];
		if (t->rx_packets == n_received && t->forwarded == t->offered &&
		    t->rx_packets + t->copies == t->forwarded + t->punted + n_dropped)
			return;
		nanosleep(&(struct timespec){0, 20000}, NULL);
	}
	fail_msg("seed %llu: the worker did not take the frames", (unsigned long long)seed);
}

static int compare(const void *a, const void *b)
{
	const struct frame *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return memcmp(x->bytes, y->bytes, x->size);
}

static void show(const char *what, unsigned at, const struct frame *f)
{
	char hex[2 * FRAME_MAX + 1];

	for (unsigned i = 0; i < f->size; i++)
		snprintf(hex + 2 * i, 3, "%02x", f->bytes[i]);
	print_error("%s, port %u: %s\n", what, OF_PORT(at), hex);
}

static void on_punt(void *arg, const struct dp_punt *punt)
{
	struct frame *f = &got[CONTROLLER][n_got[CONTROLLER]++];

	assert_true(n_got[CONTROLLER] < MAX_OUT && punt->size <= FRAME_MAX);
	f->size = punt->size;
	memcpy(f->bytes, punt->data, punt->size);
	add_told(f, punt->what.in_port, punt->what.cookie);
}

static void collect(void)
{
	n_got[CONTROLLER] = 0;
	while (dp_punt_poll(dp, 64, on_punt, NULL) != 0)
		continue;

	for (unsigned i = 0; i < N_PORTS; i++) {
		struct rte_mbuf *m;

		n_got[i] = 0;
		while (dp_port_mem_collect(port[i], &m, 1) == 1) {
			struct frame *f = &got[i][n_got[i]++];
			const uint8_t *bytes;

			assert_true(n_got[i] < MAX_OUT && m->pkt_len <= FRAME_MAX);
			f->size = m->pkt_len;
			bytes = rte_pktmbuf_read(m, 0, f->size, f->bytes);
			if (bytes != f->bytes)
				memcpy(f->bytes, bytes, f->size);
			rte_pktmbuf_free(m);
		}
	}
}

/* Frames of one port are compared as a set: a burst may be carried in another order. */
static bool same_frames(void)
{
	bool same = true;

	for (unsigned i = 0; i < N_OUTS; i++) {
		unsigned a = 0, b = 0;

		qsort(expected[i], n_expected[i], sizeof(expected[i][0]), compare);
		qsort(got[i], n_got[i], sizeof(got[i][0]), compare);
		while (a < n_expected[i] || b < n_got[i]) {
			int order_is = a == n_expected[i] ? 1
				       : b == n_got[i]	  ? -1
							  : compare(&expected[i][a], &got[i][b]);

			if (order_is < 0)
				show("missing", i, &expected[i][a]);
			if (order_is > 0)
				show("too much", i, &got[i][b]);
			same = same && order_is == 0;
			a += order_is <= 0;
			b += order_is >= 0;
		}
	}
	return same;
}

struct tally {
	unsigned n;
	bool same;
};

static void compare_rule(const struct vs_rule *rule, void *arg)
{
	struct tally *tally = arg;
	struct dp_flow_counts counts;

	vs_rule_counts(flows, rule, &counts);
	tally->n++;
	for (unsigned i = 0; i < MAX_RULES; i++) {
		const struct rule *x = &rules[i];

		if (!x->live || x->table != rule->table || x->priority != rule->priority)
			continue;
		if (x->cookie == rule->cookie && x->packets == counts.packets &&
		    x->bytes == counts.bytes)
			return;
		print_error("table %u priority %u: %llu packets, %llu bytes; expected %llu, %llu\n",
			    x->table, x->priority, (unsigned long long)counts.packets,
			    (unsigned long long)counts.bytes, (unsigned long long)x->packets,
			    (unsigned long long)x->bytes);
		tally->same = false;
		return;
	}
	print_error("table %u priority %u should be gone\n", rule->table, rule->priority);
	tally->same = false;
}

static bool same_rules(void)
{
	const struct of_flow_filter all = {.table = OF_TABLE_ALL,
					   .out_port = OFPP_ANY,
					   .out_group = OF_GROUP_ANY};
	struct tally tally = {.same = true};
	unsigned n = 0;

	for (unsigned i = 0; i < MAX_RULES; i++)
		n += rules[i].live;
	vs_flows_each(flows, &all, compare_rule, &tally);
	return tally.same && tally.n == n;
}

/* The choice of a select group is not known, but who was chosen from. */
static bool same_buckets(const struct group *g, const struct vs_group *group)
{
	struct of_bucket_counter counters[N_BUCKETS];
	struct dp_flow_counts counts;
	uint64_t want = 0, have = 0;
	bool same = true;

	(void)vs_group_counts(flows, group, &counts, counters);
	for (unsigned i = 0; i < g->n; i++) {
		want += g->v[i].packets;
		have += counters[i].n_packets;
		same = same &&
		       (g->type == OFPGT_SELECT ? g->v[i].weight != 0 || counters[i].n_packets == 0
						: g->v[i].packets == counters[i].n_packets);
	}
	return same && want == have && counts.packets == g->packets && counts.bytes == g->bytes;
}

static bool same_groups(void)
{
	bool same = true;

	for (unsigned i = 0; i < N_GROUPS; i++) {
		const struct vs_group *group = vs_groups_now(vs_flows_groups(flows), i);

		if ((group != NULL) == groups[i].live &&
		    (group == NULL || same_buckets(&groups[i], group)))
			continue;
		print_error("group %u is not as it should be\n", i);
		same = false;
	}
	return same;
}

static void batch(unsigned round)
{
	bool frames_are;

	memset(n_expected, 0, sizeof(n_expected));
	for (unsigned i = 0; i < BATCH; i++) {
		const struct frame *f = &packets[r(N_PACKETS)];
		unsigned from = (unsigned)r(N_PORTS);

		if (getenv("FLOW_SHOW") != NULL)
			show("in", from, f);
		reference(from, f);
		inject(from, f);
	}
	settle();
	collect();
	frames_are = same_frames();
	if (!same_rules() || !same_groups() || !frames_are)
		fail_msg("FLOW_SEED=%llu, round %u", (unsigned long long)seed, round);
}

static void engine_does_what_the_specification_says(void **state)
{
	const char *rounds_text = getenv("FLOW_ROUNDS");
	unsigned rounds = rounds_text != NULL ? (unsigned)strtoul(rounds_text, NULL, 0) : 600;

	print_message("FLOW_SEED=%llu\n", (unsigned long long)seed);
	for (unsigned round = 0; round < rounds; round++) {
		if (round % 200 == 0) { /* another world */
			for (unsigned i = 0; i < N_PACKETS; i++)
				some_packet(&packets[i]);
			change(40);
		}
		if (r(3) != 0)
			change(1 + (unsigned)r(4));
		if (r(4) == 0)
			change_link();
		batch(round);
		batch(round);
	}
}

/* ---- A switch of four trunks that carry everything ---- */

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	free(view->domains[0]);
	free(view);
}

static void publish(bool with_ports)
{
	static const uint16_t all_ports[N_PORTS] = {0, 1, 2, 3};
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS, .n_domains = 1, .destroy = view_destroy};
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_vport *v = aligned_alloc(64, sizeof(*v));

		*v = (struct dp_vport){.port = with_ports ? port[i] : NULL,
				       .id = (uint16_t)i,
				       .flags = DP_VP_UP | DP_VP_FLOOD | DP_VP_FLOOD_GROUP |
						DP_VP_UNTAGGED_IN | DP_VP_TAGGED_IN | DP_VP_TAG_OUT,
				       .tpid_out = rte_cpu_to_be_16(0x8100),
				       .max_frame = 1514,
				       .of_port = (uint16_t)OF_PORT(i),
				       .pipeline = with_ports ? vs_flows_pipeline(flows) : NULL};
		memset(v->vlan_in, 0xff, sizeof(v->vlan_in));
		memset(v->vlan_out, 0xff, sizeof(v->vlan_out));
		view->vports[i] = v;
	}
	view->domains[0] = calloc(1, sizeof(*view->domains[0]));
	*view->domains[0] = (struct dp_domain){.n_ports = N_PORTS, .ports = all_ports};
	if (dp_view_publish(dp, view, &err) != 0)
		fail_msg("%s", err.what);
}

static int start(void **state)
{
	static const char *const names[N_PORTS] = {"p0", "p1", "p2", "p3"};
	const char *given = getenv("FLOW_SEED");
	struct timespec now;
	struct err err = {0};
	cpu_set_t cpus;
	unsigned cpu = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = given != NULL ? strtoull(given, NULL, 0)
			     : (uint64_t)now.tv_nsec + (uint64_t)now.tv_sec;
	rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	sched_getaffinity(0, sizeof(cpus), &cpus);
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &cpus))
		cpu++;
	dp = test_dp_create(4095);
	dp_punt_set_rate(dp, UINT32_MAX);
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_port_opts opts = {.name = names[i],
					    .kind = "mem",
					    .netns_fd = -1,
					    .n_queues = 1};

		if (dp_port_open(dp, &opts, &port[i], &err) != 0)
			return -1;
	}
	dp_set_max_sleep(dp, 50);
	if (dp_worker_add(dp, cpu, &err) != 0 || vs_flows_create(dp, NULL, NULL, &flows) != 0)
		return -1;
	for (unsigned i = 0; i < N_PORTS; i++)
		vs_flows_port(flows, OF_PORT(i), (uint16_t)i);
	publish(true);
	return 0;
}

static int finish(void **state)
{
	unsigned left;

	publish(false);
	for (unsigned i = 0; i < N_PORTS; i++)
		dp_port_close(port[i]);
	vs_flows_destroy(flows);
	left = test_dp_in_use(dp);
	test_dp_destroy(dp);
	return left == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(engine_does_what_the_specification_says),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
