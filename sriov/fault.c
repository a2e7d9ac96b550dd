/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See fault.h.
 *
 * 	<prio>,<number>,<time>,<flags>;<text>
 *
 * 	DMAR: [DMA Read NO_PASID] Request device [01:10.0] fault addr 0x12345000 [fault reason 0x06]
 * .. DMAR: [DMA Write] Request device [01:10.0] fault addr 12345000 [fault reason 05] .. vfio-pci
 * 0000:01:10.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000a address=0x.. flags=0x0020]
 * 	AMD-Vi: Event logged [IO_PAGE_FAULT device=0000:01:10.0 domain=0x000a address=0x..
 * flags=0x0020]
 */
#include "sriov/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* AMD I/O Virtualization Technology (IOMMU) Specification, 2.5.3: RW of an event's flags. */
#define AMD_RW 0x20u

struct sriov_fault_log {
	int fd;
};

/* "01:10.0", or with a domain before it.  A short one is of domain 0. */
static bool device_at(const char *s, char ret[SRIOV_ADDR_SIZE])
{
	unsigned domain, bus, dev, fn;

	if (sscanf(s, "%6x:%2x:%2x.%1u", &domain, &bus, &dev, &fn) != 4) {
		domain = 0;
		if (sscanf(s, "%2x:%2x.%1u", &bus, &dev, &fn) != 3)
			return false;
	}
	/* A sign is read as well, and makes a number that none of them can be. */
	if (domain > 0xffffff || bus > 0xff || dev > 31 || fn > 7)
		return false;
	snprintf(ret, SRIOV_ADDR_SIZE, "%04x:%02x:%02x.%u", domain, bus, dev, fn);
	return true;
}

static bool hex_behind(const char *text, const char *key, uint64_t *ret)
{
	const char *s = strstr(text, key);
	char *end;

	if (s == NULL)
		return false;
	s += strlen(key);
	*ret = strtoull(s, &end, 16);
	return end != s;
}

static bool parse_intel(const char *text, struct sriov_fault *ret)
{
	const char *device = strstr(text, "Request device [");

	ret->write = strstr(text, "[DMA Write") != NULL;
	return device != NULL && (ret->write || strstr(text, "[DMA Read") != NULL) &&
	       device_at(device + strlen("Request device ["), ret->device) &&
	       hex_behind(text, "fault addr ", &ret->addr);
}

static bool parse_amd(const char *text, const char *event, struct sriov_fault *ret)
{
	const char *device = strstr(event, "device="), *driver = strchr(text, ' ');
	uint64_t flags;

	if (!hex_behind(event, "address=", &ret->addr) || !hex_behind(event, "flags=", &flags))
		return false;
	ret->write = (flags & AMD_RW) != 0;
	if (device != NULL)
		return device_at(device + strlen("device="), ret->device);
	return driver != NULL && driver < event && device_at(driver + 1, ret->device);
}

bool sriov_fault_parse(const char *record, size_t size, struct sriov_fault *ret)
{
	char text[SRIOV_FAULT_RECORD];
	char *message, *end;
	const char *event;

	size = size < sizeof(text) ? size : sizeof(text) - 1;
	memcpy(text, record, size);
	text[size] = '\0';
	/* The facility is above the three bits of the level; the kernel's is 0. */
	if (strtoul(text, &end, 10) >> 3 != 0 || end == text || *end != ',')
		return false;
	message = strchr(text, ';');
	if (message == NULL)
		return false;
	message++;
	message[strcspn(message, "\n")] = '\0';
	*ret = (struct sriov_fault){.addr = 0};
	if (strncmp(message, "DMAR:", strlen("DMAR:")) == 0)
		return parse_intel(message, ret);
	event = strstr(message, "AMD-Vi: Event logged [IO_PAGE_FAULT ");
	return event != NULL && parse_amd(message, event, ret);
}

int sriov_fault_open(const char *path, struct sriov_fault_log **ret, struct err *err)
{
	struct sriov_fault_log *log = calloc(1, sizeof(*log));
	int rc;

	if (log == NULL)
		return err_set(err, -ENOMEM, "no-memory", "out of memory");
	log->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (log->fd < 0) {
		rc = err_set(err, -errno, "kernel-log", "%s cannot be read: %s", path,
			     strerror(errno));
		err_fix(err, "give the daemon CAP_SYSLOG");
		free(log);
		return rc;
	}
	/* What was before is not ours to tell.  A file of a test may not seek. */
	(void)lseek(log->fd, 0, SEEK_END);
	*ret = log;
	return 0;
}

bool sriov_fault_next(struct sriov_fault_log *log, unsigned *budget, struct sriov_fault *ret)
{
	char record[SRIOV_FAULT_RECORD];

	for (; *budget != 0; --*budget) {
		ssize_t n = read(log->fd, record, sizeof(record));

		/* EPIPE: records were overwritten before they were read; EINVAL: one is longer. */
		if (n < 0 && (errno == EPIPE || errno == EINVAL || errno == EINTR))
			continue;
		if (n <= 0)
			return false;
		if (sriov_fault_parse(record, (size_t)n, ret)) {
			--*budget;
			return true;
		}
	}
	return false;
}

void sriov_fault_close(struct sriov_fault_log *log)
{
	if (log == NULL)
		return;
	close(log->fd);
	free(log);
}
