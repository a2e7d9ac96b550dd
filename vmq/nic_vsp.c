/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The NIC around its control half (vmbus/netvsp.h): control messages in, answers out, and what was
 * agreed as rules for workers.
 *
 * Rules are replaced as a whole: the new ones are published, no worker can be in the old ones any
 * more when dp_synchronize() returns, then the old ones go, and buffers that only they used.
 */
#include "vmq/nic_priv.h"

#include "dataplane/dp.h"
#include "vmbus/pages.h"
#include "vmbus/rndis.h"
#include "vmq/bufs.h"
#include "vmq/control.h"
#include "vmq/journal.h"
#include "vmq/rss.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_ether.h>

#define MESSAGES_A_TURN 64

/* ---- Rules ---- */

static struct vmq_rules *new_rules(void)
{
	struct vmq_rules *rules = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*rules), 64));

	if (rules != NULL)
		memset(rules, 0, sizeof(*rules));
	return rules;
}

/* Takes 'next'. */
static void publish(struct vmq_nic *nic, struct vmq_rules *next)
{
	struct vmq_rules *old = nic->rules;

	nic->rules = next;
	atomic_store_explicit(&nic->path.rules, next, memory_order_release);
	if (old != NULL)
		dp_synchronize(nic->port->dp);
	free(old);
}

static void drop_recv(struct vmq_nic *nic)
{
	vmbus_pages_destroy(nic->at.recv);
	vmq_bufs_destroy(nic->at.bufs);
	nic->at.recv = NULL;
	nic->at.bufs = NULL;
}

static void drop_send(struct vmq_nic *nic)
{
	vmbus_pages_destroy(nic->at.send);
	nic->at.send = NULL;
}

int nic_rules_clear(struct vmq_nic *nic)
{
	struct vmq_rules *next = new_rules();

	if (next == NULL)
		return -ENOMEM;
	next->n_queues = 1;
	publish(nic, next);
	drop_recv(nic);
	drop_send(nic);
	return 0;
}

static int map_buffer(const struct vmq_nic *nic, uint32_t id, uint64_t size,
		      struct vmbus_pages **ret_pages)
{
	const struct vmbus_gpadl *gpadl = nic_gpadl_find(nic, id);

	if (gpadl == NULL || gpadl->byte_count < size)
		return -EFAULT;
	return vmbus_pages_create(&nic->at.memory, gpadl, ret_pages);
}

/* The receive buffer of 'state' and its sections, if it is not the one there. */
static int take_recv(struct vmq_nic *nic, const struct netvsp_state *state, bool resume)
{
	uint64_t size = (uint64_t)state->recv_section_size * state->n_recv_sections;
	int rc;

	if (size == 0 || nic->at.recv != NULL)
		return 0;
	rc = map_buffer(nic, state->recv_gpadl, size, &nic->at.recv);
	if (rc == 0)
		rc = vmq_bufs_create(state->n_recv_sections, nic->max_channels, nic->at.journal,
				     &nic->at.bufs);
	if (rc != 0) {
		drop_recv(nic);
		return rc;
	}
	nic->at.recv_gpadl = state->recv_gpadl;
	if (resume)
		(void)vmq_bufs_resume(nic->at.bufs);
	else
		vmq_journal_sections_reset(nic->at.journal);
	return 0;
}

static int take_send(struct vmq_nic *nic, const struct netvsp_state *state)
{
	uint64_t size = (uint64_t)state->send_section_size * state->n_send_sections;
	int rc;

	if (size == 0 || nic->at.send != NULL)
		return 0;
	rc = map_buffer(nic, state->send_gpadl, size, &nic->at.send);
	if (rc == 0)
		nic->at.send_gpadl = state->send_gpadl;
	return rc;
}

/* Channels 0 to n - 1 are open: frames go by no other. */
static uint16_t open_in_row(const struct vmq_nic *nic)
{
	uint16_t n = 0;

	while (n < NETVSP_MAX_CHANNELS && nic->at.channels[n].queue != NULL)
		n++;
	return n > 0 ? n : 1;
}

static void fill_rss(struct vmq_rules *rules, const struct netvsp_state *state)
{
	rules->rss = state->rss && state->table_size != 0;
	rules->hash_types = state->hash_types;
	rules->table_size = state->table_size;
	for (unsigned i = 0; i < NETVSP_TABLE_SIZE; i++)
		rules->table[i] = state->table[i] < rules->n_queues ? state->table[i] : (uint8_t)0;
	vmq_rss_prepare(rules, state->key);
}

static void fill_rules(const struct vmq_nic *nic, const struct netvsp_state *state,
		       struct vmq_rules *rules)
{
	if (nic->at.recv != NULL && state->n_recv_sections != 0) {
		rules->recv = nic->at.recv;
		rules->bufs = nic->at.bufs;
		rules->recv_section = state->recv_section_size;
		rules->n_recv = state->n_recv_sections;
		rules->recv_id = state->recv_id;
	}
	if (nic->at.send != NULL && state->n_send_sections != 0) {
		rules->send = nic->at.send;
		rules->send_section = state->send_section_size;
		rules->n_send = state->n_send_sections;
	}
	rules->n_queues = open_in_row(nic);
	rules->filter = state->rndis_up && nic->conf.link_up ? state->filter : 0;
	if (nic->by_vf && rules->filter != 0)
		rules->filter = NETVSP_FILTER_DIRECTED;
	rules->max_frame = atomic_load(&nic->port->max_frame);
	rte_ether_addr_copy((const struct rte_ether_addr *)state->mac, &rules->mac);
	rules->checksum_partial = state->csum_rx4 && state->csum_rx6;
	rules->lro = state->lro4 || state->lro6;
	fill_rss(rules, state);
}

int nic_rules_make(struct vmq_nic *nic, const struct netvsp_state *state, bool resume)
{
	struct vmq_rules *next;
	int rc = take_recv(nic, state, resume);

	if (rc == 0)
		rc = take_send(nic, state);
	next = rc == 0 ? new_rules() : NULL;
	if (next == NULL)
		return rc != 0 ? rc : -ENOMEM;
	fill_rules(nic, state, next);
	/* A guest that says the same over and over makes nobody wait for workers. */
	if (nic->rules != NULL && memcmp(next, nic->rules, sizeof(*next)) == 0) {
		free(next);
		return 0;
	}
	publish(nic, next);
	/* Nobody uses what was revoked any more. */
	if (next->recv == NULL && nic->at.recv != NULL)
		drop_recv(nic);
	if (next->send == NULL && nic->at.send != NULL)
		drop_send(nic);
	return 0;
}

/* What may reach the guest unfinished.  Super-frames only to one that asks for large receive. */
static uint32_t caps_of(const struct vmq_rules *rules, const struct netvsp_state *state)
{
	uint32_t caps = DP_TX_CHAIN;

	if (rules == NULL || !rules->checksum_partial)
		return caps;
	caps |= DP_TX_CSUM_TCP | DP_TX_CSUM_UDP;
	if (state->lro4)
		caps |= DP_TX_TSO4;
	if (state->lro6)
		caps |= DP_TX_TSO6;
	return caps;
}

static void link_settle(struct vmq_nic *nic, const struct netvsp_state *state)
{
	bool up = nic->at.channels[0].queue != NULL && state->rndis_up && nic->conf.link_up;

	/* Before the link is up, so that no frame comes that cannot be sent. */
	nic->port->tx_caps = caps_of(nic->rules, state);
	atomic_store(&nic->port->link_up, up);
}

void nic_link_settle(struct vmq_nic *nic)
{
	link_settle(nic, netvsp_state(nic->vsp));
}

/* ---- netvsp_ops ---- */

static void vsp_complete(void *ctx, uint64_t transaction_id, const void *payload, size_t size)
{
	struct vmq_nic *nic = ctx;

	if (nic->mail != NULL)
		(void)vmq_mail_complete(nic->mail, transaction_id, payload, size);
}

/* Answers come one message at a time, and the box holds them all.  Indications come as often as the
 * administrator likes: they leave half of it alone, and what the guest has missed it is told when
 * the box is empty. */
static void vsp_send_rndis(void *ctx, const void *msg, size_t size)
{
	struct vmq_nic *nic = ctx;
	struct rndis_msg m;

	if (nic->mail == NULL)
		return;
	if (rndis_read(msg, size, &m) == 0 && m.type == RNDIS_INDICATE_STATUS &&
	    vmq_mail_waiting(nic->mail) >= VMQ_MAIL_SLOTS / 2)
		nic->at.link_owed = true;
	else
		(void)vmq_mail_rndis(nic->mail, msg, size);
}

void nic_debts_settle(struct vmq_nic *nic)
{
	if (!nic->at.link_owed || nic->mail == NULL || vmq_mail_waiting(nic->mail) != 0)
		return;
	nic->at.link_owed = false;
	netvsp_tell_link(nic->vsp);
	vmq_mail_kick(nic->at.channels[0].queue);
}

static void vsp_send_nvsp(void *ctx, const void *msg, size_t size)
{
	struct vmq_nic *nic = ctx;

	if (nic->mail != NULL)
		(void)vmq_mail_nvsp(nic->mail, msg, size);
}

static uint64_t vsp_gpadl_size(void *ctx, uint32_t id)
{
	const struct vmbus_gpadl *gpadl = nic_gpadl_find(ctx, id);

	return gpadl != NULL ? gpadl->byte_count : 0;
}

static int vsp_changed(void *ctx, const struct netvsp_state *state)
{
	struct vmq_nic *nic = ctx;
	int rc = nic->at.fd >= 0 ? nic_rules_make(nic, state, false) : 0;

	if (rc != 0)
		return rc;
	link_settle(nic, state);
	nic_data_path_settle(nic, state->vf_active);
	return 0;
}

static void vsp_offer_subchannels(void *ctx, unsigned n)
{
	struct vmq_nic *nic = ctx;

	nic->at.subchannels_wanted = n;
}

static int vsp_set_mac(void *ctx, const uint8_t mac[6])
{
	struct vmq_nic *nic = ctx;
	struct rte_ether_addr addr;

	memcpy(addr.addr_bytes, mac, sizeof(addr.addr_bytes));
	if (!nic->conf.mac_change)
		return -EPERM;
	if (!rte_is_valid_assigned_ether_addr(&addr))
		return -EINVAL;
	return 0;
}

static void vsp_stats(void *ctx, struct netvsp_stats *ret_stats)
{
	const struct vmq_nic *nic = ctx;
	struct nic_totals totals = nic->gone;

	for (unsigned i = 0; i < NETVSP_MAX_CHANNELS; i++)
		if (nic->at.channels[i].queue != NULL)
			nic_totals_add(&totals, &nic->at.channels[i].queue->stats);
	*ret_stats = (struct netvsp_stats){.tx_packets = totals.from_packets,
					   .tx_errors = totals.malformed,
					   .rx_packets = totals.to_packets,
					   .rx_no_buffer = totals.no_section + totals.ring_full};
}

const struct netvsp_ops nic_vsp_ops = {
	.complete = vsp_complete,
	.send_rndis = vsp_send_rndis,
	.send_nvsp = vsp_send_nvsp,
	.gpadl_size = vsp_gpadl_size,
	.changed = vsp_changed,
	.offer_subchannels = vsp_offer_subchannels,
	.set_mac = vsp_set_mac,
	.stats = vsp_stats,
};

/* ---- Control messages ---- */

static void deal_with(struct vmq_nic *nic, const struct vmq_control_item *item)
{
	if (item->kind == VMQ_CONTROL_NVSP)
		netvsp_message(nic->vsp, item->transaction_id, item->completion_requested,
			       item->bytes, item->size);
	else
		netvsp_rndis(nic->vsp, item->bytes, item->size);
	/* Before the guest can know that it was answered. */
	vmq_journal_state_write(nic->at.journal, netvsp_state(nic->vsp));
}

void nic_on_control(void *arg)
{
	struct vmq_nic *nic = arg;
	const struct vmq_control_item *item;
	eventfd_t rung;

	(void)eventfd_read(nic->control_fd, &rung);
	for (unsigned i = 0; nic->control != NULL; i++) {
		if (vmq_control_next(nic->control) == NULL)
			break;
		if (i == MESSAGES_A_TURN) {
			(void)eventfd_write(nic->control_fd, 1);
			break;
		}
		/* A guest that was told that its GPADL is made may speak of it by the ring before
		 * we have heard of it by the socket; it was sent before, so it is there. */
		nic_attach_read(nic);
		item = nic->control != NULL ? vmq_control_next(nic->control) : NULL;
		if (item == NULL)
			break;
		deal_with(nic, item);
		vmq_control_done(nic->control, nic->at.channels[0].queue);
	}
	nic_subchannels_settle(nic);
}

/* An offer that is faster than the answer that announces it would find a guest that knows nothing
 * of it.  The answer takes a worker's wake-up; what takes longer is seen to by the tick. */
void nic_subchannels_settle(struct vmq_nic *nic)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_OFFER_SUBCHANNELS};

	if (nic->at.subchannels_wanted == 0 || nic->mail == NULL)
		return;
	for (unsigned i = 0; i < 50 && vmq_mail_waiting(nic->mail) != 0; i++)
		usleep(20);
	if (vmq_mail_waiting(nic->mail) != 0)
		return;
	msg.subchannels.n = nic->at.subchannels_wanted;
	nic->at.subchannels_wanted = 0;
	nic_say(nic, &msg);
}
