/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'filter map dump': a map may have a million elements and an answer a thousand, so the tool asks
 * on until there are no more.  Elements are printed as they come; nothing is gathered.
 */
#include "ctl/render.h"
#include "ctl/tool.h"

#include <string.h>

struct dump {
	struct ctl_tool *tool;
	const struct ctl_spec *spec;
	unsigned widths[8];
	uint64_t n, most; /* elements printed, and where to stop asking */
};

static void print_json(struct dump *d, const json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		fputs(d->n + i == 0 ? "\n    " : ",\n    ", stdout);
		json_dumpf(row, stdout, JSON_COMPACT);
	}
}

/* The first answer as a table; to the others it lends no heads. */
static void print_table(struct dump *d, const json_t *answer, const json_t *rows)
{
	struct ctl_render r = ctl_render_for(stdout);
	json_t *row;
	size_t i;

	if (d->n == 0) {
		ctl_render_answer(&r, d->spec, answer);
		return;
	}
	json_array_foreach(rows, i, row)
		ctl_render_row(&r, d->spec->cols, row, d->widths);
}

/* One answer; *ret_next is where the next one goes on (new reference), or NULL. */
static int page(struct dump *d, const json_t *params, json_t **ret_next, struct err *err)
{
	json_t *answer = NULL, *rows;
	int rc = ctl_tool_call(d->tool, d->spec, params, -1, &answer, err);

	if (rc != 0)
		return rc;
	if (d->tool->json && d->n == 0)
		fputs("{\n  \"elements\": [", stdout);
	rows = json_object_get(answer, d->spec->rows);
	if (d->tool->json)
		print_json(d, rows);
	else
		print_table(d, answer, rows);
	d->n += json_array_size(rows);
	d->most = 2 * (uint64_t)json_integer_value(json_object_get(answer, "max_entries")) + 1000;
	*ret_next = json_incref(json_object_get(answer, "next"));
	json_decref(answer);
	return 0;
}

int ctl_tool_map_dump(struct ctl_tool *tool, const struct ctl_spec *spec, json_t *params)
{
	bool all = json_object_get(params, "limit") == NULL;
	struct dump d = {.tool = tool, .spec = spec};
	json_t *next = NULL;
	struct err err;
	int rc;

	ctl_tool_catch_stop();
	do {
		if (next != NULL)
			json_object_set_new(params, "after", next);
		rc = page(&d, params, &next, &err);
		/* Who changes the map all the time must not keep us here. */
	} while (rc == 0 && all && next != NULL && d.n < d.most && !ctl_tool_stopped() &&
		 ferror(stdout) == 0);
	if (rc == 0 && tool->json) {
		fputs(d.n != 0 ? "\n  ]" : "]", stdout);
		if (next != NULL)
			fprintf(stdout, ",\n  \"next\": \"%s\"", json_string_value(next));
		fputs("\n}\n", stdout);
	}
	if (rc == 0)
		json_decref(next);
	return rc != 0 ? ctl_tool_fail(tool, &err) : 0;
}
