/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guards come and go; what they own.  See guard.h.  Control thread, but for dp_guard_gives().
 */
#include "dataplane/guard_priv.h"

#include "dataplane/dp_priv.h"
#include "dataplane/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_BURST	 16u
#define BURSTS_A_S	 10u
#define ANSWER_RATE	 2000u
#define SIXTEENTHS	 16u
#define RATE_AS_NO_LIMIT 4000000000u

static const enum dp_drop drops[DP_N_GUARD_RULES] = {
	[DP_GUARD_RULE_MAC] = DP_DROP_GUARD_MAC,
	[DP_GUARD_RULE_IP] = DP_DROP_GUARD_IP,
	[DP_GUARD_RULE_DHCP] = DP_DROP_GUARD_DHCP,
	[DP_GUARD_RULE_ROUTER] = DP_DROP_GUARD_ROUTER,
	[DP_GUARD_RULE_ARP] = DP_DROP_GUARD_ARP,
	[DP_GUARD_RULE_ARP_RATE] = DP_DROP_GUARD_ARP_RATE,
	[DP_GUARD_RULE_BROADCAST] = DP_DROP_GUARD_BROADCAST,
	[DP_GUARD_RULE_MULTICAST] = DP_DROP_GUARD_MULTICAST,
	[DP_GUARD_RULE_UNKNOWN] = DP_DROP_GUARD_UNKNOWN,
	[DP_GUARD_RULE_BPDU] = DP_DROP_GUARD_BPDU,
};

enum dp_drop dp_guard_drop(enum dp_guard_rule rule)
{
	return (unsigned)rule < DP_N_GUARD_RULES ? drops[rule] : DP_N_DROPS;
}

/* ---- Addresses of a spec ---- */

static bool is_single(const struct dp_guard_address *a)
{
	return a->prefix == (a->ip.v6 ? 128 : 32);
}

static uint32_t fixed_hash(const struct dp_ip *ip)
{
	uint64_t hash = (ip->w[0] ^ ip->w[1] * 31) * UINT64_C(0x9fb21c651e98df25);

	return (uint32_t)(hash >> 32);
}

static bool is_in(const struct dp_ip *ip, const struct dp_guard_address *a)
{
	unsigned whole = a->prefix / 8, rest = a->prefix % 8;

	if (ip->v6 != a->ip.v6 || memcmp(ip->b, a->ip.b, whole) != 0)
		return false;
	return rest == 0 || (ip->b[whole] ^ a->ip.b[whole]) >> (8 - rest) == 0;
}

static bool is_of(const struct dp_guard_address *a, uint64_t mac)
{
	uint64_t word = dp_guard_mac_word(a->mac);

	return word == 0 || word == mac;
}

bool dp_guard_gives(const struct dp_guard *g, const struct dp_ip *ip, uint64_t mac)
{
	uint32_t at = fixed_hash(ip);

	for (; g->fixed != NULL; at++) {
		const struct dp_guard_fixed *f = &g->fixed[at & g->fixed_mask];

		if (!f->used)
			break;
		if (dp_ip_equal(&f->a.ip, ip) && is_of(&f->a, mac))
			return true;
	}
	for (uint32_t i = 0; i < g->n_prefixes; i++)
		if (is_in(ip, &g->prefixes[i]) && is_of(&g->prefixes[i], mac))
			return true;
	return false;
}

static void put_fixed(struct dp_guard *g, const struct dp_guard_address *a)
{
	uint32_t at = fixed_hash(&a->ip);

	while (g->fixed[at & g->fixed_mask].used)
		at++;
	g->fixed[at & g->fixed_mask] = (struct dp_guard_fixed){*a, true};
}

static int take_addresses(struct dp_guard *g, const struct dp_guard_spec *spec)
{
	uint32_t size = 4;

	while (size < 2 * spec->n_addresses)
		size *= 2;
	g->fixed = calloc(size, sizeof(*g->fixed));
	g->prefixes = calloc(spec->n_addresses + 1, sizeof(*g->prefixes));
	if (g->fixed == NULL || g->prefixes == NULL)
		return -ENOMEM;
	g->fixed_mask = size - 1;
	for (uint32_t i = 0; i < spec->n_addresses; i++) {
		if (is_single(&spec->addresses[i]))
			put_fixed(g, &spec->addresses[i]);
		else
			g->prefixes[g->n_prefixes++] = spec->addresses[i];
	}
	return 0;
}

static int take_macs(struct dp_guard *g, const struct dp_guard_spec *spec)
{
	g->macs = calloc(spec->n_macs + 1, sizeof(*g->macs));
	if (g->macs == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < spec->n_macs; i++)
		g->macs[g->n_macs++] = dp_guard_mac_word(spec->macs[i]);
	return 0;
}

/* ---- Rates ---- */

static struct dp_guard_bucket_rate rate_of(const struct dp *dp, const struct dp_guard_rate *r)
{
	uint64_t burst = r->burst, interval;

	if (r->rate == 0 || r->rate >= RATE_AS_NO_LIMIT)
		return (struct dp_guard_bucket_rate){0};
	if (burst == 0)
		burst = r->rate / BURSTS_A_S < LEAST_BURST ? LEAST_BURST : r->rate / BURSTS_A_S;
	interval = dp->tsc_hz * SIXTEENTHS / r->rate;
	/* A burst takes an hour at most to come back, as nobody waits longer. */
	if (burst > dp->tsc_hz * SIXTEENTHS * 3600 / interval)
		burst = dp->tsc_hz * SIXTEENTHS * 3600 / interval + 1;
	return (struct dp_guard_bucket_rate){interval, interval * burst};
}

static void take_rates(struct dp_guard *g, const struct dp *dp, const struct dp_guard_spec *spec)
{
	g->rates[DP_GUARD_BUCKET_ARP] = rate_of(dp, &spec->arp);
	g->rates[DP_GUARD_BUCKET_BROADCAST] = rate_of(dp, &spec->broadcast);
	g->rates[DP_GUARD_BUCKET_MULTICAST] = rate_of(dp, &spec->multicast);
	g->rates[DP_GUARD_BUCKET_UNKNOWN] = rate_of(dp, &spec->unknown);
	g->rates[DP_GUARD_BUCKET_ANSWER] = rate_of(dp, &(struct dp_guard_rate){ANSWER_RATE, 0});
}

/* ---- What is usual ---- */

/* The bits that count of a usual frame's words.  Bytes of the frame: destination 0, source 6,
 * EtherType 12; IPv4 at 14: version and header length 14, fragment 20, source 26; IPv6: version 14,
 * source 22. */
static void usual_masks(struct dp_guard *g)
{
	const bool binds = (g->on & DP_GUARD_IP) != 0, macs = binds || (g->on & DP_GUARD_MAC) != 0;
	uint64_t *v4 = g->usual4.mask, *v6 = g->usual6.mask;

	/* The group bits of both addresses. */
	v4[0] = v6[0] = UINT64_C(1) | (macs ? UINT64_C(0xffff) << 48 : UINT64_C(1) << 48);
	v4[1] = v6[1] = (macs ? UINT64_C(0xffffffff) : 0) | UINT64_C(0xffff) << 32;
	v4[1] |= UINT64_C(0xff) << 48;
	v6[1] |= UINT64_C(0xf0) << 48;
	v4[2] = UINT64_C(0xff3f) << 32;
	v4[3] = binds ? UINT64_C(0xffffffff) << 16 : 0;
	memcpy(g->usual_tagged.mask, v4, sizeof(g->usual_tagged.mask));
	/* TPID and VID. */
	g->usual_tagged.tail_mask = 0xff0fffff;
	if (!binds)
		return;
	v6[2] = UINT64_C(0xffff) << 48;
	v6[3] = g->usual6.tail_mask = UINT64_MAX;
}

/* ---- Life ---- */

static struct dp_guard_state *state_get(const struct dp_guard *before)
{
	struct dp_guard_state *state = before != NULL ? before->state : calloc(1, sizeof(*state));

	if (state != NULL)
		state->refs++;
	return state;
}

static struct dp_guard_book *book_of(struct dp *dp)
{
	struct dp_guard_book *book = atomic_load(&dp->guard_book);

	if (book == NULL) {
		book = dp_guard_book_create();
		atomic_store(&dp->guard_book, book);
	}
	return book;
}

static bool is_sound(const struct dp_guard_spec *spec)
{
	if (spec->port >= DP_MAX_PORTS || spec->n_macs > DP_GUARD_MAX_MACS ||
	    spec->n_addresses > DP_GUARD_MAX_ADDRESSES || spec->max_learned > DP_GUARD_MAX_LEARNED)
		return false;
	for (uint32_t i = 0; i < spec->n_addresses; i++)
		if (spec->addresses[i].prefix > (spec->addresses[i].ip.v6 ? 128 : 32))
			return false;
	return true;
}

static void guard_free(struct dp_guard *g)
{
	if (g->state != NULL && --g->state->refs == 0)
		free(g->state);
	free(g->macs);
	free(g->fixed);
	free(g->prefixes);
	free(g);
}

int dp_guard_create(struct dp *dp, const struct dp_guard_spec *spec, const struct dp_guard *before,
		    struct dp_guard **ret_guard)
{
	struct dp_guard *g;

	if (!is_sound(spec))
		return -EINVAL;
	g = aligned_alloc(64, sizeof(*g));
	if (g == NULL)
		return -ENOMEM;
	memset(g, 0, sizeof(*g));
	g->on = spec->on;
	g->watch = (spec->on & DP_GUARD_WATCH) != 0 ? UINT32_MAX : spec->watch;
	g->port = spec->port;
	g->max_learned = spec->max_learned != 0 ? spec->max_learned : DP_GUARD_LEARNED;
	g->refs = 1;
	g->state = state_get(before);
	g->book = book_of(dp);
	take_rates(g, dp, spec);
	usual_masks(g);
	if (g->state == NULL || g->book == NULL || take_macs(g, spec) != 0 ||
	    take_addresses(g, spec) != 0) {
		guard_free(g);
		return -ENOMEM;
	}
	*ret_guard = g;
	return 0;
}

void dp_guard_ref(struct dp_guard *g)
{
	g->refs++;
}

void dp_guard_unref(struct dp_guard *g)
{
	if (g != NULL && --g->refs == 0)
		guard_free(g);
}

/* ---- On ports ---- */

/* Takes the first 'n' slots' addresses out of the book again. */
static void unfix(const struct dp_guard *g, uint32_t where, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (g->fixed[i].used)
			dp_guard_book_unfix(g->book, where, &g->fixed[i].a.ip, g->port);
}

/* Whose MAC an address goes with: where the port has but one, that. */
static void mac_of_fixed(const struct dp_guard *g, const struct dp_guard_address *a, uint8_t mac[6])
{
	memcpy(mac, a->mac, 6);
	if (dp_guard_mac_word(mac) == 0 && (g->on & DP_GUARD_MAC) != 0 && g->n_macs == 1)
		memcpy(mac, &g->macs[0], 6);
}

static int fix(const struct dp_guard *g, uint32_t where)
{
	for (uint32_t i = 0; i <= g->fixed_mask; i++) {
		const struct dp_guard_address *a = &g->fixed[i].a;
		uint8_t mac[6];
		int rc = 0;

		mac_of_fixed(g, a, mac);
		if (g->fixed[i].used)
			rc = dp_guard_book_fix(g->book, where, &a->ip, g->port, mac);
		if (rc != 0) {
			unfix(g, where, i);
			return rc;
		}
	}
	return 0;
}

static bool stands_at(const struct dp_guard *g, uint32_t where)
{
	for (const struct dp_guard_place *p = g->places; p != NULL; p = p->next)
		if (p->where == where)
			return true;
	return false;
}

int dp_guard_hang(struct dp_guard *g, const struct dp_view *view, struct dp_vport *vp)
{
	const struct dp_domain *domain =
		vp->domain < DP_MAX_DOMAINS ? view->domains[vp->domain] : NULL;
	const uint32_t where = dp_guard_where_of(domain, vp->domain, vp->pvid);
	struct dp_guard_place *p = calloc(1, sizeof(*p));
	int rc = p == NULL ? -ENOMEM : stands_at(g, where) ? 0 : fix(g, where);

	if (rc != 0) {
		free(p);
		return rc;
	}
	p->vp = vp;
	p->where = where;
	p->next = g->places;
	g->places = p;
	g->refs++;
	vp->guard = g;
	return 0;
}

void dp_guard_release(struct dp_vport *vp)
{
	struct dp_guard *g = vp->guard;
	struct dp_guard_place **at, *p;

	if (g == NULL)
		return;
	vp->guard = NULL;
	for (at = &g->places; *at != NULL && (*at)->vp != vp;)
		at = &(*at)->next;
	p = *at;
	if (p != NULL) {
		*at = p->next;
		if (!stands_at(g, p->where))
			unfix(g, p->where, g->fixed_mask + 1);
		free(p);
	}
	dp_guard_unref(g);
}

void dp_guard_read(const struct dp_guard *g, struct dp_guard_counts *ret)
{
	const struct dp_guard_state *s = g->state;

	for (unsigned i = 0; i < DP_N_GUARD_RULES; i++)
		ret->violations[i] = atomic_load_explicit(&s->violations[i], memory_order_relaxed);
	ret->answered = atomic_load_explicit(&s->answered, memory_order_relaxed);
	ret->learned = atomic_load_explicit(&s->learned, memory_order_relaxed);
	ret->not_learned = atomic_load_explicit(&s->not_learned, memory_order_relaxed);
}

/* ---- Bindings by hand ---- */

int dp_guard_bind(struct dp *dp, const struct dp_guard_binding *b)
{
	struct dp_guard_book *book = book_of(dp);

	if (book == NULL)
		return -ENOMEM;
	if (b->port >= DP_MAX_PORTS || b->how == DP_GUARD_FIXED || b->how >= DP_N_GUARD_HOWS)
		return -EINVAL;
	return dp_guard_book_bind(book, b, 0, dp_flow_now_ms(dp));
}

/* What a worker still takes for the usual. */
static void forget_usual(struct dp *dp, uint16_t port)
{
	const struct dp_view *view = atomic_load(&dp->view);
	const struct dp_vport *vp = port < view->n_vports ? view->vports[port] : NULL;

	if (vp == NULL || vp->guard == NULL)
		return;
	dp_guard_forget_usual(vp->guard);
}

int dp_guard_unbind(struct dp *dp, uint16_t domain, uint16_t vlan, uint16_t port,
		    const struct dp_ip *ip)
{
	struct dp_guard_book *book = atomic_load(&dp->guard_book);
	int rc = book == NULL || port >= DP_MAX_PORTS
			 ? -ENOENT
			 : dp_guard_book_unbind(book, dp_guard_where(domain, vlan), ip, port);

	if (rc == 0)
		forget_usual(dp, port);
	return rc;
}

uint32_t dp_guard_bindings(struct dp *dp, uint16_t port, dp_guard_binding_fn fn, void *arg)
{
	struct dp_guard_book *book = atomic_load(&dp->guard_book);

	return book == NULL ? 0 : dp_guard_book_each(book, port, fn, arg);
}

uint64_t dp_guard_bindings_version(const struct dp *dp)
{
	const struct dp_guard_book *book = atomic_load(&dp->guard_book);

	return book == NULL ? 0 : dp_guard_book_version(book);
}

void dp_guard_port_gone(struct dp *dp, uint16_t port)
{
	struct dp_guard_book *book = atomic_load(&dp->guard_book);

	if (book == NULL || port >= DP_MAX_PORTS)
		return;
	dp_guard_book_port_gone(book, port);
	forget_usual(dp, port);
}

void dp_guard_tick(struct dp *dp)
{
	struct dp_guard_book *book = atomic_load(&dp->guard_book);

	if (book != NULL)
		dp_guard_book_tick(book, dp_flow_now_ms(dp));
}
