/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The host's memory; see vm_host.h.
 */
#include "vswitch/vm_host.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENOUGH 20 /* percent of all memory */
#define LITTLE 5

unsigned vs_vm_shortage(uint64_t total, uint64_t available)
{
	uint64_t percent = total >= 100 ? available / (total / 100) : 100;

	if (percent >= ENOUGH)
		return 0;
	if (percent <= LITTLE)
		return 100;
	return (unsigned)((ENOUGH - percent) * 100 / (ENOUGH - LITTLE));
}

/* The number behind "Key:", in KB; 0: none. */
static uint64_t find(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at != NULL ? strtoull(at + strlen(key), NULL, 10) : 0;
}

unsigned vs_vm_shortage_of(const char *meminfo)
{
	return vs_vm_shortage(find(meminfo, "MemTotal:"), find(meminfo, "MemAvailable:"));
}

unsigned vs_vm_host_shortage(void)
{
	char text[4096];
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return vs_vm_shortage_of(text);
}
