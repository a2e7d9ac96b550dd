/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Changes of how many VFs adapters have; see changes.h.
 */
#include "vswitch/changes_priv.h"

#include <errno.h>
#include <string.h>

/* Says the number of an adapter, whether or not one was said before. */
int vs_change_sriov_vfs(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err)
{
	const char *pf = json_string_value(json_object_get(params, "pf"));
	json_t *body = conf_edit_get(state, "sriov", pf);

	if (body == NULL)
		return conf_edit_add(state, "sriov", pf, json_deep_copy(params), err);
	json_object_set(body, "vfs", json_object_get(params, "vfs"));
	return 0;
}

int vs_change_sriov_remove(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			   struct err *err)
{
	return conf_edit_remove(state, "sriov", json_string_value(json_object_get(params, "pf")),
				err);
}
