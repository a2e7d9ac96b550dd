/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Connection tracking: what each packet of a conversation is said to be, how long connections live,
 * who gives way, and what two threads that see the same first packets make of them.
 */
#include "dataplane/ct.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/key.h"
#include "tests/support/mbufs.h"
#include "tests/support/packet.h"

#define A   "10.0.0.1"
#define B   "10.0.0.2"
#define NEW (DP_CT_TRACKED | DP_CT_NEW)
#define EST (DP_CT_TRACKED | DP_CT_EST)
#define RPL (DP_CT_TRACKED | DP_CT_EST | DP_CT_REPLY)
#define INV (DP_CT_TRACKED | DP_CT_INV)
#define REL (DP_CT_TRACKED | DP_CT_REL)

static struct dp_ct *ct;
static struct dp_ct_local local;
static uint32_t now;
static uint16_t domain, zone;
static struct dp_ct_mark last;
static struct pkt pkt;

static int set_up_of(uint32_t limit)
{
	now = 1000;
	domain = 3;
	zone = 7;
	if (dp_ct_create(limit, NULL, &ct) != 0)
		return -1;
	dp_ct_local_init(ct, &local);
	return 0;
}

static int set_up(void **state)
{
	return set_up_of(10000);
}

static int tear_down(void **state)
{
	dp_ct_local_fini(ct, &local);
	dp_ct_destroy(ct);
	return 0;
}

/* What 'pkt' is; 'commit': and it is kept. */
static uint8_t see(bool commit)
{
	static const struct dp_ct_commit plain;
	struct dp_ct_packet p;
	struct dp_headers h;

	pkt_finish(&pkt, 0);
	dp_parse(pkt.bytes, pkt.size, &h);
	dp_ct_packet(pkt.bytes, pkt.size, &h, &p);
	memset(&last, 0, sizeof(last));
	dp_ct_track(ct, &local, domain, zone, &p, now, &last);
	if (commit)
		dp_ct_commit(ct, &local, domain, &p, &plain, now, &last);
	return last.state;
}

static void ip(const char *src, const char *dst)
{
	pkt_init(&pkt);
	pkt_eth(&pkt, "02:00:00:00:00:02", "02:00:00:00:00:01");
	if (strchr(src, ':') != NULL)
		pkt_ipv6(&pkt, src, dst);
	else
		pkt_ipv4(&pkt, src, dst);
}

static uint8_t udp(const char *src, uint16_t sport, const char *dst, uint16_t dport, bool commit)
{
	ip(src, dst);
	pkt_udp(&pkt, sport, dport);
	pkt_fill(&pkt, 20, 1);
	return see(commit);
}

/* ---- TCP: a conversation between A:1000 and B:80 ---- */

struct end {
	const char *ip;
	uint16_t port;
	uint32_t seq, ack; /* next to send, next expected */
	uint16_t window;
};
static struct end client, server;

static void ends(void)
{
	client = (struct end){A, 1000, 5000, 0, 1000};
	server = (struct end){B, 80, UINT32_MAX - 10, 0, 1000}; /* wraps soon */
}

/* A segment as its sender would send it now; nothing moves on. */
static void segment(const struct end *from, const struct end *to, uint8_t flags, uint32_t size)
{
	uint32_t tcp;

	ip(from->ip, to->ip);
	tcp = pkt_tcp(&pkt, from->port, to->port, flags);
	pkt_set32(&pkt, tcp + 4, from->seq);
	pkt_set32(&pkt, tcp + 8, (flags & PKT_ACK) != 0 ? from->ack : 0);
	pkt_set16(&pkt, tcp + 14, from->window);
	if (size != 0)
		pkt_fill(&pkt, size, 1);
}

/* It arrives: both know. */
static uint8_t send_it(struct end *from, struct end *to, uint8_t flags, uint32_t size)
{
	uint8_t state;

	segment(from, to, flags, size);
	state = see((flags & (PKT_SYN | PKT_ACK)) == PKT_SYN);
	from->seq += size + ((flags & (PKT_SYN | PKT_FIN)) != 0);
	to->ack = from->seq;
	return state;
}

static void handshake(void)
{
	ends();
	assert_int_equal(send_it(&client, &server, PKT_SYN, 0), NEW);
	assert_int_equal(send_it(&server, &client, PKT_SYN | PKT_ACK, 0), RPL);
	assert_int_equal(send_it(&client, &server, PKT_ACK, 0), EST);
}

static struct dp_ct_info found;
static unsigned n_found;

static bool remember(void *arg, const struct dp_ct_info *info)
{
	found = *info;
	n_found++;
	return true;
}

static const char *tcp_state(void)
{
	n_found = 0;
	dp_ct_each(ct, now, remember, NULL);
	assert_int_equal(n_found, 1);
	return found.tcp_state;
}

static void handshake_establishes(void **state)
{
	handshake();
	assert_string_equal(tcp_state(), "ESTABLISHED");
	assert_int_equal(found.expires_s, 86400);
	assert_int_equal(found.sport, 1000);
	assert_int_equal(found.dport, 80);
	assert_int_equal(found.domain, 3);
	assert_int_equal(found.zone, 7);
	assert_true(found.assured);
}

static void syn_alone_is_new_again_and_again(void **state)
{
	ends();
	segment(&client, &server, PKT_SYN, 0);
	assert_int_equal(see(true), NEW);
	assert_int_equal(see(true), NEW);
	client.seq += 77777; /* another connection from the same port */
	segment(&client, &server, PKT_SYN, 0);
	assert_int_equal(see(false), NEW);
	assert_int_equal(dp_ct_domain_count(ct, 3), 1);
	assert_string_equal(tcp_state(), "SYN_SENT");
	/* The answer is to the last. */
	server.ack = client.seq + 1;
	segment(&server, &client, PKT_SYN | PKT_ACK, 0);
	assert_int_equal(see(false), RPL);
}

static void answer_to_nobody_is_invalid(void **state)
{
	ends();
	segment(&server, &client, PKT_SYN | PKT_ACK, 0);
	assert_int_equal(see(true), INV);
	segment(&server, &client, PKT_RST, 0);
	assert_int_equal(see(true), INV);
	assert_int_equal(dp_ct_domain_count(ct, 3), 0);
}

static void nonsense_flags_are_invalid(void **state)
{
	static const uint8_t flags[] = {0, PKT_SYN | PKT_FIN, PKT_SYN | PKT_RST, PKT_FIN,
					PKT_FIN | PKT_RST | PKT_ACK};

	for (size_t i = 0; i < sizeof(flags); i++) {
		ends();
		segment(&client, &server, flags[i], 0);
		assert_int_equal(see(true), INV);
	}
	handshake();
	for (size_t i = 0; i < sizeof(flags); i++) {
		segment(&client, &server, flags[i], 0);
		assert_int_equal(see(false), INV);
	}
}

static void simultaneous_open_establishes(void **state)
{
	ends();
	assert_int_equal(send_it(&client, &server, PKT_SYN, 0), NEW);
	assert_int_equal(send_it(&server, &client, PKT_SYN, 0), RPL);
	client.seq--, server.seq--; /* both send their SYN once more */
	assert_int_equal(send_it(&client, &server, PKT_SYN | PKT_ACK, 0), EST);
	assert_int_equal(send_it(&server, &client, PKT_SYN | PKT_ACK, 0), RPL);
	assert_string_equal(tcp_state(), "ESTABLISHED");
}

static void data_moves_the_window(void **state)
{
	handshake();
	for (int i = 0; i < 200; i++) {
		assert_int_equal(send_it(&client, &server, PKT_ACK | PKT_PSH, 700), EST);
		assert_int_equal(send_it(&server, &client, PKT_ACK, 0), RPL);
		assert_int_equal(send_it(&server, &client, PKT_ACK, 900), RPL);
		assert_int_equal(send_it(&client, &server, PKT_ACK, 0), EST);
	}
	/* One of them comes late, and twice. */
	client.seq -= 700;
	segment(&client, &server, PKT_ACK, 700);
	assert_int_equal(see(false), EST);
}

static void outside_of_the_window_is_invalid(void **state)
{
	struct dp_ct_stats stats;

	handshake();
	client.seq += 1001;
	segment(&client, &server, PKT_ACK, 10);
	assert_int_equal(see(false), INV); /* beyond */
	client.seq -= 1001 + 1012;
	segment(&client, &server, PKT_ACK, 10);
	assert_int_equal(see(false), INV); /* long ago */
	client.seq += 1012;
	client.ack += 1;
	segment(&client, &server, PKT_ACK, 10);
	assert_int_equal(see(false), INV); /* of what was never sent */
	client.ack -= 66003;
	segment(&client, &server, PKT_ACK, 10);
	assert_int_equal(see(false), INV);
	client.ack += 66002;
	segment(&client, &server, PKT_ACK, 10);
	assert_int_equal(see(false), EST);
	dp_ct_stats(ct, &stats);
	assert_int_equal(stats.counters[DP_CT_C_WINDOW], 4);
}

static void reset_counts_within_the_window_only(void **state)
{
	handshake();
	server.seq += 5000;
	segment(&server, &client, PKT_RST, 0);
	assert_int_equal(see(false), INV);
	assert_string_equal(tcp_state(), "ESTABLISHED");
	server.seq -= 5000;
	segment(&server, &client, PKT_RST, 0);
	assert_int_equal(see(false), RPL);
	assert_string_equal(tcp_state(), "CLOSED");
	assert_int_equal(found.expires_s, 30);
}

static void refused_connection_closes(void **state)
{
	ends();
	send_it(&client, &server, PKT_SYN, 0);
	server.seq = 0;
	server.ack += 5;
	segment(&server, &client, PKT_RST | PKT_ACK, 0);
	assert_int_equal(see(false), INV); /* of something else */
	server.ack -= 5;
	segment(&server, &client, PKT_RST | PKT_ACK, 0);
	assert_int_equal(see(false), RPL);
	assert_string_equal(tcp_state(), "CLOSED");
}

static void goodbye_from_both_sides(void **state)
{
	handshake();
	assert_int_equal(send_it(&client, &server, PKT_FIN | PKT_ACK, 0), EST);
	assert_string_equal(tcp_state(), "FIN_WAIT");
	assert_int_equal(found.expires_s, 900);
	assert_int_equal(send_it(&server, &client, PKT_ACK, 500), RPL); /* half closed */
	assert_int_equal(send_it(&client, &server, PKT_ACK, 0), EST);
	assert_int_equal(send_it(&server, &client, PKT_FIN | PKT_ACK, 0), RPL);
	assert_int_equal(found.expires_s, 900);
	tcp_state();
	assert_int_equal(found.expires_s, 45);
	assert_int_equal(send_it(&client, &server, PKT_ACK, 0), EST);
	assert_string_equal(tcp_state(), "TIME_WAIT");
	assert_int_equal(found.expires_s, 30);
}

static void closed_connection_opens_anew(void **state)
{
	goodbye_from_both_sides(state);
	client.seq += 100000;
	assert_int_equal(send_it(&client, &server, PKT_SYN, 0), NEW);
	assert_string_equal(tcp_state(), "SYN_SENT");
	server.seq += 999999;
	assert_int_equal(send_it(&server, &client, PKT_SYN | PKT_ACK, 0), RPL);
	assert_int_equal(send_it(&client, &server, PKT_ACK, 0), EST);
	assert_string_equal(tcp_state(), "ESTABLISHED");
}

static void established_one_does_not(void **state)
{
	handshake();
	client.seq += 100000;
	segment(&client, &server, PKT_SYN, 0);
	assert_int_equal(see(true), INV);
	assert_string_equal(tcp_state(), "ESTABLISHED");
}

static void scaled_windows(void **state)
{
	static const uint8_t scale_7[] = {3, 3, 7, 0};

	ends();
	segment(&client, &server, PKT_SYN, 0);
	pkt_tcp_options(&pkt, scale_7, 4);
	assert_int_equal(see(true), NEW);
	client.seq++;
	server.ack = client.seq;
	segment(&server, &client, PKT_SYN | PKT_ACK, 0);
	pkt_tcp_options(&pkt, scale_7, 4);
	assert_int_equal(see(false), RPL);
	server.seq++;
	client.ack = server.seq;
	assert_int_equal(send_it(&client, &server, PKT_ACK, 0), EST);
	/* Until the server says more, its SYN's window counts, which is not scaled. */
	client.seq += 50000;
	segment(&client, &server, PKT_ACK, 10);
	assert_int_equal(see(false), INV);
	assert_int_equal(send_it(&server, &client, PKT_ACK, 1), RPL); /* 1000 << 7 */
	server.ack = client.ack; /* not changed by what did not arrive */
	segment(&client, &server, PKT_ACK, 10);
	assert_int_equal(see(false), EST);
}

static void picked_up_in_its_middle(void **state)
{
	ends();
	client.ack = server.seq;
	server.ack = client.seq;
	segment(&client, &server, PKT_ACK, 100);
	assert_int_equal(see(true), NEW);
	client.seq += 100;
	server.ack = client.seq;
	assert_int_equal(send_it(&server, &client, PKT_ACK, 1000), RPL);
	assert_int_equal(send_it(&client, &server, PKT_ACK, 1000), EST);
	assert_string_equal(tcp_state(), "ESTABLISHED");
}

static void strict_tracker_picks_up_nothing(void **state)
{
	dp_ct_set_loose(ct, false);
	ends();
	client.ack = server.seq;
	segment(&client, &server, PKT_ACK, 100);
	assert_int_equal(see(true), INV);
	handshake();
}

/* ---- Others ---- */

static void datagrams_are_new_until_answered(void **state)
{
	assert_int_equal(udp(A, 1, B, 2, false), NEW);
	assert_int_equal(dp_ct_domain_count(ct, 3), 0);
	assert_int_equal(udp(A, 1, B, 2, true), NEW);
	assert_int_equal(udp(A, 1, B, 2, true), NEW);
	assert_int_equal(dp_ct_domain_count(ct, 3), 1);
	assert_int_equal(udp(B, 2, A, 1, false), RPL);
	assert_int_equal(udp(A, 1, B, 2, false), EST);
	assert_int_equal(udp(A, 1, B, 3, false), NEW);
	assert_int_equal(udp(B, 1, A, 2, false), NEW); /* ports the other way round */
	assert_int_equal(udp("fd00::1", 1, "fd00::2", 2, true), NEW);
	assert_int_equal(udp("fd00::2", 2, "fd00::1", 1, false), RPL);
	assert_int_equal(udp("fd00::2", 2, "fd01::1", 1, false), NEW);
}

static void zones_and_tenants_are_apart(void **state)
{
	assert_int_equal(udp(A, 1, B, 2, true), NEW);
	zone = 8;
	assert_int_equal(udp(B, 2, A, 1, true), NEW);
	zone = 7;
	domain = 4;
	assert_int_equal(udp(B, 2, A, 1, true), NEW);
	assert_int_equal(udp("fd00::1", 1, "fd00::2", 2, true), NEW);
	domain = 3;
	assert_int_equal(udp("fd00::2", 2, "fd00::1", 1, true), NEW);
	assert_int_equal(udp(B, 2, A, 1, false), RPL);
}

static uint8_t icmp(const char *src, const char *dst, uint8_t type, uint16_t id, bool commit)
{
	uint32_t at;

	ip(src, dst);
	at = strchr(src, ':') != NULL ? pkt_icmpv6(&pkt, type, 0) : pkt_icmp(&pkt, type, 0);
	pkt_fill(&pkt, 24, 1);
	pkt_set16(&pkt, at + 4, id);
	return see(commit);
}

static void pings_go_by_identifier(void **state)
{
	assert_int_equal(icmp(B, A, 0, 5, true), INV);
	assert_int_equal(icmp(A, B, 8, 5, true), NEW);
	assert_int_equal(icmp(B, A, 0, 6, true), INV);
	assert_int_equal(icmp(B, A, 0, 5, true), RPL);
	assert_int_equal(icmp(B, A, 8, 5, true), NEW); /* another one, the other way */
	assert_int_equal(icmp(A, B, 0, 5, true), RPL);
	assert_int_equal(icmp(A, B, 14, 5, true), INV);
	assert_int_equal(icmp("fd00::1", "fd00::2", 128, 5, true), NEW);
	assert_int_equal(icmp("fd00::2", "fd00::1", 129, 5, true), RPL);
	assert_int_equal(icmp("fd00::2", "fd00::1", 135, 5, true), INV);
}

/* An error of 'router' to 'to' about what is in 'pkt' now, of which 'size' bytes are quoted. */
static uint8_t error_about(const char *router, const char *to, uint8_t type, uint32_t size)
{
	uint8_t quoted[200];
	uint32_t n = size < pkt.size - 14 ? size : pkt.size - 14;

	memcpy(quoted, pkt.bytes + 14, n);
	ip(router, to);
	if (strchr(router, ':') != NULL)
		pkt_icmpv6(&pkt, type, 1);
	else
		pkt_icmp(&pkt, type, 1);
	pkt_set32(&pkt, pkt.size - 4, 0);
	if (strchr(router, ':') != NULL && pkt.layers[pkt.n_layers - 1].kind == PKT_ICMPV6 &&
	    pkt.size - pkt.layers[pkt.n_layers - 1].off == 4)
		pkt_payload(&pkt, "\0\0\0\0", 4);
	pkt_payload(&pkt, quoted, n);
	return see(true);
}

static void errors_are_related(void **state)
{
	udp(A, 1, B, 2, true);
	assert_int_equal(error_about("10.0.0.9", A, 3, 28), REL | DP_CT_REPLY);
	udp(A, 1, B, 2, false);
	assert_int_equal(error_about("10.0.0.9", A, 3, 27), INV); /* too little of it */
	udp(A, 1, B, 2, false);
	assert_int_equal(error_about("10.0.0.9", "10.0.0.8", 3, 48), INV); /* to somebody else */
	udp(A, 1, B, 3, false);
	assert_int_equal(error_about("10.0.0.9", A, 3, 48), INV); /* about nothing known */
	udp(B, 2, A, 1, false);
	assert_int_equal(error_about("10.0.0.9", B, 11, 48), REL);
	udp(A, 1, B, 2, false);
	assert_int_equal(last.state, EST);
}

static void errors_of_ipv6_are_related(void **state)
{
	udp("fd00::1", 1, "fd00::2", 2, true);
	assert_int_equal(error_about("fd00::9", "fd00::1", 1, 68), REL | DP_CT_REPLY);
	udp("fd00::1", 1, "fd00::2", 2, false);
	assert_int_equal(error_about("fd00::9", "fd00::1", 1, 47), INV);
}

static void what_cannot_be_tracked_is_invalid(void **state)
{
	pkt_init(&pkt);
	pkt_eth(&pkt, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_arp(&pkt, 1, A, B);
	assert_int_equal(see(true), INV);
	ip(A, B);
	pkt_fragment(&pkt, 64, 0, 1);
	pkt_ip_proto(&pkt, 17);
	pkt_fill(&pkt, 30, 1);
	assert_int_equal(see(true), INV);
}

/* ---- Life ---- */

static void run_until(uint32_t until)
{
	while (now < until)
		dp_ct_tick(ct, ++now);
}

static void connections_expire(void **state)
{
	udp(A, 1, B, 2, true);
	run_until(1000 + 590);
	assert_int_equal(udp(A, 1, B, 2, false), NEW);
	assert_int_equal(dp_ct_domain_count(ct, 3), 1);
	run_until(1000 + 1180);
	assert_int_equal(dp_ct_domain_count(ct, 3), 1); /* it was used */
	run_until(1000 + 1250);
	assert_int_equal(dp_ct_domain_count(ct, 3), 0);
	assert_int_equal(udp(B, 2, A, 1, false), NEW);
}

static void closing_shortens_the_time(void **state)
{
	handshake();
	run_until(2000);
	segment(&server, &client, PKT_RST, 0);
	see(false);
	run_until(2000 + 320);
	assert_int_equal(dp_ct_domain_count(ct, 3), 0);
}

static void timeouts_can_be_set(void **state)
{
	dp_ct_set_timeout(ct, DP_CT_T_UDP_FIRST, 5);
	assert_int_equal(dp_ct_timeout(ct, DP_CT_T_UDP_FIRST), 5);
	udp(A, 1, B, 2, true);
	run_until(1000 + 70);
	assert_int_equal(dp_ct_domain_count(ct, 3), 0);
}

static void entries_are_used_again(void **state)
{
	struct dp_ct_stats stats;

	for (unsigned round = 0; round < 5; round++) {
		for (uint16_t i = 0; i < 9000; i++)
			assert_int_equal(udp(A, i, B, 2, true), NEW);
		assert_int_equal(dp_ct_domain_count(ct, 3), 9000);
		run_until(now + 700);
		assert_int_equal(dp_ct_domain_count(ct, 3), 0);
	}
	dp_ct_stats(ct, &stats);
	assert_int_equal(stats.n_entries, 0);
	assert_int_equal(stats.counters[DP_CT_C_CREATED], 45000);
	assert_int_equal(stats.counters[DP_CT_C_EXPIRED], 45000);
	assert_int_equal(stats.counters[DP_CT_C_REFUSED_FULL], 0);
}

/* A first packet of nobody else's. */
static void open_nth(uint32_t n)
{
	static const struct dp_ct_commit plain;
	const uint64_t from = 0x0a000000u + n, to = 0x0a800001u;
	uint64_t key[4] = {0};
	struct dp_ct_packet p;

	key[2] = UINT64_C(17) << 16 | UINT64_C(53) << 48 | UINT64_C(9) << 32;
	key[3] = from | to << 32;
	dp_ct_packet_plain(key, NULL, &p);
	memset(&last, 0, sizeof(last));
	dp_ct_track(ct, &local, domain, zone, &p, now, &last);
	assert_int_equal(dp_ct_commit(ct, &local, domain, &p, &plain, now, &last), 0);
}

static void a_million_connections_are_held(void **state)
{
	struct dp_ct_stats s;

	tear_down(NULL);
	assert_int_equal(set_up_of(DP_CT_MAX_ENTRIES), 0);
	for (uint32_t i = 0; i < DP_CT_MAX_ENTRIES; i++) {
		if (i % 65536 == 0)
			dp_ct_tick(ct, now);
		open_nth(i);
	}
	dp_ct_stats(ct, &s);
	/* One or two may find both their buckets full. */
	assert_in_range(s.n_entries, DP_CT_MAX_ENTRIES - 16, DP_CT_MAX_ENTRIES);
	/* One more takes the place of another. */
	for (uint32_t i = 0; i < 100; i++)
		open_nth(DP_CT_MAX_ENTRIES + i);
	dp_ct_stats(ct, &s);
	assert_in_range(s.n_entries, DP_CT_MAX_ENTRIES - 128, DP_CT_MAX_ENTRIES);
	assert_true(s.counters[DP_CT_C_EVICTED] >= 80);
}

static void zone_limit_holds(void **state)
{
	struct dp_ct_stats stats;

	assert_int_equal(dp_ct_set_zone_limit(ct, 3, 7, 100), 0);
	for (uint16_t i = 0; i < 100; i++) {
		udp(A, i, B, 2, true);
		udp(B, 2, A, i, false); /* answered: it stays */
	}
	udp(A, 100, B, 2, true);
	assert_int_equal(last.conn, 0);
	assert_int_equal(dp_ct_domain_count(ct, 3), 100);
	zone = 8;
	udp(A, 100, B, 2, true);
	assert_int_not_equal(last.conn, 0);
	dp_ct_stats(ct, &stats);
	assert_int_equal(stats.counters[DP_CT_C_REFUSED_ZONE], 1);
	dp_ct_set_zone_limit(ct, 3, 7, 0);
	zone = 7;
	udp(A, 100, B, 2, true);
	assert_int_not_equal(last.conn, 0);
}

static void tenant_limit_holds(void **state)
{
	dp_ct_set_domain_limit(ct, 3, 10);
	for (uint16_t i = 0; i < 10; i++) {
		udp(A, i, B, 2, true);
		udp(B, 2, A, i, false);
	}
	udp(A, 100, B, 2, true);
	assert_int_equal(last.conn, 0);
	domain = 4;
	udp(A, 100, B, 2, true);
	assert_int_not_equal(last.conn, 0);
}

/* A flood of first packets takes nothing from those who are answered, and does not keep others
 * out. */
static void flood_evicts_only_its_like(void **state)
{
	unsigned n = 0;

	domain = 5;
	for (uint16_t i = 0; i < 2000; i++) {
		udp(A, i, B, 2, true);
		udp(B, 2, A, i, false);
	}
	domain = 6;
	for (unsigned i = 0; i < 50000; i++)
		udp("10.1.1.1", (uint16_t)i, i < 25000 ? "10.2.2.2" : "10.3.3.3", 9, true);
	domain = 5;
	for (uint16_t i = 0; i < 2000; i++)
		assert_int_equal(udp(A, i, B, 2, false), EST);
	for (uint16_t i = 0; i < 200; i++) {
		udp(A, (uint16_t)(10000 + i), B, 2, true);
		n += last.conn != 0;
	}
	/* Who goes is drawn by lot among the unanswered, these 200 too. */
	assert_true(n > 180);
	assert_true(dp_ct_domain_count(ct, 5) + 20 >= 2000 + n);
}

static bool in_zone_8(void *arg, const struct dp_ct_info *info)
{
	return info->zone == 8;
}

static void flush_takes_what_it_is_told(void **state)
{
	for (uint16_t i = 0; i < 50; i++) {
		zone = 7 + i % 2;
		udp(A, i, B, 2, true);
	}
	assert_int_equal(dp_ct_flush(ct, now, in_zone_8, NULL), 25);
	assert_int_equal(dp_ct_domain_count(ct, 3), 25);
	zone = 8;
	assert_int_equal(udp(B, 2, A, 1, false), NEW);
	zone = 7;
	assert_int_equal(udp(B, 2, A, 0, false), RPL);
}

static void notes_stay_with_the_connection(void **state)
{
	struct dp_ct_commit commit = {.mark = 0xff42,
				      .mark_mask = 0xff,
				      .label = {1, 2},
				      .label_mask = {UINT64_MAX, 0}};
	struct dp_ct_packet p;
	struct dp_headers h;

	udp(A, 1, B, 2, false);
	dp_parse(pkt.bytes, pkt.size, &h);
	dp_ct_packet(pkt.bytes, pkt.size, &h, &p);
	dp_ct_commit(ct, &local, domain, &p, &commit, now, &last);
	assert_int_equal(last.mark, 0x42);
	udp(B, 2, A, 1, false);
	assert_int_equal(last.mark, 0x42);
	assert_int_equal(last.label[0], 1);
	assert_int_equal(last.label[1], 0);
}

static void force_turns_a_connection_round(void **state)
{
	const struct dp_ct_commit commit = {.force = true};
	struct dp_ct_packet p;
	struct dp_headers h;

	udp(A, 1, B, 2, true);
	assert_int_equal(udp(B, 2, A, 1, false), RPL);
	dp_parse(pkt.bytes, pkt.size, &h);
	dp_ct_packet(pkt.bytes, pkt.size, &h, &p);
	dp_ct_commit(ct, &local, domain, &p, &commit, now, &last);
	assert_int_equal(dp_ct_domain_count(ct, 3), 1);
	assert_int_equal(udp(B, 2, A, 1, false), NEW);
	assert_int_equal(udp(A, 1, B, 2, false), RPL);
}

static void short_key_says_the_same(void **state)
{
	for (unsigned i = 0; i < 8; i++) {
		struct dp_ct_packet whole, plain;
		struct dp_headers h;
		uint64_t w[4];

		memset(&plain, 0, sizeof(plain));
		pkt_init(&pkt);
		pkt_eth(&pkt, "02:00:00:00:00:02", "02:00:00:00:00:01");
		if ((i & 1) != 0)
			pkt_vlan(&pkt, 0x8100, 5);
		pkt_ipv4(&pkt, (i & 2) != 0 ? A : B, (i & 2) != 0 ? B : A);
		if ((i & 4) != 0)
			pkt_tcp(&pkt, 1000, 80, PKT_ACK | PKT_FIN);
		else
			pkt_udp(&pkt, 1000, 80);
		pkt_fill(&pkt, 50, i);
		pkt_finish(&pkt, 0);
		pkt_pad(&pkt, 7);
		dp_parse(pkt.bytes, pkt.size, &h);
		dp_ct_packet(pkt.bytes, pkt.size, &h, &whole);
		assert_true(dp_key_plain(pkt.bytes, pkt.size, 0, w));
		dp_ct_packet_plain(w, pkt.bytes, &plain);
		assert_memory_equal(&plain, &whole, sizeof(whole));
	}
}

/* ---- Many at once ---- */

static struct rte_mempool *pool;

static uint32_t drawn = 1;

static uint32_t draw(uint32_t n)
{
	drawn = drawn * 1103515245 + 12345;
	return (drawn >> 8) % n;
}

/* Of a few connections, in a few states, near to their windows. */
static struct rte_mbuf *some_frame(void)
{
	static const uint8_t flags[] = {PKT_ACK,	   PKT_ACK, PKT_ACK,
					PKT_ACK | 8,	   PKT_SYN, PKT_SYN | PKT_ACK,
					PKT_ACK | PKT_FIN, PKT_RST, PKT_ACK,
					PKT_RST | PKT_ACK, 0};
	uint16_t port = (uint16_t)(1000 + draw(8));
	bool way = draw(2) != 0;
	uint32_t tcp;

	pkt_init(&pkt);
	pkt_eth(&pkt, "02:00:00:00:00:02", "02:00:00:00:00:01");
	if (draw(8) == 0)
		pkt_vlan(&pkt, 0x8100, 5);
	pkt_ipv4(&pkt, way ? A : B, way ? B : A);
	if (draw(3) == 0) {
		pkt_udp(&pkt, way ? port : 80, way ? 80 : port);
	} else {
		tcp = pkt_tcp(&pkt, way ? port : 80, way ? 80 : port,
			      flags[draw(draw(3) == 0 ? sizeof(flags) : 4)]);
		pkt_set32(&pkt, tcp + 4, 1000 + draw(3) * 400);
		pkt_set32(&pkt, tcp + 8, 1000 + draw(3) * 400);
		pkt_set16(&pkt, tcp + 14, (uint16_t)(100 << draw(5)));
	}
	pkt_fill(&pkt, draw(300), 1);
	pkt_finish(&pkt, 0);
	return mbufs_make(pool, pkt.bytes, pkt.size, NULL, 0);
}

/* Two tables that see the same. */
struct twins {
	struct dp_ct *ct[2];
	struct dp_ct_local local[2];
	uint64_t key[DP_CT_LANE][4];
	struct rte_mbuf *m[DP_CT_LANE];
};

static struct dp_ct_packet packet_of(const struct twins *t, unsigned i)
{
	struct dp_ct_packet p;

	dp_ct_packet_plain(t->key[i], rte_pktmbuf_mtod(t->m[i], const uint8_t *), &p);
	return p;
}

static void commit_some(struct twins *t, unsigned i, struct dp_ct_mark marks[2])
{
	static const struct dp_ct_nat nat = {.flags = DP_CT_NAT_SRC | DP_CT_NAT_ADDRESS,
					     .ip_min = {9, 9, 9, 9},
					     .ip_max = {9, 9, 9, 9}};
	const struct dp_ct_commit commit = {.nat = draw(4) == 0 ? &nat : NULL};

	for (unsigned k = 0; k < 2; k++) {
		struct dp_ct_packet p = packet_of(t, i);

		assert_int_equal(dp_ct_commit(t->ct[k], &t->local[k], domain, &p, &commit, now,
					      &marks[k]),
				 0);
	}
}

static void see_burst(struct twins *t, struct dp_ct_lane *lane)
{
	struct dp_ct_mark marks[DP_CT_LANE][2];

	memset(marks, 0, sizeof(marks));
	lane->which = draw(UINT32_MAX) ^ draw(UINT32_MAX) << 9;
	lane->now = now;
	for (unsigned i = 0; i < DP_CT_LANE; i++) {
		t->m[i] = some_frame();
		assert_true(dp_key_plain(rte_pktmbuf_mtod(t->m[i], const uint8_t *),
					 t->m[i]->pkt_len, 0, t->key[i]));
	}
	dp_ct_track_lane(t->ct[0], &t->local[0], lane);
	for (unsigned i = 0; i < DP_CT_LANE; i++) {
		struct dp_ct_packet p = packet_of(t, i);

		if ((lane->which >> i & 1) == 0)
			continue;
		dp_ct_track(t->ct[1], &t->local[1], domain, zone, &p, now, &marks[i][1]);
		assert_int_equal(lane->state[i], marks[i][1].state);
		assert_int_equal(lane->conn[i], marks[i][1].conn);
		marks[i][0] = marks[i][1];
	}
	for (unsigned i = 0; i < DP_CT_LANE; i++) {
		if ((lane->which >> i & 1) != 0 && draw(8) == 0)
			commit_some(t, i, marks[i]);
		rte_pktmbuf_free(t->m[i]);
	}
}

static uint64_t sum_up(const struct dp_ct_info *info)
{
	return info->sport * 3 + info->dport * 5 + info->expires_s * 7 + info->replied * 11 +
	       info->assured * 13 + info->reply_dport * 17 +
	       (info->tcp_state != NULL ? info->tcp_state[0] * 19 + info->tcp_state[4] * 23 : 0);
}

static bool add_up(void *arg, const struct dp_ct_info *info)
{
	*(uint64_t *)arg += sum_up(info);
	return true;
}

static void lane_says_what_one_by_one_says(void **state)
{
	static struct twins t;
	struct dp_ct_lane lane = {.domain = domain,
				  .zone = zone,
				  .key = (const uint64_t(*)[4])t.key,
				  .pkts = t.m};

	if (pool == NULL)
		pool = mbufs_pool("ct", 64, 2048);
	for (unsigned k = 0; k < 2; k++) {
		assert_int_equal(dp_ct_create(10000, NULL, &t.ct[k]), 0);
		dp_ct_local_init(t.ct[k], &t.local[k]);
	}
	for (unsigned n = 0; n < 3000; n++, now += draw(3)) {
		struct dp_ct_stats stats[2];
		uint64_t sums[2] = {0};

		see_burst(&t, &lane);
		for (unsigned k = 0; k < 2; k++) {
			dp_ct_each(t.ct[k], now, add_up, &sums[k]);
			dp_ct_stats(t.ct[k], &stats[k]);
			dp_ct_tick(t.ct[k], now);
		}
		assert_int_equal(sums[0], sums[1]);
		assert_memory_equal(stats[0].counters, stats[1].counters,
				    sizeof(stats[0].counters));
	}
	for (unsigned k = 0; k < 2; k++) {
		dp_ct_local_fini(t.ct[k], &t.local[k]);
		dp_ct_destroy(t.ct[k]);
	}
}

/* ---- Translation ---- */

/* What 'pkt' is, committed with 'nat' if it is new, and its bytes as they go on. */
static uint8_t pass(const struct dp_ct_nat *nat, uint8_t *ret_bytes, uint32_t *ret_size)
{
	const struct dp_ct_commit commit = {.nat = nat};
	struct dp_ct_packet p;
	struct dp_headers h;
	struct rte_mbuf *m;

	if (pool == NULL)
		pool = mbufs_pool("ct", 64, 2048);
	pkt_finish(&pkt, 0);
	m = mbufs_make(pool, pkt.bytes, pkt.size, NULL, 0);
	dp_parse_mbuf(m, &h);
	dp_ct_packet(pkt.bytes, pkt.size, &h, &p);
	memset(&last, 0, sizeof(last));
	dp_ct_track(ct, &local, domain, zone, &p, now, &last);
	if (nat != NULL)
		dp_ct_commit(ct, &local, domain, &p, &commit, now, &last);
	if (last.conn != 0 && (last.state & DP_CT_INV) == 0)
		assert_int_equal(dp_ct_translate(ct, m, &h, &last), 0);
	*ret_size = mbufs_read(m, ret_bytes, 2048);
	rte_pktmbuf_free(m);
	return last.state;
}

static void udp_frame(const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	ip(src, dst);
	pkt_udp(&pkt, sport, dport);
	pkt_fill(&pkt, 20, 1);
}

/* 'bytes' are those of 'pkt' as it is now, checksums and all. */
static void is_pkt(const uint8_t *bytes, uint32_t size)
{
	pkt_finish(&pkt, 0);
	assert_int_equal(size, pkt.size);
	assert_memory_equal(bytes, pkt.bytes, size);
}

static const struct dp_ct_nat out = {.flags = DP_CT_NAT_SRC | DP_CT_NAT_ADDRESS | DP_CT_NAT_PORTS,
				     .port_min = 5000,
				     .port_max = 5000,
				     .ip_min = {9, 9, 9, 9},
				     .ip_max = {9, 9, 9, 9}};

static void sources_are_translated_and_back(void **state)
{
	uint8_t bytes[2048];
	uint32_t size;

	udp_frame(A, 1000, B, 53);
	assert_int_equal(pass(&out, bytes, &size), NEW | DP_CT_SNAT);
	udp_frame("9.9.9.9", 5000, B, 53);
	is_pkt(bytes, size);
	udp_frame(B, 53, "9.9.9.9", 5000);
	assert_int_equal(pass(NULL, bytes, &size), RPL | DP_CT_DNAT);
	udp_frame(B, 53, A, 1000);
	is_pkt(bytes, size);
	/* One who speaks to the untranslated address answers nobody. */
	assert_int_equal(pass(NULL, bytes, &size), INV);
}

static void destinations_are_translated_and_back(void **state)
{
	const struct dp_ct_nat in = {.flags = DP_CT_NAT_ADDRESS | DP_CT_NAT_PORTS,
				     .v6 = true,
				     .port_min = 8080,
				     .port_max = 8080,
				     .ip_min = {0xfd, [15] = 7},
				     .ip_max = {0xfd, [15] = 7}};
	uint8_t bytes[2048];
	uint32_t size;

	udp_frame("fd00::1", 1000, "fd00::2", 80);
	assert_int_equal(pass(&in, bytes, &size), NEW | DP_CT_DNAT);
	udp_frame("fd00::1", 1000, "fd00::7", 8080);
	is_pkt(bytes, size);
	udp_frame("fd00::7", 8080, "fd00::1", 1000);
	assert_int_equal(pass(NULL, bytes, &size), RPL | DP_CT_SNAT);
	udp_frame("fd00::2", 80, "fd00::1", 1000);
	is_pkt(bytes, size);
}

static void place_is_nobody_elses(void **state)
{
	struct dp_ct_stats stats;
	uint8_t bytes[2048];
	uint32_t size;

	udp_frame(A, 1000, B, 53);
	pass(&out, bytes, &size);
	udp_frame(A, 1001, B, 53);
	assert_int_equal(pass(&out, bytes, &size), NEW);
	assert_int_equal(last.conn, 0);
	dp_ct_stats(ct, &stats);
	assert_int_equal(stats.counters[DP_CT_C_REFUSED_NAT], 1);
	assert_int_equal(dp_ct_domain_count(ct, 3), 1);
	udp_frame(A, 1001, B, 54); /* to another it is free */
	pass(&out, bytes, &size);
	assert_int_not_equal(last.conn, 0);
	now += 700;
	dp_ct_tick(ct, now);
	udp_frame(A, 1001, B, 53); /* and when the first is over */
	pass(&out, bytes, &size);
	assert_int_not_equal(last.conn, 0);
}

static void errors_quote_what_was_sent(void **state)
{
	uint8_t bytes[2048], quoted[200];
	uint32_t size, n;

	udp_frame(A, 1000, B, 53);
	pass(&out, bytes, &size);
	n = size - 14;
	memcpy(quoted, bytes + 14, n); /* as it left */
	ip("10.0.0.9", "9.9.9.9");
	pkt_icmp(&pkt, 3, 1);
	pkt_payload(&pkt, quoted, n);
	assert_int_equal(pass(NULL, bytes, &size), REL | DP_CT_REPLY | DP_CT_DNAT);
	udp_frame(A, 1000, B, 53);
	pkt_finish(&pkt, 0);
	memcpy(quoted, pkt.bytes + 14, n); /* as it was sent, but for UDP's own checksum */
	memcpy(quoted + 26, bytes + 14 + 20 + 8 + 26, 2);
	ip("10.0.0.9", A);
	pkt_icmp(&pkt, 3, 1);
	pkt_payload(&pkt, quoted, n);
	is_pkt(bytes, size);
}

/* ---- Several threads ---- */

#define N_THREADS 4
#define N_SHARED  2000

static void *commit_all(void *arg)
{
	struct dp_ct_local *own = arg;
	static const struct dp_ct_commit plain;

	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < N_SHARED; i++) {
			struct dp_ct_packet p = {.kind = DP_CT_K_UDP};
			struct dp_ct_mark mark = {0};

			p.key[0] = i | UINT64_C(17) << 48;
			p.key[1] = 77 + i;
			/* Half of the threads see answers first. */
			p.swapped = (own->random & 2) != 0;
			dp_ct_track(ct, own, 1, 1, &p, now, &mark);
			dp_ct_commit(ct, own, 1, &p, &plain, now, &mark);
		}
	}
	return NULL;
}

static void two_first_packets_make_one_connection(void **state)
{
	struct dp_ct_local locals[N_THREADS];
	pthread_t threads[N_THREADS];
	struct dp_ct_stats stats;

	for (unsigned i = 0; i < N_THREADS; i++) {
		dp_ct_local_init(ct, &locals[i]);
		locals[i].random = 4 + 2 * i + 1;
	}
	for (unsigned i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, commit_all, &locals[i]), 0);
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	dp_ct_stats(ct, &stats);
	assert_int_equal(stats.n_entries, N_SHARED);
	assert_int_equal(dp_ct_domain_count(ct, 1), N_SHARED);
	n_found = 0;
	dp_ct_each(ct, now, remember, NULL);
	assert_int_equal(n_found, N_SHARED);
	for (unsigned i = 0; i < N_THREADS; i++)
		dp_ct_local_fini(ct, &locals[i]);
}

static void every_counter_and_timeout_has_a_name(void **state)
{
	for (unsigned i = 0; i < DP_CT_N_COUNTERS; i++) {
		assert_non_null(dp_ct_counter_slug((enum dp_ct_counter)i));
		assert_non_null(dp_ct_counter_text((enum dp_ct_counter)i));
	}
	for (unsigned i = 0; i < DP_CT_N_TIMEOUTS; i++)
		assert_non_null(dp_ct_timeout_text((enum dp_ct_timeout)i));
	assert_null(dp_ct_counter_slug(DP_CT_N_COUNTERS));
	assert_null(dp_ct_timeout_text(DP_CT_N_TIMEOUTS));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(handshake_establishes),
		TEST(syn_alone_is_new_again_and_again),
		TEST(answer_to_nobody_is_invalid),
		TEST(nonsense_flags_are_invalid),
		TEST(simultaneous_open_establishes),
		TEST(data_moves_the_window),
		TEST(outside_of_the_window_is_invalid),
		TEST(reset_counts_within_the_window_only),
		TEST(refused_connection_closes),
		TEST(goodbye_from_both_sides),
		TEST(closed_connection_opens_anew),
		TEST(established_one_does_not),
		TEST(scaled_windows),
		TEST(picked_up_in_its_middle),
		TEST(strict_tracker_picks_up_nothing),
		TEST(datagrams_are_new_until_answered),
		TEST(zones_and_tenants_are_apart),
		TEST(pings_go_by_identifier),
		TEST(errors_are_related),
		TEST(errors_of_ipv6_are_related),
		TEST(what_cannot_be_tracked_is_invalid),
		TEST(connections_expire),
		TEST(closing_shortens_the_time),
		TEST(timeouts_can_be_set),
		TEST(entries_are_used_again),
		TEST(a_million_connections_are_held),
		TEST(zone_limit_holds),
		TEST(tenant_limit_holds),
		TEST(flood_evicts_only_its_like),
		TEST(flush_takes_what_it_is_told),
		TEST(notes_stay_with_the_connection),
		TEST(force_turns_a_connection_round),
		TEST(short_key_says_the_same),
		TEST(lane_says_what_one_by_one_says),
		TEST(sources_are_translated_and_back),
		TEST(destinations_are_translated_and_back),
		TEST(place_is_nobody_elses),
		TEST(errors_quote_what_was_sent),
		TEST(two_first_packets_make_one_connection),
		TEST(every_counter_and_timeout_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
