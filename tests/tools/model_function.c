/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A VF that is none, for machines without any: vmworker-model is vmworker with this in place of
 * VFIO.  It looks like a VF of an 82576 (8086:10ca) whose physical function is away, to which
 * Linux' igbvf binds all the same:
 *
 * 	BAR 0   16 KB of registers: the second page traps, the others are memory
 * 	          0x1520 EICS: raises the interrupts of its bits
 * 	BAR 3   16 KB: MSI-X table of three, pending bits
 *
 * The device's descriptor, whatever it is, says by becoming readable that the host wants the device
 * back.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hv/gpa.h"
#include "hv/worker/function.h"
#include "vmbus/local.h"

#define PAGE	  4096u
#define BAR_SIZE  16384u
#define N_VECTORS 3u
#define MSIX	  0x70u
#define EXPRESS	  0xa0u
#define PBA	  0x2000u
#define EICS	  0x1520u

struct model {
	struct sriov_vfio_opts opts;
	uint8_t config[256];
	uint8_t *registers;
	uint64_t gpa; /* of BAR 0 */
	int fds[N_VECTORS];
	uint32_t vps[N_VECTORS];
	void *watch;
	struct sriov_vfio_info info;
};

static void put(struct model *m, uint32_t at, uint32_t value, unsigned size)
{
	memcpy(m->config + at, &value, size);
}

static void config_init(struct model *m)
{
	put(m, 0x00, 0xffffffff, 4);
	put(m, 0x06, 0x0010, 2);
	put(m, 0x34, MSIX, 1);
	put(m, MSIX, EXPRESS << 8 | 0x11, 2);
	put(m, MSIX + 2, N_VECTORS - 1, 2);
	put(m, MSIX + 4, 3, 4);
	put(m, MSIX + 8, PBA | 3, 4);
	put(m, EXPRESS, 0x10, 2);
	put(m, EXPRESS + 2, 0x0002, 2);
	put(m, EXPRESS + 4, 0x10008fc2, 4);
}

static uint32_t config_read(void *ctx, uint32_t offset, unsigned size)
{
	const struct model *m = ctx;
	uint32_t value = 0;

	if (offset + size <= sizeof(m->config))
		memcpy(&value, m->config + offset, size);
	return value;
}

static void config_write(void *ctx, uint32_t offset, unsigned size, uint32_t value)
{
	struct model *m = ctx;

	if (offset + size <= sizeof(m->config))
		put(m, offset, value, size);
}

/* ---- BARs ---- */

static const struct sriov_vfio_host_ops *host(const struct model *m)
{
	return m->opts.host;
}

/* Memory before and behind the page that traps. */
static int map_registers(struct model *m, uint64_t gpa)
{
	int rc;

	if (m->gpa != VPCI_NOWHERE) {
		host(m)->unmap(m->opts.ctx, m->gpa, PAGE);
		host(m)->unmap(m->opts.ctx, m->gpa + 2ull * PAGE, 2ull * PAGE);
	}
	m->gpa = VPCI_NOWHERE;
	rc = host(m)->place(m->opts.ctx, 0, gpa, BAR_SIZE);
	if (rc != 0 || gpa == VPCI_NOWHERE)
		return rc;
	m->gpa = gpa;
	rc = host(m)->map(m->opts.ctx, gpa, m->registers, PAGE);
	if (rc == 0)
		rc = host(m)->map(m->opts.ctx, gpa + 2ull * PAGE, m->registers + 2ull * PAGE,
				  2ull * PAGE);
	return rc;
}

static int map(void *ctx, unsigned bar, uint64_t gpa)
{
	struct model *m = ctx;

	return bar == 0 ? map_registers(m, gpa) : host(m)->place(m->opts.ctx, bar, gpa, BAR_SIZE);
}

static void raise(const struct model *m, uint32_t bits)
{
	for (unsigned i = 0; i < N_VECTORS; i++)
		if ((bits & 1u << i) != 0)
			(void)eventfd_write(m->fds[i], 1);
}

static uint64_t bar_read(void *ctx, unsigned bar, uint64_t offset, unsigned size)
{
	const struct model *m = ctx;
	uint64_t value = 0;

	if (bar == 0 && offset + size <= BAR_SIZE)
		memcpy(&value, m->registers + offset, size);
	return value;
}

static void bar_write(void *ctx, unsigned bar, uint64_t offset, unsigned size, uint64_t value)
{
	struct model *m = ctx;

	if (bar != 0 || offset + size > BAR_SIZE)
		return;
	memcpy(m->registers + offset, &value, size);
	if (offset == EICS)
		raise(m, (uint32_t)value);
}

/* ---- The rest ---- */

static void route(void *ctx, unsigned index, uint32_t vp, uint32_t vector)
{
	struct model *m = ctx;

	if (index >= N_VECTORS)
		return;
	if (host(m)->route(m->opts.ctx, index, m->fds[index], vp, vector) != 0) {
		m->info.failed_routes++;
		vp = VPCI_NO_VP;
	}
	m->info.n_routed += (vp != VPCI_NO_VP) - (m->vps[index] != VPCI_NO_VP);
	m->vps[index] = vp;
}

static bool pending(void *ctx, unsigned index)
{
	const struct model *m = ctx;
	struct pollfd fd = {.events = POLLIN};

	if (index >= N_VECTORS || m->vps[index] != VPCI_NO_VP)
		return false;
	fd.fd = m->fds[index];
	return poll(&fd, 1, 0) == 1;
}

static void bus_master(void *ctx, bool on)
{
	((struct model *)ctx)->info.bus_master = on;
}

static void reset(void *ctx)
{
	struct model *m = ctx;
	eventfd_t n;

	memset(m->registers, 0, BAR_SIZE);
	for (unsigned i = 0; i < N_VECTORS; i++)
		(void)eventfd_read(m->fds[i], &n);
	m->info.resets++;
}

static int window(void *ctx, uint64_t gpa)
{
	struct model *m = ctx;

	return host(m)->window(m->opts.ctx, gpa);
}

static void ejected(void *ctx)
{
	struct model *m = ctx;

	host(m)->ejected(m->opts.ctx);
}

static const struct vpci_backend_ops ops = {
	.config_read = config_read,
	.config_write = config_write,
	.map = map,
	.bar_read = bar_read,
	.bar_write = bar_write,
	.route = route,
	.pending = pending,
	.bus_master = bus_master,
	.reset = reset,
	.window = window,
	.ejected = ejected,
};

/* ---- Life ---- */

static void on_wanted(void *arg)
{
	struct model *m = arg;

	m->opts.loop->remove(m->opts.loop->ctx, m->watch);
	m->watch = NULL;
	host(m)->gone(m->opts.ctx, SRIOV_VFIO_WANTED);
}

static void model_close(void *device)
{
	struct model *m = device;

	if (m->watch != NULL)
		m->opts.loop->remove(m->opts.loop->ctx, m->watch);
	if (m->registers != NULL)
		munmap(m->registers, BAR_SIZE);
	for (unsigned i = 0; i < N_VECTORS; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	close(m->opts.fds.container);
	close(m->opts.fds.group);
	close(m->opts.fds.device);
	free(m);
}

static int make(struct model *m)
{
	void *registers =
		mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (registers == MAP_FAILED)
		return -ENOMEM;
	m->registers = registers;
	for (unsigned i = 0; i < N_VECTORS; i++) {
		m->vps[i] = VPCI_NO_VP;
		m->fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (m->fds[i] < 0)
			return -errno;
	}
	m->watch = m->opts.loop->add(m->opts.loop->ctx, m->opts.fds.device, on_wanted, m);
	return m->watch != NULL ? 0 : -ENOMEM;
}

static int model_open(const struct sriov_vfio_opts *opts, void **ret_device, struct err *err)
{
	struct model *m = calloc(1, sizeof(*m));
	int rc;

	if (m == NULL)
		return err_set(err, -ENOMEM, "model", "not enough memory");
	m->opts = *opts;
	m->gpa = VPCI_NOWHERE;
	for (unsigned i = 0; i < N_VECTORS; i++)
		m->fds[i] = -1;
	m->info = (struct sriov_vfio_info){.vendor = 0x8086,
					   .device = 0x10ca,
					   .n_vectors = N_VECTORS,
					   .dma_size = opts->memory->range[0].size};
	config_init(m);
	rc = make(m);
	if (rc != 0) {
		model_close(m);
		return err_set(err, rc, "model", "cannot make the model: %s", strerror(-rc));
	}
	*ret_device = m;
	return 0;
}

static void function(const void *device, struct vpci_function *ret_function)
{
	const struct model *m = device;

	*ret_function = (struct vpci_function){
		.description = {.vendor = 0x8086,
				.device = 0x10ca,
				.revision = 1,
				.base_class = 2,
				.subsystem_vendor = 0x8086,
				.subsystem_device = 0xa03c,
				.serial = m->opts.serial,
				.numa_node = -1},
		.bars = {[0] = {.size = BAR_SIZE, .wide = true, .prefetch = true},
			 [3] = {.size = BAR_SIZE, .wide = true, .prefetch = true}},
	};
}

static void info(const void *device, struct sriov_vfio_info *ret_info)
{
	*ret_info = ((const struct model *)device)->info;
}

const struct function_backend worker_function_backend = {
	.open = model_open,
	.close = model_close,
	.function = function,
	.info = info,
	.ops = &ops,
};
