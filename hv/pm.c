/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See pm.h.  The PM block is twelve bytes, which a guest may read and write in any width:
 *
 * 	0 status | 2 enable | 4 control | 6 nothing | 8 timer
 */
#include "hv/pm.h"

#include "ctl/base/clock.h"
#include "hv/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PM_BLOCK    12
#define PM_TIMER_HZ 3579545u

/* Of PM1 status and enable; of control. */
enum {
	POWER_BUTTON = 1 << 8,
	STATUS_WAKE = 1 << 15,
	STATUS_ALL = POWER_BUTTON | STATUS_WAKE,
	ENABLE_ALL = 1 << 0 | 1 << 5 | POWER_BUTTON | 1 << 9 | 1 << 10,
	CONTROL_SCI = 1 << 0, /* always: there is no other mode */
	CONTROL_KEPT = 1 << 1 | 7 << 10,
	CONTROL_SLEEP = 1 << 13,
};

/* Port 0x61. */
enum {
	SYSTEM_WRITABLE = 0xf,
	SYSTEM_REFRESH = 1 << 4, /* turns with each read: old code waits by it */
	SYSTEM_TIMER2 = 1 << 5,
};

enum { PULSE_RESET = 0xfe, RESET_CPU = 1 << 2 };

struct hv_pm {
	struct hv_board board;
	uint64_t made_ns;
	uint16_t status, enable, control;
	uint8_t system; /* port 0x61 */
	bool sci;
};

/* ---- with the device lock held ---- */

static void update_sci(struct hv_pm *pm)
{
	bool sci = (pm->status & pm->enable) != 0;

	if (pm->sci == sci)
		return;
	pm->sci = sci;
	hv_board_irq(&pm->board, HV_IRQ_SCI, sci);
}

static uint32_t timer(const struct hv_pm *pm)
{
	return (uint32_t)((unsigned __int128)(clock_mono_ns() - pm->made_ns) * PM_TIMER_HZ /
			  1000000000u);
}

static void put_le(uint8_t *at, uint32_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t pm_read(void *ctx, uint16_t offset, unsigned size)
{
	const struct hv_pm *pm = ctx;
	uint8_t block[PM_BLOCK];
	uint32_t value = 0;

	put_le(block, pm->status, 2);
	put_le(block + 2, pm->enable, 2);
	put_le(block + 4, pm->control | CONTROL_SCI, 2);
	put_le(block + 6, UINT32_MAX, 2);
	put_le(block + 8, timer(pm), 4);
	for (unsigned i = 0; i < size; i++)
		value |= (uint32_t)(offset + i < PM_BLOCK ? block[offset + i] : 0xff) << (8 * i);
	return value;
}

static void write_control(struct hv_pm *pm, uint16_t value)
{
	pm->control = value & CONTROL_KEPT;
	if ((value & CONTROL_SLEEP) != 0 && (value >> 10 & 7) == HV_PM_S5_TYPE)
		hv_board_mail(&pm->board, HV_MAIL_POWEROFF);
}

static uint16_t with_byte(uint16_t old, unsigned at, uint8_t byte)
{
	return (uint16_t)((old & ~(0xff << (8 * at))) | byte << (8 * at));
}

static void write_byte(struct hv_pm *pm, unsigned at, uint8_t byte)
{
	switch (at / 2) {
	case 0: /* ones clear */
		pm->status &= (uint16_t)~with_byte(0, at % 2, byte);
		break;
	case 1:
		pm->enable = with_byte(pm->enable, at % 2, byte) & ENABLE_ALL;
		break;
	case 2:
		write_control(pm, with_byte(pm->control, at % 2, byte));
		break;
	default:
		break;
	}
}

static void pm_write(void *ctx, uint16_t offset, unsigned size, uint32_t value)
{
	struct hv_pm *pm = ctx;

	for (unsigned i = 0; i < size; i++)
		write_byte(pm, offset + i, (uint8_t)(value >> (8 * i)));
	update_sci(pm);
}

static void reset_write(void *ctx, uint16_t offset, unsigned size, uint32_t value)
{
	const struct hv_pm *pm = ctx;

	if (size == 1 && (value & RESET_CPU) != 0)
		hv_board_mail(&pm->board, HV_MAIL_RESET);
}

static void keyboard_write(void *ctx, uint16_t offset, unsigned size, uint32_t value)
{
	const struct hv_pm *pm = ctx;

	if (size == 1 && value == PULSE_RESET)
		hv_board_mail(&pm->board, HV_MAIL_RESET);
}

static uint32_t system_read(void *ctx, uint16_t offset, unsigned size)
{
	struct hv_pm *pm = ctx;

	pm->system ^= SYSTEM_REFRESH;
	return size == 1 ? pm->system | SYSTEM_TIMER2 : UINT32_MAX;
}

static void system_write(void *ctx, uint16_t offset, unsigned size, uint32_t value)
{
	struct hv_pm *pm = ctx;

	if (size == 1)
		pm->system = (uint8_t)((pm->system & SYSTEM_REFRESH) | (value & SYSTEM_WRITABLE));
}

static const struct hv_pio_ops pm_ops = {.read = pm_read, .write = pm_write};
static const struct hv_pio_ops reset_ops = {.write = reset_write};
static const struct hv_pio_ops keyboard_ops = {.write = keyboard_write};
static const struct hv_pio_ops system_ops = {.read = system_read, .write = system_write};

/* ---- the owner's ---- */

static int add_ports(struct hv_pm *pm)
{
	struct hv_pio *pio = pm->board.pio;
	int rc = hv_pio_add(pio, HV_PORT_PM_EVENT, PM_BLOCK, &pm_ops, pm);

	if (rc == 0)
		rc = hv_pio_add(pio, HV_PORT_RESET, 1, &reset_ops, pm);
	if (rc == 0)
		rc = hv_pio_add(pio, HV_PORT_KEYBOARD, 1, &keyboard_ops, pm);
	if (rc == 0)
		rc = hv_pio_add(pio, HV_PORT_SYSTEM, 1, &system_ops, pm);
	return rc;
}

int hv_pm_create(const struct hv_board *board, struct hv_pm **ret_pm, struct err *err)
{
	struct hv_pm *pm = calloc(1, sizeof(*pm));
	int rc;

	if (pm == NULL)
		return err_set(err, -ENOMEM, "out-of-memory", "no memory for power management");
	pm->board = *board;
	pm->made_ns = clock_mono_ns();
	rc = add_ports(pm);
	if (rc != 0) {
		free(pm);
		return err_set(err, rc, "pm", "the ports of power management are taken");
	}
	*ret_pm = pm;
	return 0;
}

void hv_pm_destroy(struct hv_pm *pm)
{
	free(pm);
}

void hv_pm_reset(struct hv_pm *pm)
{
	hv_board_lock(&pm->board);
	pm->status = pm->enable = pm->control = 0;
	pm->system = 0;
	update_sci(pm);
	hv_board_unlock(&pm->board);
}

void hv_pm_button(struct hv_pm *pm)
{
	hv_board_lock(&pm->board);
	pm->status |= POWER_BUTTON;
	update_sci(pm);
	hv_board_unlock(&pm->board);
}
