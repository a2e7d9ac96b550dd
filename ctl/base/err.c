/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Errors in words; see err.h.
 */
#include "ctl/base/err.h"

#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *slug, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return code;
	err->code = code;
	snprintf(err->slug, sizeof(err->slug), "%s", slug);
	va_start(ap, fmt);
	vsnprintf(err->what, sizeof(err->what), fmt, ap);
	va_end(ap);
	err->why[0] = '\0';
	err->fix[0] = '\0';
	return code;
}

void err_why(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(err->why, sizeof(err->why), fmt, ap);
	va_end(ap);
}

void err_fix(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(err->fix, sizeof(err->fix), fmt, ap);
	va_end(ap);
}
