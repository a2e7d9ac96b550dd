/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who may use the socket: root, the user the daemon runs as, and members of one group.  The file's
 * mode says the same; this is what holds when somebody changes it.  Who asks is what the kernel
 * recorded when the client connected (SO_PEERCRED, SO_PEERGROUPS): nothing the client sends, and
 * nothing that is looked up later by a process number which may be another's by then.
 */
#include "ctl/server_priv.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_GROUPS 65536 /* NGROUPS_MAX of Linux. */

int ctl_group_find(const char *group, gid_t *ret_gid, struct err *err)
{
	const struct group *entry = getgrnam(group);
	char *end;
	unsigned long gid;

	if (entry != NULL) {
		*ret_gid = entry->gr_gid;
		return 0;
	}
	errno = 0;
	gid = strtoul(group, &end, 10);
	if (group[0] >= '0' && group[0] <= '9' && *end == '\0' && errno == 0 && gid < UINT32_MAX) {
		*ret_gid = (gid_t)gid;
		return 0;
	}
	err_set(err, -ENOENT, "no-group", "there is no group '%.64s'", group);
	err_why(err, "its members would be allowed to use the control socket");
	err_fix(err, "groupadd --system %.64s", group);
	return -ENOENT;
}

static bool has(const gid_t *groups, size_t n, gid_t gid)
{
	for (size_t i = 0; i < n; i++) {
		if (groups[i] == gid)
			return true;
	}
	return false;
}

/* Kernels before 4.13 do not tell a peer's groups: then what the user database says. */
static bool is_member_by_name(uid_t uid, gid_t own, gid_t gid)
{
	const struct passwd *user = getpwuid(uid);
	gid_t groups[256];
	int n = sizeof(groups) / sizeof(groups[0]);

	return user != NULL && getgrouplist(user->pw_name, own, groups, &n) >= 0 &&
	       has(groups, (size_t)n, gid);
}

static bool is_member(int fd, const struct ucred *cred, gid_t gid)
{
	gid_t few[64], *groups = few;
	socklen_t size = sizeof(few);
	bool member;
	int rc;

	if (cred->gid == gid)
		return true;
	rc = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size);
	if (rc != 0 && errno == ERANGE && size <= MAX_GROUPS * sizeof(gid_t)) {
		groups = malloc(size);
		rc = groups != NULL ? getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) : -1;
	} else if (rc != 0) {
		return errno == ENOPROTOOPT && is_member_by_name(cred->uid, cred->gid, gid);
	}
	member = rc == 0 && has(groups, size / sizeof(gid_t), gid);
	if (groups != few)
		free(groups);
	return member;
}

bool ctl_access_allowed(const struct ctl_server *server, int fd, const struct ucred *cred)
{
	if (cred->uid == 0 || cred->uid == geteuid())
		return true;
	return server->has_group && is_member(fd, cred, server->gid);
}
