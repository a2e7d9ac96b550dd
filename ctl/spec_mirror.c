/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on mirrors; see spec.h.
 */
#include "ctl/spec_priv.h"

const struct ctl_spec ctl_spec_mirrors[] = {{0}};
