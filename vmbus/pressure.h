/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much memory a guest shall have: policy of dynamic memory, made of what the guest reports
 * (balloon.h) and how short of memory the host is.  Arithmetic only.
 *
 * 	demand   what the guest uses or has promised to its programs, whichever is more; and a
 * quarter more than it has while it has nothing left wanted   demand and 'buffer' percent of it,
 * between minimum and maximum target   wanted, at once when that is more; when it is less, slowly
 * and not before it has been so for a while: what was taken too early comes back by the disk
 *
 * When the host is short, the buffer shrinks, the less the higher the VM's priority, and memory is
 * taken sooner.  Each machine decides for itself.
 */
#ifndef VMBUS_PRESSURE_H
#define VMBUS_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

struct pressure_conf {
	uint64_t minimum, start, maximum; /* bytes; minimum <= start <= maximum */
	unsigned buffer;		  /* percent of the demand: 0 to 200 */
	unsigned priority;		  /* 0 to 100 */
};

struct pressure_input {
	uint64_t now_ns;
	uint64_t assigned;  /* bytes the guest has: its memory without what the balloon holds */
	uint64_t available; /* bytes of them that it could use at once */
	uint64_t committed; /* bytes promised to programs, without the balloon */
	unsigned host;	    /* 0: the host has memory; 100: it has none left */
};

struct pressure {
	struct pressure_conf conf;
	uint64_t target;
	bool low; /* less is wanted than the target, since: */
	uint64_t low_since_ns;
};

/* The target is conf->start. */
void pressure_init(struct pressure *p, const struct pressure_conf *conf);
/* Other limits; the target moves into them. */
void pressure_set_conf(struct pressure *p, const struct pressure_conf *conf);
/* The new target: bytes, a multiple of 2 MB, unless a limit is not. */
uint64_t pressure_update(struct pressure *p, const struct pressure_input *in);
/* Demand in percent of what the guest has: above 100 it has too little. */
unsigned pressure_percent(const struct pressure_input *in);

#endif
