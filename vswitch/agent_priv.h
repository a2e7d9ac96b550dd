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

#endif
