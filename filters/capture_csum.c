/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Finishes a checksum in the capture's copy of a frame; see filter_csum_finish() in
 * capture_priv.h.
 *
 * A virtual port hands over frames whose transport checksum the receiver will never need; the
 * field then holds a sum of addresses only, and Wireshark would call each such frame damaged.
 * The copy gets the checksum that the frame would have on a wire.  The pseudo-header is summed
 * from the addresses in the frame rather than taken from the field, because what the field holds
 * differs for super-frames (Linux adds the length, DPDK does not).  Sources: RFC 9293 3.1, RFC
 * 768, RFC 8200 8.1, RFC 9260 appendix A.
 */
#include "filters/capture_priv.h"

#include <string.h>

#include <rte_hash_crc.h>

enum { PROTO_TCP = 6, PROTO_UDP = 17, IPV4_MIN = 20, IPV6_SIZE = 40 };

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint64_t sum16(const uint8_t *p, size_t size)
{
	uint64_t sum = 0;

	for (; size >= 2; p += 2, size -= 2)
		sum += be16(p);
	return size == 0 ? sum : sum + (uint64_t)(p[0] << 8);
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Bytes from the transport header to the end of the IP packet, which may be before the frame's
 * end (padding); what the frame holds when the length field is 0 (super-frames beyond 64 KiB) or
 * lies. */
static size_t transport_size(const uint8_t *ip, size_t room, size_t l3, bool v6)
{
	size_t total = v6 ? (size_t)be16(ip + 4) + IPV6_SIZE : be16(ip + 2);

	return total > l3 && total <= room ? total - l3 : room - l3;
}

/* CRC32c of bytes that need not be aligned. */
static uint32_t crc32c(const uint8_t *p, size_t size)
{
	uint32_t crc = UINT32_MAX;
	uint64_t word;

	for (; size >= sizeof(word); p += sizeof(word), size -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		crc = rte_hash_crc_8byte(word, crc);
	}
	for (; size != 0; p++, size--)
		crc = rte_hash_crc_1byte(*p, crc);
	return ~crc;
}

static void finish_sctp(uint8_t *l4, size_t size)
{
	uint32_t crc;

	memset(l4 + 8, 0, 4);
	crc = crc32c(l4, size); /* Least significant byte first. */
	for (unsigned i = 0; i < 4; i++)
		l4[8 + i] = (uint8_t)(crc >> (8 * i));
}

static void finish_sum(uint8_t *l4, size_t size, const uint8_t *ip, bool v6, bool udp)
{
	size_t at = udp ? 6 : 16;
	uint64_t sum = v6 ? sum16(ip + 8, 32) : sum16(ip + 12, 8);
	uint16_t csum;

	l4[at] = l4[at + 1] = 0;
	sum += (udp ? PROTO_UDP : PROTO_TCP) + size;
	csum = (uint16_t)~fold(sum + sum16(l4, size));
	if (udp && csum == 0)
		csum = 0xffff;
	l4[at] = (uint8_t)(csum >> 8);
	l4[at + 1] = (uint8_t)csum;
}

bool filter_csum_finish(uint8_t *frame, size_t size, size_t l2, size_t l3, uint32_t flags)
{
	const bool v6 = (flags & FILTER_REC_IPV6) != 0, udp = (flags & FILTER_REC_CSUM_UDP) != 0;
	const size_t need = (flags & FILTER_REC_CSUM_TCP) != 0 ? 20 : udp ? 8 : 12;
	uint8_t *ip, *l4;
	size_t n;

	if (l3 < (v6 ? (size_t)IPV6_SIZE : (size_t)IPV4_MIN) || l2 > size || l3 > size - l2)
		return false;
	ip = frame + l2;
	l4 = ip + l3;
	n = transport_size(ip, size - l2, l3, v6);
	if (n < need)
		return false;
	if ((flags & FILTER_REC_CSUM_SCTP) != 0)
		finish_sctp(l4, n);
	else
		finish_sum(l4, n, ip, v6, udp);
	return true;
}
