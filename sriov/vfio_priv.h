/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of a VFIO device share:
 *
 * 	vfio.c      life, DMA, configuration space, reset
 * 	vfio_bar.c  BARs: what is mapped into the guest and what traps
 * 	vfio_irq.c  MSI-X, and what the host says of the device
 */
#ifndef SRIOV_VFIO_PRIV_H
#define SRIOV_VFIO_PRIV_H

#include "sriov/vfio.h"

#define VFIO_PAGE	4096u
#define VFIO_MAX_PIECES 8u

/* Consecutive pages of a BAR that the guest reaches without a trap. */
struct vfio_piece {
	uint64_t offset, size;
	void *va;
	bool mapped; /* in the guest */
};

struct vfio_bar {
	uint64_t region_size; /* as VFIO has it; 0: no memory BAR */
	uint64_t at;	      /* in the device's descriptor */
	uint64_t size;	      /* as the guest has it: a page at least */
	bool wide, prefetch;
	uint64_t gpa; /* VPCI_NOWHERE: not placed */
	unsigned n_pieces;
	struct vfio_piece pieces[VFIO_MAX_PIECES];
};

struct vfio_vector {
	int fd;	    /* -1: none yet */
	bool armed; /* the device raises it */
	uint32_t vp, vector;
};

struct vfio_msix {
	uint32_t cap; /* 0: none */
	unsigned n;
	unsigned table_bar, pba_bar;
	uint64_t table_offset, pba_offset;
	bool enabled; /* at the device */
	unsigned n_enabled;
	struct vfio_vector *vectors;
};

/* Something that the host says by a descriptor. */
struct vfio_notice {
	struct sriov_vfio *vfio;
	enum sriov_vfio_end end;
	int fd;
	void *handle; /* of the loop */
};

struct sriov_vfio {
	struct sriov_vfio_opts opts;
	char name[32];
	uint64_t config_at, config_size; /* in the device's descriptor */
	struct vpci_description description;
	uint8_t n_mapped; /* ranges of opts.memory */
	bool broken;	  /* it could not be reset */
	bool told;	  /* host->gone() was called */
	struct vfio_bar bars[VPCI_N_BARS];
	struct vfio_msix msix;
	struct vfio_notice notices[2];
	struct sriov_vfio_info info; /* but for what is counted when asked */
};

int vfio_ioctl(const struct sriov_vfio *v, int fd, unsigned long request, void *arg);
uint32_t vfio_config_read(struct sriov_vfio *v, uint32_t offset, unsigned size);
void vfio_gone(struct sriov_vfio *v, enum sriov_vfio_end end);

/* vfio_bar.c.  After vfio_msix_init(): pages of the table are left out. */
int vfio_bars_init(struct sriov_vfio *v, struct err *err);
void vfio_bars_fini(struct sriov_vfio *v);
int vfio_bar_map(struct sriov_vfio *v, unsigned bar, uint64_t gpa);
uint64_t vfio_bar_read(struct sriov_vfio *v, unsigned bar, uint64_t offset, unsigned size);
void vfio_bar_write(struct sriov_vfio *v, unsigned bar, uint64_t offset, unsigned size,
		    uint64_t value);

/* vfio_irq.c.  Reads the capability. */
int vfio_msix_init(struct sriov_vfio *v, struct err *err);
void vfio_msix_fini(struct sriov_vfio *v);
/* Nothing is routed, the device has none, nothing is pending. */
void vfio_msix_reset(struct sriov_vfio *v);
void vfio_msix_route(struct sriov_vfio *v, unsigned index, uint32_t vp, uint32_t vector);
bool vfio_msix_pending(const struct sriov_vfio *v, unsigned index);
/* Listens to what the host says.  Where it cannot, it does not. */
void vfio_notices_init(struct sriov_vfio *v);
void vfio_notices_fini(struct sriov_vfio *v);

#endif
