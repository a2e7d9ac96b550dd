/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What answers a message: one function each, in tables in agent.c and agent_multipart.c.
 */
#ifndef VSWITCH_AGENT_PRIV_H
#define VSWITCH_AGENT_PRIV_H

#include "vswitch/agent.h"
#include "vswitch/channel.h"
#include "vswitch/of/multipart.h"

/* A request on its way to its function. */
struct vs_request {
	struct vs_agent *agent;
	struct vs_channel *ch;
	struct of_header header;
	const uint8_t *msg; /* all of it, for errors and bundles */
};

/* Reads the body from 'rd', does what it asks for, and writes answers, whole messages, to 'wr'.
 * When it says an error nothing has changed, and what it wrote is thrown away. */
typedef enum of_error (*vs_request_fn)(const struct vs_request *req, struct rd *rd, struct wr *wr);
/* One part of a multipart request: writes entries. */
typedef enum of_error (*vs_multipart_fn)(const struct vs_request *req, struct rd *rd,
					 struct of_mp_reply *reply);

/* The part of a request that changes rules, groups or meters.  Inside a transaction of the rules,
 * which its error aborts. */
typedef enum of_error (*vs_change_fn)(const struct vs_request *req, struct rd *rd);
/* By message type; NULL: it changes none of these. */
vs_change_fn vs_agent_change(uint8_t type);

enum of_error vs_agent_multipart(const struct vs_request *req, struct rd *rd, struct wr *wr);
enum of_error vs_agent_experimenter(const struct vs_request *req, struct rd *rd, struct wr *wr);
enum of_error vs_agent_port_mod(const struct vs_request *req, struct rd *rd, struct wr *wr);
enum of_error vs_agent_queue_config(const struct vs_request *req, struct rd *rd, struct wr *wr);
enum of_error vs_agent_table_mod(const struct vs_request *req, struct rd *rd, struct wr *wr);
enum of_error vs_agent_role(const struct vs_request *req, struct rd *rd, struct wr *wr);
enum of_error vs_agent_get_async(const struct vs_request *req, struct rd *rd, struct wr *wr);
enum of_error vs_agent_set_async(const struct vs_request *req, struct rd *rd, struct wr *wr);

/* agent_packet.c: messages that set a packet on its way. */
enum of_error vs_agent_packet_out(const struct vs_request *req, struct rd *rd, struct wr *wr);
enum of_error vs_agent_flow_mod(const struct vs_request *req, struct rd *rd, struct wr *wr);

/* agent_flow.c.  In a bundle: a buffer that it names stays where it is. */
enum of_error vs_change_flow(const struct vs_request *req, struct rd *rd);
/* Says what is wrong with a flow mod whatever rules there are; changes nothing. */
enum of_error vs_flow_mod_look_at(struct rd *rd);

/* agent_table.c.  0, or negative without memory. */
int vs_agent_tables_create(struct vs_agent *agent);

/* agent_port.c: port mods are checked one by one, each as if those before it were done, and then
 * done together. */
struct vs_port_mods {
	struct vs_port_mod {
		uint16_t id; /* of the dataplane */
		uint32_t config;
	} * v;
	unsigned n;
};
enum of_error vs_port_mods_add(const struct vs_request *req, struct rd *rd,
			       struct vs_port_mods *mods);
/* Nothing is changed by an error. */
enum of_error vs_port_mods_do(struct vs_agent *agent, const struct vs_port_mods *mods);
void vs_port_mods_fini(struct vs_port_mods *mods);

/* agent_bundle.c: the ONF's extension 230. */
enum of_error vs_agent_bundle_control(const struct vs_request *req, struct rd *rd, struct wr *wr);
enum of_error vs_agent_bundle_add(const struct vs_request *req, struct rd *rd, struct wr *wr);
void vs_bundles_drop(struct vs_channel *ch);

/* agent_multipart.c */
void vs_parts_drop(struct vs_channel *ch);

/* agent_reply.c: flow statistics, which may be longer than what should wait for a controller. */
enum of_error vs_mp_flow(const struct vs_request *req, struct rd *rd, struct wr *wr);
void vs_reply_drop(struct vs_channel *ch);

/* agent_flow.c, agent_table.c, agent_port.c */
enum of_error vs_mp_aggregate(const struct vs_request *req, struct rd *rd,
			      struct of_mp_reply *reply);
enum of_error vs_mp_table(const struct vs_request *req, struct rd *rd, struct of_mp_reply *reply);
enum of_error vs_mp_table_features(const struct vs_request *req, struct rd *rd,
				   struct of_mp_reply *reply);
enum of_error vs_mp_queue(const struct vs_request *req, struct rd *rd, struct of_mp_reply *reply);
enum of_error vs_mp_port_desc(const struct vs_request *req, struct rd *rd,
			      struct of_mp_reply *reply);
enum of_error vs_mp_port_stats(const struct vs_request *req, struct rd *rd,
			       struct of_mp_reply *reply);

#endif
