/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes the finishing of checksums in captured frames: header lengths are a guest's word.
 *
 * Input: lengths of layer 2 and 3 (two bytes each), one byte of flags, the frame.
 */
#include "filters/capture_priv.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t kinds[] = {FILTER_REC_CSUM_TCP, FILTER_REC_CSUM_UDP,
					 FILTER_REC_CSUM_SCTP};
	uint8_t *frame;

	if (size < 5)
		return 0;
	frame = malloc(size - 5 + (size == 5));
	memcpy(frame, data + 5, size - 5);
	if (!filter_csum_finish(frame, size - 5, (size_t)(data[0] | data[1] << 8),
				(size_t)(data[2] | data[3] << 8),
				kinds[data[4] % 3] |
					((data[4] & 0x80) != 0 ? FILTER_REC_IPV6 : 0)) &&
	    memcmp(frame, data + 5, size - 5) != 0)
		abort();
	free(frame);
	return 0;
}
