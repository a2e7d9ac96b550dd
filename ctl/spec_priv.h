/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of the command table share: the groups of commands, single values, and words.
 */
#ifndef CTL_SPEC_PRIV_H
#define CTL_SPEC_PRIV_H

#include "ctl/spec.h"

/* Each group is ended by .noun == NULL. */
extern const struct ctl_spec ctl_spec_switches[], ctl_spec_ports[], ctl_spec_tenants[],
	ctl_spec_cores[], ctl_spec_macs[], ctl_spec_flows[], ctl_spec_groups[],
	ctl_spec_controllers[], ctl_spec_configs[], ctl_spec_captures[], ctl_spec_traces[],
	ctl_spec_views[], ctl_spec_vteps[], ctl_spec_conntracks[], ctl_spec_zones[],
	ctl_spec_queues[], ctl_spec_nics[], ctl_spec_vms[], ctl_spec_disks[], ctl_spec_filters[],
	ctl_spec_acls[], ctl_spec_guards[], ctl_spec_qoses[], ctl_spec_mirrors[],
	ctl_spec_flowrecs[], ctl_spec_teams[], ctl_spec_vmqs[], ctl_spec_sriovs[];

/* Arguments that many commands have: which switch or port, or all of them. */
#define CTL_NAMED(arg, what, more, text)                                                           \
	{                                                                                          \
		.name = (arg), .type = CTL_NAME, .flags = CTL_POS | (more), .complete = (what),    \
		.help = (text)                                                                     \
	}
#define CTL_THE_SWITCH(arg) CTL_NAMED(arg, "switch", CTL_REQUIRED, "the switch")
#define CTL_ONE_SWITCH(arg) CTL_NAMED(arg, "switch", 0, "one switch; all without it")
#define CTL_THE_PORT(arg)   CTL_NAMED(arg, "port", CTL_REQUIRED, "the port")
#define CTL_ONE_PORT(arg)   CTL_NAMED(arg, "port", 0, "one port; all without it")

#define CTL_MAX_STR   4095
#define CTL_MAX_ITEMS 4096

/* How errors call an argument: "--mtu", or "NAME" when it is positional. */
#define CTL_LABEL_SIZE (CTL_KEY_SIZE + 2)
const char *ctl_arg_label(const struct ctl_arg *arg, char label[CTL_LABEL_SIZE]);
/* "PORT", "N": what stands for the value in help. */
const char *ctl_arg_metavar(const struct ctl_arg *arg, char buf[CTL_LABEL_SIZE]);

/* "on|off|watch": all that an option takes, where that is short; else NULL. */
const char *ctl_arg_words(const struct ctl_arg *arg);

/* A word as the argument's JSON, not checked beyond what the conversion needs; for CTL_LIST and
 * CTL_REST, an array. */
int ctl_value_parse(const struct ctl_arg *arg, const char *word, json_t **ret_value,
		    struct err *err);
/* Checks type, range and form; returns the normal form as a new reference. */
int ctl_value_check(const struct ctl_arg *arg, const json_t *value, json_t **ret_value,
		    struct err *err);
/* A checked value as the word that parses to it.  The caller frees; NULL when out of memory. */
char *ctl_value_format(const struct ctl_arg *arg, const json_t *value);

/* Is 'word' one of "a|b|c"? */
bool ctl_choice_has(const char *choices, const char *word);
/* Does a string have this form?  Sets 'err'. */
int ctl_form_check(enum ctl_form form, const char *label, const char *text, struct err *err);
bool ctl_is_name(const char *text);

/* Numbers with units.  0 or -EINVAL; 'ret' in bytes, bits a second, microseconds. */
int ctl_size_parse(const char *text, int64_t *ret);
/* The same where k, M, G and T are powers of 1024 too (CTL_BINARY). */
int ctl_binary_size_parse(const char *text, int64_t *ret);
int ctl_rate_parse(const char *text, int64_t *ret);
int ctl_time_parse(const char *text, bool *ret_bare, int64_t *ret_us);
void ctl_size_format(int64_t value, char *buf, size_t size);
void ctl_binary_size_format(int64_t value, char *buf, size_t size);
void ctl_rate_format(int64_t value, char *buf, size_t size);
void ctl_time_format(int64_t us, char *buf, size_t size);

/* A word as a shell would need it, quotes only when they are needed.  The caller frees. */
char *ctl_word_quote(const char *word);

#endif
