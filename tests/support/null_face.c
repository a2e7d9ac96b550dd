/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Nobody plays Hyper-V: for tests of the rest of a machine.
 */
#include "hv/face.h"

#include <errno.h>

static bool usable(const struct hv_kvm *kvm)
{
	return true;
}

static bool not_usable(const struct hv_kvm *kvm)
{
	return false;
}

static int init(struct hv_partition *partition, struct err *err)
{
	return 0;
}

static void nothing(struct hv_partition *partition)
{
}

static int vp_init(struct hv_vp *vp, struct err *err)
{
	return 0;
}

static void vp_fini(struct hv_vp *vp)
{
}

static int cpuid(struct hv_partition *partition, struct kvm_cpuid_entry2 *entries)
{
	return 0;
}

static bool not_ours(struct hv_vp *vp)
{
	return false;
}

static uint64_t no_time(const struct hv_partition *partition)
{
	return 0;
}

/* The two that partition.c knows: one that is there, one that is not. */
const struct hv_face_ops hv_face_user = {.name = "null",
					 .usable = usable,
					 .init = init,
					 .fini = nothing,
					 .vp_init = vp_init,
					 .vp_fini = vp_fini,
					 .cpuid = cpuid,
					 .exit = not_ours,
					 .reset = nothing,
					 .time = no_time};
const struct hv_face_ops hv_face_kvm = {.name = "none", .usable = not_usable};
