/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See vsp.h.
 */
#include "tests/support/vsp.h"

#include <stdlib.h>
#include <string.h>

static void keep(struct vsp *v, struct vsp_sent *sent, unsigned *n, uint64_t id, const void *bytes,
		 size_t size)
{
	if (size > sizeof(sent->bytes) || (size > 0 && bytes == NULL))
		abort();
	v->now++;
	if (*n < VSP_MAX_SENT) {
		sent[*n].when = v->now;
		sent[*n].id = id;
		sent[*n].size = size;
		if (size > 0)
			memcpy(sent[*n].bytes, bytes, size);
	}
	++*n;
}

static void on_complete(void *ctx, uint64_t id, const void *payload, size_t size)
{
	struct vsp *v = ctx;

	if (size > NVSP_MSG_MAX)
		abort();
	keep(v, v->completed, &v->n_completed, id, payload, size);
}

static void on_send_rndis(void *ctx, const void *msg, size_t size)
{
	struct vsp *v = ctx;
	struct rndis_msg m;

	if (rndis_read(msg, size, &m) < 0 || netvsp_state(v->n)->n_recv_sections == 0)
		abort();
	keep(v, v->rndis, &v->n_rndis, 0, msg, size);
}

static void on_send_nvsp(void *ctx, const void *msg, size_t size)
{
	struct vsp *v = ctx;
	struct nvsp_msg m;

	if (nvsp_read(msg, size, false, &m) < 0)
		abort();
	keep(v, v->nvsp, &v->n_nvsp, 0, msg, size);
}

static uint64_t on_gpadl_size(void *ctx, uint32_t id)
{
	struct vsp *v = ctx;

	if (id == VSP_RECV_GPADL)
		return v->recv_size;
	return id == VSP_SEND_GPADL ? v->send_size : 0;
}

static int on_changed(void *ctx, const struct netvsp_state *state)
{
	struct vsp *v = ctx;

	if (netvsp_state_check(state) < 0 || state != netvsp_state(v->n))
		abort();
	v->now++;
	v->n_changed++;
	v->seen = *state;
	return v->changed_ret;
}

static void on_offer(void *ctx, unsigned n)
{
	struct vsp *v = ctx;

	if (n == 0 || n >= NETVSP_MAX_CHANNELS)
		abort();
	v->now++;
	v->n_offers++;
	v->offered = n;
	v->offered_when = v->now;
}

static int on_set_mac(void *ctx, const uint8_t mac[6])
{
	struct vsp *v = ctx;

	memcpy(v->mac, mac, sizeof(v->mac));
	return v->mac_ret;
}

static void on_stats(void *ctx, struct netvsp_stats *ret_stats)
{
	struct vsp *v = ctx;

	*ret_stats = v->stats;
}

static const struct netvsp_ops owner_ops = {
	.complete = on_complete,
	.send_rndis = on_send_rndis,
	.send_nvsp = on_send_nvsp,
	.gpadl_size = on_gpadl_size,
	.changed = on_changed,
	.offer_subchannels = on_offer,
	.set_mac = on_set_mac,
	.stats = on_stats,
};

struct netvsp_conf vsp_conf(void)
{
	struct netvsp_conf conf = {.mac = {0x00, 0x15, 0x5d, 1, 2, 3},
				   .mtu = 1500,
				   .max_queues = 8,
				   .link_up = true,
				   .speed_mbps = 10000,
				   .offloads = true,
				   .name = "web1"};

	return conf;
}

bool vsp_init(struct vsp *v, const struct netvsp_conf *conf)
{
	memset(v, 0, sizeof(*v));
	v->conf = *conf;
	v->recv_size = 16u << 20;
	v->send_size = 1u << 20;
	v->next_id = 0xffff888003c0ffee; /* as a pointer of Linux's */
	v->next_request = 1;
	v->n = netvsp_create(conf, &owner_ops, v);
	return v->n != NULL;
}

void vsp_fini(struct vsp *v)
{
	netvsp_destroy(v->n);
	v->n = NULL;
}

void vsp_clear(struct vsp *v)
{
	v->n_completed = v->n_rndis = v->n_nvsp = 0;
}

/* Sends a message, and returns its number. */
static uint64_t send(struct vsp *v, const struct nvsp_msg *msg, bool wanted)
{
	uint8_t bytes[NVSP_MSG_MAX];
	size_t size = nvsp_write(msg, true, 0, bytes);
	uint64_t id = v->one_id ? v->next_id : v->next_id++;

	v->n_completed = 0;
	netvsp_message(v->n, id, wanted, bytes, v->msg_size != 0 ? v->msg_size : size);
	return id;
}

bool vsp_call(struct vsp *v, const struct nvsp_msg *msg, struct nvsp_msg *ret_msg)
{
	uint64_t id = send(v, msg, true);

	return v->n_completed == 1 && v->completed[0].id == id &&
	       nvsp_read(v->completed[0].bytes, v->completed[0].size, false, ret_msg) == 0;
}

bool vsp_tell(struct vsp *v, const struct nvsp_msg *msg)
{
	send(v, msg, false);
	return v->n_completed == 0;
}

bool vsp_ask(struct vsp *v, struct rndis_msg *msg, struct rndis_msg *ret_msg)
{
	uint8_t bytes[RNDIS_CONTROL_MAX];
	size_t size;

	msg->request_id = v->next_request++;
	size = rndis_write(msg, bytes, sizeof(bytes));
	v->n_rndis = 0;
	netvsp_rndis(v->n, bytes, size);
	return v->n_rndis > 0 && rndis_read(v->rndis[0].bytes, v->rndis[0].size, ret_msg) == 0 &&
	       ret_msg->type == (msg->type | RNDIS_COMPLETION) &&
	       (ret_msg->request_id == msg->request_id || msg->type == RNDIS_RESET);
}

uint32_t vsp_query(struct vsp *v, uint32_t oid, const void *in, uint32_t in_size,
		   struct rndis_msg *ret_msg)
{
	struct rndis_msg m = {.type = RNDIS_QUERY, .oid = oid, .data = in, .data_size = in_size};

	return vsp_ask(v, &m, ret_msg) ? ret_msg->status : UINT32_MAX;
}

uint32_t vsp_set(struct vsp *v, uint32_t oid, const void *in, uint32_t in_size)
{
	struct rndis_msg m = {.type = RNDIS_SET, .oid = oid, .data = in, .data_size = in_size}, r;

	return vsp_ask(v, &m, &r) ? r.status : UINT32_MAX;
}

static bool start_buffers(struct vsp *v)
{
	struct nvsp_msg m = {.type = NVSP_SEND_RECV_BUF, .buf = {VSP_RECV_GPADL, NVSP_RECV_BUF_ID}};
	struct nvsp_msg r;

	if (!vsp_call(v, &m, &r) || r.type != NVSP_SEND_RECV_BUF_COMPLETE ||
	    r.recv_buf_complete.status != NVSP_STATUS_SUCCESS)
		return false;
	m = (struct nvsp_msg){.type = NVSP_SEND_SEND_BUF, .buf = {VSP_SEND_GPADL, 0}};
	return vsp_call(v, &m, &r) && r.type == NVSP_SEND_SEND_BUF_COMPLETE &&
	       r.send_buf_complete.status == NVSP_STATUS_SUCCESS;
}

bool vsp_start(struct vsp *v, uint32_t version)
{
	struct rndis_msg init = {.type = RNDIS_INITIALIZE, .major = 1, .max_transfer = 0x4000},
			 answer;
	struct nvsp_msg m = {.type = NVSP_INIT, .init = {version, version}}, r;

	if (!vsp_call(v, &m, &r) || r.init_complete.status != NVSP_STATUS_SUCCESS)
		return false;
	m = (struct nvsp_msg){.type = NVSP_SEND_NDIS_CONFIG,
			      .ndis_config = {1514, NVSP_CAP_8021Q | NVSP_CAP_SRIOV}};
	if (version >= NVSP_V6_1)
		m.ndis_config.capabilities |= NVSP_CAP_RSC;
	if (v->capabilities != 0)
		m.ndis_config.capabilities = v->capabilities;
	if (version >= NVSP_V2 && !vsp_tell(v, &m))
		return false;
	m = (struct nvsp_msg){.type = NVSP_SEND_NDIS_VER,
			      .ndis_ver = {6, version <= NVSP_V4 ? 1 : 30}};
	return vsp_tell(v, &m) && start_buffers(v) && vsp_ask(v, &init, &answer) &&
	       answer.status == RNDIS_STATUS_SUCCESS;
}
