/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The command table: what 'vswitchctl NOUN VERB' takes and how its answer is drawn.  One table serves the tool's
 * argument parser, --help, the man page, bash completion, the daemon's check of JSON parameters and 'config show'.
 * Tables live in ctl/spec_*.c, one file per group of nouns; ctl/spec.c joins them.  No state, any thread.
 *
 * A command's parameters are one flat JSON object whose keys are the argument names with '-' as '_'
 * ({"switch": "lan0", "name": "p1", "vlan_mode": "access"}), the same on the command line, on the socket and in the store.
 * An argument that was not given is absent.
 */
#ifndef CTL_SPEC_H
#define CTL_SPEC_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum ctl_type {
	CTL_STR,      /* JSON string */
	CTL_NAME,     /* string: [A-Za-z0-9][A-Za-z0-9._:/@-]{0,62} */
	CTL_FLAG,     /* --x, --no-x; JSON boolean */
	CTL_ONOFF,    /* "--x on|off"; JSON boolean */
	CTL_UINT,     /* integer in [min,max] */
	CTL_SIZE,     /* "10M": bytes, JSON integer; suffixes k M G (1000) and Ki Mi Gi */
	CTL_RATE,     /* "100M": bits per second, JSON integer */
	CTL_DURATION, /* "60s" "5m" "2h" "250ms": JSON integer, milliseconds */
	CTL_CHOICE,   /* one of 'choices' */
	CTL_MAC,      /* "02:00:00:00:00:01", JSON string in lower case */
	CTL_VLANS,    /* "1,5-9" or "all": JSON string, normalised */
	CTL_LIST,     /* comma separated or repeated; JSON array of strings */
	CTL_FD_OUT,   /* a file the tool opens for writing and passes as a descriptor; "-" is standard output */
	CTL_FILE,     /* a file the tool reads and sends as a JSON string */
};

#define CTL_POS (1u << 0)      /* positional, in table order */
#define CTL_REQUIRED (1u << 1)
#define CTL_REST (1u << 2)     /* positional that takes all the rest; JSON array */
#define CTL_DEVICE (1u << 3)   /* cannot be changed by 'set': the object must be removed and added */

struct ctl_arg {
	const char *name;       /* "take-address" */
	enum ctl_type type;
	uint32_t flags;
	char letter;            /* -w; 0: none */
	const char *metavar;    /* "SECONDS"; NULL: from the name */
	const char *help;       /* half a sentence, no full stop */
	const char *choices;    /* "external|internal|private" */
	const char *complete;   /* completes with live names: "switch" "port" "tenant" "core" "netns" "interface" "file" */
	int64_t min, max;       /* CTL_UINT */
	const char *def;        /* the default in words, for help; NULL: none */
};

enum ctl_align { CTL_LEFT, CTL_RIGHT };
enum ctl_show { CTL_AS_IS, CTL_AS_COUNT /* 1 234 567 */, CTL_AS_BYTES, CTL_AS_RATE, CTL_AS_AGE, CTL_AS_PERCENT };

struct ctl_col {
	const char *key;        /* in each row; "a.b" reaches into objects; arrays are joined with "," */
	const char *title;
	enum ctl_align align;
	enum ctl_show show;
};

#define CTL_CHANGES (1u << 0) /* changes the configuration: one transaction, --check, --confirm, goes to history */
#define CTL_WATCH (1u << 1)   /* -w repeats it, with rates for CTL_AS_COUNT and CTL_AS_BYTES columns */
#define CTL_STREAM (1u << 2)  /* the answer is a stream of notifications until either side closes */
#define CTL_LOCAL (1u << 3)   /* done by the tool itself (doctor's client half, completion) */

/* 'config show' writes an object of 'kind' as this command: the object's body holds exactly the command's arguments. */
struct ctl_spec {
	const char *noun, *verb;
	const char *summary;       /* one line: "Add a port to a switch" */
	const char *description;   /* paragraphs for help and man; may be NULL */
	const char *const *examples; /* NULL-ended, whole command lines, shown first in --help */
	const struct ctl_arg *args;  /* ended by .name == NULL */
	const struct ctl_col *cols;  /* ended by .key == NULL; NULL: answer drawn as "key: value" lines */
	const char *rows;            /* key of the array of rows in the answer; NULL: the answer is one object */
	const char *kind;            /* the stored object this command adds; NULL: none */
	uint32_t flags;
};

/* All commands, ended by .noun == NULL; nouns in the order help lists them. */
const struct ctl_spec *ctl_specs(void);
const struct ctl_spec *ctl_spec_find(const char *noun, const char *verb);
/* The command whose 'kind' is this ("port" -> port add); NULL when none. */
const struct ctl_spec *ctl_spec_of_kind(const char *kind);
const struct ctl_arg *ctl_spec_arg(const struct ctl_spec *spec, const char *json_key);

/* Words -> parameters.  argv[0..argc) are the words after NOUN VERB.  Checks types, ranges, required and unknown
 * arguments (with did-you-mean).  Returns 0, or -EINVAL with slug "usage" for what is not of the command's form. */
int ctl_args_parse(const struct ctl_spec *spec, int argc, char *const argv[], json_t **ret_params, struct err *err);

/* Checks and normalises parameters that came as JSON (another client, the store).  Same rules, same errors. */
int ctl_args_check(const struct ctl_spec *spec, const json_t *params, json_t **ret_params, struct err *err);

/* Parameters -> the words that produce them, shell-quoted: "port add lan0 p1 --kind tap --netns blue".
 * ctl_args_parse of its result gives 'params' back.  The caller frees. */
char *ctl_args_format(const struct ctl_spec *spec, const json_t *params);

/* Splits a line of shell words (quotes, backslash, # comments) in place of a shell.  Returns the number of words or
 * -EINVAL; the caller frees each word and the array. */
int ctl_words_split(const char *line, char ***ret_words, struct err *err);

/* The nearest of 'names' (NULL-ended) to a mistyped word, or NULL when nothing is near. */
const char *ctl_did_you_mean(const char *word, const char *const *names);

#endif
