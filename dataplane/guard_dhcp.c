/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See guard_dhcp.h.
 */
#include "dataplane/guard_dhcp.h"

#include <endian.h>
#include <string.h>

/* ---- RFC 2131, figure 1 ---- */

#define V4_XID	   4
#define V4_CIADDR  12
#define V4_YIADDR  16
#define V4_GIADDR  24
#define V4_CHADDR  28
#define V4_SNAME   44
#define V4_FILE	   108
#define V4_MAGIC   236
#define V4_OPTIONS 240
#define V4_SIZE	   236 /* BOOTP's, without options */

#define OPT_PAD	      0
#define OPT_REQUESTED 50
#define OPT_LEASE     51
#define OPT_OVERLOAD  52
#define OPT_TYPE      53
#define OPT_END	      255

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t be32(const uint8_t *p)
{
	return be32toh(get32(p));
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void v4_option(uint8_t code, const uint8_t *value, uint8_t size, struct dp_dhcp4 *d,
		      uint8_t *overload)
{
	if (code == OPT_TYPE && size == 1)
		d->type = value[0];
	else if (code == OPT_REQUESTED && size == 4)
		d->requested = get32(value);
	else if (code == OPT_OVERLOAD && size == 1)
		*overload = value[0];
	else if (code == OPT_LEASE && size == 4) {
		d->has_lease = true;
		d->lease_s = be32(value);
	}
}

/* An area of options, up to its end or the first that does not fit. */
static void v4_options(const uint8_t *p, uint32_t size, struct dp_dhcp4 *d, uint8_t *overload)
{
	while (size != 0 && p[0] != OPT_END) {
		uint32_t whole = 1;

		if (p[0] != OPT_PAD) {
			if (size < 2 || size - 2 < p[1])
				return;
			v4_option(p[0], p + 2, p[1], d, overload);
			whole = 2u + p[1];
		}
		p += whole;
		size -= whole;
	}
}

bool dp_dhcp4_parse(const uint8_t *p, uint32_t size, struct dp_dhcp4 *ret)
{
	static const uint8_t magic[] = {99, 130, 83, 99};
	struct dp_dhcp4 d = {0};
	uint8_t overload = 0, none = 0;

	if (size < V4_SIZE || p[0] == 0 || p[0] > 2)
		return false;
	d.op = p[0];
	d.ether = p[1] == 1 && p[2] == 6;
	d.xid = get32(p + V4_XID);
	d.ciaddr = get32(p + V4_CIADDR);
	d.yiaddr = get32(p + V4_YIADDR);
	d.giaddr = get32(p + V4_GIADDR);
	memcpy(d.chaddr, p + V4_CHADDR, 6);
	if (size >= V4_OPTIONS && memcmp(p + V4_MAGIC, magic, sizeof(magic)) == 0) {
		v4_options(p + V4_OPTIONS, size - V4_OPTIONS, &d, &overload);
		if ((overload & 1) != 0)
			v4_options(p + V4_FILE, V4_MAGIC - V4_FILE, &d, &none);
		if ((overload & 2) != 0)
			v4_options(p + V4_SNAME, V4_FILE - V4_SNAME, &d, &none);
	}
	*ret = d;
	return true;
}

/* ---- RFC 8415 ---- */

#define V6_HEAD	     4
#define OPT6_IA_NA   3
#define OPT6_IA_TA   4
#define OPT6_IA_ADDR 5

static void v6_address(const uint8_t *p, uint32_t size, struct dp_dhcp6 *d)
{
	/* Address 16, preferred and valid lifetime; options. */
	if (size < 24 || d->n == DP_DHCP6_ADDRESSES)
		return;
	d->addresses[d->n].ip = (struct dp_ip){.v6 = true};
	memcpy(d->addresses[d->n].ip.b, p, 16);
	d->addresses[d->n].valid_s = be32(p + 20);
	d->n++;
}

static bool v6_options(const uint8_t *p, uint32_t size, bool inside, struct dp_dhcp6 *d)
{
	while (size != 0) {
		uint32_t code, n, head;

		if (size < 4 || size - 4 < be16(p + 2))
			return false;
		code = be16(p);
		n = be16(p + 2);
		/* IAID, T1, T2; IAID. */
		head = code == OPT6_IA_NA ? 12 : 4;
		if (inside && code == OPT6_IA_ADDR)
			v6_address(p + 4, n, d);
		else if (!inside && (code == OPT6_IA_NA || code == OPT6_IA_TA) &&
			 (n < head || !v6_options(p + 4 + head, n - head, true, d)))
			return false;
		p += 4 + n;
		size -= 4 + n;
	}
	return true;
}

bool dp_dhcp6_parse(const uint8_t *p, uint32_t size, struct dp_dhcp6 *ret)
{
	struct dp_dhcp6 d = {0};

	if (size < V6_HEAD)
		return false;
	d.type = p[0];
	d.xid = be32(p) & 0xffffff;
	/* Relays' have another head, and another's message inside. */
	if (d.type != DP_DHCP6_RELAY_FORW && d.type != DP_DHCP6_RELAY_REPL &&
	    !v6_options(p + V6_HEAD, size - V6_HEAD, false, &d))
		return false;
	*ret = d;
	return true;
}
