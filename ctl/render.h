/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How answers and errors look: tables, "key: value" lines, three-line errors.  What to draw comes
 * from the command table (spec.h), what it says from the daemon.  Text is cleaned of control
 * characters first: a name or a note may come from a guest, and must not drive the administrator's
 * terminal.  One thread; nothing is kept between calls.
 */
#ifndef CTL_RENDER_H
#define CTL_RENDER_H

#include "ctl/base/err.h"
#include "ctl/spec.h"

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

struct ctl_render {
	FILE *out;
	bool colour;
	bool rates; /* counters are drawn as rates: ctl_rates_annotate() was called */
	unsigned
		width; /* of the terminal; longer lines are cut when 'height' is set too; 0: none */
	unsigned height;  /* lines there are room for; 0: any number */
	unsigned n_lines; /* drawn so far */
};

/* For a file: colours only on a terminal that has them, and not when NO_COLOR is set
 * (no-color.org). */
struct ctl_render ctl_render_for(FILE *out);

/* An answer, as its command's columns say; "key: value" lines when it has none. */
void ctl_render_answer(struct ctl_render *r, const struct ctl_spec *spec, const json_t *answer);
/* Rows of a table without an answer around them, with or without their titles (for streams, where
 * columns keep the widths of 'widths', one for each column, growing as rows need it). */
void ctl_render_row(struct ctl_render *r, const struct ctl_col *cols, const json_t *row,
		    unsigned *widths);

/* Changes of a configuration, as the commands that make them: "+ port add ..", "- ..", "~ ..". */
void ctl_render_changes(struct ctl_render *r, const json_t *changes);
/* What a change changed, or with 'check' would. */
void ctl_render_change(struct ctl_render *r, const json_t *answer, bool check);

/* "error[slug]: what", and the lines why and fix where there are such. */
void ctl_render_error(struct ctl_render *r, const struct err *err);
/* The same as JSON: {"error": {"errno", "slug", "what", "why", "fix"}}; new reference. */
json_t *ctl_error_json(const struct err *err);
/* What the tool exits with (design.md, section 6). */
int ctl_exit_code(const struct err *err);

/* One value as text; "-" for what is not there.  The caller frees. */
char *ctl_show_text(const json_t *value, enum ctl_show show);
/* "a.b" in a row; borrowed, NULL: not there. */
json_t *ctl_row_get(const json_t *row, const char *key);

/* Adds to each row of 'answer', for every counter column, KEY_per_s: its rate since 'before' (an
 * earlier answer of the same command, 'seconds' ago).  A row that is new, or a counter that went
 * back, gets none. */
void ctl_rates_annotate(const struct ctl_spec *spec, const json_t *before, json_t *answer,
			double seconds);
/* Sorts the rows by the sum of their rates, highest first. */
void ctl_rates_sort(const struct ctl_spec *spec, json_t *answer);

#endif
