/* SPDX-License-Identifier: MIT */
/* facts_numbers.c - how much of everything there is: descriptors, queues, CPUs. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/facts.h"
#include "base/fd.h"
#include "base/text.h"
#include "kernel/allowed.h"
#include "kernel/surroundings.h"

#define NOFILE_WANTED  65536 /* the default of --nofile */
#define BACKLOG_WANTED 4096  /* the default of --backlog */

static void descriptors(struct host_facts *h)
{
	struct rlimit rl = { 0 };

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return;
	if (rl.rlim_max >= NOFILE_WANTED)
		(void)fact_add(h, "open files", FACT_OK, "at most %llu",
			       (unsigned long long)rl.rlim_max);
	else
		fact_missing(fact_add(h, "open files", FACT_NOTE, "at most %llu",
				      (unsigned long long)rl.rlim_max),
			     "--nofile above that, more than a tenth as many workers",
			     "LimitNOFILE= in a unit, ulimit -Hn with CAP_SYS_RESOURCE");
}

static void queues(struct host_facts *h)
{
	uint64_t n;

	if (!surroundings_number("", "/proc/sys/net/core/somaxconn", &n))
		fact_missing(fact_add(h, "accept queue", FACT_NOTE, "net.core.somaxconn is hidden"),
			     "nothing, if it is 4096", "");
	else if (n < BACKLOG_WANTED)
		fact_missing(fact_add(h, "accept queue", FACT_NOTE,
				      "net.core.somaxconn is %" PRIu64, n),
			     "longer queues: a burst of clients is refused sooner",
			     "sysctl net.core.somaxconn=4096");
	else
		(void)fact_add(h, "accept queue", FACT_OK, "net.core.somaxconn is %" PRIu64, n);
	/* Whether the kernel moves what waits at a socket that closes: we keep ours open. */
	if (surroundings_number("", "/proc/sys/net/ipv4/tcp_migrate_req", &n))
		(void)fact_add(h, "tcp_migrate_req", FACT_OK,
			       "%" PRIu64 "; not needed, mpsup keeps every socket itself", n);
}

static void cpus(struct host_facts *h)
{
	static const char *const why[] = { [ALLOWED_ALL] = "all that are online",
					   [ALLOWED_CPUSET] = "by a cpuset",
					   [ALLOWED_AFFINITY] = "by affinity" };
	unsigned quota = allowed_quota();
	char list[TEXT_CPUS_BYTES], of[64] = "";
	cpu_set_t set;
	int r = allowed_cpus(&set);

	if (r < 0) {
		fact_missing(fact_add(h, "CPUs", FACT_PROBLEM, "%s", strerror(-r)), "every start",
			     "");
		return;
	}
	text_cpus(&set, list);
	if (quota)
		(void)snprintf(of, sizeof(of), ", with a quota of %u.%03u", quota / 1000,
			       quota % 1000);
	(void)fact_add(h, "CPUs", FACT_OK, "%s, %s%s", list, why[allowed_why(&set)], of);
}

static void addresses(struct host_facts *h)
{
	AUTO_FD int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		(void)fact_add(h, "IPv6", FACT_OK, "there");
	else
		fact_missing(fact_add(h, "IPv6", FACT_NOTE, "%s", strerror(errno)),
			     "--port listens for IPv4 alone",
			     "a kernel with it, booted without ipv6.disable=1");
}

void facts_numbers(struct host_facts *h)
{
	descriptors(h);
	queues(h);
	cpus(h);
	addresses(h);
}
