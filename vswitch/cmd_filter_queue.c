/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'filter map push | peek | pop', and 'map dump' of a queue or a stack: maps whose values have no
 * keys.  A dump shows them in the order in which pop would give them, by their place in it, and
 * takes nothing out; programs that push and pop meanwhile move the places.
 *
 * A Bloom filter does not keep what was put in: it can be asked for one value (peek), not dumped.
 */
#include "vswitch/cmd_filter.h"

#include "filters/ebpf/object.h"
#include "filters/module.h"
#include "vswitch/btf_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_bloom(const struct ebpf_map *map)
{
	return map->type == BPF_MAP_TYPE_BLOOM_FILTER;
}

bool vs_filter_map_is_queue(const struct ebpf_map *map)
{
	return map->type == BPF_MAP_TYPE_QUEUE || map->type == BPF_MAP_TYPE_STACK;
}

static json_t *elements(json_t *row)
{
	return json_pack("{s[o]}", "elements", row);
}

static json_t *row_of(const struct vs_filter_map *m, uint32_t place, const void *value, bool hex)
{
	return json_pack("{sI so}", "key", (json_int_t)place, "value",
			 vs_filter_map_show(m, m->value_type, value, m->map->value_size, hex));
}

json_t *vs_filter_map_queue_dump(const struct vs_filter_map *m, const uint8_t *after,
				 uint32_t limit, bool hex, uint8_t *value)
{
	json_t *rows = json_array(), *answer;
	uint32_t first = 0, i;
	int rc = 0;

	if (after != NULL) {
		memcpy(&first, after, sizeof(first));
		first++;
	}
	for (i = first; i - first < limit; i++) {
		rc = ebpf_map_read(m->map, &i, value);
		if (rc != 0)
			break;
		json_array_append_new(rows, row_of(m, i, value, hex));
	}
	answer = json_pack("{so sI}", "elements", rows, "max_entries",
			   (json_int_t)m->map->max_entries);
	/* There may be more. */
	if (rc == 0 && i != first) {
		i--;
		json_object_set_new(answer, "next", vs_hex_show(&i, sizeof(i)));
	}
	return answer;
}

/* ---- push, peek, pop ---- */

static int wrong_type(const struct vs_filter_map *m, const char *verb, struct err *err)
{
	const char *module = filter_module_name(m->module), *name = m->map->def.name;

	err_set(err, -ENOTSUP, "map-type", "map %s of filter %s is a %s: it has no '%s'", name,
		module, ebpf_map_type_name(m->map->type), verb);
	if (is_bloom(m->map))
		err_why(err, "a Bloom filter can be asked for a value, but does not give one back");
	else if (vs_filter_map_is_records(m->map))
		err_fix(err, "vswitchctl filter tail %s %s", module, name);
	else
		err_fix(err, "vswitchctl filter map dump %s %s", module, name);
	return -ENOTSUP;
}

/* The map, and room for one value of it, zeroed; free() it. */
static int begin(void *ctx, const json_t *params, const char *verb, bool may_bloom,
		 struct vs_filter_map *m, uint8_t **ret_value, struct err *err)
{
	int rc = vs_filter_map_find(ctx, params, m, err);

	if (rc != 0)
		return rc;
	if (!vs_filter_map_is_queue(m->map) && !(may_bloom && is_bloom(m->map)))
		return wrong_type(m, verb, err);
	*ret_value = calloc(1, m->map->value_size + 8);
	return *ret_value != NULL ? 0 : err_set(err, -ENOMEM, "no-memory", "no memory");
}

static const char *value_of(const json_t *params)
{
	return json_string_value(json_object_get(params, "value"));
}

static int is_empty(const struct vs_filter_map *m, struct err *err)
{
	err_set(err, -ENOENT, "map", "map %s of filter %s is empty", m->map->def.name,
		filter_module_name(m->module));
	err_fix(err, "vswitchctl filter map push %s %s VALUE", filter_module_name(m->module),
		m->map->def.name);
	return -ENOENT;
}

static int is_full(const struct vs_filter_map *m, struct err *err)
{
	err_set(err, -E2BIG, "map", "map %s of filter %s is full", m->map->def.name,
		filter_module_name(m->module));
	err_why(err, "it has room for %u", m->map->max_entries);
	err_fix(err, "--force, with which the oldest goes, or vswitchctl filter map pop %s %s",
		filter_module_name(m->module), m->map->def.name);
	return -E2BIG;
}

int vs_filter_map_push(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	bool force = json_is_true(json_object_get(params, "force"));
	struct vs_filter_map m;
	uint8_t *value = NULL;
	int rc = begin(ctx, params, "push", true, &m, &value, err);

	if (rc == 0 && force && is_bloom(m.map)) {
		err_set(err, -EINVAL, "usage", "map %s: a Bloom filter has no oldest that could go",
			m.map->def.name);
		err_fix(err, "leave out --force");
		rc = -EINVAL;
	}
	if (rc == 0)
		rc = vs_filter_map_read_value(&m, value_of(params), value, err);
	if (rc == 0 &&
	    m.map->ops->push(m.map, value, force ? (uint64_t)BPF_EXIST : (uint64_t)BPF_ANY) != 0)
		rc = is_full(&m, err);
	free(value);
	*ret = rc == 0 ? json_object() : NULL;
	return rc;
}

/* A queue's next, or whether a Bloom filter may have seen VALUE. */
int vs_filter_map_peek(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	bool hex = json_is_true(json_object_get(params, "hex"));
	struct vs_filter_map m;
	uint8_t *value = NULL;
	int rc = begin(ctx, params, "peek", true, &m, &value, err);

	if (rc == 0 && is_bloom(m.map) != (value_of(params) != NULL)) {
		err_set(err, -EINVAL, "usage", "map %s is a %s: peek takes %s VALUE",
			m.map->def.name, ebpf_map_type_name(m.map->type),
			is_bloom(m.map) ? "a" : "no");
		err_fix(err, "vswitchctl filter map peek %s %s%s", filter_module_name(m.module),
			m.map->def.name, is_bloom(m.map) ? " VALUE" : "");
		rc = -EINVAL;
	}
	if (rc == 0 && is_bloom(m.map)) {
		rc = vs_filter_map_read_value(&m, value_of(params), value, err);
		if (rc == 0)
			*ret = elements(json_pack("{so sb}", "key",
						  vs_filter_map_show(&m, m.value_type, value,
								     m.map->value_size, hex),
						  "value", m.map->ops->peek(m.map, value) == 0));
	} else if (rc == 0 && m.map->ops->peek(m.map, value) != 0) {
		rc = is_empty(&m, err);
	} else if (rc == 0) {
		*ret = elements(row_of(&m, 0, value, hex));
	}
	free(value);
	return rc;
}

int vs_filter_map_pop(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	struct vs_filter_map m;
	uint8_t *value = NULL;
	int rc = begin(ctx, params, "pop", false, &m, &value, err);

	if (rc == 0 && m.map->ops->pop(m.map, value) != 0)
		rc = is_empty(&m, err);
	if (rc == 0)
		*ret = elements(row_of(&m, 0, value, json_is_true(json_object_get(params, "hex"))));
	free(value);
	return rc;
}
