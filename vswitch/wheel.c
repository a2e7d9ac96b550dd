/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See wheel.h.
 */
#include "vswitch/wheel.h"

#include <stddef.h>
#include <string.h>

#define BITS 6u
#define MASK (VS_WHEEL_SLOTS - 1)

void vs_wheel_init(struct vs_wheel *wheel, uint64_t now)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->now = now;
}

static struct vs_timer **slot_of(struct vs_wheel *wheel, uint64_t due)
{
	uint64_t left = due - wheel->now;
	unsigned level = 0;

	if (left >= VS_WHEEL_SPAN)
		due = wheel->now + VS_WHEEL_SPAN - 1;
	while (level + 1 < VS_WHEEL_LEVELS && left >> (BITS * (level + 1)) != 0)
		level++;
	return &wheel->slots[level][due >> (BITS * level) & MASK];
}

static void enter(struct vs_timer **slot, struct vs_timer *timer)
{
	timer->next = *slot;
	timer->link = slot;
	if (timer->next != NULL)
		timer->next->link = &timer->next;
	*slot = timer;
}

void vs_timer_clear(struct vs_timer *timer)
{
	if (timer->link == NULL)
		return;
	*timer->link = timer->next;
	if (timer->next != NULL)
		timer->next->link = timer->link;
	timer->next = NULL;
	timer->link = NULL;
}

void vs_timer_set(struct vs_wheel *wheel, struct vs_timer *timer, uint64_t due)
{
	vs_timer_clear(timer);
	timer->due = due > wheel->now ? due : wheel->now + 1;
	enter(slot_of(wheel, timer->due), timer);
}

/* Takes all of a slot: what is set while they are looked at does not come among them. */
static struct vs_timer *take(struct vs_timer **slot, struct vs_timer **ret_head)
{
	*ret_head = *slot;
	if (*slot != NULL)
		(*slot)->link = ret_head;
	*slot = NULL;
	return *ret_head;
}

/* The time of an outer wheel's slot begins. */
static void deal_out(struct vs_wheel *wheel, unsigned level)
{
	struct vs_timer *head, *timer;

	take(&wheel->slots[level][wheel->now >> (BITS * level) & MASK], &head);
	while ((timer = head) != NULL) {
		vs_timer_clear(timer);
		enter(slot_of(wheel, timer->due), timer);
	}
}

static void tick(struct vs_wheel *wheel, void (*fn)(struct vs_timer *timer, void *arg), void *arg)
{
	struct vs_timer *head, *timer;

	wheel->now++;
	for (unsigned level = VS_WHEEL_LEVELS - 1; level > 0; level--)
		if ((wheel->now & ((UINT64_C(1) << (BITS * level)) - 1)) == 0)
			deal_out(wheel, level);
	take(&wheel->slots[0][wheel->now & MASK], &head);
	while ((timer = head) != NULL) {
		vs_timer_clear(timer);
		fn(timer, arg);
	}
}

void vs_wheel_turn(struct vs_wheel *wheel, uint64_t now,
		   void (*fn)(struct vs_timer *timer, void *arg), void *arg)
{
	while (wheel->now < now)
		tick(wheel, fn, arg);
}
