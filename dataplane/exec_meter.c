/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See exec_priv.h: METER.  A frame over a band's rate is dropped, or its DSCP gets a higher drop
 * precedence (OpenFlow 1.3.5, A.3.4.4; RFC 2597).  Workers.
 */
#include "dataplane/exec_priv.h"
#include "dataplane/meter_priv.h"
#include "dataplane/rewrite.h"

#include <errno.h>

#define AF_HIGHEST 3u /* drop precedence */

static void count(struct dp_walk *k, uint32_t counter)
{
	dp_flow_count(k->run->w->flow, counter, 1, k->f.m->pkt_len);
}

/* Class n, precedence p of Assured Forwarding is 8 n + 2 p; other values say no precedence and
 * stay. */
static uint8_t remarked(uint8_t dscp, uint8_t by)
{
	unsigned class = dscp >> 3, precedence = dscp >> 1 & 3;

	if (class < 1 || class > 4 || precedence == 0 || (dscp & 1) != 0)
		return dscp;
	precedence = by > AF_HIGHEST - precedence ? AF_HIGHEST : precedence + by;
	return (uint8_t)(class << 3 | precedence << 1);
}

static uint8_t dscp_of(const struct dp_walk *k)
{
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(k->f.m, const uint8_t *, k->h.l2_size);

	return k->h.ip_version == 4 ? l3[1] >> 2 : (uint8_t)((l3[0] << 8 | l3[1]) >> 6 & 0x3f);
}

static void remark(struct dp_walk *k, uint8_t by)
{
	const uint8_t all = 0x3f;
	uint8_t now, dscp;

	if (!dp_walk_writable(k) || k->h.ip_version == 0)
		return;
	now = dscp_of(k);
	dscp = remarked(now, by);
	k->changed = k->changed || dscp != now;
	if (dscp != now && dp_rw_set_field(k->f.m, &k->h, DP_FIELD_IP_DSCP, &dscp, &all) == -ENOMEM)
		dp_walk_drop(k, DP_DROP_NO_MBUF);
}

void dp_walk_meter(struct dp_walk *k, const struct dp_step *s, bool last)
{
	struct dp_worker *w = k->run->w;
	struct dp_meter *meter = dp_meter_at(w->dp, s->arg);
	const struct dp_meter_band_spec *band;
	int over;

	/* A trace is no packet: it takes no tokens, and shows what is not over the rate. */
	if (meter == NULL || w->trace != NULL)
		return;
	count(k, meter->spec.counter);
	over = dp_meter_run(meter, w->index, w->burst_tsc, k->f.m->pkt_len);
	if (over < 0)
		return;
	band = &meter->spec.bands[over];
	count(k, band->counter);
	if (band->remark)
		remark(k, band->by);
	else
		dp_walk_end(k, DP_DROP_METER, ((const struct dp_step_end *)s->data)->n_rules);
}
