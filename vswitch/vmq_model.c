/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Queues of NICs in the model; see vmq.h.
 */
#include "vswitch/vmq.h"

#include "ctl/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool vs_vmq_concerns(const struct vs_port *p)
{
	return p->sw->type == VS_EXTERNAL && (p->kind == VS_VMBUS || p->kind == VS_VHOST);
}

const char *const vs_vmq_hw_words[VS_VMQ_N_HW] = {
	[VS_VMQ_HW_AUTO] = "auto", [VS_VMQ_HW_ON] = "on", [VS_VMQ_HW_OFF] = "off"};

static int check_kind(const struct vs_port *p, struct err *err)
{
	if (p->kind == VS_VMBUS || p->kind == VS_VHOST)
		return 0;
	err_set(err, -EINVAL, "not-a-nic", "port %s is of kind %s, not a VM's NIC", p->name,
		vs_port_kind_name(p->kind));
	err_why(err, "only a VM's NIC (vmbus, vhost) has receive queues on an uplink");
	err_fix(err, "vswitchctl vmq show lists those that can have some");
	return -EINVAL;
}

static int read_one(struct vs_vmq *v, struct err *err)
{
	const char *queues = json_string_value(json_object_get(v->body, "queues"));
	const char *hardware = json_string_value(json_object_get(v->body, "hardware"));
	const json_t *weight = json_object_get(v->body, "weight");

	v->weight = VS_VMQ_WEIGHT;
	if (v->body == NULL)
		return 0;
	if (queues != NULL && strcmp(queues, "auto") != 0)
		v->queues = (uint16_t)strtoul(queues, NULL, 10);
	for (unsigned i = 0; hardware != NULL && i < VS_VMQ_N_HW; i++)
		if (strcmp(hardware, vs_vmq_hw_words[i]) == 0)
			v->hw = (enum vs_vmq_hw)i;
	if (weight != NULL)
		v->weight = (uint16_t)json_integer_value(weight);
	return check_kind(v->port, err);
}

int vs_vmq_read(struct vs_model *m, void **ret_conf, struct err *err)
{
	const json_t *objects = json_object_get(m->state, "vmq");
	struct vs_vmq_conf *conf = calloc(1, sizeof(*conf));
	int rc = vs_model_strays(m, objects, "vmq", err);

	if (conf != NULL)
		conf->v = calloc(m->n_ports + 1, sizeof(*conf->v));
	*ret_conf = conf;
	if (conf == NULL || conf->v == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	while (rc == 0 && conf->n < m->n_ports) {
		struct vs_vmq *v = &conf->v[conf->n];

		v->port = &m->ports[conf->n++];
		v->body = json_object_get(objects, v->port->name);
		rc = read_one(v, err);
		if (rc != 0)
			err_about(err, "vmq", v->port->name);
	}
	return rc;
}

void vs_vmq_forget(void *arg)
{
	struct vs_vmq_conf *conf = arg;

	free(conf->v);
	free(conf);
}

const struct vs_vmq *vs_vmq_of(const struct vs_model *m, const struct vs_port *port)
{
	const struct vs_vmq_conf *conf = m->policy[VS_POLICY_VMQ];

	return conf != NULL && port != NULL ? &conf->v[port - m->ports] : NULL;
}
