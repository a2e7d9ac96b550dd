/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ports.h.
 */
#include "hv/ports.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

void hv_ports_init(struct hv_ports *ports)
{
	memset(ports, 0, sizeof(*ports));
	pthread_mutex_init(&ports->lock, NULL);
}

void hv_ports_fini(struct hv_ports *ports)
{
	free(ports->port);
	pthread_mutex_destroy(&ports->lock);
}

/* Where 'id' is, or would be. */
static unsigned place(const struct hv_ports *ports, uint32_t id)
{
	unsigned low = 0, high = ports->n;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (ports->port[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct hv_ports *ports, unsigned at, uint32_t id)
{
	return at < ports->n && ports->port[at].id == id;
}

static int grow(struct hv_ports *ports)
{
	unsigned room = ports->room == 0 ? 64 : 2 * ports->room;
	struct hv_port *port;

	if (ports->n < ports->room)
		return 0;
	if (room > HV_MAX_PORTS)
		return -ENOSPC;
	port = realloc(ports->port, room * sizeof(*port));
	if (port == NULL)
		return -ENOMEM;
	ports->port = port;
	ports->room = room;
	return 0;
}

static int add(struct hv_ports *ports, unsigned at, uint32_t id, int fd)
{
	int rc = grow(ports);

	if (rc < 0)
		return rc;
	memmove(&ports->port[at + 1], &ports->port[at], (ports->n - at) * sizeof(*ports->port));
	ports->port[at] = (struct hv_port){.id = id, .fd = fd};
	ports->n++;
	return 0;
}

static int set(struct hv_ports *ports, uint32_t id, int fd, int *ret_old)
{
	unsigned at = place(ports, id);

	if (!is_at(ports, at, id)) {
		*ret_old = -1;
		return fd < 0 ? 0 : add(ports, at, id, fd);
	}
	*ret_old = ports->port[at].fd;
	if (fd >= 0) {
		ports->port[at].fd = fd;
		return 0;
	}
	ports->n--;
	memmove(&ports->port[at], &ports->port[at + 1], (ports->n - at) * sizeof(*ports->port));
	return 0;
}

int hv_ports_set(struct hv_ports *ports, uint32_t id, int fd, int *ret_old)
{
	int rc;

	pthread_mutex_lock(&ports->lock);
	rc = set(ports, id, fd, ret_old);
	pthread_mutex_unlock(&ports->lock);
	return rc;
}

int hv_ports_signal(struct hv_ports *ports, uint32_t id)
{
	int rc = -ENOENT;
	unsigned at;

	pthread_mutex_lock(&ports->lock);
	at = place(ports, id);
	if (is_at(ports, at, id)) {
		(void)eventfd_write(ports->port[at].fd, 1);
		rc = 0;
	}
	pthread_mutex_unlock(&ports->lock);
	return rc;
}
