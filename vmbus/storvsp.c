/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Life of a SCSI controller, its units, and what the server asks of it; see storvsp.h.
 */
#include "vmbus/storvsp_priv.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ctl/base/clock.h"
#include "vmbus/channel.h"
#include "vmbus/server.h"

#define SLUG		 "disk"
#define TELL_INTERVAL_NS (60ull * 1000000000)
/* NTSTATUS of an open that failed. */
#define OPEN_FAILED 0xC0000001u
/* What an event of the disk thread is about: a channel's index, or one of these. */
#define EVENT_WAKE 0x100u
#define EVENT_DISK 0x101u

static const char *const fault_slugs[] = {
#define X(name, slug, text) slug,
	STORVSP_FAULTS(X)
#undef X
};

static const char *const fault_texts[] = {
#define X(name, slug, text) text,
	STORVSP_FAULTS(X)
#undef X
};

const char *storvsp_fault_slug(enum storvsp_fault fault)
{
	return fault_slugs[fault];
}

const char *storvsp_fault_text(enum storvsp_fault fault)
{
	return fault_texts[fault];
}

void storvsp_count(struct storvsp *s, enum storvsp_fault fault)
{
	s->faults[fault]++;
}

static void lock(struct storvsp *s)
{
	pthread_mutex_lock(&s->lock);
}

static void unlock(struct storvsp *s)
{
	pthread_mutex_unlock(&s->lock);
}

void storvsp_tell_owner(struct storvsp *s)
{
	(void)eventfd_write(s->event_fd, 1);
}

void storvsp_wake(struct storvsp *s)
{
	(void)eventfd_write(s->wake_fd, 1);
}

static void drain(int fd)
{
	eventfd_t n;

	(void)eventfd_read(fd, &n);
}

/* ---- The disk thread ---- */

static int watch(struct storvsp *s, int fd, uint32_t what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = what};

	if (fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST)
		return 0;
	return -errno;
}

static void unwatch(struct storvsp *s, int fd)
{
	if (fd >= 0)
		(void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* Notes what an event is about; true: a disk has something. */
static bool event_take(struct storvsp *s, uint32_t what)
{
	struct storvsp_channel *c;

	if (what == EVENT_DISK)
		return true;
	if (what == EVENT_WAKE) {
		drain(s->wake_fd);
		return false;
	}
	c = &s->channels[what];
	if (c->channel != NULL && !c->closing) { /* else it was closed since */
		drain(c->kick_fd);
		c->again = true;
	}
	return false;
}

/* Waits for events and works them.  True: do not wait the next time; 'stop' is looked at. */
static bool work(struct storvsp *s, bool wait)
{
	struct epoll_event events[STORVSP_MAX_CHANNELS];
	int n = epoll_wait(s->epoll_fd, events, STORVSP_MAX_CHANNELS, wait ? -1 : 0);
	bool disks = false, again;

	lock(s);
	for (int i = 0; i < n; i++)
		disks |= event_take(s, events[i].data.u32);
	again = storvsp_run(s, disks) || s->stop;
	unlock(s);
	return again;
}

static void *thread_run(void *arg)
{
	struct storvsp *s = arg;
	bool again = false, stop = false;

	prctl(PR_SET_NAME, "disk");
	atomic_store(&s->tid, (int)gettid());
	while (!stop) {
		again = work(s, !again);
		if (again) {
			lock(s);
			stop = s->stop;
			unlock(s);
		}
	}
	return NULL;
}

static int thread_start(struct storvsp *s)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&s->thread, NULL, thread_run, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	s->threaded = rc == 0;
	return -rc;
}

static void thread_stop(struct storvsp *s)
{
	if (!s->threaded)
		return;
	lock(s);
	s->stop = true;
	unlock(s);
	storvsp_wake(s);
	pthread_join(s->thread, NULL);
	s->threaded = false;
}

int storvsp_tid(const struct storvsp *storvsp)
{
	return atomic_load(&storvsp->tid);
}

int storvsp_work_fd(const struct storvsp *storvsp)
{
	return storvsp->epoll_fd;
}

void storvsp_work(struct storvsp *storvsp)
{
	while (work(storvsp, false))
		;
}

/* ---- What the server asks ---- */

static void op_open(void *ctx, struct vmbus_channel *channel)
{
	struct storvsp *s = ctx;
	struct storvsp_channel *c;
	int rc = -EINVAL;

	if (channel->sub_index < s->opts.max_channels) {
		c = &s->channels[channel->sub_index];
		lock(s);
		rc = storvsp_channel_start(c, channel);
		if (rc != 0)
			storvsp_count(s, STORVSP_FAULT_RING);
		else
			rc = watch(s, c->kick_fd, channel->sub_index);
		if (rc != 0)
			c->channel = NULL;
		else if (channel->sub_index == 0)
			storvsp_forget(s);
		unlock(s);
	}
	if (rc == 0)
		storvsp_wake(s);
	vmbus_channel_opened(channel, rc == 0 ? 0 : OPEN_FAILED);
}

static void op_close(void *ctx, struct vmbus_channel *channel)
{
	struct storvsp *s = ctx;
	struct storvsp_channel *c = &s->channels[channel->sub_index];
	bool drained;

	lock(s);
	unwatch(s, c->kick_fd);
	storvsp_channel_stop(c);
	if (channel->sub_index == 0)
		storvsp_forget(s);
	drained = c->n_requests == 0;
	if (drained)
		c->channel = NULL;
	unlock(s);
	if (drained)
		vmbus_channel_closed(channel);
}

static void op_gpadl_created(void *ctx, const struct vmbus_gpadl *gpadl)
{
}

/* Nothing of ours is in a GPADL but rings, and those the server keeps until they are closed. */
static void op_gpadl_teardown(void *ctx, const struct vmbus_gpadl *gpadl)
{
	vmbus_gpadl_released(((struct storvsp *)ctx)->device, gpadl);
}

static void op_retarget(void *ctx, struct vmbus_channel *channel)
{
	(void)eventfd_write(channel->call_fd, 1);
}

static void finish(struct storvsp *s);

static void op_gone(void *ctx, struct vmbus_device *device)
{
	struct storvsp *s = ctx;

	s->gone = true;
	if (!s->busy)
		finish(s);
}

static const struct vmbus_device_ops device_ops = {
	.open = op_open,
	.close = op_close,
	.gpadl_created = op_gpadl_created,
	.gpadl_teardown = op_gpadl_teardown,
	.retarget = op_retarget,
	.gone = op_gone,
};

/* ---- Units ---- */

/* Several disks may share a descriptor, so that one that goes takes it from the others. */
static void unwatch_disk(struct storvsp *s, const struct disk *disk)
{
	unwatch(s, disk->fd);
	for (unsigned lun = 0; lun < SCSI_MAX_LUNS; lun++) {
		const struct scsi_unit *unit = scsi_unit_find(s->target, lun);

		if (unit != NULL && scsi_unit_disk(unit)->fd == disk->fd)
			(void)watch(s, disk->fd, EVENT_DISK);
	}
}

static int unit_add(struct storvsp *s, unsigned lun, struct disk *disk, const char *name)
{
	int rc = scsi_unit_add(s->target, lun, disk, name);

	if (rc != 0)
		return rc;
	rc = watch(s, disk->fd, EVENT_DISK);
	if (rc != 0) {
		scsi_unit_withdraw(s->target, lun);
		(void)scsi_unit_remove(s->target, lun);
		return rc;
	}
	s->troubles[lun] = 0;
	s->trouble_told_ns[lun] = 0;
	s->announce = true;
	return 0;
}

int storvsp_add(struct storvsp *storvsp, unsigned lun, struct disk *disk, const char *name,
		struct err *err)
{
	int rc;

	lock(storvsp);
	rc = unit_add(storvsp, lun, disk, name);
	unlock(storvsp);
	if (rc == -EEXIST)
		return err_set(err, rc, SLUG, "disk '%s': LUN %u is taken", name, lun);
	if (rc == -EINVAL && lun >= SCSI_MAX_LUNS)
		return err_set(err, rc, SLUG, "disk '%s': LUN %u: must be 0 to %u", name, lun,
			       SCSI_MAX_LUNS - 1);
	if (rc != 0)
		return err_set(err, rc, SLUG, "disk '%s': cannot be a SCSI unit: %s", name,
			       strerror(-rc));
	storvsp_wake(storvsp);
	return 0;
}

/* Ends a unit that was withdrawn, if nothing of it is under way. */
static void unit_end(struct storvsp *s, unsigned lun)
{
	struct storvsp_removal removal = s->removals[lun];
	struct disk *disk = NULL;

	if (!removal.wanted)
		return;
	lock(s);
	if (!scsi_unit_busy(scsi_unit_find(s->target, lun))) {
		disk = scsi_unit_remove(s->target, lun);
		unwatch_disk(s, disk);
	}
	unlock(s);
	if (disk == NULL)
		return;
	s->removals[lun] = (struct storvsp_removal){0};
	disk->ops->destroy(disk);
	if (removal.done != NULL)
		removal.done(removal.ctx);
}

int storvsp_remove(struct storvsp *storvsp, unsigned lun, void (*done)(void *ctx), void *ctx,
		   struct err *err)
{
	bool there;

	lock(storvsp);
	there = scsi_unit_find(storvsp->target, lun) != NULL && !storvsp->removals[lun].wanted;
	if (there) {
		scsi_unit_withdraw(storvsp->target, lun);
		storvsp->announce = true;
	}
	unlock(storvsp);
	if (!there)
		return err_set(err, -ENOENT, SLUG, "there is no disk at LUN %u", lun);
	storvsp->removals[lun] = (struct storvsp_removal){true, done, ctx};
	storvsp_wake(storvsp);
	unit_end(storvsp, lun);
	return 0;
}

int storvsp_resize(struct storvsp *storvsp, unsigned lun, uint64_t *ret_size, struct err *err)
{
	struct scsi_unit *unit;
	struct disk *disk;
	uint64_t before = 0, size = 0;
	int rc = -ENOENT;

	lock(storvsp);
	unit = scsi_unit_find(storvsp->target, lun);
	if (unit != NULL && !storvsp->removals[lun].wanted) {
		disk = scsi_unit_disk(unit);
		before = disk->info.size;
		rc = disk->ops->resize != NULL ? disk->ops->resize(disk) : 0;
		size = disk->info.size;
		if (size != before) {
			scsi_unit_resized(unit);
			storvsp->announce = true;
		}
	}
	unlock(storvsp);
	if (rc != 0)
		return err_set(err, rc, SLUG, "cannot look at the disk at LUN %u: %s", lun,
			       rc == -ENOENT ? "there is none" : strerror(-rc));
	storvsp_wake(storvsp);
	if (ret_size != NULL)
		*ret_size = size;
	return 0;
}

bool storvsp_stats(struct storvsp *storvsp, unsigned lun, struct scsi_stats *ret_stats,
		   struct disk_info *ret_info)
{
	const struct scsi_unit *unit;

	lock(storvsp);
	unit = scsi_unit_find(storvsp->target, lun);
	if (unit != NULL) {
		scsi_unit_stats(unit, ret_stats);
		*ret_info = scsi_unit_disk(unit)->info;
	}
	unlock(storvsp);
	return unit != NULL;
}

void storvsp_info(struct storvsp *storvsp, struct storvsp_info *ret_info)
{
	struct storvsp_info info = {0};

	lock(storvsp);
	info.ready = storvsp->state == STORVSP_READY;
	info.version = storvsp->version;
	info.commands = storvsp->n_commands;
	info.interrupts = storvsp->n_interrupts;
	info.in_flight = storvsp->n_running;
	for (unsigned i = 0; i < storvsp->opts.max_channels; i++)
		info.n_channels += storvsp->channels[i].channel != NULL;
	memcpy(info.faults, storvsp->faults, sizeof(info.faults));
	unlock(storvsp);
	*ret_info = info;
}

/* ---- What the disk thread found out ---- */

/* A disk's failure, in words; false: nothing new, or said lately. */
static bool trouble_text(struct storvsp *s, unsigned lun, char text[160])
{
	static const char *const ops[DISK_N_OPS] = {"read", "write", "flush", "discard", "zeroing"};
	uint64_t now = clock_mono_ns(), first = s->trouble_told_ns[lun];
	struct scsi_trouble t = {0};
	struct scsi_unit *unit;

	lock(s);
	unit = scsi_unit_find(s->target, lun);
	if (unit != NULL)
		scsi_unit_trouble(unit, &t);
	unlock(s);
	if (t.n == s->troubles[lun] || (first != 0 && now - first < TELL_INTERVAL_NS))
		return false;
	snprintf(text, 160, "%s at byte %llu failed: %s (%llu so far)", ops[t.op],
		 (unsigned long long)t.offset,
		 t.rc == -ENODATA ? "the image ends before it" : strerror(-t.rc),
		 (unsigned long long)t.n);
	s->troubles[lun] = t.n;
	s->trouble_told_ns[lun] = now;
	return true;
}

static void tell_troubles(struct storvsp *s)
{
	char text[160];

	for (unsigned lun = 0; lun < SCSI_MAX_LUNS; lun++)
		if (trouble_text(s, lun, text) && s->opts.trouble != NULL)
			s->opts.trouble(s->opts.ctx, lun, text);
}

static void answer_closes(struct storvsp *s)
{
	struct vmbus_channel *closed;

	for (unsigned i = 0; i < s->opts.max_channels; i++) {
		struct storvsp_channel *c = &s->channels[i];

		lock(s);
		closed = c->closing && c->n_requests == 0 ? c->channel : NULL;
		if (closed != NULL)
			c->channel = NULL;
		unlock(s);
		if (closed != NULL)
			vmbus_channel_closed(closed);
	}
}

static void offer_subchannels(struct storvsp *s)
{
	unsigned n;

	lock(s);
	n = s->n_subchannels;
	s->n_subchannels = 0;
	unlock(s);
	/* Refused when the guest closed the primary meanwhile, or no relid is left: it waits for
	 * none. */
	if (n > 0)
		(void)vmbus_device_offer_subchannels(s->device, n);
}

void storvsp_event(struct storvsp *storvsp)
{
	struct storvsp *s = storvsp;

	s->busy = true;
	drain(s->event_fd);
	answer_closes(s);
	if (!s->gone)
		offer_subchannels(s);
	for (unsigned lun = 0; lun < SCSI_MAX_LUNS; lun++)
		unit_end(s, lun);
	tell_troubles(s);
	s->busy = false;
	if (s->gone)
		finish(s);
}

int storvsp_fd(const struct storvsp *storvsp)
{
	return storvsp->event_fd;
}

/* ---- Life ---- */

static void destroy_units(struct storvsp *s)
{
	for (unsigned lun = 0; lun < SCSI_MAX_LUNS; lun++) {
		struct disk *disk;

		if (scsi_unit_find(s->target, lun) == NULL)
			continue;
		scsi_unit_withdraw(s->target, lun);
		disk = scsi_unit_remove(s->target, lun);
		disk->ops->destroy(disk);
	}
}

static void free_all(struct storvsp *s)
{
	if (s->target != NULL)
		destroy_units(s);
	scsi_target_destroy(s->target);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	if (s->event_fd >= 0)
		close(s->event_fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* The device is gone: so nothing is in flight. */
static void finish(struct storvsp *s)
{
	void (*gone)(void *ctx) = s->gone_cb;
	void *ctx = s->gone_ctx;

	thread_stop(s);
	free_all(s);
	if (gone != NULL)
		gone(ctx);
}

static int build(struct storvsp *s)
{
	int rc;

	s->target = scsi_target_create();
	if (s->target == NULL)
		return -ENOMEM;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->epoll_fd < 0 || s->wake_fd < 0 || s->event_fd < 0)
		return -errno;
	rc = watch(s, s->wake_fd, EVENT_WAKE);
	return rc == 0 && !s->opts.threadless ? thread_start(s) : rc;
}

static int offer(struct storvsp *s)
{
	struct vmbus_device_opts opts = {
		.type = VMBUS_GUID_SCSI,
		.flags = VMBUS_OFFER_ENUMERATE,
		.ops = &device_ops,
		.ctx = s,
	};

	if (s->opts.instance != NULL)
		opts.instance = *s->opts.instance;
	else
		vmbus_guid_of_name(s->opts.name, &opts.instance);
	return vmbus_device_offer(s->opts.server, &opts, &s->device);
}

int storvsp_create(const struct storvsp_opts *opts, struct storvsp **ret_storvsp, struct err *err)
{
	struct storvsp *s;
	int rc;

	if (opts->max_channels > STORVSP_MAX_CHANNELS)
		return err_set(err, -EINVAL, SLUG, "%u channels: a SCSI controller has 1 to %u",
			       opts->max_channels, STORVSP_MAX_CHANNELS);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return err_set(err, -ENOMEM, SLUG, "no memory for a SCSI controller");
	s->opts = *opts;
	if (s->opts.max_channels == 0)
		s->opts.max_channels = 1;
	s->epoll_fd = s->wake_fd = s->event_fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	for (unsigned i = 0; i < STORVSP_MAX_CHANNELS; i++) {
		s->channels[i].storvsp = s;
		TAILQ_INIT(&s->channels[i].done);
	}
	rc = build(s);
	if (rc == 0)
		rc = offer(s);
	if (rc != 0) {
		thread_stop(s);
		free_all(s);
		return err_set(err, rc, SLUG, "cannot make a SCSI controller: %s", strerror(-rc));
	}
	*ret_storvsp = s;
	return 0;
}

void storvsp_destroy(struct storvsp *storvsp, void (*gone)(void *ctx), void *ctx)
{
	if (storvsp == NULL)
		return;
	storvsp->gone_cb = gone;
	storvsp->gone_ctx = ctx;
	vmbus_device_withdraw(storvsp->device);
}
