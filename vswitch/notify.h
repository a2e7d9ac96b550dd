/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Telling the service manager how we are, sd_notify(3) without its library: one datagram to the
 * socket that NOTIFY_SOCKET names.  Any thread.
 */
#ifndef VSWITCH_NOTIFY_H
#define VSWITCH_NOTIFY_H

/* Sends 'state' ("READY=1", "STOPPING=1").  Returns 1 when it was sent, 0 when nobody asked to be
 * told, or a negative errno; a caller need not care. */
int vs_notify(const char *state);

#endif
