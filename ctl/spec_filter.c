/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on filter modules; see spec.h.
 *
 * FILE of a module is read by the tool, as who runs it, and goes to the daemon as a sealed
 * descriptor: the daemon, which is root, opens nothing that the caller could not have opened.  What
 * the configuration keeps is the object's SHA-256; the daemon has a copy under that name.
 */
#include "ctl/spec_priv.h"

#define MAX_OBJECT (64 << 20)

#define MODULE_ARG CTL_NAMED("name", "filter", CTL_REQUIRED, "the module")

#define FILE_ARG(more, text)                                                                       \
	{                                                                                          \
		.name = "file", .type = CTL_FD_IN, .flags = CTL_POS | (more),                      \
		.form = CTL_FORM_FILE, .max = MAX_OBJECT, .complete = "file", .help = (text)       \
	}

#define SHA256_ARG                                                                                 \
	{                                                                                          \
		.name = "sha256", .type = CTL_STR, .metavar = "HEX",                               \
		.help = "the object's digest: a copy that the daemon has is taken, FILE only if "  \
			"it is the same"                                                           \
	}

#define PROGRAM_ARG                                                                                \
	{                                                                                          \
		.name = "program", .type = CTL_STR, .metavar = "PROGRAM",                          \
		.help = "which program of the object runs",                                        \
		.def = "the only XDP program, or the one named as the module"                      \
	}

#define OPTION_ARGS                                                                                \
	PROGRAM_ARG,                                                                               \
		{.name = "budget",                                                                 \
		 .type = CTL_UINT,                                                                 \
		 .min = 1,                                                                         \
		 .max = 1000000000,                                                                \
		 .metavar = "CYCLES",                                                              \
		 .help = "cycles a packet that it may take, as a mean over 100 ms",                \
		 .def = "no budget"},                                                              \
		{.name = "on-budget",                                                              \
		 .type = CTL_CHOICE,                                                               \
		 .choices = "bypass|drop",                                                         \
		 .help = "what becomes of packets for a second when it takes more",                \
		 .def = "bypass"},                                                                 \
	{                                                                                          \
		.name = "interpret", .type = CTL_FLAG, .help = "do not compile it to machine code" \
	}

#define SCOPE_ARGS                                                                                 \
	{.name = "switch",                                                                         \
	 .type = CTL_NAME,                                                                         \
	 .complete = "switch",                                                                     \
	 .help = "all ports of this switch, also those that come later"},                          \
		{.name = "tenant",                                                                 \
		 .type = CTL_NAME,                                                                 \
		 .complete = "tenant",                                                             \
		 .help = "all ports of this tenant, also those that come later"},                  \
		{.name = "port", .type = CTL_NAME, .complete = "port", .help = "this port"},       \
	{                                                                                          \
		.name = "direction", .type = CTL_CHOICE, .choices = "ingress|egress",              \
		.help = "frames that come in by the ports, or that leave by them",                 \
		.def = "ingress"                                                                   \
	}

static const struct ctl_arg load_args[] = {
	MODULE_ARG, FILE_ARG(CTL_REQUIRED, "object file, of clang -target bpf"),
	SHA256_ARG, OPTION_ARGS,
	{0},
};

static const struct ctl_arg swap_args[] = {
	MODULE_ARG,
	FILE_ARG(0, "the object that takes the place of what runs; without it only options change"),
	SHA256_ARG,
	OPTION_ARGS,
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "program|budget|on-budget|interpret",
	 .help = "options that go back to their defaults"},
	{0},
};

static const struct ctl_arg unload_args[] = {MODULE_ARG, {0}};

static const struct ctl_arg attach_args[] = {
	MODULE_ARG,
	SCOPE_ARGS,
	{.name = "role",
	 .type = CTL_CHOICE,
	 .choices = "capture|filter|forward",
	 .help = "capture sees, filter passes, changes and drops, forward sends too",
	 .def = "what the module asks for, else filter"},
	{.name = "order",
	 .type = CTL_UINT,
	 .min = 0,
	 .max = 65535,
	 .metavar = "N",
	 .help = "place among those of its role, the smallest first",
	 .def = "100"},
	{.name = "strip-vlan",
	 .type = CTL_FLAG,
	 .help = "it sees frames without their outer tag, which comes back behind it"},
	{.name = "meta",
	 .type = CTL_FLAG,
	 .help = "port, tenant and VLAN lie before the packet (vswitch_filter.h)"},
	{.name = "on-missing",
	 .type = CTL_CHOICE,
	 .choices = "drop|pass",
	 .help = "what becomes of frames while the module cannot be loaded",
	 .def = "drop; pass for capture"},
	{0},
};

static const struct ctl_arg detach_args[] = {MODULE_ARG, SCOPE_ARGS, {0}};

static const struct ctl_arg move_args[] = {
	MODULE_ARG,
	SCOPE_ARGS,
	{.name = "order",
	 .type = CTL_UINT,
	 .flags = CTL_REQUIRED,
	 .min = 0,
	 .max = 65535,
	 .metavar = "N",
	 .help = "its new place among those of its role"},
	{0},
};

static const struct ctl_arg list_args[] = {
	CTL_ONE_PORT("port"),
	{.name = "switch", .type = CTL_NAME, .complete = "switch", .help = "of this switch"},
	{.name = "tenant", .type = CTL_NAME, .complete = "tenant", .help = "of this tenant"},
	{0},
};

static const struct ctl_arg show_args[] = {MODULE_ARG, {0}};
static const struct ctl_arg stats_args[] = {
	CTL_NAMED("name", "filter", 0, "one module; all without it"),
	{0},
};

static const struct ctl_arg verify_args[] = {
	FILE_ARG(CTL_REQUIRED, "object file"),
	PROGRAM_ARG,
	{0},
};

#define MAP_ARGS                                                                                   \
	CTL_NAMED("name", "filter", CTL_REQUIRED, "the module"),                                   \
	{                                                                                          \
		.name = "map", .type = CTL_STR, .flags = CTL_POS | CTL_REQUIRED, .metavar = "MAP", \
		.help = "name of the map"                                                          \
	}

#define KEY_ARG(more)                                                                              \
	{                                                                                          \
		.name = "key", .type = CTL_STR, .flags = CTL_POS | (more), .metavar = "KEY",       \
		.help = "number, address, JSON as map dump shows it, or bytes: 0x0a000001, "       \
			"hex:0102"                                                                 \
	}

static const struct ctl_arg map_list_args[] = {MODULE_ARG, {0}};

static const struct ctl_arg map_dump_args[] = {
	MAP_ARGS,
	{.name = "limit",
	 .type = CTL_UINT,
	 .min = 1,
	 .max = 10000,
	 .metavar = "N",
	 .help = "at most so many elements"},
	{.name = "after",
	 .type = CTL_STR,
	 .metavar = "HEX",
	 .help = "go on behind this key: 'next' of the answer before"},
	{.name = "hex", .type = CTL_FLAG, .help = "bytes, not fields"},
	{0},
};

static const struct ctl_arg map_get_args[] = {
	MAP_ARGS,
	KEY_ARG(CTL_REQUIRED),
	{.name = "hex", .type = CTL_FLAG, .help = "bytes, not fields"},
	{0},
};

static const struct ctl_arg map_set_args[] = {
	MAP_ARGS,
	KEY_ARG(CTL_REQUIRED),
	{.name = "value",
	 .type = CTL_STR,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .metavar = "VALUE",
	 .help = "as KEY; of a devmap the name of a port, of a map of programs that of one, of a "
		 "map of maps that of a map"},
	{.name = "new", .type = CTL_FLAG, .help = "only if there is no such key"},
	{.name = "exist", .type = CTL_FLAG, .help = "only if there is such a key"},
	{0},
};

static const struct ctl_arg map_delete_args[] = {MAP_ARGS, KEY_ARG(CTL_REQUIRED), {0}};

#define VALUE_ARG(more, text)                                                                      \
	{                                                                                          \
		.name = "value", .type = CTL_STR, .flags = CTL_POS | (more), .metavar = "VALUE",   \
		.help = (text)                                                                     \
	}

static const struct ctl_arg map_push_args[] = {
	MAP_ARGS,
	VALUE_ARG(CTL_REQUIRED, "as map dump shows it"),
	{.name = "force", .type = CTL_FLAG, .help = "in a full queue or stack the oldest goes"},
	{0},
};

static const struct ctl_arg map_peek_args[] = {
	MAP_ARGS,
	VALUE_ARG(0, "of a Bloom filter: is this in it?"),
	{.name = "hex", .type = CTL_FLAG, .help = "bytes, not fields"},
	{0},
};

static const struct ctl_arg map_pop_args[] = {
	MAP_ARGS,
	{.name = "hex", .type = CTL_FLAG, .help = "bytes, not fields"},
	{0},
};

static const struct ctl_arg tail_args[] = {
	MAP_ARGS,
	{.name = "type",
	 .type = CTL_STR,
	 .metavar = "STRUCT",
	 .help = "the records are of this type of the object",
	 .def = "the type that the map says; else bytes"},
	{.name = "count",
	 .type = CTL_UINT,
	 .letter = 'c',
	 .min = 1,
	 .max = INT64_MAX,
	 .metavar = "N",
	 .help = "end after so many records"},
	{0},
};

static const struct ctl_col list_cols[] = {
	{"where", "WHERE", CTL_LEFT, CTL_AS_IS, true},
	{"direction", "DIRECTION", CTL_LEFT, CTL_AS_IS, true},
	{"role", "ROLE", CTL_LEFT, CTL_AS_IS, false},
	{"order", "ORDER", CTL_RIGHT, CTL_AS_IS, false},
	{"module", "MODULE", CTL_LEFT, CTL_AS_IS, true},
	{"ports", "PORTS", CTL_RIGHT, CTL_AS_IS, false},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"pass", "PASS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"drop", "DROP", CTL_RIGHT, CTL_AS_COUNT, false},
	{"aborted", "ABORTED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"sent", "SENT", CTL_RIGHT, CTL_AS_COUNT, false},
	{"cycles_per_packet", "CYCLES/PKT", CTL_RIGHT, CTL_AS_IS, false},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col stats_cols[] = {
	{"module", "MODULE", CTL_LEFT, CTL_AS_IS, true},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"pass", "PASS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"drop", "DROP", CTL_RIGHT, CTL_AS_COUNT, false},
	{"aborted", "ABORTED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"tx", "TX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"redirect", "REDIRECT", CTL_RIGHT, CTL_AS_COUNT, false},
	{"refused", "REFUSED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bypassed", "BYPASSED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"budget_drops", "OVER BUDGET", CTL_RIGHT, CTL_AS_COUNT, false},
	{"cycles_per_packet", "CYCLES/PKT", CTL_RIGHT, CTL_AS_IS, false},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col show_cols[] = {
	{"module", "module", CTL_LEFT, CTL_AS_IS, true},
	{"state", "state", CTL_LEFT, CTL_AS_IS, false},
	{"note", "note", CTL_LEFT, CTL_AS_IS, false},
	{"file", "file", CTL_LEFT, CTL_AS_IS, false},
	{"sha256", "sha256", CTL_LEFT, CTL_AS_IS, false},
	{"program", "program", CTL_LEFT, CTL_AS_IS, false},
	{"code", "runs as", CTL_LEFT, CTL_AS_IS, false},
	{"asks", "asks for", CTL_LEFT, CTL_AS_IS, false},
	{"budget", "budget", CTL_LEFT, CTL_AS_IS, false},
	{"on_budget", "over budget", CTL_LEFT, CTL_AS_IS, false},
	{"packets", "packets", CTL_LEFT, CTL_AS_COUNT, false},
	{"cycles_per_packet", "cycles a packet", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col prog_cols[] = {
	{"name", "PROGRAM", CTL_LEFT, CTL_AS_IS, true},
	{"section", "SECTION", CTL_LEFT, CTL_AS_IS, false},
	{"instructions", "INSTRUCTIONS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"code", "RUNS AS", CTL_LEFT, CTL_AS_IS, false},
	{"code_size", "CODE", CTL_RIGHT, CTL_AS_MEMORY, false},
	{"does", "DOES", CTL_LEFT, CTL_AS_IS, false},
	{"verdict", "VERIFIER", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col map_cols[] = {
	{"map", "MAP", CTL_LEFT, CTL_AS_IS, true},
	{"type", "TYPE", CTL_LEFT, CTL_AS_IS, false},
	{"key", "KEY", CTL_LEFT, CTL_AS_IS, false},
	{"value", "VALUE", CTL_LEFT, CTL_AS_IS, false},
	{"key_size", "KEY BYTES", CTL_RIGHT, CTL_AS_IS, false},
	{"value_size", "VALUE BYTES", CTL_RIGHT, CTL_AS_IS, false},
	{"entries", "ENTRIES", CTL_RIGHT, CTL_AS_COUNT, false},
	{"max_entries", "OF", CTL_RIGHT, CTL_AS_COUNT, false},
	{"memory", "MEMORY", CTL_RIGHT, CTL_AS_MEMORY, false},
	{"lost", "LOST", CTL_RIGHT, CTL_AS_COUNT, false},
	{"kernel_id", "KERNEL ID", CTL_RIGHT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col port_cols[] = {
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"ifindex", "IFINDEX", CTL_RIGHT, CTL_AS_IS, false},
	{"direction", "DIRECTION", CTL_LEFT, CTL_AS_IS, true},
	{"role", "ROLE", CTL_LEFT, CTL_AS_IS, false},
	{"order", "ORDER", CTL_RIGHT, CTL_AS_IS, false},
	{"where", "BY", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col place_cols[] = {
	{"module", "MODULE", CTL_LEFT, CTL_AS_IS, true},
	{"where", "WHERE", CTL_LEFT, CTL_AS_IS, true},
	{"direction", "DIRECTION", CTL_LEFT, CTL_AS_IS, true},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"pass", "PASS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"drop", "DROP", CTL_RIGHT, CTL_AS_COUNT, false},
	{"aborted", "ABORTED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"tx", "TX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"redirect", "REDIRECT", CTL_RIGHT, CTL_AS_COUNT, false},
	{"refused", "REFUSED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bypassed", "BYPASSED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"budget_drops", "OVER BUDGET", CTL_RIGHT, CTL_AS_COUNT, false},
	{"cycles_per_packet", "CYCLES/PKT", CTL_RIGHT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_part stats_parts[] = {
	{"attachments", "attachments", place_cols},
	{0},
};

static const struct ctl_part show_parts[] = {
	{"programs", "programs", prog_cols},
	{"maps", "maps", map_cols},
	{"attachments", "attachments", place_cols},
	{"attached", "attached", port_cols},
	{0},
};

static const struct ctl_col verify_cols[] = {
	{"file", "file", CTL_LEFT, CTL_AS_IS, true},
	{"verdict", "verdict", CTL_LEFT, CTL_AS_IS, false},
	{"why", "why", CTL_LEFT, CTL_AS_IS, false},
	{"fix", "fix", CTL_LEFT, CTL_AS_IS, false},
	{"asks", "asks for", CTL_LEFT, CTL_AS_IS, false},
	{"roles", "roles", CTL_LEFT, CTL_AS_IS, false},
	{"helpers", "helpers", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_part verify_parts[] = {
	{"programs", "programs", prog_cols},
	{"maps", "maps", map_cols},
	{0},
};

static const struct ctl_col dump_cols[] = {
	{"key", "KEY", CTL_LEFT, CTL_AS_IS, true},
	{"value", "VALUE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

#define ROW                                                                                        \
	"\"packets\", \"cycles\", \"pass\", \"drop\", \"aborted\", \"tx\", \"redirect\", "         \
	"\"refused\", \"bypassed\", \"budget_drops\", \"overruns\", \"cycles_per_packet\", "       \
	"\"state\": loaded, over budget, missing, \"note\": why"

#define PROGS                                                                                      \
	"\"programs\": [{\"name\", \"section\", \"instructions\", \"code\": compiled or "          \
	"interpreted, \"code_size\", \"does\": [word], \"verdict\"}]"

#define MAPS                                                                                       \
	"\"maps\": [{\"map\", \"type\", \"key\": its type, \"value\", \"key_size\", "              \
	"\"value_size\", \"entries\", \"max_entries\", \"memory\": bytes, \"lost\": records, "     \
	"\"kernel_id\"}]"

const struct ctl_spec ctl_spec_filters[] = {
	{
		.noun = "filter",
		.verb = "load",
		.summary = "Load a filter module from an object file",
		.description =
			"The object is what clang -target bpf makes of an XDP program. The "
			"kernel's "
			"verifier judges it before a packet meets it. The daemon keeps a copy, so "
			"a restart brings back the same program, whatever became of FILE; config "
			"show names the copy with --sha256.\n\n"
			"In a file of commands, FILE without --sha256 must be a file that "
			"everybody may read.",
		.examples = (const char *const[]){"vswitchctl filter load guard guard.bpf.o",
						  "vswitchctl filter load sketch rate.o --budget "
						  "300 --on-budget bypass",
						  NULL},
		.args = load_args,
		.kind = "filter",
		.key = "name",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "filter",
		.verb = "swap",
		.summary = "Exchange a module's program while frames flow",
		.description =
			"No frame is lost or treated twice: each is seen by the old program or by "
			"the new one. Maps of the same name and definition keep their contents. "
			"When the new object is refused, nothing changes. Options that are not "
			"given stay as they are.",
		.examples = (const char *const[]){"vswitchctl filter swap guard guard-2.bpf.o",
						  "vswitchctl filter swap guard --budget 500",
						  "vswitchctl filter swap guard --default budget",
						  NULL},
		.args = swap_args,
		.sets = "filter",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "filter",
		.verb = "unload",
		.summary = "Unload a filter module that is attached nowhere",
		.examples = (const char *const[]){"vswitchctl filter unload guard", NULL},
		.args = unload_args,
		.removes = "filter",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "filter",
		.verb = "attach",
		.summary = "Attach a module to a switch, a tenant or a port",
		.description =
			"On a frame's way in, modules of role capture run first, then filter, then "
			"forward, each by --order; on its way out likewise. A module that is "
			"attached to a port and to its switch runs once there, as the port "
			"says; a tenant's word goes before its switch's.\n\n"
			"While a module cannot be loaded (at a start of the daemon, when the "
			"kernel refuses it), frames of its ports are dropped (filter-missing) "
			"unless --on-missing pass says otherwise or its role is capture.",
		.examples = (const char *const[]){"vswitchctl filter attach guard --port web1",
						  "vswitchctl filter attach sketch --switch lan0 "
						  "--role capture",
						  "vswitchctl filter attach guard --tenant blue "
						  "--direction egress --order 10 --meta",
						  NULL},
		.args = attach_args,
		.kind = "attachment",
		.key = "name switch tenant port direction",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "filter",
		.verb = "detach",
		.summary = "Take a module from where it is attached",
		.examples = (const char *const[]){"vswitchctl filter detach guard --port web1",
						  "vswitchctl filter detach guard", NULL},
		.args = detach_args,
		.removes = "attachment",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "filter",
		.verb = "move",
		.summary = "Change an attached module's place in the order",
		.examples = (const char *const[]){"vswitchctl filter move guard --port web1 "
						  "--order 10",
						  NULL},
		.args = move_args,
		.sets = "attachment",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "filter",
		.verb = "list",
		.summary = "List filter modules in the order in which frames meet them",
		.description = "With a port: what runs there, whatever it is attached to. Counters "
			       "are the attachment's: of all ports that it covers, since it "
			       "covers some. A module that is attached nowhere shows its own.",
		.examples = (const char *const[]){"vswitchctl filter list",
						  "vswitchctl filter list web1",
						  "vswitchctl filter list -w", NULL},
		.args = list_args,
		.cols = list_cols,
		.rows = "filters",
		.flags = CTL_DEFAULT | CTL_WATCH,
		.answer = "{\"filters\": [{\"where\": \"switch lan0\", \"tenant blue\", \"port "
			  "web1\" or \"\", \"direction\", \"role\", \"order\", \"strip_vlan\", "
			  "\"meta\", \"module\", \"ports\": how many, \"sent\": tx and redirect, "
			  "" ROW "}]}",
	},
	{
		.noun = "filter",
		.verb = "show",
		.summary = "Show a module: programs, maps, where it runs",
		.examples = (const char *const[]){"vswitchctl filter show guard", NULL},
		.args = show_args,
		.cols = show_cols,
		.parts = show_parts,
		.answer = "{\"module\", \"file\", \"sha256\", \"program\", \"code\", \"asks\", "
			  "\"budget\", \"on_budget\", " ROW ", " PROGS ", " MAPS
			  ", \"attachments\": [as filter list], \"attached\": [{\"port\", "
			  "\"ifindex\", \"direction\", \"role\", "
			  "\"order\", \"where\"}]}",
	},
	{
		.noun = "filter",
		.verb = "stats",
		.summary = "Show the counters of modules and attachments, or their rates with -w",
		.description =
			"A module's counters are the sum of its attachments', with what those "
			"counted that are no more.",
		.examples = (const char *const[]){"vswitchctl filter stats -w", NULL},
		.args = stats_args,
		.cols = stats_cols,
		.parts = stats_parts,
		.rows = "modules",
		.flags = CTL_WATCH,
		.answer =
			"{\"modules\": [{\"module\", " ROW "}], \"attachments\": [as filter list]}",
	},
	{
		.noun = "filter",
		.verb = "verify",
		.summary = "Would an object file load? Says why not; changes nothing",
		.examples = (const char *const[]){"vswitchctl filter verify guard.bpf.o", NULL},
		.args = verify_args,
		.cols = verify_cols,
		.parts = verify_parts,
		.answer = "{\"ok\", \"file\", \"verdict\", \"why\", \"fix\", \"asks\", "
			  "\"roles\": [role], \"helpers\": [name], " PROGS ", " MAPS "}",
	},
	{
		.noun = "filter",
		.verb = "map list",
		.summary = "List the maps of a module",
		.examples = (const char *const[]){"vswitchctl filter map list guard", NULL},
		.args = map_list_args,
		.cols = map_cols,
		.rows = "maps",
		.answer = "{" MAPS "}",
	},
	{
		.noun = "filter",
		.verb = "map dump",
		.summary = "Show the elements of a map",
		.description =
			"Keys and values are JSON by the types that the object has: numbers, "
			"arrays, structs by field; addresses and ports in network order as people "
			"write them. Of a per-CPU map: a list, one value for each worker, and for "
			"numbers their sum. Of a queue or stack KEY is a place: 0 is "
			"what pop would give. Of a map of maps VALUE is the inner map's name.\n\n"
			"An answer on the socket has at most --limit elements (1000), and 'next' "
			"when there are more; the tool asks on, so it shows all without --limit.",
		.examples = (const char *const[]){"vswitchctl filter map dump guard allowed",
						  "vswitchctl filter map dump guard allowed "
						  "--limit 10",
						  NULL},
		.args = map_dump_args,
		.cols = dump_cols,
		.rows = "elements",
		.answer =
			"{\"elements\": [{\"key\", \"value\": of a per-CPU map the sum, "
			"\"values\": "
			"[of each worker]}], \"next\": bytes of the last key in hex, if there are "
			"more}",
	},
	{
		.noun = "filter",
		.verb = "map get",
		.summary = "Show one element of a map",
		.examples = (const char *const[]){"vswitchctl filter map get guard allowed "
						  "10.0.0.1",
						  NULL},
		.args = map_get_args,
		.cols = dump_cols,
		.rows = "elements",
		.answer = "as filter map dump, one element",
	},
	{
		.noun = "filter",
		.verb = "map set",
		.summary = "Write an element of a map",
		.description =
			"KEY and VALUE as map dump shows them. Of a struct, fields that are not "
			"given stay as they are (0 in a new element). Of a per-CPU map every "
			"worker gets the value; a JSON list of as many gives each its own.",
		.examples =
			(const char *const[]){"vswitchctl filter map set guard allowed "
					      "10.0.0.1 1",
					      "vswitchctl filter map set guard limits 0 "
					      "'{\"rate\": 1000}'",
					      "vswitchctl filter map set steer ports 3 web1", NULL},
		.args = map_set_args,
		.answer = "{}",
	},
	{
		.noun = "filter",
		.verb = "map delete",
		.summary = "Delete an element of a map",
		.examples = (const char *const[]){"vswitchctl filter map delete guard allowed "
						  "10.0.0.1",
						  NULL},
		.args = map_delete_args,
		.answer = "{}",
	},
	{
		.noun = "filter",
		.verb = "map push",
		.summary = "Put a value into a queue, a stack or a Bloom filter",
		.examples =
			(const char *const[]){"vswitchctl filter map push steer free-ports 3000",
					      NULL},
		.args = map_push_args,
		.answer = "{}",
	},
	{
		.noun = "filter",
		.verb = "map peek",
		.summary = "Show what pop would give, or ask a Bloom filter for a value",
		.description = "Takes nothing out. A Bloom filter's answer is true for each value "
			       "that was "
			       "put in, and now and then for one that was not.",
		.examples = (const char *const[]){"vswitchctl filter map peek steer free-ports",
						  "vswitchctl filter map peek guard seen 10.0.0.1",
						  NULL},
		.args = map_peek_args,
		.cols = dump_cols,
		.rows = "elements",
		.answer = "as filter map dump, one element; of a Bloom filter \"key\" is the value "
			  "and \"value\" true or false",
	},
	{
		.noun = "filter",
		.verb = "map pop",
		.summary = "Take the next value out of a queue or a stack",
		.examples =
			(const char *const[]){"vswitchctl filter map pop steer free-ports", NULL},
		.args = map_pop_args,
		.cols = dump_cols,
		.rows = "elements",
		.answer = "as filter map dump, one element",
	},
	{
		.noun = "filter",
		.verb = "tail",
		.summary = "Show the records of a ring or perf buffer as they come",
		.description = "Who reads takes the records out: two who tail one map share them.",
		.examples = (const char *const[]){"vswitchctl filter tail capture-sample samples",
						  NULL},
		.args = tail_args,
		.flags = CTL_STREAM,
		.answer = "{}; then a stream, each notification {\"cpu\", \"time\", \"size\", "
			  "\"record\": fields, or \"hex\": bytes, \"lost\": so far}",
	},
	{0},
};
