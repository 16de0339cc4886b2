# Language level, optimisation, linker, compiler cache, output layout.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
# -g1 keeps function names and line numbers for stack traces at a fraction of -g's size and compile time.
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -D_GLIBCXX_ASSERTIONS")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
add_compile_options(-fno-omit-frame-pointer)

# The baseline that every supported x86 machine has. Wider instruction sets are for single kernel files, which are
# chosen at run time.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options(-march=x86-64-v2)
endif()

find_program(KITE_MOLD mold)
if(KITE_MOLD AND NOT CMAKE_CROSSCOMPILING)
  add_link_options(-fuse-ld=mold)
endif()

# The sources' place must not reach the objects: a fresh clone then hits the compiler cache of another one, and a
# stack trace shows no machine's paths.
add_compile_options("-ffile-prefix-map=${CMAKE_SOURCE_DIR}=." "-ffile-prefix-map=${CMAKE_BINARY_DIR}=build")
find_program(KITE_CCACHE ccache)
if(KITE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    env "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" "CCACHE_NOHASHDIR=1"
    "CCACHE_SLOPPINESS=pch_defines,time_macros" "${KITE_CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

# All programs and tests land in the build folder itself; shared libraries that are not the system's in its lib/.
# The same relative place is kept in packages and images.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
set(CMAKE_INSTALL_RPATH "$ORIGIN/lib")

if(DEFINED ENV{KITE_CACHE})
  set(kite_default_cache "$ENV{KITE_CACHE}")
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(kite_default_cache "$ENV{XDG_CACHE_HOME}/kite")
else()
  set(kite_default_cache "$ENV{HOME}/.cache/kite")
endif()
set(KITE_CACHE "${kite_default_cache}" CACHE PATH "Where tools/setup.sh puts what is not in the distribution")

# KEY=value lines of tools/versions become variables of the same name.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tools/versions")
file(STRINGS "${CMAKE_SOURCE_DIR}/tools/versions" kite_versions REGEX "^[A-Z_]+=")
foreach(line IN LISTS kite_versions)
  string(REGEX MATCH "^([A-Z_]+)=(.*)$" _ "${line}")
  set(${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
endforeach()
