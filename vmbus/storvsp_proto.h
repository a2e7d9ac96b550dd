/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The packets of a SCSI controller on VMBus: 64 bytes, little endian, the same for all operations.
 * Codec: knows bytes only.
 *
 * 	operation (32) flags (32) status (32) and then, by operation:
 * 	  version     major.minor (16) revision (16)
 * 	  properties  reserved (32) subchannels (16) reserved (16) flags (32) transfer (32) reserved
 * (64) channels    count (16) request     see 'struct storvsp_srb'; 36 bytes before 5.1, 52 since
 *
 * Source: Linux drivers/scsi/storvsc_drv.c (struct vstor_packet, struct vmscsi_request).
 */
#ifndef VMBUS_STORVSP_PROTO_H
#define VMBUS_STORVSP_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORVSP_PACKET_SIZE 64u
#define STORVSP_HEADER_SIZE 12u
#define STORVSP_SRB_MIN	    36u /* bytes of a request before 5.1 */
#define STORVSP_SRB_SIZE    52u
#define STORVSP_CDB_SIZE    16u
#define STORVSP_SENSE_ROOM  20u

enum storvsp_op {
	STORVSP_COMPLETE_IO = 1, /* host: to every packet that asks for it */
	STORVSP_REMOVE_DEVICE,	 /* host, unasked */
	STORVSP_EXECUTE_SRB,
	STORVSP_RESET_LUN,
	STORVSP_RESET_ADAPTER,
	STORVSP_RESET_BUS,
	STORVSP_BEGIN_INITIALIZATION,
	STORVSP_END_INITIALIZATION,
	STORVSP_QUERY_VERSION,
	STORVSP_QUERY_PROPERTIES,
	STORVSP_ENUMERATE_BUS, /* host, unasked */
	STORVSP_FCHBA_DATA,
	STORVSP_CREATE_SUBCHANNELS,
};

/* Versions: major << 8 | minor. */
#define STORVSP_V2_0 0x0200u
#define STORVSP_V4_2 0x0402u
#define STORVSP_V5_1 0x0501u
#define STORVSP_V6_0 0x0600u
#define STORVSP_V6_2 0x0602u

#define STORVSP_FLAG_COMPLETION 1u

/* Status of a completion: NTSTATUS. */
#define STORVSP_OK		 0u
#define STORVSP_STATUS_PARAMETER 0xC000000Du
#define STORVSP_STATUS_REQUEST	 0xC0000010u /* no such operation */
#define STORVSP_STATUS_REVISION	 0xC0000059u
#define STORVSP_STATUS_STATE	 0xC0000184u

/* Status of a request. */
#define STORVSP_SRB_SUCCESS	0x01
#define STORVSP_SRB_ABORTED	0x02
#define STORVSP_SRB_ERROR	0x04
#define STORVSP_SRB_BUSY	0x05
#define STORVSP_SRB_INVALID	0x06
#define STORVSP_SRB_NO_DEVICE	0x08
#define STORVSP_SRB_OVERRUN	0x12
#define STORVSP_SRB_INVALID_LUN 0x20
#define STORVSP_SRB_AUTOSENSE	0x80
/* Its direction. */
#define STORVSP_DATA_WRITE 0
#define STORVSP_DATA_READ  1
#define STORVSP_DATA_NONE  2

#define STORVSP_MULTI_CHANNEL 1u

struct storvsp_properties {
	uint16_t max_subchannels;
	uint32_t flags;
	uint32_t max_transfer; /* bytes */
};

struct storvsp_srb {
	uint16_t size; /* as its writer says */
	uint8_t srb_status, scsi_status;
	uint8_t port, path, target, lun;
	uint8_t cdb_size, sense_size;
	uint8_t direction;
	uint32_t transfer; /* bytes */
	uint8_t cdb_or_sense[STORVSP_SENSE_ROOM];
	uint32_t flags, timeout_s, sort_key; /* since 5.1 */
	uint8_t tag, queue_action;
};

struct storvsp_packet {
	uint32_t op, flags, status;
	union {
		struct {
			uint16_t version, revision;
		};
		struct storvsp_properties properties;
		uint16_t n_subchannels;
		struct storvsp_srb srb;
	};
};

/* Reads what a guest or a host sent.  What stands behind the header is read as operation 'as' has
 * it (of a completion: the operation that it completes); 0: as its own.  0; -EBADMSG: shorter than
 * that needs. */
int storvsp_packet_read(const void *bytes, size_t size, enum storvsp_op as,
			struct storvsp_packet *ret_packet);
/* Writes one, with the union of operation 'as' (0: its own). */
void storvsp_packet_write(const struct storvsp_packet *packet, enum storvsp_op as,
			  uint8_t bytes[STORVSP_PACKET_SIZE]);

#endif
