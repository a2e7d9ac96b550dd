/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Access lists that run.  Control thread.
 */
#include "vswitch/policy.h"

const struct vs_policy vs_policy_acl = {0};
