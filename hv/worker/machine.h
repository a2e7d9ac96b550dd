/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The machine as a worker has it: partition, boards' devices, kernel, bus; its mail read and given
 * to whom it concerns.
 *
 * 	machine_open()     files, /dev/kvm, memory, processors: before the worker locks itself in
 * 	machine_load()     the kernel into memory: people's files are read behind the lock
 * 	machine_run(), machine_pause()
 * 	machine_reset()    pause ─► bus lets go ─► partition to power-on ─► load ─► done()
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_MACHINE_H
#define HV_WORKER_MACHINE_H

#include "ctl/base/err.h"
#include "hv/partition.h"

#include <stdbool.h>

struct event_base;
struct hv_serial;
struct machine;
struct worker_bus;
struct worker_config;

/* What the machine says of itself; from the event loop. */
struct machine_ops {
	void (*crashed)(void *ctx); /* hv_partition_crash() */
	void (*wants_reset)(void *ctx);
	void (*powered_off)(void *ctx);
	void (*fault)(void *ctx, const char *text); /* a processor cannot go on */
	void (*served)(void *ctx);		    /* the bus took messages */
	void (*bus_event)(void *ctx, const char *text);
	/* A port of the guest's wants to be connected to one of the host's. */
	void (*wants_stream)(void *ctx, uint32_t guest_port, uint32_t host_port);
};

/* 'config' and 'ops' are borrowed for life. */
int machine_open(const struct worker_config *config, struct event_base *base,
		 const struct machine_ops *ops, void *ctx, struct machine **ret_machine,
		 struct err *err);
/* Devices on the bus must have been withdrawn.  Takes NULL. */
void machine_destroy(struct machine *machine);

int machine_load(struct machine *machine, struct err *err);
int machine_run(struct machine *machine, struct err *err);
void machine_pause(struct machine *machine);
/* Leaves it paused, with its kernel loaded anew; 'done' runs then, perhaps before this returns,
 * with 0 or what went wrong. */
void machine_reset(struct machine *machine, void (*done)(void *ctx, int rc, const struct err *err),
		   void *ctx);
/* Presses the power button. */
void machine_button(struct machine *machine);

struct hv_partition *machine_partition(struct machine *machine);
struct hv_serial *machine_serial(struct machine *machine);
struct worker_bus *machine_bus(struct machine *machine);

#endif
