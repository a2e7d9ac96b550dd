/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DPDK's log as a source of reasons: its drivers return -1 and say why in a line that the person
 * who asked never sees. While recording, the last such line is kept for the error that goes to
 * them. Other lines go to stderr, so many a second and no more: peers cause them.
 */
#ifndef DATAPLANE_DPDK_LOG_H
#define DATAPLANE_DPDK_LOG_H

#include <stddef.h>

/* From here on DPDK's lines come here.  Once the EAL is up; more calls do nothing.  Control thread.
 */
void dpdk_log_take(void);
/* From here on lines are kept instead of shown.  Control thread; not nested. */
void dpdk_log_record(void);
/* Ends it.  'ret' gets the first line that was recorded, the one nearest the cause, without prefix
 * and newline; empty when there was none. */
void dpdk_log_end(char *ret, size_t size);

#endif
