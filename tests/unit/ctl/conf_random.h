/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random configurations, made from the command table alone: whatever a command takes, with values
 * at and between their limits.  What the table's own check refuses is not made.
 */
#ifndef TESTS_UNIT_CTL_CONF_RANDOM_H
#define TESTS_UNIT_CTL_CONF_RANDOM_H

#include "tests/unit/ctl/store_support.h"

#include "ctl/spec.h"

static inline json_t *random_choice(struct random *r, const char *choices)
{
	unsigned n = 1, pick;
	const char *p = choices;

	for (const char *c = choices; *c != '\0'; c++)
		n += *c == '|';
	for (pick = random_below(r, n); pick > 0; pick--)
		p = strchr(p, '|') + 1;
	return json_stringn(p, strcspn(p, "|"));
}

static inline json_t *random_number(struct random *r, int64_t min, int64_t max)
{
	if (max <= min)
		max = INT64_C(1) << 40;
	switch (random_below(r, 4)) {
	case 0:
		return json_integer(min);
	case 1:
		return json_integer(max);
	default:
		return json_integer(min + (int64_t)(random_u64(r) % (uint64_t)(max - min + 1)));
	}
}

/* Any text a person could store: quotes, spaces, what a shell would take for its own, other
 * alphabets. */
static inline json_t *random_string(struct random *r)
{
	static const char *const parts[] = {"a",  "Z",	"0", " ",	 "'",
					    "\"", "\\", "#", "$HOME",	 "--",
					    "=",  ";",	"|", "\xc3\xa4", "\xe8\xaa\x9e",
					    "!",  "*",	"-", ",",	 "~"};
	char text[64] = "";

	for (unsigned n = 1 + random_below(r, 8); n > 0; n--)
		strcat(text, parts[random_below(r, sizeof(parts) / sizeof(parts[0]))]);
	return json_string(text);
}

static inline json_t *random_name(struct random *r)
{
	static const char *const names[] = {"p1", "p2",	  "p10", "lan0", "blue", "a.b_c:d/e@f-g",
					    "0",  "port", "list"};

	return json_string(names[random_below(r, sizeof(names) / sizeof(names[0]))]);
}

static inline json_t *random_form(struct random *r, enum ctl_form form)
{
	char text[64];

	switch (form) {
	case CTL_FORM_ANY:
		return random_string(r);
	case CTL_FORM_NAME:
		return random_name(r);
	case CTL_FORM_IFNAME:
		return json_string(random_below(r, 2) ? "eth0" : "a-b'c\"#");
	case CTL_FORM_PATH:
		return json_string(random_below(r, 2) ? "/run/x.sock" : "/tmp/with space/'quote'");
	case CTL_FORM_FILE:
		return json_string(random_below(r, 2) ? "/boot/vmlinuz"
						      : "/srv/with 'quote', comma");
	case CTL_FORM_FILE_OPTIONS:
		return json_string(random_below(r, 2) ? "/srv/a.img"
						      : "/srv/a.img,name=b,readonly");
	case CTL_FORM_CIDR:
		snprintf(text, sizeof(text), "10.%u.0.1/%u", random_below(r, 256),
			 random_below(r, 33));
		return json_string(random_below(r, 2) ? text : "fd00::1/64");
	case CTL_FORM_PREFIX:
		return json_string(random_below(r, 2) ? "10.0.0.5" : "fd00::/64");
	case CTL_FORM_MAC:
		return json_string("02:00:00:00:00:01");
	case CTL_FORM_VLAN:
		snprintf(text, sizeof(text), "%u", 1 + random_below(r, 4094));
		return json_string(text);
	case CTL_FORM_TENANT_VLAN:
		snprintf(text, sizeof(text), "blue%u=%u", random_below(r, 9),
			 1 + random_below(r, 4094));
		return json_string(text);
	case CTL_FORM_ENDPOINT:
		return json_string(random_below(r, 2) ? "127.0.0.1:9464" : "[::1]:80");
	case CTL_FORM_RING:
		return json_string("10x100M");
	}
	return NULL;
}

static inline json_t *random_vlans(struct random *r)
{
	uint64_t set[CTL_VLAN_WORDS] = {0};
	json_t *value;
	char *text;

	for (unsigned n = 1 + random_below(r, 5); n > 0; n--) {
		unsigned first = 1 + random_below(r, 4000);

		for (unsigned v = first; v < first + 1 + random_below(r, 3) * 20; v++)
			set[v / 64] |= UINT64_C(1) << (v % 64);
	}
	text = ctl_vlans_format(set);
	value = json_string(random_below(r, 8) == 0 ? "all" : text);
	free(text);
	return value;
}

static inline json_t *random_list(struct random *r, const struct ctl_arg *arg)
{
	json_t *list = json_array();
	unsigned n = arg->min > 0 ? (unsigned)arg->min : 1 + random_below(r, 3);

	while (n-- > 0)
		json_array_append_new(list, arg->choices != NULL ? random_choice(r, arg->choices)
								 : random_form(r, arg->form));
	return list;
}

static inline json_t *random_value(struct random *r, const struct ctl_arg *arg)
{
	char text[32];

	switch (arg->type) {
	case CTL_NAME:
		return random_name(r);
	case CTL_STR:
		return random_form(r, arg->form);
	case CTL_FLAG:
	case CTL_ONOFF:
		return json_boolean(random_below(r, 2));
	case CTL_UINT:
	case CTL_SIZE:
	case CTL_RATE:
	case CTL_DURATION:
	case CTL_MICROS:
		return random_number(r, arg->min, arg->max);
	case CTL_CHOICE:
		return random_choice(r, arg->choices);
	case CTL_MAC:
		snprintf(text, sizeof(text), "02:00:00:%02x:%02x:%02x", random_below(r, 256),
			 random_below(r, 256), random_below(r, 4));
		return json_string(text);
	case CTL_VLANS:
		return random_vlans(r);
	case CTL_LIST:
		return random_list(r, arg);
	case CTL_FD_OUT:
	case CTL_FD_IN:
	case CTL_FILE:
		break;
	}
	return NULL;
}

/* Parameters for the command, or NULL when the dice made what it refuses. */
static inline json_t *random_params(struct random *r, const struct ctl_spec *spec)
{
	json_t *params = json_object(), *checked = NULL;
	unsigned sparse = 1 + random_below(r, 4);
	char key[CTL_KEY_SIZE];

	for (const struct ctl_arg *arg = spec->args; arg->name != NULL; arg++) {
		json_t *value;

		if (strcmp(arg->name, "default") == 0 ||
		    (!(arg->flags & CTL_REQUIRED) && random_below(r, sparse) != 0))
			continue;
		value = random_value(r, arg);
		if (value != NULL)
			json_object_set_new(params, ctl_arg_key(arg, key), value);
	}
	ctl_args_prune(spec, params);
	ctl_args_check(spec, params, &checked, NULL);
	json_decref(params);
	return checked;
}

/* A few objects of every kind there is. */
static inline json_t *random_configuration(struct random *r, unsigned max_each)
{
	json_t *state = json_object();

	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++) {
		if (spec->kind == NULL)
			continue;
		for (unsigned n = random_below(r, max_each + 1); n > 0; n--) {
			json_t *params = random_params(r, spec);
			char *name = params != NULL ? ctl_spec_object_name(spec, params) : NULL;

			if (name == NULL || json_object_size(params) == 0)
				json_decref(params);
			else
				assert_int_equal(state_put(state, spec->kind, name, params), 0);
			free(name);
		}
	}
	return state;
}

#endif
