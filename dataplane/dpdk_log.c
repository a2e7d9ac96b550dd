/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See dpdk_log.h.  DPDK writes its log to a FILE that any of its threads may be using at any time,
 * so the one installed here is never closed.
 */
#include "dataplane/dpdk_log.h"

#include <ctype.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include <rte_common.h>
#include <rte_log.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_t recorder; /* only this thread's lines are recorded */
static bool recording;
static char text[2048];
static size_t text_size;

/* A peer decides how often librte_vhost has something to say. */
enum { LINES_A_SECOND = 20 };
static time_t second;
static unsigned n_shown, n_left_out; /* in that second; since a line was shown */

/* Under 'mutex'. */
static bool may_show(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec != second) {
		second = now.tv_sec;
		n_shown = 0;
		if (n_left_out > 0)
			dprintf(STDERR_FILENO, "DPDK: %u lines left out\n", n_left_out);
		n_left_out = 0;
	}
	if (n_shown < LINES_A_SECOND) {
		n_shown++;
		return true;
	}
	n_left_out++;
	return false;
}

static ssize_t take(void *cookie, const char *buf, size_t size)
{
	bool mine, show;

	pthread_mutex_lock(&mutex);
	mine = recording && pthread_equal(recorder, pthread_self());
	show = !mine && may_show();
	if (mine) {
		size_t n = size < sizeof(text) - text_size ? size : sizeof(text) - text_size;

		memcpy(text + text_size, buf, n);
		text_size += n;
	}
	pthread_mutex_unlock(&mutex);
	if (show && write(STDERR_FILENO, buf, size) < 0)
		return 0;
	return (ssize_t)size;
}

/* What the kernel said to an XDP program; libbpf would put it on stderr. */
__attribute__((format(printf, 2, 0))) static int take_bpf(enum libbpf_print_level level,
							  const char *fmt, va_list ap)
{
	char line[256];
	int n;

	if (level == LIBBPF_DEBUG || strstr(fmt, "unrecognized data section") != NULL)
		return 0;
	n = vsnprintf(line, sizeof(line), fmt, ap);
	if (n > 0)
		take(NULL, line, RTE_MIN((size_t)n, sizeof(line) - 1));
	return n;
}

void dpdk_log_take(void)
{
	static FILE *stream;

	if (stream != NULL)
		return;
	stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = take});
	if (stream == NULL)
		return;
	setvbuf(stream, NULL, _IOLBF, 1024);
	rte_openlog_stream(stream);
	libbpf_set_print(take_bpf);
}

void dpdk_log_record(void)
{
	dpdk_log_take();
	pthread_mutex_lock(&mutex);
	recorder = pthread_self();
	recording = true;
	text_size = 0;
	pthread_mutex_unlock(&mutex);
}

/* Lines that say only that something failed, which the person knows. */
static bool says_nothing(const char *line)
{
	static const char *const empty[] = {"Driver cannot attach", "Failed to attach device",
					    "failed to initialize", "vdev_probe",
					    "Cannot find device"};

	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
		if (strstr(line, empty[i]) != NULL)
			return true;
	return line[0] == '\0';
}

void dpdk_log_end(char *ret, size_t size)
{
	char copy[sizeof(text) + 1], *save = NULL;

	pthread_mutex_lock(&mutex);
	recording = false;
	memcpy(copy, text, text_size);
	copy[text_size] = '\0';
	pthread_mutex_unlock(&mutex);
	ret[0] = '\0';
	for (char *line = strtok_r(copy, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char *colon = strstr(line, ": ");

		if (says_nothing(line))
			continue;
		/* "EAL: ", "libbpf: Kernel error message: " */
		while (colon != NULL && colon - line < 40 && colon[2] != '\0') {
			line = colon + 2;
			colon = strstr(line, "message: ") != NULL ? strstr(line, ": ") : NULL;
		}
		snprintf(ret, size, "%s", line);
		return;
	}
}
