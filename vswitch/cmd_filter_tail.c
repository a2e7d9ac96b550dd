/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'filter tail': records of a ring or perf buffer, as they come.  See cmd_filter.h.
 *
 * A timer takes what is there, a bounded number at a time.  The map is looked up by its name each
 * time: a swap may have brought another, an unload ends the stream.
 */
#include "vswitch/cmd_filter.h"

#include "ctl/base/clock.h"
#include "filters/ebpf/object.h"
#include "filters/module.h"
#include "vswitch/btf_value.h"
#include "vswitch/filters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/btf.h>
#include <event2/event.h>

#define EVERY_MS    50
#define MAX_AT_ONCE 500u
#define MAX_BYTES   2048u /* of a record, in hex */

struct tail {
	struct vs_daemon *d;
	struct ctl_stream *stream;
	struct event *timer;
	json_t *params;
	uint64_t left; /* records still to show */
	/* During a drain. */
	const struct btf *btf;
	uint32_t type;
	uint64_t lost;
};

static void closed(void *arg)
{
	struct tail *t = arg;

	if (t->timer != NULL)
		event_free(t->timer);
	json_decref(t->params);
	free(t);
}

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static json_int_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (json_int_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Fields as far as the type goes; what stands behind them (a packet's bytes), and all of it without
 * a type, in hex. */
static void record(void *arg, uint32_t cpu, const void *data, uint32_t size)
{
	struct tail *t = arg;
	int64_t known = t->btf != NULL && t->type != 0 ? btf__resolve_size(t->btf, t->type) : 0;
	uint32_t n = known > 0 && (uint64_t)known <= size ? (uint32_t)known : 0, rest = size - n;
	json_t *row =
		json_pack("{sI si si}", "time", wall_ns(), "cpu", (int)cpu, "size", (int)size);

	if (t->left == 0) {
		json_decref(row);
		return;
	}
	t->left--;
	if (n != 0)
		json_object_set_new(row, "record", vs_btf_show(t->btf, t->type, data, n));
	if (rest != 0)
		json_object_set_new(row, n != 0 ? "rest" : "hex",
				    vs_hex_show((const uint8_t *)data + n,
						rest < MAX_BYTES ? rest : MAX_BYTES));
	if (t->lost != 0)
		json_object_set_new(row, "lost", json_integer((json_int_t)t->lost));
	ctl_stream_send(t->stream, row);
	json_decref(row);
}

/* --type, or what the map itself says; 0: none. */
static uint32_t type_of(const struct vs_filter_map *m, const char *name)
{
	int32_t id = -1;

	if (name == NULL)
		return m->map->type == BPF_MAP_TYPE_RINGBUF ? m->value_type : 0;
	if (m->btf == NULL)
		return 0;
	if (strncmp(name, "struct ", 7) == 0)
		name += 7;
	id = btf__find_by_name_kind(m->btf, name, BTF_KIND_STRUCT);
	if (id < 0)
		id = btf__find_by_name(m->btf, name);
	return id > 0 ? (uint32_t)id : 0;
}

static void drain(evutil_socket_t fd, short what, void *arg)
{
	struct tail *t = arg;
	struct vs_filter_map m;
	uint32_t most = t->left < MAX_AT_ONCE ? (uint32_t)t->left : MAX_AT_ONCE;

	if (vs_filter_map_find(t->d, t->params, &m, NULL) != 0 || t->left == 0) {
		ctl_stream_close(t->stream);
		return;
	}
	t->btf = m.btf;
	t->type = type_of(&m, param(t->params, "type"));
	t->lost = ebpf_map_lost(m.map);
	(void)ebpf_map_drain(m.map, most, record, t);
}

static int check(const struct vs_filter_map *m, const json_t *params, struct err *err)
{
	const char *type = param(params, "type");

	if (m->map->type != BPF_MAP_TYPE_RINGBUF && m->map->type != BPF_MAP_TYPE_PERF_EVENT_ARRAY) {
		err_set(err, -ENOTSUP, "map-type", "map %s is a %s: it has no records",
			m->map->def.name, ebpf_map_type_name(m->map->type));
		err_fix(err, "vswitchctl filter map dump %s %s", filter_module_name(m->module),
			m->map->def.name);
		return -ENOTSUP;
	}
	if (type == NULL || type_of(m, type) != 0)
		return 0;
	err_set(err, -ENOENT, "not-found", "filter %s knows no type '%.60s'",
		filter_module_name(m->module), type);
	err_why(err, m->btf == NULL ? "its object has no types: it was built without -g"
				    : "no type of its object is called so");
	err_fix(err, "clang keeps types of variables: put 'struct %.40s *keep;' into the source",
		type);
	return -ENOENT;
}

int vs_filter_tail(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		   struct err *err)
{
	const struct timeval every = {0, EVERY_MS * 1000};
	const json_t *count = json_object_get(params, "count");
	struct vs_daemon *d = ctx;
	struct vs_filter_map m;
	struct tail *t;
	int rc = vs_filter_map_find(d, params, &m, err);

	if (rc == 0)
		rc = check(&m, params, err);
	if (rc != 0)
		return rc;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	t->d = d;
	t->left = count != NULL ? (uint64_t)json_integer_value(count) : UINT64_MAX;
	t->params = json_deep_copy(params);
	t->timer = event_new(d->base, -1, EV_PERSIST, drain, t);
	t->stream = t->timer != NULL ? ctl_stream_open(call, closed, t) : NULL;
	if (t->stream == NULL) {
		closed(t);
		return err_set(err, -ENOMEM, "no-memory", "no memory for another stream");
	}
	event_add(t->timer, &every);
	*ret = json_object();
	return 0;
}
