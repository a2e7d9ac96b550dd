/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Outputs of captures: files, pipes that are read slowly or not at all, rings, full disks, other
 * people's folders.
 */
#include "filters/capture_file.h"
#include "filters/pcapng.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

static char dir[] = "/tmp/vswitch-capture-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* A packet block of 'cap_len' bytes; false when the output takes no more now. */
static bool add(struct filter_file *file, uint32_t cap_len)
{
	static const uint8_t data[4096];
	const struct filter_pcapng_packet packet = {.data = data,
						    .cap_len = cap_len,
						    .pkt_len = cap_len};
	void *to = filter_file_reserve(file, cap_len + FILTER_PCAPNG_BLOCK_MAX);

	if (to == NULL)
		return false;
	filter_file_commit(file,
			   filter_pcapng_packet(to, cap_len + FILTER_PCAPNG_BLOCK_MAX, &packet));
	return true;
}

static size_t read_all(int fd, uint8_t *buf, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while (n < size && (got = read(fd, buf + n, size - n)) > 0)
		n += (size_t)got;
	return n;
}

static uint64_t packets_in(const char *path, size_t *ret_torn)
{
	static uint8_t buf[8 * 1024 * 1024];
	int fd = open(path, O_RDONLY);
	uint64_t packets;
	size_t n;

	assert_true(fd >= 0);
	n = read_all(fd, buf, sizeof(buf));
	close(fd);
	*ret_torn = n - filter_pcapng_whole_blocks(buf, n, &packets);
	return packets;
}

static struct filter_file *open_file(const char *name)
{
	struct filter_file *file = NULL;
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (filter_file_open_fd(fd, &file, NULL) != 0)
		abort();
	return file;
}

static void file_grows_by_whole_blocks(void **state)
{
	struct filter_file *file = open_file("grow");
	uint64_t want = 0;
	size_t torn;

	assert_true(filter_file_is_empty(file));
	for (unsigned i = 0; i < 3000; i++) {
		assert_true(add(file, i % 1500));
		want++;
		if (i % 500 == 0) {
			/* What the buffer wrote of itself is whole as well. */
			packets_in(in_dir("grow"), &torn);
			assert_int_equal(torn, 0);
			assert_int_equal(filter_file_flush(file), 0);
			assert_int_equal(packets_in(in_dir("grow"), &torn), want);
			assert_int_equal(torn, 0);
			assert_true(filter_file_is_empty(file));
			assert_int_equal(filter_file_oldest_ns(file), 0);
		}
	}
	assert_int_equal(filter_file_flush(file), 0);
	assert_int_equal(packets_in(in_dir("grow"), &torn), 3000);
	assert_int_equal(filter_file_counts(file).unwritten, 0);
	filter_file_close(file);
}

static void descriptor_that_cannot_be_written_is_refused(void **state)
{
	struct filter_file *file = NULL;
	struct err err = {0};

	assert_int_equal(filter_file_open_fd(open("/dev/null", O_RDONLY), &file, &err), -EINVAL);
	assert_int_equal(filter_file_open_fd(open(dir, O_RDONLY | O_DIRECTORY), &file, &err),
			 -EINVAL);
	assert_int_equal(filter_file_open_fd(999, &file, &err), -EINVAL);
	assert_string_equal(err.slug, "bad-output");
}

/* How a pipe and a socket behave when nobody reads. */
static void check_slow_reader(int read_fd, int write_fd)
{
	static uint8_t buf[16 * 1024 * 1024];
	struct filter_file *file = NULL;
	uint64_t added = 0, packets;
	size_t n = 0;
	bool empty = false;

	assert_int_equal(filter_file_open_fd(write_fd, &file, NULL), 0);
	while (add(file, 1000)) {
		added++;
		assert_true(added < 10000);
	}
	assert_int_equal(filter_file_error(file), 0); /* It only waits. */
	assert_int_equal(filter_file_flush(file), -EAGAIN);
	assert_int_not_equal(filter_file_oldest_ns(file), 0);
	assert_false(filter_file_reader_gone(file));
	/* Now somebody reads: everything arrives, in order and whole. */
	fcntl(read_fd, F_SETFL, O_NONBLOCK);
	while (!empty) {
		n += read_all(read_fd, buf + n, sizeof(buf) - n);
		empty = filter_file_is_empty(file);
		filter_file_flush(file);
	}
	assert_int_equal(filter_pcapng_whole_blocks(buf, n, &packets), n);
	assert_int_equal(packets, added);
	assert_int_equal(filter_file_counts(file).bytes, n);
	filter_file_close(file);
	close(read_fd);
}

static void pipe_that_is_not_read_blocks_nobody_and_loses_nothing(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	check_slow_reader(fds[0], fds[1]);
}

static void socket_that_is_not_read_blocks_nobody_and_loses_nothing(void **state)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	check_slow_reader(fds[0], fds[1]);
}

static void reader_that_goes_away_is_noticed_without_a_write(void **state)
{
	struct filter_file *file = NULL;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(filter_file_open_fd(fds[1], &file, NULL), 0);
	assert_false(filter_file_reader_gone(file));
	close(fds[0]);
	assert_true(filter_file_reader_gone(file));
	assert_true(add(file, 10));
	assert_int_equal(filter_file_flush(file), -EPIPE);
	assert_int_equal(filter_file_error(file), -EPIPE);
	assert_int_equal(filter_file_counts(file).unwritten, 1);
	assert_false(add(file, 10));
	filter_file_close(file);
}

static void packet_half_read_when_the_reader_left_counts_as_unwritten(void **state)
{
	static uint8_t buf[4 * 1024 * 1024];
	struct filter_file *file = NULL;
	uint64_t added = 0, packets;
	int fds[2];
	size_t n;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(filter_file_open_fd(fds[1], &file, NULL), 0);
	while (add(file, 1001))
		added++;
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	n = read_all(fds[0], buf, sizeof(buf));
	close(fds[0]);
	assert_int_equal(filter_file_flush(file), -EPIPE);
	filter_pcapng_whole_blocks(buf, n, &packets);
	assert_int_equal(filter_file_counts(file).unwritten, added - packets);
	filter_file_close(file);
}

static void device_that_is_full_ends_with_its_reason(void **state)
{
	struct filter_file *file = NULL;

	assert_int_equal(filter_file_open_fd(open("/dev/full", O_WRONLY), &file, NULL), 0);
	assert_true(add(file, 10));
	assert_int_equal(filter_file_flush(file), -ENOSPC);
	assert_int_equal(filter_file_counts(file).unwritten, 1);
	assert_int_equal(filter_file_counts(file).bytes, 0);
	filter_file_close(file);
}

/* A limit on the size of files stands in for a full disk: the kernel writes a part, then
 * refuses. */
static void disk_that_fills_up_leaves_a_file_of_whole_blocks(void **state)
{
	struct rlimit old, limit = {.rlim_cur = 100001};
	struct filter_file *file = open_file("full");
	uint64_t added = 0, packets;
	struct stat st;
	size_t torn;

	getrlimit(RLIMIT_FSIZE, &old);
	limit.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
	while (added < 1000 && add(file, 700))
		added++;
	filter_file_flush(file);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(filter_file_error(file), -EFBIG);
	packets = packets_in(in_dir("full"), &torn);
	assert_int_equal(torn, 0);
	assert_in_range(packets, 100, 142);
	assert_int_equal(filter_file_counts(file).unwritten, added - packets);
	assert_int_equal(stat(in_dir("full"), &st), 0);
	assert_int_equal(filter_file_counts(file).bytes, st.st_size);
	filter_file_close(file);
}

static int open_ring(const char *base, unsigned n_files, uint64_t size, uid_t uid, gid_t gid,
		     struct filter_file **ret, struct err *err)
{
	const struct filter_file_ring ring = {
		.dir_fd = open(dir, O_RDONLY | O_DIRECTORY),
		.base = base,
		.n_files = n_files,
		.file_size = size,
		.uid = uid,
		.gid = gid,
	};

	return filter_file_open_ring(&ring, ret, err);
}

static unsigned count_files(const char *prefix)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	unsigned n = 0;

	assert_non_null(d);
	while ((entry = readdir(d)) != NULL)
		n += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	closedir(d);
	return n;
}

static void ring_keeps_the_youngest_files_each_within_its_size(void **state)
{
	struct filter_file *file = NULL;
	struct stat st;
	size_t torn;

	assert_int_equal(open_ring("ring", 3, 20000, geteuid(), getegid(), &file, NULL), 0);
	for (unsigned i = 0; i < 200; i++) {
		if (filter_file_is_full(file, 1032 + 1))
			assert_int_equal(filter_file_rotate(file), 0);
		assert_true(add(file, 1000));
	}
	assert_int_equal(filter_file_flush(file), 0);
	/* 19 packets of 1036 bytes fit into one: 11 files were needed. */
	assert_int_equal(filter_file_counts(file).files, 11);
	assert_int_equal(count_files("ring"), 3);
	assert_int_equal(packets_in(in_dir("ring_00009.pcapng"), &torn), 19);
	assert_int_equal(torn, 0);
	assert_int_equal(packets_in(in_dir("ring_00011.pcapng"), &torn), 10);
	assert_int_equal(stat(in_dir("ring_00010.pcapng"), &st), 0);
	assert_in_range(st.st_size, 19000, 20000);
	assert_int_equal(st.st_mode & 0777, 0600);
	filter_file_close(file);
}

static void ring_of_one_file_starts_over(void **state)
{
	struct filter_file *file = NULL;
	size_t torn;

	assert_int_equal(open_ring("one", 1, 20000, geteuid(), getegid(), &file, NULL), 0);
	assert_true(add(file, 10));
	assert_int_equal(filter_file_rotate(file), 0);
	assert_true(add(file, 20));
	assert_true(add(file, 20));
	assert_int_equal(filter_file_flush(file), 0);
	assert_int_equal(count_files("one"), 1);
	assert_int_equal(packets_in(in_dir("one_00002.pcapng"), &torn), 2);
	filter_file_close(file);
}

static void ring_refuses_what_is_no_name_and_what_is_no_file(void **state)
{
	struct filter_file *file = NULL;
	struct err err = {0};
	char target[200];

	assert_int_equal(open_ring("a/b", 2, 1000, geteuid(), getegid(), &file, &err), -EINVAL);
	assert_int_equal(open_ring("", 2, 1000, geteuid(), getegid(), &file, &err), -EINVAL);
	assert_int_equal(open_ring("x", 0, 1000, geteuid(), getegid(), &file, &err), -EINVAL);
	/* A link would write somebody else's file; a fifo would hold the thread. */
	snprintf(target, sizeof(target), "%s", in_dir("victim"));
	assert_int_equal(symlink(target, in_dir("link_00001.pcapng")), 0);
	assert_int_equal(open_ring("link", 2, 1000, geteuid(), getegid(), &file, &err), -ELOOP);
	assert_string_equal(err.slug, "capture-file");
	assert_int_not_equal(access(target, F_OK), 0);
	assert_int_equal(mkfifo(in_dir("fifo_00001.pcapng"), 0600), 0);
	assert_int_equal(open_ring("fifo", 2, 1000, geteuid(), getegid(), &file, &err), -ENXIO);
	assert_null(file);
}

static void ring_is_opened_as_who_asked(void **state)
{
	struct filter_file *file = NULL;
	const uid_t nobody = 65534;
	struct err err = {0};
	struct stat st;

	if (geteuid() != 0) {
		fprintf(stderr, "skipped: only root can become another user\n");
		skip();
	}
	assert_int_equal(open_ring("other", 2, 20000, nobody, nobody, &file, &err), -EACCES);
	assert_int_not_equal(err.why[0], '\0');
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(open_ring("other", 2, 20000, nobody, nobody, &file, NULL), 0);
	assert_int_equal(stat(in_dir("other_00001.pcapng"), &st), 0);
	assert_int_equal(st.st_uid, nobody);
	assert_int_equal(st.st_gid, nobody);
	/* Root's own files stay out of reach, and this thread is itself again. */
	close(open(in_dir("other_00002.pcapng"), O_WRONLY | O_CREAT, 0600));
	assert_int_equal(filter_file_rotate(file), -EACCES);
	assert_int_equal(chmod(dir, 0700), 0);
	assert_true(access(in_dir("other_00002.pcapng"), R_OK) == 0);
	filter_file_close(file);
}

static int make_dir(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int remove_dir(void **state)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_grows_by_whole_blocks),
		cmocka_unit_test(descriptor_that_cannot_be_written_is_refused),
		cmocka_unit_test(pipe_that_is_not_read_blocks_nobody_and_loses_nothing),
		cmocka_unit_test(socket_that_is_not_read_blocks_nobody_and_loses_nothing),
		cmocka_unit_test(reader_that_goes_away_is_noticed_without_a_write),
		cmocka_unit_test(packet_half_read_when_the_reader_left_counts_as_unwritten),
		cmocka_unit_test(device_that_is_full_ends_with_its_reason),
		cmocka_unit_test(disk_that_fills_up_leaves_a_file_of_whole_blocks),
		cmocka_unit_test(ring_keeps_the_youngest_files_each_within_its_size),
		cmocka_unit_test(ring_of_one_file_starts_over),
		cmocka_unit_test(ring_refuses_what_is_no_name_and_what_is_no_file),
		cmocka_unit_test(ring_is_opened_as_who_asked),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
