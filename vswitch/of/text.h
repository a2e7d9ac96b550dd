/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Flows, groups and meters as people write them: the syntax of 'ovs-ofctl', which administrators
 * know.
 *
 * 	table=1,priority=10,tcp,in_port=lan0,nw_dst=10.0.0.0/8,tp_dst=80,actions=set_field:5->reg0,2
 * 	group_id=1,type=select,bucket=weight:2,actions=1,bucket=actions=2
 * 	meter=1,kbps,burst,bands=type=drop,rate=1000,burst_size=100
 *
 * What is printed here is read here, and comes out the same; 'ovs-ofctl' reads it too, but for
 * fields that it lacks (PBB, IPv6 extension headers).  Text only: no state, no I/O, any thread.
 */
#ifndef VSWITCH_OF_TEXT_H
#define VSWITCH_OF_TEXT_H

#include "vswitch/of/flow.h"
#include "vswitch/of/group.h"
#include "vswitch/of/meter.h"

#define OF_PRIORITY_DEFAULT 32768

/* Where a text is wrong, counted from 1, and why. */
struct of_text_error {
	unsigned line, column;
	char what[160];
};

/* Names of ports; either function may be NULL, and so may a pointer to this. */
struct of_text_ports {
	/* The port of a name, which is 'size' bytes and no string. */
	bool (*number)(void *arg, const char *name, size_t size, uint32_t *ret_port);
	/* The name of a port, or NULL. */
	const char *(*name)(void *arg, uint32_t port);
	void *arg;
};

/* Parsers return 0, -EINVAL with 'err' filled in (which may be NULL), or -ENOMEM.  They end at the
 * end of the string; 'line' is what errors call it. */

/* One flow for 'command'.  Adding and modifying want "actions="; deletes and filters have none, and
 * mean all tables unless they name one.  'ret_mod' need not be initialised, and is the caller's to
 * finish on success. */
int of_text_flow_parse(const char *text, unsigned line, uint8_t command,
		       const struct of_text_ports *ports, struct of_flow_mod *ret_mod,
		       struct of_text_error *err);
/* A file of flows, one a line; '#' begins a comment, and a line may begin with its command ("add",
 * "modify", "modify_strict", "delete", "delete_strict").  Calls 'fn' with each, which takes the
 * flow; ends early with what 'fn' returns when that is not 0. */
typedef int of_text_flow_fn(void *arg, unsigned line, struct of_flow_mod *mod);
int of_text_flows_parse(const char *text, size_t size, uint8_t command,
			const struct of_text_ports *ports, of_text_flow_fn *fn, void *arg,
			struct of_text_error *err);
int of_text_match_parse(const char *text, unsigned line, const struct of_text_ports *ports,
			struct of_match *ret_match, struct of_text_error *err);
/* What follows "actions=".  'match' (may be NULL) says what is known of the packets. */
int of_text_instrs_parse(const char *text, unsigned line, const struct of_text_ports *ports,
			 const struct of_match *match, struct of_instrs *ret_instrs,
			 struct of_text_error *err);
int of_text_group_parse(const char *text, unsigned line, uint16_t command,
			const struct of_text_ports *ports, struct of_group_mod *ret_mod,
			struct of_text_error *err);
int of_text_meter_parse(const char *text, unsigned line, uint16_t command,
			struct of_meter_mod *ret_mod, struct of_text_error *err);

/* Printers append to 'wr'; no zero at the end, no new line. */
void of_text_match_print(struct wr *wr, const struct of_match *match,
			 const struct of_text_ports *ports);
void of_text_actions_print(struct wr *wr, const struct of_actions *actions,
			   const struct of_text_ports *ports);
void of_text_instrs_print(struct wr *wr, const struct of_instrs *instrs,
			  const struct of_text_ports *ports);
/* As of_text_flow_parse() reads it for 'mod->command'. */
void of_text_flow_print(struct wr *wr, const struct of_flow_mod *mod,
			const struct of_text_ports *ports);
void of_text_group_print(struct wr *wr, const struct of_group *group,
			 const struct of_text_ports *ports);
void of_text_meter_print(struct wr *wr, const struct of_meter *meter);

#endif
