/* SPDX-License-Identifier: BSD-2-Clause
 *
 * UTF-16LE, which guests speak to their host, and UTF-8, which everybody else speaks.  What a guest
 * says ends up on terminals and in logs: it comes out as valid UTF-8 without control characters,
 * whatever it was.
 */
#ifndef VMBUS_UTF16_H
#define VMBUS_UTF16_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of UTF-8, with its end, that 'size' bytes of UTF-16 are at most. */
#define UTF16_TEXT_SIZE(size) ((size) / 2 * 3 + 1)

/* Reads 'size' bytes, or up to a zero, as text of at most 'room' bytes with its end ('room' is at
 * least 1; what does not fit is cut between characters).  Half pairs, and characters that control
 * terminals, become U+FFFD.  Returns the length. */
size_t vmbus_utf16_read(const void *bytes, size_t size, char *to, size_t room);
/* Writes 'text' and its end to 'to', which has 'room' bytes.  Returns how many bytes; -EINVAL: it
 * is not UTF-8; -E2BIG. */
int vmbus_utf16_write(const char *text, void *to, size_t room);

#endif
