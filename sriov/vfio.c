/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See vfio.h.  Life, DMA, configuration space, reset.
 */
#include "sriov/vfio_priv.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hv/gpa.h"

#define SLUG	       "vfio"
#define REG_COMMAND    0x04u
#define COMMAND_MEMORY 0x0002u
#define COMMAND_MASTER 0x0004u
#define CONFIG_MIN     256u

const char *sriov_vfio_end_slug(enum sriov_vfio_end end)
{
	static const char *const slugs[] = {
#define X(name, slug, text) [SRIOV_VFIO_##name] = slug,
		SRIOV_VFIO_ENDS(X)
#undef X
	};

	return end < SRIOV_VFIO_N_ENDS ? slugs[end] : "unknown";
}

const char *sriov_vfio_end_text(enum sriov_vfio_end end)
{
	static const char *const texts[] = {
#define X(name, slug, text) [SRIOV_VFIO_##name] = text,
		SRIOV_VFIO_ENDS(X)
#undef X
	};

	return end < SRIOV_VFIO_N_ENDS ? texts[end] : "unknown";
}

/* ---- The kernel ---- */

static int sys_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	int rc = ioctl(fd, request, arg);

	return rc >= 0 ? rc : -errno;
}

static ssize_t sys_read(void *ctx, int fd, void *bytes, size_t size, uint64_t at)
{
	ssize_t n = pread(fd, bytes, size, (off_t)at);

	return n >= 0 ? n : -errno;
}

static ssize_t sys_write(void *ctx, int fd, const void *bytes, size_t size, uint64_t at)
{
	ssize_t n = pwrite(fd, bytes, size, (off_t)at);

	return n >= 0 ? n : -errno;
}

static void *sys_map(void *ctx, int fd, size_t size, uint64_t at)
{
	void *va = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)at);

	return va != MAP_FAILED ? va : NULL;
}

static void sys_unmap(void *ctx, void *va, size_t size)
{
	munmap(va, size);
}

static const struct sriov_vfio_sys sys_kernel = {
	.ioctl = sys_ioctl,
	.read = sys_read,
	.write = sys_write,
	.map = sys_map,
	.unmap = sys_unmap,
};

int vfio_ioctl(const struct sriov_vfio *v, int fd, unsigned long request, void *arg)
{
	return v->opts.sys->ioctl(v->opts.sys->ctx, fd, request, arg);
}

void vfio_gone(struct sriov_vfio *v, enum sriov_vfio_end end)
{
	if (v->told)
		return;
	v->told = true;
	v->opts.host->gone(v->opts.ctx, end);
}

/* ---- Configuration space ---- */

uint32_t vfio_config_read(struct sriov_vfio *v, uint32_t offset, unsigned size)
{
	const struct sriov_vfio_sys *sys = v->opts.sys;
	uint8_t bytes[4] = {0xff, 0xff, 0xff, 0xff};

	if (offset >= v->config_size || size > sizeof(bytes) || size > v->config_size - offset ||
	    sys->read(sys->ctx, v->opts.fds.device, bytes, size, v->config_at + offset) !=
		    (ssize_t)size) {
		v->info.failed_accesses++;
		memset(bytes, 0xff, sizeof(bytes));
	}
	switch (size) {
	case 1:
		return bytes[0];
	case 2:
		return bytes[0] | (uint32_t)bytes[1] << 8;
	default:
		return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
		       (uint32_t)bytes[3] << 24;
	}
}

static void config_write(struct sriov_vfio *v, uint32_t offset, unsigned size, uint32_t value)
{
	const struct sriov_vfio_sys *sys = v->opts.sys;
	const uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
				  (uint8_t)(value >> 24)};

	if (offset >= v->config_size || size > sizeof(bytes) || size > v->config_size - offset ||
	    sys->write(sys->ctx, v->opts.fds.device, bytes, size, v->config_at + offset) !=
		    (ssize_t)size)
		v->info.failed_accesses++;
}

/* Memory is always decoded: where the guest has it is not the device's business. */
static void set_master(struct sriov_vfio *v, bool on)
{
	on = on && !v->broken;
	v->info.bus_master = on;
	config_write(v, REG_COMMAND, 2, COMMAND_MEMORY | (on ? COMMAND_MASTER : 0));
}

/* ---- Reset ---- */

/* 0, or what the kernel says; the device is kept off memory then. */
static int reset(struct sriov_vfio *v)
{
	int rc;

	vfio_msix_reset(v);
	set_master(v, false);
	rc = vfio_ioctl(v, v->opts.fds.device, VFIO_DEVICE_RESET, NULL);
	v->info.resets++;
	v->broken = rc < 0;
	if (rc < 0)
		v->info.failed_resets++;
	set_master(v, false);
	return rc;
}

/* ---- DMA ---- */

static void dma_unmap(struct sriov_vfio *v)
{
	while (v->n_mapped > 0) {
		const struct gpa_range *r = &v->opts.memory->range[--v->n_mapped];
		struct vfio_iommu_type1_dma_unmap arg = {.argsz = sizeof(arg),
							 .iova = r->gpa,
							 .size = r->size};

		(void)vfio_ioctl(v, v->opts.fds.container, VFIO_IOMMU_UNMAP_DMA, &arg);
	}
	v->info.dma_size = 0;
}

static int dma_refused(const struct sriov_vfio *v, const struct gpa_range *r, int rc,
		       struct err *err)
{
	struct rlimit limit = {0};
	uint64_t size = 0;

	for (unsigned i = 0; i < v->opts.memory->n; i++)
		size += v->opts.memory->range[i].size;
	err_set(err, rc, SLUG, "%s cannot be given the guest's memory: %s", v->name, strerror(-rc));
	if (rc == -ENOMEM || rc == -EPERM) {
		(void)getrlimit(RLIMIT_MEMLOCK, &limit);
		err_why(err,
			"all %llu MB of it have to stay in the host's memory, and the limit on "
			"locked memory of this process is %llu MB",
			(unsigned long long)(size >> 20),
			(unsigned long long)(limit.rlim_cur >> 20));
	} else {
		err_why(err,
			"the IOMMU may not translate addresses from 0x%llx on: the host keeps some "
			"for itself (iommu_group/reserved_regions)",
			(unsigned long long)r->gpa);
	}
	return rc;
}

static int dma_map(struct sriov_vfio *v, struct err *err)
{
	while (v->n_mapped < v->opts.memory->n) {
		const struct gpa_range *r = &v->opts.memory->range[v->n_mapped];
		struct vfio_iommu_type1_dma_map arg = {.argsz = sizeof(arg),
						       .flags = VFIO_DMA_MAP_FLAG_READ |
								VFIO_DMA_MAP_FLAG_WRITE,
						       .vaddr = (uintptr_t)r->va,
						       .iova = r->gpa,
						       .size = r->size};
		int rc = vfio_ioctl(v, v->opts.fds.container, VFIO_IOMMU_MAP_DMA, &arg);

		if (rc < 0)
			return dma_refused(v, r, rc, err);
		v->n_mapped++;
		v->info.dma_size += r->size;
	}
	return 0;
}

/* ---- Life ---- */

static int device_check(struct sriov_vfio *v, struct err *err)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	int rc = vfio_ioctl(v, v->opts.fds.device, VFIO_DEVICE_GET_INFO, &info);

	if (rc < 0)
		return err_set(err, rc, SLUG, "%s cannot be asked what it is: %s", v->name,
			       strerror(-rc));
	if ((info.flags & VFIO_DEVICE_FLAGS_PCI) == 0 ||
	    info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX)
		return err_set(err, -EINVAL, SLUG, "%s is no PCI function", v->name);
	if ((info.flags & VFIO_DEVICE_FLAGS_RESET) == 0) {
		err_set(err, -EOPNOTSUPP, SLUG, "%s cannot be reset", v->name);
		err_why(err, "what one guest made of it would be there for the next, and it could "
			     "go on writing to memory");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int config_init(struct sriov_vfio *v, struct err *err)
{
	struct vfio_region_info info = {.argsz = sizeof(info),
					.index = VFIO_PCI_CONFIG_REGION_INDEX};
	int rc = vfio_ioctl(v, v->opts.fds.device, VFIO_DEVICE_GET_REGION_INFO, &info);

	if (rc < 0 || info.size < CONFIG_MIN)
		return err_set(err, rc < 0 ? rc : -EINVAL, SLUG, "%s shows no configuration space",
			       v->name);
	v->config_at = info.offset;
	v->config_size = info.size;
	v->description =
		(struct vpci_description){.vendor = (uint16_t)vfio_config_read(v, 0x00, 2),
					  .device = (uint16_t)vfio_config_read(v, 0x02, 2),
					  .revision = (uint8_t)vfio_config_read(v, 0x08, 1),
					  .prog_if = (uint8_t)vfio_config_read(v, 0x09, 1),
					  .subclass = (uint8_t)vfio_config_read(v, 0x0a, 1),
					  .base_class = (uint8_t)vfio_config_read(v, 0x0b, 1),
					  .subsystem_vendor =
						  (uint16_t)vfio_config_read(v, 0x2c, 2),
					  .subsystem_device =
						  (uint16_t)vfio_config_read(v, 0x2e, 2),
					  .serial = v->opts.serial,
					  .numa_node = -1};
	return 0;
}

static int bring_up(struct sriov_vfio *v, struct err *err)
{
	int rc = device_check(v, err);

	if (rc == 0)
		rc = config_init(v, err);
	if (rc == 0 && (rc = reset(v)) < 0)
		return err_set(err, rc, SLUG, "%s cannot be reset: %s", v->name, strerror(-rc));
	if (rc == 0)
		rc = vfio_msix_init(v, err);
	if (rc == 0)
		rc = vfio_bars_init(v, err);
	if (rc == 0)
		rc = dma_map(v, err);
	return rc;
}

static void close_fds(const struct sriov_vfio_fds *fds)
{
	const int all[] = {fds->device, fds->group, fds->container};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i] >= 0)
			close(all[i]);
}

int sriov_vfio_open(const struct sriov_vfio_opts *opts, struct sriov_vfio **ret_vfio,
		    struct err *err)
{
	struct sriov_vfio *v = calloc(1, sizeof(*v));
	int rc;

	if (v == NULL) {
		close_fds(&opts->fds);
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	}
	v->opts = *opts;
	if (v->opts.sys == NULL)
		v->opts.sys = &sys_kernel;
	(void)snprintf(v->name, sizeof(v->name), "%s", opts->name);
	v->opts.name = v->name;
	for (unsigned i = 0; i < VPCI_N_BARS; i++)
		v->bars[i].gpa = VPCI_NOWHERE;
	for (unsigned i = 0; i < 2; i++)
		v->notices[i].fd = -1;
	rc = bring_up(v, err);
	if (rc != 0) {
		sriov_vfio_close(v);
		return rc;
	}
	vfio_notices_init(v);
	*ret_vfio = v;
	return 0;
}

void sriov_vfio_close(struct sriov_vfio *v)
{
	if (v == NULL)
		return;
	vfio_notices_fini(v);
	v->told = true;
	if (v->config_size != 0)
		(void)reset(v);
	vfio_bars_fini(v);
	dma_unmap(v);
	vfio_msix_fini(v);
	close_fds(&v->opts.fds);
	free(v);
}

/* ---- What it is ---- */

void sriov_vfio_function(const struct sriov_vfio *vfio, struct vpci_function *ret_function)
{
	struct vpci_function f = {.description = vfio->description};

	for (unsigned i = 0; i < VPCI_N_BARS; i++)
		f.bars[i] = (struct vpci_bar){.size = vfio->bars[i].size,
					      .wide = vfio->bars[i].wide,
					      .prefetch = vfio->bars[i].prefetch};
	*ret_function = f;
}

void sriov_vfio_info(const struct sriov_vfio *vfio, struct sriov_vfio_info *ret_info)
{
	*ret_info = vfio->info;
	ret_info->vendor = vfio->description.vendor;
	ret_info->device = vfio->description.device;
	ret_info->n_vectors = vfio->msix.n;
	ret_info->n_routed = 0;
	for (unsigned i = 0; vfio->msix.vectors != NULL && i < vfio->msix.n; i++)
		ret_info->n_routed += vfio->msix.vectors[i].vp != VPCI_NO_VP;
}

/* ---- The backend of a bus ---- */

static uint32_t backend_config_read(void *ctx, uint32_t offset, unsigned size)
{
	return vfio_config_read(ctx, offset, size);
}

static void backend_config_write(void *ctx, uint32_t offset, unsigned size, uint32_t value)
{
	config_write(ctx, offset, size, value);
}

static int backend_map(void *ctx, unsigned bar, uint64_t gpa)
{
	return vfio_bar_map(ctx, bar, gpa);
}

static uint64_t backend_bar_read(void *ctx, unsigned bar, uint64_t offset, unsigned size)
{
	return vfio_bar_read(ctx, bar, offset, size);
}

static void backend_bar_write(void *ctx, unsigned bar, uint64_t offset, unsigned size,
			      uint64_t value)
{
	vfio_bar_write(ctx, bar, offset, size, value);
}

static void backend_route(void *ctx, unsigned index, uint32_t vp, uint32_t vector)
{
	vfio_msix_route(ctx, index, vp, vector);
}

static bool backend_pending(void *ctx, unsigned index)
{
	return vfio_msix_pending(ctx, index);
}

static void backend_bus_master(void *ctx, bool on)
{
	set_master(ctx, on);
}

static void backend_reset(void *ctx)
{
	struct sriov_vfio *v = ctx;

	if (reset(v) < 0)
		vfio_gone(v, SRIOV_VFIO_RESET);
}

static int backend_window(void *ctx, uint64_t gpa)
{
	const struct sriov_vfio *v = ctx;

	return v->opts.host->window(v->opts.ctx, gpa);
}

static void backend_ejected(void *ctx)
{
	const struct sriov_vfio *v = ctx;

	v->opts.host->ejected(v->opts.ctx);
}

const struct vpci_backend_ops sriov_vfio_backend = {
	.config_read = backend_config_read,
	.config_write = backend_config_write,
	.map = backend_map,
	.bar_read = backend_bar_read,
	.bar_write = backend_bar_write,
	.route = backend_route,
	.pending = backend_pending,
	.bus_master = backend_bus_master,
	.reset = backend_reset,
	.window = backend_window,
	.ejected = backend_ejected,
};
