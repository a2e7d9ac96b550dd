/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See bus.h.
 */
#include "hv/worker/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include <event2/event.h>

#include "vmbus/host.h"
#include "vmbus/hvsock.h"
#include "vmbus/server.h"

#define SLUG "vmbus"

/* Where the call descriptor of a channel leads. */
struct route {
	struct worker_bus *bus;
	struct event *event;
	uint32_t vp;
	uint16_t relid;
};

struct worker_bus {
	struct worker_bus_opts opts;
	struct vmbus_server *server;
	struct route *routes[VMBUS_MAX_RELID + 1]; /* NULL: none */
	/* A message that the server could not take yet; the mailbox is held. */
	bool holding;
	struct hv_mail held;
	struct worker_bus_stats stats;
};

/* ---- What the server asks of its host ---- */

static int host_post(void *ctx, uint32_t vp, const void *msg, size_t size)
{
	struct worker_bus *bus = ctx;
	int rc = bus->opts.face->post(bus->opts.partition, vp, msg, size);

	if (rc != 0 && rc != -EAGAIN)
		bus->stats.lost++;
	return rc;
}

static int host_listen(void *ctx, uint32_t connection_id, int kick_fd)
{
	struct worker_bus *bus = ctx;

	return bus->opts.face->listen(bus->opts.partition, connection_id, kick_fd);
}

static void on_call(evutil_socket_t fd, short what, void *ctx)
{
	const struct route *route = ctx;
	struct worker_bus *bus = route->bus;
	eventfd_t n;

	if (eventfd_read(fd, &n) != 0)
		return;
	bus->stats.signals++;
	/* Fails while the guest has its event page off: then it looks by itself. */
	(void)bus->opts.face->signal(bus->opts.partition, route->vp, route->relid);
}

static void route_end(struct worker_bus *bus, uint16_t relid)
{
	struct route *route = bus->routes[relid];

	if (route == NULL)
		return;
	if (route->event != NULL)
		event_free(route->event);
	free(route);
	bus->routes[relid] = NULL;
}

static int host_route(void *ctx, uint16_t relid, uint32_t vp, int call_fd)
{
	struct worker_bus *bus = ctx;
	struct route *route;

	if (relid > VMBUS_MAX_RELID)
		return -EINVAL;
	route_end(bus, relid);
	if (call_fd < 0 || vp == VMBUS_NO_VP)
		return 0;
	/* A guest may name a processor that it has not: its channel is never interrupted. */
	route = calloc(1, sizeof(*route));
	if (route == NULL)
		return -ENOMEM;
	*route = (struct route){.bus = bus, .vp = vp, .relid = relid};
	bus->routes[relid] = route;
	route->event = event_new(bus->opts.base, call_fd, EV_READ | EV_PERSIST, on_call, route);
	if (route->event == NULL || event_add(route->event, NULL) != 0) {
		route_end(bus, relid);
		return -ENOMEM;
	}
	return 0;
}

static const struct gpa_map *host_memory(void *ctx)
{
	return ((struct worker_bus *)ctx)->opts.memory;
}

static int host_target(void *ctx, uint32_t vp, struct vmbus_event *ret_event)
{
	struct worker_bus *bus = ctx;
	struct hv_event_target target;
	int rc = bus->opts.face->event_target(bus->opts.partition, vp, &target);

	if (rc == 0)
		*ret_event = (struct vmbus_event){.gpa = target.gpa, .irq_fd = target.irq_fd};
	return rc;
}

static const struct vmbus_host_ops host_ops = {
	.post = host_post,
	.listen = host_listen,
	.route = host_route,
	.event = host_target,
	.memory = host_memory,
};

static void host_event(void *ctx, const char *text)
{
	const struct worker_bus *bus = ctx;

	if (bus->opts.event != NULL)
		bus->opts.event(bus->opts.ctx, text);
}

static void host_connect(void *ctx, const struct vmbus_guid *endpoint,
			 const struct vmbus_guid *service)
{
	const struct worker_bus *bus = ctx;
	uint32_t guest_port, host_port;

	if (bus->opts.connect != NULL && hvsock_port(endpoint, &guest_port) &&
	    hvsock_port(service, &host_port))
		bus->opts.connect(bus->opts.ctx, guest_port, host_port);
}

/* ---- What the guest says ---- */

/* False: not yet, for the guest has left too many answers unread. */
static bool message(struct worker_bus *bus, const struct hv_mail *mail)
{
	int rc = vmbus_server_message(bus->server, mail->message.connection_id, mail->message.bytes,
				      mail->message.size <= VMBUS_MSG_MAX ? mail->message.size
									  : VMBUS_MSG_MAX);

	if (rc == -EINVAL)
		bus->stats.no_listener++;
	return rc != -EAGAIN;
}

static void slot_free(struct worker_bus *bus)
{
	vmbus_server_slot_free(bus->server);
	if (bus->holding && message(bus, &bus->held)) {
		bus->holding = false;
		hv_mailbox_hold(bus->opts.mailbox, false);
	}
}

void worker_bus_mail(struct worker_bus *bus, const struct hv_mail *mail)
{
	if (mail->type == HV_MAIL_SLOT_FREE) {
		slot_free(bus);
	} else if (mail->type == HV_MAIL_SYNIC) {
		vmbus_server_events_moved(bus->server, mail->vp);
	} else if (mail->type == HV_MAIL_MESSAGE && !message(bus, mail)) {
		bus->stats.retries++;
		bus->held = *mail;
		bus->holding = true;
		hv_mailbox_hold(bus->opts.mailbox, true);
	}
}

/* ---- Life ---- */

int worker_bus_create(const struct worker_bus_opts *opts, struct worker_bus **ret_bus,
		      struct err *err)
{
	struct vmbus_server_opts server = {.event = host_event, .connect = host_connect};
	struct worker_bus *bus = calloc(1, sizeof(*bus));

	if (bus == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	bus->opts = *opts;
	if (vmbus_server_create(&host_ops, bus, &server, &bus->server) != 0) {
		free(bus);
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	}
	*ret_bus = bus;
	return 0;
}

void worker_bus_destroy(struct worker_bus *bus)
{
	if (bus == NULL)
		return;
	vmbus_server_destroy(bus->server);
	for (unsigned i = 0; i <= VMBUS_MAX_RELID; i++)
		route_end(bus, (uint16_t)i);
	free(bus);
}

struct vmbus_server *worker_bus_server(struct worker_bus *bus)
{
	return bus->server;
}

void worker_bus_reset(struct worker_bus *bus, void (*done)(void *ctx), void *ctx)
{
	bus->holding = false;
	hv_mailbox_clear(bus->opts.mailbox);
	vmbus_server_reset(bus->server, done, ctx);
}

void worker_bus_stats(const struct worker_bus *bus, struct worker_bus_stats *ret_stats)
{
	*ret_stats = bus->stats;
}
