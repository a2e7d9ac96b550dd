/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Opens a port without the switch around it.
 */
#ifndef TESTS_SUPPORT_STUB_PORT_H
#define TESTS_SUPPORT_STUB_PORT_H

#include "dataplane/port.h"

int stub_port_open(struct dp *dp, const struct dp_port_ops *ops, const struct dp_port_opts *opts,
		   struct dp_port **ret_port, struct err *err);
void stub_port_close(struct dp_port *port);
/* Frames that drivers called malformed. */
uint64_t stub_port_malformed(void);

#endif
