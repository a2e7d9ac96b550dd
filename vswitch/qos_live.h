/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bandwidth as it runs: what is to be seen of it.  Control thread.
 */
#ifndef VSWITCH_QOS_LIVE_H
#define VSWITCH_QOS_LIVE_H

#include "vswitch/qos.h"
#include "vswitch/vs.h"

/* A way of frames with a rate of its own. */
struct vs_qos_class {
	const char *port;
	const char *name;  /* "from", "to", "to: queue 3", "to: tenant blue", "to: from web1" */
	uint64_t max, min; /* bits a second; 0: none */
	uint64_t rate_now; /* over the last second, on the wire */
	uint64_t packets, bytes, drops, marks;
	double delay_mean_us, delay_max_us; /* since it was made */
	uint32_t waiting;
};
typedef void (*vs_qos_class_fn)(void *arg, const struct vs_qos_class *c);

/* Tells of all classes of a port, or of all ports (-1).  'c' is borrowed during the call. */
void vs_qos_classes(struct vs *vs, int port_id, vs_qos_class_fn fn, void *arg);
/* Does the port drop, or hold back, over the last seconds?  "", "to", "from" or "to, from". */
const char *vs_qos_over(const struct vs *vs, uint16_t port_id);
/* The name of a class by its number, as the trace has it; NULL: there is none. */
const char *vs_qos_class_name(const struct vs *vs, uint16_t port_id, uint32_t cls);
/* For how many seconds in a row it has dropped on the way to what is behind it. */
unsigned vs_qos_over_s(const struct vs *vs, uint16_t port_id);
/* Which part of what is guaranteed there the port can keep, and the rate that this comes from (0:
 * unknown). */
double vs_qos_scaled(const struct vs *vs, uint16_t port_id, uint64_t *ret_bps);
/* The class of an OpenFlow queue; false: there is none. */
bool vs_qos_queue(const struct vs *vs, uint16_t port_id, uint32_t queue, struct vs_qos_class *ret);
/* What keeps 'q' from doing what it says; "": nothing. */
void vs_qos_note(const struct vs *vs, const struct vs_qos *q, char *text, size_t size);

#endif
