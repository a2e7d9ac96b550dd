/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames between descriptors and mbuf chains; see fdio.h.
 */
#include "dataplane/fdio.h"

#include <errno.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/drop.h"
#include "dataplane/vnet.h"

#define MAC_PAIR_SIZE 12u
#define TAG_SIZE      4u

int dp_fdio_slot_init(struct dp_fdio_slot *slot, struct rte_mempool *pool)
{
	uint32_t room = rte_pktmbuf_data_room_size(pool), n_segs;

	if (room <= RTE_PKTMBUF_HEADROOM)
		return -EINVAL;
	room -= RTE_PKTMBUF_HEADROOM;
	/* One byte more than the longest frame tells a frame that fits from one that was cut
	 * off. */
	n_segs = (DP_FDIO_MAX_FRAME + 1 + room - 1) / room;
	if (n_segs > DP_FDIO_MAX_SEGS)
		return -EINVAL;
	memset(slot, 0, sizeof(*slot));
	slot->n_segs = (uint16_t)n_segs;
	slot->n_empty = (uint16_t)n_segs;
	slot->room = (uint16_t)room;
	slot->iov[0] = (struct iovec){&slot->hdr, sizeof(slot->hdr)};
	for (unsigned i = 0; i < n_segs; i++)
		slot->iov[1 + i].iov_len = room;
	return 0;
}

void dp_fdio_slot_fini(struct dp_fdio_slot *slot)
{
	for (unsigned i = slot->n_empty; i < slot->n_segs; i++)
		rte_pktmbuf_free(slot->seg[i]);
	slot->n_empty = slot->n_segs;
}

bool dp_fdio_slot_fill(struct dp_fdio_slot *slot, struct rte_mempool *pool)
{
	if (slot->n_empty == 0)
		return true;
	if (rte_pktmbuf_alloc_bulk(pool, slot->seg, slot->n_empty) != 0)
		return false;
	for (unsigned i = 0; i < slot->n_empty; i++)
		slot->iov[1 + i].iov_base = rte_pktmbuf_mtod(slot->seg[i], void *);
	slot->n_empty = 0;
	return true;
}

struct rte_mbuf *dp_fdio_slot_take(struct dp_fdio_slot *slot, uint32_t size, uint16_t port)
{
	struct rte_mbuf *head = slot->seg[0];
	uint32_t left = size;
	uint16_t n = 0;

	head->pkt_len = size;
	head->port = port;
	for (;;) {
		struct rte_mbuf *seg = slot->seg[n++];

		seg->data_len = (uint16_t)RTE_MIN(left, slot->room);
		left -= seg->data_len;
		if (left == 0 || n == slot->n_segs)
			break;
		seg->next = slot->seg[n];
	}
	head->nb_segs = n;
	slot->n_empty = n;
	return head;
}

int dp_fdio_push_tag(struct rte_mbuf *m, uint16_t tpid, uint16_t tci)
{
	uint8_t *old = rte_pktmbuf_mtod(m, uint8_t *), *frame;
	uint16_t tag[2] = {rte_cpu_to_be_16(tpid), rte_cpu_to_be_16(tci)};

	if (m->data_len < MAC_PAIR_SIZE)
		return -EBADMSG;
	frame = (uint8_t *)rte_pktmbuf_prepend(m, TAG_SIZE);
	if (frame == NULL)
		return -EBADMSG;
	memmove(frame, old, MAC_PAIR_SIZE);
	memcpy(frame + MAC_PAIR_SIZE, tag, sizeof(tag));
	return 0;
}

unsigned dp_fdio_batch_fill(struct dp_fdio_batch *batch, struct rte_mbuf *const *pkts, unsigned n)
{
	unsigned used = 0, i;

	for (i = 0; i < n && i < DP_BURST; i++) {
		const struct rte_mbuf *m = pkts[i];
		struct iovec *iov = &batch->iov[used];
		unsigned n_iov = 0;

		if (used + 1 + m->nb_segs > DP_FDIO_BATCH_IOV ||
		    dp_vnet_from_mbuf(m, &batch->hdr[i]) != 0)
			break;
		iov[n_iov++] = (struct iovec){&batch->hdr[i], sizeof(batch->hdr[i])};
		for (; m != NULL; m = m->next)
			iov[n_iov++] = (struct iovec){rte_pktmbuf_mtod(m, void *),
						      rte_pktmbuf_data_len(m)};
		batch->msg[i].msg_hdr = (struct msghdr){.msg_iov = iov, .msg_iovlen = n_iov};
		used += n_iov;
	}
	return i;
}

enum dp_fdio_fate dp_fdio_fate(int error, uint8_t *ret_reason)
{
	switch (error) {
	case EINTR:
		return DP_FDIO_RETRY;
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		*ret_reason = DP_DROP_TX_FULL;
		return DP_FDIO_STOP;
	case EMSGSIZE:
		*ret_reason = DP_DROP_TX_TOO_BIG;
		return DP_FDIO_SKIP;
	case EINVAL:
	case EPROTO:
	case EOPNOTSUPP:
		*ret_reason = DP_DROP_TX_OFFLOAD;
		return DP_FDIO_SKIP;
	default: /* EIO, EBADFD, ENETDOWN, ENXIO, ENODEV: down or gone */
		*ret_reason = DP_DROP_TX_DOWN;
		return DP_FDIO_STOP;
	}
}

/* Where a burst stands.  Frames behind 'next' were sent or refused; the refused ones wait at the
 * front of the array, in the places of frames that were sent. */
struct burst {
	struct rte_mbuf **pkts;
	uint16_t next, n_refused;
};

static void sent(struct burst *b, int n)
{
	rte_pktmbuf_free_bulk(b->pkts + b->next, (unsigned)n);
	b->next += (uint16_t)n;
}

static void refuse(struct burst *b)
{
	b->pkts[b->n_refused++] = b->pkts[b->next++];
}

uint16_t dp_fdio_tx(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n, dp_fdio_send_fn send,
		    void *ctx)
{
	struct dp_fdio_batch batch;
	struct burst b = {.pkts = pkts};
	uint16_t n_sent;

	while (b.next < n) {
		unsigned ready = dp_fdio_batch_fill(&batch, pkts + b.next, n - b.next);
		int rc = ready != 0 ? send(ctx, &batch, ready) : -EINVAL;

		if (rc > 0) {
			sent(&b, rc);
		} else {
			enum dp_fdio_fate fate = dp_fdio_fate(-rc, &q->refused);

			if (fate == DP_FDIO_STOP)
				break;
			if (fate == DP_FDIO_SKIP)
				refuse(&b);
		}
	}
	n_sent = (uint16_t)(b.next - b.n_refused);
	/* The caller's frames are one run behind those taken: [refused][not tried]. */
	memmove(pkts + n_sent, pkts, b.n_refused * sizeof(pkts[0]));
	return n_sent;
}
