/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest that reads and writes the ports of the serial port, the clock and power management in any
 * order, while the owner does its part.
 *
 * 	records: port (1: index of the table below, bit 7: write), width and value (1), 2 bytes more
 * 	if it writes wide.  Ports behind the table are the owner's doings.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/base/wire.h"
#include "hv/layout.h"
#include "hv/pm.h"
#include "hv/rtc.h"
#include "hv/serial.h"
#include "tests/support/board.h"

static const uint16_t ports[] = {0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff,
				 0x70,	0x71,  0x600, 0x601, 0x602, 0x603, 0x604, 0x605,
				 0x606, 0x607, 0x608, 0x60b, 0x61,  0x64,  0xcf8, 0xcf9};

#define N_PORTS (sizeof(ports) / sizeof(ports[0]))

struct machine {
	struct test_board board;
	struct hv_serial *serial;
	struct hv_rtc *rtc;
	struct hv_pm *pm;
	uint64_t at;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void own(struct machine *m, uint8_t what, uint8_t value)
{
	char text[256];
	uint64_t before = m->at;
	size_t n;

	memset(text, value, sizeof(text));
	switch (what % 7) {
	case 0:
		n = hv_serial_read(m->serial, &m->at, text, value);
		check(n <= value && m->at >= before + n);
		break;
	case 1:
		check(hv_serial_write(m->serial, text, value) <= value);
		break;
	case 2:
		hv_rtc_expired(m->rtc);
		break;
	case 3:
		hv_pm_button(m->pm);
		break;
	case 4:
		hv_serial_reset(m->serial);
		check(!m->board.line[HV_IRQ_SERIAL].level);
		break;
	case 5:
		hv_rtc_reset(m->rtc);
		check(!m->board.line[HV_IRQ_RTC].level);
		break;
	default:
		hv_pm_reset(m->pm);
		check(!m->board.line[HV_IRQ_SCI].level);
		break;
	}
}

static void step(struct machine *m, struct rd *rd)
{
	uint8_t which = rd_u8(rd), value = rd_u8(rd);
	unsigned width = 1u << (which >> 5 & 3) % 3;
	uint16_t port;
	int mail;

	if (!rd_ok(rd))
		return;
	if ((which & 0x1f) >= N_PORTS) {
		own(m, which, value);
		return;
	}
	port = ports[which & 0x1f];
	if ((which & 0x80) == 0)
		check(width == 4 || test_board_in(&m->board, port, width) < 1u << 8 * width);
	else
		test_board_out(&m->board, port, width,
			       width == 1 ? value : value | (uint32_t)rd_le16(rd) << 8);
	mail = test_board_mail(&m->board);
	check(mail == -1 || mail == HV_MAIL_RESET || mail == HV_MAIL_POWEROFF);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine m = {0};
	struct rd rd = rd_init(data, size);

	check(test_board_init(&m.board) == 0);
	check(hv_serial_create(&m.board.board, &m.serial, NULL) == 0);
	check(hv_rtc_create(&m.board.board, &m.rtc, NULL) == 0);
	check(hv_pm_create(&m.board.board, &m.pm, NULL) == 0);
	while (rd_ok(&rd) && rd.left > 0)
		step(&m, &rd);
	hv_pm_destroy(m.pm);
	hv_rtc_destroy(m.rtc);
	hv_serial_destroy(m.serial);
	test_board_fini(&m.board);
	return 0;
}
