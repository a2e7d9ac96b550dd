/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Numbers with units, both ways: "10M" bytes, "1G" bits a second, "250ms".  What is formatted
 * parses to the same number. No floating point: "1.5M" is counted exactly.
 */
#include "ctl/spec_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	int64_t factor;
};

#define K  INT64_C(1000)
#define KI INT64_C(1024)

/* Largest first within each table: formatting takes the first that divides. */
static const struct unit size_units[] = {
	{"T", K *K *K *K},
	{"Ti", KI *KI *KI *KI},
	{"G", K *K *K},
	{"Gi", KI *KI *KI},
	{"M", K *K},
	{"Mi", KI *KI},
	{"k", K},
	{"Ki", KI},
	{"", 1},
	{"K", K},
	{"kB", K},
	{"KB", K},
	{"MB", K *K},
	{"GB", K *K *K},
	{"TB", K *K *K *K},
	{"KiB", KI},
	{"MiB", KI *KI},
	{"GiB", KI *KI *KI},
	{"TiB", KI *KI *KI *KI},
	{"B", 1},
	{0},
};

static const struct unit binary_units[] = {
	{"Ti", KI *KI *KI *KI},
	{"Gi", KI *KI *KI},
	{"Mi", KI *KI},
	{"Ki", KI},
	{"", 1},
	{"T", KI *KI *KI *KI},
	{"G", KI *KI *KI},
	{"M", KI *KI},
	{"K", KI},
	{"k", KI},
	{"TB", KI *KI *KI *KI},
	{"GB", KI *KI *KI},
	{"MB", KI *KI},
	{"KB", KI},
	{"kB", KI},
	{"TiB", KI *KI *KI *KI},
	{"GiB", KI *KI *KI},
	{"MiB", KI *KI},
	{"KiB", KI},
	{"B", 1},
	{0},
};

static const struct unit rate_units[] = {
	{"T", K *K *K *K}, {"G", K *K *K}, {"M", K *K},	   {"k", K},	      {"", 1}, {"K", K},
	{"bit", 1},	   {"kbit", K},	   {"Mbit", K *K}, {"Gbit", K *K *K}, {0},
};

static const struct unit time_units[] = {
	{"d", 86400 * K *K}, {"h", 3600 * K *K}, {"m", 60 * K *K}, {"s", K *K},
	{"ms", K},	     {"us", 1},		 {"", K *K},	   {0},
};

/* The fraction is counted exactly, as a share of the unit; what is below one is refused. */
static int add_fraction(const char **text, int64_t factor, int64_t *value)
{
	const char *p = *text + 1;
	int64_t share = 0, whole = 1;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		size_t n_zeros = strspn(p, "0");

		if (n_zeros != 0 && n_zeros == strspn(p, "0123456789")) {
			p += n_zeros; /* at the end they say nothing, however many */
			break;
		}
		if (__builtin_mul_overflow(whole, 10, &whole))
			return -EINVAL;
		share = share * 10 + (*p - '0');
	}
	if (__builtin_mul_overflow(share, factor, &share) || share % whole != 0 ||
	    __builtin_add_overflow(*value, share / whole, value))
		return -EINVAL;
	*text = p;
	return 0;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
	for (; units->name != NULL; units++) {
		if (strcmp(units->name, name) == 0)
			return units;
	}
	return NULL;
}

static int parse(const char *text, const struct unit *units, const char **ret_unit, int64_t *ret)
{
	size_t n_digits = strspn(text, "0123456789");
	const char *rest = text + n_digits;
	const char *name = *rest == '.' ? rest + 1 + strspn(rest + 1, "0123456789") : rest;
	const struct unit *unit = find_unit(units, name);
	int64_t value = 0;

	if (n_digits == 0 || unit == NULL)
		return -EINVAL;
	for (size_t i = 0; i < n_digits; i++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, text[i] - '0', &value))
			return -EINVAL;
	}
	if (__builtin_mul_overflow(value, unit->factor, &value))
		return -EINVAL;
	if (*rest == '.' && add_fraction(&rest, unit->factor, &value) != 0)
		return -EINVAL;
	*ret_unit = unit->name;
	*ret = value;
	return 0;
}

static void format(int64_t value, const struct unit *units, char *buf, size_t size)
{
	if (value == 0) {
		snprintf(buf, size, "0");
		return;
	}
	while (value % units->factor != 0)
		units++;
	snprintf(buf, size, "%" PRId64 "%s", value / units->factor, units->name);
}

int ctl_size_parse(const char *text, int64_t *ret)
{
	const char *unit;

	return parse(text, size_units, &unit, ret);
}

int ctl_binary_size_parse(const char *text, int64_t *ret)
{
	const char *unit;

	return parse(text, binary_units, &unit, ret);
}

int ctl_rate_parse(const char *text, int64_t *ret)
{
	const char *unit;

	return parse(text, rate_units, &unit, ret);
}

int ctl_time_parse(const char *text, bool *ret_bare, int64_t *ret_us)
{
	const char *unit;
	int rc = parse(text, time_units, &unit, ret_us);

	if (rc == 0)
		*ret_bare = *unit == '\0';
	return rc;
}

void ctl_size_format(int64_t value, char *buf, size_t size)
{
	format(value, size_units, buf, size);
}

void ctl_binary_size_format(int64_t value, char *buf, size_t size)
{
	format(value, binary_units, buf, size);
}

void ctl_rate_format(int64_t value, char *buf, size_t size)
{
	format(value, rate_units, buf, size);
}

void ctl_time_format(int64_t us, char *buf, size_t size)
{
	format(us, time_units, buf, size);
}
