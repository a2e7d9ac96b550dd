/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The inside of the machine's PCI functions (function.h):
 *
 * 	function.c       how they come and go
 * 	function_host.c  what devices ask of the machine: traps, memory, interrupts
 */
#ifndef HV_WORKER_FUNCTION_PRIV_H
#define HV_WORKER_FUNCTION_PRIV_H

#include "hv/worker/function.h"

#include "hv/device.h"
#include "hv/memory.h"
#include "hv/partition.h"
#include "hv/worker/config.h"
#include "hv/worker/loop.h"
#include "vmbus/local.h"

struct event;
struct function;

/* A BAR, as a trap knows it. */
struct function_bar {
	struct function *function;
	unsigned index;
	struct hv_region *region; /* NULL: it is nowhere */
};

struct function {
	struct functions *all;
	bool used;
	char name[WORKER_NAME_SIZE], address[16];
	uint32_t serial;
	struct vmbus_guid instance;
	void *device; /* the backend's */
	struct vpci *vpci;
	bool pinned; /* the guest's memory is, for it */

	bool ejecting, ejected;
	struct event *timer; /* its end */
	void (*done)(void *ctx, bool ejected);
	void *done_ctx;

	struct hv_region *window;
	struct function_bar bars[VPCI_N_BARS];
	struct hv_msi *msis[VPCI_MAX_VECTORS]; /* made when they are used first */
	uint64_t n_reads, n_writes;	       /* that trapped */
};

struct functions {
	struct functions_opts opts;
	struct vmbus_loop loop;
	struct event *asks;  /* processors that wait */
	unsigned n_attached; /* ever */
	struct function functions[WORKER_MAX_FUNCTIONS];
};

/* function.c: what the bus or the device says. */
void function_ejected(struct function *f);
void function_gone(struct function *f, enum sriov_vfio_end why);

/* function_host.c; their context is the function. */
extern const struct sriov_vfio_host_ops function_host_ops;
/* Takes back all that was placed and routed. */
void function_host_fini(struct function *f);

#endif
