/* SPDX-License-Identifier: BSD-2-Clause
 *
 * libbpf trusts its objects: a damaged one can make it read where nothing is, or go round for ever
 * (1.1 does; tests/fuzz/ebpf_object_fuzz.c found it within seconds).  So before an object is let
 * into this process a child of it goes all the way, up to the verifier's answer.  When the child
 * dies, the object is refused, and we live.
 *
 * The child shares nothing but one page.  It ends without any of this process' ends.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filters/ebpf/object_priv.h"

#define MAX_TIME_S 30u

struct answer {
	volatile bool done, in_libbpf;
	int rc;
	struct err err;
};

static struct answer *answering; /* in the child */

void ebpf_object_rehearse_mark(bool in_libbpf)
{
	if (answering != NULL)
		answering->in_libbpf = in_libbpf;
}

/* Where a crash is but a crash: this process may have handlers. */
static void signals_reset(void)
{
	static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};
	const struct rlimit none = {0};
	sigset_t all;

	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		signal(deadly[i], SIG_DFL);
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(MAX_TIME_S);
}

static int died(const char *name, const struct answer *answer, int status, struct err *err)
{
	bool late = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;

	err_set(err, -EINVAL, "bad-object", "cannot load module %s: the object is damaged", name);
	if (late)
		err_why(err, "libbpf and the verifier had not done with it after %u seconds",
			MAX_TIME_S);
	else
		err_why(err, "%s crashed on it (in a process of its own)",
			answer->in_libbpf ? "libbpf" : "the loader");
	err_fix(err, "compile it again: clang -O2 -g -target bpf -c SOURCE.c -o OBJECT.o");
	return -EINVAL;
}

int ebpf_object_rehearse(const char *name, ebpf_rehearse_fn fn, void *arg, struct err *err)
{
	struct answer *answer = mmap(NULL, sizeof(*answer), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0, rc;
	pid_t child;

	if (answer == MAP_FAILED)
		return err_set(err, -ENOMEM, "no-memory", "cannot load module %s: no memory", name);
	child = fork();
	if (child == 0) {
		answering = answer;
		signals_reset();
		answer->rc = fn(arg, &answer->err);
		answer->done = true;
		_exit(0);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (child < 0) {
		rc = err_set(err, -ENOMEM, "no-memory", "cannot load module %s: %s", name,
			     strerror(errno));
	} else if (!answer->done) {
		rc = died(name, answer, status, err);
	} else {
		rc = answer->rc;
		if (rc != 0 && err != NULL)
			*err = answer->err;
	}
	munmap(answer, sizeof(*answer));
	return rc;
}
