/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See alg.h.
 */
#include "dataplane/alg.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What is left of a line, without its end; and where the words about an address stood. */
struct text {
	const char *at, *end;
	const char *from, *to;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool take(struct text *t, char c)
{
	if (t->at == t->end || *t->at != c)
		return false;
	t->at++;
	return true;
}

/* A number without sign, 'most' at most. */
static bool number(struct text *t, unsigned most, unsigned *ret)
{
	unsigned n = 0;

	if (t->at == t->end || !is_digit(*t->at))
		return false;
	for (; t->at != t->end && is_digit(*t->at); t->at++) {
		n = n * 10 + (unsigned)(*t->at - '0');
		if (n > most)
			return false;
	}
	*ret = n;
	return true;
}

static bool begins(struct text *t, const char *word)
{
	size_t size = strlen(word);

	if ((size_t)(t->end - t->at) < size || strncasecmp(t->at, word, size) != 0)
		return false;
	t->at += size;
	return true;
}

/* h1,h2,h3,h4,p1,p2 */
static bool six(struct text *t, struct dp_alg_said *s)
{
	unsigned n[6];

	t->from = t->at;
	for (unsigned i = 0; i < 6; i++)
		if ((i != 0 && !take(t, ',')) || !number(t, 255, &n[i]))
			return false;
	for (unsigned i = 0; i < 4; i++)
		s->ip[i] = (uint8_t)n[i];
	t->to = t->at;
	s->has_address = true;
	s->port = (uint16_t)(n[4] << 8 | n[5]);
	return true;
}

/* An address up to the next 'mark'. */
static bool address(struct text *t, char mark, struct dp_alg_said *s)
{
	size_t size = (size_t)(t->end - t->at);
	const char *end = memchr(t->at, mark, size);
	char text[INET6_ADDRSTRLEN];

	if (end == NULL || (size_t)(end - t->at) >= sizeof(text))
		return false;
	size = (size_t)(end - t->at);
	memcpy(text, t->at, size);
	text[size] = '\0';
	t->at = end;
	s->has_address = true;
	return inet_pton(s->v6 ? AF_INET6 : AF_INET, text, s->ip) == 1;
}

/* |1|address|port|, with any visible mark in place of '|'; of a server '|||port|'. */
static bool extended(struct text *t, bool server, struct dp_alg_said *s)
{
	unsigned family = 0, port;
	char mark;

	if (t->at == t->end || *t->at < 33 || *t->at > 126)
		return false;
	mark = *t->at++;
	if (!server) {
		if (!number(t, 2, &family) || family == 0)
			return false;
		s->v6 = family == 2;
	}
	if (!take(t, mark))
		return false;
	t->from = t->at;
	if ((!server && !address(t, mark, s)) || !take(t, mark) || !number(t, UINT16_MAX, &port))
		return false;
	t->to = t->at;
	if (!take(t, mark))
		return false;
	s->mark = mark;
	s->port = (uint16_t)port;
	return true;
}

/* The words before are anybody's, with or without a parenthesis. */
static bool passive(struct text *t, struct dp_alg_said *s)
{
	const char *open = memchr(t->at, '(', (size_t)(t->end - t->at));

	if (open != NULL)
		t->at = open + 1;
	while (t->at != t->end && !is_digit(*t->at))
		t->at++;
	return six(t, s);
}

static bool extended_passive(struct text *t, struct dp_alg_said *s)
{
	const char *open = memchr(t->at, '(', (size_t)(t->end - t->at));

	if (open == NULL)
		return false;
	t->at = open + 1;
	return extended(t, true, s) && take(t, ')');
}

static bool from_server(struct text *t, struct dp_alg_said *s)
{
	if (begins(t, "227 "))
		return passive(t, s);
	return begins(t, "229 ") && extended_passive(t, s);
}

static bool from_client(struct text *t, struct dp_alg_said *s)
{
	if (begins(t, "PORT "))
		return six(t, s) && t->at == t->end;
	return begins(t, "EPRT ") && extended(t, false, s) && t->at == t->end;
}

bool dp_alg_ftp(const char *text, size_t size, bool server, struct dp_alg_said *ret)
{
	const char *end = memchr(text, '\n', size);
	struct dp_alg_said s = {0};
	struct text t = {text, end, text, text};

	if (end == NULL)
		return false;
	if (t.end != t.at && t.end[-1] == '\r')
		t.end--;
	if (!(server ? from_server(&t, &s) : from_client(&t, &s)) || s.port == 0)
		return false;
	/* A line may be as long as a segment. */
	if (t.to - text > UINT16_MAX)
		return false;
	s.at = (uint16_t)(t.from - text);
	s.size = (uint16_t)(t.to - t.from);
	*ret = s;
	return true;
}

size_t dp_alg_ftp_words(const struct dp_alg_said *said, char ret[DP_ALG_WORDS])
{
	char ip[INET6_ADDRSTRLEN];

	if (said->mark == 0)
		return (size_t)snprintf(ret, DP_ALG_WORDS, "%u,%u,%u,%u,%u,%u", said->ip[0],
					said->ip[1], said->ip[2], said->ip[3], said->port >> 8,
					said->port & 0xff);
	inet_ntop(said->v6 ? AF_INET6 : AF_INET, said->ip, ip, sizeof(ip));
	return (size_t)snprintf(ret, DP_ALG_WORDS, "%s%c%u", ip, said->mark, said->port);
}

bool dp_alg_tftp(const uint8_t *payload, size_t size)
{
	/* To read or to write; a name and a mode, each with its end. */
	return size >= 6 && payload[0] == 0 && (payload[1] == 1 || payload[1] == 2);
}
