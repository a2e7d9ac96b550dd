/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes the packet parser, and compares it with the slow one.
 *
 * Input: one byte that says how much of the frame is contiguous (0: all of it), then the frame.
 */
#include "dataplane/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/support/oracle.h"

/* Where the input ends is where a sanitizer guards: so the cut must be the end of memory of its
 * own. */
static void check(const uint8_t *frame, uint32_t size, uint32_t frame_size)
{
	uint8_t *exact = malloc(size == 0 ? 1 : size);
	struct dp_headers got, want;
	char text[512];

	if (size != 0)
		memcpy(exact, frame, size);
	dp_parse_head(exact, size, frame_size, &got);
	oracle_parse(exact, size, frame_size, &want);
	if (oracle_differs(&got, &want, text, sizeof(text)) != 0) {
		fprintf(stderr, "parser|oracle: %s\n", text);
		abort();
	}
	if (dp_flow_hash(exact, &got, 1) != dp_flow_hash(exact, &want, 1))
		abort();
	for (uint32_t off = 0; off < size && off < 80; off += 2)
		dp_parse_ip(exact, off, size, frame_size, &got);
	free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t frame_size, cut;

	if (size == 0 || size > 200000)
		return 0;
	frame_size = size - 1;
	cut = data[0] == 0 ? frame_size : frame_size * data[0] / 256;
	check(data + 1, cut, frame_size);
	return 0;
}
