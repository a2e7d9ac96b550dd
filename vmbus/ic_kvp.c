/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ic_kvp.h.
 */
#include "vmbus/ic_kvp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/ic_kvp_priv.h"

#define SECOND	    1000000000ull
#define INTERVAL_NS (30 * SECOND)
#define EARLY_NS    (5 * SECOND)
#define EARLY_FOR   (300 * SECOND) /* after that a guest without an address has none */
#define TIMEOUT_NS  (30 * SECOND)

/* A key that the host writes. */
enum set_state { SET_UNUSED, SET_DIRTY, SET_FAILED, SET_CLEAN };
struct set {
	enum set_state state;
	char *key, *value; /* value NULL: to be deleted */
};

struct get {
	enum kvp_pool pool;
	char *key;
	ic_kvp_got_fn *done;
	void *ctx;
};

struct nic {
	bool used, known, next_known;
	uint8_t mac[6];
	struct kvp_addresses addresses, next; /* of the last round; of this one */
};

enum step { STEP_NONE, STEP_AUTO, STEP_GUEST, STEP_NICS };
enum asked { ASKED_NOTHING, ASKED_ITEM, ASKED_NIC, ASKED_SET, ASKED_GET };

struct ic_kvp {
	struct ic *ic;
	struct ic_kvp_opts opts;
	bool up;
	uint64_t up_ns, next_ns; /* when it came up; when the next round starts */
	/* The round. */
	enum step step;
	unsigned index;			   /* of the pool's item, or the NIC */
	struct kvp_list found[2], next[2]; /* KVP_POOL_AUTO, KVP_POOL_GUEST */
	struct nic nics[IC_KVP_MAX_NICS];
	/* What is outstanding. */
	enum asked asked;
	unsigned asked_slot; /* of nics, sets */
	bool asked_stale;    /* and it was changed since */
	struct set sets[IC_KVP_MAX_SET];
	unsigned n_gets;
	struct get gets[IC_KVP_MAX_GETS]; /* in their order */
	uint8_t request[KVP_REQUEST_MAX];
	struct kvp_item item;
};

static const struct ic_version frameworks[] = {{3, 0}, {1, 0}};
static const struct ic_version versions[] = {{4, 0}, {3, 0}, {1, 0}};

static const struct ic_kind kind = {
	.name = "key-value",
	/* a9a0f4e7-5a45-4d96-b827-8a841e8c03e6 */
	.type = {{0xe7, 0xf4, 0xa0, 0xa9, 0x45, 0x5a, 0x96, 0x4d, 0xb8, 0x27, 0x8a, 0x84, 0x1e,
		  0x8c, 0x03, 0xe6}},
	.message = IC_KVP,
	.frameworks = frameworks,
	.versions = versions,
	.n_frameworks = 2,
	.n_versions = 3,
};

/* Where a pool's items are kept. */
static unsigned list_of(enum kvp_pool pool)
{
	return pool == KVP_POOL_GUEST;
}

static bool ask(struct ic_kvp *k, enum asked what, unsigned slot, int size)
{
	if (size < 0 || ic_request(k->ic, k->request, (size_t)size, TIMEOUT_NS) != 0)
		return false;
	k->asked = what;
	k->asked_slot = slot;
	k->asked_stale = false;
	return true;
}

/* ---- Rounds ---- */

static bool has_address(const struct ic_kvp *k)
{
	const char *ip = kvp_list_find(&k->found[0], "NetworkAddressIPv4");

	for (unsigned i = 0; i < IC_KVP_MAX_NICS; i++) {
		if (k->nics[i].known && k->nics[i].addresses.n > 0)
			return true;
	}
	return ip != NULL && ip[0] != '\0';
}

static void round_plan(struct ic_kvp *k)
{
	uint64_t now = ic_now(k->ic);
	bool early = !has_address(k) && now < k->up_ns + EARLY_FOR;

	k->step = STEP_NONE;
	k->next_ns = now + (early ? k->opts.early_interval_ns : k->opts.interval_ns);
}

static bool take_list(struct kvp_list *found, struct kvp_list *next)
{
	bool same = kvp_list_equal(found, next);

	kvp_list_clear(found);
	*found = *next;
	*next = (struct kvp_list){0};
	return !same;
}

static bool take_nic(struct nic *nic)
{
	bool same = nic->known == nic->next_known &&
		    (!nic->known || memcmp(&nic->addresses, &nic->next, sizeof(nic->next)) == 0);

	nic->known = nic->next_known;
	nic->addresses = nic->next;
	return !same;
}

static void changed(struct ic_kvp *k)
{
	if (k->opts.changed != NULL)
		k->opts.changed(k->opts.ctx);
}

static void round_end(struct ic_kvp *k)
{
	bool other = take_list(&k->found[0], &k->next[0]);

	other = take_list(&k->found[1], &k->next[1]) || other;
	for (unsigned i = 0; i < IC_KVP_MAX_NICS; i++)
		other = take_nic(&k->nics[i]) || other;
	round_plan(k);
	if (other)
		changed(k);
}

static void round_forget(struct ic_kvp *k)
{
	k->step = STEP_NONE;
	kvp_list_clear(&k->next[0]);
	kvp_list_clear(&k->next[1]);
}

static void round_start(struct ic_kvp *k)
{
	round_forget(k);
	k->step = STEP_AUTO;
	k->index = 0;
	for (unsigned i = 0; i < IC_KVP_MAX_NICS; i++)
		k->nics[i].next_known = false;
	for (unsigned i = 0; i < IC_KVP_MAX_SET; i++) {
		if (k->sets[i].state == SET_FAILED)
			k->sets[i].state = SET_DIRTY;
	}
}

static void next_step(struct ic_kvp *k)
{
	k->step = k->step == STEP_AUTO ? STEP_GUEST : STEP_NICS;
	k->index = 0;
}

static bool ask_nic(struct ic_kvp *k)
{
	while (k->index < IC_KVP_MAX_NICS && !k->nics[k->index].used)
		k->index++;
	return k->index < IC_KVP_MAX_NICS &&
	       ask(k, ASKED_NIC, k->index, kvp_write_get_ip(k->request, k->nics[k->index].mac));
}

static void ask_step(struct ic_kvp *k)
{
	if (k->step == STEP_AUTO)
		(void)ask(k, ASKED_ITEM, 0,
			  kvp_write_enumerate(k->request, KVP_POOL_AUTO, k->index));
	else if (k->step == STEP_GUEST)
		(void)ask(k, ASKED_ITEM, 1,
			  kvp_write_enumerate(k->request, KVP_POOL_GUEST, k->index));
	else if (k->step == STEP_NICS && !ask_nic(k))
		round_end(k);
}

/* ---- Between steps ---- */

static bool ask_set(struct ic_kvp *k)
{
	for (unsigned i = 0; i < IC_KVP_MAX_SET; i++) {
		const struct set *s = &k->sets[i];

		if (s->state != SET_DIRTY)
			continue;
		return ask(k, ASKED_SET, i,
			   s->value != NULL
				   ? kvp_write_set(k->request, KVP_POOL_EXTERNAL, s->key, s->value)
				   : kvp_write_delete(k->request, KVP_POOL_EXTERNAL, s->key));
	}
	return false;
}

static bool ask_get(struct ic_kvp *k)
{
	return k->n_gets > 0 &&
	       ask(k, ASKED_GET, 0, kvp_write_get(k->request, k->gets[0].pool, k->gets[0].key));
}

static void advance(struct ic_kvp *k)
{
	if (ic_ready(k->ic) && !ask_set(k) && !ask_get(k))
		ask_step(k);
}

static void get_end(struct ic_kvp *k, int error, const char *value)
{
	struct get get = k->gets[0];

	memmove(&k->gets[0], &k->gets[1], --k->n_gets * sizeof(get));
	get.done(get.ctx, error, value);
	free(get.key);
}

static void set_free(struct set *s)
{
	free(s->key);
	free(s->value);
	*s = (struct set){0};
}

/* ---- Answers ---- */

static void got_item(struct ic_kvp *k, uint32_t status, const uint8_t *data, size_t size)
{
	int rc;

	if (status != IC_S_OK) { /* its end, as a rule */
		next_step(k);
		return;
	}
	if (kvp_read_item(data, size, KVP_ENUMERATE, &k->item) != 0) {
		ic_count(k->ic, IC_FAULT_DATA);
		rc = 0;
	} else {
		rc = kvp_list_add(&k->next[k->asked_slot], k->item.key, k->item.value);
	}
	/* The guest's file may hold empty keys; but it has an end. */
	if (rc != 0 || ++k->index == 2 * IC_KVP_MAX_ITEMS)
		next_step(k);
}

static void got_nic(struct ic_kvp *k, uint32_t status, const uint8_t *data, size_t size)
{
	struct nic *nic = &k->nics[k->asked_slot];

	if (k->asked_stale) /* the slot is free, or another's: ask again */
		return;
	k->index = k->asked_slot + 1;
	if (status != IC_S_OK)
		return;
	if (kvp_read_ip(data, size, &nic->next) == 0)
		nic->next_known = true;
	else
		ic_count(k->ic, IC_FAULT_DATA);
}

static void got_set(struct ic_kvp *k, uint32_t status)
{
	struct set *s = &k->sets[k->asked_slot];

	if (k->asked_stale) /* another value since: write that */
		return;
	if (s->value == NULL) /* gone, or it was not there */
		set_free(s);
	else
		s->state = status == IC_S_OK ? SET_CLEAN : SET_FAILED;
}

static void got_get(struct ic_kvp *k, uint32_t status, const uint8_t *data, size_t size)
{
	if (status != IC_S_OK) {
		get_end(k, 0, NULL);
	} else if (kvp_read_item(data, size, KVP_GET, &k->item) != 0) {
		ic_count(k->ic, IC_FAULT_DATA);
		get_end(k, -EBADMSG, NULL);
	} else {
		get_end(k, 0, k->item.value);
	}
}

static void on_answer(void *ctx, uint32_t status, const uint8_t *data, size_t size)
{
	struct ic_kvp *k = ctx;
	enum asked asked = k->asked;

	k->asked = ASKED_NOTHING;
	switch (asked) {
	case ASKED_ITEM:
		got_item(k, status, data, size);
		break;
	case ASKED_NIC:
		got_nic(k, status, data, size);
		break;
	case ASKED_SET:
		got_set(k, status);
		break;
	case ASKED_GET:
		got_get(k, status, data, size);
		break;
	case ASKED_NOTHING:
		break;
	}
	advance(k);
}

static void on_failed(void *ctx, int error)
{
	struct ic_kvp *k = ctx;
	enum asked asked = k->asked;

	k->asked = ASKED_NOTHING;
	if (asked == ASKED_SET && !k->asked_stale)
		k->sets[k->asked_slot].state = SET_FAILED;
	else if (asked == ASKED_GET)
		get_end(k, error, NULL);
	else if (asked != ASKED_SET) {
		round_forget(k);
		round_plan(k);
	}
}

/* A guest that was started anew may have lost what was written to it. */
static void on_ready(void *ctx, struct ic_version version)
{
	struct ic_kvp *k = ctx;

	for (unsigned i = 0; i < IC_KVP_MAX_SET; i++) {
		if (k->sets[i].state != SET_UNUSED)
			k->sets[i].state = SET_DIRTY;
	}
	k->up = true;
	k->up_ns = k->next_ns = ic_now(k->ic);
}

static void on_closed(void *ctx)
{
	struct ic_kvp *k = ctx;
	bool any = k->found[0].n > 0 || k->found[1].n > 0;

	k->up = false;
	while (k->n_gets > 0)
		get_end(k, -ECONNRESET, NULL);
	round_forget(k);
	kvp_list_clear(&k->found[0]);
	kvp_list_clear(&k->found[1]);
	for (unsigned i = 0; i < IC_KVP_MAX_NICS; i++) {
		any = any || k->nics[i].known;
		k->nics[i].known = k->nics[i].next_known = false;
	}
	if (any)
		changed(k);
}

static const struct ic_ops ops = {
	.ready = on_ready,
	.answer = on_answer,
	.failed = on_failed,
	.closed = on_closed,
};

/* ---- The owner's calls ---- */

void ic_kvp_tick(struct ic_kvp *k, uint64_t now_ns)
{
	ic_tick(k->ic, now_ns);
	if (k->up && k->step == STEP_NONE && now_ns >= k->next_ns)
		round_start(k);
	advance(k);
}

void ic_kvp_resumed(struct ic_kvp *k, uint64_t now_ns)
{
	ic_resumed(k->ic, now_ns);
}

void ic_kvp_info(const struct ic_kvp *k, struct ic_info *ret_info)
{
	ic_info(k->ic, ret_info);
}

const char *ic_kvp_find(const struct ic_kvp *k, enum kvp_pool pool, const char *key)
{
	return pool == KVP_POOL_EXTERNAL ? NULL : kvp_list_find(&k->found[list_of(pool)], key);
}

bool ic_kvp_item(const struct ic_kvp *k, enum kvp_pool pool, unsigned i, const char **ret_key,
		 const char **ret_value)
{
	const struct kvp_list *list = &k->found[list_of(pool)];

	if (pool == KVP_POOL_EXTERNAL || i >= list->n)
		return false;
	*ret_key = list->pair[i].key;
	*ret_value = list->pair[i].value;
	return true;
}

static struct nic *find_nic(struct ic_kvp *k, const uint8_t mac[6])
{
	for (unsigned i = 0; i < IC_KVP_MAX_NICS; i++) {
		if (k->nics[i].used && memcmp(k->nics[i].mac, mac, 6) == 0)
			return &k->nics[i];
	}
	return NULL;
}

int ic_kvp_nic_add(struct ic_kvp *k, const uint8_t mac[6])
{
	if (find_nic(k, mac) != NULL)
		return -EEXIST;
	for (unsigned i = 0; i < IC_KVP_MAX_NICS; i++) {
		if (k->nics[i].used)
			continue;
		k->nics[i] = (struct nic){.used = true};
		memcpy(k->nics[i].mac, mac, sizeof(k->nics[i].mac));
		/* Its addresses are of interest now. */
		k->up_ns = k->next_ns = ic_now(k->ic);
		return 0;
	}
	return -ENOSPC;
}

void ic_kvp_nic_remove(struct ic_kvp *k, const uint8_t mac[6])
{
	struct nic *nic = find_nic(k, mac);

	if (nic == NULL)
		return;
	if (k->asked == ASKED_NIC && nic == &k->nics[k->asked_slot])
		k->asked_stale = true;
	*nic = (struct nic){0};
}

const struct kvp_addresses *ic_kvp_nic(const struct ic_kvp *k, const uint8_t mac[6])
{
	for (unsigned i = 0; i < IC_KVP_MAX_NICS; i++) {
		const struct nic *nic = &k->nics[i];

		if (nic->used && nic->known && memcmp(nic->mac, mac, 6) == 0)
			return &nic->addresses;
	}
	return NULL;
}

static struct set *find_set(struct ic_kvp *k, const char *key)
{
	struct set *unused = NULL;

	for (unsigned i = 0; i < IC_KVP_MAX_SET; i++) {
		struct set *s = &k->sets[i];

		if (s->state == SET_UNUSED)
			unused = unused != NULL ? unused : s;
		else if (strcmp(s->key, key) == 0)
			return s;
	}
	return unused;
}

static int set_change(struct set *s, const char *key, const char *value)
{
	char *new_key = s->key != NULL ? s->key : strdup(key);
	char *new_value = value != NULL ? strdup(value) : NULL;

	if (new_key == NULL || (value != NULL && new_value == NULL)) {
		if (new_key != s->key)
			free(new_key);
		free(new_value);
		return -ENOMEM;
	}
	free(s->value);
	*s = (struct set){.state = SET_DIRTY, .key = new_key, .value = new_value};
	return 0;
}

int ic_kvp_set(struct ic_kvp *k, const char *key, const char *value)
{
	struct set *s = find_set(k, key);
	int rc;

	if (key[0] == '\0')
		return -EINVAL;
	rc = kvp_write_set(k->request, KVP_POOL_EXTERNAL, key, value != NULL ? value : "");
	if (rc < 0)
		return rc;
	if (s == NULL)
		return -ENOSPC;
	rc = set_change(s, key, value);
	if (rc != 0)
		return rc;
	if (k->asked == ASKED_SET && s == &k->sets[k->asked_slot])
		k->asked_stale = true;
	advance(k);
	return 0;
}

int ic_kvp_get(struct ic_kvp *k, enum kvp_pool pool, const char *key, ic_kvp_got_fn *done,
	       void *ctx)
{
	int rc = kvp_write_get(k->request, pool, key);
	char *copy;

	if (rc < 0)
		return rc;
	if (!k->up)
		return -ENOTCONN;
	if (k->n_gets == IC_KVP_MAX_GETS)
		return -EBUSY;
	copy = strdup(key);
	if (copy == NULL)
		return -ENOMEM;
	k->gets[k->n_gets++] = (struct get){.pool = pool, .key = copy, .done = done, .ctx = ctx};
	advance(k);
	return 0;
}

/* ---- Life ---- */

int ic_kvp_create(const struct ic_env *env, const struct ic_kvp_opts *opts, struct ic_kvp **ret_kvp)
{
	struct ic_kvp *k = calloc(1, sizeof(*k));
	int rc;

	if (k == NULL)
		return -ENOMEM;
	k->opts = *opts;
	if (k->opts.interval_ns == 0)
		k->opts.interval_ns = INTERVAL_NS;
	if (k->opts.early_interval_ns == 0)
		k->opts.early_interval_ns = EARLY_NS;
	rc = ic_create(env, &kind, &ops, k, &k->ic);
	if (rc != 0) {
		free(k);
		return rc;
	}
	*ret_kvp = k;
	return 0;
}

void ic_kvp_destroy(struct ic_kvp *k)
{
	if (k == NULL)
		return;
	ic_destroy(k->ic);
	for (unsigned i = 0; i < 2; i++) {
		kvp_list_clear(&k->found[i]);
		kvp_list_clear(&k->next[i]);
	}
	for (unsigned i = 0; i < IC_KVP_MAX_SET; i++)
		set_free(&k->sets[i]);
	for (unsigned i = 0; i < k->n_gets; i++)
		free(k->gets[i].key);
	free(k);
}
