/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The header that every OpenFlow message begins with, hello, and experimenter messages
 * (OpenFlow 1.3.5, A.1, A.5.1, A.5.4).  The codec knows bytes only: no state, no I/O.
 *
 * Decoders read an untrusted message through a 'struct rd' that is after the header and ends with
 * the message; they return OF_OK or the error that the specification asks for, and then leave their
 * output untouched.  Encoders write whole messages to a 'struct wr' and never fail by themselves:
 * ask wr_ok() once at the end.
 */
#ifndef VSWITCH_OF_HEADER_H
#define VSWITCH_OF_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "ctl/base/wire.h"
#include "vswitch/of/error.h"

#define OF_VERSION_13	       0x04
#define OF_HEADER_SIZE	       8
#define OF_MSG_MAX	       65535 /* the length field's 16 bits */
#define OF_EXPERIMENTER_ONF    0x4f4e4600
#define OF_EXPERIMENTER_NICIRA 0x00002320
#define OF_NO_BUFFER	       0xffffffff

/* clang-format off */
#define OF_MSG_TYPES(X)                  \
	X(HELLO, 0)                      \
	X(ERROR, 1)                      \
	X(ECHO_REQUEST, 2)               \
	X(ECHO_REPLY, 3)                 \
	X(EXPERIMENTER, 4)               \
	X(FEATURES_REQUEST, 5)           \
	X(FEATURES_REPLY, 6)             \
	X(GET_CONFIG_REQUEST, 7)         \
	X(GET_CONFIG_REPLY, 8)           \
	X(SET_CONFIG, 9)                 \
	X(PACKET_IN, 10)                 \
	X(FLOW_REMOVED, 11)              \
	X(PORT_STATUS, 12)               \
	X(PACKET_OUT, 13)                \
	X(FLOW_MOD, 14)                  \
	X(GROUP_MOD, 15)                 \
	X(PORT_MOD, 16)                  \
	X(TABLE_MOD, 17)                 \
	X(MULTIPART_REQUEST, 18)         \
	X(MULTIPART_REPLY, 19)           \
	X(BARRIER_REQUEST, 20)           \
	X(BARRIER_REPLY, 21)             \
	X(QUEUE_GET_CONFIG_REQUEST, 22)  \
	X(QUEUE_GET_CONFIG_REPLY, 23)    \
	X(ROLE_REQUEST, 24)              \
	X(ROLE_REPLY, 25)                \
	X(GET_ASYNC_REQUEST, 26)         \
	X(GET_ASYNC_REPLY, 27)           \
	X(SET_ASYNC, 28)                 \
	X(METER_MOD, 29)
/* clang-format on */
enum of_msg_type {
#define X(name, number) OFPT_##name = number,
	OF_MSG_TYPES(X)
#undef X
		OF_N_MSG_TYPES,
};

/* "flow-mod"; NULL for a number that is no type. */
const char *of_msg_name(uint8_t type);

struct of_header {
	uint8_t version;
	uint8_t type;
	uint16_t size; /* of the whole message; at least OF_HEADER_SIZE */
	uint32_t xid;
};

/* Any version and type pass: what is wrong with them depends on the state of the connection.
 * OFPBRC_BAD_LEN when there are too few bytes or 'size' is less than a header. */
enum of_error of_header_decode(const void *bytes, size_t size, struct of_header *ret_header);

/* Starts a message; returns where it starts, for of_msg_end(), which fills in its length and turns
 * the writer bad when that does not fit 16 bits. */
size_t of_msg_begin(struct wr *wr, uint8_t type, uint32_t xid);
void of_msg_end(struct wr *wr, size_t at);
/* A message that is only a header (features, configuration and barrier requests and so on). */
void of_msg_encode(struct wr *wr, uint8_t type, uint32_t xid);
/* OFPBRC_BAD_LEN unless nothing is left: for messages that are only a header. */
enum of_error of_msg_empty(const struct rd *rd);
/* Any message that is a header and bytes: echo. */
void of_echo_encode(struct wr *wr, uint8_t type, uint32_t xid, const void *data, size_t size);

/* Versions that a hello offers, as bits; a hello without a bitmap offers all up to its header's. */
struct of_hello {
	uint32_t versions; /* bit n: version n; 1.3 is bit 4 */
};
enum of_error of_hello_decode(const struct of_header *header, struct rd *rd,
			      struct of_hello *ret_hello);
void of_hello_encode(struct wr *wr, uint32_t xid, const struct of_hello *hello);

/* The start of an experimenter message's body. */
struct of_experimenter {
	uint32_t experimenter;
	uint32_t exp_type;
};
enum of_error of_experimenter_decode(struct rd *rd, struct of_experimenter *ret_exp);
size_t of_experimenter_begin(struct wr *wr, uint32_t xid, const struct of_experimenter *exp);

/* Role of a controller; request and reply have the same body. */
enum of_role_type {
	OFPCR_ROLE_NOCHANGE = 0,
	OFPCR_ROLE_EQUAL = 1,
	OFPCR_ROLE_MASTER = 2,
	OFPCR_ROLE_SLAVE = 3,
};
struct of_role {
	uint32_t role;
	uint64_t generation_id;
};
enum of_error of_role_decode(struct rd *rd, struct of_role *ret_role);
void of_role_encode(struct wr *wr, uint8_t type, uint32_t xid, const struct of_role *role);

/* Which asynchronous messages a controller wants; [0] as master or equal, [1] as slave. */
struct of_async {
	uint32_t packet_in[2];
	uint32_t port_status[2];
	uint32_t flow_removed[2];
};
enum of_error of_async_decode(struct rd *rd, struct of_async *ret_async);
void of_async_encode(struct wr *wr, uint8_t type, uint32_t xid, const struct of_async *async);

/* Switch configuration. */
enum of_config_flags {
	OFPC_FRAG_NORMAL = 0,
	OFPC_FRAG_DROP = 1,
	OFPC_FRAG_REASM = 2,
	OFPC_FRAG_MASK = 3,
};
#define OF_MISS_SEND_NO_BUFFER 0xffff /* OFPCML_NO_BUFFER */
struct of_config {
	uint16_t flags;
	uint16_t miss_send_len;
};
enum of_error of_config_decode(struct rd *rd, struct of_config *ret_config);
void of_config_encode(struct wr *wr, uint8_t type, uint32_t xid, const struct of_config *config);

enum of_capabilities {
	OFPC_FLOW_STATS = 1 << 0,
	OFPC_TABLE_STATS = 1 << 1,
	OFPC_PORT_STATS = 1 << 2,
	OFPC_GROUP_STATS = 1 << 3,
	OFPC_IP_REASM = 1 << 5,
	OFPC_QUEUE_STATS = 1 << 6,
	OFPC_PORT_BLOCKED = 1 << 8,
};
struct of_features {
	uint64_t datapath_id;
	uint32_t n_buffers;
	uint8_t n_tables;
	uint8_t auxiliary_id;
	uint32_t capabilities;
};
enum of_error of_features_decode(struct rd *rd, struct of_features *ret_features);
void of_features_encode(struct wr *wr, uint32_t xid, const struct of_features *features);

#endif
