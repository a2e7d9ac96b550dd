/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What VMBus needs of whoever runs the guest: a hypervisor, or a process that plays one (tests,
 * containers).  All calls come from the thread that calls the server (server.h).
 *
 * Signals are event descriptors, so that they need nobody between a guest's processor and a
 * worker:
 *
 * 	kick   guest -> host   SignalEvent on a connection id makes it readable
 * 	call   host -> guest   writing it sets the channel's event flag on its processor, and
 * 	                       interrupts that
 */
#ifndef VMBUS_HOST_H
#define VMBUS_HOST_H

#include <stddef.h>
#include <stdint.h>

#define VMBUS_MSG_MAX 240 /* bytes of a message, [TLFS] 11.2 */
/* Target processor of a channel that wants no interrupts. */
#define VMBUS_NO_VP UINT32_MAX

struct gpa_map;

/* Where a channel's event goes without the process that runs the guest: whoever maps its memory
 * sets bit 'relid' of the flags at 'gpa' (an atomic OR), and writes 'irq_fd' if it was clear. */
struct vmbus_event {
	uint64_t gpa; /* of a processor's 256 bytes of event flags */
	int irq_fd;   /* eventfd, borrowed: interrupts that processor */
};

struct vmbus_host_ops {
	/* Puts one message into the message slot (SINT 2) of processor 'vp'.  0; -EAGAIN: the slot
	 * is taken, vmbus_server_slot_free() will be called when it is free; another error: no such
	 * processor, the message is lost. */
	int (*post)(void *ctx, uint32_t vp, const void *msg, size_t size);
	/* From now on SignalEvent on 'connection_id' writes 'kick_fd' (borrowed); -1: nobody
	 * listens any more.  0 or negative errno. */
	int (*listen)(void *ctx, uint32_t connection_id, int kick_fd);
	/* From now on writing 'call_fd' (borrowed) raises event flag 'relid' on 'vp'; -1, or
	 * VMBUS_NO_VP: no more.  Replaces what was set for the relid. */
	int (*route)(void *ctx, uint16_t relid, uint32_t vp, int call_fd);
	/* Where events for 'vp' go, until vmbus_server_events_moved() is called for it.  0;
	 * -ENOENT: nowhere now, 'call_fd' is to be written.  May be NULL: always so. */
	int (*event)(void *ctx, uint32_t vp, struct vmbus_event *ret_event);
	/* The guest's memory; the same until the server is told (vmbus_server_reset()). */
	const struct gpa_map *(*memory)(void *ctx);
};

#endif
