/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes seeds for a corpus: seed parse|offload|rewrite|vnet N DIR.  The same N files every time.
 */
#include "tests/fuzz/offload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/key.h"
#include "dataplane/parse.h"
#include "dataplane/vnet.h"
#include "tests/fuzz/rewrite.h"
#include "tests/support/oracle.h"
#include "tests/support/packet.h"
#include "tests/support/packet_gen.h"

/* As vnet_fuzz.c reads it. */
struct vnet_head {
	struct virtio_net_hdr hdr;
	uint16_t cut, tci;
};

static struct pkt p;

static int write_seed(const char *dir, const char *what, int i, const void *head, size_t head_size)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/seed-%s-%03d", dir, what, i);
	file = fopen(path, "wb");
	if (file == NULL) {
		perror(path);
		return -1;
	}
	fwrite(head, 1, head_size, file);
	fwrite(p.bytes, 1, p.size, file);
	return fclose(file);
}

/* The request that fits the frame. */
static struct offload_input offload_of(uint64_t *state)
{
	struct offload_input in = {0};
	struct dp_headers h;

	oracle_parse(p.bytes, p.size, p.size, &h);
	in.flags = h.ip_version == 6 ? OFFLOAD_IPV6 : OFFLOAD_IPV4;
	if (h.l4 == DP_L4_TCP)
		in.flags |= OFFLOAD_L4(1) | (pkt_rand(state) >> 63 ? OFFLOAD_TCP_SEG : 0);
	if (h.l4 == DP_L4_UDP)
		in.flags |= OFFLOAD_L4(3) | (pkt_rand(state) >> 63 ? OFFLOAD_UDP_SEG : 0);
	if (h.l4 == DP_L4_SCTP)
		in.flags |= OFFLOAD_L4(2);
	in.l2_len = h.l2_size;
	in.l3_len = h.l3_size;
	in.l4_len = h.l4_size;
	in.max_segments = 64;
	in.tso_segsz = 10 + pkt_rand(state) % 100;
	in.csum_start = h.l2_size + h.l3_size;
	in.csum_offset = h.l4 == DP_L4_TCP ? 16 : h.l4 == DP_L4_UDP ? 6 : 8;
	in.cuts[0] = pkt_rand(state) >> 63 ? p.size : in.csum_start + h.l4_size;
	for (unsigned i = 1; i < OFFLOAD_CUTS; i++)
		in.cuts[i] = pkt_rand(state) % 50;
	return in;
}

/* The header with which a kernel would hand the frame over, and where its first segment ends. */
static struct vnet_head vnet_of(uint64_t *state)
{
	struct vnet_head head = {0};
	struct dp_headers h;

	oracle_parse(p.bytes, p.size, p.size, &h);
	head.hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	head.hdr.csum_start = h.l2_size + h.l3_size;
	head.hdr.csum_offset = h.l4 == DP_L4_TCP ? 16 : h.l4 == DP_L4_UDP ? 6 : 8;
	head.hdr.gso_size = 10 + pkt_rand(state) % 100;
	if (pkt_rand(state) >> 63)
		head.hdr.gso_type = h.l4 == DP_L4_UDP	? DP_VNET_GSO_UDP_L4
				    : h.ip_version == 6 ? VIRTIO_NET_HDR_GSO_TCPV6
							: VIRTIO_NET_HDR_GSO_TCPV4;
	if ((pkt_rand(state) >> 62) == 0)
		head.cut = 0x8000; /* a tag */
	return head;
}

/* Changes at random, and for half of the frames the request that fits. */
static struct rewrite_input rewrite_of(uint64_t *state)
{
	struct offload_input offload = offload_of(state);
	struct rewrite_input in = {.headroom = 128, .n_ops = 1 + pkt_rand(state) % REWRITE_MAX_OPS};

	if (pkt_rand(state) >> 63) {
		in.csum_start = offload.csum_start;
		in.csum_offset = offload.csum_offset;
	}
	for (unsigned i = 0; i < in.n_ops; i++) {
		in.ops[i].op = (uint8_t)(pkt_rand(state) % REWRITE_N_OPS);
		in.ops[i].field = (uint8_t)(pkt_rand(state) % DP_N_FIELDS);
		in.ops[i].value = (uint32_t)(pkt_rand(state) >> 32);
		in.ops[i].mask = pkt_rand(state) >> 63 ? UINT32_MAX : in.ops[i].value >> 3;
	}
	return in;
}

int main(int argc, char **argv)
{
	uint64_t state = 2024;

	if (argc != 4) {
		fprintf(stderr, "usage: seed parse|offload|rewrite|vnet N DIR\n");
		return 2;
	}
	for (int i = 0; i < atoi(argv[2]); i++) {
		const uint8_t whole = 0;
		struct offload_input in;
		struct rewrite_input rewrite;
		struct vnet_head head;

		do
			pkt_random(&p, &state);
		while (p.size > 300);
		in = offload_of(&state);
		if (strcmp(argv[1], "rewrite") == 0) {
			rewrite = rewrite_of(&state);
			if (write_seed(argv[3], argv[1], i, &rewrite, sizeof(rewrite)))
				return 1;
			continue;
		}
		if (strcmp(argv[1], "vnet") == 0) {
			head = vnet_of(&state);
			if (write_seed(argv[3], argv[1], i, &head, sizeof(head)))
				return 1;
		} else if (strcmp(argv[1], "parse") == 0
				   ? write_seed(argv[3], argv[1], i, &whole, 1)
				   : write_seed(argv[3], argv[1], i, &in, sizeof(in))) {
			return 1;
		}
	}
	return 0;
}
