/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets that are too long for the underlay: their sender is told, as a router on the way would
 * do it, or the packet around them is fragmented.  What tells comes in by the tunnel port, from the
 * station that the packet was for: nobody else's address is known here.  Told at most a thousand
 * times a second a worker, and never about what RFC 1122 and 4443 forbid.  Workers.
 *
 * Sources: RFC 1191 section 4, 792, 1122 3.2.2, 1812 4.3.2; RFC 8201, 4443 2.4 and 3.2; RFC 791,
 * 8200 4.5 (fragments).
 */
#include "dataplane/again.h"
#include "dataplane/mirror.h"
#include "dataplane/tunnel_priv.h"

#include <rte_ip.h>

#define ETH_SIZE  14u
#define TELL_MOST 100u /* at once; refilled by one a millisecond */
#define LEAST_V6  1280u
#define LEAST_V4  68u

/* The packet that is too long. */
struct long_packet {
	const uint8_t *d, *ip;
	uint32_t l2_size;
	uint32_t size; /* bytes of it that lie there, from its IP header on */
	uint32_t mtu;
	bool v6;
};

static bool may_tell(struct dp_worker *w)
{
	uint64_t now = dp_worker_now_ms(w), passed = now - w->tell_ms;

	if (passed != 0) {
		w->n_tell = (uint16_t)RTE_MIN(w->n_tell + RTE_MIN(passed, TELL_MOST), TELL_MOST);
		w->tell_ms = now;
	}
	if (w->n_tell == 0)
		return false;
	w->n_tell--;
	return true;
}

static bool is_icmp_error(const uint8_t *ip, uint32_t size, uint32_t header)
{
	uint8_t type;

	if (ip[9] != 1)
		return false;
	type = size > header ? ip[header] : 3;
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* Is there somebody who may be told of this IPv4 packet? */
static enum dp_tell v4_may(const struct long_packet *p)
{
	uint32_t header = (p->ip[0] & 15) * 4u;
	uint16_t frag = dp_tun_get16(p->ip + 6);

	if (p->size < 20 || header < 20 || p->size < header || p->ip[0] >> 4 != 4 ||
	    (frag & 0x4000) == 0 || p->mtu < LEAST_V4)
		return DP_TELL_NO_WAY;
	if ((frag & 0x1fff) != 0 || is_icmp_error(p->ip, p->size, header) || p->ip[12] == 0 ||
	    p->ip[12] == 127 || p->ip[12] >= 224 || p->ip[16] >= 224)
		return DP_TELL_NOBODY;
	return DP_TELL_DONE;
}

static enum dp_tell v6_may(const struct long_packet *p)
{
	if (p->size < 40 || p->ip[0] >> 4 != 6 || p->mtu < LEAST_V6)
		return DP_TELL_NO_WAY;
	/* Too big is also told to multicast's senders (4443 2.4 e.3); errors never. */
	if (p->ip[8] == 0xff ||
	    (p->ip[8] == 0 && dp_tun_get64(p->ip + 8) == 0 && dp_tun_get64(p->ip + 16) == 0) ||
	    (p->ip[6] == 58 && (p->size <= 40 || p->ip[40] < 128)))
		return DP_TELL_NOBODY;
	return DP_TELL_DONE;
}

static void write_v4(const struct long_packet *p, uint8_t *ip, uint32_t quoted)
{
	uint16_t total = (uint16_t)(28 + quoted), sum;
	uint8_t *icmp = ip + 20;

	memset(ip, 0, 28);
	ip[0] = 0x45;
	ip[1] = 0xc0; /* RFC 1812 4.3.2.5 */
	dp_tun_put16(ip + 2, total);
	ip[8] = 64;
	ip[9] = 1;
	memcpy(ip + 12, p->ip + 16, 4);
	memcpy(ip + 16, p->ip + 12, 4);
	sum = rte_ipv4_cksum((const struct rte_ipv4_hdr *)ip);
	memcpy(ip + 10, &sum, 2);
	icmp[0] = 3;
	icmp[1] = 4;
	dp_tun_put16(icmp + 6, (uint16_t)p->mtu);
	memcpy(icmp + 8, p->ip, quoted);
	sum = (uint16_t)~rte_raw_cksum(icmp, 8 + quoted);
	memcpy(icmp + 2, &sum, 2);
}

static void write_v6(const struct long_packet *p, uint8_t *ip, uint32_t quoted)
{
	uint16_t size = (uint16_t)(8 + quoted), sum;
	uint8_t *icmp = ip + 40;
	uint32_t total;

	memset(ip, 0, 48);
	ip[0] = 0x60;
	dp_tun_put16(ip + 4, size);
	ip[6] = 58;
	ip[7] = 64;
	memcpy(ip + 8, p->ip + 24, 16);
	memcpy(ip + 24, p->ip + 8, 16);
	icmp[0] = 2;
	dp_tun_put16(icmp + 4, (uint16_t)(p->mtu >> 16));
	dp_tun_put16(icmp + 6, (uint16_t)p->mtu);
	memcpy(icmp + 8, p->ip, quoted);
	total = (uint32_t)rte_raw_cksum(icmp, size) + rte_raw_cksum(ip + 8, 32) +
		rte_cpu_to_be_16(size) + rte_cpu_to_be_16(58);
	total = (total & 0xffff) + (total >> 16);
	total += total >> 16;
	sum = (uint16_t)~total;
	memcpy(icmp + 2, &sum, 2);
}

static bool answer(struct dp_worker *w, const struct dp_vport *vp, uint16_t vlan,
		   const struct long_packet *p)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(w->dp, 0, false));
	uint32_t before = p->v6 ? 48 : 28;
	uint32_t quoted = RTE_MIN(p->size, (p->v6 ? 1280u : 576u) - before);
	uint8_t *d;

	d = m != NULL ? (void *)rte_pktmbuf_append(m, (uint16_t)(p->l2_size + before + quoted))
		      : NULL;
	if (d == NULL) {
		rte_pktmbuf_free(m);
		return false;
	}
	memcpy(d, p->d + 6, 6);
	memcpy(d + 6, p->d, 6);
	memcpy(d + 12, p->d + 12, p->l2_size - 12);
	if (p->v6)
		write_v6(p, d + p->l2_size, quoted);
	else
		write_v4(p, d + p->l2_size, quoted);
	dp_tunnel_comes_in(w, vp, vlan, NULL, m);
	return true;
}

enum dp_tell dp_tunnel_tell(struct dp_worker *w, const struct dp_vport *vp, uint16_t vlan,
			    const struct rte_mbuf *m, uint32_t longest)
{
	struct long_packet p = {.d = rte_pktmbuf_mtod(m, const uint8_t *), .l2_size = ETH_SIZE};
	enum dp_tell may;
	uint16_t type;

	if (m->data_len < ETH_SIZE + 28u)
		return DP_TELL_NO_WAY;
	type = dp_tun_get16(p.d + 12);
	if (type == 0x8100 || type == 0x88a8) {
		p.l2_size += 4;
		type = dp_tun_get16(p.d + 16);
	}
	if (type != 0x0800 && type != 0x86dd)
		return DP_TELL_NO_WAY;
	p.ip = p.d + p.l2_size;
	p.size = m->data_len - p.l2_size;
	p.mtu = longest - p.l2_size;
	p.v6 = type == 0x86dd;
	may = p.v6 ? v6_may(&p) : v4_may(&p);
	if (may != DP_TELL_DONE)
		return may;
	/* A group has no one MAC to answer from. */
	if ((p.d[0] & 1) != 0 || !may_tell(w) || !answer(w, vp, vlan, &p))
		return DP_TELL_NOBODY;
	return DP_TELL_DONE;
}

/* ---- Fragments ---- */

/* Bytes 'from' to 'from' + 'n' behind the headers, with headers of its own. */
static struct rte_mbuf *piece(struct dp_worker *w, const struct rte_mbuf *m, uint32_t headers,
			      uint32_t extra, uint32_t from, uint32_t n)
{
	struct rte_mbuf *f = rte_pktmbuf_copy(m, dp_pool(w->dp, 0, false), headers + from, n);
	uint8_t *d = f != NULL ? (void *)rte_pktmbuf_prepend(f, (uint16_t)(headers + extra)) : NULL;

	if (d == NULL) {
		rte_pktmbuf_free(f);
		return NULL;
	}
	f->ol_flags = m->ol_flags & DP_MIRROR_COPY;
	f->port = m->port;
	memcpy(d, rte_pktmbuf_mtod(m, const uint8_t *), headers);
	return f;
}

static void mark_v4(struct rte_mbuf *f, uint32_t from, bool more)
{
	uint8_t *ip = rte_pktmbuf_mtod(f, uint8_t *) + ETH_SIZE;
	uint16_t sum;

	dp_tun_put16(ip + 2, (uint16_t)(f->pkt_len - ETH_SIZE));
	dp_tun_put16(ip + 6, (uint16_t)(from / 8 | (more ? 0x2000 : 0)));
	memset(ip + 10, 0, 2);
	sum = rte_ipv4_cksum((const struct rte_ipv4_hdr *)ip);
	memcpy(ip + 10, &sum, 2);
}

static void mark_v6(struct rte_mbuf *f, uint32_t from, bool more, uint16_t id)
{
	uint8_t *ip = rte_pktmbuf_mtod(f, uint8_t *) + ETH_SIZE, *h = ip + 40;

	memset(h, 0, 8);
	h[0] = ip[6];
	ip[6] = 44;
	dp_tun_put16(ip + 4, (uint16_t)(f->pkt_len - ETH_SIZE - 40));
	dp_tun_put16(h + 2, (uint16_t)(from | (more ? 1 : 0)));
	dp_tun_put16(h + 6, id);
}

uint16_t dp_tunnel_fragment(struct dp_worker *w, const struct rte_mbuf *m, bool v6, uint16_t mtu,
			    struct rte_mbuf **ret, uint16_t max)
{
	uint32_t headers = ETH_SIZE + (v6 ? 40u : 20u), extra = v6 ? 8 : 0;
	uint32_t size = m->pkt_len - headers;
	uint32_t room = (mtu + ETH_SIZE - headers - extra) & ~7u;
	uint16_t n = 0, id = w->tunnel_ip_id++;

	for (uint32_t from = 0; from < size; from += room) {
		uint32_t part = RTE_MIN(room, size - from);

		ret[n] = n < max ? piece(w, m, headers, extra, from, part) : NULL;
		if (ret[n] == NULL) {
			rte_pktmbuf_free_bulk(ret, n);
			return 0;
		}
		if (v6)
			mark_v6(ret[n++], from, from + part < size, id);
		else
			mark_v4(ret[n++], from, from + part < size);
	}
	return n;
}
