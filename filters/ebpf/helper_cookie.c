/* SPDX-License-Identifier: BSD-2-Clause
 *
 * SYN cookies: a sequence number that proves, without any memory, that who acknowledges it got our
 * SYN+ACK.  Ours are made with a secret of this process, so what checks them is a program here: a
 * kernel behind the switch, which has a secret of its own, does not know them.
 *
 * 	cookie = client's sequence number + hash24(addresses, ports, sequence, minute) << 8
 * 		 + minute (6 bits) << 2 + which MSS (2 bits)
 *
 * hash24 covers minute and MSS, so that nobody changes them.  A cookie is good for two minutes.
 */
#include "filters/ebpf/helper_priv.h"

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define MSS_V4	    536u
#define MSS_V6	    1220u
#define MAX_AGE	    2u /* minutes */
#define MINUTE_MASK 0x3fu
#define OPTION_END  0
#define OPTION_NOP  1
#define OPTION_MSS  2

static const uint16_t sizes_v4[] = {536, 1300, 1440, 1460};
static const uint16_t sizes_v6[] = {1220, 1300, 1420, 1440};

struct flow {
	uint8_t from[16], to[16];
	uint16_t from_port, to_port;
	uint32_t sequence; /* the client's, of its SYN */
	uint32_t minute, mss_index;
};

static uint32_t minute_now(void)
{
	return (uint32_t)(ebpf_now() / 60000000000u);
}

static uint32_t cookie_of(const struct flow *flow)
{
	uint32_t hash = (uint32_t)ebpf_siphash(ebpf_secret(), flow, sizeof(*flow)) & 0xffffff;

	return flow->sequence + (hash << 8 | (flow->minute & MINUTE_MASK) << 2 | flow->mss_index);
}

static void flow_v4(struct flow *flow, const struct iphdr *ip, const struct tcphdr *tcp)
{
	memset(flow, 0, sizeof(*flow));
	memcpy(flow->from, &ip->saddr, 4);
	memcpy(flow->to, &ip->daddr, 4);
	flow->from_port = tcp->source;
	flow->to_port = tcp->dest;
	flow->sequence = ntohl(tcp->seq);
}

static void flow_v6(struct flow *flow, const struct ipv6hdr *ip, const struct tcphdr *tcp)
{
	memset(flow, 0, sizeof(*flow));
	memcpy(flow->from, &ip->saddr, 16);
	memcpy(flow->to, &ip->daddr, 16);
	flow->from_port = tcp->source;
	flow->to_port = tcp->dest;
	flow->sequence = ntohl(tcp->seq);
}

/* The MSS that the SYN's options name; 0: none. */
static uint16_t mss_find(const struct tcphdr *tcp, uint32_t size)
{
	const uint8_t *bytes = (const uint8_t *)tcp;
	uint32_t at = sizeof(*tcp);

	while (at < size && bytes[at] != OPTION_END) {
		if (bytes[at] == OPTION_NOP) {
			at++;
			continue;
		}
		if (size - at < 2 || bytes[at + 1] < 2 || bytes[at + 1] > size - at)
			return 0;
		if (bytes[at] == OPTION_MSS && bytes[at + 1] == 4)
			return (uint16_t)(bytes[at + 2] << 8 | bytes[at + 3]);
		at += bytes[at + 1];
	}
	return 0;
}

static uint64_t cookie_make(struct flow *flow, const struct tcphdr *tcp, uint32_t size,
			    const uint16_t sizes[4], uint16_t otherwise)
{
	uint16_t mss = mss_find(tcp, size);

	if (mss == 0)
		mss = otherwise;
	for (uint32_t i = 3; i > 0 && flow->mss_index == 0; i--)
		if (mss >= sizes[i])
			flow->mss_index = i;
	flow->minute = minute_now();
	return cookie_of(flow) | (uint64_t)sizes[flow->mss_index] << 32;
}

/* 'flow' is of the ACK: its sequence number is one past the SYN's. */
static uint64_t cookie_check(struct flow *flow, const struct tcphdr *tcp)
{
	uint32_t cookie = ntohl(tcp->ack_seq) - 1, now = minute_now(), low, age;

	flow->sequence--;
	low = cookie - flow->sequence;
	age = (now - (low >> 2)) & MINUTE_MASK;
	flow->mss_index = low & 3;
	flow->minute = now - age;
	return age < MAX_AGE && cookie_of(flow) == cookie ? 0 : (uint64_t)-EACCES;
}

static bool size_is_right(const struct tcphdr *tcp, uint32_t size)
{
	return size >= sizeof(*tcp) && size == tcp->doff * 4u;
}

EBPF_HELPER(tcp_raw_gen_syncookie_ipv4)
{
	const struct tcphdr *tcp = ebpf_ptr(r2);
	struct flow flow;

	if (!size_is_right(tcp, (uint32_t)r3))
		return (uint64_t)-EINVAL;
	flow_v4(&flow, ebpf_ptr(r1), tcp);
	return cookie_make(&flow, tcp, (uint32_t)r3, sizes_v4, MSS_V4);
}

EBPF_HELPER(tcp_raw_gen_syncookie_ipv6)
{
	const struct tcphdr *tcp = ebpf_ptr(r2);
	struct flow flow;

	if (!size_is_right(tcp, (uint32_t)r3))
		return (uint64_t)-EINVAL;
	flow_v6(&flow, ebpf_ptr(r1), tcp);
	return cookie_make(&flow, tcp, (uint32_t)r3, sizes_v6, MSS_V6);
}

EBPF_HELPER(tcp_raw_check_syncookie_ipv4)
{
	struct flow flow;

	flow_v4(&flow, ebpf_ptr(r1), ebpf_ptr(r2));
	return cookie_check(&flow, ebpf_ptr(r2));
}

EBPF_HELPER(tcp_raw_check_syncookie_ipv6)
{
	struct flow flow;

	flow_v6(&flow, ebpf_ptr(r1), ebpf_ptr(r2));
	return cookie_check(&flow, ebpf_ptr(r2));
}
