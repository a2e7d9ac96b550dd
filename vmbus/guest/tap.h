/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A tap device for a NIC to be joined to: made in our own network namespace and moved into another,
 * so that no descriptor of ours holds that one alive; when it goes, so does the device.
 *
 * Thread: control; each descriptor of 'fds' is for one thread.
 */
#ifndef VMBUS_GUEST_TAP_H
#define VMBUS_GUEST_TAP_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define TAP_MAX_QUEUES 64
#define TAP_NAME_SIZE  16

struct tap {
	char name[TAP_NAME_SIZE];
	char netns[256]; /* where it is; "": here */
	unsigned n_queues;
	int fds[TAP_MAX_QUEUES]; /* do not block */
};

struct tap_settings {
	uint8_t mac[6];
	uint16_t mtu;
	bool csum, tso4, tso6; /* what the NIC does for it */
	uint32_t gso_max;      /* bytes of a super-frame; 0: no bound of ours */
};

/* Makes 'name' with 'n_queues' queues in 'netns' (NULL: here; a name of ip-netns(8), a path, or the
 * number of a process).  It is down. */
int tap_open(const char *name, const char *netns, unsigned n_queues, struct tap *ret_tap,
	     struct err *err);
void tap_close(struct tap *tap);
/* Address, MTU, offloads; brings it up. */
int tap_set(struct tap *tap, const struct tap_settings *settings, struct err *err);
void tap_set_carrier(struct tap *tap, bool on);
/* It was deleted, or its namespace was. */
bool tap_gone(const struct tap *tap);

#endif
