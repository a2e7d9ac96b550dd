/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes capture filters as people type them.  What is let through to libpcap must never be
 * looked up as the name of a host or network: then libpcap would say that it does not know it.
 */
#include "filters/capture_filter.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static bool was_looked_up(const char *what)
{
	static const char *const starts[] = {"bad capture filter: unknown host",
					     "bad capture filter: unknown network",
					     "bad capture filter: unknown ether host"};

	for (unsigned i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (strncmp(what, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct filter_match *match = NULL;
	struct err err = {0};
	char expr[201];

	if (size >= sizeof(expr))
		return 0;
	memcpy(expr, data, size);
	expr[size] = '\0';
	if (filter_match_create(expr, FILTER_ENGINE_JIT, &match, &err) == 0) {
		filter_match_destroy(match);
	} else if (was_looked_up(err.what)) {
		fprintf(stderr, "%s: %s\n", expr, err.what);
		abort();
	}
	return 0;
}
