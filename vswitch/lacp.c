/* SPDX-License-Identifier: BSD-2-Clause
 *
 * LACP's state machines; see lacp.h.
 *
 * Source: IEEE 802.1AX-2014 6.4.12 (receive), 6.4.13 (periodic), 6.4.14 (selection), 6.4.15 (mux),
 * 6.4.16 (transmit).
 */
#include "vswitch/lacp.h"

#include <string.h>

#define FAST_PERIODIC_MS     1000u
#define SLOW_PERIODIC_MS     30000u
#define SHORT_TIMEOUT_MS     3000u
#define LONG_TIMEOUT_MS	     90000u
#define AGGREGATE_WAIT_MS    2000u
#define MAX_MARKERS_A_SECOND 5
#define MAX_TX_A_SECOND	     3u

/* Links of different speeds have different keys: they are not used together (6.3.5). */
static uint16_t key_of(uint32_t speed_mbps)
{
	uint32_t tens = speed_mbps / 10;

	return (uint16_t)(1 + (tens < 0xfffe ? tens : 0xfffe));
}

static bool same_port(const struct lacp_info *a, const struct lacp_info *b)
{
	return a->port == b->port && a->port_priority == b->port_priority && a->key == b->key &&
	       a->system_priority == b->system_priority &&
	       memcmp(a->system, b->system, sizeof(a->system)) == 0 &&
	       ((a->state ^ b->state) & LACP_AGGREGATABLE) == 0;
}

static bool is_self(const struct lacp_port *p)
{
	return memcmp(p->partner.system, p->actor.system, sizeof(p->actor.system)) == 0;
}

static void set_actor(struct lacp_port *p, uint8_t bits, bool on)
{
	uint8_t state = on ? p->actor.state | bits : p->actor.state & (uint8_t)~bits;

	p->ntt |=
		((state ^ p->actor.state) & (LACP_SYNC | LACP_COLLECTING | LACP_DISTRIBUTING)) != 0;
	p->actor.state = state;
}

static void detach(struct lacp_port *p)
{
	p->mux = LACP_MUX_DETACHED;
	set_actor(p, LACP_SYNC | LACP_COLLECTING | LACP_DISTRIBUTING, false);
}

/* What it was chosen for is no more.  It may be chosen again at once, and begins anew. */
static void unselect(struct lacp_port *p)
{
	p->selected = false;
	detach(p);
}

/* ---- Receive machine ---- */

static void expire(struct lacp_port *p, uint64_t now)
{
	p->rx = LACP_RX_EXPIRED;
	/* A partner that is not heard is asked to speak often. */
	p->partner.state = (uint8_t)((p->partner.state & ~LACP_SYNC) | LACP_FAST);
	p->rx_until = now + SHORT_TIMEOUT_MS;
	set_actor(p, LACP_EXPIRED, true);
}

static void forget_partner(struct lacp_port *p)
{
	p->rx = LACP_RX_DEFAULTED;
	unselect(p);
	p->partner = (struct lacp_info){.state = LACP_FAST};
	set_actor(p, LACP_EXPIRED, false);
	set_actor(p, LACP_DEFAULTED, true);
}

/* Is the partner in sync with what we say of us, and will it go on talking? */
static bool agrees(const struct lacp_port *p, const struct lacp_pdu *pdu)
{
	bool talks =
		(pdu->actor.state & LACP_ACTIVE) != 0 ||
		((p->actor.state & LACP_ACTIVE) != 0 && (pdu->partner.state & LACP_ACTIVE) != 0);

	return talks && (pdu->actor.state & LACP_SYNC) != 0 &&
	       ((pdu->actor.state & LACP_AGGREGATABLE) == 0 || same_port(&pdu->partner, &p->actor));
}

/* The partner has not heard what we are by now. */
static bool is_behind(const struct lacp_port *p, const struct lacp_pdu *pdu)
{
	uint8_t bits = LACP_ACTIVE | LACP_FAST | LACP_SYNC | LACP_AGGREGATABLE;

	return !same_port(&pdu->partner, &p->actor) ||
	       ((pdu->partner.state ^ p->actor.state) & bits) != 0;
}

void lacp_port_rx(struct lacp_port *p, const struct lacp_pdu *pdu, uint64_t now)
{
	bool agreed = agrees(p, pdu);

	p->rx_pdus++;
	if (p->rx == LACP_RX_DISABLED)
		return;
	if (!same_port(&pdu->actor, &p->partner)) {
		unselect(p);
		p->n_changes += p->rx == LACP_RX_CURRENT;
	}
	if (is_behind(p, pdu))
		p->ntt = true;
	p->partner = pdu->actor;
	if (!agreed)
		p->partner.state &= (uint8_t)~LACP_SYNC;
	p->rx = LACP_RX_CURRENT;
	p->rx_until =
		now + ((p->actor.state & LACP_FAST) != 0 ? SHORT_TIMEOUT_MS : LONG_TIMEOUT_MS);
	set_actor(p, LACP_EXPIRED | LACP_DEFAULTED, false);
}

static void run_rx(struct lacp_port *p, uint64_t now)
{
	if (now < p->rx_until)
		return;
	if (p->rx == LACP_RX_CURRENT)
		expire(p, now);
	else if (p->rx == LACP_RX_EXPIRED)
		forget_partner(p);
}

/* ---- Mux machine ---- */

/* How far the partner lets an attached member go. */
static enum lacp_mux allowed(const struct lacp_port *p)
{
	if ((p->partner.state & LACP_SYNC) == 0)
		return LACP_MUX_ATTACHED;
	return (p->partner.state & LACP_COLLECTING) != 0 ? LACP_MUX_DISTRIBUTING
							 : LACP_MUX_COLLECTING;
}

static void run_mux(struct lacp_port *p, uint64_t now)
{
	if (!p->selected) {
		detach(p);
		return;
	}
	if (p->mux == LACP_MUX_DETACHED) {
		p->mux = LACP_MUX_WAITING;
		p->mux_until = now + AGGREGATE_WAIT_MS;
	}
	if (p->mux == LACP_MUX_WAITING && now < p->mux_until)
		return;
	p->mux = allowed(p);
	set_actor(p, LACP_SYNC, true);
	set_actor(p, LACP_COLLECTING, p->mux >= LACP_MUX_COLLECTING);
	set_actor(p, LACP_DISTRIBUTING, p->mux == LACP_MUX_DISTRIBUTING);
}

/* ---- Periodic and transmit machines ---- */

static void run_periodic(struct lacp_port *p, uint64_t now)
{
	uint64_t every = (p->partner.state & LACP_FAST) != 0 ? FAST_PERIODIC_MS : SLOW_PERIODIC_MS;

	if (p->rx == LACP_RX_DISABLED || ((p->actor.state | p->partner.state) & LACP_ACTIVE) == 0) {
		p->next_periodic = 0;
		return;
	}
	if (p->next_periodic != 0 && now < p->next_periodic && p->next_periodic - now <= every)
		return;
	p->next_periodic = now + every;
	p->ntt = true;
}

bool lacp_port_marker(struct lacp_port *p, uint64_t now)
{
	p->rx_markers++;
	if (now - p->marker_window >= FAST_PERIODIC_MS) {
		p->marker_window = now;
		p->n_markers = 0;
	}
	if (p->n_markers == MAX_MARKERS_A_SECOND)
		return false;
	p->n_markers++;
	return true;
}

bool lacp_port_tx(struct lacp_port *p, uint64_t now, struct lacp_pdu *ret_pdu)
{
	if (!p->ntt || p->rx == LACP_RX_DISABLED ||
	    ((p->actor.state | p->partner.state) & LACP_ACTIVE) == 0)
		return false;
	if (now - p->tx_window >= FAST_PERIODIC_MS) {
		p->tx_window = now;
		p->n_tx = 0;
	}
	if (p->n_tx == MAX_TX_A_SECOND)
		return false;
	p->n_tx++;
	p->tx_pdus++;
	p->ntt = false;
	*ret_pdu = (struct lacp_pdu){.actor = p->actor, .partner = p->partner};
	return true;
}

/* ---- A member ---- */

void lacp_port_init(struct lacp_port *p, const struct lacp_info *actor)
{
	*p = (struct lacp_port){.actor = *actor};
	p->actor.state = (uint8_t)((actor->state & (LACP_ACTIVE | LACP_FAST)) | LACP_AGGREGATABLE);
	p->actor.key = key_of(0);
	forget_partner(p);
	p->rx = LACP_RX_DISABLED;
}

void lacp_port_link(struct lacp_port *p, bool up, uint32_t speed_mbps, uint64_t now)
{
	if (up && speed_mbps != p->speed_mbps) {
		p->speed_mbps = speed_mbps;
		p->actor.key = key_of(speed_mbps);
		unselect(p);
		p->ntt = true;
	}
	if (!up && p->rx != LACP_RX_DISABLED) {
		p->rx = LACP_RX_DISABLED;
		p->partner.state &= (uint8_t)~LACP_SYNC;
		unselect(p);
	} else if (up && p->rx == LACP_RX_DISABLED) {
		expire(p, now);
		p->next_periodic = 0;
	}
}

void lacp_port_run(struct lacp_port *p, uint64_t now)
{
	run_rx(p, now);
	run_mux(p, now);
	run_periodic(p, now);
}

/* ---- Selection ---- */

static bool usable(const struct lacp_port *p)
{
	return p != NULL && (p->rx == LACP_RX_CURRENT || p->rx == LACP_RX_EXPIRED) &&
	       (p->actor.state & LACP_DEFAULTED) == 0 && !is_self(p);
}

/* Same LAG ID: same system and key at both ends; who is individual is alone. */
static bool together(const struct lacp_port *a, const struct lacp_port *b)
{
	return a == b ||
	       (a->actor.key == b->actor.key && a->partner.key == b->partner.key &&
		a->partner.system_priority == b->partner.system_priority &&
		memcmp(a->partner.system, b->partner.system, sizeof(a->partner.system)) == 0 &&
		(a->partner.state & b->partner.state & LACP_AGGREGATABLE) != 0);
}

/* The bandwidth that members have together with 'p'; a selected one goes before its equals. */
static uint64_t worth_of(struct lacp_port *const *ports, unsigned n, const struct lacp_port *p)
{
	uint64_t worth = 0, selected = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!usable(ports[i]) || !together(p, ports[i]))
			continue;
		worth += ports[i]->speed_mbps != 0 ? ports[i]->speed_mbps : 1;
		selected |= ports[i]->selected;
	}
	return worth << 1 | selected;
}

void lacp_select(struct lacp_port *const *ports, unsigned n)
{
	const struct lacp_port *best = NULL;
	uint64_t most = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t worth = usable(ports[i]) ? worth_of(ports, n, ports[i]) : 0;

		if (worth > most) {
			best = ports[i];
			most = worth;
		}
	}
	for (unsigned i = 0; i < n; i++)
		if (ports[i] != NULL)
			ports[i]->selected =
				best != NULL && usable(ports[i]) && together(best, ports[i]);
}

const char *lacp_reason(const struct lacp_port *p)
{
	if (p->rx == LACP_RX_DISABLED)
		return "no link";
	if ((p->actor.state & LACP_DEFAULTED) != 0)
		return p->rx == LACP_RX_EXPIRED ? "waits for its partner"
						: "no LACP partner answers";
	if (is_self(p))
		return "hears this switch itself: a loop";
	if (p->rx == LACP_RX_EXPIRED)
		return "its partner is silent";
	if (!p->selected)
		return "its partner, key or speed is not that of the other members";
	if (p->mux <= LACP_MUX_WAITING)
		return "waits for other members";
	if (p->mux == LACP_MUX_ATTACHED)
		return "its partner is not in sync with it";
	return p->mux == LACP_MUX_COLLECTING ? "its partner does not collect yet" : "";
}
