/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The station that a VTEP is on its link: it answers ARP, neighbour solicitations and echo
 * requests, and asks for its neighbours.  All input is the underlay's and untrusted: what is not
 * exactly one of these is dropped.  Workers.
 *
 * Sources: RFC 826, 792; RFC 4861 4.3, 4.4, 7.2, 4443 4.1.
 */
#include "dataplane/neigh.h"
#include "dataplane/rewrite.h"
#include "dataplane/again.h"
#include "dataplane/tunnel_priv.h"

#include <rte_arp.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#define ETH_SIZE      14u
#define ARP_SIZE      28u
#define ARP_REQUEST   1
#define ARP_REPLY     2
#define ICMP_ECHO     8
#define ICMP6_ECHO    128
#define ICMP6_REPLY   129
#define ND_SOLICIT    135
#define ND_ADVERTISE  136
#define ND_SIZE	      24u /* before options */
#define ND_OPT_SOURCE 1
#define ND_OPT_TARGET 2
#define ND_FLAGS      0x60 /* solicited, override */

/* What a traced frame says is not heard. */
static void learn(struct dp_worker *w, const struct dp_vtep *vtep, const struct dp_ip *ip,
		  const uint8_t *mac)
{
	if (w->trace == NULL)
		dp_neigh_learn(vtep->neighs, ip, mac, dp_worker_now_ms(w));
}

static struct dp_ip ip4_of(const uint8_t *p)
{
	struct dp_ip ip = {0};

	memcpy(&ip.v4, p, 4);
	return ip;
}

static struct dp_ip ip6_of(const uint8_t *p)
{
	struct dp_ip ip = {.v6 = true};

	memcpy(ip.b, p, 16);
	return ip;
}

/* The frame with bytes of its own, to be changed into an answer. */
static uint8_t *to_write(struct dp_worker *w, struct rte_mbuf **m)
{
	*m = dp_rw_own(*m, dp_pool(w->dp, 0, false));
	return *m != NULL ? rte_pktmbuf_mtod(*m, uint8_t *) : NULL;
}

static void answer_macs(const struct dp_vtep *vtep, uint8_t *d, const uint8_t *to)
{
	memmove(d, to, 6);
	memcpy(d + 6, vtep->mac.addr_bytes, 6);
}

static enum dp_drop arp(struct dp_worker *w, const struct dp_vtep *vtep, struct rte_mbuf *m)
{
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *), *a = d + ETH_SIZE;
	static const uint8_t ether_ip4[] = {0, 1, 8, 0, 6, 4, 0};
	uint8_t mac[6];
	struct dp_ip sender;

	if (m->data_len < ETH_SIZE + ARP_SIZE || memcmp(a, ether_ip4, sizeof(ether_ip4)) != 0 ||
	    !vtep->v4.there)
		return DP_DROP_VTEP_UNUSED;
	sender = ip4_of(a + 14);
	if (sender.v4 != 0)
		learn(w, vtep, &sender, a + 8);
	if (memcmp(a + 24, vtep->v4.address.b, 4) != 0 || sender.v4 == vtep->v4.address.v4)
		return DP_DROP_VTEP_UNUSED;
	if (a[7] == ARP_REPLY) {
		rte_pktmbuf_free(m);
		return DP_N_DROPS;
	}
	if (a[7] != ARP_REQUEST)
		return DP_DROP_VTEP_UNUSED;
	memcpy(mac, a + 8, 6);
	d = to_write(w, &m);
	if (d == NULL)
		return DP_N_DROPS;
	a = d + ETH_SIZE;
	answer_macs(vtep, d, mac);
	a[7] = ARP_REPLY;
	memmove(a + 18, a + 8, 10); /* its sender is the target */
	memcpy(a + 8, vtep->mac.addr_bytes, 6);
	memcpy(a + 14, vtep->v4.address.b, 4);
	dp_again(w, vtep->port, m);
	return DP_N_DROPS;
}

/* ICMPv6's checksum over 'size' contiguous bytes. */
static uint16_t icmp6_sum(const uint8_t *ip, const uint8_t *icmp, uint32_t size)
{
	uint32_t sum = rte_raw_cksum(icmp, size) + rte_raw_cksum(ip + 8, 32);

	sum += rte_cpu_to_be_16((uint16_t)size) + rte_cpu_to_be_16(58);
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return (uint16_t)sum;
}

static void icmp6_fill(uint8_t *ip, uint8_t *icmp, uint32_t size)
{
	uint16_t sum;

	memset(icmp + 2, 0, 2);
	sum = (uint16_t)~icmp6_sum(ip, icmp, size);
	memcpy(icmp + 2, &sum, 2);
}

/* The link-layer address in a neighbour discovery option of 'type'; NULL: none. */
static const uint8_t *nd_option(const uint8_t *p, uint32_t size, uint8_t type)
{
	while (size >= 8) {
		uint32_t n = p[1] * 8u;

		if (n == 0 || n > size)
			return NULL;
		if (p[0] == type)
			return p + 2;
		p += n;
		size -= n;
	}
	return NULL;
}

/* An advertisement in place of the solicitation; it has one option. */
static enum dp_drop advertise(struct dp_worker *w, const struct dp_vtep *vtep, struct rte_mbuf *m)
{
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	uint8_t *d = to_write(w, &m), *ip, *icmp;
	bool anonymous;
	uint16_t size = ND_SIZE + 8;

	if (d == NULL)
		return DP_N_DROPS;
	ip = d + ETH_SIZE;
	icmp = ip + 40;
	anonymous = ip6_of(ip + 8).w[0] == 0 && ip6_of(ip + 8).w[1] == 0;
	answer_macs(vtep, d, anonymous ? all_nodes_mac : d + 6);
	memmove(ip + 24, anonymous ? all_nodes : ip + 8, 16);
	memcpy(ip + 8, vtep->v6.address.b, 16);
	dp_tun_put16(ip + 4, size);
	memset(icmp, 0, 8);
	icmp[0] = ND_ADVERTISE;
	icmp[4] = anonymous ? 0x20 : ND_FLAGS;
	icmp[ND_SIZE] = ND_OPT_TARGET;
	icmp[ND_SIZE + 1] = 1;
	memcpy(icmp + ND_SIZE + 2, vtep->mac.addr_bytes, 6);
	icmp6_fill(ip, icmp, size);
	rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - (ETH_SIZE + 40u + size)));
	dp_again(w, vtep->port, m);
	return DP_N_DROPS;
}

static enum dp_drop discovery(struct dp_worker *w, const struct dp_vtep *vtep, struct rte_mbuf *m,
			      uint32_t size)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *) + ETH_SIZE, *icmp = ip + 40;
	bool solicit = icmp[0] == ND_SOLICIT;
	const uint8_t *mac;
	struct dp_ip who;

	if (size < ND_SIZE || ip[7] != 255)
		return DP_DROP_VTEP_UNUSED;
	mac = nd_option(icmp + ND_SIZE, size - ND_SIZE, solicit ? ND_OPT_SOURCE : ND_OPT_TARGET);
	who = ip6_of(solicit ? ip + 8 : icmp + 8);
	if (mac != NULL)
		learn(w, vtep, &who, mac);
	if (!solicit && mac != NULL) {
		rte_pktmbuf_free(m);
		return DP_N_DROPS;
	}
	/* Room for the option of the answer: a solicitation without one comes from nobody. */
	if (!solicit || memcmp(icmp + 8, vtep->v6.address.b, 16) != 0)
		return DP_DROP_VTEP_UNUSED;
	if (size < ND_SIZE + 8 && rte_pktmbuf_append(m, (uint16_t)(ND_SIZE + 8 - size)) == NULL)
		return DP_DROP_VTEP_UNUSED;
	return advertise(w, vtep, m);
}

static enum dp_drop echo6(struct dp_worker *w, const struct dp_vtep *vtep, struct rte_mbuf *m,
			  uint32_t size)
{
	uint8_t *d = to_write(w, &m), *ip;

	if (d == NULL)
		return DP_N_DROPS;
	ip = d + ETH_SIZE;
	answer_macs(vtep, d, d + 6);
	memcpy(ip + 24, ip + 8, 16);
	memcpy(ip + 8, vtep->v6.address.b, 16);
	ip[7] = 64;
	ip[40] = ICMP6_REPLY;
	icmp6_fill(ip, ip + 40, size);
	dp_again(w, vtep->port, m);
	return DP_N_DROPS;
}

static enum dp_drop icmp6(struct dp_worker *w, const struct dp_vtep *vtep, struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *) + ETH_SIZE;
	uint32_t size;

	if (!vtep->v6.there || m->data_len < ETH_SIZE + 48u || m->nb_segs != 1 || ip[6] != 58)
		return DP_DROP_VTEP_UNUSED;
	size = dp_tun_get16(ip + 4);
	if (size < 8 || size > m->data_len - ETH_SIZE - 40 ||
	    icmp6_sum(ip, ip + 40, size) != 0xffff)
		return DP_DROP_VTEP_UNUSED;
	if (ip[40] == ND_SOLICIT || ip[40] == ND_ADVERTISE)
		return discovery(w, vtep, m, size);
	if (ip[40] != ICMP6_ECHO || memcmp(ip + 24, vtep->v6.address.b, 16) != 0 || ip[8] == 0xff)
		return DP_DROP_VTEP_UNUSED;
	return echo6(w, vtep, m, size);
}

static enum dp_drop echo4(struct dp_worker *w, const struct dp_vtep *vtep, struct rte_mbuf *m)
{
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *), *ip = d + ETH_SIZE;
	uint16_t total, sum;

	if (!vtep->v4.there || m->data_len < ETH_SIZE + 28u || m->nb_segs != 1 || ip[0] != 0x45 ||
	    ip[9] != 1 || (dp_tun_get16(ip + 6) & 0x3fff) != 0 ||
	    memcmp(ip + 16, vtep->v4.address.b, 4) != 0 || ip[20] != ICMP_ECHO || ip[21] != 0)
		return DP_DROP_VTEP_UNUSED;
	total = dp_tun_get16(ip + 2);
	if (total < 28 || total > m->data_len - ETH_SIZE || ip[12] >= 0xe0 ||
	    rte_raw_cksum(ip, 20) != 0xffff || rte_raw_cksum(ip + 20, total - 20u) != 0xffff)
		return DP_DROP_VTEP_UNUSED;
	d = to_write(w, &m);
	if (d == NULL)
		return DP_N_DROPS;
	ip = d + ETH_SIZE;
	answer_macs(vtep, d, d + 6);
	memcpy(ip + 16, ip + 12, 4);
	memcpy(ip + 12, vtep->v4.address.b, 4);
	ip[8] = 64;
	memset(ip + 10, 0, 2);
	sum = rte_ipv4_cksum((const struct rte_ipv4_hdr *)ip);
	memcpy(ip + 10, &sum, 2);
	ip[20] = 0;
	memset(ip + 22, 0, 2);
	sum = (uint16_t)~rte_raw_cksum(ip + 20, total - 20u);
	memcpy(ip + 22, &sum, 2);
	dp_again(w, vtep->port, m);
	return DP_N_DROPS;
}

enum dp_drop dp_vtep_answer(struct dp_worker *w, const struct dp_vtep *vtep, struct rte_mbuf *m)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);

	/* What a sender left open is for its device to fill in; nobody here sums it. */
	if (m->data_len < ETH_SIZE)
		return DP_DROP_VTEP_UNUSED;
	switch (dp_tun_get16(d + 12)) {
	case RTE_ETHER_TYPE_ARP:
		return arp(w, vtep, m);
	case RTE_ETHER_TYPE_IPV4:
		return echo4(w, vtep, m);
	case RTE_ETHER_TYPE_IPV6:
		return icmp6(w, vtep, m);
	default:
		return DP_DROP_VTEP_UNUSED;
	}
}

/* ---- Asking ---- */

static void ask_arp(const struct dp_vtep *vtep, const struct dp_ip *ip, uint8_t *d)
{
	static const uint8_t head[] = {0, 1, 8, 0, 6, 4, 0, ARP_REQUEST};

	memset(d, 0xff, 6);
	memcpy(d + 6, vtep->mac.addr_bytes, 6);
	dp_tun_put16(d + 12, RTE_ETHER_TYPE_ARP);
	memcpy(d + 14, head, sizeof(head));
	memcpy(d + 22, vtep->mac.addr_bytes, 6);
	memcpy(d + 28, vtep->v4.address.b, 4);
	memcpy(d + 38, ip->b, 4);
}

static void ask_nd(const struct dp_vtep *vtep, const struct dp_ip *ip, uint8_t *d)
{
	static const uint8_t group[13] = {0xff, 2, [11] = 1, [12] = 0xff};
	uint8_t *p = d + ETH_SIZE, *icmp = p + 40;

	d[0] = d[1] = 0x33;
	d[2] = 0xff;
	memcpy(d + 3, ip->b + 13, 3);
	memcpy(d + 6, vtep->mac.addr_bytes, 6);
	dp_tun_put16(d + 12, RTE_ETHER_TYPE_IPV6);
	p[0] = 0x60;
	dp_tun_put16(p + 4, ND_SIZE + 8);
	p[6] = 58;
	p[7] = 255;
	memcpy(p + 8, vtep->v6.address.b, 16);
	memcpy(p + 24, group, sizeof(group));
	memcpy(p + 37, ip->b + 13, 3);
	icmp[0] = ND_SOLICIT;
	memcpy(icmp + 8, ip->b, 16);
	icmp[ND_SIZE] = ND_OPT_SOURCE;
	icmp[ND_SIZE + 1] = 1;
	memcpy(icmp + ND_SIZE + 2, vtep->mac.addr_bytes, 6);
	icmp6_fill(p, icmp, ND_SIZE + 8);
}

void dp_vtep_ask(struct dp_worker *w, const struct dp_vtep *vtep, const struct dp_ip *ip)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(w->dp, 0, false));
	uint16_t size = ip->v6 ? ETH_SIZE + 40 + ND_SIZE + 8 : 60;
	uint8_t *d = m != NULL ? (void *)rte_pktmbuf_append(m, size) : NULL;

	if (d == NULL) {
		rte_pktmbuf_free(m);
		return;
	}
	memset(d, 0, size);
	if (ip->v6)
		ask_nd(vtep, ip, d);
	else
		ask_arp(vtep, ip, d);
	dp_again(w, vtep->port, m);
}
