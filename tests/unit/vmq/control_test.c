/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is no frame: control messages to the control thread, one at a time, and mail from it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "tests/support/mbufs.h"
#include "tests/support/nicguest.h"
#include "vmbus/nvsp.h"
#include "vmbus/pages.h"

static struct rte_mempool *pool;

struct fixture {
	struct nicguest *g;
	uint16_t malformed;
};

static void setup(struct fixture *f, const struct nicguest_opts *opts)
{
	memset(f, 0, sizeof(*f));
	f->g = nicguest_create(opts);
}

static void teardown(struct fixture *f)
{
	nicguest_destroy(f->g);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static uint16_t work(struct fixture *f, uint16_t queue)
{
	struct rte_mbuf *pkts[32];
	uint16_t n;

	nicguest_show(f->g, queue);
	n = vmq_queue_from_guest(f->g->channels[queue].queue, pool, pkts, 32, &f->malformed);
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static void put_nvsp(struct fixture *f, uint64_t id)
{
	uint8_t msg[40] = {NVSP_INIT, 0, 0, 0, 1, 2, 3};

	assert_true(nicguest_put_any(f->g, 0, VMBUS_PKT_INBAND, VMBUS_PKT_COMPLETION_REQUESTED, id,
				     msg, sizeof(msg)));
}

static void put_rndis(struct fixture *f, uint16_t queue, uint64_t id, uint32_t size)
{
	struct nvsp_rndis msg = {NVSP_RNDIS, 1, 2, size};
	uint8_t bytes[64];

	memset(bytes, 0x5a, sizeof(bytes));
	vmbus_pages_write(f->g->send, 2ull * f->g->opts.send_section, bytes, sizeof(bytes));
	assert_true(nicguest_put_any(f->g, queue, VMBUS_PKT_INBAND, VMBUS_PKT_COMPLETION_REQUESTED,
				     id, &msg, sizeof(msg)));
}

static bool kicked(int fd)
{
	eventfd_t n;

	return eventfd_read(fd, &n) == 0;
}

static void a_message_waits_on_the_ring_until_it_is_answered(void **state)
{
	const struct vmq_control_item *item;
	uint8_t frame[60] = {0}, answer[40] = {NVSP_INIT_COMPLETE};
	struct fixture f;

	setup(&f, NULL);
	put_nvsp(&f, 0);
	assert_true(nicguest_send(f.g, 0, 9, frame, sizeof(frame)));
	assert_int_equal(work(&f, 0), 0);
	assert_true(kicked(f.g->control_fd));
	assert_int_equal(work(&f, 0), 0);
	assert_false(kicked(f.g->control_fd));
	assert_int_equal(nicguest_poll(f.g, 0), 0);
	assert_int_equal(atomic_load(&f.g->channels[0].from.hdr->read), 0);
	/* The worker may sleep meanwhile. */
	assert_true(vmq_queue_sleep(f.g->channels[0].queue));

	item = vmq_control_next(f.g->control);
	assert_non_null(item);
	assert_int_equal(item->kind, VMQ_CONTROL_NVSP);
	assert_int_equal(item->size, 40);
	assert_int_equal(item->transaction_id, 0);
	assert_true(item->completion_requested);
	assert_memory_equal(item->bytes, "\1\0\0\0\1\2\3", 7);
	assert_int_equal(vmq_mail_complete(f.g->mail, 0, answer, sizeof(answer)), 0);
	vmq_control_done(f.g->control, f.g->channels[0].queue);
	assert_null(vmq_control_next(f.g->control));

	/* Answer, then the frame behind it. */
	assert_int_equal(work(&f, 0), 1);
	assert_int_equal(nicguest_poll(f.g, 0), 2);
	assert_int_equal(f.g->events[0].transaction_id, 0);
	assert_int_equal(f.g->events[0].size, 40);
	assert_memory_equal(f.g->events[0].bytes, answer, sizeof(answer));
	assert_int_equal(f.g->events[1].transaction_id, 9);
	teardown(&f);
}

static void an_rndis_message_is_completed_and_answered_by_a_section(void **state)
{
	uint8_t answer[500];
	struct fixture f;

	setup(&f, NULL);
	memset(answer, 0x42, sizeof(answer));
	put_rndis(&f, 0, 7, 64);
	work(&f, 0);
	assert_int_equal(vmq_control_next(f.g->control)->kind, VMQ_CONTROL_RNDIS);
	assert_int_equal(vmq_control_next(f.g->control)->size, 64);
	assert_int_equal(vmq_control_next(f.g->control)->bytes[63], 0x5a);
	assert_int_equal(vmq_mail_rndis(f.g->mail, answer, sizeof(answer)), 0);
	vmq_control_done(f.g->control, f.g->channels[0].queue);
	work(&f, 0);
	assert_int_equal(nicguest_poll(f.g, 0), 2);
	assert_int_equal(f.g->events[0].kind, NICGUEST_COMPLETION);
	assert_int_equal(f.g->events[0].status, NVSP_STATUS_SUCCESS);
	assert_int_equal(f.g->events[1].kind, NICGUEST_RNDIS);
	assert_memory_equal(f.g->events[1].bytes, answer, sizeof(answer));
	work(&f, 0);
	assert_int_equal(f.g->channels[0].queue->stats.bad_completions, 0);
	teardown(&f);
}

static void mail_nobody_asked_for_goes_out_at_once_and_is_bounded(void **state)
{
	uint8_t msg[20] = {7};
	struct fixture f;
	unsigned n = 0;

	setup(&f, NULL);
	while (vmq_mail_nvsp(f.g->mail, msg, sizeof(msg)) == 0)
		n++;
	assert_int_equal(n, VMQ_MAIL_SLOTS);
	assert_int_equal(vmq_mail_waiting(f.g->mail), n);
	assert_int_equal(vmq_mail_rndis(f.g->mail, msg, 1), -ENOSPC);
	assert_int_equal(vmq_mail_rndis(f.g->mail, msg, RNDIS_REPLY_MAX + 1), -EMSGSIZE);
	assert_false(vmq_queue_sleep(f.g->channels[0].queue));
	work(&f, 0);
	assert_int_equal(vmq_mail_waiting(f.g->mail), 0);
	assert_int_equal(nicguest_poll(f.g, 0), n);
	assert_int_equal(f.g->events[0].kind, NICGUEST_NVSP);
	teardown(&f);
}

/* The guest holds all sections that frames may use: the answer comes by one of those kept. */
static void a_guest_that_gives_nothing_back_is_still_answered(void **state)
{
	struct nicguest_opts opts = {.n_recv = 32};
	uint8_t answer[32] = {1};
	struct fixture f;

	setup(&f, &opts);
	f.g->keep = true;
	for (unsigned i = 0; i < 64; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		uint8_t refused;

		assert_non_null(rte_pktmbuf_append(m, 60));
		if (vmq_path_to_guest(&f.g->path, &m, 1, &refused) == 0)
			rte_pktmbuf_free(m);
	}
	assert_int_equal(f.g->channels[0].queue->stats.to_packets, 32 - 8);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(vmq_mail_rndis(f.g->mail, answer, sizeof(answer)), 0);
	work(&f, 0);
	assert_int_equal(vmq_mail_waiting(f.g->mail), 0);
	/* There is none left: it waits until one comes back. */
	assert_int_equal(vmq_mail_rndis(f.g->mail, answer, sizeof(answer)), 0);
	work(&f, 0);
	assert_int_equal(vmq_mail_waiting(f.g->mail), 1);
	nicguest_poll(f.g, 0);
	nicguest_complete(f.g, 0, f.g->kept[0]);
	work(&f, 0);
	work(&f, 0);
	assert_int_equal(vmq_mail_waiting(f.g->mail), 0);
	teardown(&f);
}

static void a_message_longer_than_any_is_completed_with_a_failure(void **state)
{
	struct fixture f;

	setup(&f, NULL);
	put_rndis(&f, 0, 3, RNDIS_CONTROL_MAX + 8);
	put_rndis(&f, 0, 4, UINT32_MAX);
	work(&f, 0);
	work(&f, 0);
	assert_null(vmq_control_next(f.g->control));
	assert_int_equal(nicguest_poll(f.g, 0), 2);
	assert_int_equal(f.g->events[0].status, NVSP_STATUS_BAD_RNDIS);
	assert_int_equal(f.g->events[1].status, NVSP_STATUS_BAD_RNDIS);
	assert_int_equal(f.g->channels[0].queue->stats.malformed, 2);
	teardown(&f);
}

static void messages_on_a_subchannel_are_refused(void **state)
{
	struct nicguest_opts opts = {.n_queues = 2};
	uint8_t msg[8] = {NVSP_REVOKE_RECV_BUF};
	struct fixture f;

	setup(&f, &opts);
	put_rndis(&f, 1, 3, 64);
	assert_true(nicguest_put_any(f.g, 1, VMBUS_PKT_INBAND, 0, 4, msg, sizeof(msg)));
	assert_int_equal(work(&f, 1), 0);
	assert_int_equal(f.malformed, 2);
	assert_int_equal(nicguest_poll(f.g, 1), 1);
	assert_int_equal(f.g->events[0].status, NVSP_STATUS_FAILURE);
	assert_null(vmq_control_next(f.g->control));
	teardown(&f);
}

static void a_flood_of_messages_reaches_the_control_thread_in_measure(void **state)
{
	unsigned handed = 0, sent = 0;
	struct fixture f;

	setup(&f, NULL);
	for (unsigned i = 0; i < 4 * VMQ_CONTROL_BURST; i++) {
		if (sent < 3 * VMQ_CONTROL_BURST) {
			put_nvsp(&f, i);
			sent++;
		}
		work(&f, 0);
		if (vmq_control_next(f.g->control) != NULL) {
			handed++;
			vmq_control_done(f.g->control, f.g->channels[0].queue);
			work(&f, 0);
		}
		if (f.g->channels[0].queue->stats.control_held > 100)
			break;
	}
	assert_true(handed >= VMQ_CONTROL_BURST);
	assert_true(handed < 2 * VMQ_CONTROL_BURST);
	assert_int_equal(f.g->channels[0].queue->fault, VMQ_FAULT_NONE);
	teardown(&f);
}

/* The guest makes another message of it while it waits: the answer is for what was read. */
static void a_message_that_changes_while_it_waits_harms_nobody(void **state)
{
	struct fixture f;

	setup(&f, NULL);
	put_rndis(&f, 0, 7, 64);
	work(&f, 0);
	assert_non_null(vmq_control_next(f.g->control));
	memset(f.g->channels[0].from.data + 8, 0xff, 8); /* transaction id */
	vmq_control_done(f.g->control, f.g->channels[0].queue);
	work(&f, 0);
	assert_int_equal(nicguest_poll(f.g, 0), 1);
	assert_int_equal(f.g->events[0].transaction_id, 7);
	put_rndis(&f, 0, 8, 64);
	work(&f, 0);
	memset(f.g->channels[0].from.data + atomic_load(&f.g->channels[0].from.hdr->read), 0xff, 8);
	vmq_control_done(f.g->control, f.g->channels[0].queue);
	work(&f, 0);
	assert_int_equal(f.g->channels[0].queue->fault, VMQ_FAULT_RING_IN);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_waits_on_the_ring_until_it_is_answered),
		cmocka_unit_test(an_rndis_message_is_completed_and_answered_by_a_section),
		cmocka_unit_test(mail_nobody_asked_for_goes_out_at_once_and_is_bounded),
		cmocka_unit_test(a_guest_that_gives_nothing_back_is_still_answered),
		cmocka_unit_test(a_message_longer_than_any_is_completed_with_a_failure),
		cmocka_unit_test(messages_on_a_subchannel_are_refused),
		cmocka_unit_test(a_flood_of_messages_reaches_the_control_thread_in_measure),
		cmocka_unit_test(a_message_that_changes_while_it_waits_harms_nobody),
	};

	pool = mbufs_pool("vmq-control", 255, 2048);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
