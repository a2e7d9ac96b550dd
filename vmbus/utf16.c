/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See utf16.h.
 */
#include "vmbus/utf16.h"

#include <errno.h>
#include <stdbool.h>

#define REPLACEMENT 0xfffdu
#define BAD	    UINT32_MAX

/* Controls, marks that turn the direction of writing, and what is no character. */
static bool printable(uint32_t c)
{
	return c >= 0x20 && (c < 0x7f || c >= 0xa0) && !(c >= 0xd800 && c <= 0xdfff) &&
	       !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069) &&
	       (c & 0xfffe) != 0xfffe;
}

static uint32_t unit_at(const uint8_t *b, size_t i)
{
	return b[i] | (uint32_t)b[i + 1] << 8;
}

static size_t put_utf8(uint32_t c, char to[4])
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

size_t vmbus_utf16_read(const void *bytes, size_t size, char *to, size_t room)
{
	const uint8_t *b = bytes;
	size_t n = 0;

	for (size_t i = 0; i + 1 < size; i += 2) {
		uint32_t c = unit_at(b, i);
		char out[4];
		size_t len;

		if (c == 0)
			break;
		if (c >= 0xd800 && c < 0xdc00 && i + 3 < size && unit_at(b, i + 2) >= 0xdc00 &&
		    unit_at(b, i + 2) < 0xe000) {
			c = 0x10000 + ((c & 0x3ff) << 10) + (unit_at(b, i + 2) & 0x3ff);
			i += 2;
		}
		len = put_utf8(printable(c) ? c : REPLACEMENT, out);
		if (n + len >= room)
			break;
		for (size_t k = 0; k < len; k++)
			to[n++] = out[k];
	}
	to[n] = '\0';
	return n;
}

/* Takes one character from *text; BAD: there is none.  [Unicode] 3.9, table 3-7 */
static uint32_t get_utf8(const unsigned char **text)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	const unsigned char *t = *text;
	unsigned more = t[0] < 0x80 ? 0 : t[0] < 0xe0 ? 1 : t[0] < 0xf0 ? 2 : 3;
	uint32_t c = more == 0 ? t[0] : t[0] & (0x3fu >> more);

	if ((t[0] >= 0x80 && t[0] < 0xc2) || t[0] > 0xf4)
		return BAD;
	for (unsigned i = 1; i <= more; i++) {
		if ((t[i] & 0xc0) != 0x80)
			return BAD;
		c = c << 6 | (t[i] & 0x3f);
	}
	*text = t + more + 1;
	return c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? BAD : c;
}

static void put_unit(uint8_t *b, uint32_t unit)
{
	b[0] = (uint8_t)unit;
	b[1] = (uint8_t)(unit >> 8);
}

int vmbus_utf16_write(const char *text, void *to, size_t room)
{
	const unsigned char *t = (const unsigned char *)text;
	uint8_t *b = to;
	size_t n = 0;
	uint32_t c;

	do {
		if (n + 2 > room)
			return -E2BIG;
		c = get_utf8(&t);
		if (c == BAD)
			return -EINVAL;
		if (c >= 0x10000 && n + 4 > room)
			return -E2BIG;
		if (c >= 0x10000) {
			put_unit(b + n, 0xd800 + ((c - 0x10000) >> 10));
			put_unit(b + n + 2, 0xdc00 + ((c - 0x10000) & 0x3ff));
			n += 4;
		} else {
			put_unit(b + n, c);
			n += 2;
		}
	} while (c != 0);
	return (int)n;
}
