/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'capture start', the tool's half.  The tool opens what is written to, as the person who asked,
 * and the daemon gets a descriptor: it opens no file for anybody.
 *
 * 	-w FILE         the file, new unless --force; the capture goes on when the tool ends
 * 	-w FILE --ring  the folder; the daemon makes FILE_00001.pcapng and on in it, as the one who
 * asked -w -            standard output; the capture ends with the tool (none)          a pipe to
 * tcpdump, which prints the frames; the same
 */
#include "ctl/tool.h"

#include "ctl/base/clock.h"
#include "ctl/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_NS 5000000000u /* For the daemon to write what it holds, once asked to stop. */

struct capture {
	struct ctl_tool *tool;
	const struct ctl_spec *spec;
	json_t *params;
	const char *file; /* NULL: frames are printed */
	int fd;
	bool made; /* the file is new: it goes when the capture cannot start */
	bool attach;
	int pipe;      /* what the printer reads; -1: none */
	pid_t printer; /* 0: none */
};

static int open_file(struct capture *c, bool force, struct err *err)
{
	int how = O_WRONLY | O_CREAT | O_CLOEXEC | (force ? O_TRUNC : O_EXCL);

	/* What machines say to each other is nobody else's business. */
	c->fd = open(c->file, how, 0600);
	if (c->fd >= 0) {
		c->made = !force;
		return 0;
	}
	err_set(err, -errno, errno == EEXIST ? "exists" : "cannot-open", "cannot write %s: %s",
		c->file, strerror(errno));
	if (errno == EEXIST)
		err_fix(err, "take another name, or add --force");
	else
		err_fix(err, "take a folder that is there and may be written to");
	err_why(err, "the tool makes the file, as the user who runs it");
	return err->code;
}

/* The folder, and the name without what the daemon puts behind it. */
static int open_ring(struct capture *c, struct err *err)
{
	static const char end[] = ".pcapng";
	const char *slash = strrchr(c->file, '/'), *base = slash != NULL ? slash + 1 : c->file;
	size_t n = strlen(base), n_end = sizeof(end) - 1;
	char *folder = slash == NULL
			       ? strdup(".")
			       : strndup(c->file, slash == c->file ? 1 : (size_t)(slash - c->file));

	if (n > n_end && strcmp(base + n - n_end, end) == 0)
		n -= n_end;
	c->fd = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (c->fd < 0)
		err_set(err, -errno, "cannot-open", "cannot write in %s: %s",
			folder != NULL ? folder : "", strerror(errno));
	free(folder);
	if (c->fd < 0)
		return err->code;
	if (n == 0) {
		err_set(err, -EINVAL, "usage", "--ring needs a file name, not a folder");
		return -EINVAL;
	}
	json_object_set_new(c->params, "write", json_stringn(base, n));
	return 0;
}

static int open_stdout(struct capture *c, struct err *err)
{
	if (isatty(STDOUT_FILENO) == 1) {
		err_set(err, -EINVAL, "usage", "-w -: standard output is a terminal");
		err_why(err, "pcapng is no text");
		err_fix(err, "vswitchctl capture start -w - | tshark -i -, or without -w");
		return -EINVAL;
	}
	c->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (c->fd < 0)
		return err_set(err, -errno, "cannot-open", "standard output is closed");
	return 0;
}

static int find_printer(struct err *err)
{
	const char *path = getenv("PATH");
	char *copy = strdup(path != NULL ? path : "/usr/sbin:/usr/bin:/sbin:/bin"), *save = NULL,
	     file[4096];
	bool found = false;

	for (char *dir = copy != NULL ? strtok_r(copy, ":", &save) : NULL; dir != NULL && !found;
	     dir = strtok_r(NULL, ":", &save)) {
		snprintf(file, sizeof(file), "%s/tcpdump", dir);
		found = access(file, X_OK) == 0;
	}
	free(copy);
	if (found)
		return 0;
	err_set(err, -ENOENT, "no-tcpdump", "tcpdump is not installed, which prints the frames");
	err_fix(err,
		"apt install tcpdump, or write them to a file: vswitchctl capture start -w FILE");
	return -ENOENT;
}

static int open_pipe(struct capture *c, struct err *err)
{
	int ends[2], rc = find_printer(err);

	if (rc != 0)
		return rc;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_set(err, -errno, "cannot-open", "no pipe: %s", strerror(errno));
	c->pipe = ends[0];
	c->fd = ends[1];
	return 0;
}

/* Not before the capture runs: of one that does not, tcpdump would complain in its own words. */
static int start_printer(struct capture *c, struct err *err)
{
	fflush(stdout);
	c->printer = fork();
	if (c->printer == 0) {
		/* Its own group: ^C is for the tool, and tcpdump prints what is left until the pipe
		 * ends. */
		setpgid(0, 0);
		dup2(c->pipe, STDIN_FILENO);
		execlp("tcpdump", "tcpdump", "-nn", "-l", "-r", "-", (char *)NULL);
		_exit(127);
	}
	close(c->pipe);
	c->pipe = -1;
	if (c->printer > 0)
		return 0;
	c->printer = 0;
	return err_set(err, -errno, "cannot-open", "cannot start tcpdump: %s", strerror(errno));
}

static int open_output(struct capture *c, struct err *err)
{
	bool force = json_is_true(json_object_get(c->params, "force"));
	bool ring = json_object_get(c->params, "ring") != NULL;

	json_object_del(c->params, "force");
	c->attach = c->file == NULL || strcmp(c->file, "-") == 0 ||
		    json_is_true(json_object_get(c->params, "attach"));
	if (ring && (c->file == NULL || strcmp(c->file, "-") == 0)) {
		err_set(err, -EINVAL, "usage", "--ring needs -w FILE");
		return -EINVAL;
	}
	if (c->file == NULL)
		return open_pipe(c, err);
	if (strcmp(c->file, "-") == 0)
		return open_stdout(c, err);
	return ring ? open_ring(c, err) : open_file(c, force, err);
}

static void stop(const struct capture *c, const json_t *answer)
{
	char id[32];
	json_t *params;

	snprintf(id, sizeof(id), "%" JSON_INTEGER_FORMAT,
		 json_integer_value(json_object_get(answer, "id")));
	params = json_pack("{s:s}", "id", id);
	/* If it fails the connection's end stops it. */
	(void)ctl_tool_call(c->tool, ctl_spec_find("capture", "stop"), params, -1, NULL, NULL);
	json_decref(params);
}

/* The last notification with parameters; 0 when there was one, and what ctl_client_next() says. */
static int take_last(struct ctl_client *client, json_t **ret_last, struct err *err)
{
	json_t *notification, *params;
	int rc = ctl_client_next(client, 0, &notification, err);

	if (rc != 0)
		return rc;
	params = json_object_get(notification, "params");
	if (params != NULL) {
		json_decref(*ret_last);
		*ret_last = json_incref(params);
	}
	json_decref(notification);
	return 0;
}

/* Until the capture ends, which ^C asks for.  Sets what it said last, or nothing. */
static int follow(struct capture *c, const json_t *answer, json_t **ret_last, struct err *err)
{
	struct pollfd p = {.fd = ctl_client_fd(c->tool->client), .events = POLLIN};
	uint64_t asked_ns = 0;
	int rc;

	for (;;) {
		if (ctl_tool_stopped() && asked_ns == 0) {
			stop(c, answer);
			asked_ns = clock_mono_ns();
		}
		rc = take_last(c->tool->client, ret_last, err);
		if (rc == -ENODATA)
			return 0;
		if (rc != 0 && rc != -ETIMEDOUT)
			return rc;
		if (asked_ns != 0 && clock_mono_ns() - asked_ns > STOP_NS)
			return rc;
		/* Not for ever: ^C may have come just before. */
		if (rc == -ETIMEDOUT)
			(void)poll(&p, 1, 500);
	}
}

static void print_end(const struct capture *c, const json_t *last)
{
	const char *reason = json_string_value(json_object_get(last, "reason"));

	if (c->tool->json || !json_is_object(last))
		return;
	fprintf(stderr,
		"%" JSON_INTEGER_FORMAT " frames captured, %" JSON_INTEGER_FORMAT " lost%s%s\n",
		json_integer_value(json_object_get(last, "packets")),
		json_integer_value(json_object_get(last, "lost")), reason != NULL ? ": " : "",
		reason != NULL ? reason : "");
}

static void print_started(const struct capture *c, const json_t *answer)
{
	json_int_t id = json_integer_value(json_object_get(answer, "id"));

	if (c->tool->json)
		ctl_tool_print_json(answer, false);
	else
		printf("capture %" JSON_INTEGER_FORMAT
		       " writes to %s; to end it: vswitchctl capture stop "
		       "%" JSON_INTEGER_FORMAT "\n",
		       id, c->file, id);
}

static int run(struct capture *c, struct err *err)
{
	json_t *answer = NULL, *last = NULL;
	int rc;

	if (c->attach) {
		json_object_set_new(c->params, "attach", json_true());
		/* From here on ^C ends the capture in order. */
		ctl_tool_catch_stop();
	}
	rc = ctl_tool_call(c->tool, c->spec, c->params, c->fd, &answer, err);
	close(c->fd);
	c->fd = -1;
	if (rc == 0 && c->pipe >= 0)
		rc = start_printer(c, err);
	if (rc == 0 && !c->attach)
		print_started(c, answer);
	else if (rc == 0)
		rc = follow(c, answer, &last, err);
	/* The pipe ends with the connection at the latest; then the printer does. */
	if (c->attach)
		ctl_tool_fini(c->tool);
	if (c->printer > 0)
		waitpid(c->printer, NULL, 0);
	if (c->attach)
		print_end(c, last);
	json_decref(answer);
	json_decref(last);
	return rc;
}

int ctl_tool_capture(struct ctl_tool *tool, const struct ctl_spec *spec, json_t *params)
{
	json_t *file = json_incref(json_object_get(params, "write"));
	struct capture c = {.tool = tool,
			    .spec = spec,
			    .params = params,
			    .file = json_string_value(file),
			    .fd = -1,
			    .pipe = -1};
	struct err err = {0};
	int rc = open_output(&c, &err);

	if (rc == 0)
		rc = run(&c, &err);
	if (rc != 0 && c.made)
		unlink(c.file);
	if (c.fd >= 0)
		close(c.fd);
	if (c.pipe >= 0)
		close(c.pipe);
	json_decref(file);
	return rc != 0 ? ctl_tool_fail(tool, &err) : 0;
}
