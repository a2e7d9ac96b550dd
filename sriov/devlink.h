/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What an adapter's own switch is (devlink): one that forwards by MAC and VLAN alone (legacy), or
 * one that is programmed and has an interface of the host for each VF, its representor (switchdev).
 * Read only.
 *
 * Control thread.  Source: Linux Documentation/networking/devlink/devlink-port.rst.
 */
#ifndef SRIOV_DEVLINK_H
#define SRIOV_DEVLINK_H

#include "sriov/pf.h"

enum sriov_eswitch { SRIOV_NO_ESWITCH, SRIOV_LEGACY, SRIOV_SWITCHDEV };
const char *sriov_eswitch_name(enum sriov_eswitch mode); /* "", "legacy", "switchdev" */

struct sriov_devlink {
	enum sriov_eswitch mode;		    /* SRIOV_NO_ESWITCH: the driver does not say */
	char representors[SRIOV_MAX_VFS][IFNAMSIZ]; /* of VFs by number; "": none */
};

/* 0; -ENOENT: the device is not one of devlink's. */
int sriov_devlink_read(const char *bus, const char *addr, struct sriov_devlink *ret_devlink);

#endif
