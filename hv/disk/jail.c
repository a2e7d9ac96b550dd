/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See jail.h.  The kernel's own interfaces: landlock(7), capabilities(7).
 */
#include "hv/disk/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RUN	(READ | LANDLOCK_ACCESS_FS_EXECUTE)
#define IN_FILE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)
/* All of the first version: whatever is not allowed below is not to be had. */
#define HANDLED ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
#define POWERS	(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH)

static int allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access};
	long rc;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT ? 0 : -errno;
	rc = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	if (rc != 0 && errno == EINVAL) /* a file is no folder: what is meant for those goes */
		rule.allowed_access &= IN_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
	if (rc != 0)
		rc = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
	return rc == 0 ? 0 : -errno;
}

/* The rules, as a descriptor; -EOPNOTSUPP: this kernel has no Landlock. */
static int rules_make(const char *image, const char *folder)
{
	static const struct {
		const char *path;
		uint64_t access;
	} places[] = {
		{"/usr", RUN},
		{"/lib", RUN},
		{"/lib64", RUN},
		{"/bin", RUN},
		{"/etc/ld.so.cache", READ},
		{"/etc/gnutls", READ},
		{"/etc/ssl", READ},
		{"/proc", READ},
		{"/sys", READ},
		{"/dev/urandom", READ},
		{"/dev/null", IN_FILE},
	};
	const struct landlock_ruleset_attr attr = {.handled_access_fs = HANDLED};
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0), rc = 0;

	if (ruleset < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? -EOPNOTSUPP : -errno;
	for (unsigned i = 0; rc == 0 && i < sizeof(places) / sizeof(places[0]); i++)
		rc = allow(ruleset, places[i].path, places[i].access);
	if (rc == 0)
		rc = allow(ruleset, folder, READ);
	if (rc == 0)
		rc = allow(ruleset, image, IN_FILE);
	if (rc == 0)
		return ruleset;
	close(ruleset);
	return rc;
}

/* Another user, with two of root's powers left, also over exec. */
static int become(uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{POWERS, POWERS, POWERS}, {0, 0, 0}};

	if (setgroups(0, NULL) != 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 ||
	    setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0 ||
	    syscall(SYS_capset, &head, data) != 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0) != 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0) != 0)
		return -errno;
	return 0;
}

int disk_jail_enter(uid_t uid, gid_t gid, const char *image, const char *folder)
{
	int ruleset = rules_make(image, folder), rc = 0;

	if (ruleset < 0 && ruleset != -EOPNOTSUPP)
		return ruleset;
	if (uid != 0 && geteuid() == 0)
		rc = become(uid, gid);
	if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		rc = -errno;
	if (rc == 0 && ruleset >= 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		rc = -errno;
	return rc;
}
