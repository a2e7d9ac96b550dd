/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The parser at the command line, for comparison with other dissectors:
 *
 * 	parse_dump FILE.pcap              one line per frame: fields separated by tabs, named in the
 * first line parse_dump --make N SEED FILE     writes a capture of N random frames
 *
 * A field that the frame does not have is empty.
 */
#include "dataplane/parse.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "tests/support/packet.h"
#include "tests/support/packet_gen.h"

static int make(int n, uint64_t seed, const char *path)
{
	static struct pkt p;
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, PKT_MAX);
	pcap_dumper_t *dumper = pcap_dump_open(pcap, path);
	struct pcap_pkthdr header = {0};

	if (dumper == NULL) {
		fprintf(stderr, "%s\n", pcap_geterr(pcap));
		return 1;
	}
	seed = seed * 2 + 1; /* The generator stands still at 0. */
	for (int i = 0; i < n; i++) {
		pkt_random(&p, &seed);
		header.ts.tv_sec = i;
		header.len = header.caplen = p.size;
		pcap_dump((u_char *)dumper, &header, p.bytes);
	}
	pcap_dump_close(dumper);
	pcap_close(pcap);
	return 0;
}

/* The columns. */
static void number(int there, unsigned value)
{
	if (there)
		printf("%u", value);
	printf("\t");
}

static void address(const uint8_t *frame, const struct dp_headers *h, uint16_t offset)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (offset != 0)
		inet_ntop(h->l3 == DP_L3_IPV6 ? AF_INET6 : AF_INET, frame + offset, text,
			  sizeof(text));
	printf("%s\t", text);
}

static void dump(const uint8_t *frame, uint32_t size)
{
	const int icmp = DP_L4_ICMP, icmpv6 = DP_L4_ICMPV6;
	struct dp_headers h;
	int ports;

	dp_parse(frame, size, &h);
	ports = h.l4_size != 0 && (h.l4 == DP_L4_TCP || h.l4 == DP_L4_UDP || h.l4 == DP_L4_SCTP);
	number(1, h.bad);
	number(1, h.eth_type);
	number(h.n_tags > 0, h.tci[0] & 0xfff);
	number(h.n_tags > 0, h.tci[0] >> 13);
	number(h.n_tags > 1, h.tci[1] & 0xfff);
	number(h.arp_op != 0, h.arp_op);
	number(h.ip_version != 0, h.ip_version);
	address(frame, &h, h.ip_src);
	address(frame, &h, h.ip_dst);
	number(h.ip_version != 0, h.ip_proto);
	number(h.ip_version != 0, h.ip_tos);
	number(h.ip_version != 0, h.ip_ttl);
	number(h.ip_version != 0, h.ip_size);
	number(h.ip_version == 4, h.l3_size);
	number(h.ip_version != 0, h.frag);
	number(ports, h.sport);
	number(ports, h.dport);
	number(h.l4 == DP_L4_TCP, h.l4_size);
	number(h.l4 == DP_L4_TCP, h.tcp_flags);
	number(h.l4 == icmp || h.l4 == icmpv6 || h.l4 == DP_L4_IGMP, h.icmp_type);
	number(h.tunnel != 0, h.tunnel);
	number(h.tunnel != 0, h.tunnel_id);
	printf("\n");
}

int main(int argc, char **argv)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *frame;
	pcap_t *pcap;

	if (argc == 5 && strcmp(argv[1], "--make") == 0)
		return make(atoi(argv[2]), strtoull(argv[3], NULL, 0), argv[4]);
	if (argc != 2) {
		fprintf(stderr, "usage: parse_dump FILE | parse_dump --make N SEED FILE\n");
		return 2;
	}
	pcap = pcap_open_offline(argv[1], error);
	if (pcap == NULL) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	printf("bad\teth_type\tvlan\tpcp\tvlan2\tarp_op\tip_version\tip_src\tip_dst\tip_"
	       "proto\ttos\tttl\t"
	       "ip_size\tl3_size\tfrag\tsport\tdport\ttcp_size\ttcp_flags\ticmp_type\ttunnel\t"
	       "tunnel_id\t\n");
	while (pcap_next_ex(pcap, &header, &frame) == 1)
		dump(frame, header->caplen);
	pcap_close(pcap);
	return 0;
}
