/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest's driver for a SCSI controller, over vmbus/guest: negotiates as Linux does, sends
 * commands, and collects what comes back.  For tests, which also make it lie.
 *
 * Thread: one.
 */
#ifndef TESTS_SUPPORT_STORGUEST_H
#define TESTS_SUPPORT_STORGUEST_H

#include "vmbus/guest/bus.h"
#include "vmbus/guest/channel.h"
#include "vmbus/storvsp_proto.h"

#include <stdbool.h>
#include <stdint.h>

#define STORGUEST_MAX_CHANNELS 64
#define STORGUEST_MAX_DONE     2048

struct storguest_done {
	unsigned channel;
	uint64_t id;
	uint16_t type; /* of the packet */
	uint32_t size; /* of its payload */
	uint8_t bytes[STORVSP_PACKET_SIZE];
};

struct storguest {
	struct guest_bus *bus;
	struct guest_channel *channels[STORGUEST_MAX_CHANNELS];
	unsigned n_channels; /* open */
	uint16_t version;
	struct storvsp_properties properties;
	uint64_t next_id;
	uint32_t ring_pages; /* of each ring; 0: 32 */
	/* Not asked for yet. */
	struct storguest_done done[STORGUEST_MAX_DONE];
	unsigned n_done;
	unsigned n_enumerate; /* times it was told to look for units */
};

/* Waits for the controller's offer; NULL: none came. */
struct guest_channel *storguest_find(struct guest_bus *bus);
/* Opens it; nothing is negotiated. */
int storguest_open(struct storguest *g, struct guest_bus *bus);
/* Negotiates: 'versions', best first, ended by 0 (NULL: those of Linux); then opens 'n' subchannels
 * if so many are offered.  0 or -EPROTO. */
int storguest_start(struct storguest *g, const uint16_t *versions, unsigned n_subchannels);
void storguest_close(struct storguest *g);

/* Puts a packet on a ring and signals; its number, 0: no room.  'pages' may be NULL; its first
 * 'size' bytes from 'offset' on are the data. */
uint64_t storguest_send(struct storguest *g, unsigned channel, const void *bytes, uint32_t n_bytes,
			const struct guest_buffer *pages, uint32_t offset, uint32_t size);
/* The completion of a packet; false: none within 'timeout_ms'. */
bool storguest_wait(struct storguest *g, uint64_t id, unsigned timeout_ms,
		    struct storguest_done *ret_done);
/* Takes what came; how many are not asked for yet. */
unsigned storguest_poll(struct storguest *g);
/* An operation without data, and its answer's status; UINT32_MAX: none. */
uint32_t storguest_op(struct storguest *g, unsigned channel, struct storvsp_packet *packet);

/* Begins a command; its number. */
uint64_t storguest_begin(struct storguest *g, unsigned channel, uint8_t lun, const uint8_t *cdb,
			 uint8_t cdb_size, uint8_t direction, const struct guest_buffer *pages,
			 uint32_t offset, uint32_t size);
/* Does one; *ret is its SRB.  False: no answer. */
bool storguest_do(struct storguest *g, uint8_t lun, const uint8_t *cdb, uint8_t cdb_size,
		  uint8_t direction, const struct guest_buffer *pages, uint32_t size,
		  struct storvsp_srb *ret);
/* READ (10) and WRITE (10) of 512-byte blocks; the SRB status. */
uint8_t storguest_read(struct storguest *g, uint8_t lun, uint32_t lba, uint16_t n,
		       const struct guest_buffer *pages);
uint8_t storguest_write(struct storguest *g, uint8_t lun, uint32_t lba, uint16_t n,
			const struct guest_buffer *pages, bool fua);
uint8_t storguest_flush(struct storguest *g, uint8_t lun);

#endif
