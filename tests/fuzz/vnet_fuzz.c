/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes what a Linux stack hands over: a virtio_net_hdr, where the first segment ends, a VLAN tag,
 * and the frame.  Whatever is accepted must be a request that can be met in software and said to a
 * kernel again.
 *
 * The frame's segments are memory of exactly their size, so that a sanitizer sees the first byte
 * beyond.
 */
#include "dataplane/vnet.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/csum.h"
#include "dataplane/fdio.h"
#include "dataplane/gso.h"
#include "tests/fuzz/fuzz.h"

#define MAX_FRAME 70000u
#define TAG_ROOM  4u
#define HAS_TAG	  0x8000u /* in 'cut' */
#define SEG_FLAGS (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)

struct input {
	struct virtio_net_hdr hdr;
	uint16_t cut; /* bytes in the first segment, and HAS_TAG */
	uint16_t tci;
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static struct rte_mbuf *segment(const uint8_t *bytes, uint32_t size)
{
	struct rte_mbuf *m = aligned_alloc(64, sizeof(*m));

	memset(m, 0, sizeof(*m));
	m->buf_addr = malloc(size + TAG_ROOM);
	m->data_off = TAG_ROOM;
	memcpy((uint8_t *)m->buf_addr + TAG_ROOM, bytes, size);
	m->buf_len = (uint16_t)(size + TAG_ROOM);
	m->data_len = (uint16_t)size;
	m->pkt_len = size;
	m->nb_segs = 1;
	rte_mbuf_refcnt_set(m, 1);
	return m;
}

static struct rte_mbuf *chain(const uint8_t *frame, uint32_t size, uint32_t cut)
{
	uint32_t first = cut == 0 || cut > size ? size : cut;
	struct rte_mbuf *head, *last;

	first = RTE_MIN(first, 60000u);
	head = last = segment(frame, first);
	for (uint32_t off = first; off < size; off += last->data_len) {
		last->next = segment(frame + off, RTE_MIN(size - off, 60000u));
		last = last->next;
		head->nb_segs++;
	}
	head->pkt_len = size;
	return head;
}

static void chain_free(struct rte_mbuf *m)
{
	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		free(m->buf_addr);
		free(m);
		m = next;
	}
}

/* What was accepted can be said to the kernel and then means the same. */
static void check_return(struct rte_mbuf *m)
{
	uint64_t flags = m->ol_flags;
	struct virtio_net_hdr hdr;

	if ((flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_SCTP_CKSUM) {
		must(dp_vnet_from_mbuf(m, &hdr) != 0);
		return;
	}
	must(dp_vnet_from_mbuf(m, &hdr) == 0);
	must((hdr.flags != 0) == (flags != 0));
	must(flags == 0 || (uint32_t)hdr.csum_start + hdr.csum_offset + 2 <= m->data_len);
	must(dp_vnet_to_mbuf(&hdr, m) == 0);
	must(m->ol_flags == flags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in;
	struct rte_mbuf *m;

	if (size <= sizeof(in) || size - sizeof(in) > MAX_FRAME)
		return 0;
	memcpy(&in, data, sizeof(in));
	m = chain(data + sizeof(in), (uint32_t)(size - sizeof(in)), in.cut & (HAS_TAG - 1));
	if ((in.cut & HAS_TAG) != 0 && dp_fdio_push_tag(m, 0x8100, in.tci) == 0)
		must(m->pkt_len == size - sizeof(in) + TAG_ROOM);
	if (dp_vnet_to_mbuf(&in.hdr, m) == 0) {
		check_return(m);
		if ((m->ol_flags & SEG_FLAGS) != 0)
			must(dp_gso_count(m) > 1);
		else
			must(dp_csum_finish(m) == 0);
	}
	chain_free(m);
	return 0;
}
