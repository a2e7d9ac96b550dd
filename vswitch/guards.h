/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guards of ports as configured: what each port's guards are once its profile and what was said of
 * it are put together.  docs/guards.md is for who sets them, dataplane/guard.h says what they do to
 * frames.
 *
 * 	guards_model.c  what is configured: the structures here, and the table of defaults
 * 	guards.c        the part of policy.h: what runs, ports held for BPDUs
 * 	bindings.c      learned addresses: shown, kept over a restart
 * 	notices.c       what workers tell becomes events
 * 	cmd_guard.c     commands
 *
 * Control thread.
 */
#ifndef VSWITCH_GUARDS_H
#define VSWITCH_GUARDS_H

#include "dataplane/tunnel_wire.h"
#include "vswitch/model.h"

#include <rte_ether.h>

enum vs_guard_profile { VS_GUARD_VM, VS_GUARD_OPEN, VS_GUARD_UPLINK, VS_N_GUARD_PROFILES };

/* Options that have a value in each profile, as 'guard show' lists them. */
enum vs_guard_option {
	VS_GUARD_MODE,
	VS_GUARD_MAC,
	VS_GUARD_IP,
	VS_GUARD_DHCP_SERVER,
	VS_GUARD_ROUTER,
	VS_GUARD_ARP,
	VS_GUARD_ARP_RATE,
	VS_GUARD_BROADCAST_RATE,
	VS_GUARD_MULTICAST_RATE,
	VS_GUARD_UNKNOWN_RATE,
	VS_GUARD_BPDU,
	VS_GUARD_PROXY,
	VS_GUARD_TRUSTED,
	VS_GUARD_PROTECTED,
	VS_N_GUARD_OPTIONS,
};

/* Their values: places in the row's words; rates are frames a second, 0: no limit. */
enum { VS_GUARD_OFF, VS_GUARD_ON, VS_GUARD_ON_WATCH }; /* on or off; 'mac' has watch */
enum { VS_GUARD_ENFORCE, VS_GUARD_WATCH };	       /* mode */
enum { VS_GUARD_IP_OFF, VS_GUARD_FIXED, VS_GUARD_LEARNED };
enum { VS_GUARD_ALLOW, VS_GUARD_DENY }; /* dhcp-server, router */
enum { VS_GUARD_BPDU_ALLOW, VS_GUARD_BPDU_DROP, VS_GUARD_BPDU_SHUTDOWN };

/* The table of defaults: one row an option. */
struct vs_guard_row {
	const char *option; /* as 'guard set' takes it */
	const char *words;  /* "off|on|watch", in the order of values; NULL: a rate */
	uint32_t value[VS_N_GUARD_PROFILES];
	const char *does;
};
extern const struct vs_guard_row vs_guard_rows[VS_N_GUARD_OPTIONS];

/* An address or a prefix that a port may send from. */
struct vs_guard_prefix {
	struct dp_ip ip; /* host bits are 0 */
	uint8_t len;
};

struct vs_guard {
	const struct vs_port *port;
	enum vs_guard_profile profile;
	const json_t *body; /* as configured; NULL: nothing was said */
	uint32_t value[VS_N_GUARD_OPTIONS];
	unsigned n_macs, n_addresses;
	struct rte_ether_addr *macs; /* beside the port's own */
	struct vs_guard_prefix *addresses;
};

/* What vs_model.policy[VS_POLICY_GUARD] is. */
struct vs_guard_conf {
	unsigned n;
	struct vs_guard *guards; /* one of each port, in the order of the model's ports */
};

/* guards_model.c, for the table in policy.h. */
int vs_guards_read(struct vs_model *m, void **ret_conf, struct err *err);
void vs_guards_forget(void *conf);
/* Of a port of 'm'; NULL for NULL. */
const struct vs_guard *vs_guard_of(const struct vs_model *m, const struct vs_port *port);
const char *vs_guard_profile_name(enum vs_guard_profile profile);
/* A value as people write it. */
void vs_guard_value_format(enum vs_guard_option option, uint32_t value, char *text, size_t size);
/* Does it do anything to frames that come in? */
bool vs_guard_is_active(const struct vs_guard *g);

/* "10.0.0.5", "fd00::/64".  -EINVAL with the reason when it is none that a machine can have. */
int vs_guard_prefix_parse(const char *port, const char *text, struct vs_guard_prefix *ret,
			  struct err *err);
#define VS_GUARD_PREFIX_SIZE 52
void vs_guard_prefix_format(const struct vs_guard_prefix *p, char text[VS_GUARD_PREFIX_SIZE]);

#endif
