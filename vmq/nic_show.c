/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A NIC for people: what its guest agreed to, its channels, and what went wrong by name.  Control
 * thread.
 */
#include "vmq/nic_priv.h"

#include <stdio.h>

void nic_totals_add(struct nic_totals *t, const struct vmq_queue_stats *s)
{
	t->from_packets += atomic_load(&s->from_packets);
	t->from_bytes += atomic_load(&s->from_bytes);
	t->from_ring_packets += atomic_load(&s->from_ring_packets);
	t->to_packets += atomic_load(&s->to_packets);
	t->to_bytes += atomic_load(&s->to_bytes);
	t->to_ring_packets += atomic_load(&s->to_ring_packets);
	t->signals += atomic_load(&s->signals);
	t->kicks += atomic_load(&s->kicks);
	t->no_section += atomic_load(&s->no_section);
	t->ring_full += atomic_load(&s->ring_full);
	t->filtered += atomic_load(&s->filtered);
	t->malformed += atomic_load(&s->malformed);
	t->completions += atomic_load(&s->completions);
}

static json_t *show_totals(const struct nic_totals *t)
{
	return json_pack("{sI sI sI sI sI sI sI sI sI sI sI sI sI}", "from_guest_packets",
			 (json_int_t)t->from_packets, "from_guest_bytes", (json_int_t)t->from_bytes,
			 "from_guest_ring_packets", (json_int_t)t->from_ring_packets,
			 "to_guest_packets", (json_int_t)t->to_packets, "to_guest_bytes",
			 (json_int_t)t->to_bytes, "to_guest_ring_packets",
			 (json_int_t)t->to_ring_packets, "signals", (json_int_t)t->signals, "kicks",
			 (json_int_t)t->kicks, "no_section", (json_int_t)t->no_section, "ring_full",
			 (json_int_t)t->ring_full, "filtered", (json_int_t)t->filtered, "malformed",
			 (json_int_t)t->malformed, "completions", (json_int_t)t->completions);
}

static json_t *show_channels(const struct vmq_nic *nic)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < NETVSP_MAX_CHANNELS; i++) {
		const struct nic_channel *c = &nic->at.channels[i];
		struct nic_totals totals = {0};
		enum vmq_fault fault;

		if (c->queue == NULL)
			continue;
		nic_totals_add(&totals, &c->queue->stats);
		fault = (enum vmq_fault)atomic_load(&c->queue->fault);
		json_array_append_new(list,
				      json_pack("{si si si ss so}", "channel", (int)i, "relid",
						c->relid, "rx_queue", (int)(i % nic->n_rxq),
						"fault", vmq_fault_slug(fault), "counters",
						show_totals(&totals)));
	}
	return list;
}

static json_t *show_filter(uint32_t filter)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{NETVSP_FILTER_DIRECTED, "directed"},
		{NETVSP_FILTER_MULTICAST, "multicast"},
		{NETVSP_FILTER_ALL_MULTICAST, "all-multicast"},
		{NETVSP_FILTER_BROADCAST, "broadcast"},
		{NETVSP_FILTER_PROMISCUOUS, "promiscuous"},
	};
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((filter & names[i].bit) != 0)
			json_array_append_new(list, json_string(names[i].name));
	return list;
}

static json_t *show_rss(const struct netvsp_state *s)
{
	json_t *table = json_array();
	char key[2 * NETVSP_KEY_SIZE + 1] = "";

	for (unsigned i = 0; s->rss && i < s->table_size; i++)
		json_array_append_new(table, json_integer(s->table[i]));
	for (unsigned i = 0; s->rss && i < NETVSP_KEY_SIZE; i++)
		snprintf(key + 2 * i, 3, "%02x", s->key[i]);
	return json_pack("{sb sI so ss}", "enabled", s->rss, "hash_types",
			 (json_int_t)s->hash_types, "table", table, "key", key);
}

static json_t *show_guest(const struct netvsp_state *s)
{
	char mac[18], ndis[24];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", s->mac[0], s->mac[1], s->mac[2],
		 s->mac[3], s->mac[4], s->mac[5]);
	snprintf(ndis, sizeof(ndis), "%u.%u", s->ndis_major & 0xffff, s->ndis_minor & 0xffff);
	return json_pack("{sI ss sI ss sb so si so si si si si sb sb sb}", "nvsp_version",
			 (json_int_t)s->nvsp_version, "ndis_version", ndis, "mtu",
			 (json_int_t)s->guest_mtu, "mac", mac, "rndis", s->rndis_up, "filter",
			 show_filter(s->filter), "subchannels", s->n_subchannels, "rss",
			 show_rss(s), "receive_sections", (int)s->n_recv_sections,
			 "receive_section_bytes", (int)s->recv_section_size, "send_sections",
			 (int)s->n_send_sections, "send_section_bytes", (int)s->send_section_size,
			 "checksum_to_guest", s->csum_rx4, "large_receive", s->lro4 || s->lro6,
			 "vf_active", s->vf_active);
}

static json_t *show_faults(const struct vmq_nic *nic)
{
	json_t *o = json_object();

#define X(name, slug, text)                                                                        \
	if (netvsp_faults(nic->vsp, NETVSP_FAULT_##name) != 0)                                     \
		json_object_set_new(o, slug,                                                       \
				    json_integer((json_int_t)netvsp_faults(nic->vsp,               \
									   NETVSP_FAULT_##name)));
	NETVSP_FAULTS(X)
#undef X
	for (int i = VMQ_FAULT_NONE + 1; i < VMQ_N_FAULTS; i++)
		if (nic->faults[i] != 0)
			json_object_set_new(o, vmq_fault_slug((enum vmq_fault)i),
					    json_integer((json_int_t)nic->faults[i]));
	return o;
}

json_t *nic_show(struct dp_port *port)
{
	const struct vmq_nic *nic = port->priv;
	struct nic_totals totals = nic->gone;
	char instance[VMBUS_GUID_TEXT_SIZE];
	struct vmbus_guid guid;

	vmbus_guid_of_name(port->name, &guid);
	vmbus_guid_format(&guid, instance);
	for (unsigned i = 0; i < NETVSP_MAX_CHANNELS; i++)
		if (nic->at.channels[i].queue != NULL)
			nic_totals_add(&totals, &nic->at.channels[i].queue->stats);
	return json_pack("{ss ss ss sb ss ss sI sI sI si so so so so}", "driver", "vmbus", "socket",
			 nic->socket.path, "instance", instance, "attached", nic->at.fd >= 0,
			 "worker", nic->at.who, "reason", nic->reason, "attachments",
			 (json_int_t)nic->n_attached, "resumed", (json_int_t)nic->n_resumed,
			 "refused", (json_int_t)nic->n_refused, "max_channels", nic->max_channels,
			 "guest", show_guest(netvsp_state(nic->vsp)), "channels",
			 show_channels(nic), "counters", show_totals(&totals), "faults",
			 show_faults(nic));
}
