/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Metrics over HTTP; see metrics.h.
 *
 * Of HTTP this speaks what a scraper needs: one GET a connection, answered and closed.  libevent's
 * own HTTP server bounds neither the number of connections nor how long a slow one takes in all,
 * and tells nobody when one ends; these few lines on its bufferevents do.
 *
 * 	reading the request --complete, too long or none--> sending the answer
 * 	sending the answer --sent--> lingering --other end closed, or a second later--> gone
 *
 * Lingering: closing with bytes unread would make the kernel throw away the answer on its way.
 * Source: RFC 9112.
 */
#include "vswitch/metrics.h"

#include "ctl/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define DEFAULT_CLIENTS	   16
#define DEFAULT_TIMEOUT_MS 10000
#define DEFAULT_CACHE_MS   250
#define MAX_REQUEST	   8192
#define LINGER_NS	   1000000000u
#define SWEEP_MS	   250
#define BACKLOG		   64
#define CONTENT_TYPE	   "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* A rendered text; replies that are still being sent hold it. */
struct body {
	unsigned refs;
	uint64_t made_ns;
	size_t size;
	char *text;
};

struct client {
	LIST_ENTRY(client) entry;
	struct vs_metrics *metrics;
	struct bufferevent *bev;
	uint64_t since_ns;
	uint64_t sent_ns; /* when the answer was sent; 0: not yet */
	bool answered;
	bool half_closed; /* the other end says no more */
};

struct vs_metrics {
	struct event_base *base;
	struct vs_metrics_opts opts;
	vs_metrics_fn fn;
	void *ctx;
	struct evconnlistener *listener;
	struct event *sweep;
	struct body *body;
	unsigned n_clients;
	uint64_t n_requests, n_refused, n_timeouts;
	LIST_HEAD(, client) clients;
};

static bool is_loopback(const struct sockaddr *sa)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;

	if (sa->sa_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) && in6->sin6_addr.s6_addr[12] == 127);
}

static uint16_t port_of(const struct sockaddr_storage *sa)
{
	return ntohs(sa->ss_family == AF_INET
			     ? ((const struct sockaddr_in *)(const void *)sa)->sin_port
			     : ((const struct sockaddr_in6 *)(const void *)sa)->sin6_port);
}

/* libevent takes no port 0, but an address without one, which is what ":0" asks for. */
static bool parse_sockaddr(const char *address, struct sockaddr_storage *ret_sa, int *ret_size)
{
	char text[80];
	size_t n = strlen(address);
	bool any_port = n > 2 && strcmp(address + n - 2, ":0") == 0;

	if (n >= sizeof(text))
		return false;
	memcpy(text, address, n + 1);
	if (any_port)
		text[n - 2] = '\0';
	*ret_size = sizeof(*ret_sa);
	return evutil_parse_sockaddr_port(text, (struct sockaddr *)ret_sa, ret_size) == 0 &&
	       (port_of(ret_sa) == 0) == any_port;
}

static int parse_address(const char *address, bool any_address, struct sockaddr_storage *ret_sa,
			 int *ret_size, struct err *err)
{
	if (!parse_sockaddr(address, ret_sa, ret_size)) {
		err_set(err, -EINVAL, "bad-address",
			"'%.80s' is no address and port to serve metrics on", address);
		err_fix(err, "use an IP address and a port, such as 127.0.0.1:9464 or [::1]:9464");
		return -EINVAL;
	}
	if (any_address || is_loopback((struct sockaddr *)ret_sa))
		return 0;
	err_set(err, -EINVAL, "not-loopback", "metrics on %.80s could be read by other machines",
		address);
	err_why(err, "they name ports, tenants and traffic, and the reader needs no password");
	err_fix(err, "serve them on 127.0.0.1 and let a proxy with authentication pass them on");
	return -EINVAL;
}

int vs_metrics_check(const char *address, bool any_address, struct err *err)
{
	struct sockaddr_storage sa;
	int size;

	return parse_address(address, any_address, &sa, &size, err);
}

static void body_unref(struct body *body)
{
	if (body == NULL || --body->refs != 0)
		return;
	free(body->text);
	free(body);
}

static void body_sent(const void *data, size_t size, void *arg)
{
	body_unref(arg);
}

static struct body *body_make(struct vs_metrics *metrics)
{
	struct vs_metric_sink *sink = vs_metric_sink_create();
	struct body *body = calloc(1, sizeof(*body));

	if (sink != NULL && body != NULL) {
		metrics->fn(metrics->ctx, sink);
		body->text = vs_metric_sink_render(sink, &body->size);
	}
	vs_metric_sink_destroy(sink);
	if (body == NULL || body->text == NULL) {
		free(body);
		return NULL;
	}
	body->refs = 1;
	body->made_ns = clock_mono_ns();
	return body;
}

/* A fresh enough text, or NULL when there is no memory. */
static struct body *body_get(struct vs_metrics *metrics)
{
	struct body *body = metrics->body;

	if (body != NULL &&
	    clock_mono_ns() - body->made_ns < metrics->opts.cache_ms * UINT64_C(1000000))
		return body;
	body = body_make(metrics);
	if (body == NULL)
		return NULL;
	body_unref(metrics->body);
	metrics->body = body;
	return body;
}

/* Places are free again, or used up: then others wait in the kernel. */
static void pace(struct vs_metrics *metrics)
{
	if (metrics->n_clients < metrics->opts.max_clients)
		evconnlistener_enable(metrics->listener);
	else
		evconnlistener_disable(metrics->listener);
}

static void client_free(struct client *client)
{
	struct vs_metrics *metrics = client->metrics;

	LIST_REMOVE(client, entry);
	metrics->n_clients--;
	bufferevent_free(client->bev);
	free(client);
}

static void answer(struct client *client, const char *status, const char *type, size_t size)
{
	client->answered = true;
	evbuffer_add_printf(bufferevent_get_output(client->bev),
			    "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
			    "%sConnection: close\r\n\r\n",
			    status, type, size,
			    strncmp(status, "405", 3) == 0 ? "Allow: GET\r\n" : "");
}

static void refuse(struct client *client, const char *status)
{
	client->metrics->n_refused++;
	answer(client, status, "text/plain; charset=utf-8", strlen(status) + 1);
	evbuffer_add_printf(bufferevent_get_output(client->bev), "%s\n", status);
}

static void serve(struct client *client)
{
	struct vs_metrics *metrics = client->metrics;
	struct body *body = body_get(metrics);

	if (body == NULL) {
		refuse(client, "503 Service Unavailable");
		return;
	}
	metrics->n_requests++;
	answer(client, "200 OK", CONTENT_TYPE, body->size);
	body->refs++;
	if (evbuffer_add_reference(bufferevent_get_output(client->bev), body->text, body->size,
				   body_sent, body) != 0)
		body_unref(
			body); /* No memory: the answer ends early, which Content-Length tells. */
}

/* "GET /metrics?x HTTP/1.1" */
static void respond(struct client *client, const char *line)
{
	size_t method = strcspn(line, " "), target;
	const char *path = line + method + (line[method] == ' '), *version;

	target = strcspn(path, " ");
	version = path + target + (path[target] == ' ');
	if (method == 0 || target == 0 || strncmp(version, "HTTP/1.", 7) != 0 ||
	    strlen(version) != 8)
		refuse(client, "400 Bad Request");
	else if (method != 3 || strncmp(line, "GET", 3) != 0)
		refuse(client, "405 Method Not Allowed");
	else if (strcspn(path, "? ") != 8 || strncmp(path, "/metrics", 8) != 0)
		refuse(client, "404 Not Found");
	else
		serve(client);
}

static bool is_complete(struct evbuffer *in)
{
	return evbuffer_search(in, "\r\n\r\n", 4, NULL).pos >= 0 ||
	       evbuffer_search(in, "\n\n", 2, NULL).pos >= 0;
}

static void readable(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct client *client = arg;
	char *line = NULL;

	if (!client->answered) {
		if (is_complete(in)) {
			line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF);
			respond(client, line != NULL ? line : "");
			free(line);
		} else if (evbuffer_get_length(in) >= MAX_REQUEST) {
			refuse(client, "431 Request Header Fields Too Large");
		}
	}
	if (client->answered) /* Whatever else it has to say. */
		evbuffer_drain(in, evbuffer_get_length(in));
}

static void end_if_done(struct client *client)
{
	struct vs_metrics *metrics = client->metrics;

	if (!client->half_closed || (client->answered && client->sent_ns == 0))
		return;
	client_free(client);
	pace(metrics);
}

/* All is sent. */
static void written(struct bufferevent *bev, void *arg)
{
	struct client *client = arg;

	if (!client->answered)
		return;
	client->sent_ns = clock_mono_ns();
	shutdown(bufferevent_getfd(bev), SHUT_WR);
	end_if_done(client);
}

static void happened(struct bufferevent *bev, short what, void *arg)
{
	struct client *client = arg;
	struct vs_metrics *metrics = client->metrics;

	if ((what & BEV_EVENT_EOF) != 0) {
		client->half_closed = true;
		end_if_done(client);
	} else if ((what & BEV_EVENT_ERROR) != 0) {
		client_free(client);
		pace(metrics);
	}
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sa,
		     int size, void *arg)
{
	struct vs_metrics *metrics = arg;
	struct client *client = calloc(1, sizeof(*client));

	if (client != NULL)
		client->bev = bufferevent_socket_new(metrics->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (client == NULL || client->bev == NULL) {
		evutil_closesocket(fd);
		free(client);
		return;
	}
	client->metrics = metrics;
	client->since_ns = clock_mono_ns();
	LIST_INSERT_HEAD(&metrics->clients, client, entry);
	metrics->n_clients++;
	bufferevent_setcb(client->bev, readable, written, happened, client);
	bufferevent_setwatermark(client->bev, EV_READ, 0, MAX_REQUEST);
	bufferevent_enable(client->bev, EV_READ | EV_WRITE);
	pace(metrics);
}

/* Out of descriptors, perhaps: not again before the next sweep. */
static void accept_failed(struct evconnlistener *listener, void *arg)
{
	evconnlistener_disable(listener);
}

static bool is_late(const struct client *client, uint64_t now_ns)
{
	uint64_t timeout_ns = client->metrics->opts.timeout_ms * UINT64_C(1000000);

	return now_ns - client->since_ns >= timeout_ns ||
	       (client->sent_ns != 0 && now_ns - client->sent_ns >= LINGER_NS);
}

static void swept(evutil_socket_t fd, short what, void *arg)
{
	struct vs_metrics *metrics = arg;
	struct client *client, *next;
	uint64_t now_ns = clock_mono_ns();

	for (client = LIST_FIRST(&metrics->clients); client != NULL; client = next) {
		next = LIST_NEXT(client, entry);
		if (!is_late(client, now_ns))
			continue;
		metrics->n_timeouts += client->sent_ns == 0;
		client_free(client);
	}
	pace(metrics); /* After an error of accept(), too. */
}

static int listen_on(struct vs_metrics *metrics, const struct sockaddr_storage *sa, int size,
		     struct err *err)
{
	int rc;

	metrics->listener = evconnlistener_new_bind(metrics->base, accepted, metrics,
						    LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE |
							    LEV_OPT_CLOSE_ON_EXEC,
						    BACKLOG, (const struct sockaddr *)sa, size);
	if (metrics->listener != NULL) {
		evconnlistener_set_error_cb(metrics->listener, accept_failed);
		return 0;
	}
	rc = errno == 0 ? -EIO : -errno;
	err_set(err, rc, rc == -EADDRINUSE ? "port-busy" : "bad-address",
		"cannot serve metrics on %.80s: %s", metrics->opts.address, strerror(-rc));
	err_fix(err, rc == -EADDRINUSE ? "choose another port, or see who has it: ss -ltnp"
				       : "ip address show");
	return rc;
}

int vs_metrics_create(struct event_base *base, const struct vs_metrics_opts *opts, vs_metrics_fn fn,
		      void *ctx, struct vs_metrics **ret_metrics, struct err *err)
{
	const struct timeval period = {.tv_usec = SWEEP_MS * 1000};
	struct sockaddr_storage sa;
	struct vs_metrics *metrics;
	int size, rc = parse_address(opts->address, opts->any_address, &sa, &size, err);

	if (rc != 0)
		return rc;
	metrics = calloc(1, sizeof(*metrics));
	if (metrics == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory to serve metrics");
	metrics->base = base;
	metrics->opts = *opts;
	metrics->opts.max_clients = opts->max_clients != 0 ? opts->max_clients : DEFAULT_CLIENTS;
	metrics->opts.timeout_ms = opts->timeout_ms != 0 ? opts->timeout_ms : DEFAULT_TIMEOUT_MS;
	metrics->opts.cache_ms = opts->cache_ms != 0 ? opts->cache_ms : DEFAULT_CACHE_MS;
	metrics->fn = fn;
	metrics->ctx = ctx;
	LIST_INIT(&metrics->clients);
	metrics->sweep = event_new(base, -1, EV_PERSIST, swept, metrics);
	if (metrics->sweep == NULL)
		rc = err_set(err, -ENOMEM, "no-memory", "no memory to serve metrics");
	else
		rc = listen_on(metrics, &sa, size, err);
	if (rc != 0) {
		vs_metrics_destroy(metrics);
		return rc;
	}
	event_add(metrics->sweep, &period);
	metrics->opts.address = NULL; /* Borrowed during the call only. */
	*ret_metrics = metrics;
	return 0;
}

void vs_metrics_destroy(struct vs_metrics *metrics)
{
	struct client *client;

	if (metrics == NULL)
		return;
	while ((client = LIST_FIRST(&metrics->clients)) != NULL)
		client_free(client);
	if (metrics->listener != NULL)
		evconnlistener_free(metrics->listener);
	if (metrics->sweep != NULL)
		event_free(metrics->sweep);
	body_unref(metrics->body);
	free(metrics);
}

uint16_t vs_metrics_port(const struct vs_metrics *metrics)
{
	struct sockaddr_storage sa;
	socklen_t size = sizeof(sa);

	if (getsockname(evconnlistener_get_fd(metrics->listener), (struct sockaddr *)&sa, &size) !=
	    0)
		return 0;
	return port_of(&sa);
}

json_t *vs_metrics_stats(const struct vs_metrics *metrics)
{
	return json_pack("{sI sI sI sI}", "clients", (json_int_t)metrics->n_clients, "requests",
			 (json_int_t)metrics->n_requests, "refused", (json_int_t)metrics->n_refused,
			 "timeouts", (json_int_t)metrics->n_timeouts);
}
