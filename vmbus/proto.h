/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Control messages of VMBus as they lie in a message slot or a PostMessage hypercall: little
 * endian, packed.  Codec: bytes only; both directions, for the guest's half is ours too
 * (vmbus/guest).
 *
 * A message may be longer than its type (some firmware pads to 240 bytes), never shorter.  Guests
 * check the same of what we send.
 *
 * Source: Linux include/linux/hyperv.h; sizes checked against it.
 */
#ifndef VMBUS_PROTO_H
#define VMBUS_PROTO_H

#include "vmbus/guid.h"
#include "vmbus/host.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Structs below are read and written in place. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire is little endian");

/* Name, number, who sends it, and the least size. */
#define VMBUS_MSG_TYPES(X)                                                                         \
	X(OFFER, 1, HOST, sizeof(struct vmbus_msg_offer))                                          \
	X(RESCIND, 2, HOST, sizeof(struct vmbus_msg_relid))                                        \
	X(REQUEST_OFFERS, 3, GUEST, sizeof(struct vmbus_msg_header))                               \
	X(ALL_OFFERS, 4, HOST, sizeof(struct vmbus_msg_header))                                    \
	X(OPEN, 5, GUEST, sizeof(struct vmbus_msg_open))                                           \
	X(OPEN_RESULT, 6, HOST, sizeof(struct vmbus_msg_result))                                   \
	X(CLOSE, 7, GUEST, sizeof(struct vmbus_msg_relid))                                         \
	X(GPADL_HEADER, 8, GUEST, VMBUS_GPADL_HEADER_SIZE)                                         \
	X(GPADL_BODY, 9, GUEST, VMBUS_GPADL_BODY_SIZE)                                             \
	X(GPADL_CREATED, 10, HOST, sizeof(struct vmbus_msg_result))                                \
	X(GPADL_TEARDOWN, 11, GUEST, sizeof(struct vmbus_msg_gpadl_teardown))                      \
	X(GPADL_TORNDOWN, 12, HOST, sizeof(struct vmbus_msg_gpadl_torndown))                       \
	X(RELID_RELEASED, 13, GUEST, sizeof(struct vmbus_msg_relid))                               \
	X(CONTACT, 14, GUEST, sizeof(struct vmbus_msg_contact))                                    \
	X(VERSION_RESPONSE, 15, HOST, sizeof(struct vmbus_msg_version))                            \
	X(UNLOAD, 16, GUEST, sizeof(struct vmbus_msg_header))                                      \
	X(UNLOAD_RESPONSE, 17, HOST, sizeof(struct vmbus_msg_header))                              \
	X(TL_CONNECT, 21, GUEST, sizeof(struct vmbus_msg_tl_connect))                              \
	X(MODIFY, 22, GUEST, sizeof(struct vmbus_msg_modify))                                      \
	X(MODIFY_RESPONSE, 24, HOST, sizeof(struct vmbus_msg_modify_response))
enum vmbus_msg_type {
#define X(name, number, sender, size) VMBUS_MSG_##name = (number),
	VMBUS_MSG_TYPES(X)
#undef X
};

/* 'status' of the answers below; guests tell 0 from the rest only. */
#define VMBUS_STATUS_SUCCESS	  0u
#define VMBUS_STATUS_FAILURE	  0xC0000001u /* STATUS_UNSUCCESSFUL */
#define VMBUS_STATUS_NO_RESOURCES 0xC000009Au /* STATUS_INSUFFICIENT_RESOURCES */

struct vmbus_msg_header {
	uint32_t type, padding;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_msg_header) == 8, "header");

/* 'monitor' of an offer. */
#define VMBUS_OFFER_MONITORED 0x01u
/* 'dedicated' of an offer: the host takes SignalEvent, and no bit of the interrupt page. */
#define VMBUS_OFFER_DEDICATED 0x0001u

struct vmbus_msg_offer {
	struct vmbus_msg_header header;
	struct vmbus_guid type, instance;
	uint64_t reserved[2];
	uint16_t flags; /* channel.h */
	uint16_t mmio_mb;
	uint8_t user_data[120];
	uint16_t sub_index;
	uint16_t mmio_mb_optional;
	uint32_t relid;
	uint8_t monitor_id;
	uint8_t monitor;
	uint16_t dedicated;
	uint32_t connection_id;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_msg_offer) == 196, "OFFERCHANNEL");
_Static_assert(offsetof(struct vmbus_msg_offer, sub_index) == 180, "OFFERCHANNEL");

/* RESCIND, CLOSE, RELID_RELEASED. */
struct vmbus_msg_relid {
	struct vmbus_msg_header header;
	uint32_t relid;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_msg_relid) == 12, "RESCIND_CHANNELOFFER");

struct vmbus_msg_open {
	struct vmbus_msg_header header;
	uint32_t relid;
	uint32_t open_id;
	uint32_t ring_gpadl;
	uint32_t target_vp;
	uint32_t ring_offset; /* pages before the host-to-guest ring */
	uint8_t user_data[120];
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_msg_open) == 148, "OPENCHANNEL");

/* OPEN_RESULT: 'id' is the open id; GPADL_CREATED: the GPADL. */
struct vmbus_msg_result {
	struct vmbus_msg_header header;
	uint32_t relid;
	uint32_t id;
	uint32_t status;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_msg_result) == 20, "OPENCHANNEL_RESULT");

/* Before the words of GPADL messages, and how many of those fit behind. */
#define VMBUS_GPADL_HEADER_SIZE	 20u
#define VMBUS_GPADL_BODY_SIZE	 16u
#define VMBUS_GPADL_HEADER_WORDS ((VMBUS_MSG_MAX - VMBUS_GPADL_HEADER_SIZE) / 8)
#define VMBUS_GPADL_BODY_WORDS	 ((VMBUS_MSG_MAX - VMBUS_GPADL_BODY_SIZE) / 8)

/* A list of ranges is a run of 64-bit words, cut into messages anywhere between two words: for each
 * range the bytes (low half) and the offset in the first page (high half), then its PFNs. */
struct vmbus_msg_gpadl_header {
	struct vmbus_msg_header header;
	uint32_t relid;
	uint32_t gpadl;
	uint16_t range_bytes; /* of all words, in this message and the bodies */
	uint16_t n_ranges;
	uint64_t words[VMBUS_GPADL_HEADER_WORDS];
} __attribute__((packed));
_Static_assert(offsetof(struct vmbus_msg_gpadl_header, words) == VMBUS_GPADL_HEADER_SIZE,
	       "GPADL_HEADER");

struct vmbus_msg_gpadl_body {
	struct vmbus_msg_header header;
	uint32_t number; /* Linux leaves it 0 */
	uint32_t gpadl;
	uint64_t words[VMBUS_GPADL_BODY_WORDS];
} __attribute__((packed));
_Static_assert(offsetof(struct vmbus_msg_gpadl_body, words) == VMBUS_GPADL_BODY_SIZE, "GPADL_BODY");

struct vmbus_msg_gpadl_teardown {
	struct vmbus_msg_header header;
	uint32_t relid;
	uint32_t gpadl;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_msg_gpadl_teardown) == 16, "GPADL_TEARDOWN");

struct vmbus_msg_gpadl_torndown {
	struct vmbus_msg_header header;
	uint32_t gpadl;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_msg_gpadl_torndown) == 12, "GPADL_TORNDOWN");

#define VMBUS_CONTACT_SINT 2 /* of messages */

struct vmbus_msg_contact {
	struct vmbus_msg_header header;
	uint32_t version;
	uint32_t target_vp; /* of messages to the guest, from 3.0 on */
	union {
		uint64_t interrupt_page; /* before 5.0 */
		struct {
			uint8_t sint, vtl;
			uint8_t reserved[2];
			uint32_t features; /* from 6.0 on */
		} __attribute__((packed));
	};
	uint64_t parent_to_child, child_to_parent; /* monitor pages; 0: none */
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_msg_contact) == 40, "INITIATE_CONTACT");

struct vmbus_msg_version {
	struct vmbus_msg_header header;
	uint8_t supported;
	uint8_t state; /* 0: all is well */
	uint16_t padding;
	uint32_t connection_id; /* for all further messages, from 5.0 on */
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_msg_version) == 16, "VERSION_RESPONSE");

struct vmbus_msg_tl_connect {
	struct vmbus_msg_header header;
	struct vmbus_guid endpoint, service;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_msg_tl_connect) == 40, "TL_CONNECT_REQUEST");

struct vmbus_msg_modify {
	struct vmbus_msg_header header;
	uint32_t relid;
	uint32_t target_vp;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_msg_modify) == 16, "MODIFYCHANNEL");

struct vmbus_msg_modify_response {
	struct vmbus_msg_header header;
	uint32_t relid;
	uint32_t status;
} __attribute__((packed));
_Static_assert(sizeof(struct vmbus_msg_modify_response) == 16, "MODIFYCHANNEL_RESPONSE");

union vmbus_msg {
	struct vmbus_msg_header header;
	struct vmbus_msg_offer offer;
	struct vmbus_msg_relid relid;
	struct vmbus_msg_open open;
	struct vmbus_msg_result result;
	struct vmbus_msg_gpadl_header gpadl_header;
	struct vmbus_msg_gpadl_body gpadl_body;
	struct vmbus_msg_gpadl_teardown gpadl_teardown;
	struct vmbus_msg_gpadl_torndown gpadl_torndown;
	struct vmbus_msg_contact contact;
	struct vmbus_msg_version version;
	struct vmbus_msg_tl_connect tl_connect;
	struct vmbus_msg_modify modify;
	struct vmbus_msg_modify_response modify_response;
	uint8_t bytes[VMBUS_MSG_MAX];
};
_Static_assert(sizeof(union vmbus_msg) == VMBUS_MSG_MAX, "the longest message");

/* Copies a message that a guest sent ('from_guest'), or a host; zeros behind its end.  0; -EBADMSG:
 * shorter than its type says, or longer than VMBUS_MSG_MAX; -EOPNOTSUPP: a type that this side does
 * not send. */
int vmbus_msg_read(const void *bytes, size_t size, bool from_guest, union vmbus_msg *ret_msg);
/* Makes an empty message of that type in 'msg', and returns how many bytes to send of it (those of
 * GPADL messages without their words). */
size_t vmbus_msg_init(union vmbus_msg *msg, enum vmbus_msg_type type);

/* One range of a GPADL. */
struct vmbus_gpadl_range {
	uint32_t byte_count, byte_offset;
	uint32_t n_pfns;
	const uint64_t *pfns; /* within the words */
};

/* Words of GPADL messages read from the front. */
struct vmbus_gpadl_words {
	const uint64_t *at;
	uint32_t n;
};

/* Takes the next range: not empty, its offset within a page, as many PFNs as its bytes need.  0 or
 * -EBADMSG. */
int vmbus_gpadl_range_read(struct vmbus_gpadl_words *words, struct vmbus_gpadl_range *ret_range);

/* Guest's half: the messages that make a GPADL of one range.  The first goes by
 * vmbus_gpadl_header_write(), further ones by vmbus_gpadl_body_write() while *pfns_left is not 0;
 * both move *pfns, and return how many bytes to send.  At most VMBUS_GPADL_MAX_PFNS pages. */
size_t vmbus_gpadl_header_write(union vmbus_msg *msg, uint32_t relid, uint32_t gpadl,
				const struct vmbus_gpadl_range *range, const uint64_t **pfns,
				uint32_t *pfns_left);
size_t vmbus_gpadl_body_write(union vmbus_msg *msg, uint32_t gpadl, const uint64_t **pfns,
			      uint32_t *pfns_left);

#endif
