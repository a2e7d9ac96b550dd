/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Maps that several threads are in at the same time.  Values carry a word that is made of the rest:
 * a reader that got parts of two values, or another key's, sees it.
 *
 * Built with -Db_sanitize=thread it shows, too, that no byte is read while it is written but as the
 * maps mean it.
 */
#include "filters/ebpf/map.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filters/ebpf/ctx.h"
#include "filters/ebpf/prog.h"

#define N_THREADS 4u
#define STEPS	  200000u

/* One map and what its threads say. */
struct rig {
	struct ebpf_map *map;
	void (*run)(struct rig *rig, uint32_t cpu, uint32_t *random);
	atomic_uint n_failed;
	const char *_Atomic failure; /* one of them */
	atomic_uint n_writing;
	_Atomic uint64_t sums[4]; /* a test's own */
	struct ebpf_prog *progs[2];
};

struct thread {
	struct rig *rig;
	uint32_t cpu;
	pthread_t id;
};

static uint32_t rnd(uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	return *random >> 8;
}

static void check(struct rig *rig, bool holds, const char *what)
{
	if (holds)
		return;
	atomic_fetch_add(&rig->n_failed, 1);
	atomic_store(&rig->failure, what);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	struct ebpf_env env = {.cpu = t->cpu, .random = 1};
	uint32_t random = t->cpu * 7919 + 1;

	ebpf_env_here = &env;
	t->rig->run(t->rig, t->cpu, &random);
	atomic_fetch_sub(&t->rig->n_writing, 1);
	return NULL;
}

static struct rig rig_make(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t n)
{
	struct ebpf_map_def def = {.name = "test",
				   .type = type,
				   .key_size = key_size,
				   .value_size = value_size,
				   .max_entries = n};
	struct rig rig = {0};

	assert_int_equal(ebpf_map_create(&def, N_THREADS, &rig.map, NULL), 0);
	return rig;
}

/* Runs 'run' on all threads; 'meanwhile' here, as the control thread. */
static void rig_run(struct rig *rig, void (*run)(struct rig *, uint32_t, uint32_t *),
		    void (*meanwhile)(struct rig *))
{
	struct thread threads[N_THREADS];

	rig->run = run;
	atomic_store(&rig->n_writing, N_THREADS);
	for (uint32_t i = 0; i < N_THREADS; i++) {
		threads[i] = (struct thread){.rig = rig, .cpu = i};
		assert_int_equal(pthread_create(&threads[i].id, NULL, thread_main, &threads[i]), 0);
	}
	while (meanwhile != NULL && atomic_load(&rig->n_writing) != 0)
		meanwhile(rig);
	for (uint32_t i = 0; i < N_THREADS; i++)
		pthread_join(threads[i].id, NULL);
	if (meanwhile != NULL)
		meanwhile(rig);
	if (atomic_load(&rig->n_failed) != 0)
		fail_msg("%u times: %s", atomic_load(&rig->n_failed), atomic_load(&rig->failure));
}

/* A value that knows whose it is, and that it is whole. */
struct value {
	uint64_t key, number, word;
	uint64_t fill[29]; /* 'word' */
};

static uint64_t word_of(uint64_t key, uint64_t number)
{
	return (key * UINT64_C(0x9e3779b97f4a7c15) ^ number) * UINT64_C(0xbf58476d1ce4e5b9);
}

static struct value value_of(uint64_t key, uint64_t number)
{
	struct value v = {key, number, word_of(key, number), {0}};

	for (unsigned i = 0; i < 29; i++)
		v.fill[i] = v.word;
	return v;
}

static bool value_is_whole(const struct value *v)
{
	bool whole = v->word == word_of(v->key, v->number);

	for (unsigned i = 0; i < 29; i++)
		whole = whole && v->fill[i] == v->word;
	return whole;
}

/* Keys: [0, 12) are always there, [12, 96) come and go, [96, 128) never come. */
#define STAY  12u
#define COME  96u
#define N_ALL 128u

static void make_key(uint8_t *key, uint32_t i)
{
	memset(key, 0x11, 20);
	memcpy(key, &i, 4);
	memcpy(key + 16, &i, 4);
}

static void look(struct rig *rig, uint32_t i, uint32_t cpu)
{
	uint8_t key[20];
	struct value v = {.key = 0};
	bool there;

	make_key(key, i);
	there = rig->map->ops->lookup(rig->map, key, cpu) != NULL;
	check(rig, there || i >= STAY, "a key that is always there was not found");
	check(rig, !there || i < COME, "a key that never came was found");
	there = ebpf_map_read(rig->map, key, &v) == 0;
	check(rig, there || i >= STAY, "a key that is always there was not read");
	check(rig, !there || (v.key == i && value_is_whole(&v)), "a value is not whole");
}

static void put(struct rig *rig, const uint8_t *key, const struct value *v, uint32_t i,
		uint32_t cpu)
{
	long rc = rig->map->ops->update(rig->map, key, v, BPF_ANY, cpu);

	check(rig, rc == 0 || (rc == -E2BIG && i >= STAY), "an update failed");
}

static void churn(struct rig *rig, uint32_t cpu, uint32_t *random)
{
	for (unsigned n = 0; n < STEPS; n++) {
		uint32_t i = rnd(random) % N_ALL, what = rnd(random) % 4;
		struct value v = value_of(i, rnd(random));
		uint8_t key[20];

		make_key(key, i);
		if (what == 0 && i < COME)
			put(rig, key, &v, i, cpu);
		else if (what == 1 && i >= STAY)
			rig->map->ops->delete (rig->map, key);
		else
			look(rig, i, cpu);
	}
}

static void walk_ends(struct rig *rig)
{
	uint8_t key[20], *last = NULL;
	bool seen[N_ALL] = {0};
	uint32_t i, n = 0;

	while (rig->map->ops->next(rig->map, last, key) == 0 && n++ < N_ALL) {
		memcpy(&i, key, 4);
		check(rig, i < COME, "'next' gave a key that never came");
		check(rig, i >= COME || !seen[i], "'next' gave a key twice");
		seen[i % N_ALL] = true;
		last = key;
	}
	check(rig, n < N_ALL, "'next' does not end");
	for (i = 0; i < STAY; i++)
		check(rig, seen[i], "'next' passed over a key that is always there");
}

struct tally {
	struct rig *rig;
	uint32_t n_stay;
};

static long tally_key(void *arg, struct ebpf_map *map, const void *key, void *value)
{
	struct tally *t = arg;
	uint8_t want[20];
	uint32_t i;

	memcpy(&i, key, 4);
	make_key(want, i);
	check(t->rig, i < COME && memcmp(key, want, 20) == 0, "a key that never came was shown");
	t->n_stay += i < STAY;
	return 0;
}

static void walk_and_each(struct rig *rig)
{
	struct tally t = {.rig = rig};

	walk_ends(rig);
	ebpf_map_each(rig->map, 0, tally_key, &t);
	check(rig, t.n_stay >= STAY, "a key that is always there was not shown");
}

static void hash_of_n(uint32_t n)
{
	struct rig rig = rig_make(BPF_MAP_TYPE_HASH, 20, sizeof(struct value), n);
	uint8_t key[20];

	for (uint32_t i = 0; i < STAY; i++) {
		struct value v = value_of(i, 0);

		make_key(key, i);
		assert_int_equal(ebpf_map_write(rig.map, key, &v, BPF_ANY), 0);
	}
	rig_run(&rig, churn, walk_and_each);
	for (uint32_t i = 0; i < COME; i++) {
		make_key(key, i);
		ebpf_map_remove(rig.map, key);
	}
	assert_int_equal(ebpf_map_count(rig.map), 0);
	ebpf_map_unref(rig.map);
}

static void readers_of_a_hash_see_whole_values_of_their_keys(void **unused)
{
	hash_of_n(100);
	hash_of_n(35); /* Full, with more elements than slots in some buckets. */
}

/* Threads that fill a map to its limit and empty it. */
static void fill_and_empty(struct rig *rig, uint32_t cpu, uint32_t *random)
{
	for (unsigned n = 0; n < STEPS; n++) {
		uint32_t i = rnd(random) % 200;
		struct value v = value_of(i, n);

		if (rnd(random) % 3 != 0) {
			long rc = rig->map->ops->update(rig->map, &i, &v, BPF_ANY, cpu);

			check(rig, rc == 0 || rc == -E2BIG, "an update failed");
		} else {
			rig->map->ops->delete (rig->map, &i);
		}
	}
}

static void count_is_bounded(struct rig *rig)
{
	check(rig, ebpf_map_count(rig->map) <= (int64_t)rig->map->max_entries + N_THREADS,
	      "more elements than there may be");
}

static void full_hash_loses_no_element(void **unused)
{
	struct rig rig = rig_make(BPF_MAP_TYPE_HASH, 4, sizeof(struct value), 100);
	uint32_t n = 0;

	rig_run(&rig, fill_and_empty, count_is_bounded);
	for (uint32_t i = 0; i < 200; i++) {
		n += ebpf_map_remove(rig.map, &i) == 0;
	}
	assert_true(n <= 100);
	assert_int_equal(ebpf_map_count(rig.map), 0);
	for (uint32_t i = 0; i < 100; i++) {
		struct value v = value_of(i, 0);

		assert_int_equal(ebpf_map_write(rig.map, &i, &v, BPF_NOEXIST), 0);
	}
	ebpf_map_unref(rig.map);
}

/* Each thread has its own keys. */
static void insert_some(struct rig *rig, uint32_t cpu, uint32_t *random)
{
	for (uint32_t n = 0; n < rig->map->max_entries / N_THREADS; n++) {
		uint32_t i = cpu << 16 | n;
		uint64_t value = i;

		check(rig, rig->map->ops->update(rig->map, &i, &value, BPF_NOEXIST, cpu) == 0,
		      "there was room");
	}
}

static void threads_fill_a_hash_to_its_last_element(void **unused)
{
	for (uint32_t round = 0; round < 100; round++) {
		struct rig rig =
			rig_make(BPF_MAP_TYPE_HASH, 4, 8, N_THREADS * (1 + round * round / 4));

		rig_run(&rig, insert_some, NULL);
		assert_int_equal(ebpf_map_count(rig.map), rig.map->max_entries);
		ebpf_map_unref(rig.map);
	}
}

static void insert_without_end(struct rig *rig, uint32_t cpu, uint32_t *random)
{
	for (unsigned n = 0; n < STEPS; n++) {
		uint32_t i = rnd(random) % 4096;
		struct value v = value_of(i, n), read;

		check(rig, rig->map->ops->update(rig->map, &i, &v, BPF_ANY, cpu) == 0,
		      "an LRU map refused");
		if (n % 8 == 0)
			rig->map->ops->delete (rig->map, &i);
		i = rnd(random) % 4096;
		rig->map->ops->lookup(rig->map, &i, cpu);
		check(rig,
		      ebpf_map_read(rig->map, &i, &read) != 0 ||
			      (read.key == i && value_is_whole(&read)),
		      "a value is not whole");
	}
}

static void lru_at_its_limit_never_refuses(void **unused)
{
	struct rig rig = rig_make(BPF_MAP_TYPE_LRU_HASH, 4, sizeof(struct value), 256);
	uint32_t n = 0;

	rig_run(&rig, insert_without_end, count_is_bounded);
	assert_true(ebpf_map_count(rig.map) <= 256);
	for (uint32_t i = 0; i < 4096; i++)
		n += ebpf_map_remove(rig.map, &i) == 0;
	assert_true(n > 200);
	assert_int_equal(ebpf_map_count(rig.map), 0);
	ebpf_map_unref(rig.map);
}

/* As programs do it: look up, make if it is not there, add. */
static void count_up(struct rig *rig, uint32_t cpu, uint32_t *random)
{
	for (unsigned n = 0; n < STEPS; n++) {
		uint32_t i = rnd(random) % 16;
		uint64_t zero = 0, *value = rig->map->ops->lookup(rig->map, &i, cpu);

		if (value == NULL) {
			rig->map->ops->update(rig->map, &i, &zero, BPF_NOEXIST, cpu);
			value = rig->map->ops->lookup(rig->map, &i, cpu);
		}
		check(rig, value != NULL, "what was put in is not there");
		if (value != NULL)
			__atomic_fetch_add(value, 1, __ATOMIC_RELAXED);
	}
}

static void sum_grows(struct rig *rig)
{
	uint64_t sum = 0, values[N_THREADS];

	for (uint32_t i = 0; i < 16; i++) {
		if (ebpf_map_read(rig->map, &i, values) != 0)
			continue;
		for (uint32_t c = 0; c < (rig->map->cpu_stride != 0 ? N_THREADS : 1); c++)
			sum += values[c];
	}
	check(rig, sum >= atomic_load(&rig->sums[0]), "a sum became less");
	atomic_store(&rig->sums[0], sum);
}

static void counters_lose_nothing(void **unused)
{
	static const uint32_t types[] = {BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_PERCPU_HASH,
					 BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_PERCPU_ARRAY};

	for (unsigned t = 0; t < 4; t++) {
		struct rig rig = rig_make(types[t], 4, 8, 16);

		rig_run(&rig, count_up, sum_grows);
		assert_int_equal(atomic_load(&rig.sums[0]), (uint64_t)N_THREADS * STEPS);
		ebpf_map_unref(rig.map);
	}
}

/* Values with a lock, written as a whole with it. */
struct locked_value {
	uint32_t lock, a, b, c;
};

static void write_locked(struct rig *rig, uint32_t cpu, uint32_t *random)
{
	for (unsigned n = 0; n < STEPS; n++) {
		uint32_t i = rnd(random) % 2, x = rnd(random);
		struct locked_value v = {0, x, x ^ 1, x ^ 2}, *at;

		if (rnd(random) % 2 == 0) {
			check(rig, rig->map->ops->update(rig->map, &i, &v, BPF_F_LOCK, cpu) == 0,
			      "an update failed");
			continue;
		}
		at = rig->map->ops->lookup(rig->map, &i, cpu);
		ebpf_spin_lock(&at->lock);
		x = __atomic_load_n(&at->a, __ATOMIC_RELAXED);
		check(rig,
		      (__atomic_load_n(&at->b, __ATOMIC_RELAXED) ^ 1) == x &&
			      (__atomic_load_n(&at->c, __ATOMIC_RELAXED) ^ 2) == x,
		      "a locked value is not whole");
		ebpf_spin_unlock(&at->lock);
	}
}

static void read_locked(struct rig *rig)
{
	struct locked_value v;

	for (uint32_t i = 0; i < 2; i++) {
		check(rig, ebpf_map_read(rig->map, &i, &v) == 0, "a value is not there");
		check(rig, v.lock == 0 && v.b == (v.a ^ 1) && v.c == (v.a ^ 2),
		      "a value that was read with its lock is not whole");
	}
}

static void locked_values_are_whole(void **unused)
{
	static const uint32_t types[] = {BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_ARRAY};
	struct ebpf_map_def def = {.name = "test",
				   .key_size = 4,
				   .value_size = sizeof(struct locked_value),
				   .max_entries = 2,
				   .spin_lock_off = 1};

	for (unsigned t = 0; t < 2; t++) {
		struct locked_value v = {0, 0, 1, 2};
		struct rig rig = {0};

		def.type = types[t];
		assert_int_equal(ebpf_map_create(&def, N_THREADS, &rig.map, NULL), 0);
		for (uint32_t i = 0; i < 2; i++)
			assert_int_equal(ebpf_map_write(rig.map, &i, &v, BPF_ANY), 0);
		rig_run(&rig, write_locked, read_locked);
		ebpf_map_unref(rig.map);
	}
}

/* 10.0.0.0/8 and 0/0 are always there; longer ones of 10/8 come and go. */
struct route {
	uint32_t bits;
	uint8_t addr[4];
};

static struct route route_make(uint32_t *random)
{
	uint32_t bits = 9 + rnd(random) % 24;
	struct route r = {bits, {10}};

	for (uint32_t i = 8; i < bits; i++)
		r.addr[i / 8] |= (uint8_t)(rnd(random) % 2 << (7 - i % 8));
	return r;
}

static uint64_t route_number(const struct route *r)
{
	uint64_t number;

	memcpy(&number, r, 8);
	return number;
}

static bool route_covers(uint64_t number, const struct route *r)
{
	struct route p;

	memcpy(&p, &number, 8);
	for (uint32_t i = 0; i < p.bits; i++) {
		if (((p.addr[i / 8] ^ r->addr[i / 8]) >> (7 - i % 8) & 1) != 0)
			return false;
	}
	return p.bits <= r->bits;
}

static void churn_routes(struct rig *rig, uint32_t cpu, uint32_t *random)
{
	for (unsigned n = 0; n < STEPS; n++) {
		struct route r = route_make(random);
		struct value v = value_of(route_number(&r), n);
		uint32_t what = rnd(random) % 4;

		if (what == 0) {
			long rc = rig->map->ops->update(rig->map, &r, &v, BPF_ANY, cpu);

			check(rig, rc == 0 || rc == -ENOSPC, "an update failed");
		} else if (what == 1) {
			rig->map->ops->delete (rig->map, &r);
		} else {
			check(rig, rig->map->ops->lookup(rig->map, &r, cpu) != NULL,
			      "a shorter prefix is always there");
			check(rig, ebpf_map_read(rig->map, &r, &v) == 0,
			      "a shorter prefix is always there to be read");
			check(rig, value_is_whole(&v), "a value is not whole");
			check(rig, route_covers(v.key, &r), "a prefix of other addresses");
			check(rig, (v.key & 0xff) >= 8, "the longer of two that stay");
		}
	}
}

static void walk_routes(struct rig *rig)
{
	struct route r = {0}, last = {0};
	bool first = true;

	for (unsigned n = 0; rig->map->ops->next(rig->map, first ? NULL : &last, &r) == 0; n++) {
		check(rig,
		      first || memcmp(r.addr, last.addr, 4) > 0 ||
			      (memcmp(r.addr, last.addr, 4) == 0 && r.bits > last.bits),
		      "'next' goes back");
		first = false;
		last = r;
	}
}

static void readers_of_a_trie_see_a_prefix_of_theirs(void **unused)
{
	struct ebpf_map_def def = {.name = "test",
				   .type = BPF_MAP_TYPE_LPM_TRIE,
				   .key_size = 8,
				   .value_size = sizeof(struct value),
				   .max_entries = 200,
				   .flags = BPF_F_NO_PREALLOC};
	struct route stay[2] = {{0, {0}}, {8, {10}}}, next;
	struct rig rig = {0};

	assert_int_equal(ebpf_map_create(&def, N_THREADS, &rig.map, NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct value v = value_of(route_number(&stay[i]), 0);

		assert_int_equal(ebpf_map_write(rig.map, &stay[i], &v, BPF_ANY), 0);
	}
	rig_run(&rig, churn_routes, walk_routes);
	while (rig.map->ops->next(rig.map, NULL, &next) == 0)
		assert_int_equal(ebpf_map_remove(rig.map, &next), 0);
	assert_int_equal(ebpf_map_count(rig.map), 0);
	ebpf_map_unref(rig.map);
}

/* A record: who sent it, the how-manieth, and that many words of it. */
struct record {
	uint32_t cpu, number;
	uint32_t fill[60];
};

static void record_make(struct record *r, uint32_t cpu, uint32_t number)
{
	r->cpu = cpu;
	r->number = number;
	for (unsigned i = 0; i < 60; i++)
		r->fill[i] = number + i;
}

static uint32_t record_size(uint32_t number)
{
	return 8 + number % 61 * 4;
}

static void produce(struct rig *rig, uint32_t cpu, uint32_t *random)
{
	struct record r;

	for (uint32_t n = 0; n < STEPS; n++) {
		uint32_t size = record_size(n);
		void *at;
		bool discard = rnd(random) % 16 == 0;

		record_make(&r, cpu, n);
		at = ebpf_ring_reserve(rig->map, size);
		if (at == NULL)
			continue;
		memcpy(at, &r, size);
		ebpf_ring_submit(at, discard);
		atomic_fetch_add(&rig->sums[discard], 1);
	}
}

static void produce_perf(struct rig *rig, uint32_t cpu, uint32_t *random)
{
	struct record r;

	for (uint32_t n = 0; n < STEPS; n++) {
		uint32_t size = record_size(n);

		record_make(&r, cpu, n);
		if (ebpf_perf_output(rig->map, cpu, &r, 8, r.fill, size - 8) == 0)
			atomic_fetch_add(&rig->sums[0], 1);
	}
}

struct consumer {
	struct rig *rig;
	uint32_t next[N_THREADS];
};

static void consume(void *arg, uint32_t cpu, const void *data, uint32_t size)
{
	struct consumer *c = arg;
	struct record r, want;

	if (size < 8 || size > sizeof(r)) {
		check(c->rig, false, "a record of no size that was sent");
		return;
	}
	memcpy(&r, data, size);
	atomic_fetch_add(&c->rig->sums[2], 1);
	if (r.cpu >= N_THREADS) {
		check(c->rig, false, "a record of nobody");
		return;
	}
	record_make(&want, r.cpu, r.number);
	check(c->rig, size == record_size(r.number) && memcmp(&r, &want, size) == 0,
	      "a record is not whole");
	check(c->rig, r.number >= c->next[r.cpu], "a producer's records are out of order");
	c->next[r.cpu] = r.number + 1;
}

static struct consumer consumer;

static void drain(struct rig *rig)
{
	while (ebpf_map_drain(rig->map, 1000, consume, &consumer) != 0)
		continue;
}

static void rings_lose_nothing_uncounted(void **unused)
{
	static const uint32_t types[] = {BPF_MAP_TYPE_RINGBUF, BPF_MAP_TYPE_PERF_EVENT_ARRAY};

	for (unsigned t = 0; t < 2; t++) {
		bool perf = types[t] == BPF_MAP_TYPE_PERF_EVENT_ARRAY;
		struct rig rig = rig_make(types[t], perf ? 4 : 0, perf ? 4 : 0, 65536);

		consumer = (struct consumer){.rig = &rig};
		rig_run(&rig, perf ? produce_perf : produce, drain);
		assert_int_equal(atomic_load(&rig.sums[2]), atomic_load(&rig.sums[0]));
		assert_int_equal(atomic_load(&rig.sums[0]) + atomic_load(&rig.sums[1]) +
					 ebpf_map_lost(rig.map),
				 (uint64_t)N_THREADS * STEPS);
		ebpf_map_unref(rig.map);
	}
}

static void push_and_pop(struct rig *rig, uint32_t cpu, uint32_t *random)
{
	for (unsigned n = 0; n < STEPS; n++) {
		struct value v = value_of(cpu, rnd(random));

		if (rnd(random) % 2 == 0) {
			if (rig->map->ops->push(rig->map, &v, BPF_ANY) == 0)
				atomic_fetch_add(&rig->sums[0], v.word);
		} else if (rig->map->ops->pop(rig->map, &v) == 0) {
			check(rig, value_is_whole(&v), "a value is not whole");
			atomic_fetch_sub(&rig->sums[0], v.word);
		}
	}
}

static void what_is_pushed_is_popped_once(void **unused)
{
	static const uint32_t types[] = {BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_STACK};

	for (unsigned t = 0; t < 2; t++) {
		struct rig rig = rig_make(types[t], 0, sizeof(struct value), 16);
		struct value v;

		rig_run(&rig, push_and_pop, NULL);
		while (rig.map->ops->pop(rig.map, &v) == 0)
			atomic_fetch_sub(&rig.sums[0], v.word);
		assert_int_equal(atomic_load(&rig.sums[0]), 0);
		ebpf_map_unref(rig.map);
	}
}

static void push_bloom(struct rig *rig, uint32_t cpu, uint32_t *random)
{
	for (uint32_t n = 0; n < 2000; n++) {
		uint64_t value = (uint64_t)cpu << 32 | n;

		rig->map->ops->push(rig->map, &value, BPF_ANY);
		value = (uint64_t)cpu << 32 | rnd(random) % (n + 1);
		check(rig, rig->map->ops->peek(rig->map, &value) == 0, "a filter forgot");
	}
}

static void bloom_filter_forgets_nothing(void **unused)
{
	struct rig rig = rig_make(BPF_MAP_TYPE_BLOOM_FILTER, 0, 8, 2000 * N_THREADS);

	rig_run(&rig, push_bloom, NULL);
	for (uint32_t cpu = 0; cpu < N_THREADS; cpu++) {
		for (uint64_t n = 0; n < 2000; n++) {
			uint64_t value = (uint64_t)cpu << 32 | n;

			assert_int_equal(rig.map->ops->peek(rig.map, &value), 0);
		}
	}
	ebpf_map_unref(rig.map);
}

/* Port 1 has the first program or none, port 2 the second. */
static void read_dev(struct rig *rig, uint32_t cpu, uint32_t *random)
{
	for (unsigned n = 0; n < STEPS; n++) {
		struct ebpf_prog *prog = NULL;
		struct ebpf_dev devs[4];
		uint32_t ifindex = ebpf_map_dev(rig->map, 3, &prog);

		check(rig, ifindex <= 2, "a port that never was");
		check(rig, prog == NULL || (ifindex != 0 && prog == rig->progs[ifindex - 1]),
		      "a port with another's program");
		for (uint32_t i = ebpf_map_devs(rig->map, devs, 4); i-- > 0;)
			check(rig,
			      devs[i].prog == NULL ||
				      devs[i].prog == rig->progs[devs[i].ifindex - 1],
			      "a listed port with another's program");
	}
}

static void write_dev(struct rig *rig)
{
	uint32_t key = 3, value[2] = {0};

	for (value[0] = 1; value[0] <= 2; value[0]++) {
		check(rig, ebpf_map_write(rig->map, &key, value, BPF_ANY) == 0, "write");
		check(rig,
		      ebpf_map_put_prog(rig->map, &key, rig->progs[value[0] - 1], NULL, NULL) == 0,
		      "put");
	}
	check(rig, ebpf_map_remove(rig->map, &key) == 0, "remove");
}

static void port_comes_with_its_own_program(void **unused)
{
	static const uint32_t types[] = {BPF_MAP_TYPE_DEVMAP, BPF_MAP_TYPE_DEVMAP_HASH};
	const struct bpf_insn insns[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 2},
					 {.code = BPF_JMP | BPF_EXIT}};
	struct ebpf_prog_opts opts = {
		.name = "test", .section = "xdp", .insns = insns, .n = 2, .interpret = true};

	for (unsigned t = 0; t < 2; t++) {
		struct rig rig = rig_make(types[t], 4, 8, 8);

		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(ebpf_prog_create(&opts, &rig.progs[i], NULL), 0);
		rig_run(&rig, read_dev, write_dev);
		ebpf_map_unref(rig.map);
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(rig.progs[i]->refs, 1);
			ebpf_prog_unref(rig.progs[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_of_a_hash_see_whole_values_of_their_keys),
		cmocka_unit_test(full_hash_loses_no_element),
		cmocka_unit_test(threads_fill_a_hash_to_its_last_element),
		cmocka_unit_test(lru_at_its_limit_never_refuses),
		cmocka_unit_test(counters_lose_nothing),
		cmocka_unit_test(locked_values_are_whole),
		cmocka_unit_test(readers_of_a_trie_see_a_prefix_of_theirs),
		cmocka_unit_test(rings_lose_nothing_uncounted),
		cmocka_unit_test(what_is_pushed_is_popped_once),
		cmocka_unit_test(bloom_filter_forgets_nothing),
		cmocka_unit_test(port_comes_with_its_own_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
