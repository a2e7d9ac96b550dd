/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Access lists that run.  Control thread.
 */
#include "vswitch/acl.h"
#include "vswitch/policy.h"

bool vs_acl_entry_hits(const struct vs *vs, const char *acl, uint32_t order,
		       struct vs_acl_hits *ret_hits)
{
	return false;
}

bool vs_acl_default_hits(const struct vs *vs, uint16_t port, enum dp_filter_side side,
			 struct vs_acl_hits *ret_hits)
{
	return false;
}

bool vs_acl_of_notice(const struct vs *vs, uint64_t id, const char **ret_acl, uint32_t *ret_order)
{
	return false;
}

uint16_t vs_acl_zone(uint16_t port)
{
	return port;
}

const struct vs_policy vs_policy_acl = {
	.read = vs_acl_read,
	.forget = vs_acl_forget,
};
