/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Words and numbers of the flow syntax; see text_priv.h.
 */
#include "vswitch/of/text_priv.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

struct of_parser of_parser_init(const char *text, size_t size, unsigned line,
				const struct of_text_ports *ports, struct of_text_error *err)
{
	return (struct of_parser){.text = text,
				  .at = text,
				  .end = text + size,
				  .line = line,
				  .ports = ports,
				  .err = err};
}

struct of_parser of_parser_in(const struct of_parser *p, struct of_word word)
{
	struct of_parser part = *p;

	part.at = word.at;
	part.end = word.at + word.size;
	return part;
}

bool of_parse_fail(struct of_parser *p, const char *at, const char *fmt, ...)
{
	va_list ap;

	if (p->rc == 0 && p->err != NULL) {
		p->err->line = p->line;
		p->err->column = (unsigned)(at - p->text) + 1;
		va_start(ap, fmt);
		vsnprintf(p->err->what, sizeof(p->err->what), fmt, ap);
		va_end(ap);
	}
	if (p->rc == 0)
		p->rc = -EINVAL;
	p->at = p->end;
	return false;
}

bool of_parse_nomem(struct of_parser *p)
{
	of_parse_fail(p, p->at, "out of memory");
	p->rc = -ENOMEM;
	return false;
}

bool of_parse_done(struct of_parser *p, const struct of_parser *part)
{
	if (part->rc != 0) {
		p->rc = part->rc;
		p->at = p->end;
	}
	return p->rc == 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_separators(struct of_parser *p)
{
	while (p->at < p->end && (is_space(*p->at) || *p->at == ','))
		p->at++;
}

/* From an opening parenthesis to the one that closes it, both left out. */
static bool scan_parentheses(struct of_parser *p, struct of_word *ret_word)
{
	const char *open = p->at++;
	int depth = 1;

	ret_word->at = p->at;
	for (; p->at < p->end; p->at++) {
		depth += *p->at == '(' ? 1 : *p->at == ')' ? -1 : 0;
		if (depth == 0) {
			ret_word->size = (size_t)(p->at++ - ret_word->at);
			return true;
		}
	}
	return of_parse_fail(p, open, "the parenthesis is not closed");
}

static bool scan_value(struct of_parser *p, struct of_word *ret_word)
{
	const char *open = p->at;
	int depth = 0;

	ret_word->at = p->at;
	for (; p->at < p->end; p->at++) {
		if (depth == 0 && (*p->at == ',' || is_space(*p->at)))
			break;
		if (*p->at == '(' && depth++ == 0)
			open = p->at;
		else if (*p->at == ')' && depth-- == 0)
			return of_parse_fail(p, p->at, "a parenthesis that was not opened");
	}
	ret_word->size = (size_t)(p->at - ret_word->at);
	return depth == 0 || of_parse_fail(p, open, "the parenthesis is not closed");
}

bool of_parse_pair(struct of_parser *p, struct of_pair *ret_pair)
{
	*ret_pair = (struct of_pair){0};
	skip_separators(p);
	if (p->rc != 0 || p->at == p->end)
		return false;
	ret_pair->key.at = p->at;
	while (p->at < p->end && !is_space(*p->at) && strchr(",=:(", *p->at) == NULL) {
		if (*p->at == ')' || *p->at == '\0')
			return of_parse_fail(p, p->at, "not expected here: '%c'", *p->at);
		p->at++;
	}
	ret_pair->key.size = (size_t)(p->at - ret_pair->key.at);
	ret_pair->value.at = p->at;
	if (ret_pair->key.size == 0)
		return of_parse_fail(p, p->at, "a name is missing before '%c'", *p->at);
	if (p->at == p->end || is_space(*p->at) || *p->at == ',')
		return true;
	ret_pair->sep = *p->at;
	if (ret_pair->sep == '(')
		return scan_parentheses(p, &ret_pair->value);
	p->at++;
	return scan_value(p, &ret_pair->value);
}

bool of_word_starts(struct of_word word, const char *text)
{
	return word.size >= strlen(text) && strncasecmp(word.at, text, strlen(text)) == 0;
}

void of_word_split(struct of_word word, const char *sep, struct of_word *ret_before,
		   struct of_word *ret_after)
{
	const char *at = word.size == 0 ? NULL : memmem(word.at, word.size, sep, strlen(sep));

	*ret_before = word;
	*ret_after = (struct of_word){0};
	if (at == NULL)
		return;
	ret_before->size = (size_t)(at - word.at);
	ret_after->at = at + strlen(sep);
	ret_after->size = word.size - ret_before->size - strlen(sep);
}

static int digit(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
					    : 99;
}

bool of_parse_number(struct of_parser *p, struct of_word word, uint64_t max, uint64_t *ret_value)
{
	unsigned base = of_word_starts(word, "0x") ? 16 : 10;
	uint64_t value = 0;
	size_t i = base == 16 ? 2 : 0;

	if (word.size == i)
		return of_parse_fail(p, word.at, "a number is missing");
	for (; i < word.size; i++) {
		unsigned d = (unsigned)digit(word.at[i]);

		if (d >= base)
			return of_parse_fail(p, word.at, "'%.*s' is no number", (int)word.size,
					     word.at);
		if (value > (max - d) / base || d > max)
			return of_parse_fail(p, word.at, "'%.*s' is more than %llu", (int)word.size,
					     word.at, (unsigned long long)max);
		value = value * base + d;
	}
	*ret_value = value;
	return true;
}

static const struct {
	const char *name;
	uint32_t port;
} reserved[] = {
	{"IN_PORT", OFPP_IN_PORT}, {"TABLE", OFPP_TABLE}, {"NORMAL", OFPP_NORMAL},
	{"FLOOD", OFPP_FLOOD},	   {"ALL", OFPP_ALL},	  {"CONTROLLER", OFPP_CONTROLLER},
	{"LOCAL", OFPP_LOCAL},	   {"ANY", OFPP_ANY},	  {"NONE", OFPP_ANY},
	{"UNSET", OFPP_UNSET},
};

const char *of_reserved_port_name(uint32_t port)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (reserved[i].port == port)
			return reserved[i].name;
	return NULL;
}

bool of_parse_port(struct of_parser *p, struct of_word word, uint32_t *ret_port)
{
	uint64_t value;

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (of_word_is(word, reserved[i].name)) {
			*ret_port = reserved[i].port;
			return true;
		}
	if (word.size > 1 && (*word.at == '"' || *word.at == '\'') &&
	    word.at[word.size - 1] == *word.at)
		word = (struct of_word){word.at + 1, word.size - 2};
	else if (word.size > 0 && isdigit((unsigned char)*word.at)) {
		if (!of_parse_number(p, word, UINT32_MAX, &value))
			return false;
		*ret_port = (uint32_t)value;
		return true;
	}
	if (word.size > 0 && p->ports != NULL && p->ports->number != NULL &&
	    p->ports->number(p->ports->arg, word.at, word.size, ret_port))
		return true;
	return of_parse_fail(p, word.at, "there is no port '%.*s'", (int)word.size, word.at);
}

bool of_parse_mac(struct of_parser *p, struct of_word word, uint8_t mac[6])
{
	const char *at = word.at, *end = word.at + word.size;

	for (int i = 0; i < 6; i++) {
		unsigned value = 0;
		int n = 0;

		for (; at < end && n < 2 && digit(*at) < 16; at++, n++)
			value = value * 16 + (unsigned)digit(*at);
		if (n == 0 || (i < 5 ? at == end || *at++ != ':' : at != end))
			return of_parse_fail(p, word.at, "'%.*s' is no Ethernet address",
					     (int)word.size, word.at);
		mac[i] = (uint8_t)value;
	}
	return true;
}

bool of_parse_ip(struct of_parser *p, struct of_word word, bool ipv6, uint8_t *ret_ip)
{
	char text[INET6_ADDRSTRLEN + 1];

	if (word.size < sizeof(text)) {
		memcpy(text, word.at, word.size);
		text[word.size] = '\0';
		if (strlen(text) == word.size &&
		    inet_pton(ipv6 ? AF_INET6 : AF_INET, text, ret_ip) == 1)
			return true;
	}
	return of_parse_fail(p, word.at, "'%.*s' is no IPv%d address", (int)word.size, word.at,
			     ipv6 ? 6 : 4);
}

void of_put(struct wr *wr, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	int size;

	va_start(ap, fmt);
	size = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (size < 0 || (size_t)size >= sizeof(text))
		wr->bad = true;
	else
		wr_bytes(wr, text, (size_t)size);
}

/* A name that reads as itself needs no quotes. */
static bool is_plain(const char *name)
{
	if (*name == '\0' || isdigit((unsigned char)*name))
		return false;
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strcasecmp(name, reserved[i].name) == 0)
			return false;
	for (; *name != '\0'; name++)
		if (!isalnum((unsigned char)*name) && strchr("_-./", *name) == NULL)
			return false;
	return true;
}

void of_put_port(struct wr *wr, uint32_t port, const struct of_text_ports *ports)
{
	const char *name = of_reserved_port_name(port);

	if (name != NULL) {
		of_put(wr, "%s", name);
		return;
	}
	name = ports != NULL && ports->name != NULL ? ports->name(ports->arg, port) : NULL;
	if (name != NULL && is_plain(name))
		of_put(wr, "%s", name);
	else
		of_put(wr, "%u", port);
}
