/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at sets of addresses; see cmd.h.
 */
#include "vswitch/acl_words.h"
#include "vswitch/cmd.h"

#include "ctl/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static const struct vs_acl_set *find(const struct vs_daemon *d, const json_t *params,
				     struct err *err)
{
	const struct vs_acl_conf *conf = vs_acl_conf(d->vs->model);
	const char *name = param(params, "name");

	for (unsigned i = 0; conf != NULL && name != NULL && i < conf->n_sets; i++)
		if (strcmp(conf->sets[i].name, name) == 0)
			return &conf->sets[i];
	(void)conf_refuse_missing(conf_state(d->conf), "ipset", name, "", err);
	return NULL;
}

static bool names(const struct vs_acl *acl, const struct vs_acl_set *set)
{
	for (uint32_t i = 0; i < acl->n; i++)
		if (acl->entries[i].src.set == set || acl->entries[i].dst.set == set)
			return true;
	return false;
}

/* The lists that name it. */
static json_t *used_by(const struct vs_acl_conf *conf, const struct vs_acl_set *set)
{
	json_t *lists = json_array();

	for (unsigned i = 0; i < conf->n_acls; i++)
		if (names(&conf->acls[i], set))
			json_array_append_new(lists, json_string(conf->acls[i].name));
	return lists;
}

static json_t *row(const struct vs_daemon *d, const struct vs_acl_set *set)
{
	const char *text = param(conf_object(d->conf, "ipset", set->name), "description");

	return json_pack("{ss sI so ss}", "ipset", set->name, "addresses", (json_int_t)set->n,
			 "used_by", used_by(vs_acl_conf(d->vs->model), set), "description",
			 text != NULL ? text : "");
}

static int ipset_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_acl_conf *conf = vs_acl_conf(d->vs->model);
	json_t *rows = json_array();

	for (unsigned i = 0; conf != NULL && i < conf->n_sets; i++)
		json_array_append_new(rows, row(d, &conf->sets[i]));
	*ret = json_pack("{so}", "ipsets", rows);
	return 0;
}

static int ipset_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_acl_set *set = find(d, params, err);
	const json_t *limit = json_object_get(params, "limit");
	uint64_t max = limit != NULL ? (uint64_t)json_integer_value(limit) : 1000;
	char text[VS_ACL_PREFIX_SIZE];
	json_t *rows;

	if (set == NULL)
		return -ENOENT;
	rows = json_array();
	for (uint32_t i = 0; i < set->n && (max == 0 || i < max); i++)
		json_array_append_new(rows,
				      json_pack("{ss}", "address",
						vs_acl_prefix_format(&set->prefixes[i], text)));
	*ret = row(d, set);
	json_object_set_new(*ret, "members", rows);
	return 0;
}

static int ipset_test(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	const struct vs_acl_set *set = find(ctx, params, err);
	const char *address = param(params, "address"), *why;
	const struct vs_acl_prefix *by;
	struct vs_acl_prefix p = {0};
	char text[VS_ACL_PREFIX_SIZE];

	if (set == NULL)
		return -ENOENT;
	why = vs_acl_prefix_read(address, strlen(address), &p);
	if (why == NULL && p.len != (p.ip.v6 ? 128 : 32))
		why = "more than one address";
	if (why != NULL)
		return err_set(err, -EINVAL, "bad-address", "'%.64s' is %s", address, why);
	by = vs_acl_set_find(set, &p.ip);
	*ret = json_pack("{sb so}", "member", by != NULL, "by",
			 by != NULL ? json_string(vs_acl_prefix_format(by, text)) : json_null());
	return 0;
}

const struct ctl_binding vs_cmd_ipsets[] = {
	{"ipset", "list", ipset_list},
	{"ipset", "show", ipset_show},
	{"ipset", "test", ipset_test},
	{NULL, NULL, NULL},
};
