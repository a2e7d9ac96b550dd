/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Memory that is taken away while it is used.
 */
#include "dataplane/sigbus.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE 4096u
#define SIZE (8 * PAGE)

static uint8_t *map(int *ret_fd)
{
	uint8_t *va;

	*ret_fd = memfd_create("guard", MFD_CLOEXEC);
	assert_return_code(ftruncate(*ret_fd, SIZE), 0);
	va = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *ret_fd, 0);
	assert_true(va != MAP_FAILED);
	memset(va, 0x5a, SIZE);
	return va;
}

static void a_cut_file_reads_as_empty_and_is_told(void **state)
{
	atomic_bool lost = false;
	int fd;
	uint8_t *va = map(&fd);
	struct dp_sigbus *g = dp_sigbus_add(va, SIZE, &lost);

	assert_non_null(g);
	assert_return_code(ftruncate(fd, 2 * PAGE), 0);
	assert_int_equal(*(volatile uint8_t *)(va + PAGE), 0x5a);
	assert_false(lost);
	assert_int_equal(*(volatile uint8_t *)(va + 3 * PAGE), 0);
	assert_true(lost);
	memset(va + 2 * PAGE, 1, SIZE - 2 * PAGE);
	assert_int_equal(va[0], 0x5a); /* What is left is left. */
	dp_sigbus_remove(g);
	munmap(va, SIZE);
	close(fd);
}

static void neighbours_are_told_apart(void **state)
{
	atomic_bool lost[3] = {false, false, false};
	struct dp_sigbus *g[3];
	uint8_t *va[3];
	int fd[3];

	for (int i = 0; i < 3; i++) {
		va[i] = map(&fd[i]);
		g[i] = dp_sigbus_add(va[i], SIZE, &lost[i]);
	}
	assert_return_code(ftruncate(fd[1], 0), 0);
	va[1][SIZE - 1] = 1;
	assert_false(lost[0]);
	assert_true(lost[1]);
	assert_false(lost[2]);
	for (int i = 0; i < 3; i++) {
		dp_sigbus_remove(g[i]);
		munmap(va[i], SIZE);
		close(fd[i]);
	}
}

static void touch(uint8_t *va)
{
	*(volatile uint8_t *)va = 1;
}

/* How a child that does 'what' ends: its signal, or 0. */
static int signal_of_child(void (*what)(uint8_t *), uint8_t *va)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		what(va);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void kill_self(uint8_t *va)
{
	raise(SIGBUS);
}

static void touch_in_a_library(uint8_t *va)
{
	dp_sigbus_thread(true);
	touch(va);
}

static void what_is_not_guarded_still_kills(void **state)
{
	atomic_bool lost = false;
	int fd;
	uint8_t *va = map(&fd);
	struct dp_sigbus *g = dp_sigbus_add(va, SIZE, &lost);

	signal(SIGBUS, SIG_DFL); /* Not the sanitizer's. */
	dp_sigbus_install();
	assert_return_code(ftruncate(fd, 0), 0);
	assert_int_equal(signal_of_child(touch, va), 0);
	dp_sigbus_remove(g);
	assert_int_equal(signal_of_child(touch, va), SIGBUS);
	assert_int_equal(signal_of_child(kill_self, va), SIGBUS);
	assert_int_equal(signal_of_child(touch_in_a_library, va), 0);
	munmap(va, SIZE);
	close(fd);
}

static volatile sig_atomic_t seen;

static void theirs(int number, siginfo_t *info, void *context)
{
	seen = seen + 1;
	mmap((void *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1)), PAGE,
	     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void who_was_before_us_gets_the_rest(void **state)
{
	const struct sigaction action = {.sa_sigaction = theirs, .sa_flags = SA_SIGINFO};
	atomic_bool lost = false;
	int fd;
	uint8_t *va = map(&fd), *other;
	struct dp_sigbus *g;
	int other_fd;

	other = map(&other_fd);
	sigaction(SIGBUS, &action, NULL);
	g = dp_sigbus_add(va, SIZE, &lost); /* First once more. */
	ftruncate(fd, 0);
	ftruncate(other_fd, 0);
	touch(va);
	assert_int_equal(seen, 0);
	touch(other);
	assert_int_equal(seen, 1);
	touch(va + PAGE);
	assert_int_equal(seen, 1);
	dp_sigbus_remove(g);
	munmap(va, SIZE);
	munmap(other, SIZE);
	close(fd);
	close(other_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_file_reads_as_empty_and_is_told),
		cmocka_unit_test(neighbours_are_told_apart),
		cmocka_unit_test(what_is_not_guarded_still_kills),
		cmocka_unit_test(who_was_before_us_gets_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
