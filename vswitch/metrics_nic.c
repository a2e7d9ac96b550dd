/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the metrics say of VMs' NICs: their receive queues and their VFs; see metrics_data.h.
 */
#include "vswitch/metrics_data.h"

#include "dataplane/vmq.h"
#include "vswitch/cmd.h"
#include "vswitch/openmetrics.h"
#include "vswitch/sriov.h"
#include "vswitch/vmq.h"

#include <string.h>

static void queues(const struct vs_daemon *d, const struct vs_port *p, const struct vs_vmq_nic *nic,
		   struct vs_metric_sink *sink)
{
	uint16_t n = nic->vmq != NULL ? dp_vmq_spec(nic->vmq)->n_queues : 0;
	uint64_t packets = 0, dropped = 0;

	vs_metric_gauge(sink, "vswitch_nic_rx_queues",
			"Receive queues of its own that a NIC has on the uplink.",
			VS_LABELS({"switch", p->sw->name}, {"port", p->name},
				  {"kind", vs_vmq_kind(nic)}),
			n);
	for (uint16_t i = 0; i < n; i++) {
		struct dp_vmq_info info;

		dp_vmq_queue_info(d->vs->dp, nic->vmq, i, &info);
		packets += info.packets;
		dropped += info.dropped;
	}
	if (n == 0)
		return;
	vs_metric_counter(sink, "vswitch_nic_rx_queue_packets",
			  "Frames by a NIC's own receive queues, since it has them.",
			  VS_LABELS({"switch", p->sw->name}, {"port", p->name}), packets);
	vs_metric_counter(sink, "vswitch_nic_rx_queue_drops", "Frames that found them full.",
			  VS_LABELS({"switch", p->sw->name}, {"port", p->name}), dropped);
}

static uint64_t number(const json_t *row, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(row, key));
}

static void vf(const struct vs_port *p, const json_t *row, struct vs_metric_sink *sink)
{
	const json_t *counters = json_object_get(json_object_get(row, "vf"), "counters");
	const char *state = json_string_value(json_object_get(row, "state"));
	static const char *const directions[] = {"to-vf", "back"};
	static const char *const flips[] = {"to_vf", "back"};
	static const char *const packets[] = {"rx_packets", "tx_packets"};

	vs_metric_gauge(sink, "vswitch_nic_by_vf", "1 while a NIC's frames go by its VF.",
			VS_LABELS({"switch", p->sw->name}, {"port", p->name}),
			state != NULL && strcmp(state, "active") == 0);
	vs_metric_counter(
		sink, "vswitch_nic_iommu_faults",
		"Accesses of a NIC's VF that the IOMMU stopped, as far as the kernel says.",
		VS_LABELS({"switch", p->sw->name}, {"port", p->name}), number(row, "iommu_faults"));
	for (unsigned i = 0; i < 2; i++)
		vs_metric_counter(sink, "vswitch_nic_vf_changes",
				  "Times that a NIC's frames went to its VF, and back.",
				  VS_LABELS({"switch", p->sw->name}, {"port", p->name},
					    {"direction", directions[i]}),
				  number(row, flips[i]));
	for (unsigned i = 0; counters != NULL && i < 2; i++)
		vs_metric_counter(sink, "vswitch_nic_vf_packets",
				  "Frames of the VF that a NIC has, as its adapter counts.",
				  VS_LABELS({"switch", p->sw->name}, {"port", p->name},
					    {"direction", i == 0 ? "rx" : "tx"}),
				  number(counters, packets[i]));
}

void vs_metrics_nics(const struct vs_daemon *d, struct vs_metric_sink *sink)
{
	const struct vs_model *m = d->vs->model;

	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i];
		uint16_t id = vs_port_id(d->vs, p->name);
		json_t *row = vs_sriov_row(d->vs, p->name);

		if (id != DP_NO_PORT && vs_vmq_concerns(p) && vs_vmq_nic(d->vs, id) != NULL)
			queues(d, p, vs_vmq_nic(d->vs, id), sink);
		if (row != NULL)
			vf(p, row, sink);
		json_decref(row);
	}
}
