/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The server's thread and its commands; see control_fixture.h.  Raw sockets are in control_raw.c.
 */
#include "tests/unit/ctl/control_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#define END                                                                                        \
	{                                                                                          \
		.name = NULL                                                                       \
	}

static const struct ctl_arg no_args[] = {END};
static const struct ctl_arg thing_args[] = {
	{.name = "name", .type = CTL_NAME, .flags = CTL_POS | CTL_REQUIRED, .help = "its name"},
	{.name = "kind", .type = CTL_CHOICE, .choices = "tap|host", .help = "what it is"},
	END};
static const struct ctl_arg text_args[] = {
	{.name = "text", .type = CTL_STR, .flags = CTL_POS | CTL_REQUIRED, .help = "what to write"},
	END};
static const struct ctl_arg number_args[] = {
	{.name = "number", .type = CTL_UINT, .flags = CTL_POS | CTL_REQUIRED, .help = "how many"},
	{.name = "size", .type = CTL_UINT, .help = "of each"},
	END};

const struct ctl_spec fix_specs[] = {
	{.noun = "thing",
	 .verb = "add",
	 .summary = "Add",
	 .args = thing_args,
	 .flags = CTL_CHANGES},
	{.noun = "thing", .verb = "list", .summary = "List", .args = no_args},
	{.noun = "thing", .verb = "fail", .summary = "Fail", .args = no_args},
	{.noun = "thing", .verb = "mute", .summary = "Fail without words", .args = no_args},
	{.noun = "thing", .verb = "wait", .summary = "Answer later", .args = thing_args},
	{.noun = "blob", .verb = "get", .summary = "Get", .args = number_args},
	{.noun = "nap", .verb = "take", .summary = "Sleep", .args = number_args},
	{.noun = "out", .verb = "write", .summary = "Write", .args = text_args},
	{.noun = "out", .verb = "ignore", .summary = "Ignore", .args = no_args},
	{.noun = "who", .verb = "show", .summary = "Who asks", .args = no_args},
	{.noun = "tick",
	 .verb = "watch",
	 .summary = "At once",
	 .args = number_args,
	 .flags = CTL_STREAM},
	{.noun = "tick",
	 .verb = "later",
	 .summary = "One by one",
	 .args = number_args,
	 .flags = CTL_STREAM},
	{.noun = "tick",
	 .verb = "refuse",
	 .summary = "Fails",
	 .args = no_args,
	 .flags = CTL_STREAM},
	{.noun = "tick", .verb = "end", .summary = "Ends", .args = no_args, .flags = CTL_STREAM},
	{.noun = "tick", .verb = "closed", .summary = "How many were closed", .args = no_args},
	{.noun = "server", .verb = "stats", .summary = "Counters", .args = no_args},
	{.noun = "local", .verb = "only", .summary = "Local", .args = no_args, .flags = CTL_LOCAL},
	{.noun = NULL},
};

static int64_t integer(const json_t *params, const char *key)
{
	return json_integer_value(json_object_get(params, key));
}

static int thing_add(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	const char *name = json_string_value(json_object_get(params, "name"));

	if (strcmp(name, "taken") == 0) {
		err_set(err, -EEXIST, "thing-exists", "cannot add thing %s: it exists", name);
		err_why(err, "it was added before");
		err_fix(err, "choose another name");
		return -EEXIST;
	}
	*ret = json_pack("{s:s, s:b, s:I, s:s}", "name", name, "check", ctl_call_check(call),
			 "confirm_ms", (json_int_t)ctl_call_confirm_ms(call), "verb",
			 ctl_call_spec(call)->verb);
	return 0;
}

static int thing_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	return 0;
}

static int thing_fail(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	/* A handler that fails late may have made its result already. */
	*ret = json_pack("{s:i}", "half", 1);
	return err_set(err, -ENOSPC, "full", "cut in a character: %.20s",
		       "x\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244"
		       "\303\244");
}

struct waiting {
	struct ctl_late *late;
	struct event *timer;
	struct fix *fix;
	char name[32];
};

static void waited(evutil_socket_t fd, short what, void *arg)
{
	struct waiting *w = arg;
	struct err no;

	err_set(&no, -ETIMEDOUT, "too-late", "%s came too late", w->name);
	if (strcmp(w->name, "late") == 0)
		ctl_late_fail(w->late, &no);
	else
		ctl_late_answer(w->late, json_pack("{s:s}", "name", w->name));
	event_free(w->timer);
	free(w);
}

static void waiter_gone(void *arg)
{
	struct waiting *w = arg;

	w->fix->n_closed++;
	event_free(w->timer);
	free(w);
}

/* "refused" fails after it deferred; "result" has its result at once. */
static int thing_wait(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	const struct timeval tv = {.tv_usec = 100000};
	struct waiting *w;

	if (strcmp(name, "refused") == 0 || strcmp(name, "result") == 0) {
		assert_non_null(ctl_call_defer(call, NULL, NULL));
		*ret = json_pack("{s:s}", "name", name);
		return strcmp(name, "result") == 0 ? 0 : err_set(err, -EBUSY, "busy", "busy");
	}
	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	w->fix = ctx;
	snprintf(w->name, sizeof(w->name), "%s", name);
	w->late = ctl_call_defer(call, waiter_gone, w);
	w->timer = evtimer_new(w->fix->base, waited, w);
	if (w->late == NULL) {
		event_free(w->timer);
		free(w);
		return err_set(err, -EBUSY, "too-many", "too many wait");
	}
	evtimer_add(w->timer, &tv);
	return 0;
}

static int thing_mute(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	return -EIO;
}

static char *letters(size_t n)
{
	char *text = malloc(n + 1);

	assert_non_null(text);
	memset(text, 'x', n);
	text[n] = '\0';
	return text;
}

static int blob_get(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	char *text = letters((size_t)integer(params, "number"));

	*ret = json_pack("{s:s}", "blob", text);
	free(text);
	return 0;
}

static int nap_take(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	usleep((useconds_t)integer(params, "number") * 1000);
	*ret = json_pack("{s:s}", "slept", "well");
	return 0;
}

static int out_write(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	const char *text = json_string_value(json_object_get(params, "text"));
	int n = 0, fd;

	while ((fd = ctl_call_take_fd(call)) >= 0) {
		n += write(fd, text, strlen(text)) == (ssize_t)strlen(text);
		close(fd);
	}
	*ret = json_pack("{s:i}", "written", n);
	return 0;
}

static int who_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	*ret = json_pack("{s:i, s:i, s:i}", "uid", (int)ctl_call_uid(call), "gid",
			 (int)ctl_call_gid(call), "pid", (int)ctl_call_pid(call));
	return 0;
}

/* A stream that goes on by itself until it has said all. */
struct ticker {
	struct fix *fix;
	struct ctl_stream *stream;
	struct event *timer;
	int64_t at, n;
	char *text;
};

static void on_stream_close(void *arg)
{
	struct ticker *ticker = arg;

	ticker->fix->n_closed++;
	if (ticker->timer != NULL)
		event_free(ticker->timer);
	free(ticker->text);
	free(ticker);
}

static struct ticker *ticker_open(struct fix *fix, struct ctl_call *call, const json_t *params)
{
	struct ticker *ticker = calloc(1, sizeof(*ticker));

	assert_non_null(ticker);
	ticker->fix = fix;
	ticker->n = integer(params, "number");
	ticker->text = letters((size_t)integer(params, "size"));
	ticker->stream = ctl_stream_open(call, on_stream_close, ticker);
	if (ticker->stream != NULL)
		return ticker;
	free(ticker->text);
	free(ticker);
	return NULL;
}

static void tick(struct ticker *ticker)
{
	json_t *params =
		json_pack("{s:I, s:s}", "at", (json_int_t)ticker->at++, "text", ticker->text);

	ctl_stream_send(ticker->stream, params);
	json_decref(params);
}

static int too_many(struct err *err)
{
	return err_set(err, -EBUSY, "too-many-streams", "no stream to be had");
}

static int tick_watch(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	struct ticker *ticker = ticker_open(ctx, call, params);

	if (ticker == NULL)
		return too_many(err);
	while (ticker->at < ticker->n)
		tick(ticker);
	return 0;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct ticker *ticker = arg;
	struct timeval now = {0};

	tick(ticker);
	if (ticker->at < ticker->n)
		evtimer_add(ticker->timer, &now);
}

static int tick_later(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	struct ticker *ticker = ticker_open(ctx, call, params);
	struct timeval now = {0};

	if (ticker == NULL)
		return too_many(err);
	ticker->timer = evtimer_new(ticker->fix->base, on_tick, ticker);
	evtimer_add(ticker->timer, &now);
	return 0;
}

static int tick_refuse(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	struct ticker *ticker = ticker_open(ctx, call, params);

	tick(ticker);
	return err_set(err, -ENODEV, "no-ticks", "there is nothing to watch");
}

static int tick_end(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	struct ticker *ticker = ticker_open(ctx, call, params);

	tick(ticker);
	ctl_stream_close(ticker->stream);
	return 0;
}

static int tick_closed(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	struct fix *fix = ctx;

	*ret = json_pack("{s:i}", "closed", (int)fix->n_closed);
	return 0;
}

static int server_stats(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			struct err *err)
{
	struct fix *fix = ctx;

	*ret = ctl_server_stats(fix->server);
	return 0;
}

const struct ctl_binding fix_bindings[] = {
	{"thing", "add", thing_add},
	{"thing", "list", thing_list},
	{"thing", "fail", thing_fail},
	{"thing", "mute", thing_mute},
	{"thing", "wait", thing_wait},
	{"blob", "get", blob_get},
	{"nap", "take", nap_take},
	{"out", "write", out_write},
	{"out", "ignore", thing_list},
	{"who", "show", who_show},
	{"tick", "watch", tick_watch},
	{"tick", "later", tick_later},
	{"tick", "refuse", tick_refuse},
	{"tick", "end", tick_end},
	{"tick", "closed", tick_closed},
	{"server", "stats", server_stats},
	{NULL, NULL, NULL},
};

/* The thread */

unsigned fix_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

void fix_dir_create(struct fix *fix)
{
	*fix = (struct fix){.n_fds = fix_count_fds()};
	snprintf(fix->dir, sizeof(fix->dir), "/tmp/vswitch-control-test-XXXXXX");
	assert_non_null(mkdtemp(fix->dir));
	assert_int_equal(chmod(fix->dir, 0755), 0);
	snprintf(fix->path, sizeof(fix->path), "%s/control.sock", fix->dir);
}

void fix_dir_destroy(struct fix *fix)
{
	char lock[128];

	snprintf(lock, sizeof(lock), "%s.lock", fix->path);
	unlink(lock);
	unlink(fix->path);
	assert_int_equal(rmdir(fix->dir), 0);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	event_base_loopbreak(arg);
}

static void *run(void *arg)
{
	struct fix *fix = arg;
	struct event *stop = event_new(fix->base, fix->stop[0], EV_READ, on_stop, fix->base);

	event_add(stop, NULL);
	event_base_dispatch(fix->base);
	event_free(stop);
	ctl_server_destroy(fix->server);
	return NULL;
}

void fix_start(struct fix *fix, const struct ctl_server_opts *opts)
{
	struct ctl_server_opts all = opts != NULL ? *opts : (struct ctl_server_opts){0};
	struct err err;

	fix_dir_create(fix);
	all.path = fix->path;
	all.specs = fix_specs;
	fix->base = event_base_new();
	assert_int_equal(ctl_server_create(fix->base, &all, &fix->server, &err), 0);
	assert_int_equal(ctl_server_bind(fix->server, fix_bindings, fix, &err), 0);
	assert_int_equal(pipe(fix->stop), 0);
	assert_int_equal(pthread_create(&fix->thread, NULL, run, fix), 0);
}

void fix_stop(struct fix *fix)
{
	assert_int_equal(write(fix->stop[1], "", 1), 1);
	assert_int_equal(pthread_join(fix->thread, NULL), 0);
	event_base_free(fix->base);
	close(fix->stop[0]);
	close(fix->stop[1]);
	fix_dir_destroy(fix);
	assert_int_equal(fix_count_fds(), fix->n_fds);
}

/* Asking */

struct ctl_client *fix_client(const struct fix *fix)
{
	struct ctl_client *client;
	struct err err;

	assert_int_equal(ctl_client_open(fix->path, FIX_WAIT_MS, &client, &err), 0);
	return client;
}

int64_t fix_call_integer(struct ctl_client *client, const char *method, const char *key)
{
	json_t *result = NULL;
	struct err err;
	int64_t value;

	assert_int_equal(ctl_client_call(client, method, NULL, NULL, &result, &err), 0);
	assert_true(json_is_integer(json_object_get(result, key)));
	value = integer(result, key);
	json_decref(result);
	return value;
}

int64_t fix_stat(const struct fix *fix, const char *name)
{
	struct ctl_client *client = fix_client(fix);
	int64_t value = fix_call_integer(client, "server.stats", name);

	ctl_client_close(client);
	return value;
}

void fix_await_stat(const struct fix *fix, const char *name, int64_t value)
{
	struct ctl_client *client = fix_client(fix);
	int64_t now = -1;

	for (int i = 0; i < FIX_WAIT_MS / 10; i++) {
		now = fix_call_integer(client, "server.stats", name);
		if (now == value)
			break;
		usleep(10000);
	}
	ctl_client_close(client);
	assert_int_equal(now, value);
}
