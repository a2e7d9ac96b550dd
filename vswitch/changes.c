/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Changes of the configuration that are more than the generic add, set and remove; see changes.h.
 * Each edits the state; whether the result can run is the model's to say (model.c).
 */
#include "vswitch/changes_priv.h"

#include "vswitch/changes_acl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

/* ["100", "101", "102"] -> primary 100, secondaries "101,102" */
static void set_private(json_t *body, const char *mode, const json_t *list)
{
	const char *first = json_string_value(json_array_get(list, 0));
	char text[1024] = "";
	size_t used = 0;

	for (size_t i = 1; i < json_array_size(list) && used < sizeof(text) - 8; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i > 1 ? "," : "",
					 json_string_value(json_array_get(list, i)));
	json_object_set_new(body, "vlan_mode", json_string(mode));
	json_object_set_new(body, "vlan",
			    json_integer(first != NULL ? strtol(first, NULL, 10) : 0));
	json_object_set_new(body, "secondary", json_string(text));
}

static int vlan_set(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
		    struct err *err)
{
	static const char *const keys[] = {"vlan_mode", "vlan", "native", "allowed", "secondary"};
	static const char *const modes[] = {"access",	 "trunk",	"tunnel", "isolated",
					    "community", "promiscuous", "none"};
	json_t *body = conf_edit_get(state, "port", param(params, "port"));
	const char *mode = NULL;
	const json_t *value = NULL;
	unsigned n = 0;

	if (body == NULL)
		return conf_refuse_missing(state, "port", param(params, "port"), "", err);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (json_object_get(params, modes[i]) == NULL)
			continue;
		mode = modes[i];
		value = json_object_get(params, mode);
		n++;
	}
	if (n != 1 || (strcmp(mode, "trunk") != 0 && json_object_get(params, "native") != NULL)) {
		err_set(err, -EINVAL, "usage", "vlan set takes one mode%s",
			n == 1 ? "; --native goes with --trunk" : "");
		err_why(err,
			"a port is access, trunk, tunnel, isolated, community, promiscuous or none "
			"of these");
		err_fix(err, "vswitchctl vlan set --help");
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		json_object_del(body, keys[i]);
	if (strcmp(mode, "none") == 0) {
		json_object_set_new(body, "vlan_mode", json_string("access"));
	} else if (strcmp(mode, "trunk") == 0) {
		json_object_set_new(body, "vlan_mode", json_string("trunk"));
		json_object_set(body, "allowed", (json_t *)(uintptr_t)value);
		if (json_object_get(params, "native") != NULL)
			json_object_set(body, "native", json_object_get(params, "native"));
	} else if (json_is_array(value)) {
		set_private(body, mode, value);
	} else {
		json_object_set_new(body, "vlan_mode", json_string(mode));
		json_object_set(body, "vlan", (json_t *)(uintptr_t)value);
	}
	return 0;
}

int vs_change_not_a_nic(const char *name, const json_t *body, struct err *err)
{
	err_set(err, -EINVAL, "not-a-nic", "port %s is of kind %s, not vmbus", name,
		param(body, "kind"));
	err_why(err, "only a port of kind vmbus is the NIC of a guest");
	err_fix(err, "vswitchctl port set %s; vswitchctl nic list shows the NICs", name);
	return -EINVAL;
}

/* Words of policies that the NICs' commands take with a prefix, and the change that gets them. */
static const struct {
	const char *prefix;
	conf_change_fn fn; /* with the NIC's name as "port" */
} nic_words[] = {
	{"guard_", vs_change_guard_set},
	{"qos_", vs_change_qos_set},
	{"acl_", vs_change_port_acls},
	{"mirror_", vs_change_port_mirrors},
};

#define N_NIC_WORDS (sizeof(nic_words) / sizeof(nic_words[0]))

/* Which of them 'key' belongs to; N_NIC_WORDS: none.  Takes "guard-mac" as well. */
static size_t word_owner(const char *key)
{
	size_t i = 0;

	for (; i < N_NIC_WORDS; i++) {
		size_t n = strlen(nic_words[i].prefix) - 1;

		if (strncmp(key, nic_words[i].prefix, n) == 0 && (key[n] == '_' || key[n] == '-'))
			break;
	}
	return i;
}

/* Sorts the items of --default in the same way. */
static void split_defaults(json_t *rest, json_t *words)
{
	json_t *list = json_object_get(rest, "default"), *own = json_array(),
	       *others = json_array();
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
		json_array_append(word_owner(json_string_value(item)) < N_NIC_WORDS ? others : own,
				  item);
	json_object_del(rest, "default");
	if (json_array_size(own) > 0)
		json_object_set(rest, "default", own);
	if (json_array_size(others) > 0)
		json_object_set(words, "default", others);
	json_decref(own);
	json_decref(others);
}

json_t *vs_change_nic_split(const json_t *params, json_t **ret_words)
{
	json_t *rest = json_object(), *words = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)params, key, value)
		json_object_set(word_owner(key) < N_NIC_WORDS ? words : rest, key, value);
	split_defaults(rest, words);
	*ret_words = words;
	return rest;
}

/* Of 'words', those of one owner, under their own names. */
static json_t *words_of(const json_t *words, size_t owner)
{
	size_t n = strlen(nic_words[owner].prefix), i;
	json_t *params = json_object(), *defaults = json_array(), *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)words, key, value) {
		if (word_owner(key) == owner)
			json_object_set(params, key + n, value);
	}
	json_array_foreach(json_object_get(words, "default"), i, value) {
		if (word_owner(json_string_value(value)) == owner)
			json_array_append_new(defaults, json_string(json_string_value(value) + n));
	}
	if (json_array_size(defaults) > 0)
		json_object_set(params, "default", defaults);
	json_decref(defaults);
	return params;
}

int vs_change_nic_words(void *ctx, json_t *state, const char *name, const json_t *words,
			struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < N_NIC_WORDS; i++) {
		json_t *params = words_of(words, i), *result = NULL;

		if (json_object_size(params) > 0) {
			json_object_set_new(params, "port", json_string(name));
			rc = nic_words[i].fn(ctx, state, params, &result, err);
		}
		json_decref(result);
		json_decref(params);
	}
	return rc;
}

/* A NIC is a port; what is said of it is said of the port, also what 'port set' leaves to those who
 * make the port anew: a guest sees its NIC go and come back, as often as that. */
static int nic_set(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
		   struct err *err)
{
	const char *name = param(params, "name"), *key;
	json_t *body = conf_edit_get(state, "port", name), *own, *words, *value;
	size_t i;
	int rc;

	if (body == NULL)
		return conf_refuse_missing(state, "port", name, "", err);
	if (param(body, "kind") == NULL || strcmp(param(body, "kind"), "vmbus") != 0)
		return vs_change_not_a_nic(name, body, err);
	own = vs_change_nic_split(params, &words);
	json_object_foreach(own, key, value) {
		if (strcmp(key, "name") != 0 && strcmp(key, "default") != 0)
			json_object_set(body, key, value);
	}
	json_array_foreach(json_object_get(own, "default"), i, value) {
		json_object_del(body, strcmp(json_string_value(value), "mac-change") == 0
					      ? "mac_change"
					      : json_string_value(value));
	}
	rc = vs_change_nic_words(ctx, state, name, words, err);
	json_decref(own);
	json_decref(words);
	return rc;
}

/* A kind without objects is not in a configuration. */
static void drop_empty(json_t *state, const char *kind)
{
	if (json_object_size(json_object_get(state, kind)) == 0)
		json_object_del(state, kind);
}

/* Drops every object of 'kind' whose body says "key": value. */
unsigned vs_change_remove_where(json_t *state, const char *kind, const char *key, const char *value)
{
	json_t *objects = json_object_get(state, kind), *body;
	const char *name;
	void *tmp;
	unsigned n = 0;

	json_object_foreach_safe(objects, tmp, name, body)
	{
		if (param(body, key) == NULL || strcmp(param(body, key), value) != 0)
			continue;
		json_object_del(objects, name);
		n++;
	}
	drop_empty(state, kind);
	return n;
}

static unsigned count_where(json_t *state, const char *kind, const char *key, const char *value)
{
	json_t *objects = json_object_get(state, kind), *body;
	const char *name;
	unsigned n = 0;

	json_object_foreach(objects, name, body)
		n += param(body, key) != NULL && strcmp(param(body, key), value) == 0;
	return n;
}

void vs_change_port_gone(json_t *state, const char *name)
{
	vs_change_remove_where(state, "mac", "port", name);
	vs_change_remove_where(state, "queue", "port", name);
	vs_change_remove_where(state, "qos", "port", name);
	vs_change_remove_where(state, "attachment", "port", name);
	vs_change_mirrors_lose(state, "port", name);
	vs_change_remove_where(state, "acl-binding", "port", name);
	vs_change_remove_where(state, "guard", "port", name);
	vs_change_remove_where(state, "vmq", "port", name);
}

static void ports_gone(json_t *state, const char *sw)
{
	json_t *ports = json_object_get(state, "port"), *body;
	const char *name;

	json_object_foreach(ports, name, body) {
		if (strcmp(param(body, "switch"), sw) == 0)
			vs_change_port_gone(state, name);
	}
}

static int switch_remove(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err)
{
	const char *name = param(params, "name");
	unsigned n = count_where(state, "port", "switch", name);

	if (conf_edit_get(state, "switch", name) == NULL)
		return conf_edit_remove(state, "switch", name, err);
	if (n != 0 && !json_is_true(json_object_get(params, "with_ports"))) {
		err_set(err, -EBUSY, "switch-in-use", "cannot remove switch %s: it has %u port%s",
			name, n, n == 1 ? "" : "s");
		err_why(err, "their machines would lose their network");
		err_fix(err, "vswitchctl switch remove %s --with-ports", name);
		return -EBUSY;
	}
	vs_change_remove_where(state, "controller", "switch", name);
	vs_change_remove_where(state, "zone", "switch", name);
	vs_change_remove_where(state, "ipfix", "switch", name);
	vs_change_remove_where(state, "sflow", "switch", name);
	vs_change_remove_where(state, "mac", "switch", name);
	vs_change_remove_where(state, "attachment", "switch", name);
	vs_change_mirrors_lose(state, "switch", name);
	ports_gone(state, name);
	vs_change_remove_where(state, "port", "switch", name);
	return conf_edit_remove(state, "switch", name, err);
}

int vs_change_port_remove(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			  struct err *err)
{
	const char *name = param(params, "name");
	int rc = conf_edit_remove(state, "port", name, err);

	if (rc == 0)
		vs_change_port_gone(state, name);
	return rc;
}

static int tenant_remove(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err)
{
	const char *name = param(params, "name");
	unsigned n = count_where(state, "port", "tenant", name);

	if (n != 0) {
		err_set(err, -EBUSY, "tenant-in-use", "cannot remove tenant %s: %u port%s", name, n,
			n == 1 ? " belongs to it" : "s belong to it");
		err_why(err, "without their tenant they would meet the ports of none");
		err_fix(err,
			"vswitchctl port list --tenant %s; port set PORT --tenant OTHER, or port "
			"remove",
			name);
		return -EBUSY;
	}
	vs_change_remove_where(state, "zone", "tenant", name);
	vs_change_remove_where(state, "ipfix", "tenant", name);
	vs_change_remove_where(state, "sflow", "tenant", name);
	vs_change_remove_where(state, "qos", "tenant", name);
	vs_change_remove_where(state, "attachment", "tenant", name);
	vs_change_mirrors_lose(state, "tenant", name);
	vs_change_remove_where(state, "acl-binding", "tenant", name);
	return conf_edit_remove(state, "tenant", name, err);
}

/* An address is named by switch, MAC and perhaps VLAN and port. */
static bool mac_matches(const json_t *body, const json_t *params)
{
	static const char *const keys[] = {"switch", "mac", "port", "vlan"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *want = json_object_get(params, keys[i]);

		if (want != NULL && !json_equal(want, json_object_get(body, keys[i])))
			return false;
	}
	return true;
}

static int mac_remove(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
		      struct err *err)
{
	json_t *objects = json_object_get(state, "mac"), *body;
	const char *name;
	void *tmp;
	unsigned n = 0;

	json_object_foreach_safe(objects, tmp, name, body)
	{
		if (!mac_matches(body, params))
			continue;
		json_object_del(objects, name);
		n++;
	}
	drop_empty(state, "mac");
	if (n != 0)
		return 0;
	err_set(err, -ENOENT, "not-found", "there is no static address %s on switch %s",
		param(params, "mac"), param(params, "switch"));
	err_why(err, "a learned address is not configuration: vswitchctl mac flush forgets those");
	err_fix(err, "vswitchctl mac list --switch %s", param(params, "switch"));
	return -ENOENT;
}

const struct conf_binding vs_changes[] = {
	{"switch", "add", NULL},
	{"switch", "set", NULL},
	{"switch", "remove", switch_remove},
	{"port", "add", NULL},
	{"port", "set", NULL},
	{"port", "remove", vs_change_port_remove},
	{"tenant", "add", NULL},
	{"tenant", "set", NULL},
	{"tenant", "remove", tenant_remove},
	{"core", "add", NULL},
	{"core", "set", NULL},
	{"core", "remove", NULL},
	{"mac", "add", NULL},
	{"mac", "remove", mac_remove},
	{"conntrack", "set", NULL},
	{"zone", "add", NULL},
	{"zone", "set", NULL},
	{"zone", "remove", NULL},
	{"ipfix", "add", NULL},
	{"ipfix", "set", NULL},
	{"ipfix", "remove", NULL},
	{"sflow", "add", NULL},
	{"sflow", "set", NULL},
	{"sflow", "remove", NULL},
	{"queue", "add", NULL},
	{"queue", "set", NULL},
	{"queue", "remove", NULL},
	{"qos", "set", vs_change_qos_set},
	{"qos", "clear", vs_change_qos_clear},
	{"sriov", "vfs", vs_change_sriov_vfs},
	{"sriov", "remove", vs_change_sriov_remove},
	{"controller", "add", NULL},
	{"controller", "remove", NULL},
	{"vlan", "set", vlan_set},
	{"nic", "set", nic_set},
	{"nic", "add", vs_change_nic_add},
	{"nic", "remove", vs_change_nic_remove},
	{"vm", "create", vs_change_vm_create},
	{"vm", "set", NULL},
	{"vm", "delete", vs_change_vm_delete},
	{"disk", "add", vs_change_disk_add},
	{"disk", "remove", NULL},
	{"filter", "load", vs_change_filter_load},
	{"filter", "swap", vs_change_filter_swap},
	{"filter", "unload", vs_change_filter_unload},
	{"filter", "attach", vs_change_filter_attach},
	{"filter", "detach", vs_change_filter_detach},
	{"filter", "move", vs_change_filter_move},
	{"ipset", "add", vs_change_ipset_add},
	{"ipset", "set", vs_change_ipset_set},
	{"ipset", "remove", vs_change_ipset_remove},
	{"ipset", "include", vs_change_ipset_include},
	{"ipset", "exclude", vs_change_ipset_exclude},
	{"ipset", "load", vs_change_ipset_load},
	{"acl", "add", vs_change_acl_add},
	{"acl", "set", vs_change_acl_set},
	{"acl", "remove", vs_change_acl_remove},
	{"acl", "entry add", vs_change_acl_entry_add},
	{"acl", "entry remove", vs_change_acl_entry_remove},
	{"acl", "import", vs_change_acl_import},
	{"acl", "attach", vs_change_acl_attach},
	{"acl", "detach", vs_change_acl_detach},
	{"acl", "move", vs_change_acl_move},
	{"guard", "set", vs_change_guard_set},
	{"guard", "remove", NULL},
	{"guard", "bind", vs_change_guard_bind},
	{"guard", "unbind", vs_change_guard_unbind},
	{"vmq", "set", NULL},
	{"vmq", "remove", NULL},
	{"mirror", "add", vs_change_mirror_add},
	{"mirror", "set", vs_change_mirror_set},
	{"mirror", "remove", NULL},
	{"team", "set", vs_change_team_set},
	{"team", "join", vs_change_team_join},
	{"team", "leave", vs_change_team_leave},
	{"config", "set", NULL},
	{NULL, NULL, NULL},
};
