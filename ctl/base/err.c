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
	memset(err->about, 0, sizeof(err->about));
	return code;
}

void err_about(struct err *err, const char *kind, const char *name)
{
	for (size_t i = 0; err != NULL && i < sizeof(err->about) / sizeof(err->about[0]); i++) {
		if (err->about[i].kind[0] != '\0')
			continue;
		snprintf(err->about[i].kind, sizeof(err->about[i].kind), "%s", kind);
		snprintf(err->about[i].name, sizeof(err->about[i].name), "%s", name);
		return;
	}
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
