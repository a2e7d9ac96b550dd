/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Numbers of Hyper-V's interface: MSRs, hypercalls, statuses, message types, CPUID leaves.
 *
 * Source: [TLFS].
 */
#ifndef HV_TLFS_H
#define HV_TLFS_H

/* ---- MSRs ---- */

#define HV_MSR_FIRST	       0x40000000u
#define HV_MSR_N	       0x200u /* how many are Hyper-V's, as far as we keep KVM from them */
#define HV_MSR_GUEST_OS_ID     0x40000000u
#define HV_MSR_HYPERCALL       0x40000001u
#define HV_MSR_VP_INDEX	       0x40000002u
#define HV_MSR_RESET	       0x40000003u
#define HV_MSR_TIME_REF_COUNT  0x40000020u
#define HV_MSR_REFERENCE_TSC   0x40000021u
#define HV_MSR_TSC_FREQUENCY   0x40000022u
#define HV_MSR_APIC_FREQUENCY  0x40000023u
#define HV_MSR_VP_ASSIST_PAGE  0x40000073u
#define HV_MSR_SCONTROL	       0x40000080u
#define HV_MSR_SVERSION	       0x40000081u
#define HV_MSR_SIEFP	       0x40000082u
#define HV_MSR_SIMP	       0x40000083u
#define HV_MSR_EOM	       0x40000084u
#define HV_MSR_SINT0	       0x40000090u
#define HV_MSR_SINT15	       0x4000009fu
#define HV_MSR_STIMER0_CONFIG  0x400000b0u
#define HV_MSR_CRASH_P0	       0x40000100u
#define HV_MSR_CRASH_P4	       0x40000104u
#define HV_MSR_CRASH_CTL       0x40000105u
#define HV_MSR_REENLIGHTENMENT 0x40000106u
#define HV_MSR_TSC_EMULATION   0x40000108u /* control, and its status before it */

#define HV_MSR_ENABLE	  1ull /* of those that name a page */
#define HV_MSR_PAGE_SHIFT 12

#define HV_SINT_VECTOR	0xffull
#define HV_SINT_MASKED	(1ull << 16)
#define HV_SINT_AUTOEOI (1ull << 17)
#define HV_SINT_POLLING (1ull << 18)

#define HV_HYPERCALL_ENABLE 1ull
#define HV_HYPERCALL_LOCKED 2ull

#define HV_CRASH_NOTIFY (1ull << 63)
#define HV_CRASH_TEXT	(1ull << 62) /* P3: address of a text, P4: bytes of it */

/* ---- SynIC pages ---- */

#define HV_N_SINTS	   16
#define HV_SLOT_SIZE	   256u /* of a message, and of a SINT's event flags */
#define HV_SLOT_TYPE	   0	/* u32; 0: empty */
#define HV_SLOT_BYTES	   4	/* u8 */
#define HV_SLOT_FLAGS	   5	/* u8 */
#define HV_SLOT_SENDER	   8	/* u64 */
#define HV_SLOT_PAYLOAD	   16
#define HV_SLOT_PENDING	   1 /* flag: write EOM when you are done */
#define HV_MESSAGE_MAX	   240
#define HV_MESSAGE_CHANNEL 1 /* type: VMBus */
#define HV_EVENT_FLAGS	   2048

/* ---- hypercalls ---- */

#define HV_CALL_POST_MESSAGE 0x5cu
#define HV_CALL_SIGNAL_EVENT 0x5du
#define HV_CALL_RETARGET     0x7eu /* RetargetDeviceInterrupt */

#define HV_STATUS_SUCCESS		0
#define HV_STATUS_INVALID_CODE		2
#define HV_STATUS_INVALID_INPUT		3
#define HV_STATUS_INVALID_ALIGNMENT	4
#define HV_STATUS_INVALID_PARAMETER	5
#define HV_STATUS_INVALID_PORT_ID	17
#define HV_STATUS_INVALID_CONNECTION_ID 18
#define HV_STATUS_INSUFFICIENT_BUFFERS	19

/* ---- CPUID ---- */

#define HV_CPUID_VENDOR		 0x40000000u
#define HV_CPUID_INTERFACE	 0x40000001u
#define HV_CPUID_VERSION	 0x40000002u
#define HV_CPUID_FEATURES	 0x40000003u
#define HV_CPUID_RECOMMENDATIONS 0x40000004u
#define HV_CPUID_LIMITS		 0x40000005u
#define HV_CPUID_HARDWARE	 0x40000006u

/* 0x40000003 EAX: MSRs that the guest may use. */
#define HV_MAY_VP_RUNTIME    (1u << 0)
#define HV_MAY_TIME_REF	     (1u << 1)
#define HV_MAY_SYNIC	     (1u << 2)
#define HV_MAY_STIMER	     (1u << 3)
#define HV_MAY_APIC	     (1u << 4)
#define HV_MAY_HYPERCALL     (1u << 5)
#define HV_MAY_VP_INDEX	     (1u << 6)
#define HV_MAY_RESET	     (1u << 7)
#define HV_MAY_REFERENCE_TSC (1u << 9)
#define HV_MAY_FREQUENCY     (1u << 11)
/* EBX: hypercalls. */
#define HV_MAY_POST_MESSAGES (1u << 4)
#define HV_MAY_SIGNAL_EVENTS (1u << 5)
/* EDX: what else there is. */
#define HV_HAS_XMM_INPUT     (1u << 4)
#define HV_HAS_FREQUENCY     (1u << 8)
#define HV_HAS_CRASH	     (1u << 10)
#define HV_HAS_STIMER_DIRECT (1u << 19)
/* 0x40000004 EAX: what the guest should use. */
#define HV_USE_REMOTE_FLUSH	  (1u << 2)
#define HV_USE_RELAXED_TIMING	  (1u << 5)
#define HV_USE_NO_AUTOEOI	  (1u << 9)
#define HV_USE_CLUSTER_IPI	  (1u << 10)
#define HV_USE_EX_PROCESSOR_MASKS (1u << 11)
#define HV_USE_NO_CORE_SHARING	  (1u << 18)

#endif
