// SPDX-License-Identifier: BSD-2-Clause
/*
 * dns-allowlist: names that may be asked for.  A query over UDP (port 53) passes when its name, or
 * a domain that the name is in, is in 'names'; others are dropped and counted, as is what is no
 * query, or has a name that cannot be read.  DNS over TCP is dropped when 'config.drop_tcp' is set:
 * a program that sees packets cannot follow a stream.
 *
 * 	vswitchctl filter attach dns-allowlist --port web1
 * 	vswitchctl filter map set dns-allowlist names example.com 1
 * 	vswitchctl filter map set dns-allowlist config 0 '{"enforce": 1, "drop_tcp": 1}'
 *
 * Without 'enforce', as at first, it counts and drops nothing.
 *
 * Source: RFC 1035 4.1.
 */
#include <vswitch_packet.h>

#define NAME_SIZE 64  /* of a name in the list, with the byte 0 */
#define MOST_NAME 128 /* of a name that is asked for; longer ones are refused */
#define LABELS	  10  /* looked at of a name, from its end */

struct config {
	__u32 enforce;	/* 0: count alone */
	__u32 drop_tcp; /* queries over TCP, too */
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

struct name {
	char text[NAME_SIZE]; /* "example.com", in lower case, zeros behind it */
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct name);
	__type(value, __u8);
} names SEC(".maps");

enum { ALLOWED, REFUSED, MALFORMED, OVER_TCP, N_COUNTS };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, N_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

/* The names that were refused last, and how often. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct name);
	__type(value, __u64);
} refused SEC(".maps");

/* The name that is asked for, as it came and as text; behind that are zeros, a key's length of
 * them. */
struct question {
	__u8 raw[MOST_NAME];
	char text[MOST_NAME + NAME_SIZE];
	__u8 label_at[MOST_NAME]; /* where its labels begin */
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct question);
} questions SEC(".maps");

struct dns {
	__be16 id, flags, questions, answers, authorities, additional;
};

static __always_inline int count(__u32 what, int verdict)
{
	__u64 *n = bpf_map_lookup_elem(&counts, &what);

	if (n)
		*n += 1;
	return verdict;
}

struct reading {
	struct question *q;
	__u32 size; /* of what is in q->raw */
	__u32 left; /* bytes of the label */
	__u32 labels;
	__u32 whole; /* the name's end was there */
};

/* One byte.  Not 0: it is the last, or there is something wrong with it. */
static long read_byte(__u32 i, struct reading *r)
{
	struct question *q = r->q;
	__u8 byte = q->raw[i & (MOST_NAME - 1)];
	__u32 to = (i - 1) & (MOST_NAME - 1);

	if (i >= r->size)
		return 1;
	if (r->left == 0) {
		r->whole = byte == 0;
		/* Compression has no place in a question. */
		if (byte == 0 || byte > 63)
			return 1;
		if (i != 0)
			q->text[to] = '.';
		q->label_at[r->labels & (MOST_NAME - 1)] = i;
		r->labels++;
		r->left = byte;
		return 0;
	}
	/* A dot in a label would make it look like two. */
	if (byte == '.' || byte == 0)
		return 1;
	q->text[to] = byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
	r->left--;
	return 0;
}

/* Reads the name at the cursor into 'q'.  The number of its labels, 0 for the root, or -1. */
static __always_inline int read_name(struct xdp_md *ctx, struct cursor *c, struct question *q)
{
	__u64 at = c->at - (void *)(long)ctx->data, size = c->end - c->at;
	struct reading r = {.q = q};

	__builtin_memset(q->text, 0, sizeof(q->text));
	r.size = size < MOST_NAME ? size : MOST_NAME;
	if (r.size == 0 || r.size > MOST_NAME || bpf_xdp_load_bytes(ctx, at, q->raw, r.size) != 0)
		return -1;
	bpf_loop(MOST_NAME, read_byte, &r, 0);
	return r.whole ? (int)r.labels : -1;
}

static __always_inline int is_allowed(struct question *q, int labels)
{
	for (int i = 0; i < LABELS; i++) {
		__u32 label = labels - 1 - i, at;

		if (i >= labels)
			return 0;
		at = q->label_at[label & (MOST_NAME - 1)] & (MOST_NAME - 1);
		if (bpf_map_lookup_elem(&names, q->text + at))
			return 1;
	}
	return 0;
}

static __always_inline void remember(struct question *q)
{
	__u64 one = 1, *n = bpf_map_lookup_elem(&refused, q->text);

	if (n)
		__sync_fetch_and_add(n, 1);
	else
		bpf_map_update_elem(&refused, q->text, &one, BPF_ANY);
}

static __always_inline int judge(struct xdp_md *ctx, struct cursor *c, int refuse)
{
	__u32 zero = 0;
	struct question *q = bpf_map_lookup_elem(&questions, &zero);
	struct dns *dns = take(c, sizeof(*dns));
	int labels;

	/* QR set: an answer, which is not ours to judge here; one question, or none can be read. */
	if (!dns || !q)
		return count(MALFORMED, refuse);
	if (dns->flags & bpf_htons(0x8000))
		return XDP_PASS;
	if (dns->questions != bpf_htons(1))
		return count(MALFORMED, refuse);
	labels = read_name(ctx, c, q);
	if (labels < 0)
		return count(MALFORMED, refuse);
	if (is_allowed(q, labels))
		return count(ALLOWED, XDP_PASS);
	remember(q);
	return count(REFUSED, refuse);
}

SEC("xdp")
int dns_allowlist(struct xdp_md *ctx)
{
	struct cursor c = cursor_of(ctx);
	struct config *conf;
	struct ethhdr *eth;
	__u32 zero = 0;
	__u8 protocol;
	__u16 vlan;
	__be16 *ports, type = take_ethernet(&c, &eth, &vlan);

	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = take_ipv4(&c);

		if (!ip || is_later_fragment(ip))
			return XDP_PASS;
		protocol = ip->protocol;
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = take(&c, sizeof(*ip));

		if (!ip)
			return XDP_PASS;
		protocol = ip->nexthdr;
	} else {
		return XDP_PASS;
	}
	conf = bpf_map_lookup_elem(&config, &zero);
	ports = c.at;
	if (!conf || (protocol != IPPROTO_UDP && protocol != IPPROTO_TCP) ||
	    (void *)(ports + 2) > c.end || ports[1] != bpf_htons(53))
		return XDP_PASS;
	if (protocol == IPPROTO_TCP)
		return conf->drop_tcp ? count(OVER_TCP, conf->enforce ? XDP_DROP : XDP_PASS)
				      : XDP_PASS;
	if (!take(&c, sizeof(struct udphdr)))
		return XDP_PASS;
	return judge(ctx, &c, conf->enforce ? XDP_DROP : XDP_PASS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
