/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See memory.h.
 */
#include "hv/memory.h"
#include "hv/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <linux/memfd.h>

#define SLUG	  "vm-memory"
#define MB	  ((uint64_t)1 << 20)
#define HUGE_SIZE (2 * MB)
#define MIN_SIZE  (32 * MB)

/* A number from a file in /proc or /sys: the one behind 'key', or the first.  0: none. */
static uint64_t read_number(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	char line[160];
	uint64_t n = 0;

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, key, strlen(key)) == 0 &&
		    sscanf(line + strlen(key), "%" SCNu64, &n) == 1)
			break;
	}
	fclose(f);
	return n;
}

/* Bytes of huge pages that nobody has or was promised. */
static uint64_t huge_free(void)
{
	const char *free_path = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
	const char *promised_path = "/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages";
	uint64_t n = read_number(free_path, ""), promised = read_number(promised_path, "");

	return n > promised ? (n - promised) * HUGE_SIZE : 0;
}

/* Bytes that the host can give without swapping everybody out. */
static uint64_t small_free(void)
{
	return (read_number("/proc/meminfo", "MemAvailable:") +
		read_number("/proc/meminfo", "SwapFree:")) *
	       1024;
}

static int no_memory(struct err *err, uint64_t size, uint64_t there, const char *kind)
{
	int rc = err_set(err, -ENOMEM, SLUG,
			 "cannot have %" PRIu64 " MB of memory: there are %" PRIu64 " MB%s",
			 size / MB, there / MB, kind);

	if (kind[0] != '\0')
		err_fix(err, "sysctl vm.nr_hugepages=N, or use small pages");
	else
		err_fix(err, "give the VM less memory, or stop another");
	return rc;
}

static int check(uint64_t size, enum hv_memory_pages *pages, struct err *err)
{
	uint64_t huge = huge_free(), small = small_free();

	if (size < MIN_SIZE || size % HUGE_SIZE != 0)
		return err_set(err, -EINVAL, SLUG,
			       "memory of %" PRIu64 " bytes: must be a multiple of 2 MB, at least "
			       "32 MB",
			       size);
	if (*pages == HV_PAGES_HUGE && size > huge)
		return no_memory(err, size, huge, " in free huge pages");
	if (*pages == HV_PAGES_AUTO)
		*pages = size <= huge ? HV_PAGES_HUGE : HV_PAGES_SMALL;
	/* No /proc: let the kernel decide. */
	if (*pages == HV_PAGES_SMALL && small != 0 && size > small)
		return no_memory(err, size, small, "");
	return 0;
}

static int make_file(uint64_t size, bool huge, struct err *err)
{
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING |
					       (huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0));
	int rc;

	/* Nobody who maps it (the switch) may be cut off from it by whoever else has it. */
	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	rc = err_set(err, -errno, SLUG, "cannot make a memory file of %" PRIu64 " MB: %s",
		     size / MB, strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

static int map_all(struct hv_memory *memory, struct err *err)
{
	int rc = gpa_map_add(&memory->map, 0, memory->low_size, memory->fd, 0, err);

	if (rc == 0 && memory->high_size != 0)
		rc = gpa_map_add(&memory->map, HV_HIGH_MEMORY, memory->high_size, memory->fd,
				 memory->low_size, err);
	for (unsigned i = 0; rc == 0 && i < memory->map.n; i++) {
		struct gpa_range *r = &memory->map.range[i];

		/* Wishes only: a guest's secrets are not for core files; transparent huge pages
		 * where the host lets files in memory have them. */
		(void)madvise(r->va, r->size, MADV_DONTDUMP);
		if (!memory->huge)
			(void)madvise(r->va, r->size, MADV_HUGEPAGE);
	}
	return rc;
}

static int make(uint64_t size, bool huge, struct hv_memory *ret_memory, struct err *err)
{
	struct hv_memory memory = {.size = size, .huge = huge};
	int rc;

	memory.low_size = size < HV_LOW_MEMORY_END ? size : HV_LOW_MEMORY_END;
	memory.high_size = size - memory.low_size;
	memory.fd = make_file(size, huge, err);
	if (memory.fd < 0)
		return memory.fd;
	rc = map_all(&memory, err);
	if (rc != 0) {
		hv_memory_destroy(&memory);
		return rc;
	}
	*ret_memory = memory;
	return 0;
}

int hv_memory_create(uint64_t size, enum hv_memory_pages pages, struct hv_memory *ret_memory,
		     struct err *err)
{
	enum hv_memory_pages use = pages;
	int rc = check(size, &use, err);

	if (rc != 0)
		return rc;
	rc = make(size, use == HV_PAGES_HUGE, ret_memory, err);
	/* Others took the huge pages meanwhile. */
	if (rc == -ENOMEM && use == HV_PAGES_HUGE && pages == HV_PAGES_AUTO)
		rc = make(size, false, ret_memory, err);
	return rc;
}

void hv_memory_destroy(struct hv_memory *memory)
{
	gpa_map_fini(&memory->map);
	if (memory->fd >= 0)
		close(memory->fd);
	memory->fd = -1;
	memory->size = memory->low_size = memory->high_size = 0;
}

int hv_memory_discard(struct hv_memory *memory, uint64_t gpa, uint64_t size)
{
	uint64_t page = memory->huge ? HUGE_SIZE : GPA_PAGE_SIZE, at, end;

	if (gpa_at(&memory->map, gpa, size) == NULL)
		return -EFAULT;
	if (memory->n_pins != 0)
		return 0;
	/* Whole pages only: the rest of the others is still the guest's. */
	at = (gpa + page - 1) & ~(page - 1);
	end = (gpa + size) & ~(page - 1);
	if (at >= end)
		return 0;
	if (gpa >= HV_HIGH_MEMORY)
		at -= HV_HIGH_MEMORY - memory->low_size, end -= HV_HIGH_MEMORY - memory->low_size;
	if (fallocate(memory->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
		      (off_t)(end - at)) != 0)
		return -errno;
	return 0;
}

void hv_memory_pin(struct hv_memory *memory)
{
	memory->n_pins++;
}

void hv_memory_unpin(struct hv_memory *memory)
{
	memory->n_pins--;
}

uint64_t hv_memory_resident(const struct hv_memory *memory)
{
	struct stat st;

	/* The file's, not this mapping's: pages that the switch touched count. */
	return fstat(memory->fd, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}
