/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Overlays on a real worker, between ports in memory:
 *
 * 	port 0 (wire) ─ ext ─ VTEP A (192.0.2.1) ◄─ tunnel A ┐
 * 	                 └─── VTEP B (192.0.2.2) ◄─ tunnel B ┴ lan ─ port 3 (station)
 *
 * What the station sends is on the wire with the right headers, what is on the wire reaches the
 * station, each way to die is counted under its name, and the ledger balances after each.
 */
#include "dataplane/tunnel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "dataplane/fdb.h"
#include "dataplane/filter.h"
#include "dataplane/neigh.h"
#include "dataplane/port_mem.h"
#include "dataplane/view.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"

enum { WIRE, VTEP_A, TUNNEL_A, STATION, VTEP_B, TUNNEL_B, N_PORTS };
#define PLAIN	  (DP_VP_UP | DP_VP_LEARN | DP_VP_FLOOD | DP_VP_FLOOD_GROUP | DP_VP_UNTAGGED_IN)
#define PEER_MAC  "02:00:00:00:00:99"
#define VTEP_MAC  "02:00:00:00:0a:01"
#define S_MAC	  "02:00:00:00:00:03"
#define FAR_MAC	  "02:00:00:00:00:77"
#define BROADCAST "ff:ff:ff:ff:ff:ff"
#define VNI	  100u

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct dp_vport conf[N_PORTS];
static struct dp_vtep vtep[2];
static struct dp_overlay tunnel[2];
static struct dp_ip remotes[2][DP_TUNNEL_MAX_REMOTES];
static struct dp_tunnel_match matches[2][4];
static struct dp_count before[N_PORTS];
static struct pkt p;
static uint8_t got[4000];
static uint32_t got_size;

static const uint16_t ext_ports[] = {WIRE, VTEP_A, VTEP_B},
		      lan_ports[] = {TUNNEL_A, STATION, TUNNEL_B};

static struct dp_ip ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct dp_ip){.b = {a, b, c, d}};
}

/* Views. */

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	for (unsigned i = 0; i < 2; i++)
		free(view->domains[i]);
	free(view);
}

static void publish(void)
{
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS, .n_domains = 2, .destroy = view_destroy};
	for (unsigned i = 0; i < N_PORTS; i++) {
		view->vports[i] = aligned_alloc(64, sizeof(*view->vports[i]));
		*view->vports[i] = conf[i];
	}
	for (unsigned i = 0; i < 2; i++) {
		view->domains[i] = calloc(1, sizeof(*view->domains[i]));
		*view->domains[i] = (struct dp_domain){.id = (uint16_t)i,
						       .n_ports = 3,
						       .ports = i == 0 ? ext_ports : lan_ports};
	}
	if (dp_view_publish(dp, view, &err) != 0)
		fail_msg("%s", err.what);
}

static void settle(void)
{
	for (int quiet = 0, i = 0; quiet < 20; i++) {
		static uint64_t was;
		uint64_t now;

		dp_count_refresh(dp);
		now = dp_total_count(dp)->rx_packets + dp_total_count(dp)->tx_packets;
		quiet = now == was ? quiet + 1 : 0;
		was = now;
		assert_true(i < 20000);
		nanosleep(&(struct timespec){0, 200000}, NULL);
	}
	for (uint16_t id = 0; id < N_PORTS; id++) {
		const struct dp_count *c = dp_port_count(dp, id);
		uint64_t rx = 0, tx = 0;

		for (int r = 0; r < DP_N_DROPS; r++) {
			rx += c->drops_rx[r];
			tx += c->drops_tx[r];
		}
		assert_int_equal(c->rx_packets + c->copies, c->forwarded + rx + c->held_rx);
		assert_int_equal(c->offered + c->segments, c->tx_packets + tx + c->held_tx);
	}
}

static void mark(void)
{
	settle();
	for (uint16_t id = 0; id < N_PORTS; id++)
		before[id] = *dp_port_count(dp, id);
}

static void make_vtep(unsigned i, uint16_t id, uint8_t last)
{
	matches[i][dp_tunnel_match_slot(dp_tunnel_match_key(DP_TUN_VXLAN, VNI), 3)] =
		(struct dp_tunnel_match){dp_tunnel_match_key(DP_TUN_VXLAN, VNI),
					 i == 0 ? TUNNEL_A : TUNNEL_B, DP_NO_VLAN};
	vtep[i] = (struct dp_vtep){.port = id,
				   .mtu = 1500,
				   .mac = {.addr_bytes = {2, 0, 0, 0, 0x0a, last}},
				   .v4 = {.address = ip4(192, 0, 2, last),
					  .prefix = 24,
					  .there = true},
				   .neighs = dp_port_neighs(port[id]),
				   .n_udp = 1,
				   .udp = {{DP_VXLAN_PORT, DP_TUN_VXLAN}},
				   .mask = 3,
				   .matches = matches[i]};
	tunnel[i] = (struct dp_overlay){.vtep = id,
					.type = DP_TUN_VXLAN,
					.ttl = 64,
					.udp_port = DP_VXLAN_PORT,
					.key = VNI,
					.n_remotes = 1,
					.remotes = remotes[i]};
}

static void pin(const struct rte_ether_addr *mac, uint16_t id)
{
	struct dp_fdb_entry e = {.mac = *mac, .port = id, .is_static = true};
	struct err err = {0};

	assert_int_equal(dp_fdb_add_static(dp_fdb(dp), &e, &err), 0);
}

/* One tunnel, one remote whose MAC is known and behind the wire; tunnel B is off. */
static int plain(void **state)
{
	static const struct dp_neigh_static peer = {.ip = {.b = {192, 0, 2, 9}},
						    .mac = {2, 0, 0, 0, 0, 0x99}};
	struct rte_ether_addr peer_mac = {.addr_bytes = {2, 0, 0, 0, 0, 0x99}};

	make_vtep(0, VTEP_A, 1);
	make_vtep(1, VTEP_B, 2);
	remotes[0][0] = remotes[1][0] = peer.ip;
	for (uint16_t i = 0; i < N_PORTS; i++) {
		bool ext = i == WIRE || i == VTEP_A || i == VTEP_B;

		conf[i] = (struct dp_vport){.port = port[i],
					    .id = i,
					    .domain = ext ? 0 : 1,
					    .flags = PLAIN,
					    .native_out = DP_NO_VLAN,
					    .tpid_out = rte_cpu_to_be_16(0x8100),
					    .max_frame = 1514};
		dp_vlan_add(conf[i].vlan_out, 0);
	}
	conf[VTEP_A].vtep = &vtep[0];
	conf[VTEP_B].vtep = &vtep[1];
	conf[TUNNEL_A].tunnel = &tunnel[0];
	conf[TUNNEL_B].tunnel = &tunnel[1];
	conf[TUNNEL_B].flags &= (uint16_t)~DP_VP_UP;
	publish();
	dp_fdb_flush(dp_fdb(dp), DP_NO_DOMAIN, DP_NO_VLAN, DP_NO_PORT, true);
	pin(&vtep[0].mac, VTEP_A);
	pin(&vtep[1].mac, VTEP_B);
	pin(&peer_mac, WIRE);
	assert_int_equal(dp_neighs_set_static(vtep[0].neighs, &peer, 1), 0);
	assert_int_equal(dp_neighs_set_static(vtep[1].neighs, &peer, 1), 0);
	return 0;
}

/* Frames. */

static struct rte_mbuf *frame(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)p.size), p.bytes, p.size);
	return m;
}

static void send(uint16_t from)
{
	struct rte_mbuf *m = frame();

	assert_int_equal(dp_port_mem_inject(port[from], 0, &m, 1), 1);
	settle();
}

/* How many frames came to a port; the last is in 'got'. */
static unsigned receive(uint16_t id)
{
	struct rte_mbuf *m[512];
	uint16_t n = dp_port_mem_collect(port[id], m, 512);

	for (uint16_t i = 0; i < n; i++) {
		got_size = m[i]->pkt_len;
		assert_true(got_size <= sizeof(got));
		memcpy(got, rte_pktmbuf_read(m[i], 0, got_size, got), got_size);
	}
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

static void nothing_came(void)
{
	assert_int_equal(receive(WIRE), 0);
	assert_int_equal(receive(STATION), 0);
}

static void inner(const char *dst, const char *src, uint32_t size)
{
	pkt_eth(&p, dst, src);
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	pkt_udp(&p, 1000, 2000);
	pkt_fill(&p, size - 42, 1);
}

static void from_station(const char *dst, uint32_t size)
{
	pkt_init(&p);
	inner(dst, S_MAC, size);
	pkt_finish(&p, 0);
}

/* From the remote to VTEP A; offsets: IP 14, UDP 34, VXLAN 42, inner frame 50. */
static void from_remote(const char *dst, uint32_t vni, const char *src, const char *to)
{
	pkt_init(&p);
	pkt_eth(&p, dst, PEER_MAC);
	pkt_ipv4(&p, src, to);
	pkt_udp(&p, 50000, DP_VXLAN_PORT);
	pkt_vxlan(&p, vni);
	inner(S_MAC, FAR_MAC, 100);
	pkt_finish(&p, 0);
	pkt_set16(&p, 40, 0);
}

static void sum_again(void)
{
	pkt_set16(&p, 24, 0);
	pkt_set16(&p, 24, (uint16_t)~pkt_fold(pkt_sum(p.bytes + 14, 20, 0)));
}

/* 'p' from 'from' dies at 'at', on its way out there. */
static void dies(uint16_t from, uint16_t at, enum dp_drop reason)
{
	mark();
	send(from);
	assert_int_equal(dp_port_count(dp, at)->drops_tx[reason] - before[at].drops_tx[reason], 1);
}

static void station_is_on_the_wire_with_headers(void **state)
{
	mark();
	from_station(FAR_MAC, 100);
	send(STATION);
	assert_int_equal(receive(WIRE), 1);
	assert_int_equal(got_size, 150);
	assert_memory_equal(got + 50, p.bytes, 100);
	assert_int_equal(pkt_get32(got, 26), 0xc0000201);
	assert_int_equal(pkt_get32(got, 30), 0xc0000209);
	assert_int_equal(pkt_get16(got, 36), DP_VXLAN_PORT);
	assert_int_equal(pkt_get32(got, 46) >> 8, VNI);
	assert_int_equal(pkt_fold(pkt_sum(got + 14, 20, 0)), 0xffff);
	assert_int_equal(dp_port_count(dp, TUNNEL_A)->tx_packets - before[TUNNEL_A].tx_packets, 1);
	assert_int_equal(dp_port_count(dp, VTEP_A)->rx_packets - before[VTEP_A].rx_packets, 1);
}

static void checksum_is_right_when_asked_for(void **state)
{
	uint64_t sum;

	tunnel[0].checksum = true;
	for (uint32_t size = 60; size < 64; size++) {
		from_station(FAR_MAC, size);
		send(STATION);
		assert_int_equal(receive(WIRE), 1);
		sum = pkt_sum(got + 26, 8, 17 + got_size - 34);
		assert_int_not_equal(pkt_get16(got, 40), 0);
		assert_int_equal(pkt_fold(pkt_sum(got + 34, got_size - 34, sum)), 0xffff);
	}
}

static void remote_reaches_the_station(void **state)
{
	from_remote(VTEP_MAC, VNI, "192.0.2.9", "192.0.2.1");
	pkt_pad(&p, 7);
	mark();
	send(WIRE);
	assert_int_equal(receive(STATION), 1);
	assert_int_equal(got_size, 100);
	assert_memory_equal(got, p.bytes + 50, 100);
	assert_int_equal(dp_port_count(dp, TUNNEL_A)->rx_packets - before[TUNNEL_A].rx_packets, 1);
	/* With a checksum that is right. */
	pkt_set16(&p, 40,
		  (uint16_t)~pkt_fold(
			  pkt_sum(p.bytes + 34, 116, pkt_sum(p.bytes + 26, 8, 17 + 116))));
	send(WIRE);
	assert_int_equal(receive(STATION), 1);
}

static void what_must_not_come_in_is_counted(void **state)
{
	from_remote(VTEP_MAC, VNI + 1, "192.0.2.9", "192.0.2.1");
	dies(WIRE, VTEP_A, DP_DROP_TUNNEL_UNKNOWN);
	from_remote(VTEP_MAC, VNI, "192.0.2.8", "192.0.2.1");
	dies(WIRE, VTEP_A, DP_DROP_TUNNEL_UNKNOWN);
	from_remote(VTEP_MAC, VNI, "192.0.2.9", "192.0.2.7");
	dies(WIRE, VTEP_A, DP_DROP_VTEP_UNUSED);
	from_remote(VTEP_MAC, VNI, "192.0.2.9", "192.0.2.1");
	p.bytes[42] = 0;
	dies(WIRE, VTEP_A, DP_DROP_TUNNEL_MALFORMED);
	from_remote(VTEP_MAC, VNI, "192.0.2.9", "192.0.2.1");
	pkt_set16(&p, 40, 0x1234);
	dies(WIRE, VTEP_A, DP_DROP_TUNNEL_CHECKSUM);
	/* A fragment that no packet can go on from, and one of another protocol. */
	from_remote(VTEP_MAC, VNI, "192.0.2.9", "192.0.2.1");
	pkt_set16(&p, 20, 0x2000);
	sum_again();
	dies(WIRE, VTEP_A, DP_DROP_FRAG_BAD);
	p.bytes[23] = 1;
	sum_again();
	dies(WIRE, VTEP_A, DP_DROP_TUNNEL_FRAGMENT);
	from_remote(VTEP_MAC, VNI, "192.0.2.9", "192.0.2.1");
	p.bytes[15] |= 3;
	sum_again();
	dies(WIRE, VTEP_A, DP_DROP_TUNNEL_ECN);
	nothing_came();
}

static void congestion_outside_is_told_inside(void **state)
{
	from_remote(VTEP_MAC, VNI, "192.0.2.9", "192.0.2.1");
	p.bytes[15] |= 3;
	sum_again();
	p.bytes[50 + 15] = 2;
	pkt_set16(&p, 50 + 24, 0);
	pkt_set16(&p, 50 + 24, (uint16_t)~pkt_fold(pkt_sum(p.bytes + 64, 20, 0)));
	send(WIRE);
	assert_int_equal(receive(STATION), 1);
	assert_int_equal(got[15], 3);
	assert_int_equal(pkt_fold(pkt_sum(got + 14, 20, 0)), 0xffff);
}

static void vtep_answers_arp_and_asks(void **state)
{
	pkt_init(&p);
	pkt_eth(&p, BROADCAST, PEER_MAC);
	pkt_arp(&p, 1, "192.0.2.9", "192.0.2.1");
	pkt_finish(&p, 0);
	send(WIRE);
	assert_int_equal(receive(WIRE), 1);
	assert_int_equal(pkt_get16(got, 20), 2);
	assert_memory_equal(got + 6, vtep[0].mac.addr_bytes, 6);
	assert_memory_equal(got + 22, vtep[0].mac.addr_bytes, 6);
	assert_int_equal(pkt_get32(got, 28), 0xc0000201);
	assert_memory_equal(got + 32, p.bytes + 22, 10);
	/* Nobody told the MAC of this one: it is asked for, and when it answers it is known. */
	remotes[0][0] = ip4(192, 0, 2, 50);
	from_station(FAR_MAC, 100);
	dies(STATION, TUNNEL_A, DP_DROP_TUNNEL_UNRESOLVED);
	assert_int_equal(receive(WIRE), 1);
	assert_int_equal(pkt_get16(got, 12), 0x0806);
	assert_int_equal(pkt_get32(got, 38), 0xc0000232);
	pkt_init(&p);
	pkt_eth(&p, VTEP_MAC, "02:00:00:00:00:50");
	pkt_arp(&p, 2, "192.0.2.50", "192.0.2.1");
	pkt_finish(&p, 0);
	memcpy(p.bytes + 22, p.bytes + 6, 6);
	send(WIRE);
	from_station(FAR_MAC, 100);
	send(STATION);
	assert_int_equal(receive(WIRE), 1);
	assert_memory_equal(got, ((const uint8_t[]){2, 0, 0, 0, 0, 0x50}), 6);
}

static void station_that_cannot_be_reached_is_counted(void **state)
{
	remotes[0][0] = ip4(198, 51, 100, 1);
	from_station(FAR_MAC, 100);
	dies(STATION, TUNNEL_A, DP_DROP_TUNNEL_NO_ROUTE);
	tunnel[0].key_mode = DP_TUNNEL_KEY_FLOW;
	dies(STATION, TUNNEL_A, DP_DROP_TUNNEL_NO_REMOTE);
	nothing_came();
}

static void sender_of_long_packets_is_told(void **state)
{
	from_station(FAR_MAC, 1465);
	pkt_set16(&p, 20, 0x4000);
	sum_again();
	dies(STATION, TUNNEL_A, DP_DROP_TUNNEL_TOO_LONG);
	assert_int_equal(receive(WIRE), 0);
	assert_int_equal(receive(STATION), 1);
	assert_memory_equal(got, p.bytes + 6, 6);
	assert_int_equal(got[34], 3);
	assert_int_equal(got[35], 4);
	assert_int_equal(pkt_get16(got, 40), 1450);
	assert_int_equal(pkt_fold(pkt_sum(got + 14, 20, 0)), 0xffff);
	assert_int_equal(pkt_fold(pkt_sum(got + 34, got_size - 34, 0)), 0xffff);
	assert_memory_equal(got + 42, p.bytes + 14, 28);
	/* One byte less passes. */
	from_station(FAR_MAC, 1464);
	pkt_set16(&p, 20, 0x4000);
	sum_again();
	send(STATION);
	assert_int_equal(receive(WIRE), 1);
	assert_int_equal(got_size, 1514);
}

static void long_packet_that_may_be_is_sent_in_fragments(void **state)
{
	struct rte_mbuf *m[4];
	uint8_t whole[2000];
	uint32_t size = 0;

	from_station(FAR_MAC, 1514);
	send(STATION);
	assert_int_equal(dp_port_mem_collect(port[WIRE], m, 4), 2);
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *d = rte_pktmbuf_mtod(m[i], const uint8_t *);

		assert_true(m[i]->pkt_len <= 1514);
		assert_int_equal(pkt_get16(d, 20), i == 0 ? 0x2000 : size / 8);
		assert_int_equal(pkt_fold(pkt_sum(d + 14, 20, 0)), 0xffff);
		memcpy(whole + size, d + 34, m[i]->pkt_len - 34);
		size += m[i]->pkt_len - 34;
		rte_pktmbuf_free(m[i]);
	}
	assert_int_equal(size, 1514 + 16);
	assert_memory_equal(whole + 16, p.bytes, 1514);
}

/* Each tunnel leads to the other's VTEP, and both are on one switch: without an end. */
static void frame_that_goes_round_through_tunnels_ends(void **state)
{
	static const struct dp_neigh_static a = {.ip = {.b = {192, 0, 2, 1}},
						 .mac = {2, 0, 0, 0, 0x0a, 1}},
					    b = {.ip = {.b = {192, 0, 2, 2}},
						 .mac = {2, 0, 0, 0, 0x0a, 2}};
	uint64_t ended = 0;

	remotes[0][0] = b.ip;
	remotes[1][0] = a.ip;
	assert_int_equal(dp_neighs_set_static(vtep[0].neighs, &b, 1), 0);
	assert_int_equal(dp_neighs_set_static(vtep[1].neighs, &a, 1), 0);
	conf[TUNNEL_B].flags |= DP_VP_UP;
	publish();
	mark();
	from_station(BROADCAST, 100);
	send(STATION);
	for (uint16_t i = 0; i < N_PORTS; i++)
		ended += dp_port_count(dp, i)->drops_rx[DP_DROP_TUNNEL_LOOP] -
			 before[i].drops_rx[DP_DROP_TUNNEL_LOOP];
	assert_int_equal(ended, 2);
	receive(STATION);
	receive(WIRE);
}

/* More copies than can wait, for none of them has a short way. */
static void copies_that_cannot_wait_are_counted(void **state)
{
	struct dp_neigh_static v[DP_TUNNEL_MAX_REMOTES];
	struct rte_mbuf *m[32];

	for (unsigned i = 0; i < DP_TUNNEL_MAX_REMOTES; i++) {
		v[i] = (struct dp_neigh_static){.ip = ip4(192, 0, 2, (uint8_t)(100 + i)),
						.mac = {2, 0, 0, 1, 0, (uint8_t)i}};
		remotes[0][i] = v[i].ip;
	}
	assert_int_equal(dp_neighs_set_static(vtep[0].neighs, v, DP_TUNNEL_MAX_REMOTES), 0);
	tunnel[0].n_remotes = DP_TUNNEL_MAX_REMOTES;
	mark();
	from_station(BROADCAST, 100);
	for (unsigned i = 0; i < 32; i++)
		m[i] = frame();
	assert_int_equal(dp_port_mem_inject(port[STATION], 0, m, 32), 32);
	settle();
	assert_true(dp_port_count(dp, VTEP_A)->drops_rx[DP_DROP_TUNNEL_BUSY] >
		    before[VTEP_A].drops_rx[DP_DROP_TUNNEL_BUSY]);
	while (receive(WIRE) != 0)
		;
}

/* A burst from the remote, each frame in a way of its own that 'change' knows. */
static void burst_from_remote(unsigned n, void (*change)(unsigned i))
{
	struct rte_mbuf *m[32];

	for (unsigned i = 0; i < n; i++) {
		from_remote(VTEP_MAC, VNI, "192.0.2.9", "192.0.2.1");
		pkt_set16(&p, 50 + 34, (uint16_t)i);
		change(i);
		sum_again();
		m[i] = frame();
	}
	mark();
	assert_int_equal(dp_port_mem_inject(port[WIRE], 0, m, (uint16_t)n), n);
	settle();
}

/* Which of the burst's frames came, in their order. */
static uint32_t came(uint32_t size)
{
	struct rte_mbuf *m[64];
	uint16_t n = dp_port_mem_collect(port[STATION], m, 64);
	uint32_t ret = 0;
	unsigned last = 0;

	for (unsigned i = 0; i < n; i++) {
		const uint8_t *d = rte_pktmbuf_mtod(m[i], const uint8_t *);
		unsigned at = (unsigned)d[34] << 8 | d[35];

		assert_true(at < 32 && (i == 0 || at > last));
		assert_int_equal(m[i]->pkt_len, size);
		assert_memory_equal(d, p.bytes + 50, 34);
		last = at;
		ret |= 1u << at;
	}
	rte_pktmbuf_free_bulk(m, n);
	return ret;
}

static void nothing_changes(unsigned i)
{
	pkt_set16(&p, 34, (uint16_t)(50000 + i)); /* the source port says the flow */
	pkt_set16(&p, 18, (uint16_t)(7 * i));	  /* an id of its own */
}

static void burst_that_is_alike_comes_in_whole_and_in_order(void **state)
{
	burst_from_remote(32, nothing_changes);
	assert_int_equal(came(100), UINT32_MAX);
	assert_int_equal(dp_port_count(dp, VTEP_A)->tx_packets - before[VTEP_A].tx_packets, 32);
	assert_int_equal(dp_port_count(dp, VTEP_A)->tx_bytes - before[VTEP_A].tx_bytes, 32 * 150);
	assert_int_equal(dp_port_count(dp, TUNNEL_A)->rx_bytes - before[TUNNEL_A].rx_bytes,
			 32 * 100);
	assert_int_equal(dp_port_count(dp, WIRE)->forwarded - before[WIRE].forwarded, 32);
}

/* Every fourth has something; the rest must not be taken for it, nor it for the rest. */
static void one_in_four_dies(unsigned i)
{
	nothing_changes(i);
	if (i % 4 != 3)
		return;
	switch (i / 4) {
	case 0:
		pkt_set16(&p, 46, 0); /* VNI 0x000064 stays in the lowest byte: nobody's, and */
		p.bytes[46] = 4;      /* told from the other late */
		break;
	case 1:
		p.bytes[15] |= 3; /* congestion that cannot be told */
		break;
	case 2:
		pkt_set16(&p, 20, 0x2000); /* a fragment */
		break;
	case 3:
		pkt_set16(&p, 40, 0x1234); /* a checksum that is wrong */
		break;
	case 4:
		p.bytes[42] = 0; /* no VNI */
		break;
	case 5:
		p.bytes[29] = 13; /* another sender of the same low bits */
		break;
	case 6:
		/* the key of nobody, with a checksum that is not looked at then */
		p.bytes[46] = 8;
		pkt_set16(&p, 40, 0x1234);
		break;
	default:
		pkt_set16(&p, 38, 200); /* longer than it is */
		break;
	}
}

static void frames_that_are_not_alike_are_told_apart(void **state)
{
	const struct dp_count *now = dp_port_count(dp, VTEP_A);

	burst_from_remote(32, one_in_four_dies);
	assert_int_equal(came(100), 0x77777777);
	now = dp_port_count(dp, VTEP_A);
	assert_int_equal(now->tx_packets - before[VTEP_A].tx_packets, 24);
	assert_int_equal(now->drops_tx[DP_DROP_TUNNEL_UNKNOWN] -
				 before[VTEP_A].drops_tx[DP_DROP_TUNNEL_UNKNOWN],
			 3);
	assert_int_equal(now->drops_tx[DP_DROP_TUNNEL_MALFORMED] -
				 before[VTEP_A].drops_tx[DP_DROP_TUNNEL_MALFORMED],
			 2);
	assert_int_equal(now->drops_tx[DP_DROP_TUNNEL_ECN] -
				 before[VTEP_A].drops_tx[DP_DROP_TUNNEL_ECN],
			 1);
	assert_int_equal(now->drops_tx[DP_DROP_FRAG_BAD] -
				 before[VTEP_A].drops_tx[DP_DROP_FRAG_BAD],
			 1);
	assert_int_equal(now->drops_tx[DP_DROP_TUNNEL_CHECKSUM] -
				 before[VTEP_A].drops_tx[DP_DROP_TUNNEL_CHECKSUM],
			 1);
}

/* Two tunnels take turns; the second one's remote has the same low bits.  A frame of the second
 * that dies (its checksum is wrong) must not leave the first one's looks with the second's port. */
static void turns(unsigned i)
{
	nothing_changes(i);
	if (i != 5)
		return;
	p.bytes[46] = 4;
	pkt_set16(&p, 40, 0x1234);
}

static void frame_that_dies_leaves_no_looks_behind(void **state)
{
	uint32_t key = dp_tunnel_match_key(DP_TUN_VXLAN, VNI | 4u << 16);
	struct dp_tunnel_match *m = matches[0];
	uint64_t in_b;

	for (unsigned i = dp_tunnel_match_slot(key, 3);; i = (i + 1) & 3) {
		if (m[i].key == 0) {
			m[i] = (struct dp_tunnel_match){key, TUNNEL_B, DP_NO_VLAN};
			break;
		}
	}
	conf[TUNNEL_B].flags |= DP_VP_UP;
	publish();
	in_b = dp_port_count(dp, TUNNEL_B)->rx_packets;
	burst_from_remote(32, turns);
	assert_int_equal(dp_port_count(dp, TUNNEL_B)->rx_packets - in_b, 0);
	assert_int_equal(came(100), ~(1u << 5));
	memset(matches[0], 0, sizeof(matches[0]));
}

static struct dp_port *open_port(const char *kind, const char *name, const char *mac)
{
	struct dp_port_opts opts = {.name = name, .kind = kind, .netns_fd = -1, .has_mac = true};
	struct err err = {0};
	struct dp_port *ret;

	assert_int_equal(rte_ether_unformat_addr(mac, &opts.mac), 0);
	if (dp_port_open(dp, &opts, &ret, &err) != 0)
		fail_msg("%s", err.what);
	return ret;
}

static int setup(void **state)
{
	struct err err = {0};

	dp = test_dp_create(8192);
	port[WIRE] = open_port("mem", "wire", PEER_MAC);
	port[VTEP_A] = open_port("vtep", "vtepa", VTEP_MAC);
	port[TUNNEL_A] = open_port("tunnel", "tuna", VTEP_MAC);
	port[STATION] = open_port("mem", "station", S_MAC);
	port[VTEP_B] = open_port("vtep", "vtepb", VTEP_MAC);
	port[TUNNEL_B] = open_port("tunnel", "tunb", VTEP_MAC);
	for (unsigned cpu = 0; cpu < 64; cpu++)
		if (dp_worker_add(dp, cpu, &err) == 0)
			return 0;
	fail_msg("%s", err.what);
	return -1;
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		conf[i].port = NULL;
	publish();
	for (unsigned i = 0; i < N_PORTS; i++)
		dp_port_close(port[i]);
	test_dp_destroy(dp);
	return 0;
}

/* ---- Fragments of outer packets ---- */

/* Bytes 'from' to 'end' of what the IP packet 'whole' carries, as 'p'. */
static void part(const struct pkt *whole, uint32_t from, uint32_t end)
{
	uint32_t all = whole->size - 34;

	end = end < all ? end : all;
	pkt_init(&p);
	memcpy(p.bytes, whole->bytes, 34);
	memcpy(p.bytes + 34, whole->bytes + 34 + from, end - from);
	p.size = 34 + end - from;
	pkt_set16(&p, 16, (uint16_t)(p.size - 14));
	pkt_set16(&p, 20, (uint16_t)(from / 8 | (end < all ? 0x2000 : 0)));
	sum_again();
}

static void outer_fragments_are_put_together(void **state)
{
	struct pkt whole;

	from_remote(VTEP_MAC, VNI, "192.0.2.9", "192.0.2.1");
	/* With a checksum over all of it. */
	pkt_set16(&p, 40,
		  (uint16_t)~pkt_fold(
			  pkt_sum(p.bytes + 34, 116, pkt_sum(p.bytes + 26, 8, 17 + 116))));
	whole = p;
	mark();
	part(&whole, 0, 56);
	send(WIRE);
	part(&whole, 112, 999);
	pkt_pad(&p, 60);
	send(WIRE);
	nothing_came();
	assert_int_equal(dp_port_count(dp, VTEP_A)->held_tx, 2);
	part(&whole, 56, 112);
	send(WIRE);
	assert_int_equal(receive(STATION), 1);
	assert_int_equal(got_size, 100);
	assert_memory_equal(got, whole.bytes + 50, 100);
	assert_int_equal(dp_port_count(dp, VTEP_A)->held_tx, 0);
	assert_int_equal(dp_port_count(dp, VTEP_A)->tx_packets - before[VTEP_A].tx_packets, 3);
	/* The last first; then with a checksum that is wrong. */
	for (unsigned i = 0; i < 2; i++) {
		whole.bytes[100] ^= (uint8_t)i;
		mark();
		part(&whole, 112, 999);
		pkt_set16(&p, 18, (uint16_t)(7 + i));
		sum_again();
		send(WIRE);
		part(&whole, 0, 112);
		pkt_set16(&p, 18, (uint16_t)(7 + i));
		sum_again();
		send(WIRE);
		assert_int_equal(receive(STATION), 1 - i);
	}
	assert_int_equal(dp_port_count(dp, VTEP_A)->drops_tx[DP_DROP_TUNNEL_CHECKSUM] -
				 before[VTEP_A].drops_tx[DP_DROP_TUNNEL_CHECKSUM],
			 2);
}

/* What one of our own sends in fragments, another puts together. */
static void long_frame_crosses_in_fragments(void **state)
{
	struct rte_mbuf *m[4];
	struct pkt sent;

	from_station(FAR_MAC, 1514);
	sent = p;
	send(STATION);
	assert_int_equal(dp_port_mem_collect(port[WIRE], m, 4), 2);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *d = rte_pktmbuf_mtod(m[i], uint8_t *);
		uint8_t ends[4];

		/* Back, from who it was sent to. */
		memcpy(d, vtep[0].mac.addr_bytes, 6);
		d[11] = 0x99;
		memcpy(ends, d + 26, 4);
		memcpy(d + 26, d + 30, 4);
		memcpy(d + 30, ends, 4);
	}
	memcpy(rte_pktmbuf_mtod(m[0], uint8_t *) + 56, "\2\0\0\0\0\x77", 6);
	memcpy(rte_pktmbuf_mtod(m[0], uint8_t *) + 50, "\2\0\0\0\0\3", 6);
	assert_int_equal(dp_port_mem_inject(port[WIRE], 0, m, 2), 2);
	settle();
	assert_int_equal(receive(STATION), 1);
	assert_int_equal(got_size, 1514);
	assert_memory_equal(got + 12, sent.bytes + 12, 1502);
}

/* A filter that looks, and drops when it is told to. */
struct watcher {
	struct dp_filter_chain_head head;
	unsigned seen;
	uint32_t size; /* of the last */
	uint8_t dst[6];
	bool drops;
};

static enum dp_filter_result watch(struct dp_filter_chain *chain, struct dp_filter_burst *b)
{
	struct watcher *w = (struct watcher *)chain;

	for (uint16_t i = 0; i < b->n; i++) {
		w->seen++;
		w->size = b->pkts[i]->pkt_len;
		memcpy(w->dst, rte_pktmbuf_mtod(b->pkts[i], const uint8_t *), sizeof(w->dst));
		b->fates[i] =
			(struct dp_filter_fate){.kind = w->drops ? DP_FATE_DROP : DP_FATE_PASS,
						.reason = DP_DROP_FILTER_DROP};
	}
	return DP_FILTER_DECIDED;
}

static const char *no_name(const struct dp_filter_chain *chain, unsigned i)
{
	return NULL;
}

/* [0] at the tunnel, [1] at its VTEP. */
static struct watcher watchers[2][DP_N_FILTER_SIDES];

static void hang_watchers(void)
{
	static const struct dp_filter_ops ops = {.run = watch, .name = no_name};

	for (unsigned i = 0; i < 2; i++) {
		for (unsigned side = 0; side < DP_N_FILTER_SIDES; side++) {
			watchers[i][side] = (struct watcher){.head = {&ops}};
			conf[i == 0 ? TUNNEL_A : VTEP_A].filters[side] =
				(struct dp_filter_chain *)&watchers[i][side];
		}
	}
	publish();
}

static void saw(unsigned i, enum dp_filter_side side, uint32_t size, const char *dst)
{
	struct rte_ether_addr mac;

	assert_int_equal(rte_ether_unformat_addr(dst, &mac), 0);
	assert_int_equal(watchers[i][side].seen, 1);
	assert_int_equal(watchers[i][side].size, size);
	assert_memory_equal(watchers[i][side].dst, mac.addr_bytes, 6);
	watchers[i][side].seen = 0;
}

static void filters_of_a_tunnel_see_what_is_inside_those_of_a_vtep_all(void **state)
{
	hang_watchers();
	from_station(FAR_MAC, 100);
	send(STATION);
	assert_int_equal(receive(WIRE), 1);
	saw(0, DP_FILTER_EGRESS, 100, FAR_MAC);
	saw(1, DP_FILTER_INGRESS, 150, PEER_MAC);
	from_remote(VTEP_MAC, VNI, "192.0.2.9", "192.0.2.1");
	send(WIRE);
	assert_int_equal(receive(STATION), 1);
	saw(1, DP_FILTER_EGRESS, 150, VTEP_MAC);
	saw(0, DP_FILTER_INGRESS, 100, S_MAC);
}

static void what_a_filter_of_a_tunnel_or_vtep_drops_goes_no_further(void **state)
{
	static const enum dp_filter_side to_wire[] = {DP_FILTER_EGRESS, DP_FILTER_INGRESS};

	hang_watchers();
	for (unsigned i = 0; i < 2; i++) {
		uint16_t at = i == 0 ? TUNNEL_A : VTEP_A;

		for (unsigned out = 0; out < 2; out++) {
			enum dp_filter_side side = out == 1 ? to_wire[i] : to_wire[1 - i];
			const struct dp_count *c = dp_port_count(dp, at);

			watchers[i][side].drops = true;
			mark();
			if (out == 1)
				from_station(FAR_MAC, 100);
			else
				from_remote(VTEP_MAC, VNI, "192.0.2.9", "192.0.2.1");
			send(out == 1 ? STATION : WIRE);
			nothing_came();
			assert_int_equal(side == DP_FILTER_EGRESS
						 ? c->drops_tx[DP_DROP_FILTER_DROP] -
							   before[at].drops_tx[DP_DROP_FILTER_DROP]
						 : c->drops_rx[DP_DROP_FILTER_DROP] -
							   before[at].drops_rx[DP_DROP_FILTER_DROP],
					 1);
			watchers[i][side].drops = false;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(outer_fragments_are_put_together, plain),
		cmocka_unit_test_setup(long_frame_crosses_in_fragments, plain),
		cmocka_unit_test_setup(station_is_on_the_wire_with_headers, plain),
		cmocka_unit_test_setup(checksum_is_right_when_asked_for, plain),
		cmocka_unit_test_setup(remote_reaches_the_station, plain),
		cmocka_unit_test_setup(what_must_not_come_in_is_counted, plain),
		cmocka_unit_test_setup(filters_of_a_tunnel_see_what_is_inside_those_of_a_vtep_all,
				       plain),
		cmocka_unit_test_setup(what_a_filter_of_a_tunnel_or_vtep_drops_goes_no_further,
				       plain),
		cmocka_unit_test_setup(congestion_outside_is_told_inside, plain),
		cmocka_unit_test_setup(vtep_answers_arp_and_asks, plain),
		cmocka_unit_test_setup(station_that_cannot_be_reached_is_counted, plain),
		cmocka_unit_test_setup(sender_of_long_packets_is_told, plain),
		cmocka_unit_test_setup(long_packet_that_may_be_is_sent_in_fragments, plain),
		cmocka_unit_test_setup(frame_that_goes_round_through_tunnels_ends, plain),
		cmocka_unit_test_setup(copies_that_cannot_wait_are_counted, plain),
		cmocka_unit_test_setup(burst_that_is_alike_comes_in_whole_and_in_order, plain),
		cmocka_unit_test_setup(frames_that_are_not_alike_are_told_apart, plain),
		cmocka_unit_test_setup(frame_that_dies_leaves_no_looks_behind, plain),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
