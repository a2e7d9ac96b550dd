/* SPDX-License-Identifier: BSD-2-Clause
 *
 * memif: rings with both ends in one process and with a peer that lies, and whole ports that
 * connect, part, and connect again.
 */
#include "dataplane/memif_priv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "tests/support/mbufs.h"
#include "tests/support/test_dp.h"

#define LOG2   4
#define SLOTS  (1u << LOG2)
#define BUFFER 2048u
#define RING   (sizeof(struct memif_shm_ring) + SLOTS * sizeof(struct memif_desc))
#define MEMORY (4096u + SLOTS * BUFFER)

static struct dp *dp;
static struct rte_mempool *pool;
static char folder[] = "/tmp/memif_test.XXXXXX", path[64];

/* ---- Rings ---- */

/* Two ends of one ring over the same memory. */
static struct ends {
	uint8_t *memory;
	struct dp_memif_regions client_regions, server_regions;
	struct dp_memif_ring client, server;
} e;

static void ends_make(bool c2s)
{
	memset(&e, 0, sizeof(e));
	e.memory = aligned_alloc(4096, MEMORY);
	memset(e.memory, 0, MEMORY);
	e.client_regions.n = e.server_regions.n = 1;
	e.server_regions.region[0] = (struct dp_memif_region){.va = e.memory, .size = MEMORY};
	e.client = (struct dp_memif_ring){.shm = (void *)e.memory,
					  .regions = &e.client_regions,
					  .client = true,
					  .buffers = e.memory + 4096,
					  .buffer_offset = 4096,
					  .buffer_size = BUFFER,
					  .mask = SLOTS - 1,
					  .c2s = c2s,
					  .event_fd = -1};
	e.server = (struct dp_memif_ring){.shm = (void *)e.memory,
					  .regions = &e.server_regions,
					  .mask = SLOTS - 1,
					  .c2s = c2s,
					  .event_fd = -1};
	dp_memif_ring_reset(&e.client);
	dp_memif_ring_reset(&e.server);
	dp_memif_ring_start(&e.client);
	dp_memif_ring_start(&e.server);
}

static void ends_free(void)
{
	free(e.memory);
}

static struct dp_memif_ring *sender(void)
{
	return e.client.c2s ? &e.client : &e.server;
}

static struct dp_memif_ring *receiver(void)
{
	return e.client.c2s ? &e.server : &e.client;
}

static void fill(uint8_t *bytes, uint32_t size, uint8_t seed)
{
	for (uint32_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(seed + i * 7 + (i >> 8));
}

static struct rte_mbuf *make(uint32_t size, uint8_t seed)
{
	static uint8_t bytes[70000];
	struct rte_mbuf *m;

	fill(bytes, size, seed);
	m = mbufs_make(pool, bytes, size, NULL, 0);
	assert_non_null(m);
	return m;
}

static void expect(struct rte_mbuf *m, uint32_t size, uint8_t seed)
{
	static uint8_t bytes[70000], expected[70000];

	rte_mbuf_sanity_check(m, 1);
	assert_int_equal(mbufs_read(m, bytes, sizeof(bytes)), size);
	fill(expected, size, seed);
	assert_memory_equal(bytes, expected, size);
	rte_pktmbuf_free(m);
}

static uint16_t send_one(uint32_t size, uint8_t seed)
{
	struct rte_mbuf *m = make(size, seed);
	uint16_t big = 0, sent = dp_memif_tx(sender(), &m, 1, &big);

	rte_pktmbuf_free(m);
	return sent;
}

static uint16_t receive(struct rte_mbuf **pkts, uint16_t n, uint16_t *ret_malformed)
{
	*ret_malformed = 0;
	return dp_memif_rx(receiver(), pool, pkts, n, ret_malformed);
}

static void frames_of_all_sizes_arrive_both_ways(void **state)
{
	static const uint32_t sizes[] = {1, 14, 60, 1514, 2047, 2048, 2049, 4096, 9014, 30000};

	for (int c2s = 0; c2s < 2; c2s++) {
		ends_make(c2s != 0);
		for (unsigned lap = 0; lap < 20; lap++) {
			for (size_t i = 0; i < RTE_DIM(sizes); i++) {
				struct rte_mbuf *m;
				uint16_t bad;

				assert_int_equal(send_one(sizes[i], (uint8_t)lap), 1);
				assert_int_equal(receive(&m, 1, &bad), 1);
				assert_int_equal(bad, 0);
				expect(m, sizes[i], (uint8_t)lap);
			}
		}
		ends_free();
	}
}

static void a_full_ring_takes_no_more_and_loses_nothing(void **state)
{
	for (int c2s = 0; c2s < 2; c2s++) {
		struct rte_mbuf *pkts[2 * SLOTS];
		uint16_t bad, big = 0;

		ends_make(c2s != 0);
		/* Indices of 16 bits go round, too. */
		for (unsigned lap = 0; lap < 5000; lap++) {
			for (unsigned i = 0; i < SLOTS + 4; i++)
				pkts[i] = make(64, (uint8_t)i);
			assert_int_equal(dp_memif_tx(sender(), pkts, SLOTS + 4, &big), SLOTS);
			rte_pktmbuf_free_bulk(pkts, SLOTS + 4);
			assert_int_equal(send_one(64, 0), 0);
			assert_int_equal(receive(pkts, 2 * SLOTS, &bad), SLOTS);
			for (unsigned i = 0; i < SLOTS; i++)
				expect(pkts[i], 64, (uint8_t)i);
		}
		assert_int_equal(big, 0);
		ends_free();
	}
}

static void a_frame_that_no_ring_holds_is_told_and_holds_up_no_others(void **state)
{
	struct rte_mbuf *pkts[3];
	uint16_t big = 0, bad;

	ends_make(true);
	pkts[0] = make(SLOTS * BUFFER + 1, 1);
	pkts[1] = make(100, 2);
	pkts[2] = make(200, 3);
	assert_int_equal(dp_memif_tx(sender(), pkts, 3, &big), 2);
	assert_int_equal(big, 1);
	rte_pktmbuf_free_bulk(pkts, 3);
	assert_int_equal(receive(pkts, 3, &bad), 2);
	expect(pkts[0], 100, 2);
	expect(pkts[1], 200, 3);
	ends_free();
}

static void an_index_that_runs_away_stops_the_ring(void **state)
{
	static const uint16_t ahead[] = {SLOTS + 1, 0x7fff, 0x8000, 0xffff};

	for (size_t i = 0; i < RTE_DIM(ahead); i++) {
		struct rte_mbuf *m;
		uint16_t bad;

		ends_make(true);
		e.client.shm->head = ahead[i];
		assert_int_equal(receive(&m, 1, &bad), 0);
		assert_int_equal(e.server.fault, DP_MEMIF_INDEX);
		ends_free();
		ends_make(false);
		e.client.shm->tail = ahead[i]; /* The server claims to have filled so many. */
		assert_int_equal(receive(&m, 1, &bad), 0);
		assert_int_equal(e.client.fault, DP_MEMIF_INDEX);
		ends_free();
		ends_make(false);
		e.client.shm->head = ahead[i];
		assert_int_equal(send_one(60, 0), 0);
		assert_int_equal(e.server.fault, DP_MEMIF_INDEX);
		ends_free();
		ends_make(true);
		e.client.shm->tail = (uint16_t)(ahead[i] + 2); /* Taken before it was sent. */
		assert_int_equal(send_one(60, 0), 0);
		assert_int_equal(e.client.fault, DP_MEMIF_INDEX);
		ends_free();
	}
}

static void descriptors_outside_of_the_memory_stop_the_ring(void **state)
{
	static const struct memif_desc bad_ones[] = {
		{.length = 60, .region = 1},
		{.length = 60, .region = 0xffff},
		{.length = 60, .offset = MEMORY - 59},
		{.length = 60, .offset = MEMORY},
		{.length = 60, .offset = UINT32_MAX},
		{.length = UINT32_MAX, .offset = 4096},
		{.length = UINT32_MAX, .offset = UINT32_MAX},
		{.length = MEMORY + 1},
	};

	for (size_t i = 0; i < RTE_DIM(bad_ones); i++) {
		struct rte_mbuf *m;
		uint16_t bad;

		ends_make(true);
		assert_int_equal(send_one(60, 0), 1);
		assert_int_equal(send_one(60, 1), 1);
		e.client.shm->desc[1] = bad_ones[i];
		assert_int_equal(receive(&m, 1, &bad), 1);
		expect(m, 60, 0);
		assert_int_equal(receive(&m, 1, &bad), 0);
		assert_int_equal(e.server.fault, DP_MEMIF_BUFFER);
		ends_free();
		ends_make(false); /* And where we write. */
		e.client.shm->desc[0] = bad_ones[i];
		assert_int_equal(send_one(60, 0), 0);
		assert_int_equal(e.server.fault, DP_MEMIF_BUFFER);
		ends_free();
	}
}

static void the_last_bytes_of_the_memory_are_good(void **state)
{
	struct rte_mbuf *m;
	uint16_t bad;

	ends_make(true);
	assert_int_equal(send_one(60, 0), 1);
	e.client.shm->desc[0].offset = MEMORY - 60;
	assert_int_equal(receive(&m, 1, &bad), 1);
	assert_int_equal(m->pkt_len, 60);
	rte_pktmbuf_free(m);
	ends_free();
}

/* What a server writes into our descriptors moves nothing of ours. */
static void a_client_reads_its_own_buffers_whatever_the_descriptor_says(void **state)
{
	struct rte_mbuf *m;
	uint16_t bad;

	ends_make(false);
	assert_int_equal(send_one(500, 9), 1);
	e.client.shm->desc[0].offset = UINT32_MAX - 8;
	e.client.shm->desc[0].region = 77;
	assert_int_equal(receive(&m, 1, &bad), 1);
	expect(m, 500, 9);
	assert_int_equal(send_one(500, 9), 1);
	e.client.shm->desc[1].length = BUFFER + 1;
	assert_int_equal(receive(&m, 1, &bad), 0);
	assert_int_equal(e.client.fault, DP_MEMIF_BUFFER);
	ends_free();
}

static void frames_that_are_none_are_counted_and_the_next_one_arrives(void **state)
{
	static const struct memif_desc bad_ones[] = {
		{.length = 0, .offset = 4096},
		{.length = 60, .offset = 4096, .flags = MEMIF_DESC_NEXT}, /* and nothing follows */
	};

	for (size_t i = 0; i < RTE_DIM(bad_ones); i++) {
		struct rte_mbuf *m;
		uint16_t bad;

		ends_make(true);
		assert_int_equal(send_one(60, 0), 1);
		e.client.shm->desc[0] = bad_ones[i];
		assert_int_equal(receive(&m, 1, &bad), 0);
		assert_int_equal(bad, 1);
		assert_int_equal(send_one(61, 1), 1);
		assert_int_equal(receive(&m, 1, &bad), 1);
		expect(m, 61, 1);
		ends_free();
	}
}

static void a_frame_longer_than_any_is_malformed(void **state)
{
	struct rte_mbuf *m;
	uint16_t bad;

	ends_make(true);
	for (unsigned i = 0; i < SLOTS; i++)
		e.client.shm->desc[i] = (struct memif_desc){.length = MEMORY - 4096,
							    .offset = 4096,
							    .flags = MEMIF_DESC_NEXT};
	e.client.shm->desc[SLOTS - 1].flags = 0;
	e.client.shm->head = SLOTS;
	assert_int_equal(receive(&m, 1, &bad), 0);
	assert_int_equal(bad, 1);
	assert_int_equal(e.client.shm->tail, SLOTS);
	ends_free();
}

static void buffers_of_no_length_stop_the_ring(void **state)
{
	ends_make(false);
	e.client.shm->desc[0].length = 0;
	assert_int_equal(send_one(60, 0), 0);
	assert_int_equal(e.server.fault, DP_MEMIF_BUFFER);
	ends_free();
}

static void who_sleeps_is_signalled_and_who_polls_is_not(void **state)
{
	eventfd_t value;

	ends_make(true);
	e.client.event_fd = eventfd(0, EFD_NONBLOCK);
	send_one(60, 0);
	assert_int_equal(eventfd_read(e.client.event_fd, &value), -1);
	e.client.shm->flags = 0;
	send_one(60, 0);
	assert_int_equal(eventfd_read(e.client.event_fd, &value), 0);
	close(e.client.event_fd);
	ends_free();
}

/* ---- Ports ---- */

static struct dp_port *open_port(const char *name, bool server, const char *args, uint16_t mtu,
				 uint16_t n_queues, struct err *err)
{
	const struct dp_port_opts opts = {.name = name,
					  .kind = "memif",
					  .socket = path,
					  .server = server,
					  .devargs = args,
					  .netns_fd = -1,
					  .mtu = mtu,
					  .n_queues = n_queues,
					  .n_desc = 64};
	struct dp_port *port = NULL;

	return dp_port_open(dp, &opts, &port, err) == 0 ? port : NULL;
}

static struct dp_port *must_open(const char *name, bool server, const char *args, uint16_t mtu,
				 uint16_t n_queues)
{
	struct err err = {0};
	struct dp_port *port = open_port(name, server, args, mtu, n_queues, &err);

	if (port == NULL)
		fail_msg("%s: %s", name, err.what);
	return port;
}

static bool link_of(struct dp_port *port, struct dp_link *ret)
{
	port->ops->link(port, ret);
	return ret->up;
}

/* Lets both ends talk until both are up. */
static bool join(struct dp_port *a, struct dp_port *b)
{
	struct dp_link la, lb;

	for (int i = 0; i < 300; i++) {
		bool up = link_of(a, &la);

		if (link_of(b, &lb) && up)
			return true;
		usleep(10000);
	}
	return false;
}

static void carries(struct dp_port *from, struct dp_port *to, uint32_t size)
{
	struct rte_mbuf *m = make(size, 3);
	uint16_t n = 0;

	assert_int_equal(from->tx(&from->txq[0], &m, 1), 1);
	for (uint16_t i = 0; n == 0 && i < to->n_rxq; i++)
		n = to->rxq[i].rx(&to->rxq[i], &m, 1);
	assert_int_equal(n, 1);
	expect(m, size, 3);
}

static void ports_connect_and_carry_frames_both_ways(void **state)
{
	static const struct {
		uint16_t mtu, n_queues;
	} all[] = {{1500, 1}, {9000, 1}, {65500, 1}, {1500, 4}};

	for (size_t i = 0; i < RTE_DIM(all); i++) {
		struct dp_port *s = must_open("s", true, "id=7", all[i].mtu, all[i].n_queues);
		struct dp_port *c = must_open("c", false, "id=7", all[i].mtu, all[i].n_queues);

		assert_true(join(s, c));
		for (int lap = 0; lap < 200; lap++) {
			carries(s, c, all[i].mtu + 14u);
			carries(c, s, all[i].mtu + 14u);
		}
		dp_port_close(i % 2 == 0 ? s : c);
		dp_port_close(i % 2 == 0 ? c : s);
	}
}

static void either_end_may_leave_and_come_back(void **state)
{
	struct dp_port *s = must_open("s", true, NULL, 1500, 2);
	struct dp_port *c = must_open("c", false, NULL, 1500, 2);
	struct dp_link link;

	for (int i = 0; i < 4; i++) {
		struct dp_port **goes = i % 2 == 0 ? &c : &s, *stays = i % 2 == 0 ? s : c;
		struct rte_mbuf *m = make(60, 0);

		assert_true(join(s, c));
		carries(s, c, 1000);
		carries(c, s, 1000);
		dp_port_close(*goes);
		assert_false(link_of(stays, &link));
		assert_non_null(strstr(link.reason, "the port was removed"));
		assert_int_equal(stays->tx(&stays->txq[0], &m, 1), 0);
		rte_pktmbuf_free(m);
		*goes = must_open(i % 2 == 0 ? "c" : "s", i % 2 != 0, NULL, 1500, 2);
	}
	dp_port_close(s);
	dp_port_close(c);
}

static void the_mtu_may_grow_while_connected(void **state)
{
	struct dp_port *s = must_open("s", true, NULL, 1500, 1);
	struct dp_port *c = must_open("c", false, NULL, 1500, 1);

	assert_true(join(s, c));
	assert_int_equal(s->ops->set_mtu(s, 9000, NULL), 0);
	assert_int_equal(c->ops->set_mtu(c, 9000, NULL), 0);
	assert_true(join(s, c));
	carries(s, c, 9014);
	carries(c, s, 9014);
	assert_int_equal(c->ops->set_mtu(c, 67, NULL), -EINVAL);
	dp_port_close(s);
	dp_port_close(c);
}

static void the_memory_is_cut_under_the_rings(void **state)
{
	for (int cut = 0; cut < 2; cut++) {
		struct dp_port *s = must_open("s", true, NULL, 1500, 1);
		struct memif_ctl evil = {.fd = -1};
		struct memif_msg msg;
		struct sockaddr_un sa;
		socklen_t size = memif_address(path, &sa);
		int fd = memfd_create("evil", MFD_CLOEXEC), passed;
		struct memif_shm_ring *shm;
		struct rte_mbuf *m = make(60, 1);
		struct dp_link link;

		/* A client by hand: two rings of 16, buffers behind them. */
		assert_return_code(ftruncate(fd, 128 * 1024), 0);
		shm = mmap(NULL, 128 * 1024, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		shm->cookie = MEMIF_COOKIE;
		((struct memif_shm_ring *)(void *)((char *)shm + RING))->cookie = MEMIF_COOKIE;
		evil.fd = memif_socket();
		assert_return_code(connect(evil.fd, (struct sockaddr *)&sa, size), 0);
		msg = (struct memif_msg){.type = MEMIF_INIT};
		msg.init.version = MEMIF_VERSION;
		memif_send(evil.fd, &msg, -1);
		msg = (struct memif_msg){.type = MEMIF_ADD_REGION};
		msg.add_region.size = 128 * 1024;
		memif_send(evil.fd, &msg, fd);
		for (uint16_t i = 0; i < 2; i++) {
			passed = eventfd(0, 0);
			msg = (struct memif_msg){.type = MEMIF_ADD_RING};
			msg.add_ring.flags = i;
			msg.add_ring.offset = i * (uint32_t)RING;
			msg.add_ring.log2_ring_size = LOG2;
			memif_send(evil.fd, &msg, passed);
			close(passed);
		}
		msg = (struct memif_msg){.type = MEMIF_CONNECT};
		memif_send(evil.fd, &msg, -1);
		for (int i = 0; i < 5 && !link_of(s, &link); i++)
			;
		assert_true(link.up);
		/* A frame for us, in pages that are not there any more; or a buffer to fill. */
		((struct memif_shm_ring *)(void *)((char *)shm + RING))->desc[0] =
			(struct memif_desc){.length = 1000, .offset = 64 * 1024};
		((struct memif_shm_ring *)(void *)((char *)shm + RING))->head = 1;
		shm->desc[0] = (struct memif_desc){.length = 2048, .offset = 64 * 1024};
		shm->head = 1;
		assert_return_code(ftruncate(fd, cut == 0 ? 8192 : 0), 0);
		if (cut == 0) {
			struct rte_mbuf *got;

			assert_int_equal(s->rxq[0].rx(&s->rxq[0], &got, 1), 0);
		} else {
			s->tx(&s->txq[0], &m, 0);
			if (s->tx(&s->txq[0], &m, 1) == 1)
				m = NULL;
		}
		assert_false(link_of(s, &link));
		assert_string_equal(link.reason, dp_memif_fault_text(DP_MEMIF_LOST));
		rte_pktmbuf_free(m);
		munmap(shm, 128 * 1024);
		close(evil.fd);
		close(fd);
		dp_port_close(s);
	}
}

static void ids_tell_ports_of_one_socket_apart(void **state)
{
	struct dp_port *s1 = must_open("s1", true, "id=1", 1500, 1);
	struct dp_port *s2 = must_open("s2", true, "id=2", 1500, 1), *c;
	struct err err = {0};
	struct dp_link link;

	assert_null(open_port("s3", true, "id=2", 1500, 1, &err));
	assert_string_equal(err.slug, "memif-id");
	c = must_open("c", false, "id=2", 1500, 1);
	assert_true(join(s2, c));
	assert_false(link_of(s1, &link));
	carries(c, s2, 100);
	dp_port_close(s2);
	dp_port_close(s1);
	assert_int_not_equal(access(path, F_OK), 0);
	dp_port_close(c);
}

static void a_wrong_secret_is_turned_away_and_told(void **state)
{
	struct dp_port *s = must_open("s", true, "id=0,secret=abc", 1500, 1);
	struct dp_port *c = must_open("c", false, "secret=abd", 1500, 1);
	struct dp_link link;

	for (int i = 0; i < 5; i++) {
		assert_false(link_of(c, &link));
		assert_false(link_of(s, &link));
	}
	assert_string_equal(link.reason, "a peer came with a wrong secret");
	link_of(c, &link);
	assert_non_null(strstr(link.reason, "wrong secret"));
	dp_port_close(c);
	c = must_open("c", false, "secret=abc", 1500, 1);
	assert_true(join(s, c));
	dp_port_close(s);
	dp_port_close(c);
}

static void arguments_that_mean_nothing_are_refused(void **state)
{
	static const char *const bad[] = {"id=",
					  "id=-1",
					  "id=x",
					  "id=4294967296",
					  "secret=",
					  "role=server",
					  "secret=1234567890123456789012345"};
	struct err err = {0};

	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		assert_null(open_port("s", true, bad[i], 1500, 1, &err));
		assert_string_equal(err.slug, "memif-arguments");
	}
	assert_null(open_port("s", true, NULL, 67, 1, &err));
	assert_string_equal(err.slug, "mtu-range");
}

/* ---- All ---- */

static int start(void **state)
{
	dp = test_dp_create(8191);
	pool = dp_pool(dp, 0, false);
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/s", folder);
	return 0;
}

static int finish(void **state)
{
	test_dp_destroy(dp);
	return rmdir(folder);
}

static int no_buffer_is_lost(void **state)
{
	return test_dp_in_use(dp) == 0 ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_teardown(name, no_buffer_is_lost)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_of_all_sizes_arrive_both_ways),
		TEST(a_full_ring_takes_no_more_and_loses_nothing),
		TEST(a_frame_that_no_ring_holds_is_told_and_holds_up_no_others),
		TEST(an_index_that_runs_away_stops_the_ring),
		TEST(descriptors_outside_of_the_memory_stop_the_ring),
		TEST(the_last_bytes_of_the_memory_are_good),
		TEST(a_client_reads_its_own_buffers_whatever_the_descriptor_says),
		TEST(frames_that_are_none_are_counted_and_the_next_one_arrives),
		TEST(a_frame_longer_than_any_is_malformed),
		TEST(buffers_of_no_length_stop_the_ring),
		TEST(who_sleeps_is_signalled_and_who_polls_is_not),
		TEST(ports_connect_and_carry_frames_both_ways),
		TEST(either_end_may_leave_and_come_back),
		TEST(the_mtu_may_grow_while_connected),
		TEST(the_memory_is_cut_under_the_rings),
		TEST(ids_tell_ports_of_one_socket_apart),
		TEST(a_wrong_secret_is_turned_away_and_told),
		TEST(arguments_that_mean_nothing_are_refused),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
