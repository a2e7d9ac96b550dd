/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See steps.h.
 */
#include "dataplane/steps.h"

#include "dataplane/drop.h"
#include "dataplane/port.h"

#include <string.h>

void dp_build_init(struct dp_build *b)
{
	memset(&b->wc, 0, sizeof(b->wc));
	memset(&b->changed, 0, sizeof(b->changed));
	memset(b->tables, 0, sizeof(b->tables));
	b->keep = true;
	b->again = NULL;
	b->again_arg = NULL;
	b->from = NULL;
	b->acl = NULL;
	b->resume = NULL;
	b->resume_arg = NULL;
	b->overflow = b->lost = false;
	b->size = 0;
	b->n_rules = 0;
}

void *dp_build_step(struct dp_build *b, enum dp_step_op op, uint32_t arg, uint16_t size)
{
	size_t whole = (sizeof(struct dp_step) + size + 7u) & ~(size_t)7;
	struct dp_step *s = (struct dp_step *)(b->steps + b->size);

	if (whole > sizeof(b->steps) - b->size) {
		b->overflow = true;
		return NULL;
	}
	memset(s, 0, whole);
	s->op = (uint16_t)op;
	s->size = (uint16_t)whole;
	s->arg = arg;
	b->size = (uint16_t)(b->size + whole);
	return s->data;
}

uint16_t dp_build_clone_begin(struct dp_build *b)
{
	uint16_t mark = b->size;

	dp_build_step(b, DP_STEP_CLONE, 0, 0);
	return mark;
}

void dp_build_clone_end(struct dp_build *b, uint16_t mark)
{
	struct dp_step *s = (struct dp_step *)(b->steps + mark);

	if (b->overflow)
		return;
	s->size = (uint16_t)(b->size - mark);
	s->arg = dp_build_so_far(b);
}

/* Sends the frame as it is. */
static bool only_sends(const struct dp_step *s)
{
	switch (s->op) {
	case DP_STEP_OUTPUT:
	case DP_STEP_TUNNEL:
	case DP_STEP_IN_PORT:
	case DP_STEP_FLOOD:
	case DP_STEP_ALL:
	case DP_STEP_NORMAL:
	case DP_STEP_CONTROLLER:
	case DP_STEP_CLONE:
		return true;
	default:
		return false;
	}
}

void dp_build_clone_close(struct dp_build *b, uint16_t mark)
{
	uint16_t from = (uint16_t)(mark + sizeof(struct dp_step));
	bool needed = false;

	if (b->overflow)
		return;
	for (uint16_t at = from; at < b->size;) {
		const struct dp_step *s = (const struct dp_step *)(b->steps + at);

		needed = needed || !only_sends(s);
		at = (uint16_t)(at + s->size);
	}
	if (needed) {
		dp_build_clone_end(b, mark);
		return;
	}
	memmove(b->steps + mark, b->steps + from, (size_t)(b->size - from));
	b->size = (uint16_t)(b->size - sizeof(struct dp_step));
}

void dp_build_rule(struct dp_build *b, uint32_t counter)
{
	if (b->n_rules == DP_PROGRAM_MAX_RULES)
		b->overflow = true;
	else
		b->rules[b->n_rules++] = counter;
}

void dp_build_resume(struct dp_build *b, const struct dp_resume_what *what)
{
	uint32_t state = b->resume != NULL ? b->resume(b, what) : 0;

	if (state == 0 && b->resume != NULL)
		dp_build_step(b, DP_STEP_DROP, DP_DROP_RESUME_FULL, 0);
	else
		dp_build_step(b, DP_STEP_RESUME, state, 0);
}

bool dp_build_again(struct dp_build *b, struct dp_key *ret_key)
{
	b->keep = false;
	if (b->again == NULL || b->overflow)
		return false;
	b->lost = b->lost || !b->again(b, ret_key);
	return !b->lost;
}

uint16_t dp_build_only_output(const struct dp_build *b)
{
	const struct dp_step *s = (const struct dp_step *)b->steps;

	return b->size == sizeof(*s) && s->op == DP_STEP_OUTPUT ? (uint16_t)s->arg : DP_NO_PORT;
}

const char *dp_step_text(enum dp_step_op op)
{
	static const char *const texts[] = {
#define X(name, text) text,
		DP_STEPS(X)
#undef X
	};

	return op < DP_N_STEPS ? texts[op] : NULL;
}
