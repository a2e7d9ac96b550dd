/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See machine.h.
 */
#include "hv/worker/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "hv/boot.h"
#include "hv/pm.h"
#include "hv/rtc.h"
#include "hv/serial.h"
#include "hv/worker/bus.h"
#include "hv/worker/config.h"

#define SLUG	     "machine"
#define MAIL_AT_ONCE 64 /* then others of the event loop have their turn */

struct machine {
	const struct worker_config *config;
	const struct machine_ops *ops;
	void *ctx;
	int kernel_fd, initrd_fd;
	struct hv_partition *partition;
	struct hv_serial *serial;
	struct hv_rtc *rtc;
	struct hv_pm *pm;
	struct worker_bus *bus;
	struct event *mail, *alarm;

	/* A reset that waits for the bus. */
	void (*reset_done)(void *ctx, int rc, const struct err *err);
	void *reset_ctx;
};

/* ---- Mail ---- */

static void handle(struct machine *m, const struct hv_mail *mail)
{
	switch (mail->type) {
	case HV_MAIL_MESSAGE:
	case HV_MAIL_SLOT_FREE:
	case HV_MAIL_SYNIC:
		worker_bus_mail(m->bus, mail);
		break;
	case HV_MAIL_CRASH:
		m->ops->crashed(m->ctx);
		break;
	case HV_MAIL_RESET:
		m->ops->wants_reset(m->ctx);
		break;
	case HV_MAIL_POWEROFF:
		m->ops->powered_off(m->ctx);
		break;
	case HV_MAIL_FAULT:
		m->ops->fault(m->ctx, mail->text);
		break;
	case HV_MAIL_N_TYPES:
		break;
	}
}

static void on_mail(evutil_socket_t fd, short what, void *ctx)
{
	struct machine *m = ctx;
	struct hv_mailbox *box = hv_partition_mailbox(m->partition);
	struct hv_mail mail;

	for (unsigned i = 0; i < MAIL_AT_ONCE && hv_mailbox_take(box, &mail); i++)
		handle(m, &mail);
	m->ops->served(m->ctx);
}

static void on_alarm(evutil_socket_t fd, short what, void *ctx)
{
	hv_rtc_expired(ctx);
}

/* ---- Running ---- */

int machine_load(struct machine *m, struct err *err)
{
	const struct worker_config *config = m->config;
	struct hv_boot_opts opts = {
		.kernel_fd = m->kernel_fd,
		.initrd_fd = m->initrd_fd,
		.kernel = config->kernel,
		.initrd = config->initrd,
		.cmdline = config->cmdline != NULL ? config->cmdline : "",
		.n_vps = config->processors,
	};
	struct hv_start start;
	int rc = hv_boot_load(hv_partition_memory(m->partition), &opts, &start, err);

	if (rc == 0)
		hv_partition_set_start(m->partition, &start);
	return rc;
}

int machine_run(struct machine *m, struct err *err)
{
	return hv_partition_run(m->partition, err);
}

void machine_pause(struct machine *m)
{
	hv_partition_pause(m->partition);
}

/* The bus has let go: nobody but us touches the machine. */
static void reset_now(void *ctx)
{
	struct machine *m = ctx;
	void (*done)(void *ctx, int rc, const struct err *err) = m->reset_done;
	struct err err = {0};
	int rc = hv_partition_reset(m->partition, &err);

	m->reset_done = NULL;
	hv_mailbox_clear(hv_partition_mailbox(m->partition));
	hv_serial_reset(m->serial);
	hv_pm_reset(m->pm);
	hv_rtc_reset(m->rtc);
	if (rc == 0)
		rc = machine_load(m, &err);
	if (done != NULL)
		done(m->reset_ctx, rc, &err);
}

void machine_reset(struct machine *m, void (*done)(void *ctx, int rc, const struct err *err),
		   void *ctx)
{
	hv_partition_pause(m->partition);
	m->reset_done = done;
	m->reset_ctx = ctx;
	worker_bus_reset(m->bus, reset_now, m);
}

void machine_button(struct machine *m)
{
	hv_pm_button(m->pm);
}

/* ---- Making it ---- */

static int open_file(const char *path, const char *what, int *ret_fd, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0) {
		rc = err_set(err, -errno, "no-file", "cannot open the %s %s: %s", what, path,
			     strerror(errno));
		err_fix(err, "give a file that is there and readable");
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

static int open_files(struct machine *m, struct err *err)
{
	int rc = open_file(m->config->kernel, "kernel", &m->kernel_fd, err);

	if (rc == 0 && m->config->initrd != NULL)
		rc = open_file(m->config->initrd, "initrd", &m->initrd_fd, err);
	return rc;
}

static int make_partition(struct machine *m, struct err *err)
{
	const struct worker_config *config = m->config;
	struct hv_partition_opts opts = {
		.n_vps = config->processors,
		/* What it does not start with the balloon takes (dynmem.h). */
		.memory_size = config->memory_maximum,
		.pages = config->memory_pages,
		.face = config->face,
		.cpu = config->cpu,
		.nested = config->nested,
	};
	int rc = hv_partition_create(&opts, &m->partition, err);
	struct hv_board board;

	if (rc != 0)
		return rc;
	board = hv_partition_board(m->partition);
	rc = hv_serial_create(&board, &m->serial, err);
	if (rc == 0)
		rc = hv_rtc_create(&board, &m->rtc, err);
	if (rc == 0)
		rc = hv_pm_create(&board, &m->pm, err);
	return rc;
}

static void on_bus_event(void *ctx, const char *text)
{
	struct machine *m = ctx;

	m->ops->bus_event(m->ctx, text);
}

static void on_connect(void *ctx, uint32_t guest_port, uint32_t host_port)
{
	struct machine *m = ctx;

	m->ops->wants_stream(m->ctx, guest_port, host_port);
}

static int make_bus(struct machine *m, struct event_base *base, struct err *err)
{
	struct hv_mailbox *mailbox = hv_partition_mailbox(m->partition);
	struct worker_bus_opts opts = {
		.base = base,
		.face = hv_partition_face_ops(m->partition),
		.partition = m->partition,
		.mailbox = mailbox,
		.memory = &hv_partition_memory(m->partition)->map,
		.event = on_bus_event,
		.connect = on_connect,
		.ctx = m,
	};
	int rc = worker_bus_create(&opts, &m->bus, err);

	if (rc != 0)
		return rc;
	m->mail = event_new(base, hv_mailbox_fd(mailbox), EV_READ | EV_PERSIST, on_mail, m);
	m->alarm = event_new(base, hv_rtc_fd(m->rtc), EV_READ | EV_PERSIST, on_alarm, m->rtc);
	if (m->mail == NULL || event_add(m->mail, NULL) != 0 || m->alarm == NULL ||
	    event_add(m->alarm, NULL) != 0)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	return 0;
}

int machine_open(const struct worker_config *config, struct event_base *base,
		 const struct machine_ops *ops, void *ctx, struct machine **ret_machine,
		 struct err *err)
{
	struct machine *m = calloc(1, sizeof(*m));
	int rc;

	if (m == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	*m = (struct machine){
		.config = config, .ops = ops, .ctx = ctx, .kernel_fd = -1, .initrd_fd = -1};
	rc = open_files(m, err);
	if (rc == 0)
		rc = make_partition(m, err);
	if (rc == 0)
		rc = make_bus(m, base, err);
	if (rc != 0) {
		machine_destroy(m);
		return rc;
	}
	*ret_machine = m;
	return 0;
}

void machine_destroy(struct machine *m)
{
	if (m == NULL)
		return;
	if (m->partition != NULL)
		hv_partition_pause(m->partition);
	if (m->mail != NULL)
		event_free(m->mail);
	if (m->alarm != NULL)
		event_free(m->alarm);
	worker_bus_destroy(m->bus);
	hv_pm_destroy(m->pm);
	hv_rtc_destroy(m->rtc);
	hv_serial_destroy(m->serial);
	hv_partition_destroy(m->partition);
	if (m->kernel_fd >= 0)
		close(m->kernel_fd);
	if (m->initrd_fd >= 0)
		close(m->initrd_fd);
	free(m);
}

struct hv_partition *machine_partition(struct machine *m)
{
	return m->partition;
}

struct hv_serial *machine_serial(struct machine *m)
{
	return m->serial;
}

struct worker_bus *machine_bus(struct machine *m)
{
	return m->bus;
}
