/* completion: the scripts of cli/completion, compiled in. */
#ifndef COMPLETION_H
#define COMPLETION_H

extern const char completion_bash[], completion_zsh[], completion_fish[];

#endif
