/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A control server with a small command table of its own, on a thread as in the daemon, and a raw
 * socket to be rude with. What a test wants to know of the server it asks as a client, so that
 * nothing is shared between threads.
 */
#ifndef TESTS_UNIT_CTL_CONTROL_FIXTURE_H
#define TESTS_UNIT_CTL_CONTROL_FIXTURE_H

#include "ctl/client.h"
#include "ctl/server.h"

#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#define FIX_WAIT_MS 60000 /* How long a test waits for what must come. */

/* The commands: thing.add NAME [--kind tap|host] (changes), thing.list, thing.fail, blob.get SIZE,
 * nap.take MS, out.write TEXT, out.ignore, who.show, tick.watch N SIZE (stream), tick.later N SIZE
 * (stream, one a turn of the loop), tick.refuse (stream that fails), tick.end (stream that ends),
 * tick.closed, server.stats; local.only has no handler. */
extern const struct ctl_spec fix_specs[];
extern const struct ctl_binding fix_bindings[];

struct fix {
	char dir[64], path[96];
	struct event_base *base;
	struct ctl_server *server;
	pthread_t thread;
	int stop[2];
	unsigned n_fds;	   /* Open before anything began. */
	unsigned n_closed; /* Streams; the server's thread only. */
};

/* Starts a server; a limit that is 0 in 'opts' (may be NULL) is the default.  fix_stop() fails the
 * test when a descriptor was leaked. */
void fix_start(struct fix *fix, const struct ctl_server_opts *opts);
void fix_stop(struct fix *fix);
/* A directory of its own, and a path in it, without a server. */
void fix_dir_create(struct fix *fix);
void fix_dir_destroy(struct fix *fix);
unsigned fix_count_fds(void);

struct ctl_client *fix_client(const struct fix *fix);
/* A counter of the server; asks on a connection of its own. */
int64_t fix_stat(const struct fix *fix, const char *name);
/* Waits until the counter has this value; fails after FIX_WAIT_MS. */
void fix_await_stat(const struct fix *fix, const char *name, int64_t value);
int64_t fix_call_integer(struct ctl_client *client, const char *method, const char *key);

struct raw {
	int fd;
	char *in;
	size_t size, capacity;
};
void raw_open(struct raw *raw, const char *path);
void raw_close(struct raw *raw);
/* All of it; false when the server has closed. */
bool raw_send(struct raw *raw, const void *bytes, size_t size);
bool raw_text(struct raw *raw, const char *text);
bool raw_send_fds(struct raw *raw, const char *text, const int *fds, unsigned n_fds);
/* The next line as JSON (new reference); NULL at the end of the connection.  Fails the test when
 * nothing comes. */
json_t *raw_line(struct raw *raw);
/* As raw_line(), but NULL when nothing comes within 'ms' either. */
json_t *raw_line_within(struct raw *raw, int ms);
/* The next line is an error with this code and slug. */
void raw_expect_error(struct raw *raw, int code, const char *slug);
/* The server closes, and says nothing more. */
void raw_expect_end(struct raw *raw);
/* The connection works. */
void raw_expect_alive(struct raw *raw);

#endif
