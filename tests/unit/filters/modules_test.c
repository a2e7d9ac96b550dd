/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The shipped modules as they are built, loaded as the switch loads them, on packets made here.
 * argv[1] is the folder of the objects.  Skipped where the kernel does not let us load programs.
 */
#include "filters/ebpf/ctx.h"
#include "filters/ebpf/object.h"
#include "filters/vswitch_filter.h"
#include "tests/support/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static const char *folder;

struct rig {
	struct ebpf_object *object;
	struct ebpf_prog *prog;
	struct ebpf_env env;
	uint64_t now;
	struct pkt p;
	struct vswitch_meta meta;
	bool has_meta;
	uint8_t room[EBPF_HEADROOM + 2048];
};

static uint64_t now_of(const struct ebpf_env *env)
{
	const struct rig *r = env->owner;

	return r->now;
}

static const struct ebpf_ops ops = {.now_ns = now_of};

static void *read_object(const char *name, size_t *ret_size)
{
	char path[512];
	FILE *f;
	void *bytes = malloc(1 << 20);

	snprintf(path, sizeof(path), "%s/%s.o", folder, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	assert_non_null(bytes);
	*ret_size = fread(bytes, 1, 1 << 20, f);
	fclose(f);
	return bytes;
}

static struct rig *rig_create(const char *name)
{
	struct ebpf_object_opts opts = {.name = name, .n_cpus = 2};
	struct rig *r = calloc(1, sizeof(*r));
	struct err err = {0};
	size_t size;
	void *elf = read_object(name, &size);
	int rc = ebpf_object_load(elf, size, &opts, &r->object, &err);

	free(elf);
	if (rc == -EPERM) {
		print_message("skipped: %s: %s\n", err.what, err.why);
		free(r);
		skip();
	}
	if (rc != 0)
		fail_msg("%s: %s: %s", name, err.what, err.why);
	r->prog = ebpf_object_prog(r->object, 0);
	r->env = (struct ebpf_env){.random = 1, .ops = &ops, .owner = r};
	r->now = 1000 * SECOND;
	r->meta = (struct vswitch_meta){.size = sizeof(r->meta), .port = 1, .from = 1};
	ebpf_env_enter(&r->env);
	return r;
}

static void rig_destroy(struct rig *r)
{
	ebpf_object_destroy(r->object);
	free(r);
}

/* Runs the program on r->p. */
static uint64_t run(struct rig *r)
{
	uint8_t *data = r->room + EBPF_HEADROOM;
	struct ebpf_ctx ctx = {
		.data = data,
		.data_end = data + r->p.size,
		.meta = data - (r->has_meta ? sizeof(r->meta) : 0),
		.ingress_ifindex = 1,
		.frame_size = r->p.size,
		.hard_start = r->room,
		.hard_end = r->room + sizeof(r->room),
	};

	assert_true(r->p.size <= sizeof(r->room) - EBPF_HEADROOM);
	memcpy(data, r->p.bytes, r->p.size);
	memcpy(data - sizeof(r->meta), &r->meta, sizeof(r->meta));
	return ebpf_run(r->prog, &ctx);
}

static struct ebpf_map *map_of(struct rig *r, const char *name)
{
	for (uint32_t i = 0; i < ebpf_object_n_maps(r->object); i++)
		if (strcmp(ebpf_object_map(r->object, i)->def.name, name) == 0)
			return ebpf_object_map(r->object, i);
	fail_msg("no map %s", name);
	return NULL;
}

static void set(struct rig *r, const char *map, const void *key, const void *value)
{
	assert_int_equal(ebpf_map_write(map_of(r, map), key, value, BPF_ANY), 0);
}

static void configure(struct rig *r, const void *value)
{
	uint32_t zero = 0;

	set(r, "config", &zero, value);
}

/* A number of a per-CPU map, all CPUs. */
static uint64_t count(struct rig *r, const char *map, uint32_t key)
{
	uint64_t of_cpu[2] = {0};
	int rc = ebpf_map_read(map_of(r, map), &key, of_cpu);

	return rc == 0 ? of_cpu[0] + of_cpu[1] : 0;
}

static void eth(struct rig *r, const char *dst, const char *src)
{
	pkt_init(&r->p);
	pkt_eth(&r->p, dst, src);
}

/* ---- template ---- */

static void template_counts_and_drops_by_ethertype(void **state)
{
	struct rig *r = rig_create("template");
	uint32_t type = 0x0800;
	uint8_t yes = 1;

	eth(r, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_vlan(&r->p, 0x8100, 10);
	pkt_ipv4(&r->p, "10.0.0.1", "10.0.0.2");
	pkt_finish(&r->p, 0);
	assert_int_equal(run(r), EBPF_PASS);
	set(r, "blocked", &type, &yes);
	assert_int_equal(run(r), EBPF_DROP);
	assert_int_equal(count(r, "seen", type), 2);
	rig_destroy(r);
}

/* ---- dhcp-snoop ---- */

enum { LEASED, ROGUE_SERVER, NO_LEASE, WRONG_ADDRESS, EXPIRED, NO_META };

#define CLIENT "02:00:00:00:00:0c"

/* An acknowledgement of a minute's lease of 10.0.0.50 to CLIENT. */
static void dhcp_ack(struct rig *r, uint8_t type)
{
	uint8_t m[236 + 4 + 16] = {2, 1, 6};
	uint8_t options[] = {0x63, 0x82, 0x53, 0x63, 0, 53, 1, type, 51, 4, 0, 0, 0, 60, 255};

	memcpy(m + 16, (uint8_t[]){10, 0, 0, 50}, 4);
	memcpy(m + 28, (uint8_t[]){2, 0, 0, 0, 0, 0xc}, 6);
	memcpy(m + 236, options, sizeof(options));
	eth(r, CLIENT, "02:00:00:00:00:01");
	pkt_ipv4(&r->p, "10.0.0.1", "10.0.0.50");
	pkt_udp(&r->p, 67, 68);
	pkt_payload(&r->p, m, sizeof(m));
	pkt_finish(&r->p, 0);
}

static uint64_t client_sends(struct rig *r, const char *from)
{
	eth(r, "02:00:00:00:00:01", CLIENT);
	pkt_ipv4(&r->p, from, "10.0.0.1");
	pkt_udp(&r->p, 1000, 53);
	pkt_finish(&r->p, 0);
	return run(r);
}

static uint64_t client_arps(struct rig *r, const char *from)
{
	eth(r, "ff:ff:ff:ff:ff:ff", CLIENT);
	pkt_arp(&r->p, 1, from, "10.0.0.1");
	pkt_finish(&r->p, 0);
	return run(r);
}

static struct rig *dhcp_rig(void)
{
	struct rig *r = rig_create("dhcp-snoop");
	uint32_t conf[2] = {1, 0}, uplink = 7;
	uint8_t yes = 1;

	r->has_meta = true;
	configure(r, conf);
	set(r, "trusted", &uplink, &yes);
	return r;
}

static void dhcp_servers_are_heard_by_trusted_ports_alone(void **state)
{
	struct rig *r = dhcp_rig();

	dhcp_ack(r, 5);
	assert_int_equal(run(r), EBPF_DROP);
	assert_int_equal(count(r, "counts", ROGUE_SERVER), 1);
	r->meta.port = 7;
	dhcp_ack(r, 5);
	assert_int_equal(run(r), EBPF_PASS);
	assert_int_equal(count(r, "counts", LEASED), 1);
	rig_destroy(r);
}

static void dhcp_clients_use_what_they_were_leased(void **state)
{
	struct rig *r = dhcp_rig();

	assert_int_equal(client_sends(r, "10.0.0.50"), EBPF_DROP);
	assert_int_equal(count(r, "counts", NO_LEASE), 1);
	r->meta.port = 7;
	dhcp_ack(r, 2); /* an offer is no lease */
	assert_int_equal(run(r), EBPF_PASS);
	r->meta.port = 1;
	assert_int_equal(client_sends(r, "10.0.0.50"), EBPF_DROP);
	r->meta.port = 7;
	dhcp_ack(r, 5);
	run(r);
	r->meta.port = 1;
	assert_int_equal(client_sends(r, "10.0.0.50"), EBPF_PASS);
	assert_int_equal(client_sends(r, "10.0.0.51"), EBPF_DROP);
	assert_int_equal(client_arps(r, "10.0.0.50"), EBPF_PASS);
	assert_int_equal(client_arps(r, "10.0.0.1"), EBPF_DROP);
	assert_int_equal(client_arps(r, "0.0.0.0"), EBPF_PASS);
	assert_int_equal(count(r, "counts", WRONG_ADDRESS), 2);
	/* Not in another tenant's world. */
	r->meta.tenant = 9;
	assert_int_equal(client_sends(r, "10.0.0.50"), EBPF_DROP);
	r->meta.tenant = 0;
	r->now += 61 * SECOND;
	assert_int_equal(client_sends(r, "10.0.0.50"), EBPF_DROP);
	assert_int_equal(count(r, "counts", EXPIRED), 1);
	rig_destroy(r);
}

static void dhcp_clients_ask_before_they_have_an_address(void **state)
{
	struct rig *r = dhcp_rig();

	eth(r, "ff:ff:ff:ff:ff:ff", CLIENT);
	pkt_ipv4(&r->p, "0.0.0.0", "255.255.255.255");
	pkt_udp(&r->p, 68, 67);
	pkt_fill(&r->p, 240, 1);
	pkt_finish(&r->p, 0);
	assert_int_equal(run(r), EBPF_PASS);
	rig_destroy(r);
}

static void dhcp_options_that_are_cut_off_lease_nothing(void **state)
{
	struct rig *r = dhcp_rig();

	r->meta.port = 7;
	/* The shortest one that holds the message's type is a lease. */
	for (uint32_t cut = 0; cut < 40; cut++) {
		dhcp_ack(r, 5);
		r->p.size -= cut;
		assert_int_equal(run(r), EBPF_PASS);
	}
	assert_true(count(r, "counts", LEASED) > 0);
	assert_true(count(r, "counts", LEASED) < 20);
	rig_destroy(r);
}

static void dhcp_snoop_wants_meta(void **state)
{
	struct rig *r = dhcp_rig();

	r->has_meta = false;
	assert_int_equal(client_sends(r, "10.0.0.50"), EBPF_ABORTED);
	assert_int_equal(count(r, "counts", NO_META), 1);
	rig_destroy(r);
}

/* ---- dns-allowlist ---- */

enum { ALLOWED, REFUSED, MALFORMED, OVER_TCP };

static void dns_query(struct rig *r, const void *name, uint32_t size)
{
	uint8_t head[12] = {1, 2, 1, 0, 0, 1};

	eth(r, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_ipv4(&r->p, "10.0.0.1", "10.0.0.2");
	pkt_udp(&r->p, 1000, 53);
	pkt_payload(&r->p, head, sizeof(head));
	pkt_payload(&r->p, name, size);
	pkt_finish(&r->p, 0);
}

/* "www.example.com" as on the wire. */
static uint64_t ask(struct rig *r, const char *text)
{
	uint8_t name[300];
	uint32_t size = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, ".");

		name[size++] = (uint8_t)n;
		memcpy(name + size, text, n);
		size += (uint32_t)n;
		text += n + (text[n] == '.');
	}
	name[size++] = 0;
	memcpy(name + size, (uint8_t[]){0, 1, 0, 1}, 4);
	dns_query(r, name, size + 4);
	return run(r);
}

static struct rig *dns_rig(void)
{
	struct rig *r = rig_create("dns-allowlist");
	char name[64] = "example.com";
	uint32_t conf[2] = {1, 1};
	uint8_t yes = 1;

	configure(r, conf);
	set(r, "names", name, &yes);
	return r;
}

static void dns_names_and_what_is_in_them_pass(void **state)
{
	struct rig *r = dns_rig();
	char refused[64] = "badexample.com";
	uint64_t n;

	assert_int_equal(ask(r, "example.com"), EBPF_PASS);
	assert_int_equal(ask(r, "WWW.Example.COM"), EBPF_PASS);
	assert_int_equal(ask(r, "a.b.c.d.e.example.com"), EBPF_PASS);
	assert_int_equal(count(r, "counts", ALLOWED), 3);
	assert_int_equal(ask(r, "badexample.com"), EBPF_DROP);
	assert_int_equal(ask(r, "com"), EBPF_DROP);
	assert_int_equal(ask(r, ""), EBPF_DROP);
	assert_int_equal(ask(r, "example.com.evil.org"), EBPF_DROP);
	assert_int_equal(count(r, "counts", REFUSED), 4);
	assert_int_equal(ebpf_map_read(map_of(r, "refused"), refused, &n), 0);
	assert_int_equal(n, 1);
	rig_destroy(r);
}

static void dns_names_that_cannot_be_read_are_refused(void **state)
{
	static const char dot[] = "\x0f"
				  "evil.example.co\x03"
				  "com\0\0\1\0\1";
	static const char pointer[] = "\xc0\x0c\0\1\0\1";
	struct rig *r = dns_rig();
	uint8_t endless[200];

	dns_query(r, dot, sizeof(dot));
	assert_int_equal(run(r), EBPF_DROP);
	dns_query(r, pointer, sizeof(pointer));
	assert_int_equal(run(r), EBPF_DROP);
	memset(endless, 1, sizeof(endless));
	dns_query(r, endless, sizeof(endless));
	assert_int_equal(run(r), EBPF_DROP);
	dns_query(r, "\3com", 4); /* ends before its end */
	assert_int_equal(run(r), EBPF_DROP);
	dns_query(r, "", 0);
	assert_int_equal(run(r), EBPF_DROP);
	assert_int_equal(count(r, "counts", MALFORMED), 5);
	rig_destroy(r);
}

static void dns_over_tcp_and_what_is_no_dns(void **state)
{
	struct rig *r = dns_rig();
	uint32_t counting[2] = {0, 0};

	eth(r, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_ipv6(&r->p, "fd00::1", "fd00::2");
	pkt_tcp(&r->p, 1000, 53, PKT_SYN);
	pkt_finish(&r->p, 0);
	assert_int_equal(run(r), EBPF_DROP);
	assert_int_equal(count(r, "counts", OVER_TCP), 1);
	eth(r, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_ipv6(&r->p, "fd00::1", "fd00::2");
	pkt_tcp(&r->p, 1000, 54, PKT_SYN);
	pkt_finish(&r->p, 0);
	assert_int_equal(run(r), EBPF_PASS);
	/* Without 'enforce' it only counts. */
	configure(r, counting);
	assert_int_equal(ask(r, "evil.org"), EBPF_PASS);
	assert_int_equal(count(r, "counts", REFUSED), 1);
	rig_destroy(r);
}

/* ---- rate-sketch ---- */

static void send_bytes(struct rig *r, const char *from, uint32_t size, unsigned times)
{
	eth(r, "02:00:00:00:00:02", "02:00:00:00:00:01");
	if (strchr(from, ':') != NULL)
		pkt_ipv6(&r->p, from, "fd00::2");
	else
		pkt_ipv4(&r->p, from, "10.9.9.9");
	pkt_udp(&r->p, 1, 2);
	pkt_fill(&r->p, size, 1);
	pkt_finish(&r->p, 0);
	for (unsigned i = 0; i < times; i++)
		assert_int_equal(run(r), EBPF_PASS);
}

struct amount {
	uint64_t bytes, packets, last_ns;
};

static int talker(struct rig *r, const char *address, struct amount *ret)
{
	uint8_t key[16] = {0};

	if (inet_pton(AF_INET6, address, key) != 1) {
		key[10] = key[11] = 0xff;
		assert_int_equal(inet_pton(AF_INET, address, key + 12), 1);
	}
	return ebpf_map_read(map_of(r, "talkers"), key, ret);
}

static void heavy_sources_are_found_among_many(void **state)
{
	struct rig *r = rig_create("rate-sketch");
	struct {
		uint64_t threshold;
		uint32_t window_ms, reserved;
	} conf = {100000, 1000, 0};
	struct amount a;
	char from[32];

	configure(r, &conf);
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(from, sizeof(from), "10.1.%u.%u", i >> 8, i & 255);
		send_bytes(r, from, 100, 1);
	}
	send_bytes(r, "10.2.0.1", 1000, 200);
	send_bytes(r, "fd00::7", 1000, 200);
	assert_int_equal(talker(r, "10.1.0.1", &a), -ENOENT);
	assert_int_equal(talker(r, "10.2.0.1", &a), 0);
	assert_true(a.bytes >= 200000 && a.bytes < 260000);
	assert_int_equal(a.last_ns, r->now);
	assert_int_equal(talker(r, "fd00::7", &a), 0);
	/* Halved for each window that went by. */
	r->now += 3 * SECOND;
	send_bytes(r, "10.2.0.1", 100000 / 100, 80);
	assert_int_equal(talker(r, "10.2.0.1", &a), 0);
	assert_true(a.bytes > 100000 && a.bytes < 140000);
	rig_destroy(r);
}

/* ---- syn-guard ---- */

static uint64_t syn(struct rig *r, const char *from, const char *to, uint8_t flags)
{
	eth(r, "02:00:00:00:00:02", "02:00:00:00:00:01");
	if (strchr(from, ':') != NULL)
		pkt_ipv6(&r->p, from, to);
	else
		pkt_ipv4(&r->p, from, to);
	pkt_tcp(&r->p, 1000, 80, flags);
	pkt_finish(&r->p, 0);
	return run(r);
}

static unsigned passed(struct rig *r, const char *from, const char *to, unsigned times)
{
	unsigned n = 0;

	for (unsigned i = 0; i < times; i++)
		n += syn(r, from, to, PKT_SYN) == EBPF_PASS;
	return n;
}

static void sources_open_so_many_connections_a_second(void **state)
{
	struct rig *r = rig_create("syn-guard");
	uint32_t conf[4] = {10, 20, 0, 0};

	assert_int_equal(passed(r, "10.0.0.1", "10.0.0.2", 100), 100); /* not configured */
	configure(r, conf);
	assert_int_equal(passed(r, "10.0.0.1", "10.0.0.2", 100), 20);
	assert_int_equal(passed(r, "10.0.0.3", "10.0.0.2", 10), 10);
	r->now += SECOND / 2;
	assert_int_equal(passed(r, "10.0.0.1", "10.0.0.4", 100), 5);
	r->now += 100 * SECOND;
	assert_int_equal(passed(r, "10.0.0.1", "10.0.0.2", 100), 20);
	/* What belongs to connections passes always. */
	assert_int_equal(syn(r, "10.0.0.1", "10.0.0.2", PKT_ACK), EBPF_PASS);
	assert_int_equal(syn(r, "10.0.0.1", "10.0.0.2", PKT_SYN | PKT_ACK), EBPF_PASS);
	/* A /64 is one source. */
	assert_int_equal(passed(r, "fd00::1", "fd00:1::2", 15), 15);
	assert_int_equal(passed(r, "fd00::ffff:1", "fd00:1::2", 15), 5);
	assert_int_equal(count(r, "counts", 1), 80 + 95 + 80 + 10);
	rig_destroy(r);
}

static void destinations_are_asked_so_often_by_all(void **state)
{
	struct rig *r = rig_create("syn-guard");
	uint32_t conf[4] = {0, 0, 50, 0};
	unsigned n = 0;
	char from[32];

	configure(r, conf);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(from, sizeof(from), "10.1.%u.%u", i >> 8, i & 255);
		n += passed(r, from, "10.0.0.2", 1);
	}
	assert_int_equal(n, 50);
	assert_int_equal(passed(r, "10.0.0.1", "10.0.0.3", 10), 10);
	assert_int_equal(count(r, "counts", 2), 950);
	rig_destroy(r);
}

/* ---- capture-sample ---- */

struct sample {
	uint64_t time_ns;
	uint32_t size, bytes, port, tenant;
};

struct samples {
	unsigned n;
	struct sample first;
	const uint8_t *packet;
	unsigned wrong;
};

static void take_sample(void *arg, uint32_t cpu, const void *data, uint32_t size)
{
	struct samples *s = arg;
	struct sample sample;

	if (size < sizeof(sample)) {
		s->wrong++;
		return;
	}
	memcpy(&sample, data, sizeof(sample));
	if (s->n++ == 0)
		s->first = sample;
	if (size < sizeof(sample) + sample.bytes ||
	    memcmp((const uint8_t *)data + sizeof(sample), s->packet, sample.bytes) != 0)
		s->wrong++;
}

static void one_packet_in_so_many_is_sampled(void **state)
{
	struct rig *r = rig_create("capture-sample");
	struct {
		uint32_t every, bytes;
		uint8_t address[4];
		uint32_t reserved;
	} conf = {.every = 10, .bytes = 60};
	struct samples s = {.packet = r->p.bytes};

	send_bytes(r, "10.0.0.1", 100, 50); /* not configured: none */
	r->has_meta = true;
	r->meta.tenant = 5;
	configure(r, &conf);
	send_bytes(r, "10.0.0.1", 100, 100);
	assert_int_equal(ebpf_map_drain(map_of(r, "samples"), 1000, take_sample, &s), 10);
	assert_int_equal(s.n, 10);
	assert_int_equal(s.wrong, 0);
	assert_int_equal(s.first.bytes, 60);
	assert_int_equal(s.first.size, r->p.size);
	assert_int_equal(s.first.port, 1);
	assert_int_equal(s.first.tenant, 5);
	assert_int_equal(s.first.time_ns, r->now);
	memcpy(conf.address, (uint8_t[]){10, 0, 0, 2}, 4);
	configure(r, &conf);
	send_bytes(r, "10.0.0.1", 100, 100);
	assert_int_equal(ebpf_map_drain(map_of(r, "samples"), 1000, take_sample, &s), 0);
	send_bytes(r, "10.0.0.2", 100, 100);
	assert_int_equal(ebpf_map_drain(map_of(r, "samples"), 1000, take_sample, &s), 10);
	rig_destroy(r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(template_counts_and_drops_by_ethertype),
		cmocka_unit_test(dhcp_servers_are_heard_by_trusted_ports_alone),
		cmocka_unit_test(dhcp_clients_use_what_they_were_leased),
		cmocka_unit_test(dhcp_clients_ask_before_they_have_an_address),
		cmocka_unit_test(dhcp_options_that_are_cut_off_lease_nothing),
		cmocka_unit_test(dhcp_snoop_wants_meta),
		cmocka_unit_test(dns_names_and_what_is_in_them_pass),
		cmocka_unit_test(dns_names_that_cannot_be_read_are_refused),
		cmocka_unit_test(dns_over_tcp_and_what_is_no_dns),
		cmocka_unit_test(heavy_sources_are_found_among_many),
		cmocka_unit_test(sources_open_so_many_connections_a_second),
		cmocka_unit_test(destinations_are_asked_so_often_by_all),
		cmocka_unit_test(one_packet_in_so_many_is_sampled),
	};

	if (argc < 2)
		return 2;
	folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
