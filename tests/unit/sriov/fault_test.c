/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What kernels say of accesses that an IOMMU stopped, in the words of some of them.
 */
#include "sriov/fault.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static bool parse(const char *record, struct sriov_fault *ret)
{
	return sriov_fault_parse(record, strlen(record), ret);
}

static void words_of_kernels(void **state)
{
	static const struct {
		const char *record, *device;
		uint64_t addr;
		bool write;
	} cases[] = {
		{"3,812,51000123,-;DMAR: [DMA Read NO_PASID] Request device [01:10.0] fault addr "
		 "0x40000000 [fault reason 0x06] PTE Read access is not set\n",
		 "0000:01:10.0", 0x40000000, false},
		{"3,812,51000123,-;DMAR: [DMA Write] Request device [af:1f.7] fault addr fffff000 "
		 "[fault reason 05] PTE Write access is not set\n SUBSYSTEM=x\n",
		 "0000:af:1f.7", 0xfffff000, true},
		{"4,9,1,-;vfio-pci 0000:01:10.2: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000a "
		 "address=0x12345678000 flags=0x0020]\n",
		 "0000:01:10.2", 0x12345678000, true},
		{"4,9,1,c;AMD-Vi: Event logged [IO_PAGE_FAULT device=10000:01:10.0 domain=0x1 "
		 "address=0x1 flags=0x0]",
		 "10000:01:10.0", 1, false},
		{"4,9,1,c;AMD-Vi: Event logged [IO_PAGE_FAULT device=0001:01:10.0 domain=0x000a "
		 "address=0x1000 flags=0x0000]",
		 "0001:01:10.0", 0x1000, false},
		{"4,9,1,-;AMD-Vi: Event logged [IO_PAGE_FAULT device=01:10.0 domain=0x000a "
		 "address=0x1000 flags=0x0000]",
		 "0000:01:10.0", 0x1000, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sriov_fault f;

		assert_true(parse(cases[i].record, &f));
		assert_string_equal(f.device, cases[i].device);
		assert_int_equal(f.addr, cases[i].addr);
		assert_int_equal(f.write, cases[i].write);
	}
}

static void what_is_no_fault(void **state)
{
	static const char *const records[] = {
		"",
		";",
		"3",
		"3,;",
		"3,812,51,-;igb 0000:01:00.0: link is up\n",
		"3,812,51,-;DMAR: IOMMU enabled\n",
		"3,812,51,-;DMAR: [DMA Read] Request device [01:10.0]\n",
		"3,812,51,-;DMAR: [DMA Read] Request device [01:20.0] fault addr 1\n",
		"3,812,51,-;DMAR: [DMA Read] Request device [01:10.8] fault addr 1\n",
		"3,812,51,-;DMAR: [DMA Read] Request device [] fault addr 1\n",
		"3,812,51,-;DMAR: [DMA Read] Request device [-1:10.0] fault addr 1\n",
		"3,812,51,-;DMAR: [INTR-REMAP] Request device [01:10.0] fault index 0x0\n",
		"3,812,51,-;AMD-Vi: Event logged [IO_PAGE_FAULT address=0x1 flags=0x0]\n",
		"3,812,51,-;AMD-Vi: Event logged [IO_PAGE_FAULT device=01:10.0 flags=0x0]\n",
		/* A program's words: facility 1 and above. */
		"12,812,51,-;DMAR: [DMA Read] Request device [01:10.0] fault addr 1\n",
		"x,812,51,-;DMAR: [DMA Read] Request device [01:10.0] fault addr 1\n",
	};
	struct sriov_fault f;

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		if (parse(records[i], &f))
			fail_msg("'%s' is taken for one", records[i]);
}

static void no_record_is_read_beyond_its_end(void **state)
{
	struct sriov_fault f;

	for (size_t size = 0; size <= 4096; size += 64) {
		char *exact = malloc(size + 1);

		memset(exact, '[', size);
		assert_false(sriov_fault_parse(exact, size, &f));
		free(exact);
	}
}

/* Each read of /dev/kmsg is a record, as is each of a FIFO that was empty. */
static void reading_has_a_budget(void **state)
{
	static const char fault[] =
		"3,1,1,-;DMAR: [DMA Read] Request device [01:10.0] fault addr 1000\n";
	static const char other[] = "6,2,2,-;something else\n";
	char dir[] = "/tmp/fault_test.XXXXXX", path[64];
	struct sriov_fault_log *log = NULL;
	struct sriov_fault f;
	unsigned budget = 4;
	FILE *in;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/kmsg", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(sriov_fault_open(path, &log, NULL), 0);
	assert_false(sriov_fault_next(log, &budget, &f));
	in = fopen(path, "w");
	assert_non_null(in);
	setvbuf(in, NULL, _IONBF, 0);
	fputs(fault, in);
	assert_true(sriov_fault_next(log, &budget, &f));
	assert_int_equal(budget, 3);
	assert_int_equal(f.addr, 0x1000);
	fputs(other, in);
	assert_false(sriov_fault_next(log, &budget, &f));
	assert_int_equal(budget, 2);
	for (int i = 0; i < 3; i++) {
		unsigned one = 1;

		fputs(fault, in);
		assert_true(sriov_fault_next(log, &one, &f));
		assert_int_equal(one, 0);
		assert_false(sriov_fault_next(log, &one, &f));
	}
	fclose(in);
	sriov_fault_close(log);
	sriov_fault_close(NULL);
	unlink(path);
	rmdir(dir);
}

static void one_that_cannot_be_read_says_why(void **state)
{
	struct sriov_fault_log *log = NULL;
	struct err err = {0};

	assert_int_equal(sriov_fault_open("/nonexistent/kmsg", &log, &err), -ENOENT);
	assert_null(log);
	assert_non_null(strstr(err.what, "/nonexistent/kmsg cannot be read"));
	assert_non_null(strstr(err.fix, "CAP_SYSLOG"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_kernels),
		cmocka_unit_test(what_is_no_fault),
		cmocka_unit_test(no_record_is_read_beyond_its_end),
		cmocka_unit_test(reading_has_a_budget),
		cmocka_unit_test(one_that_cannot_be_read_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
