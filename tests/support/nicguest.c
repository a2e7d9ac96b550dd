/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See nicguest.h.
 */
#include "tests/support/nicguest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmbus/gpadl.h"
#include "vmbus/nvsp.h"
#include "vmbus/pages.h"
#include "vmq/rss.h"

#define PAGE 4096u

static void must(bool ok)
{
	if (!ok)
		abort();
}

static uint32_t pages_of(uint32_t bytes)
{
	return (bytes + PAGE - 1) / PAGE;
}

/* 'n' pages from 'first' on; scattered: from behind, so that none follows its neighbour. */
static struct vmbus_gpadl *gpadl_make(uint32_t first, uint32_t n, bool scattered)
{
	struct vmbus_gpadl *gpadl = calloc(1, sizeof(*gpadl) + n * sizeof(gpadl->pfns[0]));

	must(gpadl != NULL);
	gpadl->n_pfns = n;
	gpadl->byte_count = n * PAGE;
	for (uint32_t i = 0; i < n; i++)
		gpadl->pfns[i] = NICGUEST_GPA / PAGE + first + (scattered ? n - 1 - i : i);
	return gpadl;
}

static struct vmbus_pages *buffer_make(struct nicguest *g, uint32_t first, uint32_t bytes)
{
	struct vmbus_gpadl *gpadl = gpadl_make(first, pages_of(bytes), g->opts.scattered);
	struct vmbus_pages *pages;

	must(vmbus_pages_create(&g->map, gpadl, &pages) == 0);
	free(gpadl);
	return pages;
}

static void rings_make(struct nicguest *g, uint16_t i)
{
	struct nicguest_channel *c = &g->channels[i];
	uint32_t n = g->opts.ring_pages;
	struct vmbus_gpadl *gpadl = gpadl_make(2 * n * i, 2 * n, false);

	must(vmbus_rings_find(&g->map, gpadl, n, &c->from, &c->to) == 0);
	free(gpadl);
	vmbus_out_init(&c->out, &c->from);
	vmbus_in_init(&c->in, &c->to);
	c->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	c->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static void rules_make(struct nicguest *g)
{
	g->rules = (struct vmq_rules){
		.recv = g->recv,
		.send = g->send,
		.bufs = g->bufs,
		.recv_section = g->opts.recv_section,
		.send_section = g->opts.send_section,
		.n_recv = g->opts.n_recv,
		.n_send = g->opts.n_send,
		.recv_id = 0xCAFE,
		.n_queues = g->opts.n_queues,
		.filter = NETVSP_FILTER_PROMISCUOUS,
		.max_frame = 1514,
	};
	g->path.memory = &g->map;
	atomic_store(&g->path.rules, &g->rules);
}

static int queue_open(struct nicguest *g, uint16_t i, bool resume)
{
	struct nicguest_channel *c = &g->channels[i];
	struct vmq_queue_opts opts = {
		.path = &g->path,
		.index = i,
		.kick_fd = c->kick_fd,
		.call_fd = c->call_fd,
		.from_guest = c->from,
		.to_guest = c->to,
		.journal = g->journal,
		.control = i == 0 ? g->control : NULL,
		.mail = i == 0 ? g->mail : NULL,
		.resume = resume,
	};

	return vmq_queue_open(&opts, &c->queue);
}

static void control_make(struct nicguest *g)
{
	must(vmq_control_create(g->control_fd, &g->control) == 0);
	must(vmq_mail_create(&g->mail) == 0);
}

static void defaults(struct nicguest_opts *o)
{
	o->n_queues = o->n_queues != 0 ? o->n_queues : 1;
	o->n_events = o->n_events != 0 ? o->n_events : NICGUEST_MAX_EVENTS;
	o->ring_pages = o->ring_pages != 0 ? o->ring_pages : 17;
	o->n_recv = o->n_recv != 0 ? o->n_recv : 256;
	o->recv_section = o->recv_section != 0 ? o->recv_section : 1728;
	o->n_send = o->n_send != 0 ? o->n_send : 64;
	o->send_section = o->send_section != 0 ? o->send_section : 6144;
}

static void memory_make(struct nicguest *g)
{
	struct nicguest_opts *o = &g->opts;
	uint32_t rings = 2 * o->ring_pages * o->n_queues, recv = o->n_recv * o->recv_section,
		 send = o->n_send * o->send_section;

	g->spare = (rings + pages_of(recv) + pages_of(send)) * PAGE;
	g->size = g->spare + NICGUEST_SPARE;
	g->memory = mmap(NULL, g->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(g->memory != MAP_FAILED);
	g->map.n = 1;
	g->map.range[0] = (struct gpa_range){NICGUEST_GPA, g->size, g->memory};
	for (uint16_t i = 0; i < o->n_queues; i++)
		rings_make(g, i);
	g->recv = buffer_make(g, rings, recv);
	g->send = buffer_make(g, rings + pages_of(recv), send);
}

struct nicguest *nicguest_create(const struct nicguest_opts *opts)
{
	struct nicguest *g = aligned_alloc(64, (sizeof(*g) + 63) & ~63ul);

	must(g != NULL);
	memset(g, 0, sizeof(*g));
	if (opts != NULL)
		g->opts = *opts;
	defaults(&g->opts);
	memory_make(g);
	g->events = calloc(g->opts.n_events, sizeof(*g->events));
	g->control_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	must(g->events != NULL && vmq_journal_create(&g->journal, NULL) == 0);
	must(vmq_bufs_create(g->opts.n_recv, g->opts.n_queues, g->journal, &g->bufs) == 0);
	control_make(g);
	rules_make(g);
	for (uint16_t i = 0; i < g->opts.n_queues; i++)
		must(queue_open(g, i, false) == 0);
	return g;
}

void nicguest_drop_switch(struct nicguest *g)
{
	for (uint16_t i = 0; i < g->opts.n_queues; i++) {
		if (g->channels[i].queue != NULL)
			vmq_queue_close(g->channels[i].queue);
		vmq_queue_destroy(g->channels[i].queue);
		g->channels[i].queue = NULL;
	}
	vmq_bufs_destroy(g->bufs);
	vmq_control_destroy(g->control);
	vmq_mail_destroy(g->mail);
	g->bufs = NULL;
	g->control = NULL;
	g->mail = NULL;
}

void nicguest_open_anew(struct nicguest *g)
{
	nicguest_drop_switch(g);
	vmq_journal_clear(g->journal);
	must(vmq_bufs_create(g->opts.n_recv, g->opts.n_queues, g->journal, &g->bufs) == 0);
	control_make(g);
	g->rules.bufs = g->bufs;
	for (uint16_t i = 0; i < g->opts.n_queues; i++) {
		struct nicguest_channel *c = &g->channels[i];

		vmbus_out_init(&c->out, &c->from);
		vmbus_in_init(&c->in, &c->to);
		must(queue_open(g, i, false) == 0);
	}
}

int nicguest_resume(struct nicguest *g)
{
	struct vmq_journal *next;
	int rc;

	nicguest_drop_switch(g);
	if (!g->keep_journal) {
		must(vmq_journal_open(vmq_journal_fd(g->journal), &next, NULL) == 0);
		vmq_journal_destroy(g->journal);
		g->journal = next;
	}
	must(vmq_bufs_create(g->opts.n_recv, g->opts.n_queues, g->journal, &g->bufs) == 0);
	vmq_bufs_resume(g->bufs);
	control_make(g);
	g->rules.bufs = g->bufs;
	rc = queue_open(g, 0, true);
	for (uint16_t i = 1; i < g->opts.n_queues; i++)
		must(queue_open(g, i, true) == 0);
	return rc;
}

void nicguest_destroy(struct nicguest *g)
{
	nicguest_drop_switch(g);
	for (uint16_t i = 0; i < g->opts.n_queues; i++) {
		close(g->channels[i].kick_fd);
		close(g->channels[i].call_fd);
	}
	close(g->control_fd);
	vmq_journal_destroy(g->journal);
	vmbus_pages_destroy(g->recv);
	vmbus_pages_destroy(g->send);
	munmap(g->memory, g->size);
	free(g->events);
	free(g);
}

/* ---- Sending ---- */

uint32_t nicguest_write(struct nicguest *g, uint32_t s, uint32_t offset,
			struct rndis_packet *packet, const void *frame, uint32_t size)
{
	uint64_t at = (uint64_t)s * g->opts.send_section + offset;
	uint8_t header[RNDIS_PACKET_MAX_HEADER];
	size_t n;

	packet->frame_size = size;
	n = rndis_packet_write(header, packet);
	vmbus_pages_write(g->send, at, header, n);
	vmbus_pages_write(g->send, at + n, frame, size);
	return packet->msg_size;
}

bool nicguest_put_gpa(struct nicguest *g, uint16_t queue, uint64_t transaction_id, uint32_t s,
		      uint32_t used, const void *gpa_header, size_t gpa_header_size)
{
	struct nicguest_channel *c = &g->channels[queue];
	struct nvsp_rndis rndis = {NVSP_RNDIS, 0, s, used};

	vmbus_out_begin(&c->out);
	return vmbus_out_put(&c->out,
			     gpa_header_size != 0 ? VMBUS_PKT_GPA_DIRECT : VMBUS_PKT_INBAND,
			     VMBUS_PKT_COMPLETION_REQUESTED, transaction_id, gpa_header,
			     gpa_header_size, &rndis, sizeof(rndis)) == 0;
}

bool nicguest_put(struct nicguest *g, uint16_t queue, uint64_t transaction_id, uint32_t s,
		  uint32_t used)
{
	return nicguest_put_gpa(g, queue, transaction_id, s, used, NULL, 0);
}

bool nicguest_send(struct nicguest *g, uint16_t queue, uint64_t transaction_id, const void *frame,
		   uint32_t size)
{
	struct rndis_packet packet = {0};
	uint32_t s = (uint32_t)(transaction_id % g->opts.n_send);

	return nicguest_put(g, queue, transaction_id, s,
			    nicguest_write(g, s, 0, &packet, frame, size));
}

bool nicguest_put_any(struct nicguest *g, uint16_t queue, enum vmbus_packet_type type,
		      uint16_t flags, uint64_t transaction_id, const void *payload, size_t size)
{
	struct nicguest_channel *c = &g->channels[queue];

	vmbus_out_begin(&c->out);
	return vmbus_out_put(&c->out, type, flags, transaction_id, NULL, 0, payload, size) == 0;
}

void nicguest_show(struct nicguest *g, uint16_t queue)
{
	vmbus_out_end(&g->channels[queue].out);
}

void nicguest_complete(struct nicguest *g, uint16_t queue, uint64_t transaction_id)
{
	struct nvsp_rndis_complete msg = {NVSP_RNDIS_COMPLETE, NVSP_STATUS_SUCCESS};

	must(nicguest_put_any(g, queue, VMBUS_PKT_COMPLETION, 0, transaction_id, &msg,
			      sizeof(msg)));
	nicguest_show(g, queue);
}

/* ---- Receiving ---- */

static struct nicguest_event *event(struct nicguest *g, uint16_t queue, uint64_t transaction_id)
{
	struct nicguest_event *e = &g->events[g->n_events];

	must(g->n_events < g->opts.n_events);
	g->n_events++;
	e->queue = queue;
	e->transaction_id = transaction_id;
	e->size = 0;
	return e;
}

static void take_range(struct nicguest *g, uint16_t queue, uint64_t transaction_id,
		       const struct vmbus_range *range, bool control)
{
	struct nicguest_event *e = event(g, queue, transaction_id);
	uint8_t header[RNDIS_PACKET_MAX_HEADER];
	size_t n = range->size < sizeof(header) ? range->size : sizeof(header);

	must(range->offset % g->opts.recv_section == 0 && range->size <= g->opts.recv_section &&
	     (uint64_t)range->offset + range->size <= g->recv->size);
	if (control) {
		e->kind = NICGUEST_RNDIS;
		e->size = range->size;
		vmbus_pages_read(g->recv, range->offset, e->bytes, range->size);
		return;
	}
	e->kind = NICGUEST_FRAME_IN;
	vmbus_pages_read(g->recv, range->offset, header, n);
	must(rndis_packet_read(header, n, range->size, &e->packet) == 0);
	e->size = e->packet.frame_size;
	must(e->size <= sizeof(e->bytes));
	vmbus_pages_read(g->recv, range->offset + e->packet.frame_offset, e->bytes, e->size);
}

static void take_transfer(struct nicguest *g, uint16_t queue, const struct vmbus_packet *p)
{
	struct nicguest_channel *c = &g->channels[queue];
	struct vmbus_range ranges[VMQ_MAX_RANGES];
	struct nvsp_rndis rndis;
	uint16_t set;
	int n = vmbus_transfer_read(&c->in, p, &set, ranges, VMQ_MAX_RANGES);

	must(n > 0 && set == 0xCAFE && p->payload_size == sizeof(rndis));
	must(vmbus_in_copy(&c->in, p, p->header_size, &rndis, sizeof(rndis)));
	must(rndis.type == NVSP_RNDIS && rndis.section == NVSP_NO_SECTION);
	must(p->desc.transaction_id < g->opts.n_recv);
	for (int i = 0; i < n; i++)
		take_range(g, queue, p->desc.transaction_id, &ranges[i], rndis.channel_type == 1);
	if (g->keep)
		g->kept[g->n_kept++ % NICGUEST_MAX_EVENTS] = p->desc.transaction_id;
	else
		nicguest_complete(g, queue, p->desc.transaction_id);
}

static void take_inband(struct nicguest *g, uint16_t queue, const struct vmbus_packet *p)
{
	struct nicguest_event *e = event(g, queue, p->desc.transaction_id);

	e->kind = p->desc.type == VMBUS_PKT_COMPLETION ? NICGUEST_COMPLETION : NICGUEST_NVSP;
	e->size = p->payload_size;
	must(e->size <= sizeof(e->bytes));
	must(vmbus_in_copy(&g->channels[queue].in, p, p->header_size, e->bytes, e->size));
	e->status = UINT32_MAX;
	if (e->size >= sizeof(struct nvsp_rndis_complete) && e->bytes[0] == NVSP_RNDIS_COMPLETE)
		memcpy(&e->status, e->bytes + 4, sizeof(e->status));
}

unsigned nicguest_poll(struct nicguest *g, uint16_t queue)
{
	struct nicguest_channel *c = &g->channels[queue];
	struct vmbus_packet p;
	unsigned n = 0;

	vmbus_in_begin(&c->in);
	for (; vmbus_in_next(&c->in, &p); n++) {
		if (p.desc.type == VMBUS_PKT_TRANSFER_PAGES)
			take_transfer(g, queue, &p);
		else
			take_inband(g, queue, &p);
	}
	must(c->in.fault == VMBUS_RING_NONE);
	vmbus_in_end(&c->in);
	return n;
}

void nicguest_clear(struct nicguest *g)
{
	g->n_events = 0;
}
