/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes what guards read of DHCP.  Input: a byte whose lowest bit says which version, then the
 * message.
 */
#include "dataplane/guard_dhcp.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact;
	struct dp_dhcp4 v4;
	struct dp_dhcp6 v6;

	if (size == 0 || size > 4096)
		return 0;
	/* Where the input ends is where a sanitizer guards. */
	exact = malloc(size - 1 != 0 ? size - 1 : 1);
	memcpy(exact, data + 1, size - 1);
	if ((data[0] & 1) != 0) {
		if (dp_dhcp6_parse(exact, (uint32_t)size - 1, &v6) && v6.n > DP_DHCP6_ADDRESSES)
			abort();
	} else {
		dp_dhcp4_parse(exact, (uint32_t)size - 1, &v4);
	}
	free(exact);
	return 0;
}
