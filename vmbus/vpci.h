/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A PCI bus on VMBus with one function on it (vPCI): how a guest gets a VF.
 *
 * 	CLOSED ─open─► NEW ─version─► KNOWN ─D0 entry─► ON ─D0 exit─► KNOWN
 * 	                 any ─close, reset, broken ring─► CLOSED
 * 	ON ─vpci_eject()─► EJECTING ─ejection complete, or the owner's patience─► vpci_destroy()
 *
 * What the guest sees is made here: the window to the configuration space, a header with BARs of
 * its own choosing, a list of capabilities (vpci_config.c), and the table of MSI-X (vpci_msix.c).
 * What the function is behind that, a VF of VFIO's or a model, is the backend's: it moves memory
 * and interrupts to where it is told.
 *
 * Interrupts: a guest asks for a processor and a vector and gets a cookie (address and data), which
 * it writes into the MSI-X table; only cookies that it was given lead anywhere, so it can interrupt
 * nobody but itself, by vectors that it asked for.
 *
 * A guest's mistakes are counted by name and answered with an error.
 *
 * Thread: the server's, also for accesses of the guest's processors to window and BARs: whoever
 * runs them asks that thread, or holds what keeps it away.
 *
 * Source: Linux drivers/pci/controller/pci-hyperv.c; PCI Express base specification 5.0, 7.5 and
 * 7.7.
 */
#ifndef VMBUS_VPCI_H
#define VMBUS_VPCI_H

#include "vmbus/guid.h"
#include "vmbus/vpci_proto.h"

#include <stdbool.h>
#include <stdint.h>

#define VPCI_CONFIG_SIZE    4096u
#define VPCI_WINDOW_SIZE    8192u /* a page that selects the slot, a page of configuration space */
#define VPCI_MAX_VECTORS    2048u
#define VPCI_MAX_INTERRUPTS (2 * VPCI_MAX_VECTORS) /* cookies; old and new of each vector */
#define VPCI_NO_VP	    UINT32_MAX
#define VPCI_NOWHERE	    UINT64_MAX

/* 44c4f61d-4444-4400-9d52-802e27ede19f */
#define VMBUS_GUID_VPCI                                                                            \
	((struct vmbus_guid){{0x1d, 0xf6, 0xc4, 0x44, 0x44, 0x44, 0x00, 0x44, 0x9d, 0x52, 0x80,    \
			      0x2e, 0x27, 0xed, 0xe1, 0x9f}})

#define VPCI_FAULTS(X)                                                                             \
	X(MESSAGE, "bad-message", "a message that is cut off, or contradicts itself")              \
	X(PACKET, "bad-packet", "a packet of another type than messages come in")                  \
	X(TYPE, "unknown-message", "a message that buses do not take")                             \
	X(ORDER, "out-of-order", "a message that the state of the bus does not allow")             \
	X(VERSION, "unknown-version", "a version of the protocol that is not known")               \
	X(SLOT, "no-such-slot", "a slot with nothing in it")                                       \
	X(WINDOW, "bad-window", "a window that is not aligned, or cannot be had")                  \
	X(BAR, "bad-bar", "memory decoding with BARs that cannot be had there")                    \
	X(TARGET, "bad-target", "an interrupt to a processor or vector that there is none of")     \
	X(INTERRUPTS, "too-many-interrupts", "more interrupts than a function can have")           \
	X(COOKIE, "unknown-cookie", "an interrupt deleted or moved that was never created")        \
	X(FLOOD, "flood", "more requests than answers that were read")                             \
	X(RING, "broken-ring", "a ring that lies")
enum vpci_fault {
#define X(name, slug, text) VPCI_FAULT_##name,
	VPCI_FAULTS(X)
#undef X
		VPCI_N_FAULTS,
};
const char *vpci_fault_slug(enum vpci_fault fault);

struct vmbus_loop;
struct vmbus_server;
struct vpci;

/* The function behind the bus.  'map' and 'route' may be called again with what holds already. */
struct vpci_backend_ops {
	/* Its own configuration space: 1, 2 or 4 bytes, aligned. */
	uint32_t (*config_read)(void *ctx, uint32_t offset, unsigned size);
	void (*config_write)(void *ctx, uint32_t offset, unsigned size, uint32_t value);
	/* The guest reaches BAR 'bar' at 'gpa' from now on; VPCI_NOWHERE: nowhere any more.  The
	 * pages that hold the MSI-X table and its pending bits trap, to vpci_bar_read() and
	 * _write(). 0 or negative: it cannot be there. */
	int (*map)(void *ctx, unsigned bar, uint64_t gpa);
	/* What traps and is none of ours; 1 to 8 bytes. */
	uint64_t (*bar_read)(void *ctx, unsigned bar, uint64_t offset, unsigned size);
	void (*bar_write)(void *ctx, unsigned bar, uint64_t offset, unsigned size, uint64_t value);
	/* Interrupt 'index' of the function raises 'vector' on processor 'vp'; VPCI_NO_VP: it is
	 * masked, and what comes is kept pending. */
	void (*route)(void *ctx, unsigned index, uint32_t vp, uint32_t vector);
	bool (*pending)(void *ctx, unsigned index);
	/* The function may reach memory. */
	void (*bus_master)(void *ctx, bool on);
	/* As after power on: nothing of what it did goes on. */
	void (*reset)(void *ctx);
	/* The window is at 'gpa' from now on; VPCI_NOWHERE: nowhere.  0 or negative. */
	int (*window)(void *ctx, uint64_t gpa);
	/* The guest has let the function go, or will not any more: vpci_destroy() may follow, not
	 * from in here. */
	void (*ejected)(void *ctx);
};

struct vpci_bar {
	uint64_t size; /* a power of two from 4096 on; 0: none, or the upper half of the one before
			*/
	bool wide;     /* of 64 bits: the next one is its upper half */
	bool prefetch;
};

struct vpci_function {
	struct vpci_description description; /* slot 0 */
	struct vpci_bar bars[VPCI_N_BARS];
};

struct vpci_opts {
	struct vmbus_server *server;
	const struct vmbus_loop *loop; /* local.h */
	struct vmbus_guid instance;    /* vpci_instance() makes one */
	unsigned n_vps;		       /* of the guest */
	struct vpci_function function;
	const struct vpci_backend_ops *ops;
	void *ctx;
};

enum vpci_state { VPCI_CLOSED, VPCI_NEW, VPCI_KNOWN, VPCI_ON };
const char *vpci_state_name(enum vpci_state state);

struct vpci_info {
	enum vpci_state state;
	bool ejecting;
	uint32_t version; /* 0: none yet */
	uint64_t window;  /* VPCI_NOWHERE: none */
	bool decoding;	  /* BARs are mapped */
	bool bus_master;
	unsigned n_interrupts; /* cookies */
	unsigned n_vectors;    /* of the MSI-X table */
	uint64_t faults[VPCI_N_FAULTS];
};

/* Whose PCI domain a Linux guest calls 'domain' (1 to 65535, unique in the machine); 'name' makes
 * the rest, the same for the same name. */
struct vmbus_guid vpci_instance(const char *name, uint16_t domain);
/* How the retarget hypercall calls the bus' function 0 ([TLFS] HvRetargetDeviceInterrupt). */
uint64_t vpci_device_id(const struct vmbus_guid *instance);

/* Offers it.  -EINVAL: BARs that overlap, are no power of two, or hold no MSI-X table that the
 * function says is there; or what vmbus_device_offer() says. */
int vpci_create(const struct vpci_opts *opts, struct vpci **ret_vpci);
/* Withdraws it, which to a guest is a surprise unless it has let go.  The function is reset and
 * unmapped; no call comes any more.  Takes NULL. */
void vpci_destroy(struct vpci *vpci);
/* Asks the guest to let go; ops->ejected() comes when it has, at once when it has nothing. */
void vpci_eject(struct vpci *vpci);

/* Accesses of the guest, 'size' 1, 2, 4 or 8 bytes at 'offset' of the window or a BAR.  What makes
 * no sense reads as ones and is not written. */
uint64_t vpci_window_read(struct vpci *vpci, uint32_t offset, unsigned size);
void vpci_window_write(struct vpci *vpci, uint32_t offset, unsigned size, uint64_t value);
uint64_t vpci_bar_read(struct vpci *vpci, unsigned bar, uint64_t offset, unsigned size);
void vpci_bar_write(struct vpci *vpci, unsigned bar, uint64_t offset, unsigned size,
		    uint64_t value);
/* The retarget hypercall: the interrupt of that cookie goes elsewhere.  0; -ENOENT; -EINVAL. */
int vpci_retarget(struct vpci *vpci, uint64_t address, uint32_t data, uint32_t vector, uint32_t vp);

void vpci_info(const struct vpci *vpci, struct vpci_info *ret_info);

#endif
