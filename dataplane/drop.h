/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Every way a frame can die, in one list.  Each reason has a counter per port and per worker, a
 * test, and a line in 'vswitchctl drop list'.  A side says which half of the port's ledger it
 * belongs to (counter.h).
 */
#ifndef DATAPLANE_DROP_H
#define DATAPLANE_DROP_H

/* clang-format off */
#define DP_DROP_REASONS(X)                                                                      \
	X(RUNT, "runt", "shorter than an Ethernet header")                                      \
	X(TRUNCATED_TAG, "truncated-tag", "ends inside a VLAN tag")                             \
	X(BAD_SOURCE, "bad-source", "source address is a group address or zero")                \
	X(PORT_DISABLED, "port-disabled", "ingress port is administratively down")              \
	X(VLAN_NOT_MEMBER, "vlan-not-member", "ingress port is not a member of the VLAN")       \
	X(UNTAGGED, "untagged", "ingress port takes only tagged frames")                        \
	X(RESERVED_MAC, "reserved-mac", "bridge-local group address (802.1Q 8.6.3)")            \
	X(HAIRPIN, "hairpin", "the destination lives behind the ingress port")                  \
	X(NO_RECEIVER, "no-receiver", "no port takes it")                                       \
	X(TENANT, "tenant", "the destination belongs to another tenant")                        \
	X(EGRESS_VLAN, "egress-vlan", "egress port is not a member of the VLAN, or PVLAN forbids") \
	X(GUARD_PROTECTED, "guard-protected", "ingress and egress port are both protected")    \
	X(FLOOD_LIMIT, "flood-limit", "the tenant's flooding bandwidth is used up")             \
	X(LOOP, "loop", "the loop guard or the BPDU guard holds the port")       \
	X(LOOP_PROBE, "loop-probe", "the switch's own probe came in: there is a loop")          \
	X(NO_MBUF, "no-mbuf", "no packet buffer left for a copy or a tag")                      \
	X(TX_DOWN, "tx-down", "egress port is down or has no peer")                             \
	X(TX_FULL, "tx-full", "egress queue is full")                                           \
	X(TX_TOO_BIG, "tx-too-big", "longer than the egress port's MTU")                        \
	X(TX_OFFLOAD, "tx-offload", "a checksum or segmentation request that cannot be met")    \
	X(SHAPER_FULL, "shaper-full", "its queue in the egress port's shaper is full")          \
	X(SHAPER_DELAY, "shaper-delay", "waited too long in the egress port's shaper (CoDel)")  \
	X(HANDOFF_FULL, "handoff-full", "the ring to the worker that owns the queue is full")   \
	X(VMQ_FULL, "vmq-full", "the ring of its NIC's own receive queue is full")              \
	X(RX_MALFORMED, "rx-malformed", "the receive descriptor or offload header is malformed") \
	X(NO_ACTION, "no-action", "no rule matches it, or the one that does has no output")   \
	X(TTL, "ttl", "a rule decrements its TTL, which is 0 or 1")                             \
	X(METER, "meter", "its rules use a meter, and it is over the rate")                     \
	X(PROGRAM_TOO_LONG, "program-too-long", "its rules do more than a program holds")   \
	X(CT_NAT, "ct-nat", "no address or port left to translate its connection to")          \
	X(FRAG_BAD, "frag-bad", "a fragment without content, or beyond the end of any packet") \
	X(FRAG_OVERLAP, "frag-overlap", "overlaps another fragment, or was one of such a packet") \
	X(FRAG_LIMIT, "frag-limit", "too many fragments wait for their packets") \
	X(FRAG_TIMEOUT, "frag-timeout", "a fragment whose packet did not become whole in time") \
	X(RESUME_LIMIT, "resume-limit", "its rules look it up again (ct) too often")            \
	X(RESUME_FULL, "resume-full", "no room to keep what its rules wanted with it (ct)")     \
	X(CONTROLLER_LIMIT, "controller-limit", "its port sends controllers more than it may")     \
	X(CONTROLLER_METER, "controller-meter", "its switch's meter for them is over its rate") \
	X(CONTROLLER_FULL, "controller-full", "too many frames wait for the controllers")       \
	X(FLOW_LIMIT, "flow-limit", "its port brings more new flows than a busy worker looks up")  \
	X(TUNNEL_MALFORMED, "tunnel-malformed", "the headers around it are cut off or wrong")  \
	X(TUNNEL_CHECKSUM, "tunnel-checksum", "the outer UDP checksum is wrong, or missing") \
	X(TUNNEL_FRAGMENT, "tunnel-fragment", "a fragment of a tunnel packet") \
	X(TUNNEL_UNKNOWN, "tunnel-unknown", "no tunnel port takes this key from this sender")  \
	X(TUNNEL_ECN, "tunnel-ecn", "congestion on the way, and the inner packet cannot say so") \
	X(TUNNEL_TOO_LONG, "tunnel-too-long", "longer than the underlay takes with its headers") \
	X(TUNNEL_NO_REMOTE, "tunnel-no-remote", "nothing says to which remote, or with which key") \
	X(TUNNEL_NO_ROUTE, "tunnel-no-route", "the remote is not on the link, and no gateway") \
	X(TUNNEL_UNRESOLVED, "tunnel-unresolved", "the next hop has not told its MAC") \
	X(TUNNEL_LOOP, "tunnel-loop", "it went through too many tunnels in one burst")         \
	X(TUNNEL_BUSY, "tunnel-busy", "more frames left tunnels in one burst than can wait")   \
	X(VTEP_UNUSED, "vtep-unused", "sent to a VTEP, and nothing that it serves")    \
	X(MIRROR_ONLY, "mirror-only", "its port is a mirror's target, and nothing else")        \
	X(FRAGMENT, "fragment", "a controller asked that fragments be dropped")                 \
	X(NO_RECV, "no-recv", "a controller told the ingress port not to receive")              \
	X(NO_FWD, "no-fwd", "a controller told the egress port not to send")                    \
	X(NIC_FILTER, "nic-filter", "the guest's network adapter does not ask for such frames")    \
	X(FILTER_DROP, "filter-drop", "a filter module dropped it")                             \
	X(FILTER_ABORTED, "filter-aborted", "a filter module failed on it (XDP_ABORTED)")       \
	X(FILTER_BUDGET, "filter-budget", "a filter module takes too long; its policy is drop") \
	X(FILTER_REFUSED, "filter-refused", "a filter module may not send it there")           \
	X(FILTER_TENANT, "filter-tenant", "a filter module would send it to another tenant")   \
	X(FILTER_MISSING, "filter-missing", "a filter module that should judge it is not loaded") \
	X(ACL_IN, "acl-ingress", "an access list of the ingress port denies it")                \
	X(ACL_OUT, "acl-egress", "an access list of the egress port denies it")                 \
	X(GUARD_MAC, "guard-mac", "source address is none of the port's (MAC spoofing)")      \
	X(GUARD_IP, "guard-ip", "source IP address is not bound to the port")                 \
	X(GUARD_DHCP, "guard-dhcp", "a DHCP server's message, or a client's for another") \
	X(GUARD_ROUTER, "guard-router", "a router advertisement, a redirect, or what hides one") \
	X(GUARD_ARP, "guard-arp", "ARP or neighbour discovery that claims what is another's") \
	X(GUARD_ARP_RATE, "guard-arp-rate", "its port sends more ARP and ND than it may") \
	X(GUARD_BROADCAST, "guard-broadcast", "its port broadcasts more than it may")         \
	X(GUARD_MULTICAST, "guard-multicast", "its port sends more multicast than it may")    \
	X(GUARD_UNKNOWN, "guard-unknown", "its port sends too much to unknown addresses") \
	X(GUARD_BPDU, "guard-bpdu", "a bridge protocol frame")                                \
	X(TEAM_STANDBY, "team-standby", "came by a member that its team does not use now")      \
	X(TEAM_COPY, "team-copy", "a group frame that the team hears by another member")        \
	X(TEAM_REFLECTED, "team-reflected", "sent back by the switch behind another member") \
	X(TEAM_NO_MEMBER, "team-no-member", "no member of the team can send")                   \
	X(TEAM_PDU, "team-pdu", "more LACP frames came than anybody looks at")                  \
	X(PORT_REMOVED, "port-removed", "the port was removed while the frame was queued")

enum dp_drop {
#define X(name, slug, text) DP_DROP_##name,
	DP_DROP_REASONS(X)
#undef X
	DP_N_DROPS,
};
/* clang-format on */

/* "vlan-not-member"; NULL for a number that is no reason. */
const char *dp_drop_slug(enum dp_drop reason);
/* The sentence for people; NULL for a number that is no reason. */
const char *dp_drop_text(enum dp_drop reason);

#endif
