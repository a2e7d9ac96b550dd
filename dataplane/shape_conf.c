/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shapers on the control thread: made, changed, given to workers, ended.  What a worker may be at
 * is touched while all of them stand still (dp_pause()), for the time of moving pointers.
 */
#include "dataplane/drop.h"
#include "dataplane/shape_priv.h"

#include "ctl/base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ring.h>

#define SLOT_NS	    8000u
#define BUFFER_PART 2u /* of all buffers, for what waits */

/* ---- What it does ---- */

static void conf_destroy(struct shape_conf *conf)
{
	if (conf == NULL)
		return;
	dp_sched_destroy(conf->sched);
	free(conf->keys);
	free(conf->from);
	free(conf->tables);
	free(conf);
}

static int check_leaf(const struct dp_shape_spec *spec, uint16_t leaf, const char *what, unsigned i,
		      struct err *err)
{
	if (leaf < spec->n_classes && spec->classes[leaf].leaf)
		return 0;
	return err_set(err, -EINVAL, "class-unknown", "%s %u leads to class %u, which is no leaf",
		       what, i, leaf);
}

/* The first group of the port whose groups stand last. */
static unsigned last_group(const struct dp_shape_spec *spec)
{
	unsigned last = 0;

	for (unsigned i = 0; i < spec->n_outs; i++)
		last = RTE_MAX(last, (unsigned)spec->outs[i].first_group);
	return last;
}

static int check_groups(const struct dp_shape_spec *spec, struct err *err)
{
	int rc = 0;

	for (unsigned g = 0; g < spec->n_groups && rc == 0; g++)
		for (unsigned tc = 0; tc < DP_SHAPE_TCS && rc == 0; tc++)
			rc = check_leaf(spec, spec->groups[g].leaf[tc], "group", g, err);
	for (unsigned p = 0; spec->group_of_port != NULL && p < DP_MAX_PORTS && rc == 0; p++)
		if (last_group(spec) + spec->group_of_port[p] >= spec->n_groups)
			rc = err_set(err, -EINVAL, "group-unknown", "port %u has group %u of %u", p,
				     spec->group_of_port[p], spec->n_groups);
	return rc;
}

static int check_queues(const struct dp_shape_spec *spec, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < spec->n_queues && rc == 0; i++) {
		rc = check_leaf(spec, spec->queues[i].leaf, "queue", spec->queues[i].id, err);
		if (rc == 0 && i != 0 && spec->queues[i].out == spec->queues[i - 1].out &&
		    spec->queues[i].id <= spec->queues[i - 1].id)
			rc = err_set(err, -EINVAL, "queue-order", "queue %u stands twice",
				     spec->queues[i].id);
	}
	return rc;
}

static uint8_t highest_tc(const struct dp_shape_marks *marks)
{
	uint8_t most = marks->tc;

	for (unsigned i = 0; i < 64; i++)
		most = RTE_MAX(most, marks->tc_of_dscp[i]);
	for (unsigned i = 0; i < 8; i++)
		most = RTE_MAX(most, marks->tc_of_pcp[i]);
	return most;
}

static int check_maps(const struct dp_shape_spec *spec, struct err *err)
{
	uint8_t most = spec->n_outs == 0 ? highest_tc(&spec->marks) : 0;

	for (unsigned i = 0; i < spec->n_outs; i++)
		most = RTE_MAX(most, highest_tc(&spec->outs[i].marks));
	if (most >= DP_SHAPE_TCS)
		return err_set(err, -EINVAL, "traffic-class", "traffic class %u: must be 0 to %u",
			       most, DP_SHAPE_TCS - 1);
	if (spec->n_groups == 0 || spec->n_queues > DP_SHAPE_MAX_QUEUES * RTE_MAX(1, spec->n_outs))
		return err_set(err, -EINVAL, "class-limit", "%u groups and %u queues",
			       spec->n_groups, spec->n_queues);
	return 0;
}

/* What 'out_of_port' and 'port_of_class' say is what 'outs' says. */
static int check_outs(const struct dp_shape_spec *spec, struct err *err)
{
	for (unsigned i = 0; i < spec->n_outs; i++)
		if (spec->outs[i].port >= DP_MAX_PORTS ||
		    spec->out_of_port[spec->outs[i].port] != i + 1)
			return err_set(err, -EINVAL, "out-unknown", "port %u is not number %u",
				       spec->outs[i].port, i);
	for (unsigned p = 0; spec->n_outs != 0 && p < DP_MAX_PORTS; p++)
		if (spec->out_of_port[p] > spec->n_outs)
			return err_set(err, -EINVAL, "out-unknown", "port %u is number %u of %u", p,
				       spec->out_of_port[p], spec->n_outs);
	return 0;
}

static int check(const struct dp_shape_spec *spec, struct err *err)
{
	int rc = check_maps(spec, err);

	if (rc == 0)
		rc = check_outs(spec, err);
	if (rc == 0)
		rc = check_groups(spec, err);
	return rc == 0 ? check_queues(spec, err) : rc;
}

/* One behind the other; NULL stays NULL. */
static const void *copy_table(uint8_t **at, const void *from, size_t size)
{
	void *to = *at;

	if (from == NULL || size == 0)
		return from;
	memcpy(to, from, size);
	*at += (size + 7) & ~(size_t)7;
	return to;
}

/* The tables that frames are looked up in. */
static int copy_tables(struct shape_conf *conf, const struct dp_shape_spec *spec)
{
	size_t groups = spec->n_groups * sizeof(*spec->groups);
	size_t queues = spec->n_queues * sizeof(*spec->queues);
	size_t outs = spec->n_outs * sizeof(*spec->outs);
	size_t ports = DP_MAX_PORTS * sizeof(uint16_t);
	size_t classes = spec->n_outs != 0 ? spec->n_classes * sizeof(uint16_t) : 0;
	uint8_t *at = malloc(queues + groups + outs + 2 * ports + classes + (size_t)6 * 8);

	if (at == NULL)
		return -ENOMEM;
	conf->tables = at;
	conf->spec = *spec;
	conf->spec.classes = NULL;
	conf->spec.keys = NULL;
	conf->spec.queues = copy_table(&at, spec->queues, queues);
	conf->spec.groups = copy_table(&at, spec->groups, groups);
	conf->spec.group_of_port = copy_table(&at, spec->group_of_port, ports);
	if (spec->n_outs == 0)
		return 0;
	conf->spec.outs = copy_table(&at, spec->outs, outs);
	conf->spec.out_of_port = copy_table(&at, spec->out_of_port, ports);
	conf->spec.port_of_class = copy_table(&at, spec->port_of_class, classes);
	return 0;
}

struct keyed {
	uint64_t key;
	uint16_t cls;
};

static int by_key(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

/* Who the classes are in what runs. */
static int find_from(struct shape_conf *conf, const struct shape_conf *running)
{
	uint16_t n_old = running->spec.n_classes;
	struct keyed *old = malloc(n_old * sizeof(*old));

	if (old == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; i < n_old; i++)
		old[i] = (struct keyed){running->keys[i], i};
	qsort(old, n_old, sizeof(*old), by_key);
	for (uint16_t i = 0; i < conf->spec.n_classes; i++) {
		const struct keyed want = {.key = conf->keys[i]};
		const struct keyed *found =
			want.key == 0 ? NULL : bsearch(&want, old, n_old, sizeof(*old), by_key);

		conf->from[i] = found != NULL ? found->cls : DP_SCHED_NO_CLASS;
	}
	free(old);
	return 0;
}

static int conf_fill(struct shape_conf *conf, const struct dp_shape_spec *spec,
		     const struct shape_conf *running)
{
	conf->keys = calloc(spec->n_classes, sizeof(*conf->keys));
	conf->from = calloc(spec->n_classes, sizeof(*conf->from));
	if (conf->keys == NULL || conf->from == NULL || copy_tables(conf, spec) != 0)
		return -ENOMEM;
	if (spec->keys != NULL)
		memcpy(conf->keys, spec->keys, spec->n_classes * sizeof(*conf->keys));
	return running != NULL ? find_from(conf, running) : 0;
}

/* 'running': what it will take the place of, or NULL. */
static int conf_create(const struct dp *dp, const struct dp_shape_spec *spec,
		       const struct shape_conf *running, struct shape_conf **ret_conf,
		       struct err *err)
{
	struct shape_conf *conf = calloc(1, sizeof(*conf));
	int rc;

	if (conf == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for a shaper");
	rc = dp_sched_create(&spec->root, spec->classes, spec->n_classes, dp->tsc_hz, &conf->sched,
			     err);
	if (rc == 0)
		rc = check(spec, err);
	if (rc == 0) {
		rc = conf_fill(conf, spec, running);
		if (rc != 0)
			err_set(err, rc, "no-memory", "no memory for a shaper");
	}
	if (rc != 0) {
		conf_destroy(conf);
		return rc;
	}
	*ret_conf = conf;
	return 0;
}

/* ---- Life ---- */

int dp_shaper_create(struct dp *dp, const struct dp_shape_spec *spec, struct dp_shaper **ret_shaper,
		     struct err *err)
{
	struct dp_shaper *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for a shaper");
	rc = conf_create(dp, spec, NULL, &s->conf, err);
	if (rc == 0 && spec->n_outs != 0) {
		s->devs = calloc(DP_MAX_PORTS, sizeof(struct dp_port *));
		if (s->devs == NULL)
			rc = err_set(err, -ENOMEM, "no-memory", "no memory for a shaper");
	}
	if (rc != 0) {
		conf_destroy(s->conf);
		free(s);
		return rc;
	}
	s->dp = dp;
	s->port = DP_NO_PORT;
	s->serial = ++dp->last_shaper;
	s->next = dp->shapers;
	dp->shapers = s;
	*ret_shaper = s;
	return 0;
}

/* Counts, while nobody else does, what ends here. */
static void gone(struct dp_shaper *s, struct rte_mbuf *m)
{
	struct dp_worker *w = atomic_load(&s->owner);
	struct dp_count *const counts[] = {s->dp->totals[shape_port_of(s, m)], &s->dp->total};
	uint32_t units = shape_units(m);

	for (unsigned i = 0; i < 2; i++) {
		counts[i]->held_tx--;
		counts[i]->drops_tx[DP_DROP_PORT_REMOVED]++;
	}
	s->held -= units;
	if (w != NULL)
		w->shape->held -= units;
	rte_pktmbuf_free(m);
}

/* Workers stand still. */
static void drop_waiting(struct dp_shaper *s)
{
	struct rte_mbuf *m;

	while (dp_sched_empty(s->conf->sched, &m, 1) != 0)
		gone(s, m);
	if (atomic_load(&s->owner) != NULL)
		shape_disarm(atomic_load(&s->owner), s);
}

static void unlink_shaper(struct dp_shaper *s)
{
	struct dp_shaper **at = &s->dp->shapers;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
}

void dp_shaper_destroy(struct dp_shaper *s)
{
	if (s == NULL)
		return;
	if (atomic_load(&s->owner) != NULL) {
		/* Its worker has looked at it in the view without it, after this. */
		dp_count_refresh(s->dp);
		dp_pause(s->dp);
		drop_waiting(s);
		dp_resume(s->dp);
	} else {
		drop_waiting(s);
	}
	unlink_shaper(s);
	conf_destroy(s->conf);
	conf_destroy(s->prepared);
	free(s->devs);
	free(s);
}

/* Workers stand still. */
static void drop_port(struct dp_shaper *s, uint16_t port)
{
	const struct dp_shape_spec *spec = &s->conf->spec;
	struct rte_mbuf *m;

	for (uint16_t c = 0; c < spec->n_classes; c++)
		while (spec->port_of_class[c] == port &&
		       dp_sched_empty_leaf(s->conf->sched, c, &m, 1) != 0)
			gone(s, m);
	s->devs[port] = NULL;
	if (atomic_load(&s->owner) != NULL)
		shape_arm(atomic_load(&s->owner), s, rte_rdtsc());
}

void dp_shapers_port_gone(struct dp *dp, uint16_t port)
{
	struct dp_shaper *s;
	bool any = false;

	for (s = dp->shapers; s != NULL; s = s->next)
		any |= s->devs != NULL && s->conf->spec.out_of_port[port] != 0;
	if (!any)
		return;
	dp_count_refresh(dp);
	dp_pause(dp);
	for (s = dp->shapers; s != NULL; s = s->next)
		if (s->devs != NULL && s->conf->spec.out_of_port[port] != 0)
			drop_port(s, port);
	dp_resume(dp);
}

/* ---- Changes ---- */

int dp_shaper_prepare(struct dp_shaper *shaper, const struct dp_shape_spec *spec, struct err *err)
{
	struct shape_conf *conf;
	int rc = conf_create(shaper->dp, spec, shaper->conf, &conf, err);

	if (rc != 0)
		return rc;
	conf_destroy(shaper->prepared);
	shaper->prepared = conf;
	return 0;
}

void dp_shaper_abort(struct dp_shaper *shaper)
{
	conf_destroy(shaper->prepared);
	shaper->prepared = NULL;
}

/* What waited in classes that are gone waits where it belongs now. */
static void move_rest(struct dp_shaper *s, struct dp_sched *old, uint64_t now)
{
	struct rte_mbuf *m;

	while (dp_sched_empty(old, &m, 1) != 0) {
		uint16_t leaf = shape_classify(&s->conf->spec, m, shape_port_of(s, m));

		if (leaf == DP_SCHED_NO_CLASS || !dp_sched_put(s->conf->sched, leaf, m, now))
			gone(s, m);
	}
}

/* Workers stand still.  What ran is what is 'prepared' afterwards. */
static void change_over(struct dp_shaper *s, uint64_t now)
{
	struct dp_worker *w = atomic_load(&s->owner);
	struct shape_conf *conf = s->prepared, *old = s->conf;

	dp_sched_adopt_root(conf->sched, old->sched, now);
	for (uint16_t i = 0; i < conf->spec.n_classes; i++)
		if (conf->from[i] != DP_SCHED_NO_CLASS)
			dp_sched_adopt(conf->sched, i, old->sched, conf->from[i], now);
	s->conf = conf;
	s->prepared = old;
	move_rest(s, old->sched, now);
	if (w != NULL)
		shape_arm(w, s, now);
}

void dp_shapers_commit(struct dp *dp)
{
	struct dp_shaper *s;
	bool any = false;

	for (s = dp->shapers; s != NULL; s = s->next)
		any |= s->prepared != NULL;
	if (!any)
		return;
	dp_pause(dp);
	for (s = dp->shapers; s != NULL; s = s->next)
		if (s->prepared != NULL)
			change_over(s, rte_rdtsc());
	dp_resume(dp);
	for (s = dp->shapers; s != NULL; s = s->next)
		dp_shaper_abort(s);
}

void dp_shaper_read(const struct dp_shaper *shaper, uint16_t cls,
		    struct dp_sched_counts *ret_counts)
{
	dp_sched_read(shaper->conf->sched, cls, ret_counts);
}

int dp_shaper_cpu(const struct dp_shaper *shaper)
{
	const struct dp_worker *w = dp_shape_owner(shaper);

	return w != NULL ? (int)w->cpu : -1;
}

/* ---- Whose they are ---- */

/* How many shapers each worker has. */
struct shares {
	unsigned n_ranks, most;
	unsigned of[DP_MAX_WORKERS]; /* by rank */
};

static uint16_t rank_of(const struct dp_worker *w)
{
	return w != NULL ? atomic_load(&w->rank) : UINT16_MAX;
}

static struct shares count_shares(const struct dp *dp)
{
	struct shares sh = {.n_ranks = atomic_load(&dp->n_ranks)};
	unsigned n = 0;

	for (const struct dp_shaper *s = dp->shapers; s != NULL; s = s->next) {
		uint16_t rank = rank_of(atomic_load(&s->owner));

		n += s->n_txq != 0;
		if (rank < sh.n_ranks)
			sh.of[rank]++;
	}
	sh.most = sh.n_ranks != 0 ? (n + sh.n_ranks - 1) / sh.n_ranks : 0;
	return sh;
}

/* Who sends for it: who does, if that can be and leaves enough to others; NULL: nobody can. */
static struct dp_worker *choose(const struct dp_shaper *s, const struct shares *sh)
{
	struct dp_worker *now = atomic_load(&s->owner);
	unsigned n = RTE_MIN(sh->n_ranks, s->n_txq), rank = rank_of(now), best = 0;

	if (n == 0 || (rank < n && sh->of[rank] <= sh->most))
		return n == 0 && rank >= sh->n_ranks ? NULL : now;
	for (unsigned i = 1; i < n; i++)
		if (sh->of[i] < sh->of[best])
			best = i;
	if (rank < n && sh->of[best] + 1 >= sh->of[rank])
		return now;
	return atomic_load(&s->dp->by_rank[best]);
}

static void give_to(struct dp_shaper *s, struct dp_worker *to, uint64_t now)
{
	struct dp_worker *from = atomic_load(&s->owner);

	if (from != NULL) {
		shape_disarm(from, s);
		from->shape->held -= s->held;
	}
	atomic_store(&s->owner, to);
	if (to != NULL) {
		to->shape->held += s->held;
		shape_arm(to, s, now);
	}
}

/* With each the number of those to come is smaller, so that shares are even at the end. */
static void place_all(struct dp *dp)
{
	struct shares sh = count_shares(dp);
	uint64_t now = rte_rdtsc();

	for (struct dp_shaper *s = dp->shapers; s != NULL; s = s->next) {
		struct dp_worker *from = atomic_load(&s->owner), *to = choose(s, &sh);

		if (to == from)
			continue;
		if (rank_of(from) < sh.n_ranks)
			sh.of[rank_of(from)]--;
		if (to != NULL)
			sh.of[rank_of(to)]++;
		give_to(s, to, now);
	}
}

/* Frames in 'w''s inbox that another is to send now: to his, behind what is there. */
static void forward_inbox(struct dp *dp, struct dp_worker *w)
{
	const struct dp_view *view = atomic_load(&dp->view);

	for (unsigned n = rte_ring_count(w->inbox); n != 0; n--) {
		struct dp_worker *to = w;
		struct rte_mbuf *m;
		uint16_t id;

		if (rte_ring_sc_dequeue(w->inbox, (void **)&m) != 0)
			return;
		id = m->vlan_tci_outer;
		if (id < DP_MAX_PORTS && view->vports[id] != NULL &&
		    view->vports[id]->shaper != NULL)
			to = dp_shape_owner(view->vports[id]->shaper);
		if (to == NULL || rte_ring_mp_enqueue(to->inbox, m) != 0)
			(void)rte_ring_mp_enqueue(w->inbox, m); /* There it finds its way, later. */
	}
}

static void set_budgets(struct dp *dp)
{
	unsigned n = atomic_load(&dp->n_ranks);
	uint32_t all = dp->pools[0].pool->size / BUFFER_PART;

	for (unsigned i = 0; i < DP_MAX_WORKERS; i++)
		if (dp->workers[i] != NULL && dp->workers[i]->shape != NULL)
			dp->workers[i]->shape->budget = all / (n != 0 ? n : 1);
}

void dp_shapers_rank(struct dp *dp)
{
	set_budgets(dp);
	place_all(dp);
	for (unsigned i = 0; dp->shapers != NULL && i < DP_MAX_WORKERS; i++)
		if (dp->workers[i] != NULL)
			forward_inbox(dp, dp->workers[i]);
}

/* Who sends for several ports needs a queue of each that is there. */
static void count_queues(const struct dp_view *view)
{
	for (unsigned again = 0; again < 2; again++)
		for (uint16_t id = 0; id < view->n_vports && id < DP_MAX_PORTS; id++) {
			const struct dp_vport *vp = view->vports[id];
			uint16_t n = vp != NULL && vp->port != NULL ? vp->port->n_txq : 0;

			if (vp == NULL || vp->shaper == NULL)
				continue;
			if (again == 0)
				vp->shaper->n_txq = 0;
			else if (n != 0 && (vp->shaper->n_txq == 0 || n < vp->shaper->n_txq))
				vp->shaper->n_txq = n;
		}
}

void dp_shapers_place(struct dp *dp, const struct dp_view *view)
{
	uint16_t n_ranks = atomic_load(&dp->n_ranks);
	bool wrong = false;

	count_queues(view);
	for (uint16_t id = 0; id < view->n_vports && id < DP_MAX_PORTS; id++) {
		const struct dp_vport *vp = view->vports[id];
		struct dp_shaper *s = vp != NULL ? vp->shaper : NULL;

		if (s == NULL)
			continue;
		wrong |= s->n_txq != 0 &&
			 rank_of(atomic_load(&s->owner)) >= RTE_MIN(s->n_txq, n_ranks);
	}
	if (!wrong || n_ranks == 0)
		return;
	dp_pause(dp);
	dp_shapers_rank(dp);
	dp_resume(dp);
}

/* ---- Workers ---- */

int dp_shape_worker_create(struct dp *dp, struct dp_worker *w)
{
	uint64_t cycles = dp->tsc_hz / 1000 * SLOT_NS / 1000000;

	w->shape_due = DP_SCHED_NEVER;
	w->shape = calloc(1, sizeof(*w->shape));
	if (w->shape == NULL)
		return -ENOMEM;
	while (cycles >> w->shape->shift > 1)
		w->shape->shift++;
	w->shape->budget = dp->pools[0].pool->size / BUFFER_PART;
	return 0;
}

void dp_shape_worker_destroy(struct dp_worker *w)
{
	if (w->shape == NULL)
		return;
	for (struct dp_shaper *s = w->dp->shapers; s != NULL; s = s->next)
		if (atomic_load(&s->owner) == w)
			give_to(s, NULL, 0);
	free(w->shape);
	w->shape = NULL;
}
