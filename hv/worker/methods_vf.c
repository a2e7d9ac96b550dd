/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Methods for the machine's VFs: docs/vmworker.md.
 */
#include "hv/worker/worker_priv.h"

#include <errno.h>
#include <unistd.h>

static void answer(struct control_call *call, int rc, const struct err *err)
{
	if (rc == 0)
		control_reply(call, NULL);
	else
		control_refuse(call, err);
}

/* The descriptors are the caller's to close if it fails. */
static int read_spec(const json_t *params, struct function_spec *ret_spec, struct err *err)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	const char *address = json_string_value(json_object_get(params, "address"));
	json_int_t serial = json_integer_value(json_object_get(params, "serial"));

	if (name == NULL || address == NULL)
		return err_set(err, -EINVAL, "bad-request", "'%s' must be a text",
			       name == NULL ? "name" : "address");
	if (serial < 1 || serial > UINT32_MAX)
		return err_set(err, -EINVAL, "bad-request", "'serial' must be 1 to %u", UINT32_MAX);
	ret_spec->name = name;
	ret_spec->address = address;
	ret_spec->serial = (uint32_t)serial;
	return 0;
}

/* Descriptors: container, group, device. */
void call_vf_attach(void *ctx, struct control_call *call)
{
	struct function_spec spec = {.fds = {.container = control_take_fd(call, 0),
					     .group = control_take_fd(call, 1),
					     .device = control_take_fd(call, 2)}};
	struct err err = {0};
	int rc = read_spec(control_params(call), &spec, &err);

	if (rc == 0) {
		rc = functions_attach(((struct worker *)ctx)->functions, &spec, &err);
	} else {
		close(spec.fds.container);
		close(spec.fds.group);
		close(spec.fds.device);
	}
	answer(call, rc, &err);
}

static void on_detached(void *ctx, bool ejected)
{
	control_reply(ctx, json_pack("{sb}", "ejected", ejected));
}

/* Answered when the device is free. */
void call_vf_detach(void *ctx, struct control_call *call)
{
	const char *name = json_string_value(json_object_get(control_params(call), "name"));
	struct err err = {0};

	if (name == NULL) {
		err_set(&err, -EINVAL, "bad-request", "'name' must be a text");
		control_refuse(call, &err);
	} else if (functions_detach(((struct worker *)ctx)->functions, name, on_detached, call,
				    &err) != 0) {
		control_refuse(call, &err);
	}
}
