/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See trace.h: frames, keys and programs in words.
 */
#include "dataplane/steps.h"
#include "dataplane/port.h"
#include "vswitch/flow_key.h"
#include "vswitch/of/text.h"
#include "vswitch/trace.h"

#include <arpa/inet.h>
#include <string.h>

static const char *const names[DP_N_FIELDS] = {
	[DP_FIELD_ETH_DST] = "dl_dst",
	[DP_FIELD_ETH_TYPE] = "dl_type",
	[DP_FIELD_ETH_SRC] = "dl_src",
	[DP_FIELD_VLAN_VID] = "vlan_vid",
	[DP_FIELD_VLAN_PCP] = "vlan_pcp",
	[DP_FIELD_IN_PORT] = "in_port",
	[DP_FIELD_IP_PROTO] = "nw_proto",
	[DP_FIELD_IP_DSCP] = "ip_dscp",
	[DP_FIELD_IP_ECN] = "nw_ecn",
	[DP_FIELD_TP_SRC] = "tp_src",
	[DP_FIELD_TP_DST] = "tp_dst",
	[DP_FIELD_IP4_SRC] = "nw_src",
	[DP_FIELD_IP4_DST] = "nw_dst",
	[DP_FIELD_METADATA] = "metadata",
	[DP_FIELD_TUN_ID] = "tun_id",
	[DP_FIELD_MPLS_LABEL] = "mpls_label",
	[DP_FIELD_MPLS_TC] = "mpls_tc",
	[DP_FIELD_MPLS_BOS] = "mpls_bos",
	[DP_FIELD_IP_FRAG] = "ip_frag",
	[DP_FIELD_IPV6_EXTHDR] = "ipv6_exthdr",
	[DP_FIELD_PBB_UCA] = "pbb_uca",
	[DP_FIELD_PBB_ISID] = "pbb_isid",
	[DP_FIELD_IPV6_FLABEL] = "ipv6_label",
	[DP_FIELD_IP6_SRC] = "ipv6_src",
	[DP_FIELD_IP6_DST] = "ipv6_dst",
	[DP_FIELD_ARP_SHA] = "arp_sha",
	[DP_FIELD_TCP_FLAGS] = "tcp_flags",
	[DP_FIELD_ARP_THA] = "arp_tha",
	[DP_FIELD_CT_ZONE] = "ct_zone",
	[DP_FIELD_ND_TARGET] = "nd_target",
	[DP_FIELD_CT_STATE] = "ct_state",
	[DP_FIELD_CT_MARK] = "ct_mark",
	[DP_FIELD_CT_LABEL] = "ct_label",
	[DP_FIELD_TUN_SRC] = "tun_src",
	[DP_FIELD_TUN_DST] = "tun_dst",
	[DP_FIELD_TUN_SRC6] = "tun_ipv6_src",
	[DP_FIELD_TUN_DST6] = "tun_ipv6_dst",
	[DP_FIELD_IN_PHY_PORT] = "in_phy_port",
	[DP_FIELD_PKT_MARK] = "pkt_mark",
	[DP_FIELD_REG0] = "reg0",
	[DP_FIELD_REG1] = "reg1",
	[DP_FIELD_REG2] = "reg2",
	[DP_FIELD_REG3] = "reg3",
	[DP_FIELD_REG4] = "reg4",
	[DP_FIELD_REG5] = "reg5",
	[DP_FIELD_REG6] = "reg6",
	[DP_FIELD_REG7] = "reg7",
	[DP_FIELD_REG8] = "reg8",
	[DP_FIELD_REG9] = "reg9",
	[DP_FIELD_REG10] = "reg10",
	[DP_FIELD_REG11] = "reg11",
	[DP_FIELD_REG12] = "reg12",
	[DP_FIELD_REG13] = "reg13",
	[DP_FIELD_REG14] = "reg14",
	[DP_FIELD_REG15] = "reg15",
};

const char *vs_trace_field_name(enum dp_field field)
{
	return field < DP_N_FIELDS && names[field] != NULL ? names[field] : "?";
}

static bool is_mac(enum dp_field field)
{
	return dp_fields[field].bits == 48;
}

static bool is_ip4(enum dp_field field)
{
	return field == DP_FIELD_IP4_SRC || field == DP_FIELD_IP4_DST ||
	       field == DP_FIELD_TUN_SRC || field == DP_FIELD_TUN_DST;
}

static bool is_decimal(enum dp_field field)
{
	return field == DP_FIELD_TP_SRC || field == DP_FIELD_TP_DST || field == DP_FIELD_IP_PROTO ||
	       field == DP_FIELD_VLAN_PCP || field == DP_FIELD_IP_DSCP ||
	       field == DP_FIELD_IP_ECN || field == DP_FIELD_MPLS_LABEL;
}

static void put_hex(FILE *f, const uint8_t *v, size_t size)
{
	size_t i = 0;

	while (i + 1 < size && v[i] == 0)
		i++;
	fprintf(f, "0x%x", v[i]);
	while (++i < size)
		fprintf(f, "%02x", v[i]);
}

static void put_mac(FILE *f, const uint8_t *v)
{
	fprintf(f, "%02x:%02x:%02x:%02x:%02x:%02x", v[0], v[1], v[2], v[3], v[4], v[5]);
}

static void put_ip(FILE *f, bool six, const uint8_t *v)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(six ? AF_INET6 : AF_INET, v, text, sizeof(text));
	fputs(text, f);
}

static void put_decimal(FILE *f, const uint8_t *v, size_t size)
{
	unsigned value = 0;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | v[i];
	fprintf(f, "%u", value);
}

static void put_value(FILE *f, enum dp_field field, const uint8_t *v, size_t size)
{
	if (is_mac(field))
		put_mac(f, v);
	else if (is_ip4(field))
		put_ip(f, false, v);
	else if (dp_fields[field].bits == 128 && field != DP_FIELD_CT_LABEL)
		put_ip(f, true, v);
	else if (is_decimal(field))
		put_decimal(f, v, size);
	else
		put_hex(f, v, size);
}

/* How many ones a mask starts with, or -1 when others follow. */
static int prefix_of(const uint8_t *mask, size_t size)
{
	int n = 0;

	while ((size_t)n < size * 8 && (mask[n / 8] >> (7 - n % 8) & 1) != 0)
		n++;
	for (size_t i = (size_t)n; i < size * 8; i++)
		if ((mask[i / 8] >> (7 - i % 8) & 1) != 0)
			return -1;
	return n;
}

static void put_mask(FILE *f, enum dp_field field, const uint8_t *mask, size_t size)
{
	uint8_t all[16];
	struct dp_key cover = {0};
	int n = prefix_of(mask, size);

	dp_key_cover(&cover, field);
	dp_key_get_bytes(&cover, field, all);
	if (memcmp(all, mask, size) == 0)
		return;
	fputc('/', f);
	if (n >= 0 && (is_ip4(field) || dp_fields[field].bits == 128))
		fprintf(f, "%d", n);
	else if (is_mac(field))
		put_mac(f, mask);
	else
		put_hex(f, mask, size);
}

static void put_port(FILE *f, uint32_t port, const struct vs_trace_names *n)
{
	const char *name = NULL;

	if (n != NULL && n->ports != NULL && n->ports->name != NULL)
		name = n->ports->name(n->ports->arg, port);
	if (name != NULL)
		fputs(name, f);
	else
		fprintf(f, "%u", port);
}

void vs_trace_put_key(FILE *f, const struct dp_key *key, const struct dp_key *mask,
		      const struct vs_trace_names *n)
{
	const char *sep = "";

	for (unsigned i = 0; i < DP_N_FIELDS; i++) {
		enum dp_field field = (enum dp_field)i;
		size_t size = (dp_fields[i].bits + 7u) / 8;
		uint8_t v[16] = {0}, m[16] = {0}, any = 0;

		dp_key_get_bytes(mask, field, m);
		for (size_t k = 0; k < size; k++)
			any |= m[k];
		if (any == 0)
			continue;
		fprintf(f, "%s%s", sep, vs_trace_field_name(field));
		sep = ",";
		if (key != NULL) {
			dp_key_get_bytes(key, field, v);
			for (size_t k = 0; k < size; k++)
				v[k] &= m[k];
			fputc('=', f);
			if (field == DP_FIELD_IN_PORT)
				put_port(f, vs_flow_port32((uint16_t)dp_key_get(key, field)), n);
			else
				put_value(f, field, v, size);
		}
		put_mask(f, field, m, size);
	}
	if (sep[0] == '\0')
		fputs("nothing", f);
}

/* ---- Programs ---- */

static void put_id(FILE *f, uint32_t id, const struct vs_trace_names *n)
{
	const char *name = n != NULL && n->port != NULL ? n->port(n->arg, (uint16_t)id) : NULL;

	if (name != NULL)
		fputs(name, f);
	else
		fprintf(f, "%u", id);
}

static void put_step(FILE *f, const struct dp_step *s, const struct vs_trace_names *n)
{
	const char *text = dp_step_text((enum dp_step_op)s->op);
	size_t size;

	switch (s->op) {
	case DP_STEP_OUTPUT:
		fputs("output:", f);
		put_id(f, s->arg, n);
		break;
	case DP_STEP_QUEUE:
		fprintf(f, "set_queue:%u", s->arg);
		break;
	case DP_STEP_DROP:
		fprintf(f, "drop(%s)", dp_drop_slug((enum dp_drop)s->arg));
		break;
	case DP_STEP_CLONE:
		fputs("clone(", f);
		vs_trace_put_steps(f, s->data, (uint16_t)(s->size - sizeof(*s)), n);
		fputc(')', f);
		break;
	case DP_STEP_SET_MACS:
		fputs("set_macs:", f);
		put_mac(f, s->data + 6);
		fputc('>', f);
		put_mac(f, s->data);
		break;
	case DP_STEP_SET_FIELD:
		size = (dp_fields[s->arg].bits + 7u) / 8;
		fputs("set_field:", f);
		put_value(f, (enum dp_field)s->arg, s->data, size);
		put_mask(f, (enum dp_field)s->arg, s->data + size, size);
		fprintf(f, "->%s", vs_trace_field_name((enum dp_field)s->arg));
		break;
	case DP_STEP_CT:
		fprintf(f, "ct(zone=%u", ((const struct dp_step_ct *)s->data)->zone);
		if ((((const struct dp_step_ct *)s->data)->flags & DP_STEP_CT_COMMIT) != 0)
			fputs(",commit", f);
		fputc(')', f);
		break;
	case DP_STEP_RESUME:
		fputs("look up again", f);
		break;
	case DP_STEP_PUSH_VLAN:
		fprintf(f, "push_vlan:0x%x,vid %u", s->arg >> 16, s->arg & 0xfff);
		break;
	default:
		fputs(text != NULL ? text : "?", f);
		if (s->arg != 0)
			fprintf(f, ":%u", s->arg);
		break;
	}
}

void vs_trace_put_steps(FILE *f, const uint8_t *steps, uint16_t size,
			const struct vs_trace_names *n)
{
	for (uint16_t at = 0; at < size;) {
		const struct dp_step *s = (const struct dp_step *)(steps + at);

		if (at != 0)
			fputs(", ", f);
		put_step(f, s, n);
		at = (uint16_t)(at + s->size);
	}
	if (size == 0)
		fputs("drop", f);
}

/* ---- Frames ---- */

static void put_l4(FILE *f, const struct dp_headers *h)
{
	static const char *const l4[] = {
		[DP_L4_TCP] = "TCP",   [DP_L4_UDP] = "UDP",	  [DP_L4_SCTP] = "SCTP",
		[DP_L4_ICMP] = "ICMP", [DP_L4_ICMPV6] = "ICMPv6", [DP_L4_IGMP] = "IGMP",
	};

	if (h->frag == DP_FRAG_LATER)
		fputs(", later fragment", f);
	else if (h->l4 == DP_L4_TCP || h->l4 == DP_L4_UDP || h->l4 == DP_L4_SCTP)
		fprintf(f, ", %s %u > %u", l4[h->l4], h->sport, h->dport);
	else if (h->l4 == DP_L4_ICMP || h->l4 == DP_L4_ICMPV6)
		fprintf(f, ", %s type %u code %u", l4[h->l4], h->icmp_type, h->icmp_code);
	else
		fprintf(f, ", protocol %u", h->ip_proto);
	fprintf(f, ", TTL %u", h->ip_ttl);
}

static void put_l3(FILE *f, const uint8_t *b, const struct dp_headers *h)
{
	bool six = h->l3 == DP_L3_IPV6;

	if (h->l3 == DP_L3_ARP)
		fprintf(f, ", ARP %s",
			h->arp_op == 1	 ? "request"
			: h->arp_op == 2 ? "reply"
					 : "other");
	else if (h->l3 == DP_L3_IPV4 || six)
		fprintf(f, ", IPv%u", six ? 6 : 4);
	else
		fprintf(f, ", EtherType 0x%04x", h->eth_type);
	if (h->ip_src == 0)
		return;
	fputc(' ', f);
	put_ip(f, six, b + h->ip_src);
	fputs(" > ", f);
	put_ip(f, six, b + h->ip_dst);
	if (h->l3 != DP_L3_ARP)
		put_l4(f, h);
}

void vs_trace_put_frame(FILE *f, const uint8_t *b, uint32_t size)
{
	struct dp_headers h;

	dp_parse(b, size, &h);
	if (size < 14) {
		fprintf(f, "%u bytes, which is no frame", size);
		return;
	}
	put_mac(f, b + 6);
	fputs(" > ", f);
	put_mac(f, b);
	for (unsigned i = 0; i < h.n_tags; i++)
		fprintf(f, ", %s%u", i == 0 ? "VLAN " : "", h.tci[i] & 0xfff);
	put_l3(f, b, &h);
	if (h.bad != DP_BAD_NONE)
		fputs(", malformed", f);
	fprintf(f, ", %u bytes", size);
}
