/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An ELF kernel (vmlinux): its segments go to their physical addresses.  A note of Xen's says where
 * its 32-bit entry is (PVH); without one it is taken for a Linux that starts in long mode at its
 * ELF entry.
 *
 * Source: System V ABI, chapters 4 and 5; Xen docs/misc/pvh.pandoc; Linux
 * arch/x86/kernel/head_64.S (startup_64).
 */
#include "hv/boot_priv.h"

#include "ctl/base/wire.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Linux has five segments.  The limits keep a made-up file from costing more than a real one. */
#define MAX_SEGMENTS 64
#define MAX_NOTES    65536u

#define XEN_PHYS32_ENTRY 18

#define LINUX_CMDLINE_MAX 2047 /* COMMAND_LINE_SIZE */
#define BOOT_PROTOCOL	  0x20c
#define LOADED_HIGH	  1
#define KERNEL_ALIGNMENT  0x200000

struct segment {
	uint64_t offset, gpa, in_file, in_memory;
};

struct image {
	const struct hv_memory *memory;
	const struct boot_file *file;
	uint64_t entry;
	unsigned n;
	struct segment segment[MAX_SEGMENTS];
	struct segment notes; /* the last one; in_file 0: none */
	uint64_t notes_align;
};

bool boot_is_elf(const uint8_t *head)
{
	return memcmp(head, ELFMAG, SELFMAG) == 0;
}

static int bad(const struct image *image, struct err *err, const char *why)
{
	err_set(err, -EINVAL, image->file->slug, "%s is not an ELF kernel that can be started",
		image->file->name);
	err_why(err, "%s", why);
	return -EINVAL;
}

static int check_header(const struct image *image, const Elf64_Ehdr *eh, struct err *err)
{
	if (image->file->size < sizeof(*eh))
		return bad(image, err, "it ends within its header");
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh->e_machine != EM_X86_64)
		return bad(image, err, "it is not for 64-bit x86");
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return bad(image, err, "it is not linked: an object or a core file");
	if (eh->e_phentsize != sizeof(Elf64_Phdr))
		return bad(image, err, "its program headers have another size");
	if (eh->e_phnum == 0 || eh->e_phnum > MAX_SEGMENTS)
		return bad(image, err, "it has no program headers, or more than 64");
	return 0;
}

static bool overlaps(const struct image *image, uint64_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < image->n; i++) {
		const struct segment *s = &image->segment[i];

		if (gpa < s->gpa + s->in_memory && s->gpa < gpa + size)
			return true;
	}
	return false;
}

/* Everything about a segment that does not depend on reading it. */
static int add_segment(struct image *image, const Elf64_Phdr *ph, struct err *err)
{
	int rc;

	if (ph->p_memsz == 0)
		return 0;
	if (ph->p_filesz > ph->p_memsz)
		return bad(image, err, "a segment is larger in the file than in memory");
	if (ph->p_offset > image->file->size || ph->p_filesz > image->file->size - ph->p_offset)
		return bad(image, err, "it is cut short: a segment ends behind the file's end");
	rc = boot_fits(image->memory, image->file, "kernel", ph->p_paddr, ph->p_memsz, err);
	if (rc != 0)
		return rc;
	if (overlaps(image, ph->p_paddr, ph->p_memsz))
		return bad(image, err, "two of its segments share memory");
	image->segment[image->n++] = (struct segment){
		.offset = ph->p_offset,
		.gpa = ph->p_paddr,
		.in_file = ph->p_filesz,
		.in_memory = ph->p_memsz,
	};
	return 0;
}

static int read_headers(struct image *image, const Elf64_Ehdr *eh, struct err *err)
{
	Elf64_Phdr ph[MAX_SEGMENTS];
	int rc = boot_file_read(image->file, eh->e_phoff, ph, eh->e_phnum * sizeof(ph[0]), err);

	for (unsigned i = 0; rc == 0 && i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD) {
			rc = add_segment(image, &ph[i], err);
		} else if (ph[i].p_type == PT_NOTE) {
			image->notes = (struct segment){
				.offset = ph[i].p_offset,
				.in_file = ph[i].p_filesz,
			};
			image->notes_align = ph[i].p_align == 8 ? 8 : 4;
		}
	}
	if (rc == 0 && image->n == 0)
		return bad(image, err, "it has nothing to load");
	return rc;
}

/* Skips what fills 'size' up; at the very end it may be missing. */
static void skip_padding(struct rd *rd, uint64_t size, uint64_t align)
{
	uint64_t padding = (align - size % align) % align;

	rd_skip(rd, padding < rd->left ? padding : rd->left);
}

/* True, and the entry, if one of the notes is Xen's. */
static bool find_pvh(const void *notes, size_t size, uint64_t align, uint64_t *ret_entry)
{
	struct rd rd = rd_init(notes, size);

	while (rd_ok(&rd) && rd.left > 0) {
		uint32_t name_size = rd_le32(&rd), value_size = rd_le32(&rd), type = rd_le32(&rd);
		const uint8_t *name = rd_bytes(&rd, name_size);
		struct rd value;
		uint64_t entry;

		skip_padding(&rd, name_size, align);
		value = rd_sub(&rd, value_size);
		skip_padding(&rd, value_size, align);
		if (!rd_ok(&rd) || type != XEN_PHYS32_ENTRY || name_size != 4 ||
		    memcmp(name, "Xen", 4) != 0)
			continue;
		entry = rd_le(&value, value_size == 4 ? 4 : 8);
		if (!rd_ok(&value))
			return false;
		*ret_entry = entry;
		return true;
	}
	return false;
}

static int read_notes(const struct image *image, bool *ret_pvh, uint64_t *ret_entry,
		      struct err *err)
{
	uint64_t size = image->notes.in_file;
	void *notes;
	int rc;

	*ret_pvh = false;
	if (size == 0)
		return 0;
	if (size > MAX_NOTES)
		return bad(image, err, "its notes are longer than 64 KB");
	notes = malloc(size);
	if (notes == NULL)
		return err_set(err, -ENOMEM, "out-of-memory", "no memory for the kernel's notes");
	rc = boot_file_read(image->file, image->notes.offset, notes, size, err);
	if (rc == 0)
		*ret_pvh = find_pvh(notes, size, image->notes_align, ret_entry);
	free(notes);
	return rc;
}

/* It begins in bytes that came from the file. */
static int check_entry(const struct image *image, uint64_t entry, struct err *err)
{
	for (unsigned i = 0; i < image->n; i++) {
		const struct segment *s = &image->segment[i];

		if (entry >= s->gpa && entry - s->gpa < s->in_file)
			return 0;
	}
	return bad(image, err, "its entry is outside of what is loaded");
}

static int load_segments(const struct image *image, struct err *err)
{
	for (unsigned i = 0; i < image->n; i++) {
		const struct segment *s = &image->segment[i];
		uint64_t rest = s->in_memory - s->in_file;
		int rc = boot_file_load(image->file, s->offset, image->memory, s->gpa, s->in_file,
					err);

		if (rc != 0)
			return rc;
		if (rest > 0)
			memset(gpa_at(&image->memory->map, s->gpa + s->in_file, rest), 0, rest);
	}
	return 0;
}

/* What a bzImage's header would have said. */
static void make_header(struct boot_kernel *kernel)
{
	uint8_t *zero = kernel->header;

	kernel->header_size = 0x264 - BOOT_SETUP_HEADER;
	boot_put(zero + 0x1fe - BOOT_SETUP_HEADER, 0xaa55, 2);
	memcpy(zero + 0x202 - BOOT_SETUP_HEADER, "HdrS", 4);
	boot_put(zero + 0x206 - BOOT_SETUP_HEADER, BOOT_PROTOCOL, 2);
	boot_put(zero + 0x211 - BOOT_SETUP_HEADER, LOADED_HIGH, 1);
	boot_put(zero + 0x230 - BOOT_SETUP_HEADER, KERNEL_ALIGNMENT, 4);
	boot_put(zero + 0x238 - BOOT_SETUP_HEADER, LINUX_CMDLINE_MAX, 4);
}

static void describe(const struct image *image, bool pvh, struct boot_kernel *ret_kernel)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < image->n; i++) {
		const struct segment *s = &image->segment[i];

		if (s->gpa + s->in_memory > end)
			end = s->gpa + s->in_memory;
	}
	*ret_kernel = (struct boot_kernel){
		.entry = pvh ? BOOT_PVH : BOOT_LINUX64,
		.start = image->entry,
		.end = end,
		.initrd_max = HV_LOW_MEMORY_END - 1,
		.cmdline_max = LINUX_CMDLINE_MAX,
	};
	make_header(ret_kernel);
}

int boot_elf_load(const struct hv_memory *memory, const struct boot_file *file, const uint8_t *head,
		  struct boot_kernel *ret_kernel, struct err *err)
{
	struct image image = {.memory = memory, .file = file};
	Elf64_Ehdr eh;
	bool pvh;
	int rc;

	memcpy(&eh, head, sizeof(eh));
	image.entry = eh.e_entry;
	rc = check_header(&image, &eh, err);
	if (rc == 0)
		rc = read_headers(&image, &eh, err);
	if (rc == 0)
		rc = read_notes(&image, &pvh, &image.entry, err);
	if (rc == 0)
		rc = check_entry(&image, image.entry, err);
	if (rc == 0)
		rc = load_segments(&image, err);
	if (rc == 0)
		describe(&image, pvh, ret_kernel);
	return rc;
}
