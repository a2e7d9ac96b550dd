/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ics.h; memory is in ics_memory.c.
 */
#include "hv/worker/ics_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "ctl/base/clock.h"
#include "hv/partition.h"

#define SLUG   "services"
#define TICK_S 1

/* ---- Time ---- */

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct ics *ics = ctx;
	uint64_t now_ns = clock_mono_ns();

	ic_heartbeat_tick(ics->heartbeat, now_ns);
	ic_shutdown_tick(ics->shutdown, now_ns);
	ic_timesync_tick(ics->timesync, now_ns);
	ic_kvp_tick(ics->kvp, now_ns);
	ic_vss_tick(ics->vss, now_ns);
	balloon_tick(ics->balloon, now_ns);
}

static void resumed(struct ics *ics)
{
	uint64_t now_ns = clock_mono_ns();

	ic_heartbeat_resumed(ics->heartbeat, now_ns);
	ic_shutdown_resumed(ics->shutdown, now_ns);
	ic_timesync_resumed(ics->timesync, now_ns);
	ic_kvp_resumed(ics->kvp, now_ns);
	ic_vss_resumed(ics->vss, now_ns);
}

void ics_run(struct ics *ics, bool runs)
{
	const struct timeval second = {.tv_sec = TICK_S};

	if (ics->runs == runs)
		return;
	ics->runs = runs;
	if (!runs) {
		event_del(ics->tick);
		return;
	}
	resumed(ics);
	event_add(ics->tick, &second);
}

/* ---- Heartbeat, shutdown, time ---- */

static void on_event(void *ctx, const char *text)
{
	const struct ics *ics = ctx;

	ics->opts.ops->event(ics->opts.ctx, text);
}

static void on_heartbeat(void *ctx, enum heartbeat_state state)
{
	const struct ics *ics = ctx;

	if (state != HEARTBEAT_NONE)
		ics->opts.ops->heartbeat(ics->opts.ctx, state == HEARTBEAT_OK);
}

static void on_shutdown(void *ctx, int error)
{
	const struct ics *ics = ctx;

	if (error == -EIO)
		ics->opts.ops->shutdown_failed(ics->opts.ctx, "the guest refuses to shut down");
	else if (error == -ETIMEDOUT)
		ics->opts.ops->shutdown_failed(ics->opts.ctx,
					       "the guest does not answer that it shuts down");
}

bool ics_shutdown(struct ics *ics)
{
	int rc = ic_shutdown_request(ics->shutdown, SHUTDOWN_POWER_OFF, true,
				     "the host asks this machine to stop");

	return rc == 0 || rc == -EBUSY;
}

const char *ics_heartbeat(const struct ics *ics)
{
	struct ic_heartbeat_info info;

	ic_heartbeat_info(ics->heartbeat, &info);
	return heartbeat_state_name(info.state);
}

static void on_time(void *ctx, uint64_t *ret_host, uint64_t *ret_reference)
{
	const struct ics *ics = ctx;

	*ret_host = clock_wall_ns() / 100 + TIMESYNC_UNIX_EPOCH;
	*ret_reference = hv_partition_time(ics->opts.partition);
}

/* ---- What the guest says of itself ---- */

static void on_guest(void *ctx)
{
	const struct ics *ics = ctx;

	ics->opts.ops->guest(ics->opts.ctx);
}

static json_t *text_of(const struct ics *ics, const char *key)
{
	const char *text = ic_kvp_find(ics->kvp, KVP_POOL_AUTO, key);
	json_t *json = text != NULL ? json_string(text) : NULL;

	return json != NULL ? json : json_string("");
}

/* "10.0.0.1;10.0.0.2" */
static void add_addresses(const struct ics *ics, const char *key, json_t *list)
{
	const char *text = ic_kvp_find(ics->kvp, KVP_POOL_AUTO, key);

	while (text != NULL && *text != '\0') {
		size_t n = strcspn(text, ";");

		if (n > 0)
			json_array_append_new(list, json_stringn(text, n));
		text += text[n] == ';' ? n + 1 : n;
	}
}

json_t *ics_guest(const struct ics *ics)
{
	json_t *ips = json_array();

	add_addresses(ics, "NetworkAddressIPv4", ips);
	add_addresses(ics, "NetworkAddressIPv6", ips);
	return json_pack("{so, so, so, so}", "os", text_of(ics, "OSName"), "host",
			 text_of(ics, "FullyQualifiedDomainName"), "version",
			 text_of(ics, "OSVersion"), "ips", ips);
}

json_t *ics_nic_ips(const struct ics *ics, const struct vmbus_guid *nic)
{
	const struct kvp_addresses *addresses = ic_kvp_nic(ics->kvp, nic);
	json_t *list = json_array();

	for (unsigned i = 0; addresses != NULL && i < addresses->n; i++)
		json_array_append_new(list, json_string(addresses->text[i]));
	return list;
}

void ics_nic_add(struct ics *ics, const struct vmbus_guid *nic)
{
	(void)ic_kvp_nic_add(ics->kvp, nic);
}

void ics_nic_remove(struct ics *ics, const struct vmbus_guid *nic)
{
	ic_kvp_nic_remove(ics->kvp, nic);
}

int ics_set_key(struct ics *ics, const char *key, const char *value, struct err *err)
{
	int rc = ic_kvp_set(ics->kvp, key, value);

	return rc == 0 ? 0
		       : err_set(err, rc, "bad-key", "key '%.80s' cannot be set: %s", key,
				 strerror(-rc));
}

/* ---- Backup ---- */

static void on_frozen(void *ctx, int error)
{
	const struct ics *ics = ctx;

	ics->opts.ops->frozen(ics->opts.ctx, error);
}

static void on_thawed(void *ctx, int error)
{
	const struct ics *ics = ctx;

	ics->opts.ops->thawed(ics->opts.ctx, error);
}

int ics_freeze(struct ics *ics, struct err *err)
{
	int rc = ic_vss_freeze(ics->vss);

	if (rc == -ENOTCONN) {
		err_set(err, rc, "no-service", "the guest cannot freeze its file systems");
		err_why(err, "its backup service does not run");
		err_fix(err, "in the guest: start hv_vss_daemon (package hyperv-daemons)");
	} else if (rc != 0) {
		err_set(err, rc, "wrong-state", "the guest is frozen, or was asked to freeze");
	}
	return rc;
}

int ics_thaw(struct ics *ics, struct err *err)
{
	int rc = ic_vss_thaw(ics->vss);

	return rc == 0 ? 0 : err_set(err, rc, "wrong-state", "the guest is not frozen");
}

/* ---- Life ---- */

static int make(struct ics *ics)
{
	const struct ic_heartbeat_opts heartbeat = {.changed = on_heartbeat, .ctx = ics};
	const struct ic_shutdown_opts shutdown = {.done = on_shutdown, .ctx = ics};
	const struct ic_timesync_opts timesync = {.now = on_time, .ctx = ics};
	const struct ic_kvp_opts kvp = {.changed = on_guest, .ctx = ics};
	const struct ic_vss_opts vss = {.frozen = on_frozen, .thawed = on_thawed, .ctx = ics};
	int rc = ic_heartbeat_create(&ics->env, &heartbeat, &ics->heartbeat);

	if (rc == 0)
		rc = ic_shutdown_create(&ics->env, &shutdown, &ics->shutdown);
	if (rc == 0)
		rc = ic_timesync_create(&ics->env, &timesync, &ics->timesync);
	if (rc == 0)
		rc = ic_kvp_create(&ics->env, &kvp, &ics->kvp);
	if (rc == 0)
		rc = ic_vss_create(&ics->env, &vss, &ics->vss);
	return rc == 0 ? ics_memory_open(ics) : rc;
}

int ics_create(const struct ics_opts *opts, struct ics **ret_ics, struct err *err)
{
	struct ics *ics = calloc(1, sizeof(*ics));
	int rc = -ENOMEM;

	if (ics == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	ics->opts = *opts;
	ics->meminfo_fd = -1;
	ics->loop = worker_loop(opts->base);
	ics->env = (struct ic_env){.server = opts->server,
				   .loop = &ics->loop,
				   .event = on_event,
				   .ctx = ics};
	ics->tick = event_new(opts->base, -1, EV_PERSIST, on_tick, ics);
	if (ics->tick != NULL)
		rc = make(ics);
	if (rc != 0) {
		ics_destroy(ics);
		return err_set(err, rc, SLUG, "cannot make the integration services");
	}
	*ret_ics = ics;
	return 0;
}

void ics_destroy(struct ics *ics)
{
	if (ics == NULL)
		return;
	ics_memory_close(ics);
	ic_vss_destroy(ics->vss);
	ic_kvp_destroy(ics->kvp);
	ic_timesync_destroy(ics->timesync);
	ic_shutdown_destroy(ics->shutdown);
	ic_heartbeat_destroy(ics->heartbeat);
	if (ics->tick != NULL)
		event_free(ics->tick);
	free(ics);
}
