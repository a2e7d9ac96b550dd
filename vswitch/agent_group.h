/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Answers to messages about groups (OpenFlow 1.3.5, A.3.4.2, A.3.5.9 to A.3.5.11): entries of the
 * tables in agent.c and agent_multipart.c.  Control thread.
 */
#ifndef VSWITCH_AGENT_GROUP_H
#define VSWITCH_AGENT_GROUP_H

#include "vswitch/agent_priv.h"

/* Inside a transaction (vs_change_fn). */
enum of_error vs_change_group(const struct vs_request *req, struct rd *rd);
enum of_error vs_mp_group(const struct vs_request *req, struct rd *rd, struct of_mp_reply *reply);
enum of_error vs_mp_group_desc(const struct vs_request *req, struct rd *rd,
			       struct of_mp_reply *reply);
enum of_error vs_mp_group_features(const struct vs_request *req, struct rd *rd,
				   struct of_mp_reply *reply);

#endif
