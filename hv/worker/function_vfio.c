/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Devices of the host, by VFIO (sriov/vfio.h), as functions of the machine: function.h.
 */
#include "hv/worker/function.h"

static int open_device(const struct sriov_vfio_opts *opts, void **ret_device, struct err *err)
{
	struct sriov_vfio *vfio = NULL;
	int rc = sriov_vfio_open(opts, &vfio, err);

	if (rc == 0)
		*ret_device = vfio;
	return rc;
}

static void close_device(void *device)
{
	sriov_vfio_close(device);
}

static void function(const void *device, struct vpci_function *ret_function)
{
	sriov_vfio_function(device, ret_function);
}

static void info(const void *device, struct sriov_vfio_info *ret_info)
{
	sriov_vfio_info(device, ret_info);
}

/* The bus' calls come with the device as their context. */
const struct function_backend worker_function_backend = {
	.open = open_device,
	.close = close_device,
	.function = function,
	.info = info,
	.ops = &sriov_vfio_backend,
};
