/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include "import/pm2.h"

int pm2_evaluate(const struct pm2_request *rq, bool as_json, json_t **ret_root, FILE *notes,
		 struct err *e)
{
	(void)as_json;
	(void)ret_root;
	(void)notes;
	return err_set(e, -EINVAL,
		       "%s is JavaScript, which this version does not evaluate: `node -p "
		       "'JSON.stringify(require(\"./%.60s\"))' > ecosystem.json` makes a file of "
		       "values of it",
		       rq->path, rq->path);
}
