/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of 'doctor' share: the host and the daemon (doctor.c), ports and their devices
 * (doctor_port.c).
 */
#ifndef VSWITCH_DOCTOR_PRIV_H
#define VSWITCH_DOCTOR_PRIV_H

#include "vswitch/cmd.h"

#include <jansson.h>

/* One finding.  'state' is "ok", "warn" or "fail"; the last two have all the lines. */
void vs_doctor_add(json_t *rows, const char *check, const char *state, const char *found,
		   const char *why, const char *fix);

/* doctor_port.c: ports whose device is away; what drivers could not do as asked; ports of a switch
 * whose MTUs differ; checksums and segmentation that the cores do. */
void vs_doctor_waiting(struct vs_daemon *d, json_t *rows);
void vs_doctor_notes(struct vs_daemon *d, json_t *rows);
void vs_doctor_mtus(struct vs_daemon *d, json_t *rows);
void vs_doctor_offloads(struct vs_daemon *d, json_t *rows);
/* doctor_guard.c: many violations, guards that cut off more than they should, ports that are held.
 */
void vs_doctor_guards(struct vs_daemon *d, json_t *rows);

/* qos_note.c: ports that drop all the time, guarantees that cannot be kept. */
void vs_doctor_qos(struct vs_daemon *d, json_t *rows);

#endif
