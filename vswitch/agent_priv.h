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

/* agent.c: echo, features, configuration, barrier are there. */
enum of_error vs_agent_flow_mod(const struct vs_request *req, struct rd *rd, struct wr *wr);
enum of_error vs_agent_multipart(const struct vs_request *req, struct rd *rd, struct wr *wr);

/* agent_multipart.c */
void vs_parts_drop(struct vs_channel *ch);

/* agent_reply.c: flow statistics, which may be longer than what should wait for a controller. */
enum of_error vs_mp_flow(const struct vs_request *req, struct rd *rd, struct wr *wr);
void vs_reply_drop(struct vs_channel *ch);

/* agent_flow.c, agent_table.c, agent_port.c */
enum of_error vs_mp_aggregate(const struct vs_request *req, struct rd *rd,
			      struct of_mp_reply *reply);
enum of_error vs_mp_table(const struct vs_request *req, struct rd *rd, struct of_mp_reply *reply);
enum of_error vs_mp_port_desc(const struct vs_request *req, struct rd *rd,
			      struct of_mp_reply *reply);
enum of_error vs_mp_port_stats(const struct vs_request *req, struct rd *rd,
			       struct of_mp_reply *reply);

#endif
