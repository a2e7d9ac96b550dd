/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Wireshark's tools as the second opinion on what we write.
 */
#ifndef TESTS_UNIT_FILTERS_TSHARK_H
#define TESTS_UNIT_FILTERS_TSHARK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Runs a command; its output is borrowed until the next call.  The exit status goes to
 * *ret_status. */
static inline const char *shell(int *ret_status, const char *command)
{
	static char out[65536];
	FILE *f = popen(command, "r");
	size_t n = 0, got;
	int status;

	assert_non_null(f);
	while (n < sizeof(out) - 1 && (got = fread(out + n, 1, sizeof(out) - 1 - n, f)) > 0)
		n += got;
	out[n] = '\0';
	status = pclose(f);
	if (ret_status != NULL)
		*ret_status = status;
	return out;
}

/* What 'tshark -r path' says with more arguments.  Skips the test, saying why, where there is no
 * tshark. */
static inline const char *tshark(const char *path, const char *args)
{
	char command[1024];
	int status;
	const char *out;

	if (system("command -v tshark >/dev/null 2>&1") != 0) {
		fprintf(stderr, "skipped: tshark is not installed\n");
		skip();
	}
	/* Without name look-ups, and as if configured by nobody. */
	snprintf(command, sizeof(command),
		 "WIRESHARK_CONFIG_DIR=/nonexistent tshark -n -r %s %s 2>/dev/null", path, args);
	out = shell(&status, command);
	if (status != 0)
		fail_msg("tshark %s: status %d", args, status);
	return out;
}

static inline void expect(const char *got, const char *want)
{
	if (strcmp(got, want) != 0)
		fail_msg("got:\n%s\nwant:\n%s", got, want);
}

#endif
