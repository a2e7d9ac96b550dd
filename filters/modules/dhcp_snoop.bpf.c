// SPDX-License-Identifier: BSD-2-Clause
/*
 * dhcp-snoop: who was given which address, and nobody else may use it.
 *
 * Attached with 'meta' to a switch, on ingress.  What DHCP servers say is believed when it comes in
 * by a port of 'trusted', and dropped elsewhere.  Each lease that such a server acknowledges is
 * entered in 'leases' (MAC, VLAN, tenant -> IPv4 address, until when).  With 'config.enforce',
 * IPv4 and ARP from a port that is not trusted pass only with the address that was leased to their
 * MAC; before it has one, a client may send DHCP and nothing else of IPv4.
 *
 * 	vswitchctl filter attach dhcp-snoop --switch lan0 --meta
 * 	vswitchctl filter map set dhcp-snoop trusted uplink 1
 * 	vswitchctl filter map set dhcp-snoop config 0 '{"enforce": 1}'
 * 	vswitchctl filter map dump dhcp-snoop leases
 *
 * IPv6 is none of its business.
 *
 * Source: RFC 2131 2, RFC 2132 9.6 and 9.2, RFC 826.
 */
#include <vswitch_packet.h>
#include <vswitch_filter.h>

#define MAX_OPTIONS 64 /* looked at in one message */

struct config {
	__u32 enforce;
	__u32 default_lease_s; /* of an acknowledgement that does not say; 0: an hour */
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

/* Ports behind which servers are. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, vswitch_port);
	__type(value, __u8);
} trusted SEC(".maps");

struct client {
	__u32 tenant;
	__u16 vlan;
	__u8 mac[6];
};
struct lease {
	__be32 address;
	__u32 server_port; /* by which the acknowledgement came */
	__u64 until_ns;	   /* monotonic */
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct client);
	__type(value, struct lease);
} leases SEC(".maps");

enum { LEASED, ROGUE_SERVER, NO_LEASE, WRONG_ADDRESS, EXPIRED, NO_META, N_COUNTS };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, N_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct dhcp {
	__u8 op, htype, hlen, hops;
	__be32 xid;
	__be16 secs, flags;
	__be32 ciaddr, yiaddr, siaddr, giaddr;
	__u8 chaddr[16];
	__u8 unused[192];
	__be32 cookie;
};

struct arp {
	__be16 hardware, protocol;
	__u8 hardware_size, protocol_size;
	__be16 op;
	__u8 sender_mac[6];
	__u8 sender_ip[4];
} __attribute__((packed));

/* What is known of the packet before its IP header. */
struct where {
	struct client client;
	__u32 port;
	int trusted;
};

static __always_inline int count(__u32 what, int verdict)
{
	__u64 *n = bpf_map_lookup_elem(&counts, &what);

	if (n)
		*n += 1;
	return verdict;
}

/* Message type and lease time among the options, which begin at 'at'; false when there is no type.
 * By bytes loaded into memory of ours: a way through them by pointers is more than the verifier
 * follows. */
static __always_inline int read_options(struct xdp_md *ctx, __u32 at, __u8 *type, __u32 *lease_s)
{
	*type = 0;
	for (int i = 0; i < MAX_OPTIONS; i++) {
		__u8 option[2] = {};
		__be32 value;

		/* The last one may be a single byte at the packet's end. */
		if (bpf_xdp_load_bytes(ctx, at, option, 2) != 0 || option[0] == 255)
			break;
		if (option[0] == 0) {
			at++;
			continue;
		}
		if (option[0] == 53 && option[1] == 1)
			bpf_xdp_load_bytes(ctx, at + 2, type, 1);
		if (option[0] == 51 && option[1] == 4 &&
		    bpf_xdp_load_bytes(ctx, at + 2, &value, 4) == 0)
			*lease_s = bpf_ntohl(value);
		at += 2 + option[1];
	}
	return *type != 0;
}

/* A message of a server's. */
static __always_inline int from_server(struct xdp_md *ctx, struct cursor *c,
				       const struct where *where, const struct config *conf)
{
	__u32 lease_s = conf->default_lease_s ? conf->default_lease_s : 3600;
	struct client client = where->client;
	struct dhcp *dhcp = take(c, sizeof(*dhcp));
	struct lease lease = {};
	__u8 type;

	if (!where->trusted)
		return count(ROGUE_SERVER, XDP_DROP);
	/* BOOTREPLY with the options' cookie, for an Ethernet client. */
	if (!dhcp || dhcp->op != 2 || dhcp->hlen != 6 || dhcp->cookie != bpf_htonl(0x63825363))
		return XDP_PASS;
	__builtin_memcpy(client.mac, dhcp->chaddr, sizeof(client.mac));
	lease.address = dhcp->yiaddr;
	/* DHCPACK of an address; one that answers DHCPINFORM gives none. */
	if (!read_options(ctx, c->at - (void *)(long)ctx->data, &type, &lease_s) || type != 5 ||
	    !lease.address)
		return XDP_PASS;
	lease.server_port = where->port;
	lease.until_ns =
		lease_s == 0xffffffff ? ~0ull : bpf_ktime_get_ns() + lease_s * 1000000000ull;
	bpf_map_update_elem(&leases, &client, &lease, BPF_ANY);
	return count(LEASED, XDP_PASS);
}

/* May the client use this address? */
static __always_inline int judge(const struct where *where, const struct config *conf,
				 __be32 address)
{
	struct lease *lease;

	if (!conf->enforce || where->trusted)
		return XDP_PASS;
	lease = bpf_map_lookup_elem(&leases, &where->client);
	if (!lease)
		return count(NO_LEASE, XDP_DROP);
	if (lease->until_ns < bpf_ktime_get_ns())
		return count(EXPIRED, XDP_DROP);
	if (lease->address != address)
		return count(WRONG_ADDRESS, XDP_DROP);
	return XDP_PASS;
}

static __always_inline int on_ipv4(struct xdp_md *ctx, struct cursor *c, const struct where *where,
				   const struct config *conf)
{
	struct iphdr *ip = take_ipv4(c);

	if (!ip)
		return conf->enforce && !where->trusted ? count(NO_LEASE, XDP_DROP) : XDP_PASS;
	if (ip->protocol == IPPROTO_UDP && !is_later_fragment(ip)) {
		struct udphdr *udp = take(c, sizeof(*udp));

		if (udp && udp->source == bpf_htons(67))
			return from_server(ctx, c, where, conf);
		if (udp && udp->source == bpf_htons(68) && udp->dest == bpf_htons(67))
			return XDP_PASS;
	}
	return judge(where, conf, ip->saddr);
}

static __always_inline int on_arp(struct cursor *c, const struct where *where,
				  const struct config *conf)
{
	struct arp *arp = take(c, sizeof(*arp));
	__be32 address;

	if (!arp || !conf->enforce)
		return XDP_PASS;
	__builtin_memcpy(&address, arp->sender_ip, sizeof(address));
	/* A probe says nothing of who has the address (RFC 5227 2.1.1). */
	return address ? judge(where, conf, address) : XDP_PASS;
}

SEC("xdp")
int dhcp_snoop(struct xdp_md *ctx)
{
	struct vswitch_meta *meta = (void *)(long)ctx->data_meta;
	struct cursor c = cursor_of(ctx);
	struct where where = {};
	struct config *conf;
	struct ethhdr *eth;
	__u32 zero = 0;
	__be16 type;

	if ((void *)(meta + 1) > (void *)(long)ctx->data)
		return count(NO_META, XDP_ABORTED);
	where.port = meta->port;
	where.client.tenant = meta->tenant;
	type = take_ethernet(&c, &eth, &where.client.vlan);
	conf = bpf_map_lookup_elem(&config, &zero);
	if (!type || !conf)
		return XDP_PASS;
	__builtin_memcpy(where.client.mac, eth->h_source, sizeof(where.client.mac));
	where.trusted = bpf_map_lookup_elem(&trusted, &where.port) != 0;
	if (type == bpf_htons(ETH_P_IP))
		return on_ipv4(ctx, &c, &where, conf);
	if (type == bpf_htons(ETH_P_ARP))
		return on_arp(&c, &where, conf);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
