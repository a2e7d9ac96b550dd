/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Life of the queues of notices; see notice.h.  Control thread.
 */
#ifndef DATAPLANE_NOTICE_PRIV_H
#define DATAPLANE_NOTICE_PRIV_H

#include "dataplane/notice.h"

/* 0 or -ENOMEM. */
int dp_notice_worker_create(struct dp *dp, struct dp_worker *w);
/* It does not run any more; what it told is still taken. */
void dp_notice_worker_gone(struct dp_worker *w);
void dp_notice_fini(struct dp *dp);

#endif
