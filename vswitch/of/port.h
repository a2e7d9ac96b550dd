/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about ports and their queues (OpenFlow 1.3.5, A.2.1, A.2.2, A.3.4.3, A.3.5.6 to A.3.5.8,
 * A.3.6, A.4.3).
 */
#ifndef VSWITCH_OF_PORT_H
#define VSWITCH_OF_PORT_H

#include "vswitch/of/action.h"

#define OF_PORT_NAME_SIZE 16
#define OF_PORT_SIZE	  64 /* on the wire */

enum of_port_config {
	OFPPC_PORT_DOWN = 1 << 0,
	OFPPC_NO_RECV = 1 << 2,
	OFPPC_NO_FWD = 1 << 5,
	OFPPC_NO_PACKET_IN = 1 << 6,
	OFPPC_ALL = OFPPC_PORT_DOWN | OFPPC_NO_RECV | OFPPC_NO_FWD | OFPPC_NO_PACKET_IN,
};
enum of_port_state {
	OFPPS_LINK_DOWN = 1 << 0,
	OFPPS_BLOCKED = 1 << 1,
	OFPPS_LIVE = 1 << 2,
};
enum of_port_features {
	OFPPF_10MB_HD = 1 << 0,
	OFPPF_10MB_FD = 1 << 1,
	OFPPF_100MB_HD = 1 << 2,
	OFPPF_100MB_FD = 1 << 3,
	OFPPF_1GB_HD = 1 << 4,
	OFPPF_1GB_FD = 1 << 5,
	OFPPF_10GB_FD = 1 << 6,
	OFPPF_40GB_FD = 1 << 7,
	OFPPF_100GB_FD = 1 << 8,
	OFPPF_1TB_FD = 1 << 9,
	OFPPF_OTHER = 1 << 10,
	OFPPF_COPPER = 1 << 11,
	OFPPF_FIBER = 1 << 12,
	OFPPF_AUTONEG = 1 << 13,
	OFPPF_PAUSE = 1 << 14,
	OFPPF_PAUSE_ASYM = 1 << 15,
	OFPPF_ALL = (1 << 16) - 1,
};

struct of_port {
	uint32_t no;
	uint8_t mac[6];
	char name[OF_PORT_NAME_SIZE]; /* ends with a zero */
	uint32_t config, state;
	uint32_t curr, advertised, supported, peer; /* enum of_port_features */
	uint32_t curr_speed, max_speed;		    /* kbit/s */
};
/* An entry of a port description reply. */
enum of_error of_port_decode(struct rd *rd, struct of_port *ret_port);
void of_port_encode(struct wr *wr, const struct of_port *port);

enum of_port_reason { OFPPR_ADD = 0, OFPPR_DELETE = 1, OFPPR_MODIFY = 2 };
struct of_port_status {
	uint8_t reason;
	struct of_port port;
};
enum of_error of_port_status_decode(struct rd *rd, struct of_port_status *ret_status);
void of_port_status_encode(struct wr *wr, uint32_t xid, const struct of_port_status *status);

struct of_port_mod {
	uint32_t no;
	uint8_t mac[6];
	uint32_t config, mask;
	uint32_t advertise; /* 0: as before */
};
enum of_error of_port_mod_decode(struct rd *rd, struct of_port_mod *ret_mod);
void of_port_mod_encode(struct wr *wr, uint32_t xid, const struct of_port_mod *mod);

/* The body of port statistics, and of queue configuration requests: a port. */
enum of_error of_port_request_decode(struct rd *rd, uint32_t *ret_port);
void of_port_request_encode(struct wr *wr, uint32_t port);

/* An entry of a port statistics reply; all ones where a counter does not exist. */
struct of_port_stats {
	uint32_t no;
	uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped;
	uint64_t rx_errors, tx_errors, rx_frame_err, rx_over_err, rx_crc_err, collisions;
	uint32_t duration_s, duration_ns;
};
enum of_error of_port_stats_decode(struct rd *rd, struct of_port_stats *ret_stats);
void of_port_stats_encode(struct wr *wr, const struct of_port_stats *stats);

/* Queues. */
#define OF_QUEUE_RATE_NONE 0xffff
struct of_queue {
	uint32_t id;
	uint32_t port;
	uint16_t min_rate, max_rate; /* in 1/10 of a percent; OF_QUEUE_RATE_NONE: not there */
};
/* An entry of a queue configuration reply. */
enum of_error of_queue_decode(struct rd *rd, struct of_queue *ret_queue);
void of_queue_encode(struct wr *wr, const struct of_queue *queue);
/* A whole reply; 'port' is what was asked for. */
void of_queue_config_encode(struct wr *wr, uint32_t xid, uint32_t port,
			    const struct of_queue *queues, size_t n);

struct of_queue_request {
	uint32_t port;	/* OFPP_ANY: all */
	uint32_t queue; /* OF_QUEUE_ALL: all */
};
enum of_error of_queue_request_decode(struct rd *rd, struct of_queue_request *ret_request);
void of_queue_request_encode(struct wr *wr, const struct of_queue_request *request);

struct of_queue_stats {
	uint32_t port, queue;
	uint64_t tx_bytes, tx_packets, tx_errors;
	uint32_t duration_s, duration_ns;
};
enum of_error of_queue_stats_decode(struct rd *rd, struct of_queue_stats *ret_stats);
void of_queue_stats_encode(struct wr *wr, const struct of_queue_stats *stats);

#endif
