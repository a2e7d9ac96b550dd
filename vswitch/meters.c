/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See meters.h.
 */
#include "vswitch/meters.h"

#include "vswitch/of/error.h"

#include <errno.h>
#include <stdlib.h>

#define N_HEADS 1024u

struct vs_meters {
	struct dp *dp;
	unsigned n;
	struct vs_meter *heads[N_HEADS]; /* those that are there now, by number */
	struct vs_meter *came, *left;	 /* by the transaction */
	struct vs_meter *gone;		 /* left with those before it */
	struct vs_meter *out;		 /* workers that began before may still use them */
};

/* ---- The table ---- */

int vs_meters_create(struct dp *dp, struct vs_meters **ret_meters)
{
	struct vs_meters *meters = calloc(1, sizeof(*meters));

	if (meters == NULL)
		return -ENOMEM;
	meters->dp = dp;
	*ret_meters = meters;
	return 0;
}

struct vs_meter *vs_meters_find(const struct vs_meters *meters, uint32_t id)
{
	struct vs_meter *m = meters->heads[id % N_HEADS];

	while (m != NULL && m->of.id != id)
		m = m->chain;
	return m;
}

unsigned vs_meters_n(const struct vs_meters *meters)
{
	return meters->n;
}

static void table_put(struct vs_meters *meters, struct vs_meter *meter)
{
	struct vs_meter **head = &meters->heads[meter->of.id % N_HEADS];

	meter->chain = *head;
	*head = meter;
	meter->now = true;
	meters->n++;
}

static void table_take(struct vs_meters *meters, struct vs_meter *meter)
{
	struct vs_meter **at = &meters->heads[meter->of.id % N_HEADS];

	while (*at != meter)
		at = &(*at)->chain;
	*at = meter->chain;
	meter->now = false;
	meters->n--;
}

/* ---- Meters ---- */

/* 'owns': index and counter go with it. */
static void meter_free(struct vs_meters *meters, struct vs_meter *meter, bool owns)
{
	for (size_t i = 0; i < meter->of.n_bands; i++)
		dp_flow_counter_free(meters->dp, meter->band_counters[i]);
	if (owns) {
		dp_flow_counter_free(meters->dp, meter->counter);
		dp_meter_index_free(meters->dp, meter->index);
	}
	dp_meter_destroy(meter->dp);
	of_meter_fini(&meter->of);
	free(meter);
}

static bool copy(const struct of_meter *from, struct of_meter *to)
{
	*to = (struct of_meter){.id = from->id, .flags = from->flags};
	for (size_t i = 0; i < from->n_bands; i++)
		if (!of_meter_add_band(to, &from->bands[i])) {
			of_meter_fini(to);
			return false;
		}
	return true;
}

static bool find_place(struct vs_meters *meters, struct vs_meter *meter, const struct vs_meter *old)
{
	if (old != NULL) {
		meter->index = old->index;
		meter->counter = old->counter;
		return true;
	}
	if (dp_flow_counter_alloc(meters->dp, &meter->counter) != 0)
		return false;
	if (dp_meter_index_alloc(meters->dp, &meter->index) == 0)
		return true;
	dp_flow_counter_free(meters->dp, meter->counter);
	return false;
}

static struct dp_meter *compile(const struct vs_meters *meters, const struct vs_meter *meter)
{
	struct dp_meter_spec spec = {.packets = (meter->of.flags & OFPMF_PKTPS) != 0,
				     .n_bands = (uint16_t)meter->of.n_bands,
				     .counter = meter->counter};

	for (size_t i = 0; i < meter->of.n_bands; i++) {
		const struct of_band *b = &meter->of.bands[i];

		spec.bands[i] = (struct dp_meter_band_spec){
			.rate = b->rate,
			.burst = (meter->of.flags & OFPMF_BURST) != 0 ? b->burst : 0,
			.remark = b->type == OFPMBT_DSCP_REMARK,
			.by = b->prec_level,
			.counter = meter->band_counters[i],
		};
	}
	return dp_meter_create(&spec, dp_meter_tsc_hz(meters->dp));
}

static struct vs_meter *meter_make(struct vs_meters *meters, const struct of_meter *of,
				   const struct vs_meter *old)
{
	struct vs_meter *meter = calloc(1, sizeof(*meter));
	size_t n = 0;

	if (meter == NULL)
		return NULL;
	if (!copy(of, &meter->of) || !find_place(meters, meter, old)) {
		of_meter_fini(&meter->of);
		free(meter);
		return NULL;
	}
	meter->took = old != NULL;
	while (n < of->n_bands && dp_flow_counter_alloc(meters->dp, &meter->band_counters[n]) == 0)
		n++;
	if (n == of->n_bands)
		meter->dp = compile(meters, meter);
	if (meter->dp == NULL) {
		meter->of.n_bands = n;
		meter_free(meters, meter, old == NULL);
		return NULL;
	}
	return meter;
}

/* One that came with the transaction is in its list already. */
static void retire(struct vs_meters *meters, struct vs_meter *meter)
{
	table_take(meters, meter);
	if (meter->came)
		return;
	meter->next = meters->left;
	meters->left = meter;
}

/* ---- Mods ---- */

static enum of_error check(const struct of_meter *of)
{
	/* We have no slow path that could be measured. */
	if (of->id == 0 || (of->id > OF_METER_MAX && of->id != OF_METER_CONTROLLER))
		return OFPMMFC_INVALID_METER;
	if ((of->flags & ~OFPMF_ALL) != 0 ||
	    (of->flags & (OFPMF_KBPS | OFPMF_PKTPS)) == (OFPMF_KBPS | OFPMF_PKTPS))
		return OFPMMFC_BAD_FLAGS;
	if (of->n_bands > DP_METER_BANDS)
		return OFPMMFC_OUT_OF_BANDS;
	for (size_t i = 0; i < of->n_bands; i++) {
		if (of->bands[i].type != OFPMBT_DROP && of->bands[i].type != OFPMBT_DSCP_REMARK)
			return OFPMMFC_BAD_BAND;
		/* What controllers are shown is what came. */
		if (of->id == OF_METER_CONTROLLER && of->bands[i].type != OFPMBT_DROP)
			return OFPMMFC_BAD_BAND;
		if (of->bands[i].rate == 0)
			return OFPMMFC_BAD_RATE;
	}
	return OF_OK;
}

static enum of_error put(struct vs_meters *meters, const struct of_meter *of, struct vs_meter *old,
			 uint64_t now_ms)
{
	enum of_error error = check(of);
	struct vs_meter *meter;

	if (error != OF_OK)
		return error;
	if (old == NULL && meters->n >= VS_MAX_METERS)
		return OFPMMFC_OUT_OF_METERS;
	meter = meter_make(meters, of, old);
	if (meter == NULL)
		return OF_ERROR_NO_MEMORY;
	meter->created_ms = old != NULL ? old->created_ms : now_ms;
	if (old != NULL) {
		old->passed = true;
		retire(meters, old);
	}
	table_put(meters, meter);
	meter->came = true;
	meter->next = meters->came;
	meters->came = meter;
	return OF_OK;
}

/* 'id' may be all: then the virtual ones stay (A.3.4.4). */
static void delete (struct vs_meters *meters, uint32_t id)
{
	for (unsigned i = 0; i < N_HEADS; i++) {
		struct vs_meter *next;

		for (struct vs_meter *m = meters->heads[i]; m != NULL; m = next) {
			next = m->chain;
			if (m->of.id == id || (id == OF_METER_ALL && m->of.id <= OF_METER_MAX))
				retire(meters, m);
		}
	}
}

enum of_error vs_meters_mod(struct vs_meters *meters, const struct of_meter_mod *mod,
			    uint64_t now_ms)
{
	struct vs_meter *old = vs_meters_find(meters, mod->meter.id);

	switch ((enum of_meter_command)mod->command) {
	case OFPMC_ADD:
		return old != NULL ? OFPMMFC_METER_EXISTS : put(meters, &mod->meter, NULL, now_ms);
	case OFPMC_MODIFY:
		return old == NULL ? OFPMMFC_UNKNOWN_METER : put(meters, &mod->meter, old, now_ms);
	case OFPMC_DELETE:
		delete (meters, mod->meter.id);
		return OF_OK;
	}
	return OFPMMFC_BAD_COMMAND;
}

/* ---- Transactions ---- */

static void list_to_gone(struct vs_meters *meters, struct vs_meter *meter)
{
	meter->next = meters->gone;
	meters->gone = meter;
}

/* What is there from now on; true when it remarks packets and what was there did not, or the other
 * way round. */
static bool publish(struct vs_meters *meters, const struct vs_meter *meter)
{
	bool before = dp_meter_remarks(meters->dp, meter->index);

	(void)dp_meter_publish(meters->dp, meter->index, meter->dp);
	return dp_meter_remarks(meters->dp, meter->index) != before;
}

bool vs_meters_commit(struct vs_meters *meters)
{
	struct vs_meter *meter, *next;
	bool otherwise = false;

	for (meter = meters->came; meter != NULL; meter = next) {
		next = meter->next;
		meter->came = false;
		if (meter->now)
			otherwise = (publish(meters, meter) && meter->took) || otherwise;
		else
			list_to_gone(meters, meter);
	}
	for (meter = meters->left; meter != NULL; meter = next) {
		next = meter->next;
		list_to_gone(meters, meter);
	}
	meters->came = meters->left = NULL;
	return otherwise;
}

void vs_meters_abort(struct vs_meters *meters)
{
	struct vs_meter *meter, *next;

	for (meter = meters->came; meter != NULL; meter = next) {
		next = meter->next;
		if (meter->now)
			table_take(meters, meter);
		meter_free(meters, meter, !meter->took);
	}
	for (meter = meters->left; meter != NULL; meter = next) {
		next = meter->next;
		meter->passed = false;
		table_put(meters, meter);
	}
	meters->came = meters->left = NULL;
}

bool vs_meters_unlink(struct vs_meters *meters)
{
	struct vs_meter *next;

	for (struct vs_meter *meter = meters->gone; meter != NULL; meter = next) {
		next = meter->next;
		if (!meter->passed)
			(void)dp_meter_publish(meters->dp, meter->index, NULL);
		meter->next = meters->out;
		meters->out = meter;
	}
	meters->gone = NULL;
	return meters->out != NULL;
}

void vs_meters_free(struct vs_meters *meters)
{
	struct vs_meter *next;

	for (struct vs_meter *meter = meters->out; meter != NULL; meter = next) {
		next = meter->next;
		meter_free(meters, meter, !meter->passed);
	}
	meters->out = NULL;
}

void vs_meters_destroy(struct vs_meters *meters)
{
	if (meters == NULL)
		return;
	delete (meters, OF_METER_ALL);
	delete (meters, OF_METER_CONTROLLER);
	(void)vs_meters_commit(meters);
	(void)vs_meters_unlink(meters);
	vs_meters_free(meters);
	free(meters);
}

/* ---- Reading ---- */

static int by_id(const void *a, const void *b)
{
	const struct vs_meter *const *x = a, *const *y = b;

	return (*x)->of.id < (*y)->of.id ? -1 : (*x)->of.id > (*y)->of.id;
}

bool vs_meters_each(const struct vs_meters *meters, vs_meter_fn fn, void *arg)
{
	struct vs_meter **v = calloc(meters->n + 1u, sizeof(struct vs_meter *));
	size_t n = 0;

	if (v == NULL)
		return false;
	for (unsigned i = 0; i < N_HEADS; i++)
		for (struct vs_meter *m = meters->heads[i]; m != NULL; m = m->chain)
			v[n++] = m;
	qsort(v, n, sizeof(struct vs_meter *), by_id);
	for (size_t i = 0; i < n; i++)
		fn(v[i], arg);
	free(v);
	return true;
}
