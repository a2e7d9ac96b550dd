/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside the model; see model.h.
 */
#ifndef VSWITCH_MODEL_PRIV_H
#define VSWITCH_MODEL_PRIV_H

#include "vswitch/model.h"

/* What an object's body says of 'key'; NULL, 'def': nothing. */
const char *vs_body_str(const json_t *body, const char *key);
uint64_t vs_body_number(const json_t *body, const char *key, uint64_t def);
bool vs_body_flag(const json_t *body, const char *key, bool def);

/* The key of what a kind of port occupies on the host, which is the port's name where 'named'. */
const char *vs_model_place_key(enum vs_port_kind kind, bool *ret_named);

/* model_controller.c: one object, whose switch is read. */
int vs_model_controller_read(struct vs_model *m, const char *name, const json_t *body,
			     struct err *err);
/* model_queue.c: the same, of a port that is read; and what all of them ask of each other. */
int vs_model_queue_read(struct vs_model *m, const char *name, const json_t *body, struct err *err);
int vs_model_queues_check(struct vs_model *m, struct err *err);
/* model_conntrack.c: a zone, whose switch and tenant are read; what 'conntrack set' says. */
int vs_model_zone_read(struct vs_model *m, const char *name, const json_t *body, struct err *err);
int vs_model_conntrack_read(struct vs_model *m, const json_t *body, struct err *err);
/* model_vm.c: a VM; a disk, whose VM is read; a port that is read: is it a VM's NIC, and may be? */
int vs_model_vm_read(struct vs_model *m, const char *name, const json_t *body, struct err *err);
int vs_model_disk_read(struct vs_model *m, const char *name, const json_t *body, struct err *err);
int vs_model_nic_read(struct vs_model *m, struct vs_port *p, struct err *err);
/* No two VMs have one id, no two disks of a VM one place or file. */
int vs_model_vms_check(const struct vs_model *m, struct err *err);
/* model_filter.c: a module; where one is attached, whose switch, tenant or port is read; and how
 * many may meet on a port. */
int vs_model_filter_read(struct vs_model *m, const char *name, const json_t *body, struct err *err);
int vs_model_attachment_read(struct vs_model *m, const char *name, const json_t *body,
			     struct err *err);
int vs_model_filters_check(struct vs_model *m, struct err *err);
/* "00000000deadbeef", with or without "0x": not 0. */
int vs_datapath_id_parse(const char *text, uint64_t *ret_id);

/* model_check.c: of a model whose objects are read. */
int vs_model_devices_check(const struct vs_model *m, struct err *err);
/* No two ports of a switch ask for one OpenFlow number. */
int vs_model_numbers_check(const struct vs_model *m, struct err *err);
int vs_model_pvlans_check(const struct vs_model *m, struct err *err);
/* vtep_model.c: what a VTEP's or tunnel port's body says; none for another port. */
int vs_overlay_read(struct vs_port *p, struct err *err);
void vs_overlay_free(struct vs_overlay *o);
/* Tunnel ports find their VTEPs, tenants by key the ports of these, and VTEPs' addresses are
 * static. */
int vs_model_overlays_check(struct vs_model *m, struct err *err);
int vs_model_macs_check(const struct vs_model *m, struct err *err);
int vs_model_controllers_check(const struct vs_model *m, struct err *err);

#endif
