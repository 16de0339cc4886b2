# Arrow, Parquet and Arrow's S3 client, as tools/setup.sh unpacked and prepared them.
#   kite::arrow      libparquet and libarrow
#   kite::arrow_s3   arrow::fs::S3FileSystem
#
# The libraries are linked (hard, or copied across file systems) to <build>/lib, where every program's run path
# points ($ORIGIN/lib).

set(kite_arrow_root "${KITE_CACHE}/arrow-${PYARROW_VERSION}")
if(NOT EXISTS "${kite_arrow_root}/kite-stamp")
  kite_missing(arrow)
  return()
endif()

foreach(library arrow parquet arrow_s3)
  file(GLOB found "${kite_arrow_root}/lib/lib${library}.so.*")
  cmake_path(GET found FILENAME soname)
  set(placed "${CMAKE_BINARY_DIR}/lib/${soname}")
  # Always renewed: the cache may hold a newly prepared copy. Unlinked first, as programs may have it mapped.
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
  file(REMOVE "${placed}")
  file(CREATE_LINK "${found}" "${placed}" COPY_ON_ERROR)
  add_library(kite_so_${library} SHARED IMPORTED GLOBAL)
  set_target_properties(kite_so_${library} PROPERTIES
    IMPORTED_LOCATION "${placed}"
    IMPORTED_SONAME "${soname}"
    INTERFACE_INCLUDE_DIRECTORIES "${kite_arrow_root}/include")
endforeach()

add_library(kite_dep_arrow INTERFACE)
target_link_libraries(kite_dep_arrow INTERFACE kite_so_parquet kite_so_arrow)
add_library(kite::arrow ALIAS kite_dep_arrow)

add_library(kite_dep_arrow_s3 INTERFACE)
target_link_libraries(kite_dep_arrow_s3 INTERFACE kite_so_arrow_s3 kite_so_arrow)
add_library(kite::arrow_s3 ALIAS kite_dep_arrow_s3)
