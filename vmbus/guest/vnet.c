/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See vnet.h.
 */
#include "vmbus/guest/vnet.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "vmbus/rndis.h"

#define ETH_SIZE    14u
#define ETH_TYPE_AT 12u
#define TAG_SIZE    4u
#define TYPE_IP4    0x0800
#define TYPE_IP6    0x86dd
#define TYPE_VLAN   0x8100
#define IP4_SIZE    20u
#define IP6_SIZE    40u
#define TCP_SIZE    20u
#define UDP_SIZE    8u
#define PROTO_TCP   6
#define PROTO_UDP   17
#define TCP_CSUM_AT 16u
#define UDP_CSUM_AT 6u
#define MAX_OFFSET  0x3ffu /* what a PPI can say of where TCP begins */
#define GSO_ECN	    VIRTIO_NET_HDR_GSO_ECN

/* Where the headers of a TCP or UDP frame are; all of them lie within the bytes at hand. */
struct shape {
	uint32_t l3, l4;
	uint32_t headers; /* bytes up to the payload */
	bool ip6, fragment;
	uint8_t proto;
};

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static bool shape_l4(const uint8_t *frame, uint32_t size, struct shape *s)
{
	uint32_t left = size - s->l4;

	if (s->proto == PROTO_UDP) {
		s->headers = s->l4 + UDP_SIZE;
		return left >= UDP_SIZE;
	}
	if (s->proto != PROTO_TCP || left < TCP_SIZE)
		return false;
	s->headers = s->l4 + (frame[s->l4 + 12] >> 4) * 4u;
	return s->headers >= s->l4 + TCP_SIZE && s->headers <= size;
}

static bool shape_of(const uint8_t *frame, uint32_t size, struct shape *s)
{
	uint16_t type;

	*s = (struct shape){.l3 = ETH_SIZE};
	if (size < ETH_SIZE)
		return false;
	type = get16(frame + ETH_TYPE_AT);
	if (type == TYPE_VLAN && size >= ETH_SIZE + TAG_SIZE) {
		type = get16(frame + ETH_TYPE_AT + TAG_SIZE);
		s->l3 += TAG_SIZE;
	}
	if (type == TYPE_IP4 && size - s->l3 >= IP4_SIZE && frame[s->l3] >> 4 == 4) {
		uint32_t header = (frame[s->l3] & 15) * 4u;

		s->proto = frame[s->l3 + 9];
		s->fragment = (get16(frame + s->l3 + 6) & 0x3fff) != 0;
		s->l4 = s->l3 + header;
		return header >= IP4_SIZE && s->l4 <= size && !s->fragment &&
		       shape_l4(frame, size, s);
	}
	if (type != TYPE_IP6 || size - s->l3 < IP6_SIZE || frame[s->l3] >> 4 != 6)
		return false;
	s->ip6 = true;
	s->proto = frame[s->l3 + 6]; /* behind extension headers nothing is offloaded */
	s->l4 = s->l3 + IP6_SIZE;
	return shape_l4(frame, size, s);
}

/* Ones' complement sums. */

static uint32_t sum_bytes(const uint8_t *at, uint32_t size, uint32_t sum)
{
	uint64_t wide = sum;

	for (; size >= 2; at += 2, size -= 2)
		wide += get16(at);
	if (size != 0)
		wide += (uint32_t)at[0] << 8;
	while (wide >> 16 != 0)
		wide = (wide & 0xffff) + (wide >> 16);
	return (uint32_t)wide;
}

/* Of addresses and protocol, and a length of TCP or UDP; 0: left out. */
static uint32_t pseudo_sum(const uint8_t *frame, const struct shape *s, uint32_t length)
{
	uint32_t sum = s->proto + (length >> 16) + (length & 0xffff);

	return s->ip6 ? sum_bytes(frame + s->l3 + 8, 32, sum)
		      : sum_bytes(frame + s->l3 + 12, 8, sum);
}

static uint32_t csum_at(const struct shape *s)
{
	return s->l4 + (s->proto == PROTO_TCP ? TCP_CSUM_AT : UDP_CSUM_AT);
}

/* From the tap. */

/* Here and now, as the header asks: any protocol. */
static int finish_csum(const struct virtio_net_hdr *hdr, uint8_t *frame, uint32_t size)
{
	uint32_t start = hdr->csum_start, at = start + hdr->csum_offset, sum;

	if (start >= size || at + 2 > size)
		return -EBADMSG;
	sum = ~sum_bytes(frame + start, size - start, 0) & 0xffff;
	put16(frame + at, sum == 0 ? 0xffff : sum);
	return 0;
}

/* As Linux's netvsc hands a super-frame over: no lengths, and the TCP checksum over a pseudo-header
 * without one. */
static int ask_lso(const struct virtio_net_hdr *hdr, const struct shape *s, struct guest_frame *f)
{
	bool v6 = (hdr->gso_type & ~GSO_ECN) == VIRTIO_NET_HDR_GSO_TCPV6;

	if (s->proto != PROTO_TCP || s->ip6 != v6 || hdr->gso_size == 0 || s->l4 > MAX_OFFSET)
		return -EBADMSG;
	if (v6) {
		put16(f->data + s->l3 + 4, 0);
	} else {
		put16(f->data + s->l3 + 2, 0);
		put16(f->data + s->l3 + 10, 0);
	}
	put16(f->data + csum_at(s), pseudo_sum(f->data, s, 0));
	f->lso = hdr->gso_size | s->l4 << 20 | RNDIS_LSO_V2 | (v6 ? RNDIS_LSO_IP6 : 0);
	f->flags |= GUEST_HAS_LSO;
	return 0;
}

static int ask_csum(const struct virtio_net_hdr *hdr, const struct shape *s, bool known,
		    struct guest_frame *f)
{
	if (!known || hdr->csum_start != s->l4 ||
	    (uint32_t)hdr->csum_start + hdr->csum_offset != csum_at(s) || s->l4 > MAX_OFFSET)
		return finish_csum(hdr, f->data, f->size);
	f->csum = (s->ip6 ? RNDIS_CSUM_TX_IP6 : RNDIS_CSUM_TX_IP4) |
		  (s->proto == PROTO_TCP ? RNDIS_CSUM_TX_TCP : RNDIS_CSUM_TX_UDP) | s->l4 << 16;
	f->flags |= GUEST_HAS_CSUM;
	return 0;
}

/* Takes the tag out; what counts from the frame's start moves with it. */
static void take_tag(struct virtio_net_hdr *hdr, struct guest_frame *f)
{
	f->vlan_tci = get16(f->data + ETH_SIZE);
	f->flags |= GUEST_HAS_VLAN;
	memmove(f->data + TAG_SIZE, f->data, ETH_TYPE_AT);
	f->data += TAG_SIZE;
	f->size -= TAG_SIZE;
	if (hdr->csum_start >= TAG_SIZE)
		hdr->csum_start = (uint16_t)(hdr->csum_start - TAG_SIZE);
}

int guest_vnet_to_nic(const struct virtio_net_hdr *hdr, struct guest_frame *f)
{
	struct virtio_net_hdr h = *hdr;
	struct shape s;
	bool known;

	if (f->size < ETH_SIZE)
		return -EBADMSG;
	if (get16(f->data + ETH_TYPE_AT) == TYPE_VLAN && f->size >= ETH_SIZE + TAG_SIZE)
		take_tag(&h, f);
	known = shape_of(f->data, f->size, &s);
	if (h.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return known ? ask_lso(&h, &s, f) : -EBADMSG;
	if ((h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0)
		return 0;
	return ask_csum(&h, &s, known, f);
}

/* To the tap. */

static void set_lengths(uint8_t *frame, const struct shape *s, uint32_t total)
{
	uint8_t *ip = frame + s->l3;

	if (s->ip6) {
		put16(ip + 4, total - s->l4);
		return;
	}
	put16(ip + 2, total - s->l3);
	put16(ip + 10, 0);
	put16(ip + 10, ~sum_bytes(ip, s->l4 - s->l3, 0));
}

static void ask_segments(uint8_t *frame, const struct shape *s, uint32_t total, uint16_t mtu,
			 struct virtio_net_hdr *hdr)
{
	uint32_t headers = s->headers - s->l3;

	if (headers >= mtu || total - s->l3 > UINT16_MAX)
		return;
	set_lengths(frame, s, total);
	hdr->gso_type = s->ip6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	hdr->gso_size = (uint16_t)(mtu - headers);
	hdr->hdr_len = (uint16_t)s->headers;
}

void guest_vnet_from_nic(struct guest_frame *f, uint32_t total, uint16_t mtu,
			 struct virtio_net_hdr *ret_hdr)
{
	const uint32_t good = RNDIS_CSUM_RX_TCP_OK | RNDIS_CSUM_RX_UDP_OK;
	struct shape s;

	memset(ret_hdr, 0, sizeof(*ret_hdr));
	if ((f->flags & GUEST_HAS_CSUM) == 0 || (f->csum & good) == 0 ||
	    !shape_of(f->data, f->size, &s))
		return;
	if (s.proto == PROTO_TCP && total - s.l3 > mtu)
		ask_segments(f->data, &s, total, mtu, ret_hdr);
	put16(f->data + csum_at(&s), pseudo_sum(f->data, &s, total - s.l4));
	ret_hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	ret_hdr->csum_start = (uint16_t)s.l4;
	ret_hdr->csum_offset = (uint16_t)(csum_at(&s) - s.l4);
}

void guest_vnet_tag(struct virtio_net_hdr *hdr)
{
	if (hdr->csum_start != 0)
		hdr->csum_start = (uint16_t)(hdr->csum_start + TAG_SIZE);
	if (hdr->hdr_len != 0)
		hdr->hdr_len = (uint16_t)(hdr->hdr_len + TAG_SIZE);
}
