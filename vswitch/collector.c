/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See collector.h.
 */
#include "vswitch/collector.h"

#include "ctl/base/clock.h"
#include "vswitch/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#define RETRY_NS      1000000000ull
#define RETRY_MOST_NS 30000000000ull
#define CONNECT_NS    10000000000ull
#define WELL_NS	      60000000000ull
#define SILENT_MS     30000 /* unacknowledged for so long: it vanished */
#define SEND_BUFFER   (4 << 20)

struct vs_collector {
	struct event_base *base;
	struct vs_collector_address to;
	void (*opened)(void *ctx, struct vs_collector *c);
	void *ctx;
	struct vs_collector_info info;
	int fd;			 /* UDP; -1: none */
	struct bufferevent *bev; /* TCP */
	uint64_t retry_ns, pause_ns;
	char error[160];
};

/* ---- What people write ---- */

static int refuse(const char *text, const char *why, const char *fix, struct err *err)
{
	err_set(err, -EINVAL, "bad-collector", "'%.100s' is no place of a collector", text);
	err_why(err, "%s", why);
	err_fix(err, "%s", fix);
	return -EINVAL;
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

static bool address_parse(const char *host, bool bracketed, uint16_t port,
			  struct vs_collector_address *to)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&to->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&to->address;

	if (!bracketed && inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		to->address_size = sizeof(*v4);
		return true;
	}
	if (bracketed && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		to->address_size = sizeof(*v6);
		return true;
	}
	return false;
}

static bool is_nobody(const struct vs_collector_address *to)
{
	const struct sockaddr_in *v4 = (const void *)&to->address;
	const struct sockaddr_in6 *v6 = (const void *)&to->address;

	if (to->address.ss_family == AF_INET)
		return v4->sin_addr.s_addr == 0 || ntohl(v4->sin_addr.s_addr) == 0xffffffff;
	return IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

/* HOST[:PORT], [HOST6][:PORT] */
static int host_parse(const char *text, const char *rest, uint16_t port, const char *fix,
		      struct vs_collector_address *to, struct err *err)
{
	bool bracketed = rest[0] == '[';
	const char *end = bracketed ? strchr(rest, ']') : strchr(rest, ':');
	const char *after = end == NULL ? rest + strlen(rest) : bracketed ? end + 1 : end;
	const char *begin = rest + bracketed;
	size_t n = (size_t)((bracketed && end != NULL ? end : after) - begin);
	char host[INET6_ADDRSTRLEN];

	if (n >= sizeof(host) || (bracketed && end == NULL))
		return refuse(text, "its host is no address", fix, err);
	snprintf(host, sizeof(host), "%.*s", (int)n, begin);
	if (!bracketed && after[0] == ':' && strchr(after + 1, ':') != NULL)
		return refuse(text, "an IPv6 address stands in brackets", fix, err);
	if (after[0] != '\0' && (after[0] != ':' || !port_parse(after + 1, &port)))
		return refuse(text, "after the host comes a port, 1 to 65535", fix, err);
	if (!address_parse(host, bracketed, port, to))
		return refuse(text,
			      "its host is no address; names are not asked for, since the answer "
			      "may have to pass this very switch",
			      fix, err);
	if (is_nobody(to))
		return refuse(text, "nobody has this address", fix, err);
	return 0;
}

int vs_collector_parse(const char *text, uint16_t port, bool udp_only,
		       struct vs_collector_address *ret, struct err *err)
{
	struct vs_collector_address to = {0};
	bool udp = strncmp(text, "udp:", 4) == 0;
	char fix[80], host[64];
	int rc;

	snprintf(fix, sizeof(fix), "write udp:10.0.0.9:%u%s", port,
		 udp_only ? "" : ", or tcp:[fd00::9]:4739");
	to.tcp = strncmp(text, "tcp:", 4) == 0;
	if (!udp && !to.tcp)
		return refuse(text, "it begins with neither udp: nor tcp:", fix, err);
	if (to.tcp && udp_only)
		return refuse(text, "sFlow is sent by UDP only", fix, err);
	rc = host_parse(text, text + 4, port, fix, &to, err);
	if (rc != 0)
		return rc;
	vs_address_format((const struct sockaddr *)&to.address, host, sizeof(host));
	snprintf(to.text, sizeof(to.text), "%s:%s", to.tcp ? "tcp" : "udp", host);
	*ret = to;
	return 0;
}

/* ---- Sessions ---- */

static void be(struct vs_collector *c, enum vs_collector_state state)
{
	c->info.state = state;
	c->info.since_ns = clock_mono_ns();
}

static void failed(struct vs_collector *c, const char *error)
{
	snprintf(c->error, sizeof(c->error), "%s", error);
	c->info.error_ns = clock_mono_ns();
}

static void wait(struct vs_collector *c)
{
	be(c, VS_COLLECTOR_WAITING);
	c->retry_ns = clock_mono_ns() + c->pause_ns;
	c->pause_ns = c->pause_ns * 2 < RETRY_MOST_NS ? c->pause_ns * 2 : RETRY_MOST_NS;
}

static void open_session(struct vs_collector *c)
{
	be(c, VS_COLLECTOR_OPEN);
	c->info.sessions++;
	c->opened(c->ctx, c);
}

static void lose(struct vs_collector *c, size_t bytes)
{
	uint64_t usual = c->info.messages != 0 ? c->info.bytes / c->info.messages : 0;

	if (bytes == 0)
		return;
	c->info.lost_bytes += bytes;
	c->info.lost_messages += usual != 0 ? (bytes + usual - 1) / usual : 1;
}

static void end_tcp(struct vs_collector *c, const char *error)
{
	lose(c, evbuffer_get_length(bufferevent_get_output(c->bev)));
	bufferevent_free(c->bev);
	c->bev = NULL;
	failed(c, error);
	wait(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct vs_collector *c = arg;
	int code = EVUTIL_SOCKET_ERROR();
	const unsigned silent = SILENT_MS;

	if ((what & BEV_EVENT_CONNECTED) != 0) {
		(void)setsockopt(bufferevent_getfd(bev), IPPROTO_TCP, TCP_USER_TIMEOUT, &silent,
				 sizeof(silent));
		open_session(c);
		return;
	}
	end_tcp(c, code != 0 ? evutil_socket_error_to_string(code)
			     : "the collector closed the connection");
}

/* A collector says nothing; what it says is not kept. */
static void on_read(struct bufferevent *bev, void *arg)
{
	struct vs_collector *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);

	evbuffer_drain(in, evbuffer_get_length(in));
	c->pause_ns = RETRY_NS;
}

/* What was sent found its way: the next failure begins with a short pause. */
static void on_written(struct bufferevent *bev, void *arg)
{
	((struct vs_collector *)arg)->pause_ns = RETRY_NS;
}

static void try_tcp(struct vs_collector *c)
{
	c->bev = bufferevent_socket_new(c->base, -1,
					BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (c->bev == NULL) {
		failed(c, "no memory for the connection");
		wait(c);
		return;
	}
	be(c, VS_COLLECTOR_CONNECTING);
	bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
	if (bufferevent_socket_connect(c->bev, (const struct sockaddr *)&c->to.address,
				       (int)c->to.address_size) != 0) {
		end_tcp(c, strerror(errno));
		return;
	}
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

static void try_udp(struct vs_collector *c)
{
	const int size = SEND_BUFFER;

	c->fd = socket(c->to.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0 ||
	    connect(c->fd, (const struct sockaddr *)&c->to.address, c->to.address_size) != 0) {
		failed(c, strerror(errno));
		if (c->fd >= 0)
			close(c->fd);
		c->fd = -1;
		wait(c);
		return;
	}
	(void)setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	c->pause_ns = RETRY_NS;
	open_session(c);
}

void vs_collector_tick(struct vs_collector *c)
{
	uint64_t now = clock_mono_ns();

	if (c->info.state == VS_COLLECTOR_CONNECTING && now - c->info.since_ns > CONNECT_NS)
		end_tcp(c, "no answer to the connection");
	if (c->info.state != VS_COLLECTOR_WAITING || now < c->retry_ns)
		return;
	if (c->to.tcp)
		try_tcp(c);
	else
		try_udp(c);
}

int vs_collector_create(struct event_base *base, const struct vs_collector_address *address,
			void (*opened)(void *ctx, struct vs_collector *c), void *ctx,
			struct vs_collector **ret)
{
	struct vs_collector *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->base = base;
	c->to = *address;
	c->opened = opened;
	c->ctx = ctx;
	c->fd = -1;
	c->pause_ns = RETRY_NS;
	c->info.since_ns = clock_mono_ns();
	*ret = c;
	return 0;
}

void vs_collector_destroy(struct vs_collector *c)
{
	if (c == NULL)
		return;
	if (c->bev != NULL) {
		if (c->info.state == VS_COLLECTOR_OPEN)
			(void)evbuffer_write(bufferevent_get_output(c->bev),
					     bufferevent_getfd(c->bev));
		bufferevent_free(c->bev);
	}
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

/* ---- Messages ---- */

static bool send_udp(struct vs_collector *c, const void *bytes, size_t size)
{
	ssize_t n = send(c->fd, bytes, size, MSG_NOSIGNAL);

	/* That is about a message before: this one has not been tried yet. */
	if (n < 0 && errno == ECONNREFUSED) {
		failed(c, "nobody listens there");
		c->info.lost_messages++;
		n = send(c->fd, bytes, size, MSG_NOSIGNAL);
	}
	if (n < 0)
		failed(c, strerror(errno));
	return n == (ssize_t)size;
}

static bool send_tcp(struct vs_collector *c, const void *bytes, size_t size)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);

	if (evbuffer_get_length(out) + size > VS_COLLECTOR_BACKLOG) {
		failed(c, "it takes records more slowly than they come");
		return false;
	}
	return bufferevent_write(c->bev, bytes, size) == 0;
}

bool vs_collector_send(struct vs_collector *c, const void *bytes, size_t size)
{
	bool sent = c->info.state == VS_COLLECTOR_OPEN &&
		    (c->to.tcp ? send_tcp(c, bytes, size) : send_udp(c, bytes, size));

	if (sent) {
		c->info.messages++;
		c->info.bytes += size;
	} else {
		c->info.lost_messages++;
		c->info.lost_bytes += size;
	}
	return sent;
}

void vs_collector_info(const struct vs_collector *c, struct vs_collector_info *ret)
{
	*ret = c->info;
	ret->error = c->error;
}

const struct vs_collector_address *vs_collector_address(const struct vs_collector *c)
{
	return &c->to;
}

bool vs_collector_local(const struct vs_collector *c, struct sockaddr_storage *ret)
{
	socklen_t size = sizeof(*ret);
	int fd = c->bev != NULL ? bufferevent_getfd(c->bev) : c->fd;

	return c->info.state == VS_COLLECTOR_OPEN && fd >= 0 &&
	       getsockname(fd, (struct sockaddr *)ret, &size) == 0;
}

bool vs_collector_is_well(const struct vs_collector *c)
{
	return c->info.state == VS_COLLECTOR_OPEN &&
	       (c->info.error_ns == 0 || clock_mono_ns() - c->info.error_ns > WELL_NS ||
		(c->to.tcp && c->info.error_ns < c->info.since_ns));
}
