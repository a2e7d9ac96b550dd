/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The commands that change the configuration and need more than the generic add, set and remove of
 * conf.h.
 */
#ifndef VSWITCH_CHANGES_H
#define VSWITCH_CHANGES_H

#include "ctl/conf.h"

extern const struct conf_binding vs_changes[]; /* ended by .noun == NULL */

#endif
