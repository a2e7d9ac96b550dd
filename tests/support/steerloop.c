/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which queues of a port frames come by, while rules of hardware VMQ come and go; for tests with
 * real devices.
 *
 * 	steerloop EAL-ARGS -- KIND DEVICE QUEUES       KIND: eth (DEVICE is DEVARGS) or xdp
 * (interface)
 *
 * Commands on stdin, one a line, and a line of answer ("ok", "error WHAT: WHY") to each:
 *
 * 	open N_SHARED | close | set MAC VLAN QUEUE | unset MAC VLAN | mtu N | link
 * 	peek OFFSET             a register of the device (first BAR, by VFIO), in decimal
 * 	show    the ways and what came since the last show, as JSON
 *
 * VLAN is a number or "any".
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "ctl/base/clock.h"
#include "dataplane/dp.h"
#include "vmq/steer.h"

#define TICK_NS	  UINT64_C(100000000)
#define MAX_SEEN  64
#define LINE_SIZE 200

struct seen {
	struct rte_ether_addr to;
	uint64_t n;
};

static struct dp *dp;
static struct dp_port *port;
static struct vmq_steer *steer;
static struct seen seen[DP_MAX_QUEUES][MAX_SEEN];

static void note(uint16_t queue, const struct rte_mbuf *m)
{
	const struct rte_ether_addr *to = rte_pktmbuf_mtod(m, const struct rte_ether_addr *);
	struct seen *s = seen[queue];

	for (unsigned i = 0; i < MAX_SEEN; i++) {
		if (s[i].n != 0 && !rte_is_same_ether_addr(&s[i].to, to))
			continue;
		s[i].to = *to;
		s[i].n++;
		return;
	}
}

static void poll_queues(void)
{
	struct rte_mbuf *pkts[DP_BURST];

	for (uint16_t q = 0; q < port->n_rxq; q++) {
		uint16_t n = port->rxq[q].rx(&port->rxq[q], pkts, DP_BURST);

		for (uint16_t i = 0; i < n; i++)
			note(q, pkts[i]);
		rte_pktmbuf_free_bulk(pkts, n);
	}
}

static json_t *queue_json(uint16_t queue)
{
	json_t *to = json_object(), *row;
	uint64_t device = 0;

	for (unsigned i = 0; i < MAX_SEEN && seen[queue][i].n != 0; i++) {
		char name[RTE_ETHER_ADDR_FMT_SIZE];

		rte_ether_format_addr(name, sizeof(name), &seen[queue][i].to);
		for (char *c = name; *c != '\0'; c++)
			*c = *c >= 'A' && *c <= 'F' ? (char)(*c + 'a' - 'A') : *c;
		json_object_set_new(to, name, json_integer((json_int_t)seen[queue][i].n));
	}
	row = json_pack("{so}", "to", to);
	if (steer != NULL && vmq_steer_count(steer, queue, &device) == 0)
		json_object_set_new(row, "device", json_integer((json_int_t)device));
	return row;
}

static void show(void)
{
	json_t *queues = json_array(), *all;
	char *text;

	for (uint16_t q = 0; q < port->n_rxq; q++)
		json_array_append_new(queues, queue_json(q));
	all = json_pack("{ss so so}", "kind", steer != NULL ? vmq_steer_caps(steer)->kind : "none",
			"queues", queues, "port", port->ops->show(port));
	if (steer != NULL) {
		const struct dp_steer_caps *c = vmq_steer_caps(steer);

		json_object_set_new(all, "why", json_string(vmq_steer_why(steer)));
		json_object_set_new(all, "caps",
				    json_pack("{si si si si sb}", "first", c->first, "queues",
					      c->n_queues, "rules", c->max_rules, "spread",
					      c->max_spread, "by_vlan", c->by_vlan));
	}
	text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
	puts(text);
	free(text);
	json_decref(all);
	memset(seen, 0, sizeof(seen));
}

static uint16_t vlan_of(const char *text)
{
	return strcmp(text, "any") == 0 ? DP_STEER_ANY_VLAN : (uint16_t)atoi(text);
}

static int rule_command(const char *verb, char **words, struct err *err)
{
	struct dp_steer_rule rule = {0};

	if (steer == NULL || words[0] == NULL || words[1] == NULL ||
	    rte_ether_unformat_addr(words[0], &rule.mac) != 0)
		return err_set(err, -EINVAL, "usage", "bad rule");
	rule.vlan = vlan_of(words[1]);
	if (strcmp(verb, "unset") == 0)
		return vmq_steer_unset(steer, &rule.mac, rule.vlan, err);
	rule.queue = words[2] != NULL ? (uint16_t)atoi(words[2]) : 0;
	return vmq_steer_set(steer, &rule, err);
}

static int command(char **words, struct err *err)
{
	const char *verb = words[0] != NULL ? words[0] : "";

	if (strcmp(verb, "open") == 0 && steer == NULL)
		return vmq_steer_open(port, words[1] != NULL ? (uint16_t)atoi(words[1]) : 1, true,
				      &steer, err);
	if (strcmp(verb, "close") == 0) {
		vmq_steer_close(steer);
		steer = NULL;
		return 0;
	}
	if (strcmp(verb, "mtu") == 0 && words[1] != NULL)
		return port->ops->set_mtu(port, (uint16_t)atoi(words[1]), err);
	if (strcmp(verb, "link") == 0) {
		struct dp_link link;

		port->ops->link(port, &link);
		return link.up ? 0 : err_set(err, -ENOLINK, "link", "%s", link.reason);
	}
	return rule_command(verb, words + 1, err);
}

/* Where DPDK mapped the device's BARs, of which the first comes first. */
static volatile uint32_t *find_bar(size_t *ret_size)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from = 0, to = 0;
	char line[300];

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
		if (strstr(line, "vfio-device") != NULL && sscanf(line, "%lx-%lx", &from, &to) == 2)
			break;
		from = to = 0;
	}
	if (maps != NULL)
		fclose(maps);
	*ret_size = to - from;
	return (volatile uint32_t *)from;
}

static void peek(const char *text)
{
	size_t size, offset = strtoul(text, NULL, 0);
	volatile uint32_t *bar = find_bar(&size);

	if (bar == NULL || offset + 4 > size)
		puts("error no such register: ");
	else
		printf("%u\n", bar[offset / 4]);
}

static void obey(char *line)
{
	char *words[5] = {NULL}, *save = NULL;
	struct err err = {0};

	for (unsigned i = 0; i < 4; i++)
		words[i] = strtok_r(i == 0 ? line : NULL, " \n", &save);
	if (words[0] != NULL && strcmp(words[0], "show") == 0)
		show();
	else if (words[0] != NULL && words[1] != NULL && strcmp(words[0], "peek") == 0)
		peek(words[1]);
	else if (command(words, &err) == 0)
		puts("ok");
	else
		printf("error %s: %s\n", err.what, err.why);
	fflush(stdout);
}

/* Until the end of stdin. */
static void run(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	uint64_t next = 0;
	char line[LINE_SIZE];
	size_t used = 0;

	for (;;) {
		poll_queues();
		if (clock_mono_ns() >= next) {
			next = clock_mono_ns() + TICK_NS;
			if (steer != NULL)
				vmq_steer_tick(steer);
		}
		if (poll(&in, 1, 1) <= 0)
			continue;
		if (used == sizeof(line) - 1 || read(STDIN_FILENO, line + used, 1) != 1)
			return;
		if (line[used++] != '\n')
			continue;
		line[used] = '\0';
		used = 0;
		obey(line);
	}
}

int main(int argc, char **argv)
{
	const struct dp_opts dp_opts = {.n_mbufs = 16383, .fdb_size = 1024};
	struct dp_port_opts opts = {.name = "uplink0", .netns_fd = -1};
	struct err err = {0};
	int used = rte_eal_init(argc, argv);

	if (used < 0 || argc - used != 4)
		return 2;
	argv += used;
	opts.kind = argv[1];
	opts.devargs = opts.ifname = argv[2];
	opts.n_queues = (uint16_t)atoi(argv[3]);
	if (dp_create(&dp_opts, &dp, &err) != 0 || dp_port_open(dp, &opts, &port, &err) != 0) {
		printf("error %s: %s\n", err.what, err.why);
		return 2;
	}
	printf("ready %u %s\n", port->n_rxq, port->note);
	fflush(stdout);
	run();
	vmq_steer_close(steer);
	dp_port_close(port);
	dp_destroy(dp);
	rte_eal_cleanup();
	return 0;
}
