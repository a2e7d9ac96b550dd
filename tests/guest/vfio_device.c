/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A real VF (82576, as the test host's card has them) behind sriov/vfio.h, driven by hand as a
 * guest's driver would: registers, an interrupt, a frame that is sent from memory, one that would
 * be sent from memory that is not the guest's; then waits until the host wants the VF back.
 *
 * 	vfio_device ADDRESS MAC      exit status 0: all as it should be
 *
 * Registers: Intel 82576 datasheet, 8.26 (VF).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "hv/gpa.h"
#include "sriov/vfio.h"
#include "vmbus/local.h"

#define RAM_SIZE (2u << 20)
#define BAR0_GPA 0x1000000000ull
#define BAR3_GPA 0x1000010000ull
#define PATIENCE 60u /* s: an emulated processor that others share */

#define REG_STATUS  0x0008u
#define REG_MAILBOX 0x0c40u
#define MAILBOX_REQ 0x01u
#define MAILBOX_VFU 0x04u
#define MAILBOX_STS 0x10u
#define REG_MESSAGE 0x0800u
#define MESSAGE_ACK 0x80000000u
#define VF_RESET    0x01u
#define REG_EICS    0x1520u
#define REG_EIMS    0x1524u
#define REG_EICR    0x1580u
#define REG_TDBAL   0x3800u
#define REG_TDBAH   0x3804u
#define REG_TDLEN   0x3808u
#define REG_TDH	    0x3810u
#define REG_TDT	    0x3818u
#define REG_TXDCTL  0x3828u
#define QUEUE_ON    (1u << 25)

#define RING_AT	 0x1000u
#define FRAME_AT 0x2000u
#define FRAME	 60u

struct rig {
	uint8_t *ram;
	struct gpa_map map;
	struct sriov_vfio *vfio;
	volatile uint32_t *regs; /* BAR 0, as the guest has it */
	unsigned n_slots;
	bool table_mapped;
	int irq_fd;
	bool gone;
	enum sriov_vfio_end end;
	struct pollfd waits[2];
	void (*ready[2])(void *arg);
	void *args[2];
	unsigned n_failed;
};

static void check(struct rig *r, bool ok, const char *what)
{
	printf("%s %s\n", ok ? "ok  " : "FAIL", what);
	fflush(stdout);
	r->n_failed += !ok;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- The machine ---- */

static int place(void *ctx, unsigned bar, uint64_t gpa, uint64_t size)
{
	return 0;
}

static int map(void *ctx, uint64_t gpa, void *va, uint64_t size)
{
	struct rig *r = ctx;

	r->n_slots++;
	if (gpa == BAR0_GPA)
		r->regs = va;
	r->table_mapped = r->table_mapped || gpa == BAR3_GPA;
	return 0;
}

static void unmap(void *ctx, uint64_t gpa, uint64_t size)
{
	((struct rig *)ctx)->n_slots--;
}

static int route(void *ctx, unsigned index, int fd, uint32_t vp, uint32_t vector)
{
	((struct rig *)ctx)->irq_fd = fd;
	return 0;
}

static int window(void *ctx, uint64_t gpa)
{
	return 0;
}

static void ejected(void *ctx)
{
}

static void gone(void *ctx, enum sriov_vfio_end end)
{
	struct rig *r = ctx;

	r->gone = true;
	r->end = end;
}

static const struct sriov_vfio_host_ops host = {.place = place,
						.map = map,
						.unmap = unmap,
						.route = route,
						.window = window,
						.ejected = ejected,
						.gone = gone};

static void *loop_add(void *ctx, int fd, void (*ready)(void *arg), void *arg)
{
	struct rig *r = ctx;

	for (unsigned i = 0; i < 2; i++)
		if (r->ready[i] == NULL) {
			r->waits[i] = (struct pollfd){.fd = fd, .events = POLLIN};
			r->ready[i] = ready;
			r->args[i] = arg;
			return &r->waits[i];
		}
	return NULL;
}

static void loop_remove(void *ctx, void *handle)
{
	struct rig *r = ctx;
	struct pollfd *wait = handle;

	r->ready[wait - r->waits] = NULL;
	wait->fd = -1;
}

/* ---- Its way here ---- */

static int group_of(const char *address)
{
	char path[96], group[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
	n = readlink(path, group, sizeof(group) - 1);
	if (n < 0)
		return -1;
	group[n] = '\0';
	return strrchr(group, '/') != NULL ? atoi(strrchr(group, '/') + 1) : -1;
}

/* What the switch does. */
static int open_fds(const char *address, struct sriov_vfio_fds *fds)
{
	char path[64];

	fds->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	snprintf(path, sizeof(path), "/dev/vfio/%d", group_of(address));
	fds->group = open(path, O_RDWR | O_CLOEXEC);
	if (fds->container < 0 || fds->group < 0 ||
	    ioctl(fds->group, VFIO_GROUP_SET_CONTAINER, &fds->container) != 0 ||
	    ioctl(fds->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) != 0)
		return -errno;
	fds->device = ioctl(fds->group, VFIO_GROUP_GET_DEVICE_FD, address);
	return fds->device >= 0 ? 0 : -errno;
}

static int rig_open(struct rig *r, const char *address, const struct vmbus_loop *loop)
{
	struct sriov_vfio_opts opts = {.name = address,
				       .memory = &r->map,
				       .serial = 1,
				       .loop = loop,
				       .host = &host,
				       .ctx = r};
	struct err err = {0};
	int rc = open_fds(address, &opts.fds);

	if (rc != 0) {
		printf("FAIL %s is not VFIO's: %s\n", address, strerror(-rc));
		return rc;
	}
	rc = sriov_vfio_open(&opts, &r->vfio, &err);
	if (rc != 0)
		printf("FAIL %s: %s\n", err.what, err.why);
	return rc;
}

/* ---- Tests ---- */

static bool readable(int fd, unsigned seconds)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, (int)seconds * 1000) == 1;
}

static void test_function(struct rig *r)
{
	struct vpci_function f;

	sriov_vfio_function(r->vfio, &f);
	printf("     %04x:%04x rev %02x class %02x%02x, BARs of %llu and %llu\n",
	       f.description.vendor, f.description.device, f.description.revision,
	       f.description.base_class, f.description.subclass, (unsigned long long)f.bars[0].size,
	       (unsigned long long)f.bars[3].size);
	check(r, f.description.vendor == 0x8086 && f.description.device == 0x10ca,
	      "it is an 82576 VF");
	check(r, f.description.base_class == 2 && f.bars[0].size == 16384 && f.bars[0].wide,
	      "with registers of 16 KB");
}

static void test_bars(struct rig *r)
{
	check(r, sriov_vfio_backend.map(r->vfio, 0, BAR0_GPA) == 0 && r->regs != NULL,
	      "its registers are mapped");
	check(r, sriov_vfio_backend.map(r->vfio, 3, BAR3_GPA) == 0 && !r->table_mapped,
	      "its MSI-X table is not");
	if (r->regs == NULL)
		return;
	check(r, r->regs[REG_STATUS / 4] != UINT32_MAX && r->regs[REG_STATUS / 4] != 0,
	      "its registers can be read");
	check(r, sriov_vfio_backend.bar_read(r->vfio, 0, REG_STATUS, 4) == r->regs[REG_STATUS / 4],
	      "a register reads the same by a trap and by memory");
}

static void test_interrupt(struct rig *r)
{
	uint64_t n;

	sriov_vfio_backend.bus_master(r->vfio, true);
	sriov_vfio_backend.route(r->vfio, 0, 0, 0x40);
	check(r, r->irq_fd >= 0, "an interrupt can be had");
	if (r->irq_fd < 0)
		return;
	r->regs[REG_EIMS / 4] = 1;
	r->regs[REG_EICS / 4] = 1;
	check(r, readable(r->irq_fd, PATIENCE), "an interrupt comes by its descriptor");
	(void)!read(r->irq_fd, &n, sizeof(n));
	sriov_vfio_backend.route(r->vfio, 0, VPCI_NO_VP, 0);
	check(r, !sriov_vfio_backend.pending(r->vfio, 0), "nothing is pending");
	r->regs[REG_EICR / 4] = 1;
	r->regs[REG_EIMS / 4] = 1;
	r->regs[REG_EICS / 4] = 1;
	check(r, readable(r->irq_fd, PATIENCE) && sriov_vfio_backend.pending(r->vfio, 0),
	      "one that nobody takes is pending");
	sriov_vfio_backend.reset(r->vfio);
	check(r, !sriov_vfio_backend.pending(r->vfio, 0), "and forgotten with a reset");
}

/* The PF lets it send. */
static bool ask_pf(struct rig *r)
{
	double end = now_s() + PATIENCE;

	r->regs[REG_MAILBOX / 4] = MAILBOX_VFU;
	r->regs[REG_MESSAGE / 4] = VF_RESET;
	r->regs[REG_MAILBOX / 4] = MAILBOX_REQ;
	while ((r->regs[REG_MAILBOX / 4] & MAILBOX_STS) == 0) {
		if (now_s() > end)
			return false;
		usleep(10000);
	}
	return r->regs[REG_MESSAGE / 4] == (VF_RESET | MESSAGE_ACK);
}

/* Sends the one descriptor of a ring at that address. */
static void send_one(struct rig *r, uint64_t ring)
{
	r->regs[REG_TXDCTL / 4] = 0;
	r->regs[REG_TDBAL / 4] = (uint32_t)ring;
	r->regs[REG_TDBAH / 4] = (uint32_t)(ring >> 32);
	r->regs[REG_TDLEN / 4] = 128;
	r->regs[REG_TDH / 4] = 0;
	r->regs[REG_TDT / 4] = 0;
	r->regs[REG_TXDCTL / 4] = QUEUE_ON;
	r->regs[REG_TDT / 4] = 1;
}

static void frame_make(struct rig *r, const char *mac)
{
	uint8_t *frame = r->ram + FRAME_AT;
	volatile uint32_t *ring = (volatile uint32_t *)(void *)(r->ram + RING_AT);

	memset(frame, 0x5a, FRAME);
	memset(frame, 0xff, 6);
	for (unsigned i = 0; i < 6; i++)
		frame[6 + i] = (uint8_t)strtoul(mac + 3 * i, NULL, 16);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	ring[0] = FRAME_AT;
	ring[1] = 0;
	/* Data, extended, checksum by the card, the end, and tell us. */
	ring[2] = FRAME | 3u << 20 | 1u << 24 | 1u << 25 | 1u << 27 | 1u << 29;
	ring[3] = FRAME << 14;
}

static void test_dma(struct rig *r, const char *mac)
{
	volatile uint32_t *ring = (volatile uint32_t *)(void *)(r->ram + RING_AT);
	double end = now_s() + PATIENCE;

	sriov_vfio_backend.bus_master(r->vfio, true);
	check(r, ask_pf(r), "its PF lets it send");
	frame_make(r, mac);
	send_one(r, RING_AT);
	while ((ring[3] & 1) == 0 && now_s() < end)
		usleep(10000);
	check(r, (ring[3] & 1) != 0, "it sends a frame from guest memory, and says so there");
	/* Reads from where there is nothing of the guest's; what becomes of that the kernel says.
	 */
	send_one(r, UINT64_C(0x40000000));
}

static void test_wanted(struct rig *r)
{
	double end = now_s() + PATIENCE;

	printf("waiting\n");
	fflush(stdout);
	while (!r->gone && now_s() < end) {
		if (poll(r->waits, 2, 1000) <= 0)
			continue;
		for (unsigned i = 0; i < 2; i++)
			if (r->ready[i] != NULL && (r->waits[i].revents & POLLIN) != 0)
				r->ready[i](r->args[i]);
	}
	check(r, r->gone && r->end == SRIOV_VFIO_WANTED, "the host says that it wants it back");
}

int main(int argc, char **argv)
{
	struct rig r = {.irq_fd = -1, .waits = {{.fd = -1}, {.fd = -1}}};
	struct vmbus_loop loop = {.add = loop_add, .remove = loop_remove, .ctx = &r};

	if (argc != 3)
		return 2;
	r.ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r.ram == MAP_FAILED)
		return 1;
	r.map = (struct gpa_map){.n = 1, .range = {{.gpa = 0, .size = RAM_SIZE, .va = r.ram}}};
	if (rig_open(&r, argv[1], &loop) != 0)
		return 1;
	test_function(&r);
	test_bars(&r);
	if (r.regs != NULL) {
		test_interrupt(&r);
		test_dma(&r, argv[2]);
	}
	test_wanted(&r);
	sriov_vfio_close(r.vfio);
	check(&r, r.n_slots == 0, "nothing of it is left");
	return r.n_failed != 0;
}
