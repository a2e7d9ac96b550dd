/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An entry of an access list as text, in its normal form: what vs_acl_entry_parse() reads comes
 * back, and reading that gives the same entry.
 */
#include "vswitch/acl_words.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *vs_acl_prefix_format(const struct vs_acl_prefix *prefix, char text[VS_ACL_PREFIX_SIZE])
{
	unsigned max = prefix->ip.v6 ? 128 : 32;
	size_t n;

	inet_ntop(prefix->ip.v6 ? AF_INET6 : AF_INET, prefix->ip.b, text, VS_ACL_PREFIX_SIZE);
	n = strlen(text);
	if (prefix->len != max)
		snprintf(text + n, VS_ACL_PREFIX_SIZE - n, "/%u", prefix->len);
	return text;
}

static void put_mac(FILE *f, const struct rte_ether_addr *mac)
{
	const uint8_t *b = mac->addr_bytes;

	fprintf(f, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
}

static void put_end_mac(FILE *f, const struct vs_acl_end *end)
{
	static const struct rte_ether_addr ones = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

	fprintf(f, " mac ");
	put_mac(f, &end->mac);
	if (rte_is_same_ether_addr(&end->mac_mask, &ones))
		return;
	fputc('/', f);
	put_mac(f, &end->mac_mask);
}

static void put_ports(FILE *f, const struct vs_acl_end *end)
{
	for (unsigned i = 0; i < end->n_ranges; i++) {
		const struct vs_acl_range *range = &end->ranges[i];

		fprintf(f, "%s%u", i == 0 ? " port " : ",", range->from);
		if (range->to != range->from)
			fprintf(f, "-%u", range->to);
	}
}

static void put_end(FILE *f, const char *word, const struct vs_acl_end *end)
{
	bool has_mac = !rte_is_zero_ether_addr(&end->mac_mask);
	char text[VS_ACL_PREFIX_SIZE];

	if (end->kind == VS_ACL_ANY && end->n_ranges == 0 && !has_mac)
		return;
	fprintf(f, " %s%s", word, end->except ? " not" : "");
	if (end->kind == VS_ACL_PREFIX)
		fprintf(f, " %s", vs_acl_prefix_format(&end->prefix, text));
	else if (end->kind == VS_ACL_SET)
		fprintf(f, " @%s", end->set->name);
	else if (end->n_ranges != 0 && !has_mac)
		fprintf(f, " any");
	if (has_mac)
		put_end_mac(f, end);
	put_ports(f, end);
}

/* An address says the family, so it needs no word. */
static bool family_is_said(const struct vs_acl_entry *e)
{
	return e->eth_type == 0 || e->src.kind == VS_ACL_PREFIX || e->dst.kind == VS_ACL_PREFIX;
}

/* The word for a protocol in this family; what is of either family has one word for both. */
static const struct vs_acl_proto *word_of(uint16_t eth_type, int16_t proto)
{
	for (const struct vs_acl_proto *p = vs_acl_protos; p->word != NULL; p++)
		if (p->proto == proto &&
		    (p->eth_type == eth_type || (p->eth_type == 0 && proto >= 0)))
			return p;
	return NULL;
}

static void put_proto(FILE *f, const struct vs_acl_entry *e)
{
	const struct vs_acl_proto *word = word_of(e->eth_type, e->proto);
	const struct vs_acl_proto *family = word_of(e->eth_type, -1);

	if (e->proto < 0) {
		if (family_is_said(e))
			return;
		if (family != NULL)
			fprintf(f, " %s", family->word);
		else
			fprintf(f, " ethertype 0x%04x", e->eth_type);
		return;
	}
	if (family != NULL && !family_is_said(e) && (word == NULL || word->eth_type == 0))
		fprintf(f, " %s", family->word);
	if (word != NULL)
		fprintf(f, " %s", word->word);
	else
		fprintf(f, " %d", e->proto);
}

static void put_idle(FILE *f, uint32_t seconds)
{
	static const struct {
		uint32_t seconds;
		char letter;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};

	for (unsigned i = 0; i < 4; i++) {
		if (seconds % units[i].seconds != 0)
			continue;
		fprintf(f, " idle %u%c", seconds / units[i].seconds, units[i].letter);
		return;
	}
}

static void put_entry(FILE *f, const struct vs_acl_entry *e)
{
	if (e->order != 0)
		fprintf(f, "%u ", e->order);
	fputs(e->action == VS_ACL_ALLOW ? "allow" : "deny", f);
	if (e->stateful)
		fputs(" stateful", f);
	if (e->log == 1)
		fputs(" log", f);
	else if (e->log != 0)
		fprintf(f, " log=%u", e->log);
	put_proto(f, e);
	put_end(f, "from", &e->src);
	put_end(f, "to", &e->dst);
	if (e->icmp_type >= 0)
		fprintf(f, " icmp-type %d", e->icmp_type);
	if (e->icmp_code >= 0)
		fprintf(f, " code %d", e->icmp_code);
	if (e->fragments)
		fputs(" fragments", f);
	if (e->tcp_established >= 0)
		fputs(e->tcp_established != 0 ? " established" : " not established", f);
	if (e->idle_s != 0)
		put_idle(f, e->idle_s);
	if (e->note != NULL)
		fprintf(f, " note \"%s\"", e->note);
}

char *vs_acl_entry_format(const struct vs_acl_entry *entry)
{
	return vs_acl_lines_format(entry, 1);
}

char *vs_acl_lines_format(const struct vs_acl_entry *entries, uint32_t n)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	bool failed;

	if (f == NULL)
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		if (i != 0)
			fputc('\n', f);
		put_entry(f, &entries[i]);
	}
	failed = ferror(f) != 0;
	if (fclose(f) == 0 && !failed)
		return text;
	free(text);
	return NULL;
}
