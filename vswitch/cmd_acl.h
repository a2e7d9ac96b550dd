/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside the commands on access lists: cmd_acl.c lists, shows and exports; cmd_acl_check.c looks
 * for mistakes and tries packets; cmd_acl_session.c has the sessions of stateful entries.
 */
#ifndef VSWITCH_CMD_ACL_H
#define VSWITCH_CMD_ACL_H

#include "vswitch/acl_words.h"
#include "vswitch/cmd.h"

/* The list that params 'name' names; NULL with the error set. */
const struct vs_acl *vs_cmd_acl(const struct vs_daemon *d, const json_t *params, struct err *err);
/* An entry as text, new reference. */
json_t *vs_acl_entry_json(const struct vs_acl_entry *e);

#define VS_ACL_COMMAND(name)                                                                       \
	int name(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,             \
		 struct err *err)
VS_ACL_COMMAND(vs_acl_check_command);
VS_ACL_COMMAND(vs_acl_test_command);
VS_ACL_COMMAND(vs_acl_session_list);
VS_ACL_COMMAND(vs_acl_session_kill);
#undef VS_ACL_COMMAND

#endif
