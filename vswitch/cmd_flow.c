/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Rules by hand: 'flow ...'; see cmd.h.  Flows are written as ovs-ofctl writes them (of/text.h).
 */
#include "vswitch/cmd.h"
#include "vswitch/flow_names.h"
#include "vswitch/switch_flows.h"

#include "ctl/base/sealed.h"
#include "ctl/base/wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE (1u << 30)

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

/* ---- Errors ---- */

static int refused(struct err *err, enum of_error error, unsigned line)
{
	int rc = error == OF_ERROR_NO_MEMORY   ? -ENOMEM
		 : error == OFPFMFC_TABLE_FULL ? -ENOSPC
		 : error == OFPFMFC_OVERLAP    ? -EEXIST
					       : -EINVAL;

	if (line != 0)
		err_set(err, rc, "flow-refused", "line %u: %s", line, of_error_text(error));
	else
		err_set(err, rc, "flow-refused", "the flow is refused: %s", of_error_text(error));
	err_why(err, "OpenFlow's error %s; nothing was changed", of_error_name(error));
	return rc;
}

/* ---- Changes ---- */

static int one_mod(void *ctx, const json_t *params, uint8_t command, json_t **ret, struct err *err)
{
	struct vs_daemon *d = ctx;
	struct vs_flow_names names = {.d = d, .sw = vs_cmd_switch(d, params, "switch", err)};
	struct of_text_ports ports = vs_flow_text_ports(&names);
	const char *text = param(params, "flow");
	struct of_text_error text_err = {0};
	struct of_flow_mod mod;
	struct vs_flows *flows;
	enum of_error error;
	int rc;

	if (names.sw == NULL)
		return err->code;
	rc = of_text_flow_parse(text != NULL ? text : "", 1, command, &ports, &mod, &text_err);
	if (rc != 0)
		return rc == -EINVAL ? vs_flow_bad_text(err, &text_err, NULL)
				     : err_set(err, rc, "no-memory", "no memory for the flow");
	rc = vs_switch_flows_need(d->vs, names.sw->name, &flows, err);
	if (rc == 0) {
		vs_flows_begin(flows);
		error = vs_flows_mod(flows, &mod);
		if (error == OF_OK)
			vs_flows_commit(flows);
		else
			vs_flows_abort(flows);
		rc = error == OF_OK ? 0 : refused(err, error, 0);
	}
	of_flow_mod_fini(&mod);
	if (rc == 0) {
		vs_flows_barrier(flows);
		*ret = json_object();
	}
	return rc;
}

static int flow_add(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	return one_mod(ctx, params, OFPFC_ADD, ret, err);
}

static bool is_strict(const json_t *params)
{
	return json_is_true(json_object_get(params, "strict"));
}

static int flow_mod(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	return one_mod(ctx, params, is_strict(params) ? OFPFC_MODIFY_STRICT : OFPFC_MODIFY, ret,
		       err);
}

static int flow_del(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	return one_mod(ctx, params, is_strict(params) ? OFPFC_DELETE_STRICT : OFPFC_DELETE, ret,
		       err);
}

struct load {
	struct vs_flows *flows;
	enum of_error error;
	unsigned line, n;
};

static int load_one(void *arg, unsigned line, struct of_flow_mod *mod)
{
	struct load *l = arg;

	l->error = vs_flows_mod(l->flows, mod);
	l->line = line;
	l->n++;
	of_flow_mod_fini(mod);
	return l->error == OF_OK ? 0 : -ECANCELED;
}

/* The file that came with the call. */
static int map_file(struct ctl_call *call, struct sealed *ret_file, struct err *err)
{
	int fd = ctl_call_take_fd(call), rc;

	if (fd < 0)
		return err_set(err, -EINVAL, "no-file", "no file came with the call");
	rc = sealed_map(fd, MAX_FILE, ret_file, err);
	close(fd);
	return rc;
}

static const char *name_of_file(const json_t *params)
{
	const char *name = param(params, "file");

	return strcmp(name, "-") == 0 ? "standard input" : name;
}

/* All of a file, or nothing of it.  'replace': and nothing else. */
static int load_text(struct vs_daemon *d, const json_t *params, const struct sealed *file,
		     bool replace, json_t **ret, struct err *err)
{
	struct vs_flow_names names = {.d = d, .sw = vs_cmd_switch(d, params, "switch", err)};
	struct of_text_ports ports = vs_flow_text_ports(&names);
	const struct of_flow_mod all = {.command = OFPFC_DELETE,
					.table = OF_TABLE_ALL,
					.out_port = OFPP_ANY,
					.out_group = OF_GROUP_ANY};
	struct of_text_error text_err = {0};
	struct load l = {0};
	int rc;

	if (names.sw == NULL)
		return err->code;
	rc = vs_switch_flows_need(d->vs, names.sw->name, &l.flows, err);
	if (rc != 0)
		return rc;
	vs_flows_begin(l.flows);
	if (replace)
		l.error = vs_flows_mod(l.flows, &all);
	if (l.error == OF_OK)
		rc = of_text_flows_parse(file->text, file->size, OFPFC_ADD, &ports, load_one, &l,
					 &text_err);
	if (rc == 0 && l.error == OF_OK) {
		vs_flows_commit(l.flows);
		vs_flows_barrier(l.flows);
		*ret = json_pack("{si}", "flows", (int)l.n);
		return 0;
	}
	vs_flows_abort(l.flows);
	if (l.error != OF_OK)
		return refused(err, l.error, l.line);
	return rc == -EINVAL ? vs_flow_bad_text(err, &text_err, name_of_file(params))
			     : err_set(err, rc, "no-memory", "no memory for the flows");
}

static int load(struct vs_daemon *d, struct ctl_call *call, const json_t *params, bool replace,
		json_t **ret, struct err *err)
{
	struct sealed file;
	int rc = map_file(call, &file, err);

	if (rc != 0)
		return rc;
	rc = load_text(d, params, &file, replace, ret, err);
	sealed_unmap(&file);
	return rc;
}

static int flow_load(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	return load(ctx, call, params, false, ret, err);
}

static int flow_replace(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			struct err *err)
{
	return load(ctx, call, params, true, ret, err);
}

static int flow_stats(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	struct vs_daemon *d = ctx;
	struct dp_flow_info i;

	dp_flow_info(d->vs->dp, &i);
	*ret = json_pack("{sI sI sI sI sI sI sI sI sf}", "entries", (json_int_t)i.entries, "hits",
			 (json_int_t)i.hits, "misses", (json_int_t)i.misses, "inserted",
			 (json_int_t)i.inserts, "refused", (json_int_t)i.refused, "expired",
			 (json_int_t)i.expired, "invalidated", (json_int_t)i.invalidated, "probes",
			 (json_int_t)i.probes, "probes_per_packet",
			 i.hits + i.misses == 0 ? 0.0
						: (double)i.probes / (double)(i.hits + i.misses));
	return 0;
}

const struct ctl_binding vs_cmd_flows[] = {
	{"flow", "add", flow_add},
	{"flow", "mod", flow_mod},
	{"flow", "del", flow_del},
	{"flow", "load", flow_load},
	{"flow", "replace", flow_replace},
	{"flow", "stats", flow_stats},
	{NULL, NULL, NULL},
};
