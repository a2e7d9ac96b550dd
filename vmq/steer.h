/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Hardware VMQ: which of a port's receive queues a device puts a VM's frames on, by (MAC, VLAN).
 * One face for all devices (dataplane/steer.h); what it adds is that a set of rules is put on whole
 * or not at all, that rules come back by themselves after a reset or a restart of the device, and
 * that everything which is not as wished has a reason in words.
 *
 * 	steer = vmq_steer_open(port)        no: 'err' is the "why not better" of software VMQ
 * 	vmq_steer_apply(steer, rules, n)    the whole set, as often as it changes
 * 	vmq_steer_tick(steer)               ten times a second: puts on again what was forgotten
 * 	vmq_steer_close(steer)              before the port is closed
 *
 * A rule is a help, never a promise (dataplane/steer.h): frames of a VM may come by the shared
 * queues at any time, and a queue of a VM's own may bring frames of others.  When a rule moves from
 * one queue to another, frames that are in the old one come out of the old one: who wants order
 * kept drains it before the new one is polled.
 *
 * Threads: control thread; one 'struct vmq_steer' at most for a port.
 */
#ifndef VMQ_STEER_H
#define VMQ_STEER_H

#include "ctl/base/err.h"
#include "dataplane/steer.h"

#include <stdbool.h>
#include <stdint.h>

struct vmq_steer;

enum vmq_steer_state {
	VMQ_STEER_OFF,	   /* no such rule */
	VMQ_STEER_ON,	   /* the device has it */
	VMQ_STEER_WAITING, /* the device lost it, or refuses it since: tried again */
};

/* Prepares the port's device.  At least 'n_shared' queues (0: 1) stay everybody's; without
 * 'may_restart' ways that restart the device are left out.  Returns 0; -EOPNOTSUPP: its device
 * cannot, in words for people; -ENOSPC: the port has too few queues.  The port is borrowed until
 * the close. */
int vmq_steer_open(struct dp_port *port, uint16_t n_shared, bool may_restart,
		   struct vmq_steer **ret, struct err *err);
/* Takes all rules off.  Takes NULL.  Before the port is closed. */
void vmq_steer_close(struct vmq_steer *s);

/* What the device can do; checked against the port, so that nonsense of a driver ends here.
 * Borrowed until the close. */
const struct dp_steer_caps *vmq_steer_caps(const struct vmq_steer *s);
/* Why it is not better or not as wished now; "" when all is well.  Borrowed until the next call. */
const char *vmq_steer_why(const struct vmq_steer *s);

/* Makes 'rules' the whole set.  All or nothing: when the device refuses one of them the others are
 * taken off again, the former set comes back, and 'err' names the rule.  Rules that stay the same
 * are not touched.  Frames of a rule that moves go to the shared queues for a moment; none is lost
 * by it.  0; -EINVAL: a queue that is not for one VM, a group address, an address twice; -ENOSPC:
 * more rules than the device takes; -ENODEV: it vanished; or what the device says. */
int vmq_steer_apply(struct vmq_steer *s, const struct dp_steer_rule *rules, unsigned n,
		    struct err *err);
/* One rule put on or moved; the others stay.  As vmq_steer_apply(). */
int vmq_steer_set(struct vmq_steer *s, const struct dp_steer_rule *rule, struct err *err);
/* Takes one off.  -ENOENT: there is none. */
int vmq_steer_unset(struct vmq_steer *s, const struct rte_ether_addr *mac, uint16_t vlan,
		    struct err *err);

/* The rules as wished; '*ret_n' of them, borrowed until the next change. */
const struct dp_steer_rule *vmq_steer_rules(const struct vmq_steer *s, unsigned *ret_n);
enum vmq_steer_state vmq_steer_state(const struct vmq_steer *s, const struct rte_ether_addr *mac,
				     uint16_t vlan);
/* Frames that the device itself counted on a queue.  -EOPNOTSUPP: it does not count. */
int vmq_steer_count(const struct vmq_steer *s, uint16_t queue, uint64_t *ret_packets);

/* Looks whether the device forgot its rules (reset, restart, link flap of some) or vanished, and
 * puts them on again.  True when the state of a rule changed: whoever shows or logs it looks again.
 * Cheap when nothing happened. */
bool vmq_steer_tick(struct vmq_steer *s);

#endif
