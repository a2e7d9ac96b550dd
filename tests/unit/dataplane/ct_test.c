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
static uint32_t open_nth(uint32_t n)
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
	return last.conn;
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
