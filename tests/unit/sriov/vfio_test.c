/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A function of VFIO's, between a kernel and a machine of paper: what it is, what of it the guest
 * reaches, where its interrupts go, and that nothing of it is left.
 */
#include "tests/support/fake_vfio.h"

#include <errno.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#define AT     0x1000000000ull
#define MASTER 0x4u

static const struct vpci_backend_ops *const ops = &sriov_vfio_backend;

struct test {
	struct fake_vfio fake;
	struct sriov_vfio *vfio;
};

static int setup(void **state)
{
	struct test *t = malloc(sizeof(*t));

	assert_non_null(t);
	fake_vfio_init(&t->fake);
	t->vfio = NULL;
	*state = t;
	return 0;
}

static int setup_open(void **state)
{
	struct test *t;

	(void)setup(state);
	t = *state;
	assert_int_equal(fake_vfio_open(&t->fake, &t->vfio, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;

	sriov_vfio_close(t->vfio);
	fake_vfio_expect_clean(&t->fake);
	free(t);
	return 0;
}

static struct sriov_vfio_info info(const struct test *t)
{
	struct sriov_vfio_info i;

	sriov_vfio_info(t->vfio, &i);
	return i;
}

static bool slot_is(const struct test *t, uint64_t gpa, const uint8_t *va, uint64_t size)
{
	for (unsigned i = 0; i < t->fake.n_slots; i++)
		if (t->fake.slots[i].gpa == gpa && t->fake.slots[i].va == va &&
		    t->fake.slots[i].size == size)
			return true;
	return false;
}

/* ---- What it is ---- */

static void function_is_what_the_device_says(void **state)
{
	struct test *t = *state;
	struct vpci_function f;

	sriov_vfio_function(t->vfio, &f);
	assert_int_equal(f.description.vendor, 0x8086);
	assert_int_equal(f.description.device, 0x10ca);
	assert_int_equal(f.description.base_class, 2);
	assert_int_equal(f.description.subsystem_device, 0xa03c);
	assert_int_equal(f.description.serial, 7);
	assert_int_equal(f.bars[0].size, FAKE_VFIO_BAR);
	assert_true(f.bars[0].wide);
	assert_false(f.bars[0].prefetch);
	assert_int_equal(f.bars[1].size, 0);
	assert_int_equal(f.bars[2].size, 0); /* ports */
	assert_int_equal(f.bars[3].size, FAKE_VFIO_BAR);
	assert_true(f.bars[3].prefetch);
	assert_int_equal(info(t).n_vectors, FAKE_VFIO_VECTORS);
}

static void bar_of_less_than_a_page_is_shown_as_one(void **state)
{
	struct test *t = *state;
	struct vpci_function f;

	t->fake.bar_size[5] = 256;
	assert_int_equal(fake_vfio_open(&t->fake, &t->vfio, NULL), 0);
	sriov_vfio_function(t->vfio, &f);
	assert_int_equal(f.bars[5].size, 4096);
	t->fake.memory[5][252] = 0x77;
	assert_int_equal(ops->bar_read(t->vfio, 5, 252, 1), 0x77);
	assert_int_equal(ops->bar_read(t->vfio, 5, 256, 1), UINT64_MAX);
	assert_int_equal(info(t).failed_accesses, 1);
	/* It shares a page with something else of the host's. */
	assert_int_equal(ops->map(t->vfio, 5, AT), 0);
	assert_int_equal(t->fake.n_slots, 0);
}

/* ---- Memory ---- */

static void device_reaches_guest_memory_and_no_other(void **state)
{
	struct test *t = *state;

	assert_int_equal(t->fake.n_dma, 2);
	assert_int_equal(t->fake.dma[0].gpa, 0);
	assert_ptr_equal(t->fake.dma[0].va, t->fake.ram[0]);
	assert_int_equal(t->fake.dma[1].gpa, UINT64_C(1) << 32);
	assert_int_equal(t->fake.dma[1].size, sizeof(t->fake.ram[1]));
	assert_int_equal(info(t).dma_size, sizeof(t->fake.ram));
	sriov_vfio_close(t->vfio);
	t->vfio = NULL;
	assert_int_equal(t->fake.n_dma, 0);
}

static void bars_are_mapped_but_for_pages_of_the_table(void **state)
{
	struct test *t = *state;

	assert_int_equal(ops->map(t->vfio, 0, AT), 0);
	assert_int_equal(t->fake.placed[0], AT);
	assert_true(slot_is(t, AT, t->fake.memory[0], FAKE_VFIO_BAR));
	assert_int_equal(ops->map(t->vfio, 3, AT + 0x10000), 0);
	/* The table is in the first page, the pending bits are in the third. */
	assert_int_equal(t->fake.n_slots, 3);
	assert_true(slot_is(t, AT + 0x11000, t->fake.memory[3] + 0x1000, 0x1000));
	assert_true(slot_is(t, AT + 0x13000, t->fake.memory[3] + 0x3000, 0x1000));
	/* The same again is no news, elsewhere moves. */
	assert_int_equal(ops->map(t->vfio, 3, AT + 0x10000), 0);
	assert_int_equal(t->fake.n_slots, 3);
	assert_int_equal(ops->map(t->vfio, 3, AT + 0x20000), 0);
	assert_int_equal(t->fake.n_slots, 3);
	assert_true(slot_is(t, AT + 0x23000, t->fake.memory[3] + 0x3000, 0x1000));
	assert_int_equal(ops->map(t->vfio, 3, VPCI_NOWHERE), 0);
	assert_int_equal(t->fake.n_slots, 1);
	assert_int_equal(t->fake.placed[3], VPCI_NOWHERE);
	assert_int_equal(ops->map(t->vfio, 1, AT), -EINVAL);
	assert_int_equal(ops->map(t->vfio, 6, AT), -EINVAL);
}

static void bar_that_the_machine_refuses_is_nowhere(void **state)
{
	struct test *t = *state;

	t->fake.place_rc = -EEXIST;
	assert_int_equal(ops->map(t->vfio, 3, AT), -EEXIST);
	assert_int_equal(t->fake.n_slots, 0);
	t->fake.place_rc = 0;
	t->fake.map_rc = -ENOSPC;
	t->fake.map_rc_after = 1; /* its second piece */
	assert_int_equal(ops->map(t->vfio, 3, AT), -ENOSPC);
	assert_int_equal(t->fake.n_slots, 0);
	assert_int_equal(t->fake.placed[3], VPCI_NOWHERE);
}

static void only_what_the_driver_lets_be_mapped_is(void **state)
{
	struct test *t = *state;

	t->fake.sparse[0] = 0x1000;
	t->fake.sparse[1] = 0x2000;
	t->fake.mappable[3] = false;
	assert_int_equal(fake_vfio_open(&t->fake, &t->vfio, NULL), 0);
	assert_int_equal(ops->map(t->vfio, 0, AT), 0);
	assert_int_equal(ops->map(t->vfio, 3, AT + 0x10000), 0);
	assert_int_equal(t->fake.n_slots, 1);
	assert_true(slot_is(t, AT + 0x1000, t->fake.memory[0] + 0x1000, 0x2000));
}

static void area_that_is_longer_than_its_bar_is_not_mapped(void **state)
{
	struct test *t = *state;

	t->fake.sparse[0] = 0x1000;
	t->fake.sparse[1] = FAKE_VFIO_BAR;
	assert_int_equal(fake_vfio_open(&t->fake, &t->vfio, NULL), 0);
	assert_int_equal(ops->map(t->vfio, 0, AT), 0);
	assert_int_equal(t->fake.n_slots, 0);
}

static void what_traps_is_read_and_written(void **state)
{
	struct test *t = *state;

	ops->bar_write(t->vfio, 0, 0x100, 4, 0x11223344);
	assert_int_equal(t->fake.memory[0][0x103], 0x11);
	assert_int_equal(ops->bar_read(t->vfio, 0, 0x100, 2), 0x3344);
	ops->bar_write(t->vfio, 0, FAKE_VFIO_BAR - 8, 8, UINT64_MAX - 1);
	assert_int_equal(ops->bar_read(t->vfio, 0, FAKE_VFIO_BAR - 8, 8), UINT64_MAX - 1);
	assert_int_equal(info(t).failed_accesses, 0);
	/* Beyond its end, askew, of no size that there is, where there is nothing. */
	assert_int_equal(ops->bar_read(t->vfio, 0, FAKE_VFIO_BAR, 1), UINT64_MAX);
	assert_int_equal(ops->bar_read(t->vfio, 0, UINT64_MAX - 3, 4), UINT64_MAX);
	assert_int_equal(ops->bar_read(t->vfio, 0, 2, 4), UINT64_MAX);
	assert_int_equal(ops->bar_read(t->vfio, 0, 0, 3), UINT64_MAX);
	assert_int_equal(ops->bar_read(t->vfio, 1, 0, 4), UINT64_MAX);
	assert_int_equal(ops->bar_read(t->vfio, 99, 0, 4), UINT64_MAX);
	ops->bar_write(t->vfio, 0, FAKE_VFIO_BAR, 1, 1);
	assert_int_equal(info(t).failed_accesses, 7);
}

static void configuration_space_is_the_devices(void **state)
{
	struct test *t = *state;

	assert_int_equal(ops->config_read(t->vfio, 0, 4), 0x10ca8086);
	assert_int_equal(ops->config_read(t->vfio, 2, 2), 0x10ca);
	ops->config_write(t->vfio, 0x80, 4, 0xdeadbeef);
	assert_int_equal(ops->config_read(t->vfio, 0x81, 1), 0xbe);
	assert_int_equal(ops->config_read(t->vfio, VPCI_CONFIG_SIZE, 4), UINT32_MAX);
	assert_int_equal(ops->config_read(t->vfio, UINT32_MAX, 1), 0xff);
	t->fake.dead = true;
	assert_int_equal(ops->config_read(t->vfio, 0, 2), 0xffff);
	assert_int_equal(info(t).failed_accesses, 3);
	t->fake.dead = false;
}

/* ---- Interrupts ---- */

static bool raised(const struct test *t, unsigned index)
{
	eventfd_t n;

	return eventfd_read(t->fake.routes[index].fd, &n) == 0;
}

static void interrupt_goes_where_it_is_routed(void **state)
{
	struct test *t = *state;

	assert_false(t->fake.msix);
	ops->route(t->vfio, 1, 2, 0x40);
	assert_true(t->fake.msix);
	assert_int_equal(t->fake.routes[1].vp, 2);
	assert_int_equal(t->fake.routes[1].vector, 0x40);
	assert_int_equal(t->fake.trigger[0], -1);
	fake_vfio_raise(&t->fake, 1);
	assert_true(raised(t, 1));
	/* The same is no news; elsewhere is, by the same descriptor. */
	ops->route(t->vfio, 1, 2, 0x40);
	assert_int_equal(t->fake.routes[1].n, 1);
	ops->route(t->vfio, 1, 0, 0x41);
	assert_int_equal(t->fake.routes[1].n, 2);
	ops->route(t->vfio, 0, 0, 0x42);
	assert_int_equal(info(t).n_routed, 2);
	fake_vfio_raise(&t->fake, 0);
	assert_true(raised(t, 0));
	assert_false(raised(t, 1));
	ops->route(t->vfio, FAKE_VFIO_VECTORS, 0, 0x43); /* none of its */
	assert_int_equal(info(t).n_routed, 2);
}

static void interrupt_that_is_masked_is_pending_until_routed(void **state)
{
	struct test *t = *state;

	assert_false(ops->pending(t->vfio, 0));
	ops->route(t->vfio, 0, 1, 0x50);
	ops->route(t->vfio, 0, VPCI_NO_VP, 0);
	assert_int_equal(t->fake.routes[0].vp, VPCI_NO_VP);
	assert_false(ops->pending(t->vfio, 0));
	fake_vfio_raise(&t->fake, 0);
	assert_true(ops->pending(t->vfio, 0));
	assert_true(ops->pending(t->vfio, 0));
	ops->route(t->vfio, 0, 1, 0x50);
	assert_false(ops->pending(t->vfio, 0));
	assert_true(raised(t, 0)); /* KVM finds it there */
	assert_false(ops->pending(t->vfio, 99));
}

static void reset_forgets_interrupts(void **state)
{
	struct test *t = *state;

	ops->bus_master(t->vfio, true);
	assert_int_equal(fake_vfio_command(&t->fake) & MASTER, MASTER);
	ops->route(t->vfio, 0, 1, 0x50);
	ops->route(t->vfio, 1, 1, 0x51);
	ops->route(t->vfio, 1, VPCI_NO_VP, 0);
	fake_vfio_raise(&t->fake, 1);
	ops->reset(t->vfio);
	assert_int_equal(t->fake.n_unresets, 0); /* it was off memory before */
	assert_int_equal(t->fake.routes[0].vp, VPCI_NO_VP);
	assert_false(t->fake.msix);
	assert_int_equal(fake_vfio_command(&t->fake) & MASTER, 0);
	assert_false(ops->pending(t->vfio, 1));
	/* And it is used again. */
	ops->route(t->vfio, 1, 0, 0x52);
	assert_true(t->fake.msix);
	assert_int_not_equal(t->fake.trigger[1], -1);
	assert_false(raised(t, 1));
}

static void host_with_fewer_interrupts_gives_those_it_has(void **state)
{
	struct test *t = *state;

	t->fake.most_vectors = 2;
	ops->route(t->vfio, 2, 0, 0x40); /* not one of the two that can be had */
	assert_int_equal(info(t).failed_routes, 1);
	assert_int_equal(t->fake.routes[2].vp, VPCI_NO_VP);
	ops->route(t->vfio, 0, 0, 0x41);
	ops->route(t->vfio, 1, 0, 0x42);
	assert_int_equal(info(t).n_routed, 2);
	ops->route(t->vfio, 2, 0, 0x40);
	assert_int_equal(info(t).failed_routes, 2);
}

static void interrupt_that_the_machine_cannot_route_is_counted(void **state)
{
	struct test *t = *state;

	t->fake.route_rc = -ENOMEM;
	ops->route(t->vfio, 0, 0, 0x40);
	assert_int_equal(info(t).failed_routes, 1);
	assert_int_equal(info(t).n_routed, 0);
	t->fake.route_rc = 0;
	ops->route(t->vfio, 0, 0, 0x40);
	assert_int_equal(info(t).n_routed, 1);
	/* One that leads somewhere leads nowhere then. */
	t->fake.route_rc = -ENOMEM;
	ops->route(t->vfio, 0, 1, 0x40);
	assert_int_equal(t->fake.routes[0].vp, VPCI_NO_VP);
	assert_int_equal(info(t).n_routed, 0);
}

/* ---- How it ends ---- */

static void host_that_wants_it_back_is_heard_once(void **state)
{
	struct test *t = *state;

	fake_vfio_turn(&t->fake);
	assert_int_equal(t->fake.n_gone, 0);
	assert_int_equal(eventfd_write(t->fake.notice[1], 1), 0);
	fake_vfio_turn(&t->fake);
	assert_int_equal(t->fake.n_gone, 1);
	assert_int_equal(t->fake.end, SRIOV_VFIO_WANTED);
	/* The kernel asks again, every ten seconds; so may the device fail. */
	assert_int_equal(eventfd_write(t->fake.notice[1], 1), 0);
	assert_int_equal(eventfd_write(t->fake.notice[0], 1), 0);
	fake_vfio_turn(&t->fake);
	assert_int_equal(t->fake.n_gone, 1);
}

static void error_of_the_device_is_heard(void **state)
{
	struct test *t = *state;

	assert_int_equal(eventfd_write(t->fake.notice[0], 1), 0);
	fake_vfio_turn(&t->fake);
	assert_int_equal(t->fake.end, SRIOV_VFIO_ERROR);
	assert_string_equal(sriov_vfio_end_slug(t->fake.end), "error");
}

static void device_that_cannot_be_reset_is_kept_off_memory(void **state)
{
	struct test *t = *state;

	ops->bus_master(t->vfio, true);
	t->fake.fault = (struct fake_vfio_fault){.request = VFIO_DEVICE_RESET, .rc = -EIO};
	ops->reset(t->vfio);
	assert_int_equal(t->fake.n_gone, 1);
	assert_int_equal(t->fake.end, SRIOV_VFIO_RESET);
	ops->bus_master(t->vfio, true);
	assert_int_equal(fake_vfio_command(&t->fake) & MASTER, 0);
	assert_int_equal(info(t).failed_resets, 1);
}

static void bus_is_passed_on(void **state)
{
	struct test *t = *state;

	assert_int_equal(ops->window(t->vfio, AT), 0);
	assert_int_equal(t->fake.window, AT);
	ops->ejected(t->vfio);
	assert_int_equal(t->fake.n_ejected, 1);
}

static void close_undoes_what_a_guest_left(void **state)
{
	struct test *t = *state;

	ops->bus_master(t->vfio, true);
	assert_int_equal(ops->map(t->vfio, 0, AT), 0);
	assert_int_equal(ops->map(t->vfio, 3, AT + 0x10000), 0);
	for (unsigned i = 0; i < FAKE_VFIO_VECTORS; i++)
		ops->route(t->vfio, i, 0, 0x40 + i);
	/* teardown() looks. */
}

/* ---- Refusals ---- */

static void refused(struct test *t, int rc, const char *words)
{
	struct err err = {0};

	assert_int_equal(fake_vfio_open(&t->fake, &t->vfio, &err), rc);
	assert_null(t->vfio);
	assert_string_equal(err.slug, "vfio");
	if (strstr(err.what, words) == NULL)
		fail_msg("'%s' is not in '%s'", words, err.what);
}

static void no_pci_function_is_refused(void **state)
{
	struct test *t = *state;

	t->fake.flags = VFIO_DEVICE_FLAGS_PLATFORM | VFIO_DEVICE_FLAGS_RESET;
	refused(t, -EINVAL, "no PCI function");
}

static void function_without_reset_is_refused(void **state)
{
	struct test *t = *state;

	t->fake.flags = VFIO_DEVICE_FLAGS_PCI;
	refused(t, -EOPNOTSUPP, "cannot be reset");
}

static void function_whose_reset_fails_is_refused(void **state)
{
	struct test *t = *state;

	t->fake.fault = (struct fake_vfio_fault){.request = VFIO_DEVICE_RESET, .rc = -ENODEV};
	refused(t, -ENODEV, "cannot be reset");
}

static void table_without_memory_is_refused(void **state)
{
	struct test *t = *state;
	static const uint32_t tables[] = {
		1,			 /* the upper half of BAR 0 */
		2,			 /* ports */
		7,			 /* no BAR at all */
		FAKE_VFIO_BAR | 3,	 /* its end */
		(FAKE_VFIO_BAR - 8) | 3, /* goes beyond it */
		0xfffffff8u | 3,
	};

	for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		fake_vfio_put(&t->fake, FAKE_VFIO_MSIX + 4, tables[i], 4);
		refused(t, -EINVAL, "MSI-X table");
		fake_vfio_expect_clean(&t->fake);
		fake_vfio_put(&t->fake, FAKE_VFIO_MSIX + 4, 3, 4);
		fake_vfio_put(&t->fake, FAKE_VFIO_MSIX + 8, tables[i], 4);
		if (i == 4) /* 8 bytes of pending bits just fit there */
			continue;
		refused(t, -EINVAL, "MSI-X table");
		fake_vfio_expect_clean(&t->fake);
	}
}

static void host_that_counts_other_interrupts_is_refused(void **state)
{
	struct test *t = *state;

	t->fake.n_vectors = FAKE_VFIO_VECTORS - 1;
	refused(t, -EINVAL, "3 interrupts");
}

static void capabilities_without_an_end_are_left(void **state)
{
	struct test *t = *state;

	fake_vfio_put(&t->fake, 0x40, 0x4001, 2); /* leads to itself */
	assert_int_equal(fake_vfio_open(&t->fake, &t->vfio, NULL), 0);
	assert_int_equal(info(t).n_vectors, 0);
	ops->route(t->vfio, 0, 0, 0x40);
	assert_int_equal(info(t).n_routed, 0);
}

static void memory_that_may_not_be_pinned_is_said(void **state)
{
	struct test *t = *state;
	struct err err = {0};

	t->fake.fault =
		(struct fake_vfio_fault){.request = VFIO_IOMMU_MAP_DMA, .after = 1, .rc = -ENOMEM};
	assert_int_equal(fake_vfio_open(&t->fake, &t->vfio, &err), -ENOMEM);
	assert_non_null(strstr(err.why, "locked memory"));
	fake_vfio_expect_clean(&t->fake); /* the first half is undone */
	t->fake.fault =
		(struct fake_vfio_fault){.request = VFIO_IOMMU_MAP_DMA, .after = 1, .rc = -EINVAL};
	assert_int_equal(fake_vfio_open(&t->fake, &t->vfio, &err), -EINVAL);
	assert_non_null(strstr(err.why, "0x100000000"));
}

static void every_refusal_of_the_kernel_is_survived(void **state)
{
	struct test *t = *state;
	static const unsigned long requests[] = {
		VFIO_DEVICE_GET_INFO, VFIO_DEVICE_GET_REGION_INFO, VFIO_DEVICE_GET_IRQ_INFO,
		VFIO_DEVICE_SET_IRQS, VFIO_DEVICE_RESET,	   VFIO_IOMMU_MAP_DMA,
	};

	for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		for (unsigned after = 0; after < 10; after++) {
			fake_vfio_init(&t->fake);
			t->fake.fault = (struct fake_vfio_fault){.request = requests[i],
								 .after = after,
								 .rc = -EIO};
			if (fake_vfio_open(&t->fake, &t->vfio, NULL) == 0) {
				ops->route(t->vfio, 0, 0, 0x40);
				ops->reset(t->vfio);
			}
			t->fake.fault.request = 0;
			sriov_vfio_close(t->vfio);
			t->vfio = NULL;
			t->fake.n_unresets = 0; /* it may have been reset with interrupts on */
			fake_vfio_expect_clean(&t->fake);
		}
}

int main(void)
{
#define FRESH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define OPEN(f)	 cmocka_unit_test_setup_teardown(f, setup_open, teardown)
	const struct CMUnitTest tests[] = {
		OPEN(function_is_what_the_device_says),
		FRESH(bar_of_less_than_a_page_is_shown_as_one),
		OPEN(device_reaches_guest_memory_and_no_other),
		OPEN(bars_are_mapped_but_for_pages_of_the_table),
		OPEN(bar_that_the_machine_refuses_is_nowhere),
		FRESH(only_what_the_driver_lets_be_mapped_is),
		FRESH(area_that_is_longer_than_its_bar_is_not_mapped),
		OPEN(what_traps_is_read_and_written),
		OPEN(configuration_space_is_the_devices),
		OPEN(interrupt_goes_where_it_is_routed),
		OPEN(interrupt_that_is_masked_is_pending_until_routed),
		OPEN(reset_forgets_interrupts),
		OPEN(host_with_fewer_interrupts_gives_those_it_has),
		OPEN(interrupt_that_the_machine_cannot_route_is_counted),
		OPEN(host_that_wants_it_back_is_heard_once),
		OPEN(error_of_the_device_is_heard),
		OPEN(device_that_cannot_be_reset_is_kept_off_memory),
		OPEN(bus_is_passed_on),
		OPEN(close_undoes_what_a_guest_left),
		FRESH(no_pci_function_is_refused),
		FRESH(function_without_reset_is_refused),
		FRESH(function_whose_reset_fails_is_refused),
		FRESH(table_without_memory_is_refused),
		FRESH(host_that_counts_other_interrupts_is_refused),
		FRESH(capabilities_without_an_end_are_left),
		FRESH(memory_that_may_not_be_pinned_is_said),
		FRESH(every_refusal_of_the_kernel_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
