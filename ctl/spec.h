/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The command table: what 'vswitchctl NOUN VERB' takes and how its answer is drawn.  One table
 * serves the tool's argument parser, --help, the man page, bash completion, the daemon's check of
 * JSON parameters and 'config show'. Tables live in ctl/spec_*.c, one file per group of nouns;
 * ctl/spec.c joins them.  No state, any thread.
 *
 * A command's parameters are one flat JSON object whose keys are the argument names with '-' as '_'
 * ({"switch": "lan0", "name": "p1", "vlan_mode": "access"}), the same on the command line, on the
 * socket and in the store. An argument that was not given is absent.
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
	CTL_UINT,     /* integer in [min,max] ("0x.." too) */
	CTL_SIZE,     /* "10M": bytes, JSON integer; suffixes k M G (1000) and Ki Mi Gi; of memory
			 (CTL_BINARY) both mean the latter */
	CTL_RATE,     /* "100M": bits per second, JSON integer */
	CTL_DURATION, /* "60s" "5m" "2h" "1d" "250ms": JSON integer, milliseconds */
	CTL_MICROS,   /* the same words and "50us": JSON integer, microseconds */
	CTL_CHOICE,   /* one of 'choices' */
	CTL_MAC,      /* "02:00:00:00:00:01", JSON string in lower case */
	CTL_VLANS,    /* "1,5-9" or "all": JSON string, normalised: sorted, merged */
	CTL_LIST,     /* comma separated or repeated; JSON array of strings */
	CTL_FD_OUT,   /* a file the tool opens and passes as a descriptor, "-" is standard output;
			 JSON string: its name */
	CTL_FILE,     /* a file the tool reads and sends as a JSON string */
	CTL_FD_IN,    /* a file of any length that the tool reads and passes as a descriptor, sealed
			 (base/sealed.h); JSON string: its name */
};

/* What a CTL_STR, or each item of a CTL_LIST, must look like besides. */
enum ctl_form {
	CTL_FORM_ANY,
	CTL_FORM_NAME,	       /* as CTL_NAME */
	CTL_FORM_IFNAME,       /* a Linux interface: 1 to 15 bytes, no '/' or white space */
	CTL_FORM_PATH,	       /* absolute, fits a unix socket's address */
	CTL_FORM_FILE,	       /* a file for the daemon to open: the tool makes the path absolute */
	CTL_FORM_FILE_OPTIONS, /* the same, with ",key=value" behind it */
	CTL_FORM_CIDR,	       /* "10.0.0.1/24" or "fd00::1/64" */
	CTL_FORM_PREFIX,       /* the same, or an address alone */
	CTL_FORM_MAC,	       /* as CTL_MAC, for lists */
	CTL_FORM_VLAN,	       /* "1" to "4094" */
	CTL_FORM_TENANT_VLAN,  /* "blue=100" */
	CTL_FORM_ENDPOINT,     /* "127.0.0.1:9464", "[::1]:9464" or "off" */
	CTL_FORM_RING,	       /* "10x100M": ten files of 100 MB; see ctl_ring_parse() */
};

/* Flags of an argument. */
#define CTL_POS	     (1u << 0) /* positional, in table order; may be given by name too */
#define CTL_REQUIRED (1u << 1)
#define CTL_REST     (1u << 2) /* positional that takes all the rest; JSON array of strings */
#define CTL_DEVICE   (1u << 3) /* 'set' cannot change it: the object must be removed and added */
#define CTL_OR	     (1u << 4) /* positional number: any other word is the next positional's */
#define CTL_WHOLE    (1u << 5) /* of a CTL_LIST: items may have commas, each is given by itself */
#define CTL_BINARY   (1u << 6) /* of a CTL_SIZE: k M G T are powers of 1024, as Ki Mi Gi Ti */

struct ctl_arg {
	const char *name; /* "take-address" */
	enum ctl_type type;
	uint32_t flags;
	char letter;	      /* -w; 0: none */
	const char *metavar;  /* "SECONDS"; NULL: from the name */
	const char *help;     /* half a sentence, no full stop */
	const char *choices;  /* "external|internal|private"; of each item for CTL_LIST */
	const char *complete; /* what live names complete it: "switch" "port" "nic" "tenant" "core"
				 "cpu" "capture" "filter" "revision" "netns" "interface" "file" */
	int64_t min, max; /* of a number; of the number of items of a CTL_LIST; 'max' of the bytes
			     of a CTL_FD_IN; 0, 0: none */
	const char *def;  /* the default in words, for help; NULL: none */
	enum ctl_form form;
	/* Only with another argument's value: "kind=tap|host".  Checked where the other is known:
	 * always by the command that adds an object (where its 'def' counts), otherwise when both
	 * are given. */
	const char *only;
};

enum ctl_align { CTL_LEFT, CTL_RIGHT };
enum ctl_show {
	CTL_AS_IS,
	CTL_AS_COUNT,	 /* 1 234 567 */
	CTL_AS_BYTES,	 /* bytes: 12.3 MB */
	CTL_AS_MEMORY,	 /* bytes: 256 MiB */
	CTL_AS_RATE,	 /* bits a second: 1.2 Gb/s */
	CTL_AS_AGE,	 /* seconds, real or integer: 3m12s */
	CTL_AS_PERCENT,	 /* a share of 1: 12.5% */
	CTL_AS_TIME,	 /* nanoseconds since 1970: local date and time */
	CTL_AS_DURATION, /* milliseconds: 60s */
};

struct ctl_col {
	const char *key; /* in each row; "a.b" reaches into objects; arrays are joined with "," */
	const char *title;
	enum ctl_align align;
	enum ctl_show show;
	bool id; /* -w finds a row again by these columns; none: by the first */
};

/* A further table of an answer, drawn before the main one. */
struct ctl_part {
	const char *rows; /* key of its array */
	const char *title;
	const struct ctl_col *cols;
};

/* Flags of a command.
 * CHANGES: the configuration, in one transaction; takes --check and --confirm, goes to the history.
 * WATCH: -w repeats it, with rates for CTL_AS_COUNT and CTL_AS_BYTES columns. */
#define CTL_CHANGES (1u << 0)
#define CTL_WATCH   (1u << 1)
#define CTL_STREAM  (1u << 2) /* the answer is a stream of notifications until a side closes */
#define CTL_LOCAL   (1u << 3) /* done by the tool itself (doctor's client half, completion) */
#define CTL_DEFAULT (1u << 4) /* what the noun alone means: "doctor", "top", "events" */
#define CTL_TEXT    (1u << 5) /* the answer's "text" is printed as it is ("config show") */
#define CTL_ALWAYS  (1u << 6) /* with CTL_WATCH: watches without being asked ("top") */
#define CTL_ALONE   (1u << 7) /* with CTL_DEFAULT: its words follow the noun ("trace PORT") */

/* 'config show' writes an object of 'kind' as this command: the object's body holds exactly the
 * command's arguments.  'kind' stands only on the one command that adds the object, or sets it when
 * there is always one. */
struct ctl_spec {
	/* A verb may be two words, "map dump"; "map-dump" means the same, and is what the socket
	 * calls it. */
	const char *noun, *verb;
	const char *summary;	     /* one line: "Add a port to a switch" */
	const char *description;     /* paragraphs for help and man; may be NULL */
	const char *const *examples; /* NULL-ended, whole command lines, shown first in --help */
	const struct ctl_arg *args;  /* ended by .name == NULL; never NULL */
	const struct ctl_col *cols;  /* ended by .key == NULL; NULL: as "key: value" lines */
	const char *rows; /* key of the answer's array of rows; NULL: the answer is one object */
	const char *kind; /* the stored object this command adds; NULL: none */
	uint32_t flags;
	/* JSON keys of the arguments that name the object, separated by spaces ("name", "port vlan
	 * mac"); its name in the state is their values joined with " ".  NULL with 'kind': there is
	 * one, named as its kind. */
	const char *key;
	const char *answer;	      /* the answer's JSON, for docs/control.md; NULL: {} */
	const struct ctl_part *parts; /* ended by .rows == NULL; may be NULL */
	/* The kind whose objects this command changes, or takes away, where its noun and the verbs
	 * "set", "remove" and "delete" do not say so ("filter swap": "filter"). */
	const char *sets, *removes;
};

/* All commands, ended by .noun == NULL; nouns in the order help lists them. */
const struct ctl_spec *ctl_specs(void);
const struct ctl_spec *ctl_spec_find(const char *noun, const char *verb);
/* The command that words[0..n) begin with, NOUN VERB, and how many words that took; NULL: none. */
const struct ctl_spec *ctl_spec_of_words(int n, char *const words[], int *ret_n_words);
/* Is it this verb? A '-' in 'word' may stand for a space. */
bool ctl_verb_is(const char *verb, const char *word);
/* Does a verb of two words begin with this one, and is it none itself? */
bool ctl_verb_opens(const char *noun, const char *word);
/* What the socket calls the command: "filter.map-dump". */
#define CTL_METHOD_SIZE 96
const char *ctl_spec_method(const char *noun, const char *verb, char method[CTL_METHOD_SIZE]);
/* Has the noun one command, whose verb nobody writes? */
bool ctl_spec_is_alone(const char *noun);
/* The command that takes a noun's objects away: its "remove" or "delete"; NULL when none. */
const struct ctl_spec *ctl_spec_removes(const char *noun);
/* The command that takes away, or changes, objects of the kind that 'adds' adds; NULL: none. */
const struct ctl_spec *ctl_spec_remover(const struct ctl_spec *adds);
const struct ctl_spec *ctl_spec_setter(const struct ctl_spec *adds);
/* What a noun alone means, or NULL. */
const struct ctl_spec *ctl_spec_default(const char *noun);
/* The command whose 'kind' is this ("port" -> port add); NULL when none. */
const struct ctl_spec *ctl_spec_of_kind(const char *kind);
const struct ctl_arg *ctl_spec_arg(const struct ctl_spec *spec, const char *json_key);
/* An argument's JSON key ("take-address" -> "take_address"). */
#define CTL_KEY_SIZE 48
const char *ctl_arg_key(const struct ctl_arg *arg, char key[CTL_KEY_SIZE]);
/* The name in the state of an object with these parameters ("p1"); NULL when a key argument is
 * missing.  The caller frees. */
char *ctl_spec_object_name(const struct ctl_spec *spec, const json_t *params);

/* Words -> parameters.  argv[0..argc) are the words after NOUN VERB.  Checks types, ranges,
 * required and unknown arguments (with did-you-mean).  A CTL_FILE argument holds the path until the
 * caller puts the file's text there. Returns 0, or -EINVAL with slug "usage" for what is not of the
 * command's form. */
int ctl_args_parse(const struct ctl_spec *spec, int argc, char *const argv[], json_t **ret_params,
		   struct err *err);

/* Checks and normalises parameters that came as JSON (another client, the store).  Same rules, same
 * errors. */
int ctl_args_check(const struct ctl_spec *spec, const json_t *params, json_t **ret_params,
		   struct err *err);

/* Drops parameters that 'only' forbids beside the others: what is left over when 'port set
 * --vlan-mode' changed a mode. */
void ctl_args_prune(const struct ctl_spec *spec, json_t *params);

/* Parameters -> the words that produce them, shell-quoted: "port add lan0 p1 --kind tap --netns
 * blue". ctl_args_parse of its result gives 'params' back.  The caller frees. */
char *ctl_args_format(const struct ctl_spec *spec, const json_t *params);

/* Splits a line of shell words (quotes, backslash, # comments) in place of a shell.  Returns the
 * number of words or -EINVAL; the caller frees each word and the array (ctl_words_free()). */
int ctl_words_split(const char *line, char ***ret_words, struct err *err);
void ctl_words_free(char **words);

/* The nearest of 'names' (NULL-ended) to a mistyped word, or NULL when nothing is near. */
const char *ctl_did_you_mean(const char *word, const char *const *names);
/* "WHO: there is no NOUN 'NAME'", with the nearest of 'names' (NULL-ended, those of 'total' that
 * are to be compared), or how one is made; 'who' may be "".  Returns -ENOENT. */
int ctl_refuse_missing(const char *noun, const char *name, const char *const *names, size_t total,
		       const char *who, struct err *err);

/* Values as the arguments take them.  0, or -EINVAL with 'err' set.  Bit n of the set is VLAN n;
 * "all" is 1 to 4094. */
#define CTL_VLAN_WORDS 64
int ctl_vlans_parse(const char *text, uint64_t ret_set[CTL_VLAN_WORDS], struct err *err);
char *ctl_vlans_format(const uint64_t set[CTL_VLAN_WORDS]); /* the caller frees */
int ctl_mac_parse(const char *text, uint8_t ret_mac[6], struct err *err);
#define CTL_MAX_RING 10000 /* files */
int ctl_ring_parse(const char *text, unsigned *ret_n_files, uint64_t *ret_size, struct err *err);

#endif
