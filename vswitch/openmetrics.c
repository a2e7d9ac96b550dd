/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Metrics as text; see openmetrics.h.  Source: OpenMetrics 1.0.0 (prometheus.io), "Text format".
 */
#include "vswitch/openmetrics.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FAMILIES 512

struct text {
	char *bytes;
	size_t n, size;
	bool failed;
};

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_INFO };

/* All values of one name. */
struct family {
	char name[96];
	enum kind kind;
	struct text samples;
	char *help;
};

struct vs_metric_sink {
	unsigned n_families, errors, last; /* last: of the family that was used last */
	struct family families[MAX_FAMILIES];
};

static const struct {
	const char *type, *suffix;
} kinds[] = {
	[KIND_COUNTER] = {"counter", "_total"},
	[KIND_GAUGE] = {"gauge", ""},
	[KIND_INFO] = {"info", "_info"},
};

static void append(struct text *t, const char *bytes, size_t n)
{
	if (t->failed)
		return;
	if (n > t->size - t->n) {
		size_t size = (t->size + n) * 2;
		char *bigger = realloc(t->bytes, size);

		if (bigger == NULL) {
			t->failed = true;
			return;
		}
		t->bytes = bigger;
		t->size = size;
	}
	memcpy(t->bytes + t->n, bytes, n);
	t->n += n;
}

static void append_str(struct text *t, const char *s)
{
	append(t, s, strlen(s));
}

/* Backslash, quote and end of line are escaped; other control characters, which would spoil a
 * terminal, and bytes that are no UTF-8 become '?'. */
static void append_escaped(struct text *t, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	while (*p != '\0') {
		size_t n = *p < 0x80 ? 1 : *p >= 0xf0 && *p < 0xf5 ? 4 : *p >= 0xe0 ? 3 : 2;
		bool good = *p < 0x80 || (*p >= 0xc2 && *p < 0xf5);

		for (size_t i = 1; i < n && good; i++)
			good = (p[i] & 0xc0) == 0x80;
		if (n == 3 && good) /* Neither too long a form nor half a surrogate pair. */
			good = !(p[0] == 0xe0 && p[1] < 0xa0) && !(p[0] == 0xed && p[1] >= 0xa0);
		if (n == 4 && good)
			good = !(p[0] == 0xf0 && p[1] < 0x90) && !(p[0] == 0xf4 && p[1] >= 0x90);
		if (*p == '\n')
			append(t, "\\n", 2);
		else if (*p == '\\' || *p == '"')
			append(t, *p == '"' ? "\\\"" : "\\\\", 2);
		else if (!good || *p < 0x20 || *p == 0x7f)
			append(t, "?", 1);
		else
			append(t, (const char *)p, n);
		p += good ? n : 1;
	}
}

static bool is_name(const char *name, bool label)
{
	if (!isalpha((unsigned char)name[0]) && name[0] != '_')
		return false;
	for (const char *p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '_' && (*p != ':' || label))
			return false;
	return !label || strncmp(name, "__", 2) != 0;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

/* Suffixes that the format gives a meaning must not end a name. */
static bool is_family_name(const char *name)
{
	static const char *const reserved[] = {"_total",  "_created", "_info",
					       "_bucket", "_count",   "_sum"};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (ends_with(name, reserved[i]))
			return false;
	return is_name(name, false) && strlen(name) < sizeof(((struct family *)NULL)->name);
}

struct vs_metric_sink *vs_metric_sink_create(void)
{
	return calloc(1, sizeof(struct vs_metric_sink));
}

void vs_metric_sink_destroy(struct vs_metric_sink *sink)
{
	if (sink == NULL)
		return;
	for (unsigned i = 0; i < sink->n_families; i++) {
		free(sink->families[i].samples.bytes);
		free(sink->families[i].help);
	}
	free(sink);
}

/* Metrics of one name mostly come in the same order for each object: look where the last one was,
 * and after it. */
static struct family *find_family(struct vs_metric_sink *sink, const char *name)
{
	for (unsigned i = 0; i < sink->n_families; i++) {
		unsigned at = (sink->last + i) % sink->n_families;

		if (strcmp(sink->families[at].name, name) == 0) {
			sink->last = at;
			return &sink->families[at];
		}
	}
	return NULL;
}

static struct family *get_family(struct vs_metric_sink *sink, enum kind kind, const char *name,
				 const char *help)
{
	struct family *family = find_family(sink, name);

	if (family != NULL)
		return family->kind == kind ? family : NULL;
	if (sink->n_families == MAX_FAMILIES || !is_family_name(name))
		return NULL;
	family = &sink->families[sink->n_families];
	family->help = strdup(help);
	if (family->help == NULL)
		return NULL;
	family->kind = kind;
	snprintf(family->name, sizeof(family->name), "%s", name);
	sink->last = sink->n_families++;
	return family;
}

static bool labels_ok(const struct vs_metric_label *labels, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_name(labels[i].name, true))
			return false;
		for (size_t k = 0; k < i; k++)
			if (strcmp(labels[i].name, labels[k].name) == 0)
				return false;
	}
	return true;
}

static void add(struct vs_metric_sink *sink, enum kind kind, const char *name, const char *help,
		const struct vs_metric_label *labels, size_t n_labels, const char *value)
{
	struct family *family =
		labels_ok(labels, n_labels) ? get_family(sink, kind, name, help) : NULL;
	struct text *t;
	size_t before;

	if (family == NULL) {
		sink->errors++;
		return;
	}
	t = &family->samples;
	before = t->n;
	append_str(t, name);
	append_str(t, kinds[kind].suffix);
	for (size_t i = 0; i < n_labels; i++) {
		append_str(t, i == 0 ? "{" : ",");
		append_str(t, labels[i].name);
		append_str(t, "=\"");
		append_escaped(t, labels[i].value);
		append_str(t, "\"");
	}
	append_str(t, n_labels != 0 ? "} " : " ");
	append_str(t, value);
	append_str(t, "\n");
	if (t->failed) { /* No half line. */
		t->n = before;
		t->failed = false;
		sink->errors++;
	}
}

void vs_metric_counter(struct vs_metric_sink *sink, const char *name, const char *help,
		       const struct vs_metric_label *labels, size_t n_labels, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	add(sink, KIND_COUNTER, name, help, labels, n_labels, text);
}

void vs_metric_gauge(struct vs_metric_sink *sink, const char *name, const char *help,
		     const struct vs_metric_label *labels, size_t n_labels, double value)
{
	char text[40];

	if (isnan(value))
		snprintf(text, sizeof(text), "NaN");
	else if (isinf(value))
		snprintf(text, sizeof(text), value > 0 ? "+Inf" : "-Inf");
	else
		snprintf(text, sizeof(text), "%.15g", value);
	add(sink, KIND_GAUGE, name, help, labels, n_labels, text);
}

void vs_metric_info(struct vs_metric_sink *sink, const char *name, const char *help,
		    const struct vs_metric_label *labels, size_t n_labels)
{
	add(sink, KIND_INFO, name, help, labels, n_labels, "1");
}

unsigned vs_metric_sink_errors(const struct vs_metric_sink *sink)
{
	return sink->errors;
}

char *vs_metric_sink_render(const struct vs_metric_sink *sink, size_t *ret_size)
{
	struct text t = {0};

	for (unsigned i = 0; i < sink->n_families; i++) {
		const struct family *family = &sink->families[i];

		append_str(&t, "# TYPE ");
		append_str(&t, family->name);
		append_str(&t, " ");
		append_str(&t, kinds[family->kind].type);
		append_str(&t, "\n# HELP ");
		append_str(&t, family->name);
		append_str(&t, " ");
		append_escaped(&t, family->help);
		append_str(&t, "\n");
		append(&t, family->samples.bytes, family->samples.n);
	}
	append_str(&t, "# EOF\n");
	if (t.failed) {
		free(t.bytes);
		return NULL;
	}
	*ret_size = t.n;
	return t.bytes;
}
