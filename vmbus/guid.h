/* SPDX-License-Identifier: BSD-2-Clause
 *
 * GUIDs as VMBus offers carry them: 16 bytes in Microsoft's memory order (first three fields little
 * endian), compared as bytes.
 */
#ifndef VMBUS_GUID_H
#define VMBUS_GUID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define VMBUS_GUID_TEXT_SIZE 37

struct vmbus_guid {
	uint8_t bytes[16];
};

/* f8615163-df3e-46c5-913f-f2d2f965ed0e: a synthetic network adapter. */
#define VMBUS_GUID_NET                                                                             \
	((struct vmbus_guid){{0x63, 0x51, 0x61, 0xf8, 0x3e, 0xdf, 0xc5, 0x46, 0x91, 0x3f, 0xf2,    \
			      0xd2, 0xf9, 0x65, 0xed, 0x0e}})

static inline bool vmbus_guid_equal(const struct vmbus_guid *a, const struct vmbus_guid *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* "f8615163-df3e-46c5-913f-f2d2f965ed0e" */
void vmbus_guid_format(const struct vmbus_guid *guid, char text[VMBUS_GUID_TEXT_SIZE]);
/* 0 or -EINVAL. */
int vmbus_guid_parse(const char *text, struct vmbus_guid *ret_guid);
/* The same GUID for the same name, at all times: a NIC keeps its instance over restarts.  Version 8
 * of RFC 9562 (section 5.8), filled with a 128-bit FNV-1a of the name. */
void vmbus_guid_of_name(const char *name, struct vmbus_guid *ret_guid);

#endif
