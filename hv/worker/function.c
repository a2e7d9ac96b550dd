/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See function.h; what devices need of the machine is in function_host.c.
 */
#include "hv/worker/function.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "hv/worker/function_priv.h"

#define SLUG	    "vf"
#define PATIENCE_MS 20000u

static const char *state_name(const struct function *f)
{
	return f->ejecting ? "ejecting" : "offered";
}

static void say(const struct function *f, const char *state, const char *why, const char *text)
{
	const struct functions_opts *opts = &f->all->opts;

	opts->event(opts->ctx, f->name, state, why, text);
}

/* ---- The end ---- */

/* A place that is free again; nothing of it is the guest's any more. */
static void end(struct function *f)
{
	const struct functions_opts *opts = &f->all->opts;
	void (*done)(void *ctx, bool ejected) = f->done;
	void *ctx = f->done_ctx;
	bool ejected = f->ejected;

	vpci_destroy(f->vpci);
	opts->backend->close(f->device);
	function_host_fini(f);
	if (f->timer != NULL)
		event_free(f->timer);
	if (f->pinned)
		hv_memory_unpin(hv_partition_memory(opts->partition));
	say(f, "gone", ejected ? NULL : "forced",
	    ejected ? "the guest has let go" : "the guest did not let go in time");
	*f = (struct function){.all = f->all};
	if (done != NULL)
		done(ctx, ejected);
}

/* The guest has let go, or its time is over. */
static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	end(ctx);
}

static void end_after(struct function *f, unsigned ms)
{
	const struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(f->timer, &after);
}

void function_ejected(struct function *f)
{
	f->ejected = true;
	end_after(f, 0);
}

/* Asks the guest to let go. */
static void eject(struct function *f)
{
	unsigned ms = f->all->opts.patience_ms;

	if (f->ejecting)
		return;
	f->ejecting = true;
	end_after(f, ms != 0 ? ms : PATIENCE_MS);
	vpci_eject(f->vpci);
}

void function_gone(struct function *f, enum sriov_vfio_end why)
{
	say(f, "ejecting", sriov_vfio_end_slug(why), sriov_vfio_end_text(why));
	eject(f);
}

/* ---- Coming ---- */

static struct function *find(struct functions *all, const char *name)
{
	for (unsigned i = 0; i < WORKER_MAX_FUNCTIONS; i++)
		if (all->functions[i].used && strcmp(all->functions[i].name, name) == 0)
			return &all->functions[i];
	return NULL;
}

static int check(struct functions *all, const struct function_spec *spec, struct err *err)
{
	if (!worker_name_valid(spec->name))
		return err_set(err, -EINVAL, SLUG, "'%.64s' cannot be a NIC's name", spec->name);
	if (spec->serial == 0)
		return err_set(err, -EINVAL, SLUG, "a VF's serial number cannot be 0");
	for (unsigned i = 0; i < WORKER_MAX_FUNCTIONS; i++) {
		const struct function *f = &all->functions[i];

		if (f->used && strcmp(f->name, spec->name) == 0)
			return err_set(err, -EEXIST, "vf-exists", "NIC '%s' has a VF, %s", f->name,
				       f->address);
		if (f->used && f->serial == spec->serial)
			return err_set(err, -EEXIST, "vf-exists",
				       "the VF of NIC '%s' has the serial number %" PRIu32, f->name,
				       f->serial);
	}
	return 0;
}

static struct function *find_free(struct functions *all)
{
	for (unsigned i = 0; i < WORKER_MAX_FUNCTIONS; i++)
		if (!all->functions[i].used)
			return &all->functions[i];
	return NULL;
}

static int open_device(struct function *f, const struct function_spec *spec, struct err *err)
{
	const struct functions_opts *opts = &f->all->opts;
	struct hv_memory *memory = hv_partition_memory(opts->partition);
	const struct sriov_vfio_opts device = {.fds = spec->fds,
					       .name = f->address,
					       .memory = &memory->map,
					       .serial = spec->serial,
					       .loop = &f->all->loop,
					       .host = &function_host_ops,
					       .ctx = f};

	/* Before the device's tables are made: what is given back later would be missed there. */
	hv_memory_pin(memory);
	f->pinned = true;
	return opts->backend->open(&device, &f->device, err);
}

/* A new instance each time: the guest may not have let go of the one before.  The domain is that of
 * the place, so that names in the guest stay. */
static int offer(struct function *f, struct err *err)
{
	struct functions *all = f->all;
	struct vpci_opts opts = {.server = all->opts.server,
				 .loop = &all->loop,
				 .n_vps = hv_partition_n_vps(all->opts.partition),
				 .ops = all->opts.backend->ops,
				 .ctx = f->device};
	char name[WORKER_NAME_SIZE + 16];
	int rc;

	snprintf(name, sizeof(name), "%s %u", f->name, ++all->n_attached);
	f->instance = vpci_instance(name, (uint16_t)(1 + (f - all->functions)));
	opts.instance = f->instance;
	all->opts.backend->function(f->device, &opts.function);
	rc = vpci_create(&opts, &f->vpci);
	if (rc != 0)
		return err_set(err, rc, SLUG, "%s cannot be shown to a guest: %s", f->address,
			       rc == -EINVAL ? "its BARs or its MSI-X table are not right"
					     : strerror(-rc));
	return 0;
}

static int make(struct function *f, const struct function_spec *spec, struct err *err)
{
	int rc = open_device(f, spec, err);

	if (rc != 0)
		return rc;
	f->timer = event_new(f->all->opts.base, -1, 0, on_timer, f);
	if (f->timer == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	return offer(f, err);
}

static void unmake(struct function *f)
{
	const struct functions_opts *opts = &f->all->opts;

	if (f->device != NULL)
		opts->backend->close(f->device);
	function_host_fini(f);
	if (f->timer != NULL)
		event_free(f->timer);
	if (f->pinned)
		hv_memory_unpin(hv_partition_memory(opts->partition));
	*f = (struct function){.all = f->all};
}

static void close_fds(const struct sriov_vfio_fds *fds)
{
	close(fds->container);
	close(fds->group);
	close(fds->device);
}

int functions_attach(struct functions *all, const struct function_spec *spec, struct err *err)
{
	struct function *f = find_free(all);
	int rc = check(all, spec, err);

	if (rc == 0 && f == NULL)
		rc = err_set(err, -ENOSPC, "too-many-vfs", "a machine has at most %d VFs",
			     WORKER_MAX_FUNCTIONS);
	if (rc != 0) {
		close_fds(&spec->fds);
		return rc;
	}
	*f = (struct function){.all = all, .used = true, .serial = spec->serial};
	snprintf(f->name, sizeof(f->name), "%s", spec->name);
	snprintf(f->address, sizeof(f->address), "%s", spec->address);
	rc = make(f, spec, err);
	if (rc != 0)
		unmake(f);
	else
		say(f, "offered", NULL, f->address);
	return rc;
}

int functions_detach(struct functions *all, const char *name, void (*done)(void *ctx, bool ejected),
		     void *ctx, struct err *err)
{
	struct function *f = find(all, name);

	if (f == NULL)
		return err_set(err, -ENOENT, "no-vf", "NIC '%.64s' has no VF", name);
	if (f->done != NULL)
		return err_set(err, -EBUSY, "wrong-state", "the VF of NIC '%s' is being taken away",
			       f->name);
	f->done = done;
	f->done_ctx = ctx;
	eject(f);
	return 0;
}

/* ---- What there is to know ---- */

static json_t *info(const struct function *f)
{
	struct sriov_vfio_info device;
	struct vpci_info bus;
	char version[16];

	vpci_info(f->vpci, &bus);
	f->all->opts.backend->info(f->device, &device);
	snprintf(version, sizeof(version), "%u.%u", bus.version >> 16, bus.version & 0xffff);
	return json_pack("{ss, ss, sI, ss, ss, ss, sb, sb, si, si, si, si}", "name", f->name,
			 "address", f->address, "serial", (json_int_t)f->serial, "state",
			 state_name(f), "bus", vpci_state_name(bus.state), "version", version,
			 "decoding", bus.decoding, "bus_master", bus.bus_master, "vendor",
			 (int)device.vendor, "device", (int)device.device, "interrupts",
			 (int)bus.n_interrupts, "routed", (int)device.n_routed);
}

json_t *functions_info(const struct functions *all)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < WORKER_MAX_FUNCTIONS; i++)
		if (all->functions[i].used)
			json_array_append_new(list, info(&all->functions[i]));
	return list;
}

static json_t *faults(const struct vpci_info *bus)
{
	json_t *counts = json_object();

	for (unsigned i = 0; i < VPCI_N_FAULTS; i++)
		if (bus->faults[i] != 0)
			json_object_set_new(counts, vpci_fault_slug(i),
					    json_integer((json_int_t)bus->faults[i]));
	return counts;
}

static json_t *stats(const struct function *f)
{
	struct sriov_vfio_info device;
	struct vpci_info bus;

	vpci_info(f->vpci, &bus);
	f->all->opts.backend->info(f->device, &device);
	return json_pack("{sI, sI, sI, sI, sI, sI, sI, so}", "reads", (json_int_t)f->n_reads,
			 "writes", (json_int_t)f->n_writes, "dma", (json_int_t)device.dma_size,
			 "resets", (json_int_t)device.resets, "failed_resets",
			 (json_int_t)device.failed_resets, "failed_routes",
			 (json_int_t)device.failed_routes, "failed_accesses",
			 (json_int_t)device.failed_accesses, "faults", faults(&bus));
}

json_t *functions_stats(const struct functions *all)
{
	json_t *by_name = json_object();

	for (unsigned i = 0; i < WORKER_MAX_FUNCTIONS; i++)
		if (all->functions[i].used)
			json_object_set_new(by_name, all->functions[i].name,
					    stats(&all->functions[i]));
	return by_name;
}

/* ---- Life ---- */

/* The guest moves an interrupt. */
static int on_retarget(void *ctx, const struct hv_retarget *retarget)
{
	struct functions *all = ctx;

	for (unsigned i = 0; i < WORKER_MAX_FUNCTIONS; i++) {
		struct function *f = &all->functions[i];

		if (f->used && vpci_device_id(&f->instance) == retarget->device)
			return vpci_retarget(f->vpci, retarget->address, retarget->data,
					     retarget->vector, retarget->vp);
	}
	return -ENOENT;
}

static void on_asks(evutil_socket_t fd, short what, void *ctx)
{
	hv_asks_answer(((struct functions *)ctx)->opts.partition);
}

int functions_create(const struct functions_opts *opts, struct functions **ret_functions,
		     struct err *err)
{
	struct functions *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	all->opts = *opts;
	all->loop = worker_loop(opts->base);
	all->asks = event_new(opts->base, hv_asks_fd(opts->partition), EV_READ | EV_PERSIST,
			      on_asks, all);
	if (all->asks == NULL || event_add(all->asks, NULL) != 0) {
		functions_destroy(all);
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	}
	hv_partition_set_retarget(opts->partition, on_retarget, all);
	*ret_functions = all;
	return 0;
}

void functions_destroy(struct functions *all)
{
	if (all == NULL)
		return;
	hv_partition_set_retarget(all->opts.partition, NULL, NULL);
	for (unsigned i = 0; i < WORKER_MAX_FUNCTIONS; i++) {
		if (!all->functions[i].used)
			continue;
		vpci_destroy(all->functions[i].vpci);
		unmake(&all->functions[i]);
	}
	if (all->asks != NULL)
		event_free(all->asks);
	free(all);
}
