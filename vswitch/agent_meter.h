/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Answers to messages about meters (OpenFlow 1.3.5, A.3.4.4, A.3.5.12 to A.3.5.14): entries of the
 * tables in agent.c and agent_multipart.c.  Control thread.
 */
#ifndef VSWITCH_AGENT_METER_H
#define VSWITCH_AGENT_METER_H

#include "vswitch/agent_priv.h"

/* Inside a transaction (vs_change_fn). */
enum of_error vs_change_meter(const struct vs_request *req, struct rd *rd);
enum of_error vs_mp_meter(const struct vs_request *req, struct rd *rd, struct of_mp_reply *reply);
enum of_error vs_mp_meter_config(const struct vs_request *req, struct rd *rd,
				 struct of_mp_reply *reply);
enum of_error vs_mp_meter_features(const struct vs_request *req, struct rd *rd,
				   struct of_mp_reply *reply);

#endif
