/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Joins the groups of commands into one table and finds in it.
 */
#include "ctl/spec.h"
#include "ctl/spec_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SPECS 192

static const struct ctl_spec *const groups[] = {
	ctl_spec_switches,    ctl_spec_ports,	   ctl_spec_tenants,  ctl_spec_cores,
	ctl_spec_macs,	      ctl_spec_flows,	   ctl_spec_groups,   ctl_spec_traces,
	ctl_spec_controllers, ctl_spec_configs,	   ctl_spec_captures, ctl_spec_views,
	ctl_spec_vteps,	      ctl_spec_conntracks, ctl_spec_zones,    ctl_spec_queues,
	ctl_spec_nics,	      ctl_spec_vms,	   ctl_spec_disks,
};

/* Filled once from the constant groups and never changed again. */
static struct ctl_spec specs[MAX_SPECS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void join(void)
{
	size_t n = 0;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		for (const struct ctl_spec *spec = groups[i];
		     spec->noun != NULL && n < MAX_SPECS - 1; spec++)
			specs[n++] = *spec;
	}
}

const struct ctl_spec *ctl_specs(void)
{
	pthread_once(&once, join);
	return specs;
}

const struct ctl_spec *ctl_spec_find(const char *noun, const char *verb)
{
	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++) {
		if (strcmp(spec->noun, noun) == 0 && strcmp(spec->verb, verb) == 0)
			return spec;
	}
	return NULL;
}

const struct ctl_spec *ctl_spec_removes(const char *noun)
{
	const struct ctl_spec *spec = ctl_spec_find(noun, "remove");

	return spec != NULL ? spec : ctl_spec_find(noun, "delete");
}

bool ctl_spec_is_alone(const char *noun)
{
	const struct ctl_spec *spec = ctl_spec_default(noun);

	return spec != NULL && (spec->flags & CTL_ALONE) != 0;
}

const struct ctl_spec *ctl_spec_default(const char *noun)
{
	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++) {
		if (strcmp(spec->noun, noun) == 0 && (spec->flags & CTL_DEFAULT))
			return spec;
	}
	return NULL;
}

const struct ctl_spec *ctl_spec_of_kind(const char *kind)
{
	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++) {
		if (spec->kind != NULL && strcmp(spec->kind, kind) == 0)
			return spec;
	}
	return NULL;
}

/* One part of a name: the value as its word. */
static int put_part(FILE *f, const struct ctl_spec *spec, const char *key, const json_t *params)
{
	const struct ctl_arg *arg = ctl_spec_arg(spec, key);
	const json_t *value = json_object_get(params, key);
	char *word;

	if (arg == NULL)
		return -1;
	/* An optional part that is absent, such as the VLAN of an address, is a part too. */
	if (value == NULL && (arg->flags & CTL_REQUIRED))
		return -1;
	word = value != NULL ? ctl_value_format(arg, value) : strdup("-");
	if (word != NULL)
		fprintf(f, "%s%s", ftell(f) > 0 ? " " : "", word);
	free(word);
	return word != NULL ? 0 : -1;
}

char *ctl_spec_object_name(const struct ctl_spec *spec, const json_t *params)
{
	char keys[128], *save = NULL, *name = NULL;
	size_t size = 0;
	int rc = 0;
	FILE *f;

	if (spec->kind == NULL || spec->key == NULL)
		return spec->kind != NULL ? strdup(spec->kind) : NULL;
	f = open_memstream(&name, &size);
	if (f == NULL)
		return NULL;
	snprintf(keys, sizeof(keys), "%s", spec->key);
	for (char *key = strtok_r(keys, " ", &save); rc == 0 && key != NULL;
	     key = strtok_r(NULL, " ", &save))
		rc = put_part(f, spec, key, params);
	if (fclose(f) != 0 || rc != 0) {
		free(name);
		return NULL;
	}
	return name;
}
