/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What FTP and TFTP say about a connection to come, as one side tells the other where it waits:
 *
 * 	client  PORT 10,0,0,1,4,1            I wait at 10.0.0.1, port 1025
 * 	client  EPRT |2|fd00::1|1025|        the same, in words of RFC 2428
 * 	server  227 Passive (10,0,0,2,4,1)   I wait
 * 	server  229 Passive (|||1025|)       I wait, at the address that you know
 *
 * Bytes only: nothing is believed here.  Who asks holds an address against that of the sender, for
 * whoever names another's opens a door in somebody else's wall.
 *
 * Sources: RFC 959 4.1.2, 2428 2 and 3, 1123 4.1.2.6 (the words of 227 are anybody's), 1350 2.
 */
#ifndef DATAPLANE_ALG_H
#define DATAPLANE_ALG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dp_alg_said {
	bool v6, has_address;
	uint16_t port;	/* host order; 0: nothing was said */
	uint8_t ip[16]; /* IPv4 has the first four bytes */
	/* Where address and port stand in the text, and what is between them; 0: six numbers. */
	uint16_t at, size;
	char mark;
};

/* The first line of 'text', which must end within it, if it is such a command (or, from the server,
 * such a reply).  Any thread. */
bool dp_alg_ftp(const char *text, size_t size, bool server, struct dp_alg_said *ret);
/* Address and port in such words, as 'said' has them (has_address); how long, without a zero at the
 * end.  Any thread. */
#define DP_ALG_WORDS 64
size_t dp_alg_ftp_words(const struct dp_alg_said *said, char ret[DP_ALG_WORDS]);
/* Is it the request that begins a TFTP transfer? */
bool dp_alg_tftp(const uint8_t *payload, size_t size);

#endif
