/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See trampoline.h.
 */
#include "hv/trampoline.h"

#include "hv/layout.h"

#include <string.h>

#define INT3 0xcc

static const uint8_t code[] = {
	0xf3, 0x0f,
	0x1e, 0xfa, /*       endbr64: Linux with IBT looks for it */
	0x48, 0x81,
	0xf9, 0x5d,
	0x00, 0x01,
	0x00,	    /*       cmp $0x1005d, %rcx */
	0x75, 0x0f, /*       jne slow */
	0x89, 0xd0, /*       mov %edx, %eax */
	0x48, 0x39,
	0xd0,		      /*       cmp %rdx, %rax */
	0x75, 0x08,	      /*       jne slow */
	0x31, 0xc9,	      /*       xor %ecx, %ecx */
	0xe7, HV_PORT_SIGNAL, /*       out %eax, $signal */
	0x48, 0x89,
	0xc8,			 /*       mov %rcx, %rax */
	0xc3,			 /*       ret */
	0xe7, HV_PORT_HYPERCALL, /* slow: out %eax, $hypercall */
	0xc3,			 /*       ret */
};

/* Where the two OUTs are, and their size. */
#define SIGNAL_AT    22
#define HYPERCALL_AT 28
#define OUT_SIZE     2

void hv_trampoline_write(uint8_t page[4096])
{
	memcpy(page, code, sizeof(code));
	memset(page + sizeof(code), INT3, 4096 - sizeof(code));
}

bool hv_trampoline_is_at(uint16_t port, uint64_t rip)
{
	uint64_t at = rip & 0xfff, out = port == HV_PORT_SIGNAL ? SIGNAL_AT : HYPERCALL_AT;

	return at == out || at == out + OUT_SIZE;
}

/* ---- Beside KVM ---- */

#define BESIDE_TRAP_AT 10
#define BESIDE_AT      14

static const uint8_t beside[] = {
	0xf3, 0x0f,
	0x1e, 0xfa, /*       endbr64 */
	0x66, 0x83,
	0xf9, 0x7e, /*       cmp $0x7e, %cx */
	0x74, 0x04, /*       je ours */
	0x0f, 0x0b,
	0x90,			 /*       what KVM has: put here */
	0xc3,			 /*       ret */
	0xe7, HV_PORT_HYPERCALL, /* ours: out %eax, $hypercall */
	0xc3,			 /*       ret */
};

void hv_trampoline_write_beside(uint8_t page[4096], const uint8_t trap[3])
{
	uint8_t own[3];

	memcpy(own, trap, sizeof(own)); /* it may be in the page */
	memcpy(page, beside, sizeof(beside));
	memcpy(page + BESIDE_TRAP_AT, own, sizeof(own));
	memset(page + sizeof(beside), INT3, 4096 - sizeof(beside));
}

bool hv_trampoline_is_beside(uint64_t rip)
{
	uint64_t at = rip & 0xfff;

	return at == BESIDE_AT || at == BESIDE_AT + OUT_SIZE;
}
