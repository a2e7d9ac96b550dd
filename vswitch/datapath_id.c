/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What controllers know a switch by: as configured, or the same at every start of this host and
 * another on every host, made of the host's identity and the switch's name.
 */
#include "vswitch/controllers.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t mix(uint64_t hash, const char *text)
{
	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * FNV_PRIME;
	return (hash ^ 0xff) * FNV_PRIME;
}

/* machine-id(5), or the host's name where there is none. */
static void host_identity(char *text, int size)
{
	FILE *f = fopen("/etc/machine-id", "re");

	text[0] = '\0';
	if (f != NULL) {
		if (fgets(text, size, f) == NULL)
			text[0] = '\0';
		fclose(f);
	}
	if (text[0] == '\0' && gethostname(text, (size_t)size - 1) != 0)
		text[0] = '\0';
	text[size - 1] = '\0';
}

/* Its lower 48 bits look like a MAC address that somebody gave by hand (7.3.1). */
uint64_t vs_datapath_id(const struct vs_switch *sw)
{
	char host[80];
	uint64_t hash;

	if (sw->datapath_id != 0)
		return sw->datapath_id;
	host_identity(host, sizeof(host));
	hash = mix(mix(FNV_BASIS, host), sw->name);
	hash ^= hash >> 32;
	return (hash & UINT64_C(0xfcffffffffff)) | UINT64_C(0x020000000000);
}
