/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shutdown: asks the guest to power off or to start anew, in order.  It says at once whether it
 * will; what follows is seen elsewhere (the power-management port, a reset), and may take minutes:
 * who asks sets a limit of his own.
 *
 * Thread: the server's.  Source: Linux drivers/hv/hv_util.c (shutdown_onchannelcallback)
 */
#ifndef VMBUS_IC_SHUTDOWN_H
#define VMBUS_IC_SHUTDOWN_H

#include "vmbus/ic.h"

enum shutdown_how { SHUTDOWN_POWER_OFF, SHUTDOWN_REBOOT };

struct ic_shutdown_opts {
	/* The guest answered what ic_shutdown_request() asked.  0: it is going down; -EIO: it will
	 * not; -ETIMEDOUT: nothing for 30 s; -ECONNRESET: its driver went away. */
	void (*done)(void *ctx, int error);
	void *ctx;
};

struct ic_shutdown;

/* 'opts' is copied; 'env' borrowed for life.  0 or negative errno. */
int ic_shutdown_create(const struct ic_env *env, const struct ic_shutdown_opts *opts,
		       struct ic_shutdown **ret_shutdown);
/* Takes NULL; not from a callback. */
void ic_shutdown_destroy(struct ic_shutdown *shutdown);
void ic_shutdown_tick(struct ic_shutdown *shutdown, uint64_t now_ns);
void ic_shutdown_resumed(struct ic_shutdown *shutdown, uint64_t now_ns);
/* 'force': do not ask the guest's people.  'why' goes to the guest's log: ASCII, cut at 1023
 * characters.  0: done() will be called; -ENOTCONN: the guest has no driver, or not yet: use the
 * power button; -EBUSY: it was asked already. */
int ic_shutdown_request(struct ic_shutdown *shutdown, enum shutdown_how how, bool force,
			const char *why);
/* The guest would hear. */
bool ic_shutdown_ready(const struct ic_shutdown *shutdown);
void ic_shutdown_info(const struct ic_shutdown *shutdown, struct ic_info *ret_info);

#endif
