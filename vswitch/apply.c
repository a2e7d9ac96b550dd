/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From one configuration to the next, all or nothing.
 *
 * 	1  cores and ids: workers and domains that the new state needs
 * 	2  devices that are new are opened (but for those whose place an old one still holds)
 * 	   filter modules are loaded, and those that change exchanged
 * 	3  the new view is published: from here on every worker runs the new state, whole
 * 	4  devices that left are closed; the held-back ones are opened and published; static
 * 	   addresses
 * 	5  what is no longer needed goes: domains, addresses, workers
 *
 * A failure in 1 to 4 undoes what was done, in reverse, and publishes the old state again.  At
 * start-up a device that cannot be opened is no failure: the port waits for it, with the reason.
 */
#include "vswitch/apply_priv.h"

#include "dataplane/fdb.h"
#include "vswitch/controllers.h"
#include "vswitch/conntrack.h"
#include "vswitch/filters.h"
#include "vswitch/guards_priv.h"
#include "vswitch/nic.h"
#include "vswitch/queues.h"
#include "vswitch/sriov.h"
#include "vswitch/switch_flows.h"
#include "vswitch/takeover.h"
#include "vswitch/vm.h"
#include "vswitch/vtep.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vs_event(struct vs *vs, const char *type, const char *port, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	if (vs->opts.event == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	vs->opts.event(vs->opts.ctx, type, port, text);
}

uint16_t vs_port_id(const struct vs *vs, const char *name)
{
	for (uint16_t i = 0; name != NULL && name[0] != '\0' && i < DP_MAX_PORTS; i++)
		if (strcmp(vs->live[i].name, name) == 0)
			return i;
	return DP_NO_PORT;
}

const char *vs_port_name(const struct vs *vs, uint16_t id)
{
	return id < DP_MAX_PORTS && vs->live[id].name[0] != '\0' ? vs->live[id].name : NULL;
}

/* The model's ports by index, for what looks at all of them often. */
static void ids_refresh(struct vs *vs)
{
	uint16_t *ids = calloc(vs->model->n_ports + 1, sizeof(*ids));

	for (unsigned i = 0; ids != NULL && i < vs->model->n_ports; i++)
		ids[i] = vs_port_id(vs, vs->model->ports[i].name);
	free(vs->port_ids);
	vs->port_ids = ids; /* NULL: the tick does without until the next change. */
}

static int publish(struct vs *vs, const struct vs_model *m, struct err *err)
{
	struct vs_kept_limit *old = calloc(DP_MAX_DOMAINS, sizeof(*old));
	struct dp_view *view = NULL;
	int rc = old != NULL ? vs_domains_limit(vs, m, old) : -ENOMEM;

	if (rc == 0)
		view = vs_view_compile(vs, m);
	rc = view == NULL ? err_set(err, -ENOMEM, "no-memory", "no memory for the new view")
			  : dp_view_publish(vs->dp, view, err);
	/* It may fail after the view was published: a queue could not be placed. */
	if (old != NULL)
		vs_domains_settle(vs, old,
				  view != NULL && dp_view(vs->dp)->version == vs->view_version);
	free(old);
	return rc;
}

static uint16_t id_take(struct vs *vs, const char *name)
{
	for (uint16_t i = 0; i < DP_MAX_PORTS; i++) {
		if (vs->live[i].name[0] != '\0')
			continue;
		snprintf(vs->live[i].name, sizeof(vs->live[i].name), "%s", name);
		vs->live[i].ifindex = -1;
		return i;
	}
	return DP_NO_PORT;
}

/* The port is gone for good: nothing of it may be found under its id again. */
static void id_release(struct vs *vs, uint16_t id)
{
	dp_fdb_flush(dp_fdb(vs->dp), DP_NO_DOMAIN, DP_NO_VLAN, id, true);
	vs_overlay_forget(vs, id);
	vs_filters_port_gone(vs, id);
	vs_policies_port_gone(vs, id);
	dp_count_refresh(vs->dp);
	dp_port_count_reset(vs->dp, id);
	json_decref(vs->live[id].body);
	vs->live[id] = (struct vs_live){0};
	vs->held[id] = 0;
	vs->loops[id] = (struct vs_loop){0};
}

/* What a port's OpenFlow number was: compiling a view gives new ones. */
struct number {
	char sw[64];
	uint16_t number;
	uint64_t since_ns;
	uint32_t of_config;
};

/* What an apply has done so far, to undo it. */
struct plan {
	struct vs *vs;
	const struct vs_model *before, *after;
	bool starting, lifted, macs_changed;
	bool leaves[DP_MAX_PORTS];	   /* the old device of this id goes */
	struct vs_live kept[DP_MAX_PORTS]; /* old devices of ids whose device is replaced */
	bool opened[DP_MAX_PORTS];
	bool taken[DP_MAX_PORTS]; /* the id is new */
	bool waits[DP_MAX_PORTS]; /* new, and its place is held by one that leaves */
	bool adjusted[DP_MAX_PORTS];
	struct number numbers[DP_MAX_PORTS];
};

static void numbers_keep(struct plan *plan)
{
	for (uint16_t id = 0; id < DP_MAX_PORTS; id++) {
		const struct vs_live *live = &plan->vs->live[id];
		struct number *n = &plan->numbers[id];

		*n = (struct number){.number = live->number,
				     .since_ns = live->since_ns,
				     .of_config = live->of_config};
		memcpy(n->sw, live->sw, sizeof(n->sw));
	}
}

static void numbers_restore(struct plan *plan)
{
	for (uint16_t id = 0; id < DP_MAX_PORTS; id++) {
		struct vs_live *live = &plan->vs->live[id];
		const struct number *n = &plan->numbers[id];

		live->number = n->number;
		live->since_ns = n->since_ns;
		live->of_config = n->of_config;
		memcpy(live->sw, n->sw, sizeof(live->sw));
	}
}

static int try_open(struct plan *plan, const struct vs_port *p, uint16_t id, struct err *err)
{
	struct vs_live *live = &plan->vs->live[id];
	struct err local = {0};
	int rc = vs_device_open(plan->vs, p, live, &local);

	if (rc == 0) {
		plan->opened[id] = true;
		live->reason[0] = '\0';
		return 0;
	}
	json_decref(live->body);
	live->body = json_incref((json_t *)(uintptr_t)p->body);
	snprintf(live->reason, sizeof(live->reason), "%s", local.what);
	if (plan->starting) {
		vs_event(plan->vs, "port-waits", p->name, "port %s waits for its device: %s",
			 p->name, local.what);
		return 0;
	}
	err_about(&local, "port", p->name);
	if (err != NULL)
		*err = local;
	return rc;
}

static const char *place_of(const json_t *body)
{
	static const char *const keys[] = {"device", "ifname", "socket", "name"};
	const char *place = NULL;

	for (size_t i = 0; place == NULL && i < sizeof(keys) / sizeof(keys[0]); i++)
		place = json_string_value(json_object_get(body, keys[i]));
	return place != NULL ? place : "";
}

static bool same_value(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

	return x == NULL || y == NULL ? x == y : json_equal(x, y);
}

/* Does a device that leaves hold what the new port needs: its interface, NIC or socket? */
static bool place_held(const struct plan *plan, const struct vs_port *p)
{
	for (uint16_t id = 0; id < DP_MAX_PORTS; id++) {
		const json_t *body = plan->vs->live[id].body;

		if (plan->leaves[id] && plan->vs->live[id].port != NULL &&
		    strcmp(place_of(body), place_of(p->body)) == 0 &&
		    same_value(body, p->body, "netns") && same_value(body, p->body, "pid"))
			return true;
	}
	return false;
}

/* Step 2: new ports whose place is free. */
static int open_new(struct plan *plan, struct err *err)
{
	for (unsigned i = 0; i < plan->after->n_ports; i++) {
		const struct vs_port *p = &plan->after->ports[i];
		uint16_t id = vs_port_id(plan->vs, p->name);
		int rc;

		if (id != DP_NO_PORT)
			continue;
		id = id_take(plan->vs, p->name);
		if (id == DP_NO_PORT)
			return err_set(err, -ENOSPC, "limit", "at most %u ports", DP_MAX_PORTS);
		plan->taken[id] = true;
		plan->waits[id] = place_held(plan, p);
		rc = plan->waits[id] ? 0 : try_open(plan, p, id, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void mark_leaving(struct plan *plan)
{
	for (uint16_t id = 0; id < DP_MAX_PORTS; id++) {
		struct vs_live *live = &plan->vs->live[id];

		if (live->name[0] != '\0' && vs_model_port(plan->after, live->name) == NULL)
			plan->leaves[id] = true;
	}
	for (unsigned i = 0; i < plan->after->n_ports; i++) {
		const struct vs_port *p = &plan->after->ports[i];
		uint16_t id = vs_port_id(plan->vs, p->name);

		if (id != DP_NO_PORT && plan->vs->live[id].port != NULL)
			plan->leaves[id] = !vs_device_same(plan->vs->live[id].body, p->body);
	}
}

/* Step 4: the old device goes, then the new one comes in its place. */
static int replace_devices(struct plan *plan, struct err *err)
{
	struct vs *vs = plan->vs;
	bool any = false;

	for (uint16_t id = 0; id < DP_MAX_PORTS; id++) {
		if (!plan->leaves[id] || plan->kept[id].port == NULL)
			continue;
		vs_nic_withdraw(&plan->kept[id],
				vs_model_port(plan->after, vs->live[id].name) != NULL);
		vs_device_close(vs, &plan->kept[id]);
	}
	for (unsigned i = 0; i < plan->after->n_ports; i++) {
		const struct vs_port *p = &plan->after->ports[i];
		uint16_t id = vs_port_id(vs, p->name);
		int rc;

		if (!plan->leaves[id] && !plan->waits[id])
			continue;
		rc = try_open(plan, p, id, err);
		if (rc != 0)
			return rc;
		any = true;
	}
	return any ? publish(vs, plan->after, err) : 0;
}

/* Takes the devices that leave out of the live table, so that the next view does not have them. */
static void lift_leaving(struct plan *plan)
{
	plan->lifted = true;
	for (uint16_t id = 0; id < DP_MAX_PORTS; id++) {
		struct vs_live *live = &plan->vs->live[id];

		if (!plan->leaves[id])
			continue;
		plan->kept[id] = *live;
		json_incref(live->body);
		live->port = NULL;
	}
}

static int adjust_devices(struct plan *plan, struct err *err)
{
	for (unsigned i = 0; i < plan->after->n_ports; i++) {
		const struct vs_port *p = &plan->after->ports[i];
		uint16_t id = vs_port_id(plan->vs, p->name);
		struct vs_live *live = &plan->vs->live[id];
		int rc;

		if (plan->leaves[id] || plan->opened[id] || live->port == NULL)
			continue;
		rc = vs_device_adjust(plan->vs, p, live, err);
		if (rc != 0) {
			err_about(err, "port", p->name);
			return rc;
		}
		plan->adjusted[id] = true;
	}
	return 0;
}

/* Undoes everything; the old model runs again. */
static void undo(struct plan *plan)
{
	struct vs *vs = plan->vs;
	struct dp_port *close_later[DP_MAX_PORTS] = {0};
	struct err ignored;

	vs_controllers_abort(vs);
	vs_filters_restore(vs);
	vs_policies_restore(vs);
	if (plan->macs_changed)
		(void)vs_macs_change(vs, plan->after, plan->before, &ignored);
	for (uint16_t id = 0; id < DP_MAX_PORTS; id++) {
		struct vs_live *live = &vs->live[id];

		if (plan->opened[id]) {
			close_later[id] = live->port;
			live->port = NULL;
		}
		/* Also one that was closed already (its port is NULL): what it was comes back. */
		if (plan->lifted && plan->leaves[id]) {
			json_decref(live->body);
			*live = plan->kept[id];
			plan->kept[id] = (struct vs_live){0};
		}
	}
	numbers_restore(plan);
	(void)publish(vs, plan->before, &ignored);
	vs_takeovers_release(vs, plan->before);
	for (uint16_t id = 0; id < DP_MAX_PORTS; id++) {
		struct vs_live gone = {.port = close_later[id], .ifindex = -1};

		if (gone.port != NULL)
			vs_device_close(vs, &gone);
		if (plan->taken[id])
			id_release(vs, id);
	}
	/* A device that was closed to make room for one that failed comes back, if it can. */
	for (unsigned i = 0; i < plan->before->n_ports; i++) {
		const struct vs_port *p = &plan->before->ports[i];
		uint16_t id = vs_port_id(vs, p->name);

		if (id == DP_NO_PORT)
			continue;
		if (vs->live[id].port == NULL && plan->leaves[id])
			(void)vs_device_open(vs, p, &vs->live[id], &ignored);
		else if (plan->adjusted[id])
			(void)vs_device_adjust(vs, p, &vs->live[id], &ignored);
	}
	(void)publish(vs, plan->before, &ignored);
	(void)vs_takeovers_engage(vs, plan->before, &ignored);
	vs_domains_drop(vs, plan->before);
	vs_queues_drop(vs, plan->before);
	vs_filters_drop(vs, plan->before);
	vs_policies_settle(vs, plan->before);
}

static bool has_core(const struct vs_model *m, unsigned cpu)
{
	for (unsigned i = 0; i < m->n_cores; i++)
		if (m->cores[i] == cpu)
			return true;
	return false;
}

/* Starts workers that 'to' has and 'from' has not; on failure stops those started. */
static int cores_start(struct vs *vs, const struct vs_model *from, const struct vs_model *to,
		       struct err *err)
{
	for (unsigned i = 0; i < to->n_cores; i++) {
		int rc =
			has_core(from, to->cores[i]) ? 0 : dp_worker_add(vs->dp, to->cores[i], err);

		if (rc == 0)
			continue;
		while (i-- > 0)
			if (!has_core(from, to->cores[i]))
				(void)dp_worker_remove(vs->dp, to->cores[i], NULL);
		return rc;
	}
	return 0;
}

static void cores_stop(struct vs *vs, const struct vs_model *from, const struct vs_model *to)
{
	for (unsigned i = 0; i < from->n_cores; i++)
		if (!has_core(to, from->cores[i]))
			(void)dp_worker_remove(vs->dp, from->cores[i], NULL);
}

/* Step 5: nothing can fail any more. */
static void settle(struct plan *plan)
{
	struct vs *vs = plan->vs;

	for (uint16_t id = 0; id < DP_MAX_PORTS; id++) {
		json_decref(plan->kept[id].body);
		if (plan->opened[id])
			dp_link_look(vs->dp, id);
		if (vs->live[id].name[0] != '\0' &&
		    vs_model_port(plan->after, vs->live[id].name) == NULL)
			id_release(vs, id);
	}
	vs_macs_forget_moved(vs, plan->before, plan->after);
	vs_conntrack_lift(vs, plan->before);
	vs_domains_drop(vs, plan->after);
	vs_conntrack_follow(vs, plan->after);
	vs_queues_drop(vs, plan->after);
	vs_filters_settle(vs, plan->after);
	vs_policies_settle(vs, plan->after);
	cores_stop(vs, plan->before, plan->after);
	dp_set_max_sleep(vs->dp, plan->after->max_sleep_us);
	dp_set_rebalance(vs->dp, plan->after->rebalance);
	dp_fdb_set_age(dp_fdb(vs->dp), plan->after->mac_age_s != 0 ? plan->after->mac_age_s : 300);
	for (uint16_t id = 0; id < DP_MAX_DOMAINS; id++) {
		const struct vs_switch *sw =
			vs->domains[id].used ? vs_model_switch(plan->after, vs->domains[id].sw)
					     : NULL;

		dp_fdb_set_domain_age(dp_fdb(vs->dp), id, sw != NULL ? sw->mac_age_s : 0);
	}
}

/* At start-up an address that cannot be taken is like a device that is away: said, not fatal. */
static int engage(struct plan *plan, struct err *err)
{
	struct err local = {0};
	int rc = vs_takeovers_engage(plan->vs, plan->after, &local);

	if (rc != 0 && plan->starting) {
		vs_event(plan->vs, "takeover", NULL, "%s", local.what);
		return 0;
	}
	if (rc != 0 && err != NULL)
		*err = local;
	return rc;
}

static int serve_metrics(struct vs *vs, const struct vs_model *from, const struct vs_model *to,
			 struct err *err)
{
	const char *was = from->metrics, *will = to->metrics;

	if (vs->opts.serve_metrics == NULL ||
	    (was == NULL ? will == NULL : will != NULL && strcmp(was, will) == 0))
		return 0;
	return vs->opts.serve_metrics(vs->opts.ctx, will, err);
}

static int run_plan(struct plan *plan, struct err *err)
{
	int rc = vs_domains_need(plan->vs, plan->after, err);

	if (rc == 0)
		rc = vs_conntrack_need(plan->vs, plan->after, err);
	vs_takeovers_release(plan->vs, plan->after);
	if (rc == 0)
		mark_leaving(plan);
	if (rc == 0)
		rc = open_new(plan, err);
	if (rc == 0)
		rc = adjust_devices(plan, err);
	if (rc == 0)
		rc = vs_filters_need(plan->vs, plan->after, plan->starting, err);
	if (rc == 0)
		rc = vs_policies_need(plan->vs, plan->after, plan->starting, err);
	if (rc == 0) {
		lift_leaving(plan);
		rc = publish(plan->vs, plan->after, err);
	}
	if (rc == 0)
		rc = replace_devices(plan, err);
	if (rc == 0 || plan->starting)
		rc = engage(plan, err);
	if (rc == 0) {
		rc = vs_macs_change(plan->vs, plan->before, plan->after, err);
		plan->macs_changed = rc == 0;
	}
	if (rc == 0)
		rc = vs_controllers_prepare(plan->vs, plan->after, plan->starting, err);
	if (rc == 0)
		rc = serve_metrics(plan->vs, plan->before, plan->after, err);
	return rc;
}

int vs_check(void *ctx, const json_t *after, struct err *err)
{
	struct vs_model *m;
	int rc = vs_model_create((json_t *)(uintptr_t)after, &m, err);

	if (rc != 0)
		return rc;
	rc = ctx != NULL ? vs_of_ports_check(ctx, m, err) : 0;
	if (rc == 0 && ctx != NULL && ((struct vs *)ctx)->vms != NULL)
		rc = vs_vms_check(((struct vs *)ctx)->vms, m, err);
	vs_model_destroy(m);
	return rc;
}

/* Is the interface, NIC or socket of 'p' open already, by a port of whatever name?  Then it is
 * there, and what it is asked of a new one (no address of the host's) was asked. */
static bool place_open(const struct vs *vs, const struct vs_port *p)
{
	for (uint16_t id = 0; id < DP_MAX_PORTS; id++) {
		const json_t *body = vs->live[id].body;

		if (vs->live[id].port != NULL && strcmp(place_of(body), place_of(p->body)) == 0 &&
		    same_value(body, p->body, "netns") && same_value(body, p->body, "pid"))
			return true;
	}
	return false;
}

static int probe_port(struct vs *vs, const struct vs_model *m, const struct vs_port *p,
		      struct err *err)
{
	const struct vs_port *old = vs->model != NULL ? vs_model_port(vs->model, p->name) : NULL;
	int rc;

	if (old != NULL && json_equal(old->body, p->body))
		return 0;
	rc = vs_device_probe(vs, p, place_open(vs, p), err);
	if (rc == 0)
		rc = vs_takeovers_probe(m, p, err);
	if (rc != 0)
		err_about(err, "port", p->name);
	return rc;
}

static int probe_cores(const struct vs *vs, const struct vs_model *m, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < m->n_cores; i++)
		if (vs->model == NULL || !has_core(vs->model, m->cores[i]))
			rc = dp_worker_probe(m->cores[i], err);
	return rc;
}

int vs_probe(void *ctx, const json_t *after, struct err *err)
{
	struct vs_model *m;
	int rc = vs_model_create((json_t *)(uintptr_t)after, &m, err);

	if (rc != 0)
		return rc;
	rc = probe_cores(ctx, m, err);
	for (unsigned i = 0; rc == 0 && i < m->n_ports; i++)
		rc = probe_port(ctx, m, &m->ports[i], err);
	if (rc == 0)
		rc = vs_filters_probe(ctx, m, err);
	if (rc == 0)
		rc = vs_policies_probe(ctx, m, err);
	vs_model_destroy(m);
	return rc;
}

int vs_apply(void *ctx, const json_t *before, const json_t *after, bool starting, struct err *err)
{
	struct vs *vs = ctx;
	struct vs_model *model;
	struct plan *plan;
	int rc = vs_model_create((json_t *)(uintptr_t)after, &model, err);

	if (rc != 0)
		return rc;
	plan = calloc(1, sizeof(*plan));
	if (plan == NULL) {
		vs_model_destroy(model);
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	}
	plan->vs = vs;
	plan->before = vs->model;
	plan->after = model;
	plan->starting = starting;
	numbers_keep(plan);
	rc = cores_start(vs, vs->model, model, err);
	if (rc == 0) {
		rc = run_plan(plan, err);
		if (rc != 0) {
			undo(plan);
			cores_stop(vs, model, vs->model);
		}
	}
	if (rc == 0) {
		settle(plan);
		vs_model_destroy(vs->model);
		vs->model = model;
		ids_refresh(vs);
		vs_controllers_commit(vs);
		vs_switch_flows_sync(vs);
		if (vs->vms != NULL)
			vs_vms_follow(vs->vms, vs->model);
	} else {
		vs_model_destroy(model);
	}
	free(plan);
	return rc;
}

static int nic_connect(void *ctx, const char *port)
{
	return vs_nic_connect(ctx, port);
}

static bool nic_waits(void *ctx, const char *port)
{
	return vs_nic_waits(ctx, port);
}

static void vm_vf(void *ctx, const char *vm, const char *nic, const char *state, const char *why)
{
	vs_sriov_told(ctx, vm, nic, state, why);
}

static void vm_event(void *ctx, const char *type, const char *vm, const char *text)
{
	const struct vs *vs = ctx;

	if (vs->opts.vm_event != NULL)
		vs->opts.vm_event(vs->opts.ctx, type, vm, text);
}

static int create_vms(struct vs *vs, struct err *err)
{
	static const struct vs_vms_ops ops = {.nic_connect = nic_connect,
					      .nic_waits = nic_waits,
					      .vf = vm_vf,
					      .event = vm_event};
	const struct vs_vms_opts opts = {.base = vs->opts.base,
					 .run_dir = vs->opts.run_dir,
					 .worker = vs->opts.worker,
					 .has_group = vs->opts.has_group,
					 .group = vs->opts.group,
					 .cpus = vs->opts.cpus,
					 .ops = &ops,
					 .ctx = vs};

	return vs_vms_create(&opts, &vs->vms, err);
}

int vs_create(const struct vs_opts *opts, struct vs **ret_vs, struct err *err)
{
	struct vs *vs = calloc(1, sizeof(*vs));
	json_t *empty = json_object();
	int rc;

	if (vs == NULL || empty == NULL) {
		json_decref(empty);
		free(vs);
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	}
	vs->opts = *opts;
	vs->dp = opts->dp;
	rc = vs_model_create(empty, &vs->model, err);
	json_decref(empty);
	if (rc == 0 && opts->takeover_path != NULL)
		rc = vs_takeovers_create(opts->takeover_path, &vs->takeovers, err);
	if (rc == 0 && opts->worker != NULL && opts->run_dir != NULL)
		rc = create_vms(vs, err);
	if (rc == 0 && opts->filters_dir != NULL)
		rc = vs_filters_create(vs, opts->filters_dir, &vs->filters, err);
	if (rc == 0)
		rc = vs_policies_create(vs, err);
	if (rc != 0) {
		vs_policies_destroy(vs);
		vs_filters_destroy(vs->filters);
		vs_vms_destroy(vs->vms);
		vs_takeovers_destroy(vs->takeovers);
		vs_model_destroy(vs->model);
		free(vs);
		return rc;
	}
	*ret_vs = vs;
	return 0;
}

void vs_destroy(struct vs *vs)
{
	json_t *empty = json_object();

	if (vs == NULL)
		return;
	vs_bindings_keep(vs);
	vs->ending = true;
	vs_sriov_let_go(vs);
	/* They go on running. */
	vs_vms_destroy(vs->vms);
	vs->vms = NULL;
	(void)vs_apply(vs, NULL, empty, false, NULL);
	json_decref(empty);
	vs_policies_destroy(vs);
	vs_filters_destroy(vs->filters);
	vs_controllers_fini(vs);
	vs_switch_flows_fini(vs);
	vs_takeovers_destroy(vs->takeovers);
	vs_model_destroy(vs->model);
	free(vs->port_ids);
	free(vs->queues);
	free(vs);
}
