/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The fields that a match can look at and an action can set: one list, and the TLV that carries one
 * on the wire (OXM; OpenFlow 1.3.5, 7.2.3).  Besides the basic class there are the ONF's and
 * Nicira's fields that users of Open vSwitch need for connection tracking, tunnels and registers.
 * Nicira's older names of standard fields are read as the standard fields.
 */
#ifndef VSWITCH_OF_OXM_H
#define VSWITCH_OF_OXM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vswitch/of/error.h"

struct rd;
struct wr;

#define OF_VALUE_MAX 16

#define OFPVID_NONE    0x0000
#define OFPVID_PRESENT 0x1000

enum of_oxm_class {
	OFPXMC_NXM_0 = 0x0000,
	OFPXMC_NXM_1 = 0x0001,
	OFPXMC_OPENFLOW_BASIC = 0x8000,
	OFPXMC_PACKET_REGS = 0x8001,
	OFPXMC_EXPERIMENTER = 0xffff, /* of the list below: the ONF's */
};

/* What must stand before a field in the match (7.2.3.8). */
enum of_prereq {
	OF_PREREQ_NONE,
	OF_PREREQ_IN_PORT,
	OF_PREREQ_VLAN,
	OF_PREREQ_IP,
	OF_PREREQ_IPV4,
	OF_PREREQ_IPV6,
	OF_PREREQ_ARP,
	OF_PREREQ_MPLS,
	OF_PREREQ_PBB,
	OF_PREREQ_TCP,
	OF_PREREQ_UDP,
	OF_PREREQ_SCTP,
	OF_PREREQ_ICMPV4,
	OF_PREREQ_ICMPV6,
	OF_PREREQ_ND,	  /* neighbour solicitation or advertisement */
	OF_PREREQ_ND_SOL, /* solicitation */
	OF_PREREQ_ND_ADV, /* advertisement */
};

/* Who may write a field. */
enum of_field_write {
	OF_WRITE_NONE,
	OF_WRITE_LOAD, /* load and move, not set-field (7.2.5: pipeline fields) */
	OF_WRITE_SET,
	OF_WRITE_CT, /* inside ct(exec(...)) only */
};

/* How people write a value. */
enum of_field_form {
	OF_FORM_DEC,
	OF_FORM_HEX,
	OF_FORM_PORT,
	OF_FORM_MAC,
	OF_FORM_IPV4,
	OF_FORM_IPV6,
	OF_FORM_FRAG,
	OF_FORM_TCP_FLAGS,
	OF_FORM_CT_STATE,
	OF_FORM_TUN_FLAGS,
};

/* X(id, class, number, bytes, bits, maskable, prerequisite, write, form, name, other name)
 * The order is that of the wire: a field's prerequisites come before it.  Masks on transport ports
 * go beyond the specification: port ranges are made of them. */
/* clang-format off */
#define OF_FIELDS(X)                                                                              \
	X(IN_PORT, OPENFLOW_BASIC, 0, 4, 32, false, NONE, LOAD, PORT, "in_port", NULL)            \
	X(IN_PHY_PORT, OPENFLOW_BASIC, 1, 4, 32, false, IN_PORT, NONE, PORT, "in_phy_port", NULL) \
	X(METADATA, OPENFLOW_BASIC, 2, 8, 64, true, NONE, LOAD, HEX, "metadata", NULL)            \
	X(ETH_DST, OPENFLOW_BASIC, 3, 6, 48, true, NONE, SET, MAC, "eth_dst", "dl_dst")           \
	X(ETH_SRC, OPENFLOW_BASIC, 4, 6, 48, true, NONE, SET, MAC, "eth_src", "dl_src")           \
	X(ETH_TYPE, OPENFLOW_BASIC, 5, 2, 16, false, NONE, SET, HEX, "eth_type", "dl_type")       \
	X(VLAN_VID, OPENFLOW_BASIC, 6, 2, 13, true, NONE, SET, HEX, "vlan_vid", NULL)             \
	X(VLAN_PCP, OPENFLOW_BASIC, 7, 1, 3, false, VLAN, SET, DEC, "vlan_pcp", NULL)             \
	X(IP_DSCP, OPENFLOW_BASIC, 8, 1, 6, false, IP, SET, DEC, "ip_dscp", NULL)                 \
	X(IP_ECN, OPENFLOW_BASIC, 9, 1, 2, false, IP, SET, DEC, "ip_ecn", "nw_ecn")               \
	X(IP_PROTO, OPENFLOW_BASIC, 10, 1, 8, false, IP, SET, DEC, "ip_proto", "nw_proto")        \
	X(IPV4_SRC, OPENFLOW_BASIC, 11, 4, 32, true, IPV4, SET, IPV4, "ip_src", "nw_src")         \
	X(IPV4_DST, OPENFLOW_BASIC, 12, 4, 32, true, IPV4, SET, IPV4, "ip_dst", "nw_dst")         \
	X(TCP_SRC, OPENFLOW_BASIC, 13, 2, 16, true, TCP, SET, DEC, "tcp_src", NULL)               \
	X(TCP_DST, OPENFLOW_BASIC, 14, 2, 16, true, TCP, SET, DEC, "tcp_dst", NULL)               \
	X(UDP_SRC, OPENFLOW_BASIC, 15, 2, 16, true, UDP, SET, DEC, "udp_src", NULL)               \
	X(UDP_DST, OPENFLOW_BASIC, 16, 2, 16, true, UDP, SET, DEC, "udp_dst", NULL)               \
	X(SCTP_SRC, OPENFLOW_BASIC, 17, 2, 16, true, SCTP, SET, DEC, "sctp_src", NULL)            \
	X(SCTP_DST, OPENFLOW_BASIC, 18, 2, 16, true, SCTP, SET, DEC, "sctp_dst", NULL)            \
	X(ICMPV4_TYPE, OPENFLOW_BASIC, 19, 1, 8, false, ICMPV4, SET, DEC,                         \
	  "icmp_type", "icmpv4_type")  \
	X(ICMPV4_CODE, OPENFLOW_BASIC, 20, 1, 8, false, ICMPV4, SET, DEC,                         \
	  "icmp_code", "icmpv4_code")  \
	X(ARP_OP, OPENFLOW_BASIC, 21, 2, 16, false, ARP, SET, DEC, "arp_op", NULL)                \
	X(ARP_SPA, OPENFLOW_BASIC, 22, 4, 32, true, ARP, SET, IPV4, "arp_spa", NULL)              \
	X(ARP_TPA, OPENFLOW_BASIC, 23, 4, 32, true, ARP, SET, IPV4, "arp_tpa", NULL)              \
	X(ARP_SHA, OPENFLOW_BASIC, 24, 6, 48, true, ARP, SET, MAC, "arp_sha", NULL)               \
	X(ARP_THA, OPENFLOW_BASIC, 25, 6, 48, true, ARP, SET, MAC, "arp_tha", NULL)               \
	X(IPV6_SRC, OPENFLOW_BASIC, 26, 16, 128, true, IPV6, SET, IPV6, "ipv6_src", NULL)         \
	X(IPV6_DST, OPENFLOW_BASIC, 27, 16, 128, true, IPV6, SET, IPV6, "ipv6_dst", NULL)         \
	X(IPV6_FLABEL, OPENFLOW_BASIC, 28, 4, 20, true, IPV6, SET, HEX,                           \
	  "ipv6_label", "ipv6_flabel")  \
	X(ICMPV6_TYPE, OPENFLOW_BASIC, 29, 1, 8, false, ICMPV6, SET, DEC, "icmpv6_type", NULL)    \
	X(ICMPV6_CODE, OPENFLOW_BASIC, 30, 1, 8, false, ICMPV6, SET, DEC, "icmpv6_code", NULL)    \
	X(IPV6_ND_TARGET, OPENFLOW_BASIC, 31, 16, 128, true, ND, SET, IPV6,                       \
	  "nd_target", "ipv6_nd_target")  \
	X(IPV6_ND_SLL, OPENFLOW_BASIC, 32, 6, 48, true, ND_SOL, SET, MAC, "nd_sll", "ipv6_nd_sll") \
	X(IPV6_ND_TLL, OPENFLOW_BASIC, 33, 6, 48, true, ND_ADV, SET, MAC, "nd_tll", "ipv6_nd_tll") \
	X(MPLS_LABEL, OPENFLOW_BASIC, 34, 4, 20, false, MPLS, SET, DEC, "mpls_label", NULL)       \
	X(MPLS_TC, OPENFLOW_BASIC, 35, 1, 3, false, MPLS, SET, DEC, "mpls_tc", NULL)              \
	X(MPLS_BOS, OPENFLOW_BASIC, 36, 1, 1, false, MPLS, SET, DEC, "mpls_bos", NULL)            \
	X(PBB_ISID, OPENFLOW_BASIC, 37, 3, 24, true, PBB, SET, HEX, "pbb_isid", NULL)             \
	X(TUNNEL_ID, OPENFLOW_BASIC, 38, 8, 64, true, NONE, SET, HEX, "tun_id", "tunnel_id")      \
	X(IPV6_EXTHDR, OPENFLOW_BASIC, 39, 2, 9, true, IPV6, SET, HEX, "ipv6_exthdr", NULL)       \
	X(PBB_UCA, OPENFLOW_BASIC, 41, 1, 1, false, PBB, SET, DEC, "pbb_uca", NULL)               \
	X(TCP_FLAGS, EXPERIMENTER, 42, 2, 12, true, TCP, NONE, TCP_FLAGS, "tcp_flags", NULL)      \
	X(ACTSET_OUTPUT, EXPERIMENTER, 43, 4, 32, false, NONE, NONE, PORT, "actset_output", NULL) \
	X(NXM_IN_PORT, NXM_0, 0, 2, 16, false, NONE, LOAD, DEC, "NXM_OF_IN_PORT", NULL)           \
	X(VLAN_TCI, NXM_0, 4, 2, 16, true, NONE, LOAD, HEX, "vlan_tci", NULL)                     \
	X(IP_FRAG, NXM_1, 26, 1, 2, true, IP, NONE, FRAG, "ip_frag", "nw_frag")                   \
	X(IP_TTL, NXM_1, 29, 1, 8, false, IP, SET, DEC, "nw_ttl", "ip_ttl")                       \
	X(MPLS_TTL, NXM_1, 30, 1, 8, false, MPLS, SET, DEC, "mpls_ttl", NULL)                     \
	X(TUN_SRC, NXM_1, 31, 4, 32, true, NONE, SET, IPV4, "tun_src", NULL)                      \
	X(TUN_DST, NXM_1, 32, 4, 32, true, NONE, SET, IPV4, "tun_dst", NULL)                      \
	X(TUN_GBP_ID, NXM_1, 38, 2, 16, true, NONE, SET, DEC, "tun_gbp_id", NULL)                 \
	X(TUN_GBP_FLAGS, NXM_1, 39, 1, 8, true, NONE, SET, HEX, "tun_gbp_flags", NULL)            \
	X(TUN_FLAGS, NXM_1, 104, 2, 1, true, NONE, SET, TUN_FLAGS, "tun_flags", NULL)             \
	X(TUN_IPV6_SRC, NXM_1, 109, 16, 128, true, NONE, SET, IPV6, "tun_ipv6_src", NULL)         \
	X(TUN_IPV6_DST, NXM_1, 110, 16, 128, true, NONE, SET, IPV6, "tun_ipv6_dst", NULL)         \
	X(PKT_MARK, NXM_1, 33, 4, 32, true, NONE, SET, HEX, "pkt_mark", NULL)                     \
	X(CT_STATE, NXM_1, 105, 4, 32, true, NONE, NONE, CT_STATE, "ct_state", NULL)              \
	X(CT_ZONE, NXM_1, 106, 2, 16, false, NONE, NONE, DEC, "ct_zone", NULL)                    \
	X(CT_MARK, NXM_1, 107, 4, 32, true, NONE, CT, HEX, "ct_mark", NULL)                       \
	X(CT_LABEL, NXM_1, 108, 16, 128, true, NONE, CT, HEX, "ct_label", NULL)                   \
	X(CT_NW_PROTO, NXM_1, 119, 1, 8, false, NONE, NONE, DEC, "ct_nw_proto", NULL)             \
	X(CT_NW_SRC, NXM_1, 120, 4, 32, true, NONE, NONE, IPV4, "ct_nw_src", NULL)                \
	X(CT_NW_DST, NXM_1, 121, 4, 32, true, NONE, NONE, IPV4, "ct_nw_dst", NULL)                \
	X(CT_IPV6_SRC, NXM_1, 122, 16, 128, true, NONE, NONE, IPV6, "ct_ipv6_src", NULL)          \
	X(CT_IPV6_DST, NXM_1, 123, 16, 128, true, NONE, NONE, IPV6, "ct_ipv6_dst", NULL)          \
	X(CT_TP_SRC, NXM_1, 124, 2, 16, true, NONE, NONE, DEC, "ct_tp_src", NULL)                 \
	X(CT_TP_DST, NXM_1, 125, 2, 16, true, NONE, NONE, DEC, "ct_tp_dst", NULL)                 \
	OF_FIELDS_REGISTERS(X)

#define OF_REG(X, n) X(REG##n, NXM_1, n, 4, 32, true, NONE, SET, HEX, "reg" #n, NULL)
#define OF_XREG(X, n) X(XREG##n, PACKET_REGS, n, 8, 64, true, NONE, SET, HEX, "xreg" #n, NULL)
#define OF_XXREG(X, n, number) \
	X(XXREG##n, NXM_1, number, 16, 128, true, NONE, SET, HEX, "xxreg" #n, NULL)
#define OF_FIELDS_REGISTERS(X)                                                         \
	OF_REG(X, 0) OF_REG(X, 1) OF_REG(X, 2) OF_REG(X, 3) OF_REG(X, 4) OF_REG(X, 5)  \
	OF_REG(X, 6) OF_REG(X, 7) OF_REG(X, 8) OF_REG(X, 9) OF_REG(X, 10)              \
	OF_REG(X, 11) OF_REG(X, 12) OF_REG(X, 13) OF_REG(X, 14) OF_REG(X, 15)          \
	OF_XREG(X, 0) OF_XREG(X, 1) OF_XREG(X, 2) OF_XREG(X, 3)                        \
	OF_XREG(X, 4) OF_XREG(X, 5) OF_XREG(X, 6) OF_XREG(X, 7)                        \
	OF_XXREG(X, 0, 111) OF_XXREG(X, 1, 112) OF_XXREG(X, 2, 113) OF_XXREG(X, 3, 114)
/* clang-format on */

enum of_field {
#define X(id, ...) OF_F_##id,
	OF_FIELDS(X)
#undef X
		OF_N_FIELDS,
};

struct of_field_info {
	const char *name;
	const char *other_name; /* as older tools write it; may be NULL */
	uint16_t oxm_class;
	uint8_t number;
	uint8_t size; /* bytes of a value */
	uint8_t n_bits;
	bool maskable;
	uint8_t prereq; /* enum of_prereq */
	uint8_t write;	/* enum of_field_write */
	uint8_t form;	/* enum of_field_form */
};

const struct of_field_info *of_field_info(enum of_field field);
/* False for Nicira's two fields that only actions use: a match has the standard's instead. */
static inline bool of_field_matches(enum of_field field)
{
	return field != OF_F_NXM_IN_PORT && field != OF_F_VLAN_TCI;
}

/* A field with its value: bytes in network order, 'size' of them, the rest zero.  Where 'masked' is
 * unset the mask is all ones; it is always filled in. */
struct of_oxm {
	uint8_t field; /* enum of_field */
	bool masked;
	uint8_t value[OF_VALUE_MAX];
	uint8_t mask[OF_VALUE_MAX];
};

/* The header alone.  Unknown fields are OFPBMC_BAD_FIELD and 'ret_left' is how many bytes of theirs
 * follow; for known ones, 'ret_left' is value and mask.  A header cut short is OFPBMC_BAD_LEN. */
enum of_error of_oxm_id_decode(struct rd *rd, enum of_field *ret_field, bool *ret_masked,
			       size_t *ret_left);
void of_oxm_id_encode(struct wr *wr, enum of_field field, bool masked);
/* By Nicira's number where there is one: the form of fields in Nicira's actions. */
void of_oxm_id_encode_nxm(struct wr *wr, enum of_field field);

/* One TLV, its length, value and mask checked; errors are those of a match. */
enum of_error of_oxm_decode(struct rd *rd, struct of_oxm *ret_oxm);
void of_oxm_encode(struct wr *wr, const struct of_oxm *oxm);

/* Makes an exact one; 'value' must fit the field's bits. */
struct of_oxm of_oxm_u64(enum of_field field, uint64_t value);
/* Makes a masked one of fields of up to 64 bits. */
struct of_oxm of_oxm_u64_masked(enum of_field field, uint64_t value, uint64_t mask);
/* The value of a field of up to 64 bits; of wider ones the last 64. */
uint64_t of_oxm_value(const struct of_oxm *oxm);
uint64_t of_oxm_mask(const struct of_oxm *oxm);
/* Fills in the all-ones mask of the field's width. */
void of_field_ones(enum of_field field, uint8_t mask[OF_VALUE_MAX]);
/* True when the bits outside the field's width are zero. */
bool of_field_fits(enum of_field field, const uint8_t value[OF_VALUE_MAX]);

#endif
