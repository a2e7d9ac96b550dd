/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'capture start | stop | list': names of ports, switches and tenants become the ports that a
 * capture watches (filters/capture.h does the rest), and stay so while ports come and go.
 */
#include "vswitch/captures.h"

#include "ctl/base/clock.h"
#include "ctl/conf.h"
#include "filters/capture.h"
#include "vswitch/cmd.h"
#include "vswitch/events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/event.h>

/* What was asked; the capture itself is found by its name, the number. */
struct watch {
	LIST_ENTRY(watch) link;
	struct vs_captures *owner;
	unsigned id;
	json_t *params;
	struct ctl_stream *stream; /* --attach: ends with the connection */
	uint64_t started_ns;
	bool watched[DP_MAX_PORTS];
};

struct vs_captures {
	struct vs_daemon *d;
	struct filter_captures *set;
	struct event *ended;
	unsigned next_id;
	LIST_HEAD(, watch) watches;
};

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static struct filter_capture *capture_of(const struct watch *w)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", w->id);
	return filter_capture_find(w->owner->set, name);
}

static bool listed(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(json_string_value(json_array_get(list, i)), name) == 0)
			return true;
	return false;
}

/* Without ports, switch or tenant, every port is meant. */
static bool meant(const struct watch *w, const struct vs_port *p)
{
	const json_t *ports = json_object_get(w->params, "port");
	const char *sw = param(w->params, "switch"), *tenant = param(w->params, "tenant");

	if (json_array_size(ports) != 0 && listed(ports, p->name))
		return true;
	if (sw == NULL && tenant == NULL)
		return json_array_size(ports) == 0;
	return (sw == NULL || strcmp(sw, p->sw->name) == 0) &&
	       (tenant == NULL || (p->tenant != NULL && strcmp(tenant, p->tenant->name) == 0));
}

static int watch_sync(struct watch *w, struct err *err)
{
	const struct vs *vs = w->owner->d->vs;
	struct filter_capture *capture = capture_of(w);
	bool want[DP_MAX_PORTS] = {false};
	int rc = 0;

	for (unsigned i = 0; capture != NULL && i < vs->model->n_ports; i++) {
		const struct vs_port *p = &vs->model->ports[i];
		uint16_t id = vs_port_id(vs, p->name);
		char text[200];

		if (id == DP_NO_PORT || vs->live[id].port == NULL || !meant(w, p))
			continue;
		want[id] = true;
		snprintf(text, sizeof(text), "%s%s%s, %s", p->sw->name,
			 p->tenant != NULL ? ", tenant " : "",
			 p->tenant != NULL ? p->tenant->name : "", vs_port_kind_name(p->kind));
		rc = filter_capture_port_add(capture, id, p->name, text, err);
		if (rc != 0)
			break;
	}
	for (uint16_t id = 0; capture != NULL && id < DP_MAX_PORTS; id++) {
		if (w->watched[id] && !want[id])
			filter_capture_port_remove(capture, id);
		w->watched[id] = want[id];
	}
	return rc;
}

void vs_captures_renew(struct vs_captures *captures, const char *port)
{
	uint16_t id = vs_port_id(captures->d->vs, port);

	if (id != DP_NO_PORT)
		filter_captures_port_renew(captures->set, id);
	vs_captures_sync(captures);
}

void vs_captures_sync(struct vs_captures *captures)
{
	struct watch *w;

	LIST_FOREACH(w, &captures->watches, link)
		(void)watch_sync(w, NULL);
}

static void watch_free(struct watch *w)
{
	LIST_REMOVE(w, link);
	json_decref(w->params);
	free(w);
}

static void stream_closed(void *arg)
{
	struct watch *w = arg;
	struct filter_capture *capture = capture_of(w);

	w->stream = NULL;
	if (capture != NULL)
		filter_capture_stop(capture, "the client went away");
}

static void ended(void *ctx, const struct filter_capture_info *info)
{
	struct watch *w = ctx;
	struct ctl_stream *stream = w->stream;
	char text[300];
	uint64_t lost = info->stats.lost_ring + info->stats.lost_budget + info->stats.lost_output;

	snprintf(text, sizeof(text), "capture %u ended: %s", w->id, info->reason);
	vs_events_add(w->owner->d->events, "capture", NULL, text);
	if (stream != NULL) {
		json_t *last = json_pack("{si sI sI ss}", "id", (int)w->id, "packets",
					 (json_int_t)info->stats.captured, "lost", (json_int_t)lost,
					 "reason", info->reason);

		ctl_stream_send(stream, last);
		json_decref(last);
		w->stream = NULL;
		ctl_stream_close(stream);
	}
	watch_free(w);
}

static unsigned stages_of(const json_t *list)
{
	unsigned stages = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *stage = json_string_value(json_array_get(list, i));

		stages |= strcmp(stage, "ingress") == 0	 ? FILTER_CAPTURE_INGRESS
			  : strcmp(stage, "egress") == 0 ? FILTER_CAPTURE_EGRESS
							 : FILTER_CAPTURE_DROP;
	}
	return stages;
}

/* Are all the names known? */
static int names_check(const struct vs_daemon *d, const json_t *params, struct err *err)
{
	const json_t *ports = json_object_get(params, "port");
	const char *sw = param(params, "switch"), *tenant = param(params, "tenant");

	for (size_t i = 0; i < json_array_size(ports); i++) {
		json_t *one = json_pack("{sO}", "port", json_array_get(ports, i));
		int id = vs_cmd_port(d, one, "port", err);

		json_decref(one);
		if (id < 0)
			return id;
	}
	if (sw != NULL && vs_model_switch(d->vs->model, sw) == NULL)
		return conf_refuse_missing(conf_state(d->conf), "switch", sw, "", err);
	if (tenant != NULL && vs_model_tenant(d->vs->model, tenant) == NULL)
		return conf_refuse_missing(conf_state(d->conf), "tenant", tenant, "", err);
	return 0;
}

/* "10x100M" with the folder's descriptor, or one file's. */
static int output_opts(struct ctl_call *call, const json_t *params, struct filter_capture_opts *o,
		       struct err *err)
{
	const char *ring = param(params, "ring"), *file = param(params, "write");
	int rc;

	o->fd = o->dir_fd = -1;
	if (ring == NULL) {
		o->fd = ctl_call_take_fd(call);
	} else {
		rc = ctl_ring_parse(ring, &o->n_files, &o->file_size, err);
		if (rc != 0)
			return rc;
		o->dir_fd = ctl_call_take_fd(call);
		o->base = file != NULL ? file : "capture";
	}
	if (o->fd >= 0 || o->dir_fd >= 0)
		return 0;
	err_set(err, -EINVAL, "no-output", "the message has no descriptor to write to");
	err_why(err, "the switch opens no files for its clients; they open and pass them");
	err_fix(err, "vswitchctl capture start -w FILE, or see docs/control.md");
	return -EINVAL;
}

static int start(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		 struct err *err)
{
	struct vs_daemon *d = ctx;
	struct vs_captures *captures = d->captures;
	struct filter_capture_opts o = {
		.stages = stages_of(json_object_get(params, "stage")),
		.expr = param(params, "filter"),
		.snaplen = (uint32_t)json_integer_value(json_object_get(params, "snaplen")),
		.max_packets = (uint64_t)json_integer_value(json_object_get(params, "count")),
		.share = (unsigned)json_integer_value(json_object_get(params, "share")),
		.uid = ctl_call_uid(call),
		.gid = ctl_call_gid(call),
		.n_workers = dp_n_workers(d->vs->dp),
		.on_end = ended,
	};
	struct filter_capture *capture;
	struct watch *w;
	char name[16];
	int rc = names_check(d, params, err);

	if (rc == 0)
		rc = output_opts(call, params, &o, err);
	if (rc != 0)
		return rc;
	w = calloc(1, sizeof(*w));
	if (w == NULL) {
		close(o.fd >= 0 ? o.fd : o.dir_fd);
		return err_set(err, -ENOMEM, "no-memory", "no memory for a capture");
	}
	w->owner = captures;
	w->id = captures->next_id;
	w->params = json_incref((json_t *)(uintptr_t)params);
	w->started_ns = clock_mono_ns();
	o.ctx = w;
	snprintf(name, sizeof(name), "%u", w->id);
	o.name = name;
	LIST_INSERT_HEAD(&captures->watches, w, link);
	rc = filter_capture_create(captures->set, &o, &capture, err);
	if (rc != 0) {
		watch_free(w);
		return rc;
	}
	captures->next_id++;
	rc = watch_sync(w, err);
	if (rc == 0 && json_is_true(json_object_get(params, "attach"))) {
		w->stream = ctl_stream_open(call, stream_closed, w);
		rc = w->stream != NULL
			     ? 0
			     : err_set(err, -ENOMEM, "no-memory", "no memory for a capture");
	}
	if (rc != 0) {
		filter_capture_stop(capture, "it could not start");
		return rc;
	}
	*ret = json_pack("{si}", "id", (int)w->id);
	return 0;
}

static json_t *where_text(const struct watch *w)
{
	const json_t *ports = json_object_get(w->params, "port");
	const char *sw = param(w->params, "switch"), *tenant = param(w->params, "tenant");
	char text[300];
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < json_array_size(ports) && used < sizeof(text) - 70; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
					 i != 0 ? " " : "",
					 json_string_value(json_array_get(ports, i)));
	if (sw != NULL)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%sswitch %s",
					 used != 0 ? ", " : "", sw);
	if (tenant != NULL)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%stenant %s",
					 used != 0 ? ", " : "", tenant);
	return json_string(used != 0 ? text : "all ports");
}

static json_t *watch_row(const struct watch *w)
{
	static const char *const states[] = {"running", "stopping", "ended"};
	struct filter_capture *capture = capture_of(w);
	const json_t *stage = json_object_get(w->params, "stage");
	struct filter_capture_info info = {.state = FILTER_CAPTURE_ENDED};
	const char *filter = param(w->params, "filter"), *file = param(w->params, "write");
	const struct filter_capture_stats *s = &info.stats;
	json_t *stages =
		stage != NULL ? json_deep_copy(stage) : json_pack("[ss]", "ingress", "egress");

	if (capture != NULL)
		filter_capture_info(capture, &info);
	return json_pack("{si ss so so ss ss sI sI sI sI sI sf}", "id", (int)w->id, "state",
			 states[info.state], "where", where_text(w), "stage", stages, "filter",
			 filter != NULL ? filter : "", "file", file != NULL ? file : "", "packets",
			 (json_int_t)s->captured, "bytes", (json_int_t)s->bytes, "lost",
			 (json_int_t)(s->lost_ring + s->lost_budget + s->lost_output), "seen",
			 (json_int_t)s->seen, "filtered", (json_int_t)s->filtered, "age",
			 (double)(clock_mono_ns() - w->started_ns) / 1e9);
}

static int list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		struct err *err)
{
	struct vs_daemon *d = ctx;
	json_t *rows = json_array();
	struct watch *w;

	LIST_FOREACH(w, &d->captures->watches, link)
		json_array_insert_new(rows, 0, watch_row(w));
	*ret = json_pack("{so}", "captures", rows);
	return 0;
}

static int stop(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		struct err *err)
{
	struct vs_daemon *d = ctx;
	const char *id = param(params, "id");
	struct watch *w = LIST_FIRST(&d->captures->watches);
	json_t *rows;
	bool all = id != NULL && strcmp(id, "all") == 0;

	if (id == NULL && w != NULL && LIST_NEXT(w, link) != NULL) {
		err_set(err, -EINVAL, "which-capture", "several captures run: which one?");
		err_fix(err, "vswitchctl capture stop ID, or all; vswitchctl capture list");
		return -EINVAL;
	}
	rows = json_array();
	LIST_FOREACH(w, &d->captures->watches, link) {
		struct filter_capture *capture = capture_of(w);
		char name[16];

		snprintf(name, sizeof(name), "%u", w->id);
		if (!all && id != NULL && strcmp(id, name) != 0)
			continue;
		if (capture != NULL)
			filter_capture_stop(capture, "stopped");
		json_array_append_new(rows, watch_row(w));
	}
	if (json_array_size(rows) == 0 && !all) {
		json_decref(rows);
		err_set(err, -ENOENT, "not-found",
			id != NULL ? "there is no capture %s" : "no capture runs", id);
		err_why(err, "it was stopped, had its --count of frames, or never ran");
		err_fix(err, "vswitchctl capture list");
		return -ENOENT;
	}
	*ret = json_pack("{so}", "captures", rows);
	return 0;
}

static void set_point(void *ctx, uint16_t port_id, struct dp_capture_point *point)
{
	struct vs_captures *captures = ctx;

	dp_port_set_capture(captures->d->vs->dp, port_id, point);
}

static void some_ended(evutil_socket_t fd, short what, void *arg)
{
	struct vs_captures *captures = arg;

	filter_captures_poll(captures->set);
}

int vs_captures_create(struct vs_daemon *d, struct vs_captures **ret_captures, struct err *err)
{
	struct vs_captures *captures = calloc(1, sizeof(*captures));
	int rc;

	if (captures == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for captures");
	captures->d = d;
	captures->next_id = 1;
	LIST_INIT(&captures->watches);
	rc = filter_captures_create("vswitch " VSWITCH_VERSION, set_point, captures, &captures->set,
				    err);
	if (rc != 0) {
		free(captures);
		return rc;
	}
	captures->ended = event_new(d->base, filter_captures_fd(captures->set),
				    EV_READ | EV_PERSIST, some_ended, captures);
	if (captures->ended == NULL) {
		filter_captures_destroy(captures->set);
		free(captures);
		return err_set(err, -ENOMEM, "no-memory", "no memory for captures");
	}
	event_add(captures->ended, NULL);
	*ret_captures = captures;
	return 0;
}

void vs_captures_destroy(struct vs_captures *captures)
{
	struct watch *w;

	if (captures == NULL)
		return;
	event_free(captures->ended);
	filter_captures_destroy(captures->set);
	while ((w = LIST_FIRST(&captures->watches)) != NULL)
		watch_free(w);
	free(captures);
}

const struct ctl_binding vs_cmd_capture[] = {
	{"capture", "start", start},
	{"capture", "stop", stop},
	{"capture", "list", list},
	{NULL, NULL, NULL},
};
