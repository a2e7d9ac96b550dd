/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Methods that need the guest's help: its memory, its keys, its clock, its file systems.
 */
#include "hv/worker/worker_priv.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void answer(struct control_call *call, int rc, const struct err *err)
{
	if (rc == 0)
		control_reply(call, NULL);
	else
		control_refuse(call, err);
}

static int bad_request(const char *key, const char *what, struct err *err)
{
	return err_set(err, -EINVAL, "bad-request", "'%s' must be %s", key, what);
}

/* 'target': bytes, or "auto"; 'host': how short of memory the host is, in percent.  Either. */
static int memory_set(struct worker *w, const json_t *params, struct err *err)
{
	const json_t *target = json_object_get(params, "target");
	const json_t *host = json_object_get(params, "host");
	const char *text = json_string_value(target);

	if (target == NULL && host == NULL)
		return bad_request("target", "a number of bytes or 'auto'", err);
	if (target != NULL && !json_is_integer(target) &&
	    (text == NULL || strcmp(text, "auto") != 0))
		return bad_request("target", "a number of bytes or 'auto'", err);
	if (host != NULL && (!json_is_integer(host) || json_integer_value(host) < 0 ||
			     json_integer_value(host) > 100))
		return bad_request("host", "a percentage", err);
	if (host != NULL)
		dynmem_set_host(w->dynmem, (unsigned)json_integer_value(host));
	if (text != NULL)
		dynmem_set_auto(w->dynmem);
	if (target == NULL || text != NULL)
		return 0;
	return dynmem_set_target(w->dynmem, (uint64_t)json_integer_value(target), err);
}

void call_memory_set(void *ctx, struct control_call *call)
{
	struct err err = {0};

	answer(call, memory_set(ctx, control_params(call), &err), &err);
}

/* 'key', and 'value': a text, or null to delete it. */
void call_kvp_set(void *ctx, struct control_call *call)
{
	const char *key = json_string_value(json_object_get(control_params(call), "key"));
	const json_t *value = json_object_get(control_params(call), "value");
	struct err err = {0};
	int rc;

	if (key == NULL)
		rc = bad_request("key", "a text", &err);
	else if (!json_is_string(value) && !json_is_null(value))
		rc = bad_request("value", "a text or null", &err);
	else
		rc = ics_kvp_set(((struct worker *)ctx)->ics, key, json_string_value(value), &err);
	answer(call, rc, &err);
}

void call_time_sync(void *ctx, struct control_call *call)
{
	ics_sync_time(((struct worker *)ctx)->ics);
	control_reply(call, NULL);
}

/* Both are answered by the guest; 'waiting' first, for it may do so at once. */

void call_freeze(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	struct err err = {0};
	int rc;

	if (w->freeze_call != NULL) {
		err_set(&err, -EBUSY, "wrong-state", "the guest is being frozen");
		control_refuse(call, &err);
		return;
	}
	w->freeze_call = call;
	rc = ics_freeze(w->ics, &err);
	if (rc == 0)
		return;
	w->freeze_call = NULL;
	control_refuse(call, &err);
}

void call_thaw(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	struct err err = {0};
	int rc;

	if (w->thaw_call != NULL) {
		err_set(&err, -EBUSY, "wrong-state", "the guest is being thawed");
		control_refuse(call, &err);
		return;
	}
	/* One that is not frozen yet never will be: the freezing call hears of it. */
	if (w->freeze_call == NULL)
		w->thaw_call = call;
	rc = ics_thaw(w->ics, &err);
	if (rc == 0 && w->freeze_call == NULL)
		return;
	w->thaw_call = NULL;
	answer(call, rc, &err);
}

/* Descriptor: a connected stream socket. */
void call_vsock_attach(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	json_int_t guest_port =
		json_integer_value(json_object_get(control_params(call), "guest_port"));
	json_int_t port = json_integer_value(json_object_get(control_params(call), "port"));
	int fd = control_take_fd(call, 0), rc;
	struct err err = {0};

	if (guest_port < 0 || guest_port > UINT32_MAX || port < 0 || port > UINT32_MAX) {
		rc = err_set(&err, -EINVAL, "bad-request", "a port is a number of 32 bits");
		close(fd);
	} else if (w->vsocks == NULL) {
		rc = err_set(&err, -EOPNOTSUPP, "no-vsock", "this machine has no vsock");
		close(fd);
	} else {
		rc = vsocks_attach(w->vsocks, (uint32_t)guest_port, (uint32_t)port, fd, &err);
	}
	if (rc == 0)
		control_reply(call, NULL);
	else
		control_refuse(call, &err);
}
