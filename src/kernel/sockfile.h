/* SPDX-License-Identifier: MIT */
/* sockfile.h - several listening sockets for the path of one: the path leads to one of them,
 * the others have their files in folders of ours beside it, `.NAME.mpsup-N`. All are bound by
 * the name of the path: that is what getsockname(2) says, whichever of them it leads to.
 *
 * Layer: kernel. -Exxx with a sentence, never logs. */
#ifndef MPSUP_KERNEL_SOCKFILE_H
#define MPSUP_KERNEL_SOCKFILE_H

#include "kernel/listener.h"

#define SOCKFILES_MAX 8 /* N is below */

/* One more: as listener_open(), and the path leads where it did; its file is number n's.
 * What the path leads to gets a second file, number was's, so that sockfile_point() can bring
 * it back. Needs CAP_SYS_ADMIN (a mount namespace), and some milliseconds. */
MUST_CHECK int sockfile_open(const struct listener_spec *s, unsigned n, unsigned was, int *ret_fd,
			     struct err *e);
/* From now on the path leads to number n, in one step: nobody finds none there. */
MUST_CHECK int sockfile_point(const struct listener_spec *s, unsigned n, struct err *e);
/* The path leads nowhere any more; what it led to is number n, which sockfile_point() can bring
 * back. */
MUST_CHECK int sockfile_hide(const struct listener_spec *s, unsigned n, struct err *e);
/* The file of number n, and its folder. Harmless when there is none. */
void sockfile_remove(const struct listener_spec *s, unsigned n);
/* All of them: what a killed master has left. Harmless for others than unix sockets. */
void sockfile_clean(const struct listener_spec *s);

#endif
