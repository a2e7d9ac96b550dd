/* SPDX-License-Identifier: BSD-2-Clause
 *
 * In the place of vmworker, for tests of those who start and supervise it: speaks docs/vmworker.md
 * and has no machine.  What it does is in the words of the VM's command line:
 *
 * 	fail        says why it cannot start             mute       ends without a word
 * 	silent      is never ready                       deaf       never answers a request
 * 	end=N@MS    ends with status N                   crash@MS   its guest panics, then status 2
 * 	nostop      does not shut down when asked        stubborn   nor when switched off
 * 	garbage     says what is no packet               flood      says 5000 events
 * 	other       says that it is another VM           noshut     refuses to be asked to shut down
 * 	late=MS     listens after so long; a second process of the VM refuses to start
 * 	heart@MS    its guest beats, then falls silent, then beats again
 * 	stream      its guest asks for port 2000 of the host whenever it is resumed, and says hello
 * there once        "end" and "crash" only the first time that it is started
 *
 * Each request is a line in the file "asked" in its folder: method, name, how many descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#define MAX_PEERS 8

static json_t *config;
static const char *dir, *name, *words, *state = "running";
static int control, console, peers[MAX_PEERS], readers[MAX_PEERS];
static struct timespec started; /* when it was first asked who it is */
static bool has_started;

static bool has(const char *word)
{
	const char *p = strstr(words, word);
	size_t n = strlen(word);

	return p != NULL && (p == words || p[-1] == ' ') &&
	       (p[n] == '\0' || p[n] == ' ' || p[n] == '=' || p[n] == '@');
}

static long number_of(const char *word, char before, long otherwise)
{
	const char *p = strstr(words, word);

	p = p != NULL ? p + strlen(word) : NULL;
	while (p != NULL && *p != '\0' && *p != ' ' && *p != before)
		p++;
	return p != NULL && *p == before ? strtol(p + 1, NULL, 10) : otherwise;
}

static void path_of(const char *file, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", dir, file);
}

static long ms_since_start(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - started.tv_sec) * 1000 + (now.tv_nsec - started.tv_nsec) / 1000000;
}

static int listen_at(const char *file, int type)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	path_of(file, address.sun_path, sizeof(address.sun_path));
	unlink(address.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fd, 4) != 0) {
		perror(address.sun_path);
		exit(1);
	}
	return fd;
}

static void say(int fd, json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);

	json_decref(message);
	(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
	free(text);
}

static void tell(json_t *event)
{
	for (int i = 0; i < MAX_PEERS; i++)
		if (peers[i] >= 0)
			say(peers[i], json_incref(event));
	json_decref(event);
}

static void end(int status, const char *why, const char *text)
{
	char path[200];
	json_t *said;

	tell(json_pack("{ss ss}", "event", "stopped", "why", why));
	path_of("exit.json", path, sizeof(path));
	said = json_pack("{si ss ss}", "status", status, "why", why, "text", text);
	json_dump_file(said, path, 0);
	json_decref(said);
	fflush(NULL);
	_exit(status); /* in the middle of a request */
}

/* "heart": the n-th thing its heart does. */
static int beat(void)
{
	static int n;
	long every = number_of("heart", '@', 100);

	if (n < 3 && ms_since_start() >= every * (n + 1))
		tell(json_pack("{ss sb}", "event", "heartbeat", "ok", n++ != 1));
	return n < 3 ? (int)every : -1;
}

/* What happens by itself; how long until the next. */
static int happen(void)
{
	static bool done;
	long at = has("end") ? number_of("end", '@', 0) : number_of("crash", '@', -1);

	if (!has_started)
		return -1;
	if (has("heart"))
		return beat();
	if (done || at < 0 || (!has("end") && !has("crash")))
		return -1;
	if (ms_since_start() < at)
		return (int)(at - ms_since_start());
	done = true;
	if (has("end"))
		end((int)number_of("end", '=', 0), "fault", "it was told to");
	tell(json_pack("{ss ss s[iiiii]}", "event", "crash", "text",
		       "Kernel panic - not syncing: told to\x1b[31m", "parameters", 1, 2, 3, 4, 5));
	end(2, "crash", "Kernel panic - not syncing: told to");
	return -1;
}

static void note(const char *method, const char *what, int fds)
{
	char path[200];
	FILE *f;

	path_of("asked", path, sizeof(path));
	f = fopen(path, "a");
	if (f != NULL) {
		fprintf(f, "%s %s %d\n", method, what != NULL ? what : "-", fds);
		fclose(f);
	}
}

static json_t *info(void)
{
	return json_pack("{ss ss ss si si s{si si} si ss ss s{ss ss s[s]} s[{ss s[s]}]}", "name",
			 has("other") ? "somebody" : name, "state", state, "face", "user", "pid",
			 (int)getpid(), "processors", 1, "memory", "size", 1 << 28, "resident",
			 1 << 20, "uptime_s", (int)(ms_since_start() / 1000), "heartbeat", "ok",
			 "vmbus", "5.3", "guest", "os", "Fake \x1b[2J 1.0", "host", "guest-host",
			 "ips", "10.0.0.7", "nics", "name", "nic1", "ips", "10.0.1.7");
}

static json_t *stats(void)
{
	return json_pack("{s{si si} sI s{si si} s{sI sI sI sI sI} s{s[{ss si si si si si si}]}}",
			 "exits", "all", 300, "halt", 200, "cpu_ns", (json_int_t)5000000000, "bus",
			 "messages_in", 7, "messages_out", 9, "memory", "size", (json_int_t)1 << 28,
			 "resident", (json_int_t)1 << 20, "own", (json_int_t)4096, "assigned",
			 (json_int_t)1 << 27, "demand", (json_int_t)1 << 26, "disks", "disks",
			 "name", "root", "reads", 3, "writes", 4, "flushes", 1, "read_bytes", 512,
			 "write_bytes", 1024, "errors", 0);
}

static void answer(int peer, const json_t *request, const char *method, const char *how)
{
	json_t *id = json_object_get(request, "id"), *result = NULL;

	if (has("deaf"))
		return;
	if (strcmp(method, "stop") == 0 && has("noshut") && strcmp(how, "shutdown") == 0) {
		say(peer, json_pack("{sO s{ss ss}}", "id", id, "error", "code", "no-ic", "what",
				    "nobody in the guest would hear"));
		return;
	}
	if (strcmp(method, "info") == 0) {
		result = info();
		if (!has_started)
			clock_gettime(CLOCK_MONOTONIC, &started);
		has_started = true;
	} else if (strcmp(method, "stats") == 0)
		result = stats();
	else if (strcmp(method, "unknown") == 0)
		say(peer, json_pack("{sO s{ss ss}}", "id", id, "error", "code", "unknown-method",
				    "what", "no such method"));
	say(peer,
	    json_pack("{sO so}", "id", id, "result", result != NULL ? result : json_object()));
}

static void act(const char *method, const char *how)
{
	bool off = how != NULL && strcmp(how, "off") == 0;

	if (strcmp(method, "pause") == 0 || strcmp(method, "resume") == 0) {
		state = method[0] == 'p' ? "paused" : "running";
		tell(json_pack("{ss ss}", "event", "state", "state", state));
	}
	if (strcmp(method, "resume") == 0 && has("stream"))
		tell(json_pack("{ss si si}", "event", "vsock", "port", 2000, "guest_port", 5555));
	if (strcmp(method, "stop") == 0 && !has("stubborn") && (off || !has("nostop")) &&
	    (off || !has("noshut")))
		end(0, "asked", "");
}

static bool serve(int peer)
{
	char text[70000], space[CMSG_SPACE(8 * sizeof(int))];
	struct iovec iov = {.iov_base = text, .iov_len = sizeof(text)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = space,
			     .msg_controllen = sizeof(space)};
	ssize_t n = recvmsg(peer, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	const char *method, *what, *how;
	json_t *request;
	int fd = -1, fds = 0;

	if (n <= 0)
		return false;
	if (c != NULL && c->cmsg_type == SCM_RIGHTS) {
		fds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(&fd, CMSG_DATA(c), sizeof(int));
		/* A NIC keeps its connection, as one that is attached. */
	}
	request = json_loadb(text, (size_t)n, 0, NULL);
	method = json_string_value(json_object_get(request, "method"));
	what = json_string_value(json_object_get(request, "name"));
	how = json_string_value(json_object_get(request, "how"));
	if (method != NULL && strcmp(method, "vsock-attach") == 0 && fds == 1) {
		(void)send(fd, "hello\n", 6, MSG_NOSIGNAL);
		close(fd);
	}
	note(method, what != NULL ? what : how, fds);
	answer(peer, request, method, how != NULL ? how : "");
	act(method, how);
	json_decref(request);
	return true;
}

static void welcome(int peer)
{
	if (has("garbage"))
		(void)send(peer, "\x01garbage", 8, MSG_NOSIGNAL);
	for (int i = 0; has("flood") && i < 5000; i++)
		say(peer, json_pack("{ss ss}", "event", "fault", "text", "the guest lies"));
}

static void admit(int listener, int *places, bool is_console)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	for (int i = 0; fd >= 0 && i < MAX_PEERS; i++) {
		if (places[i] >= 0)
			continue;
		places[i] = fd;
		if (is_console)
			(void)!write(fd, "login: ", 7);
		else
			welcome(fd);
		return;
	}
	if (fd >= 0)
		close(fd);
}

/* The serial port of a guest that echoes. */
static bool echo(int reader)
{
	char bytes[512];
	ssize_t n = read(reader, bytes, sizeof(bytes));

	if (n <= 0)
		return false;
	for (int i = 0; i < MAX_PEERS; i++)
		if (readers[i] >= 0)
			(void)!write(readers[i], bytes, (size_t)n);
	return true;
}

static void serve_all(void)
{
	struct pollfd fds[2 + 2 * MAX_PEERS] = {{.fd = control, .events = POLLIN},
						{.fd = console, .events = POLLIN}};

	for (int i = 0; i < MAX_PEERS; i++) {
		fds[2 + i] = (struct pollfd){.fd = peers[i], .events = POLLIN};
		fds[2 + MAX_PEERS + i] = (struct pollfd){.fd = readers[i], .events = POLLIN};
	}
	if (poll(fds, 2 + 2 * MAX_PEERS, happen()) <= 0)
		return;
	if (fds[0].revents != 0)
		admit(control, peers, false);
	if (fds[1].revents != 0)
		admit(console, readers, true);
	for (int i = 0; i < MAX_PEERS; i++) {
		if (fds[2 + i].revents != 0 && !serve(peers[i])) {
			close(peers[i]);
			peers[i] = -1;
		}
		if (fds[2 + MAX_PEERS + i].revents != 0 && !echo(readers[i])) {
			close(readers[i]);
			readers[i] = -1;
		}
	}
}

/* "once": the second time it has no words. */
static void forget_words(void)
{
	char path[200];
	int fd;

	path_of("began", path, sizeof(path));
	if (has("once") && access(path, F_OK) == 0)
		words = "";
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

/* For who must end a process that listens to nobody. */
static void leave_pid(void)
{
	char path[200];
	FILE *f;

	path_of("fake.pid", path, sizeof(path));
	f = fopen(path, "w");
	if (f != NULL) {
		fprintf(f, "%d", (int)getpid());
		fclose(f);
	}
}

/* As vmworker does: one process a folder. */
static void lock(void)
{
	char path[200];
	int fd;

	path_of("pid", path, sizeof(path));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) {
		puts("{\"error\":{\"code\":\"already-running\",\"what\":\"another runs it\"}}");
		exit(1);
	}
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	clock_gettime(CLOCK_MONOTONIC, &started);
	config = json_loadfd(3, JSON_DISABLE_EOF_CHECK, NULL);
	close(3);
	dir = json_string_value(json_object_get(config, "dir"));
	name = json_string_value(json_object_get(config, "name"));
	words = json_string_value(json_object_get(config, "cmdline"));
	if (argc != 3 || dir == NULL || name == NULL || words == NULL)
		return 1;
	memset(peers, 0xff, sizeof(peers));
	memset(readers, 0xff, sizeof(readers));
	forget_words();
	leave_pid();
	fprintf(stderr, "info: fake worker of %s\n", name);
	if (has("fail")) {
		puts("{\"error\":{\"code\":\"not-a-kernel\",\"what\":\"it is no kernel\",\"why\":"
		     "\"it has none of the marks of one\",\"fix\":\"name another\"}}");
		return 1;
	}
	if (has("mute"))
		return 0;
	lock();
	usleep((useconds_t)number_of("late", '=', 0) * 1000);
	control = listen_at("control.sock", SOCK_SEQPACKET);
	console = listen_at("console.sock", SOCK_STREAM);
	while (has("silent"))
		pause();
	(void)!write(STDOUT_FILENO, "ready\n", 6);
	close(STDOUT_FILENO);
	for (;;)
		serve_all();
}
