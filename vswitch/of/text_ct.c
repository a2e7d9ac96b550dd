/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Connection tracking in the flow syntax; see text_priv.h.
 *
 * 	ct(commit,force,table=1,zone=5,alg=ftp,nat(src=10.0.0.1-10.0.0.9:1024-2047,random),
 * 	   exec(set_field:1->ct_mark))
 */
#include "vswitch/of/text_priv.h"

#include <arpa/inet.h>
#include <ctype.h>

static const struct {
	const char *name;
	uint16_t port;
} algs[] = {{"ftp", OF_CT_ALG_FTP}, {"tftp", OF_CT_ALG_TFTP}};

static bool parse_alg(struct of_parser *p, struct of_word word, struct of_ct *ct)
{
	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++)
		if (of_word_is(word, algs[i].name)) {
			ct->alg = algs[i].port;
			return true;
		}
	return of_parse_fail(p, word.at, "must be ftp or tftp");
}

static bool parse_zone(struct of_parser *p, struct of_word word, struct of_ct *ct)
{
	uint64_t zone = 0;

	if (word.size > 0 && !isdigit((unsigned char)*word.at)) {
		if (!of_parse_subfield(p, word, &ct->zone_from))
			return false;
		return ct->zone_from.n_bits == 16 ||
		       of_parse_fail(p, word.at, "a zone is 16 bits, not %u", ct->zone_from.n_bits);
	}
	if (!of_parse_number(p, word, UINT16_MAX, &zone))
		return false;
	ct->zone = (uint16_t)zone;
	return true;
}

/* "80" or "80-90". */
static bool parse_ports(struct of_parser *p, struct of_word word, struct of_nat *nat)
{
	struct of_word first, last;
	uint64_t from = 0, to = 0;

	of_word_split(word, "-", &first, &last);
	if (!of_parse_number(p, first, UINT16_MAX, &from))
		return false;
	nat->range |= OF_NAT_PROTO_MIN;
	nat->proto_min = (uint16_t)from;
	if (last.at == NULL)
		return true;
	if (!of_parse_number(p, last, UINT16_MAX, &to))
		return false;
	if (from > to)
		return of_parse_fail(p, word.at, "the first port is after the last");
	nat->range |= OF_NAT_PROTO_MAX;
	nat->proto_max = (uint16_t)to;
	return true;
}

static struct of_word without_brackets(struct of_word word)
{
	if (word.size >= 2 && word.at[0] == '[' && word.at[word.size - 1] == ']')
		return (struct of_word){word.at + 1, word.size - 2};
	return word;
}

static bool parse_addresses(struct of_parser *p, struct of_word word, struct of_nat *nat)
{
	bool ipv6 = memchr(word.at, ':', word.size) != NULL;
	struct of_word first, last;

	of_word_split(word, "-", &first, &last);
	if (!of_parse_ip(p, without_brackets(first), ipv6, nat->ip_min))
		return false;
	nat->range |= ipv6 ? OF_NAT_IPV6_MIN : OF_NAT_IPV4_MIN;
	if (last.at == NULL)
		return true;
	if (!of_parse_ip(p, without_brackets(last), ipv6, nat->ip_max))
		return false;
	nat->range |= ipv6 ? OF_NAT_IPV6_MAX : OF_NAT_IPV4_MAX;
	return memcmp(nat->ip_min, nat->ip_max, 16) <= 0 ||
	       of_parse_fail(p, word.at, "the first address is after the last");
}

/* Where the ports begin: after the last ']:' or, for IPv4, the only ':'. */
static bool parse_range(struct of_parser *p, struct of_word word, struct of_nat *nat)
{
	struct of_word addresses = word, ports = {0};
	const char *colon = memrchr(word.at, ':', word.size);

	if (colon != NULL &&
	    (memchr(word.at, ':', word.size) == colon || (colon > word.at && colon[-1] == ']'))) {
		addresses.size = (size_t)(colon - word.at);
		ports = (struct of_word){colon + 1, word.size - addresses.size - 1};
	}
	if (addresses.size > 0 && !parse_addresses(p, addresses, nat))
		return false;
	return ports.at == NULL || parse_ports(p, ports, nat);
}

static const struct {
	const char *name;
	uint16_t flag;
} nat_flags[] = {
	{"src", OF_NAT_SRC},   {"dst", OF_NAT_DST},	  {"persistent", OF_NAT_PERSISTENT},
	{"hash", OF_NAT_HASH}, {"random", OF_NAT_RANDOM},
};

static bool parse_nat_arg(struct of_parser *p, const struct of_pair *arg, struct of_nat *nat)
{
	size_t i = 0;

	while (i < sizeof(nat_flags) / sizeof(nat_flags[0]) &&
	       !of_word_is(arg->key, nat_flags[i].name))
		i++;
	if (i == sizeof(nat_flags) / sizeof(nat_flags[0]))
		return of_parse_fail(p, arg->key.at,
				     "must be src, dst, persistent, hash or random");
	if ((nat->flags & nat_flags[i].flag) != 0)
		return of_parse_fail(p, arg->key.at, "%s is there twice", nat_flags[i].name);
	nat->flags |= nat_flags[i].flag;
	if (arg->sep == 0)
		return true;
	if ((nat_flags[i].flag & (OF_NAT_SRC | OF_NAT_DST)) == 0)
		return of_parse_fail(p, arg->value.at, "%s takes no value", nat_flags[i].name);
	return parse_range(p, arg->value, nat);
}

static bool parse_nat(struct of_parser *p, const struct of_pair *pair, struct of_actions *actions)
{
	struct of_action action = {.type = OF_ACT_NX_NAT};
	struct of_parser args = of_parser_in(p, pair->value);
	const uint16_t sides = OF_NAT_SRC | OF_NAT_DST, ports = OF_NAT_HASH | OF_NAT_RANDOM;
	struct of_nat *nat = &action.nat;
	struct of_pair arg;

	while (pair->sep != 0 && of_parse_pair(&args, &arg))
		parse_nat_arg(&args, &arg, nat);
	if (!of_parse_done(p, &args))
		return false;
	if ((nat->flags & sides) == sides || (nat->flags & ports) == ports ||
	    ((nat->flags & sides) == 0 && nat->flags != 0))
		return of_parse_fail(p, pair->key.at, "one of src and dst, one of hash and random");
	return of_actions_add(actions, &action) || of_parse_nomem(p);
}

/* What may be in exec(). */
static bool exec_ok(const struct of_action *action)
{
	switch (action->type) {
	case OF_ACT_SET_FIELD:
	case OF_ACT_NX_REG_LOAD2:
		return of_field_info((enum of_field)action->set.field)->write == OF_WRITE_CT;
	case OF_ACT_NX_REG_LOAD:
		return of_field_info((enum of_field)action->load.to.field)->write == OF_WRITE_CT;
	case OF_ACT_NX_REG_MOVE:
		return of_field_info((enum of_field)action->move.to.field)->write == OF_WRITE_CT;
	default:
		return false;
	}
}

static bool parse_exec(struct of_parser *p, const struct of_pair *pair, struct of_actions *actions)
{
	struct of_parser list = of_parser_in(p, pair->value);
	size_t from = actions->n;

	of_parse_actions(&list, actions);
	for (size_t i = from; i < actions->n; i++)
		if (!exec_ok(&actions->v[i]))
			return of_parse_fail(p, pair->value.at,
					     "exec() sets ct_mark and ct_label only");
	return of_parse_done(p, &list);
}

static bool parse_ct_arg(struct of_parser *p, const struct of_pair *arg, struct of_ct *ct)
{
	uint64_t table = 0;

	if (arg->sep != 0 && (of_word_is(arg->key, "commit") || of_word_is(arg->key, "force")))
		return of_parse_fail(p, arg->value.at, "takes no value");
	if (of_word_is(arg->key, "commit"))
		ct->flags |= OF_CT_COMMIT;
	else if (of_word_is(arg->key, "force"))
		ct->flags |= OF_CT_FORCE;
	else if (of_word_is(arg->key, "zone"))
		return parse_zone(p, arg->value, ct);
	else if (of_word_is(arg->key, "alg"))
		return parse_alg(p, arg->value, ct);
	else if (of_word_is(arg->key, "nat"))
		return parse_nat(p, arg, &ct->exec);
	else if (of_word_is(arg->key, "exec"))
		return parse_exec(p, arg, &ct->exec);
	else if (!of_word_is(arg->key, "table"))
		return of_parse_fail(p, arg->key.at, "unknown argument '%.*s' of ct",
				     (int)arg->key.size, arg->key.at);
	else if (!of_parse_number(p, arg->value, OF_TABLE_MAX, &table))
		return false;
	else
		ct->table = (uint8_t)table;
	return true;
}

bool of_parse_ct(struct of_parser *p, const struct of_pair *pair, struct of_actions *actions)
{
	struct of_action action = {.type = OF_ACT_NX_CT, .ct = {.table = OF_NX_TABLE_ANY}};
	struct of_parser args = of_parser_in(p, pair->value);
	struct of_pair arg;

	if (p->in_ct)
		return of_parse_fail(p, pair->key.at, "ct() does not nest");
	args.in_ct = true;
	if (of_word_is(pair->key, "nat"))
		return of_parse_fail(p, pair->key.at, "nat is an argument of ct()");
	while (pair->sep == '(' && of_parse_pair(&args, &arg))
		parse_ct_arg(&args, &arg, &action.ct);
	if (of_parse_done(p, &args) && action.ct.flags == OF_CT_FORCE)
		of_parse_fail(p, pair->key.at, "force needs commit");
	if (p->rc != 0) {
		of_actions_fini(&action.ct.exec);
		return false;
	}
	return of_actions_add(actions, &action) || of_parse_nomem(p);
}

static void put_address(struct wr *wr, const struct of_nat *nat, const uint8_t *ip)
{
	bool ipv6 = (nat->range & OF_NAT_IPV6_MIN) != 0;
	bool brackets = ipv6 && (nat->range & OF_NAT_PROTO_MIN) != 0;
	char text[INET6_ADDRSTRLEN] = "";

	of_put(wr, brackets ? "[%s]" : "%s",
	       inet_ntop(ipv6 ? AF_INET6 : AF_INET, ip, text, sizeof(text)));
}

void of_nat_print(struct wr *wr, const struct of_nat *nat)
{
	bool first = true;

	of_put(wr, nat->flags != 0 ? "nat(" : "nat");
	for (size_t i = 0; i < sizeof(nat_flags) / sizeof(nat_flags[0]); i++) {
		if ((nat->flags & nat_flags[i].flag) == 0)
			continue;
		of_put(wr, "%s%s", first ? "" : ",", nat_flags[i].name);
		first = false;
		if ((nat_flags[i].flag & (OF_NAT_SRC | OF_NAT_DST)) == 0 || nat->range == 0)
			continue;
		of_put(wr, "=");
		if (nat->range & (OF_NAT_IPV4_MIN | OF_NAT_IPV6_MIN))
			put_address(wr, nat, nat->ip_min);
		if (nat->range & (OF_NAT_IPV4_MAX | OF_NAT_IPV6_MAX)) {
			of_put(wr, "-");
			put_address(wr, nat, nat->ip_max);
		}
		if (nat->range & OF_NAT_PROTO_MIN)
			of_put(wr, ":%u", nat->proto_min);
		if (nat->range & OF_NAT_PROTO_MAX)
			of_put(wr, "-%u", nat->proto_max);
	}
	if (nat->flags != 0)
		of_put(wr, ")");
}

static void put_ct_exec(struct wr *wr, const struct of_ct *ct, const struct of_text_ports *ports)
{
	struct of_actions one = {.n = 1};
	bool open = false;

	for (size_t i = 0; i < ct->exec.n; i++) {
		bool nat = ct->exec.v[i].type == OF_ACT_NX_NAT;

		if (open && nat)
			of_put(wr, ")");
		of_put(wr, nat || !open ? "," : "");
		of_put(wr, nat ? "" : open ? "," : "exec(");
		open = !nat;
		one.v = &ct->exec.v[i];
		of_text_actions_print(wr, &one, ports);
	}
	of_put(wr, open ? ")" : "");
}

void of_ct_print(struct wr *wr, const struct of_ct *ct, const struct of_text_ports *ports)
{
	size_t at;

	of_put(wr, "ct(");
	at = wr->size;
	if (ct->flags & OF_CT_COMMIT)
		of_put(wr, ",commit");
	if (ct->flags & OF_CT_FORCE)
		of_put(wr, ",force");
	if (ct->table != OF_NX_TABLE_ANY)
		of_put(wr, ",table=%u", ct->table);
	if (ct->zone_from.n_bits > 0) {
		of_put(wr, ",zone=");
		of_subfield_print(wr, &ct->zone_from);
	} else if (ct->zone != 0) {
		of_put(wr, ",zone=%u", ct->zone);
	}
	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++)
		if (ct->alg == algs[i].port)
			of_put(wr, ",alg=%s", algs[i].name);
	put_ct_exec(wr, ct, ports);
	if (wr_ok(wr) && wr->size > at) { /* without the first comma */
		memmove(wr->bytes + at, wr->bytes + at + 1, wr->size - at - 1);
		wr_cut(wr, wr->size - 1);
	}
	of_put(wr, ")");
}
