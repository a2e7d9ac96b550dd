/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's I/O ports: who answers on which.  Few and slow devices hang here (serial port, clock,
 * power management); all others are on VMBus.
 *
 * Threads: devices are added before processors run.  Handlers run on processors' threads, one at a
 * time (the partition's device lock, hv_devices_lock()); what an owner does to a device from its
 * own thread takes that lock too.
 */
#ifndef HV_PIO_H
#define HV_PIO_H

#include <stdint.h>

struct hv_pio_ops {
	/* 'size' is 1, 2 or 4 bytes; 'offset' counts from the first port.  A device that has no
	 * register of that size says all ones, and ignores what is written. */
	uint32_t (*read)(void *ctx, uint16_t offset, unsigned size);
	void (*write)(void *ctx, uint16_t offset, unsigned size, uint32_t value);
};

#define HV_PIO_MAX 16

struct hv_pio {
	unsigned n;
	struct {
		uint16_t port, n_ports;
		const struct hv_pio_ops *ops;
		void *ctx;
	} range[HV_PIO_MAX];
};

/* Ports [port, port + n_ports) are the device's.  0; -EEXIST: some are taken; -ENOSPC. */
int hv_pio_add(struct hv_pio *pio, uint16_t port, uint16_t n_ports, const struct hv_pio_ops *ops,
	       void *ctx);
/* Ports that nobody has read as all ones; what is written there is gone.  Neither is an error:
 * guests probe. */
uint32_t hv_pio_read(const struct hv_pio *pio, uint16_t port, unsigned size);
void hv_pio_write(const struct hv_pio *pio, uint16_t port, unsigned size, uint32_t value);

#endif
