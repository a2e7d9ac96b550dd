/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on guards of ports; see spec.h.
 */
#include "ctl/spec_priv.h"

const struct ctl_spec ctl_spec_guards[] = {{0}};
