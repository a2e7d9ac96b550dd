/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See fake_pf.h.
 */
#include "tests/support/fake_pf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/vfio.h>

#define PF  "0000:01:00.0"
#define DEV "/sys/bus/pci/devices/"

/* The machine that the wrapped call acts in: a test has one at a time. */
static struct fake_pf *machine;

int __wrap_sriov_write(const char *path, const char *text);

__attribute__((format(printf, 2, 3))) static const char *at(struct fake_pf *f, const char *fmt, ...)
{
	static char paths[8][400];
	static unsigned next;
	char *path = paths[next++ % 8];
	int n = snprintf(path, sizeof(paths[0]), "%s", f->root);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(paths[0]) - (size_t)n, fmt, ap);
	va_end(ap);
	return path;
}

static void make_dir(const char *path)
{
	char part[400];

	for (size_t i = 1; i <= strlen(path); i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)i, path);
		(void)mkdir(part, 0755);
	}
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert(file != NULL);
	fputs(text, file);
	fclose(file);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void remove_all(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void link_to(const char *target, const char *path)
{
	(void)unlink(path);
	assert(symlink(target, path) == 0);
}

static void get(const char *path, char *ret, size_t size)
{
	FILE *file = fopen(path, "re");

	ret[0] = '\0';
	if (file == NULL)
		return;
	if (fgets(ret, (int)size, file) == NULL)
		ret[0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	fclose(file);
}

/* ---- Functions ---- */

static void vf_addr(unsigned i, char addr[32])
{
	snprintf(addr, 32, "0000:01:%02x.%u", 0x10 + i / 4, i * 2 % 8);
}

static void make_device(struct fake_pf *f, const char *addr, int group)
{
	make_dir(at(f, DEV "%s", addr));
	put(at(f, DEV "%s/driver_override", addr), "(null)\n");
	put(at(f, DEV "%s/vendor", addr), "0x8086\n");
	put(at(f, DEV "%s/device", addr), "0x10ca\n");
	put(at(f, DEV "%s/class", addr), "0x020000\n");
	make_dir(at(f, "/sys/kernel/iommu_groups/%d/devices", group));
	link_to("../x", at(f, "/sys/kernel/iommu_groups/%d/devices/%s", group, addr));
	link_to(at(f, "/sys/kernel/iommu_groups/%d", group), at(f, DEV "%s/iommu_group", addr));
}

static void make_vf(struct fake_pf *f, unsigned i)
{
	char addr[32];

	vf_addr(i, addr);
	make_device(f, addr, 10 + (int)i);
	put(at(f, "/dev/vfio/%u", 10 + i), "");
	link_to(at(f, DEV "%s", addr), at(f, DEV PF "/virtfn%u", i));
	f->vfs[i] = (struct fake_pf_vf){
		.conf = {.known = (1u << SRIOV_N_VF_FIELDS) - 1, .spoof_check = true}};
}

static void drop_vf(struct fake_pf *f, unsigned i)
{
	char addr[32];

	vf_addr(i, addr);
	remove_all(at(f, DEV "%s", addr));
	remove_all(at(f, "/sys/kernel/iommu_groups/%u", 10 + i));
	(void)unlink(at(f, DEV PF "/virtfn%u", i));
}

static unsigned count(struct fake_pf *f)
{
	char text[16];

	get(at(f, DEV PF "/sriov_numvfs"), text, sizeof(text));
	return (unsigned)strtoul(text, NULL, 10);
}

/* As the kernel: from none, or to none. */
static int set_numvfs(struct fake_pf *f, const char *text)
{
	unsigned n = (unsigned)strtoul(text, NULL, 10), has = count(f);

	if (n != 0 && f->numvfs_fails != 0)
		return -f->numvfs_fails;
	if (n > FAKE_PF_MAX_VFS)
		return -ERANGE;
	if (n != 0 && has != 0)
		return n == has ? 0 : -EBUSY;
	for (unsigned i = 0; i < has; i++)
		drop_vf(f, i);
	for (unsigned i = 0; i < n; i++)
		make_vf(f, i);
	put(at(f, DEV PF "/sriov_numvfs"), text);
	return 0;
}

/* ---- Drivers ---- */

static void bind_device(struct fake_pf *f, const char *addr, const char *driver)
{
	link_to(at(f, "/sys/bus/pci/drivers/%s", driver), at(f, DEV "%s/driver", addr));
	if (strcmp(driver, "igbvf") != 0)
		return;
	make_dir(at(f, DEV "%s/net/eth9", addr));
	make_dir(at(f, "/sys/class/net/eth9"));
	put(at(f, "/sys/class/net/eth9/flags"), "0x1002\n");
}

static void unbind_device(struct fake_pf *f, const char *addr)
{
	(void)unlink(at(f, DEV "%s/driver", addr));
	remove_all(at(f, DEV "%s/net", addr));
}

static int probe(struct fake_pf *f, const char *addr)
{
	char override[32], link[8];

	if (readlink(at(f, DEV "%s/driver", addr), link, sizeof(link)) > 0)
		return 0;
	get(at(f, DEV "%s/driver_override", addr), override, sizeof(override));
	if (strcmp(override, "vfio-pci") == 0 && !f->vfio_fails)
		bind_device(f, addr, "vfio-pci");
	else if (override[0] == '\0' || override[0] == '(')
		bind_device(f, addr, "igbvf");
	return 0;
}

static bool ends(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return n >= m && strcmp(path + n - m, end) == 0;
}

int __wrap_sriov_write(const char *path, const char *text)
{
	struct fake_pf *f = machine;
	char addr[32];

	assert(f != NULL && strncmp(path, f->root, strlen(f->root)) == 0);
	if (f->writes_left != 0 && --f->writes_left == 0) {
		f->killed = true;
		_exit(0);
	}
	f->n_writes++;
	if (ends(path, "/sriov_numvfs"))
		return access(path, F_OK) == 0 ? set_numvfs(f, text) : -ENOENT;
	if (ends(path, "/drivers_probe"))
		return probe(f, text);
	if (ends(path, "/driver/unbind")) {
		snprintf(addr, sizeof(addr), "%s", text);
		unbind_device(f, addr);
		return 0;
	}
	if (ends(path, "/bind"))
		return -ENODEV;
	if (access(path, F_OK) != 0)
		return -ENOENT;
	put(path, text);
	return 0;
}

/* ---- The PF's driver ---- */

static int fake_get(void *ctx, int ifindex, unsigned vf, struct sriov_vf_conf *ret_conf,
		    struct sriov_vf_counts *ret_counts)
{
	struct fake_pf *f = ctx;

	if (ifindex != 7 || vf >= count(f))
		return -ENODEV;
	*ret_conf = f->vfs[vf].conf;
	ret_conf->known &= ~f->refuses;
	if (ret_counts != NULL)
		*ret_counts = f->vfs[vf].counts;
	return 0;
}

static int fake_set(void *ctx, int ifindex, unsigned vf, enum sriov_vf_field field,
		    const struct sriov_vf_conf *conf)
{
	struct fake_pf *f = ctx;
	struct sriov_vf_conf *now = &f->vfs[vf].conf;

	if (ifindex != 7 || vf >= count(f))
		return -ENODEV;
	if ((f->refuses & 1u << field) != 0)
		return -EOPNOTSUPP;
	f->n_sets++;
	if ((f->ignores & 1u << field) != 0)
		return 0;
	if (field == SRIOV_VF_MAC)
		memcpy(now->mac, conf->mac, sizeof(now->mac));
	else if (field == SRIOV_VF_VLAN) {
		now->vlan = conf->vlan;
		now->qos = conf->qos;
	} else if (field == SRIOV_VF_SPOOF_CHECK)
		now->spoof_check = conf->spoof_check;
	else if (field == SRIOV_VF_TRUST)
		now->trust = conf->trust;
	else if (field == SRIOV_VF_RATE)
		now->rate_mbps = conf->rate_mbps;
	else
		now->link = conf->link;
	return 0;
}

const struct sriov_vf_ops fake_pf_vf_ops = {.get = fake_get, .set = fake_set};

/* ---- VFIO ---- */

static int fake_open(void *ctx, const char *path)
{
	struct fake_pf *f = ctx;
	const char *name = strrchr(path, '/') + 1;
	unsigned group = (unsigned)strtoul(name, NULL, 10);
	int fd;

	if (group >= 10 && group < 10 + FAKE_PF_MAX_VFS && f->vfs[group - 10].open)
		return -EBUSY;
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return access(path, F_OK) == 0 && fd >= 0 ? fd : (close(fd), -ENOENT);
}

static int fake_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	struct vfio_group_status *status = arg;

	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return 1;
	case VFIO_GROUP_GET_STATUS:
		status->flags = VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	default:
		return 0;
	}
}

const struct sriov_vfio_ops fake_pf_vfio_ops = {.open = fake_open, .ioctl = fake_ioctl};

/* ---- The machine ---- */

void fake_pf_plug(struct fake_pf *f)
{
	make_device(f, PF, 6);
	put(at(f, DEV PF "/sriov_numvfs"), "0\n");
	put(at(f, DEV PF "/sriov_totalvfs"), "8\n");
	put(at(f, DEV PF "/sriov_drivers_autoprobe"), "1\n");
	link_to(at(f, "/sys/bus/pci"), at(f, DEV PF "/subsystem"));
	make_dir(at(f, DEV PF "/net/eth1"));
	link_to(at(f, "/sys/bus/pci/drivers/igb"), at(f, DEV PF "/driver"));
	make_dir(at(f, "/sys/class/net/eth1"));
	put(at(f, "/sys/class/net/eth1/ifindex"), "7\n");
	put(at(f, "/sys/class/net/eth1/carrier"), "1\n");
	link_to(at(f, DEV PF), at(f, "/sys/class/net/eth1/device"));
}

void fake_pf_unplug(struct fake_pf *f)
{
	unsigned n = count(f);

	for (unsigned i = 0; i < n; i++)
		drop_vf(f, i);
	remove_all(at(f, DEV PF));
	remove_all(at(f, "/sys/class/net/eth1"));
}

struct fake_pf *fake_pf_create(void)
{
	/* Shared, for the one that is killed is a child. */
	struct fake_pf *f =
		mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert(f != MAP_FAILED);
	snprintf(f->root, sizeof(f->root), "/tmp/fake-pf-XXXXXX");
	assert(mkdtemp(f->root) != NULL);
	make_dir(at(f, "/sys/bus/pci/devices"));
	make_dir(at(f, "/sys/bus/pci/drivers/vfio-pci"));
	make_dir(at(f, "/sys/bus/pci/drivers/igbvf"));
	make_dir(at(f, "/sys/class/net/lo"));
	make_dir(at(f, "/dev/vfio"));
	make_dir(at(f, "/proc/sys/kernel/random"));
	put(at(f, "/proc/sys/kernel/random/boot_id"), "11111111-2222-3333-4444-555555555555\n");
	put(at(f, "/dev/vfio/vfio"), "");
	fake_pf_plug(f);
	machine = f;
	return f;
}

void fake_pf_destroy(struct fake_pf *f)
{
	remove_all(f->root);
	machine = NULL;
	munmap(f, sizeof(*f));
}

void fake_pf_write(struct fake_pf *f, const char *path, const char *text)
{
	if (ends(path, "sriov_numvfs"))
		(void)set_numvfs(f, text);
	else
		put(at(f, "%s", path), text);
}

const char *fake_pf_read(struct fake_pf *f, const char *path)
{
	static char text[400];
	ssize_t n = readlink(at(f, "%s", path), text, sizeof(text) - 1);

	if (n > 0) {
		text[n] = '\0';
		return strrchr(text, '/') + 1;
	}
	get(at(f, "%s", path), text, sizeof(text));
	return text;
}

void fake_pf_share_group(struct fake_pf *f, unsigned index, const char *driver)
{
	make_device(f, "0000:02:00.0", 10 + (int)index);
	if (driver[0] != '\0')
		link_to(at(f, "/sys/bus/pci/drivers/%s", driver), at(f, DEV "0000:02:00.0/driver"));
}

void fake_pf_use(struct fake_pf *f, unsigned index)
{
	char addr[32];

	vf_addr(index, addr);
	bind_device(f, addr, "igbvf");
	put(at(f, "/sys/class/net/eth9/flags"), "0x1003\n");
}
