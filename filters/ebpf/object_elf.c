/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An object before libbpf sees it: is it one of BPF, so that somebody who gives us a program of the
 * host is told so; and the one section that is ours.
 *
 * What a damaged table of sections could make libbpf do is refused here: every section lies in the
 * file.
 */
#include <gelf.h>
#include <libelf.h>

#include <errno.h>
#include <string.h>

#include "filters/ebpf/object_priv.h"

#define WISHES ".vswitch"

static int bad(struct err *err, const char *name, const char *why)
{
	err_set(err, -EINVAL, "bad-object", "cannot load module %s: it is no object of eBPF", name);
	err_why(err, "%s", why);
	err_fix(err, "clang -O2 -g -target bpf -c SOURCE.c -o OBJECT.o");
	return -EINVAL;
}

static const char *header_fault(const GElf_Ehdr *header)
{
	unsigned order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;

	if (header->e_machine != EM_BPF && header->e_machine != EM_NONE)
		return "it is compiled for another machine, not for BPF";
	if (header->e_ident[EI_CLASS] != ELFCLASS64)
		return "it is a file of 32 bits";
	if (header->e_ident[EI_DATA] != order)
		return "its byte order is not this machine's";
	if (header->e_type != ET_REL)
		return "it is linked, not an object";
	return NULL;
}

/* Reads a text of SEC(".vswitch"). */
static void wishes_read(const uint8_t *elf, const GElf_Shdr *section, char *ret, size_t ret_size)
{
	size_t n = section->sh_size < ret_size - 1 ? section->sh_size : ret_size - 1;

	memcpy(ret, elf + section->sh_offset, n);
	ret[n] = '\0';
	for (char *c = ret; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = ' ';
}

static const char *sections_read(Elf *file, const uint8_t *elf, size_t size, char *ret_wishes,
				 size_t wishes_size)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(file, &names) != 0)
		return "it has no names of sections";
	while ((scn = elf_nextscn(file, scn)) != NULL) {
		GElf_Shdr section;
		const char *name;

		if (gelf_getshdr(scn, &section) == NULL)
			return "its table of sections is damaged";
		if (section.sh_type == SHT_NOBITS || section.sh_type == SHT_NULL)
			continue;
		if (section.sh_offset > size || section.sh_size > size - section.sh_offset)
			return "a section lies outside of the file: it is cut short or damaged";
		name = elf_strptr(file, names, section.sh_name);
		if (name != NULL && strcmp(name, WISHES) == 0)
			wishes_read(elf, &section, ret_wishes, wishes_size);
	}
	return NULL;
}

int ebpf_elf_check(const char *name, const void *elf, size_t size, char *ret_wishes,
		   size_t wishes_size, struct err *err)
{
	const char *why = "the file is not of the ELF format, or cut short";
	GElf_Ehdr header;
	Elf *file;

	ret_wishes[0] = '\0';
	if (size > EBPF_MAX_OBJECT) {
		err_set(err, -E2BIG, "bad-object", "cannot load module %s: %zu bytes are too many",
			name, size);
		err_why(err, "an object has %u bytes at most", EBPF_MAX_OBJECT);
		return -E2BIG;
	}
	if (elf_version(EV_CURRENT) == EV_NONE)
		return bad(err, name, "the ELF library is of another version");
	file = elf_memory((char *)(uintptr_t)elf, size);
	if (file != NULL && elf_kind(file) == ELF_K_ELF && gelf_getehdr(file, &header) != NULL) {
		why = header_fault(&header);
		if (why == NULL)
			why = sections_read(file, elf, size, ret_wishes, wishes_size);
	}
	elf_end(file);
	return why == NULL ? 0 : bad(err, name, why);
}
