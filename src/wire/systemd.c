/* SPDX-License-Identifier: MIT */
/* systemd.c - socket activation for programs that know it: LISTEN_FDS from descriptor 3
 * on (placed at the birth), and a datagram socket in NOTIFY_SOCKET that exists only in
 * the worker's own view. sd_listen_fds(3), sd_notify(3).
 *
 * Whoever can reach the socket can send: the kernel names the sender of each datagram
 * (SO_PASSCRED), and up->owns() says whether it is one of this worker's processes. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/scm.h"
#include "wire/words.h"

static int systemd_hand_over(struct channel *ch, const struct wire_hello *h)
{
	(void)ch;
	(void)h;
	return 0; /* it has its sockets, or asks for them by bind(2) */
}

/* Each descriptor costs as much as a word: they are all to be closed. */
static void close_fds(struct channel *ch, struct scm_message *m)
{
	for (unsigned i = 0; i < m->nfds; i++)
		channel_word(ch);
	scm_close_fds(m);
}

/* Rubbish harms nobody but its sender: the datagram is passed by, as systemd does. */
int systemd_input(struct channel *ch)
{
	static char buf[WORDS_NOTE_MAX + 1]; /* single-threaded; nothing of it is kept */
	struct scm_message m = { .buf = buf, .size = WORDS_NOTE_MAX, .max_fds = SCM_FDS_MAX };
	int r = scm_recv(ch->fd, &m);
	bool heard;

	if (r == -EAGAIN)
		return 0;
	channel_word(ch);
	if (r == -EPROTO) /* more than 32 descriptors, up to 253 */
		ch->in_window += SCM_FDS_MAX;
	if (r < 0 && r != -EMSGSIZE && r != -EPROTO)
		return channel_eof(ch);
	heard = r == 1 && ch->up->owns(ch, m.pid, m.uid) && !words_check(buf, m.len);
	if (heard) {
		buf[m.len] = '\0';
		words_say(ch, buf, false);
	}
	/* Only now: closing what came with BARRIER=1 is its answer, and its sender may end.
	 * FDSTORE=1 is not kept. */
	close_fds(ch, &m);
	return ch->source.live ? 1 : -EPIPE;
}

const struct wire wire_systemd = {
	.name = "systemd",
	.hand_over_ms = 1000,
	.notifies = true,
	.hand_over = systemd_hand_over,
	.on_input = systemd_input,
};

/* The same, and its bind(2) is answered: whichever way the program takes. */
const struct wire wire_auto = {
	.name = "auto",
	.hand_over_ms = 1000,
	.notifies = true,
	.parks_by_itself = true,
	.hand_over = systemd_hand_over,
	.on_input = systemd_input,
};
