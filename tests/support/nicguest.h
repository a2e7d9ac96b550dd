/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's end of a synthetic NIC in memory of our own, without negotiation: rings, buffers and
 * packets as a network driver makes them, and (by writing to the memory directly) as it must not.
 * The switch's end is vmq, set up around it.
 */
#ifndef TESTS_SUPPORT_NICGUEST_H
#define TESTS_SUPPORT_NICGUEST_H

#include "hv/gpa.h"
#include "vmbus/packet.h"
#include "vmbus/rndis.h"
#include "vmq/bufs.h"
#include "vmq/control.h"
#include "vmq/journal.h"
#include "vmq/queue.h"

#include <stdbool.h>
#include <stdint.h>

#define NICGUEST_GPA	    0x100000u
#define NICGUEST_MAX_QUEUES 4
#define NICGUEST_MAX_EVENTS 512
#define NICGUEST_FRAME	    9216u
#define NICGUEST_SPARE	    (256u * 1024u) /* bytes for pages of GPA-direct packets */

struct nicguest_opts {
	uint16_t n_queues;	       /* 0: 1 */
	uint32_t ring_pages;	       /* of each direction, with its header; 0: 17 */
	uint32_t n_recv, recv_section; /* 0: 256, 1728 */
	uint32_t n_send, send_section; /* 0: 64, 6144 */
	uint32_t n_events;	       /* 0: NICGUEST_MAX_EVENTS */
	bool scattered;		       /* no two pages of the buffers lie together */
};

/* Something that came to the guest. */
struct nicguest_event {
	enum { NICGUEST_COMPLETION, NICGUEST_FRAME_IN, NICGUEST_NVSP, NICGUEST_RNDIS } kind;
	uint16_t queue;
	uint64_t transaction_id;
	uint32_t status; /* of a completion, NVSP_RNDIS_COMPLETE */
	struct rndis_packet packet;
	uint32_t size;
	uint8_t bytes[NICGUEST_FRAME];
};

struct nicguest {
	struct nicguest_opts opts;
	uint8_t *memory; /* shared between processes */
	size_t size;
	struct gpa_map map;
	struct vmbus_pages *recv, *send;
	uint32_t spare; /* offset of NICGUEST_SPARE bytes */
	struct nicguest_channel {
		struct vmbus_ring from, to;
		struct vmbus_out out; /* the guest's ends */
		struct vmbus_in in;
		int kick_fd, call_fd;
		struct vmq_queue *queue; /* the switch's */
	} channels[NICGUEST_MAX_QUEUES];
	struct vmq_path path;
	struct vmq_rules rules; /* what path.rules points to */
	struct vmq_bufs *bufs;
	struct vmq_journal *journal;
	struct vmq_control *control; /* of channel 0 */
	struct vmq_mail *mail;
	int control_fd;
	bool keep;	   /* poll() does not complete */
	bool keep_journal; /* nicguest_resume() goes on with the mapping that there is */
	unsigned n_kept;   /* packets not completed */
	uint64_t kept[NICGUEST_MAX_EVENTS];
	unsigned n_events;
	struct nicguest_event *events;
};

/* All set up and open; aborts when there is no memory. */
struct nicguest *nicguest_create(const struct nicguest_opts *opts);
void nicguest_destroy(struct nicguest *g);
/* The switch is gone, and another takes over: all that is the switch's is made anew, out of the
 * journal and the guest's memory.  Returns what opening the first queue says. */
int nicguest_resume(struct nicguest *g);
/* The guest closes all channels and opens them again, with the rings as their memory says. */
void nicguest_open_anew(struct nicguest *g);
/* Everything of the switch's end goes, as when it dies; the journal stays. */
void nicguest_drop_switch(struct nicguest *g);

/* Writes an RNDIS message with a frame to send section 's' at 'offset'; its size.
 * packet->frame_size is set here. */
uint32_t nicguest_write(struct nicguest *g, uint32_t s, uint32_t offset,
			struct rndis_packet *packet, const void *frame, uint32_t size);
/* Puts a data packet onto the ring: 'used' bytes of section 's'.  False: no room. */
bool nicguest_put(struct nicguest *g, uint16_t queue, uint64_t transaction_id, uint32_t s,
		  uint32_t used);
/* The same with pages behind (or, with NVSP_NO_SECTION, instead of) the section. */
bool nicguest_put_gpa(struct nicguest *g, uint16_t queue, uint64_t transaction_id, uint32_t s,
		      uint32_t used, const void *gpa_header, size_t gpa_header_size);
/* Write and put, with one plain frame. */
bool nicguest_send(struct nicguest *g, uint16_t queue, uint64_t transaction_id, const void *frame,
		   uint32_t size);
/* Puts any packet onto a ring. */
bool nicguest_put_any(struct nicguest *g, uint16_t queue, enum vmbus_packet_type type,
		      uint16_t flags, uint64_t transaction_id, const void *payload, size_t size);
/* Shows the switch what was put. */
void nicguest_show(struct nicguest *g, uint16_t queue);
/* Takes all that came on a ring, as events; completes packets with frames unless 'keep'.  Returns
 * the number of packets on the ring. */
unsigned nicguest_poll(struct nicguest *g, uint16_t queue);
void nicguest_complete(struct nicguest *g, uint16_t queue, uint64_t transaction_id);
/* Forgets events. */
void nicguest_clear(struct nicguest *g);

#endif
