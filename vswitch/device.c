/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From a configured port to an open device: which driver, with what arguments, and why another one
 * than asked.  Control thread.
 *
 * 	phys   a PCI address or vdev arguments -> DPDK; a Linux interface -> AF_XDP, or a
 * 	       packet socket with the reason noted
 * 	team   several of these as one port
 * 	host   a tap in the host with the port's addresses
 * 	tap    a tap in the network namespace of a machine, by name or process
 * 	vhost  a vhost-user socket
 * 	vmbus  a guest with a synthetic network adapter (device_nic.c)
 * 	memif  a shared-memory interface to another process
 * 	mem    in memory, for tests
 */
#include "vswitch/device_priv.h"

#include "dataplane/eth_devargs.h"
#include "dataplane/netns.h"
#include "dataplane/xdp_check.h"
#include "vswitch/link.h"
#include "vswitch/port_mac.h"
#include "vswitch/vmq.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What only says how frames are treated, or can be changed on an open device. */
static const char *const soft_keys[] = {"tenant",    "admin",	     "mac_limit",  "flood",
					"bpdu",	     "vlan_mode",    "vlan",	   "secondary",
					"native",    "allowed",	     "tpid",	   "tenant_vlan",
					"mtu",	     "mac",	     "address",	   "switch",
					"gateway",   "neighbor",     "vtep",	   "remote",
					"key",	     "udp_port",     "ttl",	   "dscp",
					"checksum",  "too_long",     "confirm",	   "of_port",
					"link",	     "speed",	     "mac_change", "rsc",
					"monitor",   "team",	     "team_mode",  "team_primary",
					"lacp_rate", "lacp_passive", "sriov"};

static const char *str(const json_t *body, const char *key)
{
	return json_string_value(json_object_get(body, key));
}

static uint16_t small(const json_t *body, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(body, key));

	return n > 0 && n <= UINT16_MAX ? (uint16_t)n : 0;
}

static bool is_soft(const char *key)
{
	for (size_t i = 0; i < sizeof(soft_keys) / sizeof(soft_keys[0]); i++)
		if (strcmp(key, soft_keys[i]) == 0)
			return true;
	return false;
}

static bool covered(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)a, key, value)
		if (!is_soft(key) && !json_equal(value, json_object_get(b, key)))
			return false;
	return true;
}

bool vs_device_same(const json_t *a, const json_t *b)
{
	return covered(a, b) && covered(b, a);
}

/* "0000:03:00.0", "net_null0", "net_pcap0,iface=..": a name for DPDK; else a Linux interface. */
static bool is_dpdk_name(const char *device)
{
	unsigned domain, bus, slot, function;
	char rest;

	return strncmp(device, "net_", 4) == 0 || strchr(device, ',') != NULL ||
	       sscanf(device, "%x:%x:%x.%x%c", &domain, &bus, &slot, &function, &rest) == 4 ||
	       sscanf(device, "%x:%x.%x%c", &bus, &slot, &function, &rest) == 3;
}

void vs_device_opts(const struct vs_port *p, struct dp_port_opts *o)
{
	const char *mac = str(p->body, "mac");
	const json_t *offloads = json_object_get(p->body, "offloads");

	*o = (struct dp_port_opts){
		.name = p->name,
		.netns_fd = -1,
		.n_queues = small(p->body, "queues"),
		.n_desc = small(p->body, "descriptors"),
		.mtu = p->mtu,
		.offloads = !json_is_false(offloads),
	};
	o->has_mac = mac != NULL && rte_ether_unformat_addr(mac, &o->mac) == 0;
}

int vs_device_open_as(struct vs *vs, const struct vs_port *p, const struct dp_port_opts *opts,
		      struct vs_live *live, struct err *err)
{
	struct dp_port *port;
	json_t *old;
	int rc = live != NULL ? dp_port_open(vs->dp, opts, &port, err) : dp_port_check(opts, err);

	if (rc != 0 || live == NULL)
		return rc;
	old = live->body;
	live->port = port;
	live->own_mac = port->own_mac;
	live->body = json_incref((json_t *)(uintptr_t)p->body);
	json_decref(old);
	return 0;
}

/* An interface that carries the host's address is not taken by accident. */
static int address_check(const struct vs_port *p, const char *ifname, struct err *err)
{
	const char *device = str(p->body, "device");
	char address[64];

	if (json_is_true(json_object_get(p->body, "take_address")) ||
	    !vs_link_has_address(ifname, address, sizeof(address)))
		return 0;
	err_set(err, -EBUSY, "port-busy", "cannot add port %s: the interface has address %s",
		p->name, address);
	err_why(err, "a physical port is taken from the kernel's stack; this would cut that "
		     "address off");
	err_fix(err, "vswitchctl port add %s %s --kind phys%s%s --take-address --confirm 60s",
		p->sw->name, p->name, device != NULL ? " --device " : "",
		device != NULL ? device : "");
	return -EBUSY;
}

static int no_interface(const struct vs_port *p, const char *ifname, struct err *err)
{
	err_set(err, -ENODEV, "no-interface", "cannot add port %s: there is no interface %s",
		p->name, ifname);
	err_why(err, "a device that is no PCI address and no 'net_..' is a Linux interface");
	err_fix(err, "ip link shows the interfaces; dpdk-devbind.py --status the PCI devices");
	return -ENODEV;
}

static int open_packet(struct vs *vs, const struct vs_port *p, const char *ifname, const char *note,
		       struct vs_live *live, struct err *err)
{
	struct dp_port_opts o;
	int rc;

	vs_device_opts(p, &o);
	o.kind = "packet";
	o.ifname = ifname;
	rc = vs_device_open_as(vs, p, &o, live, err);
	if (rc == 0 && live != NULL && live->port->note[0] == '\0')
		snprintf(live->port->note, sizeof(live->port->note), "%s", note);
	return rc;
}

static int open_af_xdp(struct vs *vs, const struct vs_port *p, const char *ifname,
		       struct vs_live *live, struct err *err)
{
	struct dp_port_opts o;

	vs_device_opts(p, &o);
	o.kind = "xdp";
	o.ifname = ifname;
	return vs_device_open_as(vs, p, &o, live, err);
}

/* A Linux interface: AF_XDP when it can, else a packet socket, with the reason. */
static int open_interface(struct vs *vs, const struct vs_port *p, const char *ifname,
			  struct vs_live *live, struct err *err)
{
	const char *driver = str(p->body, "driver");
	char reason[160], note[160];
	struct err local = {0};
	unsigned ifindex = if_nametoindex(ifname);
	int rc = address_check(p, ifname, err);

	if (live != NULL)
		live->ifindex = ifindex != 0 ? (int64_t)ifindex : -1;
	if (rc != 0)
		return rc;
	if (ifindex == 0)
		return no_interface(p, ifname, err);
	if (driver != NULL && strcmp(driver, "af_packet") == 0)
		return open_packet(vs, p, ifname, "", live, err);
	if (dp_xdp_check(ifname, p->mtu, reason, sizeof(reason)) == 0) {
		rc = open_af_xdp(vs, p, ifname, live, &local);
		if (rc == 0)
			return 0;
		snprintf(reason, sizeof(reason), "%.150s", local.what);
	}
	if (driver != NULL && strcmp(driver, "af_xdp") == 0) {
		err_set(err, -EOPNOTSUPP, "af-xdp", "cannot add port %s: AF_XDP cannot serve %s",
			p->name, ifname);
		err_why(err, "%s", reason);
		err_fix(err, "--driver auto falls back to a packet socket");
		return -EOPNOTSUPP;
	}
	snprintf(note, sizeof(note), "AF_PACKET: %.148s", reason);
	return open_packet(vs, p, ifname, note, live, err);
}

static const char *device_of(const struct vs_port *p)
{
	const char *device = str(p->body, "device");

	return device != NULL ? device : p->name;
}

/* Is the device of a 'phys' port a Linux interface, and not DPDK's? */
static bool is_interface(const struct vs_port *p)
{
	const char *driver = str(p->body, "driver");

	return (driver == NULL || strcmp(driver, "dpdk") != 0) && !is_dpdk_name(device_of(p));
}

static int open_phys(struct vs *vs, const struct vs_port *p, struct vs_live *live, struct err *err)
{
	const char *device = device_of(p);
	struct dp_port_opts o;

	if (is_interface(p))
		return open_interface(vs, p, device, live, err);
	vs_device_opts(p, &o);
	o.kind = "eth";
	o.devargs = device;
	return vs_device_open_as(vs, p, &o, live, err);
}

/* The namespace a tap goes to: -1 for the host's own.  The caller closes it. */
static int netns_of(const struct vs_port *p, int *ret_fd, struct err *err)
{
	const char *name = str(p->body, "netns");
	json_int_t pid = json_integer_value(json_object_get(p->body, "pid"));
	char path[300];

	*ret_fd = -1;
	if (name == NULL && pid == 0)
		return 0;
	if (name != NULL && (strchr(name, '/') != NULL || strcmp(name, "..") == 0))
		return err_set(err, -EINVAL, "bad-netns",
			       "port %s: '%s' is not the name of a network namespace", p->name,
			       name);
	if (name != NULL)
		snprintf(path, sizeof(path), "/run/netns/%s", name);
	else
		snprintf(path, sizeof(path), "/proc/%lld/ns/net", (long long)pid);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*ret_fd >= 0)
		return 0;
	err_set(err, -ENODEV, "no-netns", "cannot add port %s: no network namespace %s: %s",
		p->name, name != NULL ? name : path, strerror(errno));
	err_why(err, name != NULL ? "'ip netns list' shows those that have names"
				  : "the process is gone");
	err_fix(err,
		name != NULL ? "ip netns add %s" : "start the process, and give its new --pid%s",
		name != NULL ? name : "");
	return -ENODEV;
}

static int addresses_add(const struct vs_port *p, int netns_fd, const char *ifname, struct err *err)
{
	const json_t *list = json_object_get(p->body, "address");

	for (size_t i = 0; i < json_array_size(list); i++) {
		int rc = vs_link_address_add(netns_fd, ifname,
					     json_string_value(json_array_get(list, i)), err);

		if (rc != 0)
			return rc;
	}
	return 0;
}

/* A tap has no address of its own but the one it is given here. */
struct rte_ether_addr vs_device_own_mac(const struct vs_port *p)
{
	struct rte_ether_addr mac;
	char host[128];

	vs_host_identity(host, sizeof(host));
	vs_port_mac_make(host, p->sw->name, p->name, &mac);
	return mac;
}

static int open_tap_in(struct vs *vs, const struct vs_port *p, int netns_fd, struct vs_live *live,
		       struct err *err)
{
	const struct rte_ether_addr own = vs_device_own_mac(p);
	const char *ifname = str(p->body, "ifname");
	struct dp_port_opts o;
	int rc;

	vs_device_opts(p, &o);
	if (!o.has_mac)
		o.mac = own;
	o.has_mac = true;
	o.kind = "tap";
	o.ifname = ifname != NULL ? ifname : p->name;
	o.netns_fd = netns_fd;
	rc = vs_device_open_as(vs, p, &o, live, err);
	if (rc != 0 || live == NULL)
		return rc;
	rc = addresses_add(p, netns_fd, o.ifname, err);
	if (rc != 0) {
		vs_device_close(vs, live);
		return rc;
	}
	live->port->own_mac = live->own_mac = own;
	return 0;
}

static int host_check(const struct vs_port *p, bool reaches_host, struct err *err)
{
	if (!reaches_host || p->sw->type != VS_PRIVATE)
		return 0;
	err_set(err, -EINVAL, "wrong-switch-type",
		"cannot add port %s: its network namespace is the host's own", p->name);
	err_why(err, "switch %s is private and never reaches the host", p->sw->name);
	return -EINVAL;
}

static int open_tap(struct vs *vs, const struct vs_port *p, struct vs_live *live, struct err *err)
{
	int netns_fd, rc = netns_of(p, &netns_fd, err);
	bool reaches_host;

	if (rc != 0)
		return rc;
	reaches_host = dp_netns_same(netns_fd, -1);
	if (live != NULL)
		live->reaches_host = reaches_host;
	rc = host_check(p, reaches_host, err);
	if (rc == 0)
		rc = open_tap_in(vs, p, netns_fd, live, err);
	if (netns_fd >= 0)
		close(netns_fd);
	return rc;
}

static int socket_check(const struct vs_port *p, struct err *err)
{
	if (str(p->body, "socket") != NULL)
		return 0;
	err_set(err, -EINVAL, "no-socket", "port %s: kind %s needs --socket PATH", p->name,
		vs_port_kind_name(p->kind));
	err_why(err, "the peer is found by it");
	err_fix(err, "vswitchctl port add %s %s --kind %s --socket /run/vswitch/%s.sock",
		p->sw->name, p->name, vs_port_kind_name(p->kind), p->name);
	return -EINVAL;
}

static bool is_server(const struct vs_port *p)
{
	const char *mode = str(p->body, "mode");

	return mode == NULL ? p->kind == VS_MEMIF : strcmp(mode, "server") == 0;
}

static int open_vhost(struct vs *vs, const struct vs_port *p, struct vs_live *live, struct err *err)
{
	struct dp_port_opts o;
	int rc = socket_check(p, err);

	if (rc != 0)
		return rc;
	vs_device_opts(p, &o);
	o.kind = "vhost";
	o.socket = str(p->body, "socket");
	o.server = is_server(p);
	return vs_device_open_as(vs, p, &o, live, err);
}

static int open_memif(struct vs *vs, const struct vs_port *p, struct vs_live *live, struct err *err)
{
	struct dp_port_opts o;
	char args[24];
	int rc = socket_check(p, err);

	if (rc != 0)
		return rc;
	vs_device_opts(p, &o);
	snprintf(args, sizeof(args), "id=%u",
		 (unsigned)json_integer_value(json_object_get(p->body, "id")));
	o.kind = "memif";
	o.socket = str(p->body, "socket");
	o.server = is_server(p);
	o.devargs = args;
	return vs_device_open_as(vs, p, &o, live, err);
}

static int open_mem(struct vs *vs, const struct vs_port *p, struct vs_live *live, struct err *err)
{
	struct dp_port_opts o;

	vs_device_opts(p, &o);
	o.kind = "mem";
	return vs_device_open_as(vs, p, &o, live, err);
}

/* Ports without a device: a VTEP and a team have an address of their own, as a tap has. */
static int open_local(struct vs *vs, const struct vs_port *p, struct vs_live *live, struct err *err)
{
	struct dp_port_opts o;

	vs_device_opts(p, &o);
	if (!o.has_mac)
		o.mac = vs_device_own_mac(p);
	o.has_mac = true;
	o.kind = p->kind == VS_TEAM ? "team" : p->kind == VS_VTEP ? "vtep" : "tunnel";
	return vs_device_open_as(vs, p, &o, live, err);
}

static int open_kind(struct vs *vs, const struct vs_port *p, struct vs_live *live, struct err *err)
{
	static int (*const openers[VS_N_KINDS])(struct vs * vs, const struct vs_port *p,
						struct vs_live *live, struct err *err) = {
		[VS_PHYS] = open_phys,	 [VS_HOST] = open_tap,	   [VS_TAP] = open_tap,
		[VS_VHOST] = open_vhost, [VS_MEMIF] = open_memif,  [VS_MEM] = open_mem,
		[VS_VTEP] = open_local,	 [VS_VXLAN] = open_local,  [VS_GENEVE] = open_local,
		[VS_NVGRE] = open_local, [VS_VMBUS] = vs_nic_open, [VS_TEAM] = open_local,
	};

	return openers[p->kind](vs, p, live, err);
}

int vs_device_open(struct vs *vs, const struct vs_port *p, struct vs_live *live, struct err *err)
{
	live->reaches_host = p->kind == VS_HOST;
	return open_kind(vs, p, live, err);
}

static int addresses_check(const struct vs_port *p, struct err *err)
{
	const json_t *list = json_object_get(p->body, "address");
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < json_array_size(list); i++)
		rc = vs_link_address_check(json_string_value(json_array_get(list, i)), err);
	return rc;
}

int vs_device_probe(struct vs *vs, const struct vs_port *p, bool is_open, struct err *err)
{
	int rc = p->kind == VS_TAP || p->kind == VS_HOST ? addresses_check(p, err) : 0;

	return rc != 0 || is_open ? rc : open_kind(vs, p, NULL, err);
}

void vs_device_close(struct vs *vs, struct vs_live *live)
{
	vs_vmq_closes(vs, live->port);
	dp_port_close(live->port);
	live->port = NULL;
}

static bool in_list(const json_t *list, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_equal(json_array_get(list, i), value))
			return true;
	return false;
}

/* Adds all of 'to' again: with a primary address the kernel also removes its secondary ones.  Stops
 * at the first that fails, or does all that can be done when it is to 'undo'. */
static int addresses_swap(int netns_fd, const char *ifname, const json_t *from, const json_t *to,
			  bool undo, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; (rc == 0 || undo) && i < json_array_size(from); i++)
		if (!in_list(to, json_array_get(from, i)))
			rc = vs_link_address_remove(netns_fd, ifname,
						    json_string_value(json_array_get(from, i)),
						    err);
	for (size_t i = 0; (rc == 0 || undo) && i < json_array_size(to); i++)
		rc = vs_link_address_add(netns_fd, ifname, json_string_value(json_array_get(to, i)),
					 err);
	return rc;
}

/* The interface keeps what its machine gave it: only what was configured comes and goes. */
static int adjust_addresses(const struct vs_port *p, const json_t *before, struct err *err)
{
	const json_t *from = json_object_get(before, "address");
	const json_t *to = json_object_get(p->body, "address");
	const char *ifname = str(p->body, "ifname");
	struct err ignored;
	int netns_fd, rc;

	if (p->kind != VS_HOST && p->kind != VS_TAP)
		return 0;
	if (from == to || (from != NULL && to != NULL && json_equal(from, to)))
		return 0;
	if (ifname == NULL)
		ifname = p->name;
	rc = netns_of(p, &netns_fd, err);
	if (rc != 0)
		return rc;
	rc = addresses_swap(netns_fd, ifname, from, to, false, err);
	if (rc != 0)
		(void)addresses_swap(netns_fd, ifname, to, from, true, &ignored);
	if (netns_fd >= 0)
		close(netns_fd);
	return rc;
}

static int fixed(const struct vs_port *p, const struct dp_port *port, const char *slug,
		 const char *what, struct err *err)
{
	err_set(err, -EOPNOTSUPP, slug, "port %s: its %s cannot be changed while it is open",
		p->name, what);
	err_why(err, "the driver (%s) sets it only when it opens the device", port->driver);
	err_fix(err, "vswitchctl port remove %s, then port add with it", p->name);
	return -EOPNOTSUPP;
}

static int adjust_mtu(const struct vs_port *p, struct dp_port *port, struct err *err)
{
	if (p->mtu == port->mtu)
		return 0;
	if (port->ops->set_mtu == NULL)
		return fixed(p, port, "mtu-fixed", "MTU", err);
	return port->ops->set_mtu(port, p->mtu, err);
}

static bool same_text(const json_t *a, const json_t *b, const char *key)
{
	const char *x = str(a, key), *y = str(b, key);

	return x == NULL || y == NULL ? x == y : strcmp(x, y) == 0;
}

/* Without a configured address it gets back the one it came with, where that is known. */
static int adjust_mac(const struct vs_port *p, struct vs_live *live, struct err *err)
{
	const char *mac = str(p->body, "mac");
	struct dp_port *port = live->port;
	struct rte_ether_addr addr;

	/* A guest that gave its NIC another address keeps it until it is configured anew. */
	if (p->kind == VS_VMBUS && same_text(live->body, p->body, "mac"))
		return 0;
	if (str(live->body, "mac") == NULL && p->kind != VS_VMBUS)
		live->own_mac = port->mac;
	if (mac == NULL || rte_ether_unformat_addr(mac, &addr) != 0)
		addr = live->own_mac;
	/* A vhost guest brings its own: there zero is "not known to the switch", and right. */
	if ((rte_is_zero_ether_addr(&addr) && p->kind != VS_VHOST) ||
	    rte_is_same_ether_addr(&addr, &port->mac))
		return 0;
	if (port->ops->set_mac == NULL)
		return fixed(p, port, "mac-fixed", "MAC address", err);
	return port->ops->set_mac(port, &addr, err);
}

int vs_device_adjust(struct vs *vs, const struct vs_port *p, struct vs_live *live, struct err *err)
{
	struct dp_port *port = live->port;
	const struct rte_ether_addr mac = port->mac;
	const uint16_t mtu = port->mtu;
	struct err ignored;
	json_t *old = live->body;
	int rc = adjust_mtu(p, port, err);

	if (rc == 0)
		rc = adjust_mac(p, live, err);
	if (rc == 0)
		rc = adjust_addresses(p, old, err);
	if (rc != 0) {
		/* All or nothing: what did change goes back. */
		if (port->mtu != mtu)
			(void)port->ops->set_mtu(port, mtu, &ignored);
		if (!rte_is_same_ether_addr(&port->mac, &mac))
			(void)port->ops->set_mac(port, &mac, &ignored);
		return rc;
	}
	if (p->kind == VS_VMBUS)
		vs_nic_adjust(p, port, old);
	live->body = json_incref((json_t *)(uintptr_t)p->body);
	json_decref(old);
	return 0;
}
