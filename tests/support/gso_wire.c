/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A wire between two Linux stacks with our segmentation and checksums in it, and nothing else of
 * ours:
 *
 * 	gso_wire NETNS_A NETNS_B
 *
 * 	stack A ──► tap 'wire' with TSO, USO, checksum offload ──► dp_gso, dp_csum_finish ──► plain
 * tap 'wire' ──► stack B
 *
 * Creates both taps, says 'ready', and forwards after a line on standard input: a tap takes no
 * frame before it is up, and the stack that is up first speaks at once.  At SIGTERM prints what
 * went over it, as JSON.  Exit status 1 when a frame could not be done.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include <rte_mbuf.h>

#include "dataplane/csum.h"
#include "dataplane/gso.h"
#include "tests/support/mbufs.h"

#define MAX_FRAME    (66 * 1024)
#define MAX_SEGMENTS 256

/* Newer than the headers of Linux 6.1. */
#define OFFLOAD_USO (0x20 | 0x40) /* TUN_F_USO4, TUN_F_USO6 */
#define GSO_UDP_L4  5		  /* VIRTIO_NET_HDR_GSO_UDP_L4 */

static struct {
	unsigned long frames, supers, udp_supers, segments, back, failed;
} count;
static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void failed(const char *what)
{
	perror(what);
	count.failed++;
}

static int open_tap(const char *netns, bool offloads)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	unsigned features = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	char path[256];
	int fd, ns;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		die(path);
	close(ns);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		die("/dev/net/tun");
	strcpy(ifr.ifr_name, "wire");
	if (offloads)
		ifr.ifr_flags |= IFF_VNET_HDR;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		die("TUNSETIFF");
	if (offloads && ioctl(fd, TUNSETOFFLOAD, features | OFFLOAD_USO) < 0 &&
	    ioctl(fd, TUNSETOFFLOAD, features) < 0)
		die("TUNSETOFFLOAD");
	return fd;
}

/* The header's request as mbuf fields.  0 or -EBADMSG. */
static int request(struct rte_mbuf *m, const struct virtio_net_hdr *hdr)
{
	if ((hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0)
		return 0;
	if (dp_csum_request(m, hdr->csum_start, hdr->csum_offset) < 0)
		return hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE
			       ? dp_csum_complete(m, hdr->csum_start, hdr->csum_offset)
			       : -EBADMSG;
	m->tso_segsz = hdr->gso_size;
	if ((hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == GSO_UDP_L4) {
		m->ol_flags |= RTE_MBUF_F_TX_UDP_SEG;
		count.udp_supers++;
	} else if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	}
	return 0;
}

/* Sends as it is, when all requests are met.  A full queue of the stack waits. */
static void send_plain(int fd, struct rte_mbuf *m)
{
	static uint8_t bytes[MAX_FRAME];
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	uint32_t size;

	if (dp_csum_finish(m) < 0) {
		count.failed++;
		return;
	}
	size = mbufs_read(m, bytes, sizeof(bytes));
	while (write(fd, bytes, size) < 0) {
		if (errno != EAGAIN && errno != ENOBUFS) {
			failed("write to B");
			return;
		}
		poll(&p, 1, 10);
	}
}

static void forward(int to, struct rte_mbuf *m, struct rte_mempool *pool)
{
	struct rte_mbuf *out[MAX_SEGMENTS];
	int n;

	count.frames++;
	if ((m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)) == 0) {
		send_plain(to, m);
		return;
	}
	count.supers++;
	n = dp_gso(m, pool, out, MAX_SEGMENTS);
	if (n < 0) {
		fprintf(stderr, "gso: %s\n", strerror(-n));
		count.failed++;
		return;
	}
	count.segments += n;
	for (int i = 0; i < n; i++)
		send_plain(to, out[i]);
	rte_pktmbuf_free_bulk(out, n);
}

static void a_to_b(int a, int b, struct rte_mempool *pool)
{
	static uint8_t bytes[sizeof(struct virtio_net_hdr) + MAX_FRAME];
	struct virtio_net_hdr hdr;
	struct rte_mbuf *m;
	ssize_t size;

	while ((size = read(a, bytes, sizeof(bytes))) > (ssize_t)sizeof(hdr)) {
		memcpy(&hdr, bytes, sizeof(hdr));
		m = mbufs_make(pool, bytes + sizeof(hdr), size - sizeof(hdr), NULL, 0);
		if (m == NULL || request(m, &hdr) < 0)
			count.failed++;
		else
			forward(b, m, pool);
		rte_pktmbuf_free(m);
	}
}

static void b_to_a(int b, int a)
{
	static uint8_t bytes[sizeof(struct virtio_net_hdr) + MAX_FRAME];
	const size_t hdr = sizeof(struct virtio_net_hdr);
	ssize_t size;

	while ((size = read(b, bytes + hdr, sizeof(bytes) - hdr)) > 0) {
		memset(bytes, 0, hdr);
		count.back++;
		if (write(a, bytes, hdr + size) < 0)
			failed("write to A");
	}
}

int main(int argc, char **argv)
{
	struct pollfd fds[2] = {{.events = POLLIN}, {.events = POLLIN}};
	struct rte_mempool *pool;
	int c;

	if (argc != 3) {
		fprintf(stderr, "usage: gso_wire NETNS_A NETNS_B\n");
		return 2;
	}
	pool = mbufs_pool("wire", 1023, 2048);
	signal(SIGTERM, on_signal);
	fds[0].fd = open_tap(argv[1], true);
	fds[1].fd = open_tap(argv[2], false);
	printf("ready\n");
	fflush(stdout);
	while ((c = getchar()) != '\n' && c != EOF)
		continue;
	while (!stop && (poll(fds, 2, 100) >= 0 || errno == EINTR)) {
		a_to_b(fds[0].fd, fds[1].fd, pool);
		b_to_a(fds[1].fd, fds[0].fd);
	}
	printf("{\"frames\": %lu, \"supers\": %lu, \"udp_supers\": %lu, \"segments\": %lu, "
	       "\"back\": %lu, \"failed\": %lu, \"leaked\": %u}\n",
	       count.frames, count.supers, count.udp_supers, count.segments, count.back,
	       count.failed, rte_mempool_in_use_count(pool));
	return count.failed == 0 && rte_mempool_in_use_count(pool) == 0 ? 0 : 1;
}
