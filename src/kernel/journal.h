/* SPDX-License-Identifier: MIT */
/* journal.h - lines to the journal, a stream for each who speaks. The stream's protocol is
 * plain text: a header of seven lines, then lines, each with its priority in front, as
 * sd_journal_stream_fd(3) writes it (systemd, src/libsystemd/sd-journal/journal-send.c, and
 * for the other side src/journal/journald-stream.c). So the master needs no libsystemd.
 *
 * Layer: kernel. */
#ifndef MPSUP_KERNEL_JOURNAL_H
#define MPSUP_KERNEL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"

#define JOURNAL_SOCKET "/run/systemd/journal/stdout"

enum { JOURNAL_ERR = 3, JOURNAL_WARNING = 4, JOURNAL_INFO = 6, JOURNAL_DEBUG = 7 };

/* Did systemd connect this descriptor of ours to the journal ($JOURNAL_STREAM)? */
bool journal_has(int fd);
/* A descriptor to write lines to, which never blocks; path: of the socket. identifier is
 * what the journal shows as its speaker. -EAGAIN: journald has no time now; connect(2)'s. */
MUST_CHECK int journal_open(const char *path, const char *identifier);

#define JOURNAL_MORE 4 /* bytes that a line gets: "<6>", newline */
/* text is one line without its newline; out has len + JOURNAL_MORE bytes. A line that brings
 * its own priority ("<3>...", sd-daemon(3)) keeps it, but that of an emergency, which
 * journald would shout to every terminal of the host. Returns the length. */
size_t journal_line(int priority, const char *text, size_t len, char *out);

#endif
