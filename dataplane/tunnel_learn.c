/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Flood and learn: behind which remote a station lives.  A forwarding database of its own for each
 * VTEP says it, whose "domain" is the tunnel port, whose "VLAN" is what stands for a tenant there,
 * and whose "port" is a remote's number.  Numbers are given out here, four thousand at most; one
 * that nothing was heard of for twice the time that an address is kept may become another's.
 *
 * Only ports learn that have more than one remote, or take from anybody, and whose key no rule
 * chooses: there rules say where to.  Workers; the table is shared and written as neigh.h says.
 *
 * Source: RFC 7348 section 4.1 and 4.2 (without multicast).
 */
#include "dataplane/fdb_priv.h"
#include "dataplane/tunnel_priv.h"

#include <errno.h>
#include <stdlib.h>

#define REMOTES	  4096u
#define WINDOW	  8u
#define STATIONS  65536u
#define AGE_S	  300u
#define FORGET_MS (2000u * AGE_S)

struct remote {
	_Atomic uint32_t seq; /* odd: being written */
	bool used;
	struct dp_ip ip;
	_Atomic uint64_t heard_ms;
};

struct dp_learned {
	struct dp_fdb *fdb;
	atomic_flag writing;
	struct remote v[REMOTES];
};

int dp_learned_create(struct dp_learned **ret)
{
	struct dp_learned *l = calloc(1, sizeof(*l));
	int rc = l != NULL ? dp_fdb_create(STATIONS, AGE_S, &l->fdb) : -ENOMEM;

	if (rc != 0) {
		free(l);
		return rc;
	}
	*ret = l;
	return 0;
}

void dp_learned_destroy(struct dp_learned *l)
{
	if (l == NULL)
		return;
	dp_fdb_destroy(l->fdb);
	free(l);
}

static void synchronize(void *arg)
{
	dp_synchronize(arg);
}

void dp_learned_tick(struct dp_learned *l, struct dp *dp, uint64_t now_ns)
{
	dp_fdb_tick(l->fdb, now_ns, synchronize, dp);
}

static bool read_remote(const struct remote *r, struct dp_ip *ret)
{
	uint32_t seq = atomic_load_explicit(&r->seq, memory_order_acquire);
	bool used = r->used;

	*ret = r->ip;
	atomic_thread_fence(memory_order_acquire);
	return used && (seq & 1) == 0 && atomic_load_explicit(&r->seq, memory_order_relaxed) == seq;
}

static uint32_t place(const struct dp_ip *ip, uint32_t i)
{
	uint64_t x = (ip->w[0] ^ ip->w[1] * 3) * UINT64_C(0x9e3779b97f4a7c15);

	return ((uint32_t)(x >> 40) + i) % REMOTES;
}

static void write_remote(struct remote *r, const struct dp_ip *ip, uint64_t now_ms)
{
	atomic_store_explicit(&r->seq, r->seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	r->used = true;
	r->ip = *ip;
	atomic_store_explicit(&r->seq, r->seq + 1, memory_order_release);
	atomic_store_explicit(&r->heard_ms, now_ms, memory_order_relaxed);
}

/* A number for 'ip'; REMOTES when there is none just now. */
static uint32_t give_number(struct dp_learned *l, const struct dp_ip *ip, uint64_t now_ms)
{
	uint32_t found = REMOTES;

	if (atomic_flag_test_and_set_explicit(&l->writing, memory_order_acquire))
		return REMOTES;
	for (uint32_t i = 0; i < WINDOW && found == REMOTES; i++) {
		struct remote *r = &l->v[place(ip, i)];
		uint64_t heard = atomic_load_explicit(&r->heard_ms, memory_order_relaxed);

		if (r->used && dp_ip_equal(&r->ip, ip)) {
			found = place(ip, i);
		} else if (!r->used || now_ms - heard > FORGET_MS) {
			write_remote(r, ip, now_ms);
			found = place(ip, i);
		}
	}
	atomic_flag_clear_explicit(&l->writing, memory_order_release);
	return found;
}

static uint32_t number_of(struct dp_learned *l, const struct dp_ip *ip, uint64_t now_ms)
{
	struct dp_ip is;

	for (uint32_t i = 0; i < WINDOW; i++) {
		struct remote *r = &l->v[place(ip, i)];

		if (!read_remote(r, &is) || !dp_ip_equal(&is, ip))
			continue;
		if (now_ms - atomic_load_explicit(&r->heard_ms, memory_order_relaxed) > 1000)
			atomic_store_explicit(&r->heard_ms, now_ms, memory_order_relaxed);
		return place(ip, i);
	}
	return give_number(l, ip, now_ms);
}

static bool learns(const struct dp_overlay *t)
{
	return t->key_mode != DP_TUNNEL_KEY_FLOW && (t->remote_flow || t->n_remotes > 1);
}

static uint32_t where_of(const struct dp_vport *port, uint16_t vlan)
{
	return (uint32_t)port->id << 16 | (vlan != DP_NO_VLAN ? vlan : 0);
}

static uint64_t mac_at(const struct rte_mbuf *m, uint16_t at)
{
	uint64_t mac = 0;

	memcpy(&mac, rte_pktmbuf_mtod_offset(m, const char *, at), 6);
	return mac;
}

bool dp_vtep_learned(struct dp_worker *w, const struct dp_vport *vtep, const struct dp_vport *port,
		     uint16_t vlan, const struct rte_mbuf *m, struct dp_ip *ret_ip)
{
	struct dp_learned *l = dp_port_learned(vtep->port);
	const struct dp_fdb_table *t = atomic_load_explicit(&l->fdb->table, memory_order_acquire);
	uint32_t where = where_of(port, vlan);
	struct dp_fdb_bucket *b;
	uint64_t mac;
	uint16_t n;
	int slot;

	if (!learns(port->tunnel) || m->data_len < RTE_ETHER_HDR_LEN)
		return false;
	mac = mac_at(m, 0);
	if ((mac & 1) != 0)
		return false;
	n = dp_fdb_find(l->fdb, t, dp_fdb_first(t, dp_fdb_hash(l->fdb, mac, where)), mac, where, &b,
			&slot);
	return n < REMOTES && read_remote(&l->v[n], ret_ip);
}

void dp_vtep_learn(struct dp_worker *w, const struct dp_vport *vtep, const struct dp_vport *port,
		   uint16_t vlan, const struct rte_mbuf *m, const struct dp_ip *src)
{
	struct dp_learned *l = dp_port_learned(vtep->port);
	const struct dp_fdb_table *t = atomic_load_explicit(&l->fdb->table, memory_order_acquire);
	uint32_t where = where_of(port, vlan), n;
	uint64_t mac;

	if (!learns(port->tunnel) || m->data_len < RTE_ETHER_HDR_LEN)
		return;
	mac = mac_at(m, 6);
	if ((mac & 1) != 0 || mac == 0)
		return;
	n = number_of(l, src, dp_worker_now_ms(w));
	if (n == REMOTES ||
	    dp_fdb_confirm(l->fdb, t, dp_fdb_first(t, dp_fdb_hash(l->fdb, mac, where)), mac, where,
			   (uint16_t)n) ||
	    !dp_fdb_writer_try(l->fdb))
		return;
	dp_fdb_learn(l->fdb, mac, port->id, (uint16_t)where, (uint16_t)n, 0, 0);
	dp_fdb_writer_end(l->fdb);
}

/* ---- For people ---- */

struct walk {
	struct dp_learned *l;
	void (*fn)(void *arg, const struct dp_learned_info *info);
	void *arg;
};

static bool walk_one(void *arg, const struct dp_fdb_entry *e)
{
	struct walk *k = arg;
	struct dp_learned_info info = {.mac = e->mac, .port = e->domain, .age_s = e->age_s};

	if (e->port < REMOTES && read_remote(&k->l->v[e->port], &info.remote))
		k->fn(k->arg, &info);
	return true;
}

void dp_learned_walk(struct dp_learned *l,
		     void (*fn)(void *arg, const struct dp_learned_info *info), void *arg)
{
	struct walk k = {l, fn, arg};

	dp_fdb_walk(l->fdb, walk_one, &k);
}

void dp_learned_forget(struct dp_learned *l, uint16_t port)
{
	dp_fdb_flush(l->fdb, port, DP_NO_VLAN, DP_NO_PORT, false);
}
