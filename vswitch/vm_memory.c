/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How short of memory the host is, told to the workers of VMs whose memory is dynamic: they are
 * locked in and cannot see it.  Each then decides for its guest (vmbus/pressure.h).  Control
 * thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/vm_link.h"
#include "vswitch/vm_priv.h"

#define SPARE_PERCENT 20u /* available: enough for all */
#define LEAST_PERCENT 5u  /* available: none to give */
#define TELL_MS	      5000

static uint64_t meminfo(FILE *f, const char *key)
{
	char line[128];
	uint64_t kb;

	rewind(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, key, strlen(key)) == 0 &&
		    sscanf(line + strlen(key), "%" SCNu64, &kb) == 1)
			return kb;
	}
	return 0;
}

unsigned vs_vm_shortage(uint64_t total, uint64_t available)
{
	uint64_t percent = total == 0 ? 100 : available / ((total + 99) / 100);

	if (percent >= SPARE_PERCENT)
		return 0;
	if (percent <= LEAST_PERCENT)
		return 100;
	return (unsigned)(100 * (SPARE_PERCENT - percent) / (SPARE_PERCENT - LEAST_PERCENT));
}

static unsigned host_shortage(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned percent;

	if (f == NULL)
		return 0;
	percent = vs_vm_shortage(meminfo(f, "MemTotal:"), meminfo(f, "MemAvailable:"));
	fclose(f);
	return percent;
}

static bool is_dynamic(const struct vs_vm_live *vm)
{
	const json_t *memory = json_object_get(vm->config, "memory");

	return !json_equal(json_object_get(memory, "minimum"), json_object_get(memory, "maximum"));
}

void vs_vm_memory_tick(struct vs_vms *vms)
{
	unsigned percent = host_shortage();
	struct vs_vm_live *vm;

	TAILQ_FOREACH(vm, &vms->lives, link) {
		if (vm->ctl == NULL || !vm->up || vm->host_said == percent + 1 || !is_dynamic(vm))
			continue;
		if (vs_vm_link_ask(vm->ctl, "memory-set", json_pack("{si}", "host", (int)percent),
				   -1, TELL_MS, NULL, NULL, NULL) == 0)
			vm->host_said = percent + 1;
	}
}
