/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'filter map list | dump | get | set | delete': maps by names, keys and values as JSON.  See
 * cmd_filter.h.
 */
#include "vswitch/cmd_filter.h"

#include "filters/ebpf/object.h"
#include "filters/module.h"
#include "vswitch/btf_value.h"
#include "vswitch/filters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#define DUMP_LIMIT 1000
/* Bytes of values in an answer; more make it shorter than its limit. */
#define DUMP_SIZE (4u << 20)

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static size_t padded(uint32_t size)
{
	return (size + 7u) & ~(size_t)7;
}

static bool is_per_cpu(const struct ebpf_map *map)
{
	return map->cpu_stride != 0 || map->type == BPF_MAP_TYPE_PERCPU_ARRAY ||
	       map->type == BPF_MAP_TYPE_PERCPU_HASH || map->type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

static bool is_devmap(const struct ebpf_map *map)
{
	return map->type == BPF_MAP_TYPE_DEVMAP || map->type == BPF_MAP_TYPE_DEVMAP_HASH;
}

static bool is_outer(const struct ebpf_map *map)
{
	return map->type == BPF_MAP_TYPE_ARRAY_OF_MAPS || map->type == BPF_MAP_TYPE_HASH_OF_MAPS;
}

/* ---- Finding ---- */

static int no_map(const struct ebpf_object *object, const json_t *params, struct err *err)
{
	const char *names[EBPF_MAX_OBJECT_MAPS + 1], *near;
	uint32_t n = ebpf_object_n_maps(object);

	for (uint32_t i = 0; i < n; i++)
		names[i] = ebpf_object_map(object, i)->def.name;
	names[n] = NULL;
	near = ctl_did_you_mean(param(params, "map"), names);
	err_set(err, -ENOENT, "not-found", "filter %s has no map '%.63s'", param(params, "name"),
		param(params, "map"));
	if (near != NULL)
		err_why(err, "did you mean '%s'?", near);
	else
		err_why(err, "it has %u others", n);
	err_fix(err, "vswitchctl filter map list %s", param(params, "name"));
	return -ENOENT;
}

int vs_filter_map_find(struct vs_daemon *d, const json_t *params, struct vs_filter_map *ret,
		       struct err *err)
{
	struct filter_module *module = vs_cmd_filter(d, params, err);
	const struct ebpf_object *object;

	if (module == NULL)
		return -ENOENT;
	object = filter_module_object(module);
	*ret = (struct vs_filter_map){.d = d, .module = module, .btf = ebpf_object_btf(object)};
	for (uint32_t i = 0; i < ebpf_object_n_maps(object); i++) {
		if (strcmp(ebpf_object_map(object, i)->def.name, param(params, "map")) != 0)
			continue;
		ret->map = ebpf_object_map(object, i);
		ebpf_object_map_types(object, i, &ret->key_type, &ret->value_type);
		return 0;
	}
	return no_map(object, params, err);
}

/* ---- Showing ---- */

/* What is a number in both is added; all else is as in the first. */
static json_t *sum_of(json_t *a, const json_t *b)
{
	json_t *value, *list;
	const char *key;
	size_t i;

	if (json_is_integer(a) && json_is_integer(b))
		return json_integer((json_int_t)((uint64_t)json_integer_value(a) +
						 (uint64_t)json_integer_value(b)));
	if (json_is_object(a) && json_is_object(b)) {
		list = json_object();
		json_object_foreach(a, key, value)
			json_object_set_new(list, key, sum_of(value, json_object_get(b, key)));
		return list;
	}
	if (json_is_array(a) && json_is_array(b)) {
		list = json_array();
		json_array_foreach(a, i, value)
			json_array_append_new(list, sum_of(value, json_array_get(b, i)));
		return list;
	}
	return json_incref(a);
}

/* Does the object say that it is a port's number (vswitch_filter.h)? */
static bool is_port(const struct vs_filter_map *m, uint32_t type, size_t size)
{
	char name[32];

	vs_btf_type_name(m->btf, type, name, sizeof(name));
	return size == sizeof(uint32_t) && strcmp(name, "vswitch_port") == 0;
}

/* NULL when no port has that number. */
static const char *port_name(const struct vs_filter_map *m, const void *bytes)
{
	uint32_t ifindex;

	memcpy(&ifindex, bytes, sizeof(ifindex));
	return ifindex != 0 && ifindex <= DP_MAX_PORTS
		       ? vs_port_name(m->d->vs, (uint16_t)(ifindex - 1))
		       : NULL;
}

/* True when the text names a port and ports are what is meant there. */
static bool read_port(const struct vs_filter_map *m, uint32_t type, const char *text, void *bytes,
		      size_t size)
{
	uint16_t id = is_port(m, type, size) ? vs_port_id(m->d->vs, text) : DP_NO_PORT;
	uint32_t ifindex = id + 1u;

	if (id == DP_NO_PORT)
		return false;
	memcpy(bytes, &ifindex, sizeof(ifindex));
	return true;
}

json_t *vs_filter_map_show(const struct vs_filter_map *m, uint32_t type, const void *bytes,
			   size_t size, bool hex)
{
	const char *name = !hex && is_port(m, type, size) ? port_name(m, bytes) : NULL;

	if (name != NULL)
		return json_string(name);
	return hex ? vs_hex_show(bytes, size) : vs_btf_show(m->btf, type, bytes, size);
}

/* Copies of workers that there are not, at the end, say nothing. */
static uint32_t n_shown(const struct vs_filter_map *m, const uint8_t *values)
{
	size_t stride = padded(m->map->value_size);
	uint32_t n = (uint32_t)(ebpf_map_io_size(m->map) / stride);

	while (n > 1 && n > dp_n_workers(m->d->vs->dp)) {
		const uint8_t *last = values + (n - 1) * stride;
		bool zero = true;

		for (uint32_t i = 0; zero && i < m->map->value_size; i++)
			zero = last[i] == 0;
		if (!zero)
			break;
		n--;
	}
	return n;
}

static void put_per_cpu(json_t *row, const struct vs_filter_map *m, const uint8_t *values, bool hex)
{
	size_t stride = padded(m->map->value_size);
	uint32_t n = n_shown(m, values);
	json_t *list = json_array(), *sum = NULL;

	for (uint32_t i = 0; i < n; i++) {
		json_t *one = vs_filter_map_show(m, m->value_type, values + i * stride,
						 m->map->value_size, hex);
		json_t *more = sum != NULL ? sum_of(sum, one) : json_incref(one);

		json_decref(sum);
		sum = more;
		json_array_append_new(list, one);
	}
	json_object_set_new(row, "value", sum != NULL ? sum : json_null());
	json_object_set_new(row, "values", list);
}

/* A devmap's value is a port, a program array's a program. */
static json_t *special(const struct vs_filter_map *m, const void *key)
{
	struct ebpf_prog *prog = NULL;
	uint32_t index = 0, ifindex;
	const char *name;

	memcpy(&index, key, m->map->key_size < 4 ? m->map->key_size : 4);
	if (m->map->type == BPF_MAP_TYPE_PROG_ARRAY) {
		prog = ebpf_map_prog(m->map, index);
		return prog != NULL ? json_string(prog->name) : NULL;
	}
	ifindex = ebpf_map_dev(m->map, index, &prog);
	name = ifindex != 0 ? vs_port_name(m->d->vs, (uint16_t)(ifindex - 1)) : NULL;
	if (ifindex == 0)
		return NULL;
	return name != NULL ? json_string(name) : json_integer(ifindex);
}

/* The name by which the module has it, as 'map set' takes it; else its own, and that it is an older
 * object's.  NULL: there is none. */
static json_t *inner_json(const struct vs_filter_map *m, const void *key)
{
	const struct ebpf_object *object = filter_module_object(m->module);
	struct ebpf_map *inner = ebpf_map_inner(m->map, key);

	if (inner == NULL)
		return NULL;
	for (uint32_t i = 0; i < ebpf_object_n_maps(object); i++)
		if (ebpf_object_map(object, i) == inner)
			return json_string(inner->def.name);
	return json_sprintf("(%s, of the program before)", inner->def.name);
}

static json_t *key_json(const struct vs_filter_map *m, const void *key, bool hex)
{
	uint32_t n = 0;

	/* An index, whether the object says so or not. */
	if (m->key_type == 0 && m->map->key_size == 4 && !hex &&
	    m->map->type != BPF_MAP_TYPE_HASH && m->map->type != BPF_MAP_TYPE_LRU_HASH &&
	    m->map->type != BPF_MAP_TYPE_PERCPU_HASH &&
	    m->map->type != BPF_MAP_TYPE_LRU_PERCPU_HASH) {
		memcpy(&n, key, 4);
		return json_integer(n);
	}
	return vs_filter_map_show(m, m->key_type, key, m->map->key_size, hex);
}

/* NULL: there is no such element any more. */
static json_t *element_json(const struct vs_filter_map *m, const void *key, uint8_t *values,
			    bool hex)
{
	json_t *row, *value;

	if (is_devmap(m->map) || m->map->type == BPF_MAP_TYPE_PROG_ARRAY) {
		value = special(m, key);
		return value != NULL
			       ? json_pack("{so so}", "key", key_json(m, key, hex), "value", value)
			       : NULL;
	}
	if (is_outer(m->map)) {
		value = inner_json(m, key);
		return value != NULL
			       ? json_pack("{so so}", "key", key_json(m, key, hex), "value", value)
			       : NULL;
	}
	if (ebpf_map_read(m->map, key, values) != 0)
		return NULL;
	row = json_pack("{so}", "key", key_json(m, key, hex));
	if (is_per_cpu(m->map))
		put_per_cpu(row, m, values, hex);
	else
		json_object_set_new(row, "value",
				    vs_filter_map_show(m, m->value_type, values, m->map->value_size,
						       hex));
	return row;
}

int vs_filter_map_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	struct filter_module *module = vs_cmd_filter(ctx, params, err);

	if (module == NULL)
		return -ENOENT;
	*ret = json_pack("{so}", "maps", vs_filter_maps_json(filter_module_object(module)));
	return 0;
}

static int no_elements(const struct vs_filter_map *m, struct err *err)
{
	const char *module = filter_module_name(m->module), *name = m->map->def.name;

	err_set(err, -ENOTSUP, "map-type", "map %s of filter %s is a %s: it has no elements by key",
		name, module, ebpf_map_type_name(m->map->type));
	if (m->map->type == BPF_MAP_TYPE_BLOOM_FILTER)
		err_why(err, "it does not keep what was put in, only whether it may have been");
	if (vs_filter_map_is_records(m->map))
		err_fix(err, "vswitchctl filter tail %s %s", module, name);
	else if (vs_filter_map_is_queue(m->map))
		err_fix(err, "vswitchctl filter map dump | push | peek | pop %s %s", module, name);
	else if (m->map->type == BPF_MAP_TYPE_BLOOM_FILTER)
		err_fix(err, "vswitchctl filter map push | peek %s %s VALUE", module, name);
	return -ENOTSUP;
}

bool vs_filter_map_is_records(const struct ebpf_map *map)
{
	return map->type == BPF_MAP_TYPE_RINGBUF || map->type == BPF_MAP_TYPE_PERF_EVENT_ARRAY;
}

static bool has_keys(const struct ebpf_map *map)
{
	return map->ops->next != NULL && map->key_size != 0 &&
	       map->type != BPF_MAP_TYPE_PERF_EVENT_ARRAY;
}

/* From 'after' (NULL: the first) on.  Leaves the last key in 'key'. */
static bool dump_page(const struct vs_filter_map *m, const void *after, uint32_t limit, bool hex,
		      uint8_t *key, uint8_t *values, json_t *rows)
{
	size_t size = ebpf_map_io_size(m->map) + m->map->key_size;
	uint32_t most = (uint32_t)(DUMP_SIZE / size) + 1;
	uint8_t next[EBPF_MAX_KEY];

	limit = limit < most ? limit : most;
	for (uint32_t seen = 0; m->map->ops->next(m->map, after, next) == 0; seen++) {
		json_t *row;

		if (seen == limit)
			return true;
		memcpy(key, next, m->map->key_size);
		after = key;
		row = element_json(m, key, values, hex);
		if (row != NULL)
			json_array_append_new(rows, row);
	}
	return false;
}

static json_t *answer_of(const struct vs_filter_map *m, json_t *rows)
{
	return json_pack("{so sI}", "elements", rows, "max_entries",
			 (json_int_t)m->map->max_entries);
}

/* How many bytes --after has: a queue's elements have places. */
static uint32_t after_size(const struct ebpf_map *map)
{
	return vs_filter_map_is_queue(map) ? (uint32_t)sizeof(uint32_t) : map->key_size;
}

static json_t *dump_keys(const struct vs_filter_map *m, const uint8_t *after, uint32_t limit,
			 bool hex, uint8_t *key, uint8_t *values)
{
	json_t *rows = json_array(), *answer;
	bool more = dump_page(m, after, limit, hex, key, values, rows);

	answer = answer_of(m, rows);
	if (more)
		json_object_set_new(answer, "next", vs_hex_show(key, m->map->key_size));
	return answer;
}

int vs_filter_map_dump(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	const json_t *limit = json_object_get(params, "limit");
	const char *after = param(params, "after");
	bool hex = json_is_true(json_object_get(params, "hex"));
	uint8_t key[EBPF_MAX_KEY];
	struct vs_filter_map m;
	uint32_t most = limit != NULL ? (uint32_t)json_integer_value(limit) : DUMP_LIMIT;
	uint8_t *values;
	int rc = vs_filter_map_find(ctx, params, &m, err);

	if (rc == 0 && !has_keys(m.map) && !vs_filter_map_is_queue(m.map))
		rc = no_elements(&m, err);
	if (rc == 0 && after != NULL && vs_hex_read(after, key, after_size(m.map)) != 0)
		rc = err_set(err, -EINVAL, "bad-value", "--after: not the bytes of a key");
	if (rc != 0)
		return rc;
	values = calloc(1, ebpf_map_io_size(m.map) + 8);
	if (values == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	if (vs_filter_map_is_queue(m.map)) {
		uint32_t fit = (uint32_t)(DUMP_SIZE / (m.map->value_size + 8)) + 1;

		*ret = vs_filter_map_queue_dump(&m, after != NULL ? key : NULL,
						most < fit ? most : fit, hex, values);
	} else {
		*ret = dump_keys(&m, after != NULL ? key : NULL, most, hex, key, values);
	}
	free(values);
	return 0;
}

/* ---- Reading what people write ---- */

/* "10.0.0.0/8": a prefix length of 32 bits, then an address. */
static bool read_prefix(const struct vs_filter_map *m, const char *text, uint8_t *key)
{
	size_t size = m->map->key_size - 4;
	const char *slash = strchr(text, '/');
	char address[64], *end;
	unsigned long n;
	uint32_t length;

	if (m->map->type != BPF_MAP_TYPE_LPM_TRIE || m->map->key_size < 8 || slash == NULL ||
	    (size != 4 && size != 16))
		return false;
	n = strtoul(slash + 1, &end, 10);
	if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || n > size * 8)
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	length = (uint32_t)n;
	memcpy(key, &length, sizeof(length));
	return inet_pton(size == 4 ? AF_INET : AF_INET6, address, key + 4) == 1;
}

static int read_key(const struct vs_filter_map *m, const json_t *params, uint8_t *key,
		    struct err *err)
{
	const char *text = param(params, "key");

	memset(key, 0, m->map->key_size);
	if (read_prefix(m, text, key) || read_port(m, m->key_type, text, key, m->map->key_size))
		return 0;
	return vs_btf_read(m->btf, m->key_type, text, key, m->map->key_size, "key", err);
}

/* A list of as many as there are workers' copies: each its own. */
static bool is_each(const struct vs_filter_map *m, const json_t *list)
{
	size_t n = ebpf_map_io_size(m->map) / padded(m->map->value_size);

	return json_array_size(list) == n && n > 1;
}

int vs_filter_map_read_value(const struct vs_filter_map *m, const char *text, uint8_t *value,
			     struct err *err)
{
	if (read_port(m, m->value_type, text, value, m->map->value_size))
		return 0;
	return vs_btf_read(m->btf, m->value_type, text, value, m->map->value_size, "value", err);
}

static int read_per_cpu(const struct vs_filter_map *m, const char *text, uint8_t *values,
			struct err *err)
{
	size_t stride = padded(m->map->value_size), n = ebpf_map_io_size(m->map) / stride, i;
	json_t *list = text[0] == '[' ? json_loads(text, 0, NULL) : NULL;
	bool each = is_each(m, list);
	int rc = 0;

	for (i = 0; rc == 0 && i < n; i++) {
		char *one =
			each ? json_dumps(json_array_get(list, i), JSON_ENCODE_ANY) : strdup(text);

		rc = one != NULL ? vs_filter_map_read_value(m, one, values + i * stride, err)
				 : -ENOMEM;
		free(one);
	}
	json_decref(list);
	return rc;
}

static int read_value(const struct vs_filter_map *m, const char *text, const uint8_t *key,
		      uint8_t *values, struct err *err)
{
	/* Fields that are not named stay. */
	if (ebpf_map_read(m->map, key, values) != 0)
		memset(values, 0, ebpf_map_io_size(m->map));
	return is_per_cpu(m->map) ? read_per_cpu(m, text, values, err)
				  : vs_filter_map_read_value(m, text, values, err);
}

/* ---- Writing ---- */

static int refuse_write(const struct vs_filter_map *m, const json_t *params, int rc,
			struct err *err)
{
	const char *name = m->map->def.name, *key = param(params, "key");

	err_set(err, rc, "map", "map %s of filter %s: %.100s: %s", name,
		filter_module_name(m->module), key,
		rc == -E2BIG			 ? "it is full, or the index is too large"
		: rc == -ENOENT			 ? "there is no such key"
		: rc == -EEXIST			 ? "there is such a key already"
		: rc == -ENOTSUP || rc == -EPERM ? "its type does not take that"
						 : strerror(-rc));
	if (rc == -E2BIG)
		err_why(err, "it has room for %u", m->map->max_entries);
	err_fix(err, "vswitchctl filter map dump %s %s", filter_module_name(m->module), name);
	return rc;
}

static void wait_for_workers(void *arg)
{
	const struct vs *vs = arg;

	dp_synchronize(vs->dp);
}

/* The port's number as programs know it; its program is not changed. */
static int set_port(const struct vs_filter_map *m, const char *text, const uint8_t *key,
		    uint64_t flags, struct err *err)
{
	uint16_t id = vs_port_id(m->d->vs, text);
	uint8_t value[8] = {0};
	uint32_t ifindex = (uint32_t)id + 1;
	int rc;

	if (id == DP_NO_PORT) {
		json_t *one = json_pack("{ss}", "port", text);

		rc = vs_cmd_port(m->d, one, "port", err);
		json_decref(one);
		return rc < 0 ? rc : -ENOENT;
	}
	memcpy(value, &ifindex, sizeof(ifindex));
	return ebpf_map_write(m->map, key, value, flags);
}

static int set_prog(const struct vs_filter_map *m, const char *text, const uint8_t *key,
		    struct err *err)
{
	struct ebpf_prog *prog = ebpf_object_find_prog(filter_module_object(m->module), text);

	if (prog == NULL)
		return err_set(err, -ENOENT, "not-found", "filter %s has no program '%.60s'",
			       filter_module_name(m->module), text);
	return ebpf_map_put_prog(m->map, key, prog, wait_for_workers, m->d->vs);
}

static int set_inner(const struct vs_filter_map *m, const char *text, const uint8_t *key,
		     struct err *err)
{
	struct ebpf_map *inner = filter_module_map(m->module, text);
	int rc;

	if (inner == NULL)
		return err_set(err, -ENOENT, "not-found", "filter %s has no map '%.60s'",
			       filter_module_name(m->module), text);
	rc = ebpf_map_put_map(m->map, key, inner, wait_for_workers, m->d->vs);
	if (rc == -EINVAL)
		return err_set(err, rc, "bad-map", "map %s is of another kind than those in %s",
			       text, m->map->def.name);
	return rc;
}

static uint64_t flags_of(const json_t *params)
{
	if (json_is_true(json_object_get(params, "new")))
		return BPF_NOEXIST;
	return json_is_true(json_object_get(params, "exist")) ? BPF_EXIST : BPF_ANY;
}

static int set_plain(const struct vs_filter_map *m, const char *text, const uint8_t *key,
		     uint64_t flags, struct err *err)
{
	uint8_t *values = calloc(1, ebpf_map_io_size(m->map) + 8);
	int rc;

	if (values == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	rc = read_value(m, text, key, values, err);
	if (rc == 0)
		rc = ebpf_map_write(m->map, key, values, flags);
	free(values);
	return rc;
}

/* The map that is meant and the key in it, which may not be there. */
static int find_element(void *ctx, const json_t *params, struct vs_filter_map *ret_map,
			uint8_t *key, struct err *err)
{
	int rc = vs_filter_map_find(ctx, params, ret_map, err);

	if (rc == 0 && !has_keys(ret_map->map))
		rc = no_elements(ret_map, err);
	return rc == 0 ? read_key(ret_map, params, key, err) : rc;
}

int vs_filter_map_set(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	const char *text = param(params, "value");
	uint64_t flags = flags_of(params);
	uint8_t key[EBPF_MAX_KEY];
	struct err why = {0};
	struct vs_filter_map m;
	int rc = find_element(ctx, params, &m, key, err);

	if (rc != 0)
		return rc;
	if (is_devmap(m.map))
		rc = set_port(&m, text, key, flags, &why);
	else if (m.map->type == BPF_MAP_TYPE_PROG_ARRAY)
		rc = set_prog(&m, text, key, &why);
	else if (is_outer(m.map))
		rc = set_inner(&m, text, key, &why);
	else
		rc = set_plain(&m, text, key, flags, &why);
	if (rc != 0 && why.code == 0)
		return refuse_write(&m, params, rc, err);
	if (rc != 0 && err != NULL)
		*err = why;
	*ret = rc == 0 ? json_object() : NULL;
	return rc;
}

int vs_filter_map_delete(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			 struct err *err)
{
	uint8_t key[EBPF_MAX_KEY];
	struct vs_filter_map m;
	int rc = find_element(ctx, params, &m, key, err);

	if (rc != 0)
		return rc;
	if (m.map->type == BPF_MAP_TYPE_PROG_ARRAY)
		rc = ebpf_map_put_prog(m.map, key, NULL, wait_for_workers, m.d->vs);
	else if (is_outer(m.map))
		rc = ebpf_map_put_map(m.map, key, NULL, wait_for_workers, m.d->vs);
	else
		rc = ebpf_map_remove(m.map, key);
	if (rc != 0)
		return refuse_write(&m, params, rc, err);
	*ret = json_object();
	return 0;
}

int vs_filter_map_get(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	uint8_t key[EBPF_MAX_KEY], *values;
	struct vs_filter_map m;
	json_t *row;
	int rc = find_element(ctx, params, &m, key, err);

	if (rc != 0)
		return rc;
	values = calloc(1, ebpf_map_io_size(m.map) + 8);
	if (values == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	row = element_json(&m, key, values, json_is_true(json_object_get(params, "hex")));
	free(values);
	if (row == NULL)
		return refuse_write(&m, params, -ENOENT, err);
	*ret = json_pack("{s[o]}", "elements", row);
	return 0;
}
