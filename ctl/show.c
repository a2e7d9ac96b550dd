/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Values as people read them; see render.h.
 */
#include "ctl/render.h"
#include "ctl/spec_priv.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

json_t *ctl_row_get(const json_t *row, const char *key)
{
	char part[64];
	const char *dot = strchr(key, '.');

	if (dot == NULL)
		return json_object_get(row, key);
	snprintf(part, sizeof(part), "%.*s", (int)(dot - key), key);
	return ctl_row_get(json_object_get(row, part), dot + 1);
}

/* Characters that make a terminal show the rest of a line in another order: U+200E, U+200F, U+202A
 * to U+202E, U+2066 to U+2069. */
static bool turns_text(const unsigned char *p)
{
	if (p[0] != 0xe2)
		return false;
	if (p[1] == 0x80)
		return p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xaa && p[2] <= 0xae);
	return p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9;
}

/* Control characters of ASCII and of Latin-1 (which UTF-8 writes as 0xc2 0x80 to 0x9f) become '?'.
 */
static void clean(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			p[0] = p[1] = '?';
		else if (turns_text(p))
			p[0] = p[1] = p[2] = '?';
	}
}

static char *dup_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *dup_format(const char *format, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	return n < 0 ? NULL : text;
}

/* 1234567 -> "1 234 567" */
static char *count_text(int64_t n)
{
	char digits[24], text[32];
	size_t n_digits, used = 0;

	snprintf(digits, sizeof(digits), "%" PRIu64, n < 0 ? -(uint64_t)n : (uint64_t)n);
	n_digits = strlen(digits);
	if (n < 0)
		text[used++] = '-';
	for (size_t i = 0; i < n_digits; i++) {
		if (i > 0 && (n_digits - i) % 3 == 0)
			text[used++] = ' ';
		text[used++] = digits[i];
	}
	text[used] = '\0';
	return strdup(text);
}

/* Three digits and a unit: 12.3 MB. */
static char *scaled_text(double n, const char *unit)
{
	static const char prefixes[] = " kMGTPE";
	const char *prefix = prefixes;

	while (fabs(n) >= 999.5 && prefix[1] != '\0') {
		n /= 1000;
		prefix++;
	}
	if (*prefix == ' ')
		return dup_format("%.0f %s", n, unit);
	return dup_format("%.*f %c%s",
			  fabs(n) < 9.995   ? 2
			  : fabs(n) < 99.95 ? 1
					    : 0,
			  n, *prefix, unit);
}

/* Powers of 1024, as memory comes: 256 MiB, 1.50 GiB. */
static char *memory_text(double n)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	unsigned unit = 0;

	while (fabs(n) >= 1023.5 && unit < 4) {
		n /= 1024;
		unit++;
	}
	return dup_format("%.*f %s",
			  n == floor(n) || unit == 0 ? 0
			  : fabs(n) < 9.995	     ? 2
			  : fabs(n) < 99.95	     ? 1
						     : 0,
			  n, units[unit]);
}

/* The two largest units: 3m12s, 2d3h; below a minute one. */
static char *age_text(double seconds)
{
	int64_t s = seconds < 0 ? 0 : (int64_t)seconds;

	if (seconds > 0 && seconds < 10 && seconds != (double)s)
		return dup_format("%.1fs", seconds);
	if (s < 60)
		return dup_format("%" PRId64 "s", s);
	if (s < 3600)
		return dup_format("%" PRId64 "m%" PRId64 "s", s / 60, s % 60);
	if (s < 86400)
		return dup_format("%" PRId64 "h%" PRId64 "m", s / 3600, s / 60 % 60);
	return dup_format("%" PRId64 "d%" PRId64 "h", s / 86400, s / 3600 % 24);
}

static char *local_time(time_t seconds, unsigned ms)
{
	struct tm tm;
	char text[64];

	if (localtime_r(&seconds, &tm) == NULL)
		return dup_format("%" PRId64, (int64_t)seconds);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	return dup_format("%s.%03u", text, ms % 1000);
}

/* Nanoseconds, or "2026-11-22T20:00:00.123Z". */
static char *time_text(const json_t *value)
{
	const char *text = json_string_value(value), *rest;
	int64_t ns = json_integer_value(value);
	struct tm tm = {0};

	if (text == NULL)
		return local_time((time_t)(ns / 1000000000), (unsigned)(ns / 1000000 % 1000));
	rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (rest == NULL || text[strlen(text) - 1] != 'Z')
		return strdup(text);
	return local_time(timegm(&tm), *rest == '.' ? (unsigned)strtoul(rest + 1, NULL, 10) : 0);
}

static char *duration_text(int64_t ms)
{
	char text[32];

	if (ms < 0 || ms > INT64_MAX / 1000)
		return dup_format("%" PRId64 "ms", ms);
	ctl_time_format(ms * 1000, text, sizeof(text));
	return dup_format("%s%s", text, ms == 0 ? "s" : "");
}

static char *number_text(const json_t *value, enum ctl_show show)
{
	double n = json_number_value(value);

	switch (show) {
	case CTL_AS_COUNT:
		return count_text(json_is_integer(value) ? json_integer_value(value) : llround(n));
	case CTL_AS_BYTES:
		return scaled_text(n, "B");
	case CTL_AS_MEMORY:
		return memory_text(n);
	case CTL_AS_RATE:
		return scaled_text(n, "b/s");
	case CTL_AS_AGE:
		return age_text(n);
	case CTL_AS_PERCENT:
		return dup_format("%.1f%%", n * 100);
	case CTL_AS_TIME:
		return time_text(value);
	case CTL_AS_DURATION:
		return duration_text(json_integer_value(value));
	case CTL_AS_IS:
		break;
	}
	return json_is_integer(value)
		       ? dup_format("%" JSON_INTEGER_FORMAT, json_integer_value(value))
		       : dup_format("%.6g", n);
}

static char *array_text(const json_t *array, enum ctl_show show)
{
	char *text = NULL;
	size_t size, i;
	json_t *item;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	json_array_foreach(array, i, item) {
		char *one = ctl_show_text(item, show);

		fprintf(f, "%s%s", i > 0 ? "," : "", one != NULL ? one : "");
		free(one);
	}
	return fclose(f) == 0 ? text : NULL;
}

char *ctl_show_text(const json_t *value, enum ctl_show show)
{
	char *text = NULL;

	if (json_is_string(value) && json_string_length(value) > 0)
		text = show == CTL_AS_TIME ? time_text(value) : strdup(json_string_value(value));
	else if (json_is_number(value))
		text = number_text(value, show);
	else if (json_is_boolean(value))
		text = strdup(json_is_true(value) ? "yes" : "no");
	else if (json_is_array(value) && json_array_size(value) > 0)
		text = array_text(value, show);
	else if (json_is_object(value))
		text = json_dumps(value, JSON_COMPACT);
	if (text != NULL)
		clean(text);
	return text != NULL ? text : strdup("-");
}
