/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See target.h.
 */
#include "vswitch/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct scheme {
	const char *name;
	bool tls, local, listens;
} schemes[] = {
	{"tcp", false, false, false}, {"tls", true, false, false},  {"ssl", true, false, false},
	{"unix", false, true, false}, {"ptcp", false, false, true}, {"ptls", true, false, true},
	{"pssl", true, false, true},  {"punix", false, true, true},
};

static int refuse(const char *text, const char *why, const char *fix, struct err *err)
{
	err_set(err, -EINVAL, "bad-target", "'%.100s' is no place of a controller", text);
	err_why(err, "%s", why);
	err_fix(err, "%s", fix);
	return -EINVAL;
}

static const struct scheme *scheme_of(const char *text)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i].name);

		if (strncmp(text, schemes[i].name, n) == 0 && text[n] == ':')
			return &schemes[i];
	}
	return NULL;
}

static bool port_parse(const char *text, uint16_t *ret_port)
{
	size_t n = strspn(text, "0123456789");
	unsigned long port = n != 0 && n < 6 && text[n] == '\0' ? strtoul(text, NULL, 10) : 0;

	if (port == 0 || port > 65535)
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

/* "10.0.0.1", "[fd00::1]"; a listener may leave the brackets out. */
static bool host_parse(const char *text, bool bare6, uint16_t port, struct vs_target *t)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&t->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&t->address;
	size_t n = strlen(text);
	bool bracketed = n > 2 && text[0] == '[' && text[n - 1] == ']';
	char host[INET6_ADDRSTRLEN];

	if (n - (bracketed ? 2 : 0) >= sizeof(host))
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)(bracketed ? n - 2 : n), text + bracketed);
	if (!bracketed && inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		t->address_size = sizeof(*v4);
		return true;
	}
	if ((bracketed || bare6) && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		t->address_size = sizeof(*v6);
		return true;
	}
	return false;
}

/* HOST[:PORT] */
static int there_parse(const char *rest, struct vs_target *t, struct err *err)
{
	static const char fix[] = "write tcp:10.0.0.1:6653, or tls:[fd00::1]:6653";
	const char *end = rest[0] == '[' ? strchr(rest, ']') : rest;
	const char *colon = end != NULL ? strchr(end, ':') : NULL;
	uint16_t port = VS_TARGET_PORT;
	char host[64];

	if (colon != NULL && !port_parse(colon + 1, &port))
		return refuse(t->text, "after the host comes a port, 1 to 65535", fix, err);
	if (colon == NULL)
		colon = rest + strlen(rest);
	if ((size_t)(colon - rest) >= sizeof(host))
		return refuse(t->text, "its host is no address", fix, err);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - rest), rest);
	if (!host_parse(host, false, port, t))
		return refuse(t->text,
			      "its host is no address; names are not asked for, since the answer "
			      "may have to pass this very switch",
			      fix, err);
	return 0;
}

/* PORT[:ADDRESS] */
static int here_parse(const char *rest, struct vs_target *t, struct err *err)
{
	static const char fix[] = "write ptcp:6653, or ptls:6653:10.0.0.2";
	const char *colon = strchr(rest, ':');
	char number[8] = "";
	uint16_t port;

	snprintf(number, sizeof(number), "%.*s", colon != NULL ? (int)(colon - rest) : 7, rest);
	if (!port_parse(number, &port))
		return refuse(t->text, "a listener begins with its port, 1 to 65535", fix, err);
	if (!host_parse(colon != NULL ? colon + 1 : "127.0.0.1", true, port, t))
		return refuse(t->text, "what follows the port is no address", fix, err);
	return 0;
}

static int path_parse(const char *rest, struct vs_target *t, struct err *err)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&t->address;
	size_t n = strlen(rest);

	if (rest[0] != '/' || n >= sizeof(un->sun_path))
		return refuse(t->text, "a unix socket is an absolute path of at most 107 bytes",
			      "write unix:/run/controller.sock", err);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, rest, n + 1);
	t->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	return 0;
}

int vs_target_parse(const char *text, struct vs_target *ret_target, struct err *err)
{
	const struct scheme *scheme = scheme_of(text);
	struct vs_target t = {0};
	const char *rest;
	int rc;

	if (scheme == NULL || strlen(text) >= sizeof(t.text))
		return refuse(text, "it begins with none of tcp, tls, unix, ptcp, ptls, punix",
			      "write tcp:10.0.0.1:6653, or ptcp:6653 to listen", err);
	memcpy(t.text, text, strlen(text) + 1);
	t.tls = scheme->tls;
	t.local = scheme->local;
	t.listens = scheme->listens;
	rest = text + strlen(scheme->name) + 1;
	if (t.local)
		rc = path_parse(rest, &t, err);
	else
		rc = t.listens ? here_parse(rest, &t, err) : there_parse(rest, &t, err);
	if (rc == 0)
		*ret_target = t;
	return rc;
}

bool vs_target_is_loopback(const struct vs_target *t)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&t->address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&t->address;

	if (t->address.ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return t->local || IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

void vs_address_format(const struct sockaddr *address, char *text, size_t size)
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->sa_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(text, size, "%s:%u", host, ntohs(v4->sin_port));
	} else if (address->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(text, size, "[%s]:%u", host, ntohs(v6->sin6_port));
	} else {
		snprintf(text, size, "%s", "unix");
	}
}
