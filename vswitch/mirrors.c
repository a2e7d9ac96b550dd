/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mirrors as they run: see mirrors.h.  What must last from view to view is here: a mirror's
 * counters, sequence numbers and limits, and its compiled filter.  need() makes what a new model
 * wants besides, settle() drops what only the old one wanted.
 */
#include "vswitch/mirrors.h"

#include "ctl/base/clock.h"
#include "dataplane/tunnel.h"
#include "filters/capture_filter.h"
#include "vswitch/vs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_TICKS     10
#define TELL_MOST      6 /* events of a mirror in ... */
#define TELL_AGAIN_NS  UINT64_C(60000000000)
#define MAX_PROGRAMS   (2 * DP_MAX_MIRRORS)
#define CAPTURE_PREFIX "bad capture filter"

struct live {
	char name[64]; /* "": the place is free */
	struct dp_mirror_live *dp;
	struct dp_mirror_count seen; /* at the last look */
	char reason[200];	     /* why it waits; "" */
	char told[200];		     /* the reason that was told last */
	uint64_t told_ns;	     /* when the first of 'n_told' was told */
	unsigned n_told;
};

struct mirrors {
	struct live live[DP_MAX_MIRRORS]; /* by slot */
	struct vs_mirror_program *programs[MAX_PROGRAMS];
};

static struct mirrors *of(const struct vs *vs)
{
	return vs->policy[VS_POLICY_MIRROR];
}

static struct live *find(const struct vs *vs, const char *name)
{
	struct mirrors *ms = of(vs);

	for (unsigned i = 0; ms != NULL && name[0] != '\0' && i < DP_MAX_MIRRORS; i++)
		if (strcmp(ms->live[i].name, name) == 0)
			return &ms->live[i];
	return NULL;
}

struct dp_mirror_live *vs_mirror_live(struct vs *vs, const char *name, uint8_t *ret_slot)
{
	struct live *live = find(vs, name);

	if (live == NULL)
		return NULL;
	*ret_slot = (uint8_t)(live - of(vs)->live);
	return live->dp;
}

struct vs_mirror_program *vs_mirror_program(struct vs *vs, const char *text)
{
	struct mirrors *ms = of(vs);

	for (unsigned i = 0; i < MAX_PROGRAMS; i++)
		if (ms->programs[i] != NULL && strcmp(ms->programs[i]->text, text) == 0)
			return ms->programs[i];
	return NULL;
}

/* ---- What a model needs ---- */

static int match_make(const struct vs_mirror *mirror, struct filter_match **ret, struct err *err)
{
	struct err why = {0};
	int rc = filter_match_create(mirror->filter, FILTER_ENGINE_JIT, ret, &why);
	size_t skip = strlen(CAPTURE_PREFIX);

	if (rc == 0)
		return 0;
	err_set(err, rc, "bad-filter", "mirror %s: bad filter%.200s", mirror->name,
		strncmp(why.what, CAPTURE_PREFIX, skip) == 0 ? why.what + skip : "");
	err_why(err, "%.300s", why.why);
	err_fix(err, "%.300s", why.fix);
	err_about(err, "mirror", mirror->name);
	return rc;
}

static void program_free(struct vs_mirror_program *p)
{
	if (p == NULL)
		return;
	filter_match_destroy(p->match);
	free(p->text);
	free(p);
}

static int program_need(struct vs *vs, const struct vs_mirror *mirror, struct err *err)
{
	struct vs_mirror_program **place = NULL, *p;
	struct mirrors *ms = of(vs);
	int rc;

	if (mirror->filter == NULL || vs_mirror_program(vs, mirror->filter) != NULL)
		return 0;
	for (unsigned i = 0; place == NULL && i < MAX_PROGRAMS; i++)
		if (ms->programs[i] == NULL)
			place = &ms->programs[i];
	p = calloc(1, sizeof(*p));
	if (p != NULL)
		p->text = strdup(mirror->filter);
	if (place == NULL || p == NULL || p->text == NULL) {
		program_free(p);
		return err_set(err, -ENOMEM, "no-memory", "no memory for a mirror's filter");
	}
	rc = match_make(mirror, &p->match, err);
	if (rc != 0)
		program_free(p);
	else
		*place = p;
	return rc;
}

static int live_need(struct vs *vs, const struct vs_mirror *mirror, struct err *err)
{
	struct mirrors *ms = of(vs);
	struct live *live = NULL;

	if (find(vs, mirror->name) != NULL)
		return 0;
	for (unsigned i = 0; live == NULL && i < DP_MAX_MIRRORS; i++)
		if (ms->live[i].name[0] == '\0')
			live = &ms->live[i];
	if (live == NULL) {
		err_set(err, -ENOSPC, "limit", "at most %u mirrors, those that go at once included",
			DP_MAX_MIRRORS);
		err_fix(err, "remove the old ones first");
		return -ENOSPC;
	}
	*live = (struct live){.dp = dp_mirror_live_create()};
	if (live->dp == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for mirror %s", mirror->name);
	snprintf(live->name, sizeof(live->name), "%s", mirror->name);
	return 0;
}

/* At start a filter that cannot be compiled any more keeps its mirror from running, and nothing
 * else. */
static int need(struct vs *vs, const struct vs_model *m, bool starting, struct err *err)
{
	const struct vs_mirrors_conf *conf = vs_mirrors_of(m);
	int rc = 0;

	for (unsigned i = 0; rc == 0 && conf != NULL && i < conf->n; i++) {
		struct err why = {0};

		rc = live_need(vs, &conf->v[i], err);
		if (rc == 0)
			rc = program_need(vs, &conf->v[i], &why);
		if (rc == 0 || why.what[0] == '\0')
			continue;
		if (err != NULL)
			*err = why;
		if (starting && rc == -EINVAL) {
			snprintf(find(vs, conf->v[i].name)->reason,
				 sizeof(((struct live *)0)->reason), "%.190s", why.what);
			rc = 0;
		}
	}
	return rc;
}

static int probe(struct vs *vs, const struct vs_model *m, struct err *err)
{
	const struct vs_mirrors_conf *conf = vs_mirrors_of(m);
	int rc = 0;

	for (unsigned i = 0; rc == 0 && conf != NULL && i < conf->n; i++) {
		struct filter_match *match = NULL;

		if (conf->v[i].filter == NULL ||
		    (of(vs) != NULL && vs_mirror_program(vs, conf->v[i].filter) != NULL))
			continue;
		rc = match_make(&conf->v[i], &match, err);
		if (rc == 0)
			filter_match_destroy(match);
	}
	return rc;
}

static void live_drop(struct live *live)
{
	dp_mirror_live_destroy(live->dp);
	*live = (struct live){0};
}

static bool wants(const struct vs_model *m, const struct vs_mirror_program *p)
{
	const struct vs_mirrors_conf *conf = vs_mirrors_of(m);

	for (unsigned i = 0; conf != NULL && i < conf->n; i++)
		if (conf->v[i].filter != NULL && strcmp(conf->v[i].filter, p->text) == 0)
			return true;
	return false;
}

static void settle(struct vs *vs, const struct vs_model *m)
{
	struct mirrors *ms = of(vs);

	for (unsigned i = 0; ms != NULL && i < DP_MAX_MIRRORS; i++)
		if (ms->live[i].name[0] != '\0' && vs_model_mirror(m, ms->live[i].name) == NULL)
			live_drop(&ms->live[i]);
	for (unsigned i = 0; ms != NULL && i < MAX_PROGRAMS; i++) {
		struct vs_mirror_program *p = ms->programs[i];

		if (p == NULL || p->refs != 0 || wants(m, p))
			continue;
		program_free(p);
		ms->programs[i] = NULL;
	}
}

static int create(struct vs *vs, void **ret, struct err *err)
{
	*ret = calloc(1, sizeof(struct mirrors));
	return *ret != NULL ? 0 : err_set(err, -ENOMEM, "no-memory", "no memory for mirrors");
}

static void destroy(struct vs *vs, void *arg)
{
	struct mirrors *ms = arg;

	for (unsigned i = 0; i < DP_MAX_MIRRORS; i++)
		live_drop(&ms->live[i]);
	for (unsigned i = 0; i < MAX_PROGRAMS; i++)
		program_free(ms->programs[i]);
	free(ms);
}

/* ---- Mirrors that wait ---- */

static void port_reason(struct vs *vs, const struct vs_mirror *mirror, char *why, size_t size)
{
	uint16_t id = mirror->target != NULL ? vs_port_id(vs, mirror->to) : DP_NO_PORT;
	const struct vs_live *live = id != DP_NO_PORT ? &vs->live[id] : NULL;

	if (live == NULL)
		snprintf(why, size, "there is no port %s", mirror->to);
	else if (live->port == NULL)
		snprintf(why, size, "port %s waits: %.120s", mirror->to, live->reason);
	else if (!mirror->target->up)
		snprintf(why, size, "port %s is switched off", mirror->to);
	else if (mirror->kind == DP_MIRROR_TO_PORT && !atomic_load(&live->port->link_up))
		snprintf(why, size, "port %s is down", mirror->to);
}

static void vlan_reason(const struct vs *vs, const struct vs_mirror *mirror, char *why, size_t size)
{
	const struct vs_model *m = vs->model;

	for (unsigned i = 0; i < m->n_ports; i++)
		if (vs_mirror_carries(mirror, &m->ports[i]))
			return;
	snprintf(why, size, "no port%s%s of switch %s carries VLAN %u",
		 mirror->tenant != NULL ? " of tenant " : "",
		 mirror->tenant != NULL ? mirror->tenant->name : "", mirror->sw->name,
		 mirror->vlan);
}

static void ip_reason(struct vs *vs, const struct vs_mirror *mirror,
		      const struct dp_mirror_count *now, const struct dp_mirror_count *before,
		      bool waited, char *why, size_t size)
{
	const struct dp_vport *vp = dp_view(vs->dp)->vports[vs_port_id(vs, mirror->to)];
	const struct dp_ip *next;
	char text[INET6_ADDRSTRLEN] = "";
	bool asked =
		now->lost[DP_MIRROR_LOST_UNRESOLVED] != before->lost[DP_MIRROR_LOST_UNRESOLVED];

	if (vp == NULL || vp->vtep == NULL)
		return;
	next = dp_vtep_next_hop(vp->vtep, &mirror->address);
	if (next == NULL) {
		snprintf(why, size,
			 "VTEP %s has no route: the address is not on its link, and it "
			 "has no gateway",
			 mirror->to);
		return;
	}
	/* While nothing is to be copied nobody asks, and it is as it was. */
	if (now->copied == before->copied && (asked || waited)) {
		inet_ntop(next->v6 ? AF_INET6 : AF_INET, next->b, text, sizeof(text));
		snprintf(why, size, "the next hop %s has not told its MAC", text);
	}
}

static void look(struct vs *vs, const struct vs_mirror *mirror, struct live *live)
{
	struct dp_mirror_count now;
	char why[sizeof(live->reason)] = "";

	/* Its filter could not be compiled: a change alone helps. */
	if (mirror->filter != NULL && vs_mirror_program(vs, mirror->filter) == NULL)
		return;
	dp_mirror_read(live->dp, &now);
	if (mirror->kind == DP_MIRROR_TO_VLAN)
		vlan_reason(vs, mirror, why, sizeof(why));
	else
		port_reason(vs, mirror, why, sizeof(why));
	if (why[0] == '\0' && mirror->kind == DP_MIRROR_TO_IP)
		ip_reason(vs, mirror, &now, &live->seen, live->reason[0] != '\0', why, sizeof(why));
	live->seen = now;
	memcpy(live->reason, why, sizeof(why));
}

/* Also that it waits for something else now.  Of one that goes and comes all the time no more is
 * told than this. */
static void tell(struct vs *vs, struct live *live)
{
	bool waits = live->reason[0] != '\0';
	uint64_t now = clock_mono_ns();

	if (strcmp(live->reason, live->told) == 0)
		return;
	if (now - live->told_ns >= TELL_AGAIN_NS) {
		live->told_ns = now;
		live->n_told = 0;
	}
	if (live->n_told == TELL_MOST)
		return;
	live->n_told++;
	memcpy(live->told, live->reason, sizeof(live->told));
	if (waits)
		vs_event(vs, "mirror-waits", NULL, "mirror %s waits: %s", live->name, live->reason);
	else
		vs_event(vs, "mirror-back", NULL, "mirror %s copies again", live->name);
}

static void look_at_all(struct vs *vs)
{
	const struct vs_mirrors_conf *conf = vs->model != NULL ? vs_mirrors_of(vs->model) : NULL;

	for (unsigned i = 0; conf != NULL && i < conf->n; i++) {
		struct live *live = find(vs, conf->v[i].name);

		if (live == NULL)
			continue;
		look(vs, &conf->v[i], live);
		tell(vs, live);
	}
}

static void tick(struct vs *vs)
{
	if (of(vs) != NULL && vs->ticks % LOOK_TICKS == 0)
		look_at_all(vs);
}

bool vs_mirror_stats(struct vs *vs, const struct vs_mirror *mirror, struct vs_mirror_stats *ret)
{
	const struct vs_model *m = vs->model;
	const struct live *live = find(vs, mirror->name);
	uint16_t id = mirror->kind == DP_MIRROR_TO_PORT && mirror->target != NULL
			      ? vs_port_id(vs, mirror->to)
			      : DP_NO_PORT;

	*ret = (struct vs_mirror_stats){.reason = ""};
	if (live == NULL)
		return false;
	dp_mirror_read(live->dp, &ret->count);
	ret->waits = live->reason[0] != '\0';
	ret->reason = live->reason;
	for (unsigned i = 0; i < m->n_ports; i++)
		ret->n_ports += vs_mirror_covers(m, mirror, &m->ports[i]);
	for (int r = 0; id != DP_NO_PORT && r < DP_N_DROPS; r++)
		ret->target_drops += dp_port_count(vs->dp, id)->drops_tx[r];
	return true;
}

const struct vs_policy vs_policy_mirror = {
	.read = vs_mirrors_read,
	.forget = vs_mirrors_forget,
	.create = create,
	.destroy = destroy,
	.probe = probe,
	.need = need,
	.compile = vs_mirrors_compile,
	.release = vs_mirrors_release,
	.settle = settle,
	.tick = tick,
};
