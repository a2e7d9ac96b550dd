/* SPDX-License-Identifier: BSD-2-Clause
 *
 * TCP's part of connection tracking; see ct_priv.h.
 *
 * Each direction keeps what its packets said: the end of what was sent ('end'), up to where the
 * other may send ('edge': acknowledgement plus window), the largest window, and bits.  A packet is
 * judged by what the other direction said:
 *
 * 	seq <= other's edge                       not beyond what it was allowed
 * 	end >= own end - other's largest window   not older than one window
 * 	ack <= other's end                        not of what was never sent
 * 	ack >= other's end - (64 KiB or own largest window)
 *
 * (van Rooij, Real Stateful TCP Packet Filtering; the same four that pf and Netfilter use.)  A
 * direction of which nothing was seen forbids nothing.  A window whose scale is not known, because
 * its SYN was not seen, counts as scaled by 2^14.
 *
 * The state is that of both directions' bits:
 *
 * 	CLOSED       a reset
 * 	TIME_WAIT    both FINs, both acknowledged
 * 	FIN_WAIT     a FIN
 * 	ESTABLISHED  each acknowledged the other
 * 	OPENING      else
 *
 * A reset counts only within the window (RFC 5961 3.2 asks for more of hosts; a middle box cannot
 * know what they received).  A SYN after the end opens anew.
 */
#include "dataplane/ct_priv.h"
#include "dataplane/key_priv.h"

#define FIN	   0x01
#define SYN	   0x02
#define RST	   0x04
#define ACK	   0x10
#define ACK_WINDOW 66000u
#define LOOSE	   14

static bool flags_ok(uint8_t flags)
{
	flags &= FIN | SYN | RST | ACK;
	/* Some of them, no SYN that ends, no FIN without ACK. */
	return flags != 0 && flags != FIN && (flags & (SYN | FIN)) != (SYN | FIN) &&
	       (flags & (SYN | RST)) != (SYN | RST) && (flags & (FIN | RST)) != (FIN | RST);
}

static uint64_t load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(_Atomic uint64_t *word, uint64_t was, uint64_t value)
{
	if (was != value)
		atomic_store_explicit(word, value, memory_order_relaxed);
}

static uint32_t end_of(uint64_t seq)
{
	return (uint32_t)(seq >> 32);
}

static uint32_t edge_of(uint64_t seq)
{
	return (uint32_t)seq;
}

static uint32_t window_of(uint64_t ctl)
{
	return (uint32_t)(ctl >> 32);
}

static unsigned scale_of(uint64_t ctl)
{
	return (unsigned)(ctl >> 8 & 0xff);
}

/* a is behind b. */
static bool after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static uint32_t later(uint32_t a, uint32_t b)
{
	return after(a, b) ? a : b;
}

bool dp_ct_tcp_opens(const struct dp_ct *ct, const struct dp_ct_packet *p)
{
	uint8_t flags = p->tcp_flags & (SYN | RST | ACK);

	if (!flags_ok(p->tcp_flags) || flags == (SYN | ACK) || (flags & RST) != 0)
		return false;
	return (flags & SYN) != 0 || !atomic_load_explicit(&ct->strict, memory_order_relaxed);
}

/* How far a window reaches: scaled if both sides said how, or unknown. */
static uint32_t window_size(uint64_t own, uint64_t other, const struct dp_ct_packet *p)
{
	unsigned shift = 0;

	if ((p->tcp_flags & SYN) != 0)
		shift = 0;
	else if ((own & DP_CT_D_LOOSE) != 0)
		shift = LOOSE;
	else if (scale_of(own) != 0 && (scale_of(other) != 0 || (other & DP_CT_D_LOOSE) != 0))
		shift = scale_of(own) - 1;
	return (uint32_t)p->tcp_window << shift;
}

/* The first that is seen of a direction; 'own' and 'other' are the words of bits. */
static void first_of(struct dp_ct_dir *d, const struct dp_ct_packet *p, uint64_t other)
{
	bool syn = (p->tcp_flags & SYN) != 0;
	uint64_t ctl =
		DP_CT_D_SEEN | (syn ? DP_CT_D_SYN : DP_CT_D_LOOSE) | (uint64_t)p->tcp_scale << 8;
	uint32_t window, end = p->tcp_seq + p->tcp_size;

	if ((p->tcp_flags & FIN) != 0)
		ctl |= DP_CT_D_FIN;
	window = window_size(ctl, other, p);
	if ((p->tcp_flags & ACK) != 0)
		ctl |= DP_CT_D_ACKED;
	store(&d->seq, 1, (uint64_t)end << 32 | (p->tcp_ack + (window != 0 ? window : 1)));
	store(&d->ctl, 1, ctl | (uint64_t)window << 32);
}

void dp_ct_tcp_begin(struct dp_ct_conn *c, const struct dp_ct_packet *p)
{
	first_of(&c->dir[0], p, 0);
	atomic_store_explicit(&c->dir[1].seq, 0, memory_order_relaxed);
	atomic_store_explicit(&c->dir[1].ctl, 0, memory_order_relaxed);
}

static bool in_window(uint64_t own_seq, uint64_t own_ctl, uint64_t other_seq, uint64_t other_ctl,
		      const struct dp_ct_packet *p)
{
	uint32_t end = p->tcp_seq + p->tcp_size, back = window_of(own_ctl);

	if ((other_ctl & DP_CT_D_SEEN) == 0)
		return true;
	if ((p->tcp_flags & ACK) != 0) {
		if (after(p->tcp_ack, end_of(other_seq)))
			return false;
		back = back > ACK_WINDOW ? back : ACK_WINDOW;
		if (after(end_of(other_seq) - back, p->tcp_ack))
			return false;
	}
	if ((own_ctl & DP_CT_D_SEEN) == 0)
		return true;
	/* Until it acknowledges, the other has allowed nothing: its own SYN says no edge. */
	if ((other_ctl & (DP_CT_D_ACKED | DP_CT_D_LOOSE)) != 0 &&
	    after(p->tcp_seq, edge_of(other_seq)))
		return false;
	return !after(end_of(own_seq) - window_of(other_ctl) - 1, end);
}

/* A reset that answers a SYN has no sequence number of its own to be judged by. */
static bool reset_ok(uint64_t own_seq, uint64_t own_ctl, uint64_t other_seq, uint64_t other_ctl,
		     const struct dp_ct_packet *p)
{
	if ((own_ctl & DP_CT_D_SEEN) == 0)
		return (p->tcp_flags & ACK) != 0 && p->tcp_ack == end_of(other_seq);
	return in_window(own_seq, own_ctl, other_seq, other_ctl, p);
}

static uint64_t both(const struct dp_ct_conn *c, uint64_t *ret_either)
{
	uint64_t a = load(&c->dir[0].ctl), b = load(&c->dir[1].ctl);

	*ret_either = a | b;
	return a & b;
}

/* A SYN on what is over, or on what never began. */
static bool reopens(const struct dp_ct_conn *c, const struct dp_ct_packet *p)
{
	uint64_t either, all = both(c, &either);

	if ((p->tcp_flags & (SYN | ACK)) != SYN)
		return false;
	return (either & DP_CT_D_RST) != 0 || (all & DP_CT_D_FIN) != 0;
}

/* What the packet adds to its direction. */
static void advance(struct dp_ct_dir *own, uint64_t own_seq, uint64_t own_ctl,
		    const struct dp_ct_dir *other, const struct dp_ct_packet *p)
{
	uint64_t other_ctl = load(&other->ctl), other_seq = load(&other->seq);
	uint32_t window = window_size(own_ctl, other_ctl, p);
	uint32_t end = later(end_of(own_seq), p->tcp_seq + p->tcp_size);
	uint32_t edge = edge_of(own_seq), most = window_of(own_ctl);
	uint64_t ctl = own_ctl & UINT32_MAX;

	if ((p->tcp_flags & ACK) != 0) {
		uint32_t reach = p->tcp_ack + (window != 0 ? window : 1);

		/* Before its first acknowledgement 'edge' means nothing. */
		edge = (ctl & (DP_CT_D_ACKED | DP_CT_D_LOOSE)) != 0 ? later(edge, reach) : reach;
		ctl |= DP_CT_D_ACKED;
		if ((other_ctl & DP_CT_D_FIN) != 0 && !after(end_of(other_seq), p->tcp_ack))
			ctl |= DP_CT_D_FINACK;
	}
	if ((p->tcp_flags & FIN) != 0)
		ctl |= DP_CT_D_FIN;
	if ((p->tcp_flags & RST) != 0)
		ctl |= DP_CT_D_RST;
	store(&own->seq, own_seq, (uint64_t)end << 32 | edge);
	store(&own->ctl, own_ctl, ctl | (uint64_t)(window > most ? window : most) << 32);
}

enum dp_ct_verdict dp_ct_tcp_move(struct dp_ct_conn *c, const struct dp_ct_packet *p, bool reply)
{
	struct dp_ct_dir *own = &c->dir[reply], *other = &c->dir[!reply];
	uint64_t own_seq = load(&own->seq), own_ctl = load(&own->ctl);
	uint64_t other_seq = load(&other->seq), other_ctl = load(&other->ctl);

	if (!flags_ok(p->tcp_flags))
		return DP_CT_V_BAD;
	if (reopens(c, p))
		return DP_CT_V_REOPEN;
	if ((p->tcp_flags & RST) != 0) {
		if (!reset_ok(own_seq, own_ctl, other_seq, other_ctl, p))
			return DP_CT_V_WINDOW;
		advance(own, own_seq, own_ctl | DP_CT_D_SEEN, other, p);
		return DP_CT_V_OK;
	}
	/* Not answered yet: the sender may begin again, under another number. */
	if ((p->tcp_flags & (SYN | ACK)) == SYN && (other_ctl & DP_CT_D_SEEN) == 0) {
		first_of(own, p, other_ctl);
		return DP_CT_V_OK;
	}
	if (!in_window(own_seq, own_ctl, other_seq, other_ctl, p))
		return DP_CT_V_WINDOW;
	if ((own_ctl & DP_CT_D_SEEN) == 0)
		first_of(own, p, other_ctl);
	else
		advance(own, own_seq, own_ctl, other, p);
	return DP_CT_V_OK;
}

bool dp_ct_tcp_goes_on(struct dp_ct_conn *c, const uint8_t *tcp, uint32_t size, bool reply)
{
	const uint64_t agreed = DP_CT_D_SEEN | DP_CT_D_ACKED, over = DP_CT_D_FIN | DP_CT_D_RST;
	struct dp_ct_dir *own = &c->dir[reply], *other = &c->dir[!reply];
	uint64_t own_seq = load(&own->seq), own_ctl = load(&own->ctl);
	uint64_t other_seq = load(&other->seq), other_ctl = load(&other->ctl);
	struct dp_ct_packet p = {.tcp_flags = ACK};

	if ((tcp[13] & (FIN | SYN | RST | ACK)) != ACK ||
	    (own_ctl & other_ctl & agreed) != agreed || ((own_ctl | other_ctl) & over) != 0)
		return false;
	p.tcp_seq = dp_load_be32(tcp + 4);
	p.tcp_ack = dp_load_be32(tcp + 8);
	p.tcp_window = dp_load_be16(tcp + 14);
	p.tcp_size = size - (tcp[12] >> 4) * 4u;
	if (!in_window(own_seq, own_ctl, other_seq, other_ctl, &p))
		return false;
	advance(own, own_seq, own_ctl, other, &p);
	return true;
}

enum dp_ct_timeout dp_ct_tcp_timeout(const struct dp_ct_conn *c, bool *ret_agreed)
{
	uint64_t either, all = both(c, &either);

	*ret_agreed = (all & DP_CT_D_ACKED) != 0;
	if ((either & DP_CT_D_RST) != 0)
		return DP_CT_T_TCP_CLOSED;
	if ((all & (DP_CT_D_FIN | DP_CT_D_FINACK)) == (DP_CT_D_FIN | DP_CT_D_FINACK))
		return DP_CT_T_TCP_CLOSED;
	if ((all & DP_CT_D_FIN) != 0)
		return DP_CT_T_TCP_FIN_WAIT;
	if ((either & DP_CT_D_FIN) != 0)
		return DP_CT_T_TCP_CLOSING;
	return *ret_agreed ? DP_CT_T_TCP_EST : DP_CT_T_TCP_OPENING;
}

const char *dp_ct_tcp_state(const struct dp_ct_conn *c)
{
	bool agreed;
	enum dp_ct_timeout phase = dp_ct_tcp_timeout(c, &agreed);
	uint64_t either;

	both(c, &either);
	if (phase == DP_CT_T_TCP_EST)
		return "ESTABLISHED";
	if (phase == DP_CT_T_TCP_CLOSING || phase == DP_CT_T_TCP_FIN_WAIT)
		return "FIN_WAIT";
	if (phase == DP_CT_T_TCP_CLOSED)
		return (either & DP_CT_D_RST) != 0 ? "CLOSED" : "TIME_WAIT";
	return (load(&c->dir[1].ctl) & DP_CT_D_SEEN) != 0 ? "SYN_RECV" : "SYN_SENT";
}
