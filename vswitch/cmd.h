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
extern const struct ctl_binding vs_cmd_switches[]; /* cmd_switch.c */
extern const struct ctl_binding vs_cmd_ports[];	   /* cmd_port.c: port, vlan */
extern const struct ctl_binding vs_cmd_tenants[];  /* cmd_tenant.c */
extern const struct ctl_binding
	vs_cmd_stats[]; /* cmd_stats.c: stats, drop, core, mac, events, top */
extern const struct ctl_binding vs_cmd_capture[];	 /* cmd_capture.c */
extern const struct ctl_binding vs_cmd_doctor[];	 /* doctor.c */
extern const struct ctl_binding vs_cmd_controllers[];	 /* cmd_controller.c */
extern const struct ctl_binding vs_cmd_flows[];		 /* cmd_flow.c */
extern const struct ctl_binding vs_cmd_flow_reads[];	 /* cmd_flow_read.c */
extern const struct ctl_binding vs_cmd_conntracks[];	 /* cmd_conntrack.c */
extern const struct ctl_binding vs_cmd_zones[];		 /* cmd_zone.c */
extern const struct ctl_binding vs_cmd_queues[];	 /* cmd_queue.c */
extern const struct ctl_binding vs_cmd_qoses[];		 /* cmd_qos.c */
extern const struct ctl_binding vs_cmd_nics[];		 /* cmd_nic.c */
extern const struct ctl_binding vs_cmd_vms[];		 /* cmd_vm.c */
extern const struct ctl_binding vs_cmd_disks[];		 /* cmd_disk.c */
extern const struct ctl_binding vs_cmd_filter_modules[]; /* cmd_filter.c */
extern const struct ctl_binding vs_cmd_acls[];		 /* cmd_acl.c */
extern const struct ctl_binding vs_cmd_ipsets[];	 /* cmd_ipset.c */
extern const struct ctl_binding vs_cmd_guards[];	 /* cmd_guard.c */
extern const struct ctl_binding vs_cmd_mirrors[];	 /* cmd_mirror.c */
extern const struct ctl_binding vs_cmd_groups[];	 /* cmd_group.c: group, meter */
extern const struct ctl_binding vs_cmd_traces[];	 /* cmd_trace.c: trace, why */
extern const struct ctl_binding vs_cmd_flowrecs[];	 /* cmd_flowrec.c: ipfix, sflow */
extern const struct ctl_binding vs_cmd_sriovs[];	 /* cmd_sriov.c */
extern const struct ctl_binding vs_cmd_teams[];		 /* cmd_team.c */
extern const struct ctl_binding vs_cmd_vteps[];		 /* cmd_vtep.c */
extern const struct ctl_binding vs_cmd_vmqs[];		 /* cmd_vmq.c */

/* A port by the parameter 'key', or an error with did-you-mean.  Returns its id or a negative
 * errno. */
int vs_cmd_port(const struct vs_daemon *d, const json_t *params, const char *key, struct err *err);
/* A switch in the same way; NULL with the error set. */
const struct vs_switch *vs_cmd_switch(const struct vs_daemon *d, const json_t *params,
				      const char *key, struct err *err);
const struct vs_tenant *vs_cmd_tenant(const struct vs_daemon *d, const json_t *params,
				      const char *key, struct err *err);
/* Are 'switch', 'tenant' and 'port', where given, there? */
int vs_cmd_filters(const struct vs_daemon *d, const json_t *params, struct err *err);
/* "there is no NOUN 'NAME'", with the nearest of 'names' (ended by NULL).  Returns -ENOENT. */
int vs_cmd_not_found(struct err *err, const char *noun, const char *name, const char *const *names);

/* {"rx_packets": .., "drops": ..}, new reference. */
json_t *vs_count_json(const struct dp_count *count);
/* {"runt": 3, ..}: drops of both sides by reason, new reference. */
json_t *vs_drops_json(const struct dp_count *count);
/* "vm, mac on, ip off; 3 violations", new reference. */
json_t *vs_guard_line(const struct vs_daemon *d, const struct vs_port *p);
/* Queues of a port, or of all (-1), new reference. */
json_t *vs_queues_json(const struct vs_daemon *d, int port_id);
/* Disks of a VM (NULL: of all) as 'disk list' has them, new reference. */
json_t *vs_disks_json(const struct vs_daemon *d, const char *vm);
/* Everything about a port that fits a row, new reference. */
json_t *vs_port_row(const struct vs_daemon *d, const struct vs_port *p);
/* "up", "down", "disabled", "waiting", "held" */
const char *vs_port_state(const struct vs_daemon *d, const struct vs_port *p, uint16_t id);
/* How many addresses are known on a switch, for a tenant; NULL: all. */
uint32_t vs_macs_of(const struct vs_daemon *d, const char *sw, const char *tenant);
/* Lower case, as the tool prints and takes them. */
void vs_mac_format(const struct rte_ether_addr *mac, char *text, size_t size);
uint64_t vs_drops_rx(const struct dp_count *count);
uint64_t vs_drops_tx(const struct dp_count *count);

#endif
