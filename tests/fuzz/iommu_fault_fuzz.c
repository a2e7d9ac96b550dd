/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A record of the kernel's log: what is taken for a fault names a device that can be.
 */
#include "tests/fuzz/fuzz.h"

#include "sriov/fault.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sriov_fault f;
	size_t n;

	if (!sriov_fault_parse((const char *)data, size, &f))
		return 0;
	n = strlen(f.device);
	if (n < strlen("0000:01:10.0") || n > strlen("ffffff:01:10.0") || f.device[n - 1] > '7' ||
	    f.device[n - 2] != '.')
		abort();
	return 0;
}
