/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What both of Hyper-V's faces share: a processor's SynIC pages, whatever told us where they are,
 * and the interrupt that goes with them; messages from the guest.
 */
#ifndef HV_FACE_PRIV_H
#define HV_FACE_PRIV_H

#include "hv/face.h"
#include "hv/hypercall.h"
#include "hv/synic.h"
#include "hv/vp.h"

/* A processor's (vp->face). */
struct hv_face_vp {
	struct hv_synic synic;
	uint64_t assist_page; /* where the face has to keep it */
	int irq_fd;
};

static inline struct hv_face_vp *hv_face_vp(const struct hv_vp *vp)
{
	return vp->face;
}

/* Makes it, and the eventfd that raises SINT 2 wherever HV_GSI_SINT() is routed to. */
int hv_face_vp_init(struct hv_vp *vp, struct err *err);
void hv_face_vp_fini(struct hv_vp *vp);

/* The operations of the same name. */
int hv_face_post(struct hv_partition *partition, uint32_t vp, const void *msg, size_t size);
int hv_face_signal(struct hv_partition *partition, uint32_t vp, uint16_t flag);
int hv_face_event_target(struct hv_partition *partition, uint32_t vp,
			 struct hv_event_target *ret_target);

/* On the processor's thread. */

/* The guest may have made room for a message. */
void hv_face_wake(struct hv_vp *vp);
/* The guest's SynIC pages moved. */
void hv_face_moved(struct hv_vp *vp);
/* PostMessage.  A status. */
uint16_t hv_face_message(struct hv_vp *vp, const struct hv_hypercall *call);

/* RetargetDeviceInterrupt: waits for the owner.  A status. */
uint16_t hv_face_retarget(struct hv_vp *vp, const struct hv_hypercall *call);

/* Asks KVM for one MSR of a processor, or sets it.  0, or negative errno. */
int hv_face_get_msr(const struct hv_vp *vp, uint32_t msr, uint64_t *ret_value);
int hv_face_set_msr(const struct hv_vp *vp, uint32_t msr, uint64_t value);

/* MSRs that KVM gives to us instead of answering itself; 'n' at 'base' each, read, written or both
 * (KVM_MSR_FILTER_*).  Those that have to do with it get #GP unless the face answers. */
struct hv_face_filter {
	uint32_t base, n, flags;
};
int hv_face_take_msrs(struct hv_partition *partition, const struct hv_face_filter *filters,
		      unsigned n, struct err *err);

#endif
