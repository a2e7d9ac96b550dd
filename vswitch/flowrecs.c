/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Flow records and their collectors, as configured and as they run.  Control thread.
 */
#include "vswitch/policy.h"

const struct vs_policy vs_policy_flowrec = {0};
