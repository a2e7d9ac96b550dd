/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The address of a port nobody gave one; see port_mac.h.
 */
#include "vswitch/port_mac.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FNV_PRIME 0x100000001b3u

/* FNV-1a; the ending zero keeps "ab","c" and "a","bc" apart. */
static uint64_t mix(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (unsigned char)*text) * FNV_PRIME;
	while (*text++ != '\0');
	return hash;
}

void vs_port_mac_make(const char *host, const char *sw, const char *port,
		      struct rte_ether_addr *ret_mac)
{
	uint64_t hash = mix(mix(mix(mix(0xcbf29ce484222325u, "vswitch"), host), sw), port);

	/* FNV's last character reaches few bits: names that end in a number must differ all over
	 * (the finalizer of SplitMix64). */
	hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
	hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
	hash ^= hash >> 31;
	memcpy(ret_mac->addr_bytes, &hash, sizeof(ret_mac->addr_bytes));
	ret_mac->addr_bytes[0] = (uint8_t)((ret_mac->addr_bytes[0] & 0xfc) | 0x02);
}

static bool read_line(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	bool ok = f != NULL && fgets(text, (int)size, f) != NULL;

	if (f != NULL)
		fclose(f);
	if (ok)
		text[strcspn(text, "\n")] = '\0';
	/* "uninitialized": the first boot of an image. */
	return ok && strlen(text) >= 32;
}

void vs_host_identity(char *text, size_t size)
{
	if (read_line("/etc/machine-id", text, size) ||
	    read_line("/var/lib/dbus/machine-id", text, size) ||
	    read_line("/sys/class/dmi/id/product_uuid", text, size))
		return;
	if (gethostname(text, size) != 0)
		text[0] = '\0';
	text[size - 1] = '\0';
}
