# Sanitizers cover our own code. The distribution's libraries and the generated protocol code are not instrumented;
# what they make the sanitizers report is listed in tools/sanitizers/.

add_library(kite_sanitizers INTERFACE)
if(KITE_SANITIZE)
  set(flags "-fsanitize=${KITE_SANITIZE}")
  if(KITE_SANITIZE MATCHES "undefined")
    # float-cast-overflow is part of clang's `undefined`, not of gcc's.
    list(APPEND flags -fno-sanitize-recover=undefined,float-cast-overflow)
  endif()
  target_compile_options(kite_sanitizers INTERFACE ${flags})
  target_link_options(kite_sanitizers INTERFACE ${flags})
endif()

# Seconds that a test program may take; instrumented it is slower by far.
set(KITE_TEST_TIMEOUT 300)
set(KITE_TEST_ENVIRONMENT "")
if(KITE_SANITIZE)
  # Of the engine alone: about three quarters of an hour of one core under the thread sanitizer.
  set(KITE_TEST_TIMEOUT 7200)
  # What tests run with; the tests of real servers read the same file.
  set(kite_sanitizer_options "${CMAKE_SOURCE_DIR}/tools/sanitizers/options")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${kite_sanitizer_options}")
  file(STRINGS "${kite_sanitizer_options}" KITE_TEST_ENVIRONMENT REGEX "^[A-Z_]+=")
  string(REPLACE "@FOLDER@" "${CMAKE_SOURCE_DIR}/tools/sanitizers" KITE_TEST_ENVIRONMENT
    "${KITE_TEST_ENVIRONMENT}")
endif()
