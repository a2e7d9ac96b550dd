/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See hostile.h.
 */
#include "tests/guest/hostile/hostile.h"

#include <stdarg.h>

#define SERIAL	   0x3f8
#define PM_CONTROL 0x604 /* hv/layout.h */
#define SLEEP_S5   (5u << 10 | 1u << 13)

uint8_t arena[ARENA_PAGES * PAGE] __attribute__((aligned(4096)));

void *memset(void *to, int byte, size_t size)
{
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t size)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
	return to;
}

static void put(char c)
{
	if (c == '\n')
		out8(SERIAL, '\r');
	out8(SERIAL, (uint8_t)c);
}

static void number(uint64_t value, unsigned base)
{
	char digits[20];
	unsigned n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0);
	while (n > 0)
		put(digits[--n]);
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	for (; *format != '\0'; format++) {
		if (*format != '%') {
			put(*format);
			continue;
		}
		format++;
		if (*format == 's')
			for (const char *s = va_arg(args, const char *); *s != '\0'; s++)
				put(*s);
		else if (*format == 'u')
			number(va_arg(args, uint32_t), 10);
		else
			number(va_arg(args, uint64_t), 16);
	}
	va_end(args);
}

void power_off(void)
{
	for (;;)
		out16(PM_CONTROL, SLEEP_S5);
}

/* ---- chance ---- */

void seed(uint64_t value)
{
	cpu_self()->random = value * 2862933555777941757ull + 3037000493ull;
}

uint64_t any(void)
{
	struct cpu *cpu = cpu_self();
	uint64_t x = cpu->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	cpu->random = x;
	return x * 2685821657736338717ull;
}

uint32_t below(uint32_t n)
{
	return (uint32_t)((any() >> 32) * n >> 32);
}

bool one_in(uint32_t n)
{
	return below(n) == 0;
}

uint64_t nasty(void)
{
	static const uint64_t known[] = {
		0,     1,      2,	   7,	      8,	  0x7f,		 0xff,
		0xfff, 0x1000, 0x7fff,	   0x8000,    0xffff,	  0x7fffffff,	 0x80000000,
		~0u,   ~0ull,  1ull << 63, ~0ull - 7, ~0ull >> 1, 0xffffffff000, 0x100000000,
	};

	switch (below(4)) {
	case 0:
		return known[below(ARRAY_SIZE(known))];
	case 1:
		return below(64);
	case 2:
		return 1ull << below(64);
	default:
		return any();
	}
}

void scribble(void *at, size_t size)
{
	uint8_t *bytes = at;

	while (size > 0) {
		uint64_t word = one_in(4) ? any() : nasty();
		size_t n = size < 8 ? size : one_in(2) ? 8 : size < 4 ? size : 4;

		memcpy(bytes, &word, n);
		bytes += n;
		size -= n;
	}
}

uint64_t arena_page(void)
{
	return (uint64_t)(uintptr_t)&arena[below(ARENA_PAGES / 2) * PAGE];
}

uint64_t nasty_address(void)
{
	static const uint64_t known[] = {
		0xa0000,     0xd0000000,  0xfec00000,	  0xfee00000,	  0xfffff000,
		0xffffffff8, 0x100000000, 0x7ffffffff000, ~0ull & ~0xfff, 1ull << 52,
	};

	switch (below(4)) {
	case 0:
		return known[below(ARRAY_SIZE(known))];
	case 1:
		return any();
	default:
		return arena_page() + (one_in(2) ? 0 : below(PAGE));
	}
}

uint8_t *page_at(uint64_t gpa)
{
	return (uint8_t *)(uintptr_t)(gpa & ~(uint64_t)(PAGE - 1));
}
