/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The forwarding database: (domain, VLAN, MAC) -> port, for up to 1 M addresses.
 *
 * Buckets are one cache line of five entries, two candidate buckets an address; the table grows as
 * it fills, so a thousand stations stay in the first-level caches and a million cost one or two
 * cache lines a look-up.  Readers take no lock.  Writers (a worker that learns, the control thread)
 * take a flag; a worker never waits for it: who does not get it learns from the station's next
 * frame.  A reader may see an entry while it is being replaced; the egress check (domain and VLAN
 * of the port, l2.c) makes that a frame to a port of the same tenant at worst.
 *
 * "In use" is one bit an entry, set by workers when it was clear, cleared by the ageing sweep:
 * ageing costs the packet path no shared write but one per address and sweep.
 */
#ifndef DATAPLANE_FDB_H
#define DATAPLANE_FDB_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

struct dp_fdb;

struct dp_fdb_entry {
	struct rte_ether_addr mac;
	uint16_t domain, vlan, port;
	bool is_static;
	uint32_t age_s; /* since last seen; exact to a sweep; 0 for a static one */
};

/* Static entries: never age, never move, not counted against limits.  A learned one of the same
 * address becomes static.  -EEXIST when it is static on another port, -ENOSPC; then nothing has
 * changed. */
int dp_fdb_add_static(struct dp_fdb *fdb, const struct dp_fdb_entry *entry, struct err *err);
/* As that, but from wherever it is known, static or learned: readers find it at the old port or at
 * the new one, never at none. */
int dp_fdb_move_static(struct dp_fdb *fdb, const struct dp_fdb_entry *entry, struct err *err);
/* Where an address is known to be, as 'entry' names it; DP_NO_PORT: nowhere. */
uint16_t dp_fdb_port_of(struct dp_fdb *fdb, const struct dp_fdb_entry *entry);
int dp_fdb_remove(struct dp_fdb *fdb, const struct dp_fdb_entry *entry);

/* Removes learned entries that match: DP_NO_PORT, DP_NO_DOMAIN, DP_NO_VLAN are wildcards. 'statics'
 * too if asked. Returns how many. */
uint32_t dp_fdb_flush(struct dp_fdb *fdb, uint16_t domain, uint16_t vlan, uint16_t port,
		      bool statics);

/* Calls 'fn' for each entry until it returns false.  Not a snapshot: addresses may come and go
 * meanwhile. */
void dp_fdb_walk(struct dp_fdb *fdb, bool (*fn)(void *arg, const struct dp_fdb_entry *entry),
		 void *arg);

/* Ageing time of all domains, and of one that differs (0: as all). */
void dp_fdb_set_age(struct dp_fdb *fdb, uint32_t age_s);
void dp_fdb_set_domain_age(struct dp_fdb *fdb, uint16_t domain, uint32_t age_s);

struct dp_fdb_stats {
	uint32_t n_entries, n_static, size, limit;
	uint64_t learned, moved, aged, refused_port, refused_domain, refused_full, contended;
	uint64_t memory;
};
void dp_fdb_stats(const struct dp_fdb *fdb, struct dp_fdb_stats *ret);
uint32_t dp_fdb_port_count(const struct dp_fdb *fdb, uint16_t port);
/* Learned addresses that moved to and from a port since the last call for it. */
void dp_fdb_moves(struct dp_fdb *fdb, uint16_t port, uint32_t *ret_gained, uint32_t *ret_lost);
uint32_t dp_fdb_domain_count(const struct dp_fdb *fdb, uint16_t domain);

#endif
