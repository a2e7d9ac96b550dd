/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See tool_fixture.h.
 */
#include "tests/unit/ctl/tool_fixture.h"

#include "ctl/server.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include <cmocka.h>

/* Handlers.  'ctx' is the event base. */

static int port_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	static int calls;

	calls++;
	*ret = json_pack("{s:[{s:s, s:s, s:s, s:i, s:i, s:s}]}", "ports", "name", "p1", "switch",
			 "lan0", "state", "up", "rx_packets", 1000 * calls, "mtu", 1500, "note",
			 "");
	return 0;
}

/* The name asked for says what goes wrong. */
static int port_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	static const struct {
		const char *name;
		int code;
		const char *slug;
	} wrongs[] = {{"missing", -ENOENT, "not-found"},   {"busy", -EBUSY, "port-busy"},
		      {"invalid", -EINVAL, "bad-vlan"},	   {"forbidden", -EPERM, "not-permitted"},
		      {"unknown", -EOPNOTSUPP, "no-such"}, {"broken", -EIO, "io"}};
	const char *name = json_string_value(json_object_get(params, "name"));

	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		if (strcmp(name, wrongs[i].name) != 0)
			continue;
		err_set(err, wrongs[i].code, wrongs[i].slug, "what of %s", name);
		err_why(err, "why of %s", name);
		err_fix(err, "fix of %s", name);
		return wrongs[i].code;
	}
	if (strcmp(name, "slow") == 0)
		usleep(700000);
	if (strcmp(name, "crash") == 0)
		_exit(1);
	*ret = json_pack("{s:O}", "name", json_object_get(params, "name"));
	return 0;
}

static int switch_add(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	bool check = ctl_call_check(call);
	char *command = ctl_args_format(ctl_call_spec(call), params);

	*ret = json_pack("{s:b, s:i, s:[{s:s, s:s}]}", "changed", !check, "revision", 8, "changes",
			 "op", "add", "command", command);
	free(command);
	if (check)
		json_object_set_new(*ret, "would_change", json_true());
	if (ctl_call_confirm_ms(call) > 0)
		json_object_set_new(*ret, "confirm_ms",
				    json_integer((json_int_t)ctl_call_confirm_ms(call)));
	return 0;
}

static int switch_verify(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			 struct err *err)
{
	*ret = json_pack("{s:b, s:[]}", "ok", 0, "checks");
	return 0;
}

static int config_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	*ret = json_pack("{s:s}", "text", "switch add lan0 --type internal\n");
	return 0;
}

/* Says what it was given. */
static int config_check(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			struct err *err)
{
	const char *text = json_string_value(json_object_get(params, "file"));

	if (strcmp(text, "bad\n") == 0)
		return err_set(err, -EINVAL, "usage", "line 1, column 1: bad");
	*ret = json_pack("{s:[{s:s, s:O}]}", "changes", "op", "add", "command",
			 json_object_get(params, "file"));
	return 0;
}

static int events_watch(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			struct err *err)
{
	struct ctl_stream *stream = ctl_stream_open(call, NULL, NULL);
	json_t *event =
		json_pack("{s:s, s:s, s:s}", "type", "link", "port", "p1", "text", "p1 is up");

	ctl_stream_send(stream, event);
	json_object_set_new(event, "text", json_string("p1 is down"));
	ctl_stream_send(stream, event);
	json_decref(event);
	/* With a limit the stream ends, otherwise it goes on. */
	if (json_object_get(params, "limit") != NULL)
		ctl_stream_close(stream);
	*ret = json_object();
	return 0;
}

/* A capture writes a line, and with 'count' ends; it has stopped when its stream is gone. */
struct capture {
	struct ctl_stream *stream;
	int fd;
};
static struct capture running = {.fd = -1};

static void capture_gone(void *arg)
{
	close(running.fd);
	running = (struct capture){.fd = -1};
}

static void capture_end(const char *reason)
{
	json_t *last = json_pack("{s:i, s:i, s:i, s:s}", "id", 3, "packets", 1, "lost", 0, "reason",
				 reason);

	ctl_stream_send(running.stream, last);
	json_decref(last);
	ctl_stream_close(running.stream);
}

static int capture_start(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			 struct err *err)
{
	char *shown = json_dumps(params, JSON_COMPACT);
	int fd = ctl_call_take_fd(call);

	if (json_object_get(params, "tenant") != NULL) {
		close(fd);
		free(shown);
		return err_set(err, -ENOENT, "not-found", "no such tenant");
	}
	/* A ring's descriptor is a folder. */
	if (fd >= 0 && json_object_get(params, "ring") == NULL)
		dprintf(fd, "%s\n", shown);
	free(shown);
	*ret = json_pack("{s:i, s:O}", "id", 3, "params", params);
	if (!json_is_true(json_object_get(params, "attach"))) {
		close(fd);
		return 0;
	}
	running.fd = fd;
	running.stream = ctl_stream_open(call, capture_gone, NULL);
	if (json_object_get(params, "count") != NULL)
		capture_end("all there was");
	return 0;
}

static int capture_stop(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			struct err *err)
{
	if (running.stream != NULL)
		capture_end("stopped");
	*ret = json_pack("{s:[]}", "captures");
	return 0;
}

static int doctor_run(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	*ret = json_pack("{s:[{s:s, s:s, s:s, s:s, s:s}]}", "checks", "check", "cores", "state",
			 "fail", "found", "none", "why", "nothing moves", "fix",
			 "vswitchctl core add 1");
	return 0;
}

static int stats_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	*ret = json_pack("{s:s}", "version", "0.0.0-other");
	return 0;
}

static const struct ctl_binding bindings[] = {
	{"port", "list", port_list},	   {"port", "show", port_show},
	{"switch", "add", switch_add},	   {"switch", "verify", switch_verify},
	{"config", "show", config_show},   {"config", "check", config_check},
	{"events", "watch", events_watch}, {"capture", "start", capture_start},
	{"capture", "stop", capture_stop}, {"doctor", "run", doctor_run},
	{"stats", "show", stats_show},	   {NULL, NULL, NULL},
};

static void serve(const struct daemon *daemon, int ready)
{
	struct ctl_server_opts opts = {.path = daemon->socket};
	struct event_base *base = event_base_new();
	struct ctl_server *server;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	if (ctl_server_create(base, &opts, &server, NULL) != 0 ||
	    ctl_server_bind(server, bindings, base, NULL) != 0)
		_exit(1);
	close(ready);
	event_base_dispatch(base);
	_exit(0);
}

void daemon_start(struct daemon *daemon)
{
	int ready[2];
	char byte;

	snprintf(daemon->dir, sizeof(daemon->dir), "/tmp/vswitchctl-test-XXXXXX");
	assert_non_null(mkdtemp(daemon->dir));
	snprintf(daemon->socket, sizeof(daemon->socket), "%s/c.sock", daemon->dir);
	assert_int_equal(pipe(ready), 0);
	daemon->pid = fork();
	assert_true(daemon->pid >= 0);
	if (daemon->pid == 0) {
		close(ready[0]);
		serve(daemon, ready[1]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 0);
	close(ready[0]);
}

void daemon_stop(struct daemon *daemon)
{
	char command[128];

	kill(daemon->pid, SIGKILL);
	waitpid(daemon->pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -r %s", daemon->dir);
	assert_int_equal(system(command), 0);
}

const char *tool_path;

static char *read_back(const struct daemon *daemon, const char *name)
{
	char path[128], *text = calloc(1, 1 << 20);
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", daemon->dir, name);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_true(fread(text, 1, (1 << 20) - 1, f) < (1 << 20) - 1);
	fclose(f);
	return text;
}

void run_shell(const struct daemon *daemon, const char *script, struct run *ret_run)
{
	char *command;
	int status;

	assert_true(asprintf(&command, "cd %s; T='%s --socket %s'; ( %s ) >out 2>err </dev/null",
			     daemon->dir, tool_path, daemon->socket, script) > 0);
	status = system(command);
	assert_true(WIFEXITED(status));
	*ret_run = (struct run){
		.exit_code = WEXITSTATUS(status),
		.out = read_back(daemon, "out"),
		.err = read_back(daemon, "err"),
	};
	free(command);
}

void run_tool(const struct daemon *daemon, const char *words, struct run *ret_run)
{
	char *script;

	assert_true(asprintf(&script, "timeout 20 $T %s", words) > 0);
	run_shell(daemon, script, ret_run);
	free(script);
}

void run_free(struct run *run)
{
	free(run->out);
	free(run->err);
}
