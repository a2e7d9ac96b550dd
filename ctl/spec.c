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

#define MAX_SPECS 512

static const struct ctl_spec *const groups[] = {
	ctl_spec_switches,    ctl_spec_ports,	   ctl_spec_tenants,  ctl_spec_cores,
	ctl_spec_macs,	      ctl_spec_flows,	   ctl_spec_groups,   ctl_spec_traces,
	ctl_spec_controllers, ctl_spec_configs,	   ctl_spec_captures, ctl_spec_views,
	ctl_spec_vteps,	      ctl_spec_conntracks, ctl_spec_zones,    ctl_spec_queues,
	ctl_spec_nics,	      ctl_spec_vms,	   ctl_spec_disks,    ctl_spec_filters,
	ctl_spec_acls,	      ctl_spec_guards,	   ctl_spec_qoses,    ctl_spec_mirrors,
	ctl_spec_flowrecs,    ctl_spec_teams,	   ctl_spec_vmqs,     ctl_spec_sriovs,
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

bool ctl_verb_is(const char *verb, const char *word)
{
	while (*verb != '\0' && (*verb == *word || (*verb == ' ' && *word == '-'))) {
		verb++;
		word++;
	}
	return *verb == *word;
}

const char *ctl_spec_method(const char *noun, const char *verb, char method[CTL_METHOD_SIZE])
{
	snprintf(method, CTL_METHOD_SIZE, "%s.%s", noun, verb);
	for (char *p = method; *p != '\0'; p++)
		*p = (char)(*p == ' ' ? '-' : *p);
	return method;
}

const struct ctl_spec *ctl_spec_find(const char *noun, const char *verb)
{
	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++) {
		if (strcmp(spec->noun, noun) == 0 && ctl_verb_is(spec->verb, verb))
			return spec;
	}
	return NULL;
}

bool ctl_verb_opens(const char *noun, const char *word)
{
	size_t n = strlen(word);

	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++) {
		if (strcmp(spec->noun, noun) == 0 && strncmp(spec->verb, word, n) == 0 &&
		    spec->verb[n] == ' ')
			return ctl_spec_find(noun, word) == NULL;
	}
	return false;
}

const struct ctl_spec *ctl_spec_of_words(int n, char *const words[], int *ret_n_words)
{
	const struct ctl_spec *spec = NULL;
	char verb[2 * CTL_KEY_SIZE];

	if (n >= 3 &&
	    (size_t)snprintf(verb, sizeof(verb), "%s %s", words[1], words[2]) < sizeof(verb))
		spec = ctl_spec_find(words[0], verb);
	*ret_n_words = spec != NULL ? 3 : 2;
	return spec == NULL && n >= 2 ? ctl_spec_find(words[0], words[1]) : spec;
}

const struct ctl_spec *ctl_spec_removes(const char *noun)
{
	const struct ctl_spec *spec = ctl_spec_find(noun, "remove");

	return spec != NULL ? spec : ctl_spec_find(noun, "delete");
}

/* The command that says of itself that it does this to objects of 'kind'. */
static const struct ctl_spec *declared(const char *kind, bool removes)
{
	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++) {
		const char *of = removes ? spec->removes : spec->sets;

		if (of != NULL && strcmp(of, kind) == 0)
			return spec;
	}
	return NULL;
}

const struct ctl_spec *ctl_spec_remover(const struct ctl_spec *adds)
{
	const struct ctl_spec *spec = declared(adds->kind, true);

	return spec != NULL ? spec : ctl_spec_removes(adds->noun);
}

const struct ctl_spec *ctl_spec_setter(const struct ctl_spec *adds)
{
	const struct ctl_spec *spec = declared(adds->kind, false);

	return spec != NULL ? spec : ctl_spec_find(adds->noun, "set");
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
