/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guards of ports, as configured and as they run.  Control thread.
 */
#include "vswitch/policy.h"

const struct vs_policy vs_policy_guard = {0};
