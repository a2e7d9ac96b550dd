/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Monitor pages: a guest signals a channel by setting a bit in a page, without leaving to the host,
 * which looks at the page now and then.  DPDK's netvsc driver on Linux up to 6.1 knows no other
 * way.
 *
 * Page 2 (child to parent) is the guest's memory: words are read once, and all that a guest can do
 * with it is to have its own channels looked at.
 */
#ifndef VMBUS_MONITOR_H
#define VMBUS_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#define VMBUS_N_MONITORS 128
#define VMBUS_NO_MONITOR 0xff

struct vmbus_monitor {
	uint8_t *parent_to_child; /* page 1; NULL: the guest gave none */
	uint8_t *child_to_parent; /* page 2 */
};

/* Takes the bits that the guest has set since the last call: bit m of ret[m / 32].  True when there
 * are any. */
bool vmbus_monitor_take(const struct vmbus_monitor *monitor, uint32_t ret[VMBUS_N_MONITORS / 32]);
/* Takes the bit of one monitor, for who polls its channel anyway.  False for VMBUS_NO_MONITOR. */
bool vmbus_monitor_take_one(const struct vmbus_monitor *monitor, uint8_t id);
/* The latency that the guest asked for, in microseconds; 0: none. */
uint32_t vmbus_monitor_latency_us(const struct vmbus_monitor *monitor, uint8_t id);
/* Guest's half: sets the bit.  True: the guest need not signal otherwise; false: there is no such
 * monitor. */
bool vmbus_monitor_set(const struct vmbus_monitor *monitor, uint8_t id);

#endif
