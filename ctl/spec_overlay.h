/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Arguments of 'port add' and 'port set' that only VTEPs and tunnel ports have; see spec.h.
 */
#ifndef CTL_SPEC_OVERLAY_H
#define CTL_SPEC_OVERLAY_H

#define CTL_TUNNEL_KINDS "kind=vxlan|geneve|nvgre"

#define CTL_OVERLAY_OPTIONS                                                                        \
	{.name = "gateway",                                                                        \
	 .type = CTL_LIST,                                                                         \
	 .max = 2,                                                                                 \
	 .min = 1,                                                                                 \
	 .metavar = "IP",                                                                          \
	 .only = "kind=vtep",                                                                      \
	 .help = "the way to remotes that are not on the VTEP's own network",                      \
	 .def = "none"},                                                                           \
		{.name = "neighbor",                                                               \
		 .type = CTL_LIST,                                                                 \
		 .metavar = "IP=MAC",                                                              \
		 .only = "kind=vtep",                                                              \
		 .help = "neighbours that are not asked for their MAC",                            \
		 .def = "none"},                                                                   \
		{.name = "vtep",                                                                   \
		 .type = CTL_NAME,                                                                 \
		 .complete = "port",                                                               \
		 .only = CTL_TUNNEL_KINDS,                                                         \
		 .help = "port of kind vtep by which the tunnel leaves"},                          \
		{.name = "remote",                                                                 \
		 .type = CTL_LIST,                                                                 \
		 .metavar = "IP",                                                                  \
		 .only = CTL_TUNNEL_KINDS,                                                         \
		 .help = "addresses of the far ends, or flow: rules say (set_field tun_dst)",      \
		 .def = "flow"},                                                                   \
		{.name = "key",                                                                    \
		 .type = CTL_STR,                                                                  \
		 .metavar = "N",                                                                   \
		 .only = CTL_TUNNEL_KINDS,                                                         \
		 .help = "VNI or VSID; tenant: each tenant's id; flow: rules say (tun_id)"},       \
		{.name = "udp-port",                                                               \
		 .type = CTL_UINT,                                                                 \
		 .min = 1,                                                                         \
		 .max = 65535,                                                                     \
		 .metavar = "N",                                                                   \
		 .only = "kind=vxlan|geneve",                                                      \
		 .help = "UDP port of the far ends, and ours",                                     \
		 .def = "4789 for vxlan, 6081 for geneve"},                                        \
		{.name = "ttl",                                                                    \
		 .type = CTL_STR,                                                                  \
		 .metavar = "N|inherit",                                                           \
		 .only = CTL_TUNNEL_KINDS,                                                         \
		 .help = "TTL or hop limit of the outer packet",                                   \
		 .def = "64"},                                                                     \
		{.name = "dscp",                                                                   \
		 .type = CTL_STR,                                                                  \
		 .metavar = "N|inherit",                                                           \
		 .only = CTL_TUNNEL_KINDS,                                                         \
		 .help = "traffic class of the outer packet; ECN is always the inner one's",       \
		 .def = "0"},                                                                      \
		{.name = "checksum",                                                               \
		 .type = CTL_ONOFF,                                                                \
		 .only = "kind=vxlan|geneve",                                                      \
		 .help = "fill in the outer UDP checksum, and over IPv6 take none without",        \
		 .def = "off over IPv4, on over IPv6"},                                            \
	{                                                                                          \
		.name = "too-long", .type = CTL_CHOICE, .choices = "tell|fragment",                \
		.metavar = "HOW", .only = CTL_TUNNEL_KINDS,                                        \
		.help = "what happens to packets that the underlay does not take: their sender "   \
			"is told, or the outer packet is fragmented",                              \
		.def = "tell"                                                                      \
	}

#endif
