/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest of ours, a vmbus_server and a fake NIC in one test: everything but the dataplane.
 */
#ifndef TESTS_SUPPORT_GUEST_RIG_H
#define TESTS_SUPPORT_GUEST_RIG_H

#include "tests/support/fake_vsp.h"
#include "vmbus/guest/guest.h"
#include "vmbus/server.h"

struct guest_rig {
	struct guest_local *local;
	struct guest_net *net;
	struct fake_vsp *vsp;
	struct netvsp_conf nic;
	uint32_t host_version;
	bool split, monitored;
	unsigned timeout_ms;
};

/* A NIC of 4 queues, MTU 1500 and every offload; to be changed before guest_rig_start(). */
void guest_rig_init(struct guest_rig *rig);
/* Memory, bus, contact; the NIC is offered.  Tests fail in it, not return. */
void guest_rig_connect(struct guest_rig *rig, const struct guest_net_conf *conf);
/* And sets it up. */
void guest_rig_start(struct guest_rig *rig, const struct guest_net_conf *conf);
/* Takes it all apart, and checks that nothing is left at the host. */
void guest_rig_stop(struct guest_rig *rig);
void guest_rig_work(struct guest_rig *rig);

#endif
