/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vmworker: runs one virtual machine.  Started by vswitchd; docs/vmworker.md.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "hv/worker/config.h"
#include "hv/worker/function.h"
#include "hv/worker/sandbox.h"
#include "hv/worker/worker.h"

#define EXIT_USAGE 2
/* Descriptors: a channel takes two, others come with NICs and disks; threads: processors, disks. */
#define MAX_FILES   8192
#define MAX_THREADS 512

/* One line for whoever started it: "ready", or why not. */
static void say(const char *line)
{
	if (write(STDOUT_FILENO, line, strlen(line)) < 0)
		return; /* nobody is there to read; the log has it too */
}

static int refuse(const struct err *err)
{
	json_t *error = json_pack("{s{ss, ss, ss, ss}}", "error", "code", err->slug, "what",
				  err->what, "why", err->why, "fix", err->fix);
	char *text = error != NULL ? json_dumps(error, JSON_COMPACT) : NULL;

	say(text != NULL ? text : "{\"error\":{\"code\":\"no-memory\"}}");
	say("\n");
	fprintf(stderr, "error[%s]: %s\n", err->slug, err->what);
	free(text);
	json_decref(error);
	return EXIT_FAILURE;
}

static int run(struct worker_config *config)
{
	const struct sandbox_opts sandbox = {.uid = config->uid,
					     .gid = config->gid,
					     .dir = config->dir,
					     .n_files = MAX_FILES,
					     .n_processes = MAX_THREADS,
					     /* Each device pins all of it. */
					     .n_locked =
						     config->memory_maximum * WORKER_MAX_FUNCTIONS};
	uid_t starter = getuid();
	struct worker *worker = NULL;
	struct err err = {0};
	int rc = sandbox_prepare(&sandbox, &err);

	if (rc == 0)
		rc = worker_open(config, starter, &worker, &err);
	if (rc != 0)
		return refuse(&err);
	rc = sandbox_enter(&sandbox, &err);
	if (rc == 0)
		rc = worker_start(worker, &err);
	if (rc != 0) {
		worker_failed(worker, &err);
		rc = refuse(&err);
	} else {
		say("ready\n");
		close(STDOUT_FILENO);
		rc = worker_run(worker);
	}
	worker_destroy(worker);
	return rc;
}

static int usage(FILE *to, int status)
{
	fputs("usage: vmworker --config-fd N\n"
	      "\n"
	      "Runs one virtual machine.  Started by vswitchd, which says which ('vswitchctl vm "
	      "start'):\n"
	      "its configuration, JSON, is read from descriptor N.\n",
	      to);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config-fd", required_argument, NULL, 'c'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	struct worker_config *config = NULL;
	struct err err = {0};
	int c, fd = -1, rc;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h')
			return usage(stdout, 0);
		if (c != 'c')
			return usage(stderr, EXIT_USAGE);
		fd = atoi(optarg);
	}
	if (fd < 0 || optind != argc)
		return usage(stderr, EXIT_USAGE);
	signal(SIGPIPE, SIG_IGN);
	rc = worker_config_read(fd, &config, &err);
	close(fd);
	rc = rc != 0 ? refuse(&err) : run(config);
	worker_config_destroy(config);
	return rc;
}
