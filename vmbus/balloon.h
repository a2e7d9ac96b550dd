/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Dynamic memory: a device by which the guest gives pages to its host and gets them back, and says
 * how much memory it needs.
 *
 * 	CLOSED ──guest opens──► VERSION ──accepted──► CAPS ──► READY ──┬── ask for pages ──► wait
 * 	   ▲                                                           └── give some back ─► wait
 * 	   └── guest closes or is reset: all pages are its own again
 *
 * The owner says how much memory the guest shall have (balloon_set_target()), and each tick comes
 * closer to it, one operation at a time.  How much that shall be is policy (pressure.h), made of
 * what the guest reports.
 *
 * A guest may list pages that are no memory, twice, or more than it was asked for: such are counted
 * and left alone.  Pages that the host took away and the guest uses nevertheless are memory again,
 * empty: it harms itself, and 'resident' of its memory says so.
 *
 * Memory that is not there from the start (hot add) is not offered: who wants a guest to grow makes
 * it with its maximum, and sets a lower target.
 *
 * Thread: the server's.  Source: Linux drivers/hv/hv_balloon.c
 */
#ifndef VMBUS_BALLOON_H
#define VMBUS_BALLOON_H

#include "vmbus/ic.h"

#include <stdbool.h>
#include <stdint.h>

struct gpa_map;

#define BALLOON_FAULTS(X)                                                                          \
	X(FRAME, "bad-message", "a message shorter than its type, or a packet of another type")    \
	X(TYPE, "unknown-message", "a message of a type that hosts do not take")                   \
	X(ORDER, "out-of-order",                                                                   \
	  "a message that its state does not allow, or an answer to nothing")                      \
	X(RANGE, "not-memory", "pages that are not its memory")                                    \
	X(TWICE, "given-twice", "pages that it gave before")                                       \
	X(EXCESS, "too-many", "more pages than it was asked for")                                  \
	X(DISCARD, "not-returned", "pages that the host's kernel did not take back")               \
	X(RING, "broken-ring", "a ring that lies")
enum balloon_fault {
#define X(name, slug, text) BALLOON_FAULT_##name,
	BALLOON_FAULTS(X)
#undef X
		BALLOON_N_FAULTS,
};
const char *balloon_fault_slug(enum balloon_fault fault);

enum balloon_state { BALLOON_CLOSED, BALLOON_VERSION, BALLOON_CAPS, BALLOON_READY };
const char *balloon_state_name(enum balloon_state state);

/* What the guest says of its memory, in bytes.  Not trusted. */
struct balloon_report {
	uint64_t at_ns;	    /* owner's clock; 0: there is none */
	uint64_t available; /* could be used at once */
	uint64_t committed; /* promised to programs; the balloon and what it must keep count */
};

struct balloon_opts {
	const struct gpa_map *memory; /* borrowed for life */
	/* Gives [gpa, gpa + size) back to the host: checked, and not given before.  0 or negative
	 * errno: then the pages stay given, and the host's memory used. */
	int (*discard)(void *ctx, uint64_t gpa, uint64_t size);
	/* The guest reported.  May be NULL. */
	void (*reported)(void *ctx, const struct balloon_report *report);
	void *ctx;
};

struct balloon_info {
	enum balloon_state state;
	uint32_t version;	/* major << 16 | minor */
	uint64_t capabilities;	/* as reported: bit 0 balloon, bit 1 hot add */
	uint64_t size;		/* bytes: all memory */
	uint64_t target;	/* bytes the guest shall have */
	uint64_t ballooned;	/* bytes it has given */
	bool busy;		/* an operation waits for the guest */
	uint64_t busy_since_ns; /* when it was asked */
	struct balloon_report report;
	uint64_t given, returned; /* bytes, in all */
	uint64_t faults[BALLOON_N_FAULTS];
};

struct balloon;

/* 'opts' is copied; 'env' borrowed for life.  0 or negative errno. */
int balloon_create(const struct ic_env *env, const struct balloon_opts *opts,
		   struct balloon **ret_balloon);
/* Takes NULL; not from a callback. */
void balloon_destroy(struct balloon *balloon);
void balloon_tick(struct balloon *balloon, uint64_t now_ns);
/* How much memory the guest shall have: bytes, at most all it has; it takes multiples of 2 MB off.
 * A guest never gives what it needs itself, so it may stay above. */
void balloon_set_target(struct balloon *balloon, uint64_t bytes);
void balloon_info(const struct balloon *balloon, struct balloon_info *ret_info);

#endif
