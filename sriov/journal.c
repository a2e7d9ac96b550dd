/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See journal.h.
 */
#include "sriov/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#define VERSION	 1
#define MAX_FILE (4 << 20)

/* A word that may go into a path of sysfs; false: it may not, or is too long. */
static bool take_word(const json_t *row, const char *key, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(row, key));

	ret[0] = '\0';
	if (text == NULL || strlen(text) >= size || strchr(text, '/') != NULL || text[0] == '.' ||
	    strchr(text, '\n') != NULL)
		return false;
	memcpy(ret, text, strlen(text) + 1);
	return true;
}

static bool take_text(const json_t *row, const char *key, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(row, key));

	ret[0] = '\0';
	if (text == NULL || strlen(text) >= size)
		return false;
	memcpy(ret, text, strlen(text) + 1);
	return true;
}

static bool take_number(const json_t *row, const char *key, unsigned max, unsigned *ret)
{
	const json_t *value = json_object_get(row, key);
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || n > (json_int_t)max)
		return false;
	*ret = (unsigned)n;
	return true;
}

static bool pf_parse(const json_t *row, struct sriov_journal_pf *pf)
{
	*pf = (struct sriov_journal_pf){
		.autoprobe = json_is_true(json_object_get(row, "autoprobe")),
	};
	return take_word(row, "name", pf->name, sizeof(pf->name)) &&
	       take_word(row, "addr", pf->addr, sizeof(pf->addr)) && pf->name[0] != '\0' &&
	       take_number(row, "before", SRIOV_MAX_VFS, &pf->before) &&
	       take_number(row, "made", SRIOV_MAX_VFS, &pf->made);
}

static bool conf_parse(const json_t *row, struct sriov_vf_conf *conf)
{
	unsigned vlan, qos, rate, link, known;
	char mac[24];
	uint8_t *m = conf->mac;

	if (!take_text(row, "mac", mac, sizeof(mac)) ||
	    sscanf(mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &m[0], &m[1], &m[2], &m[3], &m[4],
		   &m[5]) != 6 ||
	    !take_number(row, "vlan", 4095, &vlan) || !take_number(row, "qos", 7, &qos) ||
	    !take_number(row, "rate", UINT_MAX, &rate) ||
	    !take_number(row, "link", SRIOV_N_LINKS - 1, &link) ||
	    !take_number(row, "known", (1u << SRIOV_N_VF_FIELDS) - 1, &known))
		return false;
	conf->vlan = (uint16_t)vlan;
	conf->qos = (uint8_t)qos;
	conf->rate_mbps = rate;
	conf->link = (enum sriov_vf_link)link;
	conf->known = known;
	conf->spoof_check = json_is_true(json_object_get(row, "spoof_check"));
	conf->trust = json_is_true(json_object_get(row, "trust"));
	return true;
}

static bool vf_parse(const json_t *row, struct sriov_journal_vf *vf)
{
	*vf = (struct sriov_journal_vf){0};
	return take_word(row, "pf", vf->pf, sizeof(vf->pf)) && vf->pf[0] != '\0' &&
	       take_word(row, "addr", vf->addr, sizeof(vf->addr)) && vf->addr[0] != '\0' &&
	       take_number(row, "index", SRIOV_MAX_VFS - 1, &vf->index) &&
	       take_word(row, "driver", vf->driver, sizeof(vf->driver)) &&
	       take_word(row, "override", vf->driver_override, sizeof(vf->driver_override)) &&
	       take_text(row, "owner", vf->owner, sizeof(vf->owner)) && conf_parse(row, &vf->was);
}

static int rows_parse(const json_t *root, struct sriov_journal *j)
{
	const json_t *pfs = json_object_get(root, "pfs"), *vfs = json_object_get(root, "vfs");
	size_t i;
	json_t *row;

	j->pfs = calloc(SRIOV_MAX_PFS, sizeof(*j->pfs));
	j->vfs = calloc(json_array_size(vfs) + 1, sizeof(*j->vfs));
	if (j->pfs == NULL || j->vfs == NULL)
		return -ENOMEM;
	json_array_foreach(pfs, i, row) {
		if (j->n_pfs < SRIOV_MAX_PFS && pf_parse(row, &j->pfs[j->n_pfs]))
			j->n_pfs++;
	}
	json_array_foreach(vfs, i, row) {
		if (j->n_vfs < SRIOV_JOURNAL_MAX_VFS && vf_parse(row, &j->vfs[j->n_vfs]))
			j->n_vfs++;
	}
	return 0;
}

int sriov_journal_parse(const char *text, size_t size, struct sriov_journal *ret_journal)
{
	json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	struct sriov_journal j = {0};
	int rc = -EBADMSG;

	if (json_integer_value(json_object_get(root, "version")) == VERSION &&
	    take_text(root, "boot", j.boot, sizeof(j.boot)))
		rc = rows_parse(root, &j);
	json_decref(root);
	if (rc != 0)
		sriov_journal_fini(&j);
	else
		*ret_journal = j;
	return rc;
}

static json_t *vf_json(const struct sriov_journal_vf *vf)
{
	const struct sriov_vf_conf *was = &vf->was;
	char mac[24];

	sriov_vf_field_format(SRIOV_VF_MAC, was, mac, sizeof(mac));
	return json_pack("{ss ss si ss ss ss si ss si si sI si sb sb}", "pf", vf->pf, "addr",
			 vf->addr, "index", (int)vf->index, "driver", vf->driver, "override",
			 vf->driver_override, "owner", vf->owner, "known", (int)was->known, "mac",
			 mac, "vlan", (int)was->vlan, "qos", (int)was->qos, "rate",
			 (json_int_t)was->rate_mbps, "link", (int)was->link, "spoof_check",
			 (int)was->spoof_check, "trust", (int)was->trust);
}

char *sriov_journal_format(const struct sriov_journal *j)
{
	json_t *pfs = json_array(), *vfs = json_array(), *root;
	char *text;

	for (unsigned i = 0; i < j->n_pfs; i++) {
		const struct sriov_journal_pf *pf = &j->pfs[i];

		json_array_append_new(pfs,
				      json_pack("{ss ss si si sb}", "name", pf->name, "addr",
						pf->addr, "before", (int)pf->before, "made",
						(int)pf->made, "autoprobe", (int)pf->autoprobe));
	}
	for (unsigned i = 0; i < j->n_vfs; i++)
		json_array_append_new(vfs, vf_json(&j->vfs[i]));
	root = json_pack("{si ss so so}", "version", VERSION, "boot", j->boot, "pfs", pfs, "vfs",
			 vfs);
	text = json_dumps(root, JSON_INDENT(1));
	json_decref(root);
	return text;
}

void sriov_journal_fini(struct sriov_journal *j)
{
	free(j->pfs);
	free(j->vfs);
	*j = (struct sriov_journal){0};
}

static char *file_read(const char *path, size_t *ret_size, int *ret_rc)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	struct stat st;
	ssize_t n = -1;

	*ret_rc = fd < 0 ? -errno : 0;
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size < MAX_FILE &&
	    (text = malloc((size_t)st.st_size + 1)) != NULL)
		n = read(fd, text, (size_t)st.st_size);
	if (fd >= 0) {
		close(fd);
		*ret_rc = n < 0 ? -EIO : 0;
	}
	if (n >= 0) {
		*ret_size = (size_t)n;
		return text;
	}
	free(text);
	return NULL;
}

int sriov_journal_read(const char *path, struct sriov_journal *ret_journal, struct err *err)
{
	size_t size = 0;
	int rc;
	char *text = file_read(path, &size, &rc);

	if (rc == -ENOENT) {
		*ret_journal = (struct sriov_journal){0};
		return 0;
	}
	if (rc == 0)
		rc = sriov_journal_parse(text, size, ret_journal);
	free(text);
	if (rc != 0) {
		err_set(err, rc, "sriov-journal", "%.200s cannot be read: %s", path, strerror(-rc));
		err_why(err, "it says what is to be undone of this machine's VFs");
		err_fix(err, "mv %.200s away; then VFs that were taken stay bound to vfio-pci",
			path);
	}
	return rc;
}

static int sync_folder(const char *path)
{
	char dir[PATH_MAX];
	int fd;

	snprintf(dir, sizeof(dir), "%s", path);
	fd = open(dirname(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	(void)fsync(fd);
	close(fd);
	return 0;
}

static int write_text(const char *path, const char *text)
{
	char temp[PATH_MAX];
	size_t size = strlen(text);
	int n = snprintf(temp, sizeof(temp), "%s.new", path), fd, rc = 0;

	if (n < 0 || (size_t)n >= sizeof(temp))
		return -ENAMETOOLONG;
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	errno = EIO;
	if (write(fd, text, size) != (ssize_t)size || fsync(fd) != 0)
		rc = -errno;
	close(fd);
	if (rc == 0 && rename(temp, path) != 0)
		rc = -errno;
	if (rc != 0)
		(void)unlink(temp);
	return rc == 0 ? sync_folder(path) : rc;
}

int sriov_journal_write(const char *path, const struct sriov_journal *journal, struct err *err)
{
	char *text;
	int rc;

	if (journal->n_pfs == 0 && journal->n_vfs == 0) {
		if (unlink(path) == 0)
			(void)sync_folder(path);
		return 0;
	}
	text = sriov_journal_format(journal);
	rc = text != NULL ? write_text(path, text) : -ENOMEM;
	free(text);
	if (rc != 0) {
		err_set(err, rc, "sriov-journal", "cannot write %.200s: %s", path, strerror(-rc));
		err_why(err, "nothing is changed that the next start could not undo");
		err_fix(err, "df -h %.200s", path);
	}
	return rc;
}
