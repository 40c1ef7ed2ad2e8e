/* SPDX-License-Identifier: MIT */
#include "cage/view_places.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
const char *const view_system_places[] = { "/usr",   "/bin",   "/sbin",   "/lib", "/lib32",
					   "/lib64", "/libx32", "/libexec", "/opt", "/etc",
					   NULL };

const char *const view_service_places[] = { "/run/systemd/resolve", "/run/nscd",
					    "/run/systemd/journal/dev-log", NULL };

const char *const view_hidden_places[] = { "/etc/mpsup",	 "/etc/sudoers", "/etc/sudoers.d",
					   "/etc/shadow",	 "/etc/shadow-", "/etc/gshadow",
					   "/etc/gshadow-",	 "/etc/ssh",	 "/etc/ssl/private",
					   "/etc/security/opasswd", NULL };

const char *const view_empty_places[] = { "proc", "sys",  "tmp",  "run",     "var",  "var/tmp",
					  "home", "root", "srv",  "mnt",     "media", NULL };

const char *const view_home_keys[] = { ".ssh",	".gnupg",	    ".aws",   ".azure", ".kube",
				       ".docker", ".config/gcloud", ".netrc", ".npmrc", ".pgpass",
				       ".git-credentials", ".bash_history", NULL };

const char *const view_devices[] = { "null", "zero", "full", "random", "urandom", "tty", NULL };

const char *const view_masked_proc[] = { "/proc/acpi",	     "/proc/asound",	 "/proc/interrupts",
					 "/proc/kcore",	     "/proc/keys",	 "/proc/latency_stats",
					 "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
					 "/proc/scsi",	     NULL };

const char *const view_readonly_proc[] = { "/proc/bus", "/proc/fs",	       "/proc/irq",
					   "/proc/sys", "/proc/sysrq-trigger", NULL };

const char *const view_masked_sys[] = { "sys/firmware", "sys/devices/virtual/powercap", NULL };
/* clang-format on */

const char *view_own_place(const char *path)
{
	static const char *const own[] = { "/tmp", "/var/tmp", "/run", "/dev/shm" };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (view_is_below(path, own[i]))
			return own[i];
	return NULL;
}

bool view_cwd_is_own(const char *cwd)
{
	const char *own = view_own_place(cwd);

	return strcmp(cwd, "/") == 0 || (own && strcmp(own, cwd) == 0);
}

bool view_is_home(const char *path)
{
	if (strcmp(path, "/root") == 0)
		return true;
	return strncmp(path, "/home/", 6) == 0 && path[6] && !strchr(path + 6, '/');
}

bool view_stays_empty(const char *path)
{
	if (strcmp(path, "/") == 0 || strcmp(path, "/dev/shm") == 0 || view_is_home(path))
		return true;
	for (unsigned i = 0; view_empty_places[i]; i++)
		if (path[0] == '/' && strcmp(path + 1, view_empty_places[i]) == 0)
			return true;
	return false;
}
