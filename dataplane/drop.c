/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The reasons' names; see drop.h.
 */
#include "dataplane/drop.h"

#include <stddef.h>

static const struct {
	const char *slug, *text;
} drops[] = {
#define X(name, slug, text) [DP_DROP_##name] = {slug, text},
	DP_DROP_REASONS(X)
#undef X
};

const char *dp_drop_slug(enum dp_drop reason)
{
	return (unsigned)reason < DP_N_DROPS ? drops[reason].slug : NULL;
}

const char *dp_drop_text(enum dp_drop reason)
{
	return (unsigned)reason < DP_N_DROPS ? drops[reason].text : NULL;
}
