/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on access lists and on sets of addresses; see spec.h.
 *
 * A list's entries, and a set's addresses, are one text in the object's body (--entries,
 * --members): the tool reads it from a file, a configuration holds it in quotes.
 */
#include "ctl/spec_priv.h"

#define MAX_TEXT (32 << 20)

#define LIST_ARG CTL_NAMED("name", "acl", CTL_REQUIRED, "the list")
#define SET_ARG	 CTL_NAMED("name", "ipset", CTL_REQUIRED, "the set")
#define ONE_LIST CTL_NAMED("name", "acl", 0, "one list; all without it")
#define ORDER_ARG(more, text)                                                                      \
	{                                                                                          \
		.name = "order", .type = CTL_UINT, .flags = CTL_POS | (more), .min = 1,            \
		.max = 4294967294, .metavar = "ORDER", .help = (text)                              \
	}
#define FILE_ARG(text)                                                                             \
	{                                                                                          \
		.name = "file", .type = CTL_FD_IN, .flags = CTL_POS | CTL_REQUIRED,                \
		.max = MAX_TEXT, .metavar = "FILE", .complete = "file", .help = (text)             \
	}

#define LIST_OPTIONS                                                                               \
	{.name = "otherwise",                                                                      \
	 .type = CTL_CHOICE,                                                                       \
	 .choices = "allow|deny",                                                                  \
	 .help = "what becomes of packets that no entry matches, where this list is a port's "     \
		 "last",                                                                           \
	 .def = "deny"},                                                                           \
		{.name = "description",                                                            \
		 .type = CTL_STR,                                                                  \
		 .metavar = "TEXT",                                                                \
		 .help = "what the list is for"},                                                  \
	{                                                                                          \
		.name = "entries", .type = CTL_FILE, .metavar = "FILE", .complete = "file",        \
		.help = "its entries, one a line; in a configuration the text itself"              \
	}

static const struct ctl_arg add_args[] = {LIST_ARG, LIST_OPTIONS, {0}};
static const struct ctl_arg set_args[] = {
	LIST_ARG,
	LIST_OPTIONS,
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "otherwise|description|entries",
	 .help = "options that go back to their defaults; 'entries' empties the list"},
	{0},
};
static const struct ctl_arg remove_args[] = {LIST_ARG, {0}};

static const struct ctl_arg entry_add_args[] = {
	LIST_ARG,
	{.name = "text",
	 .type = CTL_STR,
	 .flags = CTL_POS | CTL_REQUIRED | CTL_REST,
	 .metavar = "ENTRY",
	 .help = "[ORDER] allow|deny [stateful] [log[=N]] [PROTO] [from END [port RANGES]] [to END "
		 "[port RANGES]] [icmp-type T [code C]] [fragments] [[not] established] [idle "
		 "TIME] [note \"TEXT\"]"},
	{.name = "replace", .type = CTL_FLAG, .help = "in the place of the entry of that order"},
	{0},
};
static const struct ctl_arg entry_remove_args[] = {
	LIST_ARG,
	ORDER_ARG(CTL_REQUIRED, "the entry's order"),
	{0},
};

static const struct ctl_arg import_args[] = {
	LIST_ARG,
	FILE_ARG("entries, one a line; '-' is standard input"),
	{0},
};
static const struct ctl_arg export_args[] = {LIST_ARG, {0}};

#define PLACE_ARGS                                                                                 \
	{.name = "port", .type = CTL_NAME, .complete = "port", .help = "this port"},               \
	{                                                                                          \
		.name = "tenant", .type = CTL_NAME, .complete = "tenant",                          \
		.help = "all ports of this tenant, also those that come later"                     \
	}
#define DIRECTION_ARG(more)                                                                        \
	{                                                                                          \
		.name = "direction", .type = CTL_CHOICE, .flags = (more),                          \
		.choices = "ingress|egress",                                                       \
		.help = "ingress: what the machine behind the port sends; egress: what is sent "   \
			"to it"                                                                    \
	}
#define PLACE_ORDER(more)                                                                          \
	{                                                                                          \
		.name = "order", .type = CTL_UINT, .flags = (more), .min = 0, .max = 65535,        \
		.metavar = "N", .help = "place among the lists there, the smallest first",         \
		.def = (more) == 0 ? "100" : NULL                                                  \
	}

static const struct ctl_arg attach_args[] = {
	LIST_ARG, PLACE_ARGS, DIRECTION_ARG(CTL_REQUIRED), PLACE_ORDER(0), {0},
};
static const struct ctl_arg detach_args[] = {LIST_ARG, PLACE_ARGS, DIRECTION_ARG(0), {0}};
static const struct ctl_arg move_args[] = {
	LIST_ARG, PLACE_ARGS, DIRECTION_ARG(0), PLACE_ORDER(CTL_REQUIRED), {0},
};

static const struct ctl_arg list_args[] = {
	{.name = "port",
	 .type = CTL_NAME,
	 .complete = "port",
	 .help = "what this port's packets "
		 "meet"},
	{.name = "tenant", .type = CTL_NAME, .complete = "tenant", .help = "of this tenant"},
	{0},
};
static const struct ctl_arg show_args[] = {LIST_ARG, {0}};
static const struct ctl_arg stats_args[] = {ONE_LIST, {0}};
static const struct ctl_arg check_args[] = {
	ONE_LIST,
	{.name = "port",
	 .type = CTL_NAME,
	 .complete = "port",
	 .help = "all lists of this port, as "
		 "one"},
	{.name = "idle",
	 .type = CTL_DURATION,
	 .min = 1000,
	 .max = 31536000000,
	 .metavar = "DURATION",
	 .help = "entries that no packet met for so long are dead",
	 .def = "those that none ever met"},
	{0},
};

static const struct ctl_arg test_args[] = {
	CTL_THE_PORT("port"),
	{.name = "direction",
	 .type = CTL_CHOICE,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .choices = "ingress|egress",
	 .help = "does the machine behind the port send it, or get it"},
	{.name = "packet",
	 .type = CTL_STR,
	 .flags = CTL_POS | CTL_REQUIRED | CTL_REST,
	 .metavar = "PACKET",
	 .help = "in the words of an entry: tcp from 10.0.0.1 port 1000 to 10.0.0.2 port 80"},
	{0},
};

#define SESSION_ARGS                                                                               \
	{.name = "port", .type = CTL_NAME, .complete = "port", .help = "only of this port"},       \
		{.name = "tenant",                                                                 \
		 .type = CTL_NAME,                                                                 \
		 .complete = "tenant",                                                             \
		 .help = "only of this tenant's ports"},                                           \
		{.name = "proto",                                                                  \
		 .type = CTL_STR,                                                                  \
		 .metavar = "PROTO",                                                               \
		 .help = "only of this protocol: tcp, udp, .., or its number"},                    \
	{                                                                                          \
		.name = "address", .type = CTL_STR, .metavar = "ADDRESS",                          \
		.help = "only from or to this address"                                             \
	}

static const struct ctl_arg session_list_args[] = {
	SESSION_ARGS,
	{.name = "limit",
	 .type = CTL_UINT,
	 .max = 1048576,
	 .metavar = "N",
	 .help = "at most so many; 0: all",
	 .def = "1000"},
	{0},
};
static const struct ctl_arg session_kill_args[] = {
	SESSION_ARGS,
	{.name = "all",
	 .type = CTL_FLAG,
	 .help = "every session: needed where nothing else is "
		 "said"},
	{0},
};

/* ---- Sets ---- */

#define SET_OPTIONS                                                                                \
	{.name = "description",                                                                    \
	 .type = CTL_STR,                                                                          \
	 .metavar = "TEXT",                                                                        \
	 .help = "what the set is for"},                                                           \
	{                                                                                          \
		.name = "members", .type = CTL_FILE, .metavar = "FILE", .complete = "file",        \
		.help = "its addresses; in a configuration the text itself"                        \
	}
#define ADDRESSES_ARG(more)                                                                        \
	{                                                                                          \
		.name = "address", .type = CTL_STR, .flags = CTL_POS | CTL_REST | (more),          \
		.metavar = "ADDRESS",                                                              \
		.help = "addresses or prefixes of IPv4 and IPv6: 10.0.0.1 10.1.0.0/16 fd00::/64"   \
	}

static const struct ctl_arg set_add_args[] = {SET_ARG, ADDRESSES_ARG(0), SET_OPTIONS, {0}};
static const struct ctl_arg set_set_args[] = {
	SET_ARG,
	SET_OPTIONS,
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "description|members",
	 .help = "options that go back to their defaults; 'members' empties the set"},
	{0},
};
static const struct ctl_arg set_remove_args[] = {SET_ARG, {0}};
static const struct ctl_arg set_change_args[] = {SET_ARG, ADDRESSES_ARG(CTL_REQUIRED), {0}};
static const struct ctl_arg set_load_args[] = {
	SET_ARG,
	FILE_ARG("addresses, separated by spaces, commas or newlines; '-' is standard input"),
	{0},
};
static const struct ctl_arg set_list_args[] = {{0}};
static const struct ctl_arg set_show_args[] = {
	SET_ARG,
	{.name = "limit",
	 .type = CTL_UINT,
	 .max = 1048576,
	 .metavar = "N",
	 .help = "at most so many; 0: all",
	 .def = "1000"},
	{0},
};
static const struct ctl_arg set_test_args[] = {
	SET_ARG,
	{.name = "address",
	 .type = CTL_STR,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .metavar = "ADDRESS",
	 .help = "one address"},
	{0},
};

/* ---- Answers ---- */

static const struct ctl_col list_cols[] = {
	{"acl", "ACL", CTL_LEFT, CTL_AS_IS, true},
	{"where", "WHERE", CTL_LEFT, CTL_AS_IS, true},
	{"direction", "DIRECTION", CTL_LEFT, CTL_AS_IS, true},
	{"order", "ORDER", CTL_RIGHT, CTL_AS_IS, false},
	{"entries", "ENTRIES", CTL_RIGHT, CTL_AS_COUNT, false},
	{"otherwise", "OTHERWISE", CTL_LEFT, CTL_AS_IS, false},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"description", "DESCRIPTION", CTL_LEFT, CTL_AS_IS, false},
	{0},
};
static const struct ctl_col show_cols[] = {
	{"acl", "acl", CTL_LEFT, CTL_AS_IS, true},
	{"description", "description", CTL_LEFT, CTL_AS_IS, false},
	{"otherwise", "otherwise", CTL_LEFT, CTL_AS_IS, false},
	{"n_entries", "entries", CTL_LEFT, CTL_AS_COUNT, false},
	{0},
};
static const struct ctl_col entry_cols[] = {
	{"order", "ORDER", CTL_RIGHT, CTL_AS_IS, true},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"used", "LAST HIT", CTL_RIGHT, CTL_AS_AGE, false},
	{"text", "ENTRY", CTL_LEFT, CTL_AS_IS, false},
	{0},
};
static const struct ctl_col place_cols[] = {
	{"where", "WHERE", CTL_LEFT, CTL_AS_IS, true},
	{"direction", "DIRECTION", CTL_LEFT, CTL_AS_IS, true},
	{"order", "ORDER", CTL_RIGHT, CTL_AS_IS, false},
	{0},
};
static const struct ctl_part show_parts[] = {
	{"attached", "attached", place_cols},
	{"entries", "entries", entry_cols},
	{0},
};
static const struct ctl_col stats_cols[] = {
	{"acl", "ACL", CTL_LEFT, CTL_AS_IS, true},
	{"entries", "ENTRIES", CTL_RIGHT, CTL_AS_COUNT, false},
	{"met", "MET", CTL_RIGHT, CTL_AS_COUNT, false},
	{"allowed_packets", "ALLOWED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"allowed_bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"denied_packets", "DENIED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"denied_bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{0},
};
static const struct ctl_col check_cols[] = {
	{"acl", "ACL", CTL_LEFT, CTL_AS_IS, true},
	{"order", "ORDER", CTL_RIGHT, CTL_AS_IS, true},
	{"kind", "KIND", CTL_LEFT, CTL_AS_IS, true},
	{"by", "BY", CTL_LEFT, CTL_AS_IS, false},
	{"text", "WHAT", CTL_LEFT, CTL_AS_IS, false},
	{0},
};
static const struct ctl_col test_cols[] = {
	{"verdict", "verdict", CTL_LEFT, CTL_AS_IS, false},
	{"acl", "acl", CTL_LEFT, CTL_AS_IS, false},
	{"order", "order", CTL_LEFT, CTL_AS_IS, false},
	{"entry", "entry", CTL_LEFT, CTL_AS_IS, false},
	{"why", "why", CTL_LEFT, CTL_AS_IS, false},
	{0},
};
static const struct ctl_col session_cols[] = {
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"proto", "PROTO", CTL_LEFT, CTL_AS_IS, true},
	{"orig", "FIRST PACKET", CTL_LEFT, CTL_AS_IS, true},
	{"reply", "ANSWERS", CTL_LEFT, CTL_AS_IS, true},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"expires", "EXPIRES", CTL_RIGHT, CTL_AS_AGE, false},
	{0},
};
static const struct ctl_col set_cols[] = {
	{"ipset", "IPSET", CTL_LEFT, CTL_AS_IS, true},
	{"addresses", "ADDRESSES", CTL_RIGHT, CTL_AS_COUNT, false},
	{"used_by", "USED BY", CTL_LEFT, CTL_AS_IS, false},
	{"description", "DESCRIPTION", CTL_LEFT, CTL_AS_IS, false},
	{0},
};
static const struct ctl_col member_cols[] = {
	{"address", "ADDRESS", CTL_LEFT, CTL_AS_IS, true},
	{0},
};
static const struct ctl_part set_parts[] = {{"members", "members", member_cols}, {0}};
static const struct ctl_col set_show_cols[] = {
	{"ipset", "ipset", CTL_LEFT, CTL_AS_IS, true},
	{"description", "description", CTL_LEFT, CTL_AS_IS, false},
	{"addresses", "addresses", CTL_LEFT, CTL_AS_COUNT, false},
	{"used_by", "used by", CTL_LEFT, CTL_AS_IS, false},
	{0},
};
static const struct ctl_col set_test_cols[] = {
	{"member", "member", CTL_LEFT, CTL_AS_IS, false},
	{"by", "by", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

#define EXAMPLES (const char *const[])

const struct ctl_spec ctl_spec_acls[] = {
	{
		.noun = "ipset",
		.verb = "add",
		.summary = "Add a set of addresses that entries of access lists name as @NAME",
		.description =
			"Asking a set of a hundred thousand addresses costs a packet as much as "
			"asking one of ten. Addresses that a prefix of the set covers are left "
			"out.",
		.examples = EXAMPLES{"vswitchctl ipset add office 10.0.0.0/8 fd00::/8",
				     "vswitchctl ipset add bad --members bad.txt", NULL},
		.args = set_add_args,
		.kind = "ipset",
		.key = "name",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "ipset",
		.verb = "set",
		.summary = "Change a set's description, or all of its addresses",
		.examples = EXAMPLES{"vswitchctl ipset set office --description 'Who may log in'",
				     NULL},
		.args = set_set_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "ipset",
		.verb = "remove",
		.summary = "Remove a set that no entry names",
		.examples = EXAMPLES{"vswitchctl ipset remove office", NULL},
		.args = set_remove_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "ipset",
		.verb = "include",
		.summary = "Put addresses into a set",
		.examples = EXAMPLES{"vswitchctl ipset include office 192.0.2.7", NULL},
		.args = set_change_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "ipset",
		.verb = "exclude",
		.summary = "Take addresses out of a set",
		.description = "Each must be in the set as it is given: a part of a prefix is not.",
		.examples = EXAMPLES{"vswitchctl ipset exclude office 192.0.2.7", NULL},
		.args = set_change_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "ipset",
		.verb = "load",
		.summary = "Replace all addresses of a set by those of a file",
		.description = "All of them at once, or none: an error says file, line and column.",
		.examples = EXAMPLES{"vswitchctl ipset load bad bad.txt", NULL},
		.args = set_load_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "ipset",
		.verb = "list",
		.summary = "List sets of addresses",
		.examples = EXAMPLES{"vswitchctl ipset list", NULL},
		.args = set_list_args,
		.cols = set_cols,
		.rows = "ipsets",
		.flags = CTL_DEFAULT,
		.answer = "{\"ipsets\": [{\"ipset\", \"addresses\": how many, \"used_by\": [acl], "
			  "\"description\"}]}",
	},
	{
		.noun = "ipset",
		.verb = "show",
		.summary = "Show the addresses of a set",
		.examples = EXAMPLES{"vswitchctl ipset show office", NULL},
		.args = set_show_args,
		.cols = set_show_cols,
		.parts = set_parts,
		.answer = "{\"ipset\", \"description\", \"addresses\": how many, \"used_by\": "
			  "[acl], \"members\": [{\"address\"}]}",
	},
	{
		.noun = "ipset",
		.verb = "test",
		.summary = "Say whether an address is in a set, and by which member",
		.examples = EXAMPLES{"vswitchctl ipset test office 10.1.2.3", NULL},
		.args = set_test_args,
		.cols = set_test_cols,
		.answer = "{\"member\": bool, \"by\": prefix or null}",
	},
	{
		.noun = "acl",
		.verb = "add",
		.summary = "Add an access list",
		.description =
			"A list does nothing until it is attached to a port or a tenant. The first "
			"entry that a packet matches, in the order of a port's lists and of "
			"entries in them, allows or denies it; where none does, the last list's "
			"--otherwise.",
		.examples = EXAMPLES{"vswitchctl acl add web",
				     "vswitchctl acl add web --entries web.acl",
				     "vswitchctl acl add spam --otherwise allow", NULL},
		.args = add_args,
		.kind = "acl",
		.key = "name",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "acl",
		.verb = "set",
		.summary = "Change what a list does otherwise, or its description",
		.examples = EXAMPLES{"vswitchctl acl set web --otherwise allow",
				     "vswitchctl acl set web --default entries", NULL},
		.args = set_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "acl",
		.verb = "remove",
		.summary = "Remove a list that is attached nowhere",
		.examples = EXAMPLES{"vswitchctl acl remove web", NULL},
		.args = remove_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "acl",
		.verb = "entry add",
		.summary = "Add an entry to a list",
		.description =
			"END is any, an address, ADDRESS/LENGTH or @SET, with 'not' before it, "
			"and 'mac ADDRESS[/MASK]' behind it or in its place. RANGES are ports: "
			"80,443,1000-2000. PROTO is ip, ipv6, tcp, udp, sctp, icmp, icmpv6, arp, "
			"esp, gre, a number, or 'ethertype 0x88cc'; tcp and udp without addresses "
			"are of both families, and 'ip tcp' is of one. Without ORDER the entry "
			"comes 10 behind the last. docs/acls.md has all of it.",
		.examples = EXAMPLES{"vswitchctl acl entry add web 10 allow stateful tcp to any "
				     "port 80,443",
				     "vswitchctl acl entry add web 'deny log from not @office note "
				     "\"nobody else\"'",
				     NULL},
		.args = entry_add_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "acl",
		.verb = "entry remove",
		.summary = "Remove an entry from a list",
		.examples = EXAMPLES{"vswitchctl acl entry remove web 10", NULL},
		.args = entry_remove_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "acl",
		.verb = "import",
		.summary = "Replace all entries of a list by those of a file",
		.description =
			"All of them at once, or none: an error says file, line and column, and "
			"packets meet the old list or the new one. Entries that are the same in "
			"both keep their counters. Lines that begin with # say nothing.",
		.examples = EXAMPLES{"vswitchctl acl import web web.acl",
				     "vswitchctl acl export web | sed s/443/8443/ | vswitchctl acl "
				     "import web -",
				     NULL},
		.args = import_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "acl",
		.verb = "export",
		.summary = "Print a list's entries, as import takes them",
		.examples = EXAMPLES{"vswitchctl acl export web > web.acl", NULL},
		.args = export_args,
		.flags = CTL_TEXT,
		.answer = "{\"text\"}",
	},
	{
		.noun = "acl",
		.verb = "attach",
		.summary = "Attach a list to a port or to all ports of a tenant",
		.description =
			"From then on packets of these ports meet it, in that direction. Lists of "
			"one port are asked by --order, a port's before its tenant's. A list that "
			"a port has both of itself and by its tenant is asked once.",
		.examples = EXAMPLES{"vswitchctl acl attach web --port web1 --direction egress",
				     "vswitchctl acl attach all --tenant blue --direction ingress "
				     "--order 10",
				     NULL},
		.args = attach_args,
		.kind = "acl-binding",
		.key = "name port tenant direction",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "acl",
		.verb = "detach",
		.summary = "Take a list from where it is attached",
		.examples = EXAMPLES{"vswitchctl acl detach web --port web1",
				     "vswitchctl acl detach web", NULL},
		.args = detach_args,
		.removes = "acl-binding",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "acl",
		.verb = "move",
		.summary = "Change an attached list's place among the lists there",
		.examples = EXAMPLES{"vswitchctl acl move web --port web1 --order 10", NULL},
		.args = move_args,
		.sets = "acl-binding",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "acl",
		.verb = "list",
		.summary = "List access lists and where they are attached",
		.examples =
			EXAMPLES{"vswitchctl acl list", "vswitchctl acl list --port web1", NULL},
		.args = list_args,
		.cols = list_cols,
		.rows = "acls",
		.flags = CTL_DEFAULT | CTL_WATCH,
		.answer = "{\"acls\": [{\"acl\", \"where\": \"port web1\", \"tenant blue\" or "
			  "\"\", \"direction\", \"order\", \"entries\": how many, \"otherwise\", "
			  "\"packets\", \"description\"}]}",
	},
	{
		.noun = "acl",
		.verb = "show",
		.summary = "Show a list's entries, and which packets met them",
		.examples = EXAMPLES{"vswitchctl acl show web", "vswitchctl acl show web -w", NULL},
		.args = show_args,
		.cols = show_cols,
		.parts = show_parts,
		.flags = CTL_WATCH,
		.answer = "{\"acl\", \"description\", \"otherwise\", \"n_entries\", \"attached\": "
			  "[{\"where\", \"direction\", \"order\"}], \"entries\": [{\"order\", "
			  "\"packets\", \"bytes\", \"used\": seconds ago or null, \"text\"}]}",
	},
	{
		.noun = "acl",
		.verb = "stats",
		.summary = "Show what lists allowed and denied, or its rates with -w",
		.examples = EXAMPLES{"vswitchctl acl stats -w", NULL},
		.args = stats_args,
		.cols = stats_cols,
		.rows = "acls",
		.flags = CTL_WATCH,
		.answer = "{\"acls\": [{\"acl\", \"entries\", \"met\": entries that packets met, "
			  "\"allowed_packets\", \"allowed_bytes\", \"denied_packets\", "
			  "\"denied_bytes\"}]}",
	},
	{
		.noun = "acl",
		.verb = "check",
		.summary = "Find entries that nothing can meet, that change nothing, or that clash",
		.description =
			"shadowed: an entry before it takes all of its packets, and does "
			"otherwise. "
			"redundant: one before it takes them and does the same. overlap: an entry "
			"before it does otherwise with some of its packets. empty: it names a set "
			"without addresses. dead: no packet met it.",
		.examples = EXAMPLES{"vswitchctl acl check", "vswitchctl acl check web --idle 30d",
				     "vswitchctl acl check --port web1", NULL},
		.args = check_args,
		.cols = check_cols,
		.rows = "findings",
		.answer = "{\"findings\": [{\"acl\", \"order\", \"kind\", \"by\": \"ACL ORDER\" or "
			  "\"\", \"text\"}], \"entries\": how many were looked at, \"left_out\": "
			  "overlaps beyond the first 1000}",
	},
	{
		.noun = "acl",
		.verb = "test",
		.summary = "Say which entry of a port's lists would decide a packet",
		.description =
			"The lists as they are configured are asked, not the switch: no session is "
			"looked for, and nothing is counted. 'vswitchctl trace' sends a packet "
			"through all of the switch.",
		.examples =
			EXAMPLES{"vswitchctl acl test web1 egress tcp from 10.0.0.9 port 999 to "
				 "10.0.0.2 port 80",
				 NULL},
		.args = test_args,
		.cols = test_cols,
		.answer = "{\"verdict\": allow or deny, \"acl\", \"order\", \"entry\", \"why\"}",
	},
	{
		.noun = "acl",
		.verb = "session list",
		.summary = "Show the sessions that stateful entries opened",
		.examples = EXAMPLES{"vswitchctl acl session list --port web1 --proto tcp", NULL},
		.args = session_list_args,
		.cols = session_cols,
		.rows = "sessions",
		.answer = "{\"sessions\": [{\"port\", \"proto\", \"orig\": \"from>to\", \"reply\": "
			  "\"from>to\", \"state\", \"expires\": seconds}], \"total\"}",
	},
	{
		.noun = "acl",
		.verb = "session kill",
		.summary = "End sessions: their next packets are judged by the lists",
		.examples = EXAMPLES{"vswitchctl acl session kill --port web1 --address 10.0.0.9",
				     "vswitchctl acl session kill --all", NULL},
		.args = session_kill_args,
		.answer = "{\"killed\": n}",
	},
	{0},
};
