/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes capture filters as people type them.  What is let through to libpcap must never be looked up as the name of a
 * host or network: then libpcap would say that it does not know it.
 */
#include "filters/capture_filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct filter_match *match = NULL;
	struct err err = {0};
	char expr[201];

	if (size >= sizeof(expr))
		return 0;
	memcpy(expr, data, size);
	expr[size] = '\0';
	if (filter_match_create(expr, FILTER_ENGINE_JIT, &match, &err) == 0)
		filter_match_destroy(match);
	else if (strstr(err.what, ": unknown host") != NULL ||
		 strstr(err.what, ": unknown network") != NULL ||
		 strstr(err.what, ": unknown ether host") != NULL) {
		fprintf(stderr, "%s: %s\n", expr, err.what);
		abort();
	}
	return 0;
}
