/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Building messages, and errors there and back.  An errno travels by its name, since numbers differ
 * between machines.
 */
#include "ctl/jsonrpc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_ERRNO 4095 /* The kernel's. */

/* Words of an error may end within a character, where they were cut to fit. */
static json_t *text_json(const char *text)
{
	json_t *json = json_string(text);
	char plain[sizeof(((struct err *)NULL)->what)];

	if (json != NULL)
		return json;
	snprintf(plain, sizeof(plain), "%s", text);
	for (char *p = plain; *p != '\0'; p++) {
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	}
	return json_string(plain);
}

static json_t *id_json(const json_t *id)
{
	return id != NULL ? json_deep_copy(id) : json_null();
}

static const char *errno_name(int rc)
{
	const char *name = strerrorname_np(-rc);

	return name != NULL ? name : "EIO";
}

static int errno_value(const char *name)
{
	for (int i = 1; name != NULL && i <= MAX_ERRNO; i++) {
		const char *known = strerrorname_np(i);

		if (known != NULL && strcmp(known, name) == 0)
			return i;
	}
	return EIO;
}

json_t *jsonrpc_answer(const json_t *id, json_t *result)
{
	return json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id", id_json(id), "result", result);
}

json_t *jsonrpc_error(const json_t *id, enum jsonrpc_code code, const struct err *err)
{
	return json_pack("{s:s, s:o, s:{s:i, s:o, s:{s:s, s:o, s:o, s:o, s:o}}}", "jsonrpc", "2.0",
			 "id", id_json(id), "error", "code", (int)code, "message",
			 text_json(err->what), "data", "errno", errno_name(err->code), "slug",
			 text_json(err->slug), "what", text_json(err->what), "why",
			 text_json(err->why), "fix", text_json(err->fix));
}

json_t *jsonrpc_notification(const char *noun, const char *verb, const json_t *params,
			     const json_t *call, uint64_t lost, bool end)
{
	/* Not one that the caller may change: jansson counts references, it does not freeze. */
	json_t *shared = json_incref((json_t *)(uintptr_t)params);
	char method[2 * JSONRPC_MAX_METHOD + 2];

	snprintf(method, sizeof(method), "%s.%s", noun, verb);
	/* "map dump" is "map-dump" here. */
	for (char *p = method; *p != '\0'; p++)
		*p = (char)(*p == ' ' ? '-' : *p);
	return json_pack("{s:s, s:s, s:o*, s:{s:o, s:o*, s:o*}}", "jsonrpc", "2.0", "method",
			 method, "params", shared, "vswitch", "call", id_json(call), "lost",
			 lost > 0 ? json_integer((json_int_t)lost) : NULL, "end",
			 end ? json_true() : NULL);
}

static void copy_text(const json_t *data, const char *name, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(data, name));

	snprintf(ret, size, "%s", text != NULL ? text : "");
}

int jsonrpc_error_read(const json_t *error, struct err *err)
{
	const json_t *data = json_object_get(error, "data");
	int rc = -errno_value(json_string_value(json_object_get(data, "errno")));

	if (err == NULL)
		return rc;
	err->code = rc;
	copy_text(data, "slug", err->slug, sizeof(err->slug));
	copy_text(error, "message", err->what, sizeof(err->what));
	copy_text(data, "why", err->why, sizeof(err->why));
	copy_text(data, "fix", err->fix, sizeof(err->fix));
	return rc;
}
