/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at filter modules; see cmd.h.
 */
#include "vswitch/cmd_filter.h"

#include "ctl/conf.h"
#include "filters/ebpf/object.h"
#include "filters/module.h"
#include "vswitch/btf_value.h"
#include "vswitch/filters.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

struct filter_module *vs_cmd_filter(const struct vs_daemon *d, const json_t *params,
				    struct err *err)
{
	const char *name = param(params, "name");
	struct filter_module *module = vs_filter_module(d->vs, name);

	if (module != NULL)
		return module;
	if (vs_model_filter(d->vs->model, name) == NULL) {
		(void)conf_refuse_missing(conf_state(d->conf), "filter", name, "", err);
		return NULL;
	}
	err_set(err, -ENOENT, "filter-missing", "filter %s is not loaded", name);
	err_why(err, "%.300s", vs_filter_reason(d->vs, name));
	err_fix(err, "vswitchctl filter swap %s FILE", name);
	return NULL;
}

/* ---- What all rows have ---- */

static const char *state_of(const struct filter_module *module,
			    const struct filter_module_stats *stats)
{
	return module == NULL ? "missing" : stats->over_budget ? "over budget" : "loaded";
}

static void put_count(json_t *row, const char *key, uint64_t n)
{
	json_object_set_new(row, key, json_integer((json_int_t)n));
}

/* Of 'a' alone, or of all the module (NULL). */
static void put_stats(json_t *row, const struct vs_daemon *d, const struct vs_filter *f,
		      const struct vs_attachment *a)
{
	const struct filter_module *module = vs_filter_module(d->vs, f->name);
	struct filter_module_stats s = {0};

	if (module != NULL && a != NULL)
		filter_module_stats_at(module, a->name, &s);
	else if (module != NULL)
		filter_module_stats(module, &s);
	put_count(row, "packets", s.packets);
	put_count(row, "cycles", s.cycles);
	put_count(row, "pass", s.pass);
	put_count(row, "drop", s.drop);
	put_count(row, "aborted", s.aborted);
	put_count(row, "tx", s.tx);
	put_count(row, "redirect", s.redirect);
	put_count(row, "sent", s.tx + s.redirect);
	put_count(row, "refused", s.refused);
	put_count(row, "bypassed", s.bypassed);
	put_count(row, "budget_drops", s.budget_drops);
	put_count(row, "overruns", s.overruns);
	json_object_set_new(row, "cycles_per_packet",
			    json_real(round(s.cycles_per_packet * 10) / 10));
	json_object_set_new(row, "state", json_string(state_of(module, &s)));
	json_object_set_new(row, "note", json_string(vs_filter_reason(d->vs, f->name)));
}

static json_t *where_json(const struct vs_attachment *a)
{
	const char *name, *scope = vs_attachment_scope(a, &name);

	return json_sprintf("%s %s", scope, name);
}

/* On how many ports each attachment runs, by its place in the model; malloc'ed. */
static unsigned *count_ports(const struct vs_model *m)
{
	unsigned *counts = calloc(m->n_attachments + 1, sizeof(*counts));

	for (unsigned i = 0; counts != NULL && m->n_attachments != 0 && i < m->n_ports; i++) {
		for (int side = 0; side < DP_N_FILTER_SIDES; side++) {
			const struct vs_attachment *of[FILTER_MAX_SLOTS];
			unsigned n =
				vs_model_filters_of(m, &m->ports[i], (enum dp_filter_side)side, of);

			for (unsigned k = 0; k < n; k++)
				counts[of[k] - m->attachments]++;
		}
	}
	return counts;
}

static json_t *attachment_row(const struct vs_daemon *d, const struct vs_attachment *a,
			      const unsigned *counts)
{
	json_t *row = json_pack("{so ss ss si ss sb sb sb si}", "where", where_json(a), "direction",
				vs_filter_side_name(a->side), "role", vs_filter_role_name(a->role),
				"order", (int)a->order, "module", a->filter->name, "strip_vlan",
				a->strip_vlan, "meta", a->meta, "closed", a->closed, "ports",
				counts != NULL ? (int)counts[a - d->vs->model->attachments] : 0);

	put_stats(row, d, a->filter, a);
	return row;
}

/* Of one module, or of all (NULL). */
static json_t *attachments_json(const struct vs_daemon *d, const char *module)
{
	const struct vs_model *m = d->vs->model;
	unsigned *counts = count_ports(m);
	json_t *rows = json_array();

	for (unsigned i = 0; i < m->n_attachments; i++) {
		const struct vs_attachment *a = &m->attachments[i];

		if (module == NULL || strcmp(module, a->filter->name) == 0)
			json_array_append_new(rows, attachment_row(d, a, counts));
	}
	free(counts);
	return rows;
}

/* ---- list, stats ---- */

static json_t *list_port(const struct vs_daemon *d, const struct vs_port *p, const unsigned *counts)
{
	json_t *rows = json_array();

	for (int side = 0; side < DP_N_FILTER_SIDES; side++) {
		const struct vs_attachment *of[FILTER_MAX_SLOTS];
		unsigned n = vs_model_filters_of(d->vs->model, p, (enum dp_filter_side)side, of);

		for (unsigned i = 0; i < n; i++)
			json_array_append_new(rows, attachment_row(d, of[i], counts));
	}
	return rows;
}

/* What is attached to this switch or tenant, or to a port of it. */
static bool is_asked(const struct vs_attachment *a, const json_t *params)
{
	const char *sw = param(params, "switch"), *tenant = param(params, "tenant");
	const struct vs_switch *its_sw = a->port != NULL ? a->port->sw : a->sw;
	const struct vs_tenant *its_tenant = a->port != NULL ? a->port->tenant : a->tenant;

	if (sw != NULL && (its_sw == NULL || strcmp(sw, its_sw->name) != 0))
		return false;
	return tenant == NULL || (its_tenant != NULL && strcmp(tenant, its_tenant->name) == 0);
}

static bool is_attached(const struct vs_model *m, const struct vs_filter *f)
{
	for (unsigned i = 0; i < m->n_attachments; i++)
		if (m->attachments[i].filter == f)
			return true;
	return false;
}

static json_t *unattached_row(const struct vs_daemon *d, const struct vs_filter *f)
{
	json_t *row = json_pack("{ss ss ss sn ss sb sb sb si}", "where", "", "direction", "",
				"role", "", "order", "module", f->name, "strip_vlan", 0, "meta", 0,
				"closed", 0, "ports", 0);

	put_stats(row, d, f, NULL);
	return row;
}

static json_t *list_all(const struct vs_daemon *d, const json_t *params, const unsigned *counts)
{
	const struct vs_model *m = d->vs->model;
	bool all = param(params, "switch") == NULL && param(params, "tenant") == NULL;
	json_t *rows = json_array();

	for (unsigned i = 0; i < m->n_attachments; i++)
		if (is_asked(&m->attachments[i], params))
			json_array_append_new(rows, attachment_row(d, &m->attachments[i], counts));
	for (unsigned i = 0; all && i < m->n_filters; i++)
		if (!is_attached(m, &m->filters[i]))
			json_array_append_new(rows, unattached_row(d, &m->filters[i]));
	return rows;
}

static int filter_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_port *p = vs_model_port(d->vs->model, param(params, "port"));

	unsigned *counts;

	if (vs_cmd_filters(d, params, err) != 0)
		return -ENOENT;
	counts = count_ports(d->vs->model);
	*ret = json_pack("{so}", "filters",
			 p != NULL ? list_port(d, p, counts) : list_all(d, params, counts));
	free(counts);
	return 0;
}

static int filter_stats(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_model *m = d->vs->model;
	const char *name = param(params, "name");
	json_t *rows;

	if (name != NULL && vs_model_filter(m, name) == NULL)
		return conf_refuse_missing(conf_state(d->conf), "filter", name, "", err);
	rows = json_array();
	for (unsigned i = 0; i < m->n_filters; i++) {
		json_t *row;

		if (name != NULL && strcmp(name, m->filters[i].name) != 0)
			continue;
		row = json_pack("{ss}", "module", m->filters[i].name);
		put_stats(row, d, &m->filters[i], NULL);
		json_array_append_new(rows, row);
	}
	*ret = json_pack("{so so}", "attachments", attachments_json(d, name), "modules", rows);
	return 0;
}

/* ---- show ---- */

json_t *vs_filter_does_json(const struct ebpf_prog *prog)
{
	static const struct {
		uint32_t bit;
		const char *text;
	} does[] = {
		{EBPF_READS_BYTES, "reads"},	 {EBPF_WRITES_PACKET, "writes"},
		{EBPF_MOVES_ENDS, "resizes"},	 {EBPF_READS_META, "metadata"},
		{EBPF_TAIL_CALLS, "tail calls"}, {EBPF_REDIRECTS, "redirects"},
		{EBPF_OUTPUTS, "outputs"},	 {EBPF_CALLS_BACK, "loops by callback"},
	};
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(does) / sizeof(does[0]); i++)
		if ((prog->does & does[i].bit) != 0)
			json_array_append_new(list, json_string(does[i].text));
	return list;
}

static const char *code_of(const struct ebpf_prog *prog)
{
	return prog->code != NULL ? "machine code" : "interpreted";
}

json_t *vs_filter_progs_json(const struct ebpf_object *object)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < ebpf_object_n_progs(object); i++) {
		const struct ebpf_prog *prog = ebpf_object_prog(object, i);
		const char *verdict = ebpf_object_verdict(object, prog->name);

		json_array_append_new(rows, json_pack("{ss ss sI ss sI so ss}", "name", prog->name,
						      "section", prog->section, "instructions",
						      (json_int_t)prog->n, "code", code_of(prog),
						      "code_size", (json_int_t)prog->code_size,
						      "does", vs_filter_does_json(prog), "verdict",
						      verdict != NULL ? verdict : ""));
	}
	return rows;
}

/* With the kernel's, where the map is that. */
static json_int_t memory_of(const struct ebpf_map *map)
{
	return (json_int_t)(ebpf_map_memory(map) +
			    (map->def.memory != NULL ? map->def.memory_size : 0));
}

/* Of a map that is the kernel's: bpftool shows it under this. */
static json_t *kernel_id(const struct ebpf_map *map)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	if (map->def.memory == NULL || map->def.memory_fd < 0 ||
	    bpf_obj_get_info_by_fd(map->def.memory_fd, &info, &size) != 0)
		return json_null();
	return json_integer((json_int_t)info.id);
}

static json_t *map_row(const struct ebpf_object *object, uint32_t i)
{
	const struct ebpf_map *map = ebpf_object_map(object, i);
	const struct btf *btf = ebpf_object_btf(object);
	int64_t n = ebpf_map_count(map);
	uint64_t lost = ebpf_map_lost(map);
	uint32_t key = 0, value = 0;
	char key_name[80], value_name[80];

	ebpf_object_map_types(object, i, &key, &value);
	vs_btf_type_name(btf, key, key_name, sizeof(key_name));
	vs_btf_type_name(btf, value, value_name, sizeof(value_name));
	return json_pack("{ss ss ss ss si si so sI sI so so}", "map", map->def.name, "type",
			 ebpf_map_type_name(map->type), "key", key_name, "value", value_name,
			 "key_size", (int)map->key_size, "value_size", (int)map->value_size,
			 "entries", n >= 0 ? json_integer((json_int_t)n) : json_null(),
			 "max_entries", (json_int_t)map->max_entries, "memory", memory_of(map),
			 "lost", lost != 0 ? json_integer((json_int_t)lost) : json_null(),
			 "kernel_id", kernel_id(map));
}

json_t *vs_filter_maps_json(const struct ebpf_object *object)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < ebpf_object_n_maps(object); i++)
		json_array_append_new(rows, map_row(object, i));
	return rows;
}

/* Every port on which it runs. */
static json_t *attached_json(const struct vs_daemon *d, const struct vs_filter *f)
{
	const struct vs_model *m = d->vs->model;
	json_t *rows = json_array();

	for (unsigned i = 0; i < m->n_ports; i++) {
		for (int side = 0; side < DP_N_FILTER_SIDES; side++) {
			const struct vs_attachment *of[FILTER_MAX_SLOTS];
			unsigned n =
				vs_model_filters_of(m, &m->ports[i], (enum dp_filter_side)side, of);

			for (unsigned k = 0; k < n; k++) {
				if (of[k]->filter != f)
					continue;
				json_array_append_new(
					rows,
					json_pack("{ss si ss ss si so}", "port", m->ports[i].name,
						  "ifindex",
						  (int)vs_port_id(d->vs, m->ports[i].name) + 1,
						  "direction", vs_filter_side_name(of[k]->side),
						  "role", vs_filter_role_name(of[k]->role), "order",
						  (int)of[k]->order, "where", where_json(of[k])));
			}
		}
	}
	return rows;
}

static void put_object(json_t *row, const struct filter_module *module)
{
	const struct ebpf_object *object = filter_module_object(module);
	const struct ebpf_prog *prog = filter_module_prog(module);

	json_object_set_new(row, "program", json_string(prog->name));
	json_object_set_new(row, "code",
			    prog->code != NULL
				    ? json_sprintf("machine code, %zu bytes", prog->code_size)
				    : json_string("interpreted"));
	json_object_set_new(row, "asks", json_string(ebpf_object_wishes(object)));
	json_object_set_new(row, "programs", vs_filter_progs_json(object));
	json_object_set_new(row, "maps", vs_filter_maps_json(object));
}

static int filter_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	const struct vs_daemon *d = ctx;
	const char *name = param(params, "name");
	const struct vs_filter *f = vs_model_filter(d->vs->model, name);
	const struct filter_module *module = vs_filter_module(d->vs, name);
	json_t *row;

	if (f == NULL)
		return conf_refuse_missing(conf_state(d->conf), "filter", name, "", err);
	row = json_pack("{ss ss ss so ss}", "module", f->name, "file",
			f->file != NULL ? f->file : "", "sha256", f->sha256, "budget",
			f->budget != 0 ? json_integer(f->budget) : json_null(), "on_budget",
			f->drops ? "drop" : "bypass");
	put_stats(row, d, f, NULL);
	if (module != NULL)
		put_object(row, module);
	json_object_set_new(row, "attachments", attachments_json(d, name));
	json_object_set_new(row, "attached", attached_json(d, f));
	*ret = row;
	return 0;
}

const struct ctl_binding vs_cmd_filter_modules[] = {
	{"filter", "list", filter_list},
	{"filter", "stats", filter_stats},
	{"filter", "show", filter_show},
	{"filter", "verify", vs_filter_verify},
	{"filter", "map list", vs_filter_map_list},
	{"filter", "map dump", vs_filter_map_dump},
	{"filter", "map get", vs_filter_map_get},
	{"filter", "map set", vs_filter_map_set},
	{"filter", "map delete", vs_filter_map_delete},
	{"filter", "map push", vs_filter_map_push},
	{"filter", "map peek", vs_filter_map_peek},
	{"filter", "map pop", vs_filter_map_pop},
	{"filter", "tail", vs_filter_tail},
	{NULL, NULL, NULL},
};
