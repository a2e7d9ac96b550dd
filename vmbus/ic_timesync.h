/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Time synchronisation: tells the guest what time it is.
 *
 * 	sync     the guest sets its clock: when its driver comes, after a pause or a restored state,
 * 	         when the host's clock was set, and when somebody asks
 * 	sample   every five seconds: a reference that a daemon in the guest may follow (Linux:
 * 	         /dev/ptp_hyperv), and that changes nothing by itself
 *
 * Both carry the host's time and the partition's reference time of the same instant, so how long
 * the message takes does not matter.
 *
 * Thread: the server's.  Source: Linux drivers/hv/hv_util.c (timesync_onchannelcallback)
 */
#ifndef VMBUS_IC_TIMESYNC_H
#define VMBUS_IC_TIMESYNC_H

#include "vmbus/ic.h"

/* 100 ns from 1601 to 1970. */
#define TIMESYNC_UNIX_EPOCH 116444736000000000ull

struct ic_timesync_opts {
	uint64_t interval_ns; /* of samples; 0: 5 s */
	/* The host's time (UTC, 100 ns since 1601) and the partition's reference time (100 ns, what
	 * the guest reads as HV_X64_MSR_TIME_REF_COUNT), of one instant. */
	void (*now)(void *ctx, uint64_t *ret_host, uint64_t *ret_reference);
	void *ctx;
};

struct ic_timesync_info {
	uint64_t syncs, samples; /* that the guest has taken */
	struct ic_info ic;
};

struct ic_timesync;

/* 'opts' is copied; 'env' borrowed for life.  0 or negative errno. */
int ic_timesync_create(const struct ic_env *env, const struct ic_timesync_opts *opts,
		       struct ic_timesync **ret_timesync);
/* Takes NULL; not from a callback. */
void ic_timesync_destroy(struct ic_timesync *timesync);
void ic_timesync_tick(struct ic_timesync *timesync, uint64_t now_ns);
/* And sets the guest's clock. */
void ic_timesync_resumed(struct ic_timesync *timesync, uint64_t now_ns);
/* Sets the guest's clock with the next tick, or as soon as its driver is there. */
void ic_timesync_sync(struct ic_timesync *timesync);
void ic_timesync_info(const struct ic_timesync *timesync, struct ic_timesync_info *ret_info);

#endif
