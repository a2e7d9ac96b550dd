/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tables and "key: value" lines; see render.h.
 */
#include "ctl/render.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAX_COLS 32

#define RESET "\033[0m"
#define BOLD  "\033[1m"

struct ctl_render ctl_render_for(FILE *out)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	bool terminal = isatty(fileno(out)) == 1;
	struct ctl_render r = {.out = out};
	struct winsize size;

	r.colour = terminal && (no_colour == NULL || *no_colour == '\0') &&
		   (term == NULL || strcmp(term, "dumb") != 0);
	if (terminal && ioctl(fileno(out), TIOCGWINSZ, &size) == 0)
		r.width = size.ws_col;
	return r;
}

/* Characters, not bytes: every byte that does not continue one. */
static unsigned width_of(const char *text)
{
	unsigned n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* The colour of a word that says how something is; NULL: none. */
static const char *colour_of(const char *text)
{
	static const struct {
		const char *word, *colour;
	} words[] = {
		{"up", "\033[32m"},   {"ok", "\033[32m"},      {"running", "\033[32m"},
		{"down", "\033[31m"}, {"fail", "\033[31m"},    {"held", "\033[31m"},
		{"warn", "\033[33m"}, {"waiting", "\033[33m"}, {"disabled", "\033[33m"},
		{NULL, NULL},
	};

	for (size_t i = 0; words[i].word != NULL; i++) {
		if (strcmp(text, words[i].word) == 0)
			return words[i].colour;
	}
	return NULL;
}

/* A line of a table is gathered, cut to the terminal's width if need be, and written. */
struct line {
	struct ctl_render *r;
	unsigned at;
	bool cut;
};

static bool has_room(const struct ctl_render *r)
{
	return r->height == 0 || r->n_lines < r->height;
}

static void put_text(struct line *l, const char *text, const char *colour)
{
	unsigned width = width_of(text), room = UINT32_MAX;
	const char *end = text;

	if (l->r->height != 0 && l->r->width != 0)
		room = l->r->width > l->at ? l->r->width - l->at : 0;
	for (unsigned n = 0; *end != '\0'; end++) {
		if (((unsigned char)*end & 0xc0) != 0x80 && n++ == room)
			break;
	}
	if (colour != NULL && l->r->colour)
		fprintf(l->r->out, "%s%.*s" RESET, colour, (int)(end - text), text);
	else
		fprintf(l->r->out, "%.*s", (int)(end - text), text);
	l->at += width < room ? width : room;
}

static void put_spaces(struct line *l, unsigned n)
{
	while (n-- > 0)
		put_text(l, " ", NULL);
}

static void end_line(struct line *l)
{
	/* On a screen that is drawn over, what stood there before goes. */
	fputs(l->r->height != 0 ? "\033[K\n" : "\n", l->r->out);
	l->r->n_lines++;
}

static bool is_rate(const struct ctl_render *r, const struct ctl_col *col)
{
	return r->rates && (col->show == CTL_AS_COUNT || col->show == CTL_AS_BYTES);
}

/* A counter's cell, or its rate: packets a second, or bits a second. */
static char *cell_text(const struct ctl_render *r, const struct ctl_col *col, const json_t *row)
{
	char key[80], *text, *with_unit = NULL;
	json_t *value, *bits;

	if (!is_rate(r, col))
		return ctl_show_text(ctl_row_get(row, col->key), col->show);
	snprintf(key, sizeof(key), "%s_per_s", col->key);
	value = ctl_row_get(row, key);
	if (value == NULL)
		return strdup("-");
	if (col->show == CTL_AS_BYTES) {
		bits = json_real(json_number_value(value) * 8);
		text = ctl_show_text(bits, CTL_AS_RATE);
		json_decref(bits);
		return text;
	}
	text = ctl_show_text(value, CTL_AS_COUNT);
	if (text != NULL && asprintf(&with_unit, "%s/s", text) < 0)
		with_unit = NULL;
	free(text);
	return with_unit;
}

static void put_cell(struct line *l, const struct ctl_col *col, const char *text, unsigned width,
		     bool last, const char *colour)
{
	unsigned w = width_of(text), pad = w < width ? width - w : 0;

	if (l->at > 0)
		put_spaces(l, 2);
	if (col->align == CTL_RIGHT)
		put_spaces(l, pad);
	put_text(l, text, colour);
	if (col->align == CTL_LEFT && !last)
		put_spaces(l, pad);
}

/* What is to be drawn of a table: texts by row and column, NULL-ended columns that have any. */
struct table {
	const struct ctl_col *cols[MAX_COLS];
	unsigned widths[MAX_COLS];
	char **cells;
	size_t n_cols, n_rows;
};

static void table_free(struct table *t)
{
	for (size_t i = 0; t->cells != NULL && i < t->n_rows * t->n_cols; i++)
		free(t->cells[i]);
	free(t->cells);
}

/* A column that no row fills is left out, except the first: it is most often the note. */
static bool is_filled(const struct ctl_render *r, const struct ctl_col *col, const json_t *rows)
{
	size_t i;
	json_t *row;

	if (json_array_size(rows) == 0)
		return true;
	json_array_foreach(rows, i, row) {
		json_t *value = ctl_row_get(row, col->key);

		if (json_is_number(value) || json_is_boolean(value) ||
		    json_string_length(value) > 0 || json_array_size(value) > 0 ||
		    json_object_size(value) > 0)
			return true;
	}
	return false;
}

static int table_init(struct table *t, const struct ctl_render *r, const struct ctl_col *cols,
		      const json_t *rows)
{
	size_t i;
	json_t *row;

	*t = (struct table){.n_rows = json_array_size(rows)};
	for (const struct ctl_col *col = cols; col->key != NULL && t->n_cols < MAX_COLS; col++) {
		if (col == cols || is_filled(r, col, rows))
			t->cols[t->n_cols++] = col;
	}
	t->cells = calloc(t->n_rows * t->n_cols + 1, sizeof(*t->cells));
	if (t->cells == NULL)
		return -1;
	for (size_t c = 0; c < t->n_cols; c++)
		t->widths[c] = width_of(t->cols[c]->title);
	json_array_foreach(rows, i, row) {
		for (size_t c = 0; c < t->n_cols; c++) {
			char *text = cell_text(r, t->cols[c], row);

			t->cells[i * t->n_cols + c] = text;
			if (text != NULL && width_of(text) > t->widths[c])
				t->widths[c] = width_of(text);
		}
	}
	return 0;
}

static void draw_table(struct ctl_render *r, const struct ctl_col *cols, const json_t *rows)
{
	struct table t;
	struct line l = {.r = r};

	if (table_init(&t, r, cols, rows) != 0)
		return;
	for (size_t c = 0; c < t.n_cols; c++)
		put_cell(&l, t.cols[c], t.cols[c]->title, t.widths[c], c + 1 == t.n_cols, BOLD);
	end_line(&l);
	for (size_t i = 0; i < t.n_rows && has_room(r); i++) {
		l = (struct line){.r = r};
		for (size_t c = 0; c < t.n_cols; c++) {
			const char *text = t.cells[i * t.n_cols + c] ?: "";

			put_cell(&l, t.cols[c], text, t.widths[c], c + 1 == t.n_cols,
				 colour_of(text));
		}
		end_line(&l);
	}
	table_free(&t);
}

void ctl_render_row(struct ctl_render *r, const struct ctl_col *cols, const json_t *row,
		    unsigned *widths)
{
	struct line l = {.r = r};

	for (const struct ctl_col *col = cols; col->key != NULL; col++, widths++) {
		char *text = cell_text(r, col, row);
		const char *shown = text != NULL ? text : "";

		if (width_of(shown) > *widths)
			*widths = width_of(shown);
		put_cell(&l, col, shown, *widths, col[1].key == NULL, colour_of(shown));
		free(text);
	}
	end_line(&l);
}

static void put_field(struct ctl_render *r, unsigned indent, const char *key, unsigned width,
		      const char *text)
{
	struct line l = {.r = r};
	unsigned w = indent + width_of(key) + 1;

	if (!has_room(r))
		return;
	put_spaces(&l, indent);
	put_text(&l, key, BOLD);
	put_text(&l, ":", NULL);
	if (*text != '\0') {
		put_spaces(&l, w < width ? width - w + 1 : 1);
		put_text(&l, text, colour_of(text));
	}
	end_line(&l);
}

static void put_heading(struct ctl_render *r, const char *title)
{
	struct line l = {.r = r};

	put_text(&l, title, BOLD);
	put_text(&l, ":", NULL);
	end_line(&l);
}

/* "rx_packets" -> "rx packets" */
static const char *words_of(const char *key, char *buf, size_t size)
{
	snprintf(buf, size, "%s", key);
	for (char *p = buf; *p != '\0'; p++) {
		if (*p == '_')
			*p = ' ';
	}
	return buf;
}

static bool is_table(const json_t *value)
{
	return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

/* Columns for rows whose command declares none: the keys of the first. */
static void draw_rows(struct ctl_render *r, const json_t *rows)
{
	struct ctl_col cols[MAX_COLS + 1] = {{0}};
	char titles[MAX_COLS][48];
	json_t *first = json_array_get(rows, 0), *value;
	const char *key;
	size_t n = 0;

	json_object_foreach(first, key, value) {
		if (n == MAX_COLS)
			break;
		words_of(key, titles[n], sizeof(titles[n]));
		for (char *p = titles[n]; *p != '\0'; p++) {
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 'a' + 'A');
		}
		cols[n] = (struct ctl_col){.key = key, .title = titles[n]};
		if (json_is_number(value)) {
			cols[n].align = CTL_RIGHT;
			cols[n].show = json_is_integer(value) ? CTL_AS_COUNT : CTL_AS_IS;
		}
		n++;
	}
	draw_table(r, cols, rows);
}

/* Plain values first, then what is inside others: an object's fields are indented below its name.
 */
static void draw_fields(struct ctl_render *r, const json_t *object, unsigned indent)
{
	const char *key;
	char words[64], *text;
	json_t *value, *fields = (json_t *)(uintptr_t)object; /* the macro's wish */
	unsigned width = 0, w;

	json_object_foreach(fields, key, value) {
		w = indent + width_of(key) + 1;
		if (!json_is_object(value) && !is_table(value) && w > width)
			width = w;
	}
	json_object_foreach(fields, key, value) {
		if (json_is_object(value) || is_table(value))
			continue;
		text = ctl_show_text(value, CTL_AS_IS);
		put_field(r, indent, words_of(key, words, sizeof(words)), width,
			  text != NULL ? text : "");
		free(text);
	}
	json_object_foreach(fields, key, value) {
		if (is_table(value)) {
			put_heading(r, words_of(key, words, sizeof(words)));
			draw_rows(r, value);
		} else if (json_is_object(value) && json_object_size(value) > 0) {
			put_field(r, indent, words_of(key, words, sizeof(words)), 0, "");
			draw_fields(r, value, indent + 2);
		}
	}
}

/* Columns as lines; those that hold objects come last, each a block of its own. */
static void draw_object(struct ctl_render *r, const struct ctl_col *cols, const json_t *object)
{
	unsigned width = 0;

	for (const struct ctl_col *col = cols; col->key != NULL; col++) {
		json_t *value = ctl_row_get(object, col->key);

		if (value != NULL && !json_is_object(value) && width_of(col->title) + 1 > width)
			width = width_of(col->title) + 1;
	}
	for (const struct ctl_col *col = cols; col->key != NULL; col++) {
		json_t *value = ctl_row_get(object, col->key);
		char *text;

		if (value == NULL || json_is_object(value) ||
		    (json_is_string(value) && json_string_length(value) == 0))
			continue;
		text = cell_text(r, col, object);
		put_field(r, 0, col->title, width, text != NULL ? text : "");
		free(text);
	}
	for (const struct ctl_col *col = cols; col->key != NULL; col++) {
		json_t *value = ctl_row_get(object, col->key);

		if (!json_is_object(value) || json_object_size(value) == 0)
			continue;
		put_field(r, 0, col->title, 0, "");
		draw_fields(r, value, 2);
	}
}

static void draw_parts(struct ctl_render *r, const struct ctl_part *parts, const json_t *answer,
		       bool blank_first)
{
	for (const struct ctl_part *part = parts; part != NULL && part->rows != NULL; part++) {
		const json_t *rows = json_object_get(answer, part->rows);

		if (json_array_size(rows) == 0)
			continue;
		if (blank_first)
			end_line(&(struct line){.r = r});
		draw_table(r, part->cols, rows);
		if (!blank_first)
			end_line(&(struct line){.r = r});
	}
}

void ctl_render_answer(struct ctl_render *r, const struct ctl_spec *spec, const json_t *answer)
{
	if (spec->rows != NULL && spec->cols != NULL) {
		draw_parts(r, spec->parts, answer, false);
		draw_table(r, spec->cols, json_object_get(answer, spec->rows));
	} else if (spec->cols != NULL) {
		draw_object(r, spec->cols, answer);
		draw_parts(r, spec->parts, answer, true);
	} else {
		draw_fields(r, answer, 0);
	}
}
