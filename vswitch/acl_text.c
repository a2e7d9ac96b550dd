/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An entry of an access list from its text (docs/acls.md):
 *
 * 	[ORDER] allow|deny [stateful] [log[=N]] [PROTO] [from END [port RANGES]]
 * 		[to END [port RANGES]] [icmp-type T [code C]] [fragments] [[not] established]
 * 		[idle TIME] [note "TEXT"]
 *
 * Words are taken one after the other; a clause has a function.  What no single word can tell, as
 * that ports need a protocol, is checked at the end, and said of the word that brought it.
 */
#include "vswitch/acl_words.h"

#include "ctl/spec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct vs_acl_proto vs_acl_protos[] = {
	{"ip", VS_ACL_IP, -1},
	{"ipv6", VS_ACL_IPV6, -1},
	{"arp", VS_ACL_ARP, -1},
	{"tcp", 0, IPPROTO_TCP},
	{"udp", 0, IPPROTO_UDP},
	{"sctp", 0, IPPROTO_SCTP},
	{"icmp", VS_ACL_IP, 1},
	{"icmpv6", VS_ACL_IPV6, 58},
	{"esp", 0, IPPROTO_ESP},
	{"gre", 0, IPPROTO_GRE},
	{NULL, 0, 0},
};

struct reader {
	const char *text, *end;
	const char *word; /* the one to look at */
	size_t n;	  /* its bytes; 0: there is none left */
	const struct vs_acl_conf *conf;
	struct vs_acl_entry *e;
	size_t *at; /* of the mistake */
	struct err *err;
	/* Words that need something which others say; NULL: not there. */
	const char *proto, *family, *address, *port, *type, *code, *fragments, *established, *idle,
		*stateful, *log, *from, *to, *mac;
};

/* ---- Words ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The word at 'p', or none. */
static void look(struct reader *r, const char *p)
{
	while (p < r->end && is_blank(*p))
		p++;
	r->word = p;
	while (p < r->end && !is_blank(*p))
		p++;
	r->n = (size_t)(p - r->word);
}

static void step(struct reader *r)
{
	look(r, r->word + r->n);
}

static bool is(const struct reader *r, const char *word)
{
	return r->n == strlen(word) && memcmp(r->word, word, r->n) == 0;
}

static bool take(struct reader *r, const char *word)
{
	if (!is(r, word))
		return false;
	step(r);
	return true;
}

static int shown(const struct reader *r)
{
	return r->n < 60 ? (int)r->n : 60;
}

__attribute__((format(printf, 3, 4))) static int fail(struct reader *r, const char *at,
						      const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* What was cut, or never was UTF-8, is no text for JSON. */
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			*c = '?';
	*r->at = (size_t)(at - r->text);
	return err_set(r->err, -EINVAL, "bad-entry", "%s", text);
}

/* "expected WHAT, not 'word'" */
static int fail_word(struct reader *r, const char *what)
{
	if (r->n == 0)
		return fail(r, r->word, "the entry ends where %s should be", what);
	return fail(r, r->word, "'%.*s' is not %s", shown(r), r->word, what);
}

static int again(struct reader *r, const char **place, const char *what)
{
	if (*place != NULL)
		return fail(r, r->word, "'%s' is there twice", what);
	*place = r->word;
	return 0;
}

/* Decimal, all of 'n' bytes. */
static bool number(const char *text, size_t n, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9' || value > max)
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*ret = value;
	return n != 0 && value <= max;
}

/* ---- Addresses ---- */

const char *vs_acl_prefix_read(const char *text, size_t size, struct vs_acl_prefix *ret)
{
	struct vs_acl_prefix p = {.ip = {.v6 = memchr(text, ':', size) != NULL}};
	unsigned max = p.ip.v6 ? 128 : 32;
	const char *slash = memchr(text, '/', size);
	size_t n = slash != NULL ? (size_t)(slash - text) : size;
	char address[INET6_ADDRSTRLEN];
	uint64_t len = max;

	if (n == 0 || n >= sizeof(address))
		return "no address";
	memcpy(address, text, n);
	address[n] = '\0';
	if (strlen(address) != n || inet_pton(p.ip.v6 ? AF_INET6 : AF_INET, address, p.ip.b) != 1)
		return memchr(text, '-', size) != NULL
			       ? "no address: ranges are written as prefixes, 10.0.0.0/28"
			       : "no address, as 10.0.0.1, 10.0.0.0/8 or fd00::/64";
	if (slash != NULL && !number(slash + 1, size - n - 1, max, &len))
		return p.ip.v6 ? "no prefix: its length is 0 to 128"
			       : "no prefix: its length is 0 to 32";
	for (unsigned bit = (unsigned)len; bit < max; bit++)
		if ((p.ip.b[bit / 8] & (0x80u >> bit % 8)) != 0)
			return "an address with bits behind its prefix: say the network, or the "
			       "address alone";
	p.len = (uint8_t)len;
	*ret = p;
	return NULL;
}

static const struct vs_acl_set *find_set(const struct vs_acl_conf *conf, const char *name, size_t n)
{
	unsigned low = 0, high = conf != NULL ? conf->n_sets : 0;

	while (low < high) {
		unsigned mid = (low + high) / 2;
		int rc = strncmp(conf->sets[mid].name, name, n);

		if (rc == 0 && conf->sets[mid].name[n] == '\0')
			return &conf->sets[mid];
		if (rc < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static int unknown_set(struct reader *r)
{
	const char *names[VS_MAX_ACL_SETS + 1], *near;
	unsigned n = 0;
	char name[64];

	for (; r->conf != NULL && n < r->conf->n_sets && n < VS_MAX_ACL_SETS; n++)
		names[n] = r->conf->sets[n].name;
	names[n] = NULL;
	snprintf(name, sizeof(name), "%.*s", (int)(r->n - 1 < 63 ? r->n - 1 : 63), r->word + 1);
	near = ctl_did_you_mean(name, names);
	fail(r, r->word, "there is no set of addresses '%s'", name);
	if (r->err != NULL)
		r->err->code = -ENOENT;
	if (near != NULL)
		err_why(r->err, "did you mean '@%s'?", near);
	err_fix(r->err, "vswitchctl ipset add %s ADDRESS ..", name);
	return -ENOENT;
}

static int mac_read(struct reader *r, const char *text, size_t n, struct rte_ether_addr *ret)
{
	char copy[18];

	if (n != 17)
		return fail_word(r, "a MAC address, as 02:00:00:00:00:01");
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (ctl_mac_parse(copy, ret->addr_bytes, NULL) != 0)
		return fail_word(r, "a MAC address, as 02:00:00:00:00:01");
	return 0;
}

static int end_mac(struct reader *r, struct vs_acl_end *end)
{
	const char *slash;
	size_t n;

	r->mac = r->word;
	step(r);
	slash = memchr(r->word, '/', r->n);
	n = slash != NULL ? (size_t)(slash - r->word) : r->n;
	if (mac_read(r, r->word, n, &end->mac) != 0)
		return -EINVAL;
	memset(&end->mac_mask, 0xff, sizeof(end->mac_mask));
	if (slash != NULL && mac_read(r, slash + 1, r->n - n - 1, &end->mac_mask) != 0)
		return -EINVAL;
	if (rte_is_zero_ether_addr(&end->mac_mask))
		return fail(r, r->word, "a mask of zeros is any address: leave 'mac' out");
	for (unsigned i = 0; i < 6; i++)
		if ((end->mac.addr_bytes[i] & ~end->mac_mask.addr_bytes[i]) != 0)
			return fail(r, r->word, "'%.*s' has bits that its mask does not", shown(r),
				    r->word);
	step(r);
	return 0;
}

static bool like_address(const struct reader *r)
{
	return r->n != 0 &&
	       ((r->word[0] >= '0' && r->word[0] <= '9') || memchr(r->word, ':', r->n) != NULL);
}

/* The address of an end. */
static int end_address(struct reader *r, struct vs_acl_end *end)
{
	const char *why;

	end->except = take(r, "not");
	if (is(r, "any")) {
		if (end->except)
			return fail(r, r->word, "'not any' matches nothing");
		step(r);
		return 0;
	}
	if (!end->except && (is(r, "mac") || is(r, "port")))
		return 0;
	if (r->n > 1 && r->word[0] == '@') {
		end->kind = VS_ACL_SET;
		end->set = find_set(r->conf, r->word + 1, r->n - 1);
		if (end->set == NULL)
			return unknown_set(r);
	} else {
		if (!like_address(r))
			return fail_word(r, "any, an address, a prefix, or a set as @office");
		why = vs_acl_prefix_read(r->word, r->n, &end->prefix);
		if (why != NULL)
			return fail(r, r->word, "'%.*s' is %s", shown(r), r->word, why);
		end->kind = VS_ACL_PREFIX;
	}
	r->address = r->word;
	step(r);
	return 0;
}

/* ---- Ports ---- */

static int range_compare(const void *a, const void *b)
{
	const struct vs_acl_range *x = a, *y = b;

	return x->from != y->from ? (x->from < y->from ? -1 : 1) : (int)x->to - (int)y->to;
}

/* Ascending; those that meet are one. */
static void ranges_merge(struct vs_acl_end *end)
{
	uint16_t n = 0;

	qsort(end->ranges, end->n_ranges, sizeof(end->ranges[0]), range_compare);
	for (uint16_t i = 0; i < end->n_ranges; i++) {
		struct vs_acl_range *last = n != 0 ? &end->ranges[n - 1] : NULL;

		if (last != NULL && end->ranges[i].from <= (uint32_t)last->to + 1) {
			if (end->ranges[i].to > last->to)
				last->to = end->ranges[i].to;
			continue;
		}
		end->ranges[n++] = end->ranges[i];
	}
	memset(end->ranges + n, 0, sizeof(end->ranges[0]) * (size_t)(VS_MAX_ACL_RANGES - n));
	end->n_ranges = n;
}

static int range_read(struct reader *r, const char *p, size_t n, struct vs_acl_range *ret)
{
	const char *dash = memchr(p, '-', n);
	size_t n_from = dash != NULL ? (size_t)(dash - p) : n;
	uint64_t from, to;

	if (!number(p, n_from, 65535, &from) ||
	    (dash != NULL && !number(dash + 1, n - n_from - 1, 65535, &to)))
		return fail(r, p, "'%.*s' is not a port: 0 to 65535, or a range as 1000-2000",
			    n < 40 ? (int)n : 40, p);
	if (dash == NULL)
		to = from;
	if (to < from)
		return fail(r, p, "the range %u-%u ends before it begins: write %u-%u",
			    (unsigned)from, (unsigned)to, (unsigned)to, (unsigned)from);
	*ret = (struct vs_acl_range){(uint16_t)from, (uint16_t)to};
	return 0;
}

static int ports_read(struct reader *r, struct vs_acl_end *end)
{
	const char *p;
	size_t left;

	r->port = r->word;
	step(r);
	if (r->n == 0)
		return fail_word(r, "a port");
	for (p = r->word, left = r->n;; p++, left--) {
		const char *comma = memchr(p, ',', left);
		size_t n = comma != NULL ? (size_t)(comma - p) : left;

		if (end->n_ranges == VS_MAX_ACL_RANGES)
			return fail(r, p, "more than %u ranges of ports: make it two entries",
				    VS_MAX_ACL_RANGES);
		if (range_read(r, p, n, &end->ranges[end->n_ranges]) != 0)
			return -EINVAL;
		end->n_ranges++;
		p += n;
		left -= n;
		if (left == 0)
			break;
	}
	ranges_merge(end);
	step(r);
	return 0;
}

/* ---- Clauses: each stands on its word, and leaves the one behind it ---- */

static int end_read(struct reader *r, struct vs_acl_end *end)
{
	int rc;

	step(r);
	if (r->n == 0)
		return fail_word(r, "any, an address, a prefix, or a set as @office");
	rc = end_address(r, end);
	if (rc == 0 && is(r, "mac"))
		rc = end_mac(r, end);
	if (rc == 0 && is(r, "port"))
		rc = ports_read(r, end);
	return rc;
}

static int clause_from(struct reader *r)
{
	return again(r, &r->from, "from") != 0 ? -EINVAL : end_read(r, &r->e->src);
}

static int clause_to(struct reader *r)
{
	return again(r, &r->to, "to") != 0 ? -EINVAL : end_read(r, &r->e->dst);
}

static int byte_read(struct reader *r, const char *what, int16_t *ret)
{
	uint64_t value;

	step(r);
	if (r->n == 0 || !number(r->word, r->n, 255, &value))
		return fail_word(r, what);
	*ret = (int16_t)value;
	step(r);
	return 0;
}

static int clause_type(struct reader *r)
{
	return again(r, &r->type, "icmp-type") != 0
		       ? -EINVAL
		       : byte_read(r, "a type: 0 to 255", &r->e->icmp_type);
}

static int clause_code(struct reader *r)
{
	return again(r, &r->code, "code") != 0 ? -EINVAL
					       : byte_read(r, "a code: 0 to 255", &r->e->icmp_code);
}

static int clause_fragments(struct reader *r)
{
	if (again(r, &r->fragments, "fragments") != 0)
		return -EINVAL;
	r->e->fragments = true;
	step(r);
	return 0;
}

static int clause_established(struct reader *r)
{
	if (again(r, &r->established, "established") != 0)
		return -EINVAL;
	r->e->tcp_established = 1;
	step(r);
	return 0;
}

static int clause_not(struct reader *r)
{
	const char *at = r->word;

	step(r);
	if (!is(r, "established"))
		return fail(r, at, "'not' stands before an address, a set, or 'established'");
	if (again(r, &r->established, "established") != 0)
		return -EINVAL;
	r->e->tcp_established = 0;
	step(r);
	return 0;
}

static int clause_stateful(struct reader *r)
{
	if (again(r, &r->stateful, "stateful") != 0)
		return -EINVAL;
	r->e->stateful = true;
	step(r);
	return 0;
}

static uint32_t unit_of(char c)
{
	switch (c) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	default:
		return 0;
	}
}

static int clause_idle(struct reader *r)
{
	uint32_t unit;
	uint64_t value;

	if (again(r, &r->idle, "idle") != 0)
		return -EINVAL;
	step(r);
	unit = r->n != 0 ? unit_of(r->word[r->n - 1]) : 0;
	if (r->n == 0 || !number(r->word, r->n - (unit != 0 ? 1 : 0), VS_ACL_MAX_IDLE_S, &value) ||
	    value == 0 || value * (unit != 0 ? unit : 1) > VS_ACL_MAX_IDLE_S)
		return fail_word(r, "a time of 1s to 30d, as 30s, 5m or 2h");
	r->e->idle_s = (uint32_t)value * (unit != 0 ? unit : 1);
	step(r);
	return 0;
}

/* What people say of an entry, in quotes; it goes to the entry's end. */
static int clause_note(struct reader *r)
{
	const char *p, *close;
	json_t *valid;

	if (r->e->note != NULL)
		return fail(r, r->word, "'note' is there twice");
	step(r);
	p = r->word;
	if (r->n == 0 || *p != '"')
		return fail_word(r, "a note in double quotes");
	p++;
	close = memchr(p, '"', (size_t)(r->end - p));
	if (close == NULL)
		return fail(r, r->word, "the note's quote is not closed");
	if (close - p >= VS_ACL_NOTE_SIZE)
		return fail(r, r->word, "a note of more than %d bytes", VS_ACL_NOTE_SIZE - 1);
	for (const char *c = p; c < close; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return fail(r, c, "the note has control characters");
	valid = json_stringn(p, (size_t)(close - p));
	if (valid == NULL)
		return fail(r, r->word, "the note is not UTF-8");
	r->e->note = strdup(json_string_value(valid));
	json_decref(valid);
	if (r->e->note == NULL)
		return err_set(r->err, -ENOMEM, "no-memory", "no memory");
	if (close + 1 < r->end && !is_blank(close[1]))
		return fail(r, close + 1, "there is no space behind the note");
	look(r, close + 1);
	return 0;
}

static const struct {
	const char *word;
	int (*read)(struct reader *r);
} clauses[] = {
	{"from", clause_from},
	{"to", clause_to},
	{"icmp-type", clause_type},
	{"code", clause_code},
	{"fragments", clause_fragments},
	{"established", clause_established},
	{"not", clause_not},
	{"idle", clause_idle},
	{"note", clause_note},
	{"stateful", clause_stateful},
};
#define N_CLAUSES (sizeof(clauses) / sizeof(clauses[0]))

/* ---- What comes before them ---- */

static bool is_log(const struct reader *r)
{
	return is(r, "log") || (r->n > 4 && memcmp(r->word, "log=", 4) == 0);
}

static int log_read(struct reader *r)
{
	uint64_t n = 1;

	if (again(r, &r->log, "log") != 0)
		return -EINVAL;
	if (r->n > 3 && (!number(r->word + 4, r->n - 4, 1000000, &n) || n == 0))
		return fail_word(r, "log=N: one of N is told, 1 to 1000000");
	r->e->log = (uint32_t)n;
	step(r);
	return 0;
}

static int ethertype_read(struct reader *r)
{
	char *end, copy[8];
	unsigned long value;

	if (r->proto != NULL || r->family != NULL)
		return fail(r, r->word, "'ethertype' beside a protocol");
	r->proto = r->word;
	step(r);
	if (r->n < 3 || r->n > 6 || r->word[0] != '0' || r->word[1] != 'x')
		return fail_word(r, "an EtherType, as 0x88cc");
	memcpy(copy, r->word + 2, r->n - 2);
	copy[r->n - 2] = '\0';
	value = strtoul(copy, &end, 16);
	if (*end != '\0' || copy[0] == '-' || copy[0] == '+' || copy[0] == ' ' || value < 0x600)
		return fail_word(r, "an EtherType: 0x0600 to 0xffff");
	r->e->eth_type = (uint16_t)value;
	step(r);
	return 0;
}

static int proto_set(struct reader *r, uint16_t eth_type, int16_t proto)
{
	const char **place = proto < 0 ? &r->family : &r->proto;

	if (*place != NULL || (proto < 0 && r->proto != NULL))
		return fail(r, r->word, "'%.*s' is a second protocol", shown(r), r->word);
	if (eth_type != 0 && r->e->eth_type != 0 && r->e->eth_type != eth_type)
		return fail(r, r->word, "'%.*s' is not of that family", shown(r), r->word);
	if (r->e->eth_type == VS_ACL_ARP)
		return fail(r, r->word, "arp has no protocols");
	*place = r->word;
	if (eth_type != 0)
		r->e->eth_type = eth_type;
	if (proto >= 0)
		r->e->proto = proto;
	step(r);
	return 0;
}

/* 1: the word is no protocol. */
static int proto_read(struct reader *r)
{
	uint64_t value;

	if (is(r, "ethertype"))
		return ethertype_read(r);
	for (const struct vs_acl_proto *p = vs_acl_protos; p->word != NULL; p++)
		if (is(r, p->word))
			return proto_set(r, p->eth_type, p->proto);
	if (r->word[0] < '0' || r->word[0] > '9')
		return 1;
	if (!number(r->word, r->n, 255, &value))
		return fail_word(r, "a protocol's number: 0 to 255");
	return proto_set(r, 0, (int16_t)value);
}

static int unknown_word(struct reader *r)
{
	static const char *const words[] = {"from",	 "to",		"icmp-type", "code",
					    "fragments", "established", "idle",	     "note",
					    "port",	 "stateful",	"log",	     "ip",
					    "ipv6",	 "tcp",		"udp",	     "sctp",
					    "icmp",	 "icmpv6",	"arp",	     "esp",
					    "gre",	 "ethertype",	"mac",	     "not",
					    NULL};
	char word[64];
	const char *near;

	snprintf(word, sizeof(word), "%.*s", shown(r), r->word);
	near = ctl_did_you_mean(word, words);
	if (is(r, "port") || is(r, "mac"))
		fail(r, r->word, "'%s' stands behind 'from' or 'to'", word);
	else if (is(r, "allow") || is(r, "deny"))
		fail(r, r->word, "'%s' is a second action", word);
	else
		fail(r, r->word, "'%s' is not known here", word);
	if (near != NULL && strcmp(near, word) != 0)
		err_why(r->err, "did you mean '%s'?", near);
	else
		err_why(r->err, "an entry is: ORDER allow|deny [stateful] [log] [PROTO] [from END "
				"[port N]] [to END [port N]] ..");
	err_fix(r->err, "vswitchctl acl entry add --help");
	return -EINVAL;
}

static int clause_read(struct reader *r)
{
	int rc;

	for (size_t i = 0; i < N_CLAUSES; i++)
		if (is(r, clauses[i].word))
			return clauses[i].read(r);
	if (is_log(r))
		return log_read(r);
	rc = proto_read(r);
	return rc == 1 ? unknown_word(r) : rc;
}

static int head_read(struct reader *r)
{
	uint64_t order = 0;

	if (r->n != 0 && r->word[0] >= '0' && r->word[0] <= '9') {
		if (!number(r->word, r->n, VS_ACL_MAX_ORDER, &order) || order == 0)
			return fail_word(r, "an order: 1 to 4294967294");
		step(r);
	}
	r->e->order = (uint32_t)order;
	if (is(r, "allow"))
		r->e->action = VS_ACL_ALLOW;
	else if (is(r, "deny"))
		r->e->action = VS_ACL_DENY;
	else
		return fail_word(r, "allow or deny");
	step(r);
	return 0;
}

/* ---- What words ask of each other ---- */

static int family_check(struct reader *r)
{
	struct vs_acl_entry *e = r->e;
	const struct vs_acl_end *ends[] = {&e->src, &e->dst};

	for (unsigned i = 0; i < 2; i++) {
		uint16_t type = ends[i]->prefix.ip.v6 ? VS_ACL_IPV6 : VS_ACL_IP;

		if (ends[i]->kind != VS_ACL_PREFIX)
			continue;
		if (e->eth_type != 0 && e->eth_type != type)
			return fail(r, r->address,
				    "an address of IPv%c in an entry that is not "
				    "about it",
				    ends[i]->prefix.ip.v6 ? '6' : '4');
		e->eth_type = type;
	}
	if (r->address != NULL && e->eth_type != 0 && e->eth_type != VS_ACL_IP &&
	    e->eth_type != VS_ACL_IPV6)
		return fail(r, r->address, "addresses are of IP; others are told by 'mac'");
	return 0;
}

static bool has_ports(const struct vs_acl_entry *e)
{
	return e->proto == IPPROTO_TCP || e->proto == IPPROTO_UDP || e->proto == IPPROTO_SCTP;
}

static bool is_icmp(const struct vs_acl_entry *e)
{
	return (e->proto == 1 && e->eth_type == VS_ACL_IP) ||
	       (e->proto == 58 && e->eth_type == VS_ACL_IPV6);
}

static int transport_check(struct reader *r)
{
	const struct vs_acl_entry *e = r->e;

	if (r->port != NULL && !has_ports(e))
		return fail(r, r->port, "ports need a protocol that has them: tcp, udp or sctp");
	if (r->type != NULL && !is_icmp(e))
		return fail(r, r->type, "'icmp-type' needs the protocol icmp or icmpv6");
	if (r->code != NULL && r->type == NULL)
		return fail(r, r->code, "'code' needs 'icmp-type' before it");
	if (r->established != NULL && e->proto != IPPROTO_TCP)
		return fail(r, r->established, "'established' needs the protocol tcp");
	return 0;
}

static int state_check(struct reader *r)
{
	const struct vs_acl_entry *e = r->e;

	if (r->stateful != NULL && e->action != VS_ACL_ALLOW)
		return fail(r, r->stateful,
			    "'stateful' goes with allow: what is denied has no "
			    "answers");
	if (r->stateful != NULL && e->eth_type != 0 && e->eth_type != VS_ACL_IP &&
	    e->eth_type != VS_ACL_IPV6)
		return fail(r, r->stateful, "'stateful' is of IP: other frames have no sessions");
	if (r->idle != NULL && r->stateful == NULL)
		return fail(r, r->idle, "'idle' is a session's: it needs 'stateful'");
	return 0;
}

static int fragments_check(struct reader *r)
{
	const struct vs_acl_entry *e = r->e;

	if (r->fragments == NULL)
		return 0;
	if (e->eth_type != 0 && e->eth_type != VS_ACL_IP && e->eth_type != VS_ACL_IPV6)
		return fail(r, r->fragments, "'fragments' is of IP");
	if (r->port != NULL || r->type != NULL || r->established != NULL)
		return fail(r, r->fragments, "later fragments have no ports, types or flags");
	if (r->stateful != NULL)
		return fail(r, r->fragments,
			    "a later fragment opens no session: leave 'stateful' "
			    "out");
	return 0;
}

static int all_check(struct reader *r)
{
	int rc = family_check(r);

	if (rc == 0)
		rc = transport_check(r);
	if (rc == 0)
		rc = state_check(r);
	return rc == 0 ? fragments_check(r) : rc;
}

/* ---- All of it ---- */

unsigned vs_acl_column(const char *text, size_t at)
{
	unsigned column = 1;

	for (size_t i = 0; i < at; i++)
		column += ((unsigned char)text[i] & 0xc0) != 0x80;
	return column;
}

void vs_acl_entry_fini(struct vs_acl_entry *entry)
{
	free((char *)(uintptr_t)entry->note);
	entry->note = NULL;
}

int vs_acl_entry_read(const char *text, size_t size, const struct vs_acl_conf *conf,
		      struct vs_acl_entry *ret_entry, size_t *ret_at, struct err *err)
{
	struct vs_acl_entry e = {.proto = -1,
				 .icmp_type = -1,
				 .icmp_code = -1,
				 .tcp_established = -1};
	struct reader r = {
		.text = text, .end = text + size, .conf = conf, .e = &e, .at = ret_at, .err = err};
	int rc;

	if (size >= VS_ACL_LINE_SIZE) {
		*ret_at = VS_ACL_LINE_SIZE - 1;
		return err_set(err, -EINVAL, "bad-entry", "an entry has %d bytes at most",
			       VS_ACL_LINE_SIZE - 1);
	}
	look(&r, text);
	rc = head_read(&r);
	while (rc == 0 && r.n != 0)
		rc = clause_read(&r);
	if (rc == 0)
		rc = all_check(&r);
	if (rc != 0)
		vs_acl_entry_fini(&e);
	else
		*ret_entry = e;
	return rc;
}

int vs_acl_entry_parse(const char *text, const struct vs_acl_conf *conf,
		       struct vs_acl_entry *ret_entry, struct err *err)
{
	char what[sizeof(err->what)];
	size_t at = 0;
	int rc = vs_acl_entry_read(text, strlen(text), conf, ret_entry, &at, err);

	if (rc == 0 || err == NULL)
		return rc;
	memcpy(what, err->what, sizeof(what));
	snprintf(err->what, sizeof(err->what), "column %u: %.290s", vs_acl_column(text, at), what);
	return rc;
}
