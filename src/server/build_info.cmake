# Writes kite_build_info.h; run at every build, touches the file only when something has changed.
#   cmake -D SOURCE=<checkout> -D OUTPUT=<file> -D VERSION=<x.y.z> -P build_info.cmake
execute_process(COMMAND git -C "${SOURCE}" show -s --format=%h|%cI HEAD
  OUTPUT_VARIABLE head OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(head "unknown|unknown")
endif()
string(REGEX MATCH "^([^|]*)\\|(.*)$" _ "${head}")
set(content "#pragma once
#define KITE_VERSION \"${VERSION}\"
#define KITE_MILVUS_VERSION \"v2.6.4\"
#define KITE_GIT_COMMIT \"${CMAKE_MATCH_1}\"
#define KITE_BUILD_TIME \"${CMAKE_MATCH_2}\"
")
set(old "")
if(EXISTS "${OUTPUT}")
  file(READ "${OUTPUT}" old)
endif()
if(NOT content STREQUAL old)
  file(WRITE "${OUTPUT}" "${content}")
endif()
