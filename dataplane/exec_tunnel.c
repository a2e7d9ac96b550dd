/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Output by a tunnel port whose remote or key rules say.  Frames for one port are gathered as for
 * any; what is special is that all of them that one rule sent go to one place, which is noted
 * beside them: who goes elsewhere waits until these are gone.  Workers.
 */
#include "dataplane/exec_priv.h"

static void send(struct dp_walk *k, const struct dp_vport *out, bool last)
{
	struct dp_edge_frame f;

	if (unlikely(k->run->no_port)) {
		dp_walk_switch_output(k, out, last);
		return;
	}
	f = dp_walk_leaving(k, last);
	if (f.m != NULL)
		dp_edge_forward(k->run->w, k->run->in, out, &f, k->run->count);
}

void dp_walk_tunnel(struct dp_walk *k, const struct dp_step *s, bool last)
{
	struct dp_worker *w = k->run->w;
	const struct dp_vport *out = s->arg < DP_MAX_PORTS ? w->view->vports[s->arg] : NULL;
	struct dp_txbuf *buf;

	if (out == NULL || out->tunnel == NULL) {
		send(k, out, last);
		return;
	}
	buf = w->tx[out->id];
	if (buf->n != 0 &&
	    (buf->n != buf->n_meta || memcmp(&buf->meta, s->data, sizeof(buf->meta)) != 0))
		dp_tx_flush(w, out->id);
	memcpy(&buf->meta, s->data, sizeof(buf->meta));
	buf->n_meta = (uint16_t)(buf->n + 1);
	send(k, out, last);
	/* It may have been dropped, or have been the one that fills the buffer. */
	if (buf->n_meta > buf->n)
		buf->n_meta = buf->n;
}
