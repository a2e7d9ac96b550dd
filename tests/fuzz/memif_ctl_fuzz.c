/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A memif peer that says anything on the control socket, with any file.
 *
 * 	byte 0    bits: we are the server
 * 	then      records: file (1 byte: 0 none, 1 memory, 2 event, 3 pipe, 4 short memory, 5 a
 * device), length (1), as many bytes of the message (the rest is 0)
 *
 * Whatever it says, there is no crash, no buffer or file is lost, and rings of a connection that
 * stands lie inside of its memory (ASan, and the guard must not have been needed).
 */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "dataplane/memif_priv.h"
#include "tests/support/mbufs.h"

#define MEMORY (256 * 1024)

static struct rte_mempool *pool;
static int stands;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void connection_stands(void *arg)
{
	check(stands == 0);
	stands = 1;
}

static void connection_ended(void *arg)
{
	stands = 0;
}

/* Memory with a cookie wherever a small ring may begin. */
static int memory_file(void)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	const uint32_t cookie = MEMIF_COOKIE;

	check(fd >= 0 && ftruncate(fd, MEMORY) == 0);
	for (off_t at = 0; at < 16384; at += 16)
		check(pwrite(fd, &cookie, sizeof(cookie), at) == sizeof(cookie));
	return fd;
}

static int file_of(uint8_t kind)
{
	int pair[2];

	switch (kind % 6) {
	case 1:
		return memory_file();
	case 2:
		return eventfd(0, EFD_CLOEXEC);
	case 3:
		check(pipe2(pair, O_CLOEXEC) == 0);
		close(pair[0]);
		return pair[1];
	case 4:
		return memfd_create("fuzz", MFD_CLOEXEC);
	case 5:
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	default:
		return -1;
	}
}

static void use(struct dp_memif_ring *r, bool receives)
{
	struct rte_mbuf *pkts[8];
	uint16_t n = 0, ignored = 0;

	if (receives) {
		n = dp_memif_rx(r, pool, pkts, 8, &ignored);
	} else {
		pkts[0] = rte_pktmbuf_alloc(pool);
		check(pkts[0] != NULL);
		rte_pktmbuf_append(pkts[0], 60);
		dp_memif_tx(r, pkts, 1, &ignored);
		n = 1;
	}
	rte_pktmbuf_free_bulk(pkts, n);
}

static void use_all(struct memif_ctl *c)
{
	check(stands == 0 || c->connected);
	for (uint16_t i = 0; stands != 0 && i < c->n_c2s; i++)
		use(c->c2s[i], c->conf.server);
	for (uint16_t i = 0; stands != 0 && i < c->n_s2c; i++)
		use(c->s2c[i], !c->conf.server);
	check(!atomic_load(&c->regions.lost));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memif_ctl *c = calloc(1, sizeof(*c));
	size_t at = 1;
	int pair[2], before, after;

	if (pool == NULL)
		pool = mbufs_pool("memif", 255, 2048);
	signal(SIGPIPE, SIG_IGN); /* As the daemon does. */
	before = eventfd(0, 0);
	close(before);
	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	*c = (struct memif_ctl){.fd = pair[0],
				.stands = connection_stands,
				.ended = connection_ended};
	c->conf = (struct memif_conf){.n_rings = 2, .log2_ring_size = 5, .buffer_size = 2048};
	c->conf.server = size > 0 && (data[0] & 1) != 0;
	c->greeted = c->conf.server;
	stands = 0;
	while (size > at + 1 && c->fd >= 0) {
		struct memif_msg msg = {0};
		size_t n = RTE_MIN(RTE_MIN((size_t)data[at + 1], size - at - 2), sizeof(msg));
		int fd = file_of(data[at]);

		memcpy(&msg, data + at + 2, n);
		at += 2 + n;
		memif_ctl_message(c, &msg, fd);
		use_all(c);
	}
	memif_ctl_close(c);
	check(rte_mempool_in_use_count(pool) == 0);
	close(pair[1]);
	free(c);
	after = eventfd(0, 0);
	close(after);
	check(before == after); /* No file is left open. */
	return 0;
}
