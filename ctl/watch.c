/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands that go on until ^C: -w repeats a call and draws rates over what stood there, a stream
 * prints what comes; see tool.h.
 */
#include "ctl/tool.h"

#include "ctl/base/clock.h"
#include "ctl/client.h"
#include "ctl/render.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define FIRST_MS 500 /* Rates need two answers; nobody wants to wait long for the first. */

/* Until the time is over or ^C. */
static void rest(unsigned ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	if (!ctl_tool_stopped())
		nanosleep(&ts, NULL);
}

static void put_title(struct ctl_render *r, const struct ctl_tool *tool,
		      const struct ctl_spec *spec)
{
	time_t now = time(NULL);
	struct tm tm;
	char clock[16] = "";

	if (localtime_r(&now, &tm) != NULL)
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	fprintf(r->out, "\033[H%s %s, every %gs, %s\033[K\n\033[K\n", spec->noun, spec->verb,
		tool->interval_ms / 1000.0, clock);
	r->n_lines += 2;
}

/* One screen: over the last one on a terminal, below it elsewhere. */
static void draw(const struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *answer)
{
	struct ctl_render r = ctl_render_for(stdout);
	struct winsize size;

	r.rates = true;
	if (r.width != 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 3) {
		r.height = size.ws_row - 1u;
		put_title(&r, tool, spec);
	}
	ctl_render_answer(&r, spec, answer);
	fputs(r.height != 0 ? "\033[J" : "\n", stdout);
	fflush(stdout);
}

static void show(const struct ctl_tool *tool, const struct ctl_spec *spec, json_t *answer)
{
	if (tool->json) {
		ctl_tool_print_json(answer, true);
		return;
	}
	if (spec->flags & CTL_ALWAYS)
		ctl_rates_sort(spec, answer);
	draw(tool, spec, answer);
}

int ctl_tool_watch(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params)
{
	json_t *before = NULL, *answer = NULL;
	uint64_t before_ns = 0;
	struct err err;
	int rc = 0;

	ctl_tool_catch_stop();
	if (!tool->json && isatty(STDOUT_FILENO) == 1)
		fputs("\033[H\033[2J", stdout);
	while (!ctl_tool_stopped() && ferror(stdout) == 0) {
		uint64_t now_ns;

		rc = ctl_tool_call(tool, spec, params, -1, &answer, &err);
		if (rc != 0)
			break;
		now_ns = clock_mono_ns();
		if (before != NULL) {
			ctl_rates_annotate(spec, before, answer,
					   (double)(now_ns - before_ns) / 1e9);
			show(tool, spec, answer);
		}
		rest(before != NULL || tool->interval_ms < FIRST_MS ? tool->interval_ms : FIRST_MS);
		json_decref(before);
		before = answer;
		before_ns = now_ns;
	}
	json_decref(before);
	/* ^C during the call is no failure. */
	return rc != 0 && !ctl_tool_stopped() ? ctl_tool_fail(tool, &err) : 0;
}

static void print_lost(const json_t *notification)
{
	json_int_t lost = json_integer_value(
		json_object_get(json_object_get(notification, "vswitch"), "lost"));

	if (lost > 0)
		fprintf(stderr, "(%" JSON_INTEGER_FORMAT " lost: this end did not read in time)\n",
			lost);
}

static void print_notification(const struct ctl_tool *tool, const struct ctl_spec *spec,
			       const json_t *notification, unsigned *widths)
{
	const json_t *params = json_object_get(notification, "params");
	struct ctl_render r;

	print_lost(notification);
	if (params == NULL)
		return;
	if (tool->json || spec->cols == NULL) {
		ctl_tool_print_json(params, true);
		return;
	}
	r = ctl_render_for(stdout);
	ctl_render_row(&r, spec->cols, params, widths);
	fflush(stdout);
}

/* Waits for the daemon, ^C, or the end of whoever reads our output.  False when there is nobody to
 * print for. */
static bool wait_more(struct ctl_tool *tool)
{
	struct pollfd p[2] = {
		{.fd = ctl_client_fd(tool->client), .events = POLLIN},
		{.fd = STDOUT_FILENO},
	};

	/* Not for ever: ^C may have come just before. */
	(void)poll(p, 2, 500);
	return (p[1].revents & (POLLERR | POLLHUP | POLLNVAL)) == 0;
}

int ctl_tool_stream(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params)
{
	unsigned widths[64] = {0};
	json_t *notification = NULL;
	struct err err;
	int rc;

	ctl_tool_catch_stop();
	rc = ctl_tool_call(tool, spec, params, -1, NULL, &err);
	while (rc == 0 && !ctl_tool_stopped() && ferror(stdout) == 0) {
		rc = ctl_client_next(tool->client, 0, &notification, &err);
		if (rc == -ETIMEDOUT) {
			if (!wait_more(tool))
				return 0;
			rc = 0;
		} else if (rc == 0) {
			print_notification(tool, spec, notification, widths);
			json_decref(notification);
		}
	}
	if (rc == 0 || rc == -ENODATA || ctl_tool_stopped())
		return 0;
	return ctl_tool_fail(tool, &err);
}
