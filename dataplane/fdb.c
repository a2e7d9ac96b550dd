/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The forwarding database: writers.  See fdb.h for the idea and fdb_priv.h for the table and its
 * readers.
 *
 * 'writing' is a flag, not a lock: workers try it and go on without; the control thread yields
 * until it has it.  Growing copies into a new table under the flag, publishes, waits until no
 * reader has the old one, and unmaps it.  Ageing is a sweep over a share of the buckets at each
 * tick: a slot that was marked in use gets the clock and loses the mark.
 */
#include "dataplane/fdb_priv.h"

#include "dataplane/dp_priv.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define FDB_MIN_BUCKETS 1024u
#define HUGE_PAGE	(2u << 20)

static size_t table_buckets_size(uint32_t n_buckets)
{
	size_t size = (size_t)n_buckets * sizeof(struct dp_fdb_bucket);

	return size < HUGE_PAGE ? HUGE_PAGE : size;
}

static struct dp_fdb_table *table_create(uint32_t n_buckets)
{
	struct dp_fdb_table *t = calloc(1, sizeof(*t));
	size_t size = table_buckets_size(n_buckets);
	char *raw;

	if (t == NULL)
		return NULL;
	t->seen_s = calloc((size_t)n_buckets * DP_FDB_SLOTS, sizeof(*t->seen_s));
	raw = aligned_alloc(HUGE_PAGE, size);
	if (t->seen_s == NULL || raw == NULL) {
		free(t->seen_s);
		free(raw);
		free(t);
		return NULL;
	}
	/* One TLB entry instead of hundreds; a refusal costs speed only. */
	(void)madvise(raw, size, MADV_HUGEPAGE);
	memset(raw, 0, (size_t)n_buckets * sizeof(struct dp_fdb_bucket));
	t->buckets = (struct dp_fdb_bucket *)raw;
	t->mask = n_buckets - 1;
	t->size = size;
	return t;
}

static void table_destroy(struct dp_fdb_table *t)
{
	if (t == NULL)
		return;
	free(t->buckets);
	free(t->seen_s);
	free(t);
}

int dp_fdb_create(uint32_t limit, uint32_t age_s, struct dp_fdb **ret_fdb)
{
	struct dp_fdb *fdb = calloc(1, sizeof(*fdb));

	if (fdb == NULL)
		return -ENOMEM;
	if (getrandom(fdb->seed, sizeof(fdb->seed), 0) != sizeof(fdb->seed)) {
		free(fdb);
		return -EIO;
	}
	fdb->seed[1] |= 1ull << 63; /* Never a weak multiplier, whatever 'where' is. */
	fdb->limit = limit;
	fdb->age_s = fdb->shortest_age_s = age_s;
	fdb->now_s = 1;
	atomic_flag_clear(&fdb->writing);
	atomic_store(&fdb->table, table_create(FDB_MIN_BUCKETS));
	if (atomic_load(&fdb->table) == NULL) {
		free(fdb);
		return -ENOMEM;
	}
	*ret_fdb = fdb;
	return 0;
}

void dp_fdb_destroy(struct dp_fdb *fdb)
{
	if (fdb == NULL)
		return;
	table_destroy(atomic_load(&fdb->table));
	free(fdb);
}

bool dp_fdb_writer_try(struct dp_fdb *fdb)
{
	if (!atomic_flag_test_and_set_explicit(&fdb->writing, memory_order_acquire))
		return true;
	atomic_fetch_add_explicit(&fdb->contended, 1, memory_order_relaxed);
	return false;
}

void dp_fdb_writer_end(struct dp_fdb *fdb)
{
	atomic_flag_clear_explicit(&fdb->writing, memory_order_release);
}

static void writer_begin(struct dp_fdb *fdb)
{
	while (atomic_flag_test_and_set_explicit(&fdb->writing, memory_order_acquire))
		sched_yield();
}

static uint32_t where_of(uint16_t domain, uint16_t vlan)
{
	return (uint32_t)domain << 16 | vlan;
}

static uint64_t mac_of(const struct rte_ether_addr *addr)
{
	uint64_t mac = 0;

	memcpy(&mac, addr->addr_bytes, sizeof(addr->addr_bytes));
	return mac;
}

static uint16_t find(const struct dp_fdb *fdb, const struct dp_fdb_table *t, uint64_t mac,
		     uint32_t where, struct dp_fdb_bucket **ret_bucket, int *ret_slot)
{
	return dp_fdb_find(fdb, t, dp_fdb_first(t, dp_fdb_hash(fdb, mac, where)), mac, where,
			   ret_bucket, ret_slot);
}

static void event_add(struct dp_fdb *fdb, const struct dp_fdb_event *event)
{
	uint32_t head = atomic_load_explicit(&fdb->events_head, memory_order_relaxed);

	if (head - atomic_load_explicit(&fdb->events_tail, memory_order_acquire) >= DP_FDB_EVENTS)
		return; /* The counters still tell. */
	fdb->events[head % DP_FDB_EVENTS] = *event;
	atomic_store_explicit(&fdb->events_head, head + 1, memory_order_release);
}

static uint32_t *seen_of(const struct dp_fdb_table *t, const struct dp_fdb_bucket *b, int slot)
{
	return &t->seen_s[(size_t)(b - t->buckets) * DP_FDB_SLOTS + (size_t)slot];
}

static int free_slot(const struct dp_fdb_bucket *b)
{
	for (int i = 0; i < DP_FDB_SLOTS; i++)
		if (atomic_load_explicit(&b->mac_port[i], memory_order_relaxed) == 0)
			return i;
	return -1;
}

static void slot_fill(struct dp_fdb_table *t, struct dp_fdb_bucket *b, int slot, uint64_t mac,
		      uint32_t where, uint16_t port, bool is_static, uint32_t seen_s)
{
	uint32_t keep = ~(DP_FDB_USED(slot) | DP_FDB_STATIC(slot));

	*seen_of(t, b, slot) = seen_s;
	atomic_fetch_and_explicit(&b->bits, keep, memory_order_relaxed);
	if (is_static)
		atomic_fetch_or_explicit(&b->bits, DP_FDB_STATIC(slot), memory_order_relaxed);
	atomic_store_explicit(&b->where[slot], where, memory_order_relaxed);
	atomic_store_explicit(&b->mac_port[slot], mac << 16 | port, memory_order_release);
}

/* Moves one entry of a full bucket to its other bucket.  Returns the slot that came free, or -1.
 * For a moment the entry is in both; a reader that just misses it floods one frame. */
static int make_room(const struct dp_fdb *fdb, struct dp_fdb_table *t, struct dp_fdb_bucket *b)
{
	for (int slot = 0; slot < DP_FDB_SLOTS; slot++) {
		uint64_t mp = atomic_load_explicit(&b->mac_port[slot], memory_order_relaxed);
		uint32_t where = atomic_load_explicit(&b->where[slot], memory_order_relaxed);
		uint32_t bits = atomic_load_explicit(&b->bits, memory_order_relaxed);
		uint64_t hash = dp_fdb_hash(fdb, mp >> 16, where);
		struct dp_fdb_bucket *first = dp_fdb_first(t, hash);
		struct dp_fdb_bucket *other = first == b ? dp_fdb_second(t, hash) : first;
		int to = other == b ? -1 : free_slot(other);

		if (to < 0)
			continue;
		if (other != first)
			atomic_fetch_or_explicit(&first->bits, DP_FDB_SPILLED,
						 memory_order_relaxed);
		slot_fill(t, other, to, mp >> 16, where, (uint16_t)mp,
			  (bits & DP_FDB_STATIC(slot)) != 0,
			  (bits & DP_FDB_USED(slot)) != 0 ? fdb->now_s : *seen_of(t, b, slot));
		atomic_store_explicit(&b->mac_port[slot], 0, memory_order_release);
		return slot;
	}
	return -1;
}

/* Puts an address that is not there into its first or second bucket. */
static bool table_insert(const struct dp_fdb *fdb, struct dp_fdb_table *t, uint64_t mac,
			 uint32_t where, uint16_t port, bool is_static, uint32_t seen_s)
{
	uint64_t hash = dp_fdb_hash(fdb, mac, where);
	struct dp_fdb_bucket *first = dp_fdb_first(t, hash), *second = dp_fdb_second(t, hash);
	int slot = free_slot(first);

	if (slot < 0 && free_slot(second) < 0)
		slot = make_room(fdb, t, first);
	if (slot >= 0) {
		slot_fill(t, first, slot, mac, where, port, is_static, seen_s);
		return true;
	}
	slot = free_slot(second);
	if (slot < 0)
		return false;
	atomic_fetch_or_explicit(&first->bits, DP_FDB_SPILLED, memory_order_relaxed);
	slot_fill(t, second, slot, mac, where, port, is_static, seen_s);
	return true;
}

static void entry_counted(struct dp_fdb *fdb, uint16_t port, uint16_t domain, bool is_static,
			  int by)
{
	fdb->n_entries += (uint32_t)by;
	if (is_static) {
		fdb->n_static += (uint32_t)by;
		return;
	}
	if (port < DP_MAX_PORTS)
		atomic_fetch_add_explicit(&fdb->port_entries[port], (uint32_t)by,
					  memory_order_relaxed);
	if (domain < DP_MAX_DOMAINS)
		atomic_fetch_add_explicit(&fdb->domain_entries[domain], (uint32_t)by,
					  memory_order_relaxed);
}

static void slot_empty(struct dp_fdb *fdb, struct dp_fdb_bucket *b, int slot)
{
	uint64_t mp = atomic_load_explicit(&b->mac_port[slot], memory_order_relaxed);
	uint32_t where = atomic_load_explicit(&b->where[slot], memory_order_relaxed);
	uint32_t bits = atomic_load_explicit(&b->bits, memory_order_relaxed);

	entry_counted(fdb, (uint16_t)mp, (uint16_t)(where >> 16), (bits & DP_FDB_STATIC(slot)) != 0,
		      -1);
	atomic_store_explicit(&b->mac_port[slot], 0, memory_order_release);
}

static bool over(uint32_t n, uint32_t limit)
{
	return limit != 0 && n >= limit;
}

/* The address is known on another port: it moved, unless it is pinned there. */
static void learn_move(struct dp_fdb *fdb, struct dp_fdb_table *t, struct dp_fdb_bucket *b,
		       int slot, uint16_t from, const struct dp_fdb_event *event,
		       uint32_t port_limit)
{
	if ((atomic_load_explicit(&b->bits, memory_order_relaxed) & DP_FDB_STATIC(slot)) != 0)
		return;
	if (over(atomic_load_explicit(&fdb->port_entries[event->to], memory_order_relaxed),
		 port_limit)) {
		atomic_fetch_add_explicit(&fdb->refused_port, 1, memory_order_relaxed);
		return;
	}
	atomic_store_explicit(&b->mac_port[slot], event->mac << 16 | event->to,
			      memory_order_release);
	*seen_of(t, b, slot) = fdb->now_s;
	atomic_fetch_sub_explicit(&fdb->port_entries[from], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&fdb->port_entries[event->to], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&fdb->port_lost[from], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&fdb->port_gained[event->to], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&fdb->moved, 1, memory_order_relaxed);
	event_add(fdb, event);
}

/* Is there room for one more, by every limit? */
static bool learn_allowed(struct dp_fdb *fdb, struct dp_fdb_event *event, uint32_t port_limit,
			  uint32_t domain_limit)
{
	_Atomic uint64_t *refused = NULL;

	if (over(atomic_load_explicit(&fdb->port_entries[event->to], memory_order_relaxed),
		 port_limit))
		refused = &fdb->refused_port;
	else if (over(atomic_load_explicit(&fdb->domain_entries[event->domain],
					   memory_order_relaxed),
		      domain_limit))
		refused = &fdb->refused_domain;
	else if (fdb->n_entries >= fdb->limit)
		refused = &fdb->refused_full;
	if (refused == NULL)
		return true;
	/* The first refusal of a kind is news, the millionth is a counter. */
	if ((atomic_fetch_add_explicit(refused, 1, memory_order_relaxed) & 0xffff) == 0) {
		event->limit = true;
		event_add(fdb, event);
	}
	return false;
}

void dp_fdb_learn(struct dp_fdb *fdb, uint64_t mac, uint16_t domain, uint16_t vlan, uint16_t port,
		  uint32_t port_limit, uint32_t domain_limit)
{
	struct dp_fdb_table *t = atomic_load_explicit(&fdb->table, memory_order_acquire);
	uint32_t where = where_of(domain, vlan);
	struct dp_fdb_event event = {.mac = mac, .domain = domain, .vlan = vlan, .to = port};
	struct dp_fdb_bucket *b;
	int slot;
	uint16_t known = find(fdb, t, mac, where, &b, &slot);

	if (known == port)
		return;
	if (known != DP_NO_PORT) {
		event.from = known;
		learn_move(fdb, t, b, slot, known, &event, port_limit);
		return;
	}
	if (!learn_allowed(fdb, &event, port_limit, domain_limit))
		return;
	if (!table_insert(fdb, t, mac, where, port, false, fdb->now_s)) {
		atomic_fetch_add_explicit(&fdb->refused_full, 1, memory_order_relaxed);
		atomic_store_explicit(&fdb->want_grow, true, memory_order_relaxed);
		return;
	}
	entry_counted(fdb, port, domain, false, 1);
	atomic_fetch_add_explicit(&fdb->learned, 1, memory_order_relaxed);
	/* Beyond 60 % buckets start to spill: time for a larger table. */
	if (fdb->n_entries > (t->mask + 1) * 3)
		atomic_store_explicit(&fdb->want_grow, true, memory_order_relaxed);
}

/* A learned entry becomes static where it is, so that a full table refuses nothing that is in it.
 */
static int pin(struct dp_fdb *fdb, struct dp_fdb_table *t, struct dp_fdb_bucket *b, int slot,
	       const struct dp_fdb_entry *entry, uint16_t known, struct err *err)
{
	uint32_t bits = atomic_load_explicit(&b->bits, memory_order_relaxed);

	if ((bits & DP_FDB_STATIC(slot)) != 0) {
		if (known == entry->port)
			return 0;
		return err_set(err, -EEXIST, "mac-used",
			       "the address is static on another port already");
	}
	slot_empty(fdb, b, slot);
	slot_fill(t, b, slot, mac_of(&entry->mac), where_of(entry->domain, entry->vlan),
		  entry->port, true, fdb->now_s);
	entry_counted(fdb, entry->port, entry->domain, true, 1);
	return 0;
}

int dp_fdb_add_static(struct dp_fdb *fdb, const struct dp_fdb_entry *entry, struct err *err)
{
	uint64_t mac = mac_of(&entry->mac);
	uint32_t where = where_of(entry->domain, entry->vlan);
	struct dp_fdb_table *t;
	struct dp_fdb_bucket *b;
	uint16_t known;
	int slot, rc = 0;

	writer_begin(fdb);
	t = atomic_load(&fdb->table);
	known = find(fdb, t, mac, where, &b, &slot);
	if (known != DP_NO_PORT) {
		rc = pin(fdb, t, b, slot, entry, known, err);
	} else if (table_insert(fdb, t, mac, where, entry->port, true, fdb->now_s)) {
		entry_counted(fdb, entry->port, entry->domain, true, 1);
	} else {
		atomic_store(&fdb->want_grow, true);
		rc = err_set(err, -ENOSPC, "fdb-full", "no room for one more static address");
		err_fix(err, "try again: the table is growing");
	}
	dp_fdb_writer_end(fdb);
	return rc;
}

/* An entry that is there becomes static, elsewhere. */
static void repin(struct dp_fdb *fdb, struct dp_fdb_bucket *b, int slot,
		  const struct dp_fdb_entry *entry, uint16_t from)
{
	uint32_t bits = atomic_load_explicit(&b->bits, memory_order_relaxed);

	entry_counted(fdb, from, entry->domain, (bits & DP_FDB_STATIC(slot)) != 0, -1);
	atomic_fetch_or_explicit(&b->bits, DP_FDB_STATIC(slot), memory_order_relaxed);
	atomic_store_explicit(&b->mac_port[slot], mac_of(&entry->mac) << 16 | entry->port,
			      memory_order_release);
	entry_counted(fdb, entry->port, entry->domain, true, 1);
}

int dp_fdb_move_static(struct dp_fdb *fdb, const struct dp_fdb_entry *entry, struct err *err)
{
	uint64_t mac = mac_of(&entry->mac);
	struct dp_fdb_bucket *b;
	uint16_t known;
	int slot;

	writer_begin(fdb);
	known = find(fdb, atomic_load(&fdb->table), mac, where_of(entry->domain, entry->vlan), &b,
		     &slot);
	if (known != DP_NO_PORT)
		repin(fdb, b, slot, entry, known);
	dp_fdb_writer_end(fdb);
	return known != DP_NO_PORT ? 0 : dp_fdb_add_static(fdb, entry, err);
}

uint16_t dp_fdb_port_of(struct dp_fdb *fdb, const struct dp_fdb_entry *entry)
{
	struct dp_fdb_bucket *b;
	uint16_t known;
	int slot;

	writer_begin(fdb);
	known = find(fdb, atomic_load(&fdb->table), mac_of(&entry->mac),
		     where_of(entry->domain, entry->vlan), &b, &slot);
	dp_fdb_writer_end(fdb);
	return known;
}

int dp_fdb_remove(struct dp_fdb *fdb, const struct dp_fdb_entry *entry)
{
	uint64_t mac = mac_of(&entry->mac);
	uint32_t where = where_of(entry->domain, entry->vlan);
	struct dp_fdb_bucket *b;
	int slot;
	bool found;

	writer_begin(fdb);
	found = find(fdb, atomic_load(&fdb->table), mac, where, &b, &slot) != DP_NO_PORT;
	if (found)
		slot_empty(fdb, b, slot);
	dp_fdb_writer_end(fdb);
	return found ? 0 : -ENOENT;
}

static bool slot_matches(const struct dp_fdb_bucket *b, int slot, uint16_t domain, uint16_t vlan,
			 uint16_t port, bool statics)
{
	uint64_t mp = atomic_load_explicit(&b->mac_port[slot], memory_order_relaxed);
	uint32_t where = atomic_load_explicit(&b->where[slot], memory_order_relaxed);

	if (mp == 0 || (!statics && (atomic_load(&b->bits) & DP_FDB_STATIC(slot)) != 0))
		return false;
	return (port == DP_NO_PORT || port == (uint16_t)mp) &&
	       (domain == DP_NO_DOMAIN || domain == where >> 16) &&
	       (vlan == DP_NO_VLAN || vlan == (where & 0xffff));
}

uint32_t dp_fdb_flush(struct dp_fdb *fdb, uint16_t domain, uint16_t vlan, uint16_t port,
		      bool statics)
{
	struct dp_fdb_table *t;
	uint32_t n = 0;

	writer_begin(fdb);
	t = atomic_load(&fdb->table);
	for (uint32_t i = 0; i <= t->mask; i++) {
		for (int slot = 0; slot < DP_FDB_SLOTS; slot++) {
			if (!slot_matches(&t->buckets[i], slot, domain, vlan, port, statics))
				continue;
			slot_empty(fdb, &t->buckets[i], slot);
			n++;
		}
	}
	dp_fdb_writer_end(fdb);
	return n;
}

static struct dp_fdb_entry entry_of(const struct dp_fdb *fdb, const struct dp_fdb_table *t,
				    const struct dp_fdb_bucket *b, int slot, uint64_t mp)
{
	uint32_t where = atomic_load_explicit(&b->where[slot], memory_order_relaxed);
	uint32_t bits = atomic_load_explicit(&b->bits, memory_order_relaxed);
	uint64_t mac = mp >> 16;
	struct dp_fdb_entry entry = {
		.domain = (uint16_t)(where >> 16),
		.vlan = (uint16_t)where,
		.port = (uint16_t)mp,
		.is_static = (bits & DP_FDB_STATIC(slot)) != 0,
		.age_s = (bits & (DP_FDB_USED(slot) | DP_FDB_STATIC(slot))) != 0
				 ? 0
				 : fdb->now_s - *seen_of(t, b, slot),
	};

	memcpy(entry.mac.addr_bytes, &mac, sizeof(entry.mac.addr_bytes));
	return entry;
}

void dp_fdb_walk(struct dp_fdb *fdb, bool (*fn)(void *arg, const struct dp_fdb_entry *entry),
		 void *arg)
{
	const struct dp_fdb_table *t = atomic_load(&fdb->table);

	for (uint32_t i = 0; i <= t->mask; i++) {
		const struct dp_fdb_bucket *b = &t->buckets[i];

		for (int slot = 0; slot < DP_FDB_SLOTS; slot++) {
			uint64_t mp =
				atomic_load_explicit(&b->mac_port[slot], memory_order_acquire);
			struct dp_fdb_entry entry;

			if (mp == 0)
				continue;
			entry = entry_of(fdb, t, b, slot, mp);
			if (!fn(arg, &entry))
				return;
		}
	}
}

static void find_shortest_age(struct dp_fdb *fdb)
{
	uint32_t shortest = fdb->age_s;

	for (unsigned i = 0; i < DP_MAX_DOMAINS; i++)
		if (fdb->domain_age_s[i] != 0 && fdb->domain_age_s[i] < shortest)
			shortest = fdb->domain_age_s[i];
	fdb->shortest_age_s = shortest;
}

void dp_fdb_set_age(struct dp_fdb *fdb, uint32_t age_s)
{
	fdb->age_s = age_s;
	find_shortest_age(fdb);
}

void dp_fdb_set_domain_age(struct dp_fdb *fdb, uint16_t domain, uint32_t age_s)
{
	if (domain >= DP_MAX_DOMAINS || fdb->domain_age_s[domain] == age_s)
		return;
	fdb->domain_age_s[domain] = age_s;
	find_shortest_age(fdb);
}

/* Copies the old table's entries; false when the new one is too small for them. */
static bool table_copy(const struct dp_fdb *fdb, const struct dp_fdb_table *old,
		       struct dp_fdb_table *new)
{
	for (uint32_t i = 0; i <= old->mask; i++) {
		const struct dp_fdb_bucket *b = &old->buckets[i];
		uint32_t bits = atomic_load(&b->bits);

		for (int slot = 0; slot < DP_FDB_SLOTS; slot++) {
			uint64_t mp = atomic_load(&b->mac_port[slot]);
			uint32_t seen_s = (bits & DP_FDB_USED(slot)) != 0 ? fdb->now_s
									  : *seen_of(old, b, slot);

			if (mp != 0 &&
			    !table_insert(fdb, new, mp >> 16, atomic_load(&b->where[slot]),
					  (uint16_t)mp, (bits & DP_FDB_STATIC(slot)) != 0, seen_s))
				return false;
		}
	}
	return true;
}

/* Replaces the table by one of 'n_buckets'.  False when the entries do not fit, or there is no
 * memory. */
static bool replace_table(struct dp_fdb *fdb, uint32_t n_buckets, void (*synchronize)(void *arg),
			  void *arg)
{
	struct dp_fdb_table *old = atomic_load(&fdb->table);
	struct dp_fdb_table *new = table_create(n_buckets); /* Outside the flag: this takes time. */
	bool done;

	if (new == NULL)
		return false;
	writer_begin(fdb);
	done = table_copy(fdb, old, new);
	if (done) {
		atomic_store_explicit(&fdb->table, new, memory_order_release);
		fdb->sweep_at = 0;
	}
	dp_fdb_writer_end(fdb);
	if (done && synchronize != NULL)
		synchronize(arg);
	table_destroy(done ? old : new);
	return done;
}

/* Twice as large, no more: caches like a dense table, and the next tick is a tenth of a second
 * away.  Where chance fills two buckets of the new table as well, twice that. */
static void grow(struct dp_fdb *fdb, void (*synchronize)(void *arg), void *arg)
{
	uint64_t n_buckets = (uint64_t)atomic_load(&fdb->table)->mask + 1;
	uint64_t most = (uint64_t)fdb->limit * 4 / DP_FDB_SLOTS;

	atomic_store(&fdb->want_grow, false);
	for (int i = 0; i < 3; i++) {
		n_buckets *= 2;
		if (n_buckets > most && n_buckets > FDB_MIN_BUCKETS)
			return;
		if (replace_table(fdb, (uint32_t)n_buckets, synchronize, arg))
			return;
	}
}

static bool is_old(const struct dp_fdb *fdb, const struct dp_fdb_table *t,
		   const struct dp_fdb_bucket *b, int slot)
{
	uint32_t domain = atomic_load_explicit(&b->where[slot], memory_order_relaxed) >> 16;
	uint32_t age_s = domain < DP_MAX_DOMAINS ? fdb->domain_age_s[domain] : 0;

	if (age_s == 0)
		age_s = fdb->age_s;
	return fdb->now_s - *seen_of(t, b, slot) >= age_s;
}

static void sweep_bucket(struct dp_fdb *fdb, struct dp_fdb_table *t, struct dp_fdb_bucket *b)
{
	uint32_t bits = atomic_load_explicit(&b->bits, memory_order_relaxed);

	for (int slot = 0; slot < DP_FDB_SLOTS; slot++) {
		if (atomic_load_explicit(&b->mac_port[slot], memory_order_relaxed) == 0)
			continue;
		if ((bits & DP_FDB_USED(slot)) != 0) {
			*seen_of(t, b, slot) = fdb->now_s;
			atomic_fetch_and_explicit(&b->bits, ~DP_FDB_USED(slot),
						  memory_order_relaxed);
		} else if ((bits & DP_FDB_STATIC(slot)) == 0 && is_old(fdb, t, b, slot)) {
			slot_empty(fdb, b, slot);
			atomic_fetch_add_explicit(&fdb->aged, 1, memory_order_relaxed);
		}
	}
}

/* Sweeps the table once in a tenth of the ageing time, at most once a second, a share at each call.
 */
static void sweep(struct dp_fdb *fdb, uint64_t elapsed_ns)
{
	struct dp_fdb_table *t = atomic_load(&fdb->table);
	uint64_t period_ns =
		(uint64_t)(fdb->shortest_age_s < 10 ? 10 : fdb->shortest_age_s) * 100000000u;
	uint64_t share = ((uint64_t)t->mask + 1) * elapsed_ns / period_ns + 1;

	if (share > t->mask + 1)
		share = (uint64_t)t->mask + 1;
	if (!dp_fdb_writer_try(fdb))
		return;
	for (uint64_t i = 0; i < share; i++) {
		sweep_bucket(fdb, t, &t->buckets[fdb->sweep_at]);
		fdb->sweep_at = (fdb->sweep_at + 1) & t->mask;
	}
	fdb->last_sweep_ns += elapsed_ns;
	dp_fdb_writer_end(fdb);
}

void dp_fdb_tick(struct dp_fdb *fdb, uint64_t now_ns, void (*synchronize)(void *arg), void *arg)
{
	fdb->now_s = (uint32_t)(now_ns / 1000000000u) + 1;
	if (fdb->last_sweep_ns == 0)
		fdb->last_sweep_ns = now_ns;
	if (now_ns > fdb->last_sweep_ns)
		sweep(fdb, now_ns - fdb->last_sweep_ns);
	if (atomic_load_explicit(&fdb->want_grow, memory_order_relaxed))
		grow(fdb, synchronize, arg);
}

void dp_fdb_stats(const struct dp_fdb *fdb, struct dp_fdb_stats *ret)
{
	const struct dp_fdb_table *t = atomic_load(&fdb->table);

	*ret = (struct dp_fdb_stats){
		.n_entries = fdb->n_entries,
		.n_static = fdb->n_static,
		.size = (t->mask + 1) * DP_FDB_SLOTS,
		.limit = fdb->limit,
		.learned = atomic_load(&fdb->learned),
		.moved = atomic_load(&fdb->moved),
		.aged = atomic_load(&fdb->aged),
		.refused_port = atomic_load(&fdb->refused_port),
		.refused_domain = atomic_load(&fdb->refused_domain),
		.refused_full = atomic_load(&fdb->refused_full),
		.contended = atomic_load(&fdb->contended),
		.memory = t->size + ((uint64_t)t->mask + 1) * DP_FDB_SLOTS * sizeof(uint32_t),
	};
}

uint32_t dp_fdb_port_count(const struct dp_fdb *fdb, uint16_t port)
{
	return port < DP_MAX_PORTS ? atomic_load(&fdb->port_entries[port]) : 0;
}

uint32_t dp_fdb_domain_count(const struct dp_fdb *fdb, uint16_t domain)
{
	return domain < DP_MAX_DOMAINS ? atomic_load(&fdb->domain_entries[domain]) : 0;
}

void dp_fdb_moves(struct dp_fdb *fdb, uint16_t port, uint32_t *ret_gained, uint32_t *ret_lost)
{
	*ret_gained = atomic_exchange(&fdb->port_gained[port], 0);
	*ret_lost = atomic_exchange(&fdb->port_lost[port], 0);
}
