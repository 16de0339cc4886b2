# kite_module(<name>
#   SOURCES a.cc b.cc            the static library kite_<name>; without sources it is header-only
#   DEPS kite_base kite::re2     what its headers and sources use
#   TESTS a_test.cc              one GoogleTest program kite_<name>_test, run by ctest (label: unit)
#   TEST_DEPS kite_store_faulty  what only the tests and benchmarks use
#   FUZZ a_fuzz.cc               one program per file, see below
#   BENCH a_bench.cc)            one Google Benchmark program per file, built by the target `benchmarks`
#
# Includes are written from src/ ("base/status.h"); a folder `include` beside the CMakeLists.txt is public as well
# ("kite/engine/index.h").
#
# A fuzz file defines LLVMFuzzerTestOneInput. With KITE_FUZZ it is linked with libFuzzer; without, the program
# replays corpus/<file stem>/* beside it, and ctest runs it (label: corpus).
#
# kite_executable(<output name> SOURCES main.cc DEPS kite_server)   a program in the build folder.

# Removes from the list what does not exist. In CI that is an error; on a developer's machine one half-written module
# must not keep the others from building.
function(kite_existing_sources list)
  set(kept)
  foreach(source IN LISTS ${list})
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" OUTPUT_VARIABLE path)
    if(EXISTS "${path}")
      list(APPEND kept "${source}")
    elseif(DEFINED ENV{CI})
      message(SEND_ERROR "kite: ${path} is listed but does not exist")
    else()
      message(WARNING "kite: ${path} is listed but does not exist; left out")
    endif()
  endforeach()
  set(${list} "${kept}" PARENT_SCOPE)
endfunction()

# CMake takes an unknown name in a link line for a file to be found by the linker. Ours are remembered and checked.
function(kite_link target scope)
  target_link_libraries(${target} ${scope} ${ARGN})
  foreach(dependency IN LISTS ARGN)
    set_property(GLOBAL APPEND PROPERTY kite_dependencies "${target}>${dependency}")
  endforeach()
endfunction()

# Called once, when all folders are known.
function(kite_finish)
  get_property(fuzzers GLOBAL PROPERTY kite_fuzzers)
  if(KITE_FUZZ)
    # One line per fuzzer, program|corpus folder, for tools/fuzz/run.sh.
    list(JOIN fuzzers "\n" lines)
    file(WRITE "${CMAKE_BINARY_DIR}/fuzzers.txt" "${lines}\n")
    add_custom_target(fuzzers)
    foreach(line IN LISTS fuzzers)
      string(REGEX REPLACE "\\|.*" "" program "${line}")
      add_dependencies(fuzzers ${program})
    endforeach()
  endif()
  if(NOT TARGET benchmarks)
    add_custom_target(benchmarks)
  endif()

  get_property(edges GLOBAL PROPERTY kite_dependencies)
  foreach(edge IN LISTS edges)
    string(REPLACE ">" ";" edge "${edge}")
    list(GET edge 0 from)
    list(GET edge 1 to)
    if(to MATCHES "^kite_" AND NOT TARGET ${to})
      message(WARNING "kite: ${from} depends on ${to}, which does not exist; it will not link")
    endif()
  endforeach()
endfunction()

function(kite_add_program target)
  add_executable(${target} ${ARGN})
  target_link_libraries(${target} PRIVATE kite_warnings kite_sanitizers)
  target_include_directories(${target} PRIVATE "${CMAKE_SOURCE_DIR}/src")
endfunction()

function(kite_executable name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  kite_existing_sources(arg_SOURCES)
  kite_add_program(kite_program_${name} ${arg_SOURCES})
  kite_link(kite_program_${name} PRIVATE ${arg_DEPS})
  set_target_properties(kite_program_${name} PROPERTIES OUTPUT_NAME ${name})
endfunction()

function(kite_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS;TESTS;TEST_DEPS;FUZZ;BENCH")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "kite_module(${name}): unknown arguments ${arg_UNPARSED_ARGUMENTS}")
  endif()
  foreach(list arg_SOURCES arg_TESTS arg_FUZZ arg_BENCH)
    kite_existing_sources(${list})
  endforeach()

  set(library kite_${name})
  if(arg_SOURCES)
    add_library(${library} STATIC ${arg_SOURCES})
    target_link_libraries(${library} PRIVATE $<BUILD_INTERFACE:kite_warnings> kite_sanitizers)
    set(scope PUBLIC)
  else()
    add_library(${library} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${library} ${scope} "${CMAKE_SOURCE_DIR}/src")
  if(IS_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/include")
    target_include_directories(${library} ${scope} "${CMAKE_CURRENT_SOURCE_DIR}/include")
  endif()
  kite_link(${library} ${scope} ${arg_DEPS})

  if(arg_TESTS)
    kite_add_program(${library}_test ${arg_TESTS})
    kite_link(${library}_test PRIVATE ${library} ${arg_TEST_DEPS} kite::gtest)
    add_test(NAME ${library}_test COMMAND ${library}_test --gtest_brief=1
      WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    set_tests_properties(${library}_test PROPERTIES
      LABELS "unit" TIMEOUT ${KITE_TEST_TIMEOUT} ENVIRONMENT "${KITE_TEST_ENVIRONMENT}")
  endif()

  foreach(source IN LISTS arg_FUZZ)
    cmake_path(GET source STEM stem)
    set(corpus "${CMAKE_CURRENT_SOURCE_DIR}/corpus/${stem}")
    set(program kite_${stem})
    if(KITE_FUZZ)
      kite_add_program(${program} ${source})
      target_link_options(${program} PRIVATE -fsanitize=fuzzer)
      set_property(GLOBAL APPEND PROPERTY kite_fuzzers "${program}|${corpus}")
    else()
      kite_add_program(${program} ${source} "${CMAKE_SOURCE_DIR}/tools/fuzz/replay_main.cc")
      add_test(NAME ${program}_corpus COMMAND ${program} "${corpus}")
      set_tests_properties(${program}_corpus PROPERTIES
        LABELS "corpus" TIMEOUT ${KITE_TEST_TIMEOUT} ENVIRONMENT "${KITE_TEST_ENVIRONMENT}")
    endif()
    kite_link(${program} PRIVATE ${library} ${arg_TEST_DEPS})
  endforeach()

  foreach(source IN LISTS arg_BENCH)
    cmake_path(GET source STEM stem)
    kite_add_program(kite_${stem} ${source})
    set_target_properties(kite_${stem} PROPERTIES EXCLUDE_FROM_ALL ON)
    kite_link(kite_${stem} PRIVATE ${library} ${arg_TEST_DEPS} kite::benchmark)
    if(NOT TARGET benchmarks)
      add_custom_target(benchmarks)
    endif()
    add_dependencies(benchmarks kite_${stem})
  endforeach()
endfunction()
