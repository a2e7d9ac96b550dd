/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A PCI function of the host, a VF above all, as what stands behind a guest's bus (vmbus/vpci.h):
 * by VFIO, which keeps it within the guest's memory and takes its interrupts as descriptors.
 *
 * 	guest ──window, trapped pages──► vpci ──sriov_vfio_backend──► here ──read, write──► device
 * 	guest ──other pages of BARs────────────────────────────────────────(mapped)───────► device
 * 	device ──DMA──► IOMMU ──► guest's memory          device ──MSI-X──► eventfd ──► KVM ──►
 * guest
 *
 * The descriptors come from whoever may open them (the switch); what has to be done in the machine
 * is its owner's (struct sriov_vfio_host_ops), so nothing here knows KVM.
 *
 * All of the guest's memory is pinned from open to close, for the guest may tell the device any
 * address of it: nothing may be given back to the host meanwhile (hv_memory_discard()), or the
 * device goes on with pages that the guest no longer has.
 *
 * Life: sriov_vfio_open(), vpci_create() with sriov_vfio_function() and sriov_vfio_backend, ..,
 * vpci_destroy(), sriov_vfio_close().  The device is reset at both ends, and by the bus whenever
 * the guest lets go of it.
 *
 * Thread: the server's (vmbus/server.h).
 *
 * Source: Linux include/uapi/linux/vfio.h, Documentation/driver-api/vfio.rst.
 */
#ifndef SRIOV_VFIO_H
#define SRIOV_VFIO_H

#include "ctl/base/err.h"
#include "vmbus/vpci.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct gpa_map;
struct sriov_vfio;
struct vmbus_loop;

/* The container has the group, and an IOMMU of type 1 (VFIO_TYPE1v2_IOMMU); the device is the
 * group's. */
struct sriov_vfio_fds {
	int container, group, device;
};

/* How a function ends that nobody took back. */
#define SRIOV_VFIO_ENDS(X)                                                                         \
	X(WANTED, "wanted",                                                                        \
	  "the host wants the device back: its driver is unbound, or it is "                       \
	  "unplugged")                                                                             \
	X(ERROR, "error", "the device reported an error that cannot be corrected")                 \
	X(RESET, "reset", "the device could not be reset; it may not reach memory any more")
enum sriov_vfio_end {
#define X(name, slug, text) SRIOV_VFIO_##name,
	SRIOV_VFIO_ENDS(X)
#undef X
		SRIOV_VFIO_N_ENDS,
};
const char *sriov_vfio_end_slug(enum sriov_vfio_end end);
const char *sriov_vfio_end_text(enum sriov_vfio_end end);

/* What is done in the machine.  Addresses and sizes are multiples of 4096. */
struct sriov_vfio_host_ops {
	/* BAR 'bar' has the guest's addresses [gpa, gpa + size) from now on; VPCI_NOWHERE: none.
	 * What map() does not put there traps, to vpci_bar_read() and _write().  It comes before
	 * map() of its parts, and after their unmap().  0, or negative: it cannot be there, as
	 * where there is memory of the guest's or another BAR. */
	int (*place)(void *ctx, unsigned bar, uint64_t gpa, uint64_t size);
	/* The guest reaches 'va' (ours until unmap(), which comes with the same 'gpa' and 'size')
	 * at 'gpa' without a trap.  0 or negative. */
	int (*map)(void *ctx, uint64_t gpa, void *va, uint64_t size);
	void (*unmap)(void *ctx, uint64_t gpa, uint64_t size);
	/* Whenever 'fd' (an eventfd; ours, the same for an 'index' until close) is written,
	 * 'vector' is raised on processor 'vp'; what was written before is raised at once, as
	 * KVM_IRQFD does. VPCI_NO_VP: no more, and what comes stays in it.  0 or negative. */
	int (*route)(void *ctx, unsigned index, int fd, uint32_t vp, uint32_t vector);
	/* As in struct vpci_backend_ops. */
	int (*window)(void *ctx, uint64_t gpa);
	void (*ejected)(void *ctx);
	/* At most once.  vpci_eject(), and some time later destroy and close; not from in here. */
	void (*gone)(void *ctx, enum sriov_vfio_end end);
};

/* The kernel's side, for tests.  All return what the system call does, or negative errno. */
struct sriov_vfio_sys {
	int (*ioctl)(void *ctx, int fd, unsigned long request, void *arg);
	ssize_t (*read)(void *ctx, int fd, void *bytes, size_t size, uint64_t at);
	ssize_t (*write)(void *ctx, int fd, const void *bytes, size_t size, uint64_t at);
	void *(*map)(void *ctx, int fd, size_t size, uint64_t at); /* NULL: not to be had */
	void (*unmap)(void *ctx, void *va, size_t size);
	void *ctx;
};

/* The ioctls made here, for a filter of system calls; besides: pread64, pwrite64, mmap and munmap
 * of the device, eventfd2. */
#define SRIOV_VFIO_IOCTLS(X)                                                                       \
	X(VFIO_DEVICE_GET_INFO)                                                                    \
	X(VFIO_DEVICE_GET_REGION_INFO)                                                             \
	X(VFIO_DEVICE_GET_IRQ_INFO)                                                                \
	X(VFIO_DEVICE_SET_IRQS)                                                                    \
	X(VFIO_DEVICE_RESET)                                                                       \
	X(VFIO_IOMMU_MAP_DMA)                                                                      \
	X(VFIO_IOMMU_UNMAP_DMA)

struct sriov_vfio_opts {
	struct sriov_vfio_fds fds;
	const char *name;	       /* for errors: its PCI address */
	const struct gpa_map *memory;  /* the guest's; borrowed, does not change */
	uint32_t serial;	       /* struct vpci_description */
	const struct vmbus_loop *loop; /* borrowed; NULL: nobody hears of WANTED and ERROR */
	const struct sriov_vfio_host_ops *host;
	void *ctx;			  /* of 'host' */
	const struct sriov_vfio_sys *sys; /* borrowed; NULL: the kernel's */
};

struct sriov_vfio_info {
	uint16_t vendor, device;
	unsigned n_vectors; /* that it has */
	unsigned n_routed;  /* that lead to the guest now */
	bool bus_master;
	uint64_t dma_size; /* bytes of memory that it can reach */
	uint64_t resets, failed_resets;
	uint64_t failed_routes;	  /* interrupts that the host had no means for */
	uint64_t failed_accesses; /* to configuration space or BARs */
};

/* Resets the device, lets it reach the guest's memory, reads what it is.  Takes the descriptors, in
 * any case.  Errors: no PCI function, one that cannot be reset, MSI-X that contradicts itself,
 * memory that may not be pinned (-ENOMEM: how much is allowed), addresses that the IOMMU cannot
 * translate.  Takes the longer the more memory there is. */
int sriov_vfio_open(const struct sriov_vfio_opts *opts, struct sriov_vfio **ret_vfio,
		    struct err *err);
/* Resets it once more and ends its reach; closes the descriptors.  No callback comes any more but
 * those that undo what was placed, mapped and routed.  Takes NULL. */
void sriov_vfio_close(struct sriov_vfio *vfio);

/* What a bus shows of it: vpci_opts' 'function'. */
void sriov_vfio_function(const struct sriov_vfio *vfio, struct vpci_function *ret_function);
void sriov_vfio_info(const struct sriov_vfio *vfio, struct sriov_vfio_info *ret_info);

/* vpci_opts' 'ops'; their context is the struct sriov_vfio. */
extern const struct vpci_backend_ops sriov_vfio_backend;

#endif
