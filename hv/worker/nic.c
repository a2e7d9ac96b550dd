/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See nic.h.
 */
#include "hv/worker/nic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "hv/memory.h"
#include "hv/worker/config.h"
#include "vmbus/guid.h"
#include "vmbus/remote.h"

#define SLUG "nic"

struct nic {
	struct nics *nics;
	char name[WORKER_NAME_SIZE];
	struct vmbus_remote *remote; /* NULL: the place is free */
	struct event *readable;	     /* of what the remote has now; NULL: nothing */
	struct event *timer;
};

struct nics {
	struct nics_opts opts;
	struct nic nic[WORKER_MAX_NICS];
};

static void free_event(struct event **event)
{
	if (*event != NULL)
		event_free(*event);
	*event = NULL;
}

/* ---- When to look ---- */

static void on_event(evutil_socket_t fd, short what, void *ctx);

/* Waits for what the remote waits for now. */
static void arm(struct nic *nic)
{
	int fd = vmbus_remote_fd(nic->remote), ms = vmbus_remote_wait_ms(nic->remote);
	struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (fd >= 0 && nic->readable == NULL) {
		nic->readable =
			event_new(nic->nics->opts.base, fd, EV_READ | EV_PERSIST, on_event, nic);
		if (nic->readable != NULL)
			event_add(nic->readable, NULL);
		else
			after = (struct timeval){.tv_sec = 1};
	}
	if (ms >= 0 || (fd >= 0 && nic->readable == NULL))
		event_add(nic->timer, &after);
	else
		event_del(nic->timer);
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
	struct nic *nic = ctx;

	vmbus_remote_event(nic->remote);
	arm(nic);
}

static void on_closing(void *ctx)
{
	free_event(&((struct nic *)ctx)->readable);
}

static void on_text(void *ctx, const char *text)
{
	struct nic *nic = ctx;

	nic->nics->opts.event(nic->nics->opts.ctx, nic->name, text);
}

void nics_served(struct nics *nics)
{
	for (unsigned i = 0; i < WORKER_MAX_NICS; i++) {
		if (nics->nic[i].remote != NULL)
			arm(&nics->nic[i]);
	}
}

/* ---- NICs come and go ---- */

static struct nic *find(struct nics *nics, const char *name)
{
	for (unsigned i = 0; i < WORKER_MAX_NICS; i++) {
		if (nics->nic[i].remote != NULL && strcmp(nics->nic[i].name, name) == 0)
			return &nics->nic[i];
	}
	return NULL;
}

static struct nic *find_free(struct nics *nics)
{
	for (unsigned i = 0; i < WORKER_MAX_NICS; i++) {
		if (nics->nic[i].remote == NULL)
			return &nics->nic[i];
	}
	return NULL;
}

static int no_such(const char *name, struct err *err)
{
	return err_set(err, -ENOENT, "no-nic", "the machine has no NIC '%.64s'", name);
}

static unsigned describe_memory(const struct hv_memory *memory, struct vmbus_remote_memory *to)
{
	for (unsigned i = 0; i < memory->map.n; i++) {
		const struct gpa_range *range = &memory->map.range[i];

		to[i] = (struct vmbus_remote_memory){.gpa = range->gpa,
						     .size = range->size,
						     .fd = memory->fd,
						     /* As hv_memory_create() lays it out. */
						     .offset = i == 0 ? 0 : memory->low_size};
	}
	return memory->map.n;
}

int nics_add(struct nics *nics, const char *name, struct err *err)
{
	struct vmbus_remote_memory memory[GPA_MAX_RANGES];
	struct nic *nic = find_free(nics);
	struct vmbus_remote_opts opts = {.memory = memory,
					 .n_memory = describe_memory(nics->opts.memory, memory),
					 .event = on_text,
					 .closing = on_closing,
					 .ctx = nic};
	int rc;

	if (!worker_name_valid(name))
		return err_set(err, -EINVAL, SLUG, "'%.64s' cannot be a NIC's name", name);
	if (find(nics, name) != NULL)
		return err_set(err, -EEXIST, "nic-exists", "the machine has a NIC '%s'", name);
	if (nic == NULL)
		return err_set(err, -ENOSPC, "too-many-nics", "a machine has at most %d NICs",
			       WORKER_MAX_NICS);
	*nic = (struct nic){.nics = nics};
	snprintf(nic->name, sizeof(nic->name), "%s", name);
	nic->timer = event_new(nics->opts.base, -1, 0, on_event, nic);
	if (nic->timer == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory for a NIC");
	rc = vmbus_remote_create(nics->opts.server, &opts, &nic->remote, err);
	if (rc != 0)
		free_event(&nic->timer);
	return rc;
}

static bool is_attach_socket(int fd)
{
	int domain = 0, type = 0;
	socklen_t size = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

int nics_attach(struct nics *nics, const char *name, int fd, struct err *err)
{
	struct nic *nic = find(nics, name);
	int rc = 0;

	if (nic == NULL)
		rc = no_such(name, err);
	else if (!is_attach_socket(fd))
		rc = err_set(err, -EINVAL, SLUG, "the descriptor is no attach socket");
	if (rc != 0) {
		close(fd);
		return rc;
	}
	vmbus_remote_attach(nic->remote, fd);
	vmbus_remote_event(nic->remote);
	arm(nic);
	return 0;
}

static void end(struct nic *nic)
{
	free_event(&nic->timer);
	free_event(&nic->readable);
	vmbus_remote_destroy(nic->remote);
	nic->remote = NULL;
}

int nics_remove(struct nics *nics, const char *name, struct err *err)
{
	struct nic *nic = find(nics, name);

	if (nic == NULL)
		return no_such(name, err);
	end(nic);
	return 0;
}

bool nics_mac(const struct nics *nics, unsigned i, uint8_t ret_mac[6])
{
	return i < WORKER_MAX_NICS && nics->nic[i].remote != NULL &&
	       vmbus_remote_mac(nics->nic[i].remote, ret_mac);
}

json_t *nics_info(const struct nics *nics, json_t *(*ips)(void *ctx, const uint8_t mac[6]),
		  void *ctx)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < WORKER_MAX_NICS; i++) {
		const struct nic *nic = &nics->nic[i];
		uint8_t mac[6];
		json_t *has;

		if (nic->remote == NULL)
			continue;
		has = nics_mac(nics, i, mac) ? ips(ctx, mac) : json_array();
		json_array_append_new(list,
				      json_pack("{ss, sb, so}", "name", nic->name, "attached",
						vmbus_remote_attached(nic->remote), "ips", has));
	}
	return list;
}

int nics_create(const struct nics_opts *opts, struct nics **ret_nics, struct err *err)
{
	struct nics *nics = calloc(1, sizeof(*nics));

	if (nics == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	nics->opts = *opts;
	*ret_nics = nics;
	return 0;
}

void nics_destroy(struct nics *nics)
{
	if (nics == NULL)
		return;
	for (unsigned i = 0; i < WORKER_MAX_NICS; i++) {
		if (nics->nic[i].remote != NULL)
			end(&nics->nic[i]);
	}
	free(nics);
}
