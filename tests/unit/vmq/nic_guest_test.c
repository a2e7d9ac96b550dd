/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A NIC and its guest, on the rings: control messages go in and are answered, by way of worker and
 * control thread, both of which this test plays.  Guests here do what drivers do not.
 *
 * Guest memory: pages 0-7 rings, 8-39 receive buffer, 40-47 send buffer, 48 a control message.
 */
#include "vmq/nic_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_mbuf.h>

#include "dataplane/watch.h"
#include "tests/support/test_dp.h"
#include "vmbus/nvsp.h"
#include "vmbus/oid.h"
#include "vmbus/packet.h"
#include "vmbus/rndis.h"
#include "vmq/control.h"

#define PAGES	   64
#define RELID	   7
#define RING_ID	   1001
#define RING_PAGES 8
#define RECV_ID	   1002
#define RECV_PAGE  8
#define RECV_PAGES 32
#define SEND_ID	   1003
#define SEND_PAGE  40
#define SEND_PAGES 8
#define MSG_PAGE   48
#define TURNS	   50

static struct dp *dp;
static struct dp_port *port;
static char dir[64], path[96];
static int memory_fd, fd, state_fd, kick_fd, call_fd;
static uint8_t *memory;
static uint8_t buf[VMBUS_ATTACH_MAX_SIZE];

/* The guest. */
static struct vmbus_out out;
static struct vmbus_in in;
static uint64_t next_id;
static uint32_t next_request;
static struct nvsp_msg answer; /* the last completion, if it had a payload */
static uint64_t answered;      /* its number */
static unsigned n_answers;
static uint8_t reply[RNDIS_REPLY_MAX]; /* the last RNDIS message that was no indication */
static size_t reply_size;
static unsigned n_replies, n_connects, n_disconnects;
static bool link_is_up; /* as it was told last */
static bool hold;	/* does not give sections back */
static uint64_t held[128];
static unsigned n_held;

/* ---- The switch and the worker ---- */

static void open_port(void)
{
	struct dp_port_opts opts = {.name = "web1",
				    .kind = "vmbus",
				    .ops = &vmq_port_ops,
				    .socket = path,
				    .netns_fd = -1,
				    .has_mac = true,
				    .mac = {{2, 0, 0, 0, 0, 1}},
				    .n_queues = 4,
				    .offloads = true};
	struct err err = {0};

	assert_int_equal(dp_port_open(dp, &opts, &port, &err), 0);
}

static void control_turn(void)
{
	for (int i = 0; i < 4; i++)
		dp_watch_run(dp);
}

static void say(const struct vmbus_attach_msg *msg, const int *fds, unsigned n)
{
	assert_int_equal(vmbus_attach_send(fd, msg, fds, n), 0);
	control_turn();
}

/* The next message of the switch of that type; others are passed over. */
static void expect(enum vmbus_attach_type type)
{
	struct vmbus_attach_msg msg;
	int fds[VMBUS_ATTACH_MAX_FDS];

	do {
		assert_int_equal(vmbus_attach_recv(fd, false, buf, &msg, fds), 0);
		if (msg.type == VMBUS_ATTACH_WELCOME)
			state_fd = fds[0];
	} while (msg.type != type);
}

static void dial(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.90s", path);
	assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	dp_watch_run(dp);
}

static void say_hello(bool with_state)
{
	int fds[2] = {memory_fd, state_fd};
	struct vmbus_attach_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.type = VMBUS_ATTACH_HELLO;
	msg.hello.min_version = msg.hello.max_version = VMBUS_ATTACH_VERSION;
	msg.hello.flags = with_state ? VMBUS_ATTACH_HAS_STATE : 0;
	msg.hello.n_memory = 1;
	msg.hello.memory[0].size = PAGES * GPA_PAGE_SIZE;
	strcpy(msg.hello.who, "nic_guest_test");
	say(&msg, fds, with_state ? 2 : 1);
	if (with_state)
		close(state_fd);
	expect(VMBUS_ATTACH_WELCOME);
}

static void say_type(enum vmbus_attach_type type)
{
	struct vmbus_attach_msg msg = {.type = type};

	say(&msg, NULL, 0);
}

static void say_gpadl(uint32_t id, uint64_t first, uint32_t n)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_GPADL};
	uint64_t pfns[PAGES];

	for (uint32_t i = 0; i < n; i++)
		pfns[i] = first + i;
	msg.gpadl.id = id;
	msg.gpadl.relid = RELID;
	msg.gpadl.n_pfns = n;
	msg.gpadl.byte_count = n * GPA_PAGE_SIZE;
	msg.gpadl.pfns = pfns;
	say(&msg, NULL, 0);
}

static void take_back(uint32_t id)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_GPADL_TEARDOWN};

	msg.gpadl_ref.id = id;
	msg.gpadl_ref.relid = RELID;
	say(&msg, NULL, 0);
	expect(VMBUS_ATTACH_GPADL_RELEASED);
}

static void say_gpadls(void)
{
	say_gpadl(RING_ID, 0, RING_PAGES);
	say_gpadl(RECV_ID, RECV_PAGE, RECV_PAGES);
	say_gpadl(SEND_ID, SEND_PAGE, SEND_PAGES);
}

static void say_open(bool resumed)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_OPEN};
	int fds[2] = {kick_fd, call_fd};

	msg.open.relid = RELID;
	msg.open.ring_gpadl = RING_ID;
	msg.open.ring_offset = RING_PAGES / 2;
	msg.open.monitor_id = 0xff;
	msg.open.resumed = resumed;
	say(&msg, fds, 2);
}

/* ---- The guest ---- */

static struct vmbus_ring ring_at(unsigned page)
{
	uint8_t *va = memory + page * GPA_PAGE_SIZE;

	return (struct vmbus_ring){.hdr = (struct vmbus_ring_hdr *)(void *)va,
				   .data = va + GPA_PAGE_SIZE,
				   .size = (RING_PAGES / 2 - 1) * GPA_PAGE_SIZE};
}

static void on_completion(const struct vmbus_packet *p)
{
	uint8_t bytes[NVSP_MSG_MAX];

	answered = p->desc.transaction_id;
	n_answers++;
	memset(&answer, 0, sizeof(answer));
	if (p->payload_size > 0) {
		assert_true(p->payload_size <= sizeof(bytes));
		assert_true(vmbus_in_copy(&in, p, p->header_size, bytes, p->payload_size));
		assert_int_equal(nvsp_read(bytes, p->payload_size, false, &answer), 0);
	}
}

static void on_rndis(const uint8_t *msg, uint32_t size)
{
	struct rndis_msg m;

	assert_int_equal(rndis_read(msg, size, &m), 0);
	if (m.type == RNDIS_INDICATE_STATUS) {
		n_connects += m.status == RNDIS_STATUS_CONNECT;
		n_disconnects += m.status == RNDIS_STATUS_DISCONNECT;
		if (m.status != RNDIS_STATUS_SPEED)
			link_is_up = m.status == RNDIS_STATUS_CONNECT;
		return;
	}
	assert_true(size <= sizeof(reply));
	memcpy(reply, msg, size);
	reply_size = size;
	n_replies++;
}

static void give_back(uint64_t id)
{
	struct nvsp_rndis_complete done = {NVSP_RNDIS_COMPLETE, NVSP_STATUS_SUCCESS};

	vmbus_out_begin(&out);
	assert_int_equal(vmbus_out_put(&out, VMBUS_PKT_COMPLETION, 0, id, NULL, 0, &done,
				       sizeof(done)),
			 0);
	vmbus_out_end(&out);
}

static void on_transfer(const struct vmbus_packet *p)
{
	struct vmbus_range range;
	uint16_t set;

	assert_int_equal(vmbus_transfer_read(&in, p, &set, &range, 1), 1);
	assert_int_equal(set, NVSP_RECV_BUF_ID);
	assert_true(range.offset + range.size <= RECV_PAGES * GPA_PAGE_SIZE);
	on_rndis(memory + RECV_PAGE * GPA_PAGE_SIZE + range.offset, range.size);
	if (!hold)
		give_back(p->desc.transaction_id);
	else if (n_held < 128)
		held[n_held++] = p->desc.transaction_id;
}

static void guest_turn(void)
{
	struct vmbus_packet p;

	vmbus_in_begin(&in);
	while (vmbus_in_next(&in, &p)) {
		if (p.desc.type == VMBUS_PKT_COMPLETION)
			on_completion(&p);
		else if (p.desc.type == VMBUS_PKT_TRANSFER_PAGES)
			on_transfer(&p);
	}
	vmbus_in_end(&in);
}

static void turn(void)
{
	struct rte_mbuf *pkts[64];
	uint16_t n = port->ops->rx(&port->rxq[0], pkts, 64);

	rte_pktmbuf_free_bulk(pkts, n);
	control_turn();
	guest_turn();
}

static void turns(void)
{
	for (int i = 0; i < TURNS; i++)
		turn();
}

/* Sends and waits; false: no completion came, or more than one. */
static bool call(const struct nvsp_msg *m)
{
	uint8_t bytes[NVSP_MSG_MAX];
	size_t size = nvsp_write(m, true, 0, bytes);
	uint64_t id = next_id++;

	n_answers = 0;
	vmbus_out_begin(&out);
	assert_int_equal(vmbus_out_put(&out, VMBUS_PKT_INBAND, VMBUS_PKT_COMPLETION_REQUESTED, id,
				       NULL, 0, bytes, size),
			 0);
	vmbus_out_end(&out);
	turns();
	return n_answers == 1 && answered == id;
}

/* Puts a control message onto the ring: 'size' bytes of a page, behind a section or not. */
static void send_control(uint32_t section, uint32_t section_size, uint64_t pfn, uint32_t size)
{
	const struct nvsp_rndis rndis = {NVSP_RNDIS, 1, section, section_size};
	uint8_t header[VMBUS_GPA_HEADER_SIZE + 16];

	vmbus_out_begin(&out);
	assert_int_equal(vmbus_out_put(&out, VMBUS_PKT_GPA_DIRECT, VMBUS_PKT_COMPLETION_REQUESTED,
				       next_id++, header, vmbus_gpa_write(header, size, 0, &pfn, 1),
				       &rndis, sizeof(rndis)),
			 0);
	vmbus_out_end(&out);
}

static void send_rndis(const struct rndis_msg *m)
{
	size_t size = rndis_write(m, memory + MSG_PAGE * GPA_PAGE_SIZE, GPA_PAGE_SIZE);

	assert_true(size > 0);
	send_control(NVSP_NO_SECTION, 0, MSG_PAGE, (uint32_t)size);
}

/* The status of the reply; UINT32_MAX: none, or of another message. */
static uint32_t ask(struct rndis_msg *m)
{
	struct rndis_msg r;

	m->request_id = next_request++;
	n_replies = 0;
	n_answers = 0;
	send_rndis(m);
	turns();
	if (n_answers != 1 || n_replies != 1 || rndis_read(reply, reply_size, &r) < 0 ||
	    r.request_id != m->request_id)
		return UINT32_MAX;
	return r.status;
}

static uint32_t set_filter(uint32_t filter)
{
	struct rndis_msg m = {.type = RNDIS_SET,
			      .oid = OID_GEN_CURRENT_PACKET_FILTER,
			      .data = &filter,
			      .data_size = 4};

	return ask(&m);
}

static uint32_t initialize(void)
{
	struct rndis_msg m = {.type = RNDIS_INITIALIZE, .major = 1, .max_transfer = 0x4000};

	return ask(&m);
}

static void give_buffer(enum nvsp_type type, uint32_t gpadl)
{
	struct nvsp_msg m = {.type = type, .buf = {gpadl, NVSP_RECV_BUF_ID}};

	assert_true(call(&m));
	assert_int_equal(answer.recv_buf_complete.status, NVSP_STATUS_SUCCESS);
}

/* Says that it takes VFs. */
static void take_vfs(void)
{
	struct nvsp_msg m = {.type = NVSP_SEND_NDIS_CONFIG,
			     .ndis_config = {.mtu = 1514, .capabilities = NVSP_CAP_SRIOV}};

	assert_true(call(&m));
}

static void start_guest(void)
{
	struct nvsp_msg m = {.type = NVSP_INIT, .init = {NVSP_V6_1, NVSP_V6_1}};

	assert_true(call(&m));
	assert_int_equal(answer.init_complete.status, NVSP_STATUS_SUCCESS);
	take_vfs();
	give_buffer(NVSP_SEND_RECV_BUF, RECV_ID);
	give_buffer(NVSP_SEND_SEND_BUF, SEND_ID);
	assert_int_equal(initialize(), RNDIS_STATUS_SUCCESS);
}

static int setup(void **state)
{
	struct vmbus_ring to, from;

	dp = test_dp_create(2048);
	snprintf(dir, sizeof(dir), "/tmp/nic-guest-test.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/web1.sock", dir);
	memory_fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(memory_fd, PAGES * GPA_PAGE_SIZE), 0);
	assert_int_equal(fcntl(memory_fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	memory =
		mmap(NULL, PAGES * GPA_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	kick_fd = eventfd(0, EFD_NONBLOCK);
	call_fd = eventfd(0, EFD_NONBLOCK);
	next_id = 0x100;
	next_request = 1;
	n_connects = n_disconnects = n_held = 0;
	hold = false;
	open_port();
	dial();
	say_hello(false);
	say_type(VMBUS_ATTACH_READY);
	say_gpadls();
	say_open(false);
	expect(VMBUS_ATTACH_OPENED);
	to = ring_at(0);
	from = ring_at(RING_PAGES / 2);
	vmbus_out_init(&out, &to);
	vmbus_in_init(&in, &from);
	start_guest();
	return 0;
}

static int teardown(void **state)
{
	close(fd);
	close(state_fd);
	dp_port_close(port);
	test_dp_destroy(dp);
	munmap(memory, PAGES * GPA_PAGE_SIZE);
	close(memory_fd);
	close(kick_fd);
	close(call_fd);
	return rmdir(dir);
}

/* ---- Tests ---- */

static void the_link_is_up_as_soon_as_rndis_is(void **state)
{
	struct rndis_msg halt = {.type = RNDIS_HALT};

	assert_true(atomic_load(&port->link_up));
	send_rndis(&halt);
	turns();
	assert_false(atomic_load(&port->link_up));
	assert_int_equal(initialize(), RNDIS_STATUS_SUCCESS);
	assert_true(atomic_load(&port->link_up));
}

static void a_send_buffer_that_is_taken_back_unrevoked_is_given_up(void **state)
{
	take_back(SEND_ID);
	assert_int_equal(set_filter(0x0d), RNDIS_STATUS_SUCCESS);
	say_gpadl(SEND_ID, SEND_PAGE, SEND_PAGES);
	give_buffer(NVSP_SEND_SEND_BUF, SEND_ID);
	assert_non_null(((struct vmq_nic *)port->priv)->at.send);
}

static void a_receive_buffer_that_is_taken_back_unrevoked_is_given_up(void **state)
{
	take_back(RECV_ID);
	say_gpadl(RECV_ID + 10, RECV_PAGE, RECV_PAGES);
	give_buffer(NVSP_SEND_RECV_BUF, RECV_ID + 10);
	assert_int_equal(initialize(), RNDIS_STATUS_SUCCESS);
	assert_int_equal(set_filter(0x0d), RNDIS_STATUS_SUCCESS);
}

static void restart(bool with_buffers)
{
	dp_port_close(port);
	close(fd);
	open_port();
	dial();
	say_hello(true);
	say_gpadl(RING_ID, 0, RING_PAGES);
	if (with_buffers) {
		say_gpadl(RECV_ID, RECV_PAGE, RECV_PAGES);
		say_gpadl(SEND_ID, SEND_PAGE, SEND_PAGES);
	}
	say_open(true);
	say_type(VMBUS_ATTACH_READY);
	expect(VMBUS_ATTACH_OPENED);
}

static void a_restarted_switch_tells_its_guest_of_the_link(void **state)
{
	assert_int_equal(set_filter(0x0d), RNDIS_STATUS_SUCCESS);
	restart(true);
	turns();
	assert_int_equal(n_connects, 1);
	assert_int_equal(n_disconnects, 0);
	assert_true(atomic_load(&port->link_up));
	assert_int_equal(set_filter(0x09), RNDIS_STATUS_SUCCESS);
}

static void a_guest_without_buffers_lives_through_a_restart(void **state)
{
	take_back(RECV_ID);
	take_back(SEND_ID);
	restart(false);
	say_gpadl(RECV_ID, RECV_PAGE, RECV_PAGES);
	give_buffer(NVSP_SEND_RECV_BUF, RECV_ID);
	assert_int_equal(initialize(), RNDIS_STATUS_SUCCESS);
}

/* What the administrator does while nobody polls must not cost a guest its answer, nor leave it
 * with another link than it has. */
static void indications_do_not_crowd_out_an_answer(void **state)
{
	struct vmq_nic_conf conf = {.link_up = true};
	struct dp_link link;

	for (int i = 0; i < 101; i++) {
		conf.link_up = i % 2 != 0;
		vmq_nic_set(port, &conf);
	}
	assert_true(vmq_mail_waiting(((struct vmq_nic *)port->priv)->mail) <= VMQ_MAIL_SLOTS / 2);
	assert_int_equal(set_filter(0x0d), RNDIS_STATUS_SUCCESS);
	port->ops->link(port, &link); /* the tick */
	turns();
	assert_false(link_is_up);
	conf.link_up = true;
	vmq_nic_set(port, &conf);
	turns();
	assert_true(link_is_up);
}

/* ---- A VF beside it ---- */

static unsigned n_paths;
static bool path_active;

static void on_path(void *ctx, bool active)
{
	assert_ptr_equal(ctx, &n_paths);
	n_paths++;
	path_active = active;
	/* The guest hears of it when frames go the new way, not before. */
	assert_int_equal(n_answers, 0);
	assert_int_equal(vmq_nic_by_vf(port, active), 0);
}

static bool switch_path(bool vf)
{
	struct nvsp_msg m = {.type = NVSP_SWITCH_DATA_PATH, .data_path.active = vf};

	return call(&m) && answer.type == 0;
}

static uint32_t filter_in_force(void)
{
	return ((struct vmq_nic *)port->priv)->rules->filter;
}

static void a_guest_switches_its_data_path_before_it_is_answered(void **state)
{
	struct vmq_nic_guest guest;

	n_paths = 0;
	assert_int_equal(set_filter(0x0d), RNDIS_STATUS_SUCCESS);
	vmq_nic_on_data_path(port, on_path, &n_paths);
	vmq_nic_guest(port, &guest);
	assert_true(guest.up && guest.takes_vf && !guest.vf_active);
	assert_true(switch_path(true)); /* it has none: answered, and not done */
	assert_int_equal(n_paths, 0);
	vmq_nic_set_vf(port, true, 7);
	assert_true(switch_path(true));
	assert_int_equal(n_paths, 1);
	assert_true(path_active);
	assert_int_equal(filter_in_force(), NETVSP_FILTER_DIRECTED);
	assert_true(switch_path(true)); /* no news */
	assert_int_equal(n_paths, 1);
	assert_true(switch_path(false));
	assert_int_equal(n_paths, 2);
	assert_int_equal(filter_in_force(), 0x0d);
	/* Not more: control messages of a guest are held to a rate. */
	for (int i = 0; i < 200; i++)
		assert_true(switch_path(i % 2 == 0));
	assert_int_equal(n_paths, 202);
}

static void a_vf_that_is_gone_ends_the_data_path_unasked(void **state)
{
	n_paths = 0;
	assert_int_equal(set_filter(0x0d), RNDIS_STATUS_SUCCESS);
	vmq_nic_on_data_path(port, on_path, &n_paths);
	vmq_nic_set_vf(port, true, 7);
	assert_true(switch_path(true));
	n_answers = 0;
	vmq_nic_set_vf(port, false, 7);
	assert_int_equal(n_paths, 2);
	assert_false(path_active);
	assert_int_equal(filter_in_force(), 0x0d);
}

static void a_guest_that_goes_away_sends_by_no_vf(void **state)
{
	struct vmq_nic_guest guest;

	n_paths = 0;
	vmq_nic_on_data_path(port, on_path, &n_paths);
	vmq_nic_set_vf(port, true, 7);
	assert_true(switch_path(true));
	n_answers = 0;
	vmq_nic_withdraw(port, false);
	assert_int_equal(n_paths, 2);
	assert_false(path_active);
	vmq_nic_guest(port, &guest);
	assert_false(guest.up || guest.takes_vf || guest.vf_active);
}

/* Section, its size, page, size. */
static const struct {
	uint32_t section, section_size;
	uint64_t pfn;
	uint32_t size;
} nowhere[] = {
	{NVSP_NO_SECTION, 0, PAGES, 32},
	{NVSP_NO_SECTION, 0, UINT64_MAX, 32},
	{NVSP_NO_SECTION, 0, MSG_PAGE, 0},
	{NVSP_NO_SECTION, 0, MSG_PAGE, 4097},
	{NVSP_NO_SECTION, 0, MSG_PAGE, 0xffffffff},
	{5, 16, MSG_PAGE, 32},
	{0x7fffffff, 16, MSG_PAGE, 32},
	{0, 6145, MSG_PAGE, 32},
	{0, 0xffffffff, MSG_PAGE, 32},
	{4, 6144, MSG_PAGE, 4096},
};

static void control_messages_that_are_nowhere_are_refused(void **state)
{
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		n_answers = 0;
		n_replies = 0;
		send_control(nowhere[i].section, nowhere[i].section_size, nowhere[i].pfn,
			     nowhere[i].size);
		turns();
		assert_int_equal(n_answers, 1);
		assert_int_equal(answer.rndis_complete.status, NVSP_STATUS_BAD_RNDIS);
		assert_int_equal(n_replies, 0);
		assert_int_equal(set_filter((uint32_t)i), RNDIS_STATUS_SUCCESS);
	}
}

static void what_was_not_lent_cannot_be_given_back(void **state)
{
	for (unsigned round = 0; round < 2; round++) {
		for (uint64_t id = 0; id < 100; id++) {
			give_back(id);
			give_back(UINT64_MAX - id);
			turn();
		}
		assert_int_equal(set_filter(0x0d), RNDIS_STATUS_SUCCESS);
	}
	/* A section lent twice would be heard of twice. */
	hold = true;
	while (set_filter(0x0d) == RNDIS_STATUS_SUCCESS)
		;
	for (unsigned i = 0; i < n_held; i++)
		for (unsigned k = 0; k < i; k++)
			assert_true(held[i] != held[k]);
}

static void a_guest_that_gives_nothing_back_waits_and_goes_on(void **state)
{
	unsigned n = 0;

	hold = true;
	while (set_filter(0x0d) == RNDIS_STATUS_SUCCESS)
		n++;
	assert_in_range(n, 16, 128);
	hold = false;
	n_replies = 0;
	for (unsigned i = 0; i < n_held; i++) {
		give_back(held[i]);
		turns();
	}
	assert_int_equal(n_replies, 1); /* what it was waiting for */
	assert_int_equal(set_filter(0x09), RNDIS_STATUS_SUCCESS);
}

static void a_buffer_that_is_revoked_with_sections_out_is_forgotten(void **state)
{
	struct nvsp_msg m = {.type = NVSP_REVOKE_RECV_BUF, .buf.id = NVSP_RECV_BUF_ID};

	hold = true;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(set_filter(0x0d), RNDIS_STATUS_SUCCESS);
	assert_true(call(&m));
	hold = false;
	give_buffer(NVSP_SEND_RECV_BUF, RECV_ID);
	for (unsigned i = 0; i < n_held; i++)
		give_back(held[i]); /* of the old one */
	assert_int_equal(initialize(), RNDIS_STATUS_SUCCESS);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(set_filter(0x0d), RNDIS_STATUS_SUCCESS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_guest_switches_its_data_path_before_it_is_answered),
		T(a_vf_that_is_gone_ends_the_data_path_unasked),
		T(a_guest_that_goes_away_sends_by_no_vf),
		T(the_link_is_up_as_soon_as_rndis_is),
		T(a_send_buffer_that_is_taken_back_unrevoked_is_given_up),
		T(a_receive_buffer_that_is_taken_back_unrevoked_is_given_up),
		T(a_restarted_switch_tells_its_guest_of_the_link),
		T(a_guest_without_buffers_lives_through_a_restart),
		T(indications_do_not_crowd_out_an_answer),
		T(control_messages_that_are_nowhere_are_refused),
		T(what_was_not_lent_cannot_be_given_back),
		T(a_guest_that_gives_nothing_back_waits_and_goes_on),
		T(a_buffer_that_is_revoked_with_sections_out_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
