/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See synic.h.
 *
 * No wake-up is lost, because either side first says and then looks, with a full barrier between:
 * we set "pending" (or 'waiting') and look at the slot (or the MSRs) again; the guest empties the
 * slot and looks at "pending", our MSR handler stores and looks at 'waiting'.
 */
#include "hv/synic.h"

#include "hv/gpa.h"
#include "hv/layout.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

void hv_synic_init(struct hv_synic *synic, int irq_fd)
{
	synic->irq_fd = irq_fd;
	hv_synic_reset(synic);
}

void hv_synic_reset(struct hv_synic *synic)
{
	synic->control = 0;
	synic->siefp = 0;
	synic->simp = 0;
	synic->waiting = false;
	for (unsigned i = 0; i < HV_N_SINTS; i++)
		synic->sint[i] = HV_SINT_MASKED;
}

int hv_synic_read(const struct hv_synic *synic, uint32_t msr, uint64_t *ret_value)
{
	switch (msr) {
	case HV_MSR_SCONTROL:
		*ret_value = synic->control;
		return 0;
	case HV_MSR_SVERSION:
		*ret_value = 1;
		return 0;
	case HV_MSR_SIEFP:
		*ret_value = synic->siefp;
		return 0;
	case HV_MSR_SIMP:
		*ret_value = synic->simp;
		return 0;
	case HV_MSR_EOM:
		*ret_value = 0;
		return 0;
	default:
		if (msr < HV_MSR_SINT0 || msr > HV_MSR_SINT15)
			return -ENOENT;
		*ret_value = synic->sint[msr - HV_MSR_SINT0];
		return 0;
	}
}

static int write_page(_Atomic uint64_t *to, const struct gpa_map *memory, uint64_t value)
{
	if ((value & HV_MSR_ENABLE) != 0 && gpa_page(memory, value >> HV_MSR_PAGE_SHIFT) == NULL)
		return -EINVAL;
	*to = value;
	return 0;
}

static int write_sint(struct hv_synic *synic, unsigned sint, uint64_t value)
{
	if ((value & HV_SINT_MASKED) == 0 && (value & HV_SINT_VECTOR) < 16)
		return -EINVAL;
	synic->sint[sint] = value;
	return 0;
}

int hv_synic_write(struct hv_synic *synic, const struct gpa_map *memory, uint32_t msr,
		   uint64_t value)
{
	switch (msr) {
	case HV_MSR_SCONTROL:
		synic->control = value;
		return 0;
	case HV_MSR_SVERSION:
		return -EINVAL;
	case HV_MSR_SIEFP:
		return write_page(&synic->siefp, memory, value);
	case HV_MSR_SIMP:
		return write_page(&synic->simp, memory, value);
	case HV_MSR_EOM:
		return 0;
	default:
		if (msr < HV_MSR_SINT0 || msr > HV_MSR_SINT15)
			return -ENOENT;
		return write_sint(synic, msr - HV_MSR_SINT0, value);
	}
}

void hv_synic_set(struct hv_synic *synic, uint64_t control, uint64_t siefp, uint64_t simp)
{
	synic->siefp = siefp;
	synic->simp = simp;
	synic->control = control;
}

/* Where SINT 2's part of a page is now; NULL: switched off, or no memory. */
static uint8_t *area(const struct hv_synic *synic, const struct gpa_map *memory, uint64_t page)
{
	uint8_t *at;

	if ((synic->control & HV_MSR_ENABLE) == 0 || (page & HV_MSR_ENABLE) == 0)
		return NULL;
	at = gpa_page(memory, page >> HV_MSR_PAGE_SHIFT);
	return at == NULL ? NULL : at + HV_VMBUS_SINT * HV_SLOT_SIZE;
}

static uint32_t slot_type(const uint8_t *slot)
{
	return __atomic_load_n((const uint32_t *)(const void *)slot, __ATOMIC_SEQ_CST);
}

/* The slot, if a message may be put into it now. */
static uint8_t *free_slot(const struct hv_synic *synic, const struct gpa_map *memory)
{
	uint8_t *slot = area(synic, memory, synic->simp);

	if (slot == NULL || slot_type(slot) == 0)
		return slot;
	__atomic_fetch_or(slot + HV_SLOT_FLAGS, HV_SLOT_PENDING, __ATOMIC_SEQ_CST);
	return slot_type(slot) == 0 ? slot : NULL;
}

static void fill(uint8_t *slot, const void *msg, size_t size)
{
	uint64_t sender = 0;

	memcpy(slot + HV_SLOT_PAYLOAD, msg, size);
	memcpy(slot + HV_SLOT_SENDER, &sender, sizeof(sender));
	__atomic_store_n(slot + HV_SLOT_BYTES, (uint8_t)size, __ATOMIC_RELAXED);
	__atomic_store_n(slot + HV_SLOT_FLAGS, 0, __ATOMIC_RELAXED);
	__atomic_store_n((uint32_t *)(void *)slot, htole32(HV_MESSAGE_CHANNEL), __ATOMIC_SEQ_CST);
}

int hv_synic_post(struct hv_synic *synic, const struct gpa_map *memory, const void *msg,
		  size_t size)
{
	uint8_t *slot;

	if (size > HV_MESSAGE_MAX)
		return -EMSGSIZE;
	slot = free_slot(synic, memory);
	if (slot == NULL) {
		synic->waiting = true;
		slot = free_slot(synic, memory);
		if (slot == NULL)
			return -EAGAIN;
		synic->waiting = false;
	}
	fill(slot, msg, size);
	hv_synic_interrupt(synic);
	return 0;
}

bool hv_synic_wake(struct hv_synic *synic)
{
	return atomic_load(&synic->waiting) && atomic_exchange(&synic->waiting, false);
}

int hv_synic_signal(struct hv_synic *synic, const struct gpa_map *memory, unsigned flag)
{
	uint8_t *flags, bit;

	if (flag >= HV_EVENT_FLAGS)
		return -EINVAL;
	flags = area(synic, memory, synic->siefp);
	if (flags == NULL)
		return -ENOENT;
	bit = (uint8_t)(1u << (flag % 8));
	if ((__atomic_fetch_or(flags + flag / 8, bit, __ATOMIC_SEQ_CST) & bit) == 0)
		hv_synic_interrupt(synic);
	return 0;
}

int hv_synic_flags(const struct hv_synic *synic, const struct gpa_map *memory, uint64_t *ret_gpa)
{
	uint64_t page = synic->siefp;

	if (area(synic, memory, page) == NULL)
		return -ENOENT;
	*ret_gpa = (page >> HV_MSR_PAGE_SHIFT << HV_MSR_PAGE_SHIFT) + HV_VMBUS_SINT * HV_SLOT_SIZE;
	return 0;
}

bool hv_synic_stands(const struct hv_synic *synic, const struct gpa_map *memory)
{
	const uint8_t *slot = area(synic, memory, synic->simp);
	const uint8_t *flags = area(synic, memory, synic->siefp);

	if (slot != NULL && slot_type(slot) != 0)
		return true;
	for (unsigned i = 0; flags != NULL && i < HV_SLOT_SIZE; i += sizeof(uint64_t))
		if (__atomic_load_n((const uint64_t *)(const void *)(flags + i),
				    __ATOMIC_RELAXED) != 0)
			return true;
	return false;
}

void hv_synic_interrupt(const struct hv_synic *synic)
{
	uint64_t sint = synic->sint[HV_VMBUS_SINT];

	if ((sint & (HV_SINT_MASKED | HV_SINT_POLLING)) == 0)
		(void)eventfd_write(synic->irq_fd, 1);
}
