/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The model: the configuration state (conf.h, JSON) as typed objects that refer to each other, all
 * checked.  Immutable once made; it borrows strings from the state it was made of and holds a
 * reference to that.  No thread of its own.
 *
 * 	state (JSON, what was asked) -> model (typed, checked) -> view (compiled, what workers run;
 * view.c)
 */
#ifndef VSWITCH_MODEL_H
#define VSWITCH_MODEL_H

#include "ctl/base/err.h"
#include "dataplane/ct.h"
#include "dataplane/filter.h"
#include "dataplane/neigh.h"
#include "dataplane/queue.h"
#include "dataplane/tunnel.h"
#include "dataplane/view.h"
#include "filters/chain.h"
#include "vswitch/policy.h"

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define VS_MAX_SWITCHES	   256
#define VS_MAX_TENANTS	   4096
#define VS_MAX_CONTROLLERS 1024
#define VS_MAX_AUX	   8
#define VS_MAX_QUEUES	   16384
#define VS_MAX_ZONES	   4096
#define VS_MAX_VMS	   1024
#define VS_MAX_VM_ID	   65535
#define VS_MAX_VM_NICS	   8
#define VS_MAX_VM_DISKS	   64
#define VS_MAX_DISKS	   4096
#define VS_MAX_ATTACHMENTS 4096
/* Bytes of names, with the byte 0: a NIC's port, "VM/NIC", is a port's name too. */
#define VS_VM_NAME_SIZE 41
#define VS_VM_PART_SIZE 23
/* Users of VMs' processes: this and the VM's id. */
#define VS_VM_FIRST_UID 0x70000000u
/* Ports have OpenFlow numbers from 1 to this: those above are OpenFlow's own in 16 bits. */
#define VS_MAX_OF_PORT 65279

enum vs_switch_type { VS_EXTERNAL, VS_INTERNAL, VS_PRIVATE };

enum vs_port_kind {
	VS_PHYS,
	VS_HOST,
	VS_TAP,
	VS_VHOST,
	VS_MEMIF,
	VS_MEM,
	VS_VTEP,
	VS_VXLAN,
	VS_GENEVE,
	VS_NVGRE,
	VS_VMBUS,
	VS_TEAM,
	VS_N_KINDS
};

enum vs_vlan_mode { VS_ACCESS, VS_TRUNK, VS_TUNNEL, VS_ISOLATED, VS_COMMUNITY, VS_PROMISCUOUS };

struct vs_tenant {
	const char *name;
	uint32_t id;		   /* 1 .. 2^24 - 1 */
	uint32_t mac_limit;	   /* 0: none */
	uint32_t flow_limit;	   /* flows that a worker caches of it on a switch; 0: none */
	uint64_t flood_rate_bps;   /* 0: no limit */
	uint32_t connection_limit; /* tracked ones on a switch; 0: none */
};

struct vs_switch {
	const char *name;
	enum vs_switch_type type;
	uint32_t mac_age_s; /* 0: the default */
	uint32_t mac_limit;
	bool loop_guard;
	bool secure;		   /* without controllers it goes on by the rules that it has */
	uint64_t datapath_id;	   /* 0: one of its own */
	uint32_t controller_limit; /* packets a second to controllers from each port; 0: the default
				    */
};

/* Where a controller of a switch is (target.h). */
struct vs_controller {
	const char *name; /* of the object: "lan0 tcp:10.0.0.1:6653" */
	const struct vs_switch *sw;
	const char *target;	     /* vs_target_parse() takes it */
	const char *ca, *cert, *key; /* paths; NULL: no TLS */
	unsigned probe_ms;	     /* 0: the default */
	unsigned n_aux;		     /* auxiliary connections */
};

enum vs_restart { VS_RESTART_NEVER, VS_RESTART_ON_FAILURE, VS_RESTART_ALWAYS };

/* A virtual machine; what runs of it is vm.h's. */
struct vs_vm {
	const char *name;
	const json_t *body; /* as configured */
	uint32_t id;
	const char *kernel, *initrd, *cmdline; /* 'initrd' may be NULL */
	uint64_t memory, memory_min, memory_max;
	unsigned memory_buffer, memory_priority; /* percent; 0 to 100 */
	unsigned processors;
	const char *cpu, *face, *on_crash;
	bool nested, vsock, autostart;
	enum vs_restart restart;
	unsigned n_nics, n_disks;
};

struct vs_disk {
	const char *name; /* of the object: "web1/root" */
	const char *own;  /* "root" */
	const struct vs_vm *vm;
	const json_t *body;
	const char *path;
	const char *format; /* "raw", "iso", "qcow2", "vhd" or "vhdx" */
	const char *cache;  /* "safe", "direct" or "unsafe" */
	bool readonly;
	unsigned lun;
};

/* One tenant of an uplink that several share. */
struct vs_tenant_vlan {
	const struct vs_tenant *tenant;
	uint16_t vlan;
};

struct vs_vlan {
	enum vs_vlan_mode mode;
	uint16_t vlan;			   /* access, tunnel: the VLAN; PVLAN: the primary */
	uint16_t native;		   /* trunk */
	uint16_t tpid;			   /* host order */
	uint64_t allowed[DP_VLAN_WORDS];   /* trunk */
	uint64_t secondary[DP_VLAN_WORDS]; /* PVLAN */
};

struct vs_port {
	const char *name;
	const struct vs_switch *sw;
	const struct vs_tenant *tenant; /* NULL: none */
	enum vs_port_kind kind;
	const json_t *body; /* as configured; what only the driver needs is read there */
	const char *place;  /* its interface, NIC or socket; NULL: none */
	struct vs_vlan vlan;
	bool up, flood, bpdu;
	uint16_t mtu;
	uint16_t mac_limit;
	uint16_t of_port;	       /* the OpenFlow number that it asks for; 0: any */
	struct vs_tenant_vlan *shared; /* NULL: the uplink is one tenant's */
	unsigned n_shared;
	struct vs_overlay *overlay; /* of a VTEP and a tunnel port; else NULL */
	const struct vs_vm *vm;	    /* whose NIC it is, of kind vmbus; NULL: no VM's of ours */
	const char *nic;	    /* then its name there: "nic0" of "web1/nic0" */
	const struct vs_port *team; /* of which it is a member (teams.h); NULL: none */
};

/* Does it lead to the wire, for itself or as a team of such? */
static inline bool vs_is_uplink(const struct vs_port *p)
{
	return p->kind == VS_PHYS || p->kind == VS_TEAM;
}

static inline bool vs_is_tunnel(const struct vs_port *p)
{
	return p->kind == VS_VXLAN || p->kind == VS_GENEVE || p->kind == VS_NVGRE;
}

/* What a VTEP and a tunnel port have besides (vtep_model.c). */
struct vs_overlay {
	struct dp_vtep_side v4, v6;
	struct dp_neigh_static *neighbors;
	unsigned n_neighbors;
	struct rte_ether_addr mac;
	const struct vs_port *vtep; /* of a tunnel port */
	struct dp_overlay tunnel;   /* 'vtep', 'remotes' and 'key_of_vlan' not filled in */
	struct dp_ip remotes[DP_TUNNEL_MAX_REMOTES];
};

struct vs_static_mac {
	const char *name; /* of the object */
	const struct vs_switch *sw;
	const struct vs_port *port;
	struct rte_ether_addr mac;
	uint16_t vlan;
};

/* What rules choose with set_queue. */
struct vs_queue {
	const char *name; /* of the object: "web1 3" */
	const struct vs_port *port;
	struct dp_queue_spec spec;
};

/* A zone of connections with a limit: a tenant's on a switch. */
struct vs_zone {
	const char *name; /* of the object */
	const struct vs_switch *sw;
	const struct vs_tenant *tenant; /* NULL: of ports without one */
	uint16_t zone;
	uint32_t limit; /* 0: none */
};

struct vs_conntrack {
	bool configured; /* something was said */
	bool strict;
	uint32_t timeout_s[DP_CT_N_TIMEOUTS];
	uint32_t fragments, tenant_fragments, fragment_timeout_s; /* dp_set_fragments() */
};

/* A filter module; what runs of it is filters.h's. */
struct vs_filter {
	const char *name;
	const json_t *body;    /* as configured */
	const char *file;      /* where the object was; only its digest says what runs */
	const char *sha256;    /* 64 digits */
	const char *program;   /* NULL: the module's own choice */
	uint32_t budget;       /* cycles a packet; 0: none */
	bool drops, interpret; /* over its budget; not compiled */
};

/* A module somewhere: exactly one of the three is given. */
struct vs_attachment {
	const char *name; /* of the object */
	const struct vs_filter *filter;
	const struct vs_switch *sw;
	const struct vs_tenant *tenant;
	const struct vs_port *port;
	enum dp_filter_side side;
	enum filter_role role;
	uint32_t order;
	bool strip_vlan, meta;
	bool closed; /* while the module is not there, frames are dropped */
};

struct vs_model {
	json_t *state;
	void *policy[VS_N_POLICIES]; /* what each part of policy.h read; NULL: nothing */
	struct vs_switch *switches;
	struct vs_tenant *tenants;
	struct vs_port *ports;
	struct vs_static_mac *macs;
	struct vs_controller *controllers;
	struct vs_queue *queues; /* by port, in the order of 'ports', and number */
	struct vs_zone *zones;
	struct vs_vm *vms;
	struct vs_disk *disks;
	struct vs_filter *filters;
	struct vs_attachment *attachments; /* in the order in which frames meet them */
	struct vs_conntrack conntrack;
	unsigned *cores;
	unsigned n_zones, n_vms, n_disks, n_filters, n_attachments;
	unsigned n_switches, n_tenants, n_ports, n_macs, n_controllers, n_queues, n_cores;
	uint32_t mac_age_s; /* 0: default */
	uint32_t max_sleep_us;
	bool rebalance;
	const char *metrics; /* address:port, or NULL */
};

/* Makes and checks.  'state' is borrowed; the model takes a reference.  Errors name the object,
 * why, and a fix. */
int vs_model_create(json_t *state, struct vs_model **ret_model, struct err *err);
void vs_model_destroy(struct vs_model *model);

const struct vs_port *vs_model_port(const struct vs_model *model, const char *name);
/* Are all of 'objects', which NOUN's commands keep by their port's name, of ports that are there? 0
 * or -ENOENT with the first that is not. */
int vs_model_strays(const struct vs_model *model, const json_t *objects, const char *noun,
		    struct err *err);
const struct vs_switch *vs_model_switch(const struct vs_model *model, const char *name);
const struct vs_tenant *vs_model_tenant(const struct vs_model *model, const char *name);

const struct vs_vm *vs_model_vm(const struct vs_model *model, const char *name);
const struct vs_disk *vs_model_disk(const struct vs_model *model, const char *name);

const struct vs_filter *vs_model_filter(const struct vs_model *model, const char *name);
/* What runs on a port in a direction, in order; returns how many, at most FILTER_MAX_SLOTS.  A
 * module that is attached several ways runs once: a port's word goes before its tenant's, that
 * before its switch's. */
unsigned vs_model_filters_of(const struct vs_model *model, const struct vs_port *p,
			     enum dp_filter_side side,
			     const struct vs_attachment *ret[FILTER_MAX_SLOTS]);
/* "switch", "tenant", "port", and the name of that. */
const char *vs_attachment_scope(const struct vs_attachment *a, const char **ret_name);
const char *vs_filter_role_name(enum filter_role role);
const char *vs_filter_side_name(enum dp_filter_side side);

/* May a VM be called so?  -EINVAL with the reason. */
int vs_vm_name_check(const char *name, struct err *err);
/* "VM/PART": where the part begins; NULL: no such name. */
const char *vs_vm_part(const char *name);
/* What an image is by its file's name: "iso", "qcow2", "vhd", "vhdx", else "raw". */
const char *vs_disk_format_of(const char *path);
const char *vs_restart_name(enum vs_restart restart);

const char *vs_switch_type_name(enum vs_switch_type type);
const char *vs_port_kind_name(enum vs_port_kind kind);
const char *vs_vlan_mode_name(enum vs_vlan_mode mode);
/* "1,5-9", "all", "none" <-> a set.  The string is malloc'ed. */
int vs_vlans_parse(const char *text, uint64_t *ret_set, struct err *err);
char *vs_vlans_format(const uint64_t *set);

#endif
