/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See bus_rig.h.
 */
#include "tests/support/bus_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define require(condition) require_that((condition), #condition, __LINE__)

static void require_that(bool holds, const char *what, int line)
{
	if (holds)
		return;
	fprintf(stderr, "bus_rig.c:%d: does not hold: %s\n", line, what);
	abort();
}

/* ---- The host ---- */

static bool posted_grow(struct bus_rig *rig)
{
	unsigned max = rig->max_posted == 0 ? 64 : 2 * rig->max_posted;
	struct bus_posted *posted;

	if (max > BUS_RIG_N_POSTED)
		return false;
	posted = malloc(max * sizeof(*posted));
	require(posted != NULL);
	for (unsigned i = 0; i < rig->n_posted; i++)
		posted[i] = rig->posted[(rig->first + i) % rig->max_posted];
	free(rig->posted);
	rig->posted = posted;
	rig->first = 0;
	rig->max_posted = max;
	return true;
}

static int rig_post(void *ctx, uint32_t vp, const void *msg, size_t size)
{
	struct bus_rig *rig = ctx;
	struct bus_posted *p;

	if (rig->slot_taken)
		return -EAGAIN;
	if (vp >= BUS_RIG_N_VPS)
		return -EINVAL;
	require(size <= VMBUS_MSG_MAX);
	if (rig->guest != NULL) {
		rig->guest(rig, msg);
		return 0;
	}
	rig->slot_taken = rig->one_at_a_time;
	if (rig->n_posted == rig->max_posted && !posted_grow(rig))
		return 0;
	p = &rig->posted[(rig->first + rig->n_posted++) % rig->max_posted];
	*p = (struct bus_posted){.vp = vp, .size = size};
	memcpy(&p->msg, msg, size);
	return 0;
}

static int rig_listen(void *ctx, uint32_t connection_id, int kick_fd)
{
	struct bus_rig *rig = ctx;

	require(connection_id < sizeof(rig->listen) / sizeof(rig->listen[0]));
	if (rig->fail_listen && kick_fd >= 0)
		return -ENOMEM;
	rig->listen[connection_id] = kick_fd;
	return 0;
}

static int rig_route(void *ctx, uint16_t relid, uint32_t vp, int call_fd)
{
	struct bus_rig *rig = ctx;

	require(relid >= 1 && relid <= VMBUS_MAX_RELID);
	if (rig->fail_route && call_fd >= 0)
		return -ENOMEM;
	if (vp >= BUS_RIG_N_VPS && vp != VMBUS_NO_VP)
		return -EINVAL;
	rig->route[relid].fd = call_fd;
	rig->route[relid].vp = vp;
	return 0;
}

static int rig_event_at(void *ctx, uint32_t vp, struct vmbus_event *ret_event)
{
	struct bus_rig *rig = ctx;

	if (vp >= BUS_RIG_N_VPS || rig->event_at[vp].gpa == 0)
		return -ENOENT;
	*ret_event = rig->event_at[vp];
	return 0;
}

static const struct gpa_map *rig_memory(void *ctx)
{
	struct bus_rig *rig = ctx;

	return &rig->memory;
}

static void rig_event(void *ctx, const char *text)
{
	struct bus_rig *rig = ctx;

	rig->n_events++;
	snprintf(rig->event, sizeof(rig->event), "%s", text);
}

static const struct vmbus_host_ops host_ops = {.post = rig_post,
					       .listen = rig_listen,
					       .route = rig_route,
					       .event = rig_event_at,
					       .memory = rig_memory};

/* ---- Devices ---- */

static bool is_pending(const struct bus_rig_device *d, enum bus_rig_ask what, const void *thing)
{
	for (unsigned i = 0; i < d->n_pending; i++)
		if (d->pending[i].what == what && d->pending[i].thing == thing)
			return true;
	return false;
}

static void answer(struct bus_rig_device *d, enum bus_rig_ask what, void *thing)
{
	if (what == BUS_RIG_OPEN) {
		struct vmbus_channel *channel = thing;
		bool opened = d->open_status == VMBUS_STATUS_SUCCESS;

		d->n_opened += opened;
		channel->priv = opened ? d : NULL;
		vmbus_channel_opened(channel, d->open_status);
	} else if (what == BUS_RIG_CLOSE) {
		d->n_closed++;
		vmbus_channel_closed(thing);
	} else {
		require(d->n_gpadls > 0);
		d->n_gpadls--;
		d->n_released++;
		vmbus_gpadl_released(d->device, thing);
	}
}

static void ask(struct bus_rig_device *d, enum bus_rig_ask what, void *thing)
{
	require(!is_pending(d, what, thing));
	if (!d->later) {
		answer(d, what, thing);
		return;
	}
	if (d->n_pending == d->max_pending) {
		d->max_pending = d->max_pending == 0 ? 16 : 2 * d->max_pending;
		d->pending = realloc(d->pending, d->max_pending * sizeof(*d->pending));
		require(d->pending != NULL);
	}
	d->pending[d->n_pending].what = what;
	d->pending[d->n_pending++].thing = thing;
}

void bus_rig_answer(struct bus_rig_device *d)
{
	while (d->n_pending > 0) {
		enum bus_rig_ask what = d->pending[0].what;
		void *thing = d->pending[0].thing;

		memmove(&d->pending[0], &d->pending[1], --d->n_pending * sizeof(d->pending[0]));
		answer(d, what, thing);
	}
}

static void device_open(void *ctx, struct vmbus_channel *channel)
{
	struct bus_rig_device *d = ctx;
	const struct vmbus_gpadl *ring = channel->ring;

	require(channel->priv == NULL && !is_pending(d, BUS_RIG_CLOSE, channel));
	require(ring->relid == channel->relid && channel->ring_offset >= 2);
	require(channel->ring_offset + 2 <= ring->n_pfns);
	require(d->rig->listen[channel->connection_id] == channel->kick_fd);
	require(d->rig->route[channel->relid].fd == channel->call_fd);
	require(channel->kick_fd >= 0 && channel->call_fd >= 0);
	ask(d, BUS_RIG_OPEN, channel);
}

static void device_close(void *ctx, struct vmbus_channel *channel)
{
	struct bus_rig_device *d = ctx;

	require(channel->priv == d && channel->ring != NULL);
	require(!is_pending(d, BUS_RIG_OPEN, channel));
	channel->priv = NULL;
	ask(d, BUS_RIG_CLOSE, channel);
}

static void device_gpadl_created(void *ctx, const struct vmbus_gpadl *gpadl)
{
	struct bus_rig_device *d = ctx;

	require(gpadl->n_pfns > 0 && gpadl->byte_offset < GPA_PAGE_SIZE);
	for (uint32_t i = 0; i < gpadl->n_pfns; i++)
		require(gpa_page(&d->rig->memory, gpadl->pfns[i]) != NULL);
	d->n_created++;
	d->n_gpadls++;
	require(vmbus_device_gpadl(d->device, gpadl->id) != NULL);
}

static void device_gpadl_teardown(void *ctx, const struct vmbus_gpadl *gpadl)
{
	struct bus_rig_device *d = ctx;
	struct vmbus_channel *c = NULL;

	for (uint16_t i = 0; i <= VMBUS_MAX_SUBCHANNELS; i++) {
		c = vmbus_device_channel(d->device, i);
		require(c == NULL || c->ring != gpadl);
	}
	/* Another may have the same number. */
	require(vmbus_device_gpadl(d->device, gpadl->id) != gpadl);
	ask(d, BUS_RIG_TEARDOWN, (void *)(uintptr_t)gpadl);
}

static void device_retarget(void *ctx, struct vmbus_channel *channel)
{
	struct bus_rig_device *d = ctx;

	require(d->rig->route[channel->relid].vp == channel->target_vp);
	d->n_retargeted++;
}

static void device_released(void *ctx, struct vmbus_channel *channel)
{
	struct bus_rig_device *d = ctx;

	require(channel->priv == NULL && channel->sub_index != 0);
	d->n_subchannels_gone++;
}

static void device_gone(void *ctx, struct vmbus_device *device)
{
	struct bus_rig_device *d = ctx;

	require(device == d->device && d->n_pending == 0 && d->n_gpadls == 0);
	d->device = NULL;
}

static const struct vmbus_device_ops device_ops = {
	.open = device_open,
	.close = device_close,
	.gpadl_created = device_gpadl_created,
	.gpadl_teardown = device_gpadl_teardown,
	.retarget = device_retarget,
	.released = device_released,
	.gone = device_gone,
};

struct bus_rig_device *bus_rig_device(struct bus_rig *rig)
{
	struct bus_rig_device *d = calloc(1, sizeof(*d));

	require(d != NULL);
	d->rig = rig;
	d->next = rig->devices;
	rig->devices = d;
	return d;
}

int bus_rig_offer(struct bus_rig_device *d, const char *name, bool monitored)
{
	struct vmbus_device_opts opts = {.type = VMBUS_GUID_NET,
					 .monitored = monitored,
					 .ops = &device_ops,
					 .ctx = d};

	require(d->device == NULL);
	vmbus_guid_of_name(name, &opts.instance);
	return vmbus_device_offer(d->rig->server, &opts, &d->device);
}

/* ---- Life ---- */

static void memory_add(struct gpa_map *map, uint64_t pfn, uint64_t n, int fd, uint64_t offset)
{
	struct err err = {0};

	require(gpa_map_add(map, pfn * GPA_PAGE_SIZE, n * GPA_PAGE_SIZE, fd, offset * GPA_PAGE_SIZE,
			    &err) == 0);
}

/* Of all rigs, and never freed: fuzzers make many. */
static const struct gpa_map *the_memory(void)
{
	static struct gpa_map map;
	int fd;

	if (map.n > 0)
		return &map;
	fd = memfd_create("bus_rig", MFD_CLOEXEC);
	require(fd >= 0);
	require(ftruncate(fd, (BUS_RIG_LOW_PAGES + BUS_RIG_HIGH_PAGES) * GPA_PAGE_SIZE) == 0);
	memory_add(&map, 0, BUS_RIG_LOW_PAGES, fd, 0);
	memory_add(&map, BUS_RIG_HIGH_PFN, BUS_RIG_HIGH_PAGES, fd, BUS_RIG_LOW_PAGES);
	close(fd);
	return &map;
}

struct bus_rig *bus_rig_create(const struct vmbus_server_opts *opts)
{
	struct vmbus_server_opts own = opts != NULL ? *opts : (struct vmbus_server_opts){0};
	struct bus_rig *rig = calloc(1, sizeof(*rig));

	require(rig != NULL);
	require(posted_grow(rig)); /* not later: tests make allocations fail */
	rig->memory = *the_memory();
	for (size_t i = 0; i < sizeof(rig->listen) / sizeof(rig->listen[0]); i++)
		rig->listen[i] = -1;
	for (size_t i = 0; i <= VMBUS_MAX_RELID; i++)
		rig->route[i].fd = -1;
	own.event = rig_event;
	require(vmbus_server_create(&host_ops, rig, &own, &rig->server) == 0);
	return rig;
}

static void reset_done(void *ctx)
{
	*(bool *)ctx = true;
}

void bus_rig_destroy(struct bus_rig *rig)
{
	struct bus_rig_device *d, *next;
	struct vmbus_server_info info;
	bool done = false;

	for (d = rig->devices; d != NULL; d = d->next)
		if (d->device != NULL)
			vmbus_device_withdraw(d->device);
	vmbus_server_reset(rig->server, reset_done, &done);
	for (d = rig->devices; d != NULL; d = d->next)
		bus_rig_answer(d);
	require(done);
	info = bus_rig_info(rig);
	require(info.n_channels == 0 && info.n_open == 0);
	require(info.n_gpadls == 0 && info.n_gpadl_pages == 0);
	for (size_t i = 0; i < sizeof(rig->listen) / sizeof(rig->listen[0]); i++)
		require(rig->listen[i] == -1);
	for (size_t i = 0; i <= VMBUS_MAX_RELID; i++)
		require(rig->route[i].fd == -1);
	vmbus_server_destroy(rig->server);
	for (d = rig->devices; d != NULL; d = next) {
		next = d->next;
		require(d->device == NULL);
		free(d->pending);
		free(d);
	}
	free(rig->posted);
	free(rig);
}

/* ---- The guest ---- */

int bus_rig_send(struct bus_rig *rig, const void *msg, size_t size)
{
	const struct vmbus_msg_contact *contact = msg;
	bool new = bus_rig_info(rig).version >= VMBUS_V5_0 ||
		   (size >= sizeof(*contact) && contact->header.type == VMBUS_MSG_CONTACT &&
		    contact->version >= VMBUS_V5_0);

	return vmbus_server_message(rig->server,
				    new ? VMBUS_MSG_CONNECTION_5_0 : VMBUS_MSG_CONNECTION, msg,
				    size);
}

const struct bus_posted *bus_rig_read(struct bus_rig *rig)
{
	static struct bus_posted taken;

	if (rig->n_posted == 0)
		return NULL;
	taken = rig->posted[rig->first];
	rig->first = (rig->first + 1) % rig->max_posted;
	rig->n_posted--;
	if (rig->one_at_a_time) {
		rig->slot_taken = false;
		vmbus_server_slot_free(rig->server);
	}
	return &taken;
}

const union vmbus_msg *bus_rig_expect(struct bus_rig *rig, enum vmbus_msg_type type)
{
	const struct bus_posted *p = bus_rig_read(rig);
	union vmbus_msg whole;

	require(p != NULL);
	if (p->msg.header.type != (uint32_t)type)
		fprintf(stderr, "message of type %u, not %u\n", p->msg.header.type, type);
	require(p->msg.header.type == (uint32_t)type);
	require(p->size == vmbus_msg_init(&whole, type));
	return &p->msg;
}

void bus_rig_expect_nothing(struct bus_rig *rig)
{
	require(rig->n_posted == 0);
}

void bus_rig_skip(struct bus_rig *rig)
{
	while (bus_rig_read(rig) != NULL)
		;
}

struct vmbus_server_info bus_rig_info(const struct bus_rig *rig)
{
	struct vmbus_server_info info;

	vmbus_server_info(rig->server, &info);
	return info;
}

int bus_rig_contact(struct bus_rig *rig, uint32_t version, uint32_t vp)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_CONTACT);

	msg.contact.version = version;
	msg.contact.target_vp = vp;
	if (version >= VMBUS_V5_0)
		msg.contact.sint = VMBUS_CONTACT_SINT;
	else
		msg.contact.interrupt_page = 3 * GPA_PAGE_SIZE;
	msg.contact.parent_to_child = 1 * GPA_PAGE_SIZE;
	msg.contact.child_to_parent = 2 * GPA_PAGE_SIZE;
	return bus_rig_send(rig, &msg, size);
}

int bus_rig_simple(struct bus_rig *rig, enum vmbus_msg_type type)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, type);

	return bus_rig_send(rig, &msg, size);
}

int bus_rig_relid(struct bus_rig *rig, enum vmbus_msg_type type, uint32_t relid)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, type);

	msg.relid.relid = relid;
	return bus_rig_send(rig, &msg, size);
}

int bus_rig_gpadl(struct bus_rig *rig, uint32_t relid, uint32_t id, uint64_t pfn, uint32_t n)
{
	uint64_t pfns[VMBUS_GPADL_MAX_PFNS];
	struct vmbus_gpadl_range range = {.byte_count = n * GPA_PAGE_SIZE,
					  .n_pfns = n,
					  .pfns = pfns};
	const uint64_t *at;
	union vmbus_msg msg;
	uint32_t left;
	size_t size;
	int rc;

	require(n <= VMBUS_GPADL_MAX_PFNS);
	for (uint32_t i = 0; i < n; i++)
		pfns[i] = pfn + i;
	size = vmbus_gpadl_header_write(&msg, relid, id, &range, &at, &left);
	rc = bus_rig_send(rig, &msg, size);
	while (rc == 0 && left > 0) {
		size = vmbus_gpadl_body_write(&msg, id, &at, &left);
		rc = bus_rig_send(rig, &msg, size);
	}
	return rc;
}

int bus_rig_teardown(struct bus_rig *rig, uint32_t relid, uint32_t id)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_GPADL_TEARDOWN);

	msg.gpadl_teardown.relid = relid;
	msg.gpadl_teardown.gpadl = id;
	return bus_rig_send(rig, &msg, size);
}

int bus_rig_open(struct bus_rig *rig, uint32_t relid, uint32_t gpadl, uint32_t ring_offset,
		 uint32_t vp)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_OPEN);

	msg.open.relid = relid;
	msg.open.open_id = relid;
	msg.open.ring_gpadl = gpadl;
	msg.open.ring_offset = ring_offset;
	msg.open.target_vp = vp;
	return bus_rig_send(rig, &msg, size);
}

int bus_rig_modify(struct bus_rig *rig, uint32_t relid, uint32_t vp)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_MODIFY);

	msg.modify.relid = relid;
	msg.modify.target_vp = vp;
	return bus_rig_send(rig, &msg, size);
}

void bus_rig_connect(struct bus_rig *rig, uint32_t version)
{
	require(bus_rig_contact(rig, version, 0) == 0);
	require(bus_rig_expect(rig, VMBUS_MSG_VERSION_RESPONSE)->version.supported == 1);
	require(bus_rig_simple(rig, VMBUS_MSG_REQUEST_OFFERS) == 0);
}
