/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "policy/names.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/socket.h>

#include "base/nearest.h"
#include "policy/profile.h"

/* Younger than the headers of the oldest distribution that we build on. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif

#define PER_QUERY 0xffffffffu /* personality(2): only ask */

#define C(name)                                                                                    \
	{                                                                                          \
#name, (uint32_t)(name)                                                            \
	}
static const struct constant {
	const char *name;
	uint32_t value;
} constants[] = {
	C(AF_UNIX),
	C(AF_INET),
	C(AF_INET6),
	C(AF_NETLINK),
	C(AF_PACKET),
	C(AF_ALG),
	C(AF_VSOCK),
	C(AF_BLUETOOTH),
	C(AF_CAN),
	C(AF_KEY),
	C(AF_TIPC),
	C(AF_XDP),
	C(NETLINK_ROUTE),
	C(NETLINK_SOCK_DIAG),
	C(NETLINK_AUDIT),
	C(NETLINK_KOBJECT_UEVENT),
	C(NETLINK_NETFILTER),
	C(NETLINK_GENERIC),
	C(SOCK_STREAM),
	C(SOCK_DGRAM),
	C(SOCK_RAW),
	C(SOCK_SEQPACKET),
	C(CLONE_NEWNS),
	C(CLONE_NEWCGROUP),
	C(CLONE_NEWUTS),
	C(CLONE_NEWIPC),
	C(CLONE_NEWUSER),
	C(CLONE_NEWPID),
	C(CLONE_NEWNET),
	C(CLONE_PARENT),
	C(CLONE_PTRACE),
	C(CLONE_THREAD),
	C(TIOCSTI),
	C(TIOCLINUX),
	C(TIOCSETD),
	C(TIOCCONS),
	C(TIOCSCTTY),
	C(SOL_SOCKET),
	C(SO_LOCK_FILTER),
	C(SO_ATTACH_FILTER),
	C(SO_ATTACH_BPF),
	C(SO_DETACH_FILTER),
	C(SO_ATTACH_REUSEPORT_CBPF),
	C(SO_ATTACH_REUSEPORT_EBPF),
	C(SO_DETACH_REUSEPORT_BPF),
	C(SO_REUSEPORT),
	C(SO_BINDTODEVICE),
	C(SO_MARK),
	C(PER_LINUX),
	C(PER_QUERY),
	C(ADDR_NO_RANDOMIZE),
	C(PR_SET_PDEATHSIG),
	C(PR_GET_PDEATHSIG),
	C(PR_SET_DUMPABLE),
	C(PR_GET_DUMPABLE),
	C(PR_SET_KEEPCAPS),
	C(PR_GET_KEEPCAPS),
	C(PR_SET_NAME),
	C(PR_GET_NAME),
	C(PR_GET_SECCOMP),
	C(PR_SET_SECCOMP),
	C(PR_CAPBSET_READ),
	C(PR_CAPBSET_DROP),
	C(PR_SET_SECUREBITS),
	C(PR_GET_SECUREBITS),
	C(PR_SET_TIMERSLACK),
	C(PR_GET_TIMERSLACK),
	C(PR_SET_MM),
	C(PR_SET_PTRACER),
	C(PR_SET_CHILD_SUBREAPER),
	C(PR_GET_CHILD_SUBREAPER),
	C(PR_SET_NO_NEW_PRIVS),
	C(PR_GET_NO_NEW_PRIVS),
	C(PR_GET_TID_ADDRESS),
	C(PR_SET_THP_DISABLE),
	C(PR_GET_THP_DISABLE),
	C(PR_CAP_AMBIENT),
	C(PR_SVE_SET_VL),
	C(PR_SVE_GET_VL),
	C(PR_GET_SPECULATION_CTRL),
	C(PR_SET_SPECULATION_CTRL),
	C(PR_PAC_RESET_KEYS),
	C(PR_SET_TAGGED_ADDR_CTRL),
	C(PR_GET_TAGGED_ADDR_CTRL),
	C(PR_SET_MDWE),
	C(PR_GET_MDWE),
	C(PR_SET_VMA),
	C(PR_SET_SYSCALL_USER_DISPATCH),
	C(PR_SCHED_CORE),
};
#undef C

int names_call(const char *name, int *ret_nr)
{
	int nr = seccomp_syscall_resolve_name(name);

	if (nr == __NR_SCMP_ERROR)
		return -ENOENT;
	if (nr < 0) /* libseccomp's pseudo number of another architecture's call */
		return 0;
	if (nr >= PROFILE_CALLS)
		return -ERANGE;
	*ret_nr = nr;
	return 1;
}

#define ERRNO_MAX 134 /* include/uapi/asm-generic/errno.h ends at 133 */

int names_errno(const char *name)
{
	for (int i = 1; i < ERRNO_MAX; i++) {
		const char *known = strerrorname_np(i);

		if (known && strcmp(known, name) == 0)
			return i;
	}
	return 0;
}

bool names_value(const char *text, uint32_t *ret_value)
{
	unsigned long long n;
	char *end;

	for (size_t i = 0; i < ARRAY_LEN(constants); i++) {
		if (strcmp(constants[i].name, text) == 0) {
			*ret_value = constants[i].value;
			return true;
		}
	}
	if (*text < '0' || *text > '9') /* strtoull() takes signs and blanks */
		return false;
	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || *end || n > UINT32_MAX)
		return false;
	*ret_value = (uint32_t)n;
	return true;
}

struct search {
	const char *word;
	unsigned distance;
	char *hint;
};

/* More edits than a third of the word, two for short ones, make another word. */
static struct search search_for(const char *word, char hint[NAMES_HINT_BYTES])
{
	size_t third = strlen(word) / 3;

	hint[0] = '\0';
	return (struct search){ .word = word,
				.distance = third > 2 ? (unsigned)third + 1 : 3,
				.hint = hint };
}

static void consider(struct search *s, const char *candidate)
{
	unsigned d = nearest_distance(s->word, candidate);

	if (d >= s->distance)
		return;
	s->distance = d;
	(void)snprintf(s->hint, NAMES_HINT_BYTES, ", did you mean '%s'?", candidate);
}

void names_call_hint(const char *word, char hint[NAMES_HINT_BYTES])
{
	struct search s = search_for(word, hint);

	for (int nr = 0; nr < PROFILE_CALLS; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(seccomp_arch_native(), nr);

		if (name)
			consider(&s, name);
		free(name);
	}
}

void names_errno_hint(const char *word, char hint[NAMES_HINT_BYTES])
{
	struct search s = search_for(word, hint);

	for (int i = 1; i < ERRNO_MAX; i++)
		if (strerrorname_np(i))
			consider(&s, strerrorname_np(i));
}

void names_value_hint(const char *word, char hint[NAMES_HINT_BYTES])
{
	struct search s = search_for(word, hint);

	for (size_t i = 0; i < ARRAY_LEN(constants); i++)
		consider(&s, constants[i].name);
}

void names_word_hint(const char *word, const char *const *words, char hint[NAMES_HINT_BYTES])
{
	struct search s = search_for(word, hint);

	for (size_t i = 0; words[i]; i++)
		consider(&s, words[i]);
}
