/* SPDX-License-Identifier: BSD-2-Clause
 *
 * GPADLs: put together from messages, checked, lent to devices, taken back; see gpadl.h.
 *
 * 	HEADER ─► ASSEMBLY ──last BODY──► READY ──TEARDOWN──► TEARDOWN ──device let go──► GONE
 * 	             └───────────────────TEARDOWN────────────────────────────────────────►
 *
 * Every HEADER gets one GPADL_CREATED and every TEARDOWN one GPADL_TORNDOWN, for guests wait for
 * them without a limit.
 */
#include "vmbus/gpadl.h"

#include <errno.h>
#include <stdlib.h>

#include "hv/gpa.h"
#include "vmbus/server_priv.h"

#define WORD sizeof(uint64_t)

static struct gpadl *gpadl_of(const struct vmbus_gpadl *pub)
{
	return (struct gpadl *)((uintptr_t)pub - offsetof(struct gpadl, pub));
}

static struct gpadl_list *bucket_of(struct vmbus_server *s, uint32_t id)
{
	return &s->gpadls[id % GPADL_BUCKETS];
}

static struct gpadl *gpadl_find(struct vmbus_server *s, uint32_t relid, uint32_t id)
{
	struct gpadl *g;

	LIST_FOREACH(g, bucket_of(s, id), hash_link)
		if (g->pub.id == id && g->pub.relid == relid && g->state != GPADL_GONE)
			return g;
	return NULL;
}

/* Bodies do not say the channel. */
static struct gpadl *assembly_find(struct vmbus_server *s, uint32_t id)
{
	struct gpadl *g;

	LIST_FOREACH(g, bucket_of(s, id), hash_link)
		if (g->pub.id == id && g->state == GPADL_ASSEMBLY)
			return g;
	return NULL;
}

struct gpadl *gpadl_find_ready(struct vmbus_server *s, uint32_t relid, uint32_t id)
{
	struct gpadl *g = gpadl_find(s, relid, id);

	return g != NULL && g->state == GPADL_READY ? g : NULL;
}

/* Whatever channel of the device it was made for: devices know numbers only. */
static struct gpadl *device_find(struct vmbus_device *device, uint32_t id)
{
	struct gpadl *g;

	LIST_FOREACH(g, bucket_of(device->server, id), hash_link)
		if (g->pub.id == id && g->channel->pub.device == device && g->state != GPADL_GONE)
			return g;
	return NULL;
}

const struct vmbus_gpadl *vmbus_device_gpadl(struct vmbus_device *device, uint32_t id)
{
	struct gpadl *g = device_find(device, id);

	return g != NULL && g->state == GPADL_READY ? &g->pub : NULL;
}

static void answer_created(struct vmbus_server *s, uint32_t relid, uint32_t id, uint32_t status)
{
	out_add(s, (struct out){.type = VMBUS_MSG_GPADL_CREATED,
				.relid = relid,
				.id = id,
				.status = status});
}

static void answer_torndown(struct vmbus_server *s, uint32_t id)
{
	out_add(s, (struct out){.type = VMBUS_MSG_GPADL_TORNDOWN, .id = id});
}

/* Nobody uses it any more. */
static void gpadl_end(struct gpadl *g)
{
	struct vmbus_server *s = g->channel->pub.device->server;

	if (g->answer)
		answer_torndown(s, g->pub.id);
	g->state = GPADL_GONE;
	s->n_gpadls--;
	s->n_gpadl_pages -= g->n_pages;
	LIST_INSERT_HEAD(&s->gone, g, gone_link);
	s->changed = true;
}

void gpadls_reap(struct vmbus_server *s)
{
	struct gpadl *g;

	while ((g = LIST_FIRST(&s->gone)) != NULL) {
		LIST_REMOVE(g, gone_link);
		LIST_REMOVE(g, hash_link);
		LIST_REMOVE(g, channel_link);
		free(g);
	}
}

/* ---- Made ---- */

/* One range, all of it memory.  Its PFNs move to the front of 'pfns'. */
static int words_check(const struct vmbus_server *s, struct gpadl *g)
{
	const struct gpa_map *memory = s->ops->memory(s->ctx);
	struct vmbus_gpadl_words words = {.at = g->pub.pfns, .n = g->n_words};
	struct vmbus_gpadl_range range = {0};

	for (unsigned i = 0; i < g->n_ranges; i++) {
		if (vmbus_gpadl_range_read(&words, &range) != 0)
			return -EBADMSG;
		for (uint32_t p = 0; p < range.n_pfns; p++)
			if (gpa_page(memory, range.pfns[p]) == NULL)
				return -EFAULT;
	}
	if (words.n != 0 || g->n_ranges != 1)
		return -EBADMSG;
	g->pub.byte_count = range.byte_count;
	g->pub.byte_offset = range.byte_offset;
	g->pub.n_pfns = range.n_pfns;
	memmove(g->pub.pfns, range.pfns, range.n_pfns * WORD);
	return 0;
}

static void gpadl_complete(struct vmbus_server *s, struct gpadl *g)
{
	const struct vmbus_device_opts *opts = &g->channel->pub.device->opts;

	if (words_check(s, g) != 0) {
		server_fault(s, VMBUS_FAULT_GPADL_RANGE);
		answer_created(s, g->pub.relid, g->pub.id, VMBUS_STATUS_FAILURE);
		gpadl_end(g);
		return;
	}
	g->state = GPADL_READY;
	answer_created(s, g->pub.relid, g->pub.id, VMBUS_STATUS_SUCCESS);
	opts->ops->gpadl_created(opts->ctx, &g->pub);
}

/* Takes words that lie in a message, at any alignment; more than are missing is padding. */
static void gpadl_add(struct vmbus_server *s, struct gpadl *g, const uint8_t *words, size_t size)
{
	uint32_t n = (uint32_t)(size / WORD), missing = g->n_words - g->pub.n_pfns;

	if (n > missing)
		n = missing;
	memcpy(&g->pub.pfns[g->pub.n_pfns], words, n * WORD);
	g->pub.n_pfns += n;
	if (g->pub.n_pfns == g->n_words)
		gpadl_complete(s, g);
}

static int gpadl_start(struct vmbus_server *s, struct channel *c,
		       const struct vmbus_msg_gpadl_header *msg, struct gpadl **ret_gpadl)
{
	uint32_t n_words = msg->range_bytes / WORD;
	struct gpadl *g = calloc(1, sizeof(*g) + n_words * WORD);

	if (g == NULL)
		return -ENOMEM;
	g->channel = c;
	g->n_ranges = msg->n_ranges;
	g->n_pages = n_words - msg->n_ranges;
	g->n_words = n_words;
	g->pub.id = msg->gpadl;
	g->pub.relid = c->pub.relid;
	LIST_INSERT_HEAD(bucket_of(s, msg->gpadl), g, hash_link);
	LIST_INSERT_HEAD(&c->gpadls, g, channel_link);
	s->n_gpadls++;
	s->n_gpadl_pages += g->n_pages;
	*ret_gpadl = g;
	return 0;
}

/* What is wrong with a header; VMBUS_N_FAULTS: nothing. */
static enum vmbus_fault header_check(struct vmbus_server *s, const struct channel *c,
				     const struct vmbus_msg_gpadl_header *msg)
{
	uint32_t n_words = msg->range_bytes / WORD;

	if (c == NULL)
		return VMBUS_FAULT_RELID;
	if (msg->range_bytes % WORD != 0 || msg->n_ranges == 0 || n_words <= msg->n_ranges)
		return VMBUS_FAULT_GPADL_RANGE;
	if (msg->gpadl == 0 || device_find(c->pub.device, msg->gpadl) != NULL ||
	    assembly_find(s, msg->gpadl) != NULL)
		return VMBUS_FAULT_GPADL_ID;
	if (s->n_gpadls >= s->opts.max_gpadls ||
	    n_words - msg->n_ranges > s->opts.max_gpadl_pages - s->n_gpadl_pages)
		return VMBUS_FAULT_GPADL_LIMIT;
	return VMBUS_N_FAULTS;
}

void gpadl_header(struct vmbus_server *s, const struct vmbus_msg_gpadl_header *msg, size_t size)
{
	struct channel *c = channel_find(s, msg->relid);
	enum vmbus_fault fault = header_check(s, c, msg);
	struct gpadl *g;

	if (fault != VMBUS_N_FAULTS) {
		server_fault(s, fault);
		answer_created(s, msg->relid, msg->gpadl, VMBUS_STATUS_FAILURE);
	} else if (c->withdrawn) { /* no fault: they crossed */
		answer_created(s, msg->relid, msg->gpadl, VMBUS_STATUS_FAILURE);
	} else if (gpadl_start(s, c, msg, &g) != 0) {
		answer_created(s, msg->relid, msg->gpadl, VMBUS_STATUS_NO_RESOURCES);
	} else {
		gpadl_add(s, g, (const uint8_t *)msg + VMBUS_GPADL_HEADER_SIZE,
			  size - VMBUS_GPADL_HEADER_SIZE);
	}
}

void gpadl_body(struct vmbus_server *s, const struct vmbus_msg_gpadl_body *msg, size_t size)
{
	struct gpadl *g = assembly_find(s, msg->gpadl);

	if (g == NULL) {
		server_fault(s, VMBUS_FAULT_GPADL_ID);
		return;
	}
	gpadl_add(s, g, (const uint8_t *)msg + VMBUS_GPADL_BODY_SIZE, size - VMBUS_GPADL_BODY_SIZE);
}

/* ---- Taken back ---- */

/* Asks the device, unless its rings lie there still. */
static void gpadl_ask(struct gpadl *g)
{
	const struct vmbus_device_opts *opts = &g->channel->pub.device->opts;

	if (g->asked || g->channel->ring == g)
		return;
	g->asked = true;
	opts->ops->gpadl_teardown(opts->ctx, &g->pub);
}

static void gpadl_take_back(struct gpadl *g)
{
	if (g->state == GPADL_ASSEMBLY) {
		gpadl_end(g);
	} else if (g->state == GPADL_READY) {
		g->state = GPADL_TEARDOWN;
		if (g->channel->ring == g)
			channel_shut(g->channel);
		gpadl_ask(g);
	}
}

void gpadl_teardown(struct vmbus_server *s, const struct vmbus_msg_gpadl_teardown *msg)
{
	struct gpadl *g = gpadl_find(s, msg->relid, msg->gpadl);

	if (g == NULL) {
		server_fault(s, VMBUS_FAULT_GPADL_ID);
		answer_torndown(s, msg->gpadl);
		return;
	}
	if (g->answer)
		server_fault(s, VMBUS_FAULT_GPADL_ID);
	else if (g->channel->ring == g && g->channel->state != CHANNEL_CLOSING)
		server_fault(s, VMBUS_FAULT_STATE);
	g->answer = true;
	gpadl_take_back(g);
}

void gpadls_drop(struct channel *c)
{
	struct gpadl *g;

	LIST_FOREACH(g, &c->gpadls, channel_link)
		gpadl_take_back(g);
}

void gpadl_ring_free(struct channel *c)
{
	struct gpadl *g = c->ring;

	c->ring = NULL;
	c->pub.ring = NULL;
	if (g != NULL && g->state == GPADL_TEARDOWN)
		gpadl_ask(g);
}

void vmbus_gpadl_released(struct vmbus_device *device, const struct vmbus_gpadl *gpadl)
{
	struct gpadl *g = gpadl_of(gpadl);

	server_enter(device->server);
	if (g->state == GPADL_TEARDOWN)
		gpadl_end(g);
	server_leave(device->server);
}
