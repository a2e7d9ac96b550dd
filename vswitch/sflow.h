/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sFlow version 5 on the wire (sflow.org, sflow_version_5.txt): datagrams of flow samples and
 * counter samples.  Bytes only, no state but the datagram that is being made, no I/O.
 *
 * 	sflow_begin(); sflow_flow(), sflow_counters() ... until one does not fit; sflow_end(); send
 */
#ifndef VSWITCH_SFLOW_H
#define VSWITCH_SFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/base/wire.h"

#define SFLOW_PORT     6343
#define SFLOW_DATAGRAM 1400u

struct sflow_agent {
	uint8_t family; /* 4 or 6 */
	uint8_t address[16];
	uint32_t sub_agent;
};

struct sflow_datagram {
	struct wr wr;
	size_t n_at; /* where the number of samples stands */
	uint32_t n;
	uint8_t bytes[SFLOW_DATAGRAM];
};

void sflow_begin(struct sflow_datagram *d, const struct sflow_agent *agent, uint32_t sequence,
		 uint32_t uptime_ms);
/* Its size; 0: it has no samples. */
size_t sflow_end(struct sflow_datagram *d);

/* These return false, and leave the datagram as it was, when it has no room; an empty one has. */

struct sflow_flow {
	uint32_t sequence, interface, rate, pool, drops; /* of the interface's source */
	uint32_t frame_size;				 /* without its checksum */
	const uint8_t *head;
	uint16_t head_size; /* at most 512 */
	uint16_t vlan, priority;
};
bool sflow_flow(struct sflow_datagram *d, const struct sflow_flow *flow);

/* Generic interface counters. */
struct sflow_counters {
	uint32_t sequence, interface;
	uint64_t speed_bps;
	bool admin_up, link_up, promiscuous;
	uint64_t in_bytes, out_bytes;
	uint32_t in_unicast, in_multicast, in_discards, in_errors;
	uint32_t out_unicast, out_multicast, out_discards, out_errors;
};
bool sflow_counters(struct sflow_datagram *d, const struct sflow_counters *counters);

#endif
