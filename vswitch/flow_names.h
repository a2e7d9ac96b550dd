/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What commands that take flows share: ports by name, and what is wrong with a text.  Control
 * thread.
 */
#ifndef VSWITCH_FLOW_NAMES_H
#define VSWITCH_FLOW_NAMES_H

#include "vswitch/cmd.h"
#include "vswitch/of/text.h"

/* Ports of one switch; text_ports.arg points here. */
struct vs_flow_names {
	const struct vs_daemon *d;
	const struct vs_switch *sw;
};
struct of_text_ports vs_flow_text_ports(struct vs_flow_names *names);

/* An error in a flow; 'file' is NULL when it was no file.  Returns -EINVAL. */
int vs_flow_bad_text(struct err *err, const struct of_text_error *e, const char *file);

#endif
