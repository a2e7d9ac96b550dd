/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Physical functions (PFs) of this machine: network devices that can make virtual ones (VFs).
 *
 * 	pf.c       which there are, how many VFs they have, and making those (sysfs)
 * 	vf_conf.c  what the PF's driver enforces of a VF: MAC, VLAN, spoof check, rate (rtnetlink)
 * 	devlink.c  whether the adapter's own switch forwards by itself or is programmed;
 * representors bind.c     which driver of this machine has a VF iommu.c    whether VFIO can hand it
 * out, and its descriptors journal.c  what must be undone, in a file that outlives a kill -9 pool.c
 * all of that together: VFs that are taken and given back
 *
 * All on the control thread; all wait for the kernel, which takes some tenths of a second for a VF
 * that it makes.  'root' is "" but in tests: the folder that has sys/ and dev/.
 *
 * Source: Linux Documentation/PCI/pci-iov-howto.rst, Documentation/ABI/testing/sysfs-bus-pci.
 */
#ifndef SRIOV_PF_H
#define SRIOV_PF_H

#include "ctl/base/err.h"

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define SRIOV_MAX_PFS	 64
#define SRIOV_MAX_VFS	 256 /* of a PF */
#define SRIOV_ADDR_SIZE	 32
#define SRIOV_WORD_SIZE	 32
#define SRIOV_OWNER_SIZE 112 /* "vm1/lan0" */

struct sriov_pf {
	char name[IFNAMSIZ];	    /* its interface */
	char addr[SRIOV_ADDR_SIZE]; /* of the device on its bus: "0000:01:00.0" */
	char bus[SRIOV_WORD_SIZE];  /* "pci" */
	char driver[SRIOV_WORD_SIZE];
	int ifindex;
	unsigned total_vfs; /* that the device can have; 0: it does not say */
	unsigned n_vfs;	    /* that it has now */
	bool has_autoprobe; /* the kernel can be told to leave new VFs without a driver ... */
	bool autoprobe;	    /* ... and has not been */
};

/* The PF that is, or has, 'name': an interface, or an address on the PCI bus.  -ENODEV: there is
 * none; -ENOTSUP: it can have no VFs, or its driver lets nobody say what they may. */
int sriov_pf_find(const char *root, const char *name, struct sriov_pf *ret_pf, struct err *err);
/* The PFs there are, by name; returns how many, at most 'max'. */
unsigned sriov_pf_list(const char *root, struct sriov_pf *ret_pfs, unsigned max);
/* How many VFs it has now; negative: the PF is gone. */
int sriov_pf_count(const char *root, const struct sriov_pf *pf);
/* From 0 to 'n' VFs or back: the kernel knows no other way.  Reads back. */
int sriov_pf_set_count(const char *root, const struct sriov_pf *pf, unsigned n, struct err *err);
/* Do new VFs get their driver by themselves?  0 too where the kernel cannot be told. */
int sriov_pf_set_autoprobe(const char *root, const struct sriov_pf *pf, bool on, struct err *err);

/* A VF as its own device. */
struct sriov_device {
	char addr[SRIOV_ADDR_SIZE];
	char driver[SRIOV_WORD_SIZE];	       /* "": none */
	char driver_override[SRIOV_WORD_SIZE]; /* "": none */
	char ifname[IFNAMSIZ];		       /* "": no driver, or it makes none */
	bool ifup;
	int iommu_group; /* -1: none */
	uint16_t vendor, device, subvendor, subdevice;
	uint32_t class; /* 0x020000 */
	uint8_t revision;
};

/* -ENODEV: the PF has no such VF; -ENOTSUP: it has no PCI device (of simulated adapters). */
int sriov_device_find(const char *root, const struct sriov_pf *pf, unsigned index,
		      struct sriov_device *ret_device, struct err *err);

#endif
