# Warnings for our own code. Linked by kite_module and kite_executable; generated and third-party code goes without.

add_library(kite_warnings INTERFACE)
target_compile_options(kite_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wextra-semi -Wundef
  -Wno-missing-field-initializers)

if(KITE_WERROR)
  target_compile_options(kite_warnings INTERFACE -Werror)
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gcc 12 reports these inside the standard library's own inlined code (std::string operator+, std::vector growth).
  target_compile_options(kite_warnings INTERFACE
    -Wno-restrict -Wno-error=maybe-uninitialized -Wno-error=array-bounds -Wno-error=stringop-overflow
    -Wno-error=stringop-overread -Wno-error=free-nonheap-object -Wno-error=null-dereference)
else()
  target_compile_options(kite_warnings INTERFACE
    -Wthread-safety -Wno-unused-private-field -Wno-unused-command-line-argument)
endif()
