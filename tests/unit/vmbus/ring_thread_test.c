/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A ring between two threads that sleep on event descriptors, as host and guest do: memory order,
 * which ring_model_test.c cannot show.  Whoever sleeps for ten seconds was not woken.  And a third
 * thread that changes words of ring and header all the time: nothing outside of what it may write
 * is touched (ASan), everything ends.
 *
 * With -Db_sanitize=thread the first half shows that no byte of a packet is read while it is
 * written.
 */
#include "vmbus/packet.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "hv/gpa.h"

#define SIZE	  4096u
#define N_PACKETS 200000u
#define PATIENCE  10000 /* ms */
#define HOSTILE_S 1

struct pair {
	_Alignas(4096) uint8_t pages[2 * 4096];
	struct vmbus_ring ring;
	int data_fd, room_fd;
	uint32_t n_packets, most; /* packets a batch */
	const char *failure;	  /* of either thread */
	atomic_bool stop;
};

static void pair_init(struct pair *p, uint32_t n_packets, uint32_t most)
{
	memset(p, 0, sizeof(*p));
	p->ring = (struct vmbus_ring){(void *)p->pages, p->pages + 4096, SIZE};
	p->data_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	p->room_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	p->n_packets = n_packets;
	p->most = most;
}

static void pair_fini(struct pair *p)
{
	close(p->data_fd);
	close(p->room_fd);
}

static void signal_fd(int fd)
{
	eventfd_write(fd, 1);
}

static bool wait_fd(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	eventfd_t n;

	if (poll(&pfd, 1, PATIENCE) != 1)
		return false;
	eventfd_read(fd, &n);
	return true;
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static void *produce(void *arg)
{
	struct pair *p = arg;
	struct vmbus_out out;
	uint32_t random = 1, n = 0;
	uint8_t payload[200];

	vmbus_out_init(&out, &p->ring);
	while (n < p->n_packets) {
		uint32_t batch = 1 + next_random(&random) % p->most, wanted = 0;

		vmbus_out_begin(&out);
		for (; batch > 0 && n < p->n_packets; batch--) {
			size_t size = n % sizeof(payload);

			memset(payload, (uint8_t)n, size);
			if (vmbus_out_put(&out, VMBUS_PKT_INBAND, 0, n, NULL, 0, payload, size)) {
				wanted = vmbus_packet_size(0, size);
				break;
			}
			n++;
		}
		if (vmbus_out_end(&out))
			signal_fd(p->data_fd);
		if (wanted == 0 || !vmbus_out_wait(&out, wanted))
			continue;
		if (!wait_fd(p->room_fd)) {
			p->failure = "producer was not woken";
			break;
		}
		vmbus_out_wait(&out, 0);
	}
	return NULL;
}

static bool payload_is(const struct vmbus_in *in, const struct vmbus_packet *packet, uint32_t n)
{
	uint8_t got[256];
	uint32_t size = n % 200;

	if (packet->desc.transaction_id != n || packet->payload_size != ((size + 7) & ~7u) ||
	    !vmbus_in_copy(in, packet, 16, got, packet->payload_size))
		return false;
	for (uint32_t i = 0; i < size; i++)
		if (got[i] != (uint8_t)n)
			return false;
	return true;
}

static void *consume(void *arg)
{
	struct pair *p = arg;
	struct vmbus_packet packet = {0};
	struct vmbus_in in;
	uint32_t random = 2, n = 0;

	vmbus_in_init(&in, &p->ring);
	vmbus_in_mask(&in, true);
	while (n < p->n_packets) {
		uint32_t batch = 1 + next_random(&random) % p->most;

		if (vmbus_in_begin(&in) == 0 && vmbus_in_sleep(&in)) {
			if (!wait_fd(p->data_fd)) {
				p->failure = "consumer was not woken";
				break;
			}
			vmbus_in_mask(&in, true);
			continue;
		}
		for (; batch > 0 && vmbus_in_next(&in, &packet); batch--)
			if (!payload_is(&in, &packet, n++)) {
				p->failure = "another packet than the next";
				n = p->n_packets;
				break;
			}
		if (vmbus_in_end(&in))
			signal_fd(p->room_fd);
	}
	return NULL;
}

static void run_pair(uint32_t n_packets, uint32_t most)
{
	static struct pair p;
	pthread_t threads[2];

	pair_init(&p, n_packets, most);
	pthread_create(&threads[0], NULL, produce, &p);
	pthread_create(&threads[1], NULL, consume, &p);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	pair_fini(&p);
	if (p.failure != NULL)
		fail_msg("%s", p.failure);
}

static void nobody_sleeps_for_ever_with_single_packets(void **state)
{
	run_pair(N_PACKETS, 1);
}

static void nobody_sleeps_for_ever_with_batches(void **state)
{
	run_pair(5 * N_PACKETS, 16);
}

/* ---- A peer that writes what it likes ---- */

static void *flip(void *arg)
{
	struct pair *p = arg;
	uint32_t random = 3;

	while (!atomic_load_explicit(&p->stop, memory_order_relaxed))
		for (unsigned i = 0; i < 64; i++) {
			uint32_t r = next_random(&random);
			volatile uint32_t *word;

			/* The header's four words, mostly with what could be, and some word. */
			if (r % 4 == 0)
				word = (volatile uint32_t *)(void *)p->pages + r / 4 % 4;
			else
				word = (volatile uint32_t *)(void *)(p->pages + 4096) +
				       r / 4 % (SIZE / 4);
			*word = r % 4 == 0 && r % 3 != 0 ? r / 16 % SIZE & ~7u
							 : next_random(&random) >> r % 24;
		}
	return NULL;
}

static void read_packet(const struct vmbus_in *in, const struct vmbus_packet *packet,
			const struct gpa_map *map, uint64_t *sum)
{
	struct vmbus_piece pieces[32];
	struct vmbus_range ranges[32];
	uint8_t bytes[64];
	uint32_t size = 0;
	uint16_t id;
	int n = vmbus_gpa_read(in, packet, map, pieces, 32, &size);

	for (int i = 0; i < n; i++) {
		*sum += pieces[i].va[0] + pieces[i].va[pieces[i].size - 1];
		assert_true(pieces[i].size <= size);
	}
	n = vmbus_transfer_read(in, packet, &id, ranges, 32);
	for (int i = 0; i < n; i++)
		*sum += ranges[i].size;
	if (vmbus_in_copy(in, packet, packet->header_size, bytes, sizeof(bytes)))
		*sum += bytes[63];
}

static void what_a_peer_flips_breaks_its_ring_only(void **state)
{
#ifdef __SANITIZE_THREAD__
	skip(); /* It races; that is what it is for. */
#endif
	static _Alignas(4096) uint8_t memory[64 * 4096];
	static const enum vmbus_packet_type types[] = {VMBUS_PKT_INBAND, VMBUS_PKT_GPA_DIRECT,
						       VMBUS_PKT_TRANSFER_PAGES};
	struct gpa_map map = {.n = 1, .range = {{0, sizeof(memory), memory}}};
	uint64_t header[3] = {1ull << 32, 100, 5}, sum = 0, taken = 0, faults[4] = {0};
	time_t end = time(NULL) + HOSTILE_S + 1;
	static struct pair p;
	pthread_t thread;

	pair_init(&p, 0, 0);
	pthread_create(&thread, NULL, flip, &p);
	while (time(NULL) < end) {
		struct vmbus_packet packet;
		struct vmbus_out out;
		struct vmbus_in in;

		vmbus_out_init(&out, &p.ring);
		vmbus_out_begin(&out);
		for (unsigned i = 0; i < 64; i++)
			vmbus_out_put(&out, types[i % 3], 0, i, header, sizeof(header), memory, i);
		vmbus_out_end(&out);
		vmbus_in_init(&in, &p.ring);
		vmbus_in_begin(&in);
		for (unsigned i = 0; i < SIZE / 24 && vmbus_in_next(&in, &packet); i++, taken++)
			read_packet(&in, &packet, &map, &sum);
		vmbus_in_end(&in);
		assert_in_range(in.fault, 0, VMBUS_N_RING_FAULTS - 1);
		faults[in.fault]++;
	}
	atomic_store(&p.stop, true);
	pthread_join(thread, NULL);
	pair_fini(&p);
	print_message("%llu packets; rings: %llu whole, %llu index, %llu descriptor, %llu length\n",
		      (unsigned long long)taken, (unsigned long long)faults[0],
		      (unsigned long long)faults[1], (unsigned long long)faults[2],
		      (unsigned long long)faults[3]);
	assert_true(taken > 0 && faults[1] > 0 && faults[2] > 0 && faults[3] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_sleeps_for_ever_with_single_packets),
		cmocka_unit_test(nobody_sleeps_for_ever_with_batches),
		cmocka_unit_test(what_a_peer_flips_breaks_its_ring_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
