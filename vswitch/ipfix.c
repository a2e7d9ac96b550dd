/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ipfix.h.  A template is a list of fields; the same list writes its records, so the two cannot
 * differ.
 */
#include "vswitch/ipfix.h"

#include <stdio.h>
#include <string.h>

#define VERSION	     10
#define SET_TEMPLATE 2
#define SET_OPTIONS  3
#define VARIABLE     65535u
#define STRING_MOST  250u
#define TCP	     6
#define ICMP	     1
#define ICMPV6	     58

/* Where a field's value is. */
enum from {
	KEY,   /* of the flow */
	THERE, /* of who asked */
	BACK,  /* the same element, of the answers */
	OURS,  /* an element of IPFIX_PEN */
	SCOPE, /* of options: a number of the record's */
	VALUE, /* of options: the next number or string */
};

struct field {
	uint16_t ie, size;
	enum from from;
};

/* IANA's elements. */
enum {
	OCTETS = 1,
	PACKETS = 2,
	PROTOCOL = 4,
	TOS = 5,
	TCP_FLAGS = 6,
	SPORT = 7,
	SRC4 = 8,
	IN_INTERFACE = 10,
	DPORT = 11,
	DST4 = 12,
	OUT_INTERFACE = 14,
	SRC6 = 27,
	DST6 = 28,
	ICMP4 = 32,
	EXPORTED_OCTETS = 40,
	EXPORTED_MESSAGES = 41,
	EXPORTED_RECORDS = 42,
	SRC_MAC = 56,
	VLAN = 58,
	DST_MAC = 80,
	INTERFACE_NAME = 82,
	INTERFACE_TEXT = 83,
	STATUS = 89,
	DROPPED_OCTETS = 132,
	DROPPED_PACKETS = 133,
	END_REASON = 136,
	ICMP6 = 139,
	OBSERVATION_DOMAIN = 149,
	START_MS = 152,
	END_MS = 153,
	IGNORED_PACKETS = 164,
	IGNORED_OCTETS = 165,
	NOT_SENT_RECORDS = 166,
	VRF = 234,
	DIRECTION = 239,
	ETHER_TYPE = 256,
	SELECTOR = 302,
	SELECTOR_ALGORITHM = 304,
	SAMPLING_SIZE = 309,
	SAMPLING_POPULATION = 310,
};
/* Ours. */
enum { DROP_REASON = 1, DROP_NAME = 2, DROP_TEXT = 3 };

#define RANDOM_OF_N 3 /* selectorAlgorithm: random n-out-of-N */

#define IP_FIELDS                                                                                  \
	{PROTOCOL, 1, KEY}, {TOS, 1, KEY}, {SPORT, 2, KEY}, {DPORT, 2, KEY},                       \
	{                                                                                          \
		TCP_FLAGS, 2, THERE                                                                \
	}

#define COMMON                                                                                     \
	{VLAN, 2, KEY}, {VRF, 4, KEY}, {IN_INTERFACE, 4, KEY}, {OUT_INTERFACE, 4, KEY},            \
		{SRC_MAC, 6, KEY}, {DST_MAC, 6, KEY},                                              \
	{                                                                                          \
		END_REASON, 1, KEY                                                                 \
	}

#define HALF(from)                                                                                 \
	{OCTETS, 8, from}, {PACKETS, 8, from}, {START_MS, 8, from}, {END_MS, 8, from},             \
		{DROPPED_OCTETS, 8, from}, {DROPPED_PACKETS, 8, from},                             \
	{                                                                                          \
		STATUS, 1, from                                                                    \
	}

static const struct field flow4[] = {
	{SRC4, 4, KEY}, {DST4, 4, KEY},		IP_FIELDS, {ICMP4, 2, KEY}, COMMON,
	HALF(THERE),	{DROP_REASON, 2, OURS}, {0}};
static const struct field flow4_back[] = {{SRC4, 4, KEY},
					  {DST4, 4, KEY},
					  IP_FIELDS,
					  {ICMP4, 2, KEY},
					  COMMON,
					  HALF(THERE),
					  {DROP_REASON, 2, OURS},
					  {DIRECTION, 1, KEY},
					  HALF(BACK),
					  {TCP_FLAGS, 2, BACK},
					  {0}};
static const struct field flow6[] = {
	{SRC6, 16, KEY}, {DST6, 16, KEY},	 IP_FIELDS, {ICMP6, 2, KEY}, COMMON,
	HALF(THERE),	 {DROP_REASON, 2, OURS}, {0}};
static const struct field flow6_back[] = {{SRC6, 16, KEY},
					  {DST6, 16, KEY},
					  IP_FIELDS,
					  {ICMP6, 2, KEY},
					  COMMON,
					  HALF(THERE),
					  {DROP_REASON, 2, OURS},
					  {DIRECTION, 1, KEY},
					  HALF(BACK),
					  {TCP_FLAGS, 2, BACK},
					  {0}};
static const struct field frames[] = {
	{ETHER_TYPE, 2, KEY}, COMMON, HALF(THERE), {DROP_REASON, 2, OURS}, {0}};
static const struct field frames_back[] = {
	{ETHER_TYPE, 2, KEY}, COMMON,	  HALF(THERE), {DROP_REASON, 2, OURS},
	{DIRECTION, 1, KEY},  HALF(BACK), {0}};
static const struct field sampling[] = {{OBSERVATION_DOMAIN, 4, SCOPE},	 {SELECTOR, 8, VALUE},
					{SELECTOR_ALGORITHM, 2, VALUE},	 {SAMPLING_SIZE, 4, VALUE},
					{SAMPLING_POPULATION, 4, VALUE}, {0}};
static const struct field statistics[] = {
	{OBSERVATION_DOMAIN, 4, SCOPE}, {EXPORTED_MESSAGES, 8, VALUE},
	{EXPORTED_RECORDS, 8, VALUE},	{EXPORTED_OCTETS, 8, VALUE},
	{NOT_SENT_RECORDS, 8, VALUE},	{IGNORED_PACKETS, 8, VALUE},
	{IGNORED_OCTETS, 8, VALUE},	{0}};
static const struct field interface[] = {{IN_INTERFACE, 4, SCOPE},
					 {INTERFACE_NAME, VARIABLE, VALUE},
					 {INTERFACE_TEXT, VARIABLE, VALUE},
					 {0}};
static const struct field drop_reason[] = {{DROP_REASON, 2, OURS},
					   {DROP_NAME, VARIABLE, OURS},
					   {DROP_TEXT, VARIABLE, OURS},
					   {0}};

static const struct field *const templates[IPFIX_N_TEMPLATES] = {
	flow4,	     flow4_back, flow6,	     flow6_back, frames,
	frames_back, sampling,	 statistics, interface,	 drop_reason,
};

/* ---- Messages ---- */

void ipfix_begin(struct ipfix_message *m)
{
	m->wr = wr_over(m->bytes, sizeof(m->bytes));
	m->set = 0;
	m->n_records = 0;
	wr_zeros(&m->wr, IPFIX_HEADER);
}

static void end_set(struct ipfix_message *m)
{
	if (m->set != 0)
		wr_set_be16(&m->wr, m->set + 2, (uint16_t)(m->wr.size - m->set));
	m->set = 0;
}

/* What follows goes into a set of this id. */
static void in_set(struct ipfix_message *m, uint16_t id)
{
	if (m->set != 0 && m->set_id == id)
		return;
	end_set(m);
	m->set = m->wr.size;
	m->set_id = id;
	wr_be16(&m->wr, id);
	wr_be16(&m->wr, 0);
}

size_t ipfix_end(struct ipfix_message *m, uint32_t export_s, uint32_t sequence, uint32_t domain_id)
{
	end_set(m);
	if (m->wr.size == IPFIX_HEADER)
		return 0;
	wr_set_be16(&m->wr, 0, VERSION);
	wr_set_be16(&m->wr, 2, (uint16_t)m->wr.size);
	wr_set_be32(&m->wr, 4, export_s);
	wr_set_be32(&m->wr, 8, sequence);
	wr_set_be32(&m->wr, 12, domain_id);
	return m->wr.size;
}

void ipfix_set_sequence(struct ipfix_message *m, uint32_t sequence)
{
	wr_set_be32(&m->wr, 8, sequence);
}

/* Before something is added, and after: all of it or nothing. */
struct mark {
	size_t size, set;
	uint16_t set_id;
};

static struct mark mark(const struct ipfix_message *m)
{
	return (struct mark){m->wr.size, m->set, m->set_id};
}

static bool fits(struct ipfix_message *m, struct mark before)
{
	if (wr_ok(&m->wr))
		return true;
	m->wr.bad = false;
	wr_cut(&m->wr, before.size);
	m->set = before.set;
	m->set_id = before.set_id;
	return false;
}

/* ---- Templates ---- */

static unsigned count(const struct field *f)
{
	unsigned n = 0;

	while (f[n].ie != 0)
		n++;
	return n;
}

bool ipfix_template(struct ipfix_message *m, unsigned i)
{
	struct mark before = mark(m);
	bool options = i >= IPFIX_SAMPLING - IPFIX_FLOW4;

	in_set(m, options ? SET_OPTIONS : SET_TEMPLATE);
	wr_be16(&m->wr, (uint16_t)(IPFIX_FLOW4 + i));
	wr_be16(&m->wr, (uint16_t)count(templates[i]));
	if (options)
		wr_be16(&m->wr, 1); /* the first field is the scope */
	for (const struct field *f = templates[i]; f->ie != 0; f++) {
		bool enterprise = f->from == BACK || f->from == OURS;

		wr_be16(&m->wr, enterprise ? f->ie | 0x8000 : f->ie);
		wr_be16(&m->wr, f->size);
		if (enterprise)
			wr_be32(&m->wr, f->from == BACK ? IPFIX_REVERSE_PEN : IPFIX_PEN);
	}
	return fits(m, before);
}

/* ---- Flows ---- */

static void put_half(struct wr *wr, const struct field *f, const struct dp_flowrec_half *half,
		     uint8_t status)
{
	switch (f->ie) {
	case OCTETS:
		wr_be64(wr, half->bytes);
		break;
	case PACKETS:
		wr_be64(wr, half->packets);
		break;
	case START_MS:
		wr_be64(wr, half->start_ms);
		break;
	case END_MS:
		wr_be64(wr, half->end_ms);
		break;
	case DROPPED_OCTETS:
		wr_be64(wr, half->dropped_bytes);
		break;
	case DROPPED_PACKETS:
		wr_be64(wr, half->dropped_packets);
		break;
	case TCP_FLAGS:
		wr_be16(wr, half->tcp_flags);
		break;
	case STATUS:
	default:
		wr_u8(wr, status);
		break;
	}
}

static bool is_icmp(const struct dp_flowrec_record *r)
{
	return (r->family == 4 && r->proto == ICMP) || (r->family == 6 && r->proto == ICMPV6);
}

static void put_key(struct wr *wr, const struct field *f, const struct ipfix_flow *flow)
{
	const struct dp_flowrec_record *r = flow->record;

	switch (f->ie) {
	case SRC4:
	case SRC6:
		wr_bytes(wr, r->src, f->size);
		break;
	case DST4:
	case DST6:
		wr_bytes(wr, r->dst, f->size);
		break;
	case PROTOCOL:
		wr_u8(wr, r->proto);
		break;
	case TOS:
		wr_u8(wr, r->there.tos);
		break;
	case SPORT:
		wr_be16(wr, is_icmp(r) ? 0 : r->sport);
		break;
	case DPORT:
		wr_be16(wr, is_icmp(r) ? 0 : r->dport);
		break;
	case ICMP4:
	case ICMP6:
		wr_be16(wr, is_icmp(r) ? r->dport : 0);
		break;
	case ETHER_TYPE:
		wr_be16(wr, r->eth_type);
		break;
	case VLAN:
		wr_be16(wr, r->vlan);
		break;
	case VRF:
		wr_be32(wr, flow->vrf);
		break;
	case IN_INTERFACE:
		wr_be32(wr, flow->in);
		break;
	case OUT_INTERFACE:
		wr_be32(wr, flow->out);
		break;
	case SRC_MAC:
		wr_bytes(wr, r->src_mac, sizeof(r->src_mac));
		break;
	case DST_MAC:
		wr_bytes(wr, r->dst_mac, sizeof(r->dst_mac));
		break;
	case END_REASON:
		wr_u8(wr, (uint8_t)r->end);
		break;
	case DIRECTION:
	default:
		wr_u8(wr, 1); /* RFC 5103 6.3: there is where the initiator sends */
		break;
	}
}

/* 0 is no reason; those that there are begin with 1. */
static uint16_t reason_of(const struct dp_flowrec_record *r)
{
	unsigned drop = r->there.dropped_packets != 0 ? r->there.drop
			: r->has_back		      ? r->back.drop
						      : DP_N_DROPS;

	return drop < DP_N_DROPS ? (uint16_t)(drop + 1) : 0;
}

bool ipfix_flow(struct ipfix_message *m, const struct ipfix_flow *flow)
{
	const struct dp_flowrec_record *r = flow->record;
	unsigned id = (r->family == 4	? IPFIX_FLOW4
		       : r->family == 6 ? IPFIX_FLOW6
					: IPFIX_FRAMES) +
		      r->has_back;
	struct mark before = mark(m);

	in_set(m, (uint16_t)id);
	for (const struct field *f = templates[id - IPFIX_FLOW4]; f->ie != 0; f++) {
		if (f->from == KEY)
			put_key(&m->wr, f, flow);
		else if (f->from == OURS)
			wr_be16(&m->wr, reason_of(r));
		else if (f->from == BACK)
			put_half(&m->wr, f, &r->back, flow->back_status);
		else
			put_half(&m->wr, f, &r->there, flow->status);
	}
	if (!fits(m, before))
		return false;
	m->n_records++;
	return true;
}

/* ---- Options ---- */

static bool options(struct ipfix_message *m, enum ipfix_template id, const uint64_t *numbers,
		    const char *const *strings)
{
	struct mark before = mark(m);

	in_set(m, (uint16_t)id);
	for (const struct field *f = templates[id - IPFIX_FLOW4]; f->ie != 0; f++) {
		if (f->size == VARIABLE) {
			size_t n = strnlen(*strings, STRING_MOST);

			wr_u8(&m->wr, (uint8_t)n);
			wr_bytes(&m->wr, *strings++, n);
		} else {
			wr_be(&m->wr, *numbers++, f->size);
		}
	}
	if (!fits(m, before))
		return false;
	m->n_records++;
	return true;
}

bool ipfix_sampling(struct ipfix_message *m, uint32_t domain_id, uint32_t rate)
{
	const uint64_t numbers[] = {domain_id, 1, RANDOM_OF_N, 1, rate};

	return options(m, IPFIX_SAMPLING, numbers, NULL);
}

bool ipfix_statistics(struct ipfix_message *m, uint32_t domain_id, const struct ipfix_statistics *s)
{
	const uint64_t numbers[] = {domain_id,	     s->messages,	 s->records,	  s->bytes,
				    s->lost_records, s->ignored_packets, s->ignored_bytes};

	return options(m, IPFIX_STATISTICS, numbers, NULL);
}

bool ipfix_interface(struct ipfix_message *m, uint32_t number, const char *name, const char *text)
{
	const uint64_t numbers[] = {number};
	const char *const strings[] = {name, text};

	return options(m, IPFIX_INTERFACE, numbers, strings);
}

bool ipfix_drop_reason(struct ipfix_message *m, uint16_t number, const char *name, const char *text)
{
	const uint64_t numbers[] = {number};
	const char *const strings[] = {name, text};

	return options(m, IPFIX_DROP_REASON, numbers, strings);
}

uint8_t ipfix_status(unsigned drop)
{
	/* What a reason's name begins with, and what IANA's list of reasons has for it. */
	static const struct {
		const char *name;
		uint8_t status;
	} list[] = {
		{"guard-arp-rate", 138},
		{"guard-broadcast", 138},
		{"guard-multicast", 138},
		{"guard-unknown", 138},
		{"guard", 129},
		{"acl", 129},
		{"filter", 129},
		{"tenant", 129},
		{"vlan", 129},
		{"untagged", 129},
		{"no-action", 129},
		{"no-receiver", 131},
		{"runt", 135},
		{"truncated", 136},
		{"rx-malformed", 136},
		{"ttl", 137},
		{"meter", 138},
		{"queue-limit", 138},
		{"flood-limit", 138},
		{"controller-limit", 138},
		{"controller-meter", 138},
		{"flow-limit", 138},
		{"codel", 139},
		{"tx-down", 142},
		{"egress-vlan", 142},
		{"hairpin", 142},
	};
	const char *slug = drop < DP_N_DROPS ? dp_drop_slug((enum dp_drop)drop) : NULL;

	if (slug == NULL)
		return 64; /* forwarded, nothing more is known */
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (strncmp(slug, list[i].name, strlen(list[i].name)) == 0)
			return list[i].status;
	return 128; /* dropped, for what that list does not have */
}
