/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Names in filter expressions; see filter_words_find_name().
 *
 * libpcap resolves a word that is none of its keywords: after 'port' and 'proto' from files of
 * this host, else as the name of a host or network, by whatever the resolver is set up to ask.
 * The daemon's control thread must not wait for a name server.  So words are checked first,
 * strictly: a keyword, a number, an address, or a name that follows a qualifier whose names are
 * local.  A keyword that a newer libpcap has and this list has not is refused as a name: wrong,
 * but said.  Source of the words: pcap-filter(7).
 */
#include "filters/capture_filter.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include <arpa/inet.h>
#include <netdb.h>

/* Each list is words between blanks. */
static const char keywords[] =
	" "
	"dst src link ether ppp slip fddi tr wlan arp rarp ip sctp tcp udp icmp igmp igrp pim "
	"vrrp carp radio ip6 icmp6 ah esp atalk aarp decnet lat sca moprc mopdl iso esis es-is "
	"isis is-is l1 l2 iih lsp snp csnp psnp clnp stp ipx netbeui host net mask gateway less "
	"greater byte len length broadcast multicast vlan mpls pppoed pppoes geneve inbound "
	"outbound ifindex icmptype icmpcode icmp6type icmp6code tcpflags tcp-fin tcp-syn tcp-rst "
	"tcp-push tcp-ack tcp-urg tcp-ece tcp-cwr icmp-echoreply icmp-unreach icmp-sourcequench "
	"icmp-redirect icmp-echo icmp-routeradvert icmp-routersolicit icmp-timxceed "
	"icmp-paramprob icmp-tstamp icmp-tstampreply icmp-ireq icmp-ireqreply icmp-maskreq "
	"icmp-maskreply icmp6-destinationunreach icmp6-packettoobig icmp6-timeexceeded "
	"icmp6-parameterproblem icmp6-echo icmp6-echoreply icmp6-multicastlistenerquery "
	"icmp6-multicastlistenerreportv1 icmp6-multicastlistenerdone icmp6-routersolicit "
	"icmp6-routeradvert icmp6-neighborsolicit icmp6-neighboradvert icmp6-redirect "
	"icmp6-routerrenum icmp6-nodeinformationquery icmp6-nodeinformationresponse "
	"icmp6-ineighbordiscoverysolicit icmp6-ineighbordiscoveryadvert "
	"icmp6-multicastlistenerreportv2 icmp6-homeagentdiscoveryrequest "
	"icmp6-homeagentdiscoveryreply icmp6-mobileprefixsolicit icmp6-mobileprefixadvert "
	"icmp6-certpathsolicit icmp6-certpathadvert icmp6-multicastrouteradvert "
	"icmp6-multicastroutersolicit icmp6-multicastrouterterm ";

/* Their names come from /etc/services, /etc/protocols or libpcap itself. */
static const char local_qualifiers[] = " port portrange proto protochain llc ";

/* "ether proto \\ip" is an EtherType: libpcap knows those by itself. */
static const char link_qualifiers[] = " link ether ppp slip fddi tr wlan iso isis ";

/* These leave the qualifier before them in force ("port http or ssh"). */
static const char joiners[] = " and or not ";

static bool among(const char *list, const char *word, size_t size)
{
	for (const char *p = list; *p != '\0' && p[1] != '\0';) {
		size_t n = strcspn(p + 1, " ");

		if (n == size && memcmp(p + 1, word, size) == 0)
			return true;
		p += 1 + n;
	}
	return false;
}

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.' || c == '\\' ||
	       c == ':';
}

/* How long the word at 'p' is.  To libpcap a backslash begins another, whatever stands before it
 * ("host\1" is two). */
static size_t word_size(const char *p)
{
	size_t n = 0;

	while (is_word_char(p[n]) && (n == 0 || p[n] != '\\'))
		n++;
	return n;
}

/* "80", "0x88cc", "10.0.0" */
static bool is_number(const char *w, size_t size)
{
	unsigned dots = 0;

	if (size > 2 && w[0] == '0' && (w[1] == 'x' || w[1] == 'X')) {
		for (size_t i = 2; i < size; i++)
			if (!isxdigit((unsigned char)w[i]))
				return false;
		return true;
	}
	for (size_t i = 0; i < size; i++) {
		if (isdigit((unsigned char)w[i]))
			continue;
		if (w[i] != '.' || i == 0 || i + 1 == size || w[i - 1] == '.')
			return false;
		dots++;
	}
	return dots <= 3;
}

/* 'n_groups' groups of one to 'max_digits' hexadecimal digits with 'sep' between. */
static bool is_hex_groups(const char *w, size_t size, char sep, unsigned n_groups,
			  unsigned max_digits)
{
	unsigned groups = 1, digits = 0;

	for (size_t i = 0; i < size; i++) {
		if (isxdigit((unsigned char)w[i])) {
			if (++digits > max_digits)
				return false;
		} else if (w[i] == sep && digits != 0) {
			groups++;
			digits = 0;
		} else {
			return false;
		}
	}
	return groups == n_groups && digits != 0;
}

/* "02:00:00:00:00:01", "02-00-...", "0200.0000.0001", "020000000001", "fe80::1" */
static bool is_address(const char *w, size_t size)
{
	char word[64];
	struct in6_addr in6;

	if (size >= sizeof(word))
		return false;
	memcpy(word, w, size);
	word[size] = '\0';
	return inet_pton(AF_INET6, word, &in6) == 1 || is_hex_groups(w, size, ':', 6, 2) ||
	       is_hex_groups(w, size, '-', 6, 2) || is_hex_groups(w, size, '.', 6, 2) ||
	       (size == 14 && is_hex_groups(w, size, '.', 3, 4)) ||
	       (size == 12 && is_hex_groups(w, size, ':', 1, 12));
}

/* Updates *local, whether a name would be looked up on this host only. */
static bool word_is_name(const char *w, size_t size, bool *local)
{
	if (is_number(w, size) || among(joiners, w, size))
		return false;
	if (among(local_qualifiers, w, size)) {
		*local = true;
		return false;
	}
	if (among(keywords, w, size)) {
		*local = false;
		return false;
	}
	return !*local;
}

/* The offset of a name among words that have ':' between them ("ether[0:2]", "foo:1"), or -1. */
static int find_in_words(const char *p, size_t n, unsigned *ret_size, bool *local)
{
	for (size_t at = 0, end; at < n; at = end + 1) {
		size_t from = at, to;

		for (end = at; end < n && p[end] != ':';)
			end++;
		/* Words begin with a letter or digit, or are escaped; a minus around them is
		 * arithmetic. */
		for (to = end; from < to && !isalnum((unsigned char)p[from]) && p[from] != '\\';)
			from++;
		while (to > from && (p[to - 1] == '-' || p[to - 1] == '_'))
			to--;
		if (from < to && word_is_name(p + from, to - from, local)) {
			*ret_size = (unsigned)(to - from);
			return (int)from;
		}
	}
	return -1;
}

int filter_words_find_name(const char *expr, unsigned *ret_size)
{
	bool local = false;
	size_t n;

	for (const char *p = expr; *p != '\0'; p += n == 0 ? 1 : n) {
		int at;

		n = word_size(p);
		at = is_address(p, n) ? -1 : find_in_words(p, n, ret_size, &local);
		if (at >= 0)
			return (int)(p - expr) + at;
	}
	return -1;
}

/* Does this host's list of protocols have an answer, even if it is no?  libpcap takes the failure
 * for protocol 0. */
static bool can_look_up(const char *w, size_t size)
{
	struct protoent entry, *found;
	char name[64], buf[4096];

	if (size >= sizeof(name))
		return true;
	memcpy(name, w, size);
	name[size] = '\0';
	return getprotobyname_r(name, &entry, buf, sizeof(buf), &found) == 0;
}

/* Whether the word after this one is a name in the list of protocols. */
static bool wants_protocol(const char *w, size_t size, bool after_link)
{
	return (size == 5 && memcmp(w, "proto", 5) == 0 && !after_link) ||
	       (size == 10 && memcmp(w, "protochain", 10) == 0);
}

int filter_words_find_lost_protocol(const char *expr, unsigned *ret_size)
{
	bool wanted = false, after_link = false;
	size_t n;

	for (const char *p = expr; *p != '\0'; p += n == 0 ? 1 : n) {
		const char *w = p + (*p == '\\');

		n = word_size(p);
		if (n == 0 || is_number(p, n) || among(joiners, p, n))
			continue;
		if (among(keywords, p, n) || among(local_qualifiers, p, n)) {
			wanted = wants_protocol(p, n, after_link);
			after_link = among(link_qualifiers, p, n);
		} else if (wanted && !can_look_up(w, n - (size_t)(w - p))) {
			*ret_size = (unsigned)(n - (size_t)(w - p));
			return (int)(w - expr);
		}
	}
	return -1;
}
