/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Methods about disks.
 */
#include "hv/worker/worker_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* What a request has besides what it is about. */
static json_t *without_envelope(const json_t *packet)
{
	json_t *copy = json_copy((json_t *)(uintptr_t)packet);

	if (copy != NULL) {
		json_object_del(copy, "id");
		json_object_del(copy, "method");
	}
	return copy;
}

/* As in the configuration, but for the path: the image is the descriptor. */
static int disk_add(struct worker *w, struct control_call *call, struct err *err)
{
	json_t *params = without_envelope(control_params(call));
	int fd = control_take_fd(call, 0);
	struct worker_disk_config config;
	int rc = worker_disk_parse(params, "disk", &config, err);

	if (rc == 0) {
		rc = disks_add(w->disks, &config, fd, err);
		worker_disk_fini(&config);
	}
	close(fd);
	json_decref(params);
	return rc;
}

void call_disk_add(void *ctx, struct control_call *call)
{
	struct err err = {0};
	int rc = disk_add(ctx, call, &err);

	if (rc == 0)
		control_reply(call, NULL);
	else
		control_refuse(call, &err);
}

static const char *name_of(const struct control_call *call)
{
	const char *name = json_string_value(json_object_get(control_params(call), "name"));

	return name != NULL ? name : "";
}

/* Nothing of it is in use any more. */
static void on_removed(void *arg)
{
	control_reply(arg, NULL);
}

void call_disk_remove(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	struct err err = {0};

	if (disks_remove(w->disks, name_of(call), on_removed, call, &err) != 0)
		control_refuse(call, &err);
}

void call_disk_resize(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	struct err err = {0};
	uint64_t size = 0;

	if (disks_resize(w->disks, name_of(call), &size, &err) == 0)
		control_reply(call, json_pack("{sI}", "size", (json_int_t)size));
	else
		control_refuse(call, &err);
}
