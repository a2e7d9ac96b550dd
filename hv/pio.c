/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See pio.h.
 */
#include "hv/pio.h"

#include <errno.h>
#include <stddef.h>

static uint32_t all_ones(unsigned size)
{
	return size >= 4 ? UINT32_MAX : (1u << (8 * size)) - 1;
}

/* The range that 'port' is in; -1: none. */
static int find(const struct hv_pio *pio, uint16_t port)
{
	for (unsigned i = 0; i < pio->n; i++)
		if (port >= pio->range[i].port && port - pio->range[i].port < pio->range[i].n_ports)
			return (int)i;
	return -1;
}

int hv_pio_add(struct hv_pio *pio, uint16_t port, uint16_t n_ports, const struct hv_pio_ops *ops,
	       void *ctx)
{
	if (pio->n == HV_PIO_MAX)
		return -ENOSPC;
	for (uint32_t p = port; p < (uint32_t)port + n_ports; p++)
		if (find(pio, (uint16_t)p) >= 0)
			return -EEXIST;
	pio->range[pio->n].port = port;
	pio->range[pio->n].n_ports = n_ports;
	pio->range[pio->n].ops = ops;
	pio->range[pio->n++].ctx = ctx;
	return 0;
}

uint32_t hv_pio_read(const struct hv_pio *pio, uint16_t port, unsigned size)
{
	int i = find(pio, port);

	if (i < 0 || pio->range[i].ops->read == NULL)
		return all_ones(size);
	return pio->range[i].ops->read(pio->range[i].ctx, port - pio->range[i].port, size) &
	       all_ones(size);
}

void hv_pio_write(const struct hv_pio *pio, uint16_t port, unsigned size, uint32_t value)
{
	int i = find(pio, port);

	if (i >= 0 && pio->range[i].ops->write != NULL)
		pio->range[i].ops->write(pio->range[i].ctx, port - pio->range[i].port, size,
					 value & all_ones(size));
}
