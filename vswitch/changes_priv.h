/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside the changes of the configuration: changes.c has the switch's, changes_vm.c those of VMs.
 * All are conf_change_fn (conf.h) unless said otherwise.
 */
#ifndef VSWITCH_CHANGES_PRIV_H
#define VSWITCH_CHANGES_PRIV_H

#include "vswitch/changes.h"

/* What belongs to a port goes with it; no conf_change_fn. */
void vs_change_port_gone(json_t *state, const char *name);
/* Says that the port of this body is none of kind vmbus; no conf_change_fn.  Returns -EINVAL. */
int vs_change_not_a_nic(const char *name, const json_t *body, struct err *err);
int vs_change_port_remove(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			  struct err *err);

/* Drops every object of 'kind' whose body says "key": value; returns how many.  No
 * conf_change_fn. */
unsigned vs_change_remove_where(json_t *state, const char *kind, const char *key,
				const char *value);

/* changes_filter.c */
int vs_change_filter_load(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			  struct err *err);
int vs_change_filter_swap(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			  struct err *err);
int vs_change_filter_unload(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			    struct err *err);
int vs_change_filter_attach(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			    struct err *err);
int vs_change_filter_detach(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			    struct err *err);
int vs_change_filter_move(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			  struct err *err);

/* changes_qos.c */
int vs_change_qos_set(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
		      struct err *err);
int vs_change_qos_clear(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err);

/* changes_guard.c; of 'set', also what 'nic add' and 'nic set' say with "guard-" before it */
int vs_change_guard_set(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err);
int vs_change_guard_bind(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err);
int vs_change_guard_unbind(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			   struct err *err);

/* changes_nic_words.c: "acl-ingress", "acl-egress" and "mirror-by" of those */
int vs_change_port_acls(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err);
int vs_change_port_mirrors(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			   struct err *err);

/* changes.c.  'nic add' and 'nic set' take words of policies with a prefix ("guard-mac"): moves
 * those out of 'params' (a copy), under their own names, and hands them to the policies' changes.
 * 'name' is the NIC's port, which is in 'state'. */
int vs_change_nic_words(void *ctx, json_t *state, const char *name, const json_t *words,
			struct err *err);
/* A copy of 'params' without such words; they are in *ret_words (both new references). */
json_t *vs_change_nic_split(const json_t *params, json_t **ret_words);

/* changes_team.c */
int vs_change_team_set(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
		       struct err *err);
int vs_change_team_join(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err);
int vs_change_team_leave(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err);

/* changes_mirror.c */
int vs_change_mirror_add(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err);
int vs_change_mirror_set(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err);
/* A "port", "tenant" or "switch" goes: mirrors of it and nothing else go, too.  No
 * conf_change_fn. */
void vs_change_mirrors_lose(json_t *state, const char *kind, const char *name);

/* changes_sriov.c */
int vs_change_sriov_vfs(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err);
int vs_change_sriov_remove(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			   struct err *err);

int vs_change_vm_create(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err);
int vs_change_vm_delete(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err);
int vs_change_nic_add(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
		      struct err *err);
int vs_change_nic_remove(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err);
int vs_change_disk_add(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
		       struct err *err);

#endif
