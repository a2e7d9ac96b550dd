/* SPDX-License-Identifier: BSD-2-Clause
 *
 * VMs: starting, stopping and looking at them.  What takes time is answered when it is done; what
 * is shown of a VM that runs is asked of its process first, and shown as it was known when that
 * does not answer soon; see cmd.h.
 */
#include "vswitch/cmd.h"

#include "ctl/conf.h"
#include "vswitch/vm.h"
#include "vswitch/vm_msg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS	   1500 /* a process that does not answer by then is shown as it was */
#define DEFAULT_MS 60000

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static unsigned timeout_of(const json_t *params)
{
	json_int_t ms = json_integer_value(json_object_get(params, "timeout"));

	return ms > 0 ? (unsigned)ms : DEFAULT_MS;
}

static int no_vms(struct err *err)
{
	return err_set(err, -EOPNOTSUPP, "not-supported", "this daemon runs no VMs");
}

/* Is there such a VM?  With did-you-mean. */
static int vm_check(const struct vs_daemon *d, const char *name, struct err *err)
{
	const struct vs_model *m = d->vs->model;
	const char **names;

	if (d->vs->vms == NULL)
		return no_vms(err);
	if (name == NULL || vs_model_vm(m, name) != NULL ||
	    vs_vm_state(d->vs->vms, name) != VS_VM_STOPPED)
		return 0;
	names = calloc(m->n_vms + 1, sizeof(*names));
	for (unsigned i = 0; names != NULL && i < m->n_vms; i++)
		names[i] = m->vms[i].name;
	if (names != NULL)
		(void)vs_cmd_not_found(err, "vm", name, names);
	free(names);
	return -ENOENT;
}

/* ---- A call about one VM that is answered later ---- */

struct later {
	struct vs_daemon *d;
	struct ctl_late *late; /* NULL: who asked has gone */
	char name[VS_VM_NAME_SIZE];
};

static void later_gone(void *arg)
{
	((struct later *)arg)->late = NULL;
}

static struct later *later_create(struct vs_daemon *d, struct ctl_call *call, const char *name,
				  struct err *err)
{
	struct later *l = calloc(1, sizeof(*l));

	if (l != NULL) {
		l->d = d;
		snprintf(l->name, sizeof(l->name), "%s", name);
		l->late = ctl_call_defer(call, later_gone, l);
	}
	if (l != NULL && l->late != NULL)
		return l;
	free(l);
	err_set(err, -EBUSY, "busy", "too many calls wait for their answers");
	return NULL;
}

static json_t *state_json(const struct vs_daemon *d, const char *name)
{
	return json_pack("{ss ss}", "name", name, "state",
			 vs_vm_state_name(vs_vm_state(d->vs->vms, name)));
}

static void on_done(void *arg, const struct err *err)
{
	struct later *l = arg;

	if (err != NULL)
		ctl_late_fail(l->late, err);
	else
		ctl_late_answer(l->late, state_json(l->d, l->name));
	free(l);
}

static void on_answer(void *arg, const json_t *result, const struct err *err)
{
	on_done(arg, result != NULL ? NULL : err);
}

static int vm_start(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	struct vs_daemon *d = ctx;
	const char *name = param(params, "name");
	struct later *l;
	int rc = vm_check(d, name, err);

	if (rc != 0)
		return rc;
	l = later_create(d, call, name, err);
	if (l == NULL)
		return -EBUSY;
	rc = vs_vm_start(d->vs->vms, name, timeout_of(params), on_done, l, err);
	if (rc != 0)
		free(l);
	return rc;
}

static int ask(void *ctx, struct ctl_call *call, const json_t *params, const char *method,
	       struct err *err)
{
	struct vs_daemon *d = ctx;
	const char *name = param(params, "name");
	struct later *l;
	int rc = vm_check(d, name, err);

	if (rc != 0)
		return rc;
	l = later_create(d, call, name, err);
	if (l == NULL)
		return -EBUSY;
	rc = vs_vm_ask(d->vs->vms, name, method, NULL, 10000, on_answer, l, err);
	if (rc != 0)
		free(l);
	return rc;
}

static int vm_pause(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	return ask(ctx, call, params, "pause", err);
}

static int vm_resume(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	return ask(ctx, call, params, "resume", err);
}

static int vm_reset(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	return ask(ctx, call, params, "reset", err);
}

/* ---- Several at once: the last that is done answers ---- */

struct many {
	struct vs_daemon *d;
	struct ctl_late *late;
	unsigned n_open; /* and one as long as they are being asked */
	unsigned n_asked;
	bool whole;		    /* 'vm show' */
	bool stats;		    /* 'vm stats' */
	char only[VS_VM_NAME_SIZE]; /* "": all */
	json_t *names;
	void (*answer)(struct many *m);
};

struct one {
	struct many *of;
	const char *method;
	char name[VS_VM_NAME_SIZE];
};

static void many_gone(void *arg)
{
	((struct many *)arg)->late = NULL;
}

static void many_done(struct many *m)
{
	if (--m->n_open != 0)
		return;
	m->answer(m);
	json_decref(m->names);
	free(m);
}

static struct many *many_create(struct vs_daemon *d, struct ctl_call *call,
				void (*answer)(struct many *m), struct err *err)
{
	struct many *m = calloc(1, sizeof(*m));

	if (m != NULL) {
		*m = (struct many){.d = d, .n_open = 1, .names = json_array(), .answer = answer};
		m->late = ctl_call_defer(call, many_gone, m);
	}
	if (m != NULL && m->late != NULL)
		return m;
	if (m != NULL)
		json_decref(m->names);
	free(m);
	err_set(err, -EBUSY, "busy", "too many calls wait for their answers");
	return NULL;
}

static void on_stopped(void *arg, const struct err *err)
{
	many_done(arg);
}

static void answer_stops(struct many *m)
{
	json_t *rows = json_array(), *name;
	size_t i;

	json_array_foreach(m->names, i, name) {
		json_t *row = vs_vm_row(m->d->vs->vms, json_string_value(name), false);

		json_array_append_new(
			rows, json_pack("{ss ss ss}", "name", json_string_value(name), "state",
					row != NULL ? vs_vm_text(row, "state") : "stopped", "note",
					row != NULL ? vs_vm_text(row, "note") : ""));
		json_decref(row);
	}
	ctl_late_answer(m->late, json_pack("{so}", "vms", rows));
}

/* Those that run, or the one that is named. */
static json_t *names_to_stop(const struct vs_daemon *d, const char *only)
{
	json_t *names = json_array();
	const char *name;

	for (unsigned i = 0; (name = vs_vms_nth(d->vs->vms, i)) != NULL; i++)
		if (only != NULL ? strcmp(name, only) == 0
				 : vs_vm_state(d->vs->vms, name) != VS_VM_STOPPED)
			json_array_append_new(names, json_string(name));
	return names;
}

static int stop_usage(const json_t *params, struct err *err)
{
	bool all = json_is_true(json_object_get(params, "all"));

	if (all != (param(params, "name") != NULL))
		return 0;
	err_set(err, -EINVAL, "usage", "vm stop takes the name of a VM, or --all");
	err_why(err, all ? "both were given" : "neither was given");
	err_fix(err, "vswitchctl vm stop --help");
	return -EINVAL;
}

static int vm_stop(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		   struct err *err)
{
	struct vs_daemon *d = ctx;
	bool off = json_is_true(json_object_get(params, "off"));
	struct many *m;
	json_t *name;
	size_t i;
	int rc = stop_usage(params, err);

	if (rc == 0)
		rc = vm_check(d, param(params, "name"), err);
	if (rc == 0 && d->vs->vms == NULL)
		rc = no_vms(err);
	m = rc == 0 ? many_create(d, call, answer_stops, err) : NULL;
	if (m == NULL)
		return rc != 0 ? rc : -EBUSY;
	json_decref(m->names);
	m->names = names_to_stop(d, param(params, "name"));
	json_array_foreach(m->names, i, name) {
		m->n_open++;
		if (vs_vm_stop(d->vs->vms, json_string_value(name), off, timeout_of(params),
			       on_stopped, m, NULL) != 0)
			m->n_open--;
	}
	if (m->n_open > 1) {
		m->n_open--;
		return 0;
	}
	/* Nothing to wait for: an answer at once, and the other one is forgotten. */
	m->late = NULL;
	*ret = json_pack("{s[]}", "vms");
	json_array_foreach(m->names, i, name)
		json_array_append_new(json_object_get(*ret, "vms"),
				      vs_vm_row(d->vs->vms, json_string_value(name), false));
	json_decref(m->names);
	free(m);
	return 0;
}

/* ---- Looking ---- */

static void on_look(void *arg, const json_t *result, const struct err *err)
{
	struct one *o = arg;
	struct many *m = o->of;

	if (result != NULL)
		vs_vm_keep(m->d->vs->vms, o->name, o->method, result);
	free(o);
	many_done(m);
}

static void look_at(struct many *m, const char *name, const char *method)
{
	struct one *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return;
	*o = (struct one){.of = m, .method = method};
	snprintf(o->name, sizeof(o->name), "%s", name);
	m->n_open++;
	if (vs_vm_ask(m->d->vs->vms, name, method, NULL, LOOK_MS, on_look, o, NULL) == 0) {
		m->n_asked++;
		return;
	}
	m->n_open--;
	free(o);
}

static json_t *nics_of(const struct vs_daemon *d, const char *vm)
{
	const struct vs_model *m = d->vs->model;
	json_t *list = json_array();

	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i];
		const char *note;
		json_t *row;

		if (p->vm == NULL || strcmp(p->vm->name, vm) != 0)
			continue;
		row = vs_port_row(d, p);
		note = vs_vm_part_note(d->vs->vms, vm, "nic", p->nic);
		if (note[0] != '\0')
			json_object_set_new(row, "note", json_string(note));
		json_array_append_new(list, row);
	}
	return list;
}

static json_t *show_row(const struct vs_daemon *d, const char *name)
{
	json_t *row = vs_vm_row(d->vs->vms, name, true);
	const json_t *body = d->conf != NULL ? conf_object(d->conf, "vm", name) : NULL;

	if (row == NULL)
		return NULL;
	dp_count_refresh(d->vs->dp);
	json_object_set_new(row, "nic_list", nics_of(d, name));
	json_object_set_new(row, "disk_list", vs_disks_json(d, name));
	json_object_set_new(row, "configured", body != NULL ? json_deep_copy(body) : json_object());
	return row;
}

/* Sums over a VM's disks, which an older process does not count. */
static int64_t disk_sum(const json_t *stats, const char *key)
{
	json_t *disks = json_object_get(json_object_get(stats, "disks"), "disks"), *disk;
	int64_t sum = 0;
	size_t i;

	json_array_foreach(disks, i, disk)
		sum += json_integer_value(json_object_get(disk, key));
	return sum;
}

static void add_nics(const struct vs_daemon *d, const char *vm, json_t *row)
{
	const struct vs_model *m = d->vs->model;
	struct dp_count sum = {0};

	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i];
		uint16_t id = p->vm != NULL && strcmp(p->vm->name, vm) == 0
				      ? vs_port_id(d->vs, p->name)
				      : DP_NO_PORT;
		const struct dp_count *c = id != DP_NO_PORT ? dp_port_count(d->vs->dp, id) : NULL;

		if (c == NULL)
			continue;
		sum.rx_packets += c->rx_packets;
		sum.rx_bytes += c->rx_bytes;
		sum.tx_packets += c->tx_packets;
		sum.tx_bytes += c->tx_bytes;
	}
	json_object_set_new(row, "rx_packets", json_integer((json_int_t)sum.rx_packets));
	json_object_set_new(row, "rx_bytes", json_integer((json_int_t)sum.rx_bytes));
	json_object_set_new(row, "tx_packets", json_integer((json_int_t)sum.tx_packets));
	json_object_set_new(row, "tx_bytes", json_integer((json_int_t)sum.tx_bytes));
}

static json_t *stats_row(const struct vs_daemon *d, const char *name)
{
	static const char *const disk_keys[] = {"reads", "writes", "flushes", "read_bytes",
						"write_bytes"};
	const json_t *s = vs_vm_kept(d->vs->vms, name, "stats");
	json_t *row = json_pack("{ss sI sI sI sI sI sI}", "name", name, "cpu_ms",
				(json_int_t)(vs_vm_number(s, "cpu_ns") / 1000000), "exits",
				(json_int_t)vs_vm_number(s, "exits.all"), "messages",
				(json_int_t)(vs_vm_number(s, "bus.messages_in") +
					     vs_vm_number(s, "bus.messages_out")),
				"memory_resident", (json_int_t)vs_vm_number(s, "memory.resident"),
				"memory_own", (json_int_t)vs_vm_number(s, "memory.own"),
				"disk_errors", (json_int_t)disk_sum(s, "errors"));

	for (size_t i = 0; i < sizeof(disk_keys) / sizeof(disk_keys[0]); i++)
		json_object_set_new(row, disk_keys[i], json_integer(disk_sum(s, disk_keys[i])));
	add_nics(d, name, row);
	return row;
}

static void add_exits(json_t *list, const struct vs_daemon *d, const char *name)
{
	json_t *exits = json_object_get(vs_vm_kept(d->vs->vms, name, "stats"), "exits"), *count;
	const char *reason;

	json_object_foreach(exits, reason, count) {
		if (strcmp(reason, "all") != 0)
			json_array_append_new(list, json_pack("{ss ss sI}", "name", name, "reason",
							      reason, "count",
							      json_integer_value(count)));
	}
}

static json_t *stats_answer(const struct many *m)
{
	json_t *rows = json_array(), *exits = json_array(), *name, *answer;
	size_t i;

	dp_count_refresh(m->d->vs->dp);
	json_array_foreach(m->names, i, name) {
		const char *vm = json_string_value(name);

		if (vs_vm_kept(m->d->vs->vms, vm, "stats") == NULL)
			continue;
		json_array_append_new(rows, stats_row(m->d, vm));
		add_exits(exits, m->d, vm);
	}
	answer = json_pack("{so so}", "vms", rows, "exit_list", exits);
	if (m->only[0] != '\0')
		json_object_set_new(answer, "worker",
				    json_deep_copy(vs_vm_kept(m->d->vs->vms, m->only, "stats")));
	return answer;
}

static json_t *list_answer(const struct many *m)
{
	json_t *rows = json_array(), *name;
	size_t i;

	json_array_foreach(m->names, i, name) {
		json_t *row = vs_vm_row(m->d->vs->vms, json_string_value(name), false);

		if (row != NULL)
			json_array_append_new(rows, row);
	}
	return json_pack("{so}", "vms", rows);
}

static json_t *look_answer(const struct many *m)
{
	if (m->stats)
		return stats_answer(m);
	return m->whole ? show_row(m->d, m->only) : list_answer(m);
}

static void answer_look(struct many *m)
{
	json_t *answer = look_answer(m);
	struct err err;

	if (answer == NULL) {
		(void)vm_check(m->d, m->only, &err);
		err_set(&err, -ENOENT, "not-found", "VM %s is gone", m->only);
		ctl_late_fail(m->late, &err);
	} else {
		ctl_late_answer(m->late, answer);
	}
}

/* Asks the processes of all VMs, or of the one that is named, then answers. */
static int look(void *ctx, struct ctl_call *call, const char *only, bool whole, bool stats,
		json_t **ret, struct err *err)
{
	struct vs_daemon *d = ctx;
	struct many *m;
	const char *name;
	int rc = d->vs->vms != NULL ? vm_check(d, only, err) : no_vms(err);

	m = rc == 0 ? many_create(d, call, answer_look, err) : NULL;
	if (m == NULL)
		return rc != 0 ? rc : -EBUSY;
	m->whole = whole;
	m->stats = stats;
	snprintf(m->only, sizeof(m->only), "%s", only != NULL ? only : "");
	for (unsigned i = 0; (name = vs_vms_nth(d->vs->vms, i)) != NULL; i++) {
		if (only != NULL && strcmp(name, only) != 0)
			continue;
		json_array_append_new(m->names, json_string(name));
		if (!stats)
			look_at(m, name, "info");
		if (stats || whole)
			look_at(m, name, "stats");
	}
	if (m->n_open > 1) {
		m->n_open--;
		return 0;
	}
	m->late = NULL;
	*ret = look_answer(m);
	json_decref(m->names);
	free(m);
	return *ret != NULL ? 0 : err_set(err, -ENOENT, "not-found", "VM is gone");
}

static int vm_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		   struct err *err)
{
	return look(ctx, call, NULL, false, false, ret, err);
}

static int vm_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		   struct err *err)
{
	return look(ctx, call, param(params, "name"), true, false, ret, err);
}

static int vm_stats(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	return look(ctx, call, param(params, "name"), false, true, ret, err);
}

static int vm_console(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	const struct vs_daemon *d = ctx;
	const char *name = param(params, "name");
	char path[300];
	int rc = vm_check(d, name, err);
	enum vs_vm_state state;

	if (rc != 0)
		return rc;
	state = vs_vm_state(d->vs->vms, name);
	if (state == VS_VM_STOPPED || state == VS_VM_WAITING) {
		err_set(err, -EAGAIN, "vm-stopped", "VM %s is %s", name, vs_vm_state_name(state));
		err_why(err, "only a VM that runs has a serial port");
		err_fix(err, "vswitchctl vm start %s", name);
		return -EAGAIN;
	}
	vs_vm_path(d->vs->vms, name, "console.sock", path, sizeof(path));
	*ret = json_pack("{ss ss}", "socket", path, "state", vs_vm_state_name(state));
	return 0;
}

static int vm_connect(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	const struct vs_daemon *d = ctx;
	const char *name = param(params, "name");
	int rc = vm_check(d, name, err);
	enum vs_vm_state state;
	json_t *row, *path;

	if (rc != 0)
		return rc;
	state = vs_vm_state(d->vs->vms, name);
	if (state == VS_VM_STOPPED || state == VS_VM_WAITING) {
		err_set(err, -EAGAIN, "vm-stopped", "VM %s is %s", name, vs_vm_state_name(state));
		err_why(err, "only a VM that runs can be connected to");
		err_fix(err, "vswitchctl vm start %s", name);
		return -EAGAIN;
	}
	row = vs_vm_row(d->vs->vms, name, true);
	path = json_incref(json_object_get(row, "vsock"));
	json_decref(row);
	if (!json_is_string(path)) {
		json_decref(path);
		err_set(err, -EOPNOTSUPP, "no-vsock", "VM %s has no vsock", name);
		err_why(err, "it was started without");
		err_fix(err, "vswitchctl vm set %s --vsock, then stop and start it", name);
		return -EOPNOTSUPP;
	}
	*ret = json_pack("{so ss}", "socket", path, "state", vs_vm_state_name(state));
	return 0;
}

const struct ctl_binding vs_cmd_vms[] = {
	{"vm", "start", vm_start},     {"vm", "stop", vm_stop},	    {"vm", "reset", vm_reset},
	{"vm", "pause", vm_pause},     {"vm", "resume", vm_resume}, {"vm", "list", vm_list},
	{"vm", "show", vm_show},       {"vm", "stats", vm_stats},   {"vm", "console", vm_console},
	{"vm", "connect", vm_connect}, {NULL, NULL, NULL},
};
