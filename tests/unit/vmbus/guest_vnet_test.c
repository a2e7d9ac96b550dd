/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames between a tap's words and a NIC's, with checksums computed here the long way round.
 */
#include "vmbus/guest/vnet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vmbus/rndis.h"

#define ETH  14
#define TCP  6
#define UDP  17
#define ROOM 70000

struct built {
	uint8_t room[ROOM];
	uint32_t size, l4, csum_at;
	bool ip6;
	uint8_t proto;
};

static uint32_t add(uint32_t sum, const uint8_t *at, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t pseudo(const struct built *b, uint32_t length)
{
	uint8_t tail[4] = {(uint8_t)(length >> 8), (uint8_t)length, 0, b->proto};
	const uint8_t *ip = b->room + b->l4 - (b->ip6 ? 40 : 20);

	return add(add(0, tail, 4), ip + (b->ip6 ? 8 : 12), b->ip6 ? 32 : 8);
}

/* A frame with 'payload' bytes, whose checksum field has the sum of the pseudo-header, as a stack
 * leaves it for a device that offloads. */
static void build(struct built *b, bool ip6, uint8_t proto, uint32_t payload, bool tagged)
{
	uint32_t l3 = ETH + (tagged ? 4 : 0), l4 = l3 + (ip6 ? 40 : 20);
	uint32_t header = proto == TCP ? 32 : 8;

	memset(b, 0, sizeof(*b));
	b->ip6 = ip6;
	b->proto = proto;
	b->l4 = l4;
	b->size = l4 + header + payload;
	for (uint32_t i = 0; i < b->size; i++)
		b->room[i] = (uint8_t)(i * 31 + 5);
	if (tagged) {
		put16(b->room + 12, 0x8100);
		put16(b->room + 14, 0x2abc);
	}
	put16(b->room + l3 - 2, ip6 ? 0x86dd : 0x0800);
	if (ip6) {
		b->room[l3] = 0x60;
		put16(b->room + l3 + 4, header + payload);
		b->room[l3 + 6] = proto;
	} else {
		b->room[l3] = 0x45;
		put16(b->room + l3 + 2, 20 + header + payload);
		put16(b->room + l3 + 6, 0x4000);
		b->room[l3 + 9] = proto;
		put16(b->room + l3 + 10, 0);
		put16(b->room + l3 + 10, ~add(0, b->room + l3, 20));
	}
	if (proto == TCP)
		b->room[l4 + 12] = 8 << 4;
	b->csum_at = l4 + (proto == TCP ? 16 : 6);
	put16(b->room + b->csum_at, pseudo(b, header + payload));
}

static struct virtio_net_hdr wants_csum(const struct built *b)
{
	return (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .csum_start = (uint16_t)b->l4,
				       .csum_offset = (uint16_t)(b->csum_at - b->l4)};
}

static void an_open_checksum_is_left_to_the_host(void **state)
{
	static struct built b;

	for (unsigned i = 0; i < 4; i++) {
		struct guest_frame f;
		struct virtio_net_hdr hdr;
		uint8_t before[200];

		build(&b, i % 2 == 1, i / 2 == 1 ? UDP : TCP, 101, false);
		hdr = wants_csum(&b);
		memcpy(before, b.room, b.size);
		f = (struct guest_frame){.data = b.room, .size = b.size};
		assert_int_equal(guest_vnet_to_nic(&hdr, &f), 0);
		assert_int_equal(f.flags, GUEST_HAS_CSUM);
		assert_int_equal(f.csum & 3, i % 2 == 1 ? RNDIS_CSUM_TX_IP6 : RNDIS_CSUM_TX_IP4);
		assert_int_equal(f.csum & 12, i / 2 == 1 ? RNDIS_CSUM_TX_UDP : RNDIS_CSUM_TX_TCP);
		assert_int_equal(RNDIS_CSUM_TX_OFFSET(f.csum), b.l4);
		assert_memory_equal(b.room, before, b.size);
	}
}

static void a_super_frame_looks_as_linux_leaves_it(void **state)
{
	static struct built b;

	for (unsigned i = 0; i < 2; i++) {
		struct guest_frame f;
		struct virtio_net_hdr hdr;

		build(&b, i == 1, TCP, 30000, false);
		hdr = wants_csum(&b);
		hdr.gso_type = i == 1 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		hdr.gso_size = 1440;
		f = (struct guest_frame){.data = b.room, .size = b.size};
		assert_int_equal(guest_vnet_to_nic(&hdr, &f), 0);
		assert_int_equal(f.flags, GUEST_HAS_LSO);
		assert_int_equal(RNDIS_LSO_MSS(f.lso), 1440);
		assert_int_equal(RNDIS_LSO_OFFSET(f.lso), b.l4);
		assert_int_equal((f.lso & RNDIS_LSO_IP6) != 0, i == 1);
		assert_int_equal(get16(b.room + ETH + (i == 1 ? 4 : 2)), 0);
		assert_int_equal(get16(b.room + b.csum_at), pseudo(&b, 0));
	}
}

static void a_tag_is_taken_out_and_offsets_move(void **state)
{
	static struct built b;
	struct guest_frame f;
	struct virtio_net_hdr hdr;

	build(&b, false, TCP, 50, true);
	hdr = wants_csum(&b);
	f = (struct guest_frame){.data = b.room, .size = b.size};
	assert_int_equal(guest_vnet_to_nic(&hdr, &f), 0);
	assert_int_equal(f.flags, GUEST_HAS_CSUM | GUEST_HAS_VLAN);
	assert_int_equal(f.vlan_tci, 0x2abc);
	assert_int_equal(f.size, b.size - 4);
	assert_int_equal(RNDIS_CSUM_TX_OFFSET(f.csum), b.l4 - 4);
	assert_int_equal(get16(f.data + 12), 0x0800);
}

static void what_the_nic_cannot_be_told_is_computed(void **state)
{
	static struct built b;
	struct guest_frame f;
	struct virtio_net_hdr hdr;

	/* SCTP-like: another protocol, its checksum somewhere. */
	build(&b, false, UDP, 51, false);
	b.room[ETH + 9] = 200;
	hdr = wants_csum(&b);
	f = (struct guest_frame){.data = b.room, .size = b.size};
	assert_int_equal(guest_vnet_to_nic(&hdr, &f), 0);
	assert_int_equal(f.flags, 0);
	b.proto = UDP; /* its pseudo-header is what was in the field */
	assert_int_equal(add(pseudo(&b, 8 + 51), b.room + b.l4, 8 + 51), 0xffff);
}

static void headers_that_do_not_fit_their_frame_are_refused(void **state)
{
	static struct built b;
	struct guest_frame f;
	struct virtio_net_hdr hdr;

	for (uint32_t size = 0; size < 90; size++) {
		for (unsigned type = 0; type < 6; type++) {
			build(&b, type % 2 == 1, TCP, 8, false);
			hdr = wants_csum(&b);
			hdr.gso_type = (uint8_t)type;
			hdr.gso_size = 1;
			f = (struct guest_frame){.data = b.room, .size = size};
			if (size < b.csum_at + 2)
				assert_int_equal(guest_vnet_to_nic(&hdr, &f), -EBADMSG);
		}
	}
	build(&b, false, TCP, 1000, false);
	hdr = wants_csum(&b);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV6; /* of an IPv4 frame */
	hdr.gso_size = 500;
	f = (struct guest_frame){.data = b.room, .size = b.size};
	assert_int_equal(guest_vnet_to_nic(&hdr, &f), -EBADMSG);
}

static void a_good_checksum_stays_one_that_a_kernel_can_complete(void **state)
{
	static struct built b;

	for (unsigned i = 0; i < 4; i++) {
		struct guest_frame f;
		struct virtio_net_hdr hdr;
		uint32_t length, expected;

		build(&b, i % 2 == 1, i / 2 == 1 ? UDP : TCP, 77, false);
		length = b.size - b.l4;
		expected = ~add(0, b.room + b.l4, length) & 0xffff; /* over the pseudo sum in it */
		put16(b.room + b.csum_at, expected);
		f = (struct guest_frame){.data = b.room,
					 .size = b.size,
					 .flags = GUEST_HAS_CSUM,
					 .csum = i / 2 == 1 ? RNDIS_CSUM_RX_UDP_OK
							    : RNDIS_CSUM_RX_TCP_OK};
		guest_vnet_from_nic(&f, f.size, 1500, &hdr);
		assert_int_equal(hdr.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		assert_int_equal(hdr.csum_start, b.l4);
		/* Completed as the kernel does, it is the checksum that it was. */
		assert_int_equal(~add(0, b.room + hdr.csum_start, length) & 0xffff, expected);
		guest_vnet_tag(&hdr);
		assert_int_equal(hdr.csum_start, b.l4 + 4);
	}
}

static void nothing_is_said_about_a_frame_that_nobody_checked(void **state)
{
	static struct built b;
	const struct virtio_net_hdr zero = {0};
	struct virtio_net_hdr hdr;
	struct guest_frame f;

	build(&b, false, TCP, 77, false);
	f = (struct guest_frame){.data = b.room, .size = b.size};
	guest_vnet_from_nic(&f, f.size, 1500, &hdr);
	assert_memory_equal(&hdr, &zero, sizeof(hdr));
	f.flags = GUEST_HAS_CSUM;
	f.csum = RNDIS_CSUM_RX_TCP_FAILED;
	guest_vnet_from_nic(&f, f.size, 1500, &hdr);
	assert_memory_equal(&hdr, &zero, sizeof(hdr));
}

static void a_large_frame_is_cut_to_the_mtu_if_it_goes_further(void **state)
{
	static struct built b;

	for (unsigned i = 0; i < 2; i++) {
		struct virtio_net_hdr hdr;
		struct guest_frame f;
		uint32_t l3_size = i == 1 ? 40 : 20;

		build(&b, i == 1, TCP, 40000, false);
		put16(b.room + ETH + (i == 1 ? 4 : 2), 0); /* as LSO leaves it */
		/* The first of several pieces. */
		f = (struct guest_frame){.data = b.room,
					 .size = 1500,
					 .flags = GUEST_HAS_CSUM,
					 .csum = RNDIS_CSUM_RX_TCP_OK};
		guest_vnet_from_nic(&f, b.size, 1500, &hdr);
		assert_int_equal(hdr.gso_type,
				 i == 1 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
		assert_int_equal(hdr.gso_size, 1500 - l3_size - 32);
		assert_int_equal(get16(b.room + ETH + (i == 1 ? 4 : 2)), i == 1 ? 40032 : 40052);
		if (i == 0)
			assert_int_equal(add(0, b.room + ETH, 20), 0xffff);
		assert_int_equal(get16(b.room + b.csum_at), pseudo(&b, 40032));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_checksum_is_left_to_the_host),
		cmocka_unit_test(a_super_frame_looks_as_linux_leaves_it),
		cmocka_unit_test(a_tag_is_taken_out_and_offsets_move),
		cmocka_unit_test(what_the_nic_cannot_be_told_is_computed),
		cmocka_unit_test(headers_that_do_not_fit_their_frame_are_refused),
		cmocka_unit_test(a_good_checksum_stays_one_that_a_kernel_can_complete),
		cmocka_unit_test(nothing_is_said_about_a_frame_that_nobody_checked),
		cmocka_unit_test(a_large_frame_is_cut_to_the_mtu_if_it_goes_further),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
