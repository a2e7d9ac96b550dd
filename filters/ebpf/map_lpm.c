/* SPDX-License-Identifier: BSD-2-Clause
 *
 * LPM_TRIE: making and changing it.  See map_lpm_priv.h; reading is map_lpm_find.c.
 *
 * What is linked is whole, and one store links it.  Return codes are the kernel's, which has
 * -ENOSPC where hashes have -E2BIG.
 */
#include "filters/ebpf/map_lpm_priv.h"

static uint32_t load(const _Atomic uint32_t *link)
{
	return atomic_load_explicit(link, memory_order_relaxed);
}

static void store(_Atomic uint32_t *link, uint32_t i)
{
	atomic_store_explicit(link, i, memory_order_release);
}

/* There are nodes for all prefixes and what parts them, and one more. */
static uint32_t node_take(struct lpm *t)
{
	uint32_t i = t->free;

	if (i == 0)
		return t->fresh++;
	t->free = load(&lpm_node(t, i)->child[0]);
	return i;
}

/* It hangs nowhere any more. */
static void node_give(struct lpm *t, uint32_t i)
{
	struct lpm_node *node = lpm_node(t, i);

	atomic_fetch_add_explicit(&node->version, 1, memory_order_release);
	store(&node->child[0], t->free);
	t->free = i;
}

static void words_put(struct lpm *t, struct lpm_node *node, const uint64_t *words)
{
	map_put(node->words, words, t->n_words * 8);
}

/* A node without children; NULL: nothing is stored there. */
static uint32_t node_make(struct lpm *t, const uint64_t *words, uint32_t bits, const void *value)
{
	uint32_t i = node_take(t);
	struct lpm_node *node = lpm_node(t, i);

	store(&node->child[0], 0);
	store(&node->child[1], 0);
	words_put(t, node, words);
	if (value != NULL)
		map_value_put(&t->map, lpm_value(t, i), value);
	atomic_store_explicit(&node->info, bits * 2 | (value != NULL ? LPM_STORED : 0),
			      memory_order_release);
	return i;
}

/* Where a key belongs: the first link whose node is not a shorter prefix of it. */
struct place {
	_Atomic uint32_t *link, *above; /* 'above': the link to the node that 'link' is in */
	uint32_t i;			/* what hangs there, or 0 */
	uint32_t bits, common;		/* its, and with the key */
};

static struct place locate(struct lpm *t, const struct lpm_key *key)
{
	struct place p = {.link = &t->root};

	while ((p.i = load(p.link)) != 0) {
		struct lpm_node *node = lpm_node(t, p.i);

		p.bits = lpm_bits(node);
		p.common = lpm_common(node, key->words, 0, p.bits < key->bits ? p.bits : key->bits);
		if (p.common < p.bits || p.bits == key->bits)
			return p;
		p.above = p.link;
		p.link = &node->child[lpm_bit(key->words, p.bits)];
	}
	return p;
}

static bool is_exact(const struct lpm_key *key, const struct place *p)
{
	return p->i != 0 && p->bits == key->bits && p->common == p->bits;
}

/* There is a node for exactly this prefix. */
static void store_at(struct lpm *t, const struct lpm_key *key, const struct place *p,
		     const void *value)
{
	struct lpm_node *old = lpm_node(t, p->i);
	struct lpm_node *node;
	uint32_t i;

	if (!lpm_is_stored(old)) {
		words_put(t, old, key->words);
		map_value_put(&t->map, lpm_value(t, p->i), value);
		atomic_store_explicit(&old->info, key->bits * 2 | LPM_STORED, memory_order_release);
		return;
	}
	i = node_make(t, key->words, key->bits, value);
	node = lpm_node(t, i);
	store(&node->child[0], load(&old->child[0]));
	store(&node->child[1], load(&old->child[1]));
	store(p->link, i);
	node_give(t, p->i);
}

static void insert(struct lpm *t, const struct lpm_key *key, const struct place *p,
		   const void *value)
{
	uint32_t i = node_make(t, key->words, key->bits, value), parting;

	if (p->i != 0 && p->common == key->bits) { /* It comes above what is there. */
		unsigned bit = lpm_bit(lpm_node(t, p->i)->words, key->bits);

		store(&lpm_node(t, i)->child[bit], p->i);
	} else if (p->i != 0) {
		unsigned bit = lpm_bit(key->words, p->common);

		parting = node_make(t, key->words, p->common, NULL);
		store(&lpm_node(t, parting)->child[bit], i);
		store(&lpm_node(t, parting)->child[!bit], p->i);
		i = parting;
	}
	store(p->link, i);
}

static long update_locked(struct lpm *t, const struct lpm_key *key, const void *value,
			  uint64_t flags)
{
	struct place p = locate(t, key);
	bool there = is_exact(key, &p) && lpm_is_stored(lpm_node(t, p.i));
	uint32_t n = load(&t->n);

	if (there && flags == BPF_NOEXIST)
		return -EEXIST;
	if (!there && flags == BPF_EXIST)
		return -ENOENT;
	if (!there && n == t->map.max_entries)
		return -ENOSPC;
	if (is_exact(key, &p))
		store_at(t, key, &p, value);
	else
		insert(t, key, &p, value);
	store(&t->n, n + !there);
	return 0;
}

static long update(struct ebpf_map *map, const void *key, const void *value, uint64_t flags,
		   uint32_t cpu)
{
	struct lpm *t = lpm_of(map);
	struct lpm_key k;
	long rc;

	lpm_key_load(t, &k, key);
	if (flags > BPF_EXIST || k.bits > t->max_bits)
		return -EINVAL;
	map_lock(&t->lock);
	rc = update_locked(t, &k, value, flags);
	map_unlock(&t->lock);
	return rc;
}

/* A leaf goes, and with it its parent when that only parted it from its sibling. */
static void remove_leaf(struct lpm *t, const struct place *p)
{
	uint32_t parent = p->above != NULL ? load(p->above) : 0;
	struct lpm_node *node = parent != 0 ? lpm_node(t, parent) : NULL;

	if (node == NULL || lpm_is_stored(node)) {
		store(p->link, 0);
	} else {
		store(p->above, load(&node->child[p->link == &node->child[0]]));
		node_give(t, parent);
	}
	node_give(t, p->i);
}

static long delete_locked(struct lpm *t, const struct lpm_key *key)
{
	struct place p = locate(t, key);
	struct lpm_node *node = lpm_node(t, p.i);
	uint32_t left, right;

	if (!is_exact(key, &p) || !lpm_is_stored(node))
		return -ENOENT;
	left = load(&node->child[0]);
	right = load(&node->child[1]);
	if (left != 0 && right != 0) {
		atomic_store_explicit(&node->info, p.bits * 2, memory_order_release);
	} else if (left != 0 || right != 0) {
		store(p.link, left | right);
		node_give(t, p.i);
	} else {
		remove_leaf(t, &p);
	}
	store(&t->n, load(&t->n) - 1);
	return 0;
}

static long delete (struct ebpf_map *map, const void *key)
{
	struct lpm *t = lpm_of(map);
	struct lpm_key k;
	long rc;

	lpm_key_load(t, &k, key);
	if (k.bits > t->max_bits)
		return -EINVAL;
	map_lock(&t->lock);
	rc = delete_locked(t, &k);
	map_unlock(&t->lock);
	return rc;
}

static long lpm_write(struct ebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	return update(map, key, value, flags, 0);
}

static int64_t count(const struct ebpf_map *map)
{
	return load(&lpm_of(map)->n);
}

static const struct map_kind kind = {
	.ops = {.lookup = lpm_lookup,
		.update = update,
		.delete = delete,
		.next = lpm_next,
		.destroy = map_free},
	.read = lpm_read,
	.write = lpm_write,
	.remove = delete,
	.count = count,
	.each = lpm_each,
};

int map_lpm_create(const struct ebpf_map_def *def, uint32_t n_cpus, struct ebpf_map **ret_map)
{
	uint32_t n_words = (def->key_size - 4 + 7) / 8;
	uint32_t value_off = (uint32_t)sizeof(struct lpm_node) + n_words * 8;
	uint32_t node_size = map_elem_round(value_off + map_round8(def->value_size));
	struct map_room room = {0};
	struct ebpf_map *map;
	struct lpm *t;
	size_t nodes;
	int rc;

	/* The kernel's cannot be allocated beforehand, and asks that one says so. */
	if (def->spin_lock_off != 0 || (def->flags & BPF_F_NO_PREALLOC) == 0)
		return -EINVAL;
	if (def->max_entries > UINT32_MAX / 4)
		return -ENOMEM;
	map_room_add(&room, 1, sizeof(struct lpm));
	nodes = map_room_add(&room, 2ul * def->max_entries + 1, node_size);
	rc = map_alloc(def, n_cpus, &room, &map);
	if (rc != 0)
		return rc;
	t = lpm_of(map);
	map->ops = &kind.ops;
	t->nodes = (uint8_t *)map + nodes;
	t->node_size = node_size;
	t->value_off = value_off;
	t->n_words = n_words;
	t->max_bits = (def->key_size - 4) * 8;
	t->fresh = 1;
	*ret_map = map;
	return 0;
}
