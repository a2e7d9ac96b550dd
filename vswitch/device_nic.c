/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ports of kind vmbus: from what is configured to vmq's driver.  The guest's worker finds its NIC
 * by the path of a socket, which is made of the port's name; so a NIC keeps its place, and its
 * instance on the guest's bus, over restarts of the switch.
 */
#include "vswitch/device_priv.h"

#include "vmq/nic.h"
#include "vswitch/nic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Names of ports may have a '/' in them, names of files not. */
static void file_name(const char *port, char *name, size_t size)
{
	size_t n = 0;

	for (; *port != '\0' && n + 4 < size; port++)
		n += (size_t)snprintf(name + n, size - n, *port == '/' ? "%%2f" : "%c", *port);
	name[n] = '\0';
}

int vs_nic_socket(const struct vs *vs, const char *port, char *path, size_t size, struct err *err)
{
	char name[3 * DP_PORT_NAME_SIZE + 1];
	size_t longest = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
	int n;

	if (vs->opts.run_dir == NULL)
		return err_set(err, -ENOENT, "no-run-dir",
			       "port %s: there is no folder for its socket", port);
	file_name(port, name, sizeof(name));
	n = snprintf(path, size, "%s/nic/%s.sock", vs->opts.run_dir, name);
	if (n > 0 && (size_t)n < size && (size_t)n <= longest)
		return 0;
	err_set(err, -ENAMETOOLONG, "path-too-long", "port %s: the path of its socket has %d bytes",
		port, n);
	err_why(err, "it is %s/nic/%.64s.sock, and a unix socket's has %zu at most",
		vs->opts.run_dir, name, longest);
	err_fix(err, "take a shorter name for the port, or a shorter --socket of vswitchd");
	return -ENAMETOOLONG;
}

static int make_folder(const struct vs *vs, struct err *err)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];

	snprintf(path, sizeof(path), "%s/nic", vs->opts.run_dir);
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return 0;
	return err_set(err, -errno, "no-run-dir", "cannot make %s: %s", path, strerror(errno));
}

static bool on(const json_t *body, const char *key, bool def)
{
	const json_t *value = json_object_get(body, key);

	return json_is_boolean(value) ? json_is_true(value) : def;
}

static struct vmq_nic_conf conf_of(const json_t *body)
{
	const char *link = json_string_value(json_object_get(body, "link"));

	return (struct vmq_nic_conf){
		.link_up = link == NULL || strcmp(link, "up") == 0,
		.mac_change = on(body, "mac_change", true),
		.rsc = on(body, "rsc", true),
		.monitored = on(body, "monitor", false),
		.speed_mbps =
			(uint32_t)(json_integer_value(json_object_get(body, "speed")) / 1000000),
	};
}

int vs_nic_open(struct vs *vs, const struct vs_port *p, struct vs_live *live, struct err *err)
{
	const struct vmq_nic_conf conf = conf_of(p->body);
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct dp_port_opts o;
	int rc = vs_nic_socket(vs, p->name, path, sizeof(path), err);

	if (rc == 0 && live != NULL)
		rc = make_folder(vs, err);
	if (rc != 0)
		return rc;
	vs_device_opts(p, &o);
	if (!o.has_mac)
		o.mac = vs_device_own_mac(p);
	o.has_mac = true;
	o.kind = "vmbus";
	o.ops = &vmq_port_ops;
	o.socket = path;
	o.has_group = vs->opts.has_group;
	o.group = vs->opts.group;
	rc = vs_device_open_as(vs, p, &o, live, err);
	if (rc != 0 || live == NULL)
		return rc;
	vmq_nic_set(live->port, &conf);
	live->port->own_mac = live->own_mac = vs_device_own_mac(p);
	return 0;
}

int vs_nic_connect(const struct vs *vs, const char *port)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, rc = vs_nic_socket(vs, port, address.sun_path, sizeof(address.sun_path), NULL);

	if (rc != 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

bool vs_nic_waits(const struct vs *vs, const char *port)
{
	uint16_t id = vs_port_id(vs, port);
	const struct dp_port *p = id != DP_NO_PORT ? vs->live[id].port : NULL;

	return p != NULL && p->ops == &vmq_port_ops && !vmq_nic_attached(p);
}

static bool same(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

	return x == NULL || y == NULL ? x == y : json_equal(x, y);
}

void vs_nic_adjust(const struct vs_port *p, struct dp_port *port, const json_t *before)
{
	static const char *const keys[] = {"link", "speed", "mac_change", "rsc", "monitor"};
	const struct vmq_nic_conf conf = conf_of(p->body);

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (same(before, p->body, keys[i]))
			continue;
		vmq_nic_set(port, &conf);
		break;
	}
	/* A guest asks for these once, when it starts its device. */
	if (!same(before, p->body, "mac") || !same(before, p->body, "mtu") ||
	    !same(before, p->body, "monitor"))
		vmq_nic_withdraw(port, true);
}

void vs_nic_withdraw(struct vs_live *live, bool again)
{
	if (live->port != NULL && live->port->ops == &vmq_port_ops)
		vmq_nic_withdraw(live->port, again);
}
