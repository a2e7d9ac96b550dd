/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest that lies, in every way we could think of: one attack at a time, each from a new contact.
 * What it proves is what the host does afterwards: a well-behaved guest comes, sets its NIC up, and
 * gets answers.
 *
 * 	hostile.c          the list, a NIC to attack from, the look afterwards
 * 	hostile_bus.c      control messages, GPADLs
 * 	hostile_ring.c     rings and packets
 * 	hostile_net.c      NVSP, RNDIS, sections and pages, completions, buffers taken away
 */
#ifndef TESTS_SUPPORT_HOSTILE_H
#define TESTS_SUPPORT_HOSTILE_H

#include "vmbus/guest/guest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where to attack. */
struct hostile_env {
	const char *socket; /* of a real switch; NULL: 'start' offers a device */
	int (*start)(void *ctx, struct guest_local *local);
	void (*stop)(void *ctx);
	void (*work)(void *ctx);
	void *ctx;
	unsigned messages;  /* of the flood; 0: a million */
	unsigned ms;	    /* how long attacks by time last; 0: 500 */
	unsigned answer_ms; /* how long to wait for an answer; 0: 1000 */
	uint64_t seed;
};

/* An attacker at work. */
struct hostile {
	const struct hostile_env *env;
	struct guest_local *local;
	struct guest_bus *bus;
	struct guest_channel *channel; /* the NIC's; NULL: there is none */
	struct guest_net *net;	       /* NULL until hostile_net() */
	uint64_t random;
	bool started; /* env->start was called */
};

struct hostile_attack {
	const char *name, *text;
	void (*run)(struct hostile *h);
	bool net; /* from a NIC that is set up */
};

/* All attacks, ended by one without a name. */
extern const struct hostile_attack hostile_bus_attacks[], hostile_ring_attacks[],
	hostile_net_attacks[];
const struct hostile_attack *hostile_find(const char *name);
/* The n-th, or NULL. */
const struct hostile_attack *hostile_at(unsigned n);

/* Attacks, then comes as an honest guest.  0: the host serves it; else what failed, in words. */
int hostile_run(const struct hostile_env *env, const struct hostile_attack *attack,
		struct err *err);

/* For the attacks. */

/* The lies about a length: 0, header - 1, header, size, size + 1, all ones, and two more. */
#define HOSTILE_N_LENGTHS 8
uint32_t hostile_length(unsigned i, uint32_t header, uint32_t size);
uint32_t hostile_random(struct hostile *h);
/* Lets the host work, and takes what it says. */
void hostile_pause(struct hostile *h);
/* Starts again with a NIC, if the last one broke. */
bool hostile_renew(struct hostile *h);
void hostile_post(struct hostile *h, const void *msg, size_t size);
/* A packet as it is, header words and all: no check of anything. */
void hostile_put(struct hostile *h, uint64_t word, uint64_t id, const void *bytes, uint32_t size,
		 uint32_t advance);

#endif
