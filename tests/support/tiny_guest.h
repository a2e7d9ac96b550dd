/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guests of a few instructions, for tests of what runs them: code, page tables and descriptors in a
 * machine's memory, and a device of four ports that notes what the guest says.
 */
#ifndef TESTS_SUPPORT_TINY_GUEST_H
#define TESTS_SUPPORT_TINY_GUEST_H

#include "hv/partition.h"

#include <stdatomic.h>
#include <stddef.h>

#define TINY_CODE  0x100000ull /* where code is put */
#define TINY_AP	   0x8000ull   /* .. and that of other processors: SIPI vector 8 */
#define TINY_STACK 0x90000ull
#define TINY_SAY   0x700 /* a guest's words, of any size */
#define TINY_DONE  0x701 /* it has done all it wanted */
#define TINY_ASK   0x702 /* reads 0x5a5a5a5a */

/* What the device heard. */
struct tiny_device {
	_Atomic unsigned n_said, n_asked;
	_Atomic uint32_t said[256]; /* the first words */
	_Atomic bool done;
};

/* Code of a guest: between two labels of an assembler block. */
#define TINY_GUEST(name, code)                                                                     \
	extern const uint8_t name[], name##_end[];                                                 \
	__asm__(".pushsection .rodata\n.globl " #name "\n" #name ":\n" code "\n.globl " #name      \
		"_end\n" #name "_end:\n.code64\n.popsection\n")

/* Adds the device. */
void tiny_device_add(struct hv_partition *partition, struct tiny_device *device);
/* The guest's memory, which is there. */
void *tiny_at(struct hv_partition *partition, uint64_t gpa, uint64_t size);
/* Puts code at 'gpa'. */
void tiny_put(struct hv_partition *partition, uint64_t gpa, const uint8_t *code,
	      const uint8_t *end);
/* Puts code to TINY_CODE and has the first processor start there: with all of 4 GB mapped one to
 * one in 64-bit mode, or flat in 32-bit mode. */
void tiny_start(struct hv_partition *partition, const uint8_t *code, const uint8_t *end,
		bool long_mode);
/* Waits until the guest is done.  False: not within 'seconds'. */
bool tiny_wait(struct tiny_device *device, unsigned seconds);
/* Waits for mail.  False: none within 'seconds'. */
bool tiny_mail(struct hv_partition *partition, unsigned seconds, struct hv_mail *ret_mail);

#endif
