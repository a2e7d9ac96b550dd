/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Life of the control half of a NIC, what its administrator changes, and what the guest is told
 * unasked; see netvsp.h.
 */
#include "vmbus/netvsp_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const fault_slugs[] = {
#define X(name, slug, text) slug,
	NETVSP_FAULTS(X)
#undef X
};

static const char *const fault_texts[] = {
#define X(name, slug, text) text,
	NETVSP_FAULTS(X)
#undef X
};

const char *netvsp_fault_slug(enum netvsp_fault fault)
{
	return fault_slugs[fault];
}

const char *netvsp_fault_text(enum netvsp_fault fault)
{
	return fault_texts[fault];
}

struct netvsp *netvsp_create(const struct netvsp_conf *conf, const struct netvsp_ops *ops,
			     void *ctx)
{
	struct netvsp *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->conf = *conf;
	n->ops = ops;
	n->ctx = ctx;
	memcpy(n->state.mac, conf->mac, sizeof(n->state.mac));
	return n;
}

void netvsp_destroy(struct netvsp *n)
{
	free(n);
}

void netvsp_count(struct netvsp *n, enum netvsp_fault fault)
{
	n->faults[fault]++;
}

uint64_t netvsp_faults(const struct netvsp *n, enum netvsp_fault fault)
{
	return n->faults[fault];
}

const struct netvsp_state *netvsp_state(const struct netvsp *n)
{
	return &n->state;
}

int netvsp_commit(struct netvsp *n, const struct netvsp_state *next)
{
	const struct netvsp_state old = n->state;
	int ret;

	if (memcmp(next, &old, sizeof(old)) == 0)
		return 0;
	n->state = *next;
	ret = n->ops->changed(n->ctx, &n->state);
	if (ret < 0)
		n->state = old;
	return ret;
}

void netvsp_withdraw(struct netvsp *n, const struct netvsp_state *next)
{
	if (netvsp_commit(n, next) < 0)
		n->state = *next;
}

void netvsp_rndis_forget(struct netvsp_state *state)
{
	state->rndis_up = false;
	state->filter = 0;
	state->csum_rx4 = state->csum_rx6 = false;
	state->lro4 = state->lro6 = false;
	state->rss = false;
	state->hash_types = 0;
	state->table_size = 0;
	memset(state->table, 0, sizeof(state->table));
	memset(state->key, 0, sizeof(state->key));
}

/* An address that the guest chose stays: Linux closes and opens the channel to change its MTU, and
 * does not say the address again. */
void netvsp_reset(struct netvsp *n)
{
	struct netvsp_state next;

	memset(&next, 0, sizeof(next));
	memcpy(next.mac, n->conf.mac_change ? n->state.mac : n->conf.mac, sizeof(next.mac));
	netvsp_withdraw(n, &next);
}

void netvsp_recv_forget(struct netvsp_state *state)
{
	state->recv_gpadl = state->recv_section_size = state->n_recv_sections = 0;
	state->recv_id = 0;
}

void netvsp_send_forget(struct netvsp_state *state)
{
	state->send_gpadl = state->send_section_size = state->n_send_sections = 0;
	state->send_id = 0;
}

void netvsp_gpadl_gone(struct netvsp *n, uint32_t gpadl)
{
	struct netvsp_state next = n->state;

	if (next.n_recv_sections != 0 && next.recv_gpadl == gpadl) {
		netvsp_count(n, NETVSP_FAULT_NVSP_ORDER);
		netvsp_recv_forget(&next);
	}
	if (next.n_send_sections != 0 && next.send_gpadl == gpadl) {
		netvsp_count(n, NETVSP_FAULT_NVSP_ORDER);
		netvsp_send_forget(&next);
	}
	netvsp_withdraw(n, &next);
}

void netvsp_indicate(struct netvsp *n, uint32_t status, const void *data, uint32_t size)
{
	struct rndis_msg m = {.type = RNDIS_INDICATE_STATUS,
			      .status = status,
			      .data = data,
			      .data_size = size};
	uint8_t bytes[RNDIS_REPLY_MAX];
	size_t msg_size;

	if (!n->state.rndis_up || n->state.n_recv_sections == 0)
		return;
	msg_size = rndis_write(&m, bytes, sizeof(bytes));
	if (msg_size > 0)
		n->ops->send_rndis(n->ctx, bytes, msg_size);
}

static void indicate_link(struct netvsp *n)
{
	netvsp_indicate(n, n->conf.link_up ? RNDIS_STATUS_CONNECT : RNDIS_STATUS_DISCONNECT, NULL,
			0);
}

static void indicate_speed(struct netvsp *n)
{
	uint64_t speed = (uint64_t)n->conf.speed_mbps * 10000; /* in 100 bits a second */
	uint32_t value = speed > UINT32_MAX ? UINT32_MAX : (uint32_t)speed;

	if (n->state.nvsp_version >= NVSP_V5)
		netvsp_indicate(n, RNDIS_STATUS_SPEED, &value, sizeof(value));
}

/* A state without what the configuration does not offer any more. */
static void fit_conf(const struct netvsp *n, struct netvsp_state *state)
{
	if (!n->conf.offloads)
		state->csum_rx4 = state->csum_rx6 = false;
	if (!n->conf.offloads || !n->conf.rsc)
		state->lro4 = state->lro6 = false;
}

void netvsp_set_conf(struct netvsp *n, const struct netvsp_conf *conf)
{
	const struct netvsp_conf old = n->conf;
	struct netvsp_state next = n->state;

	n->conf = *conf;
	if (memcmp(conf->mac, old.mac, sizeof(old.mac)) != 0)
		memcpy(next.mac, conf->mac, sizeof(next.mac));
	fit_conf(n, &next);
	netvsp_withdraw(n, &next);
	if (conf->link_up != old.link_up)
		indicate_link(n);
	if (conf->speed_mbps != old.speed_mbps)
		indicate_speed(n);
}

void netvsp_tell_link(struct netvsp *n)
{
	indicate_link(n);
	indicate_speed(n);
}

/* Messages of version 4, for guests that said they take VFs, once their NIC is up. */
static bool vf_possible(const struct netvsp *n)
{
	return n->state.nvsp_version >= NVSP_V4 && n->state.capabilities & NVSP_CAP_SRIOV &&
	       n->state.rndis_up;
}

void netvsp_send_vf(struct netvsp *n)
{
	struct nvsp_msg m = {.type = NVSP_VF_ASSOCIATION,
			     .vf = {.allocated = n->vf_present, .serial = n->vf_serial}};
	uint8_t bytes[NVSP_MSG_MAX];

	if (vf_possible(n))
		n->ops->send_nvsp(n->ctx, bytes,
				  nvsp_write(&m, false, n->state.nvsp_version, bytes));
}

void netvsp_set_vf(struct netvsp *n, bool present, uint32_t serial)
{
	bool same = present == n->vf_present && serial == n->vf_serial;
	struct netvsp_state next = n->state;

	if (same && (present || !next.vf_active)) /* it may be active since before a restart */
		return;
	n->vf_present = present;
	n->vf_serial = serial;
	if (!present) { /* whatever the guest thinks: there is no other way any more */
		next.vf_active = false;
		netvsp_withdraw(n, &next);
	}
	netvsp_send_vf(n);
}

/* A state that comes from elsewhere may hold bytes that are no bool. */
static bool is_bool(const bool *b)
{
	uint8_t byte;

	memcpy(&byte, b, 1);
	return byte <= 1;
}

static bool bools_ok(const struct netvsp_state *s)
{
	return is_bool(&s->rndis_up) && is_bool(&s->vf_active) && is_bool(&s->csum_rx4) &&
	       is_bool(&s->csum_rx6) && is_bool(&s->lro4) && is_bool(&s->lro6) && is_bool(&s->rss);
}

static bool buffers_ok(const struct netvsp_state *s)
{
	const uint64_t max = (uint64_t)NETVSP_MAX_RECV_PAGES * 4096;

	if ((s->n_recv_sections == 0) != (s->recv_section_size == 0) ||
	    (s->n_send_sections == 0) != (s->send_section_size == 0))
		return false;
	if ((uint64_t)s->n_recv_sections * s->recv_section_size > max ||
	    s->n_recv_sections > NETVSP_MAX_RECV_SECTIONS)
		return false;
	if (s->n_recv_sections != 0 &&
	    (s->recv_section_size < NETVSP_MIN_RECV_SECTION || s->recv_section_size % 8 != 0))
		return false;
	return s->n_send_sections == 0 || (s->send_section_size == NETVSP_SEND_SECTION &&
					   s->n_send_sections <= max / NETVSP_SEND_SECTION);
}

static bool rss_ok(const struct netvsp_state *s)
{
	if (s->n_subchannels >= NETVSP_MAX_CHANNELS || s->table_size > NETVSP_TABLE_SIZE ||
	    (s->table_size & (s->table_size - 1)) != 0 || s->hash_types & ~NETVSP_HASH_ALL)
		return false;
	for (unsigned i = 0; i < NETVSP_TABLE_SIZE; i++)
		if (s->table[i] > s->n_subchannels)
			return false;
	return !s->rss || s->table_size > 0;
}

static bool version_ok(uint32_t version)
{
	return version == 0 || netvsp_version_known(version);
}

/* Each step needs the one before it. */
static bool order_ok(const struct netvsp_state *s)
{
	bool any = s->n_recv_sections != 0 || s->n_send_sections != 0 || s->rndis_up;

	if (s->nvsp_version == 0)
		return !any && s->filter == 0 && s->n_subchannels == 0 && !s->vf_active;
	if (!s->rndis_up)
		return s->filter == 0 && !s->rss && !s->lro4 && !s->lro6;
	return true;
}

bool netvsp_mac_ok(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return !(mac[0] & 1) && memcmp(mac, none, sizeof(none)) != 0;
}

int netvsp_state_check(const struct netvsp_state *s)
{
	if (!bools_ok(s) || !version_ok(s->nvsp_version) || !buffers_ok(s) || !rss_ok(s) ||
	    !order_ok(s) || !netvsp_mac_ok(s->mac) || s->filter & ~NETVSP_FILTER_ALL ||
	    s->guest_mtu > UINT16_MAX)
		return -EBADMSG;
	return 0;
}

void netvsp_restore(struct netvsp *n, const struct netvsp_state *state)
{
	n->state = *state;
	if (!n->conf.mac_change)
		memcpy(n->state.mac, n->conf.mac, sizeof(n->state.mac));
	fit_conf(n, &n->state);
	/* It may have changed meanwhile; and to Linux the same again means that the network may
	 * have forgotten where its addresses are. */
	indicate_link(n);
}
