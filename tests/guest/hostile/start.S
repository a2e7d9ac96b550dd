/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From the hypervisor's entry (PVH: 32 bits, EBX has the start info) to C in long mode, with all of
 * the first 4 GB mapped to itself; the same for the other processors, from real mode; and faults.
 */
#define STACK_SHIFT 16 /* a stack and what is a processor's own: hostile.h */
#define N_CPUS	    4
#define CODE64	    0x08
#define DATA	    0x10
#define CODE32	    0x18
#define EFER	    0xc0000080

	.section .note.Xen, "a", @note
	.balign	4
	.long	4, 8, 18	/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.quad	start32

	.text
	.code32
	.globl	start32
start32:
	cli
	movl	%ebx, %esi
	/* 2048 pages of 2 MB, four tables of them. */
	movl	$directories, %edi
	movl	$0x83, %eax
1:	movl	%eax, (%edi)
	movl	$0, 4(%edi)
	addl	$8, %edi
	addl	$0x200000, %eax
	cmpl	$directories + 4 * 4096, %edi
	jne	1b
	movl	$directories + 3, %eax
	movl	$pointers, %edi
2:	movl	%eax, (%edi)
	movl	$0, 4(%edi)
	addl	$8, %edi
	addl	$4096, %eax
	cmpl	$pointers + 4 * 8, %edi
	jne	2b
	movl	$pointers + 3, top
	movl	$0, top + 4
	movl	$stacks + (1 << STACK_SHIFT), %esp
	lgdt	gdtr
	movl	$main64, %ebp
	jmp	enter64

	/* A processor that was started: on its own stack, in the order in which they come. */
ap32:
	movw	$DATA, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$1, %eax
	lock xaddl %eax, n_started
	cmpl	$N_CPUS - 1, %eax
	jae	stop
	leal	1(%eax), %esi
	leal	2(%eax), %esp
	shll	$STACK_SHIFT, %esp
	addl	$stacks, %esp
	movl	$ap64, %ebp

	/* ESI stays, EBP says where to go. */
enter64:
	movl	%cr4, %eax
	orl	$0x20, %eax
	movl	%eax, %cr4
	movl	$top, %eax
	movl	%eax, %cr3
	movl	$EFER, %ecx
	rdmsr
	orl	$0x100, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000001, %eax
	andl	$~0x60000000, %eax
	movl	%eax, %cr0
	ljmp	$CODE64, $in64

	.code64
in64:
	movw	$DATA, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	xorl	%eax, %eax
	movw	%ax, %fs
	movw	%ax, %gs
	movl	%esp, %esp
	movl	%esi, %edi
	movl	%ebp, %ebp
	jmp	*%rbp
main64:
	call	hostile_main
ap64:
	call	hostile_ap
stop:
	cli
	hlt
	jmp	stop

	/* Copied below 1 MB; runs at offset 0 of its segment. */
	.code16
	.globl	ap_code, ap_code_end
ap_code:
	cli
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	gdtr16 - ap_code
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$CODE32, $ap32
	.balign	4
gdtr16:
	.word	gdt_end - gdt - 1
	.long	gdt
ap_code_end:

	.code64
	/* int guarded(void (*f)(void *), void *arg): calls it; 0, or 1 if it faulted. */
	.globl	guarded
guarded:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, %rax
	andq	$~((1 << STACK_SHIFT) - 1), %rax
	movq	%rsp, (%rax)
	movq	%rdi, %rcx
	movq	%rsi, %rdi
	subq	$8, %rsp
	call	*%rcx
	addq	$8, %rsp
	movq	%rsp, %rax
	andq	$~((1 << STACK_SHIFT) - 1), %rax
	movq	$0, (%rax)
	xorl	%eax, %eax
back:
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret

	/* Each fault comes with its number pushed; RIP lies above it, or above an error code. */
fault:
	cld
	movq	%rsp, %rax
	andq	$~((1 << STACK_SHIFT) - 1), %rax
	movq	(%rax), %rcx
	movq	$0, (%rax)
	testq	%rcx, %rcx
	jz	1f
	movq	%rcx, %rsp
	movl	$1, %eax
	jmp	back
1:	movq	(%rsp), %rdi
	movq	8(%rsp), %rsi
	movq	16(%rsp), %rdx
	andq	$~15, %rsp
	call	fatal

	.balign	16
	.globl	fault_stubs
fault_stubs:
	n = 0
	.rept	256
	.balign	16
	pushq	$n
	jmp	fault
	n = n + 1
	.endr

	.data
	.balign	8
gdt:	.quad	0
	.quad	0x00af9b000000ffff
	.quad	0x00cf93000000ffff
	.quad	0x00cf9b000000ffff
gdt_end:
gdtr:	.word	gdt_end - gdt - 1
	.long	gdt
	.globl	n_started
	.balign	4
n_started: .long 0

	.bss
	.balign	4096
top:	.skip	4096
pointers: .skip	4096
directories: .skip 4 * 4096
	.balign	1 << STACK_SHIFT
	.globl	stacks
stacks:	.skip	N_CPUS << STACK_SHIFT

	.section .note.GNU-stack, "", @progbits
