/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Object identifiers: what RNDIS QUERY and SET are about, and the structures that are their values.
 * Codec: bytes only, both ends.
 *
 * Most structures begin with an object header (type, revision, size); a later revision has more at
 * its end, so a reader takes what is there and zeros for the rest.  Every reader returns 0, or
 * -EBADMSG for sizes and offsets that do not fit; every writer returns how many bytes it wrote.
 *
 * Source: NDIS structures as in Linux drivers/net/hyperv/hyperv_net.h.
 */
#ifndef VMBUS_OID_H
#define VMBUS_OID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum oid {
	OID_GEN_SUPPORTED_LIST = 0x00010101,
	OID_GEN_HARDWARE_STATUS = 0x00010102,
	OID_GEN_MEDIA_SUPPORTED = 0x00010103,
	OID_GEN_MEDIA_IN_USE = 0x00010104,
	OID_GEN_MAXIMUM_LOOKAHEAD = 0x00010105,
	OID_GEN_MAXIMUM_FRAME_SIZE = 0x00010106,
	OID_GEN_LINK_SPEED = 0x00010107,
	OID_GEN_TRANSMIT_BUFFER_SPACE = 0x00010108,
	OID_GEN_RECEIVE_BUFFER_SPACE = 0x00010109,
	OID_GEN_TRANSMIT_BLOCK_SIZE = 0x0001010A,
	OID_GEN_RECEIVE_BLOCK_SIZE = 0x0001010B,
	OID_GEN_VENDOR_ID = 0x0001010C,
	OID_GEN_VENDOR_DESCRIPTION = 0x0001010D,
	OID_GEN_CURRENT_PACKET_FILTER = 0x0001010E,
	OID_GEN_CURRENT_LOOKAHEAD = 0x0001010F,
	OID_GEN_DRIVER_VERSION = 0x00010110,
	OID_GEN_MAXIMUM_TOTAL_SIZE = 0x00010111,
	OID_GEN_PROTOCOL_OPTIONS = 0x00010112,
	OID_GEN_MAC_OPTIONS = 0x00010113,
	OID_GEN_MEDIA_CONNECT_STATUS = 0x00010114,
	OID_GEN_MAXIMUM_SEND_PACKETS = 0x00010115,
	OID_GEN_VENDOR_DRIVER_VERSION = 0x00010116,
	OID_GEN_NETWORK_LAYER_ADDRESSES = 0x00010118,
	OID_GEN_TRANSPORT_HEADER_OFFSET = 0x00010119,
	OID_GEN_RECEIVE_SCALE_CAPABILITIES = 0x00010203,
	OID_GEN_RECEIVE_SCALE_PARAMETERS = 0x00010204,
	OID_GEN_MAX_LINK_SPEED = 0x00010206,
	OID_GEN_LINK_STATE = 0x00010207,
	OID_GEN_XMIT_OK = 0x00020101,
	OID_GEN_RCV_OK = 0x00020102,
	OID_GEN_XMIT_ERROR = 0x00020103,
	OID_GEN_RCV_ERROR = 0x00020104,
	OID_GEN_RCV_NO_BUFFER = 0x00020105,
	OID_GEN_FRIENDLY_NAME = 0x00020216,
	OID_GEN_RNDIS_CONFIG_PARAMETER = 0x0001021B,
	OID_802_3_PERMANENT_ADDRESS = 0x01010101,
	OID_802_3_CURRENT_ADDRESS = 0x01010102,
	OID_802_3_MULTICAST_LIST = 0x01010103,
	OID_802_3_MAXIMUM_LIST_SIZE = 0x01010104,
	OID_OFFLOAD_ENCAPSULATION = 0x0101010A,
	OID_TCP_OFFLOAD_CURRENT_CONFIG = (int)0xFC01020B,
	OID_TCP_OFFLOAD_PARAMETERS = (int)0xFC01020C,
	OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES = (int)0xFC01020D,
};

#define OID_HEADER_SIZE	    4u
#define OID_TYPE_DEFAULT    0x80
#define OID_TYPE_RSS_CAPS   0x88
#define OID_TYPE_RSS_PARAMS 0x89
#define OID_TYPE_OFFLOAD    0xA7

struct oid_header {
	uint8_t type, revision;
	uint16_t size;
};
/* Only the header: its size may be more than there is. */
int oid_header_read(const void *bytes, size_t size, struct oid_header *ret_header);
size_t oid_header_write(const struct oid_header *header, void *to);

/* NDIS_OFFLOAD: what a NIC can do, or does. */
#define OID_OFFLOAD_SIZE_1 112u
#define OID_OFFLOAD_SIZE_2 144u
#define OID_OFFLOAD_SIZE_3 156u
#define OID_OFFLOAD_MAX	   OID_OFFLOAD_SIZE_3
/* Bits of checksums. */
#define OID_CSUM4_IP_OPTIONS  0x001u
#define OID_CSUM4_TCP_OPTIONS 0x004u
#define OID_CSUM4_TCP	      0x010u
#define OID_CSUM4_UDP	      0x040u
#define OID_CSUM4_IP	      0x100u
#define OID_CSUM4_ALL	      0x155u
#define OID_CSUM6_EXTENSIONS  0x001u
#define OID_CSUM6_TCP_OPTIONS 0x004u
#define OID_CSUM6_TCP	      0x010u
#define OID_CSUM6_UDP	      0x040u
#define OID_CSUM6_ALL	      0x055u
/* Bits of 'lso6_options'. */
#define OID_LSO6_EXTENSIONS  0x1u
#define OID_LSO6_TCP_OPTIONS 0x4u
#define OID_LSO6_ALL	     0x5u

struct oid_offload {
	uint8_t revision; /* 1 to 3 */
	uint32_t tx_csum4, rx_csum4, tx_csum6, rx_csum6;
	uint32_t lso4_max, lso4_min_segments; /* bytes of a super-frame; 0: none */
	uint32_t lso6_max, lso6_min_segments, lso6_options;
	bool rsc4, rsc6; /* revision 3 */
};
int oid_offload_read(const void *bytes, size_t size, struct oid_offload *ret_offload);
/* 'to' has OID_OFFLOAD_MAX bytes.  A revision beyond 3 is taken for 3, 0 for 1. */
size_t oid_offload_write(const struct oid_offload *offload, void *to);

/* NDIS_OFFLOAD_PARAMETERS: what to switch on and off. */
#define OID_PARAMS_SIZE_1 20u
#define OID_PARAMS_SIZE_2 22u
#define OID_PARAMS_SIZE_3 28u
#define OID_PARAMS_MAX	  OID_PARAMS_SIZE_3
enum oid_params_csum { /* of checksums; other values mean no change */
		       OID_PARAMS_SAME = 0,
		       OID_PARAMS_OFF = 1,
		       OID_PARAMS_TX = 2,
		       OID_PARAMS_RX = 3,
		       OID_PARAMS_BOTH = 4,
};
#define OID_PARAMS_ON 2 /* of LSO and RSC */

struct oid_params {
	uint8_t revision;
	uint8_t ip4, tcp4, udp4, tcp6, udp6; /* enum oid_params_csum */
	uint8_t lso1, lso4, lso6;	     /* OID_PARAMS_SAME, _OFF, _ON */
	uint8_t rsc4, rsc6;
};
int oid_params_read(const void *bytes, size_t size, struct oid_params *ret_params);
size_t oid_params_write(const struct oid_params *params, void *to);

/* NDIS_RECEIVE_SCALE_CAPABILITIES. */
#define OID_RSS_CAPS_SIZE_1 16u
#define OID_RSS_CAPS_SIZE_2 18u
#define OID_RSS_CAPS_MAX    20u
#define OID_RSS_MSIX	    0x01000000u
#define OID_RSS_TCP4	    0x00000100u
#define OID_RSS_TCP6	    0x00000200u
#define OID_RSS_TOEPLITZ    0x00000001u

struct oid_rss_caps {
	uint32_t flags; /* OID_RSS_* */
	uint32_t n_messages, n_queues;
	uint16_t n_entries; /* of the indirection table */
};
int oid_rss_caps_read(const void *bytes, size_t size, struct oid_rss_caps *ret_caps);
size_t oid_rss_caps_write(const struct oid_rss_caps *caps, void *to);

/* NDIS_RECEIVE_SCALE_PARAMETERS. */
#define OID_RSS_MAX_ENTRIES  128u
#define OID_RSS_KEY_SIZE     40u
#define OID_RSS_PARAMS_LEAST 28u
#define OID_RSS_PARAMS_SIZE  40u
#define OID_RSS_PARAMS_MAX   (OID_RSS_PARAMS_SIZE + 4 * OID_RSS_MAX_ENTRIES + OID_RSS_KEY_SIZE)
/* Flags. */
#define OID_RSS_SAME_CPU   0x01u
#define OID_RSS_SAME_HASH  0x02u
#define OID_RSS_SAME_TABLE 0x04u
#define OID_RSS_SAME_KEY   0x08u
#define OID_RSS_DISABLE	   0x10u

struct oid_rss_params {
	uint16_t flags, base_cpu;
	uint32_t hash_info; /* OID_RSS_TOEPLITZ and types, NETVSP_HASH_* */
	uint16_t n_entries; /* 0: there is no table */
	uint16_t key_size;  /* 0: there is no key; else OID_RSS_KEY_SIZE */
	uint32_t table[OID_RSS_MAX_ENTRIES];
	uint8_t key[OID_RSS_KEY_SIZE];
};
/* Table and key are left out when 'flags' says that they stay, or all is off. */
int oid_rss_params_read(const void *bytes, size_t size, struct oid_rss_params *ret_params);
/* 'to' has OID_RSS_PARAMS_MAX bytes. */
size_t oid_rss_params_write(const struct oid_rss_params *params, void *to);

/* RNDIS_CONFIG_PARAMETER: a name and a value, of which "NetworkAddress" means something.
 * -EOPNOTSUPP: another name; -EINVAL: no address of 12 hexadecimal digits. */
#define OID_MAC_CHANGE_SIZE 72u
int oid_mac_change_read(const void *bytes, size_t size, uint8_t ret_mac[6]);
/* 'to' has OID_MAC_CHANGE_SIZE bytes. */
size_t oid_mac_change_write(const uint8_t mac[6], void *to);

/* NDIS_LINK_STATE and NDIS_LINK_SPEED, both directions alike. */
#define OID_LINK_STATE_SIZE 40u
#define OID_LINK_SPEED_SIZE 16u
struct oid_link_state {
	bool up;
	uint64_t bps;
};
int oid_link_state_read(const void *bytes, size_t size, struct oid_link_state *ret_link);
size_t oid_link_state_write(const struct oid_link_state *link, void *to);
size_t oid_link_speed_write(uint64_t bps, void *to);

/* ASCII to UTF-16 ('to' has 2 bytes a character, no end mark), and back what is ASCII ('?' for the
 * rest; 'to' has 'max' bytes and ends with 0). */
size_t oid_text_write(const char *text, void *to, size_t max);
void oid_text_read(const void *bytes, size_t size, char *to, size_t max);

#endif
