/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ref_switch.h.
 */
#include "tests/support/ref_switch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/packet.h"

struct ref_switch ref;

/* ---- The simple switch: bytes ---- */

static uint64_t get(const uint8_t *b, unsigned n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *b++;
	return v;
}

void ref_put(uint8_t *b, unsigned n, uint64_t v)
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
	ref_put(n + 10, 2, 0);
	ref_put(n + 10, 2, (uint16_t)~pkt_fold(pkt_sum(n, 20, 0)));
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
	ref_put(sum, 2, 0);
	s = pkt_sum(n + addresses, head - addresses, 0) + proto + size;
	s = (uint16_t)~pkt_fold(pkt_sum(n + head, size, s));
	ref_put(sum, 2, proto == 17 && s == 0 ? 0xffff : s);
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
	uint64_t mask = ref_ones(bits) << shift;

	ref_put(at, size, (get(at, size) & ~mask) | (value << shift & mask));
}

static void set(struct frame *f, enum kind kind, uint64_t value)
{
	uint8_t *b = f->bytes, *n = b + l3(f);
	bool six = ip_of(f) == 6, arp = is_arp(f);

	if (!has(f, kind))
		return;
	switch ((int)kind) {
	case DST:
		ref_put(b, 6, value);
		break;
	case SRC:
		ref_put(b + 6, 6, value);
		break;
	case TYPE:
		ref_put(n - 2, 2, value);
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
		ref_put(n + (arp ? 14 : 12), 4, value);
		break;
	case IP_DST:
		ref_put(n + (arp ? 24 : 16), 4, value);
		break;
	case SPORT:
		ref_put(n + (six ? 40 : 20), 2, value);
		break;
	case DPORT:
		ref_put(n + (six ? 42 : 22), 2, value);
		break;
	case DST6_LO:
		ref_put(n + 32, 8, value);
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
		ref_put(n + 1, 3, value);
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
	ref_put(f->bytes + 12, 2, 0x8100);
	ref_put(f->bytes + 14, 2, tci);
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
	ref_put(f->bytes + at, 4, lse);
	ref_put(f->bytes + at - 2, 2, 0x8847);
}

static void pop_mpls(struct frame *f, uint64_t type)
{
	if (!is_mpls(f))
		return;
	cut(f, l3(f), 4);
	ref_put(f->bytes + l3(f) - 2, 2, type);
}

static void push_pbb(struct frame *f)
{
	uint64_t isid = is_pbb(f) ? get(f->bytes + l3(f) + 1, 3) : 0;
	uint64_t pcp = is_tagged(f) ? get(f->bytes + 14, 2) >> 13 : 0;

	insert(f, 12, 18);
	ref_put(f->bytes + 12, 2, 0x88e7);
	ref_put(f->bytes + 14, 4, pcp << 29 | isid);
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
	assert_true(ref.n_expected[to] < MAX_OUT);
	ref.expected[to][ref.n_expected[to]++] = k->f;
}

/* What controllers are told beside the frame, as bytes behind it. */
void ref_add_told(struct frame *f, unsigned in_port, uint64_t cookie)
{
	assert_true(f->size + 10 <= FRAME_MAX);
	ref_put(f->bytes + f->size, 8, cookie);
	ref_put(f->bytes + f->size + 8, 2, in_port);
	f->size += 10;
}

static void out_controller(struct walk *k)
{
	out(k, CONTROLLER);
	if (!k->dead)
		ref_add_told(&ref.expected[CONTROLLER][ref.n_expected[CONTROLLER] - 1],
			     OF_PORT(k->in), k->cookie);
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
		to_group(k, &ref.groups[a->v]);
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
	if (b->watch_port >= 0 && !ref.port_dead[b->watch_port])
		return true;
	for (unsigned i = 0; b->watch_group >= 0 && i < ref.groups[b->watch_group].n; i++)
		if (ref.groups[b->watch_group].live && is_live(&ref.groups[b->watch_group].v[i]))
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
	if (k->dead)
		return;
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
		struct rule *x = &ref.rules[i];
		bool fits = x->live && x->table == table;

		for (unsigned k = 0; fits && k < N_KINDS; k++)
			fits = ((v[k] ^ x->match.v[k]) & x->match.m[k]) == 0;
		if (fits && (found == NULL || x->priority > found->priority))
			found = x;
	}
	return found;
}

void ref_run(unsigned in, const struct frame *f)
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
		if (k.dead)
			return;
		table = x->go_to;
	}
	execute_set(&k);
}
