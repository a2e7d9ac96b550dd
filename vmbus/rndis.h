/* SPDX-License-Identifier: BSD-2-Clause
 *
 * RNDIS as NDIS guests speak it over NVSP.  Codec: bytes only, both ends; that of data packets is
 * in rndis_packet.h, inline for the packet path.  Offsets within messages count from byte 8.
 * Source: [MS-RNDIS] 2.2, Linux drivers/net/hyperv/rndis_filter.c.
 */
#ifndef VMBUS_RNDIS_H
#define VMBUS_RNDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rndis_type {
	RNDIS_PACKET = 1,
	RNDIS_INITIALIZE = 2,
	RNDIS_HALT = 3,
	RNDIS_QUERY = 4,
	RNDIS_SET = 5,
	RNDIS_RESET = 6,
	RNDIS_INDICATE_STATUS = 7,
	RNDIS_KEEPALIVE = 8,
};
#define RNDIS_COMPLETION 0x80000000u /* with the type of what it answers */

#define RNDIS_STATUS_SUCCESS	     0u
#define RNDIS_STATUS_FAILURE	     0xC0000001u
#define RNDIS_STATUS_NOT_SUPPORTED   0xC00000BBu
#define RNDIS_STATUS_INVALID_DATA    0xC0010015u
#define RNDIS_STATUS_BAD_VERSION     0xC0010004u
#define RNDIS_STATUS_CONNECT	     0x4001000Bu
#define RNDIS_STATUS_DISCONNECT	     0x4001000Cu
#define RNDIS_STATUS_SPEED	     0x40010013u
#define RNDIS_STATUS_NETWORK_CHANGE  0x40010018u
#define RNDIS_STATUS_OFFLOAD_CURRENT 0x40020006u

#define RNDIS_OFFSET_BASE	 8u
#define RNDIS_PACKET_HEADER_SIZE 44u
/* Header and all PPIs that are looked at. */
#define RNDIS_PACKET_MAX_HEADER 256u
/* Longest control message that is taken, and the longest that we send (DPDK's buffer is 1 KB). */
#define RNDIS_CONTROL_MAX 4096u
#define RNDIS_REPLY_MAX	  1024u

/* Per-packet information. */
enum rndis_ppi_type {
	RNDIS_PPI_CSUM = 0,
	RNDIS_PPI_LSO = 2,
	RNDIS_PPI_VLAN = 6,
	RNDIS_PPI_HASH = 8,
	RNDIS_PPI_HASH_INFO = 9,
};
/* Set in the type of what NDIS itself does not know. */
#define RNDIS_PPI_INTERNAL  0x80000000u
#define RNDIS_PPI_PACKET_ID (RNDIS_PPI_INTERNAL | 1u)

/* RNDIS_PPI_CSUM from the guest. */
#define RNDIS_CSUM_TX_IP4	(1u << 0)
#define RNDIS_CSUM_TX_IP6	(1u << 1)
#define RNDIS_CSUM_TX_TCP	(1u << 2)
#define RNDIS_CSUM_TX_UDP	(1u << 3)
#define RNDIS_CSUM_TX_IP_HEADER (1u << 4)
#define RNDIS_CSUM_TX_OFFSET(v) ((v) >> 16 & 0x3ff)
/* To the guest. */
#define RNDIS_CSUM_RX_TCP_FAILED (1u << 0)
#define RNDIS_CSUM_RX_UDP_FAILED (1u << 1)
#define RNDIS_CSUM_RX_IP_FAILED	 (1u << 2)
#define RNDIS_CSUM_RX_TCP_OK	 (1u << 3)
#define RNDIS_CSUM_RX_UDP_OK	 (1u << 4)
#define RNDIS_CSUM_RX_IP_OK	 (1u << 5)
#define RNDIS_CSUM_RX_PARTIAL	 (1u << 7) /* the field holds no real checksum */
/* RNDIS_PPI_LSO, version 2. */
#define RNDIS_LSO_MSS(v)    ((v)&0xfffff)
#define RNDIS_LSO_OFFSET(v) ((v) >> 20 & 0x3ff)
#define RNDIS_LSO_V2	    (1u << 30)
#define RNDIS_LSO_IP6	    (1u << 31)

/* RNDIS_PPI_PACKET_ID, host to guest: a large TCP frame in pieces, each a data packet in a range of
 * its own, all ranges of one ring packet.  The first piece has what is said about the frame. */
#define RNDIS_ID_PIECE 0x1u
#define RNDIS_ID_FIRST 0x2u
#define RNDIS_ID_LAST  0x4u

#define RNDIS_HASH_TOEPLITZ 0x1u

/* A data packet: where the frame is, and what is said about it. */
struct rndis_packet {
	uint32_t msg_size;
	uint32_t frame_offset; /* from the start of the message */
	uint32_t frame_size;
	bool has_csum, has_lso, has_vlan, has_hash, has_hash_info, has_id;
	uint8_t id_flags; /* RNDIS_ID_* */
	uint16_t id;
	uint16_t vlan_tci; /* as in an 802.1Q tag */
	uint32_t csum, lso, hash;
	uint32_t hash_info; /* how it was made: RNDIS_HASH_TOEPLITZ, and of what */
};

/* Any control message; 'data' is borrowed from the bytes read, or given to write. */
struct rndis_msg {
	uint32_t type; /* enum rndis_type, or one of them with RNDIS_COMPLETION */
	uint32_t request_id;
	uint32_t status;       /* completions, INDICATE_STATUS */
	uint32_t major, minor; /* INITIALIZE, and its completion */
	uint32_t max_transfer; /* INITIALIZE, and its completion */
	uint32_t max_packets;  /* of a message; completion of INITIALIZE */
	uint32_t alignment;    /* power of two; completion of INITIALIZE */
	uint32_t oid;	       /* QUERY, SET */
	const void *data;      /* QUERY, its completion, SET, INDICATE_STATUS */
	uint32_t data_size;
};

/* Bytes behind the message are not looked at.  0; -EBADMSG: lengths or offsets that do not fit;
 * -EOPNOTSUPP: a data packet, or a type that we do not know. */
int rndis_read(const void *bytes, size_t size, struct rndis_msg *ret_msg);
/* Returns the size of the message, or 0 if 'max' bytes do not hold it. */
size_t rndis_write(const struct rndis_msg *msg, void *to, size_t max);

#include "vmbus/rndis_packet.h"

#endif
