/* log_configure: the log as options log_level and log_format ask for. */
#include <string.h>

#include "compiler.h"
#include "err.h"
#include "log.h"
#include "options.h"

static int
choose(const char *option, const char *text, const char *const names[], int n, int *ret_choice,
    struct err *err)
{
	for (int i = 0; i < n; i++) {
		if (strcmp(names[i], text) == 0) {
			*ret_choice = i;
			return 0;
		}
	}
	return err_field(
	    err, ERR_INVALID, option, "option %s: \"%.40s\" is not one of its names", option, text);
}

int
log_configure(
    const struct options *options, const char *service, const char *instance, struct err *err)
{
	static const char *const levels[] = {[LOG_DEBUG_LEVEL] = "debug",
	    [LOG_INFO_LEVEL] = "info",
	    [LOG_WARN_LEVEL] = "warn",
	    [LOG_ERROR_LEVEL] = "error"};
	static const char *const formats[] = {
	    [LOG_FORMAT_AUTO] = "auto", [LOG_FORMAT_LOGFMT] = "logfmt", [LOG_FORMAT_JSON] = "json"};
	int level = 0, format = 0;

	if (choose("log_level", options_string(options, "log_level"), levels, (int)COUNT_OF(levels),
		&level, err) < 0)
		return err_hint(err, "debug, info, warn or error");
	if (choose("log_format", options_string(options, "log_format"), formats,
		(int)COUNT_OF(formats), &format, err) < 0)
		return err_hint(err, "auto, logfmt or json");
	log_init((enum log_level)level, (enum log_format)format, service, instance);
	return 0;
}
