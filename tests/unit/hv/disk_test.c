/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Images as disks: raw files, ISOs, and what a storage daemon serves.
 */
#include "hv/disk/open.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hv/disk/engine.h"
#include "hv/disk/image.h"
#include "tests/support/disk_user.h"

#define MB (1u << 20)

struct place {
	char folder[64], path[96];
	struct disk_engine *engine;
	struct disk *disk;
	struct err err;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	snprintf(p->folder, sizeof(p->folder), "/tmp/disk_test.XXXXXX");
	if (mkdtemp(p->folder) == NULL || disk_engine_create(false, &p->engine, NULL) != 0)
		return -1;
	snprintf(p->path, sizeof(p->path), "%s/image", p->folder);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	disk_engine_destroy(p->engine);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	(void)unlink(p->path);
	(void)rmdir(p->folder);
	free(p);
	return 0;
}

static void make(struct place *p, enum disk_format format, uint64_t size)
{
	if (disk_image_create(p->path, format, size, false, &p->err) != 0)
		fail_msg("%s: %s", p->err.what, p->err.why);
}

static int try_open(struct place *p, struct disk_spec spec)
{
	spec.name = "d";
	if (spec.path == NULL && spec.fd == 0)
		spec.path = p->path;
	spec.folder = p->folder;
	memset(&p->err, 0, sizeof(p->err));
	return disk_open(p->engine, &spec, &p->disk, &p->err);
}

static void open_ok(struct place *p, struct disk_spec spec)
{
	if (try_open(p, spec) != 0)
		fail_msg("%s: %s", p->err.what, p->err.why);
}

static void shut(struct place *p)
{
	p->disk->ops->destroy(p->disk);
	p->disk = NULL;
}

/* ---- Files ---- */

static void random_io_on_a_file_agrees_with_a_model(void **state)
{
	static const enum disk_cache caches[] = {DISK_CACHE_SAFE, DISK_CACHE_DIRECT,
						 DISK_CACHE_UNSAFE};
	struct place *p = *state;

	make(p, DISK_FORMAT_RAW, 4 * MB);
	for (unsigned i = 0; i < 3; i++) {
		/* The model begins with zeros. */
		assert_int_equal(truncate(p->path, 0), 0);
		assert_int_equal(truncate(p->path, 4 * MB), 0);
		open_ok(p, (struct disk_spec){.cache = caches[i]});
		assert_int_equal(disk_use_randomly(p->disk, 60, 1 + i), 0);
		shut(p);
	}
}

static void without_io_uring_it_is_the_same(void **state)
{
	struct place *p = *state;

	disk_engine_destroy(p->engine);
	assert_int_equal(disk_engine_create(true, &p->engine, NULL), 0);
	assert_int_equal(disk_engine_fd(p->engine), -1);
	make(p, DISK_FORMAT_RAW, 4 * MB);
	open_ok(p, (struct disk_spec){0});
	assert_int_equal(disk_use_randomly(p->disk, 60, 9), 0);
	shut(p);
}

static void a_flush_reaches_the_medium_unless_that_is_not_wanted(void **state)
{
	struct place *p = *state;
	uint8_t block[4096] = {1};
	struct disk_use use;

	make(p, DISK_FORMAT_RAW, 4 * MB);
	open_ok(p, (struct disk_spec){0});
	assert_int_equal(disk_use(p->disk, DISK_WRITE, 0, 4096, block), 0);
	assert_int_equal(disk_engine_calls(p->engine, DISK_CALL_WRITE), 1);
	assert_int_equal(disk_engine_calls(p->engine, DISK_CALL_DATASYNC), 0);
	assert_int_equal(disk_use(p->disk, DISK_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(disk_engine_calls(p->engine, DISK_CALL_DATASYNC), 1);
	disk_use_begin(p->disk, &use, DISK_FLUSH, 0, 0, NULL, 0);
	assert_int_equal(disk_use_wait(p->disk, &use), 0);
	assert_int_equal(disk_engine_calls(p->engine, DISK_CALL_DATASYNC), 2);
	shut(p);
	open_ok(p, (struct disk_spec){.cache = DISK_CACHE_UNSAFE});
	assert_int_equal(disk_use(p->disk, DISK_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(disk_engine_calls(p->engine, DISK_CALL_DATASYNC), 2);
	shut(p);
}

static void a_write_that_forces_access_is_synchronous(void **state)
{
	struct place *p = *state;
	uint8_t block[512] = {1};
	struct iovec iov = {block, 512};
	struct disk_use use = {.iov = {{block, 512}}};

	make(p, DISK_FORMAT_RAW, 4 * MB);
	open_ok(p, (struct disk_spec){0});
	disk_use_begin(p->disk, &use, DISK_FLUSH, 0, 0, NULL, 0);
	assert_int_equal(disk_use_wait(p->disk, &use), 0);
	use.done = false;
	use.io.op = DISK_WRITE;
	use.io.fua = true;
	use.io.size = 512;
	use.io.iov = &iov;
	use.io.n_iov = 1;
	p->disk->ops->submit(p->disk, &use.io);
	p->disk->ops->kick(p->disk);
	assert_int_equal(disk_use_wait(p->disk, &use), 0);
	assert_int_equal(disk_engine_calls(p->engine, DISK_CALL_WRITE_SYNC), 1);
	assert_int_equal(disk_engine_calls(p->engine, DISK_CALL_WRITE), 0);
	shut(p);
}

static void a_discard_gives_the_room_back(void **state)
{
	struct place *p = *state;
	uint8_t *bytes = malloc(MB);
	struct stat st;

	memset(bytes, 7, MB);
	make(p, DISK_FORMAT_RAW, 4 * MB);
	open_ok(p, (struct disk_spec){0});
	if (p->disk->info.discard_unit == 0) {
		shut(p);
		free(bytes);
		skip();
	}
	assert_int_equal(disk_use(p->disk, DISK_WRITE, 0, MB, bytes), 0);
	assert_int_equal(disk_use(p->disk, DISK_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(stat(p->path, &st), 0);
	assert_true(st.st_blocks * 512 >= MB);
	assert_int_equal(disk_use(p->disk, DISK_DISCARD, 0, MB, NULL), 0);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(st.st_size, 4 * MB);
	shut(p);
	free(bytes);
}

static void a_file_that_shrinks_gives_errors_and_no_signal(void **state)
{
	struct place *p = *state;
	uint8_t block[8192] = {0};

	make(p, DISK_FORMAT_RAW, 4 * MB);
	open_ok(p, (struct disk_spec){0});
	assert_int_equal(truncate(p->path, MB + 4096), 0);
	assert_int_equal(disk_use(p->disk, DISK_READ, MB - 4096, 8192, block), 0);
	assert_int_equal(disk_use(p->disk, DISK_READ, MB, 8192, block), -ENODATA);
	assert_int_equal(disk_use(p->disk, DISK_READ, 3 * MB, 8192, block), -ENODATA);
	assert_int_equal(disk_use(p->disk, DISK_WRITE, 3 * MB, 8192, block), 0);
	assert_int_equal(disk_use(p->disk, DISK_READ, 3 * MB, 8192, block), 0);
	assert_int_equal(truncate(p->path, 2 * MB + 100), 0);
	assert_int_equal(p->disk->ops->resize(p->disk), 0);
	assert_int_equal(p->disk->info.size, 2 * MB);
	assert_int_equal(truncate(p->path, 0), 0);
	assert_int_equal(disk_use(p->disk, DISK_READ, 0, 512, block), -ENODATA);
	assert_int_equal(disk_use(p->disk, DISK_FLUSH, 0, 0, NULL), 0);
	shut(p);
}

/* In a namespace of its own: a file system of 2 MB under an image of 8. */
static int fill(const char *folder)
{
	struct disk_engine *engine;
	struct disk_spec spec = {.name = "d"};
	struct disk *disk;
	char path[96];
	uint8_t *bytes = calloc(1, MB);
	int rc = 0;

	memset(bytes, 5, MB);
	snprintf(path, sizeof(path), "%s/full", folder);
	spec.path = path;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", folder, "tmpfs", 0, "size=2m") != 0)
		return 77;
	if (disk_image_create(path, DISK_FORMAT_RAW, 8 * MB, false, NULL) != 0 ||
	    disk_image_create(path, DISK_FORMAT_RAW, 8 * MB, false, NULL) != -EEXIST ||
	    disk_engine_create(false, &engine, NULL) != 0 ||
	    disk_open(engine, &spec, &disk, NULL) != 0)
		return 1;
	for (unsigned i = 0; i < 8 && rc == 0; i++)
		rc = disk_use(disk, DISK_WRITE, i * MB, MB, bytes);
	if (rc != -ENOSPC)
		return 2;
	if (disk_use(disk, DISK_READ, 0, MB, bytes) != 0 || bytes[MB - 1] != 5)
		return 3;
	/* Room comes back, and it goes on. */
	if (disk_use(disk, DISK_DISCARD, 0, MB, NULL) != 0 ||
	    disk_use(disk, DISK_WRITE, 7 * MB, 4096, bytes) != 0)
		return 4;
	snprintf(path, sizeof(path), "%s/more", folder);
	return disk_image_create(path, DISK_FORMAT_RAW, 8 * MB, true, NULL) == -ENOSPC &&
			       access(path, F_OK) != 0
		       ? 0
		       : 5;
}

static void a_file_system_that_is_full_gives_errors(void **state)
{
	struct place *p = *state;
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(fill(p->folder));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void an_image_has_one_writer(void **state)
{
	struct place *p = *state;
	struct disk *first;

	make(p, DISK_FORMAT_RAW, 4 * MB);
	open_ok(p, (struct disk_spec){0});
	first = p->disk;
	assert_int_equal(try_open(p, (struct disk_spec){0}), -EBUSY);
	assert_string_equal(p->err.what, "disk 'd': the image is in use");
	assert_int_equal(try_open(p, (struct disk_spec){.read_only = true}), -EBUSY);
	first->ops->destroy(first);
	open_ok(p, (struct disk_spec){.read_only = true});
	first = p->disk;
	open_ok(p, (struct disk_spec){.read_only = true});
	assert_true(p->disk->info.read_only);
	shut(p);
	assert_int_equal(try_open(p, (struct disk_spec){0}), -EBUSY);
	first->ops->destroy(first);
}

static void what_is_no_image_is_refused_in_words(void **state)
{
	struct place *p = *state;
	int fd;

	assert_int_equal(try_open(p, (struct disk_spec){0}), -ENOENT);
	assert_int_equal(try_open(p, (struct disk_spec){.path = p->folder, .read_only = true}),
			 -EINVAL);
	assert_string_equal(p->err.what, "disk 'd': neither a file nor a block device");
	assert_int_equal(mkfifo(p->path, 0600), 0);
	assert_int_equal(try_open(p, (struct disk_spec){.read_only = true}), -EINVAL);
	assert_int_equal(unlink(p->path), 0);
	fd = open(p->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd > 0);
	assert_int_equal(try_open(p, (struct disk_spec){0}), -EINVAL);
	assert_string_equal(p->err.what, "disk 'd': an image of 0 bytes holds nothing");
	assert_int_equal(try_open(p, (struct disk_spec){.fd = fd}), -EINVAL);
	close(fd);
}

static void an_iso_is_a_dvd(void **state)
{
	struct place *p = *state;
	uint8_t block[2048] = {0};
	int fd;

	make(p, DISK_FORMAT_RAW, MB + 512);
	fd = open(p->path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "CD001", 5, 32769), 5);
	open_ok(p, (struct disk_spec){.fd = fd, .format = DISK_FORMAT_ISO});
	close(fd);
	assert_true(p->disk->info.dvd);
	assert_true(p->disk->info.read_only);
	assert_int_equal(p->disk->info.block_size, 2048);
	assert_int_equal(p->disk->info.size, MB);
	assert_int_equal(p->disk->info.discard_unit, 0);
	assert_int_equal(disk_use(p->disk, DISK_READ, 32768, 2048, block), 0);
	assert_memory_equal(block + 1, "CD001", 5);
	shut(p);
}

/* ---- Images ---- */

static bool has_qemu(void)
{
	return system("command -v qemu-img qemu-storage-daemon >/dev/null") == 0;
}

static void images_say_what_they_are(void **state)
{
	static const enum disk_format formats[] = {DISK_FORMAT_RAW, DISK_FORMAT_QCOW2,
						   DISK_FORMAT_VHD, DISK_FORMAT_VHDX};
	struct place *p = *state;

	if (!has_qemu())
		skip();
	for (unsigned i = 0; i < 4; i++) {
		struct disk_image image;

		make(p, formats[i], 40 * MB);
		assert_int_equal(disk_image_create(p->path, formats[i], 40 * MB, false, &p->err),
				 -EEXIST);
		assert_int_equal(disk_image_info(p->path, &image, &p->err), 0);
		assert_int_equal(image.format, formats[i]);
		assert_int_equal(image.size, 40 * MB);
		assert_true(image.taken < 5 * MB);
		assert_int_equal(unlink(p->path), 0);
	}
	assert_int_equal(disk_image_create(p->path, DISK_FORMAT_RAW, 1000, false, &p->err),
			 -EINVAL);
	assert_int_equal(disk_image_create(p->path, DISK_FORMAT_ISO, MB, false, &p->err), -EINVAL);
	assert_int_equal(access(p->path, F_OK), -1);
}

static pid_t only_child(void)
{
	char path[64];
	int pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "re");
	while (file != NULL && fscanf(file, "%d", &pid) == 1) /* the last */
		;
	if (file != NULL)
		fclose(file);
	return pid;
}

static void random_io_on_served_images_agrees_with_a_model(void **state)
{
	static const enum disk_format formats[] = {DISK_FORMAT_QCOW2, DISK_FORMAT_VHD,
						   DISK_FORMAT_VHDX};
	struct place *p = *state;

	if (!has_qemu())
		skip();
	for (unsigned i = 0; i < 3; i++) {
		make(p, formats[i], 40 * MB);
		open_ok(p, (struct disk_spec){.format = formats[i]});
		assert_int_equal(p->disk->info.size, 40 * MB);
		assert_int_equal(disk_use_randomly(p->disk, 30, 77 + i), 0);
		shut(p);
		assert_int_equal(unlink(p->path), 0);
	}
}

/* The daemon keeps what it knows of a qcow2 image in memory until it is flushed; so this fails when
 * a flush does nothing. */
static void what_was_flushed_outlives_the_daemon_killed(void **state)
{
	struct place *p = *state;
	uint8_t *bytes = malloc(MB), *back = malloc(MB);
	pid_t daemon;

	if (!has_qemu())
		skip();
	memset(bytes, 0xa5, MB);
	make(p, DISK_FORMAT_QCOW2, 40 * MB);
	open_ok(p, (struct disk_spec){.format = DISK_FORMAT_QCOW2});
	assert_int_equal(disk_use(p->disk, DISK_WRITE, 8 * MB, MB, bytes), 0);
	assert_int_equal(disk_use(p->disk, DISK_FLUSH, 0, 0, NULL), 0);
	daemon = only_child();
	assert_true(daemon > 0);
	assert_int_equal(kill(daemon, SIGKILL), 0);
	assert_int_equal(waitpid(daemon, NULL, 0), daemon);
	/* And a disk whose server is gone fails, and does not hang. */
	assert_true(disk_use(p->disk, DISK_READ, 8 * MB, MB, back) < 0);
	assert_true(disk_use(p->disk, DISK_WRITE, 8 * MB, MB, back) < 0);
	assert_true(disk_use(p->disk, DISK_FLUSH, 0, 0, NULL) < 0);
	shut(p);
	open_ok(p, (struct disk_spec){.format = DISK_FORMAT_QCOW2});
	assert_int_equal(disk_use(p->disk, DISK_READ, 8 * MB, MB, back), 0);
	assert_memory_equal(back, bytes, MB);
	shut(p);
	free(bytes);
	free(back);
}

static void served_images_are_locked_and_let_go(void **state)
{
	struct place *p = *state;
	struct disk *first;

	if (!has_qemu())
		skip();
	make(p, DISK_FORMAT_QCOW2, 4 * MB);
	open_ok(p, (struct disk_spec){.format = DISK_FORMAT_QCOW2});
	first = p->disk;
	assert_int_equal(try_open(p, (struct disk_spec){.format = DISK_FORMAT_QCOW2}), -EPROTO);
	assert_non_null(strstr(p->err.why, "lock"));
	assert_int_equal(try_open(p, (struct disk_spec){.format = DISK_FORMAT_RAW}), -EBUSY);
	first->ops->destroy(first);
	open_ok(p, (struct disk_spec){.format = DISK_FORMAT_QCOW2, .read_only = true});
	assert_true(p->disk->info.read_only);
	shut(p);
}

static bool status_has(pid_t pid, const char *line)
{
	char path[64], text[4096];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = 0;
	return strstr(text, line) != NULL;
}

/* The image is root's, the daemon is not root. */
static void a_daemon_is_another_user_with_few_powers(void **state)
{
	struct place *p = *state;
	pid_t daemon;

	if (!has_qemu() || geteuid() != 0)
		skip();
	make(p, DISK_FORMAT_QCOW2, 4 * MB);
	open_ok(p,
		(struct disk_spec){.format = DISK_FORMAT_QCOW2, .uid = 1879048199, .gid = 65534});
	daemon = only_child();
	assert_true(status_has(daemon, "Uid:\t1879048199\t1879048199"));
	assert_true(status_has(daemon, "CapEff:\t0000000000000006"));
	assert_true(status_has(daemon, "NoNewPrivs:\t1"));
	assert_int_equal(disk_use_randomly(p->disk, 5, 3), 0);
	shut(p);
}

static void images_that_are_cut_short_are_refused(void **state)
{
	static const enum disk_format formats[] = {DISK_FORMAT_QCOW2, DISK_FORMAT_VHD,
						   DISK_FORMAT_VHDX};
	struct place *p = *state;

	if (!has_qemu())
		skip();
	for (unsigned i = 0; i < 3; i++) {
		make(p, formats[i], 40 * MB);
		assert_int_equal(truncate(p->path, 100), 0);
		assert_int_equal(try_open(p, (struct disk_spec){.format = formats[i]}), -EPROTO);
		assert_true(p->err.why[0] != 0);
		assert_int_equal(unlink(p->path), 0);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(random_io_on_a_file_agrees_with_a_model),
		T(without_io_uring_it_is_the_same),
		T(a_flush_reaches_the_medium_unless_that_is_not_wanted),
		T(a_write_that_forces_access_is_synchronous),
		T(a_discard_gives_the_room_back),
		T(a_file_that_shrinks_gives_errors_and_no_signal),
		T(a_file_system_that_is_full_gives_errors),
		T(an_image_has_one_writer),
		T(what_is_no_image_is_refused_in_words),
		T(an_iso_is_a_dvd),
		T(images_say_what_they_are),
		T(random_io_on_served_images_agrees_with_a_model),
		T(what_was_flushed_outlives_the_daemon_killed),
		T(served_images_are_locked_and_let_go),
		T(a_daemon_is_another_user_with_few_powers),
		T(images_that_are_cut_short_are_refused),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
