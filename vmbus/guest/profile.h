/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How known guests set a synthetic NIC up: which versions they ask for, in which order, with what
 * sizes and numbers.  A host that serves all of these serves the guests that there are.
 *
 * Source: Linux drivers/net/hyperv, DPDK drivers/net/netvsc, FreeBSD sys/dev/hyperv/netvsc,
 * as the reference of this project lists them.
 */
#ifndef VMBUS_GUEST_PROFILE_H
#define VMBUS_GUEST_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

enum guest_step {
	GUEST_STEP_END,
	GUEST_STEP_INITIALIZE,
	GUEST_STEP_FRAME_SIZE,
	GUEST_STEP_MAC,
	GUEST_STEP_NAME,
	GUEST_STEP_CAPABILITIES, /* offloads that the NIC has */
	GUEST_STEP_OFFLOADS,	 /* and which of them to use */
	GUEST_STEP_LINK,
	GUEST_STEP_SPEED,
	GUEST_STEP_RSS_CAPABILITIES,
	GUEST_STEP_SUBCHANNELS,
	GUEST_STEP_RSS,	      /* once */
	GUEST_STEP_RSS_TWICE, /* switched off, then on */
	GUEST_STEP_FILTER,
};

/* How pages of a GPA-direct packet are listed. */
enum guest_gpa_form {
	GUEST_GPA_PAGES, /* a range for each page */
	GUEST_GPA_RANGE, /* one range of all pages */
};

struct guest_profile {
	const char *name;
	const uint32_t *bus_versions, *nvsp_versions; /* in the order tried, ended by 0 */
	const enum guest_step *steps;
	uint64_t capabilities;	       /* of NDIS_CONFIG, for NVSP 5 and later */
	uint64_t control_id;	       /* transaction id of control messages */
	uint64_t first_id;	       /* of frames: counted from here */
	uint32_t recv_size, send_size; /* bytes of the buffers; 0: none */
	uint32_t ring_pages;	       /* of each direction, with its header */
	uint16_t nvsp_size;	       /* bytes of every NVSP message */
	uint16_t send_id;
	uint16_t max_queues; /* unless it is told otherwise */
	enum guest_gpa_form gpa_form;
	bool frame_in_config; /* MTU of NDIS_CONFIG counts the Ethernet header */
	bool complete_config; /* asks that NDIS_CONFIG be completed */
	bool monitor;	      /* signals by the monitor page where there is one */
	bool aggregate;	      /* several frames in a section */
};

/* All of them, ended by NULL; the first is what one takes who does not care. */
extern const struct guest_profile *const guest_profiles[];
/* NULL: none of that name. */
const struct guest_profile *guest_profile_find(const char *name);

#endif
