/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A kernel's VFIO with one PCI function behind it, in memory: what sriov/vfio.h calls instead of
 * the kernel, and a machine that writes down what it was told.
 *
 * The function is a network VF: BAR 0 of 16 KB, BAR 3 of 16 KB with the MSI-X table at its start
 * and the pending bits in its third page, both of 64 bits, and a BAR 2 that is I/O ports.  Tests
 * change what it says before they open it.
 *
 * Tests fail in it, not return.
 */
#ifndef TESTS_SUPPORT_FAKE_VFIO_H
#define TESTS_SUPPORT_FAKE_VFIO_H

#include "hv/gpa.h"
#include "sriov/vfio.h"
#include "vmbus/local.h"

#define FAKE_VFIO_VECTORS 3u
#define FAKE_VFIO_MAX	  8u /* vectors, calls to fail, mappings */
#define FAKE_VFIO_MSIX	  0x70u
#define FAKE_VFIO_REGION  0x10000u /* a region begins at its index times this */
#define FAKE_VFIO_BAR	  0x4000u

/* What can be made to fail: the n-th call from now on, with that error. */
struct fake_vfio_fault {
	unsigned long request; /* 0: none */
	unsigned after;
	int rc;
};

struct fake_vfio_area {
	uint64_t gpa, size;
	const uint8_t *va;
};

struct fake_vfio {
	/* The function. */
	uint32_t flags; /* of the device */
	uint8_t config[VPCI_CONFIG_SIZE];
	uint8_t memory[6][FAKE_VFIO_BAR];
	uint64_t bar_size[6];
	bool mappable[6];
	uint64_t sparse[2]; /* of BAR 0: offset and size of what may be mapped; size 0: all */
	unsigned n_vectors;
	int most_vectors; /* more than that the host has not; 0: as many as wanted */
	int trigger[FAKE_VFIO_MAX], notice[2]; /* descriptors as set: error, request; -1: none */
	bool msix;
	unsigned n_resets, n_unresets; /* of these with memory to be reached or interrupts on */
	/* The IOMMU. */
	struct fake_vfio_area dma[FAKE_VFIO_MAX];
	unsigned n_dma, n_maps; /* mmap()s that are there */
	struct fake_vfio_fault fault;
	bool dead; /* reads and writes fail */
	/* The machine. */
	uint64_t placed[6], window;
	struct fake_vfio_area slots[FAKE_VFIO_MAX];
	unsigned n_slots;
	struct {
		int fd;
		uint32_t vp, vector;
		unsigned n;
	} routes[FAKE_VFIO_MAX];
	int place_rc, map_rc, route_rc;
	unsigned map_rc_after;
	unsigned n_ejected, n_gone;
	enum sriov_vfio_end end;
	/* Where it waits. */
	struct {
		int fd;
		void (*ready)(void *arg);
		void *arg;
	} watched[2];
	struct vmbus_loop loop;
	/* To open it with. */
	struct gpa_map map;
	uint8_t ram[2][8192];
	struct sriov_vfio_sys sys;
	struct sriov_vfio_opts opts;
};

void fake_vfio_init(struct fake_vfio *fake);
/* Nothing is left that was mapped, placed or routed. */
void fake_vfio_expect_clean(const struct fake_vfio *fake);
/* Opens it as fake->opts say; 'err' may be NULL. */
int fake_vfio_open(struct fake_vfio *fake, struct sriov_vfio **ret_vfio, struct err *err);
/* The function raises its interrupt; nothing when it has no descriptor. */
void fake_vfio_raise(struct fake_vfio *fake, unsigned index);
/* What the machine's waiting does: calls whoever is ready. */
void fake_vfio_turn(struct fake_vfio *fake);
void fake_vfio_put(struct fake_vfio *fake, uint32_t at, uint32_t value, unsigned size);
uint32_t fake_vfio_command(const struct fake_vfio *fake);

#endif
