/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bytes as a story of a guest, its devices and its administrator (bus_rig.h): messages in any
 * order, well-formed and not, answers late or never, offers and withdrawals, resets.
 */
#ifndef TESTS_SUPPORT_BUS_WALK_H
#define TESTS_SUPPORT_BUS_WALK_H

#include <stddef.h>
#include <stdint.h>

/* Aborts when the server breaks its contract, or holds more than it may; at the end all must end.
 */
void bus_walk(const uint8_t *data, size_t size);

#endif
