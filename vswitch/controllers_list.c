/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What people see of controllers: a row for each connection, and one for each target that has none.
 */
#include "vswitch/controllers_priv.h"

#include "ctl/base/clock.h"
#include "vswitch/agent.h"
#include "vswitch/switch_flows.h"

#include <string.h>

static const char *const state_names[] = {
	[VS_REMOTE_WAITING] = "waiting",
	[VS_REMOTE_CONNECTING] = "connecting",
	[VS_REMOTE_CONNECTED] = "hello",
	[VS_REMOTE_LISTENING] = "listening",
};

static const char *const role_names[] = {"", "equal", "master", "slave"};

/* 'remote' is the target's, or that of its auxiliary connection 'aux'; NULL 'ch': there is none
 * now. */
static json_t *row(const struct vs_controller_live *live, const struct vs_remote *remote,
		   const struct vs_channel *ch, unsigned aux)
{
	const struct vs_channel_counts none = {0};
	const struct vs_channel_counts *counts = ch != NULL ? &ch->counts
						 : aux != 0 ? &none
							    : &live->past;
	uint64_t since_ns = ch != NULL && ch->up ? ch->since_ns : live->since_ns;
	const char *state = state_names[vs_remote_state(remote)];

	if (ch != NULL)
		state = ch->up ? "connected" : "hello";
	return json_pack("{ss ss ss so ss ss sf sI sI sI ss}", "switch", live->of->sw, "target",
			 vs_remote_target(remote)->text, "peer", ch != NULL ? ch->peer : "", "aux",
			 aux != 0 ? json_integer(aux) : json_null(), "state", state, "role",
			 aux == 0 && ch != NULL && ch->up ? role_names[ch->role & 3] : "", "since",
			 (double)(clock_mono_ns() - since_ns) / 1e9, "rx_messages",
			 (json_int_t)counts->rx_messages, "tx_messages",
			 (json_int_t)counts->tx_messages, "dropped", (json_int_t)counts->dropped,
			 "error", vs_remote_error(remote));
}

static unsigned add_channels(json_t *rows, const struct vs_controller_live *live,
			     const struct vs_channel *ch)
{
	unsigned n = 0;

	for (; ch != NULL; ch = ch->next) {
		if (ch->remote != live->remote)
			continue;
		json_array_append_new(rows, row(live, live->remote, ch, 0));
		n++;
	}
	return n;
}

struct rows {
	json_t *v;
	const struct vs_controller_live *live;
};

static void add_aux(void *arg, const struct vs_remote *remote, const struct vs_channel *ch,
		    unsigned id)
{
	const struct rows *rows = arg;

	json_array_append_new(rows->v, row(rows->live, remote, ch, id));
}

static void add_switch(json_t *rows, const struct vs_controllers *c)
{
	const struct vs_agent *agent = vs_switch_agent(c->vs, c->sw);

	for (const struct vs_controller_live *live = c->list; live != NULL; live = live->next) {
		unsigned n = add_channels(rows, live, c->opening);
		struct rows aux = {rows, live};

		if (agent != NULL)
			n += add_channels(rows, live, agent->channels);
		if (n == 0 || vs_remote_target(live->remote)->listens)
			json_array_append_new(rows, row(live, live->remote, NULL, 0));
		vs_aux_each(live, add_aux, &aux);
	}
}

json_t *vs_controllers_list(const struct vs *vs, const char *sw)
{
	json_t *rows = json_array();

	for (unsigned i = 0; i < VS_MAX_SWITCHES; i++)
		if (vs->controllers[i] != NULL &&
		    (sw == NULL || strcmp(vs->controllers[i]->sw, sw) == 0))
			add_switch(rows, vs->controllers[i]);
	return rows;
}
