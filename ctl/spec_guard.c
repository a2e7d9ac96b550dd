/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on guards of ports; see spec.h.
 */
#include "ctl/spec_guard.h"

#include "ctl/spec_priv.h"

static const struct ctl_arg set_args[] = {
	CTL_THE_PORT("port"),
	CTL_GUARD_OPTIONS(""),
	{.name = "default",
	 .type = CTL_LIST,
	 .metavar = "OPTION",
	 .choices = CTL_GUARD_DEFAULTS(""),
	 .help = "options that go back to what the profile says"},
	{0},
};

static const struct ctl_arg port_args[] = {CTL_THE_PORT("port"), {0}};
static const struct ctl_arg one_args[] = {CTL_ONE_PORT("port"), {0}};
static const struct ctl_arg forget_args[] = {
	CTL_THE_PORT("port"),
	{.name = "address",
	 .type = CTL_STR,
	 .form = CTL_FORM_PREFIX,
	 .flags = CTL_POS,
	 .metavar = "IP",
	 .help = "one address; all without it"},
	{0},
};
static const struct ctl_arg no_args[] = {{0}};

static const struct ctl_arg bind_args[] = {
	CTL_THE_PORT("port"),
	{.name = "address",
	 .type = CTL_STR,
	 .form = CTL_FORM_PREFIX,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .metavar = "IP",
	 .help = "IPv4 or IPv6 address or prefix"},
	{0},
};

static const struct ctl_col list_cols[] = {
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"profile", "PROFILE", CTL_LEFT, CTL_AS_IS, false},
	{"mode", "MODE", CTL_LEFT, CTL_AS_IS, false},
	{"mac", "MAC", CTL_LEFT, CTL_AS_IS, false},
	{"ip", "IP", CTL_LEFT, CTL_AS_IS, false},
	{"dhcp_server", "DHCP SERVER", CTL_LEFT, CTL_AS_IS, false},
	{"router", "ROUTER", CTL_LEFT, CTL_AS_IS, false},
	{"arp", "ARP", CTL_LEFT, CTL_AS_IS, false},
	{"bpdu", "BPDU", CTL_LEFT, CTL_AS_IS, false},
	{"is", "IS", CTL_LEFT, CTL_AS_IS, false},
	{"violations", "VIOLATIONS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"state", "STATE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col show_cols[] = {
	{"option", "GUARD", CTL_LEFT, CTL_AS_IS, true},
	{"value", "VALUE", CTL_LEFT, CTL_AS_IS, false},
	{"from", "FROM", CTL_LEFT, CTL_AS_IS, false},
	{"violations", "VIOLATIONS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"does", "DOES", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col stats_cols[] = {
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"guard", "GUARD", CTL_LEFT, CTL_AS_IS, true},
	{"violations", "VIOLATIONS", CTL_RIGHT, CTL_AS_COUNT, false},
	{"dropped", "DROPPED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"text", "WHAT", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col learned_cols[] = {
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"bindings", "ADDRESSES", CTL_RIGHT, CTL_AS_COUNT, false},
	{"learned", "LEARNED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"not_learned", "NOT LEARNED", CTL_RIGHT, CTL_AS_COUNT, false},
	{"answered", "ANSWERED", CTL_RIGHT, CTL_AS_COUNT, false},
	{0},
};

static const struct ctl_part stats_parts[] = {{"learned", "addresses", learned_cols}, {0}};

static const struct ctl_col binding_cols[] = {
	{"port", "PORT", CTL_LEFT, CTL_AS_IS, true},
	{"address", "ADDRESS", CTL_LEFT, CTL_AS_IS, true},
	{"mac", "MAC", CTL_LEFT, CTL_AS_IS, false},
	{"vlan", "VLAN", CTL_RIGHT, CTL_AS_IS, false},
	{"origin", "FROM", CTL_LEFT, CTL_AS_IS, false},
	{"expires", "EXPIRES IN", CTL_RIGHT, CTL_AS_AGE, false},
	{0},
};

static const struct ctl_col profile_cols[] = {
	{"option", "GUARD", CTL_LEFT, CTL_AS_IS, true},
	{"vm", "VM", CTL_LEFT, CTL_AS_IS, false},
	{"open", "OPEN", CTL_LEFT, CTL_AS_IS, false},
	{"uplink", "UPLINK", CTL_LEFT, CTL_AS_IS, false},
	{"does", "DOES", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

#define ROW                                                                                        \
	"\"port\", \"profile\", \"mode\", \"mac\", \"ip\", \"dhcp_server\", \"router\", "          \
	"\"arp\", \"bpdu\", \"is\": [trusted, protected, proxy], \"violations\": n, \"state\": "   \
	"\"\" or why it is held"

const struct ctl_spec ctl_spec_guards[] = {
	{
		.noun = "guard",
		.verb = "set",
		.summary = "Say what the machine behind a port may claim to be",
		.description =
			"All that is not said is as the profile of the port says; 'guard profiles' "
			"shows them. NICs of VMs have the profile vm unless another is given, "
			"other ports have open, which guards nothing. With '--mode watch' "
			"violations are counted and told, and pass.",
		.examples =
			(const char *const[]){
				"vswitchctl guard set web1 --profile vm",
				"vswitchctl guard set web1/nic0 --mac off",
				"vswitchctl guard set web1 --ip fixed --address 10.0.0.5,fd00::5",
				"vswitchctl guard set web1 --ip learned",
				"vswitchctl guard set dhcp0 --trusted on",
				"vswitchctl guard set web1 --mode watch",
				"vswitchctl guard set web1 --default mac,ip", NULL},
		.args = set_args,
		.kind = "guard",
		.key = "port",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "guard",
		.verb = "remove",
		.summary = "Take back all that was said of a port's guards",
		.description = "The port has what its kind has by default then: the profile vm if "
			       "it is the NIC of a VM, open if not.",
		.examples = (const char *const[]){"vswitchctl guard remove web1", NULL},
		.args = port_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "guard",
		.verb = "bind",
		.summary = "Give a port an address to send from",
		.description = "The same as one more --address of 'guard set'. It has no effect "
			       "while --ip is off.",
		.examples = (const char *const[]){"vswitchctl guard bind web1 10.0.0.5",
						  "vswitchctl guard bind web1 fd00:5::/64", NULL},
		.args = bind_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "guard",
		.verb = "unbind",
		.summary = "Take an address from a port that it was given",
		.examples = (const char *const[]){"vswitchctl guard unbind web1 10.0.0.5", NULL},
		.args = bind_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "guard",
		.verb = "forget",
		.summary = "Forget addresses that a port learned",
		.description = "The machine cannot use them until DHCP gives them to it again.",
		.examples = (const char *const[]){"vswitchctl guard forget web1",
						  "vswitchctl guard forget web1 10.0.0.5", NULL},
		.args = forget_args,
	},
	{
		.noun = "guard",
		.verb = "list",
		.summary = "List the guards of all ports",
		.examples = (const char *const[]){"vswitchctl guard list", NULL},
		.args = no_args,
		.cols = list_cols,
		.rows = "guards",
		.flags = CTL_WATCH | CTL_DEFAULT,
		.answer = "{\"guards\": [{" ROW "}]}",
	},
	{
		.noun = "guard",
		.verb = "show",
		.summary = "Show each guard of a port, where it comes from and what it caught",
		.examples = (const char *const[]){"vswitchctl guard show web1", NULL},
		.args = port_args,
		.cols = show_cols,
		.rows = "options",
		.flags = CTL_WATCH,
		.answer = "as a row of guard list, with \"options\": [{\"option\", \"value\", "
			  "\"from\": set, profile or switch, \"violations\", \"does\"}], "
			  "\"configured\": the parameters of guard set",
	},
	{
		.noun = "guard",
		.verb = "stats",
		.summary = "Show what guards caught, by port and guard",
		.description =
			"Violations that were not dropped passed, because the guard only "
			"watches. Of addresses: learned ones, renewals too; those that were "
			"not learned because the port has too many or another port has them; "
			"requests of ARP and ND that the switch answered.",
		.examples = (const char *const[]){"vswitchctl guard stats",
						  "vswitchctl guard stats web1 -w", NULL},
		.args = one_args,
		.cols = stats_cols,
		.rows = "violations",
		.parts = stats_parts,
		.flags = CTL_WATCH,
		.answer = "{\"violations\": [{\"port\", \"guard\": as drop list calls it, "
			  "\"violations\", \"dropped\", \"text\"}], \"learned\": [{\"port\", "
			  "\"bindings\", \"learned\", "
			  "\"not_learned\", \"answered\"}]}",
	},
	{
		.noun = "guard",
		.verb = "bindings",
		.summary = "List the addresses that ports may send from",
		.description = "Configured ones and those learned from leases of DHCP, which are "
			       "kept over a restart of the daemon.",
		.examples = (const char *const[]){"vswitchctl guard bindings",
						  "vswitchctl guard bindings web1", NULL},
		.args = one_args,
		.cols = binding_cols,
		.rows = "bindings",
		.flags = CTL_WATCH,
		.answer = "{\"bindings\": [{\"port\", \"address\", \"mac\", \"vlan\", \"origin\": "
			  "configured, dhcp4, dhcp6 or asked (IPv6: who asked first), \"expires\": "
			  "seconds or null}]}",
	},
	{
		.noun = "guard",
		.verb = "profiles",
		.summary = "Print what each profile says",
		.examples = (const char *const[]){"vswitchctl guard profiles", NULL},
		.args = no_args,
		.cols = profile_cols,
		.rows = "profiles",
		.answer = "{\"profiles\": [{\"option\", \"vm\", \"open\", \"uplink\", \"does\"}]}",
	},
	{
		.noun = "guard",
		.verb = "reset",
		.summary = "Let a port forward again that '--bpdu shutdown' holds",
		.description = "It does by itself five minutes after it was held.",
		.examples = (const char *const[]){"vswitchctl guard reset web1", NULL},
		.args = port_args,
	},
	{0},
};
