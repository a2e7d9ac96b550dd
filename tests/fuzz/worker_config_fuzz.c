/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a worker's configuration: taken, or refused with words; what was taken keeps to its
 * bounds.
 */
#include "tests/fuzz/fuzz.h"

#include "hv/worker/config.h"

#include <stdlib.h>
#include <string.h>

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check(const struct worker_config *c)
{
	require(worker_name_valid(c->name) && c->dir[0] == '/' && c->kernel[0] == '/');
	require(c->processors >= 1 && c->processors <= HV_MAX_VPS);
	require(c->memory_size >= 32u << 20 && c->memory_size % (2u << 20) == 0);
	require(c->memory_minimum <= c->memory_size && c->memory_size <= c->memory_maximum);
	require(c->n_nics <= WORKER_MAX_NICS && c->n_disks <= WORKER_MAX_DISKS);
	for (unsigned i = 0; i < c->n_nics; i++)
		require(worker_name_valid(c->nics[i]));
	for (unsigned i = 0; i < c->n_disks; i++) {
		require(worker_name_valid(c->disks[i].name) && c->disks[i].path != NULL);
		require(c->disks[i].lun < WORKER_MAX_DISKS);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct worker_config *config = NULL;
	struct err err = {0};
	int rc;

	rc = worker_config_parse((const char *)data, size, &config, &err);
	if (rc == 0)
		check(config);
	else
		require(config == NULL && err.code == rc && err.what[0] != '\0');
	worker_config_destroy(config);
	return 0;
}
