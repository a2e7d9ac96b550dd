/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A NIC whose guest may have a VF beside it: what the guest is told of it, and what its owner is
 * told of the guest; see nic.h.  Control thread.
 *
 * While frames go by the VF the adapter brings the guest its broadcasts and multicasts, too; those
 * that the switch would copy to the synthetic NIC would be there twice, and among them the guest's
 * own.  Frames to its address are taken by the synthetic NIC all the same: some are on their way
 * when it switches.
 */
#include "vmq/nic_priv.h"

#include "vmbus/nvsp.h"
#include "vmq/control.h"
#include "vmq/journal.h"

#include <string.h>

void vmq_nic_guest(const struct dp_port *port, struct vmq_nic_guest *ret)
{
	const struct vmq_nic *nic = port->priv;
	const struct netvsp_state *s = netvsp_state(nic->vsp);

	*ret = (struct vmq_nic_guest){.up = nic->at.channels[0].queue != NULL && s->rndis_up,
				      .takes_vf = s->nvsp_version >= NVSP_V4 &&
						  (s->capabilities & NVSP_CAP_SRIOV) != 0,
				      .vf_active = s->vf_active};
	memcpy(ret->mac, s->mac, sizeof(ret->mac));
}

void vmq_nic_on_data_path(struct dp_port *port, vmq_data_path_fn fn, void *ctx)
{
	struct vmq_nic *nic = port->priv;

	nic->on_data_path = fn;
	nic->data_path_ctx = ctx;
}

void nic_data_path_settle(struct vmq_nic *nic, bool active)
{
	if (active == nic->data_path)
		return;
	nic->data_path = active;
	if (nic->on_data_path != NULL)
		nic->on_data_path(nic->data_path_ctx, active);
}

void vmq_nic_set_vf(struct dp_port *port, bool present, uint32_t serial)
{
	struct vmq_nic *nic = port->priv;

	netvsp_set_vf(nic->vsp, present, serial);
	if (nic->at.journal != NULL)
		vmq_journal_state_write(nic->at.journal, netvsp_state(nic->vsp));
	if (nic->at.channels[0].queue != NULL)
		vmq_mail_kick(nic->at.channels[0].queue);
}

int vmq_nic_by_vf(struct dp_port *port, bool on)
{
	struct vmq_nic *nic = port->priv;
	int rc = 0;

	if (nic->by_vf == on)
		return 0;
	nic->by_vf = on;
	if (nic->at.channels[0].queue != NULL)
		rc = nic_rules_make(nic, netvsp_state(nic->vsp), false);
	if (rc != 0)
		nic->by_vf = !on;
	return rc;
}
