/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The metrics server against clients of all sorts.  It runs on a thread of its own with its own
 * event loop; clients are plain sockets here.
 */
#include "vswitch/metrics.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

struct server {
	struct event_base *base;
	struct vs_metrics *metrics;
	struct event *quit_timer;
	atomic_bool quit;
	atomic_uint n_made;
	unsigned n_values; /* how much there is to tell */
	uint16_t port;
	pthread_t thread;
};

static void give(void *ctx, struct vs_metric_sink *sink)
{
	struct server *s = ctx;

	s->n_made++;
	vs_metric_counter(sink, "made", "Texts made", VS_NO_LABELS, s->n_made);
	for (unsigned i = 0; i < s->n_values; i++) {
		char name[20];

		snprintf(name, sizeof(name), "p%u", i);
		vs_metric_counter(sink, "vswitch_port_rx_packets", "Frames",
				  VS_LABELS({"port", name}), i);
	}
}

static void look_at_quit(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	if (s->quit)
		event_base_loopbreak(s->base);
}

static void *serve(void *arg)
{
	struct server *s = arg;

	event_base_dispatch(s->base);
	return NULL;
}

static void start(struct server *s, struct vs_metrics_opts opts)
{
	const struct timeval period = {.tv_usec = 10000};
	struct err err = {0};

	if (opts.address == NULL)
		opts.address = "127.0.0.1:0";
	s->base = event_base_new();
	if (vs_metrics_create(s->base, &opts, give, s, &s->metrics, &err) != 0)
		fail_msg("%s", err.what);
	s->port = vs_metrics_port(s->metrics);
	s->quit_timer = event_new(s->base, -1, EV_PERSIST, look_at_quit, s);
	event_add(s->quit_timer, &period);
	pthread_create(&s->thread, NULL, serve, s);
}

static json_int_t stat_of(struct server *s, const char *key)
{
	json_t *stats = vs_metrics_stats(s->metrics);
	json_int_t n = json_integer_value(json_object_get(stats, key));

	json_decref(stats);
	return n;
}

static void stop(struct server *s)
{
	s->quit = true;
	pthread_join(s->thread, NULL);
	vs_metrics_destroy(s->metrics);
	event_free(s->quit_timer);
	event_base_free(s->base);
}

static int dial(const struct server *s)
{
	const struct sockaddr_in sa = {.sin_family = AF_INET,
				       .sin_port = htons(s->port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval timeout = {.tv_sec = 5};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	assert_int_equal(connect(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* All that comes until the other end closes; false when it does not within five seconds. */
static bool read_all(int fd, char *buf, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while ((got = read(fd, buf + n, size - 1 - n)) > 0)
		n += (size_t)got;
	buf[n] = '\0';
	return got == 0 || errno == ECONNRESET;
}

static const char *ask(const struct server *s, const char *request, size_t size)
{
	static char answer[1 << 20];
	int fd = dial(s);

	(void)!write(fd, request, size);
	if (!read_all(fd, answer, sizeof(answer)))
		fail_msg("no end of the answer to '%.60s'", request);
	close(fd);
	return answer;
}

static const char *get(const struct server *s, const char *path)
{
	char request[200];

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
	return ask(s, request, strlen(request));
}

static bool starts_with(const char *s, const char *start)
{
	return strncmp(s, start, strlen(start)) == 0;
}

static void metrics_are_served_as_openmetrics(void **state)
{
	struct server s = {.n_values = 2};
	const char *answer, *body;

	start(&s, (struct vs_metrics_opts){0});
	answer = get(&s, "/metrics");
	assert_true(starts_with(answer, "HTTP/1.1 200 "));
	assert_non_null(strstr(answer, "\r\nContent-Type: application/openmetrics-text; "
				       "version=1.0.0; charset=utf-8\r\n"));
	assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
	body = strstr(answer, "\r\n\r\n");
	assert_non_null(body);
	assert_string_equal(
		body + 4,
		"# TYPE made counter\n# HELP made Texts made\nmade_total 1\n"
		"# TYPE vswitch_port_rx_packets counter\n# HELP vswitch_port_rx_packets Frames\n"
		"vswitch_port_rx_packets_total{port=\"p0\"} 0\n"
		"vswitch_port_rx_packets_total{port=\"p1\"} 1\n# EOF\n");
	assert_true(starts_with(get(&s, "/metrics?a=b"), "HTTP/1.1 200 "));
	stop(&s);
}

static void other_paths_and_methods_are_refused(void **state)
{
	static const char *const posts[] = {
		"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
		"BREW /metrics HTTP/1.1\r\nHost: x\r\n\r\n"};
	static const char *const paths[] = {"/",	 "/metric",   "/metrics/", "/metrics/../x",
					    "//metrics", "/%6detrics"};
	struct server s = {0};

	start(&s, (struct vs_metrics_opts){0});
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (!starts_with(get(&s, paths[i]), "HTTP/1.1 404 "))
			fail_msg("%s: not refused", paths[i]);
	for (unsigned i = 0; i < sizeof(posts) / sizeof(posts[0]); i++)
		if (!starts_with(ask(&s, posts[i], strlen(posts[i])), "HTTP/1.1 405 "))
			fail_msg("%s: not refused", posts[i]);
	assert_int_equal(s.n_made, 0);
	stop(&s);
}

static void garbage_is_answered_with_an_error_or_a_close_and_service_goes_on(void **state)
{
	static char big[300000];
	struct server s = {0};

	start(&s, (struct vs_metrics_opts){0});
	ask(&s, "\r\n\r\n\r\n", 6);
	ask(&s, "\0\0\0\0\n\n", 6);
	ask(&s, "GET\r\n\r\n", 7);
	ask(&s, "GET /metrics\r\n\r\n", 16);
	ask(&s, "GET /metrics HTTP/9.9\r\n\r\n", 25);
	ask(&s, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15); /* TLS */
	memset(big, 'a', sizeof(big));
	ask(&s, big, sizeof(big));
	memcpy(big, "GET /metrics HTTP/1.1\r\nX: ", 26);
	ask(&s, big, sizeof(big));
	memcpy(big, "GET /metrics HTTP/1.1\r\nContent-Length: 290000\r\n\r\n", 50);
	ask(&s, big, sizeof(big));
	for (size_t at = 0; at + 6 < sizeof(big); at += 6)
		memcpy(big + at, "x: y\r\n", 6);
	memcpy(big, "GET /metrics HTTP/1.1\r\n", 23);
	ask(&s, big, sizeof(big));
	assert_true(starts_with(get(&s, "/metrics"), "HTTP/1.1 200 "));
	stop(&s);
}

static void client_that_says_nothing_or_little_is_cut_off(void **state)
{
	struct server s = {0};
	char buf[1000];
	int silent, drip;

	start(&s, (struct vs_metrics_opts){.timeout_ms = 400});
	silent = dial(&s);
	drip = dial(&s);
	/* A byte now and then would keep an idle timeout from firing. */
	for (unsigned i = 0; i < 12; i++) {
		(void)!send(drip, i == 0 ? "G" : "x", 1, MSG_NOSIGNAL);
		usleep(80000);
	}
	assert_true(read_all(silent, buf, sizeof(buf)));
	assert_true(read_all(drip, buf, sizeof(buf)));
	assert_true(starts_with(get(&s, "/metrics"), "HTTP/1.1 200 "));
	close(silent);
	close(drip);
	stop(&s);
}

static void client_that_does_not_read_is_cut_off(void **state)
{
	struct server s = {.n_values = 200000};
	int fd, size = 4096;

	start(&s, (struct vs_metrics_opts){.timeout_ms = 400});
	fd = dial(&s);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	assert_int_equal(write(fd, "GET /metrics HTTP/1.0\r\n\r\n", 25), 25);
	for (unsigned i = 0; i < 100 && stat_of(&s, "timeouts") == 0; i++)
		usleep(50000);
	assert_int_equal(stat_of(&s, "timeouts"), 1);
	for (unsigned i = 0; i < 100 && stat_of(&s, "clients") != 0; i++)
		usleep(20000);
	assert_int_equal(stat_of(&s, "clients"), 0);
	close(fd);
	stop(&s);
}

static void clients_beyond_the_limit_wait_for_a_place(void **state)
{
	struct server s = {0};
	char buf[4096];
	int fds[3], late;

	start(&s, (struct vs_metrics_opts){.max_clients = 3, .timeout_ms = 60000});
	for (unsigned i = 0; i < 3; i++)
		fds[i] = dial(&s);
	late = dial(&s); /* The kernel takes it, nobody serves it. */
	assert_int_equal(write(late, "GET /metrics HTTP/1.1\r\n\r\n", 25), 25);
	usleep(200000);
	assert_int_equal(stat_of(&s, "clients"), 3);
	assert_int_equal(stat_of(&s, "requests"), 0);
	close(fds[1]);
	assert_true(read_all(late, buf, sizeof(buf)));
	assert_true(starts_with(buf, "HTTP/1.1 200 "));
	close(fds[0]);
	close(fds[2]);
	close(late);
	stop(&s);
}

static void a_thousand_connections_leave_nothing_behind(void **state)
{
	struct server s = {0};

	start(&s, (struct vs_metrics_opts){.timeout_ms = 2000});
	for (unsigned i = 0; i < 1000; i++) {
		int fd = dial(&s);

		if (i % 3 == 0)
			(void)!write(fd, "GET /metrics HTTP/1.1\r\n\r\n", 10 + i % 16);
		close(fd);
	}
	assert_true(starts_with(get(&s, "/metrics"), "HTTP/1.1 200 "));
	for (unsigned i = 0; i < 200 && stat_of(&s, "clients") != 0; i++)
		usleep(20000);
	assert_int_equal(stat_of(&s, "clients"), 0);
	stop(&s);
}

static void text_is_not_made_more_often_than_needed(void **state)
{
	struct server s = {0};

	start(&s, (struct vs_metrics_opts){.cache_ms = 60000});
	for (unsigned i = 0; i < 20; i++)
		assert_non_null(strstr(get(&s, "/metrics"), "made_total 1\n"));
	stop(&s);
	s = (struct server){0};
	start(&s, (struct vs_metrics_opts){.cache_ms = 1});
	get(&s, "/metrics");
	usleep(20000);
	assert_non_null(strstr(get(&s, "/metrics"), "made_total 2\n"));
	stop(&s);
}

static void server_stops_with_clients_connected(void **state)
{
	struct server s = {.n_values = 100000};
	int idle, reading;

	start(&s, (struct vs_metrics_opts){0});
	idle = dial(&s);
	reading = dial(&s);
	(void)!write(reading, "GET /metrics HTTP/1.1\r\n\r\n", 25);
	usleep(200000);
	stop(&s);
	close(idle);
	close(reading);
}

static void check_refused(const char *address, const char *slug)
{
	struct err err = {0};

	assert_int_equal(vs_metrics_check(address, false, &err), -EINVAL);
	if (strcmp(err.slug, slug) != 0 || err.fix[0] == '\0')
		fail_msg("'%s': %s, %s", address, err.slug, err.what);
}

static void only_loopback_is_served_unless_told_otherwise(void **state)
{
	check_refused("0.0.0.0:9464", "not-loopback");
	check_refused("10.0.0.1:9464", "not-loopback");
	check_refused("128.0.0.1:9464", "not-loopback");
	check_refused("[::]:9464", "not-loopback");
	check_refused("[fe80::1]:9464", "not-loopback");
	check_refused("[::ffff:10.0.0.1]:9464", "not-loopback");
	check_refused("", "bad-address");
	check_refused("127.0.0.1", "bad-address");
	check_refused("localhost:9464", "bad-address");
	check_refused("127.0.0.1:99999", "bad-address");
	check_refused("127.0.0.1:x", "bad-address");
	check_refused("[::1:9464", "bad-address");
	check_refused("::1", "bad-address");
	assert_int_equal(vs_metrics_check("127.0.0.1:9464", false, NULL), 0);
	assert_int_equal(vs_metrics_check("127.9.9.9:1", false, NULL), 0);
	assert_int_equal(vs_metrics_check("[::1]:9464", false, NULL), 0);
	assert_int_equal(vs_metrics_check("[::ffff:127.0.0.1]:9464", false, NULL), 0);
	assert_int_equal(vs_metrics_check("0.0.0.0:9464", true, NULL), 0);
}

static void port_that_is_taken_is_said(void **state)
{
	struct server s = {0};
	struct vs_metrics *second = NULL;
	struct err err = {0};
	char address[40];

	start(&s, (struct vs_metrics_opts){0});
	snprintf(address, sizeof(address), "127.0.0.1:%u", s.port);
	assert_int_equal(vs_metrics_create(s.base, &(struct vs_metrics_opts){.address = address},
					   give, &s, &second, &err),
			 -EADDRINUSE);
	assert_string_equal(err.slug, "port-busy");
	assert_null(second);
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metrics_are_served_as_openmetrics),
		cmocka_unit_test(other_paths_and_methods_are_refused),
		cmocka_unit_test(garbage_is_answered_with_an_error_or_a_close_and_service_goes_on),
		cmocka_unit_test(client_that_says_nothing_or_little_is_cut_off),
		cmocka_unit_test(client_that_does_not_read_is_cut_off),
		cmocka_unit_test(clients_beyond_the_limit_wait_for_a_place),
		cmocka_unit_test(a_thousand_connections_leave_nothing_behind),
		cmocka_unit_test(text_is_not_made_more_often_than_needed),
		cmocka_unit_test(server_stops_with_clients_connected),
		cmocka_unit_test(only_loopback_is_served_unless_told_otherwise),
		cmocka_unit_test(port_that_is_taken_is_said),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
