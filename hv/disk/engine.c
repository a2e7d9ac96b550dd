/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See engine.h.
 */
#include "hv/disk/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLUG	"disk"
#define ENTRIES 256u /* calls that begin together */
#define IN_RING 512u /* calls under way: no completion is ever lost */
#define N_CALLS (DISK_CALL_FALLOCATE + 1)

STAILQ_HEAD(calls, disk_op_call);

struct disk_engine {
	bool in_place;
	struct io_uring ring;
	unsigned n_queued;  /* in the ring, not shown to the kernel */
	unsigned n_in_ring; /* those, and those under way */
	struct calls waiting;
	uint64_t n_calls[N_CALLS];
};

/* ---- In place ---- */

static int64_t result_of(int64_t rc)
{
	return rc < 0 ? -errno : rc;
}

static int64_t call_in_place(const struct disk_op_call *c)
{
	switch (c->call) {
	case DISK_CALL_READ:
		return result_of(preadv(c->fd, c->iov, (int)c->n_iov, (off_t)c->offset));
	case DISK_CALL_WRITE:
		return result_of(pwritev(c->fd, c->iov, (int)c->n_iov, (off_t)c->offset));
	case DISK_CALL_WRITE_SYNC:
		return result_of(
			pwritev2(c->fd, c->iov, (int)c->n_iov, (off_t)c->offset, RWF_DSYNC));
	case DISK_CALL_DATASYNC:
		return result_of(fdatasync(c->fd));
	case DISK_CALL_FALLOCATE:
		return result_of(fallocate(c->fd, c->mode, (off_t)c->offset, (off_t)c->size));
	}
	return -EINVAL;
}

/* ---- By the ring ---- */

static void prepare(struct io_uring_sqe *sqe, struct disk_op_call *c)
{
	switch (c->call) {
	case DISK_CALL_READ:
		io_uring_prep_readv(sqe, c->fd, c->iov, c->n_iov, c->offset);
		break;
	case DISK_CALL_WRITE:
		io_uring_prep_writev(sqe, c->fd, c->iov, c->n_iov, c->offset);
		break;
	case DISK_CALL_WRITE_SYNC:
		io_uring_prep_writev2(sqe, c->fd, c->iov, c->n_iov, c->offset, RWF_DSYNC);
		break;
	case DISK_CALL_DATASYNC:
		io_uring_prep_fsync(sqe, c->fd, IORING_FSYNC_DATASYNC);
		break;
	case DISK_CALL_FALLOCATE:
		io_uring_prep_fallocate(sqe, c->fd, c->mode, (off_t)c->offset, (off_t)c->size);
		break;
	}
	io_uring_sqe_set_data(sqe, c);
}

/* False: the ring is full. */
static bool queue(struct disk_engine *e, struct disk_op_call *c)
{
	struct io_uring_sqe *sqe;

	if (e->n_in_ring == IN_RING)
		return false;
	sqe = io_uring_get_sqe(&e->ring);
	if (sqe == NULL) {
		disk_engine_kick(e);
		sqe = io_uring_get_sqe(&e->ring);
		if (sqe == NULL)
			return false;
	}
	prepare(sqe, c);
	e->n_queued++;
	e->n_in_ring++;
	return true;
}

void disk_engine_call(struct disk_engine *engine, struct disk_op_call *call)
{
	engine->n_calls[call->call]++;
	if (engine->in_place)
		call->done(call, call_in_place(call));
	else if (!STAILQ_EMPTY(&engine->waiting) || !queue(engine, call))
		STAILQ_INSERT_TAIL(&engine->waiting, call, link);
}

/* What the kernel does not take now (it is short of memory) it takes with the next batch: work()
 * comes here too. */
void disk_engine_kick(struct disk_engine *engine)
{
	int n;

	if (engine->in_place || engine->n_queued == 0)
		return;
	n = io_uring_submit(&engine->ring);
	if (n > 0)
		engine->n_queued -= (unsigned)n;
}

static void begin_waiting(struct disk_engine *e)
{
	struct disk_op_call *c;

	while ((c = STAILQ_FIRST(&e->waiting)) != NULL && queue(e, c))
		STAILQ_REMOVE_HEAD(&e->waiting, link);
}

void disk_engine_work(struct disk_engine *engine)
{
	struct io_uring_cqe *cqe;

	if (engine->in_place)
		return;
	while (io_uring_peek_cqe(&engine->ring, &cqe) == 0) {
		struct disk_op_call *c = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&engine->ring, cqe);
		engine->n_in_ring--;
		c->done(c, result);
	}
	begin_waiting(engine);
	disk_engine_kick(engine);
}

int disk_engine_fd(const struct disk_engine *engine)
{
	return engine->in_place ? -1 : engine->ring.ring_fd;
}

uint64_t disk_engine_calls(const struct disk_engine *engine, enum disk_call call)
{
	return engine->n_calls[call];
}

/* ---- Life ---- */

/* Only what we do: a ring opens and connects as well as it reads, and no filter of system calls
 * sees that. */
static int restrict_ring(struct io_uring *ring)
{
	static const uint8_t ops[] = {IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
				      IORING_OP_FALLOCATE};
	struct io_uring_restriction restrictions[sizeof(ops)] = {0};

	for (unsigned i = 0; i < sizeof(ops); i++) {
		restrictions[i].opcode = IORING_RESTRICTION_SQE_OP;
		restrictions[i].sqe_op = ops[i];
	}
	/* liburing has these two from 2.4 on only. */
	if (syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS,
		    restrictions, sizeof(ops)) < 0 ||
	    syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) <
		    0)
		return -errno;
	return 0;
}

static int ring_create(struct io_uring *ring)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
		.cq_entries = IN_RING,
	};
	int rc = io_uring_queue_init_params(ENTRIES, ring, &params);

	if (rc < 0)
		return rc;
	rc = restrict_ring(ring);
	if (rc < 0)
		io_uring_queue_exit(ring);
	return rc;
}

int disk_engine_create(bool in_place, struct disk_engine **ret_engine, struct err *err)
{
	struct disk_engine *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return err_set(err, -ENOMEM, SLUG, "no memory for the I/O of disks");
	STAILQ_INIT(&e->waiting);
	e->in_place = in_place || ring_create(&e->ring) < 0;
	*ret_engine = e;
	return 0;
}

void disk_engine_destroy(struct disk_engine *engine)
{
	if (engine == NULL)
		return;
	if (!engine->in_place)
		io_uring_queue_exit(&engine->ring);
	free(engine);
}
