/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See worker.h.
 */
#include "hv/worker/worker_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "ctl/base/clock.h"
#include "hv/serial.h"
#include "hv/worker/bus.h"
#include "vmbus/server.h"

#define LOG_MODULE    "worker"
#define SLUG	      "worker"
#define LINES_AT_ONCE 10 /* that a guest can cause */
#define LINES_S	      60
#define LAST_WORDS_MS 200
#define LET_GO_S      2

/* ---- What life decides: struct life_ops ---- */

static int do_run(void *ctx, struct err *err)
{
	struct worker *w = ctx;

	ics_run(w->ics, true);
	dynmem_run(w->dynmem, true);
	return machine_run(w->machine, err);
}

static void do_pause(void *ctx)
{
	struct worker *w = ctx;

	machine_pause(w->machine);
	ics_run(w->ics, false);
	dynmem_run(w->dynmem, false);
}

static void reset_done(void *ctx, int rc, const struct err *err)
{
	struct worker *w = ctx;

	w->boot_s = 0;
	life_reset_done(w->life, rc, err);
}

static void do_reset(void *ctx)
{
	struct worker *w = ctx;

	ics_run(w->ics, false);
	dynmem_run(w->dynmem, false);
	machine_reset(w->machine, reset_done, w);
}

static bool do_shutdown(void *ctx)
{
	return ics_shutdown(((struct worker *)ctx)->ics);
}

static void do_button(void *ctx)
{
	machine_button(((struct worker *)ctx)->machine);
}

static void do_event(void *ctx, const char *name, json_t *event)
{
	control_event(((struct worker *)ctx)->control, name, event);
}

static void do_end(void *ctx)
{
	event_base_loopbreak(((struct worker *)ctx)->base);
}

static const struct life_ops life_ops = {
	.run = do_run,
	.pause = do_pause,
	.reset = do_reset,
	.shutdown = do_shutdown,
	.button = do_button,
	.event = do_event,
	.ended = do_end,
};

/* ---- What the machine says: struct machine_ops ---- */

static void on_crashed(void *ctx)
{
	struct worker *w = ctx;
	struct hv_crash *crash = calloc(1, sizeof(*crash));

	if (crash == NULL)
		return;
	hv_partition_crash(machine_partition(w->machine), crash);
	life_crashed(w->life, crash);
	free(crash);
}

static void on_wants_reset(void *ctx)
{
	life_wants_reset(((struct worker *)ctx)->life);
}

static void on_powered_off(void *ctx)
{
	life_powered_off(((struct worker *)ctx)->life);
}

static void on_fault(void *ctx, const char *text)
{
	life_fault(((struct worker *)ctx)->life, text);
}

static void on_served(void *ctx)
{
	struct worker *w = ctx;
	struct vmbus_server_info info;

	nics_served(w->nics);
	if (w->boot_s != 0)
		return;
	vmbus_server_info(worker_bus_server(machine_bus(w->machine)), &info);
	if (info.version != 0)
		w->boot_s = life_uptime_s(w->life);
}

/* Of guests, switches and disks: they may say much. */
static void say(struct worker *w, const char *event, const char *name, const char *text)
{
	if (!log_allow(&w->fault_limit, LINES_AT_ONCE, LINES_S))
		return;
	if (name != NULL)
		log_info("%s %s: %s", event, name, text);
	else
		log_info("%s: %s", event, text);
	control_event(w->control, event, json_pack("{ss*, ss}", "name", name, "text", text));
}

static void on_bus_event(void *ctx, const char *text)
{
	say(ctx, "bus", NULL, text);
}

/* Whose socket that port is knows the switch: it has the paths. */
static void on_wants_stream(void *ctx, uint32_t guest_port, uint32_t host_port)
{
	struct worker *w = ctx;

	if (w->vsocks == NULL || !vsocks_ask(w->vsocks))
		return;
	control_event(w->control, "vsock",
		      json_pack("{sI, sI}", "guest_port", (json_int_t)guest_port, "port",
				(json_int_t)host_port));
}

static const struct machine_ops machine_ops = {
	.crashed = on_crashed,
	.wants_reset = on_wants_reset,
	.powered_off = on_powered_off,
	.fault = on_fault,
	.served = on_served,
	.bus_event = on_bus_event,
	.wants_stream = on_wants_stream,
};

static void on_nic_event(void *ctx, const char *name, const char *text)
{
	say(ctx, "nic", name, text);
}

static void on_disk_event(void *ctx, const char *name, const char *text)
{
	say(ctx, "disk", name, text);
}

static void on_vf_event(void *ctx, const char *name, const char *state, const char *why,
			const char *text)
{
	struct worker *w = ctx;

	if (log_allow(&w->fault_limit, LINES_AT_ONCE, LINES_S))
		log_info("vf %s: %s: %s", name, state, text);
	/* Whoever handed it over waits for this one: it is no more often than they did. */
	control_event(w->control, "vf",
		      json_pack("{ss, ss, ss*, ss}", "name", name, "state", state, "why", why,
				"text", text));
}

static void on_heartbeat(void *ctx, bool ok)
{
	struct worker *w = ctx;

	if (log_allow(&w->fault_limit, LINES_AT_ONCE, LINES_S))
		log_info("the guest's heart %s", ok ? "beats" : "has stopped");
	control_event(w->control, "heartbeat", json_pack("{sb}", "ok", ok));
}

static void on_shutdown_failed(void *ctx, const char *text)
{
	say(ctx, "fault", NULL, text);
}

/* Versions that services agree on are many when a guest boots: they leave what is said of faults
 * alone. */
static void on_service_event(void *ctx, const char *text)
{
	struct worker *w = ctx;

	if (log_allow(&w->service_limit, LINES_AT_ONCE, LINES_S))
		log_info("%s", text);
}

static void on_guest(void *ctx)
{
	struct worker *w = ctx;

	if (log_allow(&w->service_limit, LINES_AT_ONCE, LINES_S))
		control_event(w->control, "guest", ics_guest(w->ics));
}

/* Answers a call that waited, if there is one. */
static bool answer_waiting(struct control_call **waiting, int error, const char *what)
{
	struct control_call *call = *waiting;
	struct err err = {0};

	*waiting = NULL;
	if (call == NULL)
		return false;
	if (error == 0) {
		control_reply(call, NULL);
		return true;
	}
	err_set(&err, error, "guest-failed", "the guest did not %s: %s", what,
		error == -EIO ? "it cannot, or would not" : strerror(-error));
	err_fix(&err, "see that hv_vss_daemon runs in the guest (package hyperv-daemons)");
	control_refuse(call, &err);
	return true;
}

static void on_frozen(void *ctx, int error)
{
	(void)answer_waiting(&((struct worker *)ctx)->freeze_call, error, "freeze");
}

static void on_thawed(void *ctx, int error)
{
	struct worker *w = ctx;

	if (!answer_waiting(&w->thaw_call, error, "thaw") && error == -ETIMEDOUT)
		say(w, "fault", NULL, "the guest was thawed: it had been frozen for too long");
}

static uint64_t on_reference(void *ctx)
{
	return hv_partition_time(machine_partition(((struct worker *)ctx)->machine));
}

static bool on_nic(void *ctx, unsigned i, uint8_t ret_mac[6])
{
	return nics_mac(((struct worker *)ctx)->nics, i, ret_mac);
}

/* ---- Opening ---- */

static size_t serial_read(void *ctx, uint64_t *at, void *to, size_t size)
{
	return hv_serial_read(ctx, at, to, size);
}

static size_t serial_write(void *ctx, const void *bytes, size_t size)
{
	return hv_serial_write(ctx, bytes, size);
}

static int open_control(struct worker *w, uid_t starter, struct err *err)
{
	struct control_opts opts = {.base = w->base,
				    .listen_fd = w->folder.control.fd,
				    .uid = starter,
				    .methods = worker_methods,
				    .ctx = w};

	w->folder.control.fd = -1;
	return control_create(&opts, &w->control, err);
}

static int open_console(struct worker *w, uid_t starter, struct err *err)
{
	struct hv_serial *serial = machine_serial(w->machine);
	struct console_opts opts = {.base = w->base,
				    .listen_fd = w->folder.console.fd,
				    .uid = starter,
				    .has_group = w->config->has_group,
				    .group = w->config->group,
				    .read = serial_read,
				    .write = serial_write,
				    .fd = hv_serial_fd(serial),
				    .ctx = serial};

	w->folder.console.fd = -1;
	return console_create(&opts, &w->console, err);
}

static int open_nics(struct worker *w, struct err *err)
{
	struct nics_opts opts = {.base = w->base,
				 .server = worker_bus_server(machine_bus(w->machine)),
				 .memory = hv_partition_memory(machine_partition(w->machine)),
				 .event = on_nic_event,
				 .ctx = w};
	int rc = nics_create(&opts, &w->nics, err);

	for (unsigned i = 0; rc == 0 && i < w->config->n_nics; i++)
		rc = nics_add(w->nics, w->config->nics[i], err);
	return rc;
}

static int open_vsocks(struct worker *w, struct err *err)
{
	struct vsocks_opts opts = {.base = w->base,
				   .listen_fd = w->folder.vsock.fd,
				   .server = worker_bus_server(machine_bus(w->machine))};

	if (!w->config->vsock)
		return 0;
	w->folder.vsock.fd = -1;
	return vsocks_create(&opts, &w->vsocks, err);
}

static int open_functions(struct worker *w, struct err *err)
{
	struct functions_opts opts = {.base = w->base,
				      .server = worker_bus_server(machine_bus(w->machine)),
				      .partition = machine_partition(w->machine),
				      .backend = &worker_function_backend,
				      .event = on_vf_event,
				      .ctx = w};

	return functions_create(&opts, &w->functions, err);
}

static int open_disks(struct worker *w, struct err *err)
{
	const struct worker_config *config = w->config;
	struct disks_opts opts = {
		.base = w->base,
		.server = worker_bus_server(machine_bus(w->machine)),
		.memory = &hv_partition_memory(machine_partition(w->machine))->map,
		.n_channels = config->processors,
		.uid = config->uid,
		.gid = config->gid,
		.folder = config->dir,
		.event = on_disk_event,
		.ctx = w,
	};
	int rc = disks_create(&opts, &w->disks, err);

	for (unsigned i = 0; rc == 0 && i < config->n_disks; i++)
		rc = disks_add(w->disks, &config->disks[i], -1, err);
	return rc;
}

static int open_ics(struct worker *w, struct err *err)
{
	struct ics_opts opts = {.base = w->base,
				.server = worker_bus_server(machine_bus(w->machine)),
				.event = on_service_event,
				.heartbeat = on_heartbeat,
				.shutdown_failed = on_shutdown_failed,
				.guest = on_guest,
				.frozen = on_frozen,
				.thawed = on_thawed,
				.reference = on_reference,
				.nic = on_nic,
				.n_nics = WORKER_MAX_NICS,
				.ctx = w};

	return ics_create(&opts, &w->ics, err);
}

static int open_dynmem(struct worker *w, struct err *err)
{
	const struct worker_config *config = w->config;
	struct dynmem_opts opts = {
		.base = w->base,
		.env = ics_env(w->ics),
		.memory = hv_partition_memory(machine_partition(w->machine)),
		.conf = {.minimum = config->memory_minimum,
			 .start = config->memory_size,
			 .maximum = config->memory_maximum,
			 .buffer = config->memory_buffer,
			 .priority = config->memory_priority},
	};

	return dynmem_create(&opts, &w->dynmem, err);
}

/* A worker is ended by its control socket; who sends a signal means it at once. */
static void on_terminate(evutil_socket_t fd, short what, void *ctx)
{
	struct worker *w = ctx;

	(void)life_stop(w->life, true, NULL);
}

static int open_loop(struct worker *w, struct err *err)
{
	struct event_config *config = event_config_new();

	/* No look at the environment, no clocks that need a system call each. */
	if (config != NULL &&
	    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV | EVENT_BASE_FLAG_NOLOCK) == 0)
		w->base = event_base_new_with_config(config);
	if (config != NULL)
		event_config_free(config);
	if (w->base != NULL)
		w->terminate = evsignal_new(w->base, SIGTERM, on_terminate, w);
	if (w->terminate == NULL || event_add(w->terminate, NULL) != 0)
		return err_set(err, -ENOMEM, SLUG, "cannot make an event loop");
	return 0;
}

static int open_life(struct worker *w, struct err *err)
{
	struct life_opts opts = {.base = w->base,
				 .on_crash = w->config->on_crash,
				 .ops = &life_ops,
				 .ctx = w};

	return life_create(&opts, &w->life, err);
}

static int open_all(struct worker *w, uid_t starter, struct err *err)
{
	gid_t group = w->config->has_group ? w->config->group : UNIX_NO_GROUP;
	int rc = open_loop(w, err);

	if (rc == 0)
		rc = folder_open(w->config->dir, group, w->config->vsock, &w->folder, err);
	if (rc == 0)
		rc = machine_open(w->config, w->base, &machine_ops, w, &w->machine, err);
	if (rc == 0)
		rc = open_life(w, err);
	if (rc == 0)
		rc = open_control(w, starter, err);
	if (rc == 0)
		rc = open_console(w, starter, err);
	if (rc == 0)
		rc = open_nics(w, err);
	if (rc == 0)
		rc = open_vsocks(w, err);
	if (rc == 0)
		rc = open_functions(w, err);
	if (rc == 0)
		rc = open_disks(w, err);
	if (rc == 0)
		rc = open_ics(w, err);
	if (rc == 0)
		rc = open_dynmem(w, err);
	w->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	return rc;
}

int worker_open(const struct worker_config *config, uid_t starter, struct worker **ret_worker,
		struct err *err)
{
	struct worker *w = calloc(1, sizeof(*w));
	int rc;

	if (w == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	w->config = config;
	w->statm_fd = -1;
	w->folder = (struct folder){
		.pid_fd = -1, .exit_fd = -1, .control.fd = -1, .console.fd = -1, .vsock.fd = -1};
	rc = open_all(w, starter, err);
	if (rc != 0) {
		folder_remove(&w->folder);
		worker_destroy(w);
		return rc;
	}
	*ret_worker = w;
	return 0;
}

void worker_destroy(struct worker *w)
{
	if (w == NULL)
		return;
	console_flush(w->console);
	/* Somebody may use the machine's memory yet: the kernel ends that with the process. */
	if (w->started && !w->let_go)
		return;
	dynmem_destroy(w->dynmem);
	ics_destroy(w->ics);
	if (w->machine != NULL)
		machine_pause(w->machine); /* or disks would never be done */
	vsocks_destroy(w->vsocks);
	functions_destroy(w->functions);
	disks_destroy(w->disks);
	nics_destroy(w->nics);
	console_destroy(w->console);
	control_destroy(w->control);
	life_destroy(w->life);
	machine_destroy(w->machine);
	folder_close(&w->folder);
	if (w->statm_fd >= 0)
		close(w->statm_fd);
	if (w->terminate != NULL)
		event_free(w->terminate);
	if (w->base != NULL)
		event_base_free(w->base);
	free(w);
}

/* ---- Running ---- */

int worker_start(struct worker *w, struct err *err)
{
	int rc = machine_load(w->machine, err);

	if (rc == 0)
		rc = life_start(w->life, err);
	w->started = rc == 0;
	return rc;
}

static void on_let_go(void *ctx)
{
	struct worker *w = ctx;

	w->let_go = true;
	event_base_loopbreak(w->base);
}

/* The machine stands: what its disks were told to do is done, and the switch lets go of its memory.
 * A disk or a switch that does not answer is not waited for longer than this. */
static void let_go(struct worker *w)
{
	const struct timeval limit = {.tv_sec = LET_GO_S};

	worker_bus_reset(machine_bus(w->machine), on_let_go, w);
	event_base_loopexit(w->base, &limit);
	while (!w->let_go && event_base_dispatch(w->base) == 0 && !event_base_got_exit(w->base))
		continue;
}

int worker_run(struct worker *w)
{
	if (event_base_dispatch(w->base) < 0)
		log_error("the event loop failed");
	folder_write_exit(&w->folder, life_outcome(w->life));
	control_flush(w->control, LAST_WORDS_MS);
	let_go(w);
	return life_exit(w->life);
}

void worker_failed(struct worker *w, const struct err *err)
{
	folder_write_exit(&w->folder,
			  json_pack("{si, ss, ss, s{}, sI}", "status", (int)LIFE_EXIT_FAILED, "why",
				    "fault", "text", err->what, "crash", "time",
				    (json_int_t)(clock_wall_ns() / 1000000000u)));
}
