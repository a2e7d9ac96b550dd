/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See crash.h.
 */
#include "hv/crash.h"

#include "hv/gpa.h"
#include "hv/tlfs.h"
#include "hv/vp.h"

#include <string.h>

#define TEXT_MAX 4096u /* bytes that a guest may name: a page */

static char printable(uint8_t byte)
{
	if (byte == '\n' || byte == '\t' || (byte >= ' ' && byte <= '~'))
		return (char)byte;
	return '?';
}

void hv_crash_text(const struct gpa_map *memory, uint64_t gpa, uint64_t size, char *to, size_t max)
{
	uint8_t copy[TEXT_MAX];
	const uint8_t *from;
	size_t at = 0, n = 0;

	if (size > sizeof(copy))
		size = sizeof(copy);
	from = gpa_at(memory, gpa, size);
	if (from != NULL)
		memcpy(copy, from, size);
	else
		size = 0;
	for (size_t i = 0; i < size; i++)
		if (copy[i] != 0)
			copy[n++] = copy[i];
	if (n >= max)
		at = n - (max - 1);
	for (; at < n; at++)
		*to++ = printable(copy[at]);
	*to = '\0';
}

void hv_crash_report(struct hv_vp *vp, const uint64_t parameters[5], uint64_t control)
{
	struct hv_partition *partition = vp->partition;
	struct hv_crash *crash = &partition->crash;

	if ((control & HV_CRASH_NOTIFY) == 0)
		return;
	pthread_mutex_lock(&partition->crash_lock);
	crash->crashed = true;
	memcpy(crash->parameter, parameters, sizeof(crash->parameter));
	if ((control & HV_CRASH_TEXT) != 0)
		hv_crash_text(&partition->memory.map, parameters[3], parameters[4], crash->text,
			      sizeof(crash->text));
	pthread_mutex_unlock(&partition->crash_lock);
	(void)hv_vp_mail(vp, HV_MAIL_CRASH);
}
