/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fields by name and their values in the flow syntax; see text_priv.h.
 */
#include "vswitch/of/text_priv.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>

static const char *const ids[OF_N_FIELDS] = {
#define X(id, ...) [OF_F_##id] = #id,
	OF_FIELDS(X)
#undef X
};

/* Nicira's names that are not the specification's. */
static const struct {
	const char *name;
	enum of_field field;
} nxm_names[] = {
	{"NXM_OF_IN_PORT", OF_F_NXM_IN_PORT},	   {"NXM_OF_IP_SRC", OF_F_IPV4_SRC},
	{"NXM_OF_IP_DST", OF_F_IPV4_DST},	   {"NXM_OF_ICMP_TYPE", OF_F_ICMPV4_TYPE},
	{"NXM_OF_ICMP_CODE", OF_F_ICMPV4_CODE},	   {"NXM_NX_TUN_ID", OF_F_TUNNEL_ID},
	{"NXM_NX_TUN_IPV4_SRC", OF_F_TUN_SRC},	   {"NXM_NX_TUN_IPV4_DST", OF_F_TUN_DST},
	{"NXM_NX_ND_TARGET", OF_F_IPV6_ND_TARGET}, {"NXM_NX_ND_SLL", OF_F_IPV6_ND_SLL},
	{"NXM_NX_ND_TLL", OF_F_IPV6_ND_TLL},	   {"NXM_NX_IPV6_LABEL", OF_F_IPV6_FLABEL},
	{"NXM_OF_IN_PORT_OXM", OF_F_IN_PORT},	   {"NXM_NX_CT_LABEL", OF_F_CT_LABEL},
};

enum of_field of_field_find(struct of_word name)
{
	for (size_t i = 0; i < OF_N_FIELDS; i++) {
		const struct of_field_info *info = of_field_info((enum of_field)i);

		if (of_word_is(name, info->name) ||
		    (info->other_name != NULL && of_word_is(name, info->other_name)))
			return (enum of_field)i;
	}
	for (size_t i = 0; i < sizeof(nxm_names) / sizeof(nxm_names[0]); i++)
		if (of_word_is(name, nxm_names[i].name))
			return nxm_names[i].field;
	if (of_word_starts(name, "OXM_OF_PKT_REG"))
		for (unsigned i = 0; i < 8 && name.size == 15; i++)
			if (name.at[14] == (char)('0' + i))
				return (enum of_field)(OF_F_XREG0 + i);
	if (!of_word_starts(name, "OXM_OF_") && !of_word_starts(name, "NXM_OF_") &&
	    !of_word_starts(name, "NXM_NX_"))
		return OF_N_FIELDS;
	name = (struct of_word){name.at + 7, name.size - 7};
	for (size_t i = 0; i < OF_N_FIELDS; i++)
		if (of_word_is(name, ids[i]))
			return (enum of_field)i;
	return OF_N_FIELDS;
}

struct flag {
	const char *name;
	uint16_t bit;
};
static const struct flag ct_flags[] = {
	{"new", 0x01}, {"est", 0x02},  {"rel", 0x04},  {"rpl", 0x08}, {"inv", 0x10},
	{"trk", 0x20}, {"snat", 0x40}, {"dnat", 0x80}, {NULL, 0},
};
static const struct flag tcp_flags[] = {
	{"fin", 0x001}, {"syn", 0x002}, {"rst", 0x004}, {"psh", 0x008}, {"ack", 0x010},
	{"urg", 0x020}, {"ece", 0x040}, {"cwr", 0x080}, {"ns", 0x100},	{NULL, 0},
};
static const struct flag tun_flags[] = {{"oam", 0x1}, {NULL, 0}};

static const struct flag *flags_of(enum of_field field)
{
	switch (of_field_info(field)->form) {
	case OF_FORM_CT_STATE:
		return ct_flags;
	case OF_FORM_TCP_FLAGS:
		return tcp_flags;
	case OF_FORM_TUN_FLAGS:
		return tun_flags;
	default:
		return NULL;
	}
}

/* "+new-est". */
static bool parse_flags(struct of_parser *p, struct of_word word, enum of_field field,
			struct of_oxm *ret_oxm)
{
	const struct flag *flags = flags_of(field);
	uint64_t value = 0, mask = 0;
	size_t i = 0;

	while (i < word.size) {
		struct of_word name = {word.at + i + 1, 0};
		const struct flag *flag = flags;

		if (word.at[i] != '+' && word.at[i] != '-')
			return of_parse_fail(p, word.at + i, "expected '+' or '-' and a flag");
		while (i + 1 + name.size < word.size &&
		       strchr("+-", word.at[i + 1 + name.size]) == NULL)
			name.size++;
		while (flag->name != NULL && !of_word_is(name, flag->name))
			flag++;
		if (flag->name == NULL || (mask & flag->bit) != 0)
			return of_parse_fail(p, name.at, "'%.*s' is no flag of %s, or there twice",
					     (int)name.size, name.at, of_field_info(field)->name);
		mask |= flag->bit;
		value |= word.at[i] == '+' ? flag->bit : 0;
		i += 1 + name.size;
	}
	*ret_oxm = of_oxm_u64_masked(field, value, mask);
	return true;
}

/* "syn|ack": these and no others. */
static bool parse_all_flags(struct of_parser *p, struct of_word word, enum of_field field,
			    const struct flag *flags, struct of_oxm *ret_oxm)
{
	uint64_t value = 0;

	for (struct of_word name, rest = word; rest.at != NULL;) {
		const struct flag *flag = flags;

		of_word_split(rest, "|", &name, &rest);
		while (flag->name != NULL && !of_word_is(name, flag->name))
			flag++;
		if (flag->name == NULL)
			return of_parse_fail(p, name.at, "'%.*s' is no flag of %s", (int)name.size,
					     name.at, of_field_info(field)->name);
		value |= flag->bit;
	}
	*ret_oxm = of_oxm_u64(field, value);
	return true;
}

static const struct {
	const char *name;
	uint8_t value, mask;
} frags[] = {
	{"no", 0, 3}, {"yes", 1, 1}, {"first", 1, 3}, {"later", 3, 3}, {"not_later", 0, 2},
};

static bool parse_frag(struct of_parser *p, struct of_word word, struct of_oxm *ret_oxm)
{
	for (size_t i = 0; i < sizeof(frags) / sizeof(frags[0]); i++)
		if (of_word_is(word, frags[i].name)) {
			*ret_oxm = of_oxm_u64_masked(OF_F_IP_FRAG, frags[i].value, frags[i].mask);
			ret_oxm->masked = frags[i].mask != 3;
			return true;
		}
	return of_parse_fail(p, word.at, "'%.*s': must be no, yes, first, later or not_later",
			     (int)word.size, word.at);
}

/* Up to 128 bits: hexadecimal digits are put in from the end. */
static bool parse_wide(struct of_parser *p, struct of_word word, uint8_t bytes[16])
{
	uint64_t low = 0;

	memset(bytes, 0, 16);
	if (!of_word_starts(word, "0x") || word.size <= 18) {
		if (!of_parse_number(p, word, UINT64_MAX, &low))
			return false;
		for (int i = 15; i >= 8; i--, low >>= 8)
			bytes[i] = (uint8_t)low;
		return true;
	}
	if (word.size > 2 + 32)
		return of_parse_fail(p, word.at, "more than 128 bits");
	for (size_t i = 0; i < word.size - 2; i++) {
		struct of_word one = {word.at + word.size - 1 - i, 1};
		char hex[] = {'0', 'x', *one.at, '\0'};
		uint64_t d = 0;
		struct of_parser part = *p;

		if (!of_parse_number(&part, (struct of_word){hex, 3}, 15, &d))
			return of_parse_fail(p, word.at, "'%.*s' is no number", (int)word.size,
					     word.at);
		bytes[15 - i / 2] |= (uint8_t)(i % 2 ? d << 4 : d);
	}
	return true;
}

static bool parse_plain(struct of_parser *p, struct of_word word, enum of_field field,
			uint8_t bytes[OF_VALUE_MAX])
{
	const struct of_field_info *info = of_field_info(field);
	uint64_t value = 0, max = info->n_bits >= 64 ? UINT64_MAX : (1ULL << info->n_bits) - 1;
	uint32_t port = 0;

	memset(bytes, 0, OF_VALUE_MAX);
	if (info->form == OF_FORM_MAC)
		return of_parse_mac(p, word, bytes);
	if (info->form == OF_FORM_IPV4 || info->form == OF_FORM_IPV6)
		return of_parse_ip(p, word, info->form == OF_FORM_IPV6, bytes);
	if (info->size == 16)
		return parse_wide(p, word, bytes);
	if (info->form == OF_FORM_PORT) {
		if (!of_parse_port(p, word, &port))
			return false;
		value = port;
	} else if (!of_parse_number(p, word, max, &value)) {
		return false;
	}
	for (size_t i = info->size; i > 0; i--, value >>= 8)
		bytes[i - 1] = (uint8_t)value;
	return true;
}

/* A mask, or how many leading bits it has. */
static bool parse_mask(struct of_parser *p, struct of_word word, enum of_field field,
		       uint8_t mask[OF_VALUE_MAX])
{
	const struct of_field_info *info = of_field_info(field);
	bool ip = info->form == OF_FORM_IPV4 || info->form == OF_FORM_IPV6;
	uint64_t n = 0;

	if (!ip || memchr(word.at, info->form == OF_FORM_IPV4 ? '.' : ':', word.size) != NULL)
		return parse_plain(p, word, field, mask);
	if (!of_parse_number(p, word, info->n_bits, &n))
		return false;
	memset(mask, 0, OF_VALUE_MAX);
	for (unsigned i = 0; i < n; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return true;
}

bool of_parse_value(struct of_parser *p, struct of_word word, enum of_field field,
		    struct of_oxm *ret_oxm)
{
	const struct of_field_info *info = of_field_info(field);
	const struct flag *flags = flags_of(field);
	struct of_oxm oxm = {.field = (uint8_t)field};
	struct of_word value, mask;
	uint8_t ones[OF_VALUE_MAX];

	if (word.size == 0)
		return of_parse_fail(p, word.at, "%s: a value is missing", info->name);
	if (flags != NULL && (*word.at == '+' || *word.at == '-'))
		return parse_flags(p, word, field, ret_oxm);
	if (flags != NULL && (*word.at < '0' || *word.at > '9'))
		return parse_all_flags(p, word, field, flags, ret_oxm);
	if (info->form == OF_FORM_FRAG && (*word.at < '0' || *word.at > '9'))
		return parse_frag(p, word, ret_oxm);
	of_word_split(word, "/", &value, &mask);
	/* A VM's NIC is a port VM/NIC: only behind a number is a slash a mask. */
	if (info->form == OF_FORM_PORT && !isdigit((unsigned char)*word.at)) {
		value = word;
		mask = (struct of_word){0};
	}
	of_field_ones(field, ones);
	memcpy(oxm.mask, ones, sizeof(ones));
	if (!parse_plain(p, value, field, oxm.value))
		return false;
	if (mask.at != NULL && !parse_mask(p, mask, field, oxm.mask))
		return false;
	oxm.masked = memcmp(oxm.mask, ones, sizeof(ones)) != 0;
	if (oxm.masked && !info->maskable)
		return of_parse_fail(p, mask.at, "%s cannot have a mask", info->name);
	for (unsigned i = 0; i < OF_VALUE_MAX; i++)
		oxm.value[i] &= oxm.mask[i];
	*ret_oxm = oxm;
	return true;
}

static void put_flags(struct wr *wr, const struct of_oxm *oxm, const struct flag *flag)
{
	uint64_t value = of_oxm_value(oxm), mask = of_oxm_mask(oxm), known = 0;

	for (const struct flag *f = flag; f->name != NULL; f++)
		known |= f->bit;
	if (!oxm->masked || (mask & ~known) != 0) {
		of_put(wr, oxm->masked ? "0x%llx/0x%llx" : "0x%llx", (unsigned long long)value,
		       (unsigned long long)mask);
		return;
	}
	for (; flag->name != NULL; flag++)
		if ((mask & flag->bit) != 0)
			of_put(wr, "%c%s", (value & flag->bit) != 0 ? '+' : '-', flag->name);
}

static void put_wide(struct wr *wr, const uint8_t *bytes)
{
	unsigned i = 0;

	while (i < 15 && bytes[i] == 0)
		i++;
	of_put(wr, "0x%x", bytes[i]);
	while (++i < 16)
		of_put(wr, "%02x", bytes[i]);
}

static void put_plain(struct wr *wr, const struct of_field_info *info, const uint8_t *bytes,
		      bool hex, const struct of_text_ports *ports)
{
	char text[INET6_ADDRSTRLEN] = "";
	uint64_t value = 0;

	for (unsigned i = 0; i < info->size; i++)
		value = value << 8 | bytes[i];
	if (info->form == OF_FORM_MAC)
		of_put(wr, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3],
		       bytes[4], bytes[5]);
	else if (info->form == OF_FORM_IPV4 || info->form == OF_FORM_IPV6)
		of_put(wr, "%s",
		       inet_ntop(info->form == OF_FORM_IPV4 ? AF_INET : AF_INET6, bytes, text,
				 sizeof(text)));
	else if (info->size == 16)
		put_wide(wr, bytes);
	else if (info->form == OF_FORM_PORT)
		of_put_port(wr, (uint32_t)value, ports);
	else if (info->form == OF_FORM_DEC && !hex)
		of_put(wr, "%llu", (unsigned long long)value);
	else
		of_put(wr, "0x%llx", (unsigned long long)value);
}

/* How many leading ones an address mask has, or -1 when it has others. */
static int prefix_of(const uint8_t *mask, unsigned size)
{
	unsigned n = 0;

	while (n < size * 8 && (mask[n / 8] & 0x80 >> n % 8) != 0)
		n++;
	for (unsigned i = n; i < size * 8; i++)
		if ((mask[i / 8] & 0x80 >> i % 8) != 0)
			return -1;
	return (int)n;
}

void of_value_print(struct wr *wr, const struct of_oxm *oxm, const struct of_text_ports *ports)
{
	const struct of_field_info *info = of_field_info((enum of_field)oxm->field);
	bool ip = info->form == OF_FORM_IPV4 || info->form == OF_FORM_IPV6;
	int prefix = ip ? prefix_of(oxm->mask, info->size) : -1;
	const struct flag *flags = flags_of((enum of_field)oxm->field);

	if (flags != NULL) {
		put_flags(wr, oxm, flags);
		return;
	}
	for (size_t i = 0; info->form == OF_FORM_FRAG && i < sizeof(frags) / sizeof(frags[0]); i++)
		if (of_oxm_value(oxm) == frags[i].value && of_oxm_mask(oxm) == frags[i].mask) {
			of_put(wr, "%s", frags[i].name);
			return;
		}
	put_plain(wr, info, oxm->value, oxm->masked, ports);
	if (!oxm->masked)
		return;
	of_put(wr, "/");
	if (prefix >= 0)
		of_put(wr, "%d", prefix);
	else
		put_plain(wr, info, oxm->mask, true, ports);
}
