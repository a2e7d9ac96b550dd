/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Backup (VSS): brings the guest's file systems to rest, so that a copy of its disks is consistent.
 *
 * 	IDLE ──freeze()──► QUERY ──can──► FREEZING ──done──► FROZEN ──thaw(), limit──► THAWING ──►
 * IDLE │               │ refused, late: frozen(error)                ▲ └─ cannot: IDLE
 * └──────────────────────────────────────────────┘
 *
 * A guest that was asked to freeze is always asked to thaw, whatever it answered, and asked again
 * until it has.  Nobody may keep a guest frozen longer than 'limit_ns'.
 *
 * Linux does this by hv_vss_daemon, and has the service when that runs.
 *
 * Thread: the server's.  Source: Linux drivers/hv/hv_snapshot.c
 */
#ifndef VMBUS_IC_VSS_H
#define VMBUS_IC_VSS_H

#include "vmbus/ic.h"

enum vss_state { VSS_IDLE, VSS_QUERY, VSS_FREEZING, VSS_FROZEN, VSS_THAWING };
const char *vss_state_name(enum vss_state state);

struct ic_vss_opts {
	uint64_t freeze_timeout_ns; /* 0: 60 s */
	uint64_t limit_ns;	    /* frozen no longer than this; 0: 30 s */
	/* What ic_vss_freeze() asked for.  0: it is frozen, until ic_vss_thaw() or the limit; -EIO:
	 * the guest cannot or would not; -ETIMEDOUT; -ECONNRESET; -ECANCELED: thawed before. */
	void (*frozen)(void *ctx, int error);
	/* It was frozen and is not any more.  0: by ic_vss_thaw(); -ETIMEDOUT: by the limit, or it
	 * does not say that it thawed; -EIO: it says that it could not; -ECONNRESET: its driver
	 * went away. */
	void (*thawed)(void *ctx, int error);
	void *ctx;
};

struct ic_vss;

/* 'opts' is copied; 'env' borrowed for life.  0 or negative errno. */
int ic_vss_create(const struct ic_env *env, const struct ic_vss_opts *opts,
		  struct ic_vss **ret_vss);
/* Takes NULL; not from a callback.  Who froze the guest thaws it first. */
void ic_vss_destroy(struct ic_vss *vss);
void ic_vss_tick(struct ic_vss *vss, uint64_t now_ns);
void ic_vss_resumed(struct ic_vss *vss, uint64_t now_ns);
/* 0: frozen() will be called, perhaps before this returns; -ENOTCONN: the guest has no driver or no
 * daemon; -EBUSY: it is frozen, or was asked. */
int ic_vss_freeze(struct ic_vss *vss);
/* 0: thawed() (or frozen(), if it was not yet) will be called; -EALREADY: it is not frozen. */
int ic_vss_thaw(struct ic_vss *vss);
enum vss_state ic_vss_state(const struct ic_vss *vss);
void ic_vss_info(const struct ic_vss *vss, struct ic_info *ret_info);

#endif
