/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Matches in the flow syntax; see text_priv.h.
 */
#include "vswitch/of/text_priv.h"

#include <errno.h>

#define ETH_ARP	    0x0806
#define ETH_IPV6    0x86dd
#define VID_MASK    0x0fff
#define PCP_SHIFT   13
#define UNTAGGED    0xffff /* dl_vlan of OpenFlow 1.0 */
#define TYPE_NONE   0
#define PROTO_NONE  -1
#define PROTO_TCP   6
#define PROTO_UDP   17
#define PROTO_SCTP  132
#define N_PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

/* Longer names after shorter ones that say less: printing takes the last that fits. */
static const struct {
	const char *name;
	uint16_t eth_type;
	int ip_proto;
} protocols[] = {
	{"ip", 0x0800, PROTO_NONE},    {"ipv4", 0x0800, PROTO_NONE}, {"ip", 0x0800, PROTO_NONE},
	{"ipv6", 0x86dd, PROTO_NONE},  {"ip6", 0x86dd, PROTO_NONE},  {"ipv6", 0x86dd, PROTO_NONE},
	{"arp", 0x0806, PROTO_NONE},   {"rarp", 0x8035, PROTO_NONE}, {"mpls", 0x8847, PROTO_NONE},
	{"mplsm", 0x8848, PROTO_NONE}, {"icmp", 0x0800, 1},	     {"tcp", 0x0800, 6},
	{"udp", 0x0800, 17},	       {"sctp", 0x0800, 132},	     {"icmp6", 0x86dd, 58},
	{"tcp6", 0x86dd, 6},	       {"udp6", 0x86dd, 17},	     {"sctp6", 0x86dd, 132},
};

/* Fields whose names leave open what they are until the protocol is known. */
static const char *const later_names[] = {"tp_src",   "tp_dst",	   "nw_src",   "nw_dst",
					  "nw_proto", "icmp_type", "icmp_code"};

static bool set(struct of_parser *p, struct of_match *match, const struct of_oxm *oxm,
		struct of_word at)
{
	const struct of_oxm *old = of_match_find(match, (enum of_field)oxm->field);

	if (old != NULL && (memcmp(old->value, oxm->value, OF_VALUE_MAX) != 0 ||
			    memcmp(old->mask, oxm->mask, OF_VALUE_MAX) != 0))
		return of_parse_fail(p, at.at, "%s is given twice, with other values",
				     of_field_info((enum of_field)oxm->field)->name);
	of_match_set(match, oxm);
	return true;
}

static bool set_u64(struct of_parser *p, struct of_match *match, enum of_field field,
		    uint64_t value, struct of_word at)
{
	const struct of_oxm oxm = of_oxm_u64(field, value);

	return set(p, match, &oxm, at);
}

static bool set_text(struct of_parser *p, struct of_match *match, enum of_field field,
		     const struct of_pair *pair)
{
	struct of_oxm oxm;

	return of_parse_value(p, pair->value, field, &oxm) && set(p, match, &oxm, pair->key);
}

/* "dl_vlan=N": the tag's number, or UNTAGGED. */
static bool set_vlan(struct of_parser *p, struct of_match *match, const struct of_pair *pair)
{
	uint64_t vid = 0;

	if (!of_parse_number(p, pair->value, UNTAGGED, &vid))
		return false;
	if (vid == UNTAGGED)
		return set_u64(p, match, OF_F_VLAN_VID, OFPVID_NONE, pair->key);
	if (vid > VID_MASK)
		return of_parse_fail(p, pair->value.at, "a VLAN is 0 to %u, or 0xffff for none",
				     VID_MASK);
	of_match_unset(match, OF_F_VLAN_VID); /* dl_vlan_pcp may have said that there is one */
	return set_u64(p, match, OF_F_VLAN_VID, OFPVID_PRESENT | vid, pair->key);
}

static bool set_pcp(struct of_parser *p, struct of_match *match, const struct of_pair *pair)
{
	const struct of_oxm tagged =
		of_oxm_u64_masked(OF_F_VLAN_VID, OFPVID_PRESENT, OFPVID_PRESENT);

	if (of_match_find(match, OF_F_VLAN_VID) == NULL)
		of_match_set(match, &tagged);
	return set_text(p, match, OF_F_VLAN_PCP, pair);
}

/* "vlan_tci=V/M", the tag as Open vSwitch keeps it, in OpenFlow's two fields. */
static bool set_tci(struct of_parser *p, struct of_match *match, const struct of_pair *pair)
{
	const uint64_t vid_bits = OFPVID_PRESENT | VID_MASK;
	struct of_oxm tci, vid;
	uint64_t value, mask;

	if (!of_parse_value(p, pair->value, OF_F_VLAN_TCI, &tci))
		return false;
	value = of_oxm_value(&tci);
	mask = of_oxm_mask(&tci);
	if (value == 0 && mask == UINT16_MAX)
		return set_u64(p, match, OF_F_VLAN_VID, OFPVID_NONE, pair->key);
	vid = of_oxm_u64_masked(OF_F_VLAN_VID, value & vid_bits, mask & vid_bits);
	vid.masked = (mask & vid_bits) != vid_bits;
	if ((mask & vid_bits) != 0 && !set(p, match, &vid, pair->key))
		return false;
	if ((mask >> PCP_SHIFT) == 0)
		return true;
	if ((mask >> PCP_SHIFT) != 7 || (value & mask & OFPVID_PRESENT) == 0)
		return of_parse_fail(p, pair->value.at,
				     "OpenFlow matches on all of a priority, of tagged packets");
	return set_u64(p, match, OF_F_VLAN_PCP, value >> PCP_SHIFT, pair->key);
}

static bool set_tos(struct of_parser *p, struct of_match *match, const struct of_pair *pair)
{
	uint64_t tos = 0;

	if (!of_parse_number(p, pair->value, 255, &tos))
		return false;
	if ((tos & 3) != 0)
		return of_parse_fail(p, pair->value.at, "nw_tos has its two low bits clear");
	return set_u64(p, match, OF_F_IP_DSCP, tos >> 2, pair->key);
}

static int set_protocol(struct of_parser *p, struct of_match *match, const struct of_pair *pair)
{
	for (size_t i = 0; i < N_PROTOCOLS; i++) {
		if (!of_word_is(pair->key, protocols[i].name))
			continue;
		if (!set_u64(p, match, OF_F_ETH_TYPE, protocols[i].eth_type, pair->key))
			return -1;
		if (protocols[i].ip_proto != PROTO_NONE &&
		    !set_u64(p, match, OF_F_IP_PROTO, (uint64_t)protocols[i].ip_proto, pair->key))
			return -1;
		return 1;
	}
	return 0;
}

static int set_special(struct of_parser *p, struct of_match *match, const struct of_pair *pair)
{
	if (of_word_is(pair->key, "dl_vlan"))
		return set_vlan(p, match, pair) ? 1 : -1;
	if (of_word_is(pair->key, "dl_vlan_pcp"))
		return set_pcp(p, match, pair) ? 1 : -1;
	if (of_word_is(pair->key, "vlan_tci"))
		return set_tci(p, match, pair) ? 1 : -1;
	if (of_word_is(pair->key, "nw_tos"))
		return set_tos(p, match, pair) ? 1 : -1;
	for (size_t i = 0; i < sizeof(later_names) / sizeof(later_names[0]); i++) {
		if (!of_word_is(pair->key, later_names[i]))
			continue;
		if (p->n_later == OF_LATER_MAX)
			return of_parse_fail(p, pair->key.at, "too many fields of this kind") ? 1
											      : -1;
		p->later[p->n_later++] = *pair;
		return 1;
	}
	return 0;
}

int of_parse_match_pair(struct of_parser *p, const struct of_pair *pair, struct of_match *match)
{
	enum of_field field;
	int known;

	if (pair->sep == 0)
		return set_protocol(p, match, pair);
	if (pair->sep == '(')
		return 0;
	known = set_special(p, match, pair);
	if (known != 0)
		return known;
	field = of_field_find(pair->key);
	if (field == OF_N_FIELDS || !of_field_matches(field))
		return 0;
	return set_text(p, match, field, pair) ? 1 : -1;
}

static uint64_t exact(const struct of_match *match, enum of_field field)
{
	const struct of_oxm *oxm = of_match_find(match, field);

	return oxm != NULL ? of_oxm_value(oxm) : 0;
}

static enum of_field port_field(const struct of_match *match, bool source)
{
	switch (exact(match, OF_F_IP_PROTO)) {
	case PROTO_TCP:
		return source ? OF_F_TCP_SRC : OF_F_TCP_DST;
	case PROTO_UDP:
		return source ? OF_F_UDP_SRC : OF_F_UDP_DST;
	case PROTO_SCTP:
		return source ? OF_F_SCTP_SRC : OF_F_SCTP_DST;
	default:
		return OF_N_FIELDS;
	}
}

static enum of_field later_field(const struct of_match *match, struct of_word name)
{
	bool arp = exact(match, OF_F_ETH_TYPE) == ETH_ARP;
	bool ipv6 = exact(match, OF_F_ETH_TYPE) == ETH_IPV6;

	if (of_word_is(name, "nw_proto"))
		return arp ? OF_F_ARP_OP : OF_F_IP_PROTO;
	if (of_word_is(name, "nw_src"))
		return arp ? OF_F_ARP_SPA : OF_F_IPV4_SRC;
	if (of_word_is(name, "nw_dst"))
		return arp ? OF_F_ARP_TPA : OF_F_IPV4_DST;
	if (of_word_is(name, "icmp_type"))
		return ipv6 ? OF_F_ICMPV6_TYPE : OF_F_ICMPV4_TYPE;
	if (of_word_is(name, "icmp_code"))
		return ipv6 ? OF_F_ICMPV6_CODE : OF_F_ICMPV4_CODE;
	return port_field(match, of_word_is(name, "tp_src"));
}

static bool set_later(struct of_parser *p, const struct of_pair *pair, struct of_match *match)
{
	enum of_field field = later_field(match, pair->key);

	if (field == OF_N_FIELDS)
		return of_parse_fail(p, pair->key.at, "%.*s needs tcp, udp or sctp",
				     (int)pair->key.size, pair->key.at);
	return set_text(p, match, field, pair);
}

/* Protocols first: the others ask for them. */
static bool set_all_later(struct of_parser *p, struct of_match *match)
{
	for (int pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < p->n_later; i++)
			if (of_word_is(p->later[i].key, "nw_proto") == (pass == 0) &&
			    !set_later(p, &p->later[i], match))
				return false;
	return true;
}

bool of_parse_match_end(struct of_parser *p, struct of_match *match)
{
	if (p->rc != 0 || !set_all_later(p, match))
		return false;
	for (unsigned i = 0; i < match->n; i++) {
		const struct of_field_info *info = of_field_info((enum of_field)match->v[i].field);

		if (!of_match_prereq(match, (enum of_prereq)info->prereq))
			return of_parse_fail(p, p->text,
					     "%s needs a match on its protocol (such as ip or tcp)",
					     info->name);
	}
	return true;
}

int of_text_match_parse(const char *text, unsigned line, const struct of_text_ports *ports,
			struct of_match *ret_match, struct of_text_error *err)
{
	struct of_parser p = of_parser_init(text, strlen(text), line, ports, err);
	struct of_pair pair;

	ret_match->n = 0;
	while (of_parse_pair(&p, &pair))
		if (of_parse_match_pair(&p, &pair, ret_match) == 0)
			of_parse_fail(&p, pair.key.at, "unknown field '%.*s'", (int)pair.key.size,
				      pair.key.at);
	of_parse_match_end(&p, ret_match);
	return p.rc;
}

/* The protocol that says most of what the match does, or N_PROTOCOLS. */
static size_t protocol_of(const struct of_match *match)
{
	const struct of_oxm *type = of_match_find(match, OF_F_ETH_TYPE);
	const struct of_oxm *proto = of_match_find(match, OF_F_IP_PROTO);
	size_t best = N_PROTOCOLS;

	for (size_t i = 0; type != NULL && i < N_PROTOCOLS; i++)
		if (of_oxm_value(type) == protocols[i].eth_type &&
		    (protocols[i].ip_proto == PROTO_NONE ||
		     (proto != NULL && (int)of_oxm_value(proto) == protocols[i].ip_proto)))
			best = i;
	return best;
}

/* Names that 'ovs-ofctl' prints. */
static const char *name_of(const struct of_field_info *info)
{
	const char *other = info->other_name;

	return other != NULL && (strncmp(other, "dl_", 3) == 0 || strncmp(other, "nw_", 3) == 0)
		       ? other
		       : info->name;
}

static void put_field(struct wr *wr, const struct of_oxm *oxm, const struct of_text_ports *ports)
{
	uint64_t value = of_oxm_value(oxm);

	if (oxm->field == OF_F_VLAN_VID && (value & OFPVID_PRESENT) != 0 &&
	    of_oxm_mask(oxm) == (OFPVID_PRESENT | VID_MASK)) {
		of_put(wr, "dl_vlan=%u", (unsigned)(value & VID_MASK));
		return;
	}
	of_put(wr, "%s=",
	       oxm->field == OF_F_VLAN_PCP ? "dl_vlan_pcp"
					   : name_of(of_field_info((enum of_field)oxm->field)));
	of_value_print(wr, oxm, ports);
}

void of_text_match_print(struct wr *wr, const struct of_match *match,
			 const struct of_text_ports *ports)
{
	size_t protocol = protocol_of(match), from = wr->size;

	if (protocol < N_PROTOCOLS)
		of_put(wr, "%s", protocols[protocol].name);
	for (unsigned i = 0; i < match->n; i++) {
		uint8_t field = match->v[i].field;

		if (protocol < N_PROTOCOLS &&
		    (field == OF_F_ETH_TYPE ||
		     (field == OF_F_IP_PROTO && protocols[protocol].ip_proto != PROTO_NONE)))
			continue;
		if (wr->size > from)
			of_put(wr, ",");
		put_field(wr, &match->v[i], ports);
	}
}
