/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A disk behind an NBD server, by libnbd's asynchronous calls on one connection.
 *
 * NBD takes one buffer for a request: data that lie in several pieces go by a buffer of ours.
 * Requests under way together are bounded, so those buffers are; others wait.
 *
 * libnbd calls back with its own lock held: what is done is noted there, and told afterwards.
 */
#include "hv/disk/disk_priv.h"

#include <errno.h>
#include <libnbd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <unistd.h>

#include "ctl/base/clock.h"
#include "hv/disk/qsd.h"

#define MAX_REQUESTS 64u
#define MAX_BYTES    (8u << 20) /* of buffers of ours */
#define MAX_RANGE    (1u << 30) /* of one request to trim or zero */
#define CONNECT_MS   15000

struct request {
	STAILQ_ENTRY(request) link;
	struct nbd_disk *nbd;
	struct disk_io *io;
	uint8_t *bounce;  /* NULL: the guest's memory is one piece */
	uint64_t at, now; /* of a trim or zero: bytes done; those under way */
	bool flushing;	  /* a write that is done, and made durable */
	bool told;	  /* it is in 'done' */
	int64_t cookie;	  /* libnbd's number of it, while it is on the wire */
	int rc;
};

STAILQ_HEAD(requests, request);

struct nbd_disk {
	struct disk disk;
	struct nbd_handle *handle;
	struct qsd *daemon;
	int events; /* what is watched for, of its socket */
	bool dead, fua, trim, zero;
	unsigned n_requests;
	uint64_t n_bytes;
	struct requests waiting, done;
};

static struct nbd_disk *nbd_of(struct disk *disk)
{
	return (struct nbd_disk *)(void *)disk;
}

/* ---- Data ---- */

static void bounce_fill(struct request *r)
{
	uint8_t *at = r->bounce;

	for (unsigned i = 0; i < r->io->n_iov; i++) {
		memcpy(at, r->io->iov[i].iov_base, r->io->iov[i].iov_len);
		at += r->io->iov[i].iov_len;
	}
}

static void bounce_empty(struct request *r)
{
	const uint8_t *at = r->bounce;

	for (unsigned i = 0; i < r->io->n_iov; i++) {
		memcpy(r->io->iov[i].iov_base, at, r->io->iov[i].iov_len);
		at += r->io->iov[i].iov_len;
	}
}

static bool moves_data(const struct disk_io *io)
{
	return io->op == DISK_READ || io->op == DISK_WRITE;
}

static uint64_t buffer_size(const struct disk_io *io)
{
	return moves_data(io) && io->n_iov != 1 ? io->size : 0;
}

static int bounce_make(struct request *r)
{
	uint64_t size = buffer_size(r->io);

	if (size == 0)
		return 0;
	r->bounce = malloc((size_t)size);
	if (r->bounce == NULL)
		return -ENOMEM;
	r->nbd->n_bytes += size;
	if (r->io->op == DISK_WRITE)
		bounce_fill(r);
	return 0;
}

/* ---- Requests ---- */

static void request_end(struct request *r, int rc)
{
	struct nbd_disk *nbd = r->nbd;
	struct disk_io *io = r->io;

	if (r->bounce != NULL) {
		if (rc == 0 && io->op == DISK_READ)
			bounce_empty(r);
		nbd->n_bytes -= buffer_size(io);
		free(r->bounce);
	}
	nbd->n_requests--;
	free(r);
	io->done(io, rc);
}

static void tell(struct request *r, int rc)
{
	r->rc = rc;
	r->told = true;
	STAILQ_INSERT_TAIL(&r->nbd->done, r, link);
}

/* Called by libnbd, whose lock is held.  It is not to forget the request yet (that would be 1): it
 * still reads it when a call fails in the middle (1.14), so that is done in settle(). */
static int on_done(void *ctx, int *error)
{
	tell(ctx, -*error);
	return 0;
}

static int64_t range_send(struct request *r, nbd_completion_callback done)
{
	struct nbd_disk *nbd = r->nbd;
	const struct disk_io *io = r->io;
	uint64_t left = io->size - r->at;

	r->now = left < MAX_RANGE ? left : MAX_RANGE;
	if (io->op == DISK_DISCARD)
		return nbd_aio_trim(nbd->handle, r->now, io->offset + r->at, done, 0);
	return nbd_aio_zero(nbd->handle, r->now, io->offset + r->at, done,
			    io->may_unmap ? 0 : LIBNBD_CMD_FLAG_NO_HOLE);
}

static int64_t send_io(struct request *r, nbd_completion_callback done)
{
	struct nbd_disk *nbd = r->nbd;
	const struct disk_io *io = r->io;
	void *data = r->bounce != NULL ? r->bounce : io->n_iov > 0 ? io->iov[0].iov_base : NULL;

	if (r->flushing)
		return nbd_aio_flush(nbd->handle, done, 0);
	switch (io->op) {
	case DISK_READ:
		return nbd_aio_pread(nbd->handle, data, (size_t)io->size, io->offset, done, 0);
	case DISK_WRITE:
		return nbd_aio_pwrite(nbd->handle, data, (size_t)io->size, io->offset, done,
				      io->fua && nbd->fua ? LIBNBD_CMD_FLAG_FUA : 0);
	case DISK_FLUSH:
		return nbd_aio_flush(nbd->handle, done, 0);
	case DISK_DISCARD:
	case DISK_ZERO:
	case DISK_N_OPS:
		break;
	}
	return range_send(r, done);
}

/* Puts a request on the wire, or as much of it as goes at once. */
static void request_send(struct request *r)
{
	nbd_completion_callback done = {.callback = on_done, .user_data = r};

	r->told = false;
	r->cookie = r->nbd->dead ? -1 : send_io(r, done);
	if (r->cookie < 0 && !r->told)
		tell(r, -EIO);
}

/* A part is done: what is next? */
static void request_next(struct request *r)
{
	struct disk_io *io = r->io;

	if (r->rc == 0 && (io->op == DISK_DISCARD || io->op == DISK_ZERO)) {
		r->at += r->now;
		if (r->at < io->size) {
			request_send(r);
			return;
		}
	}
	if (r->rc == 0 && io->op == DISK_WRITE && io->fua && !r->nbd->fua && !r->flushing) {
		r->flushing = true;
		request_send(r);
		return;
	}
	request_end(r, r->rc == -ESHUTDOWN || r->rc == -ENOTCONN ? -EIO : r->rc);
}

static bool has_room(const struct nbd_disk *nbd, const struct disk_io *io)
{
	if (nbd->n_requests == 0)
		return true;
	return nbd->n_requests < MAX_REQUESTS && nbd->n_bytes + buffer_size(io) <= MAX_BYTES;
}

static void request_begin(struct request *r)
{
	r->nbd->n_requests++;
	r->cookie = -1;
	if (bounce_make(r) != 0)
		tell(r, -ENOMEM);
	else
		request_send(r);
}

/* Until there is nothing to tell, nothing that waits and could go. */
static void settle(struct nbd_disk *nbd)
{
	struct request *r;

	for (;;) {
		if ((r = STAILQ_FIRST(&nbd->done)) != NULL) {
			STAILQ_REMOVE_HEAD(&nbd->done, link);
			if (r->cookie >= 0)
				(void)nbd_aio_command_completed(nbd->handle, (uint64_t)r->cookie);
			request_next(r);
		} else if ((r = STAILQ_FIRST(&nbd->waiting)) != NULL && has_room(nbd, r->io)) {
			STAILQ_REMOVE_HEAD(&nbd->waiting, link);
			request_begin(r);
		} else {
			return;
		}
	}
}

/* ---- The connection ---- */

/* What the kernel shall wake us for. */
static void watch(struct nbd_disk *nbd)
{
	unsigned direction = nbd_aio_get_direction(nbd->handle);
	int fd = nbd_aio_get_fd(nbd->handle);
	struct epoll_event event = {0};
	int events = 0;

	if (fd < 0 || nbd_aio_is_dead(nbd->handle) == 1 || nbd_aio_is_closed(nbd->handle) == 1) {
		if (!nbd->dead && fd >= 0)
			(void)epoll_ctl(nbd->disk.fd, EPOLL_CTL_DEL, fd, NULL);
		nbd->dead = true;
		return;
	}
	events |= direction & LIBNBD_AIO_DIRECTION_READ ? EPOLLIN : 0;
	events |= direction & LIBNBD_AIO_DIRECTION_WRITE ? EPOLLOUT : 0;
	if (events == nbd->events)
		return;
	event.events = (uint32_t)events;
	(void)epoll_ctl(nbd->disk.fd, EPOLL_CTL_MOD, fd, &event);
	nbd->events = events;
}

/* Moves bytes as long as the socket takes or gives some. */
static void move(struct nbd_disk *nbd)
{
	while (!nbd->dead) {
		unsigned direction = nbd_aio_get_direction(nbd->handle);
		struct pollfd socket = {.fd = nbd_aio_get_fd(nbd->handle)};
		int rc = 0;

		socket.events = (short)((direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
					(direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0));
		if (socket.fd < 0 || poll(&socket, 1, 0) <= 0)
			break;
		if (socket.revents & (POLLIN | POLLHUP | POLLERR) &&
		    direction & LIBNBD_AIO_DIRECTION_READ)
			rc = nbd_aio_notify_read(nbd->handle);
		else if (socket.revents & POLLOUT)
			rc = nbd_aio_notify_write(nbd->handle);
		else
			break;
		if (rc < 0)
			break;
	}
	watch(nbd);
}

static void op_submit(struct disk *disk, struct disk_io *io)
{
	struct nbd_disk *nbd = nbd_of(disk);
	struct request *r;

	if (io->op == DISK_DISCARD && !nbd->trim) {
		io->done(io, 0);
		return;
	}
	if (io->op == DISK_ZERO && !nbd->zero) {
		io->done(io, -EOPNOTSUPP);
		return;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		io->done(io, -ENOMEM);
		return;
	}
	r->nbd = nbd;
	r->io = io;
	STAILQ_INSERT_TAIL(&nbd->waiting, r, link);
}

static void op_kick(struct disk *disk)
{
	struct nbd_disk *nbd = nbd_of(disk);

	if (STAILQ_EMPTY(&nbd->waiting) && STAILQ_EMPTY(&nbd->done))
		return;
	settle(nbd);
	watch(nbd);
}

static void op_work(struct disk *disk)
{
	struct nbd_disk *nbd = nbd_of(disk);

	move(nbd);
	settle(nbd);
	watch(nbd);
}

static void op_destroy(struct disk *disk)
{
	struct nbd_disk *nbd = nbd_of(disk);

	if (nbd->handle != NULL) {
		if (!nbd->dead)
			(void)nbd_aio_disconnect(nbd->handle, 0);
		nbd_close(nbd->handle);
	}
	qsd_end(nbd->daemon);
	if (nbd->disk.fd >= 0)
		close(nbd->disk.fd);
	free(nbd);
}

static const struct disk_ops nbd_ops = {
	.submit = op_submit,
	.kick = op_kick,
	.work = op_work,
	.destroy = op_destroy,
};

/* ---- The beginning ---- */

/* Waits for the handshake; not for ever, and not for a daemon that is dead. */
static int handshake(struct nbd_disk *nbd, int socket)
{
	uint64_t end = clock_mono_ns() + CONNECT_MS * 1000000ull;

	if (nbd_aio_connect_socket(nbd->handle, socket) < 0)
		return -EPROTO;
	while (nbd_aio_is_connecting(nbd->handle) == 1) {
		if (clock_mono_ns() > end)
			return -ETIMEDOUT;
		if (nbd_poll(nbd->handle, 100) < 0)
			return -EPROTO;
	}
	return nbd_aio_is_ready(nbd->handle) == 1 ? 0 : -EPROTO;
}

static int refused(struct nbd_disk *nbd, const struct disk_spec *spec, int rc, struct err *err)
{
	char words[256] = "";

	if (nbd->daemon != NULL) {
		for (unsigned i = 0; i < 20 && qsd_alive(nbd->daemon); i++)
			usleep(20000);
		qsd_words(nbd->daemon, words, sizeof(words));
	}
	err_set(err, rc, DISK_SLUG, "disk '%s': cannot open its image as %s", spec->name,
		disk_format_name(spec->format));
	err_why(err, "%s",
		words[0] != 0	   ? words
		: rc == -ETIMEDOUT ? "the storage daemon does not answer"
				   : "the storage daemon ended without a word: is "
				     "qemu-storage-daemon installed (qemu-system-common)?");
	return rc;
}

static int describe(struct nbd_disk *nbd, const struct disk_spec *spec, struct err *err)
{
	struct disk_info *info = &nbd->disk.info;
	int64_t size = nbd_get_size(nbd->handle);
	int64_t unit = nbd_get_block_size(nbd->handle, LIBNBD_SIZE_PREFERRED);

	if (size < 512)
		return err_set(err, -EINVAL, DISK_SLUG,
			       "disk '%s': an image of %lld bytes holds nothing", spec->name,
			       (long long)size);
	nbd->fua = nbd_can_fua(nbd->handle) == 1;
	nbd->trim = nbd_can_trim(nbd->handle) == 1;
	nbd->zero = nbd_can_zero(nbd->handle) == 1;
	info->block_size = 512;
	info->physical_block = 4096;
	info->size = (uint64_t)size & ~511ull;
	info->read_only = spec->read_only || nbd_is_read_only(nbd->handle) == 1;
	info->write_cache = nbd_can_flush(nbd->handle) == 1;
	if (nbd->trim && !info->read_only)
		info->discard_unit = unit >= 512 && unit <= 1 << 20 && (unit & (unit - 1)) == 0
					     ? (uint32_t)unit
					     : 4096;
	return 0;
}

static int start(struct nbd_disk *nbd, const struct disk_spec *spec, int socket, struct err *err)
{
	struct epoll_event event = {0};
	int rc;

	nbd->handle = nbd_create();
	nbd->disk.fd = epoll_create1(EPOLL_CLOEXEC);
	if (nbd->handle == NULL || nbd->disk.fd < 0) {
		close(socket);
		return err_set(err, -ENOMEM, DISK_SLUG, "disk '%s': no memory", spec->name);
	}
	rc = handshake(nbd, socket); /* takes the socket */
	if (rc != 0)
		return refused(nbd, spec, rc, err);
	rc = describe(nbd, spec, err);
	if (rc != 0)
		return rc;
	if (epoll_ctl(nbd->disk.fd, EPOLL_CTL_ADD, nbd_aio_get_fd(nbd->handle), &event) != 0)
		return err_set(err, -errno, DISK_SLUG, "disk '%s': cannot wait for it: %s",
			       spec->name, strerror(errno));
	watch(nbd);
	return 0;
}

int disk_nbd_create(const struct disk_spec *spec, int socket, struct qsd *daemon,
		    struct disk **ret_disk, struct err *err)
{
	struct nbd_disk *nbd = calloc(1, sizeof(*nbd));
	int rc;

	if (nbd == NULL) {
		close(socket);
		return err_set(err, -ENOMEM, DISK_SLUG, "disk '%s': no memory", spec->name);
	}
	nbd->disk.ops = &nbd_ops;
	nbd->disk.fd = -1;
	nbd->daemon = daemon;
	STAILQ_INIT(&nbd->waiting);
	STAILQ_INIT(&nbd->done);
	rc = start(nbd, spec, socket, err);
	if (rc != 0) {
		nbd->daemon = NULL; /* stays the caller's */
		op_destroy(&nbd->disk);
		return rc;
	}
	*ret_disk = &nbd->disk;
	return 0;
}
