/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ics.h.
 */
#include "hv/worker/ics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "ctl/base/clock.h"
#include "hv/worker/loop.h"
#include "vmbus/ic_heartbeat.h"
#include "vmbus/ic_kvp.h"
#include "vmbus/ic_shutdown.h"
#include "vmbus/ic_timesync.h"
#include "vmbus/ic_vss.h"

#define SLUG   "services"
#define TICK_S 1

struct ics {
	struct ics_opts opts;
	struct vmbus_loop loop;
	struct ic_env env;
	struct event *tick;
	bool runs;
	struct ic_heartbeat *heartbeat;
	struct ic_shutdown *shutdown;
	struct ic_timesync *timesync;
	struct ic_kvp *kvp;
	struct ic_vss *vss;
	/* NICs that the guest is asked about. */
	unsigned n_nics;
	uint8_t nics[IC_KVP_MAX_NICS][6]; /* MAC addresses */
};

/* ---- NICs come and go ---- */

static bool listed(uint8_t list[][6], unsigned n, const uint8_t mac[6])
{
	for (unsigned i = 0; i < n; i++) {
		if (memcmp(list[i], mac, 6) == 0)
			return true;
	}
	return false;
}

static void follow_nics(struct ics *ics)
{
	uint8_t now[IC_KVP_MAX_NICS][6];
	unsigned n = 0;

	for (unsigned i = 0; i < ics->opts.n_nics && n < IC_KVP_MAX_NICS; i++) {
		if (ics->opts.nic(ics->opts.ctx, i, now[n]))
			n++;
	}
	for (unsigned i = 0; i < ics->n_nics; i++) {
		if (!listed(now, n, ics->nics[i]))
			ic_kvp_nic_remove(ics->kvp, ics->nics[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		if (!listed(ics->nics, ics->n_nics, now[i]))
			(void)ic_kvp_nic_add(ics->kvp, now[i]);
	}
	memcpy(ics->nics, now, sizeof(now));
	ics->n_nics = n;
}

/* ---- Time ---- */

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct ics *ics = ctx;
	uint64_t now_ns = clock_mono_ns();

	follow_nics(ics);
	ic_heartbeat_tick(ics->heartbeat, now_ns);
	ic_shutdown_tick(ics->shutdown, now_ns);
	ic_timesync_tick(ics->timesync, now_ns);
	ic_kvp_tick(ics->kvp, now_ns);
	ic_vss_tick(ics->vss, now_ns);
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

/* Nobody may come between the two clocks: the shorter of two tries is taken. */
static void on_now(void *ctx, uint64_t *ret_host, uint64_t *ret_reference)
{
	const struct ics *ics = ctx;
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t before = ics->opts.reference(ics->opts.ctx);
		uint64_t wall = clock_wall_ns() / 100 + TIMESYNC_UNIX_EPOCH;
		uint64_t took = ics->opts.reference(ics->opts.ctx) - before;

		if (took >= best)
			continue;
		best = took;
		*ret_host = wall;
		*ret_reference = before + took / 2;
	}
}

void ics_sync_time(struct ics *ics)
{
	ic_timesync_sync(ics->timesync);
}

/* ---- Heartbeat and shutdown ---- */

static void on_event(void *ctx, const char *text)
{
	const struct ics *ics = ctx;

	ics->opts.event(ics->opts.ctx, text);
}

static void on_heartbeat(void *ctx, enum heartbeat_state state)
{
	const struct ics *ics = ctx;

	if (state != HEARTBEAT_NONE)
		ics->opts.heartbeat(ics->opts.ctx, state == HEARTBEAT_OK);
}

static void on_shutdown(void *ctx, int error)
{
	const struct ics *ics = ctx;

	if (error == -EIO)
		ics->opts.shutdown_failed(ics->opts.ctx, "the guest refuses to shut down");
	else if (error == -ETIMEDOUT)
		ics->opts.shutdown_failed(ics->opts.ctx,
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

/* ---- What the guest says of itself ---- */

static void on_guest(void *ctx)
{
	const struct ics *ics = ctx;

	ics->opts.guest(ics->opts.ctx);
}

static const char *said(const struct ics *ics, const char *key)
{
	const char *value = ic_kvp_find(ics->kvp, KVP_POOL_AUTO, key);

	return value != NULL ? value : "";
}

/* A daemon that cannot find its name out says why instead (hv_kvp_daemon: "getaddrinfo failed"). */
static const char *host_name(const struct ics *ics)
{
	const char *name = said(ics, "FullyQualifiedDomainName");

	return strpbrk(name, " \t:/") == NULL ? name : "";
}

static json_t *addresses_json(const struct kvp_addresses *addresses)
{
	json_t *list = json_array();

	for (unsigned i = 0; addresses != NULL && i < addresses->n; i++)
		json_array_append_new(list, json_string(addresses->text[i]));
	return list;
}

json_t *ics_nic_ips(const struct ics *ics, const uint8_t mac[6])
{
	return addresses_json(ic_kvp_nic(ics->kvp, mac));
}

json_t *ics_guest(const struct ics *ics)
{
	const char *major = said(ics, "OSMajorVersion");
	struct kvp_addresses addresses = {0};
	char os[2 * KVP_VALUE_TEXT];

	if (said(ics, "OSName")[0] == '\0')
		return json_object();
	kvp_add_addresses(&addresses, said(ics, "NetworkAddressIPv4"));
	kvp_add_addresses(&addresses, said(ics, "NetworkAddressIPv6"));
	snprintf(os, sizeof(os), "%s%s%s", said(ics, "OSName"), major[0] != '\0' ? " " : "", major);
	return json_pack("{ss*, ss*, ss*, so}", "os", os, "host", host_name(ics), "version",
			 said(ics, "OSVersion"), "ips", addresses_json(&addresses));
}

int ics_kvp_set(struct ics *ics, const char *key, const char *value, struct err *err)
{
	int rc = ic_kvp_set(ics->kvp, key, value);

	if (rc == -E2BIG)
		return err_set(err, rc, "bad-key",
			       "a key has at most 255 characters, a value at most 1023");
	if (rc == -ENOSPC)
		return err_set(err, rc, "bad-key", "a guest can be told at most %d keys",
			       IC_KVP_MAX_SET);
	if (rc != 0)
		return err_set(err, rc, "bad-key", "the key is empty, or one of them no UTF-8");
	return 0;
}

/* ---- Freezing ---- */

static void on_frozen(void *ctx, int error)
{
	const struct ics *ics = ctx;

	ics->opts.frozen(ics->opts.ctx, error);
}

static void on_thawed(void *ctx, int error)
{
	const struct ics *ics = ctx;

	ics->opts.thawed(ics->opts.ctx, error);
}

int ics_freeze(struct ics *ics, struct err *err)
{
	int rc = ic_vss_freeze(ics->vss);

	if (rc == -ENOTCONN) {
		err_set(err, rc, "no-service", "the guest has no backup service");
		err_fix(err, "run hv_vss_daemon in the guest (package hyperv-daemons)");
	} else if (rc != 0) {
		err_set(err, rc, "wrong-state", "the guest's file systems are frozen already");
	}
	return rc;
}

int ics_thaw(struct ics *ics, struct err *err)
{
	int rc = ic_vss_thaw(ics->vss);

	if (rc != 0)
		err_set(err, rc, "wrong-state", "the guest's file systems are not frozen");
	return rc;
}

/* ---- Counters ---- */

static json_t *service_json(const struct ic_info *info)
{
	json_t *faults = json_object();
	char version[16];

	for (int i = 0; i < IC_N_FAULTS; i++) {
		if (info->faults[i] != 0)
			json_object_set_new(faults, ic_fault_slug((enum ic_fault)i),
					    json_integer((json_int_t)info->faults[i]));
	}
	snprintf(version, sizeof(version), "%u.%u", info->version.major, info->version.minor);
	return json_pack("{ss, ss, sI, sI, so}", "state", ic_state_name(info->state), "version",
			 version, "requests", (json_int_t)info->requests, "answers",
			 (json_int_t)info->answers, "faults", faults);
}

json_t *ics_stats(const struct ics *ics)
{
	struct ic_heartbeat_info heartbeat;
	struct ic_timesync_info timesync;
	struct ic_info shutdown, kvp, vss;

	ic_heartbeat_info(ics->heartbeat, &heartbeat);
	ic_shutdown_info(ics->shutdown, &shutdown);
	ic_timesync_info(ics->timesync, &timesync);
	ic_kvp_info(ics->kvp, &kvp);
	ic_vss_info(ics->vss, &vss);
	return json_pack("{so, so, so, so, so}", "heartbeat", service_json(&heartbeat.ic),
			 "shutdown", service_json(&shutdown), "time", service_json(&timesync.ic),
			 "kvp", service_json(&kvp), "vss", service_json(&vss));
}

/* ---- Life ---- */

static int make(struct ics *ics)
{
	const struct ic_heartbeat_opts heartbeat = {.changed = on_heartbeat, .ctx = ics};
	const struct ic_shutdown_opts shutdown = {.done = on_shutdown, .ctx = ics};
	const struct ic_timesync_opts timesync = {.now = on_now, .ctx = ics};
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
	return rc;
}

int ics_create(const struct ics_opts *opts, struct ics **ret_ics, struct err *err)
{
	struct ics *ics = calloc(1, sizeof(*ics));
	int rc = -ENOMEM;

	if (ics == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	ics->opts = *opts;
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
	ic_vss_destroy(ics->vss);
	ic_kvp_destroy(ics->kvp);
	ic_timesync_destroy(ics->timesync);
	ic_shutdown_destroy(ics->shutdown);
	ic_heartbeat_destroy(ics->heartbeat);
	if (ics->tick != NULL)
		event_free(ics->tick);
	free(ics);
}

const struct ic_env *ics_env(const struct ics *ics)
{
	return &ics->env;
}
