/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on virtual machines; see spec.h.  What 'vm create --nic' and '--disk' make are objects
 * of their own (a port, a disk): the VM's body does not have them.
 */
#include "ctl/spec_priv.h"

#define THE_VM CTL_NAMED("name", "vm", CTL_REQUIRED, "the VM")
#define ONE_VM CTL_NAMED("name", "vm", 0, "one VM; all without it")

#define MEMORY_ARG(arg, text, otherwise)                                                           \
	{                                                                                          \
		.name = (arg), .type = CTL_SIZE, .flags = CTL_BINARY, .min = 32 << 20,             \
		.max = INT64_C(4) << 40, .metavar = "SIZE", .help = (text), .def = (otherwise)     \
	}

/* What a VM is made of; 'vm create' and 'vm set' both take it. */
#define VM_OPTIONS                                                                                 \
	{.name = "kernel",                                                                         \
	 .type = CTL_STR,                                                                          \
	 .form = CTL_FORM_FILE,                                                                    \
	 .metavar = "FILE",                                                                        \
	 .complete = "file",                                                                       \
	 .help = "Linux kernel to boot, bzImage or vmlinux"},                                      \
		{.name = "initrd",                                                                 \
		 .type = CTL_STR,                                                                  \
		 .form = CTL_FORM_FILE,                                                            \
		 .metavar = "FILE",                                                                \
		 .complete = "file",                                                               \
		 .help = "its initial file system",                                                \
		 .def = "none"},                                                                   \
		{.name = "cmdline",                                                                \
		 .type = CTL_STR,                                                                  \
		 .metavar = "WORDS",                                                               \
		 .help = "its command line",                                                       \
		 .def = "console=ttyS0"},                                                          \
		MEMORY_ARG("memory", "memory it starts with", "256M"),                             \
		MEMORY_ARG("memory-min", "the least that its balloon leaves it",                   \
			   "what it starts with"),                                                 \
		MEMORY_ARG("memory-max", "the most that it may get", "what it starts with"),       \
		{.name = "memory-buffer",                                                          \
		 .type = CTL_UINT,                                                                 \
		 .min = 5,                                                                         \
		 .max = 2000,                                                                      \
		 .metavar = "PERCENT",                                                             \
		 .help = "memory that it has beyond its demand, where that changes",               \
		 .def = "20"},                                                                     \
		{.name = "memory-priority",                                                        \
		 .type = CTL_UINT,                                                                 \
		 .min = 0,                                                                         \
		 .max = 100,                                                                       \
		 .metavar = "N",                                                                   \
		 .help = "who gets memory first when the host has little: the higher",             \
		 .def = "50"},                                                                     \
		{.name = "processors",                                                             \
		 .type = CTL_UINT,                                                                 \
		 .min = 1,                                                                         \
		 .max = 64,                                                                        \
		 .metavar = "N",                                                                   \
		 .help = "virtual processors",                                                     \
		 .def = "1"},                                                                      \
		{.name = "cpu",                                                                    \
		 .type = CTL_CHOICE,                                                               \
		 .choices = "host|x86-64-v1|x86-64-v2|x86-64-v3|x86-64-v4",                        \
		 .help = "features of its processors: the host's, or a level that other hosts "    \
			 "have too",                                                               \
		 .def = "host"},                                                                   \
		{.name = "nested", .type = CTL_FLAG, .help = "let it run VMs of its own"},         \
		{.name = "vsock",                                                                  \
		 .type = CTL_FLAG,                                                                 \
		 .help = "streams between host and guest (AF_VSOCK)"},                             \
		{.name = "face",                                                                   \
		 .type = CTL_CHOICE,                                                               \
		 .choices = "auto|kvm|user",                                                       \
		 .help = "who plays Hyper-V to it: the kernel, its own process, or the kernel "    \
			 "where it can",                                                           \
		 .def = "auto"},                                                                   \
		{.name = "autostart", .type = CTL_FLAG, .help = "start it with the host"},         \
		{.name = "restart",                                                                \
		 .type = CTL_CHOICE,                                                               \
		 .choices = "never|on-failure|always",                                             \
		 .help = "when to start it again by itself; always means also after it powered "   \
			 "off",                                                                    \
		 .def = "on-failure"},                                                             \
	{                                                                                          \
		.name = "on-crash", .type = CTL_CHOICE, .choices = "stop|keep|reset",              \
		.help = "what becomes of it when its kernel panics: it stops (and is a failure), " \
			"stays for a look, or is reset",                                           \
		.def = "stop"                                                                      \
	}

static const struct ctl_arg create_args[] = {
	{.name = "name",
	 .type = CTL_NAME,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .help = "name of the VM: letters, digits and ._-, at most 40"},
	VM_OPTIONS,
	{.name = "nic",
	 .type = CTL_LIST,
	 .flags = CTL_WHOLE,
	 .max = 8,
	 .metavar = "SWITCH[,name=..,tenant=..,vlan=..,mac=..,mtu=..,queues=..]",
	 .help = "a NIC on a switch; takes what 'nic add' takes, once for each NIC",
	 .def = "none"},
	{.name = "disk",
	 .type = CTL_LIST,
	 .flags = CTL_WHOLE,
	 .form = CTL_FORM_FILE_OPTIONS,
	 .max = 64,
	 .metavar = "PATH[,name=..,format=..,readonly]",
	 .complete = "file",
	 .help = "a disk; takes what 'disk add' takes, once for each disk",
	 .def = "none"},
	{.name = "id",
	 .type = CTL_UINT,
	 .flags = CTL_DEVICE,
	 .min = 1,
	 .max = 65535,
	 .metavar = "N",
	 .help = "number that the VM keeps; its process runs as user 0x70000000 + N",
	 .def = "the lowest that is free"},
	{0},
};

static const struct ctl_arg set_args[] = {
	THE_VM,
	VM_OPTIONS,
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = "kernel|initrd|cmdline|memory|memory-min|memory-max|memory-buffer|"
		    "memory-priority|processors|cpu|nested|vsock|face|autostart|restart|on-crash",
	 .help = "options that go back to their defaults"},
	{0},
};

static const struct ctl_arg name_args[] = {THE_VM, {0}};

static const struct ctl_arg start_args[] = {
	THE_VM,
	{.name = "timeout",
	 .type = CTL_DURATION,
	 .min = 1000,
	 .max = 3600000,
	 .help = "give up when its process is not ready by then",
	 .def = "60s"},
	{0},
};

static const struct ctl_arg stop_args[] = {
	ONE_VM,
	{.name = "all", .type = CTL_FLAG, .help = "all VMs that run"},
	{.name = "off", .type = CTL_FLAG, .help = "switch it off, without asking the guest"},
	{.name = "timeout",
	 .type = CTL_DURATION,
	 .min = 1000,
	 .max = 86400000,
	 .help = "switch it off when the guest has not shut down by then",
	 .def = "60s"},
	{0},
};

static const struct ctl_arg list_args[] = {{0}};

static const struct ctl_arg stats_args[] = {ONE_VM, {0}};

static const struct ctl_arg console_args[] = {
	THE_VM,
	{.name = "escape",
	 .type = CTL_STR,
	 .metavar = "KEY",
	 .help = "key that leaves the console: ^A to ^_, or none",
	 .def = "^]"},
	{0},
};

static const struct ctl_arg connect_args[] = {
	THE_VM,
	{.name = "port",
	 .type = CTL_UINT,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .max = UINT32_MAX,
	 .help = "port that a program of the guest listens on (AF_VSOCK)"},
	{0},
};

static const struct ctl_col list_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"face", "FACE", CTL_LEFT, CTL_AS_IS, false},
	{"processors", "CPUS", CTL_RIGHT, CTL_AS_IS, false},
	{"memory", "MEMORY", CTL_RIGHT, CTL_AS_MEMORY, false},
	{"uptime_s", "UP", CTL_RIGHT, CTL_AS_AGE, false},
	{"os", "GUEST", CTL_LEFT, CTL_AS_IS, false},
	{"ips", "ADDRESSES", CTL_LEFT, CTL_AS_IS, false},
	{"nics", "NICS", CTL_RIGHT, CTL_AS_IS, false},
	{"disks", "DISKS", CTL_RIGHT, CTL_AS_IS, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col show_cols[] = {
	{"name", "name", CTL_LEFT, CTL_AS_IS, true},
	{"id", "id", CTL_LEFT, CTL_AS_IS, false},
	{"state", "state", CTL_LEFT, CTL_AS_IS, false},
	{"note", "note", CTL_LEFT, CTL_AS_IS, false},
	{"pid", "process", CTL_LEFT, CTL_AS_IS, false},
	{"face", "face", CTL_LEFT, CTL_AS_IS, false},
	{"uptime_s", "up", CTL_LEFT, CTL_AS_AGE, false},
	{"boot_ms", "boot", CTL_LEFT, CTL_AS_DURATION, false},
	{"restarts", "started again", CTL_LEFT, CTL_AS_IS, false},
	{"processors", "processors", CTL_LEFT, CTL_AS_IS, false},
	{"memory", "memory", CTL_LEFT, CTL_AS_MEMORY, false},
	{"memory_assigned", "memory assigned", CTL_LEFT, CTL_AS_MEMORY, false},
	{"memory_demand", "memory demand", CTL_LEFT, CTL_AS_MEMORY, false},
	{"os", "guest", CTL_LEFT, CTL_AS_IS, false},
	{"host", "guest's name", CTL_LEFT, CTL_AS_IS, false},
	{"ips", "guest's addresses", CTL_LEFT, CTL_AS_IS, false},
	{"heartbeat", "heartbeat", CTL_LEFT, CTL_AS_IS, false},
	{"crash", "crash", CTL_LEFT, CTL_AS_IS, false},
	{"console", "console", CTL_LEFT, CTL_AS_IS, false},
	{"vsock", "vsock", CTL_LEFT, CTL_AS_IS, false},
	{"log", "log", CTL_LEFT, CTL_AS_IS, false},
	{"at_next_start", "changes at its next start", CTL_LEFT, CTL_AS_IS, false},
	{"configured", "configured", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col nic_cols[] = {
	{"name", "NIC", CTL_LEFT, CTL_AS_IS, true},
	{"switch", "SWITCH", CTL_LEFT, CTL_AS_IS, false},
	{"tenant", "TENANT", CTL_LEFT, CTL_AS_IS, false},
	{"vlan", "VLAN", CTL_LEFT, CTL_AS_IS, false},
	{"mac", "MAC", CTL_LEFT, CTL_AS_IS, false},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col disk_cols[] = {
	{"name", "DISK", CTL_LEFT, CTL_AS_IS, true},
	{"path", "PATH", CTL_LEFT, CTL_AS_IS, false},
	{"format", "FORMAT", CTL_LEFT, CTL_AS_IS, false},
	{"lun", "LUN", CTL_RIGHT, CTL_AS_IS, false},
	{"readonly", "READ ONLY", CTL_LEFT, CTL_AS_IS, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_part show_parts[] = {{"nic_list", "NICs", nic_cols},
					     {"disk_list", "disks", disk_cols},
					     {0}};

static const struct ctl_col stats_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"cpu_ms", "CPU MS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"exits", "EXITS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"messages", "MESSAGES", CTL_RIGHT, CTL_AS_COUNT, false},
	{"memory_resident", "RESIDENT", CTL_RIGHT, CTL_AS_MEMORY, false},
	{"memory_own", "OWN", CTL_RIGHT, CTL_AS_MEMORY, false},
	{"reads", "READS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"read_bytes", "READ", CTL_RIGHT, CTL_AS_BYTES, false},
	{"writes", "WRITES", CTL_RIGHT, CTL_AS_COUNT, false},
	{"write_bytes", "WRITTEN", CTL_RIGHT, CTL_AS_BYTES, false},
	{"rx_packets", "SENT", CTL_RIGHT, CTL_AS_COUNT, false},
	{"tx_packets", "RECEIVED", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};

static const struct ctl_col exit_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"reason", "EXIT", CTL_LEFT, CTL_AS_IS, true},
	{"count", "COUNT", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};

static const struct ctl_part stats_parts[] = {{"exit_list", "exits", exit_cols}, {0}};

#define ANSWER_STATE "{\"name\", \"state\"}"

const struct ctl_spec ctl_spec_vms[] = {
	{
		.noun = "vm",
		.verb = "create",
		.summary = "Define a VM, with its NICs and disks",
		.description =
			"The VM starts with 'vm start'. Each --nic becomes a port of kind vmbus "
			"named NAME/nic0, NAME/nic1 and so on, each --disk a disk NAME/disk0, "
			"unless a name is given; 'nic' and 'disk' change them later. Sizes of "
			"memory count in powers of 1024.",
		.examples =
			(const char *const[]){
				"vswitchctl vm create web1 --kernel /boot/vmlinuz --initrd "
				"/boot/initrd.img --memory 256M --nic lan0,tenant=blue",
				"vswitchctl vm create db --kernel K --disk db.img --cmdline "
				"'console=ttyS0 root=/dev/sda1' --processors 4 --memory 4G",
				"vswitchctl vm create web2 --kernel K --initrd I --memory 1G "
				"--memory-min 256M --memory-max 4G --autostart",
				NULL},
		.args = create_args,
		.kind = "vm",
		.key = "name",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "vm",
		.verb = "set",
		.summary = "Change a VM",
		.description =
			"Restart policy and autostart hold at once, all else from the next start "
			"of the VM; 'vm show' says what waits for it.",
		.examples = (const char *const[]){"vswitchctl vm set web1 --processors 2 --memory "
						  "512M",
						  "vswitchctl vm set web1 --restart always "
						  "--autostart",
						  NULL},
		.args = set_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "vm",
		.verb = "delete",
		.summary = "Forget a VM, its NICs and its disks; image files stay",
		.examples = (const char *const[]){"vswitchctl vm delete web1", NULL},
		.args = name_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "vm",
		.verb = "start",
		.summary = "Start a VM",
		.description = "Answers when the VM's process is ready and its processors run, or "
			       "with the reason why not.",
		.examples = (const char *const[]){"vswitchctl vm start web1", NULL},
		.args = start_args,
		.answer = ANSWER_STATE,
	},
	{
		.noun = "vm",
		.verb = "stop",
		.summary = "Shut a VM down, or switch it off",
		.description = "The guest is asked to shut down. Answers when it has, or when it "
			       "was switched off because it did not.",
		.examples = (const char *const[]){"vswitchctl vm stop web1",
						  "vswitchctl vm stop web1 --off",
						  "vswitchctl vm stop --all --timeout 2m", NULL},
		.args = stop_args,
		.answer = "{\"vms\": [{\"name\", \"state\", \"note\"}]}",
	},
	{
		.noun = "vm",
		.verb = "reset",
		.summary = "Reset a VM, as its reset button would",
		.examples = (const char *const[]){"vswitchctl vm reset web1", NULL},
		.args = name_args,
		.answer = ANSWER_STATE,
	},
	{
		.noun = "vm",
		.verb = "pause",
		.summary = "Stop a VM's processors where they are",
		.examples = (const char *const[]){"vswitchctl vm pause web1", NULL},
		.args = name_args,
		.answer = ANSWER_STATE,
	},
	{
		.noun = "vm",
		.verb = "resume",
		.summary = "Let a paused VM go on",
		.examples = (const char *const[]){"vswitchctl vm resume web1", NULL},
		.args = name_args,
		.answer = ANSWER_STATE,
	},
	{
		.noun = "vm",
		.verb = "list",
		.summary = "List the VMs",
		.examples =
			(const char *const[]){"vswitchctl vm list", "vswitchctl vm list -w", NULL},
		.args = list_args,
		.cols = list_cols,
		.rows = "vms",
		.flags = CTL_WATCH | CTL_DEFAULT,
		.answer = "{\"vms\": [{\"name\", \"id\", \"state\": stopped, starting, running, "
			  "paused, stopping, crashed or waiting (to be started again), \"face\", "
			  "\"processors\", \"memory\", \"uptime_s\", \"os\", \"ips\": [..], "
			  "\"nics\", \"disks\", \"note\"}]}",
	},
	{
		.noun = "vm",
		.verb = "show",
		.summary = "Show all of a VM",
		.examples = (const char *const[]){"vswitchctl vm show web1", NULL},
		.args = name_args,
		.cols = show_cols,
		.parts = show_parts,
		.flags = CTL_WATCH,
		.answer = "as a row of vm list, with \"pid\", \"boot_ms\", \"restarts\", "
			  "\"memory_assigned\", \"memory_demand\", \"host\", \"heartbeat\", "
			  "\"crash\", \"console\": path of its socket, \"vsock\": path "
			  "of its socket or null, \"log\": path, "
			  "\"nic_list\", \"disk_list\", \"at_next_start\": [parameters], "
			  "\"configured\": the parameters of vm create",
	},
	{
		.noun = "vm",
		.verb = "console",
		.summary = "Attach this terminal to a VM's serial port",
		.description =
			"First comes what the guest wrote last. The escape key leaves; the VM goes "
			"on. Without a terminal (a pipe, a file) bytes go through as they are, and "
			"the end of the input leaves once the guest is silent.",
		.examples = (const char *const[]){"vswitchctl vm console web1",
						  "vswitchctl vm console web1 --escape ^A", NULL},
		.args = console_args,
		.answer = "{\"socket\": path of a stream socket, \"state\"}",
	},
	{
		.noun = "vm",
		.verb = "connect",
		.summary = "Connect to a program in a VM, without a network",
		.description =
			"Standard input goes to the program that listens on that port of the guest "
			"(AF_VSOCK), what it says to standard output, until it ends the stream. "
			"The "
			"end of the input is told to it. The VM must have been created with "
			"--vsock.",
		.examples = (const char *const[]){"vswitchctl vm connect web1 1024 <request", NULL},
		.args = connect_args,
		.answer = "{\"socket\": path of a stream socket that takes 'CONNECT PORT' and a "
			  "newline first, \"state\"}",
	},
	{
		.noun = "vm",
		.verb = "stats",
		.summary = "Count what VMs do",
		.examples = (const char *const[]){"vswitchctl vm stats",
						  "vswitchctl vm stats web1 -w", NULL},
		.args = stats_args,
		.cols = stats_cols,
		.rows = "vms",
		.parts = stats_parts,
		.flags = CTL_WATCH,
		.answer = "{\"vms\": [{\"name\", \"cpu_ms\", \"exits\", \"messages\", "
			  "\"memory_resident\", \"memory_own\", \"reads\", \"writes\", "
			  "\"flushes\", \"read_bytes\", \"write_bytes\", \"disk_errors\", "
			  "\"rx_packets\", \"rx_bytes\", \"tx_packets\", \"tx_bytes\"}], "
			  "\"exit_list\": [{\"name\", \"reason\", \"count\"}], with a name also "
			  "\"worker\": what its process says",
	},
	{0},
};
