# Debian's libroaring has no pkg-config file.
find_library(KITE_ROARING roaring)
if(KITE_ROARING)
  add_library(kite_dep_roaring INTERFACE)
  target_link_libraries(kite_dep_roaring INTERFACE "${KITE_ROARING}")
  add_library(kite::roaring ALIAS kite_dep_roaring)
else()
  kite_missing(roaring)
endif()
