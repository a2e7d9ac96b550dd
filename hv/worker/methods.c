/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What clients of the control socket ask of a worker: docs/vmworker.md has the table.
 */
#include "hv/worker/worker_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hv/worker/bus.h"
#include "vmbus/server.h"

#define NS 1000000000u

static void answer(struct control_call *call, int rc, const struct err *err)
{
	if (rc == 0)
		control_reply(call, NULL);
	else
		control_refuse(call, err);
}

/* A text that must be there; NULL: it is not, and the call was refused. */
static const char *need_text(struct control_call *call, const char *key)
{
	const char *text = json_string_value(json_object_get(control_params(call), key));
	struct err err;

	if (text == NULL) {
		err_set(&err, -EINVAL, "bad-request", "'%s' must be a text", key);
		control_refuse(call, &err);
	}
	return text;
}

/* ---- info ---- */

static json_t *memory_info(const struct worker *w)
{
	const struct hv_memory *memory = hv_partition_memory(machine_partition(w->machine));

	return json_pack("{sI, sI, sI, sb}", "size", (json_int_t)w->config->memory_size, "maximum",
			 (json_int_t)memory->size, "resident",
			 (json_int_t)hv_memory_resident(memory), "huge", memory->huge);
}

static json_t *bus_version(const struct worker *w)
{
	struct vmbus_server_info info;
	char text[16];

	vmbus_server_info(worker_bus_server(machine_bus(w->machine)), &info);
	if (info.version == 0)
		return json_null();
	snprintf(text, sizeof(text), "%u.%u", info.version >> 16, info.version & 0xffff);
	return json_string(text);
}

struct nic_list {
	const struct worker *worker;
	json_t *list;
};

static void add_nic(void *ctx, const char *name, bool attached, const struct vmbus_guid *instance)
{
	struct nic_list *nics = ctx;
	json_t *ips = instance != NULL ? ics_nic_ips(nics->worker->ics, instance) : json_array();

	json_array_append_new(nics->list, json_pack("{ss, sb, so}", "name", name, "attached",
						    attached, "ips", ips));
}

static json_t *nic_info(const struct worker *w)
{
	struct nic_list nics = {.worker = w, .list = json_array()};

	nics_each(w->nics, add_nic, &nics);
	return nics.list;
}

static void call_info(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	const struct hv_partition *partition = machine_partition(w->machine);

	control_reply(call,
		      json_pack("{ss, ss, ss, si, si, so, sf, sI, sI, ss, so, so, so, s[], so}",
				"name", w->config->name, "state",
				life_state_name(life_state(w->life)), "face",
				hv_partition_face(partition), "pid", (int)getpid(), "processors",
				(int)hv_partition_n_vps(partition), "memory", memory_info(w),
				"uptime_s", life_uptime_s(w->life), "started",
				(json_int_t)(life_started_ns(w->life) / NS), "boot_ms",
				(json_int_t)(w->boot_s * 1000), "heartbeat", ics_heartbeat(w->ics),
				"vmbus", bus_version(w), "guest", ics_guest(w->ics), "nics",
				nic_info(w), "disks", "crash", life_crash(w->life)));
}

/* ---- stats ---- */

/* Memory of the process that is not the guest's, in bytes: what no file is behind. */
static uint64_t own_memory(const struct worker *w)
{
	unsigned long size, resident, shared;
	char text[128];
	ssize_t n = pread(w->statm_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (sscanf(text, "%lu %lu %lu", &size, &resident, &shared) != 3 || resident < shared)
		return 0;
	return (uint64_t)(resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static json_t *exits(const struct hv_partition_stats *s)
{
	return json_pack("{sI, sI, sI, sI, sI, sI, sI, sI}", "all", (json_int_t)s->exits, "pio",
			 (json_int_t)s->exits_pio, "mmio", (json_int_t)s->exits_mmio, "msr",
			 (json_int_t)s->exits_msr, "hypercall", (json_int_t)s->exits_hypercall,
			 "halt", (json_int_t)s->exits_halt, "signal", (json_int_t)s->exits_signal,
			 "other", (json_int_t)s->exits_other);
}

static json_t *bus_stats(const struct worker *w)
{
	struct vmbus_server_info info;
	struct worker_bus_stats stats;
	json_t *faults = json_object();

	vmbus_server_info(worker_bus_server(machine_bus(w->machine)), &info);
	worker_bus_stats(machine_bus(w->machine), &stats);
	for (int i = 0; i < VMBUS_N_FAULTS; i++)
		json_object_set_new(faults, vmbus_fault_slug((enum vmbus_fault)i),
				    json_integer((json_int_t)info.faults[i]));
	return json_pack("{sI, sI, sI, sI, sI, sI, sI, so}", "messages_in",
			 (json_int_t)info.messages_in, "messages_out",
			 (json_int_t)info.messages_out, "channels", (json_int_t)info.n_channels,
			 "open", (json_int_t)info.n_open, "gpadls", (json_int_t)info.n_gpadls,
			 "signals", (json_int_t)stats.signals, "retries", (json_int_t)stats.retries,
			 "faults", faults);
}

static json_t *memory_stats(const struct worker *w)
{
	const struct hv_memory *memory = hv_partition_memory(machine_partition(w->machine));
	struct ics_memory m;

	ics_memory(w->ics, &m);
	return json_pack("{sI, sI, sI, sI, sI, sI, sb, sb, si}", "size", (json_int_t)memory->size,
			 "resident", (json_int_t)hv_memory_resident(memory), "own",
			 (json_int_t)own_memory(w), "assigned", (json_int_t)m.assigned, "balloon",
			 (json_int_t)m.ballooned, "target", (json_int_t)m.target, "dynamic",
			 m.automatic, "driver", m.balloon, "pressure", (int)m.pressure);
}

static void call_stats(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	struct hv_partition_stats stats;

	hv_partition_stats(machine_partition(w->machine), &stats);
	control_reply(call, json_pack("{so, sI, so, so, s[]}", "exits", exits(&stats), "cpu_ns",
				      (json_int_t)stats.cpu_ns, "bus", bus_stats(w), "memory",
				      memory_stats(w), "disks"));
}

/* ---- Life ---- */

static void call_pause(void *ctx, struct control_call *call)
{
	struct err err = {0};

	answer(call, life_pause(((struct worker *)ctx)->life, &err), &err);
}

static void call_resume(void *ctx, struct control_call *call)
{
	struct err err = {0};

	answer(call, life_resume(((struct worker *)ctx)->life, &err), &err);
}

static void call_reset(void *ctx, struct control_call *call)
{
	struct err err = {0};

	answer(call, life_reset(((struct worker *)ctx)->life, &err), &err);
}

static void call_stop(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	const char *how = need_text(call, "how");
	struct err err = {0};

	if (how == NULL)
		return;
	if (strcmp(how, "off") == 0) {
		control_reply(call, NULL); /* before the event that follows */
		(void)life_stop(w->life, true, NULL);
	} else if (strcmp(how, "shutdown") == 0) {
		answer(call, life_stop(w->life, false, &err), &err);
	} else {
		err_set(&err, -EINVAL, "bad-request", "how '%.20s': must be shutdown or off", how);
		control_refuse(call, &err);
	}
}

/* ---- NICs ---- */

static void call_nic_add(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	const char *name = need_text(call, "name");
	struct err err = {0};

	if (name != NULL)
		answer(call, nics_add(w->nics, name, &err), &err);
}

static void call_nic_attach(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	const char *name = need_text(call, "name");
	struct err err = {0};

	if (name != NULL)
		answer(call, nics_attach(w->nics, name, control_take_fd(call, 0), &err), &err);
}

static void call_nic_remove(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	const char *name = need_text(call, "name");
	struct err err = {0};

	if (name != NULL)
		answer(call, nics_remove(w->nics, name, &err), &err);
}

/* ---- Services ---- */

static void call_memory_set(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	const json_t *target = json_object_get(control_params(call), "target");
	json_int_t bytes = json_integer_value(target);
	struct err err = {0};
	int rc = 0;

	if (json_is_string(target) && strcmp(json_string_value(target), "auto") == 0)
		bytes = 0;
	else if (!json_is_integer(target) || bytes <= 0)
		rc = err_set(&err, -EINVAL, "bad-request", "'target' must be bytes, or auto");
	if (rc == 0)
		rc = ics_set_memory(w->ics, (uint64_t)bytes, &err);
	answer(call, rc, &err);
}

static void call_kvp_set(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	const char *key = need_text(call, "key"), *value;
	struct err err = {0};

	if (key == NULL)
		return;
	value = json_string_value(json_object_get(control_params(call), "value"));
	answer(call, ics_set_key(w->ics, key, value, &err), &err);
}

/* Answered when the guest has done it. */
static void ask_and_wait(struct worker *w, struct control_call **place, struct control_call *call,
			 int (*ask)(struct ics *ics, struct err *err))
{
	struct err err = {0};
	int rc = 0;

	if (*place != NULL)
		rc = err_set(&err, -EBUSY, "wrong-state", "somebody waits for that already");
	else
		*place = call;
	if (rc == 0)
		rc = ask(w->ics, &err);
	if (rc == 0)
		return;
	if (*place == call)
		*place = NULL;
	control_refuse(call, &err);
}

static void call_freeze(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;

	ask_and_wait(w, &w->freeze_call, call, ics_freeze);
}

static void call_thaw(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;

	ask_and_wait(w, &w->thaw_call, call, ics_thaw);
}

const struct control_method worker_methods[] = {
	{.name = "info", .call = call_info},
	{.name = "stats", .call = call_stats},
	{.name = "pause", .call = call_pause},
	{.name = "resume", .call = call_resume},
	{.name = "reset", .call = call_reset},
	{.name = "stop", .call = call_stop},
	{.name = "nic-add", .call = call_nic_add},
	{.name = "nic-attach", .n_fds = 1, .call = call_nic_attach},
	{.name = "nic-remove", .call = call_nic_remove},
	{.name = "memory-set", .call = call_memory_set},
	{.name = "kvp-set", .call = call_kvp_set},
	{.name = "freeze", .call = call_freeze},
	{.name = "thaw", .call = call_thaw},
	{.name = NULL},
};
