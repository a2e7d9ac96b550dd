/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest that means harm: 64-bit code without an operating system, which does to its hypervisor
 * and to VMBus whatever a kernel of bad will could, in an order that its seed decides, and then
 * switches the machine off by ACPI's register.  If it can, the host survived.
 *
 * It spares only what would end the run early (a reset, the power switch, a fault of its own) and
 * its own code: pages that it gives away to be written come from 'arena'.
 *
 * Processors run with interrupts off for ever, and look at SynIC's pages by themselves.
 */
#ifndef TESTS_GUEST_HOSTILE_HOSTILE_H
#define TESTS_GUEST_HOSTILE_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE	      4096u
#define ARENA_PAGES   2048u
#define STACK_SHIFT   16 /* start.S */
#define N_CPUS	      4
#define MS	      2000000ull /* TSC ticks, more or less */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* At the low end of each processor's stack. */
struct cpu {
	uint64_t guard; /* start.S: where a fault goes on, 0: nowhere */
	uint64_t random;
};

/* ---- lib.c ---- */

extern uint8_t arena[ARENA_PAGES * PAGE];

void *memset(void *to, int byte, size_t size);
void *memcpy(void *to, const void *from, size_t size);
/* %s, %u (uint32_t), %x (uint64_t). */
void say(const char *format, ...);
void power_off(void) __attribute__((noreturn));
void seed(uint64_t value);
uint64_t any(void);
uint32_t below(uint32_t n);
bool one_in(uint32_t n);
/* Random bytes, some of them the kind of number that breaks things. */
void scribble(void *at, size_t size);
uint64_t nasty(void);
/* Addresses: of a page of the arena; of anything, memory or not. */
uint64_t arena_page(void);
uint64_t nasty_address(void);
uint8_t *page_at(uint64_t gpa);

static inline struct cpu *cpu_self(void)
{
	uint64_t sp;

	__asm__ volatile("mov %%rsp, %0" : "=r"(sp));
	return (struct cpu *)(sp & ~((1ull << STACK_SHIFT) - 1));
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* ---- cpu.c ---- */

int guarded(void (*f)(void *), void *arg);
void faults_init(void);
/* Starts the others, 'n' of them at most; each runs 'body' once. */
void cpus_start(void (*body)(uint32_t cpu));
/* 0, or 1: #GP. */
int msr_write(uint32_t msr, uint64_t value);
int msr_read(uint32_t msr, uint64_t *ret_value);

/* ---- surface.c: what there is without VMBus ---- */

/* Hypercalls by the page that bus_on() set; 0xffff: it faulted. */
uint16_t hypercall(uint64_t control, uint64_t input, uint64_t output);
void surface_round(void);

/* ---- clock.c ---- */

bool clock_agrees(void);

/* ---- bus.c: VMBus as an honest guest has it ---- */

#define MAX_CHANNELS 64
#define RING_PAGES   4u /* each way, with its header */

struct channel {
	uint32_t relid, connection, gpadl;
	uint8_t type[16];
	bool offered, open, ruined;
	uint8_t *ring; /* two of RING_PAGES */
	uint64_t transaction;
	unsigned step; /* of what its kind wants said first */
};

struct bus {
	struct channel channels[MAX_CHANNELS];
	unsigned n;
	uint32_t next_gpadl;
	/* Answers: how many of each type came, and the status of the last. */
	uint32_t seen[32], status[32];
	uint32_t messages;
	uint32_t answers; /* times that something new was on a ring */
};

extern struct bus bus;

/* OS id, hypercall page, SynIC. */
void bus_on(void);
uint16_t bus_post(uint32_t connection, uint32_t type, const void *msg, uint32_t size);
/* Takes what stands in the message slot. */
void bus_drain(void);
/* Version, and offers.  False: nobody answers. */
bool bus_connect(uint32_t version);
/* Ring memory, OPENCHANNEL.  False: refused, or no answer. */
bool bus_open(struct channel *channel);
void bus_close(struct channel *channel);
void bus_unload(void);
/* Puts a packet on the ring if it fits, and signals. */
void ring_send(struct channel *channel, uint16_t type, uint16_t flags, const void *head,
	       size_t head_size, const void *payload, size_t size);
void ring_signal(const struct channel *channel);

/* ---- chaos.c: VMBus as nobody should have it ---- */

void chaos_round(void);

#endif
