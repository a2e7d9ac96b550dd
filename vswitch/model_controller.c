/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Controllers in the model: where they are, and by which means a switch may be programmed.
 */
#include "vswitch/model_priv.h"

#include "ctl/conf.h"
#include "vswitch/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int vs_datapath_id_parse(const char *text, uint64_t *ret_id)
{
	size_t n;

	if (strncmp(text, "0x", 2) == 0)
		text += 2;
	n = strspn(text, "0123456789abcdefABCDEF");
	if (n == 0 || n > 16 || text[n] != '\0' || strtoull(text, NULL, 16) == 0)
		return -EINVAL;
	*ret_id = strtoull(text, NULL, 16);
	return 0;
}

/* Both sides show a certificate; a target without TLS has none to show. */
static int check_files(const struct vs_controller *c, const struct vs_target *t, struct err *err)
{
	unsigned n = (c->ca != NULL) + (c->cert != NULL) + (c->key != NULL);

	if (t->tls && n != 3) {
		err_set(err, -EINVAL, "tls-files",
			"controller %s: TLS needs --ca, --cert and --key", t->text);
		err_why(err,
			"the switch shows its certificate, and trusts those whom the CA signed");
		err_fix(err,
			"vswitchctl controller add %s %.100s --ca CA.pem --cert SW.pem --key "
			"SW-key.pem",
			c->sw->name, t->text);
		return -EINVAL;
	}
	if (!t->tls && n != 0) {
		err_set(err, -EINVAL, "tls-files",
			"controller %s: it has no TLS, so no certificates", t->text);
		err_fix(err, "leave out --ca, --cert and --key, or write %s",
			t->listens ? "ptls:PORT" : "tls:HOST:PORT");
		return -EINVAL;
	}
	return 0;
}

/* Who reaches a listener without TLS is master of the switch. */
static int check_exposed(const struct vs_target *t, bool insecure, struct err *err)
{
	if (!t->listens || t->tls || insecure || vs_target_is_loopback(t))
		return 0;
	err_set(err, -EINVAL, "not-loopback", "controller %s: others could reach it", t->text);
	err_why(err, "without TLS whoever connects programs the switch, and reads along");
	err_fix(err, "use ptls:, or listen on 127.0.0.1; where the network is trusted: --insecure");
	return -EINVAL;
}

/* Auxiliary connections are the switch's to open. */
static int check_aux(const struct vs_controller *c, const struct vs_target *t, struct err *err)
{
	if (c->n_aux > VS_MAX_AUX)
		return err_set(err, -EINVAL, "bad-aux", "controller %s: --aux must be 0 to %d",
			       t->text, VS_MAX_AUX);
	if (c->n_aux == 0 || !t->listens)
		return 0;
	err_set(err, -EINVAL, "bad-aux", "controller %s: it has no auxiliary connections", t->text);
	err_why(err, "a switch opens them to where its main connection goes, and here it listens");
	err_fix(err, "leave out --aux, or have the switch connect: tcp:HOST:PORT");
	return -EINVAL;
}

int vs_model_controller_read(struct vs_model *m, const char *name, const json_t *body,
			     struct err *err)
{
	struct vs_controller *c = &m->controllers[m->n_controllers++];
	const char *sw = vs_body_str(body, "switch");
	struct vs_target target;
	int rc;

	*c = (struct vs_controller){
		.name = name,
		.sw = vs_model_switch(m, sw),
		.target = vs_body_str(body, "target"),
		.ca = vs_body_str(body, "ca"),
		.cert = vs_body_str(body, "cert"),
		.key = vs_body_str(body, "key"),
		.probe_ms = (unsigned)vs_body_number(body, "probe", 0),
		.n_aux = (unsigned)vs_body_number(body, "aux", 0),
	};
	if (c->sw == NULL)
		return conf_refuse_missing(m->state, "switch", sw, "controller", err);
	rc = vs_target_parse(c->target != NULL ? c->target : "", &target, err);
	if (rc == 0)
		rc = check_files(c, &target, err);
	if (rc == 0)
		rc = check_aux(c, &target, err);
	if (rc == 0)
		rc = check_exposed(&target, json_is_true(json_object_get(body, "insecure")), err);
	return rc;
}
