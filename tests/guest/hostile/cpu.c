/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See hostile.h.
 */
#include "tests/guest/hostile/hostile.h"

#define N_GATES	 256
#define STUB	 16
#define CODE64	 0x08
#define AP_CODE	 0x90000u
#define LAPIC	 0xfee00000u
#define ICR_LOW	 0x300
#define ICR_HIGH 0x310
#define SVR	 0xf0
#define INIT_ALL 0xc4500u /* all but this one */
#define SIPI_ALL 0xc4600u

extern const uint8_t fault_stubs[], ap_code[], ap_code_end[];
extern uint32_t n_started;
void fatal(uint64_t number, uint64_t above, uint64_t two_above) __attribute__((noreturn));
void hostile_ap(uint32_t cpu);

static struct gate {
	uint16_t low, selector, type, middle;
	uint32_t high, zero;
} gates[N_GATES] __attribute__((aligned(16)));

static void (*ap_body)(uint32_t cpu);

static void load_gates(void)
{
	struct {
		uint16_t size;
		uint64_t at;
	} __attribute__((packed)) idtr = {sizeof(gates) - 1, (uint64_t)(uintptr_t)gates};

	__asm__ volatile("lidt %0" : : "m"(idtr));
}

void faults_init(void)
{
	for (unsigned i = 0; i < N_GATES; i++) {
		uint64_t at = (uint64_t)(uintptr_t)fault_stubs + i * STUB;

		gates[i] = (struct gate){
			.low = (uint16_t)at,
			.selector = CODE64,
			.type = 0x8e00,
			.middle = (uint16_t)(at >> 16),
			.high = (uint32_t)(at >> 32),
		};
	}
	load_gates();
}

/* A fault that nobody guards is ours: the run says nothing about the host. */
void fatal(uint64_t number, uint64_t above, uint64_t two_above)
{
	say("hostile: own fault %x at %x or %x\n", number, above, two_above);
	power_off();
}

/* ---- MSRs ---- */

struct msr {
	uint32_t index;
	uint64_t value;
};

static void do_write(void *arg)
{
	const struct msr *msr = arg;

	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr->index), "a"((uint32_t)msr->value),
			   "d"((uint32_t)(msr->value >> 32))
			 : "memory");
}

static void do_read(void *arg)
{
	struct msr *msr = arg;
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr->index));
	msr->value = (uint64_t)high << 32 | low;
}

int msr_write(uint32_t msr, uint64_t value)
{
	struct msr arg = {.index = msr, .value = value};

	return guarded(do_write, &arg);
}

int msr_read(uint32_t msr, uint64_t *ret_value)
{
	struct msr arg = {.index = msr};
	int rc = guarded(do_read, &arg);

	if (rc == 0)
		*ret_value = arg.value;
	return rc;
}

/* ---- the other processors ---- */

static void lapic(uint32_t at, uint32_t value)
{
	*(volatile uint32_t *)(uintptr_t)(LAPIC + at) = value;
}

static void wait(uint64_t ticks)
{
	uint64_t start = rdtsc();

	while (rdtsc() - start < ticks)
		__asm__ volatile("pause");
}

void hostile_ap(uint32_t cpu)
{
	load_gates();
	ap_body(cpu);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void cpus_start(void (*body)(uint32_t cpu))
{
	ap_body = body;
	memcpy((void *)(uintptr_t)AP_CODE, ap_code, (size_t)(ap_code_end - ap_code));
	lapic(SVR, 0x1ff);
	lapic(ICR_HIGH, 0);
	lapic(ICR_LOW, INIT_ALL);
	wait(10 * MS);
	lapic(ICR_LOW, SIPI_ALL | AP_CODE >> 12);
	wait(10 * MS);
	lapic(ICR_LOW, SIPI_ALL | AP_CODE >> 12);
	wait(50 * MS);
	say("hostile: %u more processors\n", __atomic_load_n(&n_started, __ATOMIC_SEQ_CST));
}
