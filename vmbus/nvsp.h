/* SPDX-License-Identifier: BSD-2-Clause
 *
 * NVSP: what a guest's network driver and the switch say to each other on the ring.  Codec: bytes
 * only; both ends of each message, for the guest's half is ours too (vmbus/guest).
 *
 * Guests send the whole union of messages, 28 to 40 bytes, whatever the message; readers ask for no
 * more than the message itself.  Source: netvsp (Linux drivers/net/hyperv/hyperv_net.h).
 */
#ifndef VMBUS_NVSP_H
#define VMBUS_NVSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nvsp_type {
	NVSP_INIT = 1,
	NVSP_INIT_COMPLETE = 2,
	NVSP_SEND_NDIS_VER = 100,
	NVSP_SEND_RECV_BUF = 101,
	NVSP_SEND_RECV_BUF_COMPLETE = 102,
	NVSP_REVOKE_RECV_BUF = 103,
	NVSP_SEND_SEND_BUF = 104,
	NVSP_SEND_SEND_BUF_COMPLETE = 105,
	NVSP_REVOKE_SEND_BUF = 106,
	NVSP_RNDIS = 107,
	NVSP_RNDIS_COMPLETE = 108,
	NVSP_SEND_NDIS_CONFIG = 125,
	NVSP_VF_ASSOCIATION = 128,
	NVSP_SWITCH_DATA_PATH = 129,
	NVSP_SUBCHANNEL = 133,
	NVSP_INDIRECTION_TABLE = 134,
};

#define NVSP_V1	  0x00000002u
#define NVSP_V2	  0x00030002u
#define NVSP_V4	  0x00040000u
#define NVSP_V5	  0x00050000u
#define NVSP_V6	  0x00060000u
#define NVSP_V6_1 0x00060001u

enum nvsp_status {
	NVSP_STATUS_NONE = 0,
	NVSP_STATUS_SUCCESS = 1,
	NVSP_STATUS_FAILURE = 2,
	NVSP_STATUS_TOO_NEW = 3,
	NVSP_STATUS_TOO_OLD = 4,
	NVSP_STATUS_BAD_RNDIS = 5,
	NVSP_STATUS_BUSY = 6,
	NVSP_STATUS_UNSUPPORTED = 7,
};

/* Capability bits of NDIS_CONFIG. */
#define NVSP_CAP_VMQ   (1u << 0)
#define NVSP_CAP_SRIOV (1u << 2)
#define NVSP_CAP_8021Q (1u << 3)
#define NVSP_CAP_RSC   (1u << 7)

#define NVSP_MSG_MAX	 128 /* bytes that are looked at; Linux sends 40 */
#define NVSP_NO_SECTION	 UINT32_MAX
#define NVSP_RECV_BUF_ID 0xCAFE
#define NVSP_TABLE_SIZE	 16
/* Sizes that completions of INIT, SEND_RECV_BUF, SEND_SEND_BUF, SUBCHANNEL are padded to. */
#define NVSP_COMPLETION_SIZE	 0x1C
#define NVSP_COMPLETION_SIZE_6_1 0x28

/* NVSP_RNDIS as on the ring: the one message of the packet path. */
struct nvsp_rndis {
	uint32_t type;	       /* NVSP_RNDIS */
	uint32_t channel_type; /* 0: data, 1: control */
	uint32_t section;      /* of the send buffer; NVSP_NO_SECTION */
	uint32_t section_size; /* bytes used of it */
};
_Static_assert(sizeof(struct nvsp_rndis) == 16, "NVSP 107");
/* NVSP_RNDIS_COMPLETE as on the ring. */
struct nvsp_rndis_complete {
	uint32_t type;
	uint32_t status; /* enum nvsp_status */
};
_Static_assert(sizeof(struct nvsp_rndis_complete) == 8, "NVSP 108");

/* Any message; which member is filled says 'type'. */
struct nvsp_msg {
	enum nvsp_type type;
	union {
		struct {
			uint32_t min_version, max_version;
		} init;
		struct {
			uint32_t version, max_mdl_chain, status;
		} init_complete;
		struct {
			uint32_t major, minor;
		} ndis_ver;
		struct {
			uint32_t gpadl;
			uint16_t id;
		} buf; /* SEND_RECV_BUF, SEND_SEND_BUF, REVOKE_* (id only) */
		struct {
			uint32_t status, n_sections;
			uint32_t offset, section_size, count, end; /* of the first section */
		} recv_buf_complete;
		struct {
			uint32_t status, section_size;
		} send_buf_complete;
		struct nvsp_rndis rndis;
		struct nvsp_rndis_complete rndis_complete;
		struct {
			uint32_t mtu;
			uint64_t capabilities;
		} ndis_config;
		struct {
			uint32_t allocated, serial;
		} vf;
		struct {
			uint32_t active; /* 0: synthetic, 1: VF */
		} data_path;
		struct {
			uint32_t op, count;
		} subchannel; /* request */
		struct {
			uint32_t status, count;
		} subchannel_complete;
		struct {
			uint32_t count;
			uint32_t table[NVSP_TABLE_SIZE];
		} indirection;
	};
};

/* Reads a message that a guest sent ('from_guest'), or a host.  0; -EBADMSG: too short or a bad
 * length within; -EOPNOTSUPP: a type we do not know. */
int nvsp_read(const void *bytes, size_t size, bool from_guest, struct nvsp_msg *ret_msg);
/* Writes one of NVSP_MSG_MAX bytes at most, zero behind the message, and returns how many to send
 * for a peer that talks 'version' (0: not agreed). */
size_t nvsp_write(const struct nvsp_msg *msg, bool from_guest, uint32_t version, void *to);

#endif
