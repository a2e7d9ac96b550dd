/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands on disks of VMs, and on the files that are their images; see spec.h.
 */
#include "ctl/spec_priv.h"

#define FORMATS "raw|iso|qcow2|vhd|vhdx"

#define DISK_ARG CTL_NAMED("name", "disk", CTL_REQUIRED, "VM/DISK")

#define PATH_ARG(text)                                                                             \
	{                                                                                          \
		.name = "path", .type = CTL_STR, .flags = CTL_POS | CTL_REQUIRED | CTL_DEVICE,     \
		.form = CTL_FORM_FILE, .metavar = "PATH", .complete = "file", .help = (text)       \
	}

static const struct ctl_arg add_args[] = {
	{.name = "name",
	 .type = CTL_NAME,
	 .flags = CTL_POS | CTL_REQUIRED,
	 .metavar = "VM/DISK",
	 .help = "the VM and the name that the disk gets"},
	PATH_ARG("image file or block device"),
	{.name = "format",
	 .type = CTL_CHOICE,
	 .flags = CTL_DEVICE,
	 .choices = FORMATS,
	 .help = "what the file is; iso is a DVD",
	 .def = "by the name's ending, else raw"},
	{.name = "readonly",
	 .type = CTL_FLAG,
	 .flags = CTL_DEVICE,
	 .help = "the guest may not write to it"},
	{.name = "lun",
	 .type = CTL_UINT,
	 .flags = CTL_DEVICE,
	 .min = 0,
	 .max = 63,
	 .metavar = "N",
	 .help = "place on the VM's SCSI controller",
	 .def = "the lowest that is free"},
	{.name = "cache",
	 .type = CTL_CHOICE,
	 .flags = CTL_DEVICE,
	 .choices = "safe|direct|unsafe",
	 .help = "direct goes past the host's page cache; unsafe takes the guest's flushes and "
		 "does nothing, for what may be lost",
	 .def = "safe"},
	{0},
};

static const struct ctl_arg name_args[] = {DISK_ARG, {0}};

static const struct ctl_arg list_args[] = {
	CTL_NAMED("vm", "vm", 0, "only this VM's"),
	{0},
};

static const struct ctl_arg create_args[] = {
	PATH_ARG("the file, which must not be there yet"),
	{.name = "size",
	 .type = CTL_SIZE,
	 .flags = CTL_POS | CTL_REQUIRED | CTL_BINARY,
	 .min = 1 << 20,
	 .max = INT64_C(64) << 40,
	 .help = "how large the disk is to be"},
	{.name = "format",
	 .type = CTL_CHOICE,
	 .choices = "raw|qcow2|vhd|vhdx",
	 .help = "what to make; all but raw need qemu-img",
	 .def = "by the name's ending, else raw"},
	{.name = "full",
	 .type = CTL_FLAG,
	 .help = "take the room now: a raw image is sparse without it"},
	{0},
};

static const struct ctl_arg info_args[] = {PATH_ARG("the file"), {0}};

static const struct ctl_col list_cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"path", "PATH", CTL_LEFT, CTL_AS_IS, false},
	{"format", "FORMAT", CTL_LEFT, CTL_AS_IS, false},
	{"lun", "LUN", CTL_RIGHT, CTL_AS_IS, false},
	{"readonly", "READ ONLY", CTL_LEFT, CTL_AS_IS, false},
	{"vm_state", "VM", CTL_LEFT, CTL_AS_IS, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

static const struct ctl_col info_cols[] = {
	{"path", "path", CTL_LEFT, CTL_AS_IS, true},
	{"format", "format", CTL_LEFT, CTL_AS_IS, false},
	{"size", "size of the disk", CTL_LEFT, CTL_AS_BYTES, false},
	{"used", "room taken", CTL_LEFT, CTL_AS_BYTES, false},
	{"kind", "kind", CTL_LEFT, CTL_AS_IS, false},
	{"boots", "partitions", CTL_LEFT, CTL_AS_IS, false},
	{"access", "access", CTL_LEFT, CTL_AS_IS, false},
	{0},
};

const struct ctl_spec ctl_spec_disks[] = {
	{
		.noun = "disk",
		.verb = "add",
		.summary = "Add a disk to a VM",
		.description = "Images of format raw and iso can be added while the VM runs; "
			       "others from its next start, so it must be stopped.",
		.examples =
			(const char *const[]){"vswitchctl disk add web1/root /srv/web1.img",
					      "vswitchctl disk add web1/cd /srv/debian.iso", NULL},
		.args = add_args,
		.kind = "disk",
		.key = "name",
		.flags = CTL_CHANGES,
	},
	{
		.noun = "disk",
		.verb = "remove",
		.summary = "Take a disk from a VM; the image file stays",
		.examples = (const char *const[]){"vswitchctl disk remove web1/cd", NULL},
		.args = name_args,
		.flags = CTL_CHANGES,
	},
	{
		.noun = "disk",
		.verb = "list",
		.summary = "List the disks of VMs",
		.examples = (const char *const[]){"vswitchctl disk list",
						  "vswitchctl disk list web1", NULL},
		.args = list_args,
		.cols = list_cols,
		.rows = "disks",
		.flags = CTL_DEFAULT,
		.answer = "{\"disks\": [{\"name\", \"vm\", \"path\", \"format\", \"lun\", "
			  "\"readonly\", \"cache\", \"vm_state\", \"note\"}]}",
	},
	{
		.noun = "disk",
		.verb = "create",
		.summary = "Make an empty image file",
		.description = "The tool makes it, as the user who runs it, and asks no daemon.",
		.examples = (const char *const[]){"vswitchctl disk create /srv/web1.img 10G",
						  "vswitchctl disk create data.qcow2 100G", NULL},
		.args = create_args,
		.cols = info_cols,
		.flags = CTL_LOCAL,
		.answer = "as disk info",
	},
	{
		.noun = "disk",
		.verb = "info",
		.summary = "Show what an image file is",
		.description = "The tool looks at it, as the user who runs it, and asks no daemon.",
		.examples = (const char *const[]){"vswitchctl disk info /srv/web1.img", NULL},
		.args = info_args,
		.cols = info_cols,
		.flags = CTL_LOCAL,
		.answer = "{\"path\", \"format\", \"size\", \"used\", \"kind\": file or block "
			  "device, \"access\"}",
	},
	{0},
};
