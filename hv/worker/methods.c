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

	return json_pack("{sI, sI, sb}", "size", (json_int_t)memory->size, "resident",
			 (json_int_t)hv_memory_resident(memory), "huge", memory->huge);
}

static json_t *nic_ips(void *ctx, const uint8_t mac[6])
{
	return ics_nic_ips(((struct worker *)ctx)->ics, mac);
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

static void call_info(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	const struct hv_partition *partition = machine_partition(w->machine);

	control_reply(call,
		      json_pack("{ss, ss, ss, si, si, so, sf, sI, sI, ss, so, so, so, so, so, so}",
				"name", w->config->name, "state",
				life_state_name(life_state(w->life)), "face",
				hv_partition_face(partition), "pid", (int)getpid(), "processors",
				(int)hv_partition_n_vps(partition), "memory", memory_info(w),
				"uptime_s", life_uptime_s(w->life), "started",
				(json_int_t)(life_started_ns(w->life) / NS), "boot_ms",
				(json_int_t)(w->boot_s * 1000), "heartbeat", ics_heartbeat(w->ics),
				"vmbus", bus_version(w), "guest", ics_guest(w->ics), "nics",
				nics_info(w->nics, nic_ips, w), "vfs", functions_info(w->functions),
				"disks", disks_info(w->disks), "crash", life_crash(w->life)));
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
	return json_pack("{sI, sI, sI, sI, sI, sI, sI, sI, sI}", "all", (json_int_t)s->exits, "pio",
			 (json_int_t)s->exits_pio, "mmio", (json_int_t)s->exits_mmio, "msr",
			 (json_int_t)s->exits_msr, "hypercall", (json_int_t)s->exits_hypercall,
			 "halt", (json_int_t)s->exits_halt, "signal", (json_int_t)s->exits_signal,
			 "other", (json_int_t)s->exits_other, "kernel",
			 (json_int_t)s->exits_in_kernel);
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
	json_t *stats = dynmem_stats(w->dynmem);

	json_object_set_new(stats, "size", json_integer((json_int_t)memory->size));
	json_object_set_new(stats, "resident",
			    json_integer((json_int_t)hv_memory_resident(memory)));
	json_object_set_new(stats, "own", json_integer((json_int_t)own_memory(w)));
	return stats;
}

static void call_stats(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	const struct hv_partition *partition = machine_partition(w->machine);
	struct hv_partition_stats stats;

	hv_partition_stats(partition, &stats);
	control_reply(call,
		      json_pack("{so, sI, so, so, so, so, so, so, so*}", "exits", exits(&stats),
				"cpu_ns", (json_int_t)stats.cpu_ns, "bus", bus_stats(w), "memory",
				memory_stats(w), "services", ics_stats(w->ics), "vfs",
				functions_stats(w->functions), "disks", disks_stats(w->disks),
				"scsi", disks_controller_stats(w->disks), "vsock",
				vsocks_stats(w->vsocks)));
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

/* ---- Disks ---- */

/* A packet is its parameters, and what makes it a call. */
static void call_disk_add(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	json_t *params = json_copy((json_t *)(uintptr_t)control_params(call));
	int fd = control_take_fd(call, 0), rc;
	struct worker_disk_config config;
	struct err err = {0};

	json_object_del(params, "id");
	json_object_del(params, "method");
	rc = worker_disk_parse(params, "disk", &config, &err);
	if (rc == 0) {
		rc = disks_add(w->disks, &config, fd, &err);
		worker_disk_fini(&config);
	}
	json_decref(params);
	close(fd);
	answer(call, rc, &err);
}

static void call_disk_remove(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	const char *name = need_text(call, "name");
	struct err err = {0};

	if (name != NULL)
		answer(call, disks_remove(w->disks, name, &err), &err);
}

static void call_disk_resize(void *ctx, struct control_call *call)
{
	struct worker *w = ctx;
	const char *name = need_text(call, "name");
	struct err err = {0};
	uint64_t size;

	if (name == NULL)
		return;
	if (disks_resize(w->disks, name, &size, &err) == 0)
		control_reply(call, json_pack("{sI}", "size", (json_int_t)size));
	else
		control_refuse(call, &err);
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
	{.name = "vf-attach", .n_fds = FUNCTION_N_FDS, .call = call_vf_attach},
	{.name = "vf-detach", .call = call_vf_detach},
	{.name = "disk-add", .n_fds = 1, .call = call_disk_add},
	{.name = "disk-remove", .call = call_disk_remove},
	{.name = "disk-resize", .call = call_disk_resize},
	{.name = "vsock-attach", .n_fds = 1, .call = call_vsock_attach},
	{.name = "memory-set", .call = call_memory_set},
	{.name = "kvp-set", .call = call_kvp_set},
	{.name = "time-sync", .call = call_time_sync},
	{.name = "freeze", .call = call_freeze},
	{.name = "thaw", .call = call_thaw},
	{.name = NULL},
};
