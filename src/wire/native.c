/* SPDX-License-Identifier: MIT */
/* native.c - the protocol of libmpsup: datagrams of KEY=VALUE lines over
 * SOCK_SEQPACKET, sd_notify(3)'s vocabulary from the worker. docs/protocol.md. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/scm.h"
#include "wire/json.h"
#include "wire/words.h"

PRINTF(4, 5) static int add(char *buf, size_t size, size_t *len, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf + *len, size - *len, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= size - *len)
		return -EMSGSIZE;
	*len += (size_t)n;
	return 0;
}

static int native_hand_over(struct channel *ch, const struct wire_hello *h)
{
	char buf[4096];
	size_t len = 0;
	int r = add(buf, sizeof(buf), &len,
		    "HELLO=1\nPOOL=%s\nSLOT=%u\nGENERATION=%u\nWORKERS=%u\nHOST_PID=%d\n"
		    "LISTEN_FDS=%u\nLISTEN_FDNAMES=",
		    h->pool, h->slot, h->generation, h->workers, h->pid, h->dispatch ? 0 : h->nfds);

	ch->hello = *h;
	for (unsigned i = 0; r == 0 && i < h->nfds; i++)
		r = add(buf, sizeof(buf), &len, "%s%s", i ? ":" : "", h->specs[i].name);
	if (r == 0)
		r = add(buf, sizeof(buf), &len, "\n");
	if (r == 0 && h->watchdog_usec)
		r = add(buf, sizeof(buf), &len, "WATCHDOG_USEC=%" PRIu64 "\n", h->watchdog_usec);
	if (r == 0 && h->dispatch)
		r = add(buf, sizeof(buf), &len, "DISPATCH=1\n");
	return r < 0 ? r : channel_say(ch, buf, len, h->fds, h->dispatch ? 0 : h->nfds);
}

static int native_give(struct channel *ch, unsigned listener, uint64_t number, int fd)
{
	char buf[64];
	int len = snprintf(buf, sizeof(buf), "CONNECTION=%" PRIu64 "\nLISTENER=%u\n", number,
			   listener);

	return channel_say(ch, buf, (size_t)len, &fd, 1);
}

static bool native_takes(const struct channel *ch, unsigned listener)
{
	return ch->hello.dispatch && listener < ch->hello.nfds;
}

static int native_drain(struct channel *ch, uint64_t timeout_ms)
{
	char buf[64];
	int len = snprintf(buf, sizeof(buf), "DRAIN=1\nTIMEOUT_USEC=%" PRIu64 "\n",
			   timeout_ms * 1000);

	return channel_say(ch, buf, (size_t)len, NULL, 0);
}

static int native_input(struct channel *ch)
{
	static char buf[CHANNEL_LINE_MAX + 1]; /* single-threaded; nothing of it is kept */
	struct scm_message m = { .buf = buf, .size = CHANNEL_LINE_MAX };
	int r = scm_recv(ch->fd, &m);
	const char *bad;

	if (r == -ECONNRESET) /* gone with words of ours unread; its own last ones follow */
		r = scm_recv(ch->fd, &m);
	if (r == -EAGAIN)
		return 0;
	if (r == -EPROTO)
		return channel_broken(ch, "descriptors that nobody asked for");
	if (r == -EMSGSIZE)
		return channel_broken(ch, "a message longer than 64 KiB");
	if (r <= 0)
		return channel_eof(ch);
	/* Only a message for others may be long. */
	bad = m.len > WORDS_NOTE_MAX && strncmp(buf, "MESSAGE=", 8) != 0 ?
		      "a message longer than 4 KiB" :
		      words_check(buf, m.len);
	if (bad)
		return channel_broken(ch, bad);
	buf[m.len] = '\0';
	channel_word(ch);
	words_say(ch, buf, true);
	return ch->source.live ? 1 : -EPIPE;
}

const struct wire wire_native = {
	.name = "native",
	.sock_type = SOCK_SEQPACKET,
	.hand_over_ms = 100,
	.env_name = "MPSUP_FD",
	.parks_by_itself = true,
	.hand_over = native_hand_over,
	.drain = native_drain,
	.on_input = native_input,
	.give = native_give,
	.takes = native_takes,
	.message_before = "MESSAGE=",
	.message_after = "",
};
