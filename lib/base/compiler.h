/* compiler: attributes and the three ownership macros.
 *
 * CLEANUP(x_free) on a local frees it when it goes out of scope; TAKE(p) hands the value on and
 * leaves NULL behind, so that the cleanup does nothing; DEFINE_CLEANUP writes the adapter. */
#ifndef COMPILER_H
#define COMPILER_H

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(template, first) __attribute__((format(printf, template, first)))
#define UNUSED __attribute__((unused))

#define CLEANUP(function) __attribute__((cleanup(function##_cleanup)))

#define DEFINE_CLEANUP(type, function)                                                             \
	static inline UNUSED void function##_cleanup(type *slot)                                   \
	{                                                                                          \
		if (*slot)                                                                         \
			function(*slot);                                                           \
	}                                                                                          \
	struct compiler_needs_semicolon

#define TAKE(slot)                                                                                 \
	__extension__({                                                                            \
		__typeof__(slot) taken_ = (slot);                                                  \
		(slot) = NULL;                                                                     \
		taken_;                                                                            \
	})

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
