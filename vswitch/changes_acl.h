/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Changes of access lists and sets of addresses: changes_acl.c, changes_ipset.c.  All are
 * conf_change_fn (conf.h) unless said otherwise.
 */
#ifndef VSWITCH_CHANGES_ACL_H
#define VSWITCH_CHANGES_ACL_H

#include "vswitch/acl_words.h"

#include "ctl/conf.h"

struct ctl_call;

/* conf_ops.take: the file that came with a call is "text" of 'params'. */
int vs_change_acl_take(void *ctx, struct ctl_call *call, json_t *params, struct err *err);
/* The same of the file that 'params' name, where none came: a file of commands, which names only
 * files that everybody may read.  Borrowed from 'params'. */
int vs_change_file_text(json_t *params, const json_t **ret_text, struct err *err);
/* What errors call it. */
const char *vs_change_file_name(const json_t *params);
/* 'params' of a "set" into a body; "default" names what goes. */
int vs_change_set_body(json_t *body, const json_t *params, const char *noun, struct err *err);

#define VS_CHANGE(name)                                                                            \
	int name(void *ctx, json_t *state, const json_t *params, json_t **ret_result,              \
		 struct err *err)
VS_CHANGE(vs_change_acl_add);
VS_CHANGE(vs_change_acl_set);
VS_CHANGE(vs_change_acl_remove);
VS_CHANGE(vs_change_acl_entry_add);
VS_CHANGE(vs_change_acl_entry_remove);
VS_CHANGE(vs_change_acl_import);
VS_CHANGE(vs_change_acl_attach);
VS_CHANGE(vs_change_acl_detach);
VS_CHANGE(vs_change_acl_move);
VS_CHANGE(vs_change_ipset_add);
VS_CHANGE(vs_change_ipset_set);
VS_CHANGE(vs_change_ipset_remove);
VS_CHANGE(vs_change_ipset_include);
VS_CHANGE(vs_change_ipset_exclude);
VS_CHANGE(vs_change_ipset_load);
#undef VS_CHANGE

#endif
