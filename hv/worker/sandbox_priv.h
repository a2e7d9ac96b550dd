/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Between the parts of the sandbox.
 */
#ifndef HV_WORKER_SANDBOX_PRIV_H
#define HV_WORKER_SANDBOX_PRIV_H

#include "hv/worker/sandbox.h"

/* sandbox_filter.c: from now on only the system calls of a worker, in all threads. */
int sandbox_filter(struct err *err);

#endif
