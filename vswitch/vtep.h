/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Overlays as configured: VTEPs and tunnel ports are ports of the model (model.h, struct
 * vs_overlay); here is how they become what workers run (dataplane/tunnel.h).  Control thread.
 *
 * Tenants by key ('--key tenant'): such a tunnel port is like an uplink that tenants share
 * (--tenant-vlan): each tenant of its switch has a VLAN there that stands for it between switch and
 * tunnel, and is never seen on a wire; the tunnel turns it into the tenant's id as VNI.  So what
 * keeps tenants apart is what keeps them apart on any uplink.
 */
#ifndef VSWITCH_VTEP_H
#define VSWITCH_VTEP_H

#include "vswitch/vs.h"

/* Gives the view's ports their VTEPs and tunnels.  0 or -ENOMEM; what was made is the view's. */
int vs_overlays_compile(struct vs *vs, const struct vs_model *model, struct dp_view *view);
/* Frees what a port of a view has of that. */
void vs_overlay_release(struct dp_vport *vp);

/* A port id is free: nothing that was learned under it counts any more. */
void vs_overlay_forget(struct vs *vs, uint16_t id);
/* What a port asks of rules (flows.h). */
uint8_t vs_overlay_asks(const struct vs_port *p);

#endif
