/* question: what a service answers on standard output instead of starting. */
#ifndef QUESTION_H
#define QUESTION_H

#include <stdbool.h>

struct options;
struct service;

/* Takes the questions out of argv.  Returns the last one, NULL when there is none. */
const char *question_take(int *argc, char **argv);

/* True when it was answered.  False for --print-config, which needs the options loaded first. */
bool question_answer(const struct service *service, const struct options *options,
    const char *question, const char *program);

#endif
