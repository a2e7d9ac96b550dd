/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See sriov_pfs.h.
 */
#include "vswitch/sriov_pfs.h"

#include "vswitch/model_priv.h"
#include "vswitch/sriov.h"
#include "vswitch/vs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sriov_host *vs_sriov_host(const struct vs *vs)
{
	return vs != NULL ? vs->policy[VS_POLICY_PFS] : NULL;
}

const struct vs_pfs_conf *vs_pfs_conf(const struct vs_model *m)
{
	return m->policy[VS_POLICY_PFS];
}

static int read(struct vs_model *m, void **ret, struct err *err)
{
	json_t *objects = json_object_get(m->state, "sriov"), *body;
	struct vs_pfs_conf *conf;
	const char *name;

	if (json_object_size(objects) == 0)
		return 0;
	if (json_object_size(objects) > SRIOV_MAX_PFS)
		return err_set(err, -ENOSPC, "limit", "at most %u adapters with VFs",
			       SRIOV_MAX_PFS);
	conf = calloc(1, sizeof(*conf));
	if (conf == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for adapters with VFs");
	json_object_foreach(objects, name, body) {
		uint64_t n = vs_body_number(body, "vfs", 0);

		conf->wants[conf->n++] = (struct sriov_want){
			.pf = name,
			.n_vfs = n <= SRIOV_MAX_VFS ? (unsigned)n : SRIOV_MAX_VFS,
		};
	}
	*ret = conf;
	return 0;
}

static void told(void *ctx, const char *type, const char *pf, const char *text)
{
	struct vs *vs = ctx;

	vs_event(vs, type, NULL, "%s", text);
}

static int create(struct vs *vs, void **ret, struct err *err)
{
	struct sriov_host_opts opts;
	struct sriov_host *host = NULL;
	int rc;

	if (vs->opts.sriov == NULL)
		return 0;
	opts = *vs->opts.sriov;
	opts.event = told;
	opts.ctx = vs;
	rc = sriov_host_create(&opts, &host, err);
	if (rc != 0)
		return rc;
	*ret = host;
	/* NICs, which were there before, take theirs of it. */
	vs_sriov_use(vs, &sriov_host_pool, host);
	return 0;
}

static void destroy(struct vs *vs, void *live)
{
	sriov_host_destroy(live);
}

static int no_host(struct err *err)
{
	err_set(err, -ENOTSUP, "no-sriov", "this switch makes no VFs");
	err_why(err, "it was started without a place to note how adapters were before");
	return -ENOTSUP;
}

static int probe(struct vs *vs, const struct vs_model *m, struct err *err)
{
	static const struct vs_pfs_conf none;
	const struct vs_pfs_conf *conf = vs_pfs_conf(m) != NULL ? vs_pfs_conf(m) : &none;
	struct sriov_host *host = vs_sriov_host(vs);

	if (host == NULL)
		return conf->n != 0 ? no_host(err) : 0;
	return sriov_host_probe(host, conf->wants, conf->n, err);
}

/* When this process ends VMs go on with the VFs that they have. */
static int need(struct vs *vs, const struct vs_model *m, bool starting, struct err *err)
{
	static const struct vs_pfs_conf none;
	const struct vs_pfs_conf *conf = vs_pfs_conf(m) != NULL ? vs_pfs_conf(m) : &none;
	struct sriov_host *host = vs_sriov_host(vs);

	if (host == NULL)
		return conf->n != 0 ? no_host(err) : 0;
	return sriov_host_want(host, conf->wants, conf->n, starting || vs->ending, err);
}

static void restore(struct vs *vs)
{
	(void)need(vs, vs->model, true, NULL);
}

static void tick(struct vs *vs)
{
	if (vs_sriov_host(vs) != NULL)
		sriov_host_tick(vs_sriov_host(vs));
}

const struct vs_policy vs_policy_pfs = {
	.read = read,
	.forget = free,
	.create = create,
	.destroy = destroy,
	.probe = probe,
	.need = need,
	.restore = restore,
	.tick = tick,
};
