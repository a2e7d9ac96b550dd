/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See xlate_priv.h: what the translation asked the packet, wherever the bytes are by now.  Workers.
 */
#include "vswitch/xlate_priv.h"

#include <string.h>

void vs_xlate_look(struct xlate *x, const struct dp_key *bits)
{
	struct dp_key *wc = &x->b->wc;

	if (!x->at.moved) {
		for (unsigned i = 0; i < DP_KEY_WORDS; i++)
			wc->w[i] |= bits->w[i] & ~x->at.known.w[i];
		return;
	}
	for (unsigned i = 0; i < DP_KEY_SIZE; i++)
		wc->b[x->at.from[i]] |= bits->b[i] & (uint8_t)~x->at.known.b[i];
}

void vs_xlate_look_at(struct xlate *x, enum dp_field field)
{
	struct dp_key mask = {0};

	dp_key_cover(&mask, field);
	vs_xlate_look(x, &mask);
}

uint64_t vs_xlate_read(struct xlate *x, enum dp_field field)
{
	vs_xlate_look_at(x, field);
	return dp_key_get(&x->key, field);
}

void vs_xlate_changed(struct xlate *x, enum dp_field field)
{
	dp_key_cover(&x->at.known, field);
	dp_key_cover(&x->b->changed, field);
}

void vs_xlate_unknown(struct xlate *x, enum dp_field field)
{
	const struct dp_field_desc *d = &dp_fields[field];

	assert(d->bits == d->size * 8);
	memset(x->at.known.b + d->offset, 0, d->size);
}

void vs_xlate_write(struct xlate *x, enum dp_field field, uint64_t value)
{
	dp_key_set(&x->key, field, value);
	vs_xlate_changed(x, field);
}

void vs_xlate_carry(struct xlate *x, enum dp_field to, enum dp_field from)
{
	unsigned a = dp_fields[to].offset, b = dp_fields[from].offset, n = dp_fields[to].size;

	if (!x->at.moved)
		for (unsigned i = 0; i < DP_KEY_SIZE; i++)
			x->at.from[i] = (uint16_t)i;
	x->at.moved = true;
	memcpy(x->key.b + a, x->key.b + b, n);
	memcpy(x->at.known.b + a, x->at.known.b + b, n);
	memcpy(x->at.from + a, x->at.from + b, n * sizeof(x->at.from[0]));
	/* A rule that names these bits does not name the packet's. */
	memset(x->b->changed.b + a, 0xff, n);
}

/* Fields that no frame has: they stay as they are. */
static bool is_beside(enum dp_field field)
{
	switch ((int)field) {
	case DP_FIELD_IN_PORT:
	case DP_FIELD_METADATA:
	case DP_FIELD_TUN_ID:
	case DP_FIELD_CT_ZONE:
		return true;
	default:
		return field >= DP_FIELD_CT_STATE && field <= DP_FIELD_REG15;
	}
}

void vs_xlate_fresh(struct xlate *x)
{
	struct dp_key fresh;

	if (!x->at.stale)
		return;
	x->at.stale = false;
	vs_xlate_macs(x);
	if (!dp_build_again(x->b, &fresh))
		return;
	for (unsigned i = 0; i < DP_N_FIELDS; i++)
		if (is_beside((enum dp_field)i))
			memcpy(fresh.b + dp_fields[i].offset, x->key.b + dp_fields[i].offset,
			       dp_fields[i].size);
	x->key = fresh;
	x->at.asked = true;
	x->at.no_inner_lse = x->at.no_bottom = x->at.no_customer = false;
}

void vs_xlate_renamed(struct xlate *x, enum dp_field field)
{
	/* A header that an EtherType announces need not be there in a packet of this kind. */
	if (x->at.asked)
		x->at.stale = true;
	switch ((int)field) {
	case DP_FIELD_ETH_TYPE:
	case DP_FIELD_IP_PROTO:
		x->at.stale = true;
		break;
	case DP_FIELD_MPLS_BOS:
		x->at.no_bottom = true;
		break;
	case DP_FIELD_TP_SRC:
		/* The type of a message of neighbour discovery says which options it has. */
		if (dp_key_get(&x->key, DP_FIELD_ETH_TYPE) == 0x86dd &&
		    dp_key_get(&x->key, DP_FIELD_IP_PROTO) == 58)
			x->at.stale = true;
		break;
	default:
		break;
	}
}
