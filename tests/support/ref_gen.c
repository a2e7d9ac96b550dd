/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ref_gen.h.
 */
#include "tests/support/ref_gen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/packet.h"

static const uint8_t bits_of[N_KINDS] = {
	[IN_PORT] = 32, [DST] = 48,	[SRC] = 48,	[TYPE] = 16,	[VID] = 13,   [PCP] = 3,
	[PROTO] = 8,	[DSCP] = 6,	[IP_SRC] = 32,	[IP_DST] = 32,	[SPORT] = 16, [DPORT] = 16,
	[SRC6_HI] = 64, [SRC6_LO] = 64, [DST6_HI] = 64, [DST6_LO] = 64, [META] = 64,  [LABEL] = 20,
	[TC] = 3,	[BOS] = 1,	[ISID] = 24,
};

static uint64_t rng;

void ref_seed(uint64_t seed)
{
	rng = seed;
}

uint64_t ref_random(uint64_t n)
{
	return (pkt_rand(&rng) >> 16) % n;
}

/* ---- Chance ---- */

uint64_t ref_some(enum kind kind)
{
	static const uint64_t ports[] = {80, 81, 1000, 1003};

	switch ((int)kind) {
	case IN_PORT:
		return OF_PORT(ref_random(N_PORTS));
	case DST:
	case SRC:
		return UINT64_C(0x020000000000) + ref_random(4);
	case VID:
		return VLAN_IS_THERE + 5 + ref_random(3);
	case PCP:
		return ref_random(8);
	case DSCP:
		return ref_random(4) * 9;
	case IP_SRC:
	case IP_DST:
		return 0x0a000000 + (ref_random(2) << 8) + ref_random(4);
	case SPORT:
	case DPORT:
		return ports[ref_random(4)];
	case SRC6_HI:
	case DST6_HI:
		return UINT64_C(0xfd00000000000000);
	case SRC6_LO:
	case DST6_LO:
		return 1 + ref_random(3);
	case LABEL:
		return ref_random(4);
	case TC:
		return ref_random(8);
	case BOS:
		return ref_random(2);
	case ISID:
		return ref_random(3);
	case META:
		return ref_random(4);
	default:
		abort();
	}
}

static void want(struct match *m, enum kind kind, uint64_t v, uint64_t mask)
{
	m->v[kind] = v & mask;
	m->m[kind] = mask;
}

/* A mask for one of 'ref_some()': often all of it, else bits among those that differ. */
static uint64_t some_mask(enum kind kind)
{
	uint64_t all = ref_ones(bits_of[kind]);

	if (ref_random(2) == 0 || kind == IN_PORT || kind == PCP || kind == DSCP ||
	    kind == SRC6_HI || kind == TC || kind == BOS || kind == LABEL)
		return all;
	if (ref_random(3) == 0) /* a prefix */
		return all & ~ref_ones((unsigned)ref_random(10));
	return 1 + ref_random(3) + (kind == IP_SRC || kind == IP_DST ? ref_random(2) << 8 : 0);
}

static void maybe(struct match *m, enum kind kind, unsigned one_in)
{
	if (ref_random(one_in) == 0)
		want(m, kind, ref_some(kind), some_mask(kind));
}

struct match ref_some_match(unsigned table)
{
	struct match m = {0};
	unsigned layer = (unsigned)ref_random(10);

	maybe(&m, IN_PORT, 5);
	maybe(&m, DST, 6);
	maybe(&m, SRC, 8);
	if (table > 0)
		maybe(&m, META, 3);
	switch (ref_random(6)) {
	case 0:
		want(&m, VID, 0, 0x1fff);
		break;
	case 1:
		want(&m, VID, VLAN_IS_THERE, VLAN_IS_THERE);
		maybe(&m, PCP, 3);
		break;
	case 2:
		want(&m, VID, ref_some(VID), 0x1fff);
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
		if (ref_random(2) == 0)
			want(&m, SRC6_LO, ref_some(SRC6_LO), some_mask(SRC6_LO));
		maybe(&m, DST6_LO, 2);
	} else {
		maybe(&m, IP_SRC, 2);
		maybe(&m, IP_DST, 2);
	}
	if (ref_random(2) == 0) {
		want(&m, PROTO, ref_random(2) == 0 ? 6 : 17, 0xff);
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
	return any[ref_random(n)];
}

struct act ref_some_out(void)
{
	unsigned id = (unsigned)ref_random(N_GROUPS);

	if (ref_random(6) == 0 && ref.groups[id].live)
		return (struct act){.type = GROUP, .v = id};
	switch (ref_random(8)) {
	case 0:
		return (struct act){.type = OUT_IN_PORT};
	case 1:
		return (struct act){.type = OUT_FLOOD};
	case 2:
		return (struct act){.type = OUT_CONTROLLER};
	default:
		/* One in some is a port that is not there. */
		return (struct act){.type = OUT, .v = ref_random(N_PORTS * 8 + 1) / 8};
	}
}

void ref_add_act(struct acts *acts, struct act a)
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
	ref_add_act(acts, (struct act){.type = PUSH});
	/* Nobody carries VLAN 0: a tag gets its number at once. */
	ref_add_act(acts, (struct act){.type = SET, .kind = VID, .v = ref_some(VID), .m = 0x1fff});
	now->v[VID] = VLAN_IS_THERE;
}

/* Headers come and go; 'now' is what is known of packets then.  In the order of an action set. */
static void some_headers(struct acts *acts, struct match *now, unsigned table, unsigned one_in)
{
	static const uint16_t below[] = {0x0800, 0x0800, 0x0800, 0x86dd, 0x8847, 0x8847, 0x0806};

	if (now->v[TYPE] == 0x88e7 && ref_random(one_in) == 0) {
		ref_add_act(acts, (struct act){.type = POP_PBB});
		new_type(now, 0);
	}
	if (now->v[TYPE] == 0x8847 && ref_random(one_in) == 0) {
		uint64_t type = below[ref_random(7)];

		ref_add_act(acts, (struct act){.type = POP_MPLS, .v = type});
		new_type(now, type);
	}
	if (ref_random(2 * one_in) == 0) {
		ref_add_act(acts, (struct act){.type = POP});
		now->v[VID] = 0;
	}
	if (ref_random(3 * one_in) == 0) {
		ref_add_act(acts, (struct act){.type = PUSH_MPLS});
		new_type(now, 0x8847);
	}
	/* Room before a frame ends somewhere. */
	if (table < 2 && ref_random(4 * one_in) == 0) {
		ref_add_act(acts, (struct act){.type = PUSH_PBB});
		new_type(now, 0x88e7);
		now->v[VID] = 0;
	}
	if (ref_random(2 * one_in) == 0)
		add_push(acts, now);
}

static struct act some_ttl(const struct match *now, bool as_set)
{
	if (now->v[TYPE] == 0x8847 && ref_random(2) == 0)
		return (struct act){.type = ref_random(2) == 0 ? COPY_OUT : COPY_IN};
	if (now->v[TYPE] == 0x8847)
		return ref_random(4) != 0
			       ? (struct act){.type = DEC_MPLS_TTL}
			       : (struct act){.type = SET_MPLS_TTL, .v = 1 + ref_random(3)};
	if (is_ip(now))
		return ref_random(4) != 0 ? (struct act){.type = DEC_TTL}
					  : (struct act){.type = SET_TTL, .v = 1 + ref_random(3)};
	return ref_some_out();
}

static struct act some_set(struct match *now, bool as_set)
{
	static const uint16_t types[] = {0x0800, 0x86dd, 0x0806, 0x8847, 0x88b5};
	struct act a = {.type = SET, .kind = settable(now)};

	if (!as_set && ref_random(12) == 0) {
		a.kind = TYPE;
		a.v = types[ref_random(5)];
		a.m = 0xffff;
		new_type(now, a.v);
		return a;
	}
	a.m = ref_ones(bits_of[a.kind]);
	if (!as_set && ref_random(3) == 0 && a.kind != VID && a.kind != PCP && a.kind != DSCP &&
	    a.kind != TC && a.kind != BOS && a.kind != LABEL)
		a.m = 1 + ref_random(3);
	a.v = ref_some(a.kind) & a.m;
	return a;
}

/* Lists for packets of 'now', which follows what they do. */
static void some_acts(struct acts *acts, struct match *now, unsigned table, bool as_set)
{
	unsigned n = (unsigned)ref_random(MAX_ACTS);

	if (as_set)
		some_headers(acts, now, table, 3);
	for (unsigned i = 0; i < n && acts->n < MAX_SET - 10; i++) {
		struct match known = *now;
		unsigned first = acts->n;
		uint64_t which = ref_random(10);

		if (which < 3)
			ref_add_act(acts, some_set(now, as_set));
		else if (which == 3 && !as_set)
			some_headers(acts, now, i == 3 ? table : 9, 2);
		else if (which == 4)
			ref_add_act(acts, some_ttl(now, as_set));
		else if (which == 5 && !as_set && now->v[TYPE] == 0x0800)
			ref_add_act(acts, (struct act){.type = MOVE_IP});
		else if (which == 5 && !as_set)
			ref_add_act(acts, (struct act){.type = MOVE_MAC});
		else
			ref_add_act(acts, ref_some_out());
		for (unsigned k = first; k < acts->n; k++) {
			acts->v[k].eth_type = known.v[TYPE];
			acts->v[k].proto = known.v[PROTO];
		}
	}
}

void ref_some_instrs(struct rule *x)
{
	struct match now = x->match;

	x->apply.n = x->write.n = 0;
	if (ref_random(4) != 0)
		some_acts(&x->apply, &now, x->table, false);
	x->clear = ref_random(8) == 0;
	x->has_write = ref_random(2) == 0;
	if (x->has_write)
		some_acts(&x->write, &now, x->table, true);
	x->meta_mask = ref_random(3) == 0 ? 1 + ref_random(3) : 0;
	x->meta = ref_random(4) & x->meta_mask;
	x->go_to = x->table + 1 < N_TABLES && ref_random(3) != 0
			   ? x->table + 1 + (int)ref_random(N_TABLES - 1u - x->table)
			   : -1;
}

/* ---- As text ---- */

void ref_say(struct text *t, const char *format, ...)
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
			ref_say(t, "%02x%s", (unsigned)(v >> (8 * i)) & 0xff, i != 0 ? ":" : "");
		break;
	case IP_SRC:
	case IP_DST:
		ref_say(t, "%u.%u.%u.%u", (unsigned)(v >> 24) & 0xff, (unsigned)(v >> 16) & 0xff,
			(unsigned)(v >> 8) & 0xff, (unsigned)v & 0xff);
		break;
	case SRC6_LO:
	case DST6_LO:
		ref_say(t, "::%x:%x:%x:%x", (unsigned)(v >> 48) & 0xffff,
			(unsigned)(v >> 32) & 0xffff, (unsigned)(v >> 16) & 0xffff,
			(unsigned)v & 0xffff);
		break;
	default:
		ref_say(t, "0x%llx", (unsigned long long)v);
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

void ref_say_match(struct text *t, const struct match *m)
{
	if (m->m[TYPE] != 0)
		ref_say(t, "eth_type=0x%x,", (unsigned)m->v[TYPE]);
	if (m->m[PROTO] != 0)
		ref_say(t, "ip_proto=%u,", (unsigned)m->v[PROTO]);
	for (enum kind k = 0; k < N_KINDS; k++) {
		if (m->m[k] == 0 || k == TYPE || k == PROTO)
			continue;
		ref_say(t, "%s=", name_of(k, m));
		if (k == IN_PORT || k == PCP || k == DSCP || k == TC || k == BOS)
			ref_say(t, "%u", (unsigned)m->v[k]);
		else
			say_value(t, k, m->v[k]);
		if (m->m[k] != ref_ones(bits_of[k]) || k == SRC6_LO || k == DST6_LO) {
			ref_say(t, "/");
			say_value(t, k, m->m[k]);
		}
		ref_say(t, ",");
	}
}

void ref_say_act(struct text *t, const struct act *a)
{
	const struct match m = {.v = {[TYPE] = a->eth_type, [PROTO] = a->proto}};

	switch (a->type) {
	case OUT:
		ref_say(t, "output:%u,", OF_PORT((unsigned)a->v));
		break;
	case OUT_IN_PORT:
		ref_say(t, "IN_PORT,");
		break;
	case OUT_CONTROLLER:
		ref_say(t, "controller:65535,");
		break;
	case OUT_FLOOD:
		ref_say(t, "FLOOD,");
		break;
	case GROUP:
		ref_say(t, "group:%u,", (unsigned)a->v);
		break;
	case SET:
		ref_say(t, "set_field:");
		say_value(t, a->kind, a->v);
		if (a->m != ref_ones(bits_of[a->kind]) || a->kind == DST6_LO) {
			ref_say(t, "/");
			say_value(t, a->kind, a->m);
		}
		ref_say(t, "->%s,", name_of(a->kind, &m));
		break;
	case PUSH:
		ref_say(t, "push_vlan:0x8100,");
		break;
	case POP:
		ref_say(t, "pop_vlan,");
		break;
	case PUSH_MPLS:
		ref_say(t, "push_mpls:0x8847,");
		break;
	case POP_MPLS:
		ref_say(t, "pop_mpls:0x%04x,", (unsigned)a->v);
		break;
	case PUSH_PBB:
		ref_say(t, "push_pbb:0x88e7,");
		break;
	case POP_PBB:
		ref_say(t, "pop_pbb,");
		break;
	case DEC_MPLS_TTL:
		ref_say(t, "dec_mpls_ttl,");
		break;
	case SET_MPLS_TTL:
		ref_say(t, "set_mpls_ttl:%u,", (unsigned)a->v);
		break;
	case COPY_OUT:
		ref_say(t, "copy_ttl_out,");
		break;
	case COPY_IN:
		ref_say(t, "copy_ttl_in,");
		break;
	case DEC_TTL:
		ref_say(t, "dec_ttl,");
		break;
	case SET_TTL:
		ref_say(t, "mod_nw_ttl:%u,", (unsigned)a->v);
		break;
	case MOVE_MAC:
		ref_say(t, "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],");
		break;
	case MOVE_IP:
		ref_say(t, "move:NXM_OF_IP_SRC[0..15]->NXM_OF_IP_DST[0..15],");
		break;
	}
}

void ref_say_instrs(struct text *t, const struct rule *x)
{
	ref_say(t, "actions=");
	for (unsigned i = 0; i < x->apply.n; i++)
		ref_say_act(t, &x->apply.v[i]);
	if (x->clear)
		ref_say(t, "clear_actions,");
	if (x->has_write && x->write.n != 0) {
		ref_say(t, "write_actions(");
		for (unsigned i = 0; i < x->write.n; i++)
			ref_say_act(t, &x->write.v[i]);
		t->s[t->n - 1] = ')';
		ref_say(t, ",");
	}
	if (x->meta_mask != 0)
		ref_say(t, "write_metadata:0x%llx/0x%llx,", (unsigned long long)x->meta,
			(unsigned long long)x->meta_mask);
	if (x->go_to >= 0)
		ref_say(t, "goto_table:%d,", x->go_to);
	if (t->s[t->n - 1] == ',')
		t->s[--t->n] = '\0';
	else
		ref_say(t, "drop");
}

/* ---- Packets ---- */

static const char *some_mac(void)
{
	static const char *const macs[] = {"02:00:00:00:00:00", "02:00:00:00:00:01",
					   "02:00:00:00:00:02", "02:00:00:00:00:03"};

	return macs[ref_random(4)];
}

/* An Ethernet header with tags, seldom three. */
static void some_l2(struct pkt *p)
{
	unsigned n = (unsigned)ref_random(8);

	pkt_eth(p, some_mac(), some_mac());
	n = n < 4 ? 0 : n < 6 ? 1 : n < 7 || ref_random(3) != 0 ? 2 : 3;
	while (n-- > 0)
		pkt_vlan(p, 0x8100, (uint16_t)(ref_random(8) << 13 | (5 + ref_random(3))));
}

/* I-TAGs and MPLS entries in front of what follows, seldom more than the key knows of. */
static void some_wrapping(struct pkt *p)
{
	static const unsigned depths[] = {0, 0, 0, 0, 1, 1, 1, 2, 2, 3};
	unsigned n_pbb = ref_random(4) != 0   ? 0
			 : ref_random(6) != 0 ? 1
					      : 2,
		 n_mpls = depths[ref_random(10)];

	while (n_pbb-- > 0) {
		pkt_pbb(p, (uint32_t)(ref_random(8) << 29 | ref_random(3)));
		some_l2(p);
	}
	while (n_mpls-- > 0)
		pkt_mpls(p, 0x8847,
			 (uint32_t)(ref_random(4) << 12 | ref_random(8) << 9 | (n_mpls == 0) << 8 |
				    (1 + ref_random(5))));
}

void ref_some_packet(struct frame *f)
{
	static struct pkt p;
	unsigned layer = (unsigned)ref_random(6);
	char src[32], dst[32];

	pkt_init(&p);
	some_l2(&p);
	some_wrapping(&p);
	if (layer >= 4) {
		snprintf(src, sizeof(src), "fd00::%u", 1 + (unsigned)ref_random(3));
		snprintf(dst, sizeof(dst), "fd00::%u", 1 + (unsigned)ref_random(3));
		p.bytes[pkt_ipv6(&p, src, dst) + 7] = (uint8_t)(1 + ref_random(5));
	} else {
		snprintf(src, sizeof(src), "10.0.%u.%u", (unsigned)ref_random(2),
			 (unsigned)ref_random(4));
		snprintf(dst, sizeof(dst), "10.0.%u.%u", (unsigned)ref_random(2),
			 (unsigned)ref_random(4));
		if (layer == 0)
			pkt_arp(&p, 1, src, dst);
		else
			p.bytes[pkt_ipv4(&p, src, dst) + 8] = (uint8_t)(1 + ref_random(5));
	}
	if (layer != 0 && ref_random(2) == 0)
		pkt_tcp(&p, (uint16_t)ref_some(SPORT), (uint16_t)ref_some(DPORT), PKT_ACK);
	else if (layer != 0)
		pkt_udp(&p, (uint16_t)ref_some(SPORT), (uint16_t)ref_some(DPORT));
	/* Enough that no row of pops comes to the end. */
	pkt_fill(&p, (layer == 0 ? 20 : 6 + (uint32_t)ref_random(20)) + 60,
		 (uint32_t)ref_random(1000));
	pkt_finish(&p, 0);
	assert_true(p.size + 150 < FRAME_MAX);
	f->size = p.size;
	memcpy(f->bytes, p.bytes, p.size);
}
