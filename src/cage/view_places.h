/* SPDX-License-Identifier: MIT */
/* view_places.h - the places a view is made of, in one spot. */
#ifndef MPSUP_CAGE_VIEW_PLACES_H
#define MPSUP_CAGE_VIEW_PLACES_H

#include <stdbool.h>

/* Where the mold keeps what births need: an empty folder, an empty file, late binds. */
#define VIEW_STORE	 "/dev/.mpsup"
#define VIEW_STORE_EMPTY VIEW_STORE "/empty"
#define VIEW_STORE_NONE	 VIEW_STORE "/none"

extern const char *const view_system_places[];	/* shown read-only; symlinks as symlinks */
extern const char *const view_service_places[]; /* of /run: name resolution and logging */
extern const char *const view_hidden_places[];	/* secrets in what is shown */
extern const char *const view_empty_places[];	/* there, and empty */
extern const char *const view_home_keys[];	/* covered in a home that is shown */
extern const char *const view_devices[];	/* of /dev */

/* runc's lists (libcontainer/specconv): paths that are covered, and that are read-only. */
extern const char *const view_masked_proc[];
extern const char *const view_readonly_proc[];
extern const char *const view_masked_sys[];

/* The folder of the worker's own that path is in (/tmp, /var/tmp, /run, /dev/shm), or NULL. */
const char *view_own_place(const char *path);
bool view_cwd_is_own(const char *cwd);
bool view_is_home(const char *path); /* /root, /home/NAME */
/* A folder that a file in it does not open: homes, /srv, /tmp, the root itself. */
bool view_stays_empty(const char *path);
bool view_is_below(const char *path, const char *folder);

#endif
