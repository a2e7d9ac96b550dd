/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A SCSI controller on VMBus (storvsp): up to 64 units behind up to 64 channels.
 *
 * 	channel open ─► BEGIN ─► QUERY_VERSION ─► QUERY_PROPERTIES ─► [subchannels] ─► END ─►
 * commands
 *
 * Threads: the owner's is that of the server (server.h); it adds and removes units and answers what
 * the server asks.  The disk thread, one for each controller, works the rings, the commands and the
 * disks.  A lock parts them: who holds it owns all of the controller.  The disk thread holds it for
 * a batch, and never while it waits.  The owner calls storvsp_event() when storvsp_fd() is
 * readable: that is how what the disk thread finds out (a channel has drained, subchannels are
 * wanted, a unit is free) reaches the server.
 *
 * Closing: a channel is closed, and its rings and the guest's pages let go, when all its commands
 * are done; what a disk does not complete holds up the close, for the kernel may still write those
 * pages.
 *
 * A guest's mistakes are counted by name and answered with an error; rings that lie are left alone
 * from then on.  A guest that does not read completions gets no more commands taken than
 * STORVSP_MAX_IN_FLIGHT for a channel.
 *
 * Lock order: the controller's lock is a leaf; the server is never called under it.
 *
 * Source: Linux drivers/scsi/storvsc_drv.c.
 */
#ifndef VMBUS_STORVSP_H
#define VMBUS_STORVSP_H

#include "ctl/base/err.h"
#include "vmbus/guid.h"
#include "vmbus/scsi.h"

#include <stdbool.h>
#include <stdint.h>

#define STORVSP_MAX_CHANNELS  64
#define STORVSP_MAX_IN_FLIGHT 256	 /* commands of a channel */
#define STORVSP_MAX_TRANSFER  (1u << 20) /* bytes of a command, as the guest is told */

/* ba6163d9-04a1-4d29-b605-72e2ffb1dc7f: a SCSI controller. */
#define VMBUS_GUID_SCSI                                                                            \
	((struct vmbus_guid){{0xd9, 0x63, 0x61, 0xba, 0xa1, 0x04, 0x29, 0x4d, 0xb6, 0x05, 0x72,    \
			      0xe2, 0xff, 0xb1, 0xdc, 0x7f}})

#define STORVSP_FAULTS(X)                                                                          \
	X(RING, "bad-ring", "ring whose indexes or descriptors lie, or that is no memory")         \
	X(PACKET, "bad-packet", "packet of a kind or size that guests do not send")                \
	X(OPERATION, "unknown-operation", "operation that controllers do not have")                \
	X(ORDER, "out-of-order", "operation that the state of the controller does not allow")      \
	X(VERSION, "unknown-version", "version of the protocol that is not known")                 \
	X(SRB, "bad-srb", "SCSI request whose lengths or direction do not fit")                    \
	X(PAGES, "bad-pages",                                                                      \
	  "data that is not in the guest's memory, or list of pages that is "                      \
	  "none")
enum storvsp_fault {
#define X(name, slug, text) STORVSP_FAULT_##name,
	STORVSP_FAULTS(X)
#undef X
		STORVSP_N_FAULTS,
};
const char *storvsp_fault_slug(enum storvsp_fault fault);
const char *storvsp_fault_text(enum storvsp_fault fault);

struct gpa_map;
struct storvsp;
struct vmbus_server;

struct storvsp_opts {
	struct vmbus_server *server;
	const struct gpa_map *memory;	   /* of the guest; borrowed for life */
	const char *name;		   /* makes the instance GUID; the same for the same name */
	const struct vmbus_guid *instance; /* or this one; NULL: by name */
	unsigned max_channels;		   /* 1 to STORVSP_MAX_CHANNELS; 0: 1 */
	/* Without a thread: the owner calls storvsp_work() when storvsp_work_fd() is readable.  For
	 * tests. */
	bool threadless;
	/* A unit's disk failed: the first time, and then once a minute; from storvsp_event().  May
	 * be NULL. */
	void (*trouble)(void *ctx, unsigned lun, const char *text);
	void *ctx;
};

struct storvsp_info {
	bool ready;		       /* a guest has negotiated */
	uint16_t version;	       /* major << 8 | minor; 0: none yet */
	unsigned n_channels;	       /* open */
	uint64_t commands, interrupts; /* taken; signals to the guest */
	uint32_t in_flight;
	uint64_t faults[STORVSP_N_FAULTS];
};

/* Offers a controller without units, and starts its thread.  Errors: no descriptor, no memory, no
 * relid left. */
int storvsp_create(const struct storvsp_opts *opts, struct storvsp **ret_storvsp, struct err *err);
/* Withdraws it; it, its thread and its disks end when the guest has let go, at once when none is
 * connected.  'gone' (may be NULL) is called then, from here or from the server; the controller's
 * calls may not be used any more, but storvsp_event() until then.  Takes NULL. */
void storvsp_destroy(struct storvsp *storvsp, void (*gone)(void *ctx), void *ctx);

/* Readable: call storvsp_event(), from no callback. */
int storvsp_fd(const struct storvsp *storvsp);
void storvsp_event(struct storvsp *storvsp);

/* Adds a unit, and tells the guest to look.  *Takes* the disk if it returns 0.  'name' makes its
 * serial number and identifier.  -EEXIST: the number is taken; -EINVAL: no number, or no disk;
 * -ENOMEM. */
int storvsp_add(struct storvsp *storvsp, unsigned lun, struct disk *disk, const char *name,
		struct err *err);
/* Takes a unit away, and tells the guest to look: commands to it fail from now on.  Its disk is
 * destroyed, and 'done' (may be NULL) called, when the commands under way are done: from here or
 * from storvsp_event().  -ENOENT. */
int storvsp_remove(struct storvsp *storvsp, unsigned lun, void (*done)(void *ctx), void *ctx,
		   struct err *err);
/* Looks at the size of the unit's image, and tells the guest if it is another.  *ret_size (may be
 * NULL): bytes. */
int storvsp_resize(struct storvsp *storvsp, unsigned lun, uint64_t *ret_size, struct err *err);
/* A unit's numbers: false when there is none. */
bool storvsp_stats(struct storvsp *storvsp, unsigned lun, struct scsi_stats *ret_stats,
		   struct disk_info *ret_info);
void storvsp_info(struct storvsp *storvsp, struct storvsp_info *ret_info);
/* Kernel thread of the disk thread; 0: none. */
int storvsp_tid(const struct storvsp *storvsp);

/* Of a threadless one. */
int storvsp_work_fd(const struct storvsp *storvsp);
void storvsp_work(struct storvsp *storvsp);

#endif
