/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See resume.h.
 */
#include "dataplane/resume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/hash.h"
#include "dataplane/region.h"
#include "dataplane/steps.h"

#define N_HEADS	   1024u
#define READY_STEP 64u
#define REST_TICKS 20u /* for how long a state is of this moment */

int dp_resumes_create(struct dp_mf *mf, struct dp_resumes **ret_r)
{
	struct dp_resumes *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->mf = mf;
	r->n_fresh = 1;
	r->n_contexts = 1;
	r->states = dp_region_reserve(DP_MAX_RESUME_STATES * sizeof(r->states[0]));
	r->heads = calloc(N_HEADS, sizeof(r->heads[0]));
	if (r->states == NULL || r->heads == NULL) {
		dp_resumes_destroy(r);
		return -ENOMEM;
	}
	dp_resumes_tick(r);
	*ret_r = r;
	return 0;
}

void dp_resumes_destroy(struct dp_resumes *r)
{
	if (r == NULL)
		return;
	dp_region_free(r->states, DP_MAX_RESUME_STATES * sizeof(r->states[0]));
	free(r->heads);
	free(r);
}

void dp_resumes_tick(struct dp_resumes *r)
{
	uint32_t ready = atomic_load(&r->n_ready);
	uint32_t want = atomic_load(&r->fresh_shown) * 2 + READY_STEP;

	if (want > DP_MAX_RESUME_STATES)
		want = DP_MAX_RESUME_STATES;
	if (want <= ready)
		return;
	dp_region_populate(r->states + ready, (want - ready) * sizeof(r->states[0]));
	atomic_store_explicit(&r->n_ready, want, memory_order_release);
}

/* States are made by rules, and by values that rules copy from packets: a chain that grows long is
 * a slow miss, no more, so no secret is needed. */
static uint32_t hash_of(const struct dp_resume_what *what)
{
	uint64_t h = 0, word;

	for (size_t i = 0; i < sizeof(*what); i += sizeof(word)) {
		memcpy(&word, (const uint8_t *)what + i, sizeof(word));
		h = dp_nh_finish((h ^ word) * UINT64_C(0x9e3779b97f4a7c15));
	}
	return (uint32_t)h;
}

static bool has_entries(const struct dp_resumes *r, const struct dp_resume_state *s)
{
	for (unsigned i = 0; i < 256; i++)
		if (s->context[i] != 0 && r->mf->context_entries[s->context[i]] != 0)
			return true;
	return false;
}

static void unlink_state(struct dp_resumes *r, uint32_t state)
{
	uint32_t *at = &r->heads[r->states[state].hash % N_HEADS];

	while (*at != state)
		at = &r->states[*at].next;
	*at = r->states[state].next;
}

/* One that nobody needs any more; looks at a few. */
static uint32_t recycle(struct dp_resumes *r)
{
	for (unsigned n = 0; n < 64; n++) {
		struct dp_resume_state *s;

		if (++r->sweep_at >= r->n_fresh)
			r->sweep_at = 1;
		s = &r->states[r->sweep_at];
		if (s->refs != 0 || r->tick - s->used < REST_TICKS || has_entries(r, s))
			continue;
		for (unsigned i = 0; i < 256; i++)
			if (s->context[i] != 0)
				r->free_contexts[r->n_free_contexts++] = s->context[i];
		unlink_state(r, r->sweep_at);
		return r->sweep_at;
	}
	return 0;
}

static uint32_t state_new(struct dp_resumes *r)
{
	uint32_t i = r->n_fresh;

	if (i < atomic_load_explicit(&r->n_ready, memory_order_acquire)) {
		r->n_fresh++;
		atomic_store_explicit(&r->fresh_shown, r->n_fresh, memory_order_relaxed);
		return i;
	}
	return recycle(r);
}

uint32_t dp_resume_get(struct dp_resumes *r, const struct dp_resume_what *what)
{
	uint32_t hash = hash_of(what), *head = &r->heads[hash % N_HEADS], i;
	struct dp_resume_state *s;

	for (i = *head; i != 0; i = r->states[i].next) {
		s = &r->states[i];
		if (s->hash == hash && memcmp(&s->what, what, sizeof(*what)) == 0) {
			s->used = r->tick;
			return i;
		}
	}
	i = state_new(r);
	if (i == 0) {
		r->refused++;
		return 0;
	}
	s = &r->states[i];
	memset(s, 0, sizeof(*s));
	s->what = *what;
	s->hash = hash;
	s->used = r->tick;
	s->next = *head;
	*head = i;
	return i;
}

uint16_t dp_resume_context(struct dp_resumes *r, uint32_t state, uint8_t ct_state)
{
	struct dp_resume_state *s = &r->states[state];

	s->used = r->tick;
	if (s->context[ct_state] == 0) {
		if (r->n_free_contexts != 0)
			s->context[ct_state] = r->free_contexts[--r->n_free_contexts];
		else if (r->n_contexts < DP_MF_MAX_CONTEXTS)
			s->context[ct_state] = r->n_contexts++;
	}
	return s->context[ct_state];
}

void dp_resume_refs(struct dp_resumes *r, const uint8_t *steps, uint16_t size, int by)
{
	for (uint16_t at = 0; at < size;) {
		const struct dp_step *s = (const struct dp_step *)(steps + at);

		if (s->op == DP_STEP_RESUME)
			r->states[s->arg].refs += (uint32_t)by;
		/* The steps of a clone lie behind its head. */
		at = (uint16_t)(at + (s->op == DP_STEP_CLONE ? sizeof(*s) : s->size));
	}
}

void dp_resume_known(struct dp_key *known)
{
	static const uint8_t fields[] = {DP_FIELD_METADATA, DP_FIELD_CT_ZONE,  DP_FIELD_CT_STATE,
					 DP_FIELD_CT_MARK,  DP_FIELD_CT_LABEL, DP_FIELD_PKT_MARK};

	for (size_t i = 0; i < sizeof(fields); i++)
		dp_key_cover(known, (enum dp_field)fields[i]);
	for (unsigned i = DP_FIELD_REG0; i <= DP_FIELD_REG15; i++)
		dp_key_cover(known, (enum dp_field)i);
}
