/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Auxiliary connections to a controller (OpenFlow 1.3.5, 6.3.5): the switch opens as many as it was
 * told to, to where the main connection goes, once that has said hello, and closes them when it is
 * gone.  One that is lost is tried again meanwhile.
 *
 * 	main up ─► a remote for each ─► opening ─hello─► in main->aux ─gone─► tried again
 * 	main gone ─► all of them closed
 *
 * Answers go by the connection that asked; role and wishes are the main one's; of what the switch
 * says unasked only packets go by them (agent_async.c).  Control thread.
 */
#include "vswitch/controllers_priv.h"

#include "vswitch/agent.h"

#include <stdlib.h>

struct vs_controller_aux {
	struct vs_controller_live *live;
	uint8_t id;
	struct vs_remote *remote;
	struct vs_channel *ch; /* NULL: there is none now */
};

static void unlink_aux(struct vs_channel *main, const struct vs_channel *ch)
{
	for (struct vs_channel **at = &main->aux; *at != NULL; at = &(*at)->next) {
		if (*at != ch)
			continue;
		*at = ch->next;
		return;
	}
}

/* It is in no list any more. */
static void forget(struct vs_controller_aux *aux)
{
	struct vs_channel *ch = aux->ch;

	aux->ch = NULL;
	vs_channel_counts_add(&aux->live->past, &ch->counts);
	if (ch->main == NULL)
		return;
	unlink_aux(ch->main, ch);
	vs_agent_channel_gone(ch->agent, ch);
}

/* ---- Connections ---- */

static void opened(void *ctx, struct vs_remote *remote, struct vs_channel *ch)
{
	struct vs_controller_aux *aux = ctx;

	ch->aux_id = aux->id;
	aux->ch = ch;
}

static void up(void *ctx, struct vs_channel *ch)
{
	struct vs_controller_aux *aux = ctx;
	struct vs_channel *main = aux->live->main;

	ch->main = main;
	ch->agent = main->agent;
	ch->next = main->aux;
	main->aux = ch;
}

static void message(void *ctx, struct vs_channel *ch, const struct of_header *header,
		    const uint8_t *msg)
{
	vs_agent_message(ch->agent, ch, header, msg);
}

static void drained(void *ctx, struct vs_channel *ch)
{
	vs_agent_drained(ch->agent, ch);
}

static void gone(void *ctx, struct vs_channel *ch, const char *reason)
{
	struct vs_controller_aux *aux = ctx;
	bool was_up = ch->main != NULL;

	forget(aux);
	vs_remote_lost(aux->remote, was_up, reason);
}

static const struct vs_channel_ops channel_ops = {.up = up,
						  .message = message,
						  .drained = drained,
						  .gone = gone};

/* ---- As many as there are to be ---- */

static struct vs_controller_aux *open_one(struct vs_controller_live *live, uint8_t id)
{
	struct vs_controller_aux *aux = calloc(1, sizeof(*aux));
	const struct vs_remote_opts opts = {
		.base = live->of->vs->opts.base,
		.target = *vs_remote_target(live->remote),
		.channel = {.ops = &channel_ops, .ctx = aux, .probe_ms = live->probe_ms},
		.tls = live->tls,
		.opened = opened,
		.ctx = aux,
	};

	if (aux == NULL)
		return NULL;
	aux->live = live;
	aux->id = id;
	if (vs_remote_create(&opts, true, &aux->remote, NULL) != 0) {
		free(aux);
		return NULL;
	}
	return aux;
}

static void close_one(struct vs_controller_aux *aux)
{
	struct vs_channel *ch = aux->ch;

	if (ch != NULL)
		forget(aux);
	vs_channel_destroy(ch);
	vs_remote_destroy(aux->remote);
	free(aux);
}

void vs_aux_close(struct vs_controller_live *live, unsigned from)
{
	for (unsigned i = from; i < VS_MAX_AUX; i++) {
		if (live->aux[i] != NULL)
			close_one(live->aux[i]);
		live->aux[i] = NULL;
	}
}

void vs_aux_open(struct vs_controller_live *live)
{
	vs_aux_close(live, live->n_aux);
	/* Without memory there is one less, until the main connection comes again. */
	for (unsigned i = 0; live->main != NULL && i < live->n_aux; i++) {
		if (live->aux[i] == NULL)
			live->aux[i] = open_one(live, (uint8_t)(i + 1));
		else
			vs_remote_set(live->aux[i]->remote, live->probe_ms, live->tls);
	}
}

void vs_aux_each(const struct vs_controller_live *live, vs_aux_fn fn, void *arg)
{
	for (unsigned i = 0; i < VS_MAX_AUX; i++)
		if (live->aux[i] != NULL)
			fn(arg, live->aux[i]->remote, live->aux[i]->ch, live->aux[i]->id);
}
