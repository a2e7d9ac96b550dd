/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See programs.h.  Steps, and rules that do not fit into a program's line, lie in blocks of a power
 * of two, taken from one region and kept in a list by size when they are free.
 */
#include "dataplane/programs.h"

#include "dataplane/hash.h"
#include "dataplane/head.h"
#include "dataplane/region.h"
#include "dataplane/steps.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define N_HEADS	    65536u
#define READY_STEP  4096u
#define ARENA_SIZE  (UINT64_C(1) << 30)
#define ARENA_STEP  (UINT64_C(1) << 20)
#define FIRST_CLASS 5 /* 32 bytes */
#define N_CLASSES   9 /* to 8192 */

struct block {
	struct block *next;
};

struct dp_programs {
	struct dp_program *v;
	uint32_t limit, first_free, n_fresh, n;
	uint32_t *heads;
	uint64_t secret[4];
	uint8_t *arena;
	uint64_t arena_used;
	struct block *blocks[N_CLASSES];
	/* Between worker and control thread. */
	_Atomic uint32_t n_ready, fresh_shown;
	_Atomic uint64_t arena_ready, arena_shown;
};

static void ready_more(struct dp_programs *p)
{
	uint32_t ready = atomic_load(&p->n_ready);
	uint32_t want = atomic_load(&p->fresh_shown) * 3 / 2 + READY_STEP;
	uint64_t arena_ready = atomic_load(&p->arena_ready);
	uint64_t arena_want = atomic_load(&p->arena_shown) * 3 / 2 + ARENA_STEP;

	if (want > p->limit)
		want = p->limit;
	if (want > ready) {
		dp_region_populate(p->v + ready, (want - ready) * sizeof(p->v[0]));
		atomic_store_explicit(&p->n_ready, want, memory_order_release);
	}
	if (arena_want > ARENA_SIZE)
		arena_want = ARENA_SIZE;
	if (arena_want > arena_ready) {
		dp_region_populate(p->arena + arena_ready, arena_want - arena_ready);
		atomic_store_explicit(&p->arena_ready, arena_want, memory_order_release);
	}
}

int dp_programs_create(uint32_t limit, struct dp_programs **ret_programs)
{
	struct dp_programs *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->limit = limit + 1;
	p->n_fresh = 1;
	p->v = dp_region_reserve(p->limit * sizeof(p->v[0]));
	p->arena = dp_region_reserve(ARENA_SIZE);
	p->heads = calloc(N_HEADS, sizeof(p->heads[0]));
	if (p->v == NULL || p->arena == NULL || p->heads == NULL ||
	    getrandom(p->secret, sizeof(p->secret), 0) != (ssize_t)sizeof(p->secret)) {
		dp_programs_destroy(p);
		return -ENOMEM;
	}
	ready_more(p);
	*ret_programs = p;
	return 0;
}

void dp_programs_destroy(struct dp_programs *p)
{
	if (p == NULL)
		return;
	dp_region_free(p->v, p->limit * sizeof(p->v[0]));
	dp_region_free(p->arena, ARENA_SIZE);
	free(p->heads);
	free(p);
}

void dp_programs_tick(struct dp_programs *p)
{
	ready_more(p);
}

static unsigned class_of(size_t size)
{
	unsigned c = 0;

	while (((size_t)1 << (FIRST_CLASS + c)) < size)
		c++;
	return c;
}

static void *block_get(struct dp_programs *p, size_t size)
{
	unsigned c = class_of(size);
	struct block *b = p->blocks[c];
	size_t whole = (size_t)1 << (FIRST_CLASS + c);

	if (b != NULL) {
		p->blocks[c] = b->next;
		return b;
	}
	if (p->arena_used + whole > atomic_load_explicit(&p->arena_ready, memory_order_acquire))
		return NULL;
	p->arena_used += whole;
	atomic_store_explicit(&p->arena_shown, p->arena_used, memory_order_relaxed);
	return p->arena + p->arena_used - whole;
}

static void block_put(struct dp_programs *p, void *block, size_t size)
{
	struct block *b = block;
	unsigned c = class_of(size);

	if (b == NULL)
		return;
	b->next = p->blocks[c];
	p->blocks[c] = b;
}

/* Keyed, for rules and steps may hold what a packet brought. */
static uint32_t hash_of(const struct dp_programs *p, uint16_t out, const uint8_t *steps,
			uint16_t size, const uint32_t *rules, uint16_t n_rules)
{
	uint64_t h = dp_nh_word(out | (uint64_t)size << 16 | (uint64_t)n_rules << 32, p->secret[0]);

	for (uint16_t i = 0; i < n_rules; i++)
		h = dp_nh_finish(h + dp_nh_word(rules[i], p->secret[1]));
	for (uint16_t i = 0; i < size; i += 8) {
		uint64_t word = 0;

		memcpy(&word, steps + i, size - i < 8 ? (size_t)(size - i) : 8);
		h = dp_nh_finish(h + dp_nh_word(word, p->secret[2]));
	}
	return (uint32_t)dp_nh_finish(h ^ p->secret[3]);
}

static bool is(const struct dp_program *g, uint16_t out, const void *steps, uint16_t size,
	       const uint32_t *rules, uint16_t n_rules)
{
	return g->out == out && g->size == size && g->n_rules == n_rules &&
	       (size == 0 || memcmp(g->steps, steps, size) == 0) &&
	       memcmp(dp_program_rules(g), rules, n_rules * sizeof(rules[0])) == 0;
}

static uint32_t slot_get(struct dp_programs *p)
{
	uint32_t i = p->first_free;

	if (i != 0) {
		p->first_free = p->v[i].next;
		return i;
	}
	if (p->n_fresh >= atomic_load_explicit(&p->n_ready, memory_order_acquire))
		return 0;
	i = p->n_fresh++;
	atomic_store_explicit(&p->fresh_shown, p->n_fresh, memory_order_relaxed);
	return i;
}

static void slot_put(struct dp_programs *p, uint32_t i)
{
	p->v[i].next = p->first_free;
	p->first_free = i;
}

/* struct dp_program.tracks of these steps. */
static uint16_t tracks(const uint8_t *steps, uint16_t size)
{
	const struct dp_step *s = (const struct dp_step *)steps, *next;
	const struct dp_step_ct *ct;
	uint16_t at = 0;

	/* A fork with nothing behind it is none. */
	if (size > sizeof(*s) && s->op == DP_STEP_CLONE && s->size == size)
		at = sizeof(*s);
	s = (const struct dp_step *)(steps + at);
	if (size - at != (int)(2 * sizeof(*s) + sizeof(struct dp_step_ct)) || s->op != DP_STEP_CT)
		return 0;
	ct = (const struct dp_step_ct *)s->data;
	/* Not one that notes something on connections that are there, or turns them round. */
	if ((ct->flags & (DP_STEP_CT_FORCE | DP_STEP_CT_FTP | DP_STEP_CT_TFTP)) != 0 ||
	    ct->mark_mask != 0 || ct->label_mask[0] != 0 || ct->label_mask[1] != 0)
		return 0;
	next = (const struct dp_step *)(steps + at + s->size);
	return next->op == DP_STEP_RESUME && next->arg != 0 ? (uint16_t)(at + 1) : 0;
}

static bool fill(struct dp_programs *p, struct dp_program *g, const void *steps, uint16_t size,
		 const uint32_t *rules, uint16_t n_rules)
{
	size_t rules_size = n_rules * sizeof(rules[0]);

	struct dp_head head;

	if (size != 0) {
		g->steps = block_get(p, size);
		if (g->steps == NULL)
			return false;
		memcpy(g->steps, steps, size);
		g->tracks = tracks(steps, size);
	}
	if (g->out == DP_NO_PORT && dp_head_compile(steps, size, &head) &&
	    (g->head = block_get(p, sizeof(head))) != NULL)
		*g->head = head;
	if (n_rules <= DP_PROGRAM_INLINE_RULES) {
		memcpy(g->rules, rules, rules_size);
		return true;
	}
	g->more_rules = block_get(p, rules_size);
	if (g->more_rules == NULL) {
		block_put(p, g->head, sizeof(*g->head));
		block_put(p, g->steps, size);
		return false;
	}
	memcpy(g->more_rules, rules, rules_size);
	return true;
}

struct dp_program *dp_programs_get(struct dp_programs *p, uint16_t out, const void *steps,
				   uint16_t size, const uint32_t *rules, uint16_t n_rules)
{
	uint32_t hash = hash_of(p, out, steps, size, rules, n_rules);
	uint32_t *head = &p->heads[hash % N_HEADS], i;
	struct dp_program *g;

	for (i = *head; i != 0; i = p->v[i].next) {
		g = &p->v[i];
		if (g->hash == hash && is(g, out, steps, size, rules, n_rules)) {
			g->refs++;
			return g;
		}
	}
	i = slot_get(p);
	if (i == 0)
		return NULL;
	g = &p->v[i];
	*g = (struct dp_program){
		.out = out, .n_rules = n_rules, .size = size, .refs = 1, .hash = hash, .index = i};
	if (!fill(p, g, steps, size, rules, n_rules)) {
		slot_put(p, i);
		return NULL;
	}
	g->next = *head;
	*head = i;
	p->n++;
	return g;
}

void dp_programs_unref(struct dp_programs *p, struct dp_program *program)
{
	uint32_t *at = &p->heads[program->hash % N_HEADS];

	if (--program->refs != 0)
		return;
	while (*at != program->index)
		at = &p->v[*at].next;
	*at = program->next;
	block_put(p, program->steps, program->size);
	block_put(p, program->head, sizeof(*program->head));
	if (program->more_rules != NULL)
		block_put(p, program->more_rules, program->n_rules * sizeof(uint32_t));
	slot_put(p, program->index);
	p->n--;
}

uint32_t dp_programs_n(const struct dp_programs *p)
{
	return p->n;
}
