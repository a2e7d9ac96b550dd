/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside the commands on filter modules: cmd_filter.c lists and shows, cmd_filter_verify.c tries,
 * cmd_filter_map.c reads and writes maps, cmd_filter_queue.c those without keys, cmd_filter_tail.c
 * streams records.
 */
#ifndef VSWITCH_CMD_FILTER_H
#define VSWITCH_CMD_FILTER_H

#include "vswitch/cmd.h"

struct btf;
struct ebpf_map;
struct ebpf_object;
struct ebpf_prog;
struct filter_module;

/* The module that params 'name' names; NULL with the error set, also when it is missing. */
struct filter_module *vs_cmd_filter(const struct vs_daemon *d, const json_t *params,
				    struct err *err);

/* Rows of programs and maps, new references. */
json_t *vs_filter_progs_json(const struct ebpf_object *object);
json_t *vs_filter_maps_json(const struct ebpf_object *object);
/* "writes packets", ..: what a program may do, new reference. */
json_t *vs_filter_does_json(const struct ebpf_prog *prog);

/* A map of a module, and how its keys and values are drawn. */
struct vs_filter_map {
	struct vs_daemon *d;
	struct filter_module *module;
	struct ebpf_map *map;
	const struct btf *btf; /* NULL: unknown */
	uint32_t key_type, value_type;
};
/* The map that params 'name' and 'map' name.  0 or negative with the error set. */
int vs_filter_map_find(struct vs_daemon *d, const json_t *params, struct vs_filter_map *ret,
		       struct err *err);
/* A key or value of 'type', new reference; 'hex': as bytes. */
json_t *vs_filter_map_show(const struct vs_filter_map *m, uint32_t type, const void *bytes,
			   size_t size, bool hex);
/* What people write as a value, over the 'value_size' bytes of 'value'. */
int vs_filter_map_read_value(const struct vs_filter_map *m, const char *text, uint8_t *value,
			     struct err *err);
/* A ring or perf buffer. */
bool vs_filter_map_is_records(const struct ebpf_map *map);
bool vs_filter_map_is_queue(const struct ebpf_map *map);
/* The answer of 'map dump' for a queue or stack: from the place behind 'after' (a uint32_t's bytes;
 * NULL: the first) on.  'value' is scratch room for one. */
json_t *vs_filter_map_queue_dump(const struct vs_filter_map *m, const uint8_t *after,
				 uint32_t limit, bool hex, uint8_t *value);

/* For the tables of cmd_filter.c. */
int vs_filter_verify(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err);
int vs_filter_map_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err);
int vs_filter_map_dump(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err);
int vs_filter_map_get(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err);
int vs_filter_map_set(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err);
int vs_filter_map_delete(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			 struct err *err);
int vs_filter_map_push(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err);
int vs_filter_map_peek(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err);
int vs_filter_map_pop(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err);
int vs_filter_tail(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		   struct err *err);

#endif
