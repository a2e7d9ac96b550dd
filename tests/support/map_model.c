/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See map_model.h.
 */
#include "tests/support/map_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_array(const struct map_model *m)
{
	return m->type == BPF_MAP_TYPE_ARRAY || m->type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

static bool is_trie(const struct map_model *m)
{
	return m->type == BPF_MAP_TYPE_LPM_TRIE;
}

static struct map_model_elem *add(struct map_model *m)
{
	if (m->n == m->room) {
		m->room = m->room != 0 ? m->room * 2 : 64;
		m->elems = realloc(m->elems, m->room * sizeof(*m->elems));
		if (m->elems == NULL)
			abort();
	}
	memset(&m->elems[m->n], 0, sizeof(*m->elems));
	return &m->elems[m->n++];
}

void map_model_init(struct map_model *m, const struct ebpf_map_def *def)
{
	*m = (struct map_model){.type = def->type,
				.key_size = def->key_size,
				.value_size = def->value_size,
				.max = def->max_entries};
	for (uint32_t i = 0; is_array(m) && i < m->max; i++)
		memcpy(add(m)->key, &i, sizeof(i));
}

void map_model_fini(struct map_model *m)
{
	free(m->elems);
	m->elems = NULL;
}

static bool bit(const uint8_t *bytes, uint32_t i)
{
	return (bytes[i / 8] >> (7 - i % 8) & 1) != 0;
}

static uint32_t prefix(const void *key)
{
	uint32_t len;

	memcpy(&len, key, sizeof(len));
	return len;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (bit(a + 4, i) != bit(b + 4, i))
			return false;
	}
	return true;
}

struct map_model_elem *map_model_find(struct map_model *m, const void *key)
{
	for (uint32_t i = 0; i < m->n; i++) {
		const uint8_t *k = m->elems[i].key;

		if (is_trie(m) ? prefix(k) == prefix(key) && same_bits(k, key, prefix(k))
			       : memcmp(k, key, m->key_size) == 0)
			return &m->elems[i];
	}
	return NULL;
}

struct map_model_elem *map_model_lookup(struct map_model *m, const void *key)
{
	struct map_model_elem *best = NULL;

	if (!is_trie(m))
		return map_model_find(m, key);
	if (prefix(key) > (m->key_size - 4) * 8)
		return NULL;
	for (uint32_t i = 0; i < m->n; i++) {
		struct map_model_elem *e = &m->elems[i];

		if (prefix(e->key) <= prefix(key) && same_bits(e->key, key, prefix(e->key)) &&
		    (best == NULL || prefix(e->key) > prefix(best->key)))
			best = e;
	}
	return best;
}

int map_model_update(struct map_model *m, const void *key, const void *value, uint64_t flags)
{
	struct map_model_elem *e;

	if (flags > BPF_EXIST || (is_trie(m) && prefix(key) > (m->key_size - 4) * 8))
		return -EINVAL;
	if (is_array(m) && prefix(key) >= m->max)
		return -E2BIG;
	e = map_model_find(m, key);
	if (e != NULL && flags == BPF_NOEXIST)
		return -EEXIST;
	if (e == NULL && flags == BPF_EXIST)
		return -ENOENT;
	if (e == NULL && m->n == m->max)
		return is_trie(m) ? -ENOSPC : -E2BIG;
	if (e == NULL) {
		e = add(m);
		memcpy(e->key, key, m->key_size);
	}
	memcpy(e->value, value, m->value_size);
	return 0;
}

int map_model_delete(struct map_model *m, const void *key)
{
	struct map_model_elem *e;

	if (is_array(m) || (is_trie(m) && prefix(key) > (m->key_size - 4) * 8))
		return -EINVAL;
	e = map_model_find(m, key);
	if (e == NULL)
		return -ENOENT;
	*e = m->elems[--m->n];
	return 0;
}
