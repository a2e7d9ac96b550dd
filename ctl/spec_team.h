/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Arguments of teams: 'port add' and 'port set' take them; 'team set' the team's own, under the
 * same names; see spec.h.
 */
#ifndef CTL_SPEC_TEAM_H
#define CTL_SPEC_TEAM_H

#define CTL_TEAM_OWN_OPTIONS                                                                       \
	{.name = "team-mode",                                                                      \
	 .type = CTL_CHOICE,                                                                       \
	 .choices = "active-backup|address|port|static|lacp",                                      \
	 .only = "kind=team",                                                                      \
	 .help = "which member carries a frame",                                                   \
	 .def = "active-backup"},                                                                  \
		{.name = "team-primary",                                                           \
		 .type = CTL_NAME,                                                                 \
		 .complete = "port",                                                               \
		 .metavar = "PORT",                                                                \
		 .only = "kind=team",                                                              \
		 .help = "the member that goes before the others while it has a link",             \
		 .def = "the fastest; of equals the one that is used already"},                    \
		{.name = "lacp-rate",                                                              \
		 .type = CTL_CHOICE,                                                               \
		 .choices = "fast|slow",                                                           \
		 .only = "kind=team",                                                              \
		 .help = "a partner that is silent for 3 or for 90 seconds is gone",               \
		 .def = "fast"},                                                                   \
	{                                                                                          \
		.name = "lacp-passive", .type = CTL_ONOFF, .only = "kind=team",                    \
		.help = "speak LACP only when the partner does", .def = "off"                      \
	}

#define CTL_TEAM_OPTIONS                                                                           \
	{.name = "team",                                                                           \
	 .type = CTL_NAME,                                                                         \
	 .complete = "port",                                                                       \
	 .metavar = "TEAM",                                                                        \
	 .only = "kind=phys|memif|mem",                                                            \
	 .help = "the port of kind team that it is a member of",                                   \
	 .def = "none: a port of its own"},                                                        \
		CTL_TEAM_OWN_OPTIONS

#endif
