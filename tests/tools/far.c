/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See far.h.
 */
#include "tests/tools/far.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ctl/base/clock.h"

#define EVENT_NS   20000000u /* the attach socket wants ten looks a second */
#define SECOND	   1000000000ull
#define EXIT_USAGE 2
#define LOOPS	   256 /* between looks at the clock */

static volatile sig_atomic_t quit;

static void on_signal(int number)
{
	quit = 1;
}

static uint64_t cycles(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	return clock_mono_ns();
#endif
}

/* Rates. */

struct totals {
	uint64_t at, rx, tx, rx_bytes, tx_bytes, rx_packets, tx_packets, signals;
};

static struct totals totals(struct far *far)
{
	struct totals t = {.at = clock_mono_ns()};
	struct guest_queue *q;

	for (unsigned i = 0; (q = guest_net_queue(far->net, i)) != NULL; i++) {
		struct guest_queue_stats s;

		guest_queue_stats(q, &s);
		t.rx += s.rx_frames;
		t.tx += s.tx_frames;
		t.rx_bytes += s.rx_bytes;
		t.tx_bytes += s.tx_bytes;
		t.rx_packets += s.rx_packets;
		t.tx_packets += s.tx_packets;
		t.signals += s.signals;
	}
	return t;
}

static void print_rates(const struct totals *from, const struct totals *to)
{
	double s = (double)(to->at - from->at) / (double)SECOND;

	printf("rx_pps=%.0f tx_pps=%.0f rx_bps=%.0f tx_bps=%.0f signals_ps=%.0f\n",
	       (double)(to->rx - from->rx) / s, (double)(to->tx - from->tx) / s,
	       8 * (double)(to->rx_bytes - from->rx_bytes) / s,
	       8 * (double)(to->tx_bytes - from->tx_bytes) / s,
	       (double)(to->signals - from->signals) / s);
	fflush(stdout);
}

static void print_totals(struct far *far, const struct totals *from, const struct totals *to)
{
	uint64_t frames = to->rx - from->rx + to->tx - from->tx;

	printf("total rx=%" PRIu64 " tx=%" PRIu64 " rx_bytes=%" PRIu64 " tx_bytes=%" PRIu64
	       " rx_ring=%" PRIu64 " tx_ring=%" PRIu64 " signals=%" PRIu64 " dropped=%" PRIu64
	       " cycles_per_frame=%.1f\n",
	       to->rx - from->rx, to->tx - from->tx, to->rx_bytes - from->rx_bytes,
	       to->tx_bytes - from->tx_bytes, to->rx_packets - from->rx_packets,
	       to->tx_packets - from->tx_packets, to->signals - from->signals, far->dropped,
	       frames != 0 ? (double)far->busy_cycles / (double)frames : 0.0);
	fflush(stdout);
}

/* Whoever measures may read them at any time: what came from here first, what ended here then. */
static void tell_counters(struct far *far, const struct totals *now)
{
	const uint64_t values[] = {now->tx, now->tx_bytes, now->rx, now->rx_bytes};

	for (unsigned i = 0; i < 4; i++)
		atomic_store_explicit(&far->counters[i], values[i], memory_order_relaxed);
}

static int map_counters(struct far *far)
{
	int fd = open(far->opts.counters, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	void *at = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, 4096) == 0)
		at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (at == MAP_FAILED)
		return -1;
	far->counters = at;
	return 0;
}

/* The loop. */

static unsigned round_of_bursts(struct far *far, const struct far_tool *tool)
{
	struct guest_queue *q;
	uint64_t begun = cycles();
	unsigned n = 0;

	for (unsigned i = 0; (q = guest_net_queue(far->net, i)) != NULL; i++)
		n += tool->burst(far, q);
	if (n != 0)
		far->busy_cycles += cycles() - begun;
	return n;
}

static void wait_for_work(struct far *far)
{
	struct guest_queue *queues[GUEST_MAX_QUEUES];
	unsigned n = 0;

	while (n < GUEST_MAX_QUEUES && (queues[n] = guest_net_queue(far->net, n)) != NULL)
		n++;
	guest_queues_wait(queues, n, guest_local_fd(far->local), 20);
}

/* Until there is no NIC any more, or the end. */
static void run(struct far *far, const struct far_tool *tool)
{
	struct totals first = totals(far), last = first, now;
	uint64_t event = first.at, end = first.at + far->opts.duration_s * SECOND;

	for (unsigned loop = 0; !quit && !far->done && !guest_net_gone(far->net); loop++) {
		unsigned n = round_of_bursts(far, tool);
		uint64_t at;

		if (n == 0 && far->opts.sleep)
			wait_for_work(far);
		else if (loop % LOOPS != 0)
			continue;
		at = clock_mono_ns();
		if (far->counters != NULL) {
			now = totals(far);
			tell_counters(far, &now);
		}
		if (at - event >= EVENT_NS) {
			guest_local_event(far->local);
			event = at;
		}
		if (far->opts.rate_s != 0 && at - last.at >= far->opts.rate_s * SECOND) {
			now = totals(far);
			print_rates(&last, &now);
			last = now;
		}
		far->done = far->done || (far->opts.duration_s != 0 && at >= end);
	}
	now = totals(far);
	print_totals(far, &first, &now);
}

static void release_channels(struct far *far)
{
	struct guest_bus *bus = guest_local_bus(far->local);
	struct guest_channel *channel = guest_bus_channel(bus, 0);

	while (channel != NULL) {
		uint16_t relid = channel->relid;

		if (atomic_load(&channel->rescinded))
			guest_channel_release(channel);
		channel = guest_bus_channel(bus, relid + 1);
	}
}

static int serve(struct far *far, const struct far_tool *tool)
{
	while (!quit && !far->done) {
		struct guest_channel *channel = guest_local_nic(far->local, 200);
		struct err err = {0};

		release_channels(far);
		if (channel == NULL || atomic_load(&channel->rescinded))
			continue;
		if (guest_net_create(channel, &far->opts.conf, &far->net, &err) != 0) {
			fprintf(stderr, "%s: %s\n", tool->name, err.what);
			return 1;
		}
		guest_net_info(far->net, &far->info);
		if (tool->start != NULL)
			tool->start(far);
		printf("ready mtu=%u queues=%u mac=%02x:%02x:%02x:%02x:%02x:%02x\n", far->info.mtu,
		       far->info.n_queues, far->info.mac[0], far->info.mac[1], far->info.mac[2],
		       far->info.mac[3], far->info.mac[4], far->info.mac[5]);
		fflush(stdout);
		run(far, tool);
		if (tool->finish != NULL)
			tool->finish(far);
		guest_net_destroy(far->net);
		far->net = NULL;
		release_channels(far);
	}
	return 0;
}

/* Start. */

static void event(void *ctx, const char *text)
{
	fprintf(stderr, "%s: %s\n", (const char *)ctx, text);
}

static int open_bus(struct far *far, const struct far_tool *tool, struct err *err)
{
	static char name[32];
	struct guest_local_opts opts = {
		.socket = far->opts.socket,
		.memory_size = guest_net_memory_size(&far->opts.conf) + (4u << 20),
		.huge = far->opts.huge,
		.bus = {.versions = far->opts.conf.profile->bus_versions, .monitor = true},
		.event = event,
		.ctx = name,
	};
	int rc;

	snprintf(name, sizeof(name), "%s", tool->name);
	rc = guest_local_create(&opts, &far->local, err);
	return rc != 0 ? rc : guest_bus_connect(guest_local_bus(far->local), err);
}

static void usage(const struct far_tool *tool, FILE *to)
{
	fprintf(to, "usage: %s [OPTION]... SOCKET\n\n%s\n\n", tool->name, tool->summary);
	fputs("  -q, --queues N      (1)\n"
	      "  -p, --profile NAME  set the NIC up as this guest does (linux-6.12)\n"
	      "  -m, --mtu N\n"
	      "  -r, --rates N       print rates every N seconds\n"
	      "  -d, --duration N    end after N seconds\n"
	      "  -n, --count N       end after N frames sent\n"
	      "  -s, --size N        bytes of a frame without its FCS (60)\n"
	      "  -f, --flows N       (1)\n"
	      "  -b, --burst N       frames of a burst (64)\n"
	      "      --pps N         frames a second at most\n"
	      "      --dst MAC       where frames go (ff:ff:ff:ff:ff:ff)\n"
	      "      --cpu N         run on this processor\n"
	      "      --pages         send by pages instead of sections\n"
	      "      --aggregate N   frames in a section at most\n"
	      "      --sleep         sleep when there is nothing to do\n"
	      "      --huge          huge pages, if there are any\n"
	      "      --counters FILE keep a page of counters there\n",
	      to);
}

enum {
	OPT_PPS = 256,
	OPT_DST,
	OPT_CPU,
	OPT_PAGES,
	OPT_AGGREGATE,
	OPT_SLEEP,
	OPT_HUGE,
	OPT_COUNTERS
};

static const struct option long_options[] = {
	{"queues", required_argument, NULL, 'q'},
	{"profile", required_argument, NULL, 'p'},
	{"mtu", required_argument, NULL, 'm'},
	{"rates", required_argument, NULL, 'r'},
	{"duration", required_argument, NULL, 'd'},
	{"count", required_argument, NULL, 'n'},
	{"size", required_argument, NULL, 's'},
	{"flows", required_argument, NULL, 'f'},
	{"burst", required_argument, NULL, 'b'},
	{"pps", required_argument, NULL, OPT_PPS},
	{"dst", required_argument, NULL, OPT_DST},
	{"cpu", required_argument, NULL, OPT_CPU},
	{"pages", no_argument, NULL, OPT_PAGES},
	{"aggregate", required_argument, NULL, OPT_AGGREGATE},
	{"sleep", no_argument, NULL, OPT_SLEEP},
	{"huge", no_argument, NULL, OPT_HUGE},
	{"counters", required_argument, NULL, OPT_COUNTERS},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static bool read_mac(const char *text, uint8_t mac[6])
{
	return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0], &mac[1], &mac[2],
		      &mac[3], &mac[4], &mac[5]) == 6;
}

static bool option(struct far_opts *o, int c)
{
	uint64_t n = optarg != NULL ? strtoull(optarg, NULL, 10) : 0;

	switch (c) {
	case 'q':
		o->conf.n_queues = (uint16_t)n;
		break;
	case 'p':
		o->conf.profile = guest_profile_find(optarg);
		return o->conf.profile != NULL;
	case 'm':
		o->conf.mtu = (uint16_t)n;
		break;
	case 'r':
		o->rate_s = (unsigned)n;
		break;
	case 'd':
		o->duration_s = (unsigned)n;
		break;
	case 'n':
		o->count = n;
		break;
	case 's':
		o->size = (unsigned)n;
		return n >= 42 && n <= GUEST_MAX_FRAME;
	case 'f':
		o->flows = (unsigned)n;
		return n >= 1 && n <= 65536;
	case 'b':
		o->burst = (unsigned)n;
		return n >= 1 && n <= GUEST_RX_BURST;
	case OPT_PPS:
		o->pps = n;
		break;
	case OPT_DST:
		return read_mac(optarg, o->dst);
	case OPT_CPU:
		o->cpu = (unsigned)n;
		break;
	case OPT_PAGES:
		o->conf.mode = GUEST_MODE_PAGES;
		break;
	case OPT_AGGREGATE:
		o->conf.max_aggregate = (uint16_t)n;
		break;
	case OPT_SLEEP:
		o->sleep = true;
		break;
	case OPT_COUNTERS:
		o->counters = optarg;
		break;
	case OPT_HUGE:
		o->huge = true;
		break;
	default:
		return false;
	}
	return true;
}

static void pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		fprintf(stderr, "cannot run on processor %u alone\n", cpu);
}

int far_main(int argc, char **argv, const struct far_tool *tool)
{
	struct far far = {.opts = {.conf = {.profile = guest_profiles[0], .n_slots = 16},
				   .cpu = UINT32_MAX,
				   .size = 60,
				   .flows = 1,
				   .burst = 64}};
	struct err err = {0};
	int c, rc;

	memset(far.opts.dst, 0xff, sizeof(far.opts.dst));
	while ((c = getopt_long(argc, argv, "q:p:m:r:d:n:s:f:b:h", long_options, NULL)) != -1) {
		if (c == 'h' || !option(&far.opts, c)) {
			usage(tool, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : EXIT_USAGE;
		}
	}
	if (optind + 1 != argc) {
		usage(tool, stderr);
		return EXIT_USAGE;
	}
	far.opts.socket = argv[optind];
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	signal(SIGPIPE, SIG_IGN);
	if (far.opts.cpu != UINT32_MAX)
		pin(far.opts.cpu);
	if (far.opts.counters != NULL && map_counters(&far) != 0) {
		fprintf(stderr, "%s: cannot map %s\n", tool->name, far.opts.counters);
		return 1;
	}
	rc = open_bus(&far, tool, &err);
	if (rc != 0)
		fprintf(stderr, "%s: %s\n", tool->name, err.what);
	else
		rc = serve(&far, tool);
	guest_local_destroy(far.local);
	return rc == 0 ? 0 : 1;
}
