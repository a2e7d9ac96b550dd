/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Targets at work, over the loopback interface and unix sockets in a folder of our own: two remotes
 * that find each other, are lost and come back; what cannot be listened on; TLS with a CA made
 * here.
 */
#include "vswitch/remote.h"

#include "ctl/base/clock.h"
#include "vswitch/tls.h"
#include "ctl/base/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

/* One end: a remote, and its channel. */
struct end {
	struct vs_remote *remote;
	struct vs_channel *ch;
	unsigned n_up, n_gone, n_messages;
	char reason[VS_CHANNEL_REASON_MAX];
};

struct fixture {
	struct event_base *base;
	struct end a, b;
	char dir[64];
};

static void opened(void *ctx, struct vs_remote *remote, struct vs_channel *ch)
{
	((struct end *)ctx)->ch = ch;
}

static void up(void *ctx, struct vs_channel *ch)
{
	((struct end *)ctx)->n_up++;
}

static void message(void *ctx, struct vs_channel *ch, const struct of_header *header,
		    const uint8_t *msg)
{
	((struct end *)ctx)->n_messages++;
}

static void gone(void *ctx, struct vs_channel *ch, const char *reason)
{
	struct end *end = ctx;
	bool was_up = end->n_up > end->n_gone;

	end->n_gone++;
	snprintf(end->reason, sizeof(end->reason), "%s", reason);
	end->ch = NULL;
	vs_remote_lost(end->remote, was_up, reason);
}

static const struct vs_channel_ops ops = {.up = up, .message = message, .gone = gone};

static int begin(struct fixture *f, struct end *end, const char *target, struct vs_tls *tls,
		 bool patient, struct err *err)
{
	struct vs_remote_opts opts = {.base = f->base,
				      .channel = {.ops = &ops, .ctx = end},
				      .tls = tls,
				      .opened = opened,
				      .ctx = end,
				      .group = UNIX_NO_GROUP,
				      .retry_ms = 20};

	assert_int_equal(vs_target_parse(target, &opts.target, err), 0);
	return vs_remote_create(&opts, patient, &end->remote, err);
}

static void finish(struct end *end)
{
	vs_channel_destroy(end->ch);
	vs_remote_destroy(end->remote);
	*end = (struct end){0};
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->base = event_base_new();
	snprintf(f->dir, sizeof(f->dir), "/tmp/vswitch-remote-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[96];

	finish(&f->a);
	finish(&f->b);
	event_base_free(f->base);
	snprintf(command, sizeof(command), "rm -r %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

/* Until 'n' has at least the value, or the time is over. */
static bool wait_for_some(struct fixture *f, const unsigned *n, unsigned value, unsigned ms)
{
	uint64_t end = clock_mono_ns() + ms * 1000000ull;

	while (*n < value && clock_mono_ns() < end) {
		const struct timeval tick = {0, 10000};

		event_base_loopexit(f->base, &tick);
		event_base_dispatch(f->base);
	}
	return *n >= value;
}

static bool wait_for(struct fixture *f, const unsigned *n, unsigned value)
{
	return wait_for_some(f, n, value, 10000);
}

static void two_ends_meet_and_meet_again(void **state)
{
	struct fixture *f = *state;
	char here[128], there[128];
	struct err err = {0};

	snprintf(here, sizeof(here), "punix:%s/s", f->dir);
	snprintf(there, sizeof(there), "unix:%s/s", f->dir);
	/* Who does not listen yet is waited for, and why is said. */
	assert_int_equal(begin(f, &f->b, there, NULL, false, &err), 0);
	event_base_loop(f->base, EVLOOP_ONCE);
	event_base_loop(f->base, EVLOOP_ONCE);
	assert_int_equal(begin(f, &f->a, here, NULL, false, &err), 0);
	assert_int_equal(vs_remote_state(f->a.remote), VS_REMOTE_LISTENING);
	assert_true(wait_for(f, &f->a.n_up, 1) && wait_for(f, &f->b.n_up, 1));
	assert_string_equal(vs_remote_error(f->b.remote), "No such file or directory");
	assert_int_equal(vs_remote_state(f->b.remote), VS_REMOTE_CONNECTED);
	assert_int_equal(strncmp(f->a.ch->peer, "process ", 8), 0);
	vs_channel_end(f->a.ch, "enough");
	assert_true(wait_for(f, &f->a.n_up, 2) && wait_for(f, &f->b.n_up, 2));
	assert_string_equal(f->a.reason, "enough");
}

static void its_socket_is_closed_to_others_and_goes_with_it(void **state)
{
	struct fixture *f = *state;
	char here[128];
	struct err err = {0};
	struct stat st;

	snprintf(here, sizeof(here), "punix:%s/s", f->dir);
	assert_int_equal(begin(f, &f->a, here, NULL, false, &err), 0);
	assert_int_equal(stat(here + 6, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(begin(f, &f->b, here, NULL, false, &err), -EADDRINUSE);
	finish(&f->a);
	assert_int_equal(stat(here + 6, &st), -1);
}

static void a_file_or_an_open_folder_is_refused(void **state)
{
	struct fixture *f = *state;
	char here[128];
	struct err err = {0};
	int fd;

	snprintf(here, sizeof(here), "punix:%s/s", f->dir);
	fd = open(here + 6, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(begin(f, &f->a, here, NULL, false, &err), -EEXIST);
	unlink(here + 6);
	assert_int_equal(chmod(f->dir, 0777), 0);
	assert_int_equal(begin(f, &f->a, here, NULL, false, &err), -EPERM);
	assert_string_equal(err.slug, "open-directory");
	assert_int_equal(chmod(f->dir, 0700), 0);
	/* The patient one has it as soon as it can be had. */
	assert_int_equal(mkdir(here + 6, 0700), 0);
	assert_int_equal(begin(f, &f->a, here, NULL, true, &err), 0);
	assert_int_equal(vs_remote_state(f->a.remote), VS_REMOTE_WAITING);
	assert_non_null(strstr(vs_remote_error(f->a.remote), "not a socket"));
	rmdir(here + 6);
	snprintf(here, sizeof(here), "unix:%s/s", f->dir);
	assert_int_equal(begin(f, &f->b, here, NULL, false, &err), 0);
	assert_true(wait_for(f, &f->b.n_up, 1));
}

static void make_certificates(const struct fixture *f)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "cd %s && for n in ca other; do openssl req -x509 -newkey rsa:2048 -nodes -days 2 "
		 "-subj /CN=$n -keyout $n.key -out $n.pem; done >/dev/null 2>&1; "
		 "for n in a:ca b:ca stranger:other; do openssl req -newkey rsa:2048 -nodes -subj "
		 "/CN=${n%%:*} -keyout ${n%%:*}.key -out csr && openssl x509 -req -in csr -CA "
		 "${n#*:}.pem -CAkey ${n#*:}.key -CAcreateserial -days 2 -out ${n%%:*}.pem; done "
		 ">/dev/null 2>&1",
		 f->dir);
	assert_int_equal(system(command), 0);
}

static struct vs_tls *tls_of(const struct fixture *f, const char *name)
{
	char ca[96], cert[96], key[96];
	const struct vs_tls_files files = {ca, cert, key};
	struct vs_tls *tls = NULL;
	struct err err = {0};

	snprintf(ca, sizeof(ca), "%s/ca.pem", f->dir);
	snprintf(cert, sizeof(cert), "%s/%s.pem", f->dir, name);
	snprintf(key, sizeof(key), "%s/%s.key", f->dir, name);
	if (vs_tls_create(&files, false, &tls, &err) != 0)
		fail_msg("%s", err.what);
	return tls;
}

/* A certificate and its key in one file. */
static void put_together(const struct fixture *f, const char *name, const char *file)
{
	char command[160];

	snprintf(command, sizeof(command), "cd %s && cat %s.pem %s.key > %s", f->dir, name, name,
		 file);
	assert_int_equal(system(command), 0);
}

static void tls_lets_in_who_has_a_certificate_of_the_ca(void **state)
{
	struct fixture *f = *state;
	struct vs_tls *a, *b, *stranger, *none = NULL;
	struct err err = {0};
	char missing[96], ca[96];
	const struct vs_tls_files files = {ca, missing, missing};

	if (system("openssl version >/dev/null 2>&1") != 0)
		skip();
	make_certificates(f);
	a = tls_of(f, "a");
	b = tls_of(f, "b");
	stranger = tls_of(f, "stranger");
	snprintf(ca, sizeof(ca), "%s/ca.pem", f->dir);
	snprintf(missing, sizeof(missing), "%s/missing.pem", f->dir);
	assert_int_equal(vs_tls_create(&files, false, &none, &err), -EINVAL);
	assert_non_null(strstr(err.what, "missing.pem"));

	assert_int_equal(begin(f, &f->a, "ptls:17653:127.9.8.7", a, false, &err), 0);
	assert_int_equal(begin(f, &f->b, "tls:127.9.8.7:17653", b, false, &err), 0);
	assert_true(wait_for(f, &f->a.n_up, 1) && wait_for(f, &f->b.n_up, 1));
	finish(&f->b);
	assert_true(wait_for(f, &f->a.n_gone, 1));

	assert_int_equal(begin(f, &f->b, "tls:127.9.8.7:17653", stranger, false, &err), 0);
	assert_true(wait_for(f, &f->a.n_gone, 2));
	assert_int_equal(f->a.n_up, 1);
	assert_non_null(strstr(f->a.reason, "certificate"));
	finish(&f->b);
	assert_int_equal(begin(f, &f->b, "tcp:127.9.8.7:17653", NULL, false, &err), 0);
	assert_true(wait_for(f, &f->a.n_gone, 3));
	assert_int_equal(f->a.n_up, 1);
	finish(&f->b);
	finish(&f->a);

	/* Files that come later are read then. */
	assert_int_equal(vs_tls_create(&files, true, &none, &err), 0);
	assert_int_equal(begin(f, &f->a, "ptls:17653:127.9.8.7", none, false, &err), 0);
	assert_int_equal(begin(f, &f->b, "tls:127.9.8.7:17653", b, false, &err), 0);
	assert_false(wait_for_some(f, &f->b.n_up, 1, 300));
	assert_non_null(strstr(vs_remote_error(f->a.remote), "missing.pem"));
	put_together(f, "a", "missing.pem");
	assert_true(wait_for(f, &f->b.n_up, 1));
	finish(&f->b);
	finish(&f->a);
	vs_tls_destroy(none);
	vs_tls_destroy(a);
	vs_tls_destroy(b);
	vs_tls_destroy(stranger);
}

static void a_port_that_is_taken_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};

	assert_int_equal(begin(f, &f->a, "ptcp:17654:127.9.8.7", NULL, false, &err), 0);
	assert_int_equal(begin(f, &f->b, "ptcp:17654:127.9.8.7", NULL, false, &err), -EADDRINUSE);
	assert_string_equal(err.slug, "port-busy");
	assert_int_equal(begin(f, &f->b, "ptcp:17654:192.0.2.1", NULL, false, &err),
			 -EADDRNOTAVAIL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(two_ends_meet_and_meet_again),
		T(its_socket_is_closed_to_others_and_goes_with_it),
		T(a_file_or_an_open_folder_is_refused),
		T(tls_lets_in_who_has_a_certificate_of_the_ca),
		T(a_port_that_is_taken_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
