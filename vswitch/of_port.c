/* SPDX-License-Identifier: BSD-2-Clause
 *
 * OpenFlow numbers of ports.  A number that the configuration asks for is had; the other ports of
 * the switch get the lowest that are left when they come, in the order in which 'config show' lists
 * them, so that one configuration gives one set of numbers at every start.  Which they then keep:
 * rules and controllers know a port by its number alone.
 *
 * A command that would take a number from a port that has it by itself is refused
 * (vs_of_ports_check()).  What cannot be refused, such as the way back from a change that nobody
 * confirmed, moves that port, and says so.  Control thread.
 */
#include "vswitch/vs.h"

#include "ctl/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAKEN_WORDS (VS_MAX_OF_PORT / 64 + 1)

struct numbered {
	const struct vs_port *p;
	struct vs_live *live;
};

/* By switch, then as conf_sort_objects() has them: p2 before p10. */
static int compare(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;
	int rc;

	if (x->p->sw != y->p->sw)
		return x->p->sw < y->p->sw ? -1 : 1;
	rc = strverscmp(x->p->name, y->p->name);
	return rc != 0 ? rc : strcmp(x->p->name, y->p->name);
}

/* The lowest that is free: there are more numbers than ports. */
static uint16_t take_free(uint64_t *taken)
{
	unsigned at = 0, number;

	while (taken[at] == UINT64_MAX)
		at++;
	number = at * 64 + (unsigned)__builtin_ctzll(~taken[at]);
	taken[at] |= UINT64_C(1) << (number % 64);
	return (uint16_t)number;
}

/* False: it was taken. */
static bool take(uint64_t *taken, uint16_t number)
{
	uint64_t bit = UINT64_C(1) << (number % 64);
	bool had = (taken[number / 64] & bit) != 0;

	taken[number / 64] |= bit;
	return !had;
}

static bool has_number(const struct numbered *n)
{
	return n->live->number != 0 && strcmp(n->live->sw, n->p->sw->name) == 0;
}

static void give(const struct numbered *n, uint16_t number)
{
	struct vs_live *live = n->live;

	if (has_number(n) && live->number == number)
		return;
	/* What controllers set of it goes with the port, not with the number. */
	if (strcmp(live->sw, n->p->sw->name) != 0)
		live->of_config = 0;
	snprintf(live->sw, sizeof(live->sw), "%s", n->p->sw->name);
	live->number = number;
	live->since_ns = clock_mono_ns();
}

/* All ports of one switch. */
static void number_switch(struct vs *vs, const struct numbered *v, size_t n)
{
	uint64_t taken[TAKEN_WORDS] = {1}; /* 0 is no number */

	for (size_t i = 0; i < n; i++)
		if (v[i].p->of_port != 0)
			(void)take(taken, v[i].p->of_port);
	for (size_t i = 0; i < n; i++) {
		if (v[i].p->of_port != 0 || !has_number(&v[i]) || take(taken, v[i].live->number))
			continue;
		vs_event(vs, "port-number", v[i].p->name,
			 "port %s loses its OpenFlow number %u: another port asks for it",
			 v[i].p->name, v[i].live->number);
		v[i].live->number = 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (v[i].p->of_port != 0)
			give(&v[i], v[i].p->of_port);
		else if (!has_number(&v[i]))
			give(&v[i], take_free(taken));
	}
}

int vs_of_ports_assign(struct vs *vs, const struct vs_model *m, const uint16_t *ids)
{
	struct numbered *v = calloc((size_t)m->n_ports + 1, sizeof(*v));
	size_t n = 0, end;

	if (v == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < m->n_ports; i++)
		if (ids[i] != DP_NO_PORT)
			v[n++] = (struct numbered){&m->ports[i], &vs->live[ids[i]]};
	qsort(v, n, sizeof(*v), compare);
	for (size_t i = 0; i < n; i = end) {
		for (end = i + 1; end < n && v[end].p->sw == v[i].p->sw; end++)
			;
		number_switch(vs, v + i, end - i);
	}
	free(v);
	return 0;
}

static int refuse(const struct vs_port *p, const struct vs_port *has, struct err *err)
{
	err_set(err, -EEXIST, "of-port-used",
		"port %s: OpenFlow number %u of switch %s is port %s's", p->name, p->of_port,
		p->sw->name, has->name);
	err_why(err, "port %s got it when it came, and rules and controllers know it by that",
		has->name);
	err_fix(err, "choose another --of-port, or first: vswitchctl port set %s --of-port N",
		has->name);
	err_about(err, "port", p->name);
	err_about(err, "port", has->name);
	return -EEXIST;
}

int vs_of_ports_check(const struct vs *vs, const struct vs_model *m, struct err *err)
{
	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i], *has;

		for (uint16_t id = 0; p->of_port != 0 && id < DP_MAX_PORTS; id++) {
			const struct vs_live *live = &vs->live[id];

			if (live->number != p->of_port || strcmp(live->sw, p->sw->name) != 0 ||
			    strcmp(live->name, p->name) == 0)
				continue;
			has = vs_model_port(m, live->name);
			if (has != NULL && has->sw == p->sw && has->of_port == 0)
				return refuse(p, has, err);
		}
	}
	return 0;
}
