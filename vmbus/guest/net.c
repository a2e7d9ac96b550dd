/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Life of the NIC's driver.
 *
 * 	open ─► INIT, version by version ─► NDIS_CONFIG, NDIS_VER ─► receive buffer, send buffer
 * 	    ─► the profile's steps (net_oid.c), among them subchannels
 * 	filter 0 ─► HALT ─► revoke receive, send ─► [GPADLs, bus before 4.0] ─► close ─► [GPADLs]
 */
#include "vmbus/guest/net_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/clock.h"
#include "vmbus/guest/bus.h"
#include "vmbus/netvsp.h"

#define SLUG		"guest-nic"
#define TIMEOUT_MS	5000
#define PUMP_MS		10
#define ETHERNET	14
#define NDIS_6_1_MINOR	1
#define NDIS_6_30_MINOR 30
#define MAX_RECV_OLD	(15u << 20) /* for NVSP 2 and older */
#define MIN_SECTION	68
#define BUS_VERSION_4_0 0x00040000u
#define MAX_MTU		9202 /* hosts take frames of 9216 bytes */
#define DONE_SLACK	256
#define DEFAULT_SLOTS	8

/* Queues. */

static void queue_destroy(struct guest_memory *memory, struct guest_queue *q)
{
	if (q == NULL)
		return;
	for (unsigned i = 0; q->slots != NULL && i < GUEST_MAX_SLOTS; i++)
		guest_buffer_free(memory, &q->slots[i].buffer);
	free(q->slots);
	free(q->done);
	free(q->free);
	free(q->busy);
	free(q);
}

static struct guest_queue *queue_create(struct guest_net *net, struct guest_channel *channel,
					uint16_t index)
{
	struct guest_queue *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->channel = channel;
	q->net = net;
	q->index = index;
	q->room = GUEST_MAX_SLOTS;
	q->open.index = UINT32_MAX;
	q->max_aggregate = 1;
	q->first_id = net->profile->first_id;
	q->mode = net->conf.mode;
	q->form = net->profile->gpa_form;
	if (net->conf.pages_form_set)
		q->form = net->conf.pages_in_range ? GUEST_GPA_RANGE : GUEST_GPA_PAGES;
	q->head_offset = net->conf.head_offset & (GPA_PAGE_SIZE - 1);
	q->reserve = channel->out.ring.size / 8;
	q->max_done = DONE_SLACK;
	q->done = calloc(q->max_done, sizeof(*q->done));
	q->slots = calloc(GUEST_MAX_SLOTS, sizeof(*q->slots));
	vmbus_in_mask(&channel->in, true);
	if (q->done == NULL || q->slots == NULL) {
		queue_destroy(net->bus != NULL ? guest_bus_memory(net->bus) : NULL, q);
		return NULL;
	}
	return q;
}

/* Its share of the buffers, when all queues are there. */
static int queue_share(struct guest_queue *q)
{
	const struct guest_net *net = q->net;
	uint32_t share = net->info.n_send_sections / net->n_channels;
	uint64_t *done;

	q->recv = net->recv.va;
	q->recv_size = (uint64_t)net->info.recv_section_size * net->info.n_recv_sections;
	q->send = net->send.va;
	q->section_size = net->info.send_section_size;
	q->first_section = q->index * share;
	q->n_sections = share;
	q->align_mask = net->info.alignment - 1;
	if (net->profile->aggregate)
		q->max_aggregate = net->info.max_packets;
	if (net->conf.max_aggregate != 0 && net->conf.max_aggregate < q->max_aggregate)
		q->max_aggregate = net->conf.max_aggregate;
	q->max_done = net->info.n_recv_sections + DONE_SLACK;
	done = realloc(q->done, q->max_done * sizeof(*q->done));
	if (done != NULL)
		q->done = done;
	q->free = calloc(share + 1, sizeof(*q->free));
	q->busy = calloc(share + 1, 1);
	if (done == NULL || q->free == NULL || q->busy == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < share; i++)
		q->free[q->n_free++] = share - 1 - i;
	for (unsigned i = 0; i < net->conf.n_slots; i++, q->n_slots++) {
		if (guest_buffer_alloc(guest_bus_memory(net->bus), SLOT_PAGES, net->conf.scattered,
				       &q->slots[i].buffer) != 0)
			return -ENOMEM;
	}
	return 0;
}

static int open_channel(struct guest_net *net, struct guest_channel *channel, uint16_t index)
{
	const uint32_t pages =
		net->conf.ring_pages != 0 ? net->conf.ring_pages : net->profile->ring_pages;
	struct guest_channel_opts opts = {
		.out_pages = pages,
		.in_pages = pages,
		.target_vp = index,
		.monitor = net->profile->monitor,
	};
	int rc = guest_channel_open(channel, &opts);

	if (rc != 0)
		return rc;
	net->queues[index] = queue_create(net, channel, index);
	if (net->queues[index] == NULL) {
		guest_channel_close(channel);
		return -ENOMEM;
	}
	net->n_channels++;
	return 0;
}

/* Subchannels. */

static struct guest_channel *wait_offer(struct guest_net *net, uint16_t sub_index)
{
	const uint64_t end = clock_mono_ns() + TIMEOUT_MS * 1000000ull;
	struct guest_channel *primary = net->queues[0]->channel, *channel;

	while ((channel = guest_channel_sub(primary, sub_index)) == NULL && clock_mono_ns() < end &&
	       !guest_net_gone(net))
		guest_bus_pump(net->bus, -1, PUMP_MS);
	return channel;
}

static int open_subchannels(struct guest_net *net, unsigned n)
{
	for (unsigned i = 1; i <= n; i++) {
		struct guest_channel *channel = wait_offer(net, (uint16_t)i);
		int rc = channel == NULL ? -ETIMEDOUT : open_channel(net, channel, (uint16_t)i);

		if (rc != 0)
			return rc;
	}
	return 0;
}

int guest_net_subchannels(struct guest_net *net)
{
	unsigned wanted = net->conf.n_queues != 0 ? net->conf.n_queues : 1;
	struct nvsp_msg msg = {.type = NVSP_SUBCHANNEL, .subchannel.op = 1}, reply;
	int rc;

	if (wanted > net->info.host_queues)
		wanted = net->info.host_queues;
	if (wanted < 2 || net->info.nvsp_version < NVSP_V5)
		return 0;
	msg.subchannel.count = wanted - 1;
	rc = guest_net_ask(net, &msg, true);
	if (rc != 0)
		return rc;
	if (nvsp_read(net->answer.bytes, net->answer.size, false, &reply) != 0 ||
	    reply.type != NVSP_SUBCHANNEL ||
	    reply.subchannel_complete.status != NVSP_STATUS_SUCCESS ||
	    reply.subchannel_complete.count > msg.subchannel.count)
		return 0; /* one queue does */
	return open_subchannels(net, reply.subchannel_complete.count);
}

/* NVSP. */

static int init(struct guest_net *net)
{
	struct nvsp_msg msg = {.type = NVSP_INIT}, reply;

	for (const uint32_t *v = net->profile->nvsp_versions; *v != 0; v++) {
		int rc;

		if (net->conf.max_nvsp != 0 && *v > net->conf.max_nvsp)
			continue;
		msg.init.min_version = msg.init.max_version = *v;
		rc = guest_net_ask(net, &msg, true);
		if (rc != 0)
			return rc;
		if (nvsp_read(net->answer.bytes, net->answer.size, false, &reply) == 0 &&
		    reply.type == NVSP_INIT_COMPLETE &&
		    reply.init_complete.status == NVSP_STATUS_SUCCESS) {
			net->info.nvsp_version = *v;
			return 0;
		}
	}
	return -EPROTONOSUPPORT;
}

/* What to ask for: a guest that will ask the host for its MTU may take all that there is. */
static uint16_t wanted_mtu(const struct guest_net *net)
{
	const enum guest_step *s = net->profile->steps;

	while (*s != GUEST_STEP_END && *s != GUEST_STEP_FRAME_SIZE)
		s++;
	if (net->conf.mtu != 0)
		return net->conf.mtu;
	/* Who cannot say it gets the usual. */
	return *s == GUEST_STEP_FRAME_SIZE && net->info.nvsp_version >= NVSP_V2 ? MAX_MTU : 1500;
}

static int configure(struct guest_net *net)
{
	const bool old = net->info.nvsp_version <= NVSP_V4;
	struct nvsp_msg config = {.type = NVSP_SEND_NDIS_CONFIG};
	struct nvsp_msg ndis = {.type = NVSP_SEND_NDIS_VER};
	uint16_t mtu = wanted_mtu(net);
	int rc = 0;

	config.ndis_config.mtu = mtu + (net->profile->frame_in_config ? ETHERNET : 0u);
	config.ndis_config.capabilities = net->profile->capabilities;
	if (net->info.nvsp_version < NVSP_V5)
		config.ndis_config.capabilities &= NVSP_CAP_8021Q;
	if (net->info.nvsp_version < NVSP_V6_1)
		config.ndis_config.capabilities &= ~(uint64_t)NVSP_CAP_RSC;
	if (net->info.nvsp_version >= NVSP_V2)
		rc = guest_net_ask(net, &config, net->profile->complete_config);
	if (rc != 0)
		return rc;
	net->info.mtu = mtu;
	ndis.ndis_ver.major = 6;
	ndis.ndis_ver.minor = old ? NDIS_6_1_MINOR : NDIS_6_30_MINOR;
	return guest_net_ask(net, &ndis, false);
}

/* Pages for a buffer, lent to the host. */
static int lend(struct guest_net *net, uint32_t size, struct guest_buffer *buffer,
		uint32_t *ret_gpadl)
{
	struct guest_memory *memory = guest_bus_memory(net->bus);
	int rc = guest_buffer_alloc(memory, (size + GPA_PAGE_SIZE - 1) >> GPA_PAGE_SHIFT,
				    net->conf.scattered, buffer);

	if (rc != 0)
		return rc;
	rc = guest_gpadl_create(net->queues[0]->channel, buffer, ret_gpadl);
	if (rc != 0)
		guest_buffer_free(memory, buffer);
	return rc;
}

static int recv_buffer(struct guest_net *net)
{
	struct nvsp_msg msg = {.type = NVSP_SEND_RECV_BUF}, reply;
	uint32_t size = net->conf.recv_size != 0 ? net->conf.recv_size : net->profile->recv_size;
	int rc;

	if (net->info.nvsp_version <= NVSP_V2 && size > MAX_RECV_OLD)
		size = MAX_RECV_OLD;
	rc = lend(net, size, &net->recv, &net->recv_gpadl);
	if (rc != 0)
		return rc;
	msg.buf.gpadl = net->recv_gpadl;
	msg.buf.id = NVSP_RECV_BUF_ID;
	rc = guest_net_ask(net, &msg, true);
	if (rc != 0)
		return rc;
	if (nvsp_read(net->answer.bytes, net->answer.size, false, &reply) != 0 ||
	    reply.type != NVSP_SEND_RECV_BUF_COMPLETE ||
	    reply.recv_buf_complete.status != NVSP_STATUS_SUCCESS ||
	    reply.recv_buf_complete.n_sections != 1 || reply.recv_buf_complete.offset != 0 ||
	    reply.recv_buf_complete.section_size < MIN_SECTION ||
	    reply.recv_buf_complete.count == 0 ||
	    (uint64_t)reply.recv_buf_complete.section_size * reply.recv_buf_complete.count > size)
		return -EIO;
	net->info.recv_section_size = reply.recv_buf_complete.section_size;
	net->info.n_recv_sections = reply.recv_buf_complete.count;
	return 0;
}

static int send_buffer(struct guest_net *net)
{
	struct nvsp_msg msg = {.type = NVSP_SEND_SEND_BUF}, reply;
	uint32_t size = net->conf.send_size != 0 ? net->conf.send_size : net->profile->send_size;
	uint32_t section;
	int rc;

	if (size == 0)
		return 0;
	rc = lend(net, size, &net->send, &net->send_gpadl);
	if (rc != 0)
		return rc;
	msg.buf.gpadl = net->send_gpadl;
	msg.buf.id = net->profile->send_id;
	rc = guest_net_ask(net, &msg, true);
	if (rc != 0)
		return rc;
	if (nvsp_read(net->answer.bytes, net->answer.size, false, &reply) != 0 ||
	    reply.type != NVSP_SEND_SEND_BUF_COMPLETE ||
	    reply.send_buf_complete.status != NVSP_STATUS_SUCCESS)
		return -EIO;
	section = reply.send_buf_complete.section_size;
	if (section == 0) /* no sections, then */
		return 0;
	if (section < MIN_SECTION || section > size || section % 4 != 0)
		return -EIO;
	net->info.send_section_size = section;
	net->info.n_send_sections = size / section;
	return 0;
}

/* The whole, with a word for where it failed. */
static int set_up(struct guest_net *net, struct guest_channel *primary, const char **ret_where)
{
	int rc;

	*ret_where = "opening the channel";
	rc = guest_buffer_alloc(guest_bus_memory(net->bus), CONTROL_PAGES, false, &net->control);
	if (rc == 0)
		rc = open_channel(net, primary, 0);
	if (rc != 0)
		return rc;
	*ret_where = "agreeing on a version of NVSP";
	rc = init(net);
	if (rc == 0)
		rc = configure(net);
	if (rc != 0)
		return rc;
	*ret_where = "lending the receive buffer";
	rc = recv_buffer(net);
	if (rc != 0)
		return rc;
	net->queues[0]->recv = net->recv.va; /* answers come by it */
	net->queues[0]->recv_size =
		(uint64_t)net->info.recv_section_size * net->info.n_recv_sections;
	*ret_where = "lending the send buffer";
	rc = send_buffer(net);
	if (rc != 0)
		return rc;
	*ret_where = "setting the NIC up by RNDIS";
	for (const enum guest_step *s = net->profile->steps; rc == 0 && *s != GUEST_STEP_END; s++)
		rc = guest_net_step(net, *s);
	for (unsigned i = 0; rc == 0 && i < net->n_channels; i++)
		rc = queue_share(net->queues[i]);
	return rc;
}

uint64_t guest_net_memory_size(const struct guest_net_conf *conf)
{
	const struct guest_profile *p = conf->profile != NULL ? conf->profile : guest_profiles[0];
	uint64_t n = conf->n_queues != 0 ? conf->n_queues : 1;
	uint64_t ring = 2ull * (conf->ring_pages != 0 ? conf->ring_pages : p->ring_pages);
	uint64_t slots = (conf->n_slots != 0 ? conf->n_slots : DEFAULT_SLOTS) * SLOT_PAGES;
	uint64_t size = (uint64_t)(conf->recv_size != 0 ? conf->recv_size : p->recv_size) +
			(conf->send_size != 0 ? conf->send_size : p->send_size);

	/* And a few pages for what else there is. */
	return size + ((n * (ring + slots) + 64) << GPA_PAGE_SHIFT);
}

int guest_net_create(struct guest_channel *primary, const struct guest_net_conf *conf,
		     struct guest_net **ret_net, struct err *err)
{
	struct guest_net *net = calloc(1, sizeof(*net));
	const char *where = "";
	int rc;

	if (net == NULL)
		return err_set(err, -ENOMEM, SLUG, "no memory left");
	net->bus = primary->bus;
	net->conf = *conf;
	net->profile = conf->profile != NULL ? conf->profile : guest_profiles[0];
	if (net->conf.n_queues > GUEST_MAX_QUEUES)
		net->conf.n_queues = GUEST_MAX_QUEUES;
	if (net->conf.n_slots == 0)
		net->conf.n_slots = DEFAULT_SLOTS;
	if (net->conf.n_slots > GUEST_MAX_SLOTS)
		net->conf.n_slots = GUEST_MAX_SLOTS;
	net->info.max_packets = 1;
	net->info.alignment = 8;
	net->info.host_queues = 1;
	atomic_store(&net->link_up, true);
	rc = set_up(net, primary, &where);
	if (rc != 0) {
		guest_net_destroy(net);
		return err_set(err, rc, SLUG, "cannot set up the NIC: %s: %s", where,
			       strerror(-rc));
	}
	net->info.n_queues = net->n_channels;
	*ret_net = net;
	return 0;
}

int guest_net_switch_path(struct guest_net *net, bool vf)
{
	struct nvsp_msg msg = {.type = NVSP_SWITCH_DATA_PATH, .data_path.active = vf};

	return guest_net_ask(net, &msg, true);
}

int guest_net_revoke(struct guest_net *net, bool recv, bool send)
{
	struct nvsp_msg msg = {.type = NVSP_REVOKE_RECV_BUF, .buf.id = NVSP_RECV_BUF_ID};
	int rc = 0;

	if (recv)
		rc = guest_net_ask(net, &msg, false);
	msg.type = NVSP_REVOKE_SEND_BUF;
	msg.buf.id = net->profile->send_id;
	if (rc == 0 && send)
		rc = guest_net_ask(net, &msg, false);
	return rc;
}

static void take_back(struct guest_net *net, struct guest_channel *primary)
{
	struct guest_memory *memory = guest_bus_memory(net->bus);

	if (net->send.va != NULL && guest_gpadl_teardown(primary, net->send_gpadl) == 0)
		guest_buffer_free(memory, &net->send);
	if (net->recv.va != NULL && guest_gpadl_teardown(primary, net->recv_gpadl) == 0)
		guest_buffer_free(memory, &net->recv);
}

static void say_goodbye(struct guest_net *net)
{
	if (guest_net_gone(net))
		return;
	if (net->rndis_up && (guest_net_set_filter(net, 0) != 0 || guest_net_halt(net) != 0))
		return; /* it does not answer: spare the waiting */
	if (net->recv.va != NULL)
		(void)guest_net_revoke(net, true, net->send.va != NULL);
}

void guest_net_destroy(struct guest_net *net)
{
	struct guest_memory *memory;
	struct guest_channel *primary;

	if (net == NULL)
		return;
	memory = guest_bus_memory(net->bus);
	primary = net->n_channels > 0 ? net->queues[0]->channel : NULL;
	if (primary != NULL)
		say_goodbye(net);
	if (primary != NULL && guest_bus_version(net->bus) < BUS_VERSION_4_0)
		take_back(net, primary);
	for (unsigned i = net->n_channels; i-- > 0;)
		guest_channel_close(net->queues[i]->channel);
	if (primary != NULL)
		take_back(net, primary);
	for (unsigned i = 0; i < net->n_channels; i++)
		queue_destroy(memory, net->queues[i]);
	guest_buffer_free(memory, &net->control);
	guest_buffer_forget(&net->recv); /* what the host did not give back */
	guest_buffer_forget(&net->send);
	free(net);
}

void guest_net_info(const struct guest_net *net, struct guest_net_info *ret_info)
{
	*ret_info = net->info;
	ret_info->link_up = atomic_load(&net->link_up);
}

struct guest_queue *guest_net_queue(struct guest_net *net, unsigned index)
{
	return index < net->n_channels ? net->queues[index] : NULL;
}

struct guest_channel *guest_net_channel(struct guest_net *net, unsigned index)
{
	return index < net->n_channels ? net->queues[index]->channel : NULL;
}

bool guest_net_gone(const struct guest_net *net)
{
	const struct guest_channel *primary = net->queues[0]->channel;

	return atomic_load(&primary->rescinded) || primary->in.fault != 0 ||
	       primary->out.fault != 0;
}

uint32_t guest_net_link(const struct guest_net *net, bool *ret_up)
{
	*ret_up = atomic_load(&net->link_up);
	return atomic_load(&net->link_changes);
}
