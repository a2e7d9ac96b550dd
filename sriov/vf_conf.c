/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See vf_conf.h.
 */
#include "sriov/vf_conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const fields[SRIOV_N_VF_FIELDS] = {
#define X(name, text) [SRIOV_VF_##name] = text,
	SRIOV_VF_FIELDS(X)
#undef X
};

static const char *const links[SRIOV_N_LINKS] = {"auto", "up", "down"};

const char *sriov_vf_field_name(enum sriov_vf_field field)
{
	return fields[field];
}

const char *sriov_vf_link_name(enum sriov_vf_link link)
{
	return links[link];
}

static bool has(const struct sriov_vf_conf *conf, enum sriov_vf_field field)
{
	return (conf->known & 1u << field) != 0;
}

bool sriov_vf_conf_same(enum sriov_vf_field field, const struct sriov_vf_conf *a,
			const struct sriov_vf_conf *b)
{
	switch (field) {
	case SRIOV_VF_MAC:
		return memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
	case SRIOV_VF_VLAN:
		/* The priority is of the tag: without one there is none. */
		return a->vlan == b->vlan && (a->vlan == 0 || a->qos == b->qos);
	case SRIOV_VF_SPOOF_CHECK:
		return a->spoof_check == b->spoof_check;
	case SRIOV_VF_TRUST:
		return a->trust == b->trust;
	case SRIOV_VF_RATE:
		return a->rate_mbps == b->rate_mbps;
	case SRIOV_VF_LINK:
		return a->link == b->link;
	case SRIOV_N_VF_FIELDS:
		break;
	}
	return true;
}

/* Is it what a driver does that knows nothing of the field?  A spoof check that is off is none. */
static bool is_default(enum sriov_vf_field field, const struct sriov_vf_conf *conf)
{
	static const struct sriov_vf_conf none;

	return sriov_vf_conf_same(field, conf, &none);
}

void sriov_vf_field_format(enum sriov_vf_field field, const struct sriov_vf_conf *conf, char *text,
			   size_t size)
{
	const uint8_t *m = conf->mac;

	switch (field) {
	case SRIOV_VF_MAC:
		snprintf(text, size, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
			 m[5]);
		break;
	case SRIOV_VF_VLAN:
		snprintf(text, size, "%u (priority %u)", conf->vlan, conf->qos);
		break;
	case SRIOV_VF_SPOOF_CHECK:
		snprintf(text, size, "%s", conf->spoof_check ? "on" : "off");
		break;
	case SRIOV_VF_TRUST:
		snprintf(text, size, "%s", conf->trust ? "on" : "off");
		break;
	case SRIOV_VF_RATE:
		snprintf(text, size, "%u Mb/s", conf->rate_mbps);
		break;
	case SRIOV_VF_LINK:
		snprintf(text, size, "%s", links[conf->link]);
		break;
	case SRIOV_N_VF_FIELDS:
		snprintf(text, size, "-");
		break;
	}
}

unsigned sriov_vf_conf_restore(const struct sriov_vf_ops *ops, void *ctx, int ifindex, unsigned vf,
			       const struct sriov_vf_conf *was)
{
	struct sriov_vf_conf now = {0};
	unsigned n_bad = 0;

	if (ops->get(ctx, ifindex, vf, &now, NULL) != 0)
		return SRIOV_N_VF_FIELDS;
	for (int i = 0; i < SRIOV_N_VF_FIELDS; i++) {
		enum sriov_vf_field field = (enum sriov_vf_field)i;

		if (has(was, field) && (!has(&now, field) || !sriov_vf_conf_same(field, was, &now)))
			n_bad += ops->set(ctx, ifindex, vf, field, was) != 0;
	}
	return n_bad;
}

static int refuse_set(const char *pf, unsigned vf, enum sriov_vf_field field,
		      const struct sriov_vf_conf *want, int rc, struct err *err)
{
	char text[40];

	sriov_vf_field_format(field, want, text, sizeof(text));
	err_set(err, rc, "vf-policy", "VF %u of %s: its driver does not take %s %s: %s", vf, pf,
		fields[field], text, strerror(-rc));
	err_why(err, "a VF that does not do what its port is set to would go round the policy");
	err_fix(err, "keep this NIC on the synthetic path (nic set --sriov off)");
	return rc;
}

static int refuse_ignored(const char *pf, unsigned vf, enum sriov_vf_field field,
			  const struct sriov_vf_conf *want, const struct sriov_vf_conf *now,
			  struct err *err)
{
	char text[40], is[40] = "nothing";

	sriov_vf_field_format(field, want, text, sizeof(text));
	if (has(now, field))
		sriov_vf_field_format(field, now, is, sizeof(is));
	err_set(err, -ENOTSUP, "vf-policy-ignored", "VF %u of %s: its driver ignores the %s", vf,
		pf, fields[field]);
	err_why(err, "it took %s and reports %s", text, is);
	err_fix(err,
		"keep this NIC on the synthetic path (nic set --sriov off), or update the "
		"driver of %s",
		pf);
	return -ENOTSUP;
}

static int set_fields(const struct sriov_vf_ops *ops, void *ctx, const char *pf, int ifindex,
		      unsigned vf, const struct sriov_vf_conf *want,
		      const struct sriov_vf_conf *was, struct err *err)
{
	for (int i = 0; i < SRIOV_N_VF_FIELDS; i++) {
		enum sriov_vf_field field = (enum sriov_vf_field)i;
		int rc;

		if (has(was, field) && sriov_vf_conf_same(field, want, was))
			continue;
		rc = ops->set(ctx, ifindex, vf, field, want);
		if (rc != 0 && (rc != -EOPNOTSUPP || !is_default(field, want)))
			return refuse_set(pf, vf, field, want, rc, err);
	}
	return 0;
}

static int compare(const struct sriov_vf_ops *ops, void *ctx, const char *pf, int ifindex,
		   unsigned vf, const struct sriov_vf_conf *want, struct err *err)
{
	struct sriov_vf_conf now = {0};
	int rc = ops->get(ctx, ifindex, vf, &now, NULL);

	if (rc != 0)
		return err_set(err, rc, "vf-policy", "VF %u of %s: cannot be read back: %s", vf, pf,
			       strerror(-rc));
	for (int i = 0; i < SRIOV_N_VF_FIELDS; i++) {
		enum sriov_vf_field field = (enum sriov_vf_field)i;

		if (has(&now, field) ? !sriov_vf_conf_same(field, want, &now)
				     : !is_default(field, want))
			return refuse_ignored(pf, vf, field, want, &now, err);
	}
	return 0;
}

int sriov_vf_conf_set(const struct sriov_vf_ops *ops, void *ctx, const char *pf, int ifindex,
		      unsigned vf, const struct sriov_vf_conf *want, struct err *err)
{
	struct sriov_vf_conf was = {0};
	int rc = ops->get(ctx, ifindex, vf, &was, NULL);

	if (rc != 0)
		return err_set(err, rc, "vf-policy", "VF %u of %s cannot be read: %s", vf, pf,
			       strerror(-rc));
	rc = set_fields(ops, ctx, pf, ifindex, vf, want, &was, err);
	if (rc == 0)
		rc = compare(ops, ctx, pf, ifindex, vf, want, err);
	if (rc != 0)
		(void)sriov_vf_conf_restore(ops, ctx, ifindex, vf, &was);
	return rc;
}

bool sriov_vf_conf_holds(const struct sriov_vf_ops *ops, void *ctx, int ifindex, unsigned vf,
			 const struct sriov_vf_conf *want)
{
	return compare(ops, ctx, "", ifindex, vf, want, NULL) == 0;
}
