/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The inside of a machine's devices (device.h), for device.c and msi.c.
 */
#ifndef HV_DEVICE_PRIV_H
#define HV_DEVICE_PRIV_H

#include "hv/device.h"
#include "hv/layout.h"

#include <pthread.h>

struct hv_ask;

struct hv_range {
	uint64_t gpa, size; /* size 0: the place is free */
};

struct hv_region {
	struct hv_partition *partition;
	struct hv_range range;
	const struct hv_region_ops *ops;
	void *ctx;
};

struct hv_devices {
	pthread_mutex_t lock; /* the owner takes it to change regions, processors to read them */
	struct hv_region regions[HV_MAX_REGIONS];
	struct hv_range mappings[HV_MAX_REGIONS]; /* by KVM's slot; the owner's */
	bool gsi_used[HV_MAX_IRQS];
	int asks_fd;
	struct hv_ask *asks[HV_MAX_VPS]; /* of processors that wait; the partition's lock */
	hv_retarget_fn retarget;
	void *retarget_ctx;
};

#endif
