/* agent_options: the option table of fairlead-agent. */
#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H

#include "options.h"

extern const struct option_row agent_options[];

#endif
