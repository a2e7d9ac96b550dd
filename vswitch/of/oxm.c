/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fields and their TLVs; see oxm.h.
 */
#include "vswitch/of/oxm.h"

#include <string.h>

#include "ctl/base/wire.h"
#include "vswitch/of/header.h"

#define HAS_MASK(header)   (((header) >> 8 & 1) != 0)
#define EXPERIMENTER_BYTES 4

static const struct of_field_info infos[OF_N_FIELDS] = {
#define X(id, cls, num, bytes, bits, may_mask, pre, wr, how, text, other)                          \
	[OF_F_##id] = {.name = text,                                                               \
		       .other_name = other,                                                        \
		       .oxm_class = OFPXMC_##cls,                                                  \
		       .number = num,                                                              \
		       .size = bytes,                                                              \
		       .n_bits = bits,                                                             \
		       .maskable = may_mask,                                                       \
		       .prereq = OF_PREREQ_##pre,                                                  \
		       .write = OF_WRITE_##wr,                                                     \
		       .form = OF_FORM_##how},
	OF_FIELDS(X)
#undef X
};

/* Names that Nicira's extensions had for fields before they were standard. */
static const struct {
	uint16_t oxm_class;
	uint8_t number;
	uint8_t field;
} aliases[] = {
	{OFPXMC_NXM_0, 1, OF_F_ETH_DST},	 {OFPXMC_NXM_0, 2, OF_F_ETH_SRC},
	{OFPXMC_NXM_0, 3, OF_F_ETH_TYPE},	 {OFPXMC_NXM_0, 6, OF_F_IP_PROTO},
	{OFPXMC_NXM_0, 7, OF_F_IPV4_SRC},	 {OFPXMC_NXM_0, 8, OF_F_IPV4_DST},
	{OFPXMC_NXM_0, 9, OF_F_TCP_SRC},	 {OFPXMC_NXM_0, 10, OF_F_TCP_DST},
	{OFPXMC_NXM_0, 11, OF_F_UDP_SRC},	 {OFPXMC_NXM_0, 12, OF_F_UDP_DST},
	{OFPXMC_NXM_0, 13, OF_F_ICMPV4_TYPE},	 {OFPXMC_NXM_0, 14, OF_F_ICMPV4_CODE},
	{OFPXMC_NXM_0, 15, OF_F_ARP_OP},	 {OFPXMC_NXM_0, 16, OF_F_ARP_SPA},
	{OFPXMC_NXM_0, 17, OF_F_ARP_TPA},	 {OFPXMC_NXM_1, 16, OF_F_TUNNEL_ID},
	{OFPXMC_NXM_1, 17, OF_F_ARP_SHA},	 {OFPXMC_NXM_1, 18, OF_F_ARP_THA},
	{OFPXMC_NXM_1, 19, OF_F_IPV6_SRC},	 {OFPXMC_NXM_1, 20, OF_F_IPV6_DST},
	{OFPXMC_NXM_1, 21, OF_F_ICMPV6_TYPE},	 {OFPXMC_NXM_1, 22, OF_F_ICMPV6_CODE},
	{OFPXMC_NXM_1, 23, OF_F_IPV6_ND_TARGET}, {OFPXMC_NXM_1, 24, OF_F_IPV6_ND_SLL},
	{OFPXMC_NXM_1, 25, OF_F_IPV6_ND_TLL},	 {OFPXMC_NXM_1, 27, OF_F_IPV6_FLABEL},
	{OFPXMC_NXM_1, 28, OF_F_IP_ECN},	 {OFPXMC_NXM_1, 34, OF_F_TCP_FLAGS},
};

const struct of_field_info *of_field_info(enum of_field field)
{
	return &infos[field];
}

static enum of_field find(uint16_t oxm_class, uint8_t number)
{
	for (size_t i = 0; i < OF_N_FIELDS; i++)
		if (infos[i].oxm_class == oxm_class && infos[i].number == number)
			return (enum of_field)i;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (aliases[i].oxm_class == oxm_class && aliases[i].number == number)
			return (enum of_field)aliases[i].field;
	return OF_N_FIELDS;
}

enum of_error of_oxm_id_decode(struct rd *rd, enum of_field *ret_field, bool *ret_masked,
			       size_t *ret_left)
{
	uint32_t header = rd_be32(rd), experimenter = OF_EXPERIMENTER_ONF;
	uint16_t oxm_class = (uint16_t)(header >> 16);
	size_t left = header & 0xff;
	enum of_field field;

	if (oxm_class == OFPXMC_EXPERIMENTER) {
		experimenter = rd_be32(rd);
		if (left < EXPERIMENTER_BYTES)
			return OFPBMC_BAD_LEN;
		left -= EXPERIMENTER_BYTES;
	}
	if (!rd_ok(rd))
		return OFPBMC_BAD_LEN;
	*ret_left = left;
	field = find(oxm_class, header >> 9 & 0x7f);
	if (field == OF_N_FIELDS || experimenter != OF_EXPERIMENTER_ONF)
		return OFPBMC_BAD_FIELD;
	*ret_field = field;
	*ret_masked = HAS_MASK(header);
	return OF_OK;
}

void of_oxm_id_encode(struct wr *wr, enum of_field field, bool masked)
{
	const struct of_field_info *info = of_field_info(field);
	bool experimenter = info->oxm_class == OFPXMC_EXPERIMENTER;
	uint32_t size = info->size * (masked ? 2U : 1U) + (experimenter ? EXPERIMENTER_BYTES : 0);

	wr_be32(wr, (uint32_t)info->oxm_class << 16 | (uint32_t)info->number << 9 |
			    (masked ? 1U << 8 : 0) | size);
	if (experimenter)
		wr_be32(wr, OF_EXPERIMENTER_ONF);
}

void of_oxm_id_encode_nxm(struct wr *wr, enum of_field field)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (aliases[i].field == field) {
			wr_be32(wr, (uint32_t)aliases[i].oxm_class << 16 |
					    (uint32_t)aliases[i].number << 9 |
					    of_field_info(field)->size);
			return;
		}
	of_oxm_id_encode(wr, field, false);
}

void of_field_ones(enum of_field field, uint8_t mask[OF_VALUE_MAX])
{
	const struct of_field_info *info = of_field_info(field);
	unsigned skip = info->size * 8U - info->n_bits;

	memset(mask, 0, OF_VALUE_MAX);
	for (unsigned i = 0; i<info->size; i++, skip = skip> 8 ? skip - 8 : 0)
		mask[i] = (uint8_t)(skip >= 8 ? 0 : 0xff >> skip);
}

bool of_field_fits(enum of_field field, const uint8_t value[OF_VALUE_MAX])
{
	uint8_t ones[OF_VALUE_MAX];

	of_field_ones(field, ones);
	for (unsigned i = 0; i < OF_VALUE_MAX; i++)
		if ((value[i] & ~ones[i]) != 0)
			return false;
	return true;
}

enum of_error of_oxm_decode(struct rd *rd, struct of_oxm *ret_oxm)
{
	struct of_oxm oxm = {0};
	const struct of_field_info *info;
	uint8_t ones[OF_VALUE_MAX];
	enum of_field field;
	size_t left;
	enum of_error error = of_oxm_id_decode(rd, &field, &oxm.masked, &left);

	if (error)
		return error;
	info = of_field_info(field);
	oxm.field = (uint8_t)field;
	if (left != info->size * (oxm.masked ? 2U : 1U))
		return OFPBMC_BAD_LEN;
	of_field_ones(field, ones);
	memcpy(oxm.mask, ones, sizeof(ones));
	rd_copy(rd, oxm.value, info->size);
	if (oxm.masked)
		rd_copy(rd, oxm.mask, info->size);
	if (!rd_ok(rd))
		return OFPBMC_BAD_LEN;
	if (oxm.masked && !info->maskable)
		return OFPBMC_BAD_MASK;
	if (!of_field_fits(field, oxm.value))
		return OFPBMC_BAD_VALUE;
	for (unsigned i = 0; i < OF_VALUE_MAX; i++) {
		oxm.mask[i] &= ones[i]; /* Bits that no value has say nothing. */
		if ((oxm.value[i] & ~oxm.mask[i]) != 0)
			return OFPBMC_BAD_WILDCARDS;
	}
	*ret_oxm = oxm;
	return OF_OK;
}

void of_oxm_encode(struct wr *wr, const struct of_oxm *oxm)
{
	const struct of_field_info *info = of_field_info((enum of_field)oxm->field);

	of_oxm_id_encode(wr, (enum of_field)oxm->field, oxm->masked);
	wr_bytes(wr, oxm->value, info->size);
	if (oxm->masked)
		wr_bytes(wr, oxm->mask, info->size);
}

static uint64_t get(const uint8_t *bytes, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | bytes[i];
	return value;
}

static void put(uint8_t *bytes, size_t size, uint64_t value)
{
	for (size_t i = size; i > 0; i--, value >>= 8)
		bytes[i - 1] = (uint8_t)value;
}

struct of_oxm of_oxm_u64(enum of_field field, uint64_t value)
{
	struct of_oxm oxm = {.field = (uint8_t)field};

	put(oxm.value, of_field_info(field)->size, value);
	of_field_ones(field, oxm.mask);
	return oxm;
}

struct of_oxm of_oxm_u64_masked(enum of_field field, uint64_t value, uint64_t mask)
{
	struct of_oxm oxm = of_oxm_u64(field, value & mask);

	put(oxm.mask, of_field_info(field)->size, mask);
	oxm.masked = true;
	return oxm;
}

uint64_t of_oxm_value(const struct of_oxm *oxm)
{
	return get(oxm->value, of_field_info((enum of_field)oxm->field)->size);
}

uint64_t of_oxm_mask(const struct of_oxm *oxm)
{
	return get(oxm->mask, of_field_info((enum of_field)oxm->field)->size);
}
