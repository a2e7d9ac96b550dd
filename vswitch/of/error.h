/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The errors of OpenFlow 1.3.5 (A.4.4 'Error Message'), of the ONF's bundles for 1.3 (extension
 * 230), and of Nicira's messages: one list.  A decoder returns 0 or one of them; the enumerator is
 * the specification's name, the pair (type, code) that goes on the wire is in its value.
 */
#ifndef VSWITCH_OF_ERROR_H
#define VSWITCH_OF_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rd;
struct wr;

/* Types as the wire has them. */
enum of_error_type {
	OFPET_HELLO_FAILED = 0,
	OFPET_BAD_REQUEST = 1,
	OFPET_BAD_ACTION = 2,
	OFPET_BAD_INSTRUCTION = 3,
	OFPET_BAD_MATCH = 4,
	OFPET_FLOW_MOD_FAILED = 5,
	OFPET_GROUP_MOD_FAILED = 6,
	OFPET_PORT_MOD_FAILED = 7,
	OFPET_TABLE_MOD_FAILED = 8,
	OFPET_QUEUE_OP_FAILED = 9,
	OFPET_SWITCH_CONFIG_FAILED = 10,
	OFPET_ROLE_REQUEST_FAILED = 11,
	OFPET_METER_MOD_FAILED = 12,
	OFPET_TABLE_FEATURES_FAILED = 13,
	OFPET_EXPERIMENTER = 0xffff,
};

/* X(type, code, name, text) */
/* clang-format off */
#define OF_ERRORS(X)                                                                             \
	X(HELLO_FAILED, 0, OFPHFC_INCOMPATIBLE, "no compatible version")                         \
	X(HELLO_FAILED, 1, OFPHFC_EPERM, "not permitted")                                        \
	X(BAD_REQUEST, 0, OFPBRC_BAD_VERSION, "the header's version is not supported")           \
	X(BAD_REQUEST, 1, OFPBRC_BAD_TYPE, "the header's type is not supported")                 \
	X(BAD_REQUEST, 2, OFPBRC_BAD_MULTIPART, "the multipart type is not supported")           \
	X(BAD_REQUEST, 3, OFPBRC_BAD_EXPERIMENTER, "unknown experimenter")                       \
	X(BAD_REQUEST, 4, OFPBRC_BAD_EXP_TYPE, "unknown message of this experimenter")           \
	X(BAD_REQUEST, 5, OFPBRC_EPERM, "not permitted")                                         \
	X(BAD_REQUEST, 6, OFPBRC_BAD_LEN, "wrong length for the type")                           \
	X(BAD_REQUEST, 7, OFPBRC_BUFFER_EMPTY, "the buffer has been used already")               \
	X(BAD_REQUEST, 8, OFPBRC_BUFFER_UNKNOWN, "there is no such buffer")                      \
	X(BAD_REQUEST, 9, OFPBRC_BAD_TABLE_ID, "the table is invalid or does not exist")         \
	X(BAD_REQUEST, 10, OFPBRC_IS_SLAVE, "the controller is a slave")                         \
	X(BAD_REQUEST, 11, OFPBRC_BAD_PORT, "the port is invalid or missing")                    \
	X(BAD_REQUEST, 12, OFPBRC_BAD_PACKET, "the packet is invalid")                           \
	X(BAD_REQUEST, 13, OFPBRC_MULTIPART_BUFFER_OVERFLOW, "the multipart request is too long") \
	X(BAD_ACTION, 0, OFPBAC_BAD_TYPE, "unknown action, or not supported")                    \
	X(BAD_ACTION, 1, OFPBAC_BAD_LEN, "wrong length of an action")                            \
	X(BAD_ACTION, 2, OFPBAC_BAD_EXPERIMENTER, "unknown experimenter of an action")           \
	X(BAD_ACTION, 3, OFPBAC_BAD_EXP_TYPE, "unknown action of this experimenter")             \
	X(BAD_ACTION, 4, OFPBAC_BAD_OUT_PORT, "wrong output port")                               \
	X(BAD_ACTION, 5, OFPBAC_BAD_ARGUMENT, "wrong argument of an action")                     \
	X(BAD_ACTION, 6, OFPBAC_EPERM, "the action is not permitted")                            \
	X(BAD_ACTION, 7, OFPBAC_TOO_MANY, "more actions than can be handled")                    \
	X(BAD_ACTION, 8, OFPBAC_BAD_QUEUE, "wrong output queue")                                 \
	X(BAD_ACTION, 9, OFPBAC_BAD_OUT_GROUP, "there is no such group")                         \
	X(BAD_ACTION, 10, OFPBAC_MATCH_INCONSISTENT, "the action does not apply to this match")  \
	X(BAD_ACTION, 11, OFPBAC_UNSUPPORTED_ORDER, "the order of actions is not supported")     \
	X(BAD_ACTION, 12, OFPBAC_BAD_TAG, "the tag or encapsulation is not supported")           \
	X(BAD_ACTION, 13, OFPBAC_BAD_SET_TYPE, "the field cannot be set")                        \
	X(BAD_ACTION, 14, OFPBAC_BAD_SET_LEN, "wrong length of a set-field")                     \
	X(BAD_ACTION, 15, OFPBAC_BAD_SET_ARGUMENT, "wrong value in a set-field")                 \
	X(BAD_INSTRUCTION, 0, OFPBIC_UNKNOWN_INST, "unknown instruction")                        \
	X(BAD_INSTRUCTION, 1, OFPBIC_UNSUP_INST, "the table does not support the instruction")   \
	X(BAD_INSTRUCTION, 2, OFPBIC_BAD_TABLE_ID, "wrong table in goto-table")                  \
	X(BAD_INSTRUCTION, 3, OFPBIC_UNSUP_METADATA, "the metadata value is not supported")      \
	X(BAD_INSTRUCTION, 4, OFPBIC_UNSUP_METADATA_MASK, "the metadata mask is not supported")  \
	X(BAD_INSTRUCTION, 5, OFPBIC_BAD_EXPERIMENTER, "unknown experimenter of an instruction") \
	X(BAD_INSTRUCTION, 6, OFPBIC_BAD_EXP_TYPE, "unknown instruction of this experimenter")   \
	X(BAD_INSTRUCTION, 7, OFPBIC_BAD_LEN, "wrong length of an instruction")                  \
	X(BAD_INSTRUCTION, 8, OFPBIC_EPERM, "the instruction is not permitted")                  \
	X(BAD_INSTRUCTION, 9, OFPBIC_DUP_INST, "two instructions of one type")                   \
	X(BAD_MATCH, 0, OFPBMC_BAD_TYPE, "unsupported type of match")                            \
	X(BAD_MATCH, 1, OFPBMC_BAD_LEN, "wrong length in a match")                               \
	X(BAD_MATCH, 2, OFPBMC_BAD_TAG, "unsupported tag or encapsulation in a match")           \
	X(BAD_MATCH, 3, OFPBMC_BAD_DL_ADDR_MASK, "unsupported mask of a link-layer address")     \
	X(BAD_MATCH, 4, OFPBMC_BAD_NW_ADDR_MASK, "unsupported mask of a network address")        \
	X(BAD_MATCH, 5, OFPBMC_BAD_WILDCARDS, "unsupported combination of masked fields")        \
	X(BAD_MATCH, 6, OFPBMC_BAD_FIELD, "unsupported field in a match")                        \
	X(BAD_MATCH, 7, OFPBMC_BAD_VALUE, "unsupported value in a match")                        \
	X(BAD_MATCH, 8, OFPBMC_BAD_MASK, "unsupported mask in a match")                          \
	X(BAD_MATCH, 9, OFPBMC_BAD_PREREQ, "a prerequisite of a field is not met")               \
	X(BAD_MATCH, 10, OFPBMC_DUP_FIELD, "a field appears twice")                              \
	X(BAD_MATCH, 11, OFPBMC_EPERM, "the match is not permitted")                             \
	X(FLOW_MOD_FAILED, 0, OFPFMFC_UNKNOWN, "unspecified error")                              \
	X(FLOW_MOD_FAILED, 1, OFPFMFC_TABLE_FULL, "the table is full")                           \
	X(FLOW_MOD_FAILED, 2, OFPFMFC_BAD_TABLE_ID, "there is no such table")                    \
	X(FLOW_MOD_FAILED, 3, OFPFMFC_OVERLAP, "overlaps a flow of the same priority")           \
	X(FLOW_MOD_FAILED, 4, OFPFMFC_EPERM, "not permitted")                                    \
	X(FLOW_MOD_FAILED, 5, OFPFMFC_BAD_TIMEOUT, "the timeout is not supported")               \
	X(FLOW_MOD_FAILED, 6, OFPFMFC_BAD_COMMAND, "unknown command")                            \
	X(FLOW_MOD_FAILED, 7, OFPFMFC_BAD_FLAGS, "unknown flags")                                \
	X(GROUP_MOD_FAILED, 0, OFPGMFC_GROUP_EXISTS, "the group exists")                         \
	X(GROUP_MOD_FAILED, 1, OFPGMFC_INVALID_GROUP, "the group is invalid")                    \
	X(GROUP_MOD_FAILED, 2, OFPGMFC_WEIGHT_UNSUPPORTED, "unequal weights are not supported")  \
	X(GROUP_MOD_FAILED, 3, OFPGMFC_OUT_OF_GROUPS, "the group table is full")                 \
	X(GROUP_MOD_FAILED, 4, OFPGMFC_OUT_OF_BUCKETS, "too many buckets")                       \
	X(GROUP_MOD_FAILED, 5, OFPGMFC_CHAINING_UNSUPPORTED, "groups of groups are not supported") \
	X(GROUP_MOD_FAILED, 6, OFPGMFC_WATCH_UNSUPPORTED, "cannot watch what was named")         \
	X(GROUP_MOD_FAILED, 7, OFPGMFC_LOOP, "the groups would make a loop")                     \
	X(GROUP_MOD_FAILED, 8, OFPGMFC_UNKNOWN_GROUP, "there is no such group")                  \
	X(GROUP_MOD_FAILED, 9, OFPGMFC_CHAINED_GROUP, "another group forwards to it")            \
	X(GROUP_MOD_FAILED, 10, OFPGMFC_BAD_TYPE, "unknown type of group")                       \
	X(GROUP_MOD_FAILED, 11, OFPGMFC_BAD_COMMAND, "unknown command")                          \
	X(GROUP_MOD_FAILED, 12, OFPGMFC_BAD_BUCKET, "error in a bucket")                         \
	X(GROUP_MOD_FAILED, 13, OFPGMFC_BAD_WATCH, "error in a watch port or group")             \
	X(GROUP_MOD_FAILED, 14, OFPGMFC_EPERM, "not permitted")                                  \
	X(PORT_MOD_FAILED, 0, OFPPMFC_BAD_PORT, "there is no such port")                         \
	X(PORT_MOD_FAILED, 1, OFPPMFC_BAD_HW_ADDR, "the address is not the port's")              \
	X(PORT_MOD_FAILED, 2, OFPPMFC_BAD_CONFIG, "the configuration is invalid")                \
	X(PORT_MOD_FAILED, 3, OFPPMFC_BAD_ADVERTISE, "what is advertised is invalid")            \
	X(PORT_MOD_FAILED, 4, OFPPMFC_EPERM, "not permitted")                                    \
	X(TABLE_MOD_FAILED, 0, OFPTMFC_BAD_TABLE, "there is no such table")                      \
	X(TABLE_MOD_FAILED, 1, OFPTMFC_BAD_CONFIG, "the configuration is invalid")               \
	X(TABLE_MOD_FAILED, 2, OFPTMFC_EPERM, "not permitted")                                   \
	X(QUEUE_OP_FAILED, 0, OFPQOFC_BAD_PORT, "there is no such port")                         \
	X(QUEUE_OP_FAILED, 1, OFPQOFC_BAD_QUEUE, "there is no such queue")                       \
	X(QUEUE_OP_FAILED, 2, OFPQOFC_EPERM, "not permitted")                                    \
	X(SWITCH_CONFIG_FAILED, 0, OFPSCFC_BAD_FLAGS, "the flags are invalid")                   \
	X(SWITCH_CONFIG_FAILED, 1, OFPSCFC_BAD_LEN, "the length is invalid")                     \
	X(SWITCH_CONFIG_FAILED, 2, OFPSCFC_EPERM, "not permitted")                               \
	X(ROLE_REQUEST_FAILED, 0, OFPRRFC_STALE, "stale: an older generation id")                \
	X(ROLE_REQUEST_FAILED, 1, OFPRRFC_UNSUP, "changing the role is not supported")           \
	X(ROLE_REQUEST_FAILED, 2, OFPRRFC_BAD_ROLE, "the role is invalid")                       \
	X(METER_MOD_FAILED, 0, OFPMMFC_UNKNOWN, "unspecified error")                             \
	X(METER_MOD_FAILED, 1, OFPMMFC_METER_EXISTS, "the meter exists")                         \
	X(METER_MOD_FAILED, 2, OFPMMFC_INVALID_METER, "the meter is invalid")                    \
	X(METER_MOD_FAILED, 3, OFPMMFC_UNKNOWN_METER, "there is no such meter")                  \
	X(METER_MOD_FAILED, 4, OFPMMFC_BAD_COMMAND, "unknown command")                           \
	X(METER_MOD_FAILED, 5, OFPMMFC_BAD_FLAGS, "the flags are not supported")                 \
	X(METER_MOD_FAILED, 6, OFPMMFC_BAD_RATE, "the rate is not supported")                    \
	X(METER_MOD_FAILED, 7, OFPMMFC_BAD_BURST, "the burst is not supported")                  \
	X(METER_MOD_FAILED, 8, OFPMMFC_BAD_BAND, "the band is not supported")                    \
	X(METER_MOD_FAILED, 9, OFPMMFC_BAD_BAND_VALUE, "the band's value is not supported")      \
	X(METER_MOD_FAILED, 10, OFPMMFC_OUT_OF_METERS, "the meter table is full")                \
	X(METER_MOD_FAILED, 11, OFPMMFC_OUT_OF_BANDS, "too many bands")                          \
	X(TABLE_FEATURES_FAILED, 0, OFPTFFC_BAD_TABLE, "there is no such table")                 \
	X(TABLE_FEATURES_FAILED, 1, OFPTFFC_BAD_METADATA, "the metadata mask is invalid")        \
	X(TABLE_FEATURES_FAILED, 2, OFPTFFC_BAD_TYPE, "unknown type of property")                \
	X(TABLE_FEATURES_FAILED, 3, OFPTFFC_BAD_LEN, "wrong length in properties")               \
	X(TABLE_FEATURES_FAILED, 4, OFPTFFC_BAD_ARGUMENT, "unsupported value of a property")     \
	X(TABLE_FEATURES_FAILED, 5, OFPTFFC_EPERM, "not permitted")

/* X(code, name, text): type OFPET_EXPERIMENTER of the ONF; 'code' is 'exp_type'. */
#define OF_ERRORS_ONF(X)                                                                         \
	X(2300, OFPBFC_UNKNOWN, "unspecified error of a bundle")                                 \
	X(2301, OFPBFC_EPERM, "the bundle is not permitted")                                     \
	X(2302, OFPBFC_BAD_ID, "there is no such bundle")                                        \
	X(2303, OFPBFC_BUNDLE_EXIST, "the bundle exists")                                        \
	X(2304, OFPBFC_BUNDLE_CLOSED, "the bundle is closed")                                    \
	X(2305, OFPBFC_OUT_OF_BUNDLES, "too many bundles")                                       \
	X(2306, OFPBFC_BAD_TYPE, "unknown control message of a bundle")                          \
	X(2307, OFPBFC_BAD_FLAGS, "unknown or inconsistent flags of a bundle")                   \
	X(2308, OFPBFC_MSG_BAD_LEN, "wrong length of the message in the bundle")                 \
	X(2309, OFPBFC_MSG_BAD_XID, "inconsistent transaction id in a bundle")                   \
	X(2310, OFPBFC_MSG_UNSUP, "such a message cannot be in a bundle")                        \
	X(2311, OFPBFC_MSG_CONFLICT, "this message does not fit the others of the bundle")       \
	X(2312, OFPBFC_MSG_TOO_MANY, "too many messages in the bundle")                          \
	X(2313, OFPBFC_MSG_FAILED, "a message in the bundle failed")                             \
	X(2314, OFPBFC_TIMEOUT, "the bundle took too long")                                      \
	X(2315, OFPBFC_BUNDLE_IN_PROGRESS, "another bundle holds the resource")
/* clang-format on */

#define OF_ERROR_VALUE(type, code) (((int)(type) + 1) << 16 | (code))
#define OF_ERROR_TYPE_ONF	   0x7ff0 /* stands for OFPET_EXPERIMENTER in a value */

enum of_error {
	OF_OK = 0,
	/* Ours: memory ran out.  On the wire it is OFPFMFC_UNKNOWN. */
	OF_ERROR_NO_MEMORY = 1,
#define X(type, code, name, text) name = OF_ERROR_VALUE(OFPET_##type, code),
	OF_ERRORS(X)
#undef X
#define X(code, name, text) name = OF_ERROR_VALUE(OF_ERROR_TYPE_ONF, code),
		OF_ERRORS_ONF(X)
#undef X
};

/* "OFPBMC_BAD_FIELD"; "0" for OF_OK; NULL for a value that is no error. */
const char *of_error_name(enum of_error error);
/* The sentence for people; NULL for a value that is no error. */
const char *of_error_text(enum of_error error);

/* An error message (OFPT_ERROR). */
struct of_error_msg {
	uint16_t type;
	uint16_t code;	       /* 'exp_type' when the type is OFPET_EXPERIMENTER */
	uint32_t experimenter; /* then only */
	const uint8_t *data; /* borrowed from the message; the request that failed, or its start */
	size_t data_size;
};

/* The error that a pair on the wire is; OF_OK when we have no name for it. */
enum of_error of_error_find(const struct of_error_msg *msg);
/* 'rd' is after the header. */
enum of_error of_error_decode(struct rd *rd, struct of_error_msg *ret_msg);
/* Writes a whole message. */
void of_error_encode(struct wr *wr, uint32_t xid, const struct of_error_msg *msg);
/* The answer to a request that failed: its transaction id, and as many of its bytes as the
 * specification asks for (64) or more.  'request' starts at its header. */
void of_error_reply(struct wr *wr, enum of_error error, const void *request, size_t request_size);

#endif
