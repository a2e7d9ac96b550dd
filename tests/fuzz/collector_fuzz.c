/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Places of collectors as people write them.  What is taken must come back from its own text; what
 * is refused has all three lines.
 */
#include "tests/fuzz/fuzz.h"

#include "vswitch/collector.h"

#include <stdlib.h>
#include <string.h>

static void must(int holds)
{
	if (!holds)
		abort();
}

static void one(const char *text, bool udp_only)
{
	struct vs_collector_address to, again;
	struct err err = {0};

	if (vs_collector_parse(text, 4739, udp_only, &to, &err) != 0) {
		must(err.what[0] != '\0' && err.why[0] != '\0' && err.fix[0] != '\0');
		return;
	}
	must(!udp_only || !to.tcp);
	must(vs_collector_parse(to.text, 1, udp_only, &again, &err) == 0);
	must(strcmp(to.text, again.text) == 0 && to.address_size == again.address_size &&
	     memcmp(&to.address, &again.address, to.address_size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[4096];

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	one(text, false);
	one(text, true);
	return 0;
}
