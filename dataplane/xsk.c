/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Opening and closing AF_XDP sockets; see xsk.h.  Frames are moved in xsk_path.c.
 */
#include "dataplane/xsk_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* After a socket is closed the kernel lets go of its queue a little later. */
#define BIND_TRIES    200
#define BIND_PAUSE_NS 5000000

static int set_option(int fd, int option, const void *value, socklen_t size)
{
	return setsockopt(fd, SOL_XDP, option, value, size) != 0 ? -errno : 0;
}

static int make_umem(struct dp_xsk *xsk, const struct dp_xsk_opts *opts)
{
	struct xdp_umem_reg reg;

	xsk->frame_size = opts->frame_size;
	xsk->umem_size = (size_t)opts->frame_size * (opts->n_rx + opts->n_tx);
	xsk->umem = mmap(NULL, xsk->umem_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	if (xsk->umem == MAP_FAILED) {
		xsk->umem = NULL;
		return -ENOMEM;
	}
	/* Newer kernels read what is padding in older headers. */
	memset(&reg, 0, sizeof(reg));
	reg.addr = (uintptr_t)xsk->umem;
	reg.len = xsk->umem_size;
	reg.chunk_size = opts->frame_size;
	return set_option(xsk->fd, XDP_UMEM_REG, &reg, sizeof(reg));
}

static int size_rings(const struct dp_xsk *xsk, const struct dp_xsk_opts *opts)
{
	int rc = set_option(xsk->fd, XDP_UMEM_FILL_RING, &opts->n_rx, sizeof(opts->n_rx));

	if (rc == 0)
		rc = set_option(xsk->fd, XDP_RX_RING, &opts->n_rx, sizeof(opts->n_rx));
	if (rc == 0)
		rc = set_option(xsk->fd, XDP_UMEM_COMPLETION_RING, &opts->n_tx, sizeof(opts->n_tx));
	if (rc == 0)
		rc = set_option(xsk->fd, XDP_TX_RING, &opts->n_tx, sizeof(opts->n_tx));
	return rc;
}

static int map_ring(int fd, struct dp_xsk_ring *r, const struct xdp_ring_offset *off, uint32_t size,
		    size_t entry_size, uint64_t where)
{
	uint8_t *map;

	r->map_size = off->desc + size * entry_size;
	map = mmap(NULL, r->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
		   (off_t)where);
	if (map == MAP_FAILED)
		return -errno;
	r->map = map;
	r->producer = (uint32_t *)(void *)(map + off->producer);
	r->consumer = (uint32_t *)(void *)(map + off->consumer);
	r->flags = (uint32_t *)(void *)(map + off->flags);
	r->entries = map + off->desc;
	r->size = size;
	r->mask = size - 1;
	return 0;
}

static int map_rings(struct dp_xsk *xsk, const struct dp_xsk_opts *opts)
{
	struct xdp_mmap_offsets off;
	socklen_t size = sizeof(off);
	int rc;

	if (getsockopt(xsk->fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &size) != 0)
		return -errno;
	if (size != sizeof(off))
		return -ENOTSUP; /* Linux before 5.4 has no wake-up flags. */
	rc = map_ring(xsk->fd, &xsk->fill, &off.fr, opts->n_rx, sizeof(uint64_t),
		      XDP_UMEM_PGOFF_FILL_RING);
	if (rc == 0)
		rc = map_ring(xsk->fd, &xsk->rx, &off.rx, opts->n_rx, sizeof(struct xdp_desc),
			      XDP_PGOFF_RX_RING);
	if (rc == 0)
		rc = map_ring(xsk->fd, &xsk->completion, &off.cr, opts->n_tx, sizeof(uint64_t),
			      XDP_UMEM_PGOFF_COMPLETION_RING);
	if (rc == 0)
		rc = map_ring(xsk->fd, &xsk->tx, &off.tx, opts->n_tx, sizeof(struct xdp_desc),
			      XDP_PGOFF_TX_RING);
	return rc;
}

/* The first half of the umem goes to the kernel, the second to our stack. */
static int deal_frames(struct dp_xsk *xsk, const struct dp_xsk_opts *opts)
{
	xsk->free_frames = calloc(opts->n_tx, sizeof(*xsk->free_frames));
	if (xsk->free_frames == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < opts->n_rx; i++)
		*dp_xsk_ring_addr(&xsk->fill, i) = (uint64_t)i * opts->frame_size;
	dp_xsk_ring_put(&xsk->fill, opts->n_rx);
	for (uint32_t i = 0; i < opts->n_tx; i++)
		xsk->free_frames[i] = (uint64_t)(opts->n_rx + i) * opts->frame_size;
	xsk->n_free = opts->n_tx;
	return 0;
}

static int bind_once(const struct dp_xsk *xsk, const struct dp_xsk_opts *opts, uint16_t flags)
{
	const struct sockaddr_xdp addr = {.sxdp_family = AF_XDP,
					  .sxdp_flags = flags | XDP_USE_NEED_WAKEUP,
					  .sxdp_ifindex = (uint32_t)opts->ifindex,
					  .sxdp_queue_id = opts->queue};

	return bind(xsk->fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0 ? -errno : 0;
}

/* The kernel falls back to copying when the driver has no zero-copy, but not when the driver tries
 * and fails. */
static int bind_queue(const struct dp_xsk *xsk, const struct dp_xsk_opts *opts)
{
	const struct timespec pause = {.tv_nsec = BIND_PAUSE_NS};
	int rc = bind_once(xsk, opts, 0);

	for (int i = 0; i < BIND_TRIES && rc == -EBUSY; i++) {
		nanosleep(&pause, NULL);
		rc = bind_once(xsk, opts, 0);
	}
	if (rc != 0 && rc != -EBUSY && rc != -ENETDOWN)
		rc = bind_once(xsk, opts, XDP_COPY);
	return rc;
}

int dp_xsk_open(struct dp_xsk *xsk, const struct dp_xsk_opts *opts)
{
	int rc;

	memset(xsk, 0, sizeof(*xsk));
	xsk->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (xsk->fd < 0)
		return -errno;
	rc = make_umem(xsk, opts);
	if (rc == 0)
		rc = size_rings(xsk, opts);
	if (rc == 0)
		rc = map_rings(xsk, opts);
	if (rc == 0)
		rc = deal_frames(xsk, opts);
	if (rc == 0)
		rc = bind_queue(xsk, opts);
	if (rc != 0)
		dp_xsk_close(xsk);
	return rc;
}

static void unmap_ring(struct dp_xsk_ring *r)
{
	if (r->map != NULL)
		munmap(r->map, r->map_size);
}

void dp_xsk_close(struct dp_xsk *xsk)
{
	/* Mapped rings hold the socket. */
	unmap_ring(&xsk->rx);
	unmap_ring(&xsk->fill);
	unmap_ring(&xsk->tx);
	unmap_ring(&xsk->completion);
	if (xsk->fd > 0)
		close(xsk->fd);
	if (xsk->umem != NULL)
		munmap(xsk->umem, xsk->umem_size);
	free(xsk->free_frames);
	free(xsk->back.addrs);
	memset(xsk, 0, sizeof(*xsk));
}

/* ---- Sides ---- */

static int make_back(struct dp_xsk_back *back, uint32_t n)
{
	if (back->addrs == NULL)
		back->addrs = calloc(n, sizeof(*back->addrs));
	return back->addrs != NULL ? 0 : -ENOMEM;
}

static int map_side(struct dp_xsk_side *side, uint32_t n_rx)
{
	struct xdp_mmap_offsets off;
	socklen_t size = sizeof(off);

	if (getsockopt(side->fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &size) != 0)
		return -errno;
	return map_ring(side->fd, &side->rx, &off.rx, n_rx, sizeof(struct xdp_desc),
			XDP_PGOFF_RX_RING);
}

int dp_xsk_side_open(struct dp_xsk_side *side, struct dp_xsk *of, int ifindex, uint32_t queue,
		     uint32_t n_rx)
{
	const struct sockaddr_xdp addr = {.sxdp_family = AF_XDP,
					  .sxdp_flags = XDP_SHARED_UMEM,
					  .sxdp_ifindex = (uint32_t)ifindex,
					  .sxdp_queue_id = queue,
					  .sxdp_shared_umem_fd = (uint32_t)of->fd};
	int rc;

	memset(side, 0, sizeof(*side));
	side->of = of;
	side->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (side->fd < 0)
		return -errno;
	rc = make_back(&of->back, of->fill.size);
	if (rc == 0)
		rc = make_back(&side->back, of->fill.size);
	if (rc == 0)
		rc = set_option(side->fd, XDP_RX_RING, &n_rx, sizeof(n_rx));
	if (rc == 0)
		rc = map_side(side, n_rx);
	if (rc == 0 && bind(side->fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0)
		rc = -errno;
	if (rc != 0)
		dp_xsk_side_close(side);
	return rc;
}

void dp_xsk_side_close(struct dp_xsk_side *side)
{
	unmap_ring(&side->rx);
	if (side->fd > 0)
		close(side->fd);
	free(side->back.addrs);
	memset(side, 0, sizeof(*side));
}

bool dp_xsk_is_zero_copy(const struct dp_xsk *xsk)
{
	struct xdp_options options = {0};
	socklen_t size = sizeof(options);

	return getsockopt(xsk->fd, SOL_XDP, XDP_OPTIONS, &options, &size) == 0 &&
	       (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
}

void dp_xsk_add_stats(const struct dp_xsk *xsk, struct xdp_statistics *sum)
{
	struct xdp_statistics one = {0};
	socklen_t size = sizeof(one);

	if (getsockopt(xsk->fd, SOL_XDP, XDP_STATISTICS, &one, &size) != 0)
		return;
	sum->rx_dropped += one.rx_dropped;
	sum->rx_invalid_descs += one.rx_invalid_descs;
	sum->tx_invalid_descs += one.tx_invalid_descs;
	sum->rx_ring_full += one.rx_ring_full;
	sum->rx_fill_ring_empty_descs += one.rx_fill_ring_empty_descs;
	sum->tx_ring_empty_descs += one.tx_ring_empty_descs;
}
