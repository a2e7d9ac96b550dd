/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The journal's file: making it, taking it up again, and all that the control thread reads and
 * writes in it.  What workers write is in journal.h.
 */
#include "vmq/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC	UINT64_C(0x4c4e524a514d5621)
#define VERSION 1u
#define SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* One of two; the one with the greater serial and a checksum that is right holds. */
struct state {
	uint64_t serial;
	uint64_t sum;
	struct netvsp_state value;
};

/* The file.  Its holes cost nothing: a NIC uses as many records as it has sections. */
struct vmq_journal_area {
	uint64_t magic;
	uint32_t version;
	uint32_t state_size;
	struct state state[2];
	struct vmq_journal_queue queues[NETVSP_MAX_CHANNELS];
	_Atomic uint64_t sections[VMQ_JOURNAL_SECTIONS];
};

/* FNV-1a: no secret, only to tell half written ones. */
static uint64_t state_sum(const struct state *s)
{
	const uint8_t *bytes = (const uint8_t *)&s->value;
	uint64_t sum = UINT64_C(0xcbf29ce484222325) ^ s->serial;

	for (size_t i = 0; i < sizeof(s->value); i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static int map(int fd, struct vmq_journal **ret_journal, struct err *err)
{
	struct vmq_journal *j = calloc(1, sizeof(*j));
	void *va;

	if (j == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for a journal");
	va = mmap(NULL, sizeof(struct vmq_journal_area), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (va == MAP_FAILED) {
		int rc = -errno;

		free(j);
		return err_set(err, rc, "journal-map", "cannot map a journal: %s", strerror(-rc));
	}
	j->area = va;
	j->sections = j->area->sections;
	j->queues = j->area->queues;
	j->fd = fd;
	*ret_journal = j;
	return 0;
}

int vmq_journal_create(struct vmq_journal **ret_journal, struct err *err)
{
	int fd = memfd_create("vmq-journal", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

	if (fd < 0 || ftruncate(fd, sizeof(struct vmq_journal_area)) != 0 ||
	    fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
		rc = err_set(err, -errno, "journal-file", "cannot make a journal: %s",
			     strerror(errno));
		if (fd >= 0)
			close(fd);
		return rc;
	}
	rc = map(fd, ret_journal, err);
	if (rc != 0) {
		close(fd);
		return rc;
	}
	(*ret_journal)->area->magic = MAGIC;
	(*ret_journal)->area->version = VERSION;
	(*ret_journal)->area->state_size = sizeof(struct netvsp_state);
	return 0;
}

/* A file that is shorter, or could be made so, would be our SIGBUS. */
static int check_file(int fd, struct err *err)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
		return err_set(err, -EINVAL, "journal-seal", "a journal whose file is not sealed");
	if (fstat(fd, &st) != 0 || st.st_size != sizeof(struct vmq_journal_area))
		return err_set(err, -EINVAL, "journal-size", "a journal of another size");
	return 0;
}

static uint64_t whole_serial(const struct vmq_journal_area *area, unsigned i)
{
	struct state copy;

	memcpy(&copy, &area->state[i], sizeof(copy));
	return copy.serial != 0 && copy.sum == state_sum(&copy) ? copy.serial : 0;
}

int vmq_journal_open(int fd, struct vmq_journal **ret_journal, struct err *err)
{
	const struct vmq_journal_area *area;
	struct vmq_journal *j;
	int own, rc;

	if (check_file(fd, err) != 0)
		return -EINVAL;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return err_set(err, -errno, "journal-file", "a journal: %s", strerror(errno));
	rc = map(own, &j, err);
	if (rc != 0) {
		close(own);
		return rc;
	}
	area = j->area;
	if (area->magic != MAGIC || area->version != VERSION ||
	    area->state_size != sizeof(struct netvsp_state)) {
		vmq_journal_destroy(j);
		return err_set(err, -EINVAL, "journal-version",
			       "a journal of another version of the switch");
	}
	for (unsigned i = 0; i < 2; i++)
		if (whole_serial(area, i) > j->state_serial)
			j->state_serial = whole_serial(area, i);
	*ret_journal = j;
	return 0;
}

void vmq_journal_destroy(struct vmq_journal *journal)
{
	if (journal == NULL)
		return;
	munmap(journal->area, sizeof(*journal->area));
	close(journal->fd);
	free(journal);
}

int vmq_journal_fd(const struct vmq_journal *journal)
{
	return journal->fd;
}

void vmq_journal_sections_reset(struct vmq_journal *journal)
{
	/* To look at them would give each a page: half a megabyte for every NIC. */
	if (fallocate(journal->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      offsetof(struct vmq_journal_area, sections),
		      sizeof(journal->area->sections)) == 0)
		return;
	for (unsigned i = 0; i < VMQ_JOURNAL_SECTIONS; i++)
		vmq_journal_note(journal, (uint16_t)i, 0);
}

void vmq_journal_clear(struct vmq_journal *journal)
{
	memset(journal->area->state, 0, sizeof(journal->area->state));
	atomic_thread_fence(memory_order_release);
	memset(journal->queues, 0, sizeof(journal->area->queues));
	atomic_thread_fence(memory_order_release);
	vmq_journal_sections_reset(journal);
}

void vmq_journal_state_write(struct vmq_journal *journal, const struct netvsp_state *state)
{
	uint64_t serial = journal->state_serial + 1;
	struct state *s = &journal->area->state[serial & 1];
	struct state next;

	memset(&next, 0, sizeof(next));
	next.serial = serial;
	memcpy(&next.value, state, sizeof(next.value));
	next.sum = state_sum(&next);
	s->sum = ~next.sum;
	atomic_thread_fence(memory_order_release);
	memcpy(&s->value, &next.value, sizeof(s->value));
	s->serial = serial;
	atomic_thread_fence(memory_order_release);
	s->sum = next.sum;
	journal->state_serial = serial;
}

int vmq_journal_state_read(const struct vmq_journal *journal, struct netvsp_state *ret_state)
{
	uint64_t serial[2] = {whole_serial(journal->area, 0), whole_serial(journal->area, 1)};
	struct state copy;

	if (serial[0] == 0 && serial[1] == 0)
		return -ENOENT;
	memcpy(&copy, &journal->area->state[serial[1] > serial[0]], sizeof(copy));
	if (copy.sum != state_sum(&copy))
		return -ENOENT; /* Somebody is writing to it. */
	memcpy(ret_state, &copy.value, sizeof(*ret_state));
	return 0;
}

/* The slot that holds, or NULL. */
static const struct vmq_journal_slot *slot_now(const struct vmq_journal *journal, uint16_t queue)
{
	const struct vmq_journal_slot *slots = journal->queues[queue].slots;
	uint64_t a = atomic_load(&slots[0].batch), b = atomic_load(&slots[1].batch);

	if (a == 0 && b == 0)
		return NULL;
	return &slots[b > a];
}

uint64_t vmq_journal_queue_batch(const struct vmq_journal *journal, uint16_t queue)
{
	const struct vmq_journal_slot *slot = slot_now(journal, queue);

	return slot != NULL ? atomic_load(&slot->batch) : 0;
}

void vmq_journal_queue_start(struct vmq_journal *journal, uint16_t queue, uint32_t in_read,
			     uint32_t out_write)
{
	vmq_journal_commit(journal, queue, vmq_journal_queue_batch(journal, queue) + 1, in_read,
			   out_write);
}

static bool is_position(uint32_t at, const struct vmbus_ring *ring)
{
	return at % 8 == 0 && at < ring->size;
}

int vmq_journal_queue_resume(const struct vmq_journal *journal, uint16_t queue,
			     const struct vmbus_ring *in, const struct vmbus_ring *out,
			     uint32_t *ret_in_read, uint32_t *ret_out_write)
{
	const struct vmq_journal_slot *slot = slot_now(journal, queue);
	uint64_t positions;

	if (slot == NULL)
		return -ENOENT;
	positions = atomic_load(&slot->positions);
	if (!is_position((uint32_t)positions, in) || !is_position((uint32_t)(positions >> 32), out))
		return -EBADMSG;
	*ret_in_read = (uint32_t)positions;
	*ret_out_write = (uint32_t)(positions >> 32);
	return 0;
}
