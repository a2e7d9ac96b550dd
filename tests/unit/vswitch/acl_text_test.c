/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Entries of access lists as text: what is read, what it looks like again, and what is refused
 * where.
 */
#include "vswitch/acl_words.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct vs_acl_set sets[] = {{.name = "empty"}, {.name = "office"}, {.name = "web.1"}};
static const struct vs_acl_conf conf = {.n_sets = 3, .sets = sets};

static const struct {
	const char *text, *normal; /* NULL: the same */
} good[] = {
	{"10 allow", NULL},
	{"deny", NULL},
	{"10 allow stateful tcp to any port 80,443", NULL},
	{"10 allow stateful tcp from any to any port 443,80", "10 allow stateful tcp to any port "
							      "80,443"},
	{"1 deny log from @office", NULL},
	{"1 deny log=1 from @office", "1 deny log from @office"},
	{"1 deny log=100 from not @office to not 10.0.0.0/8", NULL},
	{"4294967294 allow ip", NULL},
	{"5 allow ip from 10.0.0.0/8", "5 allow from 10.0.0.0/8"},
	{"5 allow ip tcp", NULL},
	{"5 allow ipv6 udp from @office port 53", NULL},
	{"5 allow ip tcp from 10.0.0.1", "5 allow tcp from 10.0.0.1"},
	{"5 allow tcp from 10.0.0.1/32", "5 allow tcp from 10.0.0.1"},
	{"5 allow tcp from fd00:0:0::1/128", "5 allow tcp from fd00::1"},
	{"5 allow tcp from ::/0", NULL},
	{"5 allow 6", "5 allow tcp"},
	{"5 allow 1", NULL},
	{"5 allow ip 1", "5 allow icmp"},
	{"5 allow 1 from 10.0.0.1", "5 allow icmp from 10.0.0.1"},
	{"5 allow ip 58", NULL},
	{"5 allow ipv6 1", NULL},
	{"5 allow icmp icmp-type 8 code 0", NULL},
	{"5 allow icmpv6 icmp-type 135", NULL},
	{"5 deny arp", NULL},
	{"5 deny ethertype 0x0806", "5 deny arp"},
	{"5 deny ethertype 0x88CC", "5 deny ethertype 0x88cc"},
	{"5 deny ethertype 0x800", "5 deny ip"},
	{"5 deny fragments", NULL},
	{"5 allow tcp established", NULL},
	{"5 allow tcp not established", NULL},
	{"5 allow stateful udp idle 90", "5 allow stateful udp idle 90s"},
	{"5 allow stateful udp idle 120s", "5 allow stateful udp idle 2m"},
	{"5 allow stateful idle 30d", NULL},
	{"5 allow tcp to any port 1-5,6,7-9,20", "5 allow tcp to any port 1-9,20"},
	{"5 allow tcp to any port 0-65535", NULL},
	{"5 allow tcp to port 80", "5 allow tcp to any port 80"},
	{"5 allow from mac 02:00:00:00:00:01", NULL},
	{"5 allow from any mac 02:00:00:00:00:01", "5 allow from mac 02:00:00:00:00:01"},
	{"5 allow udp from 10.0.0.1 mac 02:00:00:00:00:00/FF:ff:ff:00:00:00 port 68",
	 "5 allow udp from 10.0.0.1 mac 02:00:00:00:00:00/ff:ff:ff:00:00:00 port 68"},
	{"5 allow udp to not fd00::/8 port 53 from mac 02:00:00:00:00:01 port 1000-2000",
	 "5 allow udp from mac 02:00:00:00:00:01 port 1000-2000 to not fd00::/8 port 53"},
	{"  5\tallow   tcp  ", "5 allow tcp"},
	{"5 deny note \"who knows?\" log", "5 deny log note \"who knows?\""},
	{"5 deny note \"\xc3\xa4 # ' \\\"", NULL},
	{"5 deny note \"\"", NULL},
	{"5 allow tcp from @web.1 to @empty", NULL},
	{"5 allow sctp to any port 1", NULL},
	{"5 allow esp", NULL},
	{"5 allow gre from any to any", "5 allow gre"},
};

static void every_form_has_one_normal_form(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct vs_acl_entry e, again;
		struct err err = {0};
		char *text, *twice;

		if (vs_acl_entry_parse(good[i].text, &conf, &e, &err) != 0)
			fail_msg("'%s': %s", good[i].text, err.what);
		text = vs_acl_entry_format(&e);
		assert_string_equal(text, good[i].normal != NULL ? good[i].normal : good[i].text);
		assert_int_equal(vs_acl_entry_parse(text, &conf, &again, &err), 0);
		twice = vs_acl_entry_format(&again);
		assert_string_equal(text, twice);
		free(text);
		free(twice);
		vs_acl_entry_fini(&e);
		vs_acl_entry_fini(&again);
	}
}

static const struct {
	const char *text;
	unsigned column;
	const char *word;
} bad[] = {
	{"", 1, "allow or deny"},
	{"10", 3, "allow or deny"},
	{"0 allow", 1, "an order"},
	{"4294967295 allow", 1, "an order"},
	{"99999999999999999999 allow", 1, "an order"},
	{"10x allow", 1, "an order"},
	{"permit tcp", 1, "allow or deny"},
	{"10 allow deny", 10, "second action"},
	{"10 allow tpc", 10, "not known"},
	{"10 allow tcp udp", 14, "second protocol"},
	{"10 allow tcp ip", 14, "second protocol"},
	{"10 allow ipv6 icmp", 15, "family"},
	{"10 allow arp tcp", 14, "arp has no protocols"},
	{"10 allow 256", 10, "0 to 255"},
	{"10 allow from", 14, "the entry ends"},
	{"10 allow from 10.0.0.256", 15, "no address"},
	{"10 allow from 10.0.0.1/8", 15, "bits behind"},
	{"10 allow from 10.0.0.0/33", 15, "0 to 32"},
	{"10 allow from 10.0.0.0/", 15, "0 to 32"},
	{"10 allow from fd00::/129", 15, "0 to 128"},
	{"10 allow from 10.0.0.1-10.0.0.9", 15, "ranges are written as prefixes"},
	{"10 allow from host", 15, "any, an address"},
	{"10 allow from @", 15, "any, an address"},
	{"10 allow from @ofice", 15, "no set"},
	{"10 allow from @offic", 15, "no set"},
	{"10 allow from @office1", 15, "no set"},
	{"10 allow from not any", 19, "matches nothing"},
	{"10 allow from 10.0.0.1 from any", 24, "twice"},
	{"10 allow from 10.0.0.1 to fd00::1", 27, "IPv6"},
	{"10 allow icmp from fd00::1", 20, "IPv6"},
	{"10 allow arp from 10.0.0.1", 19, "IPv4"},
	{"10 allow ethertype 0x88cc from @office", 32, "addresses are of IP"},
	{"10 allow to any port 80", 17, "ports need"},
	{"10 allow gre to any port 80", 21, "ports need"},
	{"10 allow port 80", 10, "behind 'from' or 'to'"},
	{"10 allow tcp to any port", 25, "the entry ends"},
	{"10 allow tcp to any port 90-80", 26, "write 80-90"},
	{"10 allow tcp to any port 80,", 29, "not a port"},
	{"10 allow tcp to any port 80,,81", 29, "not a port"},
	{"10 allow tcp to any port 65536", 26, "not a port"},
	{"10 allow tcp to any port 80-", 26, "not a port"},
	{"10 allow tcp to any port http", 26, "not a port"},
	{"10 allow tcp to any port 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33", 69, "16 ranges"},
	{"10 allow icmp-type 8", 10, "needs the protocol"},
	{"10 allow icmp code 0", 15, "needs 'icmp-type'"},
	{"10 allow icmp icmp-type 256", 25, "0 to 255"},
	{"10 allow udp established", 14, "needs the protocol tcp"},
	{"10 allow tcp not", 14, "'not' stands before"},
	{"10 deny stateful tcp", 9, "goes with allow"},
	{"10 allow stateful arp", 10, "is of IP"},
	{"10 allow tcp idle 5m", 14, "needs 'stateful'"},
	{"10 allow stateful tcp idle 0", 28, "1s to 30d"},
	{"10 allow stateful tcp idle 31d", 28, "1s to 30d"},
	{"10 allow stateful tcp idle 18446744073709551615d", 28, "1s to 30d"},
	{"10 allow stateful tcp idle m", 28, "1s to 30d"},
	{"10 deny log=0", 9, "1 to 1000000"},
	{"10 deny log=", 9, "not known"},
	{"10 deny log log", 13, "twice"},
	{"10 deny tcp fragments to any port 80", 13, "no ports"},
	{"10 deny arp fragments", 13, "of IP"},
	{"10 allow stateful fragments", 19, "opens no session"},
	{"10 deny from mac 02:00:00:00:00", 18, "a MAC address"},
	{"10 deny from mac 02:00:00:00:00:01/ff:ff:ff:00:00:00", 18, "bits that its mask"},
	{"10 deny from mac 00:00:00:00:00:00/00:00:00:00:00:00", 18, "leave 'mac' out"},
	{"10 deny ethertype 0x5ff", 19, "0x0600"},
	{"10 deny ethertype 88cc", 19, "an EtherType"},
	{"10 deny ethertype 0x-8cc", 19, "an EtherType"},
	{"10 deny note", 13, "the entry ends"},
	{"10 deny note x", 14, "in double quotes"},
	{"10 deny note \"x", 14, "not closed"},
	{"10 deny note \"x\"y", 17, "no space"},
	{"10 deny note \"\xff\"", 14, "UTF-8"},
	{"10 deny \xc3\xa4\xc3\xb6 x", 9, "not known"},
};

static void what_is_wrong_is_said_with_its_column(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vs_acl_entry e;
		struct err err = {0};
		char column[32];

		if (vs_acl_entry_parse(bad[i].text, &conf, &e, &err) == 0)
			fail_msg("'%s' is taken", bad[i].text);
		snprintf(column, sizeof(column), "column %u: ", bad[i].column);
		if (strncmp(err.what, column, strlen(column)) != 0 ||
		    strstr(err.what, bad[i].word) == NULL)
			fail_msg("'%s': %s", bad[i].text, err.what);
	}
}

static void an_entry_too_long_is_refused(void **state)
{
	char text[VS_ACL_LINE_SIZE + 1];
	struct vs_acl_entry e;
	struct err err;

	memset(text, ' ', sizeof(text));
	memcpy(text, "10 deny", 7);
	text[VS_ACL_LINE_SIZE] = '\0';
	assert_int_equal(vs_acl_entry_parse(text, &conf, &e, &err), -EINVAL);
	text[VS_ACL_LINE_SIZE - 1] = '\0';
	assert_int_equal(vs_acl_entry_parse(text, &conf, &e, &err), 0);
	memset(text, 'x', VS_ACL_NOTE_SIZE + 20);
	memcpy(text, "10 deny note \"", 14);
	text[14 + VS_ACL_NOTE_SIZE] = '"';
	text[14 + VS_ACL_NOTE_SIZE + 1] = '\0';
	assert_int_equal(vs_acl_entry_parse(text, &conf, &e, &err), -EINVAL);
	assert_non_null(strstr(err.what, "a note of more than"));
}

/* ---- Random entries ---- */

static unsigned below(unsigned n)
{
	return (unsigned)rand() % n;
}

static const char *one_of(const char *const *words, unsigned n)
{
	return words[below(n)];
}

static void put_random_end(FILE *f, const char *word, bool v6, bool ports)
{
	static const char *const v4s[] = {"any",	 "10.0.0.1",	   "10.0.0.0/8",
					  "10.0.0.0/30", "0.0.0.0/0",	   "@office",
					  "not @office", "not 10.0.0.0/30"};
	static const char *const v6s[] = {"any",     "fd00::1",	      "fd00::/8",    "::/0",
					  "@office", "not fd00::/64", "not @office", "fd00::/127"};
	static const char *const macs[] = {"02:00:00:00:00:01",
					   "02:00:00:00:00:00/ff:ff:ff:ff:ff:fe",
					   "02:00:00:00:00:00/ff:00:00:00:00:00"};

	fprintf(f, " %s %s", word, one_of(v6 ? v6s : v4s, 8));
	if (below(4) == 0)
		fprintf(f, " mac %s", one_of(macs, 3));
	if (!ports || below(2) == 0)
		return;
	fprintf(f, " port ");
	for (unsigned i = 0, n = 1 + below(3); i < n; i++) {
		unsigned from = below(6), to = from + below(3);

		fprintf(f, from == to ? "%s%u" : "%s%u-%u", i != 0 ? "," : "", from, to);
	}
}

/* An entry's text, as its structure allows. */
static char *random_text(void)
{
	static const char *const protos[] = {"",
					     " tcp",
					     " udp",
					     " sctp",
					     " 47",
					     " ip",
					     " ipv6",
					     " icmp",
					     " icmpv6",
					     " arp",
					     " ethertype 0x88cc"};
	const char *proto = protos[below(11)];
	bool allow = below(2) == 0,
	     ports = strchr("tus", proto[0] != '\0' ? proto[1] : 'x') != NULL;
	bool v6 = strcmp(proto, " ipv6") == 0 || strcmp(proto, " icmpv6") == 0 ||
		  (below(2) == 0 && strcmp(proto, " ip") != 0 && strcmp(proto, " icmp") != 0);
	bool ip = strcmp(proto, " arp") != 0 && strncmp(proto, " eth", 4) != 0;
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, "%u %s", 1 + below(100000), allow ? "allow" : "deny");
	if (allow && ip && below(3) == 0)
		fprintf(f, " stateful%s", below(2) == 0 ? " idle 5m" : "");
	if (below(4) == 0)
		fprintf(f, " log=%u", 1 + below(3));
	fputs(proto, f);
	if (ip && below(3) != 0)
		put_random_end(f, "from", v6, ports);
	if (ip && below(3) != 0)
		put_random_end(f, "to", v6, ports);
	if (strncmp(proto, " icmp", 5) == 0 && below(2) == 0)
		fprintf(f, " icmp-type %u%s", below(3), below(2) == 0 ? " code 0" : "");
	if (strcmp(proto, " tcp") == 0 && below(3) == 0)
		fprintf(f, " %sestablished", below(2) == 0 ? "not " : "");
	if (below(5) == 0)
		fprintf(f, " note \"n%u\"", below(1000));
	fclose(f);
	return text;
}

static void random_entries_come_back(void **state)
{
	srand(1);
	for (unsigned i = 0; i < 50000; i++) {
		char *text = random_text(), *normal, *twice;
		struct vs_acl_entry e, again;
		struct err err = {0};

		if (vs_acl_entry_parse(text, &conf, &e, &err) != 0)
			fail_msg("'%s': %s", text, err.what);
		normal = vs_acl_entry_format(&e);
		if (vs_acl_entry_parse(normal, &conf, &again, &err) != 0)
			fail_msg("'%s': %s", normal, err.what);
		twice = vs_acl_entry_format(&again);
		assert_string_equal(normal, twice);
		/* The text must say all of it: notes apart, the two are the same bytes. */
		free((char *)(uintptr_t)again.note);
		again.note = e.note;
		if (memcmp(&e.src.ranges, &again.src.ranges, sizeof(e.src.ranges)) != 0 ||
		    e.eth_type != again.eth_type || e.proto != again.proto ||
		    e.src.kind != again.src.kind || e.dst.kind != again.dst.kind ||
		    e.src.except != again.src.except || e.dst.except != again.dst.except ||
		    e.src.set != again.src.set || e.dst.prefix.len != again.dst.prefix.len)
			fail_msg("'%s' is not '%s'", text, normal);
		free(text);
		free(normal);
		free(twice);
		vs_acl_entry_fini(&e);
	}
}

/* ---- How entries relate, against packets ---- */

struct packet {
	uint16_t eth_type;
	int16_t proto, type, code;
	bool established;
	struct dp_ip src, dst;
	uint16_t sport, dport;
	struct rte_ether_addr smac, dmac;
};

static struct dp_ip random_ip(bool v6)
{
	static const uint8_t v4s[][4] = {{10, 0, 0, 1},
					 {10, 0, 0, 2},
					 {10, 0, 0, 9},
					 {11, 0, 0, 1}};
	struct dp_ip ip = {.v6 = v6};

	if (!v6) {
		memcpy(ip.b, v4s[below(4)], 4);
	} else {
		ip.b[0] = below(4) == 0 ? 0x20 : 0xfd;
		ip.b[7] = below(4) == 0;
		ip.b[15] = (uint8_t)below(3);
	}
	return ip;
}

static struct packet random_packet(void)
{
	static const uint16_t types[] = {VS_ACL_IP, VS_ACL_IPV6, VS_ACL_ARP, 0x88cc};
	static const int16_t protos[] = {6, 17, 132, 47, 1, 58};
	struct packet p = {.eth_type = types[below(8) < 7 ? below(2) : below(4)],
			   .proto = -1,
			   .type = (int16_t)below(3),
			   .code = (int16_t)below(2),
			   .established = below(2) == 0,
			   .sport = (uint16_t)below(9),
			   .dport = (uint16_t)below(9),
			   .smac = {{below(4) != 0 ? 2 : 4, 0, 0, 0, 0, (uint8_t)below(3)}},
			   .dmac = {{2, 0, 0, 0, 0, (uint8_t)below(3)}}};

	if (p.eth_type == VS_ACL_IP || p.eth_type == VS_ACL_IPV6) {
		p.proto = protos[below(6)];
		p.src = random_ip(p.eth_type == VS_ACL_IPV6);
		p.dst = random_ip(p.eth_type == VS_ACL_IPV6);
	}
	return p;
}

static bool in_prefix(const struct vs_acl_prefix *p, const struct dp_ip *ip)
{
	if (p->ip.v6 != ip->v6)
		return false;
	for (unsigned bit = 0; bit < p->len; bit++)
		if (((p->ip.b[bit / 8] ^ ip->b[bit / 8]) >> (7 - bit % 8) & 1) != 0)
			return false;
	return true;
}

static bool in_end(const struct vs_acl_end *end, bool is_ip, const struct dp_ip *ip, uint16_t port,
		   const struct rte_ether_addr *mac)
{
	bool in = false;

	for (unsigned i = 0; i < 6; i++)
		if (((end->mac.addr_bytes[i] ^ mac->addr_bytes[i]) & end->mac_mask.addr_bytes[i]) !=
		    0)
			return false;
	for (unsigned i = 0; i < end->n_ranges; i++)
		in = in || (end->ranges[i].from <= port && port <= end->ranges[i].to);
	if (end->n_ranges != 0 && !in)
		return false;
	if (end->kind == VS_ACL_ANY)
		return true;
	in = end->kind == VS_ACL_PREFIX && in_prefix(&end->prefix, ip);
	for (uint32_t i = 0; end->kind == VS_ACL_SET && i < end->set->n; i++)
		in = in || in_prefix(&end->set->prefixes[i], ip);
	return is_ip && in != end->except;
}

static bool matches(const struct vs_acl_entry *e, const struct packet *p)
{
	bool is_ip = p->proto >= 0;

	return (e->eth_type == 0 || e->eth_type == p->eth_type) &&
	       (e->proto < 0 || e->proto == p->proto) &&
	       (e->icmp_type < 0 || e->icmp_type == p->type) &&
	       (e->icmp_code < 0 || e->icmp_code == p->code) &&
	       (e->tcp_established < 0 || e->tcp_established == p->established) &&
	       in_end(&e->src, is_ip, &p->src, p->sport, &p->smac) &&
	       in_end(&e->dst, is_ip, &p->dst, p->dport, &p->dmac);
}

static void relations_agree_with_packets(void **state)
{
	enum { N_PACKETS = 300 };
	static struct packet packets[N_PACKETS];
	unsigned n_covers = 0, n_apart = 0;

	srand(2);
	for (unsigned round = 0; round < 20000; round++) {
		char *texts[2] = {random_text(), random_text()};
		struct vs_acl_mark marks[2];
		struct vs_acl_entry e[2];
		bool covers, meet;

		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(vs_acl_entry_parse(texts[i], &conf, &e[i], NULL), 0);
			vs_acl_mark(&e[i], &marks[i]);
		}
		covers = vs_acl_entry_covers(&e[0], &e[1]);
		meet = vs_acl_entries_meet(&e[0], &e[1]) && vs_acl_marks_meet(&marks[0], &marks[1]);
		n_covers += covers;
		n_apart += !meet;
		if (round % 64 == 0)
			for (unsigned k = 0; k < N_PACKETS; k++)
				packets[k] = random_packet();
		for (unsigned k = 0; k < N_PACKETS; k++) {
			bool first = matches(&e[0], &packets[k]),
			     second = matches(&e[1], &packets[k]);

			if ((covers && second && !first) || (!meet && first && second))
				fail_msg("'%s' %s '%s'", texts[0],
					 covers ? "covers" : "is apart from", texts[1]);
		}
		for (unsigned i = 0; i < 2; i++) {
			vs_acl_entry_fini(&e[i]);
			free(texts[i]);
		}
	}
	/* Neither is always so. */
	assert_in_range(n_covers, 200, 19000);
	assert_in_range(n_apart, 200, 19000);
}

/* ---- Many ---- */

static int lines(const char *text, uint32_t max, struct err *err, uint32_t *ret_n, char **ret_text)
{
	struct vs_acl_entry *v = NULL;
	int rc = vs_acl_lines_read("f", text, strlen(text), &conf, max, &v, ret_n, err);

	if (rc != 0)
		return rc;
	*ret_text = vs_acl_lines_format(v, *ret_n);
	vs_acl_entries_free(v, *ret_n);
	return 0;
}

static void lines_are_sorted_and_numbered(void **state)
{
	struct err err = {0};
	uint32_t n = 0;
	char *text = NULL;

	assert_int_equal(lines("# a\n\nallow tcp\r\n5 deny\n\tallow udp # no comment\n", 9, &err,
			       &n, &text),
			 -EINVAL);
	assert_non_null(strstr(err.what, "f:5:12: "));
	assert_int_equal(lines("# a\n\nallow tcp\r\n5 deny\n\tallow udp\n7 deny", 9, &err, &n,
			       &text),
			 0);
	assert_int_equal(n, 4);
	assert_string_equal(text, "5 deny\n7 deny\n10 allow tcp\n15 allow udp");
	free(text);
	assert_int_equal(lines("10 allow\n5 deny\n10 deny\n", 9, &err, &n, &text), -EEXIST);
	assert_string_equal(err.what, "f:3:1: order 10 is taken: line 1 has it");
	assert_int_equal(lines("allow\nallow\nallow\n", 2, &err, &n, &text), -ENOSPC);
	assert_non_null(strstr(err.what, "f:3:1: more than 2"));
	assert_int_equal(lines("allow\n\x01\n", 9, &err, &n, &text), -EINVAL);
	assert_string_equal(err.what, "f:2:1: byte 0x01 is not text");
	assert_int_equal(lines("4294967290 allow\nallow\n", 9, &err, &n, &text), -EINVAL);
	assert_int_equal(lines("", 9, &err, &n, &text), 0);
	assert_int_equal(n, 0);
	free(text);
}

static void a_set_drops_what_another_member_covers(void **state)
{
	static const char text[] = "10.1.0.0/16, 10.0.0.0/8 # x 1.1.1.1\n10.255.255.255 fd00::1\t"
				   "fd00::/64\n9.0.0.1 11.0.0.0/8 9.0.0.1";
	struct vs_acl_prefix *v = NULL;
	struct err err = {0};
	uint32_t n = 0;
	char *again;

	assert_int_equal(vs_acl_set_read("f", text, strlen(text), 10, &v, &n, &err), 0);
	again = vs_acl_set_format(v, n);
	assert_string_equal(again, "9.0.0.1 10.0.0.0/8 11.0.0.0/8 fd00::/64");
	free(again);
	free(v);
	assert_int_equal(vs_acl_set_read("f", "1.1.1.1\n 2.2.2.2 x", 18, 10, &v, &n, &err),
			 -EINVAL);
	assert_non_null(strstr(err.what, "f:2:10: 'x' is no address"));
	assert_int_equal(vs_acl_set_read("f", "1.1.1.1/8", 9, 10, &v, &n, &err), -EINVAL);
	assert_int_equal(vs_acl_set_read("f", "1.1.1.1 1.1.1.2", 15, 1, &v, &n, &err), -ENOSPC);
	assert_int_equal(vs_acl_set_read("f", "1.1.1.1\0", 8, 9, &v, &n, &err), -EINVAL);
	assert_int_equal(vs_acl_set_read("f", "", 0, 1, &v, &n, &err), 0);
	assert_int_equal(n, 0);
}

static void a_set_finds_its_members(void **state)
{
	srand(3);
	for (unsigned round = 0; round < 300; round++) {
		struct vs_acl_prefix given[40], *v = NULL;
		char text[40 * VS_ACL_PREFIX_SIZE] = "", one[VS_ACL_PREFIX_SIZE];
		struct vs_acl_set set = {0};

		for (unsigned i = 0; i < 40; i++) {
			struct vs_acl_prefix *p = &given[i];

			*p = (struct vs_acl_prefix){.len = (uint8_t)(26 + below(7))};
			p->ip.b[0] = 10;
			p->ip.b[3] = (uint8_t)(below(256) & (0xff00u >> (p->len - 24)));
			strcat(strcat(text, vs_acl_prefix_format(p, one)), " ");
		}
		assert_int_equal(vs_acl_set_read("f", text, strlen(text), 40, &v, &set.n, NULL), 0);
		set.prefixes = v;
		for (unsigned b = 0; b < 256; b++) {
			struct dp_ip ip = {.b = {10, 0, 0, (uint8_t)b}};
			bool in = false;

			for (unsigned i = 0; i < 40; i++)
				in = in || in_prefix(&given[i], &ip);
			assert_int_equal(vs_acl_set_find(&set, &ip) != NULL, in);
		}
		free(v);
	}
}

/* "office" has members for the random entries. */
static int office_make(void **state)
{
	static const char text[] = "10.0.0.0/30 11.0.0.1 fd00::1 2000::/16";

	return vs_acl_set_read("office", text, strlen(text), 10, &sets[1].prefixes, &sets[1].n,
			       NULL);
}

static int office_free(void **state)
{
	free(sets[1].prefixes);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_has_one_normal_form),
		cmocka_unit_test(what_is_wrong_is_said_with_its_column),
		cmocka_unit_test(an_entry_too_long_is_refused),
		cmocka_unit_test(random_entries_come_back),
		cmocka_unit_test(relations_agree_with_packets),
		cmocka_unit_test(lines_are_sorted_and_numbered),
		cmocka_unit_test(a_set_drops_what_another_member_covers),
		cmocka_unit_test(a_set_finds_its_members),
	};

	return cmocka_run_group_tests(tests, office_make, office_free);
}
