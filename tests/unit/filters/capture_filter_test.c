/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Capture filters against libpcap's own interpreter, on frames that are right, damaged and
 * random, whole and chained.
 */
#include "filters/capture_filter.h"

#include "tests/support/mbufs.h"
#include "tests/support/packet_gen.h"

#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <pcap/pcap.h>

#include <rte_mbuf.h>

static struct rte_mempool *pool;

static const char *const exprs[] = {
	"tcp",
	"udp port 53",
	"tcp port 80 and host 10.0.0.1",
	"port 53 or port 80 or portrange 100-2000",
	"vlan",
	"vlan 1 and vlan 2 and udp",
	"udp or (vlan and udp) or (vlan and vlan and udp)",
	"ip6 and tcp port 80",
	"ip6 host fe80::1 or ip6 net 2001:db8::/32",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
	"ip[2:2] > 100 and ip[8] < 65",
	"ip[2:2] % 7 = 3 or ip[2:2] / 5 = 9",
	"(ip[0] & 0xf) << 2 = 20",
	"ether[ether[1]] = 5 or ether[6:4] >> 3 = 5",
	"ether[12:4] * 3 - 5 > 100 or ether[0:4] ^ 0x55 = 7",
	"-ether[20] > 1000",
	"len > 100",
	"greater 60 and less 300",
	"broadcast or multicast",
	"ether host 02:00:00:00:00:01",
	"net 10.0.0.0/8 and not arp",
	"icmp or icmp6",
	"ip6[6] = 58 and icmp6[0] = 135",
	"mpls 5",
	"pppoes",
	"geneve",
	"ip protochain 6",
	"ip6 protochain 17",
	"ip[6:2] & 0x1fff != 0",
	"sctp or esp or ah",
	"udp[0:2] + udp[2:2] = 40053",
	"tcp[0:4] & 0xff > 100 or tcp[13] & 18 = 18",
	"udp[8] & 1 != 0 or udp[4:2] & 64 != 0",
	"ip[8] & 0x80 != 0 or ip[8] & 0x7f = 64",
	"ip[2:2] / (ip[8] & 7) = 9 or ip[2:2] % (ip[8] & 3) = 1",
	"1 << (ip[8] & 63) = 2 or ip[2:2] >> (ip[8] & 63) = 3",
	"ether[0x7fffffff] = 1 or tcp",
	"ether[0x80000000] = 1 or not udp",
	"ether[0xffff0000:4] = 1",
	"ether[ether[14:4]] = 7 or ether[ether[6:4] + 0x7fffffff] = 1",
	"ip[ip[2:2]] = 3 or ip[ip[0:4] - 4:4] != 9",
	"tcp[70000] = 1",
	"ether[1500] = 7 or ether[60:4] != 0",
};

static struct pkt pkt;

/* One that the expressions know: few hosts and ports. */
static void make_known(uint64_t *rnd)
{
	static const uint16_t ports[] = {53, 80, 6081, 1000, 8080};
	const bool v6 = pkt_rand(rnd) % 4 == 0;

	pkt_init(&pkt);
	pkt_eth(&pkt, "02:00:00:00:00:02", "02:00:00:00:00:01");
	for (unsigned n = pkt_rand(rnd) % 4, i = 1; i <= n && n < 3; i++)
		pkt_vlan(&pkt, 0x8100, (uint16_t)i);
	if (v6)
		pkt_ipv6(&pkt, "fe80::1", "2001:db8::2");
	else
		pkt_ipv4(&pkt, "10.0.0.1", "10.0.0.2");
	if (!v6 && pkt_rand(rnd) % 4 == 0)
		pkt_ipv4_options(&pkt, "\x01\x01\x01\x00", 4);
	if (pkt_rand(rnd) % 2 != 0)
		pkt_tcp(&pkt, 40000, ports[pkt_rand(rnd) % 5], (uint8_t)pkt_rand(rnd));
	else
		pkt_udp(&pkt, 40000, ports[pkt_rand(rnd) % 5]);
	pkt_fill(&pkt, pkt_rand(rnd) % 1400, 1);
	pkt_finish(&pkt, 0);
}

/* Something like a frame: a right one, perhaps damaged, perhaps cut. */
static uint32_t make_frame(uint64_t *rnd)
{
	if (pkt_rand(rnd) % 3 == 0)
		pkt_random(&pkt, rnd);
	else
		make_known(rnd);
	for (unsigned n = pkt_rand(rnd) % 4; n != 0; n--)
		pkt_mutate(&pkt, rnd);
	return pkt.size > 4000 ? 4000 : pkt.size;
}

struct engines {
	struct bpf_program oracle;
	struct filter_match *match[2];
};

static void open_engines(const char *expr, struct engines *e)
{
	static const enum filter_engine best[] = {FILTER_ENGINE_JIT, FILTER_ENGINE_INTERPRETER};
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
	struct err err = {0};

	assert_int_equal(pcap_compile(pcap, &e->oracle, expr, 1, PCAP_NETMASK_UNKNOWN), 0);
	pcap_close(pcap);
	for (unsigned i = 0; i < 2; i++)
		if (filter_match_create(expr, best[i], &e->match[i], &err) != 0)
			fail_msg("%s: %s", expr, err.what);
}

static void close_engines(struct engines *e)
{
	for (unsigned i = 0; i < 2; i++)
		filter_match_destroy(e->match[i]);
	pcap_freecode(&e->oracle);
}

static unsigned compare(const char *expr, const struct engines *e, uint32_t size, unsigned n_cuts,
			uint64_t *rnd)
{
	static uint8_t scratch[FILTER_SCRATCH_SIZE];
	struct rte_mbuf *m = mbufs_cut(pool, pkt.bytes, size, 0, n_cuts, rnd);
	bool want = bpf_filter(e->oracle.bf_insns, pkt.bytes, size, size) != 0;

	assert_non_null(m);
	for (unsigned i = 0; i < 2; i++) {
		bool got = filter_match_run(e->match[i], m, scratch);

		if (got != want)
			fail_msg("'%s' by %s on %u bytes cut %u times: %d, libpcap says %d", expr,
				 filter_engine_name(filter_match_engine(e->match[i])), size, n_cuts,
				 got, want);
	}
	rte_pktmbuf_free(m);
	return want;
}

static void every_engine_decides_as_libpcap_does(void **state)
{
	uint64_t rnd = 0x123456789abcdefu;
	unsigned decided[2] = {0};

	for (unsigned k = 0; k < sizeof(exprs) / sizeof(exprs[0]); k++) {
		struct engines e;

		open_engines(exprs[k], &e);
		for (unsigned n = 0; n < 1500; n++) {
			uint32_t size = make_frame(&rnd);

			decided[compare(exprs[k], &e, size, n % 3 == 0 ? 1 + pkt_rand(&rnd) % 6 : 0,
					&rnd)]++;
		}
		close_engines(&e);
	}
	/* The frames are such that both answers are common. */
	assert_true(decided[0] > 5000 && decided[1] > 5000);
}

static void random_expression(char *expr, size_t size, uint64_t *rnd)
{
	static const char *const atoms[] = {"tcp",
					    "udp",
					    "port 80",
					    "port 53",
					    "vlan",
					    "host 10.0.0.1",
					    "src host 10.0.0.2",
					    "ip6",
					    "len > 70",
					    "ip[9] = 17",
					    "tcp[13] & 2 != 0",
					    "ether[14] > 60",
					    "net 10.0.0.0/16",
					    "ip[2:2] % 3 = 1"};

	expr[0] = '\0';
	for (unsigned n = 1 + pkt_rand(rnd) % 6, i = 0; i < n; i++) {
		size_t at = strlen(expr);

		snprintf(expr + at, size - at, "%s%s%s",
			 i == 0			  ? ""
			 : pkt_rand(rnd) % 2 != 0 ? " or "
						  : " and ",
			 pkt_rand(rnd) % 4 == 0 ? "not " : "",
			 atoms[pkt_rand(rnd) % (sizeof(atoms) / sizeof(atoms[0]))]);
	}
}

/* libpcap itself refuses some of what can never match. */
static bool is_possible(const char *expr)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
	struct bpf_program program;
	bool possible = pcap_compile(pcap, &program, expr, 1, PCAP_NETMASK_UNKNOWN) == 0;

	if (possible)
		pcap_freecode(&program);
	pcap_close(pcap);
	return possible;
}

static void random_expressions_decide_as_libpcap_does(void **state)
{
	uint64_t rnd = 77;
	unsigned decided[2] = {0};

	for (unsigned k = 0; k < 150; k++) {
		char expr[512];
		struct engines e;

		random_expression(expr, sizeof(expr), &rnd);
		if (!is_possible(expr))
			continue;
		open_engines(expr, &e);
		for (unsigned n = 0; n < 100; n++) {
			uint32_t size = make_frame(&rnd);

			decided[compare(expr, &e, size, n % 2 != 0 ? 3 : 0, &rnd)]++;
		}
		close_engines(&e);
	}
	assert_true(decided[0] > 1000 && decided[1] > 1000);
}

static void machine_code_is_used_where_the_processor_has_it(void **state)
{
	struct filter_match *match = NULL;

	assert_int_equal(filter_match_create("tcp port 80", FILTER_ENGINE_JIT, &match, NULL), 0);
#ifdef __x86_64__
	assert_int_equal(filter_match_engine(match), FILTER_ENGINE_JIT);
#endif
	filter_match_destroy(match);
}

static void loop_of_protochain_runs_and_ends(void **state)
{
	static uint8_t scratch[FILTER_SCRATCH_SIZE];
	struct filter_match *match = NULL;
	const uint32_t cuts[] = {17, 30};

	assert_int_equal(filter_match_create("ip6 protochain 6", FILTER_ENGINE_JIT, &match, NULL),
			 0);
	for (int tcp = 0; tcp < 2; tcp++) {
		struct rte_mbuf *m;

		pkt_init(&pkt);
		pkt_eth(&pkt, "02:00:00:00:00:02", "02:00:00:00:00:01");
		pkt_ipv6(&pkt, "fe80::1", "fe80::2");
		pkt_ipv6_ext(&pkt, PKT_EXT_HOP, NULL, 6);
		pkt_ipv6_ext(&pkt, PKT_EXT_DEST, NULL, 14);
		if (tcp != 0)
			pkt_tcp(&pkt, 1, 2, 0);
		else
			pkt_udp(&pkt, 1, 2);
		pkt_finish(&pkt, 0);
		m = mbufs_make(pool, pkt.bytes, pkt.size, cuts, 2);
		assert_int_equal(filter_match_run(match, m, scratch), tcp);
		rte_pktmbuf_free(m);
	}
	filter_match_destroy(match);
}

static void empty_expression_matches_everything(void **state)
{
	struct filter_match *match = NULL;
	struct rte_mbuf *m = mbufs_make(pool, (const uint8_t *)"x", 1, NULL, 0);

	assert_int_equal(filter_match_create(" \t", FILTER_ENGINE_JIT, &match, NULL), 0);
	assert_int_equal(filter_match_engine(match), FILTER_ENGINE_NONE);
	assert_true(filter_match_run(match, m, NULL));
	filter_match_destroy(match);
	rte_pktmbuf_free(m);
}

static void check_refused(const char *expr, const char *what)
{
	struct filter_match *match = NULL;
	struct err err = {0};

	assert_int_equal(filter_match_create(expr, FILTER_ENGINE_JIT, &match, &err), -EINVAL);
	assert_null(match);
	assert_string_equal(err.slug, "bad-filter");
	if (strstr(err.what, what) == NULL)
		fail_msg("'%s': '%s' does not say '%s'", expr, err.what, what);
	assert_true(err.why[0] != '\0' && err.fix[0] != '\0');
}

static void bad_expression_is_refused_with_libpcaps_words_and_the_column(void **state)
{
	check_refused("tcp and and udp", "syntax error at column 9: 'and udp'");
	check_refused("tcp or (udp and port 5))", "syntax error at column 24: ')'");
	check_refused("tcp src port 5 or", "syntax error: it ends too early");
	check_refused("udp and (tcp", "syntax error: it ends too early");
	check_refused("tcp @ udp", "at column 5");
	check_refused("udp and port xyzzy", "unknown port 'xyzzy' at column 14");
	check_refused("tcp port 99999", "illegal port number");
	check_refused("vlan 5000", "4095");
	check_refused("ip proto nosuch", "unknown ip proto 'nosuch' at column 10");
	check_refused("inbound and tcp", "not in the frame");
}

/* A host without /etc/protocols. */
static bool protocols_missing;
int __real_getprotobyname_r(const char *name, struct protoent *entry, char *buf, size_t size,
			    struct protoent **ret);
int __wrap_getprotobyname_r(const char *name, struct protoent *entry, char *buf, size_t size,
			    struct protoent **ret);
int __wrap_getprotobyname_r(const char *name, struct protoent *entry, char *buf, size_t size,
			    struct protoent **ret)
{
	if (!protocols_missing)
		return __real_getprotobyname_r(name, entry, buf, size, ret);
	*ret = NULL;
	return ENOENT;
}

/* libpcap would compile them all, as protocol 0. */
static void protocol_that_cannot_be_looked_up_is_refused(void **state)
{
	static const char *const fine[] = {"ip proto 6", "ether proto \\arp", "tcp port 80",
					   "ip proto 6 or 17", "ip proto 6 and tcp"};

	protocols_missing = true;
	check_refused("ip proto nosuch", "protocol 'nosuch' at column 10 cannot be looked up");
	check_refused("ip6 proto \\tcp", "protocol 'tcp' at column 12");
	check_refused("ip protochain ospf", "protocol 'ospf' at column 15");
	check_refused("ip proto (6 or ospf)", "protocol 'ospf' at column 16");
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		struct filter_match *match = NULL;

		assert_int_equal(filter_match_create(fine[i], FILTER_ENGINE_JIT, &match, NULL), 0);
		filter_match_destroy(match);
	}
	protocols_missing = false;
}

static void expression_longer_than_the_limit_is_refused(void **state)
{
	struct filter_match *match = NULL;
	char expr[FILTER_EXPR_MAX + 2];
	struct err err = {0};

	memset(expr, ' ', sizeof(expr));
	memcpy(expr, "tcp", 3);
	expr[FILTER_EXPR_MAX] = '\0';
	assert_int_equal(filter_match_create(expr, FILTER_ENGINE_JIT, &match, &err), 0);
	filter_match_destroy(match);
	expr[FILTER_EXPR_MAX] = ' ';
	expr[FILTER_EXPR_MAX + 1] = '\0';
	assert_int_equal(filter_match_create(expr, FILTER_ENGINE_JIT, &match, &err), -EINVAL);
}

static void name_of_a_host_is_refused_before_anybody_is_asked(void **state)
{
	static const struct {
		const char *expr;
		int at;
		unsigned size;
	} cases[] = {
		{"host example.com", 5, 11},
		{"tcp and example", 8, 7},
		{"port 80 and tcp foo", 16, 3},
		{"port 80 and host foo", 17, 3},
		{"src foo", 4, 3},
		{"host 10.0.0.1.example", 5, 16},
		{"host 3com.com", 5, 8},
		{"host foo:1", 5, 3},
		{"host fade:1", 5, 4},
		{"ether host a:-b:c:d:e:f", 11, 1},
		{"host \\tcp", 5, 4},
		{"TCP", 0, 3},
		{"net loopback", 4, 8},
		{"host 0-2", 5, 3},
		{"host 1.2.3.4.5", 5, 9},
		{"tcp port 80 and host\\1-.0.0.1", 20, 9},
		{"port 80 or net\\lan", 14, 4},
	};
	static const char *const fine[] = {
		"port http or ssh",
		"udp dst port domain",
		"ip proto \\tcp",
		"ip proto\\tcp",
		"ether proto \\arp",
		"portrange 1-2000",
		"host 10.0.0.1",
		"host 1.2.3",
		"host fe80::1",
		"ether host 02:00:00:00:00:01",
		"ether host 0200.0000.0001",
		"tcp[tcpflags] & tcp-syn",
		"ether[0:2] = 0x0200",
		"net 10.0.0.0/8",
		"ip6 net 2001:db8::/32",
		"(tcp)or(udp)",
		"llc sabme",
		"",
		"icmp[icmptype] = icmp-echo",
	};
	unsigned size = 0;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int at = filter_words_find_name(cases[i].expr, &size);

		if (at != cases[i].at || size != cases[i].size)
			fail_msg("'%s': %d, %u", cases[i].expr, at, size);
	}
	for (unsigned i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		if (filter_words_find_name(fine[i], &size) != -1)
			fail_msg("'%s' is said to have a name", fine[i]);
	check_refused("host example.com", "unknown word 'example.com' at column 6");
}

/* Else a word that is let through as a keyword would be asked from a name server after all. */
static void what_counts_as_keyword_is_one_to_libpcap(void **state)
{
	static const char *const words[] = {"lat",	 "carp",
					    "radio",	 "geneve",
					    "icmp6code", "netbeui",
					    "csnp",	 "icmp6-multicastrouterterm",
					    "tcp-cwr",	 "aarp",
					    "iih",	 "byte"};
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct bpf_program program;
		char expr[100];
		unsigned size;

		snprintf(expr, sizeof(expr), "host %s", words[i]);
		assert_int_equal(filter_words_find_name(expr, &size), -1);
		/* Some are numbers ("tcp-cwr" is 128). */
		if (pcap_compile(pcap, &program, expr, 0, PCAP_NETMASK_UNKNOWN) == 0)
			pcap_freecode(&program);
		else if (strstr(pcap_geterr(pcap), "unknown host") != NULL)
			fail_msg("libpcap takes '%s' for a host", words[i]);
	}
	pcap_close(pcap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_engine_decides_as_libpcap_does),
		cmocka_unit_test(random_expressions_decide_as_libpcap_does),
		cmocka_unit_test(machine_code_is_used_where_the_processor_has_it),
		cmocka_unit_test(loop_of_protochain_runs_and_ends),
		cmocka_unit_test(empty_expression_matches_everything),
		cmocka_unit_test(bad_expression_is_refused_with_libpcaps_words_and_the_column),
		cmocka_unit_test(protocol_that_cannot_be_looked_up_is_refused),
		cmocka_unit_test(expression_longer_than_the_limit_is_refused),
		cmocka_unit_test(name_of_a_host_is_refused_before_anybody_is_asked),
		cmocka_unit_test(what_counts_as_keyword_is_one_to_libpcap),
	};

	pool = mbufs_pool("frames", 255, 2048);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
