/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See monitor.h.  Layout of a page: a word of which groups are on, for each group of 32 monitors
 * what is pending and what is armed, when each is looked at next, how long each may wait, and whom
 * to signal.  Of these a host that looks by itself needs the pending bits and the latencies.
 */
#include "vmbus/monitor.h"

#include <stdatomic.h>
#include <stddef.h>

struct page {
	uint32_t groups_on;
	uint32_t reserved;
	struct {
		_Atomic uint32_t pending;
		uint32_t armed;
	} group[4];
	uint8_t reserved2[24];
	int32_t next_check[VMBUS_N_MONITORS];
	_Atomic uint16_t latency[VMBUS_N_MONITORS]; /* in 100 ns */
	uint8_t reserved3[256];
	uint64_t parameters[VMBUS_N_MONITORS];
};
_Static_assert(offsetof(struct page, group) == 8, "");
_Static_assert(offsetof(struct page, next_check) == 64, "");
_Static_assert(offsetof(struct page, latency) == 576, "");
_Static_assert(offsetof(struct page, parameters) == 1088, "");

static struct page *page_of(const struct vmbus_monitor *monitor)
{
	return (struct page *)(void *)monitor->child_to_parent;
}

bool vmbus_monitor_take(const struct vmbus_monitor *monitor, uint32_t ret[VMBUS_N_MONITORS / 32])
{
	struct page *page = page_of(monitor);
	uint32_t any = 0;

	for (unsigned i = 0; i < VMBUS_N_MONITORS / 32; i++) {
		ret[i] = 0;
		/* Reading is cheap, taking is not. */
		if (page != NULL &&
		    atomic_load_explicit(&page->group[i].pending, memory_order_relaxed) != 0)
			ret[i] = atomic_exchange(&page->group[i].pending, 0);
		any |= ret[i];
	}
	return any != 0;
}

bool vmbus_monitor_take_one(const struct vmbus_monitor *monitor, uint8_t id)
{
	struct page *page = page_of(monitor);
	uint32_t bit = 1u << (id % 32);
	_Atomic uint32_t *pending;

	if (page == NULL || id >= VMBUS_N_MONITORS)
		return false;
	pending = &page->group[id / 32].pending;
	if ((atomic_load_explicit(pending, memory_order_relaxed) & bit) == 0)
		return false;
	return (atomic_fetch_and(pending, ~bit) & bit) != 0;
}

uint32_t vmbus_monitor_latency_us(const struct vmbus_monitor *monitor, uint8_t id)
{
	struct page *page = page_of(monitor);

	if (page == NULL || id >= VMBUS_N_MONITORS)
		return 0;
	return (atomic_load_explicit(&page->latency[id], memory_order_relaxed) + 9u) / 10;
}

bool vmbus_monitor_set(const struct vmbus_monitor *monitor, uint8_t id)
{
	struct page *page = page_of(monitor);

	if (page == NULL || id >= VMBUS_N_MONITORS)
		return false;
	atomic_fetch_or(&page->group[id / 32].pending, 1u << (id % 32));
	return true;
}
