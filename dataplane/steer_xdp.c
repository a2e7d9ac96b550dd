/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Steering by our XDP program, for ports on AF_XDP sockets.  Each queue that can be a VM's own is
 * another socket on every queue of the interface (xsk.h); the program looks (MAC, VLAN) up in a
 * table and says which.
 *
 * 	frame ─► queue q of the interface ─► XDP: slot = rules[MAC, VLAN], or rules[MAC, any], or 0
 * 		                                └─► sockets[slot * queues + q]
 *
 * Without steering a shorter program is there, which looks nothing up (xdp_redirect.c); the one
 * takes the other's place at once, no frame is lost.  The kernel counts no frames of a socket.
 *
 * Threads: control thread.
 */
#include "dataplane/steer.h"
#include "dataplane/xdp_priv.h"

#include <errno.h>
#include <string.h>

static int xdp_steer_open(struct dp_port *port, uint16_t n_shared, struct dp_steer_caps *ret_caps,
			  struct err *err)
{
	struct xdp *xdp = port->priv;
	int rc;

	if (xdp->n_sides == 0) {
		err_set(err, -ENOSPC, "few-queues",
			"interface %s was opened with no more queues than it has (%u)",
			xdp->before.name, xdp->n_queues);
		return -ENOSPC;
	}
	rc = dp_xdp_redirect_steer(&xdp->redirect, xdp->n_queues);
	if (rc != 0)
		return err_set(err, rc, "af-xdp", "the steering XDP program: %s", strerror(-rc));
	*ret_caps = (struct dp_steer_caps){.first = xdp->n_queues,
					   .n_queues = xdp->n_sides,
					   .max_rules = DP_STEER_MAX_RULES,
					   .max_spread = 1,
					   .by_vlan = true};
	return 0;
}

static void xdp_steer_close(struct dp_port *port)
{
	struct xdp *xdp = port->priv;

	dp_xdp_redirect_unsteer(&xdp->redirect);
}

static int xdp_steer_add(struct dp_port *port, const struct dp_steer_rule *rule, void **ret_handle,
			 struct err *err)
{
	const struct xdp *xdp = port->priv;
	uint32_t slot = rule->queue - xdp->n_queues + 1u;
	int rc = dp_xdp_redirect_rule(&xdp->redirect, &rule->mac, rule->vlan, slot);

	if (rc != 0)
		return err_set(err, rc, "af-xdp", "a rule of the XDP program: %s", strerror(-rc));
	*ret_handle = NULL;
	return 0;
}

static int xdp_steer_del(struct dp_port *port, const struct dp_steer_rule *rule, void *handle,
			 bool forgotten)
{
	const struct xdp *xdp = port->priv;
	int rc = dp_xdp_redirect_rule(&xdp->redirect, &rule->mac, rule->vlan, 0);

	return forgotten || rc == -ENOENT ? 0 : rc;
}

static uint32_t xdp_steer_generation(struct dp_port *port, bool *ret_gone)
{
	const struct xdp *xdp = port->priv;

	*ret_gone = xdp->gone;
	return 0;
}

static const struct dp_steer_ops steer_xdp = {
	.kind = "xdp",
	.open = xdp_steer_open,
	.close = xdp_steer_close,
	.add = xdp_steer_add,
	.del = xdp_steer_del,
	.generation = xdp_steer_generation,
};

const struct dp_steer_ops *const *xdp_steer(struct dp_port *port)
{
	static const struct dp_steer_ops *const ways[] = {&steer_xdp, NULL};

	return ways;
}
