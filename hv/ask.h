/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a processor must have from the owner before it can go on (device.h): it waits in its thread,
 * one question at a time.  For hv only.
 *
 * 	processor                                owner
 * 	hv_ask(): question, fd, waits            hv_asks_answer(), also while it waits for
 * processors ◄── answer ──
 *
 * A guest can make as many questions as it has processors, and is no faster than the owner answers.
 */
#ifndef HV_ASK_H
#define HV_ASK_H

#include "hv/device.h"

#include <stdbool.h>
#include <stdint.h>

#define HV_MAX_MSIS 4096

struct hv_partition;
struct hv_vp;

enum hv_ask_what { HV_ASK_READ, HV_ASK_WRITE, HV_ASK_RETARGET };

struct hv_ask {
	enum hv_ask_what what;
	uint64_t gpa; /* READ, WRITE */
	unsigned size;
	uint64_t value; /* WRITE: what is written; READ: the answer */
	struct hv_retarget retarget;
	int rc; /* RETARGET: the answer */
};

/* A partition's: regions, interrupts, who is asked. */
struct hv_devices;

int hv_devices_create(struct hv_partition *partition, struct hv_devices **ret_devices);
/* Regions and interrupts must be gone.  Takes NULL. */
void hv_devices_destroy(struct hv_devices *devices);

/* On a processor's thread.  Is there a region that traps? */
bool hv_traps(struct hv_partition *partition, uint64_t gpa);
/* Asks, and waits for the answer.  False: the partition ends, there will be none. */
bool hv_ask(struct hv_vp *vp, struct hv_ask *ask);
/* The owner waits for processors, with the partition's lock held: answers those that wait for it.
 * Returns with the lock held; false: there were none. */
bool hv_asks_answer_locked(struct hv_partition *partition);

#endif
