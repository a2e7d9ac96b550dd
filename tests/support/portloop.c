/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A wire made of two ports: what comes in by one goes out by the other.  Drives the port drivers
 * against real Linux stacks without the switch between them.
 *
 * 	portloop [-m MTU] [-q QUEUES] [-O] KIND:IFNAME[@NETNS] KIND:IFNAME[@NETNS]
 * 	portloop ... eth:DEVARGS ...
 * 	portloop ... memif:PATH[,id=N], memif-server:PATH[,id=N] ...
 *
 * -O takes the ports without offloads: what a port cannot do is done in software, as dp_tx() does.
 * Prints one line for each change of link, and at SIGTERM or SIGINT one line of JSON for each port.
 *  Every frame is accounted for: it exits 1 if not, or if buffers are lost.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>

#include <rte_mbuf.h>

#include "ctl/base/clock.h"
#include "dataplane/csum.h"
#include "dataplane/dp.h"
#include "dataplane/gso.h"
#include "tests/support/test_dp.h"

#define GSO_MAX	     256
#define TICK_NS	     100000000u
#define IDLE_POLLS   200
#define SEGMENTATION (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)

struct end {
	struct dp_port *port;
	bool up;
	uint64_t rx, supers, pieces, tx, refused[DP_N_DROPS], software_failed;
	uint64_t polls;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static void die(const char *what, const struct err *err)
{
	fprintf(stderr, "portloop: %s: %s%s%s\n", what, err != NULL ? err->what : "",
		err != NULL && err->why[0] != '\0' ? ": " : "", err != NULL ? err->why : "");
	exit(2);
}

/* "tap:eth0@blue" */
static struct dp_port *open_end(struct dp *dp, char *spec, const struct dp_port_opts *common)
{
	struct dp_port_opts opts = *common;
	char *ifname = strchr(spec, ':'), *netns, path[256], name[DP_PORT_NAME_SIZE] = {0};
	struct dp_port *port;
	struct err err = {0};

	if (ifname == NULL)
		die("KIND:IFNAME[@NETNS]", NULL);
	*ifname++ = '\0';
	netns = strchr(ifname, '@');
	opts.netns_fd = -1;
	if (netns != NULL) {
		*netns++ = '\0';
		snprintf(path, sizeof(path), "/run/netns/%s", netns);
		opts.netns_fd = open(path, O_RDONLY | O_CLOEXEC);
		if (opts.netns_fd < 0)
			die(path, NULL);
	}
	opts.kind = strcmp(spec, "memif-server") == 0 ? "memif" : spec;
	opts.server = opts.kind != spec;
	opts.ifname = opts.devargs = opts.socket = ifname;
	if (strcmp(opts.kind, "memif") == 0) {
		opts.devargs = strchr(ifname, ',');
		if (opts.devargs != NULL)
			ifname[opts.devargs++ - ifname] = '\0';
	}
	opts.name = strncpy(name, ifname, sizeof(name) - 1);
	if (dp_port_open(dp, &opts, &port, &err) != 0)
		die("open", &err);
	if (opts.netns_fd >= 0)
		close(opts.netns_fd);
	if (port->note[0] != '\0')
		fprintf(stderr, "portloop: note: %s\n", port->note);
	return port;
}

static void transmit(struct end *out, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct dp_txq *q = &out->port->txq[queue % out->port->n_txq];
	uint16_t sent;

	q->refused = DP_N_DROPS - 1;
	sent = out->port->tx(q, pkts, n);
	out->tx += sent;
	if (sent < n)
		out->refused[q->refused] += n - sent;
	rte_pktmbuf_free_bulk(pkts + sent, n - sent);
}

static uint32_t caps_needed(const struct rte_mbuf *m)
{
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;

	if (m->ol_flags & RTE_MBUF_F_TX_UDP_SEG)
		return DP_TX_USO;
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
		return m->ol_flags & RTE_MBUF_F_TX_IPV6 ? DP_TX_TSO6 : DP_TX_TSO4;
	if (l4 == RTE_MBUF_F_TX_TCP_CKSUM)
		return DP_TX_CSUM_TCP;
	if (l4 == RTE_MBUF_F_TX_UDP_CKSUM)
		return DP_TX_CSUM_UDP;
	return l4 == RTE_MBUF_F_TX_SCTP_CKSUM ? DP_TX_CSUM_SCTP : 0;
}

/* What the egress port cannot do. */
static void finish_in_software(struct end *out, uint16_t queue, struct rte_mbuf *m)
{
	struct rte_mbuf *pieces[GSO_MAX];
	int n = 1;

	pieces[0] = m;
	if (m->ol_flags & SEGMENTATION) {
		n = dp_gso(m, dp_pool(out->port->dp, 0, false), pieces, GSO_MAX);
		out->pieces += n > 0 ? (uint64_t)n - 1 : 0;
		if (n <= 0)
			out->software_failed++;
		rte_pktmbuf_free(m);
	}
	for (int i = 0; i < n; i++) {
		if (dp_csum_finish(pieces[i]) == 0) {
			transmit(out, queue, &pieces[i], 1);
		} else {
			out->software_failed++;
			rte_pktmbuf_free(pieces[i]);
		}
	}
}

static uint16_t forward(struct end *in, struct end *out)
{
	uint16_t total = 0;

	for (uint16_t i = 0; i < in->port->n_rxq; i++) {
		struct dp_rxq *q = &in->port->rxq[i];
		struct rte_mbuf *pkts[DP_BURST];
		uint16_t n = q->rx(q, pkts, DP_BURST), ready = 0;

		in->polls++;
		in->rx += n;
		total += n;
		for (uint16_t k = 0; k < n; k++) {
			in->supers += (pkts[k]->ol_flags & SEGMENTATION) != 0;
			if ((caps_needed(pkts[k]) & ~out->port->tx_caps) == 0) {
				pkts[ready++] = pkts[k];
				continue;
			}
			transmit(out, i, pkts, ready);
			ready = 0;
			finish_in_software(out, i, pkts[k]);
		}
		transmit(out, i, pkts, ready);
	}
	return total;
}

static void check_link(struct end *end)
{
	struct dp_link link;

	end->port->ops->link(end->port, &link);
	if (link.up == end->up)
		return;
	end->up = link.up;
	printf("%s: link %s%s%s\n", end->port->name, link.up ? "up" : "down",
	       link.reason[0] != '\0' ? ": " : "", link.reason);
	fflush(stdout);
}

static void wait_for_frames(struct end *ends)
{
	struct pollfd pfds[2 * DP_MAX_QUEUES];
	int timeout_ms = 50;
	nfds_t n = 0;

	for (unsigned e = 0; e < 2; e++)
		for (uint16_t i = 0; i < ends[e].port->n_rxq; i++)
			pfds[n++] = (struct pollfd){ends[e].port->rxq[i].wake_fd, POLLIN, 0};
	for (nfds_t i = 0; i < n; i++)
		if (pfds[i].fd < 0)
			timeout_ms = 1;
	poll(pfds, n, timeout_ms);
}

static void run(struct end *ends)
{
	uint64_t last_tick = 0;
	unsigned idle = 0;

	while (!stop) {
		uint16_t n = forward(&ends[0], &ends[1]);

		n += forward(&ends[1], &ends[0]);
		idle = n != 0 ? 0 : idle + 1;
		if (idle > IDLE_POLLS)
			wait_for_frames(ends);
		if (clock_mono_ns() - last_tick > TICK_NS) {
			check_link(&ends[0]);
			check_link(&ends[1]);
			last_tick = clock_mono_ns();
		}
	}
}

/* Prints; returns frames of this egress that were not accounted for. */
static int64_t report(const struct end *in, const struct end *out)
{
	int64_t lost = (int64_t)(in->rx + out->pieces - out->tx - out->software_failed);
	json_t *show = out->port->ops->show(out->port), *drops = json_object(), *line;
	char *text;

	for (unsigned i = 0; i < DP_N_DROPS; i++) {
		lost -= (int64_t)out->refused[i];
		if (out->refused[i] != 0)
			json_object_set_new(drops, dp_drop_slug((enum dp_drop)i),
					    json_integer((json_int_t)out->refused[i]));
	}
	line = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "port",
			 out->port->name, "rx", (json_int_t)out->rx, "supers",
			 (json_int_t)out->supers, "tx", (json_int_t)out->tx, "pieces",
			 (json_int_t)out->pieces, "software_failed",
			 (json_int_t)out->software_failed, "polls", (json_int_t)out->polls,
			 "unaccounted", (json_int_t)lost, "drops", drops, "show", show);
	text = json_dumps(line, 0);
	puts(text);
	free(text);
	json_decref(line);
	return lost;
}

int main(int argc, char **argv)
{
	struct dp_port_opts opts = {.netns_fd = -1, .offloads = true};
	struct sigaction action = {.sa_handler = on_signal};
	struct end ends[2] = {0};
	struct dp *dp;
	int64_t lost;
	int opt;

	while ((opt = getopt(argc, argv, "m:q:O")) != -1) {
		if (opt == 'm')
			opts.mtu = (uint16_t)atoi(optarg);
		else if (opt == 'q')
			opts.n_queues = (uint16_t)atoi(optarg);
		else
			opts.offloads = false;
	}
	if (argc - optind != 2)
		die("two ports", NULL);
	dp = test_dp_create(16384);
	for (unsigned i = 0; i < 2; i++)
		ends[i].port = open_end(dp, argv[optind + (int)i], &opts);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	printf("ready\n");
	fflush(stdout);
	run(ends);
	lost = report(&ends[1], &ends[0]);
	lost |= report(&ends[0], &ends[1]);
	dp_port_close(ends[0].port);
	dp_port_close(ends[1].port);
	if (test_dp_in_use(dp) != 0) {
		fprintf(stderr, "portloop: %u buffers lost\n", test_dp_in_use(dp));
		lost = 1;
	}
	test_dp_destroy(dp);
	return lost != 0;
}
