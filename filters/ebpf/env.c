/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ctx.h.
 */
#include "filters/ebpf/ctx.h"

__thread struct ebpf_env *ebpf_env_here;
