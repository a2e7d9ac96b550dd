/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'doctor', what it says of ports and their devices; see doctor.c.  Control thread.
 */
#include "vswitch/doctor_priv.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

void vs_doctor_waiting(struct vs_daemon *d, json_t *rows)
{
	const struct vs_model *m = d->vs->model;
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_ports; i++) {
		uint16_t id = vs_port_id(d->vs, m->ports[i].name);
		const struct vs_live *live = &d->vs->live[id];
		char check[100], fix[160];

		if (live->port != NULL)
			continue;
		n++;
		snprintf(check, sizeof(check), "port %s", m->ports[i].name);
		snprintf(fix, sizeof(fix), "bring its device back, or: vswitchctl port remove %s",
			 m->ports[i].name);
		vs_doctor_add(rows, check, "fail", live->reason,
			      "the port carries nothing until its device is there", fix);
	}
	if (n == 0)
		vs_doctor_add(rows, "ports", "ok", "every port has its device", "", "");
}

/* A NIC that AF_XDP cannot take, DPDK may. */
static const char *note_fix(const struct dp_port *port)
{
	if (strncmp(port->note, "AF_PACKET: ", 11) == 0)
		return "mend what it names; or dpdk-devbind.py -b vfio-pci ADDRESS, and add the "
		       "port with --device ADDRESS";
	return "mend what it names, then remove the port and add it again";
}

void vs_doctor_notes(struct vs_daemon *d, json_t *rows)
{
	const struct vs_model *m = d->vs->model;

	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_live *live = &d->vs->live[vs_port_id(d->vs, m->ports[i].name)];
		char check[100];

		if (live->port == NULL || live->port->note[0] == '\0')
			continue;
		snprintf(check, sizeof(check), "port %s", m->ports[i].name);
		vs_doctor_add(rows, check, "warn", live->port->note,
			      "slower than its device could be", note_fix(live->port));
	}
}

void vs_doctor_mtus(struct vs_daemon *d, json_t *rows)
{
	const struct vs_model *m = d->vs->model;
	bool same = true;

	for (unsigned s = 0; s < m->n_switches; s++) {
		const struct vs_port *least = NULL, *most = NULL;
		char check[100], found[200], fix[160];

		for (unsigned i = 0; i < m->n_ports; i++) {
			if (m->ports[i].sw != &m->switches[s])
				continue;
			if (least == NULL || m->ports[i].mtu < least->mtu)
				least = &m->ports[i];
			if (most == NULL || m->ports[i].mtu > most->mtu)
				most = &m->ports[i];
		}
		if (least == NULL || least->mtu == most->mtu)
			continue;
		same = false;
		snprintf(check, sizeof(check), "mtu on %s", m->switches[s].name);
		snprintf(found, sizeof(found), "%s has %u, %s has %u", most->name, most->mtu,
			 least->name, least->mtu);
		snprintf(fix, sizeof(fix), "vswitchctl port set %s --mtu %u", least->name,
			 most->mtu);
		vs_doctor_add(rows, check, "warn", found,
			      "longer frames to the smaller one are dropped (tx-too-big)", fix);
	}
	if (same)
		vs_doctor_add(rows, "mtu", "ok", "ports of a switch agree", "", "");
}

/* Is a feature of a Linux interface on?  One that the kernel does not know of is not missed. */
static bool feature_on(int fd, const char *ifname, uint32_t command)
{
	struct ethtool_value value = {.cmd = command, .data = 1};
	struct ifreq ifr = {.ifr_data = (char *)&value};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	return ioctl(fd, SIOCETHTOOL, &ifr) != 0 || value.data != 0;
}

/* What a packet socket passes on, the kernel does itself where the interface is told not to. */
static bool interface_has_offloads(const char *ifname)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool has;

	if (fd < 0)
		return true;
	has = feature_on(fd, ifname, ETHTOOL_GTXCSUM) && feature_on(fd, ifname, ETHTOOL_GTSO);
	close(fd);
	return has;
}

static const char *device_of(const struct vs_port *p)
{
	const char *device = json_string_value(json_object_get(p->body, "device"));

	return device != NULL ? device : p->name;
}

/* What is missing at one port, and its remedy; false: nothing. */
static bool offloads_of(const struct vs_port *p, const struct dp_port *port, const char **ret_found,
			char *ret_fix, size_t size)
{
	const uint32_t wanted = DP_TX_CSUM_TCP | DP_TX_TSO4;

	if (json_is_false(json_object_get(p->body, "offloads"))) {
		*ret_found = "checksums and segmentation are switched off (--offloads off)";
		snprintf(ret_fix, size,
			 "vswitchctl port remove %s, then add it without --offloads off", p->name);
	} else if (p->kind != VS_PHYS) {
		return false;
	} else if (strcmp(port->driver, "packet") == 0) {
		*ret_found = "its interface computes no checksums, or cuts no segments";
		snprintf(ret_fix, size, "ethtool -K %s tx on tso on", device_of(p));
		return !interface_has_offloads(device_of(p));
	} else if ((port->tx_caps & wanted) == wanted) {
		return false;
	} else if (strcmp(port->driver, "af_xdp") == 0) {
		*ret_found = "AF_XDP passes neither checksums nor segmentation on to the device";
		snprintf(ret_fix, size,
			 "where TCP of this host's own stacks matters most, add %s with "
			 "--driver af_packet",
			 p->name);
	} else {
		*ret_found = "its device computes no checksums, or cuts no segments";
		snprintf(ret_fix, size,
			 "take a NIC that does, or spread the work: vswitchctl core "
			 "add CPU");
	}
	return true;
}

void vs_doctor_offloads(struct vs_daemon *d, json_t *rows)
{
	const struct vs_model *m = d->vs->model;
	bool all = true;

	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i];
		const struct vs_live *live = &d->vs->live[vs_port_id(d->vs, p->name)];
		char check[100], fix[200];
		const char *found;

		if (live->port == NULL || !offloads_of(p, live->port, &found, fix, sizeof(fix)))
			continue;
		all = false;
		snprintf(check, sizeof(check), "offloads of %s", p->name);
		vs_doctor_add(rows, check, "warn", found,
			      "cores do this work instead, frame by frame", fix);
	}
	if (all)
		vs_doctor_add(rows, "offloads", "ok", "devices do what they can", "", "");
}
