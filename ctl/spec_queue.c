/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on ports' queues; see spec.h.
 */
#include "ctl/spec_priv.h"

#define PORT_ARG                                                                                   \
	{                                                                                          \
		.name = "port", .type = CTL_NAME, .flags = CTL_POS | CTL_REQUIRED,                 \
		.complete = "port", .help = "the port by which frames leave"                       \
	}

#define ID_ARG                                                                                     \
	{                                                                                          \
		.name = "id", .type = CTL_UINT, .flags = CTL_POS | CTL_REQUIRED, .min = 0,         \
		.max = 4294967294, .help = "the number that rules say: set_queue:ID"               \
	}

#define RATES                                                                                      \
	{.name = "max-rate",                                                                       \
	 .type = CTL_RATE,                                                                         \
	 .min = 1000,                                                                              \
	 .max = 10000000000000,                                                                    \
	 .metavar = "RATE",                                                                        \
	 .help = "bits a second on the wire; what comes above it waits",                           \
	 .def = "no limit"},                                                                       \
	{                                                                                          \
		.name = "min-rate", .type = CTL_RATE, .min = 1000, .max = 10000000000000,          \
		.metavar = "RATE",                                                                 \
		.help = "bits a second of the port's --to-max (qos set) that it is guaranteed",    \
		.def = "none"                                                                      \
	}

static const struct ctl_arg add_args[] = {PORT_ARG, ID_ARG, RATES, {0}};

static const struct ctl_arg set_args[] = {
	PORT_ARG,
	ID_ARG,
	RATES,
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "max-rate|min-rate",
	 .help = "options that go back to their defaults"},
	{0},
};

static const struct ctl_arg remove_args[] = {PORT_ARG, ID_ARG, {0}};

static const struct ctl_arg list_args[] = {
	CTL_ONE_PORT("port"),
	{.name = "id",
	 .type = CTL_UINT,
	 .flags = CTL_POS,
	 .min = 0,
	 .max = 4294967294,
	 .help = "one queue; all of the port without it"},
	{0},
};

static const struct ctl_col list_cols[] = {
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"id", "QUEUE", CTL_RIGHT, CTL_AS_IS, true},
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, false},
	{"max_rate", "MAX RATE", CTL_RIGHT, CTL_AS_RATE, false},
	{"min_rate", "MIN RATE", CTL_RIGHT, CTL_AS_RATE, false},
	{"age", "AGE", CTL_RIGHT, CTL_AS_AGE, false},
	{0},
};

static const struct ctl_col stats_cols[] = {
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"id", "QUEUE", CTL_RIGHT, CTL_AS_IS, true},
	{"packets", "PACKETS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"drops", "DROPS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"marks", "MARKS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"waiting", "WAITING", CTL_RIGHT, CTL_AS_COUNT, false},
	{"delay_mean_us", "MEAN us", CTL_RIGHT, CTL_AS_IS, false},
	{"age", "AGE", CTL_RIGHT, CTL_AS_AGE, false},
	{0},
};

#define ROWS                                                                                       \
	"{\"queues\": [{\"port\", \"id\", \"switch\", \"max_rate\": bits a second or null, "       \
	"\"min_rate\", \"age\": seconds, \"packets\", \"bytes\", \"drops\", \"marks\", "           \
	"\"waiting\", "                                                                            \
	"\"delay_mean_us\", \"delay_max_us\"}]}"

const struct ctl_spec ctl_spec_queues[] = {
	{
		.noun = "queue",
		.verb = "add",
		.summary = "Give a port a queue for rules to choose",
		.description =
			"A rule with set_queue:ID sends frames by the queue of that number of "
			"whatever port they leave by; a port without it sends them as any other. "
			"What comes above --max-rate waits, for a few milliseconds; of what waits "
			"longer some is marked (ECN) or dropped, so that senders slow down. "
			"--min-rate is guaranteed where the port's rate is known: by 'qos set PORT "
			"--to-max', or an uplink's link.",
		.examples = (const char *const[]){"vswitchctl queue add web1 1 --max-rate 100M",
						  "vswitchctl queue add web1 2 --max-rate 1G "
						  "--min-rate 10M",
						  NULL},
		.args = add_args,
		.kind = "queue",
		.key = "port id",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "queue",
		.verb = "set",
		.summary = "Change a queue's rates while frames flow",
		.examples = (const char *const[]){"vswitchctl queue set web1 1 --max-rate 50M",
						  "vswitchctl queue set web1 1 --default max-rate",
						  NULL},
		.args = set_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "queue",
		.verb = "remove",
		.summary = "Remove a queue",
		.examples = (const char *const[]){"vswitchctl queue remove web1 1", NULL},
		.args = remove_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "queue",
		.verb = "list",
		.summary = "List the queues of ports and their rates",
		.examples = (const char *const[]){"vswitchctl queue list",
						  "vswitchctl queue list web1", NULL},
		.args = list_args,
		.cols = list_cols,
		.rows = "queues",
		.flags = CTL_DEFAULT,
		.answer = ROWS,
	},
	{
		.noun = "queue",
		.verb = "stats",
		.summary = "Show the counters of queues, or their rates with -w",
		.examples = (const char *const[]){"vswitchctl queue stats web1",
						  "vswitchctl queue stats -w", NULL},
		.args = list_args,
		.cols = stats_cols,
		.rows = "queues",
		.flags = CTL_WATCH,
		.answer = ROWS,
	},
	{0},
};
