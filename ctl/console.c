/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'vswitchctl vm console': this terminal and the serial port of a VM, whose process listens on a
 * socket.  With a terminal, keys go through as they are typed, but for the one that leaves; the
 * terminal is put back whatever ends this, short of SIGKILL.  Without one (a pipe) bytes go
 * through, and the end of the input leaves once the guest has been silent for a while.
 */
#include "ctl/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#define ROOM	  65536 /* bytes that the guest has not taken */
#define SILENT_MS 500

struct console {
	int sock, signals;
	int escape; /* the byte that leaves; -1: none */
	bool is_tty, ended;
	struct termios before;
	char to_guest[ROOM];
	size_t n_to_guest;
};

/* "^]" is the byte 0x1d; "none": -1; -2: neither. */
static int parse_escape(const char *text)
{
	if (text == NULL)
		text = "^]";
	if (strcmp(text, "none") == 0)
		return -1;
	if (text[0] != '^' || text[1] == '\0' || text[2] != '\0')
		return -2;
	if (text[1] >= 'a' && text[1] <= 'z')
		return text[1] - 'a' + 1;
	return text[1] >= 'A' && text[1] <= '_' ? text[1] - '@' : -2;
}

static int connect_to(const char *path, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, code;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, -ENAMETOOLONG, "path-too-long", "%.200s is too long", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	code = errno;
	if (fd >= 0)
		close(fd);
	err_set(err, -code, "no-console", "cannot connect to the console: %s", strerror(code));
	err_why(err,
		code == EACCES ? "only root and the switch's group may: %.250s"
			       : "the VM's process listens on %.250s",
		path);
	err_fix(err, code == EACCES ? "usermod -aG vswitch $USER, then log in anew"
				    : "vswitchctl vm list");
	return -code;
}

/* Signals that would leave the terminal as it is arrive as bytes of a descriptor. */
static int catch_signals(void)
{
	static const int which[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++)
		sigaddset(&set, which[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void make_raw(struct console *c)
{
	struct termios raw;

	c->is_tty = isatty(STDIN_FILENO) != 0 && tcgetattr(STDIN_FILENO, &c->before) == 0;
	if (!c->is_tty)
		return;
	raw = c->before;
	cfmakeraw(&raw);
	/* Output to a pipe or file stays what the guest wrote. */
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void put_back(const struct console *c)
{
	if (c->is_tty)
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &c->before);
}

static bool write_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno != EINTR)
			return false;
		bytes += done > 0 ? done : 0;
		n -= done > 0 ? (size_t)done : 0;
	}
	return true;
}

/* False: the VM has ended, or nobody reads what it says. */
static bool from_guest(struct console *c)
{
	char bytes[4096];
	ssize_t n = recv(c->sock, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	return n > 0 && write_all(STDOUT_FILENO, bytes, (size_t)n);
}

/* False: the escape key, or an error.  Keys that a guest does not take are lost, as on a wire. */
static bool from_keys(struct console *c)
{
	char bytes[1024];
	size_t room = ROOM - c->n_to_guest;
	ssize_t n;
	char *leave;

	if (!c->is_tty && room < sizeof(bytes))
		return true; /* a pipe waits */
	n = read(STDIN_FILENO, bytes, sizeof(bytes));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0) {
		c->ended = true;
		return n == 0 && !c->is_tty;
	}
	leave = c->is_tty && c->escape >= 0 ? memchr(bytes, c->escape, (size_t)n) : NULL;
	if (leave != NULL)
		return false;
	if ((size_t)n > room)
		n = (ssize_t)room;
	memcpy(c->to_guest + c->n_to_guest, bytes, (size_t)n);
	c->n_to_guest += (size_t)n;
	return true;
}

static bool to_guest(struct console *c)
{
	ssize_t n = send(c->sock, c->to_guest, c->n_to_guest, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	memmove(c->to_guest, c->to_guest + n, c->n_to_guest - (size_t)n);
	c->n_to_guest -= (size_t)n;
	return true;
}

/* What ended it, in words; NULL: whoever is at the keyboard. */
static const char *pass_bytes(struct console *c)
{
	for (;;) {
		bool full = !c->is_tty && ROOM - c->n_to_guest < 1024;
		struct pollfd fds[] = {
			{.fd = c->sock,
			 .events = (short)(POLLIN | (c->n_to_guest > 0 ? POLLOUT : 0))},
			{.fd = c->ended || full ? -1 : STDIN_FILENO, .events = POLLIN},
			{.fd = c->signals, .events = POLLIN},
		};
		bool waits = c->ended && c->n_to_guest == 0;
		int n = poll(fds, 3, waits ? SILENT_MS : -1);

		if (n == 0)
			return NULL;
		if (n < 0 && errno != EINTR)
			return strerror(errno);
		if (n < 0)
			continue;
		if (fds[2].revents != 0)
			return "a signal";
		if (fds[0].revents != 0 && !from_guest(c))
			return "the VM";
		if ((fds[0].revents & POLLOUT) != 0 && c->n_to_guest > 0 && !to_guest(c))
			return "the VM";
		if (fds[1].revents != 0 && !from_keys(c))
			return NULL;
	}
}

static int attach(struct console *c, const char *name, const char *key, const char *path,
		  struct err *err)
{
	const char *why;

	c->sock = connect_to(path, err);
	if (c->sock < 0)
		return c->sock;
	c->signals = catch_signals();
	if (isatty(STDIN_FILENO) != 0 && c->escape >= 0)
		fprintf(stderr, "Console of %s. %s leaves it.\n", name, key);
	make_raw(c);
	why = pass_bytes(c);
	put_back(c);
	close(c->sock);
	if (c->signals >= 0)
		close(c->signals);
	if (c->is_tty && why != NULL)
		fprintf(stderr, "\nThe console was closed by %s.\n", why);
	else if (c->is_tty)
		fputc('\n', stderr);
	return 0;
}

int ctl_tool_console(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params)
{
	const char *escape = json_string_value(json_object_get(params, "escape"));
	struct console *c = calloc(1, sizeof(*c));
	json_t *answer = NULL;
	struct err err = {0};
	int rc;

	if (c == NULL)
		return ctl_tool_fail(tool,
				     (err_set(&err, -ENOMEM, "no-memory", "no memory"), &err));
	c->escape = parse_escape(escape);
	if (c->escape == -2) {
		rc = err_set(&err, -EINVAL, "usage", "--escape '%.20s': must be ^A to ^_, or none",
			     escape);
		err_fix(&err, "quote it: --escape '^]'");
	} else {
		rc = ctl_tool_call(tool, spec, params, -1, &answer, &err);
	}
	if (rc == 0 && tool->json)
		ctl_tool_print_json(answer, false);
	else if (rc == 0)
		rc = attach(c, json_string_value(json_object_get(params, "name")),
			    escape != NULL ? escape : "^]",
			    json_string_value(json_object_get(answer, "socket")) ?: "", &err);
	json_decref(answer);
	free(c);
	return rc == 0 ? 0 : ctl_tool_fail(tool, &err);
}
