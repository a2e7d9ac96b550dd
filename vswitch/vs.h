/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The switch as it runs: live ports, domains, and the view they are compiled into.  One per daemon
 * (tests may have two). Control thread only.
 */
#ifndef VSWITCH_VS_H
#define VSWITCH_VS_H

#include "ctl/base/err.h"
#include "dataplane/dp.h"
#include "dataplane/view.h"
#include "vswitch/model.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

struct conf;
struct event_base;
struct sriov_host_opts;
struct vs;
struct vs_filters;
struct vs_vms;

/* A port of the model and its device.  Keeps its id while it is configured. */
struct vs_live {
	char name[DP_PORT_NAME_SIZE];  /* "": the id is free */
	struct dp_port *port;	       /* NULL: the device is away */
	json_t *body;		       /* what the device was opened with */
	char reason[320];	       /* why it is away */
	struct rte_ether_addr own_mac; /* the device's, while a configured one is set; 0: unknown */
	int64_t ifindex;	       /* of its Linux interface, -1: none */
	bool reaches_host;
	uint64_t retry_ns;  /* when to try to open it again */
	char sw[64];	    /* the switch on which it has ... */
	uint16_t number;    /* this OpenFlow number; 0: none yet */
	uint64_t since_ns;  /* when it got the number */
	uint32_t of_config; /* what controllers set of it (enum of_port_config) */
};

/* A tenant on a switch.  Keeps its id while both exist. */
struct vs_domain_live {
	bool used;
	char sw[64], tenant[64];
	struct dp_flood_limit *flood;
	uint64_t flood_rate_bps;
};

/* A port as the loop guard sees it; windows are seconds. */
struct vs_loop {
	uint16_t partner; /* while held: the other end of the loop, or the port itself */
	uint32_t held_windows, clear_windows, n_flaps;
	uint64_t rx_packets, group_frames; /* at the last look */
	bool busy;
};

struct vs_agent;
struct vs_controllers;
struct vs_takeovers;
struct vs_flows;

/* Who holds a port: the loop guard; its BPDU guard (guards.h). */
#define VS_HELD_LOOP 1u
#define VS_HELD_BPDU 2u

#define VS_MAX_RULED 256
/* A switch that has rules (switch_flows.h). */
struct vs_switch_rules {
	char sw[64];
	struct vs_flows *flows; /* NULL: the place is free */
	uint16_t top;		/* the highest number that they were told of a port */
	struct vs_agent *agent; /* there with the rules */
};

struct vs_opts {
	struct event_base *base;
	struct dp *dp;
	const char *takeover_path; /* takeover.h; NULL: interfaces with addresses cannot be taken */
	const char *run_dir; /* where management sockets of switches are; NULL: there are none */
	/* Whose members may use unix sockets besides the daemon's user. */
	bool has_group;
	gid_t group;
	/* Serves metrics at this address and no other (NULL: nowhere).  May be NULL. */
	int (*serve_metrics)(void *ctx, const char *address, struct err *err);
	void (*event)(void *ctx, const char *type, const char *port, const char *text);
	/* The same of a VM; may be NULL. */
	void (*vm_event)(void *ctx, const char *type, const char *vm, const char *text);
	/* The same of a filter module; may be NULL. */
	void (*filter_event)(void *ctx, const char *type, const char *module, const char *text);
	void *ctx;
	const char *bindings_path; /* keeps addresses that ports learned; NULL: nothing does */
	const char *filters_dir;   /* copies of filter modules' objects; NULL: none run here */
	/* How this machine's VFs are made and noted (events are ours); NULL: none are. */
	const struct sriov_host_opts *sriov;
	const char *worker;    /* path of vmworker; NULL: no VMs run here */
	const cpu_set_t *cpus; /* that VMs may use; NULL: as this thread */
};

struct vs {
	struct vs_opts opts;
	struct dp *dp;
	struct vs_model *model;
	struct vs_takeovers *takeovers;
	struct vs_filters *filters;  /* filters.h; NULL: none run here */
	struct vs_vms *vms;	     /* NULL: no VMs run here */
	void *policy[VS_N_POLICIES]; /* what each part of policy.h runs */
	struct vs_live live[DP_MAX_PORTS];
	struct vs_domain_live domains[DP_MAX_DOMAINS];
	uint8_t held[DP_MAX_PORTS]; /* VS_HELD_*: everything in and out is dropped */
	struct vs_loop loops[DP_MAX_PORTS];
	uint16_t *port_ids; /* of the model's ports, by index */
	struct vs_switch_rules ruled[VS_MAX_RULED];
	struct vs_controllers *controllers[VS_MAX_SWITCHES]; /* controllers.h */
	struct vs_queue_live *queues;			     /* queues.h */
	unsigned n_queues;
	uint64_t view_version;
	unsigned ticks;
	bool ending; /* this process; VMs go on */
};

int vs_create(const struct vs_opts *opts, struct vs **ret_vs, struct err *err);
void vs_destroy(struct vs *vs);

/* conf_ops: could this state run; are its devices there; make the switch run it. */
int vs_check(void *ctx, const json_t *after, struct err *err);
int vs_probe(void *ctx, const json_t *after, struct err *err);
int vs_apply(void *ctx, const json_t *before, const json_t *after, bool starting, struct err *err);

/* Compiles and publishes the view again, for what is not in the model.  0 or negative. */
int vs_republish(struct vs *vs);
/* About ten times a second: devices that come back, the loop guard. */
void vs_tick(struct vs *vs);
/* A Linux interface appeared or went; NULL: look at all. */
void vs_interface_changed(struct vs *vs, const char *ifname);

/* loop_guard.c.  True when a port is held or released: the view must be made anew. */
bool vs_loop_guard_tick(struct vs *vs);

/* The id of a configured port, or DP_NO_PORT. */
uint16_t vs_port_id(const struct vs *vs, const char *name);
const char *vs_port_name(const struct vs *vs, uint16_t id);
/* The id of a tenant (NULL: none) on a switch, or DP_NO_DOMAIN. */
uint16_t vs_domain_id(const struct vs *vs, const char *sw, const char *tenant);

/* view.c: compiles the model and the live ports.  NULL when there is no memory. */
struct dp_view *vs_view_compile(struct vs *vs, const struct vs_model *model);

/* of_port.c.  Numbers the live ports as 'm' asks; 'ids' are those of its ports.  0 or -ENOMEM. */
int vs_of_ports_assign(struct vs *vs, const struct vs_model *m, const uint16_t *ids);
/* Would 'm' take a number from a port that has it by itself? */
int vs_of_ports_check(const struct vs *vs, const struct vs_model *m, struct err *err);

/* device.c: opens the device of a port as its body says. */
int vs_device_open(struct vs *vs, const struct vs_port *p, struct vs_live *live, struct err *err);
/* Would that be refused, as far as can be told without touching the device?  0 if not.  'is_open':
 * the device is there already, and is only changed. */
int vs_device_probe(struct vs *vs, const struct vs_port *p, bool is_open, struct err *err);
void vs_device_close(struct vs *vs, struct vs_live *live);
/* Would the device have to be opened anew to go from one body to the other? */
bool vs_device_same(const json_t *a, const json_t *b);
/* Changes what a device can change while it runs (MTU, MAC, addresses of its interface), all or
 * nothing. */
int vs_device_adjust(struct vs *vs, const struct vs_port *p, struct vs_live *live, struct err *err);

__attribute__((format(printf, 4, 5))) void vs_event(struct vs *vs, const char *type,
						    const char *port, const char *fmt, ...);

#endif
