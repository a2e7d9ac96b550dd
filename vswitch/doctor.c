/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'doctor', the daemon's half: what makes this host slow or broken, and how to mend it.  Each check
 * is one function in a table; those of ports are in doctor_port.c. Control thread.
 */
#include "vswitch/doctor_priv.h"

#include "filters/ebpf/object.h"
#include "vswitch/controllers.h"
#include "vswitch/filters.h"
#include "vswitch/flowrecs.h"
#include "vswitch/mirrors.h"
#include "vswitch/switch_flows.h"
#include "vswitch/vm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef void (*check_fn)(struct vs_daemon *d, json_t *rows);

void vs_doctor_add(json_t *rows, const char *check, const char *state, const char *found,
		   const char *why, const char *fix)
{
	json_array_append_new(rows, json_pack("{ss ss ss ss ss}", "check", check, "state", state,
					      "found", found, "why", why, "fix", fix));
}

static void huge_pages(struct vs_daemon *d, json_t *rows)
{
	if (d->has_huge)
		vs_doctor_add(rows, "huge pages", "ok", "packet buffers are on huge pages", "", "");
	else
		vs_doctor_add(rows, "huge pages", "warn",
			      d->eal_note[0] != '\0' ? d->eal_note : "vswitchd runs with --no-huge",
			      "address translation costs about a tenth of the forwarding rate",
			      "echo 128 > /proc/sys/vm/nr_hugepages, then restart vswitchd without "
			      "--no-huge");
}

static unsigned entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	while (dir != NULL && readdir(dir) != NULL)
		n++;
	if (dir != NULL)
		closedir(dir);
	return n > 2 ? n - 2 : 0;
}

static void iommu(struct vs_daemon *d, json_t *rows)
{
	if (access("/sys/bus/pci/devices", R_OK) != 0 || entries("/sys/bus/pci/devices") == 0)
		vs_doctor_add(rows, "iommu", "ok", "this machine has no PCI devices", "", "");
	else if (entries("/sys/kernel/iommu_groups") != 0)
		vs_doctor_add(rows, "iommu", "ok", "devices are in IOMMU groups", "", "");
	else
		vs_doctor_add(rows, "iommu", "warn", "no IOMMU group",
			      "a NIC given to DPDK could reach all memory, and vfio-pci refuses it",
			      "boot with intel_iommu=on iommu=pt (Intel) or iommu=pt (AMD), and "
			      "enable VT-d "
			      "or AMD-Vi");
}

/* Those that hand NICs to DPDK. */
static void drivers(struct vs_daemon *d, json_t *rows)
{
	if (access("/sys/bus/pci/devices", R_OK) != 0 || entries("/sys/bus/pci/devices") == 0)
		vs_doctor_add(rows, "drivers", "ok", "no PCI device needs one", "", "");
	else if (access("/sys/bus/pci/drivers/vfio-pci", R_OK) == 0)
		vs_doctor_add(rows, "drivers", "ok", "vfio-pci is loaded", "", "");
	else
		vs_doctor_add(rows, "drivers", "warn", "vfio-pci is not loaded",
			      "NICs can be used through AF_XDP only", "modprobe vfio-pci");
}

static void cores(struct vs_daemon *d, json_t *rows)
{
	char found[120];
	unsigned n = dp_n_workers(d->vs->dp);

	snprintf(found, sizeof(found), "%u worker%s on %ld cores", n, n == 1 ? "" : "s",
		 sysconf(_SC_NPROCESSORS_ONLN));
	if (n == 0)
		vs_doctor_add(rows, "cores", "fail", "no worker runs", "no frame is forwarded",
			      "vswitchctl core add 1");
	else
		vs_doctor_add(rows, "cores", "ok", found, "", "");
}

/* What a controller has put in it puts in again; what people have is gone at a restart. */
static void rules(struct vs_daemon *d, json_t *rows)
{
	const struct vs_model *m = d->vs->model;

	for (unsigned i = 0; i < m->n_switches; i++) {
		const char *sw = m->switches[i].name;
		struct vs_flows *flows = vs_switch_flows(d->vs, sw);
		unsigned n = flows != NULL && !vs_controllers_start_empty(d->vs, sw)
				     ? vs_rules_beside_first(flows)
				     : 0;
		char check[100], found[120], fix[200];

		if (n == 0)
			continue;
		snprintf(check, sizeof(check), "rules of %s", sw);
		snprintf(found, sizeof(found), "%u rule%s, and no controller configured", n,
			 n == 1 ? "" : "s");
		snprintf(fix, sizeof(fix),
			 "vswitchctl flow list %s --raw > %s.flows; docs/flows.md has a drop-in "
			 "that puts them back at each start",
			 sw, sw);
		vs_doctor_add(rows, check, "warn", found,
			      "rules are not kept: a restart loses them", fix);
	}
}

/* What VMs need of the host, where there are any. */
static void kvm(struct vs_daemon *d, json_t *rows)
{
	int fd;

	if (d->vs->vms == NULL || d->vs->model->n_vms == 0)
		return;
	fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		vs_doctor_add(rows, "kvm", "ok", "/dev/kvm opens", "", "");
	} else if (errno == ENOENT) {
		vs_doctor_add(rows, "kvm", "fail", "there is no /dev/kvm", "no VM can run here",
			      "modprobe kvm_intel or kvm_amd; in a machine that is itself virtual, "
			      "let its "
			      "host "
			      "nest");
	} else {
		vs_doctor_add(rows, "kvm", "fail", strerror(errno),
			      "/dev/kvm is not for this daemon",
			      "ls -l /dev/kvm; run vswitchd as root");
	}
}

static void vm_programs(struct vs_daemon *d, json_t *rows)
{
	const struct vs_model *m = d->vs->model;
	bool other = false;

	if (d->vs->vms == NULL || m->n_vms == 0)
		return;
	if (access(vs_vms_worker(d->vs->vms), X_OK) == 0)
		vs_doctor_add(rows, "vmworker", "ok", vs_vms_worker(d->vs->vms), "", "");
	else
		vs_doctor_add(rows, "vmworker", "fail", "vmworker is not there", "no VM can start",
			      "install it beside vswitchd, or start vswitchd with --vmworker PATH");
	for (unsigned i = 0; i < m->n_disks; i++)
		other |= strcmp(m->disks[i].format, "raw") != 0 &&
			 strcmp(m->disks[i].format, "iso") != 0;
	if (!other)
		return;
	if (access("/usr/bin/qemu-storage-daemon", X_OK) == 0)
		vs_doctor_add(rows, "qemu-storage-daemon", "ok", "it is installed", "", "");
	else
		vs_doctor_add(rows, "qemu-storage-daemon", "fail", "it is not installed",
			      "disks of format qcow2, vhd and vhdx are served by it",
			      "apt-get install qemu-system-common");
}

/* Filter modules: may the kernel be asked, and may nobody else; and those that are missing. */
static void filter_modules(struct vs_daemon *d, json_t *rows)
{
	const struct vs_model *m = d->vs->model;
	struct err why = {0};
	char off[8] = "";
	FILE *f;

	if (vs_filters_set(d->vs) == NULL)
		return;
	if (ebpf_permission_check("of any name", &why) == 0)
		vs_doctor_add(rows, "filter modules", "ok", "programs may be loaded", "", "");
	else
		vs_doctor_add(rows, "filter modules", m->n_filters != 0 ? "fail" : "warn",
			      "no filter module can be loaded", why.why, why.fix);
	for (unsigned i = 0; i < m->n_filters; i++) {
		const char *reason = vs_filter_reason(d->vs, m->filters[i].name);
		char check[100];

		snprintf(check, sizeof(check), "filter %s", m->filters[i].name);
		if (reason[0] != '\0')
			vs_doctor_add(rows, check, "fail", "it is not loaded", reason,
				      "vswitchctl filter swap NAME FILE");
	}
	f = fopen("/proc/sys/kernel/unprivileged_bpf_disabled", "re");
	if (f != NULL && fgets(off, sizeof(off), f) != NULL && off[0] == '0')
		vs_doctor_add(rows, "unprivileged bpf", "warn",
			      "every user may load programs into the kernel",
			      "modules need it for nobody but vswitchd",
			      "sysctl kernel.unprivileged_bpf_disabled=2");
	if (f != NULL)
		fclose(f);
}

/* Mirrors whose copies go nowhere. */
static void mirror_notes(struct vs_daemon *d, json_t *rows)
{
	const struct vs_mirrors_conf *conf = vs_mirrors_of(d->vs->model);

	for (unsigned i = 0; conf != NULL && i < conf->n; i++) {
		struct vs_mirror_stats stats;
		char check[80], fix[120];

		if (!vs_mirror_stats(d->vs, &conf->v[i], &stats) || !stats.waits)
			continue;
		snprintf(check, sizeof(check), "mirror %.60s", conf->v[i].name);
		snprintf(fix, sizeof(fix), "vswitchctl mirror show %.60s", conf->v[i].name);
		vs_doctor_add(rows, check, "warn", "its copies go nowhere", stats.reason, fix);
	}
}

/* VMs whose process does not do what it should say so in their note. */
static void vm_notes(struct vs_daemon *d, json_t *rows)
{
	const char *name;

	for (unsigned i = 0; d->vs->vms != NULL && (name = vs_vms_nth(d->vs->vms, i)) != NULL;
	     i++) {
		json_t *row = vs_vm_row(d->vs->vms, name, false);
		const char *note = json_string_value(json_object_get(row, "note"));
		char check[80], fix[120];

		snprintf(check, sizeof(check), "vm %s", name);
		snprintf(fix, sizeof(fix), "vswitchctl vm show %s", name);
		if (note != NULL && note[0] != '\0')
			vs_doctor_add(rows, check, "warn", note,
				      "it does not do what it was told to", fix);
		json_decref(row);
	}
}

static int run(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
	       struct err *err)
{
	static const check_fn checks[] = {huge_pages,
					  iommu,
					  drivers,
					  cores,
					  vs_doctor_waiting,
					  vs_doctor_notes,
					  vs_doctor_mtus,
					  vs_doctor_offloads,
					  vs_doctor_guards,
					  vs_doctor_qos,
					  rules,
					  kvm,
					  vm_programs,
					  vm_notes,
					  vs_flowrec_doctor,
					  mirror_notes,
					  filter_modules};
	json_t *rows = json_array();

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](ctx, rows);
	*ret = json_pack("{so}", "checks", rows);
	return 0;
}

const struct ctl_binding vs_cmd_doctor[] = {
	{"doctor", "run", run},
	{NULL, NULL, NULL},
};
