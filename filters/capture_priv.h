/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A capture's insides; see capture.h.  Who writes what is said at each group of fields.
 */
#ifndef FILTERS_CAPTURE_PRIV_H
#define FILTERS_CAPTURE_PRIV_H

#include "filters/capture.h"
#include "filters/capture_budget.h"
#include "filters/capture_clock.h"
#include "filters/capture_file.h"
#include "filters/capture_filter.h"
#include "filters/capture_ring.h"

#include <pthread.h>
#include <stdatomic.h>

#define FILTER_MAX_IFACES  (2 * DP_MAX_PORTS) /* different ports in a capture's life */
#define FILTER_NO_IFACE	   UINT16_MAX
#define FILTER_SNAPLEN_MAX 262144u
#define FILTER_KEPT_ENDED  32
#define FILTER_TEXT_SIZE   192
/* Bytes wait at most so long, and one round more. */
#define FILTER_FLUSH_NS 50000000u
/* A stopped capture waits so long for a pipe's reader. */
#define FILTER_STUCK_NS 1000000000u

/* One worker's counters for one port in one capture; a line of its own, plain stores by that
 * worker. */
struct filter_count {
	alignas(64) _Atomic uint64_t seen;
	_Atomic uint64_t filtered, kept, lost_ring, lost_budget;
};

/* A port in a capture.  Outlives the port: frames of it may still be in a ring.  Control thread
 * makes it; immutable but for 'gone' and the counters. */
struct filter_iface {
	char name[DP_PORT_NAME_SIZE];
	char description[FILTER_TEXT_SIZE];
	atomic_bool gone;
	uint64_t start_ns;
	uint64_t delivered; /* writer's: packets of it in the output */
	struct filter_count counts[FILTER_MAX_WORKERS];
};

/* What one worker has of one capture.  Made before the worker can see it; its own but for the
 * ring. */
struct filter_lane {
	struct filter_budget budget;
	uint8_t *scratch; /* NULL unless the filter wants it */
	struct filter_ring *ring;
};

/* The writer's work on a capture, in order. */
enum filter_phase { FILTER_PHASE_RUN, FILTER_PHASE_STATS, FILTER_PHASE_FLUSH };

struct filter_capture {
	/* Read by workers. */
	atomic_bool active;
	unsigned stages;
	unsigned share;
	uint32_t snaplen;
	uint64_t window; /* cycles in ten milliseconds, for the budget */
	struct filter_match *match;
	_Atomic(struct filter_lane *) lanes[FILTER_MAX_WORKERS];
	atomic_bool lane_wanted[FILTER_MAX_WORKERS]; /* set by the worker, cleared by the writer */

	/* Control thread makes, writer reads. */
	struct filter_captures *set;
	char name[DP_PORT_NAME_SIZE];
	char *expr;
	size_t ring_size;
	uint64_t max_packets;
	struct filter_iface **ifaces; /* [FILTER_MAX_IFACES] */
	atomic_uint n_ifaces;	      /* release: the entries below it are complete */
	_Atomic int state; /* enum filter_capture_state; ENDED is the writer's last touch */
	char stop_reason[FILTER_TEXT_SIZE]; /* set before STOPPING */

	/* Writer's. */
	enum filter_phase phase;
	struct filter_file *file;
	/* For each iface its number in the open file; FILTER_NO_IFACE: not in it. */
	uint16_t *iface_ids;
	unsigned n_looked_at; /* ifaces below it are in the file, or were gone when it was opened */
	unsigned n_file_ifaces; /* in the file */
	unsigned n_stats;	/* ifaces below it have their closing statistics */
	bool section_written;
	bool file_has_packets;
	uint64_t written;  /* packets committed to the output */
	uint64_t poll_ns;  /* when the reader was last looked for */
	uint64_t stuck_ns; /* since when a stopped capture waits for its reader; 0: it does not */
	uint64_t stuck_bytes;	       /* and how much it had taken then */
	char reason[FILTER_TEXT_SIZE]; /* this and 'error' are the control thread's when ENDED */
	int error;
	/* Writer's, read by the control thread. */
	_Atomic uint64_t captured, bytes;
	atomic_uint files;

	/* Control thread's. */
	uint16_t iface_of_port[DP_MAX_PORTS];
	struct filter_capture_stats final; /* when reaped */
	bool reaped;
	uint64_t number; /* order of start */
	void (*on_end)(void *ctx, const struct filter_capture_info *info);
	void *ctx;
};

struct filter_captures {
	const char *application;
	filter_set_point_fn set_point;
	void *ctx;
	struct dp_capture_point *points[DP_MAX_PORTS];
	struct filter_capture *ended[FILTER_KEPT_ENDED];
	uint64_t n_started;
	char hardware[FILTER_TEXT_SIZE], os[FILTER_TEXT_SIZE];
	int event_fd;
	bool thread_started;
	pthread_t thread;
	struct filter_clock clock; /* writer's */

	/* 'lock' guards what is below; held for moments only.  The writer copies the list and
	 * works without it: a capture leaves the list (control) only after the writer made it
	 * ENDED, its last touch. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool quit;
	struct filter_capture *running[FILTER_MAX_CAPTURES];
	unsigned n_running;
};

struct filter_watch {
	struct filter_capture *capture;
	struct filter_iface *iface;
	uint16_t iface_id;
};

/* The captures on one port.  Immutable. */
struct dp_capture_point {
	uint16_t port_id;
	uint16_t n;
	struct filter_watch watches[];
};

/* Starts the writer thread if it does not run yet.  0 or a negative errno. */
int filter_writer_start(struct filter_captures *set);
void *filter_writer_main(void *set);

/* Gives back what only a running capture needs.  On no port, and ENDED or never shown to the
 * writer. */
void filter_capture_release(struct filter_capture *capture);
/* The rest too.  Takes NULL. */
void filter_capture_free(struct filter_capture *capture);

/* What stopped a step of the writer: nothing, an output that takes no more now, the packet count,
 * or an error of the output (filter_file_error()). */
enum filter_step { FILTER_STEP_DONE, FILTER_STEP_BLOCKED, FILTER_STEP_LIMIT, FILTER_STEP_FAILED };

/* Blocks for the output (capture_blocks.c).  Writer.  Section and interfaces that are new since
 * the last call: */
enum filter_step filter_blocks_head(struct filter_capture *capture);
/* A packet, in the next file if the ring's file is full: */
enum filter_step filter_blocks_packet(struct filter_capture *capture, const struct filter_rec *rec);
/* The closing statistics of each interface: */
enum filter_step filter_blocks_stats(struct filter_capture *capture);
/* After the output refused: BLOCKED or FAILED. */
enum filter_step filter_blocks_stopped(const struct filter_capture *capture);

/* A worker's part of a capture; NULL when there is no memory.  Control thread or writer. */
struct filter_lane *filter_lane_create(const struct filter_capture *capture);
void filter_lane_destroy(struct filter_lane *lane);

/* Takes the capture off all its ports; when it returns no worker uses it.  Control thread. */
void filter_capture_detach(struct filter_capture *capture);

/* What the counters say now; lost_output is known at the end only.  Control thread. */
void filter_capture_sum(const struct filter_capture *capture,
			struct filter_capture_stats *ret_stats);

/* Adds up an interface's counters over the workers: seen, filtered, kept, lost_*.  Any thread. */
void filter_iface_sum(const struct filter_iface *iface, struct filter_capture_stats *sum);

/* Fills in the transport checksum of a whole frame in memory, as FILTER_REC_CSUM_* in 'flags'
 * says.  False when the headers do not lead to one; the frame is then unchanged.  Any bytes, any
 * lengths. */
bool filter_csum_finish(uint8_t *frame, size_t size, size_t l2, size_t l3, uint32_t flags);

#endif
