/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Modules' accounts, and what people are told of them: workers only count, and leave lines; here
 * these become events, a few a second at most.  Control thread.
 */
#include "filters/chain_priv.h"

#include "ctl/base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include <rte_cycles.h>

#define SECOND_NS      UINT64_C(1000000000)
#define LINES_A_SECOND 50u
#define TELL_AGAIN_NS  (10 * SECOND_NS)

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add(struct filter_module_stats *sum, const struct filter_share *s)
{
	sum->packets += get(&s->packets);
	sum->cycles += get(&s->cycles);
	sum->drop += get(&s->drop);
	sum->aborted += get(&s->aborted);
	sum->tx += get(&s->tx);
	sum->redirect += get(&s->redirect);
	sum->refused += get(&s->refused);
	sum->bypassed += get(&s->bypassed);
	sum->budget_drops += get(&s->budget_drops);
	sum->overruns += get(&s->overruns);
}

void filter_place_sum(const struct filter_modules *set, const struct filter_place *place,
		      struct filter_module_stats *sum)
{
	for (uint32_t i = 0; i < set->n_cpus; i++)
		add(sum, &place->shares[i]);
}

/* What is no other verdict; a worker may be between counting the two. */
static uint64_t passed(const struct filter_module_stats *s)
{
	const uint64_t others = s->drop + s->aborted + s->tx + s->redirect;

	return s->packets > others ? s->packets - others : 0;
}

static bool is_over_budget(const struct filter_module *m)
{
	const uint64_t now = rte_rdtsc();

	for (uint32_t i = 0; i < m->set->n_cpus; i++)
		if (get(&m->spent[i].over_until) > now)
			return true;
	return false;
}

void filter_module_stats(const struct filter_module *m, struct filter_module_stats *ret_stats)
{
	struct filter_module_stats sum = m->past;
	const struct filter_place *place;

	SLIST_FOREACH(place, &m->places, link)
		filter_place_sum(m->set, place, &sum);
	sum.cycles_per_packet = m->rate.cycles_per_packet;
	sum.over_budget = is_over_budget(m);
	sum.pass = passed(&sum);
	*ret_stats = sum;
}

void filter_module_stats_at(const struct filter_module *m, const char *where,
			    struct filter_module_stats *ret_stats)
{
	const struct filter_place *place = filter_place_find(m, where);
	struct filter_module_stats sum = {.over_budget = is_over_budget(m)};

	if (place != NULL) {
		filter_place_sum(m->set, place, &sum);
		sum.cycles_per_packet = place->rate.cycles_per_packet;
	}
	sum.pass = passed(&sum);
	*ret_stats = sum;
}

/* ---- Events ---- */

static void __attribute__((format(printf, 4, 5)))
tell(struct filter_modules *set, const char *module, const char *what, const char *fmt, ...)
{
	char text[FILTER_LINE_MAX + 64];
	va_list ap;

	if (set->opts.event == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	set->opts.event(set->opts.arg, module, what, text);
}

/* What happens again and again is told every ten seconds. */
static bool may_tell(uint64_t *told_ns, uint64_t now)
{
	if (*told_ns != 0 && now - *told_ns < TELL_AGAIN_NS)
		return false;
	*told_ns = now;
	return true;
}

static void tell_faults(struct filter_module *m, const struct filter_module_stats *s, uint64_t now)
{
	if (s->aborted != m->told_aborted && may_tell(&m->told_aborted_ns, now)) {
		tell(m->set, m->name, "aborted",
		     "failed on %" PRIu64 " packets (%" PRIu64 " in all)",
		     s->aborted - m->told_aborted, s->aborted);
		m->told_aborted = s->aborted;
	}
	if (s->overruns != m->told_overruns && may_tell(&m->told_overruns_ns, now)) {
		const struct filter_current *cur = atomic_load(&m->current);

		tell(m->set, m->name, "over-budget",
		     "took more than its %" PRIu32 " cycles a packet %" PRIu64 " times (%" PRIu64
		     " in all): for %u ms each its packets %s",
		     cur->budget, s->overruns - m->told_overruns, s->overruns, FILTER_PENALTY_MS,
		     cur->policy == FILTER_BYPASS ? "passed by it" : "were dropped");
		m->told_overruns = s->overruns;
	}
}

static void rate(struct filter_rate *r, const struct filter_module_stats *s, uint64_t now)
{
	if (now - r->ns < SECOND_NS)
		return;
	if (s->packets != r->packets)
		r->cycles_per_packet =
			(double)(s->cycles - r->cycles) / (double)(s->packets - r->packets);
	r->ns = now;
	r->packets = s->packets;
	r->cycles = s->cycles;
}

static void rate_places(struct filter_module *m, uint64_t now)
{
	struct filter_place *place;

	SLIST_FOREACH(place, &m->places, link) {
		struct filter_module_stats s = {0};

		if (now - place->rate.ns < SECOND_NS)
			continue;
		filter_place_sum(m->set, place, &s);
		rate(&place->rate, &s, now);
	}
}

static void tell_lines(struct filter_modules *set, struct filter_worker *fw)
{
	const struct filter_line *line;
	uint32_t size;

	while ((line = dp_records_front(&fw->lines, &size)) != NULL) {
		if (set->lines_left != 0) {
			set->lines_left--;
			tell(set, line->module, "print", "%.*s", (int)line->size, line->text);
		} else {
			set->n_untold++;
		}
		dp_records_pop(&fw->lines);
	}
}

static void tell_all_lines(struct filter_modules *set, uint64_t now)
{
	uint64_t lost = 0;

	if (now - set->lines_ns >= SECOND_NS) {
		set->lines_ns = now;
		set->lines_left = LINES_A_SECOND;
	}
	for (uint32_t i = 0; i < set->n_cpus; i++) {
		tell_lines(set, &set->workers[i]);
		lost += get(&set->workers[i].n_lost);
	}
	lost += set->n_untold;
	if (lost != set->told_lost && may_tell(&set->told_lost_ns, now)) {
		tell(set, "", "print-lost", "%" PRIu64 " lines that modules printed were not kept",
		     lost - set->told_lost);
		set->told_lost = lost;
	}
}

void filter_modules_tick(struct filter_modules *set)
{
	const uint64_t now = clock_mono_ns();

	filter_time_read(set);
	for (uint32_t i = 0; i < set->n_modules; i++) {
		struct filter_module_stats s;

		filter_module_stats(set->modules[i], &s);
		tell_faults(set->modules[i], &s, now);
		rate(&set->modules[i]->rate, &s, now);
		rate_places(set->modules[i], now);
	}
	tell_all_lines(set, now);
}
