/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Counters -> rates, from two answers of one command; see render.h.
 */
#include "ctl/render.h"

#include <stdlib.h>
#include <string.h>

static bool is_counter(const struct ctl_col *col)
{
	return col->show == CTL_AS_COUNT || col->show == CTL_AS_BYTES;
}

/* Do two rows tell of the same thing?  By the columns marked 'id', else by the first. */
static bool is_same(const struct ctl_col *cols, const json_t *a, const json_t *b)
{
	bool marked = false;

	for (const struct ctl_col *col = cols; col->key != NULL; col++) {
		if (!col->id)
			continue;
		marked = true;
		if (!json_equal(ctl_row_get(a, col->key), ctl_row_get(b, col->key)))
			return false;
	}
	return marked || json_equal(ctl_row_get(a, cols->key), ctl_row_get(b, cols->key));
}

/* Rows keep their places most of the time, so the same place is looked at first. */
static const json_t *find_row(const struct ctl_col *cols, const json_t *rows, const json_t *row,
			      size_t hint)
{
	json_t *other = json_array_get(rows, hint);
	size_t i;

	if (other != NULL && is_same(cols, other, row))
		return other;
	json_array_foreach(rows, i, other) {
		if (is_same(cols, other, row))
			return other;
	}
	return NULL;
}

/* "ledger.in" is annotated inside "ledger". */
static json_t *holder_of(json_t *row, const char *key, const char **ret_last)
{
	const char *dot = strrchr(key, '.');
	char path[64];

	*ret_last = dot != NULL ? dot + 1 : key;
	if (dot == NULL)
		return row;
	snprintf(path, sizeof(path), "%.*s", (int)(dot - key), key);
	return ctl_row_get(row, path);
}

static void annotate_row(const struct ctl_col *cols, const json_t *before, json_t *row,
			 double seconds)
{
	for (const struct ctl_col *col = cols; col->key != NULL; col++) {
		const json_t *was = ctl_row_get(before, col->key), *is = ctl_row_get(row, col->key);
		char key[80];
		const char *last;
		json_t *holder = holder_of(row, col->key, &last);

		if (!is_counter(col) || !json_is_integer(was) || !json_is_integer(is) ||
		    json_integer_value(is) < json_integer_value(was))
			continue;
		snprintf(key, sizeof(key), "%s_per_s", last);
		json_object_set_new(holder, key,
				    json_real((double)(json_integer_value(is) -
						       json_integer_value(was)) /
					      seconds));
	}
}

static void annotate_rows(const struct ctl_col *cols, const json_t *before, json_t *rows,
			  double seconds)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row) {
		const json_t *was = find_row(cols, before, row, i);

		if (was != NULL)
			annotate_row(cols, was, row, seconds);
	}
}

void ctl_rates_annotate(const struct ctl_spec *spec, const json_t *before, json_t *answer,
			double seconds)
{
	if (spec->cols == NULL || seconds <= 0)
		return;
	if (spec->rows != NULL)
		annotate_rows(spec->cols, json_object_get(before, spec->rows),
			      json_object_get(answer, spec->rows), seconds);
	else
		annotate_row(spec->cols, before, answer, seconds);
	for (const struct ctl_part *part = spec->parts; part != NULL && part->rows != NULL; part++)
		annotate_rows(part->cols, json_object_get(before, part->rows),
			      json_object_get(answer, part->rows), seconds);
}

struct ranked {
	json_t *row;
	double rate;
	size_t at;
};

static double rate_of(const struct ctl_col *cols, const json_t *row)
{
	double sum = 0;

	for (const struct ctl_col *col = cols; col->key != NULL; col++) {
		char key[80];

		snprintf(key, sizeof(key), "%s_per_s", col->key);
		if (is_counter(col))
			sum += json_number_value(ctl_row_get(row, key));
	}
	return sum;
}

/* Equal rates keep their order, so that a quiet table does not jump. */
static int compare(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->rate != y->rate)
		return x->rate < y->rate ? 1 : -1;
	return x->at < y->at ? -1 : x->at > y->at;
}

void ctl_rates_sort(const struct ctl_spec *spec, json_t *answer)
{
	json_t *rows = json_object_get(answer, spec->rows), *sorted, *row;
	size_t n = json_array_size(rows), i;
	struct ranked *ranked = calloc(n + 1, sizeof(*ranked));

	if (ranked == NULL)
		return;
	json_array_foreach(rows, i, row)
		ranked[i] = (struct ranked){.row = row, .rate = rate_of(spec->cols, row), .at = i};
	qsort(ranked, n, sizeof(*ranked), compare);
	sorted = json_array();
	for (i = 0; i < n; i++)
		json_array_append(sorted, ranked[i].row);
	json_object_set_new(answer, spec->rows, sorted);
	free(ranked);
}
