/* SPDX-License-Identifier: BSD-2-Clause
 *
 * PCI functions of the machine, VFs above all: each a bus on VMBus (vmbus/vpci.h) and a device
 * behind it that the switch hands over (control method 'vf-attach', docs/vmworker.md).
 *
 * 	attach ─► OFFERED ── vf-detach, the host wants it back ──► EJECTING ─► gone
 * 	              the guest has let go, or its time is over ───────┘
 *
 * Here is what the bus and the device need of the machine: traps for the window and for what of a
 * BAR is not the device's own memory, memory slots, routes of interrupts, the hypercall that moves
 * them (hv/device.h).
 *
 * A device reaches all of the guest's memory, so none of it is given back to the host while there
 * is one.
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_FUNCTION_H
#define HV_WORKER_FUNCTION_H

#include "ctl/base/err.h"
#include "sriov/vfio.h"

#include <jansson.h>

#define WORKER_MAX_FUNCTIONS 8
#define FUNCTION_N_FDS	     3 /* container, group, device */

struct event_base;
struct functions;
struct hv_partition;
struct vmbus_server;

/* What is behind a bus: sriov/vfio.h, or a test's model. */
struct function_backend {
	/* As those of sriov_vfio_. */
	int (*open)(const struct sriov_vfio_opts *opts, void **ret_device, struct err *err);
	void (*close)(void *device);
	void (*function)(const void *device, struct vpci_function *ret_function);
	void (*info)(const void *device, struct sriov_vfio_info *ret_info);
	const struct vpci_backend_ops *ops;
};

/* A worker has one: function_vfio.c, or that of a test that links another. */
extern const struct function_backend worker_function_backend;

struct functions_opts {
	struct event_base *base;
	struct vmbus_server *server;
	struct hv_partition *partition;
	const struct function_backend *backend;
	unsigned
		patience_ms; /* until a guest that does not let go is not asked any more; 0: 20 s */
	/* What became of one; 'state' is "offered", "ejecting", "gone"; 'why' a word, or NULL. */
	void (*event)(void *ctx, const char *name, const char *state, const char *why,
		      const char *text);
	void *ctx;
};

struct function_spec {
	const char *name;    /* of the NIC, worker_name_valid() */
	const char *address; /* in the host: "0000:03:10.0"; for people */
	uint32_t serial;     /* that the guest pairs it by; not 0, unique in the machine */
	struct sriov_vfio_fds fds;
};

int functions_create(const struct functions_opts *opts, struct functions **ret_functions,
		     struct err *err);
/* The machine is paused.  Takes NULL. */
void functions_destroy(struct functions *functions);

/* Offers a function to the guest.  Takes the descriptors, also when it fails.  -EEXIST: there is
 * one of that name or serial; -ENOSPC; -EINVAL; or what the device's open() says. */
int functions_attach(struct functions *functions, const struct function_spec *spec,
		     struct err *err);
/* Takes it from the guest: asks it to let go, and does not wait for longer than its patience.
 * 'done' runs when the device's descriptors are closed ('ejected': the guest let go by itself),
 * never from in here.  -ENOENT; -EBUSY: somebody else waits for that. */
int functions_detach(struct functions *functions, const char *name,
		     void (*done)(void *ctx, bool ejected), void *ctx, struct err *err);

/* [{"name", "address", "serial", "state", ..}]; a new reference. */
json_t *functions_info(const struct functions *functions);
/* {"name": {counts}}; a new reference. */
json_t *functions_stats(const struct functions *functions);

#endif
