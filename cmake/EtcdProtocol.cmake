# kite_etcd_protocol: the messages and gRPC stubs of etcd's client protocol, generated from etcd's own definitions.
#
#   #include "etcd_rpc.grpc.pb.h"

set(kite_etcd_source "${KITE_CACHE}/etcd-protocol")
find_program(KITE_GRPC_PLUGIN grpc_cpp_plugin)
if(NOT TARGET kite::grpc OR NOT KITE_PROTOC OR NOT KITE_GRPC_PLUGIN OR NOT IS_DIRECTORY "${kite_etcd_source}")
  message(STATUS "kite: no etcd protocol; kite_store_etcd cannot be built (run tools/setup.sh)")
  return()
endif()

set(etcd "${CMAKE_BINARY_DIR}/etcd")
set(etcd_names etcd_kv.proto etcd_auth.proto etcd_rpc.proto)
set(etcd_sources
  "${etcd}/etcd_kv.pb.cc" "${etcd}/etcd_auth.pb.cc" "${etcd}/etcd_rpc.pb.cc" "${etcd}/etcd_rpc.grpc.pb.cc")
string(REPLACE ".pb.cc" ".pb.h" etcd_headers "${etcd_sources}")
file(MAKE_DIRECTORY "${etcd}")

add_custom_command(
  OUTPUT ${etcd_sources} ${etcd_headers}
  COMMAND python3 "${CMAKE_SOURCE_DIR}/tools/etcd_protocol.py" "${kite_etcd_source}" "${etcd}"
  COMMAND "${KITE_PROTOC}" -I "${etcd}" "--cpp_out=${etcd}" ${etcd_names}
  COMMAND "${KITE_PROTOC}" -I "${etcd}" "--grpc_out=${etcd}" "--plugin=protoc-gen-grpc=${KITE_GRPC_PLUGIN}"
    etcd_rpc.proto
  DEPENDS "${CMAKE_SOURCE_DIR}/tools/etcd_protocol.py"
  COMMENT "Generating etcd's client protocol"
  VERBATIM)

add_library(kite_etcd_protocol STATIC ${etcd_sources} ${etcd_headers})
target_include_directories(kite_etcd_protocol SYSTEM PUBLIC "${etcd}")
target_link_libraries(kite_etcd_protocol PUBLIC kite::grpc)
target_compile_options(kite_etcd_protocol PRIVATE -w -O1 -g0)
