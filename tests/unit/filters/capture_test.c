/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Captures from the hook to the file: threads stand in for workers, tshark reads what was written.
 */
#include "filters/capture.h"
#include "tests/support/mbufs.h"
#include "tests/support/packet.h"
#include "tests/unit/filters/tshark.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include <sys/stat.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

static char dir[] = "/tmp/vswitch-capture-XXXXXX";
static struct rte_mempool *pool;
static struct pkt pkt;

/* A dataplane of one lock: workers hold it to read while they are in the hook, so that when a
 * point was replaced nobody uses the old one. */
static struct plane {
	pthread_rwlock_t lock;
	struct dp_capture_point *points[DP_MAX_PORTS];
} plane = {.lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP};

static void set_point(void *ctx, uint16_t port_id, struct dp_capture_point *point)
{
	struct plane *p = ctx;

	pthread_rwlock_wrlock(&p->lock);
	p->points[port_id] = point;
	pthread_rwlock_unlock(&p->lock);
}

static void hook(unsigned worker, uint16_t port_id, enum dp_stage stage, enum dp_drop reason,
		 struct rte_mbuf *const *pkts, uint16_t n)
{
	pthread_rwlock_rdlock(&plane.lock);
	if (plane.points[port_id] != NULL)
		filter_capture_hook(plane.points[port_id], worker, stage, reason, pkts, n);
	pthread_rwlock_unlock(&plane.lock);
}

static struct filter_captures *make_set(void)
{
	struct filter_captures *set = NULL;

	if (filter_captures_create("vswitch test", set_point, &plane, &set, NULL) != 0)
		abort();
	return set;
}

static const char *in_dir(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int out(const char *name)
{
	return open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
}

static struct filter_capture_opts to_file(const char *name)
{
	return (struct filter_capture_opts){
		.name = name, .fd = out(name), .dir_fd = -1, .share = 100, .n_workers = 2};
}

static struct filter_capture *start(struct filter_captures *set,
				    const struct filter_capture_opts *opts)
{
	struct filter_capture *capture = NULL;
	struct err err = {0};

	if (filter_capture_create(set, opts, &capture, &err) != 0)
		fail_msg("%s", err.what);
	if (capture == NULL)
		abort();
	return capture;
}

static void watch(struct filter_capture *capture, uint16_t port_id, const char *name)
{
	assert_int_equal(filter_capture_port_add(capture, port_id, name, "lan0, tap", NULL), 0);
}

static struct filter_capture_info info_of(struct filter_captures *set, const char *name)
{
	struct filter_capture_info info = {0};
	struct filter_capture *capture = filter_capture_find(set, name);

	assert_non_null(capture);
	if (capture != NULL)
		filter_capture_info(capture, &info);
	return info;
}

/* Until the capture has ended, five seconds at most. */
static struct filter_capture_info wait_end(struct filter_captures *set, const char *name)
{
	struct pollfd pfd = {.fd = filter_captures_fd(set), .events = POLLIN};

	for (unsigned i = 0; i < 500 && info_of(set, name).state != FILTER_CAPTURE_ENDED; i++)
		poll(&pfd, 1, 10);
	filter_captures_poll(set);
	assert_int_equal(info_of(set, name).state, FILTER_CAPTURE_ENDED);
	return info_of(set, name);
}

static struct filter_capture_info stop(struct filter_captures *set, const char *name)
{
	filter_capture_stop(filter_capture_find(set, name), "stopped");
	return wait_end(set, name);
}

static void check_sums(const struct filter_capture_stats *s)
{
	assert_int_equal(s->seen, s->filtered + s->kept + s->lost_ring + s->lost_budget);
}

/* A UDP or TCP frame from port m->port. */
static struct rte_mbuf *make(bool tcp, uint16_t dport, uint32_t payload, uint16_t in_port)
{
	struct rte_mbuf *m;

	pkt_init(&pkt);
	pkt_eth(&pkt, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_ipv4(&pkt, "10.0.0.1", "10.0.0.2");
	if (tcp)
		pkt_tcp(&pkt, 40000, dport, PKT_ACK);
	else
		pkt_udp(&pkt, 40000, dport);
	pkt_fill(&pkt, payload, 1);
	pkt_finish(&pkt, 0);
	m = mbufs_make(pool, pkt.bytes, pkt.size, NULL, 0);
	if (m == NULL)
		abort();
	m->port = in_port;
	return m;
}

static void frames_of_watched_ports_and_stages_arrive_with_direction_and_name(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("stages");
	struct rte_mbuf *udp[2] = {make(false, 53, 10, 1), make(false, 54, 20, 1)};
	struct filter_capture_info info;
	struct filter_capture *c;

	opts.stages = FILTER_CAPTURE_INGRESS | FILTER_CAPTURE_EGRESS | FILTER_CAPTURE_DROP;
	c = start(set, &opts);
	watch(c, 1, "p1");
	watch(c, 2, "p2");
	hook(0, 1, DP_STAGE_INGRESS, DP_N_DROPS, udp, 2);
	hook(0, 2, DP_STAGE_EGRESS, DP_N_DROPS, udp, 2);
	hook(0, 1, DP_STAGE_DROP, DP_DROP_NO_RECEIVER, udp,
	     1);					    /* It came from p1: on its way in. */
	hook(0, 2, DP_STAGE_DROP, DP_DROP_TX_FULL, udp, 1); /* On its way out. */
	hook(0, 3, DP_STAGE_INGRESS, DP_N_DROPS, udp, 2);   /* Nobody watches p3. */
	info = stop(set, "stages");
	assert_string_equal(info.reason, "stopped");
	assert_int_equal(info.error, 0);
	assert_int_equal(info.stats.captured, 6);
	assert_int_equal(info.stats.seen, 6);
	check_sums(&info.stats);
	expect(tshark(in_dir("stages"),
		      "-T fields -e frame.interface_name -e frame.packet_flags_direction "
		      "-e udp.dstport -e frame.comment"),
	       "p1\t0x00000001\t53\t\n"
	       "p1\t0x00000001\t54\t\n"
	       "p2\t0x00000002\t53\t\n"
	       "p2\t0x00000002\t54\t\n"
	       "p1\t0x00000001\t53\tdrop: no-receiver: no port takes it\n"
	       "p2\t0x00000002\t53\tdrop: tx-full: egress queue is full\n");
	rte_pktmbuf_free_bulk(udp, 2);
	filter_captures_destroy(set);
}

static void stage_that_was_not_asked_for_is_not_seen(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("egress");
	struct rte_mbuf *m = make(false, 53, 10, 1);
	struct filter_capture_info info;

	opts.stages = FILTER_CAPTURE_EGRESS;
	watch(start(set, &opts), 1, "p1");
	hook(0, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	hook(0, 1, DP_STAGE_DROP, DP_DROP_LOOP, &m, 1);
	info = stop(set, "egress");
	assert_int_equal(info.stats.seen, 0);
	rte_pktmbuf_free(m);
	filter_captures_destroy(set);
}

static void filter_keeps_what_matches_and_counts_the_rest(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("filter");
	struct rte_mbuf *pkts[3] = {make(true, 80, 10, 1), make(false, 53, 10, 1),
				    make(true, 81, 10, 1)};
	struct filter_capture_info info;

	opts.expr = "tcp port 80";
	watch(start(set, &opts), 1, "p1");
	for (unsigned i = 0; i < 10; i++)
		hook(i % 2, 1, DP_STAGE_INGRESS, DP_N_DROPS, pkts, 3);
	info = stop(set, "filter");
	assert_int_equal(info.stats.captured, 10);
	assert_int_equal(info.stats.filtered, 20);
	check_sums(&info.stats);
	expect(tshark(in_dir("filter"), "-Y 'not tcp.dstport == 80' -T fields -e frame.number"),
	       "");
	rte_pktmbuf_free_bulk(pkts, 3);
	filter_captures_destroy(set);
}

static void frame_longer_than_snaplen_is_cut_and_says_its_length(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("snap");
	struct rte_mbuf *m = make(false, 53, 4000, 1); /* A chain. */

	assert_true(m->nb_segs > 1);
	opts.snaplen = 2500;
	watch(start(set, &opts), 1, "p1");
	hook(0, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	stop(set, "snap");
	expect(tshark(in_dir("snap"), "-T fields -e frame.cap_len -e frame.len"), "2500\t4042\n");
	rte_pktmbuf_free(m);
	filter_captures_destroy(set);
}

static void unfinished_checksum_is_finished_in_the_copy_only(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("csum");
	struct rte_mbuf *m;
	uint8_t before[200];
	uint32_t size;

	pkt_init(&pkt);
	pkt_eth(&pkt, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_ipv4(&pkt, "10.0.0.1", "10.0.0.2");
	pkt_tcp(&pkt, 40000, 80, PKT_ACK);
	pkt_fill(&pkt, 77, 1);
	pkt_finish(&pkt, PKT_PARTIAL);
	m = mbufs_make(pool, pkt.bytes, pkt.size, NULL, 0);
	m->l2_len = 14;
	m->l3_len = 20;
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
	watch(start(set, &opts), 1, "p1");
	hook(0, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	stop(set, "csum");
	expect(tshark(in_dir("csum"),
		      "-o tcp.check_checksum:TRUE -T fields -e tcp.checksum.status"),
	       "1\n");
	size = mbufs_read(m, before, sizeof(before));
	assert_int_equal(size, pkt.size);
	assert_memory_equal(before, pkt.bytes, size);
	rte_pktmbuf_free(m);
	filter_captures_destroy(set);
}

static void port_that_joins_later_gets_its_interface_and_one_that_left_keeps_it(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("join");
	struct rte_mbuf *m = make(false, 53, 10, 1);
	struct filter_capture *c = start(set, &opts);

	watch(c, 1, "p1");
	watch(c, 1, "p1"); /* Again: nothing changes. */
	hook(0, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	usleep(100000);
	watch(c, 2, "p2");
	hook(0, 2, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	filter_captures_port_gone(set, 1);
	hook(0, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1); /* Not seen. */
	watch(c, 7, "p1"); /* The same port comes back under another id. */
	hook(0, 7, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	stop(set, "join");
	expect(tshark(in_dir("join"), "-T fields -e frame.interface_id -e frame.interface_name"),
	       "0\tp1\n1\tp2\n0\tp1\n");
	rte_pktmbuf_free(m);
	filter_captures_destroy(set);
}

static void port_whose_device_is_opened_anew_is_watched_again(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("renew");
	struct rte_mbuf *m = make(false, 53, 10, 1);

	watch(start(set, &opts), 1, "p1");
	plane.points[1] = NULL; /* A new struct dp_port knows of no capture. */
	hook(0, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	filter_captures_port_renew(set, 1);
	filter_captures_port_renew(set, 2); /* Nobody watches it. */
	assert_null(plane.points[2]);
	hook(0, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	assert_int_equal(stop(set, "renew").stats.captured, 1);
	rte_pktmbuf_free(m);
	filter_captures_destroy(set);
}

static void several_captures_watch_one_port_and_one_may_end(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts a = to_file("a"), b = to_file("b");
	struct rte_mbuf *m = make(false, 53, 10, 1);

	b.expr = "udp";
	watch(start(set, &a), 1, "p1");
	watch(start(set, &b), 1, "p1");
	hook(0, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	assert_int_equal(stop(set, "a").stats.captured, 1);
	hook(0, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	assert_int_equal(stop(set, "b").stats.captured, 2);
	assert_null(plane.points[1]); /* Nothing is left behind on the port. */
	rte_pktmbuf_free(m);
	filter_captures_destroy(set);
}

static void packet_count_ends_the_capture_by_itself(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("count");
	struct rte_mbuf *m = make(false, 53, 10, 1);
	struct filter_capture_info info;

	opts.max_packets = 5;
	watch(start(set, &opts), 1, "p1");
	for (unsigned i = 0; i < 9; i++)
		hook(i % 2, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	info = wait_end(set, "count");
	assert_string_equal(info.reason, "captured the 5 packets asked for");
	assert_int_equal(info.stats.captured, 5);
	assert_int_equal(info.stats.lost_output, 0);
	expect(tshark(in_dir("count"), "-T fields -e frame.number"), "1\n2\n3\n4\n5\n");
	rte_pktmbuf_free(m);
	filter_captures_destroy(set);
}

static void full_ring_counts_every_frame_that_it_lost(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("lost");
	struct rte_mbuf *m = make(false, 53, 1400, 1);
	struct filter_capture_info info;
	int fds[2];

	/* Nobody reads the pipe: its memory, the buffer and the ring fill up. */
	assert_int_equal(pipe(fds), 0);
	close(opts.fd);
	opts.fd = fds[1];
	opts.ring_size = 512 * 1024;
	watch(start(set, &opts), 1, "p1");
	for (unsigned i = 0; i < 4000; i++) {
		hook(0, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
		if (i % 200 == 0)
			usleep(5000);
	}
	info = stop(set, "lost");
	assert_int_equal(info.error, -ETIMEDOUT);
	assert_int_equal(info.stats.seen, 4000);
	assert_true(info.stats.lost_ring > 1000);
	assert_int_equal(info.stats.kept + info.stats.lost_ring, 4000);
	assert_int_equal(info.stats.captured + info.stats.lost_output, info.stats.kept);
	assert_true(info.stats.bytes >= info.stats.captured * 1440);
	close(fds[0]);
	rte_pktmbuf_free(m);
	filter_captures_destroy(set);
}

static void slow_reader_of_one_capture_does_not_hold_up_another(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts slow = to_file("slow"), other = to_file("other");
	struct rte_mbuf *m = make(false, 53, 1400, 1);
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	close(slow.fd);
	slow.fd = fds[1];
	watch(start(set, &slow), 1, "p1");
	watch(start(set, &other), 2, "p2");
	for (unsigned i = 0; i < 4000; i++)
		hook(0, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	for (unsigned i = 0; i < 10; i++)
		hook(0, 2, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	assert_int_equal(stop(set, "other").stats.captured, 10);
	close(fds[0]);
	assert_string_equal(wait_end(set, "slow").reason, "the reader closed the pipe");
	rte_pktmbuf_free(m);
	filter_captures_destroy(set);
}

static void reader_that_goes_away_ends_a_quiet_capture(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("gone");
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	close(opts.fd);
	opts.fd = fds[1];
	watch(start(set, &opts), 1, "p1");
	usleep(150000);
	assert_int_equal(info_of(set, "gone").state, FILTER_CAPTURE_RUNNING);
	close(fds[0]);
	assert_int_equal(wait_end(set, "gone").error, -EPIPE);
	filter_captures_destroy(set);
}

static void full_disk_ends_the_capture_with_the_reason(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("disk");
	struct rte_mbuf *m = make(false, 53, 10, 1);
	struct filter_capture_info info;

	close(opts.fd);
	opts.fd = open("/dev/full", O_WRONLY);
	watch(start(set, &opts), 1, "p1");
	hook(0, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	info = wait_end(set, "disk");
	assert_int_equal(info.error, -ENOSPC);
	assert_non_null(strstr(info.reason, "the disk is full"));
	assert_int_equal(info.stats.lost_output, info.stats.kept);
	assert_null(plane.points[1]);
	rte_pktmbuf_free(m);
	filter_captures_destroy(set);
}

static void worker_without_a_ring_gets_one_and_its_first_frames_count_as_lost(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("late");
	struct rte_mbuf *m = make(false, 53, 10, 1);
	struct filter_capture_info info;

	opts.n_workers = 1;
	watch(start(set, &opts), 1, "p1");
	hook(63, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	usleep(100000);
	hook(63, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	hook(64, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1); /* No such worker: ignored. */
	info = stop(set, "late");
	assert_int_equal(info.stats.lost_ring, 1);
	assert_int_equal(info.stats.captured, 1);
	check_sums(&info.stats);
	rte_pktmbuf_free(m);
	filter_captures_destroy(set);
}

static void growing_file_is_readable_within_a_moment(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("grow");
	struct rte_mbuf *m = make(false, 53, 10, 1);

	watch(start(set, &opts), 1, "p1");
	for (unsigned i = 1; i <= 3; i++) {
		char want[100] = "";

		hook(0, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
		usleep(150000);
		for (unsigned k = 1; k <= i; k++)
			sprintf(want + strlen(want), "%u\n", k);
		expect(tshark(in_dir("grow"), "-T fields -e frame.number"), want);
	}
	rte_pktmbuf_free(m);
	filter_captures_destroy(set); /* Ends what runs. */
	expect(tshark(in_dir("grow"), "-T fields -e frame.number"), "1\n2\n3\n");
}

static void ring_files_are_each_whole_and_the_oldest_goes(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = {.name = "ring",
					   .fd = -1,
					   .dir_fd = open(dir, O_RDONLY | O_DIRECTORY),
					   .base = "ring",
					   .n_files = 3,
					   .file_size = 100000,
					   .uid = geteuid(),
					   .gid = getegid(),
					   .share = 100,
					   .n_workers = 1};
	struct rte_mbuf *m = make(false, 53, 900, 1);
	struct filter_capture *c = start(set, &opts);
	struct filter_capture_info info;
	struct stat st;

	watch(c, 1, "p1");
	watch(c, 2, "quiet");
	for (unsigned i = 0; i < 600; i++) /* Some 980 bytes each. */
		hook(0, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1);
	info = stop(set, "ring");
	assert_int_equal(info.stats.captured, 600);
	assert_in_range(info.stats.files, 6, 7);
	assert_int_not_equal(access(in_dir("ring_00001.pcapng"), F_OK), 0);
	assert_int_equal(stat(in_dir("ring_00005.pcapng"), &st), 0);
	assert_in_range(st.st_size, 97000, 100000);
	expect(tshark(in_dir("ring_00005.pcapng"), "-c 2 -T fields -e frame.interface_name"),
	       "p1\np1\n");
	rte_pktmbuf_free(m);
	filter_captures_destroy(set);
}

static void what_was_lost_stands_in_the_file(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("isb");
	struct rte_mbuf *m = make(false, 53, 10, 1);
	char command[400];

	if (system("command -v tshark >/dev/null 2>&1") != 0) {
		fprintf(stderr, "skipped: tshark is not installed\n");
		skip();
	}
	opts.n_workers = 1;
	watch(start(set, &opts), 1, "p1");
	for (unsigned i = 0; i < 7; i++)
		hook(9, 1, DP_STAGE_INGRESS, DP_N_DROPS, &m, 1); /* No ring. */
	stop(set, "isb");
	/* tshark shows an interface's statistics only when it dissects the file itself. */
	snprintf(command, sizeof(command),
		 "tshark -X 'read_format:MIME Files Format' -r %s -V 2>/dev/null | "
		 "grep -o 'Number of [RD][a-z]* Packets: .*'",
		 in_dir("isb"));
	expect(shell(NULL, command),
	       "Number of Received Packets: 7\nNumber of Dropped Packets: 7\n");
	rte_pktmbuf_free(m);
	filter_captures_destroy(set);
}

struct worker {
	unsigned index;
	uint16_t port;
	uint64_t sent;
	atomic_bool quit;
	pthread_t thread;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct rte_mbuf *pkts[8];

	for (unsigned i = 0; i < 8; i++)
		pkts[i] = NULL;
	pthread_rwlock_wrlock(&plane.lock); /* make() is not for two at once. */
	for (unsigned i = 0; i < 8; i++)
		pkts[i] = make(i % 2 != 0, (uint16_t)(80 + w->index), 20 * i, w->port);
	pthread_rwlock_unlock(&plane.lock);
	while (!w->quit) {
		hook(w->index, w->port, DP_STAGE_INGRESS, DP_N_DROPS, pkts, 8);
		w->sent += 8;
	}
	rte_pktmbuf_free_bulk(pkts, 8);
	return NULL;
}

static void start_workers(struct worker *workers, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		workers[i] = (struct worker){.index = i, .port = (uint16_t)(1 + i)};
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
}

static uint64_t stop_workers(struct worker *workers, unsigned n)
{
	uint64_t sent = 0;

	for (unsigned i = 0; i < n; i++)
		workers[i].quit = true;
	for (unsigned i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		sent += workers[i].sent;
	}
	return sent;
}

static void share_of_the_worker_is_kept_and_the_rest_counted(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("share");
	struct filter_capture_info info;
	struct worker worker;
	uint64_t sent;

	opts.share = 1;
	start_workers(&worker, 1);
	watch(start(set, &opts), 1, "p1");
	usleep(300000);
	info = stop(set, "share");
	sent = stop_workers(&worker, 1);
	assert_true(info.stats.seen <= sent);
	assert_true(info.stats.kept > 0);
	/* The worker does nothing else: without the limit it would capture nearly all. */
	assert_true(info.stats.lost_budget > info.stats.kept);
	check_sums(&info.stats);
	filter_captures_destroy(set);
}

#define N_CHURN 6

/* One capture of some 25 ms under traffic.  Returns the packets in its file. */
static uint64_t capture_for_a_moment(struct filter_captures *set, unsigned i)
{
	struct filter_capture_opts opts;
	struct filter_capture_info info;
	struct filter_capture *c;
	char name[30];

	snprintf(name, sizeof(name), "churn%u", i);
	opts = to_file(name);
	opts.share = 20;
	opts.expr = i % 2 != 0 ? "tcp port 80" : NULL;
	opts.max_packets = i % 3 == 0 ? 100 : 2000;
	c = start(set, &opts);
	watch(c, 1, "p1");
	watch(c, 2, "p2");
	usleep(20000);
	filter_capture_port_remove(c, 2);
	usleep(5000);
	filter_capture_stop(c, "stopped");
	info = wait_end(set, name);
	check_sums(&info.stats);
	assert_true(info.stats.captured > 0 && info.stats.captured <= opts.max_packets);
	return info.stats.captured;
}

/* Captures come and go while two workers run: nothing crashes, every capture's sums are exact,
 * every file is right. */
static void captures_start_and_stop_under_traffic(void **state)
{
	struct filter_captures *set = make_set();
	uint64_t captured[N_CHURN];
	struct worker workers[2];

	start_workers(workers, 2);
	for (unsigned i = 0; i < N_CHURN; i++)
		captured[i] = capture_for_a_moment(set, i);
	stop_workers(workers, 2);
	filter_captures_destroy(set);
	for (unsigned i = 0; i < N_CHURN; i++) {
		char name[30];

		snprintf(name, sizeof(name), "churn%u", i);
		assert_int_equal(atoll(tshark(in_dir(name),
					      "-T fields -e frame.number | tail -n 1")),
				 captured[i]);
		/* Frames of two workers are in order. */
		expect(tshark(in_dir(name), "-Y 'frame.time_delta < 0' -T fields -e frame.number"),
		       "");
	}
}

static unsigned n_ended;

static void count_end(void *ctx, const struct filter_capture_info *info)
{
	struct filter_capture_opts again = to_file("again");

	assert_string_equal(info->name, "again");
	n_ended++;
	if (n_ended < 3) /* From inside: the same name starts anew. */
		filter_capture_stop(start(ctx, &(struct filter_capture_opts){.name = again.name,
									     .fd = again.fd,
									     .dir_fd = -1,
									     .on_end = count_end,
									     .ctx = ctx}),
				    "stopped");
	else
		close(again.fd);
	assert_string_equal(info->reason, "stopped");
}

static void end_is_told_once_and_may_start_another(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("again");

	opts.on_end = count_end;
	opts.ctx = set;
	filter_capture_stop(start(set, &opts), "stopped");
	for (unsigned i = 0; i < 500 && n_ended < 3; i++) {
		usleep(5000);
		filter_captures_poll(set);
	}
	assert_int_equal(n_ended, 3);
	filter_captures_destroy(set);
}

static void list_says_what_runs_and_how_what_ended(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts a = to_file("ended"), b = to_file("running");
	struct filter_capture *c;
	json_t *list, *row;

	start(set, &a);
	stop(set, "ended");
	b.expr = "udp";
	c = start(set, &b);
	watch(c, 3, "p3");
	list = filter_captures_list(set);
	assert_int_equal(json_array_size(list), 2);
	row = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(row, "name")), "ended");
	assert_string_equal(json_string_value(json_object_get(row, "state")), "ended");
	assert_string_equal(json_string_value(json_object_get(row, "reason")), "stopped");
	row = json_array_get(list, 1);
	assert_string_equal(json_string_value(json_object_get(row, "state")), "running");
	assert_string_equal(json_string_value(json_object_get(row, "filter")), "udp");
	assert_string_equal(json_string_value(json_array_get(json_object_get(row, "ports"), 0)),
			    "p3");
	assert_string_equal(json_string_value(json_array_get(json_object_get(row, "stages"), 1)),
			    "egress");
	json_decref(list);
	filter_captures_destroy(set);
}

static int try_start(struct filter_captures *set, struct filter_capture_opts opts, struct err *err)
{
	struct filter_capture *c = NULL;
	int rc = filter_capture_create(set, &opts, &c, err);

	assert_int_equal(c != NULL, rc == 0);
	return rc;
}

static void what_cannot_start_is_refused_with_the_reason(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture_opts opts = to_file("twice");
	struct err err = {0};
	int fd = dup(0);

	start(set, &opts);
	assert_int_equal(try_start(set, to_file("twice"), &err), -EEXIST);
	assert_string_equal(err.slug, "capture-exists");
	opts = to_file("x");
	opts.expr = "tcp and and";
	assert_int_equal(try_start(set, opts, &err), -EINVAL);
	assert_string_equal(err.slug, "bad-filter");
	opts = to_file("x");
	opts.share = 101;
	assert_int_equal(try_start(set, opts, &err), -EINVAL);
	opts = to_file("x");
	opts.snaplen = 262145;
	assert_int_equal(try_start(set, opts, &err), -EINVAL);
	opts = to_file("x");
	opts.stages = 8;
	assert_int_equal(try_start(set, opts, &err), -EINVAL);
	opts = to_file("");
	assert_int_equal(try_start(set, opts, &err), -EINVAL);
	close(opts.fd); /* open() of the folder failed. */
	opts = to_file("x");
	close(opts.fd);
	opts.fd = -1;
	assert_int_equal(try_start(set, opts, &err), -EINVAL);
	assert_string_equal(err.slug, "bad-output");
	filter_captures_destroy(set);
	assert_int_equal(dup2(fd, fd), fd);
	close(fd);
}

static void no_more_captures_run_than_the_limit(void **state)
{
	struct filter_captures *set = make_set();
	struct filter_capture *c = NULL;
	struct filter_capture_opts opts = {.dir_fd = -1, .ring_size = 1};
	struct err err = {0};

	for (unsigned i = 0; i < FILTER_MAX_CAPTURES; i++) {
		opts.fd = open("/dev/null", O_WRONLY);
		watch(start(set, &opts), 1, "p1");
	}
	opts.fd = open("/dev/null", O_WRONLY);
	assert_int_equal(filter_capture_create(set, &opts, &c, &err), -ENOSPC);
	assert_string_equal(err.slug, "too-many-captures");
	filter_capture_stop(filter_capture_find(set, "capture7"), "stopped");
	wait_end(set, "capture7");
	opts.fd = open("/dev/null", O_WRONLY);
	start(set, &opts);
	filter_captures_destroy(set);
}

static unsigned count_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1000; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void no_descriptor_is_left_open(void **state)
{
	unsigned before = count_fds();

	what_cannot_start_is_refused_with_the_reason(state);
	no_more_captures_run_than_the_limit(state);
	assert_int_equal(count_fds(), before);
}

static int prepare(void **state)
{
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int remove_dir(void **state)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_watched_ports_and_stages_arrive_with_direction_and_name),
		cmocka_unit_test(stage_that_was_not_asked_for_is_not_seen),
		cmocka_unit_test(filter_keeps_what_matches_and_counts_the_rest),
		cmocka_unit_test(frame_longer_than_snaplen_is_cut_and_says_its_length),
		cmocka_unit_test(unfinished_checksum_is_finished_in_the_copy_only),
		cmocka_unit_test(
			port_that_joins_later_gets_its_interface_and_one_that_left_keeps_it),
		cmocka_unit_test(port_whose_device_is_opened_anew_is_watched_again),
		cmocka_unit_test(several_captures_watch_one_port_and_one_may_end),
		cmocka_unit_test(packet_count_ends_the_capture_by_itself),
		cmocka_unit_test(full_ring_counts_every_frame_that_it_lost),
		cmocka_unit_test(slow_reader_of_one_capture_does_not_hold_up_another),
		cmocka_unit_test(reader_that_goes_away_ends_a_quiet_capture),
		cmocka_unit_test(full_disk_ends_the_capture_with_the_reason),
		cmocka_unit_test(worker_without_a_ring_gets_one_and_its_first_frames_count_as_lost),
		cmocka_unit_test(growing_file_is_readable_within_a_moment),
		cmocka_unit_test(ring_files_are_each_whole_and_the_oldest_goes),
		cmocka_unit_test(what_was_lost_stands_in_the_file),
		cmocka_unit_test(share_of_the_worker_is_kept_and_the_rest_counted),
		cmocka_unit_test(captures_start_and_stop_under_traffic),
		cmocka_unit_test(end_is_told_once_and_may_start_another),
		cmocka_unit_test(list_says_what_runs_and_how_what_ended),
		cmocka_unit_test(what_cannot_start_is_refused_with_the_reason),
		cmocka_unit_test(no_more_captures_run_than_the_limit),
		cmocka_unit_test(no_descriptor_is_left_open),
	};

	pool = mbufs_pool("frames", 255, 2048);
	return cmocka_run_group_tests(tests, prepare, remove_dir);
}
