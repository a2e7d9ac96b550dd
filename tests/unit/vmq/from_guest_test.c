/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames from a guest: every form a packet can have, what it asks for, and guests that lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "tests/support/mbufs.h"
#include "tests/support/nicguest.h"
#include "vmbus/nvsp.h"
#include "vmbus/pages.h"

#define BURST 32

static struct rte_mempool *pool;

struct fixture {
	struct nicguest *g;
	struct rte_mbuf *pkts[BURST];
	uint16_t n, malformed;
};

static void setup(struct fixture *f, const struct nicguest_opts *opts)
{
	memset(f, 0, sizeof(*f));
	f->g = nicguest_create(opts);
}

static void free_frames(struct fixture *f)
{
	rte_pktmbuf_free_bulk(f->pkts, f->n);
	f->n = 0;
}

static void teardown(struct fixture *f)
{
	free_frames(f);
	nicguest_destroy(f->g);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static struct vmq_queue *queue(const struct fixture *f, uint16_t i)
{
	return f->g->channels[i].queue;
}

static uint16_t receive(struct fixture *f, uint16_t i)
{
	free_frames(f);
	nicguest_show(f->g, i);
	f->n = vmq_queue_from_guest(queue(f, i), pool, f->pkts, BURST, &f->malformed);
	return f->n;
}

static void fill(uint8_t *frame, uint32_t size, uint8_t seed)
{
	for (uint32_t i = 0; i < size; i++)
		frame[i] = (uint8_t)(i * 7 + seed);
	frame[12] = 0x88;
	frame[13] = 0xb5; /* nothing that anyone looks into */
}

static void check_frame(const struct rte_mbuf *m, const uint8_t *frame, uint32_t size)
{
	static uint8_t bytes[70000];
	const char *why;

	assert_int_equal(rte_mbuf_check(m, 1, &why), 0);
	assert_int_equal(mbufs_read(m, bytes, sizeof(bytes)), size);
	assert_memory_equal(bytes, frame, size);
}

/* The guest finds exactly one completion of 'transaction_id' with that status. */
static void check_completion(struct fixture *f, uint64_t transaction_id, uint32_t status)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->g->n_events; i++) {
		const struct nicguest_event *e = &f->g->events[i];

		if (e->kind != NICGUEST_COMPLETION || e->transaction_id != transaction_id)
			continue;
		assert_int_equal(e->status, status);
		n++;
	}
	assert_int_equal(n, 1);
}

static uint64_t stat(_Atomic uint64_t *s)
{
	return atomic_load(s);
}

/* ---- Forms ---- */

static void a_frame_in_a_section_comes_and_is_completed_once(void **state)
{
	uint8_t frame[60];
	struct fixture f;

	setup(&f, NULL);
	fill(frame, sizeof(frame), 1);
	assert_true(nicguest_send(f.g, 0, 77, frame, sizeof(frame)));
	assert_int_equal(receive(&f, 0), 1);
	check_frame(f.pkts[0], frame, sizeof(frame));
	assert_int_equal(f.pkts[0]->ol_flags, 0);
	assert_int_equal(nicguest_poll(f.g, 0), 1);
	check_completion(&f, 77, NVSP_STATUS_SUCCESS);
	assert_int_equal(receive(&f, 0), 0);
	assert_int_equal(nicguest_poll(f.g, 0), 0);
	teardown(&f);
}

static void frames_of_all_sizes_come_whole(void **state)
{
	struct nicguest_opts opts = {.scattered = *state != NULL};
	uint8_t frame[6000];
	struct fixture f;

	setup(&f, &opts);
	for (uint32_t size = 14; size < sizeof(frame); size += size < 200 ? 1 : 97) {
		fill(frame, size, (uint8_t)size);
		assert_true(nicguest_send(f.g, 0, size, frame, size));
		assert_int_equal(receive(&f, 0), 1);
		check_frame(f.pkts[0], frame, size);
		nicguest_poll(f.g, 0);
		nicguest_clear(f.g);
	}
	assert_int_equal(f.malformed, 0);
	teardown(&f);
}

static void a_ring_full_of_frames_comes_in_order_with_one_signal_a_burst(void **state)
{
	uint8_t frame[60];
	uint32_t sent = 0, got = 0;
	uint64_t bursts = 0;
	struct fixture f;

	setup(&f, NULL);
	f.g->channels[0].to.hdr->mask = 0;
	fill(frame, sizeof(frame), 0);
	while (sent < 60) {
		frame[20] = (uint8_t)sent;
		assert_true(nicguest_send(f.g, 0, 1000 + sent, frame, sizeof(frame)));
		sent++;
	}
	while (receive(&f, 0) > 0) {
		bursts++;
		for (uint16_t i = 0; i < f.n; i++, got++)
			assert_int_equal(*rte_pktmbuf_mtod_offset(f.pkts[i], uint8_t *, 20), got);
		nicguest_poll(f.g, 0);
	}
	assert_int_equal(got, sent);
	assert_int_equal(f.g->n_events, sent);
	assert_int_equal(stat(&queue(&f, 0)->stats.signals), bursts);
	teardown(&f);
}

static void pages_alone_hold_a_frame_too(void **state)
{
	uint8_t frame[3000], header[RNDIS_PACKET_MAX_HEADER], gpa[256];
	struct rndis_packet packet = {.frame_size = sizeof(frame)};
	uint32_t pfn, n;
	uint64_t pfns[2];
	struct fixture f;
	uint8_t *spare;

	setup(&f, NULL);
	fill(frame, sizeof(frame), 3);
	spare = f.g->memory + f.g->spare;
	pfn = (NICGUEST_GPA + f.g->spare) / 4096;
	n = (uint32_t)rndis_packet_write(header, &packet);
	/* From byte 4000 of one page over its end, then in another that does not follow. */
	memcpy(spare + 4000, header, n);
	memcpy(spare + 4000 + n, frame, 96 - n);
	memcpy(spare + 3 * 4096, frame + (96 - n), sizeof(frame) - (96 - n));
	pfns[0] = pfn;
	pfns[1] = pfn + 3;
	assert_true(nicguest_put_gpa(f.g, 0, 5, NVSP_NO_SECTION, 0, gpa,
				     vmbus_gpa_write(gpa, packet.msg_size, 4000, pfns, 2)));
	assert_int_equal(receive(&f, 0), 1);
	check_frame(f.pkts[0], frame, sizeof(frame));
	nicguest_poll(f.g, 0);
	check_completion(&f, 5, NVSP_STATUS_SUCCESS);
	teardown(&f);
}

/* Header and first bytes in the section, the rest in pages, one range a page: a super-frame of
 * Linux 6.1. */
static void a_section_and_many_ranges_make_a_chain(void **state)
{
	static uint8_t frame[60000];
	struct rndis_packet packet = {.frame_size = sizeof(frame)};
	uint8_t header[RNDIS_PACKET_MAX_HEADER], gpa[8 + 16 * 16];
	uint32_t linear = 100, at = linear, pfn, ranges = 0, n;
	struct fixture f;

	setup(&f, NULL);
	fill(frame, sizeof(frame), 9);
	n = (uint32_t)rndis_packet_write(header, &packet);
	vmbus_pages_write(f.g->send, 6144, header, n);
	vmbus_pages_write(f.g->send, 6144 + n, frame, linear);
	pfn = (NICGUEST_GPA + f.g->spare) / 4096;
	for (; at < sizeof(frame); ranges++) {
		uint32_t size = sizeof(frame) - at < 4096 ? (uint32_t)sizeof(frame) - at : 4096;
		uint64_t range[2] = {size, pfn + 2 * ranges};

		memcpy(f.g->memory + f.g->spare + (size_t)2 * ranges * 4096, frame + at, size);
		memcpy(gpa + 8 + 16 * ranges, range, sizeof(range));
		at += size;
	}
	memset(gpa, 0xee, 4); /* reserved: may hold anything */
	memcpy(gpa + 4, &ranges, 4);
	assert_true(nicguest_put_gpa(f.g, 0, 6, 1, n + linear, gpa, 8 + 16 * ranges));
	assert_int_equal(receive(&f, 0), 1);
	check_frame(f.pkts[0], frame, sizeof(frame));
	assert_true(f.pkts[0]->nb_segs > 1);
	teardown(&f);
}

static void messages_that_share_a_packet_are_frames_of_their_own(void **state)
{
	uint8_t frame[100];
	struct fixture f;

	setup(&f, NULL);
	for (unsigned n = 1; n <= VMQ_MAX_MESSAGES; n++) {
		uint32_t at = 0;

		for (unsigned i = 0; i < n; i++) {
			struct rndis_packet p = {0};

			fill(frame, sizeof(frame), (uint8_t)i);
			at += nicguest_write(f.g, n, at, &p, frame, sizeof(frame));
		}
		/* Every other time with padding behind. */
		vmbus_pages_write(f.g->send, n * 6144u + at, (uint8_t[64]){0}, 64);
		assert_true(nicguest_put(f.g, 0, n, n, at + (n % 2) * 64));
		assert_int_equal(receive(&f, 0), n);
		for (unsigned i = 0; i < n; i++) {
			fill(frame, sizeof(frame), (uint8_t)i);
			check_frame(f.pkts[i], frame, sizeof(frame));
		}
		nicguest_poll(f.g, 0);
		check_completion(&f, n, NVSP_STATUS_SUCCESS);
	}
	assert_int_equal(f.malformed, 0);
	teardown(&f);
}

/* More frames than a burst takes: the packet waits as a whole. */
static void a_packet_whose_frames_do_not_fit_any_more_comes_next_time(void **state)
{
	uint8_t frame[60];
	unsigned got = 0;
	struct fixture f;

	setup(&f, NULL);
	for (unsigned k = 0; k < 10; k++) {
		uint32_t at = 0;

		for (unsigned i = 0; i < 7; i++) {
			struct rndis_packet p = {0};

			fill(frame, sizeof(frame), (uint8_t)(7 * k + i));
			at += nicguest_write(f.g, k, at, &p, frame, sizeof(frame));
		}
		assert_true(nicguest_put(f.g, 0, k, k, at));
	}
	while (receive(&f, 0) > 0) {
		assert_int_equal(f.n % 7, 0);
		for (uint16_t i = 0; i < f.n; i++, got++) {
			fill(frame, sizeof(frame), (uint8_t)got);
			check_frame(f.pkts[i], frame, sizeof(frame));
		}
	}
	assert_int_equal(got, 70);
	nicguest_poll(f.g, 0);
	for (unsigned k = 0; k < 10; k++)
		check_completion(&f, k, NVSP_STATUS_SUCCESS);
	teardown(&f);
}

static void a_frame_with_a_vlan_gets_its_tag(void **state)
{
	struct rndis_packet p = {.has_vlan = true, .vlan_tci = 0x6123};
	uint8_t frame[100], tagged[104];
	struct fixture f;

	setup(&f, NULL);
	fill(frame, sizeof(frame), 3);
	memcpy(tagged, frame, 12);
	memcpy(tagged + 12, (uint8_t[]){0x81, 0, 0x61, 0x23}, 4);
	memcpy(tagged + 16, frame + 12, sizeof(frame) - 12);
	assert_true(
		nicguest_put(f.g, 0, 1, 0, nicguest_write(f.g, 0, 0, &p, frame, sizeof(frame))));
	assert_int_equal(receive(&f, 0), 1);
	check_frame(f.pkts[0], tagged, sizeof(tagged));
	teardown(&f);
}

/* ---- Guests that lie ---- */

static void bad_lengths_and_offsets_are_refused_and_the_next_frame_comes(void **state)
{
	/* Where in the header, and what; all others are right. */
	static const uint32_t fields[] = {0, 4, 8, 12, 28, 32};
	static const uint32_t values[] = {43,	    44,		45,	103,	    105,
					  60,	    61,		0xffff, UINT32_MAX, UINT32_MAX - 7,
					  1u << 31, 0x7fffffff, 6144,	1};
	uint8_t frame[60];
	struct fixture f;
	uint64_t id = 0;

	setup(&f, NULL);
	fill(frame, sizeof(frame), 1);
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		for (unsigned k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
			struct rndis_packet p = {0};
			uint32_t used = nicguest_write(f.g, 0, 0, &p, frame, sizeof(frame));

			vmbus_pages_write(f.g->send, fields[i], &values[k], 4);
			assert_true(nicguest_put(f.g, 0, ++id, 0, used));
			assert_true(nicguest_send(f.g, 0, ++id | 1u << 20, frame, sizeof(frame)));
			assert_true(receive(&f, 0) >= 1);
			check_frame(f.pkts[f.n - 1], frame, sizeof(frame));
			assert_int_equal(nicguest_poll(f.g, 0), 2);
			nicguest_clear(f.g);
		}
	assert_true(f.malformed > 60);
	assert_int_equal(atomic_load(&queue(&f, 0)->fault), VMQ_FAULT_NONE);
	teardown(&f);
}

static void sections_that_are_none_are_refused(void **state)
{
	static const struct {
		uint32_t section, used;
	} bad[] = {
		{64, 100}, {UINT32_MAX - 1, 100}, {0, 6145}, {63, UINT32_MAX}, {0, 0},
		{1, 43},   {NVSP_NO_SECTION, 60},
	};
	struct fixture f;

	setup(&f, NULL);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(nicguest_put(f.g, 0, i, bad[i].section, bad[i].used));
		assert_int_equal(receive(&f, 0), 0);
		assert_int_equal(f.malformed, i + 1);
		nicguest_poll(f.g, 0);
		check_completion(&f, i, NVSP_STATUS_BAD_RNDIS);
	}
	teardown(&f);
}

static void pages_that_are_no_memory_are_refused(void **state)
{
	uint64_t pfns[2] = {(NICGUEST_GPA + NICGUEST_SPARE) / 4096, UINT64_MAX / 4096};
	uint8_t gpa[64];
	struct fixture f;

	setup(&f, NULL);
	for (unsigned i = 0; i < 4; i++) {
		size_t n = vmbus_gpa_write(gpa, i == 2 ? UINT32_MAX : 5000, i == 3 ? 4096 : 0, pfns,
					   2);

		if (i == 1)
			memset(gpa + 4, 0xff, 4); /* ranges */
		assert_true(nicguest_put_gpa(f.g, 0, i, NVSP_NO_SECTION, 0, gpa, n));
		assert_int_equal(receive(&f, 0), 0);
		nicguest_poll(f.g, 0);
		check_completion(&f, i, NVSP_STATUS_BAD_RNDIS);
	}
	assert_int_equal(f.malformed, 4);
	teardown(&f);
}

static void a_packet_with_too_many_messages_brings_those_that_are_allowed(void **state)
{
	uint8_t frame[14];
	uint32_t at = 0;
	struct fixture f;

	setup(&f, NULL);
	fill(frame, sizeof(frame), 3);
	for (unsigned i = 0; i < 100; i++) {
		struct rndis_packet p = {0};

		at += nicguest_write(f.g, 0, at, &p, frame, sizeof(frame));
	}
	assert_true(nicguest_put(f.g, 0, 1, 0, at));
	assert_int_equal(receive(&f, 0), VMQ_MAX_MESSAGES);
	assert_int_equal(f.malformed, 1);
	teardown(&f);
}

static void a_packet_of_a_strange_type_breaks_the_queue(void **state)
{
	uint8_t frame[60] = {0};
	struct fixture f;

	setup(&f, NULL);
	assert_true(nicguest_put_any(f.g, 0, (enum vmbus_packet_type)8, 1, 1, frame, 32));
	assert_int_equal(receive(&f, 0), 0);
	assert_int_equal(atomic_load(&queue(&f, 0)->fault), VMQ_FAULT_PACKET);
	assert_true(nicguest_send(f.g, 0, 2, frame, sizeof(frame)));
	assert_int_equal(receive(&f, 0), 0);
	assert_true(vmq_queue_sleep(queue(&f, 0)));
	teardown(&f);
}

static void indexes_that_lie_break_the_queue(void **state)
{
	static const uint32_t lies[] = {4, 65536, 65544, UINT32_MAX, UINT32_MAX - 7, 1u << 31};
	struct fixture f;

	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		setup(&f, NULL);
		atomic_store(&f.g->channels[0].from.hdr->write, lies[i]);
		f.n = vmq_queue_from_guest(queue(&f, 0), pool, f.pkts, BURST, &f.malformed);
		assert_int_equal(f.n, 0);
		assert_int_equal(atomic_load(&queue(&f, 0)->fault), VMQ_FAULT_RING_IN);
		assert_int_equal(queue(&f, 0)->ring_fault, VMBUS_RING_INDEX);
		teardown(&f);
	}
}

/* The ring to the guest is never read: its packets wait, and go on when it is. */
static void packets_wait_for_room_to_complete_them(void **state)
{
	struct nicguest_opts opts = {.ring_pages = 2};
	uint8_t frame[60] = {0};
	unsigned sent = 0, got = 0, before;
	struct fixture f;

	setup(&f, &opts);
	do {
		before = got;
		while (sent < 1000 && nicguest_send(f.g, 0, sent, frame, sizeof(frame)))
			sent++;
		got += receive(&f, 0);
	} while (got != before);
	assert_true(got < sent && got >= 100);
	/* It may sleep until the guest reads, although there are packets. */
	assert_true(vmq_queue_sleep(queue(&f, 0)));
	assert_true(atomic_load(&f.g->channels[0].to.hdr->pending) != 0);
	while (got < sent) {
		nicguest_poll(f.g, 0);
		got += receive(&f, 0);
		assert_int_equal(atomic_load(&f.g->channels[0].to.hdr->pending), 0);
	}
	nicguest_poll(f.g, 0);
	assert_int_equal(f.g->n_events, sent);
	teardown(&f);
}

static void without_mbufs_packets_wait(void **state)
{
	struct rte_mempool *empty = mbufs_pool("vmq-empty", 15, 2048);
	uint8_t frame[60] = {0};
	struct fixture f;

	setup(&f, NULL);
	for (unsigned i = 0; i < 40; i++)
		assert_true(nicguest_send(f.g, 0, i, frame, sizeof(frame)));
	nicguest_show(f.g, 0);
	assert_int_equal(vmq_queue_from_guest(queue(&f, 0), empty, f.pkts, BURST, &f.malformed), 0);
	assert_int_equal(nicguest_poll(f.g, 0), 0);
	assert_int_equal(receive(&f, 0), BURST);
	assert_int_equal(receive(&f, 0), 8);
	nicguest_poll(f.g, 0);
	assert_int_equal(f.g->n_events, 40);
	teardown(&f);
}

static void memory_that_is_taken_away_breaks_the_queue(void **state)
{
	atomic_bool lost = true;
	uint8_t frame[60] = {0};
	struct fixture f;

	setup(&f, NULL);
	f.g->path.lost = &lost;
	assert_true(nicguest_send(f.g, 0, 1, frame, sizeof(frame)));
	assert_int_equal(receive(&f, 0), 0);
	assert_int_equal(f.malformed, 1);
	assert_int_equal(atomic_load(&queue(&f, 0)->fault), VMQ_FAULT_LOST);
	teardown(&f);
}

/* ---- Sleep ---- */

static void a_guest_signals_only_who_sleeps(void **state)
{
	uint8_t frame[60] = {0};
	struct fixture f;

	setup(&f, NULL);
	assert_true(nicguest_send(f.g, 0, 1, frame, sizeof(frame)));
	assert_false(vmbus_out_end(&f.g->channels[0].out));
	assert_false(vmq_queue_sleep(queue(&f, 0)));
	assert_int_equal(receive(&f, 0), 1);
	assert_true(vmq_queue_sleep(queue(&f, 0)));
	assert_true(nicguest_send(f.g, 0, 2, frame, sizeof(frame)));
	assert_true(vmbus_out_end(&f.g->channels[0].out));
	assert_int_equal(receive(&f, 0), 1);
	assert_true(nicguest_send(f.g, 0, 3, frame, sizeof(frame)));
	assert_false(vmbus_out_end(&f.g->channels[0].out));
	teardown(&f);
}

int main(void)
{
	static char scattered[] = "scattered";
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_in_a_section_comes_and_is_completed_once),
		cmocka_unit_test(frames_of_all_sizes_come_whole),
		{"frames_of_all_sizes_come_whole_over_pages", frames_of_all_sizes_come_whole, NULL,
		 NULL, scattered},
		cmocka_unit_test(a_ring_full_of_frames_comes_in_order_with_one_signal_a_burst),
		cmocka_unit_test(pages_alone_hold_a_frame_too),
		cmocka_unit_test(a_section_and_many_ranges_make_a_chain),
		cmocka_unit_test(messages_that_share_a_packet_are_frames_of_their_own),
		cmocka_unit_test(a_packet_whose_frames_do_not_fit_any_more_comes_next_time),
		cmocka_unit_test(a_frame_with_a_vlan_gets_its_tag),
		cmocka_unit_test(bad_lengths_and_offsets_are_refused_and_the_next_frame_comes),
		cmocka_unit_test(sections_that_are_none_are_refused),
		cmocka_unit_test(pages_that_are_no_memory_are_refused),
		cmocka_unit_test(a_packet_with_too_many_messages_brings_those_that_are_allowed),
		cmocka_unit_test(a_packet_of_a_strange_type_breaks_the_queue),
		cmocka_unit_test(indexes_that_lie_break_the_queue),
		cmocka_unit_test(packets_wait_for_room_to_complete_them),
		cmocka_unit_test(without_mbufs_packets_wait),
		cmocka_unit_test(memory_that_is_taken_away_breaks_the_queue),
		cmocka_unit_test(a_guest_signals_only_who_sleeps),
	};

	pool = mbufs_pool("vmq", 1023, 2048);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
