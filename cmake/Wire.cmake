# kite_wire: the Milvus client contract as C++ messages, generated from the pinned pymilvus release.
#
#   #include "milvus.pb.h"            messages of the six .proto files
#   #include "kite_wire_methods.h"    kite::wire::kMethods, every service method with its types
#
# There are no gRPC stubs: the server takes calls generically and parses the messages itself.

set(kite_wire_source "${KITE_CACHE}/pymilvus-${PYMILVUS_VERSION}/pymilvus/grpc_gen")
find_program(KITE_PROTOC protoc)
if(NOT TARGET kite::protobuf OR NOT KITE_PROTOC OR NOT IS_DIRECTORY "${kite_wire_source}")
  message(STATUS "kite: no wire contract; kite_wire cannot be built (run tools/setup.sh)")
  return()
endif()

set(wire "${CMAKE_BINARY_DIR}/wire")
set(kite_wire_protos common schema feder rg msg milvus)
list(TRANSFORM kite_wire_protos APPEND ".proto" OUTPUT_VARIABLE names)
list(TRANSFORM kite_wire_protos APPEND ".pb.cc" OUTPUT_VARIABLE sources)
list(TRANSFORM sources PREPEND "${wire}/")
list(TRANSFORM kite_wire_protos APPEND ".pb.h" OUTPUT_VARIABLE headers)
list(TRANSFORM headers PREPEND "${wire}/")
file(MAKE_DIRECTORY "${wire}")

# The contract imports google/protobuf/descriptor.proto, which the wheel does not carry.
pkg_get_variable(kite_protobuf_prefix protobuf prefix)
add_custom_command(
  OUTPUT ${sources} ${headers} "${wire}/kite_wire_methods.h"
  COMMAND python3 "${CMAKE_SOURCE_DIR}/tools/wire_descriptors.py" "${kite_wire_source}"
    --descriptor-set "${wire}/contract.pb" --methods-header "${wire}/kite_wire_methods.h"
  COMMAND "${KITE_PROTOC}" --include_imports "--descriptor_set_out=${wire}/imports.pb"
    -I "${kite_protobuf_prefix}/include" google/protobuf/descriptor.proto
  COMMAND "${KITE_PROTOC}" "--descriptor_set_in=${wire}/imports.pb:${wire}/contract.pb" "--cpp_out=${wire}" ${names}
  DEPENDS "${CMAKE_SOURCE_DIR}/tools/wire_descriptors.py" "${CMAKE_SOURCE_DIR}/tools/versions"
  COMMENT "Generating the wire contract from pymilvus ${PYMILVUS_VERSION}"
  VERBATIM)

add_library(kite_wire STATIC ${sources} ${headers} "${wire}/kite_wire_methods.h")
target_include_directories(kite_wire SYSTEM PUBLIC "${wire}")
target_link_libraries(kite_wire PUBLIC kite::protobuf)
# 4 MB of generated source in one file. Measured with gcc 12: -O2 140 s, -O1 39 s, -O0 24 s, 1.1 to 1.3 GB each. What
# is hot in it is inlined from the headers into our own -O2 code, so -O1 costs little.
target_compile_options(kite_wire PRIVATE -w -O1 -g0)
