/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any story of a guest, its devices and its administrator: vmbus/server.h keeps its contract.
 */
#include "tests/fuzz/fuzz.h"

#include "tests/support/bus_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bus_walk(data, size);
	return 0;
}
