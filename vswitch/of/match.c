/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Matches; see match.h.
 */
#include "vswitch/of/match.h"

#include <string.h>

#include "ctl/base/wire.h"

#define OFPMT_OXM 1

#define ETH_IPV4	     0x0800
#define ETH_ARP		     0x0806
#define ETH_IPV6	     0x86dd
#define ETH_MPLS	     0x8847
#define ETH_MPLS_MCAST	     0x8848
#define ETH_PBB		     0x88e7
#define IPPROTO_ICMPV4	     1
#define IPPROTO_TCP_	     6
#define IPPROTO_UDP_	     17
#define IPPROTO_ICMPV6_	     58
#define IPPROTO_SCTP_	     132
#define ND_NEIGHBOUR_SOLICIT 135
#define ND_NEIGHBOUR_ADVERT  136

/* Where the field is, or would go. */
static unsigned place_of(const struct of_match *match, enum of_field field)
{
	unsigned i = 0;

	while (i < match->n && match->v[i].field < field)
		i++;
	return i;
}

const struct of_oxm *of_match_find(const struct of_match *match, enum of_field field)
{
	unsigned i = place_of(match, field);

	return i < match->n && match->v[i].field == field ? &match->v[i] : NULL;
}

void of_match_unset(struct of_match *match, enum of_field field)
{
	unsigned i = place_of(match, field);

	if (i == match->n || match->v[i].field != field)
		return;
	match->n--;
	memmove(&match->v[i], &match->v[i + 1], (match->n - i) * sizeof(match->v[0]));
}

static bool is_zero(const uint8_t bytes[OF_VALUE_MAX])
{
	static const uint8_t zeros[OF_VALUE_MAX];

	return memcmp(bytes, zeros, OF_VALUE_MAX) == 0;
}

void of_match_set(struct of_match *match, const struct of_oxm *oxm)
{
	unsigned i = place_of(match, (enum of_field)oxm->field);

	if (is_zero(oxm->mask)) {
		of_match_unset(match, (enum of_field)oxm->field);
		return;
	}
	if (i == match->n || match->v[i].field != oxm->field) {
		memmove(&match->v[i + 1], &match->v[i], (match->n - i) * sizeof(match->v[0]));
		match->n++;
	}
	match->v[i] = *oxm;
}

/* The field is there without a mask, and is 'a' or 'b'. */
static bool is(const struct of_match *match, enum of_field field, uint64_t a, uint64_t b)
{
	const struct of_oxm *oxm = of_match_find(match, field);

	return oxm != NULL && (of_oxm_value(oxm) == a || of_oxm_value(oxm) == b);
}

static bool is_ip(const struct of_match *match, uint64_t a, uint64_t b, uint8_t proto)
{
	return is(match, OF_F_ETH_TYPE, a, b) && is(match, OF_F_IP_PROTO, proto, proto);
}

static bool is_nd(const struct of_match *match, uint64_t a, uint64_t b)
{
	return is_ip(match, ETH_IPV6, ETH_IPV6, IPPROTO_ICMPV6_) &&
	       is(match, OF_F_ICMPV6_TYPE, a, b);
}

static bool is_tagged(const struct of_match *match)
{
	const struct of_oxm *vid = of_match_find(match, OF_F_VLAN_VID);

	return vid != NULL && (of_oxm_value(vid) & of_oxm_mask(vid) & OFPVID_PRESENT) != 0;
}

bool of_match_prereq(const struct of_match *match, enum of_prereq prereq)
{
	switch (prereq) {
	case OF_PREREQ_NONE:
		return true;
	case OF_PREREQ_IN_PORT:
		return of_match_find(match, OF_F_IN_PORT) != NULL;
	case OF_PREREQ_VLAN:
		return is_tagged(match);
	case OF_PREREQ_IP:
		return is(match, OF_F_ETH_TYPE, ETH_IPV4, ETH_IPV6);
	case OF_PREREQ_IPV4:
		return is(match, OF_F_ETH_TYPE, ETH_IPV4, ETH_IPV4);
	case OF_PREREQ_IPV6:
		return is(match, OF_F_ETH_TYPE, ETH_IPV6, ETH_IPV6);
	case OF_PREREQ_ARP:
		return is(match, OF_F_ETH_TYPE, ETH_ARP, ETH_ARP);
	case OF_PREREQ_MPLS:
		return is(match, OF_F_ETH_TYPE, ETH_MPLS, ETH_MPLS_MCAST);
	case OF_PREREQ_PBB:
		return is(match, OF_F_ETH_TYPE, ETH_PBB, ETH_PBB);
	case OF_PREREQ_TCP:
		return is_ip(match, ETH_IPV4, ETH_IPV6, IPPROTO_TCP_);
	case OF_PREREQ_UDP:
		return is_ip(match, ETH_IPV4, ETH_IPV6, IPPROTO_UDP_);
	case OF_PREREQ_SCTP:
		return is_ip(match, ETH_IPV4, ETH_IPV6, IPPROTO_SCTP_);
	case OF_PREREQ_ICMPV4:
		return is_ip(match, ETH_IPV4, ETH_IPV4, IPPROTO_ICMPV4);
	case OF_PREREQ_ICMPV6:
		return is_ip(match, ETH_IPV6, ETH_IPV6, IPPROTO_ICMPV6_);
	case OF_PREREQ_ND:
		return is_nd(match, ND_NEIGHBOUR_SOLICIT, ND_NEIGHBOUR_ADVERT);
	case OF_PREREQ_ND_SOL:
		return is_nd(match, ND_NEIGHBOUR_SOLICIT, ND_NEIGHBOUR_SOLICIT);
	case OF_PREREQ_ND_ADV:
		return is_nd(match, ND_NEIGHBOUR_ADVERT, ND_NEIGHBOUR_ADVERT);
	}
	return false;
}

static bool may_be_there(const struct of_match *match, uint8_t field)
{
	return of_match_prereq(match, (enum of_prereq)of_field_info((enum of_field)field)->prereq);
}

enum of_error of_match_check(const struct of_match *match)
{
	for (unsigned i = 0; i < match->n; i++)
		if (!may_be_there(match, match->v[i].field))
			return OFPBMC_BAD_PREREQ;
	return OF_OK;
}

static enum of_error decode_oxms(struct rd *rd, bool prereqs, struct of_match *match)
{
	bool seen[OF_N_FIELDS] = {false};
	struct of_oxm oxm;

	while (rd->left > 0) {
		enum of_error error = of_oxm_decode(rd, &oxm);

		if (error)
			return error;
		if (!of_field_matches((enum of_field)oxm.field))
			return OFPBMC_BAD_FIELD;
		if (seen[oxm.field])
			return OFPBMC_DUP_FIELD;
		seen[oxm.field] = true;
		if (prereqs && !may_be_there(match, oxm.field))
			return OFPBMC_BAD_PREREQ;
		of_match_set(match, &oxm);
	}
	return OF_OK;
}

static enum of_error decode(struct rd *rd, bool prereqs, struct of_match *ret_match)
{
	uint16_t type = rd_be16(rd), size = rd_be16(rd);
	struct rd oxms = rd_sub(rd, size < 4 ? SIZE_MAX : size - 4U);

	rd_skip(rd, (8U - size % 8) % 8);
	if (!rd_ok(rd))
		return OFPBMC_BAD_LEN;
	if (type != OFPMT_OXM)
		return OFPBMC_BAD_TYPE;
	ret_match->n = 0;
	return decode_oxms(&oxms, prereqs, ret_match);
}

enum of_error of_match_decode(struct rd *rd, struct of_match *ret_match)
{
	return decode(rd, true, ret_match);
}

enum of_error of_match_decode_packet(struct rd *rd, struct of_match *ret_match)
{
	return decode(rd, false, ret_match);
}

void of_match_encode(struct wr *wr, const struct of_match *match)
{
	size_t at = wr->size;

	wr_be16(wr, OFPMT_OXM);
	wr_be16(wr, 0);
	for (unsigned i = 0; i < match->n; i++)
		of_oxm_encode(wr, &match->v[i]);
	wr_set_be16(wr, at + 2, (uint16_t)(wr->size - at));
	wr_pad(wr, at, 8);
}

static bool oxm_equal(const struct of_oxm *a, const struct of_oxm *b)
{
	return a->field == b->field && memcmp(a->value, b->value, OF_VALUE_MAX) == 0 &&
	       memcmp(a->mask, b->mask, OF_VALUE_MAX) == 0;
}

bool of_match_equal(const struct of_match *a, const struct of_match *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (!oxm_equal(&a->v[i], &b->v[i]))
			return false;
	return true;
}

static bool oxm_covers(const struct of_oxm *wide, const struct of_oxm *narrow)
{
	for (unsigned i = 0; i < OF_VALUE_MAX; i++)
		if ((wide->mask[i] & ~narrow->mask[i]) != 0 ||
		    ((wide->value[i] ^ narrow->value[i]) & wide->mask[i]) != 0)
			return false;
	return true;
}

bool of_match_covers(const struct of_match *wide, const struct of_match *narrow)
{
	for (unsigned i = 0; i < wide->n; i++) {
		const struct of_oxm *oxm = of_match_find(narrow, (enum of_field)wide->v[i].field);

		if (oxm == NULL || !oxm_covers(&wide->v[i], oxm))
			return false;
	}
	return true;
}

static bool oxm_meets(const struct of_oxm *a, const struct of_oxm *b)
{
	for (unsigned i = 0; i < OF_VALUE_MAX; i++)
		if (((a->value[i] ^ b->value[i]) & a->mask[i] & b->mask[i]) != 0)
			return false;
	return true;
}

bool of_match_overlaps(const struct of_match *a, const struct of_match *b)
{
	unsigned i = 0, j = 0;

	while (i < a->n && j < b->n) {
		if (a->v[i].field < b->v[j].field)
			i++;
		else if (a->v[i].field > b->v[j].field)
			j++;
		else if (!oxm_meets(&a->v[i++], &b->v[j++]))
			return false;
	}
	return true;
}

static uint64_t mix(uint64_t hash, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3; /* FNV-1a */
	return hash;
}

uint64_t of_match_hash(const struct of_match *match)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (unsigned i = 0; i < match->n; i++) {
		const struct of_oxm *oxm = &match->v[i];

		hash = mix(hash, &oxm->field, 1);
		hash = mix(hash, oxm->value, OF_VALUE_MAX);
		hash = mix(hash, oxm->mask, OF_VALUE_MAX);
	}
	return hash;
}
