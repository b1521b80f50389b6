#include "store_internal.h"

void
store_free(struct store *s)
{
	if (s)
		s->ops->free(s);
}

#define STORE_OP_FORWARD(name, parameters, arguments)                                              \
	int store_##name parameters                                                                \
	{                                                                                          \
		return s->ops->name arguments;                                                     \
	}
STORE_OPS(STORE_OP_FORWARD)
#undef STORE_OP_FORWARD
