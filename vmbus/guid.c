/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See guid.h.
 */
#include "vmbus/guid.h"

#include <errno.h>
#include <stdio.h>

/* Place of each pair of digits of the text in memory: the first three fields are little endian. */
static const uint8_t places[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

static bool dash_before(unsigned i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

void vmbus_guid_format(const struct vmbus_guid *guid, char text[VMBUS_GUID_TEXT_SIZE])
{
	char *at = text;

	for (unsigned i = 0; i < 16; i++) {
		if (dash_before(i))
			*at++ = '-';
		at += snprintf(at, 3, "%02x", guid->bytes[places[i]]);
	}
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int vmbus_guid_parse(const char *text, struct vmbus_guid *ret_guid)
{
	struct vmbus_guid guid;

	for (unsigned i = 0; i < 16; i++) {
		int high, low;

		if (dash_before(i) && *text++ != '-')
			return -EINVAL;
		high = digit(text[0]);
		low = high < 0 ? -1 : digit(text[1]);
		if (low < 0)
			return -EINVAL;
		guid.bytes[places[i]] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	if (*text != '\0')
		return -EINVAL;
	*ret_guid = guid;
	return 0;
}

void vmbus_guid_of_name(const char *name, struct vmbus_guid *ret_guid)
{
	/* FNV-1a's 128-bit offset basis and prime. */
	const unsigned __int128 prime = (unsigned __int128)1 << 88 | 0x13b;
	unsigned __int128 hash = (unsigned __int128)0x6c62272e07bb0142 << 64 | 0x62b821756295c58d;

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * prime;
	for (unsigned i = 0; i < 16; i++)
		ret_guid->bytes[places[i]] = (uint8_t)(hash >> (120 - 8 * i));
	ret_guid->bytes[places[6]] = (uint8_t)((ret_guid->bytes[places[6]] & 0x0f) | 0x80);
	ret_guid->bytes[places[8]] = (uint8_t)((ret_guid->bytes[places[8]] & 0x3f) | 0x80);
}
