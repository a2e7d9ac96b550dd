/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What workers tell of frames that guards and access lists dropped (dataplane/notice.h) becomes
 * events, ten times a second:
 *
 * 	guard: port web1: spoofed source MAC 02:00:00:00:00:99 (its own is 02:00:00:00:00:01),
 * 	10.0.0.9 > 10.0.0.1 tcp 4711 > 80; 153 more left out
 *
 * Nobody who attacks makes a flood of them.  Workers leave out all but DP_NOTICE_RATE a second of a
 * port and kind; here a port and kind tells A_PORT at once and then one in PORT_NS, all of them
 * together A_SECOND a second.  What is left out is counted, and the next one says how many.
 */
#include "vswitch/guards_priv.h"

#include "ctl/base/clock.h"
#include "vswitch/acl.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define A_PORT	 5u
#define PORT_NS	 UINT64_C(10000000000)
#define A_SECOND 20u

/* Of a port and a kind: what it may tell. */
struct allowance {
	uint64_t since_ns; /* when it had 'left' */
	uint32_t left;
	uint32_t left_out;
};

struct vs_notices {
	struct allowance *ports[DP_MAX_PORTS]; /* of DP_N_DROPS each; NULL: it told nothing yet */
	uint64_t second;
	uint32_t n_told; /* in this second */
	uint32_t left_out;
};

struct vs_notices *vs_notices_create(void)
{
	return calloc(1, sizeof(struct vs_notices));
}

void vs_notices_destroy(struct vs_notices *n)
{
	for (unsigned i = 0; n != NULL && i < DP_MAX_PORTS; i++)
		free(n->ports[i]);
	free(n);
}

void vs_notices_port_gone(struct vs *vs, uint16_t id)
{
	struct vs_notices *n = vs_guards(vs)->notices;

	free(n->ports[id]);
	n->ports[id] = NULL;
}

/* ---- May it be told? ---- */

static struct allowance *allowance_of(struct vs_notices *n, uint16_t port, uint16_t drop)
{
	struct allowance **of = &n->ports[port];

	if (*of == NULL) {
		*of = calloc(DP_N_DROPS, sizeof(**of));
		for (unsigned i = 0; *of != NULL && i < DP_N_DROPS; i++)
			(*of)[i].left = A_PORT;
	}
	return *of != NULL ? &(*of)[drop] : NULL;
}

static bool port_may(struct allowance *a, uint64_t now_ns)
{
	uint64_t n = (now_ns - a->since_ns) / PORT_NS;

	if (a->left == A_PORT || n >= A_PORT) {
		a->left = A_PORT;
		a->since_ns = now_ns;
	} else {
		a->left = a->left + n > A_PORT ? A_PORT : a->left + (uint32_t)n;
		a->since_ns += n * PORT_NS;
	}
	if (a->left == 0)
		return false;
	a->left--;
	return true;
}

static bool all_may(struct vs_notices *n)
{
	return n->n_told < A_SECOND;
}

/* ---- What it says ---- */

struct text {
	char bytes[360];
	size_t n;
};

static void say(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->bytes + t->n, sizeof(t->bytes) - t->n, fmt, ap);
	va_end(ap);
	t->n = n > 0 && t->n + (size_t)n < sizeof(t->bytes) ? t->n + (size_t)n
							    : sizeof(t->bytes) - 1;
}

static void say_mac(struct text *t, const uint8_t mac[6])
{
	say(t, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void say_ip(struct text *t, const struct dp_ip *ip)
{
	char buf[INET6_ADDRSTRLEN];

	say(t, "%s", inet_ntop(ip->v6 ? AF_INET6 : AF_INET, ip->b, buf, sizeof(buf)));
}

static const char *proto_name(uint8_t proto)
{
	static const struct {
		uint8_t proto;
		const char *name;
	} names[] = {{1, "icmp"}, {2, "igmp"},	  {6, "tcp"},
		     {17, "udp"}, {58, "icmpv6"}, {132, "sctp"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].proto == proto)
			return names[i].name;
	return NULL;
}

/* "10.0.0.9 > 10.0.0.1 tcp 4711 > 80", "02:.. > ff:.. type 0x88b5", with the VLAN. */
static void say_frame(struct text *t, const struct dp_notice *n)
{
	const char *proto = proto_name(n->proto);

	if (n->has_ip) {
		say_ip(t, &n->from);
		say(t, " > ");
		say_ip(t, &n->to);
	} else {
		say_mac(t, n->src);
		say(t, " > ");
		say_mac(t, n->dst);
		say(t, " type 0x%04x", n->eth_type);
	}
	if (n->has_ip && n->eth_type == 0x0806)
		say(t, " arp");
	else if (n->has_ip && proto != NULL && (n->proto == 1 || n->proto == 58))
		say(t, " %s type %u code %u", proto, n->sport, n->dport);
	else if (n->has_ip && proto != NULL && (n->sport != 0 || n->dport != 0))
		say(t, " %s %u > %u", proto, n->sport, n->dport);
	else if (n->has_ip && proto != NULL)
		say(t, " %s", proto);
	else if (n->has_ip)
		say(t, " protocol %u", n->proto);
	if (n->vlan != 0)
		say(t, " (VLAN %u)", n->vlan);
}

static void say_spoofed(struct text *t, const struct vs *vs, const struct dp_notice *n)
{
	const struct dp_port *port = vs->live[n->port].port;

	say(t, "spoofed source MAC ");
	say_mac(t, n->src);
	if (port != NULL && !rte_is_zero_ether_addr(&port->mac)) {
		say(t, " (its own is ");
		say_mac(t, port->mac.addr_bytes);
		say(t, ")");
	}
	say(t, ", ");
}

/* A frame without IP addresses is told by its MACs anyway. */
static void say_who(struct text *t, const char *what, const struct dp_notice *n)
{
	say(t, "%s", what);
	if (n->has_ip) {
		say(t, " from ");
		say_mac(t, n->src);
	}
	say(t, ", ");
}

/* Of an access list: which entry it was. */
static void say_denied(struct text *t, const struct vs *vs, const struct dp_notice *n)
{
	uint32_t order = 0;
	const char *acl;

	if (!vs_acl_of_notice(vs, n->id, &acl, &order))
		say(t, "denied by a list that is no more, ");
	else if (order != 0)
		say(t, "denied by entry %" PRIu32 " of acl %s, ", order, acl);
	else
		say(t, "denied by acl %s, of which no entry matches, ", acl);
}

/* What the kind of violation is, up to the frame. */
static void say_kind(struct text *t, const struct vs *vs, const struct dp_notice *n)
{
	switch ((int)n->drop) {
	case DP_DROP_GUARD_MAC:
		say_spoofed(t, vs, n);
		break;
	case DP_DROP_GUARD_IP:
		say(t, "source address ");
		if (n->has_ip)
			say_ip(t, &n->from);
		say_who(t, " is not the port's,", n);
		break;
	case DP_DROP_GUARD_DHCP:
		say_who(t, "DHCP server, or client for another,", n);
		break;
	case DP_DROP_GUARD_ROUTER:
		say_who(t, "router advertisement or redirect", n);
		break;
	case DP_DROP_GUARD_ARP:
		say_who(t, "ARP or neighbour discovery that claims what is another's", n);
		break;
	case DP_DROP_GUARD_BPDU:
		say_who(t, "bridge protocol frame", n);
		break;
	case DP_DROP_ACL_IN:
	case DP_DROP_ACL_OUT:
		say_denied(t, vs, n);
		break;
	default:
		say_who(t, dp_drop_text((enum dp_drop)n->drop), n);
		break;
	}
}

static void tell(struct vs *vs, const struct dp_notice *n, uint32_t left_out)
{
	const struct vs_guard *g =
		vs_guard_of(vs->model, vs_model_port(vs->model, vs_port_name(vs, n->port)));
	struct text t = {0};

	say(&t, "%s: port %s: ",
	    n->drop == DP_DROP_ACL_IN || n->drop == DP_DROP_ACL_OUT ? "acl" : "guard",
	    vs_port_name(vs, n->port));
	say_kind(&t, vs, n);
	say_frame(&t, n);
	if (g != NULL && g->value[VS_GUARD_MODE] == VS_GUARD_WATCH)
		say(&t, "; it passed, the guard watches");
	if (left_out != 0)
		say(&t, "; %" PRIu32 " more left out", left_out);
	vs_event(vs, dp_drop_slug((enum dp_drop)n->drop), vs_port_name(vs, n->port), "%s", t.bytes);
}

static uint32_t add(uint32_t a, uint32_t b)
{
	return a + b >= a ? a + b : UINT32_MAX;
}

static void take(void *arg, const struct dp_notice *n)
{
	struct vs *vs = arg;
	struct vs_notices *notices = vs_guards(vs)->notices;
	uint64_t now_ns = clock_mono_ns();
	struct allowance *a;

	if (n->port >= DP_MAX_PORTS || n->drop >= DP_N_DROPS || vs_port_name(vs, n->port) == NULL)
		return;
	if (n->drop == DP_DROP_GUARD_BPDU)
		vs_guard_hold(vs, n->port);
	a = allowance_of(notices, n->port, n->drop);
	if (a == NULL)
		return;
	a->left_out = add(a->left_out, n->left_out);
	if (!all_may(notices)) {
		a->left_out = add(a->left_out, 1);
		notices->left_out++;
		return;
	}
	if (!port_may(a, now_ns)) {
		a->left_out = add(a->left_out, 1);
		return;
	}
	notices->n_told++;
	tell(vs, n, a->left_out);
	a->left_out = 0;
}

void vs_notices_tick(struct vs *vs)
{
	struct vs_notices *n = vs_guards(vs)->notices;
	uint64_t second = clock_mono_ns() / UINT64_C(1000000000);

	if (second != n->second) {
		if (n->left_out != 0)
			vs_event(vs, "guard-many", NULL,
				 "guard: violations at many ports: %" PRIu32
				 " notices were left out; vswitchctl guard stats counts all",
				 n->left_out);
		n->second = second;
		n->n_told = n->left_out = 0;
	}
	dp_notices_take(vs->dp, take, vs);
}
