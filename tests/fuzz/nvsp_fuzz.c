/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes the reader of NVSP messages, as either end: what it takes is written and read again, and
 * must be the same.
 *
 * Input: one byte (bit 0: from the guest), then the message.
 */
#include "vmbus/nvsp.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static void check(const uint8_t *exact, size_t size, bool from_guest)
{
	struct nvsp_msg m, back;
	uint8_t bytes[NVSP_MSG_MAX];
	size_t written;

	memset(&m, 0, sizeof(m));
	if (nvsp_read(exact, size, from_guest, &m) < 0)
		return;
	written = nvsp_write(&m, from_guest, NVSP_V6_1, bytes);
	memset(&back, 0, sizeof(back));
	if (written > sizeof(bytes) || nvsp_read(bytes, written, from_guest, &back) < 0 ||
	    memcmp(&m, &back, sizeof(m)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact;

	if (size == 0 || size > 4096)
		return 0;
	exact = malloc(size);
	if (exact == NULL)
		return 0;
	memcpy(exact, data + 1, size - 1);
	check(exact, size - 1, data[0] & 1);
	free(exact);
	return 0;
}
