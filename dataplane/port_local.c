/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ports without a device: VTEPs and tunnel ports (tunnel.h).  They have no queues; what is sent to
 * them goes into their 'sink' on the worker that sends it.
 */
#include "ctl/base/clock.h"
#include "dataplane/neigh.h"
#include "dataplane/tunnel.h"
#include "dataplane/tunnel_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* What lives as long as a VTEP's port. */
struct vtep {
	struct dp_neighs *neighs;
	struct dp_learned *learned;
};

static void vtep_free(struct vtep *v)
{
	if (v == NULL)
		return;
	dp_neighs_destroy(v->neighs);
	dp_learned_destroy(v->learned);
	free(v);
}

static int vtep_open(struct dp_port *port, const struct dp_port_opts *opts, struct err *err)
{
	struct vtep *v = calloc(1, sizeof(*v));

	if (v != NULL)
		v->neighs = dp_neighs_create();
	if (v == NULL || v->neighs == NULL || dp_learned_create(&v->learned) != 0) {
		vtep_free(v);
		return err_set(err, -ENOMEM, "no-memory", "no memory for port '%s'", port->name);
	}
	port->priv = v;
	if (opts->has_mac)
		port->mac = opts->mac;
	else
		rte_eth_random_addr(port->mac.addr_bytes);
	port->own_mac = port->mac;
	port->link_up = true;
	snprintf(port->driver, sizeof(port->driver), "vtep");
	return 0;
}

static void vtep_close(struct dp_port *port)
{
	vtep_free(port->priv);
	port->priv = NULL;
}

static int tunnel_open(struct dp_port *port, const struct dp_port_opts *opts, struct err *err)
{
	port->link_up = true;
	snprintf(port->driver, sizeof(port->driver), "tunnel");
	return 0;
}

static void tunnel_close(struct dp_port *port)
{
}

static int set_mtu(struct dp_port *port, uint16_t mtu, struct err *err)
{
	port->mtu = mtu;
	return 0;
}

static int set_mac(struct dp_port *port, const struct rte_ether_addr *mac, struct err *err)
{
	port->mac = *mac;
	return 0;
}

static void link_state(struct dp_port *port, struct dp_link *ret_link)
{
	*ret_link = (struct dp_link){.up = true, .full_duplex = true};
}

/* It is also the VTEP's clock. */
static void vtep_link(struct dp_port *port, struct dp_link *ret_link)
{
	const struct vtep *v = port->priv;

	link_state(port, ret_link);
	dp_learned_tick(v->learned, port->dp, clock_mono_ns());
}

static const struct vtep *vtep_of(const struct dp_port *port)
{
	return port->ops == &dp_port_vtep_ops ? port->priv : NULL;
}

struct dp_neighs *dp_port_neighs(const struct dp_port *port)
{
	const struct vtep *v = vtep_of(port);

	return v != NULL ? v->neighs : NULL;
}

struct dp_learned *dp_port_learned(const struct dp_port *port)
{
	const struct vtep *v = vtep_of(port);

	return v != NULL ? v->learned : NULL;
}

const struct dp_port_ops dp_port_vtep_ops = {
	.kind = "vtep",
	.open = vtep_open,
	.close = vtep_close,
	.set_mtu = set_mtu,
	.set_mac = set_mac,
	.link = vtep_link,
	.sink = dp_vtep_sink,
};

const struct dp_port_ops dp_port_tunnel_ops = {
	.kind = "tunnel",
	.open = tunnel_open,
	.close = tunnel_close,
	.set_mtu = set_mtu,
	.link = link_state,
	.sink = dp_tunnel_sink,
};
