/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A wire between two DPDK or vhost ports: what comes in by one goes out by the other, for tests
 * with real peers.
 *
 * 	ethloop EAL-ARGS -- [-m MTU] [-q QUEUES] [-O] [-b] SPEC SPEC
 *
 * SPEC is eth:DEVARGS, vhost:PATH, vhost-server:PATH, memif:PATH[,id=N],
 * memif-server:PATH[,id=N], tap:IFNAME or vmbus:PATH.  -O: no offloads.  -b: never
 * sleep.  Prints changes of link; commands on stdin, one a line: 'show', 'mtu N'; at the end of
 * stdin or SIGTERM one JSON line a port.  Exits 1 when frames or buffers are unaccounted for.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "ctl/base/clock.h"
#include "dataplane/csum.h"
#include "dataplane/dp.h"
#include "dataplane/gso.h"
#include "dataplane/watch.h"
#include "vmq/nic.h"

#define TICK_NS UINT64_C(100000000)
#define GSO_MAX 256
#define SEGMENT (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)

struct end {
	struct dp_port *port;
	bool up;
	uint64_t rx, requests, supers, tx, pieces, refused, failed;
};

static volatile sig_atomic_t stop;
static struct end ends[2];

static void on_signal(int number)
{
	stop = number;
}

static void open_end(struct dp *dp, struct end *end, char *spec, struct dp_port_opts opts)
{
	char *arg = strchr(spec, ':'), *comma = NULL;
	struct err err = {0};

	if (arg == NULL)
		exit(2);
	*arg++ = '\0';
	opts.name = arg;
	opts.devargs = opts.socket = opts.ifname = arg;
	if (strcmp(spec, "vmbus") == 0)
		opts.ops = &vmq_port_ops;
	opts.has_mac = true;
	opts.mac = (struct rte_ether_addr){{2, 0, 0, 0, 0, (uint8_t)(1 + (end - ends))}};
	opts.server = strstr(spec, "-server") != NULL;
	opts.kind = strcmp(spec, "vhost-server") == 0	? "vhost"
		    : strcmp(spec, "memif-server") == 0 ? "memif"
							: spec;
	if (strcmp(opts.kind, "memif") == 0) /* SOCKET[,ARGUMENTS] */
		opts.devargs = (comma = strchr(arg, ',')) != NULL ? comma + 1 : NULL;
	if (comma != NULL)
		*comma = '\0';
	if (dp_port_open(dp, &opts, &end->port, &err) != 0) {
		printf("error[%s]: %s\n  why: %s\n  fix: %s\n", err.slug, err.what, err.why,
		       err.fix);
		exit(2);
	}
	end->port->id = (uint16_t)(end - ends);
	if (opts.ops == &vmq_port_ops)
		vmq_nic_set(end->port, &(struct vmq_nic_conf){.link_up = true,
							      .mac_change = true,
							      .rsc = true});
}

static void transmit(struct end *out, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct dp_txq *q = &out->port->txq[queue % out->port->n_txq];
	uint16_t sent = n > 0 ? out->port->tx(q, pkts, n) : 0;

	out->tx += sent;
	out->refused += n - sent;
	rte_pktmbuf_free_bulk(pkts + sent, n - sent);
}

static uint32_t caps_needed(const struct rte_mbuf *m)
{
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;

	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0)
		return (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0 ? DP_TX_TSO6 : DP_TX_TSO4;
	if (l4 == RTE_MBUF_F_TX_TCP_CKSUM)
		return DP_TX_CSUM_TCP;
	if (l4 == RTE_MBUF_F_TX_UDP_CKSUM)
		return DP_TX_CSUM_UDP;
	return l4 == RTE_MBUF_F_TX_SCTP_CKSUM ? DP_TX_CSUM_SCTP : 0;
}

static void finish_in_software(struct end *out, uint16_t queue, struct rte_mbuf *m)
{
	struct rte_mbuf *pieces[GSO_MAX] = {m};
	int n = 1;

	if ((m->ol_flags & SEGMENT) != 0) {
		n = dp_gso(m, dp_pool(out->port->dp, 0, false), pieces, GSO_MAX);
		rte_pktmbuf_free(m);
		if (n <= 0) {
			out->failed++;
			return;
		}
		out->pieces += (uint64_t)n - 1;
	}
	for (int i = 0; i < n; i++) {
		if ((caps_needed(pieces[i]) & ~out->port->tx_caps) == 0 ||
		    dp_csum_finish(pieces[i]) == 0) {
			transmit(out, queue, &pieces[i], 1);
		} else {
			out->failed++;
			rte_pktmbuf_free(pieces[i]);
		}
	}
}

static uint16_t forward_queue(struct end *in, struct end *out, struct dp_rxq *q)
{
	struct rte_mbuf *pkts[DP_BURST];
	uint16_t n = q->rx(q, pkts, DP_BURST), ready = 0;

	in->rx += n;
	for (uint16_t i = 0; i < n; i++) {
		uint32_t need = caps_needed(pkts[i]);

		in->requests += need != 0;
		in->supers += (pkts[i]->ol_flags & SEGMENT) != 0;
		if ((need & ~out->port->tx_caps) == 0 &&
		    (pkts[i]->nb_segs == 1 || (out->port->tx_caps & DP_TX_CHAIN) != 0)) {
			pkts[ready++] = pkts[i];
			continue;
		}
		transmit(out, q->index, pkts, ready);
		ready = 0;
		finish_in_software(out, q->index, pkts[i]);
	}
	transmit(out, q->index, pkts, ready);
	return n;
}

static void check_link(struct end *end)
{
	static char last[2][96];
	struct dp_link link;

	end->port->ops->link(end->port, &link);
	if (link.up == end->up && strcmp(last[end - ends], link.reason) == 0)
		return;
	end->up = link.up;
	snprintf(last[end - ends], sizeof(last[0]), "%s", link.reason);
	printf("%s: link %s %u %s\n", end->port->name, link.up ? "up" : "down", link.speed_mbps,
	       link.reason);
	fflush(stdout);
}

static json_int_t malformed(const struct dp_port *port)
{
	json_int_t n = 0;

	for (uint16_t i = 0; i < port->n_rxq; i++)
		n += port->rxq[i].malformed;
	return n;
}

static void report(const struct end *end)
{
	json_t *line =
		json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:I, s:o}", "port",
			  end->port->name, "note", end->port->note, "rx", (json_int_t)end->rx,
			  "requests", (json_int_t)end->requests, "supers", (json_int_t)end->supers,
			  "tx", (json_int_t)end->tx, "pieces", (json_int_t)end->pieces, "refused",
			  (json_int_t)end->refused, "failed", (json_int_t)end->failed, "mtu",
			  end->port->mtu, "malformed", malformed(end->port), "show",
			  end->port->ops->show(end->port));
	char *text = json_dumps(line, 0);

	puts(text);
	fflush(stdout);
	free(text);
	json_decref(line);
}

static void command(void)
{
	struct pollfd pfd = {STDIN_FILENO, POLLIN, 0};
	struct err err = {0};
	char line[64];
	ssize_t n;

	if (poll(&pfd, 1, 0) <= 0)
		return;
	n = read(STDIN_FILENO, line, sizeof(line) - 1);
	if (n <= 0) {
		stop = 1;
		return;
	}
	line[n] = '\0';
	for (unsigned i = 0; i < 2; i++) {
		if (strncmp(line, "mtu ", 4) == 0)
			printf("mtu: %d %s\n",
			       ends[i].port->ops->set_mtu(ends[i].port, (uint16_t)atoi(line + 4),
							  &err),
			       err.what);
		else
			report(&ends[i]);
	}
}

static void run(bool busy)
{
	uint64_t last = 0;
	unsigned idle = 0;

	for (unsigned turn = 0; stop == 0; turn++) {
		uint16_t n = 0;

		for (unsigned e = 0; e < 2; e++)
			for (uint16_t i = 0; i < ends[e].port->n_rxq; i++)
				n += forward_queue(&ends[e], &ends[1 - e], &ends[e].port->rxq[i]);
		idle = n > 0 ? 0 : idle + 1;
		if (!busy && idle > 100)
			usleep(100);
		dp_watch_run(ends[0].port->dp);
		if (turn % 64 != 0 || clock_mono_ns() - last < TICK_NS)
			continue;
		last = clock_mono_ns();
		check_link(&ends[0]);
		check_link(&ends[1]);
		command();
	}
}

int main(int argc, char **argv)
{
	struct dp_port_opts opts = {.netns_fd = -1, .offloads = true};
	const struct dp_opts dp_opts = {.n_mbufs = 16384, .fdb_size = 1024};
	struct sigaction action = {.sa_handler = on_signal};
	struct dp *dp = NULL;
	struct err err = {0};
	bool busy = false;
	int opt, used = rte_eal_init(argc, argv), lost;

	if (used < 0)
		return 2;
	argc -= used;
	argv += used;
	optind = 1;
	while ((opt = getopt(argc, argv, "m:q:Ob")) != -1) {
		if (opt == 'm')
			opts.mtu = (uint16_t)atoi(optarg);
		else if (opt == 'q')
			opts.n_queues = (uint16_t)atoi(optarg);
		else if (opt == 'O')
			opts.offloads = false;
		else
			busy = true;
	}
	if (argc - optind != 2 || dp_create(&dp_opts, &dp, &err) != 0) {
		fprintf(stderr, "ethloop: two ports; %s\n", err.what);
		return 2;
	}
	for (unsigned i = 0; i < 2; i++)
		open_end(dp, &ends[i], argv[optind + (int)i], opts);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	printf("ready\n");
	fflush(stdout);
	run(busy);
	report(&ends[0]);
	report(&ends[1]);
	lost = ends[0].rx + ends[1].rx + ends[0].pieces + ends[1].pieces !=
	       ends[0].tx + ends[1].tx + ends[0].refused + ends[1].refused + ends[0].failed +
		       ends[1].failed;
	dp_port_close(ends[0].port);
	dp_port_close(ends[1].port);
	if (rte_mempool_in_use_count(dp_pool(dp, 0, false)) != 0) {
		printf("buffers lost: %u\n", rte_mempool_in_use_count(dp_pool(dp, 0, false)));
		lost = 1;
	}
	dp_destroy(dp);
	rte_eal_cleanup();
	return lost;
}
