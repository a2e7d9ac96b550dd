/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See devlink.h.
 */
#include "sriov/devlink.h"

#include <errno.h>
#include <string.h>

#include <linux/devlink.h>
#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "dataplane/netdev.h"

const char *sriov_eswitch_name(enum sriov_eswitch mode)
{
	static const char *const names[] = {"", "legacy", "switchdev"};

	return names[mode];
}

struct reading {
	const char *bus, *addr;
	struct sriov_devlink *devlink;
	bool found;
};

static bool is_word(const struct nlattr *attr, const char *word)
{
	return attr != NULL && nla_len(attr) > 0 &&
	       strncmp(nla_data(attr), word, (size_t)nla_len(attr)) == 0;
}

/* The attributes of an answer about the device that is asked for; false: it is about another. */
static bool parse(struct nl_msg *msg, struct reading *r, struct nlattr **tb)
{
	struct genlmsghdr *hdr = nlmsg_data(nlmsg_hdr(msg));

	return nla_parse(tb, DEVLINK_ATTR_MAX, genlmsg_attrdata(hdr, 0), genlmsg_attrlen(hdr, 0),
			 NULL) == 0 &&
	       is_word(tb[DEVLINK_ATTR_BUS_NAME], r->bus) &&
	       is_word(tb[DEVLINK_ATTR_DEV_NAME], r->addr);
}

static int mode_read(struct nl_msg *msg, void *arg)
{
	struct nlattr *tb[DEVLINK_ATTR_MAX + 1], *mode;
	struct reading *r = arg;

	if (!parse(msg, r, tb))
		return NL_OK;
	mode = tb[DEVLINK_ATTR_ESWITCH_MODE];
	r->found = true;
	if (mode != NULL && nla_len(mode) >= (int)sizeof(uint16_t))
		r->devlink->mode = nla_get_u16(mode) == DEVLINK_ESWITCH_MODE_SWITCHDEV
					   ? SRIOV_SWITCHDEV
					   : SRIOV_LEGACY;
	return NL_OK;
}

static int port_read(struct nl_msg *msg, void *arg)
{
	struct nlattr *tb[DEVLINK_ATTR_MAX + 1], *vf, *name;
	struct reading *r = arg;
	unsigned index;

	if (!parse(msg, r, tb))
		return NL_OK;
	r->found = true;
	vf = tb[DEVLINK_ATTR_PORT_PCI_VF_NUMBER];
	name = tb[DEVLINK_ATTR_PORT_NETDEV_NAME];
	if (vf == NULL || name == NULL || nla_len(vf) < (int)sizeof(uint16_t))
		return NL_OK;
	index = nla_get_u16(vf);
	if (index < SRIOV_MAX_VFS)
		nla_strlcpy(r->devlink->representors[index], name, IFNAMSIZ);
	return NL_OK;
}

static int ask(struct nl_sock *sk, int family, int flags, uint8_t cmd, const struct reading *r)
{
	struct nl_msg *msg = nlmsg_alloc();
	int rc = -ENOMEM;

	if (msg != NULL &&
	    genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, flags, cmd, 1) != NULL &&
	    nla_put_string(msg, DEVLINK_ATTR_BUS_NAME, r->bus) == 0 &&
	    nla_put_string(msg, DEVLINK_ATTR_DEV_NAME, r->addr) == 0)
		rc = nl_send_auto(sk, msg) < 0 ? -EIO : dp_nl_errno(nl_recvmsgs_default(sk));
	nlmsg_free(msg);
	return rc;
}

int sriov_devlink_read(const char *bus, const char *addr, struct sriov_devlink *ret_devlink)
{
	struct reading r = {bus, addr, ret_devlink, false};
	struct nl_sock *sk = nl_socket_alloc();
	int family, rc = -ENOENT;

	*ret_devlink = (struct sriov_devlink){0};
	if (sk == NULL)
		return -ENOMEM;
	nl_socket_disable_auto_ack(sk);
	if (bus[0] != '\0' && addr[0] != '\0' && genl_connect(sk) == 0) {
		family = genl_ctrl_resolve(sk, DEVLINK_GENL_NAME);
		nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, mode_read, &r);
		if (family >= 0)
			(void)ask(sk, family, 0, DEVLINK_CMD_ESWITCH_GET, &r);
		nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, port_read, &r);
		if (family >= 0)
			(void)ask(sk, family, NLM_F_DUMP, DEVLINK_CMD_PORT_GET, &r);
		rc = r.found ? 0 : -ENOENT;
	}
	nl_socket_free(sk);
	return rc;
}
