/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a guest says when it dies: five numbers, and perhaps the end of its log, by the crash MSRs.
 *
 * Thread: the processor's.  Source: [TLFS] 2.5 "Guest crash enlightenment".
 */
#ifndef HV_CRASH_H
#define HV_CRASH_H

#include <stddef.h>
#include <stdint.h>

struct gpa_map;
struct hv_vp;

/* Copies up to 'size' bytes at 'gpa' as a string that is safe to print: lines and tabs stay, what
 * is not ASCII becomes '?', zeros are left out.  "" if that is not memory.  'max' counts the
 * string's end too; a longer text loses its beginning, for the end says why. */
void hv_crash_text(const struct gpa_map *memory, uint64_t gpa, uint64_t size, char *to, size_t max);

/* CRASH_CTL was written.  Keeps what was said (a text is not lost to a second report without one),
 * and tells the owner, if it is a crash. */
void hv_crash_report(struct hv_vp *vp, const uint64_t parameters[5], uint64_t control);

#endif
