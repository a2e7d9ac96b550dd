/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The daemon's log; see log.h.
 */
#include "ctl/base/log.h"

#include "ctl/base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static enum log_level max_level = LOG_LEVEL_INFO; /* Set once by main before other threads start. */

void log_set_level(enum log_level level)
{
	max_level = level;
}

void log_line(enum log_level level, const char *module, const char *fmt, ...)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	static const int priorities[] = {3, 4, 6, 7}; /* syslog(3) */
	char line[1024], prefix[8] = "";
	va_list ap;

	if (level > max_level)
		return;
	if (getenv("JOURNAL_STREAM") != NULL)
		snprintf(prefix, sizeof(prefix), "<%d>", priorities[level]);
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* One call, so that lines of two threads do not mix. */
	fprintf(stderr, "%s%s: %s: %s\n", prefix, names[level], module, line);
}

bool log_allow(struct log_limit *limit, uint32_t burst, uint32_t interval_s)
{
	uint64_t now_s = clock_mono_ns() / 1000000000u;

	if (now_s - limit->window_start_s >= interval_s) {
		limit->window_start_s = now_s;
		limit->n = 0;
	}
	return limit->n++ < burst;
}
