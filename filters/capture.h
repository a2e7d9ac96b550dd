/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packet captures: which frames pass which ports, as pcapng files that tshark and Wireshark read
 * while they grow.
 *
 * 	worker   capture_hook.c: filter (machine code) -> copy into its ring for that capture
 * 	writer   capture_writer.c: one thread for all captures: rings -> pcapng -> file
 * 	control  capture.c and others: makes and ends captures, hangs them on ports
 *
 * A port's 'struct dp_capture_point' lists the captures that watch it; it is immutable and
 * replaced whole.  A port that nobody watches has none, and then a capture costs nothing.  A
 * worker never waits and calls no kernel: what does not fit into its ring, and what comes when
 * the capture has had its share of the worker's time, is counted as lost.  For every capture and
 * port: seen = filtered + kept + lost_ring + lost_budget.
 *
 * Life of a capture:
 *
 * 	RUNNING --filter_capture_stop()--> STOPPING --rings drained, file closed--> ENDED
 * 	RUNNING --packet count reached, disk full, reader gone--------------------> ENDED
 *
 * An ended one is taken off its ports and told to 'on_end' by filter_captures_poll(); it stays in
 * the list with its reason until its name is used again or 32 younger ones have ended.
 *
 * Threads: control thread only, but for the hook.  The writer thread inherits the control
 * thread's cores.
 */
#ifndef FILTERS_CAPTURE_H
#define FILTERS_CAPTURE_H

#include "ctl/base/err.h"
#include "dataplane/dp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/types.h>

#include <jansson.h>

struct filter_capture;
struct filter_captures;

#define FILTER_MAX_CAPTURES 64
#define FILTER_MAX_WORKERS  64

enum filter_capture_state { FILTER_CAPTURE_RUNNING, FILTER_CAPTURE_STOPPING, FILTER_CAPTURE_ENDED };

/* Bits of filter_capture_opts.stages */
#define FILTER_CAPTURE_INGRESS (1u << DP_STAGE_INGRESS)
#define FILTER_CAPTURE_EGRESS  (1u << DP_STAGE_EGRESS)
#define FILTER_CAPTURE_DROP    (1u << DP_STAGE_DROP)

struct filter_capture_stats {
	uint64_t seen;	      /* frames at the capture's ports and stages */
	uint64_t filtered;    /* did not match */
	uint64_t kept;	      /* matched and in a ring */
	uint64_t lost_ring;   /* the worker's ring was full, or not made yet */
	uint64_t lost_budget; /* the capture had had its share of the worker */
	uint64_t captured;    /* packets in the file or pipe */
	uint64_t lost_output; /* kept, but the output ended or took no more */
	uint64_t bytes;	      /* written */
	unsigned files;
};

struct filter_capture_info {
	const char *name;
	enum filter_capture_state state;
	const char *reason; /* why it ended, in words; "" while it runs */
	int error;	    /* 0: ended as asked; else the negative errno that ended it */
	struct filter_capture_stats stats;
};

struct filter_capture_opts {
	const char *name;   /* NULL: "capture1" and on */
	unsigned stages;    /* FILTER_CAPTURE_*; 0: ingress and egress */
	const char *expr;   /* tcpdump expression; NULL or "": every frame */
	uint32_t snaplen;   /* bytes kept of a frame; 0: 262144, which is also the most */
	int fd;		    /* output, or -1 for the ring of files below; taken */
	int dir_fd;	    /* folder of the ring; taken; -1: none */
	const char *base;   /* file names are base_00001.pcapng and on */
	unsigned n_files;   /* that many stay; 0: 10 */
	uint64_t file_size; /* bytes; 0: 100 M; at least 64 Ki */
	uid_t uid;	    /* who asked: ring files are opened as this user and group */
	gid_t gid;
	uint64_t max_packets; /* ends after so many; 0: none */
	unsigned share;	      /* percent of each worker's time, 1 to 100; 0: 10 */
	/* Rings for workers 0..n-1 are made at once; for others when they first need one (the
	 * frames until then are lost and counted). */
	unsigned n_workers;
	size_t ring_size; /* bytes per worker, rounded up to a power of two; 0: 4 Mi */
	/* Told once, from filter_captures_poll() (which filter_capture_create() calls as well);
	 * 'info' is borrowed.  May make and stop captures.  May be NULL. */
	void (*on_end)(void *ctx, const struct filter_capture_info *info);
	void *ctx;
};

/* Hangs 'point' on the port, or takes it off (NULL); when it returns no worker uses the old one:
 * dp_port_set_capture().  A port that is not there is no error. */
typedef void (*filter_set_point_fn)(void *ctx, uint16_t port_id, struct dp_capture_point *point);

/* 'application' and 'set_point' are borrowed until filter_captures_destroy().  After dp_eal_init().
 * -ENOMEM. */
int filter_captures_create(const char *application, filter_set_point_fn set_point, void *ctx,
			   struct filter_captures **ret_set, struct err *err);
/* Stops all captures, writes what they hold (waiting at most a second for a pipe that nobody
 * reads), without on_end. */
void filter_captures_destroy(struct filter_captures *set);

/* Becomes readable when a capture ended; then call filter_captures_poll(). */
int filter_captures_fd(const struct filter_captures *set);
void filter_captures_poll(struct filter_captures *set);

/* Starts a capture on no port yet.  Takes opts->fd and opts->dir_fd, on failure too; strings are
 * borrowed during the call. -EINVAL (slug "bad-filter", "bad-output", "bad-capture"), -EEXIST for
 * a name that runs, -ENOSPC beyond FILTER_MAX_CAPTURES, -EACCES and such for a file, -ENOMEM.
 * *ret_capture is valid until its on_end returned. */
int filter_capture_create(struct filter_captures *set, const struct filter_capture_opts *opts,
			  struct filter_capture **ret_capture, struct err *err);

/* Watch a port, or no longer.  'name' and 'description' ("lan0, tenant blue, tap") name it in the
 * file.  Watching a port that is watched changes nothing.  -ENOMEM, -ENOSPC when too many
 * different ports came and went. */
int filter_capture_port_add(struct filter_capture *capture, uint16_t port_id, const char *name,
			    const char *description, struct err *err);
void filter_capture_port_remove(struct filter_capture *capture, uint16_t port_id);
/* The port is being removed: no capture watches it after this. */
void filter_captures_port_gone(struct filter_captures *set, uint16_t port_id);

/* The port's device was opened anew (a new 'struct dp_port' under the same id): hangs the captures
 * that watch it on again. */
void filter_captures_port_renew(struct filter_captures *set, uint16_t port_id);

/* Takes the capture off its ports and lets the writer finish; on_end tells when it has.  'reason'
 * is for people. */
void filter_capture_stop(struct filter_capture *capture, const char *reason);

struct filter_capture *filter_capture_find(struct filter_captures *set, const char *name);
/* Strings are borrowed until the capture is gone. */
void filter_capture_info(const struct filter_capture *capture,
			 struct filter_capture_info *ret_info);
/* [{"name","state","reason","filter","engine","stages","ports":[..],"seen",..}], new reference,
 * in order of start. */
json_t *filter_captures_list(const struct filter_captures *set);

/* The dp_capture_fn.  Worker. */
void filter_capture_hook(struct dp_capture_point *point, unsigned worker, enum dp_stage stage,
			 enum dp_drop reason, struct rte_mbuf *const *pkts, uint16_t n);

#endif
