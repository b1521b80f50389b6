# Warnings are errors for our own code.  Generated code is a target of its own without them.
add_library(fl_warnings INTERFACE)
target_compile_options(fl_warnings INTERFACE
	-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
	-Wmissing-prototypes -Wformat=2 -Wundef -Wvla -Wimplicit-fallthrough -Wswitch-enum
	-Wnull-dereference -Werror)

add_compile_definitions(_GNU_SOURCE)
add_compile_options(-fno-omit-frame-pointer)

set(FL_SANITIZE "" CACHE STRING "sanitizers, comma separated: address,undefined or thread")
if(FL_SANITIZE)
	add_compile_options(-fsanitize=${FL_SANITIZE} -fno-sanitize-recover=all -g)
	add_link_options(-fsanitize=${FL_SANITIZE})
	# gcc's null-dereference analysis misfires inside sanitizer instrumentation.
	target_compile_options(fl_warnings INTERFACE -Wno-null-dereference)
endif()

option(FL_CRASH_POINTS "compile crash points in (tests only)" OFF)
if(FL_CRASH_POINTS)
	add_compile_definitions(FL_CRASH_POINTS=1)
endif()

option(FL_FUZZ "build libFuzzer entries instead of corpus replays (clang)" OFF)
if(FL_FUZZ)
	add_compile_options(-fsanitize=fuzzer-no-link) # coverage of everything that is called
endif()

# Assertions guard programmer errors in every build: NDEBUG is never defined.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")

option(FL_HARDEN "hardening flags of release builds" OFF)
if(FL_HARDEN)
	add_compile_options(-D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection
		-fcf-protection)
	set(CMAKE_POSITION_INDEPENDENT_CODE ON)
	add_link_options(-Wl,-z,relro,-z,now)
endif()
