/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Output by a tunnel port whose remote or key rules say.  Frames for one port are gathered as for
 * any; what is special is that all of them that one rule sent go to one place, which is noted
 * beside them: who goes elsewhere waits until these are gone.  Workers.
 */
#include "dataplane/exec_priv.h"

void dp_walk_tunnel(struct dp_walk *k, const struct dp_step *s, bool last)
{
	struct dp_worker *w = k->run->w;
	const struct dp_vport *out = s->arg < DP_MAX_PORTS ? w->view->vports[s->arg] : NULL;
	struct dp_edge_frame f = dp_walk_leaving(k, last);
	struct dp_txbuf *buf;

	if (f.m == NULL)
		return;
	if (out == NULL || out->tunnel == NULL) {
		dp_edge_forward(w, k->run->in, out, &f, k->run->count);
		return;
	}
	buf = w->tx[out->id];
	if (buf->n != 0 &&
	    (buf->n != buf->n_meta || memcmp(&buf->meta, s->data, sizeof(buf->meta)) != 0))
		dp_tx_flush(w, out->id);
	memcpy(&buf->meta, s->data, sizeof(buf->meta));
	buf->n_meta = (uint16_t)(buf->n + 1);
	dp_edge_forward(w, k->run->in, out, &f, k->run->count);
	/* It may have been dropped, or have been the one that fills the buffer. */
	if (buf->n_meta > buf->n)
		buf->n_meta = buf->n;
}
