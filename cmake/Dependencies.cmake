# Every third-party library is one file here and one imported target kite::<name>; the rest of the build names only
# those. A library that is missing makes no target, so what does not need it still builds.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# kite_pkg_config(<name> <pkg-config module>...): kite::<name> from pkg-config.
function(kite_pkg_config name)
  pkg_check_modules(kite_pc_${name} QUIET IMPORTED_TARGET GLOBAL ${ARGN})
  if(NOT kite_pc_${name}_FOUND)
    kite_missing(${name})
    return()
  endif()
  add_library(kite_dep_${name} INTERFACE)
  target_link_libraries(kite_dep_${name} INTERFACE PkgConfig::kite_pc_${name})
  add_library(kite::${name} ALIAS kite_dep_${name})
endfunction()

function(kite_missing name)
  message(STATUS "kite: no ${name}; targets that need kite::${name} cannot be built (run tools/setup.sh)")
endfunction()

set(kite_dependency_files gtest benchmark xxhash)
if(NOT KITE_ENGINE_ONLY)
  list(APPEND kite_dependency_files
    grpc protobuf rocksdb arrow spdlog json yaml cli11 prometheus httplib curl pugixml re2 utf8proc icu stemmer roaring zstd lz4
    zlib openssl argon2 rdkafka)
endif()
foreach(name IN LISTS kite_dependency_files)
  include("${CMAKE_CURRENT_LIST_DIR}/${name}.cmake")
endforeach()
if(NOT KITE_ENGINE_ONLY)
  include("${CMAKE_CURRENT_LIST_DIR}/Wire.cmake")
  include("${CMAKE_CURRENT_LIST_DIR}/EtcdProtocol.cmake")
endif()
