/* SPDX-License-Identifier: MIT */
/* surroundings.h - what a host shows of what is around us: a container, a service
 * manager, security modules, what stands against user namespaces.
 *
 * Layer: kernel. Only reads. root: "" for this host, a folder like / for a test. What is
 * read there is somebody else's text: bounded, and for people only. */
#ifndef MPSUP_KERNEL_SURROUNDINGS_H
#define MPSUP_KERNEL_SURROUNDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

#define SURROUNDINGS_BYTES 200

/* The first line of ROOT/path, cut to size; false: it cannot be read. */
bool surroundings_line(const char *root, const char *path, char *buf, size_t size);
/* The number that it begins with; false: no file, or no number. */
bool surroundings_number(const char *root, const char *path, uint64_t *ret);

/* Are we in a container, and what says so? Evidence, never proof: a runtime need not leave
 * any, and an image that became a machine keeps its files. */
bool surroundings_container(const char *root, char *evidence, size_t size);

/* Does systemd run this host (sd_booted(3))? *ret_version 0: not to be seen. */
bool surroundings_systemd(const char *root, unsigned *ret_version);

/* Are our uids mapped, as in a user namespace? how: the first line of the map. */
bool surroundings_mapped(const char *root, char *how, size_t size);

/* The sysctl that refuses user namespaces to an ordinary user, as "name is 0", or "". */
void surroundings_userns(const char *root, char *sysctl, size_t size);

enum lsm_state { LSM_NONE, LSM_LOOSE, LSM_STRICT };
/* SELinux: permissive or enforcing. */
enum lsm_state surroundings_selinux(const char *root);
/* AppArmor: LOOSE: we are unconfined; STRICT: profile names what we are under. */
enum lsm_state surroundings_apparmor(const char *root, char *profile, size_t size);

#endif
