/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See punt.h.
 */
#include "vswitch/punt.h"

#include "ctl/base/clock.h"
#include "dataplane/dp.h"
#include "dataplane/punt.h"
#include "vswitch/agent.h"
#include "vswitch/switch_flows.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/event.h>

#define BUDGET 64u

struct vs_punts {
	struct vs *vs;
	vs_punt_find_fn find;
	struct event *event;
};

static uint64_t now_ms(void)
{
	return clock_mono_ns() / 1000000;
}

static void punted(void *arg, const struct dp_punt *punt)
{
	const struct vs_punts *punts = arg;
	const char *sw = vs_switch_of_pipeline(punts->vs, punt->pipeline);
	struct vs_agent *agent = sw != NULL ? punts->find(punts->vs, sw) : NULL;
	struct of_packet_in in;

	if (agent == NULL || !vs_agent_wants_packet_in(agent, punt->what.reason))
		return;
	vs_punt_packet_in(punt, agent->buffers, vs_agent_miss_send_len(agent, punt->what.reason),
			  now_ms(), &in);
	vs_agent_packet_in(agent, &in);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct vs_punts *punts = arg;

	dp_punt_poll(punts->vs->dp, BUDGET, punted, punts);
}

int vs_punts_create(struct vs *vs, struct event_base *base, vs_punt_find_fn find,
		    struct vs_punts **ret_punts)
{
	struct vs_punts *punts = calloc(1, sizeof(*punts));

	if (punts == NULL)
		return -ENOMEM;
	punts->vs = vs;
	punts->find = find;
	punts->event =
		event_new(base, dp_punt_fd(vs->dp), EV_READ | EV_PERSIST, on_readable, punts);
	if (punts->event == NULL || event_add(punts->event, NULL) != 0) {
		vs_punts_destroy(punts);
		return -ENOMEM;
	}
	*ret_punts = punts;
	return 0;
}

void vs_punts_destroy(struct vs_punts *punts)
{
	if (punts == NULL)
		return;
	if (punts->event != NULL)
		event_free(punts->event);
	free(punts);
}
