/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes what is read of FTP and TFTP: lines of a segment, one after the other, as the server's and
 * as the client's.
 */
#include "dataplane/alg.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static void lines(const char *text, size_t size, bool server)
{
	while (size != 0) {
		struct dp_alg_said said = {.port = 1};
		const char *end = memchr(text, '\n', size);
		bool ok = dp_alg_ftp(text, size, server, &said);

		if (ok && (end == NULL || said.port == 0 || (!server && !said.has_address)))
			abort();
		if (end == NULL)
			return;
		size -= (size_t)(end + 1 - text);
		text = end + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	lines((const char *)data, size, true);
	lines((const char *)data, size, false);
	if (dp_alg_tftp(data, size) && size < 6)
		abort();
	return 0;
}
