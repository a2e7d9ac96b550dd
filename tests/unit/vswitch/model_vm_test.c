/* SPDX-License-Identifier: BSD-2-Clause
 *
 * VMs in the configuration: commands become objects that load, names and numbers that cannot be are
 * refused with the reason, and what 'config show' prints makes the same state again.
 */
#include "ctl/conf.h"
#include "ctl/spec.h"
#include "vswitch/changes.h"
#include "vswitch/model.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct err err;
static char folder[] = "/tmp/model_vm_test.XXXXXX";
static char kernel[64], disk[64], iso[64];

static const struct conf_binding *binding_of(const struct ctl_spec *spec)
{
	for (const struct conf_binding *b = vs_changes; b->noun != NULL; b++)
		if (strcmp(b->noun, spec->noun) == 0 && strcmp(b->verb, spec->verb) == 0)
			return b;
	return NULL;
}

static int generic_add(json_t *state, const struct ctl_spec *spec, json_t *params)
{
	char *name = ctl_spec_object_name(spec, params);
	int rc = conf_edit_add(state, spec->kind, name, json_incref(params), &err);

	free(name);
	return rc;
}

/* One command line; K, D and I stand for files that are there. */
static int change(json_t *state, const char *line)
{
	char **words, text[8192] = "";
	const struct ctl_spec *spec;
	json_t *params = NULL, *result = NULL;
	int n, rc;

	for (const char *p = line; *p != '\0'; p++) {
		size_t used = strlen(text);
		bool alone = p == line || p[-1] == ' ';
		const char *file = *p == 'K' ? kernel : *p == 'D' ? disk : *p == 'I' ? iso : NULL;

		if (alone && file != NULL && (p[1] == ' ' || p[1] == ',' || p[1] == '\0'))
			snprintf(text + used, sizeof(text) - used, "%s", file);
		else
			snprintf(text + used, sizeof(text) - used, "%c", *p);
	}
	memset(&err, 0, sizeof(err));
	n = ctl_words_split(text, &words, &err);
	assert_true(n >= 2);
	spec = ctl_spec_find(words[0], words[1]);
	assert_non_null(spec);
	rc = ctl_args_parse(spec, n - 2, words + 2, &params, &err);
	ctl_words_free(words);
	if (rc != 0)
		return rc;
	if (binding_of(spec) != NULL && binding_of(spec)->fn != NULL)
		rc = binding_of(spec)->fn(NULL, state, params, &result, &err);
	else
		rc = generic_add(state, spec, params);
	json_decref(params);
	json_decref(result);
	return rc;
}

static void must(json_t *state, const char *line)
{
	if (change(state, line) != 0)
		fail_msg("%s: %s: %s", line, err.what, err.why);
}

static void refused(json_t *state, const char *line, const char *slug, const char *words)
{
	json_t *copy = json_deep_copy(state);
	struct vs_model *m = NULL;
	int rc = change(copy, line);

	if (rc == 0)
		rc = vs_model_create(copy, &m, &err);
	if (rc == 0)
		fail_msg("taken: %s", line);
	if (strcmp(err.slug, slug) != 0)
		fail_msg("%s: %s: %s", line, err.slug, err.what);
	if (strstr(err.what, words) == NULL && strstr(err.why, words) == NULL)
		fail_msg("%s: %s: %s", line, err.what, err.why);
	assert_string_not_equal(err.what, "");
	json_decref(copy);
}

static json_t *network(void)
{
	json_t *state = json_object();

	must(state, "tenant add blue --id 7");
	must(state, "switch add lan0 --type private");
	must(state, "switch add lan1 --type internal");
	return state;
}

static struct vs_model *model_of(json_t *state)
{
	struct vs_model *m = NULL;

	if (vs_model_create(state, &m, &err) != 0)
		fail_msg("%s: %s", err.what, err.why);
	return m;
}

static void create_makes_vm_nics_and_disks_at_once(void **unused)
{
	json_t *state = network();
	struct vs_model *m;
	const struct vs_vm *vm;
	const struct vs_port *p;

	must(state, "vm create web1 --kernel K --memory 512M --processors 2 --nic "
		    "lan0,tenant=blue,vlan=5,mac=02:00:00:00:00:01 --nic lan1,name=back,queues=2 "
		    "--disk D,name=root --disk I,name=cd");
	m = model_of(state);
	vm = vs_model_vm(m, "web1");
	assert_non_null(vm);
	assert_int_equal(vm->memory, 512ull << 20);
	assert_int_equal(vm->memory_min, 512ull << 20);
	assert_int_equal(vm->processors, 2);
	assert_int_equal(vm->id, 1);
	assert_int_equal(vm->restart, VS_RESTART_ON_FAILURE);
	assert_int_equal(vm->n_nics, 2);
	assert_int_equal(vm->n_disks, 2);
	p = vs_model_port(m, "web1/nic0");
	assert_non_null(p);
	assert_ptr_equal(p->vm, vm);
	assert_string_equal(p->nic, "nic0");
	assert_string_equal(p->tenant->name, "blue");
	assert_int_equal(p->vlan.vlan, 5);
	assert_int_equal(p->kind, VS_VMBUS);
	assert_string_equal(vs_model_port(m, "web1/back")->sw->name, "lan1");
	assert_string_equal(vs_model_disk(m, "web1/root")->format, "raw");
	assert_int_equal(vs_model_disk(m, "web1/root")->lun, 0);
	assert_string_equal(vs_model_disk(m, "web1/cd")->format, "iso");
	assert_int_equal(vs_model_disk(m, "web1/cd")->lun, 1);
	assert_true(vs_model_disk(m, "web1/cd")->readonly);
	vs_model_destroy(m);
	json_decref(state);
}

/* The VM's body does not say what its NICs and disks say. */
static void what_config_show_prints_makes_the_same_state(void **unused)
{
	json_t *state = network(), *again = json_object();
	char *text, *save = NULL;

	must(state,
	     "vm create web1 --kernel K --initrd K --cmdline 'console=ttyS0 quiet' --memory 1G "
	     "--memory-min 256M --memory-max 2G --nested --vsock --autostart --restart always "
	     "--nic lan0,tenant=blue --nic lan0 --disk D --disk I,readonly");
	must(state, "vm create web10 --kernel K");
	must(state, "nic add web10/a --switch lan0 --vlan-mode trunk --allowed 1-5 --link down");
	text = conf_text_format(state);
	assert_non_null(text);
	assert_null(strstr(text, "--nic "));
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		must(again, line);
	if (!json_equal(state, again))
		fail_msg("%s\n%s", json_dumps(state, JSON_SORT_KEYS),
			 json_dumps(again, JSON_SORT_KEYS));
	free(text);
	json_decref(state);
	json_decref(again);
}

static void odd_names_are_refused_with_the_reason(void **unused)
{
	json_t *state = network();

	refused(state, "vm create a/b --kernel K", "bad-vm-name", "'/' may not be in it");
	refused(state, "vm create a:b --kernel K", "bad-vm-name", "':'");
	refused(state, "vm create a@b --kernel K", "bad-vm-name", "'@'");
	refused(state, "vm create aaaaaaaaaabbbbbbbbbbccccccccccdddddddddde --kernel K",
		"bad-vm-name", "41 bytes");
	must(state, "vm create aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd --kernel K");
	must(state, "vm create a.b_c-D9 --kernel K");
	for (const char *const *name =
		     (const char *const[]){"", ".", "..", "-a", "a b", "a\n", "\xc3\xa4", "a/../b",
					   "a$b", "a\x7f", NULL};
	     *name != NULL; name++) {
		memset(&err, 0, sizeof(err));
		assert_int_equal(vs_vm_name_check(*name, &err), -EINVAL);
		assert_string_equal(err.slug, "bad-vm-name");
		assert_string_not_equal(err.why, "");
		assert_string_not_equal(err.fix, "");
	}
	json_decref(state);
}

static void nic_options_that_cannot_be_read_are_refused(void **unused)
{
	json_t *state = network();

	refused(state, "vm create a --kernel K --nic nowhere", "not-found", "nowhere");
	refused(state, "vm create a --kernel K --nic lan0,tenant=green", "not-found", "green");
	refused(state, "vm create a --kernel K --nic lan0,vlan=5000", "usage", "5000");
	refused(state, "vm create a --kernel K --nic lan0,vlann=5", "usage", "did you mean --vlan");
	refused(state, "vm create a --kernel K --nic lan0,kind=tap", "usage", "kind");
	refused(state, "vm create a --kernel K --nic lan0,name=a/b", "bad-name", "'/'");
	refused(state, "vm create a --kernel K --nic lan0,name=x --nic lan0,name=x", "exists",
		"a/x");
	refused(state, "vm create a --kernel K --nic ,", "usage", "cannot be read");
	refused(state, "vm create a --kernel K --nic lan0,switch=lan1", "usage", "switch");
	refused(state, "vm create a --kernel K --disk D,format=odd", "usage", "odd");
	refused(state, "vm create a --kernel K --disk relative.img", "not-absolute",
		"relative.img");
	json_decref(state);
}

static void files_must_be_there(void **unused)
{
	json_t *state = network();

	refused(state, "vm create a --kernel /nowhere/vmlinuz", "no-file", "/nowhere/vmlinuz");
	refused(state, "vm create a --kernel /tmp", "not-a-file", "folder");
	refused(state, "vm create a --kernel /dev/null", "not-a-file", "special");
	refused(state, "vm create a --kernel boot/vmlinuz", "not-absolute", "boot/vmlinuz");
	refused(state, "vm create a", "no-kernel", "kernel");
	refused(state, "vm create a --kernel K --disk /nowhere/x", "no-file", "/nowhere/x");
	json_decref(state);
}

static void numbers_are_checked(void **unused)
{
	json_t *state = network();

	refused(state, "vm create a --kernel K --memory 33M", "bad-vm", "multiple of 2M");
	refused(state, "vm create a --kernel K --memory-min 512M", "bad-vm", "--memory");
	refused(state, "vm create a --kernel K --memory-max 128M", "bad-vm", "--memory");
	must(state, "vm create b --kernel K --id 9");
	refused(state, "vm create a --kernel K --id 9", "vm-id-used", "vm b's");
	refused(state, "vm create b --kernel K", "exists", "vm 'b'");
	must(state, "disk add b/one D");
	refused(state, "disk add b/two D", "disk-used", "image");
	refused(state, "disk add b/two I --lun 0", "disk-used", "LUN");
	refused(state, "disk add c/two D", "not-found", "vm 'c'");
	refused(state, "disk add two D", "bad-name", "VM/DISK");
	refused(state, "nic add c/two --switch lan0", "not-found", "vm 'c'");
	refused(state, "nic add two --switch lan0", "bad-name", "VM/NIC");
	json_decref(state);
}

/* Ports of other kinds may not look like a VM's NIC; without the VM any name is free. */
static void names_of_nics_are_theirs(void **unused)
{
	json_t *state = network();
	struct vs_model *m;

	must(state, "port add lan0 x/tap0 --kind mem");
	must(state, "port add lan0 y/nic0 --kind vmbus");
	m = model_of(state);
	assert_null(vs_model_port(m, "y/nic0")->vm);
	vs_model_destroy(m);
	refused(state, "vm create x --kernel K", "nic-name", "x/");
	must(state, "vm create y --kernel K");
	m = model_of(state);
	assert_ptr_equal(vs_model_port(m, "y/nic0")->vm, vs_model_vm(m, "y"));
	vs_model_destroy(m);
	refused(state, "port add lan0 y/tap0 --kind mem", "nic-name", "y/");
	json_decref(state);
}

static void delete_takes_nics_and_disks_along(void **unused)
{
	json_t *state = network(), *before = json_deep_copy(state);

	must(state, "vm create a --kernel K --nic lan0 --nic lan1 --disk D");
	must(state, "vm create ab --kernel K --nic lan0");
	must(state, "mac add lan0 02:00:00:00:00:09 --port a/nic0");
	must(state, "vm delete a");
	assert_null(json_object_get(state, "disk"));
	assert_int_equal(json_object_size(json_object_get(state, "mac")), 0);
	assert_int_equal(json_object_size(json_object_get(state, "port")), 1);
	must(state, "vm delete ab");
	json_object_del(state, "mac");
	json_object_del(state, "vm");
	if (!json_equal(state, before))
		fail_msg("%s", json_dumps(state, 0));
	json_decref(state);
	json_decref(before);
}

static void two_hundred_vms_have_ids_of_their_own(void **unused)
{
	json_t *state = network();
	struct vs_model *m;
	char line[200];

	for (unsigned i = 0; i < 200; i++) {
		snprintf(line, sizeof(line), "vm create vm%u --kernel K --nic lan0 --nic lan1", i);
		must(state, line);
	}
	m = model_of(state);
	assert_int_equal(m->n_vms, 200);
	assert_int_equal(vs_model_vm(m, "vm199")->id, 200);
	vs_model_destroy(m);
	/* One that goes leaves its number; the others keep theirs. */
	must(state, "vm delete vm7");
	must(state, "vm create other --kernel K");
	m = model_of(state);
	assert_int_equal(vs_model_vm(m, "other")->id, 8);
	assert_int_equal(vs_model_vm(m, "vm199")->id, 200);
	vs_model_destroy(m);
	json_decref(state);
}

static void nine_nics_are_one_too_many(void **unused)
{
	json_t *state = network();
	char line[100];

	must(state, "vm create a --kernel K");
	for (unsigned i = 0; i < 8; i++) {
		snprintf(line, sizeof(line), "nic add a/n%u --switch lan0", i);
		must(state, line);
	}
	refused(state, "nic add a/n8 --switch lan0", "limit", "8");
	json_decref(state);
}

static void memory_is_counted_as_it_is_sold(void **unused)
{
	static const struct {
		const char *text;
		json_int_t bytes;
	} sizes[] = {{"256M", 268435456},     {"256Mi", 268435456}, {"256MB", 268435456},
		     {"1G", 1073741824},      {"1.5G", 1610612736}, {"268435456", 268435456},
		     {"16384M", 17179869184}, {"4T", 4398046511104}};
	const struct ctl_spec *spec = ctl_spec_find("vm", "set");

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char vm[] = "a", option[] = "--memory", value[24], *words[] = {vm, option, value};
		json_t *params = NULL, *again = NULL;
		char **split, *text;
		int n;

		snprintf(value, sizeof(value), "%s", sizes[i].text);
		if (ctl_args_parse(spec, 3, words, &params, &err) != 0)
			fail_msg("%s: %s", value, err.what);
		assert_int_equal(json_integer_value(json_object_get(params, "memory")),
				 sizes[i].bytes);
		text = ctl_args_format(spec, params);
		n = ctl_words_split(text, &split, &err);
		assert_int_equal(ctl_args_parse(spec, n - 2, split + 2, &again, &err), 0);
		assert_true(json_equal(params, again));
		ctl_words_free(split);
		free(text);
		json_decref(params);
		json_decref(again);
	}
}

static void put_file(char *path, size_t size, const char *name)
{
	FILE *f;

	snprintf(path, size, "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("some bytes\n", f);
	fclose(f);
}

static int make_files(void **unused)
{
	assert_non_null(mkdtemp(folder));
	put_file(kernel, sizeof(kernel), "vmlinuz");
	put_file(disk, sizeof(disk), "d.img");
	put_file(iso, sizeof(iso), "i.iso");
	return 0;
}

static int remove_files(void **unused)
{
	unlink(kernel);
	unlink(disk);
	unlink(iso);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_makes_vm_nics_and_disks_at_once),
		cmocka_unit_test(what_config_show_prints_makes_the_same_state),
		cmocka_unit_test(odd_names_are_refused_with_the_reason),
		cmocka_unit_test(nic_options_that_cannot_be_read_are_refused),
		cmocka_unit_test(files_must_be_there),
		cmocka_unit_test(numbers_are_checked),
		cmocka_unit_test(names_of_nics_are_theirs),
		cmocka_unit_test(delete_takes_nics_and_disks_along),
		cmocka_unit_test(two_hundred_vms_have_ids_of_their_own),
		cmocka_unit_test(nine_nics_are_one_too_many),
		cmocka_unit_test(memory_is_counted_as_it_is_sold),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
