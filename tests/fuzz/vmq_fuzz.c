/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest that writes anything into its rings, buffers and packets, and a journal that anybody may
 * have written to.
 *
 * 	byte 0    bits: scattered pages, RSS, checksums may stay open, no send buffer
 * 	then      records: kind (1 byte), size (1), bytes
 *
 * 	kind % 8  0  raw: offset (3, little-endian) into guest memory, bytes
 * 	          1  packet: type (1), flags (1), transaction id (2), section (1), used (2), channel
 * 	             type (1); the rest goes to the section's start
 * 	          2  the same with pages: the rest is what stands before the payload
 * 	          3  packet: type (1), flags (1), transaction id (2), payload
 * 	          4  frames to the guest: the bytes
 * 	          5  the guest has read all that came
 * 	          6  the control thread answers: the bytes, as mail
 * 	          7  raw: offset (3) into the journal, bytes; the switch starts anew
 *
 * After each record both directions run.  Whatever it does, frames are well formed, no mbuf is
 * lost, no section is free twice, and nothing outside of the guest's memory is touched (ASan).
 */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <rte_mbuf.h>

#include "tests/support/mbufs.h"
#include "tests/support/nicguest.h"
#include "vmbus/nvsp.h"
#include "vmbus/pages.h"
#include "vmq/rss.h"

#define BURST 16

static struct rte_mempool *pool;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void receive(struct nicguest *g)
{
	struct rte_mbuf *pkts[BURST];
	uint16_t bad = 0, n;

	if (g->channels[0].queue == NULL)
		return;
	n = vmq_queue_from_guest(g->channels[0].queue, pool, pkts, BURST, &bad);
	check(n <= BURST);
	for (uint16_t i = 0; i < n; i++) {
		const char *reason;

		check(rte_mbuf_check(pkts[i], 1, &reason) == 0);
		check(pkts[i]->pkt_len >= 14 && pkts[i]->pkt_len <= 65535 + 22 + 4);
		if ((pkts[i]->ol_flags & RTE_MBUF_F_TX_L4_MASK) != 0)
			check((uint32_t)pkts[i]->l2_len + pkts[i]->l3_len < pkts[i]->data_len);
		if ((pkts[i]->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0)
			check(pkts[i]->tso_segsz > 0 && pkts[i]->l4_len >= 20);
		rte_pktmbuf_free(pkts[i]);
	}
	vmq_queue_sleep(g->channels[0].queue);
}

static void send(struct nicguest *g, const uint8_t *bytes, uint32_t size)
{
	struct rte_mbuf *pkts[3];
	uint8_t refused;
	uint16_t n;

	for (unsigned i = 0; i < 3; i++) {
		pkts[i] = rte_pktmbuf_alloc(pool);
		check(pkts[i] != NULL);
		memset(rte_pktmbuf_append(pkts[i], 60), (int)i, 60);
		memcpy(rte_pktmbuf_mtod(pkts[i], void *), bytes, RTE_MIN(size, 60u));
	}
	pkts[1]->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	n = vmq_path_to_guest(&g->path, pkts, 3, &refused);
	check(n <= 3);
	rte_pktmbuf_free_bulk(pkts + n, 3u - n);
}

/* No section is free twice, or free and lent. */
static void check_sections(const struct nicguest *g)
{
	const struct vmq_queue *q = g->channels[0].queue;
	const struct vmq_bufs *b = g->bufs;
	bool seen[64] = {false};

	for (uint32_t i = 0; i < b->n_free; i++) {
		check(b->free[i] < b->n && !seen[b->free[i]]);
		seen[b->free[i]] = true;
	}
	for (uint32_t i = 0; q != NULL && i < q->cached_n; i++) {
		check(q->cached[i] < b->n && !seen[q->cached[i]]);
		seen[q->cached[i]] = true;
	}
	for (uint32_t i = 0; i < b->n; i++)
		check(!b->sections[i].head || !seen[i]);
}

struct record {
	const uint8_t *bytes;
	uint32_t size;
};

static uint32_t take(struct record *r, unsigned n)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < n && r->size > 0; i++, r->size--)
		v |= (uint32_t)*r->bytes++ << 8 * i;
	return v;
}

static void put(struct nicguest *g, struct record *r, bool with_header)
{
	struct nicguest_channel *c = &g->channels[0];
	uint8_t type = (uint8_t)take(r, 1), flags = (uint8_t)take(r, 1), header[256] = {0};
	uint64_t id = take(r, 2);
	struct nvsp_rndis rndis = {.type = NVSP_RNDIS};
	size_t n = with_header ? RTE_ALIGN_FLOOR(r->size, 8u) : 0;

	rndis.section = take(r, 1);
	rndis.section_size = take(r, 2);
	rndis.channel_type = take(r, 1);
	n = RTE_MIN(n, (size_t)RTE_ALIGN_FLOOR(r->size, 8u));
	if (rndis.section == 255)
		rndis.section = NVSP_NO_SECTION;
	if (with_header)
		memcpy(header, r->bytes, n);
	else if (rndis.section < g->opts.n_send)
		vmbus_pages_write(g->send, (uint64_t)rndis.section * g->opts.send_section, r->bytes,
				  r->size);
	vmbus_out_begin(&c->out);
	vmbus_out_put(&c->out, (enum vmbus_packet_type)type, flags, id, header, n, &rndis,
		      sizeof(rndis));
	vmbus_out_end(&c->out);
}

static void put_any(struct nicguest *g, struct record *r)
{
	struct nicguest_channel *c = &g->channels[0];
	uint8_t type = (uint8_t)take(r, 1), flags = (uint8_t)take(r, 1);
	uint64_t id = take(r, 2);

	vmbus_out_begin(&c->out);
	vmbus_out_put(&c->out, (enum vmbus_packet_type)type, flags, id, NULL, 0, r->bytes, r->size);
	vmbus_out_end(&c->out);
}

static void answer(struct nicguest *g, const struct record *r)
{
	if (g->channels[0].queue == NULL)
		return;
	vmq_mail_rndis(g->mail, r->bytes, r->size);
	vmq_mail_complete(g->mail, 1, r->bytes, r->size);
	vmq_control_done(g->control, g->channels[0].queue);
}

static void spoil_journal(struct nicguest *g, struct record *r)
{
	uint32_t at = take(r, 3), most;
	struct stat st;

	check(fstat(vmq_journal_fd(g->journal), &st) == 0);
	most = (uint32_t)st.st_size - 256;
	/* What tells its version stays, or nothing would be read. */
	memcpy((uint8_t *)g->journal->area + 16 + at % (most - 16), r->bytes, r->size);
	nicguest_resume(g);
}

static void act(struct nicguest *g, uint8_t kind, struct record *r)
{
	struct nicguest_channel *c = &g->channels[0];
	uint32_t at;

	switch (kind % 8) {
	case 0:
		at = take(r, 3) % (uint32_t)(g->size - 256);
		memcpy(g->memory + at, r->bytes, r->size);
		break;
	case 1:
	case 2:
		put(g, r, kind % 8 == 2);
		break;
	case 3:
		put_any(g, r);
		break;
	case 4:
		send(g, r->bytes, r->size);
		break;
	case 5:
		atomic_store(&c->to.hdr->read, atomic_load(&c->to.hdr->write));
		break;
	case 6:
		answer(g, r);
		break;
	default:
		spoil_journal(g, r);
	}
}

static struct nicguest *make(uint8_t bits)
{
	struct nicguest_opts opts = {
		.ring_pages = 3, .n_recv = 48, .n_send = 8, .n_events = 1, .scattered = bits & 1};
	struct nicguest *g = nicguest_create(&opts);
	static const uint8_t key[NETVSP_KEY_SIZE] = {0x6d, 0x5a, 0x56};

	g->rules.rss = (bits & 2) != 0;
	g->rules.n_queues = 1 + ((bits & 2) != 0);
	g->rules.table_size = 16;
	g->rules.hash_types =
		NETVSP_HASH_IP4 | NETVSP_HASH_TCP4 | NETVSP_HASH_IP6 | NETVSP_HASH_TCP6;
	vmq_rss_prepare(&g->rules, key);
	g->rules.checksum_partial = (bits & 4) != 0;
	if ((bits & 8) != 0)
		g->rules.send = NULL;
	return g;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nicguest *g;
	size_t at = 1;

	if (pool == NULL)
		pool = mbufs_pool("vmq", 511, 2048);
	if (size < 1)
		return 0;
	g = make(data[0]);
	while (size - at >= 2) {
		uint8_t kind = data[at];
		struct record r = {data + at + 2, (uint32_t)RTE_MIN(data[at + 1], size - at - 2)};

		at += 2 + r.size;
		act(g, kind, &r);
		receive(g);
		send(g, data, (uint32_t)RTE_MIN(size, 60u));
		check_sections(g);
	}
	nicguest_destroy(g);
	check(rte_mempool_in_use_count(pool) == 0);
	return 0;
}
