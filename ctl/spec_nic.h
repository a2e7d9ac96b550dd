/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Arguments that only a synthetic NIC (a port of kind vmbus) has: of 'port add', 'port set' and
 * 'nic set', which all say the same; see spec.h.
 */
#ifndef CTL_SPEC_NIC_H
#define CTL_SPEC_NIC_H

#define CTL_NIC_OPTIONS                                                                            \
	{.name = "link",                                                                           \
	 .type = CTL_CHOICE,                                                                       \
	 .choices = "up|down",                                                                     \
	 .only = "kind=vmbus",                                                                     \
	 .help = "whether the guest sees a cable in its NIC",                                      \
	 .def = "up"},                                                                             \
		{.name = "speed",                                                                  \
		 .type = CTL_RATE,                                                                 \
		 .min = 1000000,                                                                   \
		 .max = 1000000000000,                                                             \
		 .metavar = "RATE",                                                                \
		 .only = "kind=vmbus",                                                             \
		 .help = "link speed that the guest sees; nothing is held to it",                  \
		 .def = "10G"},                                                                    \
		{.name = "mac-change",                                                             \
		 .type = CTL_ONOFF,                                                                \
		 .only = "kind=vmbus",                                                             \
		 .help = "the guest may give its NIC another address",                             \
		 .def = "on"},                                                                     \
		{.name = "rsc",                                                                    \
		 .type = CTL_ONOFF,                                                                \
		 .only = "kind=vmbus",                                                             \
		 .help = "offer the guest to take TCP segments joined to large frames",            \
		 .def = "on"},                                                                     \
		{.name = "monitor",                                                                \
		 .type = CTL_ONOFF,                                                                \
		 .only = "kind=vmbus",                                                             \
		 .help = "let the guest signal by monitor pages, as DPDK on Linux before 6.10 "    \
			 "must",                                                                   \
		 .def = "off"},                                                                    \
	{                                                                                          \
		.name = "sriov", .type = CTL_ONOFF, .only = "kind=vmbus",                          \
		.help = "give the guest a VF of the uplink's adapter, while a VF can do what the " \
			"switch does for the NIC",                                                 \
		.def = "off"                                                                       \
	}

#endif
