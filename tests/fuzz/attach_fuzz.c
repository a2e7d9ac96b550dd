/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A VM's worker that says anything on a NIC's attach socket, with any descriptors, and its guest
 * that writes anything into its memory meanwhile.  The input is a list of steps:
 *
 * 	0  a message as it is: descriptors (1), length (1), bytes behind the header's size
 * 	1  a HELLO that is right; bit 0 of the next byte: with the state of the last WELCOME
 * 	2  READY
 * 	3  GPADL: id (1), first page (1), pages (1)
 * 	4  OPEN: relid (1), sub-channel (1), GPADL (1), offset (1), bit 0: resumed, descriptors (1)
 * 	5  CLOSE: relid (1)
 * 	6  GPADL_TEARDOWN: id (1)
 * 	7  guest memory: page (1), offset / 8 (1), 8 bytes
 * 	8  frames: the port receives and sends
 * 	9  the connection ends, another begins
 *
 * Whatever it says there is no crash, and no buffer, descriptor or memory is lost.
 */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "ctl/base/wire.h"
#include "dataplane/dp.h"
#include "dataplane/watch.h"
#include "tests/support/test_dp.h"
#include "vmbus/attach.h"
#include "vmq/nic.h"

#define PAGES	 32
#define PAGE	 4096u
#define MAX_STEP 64

static struct dp *dp;
static struct dp_port *port;
static char path[64];
static uint8_t *memory;
static int memory_fd, state_fd = -1, fd = -1;

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* The socket and its folder do not stay. */
static void stop(void)
{
	char *slash = strrchr(path, '/');

	dp_port_close(port);
	*slash = '\0';
	(void)rmdir(path);
}

static void start(void)
{
	struct dp_port_opts opts = {.name = "fuzz",
				    .kind = "vmbus",
				    .ops = &vmq_port_ops,
				    .socket = path,
				    .netns_fd = -1,
				    .has_mac = true,
				    .mac = {{2, 0, 0, 0, 0, 1}},
				    .offloads = true};
	char dir[] = "/tmp/attach-fuzz.XXXXXX";
	struct err err = {0};

	signal(SIGPIPE, SIG_IGN);
	dp = test_dp_create(1024);
	check(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/s", dir);
	check(dp_port_open(dp, &opts, &port, &err) == 0);
	memory_fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	check(ftruncate(memory_fd, PAGES * PAGE) == 0);
	check(fcntl(memory_fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	check(memory != MAP_FAILED);
	check(atexit(stop) == 0);
}

static void hang_up(void)
{
	if (fd >= 0)
		close(fd);
	fd = -1;
	dp_watch_run(dp);
	dp_watch_run(dp);
}

static void dial(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	hang_up();
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	check(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0);
	dp_watch_run(dp);
}

static void hear(void)
{
	static uint8_t buf[VMBUS_ATTACH_MAX_SIZE];
	int fds[VMBUS_ATTACH_MAX_FDS];
	struct vmbus_attach_msg msg;

	while (vmbus_attach_recv(fd, false, buf, &msg, fds) == 0) {
		if (msg.type != VMBUS_ATTACH_WELCOME)
			continue;
		if (state_fd >= 0)
			close(state_fd);
		state_fd = fds[0];
	}
}

static void say(const struct vmbus_attach_msg *msg, const int *fds, unsigned n)
{
	(void)vmbus_attach_send(fd, msg, fds, n);
	dp_watch_run(dp);
	dp_watch_run(dp);
	hear();
}

/* 'kinds' says what the two descriptors are. */
static void pick_fds(uint8_t kinds, int fds[2])
{
	for (int i = 0; i < 2; i++, kinds >>= 2)
		fds[i] = (kinds & 3) == 0   ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
			 : (kinds & 3) == 1 ? eventfd(1, EFD_CLOEXEC)
			 : (kinds & 3) == 2 ? memfd_create("fuzz", MFD_CLOEXEC)
					    : open("/dev/zero", O_RDWR | O_CLOEXEC);
}

static void say_raw(struct rd *rd)
{
	uint8_t bytes[8 + 255] = {0}, kinds = rd_u8(rd), n = rd_u8(rd);
	union {
		struct cmsghdr hdr;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = {.hdr = {.cmsg_len = CMSG_LEN(2 * sizeof(int)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS}};
	struct iovec iov = {.iov_base = bytes, .iov_len = 8u + n};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[2];

	bytes[0] = kinds >> 4 != 0 ? kinds >> 4 : VMBUS_ATTACH_EVENT;
	bytes[4] = (uint8_t)(8 + n);
	bytes[5] = (uint8_t)((8 + n) >> 8);
	rd_copy(rd, bytes + 8, n);
	pick_fds(kinds, fds);
	memcpy(CMSG_DATA(&control.hdr), fds, sizeof(fds));
	if (bytes[0] == VMBUS_ATTACH_OPEN || bytes[0] == VMBUS_ATTACH_EVENT) {
		mh.msg_control = &control;
		mh.msg_controllen = sizeof(control);
	}
	if (bytes[0] == VMBUS_ATTACH_EVENT) {
		control.hdr.cmsg_len = CMSG_LEN(sizeof(int));
		mh.msg_controllen = CMSG_SPACE(sizeof(int));
	}
	(void)sendmsg(fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fds[0]);
	close(fds[1]);
	dp_watch_run(dp);
	hear();
}

static void say_hello(bool with_state)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_HELLO};
	int fds[2] = {memory_fd, state_fd};

	with_state = with_state && state_fd >= 0;
	msg.hello.min_version = msg.hello.max_version = VMBUS_ATTACH_VERSION;
	msg.hello.flags = with_state ? VMBUS_ATTACH_HAS_STATE : 0;
	msg.hello.n_memory = 1;
	msg.hello.memory[0].size = PAGES * PAGE;
	say(&msg, fds, with_state ? 2 : 1);
}

static void say_gpadl(struct rd *rd)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_GPADL};
	uint64_t pfns[255], first;

	msg.gpadl.id = rd_u8(rd);
	first = rd_u8(rd);
	msg.gpadl.n_pfns = rd_u8(rd);
	msg.gpadl.byte_count = msg.gpadl.n_pfns * PAGE;
	for (uint32_t i = 0; i < msg.gpadl.n_pfns; i++)
		pfns[i] = first + i;
	msg.gpadl.pfns = pfns;
	say(&msg, NULL, 0);
}

static void say_open(struct rd *rd)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_OPEN};
	int fds[2];

	msg.open.relid = rd_u8(rd);
	msg.open.sub_index = rd_u8(rd);
	msg.open.ring_gpadl = rd_u8(rd);
	msg.open.ring_offset = rd_u8(rd);
	msg.open.resumed = (rd_u8(rd) & 1) != 0;
	msg.open.monitor_id = 0xff;
	pick_fds(rd_u8(rd), fds);
	say(&msg, fds, 2);
	close(fds[0]);
	close(fds[1]);
}

static void say_number(enum vmbus_attach_type type, uint8_t number)
{
	struct vmbus_attach_msg msg = {.type = type};

	if (type == VMBUS_ATTACH_CLOSE)
		msg.channel.relid = number;
	else if (type == VMBUS_ATTACH_GPADL_TEARDOWN)
		msg.gpadl_ref.id = number;
	say(&msg, NULL, 0);
}

static void write_memory(struct rd *rd)
{
	unsigned page = rd_u8(rd) % PAGES, at = rd_u8(rd) * 8u;

	rd_copy(rd, memory + page * PAGE + at, 8);
}

static void frames(void)
{
	struct rte_mbuf *pkts[DP_BURST], *m = rte_pktmbuf_alloc(dp_pool(dp, 60, false));
	uint16_t n = port->rxq[0].rx(&port->rxq[0], pkts, DP_BURST);

	rte_pktmbuf_free_bulk(pkts, n);
	check(m != NULL);
	memset(rte_pktmbuf_append(m, 60), 0xff, 60);
	if (port->tx(&port->txq[0], &m, 1) == 0)
		rte_pktmbuf_free(m);
	(void)port->rxq[0].arm(&port->rxq[0]);
	dp_watch_run(dp);
	hear();
}

static void step(struct rd *rd)
{
	switch (rd_u8(rd) % 10) {
	case 0:
		say_raw(rd);
		break;
	case 1:
		say_hello((rd_u8(rd) & 1) != 0);
		break;
	case 2:
		say_number(VMBUS_ATTACH_READY, 0);
		break;
	case 3:
		say_gpadl(rd);
		break;
	case 4:
		say_open(rd);
		break;
	case 5:
		say_number(VMBUS_ATTACH_CLOSE, rd_u8(rd));
		break;
	case 6:
		say_number(VMBUS_ATTACH_GPADL_TEARDOWN, rd_u8(rd));
		break;
	case 7:
		write_memory(rd);
		break;
	case 8:
		frames();
		break;
	default:
		dial();
		break;
	}
}

static int lowest_fd(void)
{
	int lowest = eventfd(0, EFD_CLOEXEC);

	close(lowest);
	return lowest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd rd = rd_init(data, size);
	int before;

	if (dp == NULL)
		start();
	before = lowest_fd();
	memset(memory, 0, PAGES * PAGE);
	dial();
	for (unsigned i = 0; i < MAX_STEP && rd.left > 0; i++)
		step(&rd);
	hang_up();
	if (state_fd >= 0)
		close(state_fd);
	state_fd = -1;
	check(lowest_fd() == before);
	check(test_dp_in_use(dp) == 0);
	return 0;
}
