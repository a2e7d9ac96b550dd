/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at controllers; see cmd.h.
 */
#include "vswitch/cmd.h"

#include "vswitch/controllers.h"

#include <errno.h>

static int controller_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			   struct err *err)
{
	const struct vs_daemon *d = ctx;
	const char *sw = json_string_value(json_object_get(params, "switch"));

	if (sw != NULL && vs_cmd_switch(d, params, "switch", err) == NULL)
		return -ENOENT;
	*ret = json_pack("{so}", "controllers", vs_controllers_list(d->vs, sw));
	return 0;
}

const struct ctl_binding vs_cmd_controllers[] = {
	{"controller", "list", controller_list},
	{NULL, NULL, NULL},
};
