/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See fake_vfio.h.
 */
#include "tests/support/fake_vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#define BUS_MASTER 0x4u
#define MASTER_AT  0x04u

void fake_vfio_put(struct fake_vfio *fake, uint32_t at, uint32_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		fake->config[at + i] = (uint8_t)(value >> 8 * i);
}

uint32_t fake_vfio_command(const struct fake_vfio *fake)
{
	return fake->config[MASTER_AT];
}

/* ---- The kernel ---- */

static int region_info(const struct fake_vfio *fake, struct vfio_region_info *info)
{
	struct vfio_region_info_cap_sparse_mmap *cap = (void *)(info + 1);
	size_t size = sizeof(*info) + sizeof(*cap) + sizeof(cap->areas[0]);

	info->offset = (uint64_t)info->index * FAKE_VFIO_REGION;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	info->cap_offset = 0;
	if (info->index == VFIO_PCI_CONFIG_REGION_INDEX) {
		info->size = sizeof(fake->config);
		return 0;
	}
	if (info->index >= 6)
		return -EINVAL;
	info->size = fake->bar_size[info->index];
	info->flags |= fake->mappable[info->index] ? VFIO_REGION_INFO_FLAG_MMAP : 0;
	if (info->index != 0 || fake->sparse[1] == 0)
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	if (info->argsz < size) {
		info->argsz = (uint32_t)size;
		return 0;
	}
	info->cap_offset = sizeof(*info);
	cap->header =
		(struct vfio_info_cap_header){.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1};
	cap->nr_areas = 1;
	cap->areas[0].offset = fake->sparse[0];
	cap->areas[0].size = fake->sparse[1];
	return 0;
}

static int irq_info(const struct fake_vfio *fake, struct vfio_irq_info *info)
{
	info->flags = VFIO_IRQ_INFO_EVENTFD;
	if (info->index == VFIO_PCI_MSIX_IRQ_INDEX)
		info->count = fake->n_vectors;
	else
		info->count = info->index == VFIO_PCI_ERR_IRQ_INDEX ||
			      info->index == VFIO_PCI_REQ_IRQ_INDEX;
	return 0;
}

static void msix_off(struct fake_vfio *fake)
{
	for (unsigned i = 0; i < FAKE_VFIO_MAX; i++)
		fake->trigger[i] = -1;
	fake->msix = false;
}

static int set_irqs(struct fake_vfio *fake, const struct vfio_irq_set *set)
{
	const int32_t *fds = (const void *)set->data;

	assert_true((set->flags & VFIO_IRQ_SET_ACTION_TRIGGER) != 0);
	if (set->index != VFIO_PCI_MSIX_IRQ_INDEX) {
		assert_int_equal(set->count, 1);
		fake->notice[set->index == VFIO_PCI_REQ_IRQ_INDEX] = fds[0];
		return 0;
	}
	if (set->count == 0) {
		assert_true((set->flags & VFIO_IRQ_SET_DATA_NONE) != 0);
		msix_off(fake);
		return 0;
	}
	assert_true((set->flags & VFIO_IRQ_SET_DATA_EVENTFD) != 0);
	assert_int_equal(set->argsz, sizeof(*set) + set->count * sizeof(fds[0]));
	assert_true(set->start + set->count <= fake->n_vectors);
	/* Kernels differ in whether it may grow: so it does not. */
	if (!fake->msix && fake->most_vectors != 0 && (int)set->count > fake->most_vectors)
		return fake->most_vectors;
	fake->msix = true;
	for (unsigned i = 0; i < set->count; i++)
		fake->trigger[set->start + i] = fds[i];
	return 0;
}

static int reset(struct fake_vfio *fake)
{
	fake->n_resets++;
	fake->n_unresets += fake->msix || (fake_vfio_command(fake) & BUS_MASTER) != 0;
	return 0;
}

static int dma_map(struct fake_vfio *fake, const struct vfio_iommu_type1_dma_map *arg)
{
	assert_true(fake->n_dma < FAKE_VFIO_MAX);
	assert_int_equal(arg->flags, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
	fake->dma[fake->n_dma++] =
		(struct fake_vfio_area){arg->iova, arg->size, (const uint8_t *)arg->vaddr};
	return 0;
}

static int dma_unmap(struct fake_vfio *fake, const struct vfio_iommu_type1_dma_unmap *arg)
{
	for (unsigned i = 0; i < fake->n_dma; i++)
		if (fake->dma[i].gpa == arg->iova && fake->dma[i].size == arg->size) {
			fake->dma[i] = fake->dma[--fake->n_dma];
			return 0;
		}
	fail_msg("unmaps what is not mapped");
	return -EINVAL;
}

static int fake_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	struct fake_vfio *fake = ctx;

	if (fake->fault.request == request && fake->fault.after-- == 0)
		return fake->fault.rc;
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		*(struct vfio_device_info *)arg =
			(struct vfio_device_info){.argsz = sizeof(struct vfio_device_info),
						  .flags = fake->flags,
						  .num_regions = VFIO_PCI_NUM_REGIONS,
						  .num_irqs = VFIO_PCI_NUM_IRQS};
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(fake, arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return irq_info(fake, arg);
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(fake, arg);
	case VFIO_DEVICE_RESET:
		return reset(fake);
	case VFIO_IOMMU_MAP_DMA:
		return dma_map(fake, arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return dma_unmap(fake, arg);
	default:
		fail_msg("ioctl 0x%lx is not VFIO's", request);
		return -ENOTTY;
	}
}

/* The bytes of a region, or NULL. */
static uint8_t *bytes_at(struct fake_vfio *fake, uint64_t at, size_t size)
{
	uint64_t index = at / FAKE_VFIO_REGION, offset = at % FAKE_VFIO_REGION;

	if (fake->dead)
		return NULL;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return offset + size <= sizeof(fake->config) ? fake->config + offset : NULL;
	return index < 6 && offset + size <= fake->bar_size[index] ? fake->memory[index] + offset
								   : NULL;
}

static ssize_t fake_read(void *ctx, int fd, void *bytes, size_t size, uint64_t at)
{
	const uint8_t *from = bytes_at(ctx, at, size);

	if (from == NULL)
		return -EIO;
	memcpy(bytes, from, size);
	return (ssize_t)size;
}

static ssize_t fake_write(void *ctx, int fd, const void *bytes, size_t size, uint64_t at)
{
	uint8_t *to = bytes_at(ctx, at, size);

	if (to == NULL)
		return -EIO;
	memcpy(to, bytes, size);
	return (ssize_t)size;
}

static void *fake_map(void *ctx, int fd, size_t size, uint64_t at)
{
	struct fake_vfio *fake = ctx;
	uint8_t *va = bytes_at(fake, at, size);

	assert_true(at % 4096 == 0 && size % 4096 == 0 && size != 0);
	assert_true(at / FAKE_VFIO_REGION < 6);
	fake->n_maps += va != NULL;
	return va;
}

static void fake_unmap(void *ctx, void *va, size_t size)
{
	((struct fake_vfio *)ctx)->n_maps--;
}

/* ---- The machine ---- */

static int place(void *ctx, unsigned bar, uint64_t gpa, uint64_t size)
{
	struct fake_vfio *fake = ctx;

	assert_true(bar < 6);
	if (gpa != VPCI_NOWHERE && fake->place_rc != 0)
		return fake->place_rc;
	fake->placed[bar] = gpa;
	return 0;
}

static int map(void *ctx, uint64_t gpa, void *va, uint64_t size)
{
	struct fake_vfio *fake = ctx;

	if (fake->map_rc != 0 && fake->map_rc_after-- == 0)
		return fake->map_rc;
	assert_true(fake->n_slots < FAKE_VFIO_MAX);
	fake->slots[fake->n_slots++] = (struct fake_vfio_area){gpa, size, va};
	return 0;
}

static void unmap(void *ctx, uint64_t gpa, uint64_t size)
{
	struct fake_vfio *fake = ctx;

	for (unsigned i = 0; i < fake->n_slots; i++)
		if (fake->slots[i].gpa == gpa && fake->slots[i].size == size) {
			fake->slots[i] = fake->slots[--fake->n_slots];
			return;
		}
	fail_msg("takes away a slot that is not there");
}

static int route(void *ctx, unsigned index, int fd, uint32_t vp, uint32_t vector)
{
	struct fake_vfio *fake = ctx;

	assert_true(index < FAKE_VFIO_MAX && fd >= 0);
	if (vp != VPCI_NO_VP && fake->route_rc != 0)
		return fake->route_rc;
	fake->routes[index].fd = fd;
	fake->routes[index].vp = vp;
	fake->routes[index].vector = vector;
	fake->routes[index].n++;
	return 0;
}

static int window(void *ctx, uint64_t gpa)
{
	((struct fake_vfio *)ctx)->window = gpa;
	return 0;
}

static void ejected(void *ctx)
{
	((struct fake_vfio *)ctx)->n_ejected++;
}

static void gone(void *ctx, enum sriov_vfio_end end)
{
	struct fake_vfio *fake = ctx;

	fake->n_gone++;
	fake->end = end;
}

static const struct sriov_vfio_host_ops host = {
	.place = place,
	.map = map,
	.unmap = unmap,
	.route = route,
	.window = window,
	.ejected = ejected,
	.gone = gone,
};

/* ---- Where it waits ---- */

static void *loop_add(void *ctx, int fd, void (*ready)(void *arg), void *arg)
{
	struct fake_vfio *fake = ctx;

	for (unsigned i = 0; i < 2; i++)
		if (fake->watched[i].ready == NULL) {
			fake->watched[i].fd = fd;
			fake->watched[i].ready = ready;
			fake->watched[i].arg = arg;
			return &fake->watched[i];
		}
	return NULL;
}

static void loop_remove(void *ctx, void *handle)
{
	memset(handle, 0, sizeof(((struct fake_vfio *)ctx)->watched[0]));
}

void fake_vfio_turn(struct fake_vfio *fake)
{
	for (unsigned i = 0; i < 2; i++) {
		struct pollfd fd = {.fd = fake->watched[i].fd, .events = POLLIN};

		if (fake->watched[i].ready != NULL && poll(&fd, 1, 0) == 1)
			fake->watched[i].ready(fake->watched[i].arg);
	}
}

void fake_vfio_raise(struct fake_vfio *fake, unsigned index)
{
	if (fake->trigger[index] >= 0)
		assert_int_equal(eventfd_write(fake->trigger[index], 1), 0);
}

/* ---- Life ---- */

static void config_init(struct fake_vfio *fake)
{
	fake_vfio_put(fake, 0x00, 0x10ca8086, 4);
	fake_vfio_put(fake, 0x06, 0x0010, 2);
	fake_vfio_put(fake, 0x08, 0x02000001, 4);
	fake_vfio_put(fake, 0x10, 0x4, 4);
	fake_vfio_put(fake, 0x18, 0x1, 4);
	fake_vfio_put(fake, 0x1c, 0xc, 4);
	fake_vfio_put(fake, 0x2c, 0xa03c8086, 4);
	fake_vfio_put(fake, 0x34, 0x40, 1);
	fake_vfio_put(fake, 0x40, FAKE_VFIO_MSIX << 8 | 0x01, 2);
	fake_vfio_put(fake, FAKE_VFIO_MSIX, 0x11, 2);
	fake_vfio_put(fake, FAKE_VFIO_MSIX + 2, FAKE_VFIO_VECTORS - 1, 2);
	fake_vfio_put(fake, FAKE_VFIO_MSIX + 4, 3, 4);
	fake_vfio_put(fake, FAKE_VFIO_MSIX + 8, 0x2000 | 3, 4);
}

static void memory_init(struct fake_vfio *fake)
{
	fake->map = (struct gpa_map){.n = 2};
	fake->map.range[0] = (struct gpa_range){0, sizeof(fake->ram[0]), fake->ram[0]};
	fake->map.range[1] =
		(struct gpa_range){UINT64_C(1) << 32, sizeof(fake->ram[1]), fake->ram[1]};
}

void fake_vfio_init(struct fake_vfio *fake)
{
	memset(fake, 0, sizeof(*fake));
	fake->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	config_init(fake);
	memory_init(fake);
	fake->bar_size[0] = fake->bar_size[3] = FAKE_VFIO_BAR;
	fake->bar_size[2] = 32;
	fake->mappable[0] = fake->mappable[3] = true;
	fake->n_vectors = FAKE_VFIO_VECTORS;
	msix_off(fake);
	fake->notice[0] = fake->notice[1] = -1;
	fake->window = VPCI_NOWHERE;
	for (unsigned i = 0; i < 6; i++)
		fake->placed[i] = VPCI_NOWHERE;
	for (unsigned i = 0; i < FAKE_VFIO_MAX; i++)
		fake->routes[i].vp = VPCI_NO_VP;
	fake->loop = (struct vmbus_loop){.add = loop_add, .remove = loop_remove, .ctx = fake};
	fake->sys = (struct sriov_vfio_sys){.ioctl = fake_ioctl,
					    .read = fake_read,
					    .write = fake_write,
					    .map = fake_map,
					    .unmap = fake_unmap,
					    .ctx = fake};
	fake->opts = (struct sriov_vfio_opts){.name = "0000:01:10.0",
					      .memory = &fake->map,
					      .serial = 7,
					      .loop = &fake->loop,
					      .host = &host,
					      .ctx = fake,
					      .sys = &fake->sys};
}

int fake_vfio_open(struct fake_vfio *fake, struct sriov_vfio **ret_vfio, struct err *err)
{
	struct sriov_vfio_opts opts = fake->opts;

	opts.fds = (struct sriov_vfio_fds){open("/dev/null", O_RDWR), open("/dev/null", O_RDWR),
					   open("/dev/null", O_RDWR)};
	return sriov_vfio_open(&opts, ret_vfio, err);
}

void fake_vfio_expect_clean(const struct fake_vfio *fake)
{
	assert_int_equal(fake->n_dma, 0);
	assert_int_equal(fake->n_maps, 0);
	assert_int_equal(fake->n_slots, 0);
	assert_false(fake->msix);
	assert_int_equal(fake->n_unresets, 0);
	assert_int_equal(fake_vfio_command(fake) & BUS_MASTER, 0);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(fake->placed[i], VPCI_NOWHERE);
	for (unsigned i = 0; i < FAKE_VFIO_MAX; i++)
		assert_int_equal(fake->routes[i].vp, VPCI_NO_VP);
	for (unsigned i = 0; i < 2; i++)
		assert_null(fake->watched[i].ready);
}
