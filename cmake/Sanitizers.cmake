# Sanitizers cover our own code. The distribution's libraries and the generated protocol code are not instrumented;
# what they make the sanitizers report is listed in tools/sanitizers/.

add_library(kite_sanitizers INTERFACE)
if(KITE_SANITIZE)
  set(flags "-fsanitize=${KITE_SANITIZE}")
  if(KITE_SANITIZE MATCHES "undefined")
    list(APPEND flags -fno-sanitize-recover=undefined)
  endif()
  target_compile_options(kite_sanitizers INTERFACE ${flags})
  target_link_options(kite_sanitizers INTERFACE ${flags})
endif()

set(supp "${CMAKE_SOURCE_DIR}/tools/sanitizers")
set(KITE_TEST_ENVIRONMENT
  "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1"
  "LSAN_OPTIONS=suppressions=${supp}/lsan.supp:print_suppressions=0"
  "UBSAN_OPTIONS=print_stacktrace=1:suppressions=${supp}/ubsan.supp"
  "TSAN_OPTIONS=suppressions=${supp}/tsan.supp:second_deadlock_stack=1")
