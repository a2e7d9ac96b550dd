/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The life of a machine: what state it is in, who may change it, and how it ends.
 *
 * 	STARTING ─► RUNNING ◄──pause, resume──► PAUSED
 * 	              │  ▲
 * 	   stop ──► STOPPING │reset      the guest reboots; asked; or crashed, and 'on_crash' says
 * so │      │ ▼      │ STOPPED   CRASHED     'on_crash' is to keep it for a look: its processors
 * stand
 *
 * It decides; what is done to the machine is in 'struct life_ops', so that it can be tried without
 * one.
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_LIFE_H
#define HV_WORKER_LIFE_H

#include "ctl/base/err.h"
#include "hv/partition.h"
#include "hv/worker/config.h"

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct event_base;
struct life;

enum life_state {
	LIFE_STARTING,
	LIFE_RUNNING,
	LIFE_PAUSED,
	LIFE_STOPPING, /* it was asked to power off */
	LIFE_STOPPED,
	LIFE_CRASHED,
	LIFE_N_STATES,
};
const char *life_state_name(enum life_state state);

/* Exit statuses of a worker. */
enum life_exit {
	LIFE_EXIT_OFF = 0,
	LIFE_EXIT_FAILED = 1,
	LIFE_EXIT_CRASHED = 2,
	LIFE_EXIT_FAULT = 3,
};

struct life_ops {
	int (*run)(void *ctx, struct err *err);
	void (*pause)(void *ctx);
	/* Answered by life_reset_done(), perhaps at once. */
	void (*reset)(void *ctx);
	/* Asks the guest to power off.  False: nobody in it would hear. */
	bool (*shutdown)(void *ctx);
	void (*button)(void *ctx);
	/* Tells all who listen; takes the reference. */
	void (*event)(void *ctx, const char *name, json_t *event);
	/* STOPPED: the process is to end. */
	void (*ended)(void *ctx);
};

struct life_opts {
	struct event_base *base;
	enum worker_on_crash on_crash;
	unsigned button_s; /* after which an asked guest has its button pressed; 0: 30 */
	const struct life_ops *ops;
	void *ctx;
};

int life_create(const struct life_opts *opts, struct life **ret_life, struct err *err);
/* Takes NULL. */
void life_destroy(struct life *life);

/* ---- What people ask.  -EBUSY or -EALREADY (slug "wrong-state") when it is not the time. ---- */

int life_start(struct life *life, struct err *err);
int life_pause(struct life *life, struct err *err);
int life_resume(struct life *life, struct err *err);
int life_reset(struct life *life, struct err *err);
/* 'off': at once; else the guest is asked, and may take its time. */
int life_stop(struct life *life, bool off, struct err *err);

/* ---- What happens ---- */

void life_powered_off(struct life *life);
void life_wants_reset(struct life *life);
void life_crashed(struct life *life, const struct hv_crash *crash);
void life_fault(struct life *life, const char *text);
void life_reset_done(struct life *life, int rc, const struct err *err);

/* ---- What there is to know ---- */

enum life_state life_state(const struct life *life);
enum life_exit life_exit(const struct life *life);
uint64_t life_started_ns(const struct life *life); /* of the wall's clock */
double life_uptime_s(const struct life *life);
/* What it crashed of last; {} if it did not.  A new reference. */
json_t *life_crash(const struct life *life);
/* {"status", "why", "text", "crash", "time"}: for exit.json.  A new reference. */
json_t *life_outcome(const struct life *life);

#endif
