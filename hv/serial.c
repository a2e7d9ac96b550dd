/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See serial.h.  A transmitter that is never busy: what is written is gone at once, so that
 * 'holding register empty' is always true.  Its interrupt waits from a write, or from being
 * switched on, until the guest has seen it in the IIR; the line stays up for as long, however much
 * is written: an edge for each byte would be two calls of the kernel for each.
 */
#include "hv/serial.h"

#include "hv/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Registers; the first two are the divisor while DLAB is set. */
enum { DATA, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCRATCH, N_REGISTERS };

enum {
	IER_DATA = 1 << 0,
	IER_THRE = 1 << 1,
	IER_ALL = 0xf,
	IIR_NONE = 0x01,
	IIR_THRE = 0x02,
	IIR_DATA = 0x04,
	IIR_FIFOS = 0xc0,
	FCR_ENABLE = 1 << 0,
	FCR_CLEAR_INPUT = 1 << 1,
	LCR_DLAB = 1 << 7,
	MCR_DTR = 1 << 0,
	MCR_RTS = 1 << 1,
	MCR_OUT1 = 1 << 2,
	MCR_OUT2 = 1 << 3,
	MCR_LOOP = 1 << 4,
	MCR_ALL = 0x1f,
	LSR_DATA = 1 << 0,
	LSR_THRE = 1 << 5,
	LSR_IDLE = 1 << 6,
	MSR_CTS = 1 << 4,
	MSR_DSR = 1 << 5,
	MSR_RI = 1 << 6,
	MSR_DCD = 1 << 7,
	DIVISOR_9600 = 12,
};

struct hv_serial {
	struct hv_board board;
	int fd;
	bool told;	/* 'fd' is readable */
	bool wants_out; /* somebody had more to type than there was room */

	uint8_t ier, fcr, lcr, mcr, scratch;
	uint16_t divisor;
	bool thre; /* its interrupt waits */
	bool line;

	uint64_t sent; /* since the start; the last HV_SERIAL_RING are in the ring */
	uint8_t ring[HV_SERIAL_RING];
	uint32_t in_first, n_in;
	uint8_t in[HV_SERIAL_FIFO];
};

/* ---- with the device lock held ---- */

static void tell(struct hv_serial *s)
{
	if (s->told)
		return;
	s->told = true;
	(void)eventfd_write(s->fd, 1);
}

/* What asks for an interrupt, the most urgent one. */
static uint8_t pending(const struct hv_serial *s)
{
	if ((s->ier & IER_DATA) != 0 && s->n_in > 0)
		return IIR_DATA;
	if ((s->ier & IER_THRE) != 0 && s->thre)
		return IIR_THRE;
	return IIR_NONE;
}

static void set_line(struct hv_serial *s, bool line)
{
	if (s->line == line)
		return;
	s->line = line;
	hv_board_irq(&s->board, HV_IRQ_SERIAL, line);
}

static void update_line(struct hv_serial *s)
{
	set_line(s, pending(s) != IIR_NONE);
}

static bool put_in(struct hv_serial *s, uint8_t byte)
{
	if (s->n_in == HV_SERIAL_FIFO)
		return false;
	s->in[(s->in_first + s->n_in++) % HV_SERIAL_FIFO] = byte;
	return true;
}

static uint8_t take_in(struct hv_serial *s)
{
	uint8_t byte;

	if (s->n_in == 0)
		return 0;
	byte = s->in[s->in_first];
	s->in_first = (s->in_first + 1) % HV_SERIAL_FIFO;
	s->n_in--;
	if (s->wants_out && s->n_in <= HV_SERIAL_FIFO / 2) {
		s->wants_out = false;
		tell(s);
	}
	return byte;
}

static void send(struct hv_serial *s, uint8_t byte)
{
	if ((s->mcr & MCR_LOOP) != 0) {
		(void)put_in(s,
			     byte); /* an overrun, if the guest sends to itself and never reads */
	} else {
		s->ring[s->sent++ % HV_SERIAL_RING] = byte;
		tell(s);
	}
	s->thre = true;
}

static uint8_t read_iir(struct hv_serial *s)
{
	uint8_t iir = pending(s);

	if (iir == IIR_THRE)
		s->thre = false;
	return iir | ((s->fcr & FCR_ENABLE) != 0 ? IIR_FIFOS : 0);
}

/* The other end is always there; in a loop, what goes out comes in. */
static uint8_t read_msr(const struct hv_serial *s)
{
	uint8_t msr = 0;

	if ((s->mcr & MCR_LOOP) == 0)
		return MSR_CTS | MSR_DSR | MSR_DCD;
	msr |= (s->mcr & MCR_DTR) != 0 ? MSR_DSR : 0;
	msr |= (s->mcr & MCR_RTS) != 0 ? MSR_CTS : 0;
	msr |= (s->mcr & MCR_OUT1) != 0 ? MSR_RI : 0;
	msr |= (s->mcr & MCR_OUT2) != 0 ? MSR_DCD : 0;
	return msr;
}

static uint8_t read_register(struct hv_serial *s, uint16_t reg)
{
	bool dlab = (s->lcr & LCR_DLAB) != 0;

	switch (reg) {
	case DATA:
		return dlab ? (uint8_t)s->divisor : take_in(s);
	case IER:
		return dlab ? (uint8_t)(s->divisor >> 8) : s->ier;
	case IIR_FCR:
		return read_iir(s);
	case LCR:
		return s->lcr;
	case MCR:
		return s->mcr;
	case LSR:
		return LSR_THRE | LSR_IDLE | (s->n_in > 0 ? LSR_DATA : 0);
	case MSR:
		return read_msr(s);
	default:
		return s->scratch;
	}
}

static void write_ier(struct hv_serial *s, uint8_t value)
{
	if ((value & IER_THRE) != 0 && (s->ier & IER_THRE) == 0)
		s->thre = true; /* it is empty: that is said at once */
	s->ier = value & IER_ALL;
}

static void write_fcr(struct hv_serial *s, uint8_t value)
{
	if ((value & FCR_CLEAR_INPUT) != 0 || ((value ^ s->fcr) & FCR_ENABLE) != 0)
		s->n_in = 0;
	s->fcr = value & FCR_ENABLE;
}

static void write_register(struct hv_serial *s, uint16_t reg, uint8_t value)
{
	bool dlab = (s->lcr & LCR_DLAB) != 0;

	switch (reg) {
	case DATA:
		if (dlab)
			s->divisor = (uint16_t)((s->divisor & 0xff00) | value);
		else
			send(s, value);
		break;
	case IER:
		if (dlab)
			s->divisor = (uint16_t)((s->divisor & 0xff) | value << 8);
		else
			write_ier(s, value);
		break;
	case IIR_FCR:
		write_fcr(s, value);
		break;
	case LCR:
		s->lcr = value;
		break;
	case MCR:
		s->mcr = value & MCR_ALL;
		break;
	case SCRATCH:
		s->scratch = value;
		break;
	default: /* LSR and MSR are only read */
		break;
	}
}

static uint32_t port_read(void *ctx, uint16_t offset, unsigned size)
{
	struct hv_serial *s = ctx;
	uint8_t value;

	if (size != 1)
		return UINT32_MAX;
	value = read_register(s, offset);
	update_line(s);
	return value;
}

static void port_write(void *ctx, uint16_t offset, unsigned size, uint32_t value)
{
	struct hv_serial *s = ctx;

	if (size != 1)
		return;
	write_register(s, offset, (uint8_t)value);
	update_line(s);
}

static const struct hv_pio_ops ops = {.read = port_read, .write = port_write};

static void power_on(struct hv_serial *s)
{
	s->ier = s->fcr = s->lcr = s->scratch = 0;
	s->mcr = 0;
	s->divisor = DIVISOR_9600;
	s->thre = false;
	s->in_first = s->n_in = 0;
	update_line(s);
}

/* ---- the owner's ---- */

int hv_serial_create(const struct hv_board *board, struct hv_serial **ret_serial, struct err *err)
{
	struct hv_serial *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return err_set(err, -ENOMEM, "out-of-memory", "no memory for a serial port");
	s->board = *board;
	s->divisor = DIVISOR_9600;
	s->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->fd < 0) {
		rc = err_set(err, -errno, "serial", "cannot make a serial port: %s",
			     strerror(errno));
		free(s);
		return rc;
	}
	rc = hv_pio_add(board->pio, HV_PORT_SERIAL, N_REGISTERS, &ops, s);
	if (rc != 0) {
		hv_serial_destroy(s);
		return err_set(err, rc, "serial", "the ports of the serial port are taken");
	}
	*ret_serial = s;
	return 0;
}

void hv_serial_destroy(struct hv_serial *serial)
{
	if (serial == NULL)
		return;
	close(serial->fd);
	free(serial);
}

void hv_serial_reset(struct hv_serial *serial)
{
	hv_board_lock(&serial->board);
	power_on(serial);
	hv_board_unlock(&serial->board);
}

int hv_serial_fd(const struct hv_serial *serial)
{
	return serial->fd;
}

static size_t copy_out(const struct hv_serial *s, uint64_t *at, uint8_t *to, size_t size)
{
	size_t n;

	if (*at > s->sent)
		*at = s->sent;
	if (s->sent - *at > HV_SERIAL_RING)
		*at = s->sent - HV_SERIAL_RING;
	n = s->sent - *at < size ? s->sent - *at : size;
	for (size_t i = 0; i < n; i++)
		to[i] = s->ring[(*at + i) % HV_SERIAL_RING];
	*at += n;
	return n;
}

size_t hv_serial_read(struct hv_serial *serial, uint64_t *at, void *to, size_t size)
{
	eventfd_t ignored;
	size_t n;

	hv_board_lock(&serial->board);
	if (serial->told) {
		serial->told = false;
		(void)eventfd_read(serial->fd, &ignored);
	}
	n = copy_out(serial, at, to, size);
	hv_board_unlock(&serial->board);
	return n;
}

size_t hv_serial_write(struct hv_serial *serial, const void *bytes, size_t size)
{
	const uint8_t *byte = bytes;
	size_t n = 0;

	hv_board_lock(&serial->board);
	while (n < size && put_in(serial, byte[n]))
		n++;
	if (n < size)
		serial->wants_out = true;
	update_line(serial);
	hv_board_unlock(&serial->board);
	return n;
}
