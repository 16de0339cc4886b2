if(NOT CMAKE_CROSSCOMPILING)
  kite_pkg_config(gtest gtest_main gmock)
else()
  # The distribution's library is for this machine; its package has the sources as well.
  add_subdirectory(/usr/src/googletest "${CMAKE_BINARY_DIR}/googletest" EXCLUDE_FROM_ALL)
  add_library(kite::gtest ALIAS gtest_main)
endif()
