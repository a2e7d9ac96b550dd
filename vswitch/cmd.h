/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The switch's commands: what the control socket calls.  Changes go through conf.h; everything here
 * reads, or acts on what is not configuration (captures, learned addresses).  Control thread.
 */
#ifndef VSWITCH_CMD_H
#define VSWITCH_CMD_H

#include "ctl/base/err.h"
#include "ctl/server.h"
#include "vswitch/vs.h"

struct conf;
struct vs_captures;
struct vs_events;

/* What a handler gets as its context. */
struct vs_daemon {
	struct event_base *base;
	struct vs *vs;
	struct conf *conf;
	struct ctl_server *server;
	struct vs_events *events;
	struct vs_captures *captures;
	uint64_t started_ns;
	char store_path[256];
	char eal_note[400]; /* why there are no huge pages; empty: there are */
	bool has_huge;
};

/* Tables ended by .noun == NULL; their context is the struct vs_daemon. */
extern const struct ctl_binding vs_cmd_show[]; /* cmd_show.c: switch, port, vlan, tenant */
extern const struct ctl_binding
	vs_cmd_stats[]; /* cmd_stats.c: stats, drop, core, mac, events, top */
extern const struct ctl_binding vs_cmd_capture[]; /* cmd_capture.c */
extern const struct ctl_binding vs_cmd_doctor[];  /* doctor.c */

/* A port by the parameter 'key', or an error with did-you-mean.  Returns its id or a negative
 * errno. */
int vs_cmd_port(const struct vs_daemon *d, const json_t *params, const char *key, struct err *err);

/* {"rx_packets": .., "drops": ..}, new reference. */
json_t *vs_count_json(const struct dp_count *count);
/* Queues of a port, or of all (-1), new reference. */
json_t *vs_queues_json(const struct vs_daemon *d, int port_id);
/* Everything about a port that fits a row, new reference. */
json_t *vs_port_row(const struct vs_daemon *d, const struct vs_port *p);
/* Lower case, as the tool prints and takes them. */
void vs_mac_format(const struct rte_ether_addr *mac, char *text, size_t size);
uint64_t vs_drops_rx(const struct dp_count *count);
uint64_t vs_drops_tx(const struct dp_count *count);

#endif
