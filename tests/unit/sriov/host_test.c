/* SPDX-License-Identifier: BSD-2-Clause
 *
 * VFs of the host, on a machine of paper.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sriov/host.h"
#include "sriov/journal.h"

#include "tests/support/fake_pf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NUMVFS	  "/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs"
#define AUTOPROBE "/sys/bus/pci/devices/0000:01:00.0/sriov_drivers_autoprobe"
#define VF0	  "/sys/bus/pci/devices/0000:01:10.0"
#define VF1	  "/sys/bus/pci/devices/0000:01:10.2"
#define ALL	  ((1u << SRIOV_N_VF_FIELDS) - 1)

struct rig {
	struct fake_pf *fake;
	struct sriov_host *host;
	char journal[128];
	char event[64], text[400];
	unsigned n_lost;
};

/* The clock is ours: the host looks once a second. */
static uint64_t now_ns = 1000000000;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	*ret = (struct timespec){.tv_sec = (time_t)(now_ns / 1000000000),
				 .tv_nsec = (long)(now_ns % 1000000000)};
	return 0;
}

static void told(void *ctx, const char *type, const char *pf, const char *text)
{
	struct rig *r = ctx;

	snprintf(r->event, sizeof(r->event), "%s", type);
	snprintf(r->text, sizeof(r->text), "%s", text);
}

static void lost(void *ctx, void *claim, const char *why)
{
	struct rig *r = ctx;

	assert_non_null(claim);
	assert_true(why[0] != '\0');
	r->n_lost++;
}

static void start(struct rig *r)
{
	const struct sriov_host_opts opts = {
		.root = r->fake->root,
		.journal = r->journal,
		.vf = &fake_pf_vf_ops,
		.vf_ctx = r->fake,
		.vfio = &fake_pf_vfio_ops,
		.vfio_ctx = r->fake,
		.event = told,
		.ctx = r,
	};
	struct err err = {0};

	assert_int_equal(sriov_host_create(&opts, &r->host, &err), 0);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->fake = fake_pf_create();
	snprintf(r->journal, sizeof(r->journal), "%s/sriov.json", r->fake->root);
	start(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	sriov_host_destroy(r->host);
	fake_pf_destroy(r->fake);
	free(r);
	return 0;
}

/* A second later. */
static void tick(struct rig *r)
{
	now_ns += 6000000000;
	sriov_host_tick(r->host);
}

static int want(struct rig *r, unsigned n, struct err *err)
{
	const struct sriov_want wants[] = {{"eth1", n}};

	return sriov_host_want(r->host, wants, n != 0, false, err);
}

static struct sriov_vf_conf conf(uint16_t vlan)
{
	return (struct sriov_vf_conf){.known = ALL,
				      .mac = {2, 0, 0, 0, 0, 5},
				      .vlan = vlan,
				      .spoof_check = true,
				      .rate_mbps = 100};
}

static int take(struct rig *r, const char *owner, struct sriov_claim **ret, struct err *err)
{
	struct sriov_vf_conf c = conf(20);

	return sriov_claim_take(r->host, "eth1", owner, &c, lost, r, ret, NULL, err);
}

static bool has_journal(const struct rig *r)
{
	return access(r->journal, F_OK) == 0;
}

static void vfs_are_made_and_unmade(void **state)
{
	struct rig *r = *state;
	struct sriov_pf_info pfs[2];

	assert_int_equal(want(r, 3, NULL), 0);
	assert_string_equal(fake_pf_read(r->fake, NUMVFS), "3");
	assert_string_equal(fake_pf_read(r->fake, AUTOPROBE), "0");
	assert_true(has_journal(r));
	assert_int_equal(sriov_host_free(r->host, "eth1"), 3);
	assert_int_equal(sriov_host_free(r->host, "0000:01:00.0"), 3);
	assert_int_equal(sriov_host_pfs(r->host, pfs, 2), 1);
	assert_int_equal(pfs[0].want, 3);
	assert_int_equal(pfs[0].pf.total_vfs, 8);

	assert_int_equal(want(r, 5, NULL), 0);
	assert_string_equal(fake_pf_read(r->fake, NUMVFS), "5");
	assert_int_equal(want(r, 0, NULL), 0);
	assert_string_equal(fake_pf_read(r->fake, NUMVFS), "0");
	assert_string_equal(fake_pf_read(r->fake, AUTOPROBE), "1");
	assert_false(has_journal(r));
}

static void what_is_no_pf_is_refused(void **state)
{
	struct rig *r = *state;
	struct err err = {0};
	struct sriov_want wants[] = {{"eth1", 2}, {"eth7", 1}, {"lo", 1}, {"eth1", 9}};

	assert_int_equal(sriov_host_want(r->host, &wants[1], 1, false, &err), -ENODEV);
	assert_string_equal(err.slug, "no-pf");
	assert_int_equal(sriov_host_want(r->host, &wants[2], 1, false, &err), -ENOTSUP);
	assert_string_equal(err.slug, "no-sriov");
	assert_int_equal(sriov_host_want(r->host, &wants[3], 1, false, &err), -EINVAL);
	assert_string_equal(err.slug, "limit");
	assert_int_equal(sriov_host_probe(r->host, &wants[3], 1, &err), -EINVAL);
	/* All or nothing: the first goes again. */
	assert_int_equal(sriov_host_want(r->host, wants, 2, false, &err), -ENODEV);
	assert_string_equal(fake_pf_read(r->fake, NUMVFS), "0");
	assert_false(has_journal(r));
	/* One PF by two names. */
	wants[1].pf = "0000:01:00.0";
	assert_int_equal(sriov_host_want(r->host, wants, 2, false, &err), -EEXIST);
	assert_string_equal(fake_pf_read(r->fake, NUMVFS), "0");
}

static void failing_numvfs_changes_nothing(void **state)
{
	struct rig *r = *state;
	struct err err = {0};

	assert_int_equal(want(r, 2, NULL), 0);
	r->fake->numvfs_fails = ENOMEM;
	assert_int_equal(want(r, 3, &err), -ENOMEM);
	assert_non_null(strstr(err.fix, "pci=realloc"));
	r->fake->numvfs_fails = 0;
	/* They went, for there is no other way; they are made again. */
	tick(r);
	tick(r);
	assert_string_equal(fake_pf_read(r->fake, NUMVFS), "2");
}

static void vf_is_taken_with_its_policy_and_given_back(void **state)
{
	struct rig *r = *state;
	struct sriov_claim *c = NULL;
	struct sriov_vfio_fds fds;
	struct sriov_vf_info info;

	assert_int_equal(want(r, 2, NULL), 0);
	assert_int_equal(take(r, "vm1/lan0", &c, NULL), 0);
	assert_string_equal(fake_pf_read(r->fake, VF0 "/driver"), "vfio-pci");
	assert_int_equal(r->fake->vfs[0].conf.vlan, 20);
	assert_int_equal(r->fake->vfs[0].conf.rate_mbps, 100);
	assert_int_equal(sriov_claim_open(c, &fds, NULL), 0);
	sriov_fds_close(&fds);
	assert_int_equal(sriov_host_vf(r->host, "eth1", 0, &info), 0);
	assert_int_equal(info.state, SRIOV_VF_TAKEN);
	assert_string_equal(info.owner, "vm1/lan0");
	assert_int_equal(sriov_claim_health(c), SRIOV_VF_WELL);
	assert_int_equal(sriov_claim_device(c)->vendor, 0x8086);

	/* The guest has it open: nothing is undone until it does not. */
	r->fake->vfs[0].open = true;
	sriov_claim_release(c);
	tick(r);
	assert_string_equal(fake_pf_read(r->fake, VF0 "/driver"), "vfio-pci");
	assert_int_equal(sriov_host_free(r->host, "eth1"), 1);
	r->fake->vfs[0].open = false;
	tick(r);
	assert_string_equal(fake_pf_read(r->fake, VF0 "/driver"), "");
	assert_string_equal(fake_pf_read(r->fake, VF0 "/driver_override"), "");
	assert_int_equal(r->fake->vfs[0].conf.vlan, 0);
	assert_int_equal(r->fake->vfs[0].conf.mac[5], 0);
	assert_int_equal(sriov_host_free(r->host, "eth1"), 2);
}

static void policy_that_is_ignored_is_an_error(void **state)
{
	struct rig *r = *state;
	struct sriov_claim *c = NULL;
	struct err err = {0};

	assert_int_equal(want(r, 1, NULL), 0);
	r->fake->ignores = 1u << SRIOV_VF_VLAN;
	assert_int_equal(take(r, "vm1/lan0", &c, &err), -ENOTSUP);
	assert_string_equal(err.slug, "vf-policy-ignored");
	assert_non_null(strstr(err.what, "VLAN"));
	/* As before: also what it did take. */
	assert_int_equal(r->fake->vfs[0].conf.mac[5], 0);
	assert_int_equal(r->fake->vfs[0].conf.rate_mbps, 0);
	assert_string_equal(fake_pf_read(r->fake, VF0 "/driver"), "");
	assert_int_equal(sriov_host_free(r->host, "eth1"), 1);

	r->fake->ignores = 0;
	r->fake->refuses = 1u << SRIOV_VF_RATE;
	assert_int_equal(take(r, "vm1/lan0", &c, &err), -EOPNOTSUPP);
	assert_string_equal(err.slug, "vf-policy");
	/* What is not asked for may be unknown: igb knows no link state. */
	r->fake->refuses = 1u << SRIOV_VF_LINK;
	assert_int_equal(take(r, "vm1/lan0", &c, &err), 0);
	sriov_claim_release(c);
}

static void another_policy_holds_or_the_former_one(void **state)
{
	struct rig *r = *state;
	struct sriov_vf_conf next = conf(30);
	struct sriov_claim *c = NULL;

	assert_int_equal(want(r, 1, NULL), 0);
	assert_int_equal(take(r, "vm1/lan0", &c, NULL), 0);
	assert_int_equal(sriov_claim_change(c, &next, NULL), 0);
	assert_int_equal(r->fake->vfs[0].conf.vlan, 30);
	next.vlan = 40;
	next.trust = true;
	r->fake->ignores = 1u << SRIOV_VF_TRUST;
	assert_int_equal(sriov_claim_change(c, &next, NULL), -ENOTSUP);
	assert_int_equal(r->fake->vfs[0].conf.vlan, 30);
	assert_int_equal(sriov_claim_health(c), SRIOV_VF_WELL);
	/* Behind our back. */
	r->fake->vfs[0].conf.vlan = 1;
	now_ns += 2000000000;
	assert_int_equal(sriov_claim_health(c), SRIOV_VF_CHANGED);
	r->fake->vfs[0].conf.vlan = 30;
	fake_pf_write(r->fake, "/sys/class/net/eth1/carrier", "0\n");
	now_ns += 2000000000;
	assert_int_equal(sriov_claim_health(c), SRIOV_VF_LINK_DOWN);
	sriov_claim_release(c);
}

static void vf_in_use_is_not_taken(void **state)
{
	struct rig *r = *state;
	struct sriov_claim *c = NULL;
	struct err err = {0};

	assert_int_equal(want(r, 2, NULL), 0);
	fake_pf_use(r->fake, 0);
	assert_int_equal(take(r, "vm1/lan0", &c, NULL), 0);
	assert_int_equal(sriov_claim_index(c), 1);
	assert_int_equal(take(r, "vm2/lan0", &c, &err), -ENOSPC);
	assert_non_null(strstr(err.why, "1 of them"));
	assert_string_equal(fake_pf_read(r->fake, VF0 "/driver"), "igbvf");
	/* Nor do others go while one is taken. */
	assert_int_equal(want(r, 4, &err), -EBUSY);
	assert_string_equal(err.slug, "vf-in-use");
	assert_int_equal(want(r, 0, &err), -EBUSY);
	assert_string_equal(fake_pf_read(r->fake, NUMVFS), "2");
	sriov_claim_release(c);
}

static void shared_group_is_refused(void **state)
{
	struct rig *r = *state;
	struct sriov_claim *c = NULL;
	struct err err = {0};

	assert_int_equal(want(r, 1, NULL), 0);
	fake_pf_share_group(r->fake, 0, "ahci");
	assert_int_equal(take(r, "vm1/lan0", &c, &err), -EBUSY);
	assert_string_equal(err.slug, "iommu-group");
	assert_non_null(strstr(err.what, "0000:02:00.0, which is bound to ahci"));
	/* Also where no driver has it: somebody may bind one. */
	fake_pf_share_group(r->fake, 0, "vfio-pci");
	assert_int_equal(take(r, "vm1/lan0", &c, &err), -EBUSY);
	/* A bridge only passes on. */
	fake_pf_share_group(r->fake, 0, "pcieport");
	assert_int_equal(take(r, "vm1/lan0", &c, &err), 0);
	sriov_claim_release(c);
}

static void vfio_that_fails_leaves_the_vf_as_it_was(void **state)
{
	struct rig *r = *state;
	struct sriov_claim *c = NULL;
	struct err err = {0};

	assert_int_equal(want(r, 1, NULL), 0);
	r->fake->vfio_fails = true;
	assert_int_equal(take(r, "vm1/lan0", &c, &err), -EBUSY);
	assert_string_equal(err.slug, "bind");
	assert_string_equal(fake_pf_read(r->fake, VF0 "/driver_override"), "");
	assert_int_equal(r->fake->vfs[0].conf.vlan, 0);
}

static void vfs_of_others_are_theirs(void **state)
{
	struct rig *r = *state;
	struct err err = {0};

	fake_pf_write(r->fake, NUMVFS, "2");
	assert_int_equal(want(r, 4, &err), -EBUSY);
	assert_string_equal(err.slug, "vfs-exist");
	assert_int_equal(want(r, 2, &err), 0);
	assert_string_equal(fake_pf_read(r->fake, AUTOPROBE), "1");
	assert_int_equal(want(r, 0, &err), 0);
	assert_string_equal(fake_pf_read(r->fake, NUMVFS), "2");
}

static void number_changed_behind_our_back_is_told_and_mended(void **state)
{
	struct rig *r = *state;
	struct sriov_claim *c = NULL;
	struct sriov_pf_info info;
	struct err err = {0};

	assert_int_equal(want(r, 4, NULL), 0);
	assert_int_equal(take(r, "vm1/lan0", &c, NULL), 0);
	fake_pf_write(r->fake, NUMVFS, "0");
	fake_pf_write(r->fake, NUMVFS, "2");
	tick(r);
	assert_string_equal(r->event, "sriov-waits");
	assert_int_equal(r->n_lost, 1);
	assert_int_equal(sriov_claim_health(c), SRIOV_VF_GONE);
	assert_int_equal(sriov_host_pfs(r->host, &info, 1), 1);
	assert_non_null(strstr(info.reason, "changed their number to 2"));
	sriov_claim_release(c);
	assert_int_equal(take(r, "vm1/lan0", &c, &err), -ENODEV);
	/* Theirs, until there are none. */
	tick(r);
	assert_string_equal(fake_pf_read(r->fake, NUMVFS), "2");
	fake_pf_write(r->fake, NUMVFS, "0");
	tick(r);
	assert_string_equal(fake_pf_read(r->fake, NUMVFS), "4");
	assert_string_equal(r->event, "sriov-back");
	assert_int_equal(r->n_lost, 1);
}

static void adapter_that_is_pulled_comes_back(void **state)
{
	struct rig *r = *state;
	struct sriov_claim *c = NULL;

	assert_int_equal(want(r, 2, NULL), 0);
	assert_int_equal(take(r, "vm1/lan0", &c, NULL), 0);
	fake_pf_unplug(r->fake);
	tick(r);
	assert_int_equal(r->n_lost, 1);
	assert_int_equal(sriov_host_free(r->host, "eth1"), 0);
	sriov_claim_release(c);
	tick(r);
	fake_pf_plug(r->fake);
	tick(r);
	assert_string_equal(r->event, "sriov-back");
	assert_string_equal(fake_pf_read(r->fake, NUMVFS), "2");
	assert_int_equal(take(r, "vm1/lan0", &c, NULL), 0);
	sriov_claim_release(c);
}

static void pf_that_is_away_at_start_is_waited_for(void **state)
{
	struct rig *r = *state;
	const struct sriov_want wants[] = {{"eth1", 2}};

	fake_pf_unplug(r->fake);
	assert_int_equal(sriov_host_want(r->host, wants, 1, true, NULL), 0);
	assert_string_equal(r->event, "sriov-waits");
	fake_pf_plug(r->fake);
	tick(r);
	assert_string_equal(fake_pf_read(r->fake, NUMVFS), "2");
}

/* Does the rest of a life in a process of its own, which is killed at its end. */
static void live_and_be_killed(struct rig *r, bool opens)
{
	struct sriov_claim *c = NULL;
	pid_t pid;
	int status;

	sriov_host_destroy(r->host);
	r->host = NULL;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		start(r);
		if (want(r, 2, NULL) == 0 && take(r, "vm1/lan0", &c, NULL) == 0 && opens)
			r->fake->vfs[0].open = true;
		else if (c != NULL)
			sriov_claim_release(c);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
}

static void vf_that_a_guest_has_outlives_the_switch(void **state)
{
	struct rig *r = *state;
	struct sriov_vf_conf same = conf(20);
	struct sriov_claim *c = NULL, *other = NULL;
	bool held = false;

	live_and_be_killed(r, true);
	start(r);
	assert_string_equal(fake_pf_read(r->fake, VF0 "/driver"), "vfio-pci");
	assert_int_equal(r->fake->vfs[0].conf.vlan, 20);
	assert_int_equal(want(r, 2, NULL), 0);
	assert_int_equal(take(r, "vm2/lan0", &other, NULL), 0);
	assert_int_equal(sriov_claim_index(other), 1);
	assert_int_equal(sriov_claim_take(r->host, "eth1", "vm1/lan0", &same, lost, r, &c, &held,
					  NULL),
			 0);
	assert_true(held);
	assert_int_equal(sriov_claim_index(c), 0);
	sriov_claim_release(c);
	sriov_claim_release(other);
	r->fake->vfs[0].open = false;
	tick(r);
	/* What it was before the first switch. */
	assert_int_equal(r->fake->vfs[0].conf.vlan, 0);
	assert_string_equal(fake_pf_read(r->fake, VF0 "/driver"), "");
}

static void vf_whose_owner_never_comes_is_given_back(void **state)
{
	struct rig *r = *state;

	live_and_be_killed(r, true);
	start(r);
	assert_int_equal(want(r, 2, NULL), 0);
	tick(r);
	assert_string_equal(fake_pf_read(r->fake, VF0 "/driver"), "vfio-pci");
	r->fake->vfs[0].open = false;
	tick(r);
	assert_string_equal(fake_pf_read(r->fake, VF0 "/driver"), "");
	assert_int_equal(sriov_host_free(r->host, "eth1"), 2);
}

static void a_stop_undoes_what_nobody_uses(void **state)
{
	struct rig *r = *state;
	struct sriov_claim *c = NULL;

	assert_int_equal(want(r, 2, NULL), 0);
	assert_int_equal(take(r, "vm1/lan0", &c, NULL), 0);
	r->fake->vfs[0].open = true;
	sriov_host_destroy(r->host);
	assert_string_equal(fake_pf_read(r->fake, NUMVFS), "2");
	assert_true(has_journal(r));
	r->fake->vfs[0].open = false;
	start(r);
	assert_int_equal(want(r, 2, NULL), 0);
	sriov_host_destroy(r->host);
	assert_string_equal(fake_pf_read(r->fake, NUMVFS), "0");
	assert_false(has_journal(r));
	start(r);
}

/* Killed at each write that a life has: the next start puts everything back. */
static void killed_anywhere_all_is_undone(void **state)
{
	struct rig *r = *state;
	unsigned n_killed = 0;

	for (unsigned at = 1; at < 30; at++) {
		r->fake->killed = false;
		r->fake->writes_left = at;
		live_and_be_killed(r, false);
		r->fake->writes_left = 0;
		n_killed += r->fake->killed;
		start(r);
		assert_string_equal(fake_pf_read(r->fake, VF0 "/driver"), "");
		assert_int_equal(r->fake->vfs[0].conf.vlan, 0);
		assert_int_equal(want(r, 0, NULL), 0);
		assert_string_equal(fake_pf_read(r->fake, NUMVFS), "0");
		assert_string_equal(fake_pf_read(r->fake, AUTOPROBE), "1");
		assert_false(has_journal(r));
	}
	assert_in_range(n_killed, 5, 28);
}

static void journal_of_another_boot_is_void(void **state)
{
	struct rig *r = *state;

	live_and_be_killed(r, true);
	r->fake->vfs[0].open = false;
	fake_pf_write(r->fake, "/proc/sys/kernel/random/boot_id", "another\n");
	start(r);
	assert_false(has_journal(r));
	assert_string_equal(fake_pf_read(r->fake, VF0 "/driver"), "vfio-pci");
	/* So they are somebody's. */
	assert_int_equal(want(r, 4, NULL), -EBUSY);
}

static void nonsense_in_the_journal_is_passed_over(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{\"version\": 1}",
		"{\"version\": 2, \"boot\": \"x\"}",
		"{\"version\": 1, \"boot\": \"11111111-2222-3333-4444-555555555555\", \"pfs\": [1, "
		"{\"name\": \"../../etc\", \"addr\": \"x\", \"before\": 0, \"made\": 1}, "
		"{\"name\": \"eth1\", \"addr\": \"0000:01:00.0\", \"before\": 0, \"made\": "
		"1000}], \"vfs\": [{\"pf\": \"a\", \"addr\": \"/\", \"index\": 0}]}"};
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		FILE *file;

		sriov_host_destroy(r->host);
		file = fopen(r->journal, "we");
		assert_non_null(file);
		fputs(texts[i], file);
		fclose(file);
		r->fake->n_writes = 0;
		start(r);
		assert_int_equal(r->fake->n_writes, 0);
		assert_int_equal(want(r, 1, NULL), 0);
		assert_int_equal(want(r, 0, NULL), 0);
	}
}

static void journal_that_cannot_be_written_stops_changes(void **state)
{
	struct rig *r = *state;
	struct err err = {0};

	sriov_host_destroy(r->host);
	snprintf(r->journal, sizeof(r->journal), "%s/none/sriov.json", r->fake->root);
	start(r);
	r->fake->n_writes = 0;
	assert_int_equal(want(r, 2, &err), -ENOENT);
	assert_string_equal(err.slug, "sriov-journal");
	assert_string_equal(fake_pf_read(r->fake, NUMVFS), "0");
}

static void pool_gives_what_the_fail_over_asks_for(void **state)
{
	const struct sriov_vf_conf policy = conf(7);
	const struct sriov_pool_ops *ops = &sriov_host_pool;
	struct rig *r = *state;
	struct sriov_vf_counts counts;
	struct sriov_vfio_fds fds;
	struct err err = {0};
	void *vf = NULL, *other = NULL;
	bool held = true;

	assert_int_equal(ops->take(r->host, "eth1", "web1/nic0", &policy, lost, r, &vf, &held,
				   &err),
			 -ENOENT);
	assert_int_equal(want(r, 1, NULL), 0);
	assert_int_equal(ops->take(r->host, "0000:01:00.0", "web1/nic0", &policy, lost, r, &vf,
				   &held, &err),
			 0);
	assert_false(held);
	assert_string_equal(ops->pf(vf), "eth1");
	assert_int_equal(ops->index(vf), 0);
	assert_string_equal(ops->device(vf)->addr, "0000:01:10.0");
	assert_int_equal(ops->device(vf)->class, 0x020000);
	assert_int_equal(ops->take(r->host, "eth1", "web2/nic0", &policy, lost, r, &other, &held,
				   &err),
			 -ENOSPC);
	assert_int_equal(ops->open(vf, &fds, &err), 0);
	sriov_fds_close(&fds);
	r->fake->vfs[0].counts = (struct sriov_vf_counts){.known = true, .rx_packets = 5};
	assert_int_equal(ops->counts(vf, &counts), 0);
	assert_int_equal(counts.rx_packets, 5);
	ops->release(vf);
	assert_int_equal(sriov_host_free(r->host, "eth1"), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(vfs_are_made_and_unmade),
		T(what_is_no_pf_is_refused),
		T(failing_numvfs_changes_nothing),
		T(vf_is_taken_with_its_policy_and_given_back),
		T(policy_that_is_ignored_is_an_error),
		T(another_policy_holds_or_the_former_one),
		T(vf_in_use_is_not_taken),
		T(shared_group_is_refused),
		T(vfio_that_fails_leaves_the_vf_as_it_was),
		T(vfs_of_others_are_theirs),
		T(number_changed_behind_our_back_is_told_and_mended),
		T(adapter_that_is_pulled_comes_back),
		T(pf_that_is_away_at_start_is_waited_for),
		T(vf_that_a_guest_has_outlives_the_switch),
		T(vf_whose_owner_never_comes_is_given_back),
		T(a_stop_undoes_what_nobody_uses),
		T(killed_anywhere_all_is_undone),
		T(journal_of_another_boot_is_void),
		T(nonsense_in_the_journal_is_passed_over),
		T(journal_that_cannot_be_written_stops_changes),
		T(pool_gives_what_the_fail_over_asks_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
