/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A NIC joined to a tap device of a real kernel: what its sockets send reaches the host with what
 * has to be said about it, and what the host sends reaches its sockets.
 */
#include "tests/support/guest_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/base/clock.h"
#include "tests/support/own_net.h"
#include "vmbus/guest/join.h"
#include "vmbus/guest/tap.h"

#define PORT 4711

struct bench {
	struct guest_rig rig;
	struct tap tap;
	struct join join;
	pthread_t thread;
	atomic_bool stop;
	int sock;
};

static const uint8_t peer[6] = {2, 0, 0, 0, 0, 9};

static void *run(void *arg)
{
	join_run(arg);
	return NULL;
}

static void start(struct bench *b)
{
	struct guest_net_conf conf = {.n_queues = 1,
				      .recv_size = 1u << 20,
				      .send_size = 1u << 20,
				      .ring_pages = 16};
	struct tap_settings settings = {.mtu = 1500, .csum = true, .tso4 = true, .gso_max = 60000};
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct err err = {0};

	memset(b, 0, sizeof(*b));
	guest_rig_init(&b->rig);
	guest_rig_start(&b->rig, &conf);
	memcpy(settings.mac, b->rig.nic.mac, 6);
	if (tap_open("vt0", NULL, 1, &b->tap, &err) != 0 || tap_set(&b->tap, &settings, &err) != 0)
		fail_msg("%s", err.what);
	own_net_sh("ip address add 10.77.0.1/24 dev vt0");
	own_net_sh("ip neighbour add 10.77.0.2 lladdr 02:00:00:00:00:09 dev vt0");
	b->sock = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(b->sock, (struct sockaddr *)&here, sizeof(here)), 0);
	b->join = (struct join){
		.queue = guest_net_queue(b->rig.net, 0),
		.net = b->rig.net,
		.call_fd = guest_net_channel(b->rig.net, 0)->call_fd,
		.tap_fd = b->tap.fds[0],
		.stop_fd = eventfd(0, 0),
		.mtu = 1500,
		.stop = &b->stop,
	};
	assert_int_equal(pthread_create(&b->thread, NULL, run, &b->join), 0);
}

static void stop(struct bench *b)
{
	uint64_t one = 1;

	atomic_store(&b->stop, true);
	assert_int_equal(write(b->join.stop_fd, &one, sizeof(one)), sizeof(one));
	pthread_join(b->thread, NULL);
	close(b->join.stop_fd);
	close(b->sock);
	tap_close(&b->tap);
	guest_rig_stop(&b->rig);
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

/* The frame to UDP port 7 that the host gets. */
static const struct fake_frame *find_datagram(struct bench *b)
{
	const uint64_t end = clock_mono_ns() + 20000000000ull;

	do {
		guest_rig_work(&b->rig);
		for (unsigned i = 0; i < b->rig.vsp->n_frames; i++) {
			const struct fake_frame *f = &b->rig.vsp->frames[i];

			if (f->packet.frame_size > 42 && get16(f->data + 12) == 0x0800 &&
			    f->data[23] == 17 && get16(f->data + 36) == 7)
				return f;
		}
		usleep(1000);
	} while (clock_mono_ns() < end);
	fail_msg("no datagram came");
	return &b->rig.vsp->frames[0];
}

static void a_datagram_reaches_the_host_with_its_checksum_left_open(void **state)
{
	struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(7)};
	static const uint32_t sizes[] = {1, 100, 1472};
	char bytes[1472];
	struct bench b;

	memset(bytes, 'x', sizeof(bytes));
	there.sin_addr.s_addr = inet_addr("10.77.0.2");
	start(&b);
	for (unsigned i = 0; i < 3; i++) {
		const struct fake_frame *f;

		fake_vsp_forget(b.rig.vsp);
		assert_int_equal(sendto(b.sock, bytes, sizes[i], 0, (struct sockaddr *)&there,
					sizeof(there)),
				 sizes[i]);
		f = find_datagram(&b);
		assert_int_equal(f->packet.frame_size, 42 + sizes[i]);
		assert_memory_equal(f->data, peer, 6);
		assert_memory_equal(f->data + 42, bytes, sizes[i]);
		assert_true(f->packet.has_csum);
		assert_int_equal(f->packet.csum, RNDIS_CSUM_TX_IP4 | RNDIS_CSUM_TX_UDP | 34u << 16);
	}
	stop(&b);
}

/* From 10.77.0.2 to the socket, with a UDP checksum that is wrong. */
static void datagram(const struct bench *b, uint8_t *f, uint8_t byte)
{
	static const uint8_t ip[20] = {0x45, 0, 0,  38, 0, 0, 0,  0,  64, 17,
				       0,    0, 10, 77, 0, 2, 10, 77, 0,  1};
	uint32_t sum = 0;

	memset(f, 0, 60);
	memcpy(f, b->rig.nic.mac, 6);
	memcpy(f + 6, peer, 6);
	f[12] = 8;
	memcpy(f + 14, ip, sizeof(ip));
	for (unsigned i = 0; i < 20; i += 2)
		sum += get16(f + 14 + i);
	sum = ~((sum & 0xffff) + (sum >> 16));
	f[24] = (uint8_t)(sum >> 8);
	f[25] = (uint8_t)sum;
	f[35] = 7;
	f[36] = PORT >> 8;
	f[37] = PORT & 0xff;
	f[39] = 18;
	f[40] = 0xde;
	f[41] = 0xad;
	memset(f + 42, byte, 10);
}

static void host_sends(struct bench *b, const uint8_t *frame, bool checked)
{
	struct rndis_packet packet = {.frame_size = 52,
				      .has_csum = checked,
				      .csum = RNDIS_CSUM_RX_UDP_OK};

	assert_true(fake_vsp_send(b->rig.vsp, 0, 1, &frame, &packet));
}

static void what_the_host_found_good_is_not_checked_again(void **state)
{
	struct pollfd fd;
	uint8_t frame[60];
	char got[64];
	struct bench b;

	start(&b);
	fd = (struct pollfd){.fd = b.sock, .events = POLLIN};
	datagram(&b, frame, 'u');
	host_sends(&b, frame, false); /* the kernel looks, and drops it */
	datagram(&b, frame, 'c');
	host_sends(&b, frame, true);
	assert_int_equal(poll(&fd, 1, 20000), 1);
	assert_int_equal(recv(b.sock, got, sizeof(got), 0), 10);
	assert_int_equal(got[0], 'c');
	assert_int_equal(poll(&fd, 1, 50), 0);
	stop(&b);
}

static void the_device_takes_what_it_is_told(void **state)
{
	struct bench b;

	start(&b);
	own_net_sh("ip -d link show vt0 | grep -q 02:15:5d:01:02:03");
	own_net_sh("ip -d link show vt0 | grep -q 'gso_max_size 60000'");
	own_net_sh("ip link show vt0 | grep -q LOWER_UP");
	tap_set_carrier(&b.tap, false);
	own_net_sh("! ip link show vt0 | grep -q LOWER_UP");
	assert_false(tap_gone(&b.tap));
	own_net_sh("ip link delete vt0");
	assert_true(tap_gone(&b.tap));
	stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram_reaches_the_host_with_its_checksum_left_open),
		cmocka_unit_test(what_the_host_found_good_is_not_checked_again),
		cmocka_unit_test(the_device_takes_what_it_is_told),
	};

	if (!own_net_enter())
		return OWN_NET_SKIPPED;
	if (access("/dev/net/tun", R_OK | W_OK) != 0) {
		printf("skipped: no /dev/net/tun\n");
		return OWN_NET_SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
