/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Hash maps: making and changing them.  See map_hash_priv.h for how they lie and how they are read.
 *
 * A writer holds its bucket's lock.  An update of what is there puts another element in its place,
 * as the kernel's maps do: readers see the old value or the new one.  Per-CPU values are written
 * where they are, each by its own CPU.
 */
#include "filters/ebpf/map_hash_priv.h"

/* Where an element hangs: in a slot, or by a link of the chain ('slot' is HASH_SLOTS). */
struct place {
	_Atomic uint32_t *link;
	unsigned slot;
};

/* The bucket's lock is held. */
static bool locate(struct hash *h, struct hash_bucket *b, uint32_t i, struct place *ret_place)
{
	_Atomic uint32_t *link = &b->chain;
	uint32_t at;

	for (unsigned s = 0; s < HASH_SLOTS; s++) {
		if (atomic_load_explicit(&b->slots[s], memory_order_relaxed) == i) {
			*ret_place = (struct place){&b->slots[s], s};
			return true;
		}
	}
	while ((at = atomic_load_explicit(link, memory_order_relaxed)) != 0) {
		if (at == i) {
			*ret_place = (struct place){link, HASH_SLOTS};
			return true;
		}
		link = &hash_elem(h, at)->next;
	}
	return false;
}

static void sig_set(struct hash_bucket *b, unsigned slot, uint16_t sig)
{
	_Atomic uint64_t *word = &b->sigs[slot / 4];
	unsigned shift = slot % 4 * 16;
	uint64_t others =
		atomic_load_explicit(word, memory_order_relaxed) & ~(UINT64_C(0xffff) << shift);

	atomic_store_explicit(word, others | (uint64_t)sig << shift, memory_order_release);
}

/* Readers that began before this look again. */
static void version_next(struct hash_bucket *b)
{
	atomic_fetch_add_explicit(&b->version, 1, memory_order_release);
}

static void link_elem(struct hash *h, struct hash_bucket *b, uint32_t i)
{
	struct hash_elem *e = hash_elem(h, i);

	for (unsigned s = 0; s < HASH_SLOTS; s++) {
		if (atomic_load_explicit(&b->slots[s], memory_order_relaxed) == 0) {
			uint32_t hash = atomic_load_explicit(&e->hash, memory_order_relaxed);

			sig_set(b, s, hash_sig(hash));
			atomic_store_explicit(&b->slots[s], i, memory_order_release);
			return;
		}
	}
	atomic_store_explicit(&e->next, atomic_load_explicit(&b->chain, memory_order_relaxed),
			      memory_order_release);
	atomic_store_explicit(&b->chain, i, memory_order_release);
}

static void unlink_elem(struct hash *h, struct hash_bucket *b, struct place place)
{
	uint32_t i = atomic_load_explicit(place.link, memory_order_relaxed);

	if (place.slot == HASH_SLOTS) {
		uint32_t next = atomic_load_explicit(&hash_elem(h, i)->next, memory_order_relaxed);

		atomic_store_explicit(place.link, next, memory_order_release);
	} else {
		uint32_t head = atomic_load_explicit(&b->chain, memory_order_relaxed);

		atomic_store_explicit(place.link, 0, memory_order_release);
		sig_set(b, place.slot, 0);
		if (head != 0) { /* There is room for it now. */
			struct hash_elem *e = hash_elem(h, head);

			atomic_store_explicit(&b->chain,
					      atomic_load_explicit(&e->next, memory_order_relaxed),
					      memory_order_release);
			link_elem(h, b, head);
		}
	}
	version_next(b);
}

static bool may_hang(const struct hash *h, const struct hash_bucket *b, uint32_t i)
{
	if (atomic_load_explicit(&b->chain, memory_order_relaxed) != 0)
		return true;
	for (unsigned s = 0; s < HASH_SLOTS; s++) {
		if (atomic_load_explicit(&b->slots[s], memory_order_relaxed) == i)
			return true;
	}
	return false;
}

bool hash_unlink_elem(struct hash *h, uint32_t i)
{
	uint32_t hash = atomic_load_explicit(&hash_elem(h, i)->hash, memory_order_acquire);
	struct hash_bucket *b = hash_bucket(h, hash);
	struct place place;
	bool there;

	if (!may_hang(h, b, i))
		return false;
	map_lock(&b->lock);
	there = locate(h, b, i, &place);
	if (there)
		unlink_elem(h, b, place);
	map_unlock(&b->lock);
	return there;
}

/* What an update brings. */
struct change {
	const void *key; /* as words */
	const uint8_t *values;
	uint32_t hash;
	uint32_t cpu; /* whose value it is; per-CPU maps */
	bool all;     /* 'values' are those of all CPUs, each padded to 8 bytes */
	uint64_t flags;
};

static void put_values(struct hash *h, uint32_t i, const struct change *c, bool fresh)
{
	const struct ebpf_map *map = &h->map;

	if (map->cpu_stride == 0) {
		map_value_put(map, hash_value(h, i, 0), c->values);
		return;
	}
	for (uint32_t cpu = 0; cpu < map->n_cpus; cpu++) {
		if (c->all)
			map_put(hash_value(h, i, cpu), c->values + (size_t)cpu * map->stride,
				map->value_size);
		else if (cpu == c->cpu)
			map_put(hash_value(h, i, cpu), c->values, map->value_size);
		else if (fresh)
			map_zero(hash_value(h, i, cpu), map->value_size);
	}
}

/* An element that hangs nowhere becomes the new one. */
static void fill(struct hash *h, uint32_t i, const struct change *c, bool used)
{
	struct hash_elem *e = hash_elem(h, i);

	map_put(e->key, c->key, h->n_words * 8);
	atomic_store_explicit(&e->hash, c->hash, memory_order_release);
	if (h->map.def.spin_lock_off != 0) /* Nobody holds it: it is new. */
		map_zero(hash_value(h, i, 0), h->map.value_size);
	put_values(h, i, c, true);
	if (h->lru)
		atomic_store_explicit(&hash_age(h, i)->used, used, memory_order_relaxed);
}

/* 'i' is in its place; the CPU's spare element takes it, and 'i' is the next spare. */
static void replace(struct hash *h, struct hash_bucket *b, uint32_t i, const struct change *c,
		    uint32_t l)
{
	_Atomic uint32_t *spare = &h->lists[l].spare;
	struct place place;
	uint32_t new;

	if (!locate(h, b, i, &place))
		return;
	while ((new = atomic_exchange_explicit(spare, 0, memory_order_acquire)) == 0)
		map_pause(); /* Another thread of the same number has it for a moment. */
	fill(h, new, c, true);
	if (h->lru)
		atomic_store_explicit(&hash_age(h, new)->owner,
				      atomic_load_explicit(&hash_age(h, i)->owner,
							   memory_order_relaxed),
				      memory_order_relaxed);
	if (place.slot == HASH_SLOTS)
		atomic_store_explicit(&hash_elem(h, new)->next,
				      atomic_load_explicit(&hash_elem(h, i)->next,
							   memory_order_relaxed),
				      memory_order_release);
	atomic_store_explicit(place.link, new, memory_order_release);
	version_next(b);
	atomic_store_explicit(spare, i, memory_order_release);
}

/* The bucket's lock is held and 'i' hangs there. */
static long change_old(struct hash *h, struct hash_bucket *b, uint32_t i, const struct change *c,
		       uint32_t l)
{
	if ((c->flags & BPF_NOEXIST) != 0)
		return -EEXIST;
	if ((c->flags & BPF_F_LOCK) != 0)
		map_value_put_locked(&h->map, hash_value(h, i, 0), c->values);
	else if (h->map.cpu_stride != 0)
		put_values(h, i, c, false);
	else
		replace(h, b, i, c, l);
	/* In another's place it was filled as used. */
	if (h->lru && h->map.cpu_stride != 0)
		atomic_store_explicit(&hash_age(h, i)->used, 1, memory_order_relaxed);
	return 0;
}

/* 'new': an element to use when there is none with this key, or 0: one is to be had in need. LRU
 * maps cannot have it in here: -EAGAIN. *ret_left is that element when it was not needed. */
static long change_locked(struct hash *h, const struct change *c, uint32_t l, uint32_t new,
			  uint32_t *ret_left)
{
	struct hash_bucket *b = hash_bucket(h, c->hash);
	uint32_t version = atomic_load_explicit(&b->version, memory_order_relaxed);
	uint32_t i = hash_bucket_find(h, b, c->hash, version, c->key, h->n_words);

	*ret_left = new;
	if (i != 0)
		return change_old(h, b, i, c, l);
	if ((c->flags & BPF_EXIST) != 0)
		return -ENOENT;
	if (new == 0 && h->lru)
		return -EAGAIN;
	if (new == 0)
		new = hash_take(h, l);
	if (new == 0)
		return -E2BIG;
	fill(h, new, c, false);
	link_elem(h, b, new);
	*ret_left = 0;
	return 0;
}

static long change(struct hash *h, const struct change *c, uint32_t l)
{
	struct hash_bucket *b = hash_bucket(h, c->hash);
	uint32_t left;
	long rc;

	map_lock(&b->lock);
	rc = change_locked(h, c, l, 0, &left);
	map_unlock(&b->lock);
	if (rc != -EAGAIN)
		return rc;
	left = hash_take(h, l);
	if (left == 0)
		return -ENOMEM;
	map_lock(&b->lock);
	rc = change_locked(h, c, l, left, &left);
	map_unlock(&b->lock);
	if (left != 0)
		hash_give(h, l, left);
	return rc;
}

long hash_update(struct ebpf_map *map, const void *key, const void *value, uint64_t flags,
		 uint32_t cpu)
{
	struct hash *h = hash_of(map);
	uint64_t words[HASH_MAX_WORDS];
	struct change c = {.key = words, .values = value, .cpu = cpu, .flags = flags};

	if (!map_flags_ok(map, flags) || cpu > map->n_cpus ||
	    (map->cpu_stride != 0 && cpu == map->n_cpus))
		return -EINVAL;
	hash_key_load(words, key, map->key_size);
	c.hash = hash_words(h, words, h->n_words);
	return change(h, &c, cpu);
}

long hash_write(struct ebpf_map *map, const void *key, const void *values, uint64_t flags)
{
	struct hash *h = hash_of(map);
	uint64_t words[HASH_MAX_WORDS];
	struct change c = {.key = words, .values = values, .all = true, .flags = flags};

	if (!map_flags_ok(map, flags))
		return -EINVAL;
	hash_key_load(words, key, map->key_size);
	c.hash = hash_words(h, words, h->n_words);
	return change(h, &c, map->n_cpus);
}

long hash_delete(struct ebpf_map *map, const void *key)
{
	struct hash *h = hash_of(map);
	uint64_t words[HASH_MAX_WORDS];
	struct hash_bucket *b;
	struct place place;
	uint32_t hash, i;

	hash_key_load(words, key, map->key_size);
	hash = hash_words(h, words, h->n_words);
	b = hash_bucket(h, hash);
	map_lock(&b->lock);
	i = hash_bucket_find(h, b, hash, atomic_load_explicit(&b->version, memory_order_relaxed),
			     words, h->n_words);
	if (i != 0 && locate(h, b, i, &place))
		unlink_elem(h, b, place);
	map_unlock(&b->lock);
	if (i == 0)
		return -ENOENT;
	hash_give(h, map_cpu_here(map), i);
	return 0;
}

static void get_values(struct hash *h, uint32_t i, uint8_t *to)
{
	const struct ebpf_map *map = &h->map;

	if (map->cpu_stride == 0) {
		map_value_get(map, to, hash_value(h, i, 0));
		return;
	}
	for (uint32_t cpu = 0; cpu < map->n_cpus; cpu++)
		map_get(to + (size_t)cpu * map->stride, hash_value(h, i, cpu), map->value_size);
}

/* The values of one key, never those of another that took its element: copied again when the
 * bucket's version changed meanwhile.  With a lock in the value the bucket's is held, for locking
 * another's value by mistake is worse than reading it. */
int hash_read(struct ebpf_map *map, const void *key, void *ret_values)
{
	struct hash *h = hash_of(map);
	uint64_t words[HASH_MAX_WORDS];
	unsigned tries = map->def.spin_lock_off != 0 ? 0 : HASH_RETRIES;
	struct hash_bucket *b;
	uint32_t hash, i;

	hash_key_load(words, key, map->key_size);
	hash = hash_words(h, words, h->n_words);
	b = hash_bucket(h, hash);
	for (;;) {
		uint32_t version;

		if (tries == 0)
			map_lock(&b->lock);
		version = atomic_load_explicit(&b->version, memory_order_acquire);
		i = hash_bucket_find(h, b, hash, version, words, h->n_words);
		if (i != 0)
			get_values(h, i, ret_values);
		if (tries == 0)
			break;
		if (atomic_load_explicit(&b->version, memory_order_relaxed) == version)
			return i != 0 ? 0 : -ENOENT;
		tries--;
	}
	map_unlock(&b->lock);
	return i != 0 ? 0 : -ENOENT;
}

int64_t hash_count(const struct ebpf_map *map)
{
	const struct hash *h = (const struct hash *)(const void *)map;
	int64_t n = 0;

	for (uint32_t l = 0; l <= map->n_cpus; l++)
		n += atomic_load_explicit(&h->lists[l].count, memory_order_relaxed);
	return n > 0 ? n : 0;
}

void hash_destroy(struct ebpf_map *map)
{
	map_free(map);
}

/* A few elements to a bucket: see map_hash_priv.h. */
static uint32_t n_buckets(uint32_t n)
{
	uint32_t buckets = 1;

	while (buckets < n / 4)
		buckets *= 2;
	return buckets;
}

static void init(struct hash *h, uint32_t n_spares)
{
	uint32_t n = h->map.max_entries / ((h->map.n_cpus + 1) * 4);

	h->batch = n < 1 ? 1 : n > 16 ? 16 : n;
	h->end = 1 + n_spares + h->map.max_entries;
	atomic_store_explicit(&h->fresh, 1 + n_spares, memory_order_relaxed);
	for (uint32_t l = 0; l < n_spares; l++)
		atomic_store_explicit(&h->lists[l].spare, 1 + l, memory_order_relaxed);
	for (unsigned i = 0; i < HASH_MAX_WORDS; i++)
		h->secrets[i] |= UINT64_C(1) << 32; /* Else a key of 4 bytes might count nothing. */
}

/* The element's layout; returns its size before rounding. */
static size_t lay_out(struct hash *h, const struct ebpf_map_def *def, bool cpu, bool lru)
{
	size_t size = sizeof(struct hash_elem) + map_round8(def->key_size);

	h->value_off = (uint32_t)size;
	if (!cpu)
		size += map_round8(def->value_size);
	h->age_off = (uint32_t)size;
	return lru ? size + sizeof(struct hash_age) : size;
}

int map_hash_create(const struct ebpf_map_def *def, uint32_t n_cpus, struct ebpf_map **ret_map)
{
	bool lru = def->type == BPF_MAP_TYPE_LRU_HASH || def->type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
	bool cpu =
		def->type == BPF_MAP_TYPE_PERCPU_HASH || def->type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
	uint32_t n_spares = cpu ? 0 : n_cpus + 1, stride = cpu ? map_round8(def->value_size) : 0;
	struct hash shape = {.lru = lru, .n_words = (def->key_size + 7) / 8};
	uint32_t n = 1 + n_spares + def->max_entries, buckets = n_buckets(def->max_entries);
	uint32_t elem_size = map_elem_round(lay_out(&shape, def, cpu, lru));
	size_t lists, table, elems, values, of_cpu = ((size_t)n * stride + 4095) & ~4095ul;
	struct map_room room = {0};
	struct ebpf_map *map;
	struct hash *h;
	int rc;

	if (def->max_entries > HASH_MAX_ENTRIES)
		return -ENOMEM;
	map_room_add(&room, 1, sizeof(struct hash));
	lists = map_room_add(&room, n_cpus + 1, sizeof(struct hash_list));
	table = map_room_add(&room, buckets, sizeof(struct hash_bucket));
	elems = map_room_add(&room, n, elem_size);
	values = map_room_add(&room, n_cpus, of_cpu);
	rc = map_alloc(def, n_cpus, &room, &map);
	if (rc != 0)
		return rc;
	h = hash_of(map);
	map->ops = &hash_kind(def)->ops;
	map->stride = stride;
	map->cpu_stride = of_cpu;
	map->values = cpu ? (uint8_t *)map + values : NULL;
	h->lists = (void *)((uint8_t *)map + lists);
	h->buckets = (void *)((uint8_t *)map + table);
	h->elems = (uint8_t *)map + elems;
	h->mask = buckets - 1;
	h->elem_size = elem_size;
	h->value_off = shape.value_off;
	h->age_off = shape.age_off;
	h->n_words = shape.n_words;
	h->lru = lru;
	if (!map_random(h->secrets, sizeof(h->secrets))) {
		map_free(map);
		return -ENOMEM;
	}
	init(h, n_spares);
	*ret_map = map;
	return 0;
}
