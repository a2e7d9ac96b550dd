/* SPDX-License-Identifier: BSD-2-Clause
 *
 * TLS for connections to controllers: version 1.2 and newer, both sides show a certificate, and a
 * peer is let in when its own was signed by the CA that was configured for it.  Names in
 * certificates are not compared: targets are addresses, and who holds a certificate of that CA is a
 * controller.  So the CA should be one for this purpose alone.
 *
 * Files that changed are read again for the next connection; what is wrong with them then leaves
 * the old ones in force.  Control thread.
 */
#ifndef VSWITCH_TLS_H
#define VSWITCH_TLS_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct bufferevent;
struct event_base;
struct vs_tls;

/* Paths, in PEM: whom to trust, our certificate (with what it was signed by), its key. */
struct vs_tls_files {
	const char *ca, *cert, *key;
};

/* Reads them.  -EINVAL, slug "bad-certificate", with the file and what is wrong; 'patient': that is
 * no failure, they are read again for each connection. */
int vs_tls_create(const struct vs_tls_files *files, bool patient, struct vs_tls **ret_tls,
		  struct err *err);
/* Connections that there are go on.  Takes NULL. */
void vs_tls_destroy(struct vs_tls *tls);

/* A connection over 'fd' (-1: not connected yet), which it closes at its end; 'accepts': as a
 * server.  NULL when there is no memory, or none of the files was ever right (vs_tls_error()); then
 * 'fd' is the caller's. */
struct bufferevent *vs_tls_bufferevent(struct vs_tls *tls, struct event_base *base, int fd,
				       bool accepts, int options);
/* Why the files cannot be used; "": they can. */
const char *vs_tls_error(const struct vs_tls *tls);
/* What TLS says of a connection that failed; false: nothing, or there is no TLS on it. */
bool vs_tls_why(struct bufferevent *bev, char *text, size_t size);

#endif
