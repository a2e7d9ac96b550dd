/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vswitchd: wires the parts together.  One table of modules, started top to bottom and undone
 * bottom to top; after that the control thread is an event loop, and the workers are the
 * dataplane's.
 */
#include "ctl/base/clock.h"
#include "ctl/base/log.h"
#include "ctl/conf.h"
#include "ctl/server.h"
#include "ctl/store.h"
#include "dataplane/dp.h"
#include "dataplane/watch.h"
#include "filters/capture.h"
#include "sriov/host.h"
#include "vswitch/captures.h"
#include "vswitch/changes.h"
#include "vswitch/cmd.h"
#include "vswitch/events.h"
#include "vswitch/link.h"
#include "vswitch/metrics.h"
#include "vswitch/changes_acl.h"
#include "vswitch/filters.h"
#include "vswitch/metrics_data.h"
#include "vswitch/notify.h"
#include "vswitch/options.h"
#include "vswitch/punt.h"
#include "vswitch/switch_flows.h"
#include "vswitch/vs.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#define LOG_MODULE "vswitchd"
#define TICK_MS	   100

struct main_state {
	struct vs_options opt;
	struct event_base *base;
	struct event *tick, *watch, *sigterm, *sigint;
	struct dp *dp;
	struct store *store;
	struct vs_metrics *metrics;
	struct vs_punts *punts;
	struct vs_link_monitor *links;
	struct vs_daemon d;
	struct log_limit vm_lines, filter_lines;
	char *initial;
	char run_dir[PATH_MAX], vmworker[PATH_MAX], filters_dir[PATH_MAX + 16];
	char bindings[PATH_MAX + 24];
	char sriov_journal[PATH_MAX + 24];
	struct sriov_host_opts sriov;
	cpu_set_t cpus; /* that this process may use, before its threads have theirs */
};

struct module {
	const char *name;
	int (*start)(struct main_state *s, struct err *err);
	void (*stop)(struct main_state *s);
};

static void event_told(void *ctx, const char *type, const char *port, const char *text)
{
	struct main_state *s = ctx;

	if (strncmp(type, "guard-", 6) == 0 || strncmp(type, "acl-", 4) == 0) {
		log_warn("%s", text);
		if (s->d.events != NULL)
			vs_events_log(s->d.events, VS_WARNING, type, port != NULL ? "port" : NULL,
				      port, "%s", text);
		return;
	}
	log_info("%s", text);
	if (s->d.captures != NULL && port != NULL && strcmp(type, "port-back") == 0)
		vs_captures_renew(s->d.captures, port);
	if (s->d.events != NULL)
		vs_events_add(s->d.events, type, port, text);
}

static void vm_event_told(void *ctx, const char *type, const char *vm, const char *text)
{
	static const char *const bad[] = {"vm-failed", "vm-crashed", "vm-killed", "vm-fault"};
	enum vs_severity severity = VS_INFO;
	struct main_state *s = ctx;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strcmp(type, bad[i]) == 0)
			severity = VS_WARNING;
	if (log_allow(&s->vm_lines, 20, 10))
		log_line(severity == VS_WARNING ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, LOG_MODULE, "%s",
			 text);
	if (s->d.events != NULL)
		vs_events_log(s->d.events, severity, type, "vm", vm, "%s", text);
}

/* Lines that a program prints are its author's, and may be many. */
static void filter_event_told(void *ctx, const char *type, const char *module, const char *text)
{
	static const char *const good[] = {"filter-print", "filter-back"};
	enum vs_severity severity = VS_WARNING;
	struct main_state *s = ctx;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (strcmp(type, good[i]) == 0)
			severity = VS_INFO;
	if (log_allow(&s->filter_lines, 20, 10))
		log_line(severity == VS_WARNING ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, LOG_MODULE, "%s",
			 text);
	if (s->d.events != NULL)
		vs_events_log(s->d.events, severity, type, "filter", module, "%s", text);
}

static void conf_changed(void *ctx, uint64_t revision, const char *text)
{
	struct main_state *s = ctx;

	vs_captures_sync(s->d.captures);
	event_told(s, "config", NULL, text);
}

static const char *const dp_event_types[] = {
	[DP_EVENT_LINK] = "link",	    [DP_EVENT_QUEUE_MOVED] = "queue-moved",
	[DP_EVENT_MAC_MOVED] = "mac-moved", [DP_EVENT_MAC_LIMIT] = "mac-limit",
	[DP_EVENT_LOOP] = "loop",	    [DP_EVENT_WORKER] = "worker",
};

static void dp_event_told(void *ctx, const struct dp_event *e)
{
	struct main_state *s = ctx;
	const char *port = s->d.vs != NULL ? vs_port_name(s->d.vs, e->port) : NULL;
	const char *other = s->d.vs != NULL ? vs_port_name(s->d.vs, e->other_port) : NULL;
	const uint8_t *b = e->mac.addr_bytes;
	static const char gone[] = "a port that is gone";
	char text[400], mac[RTE_ETHER_ADDR_FMT_SIZE];

	/* In small letters, as everywhere else here; DPDK's are capitals. */
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		 b[5]);
	/* Of ports that went since there is nothing left to say. */
	if (e->type == DP_EVENT_MAC_MOVED && port == NULL && other == NULL)
		return;
	if (e->type == DP_EVENT_MAC_MOVED)
		snprintf(text, sizeof(text), "%s moved from %s to %s (VLAN %u)", mac,
			 other != NULL ? other : gone, port != NULL ? port : gone, e->vlan);
	else if (e->type == DP_EVENT_MAC_LIMIT)
		snprintf(text, sizeof(text), "%s on %s not learned: a limit is reached", mac,
			 port != NULL ? port : gone);
	else
		snprintf(text, sizeof(text), "%s", e->text);
	event_told(s, dp_event_types[e->type], port, text);
}

/* The first core this process may use: the control thread's, unless told. */
static unsigned first_cpu(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	for (unsigned i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			return i;
	return 0;
}

static unsigned last_cpu(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	for (unsigned i = CPU_SETSIZE; i-- > 0;)
		if (CPU_ISSET(i, &set))
			return i;
	return 0;
}

/* Before EAL pins this thread: the cores that 'core add' can choose from. */
static char *default_config(void)
{
	char *text = NULL;

	if (asprintf(&text, "# Embedded default: one worker, on the last core.\ncore add %u\n",
		     last_cpu()) < 0)
		return NULL;
	return text;
}

static char *file_read(const char *path, struct err *err)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 1 << 20);
	size_t n;

	if (f == NULL || text == NULL) {
		err_set(err, -errno, "initial", "cannot read %s: %s", path, strerror(errno));
		free(text);
		if (f != NULL)
			fclose(f);
		return NULL;
	}
	n = fread(text, 1, (1 << 20) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static int base_start(struct main_state *s, struct err *err)
{
	struct rlimit files = {65536, 65536};

	(void)setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	s->d.started_ns = clock_mono_ns();
	if (sched_getaffinity(0, sizeof(s->cpus), &s->cpus) != 0)
		memset(&s->cpus, 0xff, sizeof(s->cpus));
	s->base = event_base_new();
	s->d.base = s->base;
	if (s->opt.initial == NULL)
		s->initial = default_config();
	else if (strcmp(s->opt.initial, "-") != 0) {
		s->initial = file_read(s->opt.initial, err);
		if (s->initial == NULL)
			return -ENOENT;
	}
	return s->base != NULL ? 0 : err_set(err, -ENOMEM, "no-memory", "no event loop");
}

static void base_stop(struct main_state *s)
{
	event_base_free(s->base);
	free(s->initial);
}

/* The parent folders of the socket and the store, when they are missing. */
static void make_parent(const char *path)
{
	char dir[512];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash == NULL || slash == dir)
		return;
	*slash = '\0';
	(void)mkdir(dir, 0755);
}

static int server_start(struct main_state *s, struct err *err)
{
	struct ctl_server_opts opts = {.path = s->opt.socket, .group = s->opt.group};

	/* The usual group is not asked for by name: where nobody made it, only root is let in. */
	if (opts.group == NULL && getgrnam("vswitch") != NULL)
		opts.group = "vswitch";
	make_parent(s->opt.socket);
	return ctl_server_create(s->base, &opts, &s->d.server, err);
}

static void server_stop(struct main_state *s)
{
	ctl_server_destroy(s->d.server);
}

static int store_start(struct main_state *s, struct err *err)
{
	struct store_report report = {0};
	int rc;

	make_parent(s->opt.store);
	rc = store_open(s->opt.store, &s->store, &report, err);
	if (rc != 0)
		return rc;
	snprintf(s->d.store_path, sizeof(s->d.store_path), "%s", s->opt.store);
	if (report.recovered || report.upgraded) {
		log_warn("%s", report.text);
		vs_events_add(s->d.events, "store", NULL, report.text);
	}
	return 0;
}

static void store_stop(struct main_state *s)
{
	store_close(s->store);
}

static int events_start(struct main_state *s, struct err *err)
{
	return vs_events_create(&s->d.events, err);
}

static void events_stop(struct main_state *s)
{
	vs_events_destroy(s->d.events);
	s->d.events = NULL;
}

static int eal_start(struct main_state *s, struct err *err)
{
	unsigned cpu = s->opt.control_cpu_given ? s->opt.control_cpu : first_cpu();
	int rc = dp_eal_init(cpu, s->opt.no_huge, s->opt.huge_mb, s->opt.n_eal, s->opt.eal,
			     s->d.eal_note, sizeof(s->d.eal_note), err);

	if (rc != 0)
		return rc;
	s->d.has_huge = s->d.eal_note[0] == '\0' && !s->opt.no_huge;
	if (s->d.eal_note[0] != '\0') {
		log_warn("%s", s->d.eal_note);
		vs_events_add(s->d.events, "huge-pages", NULL, s->d.eal_note);
	}
	return 0;
}

static void eal_stop(struct main_state *s)
{
	dp_eal_fini();
	vs_options_free(&s->opt);
}

static int dp_start(struct main_state *s, struct err *err)
{
	struct dp_opts opts = {
		.n_mbufs = s->opt.mbufs,
		.max_sleep_us = 500,
		.capture = filter_capture_hook,
		.event = dp_event_told,
		.ctx = s,
	};

	return dp_create(&opts, &s->dp, err);
}

static void dp_stop(struct main_state *s)
{
	dp_destroy(s->dp);
}

/* A failure leaves the metrics where they were. */
static int serve_metrics(void *ctx, const char *address, struct err *err)
{
	struct main_state *s = ctx;
	struct vs_metrics_opts opts = {.address = address};
	struct vs_metrics *next = NULL;
	int rc = 0;

	if (address != NULL)
		rc = vs_metrics_create(s->base, &opts, vs_metrics_fill, &s->d, &next, err);
	if (rc != 0)
		return rc;
	vs_metrics_destroy(s->metrics);
	s->metrics = next;
	return 0;
}

/* Absolute, for the paths of sockets must be. */
static void folder_of(const char *path, char *dir, size_t size)
{
	char full[PATH_MAX];

	snprintf(dir, size, "%s", path);
	(void)dirname(dir);
	if (realpath(dir, full) != NULL)
		snprintf(dir, size, "%s", full);
}

/* The program that runs a VM: as told, beside this one, or where a build tree has it. */
static const char *find_vmworker(struct main_state *s)
{
	static const char *const places[] = {"vmworker", "../hv/worker/vmworker"};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (s->opt.vmworker != NULL)
		return s->opt.vmworker;
	self[n > 0 ? n : 0] = '\0';
	for (size_t i = 0; n > 0 && i < sizeof(places) / sizeof(places[0]); i++) {
		int end = (int)(strrchr(self, '/') + 1 - self);

		snprintf(s->vmworker, sizeof(s->vmworker), "%.*s%s", end, self, places[i]);
		if (access(s->vmworker, X_OK) == 0)
			return s->vmworker;
	}
	snprintf(s->vmworker, sizeof(s->vmworker), "/usr/sbin/vmworker");
	return s->vmworker;
}

static int vs_start(struct main_state *s, struct err *err)
{
	char path[300], dir[PATH_MAX];
	struct vs_opts opts = {.base = s->base,
			       .dp = s->dp,
			       .takeover_path = path,
			       .run_dir = s->run_dir,
			       .serve_metrics = serve_metrics,
			       .event = event_told,
			       .vm_event = vm_event_told,
			       .filter_event = filter_event_told,
			       .filters_dir = s->filters_dir,
			       .worker = find_vmworker(s),
			       .cpus = &s->cpus,
			       .ctx = s};
	int rc;

	snprintf(path, sizeof(path), "%s.takeover", s->opt.socket);
	folder_of(s->opt.socket, s->run_dir, sizeof(s->run_dir));
	/* A store that keeps nothing keeps no objects either. */
	folder_of(strcmp(s->opt.store, ":memory:") != 0 ? s->opt.store : s->opt.socket, dir,
		  sizeof(dir));
	snprintf(s->filters_dir, sizeof(s->filters_dir), "%s/filters", dir);
	snprintf(s->bindings, sizeof(s->bindings), "%s/guard-bindings.json", dir);
	snprintf(s->sriov_journal, sizeof(s->sriov_journal), "%s/sriov-journal.json", dir);
	s->sriov = (struct sriov_host_opts){.root = "",
					    .journal = s->sriov_journal,
					    .vf = &sriov_vf_netlink,
					    .vfio = &sriov_vfio_real};
	opts.sriov = &s->sriov;
	if (strcmp(s->opt.store, ":memory:") != 0)
		opts.bindings_path = s->bindings;
	opts.has_group = ctl_server_group(s->d.server, &opts.group);
	rc = vs_create(&opts, &s->d.vs, err);

	if (rc != 0)
		return rc;
	rc = vs_captures_create(&s->d, &s->d.captures, err);
	if (rc != 0) {
		vs_destroy(s->d.vs);
		return rc;
	}
	/* Without memory for it controllers get no packets; the switch goes on. */
	if (vs_punts_create(s->d.vs, s->base, vs_switch_agent, &s->punts) != 0)
		s->punts = NULL;
	return 0;
}

static void vs_stop(struct main_state *s)
{
	vs_punts_destroy(s->punts);
	s->punts = NULL;
	vs_captures_destroy(s->d.captures);
	vs_metrics_destroy(s->metrics);
	s->metrics = NULL;
	vs_destroy(s->d.vs);
	s->d.vs = NULL;
}

/* What comes with changes as files: objects of filters, entries, addresses. */
static int take_files(void *ctx, struct ctl_call *call, json_t *params, struct err *err)
{
	int rc = vs_filters_take(ctx, call, params, err);

	return rc == 0 ? vs_change_acl_take(ctx, call, params, err) : rc;
}

static int conf_start_module(struct main_state *s, struct err *err)
{
	static const struct conf_ops ops = {.check = vs_check,
					    .probe = vs_probe,
					    .take = take_files,
					    .apply = vs_apply};
	static const struct ctl_binding *const tables[] = {
		vs_cmd_switches, vs_cmd_ports,	    vs_cmd_tenants,	vs_cmd_stats,
		vs_cmd_capture,	 vs_cmd_doctor,	    vs_cmd_flows,	vs_cmd_flow_reads,
		vs_cmd_groups,	 vs_cmd_mirrors,    vs_cmd_controllers, vs_cmd_traces,
		vs_cmd_vteps,	 vs_cmd_conntracks, vs_cmd_zones,	vs_cmd_queues,
		vs_cmd_nics,	 vs_cmd_vms,	    vs_cmd_disks,	vs_cmd_filter_modules,
		vs_cmd_guards,	 vs_cmd_acls,	    vs_cmd_ipsets,	vs_cmd_qoses,
		vs_cmd_flowrecs, vs_cmd_teams,	    vs_cmd_vmqs,	vs_cmd_sriovs};
	int rc = conf_create(s->base, s->store, &ops, s->d.vs, &s->d.conf, err);

	if (rc != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < sizeof(tables) / sizeof(tables[0]); i++)
		rc = ctl_server_bind(s->d.server, tables[i], &s->d, err);
	if (rc == 0)
		rc = conf_bind(s->d.conf, s->d.server, vs_changes, err);
	if (rc == 0) {
		conf_on_change(s->d.conf, conf_changed, s);
		rc = conf_start(s->d.conf, s->initial, err);
	}
	if (rc != 0)
		conf_destroy(s->d.conf);
	return rc;
}

static void conf_stop(struct main_state *s)
{
	conf_destroy(s->d.conf);
	/* Calls that wait for VMs are answered when these are let go of, after this. */
	s->d.conf = NULL;
}

static void tick(evutil_socket_t fd, short what, void *arg)
{
	struct main_state *s = arg;

	dp_tick(s->dp);
	vs_tick(s->d.vs);
	vs_events_tick(s->d.events);
}

static void watched(evutil_socket_t fd, short what, void *arg)
{
	struct main_state *s = arg;

	dp_watch_run(s->dp);
}

static void quit(evutil_socket_t fd, short what, void *arg)
{
	struct main_state *s = arg;

	event_base_loopbreak(s->base);
}

/* A device may have come back, or gone: the tick would see it too, later. */
static void link_changed(void *ctx, enum vs_link_event event, const struct vs_link_info *info)
{
	struct main_state *s = ctx;

	if (event == VS_LINK_NEW || event == VS_LINK_GONE)
		vs_interface_changed(s->d.vs, info->name);
	/* Groups that watch ports do not wait for the tick. */
	dp_links_look(s->dp);
	vs_switch_flows_links(s->d.vs);
}

static int loop_start(struct main_state *s, struct err *err)
{
	const struct timeval every = {0, TICK_MS * 1000};

	/* Without it devices come back all the same, a little later. */
	if (vs_link_monitor_create(s->base, -1, link_changed, s, &s->links, err) != 0)
		log_warn("%s", err->what);
	s->tick = event_new(s->base, -1, EV_PERSIST, tick, s);
	s->watch = event_new(s->base, dp_watch_fd(s->dp), EV_READ | EV_PERSIST, watched, s);
	s->sigterm = evsignal_new(s->base, SIGTERM, quit, s);
	s->sigint = evsignal_new(s->base, SIGINT, quit, s);
	if (s->tick == NULL || s->watch == NULL || s->sigterm == NULL || s->sigint == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for the event loop");
	event_add(s->tick, &every);
	event_add(s->watch, NULL);
	event_add(s->sigterm, NULL);
	event_add(s->sigint, NULL);
	return 0;
}

static void loop_stop(struct main_state *s)
{
	vs_link_monitor_destroy(s->links);
	event_free(s->tick);
	event_free(s->watch);
	event_free(s->sigterm);
	event_free(s->sigint);
}

static const struct module modules[] = {
	{"base", base_start, base_stop},       {"control socket", server_start, server_stop},
	{"events", events_start, events_stop}, {"store", store_start, store_stop},
	{"eal", eal_start, eal_stop},	       {"dataplane", dp_start, dp_stop},
	{"switch", vs_start, vs_stop},	       {"configuration", conf_start_module, conf_stop},
	{"loop", loop_start, loop_stop},
};

#define N_MODULES (sizeof(modules) / sizeof(modules[0]))

static void say(const struct err *err)
{
	fprintf(stderr, "error[%s]: %s\n", err->slug, err->what);
	if (err->why[0] != '\0')
		fprintf(stderr, "  why: %s\n", err->why);
	if (err->fix[0] != '\0')
		fprintf(stderr, "  fix: %s\n", err->fix);
}

int main(int argc, char **argv)
{
	static struct main_state s;
	struct err err = {0};
	size_t started = 0;
	int rc = vs_options_read(&s.opt, argc, argv);

	if (rc >= 0)
		return rc;
	for (rc = 0; started < N_MODULES; started++) {
		rc = modules[started].start(&s, &err);
		if (rc != 0)
			break;
	}
	if (rc != 0) {
		say(&err);
	} else {
		log_info("ready: %s", s.opt.socket);
		(void)vs_notify("READY=1");
		event_base_dispatch(s.base);
		log_info("stopping");
		(void)vs_notify("STOPPING=1");
	}
	while (started-- > 0)
		modules[started].stop(&s);
	return rc == 0 ? 0 : 1;
}
