/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The messages of a PCI bus on VMBus: little endian, a type of 32 bits first.  Codec: knows bytes
 * only.  Layouts of different versions become one structure each.
 *
 * 	guest  query version, query relations, query requirements, D0 entry and exit, assigned,
 * 	       released, create and delete interrupt, power, ejection complete, blocks, reset
 * 	host   relations, eject; completions, which begin with a status
 *
 * Messages may be followed by padding to 8 bytes, or by none.
 *
 * Source: Linux drivers/pci/controller/pci-hyperv.c.
 */
#ifndef VMBUS_VPCI_PROTO_H
#define VMBUS_VPCI_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VPCI_V1_1 0x00010001u
#define VPCI_V1_2 0x00010002u
#define VPCI_V1_3 0x00010003u
#define VPCI_V1_4 0x00010004u

#define VPCI_MESSAGE(n) (0x42490000u + (n))
enum vpci_type {
	VPCI_BUS_RELATIONS = VPCI_MESSAGE(0x00),
	VPCI_QUERY_RELATIONS = VPCI_MESSAGE(0x01),
	VPCI_POWER = VPCI_MESSAGE(0x04),
	VPCI_QUERY_REQUIREMENTS = VPCI_MESSAGE(0x05),
	VPCI_GET_RESOURCES = VPCI_MESSAGE(0x06),
	VPCI_D0_ENTRY = VPCI_MESSAGE(0x07),
	VPCI_D0_EXIT = VPCI_MESSAGE(0x08),
	VPCI_READ_BLOCK = VPCI_MESSAGE(0x09),
	VPCI_WRITE_BLOCK = VPCI_MESSAGE(0x0a),
	VPCI_EJECT = VPCI_MESSAGE(0x0b),
	VPCI_EJECTION_COMPLETE = VPCI_MESSAGE(0x0f),
	VPCI_ASSIGNED = VPCI_MESSAGE(0x10),
	VPCI_RELEASED = VPCI_MESSAGE(0x11),
	VPCI_QUERY_VERSION = VPCI_MESSAGE(0x13),
	VPCI_CREATE_INTERRUPT = VPCI_MESSAGE(0x14),
	VPCI_DELETE_INTERRUPT = VPCI_MESSAGE(0x15),
	VPCI_ASSIGNED2 = VPCI_MESSAGE(0x16),
	VPCI_CREATE_INTERRUPT2 = VPCI_MESSAGE(0x17),
	VPCI_DELETE_INTERRUPT2 = VPCI_MESSAGE(0x18),
	VPCI_BUS_RELATIONS2 = VPCI_MESSAGE(0x19),
	VPCI_ASSIGNED3 = VPCI_MESSAGE(0x1a),
	VPCI_CREATE_INTERRUPT3 = VPCI_MESSAGE(0x1b),
	VPCI_RESET = VPCI_MESSAGE(0x1c),
};

/* Status of a completion: NTSTATUS. */
#define VPCI_OK		      0u
#define VPCI_STATUS_PARAMETER 0xC000000Du
#define VPCI_STATUS_REVISION  0xC0000059u
#define VPCI_STATUS_RESOURCES 0xC000009Au
#define VPCI_STATUS_SUPPORT   0xC00000BBu /* not supported */
#define VPCI_STATUS_STATE     0xC0000184u
#define VPCI_STATUS_MALFORMED 0xC000090Bu

#define VPCI_N_BARS	 6u
#define VPCI_MAX_VPS	 64u  /* of an interrupt: a mask of 64, or a list of 32 */
#define VPCI_MESSAGE_MAX 208u /* bytes that a guest sends, padding included */
#define VPCI_REPLY_MAX	 168u

/* Memory that a guest says it has given to a BAR; size 0: it says nothing. */
struct vpci_memory {
	uint64_t gpa, size;
};

/* Where an interrupt goes. */
struct vpci_target {
	uint32_t vector;
	uint8_t mode; /* of delivery; 0 fixed, 1 lowest priority */
	uint16_t count;
	uint16_t n_vps;
	uint16_t vps[VPCI_MAX_VPS];
};

/* What a guest writes into an MSI-X entry to mean it. */
struct vpci_cookie {
	uint16_t count;
	uint32_t data;
	uint64_t address;
};

struct vpci_message {
	uint32_t type; /* CREATE_INTERRUPT, ASSIGNED, DELETE_INTERRUPT whatever their version */
	uint32_t slot;
	union {
		uint32_t version;
		uint64_t window; /* D0_ENTRY */
		uint32_t power;	 /* 1: D0, 4: D3 */
		uint32_t status; /* EJECTION_COMPLETE */
		struct vpci_target target;
		struct vpci_cookie cookie;
		struct vpci_memory bars[VPCI_N_BARS];
	};
};

/* 0; -EBADMSG: shorter than its type says; -EOPNOTSUPP: a type that guests do not send, or that
 * is not served ('type' is set). */
int vpci_read(const void *bytes, size_t size, struct vpci_message *ret_m);

/* What a function is. */
struct vpci_description {
	uint16_t vendor, device;
	uint8_t revision, prog_if, subclass, base_class;
	uint16_t subsystem_vendor, subsystem_device;
	uint32_t slot;
	uint32_t serial;   /* what netvsc pairs a VF by; not 0 */
	int32_t numa_node; /* -1: none */
};

/* Each writes a message or the payload of a completion to 'to', which has VPCI_REPLY_MAX bytes, and
 * returns its size: more than 8, for Linux drops shorter completions. */

/* 'd' NULL: the bus is empty. */
size_t vpci_write_relations(void *to, uint32_t version, const struct vpci_description *d);
size_t vpci_write_eject(void *to, uint32_t slot);
size_t vpci_write_status(void *to, uint32_t status);
size_t vpci_write_version(void *to, uint32_t status, uint32_t version);
size_t vpci_write_requirements(void *to, uint32_t status, const uint32_t bars[VPCI_N_BARS]);
size_t vpci_write_interrupt(void *to, uint32_t status, const struct vpci_cookie *cookie);
size_t vpci_write_power(void *to, uint32_t status, uint32_t slot, uint32_t state);

#endif
