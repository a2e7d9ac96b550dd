/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Connections that others announce: which packets are expected, which announcements are not
 * followed, what follows a translation, and when expecting ends.
 */
#include "dataplane/ct.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ip.h>
#include <rte_mbuf.h>

#include "tests/support/mbufs.h"
#include "tests/support/packet.h"

#define C   "10.0.0.1" /* client */
#define S   "10.0.0.2" /* server */
#define N   "10.0.0.9" /* what the other side sees when somebody is translated */
#define NEW (DP_CT_TRACKED | DP_CT_NEW)
#define EST (DP_CT_TRACKED | DP_CT_EST)
#define REL DP_CT_REL
#define RPL DP_CT_REPLY
#define SYN PKT_SYN
#define ACK PKT_ACK

static struct rte_mempool *pool;
static struct dp_ct *ct;
static struct dp_ct_local local;
static uint32_t now;
static uint16_t domain, zone;
static struct dp_ct_mark last;
static struct dp_ct_info found;
static unsigned n_found;
static const struct dp_ct_nat *nat; /* of what opens */
static bool follows;

/* One end of a control connection, as it is seen here. */
static struct end {
	const char *ip;
	uint16_t port;
	uint32_t seq;
} client, server;

static int set_up(void **state)
{
	if (pool == NULL)
		pool = mbufs_pool("help", 16, 2048);
	now = 1000;
	domain = 3;
	zone = 7;
	nat = NULL;
	follows = false;
	client = (struct end){C, 4000, 5000};
	server = (struct end){S, 21, 70000};
	if (dp_ct_create(1000, NULL, &ct) != 0)
		return -1;
	dp_ct_local_init(ct, &local);
	return 0;
}

static int tear_down(void **state)
{
	dp_ct_local_fini(ct, &local);
	dp_ct_destroy(ct);
	return 0;
}

/* A packet comes, in two segments; 'alg': its rule commits it so. */
static uint8_t see(struct pkt *pkt, bool commit, unsigned alg)
{
	const struct dp_ct_commit how = {.nat = nat,
					 .follow = follows,
					 .mark = 5,
					 .mark_mask = alg != 0 ? 0xff : 0};
	const uint32_t cut = 80; /* behind the headers */
	struct dp_ct_mark would = {0};
	struct dp_ct_packet p;
	struct dp_headers h;
	struct rte_mbuf *m;

	pkt_finish(pkt, 0);
	m = mbufs_make(pool, pkt->bytes, pkt->size, &cut, pkt->size > cut);
	assert_non_null(m);
	dp_parse_mbuf(m, &h);
	dp_ct_packet(pkt->bytes, pkt->size, &h, &p);
	/* Who only asks is told the same. */
	dp_ct_peek(ct, domain, zone, &p, &would);
	memset(&last, 0, sizeof(last));
	dp_ct_track(ct, &local, domain, zone, &p, now, &last);
	assert_int_equal(last.state, would.state);
	assert_int_equal(last.mark, would.mark);
	if (commit)
		assert_int_equal(dp_ct_commit(ct, &local, domain, &p, &how, now, &last), 0);
	if (alg != 0)
		dp_ct_set_alg(ct, &last, alg);
	if (dp_ct_has_alg(ct, &last))
		dp_ct_listen(ct, &local, m, &p, &last, now, NULL);
	rte_pktmbuf_free(m);
	return last.state;
}

static void ip(struct pkt *pkt, const char *src, const char *dst)
{
	pkt_init(pkt);
	pkt_eth(pkt, "02:00:00:00:00:02", "02:00:00:00:00:01");
	if (strchr(src, ':') != NULL)
		pkt_ipv6(pkt, src, dst);
	else
		pkt_ipv4(pkt, src, dst);
}

static uint8_t says_at(struct end *from, const struct end *to, uint32_t seq, uint8_t flags,
		       const char *text)
{
	struct pkt pkt;
	uint32_t tcp;

	ip(&pkt, from->ip, to->ip);
	tcp = pkt_tcp(&pkt, from->port, to->port, flags);
	pkt_set32(&pkt, tcp + 4, seq);
	pkt_set32(&pkt, tcp + 8, (flags & ACK) != 0 ? to->seq : 0);
	pkt_set16(&pkt, tcp + 14, 60000);
	pkt_payload(&pkt, text, (uint32_t)strlen(text));
	return see(&pkt, flags == SYN, DP_CT_ALG_FTP);
}

static uint8_t says(struct end *from, const struct end *to, uint8_t flags, const char *text)
{
	uint32_t seq = from->seq;

	from->seq += (uint32_t)strlen(text) + ((flags & SYN) != 0);
	return says_at(from, to, seq, flags, text);
}

/* What 'seen' is to the other side of a translation. */
static void handshake(const struct end *as_client, const struct end *as_server)
{
	assert_int_equal(says(&client, as_server, SYN, ""), NEW);
	assert_int_equal(says(&server, as_client, SYN | ACK, ""), EST | RPL);
	assert_int_equal(says(&client, as_server, ACK, ""), EST);
	assert_int_equal(says(&server, as_client, ACK, "220 hello\r\n"), EST | RPL);
}

static void hello(void)
{
	handshake(&client, &server);
}

static uint8_t opens(const char *src, const char *dst, uint16_t port, bool commit)
{
	struct pkt pkt;

	ip(&pkt, src, dst);
	pkt_tcp(&pkt, 20, port, SYN);
	return see(&pkt, commit, 0);
}

static uint8_t answers(const char *src, uint16_t port, const char *dst, uint8_t flags)
{
	struct pkt pkt;
	uint32_t tcp;

	ip(&pkt, src, dst);
	tcp = pkt_tcp(&pkt, port, 20, flags);
	pkt_set32(&pkt, tcp + 8, pkt_get32(pkt.bytes, tcp + 4) + 1);
	return see(&pkt, false, 0);
}

static uint64_t count(enum dp_ct_counter which)
{
	struct dp_ct_stats s;

	dp_ct_stats(ct, &s);
	return s.counters[which];
}

static bool remember(void *arg, const struct dp_ct_info *info)
{
	found = *info;
	n_found++;
	return true;
}

static unsigned connections(void)
{
	n_found = 0;
	dp_ct_each(ct, now, remember, NULL);
	return n_found;
}

/* ---- FTP ---- */

static void what_the_server_announced_is_related(void **state)
{
	hello();
	assert_int_equal(opens(C, S, 2000, false), NEW);
	says(&server, &client, ACK, "227 Entering Passive Mode (10,0,0,2,7,208).\r\n");
	assert_int_equal(count(DP_CT_C_EXPECTED), 1);
	assert_int_equal(connections(), 1);
	assert_int_equal(opens(C, S, 2001, false), NEW);
	assert_int_equal(opens(S, C, 2000, false), NEW);
	assert_int_equal(opens("10.0.0.3", S, 2000, false), NEW);
	assert_int_equal(opens(C, S, 2000, false), NEW | REL);
	assert_int_equal(last.mark, 5);
	assert_int_equal(opens(C, S, 2000, true), NEW | REL);
	assert_int_equal(last.mark, 5);
	assert_int_equal(connections(), 2);
	/* For good, in both directions. */
	assert_int_equal(answers(S, 2000, C, SYN | ACK), EST | REL | RPL);
	assert_int_equal(count(DP_CT_C_CAME), 1);
}

static void related_stays_and_opens_once(void **state)
{
	struct pkt pkt;

	hello();
	says(&client, &server, ACK, "EPRT |1|10.0.0.1|3000|\r\n");
	assert_int_equal(opens(S, C, 3000, true), NEW | REL);
	ip(&pkt, C, S);
	pkt_tcp(&pkt, 3000, 20, SYN | ACK);
	assert_int_equal(see(&pkt, false, 0) & (DP_CT_EST | REL | RPL), DP_CT_EST | REL | RPL);
	assert_int_equal(last.mark, 5);
	/* From another port: somebody else. */
	ip(&pkt, S, C);
	pkt_tcp(&pkt, 2020, 3000, SYN);
	assert_int_equal(see(&pkt, false, 0), NEW);
}

static void zones_and_tenants_expect_for_themselves(void **state)
{
	hello();
	says(&server, &client, ACK, "229 Entering (|||2000|)\r\n");
	zone = 8;
	assert_int_equal(opens(C, S, 2000, false), NEW);
	zone = 7;
	domain = 4;
	assert_int_equal(opens(C, S, 2000, false), NEW);
	domain = 3;
	assert_int_equal(opens(C, S, 2000, false), NEW | REL);
}

static void ipv6_is_expected(void **state)
{
	client.ip = "fd00::1";
	server.ip = "fd00::2";
	hello();
	says(&client, &server, ACK, "EPRT |2|fd00::1|3000|\r\n");
	assert_int_equal(opens("fd00::2", "fd00::1", 3000, true), NEW | REL);
	says(&server, &client, ACK, "229 Entering (|||2000|)\r\n");
	assert_int_equal(opens("fd00::1", "fd00::2", 2000, true), NEW | REL);
	says(&client, &server, ACK, "PORT 10,0,0,1,7,208\r\n");
	assert_int_equal(count(DP_CT_C_NOT_EXPECTED), 1);
}

static void nobody_announces_for_others(void **state)
{
	static const char *const client_words[] = {"PORT 10,0,0,3,7,208\r\n",
						   "PORT 10,0,0,2,7,208\r\n",
						   "PORT 10,0,0,1,0,80\r\n",
						   "EPRT |1|10.0.0.3|2000|\r\n",
						   "EPRT |2|fd00::1|2000|\r\n",
						   "PORT 10,0,0,1,3,255\r\n"};

	hello();
	for (size_t i = 0; i < sizeof(client_words) / sizeof(client_words[0]); i++)
		says(&client, &server, ACK, client_words[i]);
	says(&server, &client, ACK, "227 Entering Passive Mode (10,0,0,1,7,208)\r\n");
	says(&server, &client, ACK, "227 Entering Passive Mode (10,0,0,3,7,208)\r\n");
	says(&server, &client, ACK, "229 Entering (|||443|)\r\n");
	assert_int_equal(count(DP_CT_C_EXPECTED), 0);
	assert_int_equal(count(DP_CT_C_NOT_EXPECTED), 9);
	/* Each its own words only. */
	says(&server, &client, ACK, "PORT 10,0,0,2,7,208\r\n");
	says(&client, &server, ACK, "227 Entering Passive Mode (10,0,0,1,7,208)\r\n");
	assert_int_equal(count(DP_CT_C_EXPECTED), 0);
}

static void a_line_begins_behind_another(void **state)
{
	hello();
	says(&server, &client, ACK, "500 what is ");
	says(&server, &client, ACK, "227 Entering Passive Mode (10,0,0,2,7,208)\r\n");
	assert_int_equal(count(DP_CT_C_EXPECTED), 0);
	says(&server, &client, ACK, "227 Entering Passive Mode (10,0,0,2,7,208)\r\n");
	assert_int_equal(count(DP_CT_C_EXPECTED), 1);
	says(&server, &client, ACK, "150 here it comes\r\n229 Entering (|||2001|)\r\n226 done\r\n");
	assert_int_equal(count(DP_CT_C_EXPECTED), 2);
	assert_int_equal(opens(C, S, 2000, false), NEW);
	assert_int_equal(opens(C, S, 2001, false), NEW | REL);
}

static void what_comes_again_moves_no_line(void **state)
{
	const char *words = "229 Entering (|||2001|)\r\n";
	uint32_t first;

	hello();
	first = server.seq;
	says(&server, &client, ACK, words);
	assert_int_equal(count(DP_CT_C_EXPECTED), 1);
	assert_int_equal(opens(C, S, 2001, true), NEW | REL);
	says_at(&server, &client, first, ACK, words);
	assert_int_equal(count(DP_CT_C_EXPECTED), 1);
	says(&server, &client, ACK, "229 Entering (|||2002|)\r\n");
	assert_int_equal(count(DP_CT_C_EXPECTED), 2);
}

static void one_at_a_time_and_for_a_time(void **state)
{
	hello();
	says(&server, &client, ACK, "229 Entering (|||2001|)\r\n");
	says(&server, &client, ACK, "229 Entering (|||2002|)\r\n");
	assert_int_equal(opens(C, S, 2001, false), NEW);
	assert_int_equal(opens(C, S, 2002, false), NEW | REL);
	for (unsigned i = 0; i < 580; i++)
		dp_ct_tick(ct, ++now);
	assert_int_equal(opens(C, S, 2002, false), NEW | REL);
	for (unsigned i = 0; i < 60; i++)
		dp_ct_tick(ct, ++now);
	assert_int_equal(opens(C, S, 2002, false), NEW);
	assert_int_equal(connections(), 1);
}

static bool is_control(void *arg, const struct dp_ct_info *info)
{
	return info->dport == 21;
}

static void who_is_gone_expects_nothing(void **state)
{
	hello();
	says(&server, &client, ACK, "229 Entering (|||2001|)\r\n");
	assert_int_equal(dp_ct_flush(ct, now, is_control, NULL), 1);
	assert_int_equal(opens(C, S, 2001, false), NEW);
	assert_int_equal(connections(), 0);
	assert_int_equal(dp_ct_domain_count(ct, domain), 0);
}

static void who_is_not_listened_to_expects_nothing(void **state)
{
	struct pkt pkt;
	uint32_t tcp;

	ip(&pkt, C, S);
	pkt_tcp(&pkt, 4000, 21, SYN);
	assert_int_equal(see(&pkt, true, 0), NEW);
	ip(&pkt, C, S);
	tcp = pkt_tcp(&pkt, 4000, 21, ACK);
	pkt_set32(&pkt, tcp + 4, pkt_get32(pkt.bytes, tcp + 4) + 1);
	pkt_payload(&pkt, "PORT 10,0,0,1,7,208\r\n", 21);
	see(&pkt, false, 0);
	assert_int_equal(count(DP_CT_C_EXPECTED) + count(DP_CT_C_NOT_EXPECTED), 0);
	assert_int_equal(opens(S, C, 2000, false), NEW);
}

static void a_full_table_expects_less(void **state)
{
	dp_ct_local_fini(ct, &local);
	dp_ct_destroy(ct);
	assert_int_equal(dp_ct_create(1, NULL, &ct), 0);
	dp_ct_local_init(ct, &local);
	hello();
	says(&server, &client, ACK, "229 Entering (|||2001|)\r\n");
	assert_int_equal(count(DP_CT_C_NOT_EXPECTED), 1);
	assert_int_equal(opens(C, S, 2001, false), NEW);
}

/* ---- TFTP ---- */

static uint8_t udp(const char *src, uint16_t sport, const char *dst, uint16_t dport,
		   const char *payload, bool commit)
{
	struct pkt pkt;

	ip(&pkt, src, dst);
	pkt_udp(&pkt, sport, dport);
	pkt_payload(&pkt, payload, 12);
	return see(&pkt, commit, dport == 69 ? DP_CT_ALG_TFTP : 0);
}

static void tftp_answers_from_another_port(void **state)
{
	assert_int_equal(udp(C, 3333, S, 69, "\0\1file\0octet", true), NEW);
	assert_int_equal(udp(S, 5000, C, 3334, "\0\3\0\1aaaaaaaa", false), NEW);
	assert_int_equal(udp("10.0.0.3", 5000, C, 3333, "\0\3\0\1aaaaaaaa", false), NEW);
	assert_int_equal(udp(S, 5000, C, 3333, "\0\3\0\1aaaaaaaa", true), NEW | REL);
	assert_int_equal(udp(C, 3333, S, 5000, "\0\4\0\1        ", false), EST | REL | RPL);
	/* Another request, another answer. */
	assert_int_equal(udp(S, 5001, C, 3333, "\0\3\0\1aaaaaaaa", false), NEW);
	assert_int_equal(udp(C, 3333, S, 69, "\0\2file\0octet", true), NEW);
	assert_int_equal(udp(S, 5001, C, 3333, "\0\4\0\0aaaaaaaa", false), NEW | REL);
}

/* ---- With translation ---- */

/* The bytes that go on: 'pkt' as its connection translates it. */
static void goes_on(struct pkt *pkt, struct pkt *ret)
{
	struct rte_mbuf *m = mbufs_make(pool, pkt->bytes, pkt->size, NULL, 0);
	struct dp_headers h;

	assert_non_null(m);
	dp_parse_mbuf(m, &h);
	assert_int_equal(dp_ct_translate(ct, m, &h, &last), 0);
	dp_parse_mbuf(m, &h);
	assert_int_equal(h.bad, DP_BAD_NONE);
	ret->size = mbufs_read(m, ret->bytes, sizeof(ret->bytes));
	rte_pktmbuf_free(m);
}

static void assert_ends(const struct pkt *pkt, const char *src, uint16_t sport, const char *dst,
			uint16_t dport)
{
	struct pkt want;

	ip(&want, src, dst);
	assert_memory_equal(pkt->bytes + 26, want.bytes + 26, 8);
	assert_int_equal(pkt->bytes[34] << 8 | pkt->bytes[35], sport);
	assert_int_equal(pkt->bytes[36] << 8 | pkt->bytes[37], dport);
}

static const struct dp_ct_nat source = {.flags =
						DP_CT_NAT_SRC | DP_CT_NAT_ADDRESS | DP_CT_NAT_PORTS,
					.port_min = 7000,
					.port_max = 7000,
					.ip_min = {10, 0, 0, 9},
					.ip_max = {10, 0, 0, 9}};
static const struct dp_ct_nat destination = {.flags = DP_CT_NAT_ADDRESS,
					     .ip_min = {10, 0, 0, 2},
					     .ip_max = {10, 0, 0, 2}};

/* A first packet of what was announced; its bytes as they go on. */
static void follow(const char *src, const char *dst, uint16_t dport, struct pkt *ret)
{
	struct pkt pkt;

	ip(&pkt, src, dst);
	pkt_tcp(&pkt, 20, dport, SYN);
	follows = true;
	assert_int_equal(see(&pkt, true, 0), NEW | REL);
	goes_on(&pkt, ret);
}

static void related_follows_a_translated_client(void **state)
{
	const struct end seen = {N, 7000, 0};
	struct end as_client = client;
	struct pkt out;

	as_client.ip = seen.ip;
	as_client.port = seen.port;
	nat = &source;
	assert_int_equal(says(&client, &server, SYN, ""), NEW);
	nat = NULL;
	as_client.seq = client.seq;
	assert_int_equal(says(&server, &as_client, SYN | ACK, ""), EST | RPL);
	/* It names its own address, which the server must not be told. */
	says(&client, &server, ACK, "PORT 10,0,0,1,7,208\r\n");
	assert_int_equal(count(DP_CT_C_NOT_EXPECTED), 1);
	as_client.seq = client.seq;
	says(&server, &as_client, ACK, "227 Passive (10,0,0,2,7,208)\r\n");
	follow(C, S, 2000, &out);
	assert_int_equal(out.bytes[26] << 24 | out.bytes[27] << 16 | out.bytes[28] << 8 |
				 out.bytes[29],
			 0x0a000009);
}

static void related_follows_a_translated_server(void **state)
{
	struct end as_server = server;
	struct pkt out;

	as_server.ip = N;
	nat = &destination;
	assert_int_equal(says(&client, &as_server, SYN, ""), NEW);
	nat = NULL;
	assert_int_equal(says(&server, &client, SYN | ACK, ""), EST | RPL);
	/* The client would go to an address that it does not know. */
	says(&server, &client, ACK, "227 Passive (10,0,0,2,7,208)\r\n");
	assert_int_equal(count(DP_CT_C_NOT_EXPECTED), 1);
	says(&server, &client, ACK, "229 Passive (|||2000|)\r\n");
	follow(C, N, 2000, &out);
	assert_ends(&out, C, 20, S, 2000);
	as_server.seq = server.seq;
	says(&client, &as_server, ACK, "PORT 10,0,0,1,7,208\r\n");
	follow(S, C, 2000, &out);
	assert_ends(&out, N, 20, C, 2000);
}

/* ---- Words that change ---- */

static uint32_t tcp_size(const struct pkt *pkt)
{
	return (uint32_t)(pkt->bytes[16] << 8 | pkt->bytes[17]) - 20;
}

/* A segment comes and goes on as who translates lets it; what the other side gets. */
static void passes(const struct end *from, const struct end *to, uint32_t seq, uint32_t ack,
		   const char *text, struct pkt *ret)
{
	struct dp_ct_text words = {0};
	struct dp_ct_packet p;
	struct dp_headers h;
	struct rte_mbuf *m;
	struct pkt pkt;
	uint32_t tcp;

	ip(&pkt, from->ip, to->ip);
	tcp = pkt_tcp(&pkt, from->port, to->port, ACK);
	pkt_set32(&pkt, tcp + 4, seq);
	pkt_set32(&pkt, tcp + 8, ack);
	pkt_set16(&pkt, tcp + 14, 60000);
	pkt_payload(&pkt, text, (uint32_t)strlen(text));
	pkt_finish(&pkt, 0);
	m = mbufs_make(pool, pkt.bytes, pkt.size, NULL, 0);
	assert_non_null(m);
	dp_parse_mbuf(m, &h);
	dp_ct_packet(pkt.bytes, pkt.size, &h, &p);
	memset(&last, 0, sizeof(last));
	dp_ct_track(ct, &local, domain, zone, &p, now, &last);
	assert_int_equal(last.state & ~RPL, EST);
	dp_ct_listen(ct, &local, m, &p, &last, now, &words);
	assert_int_equal(dp_ct_translate(ct, m, &h, &last), 0);
	assert_int_equal(dp_ct_retell(ct, m, &h, &last, &words), 0);
	dp_parse_mbuf(m, &h);
	assert_int_equal(h.bad, DP_BAD_NONE);
	ret->size = mbufs_read(m, ret->bytes, sizeof(ret->bytes));
	rte_pktmbuf_free(m);
	assert_int_equal(ret->size, 14 + 20 + tcp_size(ret));
	assert_int_equal(rte_raw_cksum(ret->bytes + 14, 20), 0xffff);
	assert_int_equal(rte_ipv4_udptcp_cksum_verify((const void *)(ret->bytes + 14),
						      ret->bytes + 34),
			 0);
}

static void assert_says(struct pkt *pkt, uint32_t seq, uint32_t ack, const char *text)
{
	assert_int_equal(pkt_get32(pkt->bytes, 38), seq);
	assert_int_equal(pkt_get32(pkt->bytes, 42), ack);
	assert_int_equal(tcp_size(pkt) - 20, strlen(text));
	assert_memory_equal(pkt->bytes + 54, text, strlen(text));
}

static void translated_hello(const struct dp_ct_nat *how, struct end *as_client,
			     struct end *as_server)
{
	nat = how;
	assert_int_equal(says(&client, as_server, SYN, ""), NEW);
	nat = NULL;
	as_client->seq = client.seq;
	assert_int_equal(says(&server, as_client, SYN | ACK, ""), EST | RPL);
	as_server->seq = server.seq;
	assert_int_equal(says(&client, as_server, ACK, ""), EST);
}

static void words_of_a_translated_client_change(void **state)
{
	static const char said[] = "PORT 10,0,0,1,7,208\r\n", told[] = "PORT 10,0,0,9,7,208\r\n";
	struct end seen = {N, 7000, 0};
	uint32_t s = client.seq + 1, r = server.seq + 1, n = sizeof(said) - 1;
	struct pkt out;

	translated_hello(&source, &seen, &server);
	passes(&client, &server, s, r, said, &out);
	assert_says(&out, s, r, told);
	assert_int_equal(count(DP_CT_C_EXPECTED), 1);
	assert_int_equal(count(DP_CT_C_NOT_EXPECTED), 0);
	passes(&server, &seen, r, s + n, "200 yes\r\n", &out);
	assert_says(&out, r, s + n, "200 yes\r\n");
	follow(S, N, 2000, &out);
	assert_ends(&out, S, 20, C, 2000);
}

/* Seven bytes more each time: both directions' numbers are the other side's. */
static void numbers_behind_changed_words_move(void **state)
{
	static const struct dp_ct_nat far = {.flags = DP_CT_NAT_ADDRESS,
					     .ip_min = {10, 0, 0, 2},
					     .ip_max = {10, 0, 0, 2}};
	static const char said[] = "227 Passive (10,0,0,2,7,208)\r\n",
			  told[] = "227 Passive (192,168,100,200,7,208)\r\n",
			  again[] = "227 Passive (10,0,0,2,7,209)\r\n",
			  again_told[] = "227 Passive (192,168,100,200,7,209)\r\n";
	struct end as_server = {"192.168.100.200", 21, 0};
	uint32_t c = client.seq + 1, s = server.seq + 1, n = sizeof(said) - 1, more = 7;
	struct pkt out;

	translated_hello(&far, &client, &as_server);
	passes(&server, &client, s, c, said, &out);
	assert_says(&out, s, c, told);
	/* It is lost behind us, and comes again. */
	passes(&server, &client, s, c, said, &out);
	assert_says(&out, s, c, told);
	passes(&client, &as_server, c, s + n + more, "NOOP\r\n", &out);
	assert_says(&out, c, s + n, "NOOP\r\n");
	passes(&server, &client, s + n, c + 6, "200 ok\r\n", &out);
	assert_says(&out, s + n + more, c + 6, "200 ok\r\n");
	passes(&client, &as_server, c + 6, s + n + more + 8, "PASV\r\n", &out);
	assert_says(&out, c + 6, s + n + 8, "PASV\r\n");
	passes(&server, &client, s + n + 8, c + 12, again, &out);
	assert_says(&out, s + n + more + 8, c + 12, again_told);
	passes(&client, &as_server, c + 12, s + 2 * (n + more) + 8, "RETR x\r\n", &out);
	assert_says(&out, c + 12, s + 2 * n + 8, "RETR x\r\n");
	/* One acknowledgement of before is still right. */
	passes(&client, &as_server, c + 12, s + n + more + 8, "", &out);
	assert_int_equal(pkt_get32(out.bytes, 42), s + n + 8);
	follow(C, "192.168.100.200", 2001, &out);
	assert_ends(&out, C, 20, S, 2001);
}

static void two_clients_may_announce_one_port(void **state)
{
	static const struct dp_ct_nat second = {.flags = DP_CT_NAT_SRC | DP_CT_NAT_ADDRESS |
							 DP_CT_NAT_PORTS,
						.port_min = 7001,
						.port_max = 7001,
						.ip_min = {10, 0, 0, 9},
						.ip_max = {10, 0, 0, 9}};
	struct end seen = {N, 7000, 0}, other_seen = {N, 7001, 0};
	uint32_t s = client.seq + 1, r = server.seq + 1;
	struct pkt out;

	translated_hello(&source, &seen, &server);
	passes(&client, &server, s, r, "PORT 10,0,0,1,7,208\r\n", &out);
	client = (struct end){"10.0.0.3", 4000, 5000};
	server = (struct end){S, 21, 70000};
	translated_hello(&second, &other_seen, &server);
	passes(&client, &server, s, r, "EPRT |1|10.0.0.3|2000|\r\n", &out);
	assert_says(&out, s, r, "EPRT |1|10.0.0.9|2001|\r\n");
	/* Again, as it was. */
	passes(&client, &server, s, r, "EPRT |1|10.0.0.3|2000|\r\n", &out);
	assert_says(&out, s, r, "EPRT |1|10.0.0.9|2001|\r\n");
	follow(S, N, 2001, &out);
	assert_ends(&out, S, 20, "10.0.0.3", 2000);
	follow(S, N, 2000, &out);
	assert_ends(&out, S, 20, C, 2000);
}

static void tftp_follows_a_translated_client(void **state)
{
	struct pkt pkt, out;

	nat = &source;
	assert_int_equal(udp(C, 3333, S, 69, "\0\1file\0octet", true), NEW);
	nat = NULL;
	ip(&pkt, S, N);
	pkt_udp(&pkt, 5000, 7000);
	pkt_payload(&pkt, "\0\3\0\1aaaaaaaa", 12);
	follows = true;
	assert_int_equal(see(&pkt, true, 0), NEW | REL);
	goes_on(&pkt, &out);
	assert_ends(&out, S, 5000, C, 3333);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_server_announced_is_related),
		TEST(related_stays_and_opens_once),
		TEST(zones_and_tenants_expect_for_themselves),
		TEST(ipv6_is_expected),
		TEST(nobody_announces_for_others),
		TEST(a_line_begins_behind_another),
		TEST(what_comes_again_moves_no_line),
		TEST(one_at_a_time_and_for_a_time),
		TEST(who_is_gone_expects_nothing),
		TEST(who_is_not_listened_to_expects_nothing),
		TEST(a_full_table_expects_less),
		TEST(tftp_answers_from_another_port),
		TEST(related_follows_a_translated_client),
		TEST(related_follows_a_translated_server),
		TEST(words_of_a_translated_client_change),
		TEST(numbers_behind_changed_words_move),
		TEST(two_clients_may_announce_one_port),
		TEST(tftp_follows_a_translated_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
