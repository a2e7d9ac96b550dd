/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See join.h.
 */
#include "vmbus/guest/join.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ctl/base/clock.h"
#include "vmbus/guest/vnet.h"

#define BURST	   64
#define MAX_PIECES GUEST_RX_BURST
#define SMALL	   2048 /* bytes up to which a copy is cheaper than listing pages */
#define SLEEP_MS   200
#define TYPE_VLAN  0x8100

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* To the tap. */

/* Addresses, a tag, the rest: returns how many vectors that took. */
static int with_tag(const struct guest_frame *first, uint8_t tag[4], struct iovec *iov)
{
	tag[0] = TYPE_VLAN >> 8;
	tag[1] = TYPE_VLAN & 0xff;
	tag[2] = (uint8_t)(first->vlan_tci >> 8);
	tag[3] = (uint8_t)first->vlan_tci;
	iov[0] = (struct iovec){first->data, 12};
	iov[1] = (struct iovec){tag, 4};
	iov[2] = (struct iovec){first->data + 12, first->size - 12};
	return 3;
}

/* A frame of 'n' pieces. */
static void write_frame(struct join *join, struct guest_frame *pieces, unsigned n)
{
	struct iovec iov[MAX_PIECES + 3];
	struct virtio_net_hdr hdr;
	uint8_t tag[4];
	uint32_t total = 0;
	int n_iov = 1;

	for (unsigned i = 0; i < n; i++)
		total += pieces[i].size;
	if (pieces[0].size < 14) {
		count(&join->stats.malformed);
		return;
	}
	guest_vnet_from_nic(&pieces[0], total, join->mtu, &hdr);
	if ((pieces[0].flags & GUEST_HAS_VLAN) != 0) {
		guest_vnet_tag(&hdr);
		n_iov += with_tag(&pieces[0], tag, &iov[1]);
	} else {
		iov[n_iov++] = (struct iovec){pieces[0].data, pieces[0].size};
	}
	iov[0] = (struct iovec){&hdr, sizeof(hdr)};
	for (unsigned i = 1; i < n; i++)
		iov[n_iov++] = (struct iovec){pieces[i].data, pieces[i].size};
	count(writev(join->tap_fd, iov, n_iov) < 0 ? &join->stats.tap_refused
						   : &join->stats.to_tap);
}

static unsigned to_tap(struct join *join)
{
	struct guest_frame frames[2 * GUEST_RX_BURST];
	unsigned n = guest_queue_receive(join->queue, frames, GUEST_RX_BURST);

	for (unsigned i = 0, first = 0; i < n; i++) {
		if ((frames[i].flags & GUEST_MORE) != 0)
			continue;
		write_frame(join, &frames[first], i + 1 - first);
		first = i + 1;
	}
	guest_queue_done(join->queue);
	return n;
}

/* To the NIC. */

static bool send_held(struct join *join)
{
	const struct guest_frame *f = &join->held_frame;

	/* Small ones share a section.  What is in the room stays there until it is sent. */
	if (f->size <= SMALL)
		join->held = guest_queue_send(join->queue, f, 1) != 1;
	else
		join->held = !guest_queue_send_room(join->queue, f);
	if (!join->held)
		count(&join->stats.to_nic);
	return !join->held;
}

/* Reads a frame into the room; 0: there is none, or no room. */
static ssize_t read_frame(struct join *join, struct virtio_net_hdr *hdr, uint8_t **ret_room)
{
	uint8_t *room = guest_queue_room(join->queue);
	struct iovec iov[2] = {{hdr, sizeof(*hdr)}, {room, GUEST_MAX_FRAME}};
	ssize_t size;

	if (room == NULL)
		return 0;
	size = readv(join->tap_fd, iov, 2);
	*ret_room = room;
	return size > (ssize_t)sizeof(*hdr) ? size - (ssize_t)sizeof(*hdr) : 0;
}

/* A tag that was taken out leaves a hole before the frame: a frame that is sent from the room must
 * begin where the room does. */
static void settle(struct guest_frame *f, uint8_t *room)
{
	if (f->size > SMALL && f->data != room) {
		memmove(room, f->data, f->size);
		f->data = room;
	}
}

static unsigned to_nic(struct join *join)
{
	unsigned n = 0;

	while (n < BURST && (!join->held || send_held(join))) {
		struct guest_frame *f = &join->held_frame;
		struct virtio_net_hdr hdr;
		uint8_t *room;
		ssize_t size = read_frame(join, &hdr, &room);

		if (size <= 0)
			break;
		n++;
		*f = (struct guest_frame){.data = room, .size = (uint32_t)size};
		if (guest_vnet_to_nic(&hdr, f) != 0) {
			count(&join->stats.malformed);
			continue;
		}
		settle(f, room);
		join->held = true;
	}
	if (join->held)
		(void)send_held(join);
	guest_queue_flush(join->queue);
	return n;
}

static void sleep_until_something(struct join *join)
{
	/* With a frame in hand, more from the tap is of no use. */
	bool reading = !join->held && guest_queue_room(join->queue) != NULL;
	struct pollfd fds[3] = {
		{.fd = join->call_fd, .events = POLLIN},
		{.fd = join->stop_fd, .events = POLLIN},
		{.fd = reading ? join->tap_fd : -1, .events = POLLIN},
	};

	if (guest_queue_sleep(join->queue))
		(void)poll(fds, 3, SLEEP_MS);
	guest_queue_wake(join->queue);
}

void join_run(struct join *join)
{
	uint64_t idle_since = 0;

	while (!atomic_load_explicit(join->stop, memory_order_relaxed) &&
	       !guest_net_gone(join->net)) {
		unsigned n = to_tap(join);

		n += to_nic(join);
		if (n != 0) {
			idle_since = 0;
			continue;
		}
		if (idle_since == 0)
			idle_since = clock_mono_ns();
		if (clock_mono_ns() - idle_since < join->poll_us * 1000ull)
			continue;
		sleep_until_something(join);
		idle_since = 0;
	}
}
