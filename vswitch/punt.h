/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames on their way from workers to controllers and back, on the control thread.
 *
 * 	dp_punt_poll() ─► which switch ─► its agent ─► struct of_packet_in ─► vs_agent_packet_in()
 * 	packet-out ─► vs_flows_packet_out() (flows.h) ─► dp_inject()
 *
 * A few frames at a time, so that commands and messages have their turn between them.
 */
#ifndef VSWITCH_PUNT_H
#define VSWITCH_PUNT_H

#include <stdint.h>

struct dp_punt;
struct event_base;
struct vs;
struct vs_agent;
struct vs_packet_buffers;
struct vs_punts;
struct of_packet_in;

/* The agent of a switch, or NULL: then its frames are dropped.  vs_switch_agent(). */
typedef struct vs_agent *(*vs_punt_find_fn)(const struct vs *vs, const char *sw);

/* Watches the dataplane's descriptor in the event loop.  0 or -ENOMEM. */
int vs_punts_create(struct vs *vs, struct event_base *base, vs_punt_find_fn find,
		    struct vs_punts **ret_punts);
/* Takes NULL. */
void vs_punts_destroy(struct vs_punts *punts);

/* What controllers are told of a frame (7.4.1).  Keeps a copy in 'buffers' (may be NULL: never)
 * unless max_len says that all of it goes.  'miss_send_len' is for frames that no output action
 * sent (an invalid TTL): the least that some controller wants of them, of which 'ret_in' has all.
 * 'ret_in' borrows from 'punt'. */
void vs_punt_packet_in(const struct dp_punt *punt, struct vs_packet_buffers *buffers,
		       uint16_t miss_send_len, uint64_t now_ms, struct of_packet_in *ret_in);

#endif
