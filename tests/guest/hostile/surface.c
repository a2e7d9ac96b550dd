/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a guest can reach without VMBus: MSRs, hypercalls, ports, memory that is none, its own
 * SynIC's pages.
 */
#include "tests/guest/hostile/hostile.h"

#define MSR_FIRST     0x40000000u
#define MSR_HYPERCALL 0x40000001u
#define MSR_RESET     0x40000003u
#define MSR_ICR	      0x40000071u
#define MSR_TPR	      0x40000072u
#define MSR_EOM	      0x40000084u
#define MSR_SINT0     0x40000090u
#define MSR_CRASH_CTL 0x40000105u

static uint64_t msr_value(void)
{
	switch (below(5)) {
	case 0:
		return arena_page() | 1;
	case 1:
		return nasty_address() | below(4);
	case 2:
		return 0x10 + below(240) + ((uint64_t)below(8) << 16);
	default:
		return nasty();
	}
}

static void msr_round(void)
{
	uint32_t msr = MSR_FIRST + (one_in(4)	? below(0x200)
				    : one_in(2) ? below(0x30)
						: 0x80 + below(0x40));
	uint64_t value = msr_value();

	if (one_in(3)) {
		(void)msr_read(msr, &value);
		return;
	}
	if (msr == MSR_RESET || msr == MSR_TPR)
		return;
	if (msr == MSR_ICR) /* Of interrupts only fixed ones: no INIT for ourselves. */
		value &= ~0x700ull;
	if (msr == MSR_CRASH_CTL) /* A crash would be believed, and end the run. */
		value &= ~(1ull << 63);
	/* Code that is written into a page must not be written over ours. */
	if (msr == MSR_HYPERCALL && (value & 1) != 0)
		value = one_in(2) ? arena_page() | 1 : (uint64_t)0xd0000001 + (nasty() & ~0xfffull);
	(void)msr_write(msr, value);
}

/* SINTs with vectors below 16, pages that both name, moves while messages wait. */
static void synic_round(void)
{
	uint64_t page = arena_page() | 1;

	(void)msr_write(0x40000083, page);
	(void)msr_write(0x40000082, one_in(2) ? page : nasty_address() | 1);
	(void)msr_write(MSR_SINT0 + below(16), nasty());
	scribble(page_at(page), PAGE);
	for (unsigned n = below(4); n > 0; n--)
		(void)msr_write(MSR_EOM, nasty());
	(void)msr_write(0x40000080, below(2));
}

static uint64_t call_code(void)
{
	static const uint16_t known[] = {0x01, 0x02, 0x03, 0x08, 0x0b,	 0x13,	 0x14,	 0x15,
					 0x46, 0x50, 0x51, 0x5c, 0x5d,	 0x69,	 0x7e,	 0x7f,
					 0xaf, 0xb0, 0x00, 0xff, 0x8001, 0x8003, 0xffff, 0x6a};

	return one_in(4) ? (uint16_t)any() : known[below(ARRAY_SIZE(known))];
}

static uint64_t call_control(void)
{
	uint64_t control = call_code();

	if (one_in(2))
		control |= 1 << 16;
	if (one_in(4))
		control |= (uint64_t)below(0x400) << 17;
	if (one_in(3))
		control |= (uint64_t)below(0x1000) << 32;
	if (one_in(3))
		control |= (uint64_t)below(0x1000) << 48;
	if (one_in(8))
		control |= any();
	return control;
}

static void call_round(void)
{
	uint64_t input = one_in(3) ? nasty_address() : arena_page() + below(32) * 8;

	if (one_in(2))
		scribble(page_at(arena_page()), 512);
	(void)hypercall(call_control(), one_in(4) ? nasty() : input, nasty_address());
}

static bool spared(uint16_t port)
{
	return (port & ~0xf) == 0x600 || port == 0xcf9 || port == 0x92 ||
	       (port >= 0x3f8 && port <= 0x3ff) || (port >= 0x60 && port <= 0x66) ||
	       (port & ~7) == 0xcf8;
}

static void port_round(void)
{
	uint16_t port = one_in(2) ? (uint16_t)(0xe0 + below(8)) : (uint16_t)(any() >> below(16));
	const void *from = page_at(arena_page());
	uint64_t n = below(64);

	if (spared(port) || spared((uint16_t)(port + 3)))
		return;
	switch (below(6)) {
	case 0:
		out8(port, (uint8_t)nasty());
		break;
	case 1:
		out16(port, (uint16_t)nasty());
		break;
	case 2:
		out32(port, (uint32_t)nasty());
		break;
	case 3:
		(void)in32(port);
		break;
	case 4:
		__asm__ volatile("rep outsl" : "+S"(from), "+c"(n) : "d"(port) : "memory");
		break;
	default:
		(void)in8(port);
	}
}

static void touch(void *arg)
{
	volatile uint32_t *at = arg;

	if (one_in(2))
		*at = (uint32_t)nasty();
	else
		(void)*at;
}

/* Below the IOAPIC: an entry of that could send INIT. */
static void hole_round(void)
{
	(void)guarded(touch, (void *)(uintptr_t)(0xd0000000u + (below(0x2e000000u) & ~3u)));
}

void surface_round(void)
{
	switch (below(8)) {
	case 0:
	case 1:
	case 2:
		msr_round();
		break;
	case 3:
	case 4:
		call_round();
		break;
	case 5:
		port_round();
		break;
	case 6:
		synic_round();
		break;
	default:
		hole_round();
	}
}
