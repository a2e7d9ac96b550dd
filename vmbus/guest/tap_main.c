/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vmbus-tap: joins a synthetic NIC of the switch to a tap device, so that a network namespace (a
 * container, a test) has a port of kind "vmbus".
 *
 * 	main thread       the attach socket, coming and going of the NIC, its link
 * 	one for a queue   join.h
 *
 * The switch may come and go: the channels stay as they are (vmbus/remote.h), and when the NIC
 * itself is taken away, what comes next is set up anew.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "ctl/base/err.h"
#include "vmbus/guest/guest.h"
#include "vmbus/guest/join.h"
#include "vmbus/guest/tap.h"
#include "vmbus/netvsp.h"

#define TICK_MS	    50
#define WAIT_MS	    200
#define RETRY_MS    1000
#define EXIT_USAGE  2
#define DEFAULT_US  20
#define SUPER_FRAME 65536

struct options {
	const char *socket, *name, *netns, *profile;
	unsigned n_queues, mtu, poll_us;
	bool huge, verbose, once;
};

struct bridge {
	struct options opts;
	struct guest_local *local;
	struct guest_net *net;
	struct tap tap;
	struct join joins[TAP_MAX_QUEUES];
	pthread_t threads[TAP_MAX_QUEUES];
	unsigned n_threads;
	atomic_bool stop; /* of the joins */
	int stop_fd, signal_fd;
	uint32_t link_changes;
	char told[256]; /* about the attach socket */
	bool quit;
};

static void print_err(const struct err *err)
{
	fprintf(stderr, "error[%s]: %s\n", err->slug, err->what);
	if (err->why[0] != '\0')
		fprintf(stderr, "  why: %s\n", err->why);
	if (err->fix[0] != '\0')
		fprintf(stderr, "  fix: %s\n", err->fix);
}

__attribute__((format(printf, 2, 3))) static void say(const struct bridge *b, const char *fmt, ...)
{
	va_list args;

	if (!b->opts.verbose)
		return;
	va_start(args, fmt);
	fprintf(stderr, "vmbus-tap: ");
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
}

/* Once: it may come again with every try. */
static void remote_event(void *ctx, const char *text)
{
	struct bridge *b = ctx;

	if (strcmp(b->told, text) != 0)
		fprintf(stderr, "vmbus-tap: %s\n", text);
	snprintf(b->told, sizeof(b->told), "%s", text);
}

/* The joins. */

static void *run(void *arg)
{
	join_run(arg);
	return NULL;
}

static void stop_joins(struct bridge *b)
{
	uint64_t n = 1;

	atomic_store(&b->stop, true);
	if (write(b->stop_fd, &n, sizeof(n)) < 0)
		say(b, "cannot wake the queues: %s", strerror(errno));
	while (b->n_threads > 0)
		pthread_join(b->threads[--b->n_threads], NULL);
	if (read(b->stop_fd, &n, sizeof(n)) < 0)
		say(b, "nothing to take back: %s", strerror(errno));
}

static int start_joins(struct bridge *b, const struct guest_net_info *info, struct err *err)
{
	unsigned n = info->n_queues < b->tap.n_queues ? info->n_queues : b->tap.n_queues;

	atomic_store(&b->stop, false);
	for (unsigned i = 0; i < n; i++) {
		b->joins[i] = (struct join){
			.queue = guest_net_queue(b->net, i),
			.net = b->net,
			.call_fd = guest_net_channel(b->net, i)->call_fd,
			.tap_fd = b->tap.fds[i],
			.stop_fd = b->stop_fd,
			.mtu = info->mtu,
			.poll_us = b->opts.poll_us,
			.stop = &b->stop,
		};
		if (pthread_create(&b->threads[i], NULL, run, &b->joins[i]) != 0) {
			stop_joins(b);
			return err_set(err, -EAGAIN, "threads", "cannot start a thread");
		}
		b->n_threads++;
	}
	return 0;
}

/* The NIC. */

static void release_channels(struct bridge *b)
{
	struct guest_bus *bus = guest_local_bus(b->local);
	struct guest_channel *channel = guest_bus_channel(bus, 0);

	while (channel != NULL) {
		uint16_t relid = channel->relid;

		if (atomic_load(&channel->rescinded))
			guest_channel_release(channel);
		channel = guest_bus_channel(bus, relid + 1);
	}
}

static void leave(struct bridge *b)
{
	if (b->net == NULL)
		return;
	stop_joins(b);
	tap_set_carrier(&b->tap, false);
	guest_net_destroy(b->net);
	b->net = NULL;
}

static int configure(struct bridge *b, const struct guest_net_info *info, struct err *err)
{
	struct tap_settings settings = {
		.mtu = info->mtu,
		.csum = info->csum4 && info->csum6,
		.tso4 = info->lso_max != 0,
		.tso6 = info->lso6,
		.gso_max = info->lso_max != 0 && info->lso_max < SUPER_FRAME ? info->lso_max : 0,
	};

	memcpy(settings.mac, info->mac, sizeof(settings.mac));
	return tap_set(&b->tap, &settings, err);
}

static int enter(struct bridge *b, struct guest_channel *channel, struct err *err)
{
	struct guest_net_conf conf = {
		.profile = guest_profile_find(b->opts.profile),
		.n_queues = (uint16_t)b->opts.n_queues,
		.mtu = (uint16_t)b->opts.mtu,
		.n_slots = 16,
	};
	struct guest_net_info info;
	bool up;
	int rc = guest_net_create(channel, &conf, &b->net, err);

	if (rc != 0)
		return rc;
	guest_net_info(b->net, &info);
	rc = configure(b, &info, err);
	if (rc == 0)
		rc = start_joins(b, &info, err);
	if (rc != 0) {
		leave(b);
		return rc;
	}
	b->link_changes = guest_net_link(b->net, &up);
	tap_set_carrier(&b->tap, up);
	say(b, "NIC '%s' %02x:%02x:%02x:%02x:%02x:%02x, MTU %u, %u queues, is behind %s", info.name,
	    info.mac[0], info.mac[1], info.mac[2], info.mac[3], info.mac[4], info.mac[5], info.mtu,
	    info.n_queues, b->tap.name);
	return 0;
}

static void follow_link(struct bridge *b)
{
	bool up;
	uint32_t changes = guest_net_link(b->net, &up);

	if (changes == b->link_changes)
		return;
	b->link_changes = changes;
	tap_set_carrier(&b->tap, up);
	say(b, "link %s", up ? "up" : "down");
}

static void tick(struct bridge *b, int timeout_ms)
{
	struct pollfd fds[2] = {{.fd = b->signal_fd, .events = POLLIN},
				{.fd = guest_local_fd(b->local), .events = POLLIN}};

	(void)poll(fds, 2, timeout_ms);
	b->quit = b->quit || fds[0].revents != 0;
	guest_local_event(b->local);
}

/* A NIC that cannot be set up may be able to later: what is wrong is said once. */
static int serve(struct bridge *b)
{
	char told[sizeof(((struct err *)0)->what)] = "";

	while (!b->quit) {
		struct guest_channel *channel;
		struct err err = {0};

		if (b->net != NULL && guest_net_gone(b->net)) {
			say(b, "the NIC was taken away");
			leave(b);
			b->quit = b->opts.once;
		}
		release_channels(b);
		if (tap_gone(&b->tap)) {
			fprintf(stderr,
				"error[tap]: interface '%s' is gone\n"
				"  why: it was deleted, or its network namespace was\n",
				b->tap.name);
			return 1;
		}
		channel = b->net == NULL && !b->quit ? guest_local_nic(b->local, 0) : NULL;
		if (channel != NULL && enter(b, channel, &err) != 0) {
			if (strcmp(told, err.what) != 0)
				print_err(&err);
			snprintf(told, sizeof(told), "%s", err.what);
			tick(b, RETRY_MS);
		}
		if (b->net != NULL)
			follow_link(b);
		tick(b, TICK_MS);
	}
	return 0;
}

/* Start and end. */

static int open_bus(struct bridge *b, struct err *err)
{
	const struct guest_profile *profile = guest_profile_find(b->opts.profile);
	struct guest_net_conf conf = {.profile = profile,
				      .n_queues = (uint16_t)b->opts.n_queues,
				      .n_slots = 16};
	struct guest_local_opts opts = {
		.socket = b->opts.socket,
		.memory_size = guest_net_memory_size(&conf) + (4u << 20),
		.huge = b->opts.huge,
		.bus = {.versions = profile->bus_versions, .monitor = true},
		.event = remote_event,
		.ctx = b,
	};
	int rc = guest_local_create(&opts, &b->local, err);

	return rc != 0 ? rc : guest_bus_connect(guest_local_bus(b->local), err);
}

static int start(struct bridge *b, struct err *err)
{
	sigset_t signals;
	int rc;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	b->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	b->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->signal_fd < 0 || b->stop_fd < 0)
		return err_set(err, -errno, "descriptors", "no descriptor is left: %s",
			       strerror(errno));
	rc = tap_open(b->opts.name, b->opts.netns, b->opts.n_queues, &b->tap, err);
	if (rc != 0)
		return rc;
	tap_set_carrier(&b->tap, false);
	return open_bus(b, err);
}

static void usage(FILE *to)
{
	fputs("usage: vmbus-tap [OPTION]... SOCKET\n"
	      "\n"
	      "Joins a synthetic NIC of the switch (a port of kind vmbus) to a tap device.  SOCKET "
	      "is\n"
	      "the attach socket of the port.  The device takes the NIC's address, MTU and link; "
	      "the\n"
	      "switch and the NIC may come and go.\n"
	      "\n"
	      "  -n, --name NAME      of the device (vmbus0)\n"
	      "  -N, --netns NETNS    where it is: a name as in 'ip netns', a path, or a process\n"
	      "  -q, --queues N       queues, each with a thread (1)\n"
	      "  -m, --mtu N          ask for this MTU instead of what the NIC has\n"
	      "  -p, --profile NAME   set the NIC up as this guest does: ",
	      to);
	for (const struct guest_profile *const *p = guest_profiles; *p != NULL; p++)
		fprintf(to, "%s%s", p == guest_profiles ? "" : " ", (*p)->name);
	fputs("\n"
	      "      --poll USEC      look so long for frames before sleeping (20)\n"
	      "      --huge           use huge pages if the kernel has any\n"
	      "      --once           end when the NIC is taken away\n"
	      "  -v, --verbose        say what happens\n"
	      "  -h, --help\n"
	      "\n"
	      "Examples:\n"
	      "  vswitchctl port add lan0 web --kind vmbus\n"
	      "  ip netns add web\n"
	      "  vmbus-tap --netns web --name eth0 /run/vswitch/nic/web.sock &\n"
	      "  ip -n web address add 10.0.0.2/24 dev eth0\n",
	      to);
}

static bool number(const char *text, unsigned max, unsigned *ret)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || value > max) {
		fprintf(stderr, "error[usage]: '%s' is no number from 0 to %u\n", text, max);
		return false;
	}
	*ret = (unsigned)value;
	return true;
}

enum { OPT_POLL = 256, OPT_HUGE, OPT_ONCE };

static const struct option long_options[] = {
	{"name", required_argument, NULL, 'n'},
	{"netns", required_argument, NULL, 'N'},
	{"queues", required_argument, NULL, 'q'},
	{"mtu", required_argument, NULL, 'm'},
	{"profile", required_argument, NULL, 'p'},
	{"poll", required_argument, NULL, OPT_POLL},
	{"huge", no_argument, NULL, OPT_HUGE},
	{"once", no_argument, NULL, OPT_ONCE},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static bool option(struct options *o, int c)
{
	switch (c) {
	case 'n':
		o->name = optarg;
		return true;
	case 'N':
		o->netns = optarg;
		return true;
	case 'p':
		o->profile = optarg;
		if (guest_profile_find(optarg) == NULL)
			fprintf(stderr, "error[usage]: no guest is called '%s'\n", optarg);
		return guest_profile_find(optarg) != NULL;
	case 'q':
		return number(optarg, TAP_MAX_QUEUES, &o->n_queues) && o->n_queues > 0;
	case 'm':
		return number(optarg, UINT16_MAX, &o->mtu);
	case OPT_POLL:
		return number(optarg, 1000000, &o->poll_us);
	case OPT_HUGE:
		o->huge = true;
		return true;
	case OPT_ONCE:
		o->once = true;
		return true;
	case 'v':
		o->verbose = true;
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static struct bridge b = {.opts = {.name = "vmbus0",
					   .profile = "linux-6.12",
					   .n_queues = 1,
					   .poll_us = DEFAULT_US}};
	struct err err = {0};
	int c, rc;

	while ((c = getopt_long(argc, argv, "n:N:q:m:p:vh", long_options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return 0;
		}
		if (!option(&b.opts, c)) {
			fprintf(stderr, "  fix: vmbus-tap --help\n");
			return EXIT_USAGE;
		}
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "error[usage]: name one attach socket\n  fix: vmbus-tap --help\n");
		return EXIT_USAGE;
	}
	b.opts.socket = argv[optind];
	rc = start(&b, &err);
	if (rc != 0)
		print_err(&err);
	else
		rc = serve(&b);
	if (b.local != NULL) {
		leave(&b);
		release_channels(&b);
	}
	guest_local_destroy(b.local);
	tap_close(&b.tap);
	return rc == 0 ? 0 : 1;
}
