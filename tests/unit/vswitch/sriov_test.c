/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A NIC between its VF and the synthetic path, on a real switch with a real worker.  What the
 * switch does not make is a model:
 *
 * 	p1 ── switch ── up ── adapter: brings frames for the VF's address to the VF, if it is there
 * 	         │              and enforces; else they are lost, and counted
 * 	     web1/nic0          VF ── guest ── switches its data path when it is told to
 *
 * The VM's process answers vf-attach and vf-detach when the test says so.
 */
#include "vswitch/sriov_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "dataplane/port_mem.h"
#include "sriov/pf.h"
#include "sriov/pool.h"
#include "sriov/vfio.h"
#include "tests/support/mbufs.h"
#include "tests/support/test_dp.h"
#include "vmq/nic.h"
#include "vswitch/vm.h"

#define NIC "web1/nic0"

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0x11};
static const uint8_t second_mac[6] = {2, 0, 0, 0, 0, 0x12}; /* of the VM's other NIC */

static struct dp *dp;
static struct vs *vs;
static cpu_set_t cpus;
static uint64_t n_injected;
static char kmsg[64]; /* the kernel's log */

/* ---- The adapter ---- */

static struct adapter {
	bool none, refuses;
	bool taken, held;
	struct sriov_vf_conf conf;
	void (*lost)(void *ctx, void *claim, const char *why);
	void *ctx;
	unsigned n_taken, n_released;
} adapter;

static int pool_take(void *pool, const char *pf, const char *owner,
		     const struct sriov_vf_conf *conf,
		     void (*lost)(void *ctx, void *claim, const char *why), void *ctx,
		     void **ret_claim, bool *ret_held, struct err *err)
{
	struct adapter *a = pool;

	assert_string_equal(pf, "up");
	assert_string_equal(owner, NIC);
	assert_false(a->taken);
	if (a->none)
		return err_set(err, -ENOSPC, "no-vf", "all VFs of up are taken");
	a->taken = true;
	a->conf = *conf;
	a->lost = lost;
	a->ctx = ctx;
	a->n_taken++;
	*ret_claim = a;
	*ret_held = a->held;
	return 0;
}

static int pool_change(void *claim, const struct sriov_vf_conf *conf, struct err *err)
{
	struct adapter *a = claim;

	assert_true(a->taken);
	if (a->refuses)
		return err_set(err, -ENOTSUP, "vf", "the driver cannot");
	a->conf = *conf;
	return 0;
}

static int pool_open(void *claim, struct sriov_vfio_fds *ret, struct err *err)
{
	*ret = (struct sriov_vfio_fds){open("/dev/null", O_RDWR), open("/dev/null", O_RDWR),
				       open("/dev/null", O_RDWR)};
	return 0;
}

static void pool_release(void *claim)
{
	struct adapter *a = claim;

	assert_true(a->taken);
	a->taken = a->held = false;
	a->n_released++;
}

static const char *pool_pf(const void *claim)
{
	return "up";
}

static unsigned pool_index(const void *claim)
{
	return 3;
}

static const struct sriov_device *pool_device(const void *claim)
{
	static const struct sriov_device device = {.addr = "0000:03:10.6"};

	return &device;
}

static int pool_counts(void *claim, struct sriov_vf_counts *ret)
{
	return -ENOTSUP;
}

static const struct sriov_pool_ops pool_ops = {
	.take = pool_take,
	.change = pool_change,
	.open = pool_open,
	.release = pool_release,
	.pf = pool_pf,
	.index = pool_index,
	.device = pool_device,
	.counts = pool_counts,
};

/* ---- The VM and its guest ---- */

static struct vm {
	bool runs, paused;
	bool has_vf;
	vs_vm_answer_fn attach_fn, detach_fn;
	void *attach_arg, *detach_arg;
} vm;

static struct guest {
	struct vmq_nic_guest is;
	bool told; /* that it has a VF */
	bool by_vf;
	vmq_data_path_fn fn;
	void *ctx;
} guest;

enum vs_vm_state __wrap_vs_vm_state(const struct vs_vms *vms, const char *name);
bool __wrap_vs_vm_can_be_asked(const struct vs_vms *vms, const char *name);
int __wrap_vs_vm_ask(struct vs_vms *vms, const char *name, const char *method, json_t *params,
		     unsigned timeout_ms, vs_vm_answer_fn fn, void *arg, struct err *err);
int __wrap_vs_vm_ask_fds(struct vs_vms *vms, const char *name, const char *method, json_t *params,
			 const int *fds, unsigned n_fds, unsigned timeout_ms, vs_vm_answer_fn fn,
			 void *arg, struct err *err);
int __wrap_vs_vms_check(const struct vs_vms *vms, const struct vs_model *after, struct err *err);
void __wrap_vs_vms_follow(struct vs_vms *vms, const struct vs_model *model);
void __wrap_vs_vms_destroy(struct vs_vms *vms);
void __wrap_vmq_nic_guest(const struct dp_port *port, struct vmq_nic_guest *ret);
void __wrap_vmq_nic_on_data_path(struct dp_port *port, vmq_data_path_fn fn, void *ctx);
void __wrap_vmq_nic_set_vf(struct dp_port *port, bool present, uint32_t serial);
int __wrap_vmq_nic_by_vf(struct dp_port *port, bool on);
void __wrap_vmq_nic_set(struct dp_port *port, const struct vmq_nic_conf *conf);
void __wrap_vmq_nic_withdraw(struct dp_port *port, bool again);
int __real_vs_device_open(struct vs *v, const struct vs_port *p, struct vs_live *live,
			  struct err *err);
int __wrap_vs_device_open(struct vs *v, const struct vs_port *p, struct vs_live *live,
			  struct err *err);

enum vs_vm_state __wrap_vs_vm_state(const struct vs_vms *vms, const char *name)
{
	return !vm.runs ? VS_VM_STOPPED : vm.paused ? VS_VM_PAUSED : VS_VM_RUNNING;
}

bool __wrap_vs_vm_can_be_asked(const struct vs_vms *vms, const char *name)
{
	return vm.runs;
}

int __wrap_vs_vm_ask(struct vs_vms *vms, const char *name, const char *method, json_t *params,
		     unsigned timeout_ms, vs_vm_answer_fn fn, void *arg, struct err *err)
{
	assert_string_equal(method, "vf-detach");
	json_decref(params);
	if (!vm.runs)
		return -EAGAIN;
	if (fn == NULL)
		return 0;
	assert_null(vm.detach_fn);
	vm.detach_fn = fn;
	vm.detach_arg = arg;
	return 0;
}

int __wrap_vs_vm_ask_fds(struct vs_vms *vms, const char *name, const char *method, json_t *params,
			 const int *fds, unsigned n_fds, unsigned timeout_ms, vs_vm_answer_fn fn,
			 void *arg, struct err *err)
{
	assert_string_equal(name, "web1");
	assert_string_equal(method, "vf-attach");
	assert_string_equal(json_string_value(json_object_get(params, "name")), "nic0");
	assert_string_equal(json_string_value(json_object_get(params, "address")), "0000:03:10.6");
	assert_true(json_integer_value(json_object_get(params, "serial")) > 0);
	assert_int_equal(n_fds, 3);
	assert_null(vm.attach_fn);
	json_decref(params);
	vm.attach_fn = fn;
	vm.attach_arg = arg;
	return 0;
}

int __wrap_vs_vms_check(const struct vs_vms *vms, const struct vs_model *after, struct err *err)
{
	return 0;
}

void __wrap_vs_vms_follow(struct vs_vms *vms, const struct vs_model *model)
{
}

void __wrap_vs_vms_destroy(struct vs_vms *vms)
{
}

void __wrap_vmq_nic_guest(const struct dp_port *port, struct vmq_nic_guest *ret)
{
	*ret = guest.is;
}

void __wrap_vmq_nic_on_data_path(struct dp_port *port, vmq_data_path_fn fn, void *ctx)
{
	guest.fn = fn;
	guest.ctx = ctx;
}

/* What the guest does to its data path, the owner hears of at once. */
static void data_path(bool active)
{
	if (guest.is.vf_active == active)
		return;
	guest.is.vf_active = active;
	if (guest.fn != NULL)
		guest.fn(guest.ctx, active);
}

void __wrap_vmq_nic_set_vf(struct dp_port *port, bool present, uint32_t serial)
{
	assert_int_not_equal(serial, 0);
	guest.told = present;
	if (!present)
		data_path(false);
}

int __wrap_vmq_nic_by_vf(struct dp_port *port, bool on)
{
	guest.by_vf = on;
	return 0;
}

void __wrap_vmq_nic_set(struct dp_port *port, const struct vmq_nic_conf *conf)
{
}

void __wrap_vmq_nic_withdraw(struct dp_port *port, bool again)
{
}

/* An uplink and a NIC of paper. */
int __wrap_vs_device_open(struct vs *v, const struct vs_port *port, struct vs_live *l,
			  struct err *err)
{
	static struct dp_port_ops nic_ops;
	struct dp_port_opts opts = {.name = port->name,
				    .kind = "mem",
				    .netns_fd = -1,
				    .mtu = port->mtu};

	if (port->kind != VS_PHYS && port->kind != VS_VMBUS)
		return __real_vs_device_open(v, port, l, err);
	nic_ops = dp_port_mem_ops;
	nic_ops.kind = "vmbus";
	if (port->kind == VS_VMBUS) {
		opts.kind = "vmbus";
		opts.ops = &nic_ops;
	}
	json_decref(l->body);
	l->body = json_incref((json_t *)(uintptr_t)port->body);
	if (dp_port_open(v->dp, &opts, &l->port, err) != 0)
		return -EIO;
	if (port->kind == VS_VMBUS)
		memcpy(l->port->mac.addr_bytes, strcmp(port->name, NIC) == 0 ? mac : second_mac,
		       sizeof(mac));
	return 0;
}

static void answer_attach(const char *why)
{
	vs_vm_answer_fn fn = vm.attach_fn;
	json_t *ok = json_object();
	struct err err = {0};

	assert_non_null(fn);
	vm.attach_fn = NULL;
	vm.has_vf = why == NULL;
	err_set(&err, -EIO, "vfio", "%s", why != NULL ? why : "");
	fn(vm.attach_arg, why == NULL ? ok : NULL, why == NULL ? NULL : &err);
	json_decref(ok);
}

static void answer_detach(void)
{
	vs_vm_answer_fn fn = vm.detach_fn;
	json_t *ok = json_object();

	assert_non_null(fn);
	vm.detach_fn = NULL;
	vm.has_vf = false;
	fn(vm.detach_arg, ok, NULL);
	json_decref(ok);
}

/* ---- The switch ---- */

#define GUARD(port) "'" port "':{'port':'" port "','profile':'open','mac':'on'}"
#define STATE(nic, more)                                                                           \
	"{'switch':{'s0':{'name':'s0','type':'external','loop_guard':false}},"                     \
	"'vm':{'web1':{'name':'web1','id':1,'kernel':'/x'}},"                                      \
	"'port':{'up':{'switch':'s0','name':'up','kind':'phys'},"                                  \
	"'p1':{'switch':'s0','name':'p1','kind':'mem'},"                                           \
	"'" NIC "':{'switch':'s0','name':'" NIC "','kind':'vmbus'" nic "}}" more "}"
#define OPEN ",'guard':{" GUARD(NIC) "}"
#define ON   ",'sriov':true"

static json_t *load(const char *text)
{
	char *copy = strdup(text);
	json_t *json;

	for (char *p = copy; *p != '\0'; p++)
		*p = (char)(*p == '\'' ? '"' : *p);
	json = json_loads(copy, 0, NULL);
	assert_non_null(json);
	free(copy);
	return json;
}

static void apply(const char *text)
{
	json_t *state = load(text);
	struct err err = {0};

	if (vs_apply(vs, NULL, state, false, &err) != 0)
		fail_msg("%s %s", err.what, err.why);
	json_decref(state);
}

static void tick(void)
{
	vs_policies_tick(vs);
}

static const struct sriov_failover *way(void)
{
	const struct vs_sriov_nic *nic = vs_sriov_find(vs, NIC);

	assert_non_null(nic);
	return &nic->f;
}

/* Time to try again. */
static void wait_over(void)
{
	vs_sriov_find(vs, NIC)->f.retry_ns = 0;
	tick();
}

static const char *text(void)
{
	static char buf[400];
	json_t *row = vs_sriov_row(vs, NIC);

	snprintf(buf, sizeof(buf), "%s", json_string_value(json_object_get(row, "text")));
	json_decref(row);
	return buf;
}

static struct dp_port *live(const char *name)
{
	return vs->live[vs_port_id(vs, name)].port;
}

static void set_link(bool up)
{
	dp_port_mem_set_link(live("up"), up);
	dp_link_look(dp, vs_port_id(vs, "up"));
}

/* What a trace says of a frame from 'port' to 'dst'. */
static const char *note(const char *port, const uint8_t dst[6])
{
	static char buf[400];

	vs_sriov_note(vs, port, dst, buf, sizeof(buf));
	return buf;
}

/* From nothing to frames by the VF. */
static void go(void)
{
	apply(STATE(ON, OPEN));
	set_link(true);
	tick();
	answer_attach(NULL);
	assert_true(guest.told);
	data_path(true);
	assert_int_equal(way()->state, SRIOV_ACTIVE);
}

/* ---- Frames ---- */

static struct {
	uint32_t by_vf, by_nic, lost;
	uint32_t last; /* sequence number */
} got;

static void send_frames(unsigned n)
{
	static uint32_t seq;
	uint8_t d[64] = {0};

	memcpy(d, mac, 6);
	memcpy(d + 6, (const uint8_t[]){2, 0, 0, 0, 0, 1, 0x88, 0xb5}, 8);
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m;

		seq++;
		memcpy(d + 14, &seq, sizeof(seq));
		m = mbufs_make(dp_pool(dp, 0, false), d, sizeof(d), NULL, 0);
		assert_non_null(m);
		assert_int_equal(dp_port_mem_inject(live("p1"), 0, &m, 1), 1);
		n_injected++;
	}
}

static void settle(void)
{
	for (int i = 0; i < 200000; i++) {
		const struct dp_count *t = dp_total_count(dp);

		dp_count_refresh(dp);
		if (t->rx_packets == n_injected && dp_in_flight(dp) == 0)
			return;
		nanosleep(&(struct timespec){0, 20000}, NULL);
	}
	fail_msg("the worker did not take the frames");
}

static uint32_t seq_of(const struct rte_mbuf *m)
{
	uint32_t seq;

	memcpy(&seq, rte_pktmbuf_mtod(m, const uint8_t *) + 14, sizeof(seq));
	return seq;
}

static void in_order(const struct rte_mbuf *m)
{
	assert_true(seq_of(m) > got.last);
	got.last = seq_of(m);
}

static void at_nic(void)
{
	struct rte_mbuf *pkts[512];
	uint16_t n = dp_port_mem_collect(live(NIC), pkts, 512);

	for (uint16_t i = 0; i < n; i++)
		in_order(pkts[i]);
	got.by_nic += n;
	rte_pktmbuf_free_bulk(pkts, n);
}

/* The adapter's own switch. */
static void at_uplink(bool vf_there)
{
	struct rte_mbuf *pkts[512];
	uint16_t n = dp_port_mem_collect(live("up"), pkts, 512);

	for (uint16_t i = 0; i < n; i++) {
		assert_memory_equal(rte_pktmbuf_mtod(pkts[i], const void *), mac, 6);
		if (vf_there) {
			assert_memory_equal(adapter.conf.mac, mac, 6);
			in_order(pkts[i]);
		}
	}
	*(vf_there ? &got.by_vf : &got.lost) += n;
	rte_pktmbuf_free_bulk(pkts, n);
}

/* ---- Tests ---- */

static int setup(void **state)
{
	memset(&adapter, 0, sizeof(adapter));
	memset(&vm, 0, sizeof(vm));
	memset(&guest, 0, sizeof(guest));
	memset(&got, 0, sizeof(got));
	vm.runs = true;
	guest.is.up = guest.is.takes_vf = true;
	memcpy(guest.is.mac, mac, sizeof(mac));
	vs->vms = (struct vs_vms *)(void *)&vm;
	vs_sriov_use(vs, &pool_ops, &adapter);
	return 0;
}

static int teardown(void **state)
{
	struct rte_mbuf *pkts[512];

	vm.runs = false;
	apply(STATE("", ""));
	tick();
	assert_null(vs_sriov_row(vs, NIC));
	assert_false(adapter.taken);
	for (unsigned i = 0; i < 2; i++) {
		uint16_t n = dp_port_mem_collect(live(i == 0 ? "up" : NIC), pkts, 512);

		rte_pktmbuf_free_bulk(pkts, n);
	}
	vs_sriov_use(vs, NULL, NULL);
	return 0;
}

static void frames_go_where_the_guest_sends(void **state)
{
	go();
	assert_true(adapter.conf.spoof_check);
	assert_memory_equal(adapter.conf.mac, mac, 6);
	assert_true(guest.by_vf);
	send_frames(20);
	settle();
	at_nic();
	at_uplink(true);
	assert_int_equal(got.by_vf, 20);
	assert_int_equal(got.by_nic, 0);
	assert_string_equal(text(), "frames go by VF 3 of up");
	assert_string_equal(note(NIC, second_mac), "frames of " NIC " go by VF 3 of up now: the "
						   "switch sees none of them");
	assert_string_equal(note("up", mac), NIC " has that address, and its frames go by VF 3 of "
						 "up now: behind the uplink the adapter's own "
						 "switch brings them there");
	assert_string_equal(note("up", second_mac), "");
	data_path(false);
	assert_string_equal(note(NIC, second_mac), "");
	assert_string_equal(note("up", mac), "");
	assert_false(guest.by_vf);
	send_frames(20);
	settle();
	at_uplink(true);
	at_nic();
	assert_int_equal(got.by_nic, 20);
	assert_int_equal(got.by_vf, 20);
}

/* What a VF cannot do, and the word that says so. */
static void what_a_vf_cannot_carry_keeps_the_synthetic_path(void **state)
{
	static const struct {
		const char *state, *word;
	} rows[] = {
		{STATE(ON, ""), "guard dhcp-server is deny"},
		{STATE(ON,
		       ",'guard':{'" NIC "':{'port':'" NIC "','profile':'open','mac':'watch'}}"),
		 "guard mac watches"},
		{STATE(ON ",'link':'down'", OPEN), "link is set down"},
		{STATE(ON ",'admin':'down'", OPEN), "port is set down"},
		{STATE(ON ",'vlan_mode':'trunk','allowed':'1-9'", OPEN), "VLAN mode trunk"},
		{STATE(ON ",'mtu':9000", OPEN), "MTU 9000"},
		{STATE(ON, OPEN ",'acl':{'a':{'name':'a','otherwise':'allow'}},"
				"'acl-binding':{'a " NIC " egress':{'name':'a','port':'" NIC
				"','direction':'egress'}}"),
		 "access list a holds"},
		{STATE(ON, OPEN ",'qos':{'" NIC "':{'port':'" NIC "','to_max':1000000}}"),
		 "shaped"},
		{STATE(ON, OPEN ",'qos':{'" NIC "':{'port':'" NIC "','from_weight':7}}"), "weight"},
		{STATE(ON, OPEN ",'mirror':{'m':{'name':'m','port':['" NIC "'],'to':'p1'}}"),
		 "mirror m copies"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *s = load(rows[i].state);
		struct err err = {0};

		if (vs_apply(vs, NULL, s, false, &err) != 0)
			fail_msg("%s: %s", rows[i].word, err.what);
		json_decref(s);
		tick();
		if (way()->state != SRIOV_HELD || way()->reason != SRIOV_REASON_POLICY)
			fail_msg("%s: %s", rows[i].word, text());
		if (strstr(text(), rows[i].word) == NULL)
			fail_msg("'%s' does not say '%s'", text(), rows[i].word);
		assert_false(adapter.taken);
	}
}

static void the_adapter_adds_the_vlan_that_the_uplink_would(void **state)
{
	apply(STATE(ON ",'vlan':7", OPEN));
	tick();
	assert_int_equal(adapter.conf.vlan, 7);
	assert_int_equal(adapter.conf.rate_mbps, 0);
	answer_attach(NULL);
}

static void policy_that_comes_takes_the_frames_back_in_the_same_change(void **state)
{
	go();
	apply(STATE(ON, ""));
	assert_int_equal(way()->state, SRIOV_RETURNING);
	assert_false(guest.told || guest.by_vf);
	assert_int_equal(adapter.conf.link, SRIOV_LINK_DOWN); /* the guest may take its time */
	assert_true(adapter.taken);
	send_frames(10);
	settle();
	at_uplink(true);
	at_nic();
	assert_int_equal(got.by_nic, 10);
	answer_detach();
	assert_false(adapter.taken);
	apply(STATE(ON, OPEN));
	tick();
	answer_attach(NULL);
	data_path(true);
	assert_int_equal(way()->state, SRIOV_ACTIVE);
}

static void another_rate_is_set_where_the_adapter_can(void **state)
{
	go();
	apply(STATE(ON, OPEN ",'qos':{'" NIC "':{'port':'" NIC "','from_max':50000000}}"));
	assert_int_equal(adapter.conf.rate_mbps, 50);
	assert_int_equal(way()->state, SRIOV_ACTIVE);
	adapter.refuses = true;
	apply(STATE(ON, OPEN ",'qos':{'" NIC "':{'port':'" NIC "','from_max':60000000}}"));
	assert_int_equal(way()->state, SRIOV_RETURNING);
	adapter.refuses = false;
	answer_detach();
	assert_int_equal(adapter.conf.rate_mbps, 60);
	assert_int_equal(adapter.n_taken, 2);
	answer_attach(NULL);
}

static void reasons_are_told(void **state)
{
	adapter.none = true;
	apply(STATE(ON, OPEN));
	assert_string_equal(text(), "no VF can be had: all VFs of up are taken");
	adapter.none = false;
	wait_over();
	answer_attach("IOMMU group 12 is not viable");
	assert_string_equal(text(), "the VM could not take the VF: IOMMU group 12 is not viable");
	assert_false(adapter.taken);
	vm.runs = false;
	tick();
	assert_string_equal(text(), "the VM does not run: IOMMU group 12 is not viable");
}

static void a_vf_of_before_a_restart_is_taken_up(void **state)
{
	adapter.held = true;
	guest.is.vf_active = true;
	vm.has_vf = true;
	apply(STATE(ON, OPEN));
	set_link(true);
	tick();
	assert_null(vm.attach_fn);
	assert_int_equal(way()->state, SRIOV_ACTIVE);
}

static void a_switch_that_stops_leaves_running_vms_their_vfs(void **state)
{
	go();
	vs_sriov_let_go(vs);
	assert_true(adapter.taken);
	assert_int_equal(adapter.n_released, 0);
	adapter.taken = false;
}

static void a_nic_that_is_removed_gives_its_vf_back(void **state)
{
	go();
	apply("{'switch':{'s0':{'name':'s0','type':'external','loop_guard':false}},"
	      "'port':{'up':{'switch':'s0','name':'up','kind':'phys'},"
	      "'p1':{'switch':'s0','name':'p1','kind':'mem'}}}");
	assert_int_equal(way()->state, SRIOV_RETURNING);
	answer_detach();
	tick();
	assert_null(vs_sriov_find(vs, NIC));
	assert_false(adapter.taken);
}

static void what_the_iommu_stops_is_the_nics(void **state)
{
	static const char ours[] = "3,1,1,-;DMAR: [DMA Write] Request device [03:10.6] fault addr "
				   "40001000 [fault reason 05] PTE Write access is not set\n";
	static const char other[] = "3,1,1,-;DMAR: [DMA Write] Request device [03:10.4] fault addr "
				    "1000 [fault reason 05] PTE Write access is not set\n";
	json_t *row;
	int fd;

	go();
	tick();
	fd = open(kmsg, O_WRONLY | O_NONBLOCK); /* ENXIO: nobody reads. */
	assert_true(fd >= 0);
	row = vs_sriov_row(vs, NIC);
	assert_int_equal(json_integer_value(json_object_get(row, "iommu_faults")), 0);
	assert_true(json_is_null(json_object_get(row, "iommu_fault")));
	json_decref(row);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(dprintf(fd, "%s", i == 1 ? other : ours),
				 (int)strlen(i == 1 ? other : ours));
		tick();
	}
	row = vs_sriov_row(vs, NIC);
	assert_int_equal(json_integer_value(json_object_get(row, "iommu_faults")), 2);
	assert_string_equal(json_string_value(json_object_get(row, "iommu_fault")),
			    "write to 0x40001000 by 0000:03:10.6");
	json_decref(row);
	close(fd);
}

/* ---- Where its address is ---- */

static uint16_t address_is_at(const uint8_t *addr, uint16_t vlan)
{
	struct dp_fdb_entry e = {.vlan = vlan, .domain = vs_domain_id(vs, "s0", NULL)};

	memcpy(e.mac.addr_bytes, addr, sizeof(e.mac.addr_bytes));
	return dp_fdb_port_of(dp_fdb(dp), &e);
}

#define AT(port, addr) assert_int_equal(address_is_at(addr, 0), vs_port_id(vs, port))

/* A card hands its PF's own broadcast back; or somebody lies. */
static void from_the_wire(const uint8_t *src)
{
	uint8_t d[64] = {0};
	struct rte_mbuf *m;

	memset(d, 0xff, 6);
	memcpy(d + 6, src, 6);
	memcpy(d + 12, (const uint8_t[]){0x88, 0xb5}, 2);
	m = mbufs_make(dp_pool(dp, 0, false), d, sizeof(d), NULL, 0);
	assert_non_null(m);
	assert_int_equal(dp_port_mem_inject(live("up"), 0, &m, 1), 1);
	n_injected++;
	settle();
}

static void throw_away(const char *port)
{
	struct rte_mbuf *pkts[512];
	uint16_t n = dp_port_mem_collect(live(port), pkts, 512);

	rte_pktmbuf_free_bulk(pkts, n);
}

static void throw_all_away(void)
{
	throw_away("p1");
	throw_away(NIC);
}

static void an_address_of_a_nic_is_not_learned_from_the_wire(void **state)
{
	static const uint8_t other[6] = {2, 0, 0, 0, 0, 0x77};

	apply(STATE("", OPEN));
	set_link(true);
	tick();
	from_the_wire(mac);
	from_the_wire(other);
	throw_all_away();
	AT(NIC, mac);
	AT("up", other);
	send_frames(5);
	settle();
	at_nic();
	assert_int_equal(got.by_nic, 5);
	/* A guest that is down may have gone to another host. */
	guest.is.up = false;
	tick();
	from_the_wire(mac);
	throw_all_away();
	AT("up", mac);
	/* It comes up again, and broadcasts: what was learned meanwhile is void. */
	guest.is.up = true;
	tick();
	AT(NIC, mac);
}

static void an_address_follows_its_guest_and_its_vf(void **state)
{
	static const uint8_t own[6] = {2, 0, 0, 0, 0, 0x55};

	go();
	AT("up", mac);
	tick();
	AT("up", mac);
	data_path(false);
	AT(NIC, mac);
	apply(STATE("", OPEN));
	answer_detach();
	tick();
	assert_false(adapter.taken);
	from_the_wire(mac);
	throw_all_away();
	AT(NIC, mac);
	apply(STATE(",'vlan':7", OPEN));
	assert_int_equal(address_is_at(mac, 0), DP_NO_PORT);
	assert_int_equal(address_is_at(mac, 7), vs_port_id(vs, NIC));
	apply(STATE("", OPEN));
	/* An address of its own choice: nobody has allowed it. */
	memcpy(guest.is.mac, own, sizeof(own));
	tick();
	assert_int_equal(address_is_at(mac, 0), DP_NO_PORT);
	assert_int_equal(address_is_at(own, 0), DP_NO_PORT);
	apply(STATE("", ",'guard':{'" NIC "':{'port':'" NIC "','profile':'open','mac':'on',"
			"'allow_mac':['02:00:00:00:00:55']}}"));
	AT(NIC, own);
}

static void what_is_written_down_counts_more_than_where_a_nic_is(void **state)
{
	apply(STATE("", OPEN ",'mac':{'s0 - 0 02:00:00:00:00:11':{'switch':'s0','port':'p1','mac':"
			     "'02:00:00:00:00:11'}}"));
	AT("p1", mac);
	tick();
	AT("p1", mac);
	apply(STATE("", OPEN));
	AT(NIC, mac);
}

#define TWO                                                                                        \
	"{'switch':{'s0':{'name':'s0','type':'external','loop_guard':false}},"                     \
	"'vm':{'web1':{'name':'web1','id':1,'kernel':'/x'}},"                                      \
	"'port':{'up':{'switch':'s0','name':'up','kind':'phys'},"                                  \
	"'p1':{'switch':'s0','name':'p1','kind':'mem'},"                                           \
	"'" NIC "':{'switch':'s0','name':'" NIC "','kind':'vmbus'},"                               \
	"'web1/nic1':{'switch':'s0','name':'web1/nic1','kind':'vmbus'}},'guard':{'web1/nic1':"     \
	"{'port':'web1/nic1','profile':'open','mac':'off'}}}"

/* Its guest may team them: then the address goes where it was heard last. */
static void an_address_that_two_nics_of_a_vm_may_have_is_learned(void **state)
{
	apply(TWO);
	assert_int_equal(address_is_at(mac, 0), DP_NO_PORT);
	from_the_wire(mac);
	throw_all_away();
	throw_away("web1/nic1");
	AT("up", mac);
}

static void a_vf_has_the_address_that_its_guest_chose(void **state)
{
	static const uint8_t own[6] = {2, 0, 0, 0, 0, 0x55};

	go();
	memcpy(guest.is.mac, own, sizeof(own));
	tick();
	assert_int_equal(way()->state, SRIOV_RETURNING);
	answer_detach();
	tick();
	assert_string_equal(text(), "the switch does what a VF cannot: the guest uses address "
				    "02:00:00:00:00:55, which guard mac does not allow "
				    "(nic set " NIC " --mac)");
	from_the_wire(own);
	throw_all_away();
	apply(STATE(ON, ",'guard':{'" NIC "':{'port':'" NIC "','profile':'open','mac':'off'}}"));
	assert_string_equal(text(), "the switch does what a VF cannot: the guest uses address "
				    "02:00:00:00:00:55, which another port sends from");
	dp_fdb_flush(dp_fdb(dp), DP_NO_DOMAIN, DP_NO_VLAN, DP_NO_PORT, false);
	tick();
	if (way()->state == SRIOV_WAITING)
		wait_over();
	assert_true(adapter.taken);
	assert_memory_equal(adapter.conf.mac, own, 6);
	answer_attach(NULL);
	data_path(true);
	assert_int_equal(way()->state, SRIOV_ACTIVE);
	AT("up", own);
	data_path(false);
	AT(NIC, own);
}

/* ---- 1 000 flips ---- */

static void back_by(unsigned how)
{
	switch (how) {
	case 0: /* the guest */
		data_path(false);
		break;
	case 1: /* the adapter loses it */
		adapter.lost(adapter.ctx, &adapter, "it was pulled");
		break;
	case 2:
		set_link(false);
		tick();
		break;
	case 3:
		vm.paused = true;
		tick();
		break;
	case 4: /* its process says so */
		vs_sriov_told(vs, "web1", "nic0", "ejecting", "error");
		break;
	default: /* the administrator */
		apply(STATE("", OPEN));
	}
	assert_int_not_equal(way()->state, SRIOV_ACTIVE);
}

static void there_again(unsigned how)
{
	switch (how) {
	case 0:
		data_path(true);
		break;
	case 2:
		set_link(true);
		tick();
		break;
	case 3:
		vm.paused = false;
		tick();
		break;
	default:
		answer_detach();
		apply(STATE(ON, OPEN));
		tick();
		if (way()->state == SRIOV_WAITING)
			wait_over();
		answer_attach(NULL);
		data_path(true);
	}
	assert_int_equal(way()->state, SRIOV_ACTIVE);
}

/* By the switch, whyever. */
static uint64_t n_dropped(void)
{
	const struct dp_count *t = dp_total_count(dp);
	uint64_t n = 0;

	dp_count_refresh(dp);
	for (int r = 0; r < DP_N_DROPS; r++)
		n += t->drops_rx[r] + t->drops_tx[r];
	return n;
}

static void a_thousand_flips_lose_nothing_that_is_not_counted(void **state)
{
	uint64_t before = n_injected, dropped = n_dropped(), missing;
	uint32_t gone;

	go();
	for (unsigned flip = 0; flip < 500; flip++) {
		unsigned how = flip % 25 == 24 ? 5 : flip % 5;

		send_frames(8);
		back_by(how); /* while they are on their way */
		/* What was sent to the adapter before goes with the VF, when that goes. */
		at_uplink(how == 0 || how == 2 || how == 3);
		send_frames(8);
		settle();
		at_uplink(false); /* nothing: no worker goes by the old way */
		at_nic();
		gone = got.by_vf;
		there_again(how);
		assert_int_equal(got.by_vf, gone);
		send_frames(8);
		settle();
		at_nic();
		at_uplink(true);
	}
	/* Frames that a worker had on their way to the uplink when its link went. */
	dropped = n_dropped() - dropped;
	missing = n_injected - before - got.by_vf - got.by_nic - got.lost;
	print_message("%u by the VF, %u by the NIC, %u lost with a VF, %u with a link\n", got.by_vf,
		      got.by_nic, got.lost, (unsigned)dropped);
	assert_int_equal(missing, dropped);
	assert_true(dropped <= 500 / 5 * 8);
	assert_true(got.by_vf >= 500 * 8 && got.by_nic >= 500 * 8);
	assert_true(got.lost <= 500 / 5 * 2 * 8 + 20 * 8);
}

static void kmsg_make(void)
{
	struct vs_sriov *s = vs->policy[VS_POLICY_SRIOV];

	snprintf(kmsg, sizeof(kmsg), "/tmp/sriov_test.%d", (int)getpid());
	unlink(kmsg);
	assert_int_equal(mkfifo(kmsg, 0600), 0);
	s->log_path = kmsg;
}

static int start(void **state)
{
	struct vs_opts opts = {0};
	struct err err = {0};
	unsigned cpu = 0;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	dp = test_dp_create(8191);
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &cpus))
		cpu++;
	opts.dp = dp;
	if (vs_create(&opts, &vs, &err) != 0 || dp_worker_add(dp, cpu, &err) != 0) {
		print_error("%s\n", err.what);
		return -1;
	}
	dp_set_max_sleep(dp, 50);
	kmsg_make();
	return 0;
}

static int finish(void **state)
{
	unsigned left_over;

	vs_destroy(vs);
	unlink(kmsg);
	left_over = test_dp_in_use(dp);
	test_dp_destroy(dp);
	return left_over == 0 ? 0 : -1;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(frames_go_where_the_guest_sends),
		T(what_a_vf_cannot_carry_keeps_the_synthetic_path),
		T(the_adapter_adds_the_vlan_that_the_uplink_would),
		T(policy_that_comes_takes_the_frames_back_in_the_same_change),
		T(another_rate_is_set_where_the_adapter_can),
		T(reasons_are_told),
		T(a_vf_of_before_a_restart_is_taken_up),
		T(a_switch_that_stops_leaves_running_vms_their_vfs),
		T(a_nic_that_is_removed_gives_its_vf_back),
		T(what_the_iommu_stops_is_the_nics),
		T(an_address_of_a_nic_is_not_learned_from_the_wire),
		T(an_address_follows_its_guest_and_its_vf),
		T(what_is_written_down_counts_more_than_where_a_nic_is),
		T(an_address_that_two_nics_of_a_vm_may_have_is_learned),
		T(a_vf_has_the_address_that_its_guest_chose),
		T(a_thousand_flips_lose_nothing_that_is_not_counted),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
