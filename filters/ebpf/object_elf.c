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
#include <stdio.h>
#include <string.h>

#include "filters/ebpf/object_priv.h"

#define WISHES ".vswitch"
#define MAPS   ".maps"

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
static void wishes_read(const uint8_t *bytes, size_t size, struct ebpf_elf *ret)
{
	size_t n = size < sizeof(ret->wishes) - 1 ? size : sizeof(ret->wishes) - 1;

	memcpy(ret->wishes, bytes, n);
	ret->wishes[n] = '\0';
	for (char *c = ret->wishes; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = ' ';
}

/* Values that libbpf knows of the kernel's build; what else an object leaves open is the kernel's
 * own. */
static bool is_kconfig(const char *name)
{
	return strncmp(name, "CONFIG_", 7) == 0 || strncmp(name, "LINUX_", 6) == 0;
}

/* Counts maps, and finds what is not in the object. */
static void symbols_read(Elf *file, Elf_Scn *scn, const GElf_Shdr *section, size_t maps,
			 struct ebpf_elf *ret)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	GElf_Sym symbol;

	for (int i = 1; data != NULL && gelf_getsym(data, i, &symbol) != NULL; i++) {
		const char *name = elf_strptr(file, section->sh_link, symbol.st_name);
		unsigned type = GELF_ST_TYPE(symbol.st_info);

		if (maps != 0 && symbol.st_shndx == maps && type == STT_OBJECT)
			ret->n_maps++;
		if (symbol.st_shndx == SHN_UNDEF && name != NULL && name[0] != '\0' &&
		    !is_kconfig(name) && ret->open[0] == '\0')
			snprintf(ret->open, sizeof(ret->open), "%s", name);
	}
}

/* Takes what it is after from a section; 'pass' 0 finds the section of maps, 1 the rest. */
static const char *section_read(Elf *file, Elf_Scn *scn, const uint8_t *elf, size_t size,
				size_t names, unsigned pass, size_t *maps, struct ebpf_elf *ret)
{
	GElf_Shdr section;
	const char *name;

	if (gelf_getshdr(scn, &section) == NULL)
		return "its table of sections is damaged";
	if (section.sh_type == SHT_NOBITS || section.sh_type == SHT_NULL)
		return NULL;
	if (section.sh_offset > size || section.sh_size > size - section.sh_offset)
		return "a section lies outside of the file: it is cut short or damaged";
	name = elf_strptr(file, names, section.sh_name);
	if (name == NULL)
		return "a section has no name";
	if (pass == 0 && strcmp(name, MAPS) == 0)
		*maps = elf_ndxscn(scn);
	else if (pass == 1 && strcmp(name, WISHES) == 0)
		wishes_read(elf + section.sh_offset, section.sh_size, ret);
	else if (pass == 1 && section.sh_type == SHT_SYMTAB)
		symbols_read(file, scn, &section, *maps, ret);
	return NULL;
}

static const char *sections_read(Elf *file, const uint8_t *elf, size_t size, struct ebpf_elf *ret)
{
	size_t names, maps = 0;
	const char *fault = NULL;

	if (elf_getshdrstrndx(file, &names) != 0)
		return "it has no names of sections";
	for (unsigned pass = 0; pass < 2 && fault == NULL; pass++) {
		Elf_Scn *scn = NULL;

		while (fault == NULL && (scn = elf_nextscn(file, scn)) != NULL)
			fault = section_read(file, scn, elf, size, names, pass, &maps, ret);
	}
	return fault;
}

static int contents_check(const char *name, const struct ebpf_elf *elf, struct err *err)
{
	if (elf->n_maps > EBPF_MAX_OBJECT_MAPS) {
		err_set(err, -E2BIG, "too-many-maps", "cannot load module %s: it has %u maps", name,
			elf->n_maps);
		err_why(err, "an object has %u at most", EBPF_MAX_OBJECT_MAPS);
		err_fix(err, "join maps of the same kind into one with a longer key");
		return -E2BIG;
	}
	if (elf->open[0] == '\0')
		return 0;
	err_set(err, -ENOTSUP, "kernel-symbol", "cannot load module %s: '%s' is not in the object",
		name, elf->open);
	err_why(err,
		"it is a kernel's function (kfunc) or variable (ksym), which are not here where "
		"there is no kernel around the packet; or of another object");
	err_fix(err, "do without it, docs/filters.md lists the helpers that are there; or link the "
		     "objects: bpftool gen object ALL.o ONE.o OTHER.o");
	return -ENOTSUP;
}

int ebpf_elf_check(const char *name, const void *elf, size_t size, struct ebpf_elf *ret,
		   struct err *err)
{
	const char *why = "the file is not of the ELF format, or cut short";
	GElf_Ehdr header;
	Elf *file;

	memset(ret, 0, sizeof(*ret));
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
			why = sections_read(file, elf, size, ret);
	}
	elf_end(file);
	return why == NULL ? contents_check(name, ret, err) : bad(err, name, why);
}
