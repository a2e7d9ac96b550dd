/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bandwidth of ports and tenants, as configured and as it runs.  Control thread.
 */
#include "vswitch/policy.h"

const struct vs_policy vs_policy_qos = {0};
