/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The attach protocol: how the process that runs a guest (a VM worker, or a tool that plays one)
 * hands a NIC's channels to the switch.  One socket (SOCK_SEQPACKET) for each NIC; each message is
 * one packet, with descriptors where it says so.  docs/attach.md is the specification; here are the
 * messages as bytes, for both ends.
 *
 * 	worker                                   switch
 * 	HELLO (versions, memory + its fds, ──►
 * 	       state fd of the last switch)
 * 	                                    ◄──  WELCOME (version, NIC, state fd), or REFUSED
 * 	MONITOR, GPADL.., OPEN..            ──►       what there was before, if there was
 * 	READY                               ──►
 *
 * 	GPADL, GPADL_TEARDOWN               ──►  GPADL_RELEASED
 * 	OPEN (rings; kick fd, call fd)      ──►  OPENED
 * 	CLOSE                               ──►  CLOSED
 * 	EVENT (where flags are; irq fd)     ──►       in place of 'call'
 * 	RETARGETED                          ──►       (the switch fires once)
 * 	                                    ◄──  OFFER_SUBCHANNELS
 * 	                                    ◄──  REMOVED (withdraw the device; perhaps offer it
 * anew)
 *
 * When the switch dies the worker keeps the guest's channels as they are, connects again, and says
 * everything once more, with the state descriptor that the last switch gave it; so the guest
 * notices lost packets only.  When the worker dies its NIC is a port that is down.
 *
 * Thread: none; the caller's.
 */
#ifndef VMBUS_ATTACH_H
#define VMBUS_ATTACH_H

#include "vmbus/channel.h"
#include "vmbus/gpadl.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMBUS_ATTACH_MIN_VERSION   1
#define VMBUS_ATTACH_VERSION	   2
#define VMBUS_ATTACH_EVENT_VERSION 2 /* the first one with EVENT, and a MAC in WELCOME */
#define VMBUS_ATTACH_MAX_MEMORY	   16
#define VMBUS_ATTACH_MAX_FDS	   (VMBUS_ATTACH_MAX_MEMORY + 1)
#define VMBUS_ATTACH_TEXT_SIZE	   128
/* Longest message: a GPADL of most pages. */
#define VMBUS_ATTACH_MAX_SIZE (32 + 8 * VMBUS_GPADL_MAX_PFNS)

enum vmbus_attach_type {
	VMBUS_ATTACH_HELLO = 1,
	VMBUS_ATTACH_WELCOME,
	VMBUS_ATTACH_REFUSED,
	VMBUS_ATTACH_MONITOR,
	VMBUS_ATTACH_GPADL,
	VMBUS_ATTACH_GPADL_TEARDOWN,
	VMBUS_ATTACH_GPADL_RELEASED,
	VMBUS_ATTACH_OPEN,
	VMBUS_ATTACH_OPENED,
	VMBUS_ATTACH_CLOSE,
	VMBUS_ATTACH_CLOSED,
	VMBUS_ATTACH_READY,
	VMBUS_ATTACH_RETARGETED,
	VMBUS_ATTACH_OFFER_SUBCHANNELS,
	VMBUS_ATTACH_REMOVED,
	VMBUS_ATTACH_EVENT,
	VMBUS_ATTACH_N_TYPES,
};

/* HELLO.flags: the last descriptor is the state that a switch gave earlier. */
#define VMBUS_ATTACH_HAS_STATE 1u
/* WELCOME.flags. */
#define VMBUS_ATTACH_MONITORED 1u /* offer the NIC's channels with monitors */
#define VMBUS_ATTACH_RESUMED   2u /* the state was taken up: channels may be OPENed as they are */

struct vmbus_attach_memory {
	uint64_t gpa, size, offset; /* bytes; offset in its file */
};

struct vmbus_attach_msg {
	enum vmbus_attach_type type;
	union {
		struct {
			uint32_t min_version, max_version;
			uint32_t flags;
			uint32_t n_memory;
			struct vmbus_attach_memory memory[VMBUS_ATTACH_MAX_MEMORY];
			char who[VMBUS_ATTACH_TEXT_SIZE]; /* for people: "vmbus-tap 4711" */
		} hello; /* descriptors: n_memory, and the state's */
		struct {
			uint32_t version;
			uint32_t flags;
			struct vmbus_guid instance;
			uint8_t mac[6]; /* version 2: what the guest finds in its NIC */
		} welcome;		/* descriptor: the state's */
		struct {
			uint32_t error; /* errno, positive */
			char text[VMBUS_ATTACH_TEXT_SIZE];
		} refused;
		struct {
			uint64_t parent_to_child, child_to_parent; /* addresses; 0: none */
		} monitor;
		struct {
			uint32_t id, byte_count, byte_offset, n_pfns;
			uint16_t relid;
			/* Little endian, in the message read (unaligned), or given to write. */
			const void *pfns;
		} gpadl;
		struct {
			uint32_t id;
			uint16_t relid;
		} gpadl_ref; /* GPADL_TEARDOWN, GPADL_RELEASED */
		struct {
			uint16_t relid, sub_index;
			uint32_t ring_gpadl, ring_offset;
			uint8_t monitor_id;
			bool resumed; /* the guest has had it open since before this connection */
		} open;		      /* descriptors: kick, call */
		struct {
			uint16_t relid;
			uint32_t status; /* OPENED: 0 or errno, positive */
		} channel;		 /* OPENED, CLOSE, CLOSED, RETARGETED */
		struct {
			uint16_t relid;
			uint16_t bit; /* of the flags */
			uint64_t gpa; /* of 256 bytes of flags; 0: fire 'call' from now on */
		} event;	      /* descriptor, unless gpa is 0: irq */
		struct {
			uint32_t n; /* there shall be so many in all, offered already or not */
		} subchannels;
		struct {
			bool again;
		} removed;
	};
};

/* Reads a message that a worker sent ('from_worker') or the switch.  0; -EBADMSG: too short or too
 * long for its type, counts that do not fit; -EOPNOTSUPP: not a type of that side. */
int vmbus_attach_read(const void *bytes, size_t size, bool from_worker,
		      struct vmbus_attach_msg *ret_msg);
/* How many descriptors a message that was read comes with. */
unsigned vmbus_attach_n_fds(const struct vmbus_attach_msg *msg);
/* Writes one to 'to', which has VMBUS_ATTACH_MAX_SIZE bytes; returns its size. */
size_t vmbus_attach_write(const struct vmbus_attach_msg *msg, void *to);

/* Sends a message and descriptors (borrowed) without waiting.  0; -EAGAIN: the other end does not
 * read; another errno: it is gone. */
int vmbus_attach_send(int fd, const struct vmbus_attach_msg *msg, const int *fds, unsigned n_fds);
/* Receives a message without waiting into 'buf' of VMBUS_ATTACH_MAX_SIZE bytes, in which gpadl.pfns
 * points.  Its descriptors are the caller's to close: ret_fds has VMBUS_ATTACH_MAX_FDS places.
 * 0; -EAGAIN: nothing there; -EPIPE: the other end closed; -EBADMSG: a message that is none, or
 * with other descriptors than its type has (all closed). */
int vmbus_attach_recv(int fd, bool from_worker, void *buf, struct vmbus_attach_msg *ret_msg,
		      int *ret_fds);

#endif
