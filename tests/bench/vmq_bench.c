/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The packet path of a synthetic NIC beside that of a virtio ring, without a switch between:
 * cycles of the time stamp counter for a packet.  The guest is in this thread, so nothing crosses
 * cores: what is measured is work.  Each burst is timed alone, and the median and the best of many
 * are told, so that other jobs of the machine do not show.
 *
 * 	vmq_bench [SIZE...]
 *
 * 	from guest           packets off the ring, frames into mbufs, completions onto the ring
 * 	  no completions     the same, of a guest that asks for none
 * 	  checksum asked for the same, of TCP, as Linux guests send it
 * 	to guest             frames into sections, one packet onto the ring
 * 	  sections back      the guest's completion of a burst
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "dataplane/vring.h"
#include "tests/support/mbufs.h"
#include "tests/support/nicguest.h"
#include "tests/support/vguest.h"
#include "vmbus/nvsp.h"
#include "vmbus/pages.h"

#define BUFFERS	 262144u /* of the virtio guest, behind its rings */
#define BURST	 32u
#define N_BURSTS 20000u
#define N_WARM	 1000u

static struct rte_mempool *pool;
static uint64_t took[N_BURSTS];

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void report(const char *what, uint32_t size)
{
	qsort(took, N_BURSTS, sizeof(took[0]), compare);
	printf("%-32s %5u B  median %6.1f  best %6.1f cycles a packet\n", what, size,
	       (double)took[N_BURSTS / 2] / BURST, (double)took[N_BURSTS / 100] / BURST);
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "vmq_bench: %s\n", what);
	exit(1);
}

/* ---- The synthetic NIC ---- */

/* An IPv4 TCP segment's headers. */
static const uint8_t tcp_headers[54] = {2,  0,	  0, 0, 0,  2, 2, 0, 0,	   0,  0, 1,  8,
					0,  0x45, 0, 0, 46, 0, 0, 0, 0,	   64, 6, 0,  0,
					10, 0,	  0, 1, 10, 0, 0, 2, 0x30, 0,  0, 80, [46] = 0x50};

static void guest_puts(struct nicguest *g, uint32_t size, uint16_t flags, bool checksum)
{
	struct nicguest_channel *c = &g->channels[0];

	vmbus_out_begin(&c->out);
	for (uint32_t i = 0; i < BURST; i++) {
		struct rndis_packet p = {
			.frame_size = size,
			.has_hash = true,
			.has_csum = checksum,
			.csum = RNDIS_CSUM_TX_IP4 | RNDIS_CSUM_TX_TCP | 34u << 16,
		};
		uint8_t *va;
		struct nvsp_rndis rndis = {NVSP_RNDIS, 0, i, 0};
		size_t here;

		va = vmbus_pages_at(g->send, (uint64_t)i * g->opts.send_section, 6144, &here);
		va += rndis_packet_write(va, &p);
		memcpy(va, tcp_headers, sizeof(tcp_headers));
		va[17] = (uint8_t)(size - 14);
		va[16] = (uint8_t)((size - 14) >> 8);
		rndis.section_size = p.msg_size;
		must(vmbus_out_put(&c->out, VMBUS_PKT_INBAND, flags, i, NULL, 0, &rndis,
				   sizeof(rndis)) == 0,
		     "the guest's ring is full");
	}
	vmbus_out_end(&c->out);
}

/* Reads all, and gives sections back. */
static void guest_takes(struct nicguest *g)
{
	struct nicguest_channel *c = &g->channels[0];
	struct nvsp_rndis_complete msg = {NVSP_RNDIS_COMPLETE, NVSP_STATUS_SUCCESS};
	struct vmbus_packet p;

	vmbus_in_begin(&c->in);
	vmbus_out_begin(&c->out);
	while (vmbus_in_next(&c->in, &p))
		if (p.desc.type == VMBUS_PKT_TRANSFER_PAGES)
			vmbus_out_put(&c->out, VMBUS_PKT_COMPLETION, 0, p.desc.transaction_id, NULL,
				      0, &msg, sizeof(msg));
	vmbus_in_end(&c->in);
	vmbus_out_end(&c->out);
}

static void nic_from_guest(struct nicguest *g, uint32_t size, uint16_t flags, bool checksum,
			   const char *what)
{
	for (unsigned k = 0; k < N_WARM + N_BURSTS; k++) {
		struct rte_mbuf *pkts[BURST];
		uint16_t bad = 0, n;
		uint64_t at;

		guest_puts(g, size, flags, checksum);
		rte_mb();
		at = rte_rdtsc();
		n = vmq_queue_from_guest(g->channels[0].queue, pool, pkts, BURST, &bad);
		took[k % N_BURSTS] = rte_rdtsc() - at;
		must(n == BURST && bad == 0, "frames are missing");
		rte_pktmbuf_free_bulk(pkts, n);
		guest_takes(g);
	}
	report(what, size);
}

static void fill(struct rte_mbuf **pkts, uint32_t size)
{
	must(rte_pktmbuf_alloc_bulk(pool, pkts, BURST) == 0, "no mbufs");
	for (unsigned i = 0; i < BURST; i++)
		memset(rte_pktmbuf_append(pkts[i], (uint16_t)size), 2, size);
}

static void nic_to_guest(struct nicguest *g, uint32_t size, bool back)
{
	for (unsigned k = 0; k < N_WARM + N_BURSTS; k++) {
		struct rte_mbuf *pkts[BURST];
		uint16_t bad = 0, n;
		uint8_t refused;
		uint64_t at, sent;

		fill(pkts, size);
		rte_mb();
		at = rte_rdtsc();
		n = vmq_path_to_guest(&g->path, pkts, BURST, &refused);
		sent = rte_rdtsc() - at;
		must(n == BURST, "frames were refused");
		guest_takes(g);
		rte_mb();
		at = rte_rdtsc();
		vmq_queue_from_guest(g->channels[0].queue, pool, pkts, BURST, &bad);
		took[k % N_BURSTS] = back ? rte_rdtsc() - at : sent;
	}
	report(back ? "nic    sections back" : "nic    to guest (and mbufs freed)", size);
}

static void nic(uint32_t size)
{
	struct nicguest *g =
		nicguest_create(&(struct nicguest_opts){.ring_pages = 129, .n_recv = 4096});

	atomic_store(&g->channels[0].to.hdr->mask, 1); /* it polls, as the other one does */
	nic_from_guest(g, size, VMBUS_PKT_COMPLETION_REQUESTED, false, "nic    from guest");
	nic_from_guest(g, size, VMBUS_PKT_COMPLETION_REQUESTED, true,
		       "nic      checksum asked for");
	nic_from_guest(g, size, 0, false, "nic      no completions");
	nic_to_guest(g, size, false);
	nic_to_guest(g, size, true);
	nicguest_destroy(g);
}

/* ---- The virtio ring ---- */

/* One descriptor a frame, the same ones again and again. */
static void ring_prepare(struct vguest *g, uint32_t size, bool to_guest)
{
	for (unsigned i = 0; i < 256; i++) {
		g->ring.desc[i] = (struct vring_desc){
			.addr = VGUEST_GPA + BUFFERS + i * 2048,
			.len = to_guest ? 2048 : size + 12,
			.flags = to_guest ? VRING_DESC_F_WRITE : 0,
		};
		g->ring.avail->ring[i] = (uint16_t)i;
		memset(g->memory + BUFFERS + i * 2048, 0, 76);
	}
	g->ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
}

static void ring_from_guest(uint32_t size)
{
	struct vguest *g = aligned_alloc(64, (sizeof(*g) + 63) & ~63ul);

	vguest_init(g, false, 256);
	ring_prepare(g, size, false);
	for (unsigned k = 0; k < N_WARM + N_BURSTS; k++) {
		struct rte_mbuf *pkts[BURST];
		uint16_t bad = 0, n;
		uint64_t at;

		for (unsigned i = 0; i < BURST; i++) /* As the other guest does. */
			memset(g->memory + BUFFERS + (k * BURST + i) % 256 * 2048 + 12, 2, 64);
		g->ring.avail->idx = (uint16_t)(g->ring.avail->idx + BURST);
		rte_mb();
		at = rte_rdtsc();
		n = dp_vring_dequeue(&g->ring, pool, pkts, BURST, &bad);
		took[k % N_BURSTS] = rte_rdtsc() - at;
		must(n == BURST && bad == 0, "virtio frames are missing");
		rte_pktmbuf_free_bulk(pkts, n);
	}
	report("virtio from guest", size);
	vguest_fini(g);
	free(g);
}

static void ring_to_guest(uint32_t size)
{
	struct vguest *g = aligned_alloc(64, (sizeof(*g) + 63) & ~63ul);

	vguest_init(g, false, 256);
	ring_prepare(g, size, true);
	for (unsigned k = 0; k < N_WARM + N_BURSTS; k++) {
		struct rte_mbuf *pkts[BURST];
		uint16_t bad = 0, n;
		uint64_t at;

		g->ring.avail->idx = (uint16_t)(g->ring.avail->idx + BURST);
		fill(pkts, size);
		rte_mb();
		at = rte_rdtsc();
		n = dp_vring_enqueue(&g->ring, pkts, BURST, &bad);
		rte_pktmbuf_free_bulk(pkts, n);
		took[k % N_BURSTS] = rte_rdtsc() - at;
		must(n == BURST, "virtio frames were refused");
	}
	report("virtio to guest (and mbufs freed)", size);
	vguest_fini(g);
	free(g);
}

int main(int argc, char **argv)
{
	pool = mbufs_pool("vmq", 1023, 2048);
	for (int i = 1; i < (argc > 1 ? argc : 3); i++) {
		uint32_t size = argc > 1 ? (uint32_t)atoi(argv[i]) : i == 1 ? 60 : 1514;

		must(size >= 60 && size <= 1600, "sizes are 60 to 1600");
		nic(size);
		ring_from_guest(size);
		ring_to_guest(size);
	}
	return 0;
}
