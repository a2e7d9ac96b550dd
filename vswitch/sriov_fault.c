/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which NIC's VF tried to reach memory that is not its VM's: the IOMMU stopped it, the kernel's log
 * says so (sriov/fault.h), and here it becomes a count and an event of that NIC.
 */
#define LOG_MODULE "sriov"

#include "vswitch/sriov_priv.h"

#include "ctl/base/log.h"
#include "sriov/fault.h"
#include "sriov/pf.h"
#include "sriov/pool.h"

#include <string.h>

#define RECORDS_A_LOOK 64u
/* One event of a NIC in so many seconds; its count goes on. */
#define EVENT_S 10u

static bool has_vfs(const struct vs_sriov *s)
{
	const struct vs_sriov_nic *nic;

	LIST_FOREACH(nic, &s->nics, entry)
		if (nic->claim != NULL)
			return true;
	return false;
}

static void begin(struct vs_sriov *s)
{
	struct err err = {0};

	if (s->log != NULL || s->log_refused || !has_vfs(s))
		return;
	s->log_refused = sriov_fault_open(s->log_path, &s->log, &err) != 0;
	if (s->log_refused)
		log_warn("what an IOMMU stops of VFs is not told: %s; %s", err.what, err.fix);
}

static struct vs_sriov_nic *whose(const struct vs_sriov *s, const char *device)
{
	struct vs_sriov_nic *nic;

	LIST_FOREACH(nic, &s->nics, entry)
		if (nic->claim != NULL && strcmp(s->pool->device(nic->claim)->addr, device) == 0)
			return nic;
	return NULL;
}

static void tell(struct vs *vs, struct vs_sriov_nic *nic)
{
	if (!log_allow(&nic->fault_lines, 1, EVENT_S))
		return;
	vs_event(vs, "iommu-fault", nic->port,
		 "nic %s: its VF (%s) tried to %s %#llx, which is not memory of its VM, and was "
		 "stopped; %llu times by now",
		 nic->port, nic->fault.device, nic->fault.write ? "write to" : "read",
		 (unsigned long long)nic->fault.addr, (unsigned long long)nic->n_faults);
}

void vs_sriov_look_at_faults(struct vs *vs, struct vs_sriov *s)
{
	unsigned budget = RECORDS_A_LOOK;
	struct sriov_fault fault;

	begin(s);
	while (s->log != NULL && sriov_fault_next(s->log, &budget, &fault)) {
		struct vs_sriov_nic *nic = whose(s, fault.device);

		if (nic == NULL)
			continue;
		nic->n_faults++;
		nic->fault = fault;
		tell(vs, nic);
	}
}
