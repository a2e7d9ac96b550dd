/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See tls.h.
 */
#include "vswitch/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

enum { CA, CERT, KEY, N_FILES };

struct vs_tls {
	SSL_CTX *ctx;
	char *paths[N_FILES];
	struct timespec changed[N_FILES]; /* when they were read last */
	char error[320];
};

static void reason_of(unsigned long code, char *text, size_t size)
{
	const char *reason = ERR_reason_error_string(code);

	if (reason != NULL)
		snprintf(text, size, "%s", reason);
	else if (ERR_SYSTEM_ERROR(code))
		snprintf(text, size, "%s", strerror(ERR_GET_REASON(code)));
	else
		snprintf(text, size, "TLS error %lx", code);
}

static int refuse(const char *what, const char *path, struct err *err)
{
	char text[160];

	/* The first error says what, later ones where it passed. */
	reason_of(ERR_peek_error(), text, sizeof(text));
	ERR_clear_error();
	err_set(err, -EINVAL, "bad-certificate", "cannot use %s %s: %s", what, path, text);
	err_fix(err, "give a file in PEM that vswitchd may read; openssl x509 -in FILE -text");
	return -EINVAL;
}

/* A key with a pass phrase would ask for it on a terminal that nobody looks at. */
static int no_pass_phrase(char *buf, int size, int writing, void *arg)
{
	return -1;
}

static void set_rules(SSL_CTX *ctx)
{
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
}

static int load(SSL_CTX *ctx, char *const paths[N_FILES], struct err *err)
{
	ERR_clear_error();
	if (SSL_CTX_load_verify_locations(ctx, paths[CA], NULL) != 1)
		return refuse("the CA", paths[CA], err);
	if (SSL_CTX_use_certificate_chain_file(ctx, paths[CERT]) != 1)
		return refuse("the certificate", paths[CERT], err);
	if (SSL_CTX_use_PrivateKey_file(ctx, paths[KEY], SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return refuse("the key", paths[KEY], err);
	/* A client that has several certificates shows the one that this asks for. */
	SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(paths[CA]));
	return 0;
}

static void look_at_files(const struct vs_tls *tls, struct timespec ret[N_FILES])
{
	for (int i = 0; i < N_FILES; i++) {
		struct stat st;

		ret[i] = stat(tls->paths[i], &st) == 0 ? st.st_mtim : (struct timespec){0};
	}
}

static int read_files(struct vs_tls *tls, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	int rc;

	look_at_files(tls, tls->changed);
	tls->error[0] = '\0';
	if (ctx == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for TLS");
	set_rules(ctx);
	rc = load(ctx, tls->paths, err);
	if (rc != 0) {
		snprintf(tls->error, sizeof(tls->error), "%s", err->what);
		SSL_CTX_free(ctx);
		return rc;
	}
	SSL_CTX_free(tls->ctx);
	tls->ctx = ctx;
	return 0;
}

int vs_tls_create(const struct vs_tls_files *files, bool patient, struct vs_tls **ret_tls,
		  struct err *err)
{
	struct vs_tls *tls = calloc(1, sizeof(*tls));
	struct err local = {0};
	int rc;

	if (tls == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for TLS");
	tls->paths[CA] = strdup(files->ca);
	tls->paths[CERT] = strdup(files->cert);
	tls->paths[KEY] = strdup(files->key);
	if (tls->paths[CA] == NULL || tls->paths[CERT] == NULL || tls->paths[KEY] == NULL)
		rc = err_set(&local, -ENOMEM, "no-memory", "no memory for TLS");
	else
		rc = read_files(tls, &local);
	if (rc != 0 && !(patient && rc == -EINVAL)) {
		vs_tls_destroy(tls);
		if (err != NULL)
			*err = local;
		return rc;
	}
	*ret_tls = tls;
	return 0;
}

void vs_tls_destroy(struct vs_tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->ctx);
	for (int i = 0; i < N_FILES; i++)
		free(tls->paths[i]);
	free(tls);
}

const char *vs_tls_error(const struct vs_tls *tls)
{
	return tls->error;
}

static bool has_changed(const struct vs_tls *tls)
{
	struct timespec now[N_FILES];

	look_at_files(tls, now);
	return memcmp(now, tls->changed, sizeof(now)) != 0;
}

struct bufferevent *vs_tls_bufferevent(struct vs_tls *tls, struct event_base *base, int fd,
				       bool accepts, int options)
{
	struct bufferevent *bev;
	struct err err = {0};
	SSL *ssl;

	if (tls->ctx == NULL || has_changed(tls))
		(void)read_files(tls, &err);
	ssl = tls->ctx != NULL ? SSL_new(tls->ctx) : NULL;
	if (ssl == NULL)
		return NULL;
	bev = bufferevent_openssl_socket_new(base, fd, ssl,
					     accepts ? BUFFEREVENT_SSL_ACCEPTING
						     : BUFFEREVENT_SSL_CONNECTING,
					     options);
	if (bev == NULL) {
		SSL_free(ssl);
		return NULL;
	}
	/* Who just closes has closed: OpenFlow's messages have lengths of their own. */
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

bool vs_tls_why(struct bufferevent *bev, char *text, size_t size)
{
	unsigned long code = bufferevent_get_openssl_error(bev);
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	long verdict = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;

	if (verdict != X509_V_OK)
		snprintf(text, size, "TLS: the peer's certificate: %s",
			 X509_verify_cert_error_string(verdict));
	else if (code != 0)
		snprintf(text, size, "TLS: %s",
			 ERR_reason_error_string(code) != NULL ? ERR_reason_error_string(code)
							       : "the handshake failed");
	return verdict != X509_V_OK || code != 0;
}
