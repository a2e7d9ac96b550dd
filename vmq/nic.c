/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a VM's worker has handed over: the guest's memory, its GPADLs, its channels.  All of it is
 * checked here once more: the worker is trusted no further than its guest.
 *
 * A channel's queue is made when the guest opens it, and taken apart when no worker thread can be
 * in it (dp_synchronize()) before its CLOSE is answered; the pages of a GPADL likewise.
 *
 * After a restart of the switch the guest's channels are open already: their OPENs are noted, and
 * at READY the agreed state is read from the journal, buffers are mapped, and the queues go on
 * where they were.
 */
#include "vmq/nic_priv.h"

#include "dataplane/dp.h"
#include "dataplane/sigbus.h"
#include "vmbus/monitor.h"
#include "vmbus/pages.h"
#include "vmq/bufs.h"
#include "vmq/control.h"
#include "vmq/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ctl/base/wire.h"

#define SLUG		 "attach"
#define EVENT_FLAGS_SIZE 256u /* bytes, of a processor's SINT; [TLFS] 11.8 */

/* ---- Memory and state ---- */

int nic_memory(struct vmq_nic *nic, const struct vmbus_attach_msg *hello, const int *fds,
	       struct err *err)
{
	struct nic_attachment *at = &nic->at;

	for (uint32_t i = 0; i < hello->hello.n_memory; i++) {
		const struct vmbus_attach_memory *m = &hello->hello.memory[i];
		int seals = fcntl(fds[i], F_GET_SEALS), rc;

		if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
			return err_set(err, -EPERM, SLUG,
				       "guest memory is not sealed against shrinking");
		rc = gpa_map_add(&at->memory, m->gpa, m->size, fds[i], m->offset, err);
		if (rc != 0)
			return rc;
	}
	/* Huge pages may be missing all the same when they are touched. */
	for (unsigned i = 0; i < at->memory.n; i++) {
		at->guards[i] =
			dp_sigbus_add(at->memory.range[i].va, at->memory.range[i].size, &at->lost);
		if (at->guards[i] == NULL)
			return err_set(err, -ENOMEM, SLUG, "no memory to guard the guest's");
	}
	nic->path.memory = &at->memory;
	nic->path.lost = &at->lost;
	return 0;
}

int nic_state(struct vmq_nic *nic, int state_fd, struct err *err)
{
	struct netvsp_state state;
	int rc;

	if (state_fd >= 0 && vmq_journal_open(state_fd, &nic->at.journal, NULL) == 0) {
		rc = vmq_journal_state_read(nic->at.journal, &state);
		if (rc == -ENOENT || (rc == 0 && netvsp_state_check(&state) == 0 &&
				      state.n_subchannels < nic->max_channels)) {
			nic->at.resumed = true;
			return 0;
		}
		vmq_journal_destroy(nic->at.journal);
		nic->at.journal = NULL;
	}
	return vmq_journal_create(&nic->at.journal, err);
}

/* ---- GPADLs ---- */

static struct nic_gpadl *find_gpadl(const struct vmq_nic *nic, uint32_t id)
{
	struct nic_gpadl *g;

	LIST_FOREACH(g, &nic->at.gpadls, entry)
		if (g->list.id == id)
			return g;
	return NULL;
}

const struct vmbus_gpadl *nic_gpadl_find(const struct vmq_nic *nic, uint32_t id)
{
	const struct nic_gpadl *g = find_gpadl(nic, id);

	return g != NULL ? &g->list : NULL;
}

/* Bytes and first offset must be those of so many pages. */
static bool gpadl_adds_up(const struct vmbus_gpadl *g)
{
	uint64_t end = (uint64_t)g->byte_offset + g->byte_count;

	return g->byte_offset < GPA_PAGE_SIZE && g->byte_count != 0 &&
	       (end + GPA_PAGE_SIZE - 1) / GPA_PAGE_SIZE == g->n_pfns;
}

static int fill_gpadl(const struct vmq_nic *nic, struct vmbus_gpadl *g, const void *pfns)
{
	struct rd rd = rd_init(pfns, 8ul * g->n_pfns);

	for (uint32_t i = 0; i < g->n_pfns; i++) {
		g->pfns[i] = rd_le64(&rd);
		if (gpa_page(&nic->at.memory, g->pfns[i]) == NULL)
			return -EFAULT;
	}
	return gpadl_adds_up(g) ? 0 : -EBADMSG;
}

int nic_gpadl_add(struct vmq_nic *nic, const struct vmbus_attach_msg *msg)
{
	struct nic_gpadl *g;
	int rc;

	if (find_gpadl(nic, msg->gpadl.id) != NULL)
		return -EEXIST;
	if (nic->at.n_gpadls == NIC_MAX_GPADLS ||
	    msg->gpadl.n_pfns > NIC_MAX_GPADL_PAGES - nic->at.n_gpadl_pages)
		return -E2BIG;
	g = malloc(sizeof(*g) + msg->gpadl.n_pfns * sizeof(g->list.pfns[0]));
	if (g == NULL)
		return -ENOMEM;
	g->list.id = msg->gpadl.id;
	g->list.relid = msg->gpadl.relid;
	g->list.byte_count = msg->gpadl.byte_count;
	g->list.byte_offset = msg->gpadl.byte_offset;
	g->list.n_pfns = msg->gpadl.n_pfns;
	rc = fill_gpadl(nic, &g->list, msg->gpadl.pfns);
	if (rc != 0) {
		free(g);
		return rc;
	}
	LIST_INSERT_HEAD(&nic->at.gpadls, g, entry);
	nic->at.n_gpadls++;
	nic->at.n_gpadl_pages += g->list.n_pfns;
	return 0;
}

static bool is_ring(const struct vmq_nic *nic, uint32_t id)
{
	for (unsigned i = 0; i < NETVSP_MAX_CHANNELS; i++)
		if (nic->at.channels[i].queue != NULL && nic->at.channels[i].ring_gpadl == id)
			return true;
	return false;
}

static void drop_gpadl(struct vmq_nic *nic, struct nic_gpadl *g)
{
	LIST_REMOVE(g, entry);
	nic->at.n_gpadls--;
	nic->at.n_gpadl_pages -= g->list.n_pfns;
	free(g);
}

static bool is_buffer(const struct vmq_nic *nic, uint32_t id)
{
	return (nic->at.recv != NULL && nic->at.recv_gpadl == id) ||
	       (nic->at.send != NULL && nic->at.send_gpadl == id);
}

/* A guest may take a buffer back without having revoked it: then it is revoked now. */
static int give_up_buffer(struct vmq_nic *nic, uint32_t id)
{
	netvsp_gpadl_gone(nic->vsp, id);
	vmq_journal_state_write(nic->at.journal, netvsp_state(nic->vsp));
	/* Rules without it could not be made? */
	return is_buffer(nic, id) ? nic_rules_clear(nic) : 0;
}

int nic_gpadl_remove(struct vmq_nic *nic, uint16_t relid, uint32_t id)
{
	struct nic_gpadl *g = find_gpadl(nic, id);
	int rc = 0;

	if (g == NULL || is_ring(nic, id))
		return -EBADMSG;
	if (is_buffer(nic, id))
		rc = give_up_buffer(nic, id);
	if (rc == 0)
		drop_gpadl(nic, g);
	return rc;
}

/* ---- Channels ---- */

struct nic_channel *nic_channel_find(struct vmq_nic *nic, uint16_t relid)
{
	for (unsigned i = 0; i < NETVSP_MAX_CHANNELS; i++) {
		struct nic_channel *c = &nic->at.channels[i];

		if ((c->queue != NULL || c->to_resume) && c->relid == relid)
			return c;
	}
	return NULL;
}

/* Workers wait for one and write the other: what is neither would block, or do worse. */
static bool is_eventfd(int fd)
{
	char path[40], target[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	return strcmp(target, "anon_inode:[eventfd]") == 0 &&
	       fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) == 0;
}

static void note_highest(struct vmq_nic *nic)
{
	uint16_t n = NETVSP_MAX_CHANNELS;

	while (n > 0 && nic->at.channels[n - 1].queue == NULL)
		n--;
	atomic_store(&nic->n_channels, n);
}

/* The receive queue's worker is woken by this channel's signals, once each. */
static int watch_kick(struct vmq_nic *nic, unsigned index, int kick_fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	return epoll_ctl(nic->rxqs[index % nic->n_rxq].epoll_fd, EPOLL_CTL_ADD, kick_fd, &event) ==
			       0
		       ? 0
		       : -errno;
}

static uint32_t latency_of(const struct vmq_nic *nic, uint8_t monitor_id)
{
	struct vmbus_monitor monitor = {
		.parent_to_child = gpa_at(&nic->at.memory, nic->at.parent_to_child, GPA_PAGE_SIZE),
		.child_to_parent = gpa_at(&nic->at.memory, nic->at.child_to_parent, GPA_PAGE_SIZE)};
	uint32_t us = 0;

	if (monitor_id >= VMBUS_N_MONITORS || monitor.child_to_parent == NULL)
		return 0;
	if (monitor.parent_to_child != NULL)
		us = vmbus_monitor_latency_us(&monitor, monitor_id);
	return us < 10 || us > 1000 ? 50 : us;
}

static int make_queue(struct vmq_nic *nic, unsigned index, bool resume)
{
	struct nic_channel *c = &nic->at.channels[index];
	const struct vmbus_gpadl *gpadl = nic_gpadl_find(nic, c->ring_gpadl);
	struct vmq_queue_opts opts = {.path = &nic->path,
				      .index = (uint16_t)index,
				      .monitor_id = c->monitor_id,
				      .kick_fd = c->kick_fd,
				      .call_fd = c->call_fd,
				      .event = c->event,
				      .journal = nic->at.journal,
				      .control = index == 0 ? nic->control : NULL,
				      .mail = index == 0 ? nic->mail : NULL,
				      .resume = resume};
	struct vmq_queue *queue;
	int rc = gpadl == NULL ? -ENOENT
			       : vmbus_rings_find(&nic->at.memory, gpadl, c->ring_offset,
						  &opts.from_guest, &opts.to_guest);

	if (rc == 0)
		rc = watch_kick(nic, index, c->kick_fd);
	if (rc != 0)
		return rc;
	rc = vmq_queue_open(&opts, &queue);
	if (rc != 0) {
		epoll_ctl(nic->rxqs[index % nic->n_rxq].epoll_fd, EPOLL_CTL_DEL, c->kick_fd, NULL);
		return rc;
	}
	atomic_store(&nic->latency_us[index], latency_of(nic, c->monitor_id));
	c->queue = queue;
	nic->at.n_open++;
	note_highest(nic);
	return 0;
}

/* The letter box of the primary channel: its answers are for this opening of it. */
static int make_boxes(struct vmq_nic *nic)
{
	int rc = vmq_control_create(nic->control_fd, &nic->control);

	if (rc == 0)
		rc = vmq_mail_create(&nic->mail);
	return rc;
}

static void drop_boxes(struct vmq_nic *nic)
{
	vmq_control_destroy(nic->control);
	vmq_mail_destroy(nic->mail);
	nic->control = NULL;
	nic->mail = NULL;
}

static int open_fresh(struct vmq_nic *nic, unsigned index)
{
	int rc;

	if (index != 0)
		return make_queue(nic, index, false);
	netvsp_reset(nic->vsp);
	vmq_journal_clear(nic->at.journal);
	rc = make_boxes(nic);
	if (rc == 0)
		rc = make_queue(nic, index, false);
	if (rc != 0)
		drop_boxes(nic);
	return rc;
}

int nic_open(struct vmq_nic *nic, const struct vmbus_attach_msg *msg, const int fds[2],
	     uint32_t *ret_status)
{
	unsigned index = msg->open.sub_index;
	struct nic_channel *c = &nic->at.channels[index < NETVSP_MAX_CHANNELS ? index : 0];
	int rc = 0;

	if (index >= NETVSP_MAX_CHANNELS || index >= nic->max_channels || c->queue != NULL ||
	    c->to_resume || nic_channel_find(nic, msg->open.relid) != NULL ||
	    msg->open.resumed == nic->at.ready || (msg->open.resumed && !nic->at.resumed))
		return -EBADMSG;
	if (!is_eventfd(fds[0]) || !is_eventfd(fds[1]))
		return -EBADF;
	if (index > netvsp_state(nic->vsp)->n_subchannels && !msg->open.resumed) {
		*ret_status = EINVAL;
		return 0;
	}
	*c = (struct nic_channel){.relid = msg->open.relid,
				  .kick_fd = fds[0],
				  .call_fd = fds[1],
				  .ring_gpadl = msg->open.ring_gpadl,
				  .ring_offset = msg->open.ring_offset,
				  .monitor_id = msg->open.monitor_id,
				  .to_resume = msg->open.resumed};
	if (!c->to_resume)
		rc = open_fresh(nic, index);
	if (rc != 0)
		*ret_status = (uint32_t)-rc;
	else if (index != 0)
		(void)nic_rules_make(nic, netvsp_state(nic->vsp), false);
	nic_link_settle(nic);
	return 0;
}

static void event_destroy(struct vmq_event *event)
{
	if (event == NULL)
		return;
	close(event->irq_fd);
	free(event);
}

/* Of a message that was read; takes irq_fd.  0 or what is wrong with it. */
static int event_create(const struct vmq_nic *nic, const struct vmbus_attach_msg *msg, int irq_fd,
			struct vmq_event **ret_event)
{
	uint8_t *flags = gpa_at(&nic->at.memory, msg->event.gpa, EVENT_FLAGS_SIZE);
	struct vmq_event *event;

	if (flags == NULL || msg->event.gpa % EVENT_FLAGS_SIZE != 0 ||
	    msg->event.bit >= 8 * EVENT_FLAGS_SIZE || !is_eventfd(irq_fd))
		return -EBADMSG;
	event = malloc(sizeof(*event));
	if (event == NULL)
		return -ENOMEM;
	*event = (struct vmq_event){.word = (_Atomic uint64_t *)(void *)(flags +
									 msg->event.bit / 64 * 8),
				    .bit = 1ull << msg->event.bit % 64,
				    .irq_fd = irq_fd};
	*ret_event = event;
	return 0;
}

int nic_event(struct vmq_nic *nic, const struct vmbus_attach_msg *msg, int irq_fd)
{
	struct nic_channel *c = nic_channel_find(nic, msg->event.relid);
	struct vmq_event *event = NULL, *old;
	int rc = 0;

	if (msg->event.gpa != 0)
		rc = c == NULL ? -ENOENT : event_create(nic, msg, irq_fd, &event);
	if (rc != 0)
		close(irq_fd);
	if (c == NULL) /* it ended here, and the worker has not heard of it yet */
		return 0;
	if (rc != 0)
		return rc;
	old = c->event;
	c->event = event;
	if (c->queue != NULL && old != event) {
		vmq_queue_set_event(c->queue, event);
		dp_synchronize(nic->port->dp);
	}
	event_destroy(old);
	return 0;
}

static void close_channel(struct vmq_nic *nic, unsigned index)
{
	struct nic_channel *c = &nic->at.channels[index];

	if (c->queue != NULL) {
		vmq_queue_close(c->queue);
		epoll_ctl(nic->rxqs[index % nic->n_rxq].epoll_fd, EPOLL_CTL_DEL, c->kick_fd, NULL);
		dp_synchronize(nic->port->dp);
		if (nic->at.bufs != NULL)
			vmq_bufs_forget(nic->at.bufs, c->queue);
		nic_totals_add(&nic->gone, &c->queue->stats);
		nic->faults[atomic_load(&c->queue->fault)]++;
		vmq_queue_destroy(c->queue);
		nic->at.n_open--;
	}
	event_destroy(c->event);
	if (c->queue != NULL || c->to_resume) {
		close(c->kick_fd);
		close(c->call_fd);
	}
	atomic_store(&nic->latency_us[index], 0);
	*c = (struct nic_channel){.relid = 0};
	note_highest(nic);
}

/* The primary goes last, and everything that was agreed on it with it. */
static void close_all(struct vmq_nic *nic)
{
	for (unsigned i = NETVSP_MAX_CHANNELS; i-- > 0;)
		close_channel(nic, i);
	(void)nic_rules_clear(nic);
	netvsp_reset(nic->vsp);
	drop_boxes(nic);
	nic->at.subchannels_wanted = 0;
}

void nic_close(struct vmq_nic *nic, uint16_t relid)
{
	struct nic_channel *c = nic_channel_find(nic, relid);

	/* A subchannel that ended with the primary, whose CLOSE was on its way. */
	if (c == NULL)
		return;
	if (c == &nic->at.channels[0]) {
		close_all(nic);
		vmq_journal_clear(nic->at.journal);
	} else {
		close_channel(nic, (unsigned)(c - nic->at.channels));
		(void)nic_rules_make(nic, netvsp_state(nic->vsp), false);
	}
	nic_link_settle(nic);
}

void nic_retargeted(struct vmq_nic *nic, uint16_t relid)
{
	const struct nic_channel *c = nic_channel_find(nic, relid);

	if (c != NULL && c->queue != NULL)
		vmq_queue_call(c->queue);
	else if (c != NULL)
		(void)eventfd_write(c->call_fd, 1);
}

/* ---- After a restart ---- */

static int resume_all(struct vmq_nic *nic)
{
	struct netvsp_state state;
	int rc = make_boxes(nic); /* first: the guest is told of its link */

	if (rc != 0)
		return rc;
	if (vmq_journal_state_read(nic->at.journal, &state) == 0)
		netvsp_restore(nic->vsp, &state);
	else
		netvsp_reset(nic->vsp);
	rc = nic_rules_make(nic, netvsp_state(nic->vsp), true);
	for (unsigned i = 0; rc == 0 && i < NETVSP_MAX_CHANNELS; i++) {
		struct nic_channel *c = &nic->at.channels[i];

		if (!c->to_resume)
			continue;
		if (i > netvsp_state(nic->vsp)->n_subchannels)
			return -EBADMSG;
		rc = make_queue(nic, i, true);
		if (rc == 0)
			c->to_resume = false;
	}
	/* With the channels known the rules can spread frames over them. */
	if (rc == 0)
		rc = nic_rules_make(nic, netvsp_state(nic->vsp), false);
	return rc;
}

static void answer_resumed(struct vmq_nic *nic)
{
	for (unsigned i = 0; i < NETVSP_MAX_CHANNELS && nic->at.fd >= 0; i++) {
		struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_OPENED};

		if (nic->at.channels[i].queue == NULL)
			continue;
		msg.channel.relid = nic->at.channels[i].relid;
		nic_say(nic, &msg);
	}
}

void nic_ready(struct vmq_nic *nic)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_REMOVED};
	int rc;

	if (!nic->at.channels[0].to_resume)
		return;
	rc = resume_all(nic);
	if (rc == 0) {
		nic->at.subchannels_wanted = netvsp_state(nic->vsp)->n_subchannels;
		nic_data_path_settle(nic, netvsp_state(nic->vsp)->vf_active);
		answer_resumed(nic);
		nic_link_settle(nic);
		nic_subchannels_settle(nic);
		return;
	}
	msg.removed.again = true;
	nic_say(nic, &msg);
	nic_detach(nic, "cannot go on where the last switch was: %s", strerror(-rc));
}

/* ---- The end ---- */

void nic_let_go(struct vmq_nic *nic)
{
	struct nic_attachment *at = &nic->at;

	close_all(nic);
	nic_link_settle(nic);
	while (!LIST_EMPTY(&at->gpadls))
		drop_gpadl(nic, LIST_FIRST(&at->gpadls));
	vmq_journal_destroy(at->journal);
	at->journal = NULL;
	nic->path.memory = NULL;
	nic->path.lost = NULL;
	for (unsigned i = 0; i < GPA_MAX_RANGES; i++) {
		dp_sigbus_remove(at->guards[i]);
		at->guards[i] = NULL;
	}
	gpa_map_fini(&at->memory);
}
