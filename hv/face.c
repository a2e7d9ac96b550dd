/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See face_priv.h.
 */
#include "hv/face_priv.h"

#include "hv/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SLUG "hyper-v"

int hv_face_vp_init(struct hv_vp *vp, struct err *err)
{
	struct hv_face_vp *face = calloc(1, sizeof(*face));
	int rc;

	if (face == NULL)
		return err_set(err, -ENOMEM, SLUG, "no memory for processor %u", vp->index);
	face->irq_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (face->irq_fd < 0) {
		rc = -errno;
		free(face);
		return err_set(err, rc, SLUG, "no event descriptor for processor %u: %s", vp->index,
			       strerror(-rc));
	}
	rc = hv_partition_irqfd(vp->partition, HV_GSI_SINT(vp->index), face->irq_fd, true);
	if (rc < 0) {
		close(face->irq_fd);
		free(face);
		return err_set(err, rc, SLUG, "KVM takes no interrupt of processor %u: %s",
			       vp->index, strerror(-rc));
	}
	hv_synic_init(&face->synic, face->irq_fd);
	vp->face = face;
	return 0;
}

void hv_face_vp_fini(struct hv_vp *vp)
{
	struct hv_face_vp *face = hv_face_vp(vp);

	if (face == NULL)
		return;
	(void)hv_partition_irqfd(vp->partition, HV_GSI_SINT(vp->index), face->irq_fd, false);
	close(face->irq_fd);
	free(face);
	vp->face = NULL;
}

static struct hv_face_vp *find(struct hv_partition *partition, uint32_t vp)
{
	return vp < partition->n_vps ? hv_face_vp(&partition->vp[vp]) : NULL;
}

int hv_face_post(struct hv_partition *partition, uint32_t vp, const void *msg, size_t size)
{
	struct hv_face_vp *face = find(partition, vp);

	return face == NULL ? -EINVAL
			    : hv_synic_post(&face->synic, &partition->memory.map, msg, size);
}

int hv_face_signal(struct hv_partition *partition, uint32_t vp, uint16_t flag)
{
	struct hv_face_vp *face = find(partition, vp);

	return face == NULL ? -EINVAL : hv_synic_signal(&face->synic, &partition->memory.map, flag);
}

int hv_face_event_target(struct hv_partition *partition, uint32_t vp,
			 struct hv_event_target *ret_target)
{
	struct hv_face_vp *face = find(partition, vp);
	uint64_t gpa;

	if (face == NULL)
		return -EINVAL;
	if (hv_synic_flags(&face->synic, &partition->memory.map, &gpa) < 0)
		return -ENOENT;
	*ret_target = (struct hv_event_target){.gpa = gpa, .irq_fd = face->irq_fd};
	return 0;
}

void hv_face_wake(struct hv_vp *vp)
{
	if (hv_synic_wake(&hv_face_vp(vp)->synic))
		(void)hv_vp_mail(vp, HV_MAIL_SLOT_FREE);
}

void hv_face_moved(struct hv_vp *vp)
{
	hv_face_wake(vp);
	(void)hv_vp_mail(vp, HV_MAIL_SYNIC);
}

uint16_t hv_face_message(struct hv_vp *vp, const struct hv_hypercall *call)
{
	struct hv_mail mail;
	uint16_t status = hv_hypercall_message(call, &vp->partition->memory.map, &mail);

	if (status != HV_STATUS_SUCCESS)
		return status;
	mail.vp = vp->index;
	if (hv_mailbox_put(vp->partition->mailbox, &mail) < 0) {
		atomic_fetch_add_explicit(&vp->message_retries, 1, memory_order_relaxed);
		return HV_STATUS_INSUFFICIENT_BUFFERS;
	}
	atomic_fetch_add_explicit(&vp->messages, 1, memory_order_relaxed);
	return HV_STATUS_SUCCESS;
}

uint16_t hv_face_retarget(struct hv_vp *vp, const struct hv_hypercall *call)
{
	struct hv_ask ask = {.what = HV_ASK_RETARGET};
	uint16_t status = hv_hypercall_retarget(call, &vp->partition->memory.map, &ask.retarget);

	if (status != HV_STATUS_SUCCESS)
		return status;
	return hv_ask(vp, &ask) && ask.rc == 0 ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARAMETER;
}

/* KVM's struct ends in an array, whose room is ours to give. */
union one_msr {
	struct kvm_msrs msrs;
	uint8_t bytes[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

static union one_msr one_msr(uint32_t msr, uint64_t value)
{
	union one_msr one = {.bytes = {0}};

	one.msrs.nmsrs = 1;
	one.msrs.entries[0] = (struct kvm_msr_entry){.index = msr, .data = value};
	return one;
}

int hv_face_get_msr(const struct hv_vp *vp, uint32_t msr, uint64_t *ret_value)
{
	union one_msr one = one_msr(msr, 0);
	int rc = ioctl(vp->fd, KVM_GET_MSRS, &one.msrs);

	if (rc != 1)
		return rc < 0 ? -errno : -ENOENT;
	*ret_value = one.msrs.entries[0].data;
	return 0;
}

int hv_face_set_msr(const struct hv_vp *vp, uint32_t msr, uint64_t value)
{
	union one_msr one = one_msr(msr, value);
	int rc = ioctl(vp->fd, KVM_SET_MSRS, &one.msrs);

	if (rc != 1)
		return rc < 0 ? -errno : -ENOENT;
	return 0;
}

int hv_face_take_msrs(struct hv_partition *partition, const struct hv_face_filter *filters,
		      unsigned n, struct err *err)
{
	struct kvm_enable_cap cap = {.cap = KVM_CAP_X86_USER_SPACE_MSR,
				     .args = {KVM_MSR_EXIT_REASON_FILTER}};
	struct kvm_msr_filter filter = {.flags = KVM_MSR_FILTER_DEFAULT_ALLOW};
	static uint8_t none[HV_MSR_N / 8]; /* of those may be used as KVM has them */
	int rc;

	for (unsigned i = 0; i < n && i < KVM_MSR_FILTER_MAX_RANGES; i++)
		filter.ranges[i] = (struct kvm_msr_filter_range){
			.flags = filters[i].flags,
			.nmsrs = filters[i].n,
			.base = filters[i].base,
			.bitmap = none,
		};
	if (ioctl(partition->fd, KVM_ENABLE_CAP, &cap) == 0 &&
	    ioctl(partition->fd, KVM_X86_SET_MSR_FILTER, &filter) == 0)
		return 0;
	rc = -errno;
	return err_set(err, rc, SLUG, "KVM does not give Hyper-V's MSRs to this process: %s",
		       strerror(-rc));
}
