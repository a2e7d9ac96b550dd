/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A NIC's VF for people; see sriov.h.
 */
#include "vswitch/sriov_priv.h"

#include "sriov/pf.h"
#include "sriov/pool.h"

#include <stdio.h>
#include <string.h>

static const char *why_of(const struct vs_sriov_nic *nic)
{
	if (nic->f.reason == SRIOV_REASON_POLICY)
		return nic->against;
	if (nic->f.reason == SRIOV_REASON_VF_GONE || nic->f.reason == SRIOV_REASON_VF_ERROR)
		return nic->lost;
	return nic->f.text;
}

static json_t *conf_row(const struct sriov_vf_conf *c)
{
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", c->mac[0], c->mac[1], c->mac[2],
		 c->mac[3], c->mac[4], c->mac[5]);
	return json_pack("{ss si sb sI}", "mac", mac, "vlan", c->vlan, "spoof_check",
			 c->spoof_check, "rate", (json_int_t)c->rate_mbps * 1000000);
}

static json_t *vf_row(const struct vs_sriov_nic *nic)
{
	const struct sriov_pool_ops *pool = nic->sriov->pool;
	struct sriov_vf_counts n = {.known = false};
	json_t *o;

	if (nic->claim == NULL || !nic->f.has_vf)
		return json_null();
	o = json_pack("{ss si ss so}", "pf", pool->pf(nic->claim), "vf",
		      (int)pool->index(nic->claim), "address", pool->device(nic->claim)->addr,
		      "policy", conf_row(&nic->has));
	if (pool->counts(nic->claim, &n) == 0 && n.known)
		json_object_set_new(o, "counters",
				    json_pack("{sI sI sI sI sI}", "rx_packets",
					      (json_int_t)n.rx_packets, "rx_bytes",
					      (json_int_t)n.rx_bytes, "tx_packets",
					      (json_int_t)n.tx_packets, "tx_bytes",
					      (json_int_t)n.tx_bytes, "rx_dropped",
					      (json_int_t)n.rx_dropped));
	return o;
}

/* "by vf 3 of enp3s0", or why not. */
static json_t *text_row(const struct vs_sriov_nic *nic)
{
	const struct sriov_pool_ops *pool = nic->sriov->pool;
	const char *why = why_of(nic);

	if (nic->f.state == SRIOV_ACTIVE)
		return json_sprintf("frames go by VF %u of %s", pool->index(nic->claim),
				    pool->pf(nic->claim));
	return json_sprintf("%s%s%s", sriov_reason_text(nic->f.reason), why[0] != '\0' ? ": " : "",
			    why);
}

/* "read of 0x40000000 by 0000:01:10.0" */
static json_t *fault_row(const struct vs_sriov_nic *nic)
{
	if (nic->n_faults == 0)
		return json_null();
	return json_sprintf("%s %#llx by %s", nic->fault.write ? "write to" : "read of",
			    (unsigned long long)nic->fault.addr, nic->fault.device);
}

json_t *vs_sriov_row(const struct vs *vs, const char *port)
{
	const struct vs_sriov_nic *nic = vs_sriov_find(vs, port);

	if (nic == NULL)
		return NULL;
	return json_pack("{ss ss so so sI sI sI sI sI sI sI so}", "state",
			 sriov_state_name(nic->f.state), "reason", sriov_reason_slug(nic->f.reason),
			 "text", text_row(nic), "vf", vf_row(nic), "to_vf",
			 (json_int_t)nic->f.stats.to_vf, "back", (json_int_t)nic->f.stats.back,
			 "taken", (json_int_t)nic->f.stats.taken, "refused",
			 (json_int_t)nic->f.stats.refused, "last_back_us",
			 (json_int_t)nic->last_gap_us, "worst_back_us",
			 (json_int_t)nic->worst_gap_us, "iommu_faults", (json_int_t)nic->n_faults,
			 "iommu_fault", fault_row(nic));
}

/* The NIC whose VF has that address, while frames go by it. */
static const struct vs_sriov_nic *active_with(const struct vs_sriov *s, const uint8_t mac[6])
{
	const struct vs_sriov_nic *nic;

	LIST_FOREACH(nic, &s->nics, entry)
		if (nic->f.state == SRIOV_ACTIVE && memcmp(nic->has.mac, mac, 6) == 0)
			return nic;
	return NULL;
}

void vs_sriov_note(const struct vs *vs, const char *port, const uint8_t dst[6], char *note,
		   size_t size)
{
	const struct vs_sriov *s = vs->policy[VS_POLICY_SRIOV];
	const struct vs_sriov_nic *from, *to;

	note[0] = '\0';
	if (s == NULL)
		return;
	from = vs_sriov_find(vs, port);
	to = active_with(s, dst);
	if (from != NULL && from->f.state == SRIOV_ACTIVE)
		snprintf(note, size,
			 "frames of %s go by VF %u of %s now: the switch sees none of them",
			 from->port, s->pool->index(from->claim), s->pool->pf(from->claim));
	else if (to != NULL)
		snprintf(note, size,
			 "%s has that address, and its frames go by VF %u of %s now: behind the "
			 "uplink the adapter's own switch brings them there",
			 to->port, s->pool->index(to->claim), s->pool->pf(to->claim));
}
