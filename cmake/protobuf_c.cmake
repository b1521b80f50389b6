# protobuf_c_library(<target> <proto>...): generated C in the build tree, without our warnings.
find_program(PROTOC protoc REQUIRED)
find_program(PROTOC_GEN_C NAMES protoc-gen-c protoc-c REQUIRED)

function(protobuf_c_library target)
	set(root "${PROJECT_SOURCE_DIR}/proto")
	set(out "${CMAKE_CURRENT_BINARY_DIR}/gen")
	file(MAKE_DIRECTORY "${out}")
	set(sources "")
	foreach(proto IN LISTS ARGN)
		string(REGEX REPLACE "\\.proto$" "" stem "${proto}")
		add_custom_command(
			OUTPUT "${out}/${stem}.pb-c.c" "${out}/${stem}.pb-c.h"
			COMMAND ${PROTOC} --c_out=${out} -I${root} ${root}/${proto}
			DEPENDS "${root}/${proto}"
			COMMENT "protoc ${proto}" VERBATIM)
		list(APPEND sources "${out}/${stem}.pb-c.c")
	endforeach()
	add_library(${target} STATIC ${sources})
	target_include_directories(${target} SYSTEM PUBLIC "${out}")
	target_link_libraries(${target} PUBLIC PkgConfig::protobufc)
endfunction()
