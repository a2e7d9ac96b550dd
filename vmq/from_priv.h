/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the passes of from_guest.c hand to each other.  vmq/ only.
 */
#ifndef VMQ_FROM_PRIV_H
#define VMQ_FROM_PRIV_H

#include "vmbus/nvsp.h"
#include "vmbus/packet.h"
#include "vmq/queue.h"

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

#define VMQ_BATCH      64u /* packets that are looked at together */
#define VMQ_MAX_PIECES 128u
#define VMQ_COMPLETION_SIZE                                                                        \
	((uint32_t)sizeof(struct vmbus_desc) + (uint32_t)sizeof(struct nvsp_rndis_complete) +      \
	 VMBUS_TRAILER_SIZE)

enum vmq_taken_kind {
	VMQ_TAKEN_FRAMES,     /* a data packet */
	VMQ_TAKEN_COMPLETION, /* of a packet of ours */
	VMQ_TAKEN_REFUSED,    /* nothing that could be used */
};

/* A packet of the batch. */
struct vmq_taken {
	struct vmbus_packet packet;
	struct nvsp_rndis rndis;
	const uint8_t *va; /* all bytes, when they are in one piece and known; else NULL */
	uint32_t size;
	uint16_t kind;	 /* enum vmq_taken_kind */
	uint16_t status; /* enum nvsp_status */
};

struct vmq_batch {
	unsigned n, n_frames, n_answers;
	unsigned max_frames, max_answers;
	struct vmq_taken v[VMQ_BATCH];
};

/* The bytes of a packet. */
struct vmq_bytes {
	unsigned n;
	uint32_t size;
	struct vmbus_piece piece[VMQ_MAX_PIECES];
};

/* Where frames are made. */
struct vmq_maker {
	struct rte_mempool *pool;
	struct rte_mbuf **pkts;
	uint16_t max, got;
	uint32_t room; /* of an mbuf */
	unsigned n_fresh;
	struct rte_mbuf *fresh[VMQ_BATCH];
	uint64_t size;
	uint32_t malformed;
};

/* unpack.c: makes the frames of a batch.  Cuts it where mbufs or places run out. */
void vmq_unpack(struct vmq_queue *q, const struct vmq_rules *rules, struct vmq_batch *b,
		struct vmq_maker *k);
/* bytes.c: finds all bytes of a packet; false: it names memory that there is not. */
bool vmq_bytes_find(struct vmq_bytes *b, const struct vmq_queue *q, const struct vmq_rules *rules,
		    const struct vmq_taken *t);
/* Copies [at, at + size), which the bytes hold. */
void vmq_bytes_copy(const struct vmq_bytes *b, uint32_t at, void *to, uint32_t size);
/* from_control.c: a control message was next on the ring.  True: it is off the ring. */
bool vmq_control_turn(struct vmq_queue *q, const struct vmq_rules *rules);

/* The NVSP message of a packet that may be shorter than one. */
static inline void vmq_nvsp_copy(const struct vmbus_in *in, const struct vmbus_packet *p,
				 struct nvsp_rndis *ret)
{
	if (__builtin_expect(p->payload_size >= sizeof(*ret), 1)) {
		vmbus_in_copy(in, p, p->header_size, ret, sizeof(*ret));
		return;
	}
	*ret = (struct nvsp_rndis){0};
	vmbus_in_copy(in, p, p->header_size, ret, p->payload_size);
}

static inline bool vmq_is_data(const struct nvsp_rndis *r, uint32_t size)
{
	return r->type == NVSP_RNDIS && r->channel_type == 0 && size >= sizeof(*r);
}

static inline int vmq_put_completion(struct vmq_queue *q, uint64_t transaction_id, uint32_t status)
{
	return vmbus_out_put_word(&q->out, VMBUS_PKT_COMPLETION, 0, transaction_id,
				  NVSP_RNDIS_COMPLETE | (uint64_t)status << 32);
}

#endif
